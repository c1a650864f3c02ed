"""Frames of every library arrive as the few types of the wire, in messages of the wanted size."""

from __future__ import annotations

import datetime as dt
import zlib
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from cxstream_client import InvalidInput
from cxstream_client._frames import Body, bodies, schema_message

TEXT = pa.dictionary(pa.int32(), pa.string())
NARROW = pa.dictionary(pa.int8(), pa.string())


def cut(frame: object, bytes_target: int = 1 << 20, bytes_max: int = 4 << 20) -> list[Body]:
    return list(bodies(frame, bytes_target=bytes_target, bytes_max=bytes_max))


def received(frame: object, **options: int) -> pa.Table:
    """What the server reads, with every message read on its own."""
    tables = []
    offset = 0
    for body in cut(frame, **options):
        table = pa.ipc.open_stream(body.schema + body.arrow).read_all()
        table.validate(full=True)
        assert (table.num_rows, offset) == (body.rows, body.row_offset)
        assert body.crc32 == zlib.crc32(body.arrow)
        assert not bytes(body.arrow).endswith(b"\xff\xff\xff\xff\x00\x00\x00\x00")
        for column in table.columns:
            if pa.types.is_dictionary(column.type):
                values = column.chunk(0).dictionary
                assert set(values.to_pylist()) == set(column.to_pylist()) - {None}
        offset += table.num_rows
        tables.append(table)
    assert len({table.schema.serialize().to_pybytes() for table in tables}) == 1
    assert tables[0].schema.metadata is None
    return pa.concat_tables(tables)


ROWS = [{"q": 1, "s": "x"}, {"q": None, "s": None}, {"q": 3, "s": "y"}]


@pytest.mark.parametrize(
    "text",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        NARROW,
        pa.dictionary(pa.uint16(), pa.large_string()),
        pa.dictionary(pa.uint32(), pa.large_string()),
        pa.dictionary(pa.int64(), pa.string_view()),
    ],
    ids=str,
)
@pytest.mark.parametrize("offset", [0, 1])
def test_text_becomes_a_dictionary(text: pa.DataType, offset: int) -> None:
    plain = text.value_type if pa.types.is_dictionary(text) else text
    array = pa.array(["unused", "x", None, "y", "x"], plain)
    array = array.dictionary_encode().cast(text) if pa.types.is_dictionary(text) else array
    table = pa.table({"s": array})
    got = received(table.slice(offset))
    narrow = pa.types.is_dictionary(text) and text.index_type.bit_width < 32
    index = text.index_type if narrow else pa.int32()
    assert got.schema == pa.schema([("s", pa.dictionary(index, pa.string()))])
    assert got["s"].to_pylist() == ["unused", "x", None, "y", "x"][offset:]


def test_dictionaries_with_nulls_and_repeated_values() -> None:
    values = pa.array(["a", None, "a", "b"])
    array = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None, 3], pa.int8()), values)
    assert received({"s": array})["s"].to_pylist() == ["a", None, "a", None, "b"]


def test_dictionaries_are_unified_over_chunks() -> None:
    chunks = [pa.array(list("ab")).dictionary_encode(), pa.array(list("bc")).dictionary_encode()]
    table = pa.table({"s": pa.chunked_array(chunks)})
    (body,) = cut(table)
    assert received(table)["s"].to_pylist() == list("abbc")
    assert body.rows == 4


def test_narrow_dictionaries_are_joined_only_where_they_are_the_same() -> None:
    # 2 x 100 values are more than 8 bits tell apart.
    many = [[f"{chunk}-{value}" for value in range(100)] for chunk in "ab"]
    chunks = [pa.array(one).dictionary_encode().cast(NARROW) for one in (*many, many[1])]
    table = pa.table({"s": pa.chunked_array(chunks)})
    assert [body.rows for body in cut(table)] == [100, 200]
    assert received(table)["s"].to_pylist() == [*many[0], *many[1], *many[1]]


def test_a_dictionary_of_numbers_becomes_numbers() -> None:
    array = pa.array([5, None, 5], pa.int16()).dictionary_encode()
    got = received({"q": array})
    assert got.schema.types == [pa.int16()]
    assert got["q"].to_pylist() == [5, None, 5]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.string_view()),
        pa.list_view(pa.large_string()),
        pa.large_list_view(pa.string()),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
    ],
    ids=str,
)
def test_lists(kind: pa.DataType) -> None:
    got = received(pa.table({"l": pa.array([["a", "b"], None, [], ["c"]], kind)}).slice(1))
    assert got.schema.types == [pa.list_(pa.string())]
    assert got["l"].to_pylist() == [None, [], ["c"]]


