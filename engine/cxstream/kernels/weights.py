"""Codes and survey weights -> counts with n, w and w^2, by cell."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from cxstream.kernels.registry import kernel, ro, rw

_BLOCK_ROWS = 4096
#: A weight is cut there to be squared.
_HALF = nb.int64(23)
_HALF_MASK = nb.int64((1 << 23) - 1)


@nb.njit(inline="always")
def _add(low: Any, high: Any, at: Any, low_part: Any, high_part: Any) -> None:
    before = low[at]
    after = before + low_part
    low[at] = after
    high[at] += high_part + (1 if after < before else 0)


@nb.njit(inline="always")
def _count(low: Any, high: Any, at: Any, w: Any, square_low: Any, square_high: Any) -> None:
    _add(low, high, at, nb.uint64(1), nb.int64(0))
    _add(low, high, at + nb.uint64(1), nb.uint64(w), nb.int64(0))
    _add(low, high, at + nb.uint64(2), square_low, square_high)


@kernel(
    nb.void(ro(nb.int64), rw(nb.uint64), rw(nb.int64)),
)
def square_weights(weights: Any, low: Any, high: Any) -> None:
    """Compute squares of weights in two halves of 64 bits.

    Parameters
    ----------
    weights : (n,) int64
        Below 2^46; -1 for none, whose square is left as it is.
    low, high : (n,) uint64, int64
        The result.
    """
    for row in range(len(weights)):
        w = weights[row]
        if w < 0:
            continue
        bottom = w & _HALF_MASK
        top = w >> _HALF
        # bottom^2 + bottom * top * 2^24 + top^2 * 2^46, carried by hand.
        low[row] = nb.uint64(bottom * bottom)
        high[row] = nb.int64(0)
        middle = bottom * top
        _add(low, high, row, nb.uint64(middle) << nb.uint64(24), middle >> nb.int64(40))
        square = top * top
        _add(low, high, row, nb.uint64(square) << nb.uint64(46), square >> nb.int64(18))


@kernel(
    nb.void(
        ro(nb.uint8, 2), ro(nb.int64), ro(nb.int64), ro(nb.uint64), ro(nb.int64), ro(nb.int32),
        ro(nb.int32), rw(nb.uint64, 2), rw(nb.int64, 2),
    ),
    nb.void(
        ro(nb.uint16, 2), ro(nb.int64), ro(nb.int64), ro(nb.uint64), ro(nb.int64), ro(nb.int32),
        ro(nb.int32), rw(nb.uint64, 2), rw(nb.int64, 2),
    ),
)  # fmt: skip
def count_weights(
    codes: Any, columns: Any, weights: Any, square_low: Any, square_high: Any, places: Any,
    cells: Any, low: Any, high: Any,
) -> None:  # fmt: skip
    """Count rows, and every question's codes, into their cells, with n, w and w^2.

    Parameters
    ----------
    codes : (questions, n) uint8 or uint16
    columns : (questions,) int64
        The column of code 0; column 0 counts rows.
    weights : (n,) int64
        -1 for none: such a row is left out.
    square_low, square_high : (n,) uint64, int64
        As `square_weights` leaves them.
    places, cells
        As `sort_rows` leaves them: row r belongs to cells[places[r]].
    low, high : (cells in all, 3 * width) uint64, int64
        Sums of 128 bits: for each column n, w and w^2. Added to.
    """
    flat_low, flat_high = low.reshape(-1), high.reshape(-1)
    width = nb.uint64(low.shape[1])
    rows = len(weights)
    bases = np.empty(min(rows, _BLOCK_ROWS), np.uint64)
    for block in range(0, rows, _BLOCK_ROWS):
        stop = min(rows, block + _BLOCK_ROWS)
        mine = weights[block:stop]
        lows = square_low[block:stop]
        highs = square_high[block:stop]
        for row in range(len(mine)):
            place = nb.uint64(nb.uint32(places[block + row]))
            base = nb.uint64(nb.uint32(cells[place])) * width
            bases[row] = base
            if mine[row] >= 0:
                _count(flat_low, flat_high, base, mine[row], lows[row], highs[row])
        for question in range(codes.shape[0]):
            given = codes[question, block:stop]
            column = nb.uint64(columns[question])
            for row in range(len(mine)):
                if mine[row] >= 0:
                    at = bases[row] + nb.uint64(3) * (column + nb.uint64(given[row]))
                    _count(flat_low, flat_high, at, mine[row], lows[row], highs[row])


@kernel(
    nb.void(
        ro(nb.int32), ro(nb.int32), ro(nb.int64), ro(nb.uint64), ro(nb.int64), ro(nb.int32),
        ro(nb.int32), rw(nb.uint64, 2), rw(nb.int64, 2),
    ),
)  # fmt: skip
def count_weighted_pairs(
    rows: Any, columns: Any, weights: Any, square_low: Any, square_high: Any, places: Any,
    cells: Any, low: Any, high: Any,
) -> None:  # fmt: skip
    """Count pairs of a row and a column into the rows' cells, with n, w and w^2.

    Parameters
    ----------
    rows, columns : (k,) int32
    weights, square_low, square_high, places, cells, low, high
        As in `count_weights`.
    """
    flat_low, flat_high = low.reshape(-1), high.reshape(-1)
    width = nb.uint64(low.shape[1])
    for pair in range(len(rows)):
        row = nb.uint64(nb.uint32(rows[pair]))
        if weights[row] >= 0:
            place = nb.uint64(nb.uint32(places[row]))
            base = nb.uint64(nb.uint32(cells[place])) * width
            at = base + nb.uint64(3) * nb.uint64(nb.uint32(columns[pair]))
            _count(flat_low, flat_high, at, weights[row], square_low[row], square_high[row])
