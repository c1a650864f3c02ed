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
from cxstream.analytics.raking import Calibration
from cxstream.analytics.survey import Exact, Weights, exact, mean_intervals, scale_intervals
from cxstream.analytics.weighted import Weighted


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
        whole, rest, spread = _centred(given.sums2, items)
        q = given.sums2[:, 0].astype(float)[:, None]
        self.mean2 = whole.astype(float) + divide(rest.astype(float), q)
        within = spread.astype(float) - divide(
            rest.astype(float)[:, :, None] * rest.astype(float)[:, None, :], q[:, :, None]
        )
        #: sum w^2 (x_i - mean)(x_j - mean), of the raked weights.
        self.within = (factor**2 * size**2)[:, None, None] * within

    def variance(self, a: Floats, b: Floats, groups: int) -> Floats:
        """Sum up the squares of the linearised values a + b'x, (groups, t)."""
        given = self.given
        level = a + np.einsum("rtk,rk->rt", b, self.mean2)
        inside = np.einsum("rti,rij,rtj->rt", b, self.within, b)
        rows = np.maximum(inside, 0.0) + self.square[:, None] * level**2
        total = _by_group(rows, given.group, groups)
        if given.calibration is None or given.cell is None:
            return total
        first = self.weight[:, None] * (a + np.einsum("rtk,rk->rt", b, self.mean))
        second = self.square[:, None] * level
        less = given.calibration.correction(given.group, given.cell, first, second, groups)
        return np.maximum(total + less, 0.0)


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
    scale = np.where(low_good, -100.0, 100.0) / span
    shift = np.where(low_good, 100.0, 0.0)
    bits = (given.pattern[:, None] >> np.arange(k, dtype=np.uint64)) & np.uint64(1)
    answered: npt.NDArray[np.bool_] = bits.astype(bool)
    member = np.zeros((len(parts), k), dtype=bool)
    for p, part in enumerate(parts):
        member[p, list(part.items)] = True
    rows = _Rows(given, k)
    if policy == "item_means":
        found = _item_means(rows, answered, member, parts, scale, shift, groups)
    else:
        a, b, used = _forms(answered, member, parts, scale, shift)
        if policy == "complete":
            used &= answered[:, member.any(axis=0)].all(axis=1, keepdims=True)
        found = _respondents(rows, a, b, used, groups)
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
    spread = rows.variance((a - mean[given.group]) * own, b * own[:, :, None], groups)
    se = np.sqrt(divide(n, n - 1) * spread)
    return _Found(n, mean, se, w, divide(n * q, w**2))


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
    spread = rows.variance(a, pull * scale, groups)
    se = np.sqrt(divide(n, n - 1) * spread)
    return _Found(n, mean, se, w, divide(n * q, w**2))


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
    estimate = found.mean[:, target], found.se[:, target], effective, known, confidence
    intervals = mean_intervals(*estimate) if ends is None else scale_intervals(*estimate, ends=ends)
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
