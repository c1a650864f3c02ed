"""Rows of the history on their way to files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxstream.columns import (
    NO_BUCKET,
    bucket_text,
    read_batch,
    reading,
    stored_schema,
    to_bucket,
    to_stored,
)
from cxstream.program import Program
from cxstream.recount import encode_batch, file_damaged
from cxstream.store import Batch, DirectoryStore, FileDamagedError, HistoryFile
from cxstream.store.delta import DataFile, publish
from cxstream.store.history import MONTH, TRACE
from cxstream.store.reader import StoreReader


def schema_of(program: Program) -> pa.Schema:
    """Return the columns of a program's files."""
    return pa.schema([*stored_schema(program), *TRACE])


def batch_rows(point: int, batch: Batch, program: Program) -> pa.RecordBatch:
    """Return a batch's rows as the history keeps them."""
    sent = read_batch(batch.body, batch.schema, batch.rows)
    kept = to_stored(sent, encode_batch(batch, program), program)
    rows = batch.rows
    trace = [
        pa.repeat(pa.scalar(batch.producer), rows),
        pa.repeat(pa.scalar(batch.sequence, pa.int64()), rows),
        pa.array(np.arange(rows)),
        pa.repeat(pa.scalar(point, pa.int64()), rows),
    ]
    return pa.record_batch([*kept.columns, *trace], schema=schema_of(program))


def by_month(rows: pa.Table, program: Program) -> Iterator[tuple[str | None, pa.Table]]:
    """Yield each month's rows, in their order."""
    if program.time is None:
        yield None, rows
        return
    time = reading(program).time
    assert time is not None
    times = rows[time.column].combine_chunks()
    keys = to_bucket(np.asarray(times.cast("int64").fill_null(0)).astype("datetime64[us]"), "month")
    keys[times.is_null().to_numpy(zero_copy_only=False)] = NO_BUCKET
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    for key, start, end in zip(found, starts, [*starts[1:], len(keys)], strict=True):
        month = None if key == NO_BUCKET else bucket_text(int(key), "month")[:7]
        part = rows if len(found) == 1 else rows.take(pa.array(order[start:end]))
        yield month, part


def write(
    store: DirectoryStore, program: Program, rows: pa.Table, number: int
) -> list[tuple[int, HistoryFile]]:
    """Write rows as files, a month each, numbered from `number` on."""
    folder = store.history(program.name)
    out = []
    for month, part in by_month(rows, program):
        one = folder.write(part, number, month, by_month=program.time is not None)
        out.append((number, one))
        number += 1
    return out


def read(
    store: DirectoryStore | StoreReader,
    program: Program,
    file: HistoryFile,
    columns: Sequence[str] | None = None,
    group: int | None = None,
) -> pa.Table:
    """Return a file's rows, or one group of them, in today's columns, or some of them as they are.

    Raises
    ------
    StoreDamagedError
        ``STORE_DAMAGED``.
    """
    try:
        rows = store.history(program.name).read(file, columns, group, dictionaries=False)
    except FileDamagedError as error:
        raise file_damaged(program.name, file, error) from error
    if columns is not None:
        return rows
    arrays = []
    for one in schema_of(program):
        known = one.name in rows.schema.names
        arrays.append(rows[one.name].cast(one.type) if known else pa.nulls(len(rows), one.type))
    return pa.table(arrays, schema=schema_of(program))


def publish_files(store: DirectoryStore, program: Program) -> None:
    """Let the program's Delta table name the files that the catalogue names.

    Raises
    ------
    OSError
        It could not be written; nothing but the table's readers miss it.
    """
    folder = store.history(program.name).folder
    if not folder.exists():
        return
    partitioned = program.time is not None
    schema = schema_of(program)
    if partitioned:
        schema = schema.append(pa.field(MONTH, pa.string()))
    files = [DataFile(one.path, one.size, one.rows, one.month) for one in store.files(program.name)]
    publish(folder, schema, files, partitioned=partitioned, name=program.name)


def has_customer(rows: pa.Table, customer: Sequence[tuple[int, int]]) -> pa.ChunkedArray:
    """Return which rows are a customer's."""
    found = None
    for key, surrogate in customer:
        one = pc.and_(
            pc.equal(rows["_customer"], pa.scalar(surrogate, pa.int64())),
            pc.equal(rows["_customer_key"], pa.scalar(key, pa.int16())),
        )
        found = one if found is None else pc.or_(found, one)
    return pc.fill_null(found, False)
