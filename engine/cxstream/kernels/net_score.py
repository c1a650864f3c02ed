"""Net scores: the scores that a score test does not reject."""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from cxstream.kernels.registry import helper, kernel, ro, rw

_Floats = npt.NDArray[np.float64]

_EPSILON = 2.0**-52

_F8_1 = ro(types.float64)
_OUT = rw(types.float64)


@helper
def _excess(delta: float, negative: float, positive: float, n: float, z: float) -> float:
    """(p - d - n delta)^2 - z^2 n var(delta), the variance as `intervals.score_variance` has it."""
    size = abs(delta)
    ahead, behind = (positive, negative) if delta >= 0.0 else (negative, positive)
    b = (2.0 * n - ahead + behind) * size - ahead - behind
    minus_c = behind * size * (1.0 - size)
    root = math.sqrt(b * b + 8.0 * n * minus_c)
    q = 0.0
    if b <= 0.0:
        q = (root - b) / (4.0 * n)
    elif b + root != 0.0:
        q = 2.0 * minus_c / (b + root)
    variance = 2.0 * q + size * (1.0 - size)
    distance = positive - negative - n * delta
    return distance * distance - (z * z) * n * variance


@kernel(
    types.void(
        _F8_1,  # negative
        _F8_1,  # positive
        _F8_1,  # n
        types.float64,  # z
        types.int64,  # halvings
        _OUT,  # lower
        _OUT,  # upper
    )
)
def net_score_bounds(
    negative: _Floats,
    positive: _Floats,
    n: _Floats,
    z: float,
    halvings: int,
    lower: _Floats,
    upper: _Floats,
) -> None:
    """Find the two ends of {delta: |Z(delta)| <= z}, group by group.

    By ITP [1]_: a step goes where the line through both ends of the interval has its root, moved towards
    the middle, and never further from it than what keeps the number of steps that of bisection at worst.

    Parameters
    ----------
    negative, positive, n : float64, shape (g,)
        Counts of the two outer classes, and of all three; n is 0 for no group's answers.
    z : float
        Two-sided normal quantile.
    halvings : int
        Of each interval, after which it is narrow enough; it is, too, once it has no float64 inside.
    lower, upper : float64, shape (g,), written
        Bounds on -1..1: these where n is 0.

    References
    ----------
    .. [1] I. F. D. Oliveira, R. H. C. Takahashi, An enhancement of the bisection method average
       performance preserving minmax optimality, 2020, https://doi.org/10.1145/3423597
    """
    for group in range(n.shape[0]):
        lower[group], upper[group] = -1.0, 1.0
        if n[group] == 0.0:
            continue
        d, p, total = negative[group], positive[group], n[group]
        for end in (-1.0, 1.0):
            inside, outside = (p - d) / total, end
            below, above = _excess(inside, d, p, total, z), _excess(outside, d, p, total, z)
            if above <= 0.0:
                inside = outside
            # Half of the width that bisection would have come to after one step more.
            most = 0.5 * abs(outside - inside)
            move = 0.2 / (2.0 * most) if most > 0.0 else 0.0
            for _ in range(halvings + 1):
                middle = 0.5 * (inside + outside)
                if middle in (inside, outside):
                    break
                width = outside - inside
                line = inside - width * (below / (above - below))
                step = move * width * width + 4.0 * _EPSILON * abs(line)
                towards = middle - line
                if step < abs(towards):
                    line += step if towards > 0.0 else -step
                else:
                    line = middle
                radius = max(2.0 * most - 0.5 * abs(width), 0.0)
                line = min(max(line, middle - radius), middle + radius)
                if line in (inside, outside):
                    line = middle
                found = _excess(line, d, p, total, z)
                if found <= 0.0:
                    inside, below = line, found
                else:
                    outside, above = line, found
                most *= 0.5
            if end < 0.0:
                lower[group] = inside
            else:
                upper[group] = inside
