"""Models, indices, numbers and changes of samples that are raked to two margins."""

from fractions import Fraction
from functools import cache, partial

import numpy as np

from cxstream.analytics import weighted_change, weighted_index
from cxstream.analytics.drivers import drivers
from cxstream.analytics.insights import weighted_insights
from cxstream.analytics.points import Points
from cxstream.analytics.raking import (
    FACTOR_STEP,
    Margin,
    RakedClusters,
    RakedProducts,
    rake,
)
from cxstream.analytics.regression import fit
from cxstream.analytics.reliability import reliability
from cxstream.analytics.robust import clustered, heteroscedastic
from tests.coverage import importance, indices, regressions, reliabilities
from tests.coverage.means import numbers
from tests.coverage.populations import ROWS, fourth, grouped, second
from tests.coverage.scenario import FEW, Case, Scenario
from tests.coverage.weighting import AGES, BY_AGE, POPULATION, REGIONS, RESPONSE

CELL = np.arange(6)


@cache
def cells(statistic, *of):
    """The cell of every row of a population, and chances that it answers, added up.

    The better the answers, the older.
    """
    rng = np.random.default_rng(31)
    mood = TABLES[statistic](*of).reshape(ROWS, -1).astype(float)
    mood = ((mood - mood.mean(axis=0)) / mood.std(axis=0)).sum(axis=1)
    mood = mood + mood.std() * rng.standard_normal(ROWS)
    place = np.argsort(np.argsort(mood)) / ROWS
    age = np.searchsorted(np.cumsum(POPULATION.sum(axis=1))[:-1], place, side="right")
    south = rng.random(ROWS) < (POPULATION[:, 1] / POPULATION.sum(axis=1))[age]
    cell = 2 * age + south
    # The old answer more than the young, the north more than the south.
    return cell, np.cumsum(RESPONSE.ravel()[cell])


TABLES = {
    "regression": regressions.population,
    "importance": importance.population,
    "alpha": reliabilities.population,
    "index": indices.population,
    "number": numbers,
}


def answered(rng, chance, n):
    """Who of a population answers."""
    return np.searchsorted(chance, rng.random(n) * chance[-1])


