"""How the answers to one question are spread: levels with shares, mean and deviation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Counts, as_counts, divide
from cxstream.analytics.intervals import Interval, check_confidence, share_se, wilson
from cxstream.analytics.means import Mean, means


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a question.

    Attributes
    ----------
    count : int
        Respondents at this level.
    share : float or None
        100 count / n; None when n is 0.
    se : float or None
        Standard error of the share.
    interval : Interval or None
        Wilson interval of the share.
    """

    count: int
    share: float | None
    se: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """Distribution of one question in one group.

    Attributes
    ----------
    n : int
        Respondents who answered.
    levels : tuple of Level
        In the order of the histogram; empty for a number question.
    mean : float or None
        None when n is 0, and for a nominal question.
    sd, se : float or None
        Sample standard deviation (divisor n - 1) and standard error of the mean; None when n is
        below 2.
    interval : Interval or None
        Of the mean: quasi-binomial on a scale, Student-t of a number; None when n is below 2.
    """

    FORMULAS: ClassVar = ("distribution",)

    n: int
    levels: tuple[Level, ...]
    mean: float | None
    sd: float | None
    se: float | None
    interval: Interval | None


def moments(histogram: Counts, values: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """n, sum and sum of squares of every group, exactly.

    Parameters
    ----------
    histogram : ndarray of int64, shape (g, K)
        Respondents at each level.
    values : sequence of int, length K
        Whole value of each level.

    Returns
    -------
    tuple of three lists of int, each of length g
        Python integers. The sums run in 64 bits where those provably suffice, else in Python's
        own integers.
    """
    n = histogram.sum(axis=1)
    largest = max((abs(v) for v in values), default=0)
    most = int(n.max()) if n.size else 0
    if most * largest * largest < 2**63:
        scale = np.array(values, dtype=np.int64)
        total: npt.NDArray[np.int64] = histogram @ scale
        squares: npt.NDArray[np.int64] = histogram @ (scale * scale)
        return n.tolist(), total.tolist(), squares.tolist()
    rows = histogram.tolist()
    return (
        n.tolist(),
        [sum(h * v for h, v in zip(row, values, strict=True)) for row in rows],
        [sum(h * v * v for h, v in zip(row, values, strict=True)) for row in rows],
    )


def distribution(
    histogram: npt.ArrayLike,
    values: Sequence[int | float | Fraction] | None,
    *,
    base: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> list[Distribution]:
    """Shares of all levels and, on a scale with values, mean and spread, for every group.

    Parameters
    ----------
    histogram : array_like of int, shape (g, K)
        Respondents at each level.
    values : sequence of numbers, length K, or None
        Value of each level; None for a nominal question, whose levels have no mean. A float is
        taken at its exact binary value.
    base : array_like of int, shape (g,), optional
        Respondents who answered, where one may choose several levels; the sum of the levels when
        absent.
    confidence : float
        Level in (0, 1); each interval holds on its own (see `scorecard` for joint ones).

    Returns
    -------
    list of Distribution, length g
        n = 0: shares and mean None. n = 1: shares and mean, no spread.

    Raises
    ------
    ValueError
        `values` has another length than the level axis.
    """
    check_confidence(confidence)
    counts = as_counts(histogram, "histogram", 2)
    groups, width = counts.shape
    n = counts.sum(axis=1) if base is None else as_counts(base, "base", 1)
    found: list[Mean] | list[None]
    if values is None:
        found = [None] * groups
    else:
        if len(values) != width:
            raise ValueError(f"values must have {width} entries, not {len(values)}")
        exact = [Fraction(v) for v in values]
        common = math.lcm(*(v.denominator for v in exact)) if exact else 1
        found = means(
            *moments(counts, [v.numerator * (common // v.denominator) for v in exact]),
            origin=Fraction(0),
            step=Fraction(1, common),
            ends=(min(exact), max(exact)) if exact else None,
            confidence=confidence,
        )
    base = np.repeat(n, width)
    flat = counts.ravel()
    levels = [
        Level(count, share if interval else None, se if interval else None, interval)
        for count, share, se, interval in zip(
            flat.tolist(),
            divide(100 * flat, base).tolist(),
            share_se(flat, base).tolist(),
            wilson(flat, base, confidence=confidence),
            strict=True,
        )
    ]
    result = []
    for i, (total, mean) in enumerate(zip(n.tolist(), found, strict=True)):
        own = tuple(levels[i * width : (i + 1) * width])
        if mean is None:
            result.append(Distribution(total, own, None, None, None, None))
        else:
            result.append(Distribution(total, own, mean.mean, mean.sd, mean.se, mean.interval))
    return result


def number_distribution(
    n: Sequence[int],
    total: Sequence[int],
    sum_of_squares: Sequence[int],
    *,
    origin: Fraction,
    step: Fraction,
    confidence: float = 0.95,
) -> list[Distribution]:
    """Mean and spread of a number question, for every group.

    Parameters
    ----------
    n, total, sum_of_squares : sequence of int, length g
        Answers, sum of codes, sum of squared codes: Python integers of any size. An answer is
        ``origin + step * code``.
    origin, step : Fraction
        Value of code 0, and size of one code; step is not 0.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Distribution, length g
        Without levels. n = 0: mean None. n = 1: a mean, no spread. The centring is in whole
        numbers (`cxstream.analytics.means.means`).

    References
    ----------
    Checked against https://www.itl.nist.gov/div898/strd/univ/homepage.html
    """
    if step == 0:
        raise ValueError("step must not be 0")
    found = means(
        [int(v) for v in n],
        [int(v) for v in total],
        [int(v) for v in sum_of_squares],
        origin=origin,
        step=step,
        confidence=confidence,
    )
    return [Distribution(m.n, (), m.mean, m.sd, m.se, m.interval) for m in found]
