"""A one-off question: a fresh tally over what is stored, for what no view or block keeps."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

from cxstream.answers import Query
from cxstream.columns import bucket_start, parse_edge
from cxstream.program import TIME_UNITS, Block, Plan, Program, View, compile_plan, weighted_blocks
from cxstream.recount import Narrowing, recount
from cxstream.store import Store
from cxstream.tally import Tally


def scan(
    store: Store,
    program: Program,
    query: Query,
    block: Block | None,
    question: str | tuple[str, ...] | None,
    point: int,
    *,
    weighted: bool = False,
    on_rows: Callable[[int, int], object] = lambda *_: None,
) -> Tally:
    """Count what one query needs of everything stored up to a point.

    The sums are those a declared view would hold, bit for bit: the same columns are encoded by the
    same code and counted by the same kernels. Only the columns asked for are read, of the months
    and levels asked for, and nothing but the sums is held.

    Parameters
    ----------
    weighted : bool
        Whether sums with the survey weight are wanted too.
    on_rows : function of (done, all)
        Called as it goes; what it raises ends the scan.

    Raises
    ------
    FailedPreconditionError
        ``STORE_DAMAGED``: a batch or a file is not what was stored.
    ResourceExhaustedError
        ``TOO_MANY_COMBINATIONS``: see `Tally.check_room`.
    """

    def narrowed(program: Program) -> Program:
        return _narrowed(program, query, block, question, weighted=weighted)

    tally = Tally(_plan(narrowed(program), block, _names(question)))

    def checked(done: int, total: int) -> None:
        tally.check_room()
        on_rows(done, total)

    narrowing = Narrowing(narrowed, _months(program, query), dict(query.where))
    recount(store, program, tally, 0, point, narrowing=narrowing, on_rows=checked)
    return tally


def _narrowed(
    program: Program,
    query: Query,
    block: Block | None,
    question: str | tuple[str, ...] | None,
    *,
    weighted: bool,
) -> Program:
    """Return a program of only the columns that a query needs."""
    questions = {*(block.columns if block else ()), *_names(question)}
    dimensions = {*query.by, *query.where}
    timed = query.since or query.until or any(name in TIME_UNITS for name in query.by)
    return dataclasses.replace(
        program,
        questions={name: one for name, one in program.questions.items() if name in questions},
        dimensions={name: one for name, one in program.dimensions.items() if name in dimensions},
        time=program.time if timed else None,
        customer=None,
        weight=program.weight if weighted else None,
        indices={},
        models={},
        views=(),
        insights=(),
    )


def _months(program: Program, query: Query) -> tuple[str | None, str | None]:
    """Return the first and the last month that a query's time range touches."""
    if program.time is None:
        return None, None
    unit = program.time.unit
    first = last = None
    if query.since:
        first = _month(bucket_start(parse_edge(query.since, unit=unit, key="since"), unit))
    if query.until:
        end = bucket_start(parse_edge(query.until, unit=unit, key="until"), unit)
        # Before the first year no instant can be written, and there is no response.
        last = _month(end - dt.timedelta(seconds=1)) if end.year > dt.MINYEAR else ""
    return first, last


def _month(instant: dt.datetime) -> str:
    # Not strftime: it writes the year 300 as "300", after which no month would come.
    return instant.date().isoformat()[:7]


def _names(question: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (question,) if isinstance(question, str) else question or ()


def _plan(program: Program, block: Block | None, counted: tuple[str, ...]) -> Plan:
    blocks = (block,) if block else ()
    return dataclasses.replace(
        compile_plan(program, counted),
        views=(View(tuple(program.dimensions)),),
        blocks=blocks,
        weighted=weighted_blocks(program, blocks),
    )
