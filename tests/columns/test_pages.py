"""Codes from the pages of a stored file are those of the same rows through Arrow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxstream.columns import (
    Codes,
    Pages,
    complete,
    encode,
    native,
    reading,
    stored_schema,
    together,
)
from cxstream.errors import InvalidArgumentError
from cxstream.program import Program, program_from_dict
from cxstream.store.history import HistoryFolder

DECLARED: dict[str, Any] = {
    "name": "p",
    "questions": {
        "nps": {"kind": "nps"},
        "rated": {"kind": "rating", "scale": [1, 5], "missing": [0, 6]},
        "wide": {"kind": "rating", "scale": [0, 1000]},
        "picked": {"kind": "choice", "options": {"a": "A", "b": "B"}},
        "many": {
            "kind": "choice",
            "multiple": True,
            "options": {"1": "One", "2": "Two", "9": "Nine"},
        },
        "spend": {"kind": "number", "range": [0, 100], "step": 0.01},
        "later": {"kind": "nps"},
    },
    "dimensions": {"region": {}, "place": {"max_levels": 1000}},
    "time": {"column": "at", "buckets": ["month"]},
}
ROWS = 5000
#: Left out, few, all.
NULLS = (0.0, 0.1, 1.0)


def stored(program: Program, nulls: float) -> pa.Table:
    """Return rows as they are stored, but for the question that came later."""
    rng = np.random.default_rng(3)

    def some(values: Any, kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind, mask=rng.random(ROWS) < nulls)

    lists = [
        None if rng.random() < nulls else rng.choice([1, 2, 9], rng.integers(0, 4)).tolist()
        for _ in range(ROWS)
    ]
    lists[:3] = [[None, 1], [], [2, None, None]]
    columns = {
        "nps": some(rng.integers(0, 11, ROWS), pa.int8()),
        # Long runs, then none: both forms of the hybrid.
        "rated": some(np.sort(rng.integers(0, 7, ROWS)), pa.int8()),
        "wide": some(rng.integers(0, 1001, ROWS), pa.int16()),
        "picked": some(rng.choice(["a", "b"], ROWS), pa.string()),
        "many": pa.array(lists, pa.list_(pa.field("element", pa.int8()))),
        "spend": some(rng.integers(0, 10_000, ROWS) / 100, pa.float64()),
        "region": some(np.full(ROWS, "N\u00f6rd"), pa.string()),
        "place": some([f"p{one}" for one in rng.integers(0, 700, ROWS)], pa.string()),
        "at": pa.array(np.full(ROWS, np.datetime64("2024-05-17T08:00:00", "us"))),
    }
    schema = stored_schema(program)
    fields_of = [one for one in schema if one.name in columns]
    table = pa.table([columns[one.name] for one in fields_of], schema=pa.schema(fields_of))
    return table.append_column("_point", pa.array(np.arange(1, ROWS + 1)))


def same(found: Codes, expected: Codes) -> None:
    """Check that codes are equal; levels may be numbered another way."""
    assert found.rows == expected.rows
    assert found.scales.keys() == expected.scales.keys()
    for part in ("scales", "numbers"):
        for name, one in getattr(expected, part).items():
            mine = getattr(found, part)[name]
            assert mine.dtype == one.dtype
            np.testing.assert_array_equal(mine, one, err_msg=name)
    for name, many in expected.choices.items():
        np.testing.assert_array_equal(found.choices[name].offsets, many.offsets)
        np.testing.assert_array_equal(found.choices[name].codes, many.codes)
    for name, level in expected.dimensions.items():
        mine = found.dimensions[name]
        assert set(mine.levels) == set(level.levels)
        texts = [np.array([None, *one.levels], object)[one.indices] for one in (mine, level)]
        np.testing.assert_array_equal(*texts, err_msg=name)
    assert found.buckets is not None and expected.buckets is not None
    buckets = [
        np.concatenate([[-1], one.buckets])[one.indices]
        for one in (found.buckets, expected.buckets)
    ]
    np.testing.assert_array_equal(*buckets)


@pytest.fixture(params=native.simd_levels(), autouse=True)
def level(request):
    """Run every test at every SIMD level."""
    before = native.simd_level()
    native.set_simd_level(request.param)
    yield
    native.set_simd_level(before)


@pytest.fixture
def program() -> Program:
    return reading(program_from_dict(DECLARED))


@pytest.mark.parametrize("nulls", NULLS)
def test_codes_of_pages_are_those_through_arrow(tmp_path, program, nulls):
    rows = stored(program, nulls)
    folder = HistoryFolder(tmp_path)
    file = folder.write(rows, 1, "2024-05", by_month=True)
    with folder.opened(file) as (data, metadata):
        codes, left = Pages(program).encode(data, metadata, 0, file.month)
    assert set(left.questions) == {"spend", "later"}, "the others come from pages"
    assert not left.dimensions and left.time is None
    (batch,) = rows.combine_chunks().to_batches()
    batch = complete(batch, program)
    same(together(codes, encode(batch, left), program), encode(batch, program))


@pytest.mark.parametrize(
    "layout",
    [
        {"compression": "zstd"},
        {"use_dictionary": False, "compression": "none"},
        {"compression": "none", "data_page_version": "2.0"},
        {"compression": "none", "dictionary_pagesize_limit": 64},
    ],
    ids=lambda one: "-".join(map(str, one.values())),
)
def test_other_layouts_are_left_to_arrow(program, layout):
    rows = stored(program, 0.1)
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, **layout)
    data = sink.getvalue().to_pybytes()
    metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
    codes, left = Pages(program).encode(data, metadata, 0, None)
    assert left.time is not None and {"wide", "spend"} <= set(left.questions)
    (batch,) = rows.combine_chunks().to_batches()
    batch = complete(batch, program)
    same(together(codes, encode(batch, left), program), encode(batch, program))


def test_pages_of_few_values_each(program):
    rows = stored(program, 0.1)
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="none", data_page_size=256, write_batch_size=100)
    data = sink.getvalue().to_pybytes()
    metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
    codes, left = Pages(program).encode(data, metadata, 0, "2024-05")
    assert set(left.questions) == {"spend", "later"}
    (batch,) = rows.combine_chunks().to_batches()
    batch = complete(batch, program)
    same(together(codes, encode(batch, left), program), encode(batch, program))


def test_damaged_pages_are_never_read_beyond(program):
    """Of any bytes, what is made is codes of the scale or nothing: the hash is what finds damage."""
    rows = stored(program, 0.1)
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="none")
    whole = sink.getvalue().to_pybytes()
    metadata = pq.ParquetFile(pa.BufferReader(whole)).metadata
    rng = np.random.default_rng(5)
    end = metadata.row_group(0).column(0).file_offset or len(whole) // 2
    for _ in range(300):
        data = bytearray(whole)
        for at in rng.integers(4, max(end, len(whole) - 2000), 3):
            data[at] ^= 1 << rng.integers(8)
        try:
            codes, _ = Pages(program).encode(bytes(data), metadata, 0, None)
        except (UnicodeDecodeError, InvalidArgumentError):
            continue
        for one in codes.scales.values():
            assert len(one) == ROWS
