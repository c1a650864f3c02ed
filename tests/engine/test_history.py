"""From the journal to files that other engines read, and what is asked of them afterwards."""

from __future__ import annotations

import datetime as dt
import errno
import threading
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import cxstream_client as cx
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.store import DirectoryStore, HistoryFile, HistoryFolder, records
from cxstream.upkeep import KeeperSettings, compact, keeper
from tests.waiting import WAIT_S, until

PROGRAM = {
    "name": "p",
    "questions": {
        "nps": {"kind": "nps", "missing": [99]},
        "picks": {"kind": "choice", "options": ["a", "b", "c"], "multiple": True},
        "spend": {"kind": "number", "range": [0, 100], "step": 0.01},
    },
    "dimensions": {"shop": {}, "till": {}},
    "time": {"column": "at", "buckets": ["day"]},
}
SHOPS = ("north", "süd", None)
NEVER_S = 3600.0
SOON_S = 0.01


def frame(start: int, rows: int = 100) -> pa.Table:
    numbers = range(start, start + rows)
    return pa.table(
        {
            # As sent: floats and text, where the history has integers and days.
            "nps": pa.array([None if n % 7 == 0 else n % 11 for n in numbers], pa.float64()),
            "picks": pa.array(
                [[["a"], ["b", "c"], [], None][n % 4] for n in numbers], pa.list_(pa.string())
            ),
            "spend": [n % 100 + 0.25 for n in numbers],
            "shop": pa.array([SHOPS[n % 3] for n in numbers], pa.string()),
            "till": [str(n % 5) for n in numbers],
            "at": pa.array(
                [None if n % 50 == 0 else dt.date(2024, 1 + n % 3, 1 + n % 28) for n in numbers],
                pa.date32(),
            ),
        }
    )


def opened(path: Path, seal_age_s: float = NEVER_S) -> tuple[Engine, cx.Client]:
    engine = Engine(
        threads=1, store=DirectoryStore(path), keeper=KeeperSettings(seal_age_s=seal_age_s)
    )
    return engine, open_client(engine)


def send(client: cx.Client, *frames: pa.Table, producer: str = "me") -> None:
    with client.append("p", producer=producer) as stream:
        for one in frames:
            stream.send(one)


def store_of(engine: Engine) -> DirectoryStore:
    assert isinstance(engine._store, DirectoryStore)
    return engine._store


def test_other_engines_read_what_was_answered(tmp_path: Path) -> None:
    _, client = opened(tmp_path)
    client.put_program(PROGRAM)
    send(client, frame(0), frame(100), frame(200, 50))
    client.checkpoint()
    folder = tmp_path / "history" / "p"
    by_shop = {row.group["shop"]: (row.n, row.score) for row in client.nps("p", "nps", by=["shop"])}
    months = {row.group["month"]: row.n for row in client.nps("p", "nps", by=["month"])}
    client.close()

    def scores(rows: list[tuple[Any, int, float]]) -> dict[Any, tuple[int, float]]:
        return {shop: (n, pytest.approx(score)) for shop, n, score in rows}

    table = pl.read_delta(str(folder))
    assert table.height == 250
    found = (
        table.filter(pl.col("nps") != 99)
        .group_by("shop")
        .agg(
            n=pl.col("nps").count(),
            score=100 * ((pl.col("nps") >= 9).mean() - (pl.col("nps") <= 6).mean()),
        )
    )
    assert scores(found.rows()) == by_shop
    files = [str(one) for one in sorted(folder.rglob("*.parquet")) if "_delta_log" not in str(one)]
    duck = duckdb.sql(
        "SELECT shop, COUNT(nps), 100 * (AVG((nps >= 9)::INT) - AVG((nps <= 6)::INT))"
        f" FROM read_parquet({files}) WHERE nps <> 99 GROUP BY shop"
    ).fetchall()
    assert scores(duck) == by_shop
    panda = pd.read_parquet(folder)
    assert len(panda) == 250
    answered = panda[panda["nps"].notna()]
    by_month = answered.groupby(
        answered["at"].dt.to_period("M").dt.start_time.dt.date, dropna=False
    ).size()
    assert {None if pd.isna(key) else key: n for key, n in by_month.items()} == months
    assert str(panda["spend"].dtype) == "float64"
    assert table["nps"].dtype == pl.Int8


