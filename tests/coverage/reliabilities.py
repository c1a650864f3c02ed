"""Cronbach's alpha with 2 to 12 items, normal and ordinal."""

from functools import cache, partial

import numpy as np

from cxstream.analytics.reliability import reliability
from tests.coverage.populations import ROWS, correlated, drawn, fourth, ordinal, second
from tests.coverage.scenario import FEW, Case, Scenario

SHAPES = {
    "five points": (5, 10, 25, 40, 20),
    "skewed five points": (2, 3, 5, 20, 70),
    "nearly all at the end": (1, 1, 3, 5, 90),
    "yes or no, 50 : 50": (50, 50),
    "yes or no, 90 : 10": (10, 90),
}


@cache
def population(kind, items):
    rng = np.random.default_rng(19)
    if kind == "unequal loadings":
        loading = np.linspace(0.9, 0.4, items)
        common = rng.standard_normal((ROWS, 1))
        own = rng.standard_normal((ROWS, items))
        latent = loading * common + np.sqrt(1.0 - loading**2) * own
    else:
        latent = correlated(rng, ROWS, items, 0.4)
    if kind in SHAPES:
        return ordinal(latent, SHAPES[kind])
    return np.clip(np.rint(10.0 * latent) + 50, 0, 100).astype(np.int64)


def _alpha(kind, items, n, rng, replications):
    table = population(kind, items)
    names = [f"q{j}" for j in range(items)]
    top = int(table.max())
    model = {
        "names": names,
        "items": list(range(items)),
        "ranges": [top] * items,
        "reverse": [False] * items,
    }
    true = reliability(second(table[None]), **model)[0].alpha
    free, feldt = [], []
    for codes in drawn(rng, table, n, replications):
        sums = second(codes)
        free += reliability(sums, fourth=fourth(codes), **model)
        feldt += reliability(sums, **model)
    yield Case("Reliability.interval", [one.interval for one in free], true, variant="robust model")
    yield Case("Reliability.free_interval", [one.free_interval for one in free], true)
    yield Case("Reliability.interval", [one.interval for one in feldt], true,
               variant="model not robust")  # fmt: skip


def scenarios():
    for kind, items, sizes in (
        ("normal", 2, (10, 30, 100)),
        ("normal", 3, (10, 30, 100, 1_000)),
        ("normal", 7, (30, 100)),
        ("normal", 12, (30, 100)),
        ("unequal loadings", 5, (30, 100, 1_000)),
        ("five points", 2, (30, 100)),
        ("five points", 5, (10, 30, 100, 1_000)),
        ("five points", 12, (30, 100)),
        ("skewed five points", 3, (30, 100, 1_000)),
        ("skewed five points", 10, (30, 100, 500)),
        ("nearly all at the end", 4, (50, 100, 1_000)),
        ("yes or no, 50 : 50", 5, (30, 100, 1_000)),
        ("yes or no, 90 : 10", 5, (30, 100, 1_000)),
    ):
        for n in sizes:
            yield Scenario("Cronbach's alpha", f"{kind}, {items} items", n,
                           partial(_alpha, kind, items, n), replications=FEW)  # fmt: skip
