"""Large batches of a program without customers: they go from their message to codes by one native call.

Their rows are too many for plain Python; they are judged as columns, by NumPy and Arrow alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from cxstream.columns import Direct
from cxstream.state import ALONE_ROWS
from cxstream_api.v1.append_service_pb2 import AppendRequest
from tests.columns.wire import write
from tests.faults import batches

NAME = "bulk"
PRODUCER = "loader"
SCHEMA = batches.SCHEMA.remove(batches.SCHEMA.get_field_index("who"))
#: The last are more bytes than are read through the page cache.
_ROWS = (ALONE_ROWS, ALONE_ROWS, ALONE_ROWS + 77, 40_000)
_PICKS = pa.array(["3", "1", "2"])
_REGIONS = pa.array(["north", "south", "east"])
_SHOPS = pa.array(["ü", "a", "b"])
#: What is kept of the columns that are not kept as they are sent.
_KEPT = {"pick": pa.int8(), "region": pa.string(), "shop": pa.string(), "at": pa.timestamp("us")}
_EPOCH_DAYS = pa.date32()


def tables(version: int = 0) -> dict[str, Any]:
    """Return the program."""
    made = batches.tables(version)
    del made["customer"]
    return {**made, "name": NAME}


def content_of(seed: int, sequence: int) -> int:
    """Return the number a batch is made from."""
    return zlib.crc32(f"{seed}/{NAME}/{sequence}".encode())


def frame(content: int) -> pa.RecordBatch:
    """Return the responses of one batch."""
    draw = np.random.default_rng(content)
    rows = int(draw.choice(_ROWS))

    def some(values: Any) -> pa.Array:
        return pa.array(values, mask=draw.random(rows) < 0.1)

    def text(entries: pa.Array) -> pa.Array:
        indices = draw.integers(0, len(entries), rows, dtype=np.int32)
        return pa.DictionaryArray.from_arrays(some(indices), entries)

    nps = draw.integers(0, 12, rows, dtype=np.int8)
    columns = [
        some(np.where(nps == 11, np.int8(99), nps)),
        some(draw.integers(1, 6, rows, dtype=np.int8)),
        text(_PICKS),
        some(draw.integers(0, 201, rows) / 2),
        text(_REGIONS),
        text(_SHOPS),
        some(draw.integers(0, batches.DAYS, rows, dtype=np.int32)).cast(_EPOCH_DAYS),
    ]
    return pa.record_batch(columns, schema=SCHEMA)


def schema_message() -> bytes:
    """Return the schema message that all batches share."""
    schema, _ = write(frame(0).slice(0, 1))
    return schema


def request(sequence: int, content: int) -> AppendRequest:
    """Return a batch as a request."""
    rows = frame(content)
    _, body = write(rows)
    return AppendRequest(sequence=sequence, rows=rows.num_rows, arrow=body, crc32=zlib.crc32(body))


def kept(contents: Iterable[int]) -> pa.Table:
    """Return the rows of batches as the history keeps them, and where they came from."""
    tables = []
    for sequence, content in enumerate(contents):
        rows = pa.table(frame(content))
        for place, name in enumerate(rows.schema.names):
            if name in _KEPT:
                array = rows[name]
                if pa.types.is_dictionary(array.type):
                    array = array.cast(pa.string())
                rows = rows.set_column(place, name, array.cast(_KEPT[name]))
        where = {"_sequence": np.full(len(rows), sequence), "_row": np.arange(len(rows))}
        for name, numbers in where.items():
            rows = rows.append_column(name, pa.array(numbers))
        tables.append(rows)
    return pa.concat_tables(tables)


def note_direct() -> list[bool]:
    """Return what will say of every large batch whether one call took it; for a process of its own."""
    taken: list[bool] = []
    encode = Direct.encode

    def noted(self: Direct, body: bytes | memoryview, rows: int) -> Any:
        codes = encode(self, body, rows)
        taken.append(codes is not None)
        return codes

    Direct.encode = noted  # type: ignore[method-assign]
    return taken
