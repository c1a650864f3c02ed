"""Operational outcomes by NPS class, and what a customer is worth."""

from fractions import Fraction
from functools import partial

import numpy as np

from cxstream.analytics.kaplan_meier import METHODS, kaplan_meier
from cxstream.analytics.linkage import (
    CLV_VARIANTS,
    Margin,
    lifetime_value,
    mean_by_class,
    share_by_class,
    value_by_class,
)
from cxstream.analytics.retention import retention
from tests.coverage.scenario import FEW, Case, Scenario

#: Share that churns, and mean of the spend, of detractors, passives, promoters.
CHURN = {"high churn": (40.0, 25.0, 10.0), "low churn": (15.0, 8.0, 3.0)}
SPEND = (40.0, 60.0, 100.0)
DISCOUNT = 0.1


def _shares(name, sizes, rng, replications):
    n = np.tile(sizes, (replications, 1))
    yes = rng.binomial(n, np.array(CHURN[name]) / 100.0)
    found = share_by_class(yes, n)
    yield Case("ClassOutcome.interval", [one.classes[0].interval for one in found],
               CHURN[name][0], variant="share, detractors")  # fmt: skip
    yield Case("Move.interval", [one.moves[2].interval for one in found],
               CHURN[name][2] - CHURN[name][0], variant="share")  # fmt: skip


def _spend(rng, sizes, replications):
    """Gamma spend in whole cents (shape 4: skewness 1), and its sums: (replications, 3) each."""
    n, total, squares = (np.zeros((replications, 3), dtype=np.int64) for _ in range(3))
    for j, (size, mean) in enumerate(zip(sizes, SPEND, strict=True)):
        cents = np.rint(rng.gamma(4.0, 25.0 * mean, (replications, size))).astype(np.int64)
        n[:, j], total[:, j] = size, cents.sum(axis=1)
        squares[:, j] = (cents * cents).sum(axis=1)
    return n, total, squares


def _means(sizes, rng, replications):
    found = mean_by_class(*(one.tolist() for one in _spend(rng, sizes, replications)),
                          origin=Fraction(0), step=Fraction(1, 100))  # fmt: skip
    yield Case("ClassOutcome.interval", [one.classes[0].interval for one in found], SPEND[0],
               variant="mean, detractors")  # fmt: skip
    yield Case("Move.interval", [one.moves[2].interval for one in found], SPEND[2] - SPEND[0],
               variant="mean")  # fmt: skip


#: Months of a year.
PERIODS = 12


def _retention(name, n, rng, replications):
    """Who leaves, and revenue in whole cents: who pays less leaves more often."""
    share = CHURN[name][0] / 100.0
    size = (replications, n)
    left = rng.random(size) < share
    cents = np.rint(rng.gamma(2.0, np.where(left, 2_000.0, 3_000.0), size)).astype(np.int64)
    sides = [(of.sum(1), (cents * of).sum(1), (cents**2 * of).sum(1)) for of in (~left, left)]
    revenue = np.stack([np.stack(one, axis=1) for one in sides], axis=1).tolist()
    found = retention(left.sum(axis=1), np.full(replications, n), periods=PERIODS, revenue=revenue)
    yield Case("Retention.interval", [one.interval for one in found], CHURN[name][0])
    yield Case("Retention.churn_over_interval", [one.churn_over_interval for one in found],
               100.0 * (1.0 - (1.0 - share) ** PERIODS))  # fmt: skip
    # Means of 4,000 and 6,000 cents.
    money = 4.0 * share / (4.0 * share + 6.0 * (1.0 - share))
    yield Case("Retention.revenue_churn_interval", [one.revenue_churn_interval for one in found],
               100.0 * money)  # fmt: skip


def _value(name, variant, sizes, rng, replications):
    terms = {"variant": variant, "discount": DISCOUNT}
    if variant == "naive":
        del terms["discount"]
    if variant == "finite":
        terms["horizon"] = PERIODS
    n, total, squares = _spend(rng, sizes, replications)
    mean = total / n / 100.0
    spread = (squares - total / n * total) / (n - 1) / 1e4
    left = rng.binomial(n, np.array(CHURN[name]) / 100.0)
    churn = left / n
    found = [
        value_by_class(
            [Margin(int(size), float(m), float(v / size) ** 0.5, float(c),
                    float(c * (1 - c) / size) ** 0.5, 0.0)
             for size, m, v, c in zip(*row, strict=True)],
            **terms,
        )
        for row in zip(n, mean, spread, churn, strict=True)
    ]  # fmt: skip
    true = [lifetime_value(m, 1.0 - c / 100.0, **terms)[0]
            for m, c in zip(SPEND, CHURN[name], strict=True)]  # fmt: skip
    for at, who in ((0, "detractors"), (2, "promoters")):
        yield Case("LifetimeValue.interval", [one.classes[at].interval for one in found],
                   true[at], variant=f"{variant}, {who}")  # fmt: skip
    yield Case("Move.interval", [one.moves[2].interval for one in found], true[2] - true[0],
               variant=f"lifetime value, {variant}")  # fmt: skip


#: Share that leaves in a period; periods until the one looked at; share last seen in each.
HAZARD, LOOKED_AT, SEEN = 0.1, 6, 0.05


def _stays(n, rng, replications):
    """Who leaves, at random or at last, beside who is last seen: survival after six periods."""
    leaves = rng.geometric(HAZARD, (replications, n))
    seen = rng.geometric(SEEN, (replications, n))
    time = np.minimum(np.minimum(leaves, seen), LOOKED_AT)
    left = leaves == time
    counts = [
        np.stack(
            [((time == t) & (left == side)).sum(axis=1) for t in range(1, LOOKED_AT + 1)], axis=1
        )
        for side in (True, False)
    ]
    for method in METHODS:
        found = [kaplan_meier(*both, method=method).steps[-1].interval
                 for both in zip(counts[0].tolist(), counts[1].tolist(), strict=True)]  # fmt: skip
        yield Case("SurvivalStep.interval", found, (1.0 - HAZARD) ** LOOKED_AT,
                   default=method == "log_log")  # fmt: skip


def scenarios():
    for n in (10, 30, 100, 1_000):
        yield Scenario("Survival (Kaplan-Meier)", "10 % leave, 5 % last seen a period", n,
                       partial(_stays, n), replications=FEW)  # fmt: skip
    for name in CHURN:
        for n in (10, 30, 100, 1_000):
            yield Scenario("Churn and retention", name, n, partial(_retention, name, n),
                           replications=FEW)  # fmt: skip
    for sizes in ((10, 10, 20), (30, 30, 60), (100, 100, 300), (1_000, 1_000, 3_000)):
        shown = " / ".join(f"{n:,}" for n in sizes)
        for name in CHURN:
            yield Scenario("Outcome by NPS class", f"churn: {name}", sizes[0],
                           partial(_shares, name, sizes), shown, FEW)  # fmt: skip
            for variant in CLV_VARIANTS:
                yield Scenario("Customer lifetime value", f"{name}, {variant}", sizes[0],
                               partial(_value, name, variant, sizes), shown, FEW)  # fmt: skip
        yield Scenario("Outcome by NPS class", "spend, gamma", sizes[0], partial(_means, sizes),
                       shown, FEW)  # fmt: skip
