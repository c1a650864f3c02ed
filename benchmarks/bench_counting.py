"""A batch of codes into sums: in lanes (C) beside the kernels that take rows in order (Numba).

What is in C stays there as long as it is at least three times as fast.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.workload import PROGRAM
from cxstream.columns import Codes, DimensionCodes, encode
from cxstream.program import compile_plan, program_from_dict
from cxstream.tally import Tally, snapshot

GROUPED = program_from_dict(PROGRAM | {"views": [{"by": ["region", "touchpoint"]}]})
TOTAL = program_from_dict(
    {key: value for key, value in PROGRAM.items() if key not in ("dimensions", "time")}
)


def in_lanes(tally: Tally, codes: Codes) -> None:
    tally.count_in_lanes(tally.laid_out(codes))
    tally.settle()


def in_order(tally: Tally, codes: Codes) -> None:
    batch = tally.laid_out(codes)
    for view in tally.views:
        view.update(batch, view.blocks)


PROGRAMS = {"by group": GROUPED, "all together": TOTAL}
WAYS = {"in lanes": in_lanes, "in order": in_order}


@pytest.mark.parametrize("what", PROGRAMS)
@pytest.mark.parametrize("way", WAYS)
def bench_counting(benchmark, table: pa.Table, what, way) -> None:
    program = PROGRAMS[what]
    (batch,) = table.combine_chunks().to_batches()
    columns = [name for one in program.questions.values() for name in one.columns]
    columns += [one.column for one in program.dimensions.values()]
    columns += [program.time.column] if program.time else []
    codes = encode(batch.select(columns), program)
    expected, tally = Tally(compile_plan(program)), Tally(compile_plan(program))
    for one, count in ((expected, in_order), (tally, WAYS[way])):
        count(one, codes)
        one.responses = codes.rows
    assert snapshot(tally) == snapshot(expected)
    benchmark.group = f"a batch into all sums, {what}"
    benchmark(WAYS[way], tally, codes)


#: What a number is to keep pace with, and what has one: ratings, numbers, and whether all are multiplied.
BESIDE = {
    "one rating": (1, 0, False),
    "one number": (0, 1, False),
    "a model of seven ratings": (7, 0, True),
    "a model of six ratings and a number": (6, 1, True),
}


@pytest.mark.parametrize("groups", [12, 100, 1_000])
@pytest.mark.parametrize("way", BESIDE)
def bench_numbers(benchmark, pytestconfig, way, groups) -> None:  # type: ignore[no-untyped-def]
    """Numbers of 23 bits beside ratings, 5 % null, by group."""
    rows = 2**20 if pytestconfig.getoption("--bench-rows") else 10_000
    ratings, numbers, multiplied = BESIDE[way]
    rng = np.random.default_rng(groups)
    scales = {f"r{at}": rng.integers(0, 5, rows).astype(np.uint8) for at in range(ratings)}
    given = {f"n{at}": rng.integers(0, 2**23, rows) for at in range(numbers)}
    for columns, null in ((scales, 5), (given, -1)):
        for column in columns.values():
            column[rng.random(rows) < 0.05] = null
    names = [*scales, *given]
    program = program_from_dict(
        {
            "name": "beside",
            "questions": {
                **{name: {"kind": "rating", "scale": [1, 5]} for name in scales},
                **{name: {"kind": "number", "range": [0, 2**23 - 1]} for name in given},
            },
            "dimensions": {"d": {"max_levels": groups}},
            **(
                {"models": {"m": {"outcome": names[0], "drivers": names[1:]}}} if multiplied else {}
            ),
            "insights": {"questions": []},
        }
    )
    levels = tuple(f"g{number}" for number in range(groups))
    dimension = DimensionCodes(levels, rng.integers(1, groups + 1, rows).astype(np.uint16))
    codes = Codes(rows, scales, given, {}, {"d": dimension}, None)
    tally = Tally(compile_plan(program))
    tally.update(codes)
    (cells,) = tally.cells()
    for block in tally.plan.blocks:
        complete = np.ones(rows, dtype=bool)
        for name in block.columns:
            complete &= scales[name] < 5 if name in scales else given[name] >= 0
        assert cells.blocks[block.key].sums[:, 0].sum() == complete.sum()
    benchmark.group = f"numbers beside ratings, by {groups:,} groups"
    benchmark.extra_info |= {"rows": rows}
    benchmark(in_lanes, tally, codes)
