"""csat, ces, distribution, scorecard."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import multinomial_proportions_confint, proportion_confint

from cxstream.analytics.ces import ces
from cxstream.analytics.csat import csat
from cxstream.analytics.distribution import distribution, number_distribution
from cxstream.analytics.nps import nps
from cxstream.analytics.scorecard import scorecard
from tests.analytics.tolerances import FLOAT_ORACLE, ROUNDING
from tests.reference.statistics import competition_ranks, mean_on_a_scale

ANSWERS = st.lists(st.integers(1, 5), min_size=2, max_size=40)


def histogram(answers, low, high):
    return np.bincount(np.asarray(answers) - low, minlength=high - low + 1)[None, :]


def check_mean(mean, se, interval, values, ends):
    expected = mean_on_a_scale(values, *ends, 0.95)
    found = (mean, se, interval.lower, interval.upper)
    assert found == pytest.approx(expected, rel=FLOAT_ORACLE, abs=FLOAT_ORACLE)
    assert interval.method == "quasi_binomial"


@given(ANSWERS)
def test_csat_against_raw_answers(answers):
    (found,) = csat(histogram(answers, 1, 5), top_from=3)
    top = sum(a >= 4 for a in answers)
    n = len(answers)
    assert (found.n, found.top) == (n, top)
    assert found.score == pytest.approx(100 * top / n, rel=ROUNDING)
    assert found.se == pytest.approx(
        100 * (top / n * (1 - top / n) / n) ** 0.5, rel=ROUNDING, abs=1e-6
    )
    low, high = proportion_confint(top, n, method="wilson")
    assert found.interval.lower == pytest.approx(100 * low, rel=ROUNDING, abs=ROUNDING)
    assert found.interval.upper == pytest.approx(100 * high, rel=ROUNDING)
    check_mean(found.mean, found.mean_se, found.mean_interval, [25 * (a - 1) for a in answers],
               (0, 100))  # fmt: skip


@given(ANSWERS)
def test_csat_where_low_is_good(answers):
    (found,) = csat(histogram(answers, 1, 5), top_from=3, reverse=True)
    assert found.top == sum(a <= 2 for a in answers)
    check_mean(found.mean, found.mean_se, found.mean_interval, [25 * (5 - a) for a in answers],
               (0, 100))  # fmt: skip


def test_csat_of_few():
    nobody, one, agreed = csat([[0, 0, 0], [0, 1, 0], [0, 0, 2]], top_from=2)
    assert nobody.n == nobody.top == 0
    assert nobody.score is nobody.se is nobody.interval is nobody.mean is nobody.mean_se is None
    assert (one.score, one.mean) == (0.0, 50.0)
    assert one.interval is not None
    assert one.mean_se is one.mean_interval is None
    assert (agreed.score, agreed.mean, agreed.mean_se) == (100.0, 100.0, 0.0)
    # Two answers alike are no proof that all are: once an interval without width, by Student's t.
    assert agreed.mean_interval.lower < agreed.mean_interval.upper == 100.0


@pytest.mark.parametrize("top_from", [0, 5, -1])
def test_csat_cut_outside_the_scale(top_from):
    with pytest.raises(ValueError, match="top_from"):
        csat([[1, 2, 3, 4, 5]], top_from=top_from)
    with pytest.raises(ValueError, match="2 or more levels"):
        csat([[1]], top_from=1)


@given(st.lists(st.integers(1, 7), min_size=2, max_size=40), st.booleans())
def test_ces_mean(answers, reverse):
    (found,) = ces(histogram(answers, 1, 7), variant="mean", origin=1, reverse=reverse)
    values = [8 - a if reverse else a for a in answers]
    check_mean(found.score, found.se, found.interval, values, (1, 7))
    assert found.positive is found.neutral is found.negative is None


@settings(deadline=None)  # the first example loads a kernel
@given(st.lists(st.integers(1, 7), min_size=1, max_size=40), st.booleans())
def test_ces_net_is_a_net_score(answers, reverse):
    (found,) = ces(histogram(answers, 1, 7), variant="net", low_to=2, high_from=5, reverse=reverse)
    values = [8 - a if reverse else a for a in answers]
    classes = [sum(v <= 3 for v in values), sum(4 <= v <= 5 for v in values)]
    classes.append(len(values) - sum(classes))
    assert [found.negative, found.neutral, found.positive] == classes
    (same,) = nps([classes])
    assert (found.score, found.se, found.interval) == (same.score, same.se, same.interval)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=40), st.booleans())
def test_ces_agree_is_a_share(answers, reverse):
    table = histogram(answers, 1, 7)
    (found,) = ces(table, variant="agree", agree_from=4, reverse=reverse)
    (share,) = csat(table, top_from=4, reverse=reverse)
    assert (found.score, found.se, found.interval) == (share.score, share.se, share.interval)
    assert (found.positive, found.neutral) == (share.top, 0)
    assert found.negative == found.n - share.top
    (classed,) = ces(table, variant="agree", agree_from=4, low_to=2, reverse=reverse)
    assert classed.score == found.score
    assert classed.positive + classed.neutral + classed.negative == found.n


def test_ces_of_nobody():
    for kind in ({"variant": "mean"}, {"variant": "net", "low_to": 0, "high_from": 2}):
        (found,) = ces([[0, 0, 0]], **kind)
        assert found.score is found.se is found.interval is None
    (found,) = ces([[0, 0, 0]], variant="agree", agree_from=1)
    assert (found.score, found.positive, found.negative) == (None, 0, 0)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"variant": "net", "high_from": 5}, "low_to is needed"),
        ({"variant": "net", "low_to": 2}, "high_from is needed"),
        ({"variant": "net", "low_to": 5, "high_from": 5}, "high_from 5"),
        ({"variant": "agree"}, "agree_from is needed"),
        ({"variant": "agree", "agree_from": 7}, "agree_from 7"),
        ({"variant": "median"}, "mean, net, agree"),
    ],
)
def test_ces_refusals(kind, message):
    with pytest.raises(ValueError, match=message):
        ces([[1] * 7], **kind)


@given(st.lists(st.sampled_from([-2, 1, 3, 10]), min_size=2, max_size=30))
def test_distribution_against_raw_answers(answers):
    values = [-2, 1, 3, 10]
    counts = [answers.count(v) for v in values]
    (found,) = distribution([counts], values)
    assert [level.count for level in found.levels] == counts
    assert sum(level.share for level in found.levels) == pytest.approx(100.0, rel=ROUNDING)
    check_mean(found.mean, found.se, found.interval, answers, (-2, 10))
    assert found.sd == pytest.approx(np.std(answers, ddof=1), rel=FLOAT_ORACLE, abs=ROUNDING)


def test_distribution_of_a_nominal_question():
    found, nobody = distribution([[1, 3], [0, 0]], None)
    assert [level.share for level in found.levels] == [25.0, 75.0]
    assert found.mean is found.sd is found.se is found.interval is None
    assert nobody.n == 0
    assert [level.share for level in nobody.levels] == [None, None]
    assert [level.se for level in nobody.levels] == [None, None]


def test_distribution_with_uneven_values():
    (found,) = distribution([[1, 1, 2]], [Fraction(1, 3), 0.5, 2])
    values = [1 / 3, 0.5, 2, 2]
    check_mean(found.mean, found.se, found.interval, values, (1 / 3, 2))
    with pytest.raises(ValueError, match="3 entries"):
        distribution([[1, 1, 2]], [1, 2])


def test_values_too_large_for_64_bits():
    (found,) = distribution([[2, 2]], [10**12, 10**12 + 1])
    assert found.mean == 10**12 + 0.5
    assert found.sd == pytest.approx((1 / 3) ** 0.5, rel=ROUNDING)


def test_number_distribution_of_few():
    nobody, one = number_distribution(
        [0, 1], [0, 25], [0, 625], origin=Fraction(10), step=Fraction(1, 100)
    )
    assert (nobody.n, nobody.levels) == (0, ())
    assert nobody.mean is nobody.sd is nobody.se is nobody.interval is None
    assert (one.mean, one.sd, one.interval) == (10.25, None, None)
    with pytest.raises(ValueError, match="step"):
        number_distribution([1], [1], [1], origin=Fraction(0), step=Fraction(0))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=9))
def test_scorecard_against_statsmodels(counts):
    n = sum(counts)
    (found,) = scorecard([counts], [n], multiple=False)
    assert (found.base, found.selections) == (n, n)
    if n == 0:
        for option in found.options:
            assert option.share is option.se is option.interval is option.rank is None
        return
    assert [o.rank for o in found.options] == competition_ranks(counts)
    expected = multinomial_proportions_confint(np.array(counts), method="goodman")
    for option, count, (low, high) in zip(found.options, counts, expected, strict=True):
        assert option.share == pytest.approx(100 * count / n, rel=ROUNDING)
        assert option.interval.lower == pytest.approx(100 * low, rel=ROUNDING, abs=1e-10)
        assert option.interval.upper == pytest.approx(100 * high, rel=ROUNDING)


def test_ties_share_a_rank():
    (found,) = scorecard([[5, 9, 5, 1]], [20], multiple=False)
    assert [o.rank for o in found.options] == [2, 1, 2, 4]


def test_several_answers_have_respondents_as_base():
    (found,) = scorecard([[8, 7, 6]], [10], multiple=True)
    assert (found.base, found.selections) == (10, 21)
    assert sum(o.share for o in found.options) == pytest.approx(210.0)
    c = stats.chi2.ppf(1 - 0.05 / 3, 1)
    root = (c * c + 4 * c * 8 * 2 / 10) ** 0.5
    interval = found.options[0].interval
    assert interval.lower == pytest.approx(100 * (16 + c - root) / (2 * (10 + c)), rel=ROUNDING)
    assert interval.upper == pytest.approx(100 * (16 + c + root) / (2 * (10 + c)), rel=ROUNDING)


def test_scorecard_refusals():
    with pytest.raises(ValueError, match="more respondents"):
        scorecard([[11]], [10], multiple=True)
    with pytest.raises(ValueError, match="takes one answer"):
        scorecard([[8, 7]], [10], multiple=False)


def test_groups_do_not_touch_each_other():
    rng = np.random.default_rng(3)
    table = rng.integers(0, 9, size=(50, 5))
    assert csat(table, top_from=3) == [csat(row[None, :], top_from=3)[0] for row in table]
    assert distribution(table, range(5)) == [
        distribution(row[None, :], range(5))[0] for row in table
    ]
    base = table.sum(axis=1)
    assert scorecard(table, base, multiple=False) == [
        scorecard(row[None, :], [n], multiple=False)[0] for row, n in zip(table, base, strict=True)
    ]