def margins_of(cell):
    """Shares of both margins in a population."""
    share = np.bincount(cell, minlength=6) / len(cell)
    table = share.reshape(3, 2)
    return [
        Margin("age", AGES, CELL // 2, table.sum(axis=1)),
        Margin("region", REGIONS, CELL % 2, table.sum(axis=0)),
    ]


def calibrated(size, margins):
    """Fit cells to margins; None where nobody has a level: there is no answer."""
    try:
        return rake(size, size.astype(float), size.astype(float), margins)
    except ValueError:
        return None


class Sums:
    """Raked sums of products of one sample's answers."""

    def __init__(self, codes, cell, calibration):
        groups = [codes[cell == c][None] for c in CELL]
        factor = calibration.whole_factors[:, None]
        once = np.concatenate([second(one) for one in groups]).astype(object)
        twice = np.concatenate([fourth(one) for one in groups]).astype(object)
        width = codes.shape[1] + 1
        pairs = np.concatenate([second(one) for one in groups]).astype(object)
        self.second = (factor * once).sum(axis=0)[None]
        self.fourth = (factor**2 * twice).sum(axis=0)[None]
        self.products = RakedProducts(
            (factor * once).reshape(1, 6, -1), (factor**2 * pairs).reshape(1, 6, -1),
            FACTOR_STEP, calibration,
        )  # fmt: skip
        self.responses = [len(codes)]
        self.effective = [float(self.second[0, 0]) ** 2 / float(self.fourth[0, 0])]
        assert once.shape[1] == width * (width + 1) // 2


def _samples(statistic, of, n, rng, replications):
    """Raked sums of every replication; None where there is no answer."""
    table, (cell, chance) = TABLES[statistic](*of), cells(statistic, *of)
    margins = margins_of(cell)
    for _ in range(replications):
        at = answered(rng, chance, n)
        calibration = calibrated(np.bincount(cell[at], minlength=6), margins)
        yield None if calibration is None else Sums(table[at], cell[at], calibration)


def _regression(truth, n, rng, replications):
    design = regressions.DESIGN
    true = fit(second(regressions.population(truth)[None]), **design)[0].terms[1].coefficient
    asked = {"names": design["names"], "questions": ["a", "y"], "outcome": "y",
             "origins": [0] * 4, "steps": [1] * 4}  # fmt: skip
    whole = second(regressions.population(truth)[None]), fourth(regressions.population(truth)[None])
    pair = weighted_insights(*whole, responses=[ROWS], **asked)[0][0].slope
    found, slopes = [], []
    for one in _samples("regression", (truth,), n, rng, replications):
        if one is None:
            found.append(None)
            slopes.append(None)
            continue
        given = {"responses": one.responses, "raked": one.products}
        found += regressions.slope(heteroscedastic(
            one.second, one.fourth, kind="design", interval="bell_mccaffrey",
            weight_step=FACTOR_STEP, **given, **design,
        ))  # fmt: skip
        (pairs,) = weighted_insights(one.second, one.fourth, **given, **asked)
        slopes.append(pairs[0].interval)
    yield Case("Term.interval", found, true, variant="design, raked")
    yield Case("Insight.interval", slopes, pair, variant="raked")


def _importance(kind, count, r2, n, rng, replications):
    model = importance.model_of(kind, count)
    table = importance.population(kind, count, r2)
    (true,) = drivers(second(table[None]), **model)
    found = [
        None if one is None else drivers(
            one.second, fourth=one.fourth, responses=one.responses, raked=one.products, **model
        )[0].drivers
        for one in _samples("importance", (kind, count, r2), n, rng, replications)
    ]  # fmt: skip
    for at, variant in ((0, "strongest"), (count - 1, "weakest")):
        yield Case("Driver.interval", [one[at].interval if one else None for one in found],
                   true.drivers[at].lmg, variant=f"{variant}, raked")  # fmt: skip


def _alpha(kind, items, n, rng, replications):
    table = reliabilities.population(kind, items)
    model = {
        "names": [f"q{j}" for j in range(items)],
        "items": list(range(items)),
        "ranges": [int(table.max())] * items,
        "reverse": [False] * items,
    }
    true = reliability(second(table[None]), **model)[0].alpha
    found = [
        None if one is None else reliability(
            one.second, fourth=one.fourth, responses=one.responses, effective_n=one.effective,
            raked=one.products, **model,
        )[0].free_interval
        for one in _samples("alpha", (kind, items), n, rng, replications)
    ]  # fmt: skip
    yield Case("Reliability.free_interval", found, true, variant="raked")


def _patterns(codes, cell, calibration):
    """Sums of a sample by cell, of one pattern."""
    sums = grouped(codes.reshape(len(cell), -1), cell, 6)
    there = sums[:, 0] > 0
    return weighted_index.PatternSums.of(
        np.zeros(there.sum(), dtype=np.int64),
        np.full(there.sum(), (1 << (codes.size // len(cell))) - 1, dtype=np.uint64),
        sums[there, 0], sums[there], sums[there], Fraction(1), CELL[there], calibration,
    )  # fmt: skip


def _mean(statistic, name, n, rng, replications):
    """An index, or the mean of a number."""
    of = (name, 0.5) if statistic == "index" else (name,)
    table, (cell, chance) = TABLES[statistic](*of), cells(statistic, *of)
    margins, found = margins_of(cell), []
    top = len(indices.SHAPES[name]) - 1 if statistic == "index" else 0
    for _ in range(replications):
        at = answered(rng, chance, n)
        calibration = calibrated(np.bincount(cell[at], minlength=6), margins)
        if calibration is None:
            found.append(None)
            continue
        given = _patterns(table[at], cell[at], calibration)
        if statistic == "index":
            (one,) = weighted_index.index(
                given, groups=1, ranges=[top] * 4, reverse=[False] * 4, parts=indices.PARTS
            )
        else:
            (one,) = weighted_index.number(
                given, groups=1, origin=Fraction(0), step=Fraction(1, 100)
            )
        found.append(one.value.interval)
    if statistic == "index":
        parts = (table.mean(axis=0) * 100.0 / top).reshape(2, 2).mean(axis=1)
        yield Case("Index.interval", found, float(np.dot(parts, (2.0, 1.0)) / 3.0), variant="raked")
    else:
        yield Case("Distribution.interval", found, float(table.mean()) / 100.0,
                   variant="raked number")  # fmt: skip


#: Two periods: who is a customer, by cell, and how each cell answers.
BEFORE = POPULATION.ravel(), np.repeat(BY_AGE, 2, axis=0)
AFTER = (
    np.array([15, 20, 25, 10, 20, 10]) / 100.0,
    np.repeat(np.array([[25, 30, 45], [20, 25, 55], [5, 15, 80]]) / 100.0, 2, axis=0),
)
NET = np.array([-100.0, 0.0, 100.0])


def _change(n, rng, replications):
    """Mix and rate by region of two periods, raked together to the customers of both."""
    powers = np.stack([np.ones(3), NET, NET**2], axis=1)
    counts, pooled, truth = [], np.zeros(6), []
    for customers, classes in (BEFORE, AFTER):
        chance = customers * RESPONSE.ravel()
        # As many customers as it takes for n to answer.
        pooled += customers / chance.sum()
        table = (chance / chance.sum())[:, None] * classes
        counts.append(rng.multinomial(n, table.ravel(), size=replications).reshape(-1, 6, 3))
        by_region = (customers * (classes @ NET)).reshape(3, 2).sum(axis=0)
        share = customers.reshape(3, 2).sum(axis=0)
        truth.append((share, by_region / share))
    pooled = (pooled / pooled.sum()).reshape(3, 2)
    margins = [
        Margin("age", AGES, CELL // 2, pooled.sum(axis=1)),
        Margin("region", REGIONS, CELL % 2, pooled.sum(axis=0)),
    ]
    found, impacts = [], []
    for both in zip(*counts, strict=True):
        size = sum(both).sum(axis=1)
        calibration = calibrated(size, margins)
        if calibration is None:
            found.append(None)
            impacts.append(None)
            continue
        sides = [
            Points.of_rows(
                2, CELL % 2, own.sum(axis=1), own @ powers, own @ powers, cell=CELL,
                calibration=calibration,
            )
            for own in both
        ]  # fmt: skip
        found.append(weighted_change.change(*sides))
        impacts.append(weighted_change.impacts(sides[0])[0].interval)
    (s_0, n_0), (s_1, n_1) = truth
    mix = (s_1 - s_0) * ((n_0 + n_1) / 2.0 - (s_0 @ n_0 + s_1 @ n_1) / 2.0)
    rate = (s_0 + s_1) / 2.0 * (n_1 - n_0)
    for variant, true in (("change", mix.sum() + rate.sum()), ("rate", rate.sum())):
        every = [one and getattr(one, variant).interval for one in found]
        yield Case("Effect.interval", every, float(true), variant=f"raked {variant}")
    yield Case("Impact.interval", impacts, float(s_0 @ n_0 - n_0[1]), variant="raked")


def _clusters(clusters, rng, replications):
    """Ratings and errors that go together within clusters; the happier, the older. Slope 6."""
    size = 3 * regressions.CLUSTER
    design = {"origins": [0, 0], "steps": [1, 1], "names": ["a", "y"], "outcome": 1, "drivers": [0]}

    def drawn(many):
        """Customers of clusters: answers, cell, cluster."""
        shape = (many, size)
        shared = rng.standard_normal((many, 1))
        latent = np.sqrt(0.3) * shared + np.sqrt(0.7) * rng.standard_normal(shape)
        ratings = regressions.ordinal(latent, regressions.EVEN)
        errors = rng.standard_normal((many, 1)) * 4.0 + 8.0 * rng.standard_normal(shape)
        outcome = np.rint(50.0 + 6.0 * ratings + errors).astype(np.int64)
        age = np.searchsorted([-0.5, 0.8], latent + rng.standard_normal(shape))
        south = rng.random(shape) < 0.3 + 0.4 * (shared > 0)
        codes = np.stack([ratings, outcome], axis=-1).reshape(-1, 2)
        return codes, (2 * age + south).ravel(), np.repeat(np.arange(many), size)

    _, cell, _ = drawn(20_000)
    margins, found = margins_of(cell), []
    for _ in range(replications):
        codes, cell, cluster = drawn(clusters)
        there = rng.random(len(cell)) < RESPONSE.ravel()[cell] * 2.0
        codes, cell, cluster = codes[there], cell[there], cluster[there]
        calibration = calibrated(np.bincount(cell, minlength=6), margins)
        factor = calibration.whole_factors
        table = grouped(codes, cluster * 6 + cell, clusters * 6).reshape(clusters, 6, -1)
        once = factor[:, None] * table.astype(object)
        products = RakedProducts(once, factor[:, None] * once, FACTOR_STEP, calibration)
        weights = table[:, :, 0] * calibration.factors
        raked = RakedClusters(products, np.arange(clusters), weights, np.zeros(6))
        found += regressions.slope(clustered(
            once.sum(axis=1), np.zeros(clusters, dtype=np.int64), groups=1,
            interval="bell_mccaffrey", responses=table[:, :, 0].sum(axis=1),
            weight_step=FACTOR_STEP, raked=raked, **design,
        ))  # fmt: skip
    yield Case("Term.interval", found, 6.0, variant="cluster, raked")


def scenarios():
    for truth in (regressions.TRUTHS[0], *regressions.TRUTHS[3:]):
        for n in (30, 100, 1_000):
            yield Scenario("Regression coefficient, raked", truth, n,
                           partial(_regression, truth, n), replications=FEW)  # fmt: skip
    for clusters in (10, 30, 100):
        yield Scenario("Regression coefficient, raked, errors by cluster",
                       f"clusters of some {regressions.CLUSTER}", clusters,
                       partial(_clusters, clusters), f"{clusters} clusters", FEW)  # fmt: skip
    for kind, count, r2 in (("normal", 3, 0.5), ("skewed five points", 3, 0.5)):
        for n in (30, 100, 1_000):
            yield Scenario("Importance (LMG), raked",
                           f"{kind}, {count} drivers, R2 = {r2:g} before rounding", n,
                           partial(_importance, kind, count, r2, n), replications=FEW)  # fmt: skip
    for kind, items in (("normal", 3), ("skewed five points", 3)):
        for n in (30, 100, 1_000):
            yield Scenario("Cronbach's alpha, raked", f"{kind}, {items} items", n,
                           partial(_alpha, kind, items, n), replications=FEW)  # fmt: skip
    for name in ("five points, spread", "five points, skewed"):
        for n in (30, 100, 1_000):
            yield Scenario("Index, raked", name, n, partial(_mean, "index", name, n),
                           replications=FEW)  # fmt: skip
    for name in ("normal", "exponential"):
        for n in (30, 100, 1_000):
            yield Scenario("Mean of a number, raked", name, n, partial(_mean, "number", name, n),
                           replications=FEW)  # fmt: skip
    for n in (30, 100, 1_000):
        yield Scenario("Change and impact of NPS, raked", "spread", n, partial(_change, n),
                       f"{n:,} and {n:,}", FEW)  # fmt: skip
