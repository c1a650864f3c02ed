"""From what is stored to sums: the newest snapshot, and every batch after it."""

from __future__ import annotations

from concurrent.futures import Executor

from cxstream.columns import encode, read_batch
from cxstream.program import Plan, Program, compile_plan, program_from_dict
from cxstream.state import ProgramState
from cxstream.store import Store, StoredProgram, failpoint
from cxstream.tally import Tally, restore


def recover(store: Store, stored: StoredProgram, pool: Executor | None) -> ProgramState:
    """Return a program as it stood when its last batch was acknowledged.

    Raises
    ------
    FailedPreconditionError
        ``STORE_DAMAGED``: a batch is not what was stored.
    """
    program = program_from_dict(stored.tables)
    plan = compile_plan(program)
    state = ProgramState(stored.tables, program, plan, Tally(plan, pool), stored.version)
    kept = store.snapshot(program.name, plan.digest)
    if kept is not None:
        try:
            state.tally = restore(plan, kept.data, pool)
        except ValueError:
            # A damaged snapshot costs time, never an answer.
            state.tally = Tally(plan, pool)
        else:
            state.point, state.batches = kept.point, kept.batches
            state.snapshot_batches = kept.batches
    for point, batch in store.batches(program.name, state.point):
        codes = encode(read_batch(batch.body, batch.schema, batch.rows), program)
        state.tally.admit(codes)
        state.count(codes, point)
    failpoint("recovery.after")
    return state


def recount(store: Store, program: Program, plan: Plan, pool: Executor | None) -> Tally:
    """Count every stored batch anew, for a plan that keeps other sums of the same columns."""
    tally = Tally(plan, pool)
    for _, batch in store.batches(program.name, 0):
        codes = encode(read_batch(batch.body, batch.schema, batch.rows), program)
        tally.admit(codes)
        tally.update(codes)
    return tally
