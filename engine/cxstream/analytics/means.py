"""Mean and spread from integer sums, centred exactly before anything becomes a float."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from cxstream.analytics.columns import Columns
from cxstream.analytics.intervals import (
    Interval,
    check_confidence,
    quasi_binomial_columns,
    student_t_columns,
)


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean of one group.

    Attributes
    ----------
    n : int
        Answers.
    mean : float or None
        None when n is 0.
    sd : float or None
        Sample standard deviation (divisor n - 1); None when n is below 2.
    se : float or None
        Standard error of the mean, sd / sqrt(n); None when n is below 2.
    interval : Interval or None
        Quasi-binomial on a scale with two ends, else Student's t with n - 1 degrees of freedom; None
        when n is below 2.
    """

    n: int
    mean: float | None
    sd: float | None
    se: float | None
    interval: Interval | None

    @property
    def score(self) -> float | None:
        """What is watched."""
        return self.mean


def means(
    n: Sequence[int] | npt.NDArray[Any],
    total: Sequence[int] | npt.NDArray[Any],
    squares: Sequence[int] | npt.NDArray[Any],
    *,
    origin: Fraction,
    step: Fraction,
    ends: tuple[Fraction, Fraction] | None = None,
    confidence: float = 0.95,
) -> list[Mean]:
    """Mean, standard deviation, standard error and interval of coded answers.

    An answer is ``origin + step * code``. The spread is taken from ``n Q - S^2``, a difference
    of whole numbers of any size, so it loses no digit however large the values are beside their
    spread; every result is the correctly rounded quotient of two whole numbers, or its root.

    Parameters
    ----------
    n, total, squares : sequence of int, length g
        Answers, sum of codes, sum of squared codes, for each group. Python integers.
    origin, step : Fraction
        Value of code 0, and of one code; step is not 0.
    ends : (Fraction, Fraction), optional
        Lowest and highest value an answer can have; None for a number without limits.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Mean, length g
        n = 0: everything None. n = 1: a mean, and nothing on its spread.
    """
    found = means_columns(
        *(np.array(one, dtype=object) for one in (n, total, squares)),
        origin=origin,
        step=step,
        ends=ends,
        confidence=confidence,
    )
    return found.rows()


#: Whole numbers up to it are float64: quotients of them are rounded once.
_EXACT_MAX = 2**53


def means_columns(
    n: npt.NDArray[Any],
    total: npt.NDArray[Any],
    squares: npt.NDArray[Any],
    *,
    origin: Fraction,
    step: Fraction,
    ends: tuple[Fraction, Fraction] | None = None,
    confidence: float = 0.95,
) -> Columns:
    """As `means`, of arrays of whole numbers, as columns of `Mean`: the same to the last bit."""
    check_confidence(confidence)
    a, b = origin.numerator, origin.denominator
    c, d = step.numerator, step.denominator
    size, most = (np.abs(one.astype(np.float64)) for one in (n, total))
    # Of all that is multiplied below, in floats: a bound needs few digits.
    bound = np.maximum.reduce(
        [
            abs(a) * d * size + b * abs(c) * most,
            b * d * size,
            c * c * (size * squares.astype(np.float64) + most * most),
            size * size * size * (d * d),
        ]
    )
    mean, sd, se = np.full((3, len(n)), np.nan)
    # A hundredth of room for the rounding of the bound itself.
    small = 1.01 * bound < _EXACT_MAX
    known, spread_known = small & (size > 0), small & (size > 1)
    count, s, q = (one[known].astype(np.int64) for one in (n, total, squares))
    mean[known] = (a * d * count + b * c * s) / (b * d * count)
    several = count > 1
    count, s, q = count[several], s[several], q[several]
    spread, base = (count * q - s * s) * (c * c), count * (count - 1) * (d * d)
    sd[spread_known] = np.sqrt(spread / base)
    se[spread_known] = np.sqrt(spread / (base * count))
    for at in np.flatnonzero(~small & (size > 0)).tolist():
        one, s, q = int(n[at]), int(total[at]), int(squares[at])
        mean[at] = (a * d * one + b * c * s) / (b * d * one)
        if one > 1:
            wide, under = (one * q - s * s) * c * c, one * (one - 1) * d * d
            sd[at], se[at] = math.sqrt(wide / under), math.sqrt(wide / (under * one))
    if ends is None or ends[0] == ends[1]:
        interval = student_t_columns(mean, se, size - 1.0, confidence=confidence)
    else:
        low, high = (float(one) for one in ends)
        interval = quasi_binomial_columns(mean, se, size, ends=(low, high), confidence=confidence)
    fields = {"n": n, "mean": mean, "sd": sd, "se": se, "interval": interval}
    return Columns(Mean, (len(n),), fields)
