"""The composite index, and means of numbers, under survey weights, raked or not.

The score of a respondent is a linear form ``a + b'x`` of the answers, the same for all who answered
the same items. So the linearised value of the statistic is one too, and its sum of squares with
squared weights follows from ``sum w^2 [1, x][1, x]'`` per group and pattern of answered items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Counts, Floats, as_counts, divide
from cxstream.analytics.distribution import Distribution
from cxstream.analytics.index import POLICIES, Index, Part, PartScore, Policy, check_parts
from cxstream.analytics.intervals import check_confidence
from cxstream.analytics.points import Linear, Points, gain
from cxstream.analytics.raking import Calibration, freedom_of
from cxstream.analytics.survey import Exact, Weights, exact, mean_intervals, scale_intervals
from cxstream.analytics.weighted import Weighted
from cxstream.analytics.weighted_comparison import Estimates


@dataclass(frozen=True, slots=True, eq=False)
class PatternSums:
    """Weighted sums per group and pattern of answered items (and cell, where raked).

    Parameters
    ----------
    group : (r,) int64
    pattern : (r,) uint64
        Bit j: item j is answered.
    n : (r,) int64
        Responses that have a weight.
    sums, sums2 : (r, (k+1)(k+2)/2) int64 or Python integers
        Upper triangle, row-major, of the sums of w (of w^2) times the products of [1, x_1 .. x_k];
        x_j is 0 where missing. Weights in steps.
    step : Fraction
        The step of a weight.
    cell : (r,) int64, optional
        The raking cell, with a calibration.
    calibration : Calibration, optional
    """

    group: Counts
    pattern: npt.NDArray[np.uint64]
    n: Counts
    sums: Exact
    sums2: Exact
    step: Fraction = Fraction(1)
    cell: Counts | None = None
    calibration: Calibration | None = None

    @classmethod
    def of(
        cls,
        group: npt.ArrayLike,
        pattern: npt.ArrayLike,
        n: npt.ArrayLike,
        sums: npt.ArrayLike,
        sums2: npt.ArrayLike,
        step: Fraction = Fraction(1),
        cell: npt.ArrayLike | None = None,
        calibration: Calibration | None = None,
    ) -> "PatternSums":
        """Check the arrays; rows without responses, or left out by raking, go."""
        where, count = as_counts(group, "group", 1), as_counts(n, "n", 1)
        bits = np.asarray(pattern, dtype=np.uint64)
        w, w2 = exact(sums, "sums"), exact(sums2, "sums2")
        place = None if cell is None else as_counts(cell, "cell", 1)
        rows = len(where)
        if not rows == len(bits) == len(count) == len(w) == len(w2) or w.shape != w2.shape:
            raise ValueError("group, pattern, n, sums and sums2 must have the same number of rows")
        if (calibration is None) != (place is None):
            raise ValueError("a calibration needs the cell of every row, and the reverse")
        there = np.flatnonzero(count > 0)
        if calibration is not None and place is not None:
            there = there[calibration.factors[place[there]] > 0.0]
            place = place[there]
        return cls(
            where[there], bits[there], count[there], w[there], w2[there], step, place, calibration
        )

    @property
    def factor(self) -> Floats:
        """Return what the weights of every row are multiplied with."""
        if self.calibration is None or self.cell is None:
            return np.ones(len(self.group))
        factor: Floats = self.calibration.factors[self.cell]
        return factor


@dataclass(frozen=True, slots=True)
class _Found:
    """Statistics of every group (rows) and target (columns)."""

    n: Counts
    mean: Floats
    se: Floats
    total: Floats
    design_effect: Floats
    linear: Linear


class _Rows:
    """The sums of every row, centred on whole numbers and only then made floats."""

    def __init__(self, given: PatternSums, items: int) -> None:
        self.given = given
        size = float(given.step)
        factor = given.factor
        self.weight = factor * given.sums[:, 0].astype(float) * size
        self.square = factor**2 * given.sums2[:, 0].astype(float) * size**2
        #: Mean answers under w and under w^2; 0 for an item that the pattern lacks.
        self.mean = _means(given.sums, items)[0].astype(float)
        self.mean2, within = _spread(given.sums2, items)
        #: sum w^2 (x_i - mean)(x_j - mean), of the raked weights.
        self.within = (factor**2 * size**2)[:, None, None] * within

    def variance(self, a: Floats, b: Floats, groups: int) -> Floats:
        """Sum up the squares of the linearised values a + b'x, (groups, t)."""
        given = self.given
        total, first, second = self._sums(a, b, groups)
        if given.calibration is None or given.cell is None:
            return total
        less = given.calibration.correction(given.group, given.cell, first, second, groups)
        return np.maximum(total + less, 0.0)

    def linear(self, a: Floats, b: Floats, groups: int) -> Linear:
        """Keep the linearised values a + b'x of one statistic of every group: a (r,), b (r, k)."""
        given = self.given
        total, first, second = self._sums(a[:, None], b[:, None], groups)
        cells = 1 if given.calibration is None else len(given.calibration.factors)
        place = np.zeros(len(given.group), dtype=np.int64) if given.cell is None else given.cell
        at = given.group * cells + place
        once, twice = (
            _by_group(one[:, 0], at, groups * cells).reshape(groups, cells)
            for one in (first, second)
        )
        return Linear(total[:, 0], once, twice, given.calibration)

    def _sums(self, a: Floats, b: Floats, groups: int) -> tuple[Floats, Floats, Floats]:
        """Sum w^2 e^2 by group, and w e and w^2 e by row."""
        given = self.given
        level = a + np.einsum("rtk,rk->rt", b, self.mean2)
        inside = np.einsum("rti,rij,rtj->rt", b, self.within, b)
        rows = np.maximum(inside, 0.0) + self.square[:, None] * level**2
        first = self.weight[:, None] * (a + np.einsum("rtk,rk->rt", b, self.mean))
        return _by_group(rows, given.group, groups), first, self.square[:, None] * level


