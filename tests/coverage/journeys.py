"""Touchpoints of a journey: their steps, and two journeys compared."""

from functools import cache, partial

import numpy as np

from cxstream.analytics.journey import (
    Histograms,
    PairSums,
    compare_levels,
    compare_means,
    compare_questions,
    journey_of_levels,
    journey_of_means,
    journey_of_questions,
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


def _levels(name, metric, n, rng, replications):
    shapes = SHAPES[name]
    sides = [
        np.stack([rng.multinomial(n, np.array(s) / 100.0, size=replications) for s in shapes], 1)
        for _ in range(2)
    ]
    found = [journey_of_levels(STAGES, _histograms(one), metric=metric) for one in sides[0]]
    truth = [_true(one, metric) for one in shapes]
    yield Case("Stage.interval", [one.stages[2].interval for one in found], truth[2],
               variant=metric)  # fmt: skip
    yield Case("Stage.change_interval", [one.stages[2].change_interval for one in found],
               truth[2] - truth[1], variant=metric)  # fmt: skip
    compared = [
        compare_levels(STAGES, _histograms(a), _histograms(b), metric=metric)
        for a, b in zip(*sides, strict=True)
    ]
    yield Case("StageComparison.interval", [one.stages[0].interval for one in compared], 0.0,
               variant=metric)  # fmt: skip
    yield Case("JourneyComparison.interval", [one.interval for one in compared], 0.0,
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
    sides = [table[rng.integers(0, ROWS, (replications, n))] for _ in range(2)]
    means = 25.0 * table.mean(axis=0)
    found = [journey_of_means(STAGES, _pairs(one)) for one in sides[0]]
    yield Case("Stage.change_interval", [one.stages[2].change_interval for one in found],
               float(means[2] - means[1]), variant="paired means")  # fmt: skip
    compared = [compare_means(STAGES, _pairs(a), _pairs(b)) for a, b in zip(*sides, strict=True)]
    yield Case("JourneyComparison.interval", [one.interval for one in compared], 0.0,
               variant="paired means")  # fmt: skip
    counts = [np.stack([histograms(one[:, :, j], 5) for j in range(3)], 1) for one in sides]
    share = 100.0 * (table == 4).mean(axis=0)
    shown = [[[_histograms(stage[None]) for stage in one] for one in side] for side in counts]
    boxes = [journey_of_questions(STAGES, one, metric="top_box") for one in shown[0]]
    yield Case("Stage.change_interval", [one.stages[2].change_interval for one in boxes],
               float(share[2] - share[1]), variant="shares, bounded")  # fmt: skip
    both = [compare_questions(STAGES, a, b, metric="top_box") for a, b in zip(*shown, strict=True)]
    yield Case("JourneyComparison.interval", [one.interval for one in both], 0.0,
               variant="shares, bounded")  # fmt: skip


def scenarios():
    for name in SHAPES:
        for n in (10, 30, 300):
            for metric in ("nps", "top_box", "mean"):
                yield Scenario("Journey, a dimension's levels", f"{name} answers, {metric}", n,
                               partial(_levels, name, metric, n), replications=FEW)  # fmt: skip
            yield Scenario("Journey, questions", f"{name} answers", n,
                           partial(_questions, name, n), replications=FEW)  # fmt: skip
