"""Comparisons of two groups again, slowly and plainly: oracles for the tests."""

import math

import numpy as np
from scipy import optimize, stats

from tests.reference.statistics import score_interval


def joined_score_interval(
    a: tuple[int, int, int], b: tuple[int, int, int], confidence: float
) -> tuple[float, float]:
    """Interval of N_a - N_b on -2..2 from the two one-sample score intervals, found by brentq."""
    (low_a, high_a), (low_b, high_b) = (score_interval(*one, confidence) for one in (a, b))
    net_a, net_b = ((one[2] - one[0]) / sum(one) for one in (a, b))
    difference = net_a - net_b
    return (
        difference - math.sqrt((net_a - low_a) ** 2 + (high_b - net_b) ** 2),
        difference + math.sqrt((high_a - net_a) ** 2 + (net_b - low_b) ** 2),
    )


def share_score_z(x: int, n: int, y: int, m: int, delta: float) -> float:
    """Miettinen and Nurminen's z of p_a - p_b = delta, the likelihood maximised numerically."""
    low, high = max(0.0, -delta), min(1.0, 1.0 - delta)

    def minus_log_likelihood(q: float) -> float:
        value = 0.0
        for count, share in ((x, q + delta), (n - x, 1 - q - delta), (y, q), (m - y, 1 - q)):
            if count:
                value -= count * math.log(max(share, 1e-300))
        return value

    found = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-13}
    )
    q = min((minus_log_likelihood(one), one) for one in (low, high, float(found.x)))[1]
    p = q + delta
    variance = (p * (1 - p) / n + q * (1 - q) / m) * (n + m) / (n + m - 1)
    return (x / n - y / m - delta) / math.sqrt(variance)


def share_score_interval(x: int, n: int, y: int, m: int, confidence: float) -> tuple[float, float]:
    """Differences whose z is within the normal quantile, found by brentq."""
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    difference = x / n - y / m

    def excess(delta: float) -> float:
        return abs(share_score_z(x, n, y, m, delta)) - z

    lower, upper = -1.0, 1.0
    if excess(-1 + 1e-9) > 0:
        lower = optimize.brentq(excess, -1 + 1e-9, difference - 1e-9)
    if excess(1 - 1e-9) > 0:
        upper = optimize.brentq(excess, difference + 1e-9, 1 - 1e-9)
    return lower, upper


def share_coverage(p: float, q: float, lower: np.ndarray, upper: np.ndarray) -> float:
    """Exact probability that an interval holds p - q.

    `lower` and `upper` have shape (n + 1, m + 1): the bounds at every pair of counts.
    """
    n, m = lower.shape[0] - 1, lower.shape[1] - 1
    x, y = np.arange(n + 1)[:, None], np.arange(m + 1)[None, :]
    chance = stats.binom.pmf(x, n, p) * stats.binom.pmf(y, m, q)
    held = (lower <= p - q + 1e-9) & (p - q - 1e-9 <= upper)
    return float((chance * held).sum())
