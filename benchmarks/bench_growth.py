"""How the cost of counting grows: with rows, groups, questions, drivers and levels.

One view over synthetic codes; of every line only what it is named after changes. At full size a
million rows, or as many as the line says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cxstream.analytics.regression import fit_arrays
from cxstream.columns import Codes, DimensionCodes
from cxstream.program import program_from_dict
from cxstream.tally import Selection, Tally, cut

ROWS_SMALL = 2_000
ROWS = 1_000_000

#: What grows, and through which values; the rest is as in `BASE`.
BASE = {"rows": ROWS, "groups": 100, "questions": 7, "drivers": 6, "levels": 5}
LINES: dict[str, tuple[int, ...]] = {
    "rows": (10_000, 100_000, 1_000_000, 10_000_000),
    "groups": (1, 10, 100, 1_000, 10_000, 100_000),
    "questions": (2, 5, 10, 20, 40),
    "drivers": (2, 5, 10, 15, 20, 25),
    "levels": (2, 5, 11, 101, 1_001, 4_096),
}


def _made(rows: int, groups: int, questions: int, drivers: int, levels: int, model: bool) -> Any:
    rng = np.random.default_rng([rows, groups, questions, drivers, levels])
    count = drivers + 1 if model else questions
    names = [f"q{number}" for number in range(count)]
    program = program_from_dict(
        {
            "name": "growth",
            "questions": {name: {"kind": "rating", "scale": [0, levels - 1]} for name in names},
            "dimensions": {"d": {"max_levels": groups}} if groups > 1 else {},
            **({"models": {"m": {"outcome": names[0], "drivers": names[1:]}}} if model else {}),
            "insights": {"questions": []},
        }
    )
    kind = np.uint8 if levels < 256 else np.uint16
    dimension = DimensionCodes(
        tuple(f"g{number}" for number in range(groups)),
        rng.integers(1, groups + 1, rows, dtype=np.int32),
    )
    codes = Codes(
        rows=rows,
        scales={name: rng.integers(0, levels, rows).astype(kind) for name in names},
        numbers={},
        choices={},
        dimensions={"d": dimension} if groups > 1 else {},
        buckets=None,
    )
    return program, codes


@pytest.mark.parametrize(
    ("task", "value"), [(line, value) for line, values in LINES.items() for value in values]
)
@pytest.mark.usefixtures("turn")
def bench_growth(benchmark, peer, pytestconfig, task, value) -> None:  # type: ignore[no-untyped-def]
    full = bool(pytestconfig.getoption("--bench-rows"))
    shape = BASE | {task: value}
    if not full:
        shape["rows"] = min(shape["rows"], ROWS_SMALL) if task != "rows" else value // 1000
    module = peer("cxstream")
    # Histograms alone where questions or levels grow, a model else.
    program, codes = _made(**shape, model=task not in ("questions", "levels"))
    plan = module.plan_of(program)

    def run() -> Tally:
        tally = Tally(plan, module.POOL)
        tally.update(codes)
        tally.settle()
        return tally

    benchmark.group = f"growth with {task}"
    benchmark.extra_info |= {"rows": shape["rows"], "value": value}
    tally = benchmark.pedantic(run, rounds=1, warmup_rounds=1)
    (cells,) = tally.cells()
    assert cells.counts[:, 0].sum() == shape["rows"]
    seen = [len(np.unique(one.indices)) for one in codes.dimensions.values()]
    assert [len(cells.counts)] == (seen or [1])


@pytest.mark.parametrize("value", [1, 10, 100, 1_000, 10_000])
def bench_regressions(benchmark, pytestconfig, peer, value) -> None:  # type: ignore[no-untyped-def]
    """All statistics of a model of ten drivers, for so many groups."""
    full = bool(pytestconfig.getoption("--bench-rows"))
    groups = value if full else min(value, 20)
    program, codes = _made(groups * 60, groups, 7, 10, 5, model=True)
    tally = Tally(peer("cxstream").plan_of(program))
    tally.update(codes)
    (block,) = tally.plan.blocks
    part = cut(tally, Selection(by=("d",) if groups > 1 else ()), slice(0, 0), block)
    benchmark.group = "regressions of ten drivers"
    benchmark.extra_info |= {"rows": groups, "value": groups}
    names = list(block.columns)
    fits = benchmark.pedantic(
        lambda: fit_arrays(
            part.sums,
            origins=[0] * 11,
            steps=[1] * 11,
            names=names,
            outcome=0,
            drivers=range(1, 11),
        ),
        rounds=3,
    )
    assert fits.ok.all()
