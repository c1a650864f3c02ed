"""Kernels alone, ns per row, beside NumPy forms of the same sums."""

from __future__ import annotations

import numpy as np
import pytest

from cxstream.kernels.classification import count_levels
from cxstream.kernels.moments import block_rows_for, dots
from cxstream.kernels.registry import warm

COLUMNS = 7
PAIRS = [(i, j) for i in range(COLUMNS) for j in range(i, COLUMNS)]


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    warm()


@pytest.fixture(scope="module")
def codes(pytestconfig: pytest.Config) -> np.ndarray:
    rows = pytestconfig.getoption("--bench-rows")
    return np.random.default_rng(1).integers(0, 6, (COLUMNS, rows)).astype(np.uint8)


def histograms_numpy(codes: np.ndarray) -> np.ndarray:
    return np.concatenate([np.bincount(row, minlength=6) for row in codes])


def histograms_kernel(codes: np.ndarray) -> np.ndarray:
    counts = np.zeros((1, 6 * COLUMNS), dtype=np.int64)
    cells = np.zeros(codes.shape[1], dtype=np.int32)
    count_levels(codes, np.arange(COLUMNS, dtype=np.int64) * 6, cells, counts)
    return counts[0]


def moments_numpy(matrix: np.ndarray) -> np.ndarray:
    wide = matrix.astype(np.float32)
    gram = wide.astype(np.float64) @ wide.astype(np.float64).T
    return np.array([int(gram[i, j]) for i, j in PAIRS])


def moments_kernel(matrix: np.ndarray) -> np.ndarray:
    left, right = (np.array(one, dtype=np.int32) for one in zip(*PAIRS, strict=True))
    sums = np.zeros((1, len(PAIRS)), dtype=np.int64)
    starts = np.array([0, matrix.shape[1]])
    dots(matrix, starts, np.zeros(1, dtype=np.int32), left, right, block_rows_for(5), sums)
    return sums[0]


@pytest.mark.benchmark(group="histograms of 7 ratings")
@pytest.mark.parametrize("way", [histograms_kernel, histograms_numpy])
def bench_histograms(benchmark, codes, way) -> None:  # type: ignore[no-untyped-def]
    assert (benchmark(way, codes) == histograms_numpy(codes)).all()


@pytest.mark.benchmark(group="cross-moments of 7 ratings")
@pytest.mark.parametrize("way", [moments_kernel, moments_numpy])
def bench_moments(benchmark, codes, way) -> None:  # type: ignore[no-untyped-def]
    matrix = codes.astype(np.int16)
    assert (benchmark(way, matrix) == moments_numpy(matrix)).all()
