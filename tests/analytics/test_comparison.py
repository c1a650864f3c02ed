import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

from cxstream.analytics.comparison import (
    Estimate,
    compare_estimates,
    compare_nets,
    compare_shares,
    complement,
    complement_patterns,
)
from cxstream.analytics.corrections import CORRECTIONS, adjust
from cxstream.analytics.index import Part, index
from cxstream.analytics.intervals import NET_METHODS
from tests.analytics.tolerances import NUMERICAL_ORACLE, ROUNDING
from tests.reference.comparison import (
    joined_score_interval,
    share_coverage,
    share_score_interval,
    share_score_z,
)
from tests.reference.statistics import by_pattern, mean_on_a_scale

test_proportions_2indep.__test__ = False

# Two float64 algorithms with a division by a difference each.
STATSMODELS = 1e-10
# The source prints seven decimals.
PRINTED_7 = 5.1e-8


def test_golden_two_sample_nps():
    # 70/20/10 against 55/25/20 promoters, passives, detractors: unpooled Wald, and the same
    # with the adjusted proportions of https://measuringu.com/nps-significance-test/
    pair = [[10, 20, 70]], [[20, 25, 55]]
    (plain,) = compare_nets(*pair, method="wald")
    assert (plain.n_a, plain.n_b, plain.a, plain.b) == (100, 100, 60.0, 35.0)
    assert plain.difference == plain.centre == 25.0
    assert plain.se == pytest.approx(10.3319892, abs=PRINTED_7)
    assert plain.statistic == pytest.approx(2.4196696, abs=PRINTED_7)
    assert plain.p == pytest.approx(0.0155346, abs=PRINTED_7)
    (adjusted,) = compare_nets(*pair, method="adjusted_wald")
    assert adjusted.difference == 25.0
    assert adjusted.centre == pytest.approx(24.2718447, abs=PRINTED_7)
    assert adjusted.se == pytest.approx(10.2359449, abs=PRINTED_7)
    assert adjusted.statistic == pytest.approx(2.3712363, abs=PRINTED_7)
    assert adjusted.p == pytest.approx(0.0177287, abs=PRINTED_7)
    assert adjusted.interval.method == "adjusted_wald"


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4, 5), (8, 3, 9)),
        ((0, 4, 15), (20, 1, 0)),
        ((0, 9, 0), (2, 30, 4)),
        ((50, 20, 130), (1, 0, 7)),
        ((0, 0, 20), (0, 1, 29)),
    ],
)
def test_joined_score_interval_against_numerical_likelihood(a, b, confidence):
    (found,) = compare_nets([a], [b], confidence=confidence)
    lower, upper = joined_score_interval(a, b, confidence)
    assert found.interval.lower == pytest.approx(100 * lower, abs=200 * NUMERICAL_ORACLE)
    assert found.interval.upper == pytest.approx(100 * upper, abs=200 * NUMERICAL_ORACLE)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize(
    ("x", "n", "y", "m"),
    [
        (7, 30, 20, 40),
        (0, 20, 3, 25),
        (29, 30, 30, 30),
        (0, 9, 0, 12),
        (12, 12, 0, 9),
        (1, 2, 90, 400),
    ],
)
def test_miettinen_and_nurminen_against_numerical_likelihood(x, n, y, m, confidence):
    (found,) = compare_shares([x], [n], [y], [m], confidence=confidence)
    lower, upper = share_score_interval(x, n, y, m, confidence)
    assert found.interval.lower == pytest.approx(100 * lower, abs=200 * NUMERICAL_ORACLE)
    assert found.interval.upper == pytest.approx(100 * upper, abs=200 * NUMERICAL_ORACLE)
    if 0 < x + y < n + m:
        assert found.statistic == pytest.approx(share_score_z(x, n, y, m, 0.0), rel=1e-6)


