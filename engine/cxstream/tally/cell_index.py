"""Group keys -> consecutive cell numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cxstream.kernels.cells import find_cells, sort_rows
from cxstream.kernels.native import Index, Runs, split_runs

_SLOTS_MIN = 256


class CellIndex:
    """A hash table from int64 keys to cells 0, 1, 2 ... in order of first appearance."""

    def __init__(self) -> None:
        #: The same table for the native kernels.
        self.native = Index()
        #: How often it was laid out anew.
        self.grown = 0
        self._keys = np.empty(_SLOTS_MIN // 2, dtype=np.int64)
        self._slot_keys = np.zeros(_SLOTS_MIN, dtype=np.int64)
        self._slot_cells = np.empty(_SLOTS_MIN, dtype=np.int32)
        self._slot_cells.fill(-1)
        #: For `sort`.
        self._place_of_cell: NDArray[np.int32] | None = None
        self._order: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.native.bind(self._slot_keys, self._slot_cells, self._keys)

    @property
    def count(self) -> int:
        """Return how many cells there are."""
        return int(self.native.struct.count)

    def reserve(self, more: int) -> None:
        """Make room for so many more keys."""
        keys = self.count + more
        if keys > len(self._keys):
            self._grow(max(2 * len(self._slot_keys), 1 << (2 * keys - 1).bit_length()))

    @property
    def keys(self) -> NDArray[np.int64]:
        """Return the key of every cell, (count,)."""
        return self._keys[: self.count]

    @property
    def order(self) -> NDArray[np.int64]:
        """Return the cells in the order of their keys, (count,)."""
        if len(self._order) != self.count:
            self._order = np.argsort(self.keys, kind="stable")
        return self._order

    def find(self, keys: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the cell of every key; unknown keys get new cells."""
        cells = np.empty(len(keys), dtype=np.int32)
        row = 0
        while True:
            row, self.native.struct.count = find_cells(
                keys, self._slot_keys, self._slot_cells, self._keys, cells, row, self.count
            )
            if row == len(keys):
                return cells
            self._grow(2 * len(self._slot_keys))

    def get(self, keys: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the cell of every key, -1 where there is none; changes nothing."""
        order = self.order
        ordered = self.keys[order]
        places = np.searchsorted(ordered, keys)
        places[places == len(ordered)] = 0
        found = np.full(len(keys), -1, dtype=np.int32)
        if len(ordered):
            hit = ordered[places] == keys
            found[hit] = order[places[hit]]
        return found

    def _grow(self, size: int) -> None:
        self._slot_keys = np.zeros(size, dtype=np.int64)
        self._slot_cells = np.full(size, -1, dtype=np.int32)
        known = self.keys.copy()
        self._keys = np.empty(size // 2, dtype=np.int64)
        self._place_of_cell = None
        scratch = np.empty(len(known), dtype=np.int32)
        find_cells(known, self._slot_keys, self._slot_cells, self._keys, scratch, 0, 0)
        self.native.bind(self._slot_keys, self._slot_cells, self._keys)
        self.grown += 1

    def sort(self, cells: NDArray[np.int32]) -> SortedRows:
        """Sort rows by cell; `cells` is overwritten."""
        if self._place_of_cell is None:
            self._place_of_cell = np.full(len(self._keys), -1, dtype=np.int32)
        return sort(cells, self._place_of_cell)


class SortedRows(NamedTuple):
    """Rows sorted by cell.

    Attributes
    ----------
    places : (n,) int32
        Row r belongs to cells[places[r]].
    order, starts : (n,) int32, (k + 1,) int64
        Rows order[starts[i]:starts[i + 1]] belong to cells[i].
    cells : (k,) int32
    """

    places: NDArray[np.int32]
    order: NDArray[np.int32]
    starts: NDArray[np.int64]
    cells: NDArray[np.int32]

    @property
    def runs(self) -> Runs:
        """Return the same without places."""
        return Runs(self.order, self.starts, self.cells)


def sort(cells: NDArray[np.int32], place_of_cell: NDArray[np.int32]) -> SortedRows:
    """Sort rows by cell; `cells` is overwritten. The scratch holds -1 for every cell there is."""
    rows = len(cells)
    starts = np.empty(rows + 2, dtype=np.int64)
    touched = np.empty(rows, dtype=np.int32)
    order = np.empty(rows, dtype=np.int32)
    count = sort_rows(cells, place_of_cell, starts, touched, order)
    return SortedRows(cells, order, starts[: count + 1], touched[:count])


def split(numbers: NDArray[np.int32], runs: Runs, rows: CellIndex) -> Runs:
    """Sort the rows of every cell by the number of their pattern, -1 for none, which is left out.

    `rows` says which row of sums a cell and pattern have; new ones get the next.
    """
    patterns = int(numbers.max(initial=-1)) + 1
    order, starts, keys = split_runs(numbers, patterns, runs)
    return Runs(order, starts, rows.find(keys))
