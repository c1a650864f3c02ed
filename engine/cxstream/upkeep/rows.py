"""Rows of the history on their way to files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxstream.columns import coded_schema, read_batch, stored_schema, to_stored
from cxstream.program import Program
from cxstream.recount import encode_batch, file_damaged
from cxstream.store import Batch, DirectoryStore, FileDamagedError, HistoryFile
from cxstream.store.delta import DataFile, publish
from cxstream.store.history import MONTH, TRACE
from cxstream.store.reader import StoreReader
from cxstream.upkeep.bundle import Bundle


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


def write(
    store: DirectoryStore,
    program: Program,
    bundle: Bundle,
    number: int,
    is_over: Callable[[], bool],
) -> list[tuple[int, HistoryFile]] | None:
    """Write rows as files, each of a month, numbered from `number` on.

    None where `is_over`, which is asked before each, says so: what was written then is nobody's, and the
    next start removes it.
    """
    folder = store.history(program.name)
    out = []
    for month, rows in bundle.tables():
        if is_over():
            return None
        one = folder.write(rows, number, month, by_month=program.time is not None)
        out.append((number, one))
        number += 1
    return out


def read(
    store: DirectoryStore | StoreReader,
    program: Program,
    file: HistoryFile,
    columns: Sequence[str] | None = None,
    group: int | None = None,
    *,
    coded: bool = False,
) -> pa.Table:
    """Return a file's rows, or one group of them, in today's columns, or some of them as they are.

    Text comes as `cxstream.columns.TEXT` where `coded` says so.

    Raises
    ------
    StoreDamagedError
        ``STORE_DAMAGED``.
    """
    try:
        rows = store.history(program.name).read(file, columns, group, dictionaries=coded)
    except FileDamagedError as error:
        raise file_damaged(program.name, file, error) from error
    if columns is not None:
        return rows
    schema = coded_schema(schema_of(program)) if coded else schema_of(program)
    arrays = []
    for one in schema:
        known = one.name in rows.schema.names
        arrays.append(rows[one.name].cast(one.type) if known else pa.nulls(len(rows), one.type))
    return pa.table(arrays, schema=schema)


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
