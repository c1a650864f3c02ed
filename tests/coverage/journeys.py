"""Touchpoints of a journey: their steps, and two journeys compared."""

from functools import cache, partial

import numpy as np

from cxstream.analytics.comparison import Estimate, compare_estimates
from cxstream.analytics.journey import (
    Histograms,
    PairSums,
    _compared,
    _means_of,
    _plain_variance,
    journey_of_levels,
    journey_of_means,
    journey_of_questions,
    whole_of,
)
from tests.coverage.means import mean_of
from tests.coverage.populations import ROWS, correlated, histograms, ordinal
from tests.coverage.scenario import FEW, Case, Scenario

STAGES = ("search", "visit", "support")
#: Shares of the levels at each stage, percent.
SPREAD = ((5, 10, 20, 40, 25), (5, 10, 25, 40, 20), (10, 20, 30, 25, 15))
SKEWED = ((1, 2, 4, 13, 80), (2, 3, 5, 20, 70), (3, 5, 12, 25, 55))
SHAPES = {"spread": SPREAD, "skewed": SKEWED}


def _histograms(counts):
    """Five levels: the lowest three are detractors, the highest is a promoter and the top box."""
    return Histograms(counts, passive_from=3, promoter_from=4, top_from=4)


def _true(shape, metric):
    if metric == "mean":
        return mean_of(shape)
    return float(shape[4]) - (sum(shape[:3]) if metric == "nps" else 0.0)


def _joined(compared, covariances, joint=True):
    """Put the stages of every replication together, as a comparison of two journeys does."""
    width = len(STAGES)
    return [
        whole_of(STAGES, compared[width * r : width * (r + 1)], covariance, 0.95, joint=joint)
        for r, covariance in enumerate(covariances)
    ]


def _levels(name, metric, n, rng, replications):
    shapes = SHAPES[name]
    width = len(shapes)
    # The replications follow each other as one long journey: what a stage says does not depend on
    # those beyond the one before.
    sides = [
        np.stack([rng.multinomial(n, np.array(s) / 100.0, size=replications) for s in shapes], 1)
        for _ in range(2)
    ]
    a, b = (_histograms(one.reshape(-1, 5)) for one in sides)
    names = STAGES * replications
    stages = journey_of_levels(names, a, metric=metric).stages[width - 1 :: width]
    truth = [_true(one, metric) for one in shapes]
    yield Case("Stage.interval", [one.interval for one in stages], truth[2], variant=metric)
    yield Case("Stage.change_interval", [one.change_interval for one in stages],
               truth[2] - truth[1], variant=metric)  # fmt: skip
    compared = _compared(a, b, metric, "holm", 0.95)
    yield Case("StageComparison.interval", [one.interval for one in compared[::width]], 0.0,
               variant=metric)  # fmt: skip
    variance = np.array([_plain_variance(c, metric, a, b, i) for i, c in enumerate(compared)])
    whole = _joined(compared, [np.diag(one) for one in variance.reshape(-1, width)])
    yield Case("JourneyComparison.interval", [one.interval for one in whole], 0.0,
               variant=metric)  # fmt: skip


@cache
def population(name):
    """Answers of the same respondents to all stages."""
    latent = correlated(np.random.default_rng(23), ROWS, 3, 0.5)
    return np.column_stack([ordinal(latent[:, j], SHAPES[name][j]) for j in range(3)])


def _pairs(codes):
    products = codes.T @ codes
    total = np.repeat(codes.sum(axis=0)[:, None], 3, axis=1)
    return PairSums(np.full((3, 3), len(codes)), total, products, [4] * 3, [False] * 3)


def _questions(name, n, rng, replications):
    table = population(name)
    width = len(STAGES)
    sides = [table[rng.integers(0, ROWS, (replications, n))] for _ in range(2)]
    means = 25.0 * table.mean(axis=0)
    pairs = [[_pairs(one) for one in side] for side in sides]
    found = [journey_of_means(STAGES, one) for one in pairs[0]]
    yield Case("Stage.change_interval", [one.stages[2].change_interval for one in found],
               float(means[2] - means[1]), variant="paired means")  # fmt: skip
    moments = [[_means_of(one) for one in side] for side in pairs]
    # One call for all replications: each by itself takes a hundred times as long.
    estimates = [
        [
            Estimate(n, float(mean), float(np.sqrt(variance)), n - 1, (0.0, 100.0))
            for one in side
            for mean, variance in zip(one.value, np.diag(one.covariance), strict=True)
        ]
        for side in moments
    ]
    compared = compare_estimates(*estimates)
    covariances = [a.covariance + b.covariance for a, b in zip(*moments, strict=True)]
    whole = _joined(compared, covariances)
    yield Case("JourneyComparison.interval", [one.interval for one in whole], 0.0,
               variant="paired means")  # fmt: skip
    counts = [np.stack([histograms(one[:, :, j], 5) for j in range(width)], 1) for one in sides]
    share = 100.0 * (table == 4).mean(axis=0)
    every = [_histograms(stage[None]) for stage in counts[0].reshape(-1, 5)]
    boxes = journey_of_questions(STAGES * replications, every, metric="top_box")
    yield Case("Stage.change_interval",
               [one.change_interval for one in boxes.stages[width - 1 :: width]],
               float(share[2] - share[1]), variant="shares, bounded")  # fmt: skip
    a, b = (_histograms(side.reshape(-1, 5)) for side in counts)
    compared = _compared(a, b, "top_box", "holm", 0.95)
    errors = np.sqrt([_plain_variance(c, "top_box", a, b, i) for i, c in enumerate(compared)])
    whole = _joined(compared, [np.outer(e, e) for e in errors.reshape(-1, width)], joint=False)
    yield Case("JourneyComparison.interval", [one.interval for one in whole], 0.0,
               variant="shares, bounded")  # fmt: skip


def scenarios():
    for name in SHAPES:
        for n in (30, 300):
            for metric in ("nps", "top_box", "mean"):
                yield Scenario("Journey, a dimension's levels", f"{name} answers, {metric}", n,
                               partial(_levels, name, metric, n), replications=FEW)  # fmt: skip
            yield Scenario("Journey, questions", f"{name} answers", n,
                           partial(_questions, name, n), replications=FEW)  # fmt: skip
