"""Counting what is stored: rows of the history, then the batches of the journal.

One way for a restart, a one-off question, a new view, an erasure and a verification alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxstream.columns import (
    Codes,
    Pages,
    complete,
    encode,
    read_batch,
    reading,
    together,
)
from cxstream.program import Program
from cxstream.store import (
    Batch,
    FileDamagedError,
    HistoryFile,
    HistoryFolder,
    Stored,
    StoreDamagedError,
    failpoint,
)
from cxstream.store.in_order import in_order
from cxstream.tally import Tally
from cxstream.threads import processors

#: Rows that are encoded and counted at a time: their codes stay in the cache.
ROWS_AT_ONCE = 2**16

#: The codes of a piece of what is stored, and how many rows were read for them.
Counted = tuple[list[Codes], int]


def everything(program: Program) -> Program:
    """Return the program: all its columns are needed."""
    return program


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What need not be read; rows that need not be may be counted or not.

    Attributes
    ----------
    columns : function of Program
        Takes away what the tally does not count. It is asked about the program and about the one
        that reads the history: where a column is kept depends on all that is declared.
    months : (str or None, str or None)
        The first and the last that matter; None where there is no bound.
    levels : mapping of str to collection of str or None
        Of dimensions, by name: the levels that matter.
    """

    columns: Callable[[Program], Program] = everything
    months: tuple[str | None, str | None] = (None, None)
    levels: Mapping[str, Collection[str | None]] = field(default_factory=dict)

    def needs(self, file: HistoryFile) -> bool:
        """Whether a file may have rows that matter."""
        first, last = self.months
        if first is None and last is None:
            return True
        if file.month is None:
            return False
        return (first is None or file.month >= first) and (last is None or file.month <= last)


EVERYTHING = Narrowing()


def encode_batch(batch: Batch, program: Program) -> Codes:
    """Return the codes of a batch as it came; columns that came later have no answers.

    Raises
    ------
    InvalidArgumentError
        The batch does not fit the program: it is not one that was stored for it.
    """
    return encode_sent(read_batch(batch.body, batch.schema, batch.rows), program)


def encode_sent(batch: pa.RecordBatch, program: Program) -> Codes:
    """Return the codes of a stored batch that was read, or of several that were joined.

    Raises
    ------
    InvalidArgumentError
        As `encode_batch`.
    """
    # It was checked on arrival, and is not counted.
    program = dataclasses.replace(program, customer=None)
    return encode(_completed(batch, program), program)


def _completed(batch: pa.RecordBatch, program: Program) -> pa.RecordBatch:
    """Return a batch as sent with columns that came into the program later."""
    columns: dict[str, pa.DataType] = {}
    for dimension in program.dimensions.values():
        columns[dimension.column] = pa.int8()
    for question in program.questions.values():
        one_list = question.multiple and len(question.columns) == 1
        columns.update(
            dict.fromkeys(question.columns, pa.list_(pa.int8()) if one_list else pa.int8())
        )
    if program.weight:
        columns.setdefault(program.weight.column, pa.float64())
    for name, kind in columns.items():
        if name not in batch.schema.names:
            batch = batch.append_column(name, pa.nulls(batch.num_rows, kind))
    return batch


def encode_rows(rows: pa.Table, declared: Program) -> Iterator[Codes]:
    """Yield the codes of rows of the history; `declared` is what `reading` made of the program."""
    for piece in rows.combine_chunks().to_batches(ROWS_AT_ONCE):
        yield encode(complete(piece, declared), declared)


