"""Rows -> cells: a hash lookup of group keys, and a counting sort of rows by cell."""

from __future__ import annotations

from typing import Any

import numba as nb

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
    nb.int64(ro(nb.int32), rw(nb.int32), rw(nb.int64), rw(nb.int32), rw(nb.int32)),
)
def sort_rows(cells: Any, place_of_cell: Any, starts: Any, touched: Any, order: Any) -> int:
    """Sort rows by cell, keeping their order within one (counting sort).

    Parameters
    ----------
    cells : (n,) int32
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
        cell = cells[row]
        place = place_of_cell[cell]
        if place < 0:
            place = nb.int32(count)
            place_of_cell[cell] = place
            touched[count] = cell
            starts[count + 2] = 0
            count += 1
        starts[place + 2] += 1
    starts[0] = 0
    starts[1] = 0
    for place in range(count):
        starts[place + 2] += starts[place + 1]
    # starts[p + 1] is now where cell p begins; it moves up to where it ends.
    for row in range(len(cells)):
        place = place_of_cell[cells[row]]
        order[starts[place + 1]] = nb.int32(row)
        starts[place + 1] += 1
    for place in range(count):
        place_of_cell[touched[place]] = -1
    return count
