"""What a survey weight adds to a view: counts and cross-moments with n, w and w^2."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxstream.columns import Codes
from cxstream.kernels.cells import split_runs
from cxstream.kernels.moments import COMPLETE, PATTERN
from cxstream.kernels.weights import (
    FOURTH,
    PIECE_BITS,
    count_weighted_pairs,
    count_weights,
    dots_weighted,
    square_weights,
)
from cxstream.program import Block, BlockKind, Plan, WeightedBlock
from cxstream.tally.cell_index import CellIndex, SortedRows
from cxstream.tally.sums import WideSums

if TYPE_CHECKING:
    from cxstream.tally.matrix import Batch


_NO_PIECES = np.empty((0, 0), dtype=np.uint32)
_KINDS = {
    BlockKind.COMPLETE: COMPLETE,
    BlockKind.PATTERN: PATTERN,
    BlockKind.FOURTH: FOURTH,
}


class BatchWeights:
    """The weights of one batch, and what they are multiplied with.

    Attributes
    ----------
    weights : (rows,) int64
        In steps; -1 for none.
    square_low, square_high : (rows,) uint64, int64
        Their squares.
    largest : int
        The largest weight.
    pieces : (m, rows) uint32
        Weights and then their squares in pieces of `PIECE_BITS`, the lowest first.
    first_pieces : int
        How many of them are the weights'.
    matrices : dict of str to (m, rows) int64
        By key of a weighted block that `dots_weighted` cannot count (numbers, or weights of several
        limbs): the rows that `WeightedBlock.products` names, of as many limbs as the weights have.
    """

    def __init__(self, plan: Plan, codes: Codes, weights: NDArray[np.int64]) -> None:
        self.weights = weights
        self.square_low = np.zeros(codes.rows, dtype=np.uint64)
        self.square_high = np.zeros(codes.rows, dtype=np.int64)
        square_weights(weights, self.square_low, self.square_high)
        self.largest = int(weights.max(initial=0))
        self.matrices = {
            one.key: _matrix(plan, one, one.of, codes, weights, one.limbs_of(self.largest))
            for one in plan.weighted
            if one.of is not None and (one.of.wide or one.limbs_of(self.largest) > 1)
        }
        self.first_pieces = -(-self.largest.bit_length() // PIECE_BITS)
        self.pieces = np.stack(list(self._pieces())) if self.largest else _NO_PIECES

    def _pieces(self) -> Iterator[NDArray[np.uint32]]:
        mask = np.uint64((1 << PIECE_BITS) - 1)
        bits = self.largest.bit_length()
        low, high = np.maximum(self.weights, 0).astype(np.uint64), np.zeros_like(self.square_low)
        for count in (bits, 2 * bits):
            for shift in range(0, count, PIECE_BITS):
                if shift < 64:
                    piece = low >> np.uint64(shift)
                    if shift:
                        piece |= high << np.uint64(64 - shift)
                else:
                    piece = high >> np.uint64(shift - 64)
                yield (piece & mask).astype(np.uint32)
            low, high = self.square_low, self.square_high.astype(np.uint64)


class WeightedSums:
    """The sums of one weighted block in one view: a row per cell, or per cell and answer pattern."""

    def __init__(self, block: WeightedBlock) -> None:
        self.block = block
        #: Rows of the matrix that are multiplied.
        products = np.array(block.products, dtype=np.int32).reshape(-1, 2)
        self.products = products[:, 0].copy(), products[:, 1].copy()
        #: The same of the block's own matrix: those multiplied with w, and with w^2.
        self._pairs = _pairs(block.firsts), _pairs(block.of.products if block.of else ())
        self.sums = WideSums(block.width(1))
        #: Patterns only: (cell << 32 | pattern number) -> row.
        self.rows = CellIndex()
        self._place_of_pattern = np.full(64, -1, dtype=np.int32)

    def row_cells(self) -> NDArray[np.int64]:
        """Return the cell of every row (patterns only)."""
        return self.rows.keys >> 32

    def row_patterns(self) -> NDArray[np.int64]:
        """Return the pattern number of every row (patterns only)."""
        return self.rows.keys & 0xFFFFFFFF

    def count(self, batch: Batch, given: BatchWeights, rows: SortedRows, cells: int) -> None:
        """Count a batch into its cells (the counts only)."""
        self.sums.reserve(cells)
        weights = given.weights, given.square_low, given.square_high
        groups = rows.places, rows.cells
        starts = batch.layout.columns
        count_weights(batch.codes[: len(starts)], starts, *weights, *groups, *self.sums.halves)
        for paired_rows, columns in batch.choices:
            count_weighted_pairs(paired_rows, columns, *weights, *groups, *self.sums.halves)

    def add(self, batch: Batch, given: BatchWeights, rows: SortedRows, cells: int) -> None:
        """Add a batch's products to its cells, or its cells and patterns."""
        assert self.block.of is not None
        width = self.block.width(self.block.limbs_of(given.largest))
        self._widen(width)
        if self.block.of.kind is BlockKind.PATTERN:
            order, starts, targets = self._split(batch.patterns[self.block.of.key], rows)
            self.sums.reserve(self.rows.count)
        else:
            order, starts, targets = rows.order, rows.starts, rows.cells
            self.sums.reserve(cells)
        # Rows of no pattern stand behind the last run.
        order = order[: int(starts[-1])]
        matrix = given.matrices.get(self.block.key)
        if matrix is None:
            columns = batch.layout.blocks[self.block.of.key]
            dots_weighted(
                batch.answers, columns, _KINDS[self.block.of.kind], given.pieces,
                given.first_pieces, given.weights, order, starts, targets, *self._pairs,
                *self.sums.halves,
            )  # fmt: skip
            return
        left, right = (one[:width] for one in self.products)
        self.sums.add_dots(matrix.take(order, axis=1), starts, targets, left, right)

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

    def _split(
        self, numbers: NDArray[np.int32], rows: SortedRows
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
        known = int(numbers.max(initial=-1)) + 1
        if known > len(self._place_of_pattern):
            self._place_of_pattern = np.full(2 * known, -1, dtype=np.int32)
        order = np.empty(len(numbers), dtype=np.int32)
        starts = np.empty(len(numbers) + 2, dtype=np.int64)
        keys = np.empty(len(numbers), dtype=np.int64)
        runs = split_runs(
            numbers, rows.order, rows.starts, rows.cells, self._place_of_pattern, order, starts,
            keys,
        )  # fmt: skip
        return order, starts[: runs + 1], self.rows.find(keys[:runs])


def _pairs(products: tuple[tuple[int, int], ...]) -> NDArray[np.int32]:
    """Return pairs of rows as (2, products)."""
    return np.ascontiguousarray(np.array(products, dtype=np.int32).reshape(-1, 2).T)


def update(
    blocks: dict[str, WeightedSums], batch: Batch, given: BatchWeights, rows: SortedRows, cells: int
) -> None:
    """Count one batch into a view of so many cells."""
    for one in blocks.values():
        if one.block.of is None:
            one.count(batch, given, rows, cells)
        else:
            one.add(batch, given, rows, cells)


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


def _matrix(
    plan: Plan,
    weighted: WeightedBlock,
    block: Block,
    codes: Codes,
    weights: NDArray[np.int64],
    limbs: int,
) -> NDArray[np.int64]:
    height = weighted.height
    matrix = np.zeros((height * (1 + limbs), codes.rows), dtype=np.int64)
    own = matrix[:height]
    kept = weights >= 0
    answered = []
    for place, name in enumerate(block.columns, start=1):
        if name in codes.numbers:
            answered.append(codes.numbers[name] >= 0)
            own[place] = codes.numbers[name]
        else:
            answered.append(codes.scales[name] < plan.levels(name))
            own[place] = codes.scales[name]
    if block.kind is BlockKind.PATTERN:
        for place, one in enumerate(answered, start=1):
            own[place] *= one & kept
    else:
        for one in answered:
            kept &= one
        own[1 : len(answered) + 1] *= kept
    own[0] = kept
    if block.kind is BlockKind.FOURTH:
        multiply_pairs(own, len(block.columns))
    mask = (1 << weighted.limb_bits) - 1
    for limb in range(limbs):
        part = (np.maximum(weights, 0) >> (limb * weighted.limb_bits)) & mask
        np.multiply(own, part, out=matrix[height * (limb + 1) : height * (limb + 2)])
    return matrix
