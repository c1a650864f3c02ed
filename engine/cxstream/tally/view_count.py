"""One view of one batch, counted by the native kernels: rows into scratches, then scratches into cells."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from cxstream.kernels import native
from cxstream.tally.cell_index import CellIndex
from cxstream.tally.matrix import Batch
from cxstream.tally.sums import Sums, WideSums
from cxstream.tally.view_tally import ViewTally

#: Of counts, and of slots by group and class, in one scratch: 32 MiB each, and only what is used is touched.
_ENTRIES_MAX = 1 << 23
#: More groups than that for every row are looked up in a hash table instead.
_GROUPS_PER_ROW_MAX = 16


def fits(view: ViewTally, batch: Batch) -> bool:
    """Whether so few groups are possible that they are numbered."""
    groups = 1
    for axis in view.axes(batch):
        groups *= axis.radix
    plan = batch.layout.lanes.count_plan
    entries = groups * max(plan.counts_width, 1 << plan.class_bits, 4 * plan.wide_width)
    return entries <= _ENTRIES_MAX and groups <= _GROUPS_PER_ROW_MAX * batch.rows


class ViewCount:
    """The counting of one view: by one thread (`run`), or by several, in rounds.

    A round is `begin`, `count` by any thread, `find_cells` by one, `expand` by any, `end`.

    Parameters
    ----------
    view : ViewTally
    batch : Batch
    parts : int
        How many threads take a part of the rows each.
    """

    def __init__(self, view: ViewTally, batch: Batch, parts: int) -> None:
        self.view = view
        self.batch = batch
        self._plan = batch.layout.lanes.count_plan
        self._rows = native.Rows(batch.columns, view.axes(batch))
        edges = [batch.rows * part // parts for part in range(parts + 1)]
        self._at, self._ends = edges[:-1], edges[1:]
        self._scratches: list[native.Scratch] = []
        self._cell_of: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._blocks: list[list[native.Block]] = []

    @property
    def done(self) -> bool:
        """Whether all rows are counted."""
        return self._at == self._ends

    def run(
        self, patterns: dict[str, CellIndex], one_at_a_time: AbstractContextManager[object]
    ) -> None:
        """Do everything; what views share is looked up one at a time."""
        while not self.done:
            self.begin()
            for part in range(len(self._at)):
                self.count(part)
            with one_at_a_time:
                self.find_cells(patterns)
            self.expand(0, 1)
            self.end()

    def begin(self) -> None:
        """Begin a round."""
        self._scratches = [native.take_scratch() for _ in self._at]

    def count(self, part: int) -> None:
        """Count a part's rows, as far as its scratch goes."""
        scratch, at, end = self._scratches[part], self._at[part], self._ends[part]
        scratch.fit(self._plan, self._rows.groups, end - at)
        self._at[part] = native.count(self._plan, self._rows, at, end, scratch)

    def find_cells(self, patterns: dict[str, CellIndex]) -> None:
        """Look up the cells, and rows of sums, of all that was counted."""
        view = self.view
        groups = native.present(self._plan, self._rows, self._scratches)
        self._cell_of = np.full(self._rows.groups, -1, dtype=np.int32)
        self._cell_of[groups] = view.index.find(view.group_keys(self.batch, groups))
        view.counts.reserve(view.index.count)
        for key in self.batch.layout.lanes.wide:
            view.blocks[key].sums.reserve(view.index.count)
        targets: dict[str, list[NDArray[np.int32]]] = {}
        for key, lanes in self.batch.layout.lanes.blocks.items():
            block_sums = view.blocks[key]
            if lanes.pattern_of_class is None:
                block_sums.sums.reserve(view.index.count)
            else:
                targets[key] = [
                    self._pattern_rows(
                        scratch, lanes.pattern_of_class, patterns[key], block_sums.rows
                    )
                    for scratch in self._scratches
                ]
                block_sums.sums.reserve(block_sums.rows.count)
        self._blocks = [
            [
                native.Block(
                    _table(view.blocks[key].sums),
                    targets[key][part] if key in targets else None,
                    lanes.moment,
                    lanes.needs,
                    lanes.need,
                )
                for key, lanes in self.batch.layout.lanes.blocks.items()
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
        slots, places = scratch.slots()
        targets = np.full(scratch.struct.n_slots + 1, -1, dtype=np.int32)
        if scratch.struct.dense:  # as one more slot
            whole = (len(pattern_of_class) - 1) * self._rows.groups
            slots, places = np.append(slots, len(targets) - 1), np.append(places, whole)
        class_of, group = np.divmod(places.astype(np.int64), self._rows.groups)
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
        groups = self._rows.groups
        span = range(groups * part // parts, groups * (part + 1) // parts)
        wide = [_halves(self.view.blocks[key].sums) for key in self.batch.layout.lanes.wide]
        for scratch, blocks in zip(self._scratches, self._blocks, strict=True):
            native.expand(
                self._plan, self._rows, scratch, span, self._cell_of, self.view.counts.table,
                blocks, wide,
            )  # fmt: skip

    def end(self) -> None:
        """End a round."""
        for scratch in self._scratches:
            native.give_back(scratch)
        self._scratches = []


def _halves(sums: Sums | WideSums) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    assert isinstance(sums, WideSums)
    return sums.halves


def _table(sums: Sums | WideSums) -> NDArray[np.int64]:
    assert isinstance(sums, Sums)
    return sums.table
