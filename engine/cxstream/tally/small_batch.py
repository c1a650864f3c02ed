"""Small batches: one call of a native kernel that adds row by row to all views."""

from __future__ import annotations

import numpy as np

from cxstream.kernels import native
from cxstream.program import Block, BlockKind, Plan
from cxstream.tally.cell_index import CellIndex
from cxstream.tally.matrix import Batch
from cxstream.tally.sums import WideSums
from cxstream.tally.view_tally import ViewTally

#: From about as many rows on, preparing lanes costs less than going row by row.
ROWS_MAX = 512
_COLUMNS_MAX = 64
_KINDS = {
    BlockKind.COMPLETE: native.COMPLETE,
    BlockKind.PATTERN: native.PATTERN,
    BlockKind.PAIRS: native.PAIRS,
}


class SmallBatches:
    """What adds small batches to the views of a tally.

    Parameters
    ----------
    plan : Plan
    singles : list of str
        Questions with one answer, by their place in a batch.
    views : list of ViewTally
    patterns : dict of str to CellIndex
        The answer patterns known, by block key.

    Attributes
    ----------
    blocks : set of str
        The keys of the blocks that are added to.
    """

    def __init__(
        self,
        plan: Plan,
        singles: list[str],
        views: list[ViewTally],
        patterns: dict[str, CellIndex],
    ) -> None:
        self._views = views
        self._patterns = patterns
        blocks = [block for block in plan.blocks if _is_added(block)]
        self.blocks = {block.key for block in blocks}
        self._columns = {
            block.key: np.array([singles.index(name) for name in block.columns], dtype=np.int32)
            for block in blocks
        }
        self._native = native.Views(len(views))
        self._bound: list[int] = [-1] * len(views)

    def add(self, batch: Batch) -> None:
        """Add a batch."""
        for key, index in self._patterns.items():
            if key in self.blocks:
                index.reserve(batch.rows)
        for place, view in enumerate(self._views):
            self._reserve(place, view, batch.rows)
        self._native.add(
            batch.rows, native.Rows(batch.columns, batch.axes, groups=1), batch.own, batch.offsets
        )

    def _reserve(self, place: int, view: ViewTally, rows: int) -> None:
        """Make room for new cells, and say where everything is if that has changed."""
        view.index.reserve(rows)
        cells = view.index.count + rows
        view.counts.reserve(cells)
        moved = view.counts.grown
        for key in self.blocks:
            one = view.blocks[key]
            if key in self._patterns:
                one.rows.reserve(rows)
                one.sums.reserve(one.rows.count + rows)
            else:
                one.sums.reserve(cells)
            moved += one.sums.grown
        if moved == self._bound[place]:
            return
        self._bound[place] = moved
        self._native.bind(
            place,
            axes=view.dimensions.astype(np.int32),
            weights=view.weights,
            index=view.index.native,
            counts=view.counts.table,
            tables=[
                native.Table(
                    _KINDS[one.block.kind],
                    self._columns[key],
                    *one.products,
                    one.sums.halves if isinstance(one.sums, WideSums) else (one.sums.table,),
                    self._patterns[key].native if key in self._patterns else None,
                    one.rows.native if key in self._patterns else None,
                )
                for key, one in ((key, view.blocks[key]) for key in self._columns)
            ],
        )


def _is_added(block: Block) -> bool:
    return (
        block.kind in _KINDS
        and len(block.columns) <= _COLUMNS_MAX
        and (block.kind is BlockKind.COMPLETE or not block.wide)
    )
