"""Impacts, outcomes, lifetime value, churn and slopes under survey weights."""

from fractions import Fraction
from functools import partial

import numpy as np

from cxstream.analytics import weighted_change, weighted_linkage
from cxstream.analytics.insights import weighted_insights
from cxstream.analytics.linkage import Margin, lifetime_value, value_by_class
from cxstream.analytics.points import Points
from cxstream.analytics.relative import percentiles_of, weighted_performance
from cxstream.analytics.survey import ClassSums
from cxstream.analytics.weighted_comparison import compare
from cxstream.analytics.weighted_index import PatternSums, column_means, number_points
from cxstream.queries.weighted_sums import WeightedCoefficients
from tests.coverage import movements, outcomes, regressions
from tests.coverage.means import mean_of
from tests.coverage.nets import label
from tests.coverage.populations import drawn
from tests.coverage.scenario import FEW, Case, Scenario
from tests.coverage.weighted_questions import segments, tables_of
from tests.coverage.weighting import MIXES, SCALES, sample_of, table_of

MIX = MIXES["weights 1, 2, 5"]
WEIGHTS = np.array([1, 2, 5])


def _impact(name, n, rng, replications):
    """The unhappy respondents of every segment are the heavier ones."""
    period = movements.PERIODS[name][0]
    shares, points, _ = movements.points_of(period)
    whole = float(shares @ points)
    counts = rng.multinomial(n, tables_of(period, MIX).ravel(), size=replications)
    counts = counts.reshape(replications, len(shares), 3, -1)
    found = [weighted_change.impacts(segments(one)) for one in counts]
    for at in (0, -1):
        without = (whole - shares[at] * points[at]) / (1.0 - shares[at])
        variant = f"weighted, segment of {100 * shares[at]:.0f} %"
        yield Case("Impact.interval", [one[at].interval for one in found], whole - without,
                   variant=variant)  # fmt: skip


def _customers(churn, sizes, rng, replications):
    """Who left, cents spent and weights by class: those who leave weigh more, and spend less."""
    left, cents, weights = [], [], []
    for share, size, mean in zip(churn, sizes, outcomes.SPEND[: len(sizes)], strict=True):
        shape = (replications, size)
        table = table_of((share, 100.0 - share), MIX, True)
        drawn_at = rng.choice(table.size, size=shape, p=table.ravel())
        gone = drawn_at // len(WEIGHTS) == 0
        left.append(gone.astype(np.int64))
        weights.append(WEIGHTS[drawn_at % len(WEIGHTS)])
        scale = 25.0 * mean * np.where(gone, 0.8, 1.2)
        cents.append(np.rint(rng.gamma(4.0, scale)).astype(np.int64))
    return left, cents, weights


def _mean_spend(churn):
    """Weighted means of what `_customers` spend, by class."""
    return [
        mean * (0.8 * share + 1.2 * (100.0 - share)) / 100.0
        for share, mean in zip(churn, outcomes.SPEND, strict=True)
    ]


def _sums(columns, weights):
    """Sums of products of [1, columns], weighted, and by squared weights: one row a sample."""
    rows = np.stack([np.ones_like(columns[0]), *columns], axis=-1).astype(np.float64)
    a, b = np.triu_indices(rows.shape[-1])
    pairs = rows[..., a] * rows[..., b]
    return [
        np.rint((pairs * w[..., None]).sum(axis=1)).astype(np.int64)
        for w in (weights, weights * weights)
    ]


def _patterns(parts):
    """Classes of every sample, each a group: the sums of replication r and class c in row 3 r + c."""
    sums, squares = (np.stack(one, axis=1).reshape(-1, one[0].shape[1]) for one in parts)
    return sums, squares