def test_the_history_waits_for_a_lull_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cxstream.upkeep.keeper.BUSY_BYTES_PER_S", 0)  # busy whatever comes in
    store = DirectoryStore(tmp_path)
    is_busy, looks = keeper.Keeper._is_busy, []

    def looked(one: keeper.Keeper) -> bool:
        looks.append(store.unsealed("p")[0])
        return is_busy(one)

    monkeypatch.setattr(keeper.Keeper, "_is_busy", looked)

    class Often(KeeperSettings):
        tick_s = 0.01

    settings = Often(seal_rows=50, seal_age_s=NEVER_S)
    engine = Engine(threads=1, store=store, keeper=settings)
    client = open_client(engine)
    client.put_program(PROGRAM)
    send(client, frame(0))
    until(lambda: looks.count(100) >= 4)
    assert store_of(engine).unsealed("p")[0] == 100  # twice as many as usual
    send(client, frame(100), frame(200), frame(300))
    until(lambda: store_of(engine).unsealed("p") == (0, 0))
    client.close()


def test_closing_does_not_wait_for_all_of_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()
    write, written = HistoryFolder.write, []

    def slow(*args: Any, **kwargs: Any) -> HistoryFile:
        begun.set()
        assert goes_on.wait(WAIT_S)
        written.append(write(*args, **kwargs))
        return written[-1]

    monkeypatch.setattr(HistoryFolder, "write", slow)
    engine, client = opened(tmp_path)
    client.put_program(PROGRAM)
    send(client, *(frame(start) for start in range(0, 500, 100)))
    keeper = engine._keeper
    assert keeper is not None
    keeper._settings = KeeperSettings(seal_rows=1)  # from now on
    assert begun.wait(WAIT_S)
    closing = threading.Thread(target=engine.close)
    closing.start()
    until(lambda: keeper._is_closed)
    goes_on.set()
    closing.join(WAIT_S)
    assert not closing.is_alive()
    assert len(written) == 1  # of a file for each month
    engine, client = opened(tmp_path)
    assert store_of(engine).files("p") == []
    assert store_of(engine).unsealed("p")[0] == 500
    assert client.program_info("p").responses == 500
    client.checkpoint()
    assert pl.read_delta(str(tmp_path / "history" / "p")).height == 500
    client.close()


def test_rows_leave_the_journal_by_themselves(tmp_path: Path) -> None:
    engine, client = opened(tmp_path, SOON_S)
    client.put_program(PROGRAM)
    sums = None
    for start in range(0, 500, 100):
        send(client, frame(start))
    until(lambda: store_of(engine).unsealed("p") == (0, 0))
    until(lambda: not any(one.stat().st_size for one in (tmp_path / "journal").iterdir()))
    assert sum(one.rows for one in store_of(engine).files("p")) == 500
    sums = engine.snapshot("p")
    client.close()
    for kept in (tmp_path / "snapshots").iterdir():
        kept.unlink()
    engine, client = opened(tmp_path)
    assert engine.snapshot("p") == sums
    with client.append("p", producer="me") as stream:
        assert stream.next_sequence == 5
    client.close()