def _by_group(rows: npt.NDArray[Any], group: Counts, groups: int) -> npt.NDArray[Any]:
    table = np.zeros((groups, *rows.shape[1:]), dtype=rows.dtype)
    np.add.at(table, group, rows)
    return table


def _means(sums: Exact, k: int) -> tuple[npt.NDArray[Any], Exact]:
    """Give the mean answers as floats rounded once, and the whole numbers nearest to them."""
    # Where nothing weighs, all sums are 0, and so is what stands for the means.
    w = np.where(sums[:, :1] > 0, sums[:, :1], 1)
    s = sums[:, 1 : 1 + k]
    return s / w if len(s) else s.astype(float), (2 * s + w) // (2 * w) if len(s) else s


def _centred(sums: Exact, k: int) -> tuple[Exact, Exact, Exact]:
    """Move the sums to whole numbers near the means: those, first and second sums about them."""
    _, m = _means(sums, k)
    w = sums[:, 0]
    rest = sums[:, 1 : 1 + k] - w[:, None] * m
    spread = np.zeros((len(sums), k, k), dtype=object)
    at = 1 + k
    for i in range(k):
        for j in range(i, k):
            moved = sums[:, at] - m[:, i] * sums[:, 1 + j] - m[:, j] * rest[:, i]
            spread[:, i, j] = spread[:, j, i] = moved
            at += 1
    return m, rest, spread


def _spread(sums: Exact, items: int) -> tuple[Floats, Floats]:
    """Give the mean answers of every row, and the sums of products about them."""
    whole, rest, spread = _centred(sums, items)
    total = sums[:, 0].astype(float)[:, None]
    left = rest.astype(float)
    within = spread.astype(float) - divide(left[:, :, None] * left[:, None, :], total[:, :, None])
    return whole.astype(float) + divide(left, total), within


def number(
    given: PatternSums,
    *,
    groups: int,
    origin: Fraction,
    step: Fraction,
    confidence: float = 0.95,
) -> list[Weighted[Distribution]]:
    """Mean of a number question under raked weights, for every group.

    Parameters
    ----------
    given : PatternSums
        k = 1; all patterns 1.
    groups : int
    origin, step : Fraction
        Value of code 0, and of one code.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Weighted of Distribution, length groups
        Without levels and, other than `cxstream.analytics.weighted.number`, without `sd`.
    """
    rows = _Rows(given, 1)
    scale, shift = np.array([float(step)]), np.array([float(origin)])
    a = np.full((len(given.group), 1), shift[0])
    b = np.full((len(given.group), 1, 1), scale[0])
    used = np.ones((len(given.group), 1), dtype=bool)
    found = _respondents(rows, a, b, used, groups)
    return [
        Weighted(Distribution(n, (), mean, None, se, interval), weights)
        for n, mean, se, interval, weights in _columns(found, 0, confidence, None)
    ]


