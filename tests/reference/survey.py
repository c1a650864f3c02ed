"""Survey statistics from raw rows, slowly: loops over respondents, formulas as printed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    """Mean and Taylor standard error, with replacement, n / (n - 1)."""
    n, total = len(values), sum(weights)
    mean = sum(w * y for w, y in zip(weights, values, strict=True)) / total
    squares = sum((w * (y - mean)) ** 2 for w, y in zip(weights, values, strict=True))
    return mean, math.sqrt(n / (n - 1) * squares) / total


def raked(
    weights: Sequence[float],
    levels: Sequence[Sequence[int]],
    targets: Sequence[Sequence[float]],
    rounds: int = 2000,
) -> list[float]:
    """Weights fitted to margins, response by response; `levels` holds one list per margin."""
    w = list(weights)
    whole = sum(w)
    for _ in range(rounds):
        for level, target in zip(levels, targets, strict=True):
            now = [0.0] * len(target)
            for one, mine in zip(w, level, strict=True):
                now[mine] += one
            w = [
                one * target[mine] / sum(target) * whole / now[mine]
                for one, mine in zip(w, level, strict=True)
            ]
    return w


def residual_error(
    values: Sequence[float],
    inside: Sequence[bool],
    weights: Sequence[float],
    levels: Sequence[Sequence[int]],
) -> tuple[float, float]:
    """Mean of a domain and its standard error from residuals on the margins' indicators.

    Every row of the sample takes part: outside the domain the linearised value is 0. `weights` are
    those after raking; n / (n - 1) is the domain's.
    """
    w = np.asarray(weights)
    n = sum(inside)
    total = sum(one for one, there in zip(weights, inside, strict=True) if there)
    mean = sum(one * y for one, y, there in zip(weights, values, inside, strict=True) if there)
    mean /= total
    e = np.array([(y - mean) / total if there else 0.0
                  for y, there in zip(values, inside, strict=True)])  # fmt: skip
    x = np.concatenate([np.eye(max(level) + 1)[list(level)] for level in levels], axis=1)
    beta = np.linalg.lstsq(np.sqrt(w)[:, None] * x, np.sqrt(w) * e, rcond=None)[0]
    return mean, math.sqrt(n / (n - 1) * float(((w * (e - x @ beta)) ** 2).sum()))
