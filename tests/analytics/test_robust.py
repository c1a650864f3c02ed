import math
from dataclasses import replace
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from cxstream.analytics import robust
from cxstream.analytics.regression import fit
from cxstream.analytics.robust import clustered, heteroscedastic
from tests.analytics.sums_of_rows import model, products, published
from tests.analytics.tolerances import FLOAT_ORACLE, ROUNDING

#: The hat matrix of rows far from 0, in float64.
LEVER = 1e-6


def agree(found, oracle, factor=1.0):
    """Everything that rests on the covariance of the coefficients."""
    assert [t.coefficient for t in found.terms] == pytest.approx(list(oracle.params), rel=1e-7)
    close = {"rel": 1e-7, "abs": 1e-12}
    assert [t.se for t in found.terms] == pytest.approx(list(oracle.bse * factor), **close)
    if factor == 1.0:
        assert [t.p for t in found.terms] == pytest.approx(list(oracle.pvalues), abs=1e-8)
        bounds = oracle.conf_int()
        assert [t.interval.lower for t in found.terms] == pytest.approx(list(bounds[:, 0]), 1e-7)
        assert [t.interval.upper for t in found.terms] == pytest.approx(list(bounds[:, 1]), 1e-7)
    assert found.f == pytest.approx(oracle.fvalue / factor**2, rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4), st.integers(6, 60), st.booleans(), st.booleans(), st.integers(0, 10**6))
def test_against_statsmodels(k, extra, intercept, weighted, seed):
    rng = np.random.default_rng(seed)
    n = k + extra
    codes = rng.integers(0, 6, (n, k + 1))
    weights = rng.integers(1, 9, n) if weighted else np.ones(n, dtype=np.int64)
    clusters = rng.integers(0, 5 + k, n)
    origins, steps = [Fraction(1, 2)] * (k + 1), [Fraction(1, 2)] * k + [Fraction(3)]
    origins[-1] = Fraction(-3)
    values = codes * np.array(steps, dtype=float) + np.array(origins, dtype=float)
    x, y = values[:, :k], values[:, k]
    design = sm.add_constant(x, has_constant="add") if intercept else x
    assume(np.linalg.cond(design) < 1e3 and np.ptp(y) > 0)
    oracle = sm.WLS(y, design, weights=weights / 10)
    assume(oracle.fit().ssr > 1e-3)
    assume((oracle.fit(cov_type="HC0").bse > 1e-4).all())
    given_sums = [products(codes, 2, weights)]
    shared = model(k + 1, origins=origins, steps=steps, intercept=intercept)
    more = {"responses": [n], "weight_step": Fraction(1, 10)}
    for kind in ("HC0", "HC1", "design"):
        (found,) = heteroscedastic(
            given_sums, [products(codes, 4, weights)], kind=kind, **shared, **more
        )
        assert (found.status, found.n, found.errors) == ("ok", n, kind)
        name = "HC0" if kind == "design" else kind
        agree(
            found,
            oracle.fit(cov_type=name, use_t=True),
            (n / (n - 1)) ** 0.5 if kind == "design" else 1.0,
        )
    (plain,) = fit(given_sums, **shared, **more)
    expected = oracle.fit()
    assert [t.se for t in plain.terms] == pytest.approx(list(expected.bse), rel=1e-7)
    assert plain.sigma == pytest.approx(expected.scale**0.5, rel=1e-7)
    assert plain.adj_r2 == pytest.approx(expected.rsquared_adj, abs=1e-8)
    if len(set(clusters)) <= k + intercept + 1:
        return
    own = [clusters == c for c in np.unique(clusters)]
    sums = [products(codes[one], 2, weights[one]) for one in own]
    by_weight = {"responses": [int(one.sum()) for one in own], "weight_step": Fraction(1, 10)}
    (found,) = clustered(
        sums, [0] * len(sums), groups=1, **shared, **(by_weight if weighted else {})
    )
    expected = oracle.fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    assume((expected.bse > 1e-4).all())
    assert (found.errors, found.clusters) == ("cluster", len(sums))
    assume(found.f is not None)
    # Under survey weights Taylor's factor, which has clusters only.
    width = k + intercept
    agree(found, expected, ((n - width) / (n - 1)) ** 0.5 if weighted else 1.0)


