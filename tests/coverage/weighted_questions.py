"""Differences, changes, steps and alpha under survey weights."""

from functools import partial

import numpy as np

from cxstream.analytics import weighted_change, weighted_index, weighted_journey
from cxstream.analytics.points import Linear, Points
from cxstream.analytics.raking import Margin, rake
from cxstream.analytics.reliability import reliability
from cxstream.analytics.survey import degrees_of_freedom
from cxstream.analytics.weighted_comparison import Estimates, compare
from tests.coverage import movements, reliabilities
from tests.coverage.nets import label, score
from tests.coverage.populations import drawn, fourth, grouped, second
from tests.coverage.scenario import FEW, Case, Scenario
from tests.coverage.weighting import (
    AGES,
    BY_AGE,
    MIXES,
    POPULATION,
    REGIONS,
    RESPONSE,
    sample_of,
    table_of,
)

PAIRS = ((30, 30), (30, 300), (100, 100), (1_000, 1_000))
NETS = (
    ((15, 25, 60), (15, 25, 60)),
    ((10, 20, 70), (20, 25, 55)),
    ((2, 8, 90), (15, 25, 60)),
)
SHARES = (((40, 60), (30, 70)), ((20, 80), (10, 90)), ((10, 90), (50, 50)))
SCALES = (
    ((5, 10, 25, 40, 20), (20, 20, 20, 20, 20)),
    ((2, 3, 5, 20, 70), (5, 10, 25, 40, 20)),
)
NET, SHARE, MEAN = (-100, 0, 100), (0, 100), (0, 25, 50, 75, 100)


def _points(sample, values):
    y = np.array(values, dtype=object)
    powers = np.stack([np.ones_like(y), y, y * y], axis=1)
    return Points.of_sums(sample.counts.sum(axis=1), sample.sums @ powers, sample.sums2 @ powers)


def _estimates(sample, values):
    low, high = float(min(values)), float(max(values))
    df = degrees_of_freedom(sample, [(one - low) / (high - low) for one in values])
    return Estimates.of(_points(sample, values), (low, high), df=df)


def _compared(shapes, values, mix, sizes, rng, replications):
    sides = [
        _estimates(sample_of(rng, table_of(shape, mix, True), n, replications), values)
        for shape, n in zip(shapes, sizes, strict=True)
    ]
    means = [float(np.dot(shape, values)) / 100.0 for shape in shapes]
    for method in ("score", "wald"):
        found = compare(*sides, method=method)
        yield Case("Comparison.interval", [one.interval for one in found],
                   means[0] - means[1], default=method == "score", variant="weighted")  # fmt: skip


def _change(name, mix, sizes, rng, replications):
    """Segments of both periods, the unhappy respondents of each the heavier ones."""
    sides, truth = [], []
    for period, n in zip(movements.PERIODS[name], sizes, strict=True):
        shares, classes = period
        tables = tables_of(period, mix)
        counts = rng.multinomial(n, tables.ravel(), size=replications)
        counts = counts.reshape(replications, len(shares), 3, -1)
        sides.append(counts)
        points = np.array([score(one) for one in classes])
        truth.append((np.array(shares) / 100.0, points))
    (s_0, n_0), (s_1, n_1) = truth
    reference = (s_0 @ n_0 + s_1 @ n_1) / 2.0
    mix_of = (s_1 - s_0) * ((n_0 + n_1) / 2.0 - reference)
    rate_of = (s_0 + s_1) / 2.0 * (n_1 - n_0)
    found = [weighted_change.change(segments(a), segments(b))
             for a, b in zip(*sides, strict=True)]  # fmt: skip
    for variant, true in (
        ("change", (mix_of + rate_of).sum()),
        ("mix", mix_of.sum()),
        ("rate", rate_of.sum()),
    ):
        every = [getattr(one, variant).interval for one in found]
        yield Case("Effect.interval", every, float(true), variant=f"weighted {variant}")
    last = [one.segments[-1] for one in found]
    yield Case("Effect.interval",
               [None if one.presence == "absent" else one.rate.interval for one in last],
               float(rate_of[-1]), variant="weighted rate, last segment")  # fmt: skip