def recount(
    store: Stored,
    program: Program,
    tally: Tally,
    after: int = 0,
    until: int = 2**63 - 1,
    *,
    narrowing: Narrowing = EVERYTHING,
    threads: int = 0,
    on_rows: Callable[[int, int], object] = lambda *_: None,
) -> None:
    """Count stored responses into a tally.

    Parameters
    ----------
    after, until : int
        Batches with after < point <= until.
    narrowing : Narrowing
        What need not be read.
    threads : int
        That read and encode; 0 for the processors there are.
    on_rows : function of (done, all)
        Called as it goes; what it raises ends the count.

    Raises
    ------
    StoreDamagedError
        ``STORE_DAMAGED``: a batch or a file is not what was stored.
    """
    with store.contents(program.name, after, until) as contents:
        if contents is None:
            return
        files = [one for one in contents.files if narrowing.needs(one)]
        total = sum(one.rows for one in files) + contents.batch_rows
        done = 0
        declared = narrowing.columns(reading(program))
        pages = Pages(declared)
        jobs = [
            _file_job(contents.folder, one, group, declared, pages, narrowing, after, until)
            for one in files
            for group in contents.folder.groups_of(one)
        ]
        as_sent = narrowing.columns(program)
        for codes, rows in _counted(jobs, contents.batches, as_sent, threads or processors()):
            for one in codes:
                tally.admit(one)
                tally.update(one)
            done += rows
            on_rows(min(done, total), total)


def _counted(
    jobs: Iterable[Callable[[], Counted]],
    batches: Iterable[tuple[int, Batch]],
    program: Program,
    threads: int,
) -> Iterator[Counted]:
    def of_batch(placed: tuple[int, Batch]) -> Counted:
        return [encode_batch(placed[1], program)], placed[1].rows

    yield from in_order(lambda job: job(), jobs, threads)
    yield from in_order(of_batch, batches, threads)


def _file_job(
    folder: HistoryFolder,
    file: HistoryFile,
    group: int,
    declared: Program,
    pages: Pages,
    narrowing: Narrowing,
    after: int,
    until: int,
) -> Callable[[], Counted]:
    wanted = {*declared.columns, "_point"}
    whole = after < file.first and file.last <= until

    def job() -> Counted:
        try:
            if whole:
                codes = _group_codes(folder, file, group, declared, pages)
                failpoint("recovery.batch")
                return [codes], codes.rows
            rows = folder.read(file, sorted(wanted), group)
        except FileDamagedError as error:
            raise file_damaged(declared.name, file, error) from error
        failpoint("recovery.batch")
        read = len(rows)
        points = rows["_point"]
        rows = rows.filter(pc.and_(pc.greater(points, after), pc.less_equal(points, until)))
        for name, levels in narrowing.levels.items():
            column = declared.dimensions[name].column
            if column in rows.schema.names:
                rows = rows.filter(_among(rows[column], levels))
        return list(encode_rows(rows, declared)), read

    return job


def _group_codes(
    folder: HistoryFolder, file: HistoryFile, group: int, declared: Program, pages: Pages
) -> Codes:
    """Return the codes of a row group: from its pages, and through Arrow what those do not give."""
    with folder.opened(file) as (data, metadata):
        codes, left = pages.encode(data, metadata, group, file.month)
    if not left.columns:
        return codes
    rows = folder.read(file, sorted(left.columns), group)
    if not rows.num_columns:
        rows = pa.table({"": pa.nulls(codes.rows)})
    (batch,) = rows.combine_chunks().to_batches()
    return together(codes, encode(complete(batch, left), left), declared)


def _among(column: pa.ChunkedArray, levels: Collection[str | None]) -> pa.Array:
    """Return which rows have one of the levels; without a level counts as None."""
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    known = np.array([one in levels for one in array.dictionary.to_pylist()] + [None in levels])
    places = array.indices.fill_null(len(array.dictionary)) if array.null_count else array.indices
    return pa.array(known[places.to_numpy(zero_copy_only=False)])


def file_damaged(program: str, file: HistoryFile, error: Exception) -> StoreDamagedError:
    """Return the error that says so."""
    return StoreDamagedError(
        "STORE_DAMAGED",
        f"file {file.path} of the history of program {program!r} is damaged: {error}; restore the "
        "data directory from a backup",
    )
