"""Mean and spread from integer sums, centred exactly before anything becomes a float."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from cxstream.analytics.intervals import (
    Interval,
    check_confidence,
    quasi_binomial,
    student_t,
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


def means(
    n: Sequence[int],
    total: Sequence[int],
    squares: Sequence[int],
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
    check_confidence(confidence)
    a, b = origin.numerator, origin.denominator
    c, d = step.numerator, step.denominator
    centre: list[float | None] = []
    sd: list[float | None] = []
    se: list[float | None] = []
    for count, s, q in zip(n, total, squares, strict=True):
        centre.append((a * d * count + b * c * s) / (b * d * count) if count > 0 else None)
        if count > 1:
            spread = (count * q - s * s) * c * c
            base = count * (count - 1) * d * d
            sd.append(math.sqrt(spread / base))
            se.append(math.sqrt(spread / (base * count)))
        else:
            sd.append(None)
            se.append(None)
    if ends is None or ends[0] == ends[1]:
        intervals = student_t(centre, se, [count - 1 for count in n], confidence=confidence)
    else:
        low, high = (float(one) for one in ends)
        intervals = quasi_binomial(centre, se, n, ends=(low, high), confidence=confidence)
    return [Mean(*row) for row in zip(n, centre, sd, se, intervals, strict=True)]
