"""Scores with their standard errors, and intervals of means on a scale: what one group takes is little.

An array operation takes a microsecond whatever its length, and these are dozens of them.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from cxstream.kernels.registry import helper, kernel, ro, rw

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]

_I8_1 = ro(types.int64)
_F8_1 = ro(types.float64)
_OUT = rw(types.float64)


@kernel(types.void(ro(types.int64, 2), _OUT, _OUT, _OUT))
def net_scores(classes: _Ints, score: _Floats, variance: _Floats, se: _Floats) -> None:
    """Net scores, 100 times the share of the last class less that of the first.

    Parameters
    ----------
    classes : int64, shape (g, 3)
        Negative, neutral, positive.
    score, variance, se : float64, shape (g,), written
        `variance` is that of one answer, as in `analytics.intervals.net_variance`, on the same scale.
        NaN where there is no answer.
    """
    for group in range(classes.shape[0]):
        low, middle, high = classes[group, 0], classes[group, 1], classes[group, 2]
        total = low + middle + high
        if total == 0:
            score[group] = variance[group] = se[group] = np.nan
            continue
        n, p, d = np.float64(total), np.float64(high), np.float64(low)
        of_one = (np.float64(middle) * (p + d) + 4.0 * p * d) / n / n
        score[group] = np.float64(100 * (high - low)) / n
        variance[group] = 1e4 * of_one
        se[group] = 100.0 * math.sqrt(of_one / n)


@kernel(types.void(_I8_1, _F8_1, _F8_1, _OUT, _OUT))
def mean_scores(count: _Ints, mean: _Floats, squares: _Floats, score: _Floats, se: _Floats) -> None:
    """Means and their standard errors, from sums of squared deviations.

    Parameters
    ----------
    count, mean, squares : int64, float64, float64, shape (m,)
        As `kernels.index` gives them.
    score, se : float64, shape (m,), written
        NaN where there is nobody; `se` also where there is but one.
    """
    for at in range(count.shape[0]):
        n = count[at]
        score[at] = mean[at] if n > 0 else np.nan
        se[at] = math.sqrt(squares[at] / np.float64(n - 1) / np.float64(n)) if n > 1 else np.nan


@helper
def _answers_like(mean: float, se: float, n: float, pseudo: float) -> float:
    """As `analytics.intervals.answers_like`."""
    total = n + 2.0 * pseudo
    near = (n * mean + pseudo) / total
    away, other = mean - near, 1.0 - near
    spread = n * (n * se * se + away * away) + pseudo * (near * near + other * other)
    found = near * other * total * total / spread if spread != 0.0 else 0.0
    return max(found - 2.0 * pseudo, 0.5)


@kernel(
    types.void(
        _F8_1,  # middle
        _F8_1,  # error
        _F8_1,  # size
        types.float64,  # low
        types.float64,  # high
        types.float64,  # c
        types.float64,  # pseudo
        _OUT,  # lower
        _OUT,  # upper
        rw(types.boolean),  # known
    )
)
def quasi_binomial_bounds(
    middle: _Floats,
    error: _Floats,
    size: _Floats,
    low: float,
    high: float,
    c: float,
    pseudo: float,
    lower: _Floats,
    upper: _Floats,
    known: _Bools,
) -> None:
    """Wilson's bounds of means on a scale; see `analytics.intervals.quasi_binomial`.

    Parameters
    ----------
    middle, error, size : float64, shape (m,)
        Means, their standard errors, answers.
    low, high : float
        Ends of the scale.
    c : float
        Squared quantile.
    pseudo : float
        Answers added at each end; see `analytics.intervals.answers_like`.
    lower, upper, known : float64, float64, bool, shape (m,), written
        Whether there is an interval: with a mean, an error, and more than one answer. NaN elsewhere.
    """
    span = high - low
    for at in range(middle.shape[0]):
        n = size[at]
        known[at] = math.isfinite(middle[at]) and math.isfinite(error[at]) and n > 1.0
        if not known[at]:
            lower[at] = upper[at] = np.nan
            continue
        mean = min(max((middle[at] - low) / span, 0.0), 1.0)
        like = max(_answers_like(mean, error[at] / span, n, pseudo), n)
        x = mean * like
        root = math.sqrt(c * c + 4.0 * c * x * (1.0 - mean))
        below = 2.0 * (like + c)
        # At the ends the formula gives exactly 0 and 1; say so in spite of rounding.
        down = 0.0 if mean <= 0.0 else min(max((2.0 * x + c - root) / below, 0.0), 1.0)
        up = 1.0 if mean >= 1.0 else min(max((2.0 * x + c + root) / below, 0.0), 1.0)
        lower[at], upper[at] = low + span * down, low + span * up