@pytest.mark.parametrize(
    "name, errors",
    [
        (
            "swiss",
            [10.285739942877074, 0.06376496144360906, 0.24541160812006446, 0.18599005827654505,
             0.03054755034022781, 0.4063337867382043],
        ),
        (
            "attitude",
            [13.976395541209117, 0.11830965024969445, 0.12022246461084053, 0.1531319415764475,
             0.1622235708293551, 0.1702853876160577, 0.16096792296044776],
        ),
    ],
)  # fmt: skip
def test_published_hc1(name, errors):
    sums, fourth, table = published(name)
    p = len(table["columns"])
    (found,) = heteroscedastic(
        sums, fourth, kind="HC1", origins=table["origins"], steps=table["steps"],
        names=table["columns"], outcome=p - 1, drivers=range(p - 1),
    )  # fmt: skip
    assert [t.se for t in found.terms] == pytest.approx(errors, rel=FLOAT_ORACLE)


def test_weights_of_one_change_nothing_but_the_factor():
    rows = np.random.default_rng(2).integers(0, 5, (40, 4))
    sums, fourth = [products(rows, 2)], [products(rows, 4)]
    (hc0,) = heteroscedastic(sums, fourth, kind="HC0", **model(4))
    (design,) = heteroscedastic(sums, fourth, kind="design", **model(4), responses=[40])
    assert [t.se for t in design.terms] == pytest.approx(
        [t.se * (40 / 39) ** 0.5 for t in hc0.terms], rel=ROUNDING
    )
    # A scale of weights is no information.
    (tenfold,) = heteroscedastic(
        [[10 * v for v in sums[0]]], [[100 * v for v in fourth[0]]], kind="design", **model(4),
        responses=[40],
    )  # fmt: skip
    assert [t.se for t in tenfold.terms] == pytest.approx(
        [t.se for t in design.terms], rel=ROUNDING
    )


@pytest.mark.parametrize("kind", ["HC0", "HC1", "design"])
def test_floats_and_whole_numbers_agree(kind, monkeypatch):
    rng = np.random.default_rng(8)
    latent = rng.normal(size=(30, 80, 1))
    rows = np.clip(np.rint(2 + latent + rng.normal(size=(30, 80, 5))), 0, 4).astype(int)
    # A driver that is nearly another: what bounds cannot vouch for goes through whole numbers.
    rows[0, :, 1] = rows[0, :, 0]
    rows[0, 0, 1] = 4 - rows[0, 0, 1]
    # None varies in one group, and there are too few rows in another.
    rows[1, :, 2] = 3
    rows[2, 5:] = 0
    weights = rng.integers(0, 50, (30, 80))
    sums = [products(one, 2, weight) for one, weight in zip(rows, weights, strict=True)]
    fourth = [products(one, 4, weight) for one, weight in zip(rows, weights, strict=True)]
    how = {**model(5), "kind": kind, "responses": [80] * 30, "weight_step": Fraction(1, 10)}
    found = heteroscedastic(sums, fourth, **how)
    monkeypatch.setattr(robust, "_ROUNDING_MAX", 0.0)
    exact = heteroscedastic(sums, fourth, **how)
    for one, other in zip(found, exact, strict=True):
        assert replace(one, terms=(), f=None, f_p=None) == replace(
            other, terms=(), f=None, f_p=None
        )
        assert (one.f is None) == (other.f is None)
        if one.f is not None:
            assert one.f == pytest.approx(other.f, rel=ROUNDING)
            assert one.f_p == pytest.approx(other.f_p, rel=FLOAT_ORACLE)
        for term, same in zip(one.terms, other.terms, strict=True):
            assert term.coefficient == same.coefficient
            assert term.se == pytest.approx(same.se, rel=ROUNDING)
            assert term.interval.lower == pytest.approx(same.interval.lower, rel=FLOAT_ORACLE)


