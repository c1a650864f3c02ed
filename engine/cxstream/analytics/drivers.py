"""Which questions move an outcome, how surely, and where to act: importance by performance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from cxstream.analytics import regression
from cxstream.analytics.checks import Floats, divide
from cxstream.analytics.columns import Column, Columns, Words, listed
from cxstream.analytics.intervals import Interval, as_columns, check_confidence, t_quantile
from cxstream.analytics.moments import (
    Fours,
    Second,
    Table,
    central_order,
    fours,
    fourth_width,
    second_order,
    second_width,
    table_of,
)
from cxstream.analytics.parallel import parts_of, side_by_side
from cxstream.analytics.raking import RakedProducts
from cxstream.kernels.importance import covariances, eigenvectors, relative_weights, shapley
from cxstream.pool import Pool

Status = Literal["ok", "too_few_rows", "constant_outcome", "collinear"]
Cut = Literal["mean", "median"]
Quadrant = Literal["top_priority", "keep_up", "sustain", "ignore", "undetermined"]

CUTS: Final[tuple[Cut, ...]] = ("mean", "median")
# Low importance first, each by performance.
_QUADRANTS: Final[tuple[Quadrant, ...]] = (
    "ignore",
    "sustain",
    "top_priority",
    "keep_up",
    "undetermined",
)

#: Drivers of one model: 2^22 subsets take a second or two.
MAX_DRIVERS: Final = 22
#: Subsets of one answer, all groups together: some ten seconds.
MAX_SUBSETS: Final = 2**26

# Of a standardised driver: below this the correlations are so close to singular that whether they
# are is decided in whole numbers.
_SUSPECT: Final = 1e-9
# What rounding leaves of the variance of a driver that the others determine.
_NOTHING: Final = 1e-12
_NOT_ROBUST: Final = "no fourth-order moments are kept: declare robust = true for the model"
_DEPENDENT: Final = "the drivers depend on each other, and so importance has no slopes"
# Groups looked at together; of those with fourth-order moments what the cache holds.
_CHUNK: Final = 40_000


# Made by the ten thousand; frozen, to make one takes six times as long.
@dataclass(slots=True)
class Driver:
    """What one driver contributes, in one group. Shares are of R2, 0..1, and add up to it.

    Attributes
    ----------
    driver : str
        Name of the question.
    lmg : float or None
        Its mean increase of R2 over all orders of entry: LMG, Shapley value, general dominance.
    se : float or None
        Standard error of lmg, by the delta method on fourth-order moments; None without them.
    interval : Interval or None
        Of lmg: Fisher's z of its root.
    johnson, johnson_se : float or None
        Relative weight, and its standard error likewise.
    first : float or None
        R2 of the driver alone.
    last : float or None
        Increase of R2 when it enters after all others.
    pratt : float or None
        beta times the correlation with the outcome; adds up to R2 too, but may be negative.
    beta : float or None
        Standardised coefficient.
    vif : float or None
        Variance inflation factor.
    sign : {-1, 0, 1} or None
        Of its least-squares coefficient.
    performance, performance_se : float or None
        Mean on 0..100, where 100 is the best answer, and its standard error.
    quadrant : str or None
        See `drivers`; None where lmg has no standard error.
    weight : float or None
        Weight in an index, derived from lmg: adds up to 1 over the drivers.
    floored : bool
        The derived weight would be negative, and is 0.
    johnson_axes_se, johnson_t, johnson_p : float or None
        Standard error of johnson with L taken as known, johnson over it with the sign of the
        coefficient, and its p-value; see `drivers`.
    """

    driver: str
    lmg: float | None
    se: float | None
    interval: Interval | None
    johnson: float | None
    johnson_se: float | None
    first: float | None
    last: float | None
    pratt: float | None
    beta: float | None
    vif: float | None
    sign: int | None
    performance: float | None
    performance_se: float | None
    quadrant: Quadrant | None
    weight: float | None
    floored: bool
    johnson_axes_se: float | None
    johnson_t: float | None
    johnson_p: float | None


@dataclass(frozen=True, slots=True)
class Drivers:
    """The drivers of an outcome, in one group.

    Attributes
    ----------
    status : {"ok", "too_few_rows", "constant_outcome", "collinear"}
        ``too_few_rows`` and ``constant_outcome`` have no drivers. ``collinear`` has what is
        defined all the same: lmg, first, last and performance.
    message : str
        The reason in words, naming the columns; empty when ok.
    n : int
        Complete cases.
    r2 : float or None
        Share of the outcome's variance that all drivers explain.
    drivers : tuple of Driver
        In the order asked for.
    importance_cut, performance_cut : float or None
        Where the quadrants meet.
    without_se : str
        Why there are no standard errors of importance; empty where there are.
    """

    FORMULAS: ClassVar[tuple[str, ...]] = ("drivers",)

    status: Status
    message: str
    n: int
    r2: float | None
    drivers: tuple[Driver, ...]
    importance_cut: float | None
    performance_cut: float | None
    without_se: str


def drivers_columns(
    sums: npt.ArrayLike,
    *,
    names: Sequence[str],
    outcome: int,
    drivers: Sequence[int],
    ranges: Sequence[int],
    reverse: Sequence[bool],
    fourth: npt.ArrayLike | None = None,
    responses: npt.ArrayLike | None = None,
    raked: RakedProducts | None = None,
    cut: Cut = "mean",
    confidence: float = 0.95,
    pool: Pool | None = None,
) -> Columns:
    """Importance of every driver of an outcome, for every group.

    With R the correlations of drivers and outcome (of the exactly centred sums), R2(S) that of the
    drivers S alone, and p drivers:

    - ``lmg_j = sum over S without j of |S|! (p-1-|S|)! / p! (R2(S+j) - R2(S))``, all subsets;
    - ``johnson_j = sum_k L_jk^2 g_k^2`` with L the symmetric root of R_xx and ``g = L^-1 r_xy``;
    - ``first_j = r_j^2``, ``last_j = beta_j^2 / [R_xx^-1]_jj``, ``pratt_j = beta_j r_j``.

    Standard errors are of the delta method: a share moves with the covariances S by its slopes G,
    so a response z (from the mean) adds ``h = z'Gz - tr(GS)``, and ``se^2 = n / (n-p-1) sum h^2 /
    n^2``, which is a sum of fourth-order moments. G is exact. With survey weights h carries the
    weight, sums are of w^2, and n^2 is the squared sum of weights: Taylor linearisation.

    ``johnson_axes_se^2 = sum_k L_jk^4 (2 s^4 + 4 s^2 g_k^2)`` with ``s^2 = (1 - R2) / (n - p)`` needs no
    fourth-order moments: it is what Displayr's flipRegression prints, with t of n - p degrees of
    freedom. It takes L as known and residuals of one variance; where importance is shared it is some
    tenth off.

    The interval of lmg is Fisher's: ``tanh^2(atanh(sqrt(lmg)) -+ t se* / (2 sqrt(m) (1-lmg)))``
    with n-p-1 degrees of freedom, from 0 where the left side would turn. ``c = (1-R2)/(n-p-1)`` is
    what chance alone gives a driver without effect, whose se vanishes: so ``se*^2 = se^2 + 2 c^2``,
    and m is lmg, but at least c/2. With survey weights n is Kish's effective n in both.

    Coverage in simulations at 95 %, 1 to 10 drivers, R2 from 0 to 0.84, normal and five-point
    answers, n from 30 to 500: 93 to 97 %, but up to 98.5 % (too wide) for shares below some 5 c,
    those that can hardly be told from none.

    Quadrants: performance is the mean on 0..100, 100 the best; both axes are cut at the mean (or
    median) over the drivers. High importance: ``top_priority`` where performance is low, ``keep_up``
    where it is high; low importance: ``ignore`` and ``sustain``. ``undetermined`` where the
    interval of the distance to either cut, which itself is an estimate, holds 0.

    Derived weights are lmg over its sum, over the drivers whose coefficient says that better
    answers go with a better outcome; of others lmg counts against, so the weight would be
    negative: it is 0 and floored is true. They are estimates from the same responses that an
    index with these weights would describe.

    Parameters
    ----------
    sums : array_like of int, shape (g, (m+1)(m+2)/2)
        Upper triangle, row-major, of the sums of products of [1, c_1..c_m] over the complete
        cases, in codes; with survey weights the weighted sums (of whole weights). int64, or object
        with Python integers.
    names : sequence of str, length m
        Names of the columns.
    outcome : int
        Column of the outcome.
    drivers : sequence of int
        Columns of the drivers, each once, without the outcome; at most `MAX_DRIVERS`.
    ranges : sequence of int, length m
        Largest code of each column.
    reverse : sequence of bool, length m
        Low answers are the better ones.
    fourth : array_like of int, shape (g, C(m+4, 4)), optional
        Sums of products of four of [1, c_1..c_m] over the complete cases, in the order of
        ``itertools.combinations_with_replacement(range(m + 1), 4)``; with survey weights, weighted
        by their squares. None: no standard errors.
    responses : array_like of int, shape (g,), optional
        Complete cases, needed with survey weights; None: sums[:, 0] are.
    raked : RakedProducts, optional
        `sums`, and those by squared weights, by cell, where weights were fitted to margins: standard
        errors then are of the residuals of h on the margins.
    cut : {"mean", "median"}
        Where the quadrants meet.
    confidence : float
        Level in (0, 1).
    pool : Pool, optional
        Whose threads take part where there are many groups; the result is the same.

    Returns
    -------
    Columns of Drivers, one for each group
        ``too_few_rows`` when n is not above p + 1 (n = 0, 1, 2 included). A driver without
        variation, or one that the others determine, is ``collinear``: beta, vif, pratt, sign,
        johnson, weights and standard errors are None then. Where R2 is 1 a share of 1 has no
        interval.

    Raises
    ------
    ValueError
        Arguments that do not fit together, more than `MAX_DRIVERS` drivers, more than
        `MAX_SUBSETS` subsets over all groups, or a level outside (0, 1).

    References
    ----------
    Lindeman, R., Merenda, P. and Gold, R. (1980); Johnson, J. (2000), Multivariate Behavioral
    Research 35, 1-19, https://doi.org/10.1207/S15327906MBR3501_1; Grömping, U. (2006), Journal of
    Statistical Software 17(1), https://doi.org/10.18637/jss.v017.i01. Covariances of covariances:
    Browne, M. (1984), https://doi.org/10.1111/j.2044-8317.1984.tb00789.x
    """
    check_confidence(confidence)
    if cut not in CUTS:
        raise ValueError(f"cut {cut!r} is not known: use one of {', '.join(CUTS)}")
    m, p = len(names), len(drivers)
    chosen = (*drivers, outcome)
    if not len(ranges) == len(reverse) == m:
        raise ValueError("names, ranges and reverse must have the same length")
    if not drivers:
        raise ValueError("importance needs at least one driver")
    if len(set(chosen)) < len(chosen):
        raise ValueError("outcome and drivers must be different columns")
    if not all(0 <= j < m for j in chosen):
        raise ValueError(f"outcome and drivers must be columns 0..{m - 1}")
    table = table_of(sums, "sums", second_width(m))
    check_size(len(table), p)
    if responses is None:
        n = table[:, 0].astype(np.int64)
    else:
        n = np.asarray(responses, dtype=np.int64)
        if n.shape != table.shape[:1]:
            raise ValueError(f"responses must have shape ({len(table)},)")
    moments = None if fourth is None else table_of(fourth, "fourth", fourth_width(m))
    if moments is not None and len(moments) != len(table):
        raise ValueError("sums and fourth must have the same groups")

    top = np.array([ranges[j] for j in drivers], dtype=np.float64)
    turned = np.array([reverse[j] for j in chosen])
    how = None if moments is None else fours(m, chosen)
    many = _CHUNK if how is None else _CHUNK * 10 // how.places.size

    def of(part: slice) -> _Part:
        second = second_order(table[part], m, chosen)
        size = n[part].astype(np.float64)
        if responses is not None and moments is not None:
            size = divide(second.total**2, moments[part, 0].astype(np.float64))
        model = _Model([names[j] for j in chosen], n[part], size, second, top, turned)
        correlation = _correlation(second.product)
        values, vectors = (
            np.empty(correlation[:, 0, :p].shape),
            np.empty(correlation[:, :p, :p].shape),
        )
        eigenvectors(np.ascontiguousarray(correlation[:, :p, :p]), values, vectors)
        status, message = _statuses(model, table[part], m, chosen, values.min(axis=1))
        found = _importance(correlation, values, vectors, status, wanted=moments is not None)
        errors = None
        if moments is not None and how is not None:
            errors = _errors(model, found, moments[part], how, cut, raked, part.start, chosen)
        return _part(model, status, message, found, errors, cut, confidence)

    # Of no groups at all the fields are those of one part.
    found = side_by_side(of, parts_of(len(table), many), pool)
    return _columns(found, [names[j] for j in drivers], confidence, robust=moments is not None)


#: As `drivers_columns`, as a list.
drivers = listed(drivers_columns, Drivers)


def check_size(groups: int, drivers: int) -> None:
    """Refuse what would take too long: the subsets of the drivers are all looked at.

    Parameters
    ----------
    groups, drivers : int
        How many.

    Raises
    ------
    ValueError
        More than `MAX_DRIVERS`, or more than `MAX_SUBSETS` subsets in all.
    """
    if drivers > MAX_DRIVERS:
        raise ValueError(
            f"{drivers} drivers have 2^{drivers} subsets, all of which exact importance looks at; "
            f"at most {MAX_DRIVERS} drivers are taken"
        )
    if groups * 2**drivers > MAX_SUBSETS:
        raise ValueError(
            f"{groups} groups of {drivers} drivers have {groups * 2**drivers:,} subsets, above "
            f"{MAX_SUBSETS:,}; ask for {MAX_SUBSETS // 2**drivers} groups at a time, or fewer "
            "drivers"
        )


class _Model(NamedTuple):
    """A model's centred sums; the last column is the outcome. `size`: n, or Kish's effective n."""

    label: list[str]
    n: npt.NDArray[np.int64]
    size: Floats
    second: Second
    top: Floats
    reverse: npt.NDArray[np.bool_]


class _Importance(NamedTuple):
    """Shares and what they come from, (g, p) each.

    `slopes`: of lmg, then of johnson, in standardised covariances, (2, g, p, pairs).
    """

    correlation: Floats
    lmg: Floats
    johnson: Floats
    first: Floats
    last: Floats
    pratt: Floats
    beta: Floats
    vif: Floats
    axes: Floats
    slopes: Floats


class _Errors(NamedTuple):
    lmg: Floats
    johnson: Floats
    importance_distance: Floats
    performance: Floats
    performance_distance: Floats


def _statuses(
    model: _Model, table: Table, m: int, chosen: tuple[int, ...], smallest: Floats
) -> tuple[list[Status], list[str]]:
    """Return how each group ends; `smallest` is the least eigenvalue of the drivers' correlations."""
    p = len(chosen) - 1
    spread = np.einsum("gii->gi", model.second.product)
    flat = spread <= 0.0
    status: list[Status] = ["ok"] * len(table)
    message = [""] * len(table)
    suspect = flat[:, :p].any(axis=1)
    suspect |= smallest < _SUSPECT
    for g in np.flatnonzero(suspect | flat[:, p] | (model.n <= p + 1)).tolist():
        n = int(model.n[g])
        if n <= p + 1:
            status[g] = "too_few_rows"
            message[g] = f"{n} complete rows for {p + 1} coefficients"
        elif flat[g, p]:
            status[g] = "constant_outcome"
            message[g] = f"no variation in the outcome {model.label[p]}"
        else:
            message[g] = regression.dependency(table[g].tolist(), m, chosen[:p], model.label[:p])
            status[g] = "collinear" if message[g] else "ok"
    return status, message


