"""Survey statistics from raw rows, slowly: loops over respondents, formulas as printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

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
    """Weights fitted to margins, one after the other; `levels` holds one list per margin."""
    w = np.asarray(weights, dtype=float)
    whole = sum(weights)
    margins = [
        (np.asarray(level), np.asarray(target) / sum(target) * whole)
        for level, target in zip(levels, targets, strict=True)
    ]
    for _ in range(rounds):
        for level, wanted in margins:
            now = np.bincount(level, weights=w, minlength=len(wanted))
            w = w * wanted[level] / now[level]
    found: list[float] = w.tolist()
    return found


def residual_error(
    values: Sequence[float],
    inside: Sequence[bool],
    weights: Sequence[float],
    base: Sequence[float],
    levels: Sequence[Sequence[int]],
) -> tuple[float, float]:
    """Mean of a domain and its standard error from residuals on the margins' indicators.

    Every row of the sample takes part: outside the domain the linearised value is 0. `weights` are
    those after raking, `base` those before; n / (n - 1) is the domain's.
    """
    w = np.asarray(weights)
    n = sum(inside)
    total = sum(one for one, there in zip(weights, inside, strict=True) if there)
    mean = sum(one * y for one, y, there in zip(weights, values, inside, strict=True) if there)
    mean /= total
    e = np.array([(y - mean) / total if there else 0.0
                  for y, there in zip(values, inside, strict=True)])  # fmt: skip
    x = np.concatenate([np.eye(max(level) + 1)[list(level)] for level in levels], axis=1)
    root = np.sqrt(np.asarray(base))
    beta = np.linalg.lstsq(root[:, None] * x, root * e, rcond=None)[0]
    return mean, math.sqrt(n / (n - 1) * float(((w * (e - x @ beta)) ** 2).sum()))


#: Of the complex step: nothing is subtracted, so it may be as small as that.
_STEP = 1e-30


def influence(
    statistic: Callable[[np.ndarray[Any, Any]], Any], weights: Sequence[float]
) -> np.ndarray[Any, Any]:
    """What every response adds to a statistic of the weights: its derivative by that weight.

    That is the linearised value of any statistic that is a smooth function of weighted sums, to the
    last digits, by the complex step. `statistic` takes complex weights and gives one number, or
    several.
    """
    columns = []
    for at in range(len(weights)):
        moved = np.asarray(weights, dtype=np.complex128)
        moved[at] += 1j * _STEP
        columns.append(np.atleast_1d(statistic(moved)).imag / _STEP)
    return np.array(columns).T


def taylor(
    values: np.ndarray[Any, Any],
    weights: Sequence[float],
    strata: Sequence[int] | None = None,
) -> np.ndarray[Any, Any]:
    """Standard errors from linearised values, one row a statistic: n / (n - 1) in every stratum.

    `strata` are independent groups, such as periods; -1 is out of the sample.
    """
    w = np.asarray(weights)
    group = np.zeros(len(w), dtype=int) if strata is None else np.asarray(strata)
    total = np.zeros(len(values))
    for one in range(int(group.max()) + 1):
        there = group == one
        n = int(there.sum())
        total += n / (n - 1) * ((w[there] * values[:, there]) ** 2).sum(axis=1)
    return np.sqrt(total)


def residuals(
    values: np.ndarray[Any, Any], base: Sequence[float], levels: Sequence[Sequence[int]]
) -> np.ndarray[Any, Any]:
    """Linearised values less their regression on the margins' indicators, by weights before raking."""
    w = np.asarray(base)
    x = np.concatenate([np.eye(max(level) + 1)[list(level)] for level in levels], axis=1)
    root = np.sqrt(w)[:, None]
    beta = np.linalg.lstsq(root * x, root * values.T, rcond=None)[0]
    return values - (x @ beta).T


def kitagawa(
    weights: np.ndarray[Any, Any],
    points: Sequence[float],
    period: Sequence[int],
    segment: Sequence[int],
    segments: int,
) -> np.ndarray[Any, Any]:
    """Change, mix and rate of the whole, then mix, rate and contribution of every segment."""
    y, t, k = np.asarray(points), np.asarray(period), np.asarray(segment)
    share = np.zeros((2, segments), dtype=weights.dtype)
    score = np.zeros((2, segments), dtype=weights.dtype)
    there = np.zeros((2, segments), dtype=bool)
    whole = []
    for one in range(2):
        w = weights * (t == one)
        whole.append((w * y).sum() / w.sum())
        for of in range(segments):
            own = w * (k == of)
            there[one, of] = own.real.sum() > 0
            if there[one, of]:
                share[one, of] = own.sum() / w.sum()
                score[one, of] = (own * y).sum() / own.sum()
    mix, rate = [], []
    for of in range(segments):
        first = score[0, of] if there[0, of] else score[1, of]
        last = score[1, of] if there[1, of] else score[0, of]
        mix.append((share[1, of] - share[0, of]) * ((first + last) - (whole[0] + whole[1])) / 2)
        rate.append((share[1, of] + share[0, of]) / 2 * (last - first))
    both = [a + b for a, b in zip(mix, rate, strict=True)]
    return np.array([whole[1] - whole[0], sum(mix), sum(rate), *mix, *rate, *both])
