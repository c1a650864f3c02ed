"""Rows of the history leave a program's sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import pyarrow as pa

from cxstream.columns import reading
from cxstream.program import Plan, Program
from cxstream.recount import encode_rows
from cxstream.state import ProgramState
from cxstream.tally import Tally

T = TypeVar("T")


def take_out(
    state: ProgramState, gone: Callable[[], Iterable[pa.Table]], record: Callable[[], T]
) -> T:
    """Record that rows are no more, and bring the sums down by exactly those.

    Parameters
    ----------
    state : ProgramState
    gone : function
        Returns the rows; called again where the program changes meanwhile.
    record : function
        Makes it durable; its result is returned. Nothing is changed where it raises.
    """
    with state.lock:
        plan, program = state.plan, state.declared
    less = _sums_of(gone(), plan, program)
    with state.changing():
        if state.plan is not plan:
            less = _sums_of(gone(), state.plan, state.declared)
        result = record()
        state.lessen(less)
    return result


def _sums_of(tables: Iterable[pa.Table], plan: Plan, program: Program) -> Tally:
    tally = Tally(plan)
    declared = reading(program)
    for rows in tables:
        for codes in encode_rows(rows, declared):
            # The newest declaration may ask for more than is counted.
            known = codes.only(plan.question, plan.dimensions)
            tally.admit(known)
            tally.update(known)
    return tally