def index(
    given: PatternSums,
    *,
    groups: int,
    ranges: npt.ArrayLike,
    reverse: npt.ArrayLike,
    parts: Sequence[Part],
    policy: Policy = "renormalise",
    confidence: float = 0.95,
) -> list[Weighted[Index]]:
    """Composite index under survey weights, for every group.

    The policies are those of `cxstream.analytics.index.index`; means are weighted, and the
    standard error is Taylor's, with n / (n - 1).

    Parameters
    ----------
    given : PatternSums
    groups : int
        Number of groups.
    ranges, reverse, parts, policy
        As in `cxstream.analytics.index.index`.
    confidence : float
        Level in (0, 1) of quasi-binomial intervals (`cxstream.analytics.survey.scale_intervals`).

    Returns
    -------
    list of Weighted of Index, length groups
        `weights` are those of the responses behind the index itself.

    Raises
    ------
    ValueError
        Shapes that do not fit; an item of range 0; parts without items or weight.
    """
    check_confidence(confidence)
    asked = _Asked.of(given, ranges, reverse, parts, policy)
    found = _found(_Rows(given, len(asked.scale)), asked, groups)
    ends = (0.0, 100.0)
    whole = _columns(found, 0, confidence, ends)
    columns = [_columns(found, 1 + p, confidence, ends) for p in range(len(parts))]
    return [
        Weighted(
            Index(
                n,
                mean,
                se,
                interval,
                tuple(
                    PartScore(part.name, part.weight, *column[g][:4])
                    for part, column in zip(parts, columns, strict=True)
                ),
            ),
            weights,
        )
        for g, (n, mean, se, interval, weights) in enumerate(whole)
    ]


def estimates(
    given: PatternSums,
    *,
    groups: int,
    ranges: npt.ArrayLike,
    reverse: npt.ArrayLike,
    parts: Sequence[Part],
    policy: Policy = "renormalise",
) -> Estimates:
    """Give the index of every group, ready to be compared.

    Parameters
    ----------
    given, groups, ranges, reverse, parts, policy
        As in `index`.

    Returns
    -------
    Estimates
    """
    asked = _Asked.of(given, ranges, reverse, parts, policy)
    found = _found(_Rows(given, len(asked.scale)), asked, groups)
    n, total = found.n[:, 0], found.total[:, 0]
    effective = divide(n, found.design_effect[:, 0])
    known = total > 0.0
    return Estimates(
        n, found.mean[:, 0], known, found.linear, effective, total, effective - 1.0, (0.0, 100.0)
    )


def points(
    given: PatternSums,
    *,
    groups: int,
    ranges: npt.ArrayLike,
    reverse: npt.ArrayLike,
    parts: Sequence[Part],
    policy: Policy = "renormalise",
) -> Points:
    """Give respondents' index points, summed up by group.

    Parameters
    ----------
    given, groups, ranges, reverse, parts, policy
        As in `index`.

    Returns
    -------
    Points

    Raises
    ------
    ValueError
        The policy is ``item_means``: that index is no mean over respondents.
    """
    if policy == "item_means":
        raise ValueError("an index of item means is no mean over respondents")
    asked = _Asked.of(given, ranges, reverse, parts, policy)
    rows = _Rows(given, len(asked.scale))
    a, b, used = asked.forms()
    there = np.flatnonzero(used[:, 0])
    a, b = a[there, 0], b[there, 0]
    size = float(given.step)
    mean, within = _spread(given.sums[there], len(asked.scale))
    level = a + np.einsum("rk,rk->r", b, mean)
    inside = np.einsum("ri,rij,rj->r", b, within, b)
    level2 = a + np.einsum("rk,rk->r", b, rows.mean2[there])
    factor = given.factor[there]
    # Before raking, as `Points.of_rows` takes them.
    inside2 = divide(np.einsum("ri,rij,rj->r", b, rows.within[there], b), factor**2)
    w, q = divide(rows.weight[there], factor), divide(rows.square[there], factor**2)
    return Points.of_rows(
        groups,
        given.group[there],
        given.n[there],
        np.stack([w, w * level, w * level**2 + size * np.maximum(inside, 0.0)], axis=1),
        np.stack([q, q * level2, q * level2**2 + np.maximum(inside2, 0.0)], axis=1),
        cell=None if given.cell is None else given.cell[there],
        calibration=given.calibration,
    )


