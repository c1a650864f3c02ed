"""`cxstream verify`: what it finds, names and leaves as it was."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cxstream
import cxstream_client as cx
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.store import DirectoryStore
from cxstream.store.catalogue import marked, row_mark
from cxstream.store.delta import DataFile, publish
from cxstream.store.records import put_erasure
from cxstream.store.segment import BLOCK_BYTES
from cxstream.upkeep import KeeperSettings
from tests.faults.worker import Worker
from tests.serving import serving

Run = Callable[..., Any]

PROGRAM = {
    "name": "p",
    "questions": {"nps": {"kind": "nps"}, "food": {"kind": "rating", "scale": [1, 5]}},
    "dimensions": {"region": {}},
    "time": {"column": "at"},
    "models": {"m": {"outcome": "nps", "drivers": ["food"]}},
}
CHECKS = [
    "format", "catalogue", "sequences", "segments", "history", "delta", "snapshots", "erasures",
    "batches", "tallies",
]  # fmt: skip
DAYS = [dt.datetime(2024, 3, 1), dt.datetime(2024, 4, 1), None]


def send(client: cx.Client, producer: str, count: int) -> None:
    with client.append("p", producer=producer) as stream:
        for number in range(count):
            stream.send(
                {
                    "nps": [10, number % 11, None],
                    "food": [1, 5, 3],
                    "region": ["n", "s", None],
                    "at": DAYS,
                }
            )


def fill(folder: Path, *, sealed: bool) -> None:
    """Three producers, and a snapshot that does not hold the last one's batches.

    The batches of the others are in the history or, as all are then, in the journal.
    """
    with cxstream.Engine.open(folder) as client:
        client.put_program(PROGRAM)
        send(client, "a", 5)
        send(client, "b", 3)
        if sealed:
            client.checkpoint()
    kept = {path: path.read_bytes() for path in (folder / "snapshots").iterdir()}
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue:
        row = catalogue.execute("SELECT * FROM snapshot").fetchone()
        with cxstream.Engine.open(folder) as client:
            send(client, "c", 2)
        for path in (folder / "snapshots").iterdir():
            path.unlink()
        for path, data in kept.items():
            path.write_bytes(data)
        with catalogue:
            marks = ", ".join("?" * len(row))
            catalogue.execute(f"REPLACE INTO snapshot VALUES ({marks})", row)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "data"
    fill(folder, sealed=False)
    return folder


@pytest.fixture(scope="module")
def filled_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history") / "data"
    fill(folder, sealed=True)
    return folder


@pytest.fixture
def data(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "data"))


@pytest.fixture
def history(filled_history: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled_history, tmp_path / "history"))


def content(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue, catalogue:
        assert catalogue.execute(statement).rowcount > 0


@pytest.mark.parametrize("where", ["data", "history"])
def test_an_intact_directory(run: Run, request: pytest.FixtureRequest, where: str) -> None:
    data = request.getfixturevalue(where)
    before = content(data)
    ran = run("verify", data)
    assert ran.code == 0, ran.out + ran.err
    assert [line.split()[1] for line in ran.out.splitlines()[:-1]] == CHECKS
    assert "programs 1, batches 10, responses 30" in ran.out
    assert "1 of 1 compared bit for bit" in ran.out
    assert ran.out.splitlines()[-1].startswith("all 10 checks passed")
    found = run("verify", data, "--json").json
    assert found["ok"] is True
    assert [one["check"] for one in found["checks"]] == CHECKS
    assert found["checks"][-1]["responses"] == 30
    assert found["checks"][4]["rows"] == (24 if where == "history" else 0)
    assert not any(one["remark"] for one in found["checks"][:-1])
    assert content(data) == before


def test_it_is_empty(run: Run, tmp_path: Path) -> None:
    cxstream.Engine.open(tmp_path / "data").close()
    assert run("verify", tmp_path / "data").code == 0


@pytest.fixture
def crashed(data: Path, worker: Worker) -> Path:
    """A directory as a killed process leaves it: an unfinished catalogue, an unfinished batch."""
    rows = {"nps": [1], "food": [2], "region": ["n"], "at": [dt.date(2024, 3, 1)]}
    worker.run("append", path=str(data), program="p", producer="d", rows=rows).result()
    assert (data / "catalogue.sqlite-wal").stat().st_size > 0
    with next((data / "journal").iterdir()).open("ab") as file:
        file.write(b"unfinished")
    return data


def test_after_a_crash(run: Run, crashed: Path) -> None:
    before = content(crashed)
    found = run("verify", crashed, "--json").json
    assert found["ok"] is True
    assert found["checks"][-1]["responses"] == 31
    assert found["checks"][3]["remark"] == "10 bytes of batches that were never acknowledged"
    assert content(crashed) == before


def flip(path: Path, place: int = -1) -> None:
    body = bytearray(path.read_bytes())
    body[place] ^= 0x10
    path.write_bytes(body)


def one(folder: Path) -> Path:
    return next(folder.iterdir())


def snapshot_of_other_sums(folder: Path) -> None:
    """Keep, with a digest that fits, the sums of other batches."""
    with cxstream.Engine.open(folder.parent / "other") as client:
        client.put_program(PROGRAM)
        send(client, "a", 8)
    data = one(folder.parent / "other" / "snapshots").read_bytes()
    one(folder / "snapshots").write_bytes(data)
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue, catalogue:
        *row, _, _ = catalogue.execute("SELECT * FROM snapshot").fetchone()
        row.append(hashlib.blake2b(data, digest_size=16).digest())
        catalogue.execute("UPDATE snapshot SET digest = ?, mark = ?", (row[-1], row_mark(row)))


def cut_segment(folder: Path) -> None:
    path = one(folder / "journal")
    os.truncate(path, path.stat().st_size - BLOCK_BYTES + 1)  # into the last batch


def flip_segment(folder: Path) -> None:
    flip(one(folder / "journal"), -BLOCK_BYTES)  # where the last batch begins


def without_segment(folder: Path) -> None:
    one(folder / "journal").unlink()


def flip_snapshot(folder: Path) -> None:
    flip(one(folder / "snapshots"))


def without_snapshot(folder: Path) -> None:
    one(folder / "snapshots").unlink()


def sql(statement: str) -> Callable[[Path], None]:
    return lambda folder: change(folder, statement)


def lose_commits(folder: Path) -> None:
    (folder / "committed").write_text(f"12 1 2 {row_mark([12, 1, 2])}\n", encoding="ascii")


def drop_index(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue, catalogue:
        catalogue.execute("DROP INDEX batch_sequence")


def without_catalogue_page(folder: Path) -> None:
    path = folder / "catalogue.sqlite"
    body = bytearray(path.read_bytes())
    body[4096 * 3 : 4096 * 4] = bytes(4096)
    path.write_bytes(body)


DAMAGE: dict[str, tuple[Callable[[Path], None], str, tuple[str, ...]]] = {
    "a bit of a batch": (
        flip_segment, "batches",
        ("program p, producer c, sequence 1: it is not what was stored", "from a backup"),
    ),
    "the end of a segment": (cut_segment, "segments", ("should have at least",)),
    "a segment": (without_segment, "segments", ("00000000.segment is missing",)),
    "a bit of a snapshot": (
        flip_snapshot, "snapshots", ("program p: its snapshot", "remove snapshots/"),
    ),
    "a snapshot": (without_snapshot, "snapshots", ("missing or damaged",)),
    "sums of other batches": (
        snapshot_of_other_sums, "tallies",
        ("program p: its snapshot does not hold", "view region", "remove snapshots/"),
    ),
    "a batch in the middle": (
        sql("DELETE FROM batch WHERE producer = 'a' AND sequence = 3"), "sequences",
        ("program p, producer a, sequence 3: its batches from here on are missing, 1 in all",),
    ),
    "the log's last batches": (
        lose_commits, "sequences", ("lost the last 2 batches", "remove committed"),
    ),
    "a table": (
        drop_index, "catalogue", ("the tables of the catalogue are not those of its format",)
    ),
    "the last batch": (
        sql("DELETE FROM batch WHERE point = 10"), "sequences",
        ("10 batches were stored and the catalogue names 9",),
    ),
    "a program": (sql("DELETE FROM program"), "catalogue", ("it is not declared and has 10 rows of batch",)),
    "a declaration": (
        sql("UPDATE program SET tables = '{'"), "catalogue", ("a declaration is no JSON",)
    ),
    "a declaration's content": (
        sql("UPDATE program SET tables = replace(tables, 'scale', 'skale')"), "catalogue",
        ("program p: its declaration cannot be read", "program p: its row"),
    ),
    "a number of rows": (
        sql("UPDATE batch SET rows = 4 WHERE point = 2"), "catalogue",
        ("producer a, sequence 1: its row of batch in the catalogue is not what was stored",),
    ),
    "a size": (
        sql("UPDATE batch SET size = 'x' WHERE point = 2"), "catalogue", ("its row of batch",)
    ),
    "a schema": (
        sql("UPDATE schema SET message = x'00'"), "catalogue", ("a schema in the catalogue",)
    ),
    "the point of a snapshot": (
        sql("UPDATE snapshot SET point = point + 1"), "snapshots", ("missing or damaged",)
    ),
    "a page of the catalogue": (without_catalogue_page, "catalogue", ()),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named(run: Run, data: Path, case: str) -> None:
    damage, failing, texts = DAMAGE[case]
    damage(data)
    before = content(data)
    ran = run("verify", data)
    assert content(data) == before
    if case == "a page of the catalogue" and ran.err:
        # Whatever was on it: either a check fails, or nothing can be read at all.
        assert (ran.code, "is damaged" in ran.err) == (1, True)
        return
    check_named(run, data, ran, failing, texts)


def check_named(run: Run, folder: Path, ran: Any, failing: str, texts: tuple[str, ...]) -> None:
    assert ran.code == 1, ran.out
    assert any(line.split()[:2] == ["FAILED", failing] for line in ran.out.splitlines()), ran.out
    for text in texts:
        assert text in ran.out
    assert "Traceback" not in ran.err
    found = json.loads(run("verify", folder, "--json").out)
    assert found["ok"] is False


# --- the history ----------------------------------------------------------------------------------


def files(folder: Path) -> list[Path]:
    return sorted((folder / "history" / "p").glob("[!_]*/*.parquet"), key=lambda path: path.name)


def flip_file(folder: Path) -> None:
    flip(files(folder)[0], 200)


def cut_file(folder: Path) -> None:
    os.truncate(files(folder)[0], files(folder)[0].stat().st_size - 1)


def without_file(folder: Path) -> None:
    files(folder)[0].unlink()


def swap_files(folder: Path) -> None:
    first, second = (path.read_bytes() for path in files(folder)[:2])
    files(folder)[0].write_bytes(second)
    files(folder)[1].write_bytes(first)


def mark_file(change: str, *values: object) -> Callable[[Path], None]:
    """Change a row of `file`, and its mark with it, as no flipped bit could."""

    def damage(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue, catalogue:
            catalogue.execute(f"UPDATE file SET {change} WHERE number = 1", values)
            (number, *row, _) = catalogue.execute("SELECT * FROM file WHERE number = 1").fetchone()
            catalogue.execute(
                "REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", marked([number, *row])
            )

    return damage


def other_rows(folder: Path) -> None:
    """Put other answers in a file, with all that describes it: only the sums can tell."""
    path = files(folder)[0]
    rows = pq.ParquetFile(path).read()
    rows = rows.set_column(0, "nps", pa.array([0] * len(rows), pa.int8()))
    pq.write_table(rows, path, store_schema=False)
    data = path.read_bytes()
    mark_file("size = ?, digest = ?", len(data), hashlib.blake2b(data, digest_size=32).digest())(
        folder
    )


HISTORY_DAMAGE: dict[str, tuple[Callable[[Path], None], str, tuple[str, ...]]] = {
    "a bit of a file": (
        flip_file, "history",
        ("program p: file ", "its bytes are not those that were written", "from a backup"),
    ),
    "the end of a file": (cut_file, "history", ("bytes and should have",)),
    "a file": (without_file, "history", ("it is missing",)),
    "files of each other": (swap_files, "history", ("program p: file ",)),
    "a bit of a file's row": (
        sql("UPDATE file SET rows = rows + 1 WHERE number = 2"), "catalogue",
        ("program p: row 2 of file in the catalogue is not what was stored",),
    ),
    "a file's rows": (mark_file("rows = rows + 1"), "history", ("rows and should have",)),
    "a file's batches": (mark_file("first = 2"), "history", ("holds batches 1 to 8 and should hold 2 to 8",)),
    "a file beyond its history": (mark_file("last = 10"), "history", ("batches that its history does not",)),
    "a file's row": (
        sql("DELETE FROM file WHERE number = 1"), "tallies", ("does not hold the sums",),
    ),
    "answers": (other_rows, "tallies", ("does not hold the sums of its batches",)),
    "how far the history goes": (
        sql("UPDATE history SET point = point + 1"), "catalogue", ("its row of history",)
    ),
    "how far the journal is trimmed": (
        sql("UPDATE store SET trimmed = trimmed - 1"), "catalogue", ("its row of store",)
    ),
    "where a producer is": (
        sql("UPDATE producer SET sequence = sequence + 1"), "catalogue",
        ("program p, producer a, sequence 6: its row of producer",),
    ),
    "a producer": (
        sql("DELETE FROM producer WHERE producer = 'a'"), "sequences",
        ("program p, producer a, sequence 4: it is kept as an earlier batch and was never one",),
    ),
    "an earlier batch": (
        sql("UPDATE recent SET digest = x'00' WHERE sequence = 2"), "catalogue",
        ("producer b, sequence 2: its row of recent",),
    ),
    "a bit of a later batch": (
        flip_segment, "batches", ("program p, producer c, sequence 1: it is not what was stored",)
    ),
    "the first batch after the history": (
        sql("DELETE FROM batch WHERE point = 9"), "sequences", ("producer c, sequence 0: its batches",)
    ),
    "a snapshot": (flip_snapshot, "snapshots", ("missing or damaged", "remove snapshots/")),
}  # fmt: skip


@pytest.mark.parametrize("case", HISTORY_DAMAGE)
def test_damage_of_the_history_is_named(run: Run, history: Path, case: str) -> None:
    damage, failing, texts = HISTORY_DAMAGE[case]
    damage(history)
    before = content(history)
    ran = run("verify", history)
    assert content(history) == before
    check_named(run, history, ran, failing, texts)


def remark(run: Run, folder: Path, check: str) -> str:
    found = run("verify", folder, "--json").json
    assert found["ok"] is True, found
    return str(found["checks"][CHECKS.index(check)]["remark"])


def test_files_that_count_nowhere_are_no_problem(run: Run, history: Path) -> None:
    stranger = files(history)[0].with_name("0000000099.parquet")
    stranger.write_bytes(b"half a file")
    other = history / "history" / "gone"
    other.mkdir()
    (other / "0000000001.parquet").write_bytes(b"")
    assert remark(run, history, "history").startswith("2 files that count nowhere")
    shutil.rmtree(other)
    cxstream.Engine.open(history).close()
    assert not stranger.exists()
    assert remark(run, history, "history") == ""


def stale(log: Path) -> None:
    """What a crash leaves between a file's record and the log's."""
    shutil.rmtree(log)
    partial = DataFile("2024-03/0000000001.parquet", 1, 1, "2024-03")
    schema = pa.schema([("nps", pa.int8()), ("_month", pa.string())])
    publish(log.parent, schema, [partial], partitioned=True, name="p")


def empty_commit(log: Path) -> None:
    (log / f"{1:020}.json").write_bytes(b"")


@pytest.mark.parametrize("damage", [stale, empty_commit, shutil.rmtree])
def test_a_delta_log_that_says_something_else(
    run: Run, history: Path, damage: Callable[[Path], None]
) -> None:
    damage(history / "history" / "p" / "_delta_log")
    assert "program p: its Delta log" in remark(run, history, "delta")
    with cxstream.Engine.open(history) as client:
        client.checkpoint()
    assert remark(run, history, "delta") == ""


def test_an_erasure_that_is_not_finished(run: Run, history: Path) -> None:
    with closing(sqlite3.connect(history / "catalogue.sqlite")) as catalogue, catalogue:
        put_erasure(catalogue, "p", [(1, -5)], 10)
    assert "1 are not finished" in remark(run, history, "erasures")


def test_after_compaction_and_in_other_threads(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    store = DirectoryStore(folder)
    with open_client(Engine(store=store, keeper=KeeperSettings(seal_rows=1))) as client:
        client.put_program(PROGRAM)
        for number in range(10):
            send(client, f"p{number}", 2)
            client.checkpoint()
        assert any(one.rows > 4 for one in store.files("p")), "some were joined"
        send(client, "last", 1)
    found = run("verify", folder, "--json", "--threads", 1).json
    assert found["ok"] is True, found
    assert found["checks"][-1]["responses"] == 63
    assert run("verify", folder, "--threads", 3).code == 0


# --- what it says ---------------------------------------------------------------------------------


def test_what_it_says_to_do_helps(run: Run, data: Path) -> None:
    snapshot_of_other_sums(data)
    assert run("verify", data).code == 1
    one(data / "snapshots").unlink()
    cxstream.Engine.open(data).close()
    assert run("verify", data).code == 0


def test_another_format(run: Run, data: Path) -> None:
    change(data, "UPDATE store SET format = 99")
    ran = run("verify", data)
    assert ran.code == 1
    assert (
        "format 99, this version reads 3; open it with the version of cxstream that wrote it"
        in ran.err
    )


def test_no_data_directory(run: Run, tmp_path: Path) -> None:
    ran = run("verify", tmp_path)
    assert ran.code == 1
    assert "is no data directory" in ran.err
    assert list(tmp_path.iterdir()) == []
    assert run("verify", tmp_path / "none").code == 2


@pytest.fixture
def served(data: Path) -> Iterator[Path]:
    with serving(data):
        yield data


def test_a_server_runs_on_it(run: Run, served: Path) -> None:
    ran = run("verify", served)
    assert ran.code == 1
    assert "is in use by process" in ran.err
    assert "cxstream checkpoint" in ran.err
