"""Standard errors of least squares that do not take the residuals to be alike and independent."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from operator import truediv
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from flint import fmpz_mat
from scipy.special import fdtrc, stdtr

from cxstream.analytics import regression
from cxstream.analytics.checks import Floats, divide
from cxstream.analytics.columns import listed
from cxstream.analytics.intervals import Interval, t_quantile
from cxstream.analytics.leverage import adjusted
from cxstream.analytics.moments import (
    central_order,
    fours,
    fourth_width,
    second_order,
    second_width,
    table_of,
)
from cxstream.analytics.parallel import parts_of, side_by_side
from cxstream.analytics.raking import RakedClusters, RakedProducts
from cxstream.analytics.regression import Errors, Fits, Regression, Term, position, root, units
from cxstream.analytics.satterthwaite import degrees_of_freedom, exact_degrees_of_freedom
from cxstream.kernels.sandwich import sandwich
from cxstream.pool import Pool

Kind = Literal["HC0", "HC1", "design"]
Reference = Literal["student_t", "satterthwaite", "bell_mccaffrey"]

KINDS: Final[tuple[Kind, ...]] = ("HC0", "HC1", "design")
REFERENCES: Final[tuple[Reference, ...]] = ("student_t", "satterthwaite", "bell_mccaffrey")

# What rounding may have done to a variance at most, as a share of it. The bound is far above what
# it does: variances so found are within 1e-13 of the exact ones (tests/analytics/test_robust.py).
_ROUNDING_MAX: Final = 1e-11
# Fourth-order moments looked at together: what the cache holds.
_CHUNK: Final = 90_000
# Smallest eigenvalue of the coefficients' correlations that a Wald test is made with.
_SINGULAR: Final = 1e-10

_Whole = list[list[int]]


def heteroscedastic_arrays(
    sums: npt.ArrayLike,
    fourth: npt.ArrayLike,
    *,
    kind: Kind,
    interval: Reference = "student_t",
    origins: Sequence[Fraction | int],
    steps: Sequence[Fraction | int],
    names: Sequence[str],
    outcome: int,
    drivers: Sequence[int],
    intercept: bool = True,
    responses: npt.ArrayLike | None = None,
    weight_step: Fraction | int = 1,
    raked: RakedProducts | None = None,
    confidence: float = 0.95,
    pool: Pool | None = None,
) -> Fits:
    """Least squares with errors that hold where residuals vary unequally, for every group.

    ``V = f A^-1 M A^-1`` with ``A = sum w x x'``, ``M = sum w^2 e^2 x x'`` and all w = 1 without
    survey weights. M is a sum of fourth-order moments, as e is linear in the row. The factor f is
    1 for ``HC0`` (White), n/(n-k) for ``HC1``, and n/(n-1) for ``design``: Taylor linearisation
    with replacement, which with weights are the errors of a survey of independent responses.

    V is computed from moments about the means (exact to there, then in float64) where a bound of
    what rounding may have done to a variance, `_ROUNDING_MAX`, holds; else, and without an
    intercept, in whole numbers that are rounded once. Which way a group goes depends on its sums
    alone.

    Intervals and p are of Student's t, with n - k degrees of freedom or with those that the variance
    of V itself amounts to (see `cxstream.analytics.satterthwaite`): where a few rows far from the
    others decide a coefficient these are a handful, whatever n is, and n - k makes intervals that
    are far too short. Such rows also fit their own errors, so that V is too small by itself: the interval
    and p of ``bell_mccaffrey`` take it larger by what it falls short of on average (never smaller than
    it is reported). A test of all slopes together takes the fewest degrees of freedom of theirs.

    Parameters
    ----------
    sums, origins, steps, names, outcome, drivers, intercept, responses, weight_step, confidence
        As in `cxstream.analytics.regression.fit`.
    fourth : array_like of int, shape (g, C(p+4, 4))
        Sums of products of four of [1, c_1..c_p], in the order of
        ``itertools.combinations_with_replacement(range(p + 1), 4)``; where responses are weighted,
        by the squared weights.
    kind : {"HC0", "HC1", "design"}
        Which factor.
    interval : {"student_t", "satterthwaite", "bell_mccaffrey"}
        Which degrees of freedom, and whether the error is enlarged.
    raked : RakedProducts, optional
        The same sums by cell, where weights were fitted to margins: the variance then is that of the
        residuals of the linearised values on the margins.
    pool : Pool, optional
        Whose threads take part where there are many groups; the result is the same.

    Returns
    -------
    Fits of Regression, one for each group
        As of `fit`, but for se, t, p, interval, f and f_p.

    Raises
    ------
    ValueError
        Arguments that do not fit together.

    References
    ----------
    White, H. (1980), Econometrica 48, 817-838, https://doi.org/10.2307/1912934; MacKinnon, J. and
    White, H. (1985), https://doi.org/10.1016/0304-4076(85)90158-7; Binder, D. (1983),
    International Statistical Review 51, 279-292, https://doi.org/10.2307/1402588
    """
    if kind not in KINDS:
        raise ValueError(f"errors {kind!r} are not known: use one of {', '.join(KINDS)}")
    if interval not in REFERENCES:
        raise ValueError(f"no interval {interval!r}: use one of {', '.join(REFERENCES)}")
    own_df, enlarged = interval != "student_t", interval == "bell_mccaffrey"
    p, chosen = len(names), (*drivers, outcome)
    fits = regression.fit_arrays(
        sums,
        origins=origins,
        steps=steps,
        names=names,
        outcome=outcome,
        drivers=drivers,
        intercept=intercept,
        responses=responses,
        weight_step=weight_step,
        confidence=confidence,
        tested=False,
        pool=pool,
    )
    table = table_of(sums, "sums", second_width(p))
    moments = table_of(fourth, "fourth", fourth_width(p))
    if len(moments) != len(table):
        raise ValueError("sums and fourth must have the same groups")
    design = _Design.of(origins, steps, names, chosen, intercept=intercept)
    how = fours(p, chosen)
    k = len(design.rows)

    def exactly(g: int, fit: Regression) -> Regression:
        if fit.status != "ok":
            return replace(fit, errors=kind)
        solved = _solve(design, _gram(table[g].tolist(), p, chosen))
        pairs = moments[g][how.sums][how.places].tolist()
        meat = _meat(design, solved.residual, pairs)
        factor = Fraction(fit.n, fit.n - _spared(kind, k))
        covariance = _covariance(design, solved, meat, factor)
        df, reach = [float(fit.n - k)] * k, [1.0] * k
        if own_df:
            df, shortfall = _exact_df(design, solved, pairs, fit.n - k)
            if enlarged:
                reach = [max(one / float(factor), 1.0) ** 0.5 for one in shortfall]
        if raked is not None:
            less = raked.correction(g, _linear_forms(design, solved), chosen)
            covariance = _fitted(covariance, less * float(factor))
            left = raked.calibration.freedom
            df = [max(one * left, 1.0) for one in df]
            reach = [one / left**0.5 for one in reach]
        return dress(fit, covariance, kind, df, None, confidence, interval, reach)

    # Of coefficients of codes, and of the means where all values are 0.
    scale = np.array([float(one) for one in design.scale])
    shift = np.array([one[0] for one in design.rows[1:]], dtype=np.float64)
    errors = ("se", "t", "p", "lower", "upper", "f", "f_p")
    unknown = {name: np.full_like(getattr(fits, name), np.nan) for name in errors}
    free = np.full_like(fits.se, np.nan)
    made = replace(fits, **unknown, by_hand={}, errors=kind, method=interval, df=free)

    def by_moments(part: slice) -> list[int]:
        second = second_order(table[part], p, chosen)
        central = central_order(moments[part], second, how)
        mean, coefficient = second.mean[:, :-1] + shift, fits.coefficient[part]
        variance, wald = np.empty(coefficient.shape), np.empty(len(coefficient))
        sure = np.empty(len(coefficient), dtype=np.bool_)
        sandwich(
            central,
            how.places,
            second.product,
            second.total,
            mean,
            coefficient[:, 1:] / scale[1:],
            _ROUNDING_MAX,
            _SINGULAR,
            variance,
            wald,
            sure,
        )
        variance[~sure] = wald[~sure] = np.nan
        n = fits.n[part]
        factor = divide(n, n - _spared(kind, k))
        df = np.repeat(np.maximum(fits.df_resid[part], 1.0)[:, None], k, axis=1)
        reach: Floats = np.ones_like(df)
        if own_df:
            own, shortfall = degrees_of_freedom(second, mean, central, how)
            df = np.minimum(own, df)
            if enlarged:
                reach = np.sqrt(np.maximum(divide(shortfall, factor[:, None]), 1.0))
        se = np.sqrt(variance * scale**2 * factor[:, None])
        t = coefficient / se
        half = t_quantile(df, confidence) * se * reach
        f = wald / (factor * (k - 1))
        made.se[part], made.t[part], free[part] = se, t, df
        made.p[part] = 2.0 * stdtr(df, -np.abs(t) / reach)
        made.lower[part], made.upper[part] = coefficient - half, coefficient + half
        made.f[part], made.f_p[part] = f, fdtrc(k - 1, df[:, 1:].min(axis=1), f)
        unsure: list[int] = (part.start + np.flatnonzero(~sure)).tolist()
        return unsure

    slow: Iterable[int] = range(len(table))
    if intercept and raked is None:
        parts = parts_of(len(table), _CHUNK // len(how.sums))
        slow = chain.from_iterable(side_by_side(by_moments, parts, pool))
    known = dict(fits.by_hand)
    by_hand = {g: exactly(g, known.get(g) or fits.row(g)) for g in sorted({*known, *slow})}
    made = replace(made, by_hand=by_hand)
    for g, one in by_hand.items():
        if one.status == "ok":
            regression.write(made, g, one)
    return made


#: As `heteroscedastic_arrays`, as a list.
heteroscedastic = listed(heteroscedastic_arrays, Regression)


def _spared(kind: Kind, k: int) -> int:
    """Return what is taken off n in the factor n / (n - this)."""
    return {"HC0": 0, "HC1": k, "design": 1}[kind]


def clustered(
    sums: npt.ArrayLike,
    group: npt.ArrayLike,
    *,
    groups: int,
    interval: Reference = "student_t",
    origins: Sequence[Fraction | int],
    steps: Sequence[Fraction | int],
    names: Sequence[str],
    outcome: int,
    drivers: Sequence[int],
    intercept: bool = True,
    responses: npt.ArrayLike | None = None,
    weight_step: Fraction | int = 1,
    raked: RakedClusters | None = None,
    confidence: float = 0.95,
) -> list[Regression]:
    """Least squares with errors that hold where residuals go together within clusters.

    ``V = G/(G-1) (n-1)/(n-k) A^-1 (sum_c s_c s_c') A^-1`` over G clusters, with each cluster's
    score ``s_c = X_c'y - X_c'X_c b``: sums per cluster suffice. The factor is that of statsmodels
    and Stata. Where responses are weighted, sums are with weights and the factor is G/(G-1): Taylor
    linearisation, of a survey that drew whole clusters, with replacement. Where weights were fitted to
    margins, residuals of the linearised values on the margins take the place of these, of all
    responses of a cluster.

    Intervals and p are of Student's t with G - 1 degrees of freedom, or with those of the variance
    itself (``satterthwaite``); ``bell_mccaffrey`` also takes an error as many times as large as Bell and
    McCaffrey's is (never smaller than it is reported; see `cxstream.analytics.leverage`). With few
    clusters, of unequal size or of which some lie far from the others, the error is too small by
    itself, and G - 1 too many.

    Parameters
    ----------
    sums : array_like of int, shape (r, (p+1)(p+2)/2)
        As in `cxstream.analytics.regression.fit`, one row for each cluster of each group; clusters
        without a complete case do not count.
    group : array_like of int, shape (r,)
        The group, 0..groups-1, of each row.
    groups : int
        How many.
    interval : {"student_t", "satterthwaite", "bell_mccaffrey"}
        Which degrees of freedom, and whether the error is enlarged.
    origins, steps, names, outcome, drivers, intercept, weight_step, confidence
        As in `fit`.
    responses : array_like of int, shape (r,), optional
        Complete cases of each row, where the sums are weighted; None: sums[:, 0] are.
    raked : RakedClusters, optional
        The same rows by cell, where weights were fitted to margins.

    Returns
    -------
    list of Regression, length groups
        As of `fit`, but for se, t, p, interval, f and f_p; ``too_few_clusters`` with fewer than 2.

    Raises
    ------
    ValueError
        Arguments that do not fit together.

    References
    ----------
    Liang, K.-Y. and Zeger, S. (1986), Biometrika 73, 13-22,
    https://doi.org/10.1093/biomet/73.1.13; Bell, R. and McCaffrey, D. (2002), Survey Methodology 28(2),
    169-181; Binder, D. (1983), International Statistical Review 51,
    279-292, https://doi.org/10.2307/1402588; Cameron, A. and Miller, D. (2015), Journal of Human
    Resources 50, 317-372, https://doi.org/10.3368/jhr.50.2.317
    """
    if interval not in REFERENCES:
        raise ValueError(f"no interval {interval!r}: use one of {', '.join(REFERENCES)}")
    p, chosen = len(names), (*drivers, outcome)
    table = table_of(sums, "sums", second_width(p))
    owner = np.asarray(group, dtype=np.int64)
    if owner.shape != table.shape[:1]:
        raise ValueError("every row of sums must have its group")
    if len(owner) and not 0 <= int(owner.min()) <= int(owner.max()) < groups:
        raise ValueError(f"groups must be 0..{groups - 1}")
    # Rows that 64 bits hold may add up to more.
    most = int(np.abs(table).max(initial=0)) * len(table)
    total = np.zeros((groups, table.shape[1]), dtype=object if most >> 63 else table.dtype)
    np.add.at(total, owner, table)
    cases = np.asarray(table[:, 0] if responses is None else responses, dtype=np.int64)
    if cases.shape != owner.shape:
        raise ValueError("every row of sums must have its responses")
    n = np.zeros(groups, dtype=np.int64)
    np.add.at(n, owner, cases)
    fits = regression.fit(
        total,
        origins=origins,
        steps=steps,
        names=names,
        outcome=outcome,
        drivers=drivers,
        intercept=intercept,
        responses=n,
        weight_step=weight_step,
        confidence=confidence,
    )
    design = _Design.of(origins, steps, names, chosen, intercept=intercept)
    k = len(design.rows)
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(groups + 1)).tolist()
    answers = []
    for g, fit in enumerate(fits):
        mine = order[ends[g] : ends[g + 1]]
        mine = mine[cases[mine] > 0]
        count = len(mine)
        if fit.status != "ok":
            answers.append(replace(fit, errors="cluster", clusters=count))
            continue
        if count < 2:
            refused = regression.refused(
                "too_few_clusters", f"{count} cluster, and errors by cluster need 2", fit.n
            )
            answers.append(replace(refused, errors="cluster", clusters=count))
            continue
        solved = _solve(design, _gram(total[g].tolist(), p, chosen))
        grams = [_gram(row.tolist(), p, chosen) for row in table[mine]]
        scores = fmpz_mat([_score(design.rows, solved.residual, gram) for gram in grams])
        factor = Fraction(count, count - 1)
        if responses is None:
            factor *= Fraction(fit.n - 1, fit.n - k)
        if raked is None:
            covariance = _covariance(design, solved, scores.transpose() * scores, factor)
        else:
            forms = _linear_forms(design, solved)
            spread = raked.spread(mine, _totals(design, solved, scores), forms, chosen)
            covariance = as_covariance(float(factor) * spread)
        df, reach = [float(count - 1)] * k, [1.0] * k
        if interval != "student_t":
            whole = _gram(total[g].tolist(), p, chosen)
            shortfall, df = _cluster_df(design, solved, whole, grams, float(factor), intercept)
            if interval == "bell_mccaffrey":
                reach = shortfall
        answers.append(dress(fit, covariance, "cluster", df, count, confidence, interval, reach))
    return answers


@dataclass(frozen=True, slots=True)
class _Design:
    """Columns of the design and the outcome, in steps, as whole forms of [1, codes..]."""

    rows: _Whole
    outcome: list[int]
    scale: list[Fraction]

    @staticmethod
    def of(
        origins: Sequence[Fraction | int],
        steps: Sequence[Fraction | int],
        names: Sequence[str],
        chosen: tuple[int, ...],
        *,
        intercept: bool,
    ) -> "_Design":
        """Take the last of the chosen columns as the outcome."""
        scale, shift = units(origins, steps, names, chosen)
        width = 1 + len(chosen)
        forms = [
            [moved, *(int(at == place) for at in range(1, width))]
            for place, moved in enumerate(shift, start=1)
        ]
        constant = [[1, *([0] * (width - 1))]] if intercept else []
        # Of a coefficient: steps of the outcome for a step of its column.
        of_outcome = scale[-1]
        return _Design(
            [*constant, *forms[:-1]],
            forms[-1],
            [*([of_outcome] if intercept else []), *(of_outcome / one for one in scale[:-1])],
        )


@dataclass(frozen=True, slots=True)
class _Solved:
    """The inverse of A as numerators over a common denominator, and residuals times that."""

    inverse: _Whole
    bottom: int
    residual: list[int]


def _gram(row: Sequence[int], p: int, chosen: tuple[int, ...]) -> _Whole:
    """Products of [1, chosen codes] as a full matrix."""
    first = [int(row[0]), *(int(row[1 + j]) for j in chosen)]
    body = [[int(row[position(i, j, p)]) for j in chosen] for i in chosen]
    return [first, *([first[at], *line] for at, line in enumerate(body, start=1))]


def _solve(design: _Design, gram: _Whole) -> _Solved:
    forms, raw = fmpz_mat(design.rows), fmpz_mat(gram)
    system = forms * raw * forms.transpose()
    found = regression.eliminate([[int(v) for v in row] for row in system.tolist()])
    assert found is not None, "a fit that is ok has an inverse"
    inverse, bottom = found
    outcome = fmpz_mat([[v] for v in design.outcome])
    top = fmpz_mat(inverse) * (forms * raw * outcome)
    residual = bottom * outcome - forms.transpose() * top
    return _Solved(inverse, bottom, [int(row[0]) for row in residual.tolist()])


def _meat(design: _Design, residual: list[int], pairs: _Whole) -> fmpz_mat:
    """Sum of (residual times bottom)^2 x x', from sums of products of two pairs of columns."""
    width = len(residual)
    left, right = np.triu_indices(width)
    squares = [
        [residual[a] * residual[b] * (1 if a == b else 2)]
        for a, b in zip(left.tolist(), right.tolist(), strict=True)
    ]
    flat = [int(row[0]) for row in (fmpz_mat(pairs) * fmpz_mat(squares)).tolist()]
    full = [[0] * width for _ in range(width)]
    for a, b, value in zip(left.tolist(), right.tolist(), flat, strict=True):
        full[a][b] = full[b][a] = value
    forms = fmpz_mat(design.rows)
    return forms * fmpz_mat(full) * forms.transpose()


def _exact_df(
    design: _Design, solved: _Solved, pairs: _Whole, most: int
) -> tuple[list[float], list[float]]:
    """Satterthwaite's degrees of freedom of every coefficient's variance, and its shortfall."""
    forms = fmpz_mat(design.rows).transpose() * fmpz_mat(solved.inverse)
    columns = [[int(v) for v in row] for row in forms.transpose().tolist()]
    spread = [_meat(design, column, pairs) for column in columns]
    return exact_degrees_of_freedom(fmpz_mat(solved.inverse), solved.bottom, spread, most)


def _cluster_df(
    design: _Design,
    solved: _Solved,
    whole: _Whole,
    grams: list[_Whole],
    factor: float,
    intercept: bool,
) -> tuple[list[float], list[float]]:
    """Return how many times its error a coefficient's interval takes, and its degrees of freedom.

    In columns about their means, in whole numbers, then of length 1.
    """
    rows, n = design.rows, whole[0][0]
    k = len(rows)
    if intercept:
        rows = [rows[0], *([-whole[0][at], *(n * v for v in rows[at][1:])] for at in range(1, k))]
    forms = fmpz_mat(rows)

    def product(gram: _Whole) -> Floats:
        table = (forms * fmpz_mat(gram) * forms.transpose()).tolist()
        return np.array([[float(int(v)) for v in row] for row in table])

    size = np.sqrt(np.diagonal(product(whole)))
    bottom = float(solved.bottom)
    scores = [[v / bottom for v in _score(rows, solved.residual, gram)] for gram in grams]
    # A coefficient of x as a form of those of the columns taken.
    of = np.diag(1.0 / size)
    if intercept:
        of[1:] *= n
        shift = np.array([design.rows[at][0] + whole[0][at] / n for at in range(1, k)])
        of[0, 1:] = -n * shift / size[1:]
    found = np.array([product(gram) for gram in grams]) / np.outer(size, size)
    score = np.array(scores) / size
    variance, df = adjusted(found, score, of)
    plain = ((score @ np.linalg.inv(found.sum(axis=0)) @ of.T) ** 2).sum(axis=0)
    reach = np.sqrt(np.maximum(divide(variance, factor * plain), 1.0))
    return reach.tolist(), df.tolist()


def _score(rows: _Whole, residual: list[int], gram: _Whole) -> list[int]:
    """Sum of x times the residual over one cluster, times bottom."""
    found = fmpz_mat(rows) * (fmpz_mat(gram) * fmpz_mat([[v] for v in residual]))
    return [int(row[0]) for row in found.tolist()]


# Numerator and denominator: to reduce so large a fraction costs more than all else.
_Covariance = Callable[[int, int], tuple[float, float]]


def _covariance(design: _Design, solved: _Solved, meat: fmpz_mat, factor: Fraction) -> _Covariance:
    """Return V, entry by entry, for coefficients on the scales people read."""
    inverse = fmpz_mat(solved.inverse)
    table = (inverse * meat * inverse.transpose()).tolist()
    bottom = solved.bottom**4

    def entry(i: int, j: int) -> tuple[int, int]:
        unit = factor * design.scale[i] * design.scale[j]
        return int(table[i][j]) * unit.numerator, bottom * unit.denominator

    return entry


def reach_of(term: Term) -> float:
    """Return how many times its standard error a term's interval and p take.

    Parameters
    ----------
    term : Term

    Returns
    -------
    float
        1 where there is no error.
    """
    if not term.se > 0.0:
        return 1.0
    quantile = float(t_quantile(np.array([term.df]), term.interval.confidence)[0])
    return (term.interval.upper - term.interval.lower) / (2.0 * quantile * term.se)


def _totals(design: _Design, solved: _Solved, scores: fmpz_mat) -> Floats:
    """Return what each cluster adds to each coefficient, (k, clusters)."""
    table = (fmpz_mat(solved.inverse) * scores.transpose()).tolist()
    bottom = solved.bottom**2
    return np.array(
        [
            [float(scale) * (int(top) / bottom) for top in row]
            for scale, row in zip(design.scale, table, strict=True)
        ]
    )


def as_covariance(table: Floats) -> _Covariance:
    """Return a V that is there as a table."""
    return lambda i, j: (float(table[i, j]), 1.0)


def linear_forms(
    sums: npt.ArrayLike,
    *,
    origins: Sequence[Fraction | int],
    steps: Sequence[Fraction | int],
    names: Sequence[str],
    outcome: int,
    drivers: Sequence[int],
    intercept: bool = True,
) -> list[Floats]:
    """Say what a response adds to each coefficient, for every group that has a fit.

    Parameters
    ----------
    sums, origins, steps, names, outcome, drivers, intercept
        As in `cxstream.analytics.regression.fit`.

    Returns
    -------
    list of ndarray of float64, shape (k, q+1, q+1)
        Forms of the pairs of [1, codes of drivers and outcome], symmetric, as
        `cxstream.analytics.raking.RakedProducts` takes them.
    """
    chosen = (*drivers, outcome)
    design = _Design.of(origins, steps, names, chosen, intercept=intercept)
    table = table_of(sums, "sums", second_width(len(names)))
    return [
        _linear_forms(design, _solve(design, _gram(row.tolist(), len(names), chosen)))
        for row in table
    ]


def _linear_forms(design: _Design, solved: _Solved) -> Floats:
    """Return what a response adds to each coefficient: forms of the pairs of [1, codes]."""
    rows = np.array(design.rows, dtype=np.float64)
    inverse = np.array([[top / solved.bottom for top in row] for row in solved.inverse])
    residual = np.array([top / solved.bottom for top in solved.residual])
    scale = np.array([float(one) for one in design.scale])
    form = (scale[:, None] * (inverse @ rows))[:, :, None] * residual
    forms: Floats = (form + form.transpose(0, 2, 1)) / 2.0
    return forms


def _fitted(covariance: _Covariance, less: Floats) -> _Covariance:
    """Add what fitting to margins takes off; a variance is not below 0."""

    def entry(i: int, j: int) -> tuple[float, float]:
        value = truediv(*covariance(i, j)) + float(less[i, j])
        return max(value, 0.0) if i == j else value, 1.0

    return entry


def dress(
    fit: Regression,
    covariance: _Covariance,
    errors: Errors,
    df: Sequence[float],
    clusters: int | None,
    confidence: float,
    method: str = "student_t",
    reach: Sequence[float] = (),
) -> Regression:
    """Give a classical fit other standard errors, and what follows from them."""
    quantiles = t_quantile(np.array(df), confidence).tolist()
    terms = []
    for at, term in enumerate(fit.terms):
        se = root(*covariance(at, at))
        more = reach[at] if reach else 1.0
        terms.append(_term(term, se, df[at], quantiles[at], confidence, method, more))
    slopes = [one for one, term in zip(df, fit.terms, strict=True) if term.term != "const"]
    f, f_p = _wald(terms, covariance, min(slopes))
    return replace(fit, terms=tuple(terms), f=f, f_p=f_p, errors=errors, clusters=clusters)


def _term(
    term: Term, se: float, df: float, t: float, confidence: float, method: str, more: float
) -> Term:
    """Finish a term; the interval and p take an error that is `more` times as large."""
    ratio = term.coefficient / se if se > 0.0 else None
    p = None if ratio is None else 2.0 * float(stdtr(df, -abs(ratio) / more))
    reach = t * se * more
    interval = Interval(term.coefficient - reach, term.coefficient + reach, method, confidence)
    return replace(term, se=se, t=ratio, p=p, interval=interval, df=df)


def _wald(
    terms: list[Term], covariance: _Covariance, df: float
) -> tuple[float | None, float | None]:
    """Wald's F of all slopes together: b' V^-1 b over their number."""
    slopes = [(at, term) for at, term in enumerate(terms) if term.term != "const"]
    if any(term.t is None for _, term in slopes):
        return None, None
    # Correlations of the coefficients, each from exact entries: well scaled whatever the units.
    alike = np.array(
        [
            [truediv(*covariance(i, j)) / (one.se * other.se) for j, other in slopes]
            for i, one in slopes
        ]
    )
    values, vectors = np.linalg.eigh(alike)
    if values[0] < _SINGULAR:
        return None, None
    along = vectors.T @ np.array([term.t for _, term in slopes])
    f = float((along**2 / values).sum()) / len(slopes)
    return f, float(fdtrc(len(slopes), df, f))
