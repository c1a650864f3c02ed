"""Weighted scores of groups, kept so that differences, shares and parts of them have Taylor's errors.

A respondent's points are one number: -100, 0 or 100 of a net score, 0 or 100 of a share, an index.
Whatever is made of weighted scores and of weighted shares of respondents has a linearised value that
is, within a group, a form ``a + b (y - N)`` of the points y: its sum of squares takes no more than,
by group (and raking cell), the sums of w, of w (y - N), and of w^2 times 1, y - N and (y - N)^2.

References
----------
Woodruff, R. S. (1971), JASA 66, 411-414, https://doi.org/10.1080/01621459.1971.10482279
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Counts, Floats, as_counts, divide
from cxstream.analytics.raking import Calibration
from cxstream.analytics.survey import Weights, exact, quotient

# Respondents of the whole that join every group's variance.
_JOINING = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Weighted sums of respondents' points, by group.

    Attributes
    ----------
    n : (g,) int64
        Respondents that have a weight.
    weight : tuple of Fraction, length g
        Their sum of weights, on any scale; 0 where nothing weighs.
    score : tuple of Fraction, length g
        Weighted mean of the points; 0 where nothing weighs.
    variance : (g,) float64
        Weighted variance of one respondent's points (divisor the sum of weights).
    w, e, q, d, c : (g, cells) float64
        Sums of w, w (y - N), w^2, w^2 (y - N) and w^2 (y - N)^2, N the group's score. One column
        where nothing is raked; then e is 0.
    unit : float
        What a weight of 1 here is on the scale of the weights.
    calibration : Calibration or None
        Of raked weights.
    """

    n: Counts
    weight: tuple[Fraction, ...]
    score: tuple[Fraction, ...]
    variance: Floats
    w: Floats
    e: Floats
    q: Floats
    d: Floats
    c: Floats
    unit: float = 1.0
    calibration: Calibration | None = None

    @classmethod
    def of_sums(
        cls,
        n: npt.ArrayLike,
        sums: npt.ArrayLike,
        squares: npt.ArrayLike,
        *,
        origin: Fraction = Fraction(0),
        step: Fraction = Fraction(1),
        unit: Fraction = Fraction(1),
    ) -> Self:
        """Take exact sums of groups; every figure is one rounding of whole numbers.

        Parameters
        ----------
        n : array_like of int, shape (g,)
        sums, squares : array_like of Python integers, shape (g, 3)
            Sums of w times 1, x and x^2; and of w^2 times these.
        origin, step : Fraction
            Points are ``origin + step x``.
        unit : Fraction
            The step of a weight.
        """
        w, s, v = exact(sums, "sums").T
        q, t, u = exact(squares, "squares").T
        a, b = step.numerator, step.denominator
        c = quotient((u * w * w - 2 * s * t * w + s * s * q) * (a * a), w * w * (b * b))
        # May be below 0, which `quotient` takes for a divisor only.
        d = quotient((t * w - s * q) * a, w * b)
        variance = quotient((v * w - s * s) * (a * a), w * w * (b * b))
        score = tuple(
            origin + step * Fraction(one, total) if total else Fraction(0)
            for one, total in zip(s.tolist(), w.tolist(), strict=True)
        )
        return cls(
            as_counts(n, "n", 1),
            tuple(Fraction(one) for one in w.tolist()),
            score,
            variance,
            w.astype(np.float64)[:, None],
            np.zeros((len(w), 1)),
            q.astype(np.float64)[:, None],
            d[:, None],
            c[:, None],
            float(unit),
        )

    @classmethod
    def of_rows(
        cls,
        groups: int,
        group: Counts,
        n: Counts,
        sums: Floats,
        squares: Floats,
        *,
        cell: Counts | None = None,
        calibration: Calibration | None = None,
        origin: float = 0.0,
        step: float = 1.0,
        unit: float = 1.0,
    ) -> Self:
        """Take sums of rows, several of which make up a group, under weights that are any numbers.

        Parameters
        ----------
        groups : int
        group, n : (r,) int64
        sums, squares : (r, 3) float64
            As in `of_sums`, before raking; x is near 0 where they are large.
        cell : (r,) int64, optional
            The raking cell, with a calibration.
        calibration : Calibration, optional
        origin, step, unit : float
            As in `of_sums`.
        """
        cells = 1 if calibration is None else len(calibration.factors)
        place = np.zeros(len(group), dtype=np.int64) if cell is None else cell
        factor = np.ones(len(group)) if calibration is None else calibration.factors[place]
        at = group * cells + place

        def table(values: Floats) -> Floats:
            made = np.bincount(at, weights=values, minlength=groups * cells)
            return made.astype(np.float64).reshape(groups, cells)

        w, s, v = (table(factor * one) for one in sums.T)
        q, t, u = (table(factor**2 * one) for one in squares.T)
        total = w.sum(axis=1)
        mean = divide(s.sum(axis=1), total)
        centre = mean[:, None]
        spread = (v - 2.0 * centre * s + centre * centre * w).sum(axis=1)
        kept = np.bincount(group, weights=np.where(factor > 0.0, n, 0), minlength=groups)
        return cls(
            kept.astype(np.int64),
            tuple(Fraction(one) for one in total.tolist()),
            tuple(
                Fraction(origin + step * one) if there > 0.0 else Fraction(0)
                for one, there in zip(mean.tolist(), total.tolist(), strict=True)
            ),
            step * step * np.maximum(divide(spread, total), 0.0),
            w,
            step * (s - centre * w),
            q,
            step * (t - centre * q),
            step * step * np.maximum(u - 2.0 * centre * t + centre * centre * q, 0.0),
            unit,
            calibration,
        )

    def __len__(self) -> int:
        return len(self.n)

    @property
    def total(self) -> Floats:
        """Return the sums of weights, (g,)."""
        return np.array([float(one) for one in self.weight], dtype=np.float64)

    @property
    def mean(self) -> Floats:
        """Return the scores, (g,)."""
        return np.array([float(one) for one in self.score], dtype=np.float64)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Return which groups have a score."""
        return np.array([one > 0 for one in self.weight], dtype=bool)

    @property
    def design_effect(self) -> Floats:
        """Return Kish's design effects; 0 without weight."""
        total = self.total
        return divide(self.n * self.q.sum(axis=1), total * total)

    @property
    def effective_n(self) -> Floats:
        """Return Kish's effective n; 0 without weight."""
        total = self.total
        return divide(total * total, self.q.sum(axis=1))

    @property
    def weights(self) -> list[Weights]:
        """Return what the weights of every group come to."""
        return [
            Weights(self.unit * total, effect if known else None, n if known else None, ())
            for total, effect, n, known in zip(
                self.total.tolist(), self.design_effect.tolist(), self.effective_n.tolist(),
                self.known.tolist(), strict=True,
            )
        ]  # fmt: skip

    @property
    def whole(self) -> "Points":
        """Return all groups together, as one: every respondent is in one group."""
        weight = sum(self.weight, Fraction(0))
        score = Fraction(0)
        if weight:
            parts = (w * one for w, one in zip(self.weight, self.score, strict=True))
            score = sum(parts, Fraction(0)) / weight
        apart = np.array([float(one - score) if w else 0.0
                          for one, w in zip(self.score, self.weight, strict=True)])  # fmt: skip
        far = apart[:, None]
        variance = divide(self.total @ (self.variance + apart * apart), float(weight))

        def one(table: Floats) -> Floats:
            added: Floats = table.sum(axis=0, keepdims=True)
            return added

        return Points(
            np.array([self.n.sum()], dtype=np.int64),
            (weight,),
            (score,),
            np.atleast_1d(variance),
            one(self.w),
            one(self.e + far * self.w),
            one(self.q),
            one(self.d + far * self.q),
            one(self.c + 2.0 * far * self.d + far * far * self.q),
            self.unit,
            self.calibration,
        )

    def take(self, at: npt.NDArray[np.int64]) -> "Points":
        """Return some of the groups, in this order."""
        return Points(
            self.n[at],
            tuple(self.weight[k] for k in at),
            tuple(self.score[k] for k in at),
            self.variance[at],
            self.w[at],
            self.e[at],
            self.q[at],
            self.d[at],
            self.c[at],
            self.unit,
            self.calibration,
        )

    def for_intervals(self) -> "Points":
        """Take squares that few respondents cannot make too small.

        As `cxstream.analytics.scores.Scores.for_intervals`, with effective numbers: a respondent
        of the whole's variance, by squared weights, joins every group.
        """
        whole = self.whole
        spread = divide(whole.c.sum(), whole.q.sum())
        n = self.effective_n
        q = self.q.sum(axis=1)
        own = divide(self.c.sum(axis=1), q)
        joined = divide(n * own + _JOINING * spread, n + _JOINING)
        more = np.maximum(joined - own, 0.0)[:, None] * self.q
        return Points(
            self.n, self.weight, self.score, self.variance, self.w, self.e, self.q, self.d,
            self.c + more, self.unit, self.calibration,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """Linearised values of t statistics: what a respondent of some `Points` adds to each.

    ``[a + b (y - N_k) if in group k] + every + slope (y - N)``, N_k the group's score and N that of all
    groups together.

    Attributes
    ----------
    group : (t,) int64
        k, of each statistic.
    a, b, every, slope : (t,) float64
    """

    group: npt.NDArray[np.int64]
    a: Floats
    b: Floats
    every: Floats | float = 0.0
    slope: Floats | float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Sums over respondents of linearised values e of t statistics.

    Attributes
    ----------
    squares : (t,) float64
        Of w^2 e^2.
    first, second : (t, cells) float64
        Of w e and w^2 e.
    calibration : Calibration or None
    """

    squares: Floats
    first: Floats
    second: Floats
    calibration: Calibration | None

    @classmethod
    def of(cls, points: Points, form: Form) -> Self:
        """Sum up a form of some points."""
        k, a, b = form.group, form.a, form.b
        on, along = (np.broadcast_to(np.asarray(x, dtype=np.float64), a.shape)
                     for x in (form.every, form.slope))  # fmt: skip
        whole = points.whole
        q, d, c = (one[k].sum(axis=1) for one in (points.q, points.d, points.c))
        every_q, every_d, every_c = (float(one.sum()) for one in (whole.q, whole.d, whole.c))
        far = points.mean[k] - float(whole.score[0])
        # Of the group's own value with 1 and with y - N.
        once = a * q + b * d
        twice = a * (d + far * q) + b * (c + far * d)
        squares = (
            a * a * q + 2.0 * a * b * d + b * b * c
            + 2.0 * (on * once + along * twice)
            + on * on * every_q + 2.0 * on * along * every_d + along * along * every_c
        )  # fmt: skip
        return cls(
            squares,
            a[:, None] * points.w[k] + b[:, None] * points.e[k]
            + on[:, None] * whole.w + along[:, None] * whole.e,
            a[:, None] * points.q[k] + b[:, None] * points.d[k]
            + on[:, None] * whole.q + along[:, None] * whole.d,
            points.calibration,
        )  # fmt: skip

    @classmethod
    def over(cls, points: Points, a: Floats, b: Floats) -> Self:
        """Sum up one statistic whose value is ``a_k + b_k (y - N_k)`` in every group k."""
        q, d, c = (one.sum(axis=1) for one in (points.q, points.d, points.c))
        squares = float((a * a * q + 2.0 * a * b * d + b * b * c).sum())
        first = a @ points.w + b @ points.e
        second = a @ points.q + b @ points.d
        return cls(np.array([squares]), first[None], second[None], points.calibration)

    def __add__(self, other: "Linear") -> "Linear":
        """Put together what two sets of respondents add, who have none in common."""
        return Linear(
            self.squares + other.squares,
            self.first + other.first,
            self.second + other.second,
            self.calibration,
        )

    def take(self, at: npt.NDArray[np.int64]) -> "Linear":
        """Return some of the statistics, in this order."""
        return Linear(self.squares[at], self.first[at], self.second[at], self.calibration)

    def scaled(self, by: Floats | float) -> "Linear":
        """Multiply every statistic."""
        factor = np.broadcast_to(np.asarray(by, dtype=np.float64), self.squares.shape)
        wide = factor[:, None]
        return Linear(
            self.squares * factor * factor, self.first * wide, self.second * wide, self.calibration
        )

    @property
    def variance(self) -> Floats:
        """Return the squared standard errors, (t,); of raked weights those of the residuals."""
        if self.calibration is None:
            given: Floats = np.maximum(self.squares, 0.0)
            return given
        fitted = self.fitted
        less = fitted * fitted * self._spread - 2.0 * fitted * self.second
        variance: Floats = np.maximum(self.squares + less.sum(axis=1), 0.0)
        return variance

    def covariance(self, other: "Linear") -> Floats:
        """Return the covariances with statistics of other respondents of the same sample, (t,)."""
        if self.calibration is None:
            return np.zeros_like(self.squares)
        mine, theirs = self.fitted, other.fitted
        cross = mine * theirs * self._spread - mine * other.second - theirs * self.second
        covariance: Floats = cross.sum(axis=1)
        return covariance

    @property
    def fitted(self) -> Floats:
        """Regression of the linearised values on the margins' indicators, by cell."""
        calibration = self.calibration
        assert calibration is not None
        fitted: Floats = (self.first @ calibration.regression.T) @ calibration.columns.T
        return fitted

    @property
    def _spread(self) -> Floats:
        assert self.calibration is not None
        return self.calibration.factors**2 * self.calibration.squares


def gain(n: Counts | int) -> Floats:
    """Give n / (n - 1), 0 below two respondents.

    Parameters
    ----------
    n : int or ndarray of int64

    Returns
    -------
    ndarray of float64
    """
    return divide(n, np.asarray(n) - 1)


def scores_of(points: Points) -> Linear:
    """Give the linearised values of the groups' scores, with n / (n - 1).

    Parameters
    ----------
    points : Points

    Returns
    -------
    Linear
        Its variances are those of `cxstream.analytics.weighted`.
    """
    groups = np.arange(len(points))
    b = np.sqrt(gain(points.n)) * divide(1.0, points.total)
    return Linear.of(points, Form(groups, np.zeros_like(b), b))


def merged(
    of: npt.NDArray[np.int64],
    group: Counts,
    cell: Counts | None,
    tables: Sequence[npt.NDArray[Any]],
) -> tuple[Counts, Counts | None, list[npt.NDArray[Any]]]:
    """Add up rows of sums of the same new group and cell, exactly.

    Parameters
    ----------
    of : (g,) int64
        The new group of each old one, -1 for none.
    group, cell : (r,) int64, cell or None
    tables : sequence of ndarray, shape (r, ...)
        Integers.

    Returns
    -------
    group, cell, tables
        A row per group and cell there is, in their order.
    """
    where = of[group]
    kept = np.flatnonzero(where >= 0)
    cells = 1 if cell is None else int(cell.max(initial=0)) + 1
    key = where[kept] * cells + (0 if cell is None else cell[kept])
    known, place = np.unique(key, return_inverse=True)
    made = []
    for table in tables:
        total = np.zeros((len(known), *table.shape[1:]), dtype=table.dtype)
        np.add.at(total, place, table[kept])
        made.append(total)
    return known // cells, None if cell is None else known % cells, made