def number_points(given: PatternSums, *, groups: int, origin: Fraction, step: Fraction) -> Points:
    """Give respondents' answers to a number question, summed up by group.

    Parameters
    ----------
    given : PatternSums
        k = 1; all patterns 1.
    groups : int
    origin, step : Fraction
        Value of code 0, and of one code.

    Returns
    -------
    Points
    """
    n = np.zeros(groups, dtype=np.int64)
    if given.calibration is None:
        sums, squares = (np.full((groups, 3), 0, dtype=object) for _ in range(2))
        np.add.at(sums, given.group, given.sums)
        np.add.at(squares, given.group, given.sums2)
        np.add.at(n, given.group, given.n)
        return Points.of_sums(n, sums, squares, origin=origin, step=step, unit=given.step)
    # About the whole number nearest to the mean of all: squares of large codes lose their digits.
    total = given.sums.sum(axis=0)
    near = (2 * total[1] + total[0]) // (2 * total[0]) if len(given.n) and total[0] > 0 else 0
    moved = []
    for one in (given.sums, given.sums2):
        w, x, xx = one.T
        moved.append(np.stack([w, x - near * w, xx - 2 * near * x + near * near * w], axis=1))
    size = float(given.step)
    return Points.of_rows(
        groups,
        given.group,
        given.n,
        moved[0].astype(float) * size,
        moved[1].astype(float) * size**2,
        cell=given.cell,
        calibration=given.calibration,
        origin=float(origin + step * near),
        step=float(step),
    )


@dataclass(frozen=True, slots=True, eq=False)
class ColumnMeans:
    """Weighted means of several columns, each over those who answered it, and their covariances.

    Attributes
    ----------
    n : (g, k) int64
    value : (g, k) float64
        0 where nothing weighs.
    effective_n, total : (g, k) float64
        Kish's effective n, and the sum of weights.
    covariance : (g, k, k) float64
        Taylor's, with n / (n - 1).
    linear : tuple of Linear, length k
        The linearised values of every column's mean, of all groups.
    """

    n: Counts
    value: Floats
    effective_n: Floats
    total: Floats
    covariance: Floats
    linear: tuple[Linear, ...]


