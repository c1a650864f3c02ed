"""Weighted differences, changes and series where there is little to go by."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from cxstream.analytics import monitoring, nps, weighted, weighted_change, weighted_comparison
from cxstream.analytics.points import Points
from cxstream.analytics.survey import ClassSums
from cxstream.analytics.weighted_comparison import Estimates, compare
from cxstream.analytics.weighted_monitoring import monitor
from tests.analytics.tolerances import FLOAT_ORACLE

NET = np.array([-100, 0, 100], dtype=object)
ENDS = (-100.0, 100.0)


def sample(rows, groups):
    """Class sums of (group, class, weight) rows."""
    counts = np.zeros((groups, 3), dtype=np.int64)
    sums, squares = (np.full((groups, 3), 0, dtype=object) for _ in range(2))
    for group, place, weight in rows:
        counts[group, place] += 1
        sums[group, place] += weight
        squares[group, place] += weight * weight
    return ClassSums.of(counts, sums, squares)


def points(of):
    powers = np.stack([np.ones_like(NET), NET, NET * NET], axis=1)
    return Points.of_sums(of.counts.sum(axis=1), of.sums @ powers, of.sums2 @ powers)


def estimates(of):
    return Estimates.of(points(of), ENDS)


#: Nobody; one; one of weight 0; two alike; three.
FEW = [(1, 2, 3), (2, 0, 0), (3, 2, 1), (3, 2, 2), (4, 0, 1), (4, 1, 2), (4, 2, 5)]


def test_groups_of_few_are_compared_as_far_as_they_can_be():
    of = sample(FEW, 5)
    few, enough = estimates(of), estimates(of).take(np.full(5, 4))
    for method in weighted_comparison.WEIGHTED_METHODS:
        nobody, one, weightless, alike, three = compare(few, enough, method=method)
        assert nobody.a is weightless.a is nobody.difference is weightless.interval is None
        assert one.difference is not None
        assert one.se is one.p is one.interval is None
        assert three.difference == 0.0
        assert three.interval is not None and three.interval.lower < 0.0 < three.interval.upper
        assert alike.se is not None and alike.interval is not None
        assert alike.interval.lower < alike.difference <= alike.interval.upper
        assert alike.interval.lower >= -200.0 if method == "score" else True
    # Two that agree, against themselves: no sign of a difference, and a width.
    (same,) = compare(few.take(np.array([3])), few.take(np.array([3])))
    assert (same.difference, same.se, same.p) == (0.0, 0.0, 1.0)
    assert same.interval is not None and same.interval.lower < 0.0 < same.interval.upper
    (nothing,) = compare(few.take(np.array([3])), few.take(np.array([3])), method="wald")
    assert nothing.p is nothing.interval is None


def test_the_score_of_points_is_that_of_the_weighted_metric():
    rng = np.random.default_rng(3)
    of = sample(zip(rng.integers(0, 6, 200), rng.integers(0, 3, 200),
                    [int(w) for w in rng.integers(0, 9, 200)], strict=True), 6)  # fmt: skip
    found = points(of)
    scored = estimates(of).linear.variance
    for one, score, variance, effective in zip(
        weighted.nps(of), found.score, scored, found.effective_n, strict=True
    ):
        assert float(score) == one.value.score
        assert variance == pytest.approx(one.value.se**2, rel=FLOAT_ORACLE)
        assert effective == pytest.approx(one.weights.effective_n, rel=FLOAT_ORACLE)
    whole = found.whole
    assert whole.score[0] == sum(
        w * s for w, s in zip(found.weight, found.score, strict=True)
    ) / sum(found.weight)
    (everybody,) = weighted.nps(ClassSums.of(*(one.sum(axis=0)[None] for one in (
        of.counts, of.sums, of.sums2))))  # fmt: skip
    assert estimates_of(whole) == pytest.approx(everybody.value.se**2, rel=FLOAT_ORACLE)


def estimates_of(whole):
    return float(Estimates.of(whole, ENDS).linear.variance[0])


def test_a_period_without_weight_has_no_change():
    rows = [(0, 2, 1), (0, 0, 1), (1, 2, 1)]
    some, none = points(sample(rows, 2)), points(sample([(0, 2, 0)], 2))
    found = weighted_change.change(some, none)
    assert found.change is found.after is found.effective_n_after is None
    assert found.before == pytest.approx(100 / 3)
    assert found.segments == ()


def test_mix_and_rate_add_up_whatever_the_weights():
    rng = np.random.default_rng(11)
    sides = [
        points(sample(zip(rng.integers(0, 4, 90), rng.integers(0, 3, 90),
                          [int(w) for w in rng.integers(1, 10**9, 90)], strict=True), 5))
        for _ in range(2)
    ]  # fmt: skip
    found = weighted_change.change(*sides)
    assert found.mix.value + found.rate.value == pytest.approx(found.change.value, abs=1e-12)
    parts = [one.contribution.value for one in found.segments]
    assert sum(parts) == pytest.approx(found.change.value, abs=1e-10)
    assert found.segments[4].presence == "absent"
    assert sum(one.share_after for one in found.segments) == pytest.approx(100.0)


def test_one_segment_alone_has_no_impact_to_tell():
    (only,) = weighted_change.impacts(points(sample([(0, 2, 1), (0, 0, 3)], 1)))
    assert only.share == 100.0
    assert only.impact is only.without is only.interval is None


def test_a_series_with_gaps_and_without_a_baseline():
    of = sample([(0, 2, 1), (0, 0, 2), (0, 1, 1), (2, 2, 1), (2, 2, 4)], 3)
    values = [one.value for one in weighted.nps(of)]
    found = monitor(values, points(of), classes=of, lowest=-100.0)
    first, gap, last = found.buckets
    assert gap.score is gap.ewma is gap.lower_limit is None
    assert first.lower_limit is not None and last.upper_limit is not None
    assert found.n == 5
    nothing = monitor(values, points(of), classes=of, lowest=-100.0, baseline=[False, True, False])
    assert nothing.centre is None and nothing.sd is None
    assert all(one.lower_limit is one.chi2 is None for one in nothing.buckets)
    empty = sample([], 2)
    silent = monitor([one.value for one in weighted.nps(empty)], points(empty), classes=empty,
                     lowest=-100.0)  # fmt: skip
    assert silent.n == 0 and silent.change_points == ()


def test_equal_weights_give_the_charts_of_no_weights():
    rng = np.random.default_rng(2)
    rows = [(t, int(c), 7) for t in range(12) for c in rng.choice(3, 40, p=[0.2, 0.3, 0.5])]
    rows += [(t, 0, 7) for t in range(8, 12) for _ in range(30)]
    of = sample(rows, 12)
    plain = nps_chart(of.counts)
    found = monitor([one.value for one in weighted.nps(of)], points(of), classes=of, lowest=-100.0)
    assert found.change_points == plain.change_points == (8,)
    for one, other in zip(found.buckets, plain.buckets, strict=True):
        for name in ("lower_limit", "upper_limit", "ewma", "ewma_lower", "chi2", "chi2_p"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=FLOAT_ORACLE)
        assert one.outside == other.outside


def nps_chart(counts):
    return monitoring.monitor(nps.nps(counts), classes=counts, lowest=-100.0)


def test_arguments_that_do_not_fit():
    one = estimates(sample(FEW, 5))
    with pytest.raises(ValueError, match="same number"):
        compare(one, one.take(np.array([0])))
    with pytest.raises(ValueError, match="method"):
        compare(one, one, method="pooled")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="correction"):
        compare(one, one, correction="bonferroni")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="same segments"):
        weighted_change.change(points(sample(FEW, 5)), points(sample([], 2)))
    assert Fraction(0) == points(sample([], 1)).score[0]
