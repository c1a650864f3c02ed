"""T1 to T6 (see `tasks`): cxstream beside what else one would use, over data in memory.

Every library holds the data as it likes it best before the clock starts; every answer is checked
against NumPy's before any time counts.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import pyarrow as pa
import pytest

import cxstream
import cxstream_client as cx
from benchmarks import tasks
from benchmarks.workload import RATINGS, compact, responses

#: About sixty for each group of T5, so that every regression is of full rank.
ROWS_SMALL = 100_000
_EVERY = ("cxstream", "numpy", "duckdb", "polars", "chdb", "datafusion", "pandas")
WAYS = {
    "T1": _EVERY,
    "T2": _EVERY,
    "T3": (*_EVERY, "statsmodels", "sklearn"),
    "T4": _EVERY,
    "T5": _EVERY,
    "T6": (
        "cxstream",
        "cxstream client",
        "cxstream over gRPC",
        "numpy",
        "polars",
        "sklearn",
    ),
}
#: Of T6 too: who holds everything, and is asked anew.
AGAIN = ("polars asks again", "duckdb asks again")


@pytest.fixture(scope="module")
def rows(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--bench-rows") or ROWS_SMALL)


@pytest.fixture(scope="module")
def whole(rows: int) -> pa.Table:
    return responses(rows)


@pytest.fixture(scope="module")
def small(whole: pa.Table) -> pa.Table:
    return compact(whole)


@pytest.fixture(scope="module")
def held(peer: Any, whole: pa.Table, small: pa.Table) -> Callable[[str], Any]:
    """Return the data as a peer holds it."""
    return cache(lambda name: peer(name).prepare(whole if name == "cxstream" else small))


@pytest.fixture(scope="module")
def expected(peer: Any, held: Any, small: pa.Table) -> Callable[[str], tasks.Answer]:
    def of(task: str) -> tasks.Answer:
        given = small.to_batches(max_chunksize=tasks.BATCH_ROWS) if task == "T6" else held("numpy")
        return peer("numpy").TASKS[task](given)

    return cache(of)


@pytest.fixture(scope="module")
def streaming(peer: Any, whole: pa.Table, small: pa.Table, request: Any) -> Callable[[str], Any]:
    """Return the function and the batches of a way of T6."""

    @cache
    def of(way: str) -> tuple[Callable[[Any], tasks.Answer], Any]:
        if way in ("cxstream client", "cxstream over gRPC"):
            opened = contextlib.ExitStack()
            request.addfinalizer(opened.close)
            if way == "cxstream client":
                client = opened.enter_context(cxstream.Engine.open())
            else:
                client = opened.enter_context(cx.connect(request.getfixturevalue("address")))
            number = itertools.count()
            through = peer("cxstream").through_client
            batches = whole.select(["nps", *RATINGS]).to_batches(max_chunksize=tasks.BATCH_ROWS)
            return lambda given: through(client, f"bench-{next(number)}", given), batches
        if way == "cxstream":
            module = peer("cxstream")
            return module.t6, module.encoded(whole, module.PROGRAMS["T6"], tasks.BATCH_ROWS)
        return peer(way).TASKS["T6"], small.to_batches(max_chunksize=tasks.BATCH_ROWS)

    return of


@pytest.mark.parametrize(("task", "way"), [(task, way) for task in WAYS for way in WAYS[task]])
def bench_task(  # type: ignore[no-untyped-def]
    benchmark,
    peer,
    held,
    streaming,
    expected,
    rows,
    task,
    way,
    turn,
) -> None:
    name = way.split()[0]
    module = peer(name)
    if task == "T6":
        run, given = streaming(way)
    else:
        run, given = module.TASKS[task], held(name)
    benchmark.group = f"{task}: {tasks.TASKS[task]}"
    benchmark.extra_info |= {"rows": rows, "version": module.VERSION}
    # T6 is long, and warms itself up.
    warm_up = turn == 0 or task != "T6"
    found = benchmark.pedantic(run, (given,), rounds=1, warmup_rounds=int(warm_up))
    approximate = task in getattr(module, "APPROXIMATE", ())
    tasks.check(found, expected(task), approximate=approximate)


@pytest.mark.parametrize("way", AGAIN)
def bench_asking_again(benchmark, peer, small, expected, rows, way, turn) -> None:  # type: ignore[no-untyped-def]
    """T6 by asking everything anew, measured after some of the batches: see `tasks.asked_after`."""
    module = peer(way.split()[0])
    batches = small.to_batches(max_chunksize=tasks.BATCH_ROWS)
    benchmark.group = f"T6: {tasks.TASKS['T6']}"
    found, took_s = benchmark.pedantic(
        lambda: tasks.ask_again(module.Again(), batches), rounds=1, warmup_rounds=int(turn == 0)
    )
    at = tasks.asked_after(len(batches))
    benchmark.extra_info |= {
        "rows": rows,
        "version": module.VERSION,
        "s_a_batch": took_s,
        "batches_asked": len(at),
    }
    tasks.check(found, {name: values[at] for name, values in expected("T6").items()})