@pytest.mark.parametrize(
    ("x", "n", "y", "m"), [(7, 30, 20, 40), (1, 20, 3, 25), (250, 300, 40, 60)]
)
def test_shares_are_those_of_statsmodels(x, n, y, m):
    (found,) = compare_shares([x], [n], [y], [m])
    expected = test_proportions_2indep(x, n, y, m, method="score", correction=True)
    assert found.statistic == pytest.approx(float(expected.statistic), rel=1e-7)
    (plain,) = compare_shares([x], [n], [y], [m], method="wald")
    expected = test_proportions_2indep(x, n, y, m, method="wald")
    assert plain.statistic == pytest.approx(expected.statistic, rel=STATSMODELS)
    assert plain.p == pytest.approx(expected.pvalue, rel=STATSMODELS)
    (adjusted,) = compare_shares([x], [n], [y], [m], method="adjusted_wald")
    low, high = confint_proportions_2indep(x, n, y, m, method="agresti-caffo")
    assert adjusted.interval.lower == pytest.approx(100 * low, rel=STATSMODELS)
    assert adjusted.interval.upper == pytest.approx(100 * high, rel=STATSMODELS)


def _estimate(values):
    return Estimate(
        len(values),
        float(np.mean(values)),
        float(np.std(values, ddof=1) / np.sqrt(len(values))),
        len(values) - 1,
    )


def test_means_are_compared_as_by_welch():
    random = np.random.default_rng(1)
    for sizes in ((10, 6), (2, 2), (300, 17)):
        x, y = random.normal(0, 1, sizes[0]), random.normal(0.5, 3, sizes[1])
        (found,) = compare_estimates([_estimate(x)], [_estimate(y)], confidence=0.9)
        expected = stats.ttest_ind(x, y, equal_var=False)
        bounds = expected.confidence_interval(0.9)
        assert found.statistic == pytest.approx(expected.statistic, rel=STATSMODELS)
        assert found.df == pytest.approx(expected.df, rel=STATSMODELS)
        assert found.p == pytest.approx(expected.pvalue, rel=STATSMODELS)
        assert found.interval.lower == pytest.approx(bounds.low, rel=STATSMODELS)
        assert found.interval.upper == pytest.approx(bounds.high, rel=STATSMODELS)
        assert found.interval.method == "welch"


ON_A_SCALE = st.lists(st.integers(0, 4), min_size=2, max_size=40)


def _on_scale(answers):
    points = 25.0 * np.array(answers)
    n = len(points)
    return Estimate(n, points.mean(), points.std(ddof=1) / n**0.5, n - 1, (0.0, 100.0))


@given(ON_A_SCALE, ON_A_SCALE)
def test_means_on_a_scale_join_their_intervals(first, second):
    (found,) = compare_estimates([_on_scale(first)], [_on_scale(second)])
    (m_a, _, low_a, high_a), (m_b, _, low_b, high_b) = (
        mean_on_a_scale([25 * v for v in side], 0.0, 100.0, 0.95) for side in (first, second)
    )
    bounds = (
        m_a - m_b - np.hypot(m_a - low_a, high_b - m_b),
        m_a - m_b + np.hypot(high_a - m_a, m_b - low_b),
    )
    assert (found.interval.lower, found.interval.upper) == pytest.approx(
        (max(bounds[0], -100.0), min(bounds[1], 100.0)), rel=STATSMODELS, abs=1e-9
    )
    (other,) = compare_estimates([_on_scale(second)], [_on_scale(first)])
    assert other.statistic == pytest.approx(-found.statistic, rel=STATSMODELS)
    # p is that of the level at which a bound is 0.
    assert (found.p < 0.05) == (found.interval.lower > 0.0 or found.interval.upper < 0.0)
    if 1e-6 < found.p < 0.999:
        (edge,) = compare_estimates(
            [_on_scale(first)], [_on_scale(second)], confidence=1.0 - found.p
        )
        nearest = min(abs(edge.interval.lower), abs(edge.interval.upper))
        assert nearest == pytest.approx(0.0, abs=1e-6)


