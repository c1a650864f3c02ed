"""Standard errors of importance by the delta method, beside a bootstrap of 1,000 replicates of the same rows.

The bootstrap finds LMG alone, of 100 replicates at once, by the kernel that the delta method uses; `cxstream`
finds LMG, Johnson's weights and all else that is said of a driver, with errors, from sums that it has. The
errors must agree before a time counts; `pytest -s` prints how many times as long the bootstrap takes.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter

import pytest

from cxstream.analytics.drivers import drivers
from tests.analytics.bootstrap import BOOTSTRAP, answers, johnson_errors, lmg_errors
from tests.analytics.sums_of_rows import products


@pytest.mark.parametrize("p", [3, 8])
@pytest.mark.parametrize("n", [500, 5000])
def bench_errors_of_importance(benchmark, pytestconfig, n, p) -> None:  # type: ignore[no-untyped-def]
    full = bool(pytestconfig.getoption("--bench-rows"))
    if not full and (n, p) != (500, 3):
        pytest.skip("a bootstrap takes seconds: the smallest is enough; `make bench` does all")
    rows = answers(n + p, n, p)
    sums, fourth = [products(rows, 2)], [products(rows, 4)]
    width = p + 1
    names = [f"x{j}" for j in range(p)] + ["y"]

    def ours():  # type: ignore[no-untyped-def]
        (found,) = drivers(
            sums, fourth=fourth, names=names, outcome=p, drivers=range(p), ranges=[10] * width,
            reverse=[False] * width,
        )  # fmt: skip
        return found.drivers

    found = ours()
    took_s = []
    for _ in range(5 if full else 1):
        started_s = perf_counter()
        lmg = lmg_errors(rows)
        took_s.append(perf_counter() - started_s)
        assert [one.se for one in found] == pytest.approx(lmg, rel=BOOTSTRAP)
    assert [one.johnson_se for one in found] == pytest.approx(johnson_errors(rows), rel=BOOTSTRAP)
    benchmark.group = "errors of importance"
    benchmark.name = f"{p} drivers, {n:,} responses"
    benchmark.pedantic(ours, rounds=25)
    if benchmark.stats is not None:
        times = median(took_s) / benchmark.stats.stats.median
        benchmark.extra_info |= {"bootstrap_ms": 1e3 * median(took_s), "times_a_bootstrap": times}
        print(f"\n{benchmark.name}: {times:.0f}x as fast as a bootstrap")
