"""Rows on their way to files: all of them, each in its month, as they were sent; text only as needed."""

import datetime as dt
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxstream.columns import Pages, reading
from cxstream.program import program_from_dict
from cxstream.store import Batch, HistoryFolder
from cxstream.upkeep import bundle as bundle_module
from cxstream.upkeep.bundle import Bundle
from tests.columns.wire import write

TABLES = {
    "name": "p",
    "questions": {
        "nps": {"kind": "nps", "missing": [99]},
        "mood": {"kind": "rating", "scale": [1, 3], "values": {"bad": 1, "good": 3}},
        "picks": {"kind": "choice", "options": ["a", "b", "c"], "multiple": True},
        "spend": {"kind": "number", "range": [0, 100], "step": 0.5},
    },
    "dimensions": {"shop": {}, "till": {}},
    "time": {"column": "at", "buckets": ["year"]},
}
SCHEMA = pa.schema(
    {
        "nps": pa.float64(),
        "mood": pa.string(),
        "picks": pa.list_(pa.string()),
        "spend": pa.float64(),
        "shop": pa.string(),
        "till": pa.dictionary(pa.int8(), pa.string()),
        "at": pa.timestamp("s"),
    }
)
MOODS = {None: None, "bad": 1, "good": 3}


def row(draw, months):
    day = dt.datetime(2024, draw.choice(months), draw.randint(1, 28), draw.randrange(24))
    return {
        "nps": draw.choice((None, 99, *range(11))),
        "mood": draw.choice((None, "bad", "good")),
        "picks": draw.choice((None, [], ["c", "a"], ["b"])),
        "spend": draw.choice((None, 0.5, 99.0)),
        # A level for each month, besides those that all have.
        "shop": draw.choice((None, "north", f"shop of {day:%m}")),
        "till": draw.choice((None, "1", "2")),
        "at": draw.choice((None, day, day, day)),
    }


def batch_of(rows, producer, sequence):
    schema, body = write(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
    return Batch("p", producer, sequence, len(rows), b"", schema, body)


def bundled(*, months, batches=7, rows=50):
    """Return a bundle, and what must be in it: by month, in order."""
    draw = random.Random(3)
    held = Bundle(program_from_dict(TABLES))
    expected = {}
    for number in range(batches):
        sent = [row(draw, months) for _ in range(rows)]
        producer, sequence, point = ("one", "two")[number % 2], number // 2, 5 * number + 3
        held.add(point, batch_of(sent, producer, sequence))
        for place, one in enumerate(sent):
            month = one["at"] and f"{one['at']:%Y-%m}"
            kept = {**one, "mood": MOODS[one["mood"]]}
            trace = {"_producer": producer, "_sequence": sequence, "_row": place, "_point": point}
            expected.setdefault(month, []).append(kept | trace)
    assert held.rows == batches * rows
    assert held.bytes > 0
    return held, expected


@pytest.mark.parametrize("months", [(2,), (1, 2, 3, 11)])
@pytest.mark.parametrize("file_rows", [2**20, 64])
@pytest.mark.parametrize("together", [1, 120, 2**13])
def test_every_row_is_in_its_month(months, file_rows, together, monkeypatch):
    monkeypatch.setattr(bundle_module, "FILE_ROWS", file_rows)
    monkeypatch.setattr(bundle_module, "_TOGETHER_ROWS", together)
    held, expected = bundled(months=months)
    found = {}
    for month, table in held.tables():
        table.validate(full=True)
        assert 0 < len(table) <= file_rows
        found.setdefault(month, []).extend(table.to_pylist())
    assert found == expected


def test_batches_that_cannot_be_joined_stay_as_they_are():
    draw = random.Random(4)
    held = Bundle(program_from_dict(TABLES))
    narrow = SCHEMA.remove(SCHEMA.get_field_index("spend"))
    expected = []
    for number in range(40):
        rows = [row(draw, (5,)) | {"at": dt.datetime(2024, 5, 1)} for _ in range(4)]
        for place, one in enumerate(rows):
            one["till"] = f"till {4 * number + place}"  # more than the indices of one batch reach
        schema = SCHEMA if number % 20 < 15 else narrow
        message, body = write(pa.RecordBatch.from_pylist(rows, schema=schema))
        held.add(number, Batch("p", f"of {number % 3}", number, 4, b"", message, body))
        for place, one in enumerate(rows):
            kept = {**one, "mood": MOODS[one["mood"]]}
            if schema is narrow:
                kept["spend"] = None
            trace = {"_producer": f"of {number % 3}", "_sequence": number, "_row": place}
            expected.append(kept | trace | {"_point": number})
    ((month, table),) = held.tables()
    table.validate(full=True)
    assert (month, table.to_pylist()) == ("2024-05", expected)


@pytest.mark.parametrize("group_rows", [2**18, 16])
def test_files_hold_the_rows_and_no_text_of_others(tmp_path, group_rows, monkeypatch):
    monkeypatch.setattr("cxstream.store.history.GROUP_ROWS", group_rows)
    held, expected = bundled(months=(1, 2, 3))
    folder = HistoryFolder(tmp_path)
    for number, (month, table) in enumerate(held.tables()):
        file = folder.write(table, number, month, by_month=True)
        path = tmp_path / file.path
        assert pq.read_table(path).to_pylist() == expected[month]
        assert pq.read_metadata(path).num_row_groups == len(folder.groups_of(file))
        assert (file.first, file.last) == (3, 33)
        others = {f"shop of {int(one[5:]):02}".encode() for one in expected if one and one != month}
        assert month is None or not any(one in path.read_bytes() for one in others)


def test_answers_and_levels_are_read_from_pages(tmp_path):
    held, expected = bundled(months=(4,))
    folder = HistoryFolder(tmp_path)
    declared = reading(program_from_dict(TABLES))
    for month, table in held.tables():
        file = folder.write(table, 1, month, by_month=True)
        with folder.opened(file) as (data, metadata):
            codes, left = Pages(declared).encode(data, metadata, 0, month)
        assert left.questions.keys() == {"spend"}
        assert not left.dimensions
        shops = codes.dimensions["shop"]
        texts = [None, *shops.levels]
        assert [texts[one] for one in shops.indices] == [one["shop"] for one in expected[month]]
