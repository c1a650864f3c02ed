"""What one view counts with the native kernels: rows into scratches, and scratches into cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cxstream.kernels import native
from cxstream.tally.cell_index import CellIndex
from cxstream.tally.matrix import Batch, Layout
from cxstream.tally.numbering import Numbering
from cxstream.tally.sums import Sums, WideSums
from cxstream.tally.view_tally import ViewTally

#: Of counts, and of slots by group and class, in one scratch: 32 MiB each, and only what is used is touched.
_ENTRIES_MAX = 1 << 23
#: The same of a scratch that is kept from batch to batch.
_LASTING_ENTRIES_MAX = 1 << 20
#: More groups than that for every row are looked up in a hash table instead.
_GROUPS_PER_ROW_MAX = 16


class ViewCount:
    """The rows of one view that are counted and not yet in its cells.

    To count a batch: `begin`, then `count` by each of its threads; where it is not `done`, settle,
    `resume` and go on. To settle, add what waits to the cells: `find_cells` by one thread, `expand` by any, `end`.

    Parameters
    ----------
    view : ViewTally
    layout : Layout
    """

    def __init__(self, view: ViewTally, layout: Layout) -> None:
        self.view = view
        self._layout = layout
        self._plan = layout.lanes.count_plan
        self._dimensions: list[int] = view.dimensions.tolist()
        self._weights: list[int] = view.weights.tolist()
        self._numbering: Numbering | None = None
        self._shape: native.Rows | None = None
        self._scratches: list[native.Scratch] = []
        self._rows: native.Rows | None = None
        self._share = native.Share(0, 0)
        self._most: int | None = None
        self._cell_of: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._blocks: list[list[native.Block]] = []

    # --- which numbers groups have ----------------------------------------------------------------

    def _entries(self, numbering: Numbering) -> int:
        plan = self._plan
        each = max(plan.counts_width, 1 << plan.class_bits, 4 * plan.wide_width, 256 * plan.n_sets)
        return numbering.groups(self._dimensions) * each

    def lasts(self, numbering: Numbering) -> bool:
        """Whether so few groups are possible that a scratch of them is kept."""
        return self._entries(numbering) <= min(_LASTING_ENTRIES_MAX, _ENTRIES_MAX)

    def fits(self, numbering: Numbering, rows: int) -> bool:
        """Whether so few groups are possible that they are numbered for a batch."""
        groups = numbering.groups(self._dimensions)
        return self._entries(numbering) <= _ENTRIES_MAX and groups <= _GROUPS_PER_ROW_MAX * rows

    def holds(self, numbering: Numbering | None) -> bool:
        """Whether what waits has these numbers."""
        return self._numbering is numbering

    # --- a batch ----------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """Whether there are rows that are not in the cells yet."""
        return any(scratch.struct.rows for scratch in self._scratches)

    @property
    def done(self) -> bool:
        """Whether all rows of the batch are counted."""
        return not self._share.left()

    @property
    def size(self) -> int:
        """Return the bytes that what waits takes, about."""
        return sum(scratch.size(self._plan) for scratch in self._scratches)

    @property
    def work(self) -> int:
        """Return about how many rows take as long to count in order as this to expand."""
        return 0 if self._shape is None else self._shape.groups << min(3, self._plan.class_bits)

    def begin(
        self, batch: Batch, numbering: Numbering, axes: Sequence[native.Axis], threads: int
    ) -> None:
        """Take a batch whose axes have these numbers."""
        if self._numbering is not numbering:
            self._numbering = numbering
            self._shape = native.Rows(self._layout.shape, [], numbering.groups(self._dimensions))
        assert self._shape is not None
        self._rows = native.Rows(
            batch.columns, [axes[one] for one in self._dimensions], self._shape.groups
        )
        self._share = native.Share(batch.rows, threads)
        self._most = batch.rows if axes is batch.axes else None
        self.resume()

    def resume(self) -> None:
        """See that there is a scratch for every thread."""
        assert self._shape is not None
        while len(self._scratches) < self._share.threads:
            scratch = native.take_scratch()
            scratch.fit(self._plan, self._shape.groups, self._most)
            self._scratches.append(scratch)

    def left(self) -> list[int]:
        """Return the threads that have rows left."""
        return self._share.left()

    def count(self, thread: int) -> None:
        """Count rows until none is left, or the scratch is full."""
        assert self._rows is not None
        self._share.count(self._plan, self._rows, thread, self._scratches[thread])

    def leave(self) -> None:
        """Let go of a batch that is done."""
        self._rows = None

    # --- into cells -------------------------------------------------------------------------------

    def find_cells(self, patterns: dict[str, CellIndex]) -> None:
        """Look up the cells, and rows of sums, of all that was counted."""
        assert self._numbering is not None and self._shape is not None
        view, lanes = self.view, self._layout.lanes
        groups = native.present(self._plan, self._shape, self._scratches)
        self._cell_of = np.full(self._shape.groups, -1, dtype=np.int32)
        keys = self._numbering.keys(groups, self._dimensions, self._weights)
        self._cell_of[groups] = view.index.find(keys)
        view.counts.reserve(view.index.count)
        for key in lanes.wide:
            view.blocks[key].sums.reserve(view.index.count)
        targets: dict[str, list[NDArray[np.int32]]] = {}
        for key, block_lanes in lanes.blocks.items():
            block_sums = view.blocks[key]
            if block_lanes.pattern_of_class is None:
                block_sums.sums.reserve(view.index.count)
            else:
                targets[key] = [
                    self._pattern_rows(
                        scratch, block_lanes.pattern_of_class, patterns[key], block_sums.rows
                    )
                    for scratch in self._scratches
                ]
                block_sums.sums.reserve(block_sums.rows.count)
        self._blocks = [
            [
                native.Block(
                    _table(view.blocks[key].sums),
                    targets[key][part] if key in targets else None,
                    block_lanes.moment,
                    block_lanes.needs,
                    block_lanes.need,
                )
                for key, block_lanes in lanes.blocks.items()
            ]
            for part in range(len(self._scratches))
        ]

    def _pattern_rows(
        self,
        scratch: native.Scratch,
        pattern_of_class: NDArray[np.int64],
        patterns: CellIndex,
        rows: CellIndex,
    ) -> NDArray[np.int32]:
        """Return the row of sums of every slot in use, and then that of the rows that answer everything."""
        assert self._shape is not None
        groups = np.uint32(self._shape.groups)
        places = scratch.places
        if scratch.struct.dense:  # as one more slot
            places = np.append(places, np.uint32(len(pattern_of_class) - 1) * groups)
        class_of = places // groups
        used = np.flatnonzero(np.bincount(class_of))
        used = used[pattern_of_class[used] != 0]
        number = np.full(len(pattern_of_class), -1, dtype=np.int64)
        number[used] = patterns.find(pattern_of_class[used])
        numbers = number[class_of]
        kept = np.flatnonzero(numbers >= 0)
        cells = self._cell_of[places - class_of * groups].astype(np.int64)
        keys = ((cells << 32) | numbers)[kept]
        # New rows stand in the order of cells: it is the one in which they are read.
        order = np.argsort(keys)
        if not rows.count:
            rows.reserve(len(keys))
        targets = np.full(scratch.struct.n_slots + 1, -1, dtype=np.int32)
        targets[kept[order]] = rows.find(keys[order])
        return targets

    def expand(self, part: int, parts: int) -> None:
        """Add a part of the cells to the view."""
        assert self._shape is not None
        groups = self._shape.groups
        span = range(groups * part // parts, groups * (part + 1) // parts)
        wide = [_halves(self.view.blocks[key].sums) for key in self._layout.lanes.wide]
        for scratch, blocks in zip(self._scratches, self._blocks, strict=True):
            native.expand(
                self._plan, self._shape, scratch, span, self._cell_of, self.view.counts.table,
                blocks, wide,
            )  # fmt: skip

    def end(self) -> None:
        """Say that all of it is in the cells; whoever counts next takes the scratches."""
        self._blocks = []
        for scratch in self._scratches:
            scratch.cleared()
            native.give_back(scratch)
        self._scratches = []


def _halves(sums: Sums | WideSums) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    assert isinstance(sums, WideSums)
    return sums.halves


def _table(sums: Sums | WideSums) -> NDArray[np.int64]:
    assert isinstance(sums, Sums)
    return sums.table
