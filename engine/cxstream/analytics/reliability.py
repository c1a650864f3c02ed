"""How well several questions measure one thing: alpha, omega, item-total correlations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import fdtri

from cxstream.analytics.checks import Floats, divide
from cxstream.analytics.intervals import Interval, check_confidence, t_quantile
from cxstream.analytics.moments import (
    central_order,
    fours,
    fourth_width,
    laid_out,
    second_order,
    second_width,
    table_of,
)
from cxstream.analytics.raking import RakedProducts
from cxstream.kernels.reliability import one_factor

Status = Literal["ok", "too_few_rows", "too_few_items"]
AlphaMethod = Literal["feldt", "log_delta"]
INTERVALS: Final[tuple[AlphaMethod, ...]] = ("feldt", "log_delta")

# A loading that moves by less is there; a sweep is k^2 steps.
_TOLERANCE: Final = 1e-13
_SWEEPS: Final = 20_000
# Of the interval of any distribution, at n^(-1/2): how much further it reaches up for each unit of the
# items' skewness, and less far down.
_LONGER: Final = 1.4
_SHORTER: Final = 0.3
# An exponent that floats hold.
_FAR: Final = 700.0
# Numbers of fourth-order moments made at once.
_CHUNK: Final = 400_000


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a set.

    Attributes
    ----------
    item : str
        Its name.
    mean, sd : float
        Of its answers, reversed where low ones are the better; sd with n - 1.
    item_total : float or None
        Correlation with the sum of the others.
    alpha_if_dropped : float or None
        Raw alpha of the others; None with fewer than two.
    loading : float or None
        On the common factor; None where omega is.
    dropped : bool
        Without variation, and so not among the k items.
    """

    item: str
    mean: float
    sd: float
    item_total: float | None
    alpha_if_dropped: float | None
    loading: float | None
    dropped: bool


@dataclass(frozen=True, slots=True)
class Reliability:
    """Internal consistency of a set of questions, in one group.

    Attributes
    ----------
    status : {"ok", "too_few_rows", "too_few_items"}
        Fewer than two respondents, or than two items that vary: nothing else then.
    message : str
        What is wrong, or which items were dropped; empty otherwise.
    n : int
        Respondents who answered all items.
    k : int
        Items that vary.
    alpha, alpha_standardised : float or None
        Cronbach's alpha of covariances, and of correlations.
    mean_inter_item : float or None
        Mean correlation of two different items.
    interval : Interval or None
        Of alpha, by the method asked for; None for an alpha of 1.
    se : float or None
        Standard error of alpha without a distribution, by the delta method on fourth-order
        moments; None without them.
    free_interval : Interval or None
        Of alpha, from se: for answers of any distribution.
    omega : float or None
        McDonald's omega total of one factor; None with fewer than three items, or where no factor
        was found.
    items : tuple of Item
        In the order asked for; empty unless ok.
    normal_se : float or None
        Standard error of alpha for normal answers to any items, of second-order sums alone.
    """

    FORMULAS: ClassVar[tuple[str, ...]] = ("reliability",)

    status: Status
    message: str
    n: int
    k: int
    alpha: float | None
    alpha_standardised: float | None
    mean_inter_item: float | None
    interval: Interval | None
    se: float | None
    free_interval: Interval | None
    omega: float | None
    items: tuple[Item, ...]
    normal_se: float | None


