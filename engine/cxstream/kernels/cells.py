"""Rows -> cells: group keys, a hash lookup of them, and a counting sort of rows by cell."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from cxstream.kernels.registry import kernel, ro, rw

#: Fibonacci hashing: 2^64 / golden ratio, odd.
_MULTIPLIER = nb.uint64(11400714819323198485)


@kernel(
    nb.types.UniTuple(nb.int64, 2)(  # type: ignore[no-untyped-call]
        ro(nb.int64), rw(nb.int64), rw(nb.int32), rw(nb.int64), rw(nb.int32), nb.int64, nb.int64
    ),
)
def find_cells(
    keys: Any, slot_keys: Any, slot_cells: Any, cell_keys: Any, cells: Any, first: int, known: int
) -> Any:
    """Look up the cell of each row's key; unknown keys get the next cells.

    Parameters
    ----------
    keys : (n,) int64
    slot_keys, slot_cells : (2^b,) int64, int32
        Open addressing, linear probing; a free slot has cell -1. Updated.
    cell_keys : (capacity,) int64
        The key of every cell. Updated.
    cells : (n,) int32
        The answer.
    first : int
        The row to start at.
    known : int
        How many cells there are.

    Returns
    -------
    (row, known)
        Where it stopped (n, or earlier where the table is half full or `cell_keys` is) and how many
        cells there are now.
    """
    size = len(slot_keys)
    mask = size - 1
    bits = 0
    while (1 << bits) < size:
        bits += 1
    shift = nb.uint64(64 - bits)
    for row in range(first, len(keys)):
        key = keys[row]
        slot = nb.int64((nb.uint64(key) * _MULTIPLIER) >> shift)
        while slot_cells[slot] >= 0 and slot_keys[slot] != key:
            slot = (slot + 1) & mask
        cell = slot_cells[slot]
        if cell < 0:
            if 2 * known >= size or known >= len(cell_keys):
                return row, known
            cell = nb.int32(known)
            slot_keys[slot] = key
            slot_cells[slot] = cell
            cell_keys[known] = key
            known += 1
        cells[row] = cell
    return len(keys), known


@kernel(
    nb.void(
        ro(nb.int32, 2), ro(nb.int32), ro(nb.int64), ro(nb.int64), ro(nb.int64), ro(nb.int64),
        rw(nb.int64),
    ),
)  # fmt: skip
def pack_keys(
    codes: Any, rows: Any, dimensions: Any, own: Any, offsets: Any, weights: Any, keys: Any
) -> None:
    """Compute the group key of some rows: codes put into other words, times their weights.

    Parameters
    ----------
    codes : (d, n) int32
        The batch's own code of each row's level.
    rows : (k,) int32
    dimensions : (v,) int64
        Which rows of `codes` make the key.
    own : (words,) int64
        By dimension and code, what stands in the key.
    offsets : (d + 1,) int64
        Where each dimension begins in `own`.
    weights : (v,) int64
    keys : (k,) int64
        The answer.
    """
    for place in range(len(rows)):
        row = nb.uint64(nb.uint32(rows[place]))
        key = nb.int64(0)
        for which in range(len(dimensions)):
            dimension = dimensions[which]
            key += own[offsets[dimension] + codes[dimension, row]] * weights[which]
        keys[place] = key


@kernel(
    nb.void(ro(nb.int32, 2), ro(nb.int64), ro(nb.int64), rw(nb.int32)),
)
def number_groups(codes: Any, dimensions: Any, offsets: Any, groups: Any) -> None:
    """Number every row's combination of codes: they are the digits, the last one the lowest.

    Parameters
    ----------
    codes, dimensions, offsets
        As in `pack_keys`; a dimension has as many codes as lie between its offsets.
    groups : (n,) int32
        The answer.
    """
    groups[:] = 0
    for dimension in dimensions:
        radix = nb.int32(offsets[dimension + 1] - offsets[dimension])
        digits = codes[dimension]
        for row in range(len(groups)):
            groups[row] = groups[row] * radix + digits[row]


@kernel(
    nb.int64(rw(nb.int32), rw(nb.int32), rw(nb.int64), rw(nb.int32), rw(nb.int32)),
)
def sort_rows(cells: Any, place_of_cell: Any, starts: Any, touched: Any, order: Any) -> int:
    """Sort rows by cell, keeping their order within one (counting sort).

    Parameters
    ----------
    cells : (n,) int32
        On return, each row's place in `touched`.
    place_of_cell : (cells in all,) int32
        Scratch; -1 everywhere, before and after.
    starts : (n + 2,) int64
        On return, rows of the i-th cell touched stand at order[starts[i]:starts[i + 1]].
    touched : (n,) int32
        On return, the cells, in order of first appearance.
    order : (n,) int32
        On return, row numbers.

    Returns
    -------
    int
        How many cells were touched.
    """
    count = 0
    for row in range(len(cells)):
        cell = nb.uint64(nb.uint32(cells[row]))
        place = place_of_cell[cell]
        if place < 0:
            place = nb.int32(count)
            place_of_cell[cell] = place
            touched[count] = cells[row]
            starts[count + 2] = 0
            count += 1
        starts[nb.uint64(place) + nb.uint64(2)] += 1
        cells[row] = place
    starts[0] = 0
    starts[1] = 0
    for place in range(count):
        starts[place + 2] += starts[place + 1]
        place_of_cell[touched[place]] = -1
    # starts[p + 1] is now where cell p begins; it moves up to where it ends.
    for row in range(len(cells)):
        next_place = nb.uint64(nb.uint32(cells[row])) + nb.uint64(1)
        order[nb.uint64(starts[next_place])] = nb.int32(row)
        starts[next_place] += 1
    return count


@kernel(
    nb.types.UniTuple(nb.int64, 2)(  # type: ignore[no-untyped-call]
        ro(nb.int64),  # rows
        ro(nb.boolean),  # there
        ro(nb.int64),  # cells
        ro(nb.int64),  # starts
        ro(nb.int64),  # patterns
        ro(nb.int64),  # by_pattern
        rw(nb.int64),  # places
        rw(nb.int64),  # runs
        rw(nb.int64),  # groups
        rw(nb.uint64),  # answered
    )
)
def sort_patterns(
    rows: Any, there: Any, cells: Any, starts: Any, patterns: Any, by_pattern: Any, places: Any,
    runs: Any, groups: Any, answered: Any,
) -> Any:  # fmt: skip
    """Sort rows of sums by group, then by pattern (two counting sorts).

    Parameters
    ----------
    rows : (n,) int64
        Cell and number of the pattern of each: ``cell << 32 | number``.
    there : (n,) bool
        Which of them count.
    cells, starts : (c,) and (g,) int64
        Group i has cells[starts[i]:starts[i + 1]], the last one all to the end; at least one cell.
    patterns, by_pattern : (p,) int64
        The patterns by number, and the numbers in the patterns' order.
    places : (n,) int64, written
        The rows that have a group, sorted.
    runs, groups, answered : (n,) int64, int64, uint64, written
        Where each group and pattern begins among them, and which these are.

    Returns
    -------
    (rows, runs)
        How many there are of each.
    """
    last: Any = nb.int64(0)
    for at in range(len(cells)):
        last = max(last, cells[at])
    group_of = np.empty(last + 1, np.int64)
    for cell in range(len(group_of)):
        group_of[cell] = -1
    for group in range(len(starts)):
        end = starts[group + 1] if group + 1 < len(starts) else len(cells)
        for at in range(starts[group], end):
            group_of[cells[at]] = group
    rank = np.empty(len(by_pattern), np.int64)
    for at in range(len(by_pattern)):
        rank[by_pattern[at]] = at
    # Where the rows of each pattern, and of each group, go next.
    of_rank = np.empty(len(by_pattern) + 1, np.int64)
    of_group = np.empty(len(starts) + 1, np.int64)
    for at in range(len(of_rank)):
        of_rank[at] = 0
    for at in range(len(of_group)):
        of_group[at] = 0
    kept = 0
    for row in range(len(rows)):
        cell = rows[row] >> 32
        if there[row] and cell < len(group_of) and group_of[cell] >= 0:
            of_rank[rank[rows[row] & 0xFFFFFFFF] + 1] += 1
            of_group[group_of[cell] + 1] += 1
            kept += 1
    for at in range(1, len(of_rank)):
        of_rank[at] += of_rank[at - 1]
    for at in range(1, len(of_group)):
        of_group[at] += of_group[at - 1]
    ranked = np.empty(kept, np.int64)
    for row in range(len(rows)):
        cell = rows[row] >> 32
        if there[row] and cell < len(group_of) and group_of[cell] >= 0:
            its = rank[rows[row] & 0xFFFFFFFF]
            ranked[of_rank[its]] = row
            of_rank[its] += 1
    for at in range(kept):
        group = group_of[rows[ranked[at]] >> 32]
        places[of_group[group]] = ranked[at]
        of_group[group] += 1
    count = 0
    for at in range(kept):
        group = group_of[rows[places[at]] >> 32]
        pattern = nb.uint64(patterns[rows[places[at]] & 0xFFFFFFFF])
        if count == 0 or group != groups[count - 1] or pattern != answered[count - 1]:
            runs[count] = at
            groups[count] = group
            answered[count] = pattern
            count += 1
    return kept, count
