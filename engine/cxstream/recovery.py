"""From what is stored to sums: the newest snapshot, and everything after it."""

from __future__ import annotations

from cxstream.pool import Pool
from cxstream.program import compile_plan, program_from_dict
from cxstream.recount import recount
from cxstream.state import ProgramState
from cxstream.store import Store, StoredProgram, failpoint
from cxstream.tally import Tally, restore


def recover(store: Store, stored: StoredProgram, pool: Pool | None) -> ProgramState:
    """Return a program as it stood when its last batch was acknowledged.

    Raises
    ------
    FailedPreconditionError
        ``STORE_DAMAGED``: a batch is not what was stored.
    """
    program = program_from_dict(stored.tables)
    plan = compile_plan(program)
    state = ProgramState(stored.tables, program, plan, Tally(plan, pool), stored.version)
    state.batches, state.point = store.counts(program.name)
    counted = 0
    kept = store.snapshot(program.name, plan.digest)
    if kept is not None:
        try:
            state.tally = restore(plan, kept.data, pool)
        except ValueError:
            # A damaged snapshot costs time, never an answer.
            state.tally = Tally(plan, pool)
        else:
            counted = kept.point
            state.snapshot_batches, state.snapshot_rows = kept.batches, state.tally.responses
    recount(store, program, state.tally, counted)
    failpoint("recovery.after")
    return state
