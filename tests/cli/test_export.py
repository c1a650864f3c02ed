"""`cxstream export`: the rows as they were sent, traceable, in a file that is whole or not there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
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


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    with cxstream.Engine.open(folder) as client:
        client.put_program(PROGRAM)
        client.put_program({**PROGRAM, "name": "empty"})
        for producer, table in (("a", SMALL), ("b", WIDE), ("a", SMALL)):
            with client.append("p", producer=producer) as stream:
                stream.send(table)
    return folder


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_file(file).read_all().to_pylist()


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_rows_as_they_were_sent(run: Run, data: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"out{suffix}"
    found = run("export", data, "p", "--to", file, "--json").json
    assert (found["rows"], found["batches"]) == (7, 3)
    assert found["bytes"] == file.stat().st_size
    rows = rows_of(file)
    traces = [(row["_producer"], row["_sequence"], row["_row"]) for row in rows]
    assert traces == [
        ("a", 0, 0), ("a", 0, 1), ("b", 0, 0), ("b", 0, 1), ("b", 0, 2), ("a", 1, 0), ("a", 1, 1),
    ]  # fmt: skip
    assert rows[0] | {"at": None} == {
        "nps": 10, "solved": 1, "spend": 2.0, "why": [1, 2], "region": "n", "at": None,
        "_producer": "a", "_sequence": 0, "_row": 0,
    }  # fmt: skip
    assert rows[3]["region"] == "2" and rows[3]["at"] == DAY
    assert [row["nps"] for row in rows] == [10, None, 0, 7, 9, 10, None]
    assert rows[1]["why"] is None and rows[2]["why"] == []
    assert list(rows[0])[:4] == ["nps", "solved", "spend", "why"]
    assert found["columns"]["region"] == "string"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", f"out{suffix}"]


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
            stream.send(table.drop_columns(["_producer", "_sequence", "_row"]))
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


def test_types_that_no_type_holds(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    program = {"name": "p", "questions": {"q": {"kind": "nps"}}, "time": {"column": "at"}}
    with cxstream.Engine.open(data) as client:
        client.put_program(program)
        for number, zone in enumerate((None, "UTC")):
            with client.append("p", producer=str(number)) as stream:
                kind = pa.timestamp("us", zone)
                stream.send(pa.table({"q": [1], "at": pa.array([DAY], kind)}))
    ran = run("export", data, "p", "--to", tmp_path / "out.arrow")
    assert ran.code == 1
    assert "column 'at' was sent as timestamp[us, tz=UTC], timestamp[us]" in ran.err


def test_a_damaged_batch_leaves_no_file(run: Run, data: Path, tmp_path: Path) -> None:
    segment = next((data / "journal").iterdir())
    body = bytearray(segment.read_bytes())
    body[-1] ^= 1
    segment.write_bytes(body)
    before = tmp_path / "out.parquet"
    before.write_bytes(b"what was there")
    ran = run("export", data, "p", "--to", before)
    assert ran.code == 1
    assert "batch 1 of producer 'a' of program 'p' is not what was stored" in ran.err
    assert before.read_bytes() == b"what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out.parquet"]


def test_long_texts_are_cut_into_pieces(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cxstream.store.export.GROUP_BYTES", 2**20)
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
    file = tmp_path / "out.parquet"
    assert run("export", data, "p", "--to", file, "--json").json["rows"] == rows
    with pq.ParquetFile(file) as found:
        assert found.num_row_groups > 2
        table = found.read(["_row", "_sequence"])
    sequences = table.column("_sequence").to_pylist()
    numbers = table.column("_row").to_pylist()
    assert len(set(zip(sequences, numbers, strict=True))) == rows