def test_a_duplicate_of_long_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sequence is kept for ever, the digest of the latest batches."""
    monkeypatch.setattr(records, "DIGESTS_KEPT", 3)
    engine, client = opened(tmp_path)
    client.put_program(PROGRAM)
    send(client, *(frame(start, 1) for start in range(10)))
    client.checkpoint()
    client.close()
    engine, client = opened(tmp_path)
    store = store_of(engine)
    assert [store.digest("p", "me", one) is None for one in range(12)] == [True] * 7 + [
        False, False, False, True, True,
    ]  # fmt: skip
    assert store.next_sequence("p", "me") == 10
    appender = engine.open_append("p", "me")
    from tests.columns.wire import write

    schema, body = write(frame(1, 1).to_batches()[0])
    appender.set_schema(schema)
    assert appender.append(1, 1, body).duplicate
    assert client.program_info("p").responses == 10
    client.close()


def test_small_files_of_a_month_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "FILES_MIN", 3)
    engine, client = opened(tmp_path)
    client.put_program(PROGRAM)
    seen = []
    for start in range(0, 600, 100):
        send(client, frame(start))
        client.checkpoint()
        seen.append(len(store_of(engine).files("p")))
    assert max(seen) < 4 * 3 + 4, "three months and none"
    assert sum(one.rows for one in store_of(engine).files("p")) == 600
    on_disk = {
        str(one.relative_to(tmp_path / "history" / "p"))
        for one in (tmp_path / "history" / "p").rglob("*.parquet")
        if "_delta_log" not in str(one)
    }
    assert on_disk == {one.path for one in store_of(engine).files("p")}
    table = pl.read_delta(str(tmp_path / "history" / "p"))
    assert table.select("_sequence", "_row").n_unique() == 600
    one_off = client.nps("p", "nps", by=["shop", "till"])
    assert one_off.as_of.view == "scan"
    assert sum(row.n for row in one_off) == client.nps("p", "nps").n
    client.close()


def test_a_scan_keeps_the_files_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compacted meanwhile, they are there until it is done."""
    monkeypatch.setattr(compact, "FILES_MIN", 2)
    engine, client = opened(tmp_path)
    client.put_program(PROGRAM)
    send(client, frame(0))
    client.checkpoint()
    store = store_of(engine)
    with store.contents("p") as held:
        before = [store.history("p").folder / one.path for one in held.files]
        send(client, frame(100))
        client.checkpoint()
        assert not {one.path for one in held.files} & {one.path for one in store.files("p")}
        assert all(path.exists() for path in before)
        assert sum(len(held.folder.read(one)) for one in held.files) == 100
    assert not any(path.exists() for path in before)
    client.close()


def test_a_full_disk_holds_up_the_history_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keeper, "RETRY_S", 0.05)
    engine, client = opened(tmp_path, SOON_S)
    client.put_program(PROGRAM)
    with monkeypatch.context() as patched:
        patched.setattr(HistoryFolder, "write", full)
        send(client, frame(0))
        until(lambda: "history of 'p'" in caplog.text)
        send(client, frame(100))
        assert client.program_info("p").responses == 200
    until(lambda: store_of(engine).unsealed("p") == (0, 0))
    client.close()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    engine, client = opened(tmp_path)
    client.put_program(PROGRAM)
    send(client, frame(0))
    client.checkpoint()
    (file, *_) = store_of(engine).files("p")
    client.close()
    path = tmp_path / "history" / "p" / file.path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    engine, client = opened(tmp_path)
    # Sums are kept, and files are read for what they do not answer.
    assert client.nps("p", "nps").n == 85
    with pytest.raises(cx.PreconditionFailed, match=f"file {file.path} of the history") as caught:
        client.nps("p", "nps", by=["shop", "till"])
    assert caught.value.reason == "STORE_DAMAGED"
    client.close()


def test_a_column_goes_on_to_mean_what_it_meant(tmp_path: Path) -> None:
    _, client = opened(tmp_path)
    weighted = {**PROGRAM, "weight": {"column": "w", "step": 0.5}}
    client.put_program(weighted)
    send(client, frame(0).append_column("w", pa.array([1.5] * 100)))
    for changed, why in (
        (PROGRAM, "'w' is gone"),
        (
            {**weighted, "dimensions": {**PROGRAM["dimensions"], "score": {"column": "nps"}}},
            "something else",
        ),
    ):
        with pytest.raises(cx.PreconditionFailed, match=why):
            client.put_program(changed)
    client.close()
