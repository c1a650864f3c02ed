"""NIST Statistical Reference Datasets: certified values, counted in agreeing digits."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cxstream.analytics.distribution import number_distribution
from cxstream.analytics.regression import fit
from tests.analytics.tolerances import CERTIFIED_DIGITS
from tests.reference.statistics import triangle

DATA = Path(__file__).parents[1] / "data" / "nist_strd"
CERTIFIED = json.loads((DATA / "certified.json").read_text())


def columns(name):
    lines = (DATA / f"{name}.csv").read_text().split()
    rows = [[Fraction(cell) for cell in line.split(",")] for line in lines[1:]]
    return [list(column) for column in zip(*rows, strict=True)]


def coded(values, origin):
    """Codes and step of exact decimal values."""
    step = Fraction(1, math.lcm(*(v.denominator for v in values)))
    return [int((v - origin) / step) for v in values], step


def digits(found, certified):
    """-log10 of the relative error, or of the absolute one for a certified 0."""
    exact = Fraction(certified)
    error = abs(Fraction(found) - exact) / (abs(exact) or 1)
    return 16.0 if error == 0 else -math.log10(error)


@pytest.mark.parametrize("name", sorted(CERTIFIED["univariate"]))
def test_univariate(name):
    expected = CERTIFIED["univariate"][name]
    (values,) = columns(name)
    origin = min(values)
    codes, step = coded(values, origin)
    (found,) = number_distribution(
        [len(codes)], [sum(codes)], [sum(c * c for c in codes)], origin=origin, step=step
    )
    assert found.n == expected["n"]
    assert digits(found.mean, expected["mean"]) >= CERTIFIED_DIGITS
    assert digits(found.sd, expected["sd"]) >= CERTIFIED_DIGITS


def test_numacc3_with_uncentred_codes():
    (values,) = columns("NumAcc3")
    codes = [int(v * 10) for v in values]
    (found,) = number_distribution(
        [len(codes)],
        [sum(codes)],
        [sum(c * c for c in codes)],
        origin=Fraction(0),
        step=Fraction(1, 10),
    )
    assert found.mean == 1000000.2
    assert found.sd == 0.1


def fitted(name):
    y, *x = columns(name)
    expected = CERTIFIED["linear"][name]
    intercept = "B0" in expected["coef"]
    if len(x) == 1:
        x = [[v**power for v in x[0]] for power in range(1, expected["params"] + (not intercept))]
    # Codes count from the smallest value, and from zero in a fit through zero.
    origins = [min(column) if intercept else Fraction(0) for column in [*x, y]]
    codes, steps = zip(*map(coded, [*x, y], origins), strict=True)
    width = len(codes)
    table = np.array([triangle(list(zip(*codes, strict=True)), width)], dtype=object)
    (result,) = fit(
        table,
        origins=origins,
        steps=steps,
        names=[*(f"x{j}" for j in range(1, width)), "y"],
        outcome=width - 1,
        drivers=range(width - 1),
        intercept=intercept,
    )
    return result, expected


@pytest.mark.parametrize("name", sorted(CERTIFIED["linear"]))
def test_linear(name):
    found, expected = fitted(name)
    assert (found.status, found.n) == ("ok", expected["n"])
    assert len(found.terms) == expected["params"]
    for term, b, se in zip(
        found.terms, expected["coef"].values(), expected["se"].values(), strict=True
    ):
        assert digits(term.coefficient, b) >= CERTIFIED_DIGITS
        assert digits(term.se, se) >= CERTIFIED_DIGITS
    assert digits(found.r2, expected["r_squared"]) >= CERTIFIED_DIGITS
    assert digits(found.sigma, expected["residual_sd"]) >= CERTIFIED_DIGITS
    assert digits(found.rss, expected["residual_ss"]) >= CERTIFIED_DIGITS
    assert found.df_model == int(expected["regression_df"])
    assert found.df_resid == int(expected["residual_df"])
    if expected["F"] == "Infinity":
        assert found.rss == 0.0
        assert found.r2 == found.adj_r2 == 1.0
        assert found.f is found.f_p is None
        for term in found.terms:
            assert (term.se, term.t, term.p) == (0.0, None, None)
            assert term.interval.lower == term.interval.upper == term.coefficient
    else:
        assert digits(found.f, expected["F"]) >= CERTIFIED_DIGITS


@pytest.mark.parametrize("name", ["NoInt1", "NoInt2"])
def test_origins_count_in_a_fit_through_zero(name):
    y, x = columns(name)
    table = np.array([triangle([(int(b) - 50, int(a) + 7) for a, b in zip(y, x, strict=True)], 2)])
    (shifted,) = fit(
        table,
        origins=[50, -7],
        steps=[1, 1],
        names=["x", "y"],
        outcome=1,
        drivers=[0],
        intercept=False,
    )
    plain, _ = fitted(name)
    assert shifted.terms[0].coefficient == plain.terms[0].coefficient
    assert (shifted.rss, shifted.r2, shifted.f) == (plain.rss, plain.r2, plain.f)
