"""cxstream: codes in memory through a tally that keeps what the task needs, answers from its sums.

Answers are arrays, made of exact sums by the kernels behind the analytics: what the task asks for, as
those of the others are, with the standard errors of regressions. Those to a client, of T6, have all
that `cxstream_client` gives.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

import cxstream
from benchmarks.tasks import Answer, nps_of
from benchmarks.workload import OPTIONS, PROGRAM, RATINGS, WEIGHTS
from cxstream import analytics
from cxstream.columns import Codes, encode
from cxstream.kernels.index import respondent_moments
from cxstream.pool import Pool
from cxstream.program import Block, BlockKind, Plan, Program, View, compile_plan, program_from_dict
from cxstream.recount import Narrowing, recount
from cxstream.store import Store
from cxstream.tally import Found, Selection, Slice, Tally, find_groups, slice_of
from cxstream.threads import processors

VERSION = cxstream.__version__
#: Rows that are encoded, and given to a tally, at a time: all of them.
CHUNK_ROWS = 2**24
POOL = Pool(processors(), "bench")

_DELIGHT = {"delight": PROGRAM["indices"]["delight"]}  # type: ignore[index]
_DRIVERS = {"drivers": PROGRAM["models"]["drivers"]}  # type: ignore[index]


def program_of(
    questions: tuple[str, ...],
    dimensions: tuple[str, ...] = (),
    *,
    months: bool = False,
    **more: Any,
) -> Program:
    declared: Any = PROGRAM["questions"]
    return program_from_dict(
        {
            "name": "bench",
            "questions": {name: declared[name] for name in questions},
            "dimensions": {name: {} for name in dimensions},
            **({"time": PROGRAM["time"]} if months else {}),
            "insights": {"questions": []},
            **more,
        }
    )


#: By task: what is counted, in one view of all its dimensions.
PROGRAMS = {
    "T1": program_of(("nps",), ("region", "age_group")),
    "T2": program_of(RATINGS, ("touchpoint",), months=True, indices=_DELIGHT),
    "T3": program_of(("nps", *RATINGS), models=_DRIVERS),
    "T4": program_of(("improve",), ("region",)),
    "T5": program_of(
        ("nps", *RATINGS, "improve"),
        ("touchpoint", "region"),
        months=True,
        indices=_DELIGHT,
        models=_DRIVERS,
    ),
    "T6": program_of(("nps", *RATINGS), indices=_DELIGHT, models=_DRIVERS),
}


#: Of tasks that ask for nothing but sums of products: no question is counted, as by `cxstream.scan`.
COUNTED: dict[str, tuple[str, ...]] = {"T2": (), "T3": ()}


def plan_of(program: Program, counted: tuple[str, ...] | None = None) -> Plan:
    """Return a plan with one view, of all dimensions."""
    plan = compile_plan(program, counted)
    return dataclasses.replace(plan, views=(View(tuple(program.dimensions)),))


PLANS = {task: plan_of(program, COUNTED.get(task)) for task, program in PROGRAMS.items()}


def encoded(table: pa.Table, program: Program, rows: int = CHUNK_ROWS) -> list[Codes]:
    """Return responses as codes, so many at a time."""
    names = list(program.columns)
    whole = table.select(names).combine_chunks()
    return [encode(one, program) for one in whole.to_batches(max_chunksize=rows)]


@dataclass(frozen=True)
class Data:
    codes: dict[str, list[Codes]]


def prepare(table: pa.Table) -> Data:
    """Take `workload.responses`; the codes of the tasks share nothing, as their plans do."""
    return Data({task: encoded(table, PROGRAMS[task]) for task in ("T1", "T2", "T3", "T4", "T5")})


def counted(task: str, codes: list[Codes]) -> Tally:
    tally = Tally(PLANS[task], POOL)
    for one in codes:
        tally.update(one)
    return tally


def _cut(tally: Tally, by: tuple[str, ...], question: str = "", kind: str = "") -> Slice:
    return _slice(find_groups(tally, Selection(by=by)), question, kind)


def _slice(found: Found, question: str = "", kind: str = "") -> Slice:
    plan = found.tally.plan
    counts = slice(0, 0)
    if question:
        slot = plan.slots[question]
        counts = slice(slot.start, slot.start + slot.width)
    return slice_of(found, counts, _block(plan, kind) if kind else None)


def _block(plan: Plan, kind: str) -> Block:
    return next(block for block in plan.blocks if block.kind == kind)


def _classes(part: Slice) -> Any:
    return analytics.nps.classify(part.counts[:, :11], 7, 9)


def _fit(part: Slice) -> Answer:
    found = analytics.regression.estimate_arrays(part.sums, **_MODEL, pool=POOL)
    return {"n": found.n, "coefficients": found.coefficient, "se": found.se, "r2": found.r2}


_MODEL: Any = {
    "origins": [0, *(1 for _ in RATINGS)],
    "steps": [1] * (1 + len(RATINGS)),
    "names": ["nps", *RATINGS],
    "outcome": 0,
    "drivers": range(1, 1 + len(RATINGS)),
}


def _t1(tally: Tally) -> Answer:
    classes = _classes(_cut(tally, ("region", "age_group"), "nps"))
    return {"classes": classes, "nps": nps_of(classes)}


def _t2(tally: Tally) -> Answer:
    found = find_groups(tally, Selection(by=("touchpoint", "month")))
    index_n, index = _index_means(found)
    return {"index_n": index_n, "index": index}


def _t3(tally: Tally) -> Answer:
    return _fit(_cut(tally, (), kind="complete"))


def _t4(tally: Tally) -> Answer:
    counts = _cut(tally, ("region",), "improve").counts
    return {"base": counts[:, OPTIONS], "ticked": counts[:, :OPTIONS]}


def _t5(tally: Tally) -> Answer:
    by = ("touchpoint", "month", "region")
    plan = tally.plan
    scores, ticks = plan.slots["nps"].start, plan.slots["improve"].start
    found = find_groups(tally, Selection(by=by))
    indices = POOL.submit(_index_means, found)
    part = slice_of(found, slice(0, plan.counts_width), _block(plan, BlockKind.COMPLETE))
    classes = analytics.nps.classify(part.counts[:, scores : scores + 11], 7, 9)
    fits = _fit(part)
    index_n, index = indices.result()
    return {
        "classes": classes,
        "nps": nps_of(classes),
        "index_n": index_n,
        "index": index,
        "base": part.counts[:, ticks + OPTIONS],
        "ticked": part.counts[:, ticks : ticks + OPTIONS],
        **fits,
    }


#: Items on 0..100, the item of each part and its weight, and that no item must be answered.
_INDEX: Any = (
    np.full(len(RATINGS), 25.0), np.zeros(len(RATINGS)),
    np.arange(len(RATINGS) + 1), np.arange(len(RATINGS)), np.array(WEIGHTS), np.uint64(0),
)  # fmt: skip


def _index_means(found: Found) -> tuple[Any, Any]:
    """Return respondents and mean index of every group, by the kernel behind `analytics.index`."""
    groups, items = len(found.groups), len(RATINGS)
    block = _block(found.tally.plan, BlockKind.PATTERN)
    sums: Any = slice_of(found, slice(0, 0), block, products=slice(0, 1 + items)).sums
    start = np.searchsorted(sums.group, np.arange(groups + 1))
    count = np.empty((groups, 1), dtype=np.int64)
    mean, squares = np.empty((groups, 1)), np.empty((0, 0))
    respondent_moments(start, sums.pattern, sums.sums, *_INDEX, count, mean, squares)
    return count[:, 0], mean[:, 0]


def t6(batches: list[Codes]) -> Answer:
    """Count every batch, answer after it."""
    tally = Tally(PLANS["T6"], POOL)
    after: dict[str, list[Any]] = {
        name: [] for name in ("nps", "index", "coefficients", "se", "r2")
    }
    for batch in batches:
        tally.update(batch)
        everybody = find_groups(tally, Selection())
        part = _slice(everybody, "nps", "complete")
        found = _fit(part)
        after["nps"].append(nps_of(_classes(part)))
        after["index"].append(_index_means(everybody)[1])
        for name in ("coefficients", "se", "r2"):
            after[name].append(found[name])
    return {name: np.concatenate(found) for name, found in after.items()}


def through_client(client: Any, name: str, batches: list[pa.RecordBatch]) -> Answer:
    """Append every batch, ask after it: all that a user of the client class waits for."""
    client.put_program({**PROGRAM_T6, "name": name})
    after: dict[str, list[Any]] = {key: [] for key in ("nps", "index", "coefficients", "se", "r2")}
    with client.append(name, producer="bench", batch_bytes=8 << 20) as stream:
        for batch in batches:
            stream.send(batch, wait=True)
            (fit,) = client.regression(name, "drivers")
            after["nps"].append(client.nps(name, "nps")[0].score)
            after["index"].append(client.index(name, "delight")[0].score)
            after["coefficients"].append([term.coefficient for term in fit.terms])
            after["se"].append([term.se for term in fit.terms])
            after["r2"].append(fit.r2)
    return {key: np.array(values) for key, values in after.items()}


PROGRAM_T6 = {
    "questions": {name: PROGRAM["questions"][name] for name in ("nps", *RATINGS)},  # type: ignore[index]
    "indices": _DELIGHT,
    "models": _DRIVERS,
    "insights": {"questions": []},
}
_ANSWERS = {"T1": _t1, "T2": _t2, "T3": _t3, "T4": _t4, "T5": _t5}


def _task(name: str) -> Callable[[Data], Answer]:
    return lambda data: _ANSWERS[name](counted(name, data.codes[name]))


def _scan(name: str) -> Callable[[tuple[Store, Program]], Answer]:
    """Return what counts a history as a question does that no view keeps: see `cxstream.scan`."""
    wanted = PROGRAMS[name]

    def narrowed(program: Program) -> Program:
        return dataclasses.replace(
            program,
            questions={key: program.questions[key] for key in wanted.questions},
            dimensions={key: program.dimensions[key] for key in wanted.dimensions},
            time=program.time if wanted.time else None,
        )

    def run(held: tuple[Store, Program]) -> Answer:
        store, program = held
        tally = Tally(PLANS[name])
        recount(store, program, tally, narrowing=Narrowing(narrowed))
        return _ANSWERS[name](tally)

    return run


TASKS = {**{name: _task(name) for name in _ANSWERS}, "T6": t6}
SCANS = {name: _scan(name) for name in _ANSWERS}
