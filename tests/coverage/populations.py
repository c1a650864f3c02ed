"""Populations to draw from with replacement, and sums of what was drawn.

A population is a table of some 10^5 rows, made once with a seed; what is estimated is its own
statistic, so the true value is exact.
"""

from collections.abc import Iterator
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
from scipy.special import ndtri

ROWS = 200_000
# Rows drawn at a time.
_CHUNK = 1_000_000


def ordinal(latent, shares):
    """Cut normal values into codes 0, 1, .. with these shares in percent."""
    return np.searchsorted(ndtri(np.cumsum(shares)[:-1] / 100.0), latent)


def correlated(rng, rows, columns, correlation):
    """Normal values with one common factor."""
    common = rng.standard_normal((rows, 1))
    own = rng.standard_normal((rows, columns))
    return np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * own


def drawn(rng, population, n, replications) -> Iterator[np.ndarray]:
    """Samples of n rows, some replications at a time: (b, n, columns)."""
    step = max(1, _CHUNK // n)
    for at in range(0, replications, step):
        count = min(step, replications - at)
        yield population[rng.integers(0, len(population), (count, n))]


@cache
def _triangle(width):
    return np.triu_indices(width)


@cache
def _fours(columns):
    pairs = {two: at for at, two in enumerate(zip(*_triangle(columns + 1), strict=True))}
    fours = list(combinations_with_replacement(range(columns + 1), 4))
    return (
        np.array([pairs[a, b] for a, b, _, _ in fours]),
        np.array([pairs[c, d] for _, _, c, d in fours]),
    )


def with_constant(codes):
    """[1, codes] as floats, in which sums of these codes are exact."""
    return np.concatenate([np.ones((*codes.shape[:-1], 1)), codes], axis=-1)


def second(codes, weights=None):
    """Sums of products of [1, codes], upper triangle: (b, width)."""
    rows = with_constant(codes)
    left, right = _triangle(rows.shape[-1])
    own = rows if weights is None else rows * weights[..., None]
    return (own.swapaxes(1, 2) @ rows)[:, left, right].astype(np.int64)


def fourth(codes, weights=None):
    """Sums of products of four of [1, codes]: (b, width)."""
    rows = with_constant(codes)
    left, right = _triangle(rows.shape[-1])
    pairs = rows[..., left] * rows[..., right]
    own = pairs if weights is None else pairs * weights[..., None]
    first, last = _fours(codes.shape[-1])
    return (own.swapaxes(1, 2) @ pairs)[:, first, last].astype(np.int64)


def grouped(codes, group, groups, weights=None):
    """Sums of products of [1, codes] by group: codes (r, columns), group (r,)."""
    rows = with_constant(codes)
    left, right = _triangle(rows.shape[-1])
    own = np.ones(len(rows)) if weights is None else weights
    columns = [
        np.bincount(group, weights=own * rows[:, a] * rows[:, b], minlength=groups)
        for a, b in zip(left, right, strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.int64)


def histograms(codes, levels):
    """Counts of each code in every replication: codes (b, n) to (b, levels)."""
    count = len(codes)
    flat = codes + levels * np.arange(count)[:, None]
    return np.bincount(flat.ravel(), minlength=count * levels).reshape(count, levels)
