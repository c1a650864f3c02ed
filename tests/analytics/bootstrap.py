"""Importance of resampled rows: what a standard error by the delta method is compared with."""

import numpy as np

from cxstream.kernels.importance import shapley
from tests.reference.importance import bootstrap_se

REPLICATES = 1000
# So many replicates know a standard error to 2.2 %, and the delta method is right to the first
# order; the task's bound.
BOOTSTRAP = 0.10


def answers(seed, n, p, effects=None):
    """Eleven-point answers that share a factor, the last one moved by the others."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1)) + rng.normal(size=(n, p))
    y = x @ (np.linspace(1, 0, p) if effects is None else np.array(effects))
    y = y + rng.normal(size=n) * 1.5
    return np.clip(np.rint(5 + np.column_stack([x, y])), 0, 10).astype(np.int64)


def lmg_of(covariance):
    """LMG of each covariance, the outcome last; by the kernel, so that a bootstrap is quick too."""
    correlation = _correlation(covariance)
    share = np.empty((len(correlation), correlation.shape[1] - 1))
    shapley(np.ascontiguousarray(correlation), 1e-12, share, np.empty((len(share), 0, 0)))
    return share


def johnson_of(covariance):
    """Relative weights of each covariance, the outcome last."""
    correlation = _correlation(covariance)
    p = correlation.shape[1] - 1
    values, vectors = np.linalg.eigh(correlation[:, :p, :p])
    root = (vectors * np.sqrt(values)[:, None]) @ vectors.transpose(0, 2, 1)
    score = np.linalg.solve(root, correlation[:, :p, p, None])
    return (root**2 @ score**2)[:, :, 0]


def _correlation(covariance):
    sd = np.sqrt(np.einsum("gii->gi", covariance))
    return covariance / (sd[:, :, None] * sd[:, None, :])


def lmg_errors(rows):
    """Standard errors of LMG from resampled rows."""
    return bootstrap_se(rows, lmg_of, REPLICATES, seed=1)


def johnson_errors(rows):
    """Standard errors of relative weights from resampled rows."""
    return bootstrap_se(rows, johnson_of, REPLICATES, seed=2)
