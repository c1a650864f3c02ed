import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import samplesize_confint_proportion

from cxstream.analytics.comparison import compare_shares
from cxstream.analytics.nps import nps
from cxstream.analytics.sample_size import (
    LARGEST_NET_VARIANCE,
    LARGEST_SHARE_VARIANCE,
    for_difference,
    for_margin,
    net_respondent_variance,
    share_respondent_variance,
)
from tests.analytics.tolerances import ROUNDING

# Of a float64 formula against the same one, before it is rounded up.
WHOLE = 1


def test_share_within_five_points():
    # The textbook 385 and 1068 answers of a share of one half
    half = share_respondent_variance(50.0)
    assert half == LARGEST_SHARE_VARIANCE
    assert for_margin(half, 5.0).answers == 385
    assert for_margin(half, 3.0).answers == 1068
    for share in (0.1, 0.3, 0.5, 0.93):
        for margin in (0.01, 0.05):
            expected = samplesize_confint_proportion(share, margin, method="normal")
            found = for_margin(share_respondent_variance(100 * share), 100 * margin)
            assert found.answers == math.ceil(expected)
            assert found.answers_b is found.variance_b is None


def test_finite_population():
    # Cochran: 385 of many are 278 of 1,000, and all of 20 for a margin no sample of them reaches
    assert for_margin(2500.0, 5.0, population=1000).answers == 278
    assert for_margin(2500.0, 0.1, population=20).answers == 20
    assert for_margin(2500.0, 5.0, population=1).answers == 1
    assert for_margin(2500.0, 5.0, population=10**12).answers == 385


def test_net_promoter_score_from_a_distribution():
    assert net_respondent_variance([1, 0, 1]) == LARGEST_NET_VARIANCE
    # p = 1/2, d = 1/6: variance 5/9
    variance = net_respondent_variance([54, 108, 162])
    assert variance == pytest.approx(5e4 / 9, rel=ROUNDING)
    found = for_margin(variance, 5.0)
    assert found.answers == math.ceil(5e4 / 9 * (1.959963984540054 / 5) ** 2) == 854
    # With that many answers the plain interval is as long as wanted, with one fewer it is not.
    reaches = [
        1.959963984540054 * math.sqrt(variance / n) for n in (found.answers, found.answers - 1)
    ]
    assert reaches[0] <= 5.0 < reaches[1]
    (answered,) = nps([[142, 285, 427]], method="wald")
    assert answered.interval.upper - answered.interval.lower == pytest.approx(10.0, abs=0.01)


@settings(deadline=None)
@given(st.floats(0.1, 1e4), st.floats(0.5, 60), st.sampled_from([0.8, 0.95, 0.99]))
def test_mean_reaches_its_margin_and_not_with_one_answer_fewer(variance, margin, confidence):
    n = for_margin(variance, margin, estimated_spread=True, confidence=confidence).answers

    def half(answers):
        return stats.t.ppf(0.5 + confidence / 2, answers - 1) * math.sqrt(variance / answers)

    assert n >= 2
    assert half(n) <= margin * (1 + 1e-8)
    assert n == 2 or half(n - 1) > margin


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_two_groups_are_those_of_statsmodels(ratio):
    for power in (0.8, 0.95):
        # Effect in standard deviations; the other tail, which statsmodels adds, is below 1e-6
        expected = NormalIndPower().solve_power(0.3, alpha=0.05, power=power, ratio=ratio)
        found = for_difference(100.0, 100.0, 3.0, power=power, ratio=ratio)
        assert found.answers == pytest.approx(expected, abs=WHOLE)
        assert found.answers_b == pytest.approx(ratio * expected, abs=WHOLE)


def test_two_groups_find_the_difference_as_often_as_asked():
    shares = 0.8, 0.7
    found = for_difference(*(share_respondent_variance(100 * p) for p in shares), -10.0)
    assert found.answers == found.answers_b == 291
    random = np.random.default_rng(2)
    tops = [random.binomial(found.answers, p, 4000) for p in shares]
    size = np.full(4000, found.answers)
    seen = compare_shares(tops[0], size, tops[1], size)
    # 4,000 replications: three standard errors are 0.019
    assert np.mean([one.p < 0.05 for one in seen]) == pytest.approx(0.8, abs=0.02)


def test_what_has_no_answer_is_refused():
    for bad in (
        {"variance": 0.0, "margin": 1.0},
        {"variance": 1.0, "margin": 0.0},
        {"variance": math.nan, "margin": 1.0},
        {"variance": 1.0, "margin": 1e-9},
        {"variance": 1.0, "margin": 1.0, "population": 0},
        {"variance": 1.0, "margin": 1.0, "confidence": 1.0},
    ):
        with pytest.raises(ValueError):
            for_margin(**bad)
    for bad in ({"power": 1.0}, {"ratio": 0.0}, {"power": 0.01}):
        with pytest.raises(ValueError):
            for_difference(1.0, 1.0, 1.0, **bad)
    with pytest.raises(ValueError, match="not above 0"):
        for_difference(1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="nothing"):
        net_respondent_variance([0, 0, 0])
    with pytest.raises(ValueError, match="3 numbers"):
        net_respondent_variance([-1, 1, 1])
    with pytest.raises(ValueError, match="is not on"):
        share_respondent_variance(101.0)
