"""Journeys, outcomes by NPS class, lifetime values, churn and series, raked to two margins."""

from fractions import Fraction
from functools import partial

import numpy as np

from cxstream.analytics import weighted, weighted_index, weighted_linkage, weighted_monitoring
from cxstream.analytics.journey import Stage
from cxstream.analytics.linkage import Margin as Money
from cxstream.analytics.linkage import lifetime_value, value_by_class
from cxstream.analytics.points import Points
from cxstream.analytics.raking import Margin, RakedSample
from cxstream.analytics.survey import degrees_of_freedom
from cxstream.analytics.weighted_comparison import Estimates
from cxstream.analytics.weighted_journey import (
    compare_levels,
    compare_means,
    journey_of_levels,
    journey_of_means,
)
from tests.coverage.outcomes import DISCOUNT, PERIODS
from tests.coverage.populations import grouped
from tests.coverage.raked import CELL, TABLES, answered, calibrated, cells, margins_of
from tests.coverage.scenario import FEW, Case, Scenario
from tests.coverage.weighting import AGES, BY_AGE, POPULATION, REGIONS, RESPONSE

CUSTOMERS = POPULATION.ravel()
#: Chances that a response is of a cell.
ANSWERED = CUSTOMERS * RESPONSE.ravel() / float(CUSTOMERS @ RESPONSE.ravel())
MARGINS = [
    Margin("age", AGES, CELL // 2, POPULATION.sum(axis=1)),
    Margin("region", REGIONS, CELL % 2, POPULATION.sum(axis=0)),
]
NET, SHARE = (-100, 0, 100), (0, 100)

STAGES = ("search", "visit", "support")
#: What a stage does to the shares of detractors, passives and promoters, in points of 100.
BY_STAGE = np.array([[0, 0, 0], [3, 2, -5], [10, 5, -15]]) / 100.0
#: Share that churns and mean spend, by class, and what age does to both.
CHURN = {
    "high churn": np.array([0.40, 0.25, 0.10]),
    "low churn": np.array([0.15, 0.08, 0.03]),
}
SPEND = np.array([40.0, 60.0, 100.0])
CHURN_BY_AGE, SPEND_BY_AGE = np.array([1.3, 1.0, 0.7]), np.array([0.8, 1.0, 1.2])


def sample_of(counts, calibration):
    """Classes of groups, of counts by group, cell and class."""
    rows = counts.reshape(-1, counts.shape[-1])
    group, cell = np.repeat(np.arange(len(counts)), 6), np.tile(CELL, len(counts))
    size = rows.astype(float)
    return RakedSample(len(counts), group, cell, rows, size, size, calibration)


def points_of(sample, values):
    """Respondents' points."""
    y = np.array(values, dtype=float)
    sums = sample.row_weights @ np.stack([np.ones_like(y), y, y * y], axis=1)
    return Points.of_rows(
        sample.groups, sample.group, sample.row_counts.sum(axis=1), sums, sums,
        cell=sample.cell, calibration=sample.calibration,
    )  # fmt: skip


def estimates_of(sample, values):
    """Mean points, ready to be compared."""
    low, high = float(min(values)), float(max(values))
    df = degrees_of_freedom(sample, [(one - low) / (high - low) for one in values])
    return Estimates.of(points_of(sample, values), (low, high), df=df)


def _levels(n, rng, replications):
    """Two journeys along three stages, of some n responses each."""
    classes = np.repeat(BY_AGE, 2, axis=0) + BY_STAGE[:, None, :]
    truth = 100.0 * (classes[:, :, 2] - classes[:, :, 0]) @ CUSTOMERS
    table = np.stack([ANSWERED[:, None] * one for one in classes] * 2) / 6.0
    drawn = rng.multinomial(6 * n, table.ravel(), size=replications).reshape(-1, 6, 6, 3)
    stages, steps, wholes = [], [], []
    for counts in drawn:
        calibration = calibrated(counts.sum(axis=(0, 2)), MARGINS)
        if calibration is None:
            for one in (stages, steps, wholes):
                one.append(None)
            continue
        sample = sample_of(counts, calibration)
        estimates = estimates_of(sample, NET)
        values = [one.value for one in weighted.nps(sample)[:3]]
        first = [
            Stage(name, one.n, one.score, one.se, one.interval)
            for name, one in zip(STAGES, values, strict=True)
        ]
        sides = [estimates.take(np.arange(at, at + 3)) for at in (0, 3)]
        journey = journey_of_levels(first, sides[0])
        stages.append(journey.stages[2].interval)
        steps.append(journey.stages[2].change_interval)
        wholes.append(compare_levels(STAGES, *sides).interval)
    yield Case("Stage.interval", stages, float(truth[2]), variant="raked nps")
    yield Case("Stage.change_interval", steps, float(truth[2] - truth[1]), variant="raked nps")
    yield Case("JourneyComparison.interval", wholes, 0.0, variant="raked nps")


def _questions(kind, n, rng, replications):
    """Two journeys of some n respondents each, who answer three questions."""
    table, (cell, chance) = TABLES["alpha"](kind, 3), cells("alpha", kind, 3)
    step = 100.0 / int(table.max())
    means, margins = step * table.mean(axis=0), margins_of(cell)
    steps, wholes = [], []
    for _ in range(replications):
        at = answered(rng, chance, 2 * n)
        calibration = calibrated(np.bincount(cell[at], minlength=6), margins)
        if calibration is None:
            steps.append(None)
            wholes.append(None)
            continue
        side = rng.integers(0, 2, 2 * n)
        found = _column_means(table[at], side, cell[at], 2, calibration, [0.0] * 3, [step] * 3)
        steps.append(journey_of_means(STAGES, found, 0).stages[2].change_interval)
        wholes.append(compare_means(STAGES, found, 0, 1).interval)
    yield Case("Stage.change_interval", steps, float(means[2] - means[1]),
               variant="raked paired means")  # fmt: skip
    yield Case("JourneyComparison.interval", wholes, 0.0, variant="raked paired means")


def _patterns(codes, group, cell, groups, calibration):
    """Sums of groups by cell; everybody answers all."""
    sums = grouped(codes, group * 6 + cell, groups * 6)
    there = np.flatnonzero(sums[:, 0])
    return weighted_index.PatternSums.of(
        there // 6, np.full(len(there), (1 << codes.shape[1]) - 1, dtype=np.uint64),
        sums[there, 0], sums[there], sums[there], Fraction(1), there % 6, calibration,
    )  # fmt: skip


def _column_means(codes, group, cell, groups, calibration, origins, steps):
    given = _patterns(codes, group, cell, groups, calibration)
    return weighted_index.column_means(given, groups=groups, origins=origins, steps=steps)


def _true_means(churn):
    """Churn and mean spend of each class, over the customers it is of."""
    share = np.repeat(BY_AGE, 2, axis=0) * CUSTOMERS[:, None]
    age = CELL // 2
    left = (share * churn * CHURN_BY_AGE[age][:, None]).sum(axis=0) / share.sum(axis=0)
    spend = (share * SPEND * SPEND_BY_AGE[age][:, None]).sum(axis=0) / share.sum(axis=0)
    return left, spend


#: Responses for each detractor.
PER_DETRACTOR = 1.0 / float(ANSWERED @ np.repeat(BY_AGE, 2, axis=0)[:, 0])


def _linkage(name, n, rng, replications):
    """Churn and spend in whole cents by NPS class, of n detractors or so; lifetime value of both."""
    churn = CHURN[name]
    total = round(n * PER_DETRACTOR)
    within = np.cumsum(np.repeat(BY_AGE, 2, axis=0), axis=1)[:, :2]
    found: dict[str, list] = {key: [] for key in ("share", "move", "mean", "gap", "value", "worth")}
    terms = {"variant": "margin_next", "discount": DISCOUNT}
    for _ in range(replications):
        cell = rng.choice(6, total, p=ANSWERED)
        of = (rng.random(total)[:, None] > within[cell]).sum(axis=1)
        left = (rng.random(total) < churn[of] * CHURN_BY_AGE[cell // 2]).astype(np.int64)
        cents = np.rint(rng.gamma(4.0, 25.0 * SPEND[of] * SPEND_BY_AGE[cell // 2])).astype(np.int64)
        calibration = calibrated(np.bincount(cell, minlength=6), MARGINS)
        if calibration is None or len(np.unique(of)) < 3:
            for one in found.values():
                one.append(None)
            continue
        counts = np.zeros((3, 6, 2), dtype=np.int64)
        np.add.at(counts, (of, cell, left), 1)
        sample = sample_of(counts, calibration)
        (by_share,) = weighted_linkage.by_class(
            weighted_linkage.shares(sample, 0.95), estimates_of(sample, SHARE)
        )
        found["share"].append(by_share.classes[0].interval)
        found["move"].append(by_share.moves[2].interval)
        money = _patterns(cents[:, None], of, cell, 3, calibration)
        scale = {"groups": 3, "origin": Fraction(0), "step": Fraction(1, 100)}
        means = [one.value for one in weighted_index.number(money, **scale)]
        spent = Estimates.of(weighted_index.number_points(money, **scale), None, spread=True)
        (by_mean,) = weighted_linkage.by_class(
            [(one.n, one.mean, one.se, one.interval) for one in means], spent
        )
        found["mean"].append(by_mean.classes[0].interval)
        found["gap"].append(by_mean.moves[2].interval)
        both = _column_means(
            np.stack([cents, left], axis=1), of, cell, 3, calibration, [0.0, 0.0], [0.01, 1.0]
        )
        error = np.sqrt(np.einsum("gii->gi", both.covariance))
        kept = weighted_linkage.kept_bounds(
            both.value[:, 1], error[:, 1], both.effective_n[:, 1], sample, 0.95
        )
        worth = value_by_class(
            [
                Money(int(size), *map(float, (v[0], e[0], v[1], e[1], c[0, 1])), bounds)
                for size, v, e, c, bounds in zip(
                    both.n[:, 0], both.value, error, both.covariance, kept, strict=True
                )
            ],
            **terms,
        )
        found["value"].append(worth.classes[0].interval)
        found["worth"].append(worth.moves[2].interval)
    lost, spend = _true_means(churn)
    values = [lifetime_value(m, 1.0 - c, **terms)[0] for m, c in zip(spend, lost, strict=True)]
    for field, key, truth, variant in (
        ("ClassOutcome", "share", 100.0 * lost[0], "raked share, detractors"),
        ("Move", "move", 100.0 * (lost[2] - lost[0]), "raked share"),
        ("ClassOutcome", "mean", spend[0], "raked mean, detractors"),
        ("Move", "gap", spend[2] - spend[0], "raked mean"),
        ("LifetimeValue", "value", values[0], "raked, detractors"),
        ("Move", "worth", values[2] - values[0], "lifetime value, raked"),
    ):
        yield Case(f"{field}.interval", found[key], float(truth), variant=variant)


def _retention(name, n, rng, replications):
    """Who leaves, the young rather than the old, and revenue: who pays less leaves more often."""
    churn = CHURN[name][0] * CHURN_BY_AGE[CELL // 2]
    shares, overs, money = [], [], []
    for _ in range(replications):
        cell = rng.choice(6, n, p=ANSWERED)
        left = (rng.random(n) < churn[cell]).astype(np.int64)
        cents = np.rint(rng.gamma(2.0, np.where(left, 2_000.0, 3_000.0))).astype(np.int64)
        calibration = calibrated(np.bincount(cell, minlength=6), MARGINS)
        if calibration is None:
            for one in (shares, overs, money):
                one.append(None)
            continue
        counts = np.zeros((1, 6, 2), dtype=np.int64)
        np.add.at(counts[0], (cell, left), 1)
        revenue = weighted_index.number_points(
            _patterns(cents[:, None], left, cell, 2, calibration),
            groups=2, origin=Fraction(0), step=Fraction(1, 100),
        )  # fmt: skip
        (found,) = weighted_linkage.retention(
            sample_of(counts, calibration), periods=PERIODS, revenue=revenue
        )
        shares.append(found.interval)
        overs.append(found.churn_over_interval)
        money.append(found.revenue_churn_interval)
    true = float(CUSTOMERS @ churn)
    yield Case("Retention.interval", shares, 100.0 * true, variant="raked")
    yield Case("Retention.churn_over_interval", overs, 100.0 * (1.0 - (1.0 - true) ** PERIODS),
               variant="raked")  # fmt: skip
    # Means of 4,000 and 6,000 cents.
    yield Case("Retention.revenue_churn_interval", money,
               100.0 * 4.0 * true / (4.0 * true + 6.0 * (1.0 - true)), variant="raked")  # fmt: skip


#: Buckets of one series.
BUCKETS = 10


def _series(n, rng, replications):
    """Buckets of some n responses, of a series that is raked as a whole."""
    within = np.repeat(BY_AGE, 2, axis=0)
    table = np.stack([ANSWERED[:, None] * within] * BUCKETS) / BUCKETS
    found = []
    series = replications // BUCKETS
    for drawn in rng.multinomial(BUCKETS * n, table.ravel(), size=series):
        counts = drawn.reshape(BUCKETS, 6, 3)
        calibration = calibrated(counts.sum(axis=(0, 2)), MARGINS)
        if calibration is None:
            found += [None] * BUCKETS
            continue
        sample = sample_of(counts, calibration)
        values = [one.value for one in weighted.nps(sample)]
        charted = weighted_monitoring.monitor(
            values, points_of(sample, NET), classes=sample, lowest=-100.0
        )
        found += [one.interval for one in charted.buckets]
    truth = 100.0 * float(CUSTOMERS @ (within[:, 2] - within[:, 0]))
    yield Case("MonitoredBucket.interval", found, truth, variant="raked")


def scenarios():
    for n in (30, 100, 1_000):
        yield Scenario("Journey, a dimension's levels, raked", "spread", n, partial(_levels, n),
                       f"some {n:,} a stage", FEW)  # fmt: skip
    for kind in ("normal", "skewed five points"):
        for n in (30, 100, 1_000):
            yield Scenario("Journey of questions, raked", kind, n, partial(_questions, kind, n),
                           f"some {n:,} a journey", FEW)  # fmt: skip
    for name in CHURN:
        for n in (30, 100, 1_000):
            yield Scenario("Outcome by NPS class, raked", name, n, partial(_linkage, name, n),
                           f"some {n:,} detractors", FEW)  # fmt: skip
        for n in (30, 100, 1_000):
            yield Scenario("Churn and retention, raked", name, n, partial(_retention, name, n),
                           replications=FEW)  # fmt: skip
    for n in (30, 100, 1_000):
        yield Scenario("Monitored series, NPS, raked", "spread", n, partial(_series, n),
                       f"some {n:,} a bucket", FEW)  # fmt: skip
