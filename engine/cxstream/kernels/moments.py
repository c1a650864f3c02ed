"""Codes -> sums of products: cross-moments of columns over the rows of each cell.

The rows stand sorted by cell, a column after the other, so a sum is a dot product of two runs of
contiguous integers, which LLVM turns into vector code. Everything is a whole number; no sum can
overflow (bounds beside each constant), so any order gives the same bits.
"""

from __future__ import annotations

from typing import Any

import numba as nb

from cxstream.kernels.registry import kernel, ro, rw

#: Rows whose int16 products fit 31 bits: 2^15 * 2^15 would allow 2; a matrix holds codes below
#: 2^12 or squares of codes below 181 (times 0 or 1), so products stay below 2^24 ... see `dots`.
_BLOCK_ROWS = 2048
#: Low half of a wide value; 2 * 23 bits and 2^16 rows stay within 62 bits.
_HALF = nb.int64(23)
_HALF_MASK = nb.int64((1 << 23) - 1)
_WIDE_BLOCK_ROWS = 65536


@nb.njit(inline="always")
def _add(low: Any, high: Any, row: Any, column: Any, low_part: Any, high_part: Any) -> None:
    before = low[row, column]
    after = before + low_part
    low[row, column] = after
    high[row, column] += high_part + (1 if after < before else 0)


@kernel(
    nb.void(
        ro(nb.int16, 2), ro(nb.int64), ro(nb.int32), ro(nb.int32), ro(nb.int32), nb.int64,
        rw(nb.int64, 2),
    ),
)  # fmt: skip
def dots(
    matrix: Any, starts: Any, targets: Any, left: Any, right: Any, block_rows: int, sums: Any
) -> None:
    """Add dot products of matrix rows, run by run, to the sums of each run's target.

    Parameters
    ----------
    matrix : (m, n) int16
        Values at least 0.
    starts : (runs + 1,) int64
        Run i is matrix[:, starts[i]:starts[i + 1]].
    targets : (runs,) int32
        The row of `sums` of each run.
    left, right : (products,) int32
        Which rows of the matrix are multiplied.
    block_rows : int
        So few rows that no sum of products passes 2^31 - 1 (`block_rows_for`).
    sums : (rows, products) int64
        Added to.
    """
    for run in range(len(targets)):
        target = targets[run]
        for begin in range(starts[run], starts[run + 1], block_rows):
            end = min(starts[run + 1], begin + block_rows)
            for product in range(len(left)):
                a = matrix[left[product], begin:end]
                b = matrix[right[product], begin:end]
                total = nb.int32(0)
                for row in range(len(a)):
                    total = nb.int32(total + nb.int32(nb.int32(a[row]) * nb.int32(b[row])))
                sums[target, product] += total


def block_rows_for(largest: int) -> int:
    """Return how many rows of products of values up to `largest` fit 31 bits, at most 2048."""
    return max(1, min(_BLOCK_ROWS, (2**31 - 1) // max(1, largest * largest)))


@kernel(
    nb.void(
        ro(nb.int64, 2), ro(nb.int64), ro(nb.int32), ro(nb.int32), ro(nb.int32),
        rw(nb.uint64, 2), rw(nb.int64, 2),
    ),
)  # fmt: skip
def dots_wide(
    matrix: Any, starts: Any, targets: Any, left: Any, right: Any, low: Any, high: Any
) -> None:
    """Add dot products of wide values (below 2^46) to 128-bit sums.

    A value is split in halves of 23 bits; the three partial sums of 65,536 rows stay below 2^63, and
    are put together once per block.

    Parameters
    ----------
    matrix : (m, n) int64
        Values from 0 up to 2^46 - 1.
    starts, targets, left, right
        As in `dots`.
    low, high : (rows, products) uint64, int64
        The sums; added to.
    """
    for run in range(len(targets)):
        target = targets[run]
        for begin in range(starts[run], starts[run + 1], _WIDE_BLOCK_ROWS):
            end = min(starts[run + 1], begin + _WIDE_BLOCK_ROWS)
            for product in range(len(left)):
                a = matrix[left[product], begin:end]
                b = matrix[right[product], begin:end]
                bottom = nb.int64(0)
                middle = nb.int64(0)
                top = nb.int64(0)
                for row in range(len(a)):
                    a0 = a[row] & _HALF_MASK
                    a1 = a[row] >> _HALF
                    b0 = b[row] & _HALF_MASK
                    b1 = b[row] >> _HALF
                    bottom += a0 * b0
                    middle += a0 * b1 + a1 * b0
                    top += a1 * b1
                # bottom + middle * 2^23 + top * 2^46, carried by hand.
                _add(low, high, target, product, nb.uint64(bottom), nb.int64(0))
                _add(
                    low, high, target, product,
                    nb.uint64(middle) << nb.uint64(23), middle >> nb.int64(41),
                )  # fmt: skip
                _add(
                    low, high, target, product,
                    nb.uint64(top) << nb.uint64(46), top >> nb.int64(18),
                )  # fmt: skip