def _correlation(product: Floats) -> Floats:
    """Return correlations; a column without variation is uncorrelated with all others."""
    root = np.sqrt(np.maximum(np.einsum("gii->gi", product), 0.0))
    result = divide(product, root[:, :, None] * root[:, None, :])
    diagonal = np.arange(product.shape[1])
    result[:, diagonal, diagonal] = np.where(root > 0.0, 1.0, 0.0)
    return result


def _importance(
    correlation: Floats, values: Floats, vectors: Floats, status: list[Status], *, wanted: bool
) -> _Importance:
    """Return all shares; values and vectors are the eigen ones of the drivers' correlations."""
    groups, width = correlation.shape[:2]
    p = width - 1
    # Where there is no answer, or none of these, anything that can be computed will do.
    unknown = np.array([one not in ("ok", "collinear") for one in status], dtype=bool)
    correlation[unknown] = np.eye(width)
    full = correlation.copy()
    other = np.array([one != "ok" for one in status], dtype=bool)
    full[other] = np.eye(width)
    values[other], vectors[other] = 1.0, np.eye(p)
    pairs = width * (width + 1) // 2
    lmg = np.empty((groups, p))
    slopes = np.empty((2, groups, p, pairs) if wanted else (2, groups, 0, 0))
    shapley(correlation, _NOTHING, lmg, slopes[0])

    values = np.maximum(values, np.finfo(np.float64).tiny)
    johnson, beta, vif = np.empty((3, groups, p))
    axes = np.empty((groups, 2, p))
    relative_weights(full, values, vectors, johnson, beta, vif, axes, slopes[1])
    everything = np.array([one == "collinear" for one in status], dtype=bool)
    last = beta**2 / vif
    if everything.any():
        last[everything] = _last(correlation[everything])
    return _Importance(
        correlation,
        lmg,
        johnson,
        correlation[:, :p, p] ** 2,
        last,
        beta * full[:, :p, p],
        beta,
        vif,
        axes,
        slopes,
    )


