"""Months that are over: their files go whole, and the sums come down by exactly what was in them."""

from __future__ import annotations

from cxstream.state import ProgramState
from cxstream.store import DirectoryStore, failpoint
from cxstream.upkeep.rows import read
from cxstream.upkeep.take_out import take_out


def drop_before(store: DirectoryStore, state: ProgramState, month: str) -> int:
    """Drop the files of all months before one.

    Parameters
    ----------
    month : str
        ``2017-05``: the first one that stays.

    Returns
    -------
    int
        How many responses were dropped.

    Raises
    ------
    StoreDamagedError
        ``STORE_DAMAGED``: a file is not what was written.
    ResourceExhaustedError
        The disk is full; nothing has changed.
    """
    with state.lock:
        state.check()
        program = state.declared
    old = [one for one in store.files(program.name) if one.month is not None and one.month < month]
    if not old:
        return 0

    def record() -> None:
        store.drop(program.name, old)
        failpoint("retain.recorded")

    take_out(state, lambda: (read(store, program, one) for one in old), record)
    store.remove_files(program.name, old)
    return sum(one.rows for one in old)
