"""Months that are over: their files go whole, and the sums come down by exactly what was in them."""

from __future__ import annotations

from cxstream.state import ProgramState
from cxstream.store import DirectoryStore, failpoint
from cxstream.upkeep.erase import sums_of
from cxstream.upkeep.rows import read


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
        plan, program = state.plan, state.declared
    old = [one for one in store.files(program.name) if one.month is not None and one.month < month]
    if not old:
        return 0
    less = sums_of((read(store, program, one) for one in old), plan, program)
    with state.changing():
        if state.plan is not plan:
            less = sums_of((read(store, program, one) for one in old), state.plan, state.declared)
        store.drop(program.name, old)
        failpoint("retain.recorded")
        state.lessen(less)
    store.prune_snapshots(program.name)
    store.remove_files(program.name, old)
    return sum(one.rows for one in old)
