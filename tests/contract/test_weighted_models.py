"""Models under raked weights, and errors by cluster under survey weights, beside the rows one by one."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

import cxstream_client as cx
from tests.reference.survey import influence, raked, residuals, taylor

#: Raking stops at 1e-9 of a share.
STOPPED = 1e-6
#: QR of float64 rows.
FLOAT_ORACLE = 1e-9

QUESTIONS = ["food", "staff", "room", "recommend"]
PROGRAM: dict[str, Any] = {
    "questions": {name: {"kind": "rating", "scale": [1, 5]} for name in QUESTIONS},
    "dimensions": {name: {"max_levels": 20} for name in ("area", "age", "shift", "home")},
    "weight": {"column": "w", "step": 0.5},
    "models": {
        "all": {"outcome": "recommend", "drivers": QUESTIONS[:3], "robust": True},
        "items": {"outcome": "room", "drivers": QUESTIONS[:2], "robust": True},
    },
    "insights": {"questions": QUESTIONS},
    "views": [{"by": ["area", "age", "shift"]}, {"by": ["area", "age", "shift", "home"]}],
}
RAKE = {"area": {"A": 30, "B": 70}, "age": {"young": 0.6, "old": 0.4}}


@dataclasses.dataclass
class Rows:
    """300 responses; a few without an answer, a weight or a home."""

    n: int = 300

    def __post_init__(self) -> None:
        rng = np.random.default_rng(8)
        self.area = rng.choice(["A", "B"], self.n, p=[0.6, 0.4])
        self.age = rng.choice(["young", "old"], self.n)
        self.shift = rng.choice(["mo", "tu"], self.n)
        self.home = rng.choice([f"h{k}" for k in range(12)], self.n)
        mood = rng.normal(size=(self.n, 1)) + (self.area == "A")[:, None] * 0.7
        mood += rng.normal(size=12)[[int(one[1:]) for one in self.home]][:, None] * 0.5
        spread = np.array([1.0, 0.8, 1.3, 0.6])
        self.codes = np.clip(np.rint(3 + mood + spread * rng.normal(size=(self.n, 4))), 1, 5)
        self.w = rng.integers(1, 9, self.n) / 2
        self.without = rng.random(self.n) < 0.03
        self.homeless = rng.random(self.n) < 0.03
        self.blank = rng.random(self.n) < 0.05

    def table(self, at: np.ndarray[Any, Any]) -> dict[str, list[Any]]:
        given = {name: self.codes[:, k] for k, name in enumerate(QUESTIONS)}
        made: dict[str, list[Any]] = {
            name: [int(value) for value in column[at]] for name, column in given.items()
        }
        made["room"] = [
            None if blank else value
            for blank, value in zip(self.blank[at], made["room"], strict=True)
        ]
        for name in ("area", "age", "shift", "home"):
            made[name] = [str(value) for value in getattr(self, name)[at]]
        made["home"] = [
            None if lost else value
            for lost, value in zip(self.homeless[at], made["home"], strict=True)
        ]
        made["w"] = [
            None if lost else float(value)
            for lost, value in zip(self.without[at], self.w[at], strict=True)
        ]
        return made


ROWS = Rows()


def load(client: cx.Client, name: str, *parts: np.ndarray[Any, Any]) -> str:
    client.put_program({**PROGRAM, "name": name})
    with client.append(name, producer="p") as stream:
        for part in parts:
            stream.send(ROWS.table(part))
    return name


def fitted(w: Any, x: Any, y: Any) -> Any:
    """Coefficients of least squares under any weights, complex ones too."""
    return np.linalg.solve((x.T * w) @ x, (x.T * w) @ y)


def shares(w: Any, codes: Any) -> Any:
    """LMG as the formula is printed, of the last column."""
    p = codes.shape[1] - 1
    mean = (w @ codes) / w.sum()
    s = ((codes - mean).T * w) @ (codes - mean)

    def explained(some: list[int]) -> Any:
        r = s[some, p]
        return r @ np.linalg.solve(s[np.ix_(some, some)], r) / s[p, p] if some else 0.0

    found = []
    for j in range(p):
        others = [k for k in range(p) if k != j]
        total = 0.0
        for size in range(p):
            share = factorial(size) * factorial(p - 1 - size) / factorial(p)
            for some in combinations(others, size):
                total += share * (explained([*some, j]) - explained(list(some)))
        found.append(total)
    return np.array(found)


def alpha(w: Any, codes: Any) -> Any:
    k = codes.shape[1]
    mean = (w @ codes) / w.sum()
    s = ((codes - mean).T * w) @ (codes - mean)
    return k / (k - 1) * (1 - np.trace(s) / s.sum())


class Raked:
    """Everybody's raked weights, and the errors of statistics of some."""

    def __init__(self, declared: bool) -> None:
        base = ROWS.w if declared else np.ones(ROWS.n)
        self.there = ~ROWS.without if declared else np.ones(ROWS.n, dtype=bool)
        self.levels = [
            [["A", "B"].index(x) for x in ROWS.area[self.there]],
            [["young", "old"].index(x) for x in ROWS.age[self.there]],
        ]
        weights = raked(base[self.there].tolist(), self.levels, [[30, 70], [0.6, 0.4]], 100)
        self.w, self.base = np.array(weights), base[self.there]

    def domain(self, shift: str) -> np.ndarray[Any, Any]:
        inside: np.ndarray[Any, Any] = ((ROWS.shift == shift) & ~ROWS.blank)[self.there]
        return inside

    def errors(self, statistic: Any, inside: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Errors of a statistic of weights and answers of some, with the domain's n / (n - 1)."""
        codes = ROWS.codes[self.there][inside]
        values = np.zeros((len(np.atleast_1d(statistic(self.w[inside], codes))), len(self.w)))
        values[:, inside] = influence(lambda w: statistic(w, codes), self.w[inside].tolist())
        left = residuals(values, self.base.tolist(), self.levels)
        n, everybody = inside.sum(), len(self.w)
        factor = (n / (n - 1)) / (everybody / (everybody - 1))
        found: np.ndarray[Any, Any] = taylor(left, self.w.tolist()) * np.sqrt(factor)
        return found


@pytest.mark.parametrize("declared", [True, False])
def test_raked_models_are_those_of_raked_rows(
    client: cx.Client, unique: str, declared: bool
) -> None:
    name = load(client, unique, np.arange(ROWS.n))
    how: dict[str, Any] = {
        "weighting": "declared" if declared else "none",
        "rake": RAKE,
        "by": "shift",
    }
    weights = Raked(declared)
    fits = client.regression(name, "all", **how)
    importance = client.drivers(name, "all", **how)
    found = client.reliability(name, QUESTIONS[:3], **how)
    pairs = client.insights(name, outcome="recommend", **how)
    assert fits.explanation.raking.converged
    for shift in ("mo", "tu"):
        inside = weights.domain(shift)
        w, codes = weights.w[inside], ROWS.codes[weights.there][inside]
        n = int(inside.sum())
        x, y = np.column_stack([np.ones(n), codes[:, :3]]), codes[:, 3]

        fit = fits.row(shift=shift)
        assert (fit.n, fit.errors) == (n, "design")
        assert fit.weights.total == pytest.approx(w.sum(), rel=STOPPED)
        coefficients = [term.coefficient for term in fit.terms]
        assert coefficients == pytest.approx(list(fitted(w, x, y)), rel=STOPPED)
        errors = weights.errors(
            lambda w, c: fitted(w, np.column_stack([np.ones(len(c)), c[:, :3]]), c[:, 3]), inside
        )
        assert [term.se for term in fit.terms] == pytest.approx(list(errors), rel=STOPPED)

        row = importance.row(shift=shift)
        assert [one.lmg for one in row.drivers] == pytest.approx(
            list(shares(w, codes)), rel=STOPPED
        )
        # Of regressions n - p - 1 are left, not n - 1.
        wanted = weights.errors(shares, inside) * np.sqrt((n - 1) / (n - 4))
        assert [one.se for one in row.drivers] == pytest.approx(list(wanted), rel=STOPPED)
        means = weights.errors(lambda w, c: (w @ c[:, :3]) / w.sum() * 25, inside)
        assert [one.performance_se for one in row.drivers] == pytest.approx(
            list(means), rel=STOPPED
        )

        one = found.row(shift=shift)
        assert one.alpha == pytest.approx(alpha(w, codes[:, :3]), rel=STOPPED)
        (wanted,) = weights.errors(lambda w, c: alpha(w, c[:, :3]), inside)
        # Covariances are divided by n - 1.
        assert one.se == pytest.approx(wanted * (n - 1) / n, rel=STOPPED)

        for k, driver in enumerate(QUESTIONS[:3]):
            (pair,) = [one for one in pairs.row(shift=shift).pairs if one.x == driver]
            slopes = weights.errors(
                lambda w, c, k=k: fitted(w, np.column_stack([np.ones(len(c)), c[:, k]]), c[:, 3]),
                inside,
            )
            assert pair.se == pytest.approx(slopes[1], rel=STOPPED)
    lost = {"incomplete", "weight"} if declared else {"incomplete"}
    assert set(fits.row(shift="mo").dropped) == lost


def test_a_raked_model_of_a_constant_alone_is_the_raked_mean(
    client: cx.Client, unique: str
) -> None:
    """The mean of the outcome, at the drivers' means, is what `distribution` says of who answered all."""
    name = load(client, unique, np.flatnonzero(~ROWS.blank))
    how: dict[str, Any] = {"weighting": "declared", "rake": RAKE}
    row = client.drivers(name, "all", **how)[0]
    for driver in row.drivers:
        mean = client.distribution(name, driver.driver, **how)[0]
        assert driver.performance == pytest.approx(25 * (mean.mean - 1), rel=FLOAT_ORACLE)
        assert driver.performance_se == pytest.approx(25 * mean.se, rel=FLOAT_ORACLE)


def test_targets_of_zero_leave_cells_out(client: cx.Client, unique: str) -> None:
    name = load(client, unique, np.arange(ROWS.n))
    rake = {"area": {"A": 1, "B": 0}}
    fit = client.regression(name, "all", weighting="declared", rake=rake)[0]
    kept = client.regression(name, "all", weighting="declared", where={"area": "A"})[0]
    assert fit.n == kept.n
    assert fit.dropped["target 0"] > 0
    assert [one.coefficient for one in fit.terms] == pytest.approx(
        [one.coefficient for one in kept.terms], rel=FLOAT_ORACLE
    )


def test_weighted_errors_by_cluster(client: cx.Client, unique: str) -> None:
    name = load(client, unique, np.arange(ROWS.n))
    how = {"cluster": "home", "weighting": "declared", "by": "shift"}
    found = client.regression(name, "all", errors="cluster", interval="student_t", **how)
    wider = client.regression(name, "all", errors="cluster", **how)
    for shift in ("mo", "tu"):
        inside = (ROWS.shift == shift) & ~ROWS.blank & ~ROWS.without & ~ROWS.homeless
        codes, w, home = ROWS.codes[inside], ROWS.w[inside], ROWS.home[inside]
        n, k = len(codes), 4
        oracle = sm.WLS(codes[:, 3], sm.add_constant(codes[:, :3]), weights=w).fit(
            cov_type="cluster",
            cov_kwds={"groups": np.unique(home, return_inverse=True)[1]},
            use_t=True,
        )
        row = found.row(shift=shift)
        clusters = len(set(home))
        assert (row.n, row.clusters, row.errors) == (n, clusters, "cluster")
        assert row.weights.total == pytest.approx(w.sum())
        assert row.dropped["weight"] == ((ROWS.shift == shift) & ROWS.without).sum()
        no_home = (ROWS.shift == shift) & ~ROWS.without & ROWS.homeless
        assert row.dropped["no_cluster"] == no_home.sum()
        assert (ROWS.shift == shift).sum() == n + sum(row.dropped.values())
        assert [one.coefficient for one in row.terms] == pytest.approx(
            list(oracle.params), rel=FLOAT_ORACLE
        )
        # Taylor's factor has clusters only.
        factor = np.sqrt((n - k) / (n - 1))
        assert [one.se for one in row.terms] == pytest.approx(
            list(oracle.bse * factor), rel=FLOAT_ORACLE
        )
        reach = stats.t.ppf(0.975, clusters - 1)
        assert [one.coefficient - one.interval.lower for one in row.terms] == pytest.approx(
            list(reach * oracle.bse * factor), rel=FLOAT_ORACLE
        )
        for term, other in zip(row.terms, wider.row(shift=shift).terms, strict=True):
            assert (other.se, other.t, other.interval.method) == (term.se, term.t, "bell_mccaffrey")
            assert other.df < term.df and other.interval.upper > term.interval.upper


@pytest.mark.parametrize("cluster", ["home", "age"])
@pytest.mark.parametrize("declared", [True, False])
def test_raked_errors_by_cluster(
    client: cx.Client, unique: str, declared: bool, cluster: str
) -> None:
    """Residuals on the margins add up by cluster, also of those whom the model leaves out."""
    name = load(client, unique, np.arange(ROWS.n))
    found = client.regression(
        name, "all", errors="cluster", cluster=cluster, by="shift", rake=RAKE,
        weighting="declared" if declared else "none",
    )  # fmt: skip
    weights = Raked(declared)
    there = weights.there
    alone = ROWS.homeless[there] & (cluster == "home")
    levels, owner = np.unique(getattr(ROWS, cluster)[there], return_inverse=True)
    # Whoever has no cluster is one.
    owner = np.where(alone, len(levels) + np.arange(len(owner)), owner)
    for shift in ("mo", "tu"):
        inside = weights.domain(shift) & ~alone
        w, codes = weights.w[inside], ROWS.codes[there][inside]

        def coefficients(w: Any, codes: Any = codes) -> Any:
            return fitted(w, np.column_stack([np.ones(len(codes)), codes[:, :3]]), codes[:, 3])

        values = np.zeros((4, len(weights.w)))
        values[:, inside] = influence(coefficients, w.tolist())
        left = weights.w * residuals(values, weights.base.tolist(), weights.levels)
        totals = np.array([np.bincount(owner, weights=one) for one in left])
        clusters = len(set(owner[inside]))
        wanted = np.sqrt(clusters / (clusters - 1) * (totals**2).sum(axis=1))
        row = found.row(shift=shift)
        assert (row.n, row.clusters, row.errors) == (int(inside.sum()), clusters, "cluster")
        assert [one.coefficient for one in row.terms] == pytest.approx(
            list(coefficients(w)), rel=STOPPED
        )
        assert [one.se for one in row.terms] == pytest.approx(list(wanted), rel=STOPPED)
        assert all(1.0 <= one.df <= clusters - 1 for one in row.terms)
        assert (ROWS.shift == shift).sum() == row.n + sum(row.dropped.values())
    assert found.explanation.raking.converged


def test_weighted_models_do_not_depend_on_batches(client: cx.Client, unique: str) -> None:
    shuffled = np.random.default_rng(1).permutation(ROWS.n)
    names = [
        load(client, f"{unique}-1", np.arange(ROWS.n)),
        load(client, f"{unique}-2", shuffled[:7], shuffled[7:150], shuffled[150:]),
    ]
    how: dict[str, Any] = {"weighting": "declared", "by": "shift"}
    for ask in (
        lambda one: client.regression(one, "all", rake=RAKE, **how),
        lambda one: client.regression(one, "all", errors="cluster", cluster="home", **how),
        lambda one: client.regression(
            one, "all", errors="cluster", cluster="home", rake=RAKE, **how
        ),
        lambda one: client.drivers(one, "all", rake=RAKE, **how),
        lambda one: client.reliability(one, QUESTIONS[:3], rake=RAKE, **how),
        lambda one: client.insights(one, rake=RAKE, **how),
    ):
        one, other = (ask(name) for name in names)
        assert tuple(one) == tuple(other)
        assert one.explanation.digest == other.explanation.digest


@pytest.mark.parametrize("by", ["", "shift"])
def test_raked_coefficients_are_compared(client: cx.Client, unique: str, by: str) -> None:
    """Of two domains that are fitted to the margins together, or of one and all others."""
    name = load(client, unique, np.arange(ROWS.n))
    sides: dict[str, Any] = {"a": {"shift": "mo"}, "b": {"shift": "tu"}}
    found = client.compare(
        name, "regression", "all", driver="staff", weighting="declared", rake=RAKE,
        **({"by": by} if by else sides),
    )  # fmt: skip
    row = found.row(shift="mo") if by else found[0]
    weights = Raked(declared=True)
    values, slopes = np.zeros(len(weights.w)), []
    for sign, shift in ((1, "mo"), (-1, "tu")):
        inside = weights.domain(shift)
        codes, n = ROWS.codes[weights.there][inside], inside.sum()
        x = np.column_stack([np.ones(n), codes[:, :3]])
        slopes.append(fitted(weights.w[inside], x, codes[:, 3])[2])
        (own,) = influence(
            lambda w, x=x, y=codes[:, 3]: fitted(w, x, y)[2], weights.w[inside].tolist()
        )
        values[inside] = sign * own * np.sqrt(n / (n - 1))
    left = residuals(values[None], weights.base.tolist(), weights.levels)
    assert row.difference == pytest.approx(slopes[0] - slopes[1], rel=STOPPED)
    assert row.se == pytest.approx(np.sqrt(((weights.w * left) ** 2).sum()), rel=STOPPED)


def test_groups_that_add_up_to_more_than_64_bits_hold(client: cx.Client, unique: str) -> None:
    """Fourth-order sums of squared weights in steps of 1e-6: those of a group fit, all of them do not."""
    rng = np.random.default_rng(0)
    x = rng.integers(6, 11, 7_000)
    y = np.clip(x - rng.integers(0, 3, len(x)), 0, 10)
    rating = {"kind": "rating", "scale": [0, 10]}
    client.put_program(
        {
            "name": unique,
            "questions": {"x": rating, "y": rating},
            "dimensions": {"area": {"max_levels": 10}},
            "weight": {"column": "w", "step": 1e-6},
            "models": {"m": {"outcome": "y", "drivers": ["x"], "robust": True}},
        }
    )
    area = [str(k % 10) for k in range(len(x))]
    with client.append(unique, producer="p") as stream:
        stream.send({"x": x.tolist(), "y": y.tolist(), "area": area, "w": [1.0] * len(x)})
    found = client.compare(
        unique, "regression", "m", driver="x", by="area", weighting="declared"
    ).row(area="0")
    sides = [
        client.regression(unique, "m", weighting="declared", where={"area": levels}).terms[1]
        for levels in (["0"], [str(k) for k in range(1, 10)])
    ]
    assert [found.a, found.b] == pytest.approx([one.coefficient for one in sides], rel=FLOAT_ORACLE)
    assert found.se == pytest.approx(np.hypot(*[one.se for one in sides]), rel=FLOAT_ORACLE)
