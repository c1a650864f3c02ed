"""Post-stratification and raking from cells, against rows, bootstrap and closed forms."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cxstream.analytics import weighted, weighted_index
from cxstream.analytics.index import Part
from cxstream.analytics.raking import Calibration, Margin, RakedSample, rake
from cxstream.analytics.survey import ClassSums
from tests.analytics.tolerances import FLOAT_ORACLE, ROUNDING
from tests.reference.survey import raked, residual_error, weighted_mean

A, B, K = 4, 3, 3
TARGETS = ([0.4, 0.3, 0.2, 0.1], [0.2, 0.3, 0.5])
# Rounds stop at 1e-9 of a share.
STOPPED = 1e-7


class Survey:
    """Rows with two dimensions, a domain, an answer and a weight; answers lean on both."""

    def __init__(self, n: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.a = rng.choice(A, n, p=[0.1, 0.2, 0.3, 0.4])
        self.b = rng.choice(B, n, p=[0.5, 0.25, 0.25])
        self.a[:12], self.b[:12] = np.repeat(np.arange(A), B), np.tile(np.arange(B), A)
        lean = 0.12 * self.a + 0.15 * self.b
        self.y = (rng.random(n)[:, None] > np.stack([0.6 - lean, 0.85 - lean], 1)).sum(axis=1)
        self.w = rng.integers(1, 9, n)
        self.g = rng.integers(0, 2, n)

    @property
    def cell(self):
        return self.a * B + self.b

    def margins(self):
        cells = np.arange(A * B)
        return [
            Margin("region", ["n", "e", "s", "w"], cells // B, np.array(TARGETS[0])),
            Margin("age", ["young", "middle", "old"], cells % B, np.array(TARGETS[1])),
        ]

    def calibrate(self, margins=None, **options) -> Calibration:
        sums = [np.bincount(self.cell, self.w.astype(float) ** k, A * B) for k in (0, 1, 2)]
        return rake(sums[0].astype(int), *sums[1:], margins or self.margins(), **options)

    def sample(self, calibration: Calibration) -> RakedSample:
        row = self.g * A * B + self.cell
        tables = [np.zeros((2 * A * B, K)) for _ in range(3)]
        for k, table in enumerate(tables):
            np.add.at(table, (row, self.y), self.w.astype(float) ** k)
        return RakedSample(2, np.repeat([0, 1], A * B), np.tile(np.arange(A * B), 2),
                           tables[0].astype(int), *tables[1:], calibration)  # fmt: skip


def test_raking_is_raking_of_rows():
    rows = Survey(200)
    found = rows.calibrate()
    wanted = raked(rows.w.tolist(), [rows.a, rows.b], TARGETS, rounds=100)
    assert found.converged
    assert found.iterations < 50
    assert found.factors[rows.cell] * rows.w == pytest.approx(np.array(wanted), rel=STOPPED)
    assert (found.factors * found.weights).sum() == pytest.approx(rows.w.sum(), rel=ROUNDING)
    n, w = len(rows.w), np.array(wanted)
    assert found.design_effect == pytest.approx(n * (w**2).sum() / w.sum() ** 2, rel=STOPPED)
    assert abs(found.worst.target - found.worst.reached) < 1e-6


def test_totals_and_percentages_are_as_good_as_shares():
    rows = Survey(200)
    scaled = [Margin(m.name, m.levels, m.level, m.targets * size)
              for m, size in zip(rows.margins(), (100, 8_000_000), strict=True)]  # fmt: skip
    assert rows.calibrate(scaled).factors == pytest.approx(rows.calibrate().factors, rel=STOPPED)


def test_post_stratification_takes_one_step_and_has_a_closed_form():
    rows = Survey(200)
    cells = np.arange(A * B)
    target = np.arange(1.0, A * B + 1)
    found = rows.calibrate([Margin("cell", [str(c) for c in cells], cells, target)])
    assert (found.iterations, found.converged) == (1, True)
    share = target / target.sum()
    weight = np.bincount(rows.cell, rows.w, A * B)
    assert found.factors == pytest.approx(share * weight.sum() / weight, rel=ROUNDING)


@pytest.mark.parametrize("post", [False, True])
def test_standard_error_is_that_of_residuals(post):
    rows = Survey(300)
    if post:
        cells = np.arange(A * B)
        margins = [Margin("cell", [str(c) for c in cells], cells, 1.0 + cells)]
        levels = [rows.cell]
    else:
        margins, levels = rows.margins(), [rows.a, rows.b]
    calibration = rows.calibrate(margins)
    found = weighted.nps(rows.sample(calibration))
    w = calibration.factors[rows.cell] * rows.w
    for group in (0, 1):
        inside = rows.g == group
        mean, se = residual_error(
            (100 * (rows.y - 1)).tolist(), inside.tolist(), w.tolist(), rows.w.tolist(), levels
        )
        assert found[group].value.score == pytest.approx(mean, abs=FLOAT_ORACLE * 100)
        assert found[group].value.se == pytest.approx(se, rel=STOPPED)
        assert found[group].value.n == inside.sum()


def test_targets_that_are_met_already_change_no_estimate():
    rows = Survey(200)
    cells = np.arange(A * B)
    weight = np.bincount(rows.cell, rows.w, A * B)
    margins = [
        Margin("a", list("nesw"), cells // B, np.bincount(cells // B, weight)),
        Margin("b", list("ymo"), cells % B, np.bincount(cells % B, weight)),
    ]
    calibration = rows.calibrate(margins)
    assert calibration.factors == pytest.approx(np.ones(A * B), rel=ROUNDING)
    found = weighted.nps(rows.sample(calibration))
    for group in (0, 1):
        inside = rows.g == group
        mean, se = weighted_mean((100 * (rows.y[inside] - 1)).tolist(), rows.w[inside].tolist())
        assert found[group].value.score == pytest.approx(mean, rel=FLOAT_ORACLE)
        # the shares are known now: the margins explain part of the variance
        assert found[group].value.se < se


@pytest.mark.parametrize("margins", [1, 2])
def test_fitting_to_margins_takes_degrees_of_freedom(margins):
    """One for each level that does not follow from others: intervals grow by them, errors do not."""
    survey = Survey(60)
    calibration = survey.calibrate(survey.margins()[:margins])
    sample = survey.sample(calibration)
    weights, squares = calibration.factors * calibration.weights, calibration.factors**2
    size = weights.sum() ** 2 / (squares * calibration.squares).sum()
    fitted = A + (B - 1) * (margins - 1)
    left = (size - fitted) / (size - 1)
    assert calibration.freedom == sample.freedom == pytest.approx(left, rel=FLOAT_ORACLE)
    assert ClassSums.of([[1, 2]], [[1, 2]], [[1, 2]]).freedom == 1.0
    plain = dataclasses.replace(calibration, columns=calibration.columns[:, :0],
                                regression=calibration.regression[:0])  # fmt: skip
    assert plain.freedom == 1.0


def test_trimming_keeps_to_its_bounds_and_says_what_it_costs():
    rows = Survey(200)
    free, bound = rows.calibrate(), rows.calibrate(bounds=(0.5, 2.0), iterations=200)
    assert free.factors.max() > 2.0
    assert free.factors.min() < 0.5
    assert free.trimmed == 0
    assert bound.trimmed > 0
    assert 0.5 <= bound.factors.min() <= bound.factors.max() <= 2.0
    assert not bound.converged
    assert bound.iterations == 200
    assert abs(bound.worst.target - bound.worst.reached) > 0.1
    assert bound.design_effect < free.design_effect


def test_bounds_that_do_not_bind_change_nothing():
    rows = Survey(200)
    assert (
        rows.calibrate(bounds=(0.01, 100.0)).factors.tolist() == rows.calibrate().factors.tolist()
    )


def test_an_empty_cell_is_no_obstacle_where_its_margins_are_not_empty():
    n = np.array([[5, 0], [3, 4]])
    margins = [
        Margin("a", ["x", "y"], np.array([0, 0, 1, 1]), np.array([0.3, 0.7])),
        Margin("b", ["u", "v"], np.array([0, 1, 0, 1]), np.array([0.5, 0.5])),
    ]
    found = rake(n.ravel(), n.ravel(), n.ravel(), margins)
    assert found.converged
    assert found.factors[1] == 0.0


def test_margins_that_contradict_the_empty_cells_are_reported():
    n = np.array([5, 0, 0, 4])  # x only with u, y only with v
    margins = [
        Margin("a", ["x", "y"], np.array([0, 0, 1, 1]), np.array([0.3, 0.7])),
        Margin("b", ["u", "v"], np.array([0, 1, 0, 1]), np.array([0.5, 0.5])),
    ]
    found = rake(n, n, n, margins, iterations=50)
    assert (found.converged, found.iterations) == (False, 50)
    assert abs(found.worst.target - found.worst.reached) == pytest.approx(20.0, abs=0.01)


def one(target, levels=("x", "y"), name="a"):
    return [Margin(name, list(levels), np.array([0, 1]), np.array(target))]


@pytest.mark.parametrize(
    ("n", "margins", "options", "message"),
    [
        ([3, 0], one([0.5, 0.5]), {}, "a: no response with a weight has level 'y'"),
        ([3, 2], one([0.5, -0.5]), {}, "0 or more"),
        ([3, 2], one([0.0, 0.0]), {}, "one of them above 0"),
        ([3, 2], one([np.nan, 1.0]), {}, "0 or more"),
        ([3, 2], [], {}, "at least one margin"),
        ([0, 0], one([0.5, 0.5]), {}, "no response has a weight"),
        ([3, 2], one([0.5, 0.5]), {"bounds": (1.5, 2.0)}, "bounds"),
    ],
)
def test_what_cannot_be_raked_is_refused_up_front(n, margins, options, message):
    with pytest.raises(ValueError, match=message):
        rake(n, n, n, margins, **options)


def test_a_target_of_zero_leaves_its_responses_out():
    n = np.array([3, 2])
    calibration = rake(n, n, n, one([1.0, 0.0]))
    assert calibration.factors.tolist() == [5 / 3, 0.0]
    sample = RakedSample(1, np.zeros(2, int), np.array([0, 1]), np.array([[1, 1, 1], [2, 0, 0]]),
                         np.array([[1, 1, 1.0], [2, 0, 0]]), np.array([[1, 1, 1.0], [2, 0, 0]]),
                         calibration)  # fmt: skip
    (found,) = weighted.nps(sample)
    assert found.value.n == 3
    assert found.value.score == pytest.approx(0.0, abs=ROUNDING * 100)


def test_every_class_metric_takes_raked_weights():
    rows = Survey(300)
    calibration = rows.calibrate()
    sample = rows.sample(calibration)
    w = calibration.factors[rows.cell] * rows.w
    inside = rows.g == 0
    (box, _), (card, _), (spread, _) = (
        weighted.csat(sample, top_from=2),
        weighted.scorecard(sample),
        weighted.distribution(sample, range(3)),
    )
    mean, _ = weighted_mean((100 * (rows.y[inside] == 2)).tolist(), w[inside].tolist())
    assert box.value.score == pytest.approx(mean, rel=FLOAT_ORACLE)
    assert card.value.options[2].share == pytest.approx(mean, rel=FLOAT_ORACLE)
    assert sum(one.share for one in spread.value.levels) == pytest.approx(100.0, rel=ROUNDING)
    mean, se = residual_error(rows.y.tolist(), inside.tolist(), w.tolist(), rows.w.tolist(),
                              [rows.a, rows.b])  # fmt: skip
    assert spread.value.mean == pytest.approx(mean, rel=FLOAT_ORACLE)
    assert spread.value.se == pytest.approx(se, rel=STOPPED)
    base = RakedSample(2, sample.group, sample.cell, sample.row_counts.sum(axis=1, keepdims=True),
                       sample.row_weights.sum(axis=1, keepdims=True),
                       sample.row_squares.sum(axis=1, keepdims=True), calibration)  # fmt: skip
    (same, _) = weighted.scorecard(sample, base)
    assert same.value.options[2].share == pytest.approx(card.value.options[2].share, rel=ROUNDING)


def test_index_and_number_take_raked_weights():
    rows = Survey(300)
    calibration = rows.calibrate()
    w = calibration.factors[rows.cell] * rows.w
    table = np.zeros((2, A * B, 2, 3))
    for power in (1, 2):
        for k in range(3):
            np.add.at(table[:, :, power - 1, k], (rows.g, rows.cell),
                      rows.w.astype(float) ** power * rows.y**k)  # fmt: skip
    n = np.zeros((2, A * B), dtype=int)
    np.add.at(n, (rows.g, rows.cell), 1)
    group, cell = np.divmod(np.arange(2 * A * B), A * B)
    whole = table.reshape(2 * A * B, 2, 3).astype(int)
    given = weighted_index.PatternSums.of(
        group, np.ones(2 * A * B, np.uint64), n.ravel(), whole[:, 0], whole[:, 1],
        cell=cell, calibration=calibration,
    )  # fmt: skip
    part = [Part("only", 1.0, (0,))]
    for policy in ("renormalise", "item_means"):
        found = weighted_index.index(given, groups=2, ranges=[2], reverse=[False], parts=part,
                                     policy=policy)  # fmt: skip
        numbers = weighted_index.number(given, groups=2, origin=0, step=50)
        for g in (0, 1):
            mean, se = residual_error((50 * rows.y).tolist(), (rows.g == g).tolist(), w.tolist(),
                                      rows.w.tolist(), [rows.a, rows.b])  # fmt: skip
            assert found[g].value.score == pytest.approx(mean, rel=FLOAT_ORACLE)
            assert found[g].value.se == pytest.approx(se, rel=STOPPED)
            assert numbers[g].value.mean == pytest.approx(mean, rel=FLOAT_ORACLE)
            assert numbers[g].value.se == pytest.approx(se, rel=STOPPED)


def test_no_weights_at_all_can_be_raked_too():
    # Counts are sums of weights 1 and of their squares.
    rows = Survey(200)
    rows.w = np.ones_like(rows.w)
    found = weighted.nps(rows.sample(rows.calibrate()))
    w = np.array(raked(rows.w.tolist(), [rows.a, rows.b], TARGETS, rounds=100))
    inside = rows.g == 1
    mean, _ = weighted_mean((100 * (rows.y[inside] - 1)).tolist(), w[inside].tolist())
    assert found[1].value.score == pytest.approx(mean, rel=STOPPED)
    plain = ClassSums.of(*(rows.sample(rows.calibrate()).row_counts,) * 3)
    assert plain.design_effect().max() == 1.0


# The bar: a linearised standard error is within 10 % of 1,000 replicates' (which are good to 2.2 %).
BOOTSTRAP = 0.10


@pytest.mark.slow
@pytest.mark.parametrize("n", [500, 5000])
def test_standard_error_against_a_bootstrap_that_rakes_every_replicate(n):
    rows = Survey(n, seed=3)
    found = weighted.nps(rows.sample(rows.calibrate()))
    rng = np.random.default_rng(9)
    scores = []
    for _ in range(1000):
        pick = rng.integers(0, n, n)
        other = Survey(12)
        other.a, other.b, other.y = rows.a[pick], rows.b[pick], rows.y[pick]
        other.w, other.g = rows.w[pick], rows.g[pick]
        scores.append([one.value.score for one in weighted.nps(other.sample(other.calibrate()))])
    deviation = np.std(scores, axis=0, ddof=1)
    for group in (0, 1):
        assert found[group].value.se == pytest.approx(deviation[group], rel=BOOTSTRAP)
