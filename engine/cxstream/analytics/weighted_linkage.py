"""Outcomes by NPS class, churn and first contacts under survey weights."""

import math
from collections.abc import Sequence

import numpy as np

from cxstream.analytics.checks import Floats, divide
from cxstream.analytics.comparison import corrected
from cxstream.analytics.corrections import Correction
from cxstream.analytics.intervals import Interval
from cxstream.analytics.linkage import (
    CLASSES,
    MOVES,
    ClassOutcome,
    FirstContact,
    Linkage,
    linkage_of,
    over_periods,
)
from cxstream.analytics.points import Linear, Points, gain
from cxstream.analytics.retention import Retention
from cxstream.analytics.survey import Sample, degrees_of_freedom, quantile, scale_intervals
from cxstream.analytics.weighted import csat
from cxstream.analytics.weighted_comparison import Estimates, compare

#: n, value, standard error and interval of an outcome.
Outcome = tuple[int, float | None, float | None, Interval | None]


def by_class(
    outcomes: Sequence[Outcome],
    estimates: Estimates,
    *,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> list[Linkage]:
    """Weighted outcome by NPS class, for every group.

    Classes are domains of one sample: moves are compared as in
    `cxstream.analytics.weighted_comparison.compare`, p-values corrected for the moves of a group.

    Parameters
    ----------
    outcomes : sequence, length 3 g
        Of detractors, passives and promoters of every group.
    estimates : Estimates
        Of the same.
    correction : {"holm", "benjamini_hochberg"}
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Linkage, length g
    """
    groups = len(outcomes) // len(CLASSES)
    first = len(CLASSES) * np.arange(groups)[:, None]
    origin, target = ((first + np.array([move[at] for move in MOVES])).ravel() for at in range(2))
    moves = compare(
        estimates.take(target),
        estimates.take(origin),
        correction=correction,
        confidence=confidence,
    )
    rows = [ClassOutcome(CLASSES[at % len(CLASSES)], *one) for at, one in enumerate(outcomes)]
    return [
        linkage_of(rows[at : at + 3], corrected(moves[at : at + 3], correction))
        for at in range(0, 3 * groups, 3)
    ]


def shares(sample: Sample, confidence: float) -> list[Outcome]:
    """Give the weighted share that says yes, for every group.

    Parameters
    ----------
    sample : Sample
        K = 2: no, yes.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of (n, share, se, interval)
    """
    found = csat(sample, top_from=1, confidence=confidence)
    return [(one.value.n, one.value.score, one.value.se, one.value.interval) for one in found]


def kept_bounds(
    churn: Floats, se: Floats, effective: Floats, sample: Sample, confidence: float
) -> list[tuple[float, float] | None]:
    """Give bounds of retention whose churn has design-based errors, for every class.

    Parameters
    ----------
    churn, se : ndarray of float64
        Share that left, 0..1, and its standard error; NaN where there is none.
    effective : ndarray of float64
        Kish's effective n behind it.
    sample : Sample
        K = 2: stayed, left: of the degrees of freedom.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of (float, float) or None
        None where the effective n is not above 1.
    """
    known = np.isfinite(churn) & np.isfinite(se)
    df = degrees_of_freedom(sample, (0.0, 1.0))
    found = scale_intervals(
        np.nan_to_num(churn),
        np.nan_to_num(se),
        effective,
        known,
        confidence,
        ends=(0.0, 1.0),
        df=df,
    )
    return [None if one is None else (1.0 - one.upper, 1.0 - one.lower) for one in found]


def first_contact(
    gross: Sample, net: Sample | None, *, confidence: float = 0.95
) -> list[FirstContact]:
    """First contact resolution under weights, for every group.

    ``100 W_resolved / (W - W_not resolvable)``, a share of those who are neither; Taylor's errors.

    Parameters
    ----------
    gross : Sample
        K = 2: not resolved, resolved.
    net : Sample, optional
        The same without those that the first level could not have resolved.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of FirstContact, length g
        `n`, `resolved` and `not_resolvable` are responses.
    """
    whole = shares(gross, confidence)
    resolved = gross.counts[:, 1].tolist()
    if net is None:
        return [
            FirstContact(n, up, rate, se, interval, None, None, None, None)
            for (n, rate, se, interval), up in zip(whole, resolved, strict=True)
        ]
    parts = shares(net, confidence)
    return [
        FirstContact(n, up, rate, se, interval, n - left, net_rate, net_se, bounds)
        for (n, rate, se, interval), up, (left, net_rate, net_se, bounds) in zip(
            whole, resolved, parts, strict=True
        )
    ]


def retention(
    churned: Sample,
    *,
    periods: int = 1,
    revenue: Points | None = None,
    confidence: float = 0.95,
) -> list[Retention]:
    """Churn and retention under weights, for every group.

    Churn is a weighted share. Revenue churn is the ratio ``R = sum w r over those who left / sum w r``;
    with d = r (left - R), ``SE^2 = n / (n - 1) sum w^2 d^2 / (sum w r)^2``; its interval is that of a share
    of ``(sum w r)^2 / sum w^2 r^2`` customers (`cxstream.analytics.survey.scale_intervals`).

    Parameters
    ----------
    churned : Sample
        K = 2: stayed, left.
    periods : int
        1 or more.
    revenue : Points, optional
        Of those who stayed and those who left, of every group in turn.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Retention, length g

    References
    ----------
    Ratios: Cochran, W. G. (1977), Sampling Techniques, 3rd ed., 6.4; Woodruff, R. S. (1971),
    https://doi.org/10.1080/01621459.1971.10482279
    """
    rows = []
    lost = churned.counts[:, 1].tolist()
    for g, (n, churn, se, interval) in enumerate(shares(churned, confidence)):
        over = over_se = over_interval = None
        if churn is not None and interval is not None:
            over, lower, upper = (
                100.0 * over_periods(min(max(one / 100.0, 0.0), 1.0), periods)
                for one in (churn, interval.lower, interval.upper)
            )
            if se is not None:
                over_se = se * periods * (1.0 - churn / 100.0) ** (periods - 1)
            over_interval = Interval(lower, upper, interval.method, confidence)
        money: tuple[int | None, float | None, float | None, Interval | None]
        money = (None, None, None, None)
        if revenue is not None:
            money = _revenue(revenue.take(np.array([2 * g, 2 * g + 1])), confidence)
        rows.append(
            Retention(
                n,
                lost[g],
                churn,
                None if churn is None else 100.0 - churn,
                se,
                interval if n else None,
                periods,
                over,
                over_se,
                over_interval,
                *money,
            )
        )
    return rows


def _revenue(
    sides: Points, confidence: float
) -> tuple[int, float | None, float | None, Interval | None]:
    n = int(sides.n.sum())
    money = sides.total * sides.mean
    total = float(money.sum())
    if total <= 0.0:
        return n, None, None, None
    share = float(money[1]) / total
    if n < 2:
        return n, 100.0 * share, None, None
    b = np.array([-share, 1.0 - share]) / total
    variance = float(Linear.over(sides, b * sides.mean, b).variance[0])
    se = 100.0 * math.sqrt(float(gain(n)) * variance)
    # So many equal revenues, of as many weights, stand for all of them.
    spent = sides.q.sum(axis=1) * sides.mean**2 + 2.0 * sides.mean * sides.d.sum(axis=1)
    size = divide(total**2, float((spent + sides.c.sum(axis=1)).sum()))
    effective = np.atleast_1d(size)
    known = np.isfinite(quantile(effective - 1.0, confidence))
    (interval,) = scale_intervals(
        np.array([100.0 * share]), np.array([se]), effective, known, confidence, ends=(0.0, 100.0)
    )
    return n, 100.0 * share, se, interval
