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

    To count a batch: `begin`, then what is `left` by each of its threads; where it is not `done`, settle,
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
        self._digits = tuple(self._dimensions)
        self._numbering: Numbering | None = None
        self._shape: native.Rows | None = None
        self._scratches: list[native.Scratch] = []
        self._rows: native.Rows | None = None
        self._taken = native.Taken(1)
        self._most: int | None = None
        #: By group, its cell.
        self._cell_of: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._used: native.Used | None = None

    # --- which numbers groups have ----------------------------------------------------------------

    def _entries(self, numbering: Numbering) -> int:
        plan = self._plan
        each = max(plan.counts_width, 1 << plan.class_bits, 4 * plan.wide_words, 256 * plan.n_sets)
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
        return not self._taken.left()

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
            self._cell_of = np.full(self._shape.groups, -1, dtype=np.int32)
        self._rows = self._rows_of(batch, axes)
        if threads != self._taken.threads:
            self._taken = native.Taken(threads)
        self._taken.begin(batch.rows)
        self._most = batch.rows if axes is batch.axes else None
        self.resume()

    def _rows_of(self, batch: Batch, axes: Sequence[native.Axis]) -> native.Rows:
        assert self._shape is not None
        groups = self._shape.groups
        return batch.places.once(
            self._digits, self._numbering,
            lambda: native.Rows(batch.columns, [axes[one] for one in self._dimensions], groups),
        )  # fmt: skip

    @property
    def scratch(self) -> native.Scratch | None:
        """Return the scratch that one thread goes on with; None where there is none, or more."""
        return self._scratches[0] if len(self._scratches) == 1 else None

    def share(self, batch: Batch, axes: Sequence[native.Axis]) -> native.Share:
        """Return a share of all rows, of a batch whose axes have the numbers of what waits."""
        return native.Share(self._rows_of(batch, axes), native.Taken(1), 0, self._scratches[0])

    def go_on(self, share: native.Share) -> None:
        """Take what is left of a share that `share` made."""
        self._rows, self._taken, self._most = share.rows, share.taken, None

    def resume(self) -> None:
        """See that there is a scratch for every thread."""
        assert self._shape is not None
        while len(self._scratches) < self._taken.threads:
            scratch = native.take_scratch()
            scratch.fit(self._plan, self._shape.groups, self._most)
            self._scratches.append(scratch)

    def left(self) -> list[native.Share]:
        """Return the shares of the threads that have rows left."""
        assert self._rows is not None
        return [
            native.Share(self._rows, self._taken, one, self._scratches[one])
            for one in self._taken.left()
        ]

    def leave(self) -> None:
        """Let go of a batch that is done."""
        self._rows = None

    # --- into cells -------------------------------------------------------------------------------

    def find_cells(
        self, patterns: dict[str, CellIndex], numbers: dict[str, NDArray[np.int32]]
    ) -> None:
        """Look up the cells, and rows of sums, of all that was counted.

        Parameters
        ----------
        patterns : dict of str to CellIndex
            By block key; new ones are added.
        numbers : dict of str to (classes,) int32
            What number a class's pattern has there, -1 where nobody has asked yet.
        """
        assert self._numbering is not None and self._shape is not None
        view, lanes = self.view, self._layout.lanes
        self._used = used = native.Used(self._plan, self._shape, self._scratches, self._cell_of)
        if len(used.new_groups):
            keys = self._numbering.keys(used.new_groups, self._dimensions, self._weights)
            self._cell_of[used.new_groups] = view.index.find(keys)
        view.counts.reserve(view.index.count)
        for key in lanes.wide:
            view.blocks[key].sums.reserve(view.index.count)
        blocks = [
            native.Block(_halves(view.blocks[key].sums), None, 0, one.moment, one.needs, one.need)
            for key, one in lanes.shared.items()
        ]
        for key, one in lanes.blocks.items():
            block_sums = view.blocks[key]
            sums, targets, new_from = block_sums.sums, None, 0
            assert isinstance(sums, Sums)
            if one.pattern_of_class is None:
                sums.reserve(view.index.count)
            else:
                known = patterns[key]
                known.reserve(max(0, len(one.pattern_of_class) - known.count))
                block_sums.rows.reserve(used.count)
                targets = used.find_rows(
                    one.pattern_of_class, numbers[key], known.native, block_sums.rows.native
                )
                new_from = sums.extend(block_sums.rows.count)
            blocks.append(
                native.Block((sums.table,), targets, new_from, one.moment, one.needs, one.need)
            )
        wide = [_halves(view.blocks[key].sums) for key in lanes.wide]
        used.keep(view.counts.table, blocks, wide)

    def expand(self) -> None:
        """Add some of the cells to the view, until none is left."""
        assert self._used is not None
        self._used.expand()

    def end(self) -> None:
        """Say that all of it is in the cells; whoever counts next takes the scratches."""
        self._used = None
        for scratch in self._scratches:
            scratch.cleared()
            native.give_back(scratch)
        self._scratches = []


def _halves(sums: Sums | WideSums) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    assert isinstance(sums, WideSums)
    return sums.halves
