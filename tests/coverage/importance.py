"""Importance of drivers at several R2, with few and many drivers, normal and ordinal."""

from functools import cache, partial

import numpy as np

from cxstream.analytics.drivers import drivers
from tests.coverage.populations import ROWS, correlated, drawn, fourth, ordinal, second
from tests.coverage.scenario import FEW, Case, Scenario

FIVE = (5, 10, 25, 40, 20)
SKEWED = (2, 3, 5, 20, 70)


@cache
def population(kind, count, r2):
    """Drivers that go together, the first ones with more effect; the last column is the outcome."""
    rng = np.random.default_rng(17)
    latent = correlated(rng, ROWS, count, 0.4)
    signal = latent @ np.linspace(1.0, 0.2, count)
    signal = signal / signal.std()
    outcome = np.sqrt(r2) * signal + np.sqrt(1.0 - r2) * rng.standard_normal(ROWS)
    every = np.column_stack([latent, outcome])
    if kind == "normal":
        return np.clip(np.rint(10.0 * every) + 50, 0, 100).astype(np.int64)
    return ordinal(every, FIVE if kind == "five points" else SKEWED)


def model_of(kind, count):
    """The last column explained by all others."""
    m = count + 1
    return {
        "names": [f"x{j}" for j in range(m)],
        "outcome": count,
        "drivers": list(range(count)),
        "ranges": [100 if kind == "normal" else 4] * m,
        "reverse": [False] * m,
    }


def _importance(kind, count, r2, n, rng, replications):
    table = population(kind, count, r2)
    model = model_of(kind, count)
    true = [one.lmg for one in drivers(second(table[None]), **model)[0].drivers]
    found = []
    for codes in drawn(rng, table, n, replications):
        found += drivers(second(codes), fourth=fourth(codes), **model)
    for at, variant in ((0, "strongest"), (count - 1, "weakest"))[: min(count, 2)]:
        every = [one.drivers[at].interval if one.drivers else None for one in found]
        yield Case("Driver.interval", every, true[at], variant=variant)


def _weighted(kind, count, r2, n, rng, replications):
    """The worse the first answer, the heavier: weights of 1 and 2."""
    table = population(kind, count, r2)
    every = 1 + (table[:, 0] < np.median(table[:, 0]))
    m, model = count + 1, model_of(kind, count)
    # In whole numbers: the heavier ones twice.
    true = drivers(second(np.repeat(table, every, axis=0)[None]), **model)[0].drivers
    found = []
    for rows in drawn(rng, np.column_stack([table, every]), n, replications):
        codes, w = rows[:, :, :m], rows[:, :, m]
        found += drivers(
            second(codes, w), fourth=fourth(codes, w * w), responses=np.full(len(codes), n), **model
        )
    for at, variant in ((0, "strongest"), (count - 1, "weakest")):
        intervals = [one.drivers[at].interval if one.drivers else None for one in found]
        yield Case("Driver.interval", intervals, true[at].lmg, variant=f"{variant}, weighted")


def scenarios():
    for kind, count, r2, sizes in (
        ("normal", 1, 0.3, (30, 300)),
        ("normal", 3, 0.0, (30, 100, 1_000)),
        ("normal", 3, 0.1, (30, 100, 1_000)),
        ("normal", 3, 0.5, (10, 30, 100, 1_000)),
        ("normal", 5, 0.8, (30, 100, 1_000)),
        ("normal", 10, 0.5, (30, 100, 300)),
        ("five points", 3, 0.5, (30, 100, 1_000)),
        ("five points", 6, 0.3, (30, 100, 1_000)),
        ("skewed five points", 3, 0.5, (30, 100, 1_000)),
    ):
        for n in sizes:
            noun = "driver" if count == 1 else "drivers"
            label = f"{kind}, {count} {noun}, R2 = {r2:g} before rounding"
            yield Scenario("Importance (LMG)", label, n,
                           partial(_importance, kind, count, r2, n), replications=FEW)  # fmt: skip
    for kind in ("normal", "five points", "skewed five points"):
        for n in (30, 100, 1_000):
            yield Scenario("Importance (LMG), weighted", f"{kind}, 3 drivers, R2 = 0.5 before rounding",
                           n, partial(_weighted, kind, 3, 0.5, n), replications=FEW)  # fmt: skip