def column_means(
    given: PatternSums, *, groups: int, origins: npt.ArrayLike, steps: npt.ArrayLike
) -> ColumnMeans:
    """Give the weighted mean of every column, and how they go together.

    ``cov(m_i, m_j) = sqrt(n_i n_j / ((n_i - 1) (n_j - 1))) sum w^2 (x_i - m_i) (x_j - m_j) / (W_i W_j)``
    over those who answered both, plus what the residuals on raking margins take off.

    Parameters
    ----------
    given : PatternSums
    groups : int
    origins, steps : array_like of float, shape (k,)
        Value of code 0, and of one code.

    Returns
    -------
    ColumnMeans

    References
    ----------
    Woodruff, R. S. (1971), https://doi.org/10.1080/01621459.1971.10482279
    """
    scale = np.asarray(steps, dtype=np.float64)
    shift = np.asarray(origins, dtype=np.float64)
    k = len(scale)
    rows = _Rows(given, k)
    bits = (given.pattern[:, None] >> np.arange(k, dtype=np.uint64)) & np.uint64(1)
    answered: npt.NDArray[np.bool_] = bits.astype(bool)
    n = _by_group(np.where(answered, given.n[:, None], 0), given.group, groups)
    w = _by_group(answered * rows.weight[:, None], given.group, groups)
    q = _by_group(answered * rows.square[:, None], given.group, groups)
    code = divide(_by_group(answered * rows.weight[:, None] * rows.mean, given.group, groups), w)
    pull = answered * divide(scale * np.sqrt(gain(n)), w)[given.group]
    covariance = np.zeros((groups, k, k))
    # Of x - m alone, and of sums of two: the products are what the squares differ by.
    pairs = [(i, j) for i in range(k) for j in range(i, k)]
    forms = np.zeros((len(given.group), len(pairs), k))
    for at, (i, j) in enumerate(pairs):
        forms[:, at, i] = pull[:, i]
        forms[:, at, j] = pull[:, j]
    level = -np.einsum("rtk,rk->rt", forms, code[given.group])
    squares = rows.variance(level, forms, groups)
    for at, (i, j) in enumerate(pairs):
        if i == j:
            covariance[:, i, i] = squares[:, at]
    for at, (i, j) in enumerate(pairs):
        if i != j:
            both = (squares[:, at] - covariance[:, i, i] - covariance[:, j, j]) / 2.0
            covariance[:, i, j] = covariance[:, j, i] = both
    value = np.where(w > 0.0, shift + scale * code, 0.0)
    own = [pairs.index((j, j)) for j in range(k)]
    # A form of x_j + x_j counts it once.
    linear = tuple(rows.linear(level[:, at], forms[:, at], groups) for at in own)
    return ColumnMeans(n, value, divide(w * w, q), w, covariance, linear)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """How an index is made, checked."""

    answered: npt.NDArray[np.bool_]
    member: npt.NDArray[np.bool_]
    parts: Sequence[Part]
    scale: Floats
    shift: Floats
    policy: Policy

    @classmethod
    def of(
        cls,
        given: PatternSums,
        ranges: npt.ArrayLike,
        reverse: npt.ArrayLike,
        parts: Sequence[Part],
        policy: Policy,
    ) -> "_Asked":
        if policy not in POLICIES:
            raise ValueError(f"policy {policy!r} is not known: use one of {', '.join(POLICIES)}")
        span = as_counts(ranges, "ranges", 1)
        k = len(span)
        if k == 0 or int(span.min()) < 1:
            raise ValueError("an item of range 0 cannot be put on 0..100")
        check_parts(parts, k)
        if given.sums.shape[1:] != ((k + 1) * (k + 2) // 2,):
            raise ValueError("sums must have (k+1)(k+2)/2 columns")
        low_good = np.asarray(reverse, dtype=bool)
        bits = (given.pattern[:, None] >> np.arange(k, dtype=np.uint64)) & np.uint64(1)
        member = np.zeros((len(parts), k), dtype=bool)
        for p, part in enumerate(parts):
            member[p, list(part.items)] = True
        return cls(
            bits.astype(bool),
            member,
            parts,
            np.where(low_good, -100.0, 100.0) / span,
            np.where(low_good, 100.0, 0.0),
            policy,
        )

    def forms(self) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
        """Give the linear forms of a respondent's index and parts, and who has one."""
        a, b, used = _forms(self.answered, self.member, self.parts, self.scale, self.shift)
        if self.policy == "complete":
            used &= self.answered[:, self.member.any(axis=0)].all(axis=1, keepdims=True)
        return a, b, used


def _found(rows: _Rows, asked: _Asked, groups: int) -> _Found:
    if asked.policy != "item_means":
        return _respondents(rows, *asked.forms(), groups)
    return _item_means(
        rows, asked.answered, asked.member, asked.parts, asked.scale, asked.shift, groups
    )


def _forms(
    answered: npt.NDArray[np.bool_],
    member: npt.NDArray[np.bool_],
    parts: Sequence[Part],
    scale: Floats,
    shift: Floats,
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Give the linear forms of the index and its parts per row: (r, 1 + p), (r, 1 + p, k), used."""
    weight = np.array([part.weight for part in parts])
    both = answered[:, None, :] & member[None, :, :]
    share = divide(both, both.sum(axis=2, keepdims=True))
    known = both.any(axis=2)
    total = known @ weight
    mixed = np.einsum("rp,rpk->rk", divide(known * weight, total[:, None]), share)
    all_shares = np.concatenate([mixed[:, None, :], share], axis=1)
    used = np.concatenate([(total > 0.0)[:, None], known], axis=1)
    return all_shares @ shift, all_shares * scale, used


def _respondents(
    rows: _Rows, a: Floats, b: Floats, used: npt.NDArray[np.bool_], groups: int
) -> _Found:
    """Average a score that every respondent of a used row has."""
    given = rows.given
    n = _by_group(np.where(used, given.n[:, None], 0), given.group, groups)
    w = _by_group(used * rows.weight[:, None], given.group, groups)
    q = _by_group(used * rows.square[:, None], given.group, groups)
    level = a + np.einsum("rtk,rk->rt", b, rows.mean)
    mean = divide(_by_group(used * rows.weight[:, None] * level, given.group, groups), w)
    own = divide(used, w[given.group])
    a, b = (a - mean[given.group]) * own, b * own[:, :, None]
    se = np.sqrt(gain(n) * rows.variance(a, b, groups))
    linear = rows.linear(a[:, 0], b[:, 0], groups).scaled(np.sqrt(gain(n[:, 0])))
    return _Found(n, mean, se, w, divide(n * q, w**2), linear)


def _item_means(
    rows: _Rows,
    answered: npt.NDArray[np.bool_],
    member: npt.NDArray[np.bool_],
    parts: Sequence[Part],
    scale: Floats,
    shift: Floats,
    groups: int,
) -> _Found:
    """Average the items' own means; the linearised value is sum_j c_j / W_j r_j (x_j - mean_j)."""
    given = rows.given
    weight = np.array([part.weight for part in parts])
    w_item = _by_group(answered * rows.weight[:, None], given.group, groups)
    own = divide(
        _by_group(answered * rows.weight[:, None] * rows.mean, given.group, groups), w_item
    )
    own = shift + scale * own
    both = (w_item > 0.0)[:, None, :] & member[None, :, :]
    share = divide(both, both.sum(axis=2, keepdims=True))
    known = both.any(axis=2)
    total = known @ weight
    mixed = np.einsum("gp,gpk->gk", divide(known * weight, total[:, None]), share)
    coefficient = np.concatenate([mixed[:, None, :], share], axis=1)
    mean = np.einsum("gtk,gk->gt", coefficient, own)
    relevant = np.concatenate([member[weight > 0.0].any(axis=0, keepdims=True), member], axis=0)
    used = (answered[:, None, :] & relevant[None, :, :]).any(axis=2)
    n = _by_group(np.where(used, given.n[:, None], 0), given.group, groups)
    w = _by_group(used * rows.weight[:, None], given.group, groups)
    q = _by_group(used * rows.square[:, None], given.group, groups)
    pull = divide(coefficient, w_item[:, None, :])[given.group] * answered[:, None, :]
    a = np.einsum("rtk,rk->rt", pull, (shift - own)[given.group])
    se = np.sqrt(gain(n) * rows.variance(a, pull * scale, groups))
    linear = rows.linear(a[:, 0], pull[:, 0] * scale, groups).scaled(np.sqrt(gain(n[:, 0])))
    return _Found(n, mean, se, w, divide(n * q, w**2), linear)


def _columns(
    found: _Found, target: int, confidence: float, ends: tuple[float, float] | None
) -> list[tuple[int, float | None, float | None, Any, Weights]]:
    """Turn one target's statistics into plain values, None where undefined.

    `ends`: the lowest and highest value there can be; None for a number without limits.
    """
    n, total = found.n[:, target], found.total[:, target]
    effect = found.design_effect[:, target]
    known = (n > 1) & (total > 0.0)
    effective = divide(n, effect)
    left = freedom_of(found.linear.calibration)
    mean, error, df = (
        found.mean[:, target],
        found.se[:, target] / left**0.5,
        (effective - 1.0) * left,
    )
    if ends is None:
        intervals = mean_intervals(mean, error, df + 1.0, known, confidence)
    else:
        intervals = scale_intervals(mean, error, effective, known, confidence, ends=ends, df=df)
    return [
        (
            count,
            mean if w > 0.0 else None,
            se if spread else None,
            interval,
            Weights(w, d if w > 0.0 else None, e if w > 0.0 else None, ()),
        )
        for count, mean, se, interval, w, d, e, spread in zip(
            n.tolist(), found.mean[:, target].tolist(), found.se[:, target].tolist(), intervals,
            total.tolist(), effect.tolist(), effective.tolist(), known.tolist(), strict=True,
        )
    ]  # fmt: skip
