"""How the answers to one question are spread: levels with shares, mean and deviation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Counts, as_counts, divide, where_any
from cxstream.analytics.columns import Column, Columns, listed
from cxstream.analytics.intervals import Interval, check_confidence, share_se, wilson_columns
from cxstream.analytics.means import means_columns


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

    @property
    def score(self) -> float | None:
        """What is watched."""
        return self.mean


def moments(
    histogram: Counts, values: Sequence[int]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """n, sum and sum of squares of every group, exactly.

    Parameters
    ----------
    histogram : ndarray of int64, shape (g, K)
        Respondents at each level.
    values : sequence of int, length K
        Whole value of each level.

    Returns
    -------
    tuple of three ndarrays, each of shape (g,)
        In 64 bits where those provably suffice, else Python's own integers.
    """
    n: npt.NDArray[Any] = histogram.sum(axis=1)
    largest = max((abs(v) for v in values), default=0)
    most = int(n.max(initial=0))
    small = most * largest * largest < 2**63
    scale = np.array(values, dtype=np.int64 if small else object)
    given = histogram if small else histogram.astype(object)
    return n, given @ scale, given @ (scale * scale)


def distribution_columns(
    histogram: npt.ArrayLike,
    values: Sequence[int | float | Fraction] | None,
    *,
    base: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> Columns:
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
    Columns of Distribution, one for each group
        n = 0: shares and mean None. n = 1: shares and mean, no spread.

    Raises
    ------
    ValueError
        `values` has another length than the level axis.
    """
    check_confidence(confidence)
    counts = as_counts(histogram, "histogram", 2)
    width = counts.shape[1]
    n = counts.sum(axis=1) if base is None else as_counts(base, "base", 1)
    found: Mapping[str, Column] = {}
    if values is not None:
        if len(values) != width:
            raise ValueError(f"values must have {width} entries, not {len(values)}")
        exact = [Fraction(v) for v in values]
        common = math.lcm(*(v.denominator for v in exact)) if exact else 1
        found = means_columns(
            *moments(counts, [v.numerator * (common // v.denominator) for v in exact]),
            origin=Fraction(0),
            step=Fraction(1, common),
            ends=(min(exact), max(exact)) if exact else None,
            confidence=confidence,
        ).fields
    under = np.repeat(n[:, None], width, axis=1)
    own: dict[str, Column] = {
        "count": counts,
        "share": where_any(under, divide(100 * counts, under)),
        "se": where_any(under, share_se(counts, under)),
        "interval": wilson_columns(counts, under, confidence=confidence),
    }
    return _columns(n, Columns(Level, counts.shape, own), found)


#: As `distribution_columns`, as a list.
distribution = listed(distribution_columns, Distribution)


def _columns(n: npt.NDArray[Any], levels: Columns, found: Mapping[str, Column]) -> Columns:
    of_mean = {name: found.get(name) for name in ("mean", "sd", "se", "interval")}
    return Columns(Distribution, n.shape, {"n": n, "levels": levels, **of_mean})


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
    return number_columns(
        *(np.array(one, dtype=object) for one in (n, total, sum_of_squares)),
        origin=origin,
        step=step,
        confidence=confidence,
    ).rows()


def number_columns(
    n: npt.NDArray[Any],
    total: npt.NDArray[Any],
    sum_of_squares: npt.NDArray[Any],
    *,
    origin: Fraction,
    step: Fraction,
    confidence: float = 0.95,
) -> Columns:
    """As `number_distribution`, of arrays, as columns of `Distribution`."""
    if step == 0:
        raise ValueError("step must not be 0")
    found = means_columns(
        n, total, sum_of_squares, origin=origin, step=step, confidence=confidence
    ).fields
    return _columns(n, Columns(Level, (len(n), 0), {}), found)
