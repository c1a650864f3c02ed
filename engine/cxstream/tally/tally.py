"""The Tally: the only thing that counts.

It holds exact integer sums per view and cell. The same class serves live views, merging, erasure by
subtraction and restart; whatever the batching, order or thread count, the same responses give the
same snapshot, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from concurrent.futures import wait
from dataclasses import replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from cxstream.columns import NO_BUCKET, Codes
from cxstream.errors import ResourceExhaustedError
from cxstream.kernels.native import Scratch, Shares
from cxstream.kernels.registry import warm
from cxstream.pool import Pool
from cxstream.program import (
    DISTINCT_ROWS_MAX,
    RESPONSES_MAX,
    Block,
    BlockKind,
    Plan,
    WeightedBlock,
)
from cxstream.tally import small_batch
from cxstream.tally.cell_index import CellIndex
from cxstream.tally.cells import BlockCells, ViewCells
from cxstream.tally.combinations import answers_to, numbers_of
from cxstream.tally.matrix import Batch, Places, layout_of
from cxstream.tally.numbering import Numbering
from cxstream.tally.small_batch import SmallBatches
from cxstream.tally.view_count import ViewCount
from cxstream.tally.view_tally import BlockSums, ViewTally
from cxstream.tally.weighted import WeightedSums

#: Handing a view to another thread costs more than counting fewer rows than this in order,
POOL_ROWS_MIN = 4096
#: or so many times as many in lanes, all views together.
_LANES_GAIN = 64
#: And splitting a view's rows between threads, so that each gets fewer than this.
PART_ROWS_MIN = 1 << 17
#: What is counted and not yet in cells takes that much, about, before it is added to them.
WAITING_BYTES_MAX = 1 << 27


class Tally:
    """Exact sums of everything a plan counts.

    Parameters
    ----------
    plan : Plan
        What is counted.
    pool : Pool, optional
        Threads that count views side by side. The result does not depend on it.

    Notes
    -----
    Not thread-safe: its owner holds a lock around every call.
    """

    def __init__(self, plan: Plan, pool: Pool | None = None) -> None:
        warm()
        self.plan = plan
        self.pool = pool
        self.responses = 0
        #: Levels of each dimension; code 0 is null, levels[i] has code i + 1.
        self.levels: dict[str, list[str]] = {name: [] for name in plan.dimensions}
        self._codes: dict[str, dict[str, int]] = {name: {} for name in plan.dimensions}
        #: Answer patterns of each pattern block, and combinations of answers, numbered across views.
        self.patterns = {block.key: CellIndex() for block in plan.blocks if block.by_pattern}
        for weighted in plan.weighted:
            if weighted.of is not None and weighted.of.key in self.patterns:
                self.patterns[weighted.key] = self.patterns[weighted.of.key]
        self.views = [ViewTally(plan, view) for view in plan.views]
        self._layout = layout_of(plan)
        #: What is counted and not yet in the views' cells.
        self._counts = [ViewCount(view, self._layout) for view in self.views]
        #: By pattern block, what number a class's pattern has; -1 where nobody has asked yet.
        self._pattern_of_class = {
            key: np.full(len(one.pattern_of_class), -1, dtype=np.int32)
            for key, one in self._layout.lanes.blocks.items()
            if one.pattern_of_class is not None
        }
        self._numbering: Numbering | None = None
        #: Of those, what is kept from batch to batch by that numbering.
        self._lasting: list[ViewCount] = []
        #: Theirs, while they have one each.
        self._scratches: list[Scratch | None] = []
        self._keys = [block.key for block in plan.blocks]
        self._distinct = [block for block in plan.blocks if block.kind is BlockKind.DISTINCT]

    @cached_property
    def _small(self) -> SmallBatches:
        return SmallBatches(self.plan, self._layout.singles, self.views, self.patterns)

    def admit(self, codes: Codes) -> None:
        """Check that a batch stays within the bounds that make sums exact, and reserve its levels.

        A refusal changes nothing. Reserved levels count against the cap until the process ends, even
        where the batch is never counted.

        Raises
        ------
        ResourceExhaustedError
            ``TOO_MANY_RESPONSES``, or ``TOO_MANY_LEVELS`` with the column and the first row whose level is one too many.
        """
        if self.responses + codes.rows > RESPONSES_MAX:
            raise ResourceExhaustedError(
                "TOO_MANY_RESPONSES",
                f"a program holds at most {RESPONSES_MAX} responses; go on under another name",
                expected=f"at most {RESPONSES_MAX} responses",
            )
        if self in codes.places:  # these levels were counted before
            return
        for name, dimension in codes.dimensions.items():
            known = self._codes[name]
            column, cap, _ = self.plan.dimensions[name]
            new = [place for place, level in enumerate(dimension.levels, 1) if level not in known]
            over = new[max(0, cap - len(known)) :]
            if over:
                row = int(np.flatnonzero(np.isin(dimension.indices, over))[0])
                level = dimension.levels[int(dimension.indices[row]) - 1]
                raise ResourceExhaustedError(
                    "TOO_MANY_LEVELS",
                    f"column {column!r}, row {row}: level {level!r} is beyond the {cap} levels that "
                    f"dimension {name!r} may have; raise its max_levels",
                    column=column,
                    row=row,
                    expected=f"at most {cap} levels",
                )
        for name, dimension in codes.dimensions.items():
            self._own_codes(name, dimension.levels)

    def check_room(self, codes: Codes | None = None) -> None:
        """Check that combinations of answers, those of a batch among them, are not too many to be kept.

        Apart from `admit`, which whoever counts what is stored asks too: that must always be possible.

        Raises
        ------
        ResourceExhaustedError
            ``TOO_MANY_COMBINATIONS``, with the columns.
        """
        for block in self._distinct:
            for view in self.views:
                known = view.blocks[block.key].rows.count
                if known + (codes.rows if codes else 0) <= DISTINCT_ROWS_MAX:
                    continue
                if known + (self._new_combinations(view, block, codes) if codes else 0) > (
                    DISTINCT_ROWS_MAX
                ):
                    raise ResourceExhaustedError(
                        "TOO_MANY_COMBINATIONS",
                        f"more than {DISTINCT_ROWS_MAX:,} different combinations of answers to "
                        f"{', '.join(block.columns)}{' in groups by ' if view.view.by else ''}"
                        f"{' x '.join(view.view.by)}, which HC2 and HC3 tell apart: of so many responses "
                        "HC1 says the same; ask for it, and declare the model without leverage",
                        expected=f"at most {DISTINCT_ROWS_MAX:,} combinations",
                    )

    def _new_combinations(self, view: ViewTally, block: Block, codes: Codes) -> int:
        """Return how many responses have a combination that is new in their cell; changes nothing."""
        levels = {}
        new = np.zeros(codes.rows, dtype=bool)
        for name in view.view.by:
            dimension = codes.dimensions[name]
            known = [0, *(self._codes[name].get(level, -1) for level in dimension.levels)]
            levels[name] = np.array(known, dtype=np.int32)[dimension.indices]
            new |= levels[name] < 0
        buckets = None
        if codes.buckets is not None:
            buckets = np.concatenate([[NO_BUCKET], codes.buckets.buckets])[codes.buckets.indices]
        cells = view.index.get(view.pack(levels, buckets, codes.rows)).astype(np.int64)
        answers, there = answers_to(self.plan, block, codes)
        numbers = self.patterns[block.key].get(numbers_of(answers)).astype(np.int64)
        new |= (cells < 0) | (numbers < 0)
        new |= view.blocks[block.key].rows.get((cells << 32) | numbers) < 0
        return int(np.count_nonzero(new & there))

    def update(self, codes: Codes) -> None:
        """Count a batch that was admitted."""
        if codes.rows == 0:
            return
        batch = self.laid_out(codes)
        if codes.rows <= small_batch.ROWS_MAX:
            self._small.add(batch)
            rest = [block.key for block in self.plan.blocks if block.key not in self._small.blocks]
            for view in self.views:
                view.update_rest(batch, rest)
        else:
            self.count_in_lanes(batch)
        self.responses += codes.rows

    def laid_out(self, codes: Codes) -> Batch:
        """Return a batch as what counts it takes it; new levels get their codes."""
        places = codes.places.get(self)
        if places is None:
            own = [self._own_codes(name, codes.dimensions[name].levels) for name in self.levels]
            places = codes.places[self] = Places(self._layout, codes, own)
        return Batch(self._layout, codes, places, self.patterns)

    def count_in_lanes(self, batch: Batch) -> None:
        """Count a batch that is worth preparing lanes for; `responses` stays.

        What is counted waits until somebody asks for cells (`settle`), as long as groups keep their
        numbers: adding it to them costs as much as thousands of rows.
        """
        rest = self._layout.lanes.rest
        lasting = Numbering.lasting(batch, self._numbering)
        if lasting is not None and lasting is not self._numbering:
            self._numbering = lasting
            self._lasting = [one for one in self._counts if one.lasts(lasting)]
        kept = [] if lasting is None else self._lasting
        if self._count_alike(batch, kept, lasting):
            return
        own = Numbering.of_batch(batch) if len(kept) < len(self._counts) else None
        once = [
            one for one in self._counts
            if own is not None and one not in kept and one.fits(own, batch.rows)
        ]  # fmt: skip
        counting = [*kept, *once]
        self._settle(
            [one for one in self._counts if not (one in kept and one.holds(lasting)) and one.waits]
        )
        threads = self._threads_a_view(batch.rows, len(counting))
        for some, numbering in ((kept, lasting), (once, own)):
            if some and numbering is not None:
                axes = batch.axes
                if numbering is not own:
                    axes = batch.places.once(None, numbering, partial(numbering.axes, batch))
                for count in some:
                    count.begin(batch, numbering, axes, threads)
        in_order = [count.view for count in self._counts if count not in counting]
        if rest or in_order or batch.weights is not None:
            batch.lay_out(weights_only=not rest and not in_order)
        self._run([partial(view.update, batch, self._keys) for view in in_order], batch.rows)
        self._count_left(counting, batch.rows)
        for count in counting:
            count.leave()
        if rest or batch.weights is not None:
            self._run(
                [partial(count.view.update_rest, batch, rest) for count in counting], batch.rows
            )
        self._settle(once)
        self._bound(kept)

    def _count_alike(
        self, batch: Batch, counts: list[ViewCount], numbering: Numbering | None
    ) -> bool:
        """Count a batch by one thread, where all views go on with the scratches that they have.

        What the kernel is given is kept with where the batch's arrays stand: to make it for every batch
        takes longer than counting a thousand rows.
        """
        if numbering is None or not counts or len(counts) < len(self._counts):
            return False
        if self._layout.lanes.rest or batch.weights is not None:
            return False
        if self._threads > 1 and (
            batch.rows * len(counts) // _LANES_GAIN >= POOL_ROWS_MIN
            or self._threads_a_view(batch.rows, len(counts)) > 1
        ):
            return False
        scratches = [count.scratch if count.holds(numbering) else None for count in counts]
        if None in scratches:
            return False
        if scratches != self._scratches:
            self._scratches = scratches

        def make() -> Shares:
            axes = batch.places.once(None, numbering, partial(numbering.axes, batch))
            shares = [count.share(batch, axes) for count in counts]
            return Shares(self._layout.lanes.count_plan, batch.rows, shares)

        together = batch.places.once(Shares, self._scratches, make)
        together.begin()
        together.count()
        if not together.done:
            for count, share in zip(counts, together.shares, strict=True):
                count.go_on(share)
            self._count_left(self._with_room(counts), batch.rows)
            for count in counts:
                count.leave()
        self._bound(counts)
        return True

    def _count_left(self, left: list[ViewCount], rows: int) -> None:
        """Count what is left of a batch of so many rows."""
        while left:
            shares = [one for count in left for one in count.left()]
            together = Shares(self._layout.lanes.count_plan, rows, shares)
            work = rows * len(left) // _LANES_GAIN
            threads = min(self._threads, len(shares)) if work >= POOL_ROWS_MIN else 1
            self._run([together.count] * threads, work)
            left = self._with_room(left)

    def _with_room(self, counts: list[ViewCount]) -> list[ViewCount]:
        """Return those that have rows left, once they have room for them."""
        left = [count for count in counts if not count.done]
        self._settle(left)
        for count in left:
            count.resume()
        return left

    def _bound(self, kept: list[ViewCount]) -> None:
        """Settle where too much waits."""
        if sum(count.size for count in kept) > WAITING_BYTES_MAX:
            self.settle()

    @property
    def is_settled(self) -> bool:
        """Whether all that is counted is in the cells."""
        return not any(one.waits for one in self._counts)

    def settle(self, views: Container[ViewTally] | None = None) -> None:
        """Add what is counted to the cells, of some views or all; whoever reads them asks first."""
        self._settle(
            [one for one in self._counts if one.waits and (views is None or one.view in views)]
        )

    def _settle(self, counts: list[ViewCount]) -> None:
        if not counts:
            return
        for count in counts:
            count.find_cells(self.patterns, self._pattern_of_class)
        work = sum(count.work for count in counts)
        threads = self._threads if work >= POOL_ROWS_MIN else 1
        self._run([count.expand for count in counts for _ in range(threads)], work)
        for count in counts:
            count.end()

    @property
    def _threads(self) -> int:
        return 1 if self.pool is None else self.pool.threads

    def _threads_a_view(self, rows: int, views: int) -> int:
        """Return how many threads count one view: views side by side, where there are enough."""
        if views >= 2 * self._threads:
            return 1
        return max(1, min(self._threads, rows // PART_ROWS_MIN))

    def _run(self, tasks: Sequence[Callable[[], None]], rows: int) -> None:
        """Run tasks, side by side where that pays."""
        if self.pool is None or len(tasks) < 2 or rows < POOL_ROWS_MIN:
            for task in tasks:
                task()
            return
        # By this thread, too, which would only wait: the first, and any that nobody has begun by then.
        running = [self.pool.submit(task) for task in tasks[1:]]
        try:
            tasks[0]()
            for one, task in zip(list(running), tasks[1:], strict=True):
                if one.cancel():
                    running.remove(one)
                    task()
        finally:
            wait(running)
        for one in running:
            one.result()

    def merge(self, other: Tally) -> None:
        """Add another tally of an equal plan.

        Raises
        ------
        ValueError
            The plans differ.
        ResourceExhaustedError
            ``TOO_MANY_LEVELS``: together they would pass a level cap. Nothing is changed.
        """
        self._check_plan(other)
        self.add_cells(other.cells(), other.responses)

    def subtract(self, other: Tally) -> None:
        """Take the responses of another tally of an equal plan back out, exactly.

        Raises
        ------
        ValueError
            The plans differ, or the other holds responses that this one does not. Nothing is changed.
        """
        self._check_plan(other)
        taken = other.cells()
        self.settle()
        for view, cells in zip(self.views, taken, strict=True):
            if not self._holds(view, cells):
                raise ValueError("the other tally holds responses that this one does not")
        for view, cells in zip(self.views, taken, strict=True):
            self._combine(view, cells, -1)
        self.responses -= other.responses

    def narrowed(self, plan: Plan) -> Tally:
        """Return the sums of a plan that has the same views, and some of this one's blocks."""
        kept = {one.key for one in plan.kept}
        left = Tally(plan, self.pool)
        left.add_cells(
            [
                replace(
                    cells, blocks={key: one for key, one in cells.blocks.items() if key in kept}
                )
                for cells in self.cells()
            ],
            self.responses,
        )
        return left

    def cells(self) -> list[ViewCells]:
        """Return the sums of every view in canonical form."""
        self.settle()
        return [self._canonical(view) for view in self.views]

    def add_cells(self, views: list[ViewCells], responses: int) -> None:
        """Add sums in canonical form, such as those of a snapshot.

        Raises
        ------
        ResourceExhaustedError
            ``TOO_MANY_LEVELS``: together they would pass a level cap. Nothing is changed.
        """
        for cells in views:
            for name, (names, _) in cells.levels.items():
                column, cap, _ = self.plan.dimensions[name]
                if len(set(names) | set(self._codes[name])) > cap:
                    raise ResourceExhaustedError(
                        "TOO_MANY_LEVELS",
                        f"dimension {name!r} would have more than {cap} levels",
                        column=column,
                    )
        for view, cells in zip(self.views, views, strict=True):
            self._combine(view, cells, 1)
        self.responses += responses

    # --- levels and cells -------------------------------------------------------------------------

    def _check_plan(self, other: Tally) -> None:
        if self.plan.digest != other.plan.digest:
            raise ValueError("the tallies count different plans")

    def level_code(self, name: str, level: str | None) -> int | None:
        """Return the code of a level, None where no response has had it."""
        return 0 if level is None else self._codes[name].get(level)

    def _own_codes(self, name: str, levels: list[str] | tuple[str, ...]) -> list[int]:
        """Return this tally's code of null and of every level; new levels get one."""
        known = self._codes[name]
        out = [0]
        for level in levels:
            code = known.get(level)
            if code is None:
                self.levels[name].append(level)
                code = known[level] = len(self.levels[name])
            out.append(code)
        return out

    def _places(self, view: ViewTally, cells: ViewCells, *, add: bool) -> NDArray[np.int64]:
        """Return this tally's cell of every given one; where not `add`, -1 for one it lacks."""
        codes: dict[str, NDArray[np.int32]] = {}
        lacking = np.zeros(len(cells.counts), dtype=bool)
        for name, (names, indices) in cells.levels.items():
            if add:
                own = self._own_codes(name, names)
            else:
                known = self._codes[name]
                own = [0, *(known.get(one, -1) for one in names)]
            codes[name] = np.array(own, dtype=np.int32)[indices]
            lacking |= codes[name] < 0
        keys = view.pack(codes, cells.buckets, len(cells.counts))
        if add:
            return view.index.find(keys).astype(np.int64)
        places = view.index.get(keys).astype(np.int64)
        places[lacking] = -1
        return places

    def _holds(self, view: ViewTally, cells: ViewCells) -> bool:
        """Whether no count of the given cells is above this tally's; changes nothing."""
        places = self._places(view, cells, add=False)
        if (places < 0).any() or (view.counts.rows(places) < cells.counts).any():
            return False
        for key, given in cells.blocks.items():
            block_sums = view.kept[key]
            rows = places[given.cell]
            if key in self.patterns:
                numbers = self.patterns[key].get(given.pattern).astype(np.int64)
                rows = block_sums.rows.get((rows << 32) | numbers).astype(np.int64)
                if (numbers < 0).any() or (rows < 0).any():
                    return False
            counts = _counts_first(block_sums.block)
            if (block_sums.sums.rows(rows)[:, :counts] < given.sums[:, :counts]).any():
                return False
        return True

    def _combine(self, view: ViewTally, cells: ViewCells, sign: int) -> None:
        places = self._places(view, cells, add=True)
        view.counts.reserve(view.index.count)
        view.counts.add(places, cells.counts, sign)
        for key, given in cells.blocks.items():
            block_sums = view.kept[key]
            rows = places[given.cell]
            if key in self.patterns:
                numbers = self.patterns[key].find(given.pattern).astype(np.int64)
                rows = block_sums.rows.find((rows << 32) | numbers).astype(np.int64)
                block_sums.sums.reserve(block_sums.rows.count)
            else:
                block_sums.sums.reserve(view.index.count)
            sums = given.sums
            if isinstance(block_sums, WeightedSums):
                sums = block_sums.fitted(sums)
            block_sums.sums.add(rows, sums, sign)

    def _canonical(self, view: ViewTally) -> ViewCells:
        everything = np.arange(view.index.count)
        view.counts.reserve(view.index.count)
        kept = everything[view.counts.rows(everything)[:, 0] != 0]
        codes, buckets = view.unpack(view.index.keys[kept])
        levels: dict[str, tuple[list[str], NDArray[np.int32]]] = {}
        sort_keys: list[NDArray[np.int64]] = []
        for name in view.view.by:
            used = np.unique(codes[name])
            names = sorted(self.levels[name][code - 1] for code in used if code)
            rank = {one: place for place, one in enumerate(names, start=1)}
            table = np.zeros(len(self.levels[name]) + 1, dtype=np.int32)
            for code in used:
                if code:
                    table[code] = rank[self.levels[name][code - 1]]
            levels[name] = (names, table[codes[name]])
            sort_keys.append(levels[name][1].astype(np.int64))
        if buckets is not None:
            sort_keys.append(buckets)
        order = np.lexsort(sort_keys[::-1]) if sort_keys else np.arange(len(kept))
        kept = kept[order]
        place = np.full(view.index.count, -1, dtype=np.int64)
        place[kept] = np.arange(len(kept))
        return ViewCells(
            levels={name: (names, one[order]) for name, (names, one) in levels.items()},
            buckets=None if buckets is None else buckets[order],
            counts=view.counts.rows(kept),
            blocks={key: self._canonical_block(one, kept, place) for key, one in view.kept.items()},
        )

    def _canonical_block(
        self,
        block_sums: BlockSums | WeightedSums,
        kept: NDArray[np.int64],
        place: NDArray[np.int64],
    ) -> BlockCells:
        sums = block_sums.sums
        if block_sums.block.key not in self.patterns:
            sums.reserve(len(place))
            cell, pattern = np.arange(len(kept)), np.zeros(len(kept), dtype=np.int64)
            rows = sums.rows(kept)
            order = cell
        else:
            sums.reserve(block_sums.rows.count)
            patterns = self.patterns[block_sums.block.key].keys
            cell = place[block_sums.row_cells()]
            pattern = patterns[block_sums.row_patterns()]
            rows = sums.rows(np.arange(block_sums.rows.count))
            order = np.lexsort((pattern, cell))
        order = order[(rows[order].any(axis=1)) & (cell[order] >= 0)]
        rows = rows[order]
        if isinstance(block_sums, WeightedSums):
            rows = block_sums.trimmed(rows)
        return BlockCells(cell[order], pattern[order], rows)


def _counts_first(block: Block | WeightedBlock) -> int:
    """Return how many of a block's sums, the first, count responses."""
    if isinstance(block, Block) and block.kind is BlockKind.PAIRS:
        width = len(block.columns)
        return width * (width + 1) // 2
    return 1