def reliability(
    sums: npt.ArrayLike,
    *,
    names: Sequence[str],
    items: Sequence[int],
    ranges: Sequence[int],
    reverse: Sequence[bool],
    origins: Sequence[Fraction | int] | None = None,
    steps: Sequence[Fraction | int] | None = None,
    fourth: npt.ArrayLike | None = None,
    responses: npt.ArrayLike | None = None,
    effective_n: npt.ArrayLike | None = None,
    raked: RakedProducts | None = None,
    interval: AlphaMethod | None = None,
    confidence: float = 0.95,
) -> list[Reliability]:
    """Cronbach's alpha, omega and item statistics, for every group.

    With C the covariances of the k items that vary, and R their correlations:

    - ``alpha = k / (k-1) (1 - tr C / sum C)``, standardised with R for C;
    - Feldt's interval ``1 - (1 - alpha) F`` at both quantiles of F with n - 1 and (n-1)(k-1)
      degrees of freedom: exact for normal answers to items that differ by constants only;
    - its standard error ``se^2 = n/(n-1) sum h^2 / n^2``, with what a response z (from the mean)
      adds, ``h = k/(k-1) (tr C (1'z)^2 / V^2 - z'z / V)``, V = sum C: fourth-order moments of any
      distribution; the interval from it is ``1 - (1 - alpha) exp(t s (1 - 0.3 n^(-1/2)))`` to ``1 -
      (1 - alpha) exp(-t s (1 + 1.4 g n^(-1/2)))`` with n - 1 degrees of freedom, s the larger of se /
      (1 - alpha) and what normal answers would have, ``sqrt(2k / ((k-1)(n-2)))``, because few responses
      rarely show how far they may stray, and g the mean of the items' skewness without sign. It
      reaches further up because samples that miss the rare low answers have both a low alpha and a
      small error; how far was found by simulation;
    - ``normal_se^2 = Q / n`` with ``Q = 2 k^2 / ((k-1)^2 V^3) (V (tr C^2 + tr^2 C) - 2 tr C 1'C^2 1)``, for
      normal answers: what psych prints as ase, and Duhachek's interval is alpha -+ z normal_se;
    - ``omega = (sum l)^2 / ((sum l)^2 + sum (1 - l^2))`` with l the loadings on one factor of R by
      least squares of the correlations off the diagonal (minres), each within -1..1;
    - the mean of R off the diagonal;
    - item-total correlations of an item with the sum of the others.

    Under survey weights C is of the weights, times n / (n - 1), and ``se^2 = n / (n - 1) sum w^2 h^2 / (sum
    w)^2``, Taylor's: h is the linearised value of alpha, and needs no more than fourth-order sums of
    squared weights. The interval from it takes Kish's effective n for n in its t, its n^(-1/2) and its
    least s. Feldt's is not given: it is of equally weighted normal answers.

    Everything is over the respondents who answered all items, and their number is that of the
    intervals. Items on which low answers are the better ones are reversed first.

    How often the intervals hold the truth: ``engine/docs/coverage.md``.

    Parameters
    ----------
    sums : array_like of int, shape (g, (m+1)(m+2)/2)
        Upper triangle, row-major, of the sums of products of [1, c_1..c_m], in codes, over the
        respondents who answered all. int64, or object with Python integers.
    names : sequence of str, length m
        Names of the columns.
    items : sequence of int
        Columns of the items, at least two.
    ranges : sequence of int, length m
        Largest code of each column.
    reverse : sequence of bool, length m
        Low answers are the better ones.
    origins, steps : sequence of Fraction, length m, optional
        An answer is ``origin + step * code``; 0 and 1 if left out.
    fourth : array_like of int, shape (g, C(m+4, 4)), optional
        Sums of products of four of [1, c_1..c_m], in the order of
        ``itertools.combinations_with_replacement(range(m + 1), 4)``; of weighted responses by squared
        weights, and `sums` by weights.
    responses : array_like of int, shape (g,), optional
        How many there are, where they are weighted.
    effective_n : array_like of float, shape (g,), optional
        Kish's, where they are weighted.
    raked : RakedProducts, optional
        `sums`, and those by squared weights, by cell, where weights were fitted to margins: se then is
        of the residuals of h on the margins.
    interval : {"feldt", "log_delta"}, optional
        Which one `Reliability.interval` is; by default the one for answers of any distribution
        where there are fourth-order sums and more than two respondents.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Reliability, length g
        An alpha below 0 is given as it is. Where all items go together exactly alpha is 1 and has
        no interval.

    Raises
    ------
    ValueError
        Arguments that do not fit together, fewer than two items, or a level outside (0, 1).

    References
    ----------
    Cronbach, L. (1951), Psychometrika 16, 297-334, https://doi.org/10.1007/BF02310555; Feldt, L.
    (1965), Psychometrika 30, 357-370, https://doi.org/10.1007/BF02289499; Maydeu-Olivares, A.,
    Coffman, D. and Hartmann, W. (2007), Psychological Methods 12, 157-176,
    https://doi.org/10.1037/1082-989X.12.2.157; van Zyl, J., Neudecker, H. and Nel, D. (2000),
    Psychometrika 65, 271-280, https://doi.org/10.1007/BF02296146; McDonald, R. (1999), Test Theory; Harman, H. and
    Jones, W. (1966), Psychometrika 31, 351-368, https://doi.org/10.1007/BF02289468
    """
    check_confidence(confidence)
    m = len(names)
    if not len(ranges) == len(reverse) == m:
        raise ValueError("names, ranges and reverse must have the same length")
    if len(items) < 2:
        raise ValueError("reliability needs at least two items")
    if len(set(items)) < len(items):
        raise ValueError("an item stands there more than once")
    if not all(0 <= j < m for j in items):
        raise ValueError(f"items must be columns 0..{m - 1}")
    table = table_of(sums, "sums", second_width(m))
    n = table[:, 0].astype(np.int64)
    size = n.astype(np.float64)
    if responses is not None:
        n = np.where(table[:, 0] > 0, np.asarray(responses, dtype=np.int64), 0)
        size = np.asarray(effective_n, dtype=np.float64)
    total = table[:, 0].astype(np.float64)
    second = second_order(table, m, items)
    step = np.array([1.0 if steps is None else float(steps[j]) for j in items])
    origin = np.array([0.0 if origins is None else float(origins[j]) for j in items])
    # As people read them, the other way round where low answers are the better ones.
    turned = np.where([reverse[j] for j in items], -step, step)
    first = origin + [float(step[at] * ranges[j]) * reverse[j] for at, j in enumerate(items)]
    product = second.product * (turned[:, None] * turned)
    scale = np.maximum(n - 1, 1) if responses is None else divide(total * (n - 1), n)
    covariance = divide(product, scale[:, None, None])
    varies = (np.einsum("gii->gi", product) > 0.0) & (n > 1)[:, None]
    model = _Model([names[j] for j in items], n, first + turned * second.mean, covariance, varies)
    se = skewness = None
    if fourth is not None:
        moments = table_of(fourth, "fourth", fourth_width(m))
        if len(moments) != len(table):
            raise ValueError("sums and fourth must have the same groups")
        how = fours(m, tuple(items))
        many = max(1, _CHUNK // how.places.size)
        forms = _alpha_slopes(model, turned)
        se, skewness = np.zeros(len(n)), np.zeros(len(n))
        for at in range(0, len(n), many):
            part = slice(at, at + many)
            near = second_order(table[part], m, items)
            central = laid_out(central_order(moments[part], near, how), how, len(near.total))
            squares = _alpha_squares(central, forms[part])
            if raked is not None:
                squares += _raked_squares(raked, part.start, forms[part], near.mean, items)
            se[part] = _alpha_error(squares, n[part], total[part])
            skewness[part] = _skewness(central, n[part], varies[part])
    if interval == "log_delta" and se is None:
        raise ValueError("an interval for any distribution takes fourth-order sums")
    if interval == "feldt" and responses is not None:
        raise ValueError("Feldt's interval is of answers that weigh the same")
    method = interval if responses is None else "log_delta"
    return _rows(model, _omega(model), se, skewness, size, method, confidence)


def pairwise(
    count: npt.NDArray[np.int64],
    total: npt.NDArray[np.int64],
    product: npt.NDArray[np.int64],
    *,
    names: Sequence[str],
    ranges: Sequence[int],
    reverse: Sequence[bool],
    origins: Sequence[Fraction | int],
    steps: Sequence[Fraction | int],
) -> list[Reliability]:
    """Alpha, omega and item statistics of covariances that are each of who answered both items.

    As `reliability`, with another C: ``C_ij = (S_ij - S_i S_j / n) / (n - 1)`` over the n who
    answered i and j. Nobody is left out, and there is neither a standard error nor an interval, as
    no one number of respondents is behind alpha; C need not be a covariance at all.

    Parameters
    ----------
    count, product : ndarray of int64, shape (g, k, k)
        Who answered both items, and the sums of the products of their codes.
    total : ndarray of int64, shape (g, k, k)
        Sums of the codes of the first over those.
    names, ranges, reverse, origins, steps
        As in `reliability`, of the items.

    Returns
    -------
    list of Reliability, length g
        `Reliability.n` is that of the pair that fewest answered.
    """
    turned = np.array([-float(s) if r else float(s) for s, r in zip(steps, reverse, strict=True)])
    first = np.array(
        [
            float(o) + float(s * top) * r
            for o, s, top, r in zip(origins, steps, ranges, reverse, strict=True)
        ]
    )
    # n S_ij - S_i S_j in whole numbers of any size.
    n = count.astype(object)
    spread = n * product.astype(object) - total.astype(object) * total.astype(object).transpose(
        0, 2, 1
    )
    covariance = divide(spread.astype(np.float64), np.maximum(count * (count - 1), 1))
    covariance = covariance * (turned[:, None] * turned)
    every = np.einsum("gii->gi", count)
    mean = first + turned * divide(np.einsum("gii->gi", total), every)
    fewest = count.min(axis=(1, 2))
    varies = (np.einsum("gii->gi", covariance) > 0.0) & (fewest > 1)[:, None]
    model = _Model(list(names), fewest, mean, covariance, varies)
    size = fewest.astype(np.float64)
    found = _rows(model, _omega(model), None, None, size, "feldt", 0.5)
    return [replace(one, interval=None, normal_se=None) for one in found]


class _Model(NamedTuple):
    """Items, reversed where asked for; rows of zeros for what does not vary."""

    label: list[str]
    n: npt.NDArray[np.int64]
    mean: Floats
    covariance: Floats
    varies: npt.NDArray[np.bool_]


def _alpha(trace: Floats, total: Floats, k: npt.NDArray[np.int64]) -> Floats:
    """Return alpha of k items, 0 where it is not defined."""
    return divide(k, k - 1) * (1.0 - divide(trace, total))


def _alpha_slopes(model: _Model, turned: Floats) -> Floats:
    """Slopes of alpha in sums of pairs of [1, x], as a response adds to them."""
    k = model.varies.sum(axis=1)
    trace = np.einsum("gii->g", model.covariance)
    total = model.covariance.sum(axis=(1, 2))
    width = len(turned) + 1
    left, right = np.triu_indices(width)
    factor = divide(k, k - 1)
    across = factor * divide(trace, total**2)
    forms = np.zeros((len(k), len(left)))
    own = left > 0
    signs = turned[left[own] - 1] * turned[right[own] - 1]
    twice = np.where(left[own] == right[own], 1.0, 2.0)
    forms[:, own] = across[:, None] * (signs * twice)
    forms[:, own & (left == right)] -= divide(factor, total)[:, None]
    return forms


def _alpha_squares(moments: Floats, forms: Floats) -> Floats:
    """Sum the squares of what responses add, with weights."""
    squares: Floats = ((moments @ forms[:, :, None])[:, :, 0] * forms).sum(axis=1)
    return squares


def _raked_squares(
    raked: RakedProducts, first: int, forms: Floats, mean: Floats, items: Sequence[int]
) -> Floats:
    """Return what fitting to margins takes off such a sum, for groups from `first` on."""
    width = len(items) + 1
    left, right = np.triu_indices(width)
    less = np.zeros(len(forms))
    for at, form in enumerate(forms):
        whole = np.zeros((1, width, width))
        whole[0, left, right] = form / 2.0
        whole += whole.transpose(0, 2, 1)
        less[at] = raked.correction(first + at, whole, items, mean[at])[0, 0]
    return less


def _alpha_error(squares: Floats, n: npt.NDArray[np.int64], total: Floats) -> Floats:
    """Delta method. What responses add has mean 0: the slopes along C itself are 0."""
    return np.sqrt(np.maximum(divide(squares * n, total * total * (n - 1)), 0.0))


def _skewness(central: Floats, n: npt.NDArray[np.int64], varies: npt.NDArray[np.bool_]) -> Floats:
    """Mean of the items' skewness without sign, from sums of pairs of [1, x - mean].

    Weighted ones are of squared weights, the sum of which stands first.
    """
    items = varies.shape[1]
    left, right = np.triu_indices(items + 1)
    alone = np.flatnonzero((left == 0) & (right > 0))
    square = np.flatnonzero((left == right) & (left > 0))
    total = central[:, :1, 0]
    third = divide(central[:, alone, square], total)
    sd = np.sqrt(divide(central[:, square, 0], total * (1.0 - divide(1, n)[:, None])))
    every = np.abs(divide(third, sd**3))
    return divide((every * varies).sum(axis=1), varies.sum(axis=1))


def _correlation(model: _Model) -> Floats:
    sd = np.sqrt(np.einsum("gii->gi", model.covariance))
    return divide(model.covariance, sd[:, :, None] * sd[:, None, :])


class _Omega(NamedTuple):
    loading: Floats
    omega: Floats
    known: npt.NDArray[np.bool_]


def _omega(model: _Model) -> _Omega:
    correlation = np.ascontiguousarray(_correlation(model))
    values, vectors = np.linalg.eigh(correlation)
    first = vectors[:, :, -1] * np.sqrt(np.maximum(values[:, -1:], 0.0))
    # The side on which most of the items lie.
    loading = np.ascontiguousarray(np.where(first.sum(axis=1, keepdims=True) < 0.0, -first, first))
    loading = np.clip(loading, -1.0, 1.0)
    done = np.zeros(len(loading), dtype=np.int64)
    one_factor(correlation, _TOLERANCE, _SWEEPS, loading, done)
    common = loading.sum(axis=1) ** 2
    own = np.where(model.varies, 1.0 - loading**2, 0.0).sum(axis=1)
    known = (done > 0) & (model.varies.sum(axis=1) > 2)
    return _Omega(loading, divide(common, common + own), known & (common + own > 0.0))


def _rows(
    model: _Model,
    factor: _Omega,
    se: Floats | None,
    skewness: Floats | None,
    size: Floats,
    method: AlphaMethod | None,
    confidence: float,
) -> list[Reliability]:
    """Make the answers; `size`: n, or as many equally weighted ones."""
    n, covariance = model.n, model.covariance
    k = model.varies.sum(axis=1)
    trace, total = np.einsum("gii->g", covariance), covariance.sum(axis=(1, 2))
    variance = np.einsum("gii->gi", covariance)
    alpha = _alpha(trace, total, k)
    correlation = _correlation(model)
    all_pairs = correlation.sum(axis=(1, 2))
    standardised = _alpha(k.astype(np.float64), all_pairs, k)
    inter_item = divide(all_pairs - k, k * (k - 1))
    # With the others: cov(x, T - x), and the variance of T - x.
    along = covariance.sum(axis=2)
    rest = total[:, None] - 2.0 * along + variance
    item_total = divide(along - variance, np.sqrt(np.maximum(variance * rest, 0.0)))
    others = np.where(model.varies, (k - 1)[:, None], k[:, None])
    without = _alpha(trace[:, None] - variance, rest, others)
    tail = (1.0 - confidence) / 2.0
    defined = (n > 1) & (k > 1) & (total > 0.0)
    df = np.where(defined, n - 1, 1).astype(np.float64)
    wide = np.where(defined, (n - 1) * (k - 1), 1).astype(np.float64)
    lower = 1.0 - (1.0 - alpha) * fdtri(df, wide, 1.0 - tail)
    upper = 1.0 - (1.0 - alpha) * fdtri(df, wide, tail)
    bounded = alpha < 1.0
    free: list[list[Any]] | None = None
    if se is not None and skewness is not None:
        normal = np.sqrt(divide(2 * k, (k - 1) * np.maximum(size - 2.0, 0.0)))
        spread = np.maximum(divide(se, 1.0 - alpha), normal)
        free_df = np.where(defined & (size > 2.0), size - 1.0, 1.0)
        reach = t_quantile(free_df, confidence) * spread
        near = np.maximum(size, 1.0) ** -0.5
        longer = _LONGER * skewness * near
        low = 1.0 - (1.0 - alpha) * np.exp(np.minimum(reach * (1.0 - _SHORTER * near), _FAR))
        high = 1.0 - (1.0 - alpha) * np.exp(-np.minimum(reach * (1.0 + longer), _FAR))
        free = [se.tolist(), low.tolist(), high.tolist(), (bounded & (size > 2.0)).tolist()]
    squares = total * ((covariance**2).sum(axis=(1, 2)) + trace**2) - 2.0 * trace * (along**2).sum(
        axis=1
    )
    normal_se = divide(k, k - 1) * np.sqrt(
        np.maximum(divide(2.0 * squares, total**3 * np.maximum(size, 1.0)), 0.0)
    )
    sd = np.sqrt(variance).tolist()
    lists = [
        one.tolist() for one in (model.varies, model.mean, item_total, without, factor.loading)
    ]
    answers = []
    for g, count in enumerate(n.tolist()):
        varies, mean, totals, dropping, loading = (one[g] for one in lists)
        flat = [name for name, there in zip(model.label, varies, strict=True) if not there]
        left = int(k[g])
        if count < 2:
            why = f"{count} complete rows; reliability needs 2"
            answers.append(_nothing("too_few_rows", why, count, left))
            continue
        message = f"no variation in {', '.join(flat)}" if flat else ""
        if left < 2:
            answers.append(_nothing("too_few_items", message, count, left))
            continue
        own = tuple(
            Item(
                name,
                mean[j],
                sd[g][j],
                totals[j] if varies[j] and rest[g, j] > 0.0 else None,
                dropping[j] if others[g, j] > 1 and rest[g, j] > 0.0 else None,
                loading[j] if varies[j] and factor.known[g] else None,
                not varies[j],
            )
            for j, name in enumerate(model.label)
        )
        known = bool(defined[g])
        feldt = any_distribution = None
        if known and bounded[g]:
            feldt = Interval(float(lower[g]), float(upper[g]), "feldt", confidence)
        if free and known and free[3][g]:
            any_distribution = Interval(free[1][g], free[2][g], "log_delta", confidence)
        chosen = {"feldt": feldt, "log_delta": any_distribution, None: any_distribution or feldt}
        answers.append(
            Reliability(
                "ok",
                message,
                count,
                left,
                float(alpha[g]) if known else None,
                float(standardised[g]) if known else None,
                float(inter_item[g]) if known else None,
                chosen[method],
                free[0][g] if free and known else None,
                any_distribution,
                float(factor.omega[g]) if factor.known[g] else None,
                own,
                float(normal_se[g]) if known else None,
            )
        )
    return answers


def _nothing(status: Status, message: str, n: int, k: int) -> Reliability:
    return Reliability(status, message, n, k, None, None, None, None, None, None, None, (), None)
