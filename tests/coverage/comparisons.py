"""Differences of two groups: net scores, shares, means."""

from fractions import Fraction
from functools import partial

import numpy as np

from cxstream.analytics.comparison import (
    MEAN_METHODS,
    SHARE_METHODS,
    Estimate,
    compare_estimates,
    compare_means,
    compare_nets,
    compare_shares,
)
from cxstream.analytics.csat import csat
from cxstream.analytics.intervals import NET_METHODS
from cxstream.analytics.means import means
from tests.coverage.means import mean_of, numbers
from tests.coverage.nets import label, score
from tests.coverage.scenario import FEW, Case, Scenario

PAIRS = ((10, 10), (30, 30), (30, 300), (100, 100), (1_000, 100), (2_000, 2_000))

#: Of means: their lowest and highest value.
SCALE = (0.0, 100.0)

NETS = (
    ((15, 25, 60), (15, 25, 60)),
    ((10, 20, 70), (20, 25, 55)),
    ((2, 8, 90), (2, 8, 90)),
    ((2, 8, 90), (15, 25, 60)),
    ((1, 4, 95), (90, 8, 2)),
    ((15, 5, 80), (33, 34, 33)),
)

SHARES = ((50.0, 50.0), (60.0, 70.0), (80.0, 90.0), (90.0, 90.0), (95.0, 98.0), (98.0, 98.0),
          (99.0, 50.0))  # fmt: skip

MEANS = (
    ((5, 10, 25, 40, 20), (20, 20, 20, 20, 20)),
    ((2, 3, 5, 20, 70), (5, 10, 25, 40, 20)),
    ((2, 3, 5, 20, 70), (2, 3, 5, 20, 70)),
    ((1, 1, 1, 2, 95), (2, 3, 5, 20, 70)),
    ((1, 1, 1, 2, 95), (1, 1, 1, 2, 95)),
)


def _nets(a, b, sizes, rng, replications):
    drawn = [rng.multinomial(n, np.array(shape) / 100.0, size=replications)
             for shape, n in zip((a, b), sizes, strict=True)]  # fmt: skip
    for method in NET_METHODS:
        found = [one.interval for one in compare_nets(*drawn, method=method)]
        yield Case("Comparison.interval", found, score(a) - score(b), default=method == "score")


def _shares(a, b, sizes, rng, replications):
    counts = [rng.binomial(n, share / 100.0, size=replications)
              for share, n in zip((a, b), sizes, strict=True)]  # fmt: skip
    first, second = (np.full(replications, n) for n in sizes)
    for method in SHARE_METHODS:
        found = compare_shares(counts[0], first, counts[1], second, method=method)
        yield Case("Comparison.interval", [one.interval for one in found], a - b,
                   default=method == "score")  # fmt: skip


def _means(a, b, sizes, rng, replications):
    sides = []
    for shape, n in zip((a, b), sizes, strict=True):
        counts = rng.multinomial(n, np.array(shape) / 100.0, size=replications)
        sides.append(csat(counts, top_from=1))
    for ends in (SCALE, None):
        estimates = [[Estimate(one.n, one.mean, one.mean_se, one.n - 1, ends) for one in side]
                     for side in sides]  # fmt: skip
        found = [one.interval for one in compare_estimates(*estimates)]
        yield Case("Comparison.interval", found, mean_of(a) - mean_of(b), default=ends is not None)


#: Populations of numbers, and what the second one's is multiplied by.
NUMBERS = (("normal", "normal", 1), ("exponential", "exponential", 1),
           ("exponential", "exponential", 3), ("normal", "exponential", 1))  # fmt: skip


def _numbers(first, second, times, sizes, rng, replications):
    sides, true = [], []
    for name, factor, n in zip((first, second), (1, times), sizes, strict=True):
        table = factor * numbers(name)
        true.append(table.mean() / 100.0)
        sample = table[rng.integers(0, len(table), (replications, n))]
        sums = (sample.sum(axis=1), (sample.astype(object) ** 2).sum(axis=1))
        sides.append(means(np.full(replications, n), *sums, origin=0, step=Fraction(1, 100)))
    for method in MEAN_METHODS:
        found = [one.interval for one in compare_means(*sides, method=method)]
        yield Case("Comparison.interval", found, true[0] - true[1], default=method == "welch")


def scenarios():
    for sizes in PAIRS:
        both = f"{sizes[0]:,} and {sizes[1]:,}"
        for a, b in NETS:
            yield Scenario("Difference of net scores", f"{label(a)} less {label(b)}", min(sizes),
                           partial(_nets, a, b, sizes), both)  # fmt: skip
        for a, b in SHARES:
            yield Scenario("Difference of shares", f"{a:g} % less {b:g} %", min(sizes),
                           partial(_shares, a, b, sizes), both)  # fmt: skip
        for first, second, times in NUMBERS:
            name = f"{first} less {f'{times} times ' if times > 1 else ''}{second}"
            yield Scenario("Difference of means of numbers", name, min(sizes),
                           partial(_numbers, first, second, times, sizes), both, FEW)  # fmt: skip
        for a, b in MEANS:
            yield Scenario("Difference of means", f"{label(a)} less {label(b)}", min(sizes),
                           partial(_means, a, b, sizes), both)  # fmt: skip
