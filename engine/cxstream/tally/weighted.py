"""What a survey weight adds to a view: counts and cross-moments with n, w and w^2."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxstream.kernels import native
from cxstream.program import BlockKind, WeightedBlock
from cxstream.tally.cell_index import CellIndex, split
from cxstream.tally.sums import WideSums

if TYPE_CHECKING:
    from cxstream.tally.matrix import Batch


#: From about as many rows of a cell, or cell and pattern, on, vectors cost less than going row by row.
VECTOR_ROWS_MIN = 16
_KINDS = {
    BlockKind.COMPLETE: native.COMPLETE,
    BlockKind.PATTERN: native.PATTERN,
    BlockKind.FOURTH: native.FOURTH,
}


class BatchWeights:
    """The weights of one batch.

    Attributes
    ----------
    weights : (rows,) int64
        In steps; -1 for none.
    largest : int
        The largest weight.
    """

    def __init__(self, weights: NDArray[np.int64]) -> None:
        self.weights = weights
        self.largest = int(weights.max(initial=0))


class WeightedSums:
    """The sums of one weighted block in one view: a row per cell, or per cell and answer pattern."""

    def __init__(self, block: WeightedBlock) -> None:
        self.block = block
        #: Rows of the matrix that are multiplied.
        products = np.array(block.products, dtype=np.int32).reshape(-1, 2)
        self.products = products[:, 0].copy(), products[:, 1].copy()
        self.sums = WideSums(block.width(1))
        #: Patterns only: (cell << 32 | pattern number) -> row.
        self.rows = CellIndex()

    @property
    def is_by_pattern(self) -> bool:
        """Whether there is a row per cell and answer pattern."""
        return self.block.of is not None and self.block.of.kind is BlockKind.PATTERN

    def row_cells(self) -> NDArray[np.int64]:
        """Return the cell of every row (patterns only)."""
        return self.rows.keys >> 32

    def row_patterns(self) -> NDArray[np.int64]:
        """Return the pattern number of every row (patterns only)."""
        return self.rows.keys & 0xFFFFFFFF

    def table(self, batch: Batch, largest: int) -> native.WeightedTable:
        """Return where a batch with weights up to `largest` is added (not the counts)."""
        block = self.block.of
        assert block is not None
        limbs = self.block.limbs_of(largest)
        width = self.block.width(limbs)
        left, right = (one[:width] for one in self.products)
        return native.WeightedTable(
            _KINDS[block.kind], batch.layout.places[block.key], limbs, self.block.limb_bits,
            len(self.block.firsts), left, right, *self.sums.halves,
        )  # fmt: skip

    def reserve(self, cells: int, largest: int) -> None:
        """Make room for so many cells, and for weights up to `largest`."""
        self._widen(self.block.width(self.block.limbs_of(largest)))
        self.sums.reserve(cells)

    def fitted(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return canonical rows as wide as the sums, which are widened where they are wider."""
        self._widen(values.shape[1] // 2)
        return _as_wide_as(values, self.sums.width)

    def trimmed(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return rows of the sums without limbs that no weight among them has: canonical rows."""
        limbs = self.block.limbs if self.block.of else 1
        widths = [self.block.width(limb) for limb in range(1, limbs + 1)]
        halves = values.reshape(len(values), 2, self.sums.width)
        used = next(one for one in widths if one >= self.sums.width or not halves[:, :, one:].any())
        return _as_wide_as(values, used)

    def _widen(self, width: int) -> None:
        if width > self.sums.width:
            self.sums = self.sums.widened(width)


def update(
    blocks: dict[str, WeightedSums], batch: Batch, some: range, runs: native.Runs, count: int
) -> None:
    """Count some rows of a batch into a view of `count` cells: runs of each, rows numbered from 0 on."""
    assert batch.weights is not None
    largest = batch.weights.largest
    by_pattern = [one for one in blocks.values() if one.is_by_pattern]
    rows = native.WeightedRows(
        batch.columns, batch.weights.weights, largest, some,
        in_order=runs.order is not None or bool(by_pattern),
    )  # fmt: skip
    counts, tables = None, []
    for one in blocks.values():
        if one.is_by_pattern:
            continue
        one.reserve(count, largest)
        if one.block.of is None:
            counts = one.sums.halves
        else:
            tables.append(one.table(batch, largest))
    rows.add(runs, VECTOR_ROWS_MIN, counts, tables)
    for one in by_pattern:
        assert one.block.of is not None
        numbers = batch.patterns[one.block.of.key][some.start : some.stop]
        split_runs = split(numbers, runs, one.rows)
        one.reserve(one.rows.count, largest)
        rows.add(split_runs, VECTOR_ROWS_MIN, None, [one.table(batch, largest)])


def _as_wide_as(values: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Return rows of low, then high halves, cut or filled up with zeros to another width."""
    halves = values.reshape(len(values), 2, -1) if values.size else values.reshape(0, 2, width)
    out = np.zeros((len(values), 2, width), dtype=np.int64)
    common = min(width, halves.shape[2])
    out[:, :, :common] = halves[:, :, :common]
    return out.reshape(len(values), 2 * width)


def multiply_pairs(matrix: NDArray[np.int64], columns: int) -> None:
    """Fill the rows behind [1, x_1 .. x_columns] with all products of two of the columns."""
    pairs = combinations_with_replacement(range(1, columns + 1), 2)
    for place, (i, j) in enumerate(pairs, start=columns + 1):
        np.multiply(matrix[i], matrix[j], out=matrix[place])