def _value(name, sizes, rng, replications):
    churn = outcomes.CHURN[name]
    left, cents, weights = _customers(churn, sizes, rng, replications)
    each = [_sums((c, gone), w) for c, gone, w in zip(cents, left, weights, strict=True)]
    sums, squares = _patterns(list(zip(*each, strict=True)))
    groups = np.arange(3 * replications)
    given = PatternSums.of(groups, np.full(len(groups), 3, dtype=np.uint64),
                           np.tile(sizes, replications), sums, squares)  # fmt: skip
    means = column_means(given, groups=len(groups), origins=[0.0, 0.0], steps=[0.01, 1.0])
    spread = np.sqrt(np.einsum("gii->gi", means.covariance))
    terms = {"variant": "margin_next", "discount": outcomes.DISCOUNT}
    counts = [
        [(w * (gone == side)).sum(axis=1) for gone, w in zip(left, power, strict=True)]
        for side in (0, 1)
        for power in (
            [np.ones_like(one) for one in weights], weights, [one * one for one in weights]
        )
    ]  # fmt: skip
    sides = [np.stack(one, axis=1).ravel() for one in counts]
    sample = ClassSums.of(*(np.stack([sides[at], sides[3 + at]], axis=1) for at in range(3)))
    kept = weighted_linkage.kept_bounds(
        means.value[:, 1], spread[:, 1], means.effective_n[:, 1], sample, 0.95
    )
    margins = [
        Margin(
            int(n), float(value[0]), float(se[0]), float(value[1]), float(se[1]), float(both), own
        )
        for n, value, se, both, own in zip(
            means.n[:, 0], means.value, spread, means.covariance[:, 0, 1], kept, strict=True
        )
    ]
    found = [value_by_class(margins[at : at + 3], **terms) for at in range(0, len(margins), 3)]
    true = [lifetime_value(m, 1.0 - c / 100.0, **terms)[0]
            for m, c in zip(_mean_spend(churn), churn, strict=True)]  # fmt: skip
    for at, who in ((0, "detractors"), (2, "promoters")):
        yield Case("LifetimeValue.interval", [one.classes[at].interval for one in found],
                   true[at], variant=f"weighted, {who}")  # fmt: skip
    yield Case("Move.interval", [one.moves[2].interval for one in found], true[2] - true[0],
               variant="lifetime value, weighted")  # fmt: skip


def _outcomes(name, sizes, rng, replications):
    """Shares of those who left by class, each class a domain of one sample."""
    churn = outcomes.CHURN[name]
    tables = [
        rng.multinomial(size, table_of((100.0 - share, share), MIX, False).ravel(),
                        size=replications).reshape(replications, 2, -1)
        for share, size in zip(churn, sizes, strict=True)
    ]  # fmt: skip
    counts = np.stack(tables, axis=1).reshape(3 * replications, 2, -1)
    sample = ClassSums.of(counts.sum(axis=2), counts @ WEIGHTS, counts @ WEIGHTS**2)
    y = np.array([0, 100], dtype=object)
    powers = np.stack([np.ones_like(y), y, y * y], axis=1)
    points = Points.of_sums(sample.counts.sum(axis=1), sample.sums @ powers, sample.sums2 @ powers)
    estimates = weighted_linkage.Estimates.of(points, (0.0, 100.0))
    found = weighted_linkage.by_class(weighted_linkage.shares(sample, 0.95), estimates)
    yield Case("ClassOutcome.interval", [one.classes[0].interval for one in found], churn[0],
               variant="weighted share, detractors")  # fmt: skip
    yield Case("Move.interval", [one.moves[2].interval for one in found], churn[2] - churn[0],
               variant="weighted share")  # fmt: skip


def _retention(name, n, rng, replications):
    share = outcomes.CHURN[name][0]
    (left,), (cents,), (weights,) = _customers((share,), (n,), rng, replications)
    counts = [np.stack([(w * (left == side)).sum(axis=1) for side in (0, 1)], axis=1)
              for w in (np.ones_like(weights), weights, weights**2)]  # fmt: skip
    churned = ClassSums.of(*counts)
    sides = []
    for side in (0, 1):
        # One row for each side that anybody is on.
        kept = left == side
        sides.append((kept.sum(axis=1), *_sums((cents,), weights * kept)))
    n_side, sums, squares = (
        np.stack([side[at] for side in sides], axis=1).reshape(2 * replications, -1)
        for at in range(3)
    )
    groups = np.arange(2 * replications)
    given = PatternSums.of(groups, np.ones(len(groups), dtype=np.uint64), n_side[:, 0],
                           sums, squares)  # fmt: skip
    revenue = number_points(given, groups=len(groups), origin=Fraction(0), step=Fraction(1, 100))
    found = weighted_linkage.retention(churned, periods=outcomes.PERIODS, revenue=revenue)
    yield Case("Retention.interval", [one.interval for one in found], share,
               variant="weighted")  # fmt: skip
    yield Case("Retention.churn_over_interval", [one.churn_over_interval for one in found],
               100.0 * (1.0 - (1.0 - share / 100.0) ** outcomes.PERIODS), variant="weighted")  # fmt: skip
    money = 0.8 * share / (0.8 * share + 1.2 * (100.0 - share))
    yield Case("Retention.revenue_churn_interval", [one.revenue_churn_interval for one in found],
               100.0 * money, variant="weighted")  # fmt: skip


