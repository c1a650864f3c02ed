"""From what is stored to sums: the newest snapshot, and every batch after it."""

from __future__ import annotations

import dataclasses
from concurrent.futures import Executor

import pyarrow as pa

from cxstream.columns import Codes, encode, read_batch
from cxstream.program import Program, compile_plan, program_from_dict
from cxstream.state import ProgramState
from cxstream.store import Batch, Store, StoredProgram, failpoint
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
        codes = encode_stored(batch, program)
        state.tally.admit(codes)
        state.count(codes, point)
    failpoint("recovery.after")
    return state


def encode_stored(batch: Batch, program: Program) -> Codes:
    """Return the codes of a stored batch; columns that came into the program later have no answers.

    Raises
    ------
    InvalidArgumentError
        The batch does not fit the program: it is not one that was stored for it.
    """
    if program.customer or program.weight:
        # Checked on arrival and not counted; the customer's key is not even stored.
        program = dataclasses.replace(program, customer=None, weight=None)
    return encode(_read_stored(batch, program), program)


def _read_stored(batch: Batch, program: Program) -> pa.RecordBatch:
    read = read_batch(batch.body, batch.schema, batch.rows)
    for question in program.questions.values():
        one_list = question.multiple and len(question.columns) == 1
        kind = pa.list_(pa.int8()) if one_list else pa.int8()
        for column in question.columns:
            read = _with_column(read, column, kind)
    for dimension in program.dimensions.values():
        read = _with_column(read, dimension.column, pa.int8())
    return read


def _with_column(batch: pa.RecordBatch, column: str, kind: pa.DataType) -> pa.RecordBatch:
    if column in batch.schema.names:
        return batch
    return batch.append_column(column, pa.nulls(batch.num_rows, kind))


def recount(store: Store, program: Program, tally: Tally, after: int, until: int) -> None:
    """Count stored batches into a tally that keeps other sums, or has new columns.

    Parameters
    ----------
    after, until : int
        Batches with after < point <= until.
    """
    for point, batch in store.batches(program.name, after):
        if point > until:
            return
        codes = encode_stored(batch, program)
        tally.admit(codes)
        tally.update(codes)
