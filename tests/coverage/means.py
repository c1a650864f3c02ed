"""Means: of scales, of numbers, of percentiles."""

from fractions import Fraction
from functools import partial

import numpy as np

from cxstream.analytics.ces import ces
from cxstream.analytics.csat import csat
from cxstream.analytics.distribution import distribution, number_distribution
from cxstream.analytics.relative import relative_performance
from tests.coverage.nets import label
from tests.coverage.populations import ROWS, drawn
from tests.coverage.scenario import FEW, SIZES, Case, Scenario

#: Shares of the levels of a scale in percent, lowest first.
SCALES = (
    (50, 50),
    (20, 20, 20, 20, 20),
    (5, 10, 25, 40, 20),
    (2, 3, 5, 20, 70),
    (1, 1, 3, 5, 90),
    (1, 1, 1, 2, 95),
    (10, 90),
    (3, 2, 5, 10, 20, 35, 25),
    (2, 1, 2, 2, 3, 5, 5, 10, 15, 20, 35),
)


def mean_of(shares):
    """On 0..100."""
    return float(np.dot(shares, range(len(shares)))) / (len(shares) - 1)


def _csat(shares, n, rng, replications):
    counts = rng.multinomial(n, np.array(shares) / 100.0, size=replications)
    found = csat(counts, top_from=1)
    yield Case("Csat.mean_interval", [one.mean_interval for one in found], mean_of(shares))


def _others(shares, n, rng, replications):
    counts = rng.multinomial(n, np.array(shares) / 100.0, size=replications)
    last = len(shares) - 1
    effort = ces(counts, variant="mean", origin=1)
    mean = mean_of(shares)
    yield Case("Ces.interval", [one.interval for one in effort], 1 + mean * last / 100.0,
               variant="mean")  # fmt: skip
    levels = distribution(counts, range(1, last + 2))
    yield Case("Distribution.interval", [one.interval for one in levels], 1 + mean * last / 100.0,
               variant="scale")  # fmt: skip
    ranks = relative_performance(counts)
    yield Case("RelativePerformance.interval", [one.interval for one in ranks], mean)


def _normal(rng):
    return rng.normal(100.0, 15.0, ROWS)


def _exponential(rng):
    return rng.exponential(100.0, ROWS)


def _lognormal(rng):
    return rng.lognormal(4.0, 1.0, ROWS)


def _many_zeros(rng):
    return np.where(rng.random(ROWS) < 0.6, 0.0, rng.lognormal(4.0, 0.5, ROWS))


NUMBERS = {
    "normal": _normal,
    "exponential": _exponential,
    "lognormal, sigma 1": _lognormal,
    "60 % zeros, the rest lognormal, sigma 0.5": _many_zeros,
}


def numbers(name):
    """A population of amounts in whole cents."""
    return np.rint(100.0 * NUMBERS[name](np.random.default_rng(7))).astype(np.int64)


def _number(name, n, rng, replications):
    population = numbers(name)
    sums, squares = [], []
    for codes in drawn(rng, population[:, None], n, replications):
        sums += codes.sum(axis=(1, 2)).tolist()
        squares += (codes * codes).sum(axis=(1, 2)).tolist()
    found = number_distribution([n] * replications, sums, squares,
                                origin=Fraction(0), step=Fraction(1, 100))  # fmt: skip
    yield Case("Distribution.interval", [one.interval for one in found],
               float(population.mean()) / 100.0, variant="number")  # fmt: skip


def scenarios():
    for shares in SCALES:
        for n in SIZES:
            yield Scenario("CSAT, mean", label(shares), n, partial(_csat, shares, n))
    for shares in (SCALES[2], SCALES[4]):
        for n in (10, 30, 300):
            yield Scenario("Other means of scales", label(shares), n, partial(_others, shares, n))
    for name in NUMBERS:
        for n in (10, 30, 100, 1_000):
            yield Scenario("Mean of a number", name, n, partial(_number, name, n), replications=FEW)
