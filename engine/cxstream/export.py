"""All stored responses of a program, as the history keeps them, in one Parquet or Arrow file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from cxstream.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, nearest
from cxstream.program import Program, program_from_dict
from cxstream.store import Batch, Contents
from cxstream.store.in_order import in_order
from cxstream.store.journal import sync_folder
from cxstream.store.reader import StoreReader
from cxstream.threads import processors
from cxstream.upkeep.rows import batch_rows, read, schema_of

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
    on_rows: Callable[[int, int], object] = lambda *_: None,
) -> Exported:
    """Write a program's responses into a file, which appears once it is complete.

    Rows of one batch need not stand together: sort by ``_point`` and ``_row`` for the order in which
    they came.

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
        ``NO_RESPONSES`` or ``STORE_DAMAGED``.
    """
    if path.suffix not in FORMATS:
        raise InvalidArgumentError(
            "UNKNOWN_FORMAT", f"{path}: expected a name that ends in {' or '.join(FORMATS)}"
        )
    # A file's row of the catalogue that is not what was stored would leave out rows unnoticed.
    reader.catalogue.check()
    declared = _declared(reader, program)
    schema = schema_of(declared)
    rows = 0
    points: list[Any] = []
    draft = path.with_name(path.name + ".new")
    with reader.contents(program) as contents:
        total = sum(one.rows for one in contents.files) + contents.batch_rows
        if total == 0:
            raise FailedPreconditionError(
                "NO_RESPONSES", f"program {program!r} has no responses yet"
            )
        try:
            with _Writer(draft, path.suffix, schema) as writer:
                jobs = _jobs(reader, declared, contents)
                for table in in_order(lambda job: job(), jobs, threads or processors()):
                    writer.write(table)
                    rows += table.num_rows
                    points.append(np.unique(table["_point"].to_numpy()))
                    on_rows(rows, total)
            size = draft.stat().st_size
            draft.rename(path)
            sync_folder(path.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    batches = len(np.unique(np.concatenate(points)))
    columns = {one.name: str(one.type) for one in schema}
    return Exported(program, str(path), rows, batches, size, columns)


def _declared(reader: StoreReader, program: str) -> Program:
    declared = {stored.name: stored for stored in reader.programs()}
    if program not in declared:
        raise NotFoundError(
            "UNKNOWN_PROGRAM", f"no program {program!r}{nearest(program, declared)}"
        )
    return program_from_dict(declared[program].tables)


def _jobs(
    reader: StoreReader, program: Program, contents: Contents
) -> Iterable[Callable[[], pa.Table]]:
    """Return what is to be read: a row group of a file, or a batch, each."""

    def of_file(number: int, group: int) -> Callable[[], pa.Table]:
        return lambda: read(reader, program, contents.files[number], group=group)

    def of_batch(point: int, batch: Batch) -> Callable[[], pa.Table]:
        return lambda: pa.Table.from_batches([batch_rows(point, batch, program)])

    return chain(
        (
            of_file(number, group)
            for number, file in enumerate(contents.files)
            for group in contents.folder.groups_of(file)
        ),
        (of_batch(point, batch) for point, batch in contents.batches),
    )


class _Writer:
    """Joins tables to row groups and writes them; durable when it is left."""

    def __init__(self, path: Path, suffix: str, schema: pa.Schema) -> None:
        self._held: list[pa.Table] = []
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

    def write(self, table: pa.Table) -> None:
        """Write a table; what has many bytes comes in pieces."""
        step = max(1, GROUP_BYTES * len(table) // max(1, table.nbytes))
        for start in range(0, len(table), step):
            piece = table.slice(start, step)
            self._held.append(piece)
            self._rows += piece.num_rows
            self._bytes += piece.nbytes
            if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
                self._flush()

    def _flush(self) -> None:
        if self._held:
            self._sink.write_table(pa.concat_tables(self._held).combine_chunks())
        self._held, self._rows, self._bytes = [], 0, 0
