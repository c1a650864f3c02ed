"""A one-off question: a fresh tally over the stored batches, for what no view or block keeps."""

from __future__ import annotations

import dataclasses

from cxstream.answers import Query
from cxstream.program import TIME_UNITS, Block, Plan, Program, View, compile_plan
from cxstream.recovery import recount
from cxstream.store import Store
from cxstream.tally import Tally


def scan(store: Store, program: Program, query: Query, block: Block | None, question: str | None,
         point: int) -> Tally:  # fmt: skip
    """Count what one query needs of every stored batch up to a point.

    The sums are those a declared view would hold, bit for bit: the same columns are encoded by the
    same code and counted by the same kernels. Only the columns asked for are encoded, and nothing
    but the sums is held.

    Raises
    ------
    FailedPreconditionError
        ``STORE_DAMAGED``: a batch is not what was stored.
    """
    narrowed = _narrowed(program, query, block, question)
    tally = Tally(_plan(narrowed, block))
    recount(store, narrowed, tally, 0, point)
    return tally


def _narrowed(program: Program, query: Query, block: Block | None, question: str | None) -> Program:
    """Return a program of only the columns that a query needs."""
    questions = {*(block.columns if block else ()), *([question] if question else ())}
    dimensions = {*query.by, *query.where}
    timed = query.since or query.until or any(name in TIME_UNITS for name in query.by)
    return dataclasses.replace(
        program,
        questions={name: one for name, one in program.questions.items() if name in questions},
        dimensions={name: one for name, one in program.dimensions.items() if name in dimensions},
        time=program.time if timed else None,
        customer=None,
        weight=None,
        indices={},
        models={},
        views=(),
        insights=(),
    )


def _plan(program: Program, block: Block | None) -> Plan:
    return dataclasses.replace(
        compile_plan(program),
        views=(View(tuple(program.dimensions)),),
        blocks=(block,) if block else (),
    )
