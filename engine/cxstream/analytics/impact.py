"""How far one segment, or one answer, pulls a score: the score with it less the score without."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cxstream.analytics.checks import divide
from cxstream.analytics.intervals import Interval, check_confidence, t_quantile
from cxstream.analytics.scores import Scores


@dataclass(frozen=True, slots=True)
class Impact:
    """Leave-one-out impact of one group.

    Attributes
    ----------
    n : int
        Respondents in the group.
    share : float or None
        100 n over all respondents; None where there are none.
    score : float or None
        Score of the group; None when n is 0.
    without : float or None
        Score of everybody else; None where there is nobody else.
    impact : float or None
        Score of all less `without`, in points; None where that is None.
    se : float or None
        Its standard error by the delta method; None when n is 0: nothing is left out then.
    interval : Interval or None
        impact -+ t se sqrt(n / (n - 1)), n the respondents of the whole.
    """

    FORMULAS: ClassVar = ("impact",)

    n: int
    share: float | None
    score: float | None
    without: float | None
    impact: float | None
    se: float | None
    interval: Interval | None


def impacts(groups: Scores, whole: Scores, *, confidence: float = 0.95) -> list[Impact]:
    """Give the leave-one-out impact of every group.

    ``N - N_without_t = n_t (N_t - N) / (n - n_t)``, in fractions, rounded once. With share s of
    the group, V_t and V_r the variances within it and among the rest, and D the distance of their
    scores: ``SE^2 = [s (1 - s) D^2 + s V_t + s^2 V_r / (1 - s)] / n``.

    Parameters
    ----------
    groups : Scores
        Each a part of the whole; they may overlap, as those who chose one of several answers do.
    whole : Scores
        One group: everybody.
    confidence : float
        Level of the intervals, in (0, 1).

    Returns
    -------
    list of Impact, one per group

    Raises
    ------
    ValueError
        `whole` is not one group, a group is larger than it, or a level outside (0, 1).

    References
    ----------
    The formula as used for topics of comments:
    https://community.qualtrics.com/xm-experience-17/nps-impact-score-26174
    """
    check_confidence(confidence)
    if len(whole) != 1:
        raise ValueError("the whole must be one group")
    (n,), (score,), variance = whole.n, whole.score, float(whole.variance[0])
    if any(count > n for count in groups.n):
        raise ValueError("a group has more respondents than the whole")
    rest = [
        (n * score - count * one) / (n - count) if count < n else None
        for count, one in zip(groups.n, groups.score, strict=True)
    ]
    size = np.array(groups.n, dtype=np.float64)
    others = n - size
    # Distances of the group, and of the whole, from the rest.
    apart, pulled = (
        np.array([0.0 if r is None else float(x - r) for x, r in zip(values, rest, strict=True)])
        for values in (groups.score, [score] * len(groups))
    )
    left = n * (variance + pulled * pulled) - size * (groups.variance + apart * apart)
    among = np.maximum(divide(left, others), 0.0)
    s = divide(size, np.full_like(size, n))
    squares = s * (1.0 - s) * apart * apart + s * groups.variance + divide(s * s * among, 1.0 - s)
    errors = np.sqrt(divide(squares, np.full_like(size, n))).tolist()
    # The error with n - 1 for n, and t for the normal quantile.
    stretch = float(t_quantile(max(n - 1, 1), confidence)) * math.sqrt(n / max(n - 1, 1))
    result = []
    for count, own, left_over, error in zip(groups.n, groups.score, rest, errors, strict=True):
        value = None if left_over is None else float(score - left_over)
        known = value is not None and count > 0
        result.append(
            Impact(
                count,
                100 * count / n if n else None,
                float(own) if count else None,
                None if left_over is None else float(left_over),
                value,
                error if known else None,
                Interval(value - stretch * error, value + stretch * error, "student_t", confidence)
                if value is not None and count
                else None,
            )
        )
    return result
