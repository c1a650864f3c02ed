"""Journal -> history: batches become rows of files that any engine reads."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from cxstream.program import program_from_dict
from cxstream.store import DirectoryStore, failpoint
from cxstream.upkeep.rows import batch_rows, schema_of, write

#: Rows that are held and written at a time.
SEAL_ROWS = 2**20


def seal(store: DirectoryStore, name: str, is_over: Callable[[], bool] = lambda: False) -> int:
    """Write all that is in the journal only into files, and record them.

    Parameters
    ----------
    store : DirectoryStore
    name : str
        The program's.
    is_over : function
        Asked after every `SEAL_ROWS`: what is left stays in the journal where it says so.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    StoreDamagedError
        ``STORE_DAMAGED``: a batch is not what was stored.
    OSError, ResourceExhaustedError
        The disk is full; what was acknowledged is in the journal.
    """
    failpoint("seal.before")
    written = 0
    with store.contents(name, store.sealed(name)) as contents:
        # Read after the batches were listed: at least as new as what any of them was checked against.
        tables = next(one.tables for one in store.programs() if one.name == name)
        program = program_from_dict(tables)
        held: list[pa.RecordBatch] = []
        rows = last = 0

        def put() -> int:
            table = pa.Table.from_batches(held, schema_of(program))
            added = write(store, program, table, store.next_file())
            failpoint("seal.written")
            store.put_sealed(name, last, added)
            failpoint("seal.recorded")
            return len(table)

        for last, batch in contents.batches:
            held.append(batch_rows(last, batch, program))
            rows += batch.rows
            if rows >= SEAL_ROWS:
                written += put()
                held.clear()
                rows = 0
                if is_over():
                    break
        if held:
            written += put()
    return written
