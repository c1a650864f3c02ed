"""All statistics of one model of ten drivers for many groups, beside statsmodels for the same groups.

`cxstream` answers from sums: coefficients with HC1 errors, t, p, intervals, F, R2, betas, VIF, LMG and
Johnson's weights with standard errors and intervals, first, last, Pratt. `statsmodels` fits every
group's rows, with HC1 errors, and nothing about importance. The coefficients and errors of both must
agree before a time counts.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.analytics.moments import second_of_fourth

DRIVERS, ROWS = 10, 200
#: QR of float64 rows, of well-conditioned ratings.
SAME = 1e-8


def _data(groups: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ratings 0..4, the outcome last, (groups, rows, columns), and their fourth-order sums."""
    rng = np.random.default_rng(10)
    shape = groups, ROWS, DRIVERS + 1
    mood = rng.normal(size=(groups, ROWS, 1))
    codes = np.clip(np.rint(2 + 0.8 * mood + 0.8 * rng.normal(size=shape)), 0, 4).astype(np.int64)
    width = DRIVERS + 2
    left, right = np.triu_indices(width)
    place = np.zeros((width, width), dtype=np.int64)
    place[left, right] = np.arange(len(left))
    fours = np.array(list(combinations_with_replacement(range(width), 4)))
    a, b = place[fours[:, 0], fours[:, 1]], place[fours[:, 2], fours[:, 3]]
    sums = []
    for group in codes:
        wide = np.concatenate([np.ones((ROWS, 1), dtype=np.int64), group], axis=1)
        pairs = wide[:, left] * wide[:, right]
        sums.append((pairs.T @ pairs)[a, b])
    return codes, np.array(sums)


def _cxstream(fourth: NDArray[np.int64]) -> tuple[list[Any], list[Any]]:
    columns = DRIVERS + 1
    second = second_of_fourth(fourth, columns)
    model: dict[str, Any] = {
        "names": [f"x{j}" for j in range(DRIVERS)] + ["y"],
        "outcome": DRIVERS,
        "drivers": range(DRIVERS),
    }
    fits = analytics.robust.heteroscedastic(
        second, fourth, kind="HC1", origins=[0] * columns, steps=[Fraction(1)] * columns, **model
    )
    importance = analytics.drivers.drivers(
        second, fourth=fourth, ranges=[4] * columns, reverse=[False] * columns, **model
    )
    return fits, importance


def _statsmodels(codes: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import statsmodels.api as sm

    found = [
        sm.OLS(group[:, -1], sm.add_constant(group[:, :-1])).fit(cov_type="HC1", use_t=True)
        for group in codes
    ]
    return np.array([one.params for one in found]), np.array([one.bse for one in found])


@pytest.mark.parametrize("value", ["cxstream", "statsmodels"])
def bench_statistics(benchmark, pytestconfig, peer, value) -> None:  # type: ignore[no-untyped-def]
    full = bool(pytestconfig.getoption("--bench-rows"))
    groups = 1_000 if full else 5
    peer(value)
    codes, fourth = _data(groups)
    fits, importance = _cxstream(fourth)
    benchmark.group = f"all statistics of ten drivers, {groups:,} groups"
    benchmark.extra_info |= {"rows": groups * ROWS, "value": value}
    if value == "cxstream":
        benchmark.pedantic(lambda: _cxstream(fourth), rounds=3, warmup_rounds=1)
    else:
        params, errors = benchmark.pedantic(lambda: _statsmodels(codes), rounds=1)
        terms = [fit.terms for fit in fits]
        ours = np.array([[term.coefficient for term in row] for row in terms])
        np.testing.assert_allclose(ours, params, rtol=SAME, atol=SAME)
        ours = np.array([[term.se for term in row] for row in terms])
        np.testing.assert_allclose(ours, errors, rtol=SAME)
    for fit, one in zip(fits, importance, strict=True):
        assert sum(driver.lmg for driver in one.drivers) == pytest.approx(fit.r2)
        assert sum(driver.johnson for driver in one.drivers) == pytest.approx(fit.r2)
        assert all(driver.se > 0 for driver in one.drivers)
