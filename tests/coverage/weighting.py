"""Metrics of weighted and of raked samples."""

from fractions import Fraction
from functools import partial

import numpy as np

from cxstream.analytics import weighted, weighted_index
from cxstream.analytics.raking import Margin, RakedSample, rake
from cxstream.analytics.survey import ClassSums
from tests.coverage import indices
from tests.coverage.means import mean_of, numbers
from tests.coverage.nets import label, score
from tests.coverage.populations import ROWS, grouped
from tests.coverage.scenario import FEW, Case, Scenario

#: Weights, and their shares of the responses in percent.
WEIGHTS = (1, 2, 5)
MIXES = {
    "weights 1, 2, 5": (50, 30, 20),
    "few heavy weights": (90, 5, 5),
}

SHAPES = ((15, 25, 60), (2, 8, 90))
SCALES = ((5, 10, 25, 40, 20), (2, 3, 5, 20, 70), (1, 1, 3, 5, 90))


def table_of(shape, mix, informative):
    """Shares of (class, weight) among responses, so that the weighted shares are the shape.

    `informative`: unhappy respondents are the heavier ones.
    """
    shares = np.array(shape, dtype=float) / 100.0
    by_weight = np.tile(np.array(mix, dtype=float) / 100.0, (len(shares), 1))
    if informative:
        by_weight[: len(shares) // 2] = by_weight[: len(shares) // 2, ::-1]
    mean_weight = by_weight @ np.array(WEIGHTS, dtype=float)
    responses = shares / mean_weight
    return (responses / responses.sum())[:, None] * by_weight


def sample_of(rng, table, n, replications):
    counts = rng.multinomial(n, table.ravel(), size=replications)
    counts = counts.reshape(replications, *table.shape)
    w = np.array(WEIGHTS)
    return ClassSums.of(counts.sum(axis=2), counts @ w, counts @ (w * w))


def _nps(shape, mix, informative, n, rng, replications):
    sample = sample_of(rng, table_of(shape, mix, informative), n, replications)
    found = weighted.nps(sample)
    yield Case("Nps.interval", [one.value.interval for one in found], score(shape),
               variant="weighted")  # fmt: skip


def _csat(shape, mix, informative, n, rng, replications):
    sample = sample_of(rng, table_of(shape, mix, informative), n, replications)
    found = [one.value for one in weighted.csat(sample, top_from=len(shape) - 1)]
    yield Case("Csat.interval", [one.interval for one in found], float(shape[-1]),
               variant="weighted")  # fmt: skip
    top = len(shape) - 1
    for variant, how, truth in (
        ("mean", {}, mean_of(shape) * top / 100.0),
        ("net", {"low_to": 0, "high_from": top}, float(shape[-1] - shape[0])),
        ("agree", {"agree_from": top}, float(shape[-1])),
    ):
        effort = weighted.ces(sample, variant=variant, **how)
        yield Case("Ces.interval", [one.value.interval for one in effort], truth,
                   variant=f"{variant}, weighted")  # fmt: skip
    yield Case("Csat.mean_interval", [one.mean_interval for one in found], mean_of(shape),
               variant="weighted")  # fmt: skip
    options = [one.value.options for one in weighted.scorecard(sample)]
    yield Case("OptionShare.interval", [o.interval for one in options for o in one], shape,
               variant="weighted")  # fmt: skip


def _index(name, n, rng, replications):
    table = indices.population(name, 0.5)
    top = len(indices.SHAPES[name]) - 1
    # The worse the first answer, the heavier.
    every = 1 + (table[:, 0] < top)
    parts = (table * every[:, None]).sum(axis=0) / every.sum() * 100.0 / top
    truth = float(np.dot(parts.reshape(2, 2).mean(axis=1), (2.0, 1.0)) / 3.0)
    at = rng.integers(0, ROWS, (replications, n))
    group = np.repeat(np.arange(replications), n)
    codes, w = table[at].reshape(-1, 4), every[at].ravel()
    given = weighted_index.PatternSums.of(
        np.arange(replications),
        np.full(replications, 15, dtype=np.uint64),
        np.full(replications, n),
        grouped(codes, group, replications, w),
        grouped(codes, group, replications, w * w),
    )
    found = weighted_index.index(
        given, groups=replications, ranges=[top] * 4, reverse=[False] * 4, parts=indices.PARTS
    )
    yield Case("Index.interval", [one.value.interval for one in found], truth, variant="weighted")


def _number(name, n, rng, replications):
    table = numbers(name)
    every = 1 + np.arange(ROWS) % 3
    truth = float((table * every).sum() / every.sum()) / 100.0
    at = rng.integers(0, ROWS, (replications, n))
    x, w = table[at].astype(object), every[at].astype(object)
    sums = [[(w**power * x**k).sum(axis=1) for k in range(3)] for power in (1, 2)]
    given = weighted.Moments.of(np.full(replications, n), *sums)
    found = weighted.number(given, origin=Fraction(0), step=Fraction(1, 100))
    yield Case("Distribution.interval", [one.value.interval for one in found], truth,
               variant="weighted number")  # fmt: skip


#: Cells of two dimensions: three ages by two regions.
AGES, REGIONS = ("young", "middle", "old"), ("north", "south")
POPULATION = np.array([[20, 15], [25, 15], [10, 15]]) / 100.0
# Of a cell's customers, how many answer: a factor for each age, one for each region.
RESPONSE = np.array([0.1, 0.2, 0.4])[:, None] * np.array([1.0, 0.6])
#: Detractors, passives, promoters of each age, percent.
BY_AGE = np.array([[30, 30, 40], [15, 25, 60], [5, 10, 85]]) / 100.0
SKEWED_BY_AGE = np.array([[6, 14, 80], [2, 8, 90], [1, 4, 95]]) / 100.0


def _raked(by_age, n, rng, replications):
    within = np.repeat(by_age, 2, axis=0)
    truth = 100.0 * float(POPULATION.ravel() @ (within[:, 2] - within[:, 0]))
    responses = (POPULATION * RESPONSE).ravel()
    table = (responses / responses.sum())[:, None] * within
    counts = rng.multinomial(n, table.ravel(), size=replications).reshape(replications, 6, 3)
    cell = np.arange(6)
    margins = [
        Margin("age", AGES, cell // 2, POPULATION.sum(axis=1)),
        Margin("region", REGIONS, cell % 2, POPULATION.sum(axis=0)),
    ]
    scores, boxes, means = [], [], []
    for own in counts:
        rows = own.astype(float)
        size = rows.sum(axis=1)
        try:
            calibration = rake(own.sum(axis=1), size, size, margins)
        except ValueError:
            # A level that nobody of the sample has: there is no answer.
            for missing in (scores, boxes, means):
                missing.append(None)
            continue
        sample = RakedSample(1, np.zeros(6, dtype=np.int64), cell, own, rows, rows, calibration)
        scores.append(weighted.nps(sample)[0].value.interval)
        (box,) = weighted.csat(sample, top_from=2)
        boxes.append(box.value.interval)
        means.append(box.value.mean_interval)
    share = 100.0 * float(POPULATION.ravel() @ within[:, 2])
    yield Case("Nps.interval", scores, truth, variant="raked")
    yield Case("Csat.interval", boxes, share, variant="raked")
    yield Case("Csat.mean_interval", means, 50.0 + truth / 2.0, variant="raked")


def scenarios():
    for shape in SHAPES:
        for mix, weights in MIXES.items():
            for informative in (False, True):
                name = f"{label(shape)}, {mix}" + (", unhappy ones heavier" if informative else "")
                for n in (10, 30, 100, 1_000):
                    yield Scenario("NPS, weighted", name, n,
                                   partial(_nps, shape, weights, informative, n),
                                   replications=FEW)  # fmt: skip
    for shape in SCALES:
        for mix, weights in MIXES.items():
            for n in (10, 30, 100, 1_000):
                yield Scenario("Scales, weighted", f"{label(shape)}, {mix}", n,
                               partial(_csat, shape, weights, True, n),
                               replications=FEW)  # fmt: skip
    for name in ("five points, spread", "five points, skewed"):
        for n in (10, 30, 100):
            yield Scenario("Index, weighted", name, n, partial(_index, name, n),
                           replications=FEW)  # fmt: skip
    for name in ("normal", "exponential"):
        for n in (10, 30, 100):
            yield Scenario("Mean of a number, weighted", name, n, partial(_number, name, n),
                           replications=FEW)  # fmt: skip
    for name, by_age in (("spread", BY_AGE), ("skewed", SKEWED_BY_AGE)):
        for n in (30, 100, 1_000):
            yield Scenario("Raked to two margins", name, n, partial(_raked, by_age, n),
                           replications=FEW)  # fmt: skip
