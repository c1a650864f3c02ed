"""Codes -> counts: how often each level was answered, by cell."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from cxstream.kernels.registry import kernel, ro, rw

_BLOCK_ROWS = 4096


@kernel(
    nb.void(
        ro(nb.uint8, 2), ro(nb.int64), ro(nb.int32), ro(nb.int64), ro(nb.int32), rw(nb.int64, 2)
    ),
    nb.void(
        ro(nb.uint16, 2), ro(nb.int64), ro(nb.int32), ro(nb.int64), ro(nb.int32), rw(nb.int64, 2)
    ),
)
def count_levels(
    codes: Any, columns: Any, places: Any, starts: Any, cells: Any, counts: Any
) -> None:
    """Count rows, and every question's codes, into their cells.

    Parameters
    ----------
    codes : (questions, n) uint8 or uint16
    columns : (questions,) int64
        The column of code 0; column 0 counts rows.
    places, starts, cells
        As `sort_rows` leaves them: row r belongs to cells[places[r]], and starts[i + 1] - starts[i]
        rows to cells[i].
    counts : (cells in all, width) int64
        Added to.
    """
    flat = counts.reshape(-1)
    width = nb.uint64(counts.shape[1])
    for place in range(len(cells)):
        counts[cells[place], 0] += starts[place + 1] - starts[place]
    rows = codes.shape[1]
    bases = np.empty(min(rows, _BLOCK_ROWS), np.uint64)
    paired = codes.shape[0] & ~1
    for block in range(0, rows, _BLOCK_ROWS):
        stop = min(rows, block + _BLOCK_ROWS)
        size = nb.uint64(stop - block)
        for row in range(size):
            place = nb.uint64(nb.uint32(places[nb.uint64(block) + row]))
            bases[row] = nb.uint64(nb.uint32(cells[place])) * width
        # Two questions at a time: a counter is not waited for, and a base is read once for both.
        for question in range(0, paired, 2):
            first_codes = codes[question, block:stop]
            other_codes = codes[question + 1, block:stop]
            first_column = nb.uint64(columns[question])
            other_column = nb.uint64(columns[question + 1])
            for row in range(size):
                base = bases[row]
                flat[base + first_column + nb.uint64(first_codes[row])] += 1
                flat[base + other_column + nb.uint64(other_codes[row])] += 1
        for question in range(paired, codes.shape[0]):
            last_codes = codes[question, block:stop]
            last_column = nb.uint64(columns[question])
            for row in range(size):
                flat[bases[row] + last_column + nb.uint64(last_codes[row])] += 1


@kernel(
    nb.int64(
        ro(nb.int64), ro(nb.uint16), nb.int64, nb.int64, nb.int64, rw(nb.int64), rw(nb.int32),
        rw(nb.int32),
    ),
)  # fmt: skip
def read_choices(
    offsets: Any, codes: Any, levels: int, missing: int, start: int, seen: Any, rows: Any,
    columns: Any,
) -> int:  # fmt: skip
    """List what counts of a question that takes several answers: each option once per response.

    Columns from `start`: one per option, one for responses with any, one per missing code, null. A
    response without an option counts under its first missing code, or else as null.

    Parameters
    ----------
    offsets : (n + 1,) int64
    codes : (offsets[n],) uint16
    levels, missing : int
        How many options and missing codes there are.
    start : int
        The column of option 0.
    seen : (levels,) int64
        Scratch; overwritten.
    rows, columns : (offsets[n] + n,) int32
        The answer: pairs of a row and a column of counts.

    Returns
    -------
    int
        How many pairs there are.
    """
    for level in range(levels):
        seen[level] = -1
    count = 0
    for row in range(len(offsets) - 1):
        answered = False
        reason = missing
        for position in range(offsets[row], offsets[row + 1]):
            code = nb.int64(codes[position])
            if code < levels:
                if seen[code] != row:
                    seen[code] = row
                    rows[count] = row
                    columns[count] = start + code
                    count += 1
                answered = True
            elif code < levels + missing and reason == missing:
                reason = code - levels
        rows[count] = row
        columns[count] = start + levels + (0 if answered else 1 + reason)
        count += 1
    return count


@kernel(
    nb.void(ro(nb.int32), ro(nb.int32), ro(nb.int32), ro(nb.int32), rw(nb.int64, 2)),
)
def count_pairs(rows: Any, columns: Any, places: Any, cells: Any, counts: Any) -> None:
    """Count pairs of a row and a column into the rows' cells.

    Parameters
    ----------
    rows, columns : (k,) int32
    places, cells
        As in `count_levels`.
    counts : (cells in all, width) int64
        Added to.
    """
    flat = counts.reshape(-1)
    width = nb.uint64(counts.shape[1])
    for pair in range(len(rows)):
        place = nb.uint64(nb.uint32(places[nb.uint64(nb.uint32(rows[pair]))]))
        base = nb.uint64(nb.uint32(cells[place])) * width
        flat[base + nb.uint64(nb.uint32(columns[pair]))] += 1