def _relative(shape, n, rng, replications):
    sample = sample_of(rng, table_of(shape, MIX, True), n, replications)
    found = weighted_performance(sample, percentiles_of(len(shape), None))
    yield Case("RelativePerformance.interval", [one.value.interval for one in found],
               mean_of(shape), variant="weighted")  # fmt: skip


def _slope_sums(truth, n, rng, replications):
    """Sums of the regressions' populations; the worse the first rating, the heavier."""
    table = regressions.population(truth)
    weights = 1 + (4 - table[:, 0])
    sums, fours = [], []
    for at in drawn(rng, np.arange(len(table)), n, replications):
        two, four = regressions.weighted_sums(table[at], weights[at], 4)
        sums.append(two)
        fours.append(four)
    whole = regressions.weighted_sums(table[None], weights[None], 4)
    return np.concatenate(sums), np.concatenate(fours), whole, len(table)


def _insights(truth, n, rng, replications):
    *both, whole, rows = _slope_sums(truth, n, rng, replications)
    asked = {"names": regressions.DESIGN["names"], "questions": ["a", "y"], "outcome": "y",
             "origins": [0] * 4, "steps": [1] * 4}  # fmt: skip
    true = weighted_insights(*whole, responses=[rows], **asked)[0][0].slope
    found = weighted_insights(*both, responses=np.full(replications, n), **asked)
    yield Case("Insight.interval", [one[0].interval for one in found], true, variant="weighted")


def _coefficients(first, other, sizes, rng, replications):
    sides, true = [], []
    for truth, n in zip((first, other), sizes, strict=True):
        *both, whole, rows = _slope_sums(truth, n, rng, replications)
        for number, (two, four), many, into in (
            (rows, whole, 1, true),
            (n, both, replications, sides),
        ):
            none = np.zeros(many, dtype=np.int64)
            size = np.full(many, number)
            into.append(
                WeightedCoefficients(
                    size, none, none, size, two, four, Fraction(1), regressions.DESIGN, "a"
                ).estimates
            )
    found = compare(*sides)
    yield Case("Comparison.interval", [one.interval for one in found],
               float(true[0].value[0] - true[1].value[0]), variant="weighted")  # fmt: skip


def scenarios():
    for name in movements.PERIODS:
        for n in (30, 100, 1_000):
            yield Scenario("Impact of a segment on NPS, weighted", name, n,
                           partial(_impact, name, n), replications=FEW)  # fmt: skip
    for name in outcomes.CHURN:
        for sizes in ((30, 30, 60), (100, 100, 300), (1_000, 1_000, 3_000)):
            shown = " / ".join(f"{n:,}" for n in sizes)
            yield Scenario("Outcome by NPS class, weighted", name, sizes[0],
                           partial(_outcomes, name, sizes), shown, FEW)  # fmt: skip
            yield Scenario("Customer lifetime value, weighted", name, sizes[0],
                           partial(_value, name, sizes), shown, FEW)  # fmt: skip
        for n in (30, 100, 1_000):
            yield Scenario("Churn and retention, weighted", name, n, partial(_retention, name, n),
                           replications=FEW)  # fmt: skip
    for shape in SCALES[:2]:
        for n in (30, 100, 1_000):
            yield Scenario("Relative performance, weighted", label(shape), n,
                           partial(_relative, shape, n), replications=FEW)  # fmt: skip
    for truth in (regressions.TRUTHS[0], regressions.TRUTHS[4]):
        for n in (30, 100, 1_000):
            yield Scenario("Insight, slope of a pair, weighted", truth, n,
                           partial(_insights, truth, n), replications=FEW)  # fmt: skip
    for sizes in ((30, 30), (30, 300), (300, 300)):
        for first, other in ((0, 0), (0, 1), (2, 1), (0, 3), (3, 3), (4, 4)):
            pair = regressions.TRUTHS[first], regressions.TRUTHS[other]
            yield Scenario("Difference of coefficients, weighted", " less ".join(pair),
                           min(sizes), partial(_coefficients, *pair, sizes),
                           f"{sizes[0]} and {sizes[1]}", FEW)  # fmt: skip
