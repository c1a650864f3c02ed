"""Where a series changes: the split into regimes that its counts make likeliest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri, xlogy

from cxstream.analytics.checks import Floats, as_counts, divide
from cxstream.analytics.scores import Scores

#: The cost of a run of buckets, by its first buckets (an array) and the bucket after its last.
Cost = Callable[[npt.NDArray[np.int64], int], Floats]

#: The search takes time with the square of the number of buckets: a second or two for these.
MOST_BUCKETS: Final = 10_000


def change_points_of_classes(classes: npt.ArrayLike, *, false_alarm: float = 0.05) -> list[int]:
    """Find where the shares of the classes change.

    The cost of a regime is minus the largest log-likelihood of its counts, ``-sum_c n_c log(n_c /
    n)``, from prefix sums. See `penalty` for what a change point has to gain.

    Parameters
    ----------
    classes : array_like of int, shape (T, C)
        Respondents of each bucket in each class. A bucket without answers is a gap: nothing starts
        there.
    false_alarm : float
        Chance that a series that never changes is split; in (0, 1).

    Returns
    -------
    list of int
        The first bucket of every regime but the first, ascending.

    Raises
    ------
    ValueError
        More buckets with answers than `MOST_BUCKETS`, or `false_alarm` outside (0, 1).

    References
    ----------
    Killick, R., Fearnhead, P., Eckley, I. A. (2012), "Optimal detection of changepoints with a
    linear computational cost", JASA 107, 1590-1598, https://doi.org/10.1080/01621459.2012.737745
    """
    return _of_classes(as_counts(classes, "classes", 2), false_alarm)


def change_points_of_shares(classes: Floats, *, false_alarm: float = 0.05) -> list[int]:
    """Find where the shares of the classes change, of a series whose counts are effective ones.

    As `change_points_of_classes`: a pseudo-likelihood of weighted shares.

    Parameters
    ----------
    classes : (T, C) float64
        Weighted shares times effective respondents of each bucket.
    false_alarm : float
        In (0, 1).

    Returns
    -------
    list of int
        The first bucket of every regime but the first, ascending.
    """
    return _of_classes(classes, false_alarm)


def _of_classes(counts: npt.NDArray[Any], false_alarm: float) -> list[int]:
    answered = np.flatnonzero(counts.sum(axis=1))
    used = counts[answered]
    used = used[:, used.sum(axis=0) > 0]
    prefix = np.zeros((used.shape[1], len(used) + 1), dtype=counts.dtype)
    np.cumsum(used.T, axis=1, out=prefix[:, 1:])

    def cost(starts: npt.NDArray[np.int64], end: int) -> Floats:
        # Sums that are no whole numbers may differ by less than nothing.
        inside = np.maximum((prefix[:, end, None] - prefix[:, starts]).astype(np.float64), 0.0)
        n = inside.sum(axis=0)
        result: Floats = xlogy(n, n) - xlogy(inside, inside).sum(axis=0)
        return result

    limit = penalty(len(used), used.shape[1] - 1, false_alarm)
    return [int(k) for k in answered[_pelt(cost, len(used), limit)]]


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """Means of a series of buckets.

    Attributes
    ----------
    n : (T,) float64
        Respondents, or as many as say the same; 0 for a gap.
    mean : (T,) float64
        From anywhere: only their distances matter.
    variance : (T,) float64
        Of one respondent within each bucket (divisor n).
    df : (T,) float64
        Degrees of freedom of that variance.
    """

    n: Floats
    mean: Floats
    variance: Floats
    df: Floats

    @classmethod
    def of(cls, buckets: Scores) -> Self:
        """Take scores, from that of the whole."""
        centre = buckets.whole[1]
        n = np.array(buckets.n, dtype=np.float64)
        apart = np.array([float(one - centre) for one in buckets.score], dtype=np.float64)
        return cls(n, apart, buckets.variance, n - (n > 0.0))


def change_points_of_means(buckets: Scores, *, false_alarm: float = 0.05) -> list[int]:
    """Find where a mean changes, the spread within buckets staying the same.

    The cost of a regime is minus the log-likelihood of its bucket means as normal ones, ``sum_j
    n_j (x_j - xbar)^2 / (2 V)``, with V the variance within buckets of all of them.

    Parameters
    ----------
    buckets : Scores
        The buckets; one without answers is a gap.
    false_alarm : float
        Chance that a series that never changes is split; in (0, 1).

    Returns
    -------
    list of int
        The first bucket of every regime but the first, ascending. None where V is 0 or unknown.

    Raises
    ------
    ValueError
        As `change_points_of_classes`.
    """
    return change_points_of_series(Means.of(buckets), false_alarm=false_alarm)


def change_points_of_series(buckets: Means, *, false_alarm: float = 0.05) -> list[int]:
    """Find where a mean changes, given effective respondents; see `change_points_of_means`.

    Parameters
    ----------
    buckets : Means
    false_alarm : float
        In (0, 1).

    Returns
    -------
    list of int
        The first bucket of every regime but the first, ascending.
    """
    answered = np.flatnonzero(buckets.n > 0.0)
    n = buckets.n[answered]
    degrees = float(buckets.df[answered].sum())
    variance = float(np.dot(n, buckets.variance[answered])) / degrees if degrees > 0.0 else 0.0
    limit = penalty(len(n), 1, false_alarm)
    if variance == 0.0:
        return []
    apart = buckets.mean[answered]
    apart = apart - divide(float(np.dot(n, apart)), float(n.sum()))
    sizes, sums, squares = (
        np.concatenate([[0.0], np.cumsum(one)]) for one in (n, n * apart, n * apart * apart)
    )

    def cost(starts: npt.NDArray[np.int64], end: int) -> Floats:
        total = sums[end] - sums[starts]
        left = squares[end] - squares[starts] - divide(total * total, sizes[end] - sizes[starts])
        result: Floats = np.maximum(left, 0.0) / (2.0 * variance)
        return result

    return [int(k) for k in answered[_pelt(cost, len(n), limit)]]


def penalty(buckets: int, parameters: int, false_alarm: float) -> float:
    """Log-likelihood that a change point must gain.

    Half the quantile of chi-squared with as many degrees of freedom as a regime has free
    parameters, at `false_alarm` over the number of places where the series could be split: that
    bounds the chance that one split of a series that never changes looks worth it (Bonferroni).

    Parameters
    ----------
    buckets : int
        Buckets with answers.
    parameters : int
        Free parameters of a regime: classes less one, or 1 for a mean.
    false_alarm : float
        In (0, 1).

    Returns
    -------
    float
        Infinite where there is nothing to split, or nothing that could change.

    Raises
    ------
    ValueError
        More buckets than `MOST_BUCKETS`, or `false_alarm` outside (0, 1).
    """
    if not 0.0 < false_alarm < 1.0:
        raise ValueError(f"false_alarm {false_alarm} is not strictly between 0 and 1")
    if buckets > MOST_BUCKETS:
        raise ValueError(
            f"{buckets} buckets with answers are more than the {MOST_BUCKETS} that change points "
            "are sought in: take coarser ones"
        )
    if buckets < 2 or parameters < 1:
        return float("inf")
    return 0.5 * float(chdtri(parameters, false_alarm / (buckets - 1)))


def _pelt(cost: Cost, buckets: int, limit: float) -> npt.NDArray[np.int64]:
    """Minimise the cost of all regimes plus `limit` for every change point, exactly.

    A first bucket that is beaten without the penalty can never win later: splitting a run never
    raises its cost.
    """
    if not np.isfinite(limit):
        return np.zeros(0, dtype=np.int64)
    best = np.zeros(buckets + 1)
    best[0] = -limit
    previous = np.zeros(buckets + 1, dtype=np.int64)
    starts = np.zeros(1, dtype=np.int64)
    for end in range(1, buckets + 1):
        values = best[starts] + cost(starts, end)
        at = int(np.argmin(values))
        best[end], previous[end] = values[at] + limit, starts[at]
        starts = np.append(starts[values <= best[end]], end)
    found = []
    at = int(previous[buckets])
    while at:
        found.append(at)
        at = int(previous[at])
    return np.array(found[::-1], dtype=np.int64)
