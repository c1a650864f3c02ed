"""Codes -> sums of products of up to four columns over the rows of each cell."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from cxstream.kernels.registry import kernel, ro, rw

#: A block of rows stays in the innermost cache.
_BLOCK_VALUES = 16384
_BLOCK_ROWS_MIN = 64
#: Rows are filled up to a multiple of this.
_LANES = 32


@kernel(
    nb.void(
        ro(nb.int16, 2), ro(nb.int64), ro(nb.int32), ro(nb.int64), ro(nb.int32), ro(nb.int32),
        ro(nb.int32), nb.int64, rw(nb.int64, 2),
    ),
)  # fmt: skip
def dots_fourth(
    answers: Any, columns: Any, order: Any, starts: Any, targets: Any, left: Any, right: Any,
    block_rows: int, sums: Any,
) -> None:  # fmt: skip
    """Add products of two squares or products of answers, run by run, to the sums of each target.

    The matrix has a column per response and as rows all products of two of [1, x_1 .. x_p]: 1, x_1
    .. x_p, x_1^2, x_1 x_2 .. x_p^2; zero for a response that lacks any answer.

    Parameters
    ----------
    answers : (q, n) int16
        From 0 up to 181, so that a square stays within 16 bits; -1 for none.
    columns : (p,) int64
        Rows of `answers`.
    order, starts, targets
        As in `moments.dots`.
    left, right : (products,) int32
        Which rows of the matrix are multiplied.
    block_rows : int
        So few rows that no sum of products passes 2^31 - 1 (`moments.block_rows_for`).
    sums : (rows, products) int64
        Added to.
    """
    p = len(columns)
    height = (p + 1) * (p + 2) // 2
    block_rows = min(block_rows, max(_BLOCK_ROWS_MIN, _BLOCK_VALUES // height))
    longest: Any = nb.int64(0)
    for run in range(len(targets)):
        longest = max(longest, starts[run + 1] - starts[run])
    size = min(longest, block_rows)
    matrix = np.empty((height, (size + _LANES - 1) // _LANES * _LANES), np.int16)
    for run in range(len(targets)):
        total_sums = sums[targets[run]]
        for begin in range(starts[run], starts[run + 1], block_rows):
            rows = order[begin : min(starts[run + 1], begin + block_rows)]
            filled = nb.uint64(len(rows))
            # Zeros up to whole vectors: nothing is left over to be added one by one.
            padded = (filled + nb.uint64(_LANES - 1)) & ~nb.uint64(_LANES - 1)
            mask = matrix[0]
            mask[:filled] = 1
            mask[filled:padded] = 0
            for j in range(p):
                given = answers[columns[j]]
                values = matrix[1 + j]
                for i in range(filled):
                    values[i] = given[nb.uint64(nb.uint32(rows[i]))]
                for i in range(filled, padded):
                    values[i] = -1
                for i in range(padded):
                    mask[i] &= nb.int16(1 if values[i] >= 0 else 0)
            for j in range(p):
                values = matrix[1 + j]
                for i in range(padded):
                    values[i] = nb.int16(max(values[i], nb.int16(0)) * mask[i])
            at = p + 1
            for j in range(1, p + 1):
                first = matrix[j]
                for k in range(j, p + 1):
                    second = matrix[k]
                    out = matrix[at]
                    for i in range(padded):
                        out[i] = nb.int16(first[i] * second[i])
                    at += 1
            for product in range(len(left)):
                a = matrix[left[product]]
                b = matrix[right[product]]
                total = nb.int32(0)
                for i in range(padded):
                    total = nb.int32(total + nb.int32(nb.int32(a[i]) * nb.int32(b[i])))
                total_sums[product] += total
