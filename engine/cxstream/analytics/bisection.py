"""Where a condition ceases to hold, of many groups at once."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Floats
from cxstream.analytics.intervals import HALVINGS


def bisect(
    inside: Floats, outside: Floats, holds: Callable[[Floats], npt.NDArray[np.bool_]]
) -> Floats:
    """Return, for each group, how far a condition holds on the way from one value to another.

    `cxstream.kernels.net_score` does the same for the score interval, of which there are most.

    Parameters
    ----------
    inside : ndarray of float64, shape (g,)
        Where it holds, or is taken to.
    outside : ndarray of float64, shape (g,)
        Where to stop looking. It is not tried itself.
    holds : function of ndarray, shape (g,), to bool array
        The condition at one value for each group; on the way it changes once.

    Returns
    -------
    ndarray of float64, shape (g,)
        As near to the change as `HALVINGS` halvings come, on the side of `inside`.
    """
    for _ in range(HALVINGS):
        middle = 0.5 * (inside + outside)
        if ((middle == inside) | (middle == outside)).all():
            break
        within = holds(middle)
        inside, outside = np.where(within, middle, inside), np.where(within, outside, middle)
    return inside
