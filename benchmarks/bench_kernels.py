"""What is counted, piece by piece and ungrouped: ns per row, beside the memory's read bandwidth.

Codes are in memory and go through `Tally.update`, with both processors. `bytes` is what the codes
take; the share of the bandwidth follows from both.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numba as nb
import numpy as np
import pytest

from benchmarks.workload import PROGRAM, RATINGS, responses
from cxstream.analytics.parallel import side_by_side
from cxstream.columns import Codes
from cxstream.pool import Pool
from cxstream.tally import Tally

ROWS_SMALL = 20_000

#: Questions, and what of the program is kept of them.
PIECES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "one rating": ((RATINGS[0],), ()),
    "six histograms": (RATINGS, ()),
    "cross-moments of seven": (("nps", *RATINGS), ("models",)),
    "answer patterns of six": (RATINGS, ("indices",)),
    "several answers of eight": (("improve",), ()),
    "a number": (("spend",), ()),
    "seven columns, one a number": (("nps", *RATINGS[1:], "spend"), ("models",)),
    "whole plan": (("nps", *RATINGS, "improve"), ("models", "indices")),
    "whole plan and a number": (("nps", *RATINGS, "improve", "spend"), ("models", "indices")),
}


@pytest.fixture(scope="module")
def rows(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--bench-rows") or ROWS_SMALL)


@pytest.fixture(scope="module")
def codes(peer: Any, rows: int) -> Any:
    table = responses(rows)
    module = peer("cxstream")

    @cache
    def of(piece: str) -> tuple[Any, list[Codes]]:
        questions, kept = PIECES[piece]
        declared: dict[str, Any] = {name: PROGRAM[name] for name in kept}
        if "models" in kept:
            drivers = [one for one in questions if one in (*RATINGS, "spend")][: len(RATINGS)]
            declared["models"] = {"drivers": {"outcome": "nps", "drivers": drivers}}
        program = module.program_of(questions, **declared)
        return module.plan_of(program), module.encoded(table, program)

    return of


def _size(codes: Codes) -> int:
    held = [*codes.scales.values(), *codes.numbers.values()]
    held += [choice.sets for choice in codes.choices.values()]
    return sum(one.nbytes for one in held)


@nb.njit("int64(int64[::1])", nogil=True)
def _read(words):  # type: ignore[no-untyped-def]
    total = 0
    for word in words:
        total += word
    return total


def _bandwidth(benchmark: Any, rows: int, pool: Pool) -> None:
    words = np.ones(max(8 * rows, 2**20), dtype=np.int64)
    parts = np.array_split(words, pool.threads)
    benchmark.extra_info |= {"bytes": words.nbytes}
    total = benchmark.pedantic(
        lambda: sum(side_by_side(_read, parts, pool)), rounds=3, warmup_rounds=1
    )
    assert total == len(words)


@pytest.mark.parametrize("way", ["reading memory", *PIECES])
@pytest.mark.usefixtures("turn")
def bench_piece(  # type: ignore[no-untyped-def]
    benchmark,
    peer,
    codes,
    rows,
    way,
) -> None:
    benchmark.group = "kernels"
    pool = peer("cxstream").POOL
    if way == "reading memory":
        _bandwidth(benchmark, rows, pool)
        return
    plan, given = codes(way)
    benchmark.extra_info |= {"rows": rows, "bytes": sum(_size(one) for one in given)}

    def run() -> Tally:
        tally = Tally(plan, pool)
        for one in given:
            tally.update(one)
        tally.settle()
        return tally

    tally = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    (cells,) = tally.cells()
    assert tally.responses == rows
    for slot in plan.slots.values():
        counts = cells.counts[0, slot.start : slot.start + slot.width]
        answered = int(counts[slot.levels]) if slot.multiple else int(counts[: slot.levels].sum())
        assert answered + int(counts[-1]) == rows
