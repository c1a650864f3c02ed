"""Many small files -> few large ones."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pyarrow as pa

from cxstream.program import Program
from cxstream.store import DirectoryStore, HistoryFile, failpoint
from cxstream.store.history import FILE_ROWS
from cxstream.upkeep.rows import read

#: A month is compacted when it has so many files below half of `FILE_ROWS`.
FILES_MIN = 8


def compact(store: DirectoryStore, program: Program) -> int:
    """Join small files of the same month; every row stays as it is.

    Returns
    -------
    int
        How many files were joined.

    Raises
    ------
    StoreDamagedError
        ``STORE_DAMAGED``: a file is not what was written.
    OSError, ResourceExhaustedError
        The disk is full; nothing has changed.
    """
    months: dict[str | None, list[HistoryFile]] = defaultdict(list)
    for one in store.files(program.name):
        if one.rows < FILE_ROWS // 2:
            months[one.month].append(one)
    joined = 0
    for month, files in months.items():
        if len(files) < FILES_MIN:
            continue
        chosen: list[HistoryFile] = []
        for one in files:
            if sum(other.rows for other in chosen) + one.rows > FILE_ROWS:
                break
            chosen.append(one)
        chosen.sort(key=lambda one: one.first)
        rows = pa.concat_tables(read(store, program, one, coded=True) for one in chosen)
        if any(one.last > other.first for one, other in pairwise(chosen)):
            rows = rows.unify_dictionaries().sort_by("_point")
        number = store.next_file()
        made = store.history(program.name).write(
            rows, number, month, by_month=program.time is not None
        )
        failpoint("compact.written")
        store.replace(program.name, chosen, [(number, made)])
        failpoint("compact.recorded")
        store.remove_files(program.name, chosen)
        joined += len(chosen)
    return joined
