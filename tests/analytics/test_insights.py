from fractions import Fraction

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from cxstream.analytics.corrections import adjust
from cxstream.analytics.insights import insights
from tests.analytics.tolerances import FLOAT_ORACLE, ROUNDING

NAMES = ("food", "clean", "staff", "wifi")


def tables(groups, dtype=np.int64):
    """Pairwise-complete n, sum, sum of squares and cross products, from raw rows."""
    p = len(NAMES)
    n, s, q, c = (np.zeros((len(groups), p, p), dtype=dtype) for _ in range(4))
    for g, rows in enumerate(groups):
        for row in rows:
            for i in range(p):
                for j in range(p):
                    if row[i] is not None and row[j] is not None:
                        n[g, i, j] += 1
                        s[g, i, j] += row[i]
                        q[g, i, j] += row[i] ** 2
                        c[g, i, j] += row[i] * row[j]
    return n, s, q, c


CELL = st.none() | st.integers(0, 10)
ROWS = st.lists(st.tuples(CELL, CELL, CELL, CELL), max_size=25)


@settings(deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=3), st.sampled_from(["holm", "benjamini_hochberg"]))
def test_against_statsmodels(groups, correction):
    found = insights(*tables(groups), names=NAMES, correction=correction)
    for rows, answer in zip(groups, found, strict=True):
        assert len(answer) == 12
        for row in answer:
            i, j = NAMES.index(row.x), NAMES.index(row.y)
            pairs = [(r[i], r[j]) for r in rows if r[i] is not None and r[j] is not None]
            assert row.n == len(pairs)
            x, y = (
                (np.array(v, dtype=float) for v in zip(*pairs, strict=True)) if pairs else ((), ())
            )
            if len(pairs) < 3:
                assert row.status == "too_few_rows"
            elif np.ptp(x) == 0:
                assert row.status == "constant_x"
            elif np.ptp(y) == 0:
                assert row.status == "constant_y"
            if row.status not in ("ok", "exact_fit"):
                values = (row.slope, row.se, row.r, row.t, row.p, row.p_adjusted)
                assert values == (None,) * 6
                continue
            oracle = sm.OLS(y, sm.add_constant(x)).fit()
            assert row.slope == pytest.approx(oracle.params[1], rel=FLOAT_ORACLE, abs=FLOAT_ORACLE)
            r = np.corrcoef(x, y)[0, 1]
            assert row.r == pytest.approx(r, rel=FLOAT_ORACLE, abs=FLOAT_ORACLE)
            assert -1.0 <= row.r <= 1.0
            if row.status == "exact_fit":
                assert abs(row.r) == 1.0
                assert (row.se, row.t, row.p, row.p_adjusted) == (0.0, None, None, None)
                continue
            assert row.se == pytest.approx(oracle.bse[1], rel=FLOAT_ORACLE)
            assert row.t == pytest.approx(oracle.tvalues[1], rel=FLOAT_ORACLE, abs=FLOAT_ORACLE)
            assert row.p == pytest.approx(oracle.pvalues[1], rel=FLOAT_ORACLE, abs=FLOAT_ORACLE)
        tested = [row for row in answer if row.p is not None]
        if tested:
            method = "holm" if correction == "holm" else "fdr_bh"
            expected = multipletests([row.p for row in tested], method=method)[1]
            assert [row.p_adjusted for row in tested] == pytest.approx(list(expected), rel=ROUNDING)


def rank(row):
    if row.t is not None:
        return (1, -abs(row.t), row.x, row.y)
    return (0 if row.status == "exact_fit" else 2, 0.0, row.x, row.y)


@settings(deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_order_is_strongest_first_and_independent_of_rows(rows, random):
    (found,) = insights(*tables([rows]), names=NAMES)
    assert list(found) == sorted(found, key=rank)
    random.shuffle(rows)
    assert insights(*tables([rows]), names=NAMES) == [found]


def test_one_outcome():
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 11, size=(50, 4)).tolist()
    (answer,) = insights(*tables([rows]), names=NAMES, outcome=1)
    assert sorted(row.x for row in answer) == ["food", "staff", "wifi"]
    assert {row.y for row in answer} == {"clean"}
    (all_pairs,) = insights(*tables([rows]), names=NAMES)
    same = {row.x: row.p for row in all_pairs if row.y == "clean"}
    assert {row.x: row.p for row in answer} == same
    # A smaller family, a milder correction.
    wide = {row.x: row.p_adjusted for row in all_pairs if row.y == "clean"}
    assert all(row.p_adjusted <= wide[row.x] for row in answer)


def test_named_statuses():
    rows = [(a, 3, 2 * a, None) for a in range(5)] + [(None, None, None, 1)] * 2
    (answer,) = insights(*tables([rows]), names=NAMES)
    status = {(row.x, row.y): row.status for row in answer}
    assert status["food", "staff"] == status["staff", "food"] == "exact_fit"
    assert status["clean", "food"] == "constant_x"
    assert status["food", "clean"] == "constant_y"
    assert status["food", "wifi"] == "too_few_rows"
    slope = {(row.x, row.y): row.slope for row in answer}
    assert (slope["food", "staff"], slope["staff", "food"]) == (2.0, 0.5)
    assert [row.status for row in answer[:2]] == ["exact_fit"] * 2


def test_nobody_answered():
    (answer,) = insights(*tables([[]]), names=NAMES)
    assert {row.status for row in answer} == {"too_few_rows"}
    assert {row.n for row in answer} == {0}


def test_steps_scale_the_slope_alone():
    rng = np.random.default_rng(4)
    rows = rng.integers(0, 11, size=(50, 4)).tolist()
    steps = [Fraction(1, 100), 1, 1, 1]
    (plain,) = insights(*tables([rows]), names=NAMES)
    (priced,) = insights(*tables([rows]), names=NAMES, steps=steps)
    for a, b in zip(plain, priced, strict=True):
        factor = 100 if a.x == "food" else 1 / 100 if a.y == "food" else 1
        assert b.slope == pytest.approx(factor * a.slope, rel=ROUNDING)
        assert b.se == pytest.approx(factor * a.se, rel=ROUNDING)
        assert (b.t, b.r, b.p, b.p_adjusted) == (a.t, a.r, a.p, a.p_adjusted)


def test_sums_beyond_64_bits():
    rows = [
        (10**14 + a, 10**14 + b, c, d)
        for a, b, c, d in ((1, 2, 3, 4), (2, 2, 5, 1), (9, 4, 1, 1), (4, 7, 2, 3))
    ]
    small = [(a - 10**14, b - 10**14, c, d) for a, b, c, d in rows]
    assert insights(*tables([rows], dtype=object), names=NAMES) == insights(
        *tables([small]), names=NAMES
    )


@pytest.mark.parametrize("correction", ["holm", "benjamini_hochberg"])
def test_correction_of_nothing(correction):
    assert adjust(np.zeros(0), correction).tolist() == []


def test_refusals():
    good = tables([[]])
    with pytest.raises(ValueError, match="holm, benjamini_hochberg"):
        insights(*good, names=NAMES, correction="bonferroni")
    with pytest.raises(ValueError, match="shape"):
        insights(*good, names=NAMES[:3])
    with pytest.raises(ValueError, match="integers"):
        insights(good[0] * 1.0, *good[1:], names=NAMES)
    with pytest.raises(ValueError, match="outcome"):
        insights(*good, names=NAMES, outcome=4)
    with pytest.raises(ValueError, match="steps"):
        insights(*good, names=NAMES, steps=[1, 1, 0, 1])