def tables_of(period, mix):
    """Shares of (segment, class, weight) among a period's responses, the unhappy ones the heavier."""
    tables = np.stack([share / 100.0 * table_of(one, mix, True) * _weight(one, mix)
                       for share, one in zip(*period, strict=True)])  # fmt: skip
    return tables / tables.sum()


def _weight(shape, mix):
    """Responses per unit of weight: a segment's share is that of its weights."""
    table = table_of(shape, mix, True)
    return 1.0 / float((table @ np.array([1.0, 2.0, 5.0])).sum())


def segments(counts):
    """Points of every segment, of counts by (segment, class, weight)."""
    w = np.array([1, 2, 5])
    y = np.array(NET, dtype=object)
    powers = np.stack([np.ones_like(y), y, y * y], axis=1)
    sums, squares = ((counts @ one).astype(object) for one in (w, w * w))
    return Points.of_sums(counts.sum(axis=(1, 2)), sums @ powers, squares @ powers)


def _step(name, n, rng, replications):
    """A step between two means of the same respondents; the worse the first, the heavier."""
    table = reliabilities.population(name, 2)
    top = int(table.max())
    every = 1 + (table[:, 0] < top)
    means = (table * every[:, None]).sum(axis=0) / every.sum() * 100.0 / top
    at = rng.integers(0, len(table), (replications, n))
    group = np.repeat(np.arange(replications), n)
    codes, w = table[at].reshape(-1, 2), every[at].ravel()
    given = weighted_index.PatternSums.of(
        np.arange(replications),
        np.full(replications, 3, dtype=np.uint64),
        np.full(replications, n),
        grouped(codes, group, replications, w),
        grouped(codes, group, replications, w * w),
    )
    found = weighted_index.column_means(
        given, groups=replications, origins=[0.0, 0.0], steps=[100.0 / top] * 2
    )
    steps = [
        weighted_journey.journey_of_means(("a", "b"), found, g).stages[1].change_interval
        for g in range(replications)
    ]
    yield Case("Stage.change_interval", steps, float(means[1] - means[0]), variant="weighted")


STAGES = ("search", "visit", "support")
#: Detractors, passives and promoters of each stage, percent.
BY_STAGE = ((10, 20, 70), (15, 25, 60), (30, 30, 40))


def _journeys(mix, n, rng, replications):
    """Two journeys alike; the unhappy respondents of every stage are the heavier ones."""
    sides = [
        [_estimates(sample_of(rng, table_of(one, mix, True), n, replications), NET)
         for one in BY_STAGE]
        for _ in range(2)
    ]  # fmt: skip
    # Steps between the last two stages, of all replications as pairs of one comparison.
    steps = compare(sides[0][2], sides[0][1])
    yield Case("Stage.change_interval", [one.interval for one in steps],
               score(BY_STAGE[2]) - score(BY_STAGE[1]), variant="weighted nps")  # fmt: skip
    wholes = []
    for r in range(replications):
        at = np.array([r])
        a, b = (stacked([one.take(at) for one in side]) for side in sides)
        wholes.append(weighted_journey.compare_levels(STAGES, a, b).interval)
    yield Case("JourneyComparison.interval", wholes, 0.0, variant="weighted nps")


def stacked(parts):
    """Estimates of one group each, together."""
    linear = [one.linear for one in parts]
    return Estimates(
        *(np.concatenate([getattr(one, name) for one in parts])
          for name in ("n", "value", "known")),
        Linear(*(np.concatenate([getattr(one, name) for one in linear])
                 for name in ("squares", "first", "second")), None),
        *(np.concatenate([getattr(one, name) for one in parts])
          for name in ("effective_n", "total", "df")),
        parts[0].ends,
    )  # fmt: skip


