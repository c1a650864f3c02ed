"""Rows of batches on their way to files of a month each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.types as pat
from numpy.typing import NDArray

from cxstream.columns import (
    TEXT,
    BucketCodes,
    bucket_text,
    coded_schema,
    fixed_width,
    needing_codes,
    read_batch,
    stored_schema,
    to_coded,
)
from cxstream.program import Program
from cxstream.recount import encode_batch
from cxstream.store import Batch
from cxstream.store.history import FILE_ROWS, TRACE

#: A row's place in its batch.
_ROW = pa.field("_row", pa.int32())


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of a batch, and what they are traced by."""

    rows: pa.RecordBatch
    producer: str
    sequence: int
    point: int


class Bundle:
    """Rows of batches as the history keeps them, by month; text is `TEXT`.

    Parameters
    ----------
    program : Program
        The columns are those that it decides.

    Attributes
    ----------
    rows, bytes : int
        How much is held.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._schema = pa.schema([*coded_schema(stored_schema(program)), _ROW])
        self._months: dict[str | None, list[_Piece]] = defaultdict(list)
        self.rows = 0
        self.bytes = 0

    def add(self, point: int, batch: Batch) -> None:
        """Take a batch; those before it have lesser points."""
        sent = read_batch(batch.body, batch.schema, batch.rows)
        program = needing_codes(sent.schema, self._program)
        if program.time:
            program = replace(program, time=replace(program.time, buckets=("month",)))
        codes = encode_batch(batch, program)
        columns = to_coded(sent, codes, self._program).columns
        order, months = _months(batch.rows, codes.buckets)
        if len(months) > 1:
            columns = [_taken(one, order) for one in columns]
        row = pa.array(order.astype(np.int32))
        rows = pa.record_batch([*columns, row], schema=self._schema)
        for month, start, end in months:
            piece = rows.slice(start, end - start)
            self._months[month].append(_Piece(piece, batch.producer, batch.sequence, point))
        self.bytes += rows.nbytes
        self.rows += batch.rows

    def tables(self) -> Iterator[tuple[str | None, pa.Table]]:
        """Yield the rows of each file, and their month, in order of points and places."""
        for month, pieces in self._months.items():
            table = pa.Table.from_batches([one.rows for one in pieces])
            ends = np.cumsum([len(one.rows) for one in pieces])
            for start in range(0, len(table), FILE_ROWS):
                counts = np.diff(ends.clip(start, start + FILE_ROWS), prepend=start)
                yield month, self._traced(table.slice(start, FILE_ROWS), pieces, counts)

    def _traced(self, rows: pa.Table, pieces: list[_Piece], counts: NDArray[np.int64]) -> pa.Table:
        """Return rows with the columns of `TRACE`; so many of them are of each piece."""
        places = {name: place for place, name in enumerate({one.producer: 0 for one in pieces})}

        def of_each(values: list[int], kind: pa.DataType) -> pa.Array:
            return pa.array(np.repeat(np.array(values, kind.to_pandas_dtype()), counts))

        producers = of_each([places[one.producer] for one in pieces], TEXT.index_type)
        trace = {
            "_producer": pa.DictionaryArray.from_arrays(producers, list(places)),
            "_sequence": of_each([one.sequence for one in pieces], pa.int64()),
            "_row": rows[_ROW.name].cast(pa.int64()),
            "_point": of_each([one.point for one in pieces], pa.int64()),
        }
        schema = coded_schema(pa.schema([*stored_schema(self._program), *TRACE]))
        return pa.table([*rows.columns[:-1], *(trace[one.name] for one in TRACE)], schema=schema)


def _months(
    rows: int, buckets: BucketCodes | None
) -> tuple[NDArray[np.int64], list[tuple[str | None, int, int]]]:
    """Return an order of a batch's rows by month, and where each month begins and ends in it."""
    if buckets is None:
        return np.arange(rows), [(None, 0, rows)]
    counts = np.bincount(buckets.indices, minlength=len(buckets.buckets) + 1)
    ends = np.cumsum(counts)
    months = []
    for number in np.flatnonzero(counts).tolist():
        month = bucket_text(int(buckets.buckets[number - 1]), "month")[:7] if number else None
        months.append((month, int(ends[number] - counts[number]), int(ends[number])))
    # Of at most 16 bits it is a radix sort.
    order = np.argsort(buckets.indices, kind="stable") if len(months) > 1 else np.arange(rows)
    return order, months


def _taken(array: pa.Array, order: NDArray[np.int64]) -> pa.Array:
    """Return values in an order; where some are null, Arrow takes three times as long."""
    if pat.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(_taken(array.indices, order), array.dictionary)
    if not array.null_count or not pat.is_primitive(array.type):
        return array.take(pa.array(order))
    valid, held = array.buffers()
    end = array.offset + len(array)
    bits = np.unpackbits(np.frombuffer(valid, np.uint8), count=end, bitorder="little")
    values = np.frombuffer(held, f"i{array.type.byte_width}", end)
    null = bits[array.offset :][order] == 0
    return fixed_width(values[array.offset :][order], null, array.type)
