"""Post-stratification and raking from cells alone: weights that meet given margins.

A cell is a combination of levels of the dimensions with margins. Every response of a cell gets the
same factor on top of its own weight, so that the weighted shares of the levels are the targets.
One margin (over one dimension or a combination of several) is met in one step: post-stratification.
Several are met by iterative proportional fitting: raking. No row is read: cells and their sums
of weights and squared weights are all it takes, and all that answers under the new weights take.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Counts, Floats, as_counts, divide
from cxstream.analytics.survey import Estimate, Sample

#: Where sums of products are raked, a factor counts as a whole number of steps of 2^-40: so the sums
#: are whole numbers of steps again.
FACTOR_STEP: Final = Fraction(1, 2**40)
TOLERANCE: Final = 1e-9
ITERATIONS: Final = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Margin:
    """Targets for the levels of one dimension, or of a combination of dimensions.

    Parameters
    ----------
    name : str
        What to call it in messages.
    levels : sequence of str
        Names of the m levels.
    level : (c,) int64
        The level of each cell.
    targets : (m,) float64
        Shares or totals: only their proportions count, because the weights keep their sum.
    """

    name: str
    levels: Sequence[str]
    level: Counts
    targets: Floats


@dataclass(frozen=True, slots=True)
class MarginError:
    """How far one level stayed from its target.

    Attributes
    ----------
    margin, level : str
    target, reached : float
        Shares, 0..100.
    """

    margin: str
    level: str
    target: float
    reached: float


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Factors of the cells, and how well they meet the margins.

    Attributes
    ----------
    factors : (c,) float64
        What the weight of a response of the cell is multiplied with. The sum of weights is the
        same before and after.
    iterations : int
        Rounds over all margins; 1 for post-stratification.
    converged : bool
        Whether every level is within the tolerance of its target.
    worst : MarginError
        The level that is farthest off.
    trimmed : int
        Cells that stand at a bound.
    design_effect_before, design_effect : float
        Kish's, of all responses, under the weights before and after.
    weights, squares : (c,) float64
        Sums of weights and of squared weights of all responses, before.
    columns : (c, p) float64
        Indicators of the levels of all margins.
    regression : (p, c) float64
        Takes sums ``sum w e`` per cell to the coefficients of e on the indicators.
    """

    FORMULAS: ClassVar = ("raking",)

    factors: Floats
    iterations: int
    converged: bool
    worst: MarginError
    trimmed: int
    design_effect_before: float
    design_effect: float
    weights: Floats
    squares: Floats
    columns: Floats
    regression: Floats

    @property
    def whole_factors(self) -> npt.NDArray[np.object_]:
        """Return the factors in steps of `FACTOR_STEP`, as Python integers, (c,)."""
        return np.array([round(Fraction(one) / FACTOR_STEP) for one in self.factors], dtype=object)

    @property
    def freedom(self) -> float:
        """Return the share of the degrees of freedom that fitting to the margins leaves.

        Residuals on the margins' indicators have m - r, as those of any regression, with m the effective n
        of all responses and r how many of the indicators do not depend on others; m - 1 without margins.
        One is left at least. Intervals take errors with it; standard errors are without.
        """
        weights = self.factors * self.weights
        size = float(weights.sum() ** 2 / (self.factors**2 * self.squares).sum())
        # The trace of the hat matrix.
        fitted = float((self.columns * self.regression.T * weights[:, None]).sum())
        return min(max(size - fitted, 1.0) / max(size - 1.0, 1.0), 1.0)

    def correction(
        self, group: Counts, cell: Counts, first: Floats, second: Floats, groups: int
    ) -> Floats:
        """What fitting to the margins takes off the sum of squared linearised values.

        With e the linearised value of a response (0 outside the group) and h the regression of e
        on the indicators of the margins, fitted with the weights d before raking, the variance is
        that of the residuals: ``sum w^2 (e - h)^2 = sum w^2 e^2 + (this)``. h is the same for all
        responses of a cell, so sums per cell suffice. Fitted with the weights after raking, h would
        follow most closely the responses that weigh most, and the errors of few responses would be
        too small; of many the two differ only where factors stay far from 1, and this is the larger.

        Parameters
        ----------
        group, cell : (r,) int64
            Of each row of sums.
        first, second : (r, t) float64
            ``sum w e`` and ``sum w^2 e`` under the new weights, for t statistics.
        groups : int

        Returns
        -------
        ndarray of float64, shape (groups, t)
            Not above 0, but for rounding and for what weights that vary within cells do.

        References
        ----------
        Deville, J.-C. and Särndal, C.-E. (1992), "Calibration estimators in survey sampling",
        JASA 87, 376-382, https://doi.org/10.1080/01621459.1992.10475217
        """
        cells, wide = len(self.factors), first.shape[1]
        place = group * cells + cell
        e1, e2 = (
            _summed(one, place, groups * cells).reshape(groups, cells, wide)
            for one in (first, second)
        )
        coefficients = np.einsum("pc,gct->gpt", self.regression, e1)
        h = np.einsum("cp,gpt->gct", self.columns, coefficients)
        spread = (self.factors**2 * self.squares)[None, :, None]
        result: Floats = (h * h * spread - 2.0 * h * e2).sum(axis=1)
        return result


