"""Mix, rate and impact again, slowly and plainly: oracles for the tests."""

import math
from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np


def parts(
    before: np.ndarray, after: np.ndarray, points: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Mix and rate of every segment from two tables of shares of all, segments by classes."""
    mix, rate = [], []
    whole = [
        sum(table.sum(axis=0)[c] * points[c] for c in range(len(points)))
        for table in (before, after)
    ]
    for first, last in zip(before, after, strict=True):
        s_0, s_1 = first.sum(), last.sum()
        n_0 = sum(f * p for f, p in zip(first, points, strict=True)) / s_0 if s_0 else None
        n_1 = sum(f * p for f, p in zip(last, points, strict=True)) / s_1 if s_1 else None
        if n_0 is None:
            n_0 = n_1
        if n_1 is None:
            n_1 = n_0
        if n_0 is None or n_1 is None:
            mix.append(0.0)
            rate.append(0.0)
            continue
        mix.append((s_1 - s_0) * ((n_0 + n_1) / 2 - (whole[0] + whole[1]) / 2))
        rate.append((s_0 + s_1) / 2 * (n_1 - n_0))
    return mix, rate


def impact(table: np.ndarray, points: Sequence[float], segment: int) -> float:
    """Score of all less the score of all but one segment, from shares."""
    rest = np.delete(table, segment, axis=0)
    value = np.array(points)
    return float((table @ value).sum() / table.sum() - (rest @ value).sum() / rest.sum())


def delta_se(
    statistic: Callable[..., float], counts: Sequence[np.ndarray], step: float = 1e-6
) -> float:
    """Standard error of a function of independent tables of multinomial shares.

    The gradient is found by central differences over the cells that hold anybody, the covariance
    is (diag(p) - p p') / n.
    """
    shares = [table / table.sum() for table in counts]
    variance = 0.0
    for which, table in enumerate(counts):
        flat = shares[which].ravel()
        cells = np.flatnonzero(flat)
        gradient = []
        for cell in cells:
            moved = []
            for sign in (1, -1):
                varied = flat.copy()
                varied[cell] += sign * step
                given = [*shares]
                given[which] = varied.reshape(table.shape)
                moved.append(statistic(*given))
            gradient.append((moved[0] - moved[1]) / (2 * step))
        p, g = flat[cells], np.array(gradient)
        variance += float(g @ (np.diag(p) - np.outer(p, p)) @ g) / table.sum()
    return math.sqrt(max(variance, 0.0))


def average_over_orders(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """Effect of every factor on the product, averaged over all orders of changing them."""
    effects = [0.0] * len(before)
    orders = list(permutations(range(len(before))))
    for order in orders:
        now = list(before)
        for factor in order:
            was = math.prod(now)
            now[factor] = after[factor]
            effects[factor] += math.prod(now) - was
    return [effect / len(orders) for effect in effects]
