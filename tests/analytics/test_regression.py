from fractions import Fraction

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats.outliers_influence import variance_inflation_factor

from cxstream.analytics.regression import fit
from tests.analytics.tolerances import FLOAT_ORACLE, ROUNDING
from tests.reference.statistics import triangle

# Sums of products (not the data) of two tables every R installation carries, and what R 4.2.2
# prints for them: `attitude` (Chatterjee and Price), rating on the rest, and `swiss` (Mosteller
# and Tukey), Fertility on the rest, in hundredths.
ATTITUDE = [
    30, 1998, 1594, 1691, 1939, 2243, 1288, 1939,
    138208, 108798, 115325, 131824, 150101, 86673, 133017,
    89036, 91903, 104669, 119695, 69689, 104866,
    99311, 111561, 126821, 74462, 111879,
    128459, 146097, 85029, 127490,
    170541, 97136, 145519,
    58368, 83811,
    129621,
]  # fmt: skip
SWISS = [
    47, 238100, 77500, 51600, 193376, 93730, 329670,
    1443472200, 335391000, 197161000, 1154390600, 472980300, 1716172000,
    157070000, 109730000, 231206800, 153336000, 513996000,
    99180000, 183920700, 101624000, 325260000,
    1595698410, 395447450, 1467507710,
    190824100, 664418000,
    2384169100,
]  # fmt: skip


def test_swiss():
    names = ["Agriculture", "Examination", "Education", "Catholic", "Infant.Mortality", "Fertility"]
    (found,) = fit(
        np.array([SWISS]),
        origins=[0] * 6,
        steps=[Fraction(1, 100)] * 6,
        names=names,
        outcome=5,
        drivers=range(5),
    )
    assert (found.status, found.message, found.n) == ("ok", "", 47)
    assert [t.term for t in found.terms] == ["const", *names[:5]]
    # Printed with 13 to 15 digits.
    coefficients = [
        66.9151816789687, -0.1721139709415, -0.2580082398347, -0.8709400629394, 0.1041153307438,
        1.0770481406910,
    ]  # fmt: skip
    errors = [
        10.7060375853304, 0.0703039231786, 0.2538782008921, 0.1830286015713, 0.0352578525362,
        0.3817196508581,
    ]  # fmt: skip
    assert [t.coefficient for t in found.terms] == pytest.approx(coefficients, rel=1e-12)
    assert [t.se for t in found.terms] == pytest.approx(errors, rel=1e-12)
    assert found.r2 == pytest.approx(0.706735001592726, rel=1e-14)
    assert found.sigma == pytest.approx(7.165368832, abs=5e-10)
    assert found.f == pytest.approx(19.7610592622, abs=5e-11)
    assert (found.df_model, found.df_resid) == (5, 41)


def test_attitude():
    names = ["complaints", "privileges", "learning", "raises", "critical", "advance", "rating"]
    (found,) = fit(
        np.array([ATTITUDE]), origins=[0] * 7, steps=[1] * 7, names=names, outcome=6,
        drivers=range(6),
    )  # fmt: skip
    assert found.r2 == pytest.approx(0.732601992531149, rel=1e-14)
    assert found.sigma == pytest.approx(7.067993764996682, rel=1e-14)
    first = found.terms[1]
    assert first.term == "complaints"
    assert first.vif == pytest.approx(2.667060308257849, rel=FLOAT_ORACLE)
    assert first.beta == pytest.approx(0.6707252044117279, rel=FLOAT_ORACLE)
    assert first.p == pytest.approx(0.000902867884012263, rel=FLOAT_ORACLE)


def check(found, y, x, names, intercept, confidence):
    design = sm.add_constant(x, has_constant="add") if intercept else x
    # Said, not guessed: of a driver that happens to be constant it would take R2 about the mean.
    oracle = sm.OLS(y, design, hasconst=intercept).fit()
    close = {"rel": 1e-7, "abs": 1e-8}
    assert found.status == "ok"
    assert [t.term for t in found.terms] == (["const"] if intercept else []) + names
    assert [t.coefficient for t in found.terms] == pytest.approx(list(oracle.params), **close)
    assert [t.se for t in found.terms] == pytest.approx(list(oracle.bse), **close)
    assert [t.t for t in found.terms] == pytest.approx(list(oracle.tvalues), **close)
    assert [t.p for t in found.terms] == pytest.approx(list(oracle.pvalues), **close)
    bounds = oracle.conf_int(alpha=1 - confidence)
    assert [t.interval.lower for t in found.terms] == pytest.approx(list(bounds[:, 0]), **close)
    assert [t.interval.upper for t in found.terms] == pytest.approx(list(bounds[:, 1]), **close)
    assert found.r2 == pytest.approx(oracle.rsquared, **close)
    assert found.adj_r2 == pytest.approx(oracle.rsquared_adj, **close)
    assert found.rss == pytest.approx(oracle.ssr, rel=1e-7)
    assert found.sigma == pytest.approx(oracle.scale**0.5, rel=1e-7)
    assert found.f == pytest.approx(oracle.fvalue, **close)
    assert found.f_p == pytest.approx(oracle.f_pvalue, **close)
    assert (found.df_model, found.df_resid) == (oracle.df_model, oracle.df_resid)
    if intercept:
        assert found.terms[0].beta is found.terms[0].vif is None
        for j, term in enumerate(found.terms[1:], start=1):
            beta = oracle.params[j] * design[:, j].std() / y.std()
            assert term.beta == pytest.approx(beta, **close)
            assert term.vif == pytest.approx(variance_inflation_factor(design, j), **close)
    else:
        assert all(t.beta is t.vif is None for t in found.terms)