def rake(
    n: npt.ArrayLike,
    weights: npt.ArrayLike,
    squares: npt.ArrayLike,
    margins: Sequence[Margin],
    *,
    bounds: tuple[float, float] | None = None,
    tolerance: float = TOLERANCE,
    iterations: int = ITERATIONS,
) -> Calibration:
    """Find a factor for every cell so that the weighted margins are the targets.

    Each round multiplies, margin by margin, the cells of a level by target / weighted share. With
    `bounds`, factors beyond them are set to the bound after every round, and the rounds go on: the
    others make up for it as far as they can. What cannot be met is reported, not raised.

    Parameters
    ----------
    n : array_like of int, shape (c,)
        Responses of each cell that have a weight.
    weights, squares : array_like of float, shape (c,)
        Their sums of weights and of squared weights.
    margins : sequence of Margin
        One: post-stratification. Several: raking.
    bounds : tuple of two floats, optional
        Smallest and largest factor allowed, such as (0.2, 5).
    tolerance : float
        Largest distance of a share (0..1) from its target that counts as met.
    iterations : int
        Most rounds.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        No margins; a target that is negative or not finite, or none above 0; a level with a target
        above 0 that no response has (named: no factor can bring it about); bounds that are not
        0 <= lower <= 1 <= upper; no weight at all.

    References
    ----------
    Deming, W. E. and Stephan, F. F. (1940), Annals of Mathematical Statistics 11, 427-444,
    https://doi.org/10.1214/aoms/1177731829
    """
    count = as_counts(n, "n", 1)
    base = np.asarray(weights, dtype=np.float64)
    squared = np.asarray(squares, dtype=np.float64)
    _check(base, margins, bounds)
    total = float(base.sum())
    targets = [np.asarray(one.targets, dtype=np.float64) for one in margins]
    targets = [one / one.sum() for one in targets]
    factors = np.where(base > 0.0, 1.0, 0.0)

    def reached(at: int) -> Floats:
        one = margins[at]
        share = np.bincount(one.level, weights=factors * base, minlength=len(one.levels))
        return divide(share, share.sum())

    rounds, met = 0, False
    while rounds < iterations and not met:
        rounds += 1
        for at, one in enumerate(margins):
            factors = factors * divide(targets[at], reached(at))[one.level]
        factors = factors * (total / float((factors * base).sum()))
        if bounds is not None:
            alive = (factors > 0.0) & (base > 0.0)
            factors = np.where(alive, np.clip(factors, *bounds), factors)
        met = all(
            float(np.abs(reached(at) - targets[at]).max()) <= tolerance
            for at in range(len(margins))
        )
    columns = np.concatenate([np.eye(len(one.levels))[one.level] for one in margins], axis=1)
    return Calibration(
        factors,
        rounds,
        met,
        _worst(margins, targets, [reached(at) for at in range(len(margins))]),
        0 if bounds is None else _at_bounds(factors, base, bounds),
        _kish(count, base, squared),
        _kish(np.where(factors > 0.0, count, 0), factors * base, factors**2 * squared),
        base,
        squared,
        columns,
        _regression(columns, base, factors),
    )


