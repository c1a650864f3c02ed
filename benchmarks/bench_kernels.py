"""Kernels alone, ns per row, beside NumPy forms of the same sums."""

from __future__ import annotations

import numpy as np
import pytest

from cxstream.kernels.classification import count_levels
from cxstream.kernels.moments import COMPLETE, block_rows_for, dots
from cxstream.kernels.registry import warm

COLUMNS = 7
PRODUCTS = [(i, j) for i in range(COLUMNS + 1) for j in range(i, COLUMNS + 1)]


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
    rows = codes.shape[1]
    counts = np.zeros((1, 1 + 6 * COLUMNS), dtype=np.int64)
    places, cells = np.zeros(rows, dtype=np.int32), np.zeros(1, dtype=np.int32)
    columns = np.arange(COLUMNS, dtype=np.int64) * 6 + 1
    count_levels(codes, columns, places, np.array([0, rows]), cells, counts)
    return counts[0, 1:]


def moments_numpy(answers: np.ndarray) -> np.ndarray:
    wide = np.concatenate([np.ones((1, answers.shape[1])), answers]).astype(np.float32)
    gram = wide.astype(np.float64) @ wide.astype(np.float64).T
    return np.array([int(gram[i, j]) for i, j in PRODUCTS])


def moments_kernel(answers: np.ndarray) -> np.ndarray:
    rows = answers.shape[1]
    left, right = (np.array(one, dtype=np.int32) for one in zip(*PRODUCTS, strict=True))
    sums = np.zeros((1, len(PRODUCTS)), dtype=np.int64)
    dots(
        answers, np.arange(COLUMNS), COMPLETE, np.arange(rows, dtype=np.int32),
        np.array([0, rows]), np.zeros(1, dtype=np.int32), left, right, block_rows_for(6), sums,
    )  # fmt: skip
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
