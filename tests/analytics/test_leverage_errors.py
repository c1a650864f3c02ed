"""HC2 and HC3 from distinct rows, against the rows themselves."""

from fractions import Fraction

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cxstream.analytics.leverage_errors import KINDS, by_leverage
from tests.analytics.sums_of_rows import model
from tests.analytics.tolerances import FLOAT_ORACLE

#: The oracles invert X'X of columns far from 0, in float64.
INVERTED = 1e-7


def distinct(*groups):
    """Distinct rows, how many there are of each, and whose they are."""
    found = [np.unique(codes, axis=0, return_counts=True) for codes in groups]
    owner = np.repeat(np.arange(len(groups)), [len(rows) for rows, _ in found])
    rows = np.concatenate([one for one, _ in found])
    return rows, np.concatenate([one for _, one in found]), owner


def of_rows(codes, **options):
    (found,) = by_leverage(*distinct(codes), groups=1, **options)
    return found


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 4), st.integers(6, 60), st.booleans(), st.sampled_from(KINDS),
    st.integers(0, 10**6),
)  # fmt: skip
def test_against_statsmodels(k, extra, intercept, kind, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (k + extra, k + 1))
    origins, steps = [Fraction(1, 2)] * (k + 1), [Fraction(1, 2)] * k + [Fraction(3)]
    origins[-1] = Fraction(-3)
    values = codes * np.array(steps, dtype=float) + np.array(origins, dtype=float)
    x, y = values[:, :k], values[:, k]
    design = sm.add_constant(x, has_constant="add") if intercept else x
    assume(np.linalg.cond(design) < 1e3 and np.ptp(y) > 0)
    hat = design @ np.linalg.pinv(design)
    assume(np.diag(hat).max() < 1 - 1e-6)
    oracle = sm.OLS(y, design).fit(cov_type=kind, use_t=True)
    assume(oracle.ssr > 1e-9)
    options = {"kind": kind, "origins": origins, "steps": steps, "intercept": intercept}
    found = of_rows(codes, **model(k + 1, **options))
    assert (found.status, found.errors, found.n) == ("ok", kind, len(codes))
    close = {"rel": INVERTED, "abs": 1e-10}
    assert [t.coefficient for t in found.terms] == pytest.approx(list(oracle.params), **close)
    assert [t.se for t in found.terms] == pytest.approx(list(oracle.bse), **close)
    assert [t.p for t in found.terms] == pytest.approx(list(oracle.pvalues), abs=1e-7)
    bounds = oracle.conf_int()
    assert [t.interval.lower for t in found.terms] == pytest.approx(list(bounds[:, 0]), **close)
    assert [t.interval.upper for t in found.terms] == pytest.approx(list(bounds[:, 1]), **close)
    assert {t.df for t in found.terms} == {oracle.df_resid}
    if intercept:
        assert found.f == pytest.approx(oracle.fvalue, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("intercept", [True, False])
def test_degrees_of_freedom_are_those_of_the_quadratic_form(kind, intercept):
    """Of e'Ue with e = Me: (tr MU)^2 / tr (MU)^2, the n by n matrices written out."""
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 3, (40, 4))
    design = codes[:, :3].astype(float)
    if intercept:
        design = sm.add_constant(design)
    coefficients = np.linalg.pinv(design)
    hat = design @ coefficients
    left, residual = 1 - np.diag(hat), np.eye(40) - hat
    by_name = {
        name: of_rows(codes, **model(4, kind=kind, interval=name, intercept=intercept)).terms
        for name in ("student_t", "satterthwaite", "bell_mccaffrey")
    }
    for place, a in enumerate(coefficients):
        form = np.diag(a**2 / left ** (1 if kind == "HC2" else 2)) @ residual
        df = np.trace(form) ** 2 / np.trace(form @ form)
        mine = by_name["satterthwaite"][place]
        assert mine.df == pytest.approx(df, rel=FLOAT_ORACLE)
        # HC2 is right on average, HC3 too large: there is nothing to enlarge.
        mean = np.trace(form) / (a**2).sum()
        assert mean == pytest.approx(1.0) if kind == "HC2" else mean > 1.0
        other = by_name["bell_mccaffrey"][place]
        assert (other.df, other.se, other.p) == pytest.approx((mine.df, mine.se, mine.p))
        assert other.interval.upper == pytest.approx(mine.interval.upper)
        assert by_name["student_t"][place].df == 40 - len(coefficients) > mine.df


def test_groups_are_fitted_by_themselves():
    rng = np.random.default_rng(1)
    parts = [rng.integers(0, 5, (n, 3)) for n in (30, 4, 50)]
    empty = np.zeros((0, 3), dtype=np.int64)
    found = by_leverage(*distinct(parts[0], empty, *parts[1:]), groups=4, kind="HC3", **model(3))
    assert [one.n for one in found] == [30, 0, 4, 50]
    assert [one.status for one in found][:2] == ["ok", "too_few_rows"]
    for place, part in ((0, parts[0]), (3, parts[2])):
        assert found[place] == of_rows(part, **model(3, kind="HC3"))


def test_columns_far_from_zero_lose_nothing():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 5, (60, 3))
    near, far = (
        of_rows(codes + moved, **model(3, kind="HC3", origins=[0] * 3)) for moved in (0, 2**40)
    )
    for one, other in zip(near.terms[1:], far.terms[1:], strict=True):
        assert other.se == pytest.approx(one.se, rel=FLOAT_ORACLE)
        assert other.df == pytest.approx(one.df)


@pytest.mark.parametrize("kind", KINDS)
def test_a_response_that_alone_decides_a_coefficient(kind):
    codes = np.array([[0, 1], [0, 2], [0, 4], [0, 3], [1, 3]])
    found = of_rows(codes, **model(2, kind=kind))
    assert (found.status, found.errors, found.n, found.terms) == ("saturated", kind, 5, ())
    assert kind in found.message
    # Two of them fit each other, no more.
    assert of_rows(np.vstack([codes, [1, 1]]), **model(2, kind=kind)).status == "ok"


def test_an_exact_fit_has_errors_of_zero():
    codes = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [1, 2]])
    found = of_rows(codes, **model(2, kind="HC3", interval="bell_mccaffrey"))
    assert [(t.se, t.t, t.p) for t in found.terms] == [(0.0, None, None)] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "HC1"}, "HC1"),
        ({"interval": "z"}, "no interval 'z'"),
        ({"group": [1, 0]}, "in order"),
        ({"group": [0, 1]}, r"0\.\.0"),
        ({"group": [0]}, "its group"),
        ({"counts": [1, 0]}, "below 1"),
    ],
)
def test_refused(change, message):
    given_rows = {"rows": [[0, 1], [1, 0]], "counts": [1, 1], "group": [0, 0], "groups": 1}
    with pytest.raises(ValueError, match=message):
        by_leverage(**(given_rows | model(2, kind="HC2") | change))
