"""Growing tables of exact sums: 64-bit, or 128-bit in two halves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxstream.kernels.moments import dots_wide
from cxstream.kernels.wide import add_rows, add_up


class Sums:
    """Rows of int64 sums; a row that was never added to is zero."""

    wide = False

    def __init__(self, width: int) -> None:
        self.width = width
        #: How often the table moved.
        self.grown = 0
        self._data = np.zeros((1, width), dtype=np.int64)

    def reserve(self, rows: int) -> None:
        """Make room for so many rows."""
        if rows > len(self._data):
            grown = np.zeros((max(rows, 2 * len(self._data)), self.width), dtype=np.int64)
            grown[: len(self._data)] = self._data
            self._data = grown
            self.grown += 1

    def extend(self, rows: int) -> int:
        """Make room for so many rows; from the one returned on they hold anything, for a kernel to clear."""
        known = len(self._data)
        if rows <= known:
            return rows
        grown = np.empty((max(rows, 2 * known), self.width), dtype=np.int64)
        grown[:known] = self._data
        grown[rows:] = 0
        self._data = grown
        self.grown += 1
        return known

    @property
    def table(self) -> NDArray[np.int64]:
        """Return the whole table, room included, for a kernel to add to."""
        return self._data

    def rows(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return copies of rows as (n, width) int64."""
        return self._data[places]

    def first(self, places: NDArray[np.int64] | slice) -> NDArray[np.int64]:
        """Return the first sum of rows: how many responses they are of."""
        first: NDArray[np.int64] = self._data[places, 0]
        return first

    def add(self, places: NDArray[np.int64], values: NDArray[np.int64], sign: int) -> None:
        """Add (or subtract) rows, each place at most once."""
        self._data[places] += sign * values

    def grouped(
        self, places: NDArray[np.int64], starts: NDArray[np.int64], columns: slice
    ) -> NDArray[np.int64]:
        """Return sums over runs of places, (runs, columns); no run is empty."""
        first, stop, _ = columns.indices(self.width)
        sums = np.empty((len(starts), max(stop - first, 0)), dtype=np.int64)
        if sums.size:
            add_rows(self._data, places, starts, first, sums)
        return sums


class WideSums:
    """Rows of 128-bit sums, as a low unsigned and a high signed half."""

    wide = True

    def __init__(self, width: int) -> None:
        self.width = width
        #: How often the table moved.
        self.grown = 0
        self._low = np.zeros((1, width), dtype=np.uint64)
        self._high = np.zeros((1, width), dtype=np.int64)

    def reserve(self, rows: int) -> None:
        """Make room for so many rows."""
        if rows > len(self._low):
            size = max(rows, 2 * len(self._low))
            low = np.zeros((size, self.width), dtype=np.uint64)
            high = np.zeros((size, self.width), dtype=np.int64)
            low[: len(self._low)] = self._low
            high[: len(self._high)] = self._high
            self._low, self._high = low, high
            self.grown += 1

    @property
    def halves(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return the whole table, room included, for a kernel to add to."""
        return self._low, self._high

    def add_dots(
        self,
        matrix: NDArray[np.int64],
        starts: NDArray[np.int64],
        targets: NDArray[np.int32],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
    ) -> None:
        """Add the products of each run of matrix columns to its target row."""
        dots_wide(matrix, starts, targets, left, right, self._low, self._high)

    def widened(self, width: int) -> WideSums:
        """Return the same sums with more columns behind them, all zero."""
        out = WideSums(width)
        out.reserve(len(self._low))
        rows = len(self._low)
        out._low[:rows, : self.width] = self._low
        out._high[:rows, : self.width] = self._high
        return out

    def rows(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return copies of rows as (n, 2 * width) int64: low halves, then high halves."""
        return np.concatenate([self._low[places].view(np.int64), self._high[places]], axis=1)

    def first(self, places: NDArray[np.int64] | slice) -> NDArray[np.bool_]:
        """Return whether the first sum of rows, of how many responses they are, is not 0."""
        first: NDArray[np.bool_] = (self._low[places, 0] != 0) | (self._high[places, 0] != 0)
        return first

    def add(self, places: NDArray[np.int64], values: NDArray[np.int64], sign: int) -> None:
        """Add (or subtract) rows as given by `rows`, each place at most once."""
        low = np.ascontiguousarray(values[:, : self.width]).view(np.uint64)
        high = values[:, self.width :]
        before = self._low[places]
        if sign > 0:
            after = before + low
            self._high[places] += high + (after < before)
        else:
            after = before - low
            self._high[places] -= high + (before < low)
        self._low[places] = after

    def grouped(
        self, places: NDArray[np.int64], starts: NDArray[np.int64], columns: slice
    ) -> NDArray[np.object_]:
        """Return sums over runs of places as Python integers, (runs, columns)."""
        first, stop, _ = columns.indices(self.width)
        low = np.empty((len(starts), max(stop - first, 0)), dtype=np.uint64)
        high = np.empty(low.shape, dtype=np.int64)
        add_up(self._low, self._high, places, starts, first, low, high)
        sums: NDArray[np.object_] = low.astype(object)
        large = high != 0
        sums[large] += high[large].astype(object) << 64
        return sums
