"""Coefficients of regressions, with every kind of error, and slopes of pairs."""

from fractions import Fraction
from functools import cache, partial

import numpy as np

from cxstream.analytics.comparison import compare_estimates
from cxstream.analytics.insights import insights
from cxstream.analytics.leverage_errors import by_leverage
from cxstream.analytics.regression import fit
from cxstream.analytics.robust import clustered, heteroscedastic
from cxstream.queries.metric_sums import CoefficientSums
from tests.coverage.populations import (
    ROWS,
    correlated,
    drawn,
    fourth,
    grouped,
    ordinal,
    second,
)
from tests.coverage.scenario import FEW, Case, Scenario

EVEN = (10, 20, 40, 20, 10)
SKEWED = (2, 3, 5, 20, 70)

#: Columns of all populations: three ratings and an outcome of 0..100.
DESIGN = {
    "origins": [0] * 4,
    "steps": [Fraction(1)] * 4,
    "names": ["a", "b", "c", "y"],
    "outcome": 3,
    "drivers": [0, 1, 2],
}

TRUTHS = (
    "even ratings, normal errors",
    "skewed ratings, normal errors",
    "even ratings, skewed errors",
    "skewed ratings, errors grow with bad ratings",
    "skewed ratings, outcome of five points",
)


@cache
def population(truth):
    rng = np.random.default_rng(13)
    shares = EVEN if truth.startswith("even") else SKEWED
    ratings = ordinal(correlated(rng, ROWS, 3, 0.5), shares)
    noise = rng.standard_normal(ROWS)
    if "skewed errors" in truth:
        noise = rng.exponential(1.0, ROWS) - 1.0
    spread = 8.0
    if "grow" in truth:
        spread = 4.0 + 4.0 * (4 - ratings[:, 0])
    outcome = 20.0 + ratings @ np.array([6.0, 3.0, 0.0]) + spread * noise
    if "five points" in truth:
        outcome = ordinal((outcome - outcome.mean()) / outcome.std(), SKEWED)
    return np.column_stack([ratings, np.rint(np.clip(outcome, 0, 100))]).astype(np.int64)


def slope(found, at=1):
    return [one.terms[at].interval if one.terms else None for one in found]


def _coefficients(truth, n, rng, replications):
    table = population(truth)
    true = fit(second(table[None]), **DESIGN)[0].terms[1].coefficient
    sums, fours, rows = [], [], []
    for codes in drawn(rng, table, n, replications):
        sums.append(second(codes))
        fours.append(fourth(codes))
        rows += [np.unique(one, axis=0, return_counts=True) for one in codes]
    both = np.concatenate(sums), np.concatenate(fours)
    for kind, interval in (
        ("HC1", "bell_mccaffrey"), ("HC1", "satterthwaite"), ("HC0", "student_t"),
        ("HC1", "student_t"),
    ):  # fmt: skip
        found = heteroscedastic(*both, kind=kind, interval=interval, **DESIGN)
        default = interval == "bell_mccaffrey"
        yield Case("Term.interval", slope(found), true, default,
                   f"{kind}, robust model" if default else kind)  # fmt: skip
    codes, counts = (np.concatenate(one) for one in zip(*rows, strict=True))
    owner = np.repeat(np.arange(replications), [len(one) for one, _ in rows])
    for kind in ("HC2", "HC3"):
        for interval in ("bell_mccaffrey", "student_t"):
            found = by_leverage(codes, counts, owner, groups=replications, kind=kind,
                                interval=interval, **DESIGN)  # fmt: skip
            default = interval == "bell_mccaffrey"
            yield Case("Term.interval", slope(found), true, default,
                       f"{kind}, model with leverage" if default else kind)  # fmt: skip
    yield Case("Term.interval", slope(fit(both[0], **DESIGN)), true,
               variant="classical")  # fmt: skip


def _weighted(truth, n, rng, replications):
    table = population(truth)
    # Weights go with the first rating: the worse, the heavier.
    weights = 1 + (4 - table[:, 0])
    true = fit(weighted_sums(table[None], weights[None], 2)[0], **DESIGN,
               responses=[len(table)])[0].terms[1].coefficient  # fmt: skip
    sums, fours = [], []
    for at in drawn(rng, np.arange(len(table)), n, replications):
        two, four = weighted_sums(table[at], weights[at], 4)
        sums.append(two)
        fours.append(four)
    both = np.concatenate(sums), np.concatenate(fours)
    for interval in ("bell_mccaffrey", "satterthwaite", "student_t"):
        found = heteroscedastic(*both, kind="design", interval=interval,
                                responses=np.full(replications, n), **DESIGN)  # fmt: skip
        yield Case("Term.interval", slope(found), true, default=interval == "bell_mccaffrey",
                   variant="design")  # fmt: skip


def weighted_sums(codes, weights, order):
    """Second-order sums with w, fourth-order ones with w^2."""
    rows = np.concatenate([np.ones((*codes.shape[:2], 1)), codes], axis=2)
    left, right = np.triu_indices(rows.shape[2])
    two = (rows.swapaxes(1, 2) @ (weights[..., None] * rows))[:, left, right].astype(np.int64)
    if order == 2:
        return two, None
    # The products of four come from those of two, with the weight in every pair.
    from tests.coverage import populations

    first, last = populations._fours(codes.shape[2])
    pairs = rows[..., left] * rows[..., right] * weights[..., None]
    return two, (pairs.swapaxes(1, 2) @ pairs)[:, first, last].astype(np.int64)


