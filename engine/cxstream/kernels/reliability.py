"""One common factor of correlated items."""

import numpy as np
import numpy.typing as npt
from numba import types

from cxstream.kernels.registry import kernel, ro, rw

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


@kernel(
    types.void(
        ro(types.float64, 3),  # correlation
        types.float64,  # tolerance
        types.int64,  # sweeps
        rw(types.float64, 2),  # loading
        rw(types.int64),  # done
    )
)
def one_factor(
    correlation: _Floats, tolerance: float, sweeps: int, loading: _Floats, done: _Ints
) -> None:
    """Loadings that leave the least squares of correlations off the diagonal (minres).

    With the others held, the sum of (r_ij - l_i l_j)^2 over j is a parabola in l_i; each loading in
    turn goes to its lowest point within -1..1. No sweep can make the sum larger.

    Parameters
    ----------
    correlation : float64, shape (g, k, k)
        A row of zeros for an item that is not there.
    tolerance : float
        Done when no loading moves by more.
    sweeps : int
        At most so many.
    loading : float64, shape (g, k), read and written
        Where to begin.
    done : int64, shape (g,), written
        Sweeps it took; -1 where they did not suffice.
    """
    k = correlation.shape[1]
    for g in range(correlation.shape[0]):
        done[g] = -1
        for sweep in range(sweeps):
            moved = 0.0
            for i in range(k):
                top = 0.0
                bottom = 0.0
                for j in range(k):
                    if j != i:
                        top += correlation[g, i, j] * loading[g, j]
                        bottom += loading[g, j] * loading[g, j]
                best = top / bottom if bottom > 0.0 else 0.0
                best = min(max(best, -1.0), 1.0)
                moved = max(moved, abs(best - loading[g, i]))
                loading[g, i] = best
            if moved <= tolerance:
                done[g] = sweep + 1
                break
