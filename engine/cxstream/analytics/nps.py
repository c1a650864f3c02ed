"""Net Promoter Score."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Counts, as_counts
from cxstream.analytics.columns import Column, Columns, listed
from cxstream.analytics.intervals import Interval, OneNetMethod, net_columns
from cxstream.kernels.scores import net_scores


@dataclass(frozen=True, slots=True)
class Nps:
    """Net Promoter Score of one group.

    Attributes
    ----------
    n : int
        Respondents who answered.
    promoters, passives, detractors : int
        The three classes; they add to n.
    score : float or None
        100 (promoters - detractors) / n, on -100..100; None when n is 0.
    variance : float or None
        Variance of one respondent's -100, 0 or 100, in squared points (divisor n).
    se : float or None
        Standard error in points, sqrt(variance / n). 0 when all are of one class, n = 1 included:
        read the interval instead.
    interval : Interval or None
        Bounds on -100..100.
    """

    FORMULAS: ClassVar = ("nps",)

    n: int
    promoters: int
    passives: int
    detractors: int
    score: float | None
    variance: float | None
    se: float | None
    interval: Interval | None


def classify(histogram: npt.ArrayLike, passive_from: int, promoter_from: int) -> Counts:
    """Sort the levels of a scale into detractors, passives and promoters.

    The cuts are half open: below `passive_from` detractor, from `promoter_from` on promoter, so
    no level falls between two classes.

    Parameters
    ----------
    histogram : array_like of int, shape (g, K)
        Respondents at each level of the scale, lowest first.
    passive_from, promoter_from : int
        Indices into the level axis: 7 and 9 on the usual 0..10 scale.

    Returns
    -------
    ndarray of int64, shape (g, 3)
        Columns detractors, passives, promoters.

    Raises
    ------
    ValueError
        The cuts are not 0 < passive_from <= promoter_from < K.

    References
    ----------
    Reichheld, F. F. (2003), "The one number you need to grow", Harvard Business Review 81(12).
    """
    counts = as_counts(histogram, "histogram", 2)
    levels = counts.shape[1]
    if not 0 < passive_from <= promoter_from < levels:
        raise ValueError(
            f"cuts {passive_from} and {promoter_from} are not allowed: "
            f"they must satisfy 0 < passive_from <= promoter_from < {levels}"
        )
    edges = sorted({0, passive_from, promoter_from})
    classes: Counts = np.add.reduceat(counts, edges, axis=1)
    # Where nobody can be passive there are two.
    return classes if len(edges) > 2 else np.insert(classes, 1, 0, axis=1)


def nps_columns(
    classes: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    method: OneNetMethod = "score",
) -> Columns:
    """Net Promoter Score with its uncertainty, for every group.

    ``N = (P - D) / n``, ``V = p + d - N^2``, ``SE = sqrt(V / n)``, all times 100.

    Parameters
    ----------
    classes : array_like of int, shape (g, 3)
        Columns detractors, passives, promoters. Missing answers are in none of them.
    confidence : float
        Level of the interval, in (0, 1).
    method : {"score", "adjusted_wald", "wald", "student_t", "goodman"}
        See `cxstream.analytics.intervals.net`.

    Returns
    -------
    Columns of Nps, one for each group
        n = 0: score, variance, se, interval are None. n = 1: the score is -100, 0 or 100 with se
        0, and the interval (unless ``wald``) shows how little that says.

    References
    ----------
    https://stats.stackexchange.com/questions/18603; Rocks, B. (2016), The American Statistician
    70, 365-372, https://arxiv.org/abs/1601.07235
    """
    counts = np.ascontiguousarray(as_counts(classes, "classes", 2, 3))
    low, middle, high = counts.T
    score, variance, se = np.empty((3, len(counts)))
    net_scores(counts, score, variance, se)
    fields: dict[str, Column] = {
        "n": low + middle + high,
        "promoters": high,
        "passives": middle,
        "detractors": low,
        "score": score,
        "variance": variance,
        "se": se,
        "interval": net_columns(low, middle, high, method=method, confidence=confidence),
    }
    return Columns(Nps, (len(counts),), fields)


#: As `nps_columns`, as a list.
nps = listed(nps_columns, Nps)