def test_means_of_other_scales_are_not_compared():
    one = _on_scale([1, 2, 3])
    with pytest.raises(ValueError, match="same ends"):
        compare_estimates([one], [one._replace(ends=None)])


def test_sleep_of_student():
    # R's sleep data, group 2 against 1; printed: t 1.86081346748685, and for equal sizes Welch's
    # t is the pooled one
    first = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    second = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    (found,) = compare_estimates([_estimate(second)], [_estimate(first)])
    assert found.statistic == pytest.approx(1.86081346748685, rel=1e-13)


def test_coefficients_without_degrees_of_freedom_are_compared_by_z():
    (found,) = compare_estimates([Estimate(500, 0.8, 0.03, None)], [Estimate(400, 0.7, 0.04, None)])
    assert found.df is None
    assert found.statistic == pytest.approx(2.0, rel=ROUNDING)
    assert found.p == pytest.approx(2 * stats.norm.sf(2.0), rel=ROUNDING)
    (mixed,) = compare_estimates([Estimate(500, 0.8, 0.03, None)], [Estimate(40, 0.7, 0.04, 38)])
    assert mixed.df == pytest.approx(0.05**4 / (0.04**4 / 38), rel=ROUNDING)


CLASSES = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(CLASSES, CLASSES), min_size=1, max_size=8))
def test_exchanging_the_groups_turns_the_sign(pairs):
    a, b = [one for one, _ in pairs], [two for _, two in pairs]
    for method in NET_METHODS:
        for there, back in zip(
            compare_nets(a, b, method=method), compare_nets(b, a, method=method), strict=True
        ):
            if there.difference is None:
                assert min(there.n_a, there.n_b) == 0
                assert there.p is there.interval is there.se is there.p_adjusted is None
                continue
            assert back.difference == -there.difference
            if there.p is not None:
                assert back.p == pytest.approx(there.p, rel=1e-6, abs=1e-12)
                assert back.interval.lower == pytest.approx(-there.interval.upper, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(CLASSES.filter(any), CLASSES.filter(any), st.sampled_from([0.8, 0.95, 0.99]))
def test_p_is_below_the_level_where_the_interval_leaves_0_out(a, b, confidence):
    for method in NET_METHODS:
        (net,) = compare_nets([a], [b], method=method, confidence=confidence)
        (share,) = compare_shares(
            [a[2]], [sum(a)], [b[2]], [sum(b)], method=method, confidence=confidence
        )
        for found in (net, share):
            if found.p is None:
                assert method == "wald"
                continue
            # Points where the two agree to the last digits are not told apart.
            clear = abs(found.p - (1 - confidence)) > 1e-6
            excluded = found.interval.lower > 0 or found.interval.upper < 0
            assert not clear or excluded == (found.p < 1 - confidence)
            assert (
                found.interval.lower - 1e-6 <= found.centre <= found.interval.upper + 1e-6
                or found.centre != found.difference
            )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(CLASSES.filter(any), CLASSES.filter(any)), min_size=1, max_size=8))
def test_many_groups_are_corrected_as_one_family(pairs):
    a, b = [one for one, _ in pairs], [two for _, two in pairs]
    for correction in CORRECTIONS:
        found = compare_nets(a, b, correction=correction)
        expected = adjust(np.array([one.p for one in found]), correction)
        assert [one.p_adjusted for one in found] == expected.tolist()


@settings(max_examples=20, deadline=None)
@given(st.lists(CLASSES, min_size=1, max_size=6))
def test_complement_is_everybody_else(groups):
    table = np.array(groups, dtype=np.int64)
    rest = complement(table.sum(axis=0), table)
    for k in range(len(table)):
        assert (rest[k] == np.delete(table, k, axis=0).sum(axis=0)).all()


