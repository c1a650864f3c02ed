"""All stored responses of a program, as they were sent, in one Parquet or Arrow file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from cxstream.columns import read_batch, read_schema
from cxstream.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, nearest
from cxstream.program import program_from_dict
from cxstream.store.in_order import in_order, processors
from cxstream.store.journal import sync_folder
from cxstream.store.reader import Place, StoreReader
from cxstream.store.unify import cast, columns_of, rows_at_once, unify

#: Where a row came from: its producer, the batch's sequence, the row within the batch.
TRACE = (("_producer", pa.string()), ("_sequence", pa.int64()), ("_row", pa.int64()))
FORMATS = (".parquet", ".arrow")

#: A row group has so many rows, or so many bytes.
GROUP_ROWS = 2**18
GROUP_BYTES = 2**26


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    columns : dict of str to str
        Each column's Arrow type.
    """

    program: str
    file: str
    rows: int
    batches: int
    bytes: int
    columns: dict[str, str]


def export(
    reader: StoreReader,
    program: str,
    path: Path,
    *,
    threads: int = 0,
    on_rows: Callable[[int, int], None] = lambda *_: None,
) -> Exported:
    """Write a program's responses into a file, which appears once it is complete.

    Parameters
    ----------
    reader : StoreReader
        The data directory.
    program : str
    path : Path
        Ends in one of `FORMATS`; a file there is replaced.
    threads : int
        That read; 0 for the processors there are.
    on_rows : function of (done, all)
        Called as it goes.

    Raises
    ------
    InvalidArgumentError
        ``UNKNOWN_FORMAT``.
    NotFoundError
        ``UNKNOWN_PROGRAM``.
    FailedPreconditionError
        ``NO_RESPONSES``, ``TYPES_DIFFER``, ``RESERVED_COLUMN`` or ``STORE_DAMAGED``.
    """
    if path.suffix not in FORMATS:
        raise InvalidArgumentError(
            "UNKNOWN_FORMAT", f"{path}: expected a name that ends in {' or '.join(FORMATS)}"
        )
    schema = _schema(reader, program)
    kept = pa.schema([column for column in schema if column.name not in dict(TRACE)])

    def read(place: Place) -> Iterable[pa.RecordBatch]:
        batch = place.read()
        sent = read_batch(batch.body, batch.schema, batch.rows)
        step = rows_at_once(sent, GROUP_BYTES)
        pieces = (
            _traced(cast(sent.slice(start, step), kept), schema, place, start)
            for start in range(0, sent.num_rows, step)
        )
        # A batch that grows without its dictionaries is cut where it is written, piece by piece.
        return pieces if step < sent.num_rows else list(pieces)

    (total,) = reader.rows("SELECT SUM(rows) FROM batch WHERE program = ?", (program,))[0]
    rows = batches = 0
    draft = path.with_name(path.name + ".new")
    try:
        with _Writer(draft, path.suffix, schema) as writer:
            for pieces in in_order(read, reader.places(program), threads or processors()):
                for piece in pieces:
                    writer.write(piece)
                    rows += piece.num_rows
                batches += 1
                on_rows(rows, total)
        size = draft.stat().st_size
        draft.rename(path)
        sync_folder(path.parent)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return Exported(program, str(path), rows, batches, size, dict(columns_of(schema)))


def _schema(reader: StoreReader, program: str) -> pa.Schema:
    declared = {stored.name: stored for stored in reader.programs()}
    if program not in declared:
        raise NotFoundError(
            "UNKNOWN_PROGRAM", f"no program {program!r}{nearest(program, declared)}"
        )
    messages = reader.schemas(program)
    if not messages:
        raise FailedPreconditionError("NO_RESPONSES", f"program {program!r} has no responses yet")
    columns = program_from_dict(declared[program].tables).columns
    sent = unify([read_schema(message) for message in messages], columns)
    taken = [name for name, _ in TRACE if name in sent.names]
    if taken:
        raise FailedPreconditionError(
            "RESERVED_COLUMN",
            f"program {program!r} has a column {taken[0]!r}, which an export needs for itself",
            column=taken[0],
        )
    return pa.schema([*sent, *(pa.field(name, kind) for name, kind in TRACE)])


def _traced(batch: pa.RecordBatch, schema: pa.Schema, place: Place, start: int) -> pa.RecordBatch:
    rows = batch.num_rows
    return pa.record_batch(
        [
            *batch.columns,
            pa.repeat(pa.scalar(place.producer, pa.string()), rows),
            pa.repeat(pa.scalar(place.sequence, pa.int64()), rows),
            pa.array(np.arange(start, start + rows)),
        ],
        schema=schema,
    )


class _Writer:
    """Joins batches to row groups and writes them; durable when it is left."""

    def __init__(self, path: Path, suffix: str, schema: pa.Schema) -> None:
        self._schema = schema
        self._held: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0
        self._open = ExitStack()
        file = self._open.enter_context(path.open("wb"))
        self._open.callback(os.fsync, file.fileno())
        self._open.callback(file.flush)
        self._sink: Any
        if suffix == ".parquet":
            import pyarrow.parquet as pq

            self._sink = pq.ParquetWriter(file, schema, compression="zstd")
        else:
            self._sink = pa.ipc.new_file(file, schema)
        self._open.enter_context(self._sink)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._open.close()

    def write(self, batch: pa.RecordBatch) -> None:
        self._held.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            table = pa.Table.from_batches(self._held, self._schema).combine_chunks()
            self._sink.write_table(table)
        self._held, self._rows, self._bytes = [], 0, 0
