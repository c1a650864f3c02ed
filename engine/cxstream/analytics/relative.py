"""Relative performance: where customers put a company among its competitors, as percentiles."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy.typing as npt

from cxstream.analytics.checks import as_counts
from cxstream.analytics.distribution import moments
from cxstream.analytics.intervals import Interval
from cxstream.analytics.means import means
from cxstream.analytics.survey import Sample
from cxstream.analytics.weighted import Weighted, distribution


@dataclass(frozen=True, slots=True)
class RelativePerformance:
    """Percentile score of one group.

    Attributes
    ----------
    n : int
        Respondents who compared.
    score : float or None
        Mean percentile, 0 the worst of all competitors, 100 the best; None when n is 0.
    sd, se : float or None
        Sample standard deviation and standard error; None when n is below 2.
    interval : Interval or None
        Quasi-binomial; None when n is below 2.
    """

    FORMULAS: ClassVar = ("relative",)

    n: int
    score: float | None
    sd: float | None
    se: float | None
    interval: Interval | None


def relative_performance(
    histogram: npt.ArrayLike,
    percentiles: Sequence[int | float | Fraction] | None = None,
    *,
    confidence: float = 0.95,
) -> list[RelativePerformance]:
    """Score answers to "how do we compare with the competitors?".

    The mean over respondents of the percentile that their answer stands for. As the score is a
    linear function of the answers' codes when the percentiles are evenly spaced, drivers of the
    answer are drivers of the score; otherwise a regression explains another outcome.

    Parameters
    ----------
    histogram : array_like of int, shape (g, K)
        Respondents at each option, the worst first.
    percentiles : sequence of numbers, length K, optional
        Percentile of each option, in 0..100 and rising; evenly spaced from 0 to 100 if left out
        (0, 25, 50, 75, 100 for five options).
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of RelativePerformance, length g
        n = 0: everything None. n = 1: a score, no spread.

    Raises
    ------
    ValueError
        Fewer than two options; percentiles of another length, outside 0..100 or not rising.

    References
    ----------
    Hayes, B. E., the Competitive Percentile Rank (C-PeRk), https://businessoverbroadway.com/
    """
    counts = as_counts(histogram, "histogram", 2)
    values = percentiles_of(counts.shape[1], percentiles)
    common = math.lcm(*(v.denominator for v in values))
    found = means(
        *moments(counts, [v.numerator * (common // v.denominator) for v in values]),
        origin=Fraction(0),
        step=Fraction(1, common),
        ends=(values[0], values[-1]),
        confidence=confidence,
    )
    return [RelativePerformance(m.n, m.mean, m.sd, m.se, m.interval) for m in found]


def weighted_performance(
    sample: Sample,
    percentiles: Sequence[int | float | Fraction] | None = None,
    *,
    confidence: float = 0.95,
) -> list[Weighted[RelativePerformance]]:
    """Score answers to "how do we compare with the competitors?" under survey weights.

    The weighted mean of the percentiles, with Taylor's standard error; see `relative_performance` and
    `cxstream.analytics.weighted.distribution`.

    Parameters
    ----------
    sample : Sample
        K options, the worst first.
    percentiles, confidence
        As in `relative_performance`.

    Returns
    -------
    list of Weighted of RelativePerformance, length g

    Raises
    ------
    ValueError
        As `relative_performance`.
    """
    values = percentiles_of(sample.counts.shape[1], percentiles)
    found = distribution(sample, values, confidence=confidence)
    return [
        Weighted(
            RelativePerformance(
                one.value.n, one.value.mean, one.value.sd, one.value.se, one.value.interval
            ),
            one.weights,
        )
        for one in found
    ]


def percentiles_of(
    options: int, percentiles: Sequence[int | float | Fraction] | None
) -> list[Fraction]:
    """Check percentiles, or give evenly spaced ones.

    Parameters
    ----------
    options : int
    percentiles : sequence of numbers, or None

    Returns
    -------
    list of Fraction

    Raises
    ------
    ValueError
        Fewer than two options; percentiles of another length, outside 0..100 or not rising.
    """
    values = evenly_spaced(options) if percentiles is None else [Fraction(v) for v in percentiles]
    if options < 2 or len(values) != options:
        raise ValueError(f"{len(values)} percentiles for {options} options")
    if any(not 0 <= v <= 100 for v in values):
        raise ValueError("a percentile is in 0..100")
    if any(a >= b for a, b in itertools.pairwise(values)):
        raise ValueError("percentiles must rise from the worst option to the best")
    return values


def evenly_spaced(options: int) -> list[Fraction]:
    """Give the percentiles of so many options: 0, 25, 50, 75, 100 for five.

    Parameters
    ----------
    options : int

    Returns
    -------
    list of Fraction
    """
    return [Fraction(100 * k, max(options - 1, 1)) for k in range(options)]