def test_complement_of_large_sums_is_exact():
    total = np.array([2**80 + 1, 5], dtype=object)
    assert complement(total, np.array([[2**79, 2]], dtype=object)).tolist() == [[2**79 + 1, 3]]
    with pytest.raises(ValueError, match="integers"):
        complement([1.0], [[0.5]])


def test_complement_by_pattern_gives_the_index_of_everybody_else():
    random = np.random.default_rng(5)
    groups = [
        [
            [None if random.random() < 0.3 else int(v) for v in random.integers(0, 5, 2)]
            for _ in range(n)
        ]
        for n in (1, 7, 12)
    ]
    rows = [
        (g, pattern, sums)
        for g, members in enumerate(groups)
        for pattern, sums in by_pattern(members, 2)
    ]
    group, pattern, sums = (
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows], dtype=np.uint64),
        np.array([row[2] for row in rows]),
    )
    shape = {
        "ranges": [4, 4],
        "reverse": [False, True],
        "parts": [Part("one", 0.3, (0,)), Part("two", 0.7, (1,))],
    }
    found = index(*complement_patterns(group, pattern, sums, groups=3), groups=3, **shape)
    for g in range(3):
        others = by_pattern([row for k, rows in enumerate(groups) if k != g for row in rows], 2)
        (expected,) = index(
            np.zeros(len(others), dtype=np.int64),
            np.array([bits for bits, _ in others], dtype=np.uint64),
            np.array([s for _, s in others]),
            groups=1,
            **shape,
        )
        assert found[g] == expected


def test_nobody_answered_in_a_group():
    for found in (
        *compare_nets([[0, 0, 0]], [[1, 2, 3]]),
        *compare_shares([0], [0], [1], [2]),
        *compare_estimates([Estimate(0, None, None, None)], [_estimate([1.0, 2.0])]),
    ):
        assert found.n_a == 0
        assert found.a is None and found.b is not None
        assert found.difference is found.se is found.p is found.interval is None
    assert compare_nets(np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64)) == []


def test_one_answer_in_a_group():
    (found,) = compare_nets([[0, 0, 1]], [[0, 0, 50]])
    assert found.difference == 0.0 and found.p == 1.0
    assert found.interval.lower < -100.0
    (mean,) = compare_estimates([Estimate(1, 3.0, None, None)], [_estimate([1.0, 2.0])])
    assert mean.difference == 1.5
    assert mean.se is mean.statistic is mean.df is mean.p is mean.interval is None


def test_all_of_one_class_in_both_groups():
    (plain,) = compare_nets([[0, 0, 20]], [[20, 0, 0]], method="wald")
    assert plain.difference == 200.0 and plain.se == 0.0
    assert plain.statistic is plain.p is plain.interval is None
    for method in ("score", "adjusted_wald"):
        (found,) = compare_nets([[0, 0, 20]], [[20, 0, 0]], method=method)
        assert found.p < 1e-6
        assert 100.0 < found.interval.lower < found.interval.upper
    (same,) = compare_shares([20], [20], [30], [30])
    assert same.statistic == 0.0 and same.p == 1.0
    assert same.interval.lower < 0.0 < same.interval.upper


def test_groups_without_variation_have_a_difference_and_no_test():
    (found,) = compare_estimates([_estimate([4.0, 4.0])], [_estimate([1.0, 1.0])])
    assert found.difference == 3.0 and found.se == 0.0
    assert found.p is found.interval is None


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="same number"):
        compare_nets([[1, 1, 1]], [[1, 1, 1], [1, 1, 1]])
    with pytest.raises(ValueError, match="negative"):
        compare_shares([3], [2], [1], [2])
    with pytest.raises(ValueError, match="same number"):
        compare_shares([1], [2], [1, 1], [2, 2])
    with pytest.raises(ValueError, match="same number"):
        compare_estimates([], [_estimate([1.0, 2.0])])
    with pytest.raises(ValueError, match="score, adjusted_wald, wald"):
        compare_nets([[1, 1, 1]], [[1, 1, 1]], method="bayes")
    with pytest.raises(ValueError, match="benjamini_hochberg"):
        compare_nets([[1, 1, 1]], [[1, 1, 1]], correction="none")


