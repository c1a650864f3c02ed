"""Codes -> sums of products: cross-moments of columns over the rows of each cell.

The answers of a cell are laid out a column after the other, so a sum is a dot product of two runs
of contiguous integers, which LLVM turns into vector code. Everything is a whole number; no sum can
overflow (bounds beside each constant), so any order gives the same bits.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from cxstream.kernels.registry import helper, kernel, ro, rw

#: How a matrix is laid out, see `dots`.
COMPLETE, PATTERN, PAIRS = 0, 1, 2
#: Values stay below 2^12, squares of values below 181 too (times 0 or 1): a product is below 2^24, and
#: the rows of a block are fewer still where that many would pass 31 bits (`block_rows_for`).
_BLOCK_ROWS = 2048
#: A block of rows stays in the innermost cache.
_BLOCK_VALUES = 16384
_BLOCK_ROWS_MIN = 256
#: Runs of fewer rows are multiplied row by row: no vector would be full.
_SHORT = 8
#: Rows are filled up to a multiple of this.
_LANES = 32
#: Low half of a wide value; 2 * 23 bits and 2^16 rows stay within 62 bits.
_HALF = nb.int64(23)
_HALF_MASK = nb.int64((1 << 23) - 1)
_WIDE_BLOCK_ROWS = 65536


@helper
def _add(low: Any, high: Any, row: Any, column: Any, low_part: Any, high_part: Any) -> None:
    before = low[row, column]
    after = before + low_part
    low[row, column] = after
    high[row, column] += high_part + (1 if after < before else 0)


@kernel(
    nb.void(ro(nb.uint8, 2), ro(nb.int64), ro(nb.int64), rw(nb.int16, 2)),
    nb.void(ro(nb.uint16, 2), ro(nb.int64), ro(nb.int64), rw(nb.int16, 2)),
)
def read_answers(codes: Any, questions: Any, levels: Any, answers: Any) -> None:
    """Take codes for values: -1 where there is no answer.

    Parameters
    ----------
    codes : (questions in all, n) uint8 or uint16
    questions : (q,) int64
        Which ones.
    levels : (q,) int64
        How many levels each has; a code from there on is no answer.
    answers : (q, n) int16
        The result.
    """
    for place in range(len(questions)):
        given = codes[questions[place]]
        limit = nb.int32(levels[place])
        out = answers[place]
        for row in range(len(out)):
            code = nb.int32(given[row])
            out[row] = nb.int16(code if code < limit else nb.int32(-1))


@kernel(
    nb.void(
        ro(nb.int16, 2), ro(nb.int64), nb.int64, ro(nb.int32), ro(nb.int64), ro(nb.int32),
        ro(nb.int32), ro(nb.int32), nb.int64, rw(nb.int64, 2),
    ),
)  # fmt: skip
def dots(
    answers: Any, columns: Any, kind: int, order: Any, starts: Any, targets: Any, left: Any,
    right: Any, block_rows: int, sums: Any,
) -> None:  # fmt: skip
    """Add products of answers, run by run, to the sums of each run's target.

    A run's answers are laid out as a matrix with a column per response (`Block.products`):

    - COMPLETE: 1, x_1 .. x_p; zero for a response that lacks any answer.
    - PATTERN: 1, x_1 .. x_p; x_j is 0 where it is lacking.
    - PAIRS: answered_1..p, x_1..p, x_1^2..p; 0 where lacking.

    Parameters
    ----------
    answers : (q, n) int16
        From 0 up, -1 for none.
    columns : (p,) int64
        Rows of `answers`.
    kind : int
        COMPLETE, PATTERN or PAIRS.
    order : (n,) int32
    starts : (runs + 1,) int64
        Run i is the responses order[starts[i]:starts[i + 1]].
    targets : (runs,) int32
        The row of `sums` of each run.
    left, right : (products,) int32
        Which rows of the matrix are multiplied.
    block_rows : int
        So few rows that no sum of products passes 2^31 - 1 (`block_rows_for`).
    sums : (rows, products) int64
        Added to.
    """
    p = len(columns)
    height = 3 * p if kind == PAIRS else p + 1
    # Where the answers themselves stand.
    first = p if kind == PAIRS else 1
    block_rows = min(block_rows, max(_BLOCK_ROWS_MIN, _BLOCK_VALUES // height))
    longest: Any = nb.int64(0)
    for run in range(len(targets)):
        longest = max(longest, starts[run + 1] - starts[run])
    size = min(longest, block_rows) if longest >= _SHORT else nb.int64(0)
    matrix = np.empty((height, (size + _LANES - 1) // _LANES * _LANES), np.int16)
    one = np.empty(height, np.int64)
    for run in range(len(targets)):
        total_sums = sums[targets[run]]
        if starts[run + 1] - starts[run] < _SHORT:
            for at in range(starts[run], starts[run + 1]):
                row = nb.uint64(nb.uint32(order[at]))
                counts = nb.int64(1)
                for j in range(p):
                    value = nb.int64(answers[columns[j], row])
                    one[first + j] = max(value, nb.int64(0))
                    if kind == PAIRS:
                        one[j] = nb.int64(1 if value >= 0 else 0)
                        one[2 * p + j] = one[p + j] * one[p + j]
                    elif kind == COMPLETE and value < 0:
                        counts = nb.int64(0)
                if kind != PAIRS:
                    one[0] = nb.int64(1)
                if counts:
                    for product in range(len(left)):
                        total_sums[product] += (
                            one[nb.uint64(nb.uint32(left[product]))]
                            * one[nb.uint64(nb.uint32(right[product]))]
                        )
            continue
        for begin in range(starts[run], starts[run + 1], block_rows):
            end = min(starts[run + 1], begin + block_rows)
            rows = order[begin:end]
            filled = nb.uint64(len(rows))
            # Zeros up to whole vectors: nothing is left over to be added one by one.
            padded = (filled + nb.uint64(_LANES - 1)) & ~nb.uint64(_LANES - 1)
            for j in range(p):
                given = answers[columns[j]]
                values = matrix[first + j]
                for i in range(filled):
                    values[i] = given[nb.uint64(nb.uint32(rows[i]))]
                for i in range(filled, padded):
                    values[i] = -1
            if kind == PAIRS:
                for j in range(p):
                    mask, values, squares = matrix[j], matrix[p + j], matrix[2 * p + j]
                    for i in range(padded):
                        value = values[i]
                        mask[i] = nb.int16(1 if value >= 0 else 0)
                        value = max(value, nb.int16(0))
                        values[i] = value
                        squares[i] = nb.int16(value * value)
            else:
                mask = matrix[0]
                mask[:filled] = 1
                mask[filled:padded] = 0
                if kind == COMPLETE:
                    for j in range(1, p + 1):
                        values = matrix[j]
                        for i in range(padded):
                            mask[i] &= nb.int16(1 if values[i] >= 0 else 0)
                for j in range(1, p + 1):
                    values = matrix[j]
                    for i in range(padded):
                        values[i] = nb.int16(max(values[i], nb.int16(0)) * mask[i])
            for product in range(len(left)):
                a = matrix[left[product]]
                b = matrix[right[product]]
                total = nb.int32(0)
                for i in range(padded):
                    total = nb.int32(total + nb.int32(nb.int32(a[i]) * nb.int32(b[i])))
                total_sums[product] += total


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
