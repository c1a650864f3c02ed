"""The cells of one view: counts and cross-moments per combination of levels and time bucket."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from cxstream.columns import BUCKETS_HALF, NO_BUCKET
from cxstream.kernels.cells import number_groups, pack_keys
from cxstream.kernels.classification import count_levels, count_pairs
from cxstream.kernels.fourth import dots_fourth
from cxstream.kernels.moments import COMPLETE, PAIRS, PATTERN, block_rows_for, dots
from cxstream.kernels.native import Runs, sort_rows
from cxstream.program import Block, BlockKind, Plan, View
from cxstream.tally.cell_index import CellIndex, SortedRows, sort, split
from cxstream.tally.matrix import Batch, largest_value
from cxstream.tally.sums import Sums, WideSums
from cxstream.tally.weighted import WeightedSums, update

#: Bits of a key below the levels: the time bucket, shifted to be positive; 0 for none.
_BUCKET_BITS = 24
#: Rows with weights that are put in order at a time: their codes and weights stay in the cache.
_SORTED_ROWS = 1 << 16
#: By pattern so many times as many: runs are short, and cost more than what is read from farther away.
_BY_PATTERN = 4
_KINDS = {
    BlockKind.COMPLETE: COMPLETE,
    BlockKind.PATTERN: PATTERN,
    BlockKind.PAIRS: PAIRS,
}


class BlockSums:
    """The sums of one block in one view: a row per cell, or per cell and answer pattern."""

    def __init__(self, plan: Plan, block: Block) -> None:
        self.block = block
        left, right = zip(*block.products, strict=True)
        #: Rows of the matrix that are multiplied.
        self.products = np.array(left, dtype=np.int32), np.array(right, dtype=np.int32)
        #: Rows whose products fit 31 bits.
        self.block_rows = block_rows_for(largest_value(plan, block))
        width = len(block.products)
        self.sums: Sums | WideSums = WideSums(width) if block.wide else Sums(width)
        #: Patterns only: (cell << 32 | pattern number) -> row.
        self.rows = CellIndex()

    def row_cells(self) -> NDArray[np.int64]:
        """Return the cell of every row (patterns only)."""
        return self.rows.keys >> 32

    def row_patterns(self) -> NDArray[np.int64]:
        """Return the pattern number of every row (patterns only)."""
        return self.rows.keys & 0xFFFFFFFF

    def add(self, answers: NDArray[np.int16], columns: NDArray[np.int64], rows: SortedRows) -> None:
        """Add a batch's products to its cells (not wide, no patterns)."""
        self._add(answers, columns, rows.order, rows.starts, rows.cells)

    def add_patterns(
        self,
        answers: NDArray[np.int16],
        columns: NDArray[np.int64],
        numbers: NDArray[np.int32],
        rows: SortedRows,
    ) -> None:
        """Add a batch's products to its cells and patterns."""
        runs = split(numbers, rows.runs, self.rows)
        self.sums.reserve(self.rows.count)
        assert runs.order is not None
        self._add(answers, columns, runs.order, runs.starts, runs.targets)

    def add_combinations(
        self, answers: NDArray[np.int64], numbers: NDArray[np.int32], rows: SortedRows
    ) -> None:
        """Count a batch's combinations of answers."""
        there = np.flatnonzero(numbers >= 0)
        cells = rows.cells[rows.places[there]].astype(np.int64)
        targets = self.rows.find((cells << 32) | numbers[there])
        self.sums.reserve(self.rows.count)
        assert isinstance(self.sums, Sums)
        # All that are of one row give the same answers.
        once, first, counts = np.unique(targets, return_index=True, return_counts=True)
        self.sums.table[once, 0] += counts
        self.sums.table[once, 1:] += answers[:, there[first]].T * counts[:, None]

    def _add(
        self,
        answers: NDArray[np.int16],
        columns: NDArray[np.int64],
        order: NDArray[np.int32],
        starts: NDArray[np.int64],
        targets: NDArray[np.int32],
    ) -> None:
        assert isinstance(self.sums, Sums)
        if self.block.kind is BlockKind.FOURTH:
            dots_fourth(
                answers, columns, order, starts, targets, *self.products, self.block_rows,
                self.sums.table,
            )  # fmt: skip
            return
        dots(
            answers, columns, _KINDS[self.block.kind], order, starts, targets, *self.products,
            self.block_rows, self.sums.table,
        )  # fmt: skip


