"""Operational outcomes by NPS class, and what a customer is worth."""

from fractions import Fraction
from functools import partial

import numpy as np

from cxstream.analytics.linkage import (
    Margin,
    lifetime_value,
    mean_by_class,
    share_by_class,
    value_by_class,
)
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


def _value(name, sizes, rng, replications):
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
            discount=DISCOUNT,
        )
        for row in zip(n, mean, spread, churn, strict=True)
    ]  # fmt: skip
    true = [lifetime_value(m, 1.0 - c / 100.0, discount=DISCOUNT)[0]
            for m, c in zip(SPEND, CHURN[name], strict=True)]  # fmt: skip
    for at, who in ((0, "detractors"), (2, "promoters")):
        yield Case("LifetimeValue.interval", [one.classes[at].interval for one in found],
                   true[at], variant=who)  # fmt: skip
    yield Case("Move.interval", [one.moves[2].interval for one in found], true[2] - true[0],
               variant="lifetime value")  # fmt: skip


def scenarios():
    for sizes in ((10, 10, 20), (30, 30, 60), (100, 100, 300), (1_000, 1_000, 3_000)):
        shown = " / ".join(f"{n:,}" for n in sizes)
        for name in CHURN:
            yield Scenario("Outcome by NPS class", f"churn: {name}", sizes[0],
                           partial(_shares, name, sizes), shown, FEW)  # fmt: skip
            yield Scenario("Customer lifetime value", name, sizes[0],
                           partial(_value, name, sizes), shown, FEW)  # fmt: skip
        yield Scenario("Outcome by NPS class", "spend, gamma", sizes[0], partial(_means, sizes),
                       shown, FEW)  # fmt: skip
