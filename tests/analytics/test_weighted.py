"""Weighted metrics against rows, printed values, and the unweighted metrics."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cxstream.analytics import (
    ces,
    csat,
    distribution,
    index,
    nps,
    scorecard,
    weighted,
    weighted_index,
)
from cxstream.analytics.means import means
from cxstream.analytics.survey import (
    ClassSums,
    degrees_of_freedom,
    net_intervals,
    share_intervals,
    weights_of,
)
from tests.analytics.tolerances import FLOAT_ORACLE, ROUNDING
from tests.reference.statistics import (
    by_pattern,
    index_of_item_means,
    index_of_respondents,
    respondent_index,
    scaled,
)
from tests.reference.survey import weighted_mean

EXPECTED = json.loads(
    (Path(__file__).parents[1] / "data" / "sfo" / "expected_2017.json").read_text()
)["2017"]
# The survey's weights have up to 16 digits; declared in steps of 1e-9 they are rounded there.
STEP = Fraction(1, 10**9)
ROUNDED_WEIGHTS = 1e-8


def sums(rows, levels, groups=1, step=Fraction(1)):
    """Class sums of (group, level, weight) rows."""
    counts = np.zeros((groups, levels), dtype=np.int64)
    w = np.zeros((groups, levels), dtype=object)
    w2 = np.zeros((groups, levels), dtype=object)
    for group, level, weight in rows:
        counts[group, level] += 1
        w[group, level] += weight
        w2[group, level] += weight**2
    return ClassSums.of(counts, w, w2, step)


def survey_rows(by):
    text = (resources.files("cxstream.demo") / "sfo_2017.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        if row["NETPRO"] not in ("", "11"):
            yield row[by] if by else "", int(row["NETPRO"]), round(float(row["WEIGHT"]) / STEP)


@pytest.mark.parametrize("by", ["", "BAREA", "PEAK", "STRATA"])
def test_airport_survey_2017(by):
    # expected_2017.json: R survey 4.1-1 (svymean, ids = ~1) and Python, from the same file
    wanted = EXPECTED[f"nps_by_{by}"] if by else {"": EXPECTED["nps"]}
    groups = sorted(wanted)
    rows = [(groups.index(g), x, w) for g, x, w in survey_rows(by) if g in wanted]
    sample = sums(rows, 11, len(groups), STEP).folded((0, 7, 9, 11))
    for group, found in zip(groups, weighted.nps(sample), strict=True):
        one = wanted[group]
        assert (found.value.n, found.value.promoters) == (one["n"], one["promoters"])
        assert found.value.score == pytest.approx(one["weighted_nps"], rel=ROUNDED_WEIGHTS)
        assert found.value.se == pytest.approx(one["weighted_nps_se"], rel=ROUNDED_WEIGHTS)
        assert found.weights.effective_n == pytest.approx(one["kish_n_eff"], rel=ROUNDED_WEIGHTS)
        down, _, up = (100 * part / found.weights.total for part in found.weights.classes)
        assert up == pytest.approx(one["weighted_promoter_pct"], rel=ROUNDED_WEIGHTS)
        assert down == pytest.approx(one["weighted_detractor_pct"], rel=ROUNDED_WEIGHTS)


def test_weights_one_to_four_of_one_to_four():
    # The variance is 0.24 without n / (n - 1) (balance's documentation), 0.32 with it.
    answers = [1, 2, 3, 4]
    powers = [[sum(w**a * w**b for w in answers) for b in (0, 1, 2)] for a in (1, 2)]
    moments = weighted.Moments.of([4], [[v] for v in powers[0]], [[v] for v in powers[1]])
    (found,) = weighted.number(moments, origin=Fraction(0), step=Fraction(1))
    assert found.value.mean == 3.0
    assert found.value.se**2 == pytest.approx(0.32, rel=ROUNDING)
    sample = sums([(0, x, x) for x in answers], 5)
    (same,) = weighted.distribution(sample, range(5))
    assert (same.value.mean, same.value.se) == (3.0, found.value.se)
    # A number has no ends, a scale has.
    assert (found.value.interval.method, same.value.interval.method) == (
        "student_t",
        "quasi_binomial",
    )
    assert 0.0 < same.value.interval.lower < 3.0 < same.value.interval.upper < 4.0


@pytest.mark.parametrize(
    ("weights", "effect"), [((0, 1, 2, 3), 14 / 9), ((1, 1, 1000), 2.9880418), ((7,) * 10, 1.0)]
)
def test_kish_design_effect(weights, effect):
    # from balance's documentation; a weight of 0 counts in n
    (found,) = weights_of(sums([(0, 0, w) for w in weights], 1))
    assert found.design_effect == pytest.approx(effect, rel=5e-8)
    assert found.effective_n == pytest.approx(len(weights) / found.design_effect, rel=ROUNDING)


ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 10**12)), max_size=40
)


@given(ROWS)
def test_every_metric_is_the_weighted_mean_of_its_rows(rows):
    sample = sums(rows, 5, 3)
    found = {
        "nps": weighted.nps(sample.folded((0, 2, 4, 5))),
        "csat": weighted.csat(sample, top_from=3),
        "csat reversed": weighted.csat(sample, top_from=3, reverse=True),
        "ces": weighted.ces(sample, variant="mean", origin=1),
        "net": weighted.ces(sample, variant="net", low_to=1, high_from=3),
        "agree": weighted.ces(sample, variant="agree", agree_from=2),
    }
    values = {
        "nps": (-100, -100, 0, 0, 100),
        "csat": (0, 0, 0, 100, 100),
        "csat reversed": (100, 100, 0, 0, 0),
        "ces": (1, 2, 3, 4, 5),
        "net": (-100, -100, 0, 100, 100),
        "agree": (0, 0, 100, 100, 100),
    }
    spread = weighted.distribution(sample, range(5))
    for group in range(3):
        mine = [(x, w) for g, x, w in rows if g == group]
        for name, value in values.items():
            one = found[name][group].value
            assert one.n == len(mine)
            if not any(w for _, w in mine):
                assert one.score is one.se is one.interval is None
                continue
            if len(mine) == 1:
                assert one.se is None
                continue
            mean, se = weighted_mean([value[x] for x, _ in mine], [w for _, w in mine])
            assert one.score == pytest.approx(mean, abs=FLOAT_ORACLE * 100)
            assert one.se == pytest.approx(se, abs=FLOAT_ORACLE * 100)
        if len(mine) > 1 and any(w for _, w in mine):
            mean, se = weighted_mean([x for x, _ in mine], [w for _, w in mine])
            assert spread[group].value.mean == pytest.approx(mean, abs=FLOAT_ORACLE)
            assert spread[group].value.se == pytest.approx(se, abs=FLOAT_ORACLE)
            mean, se = weighted_mean([25 * x for x, _ in mine], [w for _, w in mine])
            assert found["csat"][group].value.mean == pytest.approx(mean, abs=FLOAT_ORACLE * 100)
            assert found["csat"][group].value.mean_se == pytest.approx(se, abs=FLOAT_ORACLE * 100)


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 50), min_size=5, max_size=5), min_size=1, max_size=4),
       st.integers(1, 10**9))  # fmt: skip
def test_equal_weights_are_no_weights(counts, weight):
    n = np.array(counts)
    exact = n.astype(object)
    sample = ClassSums.of(n, exact * weight, exact * weight**2, STEP)
    classes = nps.classify(n, 2, 4)
    pairs = [
        (weighted.nps(sample.folded((0, 2, 4, 5))), nps.nps(classes)),
        (weighted.csat(sample, top_from=3), csat.csat(n, top_from=3)),
        (weighted.scorecard(sample), scorecard.scorecard(n, n.sum(axis=1), multiple=False)),
        (weighted.distribution(sample, range(5)), distribution.distribution(n, range(5))),
        (weighted.ces(sample, variant="net", low_to=1, high_from=3),
         ces.ces(n, variant="net", low_to=1, high_from=3)),
    ]  # fmt: skip
    for mine, plain in pairs:
        for one, other in zip(mine, plain, strict=True):
            answered = sum(getattr(other, name, 0) for name in ("n", "base"))
            assert one.weights.design_effect == (1.0 if answered else None)
            assert one.weights.effective_n == (answered or None)
            # Not the intervals: those of weighted means allow for weights that are not known to be
            # equal, as those of scores and shares do.
            for name in ("score", "mean", "mean_se"):
                if hasattr(other, name):
                    assert getattr(one.value, name) == getattr(other, name)
            for name in ("options", "levels"):
                for a, b in zip(
                    getattr(one.value, name, ()), getattr(other, name, ()), strict=True
                ):
                    assert (a.count, a.share) == (b.count, b.share)
                    assert getattr(a, "rank", 0) == getattr(b, "rank", 0)


def test_equal_weights_give_the_sample_variance():
    # FORMULAS: the plain score divides by n, the weighted one by n - 1.
    n = np.array([[15, 5, 80]])
    (plain,) = nps.nps(n)
    (found,) = weighted.nps(ClassSums.of(n, 3 * n, 9 * n))
    assert found.value.se == pytest.approx(plain.se * (100 / 99) ** 0.5, rel=ROUNDING)


def test_several_answers_count_on_those_who_answered():
    counts, base = np.array([[3, 2, 0]]), np.array([[4]])
    w, w2 = np.array([[9, 4, 0]]), np.array([[29, 8, 0]])
    whole = ClassSums.of(base, [[10]], [[30]])
    (found,) = weighted.scorecard(ClassSums.of(counts, w, w2), whole)
    assert [one.share for one in found.value.options] == [90.0, 40.0, 0.0]
    assert (found.value.base, found.value.selections) == (4, 5)
    assert found.weights.classes == (9.0, 4.0, 0.0)
    # four respondents of weights 4 3 2 1: the first three chose the first option
    _, se = weighted_mean([100, 100, 100, 0], [4, 3, 2, 1])
    assert found.value.options[0].se == pytest.approx(se, rel=ROUNDING)
    (same,) = weighted.distribution(ClassSums.of(counts, w, w2), None, base=whole)
    assert [one.share for one in same.value.levels] == [90.0, 40.0, 0.0]
    assert same.value.mean is None
    with pytest.raises(ValueError, match="more than those who answered"):
        weighted.scorecard(ClassSums.of([[5]], [[11]], [[31]]), whole)


# --- edge cases by name ---------------------------------------------------------------------------


def test_weights_all_zero():
    sample = sums([(0, 4, 0), (0, 0, 0)], 5)
    (found,) = weighted.nps(sample.folded((0, 2, 4, 5)))
    assert (found.value.n, found.value.score, found.value.se) == (2, None, None)
    assert found.value.interval is None
    assert found.weights.total == 0.0
    assert found.weights.design_effect is found.weights.effective_n is None


def test_a_weight_of_zero_counts_in_n_and_in_nothing_else():
    # as svydesign has it: a row of weight 0 is a row of the sample
    (with_zero,) = weighted.csat(sums([(0, 0, 3), (0, 4, 5), (0, 4, 0)], 5), top_from=3)
    (without,) = weighted.csat(sums([(0, 0, 3), (0, 4, 5)], 5), top_from=3)
    assert (with_zero.value.n, without.value.n) == (3, 2)
    assert with_zero.value.score == without.value.score
    _, se = weighted_mean([0, 100, 100], [3, 5, 0])
    assert with_zero.value.se == pytest.approx(se, rel=ROUNDING)
    assert with_zero.weights.effective_n == pytest.approx(without.weights.effective_n)


def test_one_respondent_segment():
    (found,) = weighted.nps(sums([(0, 2, 7)], 3))
    assert (found.value.n, found.value.score, found.value.se) == (1, 100.0, None)
    # one response says nothing about spread: its interval is the whole scale
    assert (found.value.interval.lower, found.value.interval.upper) == (-100.0, 100.0)
    assert found.weights.design_effect == 1.0
    (box,) = weighted.csat(sums([(0, 4, 7)], 5), top_from=3)
    assert (box.value.interval.lower, box.value.interval.upper) == (0.0, 100.0)
    assert box.value.mean_interval is None


def test_one_class_only():
    (found,) = weighted.nps(sums([(0, 2, w) for w in (1, 2, 3, 4, 5)], 3))
    assert (found.value.score, found.value.se) == (100.0, 0.0)
    assert found.value.interval.lower < 100.0


def test_no_groups_and_no_classes():
    assert weighted.nps(ClassSums.of(np.zeros((0, 3), int), np.zeros((0, 3), int),
                                     np.zeros((0, 3), int))) == []  # fmt: skip
    (found,) = weighted.scorecard(ClassSums.of([[]], [[]], [[]]))
    assert found.value.options == ()


def test_sums_beyond_64_bits():
    big = 2**60
    rows = [(0, 0, big), (0, 2, big), (0, 2, 3 * big)]
    (found,) = weighted.nps(sums(rows, 3))
    mean, se = weighted_mean([-100, 100, 100], [1, 1, 3])
    assert found.value.score == pytest.approx(mean, rel=ROUNDING)
    assert found.value.se == pytest.approx(se, rel=ROUNDING)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1]], [[1.5]], [[2]]), "integers"),
        (([[1]], [[-1]], [[1]]), "negative"),
        (([[0]], [[1]], [[1]]), "disagree"),
        (([[1]], [[1]], [[0]]), "disagree"),
        (([[1]], [[1, 2]], [[1]]), "same shape"),
    ],
)
def test_wrong_sums_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassSums.of(*arguments)


# --- coverage -------------------------------------------------------------------------------------

# Of 2,000 replications the share that holds the truth has a standard error of 0.5 points at 95 %;
# the worst of the cases measured with 20,000 is 0.929 for the net score, 0.923 for the share.
REPLICATIONS = 2000


def simulated(rng, n, shares, spread, pull):
    """Class sums of samples whose weights vary by `spread` and lean by `pull` to classes."""
    y = rng.choice(len(shares), size=(REPLICATIONS, n), p=shares)
    w = np.rint(1000 * np.array(pull)[y] * rng.lognormal(0, spread, y.shape)).astype(np.int64) + 1
    inside = y[:, :, None] == np.arange(len(shares))
    sample = ClassSums.of(
        inside.sum(axis=1), (w[:, :, None] * inside).sum(axis=1), (w[:, :, None] ** 2 * inside).sum(axis=1)
    )  # fmt: skip
    expected = np.array(shares) * pull
    return sample, expected / expected.sum()


@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize(
    ("spread", "pull"), [(0.5, (1, 1, 1)), (1.0, (1, 1, 1)), (0.3, (2, 1, 0.5))]
)
@pytest.mark.parametrize("shares", [(0.15, 0.35, 0.5), (0.15, 0.05, 0.8)])
def test_coverage_of_the_net_score(shares, spread, pull, n):
    rng = np.random.default_rng(17)
    sample, truth = simulated(rng, n, shares, spread, pull)
    score = 100 * (truth[2] - truth[0])
    held = np.mean([one.lower <= score <= one.upper for one in net_intervals(sample, 0.95)])
    assert 0.915 <= held <= 0.99


@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize(("spread", "pull"), [(0.5, (1, 1)), (1.0, (1, 1)), (0.3, (2, 0.5))])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.2, 0.8)])
def test_coverage_of_a_share(shares, spread, pull, n):
    rng = np.random.default_rng(18)
    sample, truth = simulated(rng, n, shares, spread, pull)
    held = np.mean(
        [one.lower <= 100 * truth[1] <= one.upper for one in share_intervals(sample, 0.95)]
    )
    assert 0.915 <= held <= 0.99


# --- index ----------------------------------------------------------------------------------------

RANGES, REVERSE = (4, 4, 6, 1), (False, True, False, False)
PARTS = [
    index.Part("a", 0.5, (0, 1)),
    index.Part("b", 0.3, (2,)),
    index.Part("c", 0.0, (3,)),
]
ANSWERS = st.tuples(
    st.integers(0, 1),
    st.tuples(*(st.none() | st.integers(0, top) for top in RANGES)),
    st.integers(0, 1000),
)


def pattern_sums(rows, cells=None):
    """Pattern sums of (group, answers, weight) rows."""
    found = []
    keys = sorted({g for g, _, _ in rows})
    for group in keys:
        mine = [(x, w) for g, x, w in rows if g == group]
        patterns = sorted({tuple(v is not None for v in x) for x, _ in mine})
        for pattern in patterns:
            members = [(x, w) for x, w in mine if tuple(v is not None for v in x) == pattern]
            bits = sum(1 << j for j, there in enumerate(pattern) if there)
            if not bits:
                continue
            triangles = []
            for power in (1, 2):
                total = [0] * 15
                for x, w in members:
                    ((_, one),) = by_pattern([x], 4)
                    total = [t + w**power * v for t, v in zip(total, one, strict=True)]
                triangles.append(total)
            found.append((group, bits, len(members), *triangles))
    group, bits, n, w, w2 = zip(*found, strict=True) if found else ((), (), (), (), ())
    empty = np.zeros((0, 15), dtype=object)
    return weighted_index.PatternSums.of(
        np.array(group, dtype=np.int64),
        np.array(bits, dtype=np.uint64),
        np.array(n, dtype=np.int64),
        np.array(w, dtype=object) if w else empty,
        np.array(w2, dtype=object) if w2 else empty,
    )


@settings(deadline=None, max_examples=40)
@given(st.lists(ANSWERS, max_size=25))
@pytest.mark.parametrize("policy", ["renormalise", "complete"])
def test_index_of_respondents(policy, rows):
    found = weighted_index.index(
        pattern_sums(rows), groups=2, ranges=RANGES, reverse=REVERSE, parts=PARTS, policy=policy
    )
    plain = [(part.weight, part.items) for part in PARTS]
    for group in range(2):
        scores, weights = [], []
        for g, x, w in rows:
            if g == group and (policy != "complete" or None not in x):
                score = respondent_index(scaled(x, RANGES, REVERSE), plain)
                if score is not None:
                    scores.append(score)
                    weights.append(w)
        one = found[group].value
        assert one.n == len(scores)
        if sum(weights) == 0:
            assert one.score is one.se is None
        elif len(scores) > 1:
            mean, se = weighted_mean(scores, weights)
            assert one.score == pytest.approx(mean, abs=FLOAT_ORACLE * 100)
            assert one.se == pytest.approx(se, abs=FLOAT_ORACLE * 100)
            assert found[group].weights.total == sum(weights)


@settings(deadline=None, max_examples=40)
@given(st.lists(ANSWERS, max_size=25))
def test_equal_weights_give_the_unweighted_index(rows):
    rows = [(g, x, 3) for g, x, _ in rows]
    given = pattern_sums(rows)
    for policy in index.POLICIES:
        mine = weighted_index.index(
            given, groups=2, ranges=RANGES, reverse=REVERSE, parts=PARTS, policy=policy
        )
        thirds = (given.sums // 3).astype(np.int64).reshape(-1, 15)
        plain = index.index(given.group, given.pattern, thirds, groups=2, ranges=RANGES,
                            reverse=REVERSE, parts=PARTS, policy=policy)  # fmt: skip
        for one, other in zip(mine, plain, strict=True):
            assert one.value.n == other.n
            for a, b in ((one.value, other), *zip(one.value.parts, other.parts, strict=True)):
                assert a.n == b.n
                if b.n == 0:
                    assert a.score is a.se is None
                    continue
                assert a.score == pytest.approx(b.score, rel=FLOAT_ORACLE)
                if b.n > 1:
                    assert a.se == pytest.approx(b.se, abs=FLOAT_ORACLE * 100)
            if other.n:
                assert one.weights.design_effect == pytest.approx(1.0, rel=ROUNDING)


@settings(deadline=None, max_examples=40)
@given(st.lists(ANSWERS, min_size=2, max_size=15))
def test_index_of_item_means_is_that_of_responses_written_as_often_as_they_weigh(rows):
    # A whole weight is a number of copies: the same estimate; and with sum w^2 = sum w put in by
    # hand, the same standard error too.
    rows = [(0, x, w % 4) for _, x, w in rows]
    copies = [x for _, x, w in rows for _ in range(w)]
    (found,) = weighted_index.index(
        pattern_sums(rows), groups=1, ranges=RANGES, reverse=REVERSE, parts=PARTS,
        policy="item_means",
    )  # fmt: skip
    flat = [scaled(x, RANGES, REVERSE) for x in copies]
    _, score, _ = index_of_item_means(flat, [(p.weight, p.items) for p in PARTS])
    if score is None:
        assert found.value.score is None
    else:
        assert found.value.score == pytest.approx(score, abs=FLOAT_ORACLE * 100)


def test_item_means_standard_error_by_jackknife():
    # The linearised error of a smooth statistic and the jackknife's agree but for terms in 1 / n.
    rng = np.random.default_rng(4)
    rows = []
    for _ in range(1500):
        base = rng.integers(0, 5)
        x = [int(np.clip(base + rng.integers(-1, 2), 0, top)) for top in RANGES]
        rows.append((0, tuple(v if rng.random() < 0.8 else None for v in x),
                     int(rng.integers(1, 6))))  # fmt: skip
    (found,) = weighted_index.index(
        pattern_sums(rows), groups=1, ranges=RANGES, reverse=REVERSE, parts=PARTS,
        policy="item_means",
    )  # fmt: skip
    table = np.array([[np.nan if v is None else v for v in scaled(x, RANGES, REVERSE)]
                      for _, x, _ in rows])  # fmt: skip
    w = np.array([w for _, _, w in rows], dtype=float)
    above = np.where(np.isnan(table), 0, table * w[:, None])
    below = np.where(np.isnan(table), 0, w[:, None])
    items = (above.sum(axis=0) - above) / (below.sum(axis=0) - below)
    left_out = (0.5 * items[:, :2].mean(axis=1) + 0.3 * items[:, 2]) / 0.8
    n = len(rows)
    jackknife = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    assert found.value.se == pytest.approx(jackknife, rel=5e-3)


def test_index_of_the_same_answers_has_no_spread():
    rows = [(0, (3, 1, 5, 1), w) for w in (1, 7, 9)]
    (found,) = weighted_index.index(
        pattern_sums(rows), groups=1, ranges=RANGES, reverse=REVERSE, parts=PARTS
    )
    assert found.value.se == pytest.approx(0.0, abs=ROUNDING)


def test_weighted_number_far_from_zero_keeps_its_digits():
    # 1e9 + (0, 1, 2): a float formula of raw squares would lose the spread altogether.
    values, weights = [10**9, 10**9 + 1, 10**9 + 2], [1, 2, 5]
    powers = [[[sum(w**a * x**b for w, x in zip(weights, values, strict=True))]
               for b in (0, 1, 2)] for a in (1, 2)]  # fmt: skip
    (found,) = weighted.number(
        weighted.Moments.of([3], *powers), origin=Fraction(0), step=Fraction(1)
    )
    _, se = weighted_mean([0, 1, 2], weights)
    assert found.value.se == pytest.approx(se, rel=ROUNDING)
    equal = weighted.Moments.of([3], [[6], [2 * sum(values)], [2 * sum(x * x for x in values)]],
                                [[12], [4 * sum(values)], [4 * sum(x * x for x in values)]])  # fmt: skip
    (same,) = weighted.number(equal, origin=Fraction(0), step=Fraction(1))
    (plain,) = means([3], [sum(values)], [sum(x * x for x in values)],
                     origin=Fraction(0), step=Fraction(1))  # fmt: skip
    assert (same.value.mean, same.value.sd, same.value.se) == (plain.mean, plain.sd, plain.se)


def test_complete_index_of_respondents_reference_agrees_with_itself():
    assert index_of_respondents([[1.0, None]], [(1.0, (0, 1))], complete=True) == []


def test_degrees_of_freedom_row_by_row():
    # Squared linearised values of the rows, and of one pseudo-answer at each end.
    rows = [(0, 2)] * 3 + [(1, 5)] * 4 + [(2, 1)] * 9
    sample = sums([(0, x, w) for x, w in rows], 3)
    y, w = (np.array(one, dtype=float) for one in zip(*rows, strict=True))
    y /= 2.0
    omega = (w * w).sum() / w.sum()
    y, w = np.append(y, [0.0, 1.0]), np.append(w, [omega, omega])
    squares = (w * (y - (w * y).sum() / w.sum())) ** 2
    wanted = 2.0 * squares.sum() ** 2 / (squares**2).sum()
    assert degrees_of_freedom(sample, (0.0, 0.5, 1.0)) == pytest.approx([wanted], rel=ROUNDING)


def test_a_weighted_share_is_bounded_by_a_score_test():
    sample = sums([(0, 0, 2)] * 5 + [(0, 1, 3)] * 20, 2)
    (interval,) = share_intervals(sample, 0.95)
    t2 = stats.t.ppf(0.975, degrees_of_freedom(sample, (0.0, 1.0))[0]) ** 2
    found = sample.estimate((0, 1))
    p, n = found.mean[0], 25 / weights_of(sample)[0].design_effect
    near = (n * p + 1) / (n + 2)
    spread = n * (n * found.se2[0] + (p - near) ** 2) + near**2 + (1 - near) ** 2
    like = near * (1 - near) * (n + 2) ** 2 / spread - 2
    for bound in (interval.lower / 100, interval.upper / 100):
        assert (p - bound) ** 2 == pytest.approx(t2 * bound * (1 - bound) / like, rel=1e-9)