def _check(base: Floats, margins: Sequence[Margin], bounds: tuple[float, float] | None) -> None:
    if not margins:
        raise ValueError("raking needs at least one margin")
    if bounds is not None and not 0.0 <= bounds[0] <= 1.0 <= bounds[1]:
        raise ValueError(f"bounds {bounds} are not 0 <= lower <= 1 <= upper")
    if not float(base.sum()) > 0.0:
        raise ValueError("no response has a weight above 0")
    for one in margins:
        targets = np.asarray(one.targets, dtype=np.float64)
        if not np.isfinite(targets).all() or (targets < 0.0).any() or not targets.sum() > 0.0:
            raise ValueError(f"{one.name}: targets must be 0 or more, and one of them above 0")
        there = np.bincount(one.level, base, minlength=len(one.levels))
        empty = [
            name
            for name, share, target in zip(one.levels, there, targets, strict=True)
            if target > 0.0 and not share > 0.0
        ]
        if empty:
            raise ValueError(
                f"{one.name}: no response with a weight has level {', '.join(map(repr, empty))}, "
                "whose target is above 0: join it with another level, or leave it out"
            )


# A cell that margins that cannot be met leave next to nothing.
_GONE: Final = 1e-12


def _regression(columns: Floats, base: Floats, factors: Floats) -> Floats:
    """Give (X' D X)^+ X' F^-1, D the weights before, F the factors, of the cells that are left.

    (X' D X)^+ X' is the pseudo-inverse of D^(1/2) X times D^(-1/2): the indicators of two margins always
    depend on each other, as both add to 1.
    """
    root = np.sqrt(np.where(factors > _GONE, base, 0.0))
    inverse = np.asarray(np.linalg.pinv(root[:, None] * columns), dtype=np.float64)
    result: Floats = inverse * divide(1.0, root * factors)[None, :]
    return result


def _worst(
    margins: Sequence[Margin], targets: Sequence[Floats], reached: Sequence[Floats]
) -> MarginError:
    found = [
        (abs(float(r - t)), MarginError(one.name, name, 100.0 * float(t), 100.0 * float(r)))
        for one, target, share in zip(margins, targets, reached, strict=True)
        for name, t, r in zip(one.levels, target, share, strict=True)
    ]
    return max(found, key=lambda pair: pair[0])[1]


def _at_bounds(factors: Floats, base: Floats, bounds: tuple[float, float]) -> int:
    lower, upper = bounds
    return int(((base > 0.0) & ((factors == lower) | (factors == upper))).sum())


def _summed(rows: npt.NDArray[Any], group: Counts, groups: int) -> Floats:
    """Add up the rows of each group, (groups, columns); counts below 2^53 stay exact."""
    columns = [np.bincount(group, weights=column, minlength=groups) for column in rows.T]
    if not columns:
        return np.zeros((groups, 0))
    return np.stack(columns, axis=1)


def _kish(n: Counts, weights: Floats, squares: Floats) -> float:
    return float(n.sum() * squares.sum() / weights.sum() ** 2)


