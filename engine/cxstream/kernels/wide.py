"""Sums added up by group: of 64 bits, and of 128 in two halves."""

from __future__ import annotations

from typing import Any

import numba as nb

from cxstream.kernels.registry import kernel, ro, rw


@kernel(
    nb.void(
        ro(nb.uint64, 2), ro(nb.int64, 2), ro(nb.int64), ro(nb.int64), nb.int64,
        rw(nb.uint64, 2), rw(nb.int64, 2),
    ),
)  # fmt: skip
def add_up(
    low: Any, high: Any, places: Any, starts: Any, first: int, out_low: Any, out_high: Any
) -> None:
    """Add up rows of sums, group by group.

    Parameters
    ----------
    low, high : (rows, width) uint64, int64
    places : (n,) int64
        Which rows.
    starts : (groups,) int64
        Group i is the rows places[starts[i]:starts[i + 1]], the last one goes to the end.
    first : int
        The first column that is wanted.
    out_low, out_high : (groups, columns) uint64, int64
        The result.
    """
    columns = out_low.shape[1]
    for group in range(len(starts)):
        sum_low, sum_high = out_low[group], out_high[group]
        sum_low[:] = 0
        sum_high[:] = 0
        end = starts[group + 1] if group + 1 < len(starts) else len(places)
        for at in range(starts[group], end):
            row_low, row_high = low[places[at]], high[places[at]]
            for column in range(columns):
                part = row_low[first + column]
                after = sum_low[column] + part
                sum_low[column] = after
                sum_high[column] += row_high[first + column] + (1 if after < part else 0)


@kernel(
    nb.void(ro(nb.int64, 2), ro(nb.int64), ro(nb.int64), nb.int64, rw(nb.int64, 2)),
)
def add_rows(rows: Any, places: Any, starts: Any, first: int, out: Any) -> None:
    """Add up rows of sums, group by group.

    Parameters
    ----------
    rows : (rows, width) int64
    places, starts, first
        As in `add_up`; every group has a row.
    out : (groups, columns) int64
        The result.
    """
    columns = out.shape[1]
    for group in range(len(starts)):
        total = out[group]
        begin = starts[group]
        end = starts[group + 1] if group + 1 < len(starts) else len(places)
        # As arrays of their own they are added in vectors.
        row = rows[places[begin]][first : first + columns]
        for column in range(columns):
            total[column] = row[column]
        for at in range(begin + 1, end):
            row = rows[places[at]][first : first + columns]
            for column in range(columns):
                total[column] += row[column]