def _raked(n, rng, replications):
    """Two ages compared after raking to age and region."""
    within = np.repeat(BY_AGE, 2, axis=0)
    responses = (POPULATION * RESPONSE).ravel()
    table = (responses / responses.sum())[:, None] * within
    counts = rng.multinomial(n, table.ravel(), size=replications).reshape(replications, 6, 3)
    cell = np.arange(6)
    margins = [
        Margin("age", AGES, cell // 2, POPULATION.sum(axis=1)),
        Margin("region", REGIONS, cell % 2, POPULATION.sum(axis=0)),
    ]
    nets = 100.0 * (within[:, 2] - within[:, 0])
    north = cell % 2 == 0
    truth = [
        float(POPULATION.ravel()[kept] @ nets[kept] / POPULATION.ravel()[kept].sum())
        for kept in (north, ~north)
    ]
    y = np.array(NET, dtype=float)
    powers = np.stack([np.ones_like(y), y, y * y], axis=1)
    found = []
    for own in counts:
        size = own.sum(axis=1).astype(float)
        try:
            calibration = rake(own.sum(axis=1), size, size, margins)
        except ValueError:
            # A level that nobody of the sample has: there is no answer.
            found.append(None)
            continue
        points = Points.of_rows(
            2, cell % 2, own.sum(axis=1), own @ powers, own @ powers, cell=cell,
            calibration=calibration,
        )  # fmt: skip
        sides = [Estimates.of(points.take(np.array([at])), (-100.0, 100.0)) for at in (0, 1)]
        found.append(compare(*sides)[0].interval)
    yield Case("Comparison.interval", found, truth[0] - truth[1], variant="raked")


def _alpha(kind, items, n, rng, replications):
    """The higher the first answer, the lighter: weights of 1 and 2."""
    table = reliabilities.population(kind, items)
    top = int(table.max())
    every = 1 + (table[:, 0] < np.median(table[:, 0]))
    names = [f"q{j}" for j in range(items)]
    model = {
        "names": names, "items": list(range(items)), "ranges": [top] * items,
        "reverse": [False] * items,
    }  # fmt: skip
    # In whole numbers: the heavier ones twice.
    true = reliability(second(np.repeat(table, every, axis=0)[None]), **model)[0].alpha
    marked = np.column_stack([table, every])
    found = []
    for rows in drawn(rng, marked, n, replications):
        codes, w = rows[:, :, :items], rows[:, :, items]
        once = second(codes, w)
        twice = fourth(codes, w * w)
        found += reliability(
            once, fourth=twice, responses=np.full(len(codes), n),
            effective_n=w.sum(axis=1) ** 2 / (w * w).sum(axis=1), **model,
        )  # fmt: skip
    yield Case("Reliability.free_interval", [one.free_interval for one in found], true,
               variant="weighted")  # fmt: skip


def scenarios():
    for mix, weights in MIXES.items():
        for statistic, values, pairs in (
            ("Difference of net scores, weighted", NET, NETS),
            ("Difference of shares, weighted", SHARE, SHARES),
            ("Difference of means, weighted", MEAN, SCALES),
        ):
            for a, b in pairs:
                for sizes in PAIRS:
                    yield Scenario(statistic, f"{label(a)} less {label(b)}, {mix}", min(sizes),
                                   partial(_compared, (a, b), values, weights, sizes),
                                   "{:,} and {:,}".format(*sizes), FEW)  # fmt: skip
    for name in movements.PERIODS:
        for n in (30, 100, 1_000):
            yield Scenario("Change of NPS, weighted", name, n,
                           partial(_change, name, MIXES["weights 1, 2, 5"], (n, n)),
                           f"{n:,} and {n:,}", FEW)  # fmt: skip
    for name in ("five points", "skewed five points"):
        for n in (30, 100, 1_000):
            yield Scenario("Journey of questions, weighted", name, n, partial(_step, name, n),
                           replications=FEW)  # fmt: skip
    for mix, weights in MIXES.items():
        for n in (30, 100, 1_000):
            yield Scenario("Journey, a dimension's levels, weighted", mix, n,
                           partial(_journeys, weights, n), f"{n:,} a stage", FEW)  # fmt: skip
    for n in (30, 100, 1_000):
        yield Scenario("Difference of raked net scores", "spread", n, partial(_raked, n),
                       replications=FEW)  # fmt: skip
    for kind, items in (("normal", 3), ("five points", 5), ("skewed five points", 3)):
        for n in (30, 100, 1_000):
            yield Scenario("Cronbach's alpha, weighted", f"{kind}, {items} items", n,
                           partial(_alpha, kind, items, n), replications=FEW)  # fmt: skip