@dataclass(frozen=True, eq=False)
class RakedSample:
    """Sums per group, cell and class under raked weights: a `Sample`.

    Parameters
    ----------
    groups : int
        g.
    group, cell : (r,) int64
        Of each row.
    row_counts : (r, K) int64
        Responses that have a weight.
    row_weights, row_squares : (r, K) float64
        Sums of weights and of squared weights before raking.
    calibration : Calibration
    """

    groups: int
    group: Counts
    cell: Counts
    row_counts: Counts
    row_weights: Floats
    row_squares: Floats
    calibration: Calibration

    @cached_property
    def freedom(self) -> float:
        """Return `Calibration.freedom`."""
        return self.calibration.freedom

    @cached_property
    def _factor(self) -> Floats:
        factor: Floats = self.calibration.factors[self.cell][:, None]
        return factor

    @cached_property
    def counts(self) -> Counts:
        """Return responses of cells that raking did not leave out."""
        kept = np.where(self._factor > 0.0, self.row_counts, 0)
        return _summed(kept, self.group, self.groups).astype(np.int64)

    @cached_property
    def weights(self) -> Floats:
        """Return sums of raked weights."""
        return _summed(self._factor * self.row_weights, self.group, self.groups)

    @cached_property
    def squares(self) -> Floats:
        """Return sums of squared raked weights."""
        return _summed(self._factor**2 * self.row_squares, self.group, self.groups)

    def estimate(self, values: Sequence[int], divisor: int = 1) -> Estimate:
        """Give means of values[k] / divisor, with the variance of calibrated residuals."""
        y = np.array(values, dtype=np.float64) / divisor
        n = self.counts.sum(axis=1)
        w = self.weights
        total = w.sum(axis=1)
        mean = divide(w @ y, total)
        away = y[None, :] - mean[:, None]
        variance = divide((w * away**2).sum(axis=1), total)
        finite = divide(n, n - 1)
        naive = divide((self.squares * away**2).sum(axis=1), total**2)
        residual = divide(away[self.group], total[self.group][:, None])
        first = (self._factor * self.row_weights * residual).sum(axis=1, keepdims=True)
        second = (self._factor**2 * self.row_squares * residual).sum(axis=1, keepdims=True)
        less = self.calibration.correction(self.group, self.cell, first, second, self.groups)
        fitted = np.maximum(naive + less[:, 0], 0.0)
        return Estimate(mean, variance, finite * fitted, finite * naive)

    def design_effect(self) -> Floats:
        """Give n sum w^2 / (sum w)^2 of every group, after raking."""
        n = self.counts.sum(axis=1)
        return divide(n * self.squares.sum(axis=1), self.weights.sum(axis=1) ** 2)

    def _with(
        self, counts: npt.NDArray[Any], weights: npt.NDArray[Any], squares: npt.NDArray[Any]
    ) -> "RakedSample":
        return RakedSample(
            self.groups, self.group, self.cell, counts, weights, squares, self.calibration
        )

    def folded(self, edges: Sequence[int]) -> "RakedSample":
        """Put classes edges[i]..edges[i+1]-1 together as class i."""

        def fold(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
            parts = [table[:, a:b].sum(axis=1) for a, b in itertools.pairwise(edges)]
            return np.stack(parts, axis=1)

        return self._with(fold(self.row_counts), fold(self.row_weights), fold(self.row_squares))

    def take(self, classes: Sequence[int]) -> "RakedSample":
        """Keep some classes, in this order."""
        at = list(classes)
        return self._with(self.row_counts[:, at], self.row_weights[:, at], self.row_squares[:, at])

    def against(self, option: int, base: Sample | None) -> "RakedSample":
        """Give two classes: those of the base (all classes, where None) outside it, and inside."""
        whole = self if base is None else base
        assert isinstance(whole, RakedSample)

        def pair(mine: npt.NDArray[Any], all_of: npt.NDArray[Any]) -> npt.NDArray[Any]:
            inside = mine[:, option]
            return np.stack([np.maximum(all_of.sum(axis=1) - inside, 0), inside], axis=1)

        return self._with(
            pair(self.row_counts, whole.row_counts),
            pair(self.row_weights, whole.row_weights),
            pair(self.row_squares, whole.row_squares),
        )


@dataclass(frozen=True, eq=False)
class RakedProducts:
    """Sums of products of [1, columns] under raked weights, per group and cell.

    Many statistics (coefficients, importance, alpha) have a linearised value that is a form of the
    products of a response's answers: ``e = sum_ab F_ab x_a x_b``.

    Parameters
    ----------
    first, second : (g, c, (m+1)(m+2)/2) Python integers
        Upper triangles: of ``sum w x x'``, and of ``sum w^2 x x'``, with raked weights in steps.
    step : Fraction
        Of a raked weight.
    calibration : Calibration
    """

    first: npt.NDArray[np.object_]
    second: npt.NDArray[np.object_]
    step: Fraction
    calibration: Calibration

    def each(self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> "RakedProducts":
        """Return them with the groups of both sums changed."""
        return replace(self, first=change(self.first), second=change(self.second))

    def linear(
        self, group: int, forms: Floats, chosen: Sequence[int], mean: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Sum up linearised values.

        Parameters
        ----------
        group : int
        forms : (t, q+1, q+1) float64
            F of each statistic, symmetric, of [1, chosen columns]; weights counted in steps.
        chosen : sequence of int, length q
        mean : (q,) float64, optional
            Where the forms are of columns less this.

        Returns
        -------
        tuple of two ndarrays of float64, shape (t, c)
            ``sum w e`` and ``sum w^2 e`` of every cell.
        """
        at = np.array([0, *(1 + j for j in chosen)])
        width = (math.isqrt(8 * self.first.shape[2] + 1) - 1) // 2
        place = np.zeros((width, width), dtype=np.int64)
        upper = np.triu_indices(width)
        place[upper] = place.T[upper] = np.arange(len(upper[0]))
        move = np.eye(len(at))
        if mean is not None:
            move[1:, 0] = -mean
        moved = move.T @ forms @ move
        once, twice = (
            np.einsum("tab,cab->tc", moved, one[group][:, place[np.ix_(at, at)]].astype(np.float64))
            for one in (self.first, self.second)
        )
        # Values in steps are of weights that are by as much larger as they are smaller.
        return once, twice * float(self.step)

    def correction(
        self, group: int, forms: Floats, chosen: Sequence[int], mean: Floats | None = None
    ) -> Floats:
        """What fitting to the margins takes off the sums of products of linearised values.

        Parameters
        ----------
        group, forms, chosen, mean
            As in `linear`.

        Returns
        -------
        ndarray of float64, shape (t, t)
            As `Calibration.correction`, and its mixed form off the diagonal.
        """
        e1, e2 = self.linear(group, forms, chosen, mean)
        fit = self.calibration
        h = (e1 @ fit.regression.T) @ fit.columns.T
        across = h @ e2.T
        result: Floats = (h * (fit.factors**2 * fit.squares)) @ h.T - across - across.T
        return result


def freedom_of(calibration: Calibration | None) -> float:
    """Return `Calibration.freedom`; 1 where nothing is fitted."""
    return 1.0 if calibration is None else calibration.freedom


@dataclass(frozen=True, eq=False)
class RakedClusters:
    """What errors by cluster take of raked weights.

    Fitting to the margins takes something off the linearised value of everybody, also of those whom a
    statistic leaves out, and what it takes off goes together within clusters: so all responses of
    a cluster have a part in its total.

    Parameters
    ----------
    products : RakedProducts
        A row for each cluster of each group.
    cluster : (r,) int64
        Which cluster each row is of, 0..K-1.
    weights : (K, c) float64
        Raked weights of all responses, by cluster and cell.
    alone : (c,) float64
        Squared raked weights of the responses of no cluster, each of which counts as one of its own.
    """

    products: RakedProducts
    cluster: Counts
    weights: Floats
    alone: Floats

    def spread(self, rows: Counts, own: Floats, forms: Floats, chosen: Sequence[int]) -> Floats:
        """Sum up the products of the clusters' totals of residuals on the margins.

        Parameters
        ----------
        rows : (s,) int64
            Those of one group.
        own : (t, s) float64
            Total of the linearised values of each row, for t statistics.
        forms, chosen
            As in `RakedProducts.linear`.

        Returns
        -------
        ndarray of float64, shape (t, t)
        """
        group = self.products.each(lambda table: table[rows].sum(axis=0)[None])
        once, _ = group.linear(0, forms, chosen)
        fit = self.products.calibration
        h = (once @ fit.regression.T) @ fit.columns.T
        totals = -h @ self.weights.T
        np.add.at(totals.T, self.cluster[rows], own.T)
        result: Floats = totals @ totals.T + (h * self.alone) @ h.T
        return result
