"""Shares: top box, agreement, levels, first contact; and all options of a question at once."""

from functools import partial

import numpy as np

from cxstream.analytics.ces import ces
from cxstream.analytics.csat import csat
from cxstream.analytics.distribution import distribution
from cxstream.analytics.linkage import first_contact
from cxstream.analytics.scorecard import scorecard
from tests.coverage.nets import label
from tests.coverage.scenario import SIZES, Case, Scenario

SHARES = (50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 98.0, 99.0)

#: Options of a question that takes one answer, and of one that takes several.
OPTIONS = ((25, 25, 25, 25), (40, 30, 20, 10), (90, 5, 3, 1, 1), (97, 1, 1, 1), (20,) * 5)


def _csat(share, n, rng, replications):
    inside = rng.binomial(n, share / 100.0, size=replications)
    counts = np.stack([n - inside, inside], axis=1)
    found = csat(counts, top_from=1)
    yield Case("Csat.interval", [one.interval for one in found], share)


def _others(share, n, rng, replications):
    inside = rng.binomial(n, share / 100.0, size=replications)
    counts = np.stack([n - inside, inside], axis=1)
    agree = ces(counts, variant="agree", agree_from=1)
    yield Case("Ces.interval", [one.interval for one in agree], share, variant="agree")
    levels = distribution(counts, None)
    yield Case("Level.interval", [one.levels[1].interval for one in levels], share)
    size = np.full(replications, n)
    contacts = first_contact(inside, size, np.zeros_like(size))
    yield Case("FirstContact.interval", [one.interval for one in contacts], share)
    hopeless = rng.binomial(size, 0.1)
    resolved = rng.binomial(size - hopeless, share / 100.0)
    net = first_contact(resolved, size, hopeless)
    yield Case("FirstContact.net_interval", [one.net_interval for one in net], share)


def _options(shares, n, rng, replications):
    counts = rng.multinomial(n, np.array(shares) / 100.0, size=replications)
    found = scorecard(counts, np.full(replications, n), multiple=False)
    every = [option.interval for one in found for option in one.options]
    yield Case("OptionShare.interval", every, shares)


def _multiple(shares, n, rng, replications):
    counts = rng.binomial(n, np.array(shares) / 100.0, size=(replications, len(shares)))
    found = scorecard(counts, np.full(replications, n), multiple=True)
    every = [option.interval for one in found for option in one.options]
    yield Case("OptionShare.interval", every, shares)


def scenarios():
    for share in SHARES:
        for n in SIZES:
            yield Scenario("CSAT, top box", f"{share:g} %", n, partial(_csat, share, n))
    for share in (60.0, 90.0):
        for n in (10, 30, 300):
            yield Scenario("Other shares", f"{share:g} %", n, partial(_others, share, n))
    for shares in OPTIONS:
        for n in (10, 30, 100, 1_000):
            yield Scenario("ScoreCard, all options at once", label(shares), n,
                           partial(_options, shares, n))  # fmt: skip
    shares = (60.0, 40.0, 30.0, 5.0)
    for n in (10, 30, 100, 1_000):
        yield Scenario("ScoreCard, all options at once", f"several answers, {label(shares)}", n,
                       partial(_multiple, shares, n))  # fmt: skip
