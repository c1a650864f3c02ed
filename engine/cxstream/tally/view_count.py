"""What one view counts with the native kernels: rows into scratches, and scratches into cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cxstream.kernels import native
from cxstream.tally.cell_index import CellIndex
from cxstream.tally.lanes import CLASS_BITS_MAX
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


class _Slots(NamedTuple):
    """The slots of a scratch that are in use, in the order of their cells.

    Attributes
    ----------
    order : (slots,) uint32
        As the scratch lists them.
    cells, classes : (slots,) int64
        One more where the scratch is dense: see ``cx_tally_expand``.
    """

    order: NDArray[np.uint32]
    cells: NDArray[np.int64]
    classes: NDArray[np.int64]


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
        self._cells: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._slots: list[_Slots] = []
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
        if self._shape is None:
            return 0
        return self._shape.groups + sum(int(one.struct.n_slots) for one in self._scratches)

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
        self._cell_of[groups] = cells = view.index.find(keys)
        self._cells = np.sort(cells)
        self._slots = [self._in_order(scratch) for scratch in self._scratches]
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
                    _pattern_rows(
                        slots, block_lanes.pattern_of_class, patterns[key], block_sums.rows
                    )
                    for slots in self._slots
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

    def _in_order(self, scratch: native.Scratch) -> _Slots:
        assert self._shape is not None
        places = scratch.places
        if self._shape.groups == 1:
            count = len(places)
            classes = np.empty(count + scratch.struct.dense, dtype=np.int64)
            classes[:count] = places
            if scratch.struct.dense:  # as one more slot, the rows that answer every column
                classes[count] = (1 << self._plan.class_bits) - 1
            cells = np.full(len(classes), self._cell_of[0], dtype=np.int64)
            return _Slots(np.arange(count, dtype=np.uint32), cells, classes)
        groups = np.uint32(self._shape.groups)
        class_of = places // groups
        cells = self._cell_of[places - class_of * groups].astype(np.int64)
        keys = (cells << CLASS_BITS_MAX) | class_of
        order = np.argsort(keys)
        keys = keys[order]
        return _Slots(
            order.astype(np.uint32),
            keys >> CLASS_BITS_MAX,
            keys & ((1 << CLASS_BITS_MAX) - 1),
        )

    def expand(self, part: int, parts: int) -> None:
        """Add a part of the cells to the view."""
        assert self._shape is not None
        count = len(self._cells)
        first, end = count * part // parts, count * (part + 1) // parts
        if first == end:
            return
        span = range(int(self._cells[first]), int(self._cells[end - 1]) + 1)
        wide = [_halves(self.view.blocks[key].sums) for key in self._layout.lanes.wide]
        for scratch, slots, blocks in zip(self._scratches, self._slots, self._blocks, strict=True):
            native.expand(
                self._plan, self._shape, scratch, slots.order, span, self._cell_of,
                self.view.counts.table, blocks, wide,
            )  # fmt: skip

    def end(self) -> None:
        """Say that all of it is in the cells; whoever counts next takes the scratches."""
        self._blocks, self._slots = [], []
        for scratch in self._scratches:
            scratch.cleared()
            native.give_back(scratch)
        self._scratches = []


def _pattern_rows(
    slots: _Slots, pattern_of_class: NDArray[np.int64], patterns: CellIndex, rows: CellIndex
) -> NDArray[np.int32]:
    """Return the row of sums of every slot; new rows stand in the order in which they are read."""
    given = np.zeros(len(pattern_of_class), dtype=np.bool_)
    given[slots.classes] = True
    used = np.flatnonzero(given & (pattern_of_class != 0))
    number = np.full(len(pattern_of_class), -1, dtype=np.int64)
    number[used] = patterns.find(pattern_of_class[used])
    numbers = number[slots.classes]
    kept = np.flatnonzero(numbers >= 0)
    if not rows.count:
        rows.reserve(len(kept))
    targets = np.full(len(numbers), -1, dtype=np.int32)
    targets[kept] = rows.find(((slots.cells << 32) | numbers)[kept])
    return targets


def _halves(sums: Sums | WideSums) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    assert isinstance(sums, WideSums)
    return sums.halves


def _table(sums: Sums | WideSums) -> NDArray[np.int64]:
    assert isinstance(sums, Sums)
    return sums.table
