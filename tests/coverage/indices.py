"""The composite index and its parts, under every policy for missing answers."""

from functools import cache, partial

import numpy as np

from cxstream.analytics.index import POLICIES, Part, index
from tests.coverage.populations import ROWS, correlated, grouped, ordinal
from tests.coverage.scenario import FEW, Case, Scenario

#: Two parts of two items each.
PARTS = (Part("service", 2.0, (0, 1)), Part("product", 1.0, (2, 3)))

SHAPES = {
    "five points, spread": (5, 10, 25, 40, 20),
    "five points, skewed": (2, 3, 5, 20, 70),
    "five points, very skewed": (1, 1, 1, 2, 95),
    "ten points": (2, 2, 3, 5, 8, 10, 15, 20, 20, 15),
}


@cache
def population(name, correlation):
    """Codes of four items that go together."""
    rng = np.random.default_rng(11)
    return ordinal(correlated(rng, ROWS, 4, correlation), SHAPES[name])


def pattern_sums(codes, answered, groups):
    """Group, pattern and sums, as `index` takes them: codes (b, n, 4), answered likewise."""
    pattern = (answered * (1 << np.arange(4))).sum(axis=-1)
    replication = np.arange(len(codes))[:, None]
    place = (16 * replication + pattern).ravel()
    sums = grouped((codes * answered).reshape(-1, 4), place, 16 * groups)
    there = np.flatnonzero(sums[:, 0])
    return there // 16, (there % 16).astype(np.uint64), sums[there]


def _index(name, correlation, missing, n, rng, replications):
    table = population(name, correlation)
    top = len(SHAPES[name]) - 1
    means = 100.0 * table.mean(axis=0) / top
    # Answers are missing at random and all items alike: every policy estimates the same.
    parts = means.reshape(2, 2).mean(axis=1)
    truth = float(np.dot(parts, (2.0, 1.0)) / 3.0)
    codes = table[rng.integers(0, ROWS, (replications, n))]
    answered = rng.random(codes.shape) >= missing
    where = pattern_sums(codes, answered, replications)
    for policy in POLICIES if missing else POLICIES[:1]:
        found = index(
            *where,
            groups=replications,
            ranges=[top] * 4,
            reverse=[False] * 4,
            parts=PARTS,
            policy=policy,
        )
        default = policy == "renormalise"
        yield Case("Index.interval", [one.interval for one in found], truth, default, policy)
        yield Case("PartScore.interval", [one.parts[1].interval for one in found],
                   float(parts[1]), default, policy)  # fmt: skip


def scenarios():
    for name, correlation, missing in (
        ("five points, spread", 0.5, 0.0),
        ("five points, skewed", 0.5, 0.0),
        ("five points, very skewed", 0.5, 0.0),
        ("ten points", 0.7, 0.0),
        ("five points, spread", 0.5, 0.2),
        ("five points, skewed", 0.3, 0.2),
    ):
        for n in (5, 10, 30, 100, 1_000):
            label = f"{name}, r = {correlation:g}" + (", 20 % missing" if missing else "")
            yield Scenario("Index", label, n, partial(_index, name, correlation, missing, n),
                           replications=FEW)  # fmt: skip