def test_fixed_size_lists() -> None:
    got = received({"l": pa.array([[1, 2], None], pa.list_(pa.int8(), 2))})
    assert got.schema.types == [pa.list_(pa.int8())]
    assert got["l"].to_pylist() == [[1, 2], None]


def test_nulls_extension_types_and_runs() -> None:
    table = pa.table(
        {
            "n": pa.nulls(3),
            "e": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
            "r": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), ["a", "b"]),
        }
    )
    got = received(table)
    assert got.schema.types == [pa.int8(), pa.int8(), TEXT]
    assert got.to_pydict() == {"n": [None] * 3, "e": [1, 0, None], "r": ["a", "a", "b"]}


@pytest.mark.parametrize(
    "kind", [pa.uint8(), pa.int64(), pa.float32(), pa.bool_(), pa.decimal128(9, 2), pa.date32()]
)
def test_other_types_stay(kind: pa.DataType) -> None:
    array = pa.array([None, None], kind)
    got = received({"q": array})
    assert got.schema.types == [kind]
    assert got["q"].null_count == 2


def test_pandas() -> None:
    frame = pd.DataFrame(
        {
            "q": pd.array([1, None, 3], dtype="Int8"),
            "s": ["x", None, "y"],
            "c": pd.Categorical(["u", "v", "u"], categories=["u", "v", "w"]),
            "n": [None] * 3,
            "t": pd.to_datetime(["2020-01-01", None, "2020-01-03"]),
        }
    )
    got = received(frame.iloc[[0, 2]])
    assert got.column_names == list("qscnt")
    assert got.schema.types[:4] == [pa.int8(), TEXT, NARROW, pa.int8()]
    assert got["s"].to_pylist() == ["x", "y"]
    assert received(frame.set_index(pd.Index([5, 6, 9]))).column_names == list("qscnt")
    named = frame.set_index("s")
    assert set(received(named).column_names) == set("qscnt")


def test_polars() -> None:
    frame = pl.DataFrame(
        {
            "q": pl.Series([1, None, 3], dtype=pl.Int8),
            "s": ["x", None, "y"],
            "c": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
            "e": pl.Series(["u", "v", "u"], dtype=pl.Enum(["u", "v", "w"])),
            "l": [["a"], [], None],
            "n": [None] * 3,
            "t": [dt.datetime(2020, 1, 1)] * 3,
        }
    )
    got = received(frame.slice(1))
    enum = pa.dictionary(pa.uint8(), pa.string())
    assert got.schema.types[:6] == [pa.int8(), TEXT, TEXT, enum, pa.list_(pa.string()), pa.int8()]
    assert got["c"].to_pylist() == ["v", "u"]
    assert received(pl.concat([frame, frame], rechunk=False)).num_rows == 6


def test_duckdb() -> None:
    connection = duckdb.connect()
    relation = connection.sql(
        "select (i % 5)::tinyint q, 'x' || (i % 7) s, ['w'] l, "
        "(case when i % 2 = 0 then 'm' else 'n' end)::enum('m', 'n', 'o') e "
        "from range(10000) t(i)"
    )
    got = received(relation)
    assert got.num_rows == 10000
    assert got.schema.types == [
        pa.int8(),
        TEXT,
        pa.list_(pa.string()),
        pa.dictionary(pa.uint8(), pa.string()),
    ]
    connection.close()


def test_batches_and_mappings() -> None:
    batch = pa.RecordBatch.from_pylist(ROWS)
    want = {"q": [1, None, 3], "s": ["x", None, "y"]}
    assert received(batch).to_pydict() == want
    assert received(want).to_pydict() == want
    assert received({"q": np.array([1, 2], np.int8)}).schema.types == [pa.int8()]

    class ArrayOnly:
        def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
            return batch.__arrow_c_array__(requested_schema)

    assert received(ArrayOnly()).to_pydict() == want


def test_messages_have_the_wanted_size() -> None:
    rows = 200_000
    table = pa.table({f"q{i}": pa.array(np.arange(rows) % 10, pa.int8()) for i in range(8)})
    sizes = [len(body.arrow) for body in cut(table, bytes_target=100_000)]
    assert all(80_000 < size <= 105_000 for size in sizes[:-1])
    assert received(table, bytes_target=100_000).equals(table)


