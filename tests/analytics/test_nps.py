import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxstream.analytics.nps import classify, nps
from tests.analytics.tolerances import (
    NUMERICAL_ORACLE,
    PRINTED_1,
    PRINTED_3,
    PRINTED_6,
    ROUNDING,
)
from tests.reference.statistics import net_promoter, score_interval

# Promoters, passives, detractors; score, SE, Wald, adjusted Wald before it is cut to -100..100.
# Computed from the formulas of Rocks (2016) with z = 1.959963984540054.
GOLDEN = [
    (500, 300, 200, 30, 2.4698178, (25.159246, 34.840754), (25.077000, 34.743538)),
    (60, 25, 15, 45, 7.3993243, (30.497591, 59.502409), (29.343111, 58.035530)),
    (70, 20, 10, 60, 6.6332496, (46.999070, 73.000930), (45.269760, 71.235094)),
    (55, 25, 20, 35, 7.9214898, (19.474165, 50.525835), (18.685565, 49.275600)),
    (5, 5, 5, 0, 21.0818511, (-41.319669, 41.319669), (-36.925340, 36.925340)),
    (10, 0, 0, 100, 0, (100, 100), (47.503551, 100)),
]


@pytest.mark.parametrize(("p", "s", "d", "score", "se", "wald", "adjusted"), GOLDEN)
def test_golden_intervals(p, s, d, score, se, wald, adjusted):
    (found,) = nps([[d, s, p]], method="adjusted_wald")
    assert (found.n, found.promoters, found.passives, found.detractors) == (p + s + d, p, s, d)
    assert found.score == score
    assert found.se == pytest.approx(se, abs=PRINTED_6)
    assert found.interval.method == "adjusted_wald"
    assert found.interval.lower == pytest.approx(adjusted[0], abs=2 * PRINTED_6)
    assert found.interval.upper == pytest.approx(adjusted[1], abs=2 * PRINTED_6)
    (plain,) = nps([[d, s, p]], method="wald")
    assert plain.interval.lower == pytest.approx(wald[0], abs=2 * PRINTED_6)
    assert plain.interval.upper == pytest.approx(wald[1], abs=2 * PRINTED_6)


# Printed in the tests of the R package NPS (brendan-r/NPS, tests/testthat/test_01_basics.R) on
# -1..1: detractors, passives, promoters, score, variance, SE.
R_PACKAGE = [
    (1, 2, 3, 1 / 3, 5 / 9, 0.304),
    (1, 0, 0, -1, 0, 0),
    (0, 1, 0, 0, 0, 0),
    (0, 0, 1, 1, 0, 0),
    (1, 0, 1, 0, 1, 0.707),
    (0, 1, 1, 0.5, 0.25, 0.354),
    (1, 1, 1, 0, 2 / 3, 0.471),
]


@pytest.mark.parametrize(("d", "s", "p", "score", "variance", "se"), R_PACKAGE)
def test_values_of_the_r_package(d, s, p, score, variance, se):
    (found,) = nps([[d, s, p]])
    assert found.score == pytest.approx(100 * score, rel=ROUNDING)
    assert found.variance == pytest.approx(1e4 * variance, rel=ROUNDING)
    assert found.se == pytest.approx(100 * se, abs=100 * PRINTED_3)


def test_question_18603_of_cross_validated():
    # https://stats.stackexchange.com/questions/18603: p = 1/2, 1/3 passive, d = 1/6
    (found,) = nps([[54, 108, 162]])
    assert found.score == pytest.approx(100 / 3, rel=ROUNDING)
    assert found.variance == pytest.approx(1e4 * 5 / 9, rel=ROUNDING)
    assert found.se == pytest.approx(4.1409, abs=0.00005)


def test_airport_survey_2017():
    # SFO customer survey 2017, NETPRO: computed independently from the published file
    (found,) = nps([[342, 968, 1436]], method="adjusted_wald")
    assert found.score == pytest.approx(39.839766933721776, rel=ROUNDING)
    assert found.se == pytest.approx(1.3341371334870167, rel=ROUNDING)
    assert found.interval.lower == pytest.approx(37.18236071697378, rel=ROUNDING)
    assert found.interval.upper == pytest.approx(42.4102184027061, rel=ROUNDING)


