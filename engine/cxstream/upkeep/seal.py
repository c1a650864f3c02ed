"""Journal -> history: batches become rows of files that any engine reads."""

from __future__ import annotations

from collections.abc import Callable

from cxstream.program import program_from_dict
from cxstream.store import DirectoryStore, failpoint
from cxstream.upkeep.bundle import Bundle
from cxstream.upkeep.rows import write

#: What is held and written at a time: the more, the fewer files where responses are of many months.
SEAL_ROWS = 2**22
SEAL_BYTES = 2**27


def seal(store: DirectoryStore, name: str, is_over: Callable[[], bool] = lambda: False) -> int:
    """Write all that is in the journal only into files, and record them.

    Parameters
    ----------
    store : DirectoryStore
    name : str
        The program's.
    is_over : function
        Asked after every batch and before every file: what is not recorded yet stays in the journal
        where it says so.

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
        held = Bundle(program)
        last = 0

        def put() -> bool:
            """Write and record what is held, unless it is over."""
            nonlocal written
            added = write(store, program, held, store.next_file(), is_over)
            if added is None:
                return False
            failpoint("seal.written")
            store.put_sealed(name, last, added)
            failpoint("seal.recorded")
            written += held.rows
            return True

        for last, batch in contents.batches:
            held.add(last, batch)
            if held.rows >= SEAL_ROWS or held.bytes >= SEAL_BYTES:
                if not put():
                    return written
                held = Bundle(program)
            if is_over():
                return written
        if held.rows:
            put()
    return written
