"""What an error by cluster lacks: degrees of freedom, and size, where a few clusters decide a coefficient.

A cluster far from the others fits its own residuals, so that ``sum s s'`` is too small. Bell and
McCaffrey (CR2) take ``(I - H_c)^(-1/2)`` of a cluster's residuals, H_c its part of the hat matrix, which
is right on average where errors are alike and independent. As ``X_c' f(X_c M X_c') = f(G_c M) X_c'``, with
``M = A^-1`` and ``G_c = X_c' W X_c``, its score is ``(I - G_c M)^(-1/2) s_c``: sums by cluster suffice.

Of the variance of ``l'b``, with ``v_c = (I - M G_c)^(-1/2) M l``, the degrees of freedom are
``(tr P)^2 / tr P^2``, ``P_cd = v_c' (G_c [c = d] - G_c M G_d) v_d``: those that it would have were errors
alike and independent, with variances of the reciprocal weight (Satterthwaite).

References
----------
Bell, R. and McCaffrey, D. (2002), Survey Methodology 28(2), 169-181; Pustejovsky, J. and Tipton, E. (2018),
Journal of Business and Economic Statistics 36, 672-683, https://doi.org/10.1080/07350015.2016.1247004
"""

from typing import Final

import numpy as np

from cxstream.analytics.checks import Floats, divide

# Of a direction that one cluster alone decides nothing is left: it has no residual to enlarge.
_ALONE: Final = 1e-9


def adjusted(grams: Floats, scores: Floats, forms: Floats) -> tuple[Floats, Floats]:
    """Return the variances of coefficients with Bell and McCaffrey's scores, and their freedom.

    Parameters
    ----------
    grams : ndarray of float64, shape (c, k, k)
        ``X_c' W X_c``, in coordinates in which their sum is well scaled.
    scores : ndarray of float64, shape (c, k)
        ``X_c' W e``.
    forms : ndarray of float64, shape (t, k)
        l of each coefficient.

    Returns
    -------
    variance, df : ndarray of float64, shape (t,)
        Without a factor; 1 to the number of clusters less one.
    """
    total = grams.sum(axis=0)
    # M = L L', so that (I - G M)^(-1/2) = L'^-1 (I - L' G L)^(-1/2) L': symmetric inside.
    low = np.linalg.cholesky(np.linalg.inv(total))
    inside = low.T @ grams @ low
    values, vectors = np.linalg.eigh(np.eye(len(total)) - inside)
    enlarged = np.where(values > _ALONE, np.maximum(values, _ALONE) ** -0.5, 0.0)
    root = (vectors * enlarged[:, None, :]) @ vectors.transpose(0, 2, 1)
    along = forms @ low
    # What each cluster adds to each coefficient: (c, t).
    parts = ((scores @ low)[:, None, :] @ root)[:, 0] @ along.T
    moved = np.einsum("cab,tb->cta", root, along)
    carried = moved @ inside
    own = (carried * moved).sum(axis=2)
    across = np.einsum("cta,ctb->tab", carried, carried)
    trace = (own - (carried**2).sum(axis=2)).sum(axis=0)
    squares = (own**2 - 2.0 * own * (carried**2).sum(axis=2)).sum(axis=0)
    squares = squares + (across**2).sum(axis=(1, 2))
    df = np.clip(divide(trace**2, squares), 1.0, max(len(grams) - 1.0, 1.0))
    return (parts**2).sum(axis=0), df