def _last(correlation: Floats) -> Floats:
    """Return what each driver adds to all others, where some determine others."""
    p = correlation.shape[1] - 1

    def explained(chosen: list[int]) -> Floats:
        if not chosen:
            return np.zeros(len(correlation))
        among = correlation[:, chosen][:, :, chosen]
        r = correlation[:, chosen, p]
        solved = np.linalg.pinv(among, rcond=_NOTHING, hermitian=True) @ r[:, :, None]
        result: Floats = (r * solved[:, :, 0]).sum(axis=1)
        return result

    whole = explained(list(range(p)))
    without = [explained([k for k in range(p) if k != j]) for j in range(p)]
    return np.maximum(whole[:, None] - np.stack(without, axis=1), 0.0)


def _errors(
    model: _Model,
    found: _Importance,
    fourth: Table,
    how: Fours,
    cut: Cut,
    raked: RakedProducts | None,
    first: int,
    chosen: Sequence[int],
) -> _Errors:
    """Delta method: a share's slopes on both sides of the moments of the covariances.

    `first`: the first group of these among all.
    """
    second = model.second
    p = found.lmg.shape[1]
    width = p + 1
    moments = central_order(fourth, second, how)
    total = second.total
    variance = divide(np.einsum("gii->gi", second.product), total[:, None])
    sd = np.sqrt(np.maximum(variance, 0.0))
    left, right = how.left, how.right
    # A response moves a share by its products from the mean, in standard deviations.
    scale = divide(1.0, sd[:, left] * sd[:, right])
    level = np.ascontiguousarray(found.correlation[:, left, right])
    df = model.n - p - 1
    factor = divide(model.n, total**2 * df)[:, None]
    covariance, variances = np.empty((len(total), p, p)), np.empty((len(total), 2 * p))
    covariances(moments, how.products, found.slopes, scale, level, covariance, variances)
    covariance *= factor[:, :, None]
    johnson_variance = variances[:, p:] * factor
    # Means: products of z once, weighted like their squares.
    products = (
        moments[:, how.products[0, 1:]].transpose(0, 2, 1).reshape(-1, len(left))[: len(total)]
    )
    once = np.zeros((len(total), width, width))
    once[:, left, right] = once[:, right, left] = products
    ends = np.where(model.reverse[:p], -100.0, 100.0) / model.top
    spare = divide(model.n, total**2 * (model.n - 1))
    means = once[:, :p, :p] * (ends[:, None] * ends) * spare[:, None, None]
    if raked is not None:
        slopes = np.concatenate(found.slopes, axis=1)
        for at in range(len(total)):
            form = np.hstack([-slopes[at] @ level[at][:, None], slopes[at] * scale[at]])
            less = raked.correction(first + at, _products(form, ends), chosen, second.mean[at])
            covariance[at] += less[:p, :p] * factor[at]
            johnson_variance[at] += np.diag(less)[p : 2 * p] * factor[at]
            means[at] += less[2 * p :, 2 * p :] * spare[at]
    score = _performance(model)
    return _Errors(
        _root(np.einsum("gii->gi", covariance)),
        _root(johnson_variance),
        _distance(covariance, found.lmg, cut),
        _root(np.einsum("gii->gi", means)),
        _distance(means, score, cut),
    )