def test_conditioning_does_not_matter():
    # Years and populations: what a float64 design matrix loses, whole numbers keep.
    rng = np.random.default_rng(4)
    rows = rng.integers(0, 50, (30, 3))
    rows[:, 1] = rows[:, 0] * 1000 + rng.integers(0, 3, 30)
    moved = [[a + 10**9, b + 10**12, c] for a, b, c in rows.tolist()]

    def sums(table, order):
        full = [[1, *row] for row in table]
        return np.array(
            [
                [
                    sum(math.prod(row[j] for j in chosen) for row in full)
                    for chosen in combinations_with_replacement(range(4), order)
                ]
            ],
            dtype=object,
        )

    near, far = (
        heteroscedastic(sums(one, 2), sums(one, 4), kind="HC1", **model(3))[0]
        for one in (rows.tolist(), moved)
    )
    assert [t.se for t in far.terms[1:]] == [t.se for t in near.terms[1:]]


def test_perfect_fit_has_no_error():
    rows = [(a, b, 2 * a - b + 20) for a, b in np.random.default_rng(1).integers(0, 9, (20, 2))]
    (found,) = heteroscedastic([products(rows, 2)], [products(rows, 4)], kind="HC1", **model(3))
    assert found.status == "ok"
    assert [(t.se, t.t, t.p) for t in found.terms] == [(0.0, None, None)] * 3
    assert found.f is found.f_p is None


def test_one_cluster_is_too_few():
    rows = np.random.default_rng(1).integers(0, 9, (20, 3))
    empty = [[0] * 10]
    (found,) = clustered([products(rows, 2), *empty], [0, 0], groups=1, **model(3))
    assert (found.status, found.clusters, found.terms) == ("too_few_clusters", 1, ())
    assert "1 cluster" in found.message


def test_groups_are_apart_and_statuses_those_of_the_fit():
    rng = np.random.default_rng(8)
    rows = rng.integers(0, 9, (60, 3))
    apart = [rows[:20], rows[20:40], rows[40:]]
    sums = [products(one, 2) for one in apart]
    both, empty, alone = clustered(sums, [2, 0, 0], groups=3, **model(3))
    assert (both.clusters, both.n, empty.status, empty.n) == (2, 40, "too_few_rows", 0)
    assert alone.status == "too_few_clusters"
    twice = [(a, a, b) for a, _, b in rows.tolist()]
    (found,) = heteroscedastic([products(twice, 2)], [products(twice, 4)], kind="HC0", **model(3))
    assert (found.status, found.errors) == ("collinear", "HC0")


def test_refusals():
    rows = np.random.default_rng(8).integers(0, 9, (20, 3))
    sums, fourth = [products(rows, 2)], [products(rows, 4)]
    with pytest.raises(ValueError, match="HC3"):
        heteroscedastic(sums, fourth, kind="HC3", **model(3))
    with pytest.raises(ValueError, match="shape"):
        heteroscedastic(sums, sums, kind="HC0", **model(3))
    with pytest.raises(ValueError, match="same groups"):
        heteroscedastic(sums, fourth * 2, kind="HC0", **model(3))
    with pytest.raises(ValueError, match=r"0\.\.0"):
        clustered(sums, [1], groups=1, **model(3))
    with pytest.raises(ValueError, match="its group"):
        clustered(sums, [0, 0], groups=1, **model(3))