@pytest.mark.parametrize(
    ("d", "s", "p", "lower", "upper"),
    [(15, 5, 80, 48.5, 76.9), (0, 0, 20, 67.8, 100.0), (0, 0, 1, -58.7, 100.0)],
)
def test_golden_score_intervals(d, s, p, lower, upper):
    # measured with the iterative score estimator of brendan-r/NPS
    (found,) = nps([[d, s, p]], method="score")
    assert found.interval.lower == pytest.approx(lower, abs=PRINTED_1)
    assert found.interval.upper == pytest.approx(upper, abs=PRINTED_1)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(
    "classes", [(3, 4, 5), (0, 4, 5), (7, 0, 1), (20, 1, 0), (0, 9, 0), (50, 20, 130), (2, 0, 0)]
)
def test_score_interval_against_numerical_likelihood(classes, confidence):
    (found,) = nps([classes], method="score", confidence=confidence)
    lower, upper = score_interval(*classes, confidence)
    assert found.interval.lower == pytest.approx(100 * lower, abs=100 * NUMERICAL_ORACLE)
    assert found.interval.upper == pytest.approx(100 * upper, abs=100 * NUMERICAL_ORACLE)


SMALL = st.integers(0, 40)
LARGE = st.integers(0, 2**34)


@settings(deadline=None)  # the first example loads a kernel
@given(st.lists(st.tuples(SMALL, SMALL, SMALL) | st.tuples(LARGE, LARGE, LARGE), min_size=1))
def test_intervals_lie_in_bounds_and_the_score_interval_holds_the_score(rows):
    for method in ("adjusted_wald", "score", "wald"):
        for found in nps(rows, method=method):
            if found.n == 0:
                assert found.score is found.se is found.variance is found.interval is None
                continue
            assert -100.0 <= found.interval.lower <= found.interval.upper <= 100.0
            if method != "adjusted_wald":
                slack = 100 * ROUNDING
                assert found.interval.lower - slack <= found.score <= found.interval.upper + slack
            assert type(found.score) is float
            assert type(found.n) is int


@settings(deadline=None)  # the first example loads a kernel
@given(st.tuples(SMALL, SMALL, SMALL).filter(any))
def test_mirror_image(classes):
    for method in ("adjusted_wald", "score", "wald"):
        (found,) = nps([classes], method=method)
        (mirrored,) = nps([classes[::-1]], method=method)
        assert mirrored.score == -found.score
        assert mirrored.se == found.se
        assert mirrored.interval.lower == pytest.approx(-found.interval.upper, abs=ROUNDING)


@settings(deadline=None)  # the first example loads a kernel
@given(st.lists(st.integers(0, 10), min_size=1, max_size=30))
def test_against_raw_scores(scores):
    histogram = np.bincount(scores, minlength=11)[None, :]
    (found,) = nps(classify(histogram, 7, 9))
    score, variance, se = net_promoter(scores)
    assert found.score == pytest.approx(100 * score, rel=ROUNDING, abs=ROUNDING)
    assert found.variance == pytest.approx(1e4 * variance, rel=ROUNDING, abs=ROUNDING)
    assert found.se == pytest.approx(100 * se, rel=ROUNDING, abs=ROUNDING)


def test_intervals_narrow_as_answers_come_in():
    rows = [[n, 2 * n, 3 * n] for n in (1, 2, 5, 10, 100, 10_000)]
    for method in ("adjusted_wald", "score", "wald"):
        widths = [f.interval.upper - f.interval.lower for f in nps(rows, method=method)]
        assert widths == sorted(widths, reverse=True)


def test_nobody_answered():
    (found,) = nps([[0, 0, 0]])
    assert found.n == 0
    assert (found.score, found.variance, found.se, found.interval) == (None,) * 4
    assert nps(np.zeros((0, 3), dtype=np.int64)) == []


def test_all_of_one_class_still_has_an_honest_interval():
    for method, lower in (("wald", 100.0), ("adjusted_wald", 69.7), ("score", 67.8)):
        (found,) = nps([[0, 0, 20]], method=method)
        assert found.se == 0.0
        assert found.interval.lower == pytest.approx(lower, abs=PRINTED_1)
        assert found.interval.upper == 100.0


def test_cuts():
    histogram = np.arange(1, 12)[None, :]
    assert classify(histogram, 7, 9).tolist() == [[28, 17, 21]]
    assert classify(histogram, 7, 7).tolist() == [[28, 0, 38]]
    for passive_from, promoter_from in ((0, 9), (9, 7), (7, 11)):
        with pytest.raises(ValueError, match="cuts"):
            classify(histogram, passive_from, promoter_from)


def test_unknown_method_is_refused():
    with pytest.raises(ValueError, match="score, adjusted_wald, wald"):
        nps([[1, 1, 1]], method="bayes")
    with pytest.raises(ValueError, match="3 columns"):
        nps([[1, 1]])


def test_score_intervals_of_two_thousand_groups():
    rows = np.random.default_rng(1).integers(0, 500, size=(2000, 3))
    found = nps(rows, method="score")
    assert len(found) == 2000
    # None depends on the others.
    assert nps(rows[1234:1235], method="score") == found[1234:1235]
