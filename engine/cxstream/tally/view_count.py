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

    To count a batch: `begin`, then `count` by any threads, a part each; where one is not `done`, settle,
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
        self._at: list[int] = []
        self._ends: list[int] = []
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
        return self._at == self._ends

    @property
    def size(self) -> int:
        """Return the bytes that what waits takes, about."""
        return sum(scratch.size(self._plan) for scratch in self._scratches)

    @property
    def work(self) -> int:
        """Return about how many rows take as long to count in order as this to expand."""
        return 0 if self._shape is None else self._shape.groups << min(3, self._plan.class_bits)

    def begin(
        self, batch: Batch, numbering: Numbering, axes: Sequence[native.Axis], parts: int
    ) -> None:
        """Take a batch whose axes have these numbers."""
        if self._numbering is not numbering:
            self._numbering = numbering
            self._shape = native.Rows(self._layout.shape, [], numbering.groups(self._dimensions))
        assert self._shape is not None
        self._rows = native.Rows(
            batch.columns, [axes[one] for one in self._dimensions], self._shape.groups
        )
        edges = [batch.rows * part // parts for part in range(parts + 1)]
        self._at, self._ends = edges[:-1], edges[1:]
        self._most = batch.rows if axes is batch.axes else None
        self.resume()

    def resume(self) -> None:
        """See that there is a scratch for every part."""
        assert self._shape is not None
        while len(self._scratches) < len(self._ends):
            scratch = native.take_scratch()
            scratch.fit(self._plan, self._shape.groups, self._most)
            self._scratches.append(scratch)

    def left(self) -> list[int]:
        """Return the parts that have rows left."""
        return [
            part
            for part, (at, end) in enumerate(zip(self._at, self._ends, strict=True))
            if at < end
        ]

    def count(self, part: int) -> None:
        """Count a part's rows, as far as its scratch goes."""
        assert self._rows is not None
        self._at[part] = native.count(
            self._plan, self._rows, self._at[part], self._ends[part], self._scratches[part]
        )

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
        """Return the row of sums of every slot, and then that of the rows that answer everything."""
        assert self._shape is not None
        slots, places = scratch.slots(self._plan)
        targets = np.full(scratch.struct.n_slots + 1, -1, dtype=np.int32)
        if scratch.struct.dense:  # as one more slot
            whole = (len(pattern_of_class) - 1) * self._shape.groups
            slots, places = np.append(slots, len(targets) - 1), np.append(places, whole)
        class_of, group = np.divmod(places.astype(np.int64), self._shape.groups)
        used = np.flatnonzero(np.bincount(class_of))
        used = used[pattern_of_class[used] != 0]
        number = np.full(len(pattern_of_class), -1, dtype=np.int64)
        number[used] = patterns.find(pattern_of_class[used])
        numbers = number[class_of]
        kept = numbers >= 0
        cells = self._cell_of[group[kept]].astype(np.int64)
        targets[slots[kept]] = rows.find((cells << 32) | numbers[kept])
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
