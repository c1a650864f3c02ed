"""Journeys: steps, the biggest drop, and two journeys beside each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cxstream.analytics.comparison import Estimate, compare_estimates, compare_nets
from cxstream.analytics.journey import (
    Histograms,
    PairSums,
    compare_levels,
    compare_means,
    compare_questions,
    journey_of_levels,
    journey_of_means,
    journey_of_questions,
)
from tests.analytics.tolerances import FLOAT_ORACLE, ROUNDING

NAMES = ["check-in", "security", "gate"]


def nps_stages(*classes):
    return Histograms(np.array(classes), passive_from=1, promoter_from=2, top_from=2)


def pair_sums(table, ranges=None, reverse=None):
    """Pair sums of a (rows, s) table with NaN for missing."""
    table = np.asarray(table, dtype=float)
    there = ~np.isnan(table)
    x = np.where(there, table, 0).astype(int)
    one = there.astype(int)
    s = table.shape[1]
    return PairSums(one.T @ one, x.T @ one, x.T @ x, ranges or [4] * s, reverse or [False] * s)


def test_steps_between_levels_are_comparisons_of_independent_groups():
    classes = [(10, 30, 60), (30, 30, 40), (25, 30, 45)]
    found = journey_of_levels(NAMES, nps_stages(*classes), metric="nps")
    steps = compare_nets(classes[1:], classes[:-1])
    assert [one.score for one in found.stages] == [50.0, 10.0, 20.0]
    assert found.stages[0].change is None
    assert (found.basis, found.biggest_drop, found.n) == ("independent", "security", 300)
    for stage, step in zip(found.stages[1:], steps, strict=True):
        assert (stage.change, stage.p, stage.p_adjusted) == (
            step.difference,
            step.p,
            step.p_adjusted,
        )
        assert stage.change_interval == step.interval
    assert [one.biggest_drop for one in found.stages] == [False, True, False]
    # Holm over two steps: the smaller p counts twice
    assert found.stages[1].p_adjusted == pytest.approx(2 * found.stages[1].p, rel=ROUNDING)


def estimate(points):
    """A mean on 0..100, from rows."""
    n = len(points)
    return Estimate(n, points.mean(), points.std(ddof=1) / n**0.5, n - 1, (0.0, 100.0))


def test_top_boxes_and_means_of_levels():
    counts = np.array([[5, 10, 10, 15, 60], [20, 20, 20, 20, 20], [0, 0, 1, 9, 90]])
    answers = Histograms(counts, top_from=3)
    top = journey_of_levels(NAMES, answers, metric="top_box")
    assert [one.score for one in top.stages] == [75.0, 40.0, 99.0]
    mean = journey_of_levels(NAMES, answers, metric="mean")
    rows = [np.repeat(25.0 * np.arange(5), row) for row in counts]
    for stage, before, now in zip(mean.stages[1:], rows, rows[1:], strict=False):
        (own,) = compare_estimates([estimate(now)], [estimate(before)])
        assert stage.change == pytest.approx(now.mean() - before.mean(), rel=FLOAT_ORACLE)
        assert stage.p == pytest.approx(own.p, rel=FLOAT_ORACLE)
    flipped = Histograms(counts[:, ::-1], top_from=3, reverse=True)
    assert journey_of_levels(NAMES, flipped, metric="mean") == mean
    assert journey_of_levels(NAMES, flipped, metric="top_box") == top


def test_a_journey_that_only_rises_has_no_drop():
    found = journey_of_levels(NAMES, nps_stages((5, 3, 2), (4, 3, 3), (0, 3, 7)), metric="nps")
    assert found.biggest_drop is None
    assert not any(one.biggest_drop for one in found.stages)


def test_a_stage_that_nobody_answered():
    found = journey_of_levels(NAMES, nps_stages((1, 3, 6), (0, 0, 0), (6, 3, 1)), metric="nps")
    assert (found.stages[1].n, found.stages[1].score) == (0, None)
    assert found.stages[1].change is found.stages[2].change is None
    assert found.biggest_drop is None


def test_means_of_questions_answered_by_all_are_a_paired_t_test():
    rng = np.random.default_rng(2)
    base = rng.integers(0, 4, (80, 1))
    table = np.clip(base + rng.integers(0, 2, (80, 3)) - np.array([0, 1, 0]), 0, 4)
    found = journey_of_means(NAMES, pair_sums(table))
    assert found.basis == "paired"
    for j in (1, 2):
        wanted = stats.ttest_rel(25 * table[:, j], 25 * table[:, j - 1])
        stage = found.stages[j]
        assert stage.change == pytest.approx(25 * (table[:, j] - table[:, j - 1]).mean())
        assert stage.p == pytest.approx(wanted.pvalue, rel=FLOAT_ORACLE)
        interval = wanted.confidence_interval()
        assert stage.change_interval.lower == pytest.approx(interval.low, rel=FLOAT_ORACLE)
    assert found.biggest_drop == "security"
    # answers of one visit go together: independent groups would have said less
    apart = np.hypot(found.stages[0].se, found.stages[1].se)
    assert found.stages[1].change_se < 0.8 * apart


def test_means_of_reversed_questions():
    rng = np.random.default_rng(3)
    table = rng.integers(0, 5, (50, 2))
    plain = journey_of_means(NAMES[:2], pair_sums(table))
    flipped = np.stack([table[:, 0], 4 - table[:, 1]], axis=1)
    other = journey_of_means(NAMES[:2], pair_sums(flipped, reverse=[False, True]))
    assert other.stages[1].change == pytest.approx(plain.stages[1].change, rel=FLOAT_ORACLE)
    assert other.stages[1].change_se == pytest.approx(plain.stages[1].change_se, rel=FLOAT_ORACLE)


def test_means_with_missing_answers_against_a_bootstrap():
    rng = np.random.default_rng(5)
    base = rng.integers(0, 4, (600, 1))
    table = np.clip(base + rng.integers(-1, 2, (600, 2)), 0, 4).astype(float)
    table[rng.random((600, 2)) < 0.3] = np.nan
    found = journey_of_means(NAMES[:2], pair_sums(table)).stages[1]
    changes = []
    for _ in range(1000):
        pick = table[rng.integers(0, 600, 600)]
        changes.append(25 * (np.nanmean(pick[:, 1]) - np.nanmean(pick[:, 0])))
    # 1,000 replicates are good to 2.2 %
    assert found.change_se == pytest.approx(np.std(changes, ddof=1), rel=0.07)


def test_shares_of_questions_are_bounded_and_say_so():
    rng = np.random.default_rng(6)
    first = rng.integers(0, 3, 500)
    second = np.where(rng.random(500) < 0.8, first, rng.integers(0, 3, 500))
    stages = [nps_stages(np.bincount(one, minlength=3)) for one in (first, second)]
    found = journey_of_questions(NAMES[:2], stages, metric="nps")
    assert found.basis == "bound"
    exact = 100 * np.std((second - 1) - (first - 1), ddof=1) / np.sqrt(500)
    assert found.stages[1].change_se >= exact
    assert found.stages[1].change_interval.method == "bound"
    top = journey_of_questions(NAMES[:2], stages, metric="top_box")
    assert top.stages[1].change == pytest.approx(
        100 * ((second == 2).mean() - (first == 2).mean()), rel=FLOAT_ORACLE
    )
    with pytest.raises(ValueError, match="journey_of_means"):
        journey_of_questions(NAMES[:2], stages, metric="mean")


def test_two_journeys_along_levels():
    a, b = nps_stages((10, 30, 60), (30, 30, 40)), nps_stages((20, 30, 50), (20, 20, 60))
    found = compare_levels(NAMES[:2], a, b, metric="nps")
    assert [one.difference for one in found.stages] == [20.0, -30.0]
    assert found.difference == -5.0
    variances = [
        sum((100 * (p + d - (p - d) ** 2) * 100) / 99 for p, d in pair)
        for pair in (((0.6, 0.1), (0.5, 0.2)), ((0.4, 0.3), (0.6, 0.2)))
    ]
    assert found.se == pytest.approx(np.sqrt(sum(variances)) / 2, rel=FLOAT_ORACLE)
    chi2 = 20**2 / variances[0] + 30**2 / variances[1]
    assert (found.chi2, found.df) == (pytest.approx(chi2, rel=FLOAT_ORACLE), 2)
    assert found.chi2_p == pytest.approx(stats.chi2.sf(chi2, 2), rel=FLOAT_ORACLE)


def test_two_journeys_of_questions_count_their_covariances():
    rng = np.random.default_rng(8)
    tables = [np.clip(rng.integers(0, 4, (n, 1)) + rng.integers(0, 2, (n, 3)), 0, 4)
              for n in (120, 90)]  # fmt: skip
    found = compare_means(NAMES, *(pair_sums(one) for one in tables))
    d = 25 * (tables[0].mean(axis=0) - tables[1].mean(axis=0))
    v = sum(np.cov(25 * one.T) / len(one) for one in tables)
    assert found.chi2 == pytest.approx(d @ np.linalg.solve(v, d), rel=1e-8)
    assert found.df == 3
    assert found.se == pytest.approx(np.sqrt(v.sum()) / 3, rel=FLOAT_ORACLE)
    sides = [[estimate(25 * one[:, 1])] for one in tables]
    assert found.stages[1].p == pytest.approx(compare_estimates(*sides)[0].p, rel=FLOAT_ORACLE)


def test_two_journeys_of_question_shares_have_no_joint_test():
    a = [nps_stages((10, 30, 60)), nps_stages((30, 30, 40))]
    b = [nps_stages((20, 30, 50)), nps_stages((20, 20, 60))]
    found = compare_questions(NAMES[:2], a, b, metric="nps")
    assert found.chi2 is found.chi2_p is None
    level = compare_levels(NAMES[:2], nps_stages((10, 30, 60), (30, 30, 40)),
                           nps_stages((20, 30, 50), (20, 20, 60)), metric="nps")  # fmt: skip
    for one, other in zip(found.stages, level.stages, strict=True):
        assert one == other
    assert found.se > level.se


def test_journeys_with_nobody_in_common_stages():
    a, b = nps_stages((0, 0, 0), (3, 3, 3)), nps_stages((1, 1, 1), (0, 0, 0))
    found = compare_levels(NAMES[:2], a, b, metric="nps")
    assert (found.difference, found.chi2, found.df) == (None, None, 0)


def test_the_joint_test_keeps_its_level():
    # 1,000 pairs of equal journeys: rejections at 5 % have a standard error of 0.7 points.
    rng = np.random.default_rng(11)
    shares = [0.2, 0.3, 0.5]
    a, b = (rng.multinomial(60, shares, (1000, 3)) for _ in range(2))
    p = [compare_levels(NAMES, nps_stages(*x), nps_stages(*y), metric="mean").chi2_p
         for x, y in zip(a, b, strict=True)]  # fmt: skip
    assert 0.025 <= np.mean(np.array(p) < 0.05) <= 0.08


@pytest.mark.parametrize(
    ("names", "metric", "message"),
    [(NAMES, "nps", "3 names for 2"), (NAMES[:2], "median", "not known")],
)
def test_wrong_journeys_are_refused(names, metric, message):
    with pytest.raises(ValueError, match=message):
        journey_of_levels(names, nps_stages((1, 1, 1), (1, 1, 1)), metric=metric)


def test_a_journey_has_two_stages():
    with pytest.raises(ValueError, match="at least two"):
        journey_of_levels(["a"], nps_stages((1, 1, 1)), metric="nps")