def _products(forms: Floats, ends: Floats) -> Floats:
    """Return forms of shares, then those of means, as symmetric matrices over [1, z]."""
    p = len(ends)
    whole = np.zeros((3 * p, p + 2, p + 2))
    left, right = np.triu_indices(p + 1)
    whole[: 2 * p, 0, 0] = forms[:, 0] / 2.0
    whole[: 2 * p, 1 + left, 1 + right] = forms[:, 1:] / 2.0
    at = np.arange(p)
    whole[2 * p + at, 0, 1 + at] = ends / 2.0
    both: Floats = whole + whole.transpose(0, 2, 1)
    return both


def _performance(model: _Model) -> Floats:
    p = len(model.top)
    level = 100.0 * model.second.mean[:, :p] / model.top
    score: Floats = np.where(model.reverse[:p], 100.0 - level, level)
    return score


def _root(variance: Floats) -> Floats:
    root: Floats = np.sqrt(np.maximum(variance, 0.0))
    return root


def _cut_weights(values: Floats, cut: Cut) -> Floats:
    """Return how the cut is made up of the values: all alike, or the middle ones."""
    groups, p = values.shape
    if cut == "mean":
        return np.full((groups, p), 1.0 / p)
    order = np.argsort(values, axis=1, kind="stable")
    weights = np.zeros((groups, p))
    for middle in {(p - 1) // 2, p // 2}:
        np.put_along_axis(weights, order[:, middle : middle + 1], 1.0, axis=1)
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _distance(covariance: Floats, values: Floats, cut: Cut) -> Floats:
    """Return the standard error of each value's distance to the cut."""
    weights = _cut_weights(values, cut)
    with_cut = (covariance @ weights[:, :, None])[:, :, 0]
    of_cut = (with_cut * weights).sum(axis=1, keepdims=True)
    return _root(np.einsum("gii->gi", covariance) - 2.0 * with_cut + of_cut)


class _Part(NamedTuple):
    """What `Drivers` and `Driver` hold, of some groups; NaN where there is nothing."""

    status: list[Status]
    message: list[str]
    whole: dict[str, npt.NDArray[Any]]
    drivers: dict[str, npt.NDArray[Any]]


def _part(
    model: _Model,
    status: list[Status],
    message: list[str],
    found: _Importance,
    errors: _Errors | None,
    cut: Cut,
    confidence: float,
) -> _Part:
    p = found.lmg.shape[1]
    n = model.n
    df = np.maximum(model.size - p - 1.0, 1.0)
    ok = np.array([one == "ok" for one in status], dtype=bool)
    there = ok | np.array([one == "collinear" for one in status], dtype=bool)
    r2 = np.minimum(found.lmg.sum(axis=1), 1.0)
    performance = _performance(model)
    importance_cut = (_cut_weights(found.lmg, cut) * found.lmg).sum(axis=1)
    performance_cut = (_cut_weights(performance, cut) * performance).sum(axis=1)
    good = np.where(model.reverse[:p] == model.reverse[p], found.beta, -found.beta)
    floored = good < 0.0
    kept = np.where(floored, 0.0, np.maximum(found.lmg, 0.0))
    total = kept.sum(axis=1, keepdims=True)

    def where_ok(values: Floats) -> Floats:
        return np.where(ok[:, None], values, np.nan)

    own: dict[str, npt.NDArray[Any]] = {
        "lmg": found.lmg,
        "johnson": where_ok(found.johnson),
        "first": found.first,
        "last": found.last,
        "pratt": where_ok(found.pratt),
        "beta": where_ok(found.beta),
        "vif": where_ok(found.vif),
        "sign": np.ma.array(
            np.sign(found.beta).astype(np.int64), mask=np.repeat(~ok[:, None], p, axis=1)
        ),
        "performance": performance,
        "weight": where_ok(divide(kept, np.where(total > 0.0, total, np.nan))),
        "floored": floored & ok[:, None],
    }
    axes_se = _axes_errors(found, r2, n)
    signed = divide(np.sign(found.beta) * found.johnson, axes_se)
    own |= {
        "johnson_axes_se": where_ok(axes_se),
        "johnson_t": where_ok(signed),
        "johnson_p": where_ok(2.0 * stdtr(np.maximum(n - p, 1)[:, None], -np.abs(signed))),
    }
    if errors is not None:
        quantile = t_quantile(df, confidence)[:, None]
        lower, upper, bounded = _fisher(found.lmg, errors.lmg, r2, df, quantile)
        quadrant = _quadrants(
            found.lmg - importance_cut[:, None],
            quantile * errors.importance_distance,
            performance - performance_cut[:, None],
            quantile * errors.performance_distance,
        )
        quadrant[~ok] = len(_QUADRANTS)
        own |= {
            "se": where_ok(errors.lmg),
            "johnson_se": where_ok(errors.johnson),
            "performance_se": where_ok(errors.performance),
            "quadrant": quadrant,
            "lower": lower,
            "upper": upper,
            "bounded": bounded & ok[:, None],
        }
    whole: dict[str, npt.NDArray[Any]] = {
        "n": n,
        "r2": np.where(there, r2, np.nan),
        "importance_cut": np.where(there, importance_cut, np.nan),
        "performance_cut": np.where(there, performance_cut, np.nan),
    }
    return _Part(status, message, whole, own)


def _columns(parts: list[_Part], names: list[str], confidence: float, *, robust: bool) -> Columns:
    """Put the parts of a model together."""
    status = [one for part in parts for one in part.status]
    whole, own = (
        {name: _joined([one[name] for one in given]) for name in given[0]}
        for given in ([part.whole for part in parts], [part.drivers for part in parts])
    )
    shape = len(status), len(names)
    lower, upper, bounded = (own.pop(name, None) for name in ("lower", "upper", "bounded"))
    of_drivers: dict[str, Column] = {"driver": tuple(names), **own}
    if lower is not None and upper is not None:
        of_drivers["quadrant"] = Words((*_QUADRANTS, None), own["quadrant"])
        of_drivers["interval"] = as_columns(lower, upper, bounded, "fisher_z", confidence)
    known = np.array([one in ("ok", "collinear") for one in status], dtype=bool)
    reasons = {"ok": "" if robust else _NOT_ROBUST, "collinear": _DEPENDENT}
    fields: dict[str, Column] = {
        "status": status,
        "message": [one for part in parts for one in part.message],
        **whole,
        "drivers": Columns(
            Driver,
            shape,
            of_drivers,
            None if known.all() else np.repeat(known[:, None], shape[1], axis=1),
        ),
        "without_se": [reasons.get(one, "") for one in status],
    }
    return Columns(Drivers, shape[:1], fields)


def _axes_errors(found: _Importance, r2: Floats, n: npt.NDArray[np.int64]) -> Floats:
    """Return the standard errors of relative weights whose axes are known."""
    p = found.lmg.shape[1]
    s2 = divide(1.0 - r2, n - p)[:, None]
    return _root(2.0 * s2**2 * found.axes[:, 0] + 4.0 * s2 * found.axes[:, 1])


def _joined(arrays: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    if isinstance(arrays[0], np.ma.MaskedArray):
        masked: npt.NDArray[Any] = np.ma.concatenate(arrays)  # type: ignore[no-untyped-call]
        return masked
    return np.concatenate(arrays)


def _fisher(
    lmg: Floats, se: Floats, r2: Floats, df: Floats, quantile: Floats
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Interval of a share: Fisher's z of its root, which is a correlation where it is alone."""
    chance = divide(1.0 - r2, df)[:, None]
    share = np.clip(lmg, 0.0, 1.0)
    reach = np.sqrt(se**2 + 2.0 * chance**2)
    known = (share < 1.0) & (reach > 0.0)
    centre = np.arctanh(np.where(known, np.sqrt(share), 0.0))
    least = np.sqrt(np.maximum(share, chance / 2.0))
    half = quantile * divide(reach, 2.0 * least * (1.0 - share))
    lower = np.tanh(np.maximum(centre - half, 0.0)) ** 2
    upper = np.minimum(np.tanh(centre + half) ** 2, 1.0)
    return lower, upper, known


def _quadrants(
    importance: Floats, importance_half: Floats, performance: Floats, performance_half: Floats
) -> npt.NDArray[np.int64]:
    """Place each point by its distances to the cuts and how far their intervals reach."""
    place = 2 * (importance > 0.0) + (performance > 0.0)
    crossing = np.abs(importance) <= importance_half
    crossing |= np.abs(performance) <= performance_half
    place[crossing] = 4
    return place
