"""Buckets of a monitored series, whose intervals are those of the score."""

from functools import partial

import numpy as np

from cxstream.analytics.monitoring import monitor
from cxstream.analytics.nps import nps
from tests.coverage.nets import label, score
from tests.coverage.scenario import FEW, Case, Scenario

# Buckets of one series: looking for change points takes the square of them.
BUCKETS = 50


def _buckets(shape, n, rng, replications):
    classes = rng.multinomial(n, np.array(shape) / 100.0, size=replications)
    found = []
    for at in range(0, replications, BUCKETS):
        part = classes[at : at + BUCKETS]
        found += monitor(nps(part), classes=part, lowest=-100.0).buckets
    yield Case("MonitoredBucket.interval", [one.interval for one in found], score(shape))


def scenarios():
    for shape in ((15, 25, 60), (2, 8, 90)):
        for n in (10, 30, 300):
            yield Scenario("Monitored series, NPS", label(shape), n, partial(_buckets, shape, n),
                           replications=FEW)  # fmt: skip
