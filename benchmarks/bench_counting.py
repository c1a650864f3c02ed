"""A batch of codes into sums: in lanes (C) beside the kernels that take rows in order (Numba).

What is in C stays there as long as it is at least three times as fast.
"""

from __future__ import annotations

import pyarrow as pa
import pytest

from benchmarks.workload import PROGRAM
from cxstream.columns import Codes, encode
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


@pytest.mark.benchmark(group="a batch into all sums")
@pytest.mark.parametrize("program", [GROUPED, TOTAL], ids=["by group", "all together"])
@pytest.mark.parametrize("way", [in_lanes, in_order])
def bench_counting(benchmark, table: pa.Table, program, way) -> None:
    (batch,) = table.combine_chunks().to_batches()
    columns = [name for one in program.questions.values() for name in one.columns]
    columns += [one.column for one in program.dimensions.values()]
    columns += [program.time.column] if program.time else []
    codes = encode(batch.select(columns), program)
    expected, tally = Tally(compile_plan(program)), Tally(compile_plan(program))
    for one, count in ((expected, in_order), (tally, way)):
        count(one, codes)
        one.responses = codes.rows
    assert snapshot(tally) == snapshot(expected)
    benchmark(way, tally, codes)
