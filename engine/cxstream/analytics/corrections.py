"""Correcting p-values for how many were looked at."""

from typing import Final, Literal

import numpy as np

from cxstream.analytics.checks import Floats

Correction = Literal["holm", "benjamini_hochberg"]

CORRECTIONS: Final[tuple[Correction, ...]] = ("holm", "benjamini_hochberg")


def adjust(p: Floats, correction: Correction) -> Floats:
    """Correct p-values of one family for their number.

    ``holm``: p_(i) (m - i + 1), made increasing; the chance of any false finding stays below the
    level. ``benjamini_hochberg``: p_(i) m / i, made increasing from the top; the expected share
    of false findings stays below it.

    Parameters
    ----------
    p : ndarray of float64, shape (m,)
        The p-values.
    correction : {"holm", "benjamini_hochberg"}
        Which one.

    Returns
    -------
    ndarray of float64, shape (m,)
        Corrected p-values, at most 1, in the order given.

    References
    ----------
    Holm, S. (1979), Scandinavian Journal of Statistics 6, 65-70; Benjamini, Y. and Hochberg, Y.
    (1995), JRSS B 57, 289-300, https://doi.org/10.1111/j.2517-6161.1995.tb02031.x
    """
    m = p.shape[0]
    order = np.argsort(p, kind="stable")
    ordered = p[order]
    if correction == "holm":
        raised = np.maximum.accumulate(ordered * np.arange(m, 0, -1))
    else:
        raised = np.minimum.accumulate((ordered * m / np.arange(1, m + 1))[::-1])[::-1]
    result = np.empty_like(p)
    result[order] = np.minimum(raised, 1.0)
    return result
