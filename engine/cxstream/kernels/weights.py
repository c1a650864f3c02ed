"""Codes and survey weights -> counts and sums of products with n, w and w^2, by cell."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from cxstream.kernels.moments import PATTERN
from cxstream.kernels.registry import helper, kernel, ro, rw

_BLOCK_ROWS = 4096
#: How a matrix is laid out, besides `moments.COMPLETE` and `moments.PATTERN`, see `dots_weighted`.
FOURTH = 3
#: A product is below 2^27 (107^4, 4095^2), a piece below 2^26: so many rows stay within 62 bits.
PIECE_BITS = 26
_PIECE = nb.uint64(PIECE_BITS)
_DOT_ROWS = 512
#: Rows are filled up to a multiple of this.
_LANES = 16
#: A weight is cut there to be squared.
_HALF = nb.int64(23)
_HALF_MASK = nb.int64((1 << 23) - 1)


@nb.njit(inline="always")  # as a call it keeps `square_weights` from vectors
def _add(low: Any, high: Any, at: Any, low_part: Any, high_part: Any) -> None:
    before = low[at]
    after = before + low_part
    low[at] = after
    high[at] += high_part + (1 if after < before else 0)


@helper
def _add_to(low: Any, high: Any, row: Any, column: Any, low_part: Any, high_part: Any) -> None:
    before = low[row, column]
    after = before + low_part
    low[row, column] = after
    high[row, column] += nb.int64(high_part) + (1 if after < before else 0)


@helper
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


@kernel(
    nb.void(
        ro(nb.int16, 2), ro(nb.int64), nb.int64, ro(nb.uint32, 2), nb.int64, ro(nb.int64),
        ro(nb.int32), ro(nb.int64), ro(nb.int32), ro(nb.int32, 2), ro(nb.int32, 2),
        rw(nb.uint64, 2), rw(nb.int64, 2),
    ),
)  # fmt: skip
def dots_weighted(
    answers: Any, columns: Any, kind: int, pieces: Any, first_pieces: int, weights: Any,
    order: Any, starts: Any, targets: Any, first: Any, second: Any, low: Any, high: Any,
) -> None:  # fmt: skip
    """Add n, and products of answers times w and times w^2, run by run, to the sums of each target.

    A run's answers are laid out as a matrix with a column per response: [1, x_1 .. x_p], of a fourth
    block all products of two of these (`Block.products`); 0 for a response without a weight.

    Parameters
    ----------
    answers : (q, n) int16
        From 0 up to 4095 (of a fourth block 107), -1 for none.
    columns : (p,) int64
        Rows of `answers`.
    kind : int
        COMPLETE, PATTERN or FOURTH.
    pieces : (m, n) uint32
        Weights and then their squares in pieces of `PIECE_BITS`, the lowest first.
    first_pieces : int
        How many of them are the weights'.
    weights : (n,) int64
        -1 for none.
    order, starts, targets
        As in `moments.dots`.
    first, second : (2, products) int32
        Which rows of the matrix are multiplied with each other and w, or w^2.
    low, high : (rows, 1 + products with w + products with w^2) uint64, int64
        Sums of 128 bits; added to.
    """
    p = len(columns)
    height = (p + 1) * (p + 2) // 2 if kind == FOURTH else p + 1
    longest: Any = nb.int64(0)
    for run in range(len(targets)):
        longest = max(longest, starts[run + 1] - starts[run])
    room = (min(longest, _DOT_ROWS) + _LANES - 1) // _LANES * _LANES
    matrix = np.empty((height, room), np.uint32)
    gathered = np.empty((pieces.shape[0], room), np.uint32)
    product = np.empty(room, np.uint32)
    firsts = first.shape[1]
    for run in range(len(targets)):
        target = targets[run]
        for begin in range(starts[run], starts[run + 1], _DOT_ROWS):
            rows = order[begin : min(starts[run + 1], begin + _DOT_ROWS)]
            size = nb.uint64(len(rows))
            # Zeros up to whole vectors: nothing is left over to be added one by one.
            padded = (size + nb.uint64(_LANES - 1)) & ~nb.uint64(_LANES - 1)
            mask = matrix[0]
            mask[size:padded] = 0
            for i in range(size):
                mask[i] = nb.uint32(1 if weights[nb.uint64(nb.uint32(rows[i]))] >= 0 else 0)
            if kind != PATTERN:
                for j in range(p):
                    given = answers[columns[j]]
                    for i in range(size):
                        mask[i] &= nb.uint32(1 if given[nb.uint64(nb.uint32(rows[i]))] >= 0 else 0)
            for j in range(p):
                given = answers[columns[j]]
                values = matrix[1 + j]
                values[size:padded] = 0
                for i in range(size):
                    value = nb.int32(given[nb.uint64(nb.uint32(rows[i]))])
                    values[i] = nb.uint32(max(value, nb.int32(0))) * mask[i]
            if kind == FOURTH:
                at = p + 1
                for j in range(1, p + 1):
                    for k in range(j, p + 1):
                        one, other, out = matrix[j], matrix[k], matrix[at]
                        for i in range(padded):
                            out[i] = one[i] * other[i]
                        at += 1
            for piece in range(pieces.shape[0]):
                source = pieces[piece]
                taken = gathered[piece]
                taken[size:padded] = 0
                for i in range(size):
                    taken[i] = source[nb.uint64(nb.uint32(rows[i]))]
            count = nb.uint64(0)
            for i in range(size):
                count += nb.uint64(mask[i])
            _add_to(low, high, target, 0, count, nb.uint64(0))
            for which in range(firsts + second.shape[1]):
                if which < firsts:
                    a, b = matrix[first[0, which]], matrix[first[1, which]]
                    begin_piece, end_piece = 0, first_pieces
                else:
                    a, b = matrix[second[0, which - firsts]], matrix[second[1, which - firsts]]
                    begin_piece, end_piece = first_pieces, pieces.shape[0]
                for i in range(padded):
                    product[i] = a[i] * b[i]
                sum_low, sum_high = nb.uint64(0), nb.uint64(0)
                # From the highest piece down: what is there moves up by a piece.
                for piece in range(end_piece - 1, begin_piece - 1, -1):
                    part = gathered[piece]
                    total = nb.uint64(0)
                    for i in range(padded):
                        total += nb.uint64(product[i]) * nb.uint64(part[i])
                    sum_high = (sum_high << _PIECE) | (sum_low >> (nb.uint64(64) - _PIECE))
                    sum_low = (sum_low << _PIECE) + total
                    sum_high += nb.uint64(1 if sum_low < total else 0)
                _add_to(low, high, target, 1 + which, sum_low, sum_high)
