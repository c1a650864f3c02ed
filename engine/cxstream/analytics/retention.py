"""Who leaves, of the customers there were at the start of a period, and what revenue goes with them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import as_counts, divide
from cxstream.analytics.intervals import (
    Interval,
    answers_like,
    normal_quantile,
    quasi_bounds,
    share_se,
    wilson,
)
from cxstream.analytics.linkage import over_periods


@dataclass(frozen=True, slots=True)
class Retention:
    """Churn and retention of one group, in percent; None where nobody was there.

    Attributes
    ----------
    n, lost : int
        Customers at the start for whom it is known, and those of them who left.
    churn, retention : float or None
        100 lost / n, and 100 less it.
    se : float or None
        Standard error of both.
    interval : Interval or None
        Wilson interval of churn.
    periods : int
        Periods that `churn_over` is over.
    churn_over, churn_over_se : float or None
        ``1 - (1 - c)^periods``, and its standard error by the delta method.
    churn_over_interval : Interval or None
        The ends of `interval`, carried over: it covers as often.
    revenue_n : int or None
        Customers whose revenue is known too; None where it is not asked for.
    revenue_churn, revenue_churn_se : float or None
        Revenue of those who left, as a percentage of all, and its standard error.
    revenue_churn_interval : Interval or None
        Quasi-binomial.
    """

    FORMULAS: ClassVar = ("retention",)

    n: int
    lost: int
    churn: float | None
    retention: float | None
    se: float | None
    interval: Interval | None
    periods: int
    churn_over: float | None
    churn_over_se: float | None
    churn_over_interval: Interval | None
    revenue_n: int | None
    revenue_churn: float | None
    revenue_churn_se: float | None
    revenue_churn_interval: Interval | None


def retention(
    lost: npt.ArrayLike,
    n: npt.ArrayLike,
    *,
    periods: int = 1,
    revenue: Sequence[Sequence[Sequence[int]]] | None = None,
    confidence: float = 0.95,
) -> list[Retention]:
    """Churn and retention of the customers at the start, for every group.

    Customers who were won since are not among them: ``(E - New) / S``, not ``(S - E) / S``.
    Revenue churn is a ratio of sums, R = sum of r over those who left / sum of r over all; with
    d = r (left - R), ``SE^2 = n / (n - 1) sum d^2 / (sum r)^2`` (linearisation). Its interval is that
    of a share of as many customers as say the same: Wilson's with N from R and SE, where ``(sum r)^2
    / sum r^2`` customers stand for all of them.

    Parameters
    ----------
    lost, n : array_like of int, shape (g,)
        Customers who left, and all for whom it is known.
    periods : int
        1 or more.
    revenue : (g, 2, 3) int, optional
        For those who stayed and those who left: how many have a revenue, its sum, the sum of its
        squares, in steps from 0.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Retention, length g

    Raises
    ------
    ValueError
        More lost than there were, or no period.

    References
    ----------
    Ratios: Cochran, W. G. (1977), Sampling Techniques, 3rd ed., 6.4
    """
    gone, total = as_counts(lost, "lost", 1), as_counts(n, "n", 1)
    if bool((gone > total).any()):
        raise ValueError("more customers are lost than there were")
    rows = []
    for g, (count, size, se, interval) in enumerate(
        zip(
            gone.tolist(),
            total.tolist(),
            share_se(gone, total).tolist(),
            wilson(gone, total, confidence=confidence),
            strict=True,
        )
    ):
        churn = float(divide(100 * count, size)) if size else None
        over = over_se = over_interval = None
        if churn is not None and interval is not None:
            over, lower, upper = (
                100.0 * over_periods(min(max(one / 100.0, 0.0), 1.0), periods)
                for one in (churn, interval.lower, interval.upper)
            )
            over_se = se * periods * (1.0 - churn / 100.0) ** (periods - 1)
            over_interval = Interval(lower, upper, interval.method, confidence)
        money = (None, None, None, None) if revenue is None else _revenue(revenue[g], confidence)
        rows.append(
            Retention(
                size,
                count,
                churn,
                None if churn is None else 100.0 - churn,
                se if size else None,
                interval if size else None,
                periods,
                over,
                over_se,
                over_interval,
                *money,
            )
        )
    return rows


def retention_of(
    start: int, end: int, new: int = 0, *, periods: int = 1, confidence: float = 0.95
) -> Retention:
    """Churn and retention of a cohort that was counted: ``(E - New) / S``.

    Parameters
    ----------
    start, end : int
        Customers at the start and at the end of a period.
    new : int
        Those among the latter who were won within it.
    periods, confidence
        As of `retention`.

    Returns
    -------
    Retention

    Raises
    ------
    ValueError
        Numbers below 0, more new customers than there are at the end, or more old ones than there
        were at the start; no period.
    """
    if min(start, end, new) < 0:
        raise ValueError("customers are counted: no number is below 0")
    if new > end:
        raise ValueError(f"{new} new customers are more than the {end} there are at the end")
    kept = end - new
    if kept > start:
        raise ValueError(
            f"{kept} of {start} customers kept: those won within the period are new, not kept"
        )
    return retention([start - kept], [start], periods=periods, confidence=confidence)[0]


def _revenue(
    sides: Sequence[Sequence[int]], confidence: float
) -> tuple[int, float | None, float | None, Interval | None]:
    (stayed, s_stayed, q_stayed), (left, s_left, q_left) = sides
    n, total = stayed + left, s_stayed + s_left
    if total <= 0:
        return n, None, None, None
    share = 100.0 * s_left / total
    if n < 2:
        return n, share, None, None
    # Sum of d^2 times total^2, in whole numbers: R is s_left / total.
    squares = q_stayed * s_left**2 + q_left * s_stayed**2
    se = 100.0 * math.sqrt(n * squares / ((n - 1) * total**4))
    size = np.array([total**2 / (q_stayed + q_left)])
    at = np.array([share / 100.0])
    like = answers_like(at, np.array([se / 100.0]), size)
    lower, upper = quasi_bounds(at, like, normal_quantile(confidence) ** 2)
    bounds = Interval(
        100.0 * float(lower[0]), 100.0 * float(upper[0]), "quasi_binomial", confidence
    )
    return n, share, se, bounds
