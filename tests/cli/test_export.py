"""`cxstream export`: every response, traceable, in a file that is whole or not there."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cxstream

Run = Callable[..., Any]

PROGRAM = {
    "name": "p",
    "questions": {
        "nps": {"kind": "nps"},
        "solved": {"kind": "boolean"},
        "spend": {"kind": "number", "range": [0, 1000], "step": 0.5},
        "why": {"kind": "choice", "options": {"1": "Food", "2": "Wifi"}, "multiple": True},
    },
    "dimensions": {"region": {}},
    "time": {"column": "at"},
}
DAY = dt.datetime(2024, 3, 1, 12)
SMALL = pa.table(
    {
        "why": pa.array([[1, 2], None], pa.list_(pa.int8())),
        "region": pa.array(["n", None]).dictionary_encode(),
        "spend": pa.array([2, 3], pa.int8()),
        "solved": pa.array([True, None]),
        "nps": pa.array([10, None], pa.int8()),
        "at": pa.array([DAY.date(), None], pa.date32()),
    }
)
WIDE = pa.table(
    {
        "nps": pa.array([0.0, 7.0, 9.0], pa.float32()),
        "solved": pa.array([0, 1, None], pa.int16()),
        "spend": pa.array([0.5, 1000, None], pa.float64()),
        "why": pa.array([[], [2], [1]], pa.large_list(pa.int64())),
        "region": pa.array([1, 2, None], pa.int64()),
        "at": pa.array([DAY, DAY, DAY], pa.timestamp("us")),
    }
)


BATCHES = (("a", SMALL), ("b", WIDE), ("a", SMALL))


def fill(folder: Path, sealed: int) -> Path:
    """Send all batches; the first so many go to the history."""
    with cxstream.Engine.open(folder) as client:
        client.put_program(PROGRAM)
        client.put_program({**PROGRAM, "name": "empty"})
        for number, (producer, table) in enumerate(BATCHES):
            if number == sealed:
                client.checkpoint()
            with client.append("p", producer=producer) as stream:
                stream.send(table)
        if sealed == len(BATCHES):
            client.checkpoint()
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return fill(tmp_path / "data", 2)


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_file(file).read_all().to_pylist()


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["_point"], row["_row"]))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("sealed", [0, 2, 3])
def test_every_row_that_was_sent(run: Run, tmp_path: Path, suffix: str, sealed: int) -> None:
    data = fill(tmp_path / "data", sealed)
    file = tmp_path / f"out{suffix}"
    found = run("export", data, "p", "--to", file, "--json").json
    assert (found["rows"], found["batches"]) == (7, 3)
    assert found["bytes"] == file.stat().st_size
    rows = in_order(rows_of(file))
    traces = [(row["_producer"], row["_sequence"], row["_row"], row["_point"]) for row in rows]
    assert traces == [
        ("a", 0, 0, 1), ("a", 0, 1, 1), ("b", 0, 0, 2), ("b", 0, 1, 2), ("b", 0, 2, 2),
        ("a", 1, 0, 3), ("a", 1, 1, 3),
    ]  # fmt: skip
    assert rows[0] == {
        "nps": 10, "solved": 1, "spend": 2.0, "why": [1, 2], "region": "n",
        "at": DAY.replace(hour=0),
        "_producer": "a", "_sequence": 0, "_row": 0, "_point": 1,
    }  # fmt: skip
    assert rows[3]["region"] == "2" and rows[3]["at"] == DAY
    assert [row["nps"] for row in rows] == [10, None, 0, 7, 9, 10, None]
    assert [row["solved"] for row in rows] == [1, None, 0, 1, None, 1, None]
    assert [row["spend"] for row in rows] == [2, 3, 0.5, 1000, None, 2, 3]
    assert rows[1]["why"] is None and rows[2]["why"] == []
    assert list(rows[0])[:4] == ["nps", "solved", "spend", "why"]
    assert found["columns"]["region"] == "string"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", f"out{suffix}"]


def test_where_rows_are_kept_does_not_show(run: Run, tmp_path: Path) -> None:
    tables = []
    for sealed in range(4):
        data = fill(tmp_path / str(sealed), sealed)
        run("export", data, "p", "--to", tmp_path / "out.parquet")
        tables.append(
            pq.read_table(tmp_path / "out.parquet").sort_by(
                [("_point", "ascending"), ("_row", "ascending")]
            )
        )
    assert all(one.equals(tables[0]) for one in tables)


def test_after_compaction_and_a_new_question(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    later = {
        **PROGRAM,
        "questions": {**PROGRAM["questions"], "new": {"kind": "rating", "scale": [1, 5]}},
    }
    with cxstream.Engine.open(data) as client:
        client.put_program(PROGRAM)
        for number in range(9):
            with client.append("p", producer=str(number)) as stream:
                stream.send(WIDE)
            client.checkpoint()
        client.put_program(later)
        with client.append("p", producer="later") as stream:
            stream.send(WIDE.append_column("new", pa.array([1, None, 5], pa.int8())))
    file = tmp_path / "out.parquet"
    assert run("export", data, "p", "--to", file, "--json").json["batches"] == 10
    rows = in_order(rows_of(file))
    assert [row["nps"] for row in rows] == [0, 7, 9] * 10
    assert [row["new"] for row in rows] == [None] * 27 + [1, None, 5]
    assert {row["_point"]: row["_producer"] for row in rows}[10] == "later"


def test_others_read_it(run: Run, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.parquet"
    assert "7 rows of 3 batches" in run("export", data, "p", "--to", file).out
    asked = f"SELECT count(*), sum(spend), min(_producer) FROM '{file}'"
    assert duckdb.sql(asked).fetchall() == [(7, 1010.5, "a")]


def test_an_export_loaded_again_answers_the_same(
    run: Run, data: Path, tmp_path: Path, address: str, unique: str
) -> None:
    import cxstream_client as cx

    file = tmp_path / "out.arrow"
    run("export", data, "p", "--to", file)
    with cx.connect(address) as server, cxstream.Engine.open(data) as stored:
        server.put_program({**PROGRAM, "name": unique})
        with pa.OSFile(str(file)) as source:
            table = pa.ipc.open_file(source).read_all()
        with server.append(unique, producer="again") as stream:
            stream.send(table.drop_columns(["_producer", "_sequence", "_row", "_point"]))
        for question in ("nps", "spend", "why", "solved"):
            mine = server.distribution(unique, question, by="region").to_arrow()
            assert mine == stored.distribution("p", question, by="region").to_arrow()


WRONG = {
    "unknown program": (["q", "--to", "out.arrow"], 1, "no program 'q'"),
    "no responses": (["empty", "--to", "out.arrow"], 1, "has no responses yet"),
    "unknown format": (["p", "--to", "out.csv"], 1, "ends in .parquet or .arrow"),
    "nowhere": (["p", "--to", "none/out.arrow"], 1, "none/out.arrow"),
}


@pytest.mark.parametrize("case", WRONG)
def test_users_errors(run: Run, data: Path, tmp_path: Path, case: str) -> None:
    (program, option, name), code, text = WRONG[case]
    ran = run("export", data, program, option, tmp_path / name)
    assert ran.code == code
    assert text in ran.err and ran.err.startswith("error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_instants_and_local_times_are_one_column(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    time = {"column": "at", "timezone": "America/New_York"}
    with cxstream.Engine.open(data) as client:
        client.put_program({"name": "p", "questions": {"q": {"kind": "nps"}}, "time": time})
        for number, zone in enumerate((None, "UTC")):
            with client.append("p", producer=str(number)) as stream:
                kind = pa.timestamp("us", zone)
                stream.send(pa.table({"q": [1], "at": pa.array([DAY], kind)}))
    file = tmp_path / "out.arrow"
    assert run("export", data, "p", "--to", file).code == 0
    assert [row["at"] for row in in_order(rows_of(file))] == [DAY, DAY.replace(hour=7)]


def flip(path: Path, place: int | None = None) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2 if place is None else place] ^= 1
    path.write_bytes(body)


def flip_batch(data: Path) -> None:
    flip(next((data / "journal").iterdir()), 0)  # where the first batch begins


def flip_file(data: Path) -> None:
    flip(next((data / "history" / "p").glob("2024-03/*.parquet")))


def flip_row(data: Path) -> None:
    """Fewer rows than a file has: unnoticed, some would be left out."""
    with closing(sqlite3.connect(data / "catalogue.sqlite")) as catalogue, catalogue:
        assert catalogue.execute("UPDATE file SET rows = 0").rowcount > 0


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "batch": (flip_batch, "batch 1 of producer 'a' of program 'p' is not what was stored"),
    "file": (flip_file, "parquet of the history of program 'p' is damaged"),
    "row": (flip_row, "a row of file in its catalogue is not what was stored"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_leaves_no_file(run: Run, data: Path, tmp_path: Path, what: str) -> None:
    damage, text = DAMAGE[what]
    damage(data)
    before = tmp_path / "out.parquet"
    before.write_bytes(b"what was there")
    ran = run("export", data, "p", "--to", before)
    assert ran.code == 1
    assert text in ran.err
    assert before.read_bytes() == b"what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out.parquet"]


@pytest.mark.parametrize("sealed", [False, True])
def test_long_texts_are_cut_into_pieces(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, sealed: bool
) -> None:
    monkeypatch.setattr("cxstream.export.GROUP_BYTES", 2**20)
    data = tmp_path / "data"
    rows = 20_000
    with cxstream.Engine.open(data) as client:
        client.put_program(
            {"name": "p", "questions": {"q": {"kind": "nps"}}, "dimensions": {"d": {}}}
        )
        text = pa.DictionaryArray.from_arrays(
            pa.array([0] * rows, pa.int32()), pa.array(["x" * 200])
        )
        with client.append("p", producer="a") as stream:
            stream.send(pa.table({"q": pa.array([1] * rows, pa.int8()), "d": text}))
        if sealed:
            client.checkpoint()
    file = tmp_path / "out.parquet"
    assert run("export", data, "p", "--to", file, "--json").json["rows"] == rows
    with pq.ParquetFile(file) as found:
        assert found.num_row_groups > 2
        table = found.read(["_row", "_sequence"])
    sequences = table.column("_sequence").to_pylist()
    numbers = table.column("_row").to_pylist()
    assert len(set(zip(sequences, numbers, strict=True))) == rows
