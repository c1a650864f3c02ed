"""Standard errors of least squares that make up for each response's own leverage: HC2 and HC3.

A response's leverage ``h = x' A^-1 x`` is how much it fits itself. It is no function of sums; of how many
gave each combination of answers it is, and so is all else here.

Of a coefficient ``c'b`` with ``a = c' A^-1 x`` the variance is estimated by ``V = sum u e^2``, ``u = a^2 / (1 -
h)^m``, m = 1 for HC2 and 2 for HC3. Were errors independent and alike, its mean would be their variance
times ``t = sum u (1 - h)`` in place of ``q = sum a^2`` (which it is, for HC2), and V like a chi-squared
with ``df = t^2 / r`` degrees of freedom, ``r = sum u^2 ((1 - h)^2 - h^2) + |sum u z z'|^2`` for rows z of an
orthonormal basis of the columns: Bell and McCaffrey's, exactly.

References
----------
MacKinnon, J. and White, H. (1985), Journal of Econometrics 29, 305-325,
https://doi.org/10.1016/0304-4076(85)90158-7; Bell, R. and McCaffrey, D. (2002), Survey Methodology 28(2),
169-181; Imbens, G. and Kolesar, M. (2016), Review of Economics and Statistics 98, 701-712,
https://doi.org/10.1162/REST_a_00552
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from cxstream.analytics import regression
from cxstream.analytics.checks import Floats
from cxstream.analytics.moments import second_width
from cxstream.analytics.regression import Regression, units
from cxstream.analytics.robust import REFERENCES, Reference, as_covariance, dress

Kind = Literal["HC2", "HC3"]

KINDS: Final[tuple[Kind, ...]] = ("HC2", "HC3")

#: What is left of a response's residual, 1 - h, is rounding below this: the response fits itself.
_LEFT_MIN: Final = 1e-9
#: Whole numbers up to it are int64 with room for a sum's sign.
_WHOLE_MAX: Final = 2**62

_Rows = npt.NDArray[np.int64]


def by_leverage(
    rows: npt.ArrayLike,
    counts: npt.ArrayLike,
    group: npt.ArrayLike,
    *,
    groups: int,
    kind: Kind,
    interval: Reference = "student_t",
    origins: Sequence[Fraction | int],
    steps: Sequence[Fraction | int],
    names: Sequence[str],
    outcome: int,
    drivers: Sequence[int],
    intercept: bool = True,
    confidence: float = 0.95,
) -> list[Regression]:
    """Least squares with errors HC2 or HC3, for every group.

    ``V = A^-1 (sum e^2 / (1 - h)^m x x') A^-1`` with ``A = X'X`` and ``h = x' A^-1 x``, m = 1 for
    ``HC2`` and 2 for ``HC3``. Coefficients come of whole numbers as in `regression.fit`, residuals and
    leverages of an orthonormal basis of the columns about their means, in float64.

    Parameters
    ----------
    rows : array_like of int, shape (r, p)
        Codes of the distinct complete cases, sorted by group.
    counts : array_like of int, shape (r,)
        How many gave them, at least 1.
    group : array_like of int, shape (r,)
        The group, 0..groups-1, of each.
    groups : int
        How many.
    kind : {"HC2", "HC3"}
        The power of 1 - h.
    interval : {"student_t", "satterthwaite", "bell_mccaffrey"}
        n - k degrees of freedom, or the error's own (see above); ``bell_mccaffrey`` also enlarges an
        error that falls short on average of what it estimates, as neither of these does.
    origins, steps, names, outcome, drivers, intercept, confidence
        As in `cxstream.analytics.regression.fit`.

    Returns
    -------
    list of Regression, length groups
        As of `fit`, but for se, t, p, interval, f and f_p; ``saturated`` where a response has leverage
        1, so that its residual is 0 whatever it answers, and no error is defined.

    Raises
    ------
    ValueError
        Arguments that do not fit together.
    """
    if kind not in KINDS:
        raise ValueError(f"errors {kind!r} are not known: use one of {', '.join(KINDS)}")
    if interval not in REFERENCES:
        raise ValueError(f"no interval {interval!r}: use one of {', '.join(REFERENCES)}")
    codes = np.asarray(rows, dtype=np.int64).reshape(-1, len(names))
    many, owner = (np.asarray(one, dtype=np.int64) for one in (counts, group))
    if not codes.shape[:1] == many.shape == owner.shape:
        raise ValueError("every row must have its count and its group")
    if len(owner) and not (owner[0] >= 0 and owner[-1] < groups and (np.diff(owner) >= 0).all()):
        raise ValueError(f"groups must be 0..{groups - 1}, in order")
    if len(many) and many.min() < 1:
        raise ValueError("a count is below 1")
    ends = np.searchsorted(owner, np.arange(groups + 1)).tolist()
    parts = [slice(*ends[at : at + 2]) for at in range(groups)]
    sums = [_second(codes[part], many[part]) for part in parts]
    fits = regression.fit(
        np.array(sums, dtype=object).reshape(groups, second_width(len(names))),
        origins=origins,
        steps=steps,
        names=names,
        outcome=outcome,
        drivers=drivers,
        intercept=intercept,
        confidence=confidence,
    )
    chosen = (*drivers, outcome)
    scale, shift = units(origins, steps, names, chosen)
    made = []
    for fit, part, one in zip(fits, parts, sums, strict=True):
        if fit.status != "ok":
            made.append(replace(fit, errors=kind))
            continue
        moved = codes[part][:, chosen] + np.array(shift, dtype=np.int64)
        middle = None
        if intercept:
            middle = [Fraction(one[1 + j], fit.n) + at for j, at in zip(chosen, shift, strict=True)]
        found = _variance(moved, many[part], middle, kind, exact=fit.rss == 0.0)
        if found is None:
            message = (
                f"a response alone decides a coefficient, and of its residual {kind} has nothing"
            )
            refused = regression.refused("saturated", message, fit.n)
            made.append(replace(refused, errors=kind))
            continue
        variance, df, reach = found
        unit = [float(scale[-1]), *(float(scale[-1] / one) for one in scale[:-1])]
        variance = variance * np.outer(unit[not intercept :], unit[not intercept :])
        if interval == "student_t":
            df = np.full(len(df), float(fit.n - len(df)))
        more = reach.tolist() if interval == "bell_mccaffrey" else ()
        made.append(
            dress(fit, as_covariance(variance), kind, df.tolist(), None, confidence, interval, more)
        )
    return made


def _second(codes: _Rows, counts: _Rows) -> list[Any]:
    """Return the sums of products of [1, codes], the upper triangle row by row."""
    wide = np.concatenate([np.ones((len(codes), 1), dtype=np.int64), codes], axis=1)
    most = int(np.abs(wide).max(initial=1)) ** 2 * int(counts.sum())
    whole: npt.NDArray[Any] = wide if most < _WHOLE_MAX else wide.astype(object)
    product = (whole * counts[:, None]).T @ whole
    return [int(one) for one in product[np.triu_indices(len(product))]]


def _variance(
    columns: _Rows, counts: _Rows, middle: list[Fraction] | None, kind: Kind, *, exact: bool
) -> tuple[Floats, Floats, Floats] | None:
    """Return V, degrees of freedom, and how many times its error an interval takes; in whole steps.

    The drivers, and last the outcome, by distinct row; with a constant their means. None where a
    response has leverage 1.
    """
    n, many = int(counts.sum()), counts.astype(np.float64)
    root = np.sqrt(many)[:, None]
    values = columns.astype(np.float64)
    if middle is not None:
        # About whole numbers first: nothing is rounded that is large beside the spread.
        near = [round(one) for one in middle]
        rest = [float(one - whole) for one, whole in zip(middle, near, strict=True)]
        values = (columns - np.array(near)).astype(np.float64) - np.array(rest)
    x, y = values[:, :-1], values[:, -1]
    size = np.sqrt((many[:, None] * x**2).sum(axis=0))
    basis, triangle = np.linalg.qr(root * (x / size))
    along = y * root[:, 0]
    residual = (along - basis @ (basis.T @ along)) / root[:, 0]
    if exact:
        residual = np.zeros(len(columns))
    basis = basis / root
    forms = np.linalg.inv(triangle) / size[:, None]
    if middle is not None:
        basis = np.hstack([np.full((len(columns), 1), n**-0.5), basis])
        slopes = np.hstack([np.zeros((len(size), 1)), forms])
        means = np.array([float(one) for one in middle[:-1]])
        constant = np.concatenate([[n**-0.5], -means @ forms])
        forms = np.vstack([constant, slopes])
    leverage = (basis**2).sum(axis=1)
    left = 1.0 - leverage
    if left.min() < _LEFT_MIN:
        return None
    by = basis @ forms.T
    weight = many * left ** -(1.0 if kind == "HC2" else 2.0)
    variance = (by * (weight * residual**2)[:, None]).T @ by
    share = by**2 * (weight / many)[:, None]
    trace = (many * left) @ share
    spread = [(((many * one)[:, None] * basis).T @ basis) ** 2 for one in share.T]
    squares = (many * (left**2 - leverage**2)) @ share**2 + np.array([one.sum() for one in spread])
    df = np.clip(trace**2 / squares, 1.0, float(n - len(forms)))
    return variance, df, np.sqrt(np.maximum((forms**2).sum(axis=1) / trace, 1.0))