def _share_coverages(n, m, method):
    x, y = (v.ravel() for v in np.meshgrid(np.arange(n + 1), np.arange(m + 1), indexing="ij"))
    found = compare_shares(
        x, np.full_like(x, n), y, np.full_like(y, m), method=method, correction="holm"
    )
    shape = (n + 1, m + 1)
    missing = (np.nan, np.nan)
    bounds = np.array(
        [
            missing if one.interval is None else (one.interval.lower, one.interval.upper)
            for one in found
        ]
    )
    lower, upper = (column.reshape(shape) / 100 for column in bounds.T)
    shares = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
    return np.array([share_coverage(p, q, lower, upper) for p in shares for q in shares])


def test_exact_coverage_of_the_difference_of_shares():
    score = _share_coverages(30, 30, "score")
    assert score.min() > 0.934
    assert ((score > 0.93) & (score < 0.97)).mean() > 0.8
    unequal = _share_coverages(30, 300, "score")
    assert unequal.min() > 0.925 and unequal.max() < 0.975
    assert _share_coverages(30, 30, "adjusted_wald").min() > 0.93
    assert _share_coverages(30, 30, "wald").min() < 0.5


DISTRIBUTIONS = (
    (0.02, 0.08, 0.90),
    (0.15, 0.05, 0.80),
    (0.20, 0.30, 0.50),
    (0.33, 0.34, 0.33),
    (0.01, 0.04, 0.95),
    (0.05, 0.90, 0.05),
    (0.60, 0.30, 0.10),
    (0.90, 0.08, 0.02),
    (0.50, 0.00, 0.50),
)


def _net_coverages(n_a, n_b, method, replications):
    """Coverage for every pair of distributions; each distinct pair of samples looked at once."""
    random = np.random.default_rng(7)
    result = []
    for p in DISTRIBUTIONS:
        for q in DISTRIBUTIONS:
            a = random.multinomial(n_a, p, replications)
            b = random.multinomial(n_b, q, replications)
            pairs, times = np.unique(np.hstack([a, b]), axis=0, return_counts=True)
            truth = 100 * ((p[2] - p[0]) - (q[2] - q[0]))
            found = compare_nets(pairs[:, :3], pairs[:, 3:], method=method)
            held = [
                one.interval is not None
                and one.interval.lower - 1e-9 <= truth <= one.interval.upper + 1e-9
                for one in found
            ]
            result.append(np.average(held, weights=times))
    return np.array(result)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_a", "n_b", "share"), [(30, 30, 0.75), (30, 2000, 0.85), (100, 100, 0.95)]
)
def test_coverage_of_the_difference_of_scores(n_a, n_b, share):
    # 4,000 replications: a coverage of 0.95 is found within 0.01 of itself, three standard errors.
    score = _net_coverages(n_a, n_b, "score", 4000)
    assert score.min() > 0.93
    assert ((score > 0.93) & (score < 0.97)).mean() > share
    assert _net_coverages(n_a, n_b, "adjusted_wald", 4000).max() > 0.97


def test_coverage_of_the_difference_of_scores_small():
    random = np.random.default_rng(3)
    for p, q in (((0.02, 0.08, 0.9), (0.6, 0.3, 0.1)), ((0.2, 0.3, 0.5), (0.33, 0.34, 0.33))):
        a, b = random.multinomial(30, p, 2000), random.multinomial(30, q, 2000)
        truth = 100 * ((p[2] - p[0]) - (q[2] - q[0]))
        held = np.mean(
            [one.interval.lower <= truth <= one.interval.upper for one in compare_nets(a, b)]
        )
        assert 0.93 < held < 0.975
