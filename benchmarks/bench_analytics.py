"""Single analyses of many groups, periods or drivers, from sums that are there."""

from __future__ import annotations

import numpy as np
import pytest

from cxstream.analytics.change import change
from cxstream.analytics.change_points import change_points_of_classes
from cxstream.analytics.nps import nps
from cxstream.analytics.scores import Scores
from cxstream.kernels.importance import shapley
from cxstream.kernels.registry import warm


@pytest.fixture(autouse=True, scope="module")
def compiled() -> None:
    warm()


def bench_lmg(benchmark) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    correlation = np.corrcoef(rng.normal(size=(21, 400)) + rng.normal(size=400))[None]
    share, errors = np.empty((1, 20)), np.empty((1, 0, 0))
    benchmark.group, benchmark.name = "single analyses", "LMG of 20 drivers"
    benchmark.pedantic(shapley, (np.ascontiguousarray(correlation), 1e-12, share, errors), rounds=3)
    r = correlation[0, :20, 20]
    assert share.sum() == pytest.approx(r @ np.linalg.solve(correlation[0, :20, :20], r))


def bench_score_intervals(benchmark) -> None:  # type: ignore[no-untyped-def]
    rows = np.random.default_rng(1).integers(0, 500, size=(2000, 3))
    benchmark.group, benchmark.name = "single analyses", "score intervals of 2,000 groups"
    found = benchmark.pedantic(lambda: nps(rows, method="score"), rounds=3)
    assert len(found) == 2000


def bench_mix_and_rate(benchmark) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    before, after = (Scores.of_nets(rng.integers(0, 50, (1000, 3))) for _ in range(2))
    benchmark.group, benchmark.name = "single analyses", "mix and rate of 1,000 segments"
    found = benchmark.pedantic(change, (before, after), rounds=3)
    assert len(found.segments) == 1000


def bench_change_points(benchmark) -> None:  # type: ignore[no-untyped-def]
    rows = np.random.default_rng(1).multinomial(50, [0.2, 0.3, 0.5], 1000)
    benchmark.group, benchmark.name = "single analyses", "change points of 1,000 days"
    benchmark.pedantic(change_points_of_classes, (rows,), rounds=3)
