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
    joined,
    needing_codes,
    read_together,
    stored_schema,
    to_coded,
)
from cxstream.program import Program
from cxstream.recount import encode_sent
from cxstream.store import Batch
from cxstream.store.history import FILE_ROWS, TRACE

#: A row's place in its batch.
_ROW = pa.field("_row", pa.int32())
#: Batches of fewer rows wait until they are so many together.
_TOGETHER_ROWS = 2**13


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of a month, and of which batches, by number in `Bundle._origins`, how many they are."""

    rows: pa.RecordBatch
    batches: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Origin:
    """What the rows of a batch are traced by."""

    producer: str
    sequence: int
    point: int


class Bundle:
    """Rows of batches as the history keeps them, by month; text is `TEXT`.

    Small batches are put in several at a time: by itself, one of one response takes as long as one of
    thousands.

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
        #: Of every batch there is.
        self._origins: list[_Origin] = []
        #: The latest ones, of one schema, not put in yet.
        self._waiting: list[Batch] = []
        self._waiting_rows = 0
        self.rows = 0
        self.bytes = 0

    def add(self, point: int, batch: Batch) -> None:
        """Take a batch; those before it have lesser points."""
        is_large = batch.rows >= _TOGETHER_ROWS
        if self._waiting and (is_large or self._waiting[0].schema != batch.schema):
            self._put_waiting()
        self._waiting.append(batch)
        self._waiting_rows += batch.rows
        self._origins.append(_Origin(batch.producer, batch.sequence, point))
        self.rows += batch.rows
        self.bytes += len(batch.body)
        if self._waiting_rows >= _TOGETHER_ROWS:
            self._put_waiting()

    def _put_waiting(self) -> None:
        batches, self._waiting, self._waiting_rows = self._waiting, [], 0
        if not batches:
            return
        rows = [one.rows for one in batches]
        bodies = [one.body for one in batches]
        sent = read_together(bodies, batches[0].schema, rows)
        self.bytes -= sum(map(len, bodies))
        numbers = np.arange(len(self._origins) - len(batches), len(self._origins))
        counts = np.array(rows)
        frames = joined(sent)
        if len(frames) == 1:
            self._put(frames[0], numbers, counts)
        else:
            for place, frame in enumerate(frames):
                self._put(frame, numbers[place : place + 1], counts[place : place + 1])

    def _put(
        self, sent: pa.RecordBatch, numbers: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> None:
        """Put in the rows of batches, so many of each number."""
        program = needing_codes(sent.schema, self._program)
        if program.time:
            program = replace(program, time=replace(program.time, buckets=("month",)))
        codes = encode_sent(sent, program)
        columns = to_coded(sent, codes, self._program).columns
        order, months = _months(sent.num_rows, codes.buckets)
        if len(months) > 1:
            columns = [_taken(one, order) for one in columns]
        places, shares = order, [np.array([end - start]) for _, start, end in months]
        if len(counts) > 1:
            which = np.repeat(np.arange(len(counts)), counts)[order]
            places = order - (np.cumsum(counts) - counts)[which]
            shares = [
                np.bincount(which[start:end], minlength=len(counts)) for _, start, end in months
            ]
        row = pa.array(places.astype(np.int32))
        rows = pa.record_batch([*columns, row], schema=self._schema)
        self.bytes += rows.nbytes
        for (month, start, end), share in zip(months, shares, strict=True):
            piece = _Piece(rows.slice(start, end - start), numbers[share > 0], share[share > 0])
            self._months[month].append(piece)

    def tables(self) -> Iterator[tuple[str | None, pa.Table]]:
        """Yield the rows of each file, and their month, in order of points and places."""
        self._put_waiting()
        for month, pieces in self._months.items():
            table = pa.Table.from_batches([one.rows for one in pieces])
            origins = [self._origins[number] for one in pieces for number in one.batches.tolist()]
            ends = np.cumsum(np.concatenate([one.counts for one in pieces]))
            for start in range(0, len(table), FILE_ROWS):
                counts = np.diff(ends.clip(start, start + FILE_ROWS), prepend=start)
                yield month, self._traced(table.slice(start, FILE_ROWS), origins, counts)

    def _traced(
        self, rows: pa.Table, origins: list[_Origin], counts: NDArray[np.int64]
    ) -> pa.Table:
        """Return rows with the columns of `TRACE`; so many of them are of each batch."""
        places = {name: place for place, name in enumerate({one.producer: 0 for one in origins})}

        def of_each(values: list[int], kind: pa.DataType) -> pa.Array:
            return pa.array(np.repeat(np.array(values, kind.to_pandas_dtype()), counts))

        producers = of_each([places[one.producer] for one in origins], TEXT.index_type)
        trace = {
            "_producer": pa.DictionaryArray.from_arrays(producers, list(places)),
            "_sequence": of_each([one.sequence for one in origins], pa.int64()),
            "_row": rows[_ROW.name].cast(pa.int64()),
            "_point": of_each([one.point for one in origins], pa.int64()),
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
