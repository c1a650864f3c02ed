"""Least squares from sums of products, solved in whole numbers."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from flint import fmpz_mat
from scipy.special import fdtrc, stdtr

from cxstream.analytics.checks import Counts
from cxstream.analytics.columns import Column, Columns, listed
from cxstream.analytics.intervals import Interval, as_columns, check_confidence, t_quantile
from cxstream.analytics.parallel import side_by_side
from cxstream.kernels.least_squares import least_squares
from cxstream.pool import Pool

Floats = npt.NDArray[np.float64]

Status = Literal[
    "ok", "too_few_rows", "collinear", "constant_outcome", "too_few_clusters", "saturated"
]
Errors = Literal["classical", "HC0", "HC1", "HC2", "HC3", "cluster", "design"]


# Made by the ten thousand; frozen, to make one takes six times as long.
@dataclass(slots=True)
class Term:
    """One coefficient.

    Attributes
    ----------
    term : str
        Name of the driver, or ``const``.
    coefficient : float
        Change of the outcome per unit of the driver, on their own scales.
    se : float
        Standard error; which, the fit says.
    t, p : float or None
        coefficient / se and its two-sided p-value; None when se is 0.
    interval : Interval
        Student-t interval with df_resid degrees of freedom; with errors by cluster with one less
        than there are clusters; ``satterthwaite`` and ``bell_mccaffrey`` with those of the
        coefficient's own variance.
    beta : float or None
        Standardised coefficient b s_x / s_y; None for ``const`` and without an intercept.
    vif : float or None
        Variance inflation factor, the diagonal of the inverse correlation matrix of the drivers;
        None for ``const`` and without an intercept.
    df : float
        Degrees of freedom of the interval and of p.
    """

    term: str
    coefficient: float
    se: float
    t: float | None
    p: float | None
    interval: Interval
    beta: float | None
    vif: float | None
    df: float


@dataclass(frozen=True, slots=True)
class Regression:
    """Least-squares fit of one group.

    Attributes
    ----------
    status : {"ok", "too_few_rows", "collinear", "constant_outcome", "too_few_clusters", "saturated"}
        Whether there is a fit, or why not.
    message : str
        The reason in words, naming the columns; empty when ok.
    n : int
        Complete cases.
    terms : tuple of Term
        ``const`` first if there is an intercept, then the drivers in their order; empty unless
        ok.
    r2, adj_r2 : float or None
        About the mean with an intercept, about zero without.
    sigma : float or None
        Residual standard deviation, sqrt(rss / df_resid).
    f, f_p : float or None
        F statistic of all drivers together, and its p-value; None when rss is 0. With other than
        classical errors Wald's, None where their covariance is singular.
    df_model, df_resid : int or None
        Degrees of freedom.
    rss : float or None
        Residual sum of squares, weighted where responses are.
    errors : {"classical", "HC0", "HC1", "HC2", "HC3", "cluster", "design"}
        Which standard errors: HC2 and HC3 are of `cxstream.analytics.leverage_errors`, all others but the
        first of `cxstream.analytics.robust`.
    clusters : int or None
        How many, with errors by cluster.
    """

    FORMULAS: ClassVar = ("regression",)

    status: Status
    message: str
    n: int
    terms: tuple[Term, ...]
    r2: float | None
    adj_r2: float | None
    sigma: float | None
    f: float | None
    f_p: float | None
    df_model: int | None
    df_resid: int | None
    rss: float | None
    errors: Errors = "classical"
    clusters: int | None = None


def refused(status: Status, message: str, n: int) -> Regression:
    """Return the answer of a group without a fit."""
    return Regression(status, message, n, (), None, None, None, None, None, None, None, None)


def root(numerator: float, denominator: float) -> float:
    """Square root of a quotient of whole numbers of any size, or floats, neither below 0."""
    return math.sqrt(numerator / denominator)


@dataclass(frozen=True, slots=True)
class Fits:
    """Fits of many groups, a row of every array each.

    Attributes
    ----------
    terms : tuple of str
        ``const`` if there is an intercept, then the drivers.
    ok : bool array, shape (g,)
        Whether there is a fit; rows of groups without one are NaN.
    n, df_model, df_resid : int64 array, shape (g,)
    coefficient, se, t, p, lower, upper : float64 array, shape (g, terms)
        See `Term`. t and p are NaN where se is 0.
    beta, vif : float64 array, shape (g, drivers)
        NaN without an intercept.
    r2, adj_r2, sigma, f, f_p, rss : float64 array, shape (g,)
        See `Regression`. f and f_p are NaN where rss is 0.
    by_hand : dict of int to Regression
        The groups that were left to whole numbers, by their place: those without a fit, and those
        that are too close to it, or to rounding the other way.
    confidence : float
        Level of `lower` and `upper`.
    errors : {"classical", "HC0", "HC1", "design"}
        Which standard errors.
    method : {"student_t", "satterthwaite", "bell_mccaffrey"}
        Which degrees of freedom of `lower`, `upper` and `p`.
    df : float64 array, shape (g, terms), optional
        These degrees of freedom; `df_resid` if left out.
    """

    terms: tuple[str, ...]
    ok: npt.NDArray[np.bool_]
    n: npt.NDArray[np.int64]
    df_model: int
    df_resid: npt.NDArray[np.int64]
    coefficient: Floats
    se: Floats
    t: Floats
    p: Floats
    lower: Floats
    upper: Floats
    beta: Floats
    vif: Floats
    r2: Floats
    adj_r2: Floats
    sigma: Floats
    f: Floats
    f_p: Floats
    rss: Floats
    by_hand: Mapping[int, Regression]
    confidence: float
    errors: Errors = "classical"
    method: str = "student_t"
    df: Floats | None = None

    def columns(self) -> Columns:
        """Return the fits as columns of `Regression`."""
        groups, terms = self.coefficient.shape
        padding = np.full((groups, terms - self.df_model), np.nan)
        scaled = padding.shape[1] > 0
        df = self.df
        if df is None:
            df = np.repeat(self.df_resid[:, None].astype(np.float64), terms, axis=1)
        known = None if self.ok.all() else np.repeat(self.ok[:, None], terms, axis=1)
        of_terms: dict[str, Column] = {
            "term": self.terms,
            "coefficient": self.coefficient,
            "se": self.se,
            "t": self.t,
            "p": self.p,
            "interval": as_columns(self.lower, self.upper, known, self.method, self.confidence),
            "beta": np.hstack([padding, self.beta]) if scaled else None,
            "vif": np.hstack([padding, self.vif]) if scaled else None,
            "df": df,
        }
        status, message = ["ok"] * groups, [""] * groups
        for place, one in self.by_hand.items():
            status[place], message[place] = one.status, one.message
        fields: dict[str, Column] = {
            "status": status,
            "message": message,
            "n": self.n,
            "terms": Columns(Term, (groups, terms), of_terms, known),
            "r2": self.r2,
            "adj_r2": self.adj_r2,
            "sigma": self.sigma,
            "f": self.f,
            "f_p": self.f_p,
            "df_model": np.ma.array(np.full(groups, self.df_model), mask=~self.ok),
            "df_resid": np.ma.array(self.df_resid, mask=~self.ok),
            "rss": self.rss,
            "errors": self.errors,
            "clusters": None,
        }
        return Columns(Regression, (groups,), fields)

    def row(self, place: int) -> Regression:
        """Return the `Regression` of one group."""
        one = slice(place, place + 1)
        known = self.by_hand.get(place)
        arrays: dict[str, Any] = {
            name: value[one]
            for name in self.__slots__
            if isinstance(value := getattr(self, name), np.ndarray)
        }
        by_hand = {} if known is None else {0: known}
        return replace(self, **arrays, by_hand=by_hand).rows()[0]

    def rows(self) -> list[Regression]:
        """Return a `Regression` for every group."""
        return self.columns().rows()


def fit_arrays(
    sums: npt.ArrayLike,
    *,
    origins: Sequence[Fraction | int],
    steps: Sequence[Fraction | int],
    names: Sequence[str],
    outcome: int,
    drivers: Sequence[int],
    intercept: bool = True,
    responses: npt.ArrayLike | None = None,
    weight_step: Fraction | int = 1,
    confidence: float = 0.95,
    tested: bool = True,
    pool: Pool | None = None,
) -> Fits:
    """Least squares, for every group.

    ``b = (X'X)^-1 X'y``. With an intercept the system is the centred one, ``n S_xy - S_x S_y``,
    in codes; without, the raw moments in units of the step. Both are whole numbers, the
    elimination is fraction-free, and every result is a quotient of whole numbers (or the square
    root of one) that is rounded once. So no digit is lost to conditioning, and exact collinearity
    is recognised for what it is.

    Where 31 digits prove what that rounding is, they are enough: groups go through
    `cxstream.kernels.least_squares`, and only those it does not settle through whole numbers. The
    result is the same to the last bit, and which way a group goes depends on its sums alone.

    Parameters
    ----------
    sums : array_like of int, shape (g, (p+1)(p+2)/2)
        Upper triangle, row-major, of the sums of products of [1, c_1..c_p] over the complete
        cases: n, S_1..S_p, S_11, S_12, .., S_pp. int64, or object with Python integers. Weighted
        sums, of weights in whole steps, give weighted least squares.
    origins, steps : sequence of Fraction, length p
        A value is ``origin + step * code``; the origin is a whole number of steps.
    names : sequence of str, length p
        Names of the columns.
    outcome : int
        Column of the outcome.
    drivers : sequence of int
        Columns of the drivers, each once, without the outcome.
    intercept : bool
        Fit a constant.
    responses : array_like of int, shape (g,), optional
        Complete cases, where the sums are weighted; None: sums[:, 0] are.
    weight_step : Fraction
        Size of one step of a weight; rss and sigma depend on it.
    confidence : float
        Level in (0, 1).
    tested : bool
        Find p, intervals and the p of F, which take as long as the rest. False: they are NaN, for who
        finds others, with other errors.
    pool : Pool, optional
        Whose threads take part where there are many groups; the result is the same.

    Returns
    -------
    Fits of Regression, one for each group
        ``too_few_rows`` when n is not above the number of coefficients (n = 0, 1 included), then
        ``constant_outcome``, then ``collinear``; all statistics None in those cases. A perfect
        fit is ``ok`` with rss 0, se 0, r2 1, and t, p and f None.

    Raises
    ------
    ValueError
        Arguments that do not fit together, an origin that is not a multiple of its step, or a
        level outside (0, 1).

    References
    ----------
    Checked against https://www.itl.nist.gov/div898/strd/lls/lls.shtml
    """
    return _finished(
        *_solved(
            sums, origins, steps, names, outcome, drivers, intercept, responses, weight_step,
            confidence, pool,
        ),
        confidence,
        pool,
        tested=tested,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Estimates:
    """What `Fits` says without intervals and tests, which take as long as the rest of it.

    Attributes
    ----------
    terms, n, coefficient, se, r2
        See `Fits`.
    """

    terms: tuple[str, ...]
    n: npt.NDArray[np.int64]
    coefficient: Floats
    se: Floats
    r2: Floats


def estimate_arrays(
    sums: npt.ArrayLike,
    *,
    origins: Sequence[Fraction | int],
    steps: Sequence[Fraction | int],
    names: Sequence[str],
    outcome: int,
    drivers: Sequence[int],
    intercept: bool = True,
    pool: Pool | None = None,
) -> Estimates:
    """As `fit_arrays`, of groups whose responses are not weighted, without intervals and tests."""
    n, system, found, by_hand = _solved(
        sums, origins, steps, names, outcome, drivers, intercept, None, 1, 0.95, pool
    )
    coefficient, variance, _, _, whole = found
    se, r2 = np.sqrt(variance), whole[:, 0]
    for place, one in by_hand.items():
        if one.status == "ok":
            coefficient[place] = [term.coefficient for term in one.terms]
            se[place] = [term.se for term in one.terms]
            r2[place] = one.r2
    return Estimates(system.terms, n, coefficient, se, r2)


def _solved(
    sums: npt.ArrayLike,
    origins: Sequence[Fraction | int],
    steps: Sequence[Fraction | int],
    names: Sequence[str],
    outcome: int,
    drivers: Sequence[int],
    intercept: bool,
    responses: npt.ArrayLike | None,
    weight_step: Fraction | int,
    confidence: float,
    pool: Pool | None,
) -> tuple[Counts, "_System", "_Found", dict[int, Regression]]:
    """Return responses, what is fitted, what 31 digits settle of it, and what they do not."""
    check_confidence(confidence)
    system = _system_of(
        tuple(origins),
        tuple(steps),
        tuple(names),
        (*drivers, outcome),
        weight_step,
        intercept=intercept,
    )
    p = len(names)
    table: npt.NDArray[Any] = np.asarray(sums)
    if table.dtype.kind not in "iuO":
        raise ValueError(f"sums must hold integers, not {table.dtype}")
    if table.dtype.kind == "u":
        table = table.astype(object)
    width = (p + 1) * (p + 2) // 2
    if table.ndim != 2 or table.shape[1] != width:
        raise ValueError(f"sums must have shape (groups, {width}) for {p} columns")
    counts = table[:, 0] if responses is None else np.asarray(responses)
    if counts.shape != table.shape[:1]:
        raise ValueError(f"responses must have shape ({len(table)},)")
    counts = np.ascontiguousarray(counts, dtype=np.int64)
    settled, found = _settle(table, counts, system, pool)
    by_hand = {
        place: system.by_hand(int(counts[place]), table[place].tolist(), confidence)
        for place, done in enumerate(settled.tolist())
        if not done
    }
    return counts, system, found, by_hand


#: As `fit_arrays`, as a list.
fit = listed(fit_arrays, Regression)


@dataclass(frozen=True, slots=True)
class _System:
    """What is fitted, the same for all groups.

    Attributes
    ----------
    p : int
        Columns of the sums.
    chosen : tuple of int
        The drivers' columns, then the outcome's.
    shift, scale : list
        Of each of these: a value is ``scale (shift + code)``.
    label : list of str
        Their names.
    weight_step, intercept
        See `fit`.
    places : int array
        Where their sums stand in a row of sums: n, first moments, products, upper triangle.
    shifts, ratios : int and float array, or None
        As `cxstream.kernels.least_squares` takes shifts and steps, where it can.
    """

    p: int
    chosen: tuple[int, ...]
    shift: list[int]
    scale: list[Fraction]
    weight_step: Fraction
    label: list[str]
    intercept: bool
    places: npt.NDArray[np.int64]
    shifts: npt.NDArray[np.int64] | None
    ratios: Floats | None

    @property
    def terms(self) -> tuple[str, ...]:
        return (*(["const"] if self.intercept else []), *self.label[:-1])

    def by_hand(self, count: int, row: list[int], confidence: float) -> Regression:
        """Fit one group in whole numbers."""
        solver = _centred if self.intercept else _through_origin
        return solver(
            count,
            int(row[0]),
            [int(row[1 + j]) for j in self.chosen],
            [[int(row[position(i, j, self.p)]) for j in self.chosen] for i in self.chosen],
            self.shift,
            self.scale,
            self.weight_step,
            self.label,
            confidence,
        )


@functools.lru_cache(maxsize=256)
def _system_of(
    origins: tuple[Fraction | int, ...],
    steps: tuple[Fraction | int, ...],
    names: tuple[str, ...],
    chosen: tuple[int, ...],
    weight_step: Fraction | int,
    *,
    intercept: bool,
) -> _System:
    """Check what is to be fitted: the same is asked again and again."""
    p = len(names)
    if not len(origins) == len(steps) == p:
        raise ValueError("origins, steps and names must have the same length")
    if len(chosen) < 2:
        raise ValueError("a regression needs at least one driver")
    if len(set(chosen)) < len(chosen):
        raise ValueError("outcome and drivers must be different columns")
    if not all(0 <= j < p for j in chosen):
        raise ValueError(f"outcome and drivers must be columns 0..{p - 1}")
    scale, shift = units(origins, steps, names, chosen)
    places = [0, *(1 + j for j in chosen)]
    places += [position(i, j, p) for at, i in enumerate(chosen) for j in chosen[at:]]
    parts = [*(scale[-1] / one for one in scale[:-1]), scale[-1], Fraction(weight_step)]
    pairs = [(one.numerator, one.denominator) for one in parts]
    small = max(abs(number) for pair in [*pairs, shift] for number in pair) <= _STEP_MAX
    return _System(
        p=p,
        chosen=chosen,
        shift=shift,
        scale=scale,
        weight_step=Fraction(weight_step),
        label=[names[j] for j in chosen],
        intercept=intercept,
        places=np.array(places, dtype=np.int64),
        shifts=np.array(shift, dtype=np.int64) if small else None,
        ratios=np.array(pairs, dtype=np.float64) if small else None,
    )


#: Whole numbers up to it are float64, and their products exact double-doubles.
_EXACT_MAX = 2.0**53
#: Numerators and denominators of steps whose squares are.
_STEP_MAX = 2**26

#: Groups looked at together.
_CHUNK = 128

#: coefficient, squared se, squared beta, vif, whole: see `least_squares`.
_Found = tuple[Floats, Floats, Floats, Floats, Floats]


def _settle(
    table: npt.NDArray[Any], cases: Counts, system: _System, pool: Pool | None
) -> tuple[npt.NDArray[np.bool_], _Found]:
    """Return which groups 31 digits settle, and their statistics."""
    groups, m = len(table), len(system.chosen)
    terms, drivers = len(system.terms), m - 1
    widths = (terms, terms, drivers, drivers, 5)
    settled = np.zeros(groups, dtype=np.bool_)
    shifts, ratios = system.shifts, system.ratios
    needed = _narrow(table, system.places)
    if needed is None or shifts is None or ratios is None:
        return settled, _found(groups, widths)
    far = float(max(map(abs, system.shift)))
    # Where all together are small enough, each group is.
    top = max(float(needed.max(initial=0)), -float(needed.min(initial=0)))
    fits: npt.NDArray[np.bool_] | None = None
    if (1.0 + far) ** 2 * top >= _EXACT_MAX / 2:
        fits = _are_exact(needed, far, m)
    mine = _room(groups if fits is None else int(fits.sum()), widths)
    done = np.empty(len(mine[0]), dtype=np.bool_)
    if fits is not None:
        needed, cases = needed[fits], cases[fits]

    def solve(part: slice) -> None:
        out = (one[part] for one in (done, *mine))
        least_squares(needed[part], cases[part], shifts, ratios, system.intercept, *out)

    parts = [slice(at, at + _CHUNK) for at in range(0, len(done), _CHUNK)]
    side_by_side(solve, parts, pool)
    for one in mine if not done.all() else ():
        one[~done] = np.nan
    if fits is None:
        return done, mine
    found = _found(groups, widths)
    settled[fits] = done
    for whole, of in zip(found, mine, strict=True):
        whole[fits] = of
    return settled, found


def _are_exact(needed: Counts, far: float, m: int) -> npt.NDArray[np.bool_]:
    """Return the groups whose sums, with shifts added, are exact."""
    size = np.abs(needed.astype(np.float64))
    largest = (
        size[:, 1 + m :].max(axis=1, initial=0.0)
        + 2 * far * size[:, 1 : 1 + m].max(axis=1, initial=0.0)
        + far * max(far, 1.0) * size[:, 0]
    )
    exact: npt.NDArray[np.bool_] = np.maximum(largest, size.max(axis=1)) < _EXACT_MAX / 2
    return exact


def _room(groups: int, widths: Sequence[int]) -> Any:
    return tuple(np.empty((groups, width)) for width in widths)


def _found(groups: int, widths: Sequence[int]) -> Any:
    return tuple(np.full((groups, width), np.nan) for width in widths)


def _narrow(table: npt.NDArray[Any], places: npt.NDArray[np.int64]) -> Counts | None:
    """Return some columns in 64 bits, None where they do not fit."""
    try:
        return np.ascontiguousarray(table[:, places], dtype=np.int64)
    except OverflowError:
        return None


def _finished(
    n: npt.NDArray[np.int64],
    system: _System,
    found: _Found,
    by_hand: Mapping[int, Regression],
    confidence: float,
    pool: Pool | None,
    *,
    tested: bool,
) -> Fits:
    """Add what follows from coefficients and standard errors."""
    coefficient, variance, beta_squared, vif, whole = found
    drivers = len(system.chosen) - 1
    constant = int(system.intercept)
    df = n - drivers - constant
    free = np.maximum(df, 1)[:, None]
    se, sigma = np.sqrt(variance), np.sqrt(whole[:, 2])
    t = coefficient / se
    half, p, f_p = np.full_like(se, np.nan), np.full_like(se, np.nan), np.full_like(sigma, np.nan)

    def test(part: slice) -> None:
        np.multiply(t_quantile(free[part], confidence), se[part], out=half[part])
        np.multiply(2.0, stdtr(free[part], -np.abs(t[part])), out=p[part])
        fdtrc(drivers, free[part, 0], whole[part, 3], out=f_p[part])

    parts = [slice(at, at + _CHUNK) for at in range(0, len(n) if tested else 0, _CHUNK)]
    side_by_side(test, parts, pool)
    fits = Fits(
        terms=system.terms,
        ok=np.isfinite(whole[:, 0]),
        n=n,
        df_model=drivers,
        df_resid=df,
        coefficient=coefficient,
        se=se,
        t=t,
        p=p,
        lower=coefficient - half,
        upper=coefficient + half,
        beta=np.copysign(np.sqrt(beta_squared), coefficient[:, constant:])
        if constant
        else np.full_like(beta_squared, np.nan),
        vif=vif if constant else np.full_like(vif, np.nan),
        r2=whole[:, 0],
        adj_r2=whole[:, 1],
        sigma=sigma,
        f=whole[:, 3],
        f_p=f_p,
        rss=whole[:, 4],
        by_hand=by_hand,
        confidence=confidence,
    )
    for place, one in by_hand.items():
        if one.status == "ok":
            write(fits, place, one)
    return fits


def write(fits: Fits, place: int, one: Regression) -> None:
    """Write a group that was fitted in whole numbers."""

    def known(value: float | None) -> float:
        return math.nan if value is None else value

    fits.ok[place] = True
    for name in ("r2", "adj_r2", "sigma", "f", "f_p", "rss"):
        getattr(fits, name)[place] = known(getattr(one, name))
    for name in ("coefficient", "se", "t", "p"):
        getattr(fits, name)[place] = [known(getattr(term, name)) for term in one.terms]
    fits.lower[place] = [term.interval.lower for term in one.terms]
    fits.upper[place] = [term.interval.upper for term in one.terms]
    if fits.df is not None:
        fits.df[place] = [term.df for term in one.terms]
    drivers = one.terms[-fits.df_model :]
    fits.beta[place] = [known(term.beta) for term in drivers]
    fits.vif[place] = [known(term.vif) for term in drivers]


def units(
    origins: Sequence[Fraction | int],
    steps: Sequence[Fraction | int],
    names: Sequence[str],
    chosen: Sequence[int],
) -> tuple[list[Fraction], list[int]]:
    """Return the steps of the chosen columns, and their origins in steps.

    Raises
    ------
    ValueError
        A step of 0, or an origin that is not a whole number of steps.
    """
    scale = [Fraction(steps[j]) for j in chosen]
    shift: list[int] = []
    for j, step in zip(chosen, scale, strict=True):
        if step == 0:
            raise ValueError(f"the step of {names[j]!r} must not be 0")
        count = Fraction(origins[j]) / step
        if count.denominator != 1:
            raise ValueError(
                f"the origin {origins[j]} of {names[j]!r} must be a whole number of steps {step}"
            )
        shift.append(count.numerator)
    return scale, shift


def position(i: int, j: int, p: int) -> int:
    """Place of S_ij in the upper triangle of [1, c_0..c_{p-1}], row-major."""
    a, b = sorted((i, j))
    a, b = a + 1, b + 1
    return a * (p + 1) - a * (a - 1) // 2 + (b - a)


def eliminate(gram: list[list[int]]) -> tuple[list[list[int]], int] | None:
    """Inverse of a whole-number matrix as (numerators, common denominator); None if singular."""
    k = len(gram)
    wide = fmpz_mat([[*row, *(int(i == j) for j in range(k))] for i, row in enumerate(gram)])
    reduced, denominator, _ = wide.rref()
    table = [[int(v) for v in row] for row in reduced.tolist()]
    scale = int(denominator)
    if any(table[i][i] != scale for i in range(k)):
        return None
    return [row[k:] for row in table], scale


def dependency(
    row: Sequence[int], columns: int, chosen: Sequence[int], label: Sequence[str]
) -> str:
    """Say in words which of some columns do not vary or depend on others; "" where none does.

    Parameters
    ----------
    row : sequence of int
        Upper triangle of the sums of products of [1, x_1..x_columns].
    columns : int
        How many there are.
    chosen : sequence of int
        Which are looked at.
    label : sequence of str
        What to call those.
    """
    first = [int(row[1 + j]) for j in chosen]
    cross = [[int(row[position(i, j, columns)]) for j in chosen] for i in chosen]
    gram = [
        [int(row[0]) * product - a * b for product, b in zip(line, first, strict=True)]
        for line, a in zip(cross, first, strict=True)
    ]
    return _dependency(gram, label) if eliminate(gram) is None else ""


def _dependency(gram: list[list[int]], label: Sequence[str]) -> str:
    """Say in words which columns of a singular Gram matrix depend on which."""
    constant = [name for i, name in enumerate(label) if gram[i][i] == 0]
    kept = [i for i in range(len(label)) if gram[i][i] != 0]
    said = []
    if constant:
        said.append(f"no variation in {', '.join(constant)}")
    if kept:
        reduced, _, rank = fmpz_mat([[gram[i][j] for j in kept] for i in kept]).rref()
        table = [[int(v) for v in row] for row in reduced.tolist()[:rank]]
        pivots = [next(j for j, v in enumerate(row) if v) for row in table]
        for j, column in enumerate(kept):
            if j not in pivots:
                others = [label[kept[at]] for at, row in zip(pivots, table, strict=True) if row[j]]
                said.append(f"exact linear dependency among {', '.join([*others, label[column]])}")
    return "; ".join(said)


@dataclass(frozen=True, slots=True)
class _Solution:
    """Coefficients and their covariance factors in code units, as quotients of whole numbers.

    b_i = top[i] / bottom, the i-th diagonal of the inverse Gram matrix is diagonal[i] / bottom,
    and rss = residual / (unit * bottom) in squared steps of the outcome, where the Gram matrix is
    `unit` times the matrix of sums.
    """

    top: list[int]
    inverse: list[list[int]]
    bottom: int
    residual: int
    total: int
    unit: int


def _solve(gram: list[list[int]], moment: list[int], total: int, unit: int) -> _Solution | None:
    found = eliminate(gram)
    if found is None:
        return None
    inverse, bottom = found
    top = [sum(v * m for v, m in zip(row, moment, strict=True)) for row in inverse]
    if bottom < 0:
        bottom, top = -bottom, [-v for v in top]
        inverse = [[-v for v in row] for row in inverse]
    explained = sum(b * m for b, m in zip(top, moment, strict=True))
    return _Solution(top, inverse, bottom, total * bottom - explained, total, unit)


def _term(
    name: str,
    coefficient: float,
    se: float,
    df: int,
    t: float,
    confidence: float,
    beta: float | None,
    vif: float | None,
) -> Term:
    """Finish one term; `t` here is the quantile of the interval."""
    ratio = coefficient / se if se > 0.0 else None
    p = None if ratio is None else 2.0 * float(stdtr(df, -abs(ratio)))
    interval = Interval(coefficient - t * se, coefficient + t * se, "student_t", confidence)
    return Term(name, coefficient, se, ratio, p, interval, beta, vif, float(df))


def _finish(
    n: int,
    df_model: int,
    df_resid: int,
    intercept: int,
    terms: list[Term],
    step: Fraction,
    weight_step: Fraction,
    found: _Solution,
) -> Regression:
    """Statistics of the whole fit; `step` is the step of the outcome."""
    unit = step * step * weight_step
    a, b = unit.numerator, unit.denominator
    rss_top, rss_bottom = found.residual * a, found.unit * found.bottom * b
    whole = found.total * found.bottom
    explained = whole - found.residual
    f = f_p = None
    if found.residual:
        f = (explained * df_resid) / (found.residual * df_model)
        f_p = float(fdtrc(df_model, df_resid, f))
    return Regression(
        "ok",
        "",
        n,
        tuple(terms),
        explained / whole,
        (whole * df_resid - found.residual * (n - intercept)) / (whole * df_resid),
        root(rss_top, rss_bottom * df_resid),
        f,
        f_p,
        df_model,
        df_resid,
        rss_top / rss_bottom,
    )


def _centred(
    count: int,
    n: int,
    first: list[int],
    cross: list[list[int]],
    shift: list[int],
    scale: list[Fraction],
    weight_step: Fraction,
    label: list[str],
    confidence: float,
) -> Regression:
    """Fit with an intercept; the last column is the outcome, n the sum of weights."""
    k = len(first) - 1
    df = count - k - 1
    if df < 1:
        return refused("too_few_rows", f"{count} complete rows for {k + 1} coefficients", count)
    spread = [[n * cross[i][j] - first[i] * first[j] for j in range(k + 1)] for i in range(k + 1)]
    if spread[k][k] == 0:
        return refused("constant_outcome", f"no variation in the outcome {label[k]}", count)
    gram = [row[:k] for row in spread[:k]]
    found = _solve(gram, [spread[i][k] for i in range(k)], spread[k][k], n)
    if found is None:
        return refused("collinear", _dependency(gram, label[:k]), count)
    t = float(t_quantile(df, confidence))
    d = found.bottom
    # residual variance in squared steps of the outcome: residual / (n d df)
    step_y = scale[k]
    centre = [first[i] + n * shift[i] for i in range(k + 1)]
    # const = y step (mean of y in steps - sum b_j mean of x_j in steps); everything over n d
    level = centre[k] * d - sum(b * c for b, c in zip(found.top, centre[:k], strict=True))
    # var(const) = variance * (1/n + mean' (gram / n)^-1 mean), mean = centre / n
    quadratic = sum(
        centre[i] * sum(v * c for v, c in zip(found.inverse[i], centre[:k], strict=True))
        for i in range(k)
    )
    sy, ty = step_y.numerator, step_y.denominator
    terms = [
        _term(
            "const",
            level * sy / (n * d * ty),
            root(
                found.residual * (d + quadratic) * sy * sy,
                n * d * df * n * d * ty * ty,
            ),
            df,
            t,
            confidence,
            None,
            None,
        )
    ]
    for i in range(k):
        unit = step_y / scale[i]
        u, v = unit.numerator, unit.denominator
        diagonal = found.inverse[i][i]
        beta = root(found.top[i] ** 2 * gram[i][i], d * d * found.total)
        terms.append(
            _term(
                label[i],
                found.top[i] * u / (d * v),
                # var = residual / (n d df) * n * diagonal / d
                root(found.residual * diagonal * u * u, d * df * d * v * v),
                df,
                t,
                confidence,
                -beta if found.top[i] < 0 else beta,
                gram[i][i] * diagonal / d,
            )
        )
    return _finish(count, k, df, 1, terms, step_y, weight_step, found)


def _through_origin(
    count: int,
    n: int,
    first: list[int],
    cross: list[list[int]],
    shift: list[int],
    scale: list[Fraction],
    weight_step: Fraction,
    label: list[str],
    confidence: float,
) -> Regression:
    """Fit without an intercept; the last column is the outcome, n the sum of weights."""
    k = len(first) - 1
    df = count - k
    if df < 1:
        return refused("too_few_rows", f"{count} complete rows for {k} coefficients", count)
    raw = [
        [
            cross[i][j] + shift[i] * first[j] + shift[j] * first[i] + n * shift[i] * shift[j]
            for j in range(k + 1)
        ]
        for i in range(k + 1)
    ]
    if raw[k][k] == 0:
        return refused("constant_outcome", f"the outcome {label[k]} is 0 throughout", count)
    gram = [row[:k] for row in raw[:k]]
    found = _solve(gram, [raw[i][k] for i in range(k)], raw[k][k], 1)
    if found is None:
        return refused("collinear", _dependency(gram, label[:k]), count)
    t = float(t_quantile(df, confidence))
    d = found.bottom
    terms = []
    for i in range(k):
        unit = scale[k] / scale[i]
        u, v = unit.numerator, unit.denominator
        se = root(found.residual * found.inverse[i][i] * u * u, d * df * d * v * v)
        terms.append(_term(label[i], found.top[i] * u / (d * v), se, df, t, confidence, None, None))
    return _finish(count, k, df, 0, terms, scale[k], weight_step, found)