def test_small_batches_are_joined() -> None:
    table = pa.table({"q": pa.array([1] * 10_000, pa.int8())})
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=10))
    assert len(cut(reader)) == 1


def test_long_text_stays_below_the_limit() -> None:
    table = pa.table({"s": [f"{i:05d}" + "x" * 1000 for i in range(500)]})
    found = cut(table, bytes_target=20_000, bytes_max=30_000)
    assert max(len(body.arrow) for body in found) <= 30_000
    assert received(table, bytes_target=20_000, bytes_max=30_000)["s"].to_pylist() == (
        table["s"].to_pylist()
    )
    with pytest.raises(InvalidInput, match=r"row 2: .* bytes in Arrow form") as caught:
        cut({"s": ["a", "b", "x" * 5000]}, bytes_max=2000)
    assert caught.value.details["row"] == 2


def test_a_slice_is_sliced_on_the_wire() -> None:
    table = pa.table({"q": pa.array([1] * 100_000, pa.int8())}).slice(50_000, 10)
    (body,) = cut(table)
    assert len(body.arrow) < 1000


def test_no_rows_gives_no_messages() -> None:
    assert cut(pa.table({"q": pa.array([], pa.int8())})) == []


@pytest.mark.parametrize(
    "frame, message",
    [
        (5, "not int"),
        ("text", "not str"),
        ({}, "no columns"),
        ({"a": [1], "b": [1, 2]}, "frame: "),
        ({"a": object()}, "frame: "),
        (pa.chunked_array([[1, 2]]), "frame: "),
        (pa.array([1, 2]), "frame: "),
        (pa.Table.from_arrays([[1], [2]], names=["a", "a"]), "column 'a' comes twice"),
    ],
)
def test_no_frames(frame: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        cut(frame)


def test_schemas() -> None:
    schema = pa.schema([("q", pa.int8()), ("s", pa.large_string())], metadata={"a": "b"})
    (body,) = cut(pa.table({"q": [1], "s": ["x"]}, schema=schema))
    assert schema_message(schema) == body.schema
    assert schema_message(
        pl.DataFrame(schema={"q": pl.Int8, "s": pl.String}).to_arrow().schema
    ) == (body.schema)
    with pytest.raises(InvalidInput, match=r"expected a pyarrow\.Schema"):
        schema_message({"q": "int8"})


def test_narrow_and_wide_numbers() -> None:
    """Types that the wire does not know, in a type that it does."""
    prices = [Decimal("1.25"), None, Decimal("-0.10")]
    table = pa.table(
        {
            "half": pa.array([1.5, None, 3.0], pa.float16()),
            "d32": pa.array(prices, pa.decimal32(8, 2)),
            "d64": pa.array(prices, pa.decimal64(16, 2)),
            "d256": pa.array(prices, pa.decimal256(40, 2)),
        }
    )
    got = received(table)
    assert got.schema.types == [
        pa.float32(), pa.decimal128(8, 2), pa.decimal128(16, 2), pa.decimal128(38, 2),
    ]  # fmt: skip
    assert got.to_pylist() == table.to_pylist()


@pytest.mark.parametrize("last", [0, 4])
@pytest.mark.parametrize("rows", [1, 60, 10_000])
def test_dictionaries_hold_what_is_in_use(rows: int, last: int) -> None:
    """Also where a value comes first in the last row."""
    indices = np.arange(rows) % 3
    indices[-1] = last
    names = pa.array([f"level {number}" for number in range(5)])
    array = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), names)
    assert received(pa.table({"s": array}))["s"].to_pylist() == array.to_pylist()


@pytest.mark.parametrize("rows", [1, 5000])
def test_a_dictionary_with_a_value_twice_or_a_null(rows: int) -> None:
    for values in (["a", "b", "a"], ["a", None, "b"]):
        array = pa.DictionaryArray.from_arrays(
            pa.array(np.arange(rows) % 3, pa.int8()), pa.array(values)
        )
        (body,) = cut(pa.table({"s": array}))
        got = pa.ipc.open_stream(body.schema + body.arrow).read_all()["s"]
        held = got.chunk(0).dictionary.to_pylist()
        assert len(set(held)) == len(held) and None not in held
        assert got.to_pylist() == array.to_pylist()