@settings(deadline=None)
@given(
    st.integers(1, 5),
    st.integers(2, 60),
    st.booleans(),
    st.integers(0, 10**6),
    st.sampled_from([0.8, 0.95]),
)
def test_against_statsmodels(k, extra, intercept, seed, confidence):
    rng = np.random.default_rng(seed)
    n = k + extra
    codes = rng.integers(0, 11, size=(n, k + 1))
    origins = [Fraction(int(v)) / 2 for v in rng.integers(-4, 5, size=k + 1)]
    steps = [Fraction(1, 2)] * (k + 1)
    values = codes * 0.5 + np.array([float(o) for o in origins])
    # The outcome is column 0 here, and the drivers come in reverse.
    drivers = list(range(k, 0, -1))
    x, y = values[:, drivers], values[:, 0]
    design = sm.add_constant(x, has_constant="add") if intercept else x
    assume(np.linalg.cond(design) < 1e4)
    assume(sm.OLS(y, design).fit().ssr > 1e-6)
    assume(np.ptp(y) > 0)
    names = [f"q{j}" for j in range(k + 1)]
    (found,) = fit(
        np.array([triangle(codes.tolist(), k + 1)]),
        origins=origins,
        steps=steps,
        names=names,
        outcome=0,
        drivers=drivers,
        intercept=intercept,
        confidence=confidence,
    )
    check(found, y, x, [names[j] for j in drivers], intercept, confidence)


def run(rows, **more):
    width = len(rows[0]) if rows else more.pop("width")
    arguments = {
        "origins": [0] * width,
        "steps": [1] * width,
        "names": [f"x{j}" for j in range(1, width)] + ["y"],
        "outcome": width - 1,
        "drivers": range(width - 1),
    }
    (found,) = fit(np.array([triangle(rows, width)]), **(arguments | more))
    return found


def refused(found, status, n):
    assert (found.status, found.n, found.terms) == (status, n, ())
    statistics = (
        found.r2, found.adj_r2, found.sigma, found.f, found.f_p, found.df_model, found.df_resid,
        found.rss,
    )  # fmt: skip
    assert statistics == (None,) * 8


def test_too_few_rows():
    rows = [(1, 2, 3), (2, 2, 5), (4, 1, 1)]
    for n in range(4):
        found = run(rows[:n], width=3) if n == 0 else run(rows[:n])
        refused(found, "too_few_rows", n)
    assert "3 coefficients" in run(rows).message
    assert run([*rows, (0, 5, 2)]).status == "ok"
    refused(run(rows[:2], intercept=False), "too_few_rows", 2)
    assert run(rows, intercept=False).status == "ok"


def test_constant_outcome():
    rows = [(1, 2, 3), (2, 2, 3), (4, 1, 3), (0, 5, 3)]
    found = run(rows)
    refused(found, "constant_outcome", 4)
    assert "y" in found.message
    assert run(rows, intercept=False).status == "ok"
    refused(run([(*r[:2], 0) for r in rows], intercept=False), "constant_outcome", 4)


RNG = np.random.default_rng(11)
BASE = RNG.integers(0, 11, size=(30, 3)).tolist()


@pytest.mark.parametrize("intercept", [True, False])
def test_duplicated_driver(intercept):
    found = run([(a, b, a, c) for a, b, c in BASE], intercept=intercept)
    refused(found, "collinear", 30)
    assert found.message == "exact linear dependency among x1, x3"


def test_collinear_drivers_are_named():
    found = run([(a, b, 2 * a + 3 * b + 1, 7, c, c * c) for a, b, c in BASE])
    refused(found, "collinear", 30)
    assert found.message == "no variation in x4; exact linear dependency among x1, x2, x3"
    # Through zero, the constants take part.
    found = run([(a, b, 2 * a + 3 * b + 1, 7, c, c * c) for a, b, c in BASE], intercept=False)
    refused(found, "collinear", 30)
    assert found.message == "exact linear dependency among x1, x2, x3, x4"