class ViewTally:
    """All sums of one view."""

    def __init__(self, plan: Plan, view: View) -> None:
        self.plan = plan
        self.view = view
        self.index = CellIndex()
        self.counts = Sums(plan.counts_width)
        self.blocks = {block.key: BlockSums(plan, block) for block in plan.blocks}
        self.weighted = {block.key: WeightedSums(block) for block in plan.weighted}
        #: All sums besides the counts, in the order of `Plan.kept`.
        self.kept: dict[str, BlockSums | WeightedSums] = {**self.blocks, **self.weighted}
        self._radixes = [plan.dimensions[name][1] + 1 for name in view.by]
        #: Rows of `Batch.dimensions`, and what a step of each adds to a key.
        dimensions = [list(plan.dimensions).index(name) for name in view.by]
        weights = [1]
        for radix in reversed(self._radixes):
            weights.append(weights[-1] * radix)
        weights = weights[-2::-1]
        if plan.time_unit:
            dimensions.append(len(plan.dimensions))
            weights = [*(weight << _BUCKET_BITS for weight in weights), 1]
        self.dimensions = np.array(dimensions, dtype=np.int64)
        self.weights = np.array(weights, dtype=np.int64)

    # --- keys -------------------------------------------------------------------------------------

    def pack(
        self, levels: Mapping[str, NDArray[np.int32]], buckets: NDArray[np.int64] | None, rows: int
    ) -> NDArray[np.int64]:
        """Return group keys of level codes (0 for null) and time buckets."""
        key = np.zeros(rows, dtype=np.int64)
        for name, radix in zip(self.view.by, self._radixes, strict=True):
            key *= radix
            key += levels[name]
        if buckets is not None:
            key <<= _BUCKET_BITS
            key += np.where(buckets == NO_BUCKET, 0, buckets + BUCKETS_HALF)
        return key

    def unpack(
        self, keys: NDArray[np.int64]
    ) -> tuple[dict[str, NDArray[np.int32]], NDArray[np.int64] | None]:
        """Return level codes and time buckets of group keys."""
        buckets = None
        if self.plan.time_unit:
            low = keys & ((1 << _BUCKET_BITS) - 1)
            buckets = np.where(low == 0, NO_BUCKET, low - BUCKETS_HALF)
            keys = keys >> _BUCKET_BITS
        levels: dict[str, NDArray[np.int32]] = {}
        for name, radix in zip(reversed(self.view.by), reversed(self._radixes), strict=True):
            levels[name] = (keys % radix).astype(np.int32)
            keys = keys // radix
        return levels, buckets

    # --- update -----------------------------------------------------------------------------------

    def update(self, batch: Batch, blocks: Iterable[str]) -> None:
        """Count one batch's rows in the order of their cells: the counts, some blocks, the weights."""
        rows = self._sorted(batch)
        self.counts.reserve(self.index.count)
        table = self.counts.table
        columns = batch.layout.columns
        count_levels(
            batch.codes[: len(columns)], columns, rows.places, rows.starts, rows.cells, table
        )
        for paired_rows, chosen in batch.choices:
            count_pairs(paired_rows, chosen, rows.places, rows.cells, table)
        self._add_blocks(batch, blocks, rows)
        if batch.weights is not None:
            self._add_weights(batch)

    def update_rest(self, batch: Batch, blocks: list[str]) -> None:
        """The same without the counts, which the native kernels have counted."""
        if blocks:
            self._add_blocks(batch, blocks, self._sorted(batch))
        if batch.weights is not None:
            self._add_weights(batch)

    def _add_blocks(self, batch: Batch, blocks: Iterable[str], rows: SortedRows) -> None:
        layout = batch.layout
        for key in blocks:
            block_sums = self.blocks[key]
            if block_sums.block.kind is BlockKind.PATTERN:
                block_sums.add_patterns(
                    batch.answers, layout.blocks[key], batch.patterns[key], rows
                )
                continue
            if block_sums.block.kind is BlockKind.DISTINCT:
                block_sums.add_combinations(*batch.combinations[key], rows)
                continue
            block_sums.sums.reserve(self.index.count)
            if isinstance(block_sums.sums, WideSums):
                matrix = batch.wide[key].take(rows.order, axis=1)
                block_sums.sums.add_dots(matrix, rows.starts, rows.cells, *block_sums.products)
            else:
                block_sums.add(batch.answers, layout.blocks[key], rows)

    def _groups(self, batch: Batch) -> int:
        """Return how many groups are possible in a batch."""
        sizes = (batch.offsets[one + 1] - batch.offsets[one] for one in self.dimensions)
        return math.prod(map(int, sizes))

    def _add_weights(self, batch: Batch) -> None:
        groups = self._groups(batch)
        if groups == 1:
            cells = self.index.find(self._keys(batch, np.zeros(1, dtype=np.int32)))
            runs = Runs(None, np.array([0, batch.rows]), cells)
            update(self.weighted, batch, range(batch.rows), runs, self.index.count)
            return
        if groups <= batch.rows:
            numbers, known = self._numbers(batch), None
        else:
            rows = self._sorted(batch)
            numbers, known = rows.places, rows.cells
            groups = len(known)
        by_pattern = any(one.is_by_pattern for one in self.weighted.values())
        step = max(_SORTED_ROWS * (_BY_PATTERN if by_pattern else 1), groups)
        for begin in range(0, batch.rows, step):
            some = range(begin, min(begin + step, batch.rows))
            runs = sort_rows(numbers[some.start : some.stop], groups)
            if known is None:
                assert runs.order is not None
                keys = self._keys(batch, runs.order[runs.starts[:-1]] + np.int32(begin))
                cells = self.index.find(keys)
            else:
                cells = known[runs.targets]
            update(self.weighted, batch, some, runs._replace(targets=cells), self.index.count)

    def _numbers(self, batch: Batch) -> NDArray[np.int32]:
        """Number every row's combination of digits."""
        numbers = np.empty(batch.rows, dtype=np.int32)
        number_groups(batch.dimensions, self.dimensions, batch.offsets, numbers)
        return numbers

    def _sorted(self, batch: Batch) -> SortedRows:
        """Sort a batch's rows by cell."""
        groups = self._groups(batch)
        if groups > batch.rows:
            keys = self._keys(batch, np.arange(batch.rows, dtype=np.int32))
            return self.index.sort(self.index.find(keys))
        # So few groups are possible that they are numbered; only those there are get looked up.
        rows = sort(self._numbers(batch), np.full(groups, -1, dtype=np.int32))
        keys = self._keys(batch, rows.order[rows.starts[:-1]])
        return rows._replace(cells=self.index.find(keys))

    def _keys(self, batch: Batch, rows: NDArray[np.int32]) -> NDArray[np.int64]:
        keys = np.empty(len(rows), dtype=np.int64)
        pack_keys(
            batch.dimensions, rows, self.dimensions, batch.own, batch.offsets, self.weights, keys
        )
        return keys
