"""Customer satisfaction: share of satisfied answers, and the mean on 0..100."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy.typing as npt

from cxstream.analytics.checks import as_counts, divide, where_any
from cxstream.analytics.columns import Column, Columns, listed
from cxstream.analytics.distribution import moments
from cxstream.analytics.intervals import Interval, share_se, wilson_columns
from cxstream.analytics.means import means_columns


@dataclass(frozen=True, slots=True)
class Csat:
    """Customer satisfaction of one group.

    Attributes
    ----------
    n : int
        Respondents who answered.
    top : int
        Respondents in the top box.
    score : float or None
        100 top / n; None when n is 0.
    se : float or None
        Standard error of the score, 100 sqrt(p (1 - p) / n).
    interval : Interval or None
        Wilson interval of the score.
    mean : float or None
        Mean rescaled to 0..100, 100 meaning the best level.
    mean_se : float or None
        Its standard error (sample variance, divisor n - 1); None when n is below 2.
    mean_interval : Interval or None
        Quasi-binomial interval of the mean; None when n is below 2.
    """

    FORMULAS: ClassVar = ("csat",)

    n: int
    top: int
    score: float | None
    se: float | None
    interval: Interval | None
    mean: float | None
    mean_se: float | None
    mean_interval: Interval | None


def csat_columns(
    histogram: npt.ArrayLike,
    *,
    top_from: int,
    reverse: bool = False,
    confidence: float = 0.95,
) -> Columns:
    """Top-box share and rescaled mean, for every group.

    ``score = 100 * #(level index >= top_from) / n``; ``mean = 100 * mean index / (K - 1)``.

    Parameters
    ----------
    histogram : array_like of int, shape (g, K)
        Respondents at each level, lowest stored value first; K is 2 or more.
    top_from : int
        First level index of the top box: 3 for "4 or 5 of 1..5". With `reverse` it counts from
        the good end all the same, so the top box is index <= K - 1 - top_from.
    reverse : bool
        Low stored values are the good ones.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    Columns of Csat, one for each group
        n = 0: every statistic None. n = 1: a score and a mean, no spread of the mean.

    Raises
    ------
    ValueError
        Fewer than two levels, or `top_from` outside 1..K-1.

    References
    ----------
    Wilson, E. B. (1927), https://doi.org/10.1080/01621459.1927.10502953; of the mean:
    `cxstream.analytics.intervals.quasi_binomial`
    """
    counts = as_counts(histogram, "histogram", 2)
    levels = counts.shape[1]
    if levels < 2:
        raise ValueError("histogram must have 2 or more levels")
    if not 0 < top_from < levels:
        raise ValueError(f"top_from {top_from} is not allowed: it must be in 1..{levels - 1}")
    if reverse:
        counts = counts[:, ::-1]
    n = counts.sum(axis=1)
    top = counts[:, top_from:].sum(axis=1)
    rescaled = means_columns(
        *moments(counts, range(levels)),
        origin=Fraction(0),
        step=Fraction(100, levels - 1),
        ends=(Fraction(0), Fraction(100)),
        confidence=confidence,
    ).fields
    fields: dict[str, Column] = {
        "n": n,
        "top": top,
        "score": where_any(n, divide(100 * top, n)),
        "se": where_any(n, share_se(top, n)),
        "interval": wilson_columns(top, n, confidence=confidence),
        "mean": rescaled["mean"],
        "mean_se": rescaled["se"],
        "mean_interval": rescaled["interval"],
    }
    return Columns(Csat, n.shape, fields)


#: As `csat_columns`, as a list.
csat = listed(csat_columns, Csat)