def satterthwaite(x, weights):
    """Degrees of freedom of every coefficient's variance, and what it falls short of, from the rows."""
    k = x.shape[1]
    inverse = np.linalg.inv(x.T @ (weights[:, None] * x))
    h = np.einsum("ni,ij,nj->n", x, inverse, x)
    found = []
    for j in range(k):
        a = x @ inverse[j]
        q, lever = (weights * a**2).sum(), (weights**2 * a**2 * h).sum()
        four = (weights**2 * a**4).sum()
        # All pairs of rows, one by one.
        pairs = (weights**2 * a**2) @ (x @ inverse @ x.T) ** 2 @ (weights**2 * a**2)
        df = (q - lever) ** 2 / (four - 2 * (four / q) ** 2 + pairs)
        exact = (q - lever) ** 2 / (four - 2 * (weights**3 * a**4 * h).sum() + pairs)
        assert df <= exact * (1 + FLOAT_ORACLE)
        found.append((min(max(df, 1.0), len(x) - k), q / (q - lever)))
    return np.array(found).T


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_satterthwaite_against_the_rows(weighted, intercept, monkeypatch):
    rng = np.random.default_rng(11)
    n, k = 40, 3
    for skewed in (False, True):
        codes = rng.choice(5, (n, k + 1), p=[0.1, 0.1, 0.1, 0.2, 0.5] if skewed else [0.2] * 5)
        weights = rng.integers(1, 6, n) if weighted else np.ones(n, dtype=np.int64)
        given_sums = [products(codes, 2, weights)], [products(codes, 4, weights)]
        shared = model(k + 1, intercept=intercept, responses=[n])
        x = np.column_stack([np.ones(n), codes[:, :k]]) if intercept else codes[:, :k].astype(float)
        expected, shortfall = satterthwaite(x, weights.astype(float))
        (plain,) = heteroscedastic(*given_sums, kind="design", **shared)
        # The variance has the factor n / (n - 1) already, and is never made smaller.
        larger = np.sqrt(np.maximum(shortfall * (n - 1) / n, 1.0))
        found = []
        for bound in (robust._ROUNDING_MAX, 0.0):
            monkeypatch.setattr(robust, "_ROUNDING_MAX", bound)
            for method, by in (("satterthwaite", np.ones(len(larger))), ("bell_mccaffrey", larger)):
                one = heteroscedastic(*given_sums, kind="design", interval=method, **shared)[0]
                found.append((method, by, one))
        for method, by, one in found:
            for term, before, df, more in zip(one.terms, plain.terms, expected, by, strict=True):
                assert (term.se, term.t) == pytest.approx((before.se, before.t), rel=ROUNDING)
                assert term.interval.method == method
                assert term.df == pytest.approx(df, rel=FLOAT_ORACLE)
                reach = (term.interval.upper - term.interval.lower) / 2 / term.se
                assert reach == pytest.approx(more * stats.t.ppf(0.975, df), rel=FLOAT_ORACLE)
                assert term.p == pytest.approx(2 * stats.t.sf(abs(term.t) / more, df), rel=1e-8)
            fewest = expected[int(intercept) :].min()
            assert one.f_p == pytest.approx(stats.f.sf(one.f, k, fewest), rel=1e-8)


def test_a_coefficient_of_one_row_has_one_degree_of_freedom():
    """A driver that is 1 in one row alone: its variance is of that row, which it fits exactly."""
    rows = np.random.default_rng(4).integers(0, 5, (30, 3))
    rows[:, 0] = 0
    rows[7, 0] = 1
    sums, fourth = [products(rows, 2)], [products(rows, 4)]
    (found,) = heteroscedastic(sums, fourth, kind="HC1", interval="satterthwaite", **model(3))
    (plain,) = heteroscedastic(sums, fourth, kind="HC1", **model(3))
    assert [one.se for one in found.terms] == pytest.approx([one.se for one in plain.terms])
    term = found.terms[1]
    reach = (term.interval.upper - term.interval.lower) / 2
    assert reach == pytest.approx(term.se * stats.t.ppf(0.975, 1), rel=1e-6)


def bell_mccaffrey(x, y, weights, clusters):
    """Variances and degrees of freedom of CR2, from the hat matrix of the rows."""
    root = np.sqrt(weights)[:, None]
    x, y = root * x, root[:, 0] * y
    inverse = np.linalg.inv(x.T @ x)
    hat = x @ inverse @ x.T
    left = np.eye(len(x)) - hat
    b = inverse @ x.T @ y
    own = [np.flatnonzero(clusters == c) for c in np.unique(clusters)]
    parts, columns = [], []
    for at in own:
        values, vectors = np.linalg.eigh(left[np.ix_(at, at)])
        known = values > 1e-9
        power = np.where(known, np.where(known, values, 1.0) ** -0.5, 0.0)
        adjust = (vectors * power) @ vectors.T
        parts.append(inverse @ x[at].T @ adjust @ (y - x @ b)[at])
        columns.append(left[:, at] @ adjust @ x[at] @ inverse)
    variance = (np.array(parts) ** 2).sum(axis=0)
    freedom = []
    for j in range(x.shape[1]):
        g = np.array([one[:, j] for one in columns])
        freedom.append(np.trace(g @ g.T) ** 2 / ((g @ g.T) ** 2).sum())
    return variance, np.array(freedom)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("alone", [False, True])
