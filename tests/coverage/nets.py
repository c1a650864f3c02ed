"""Net scores: NPS, and the net form of customer effort."""

from functools import partial

import numpy as np

from cxstream.analytics.ces import ces
from cxstream.analytics.intervals import ONE_NET_METHODS
from cxstream.analytics.nps import nps
from tests.coverage.scenario import SIZES, Case, Scenario

#: Shares of detractors, passives, promoters in percent.
SHAPES = (
    (33, 34, 33),
    (15, 25, 60),
    (10, 20, 70),
    (15, 5, 80),
    (5, 15, 80),
    (2, 8, 90),
    (1, 4, 95),
    (1, 1, 98),
    (60, 25, 15),
    (90, 8, 2),
    (5, 90, 5),
    (50, 0, 50),
)


def label(shape):
    return " : ".join(f"{share:g}" for share in shape)


def score(shape):
    return float(shape[2] - shape[0])


def _nps(shape, n, rng, replications):
    classes = rng.multinomial(n, np.array(shape) / 100.0, size=replications)
    for method in ONE_NET_METHODS:
        found = [one.interval for one in nps(classes, method=method)]
        yield Case("Nps.interval", found, score(shape), default=method == ONE_NET_METHODS[0])


def _ces(shape, n, rng, replications):
    levels = np.repeat(np.array(shape) / 100.0, (3, 2, 2)) / np.repeat([3, 2, 2], (3, 2, 2))
    counts = rng.multinomial(n, levels, size=replications)
    found = ces(counts, variant="net", low_to=2, high_from=5)
    yield Case("Ces.interval", [one.interval for one in found], score(shape), variant="net")


def scenarios():
    for shape in SHAPES:
        for n in SIZES:
            yield Scenario("NPS", label(shape), n, partial(_nps, shape, n))
    for shape in ((15, 25, 60), (2, 8, 90)):
        for n in (10, 30, 300):
            yield Scenario("CES, net", label(shape), n, partial(_ces, shape, n))
