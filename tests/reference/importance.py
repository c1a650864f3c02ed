"""Importance and reliability again, slowly and plainly, from raw rows: oracles for the tests."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import optimize


def r_squared(x: Any, y: Any, weights: Any = None) -> float:
    """R2 of a least-squares fit with an intercept, from residuals."""
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    design = np.column_stack([np.ones(len(y)), x]) * np.sqrt(w)[:, None]
    found, *_ = np.linalg.lstsq(design, y * np.sqrt(w), rcond=None)
    residual = y * np.sqrt(w) - design @ found
    centre = (w * y).sum() / w.sum()
    return 1.0 - float(residual @ residual) / float((w * (y - centre) ** 2).sum())


def lmg(x: Any, y: Any, weights: Any = None) -> Any:
    """Mean increase of R2 over all orders of entry, order by order."""
    p = x.shape[1]
    gains = np.zeros(p)
    for order in itertools.permutations(range(p)):
        before = 0.0
        for place, j in enumerate(order):
            now = r_squared(x[:, list(order[: place + 1])], y, weights)
            gains[j] += now - before
            before = now
    return gains / math.factorial(p)


def johnson(x: Any, y: Any) -> Any:
    """Relative weights as Johnson (2000) gives them: by the closest orthogonal variables."""
    z = (x - x.mean(axis=0)) / x.std(axis=0) / math.sqrt(len(x))
    target = (y - y.mean()) / y.std() / math.sqrt(len(y))
    left, values, right = np.linalg.svd(z, full_matrices=False)
    closest = left @ right
    loadings = right.T @ np.diag(values) @ right
    return (loadings**2) @ (closest.T @ target) ** 2


def bootstrap_se(
    rows: Any, statistic: Callable[[Any], Any], replicates: int, seed: int, at_once: int = 100
) -> Any:
    """Standard deviation over resampled rows; the statistic takes covariances, (replicates, q, q)."""
    rng = np.random.default_rng(seed)
    found = []
    for begin in range(0, replicates, at_once):
        count = min(at_once, replicates - begin)
        sample = rows[rng.integers(0, len(rows), (count, len(rows)))]
        sample = sample - sample.mean(axis=1, keepdims=True)
        found.append(statistic(sample.transpose(0, 2, 1) @ sample / len(rows)))
    return np.concatenate(found).std(axis=0, ddof=1)


def alpha(rows: Any) -> float:
    """Cronbach's alpha from the variances of the items and of their sum."""
    rows = np.asarray(rows, dtype=float)
    k = rows.shape[1]
    return k / (k - 1) * (1 - rows.var(axis=0, ddof=1).sum() / rows.sum(axis=1).var(ddof=1))


def omega(rows: Any) -> float:
    """Omega total of a minres factor, by a general optimiser from several starts."""
    correlation = np.corrcoef(np.asarray(rows, dtype=float), rowvar=False)
    k = len(correlation)
    off = ~np.eye(k, dtype=bool)

    def misfit(loading: Any) -> float:
        return float(((correlation - np.outer(loading, loading))[off] ** 2).sum())

    starts = [np.full(k, level) for level in (0.3, 0.6, 0.9)]
    best = min(
        (
            optimize.minimize(
                misfit, start, method="L-BFGS-B", bounds=[(-1, 1)] * k,
                options={"ftol": 1e-15, "gtol": 1e-12, "maxiter": 10_000},
            )
            for start in starts
        ),
        key=lambda one: one.fun,
    )  # fmt: skip
    common = best.x.sum() ** 2
    return float(common / (common + (1 - best.x**2).sum()))
