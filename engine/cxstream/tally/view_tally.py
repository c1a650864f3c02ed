"""The cells of one view: counts and cross-moments per combination of levels and time bucket."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cxstream.columns import BUCKETS_HALF, NO_BUCKET, Codes
from cxstream.kernels.classification import count_choices, count_levels
from cxstream.kernels.moments import block_rows_for
from cxstream.program import Block, BlockKind, Plan, View
from cxstream.tally.cell_index import CellIndex
from cxstream.tally.matrix import BatchMatrices, largest_value
from cxstream.tally.sums import Sums, WideSums

#: Bits of a key below the levels: the time bucket, shifted to be positive; 0 for none.
_BUCKET_BITS = 24


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


class ViewTally:
    """All sums of one view."""

    def __init__(self, plan: Plan, view: View) -> None:
        self.plan = plan
        self.view = view
        self.index = CellIndex()
        self.counts = Sums(plan.counts_width)
        self.blocks = {block.key: BlockSums(plan, block) for block in plan.blocks}
        self._radixes = [plan.dimensions[name][1] + 1 for name in view.by]

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

    def update(
        self, codes: Codes, levels: Mapping[str, NDArray[np.int32]], matrices: BatchMatrices
    ) -> None:
        """Count one batch. `levels` are the tally's own level codes."""
        cells = self.index.find(self.pack(levels, codes.buckets, codes.rows))
        self.counts.reserve(self.index.count)
        order, starts, touched = self.index.sort(cells)
        table = self.counts.table
        table[touched, 0] += starts[1:] - starts[:-1]
        for bank, columns in matrices.banks:
            count_levels(bank, columns, cells, table)
        for name, values in codes.numbers.items():
            slot = self.plan.slots[name]
            # -1 null, -2 - i missing code i: the columns are valid, missing .., null.
            last = slot.start + slot.width - 1
            column = np.where(
                values >= 0, slot.start, np.where(values == -1, last, slot.start - 1 - values)
            )
            np.add.at(table, (cells, column), 1)
        for name, choice in codes.choices.items():
            slot = self.plan.slots[name]
            seen = np.empty(slot.levels, dtype=np.int64)
            count_choices(
                choice.offsets, choice.codes, slot.levels, len(slot.missing), slot.start, cells,
                seen, table,
            )  # fmt: skip
        for block_sums in self.blocks.values():
            if block_sums.block.kind is BlockKind.PATTERN:
                self._update_patterns(block_sums, cells, matrices)
            else:
                self._update_block(block_sums, order, starts, touched, matrices)

    def _update_block(
        self,
        block_sums: BlockSums,
        order: NDArray[np.int32],
        starts: NDArray[np.int64],
        touched: NDArray[np.int32],
        matrices: BatchMatrices,
    ) -> None:
        matrix = matrices.blocks[block_sums.block.key]
        if matrix.rows is not None:
            kept = matrix.rows[order]
            ends = np.concatenate(([0], np.cumsum(kept)))
            starts = ends[starts]
            order = order[kept]
        block_sums.sums.reserve(self.index.count)
        block_sums.sums.add_dots(
            matrix.take(order), starts, touched, block_sums.products, block_sums.block_rows
        )

    def _update_patterns(
        self, block_sums: BlockSums, cells: NDArray[np.int32], matrices: BatchMatrices
    ) -> None:
        matrix = matrices.blocks[block_sums.block.key]
        assert matrix.rows is not None and matrix.patterns is not None
        answered = np.flatnonzero(matrix.rows)
        keys = (cells[answered].astype(np.int64) << 32) | matrix.patterns[answered]
        rows = block_sums.rows.find(keys)
        block_sums.sums.reserve(block_sums.rows.count)
        order, starts, touched = block_sums.rows.sort(rows)
        block_sums.sums.add_dots(
            matrix.take(answered[order]),
            starts,
            touched,
            block_sums.products,
            block_sums.block_rows,
        )
