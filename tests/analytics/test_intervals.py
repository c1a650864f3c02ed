import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import multinomial_proportions_confint, proportion_confint

from cxstream.analytics import intervals
from cxstream.analytics.checks import as_counts
from tests.analytics.tolerances import ROUNDING

COUNT = np.array([0, 1, 5, 50, 99, 100, 0, 1, 10**9], dtype=np.int64)
N = np.array([100, 100, 100, 100, 100, 100, 1, 1, 3 * 10**9], dtype=np.int64)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_wilson_is_that_of_statsmodels(confidence):
    found = intervals.wilson(COUNT, N, confidence=confidence)
    for count, n, interval in zip(COUNT, N, found, strict=True):
        low, high = proportion_confint(count, n, alpha=1 - confidence, method="wilson")
        assert interval.lower == pytest.approx(100 * low, rel=ROUNDING, abs=ROUNDING)
        assert interval.upper == pytest.approx(100 * high, rel=ROUNDING)
        assert interval.method == "wilson"
        assert interval.confidence == confidence
        assert 0.0 <= interval.lower <= 100 * count / n <= interval.upper <= 100.0


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_goodman_is_that_of_statsmodels(confidence):
    count = np.array([56, 72, 73, 59, 62, 87, 0], dtype=np.int64)
    n = np.full_like(count, count.sum())
    found = intervals.goodman(count, n, options=len(count), confidence=confidence)
    expected = multinomial_proportions_confint(count, alpha=1 - confidence, method="goodman")
    for interval, (low, high) in zip(found, expected, strict=True):
        assert interval.lower == pytest.approx(100 * low, rel=ROUNDING, abs=ROUNDING)
        assert interval.upper == pytest.approx(100 * high, rel=ROUNDING)
        assert interval.method == "goodman"


def test_ends_are_exact():
    zero, full = intervals.wilson(np.array([0, 7]), np.array([7, 7]))
    assert zero.lower == 0.0
    assert full.upper == 100.0


def test_nobody_answered_means_no_interval():
    nothing = np.zeros(2, dtype=np.int64)
    assert intervals.wilson(nothing, nothing) == [None, None]
    assert intervals.goodman(nothing, nothing, options=2) == [None, None]
    for method in intervals.ONE_NET_METHODS:
        assert intervals.net(nothing, nothing, nothing, method=method) == [None, None]
    assert intervals.student_t([None, 1.0], [None, None], [-1, 0]) == [None, None]


def test_quantiles():
    # z as printed with every golden interval of the reference results
    assert intervals.normal_quantile(0.95) == 1.959963984540054
    df = np.array([1.0, 2.0, 30.0, 1e9])
    assert intervals.t_quantile(df, 0.99) == pytest.approx(stats.t.ppf(0.995, df), rel=ROUNDING)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.1, 95, math.nan, math.inf])
def test_confidence_outside_its_range_is_refused(confidence):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        intervals.check_confidence(confidence)


def test_goodman_needs_an_option():
    with pytest.raises(ValueError, match="options"):
        intervals.goodman(np.array([1]), np.array([2]), options=0)


def test_counts_are_checked():
    with pytest.raises(ValueError, match="integers"):
        as_counts([[1.0]], "x", 2)
    with pytest.raises(ValueError, match="axes"):
        as_counts([1], "x", 2)
    with pytest.raises(ValueError, match="3 columns"):
        as_counts([[1]], "x", 2, 3)
    with pytest.raises(ValueError, match="negative"):
        as_counts([[-1]], "x", 2)
