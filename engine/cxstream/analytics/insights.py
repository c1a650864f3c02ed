"""How much a change in one rating moves another: every pair, one at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from cxstream.analytics.checks import Floats
from cxstream.analytics.corrections import CORRECTIONS, Correction, adjust
from cxstream.analytics.intervals import Interval, check_confidence
from cxstream.analytics.raking import RakedProducts
from cxstream.analytics.regression import Regression
from cxstream.analytics.robust import heteroscedastic

Status = Literal["ok", "exact_fit", "too_few_rows", "constant_x", "constant_y"]


@dataclass(frozen=True, slots=True)
class Insight:
    """Regression of y on x alone, in one group.

    Attributes
    ----------
    x, y : str
        Names of the driver and of the outcome.
    status : {"ok", "exact_fit", "too_few_rows", "constant_x", "constant_y"}
        ``exact_fit``: all points on a line, so se is 0 and t and p are None. The last three have
        no values.
    n : int
        Respondents who answered both.
    slope : float or None
        Change of y per unit of x.
    se : float or None
        Standard error of the slope: classical; of a weighted pair, design-based.
    r : float or None
        Correlation, -1..1.
    t, p : float or None
        slope / se and its two-sided p-value, n - 2 degrees of freedom.
    p_adjusted : float or None
        p corrected for looking at all pairs of this answer.
    interval : Interval or None
        Student-t interval of the slope, not corrected; None without a standard error above 0.
    """

    FORMULAS: ClassVar = ("insights",)

    x: str
    y: str
    status: Status
    n: int
    slope: float | None
    se: float | None
    r: float | None
    t: float | None
    p: float | None
    p_adjusted: float | None
    interval: Interval | None


def insights(
    n: npt.ArrayLike,
    total: npt.ArrayLike,
    squares: npt.ArrayLike,
    cross: npt.ArrayLike,
    *,
    names: Sequence[str],
    outcome: int | None = None,
    steps: Sequence[Fraction | int] | None = None,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> list[tuple[Insight, ...]]:
    """Every ordered pair (x, y) of questions, for every group.

    ``slope = C_xy / C_xx``, ``r = C_xy / sqrt(C_xx C_yy)``, ``se^2 = (C_xx C_yy - C_xy^2) /
    (C_xx^2 (n - 2))`` with the exactly centred whole numbers ``C_xy = n S_xy - S_x S_y`` over
    the respondents who answered both.

    Parameters
    ----------
    n : array_like of int, shape (g, p, p)
        Respondents who answered both i and j.
    total, squares : array_like of int, shape (g, p, p)
        At [i, j]: sum of x_i, and of x_i^2, over those who answered j too.
    cross : array_like of int, shape (g, p, p)
        Sum of x_i x_j. All four int64, or object with Python integers.
    names : sequence of str, length p
        Names of the questions.
    outcome : int, optional
        Only pairs whose y is this question.
    steps : sequence of Fraction, length p, optional
        Size of one code of each question, to give slopes on the scales people read; 1 if left
        out. Origins do not matter.
    correction : {"holm", "benjamini_hochberg"}
        How p is corrected. The family is the rows of the group's answer that have a p; with both
        directions of a pair in the answer, each counts.
    confidence : float
        Level in (0, 1) of the slopes' intervals.

    Returns
    -------
    list of tuple of Insight, length g
        Strongest first: rows on a perfect line, then by |t| descending, then rows without values;
        ties by the names x, y. n below 3 (0, 1, 2 included) or a question without variation
        gives a row with a status and no values.

    Raises
    ------
    ValueError
        Shapes that do not fit, or an unknown correction.
    """
    if correction not in CORRECTIONS:
        raise ValueError(
            f"correction {correction!r} is not known: use one of {', '.join(CORRECTIONS)}"
        )
    check_confidence(confidence)
    p = len(names)
    tables: list[npt.NDArray[Any]] = [np.asarray(v) for v in (n, total, squares, cross)]
    for table in tables:
        if table.dtype.kind not in "iuO":
            raise ValueError(f"the sums must hold integers, not {table.dtype}")
        if table.ndim != 3 or table.shape[1:] != (p, p) or table.shape != tables[0].shape:
            raise ValueError(f"the four tables must have shape (groups, {p}, {p})")
    if outcome is not None and not 0 <= outcome < p:
        raise ValueError(f"outcome must be a column 0..{p - 1}")
    scale = [Fraction(1)] * p if steps is None else [Fraction(s) for s in steps]
    if len(scale) != p or any(s <= 0 for s in scale):
        raise ValueError(f"steps must have {p} entries above 0")
    pairs = [
        (i, j, names[i], names[j], scale[j] / scale[i])
        for i in range(p)
        for j in range(p)
        if i != j and outcome in (None, j)
    ]
    answers = []
    for counts, sums, squared, products in zip(*(v.tolist() for v in tables), strict=True):
        found = [
            _pair(
                counts[i][j],
                sums[i][j],
                sums[j][i],
                squared[i][j],
                squared[j][i],
                products[i][j],
                unit,
            )
            for i, j, _, _, unit in pairs
        ]
        named = [(x, y) for _, _, x, y, _ in pairs]
        answers.append(_tested(named, found, correction, confidence))
    return answers


def weighted_insights(
    sums: npt.ArrayLike,
    fourth: npt.ArrayLike,
    *,
    responses: npt.ArrayLike,
    names: Sequence[str],
    questions: Sequence[str] | None = None,
    outcome: str = "",
    origins: Sequence[Fraction | int],
    steps: Sequence[Fraction | int],
    raked: RakedProducts | None = None,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> list[tuple[Insight, ...]]:
    """Every ordered pair (x, y) of questions under survey weights, for every group.

    Weighted least squares of y on x with design-based errors (Taylor), as
    `cxstream.analytics.robust.heteroscedastic` of that one driver; t with Satterthwaite's degrees of
    freedom. All pairs are over the respondents who answered every column.

    Parameters
    ----------
    sums, fourth : array_like of int
        Weighted sums of products up to the second order, and with squared weights up to the fourth, of
        [1, columns]: as `cxstream.analytics.robust.heteroscedastic` takes them.
    responses : array_like of int, shape (g,)
        Respondents that have a weight.
    names : sequence of str
        Names of the columns.
    questions : sequence of str, optional
        Columns whose pairs are wanted; all if left out.
    outcome : str
        Only pairs whose y is this question; all if empty.
    origins, steps : sequence of Fraction
        As in `cxstream.analytics.regression.fit`.
    raked : RakedProducts, optional
        As in `cxstream.analytics.robust.heteroscedastic`.
    correction, confidence
        As in `insights`.

    Returns
    -------
    list of tuple of Insight, length g
        In the order of `insights`. `r` is the weighted correlation.

    References
    ----------
    Binder, D. (1983), International Statistical Review 51, 279-292,
    https://doi.org/10.2307/1402588
    """
    if correction not in CORRECTIONS:
        raise ValueError(
            f"correction {correction!r} is not known: use one of {', '.join(CORRECTIONS)}"
        )
    check_confidence(confidence)
    wanted = list(names if questions is None else questions)
    named = [(x, y) for x in wanted for y in wanted if x != y and outcome in ("", y)]
    fits = [
        heteroscedastic(
            sums,
            fourth,
            names=names,
            outcome=names.index(y),
            drivers=[names.index(x)],
            kind="design",
            interval="bell_mccaffrey",
            origins=origins,
            steps=steps,
            responses=responses,
            raked=raked,
            confidence=confidence,
        )
        for x, y in named
    ]
    return [
        _tested(named, [_of_regression(fit) for fit in group], correction, confidence)
        for group in zip(*fits, strict=True)
    ]


def _of_regression(fit: Regression) -> "_Fit":
    if fit.status != "ok":
        constant: dict[str, Status] = {"collinear": "constant_x", "constant_outcome": "constant_y"}
        return _Fit(constant.get(fit.status, "too_few_rows"), fit.n)
    slope = fit.terms[-1]
    r = None
    if fit.r2 is not None:
        r = math.copysign(math.sqrt(min(max(fit.r2, 0.0), 1.0)), slope.coefficient)
    if slope.t is None:
        return _Fit("exact_fit", fit.n, slope.coefficient, 0.0, r)
    return _Fit("ok", fit.n, slope.coefficient, slope.se, r, slope.t, slope.p, slope.interval)


def _tested(
    named: Sequence[tuple[str, str]],
    found: "Sequence[_Fit]",
    correction: Correction,
    confidence: float,
) -> tuple[Insight, ...]:
    """Test the pairs of one group, and put the strongest first."""
    t = np.array([row.t for row in found if row.t is not None], dtype=np.float64)
    df = np.array([row.n - 2 for row in found if row.t is not None], dtype=np.float64)
    probability: Floats = 2.0 * np.asarray(stdtr(df, -np.abs(t)), dtype=np.float64)
    given = [row.p for row in found if row.t is not None]
    own = np.array([math.nan if one is None else one for one in given], dtype=np.float64)
    probability = np.where(np.isnan(own), probability, own)
    half = stdtrit(df, 0.5 + confidence / 2)
    tested = iter(
        zip(
            probability.tolist(),
            adjust(probability, correction).tolist(),
            half.tolist(),
            strict=True,
        )
    )
    rows = []
    for (x, y), fit in zip(named, found, strict=True):
        p_value = p_adjusted = interval = None
        if fit.t is not None and fit.slope is not None and fit.se is not None:
            p_value, p_adjusted, quantile = next(tested)
            reach = quantile * fit.se
            interval = fit.interval or Interval(
                fit.slope - reach, fit.slope + reach, "student_t", confidence
            )
        rows.append(
            Insight(
                x,
                y,
                fit.status,
                fit.n,
                fit.slope,
                fit.se,
                fit.r,
                fit.t,
                p_value,
                p_adjusted,
                interval,
            )
        )
    return tuple(sorted(rows, key=_strength))


class _Fit(NamedTuple):
    status: Status
    n: int
    slope: float | None = None
    se: float | None = None
    r: float | None = None
    t: float | None = None
    #: Where they are not of t with n - 2 degrees of freedom.
    p: float | None = None
    interval: Interval | None = None


def _pair(n: int, s_x: int, s_y: int, q_x: int, q_y: int, product: int, unit: Fraction) -> _Fit:
    """Regress y on x; `unit` is the step of y over the step of x."""
    if n < 3:
        return _Fit("too_few_rows", n)
    c_xx = n * q_x - s_x * s_x
    c_yy = n * q_y - s_y * s_y
    c_xy = n * product - s_x * s_y
    if c_xx == 0:
        return _Fit("constant_x", n)
    if c_yy == 0:
        return _Fit("constant_y", n)
    u, v = unit.numerator, unit.denominator
    slope = c_xy * u / (c_xx * v)
    square = c_xy * c_xy
    r = math.copysign(math.sqrt(square / (c_xx * c_yy)), c_xy)
    left = c_xx * c_yy - square
    if left == 0:
        return _Fit("exact_fit", n, slope, 0.0, r)
    se = math.sqrt(left * u * u / (c_xx * c_xx * (n - 2) * v * v))
    t = math.copysign(math.sqrt(square * (n - 2) / left), c_xy)
    return _Fit("ok", n, slope, se, r, t)


def _strength(row: Insight) -> tuple[float, str, str]:
    """Sort key: strongest first, rows without values last."""
    if row.t is not None:
        return (-abs(row.t), row.x, row.y)
    return (-math.inf if row.status == "exact_fit" else math.inf, row.x, row.y)
