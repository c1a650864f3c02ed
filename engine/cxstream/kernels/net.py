"""Score intervals of net scores."""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from cxstream.kernels.registry import helper, kernel, ro, rw

_Floats = npt.NDArray[np.float64]


@helper
def _excess(delta: float, negative: float, positive: float, n: float, z: float) -> float:
    """(p - d - n delta)^2 - z^2 n var(delta); see `cxstream.analytics.intervals.score_variance`."""
    size = abs(delta)
    ahead, behind = (positive, negative) if delta >= 0.0 else (negative, positive)
    b = (2.0 * n - ahead + behind) * size - ahead - behind
    minus_c = behind * size * (1.0 - size)
    root = math.sqrt(b * b + 8.0 * n * minus_c)
    top, bottom = (root - b, 4.0 * n) if b <= 0.0 else (2.0 * minus_c, b + root)
    q = top / bottom if bottom != 0.0 else 0.0
    distance = positive - negative - n * delta
    return distance * distance - (z * z) * n * (2.0 * q + size * (1.0 - size))


@kernel(
    types.void(
        ro(types.float64),  # negative
        ro(types.float64),  # neutral
        ro(types.float64),  # positive
        types.float64,  # z
        types.int64,  # halvings
        rw(types.float64, 2),  # bounds
    )
)
def score_bounds(
    negative: _Floats, neutral: _Floats, positive: _Floats, z: float, halvings: int, bounds: _Floats
) -> None:
    """Bisect for the two ends of {delta: |Z(delta)| <= z}.

    Parameters
    ----------
    negative, neutral, positive : float64, shape (g,)
        Counts of the three classes.
    z : float
        Two-sided normal quantile.
    halvings : int
        At most so many; fewer where no number is left between.
    bounds : float64, shape (2, g), written
        Lower and upper, on -1..1.
    """
    for g in range(len(negative)):
        n = negative[g] + neutral[g] + positive[g]
        centre = (positive[g] - negative[g]) / n if n != 0.0 else 0.0
        for side in range(2):
            inside = centre
            outside = 2.0 * side - 1.0
            if _excess(outside, negative[g], positive[g], n, z) <= 0.0:
                inside = outside
            for _ in range(halvings):
                middle = 0.5 * (inside + outside)
                if middle == inside or middle == outside:
                    break  # and so would all further ones
                if _excess(middle, negative[g], positive[g], n, z) <= 0.0:
                    inside = middle
                else:
                    outside = middle
            bounds[side, g] = inside