def test_bell_mccaffrey_by_cluster_against_the_rows(weighted, intercept, alone):
    rng = np.random.default_rng(21)
    n, k = 90, 3
    codes = rng.choice(5, (n, k + 1), p=[0.1, 0.1, 0.1, 0.2, 0.5])
    clusters = rng.integers(0, 12, n)
    if alone:
        # One cluster decides the last coefficient: none of its residuals is left in that direction.
        codes[:, k - 1] = clusters == 3
    weights = rng.integers(1, 6, n) if weighted else np.ones(n, dtype=np.int64)
    own = [clusters == c for c in np.unique(clusters)]
    sums = [products(codes[one], 2, weights[one]) for one in own]
    origins = [Fraction(1000 if intercept else 3), *[Fraction(3)] * k]
    steps = [Fraction(1, 2), *[Fraction(3)] * k]
    shared = model(k + 1, intercept=intercept, origins=origins, steps=steps)
    shared |= {"responses": [int(one.sum()) for one in own]} if weighted else {}
    values = codes * np.array(steps, dtype=float) + np.array(origins, dtype=float)
    x = np.column_stack([np.ones(n), values[:, :k]]) if intercept else values[:, :k]
    variance, freedom = bell_mccaffrey(x, values[:, k], weights.astype(float), clusters)
    found = {
        how: clustered(sums, [0] * len(sums), groups=1, interval=how, **shared)[0]
        for how in robust.REFERENCES
    }
    df = np.clip(freedom, 1.0, len(own) - 1.0)
    errors = [term.se for term in found["student_t"].terms]
    wide = np.maximum(np.sqrt(variance), errors)
    assert (wide > errors).any()
    for how, error in (("satterthwaite", errors), ("bell_mccaffrey", wide)):
        terms = found[how].terms
        assert [term.se for term in terms] == errors
        assert [term.df for term in terms] == pytest.approx(list(df), rel=LEVER)
        half = stats.t.ppf(0.975, df) * error
        assert [one.interval.upper - one.coefficient for one in terms] == pytest.approx(
            list(half), rel=LEVER
        )
        assert {one.interval.method for one in terms} == {how}
        p = 2 * stats.t.sf([abs(one.coefficient) for one in terms] / np.array(error), df)
        assert [one.p for one in terms] == pytest.approx(list(p), rel=LEVER)
    assert {term.df for term in found["student_t"].terms} == {len(own) - 1.0}


def test_an_interval_by_cluster_that_is_not_known():
    rows = np.random.default_rng(8).integers(0, 9, (20, 3))
    with pytest.raises(ValueError, match="no interval"):
        clustered([products(rows, 2)], [0], groups=1, interval="wald", **model(3))


def test_clusters_add_up_to_more_than_64_bits_hold():
    """Weights in steps of 2^-50: each cluster fits, all of them do not."""
    rng = np.random.default_rng(9)
    rows = rng.integers(0, 6, (60, 3))
    parts = [rows[at : at + 5] for at in range(0, 60, 5)]
    heavy = np.array([products(one, 2, np.full(5, 2**53)) for one in parts], dtype=np.int64)
    plain = [products(one, 2) for one in parts]
    assert int(np.abs(heavy).max()) * len(parts) > 2**63
    shared = model(3, responses=[5] * len(parts))
    (found,) = clustered(
        heavy, [0] * len(parts), groups=1, weight_step=Fraction(1, 2**53), **shared
    )
    (wanted,) = clustered(plain, [0] * len(parts), groups=1, **shared)
    assert [one.se for one in found.terms] == pytest.approx([one.se for one in wanted.terms])
    assert found.r2 == pytest.approx(wanted.r2)
