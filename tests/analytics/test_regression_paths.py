"""The two ways a regression goes, 31 digits and whole numbers, give the same bits."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxstream.analytics import regression
from cxstream.analytics.regression import Fits, estimate_arrays, fit, fit_arrays
from tests.analytics.test_nist import CERTIFIED, coded, columns
from tests.analytics.test_regression import ATTITUDE, SWISS
from tests.reference.statistics import triangle


def both_ways(sums, monkeypatch, **how):
    """Return the fits, those in whole numbers alone, and how many were settled without."""
    found = fit_arrays(sums, **how)
    with monkeypatch.context() as patched:
        patched.setattr(regression, "_EXACT_MAX", 0.0)
        exact = fit_arrays(sums, **how)
    assert len(exact.by_hand) == len(sums)
    return found, exact, len(sums) - len(found.by_hand)


def same(found: Fits, exact: Fits):
    assert found.rows() == exact.rows()
    for name in Fits.__dataclass_fields__:
        one, other = getattr(found, name), getattr(exact, name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, err_msg=name)


def described(width, origins=None, steps=None, **more):
    return {
        "origins": origins or [0] * width,
        "steps": steps or [1] * width,
        "names": [*(f"x{j}" for j in range(1, width)), "y"],
        "outcome": width - 1,
        "drivers": range(width - 1),
    } | more


def groups_of(rng, groups, rows, drivers, noise):
    out = []
    for _ in range(groups):
        mood = rng.normal(size=(rows, 1))
        x = np.clip(np.rint(2 + mood + noise * rng.normal(size=(rows, drivers))), 0, 4)
        y = np.clip(np.rint(5 + 2 * x.mean(axis=1) - 4 + rng.normal(size=rows)), 0, 10)
        table = np.column_stack([np.ones(rows), x, y]).astype(np.int64)
        out.append((table.T @ table)[np.triu_indices(drivers + 2)])
    return np.array(out)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("drivers", "rows"), [(1, 8), (2, 40), (6, 300), (10, 200)])
def test_ratings(monkeypatch, drivers, rows, intercept):
    sums = groups_of(np.random.default_rng(drivers), 40, rows, drivers, noise=1.0)
    how = described(drivers + 1, [1] * drivers + [0], intercept=intercept)
    found, exact, settled = both_ways(sums, monkeypatch, **how)
    same(found, exact)
    # Nearly all; small groups have coefficients of exactly 0, which whole numbers alone know.
    assert settled > 30


@pytest.mark.parametrize("noise", [1e-1, 1e-2, 1e-3])
def test_hardly_independent_drivers(monkeypatch, noise):
    rng = np.random.default_rng(7)
    base = rng.integers(0, 1000, (200, 1))
    x = (1000 * base + noise * 1000 * rng.normal(size=(200, 4))).astype(np.int64)
    y = x.sum(axis=1) // 100 + rng.integers(0, 50, 200)
    sums = np.array([triangle(np.column_stack([x, y]).tolist(), 5)])
    found, exact, _ = both_ways(sums, monkeypatch, **described(5))
    same(found, exact)


@pytest.mark.parametrize("name", sorted(CERTIFIED["linear"]))
def test_nist(monkeypatch, name):
    y, *x = columns(name)
    codes, steps = zip(*(coded(one, min(one)) for one in [*x, y]), strict=True)
    sums = np.array([triangle(list(zip(*codes, strict=True)), len(codes))], dtype=object)
    if max(map(abs, sums[0])) < 2**63:
        sums = sums.astype(np.int64)
    how = described(
        len(codes),
        [min(one) // step * step for one, step in zip([*x, y], steps, strict=True)],
        list(steps),
    )
    found, exact, _ = both_ways(sums, monkeypatch, **how)
    same(found, exact)


def test_attitude_and_swiss(monkeypatch):
    for sums, steps in ((ATTITUDE, [1] * 7), (SWISS, [Fraction(1, 100)] * 6)):
        how = described(len(steps), steps=steps)
        found, exact, settled = both_ways(np.array([sums]), monkeypatch, **how)
        same(found, exact)
        assert settled == 1


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_small_table(data):
    """Degenerate ones, too: constants, duplicates, perfect fits, too few rows."""
    width = data.draw(st.integers(2, 5))
    cell = st.integers(0, data.draw(st.sampled_from([1, 4, 10])))
    tables = data.draw(
        st.lists(st.lists(st.tuples(*[cell] * width), max_size=14), min_size=1, max_size=4)
    )
    sums = np.array([triangle(rows, width) for rows in tables])
    fraction = st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(1, 100), Fraction(3)])
    steps = [data.draw(fraction) for _ in range(width)]
    origins = [step * data.draw(st.integers(-5, 5)) for step in steps]
    how = described(width, origins, steps, intercept=data.draw(st.booleans()))
    with pytest.MonkeyPatch.context() as monkeypatch:
        found, exact, _ = both_ways(sums, monkeypatch, **how)
    same(found, exact)


@pytest.mark.parametrize("intercept", [True, False])
def test_weights(monkeypatch, intercept):
    rng = np.random.default_rng(6)
    rows = np.concatenate([np.ones((20, 50, 1)), rng.integers(0, 5, (20, 50, 4))], axis=2)
    weights = rng.integers(0, 3_000_000, (20, 50, 1))
    sums = (rows * weights).transpose(0, 2, 1) @ rows
    left, right = np.triu_indices(5)
    how = described(4, intercept=intercept, responses=[50] * 20, weight_step=Fraction(1, 1_000_000))
    sums = sums[:, left, right].astype(np.int64)
    found, exact, settled = both_ways(sums, monkeypatch, **how)
    same(found, exact)
    assert settled > 15
    # Weights are no responses.
    assert found.df_resid[0] == 50 - 3 - intercept


def test_the_way_depends_on_the_sums_alone(monkeypatch):
    sums = groups_of(np.random.default_rng(3), 12, 9, 3, noise=1.0)
    how = described(4)
    together = fit_arrays(sums, **how)
    for place in range(len(sums)):
        alone = fit_arrays(sums[place : place + 1], **how)
        assert bool(alone.by_hand) == (place in together.by_hand)
        assert alone.rows() == [together.rows()[place]]
    shuffled = fit_arrays(sums[::-1], **how)
    assert shuffled.rows() == together.rows()[::-1]


@pytest.mark.parametrize(
    "change",
    [
        {"origins": [0, 2**40, 0]},
        {"origins": [0, 0, -(2**40)]},
        {"steps": [Fraction(1, 3**20), 1, 1]},
        {"steps": [1, 1, 2**30]},
    ],
)
def test_what_is_too_large_goes_by_whole_numbers(monkeypatch, change):
    sums = groups_of(np.random.default_rng(5), 3, 30, 2, noise=1.0)
    found, exact, settled = both_ways(sums, monkeypatch, **described(3) | change)
    same(found, exact)
    assert settled == 0


def test_unsigned_sums():
    sums = groups_of(np.random.default_rng(5), 3, 30, 2, noise=1.0)
    assert fit(sums.astype(np.uint64), **described(3)) == fit(sums, **described(3))


def test_sums_beyond_64_bits_beside_small_ones(monkeypatch):
    small = groups_of(np.random.default_rng(5), 1, 30, 2, noise=1.0)[0].tolist()
    large = triangle([(10**12 + a, b * 10**11, a * b + a) for a, b in np.ndindex(4, 5)], 3)
    sums = np.array([small, large], dtype=object)
    found, exact, _ = both_ways(sums, monkeypatch, **described(3))
    same(found, exact)
    assert [one.status for one in found.rows()] == ["ok", "ok"]


def test_arrays_of_groups_without_a_fit_are_nan():
    sums = np.array([triangle([(1, 2)], 2), triangle([(1, 2), (2, 3), (4, 4), (6, 9)], 2)])
    found = fit_arrays(sums, **described(2))
    assert found.ok.tolist() == [False, True]
    assert found.terms == ("const", "x1")
    for name in ("coefficient", "se", "t", "p", "lower", "upper", "beta", "vif"):
        one = getattr(found, name)
        assert np.isnan(one[0]).all() and np.isfinite(one[1]).all(), name
    assert [one.status for one in fit(sums, **described(2))] == ["too_few_rows", "ok"]


@pytest.mark.parametrize("intercept", [True, False])
def test_estimates_are_those_of_the_fits(intercept):
    rng = np.random.default_rng(11)
    # Some are left to whole numbers, the last has no fit.
    sums = np.vstack([groups_of(rng, 20, rows, 2, noise=1.0) for rows in (5, 60)])
    sums[-1] = 0
    how = described(3, intercept=intercept)
    found, fits = estimate_arrays(sums, **how), fit_arrays(sums, **how)
    assert fits.by_hand
    assert found.terms == fits.terms
    for name in ("n", "coefficient", "se", "r2"):
        np.testing.assert_array_equal(getattr(found, name), getattr(fits, name), err_msg=name)