CLUSTER = 20


CLUSTERS = ("even ratings, alike errors", "skewed ratings, errors grow with bad ratings")


def _clusters(truth, weighted, clusters, rng, replications):
    """Ratings and errors that go together within clusters, the worse the heavier; slope 6."""
    size = (replications, clusters, CLUSTER)
    shared = rng.standard_normal((replications, clusters, 1))
    latent = np.sqrt(0.3) * shared + np.sqrt(0.7) * rng.standard_normal(size)
    ratings = ordinal(latent, EVEN if truth == CLUSTERS[0] else SKEWED)
    errors = rng.standard_normal((replications, clusters, 1)) * 4.0 + 8.0 * rng.standard_normal(
        size
    )
    if truth == CLUSTERS[1]:
        errors *= 0.5 * (5 - ratings)
    outcome = np.rint(50.0 + 6.0 * ratings + errors).astype(np.int64)
    codes = np.stack([ratings, outcome], axis=-1).reshape(-1, 2)
    row = np.repeat(np.arange(replications * clusters), CLUSTER)
    sums = grouped(codes, row, replications * clusters, 5 - codes[:, 0] if weighted else None)
    owner = np.repeat(np.arange(replications), clusters)
    design = {"origins": [0, 0], "steps": [1, 1], "names": ["a", "y"], "outcome": 1, "drivers": [0]}
    if weighted:
        design["responses"] = np.full(len(owner), CLUSTER)
    for interval in ("bell_mccaffrey", "satterthwaite", "student_t"):
        found = clustered(sums, owner, groups=replications, interval=interval, **design)
        yield Case("Term.interval", slope(found), 6.0, default=interval == "bell_mccaffrey",
                   variant="cluster, weighted" if weighted else "cluster")  # fmt: skip


def _two_groups(first, second_, sizes, rng, replications):
    """One model in two groups, whose coefficients are compared."""
    sides, true = {True: [], False: []}, []
    for truth, n in zip((first, second_), sizes, strict=True):
        table = population(truth)
        true.append(fit(second(table[None]), **DESIGN)[0].terms[1].coefficient)
        every = [(second(codes), fourth(codes)) for codes in drawn(rng, table, n, replications)]
        two, four = (np.concatenate(one) for one in zip(*every, strict=True))
        size = np.full(replications, n)
        for robust, side in sides.items():
            sums = CoefficientSums(size, four if robust else two, DESIGN, "a", robust)
            side.append(sums.estimates(0.95))
    for robust, side in sides.items():
        found = compare_estimates(*side)
        yield Case("Comparison.interval", [one.interval for one in found], true[0] - true[1],
                   variant="robust model" if robust else "model not robust")  # fmt: skip


def _insights(truth, n, rng, replications):
    table = population(truth)[:, :3]

    def tables(codes):
        full = codes.swapaxes(1, 2) @ codes
        count = np.full_like(full, codes.shape[1])
        total = np.broadcast_to(codes.sum(axis=1)[:, :, None], full.shape)
        squares = np.broadcast_to((codes * codes).sum(axis=1)[:, :, None], full.shape)
        return count, total, squares, full

    def slopes(codes):
        found = insights(*tables(codes), names=["a", "b", "c"], outcome=2)
        return [next(row for row in one if row.x == "a") for one in found]

    true = slopes(table[None])[0].slope
    every = []
    for codes in drawn(rng, table, n, replications):
        every += [one.interval for one in slopes(codes)]
    yield Case("Insight.interval", every, true)


def scenarios():
    for truth in TRUTHS:
        for n in (10, 30, 50, 100, 1_000):
            yield Scenario("Regression coefficient", truth, n, partial(_coefficients, truth, n),
                           replications=FEW)  # fmt: skip
    for truth in TRUTHS:
        for n in (30, 100, 1_000):
            yield Scenario("Regression coefficient, weighted", truth, n,
                           partial(_weighted, truth, n), replications=FEW)  # fmt: skip
    for sizes in ((30, 30), (30, 300), (300, 300)):
        for first, other in ((0, 0), (0, 1), (2, 1), (0, 3), (3, 3), (4, 4)):
            yield Scenario("Difference of coefficients", f"{TRUTHS[first]} less {TRUTHS[other]}",
                           min(sizes), partial(_two_groups, TRUTHS[first], TRUTHS[other], sizes),
                           f"{sizes[0]} and {sizes[1]}", FEW)  # fmt: skip
    for weighted in (False, True):
        for truth in CLUSTERS:
            for clusters in (5, 10, 30, 100):
                yield Scenario(
                    "Regression coefficient, " + "weighted, " * weighted + "errors by cluster",
                    f"clusters of {CLUSTER}, {truth}", clusters,
                    partial(_clusters, truth, weighted, clusters), f"{clusters} clusters", FEW,
                )  # fmt: skip
    for truth in TRUTHS[:2]:
        for n in (10, 30, 100, 1_000):
            yield Scenario("Insight, slope of a pair", truth.partition(",")[0], n,
                           partial(_insights, truth, n), replications=FEW)  # fmt: skip