def test_driver_without_variation():
    found = run([(a, 5, c) for a, _, c in BASE])
    refused(found, "collinear", 30)
    assert found.message == "no variation in x2"
    assert run([(a, 5, c) for a, _, c in BASE], intercept=False).status == "ok"
    found = run([(a, 0, c) for a, _, c in BASE], intercept=False)
    assert found.message == "no variation in x2"


def test_nearly_collinear_is_still_solved_exactly():
    # x2 = 10^6 x1 but for one unit in one row: hopeless in float64 normal equations
    rows = [(a, 10**6 * a + (i == 0), 3 * a + 5 * (i == 0)) for i, (a, *_) in enumerate(BASE)]
    found = run(rows)
    # y = 3 x1 + 5 (x2 - 10^6 x1)
    assert [t.coefficient for t in found.terms] == [0.0, 3 - 5e6, 5.0]
    assert found.rss == 0.0


def test_perfect_fit():
    found = run([(a, b, 2 * a - b + 20) for a, b, _ in BASE])
    assert found.status == "ok"
    assert [t.coefficient for t in found.terms] == [20.0, 2.0, -1.0]
    assert [(t.se, t.t, t.p) for t in found.terms] == [(0.0, None, None)] * 3
    assert (found.r2, found.adj_r2, found.sigma, found.rss) == (1.0, 1.0, 0.0, 0.0)
    assert found.f is found.f_p is None


def test_unrelated_driver_has_coefficient_zero():
    found = run([(0, 0), (0, 1), (1, 0), (1, 1)])
    slope = found.terms[1]
    assert (slope.coefficient, slope.t, slope.p, slope.beta) == (0.0, 0.0, 1.0, 0.0)
    assert (found.r2, found.f, found.f_p) == (0.0, 0.0, 1.0)


def test_many_groups_and_integers_of_any_size():
    big = 10**15
    rows = [[big + a, big + 2 * b, big + c] for a, b, c in BASE]
    sums = np.array([triangle(rows, 3), triangle(BASE, 3)], dtype=object)
    names = ["a", "b", "c"]
    shifted, plain = fit(
        sums, origins=[0] * 3, steps=[1, 1, 1], names=names, outcome=2, drivers=[0, 1]
    )
    assert shifted.terms[1].coefficient == plain.terms[1].coefficient
    assert shifted.terms[2].coefficient == plain.terms[2].coefficient / 2
    assert shifted.r2 == plain.r2
    assert [t.t for t in shifted.terms[1:]] == pytest.approx(
        [t.t for t in plain.terms[1:]], rel=ROUNDING
    )
    assert fit(sums[:0], origins=[0] * 3, steps=[1] * 3, names=names, outcome=2, drivers=[0]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drivers": []}, "at least one driver"),
        ({"drivers": [0, 0]}, "different columns"),
        ({"drivers": [0, 2]}, "different columns"),
        ({"drivers": [3]}, "columns 0..2"),
        ({"origins": [0]}, "same length"),
        ({"steps": [1, 0, 1]}, "must not be 0"),
        ({"origins": [Fraction(1, 2), 0, 0]}, "whole number of steps"),
        ({"confidence": 95}, "strictly between"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(ValueError, match=message):
        run(BASE, **change)


def test_sums_are_checked():
    more = {"origins": [0, 0], "steps": [1, 1], "names": ["x", "y"], "outcome": 1, "drivers": [0]}
    with pytest.raises(ValueError, match="integers"):
        fit(np.ones((1, 6)), **more)
    with pytest.raises(ValueError, match="shape"):
        fit(np.ones((1, 5), dtype=np.int64), **more)


def test_many_drivers_over_many_rows():
    # Determinants and minors are beyond what a float can hold.
    rng = np.random.default_rng(3)
    rows, width = 3000, 61
    x = rng.integers(0, 1000, (rows, width)).astype(np.int64)
    x[:, -1] = x[:, :-1].sum(axis=1) // 8 - 2 * x[:, 5] + rng.integers(0, 500, rows)
    table = np.column_stack([np.ones(rows, dtype=np.int64), x])
    (found,) = fit(
        (table.T @ table)[np.triu_indices(width + 1)][None, :], origins=[0] * width,
        steps=[1] * width, names=[f"x{n}" for n in range(width)], outcome=width - 1,
        drivers=range(width - 1),
    )  # fmt: skip
    expected = sm.OLS(x[:, -1], sm.add_constant(x[:, :-1])).fit()
    assert found.status == "ok"
    assert [t.coefficient for t in found.terms] == pytest.approx(expected.params, rel=1e-6)
    spread = x[:, :-1].std(axis=0) / x[:, -1].std()
    betas = [t.beta for t in found.terms[1:]]
    assert betas == pytest.approx(expected.params[1:] * spread, rel=1e-6)
    assert betas[5] < 0 < betas[4]
