"""Outcomes by NPS class, first contact resolution, churn, lifetime value, relative performance."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from cxstream.analytics.linkage import (
    Margin,
    first_contact,
    lifetime_value,
    mean_by_class,
    over_periods,
    share_by_class,
    value_by_class,
)
from cxstream.analytics.relative import relative_performance
from cxstream.analytics.retention import retention_of
from tests.analytics.tolerances import FLOAT_ORACLE, ROUNDING


def test_share_by_class_and_moves():
    (found,) = share_by_class([[40, 20, 10]], [[100, 100, 100]])
    assert [one.value for one in found.classes] == [40.0, 20.0, 10.0]
    assert [(m.origin, m.target, m.difference) for m in found.moves] == [
        ("detractor", "passive", -20.0),
        ("passive", "promoter", -10.0),
        ("detractor", "promoter", -30.0),
    ]
    assert found.n == 300
    move = found.moves[2]
    assert move.interval.lower < -30 < move.interval.upper < 0
    assert move.p < move.p_adjusted < 0.001


def test_mean_by_class_is_welch():
    rng = np.random.default_rng(1)
    spend = [rng.integers(0, 5000, n) for n in (40, 60, 80)]
    sums = [[int((x**k).sum()) for x in spend] for k in (0, 1, 2)]
    (found,) = mean_by_class([sums[0]], [sums[1]], [sums[2]], origin=Fraction(0),
                             step=Fraction(1, 100))  # fmt: skip
    assert found.classes[1].value == pytest.approx(spend[1].mean() / 100, rel=ROUNDING)
    welch = stats.ttest_ind(spend[1], spend[0], equal_var=False)
    assert found.moves[0].p == pytest.approx(welch.pvalue, rel=FLOAT_ORACLE)


def test_a_class_that_nobody_is_in():
    (found,) = share_by_class([[1, 0, 3]], [[2, 0, 9]])
    assert found.classes[1].value is found.moves[0].difference is found.moves[1].p is None
    assert found.moves[2].difference is not None
    (mean,) = mean_by_class([[0, 1, 2]], [[0, 5, 7]], [[0, 25, 29]], origin=0, step=1)
    assert mean.classes[0].value is None
    assert (mean.classes[1].value, mean.classes[1].se) == (5.0, None)
    assert mean.moves[1].p is None
    with pytest.raises(ValueError, match="more responses say yes"):
        share_by_class([[3, 0, 0]], [[2, 1, 1]])


def test_first_contact_resolution_gross_and_net():
    (found,) = first_contact([70], [100], [10])
    assert (found.rate, found.net_rate) == (70.0, pytest.approx(100 * 70 / 90, rel=ROUNDING))
    assert found.net_interval.lower < found.net_rate < found.net_interval.upper
    (plain,) = first_contact([70], [100])
    assert plain.net_rate is plain.not_resolvable is None
    (none,) = first_contact([0], [0], [0])
    assert none.rate is none.net_rate is none.interval is None
    (hopeless,) = first_contact([0], [5], [5])
    assert (hopeless.rate, hopeless.net_rate) == (0.0, None)
    with pytest.raises(ValueError, match="resolved counts as not resolvable"):
        first_contact([95], [100], [10])


def test_retention_counts_new_customers_out():
    assert retention_of(100, 110, 30).retention == 80.0
    assert retention_of(0, 5, 5).retention is None
    for numbers in ((100, 120, 10), (10, 5, 6), (-1, 0, 0)):
        with pytest.raises(ValueError, match=r"kept|new|below 0"):
            retention_of(*numbers)


def test_a_year_of_monthly_churn():
    assert over_periods(0.02, 12) == pytest.approx(1 - 0.98**12, rel=ROUNDING)
    assert (over_periods(1.0, 3), over_periods(0.0, 12)) == (1.0, 0.0)
    assert over_periods(1e-18, 12) == pytest.approx(1.2e-17, rel=ROUNDING)
    with pytest.raises(ValueError, match="at least one period"):
        over_periods(0.1, 0)


def test_lifetime_value_is_the_sum_of_its_series():
    m, r, i, years = 50.0, 0.8, 0.1, np.arange(2000)
    next_year = (m * (r / (1 + i)) ** years[1:]).sum()
    assert lifetime_value(m, r, discount=i)[0] == pytest.approx(next_year, rel=FLOAT_ORACLE)
    now = (m * (r / (1 + i)) ** years).sum()
    found = lifetime_value(m, r, variant="margin_now", discount=i, acquisition=20)[0]
    assert found == pytest.approx(now - 20, rel=FLOAT_ORACLE)
    assert lifetime_value(m, r, variant="naive", discount=i)[0] == pytest.approx(m / 0.2)


@pytest.mark.parametrize("variant", ["margin_next", "margin_now", "naive"])
def test_derivatives_of_the_lifetime_value(variant):
    h = 1e-6

    def at(m, r):
        return lifetime_value(m, r, variant=variant, discount=0.1)[0]

    _, by_margin, by_retention = lifetime_value(50.0, 0.8, variant=variant, discount=0.1)
    assert by_margin == pytest.approx((at(50 + h, 0.8) - at(50 - h, 0.8)) / (2 * h), rel=1e-6)
    assert by_retention == pytest.approx((at(50, 0.8 + h) - at(50, 0.8 - h)) / (2 * h), rel=1e-6)


@pytest.mark.parametrize(
    ("retained", "discount", "variant"), [(1.0, 0.0, "margin_next"), (1.0, 0.5, "naive")]
)
def test_retention_of_one_plus_discount_has_no_limit(retained, discount, variant):
    with pytest.raises(ValueError, match="no limit"):
        lifetime_value(10.0, retained, discount=discount, variant=variant)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [((1, 1.2), {}), ((1, 0.5), {"discount": -0.1}), ((1, 0.5), {"variant": "best"})],
)
def test_wrong_lifetime_values_are_refused(arguments, options):
    with pytest.raises(ValueError, match=r"retention|discount|variant"):
        lifetime_value(*arguments, **options)


def test_value_of_moving_one_customer_against_a_bootstrap():
    rng = np.random.default_rng(4)
    n = 800
    churn_rates, spends = (0.35, 0.2, 0.1), (40, 55, 70)
    rows = []
    for rate, spend in zip(churn_rates, spends, strict=True):
        churned = rng.random(n) < rate
        rows.append((rng.gamma(4, spend / 4, n) * np.where(churned, 0.8, 1.05), churned * 1.0))

    def margins(samples):
        made = []
        for m, c in samples:
            v = np.cov(m, c) / len(m)
            made.append(Margin(len(m), m.mean(), v[0, 0] ** 0.5, c.mean(), v[1, 1] ** 0.5, v[0, 1]))
        return made

    found = value_by_class(margins(rows), discount=0.1)
    replicates = []
    for _ in range(1000):
        again = []
        for m, c in rows:
            pick = rng.integers(0, n, n)
            again.append((m[pick], c[pick]))
        replicates.append(
            [m.difference for m in value_by_class(margins(again), discount=0.1).moves]
        )
    deviation = np.std(replicates, axis=0, ddof=1)
    for move, wanted in zip(found.moves, deviation, strict=True):
        assert move.se == pytest.approx(wanted, rel=0.10)
    bound = value_by_class(
        [Margin(x.n, x.margin, x.margin_se, x.churn, x.churn_se) for x in margins(rows)],
        discount=0.1,
    )
    for one, other in zip(bound.classes, found.classes, strict=True):
        assert one.se > other.se


def test_a_class_that_never_leaves_has_no_value_and_says_why():
    loyal = Margin(9, 50.0, 2.0, 0.0, 0.0)
    leaving = Margin(9, 50.0, 2.0, 0.5, 0.1)
    nobody = Margin(0, None, None, None, None)
    found = value_by_class([nobody, leaving, loyal])
    assert found.classes[0].undefined == "nobody answered"
    assert "no limit" in found.classes[2].undefined
    assert found.classes[1].value == pytest.approx(50.0)
    assert all(move.difference is None for move in found.moves)


def test_relative_performance_of_the_published_example():
    # Hayes: (0 + 175 + 950 + 2550 + 3900) / 100
    (found,) = relative_performance([[1, 7, 19, 34, 39]])
    assert found.score == 75.75
    (same,) = relative_performance([[1, 7, 19, 34, 39]], [0, 25, 50, 75, 100])
    assert same == found
    rows = np.repeat([0, 25, 50, 75, 100], [1, 7, 19, 34, 39])
    assert found.se == pytest.approx(rows.std(ddof=1) / 10, rel=ROUNDING)
    (uneven,) = relative_performance([[1, 1, 0]], [0, 12.5, 90])
    assert uneven.score == 6.25
    (none,) = relative_performance([[0, 0]])
    assert none.score is none.interval is None


@pytest.mark.parametrize(
    ("values", "message"),
    [([0, 50], "2 percentiles for 3"), ([0, 50, 101], r"0\.\.100"), ([0, 60, 50], "rise")],
)
def test_wrong_percentiles_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        relative_performance([[1, 2, 3]], values)


def test_a_value_of_a_known_margin_has_the_bounds_of_its_retention():
    # Nothing is uncertain but who left: the ends are the values at Wilson's bounds.
    n, left = 60, 2
    churn = left / n
    se = (churn * (1 - churn) / n) ** 0.5
    loyal = Margin(n, 100.0, 0.0, churn, se, 0.0)
    found = value_by_class([loyal] * 3, discount=0.1)
    most, least = proportion_confint(left, n, method="wilson")[::-1]
    ends = [lifetime_value(100.0, 1 - one, discount=0.1)[0] for one in (most, least)]
    interval = found.classes[0].interval
    assert (interval.lower, interval.upper) == pytest.approx(ends, rel=FLOAT_ORACLE)
    # The same class twice: the difference is 0, and reaches as far as both together.
    reach = np.hypot(ends[1] - found.classes[0].value, found.classes[0].value - ends[0])
    assert found.moves[0].interval.upper == pytest.approx(reach, rel=FLOAT_ORACLE)
    # Nobody left in the sample: some may leave all the same.
    nobody = value_by_class([Margin(n, 100.0, 0.0, 0.0, 0.0, 0.0)] * 3, discount=0.1).classes[0]
    assert nobody.se == 0.0 and nobody.interval.lower < nobody.interval.upper == nobody.value
