"""Cutting a slice out of a tally: which view covers the question, which cells, summed by group."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream.columns import NO_BUCKET, roll_up
from cxstream.errors import FailedPreconditionError
from cxstream.program import TIME_UNITS, Block
from cxstream.tally.slice import Coordinate, PatternSums, Selection, Slice
from cxstream.tally.tally import Tally
from cxstream.tally.view_tally import ViewTally


def cut(tally: Tally, selection: Selection, counts: slice, block: Block | None) -> Slice:
    """Sum the cells of each group.

    Parameters
    ----------
    tally : Tally
    selection : Selection
        Checked against the plan: dimensions and time bucket exist.
    counts : slice
        Columns of counts wanted.
    block : Block or None
        Sums wanted.

    Returns
    -------
    Slice
        One group per combination that has responses, sorted. Without `by` there is one group, even
        where it is empty.

    Raises
    ------
    FailedPreconditionError
        ``NO_VIEW``: no view covers the dimensions; names the one to declare.
    """
    view = _covering_view(tally, selection)
    cells, coordinates = _matching_cells(tally, view, selection)
    order, starts, groups = _group(tally, selection, cells, coordinates)
    cells = cells[order]
    if len(cells) == 0:
        return _empty(selection, counts, block, view)
    sums: NDArray[Any] | PatternSums | None = None
    if block is not None:
        block_sums = view.blocks[block.key]
        if block.key in tally.patterns:
            sums = _pattern_sums(tally, block_sums, cells, starts)
        else:
            block_sums.sums.reserve(view.index.count)
            sums = block_sums.sums.grouped(cells, starts, slice(None))
    return Slice(
        groups=groups,
        rows=view.counts.grouped(cells, starts, slice(0, 1))[:, 0],
        counts=view.counts.grouped(cells, starts, counts),
        sums=sums,
        view=view.view.name,
    )


def covers(tally: Tally, selection: Selection) -> bool:
    """Whether a view keeps all dimensions of a selection together."""
    wanted = _wanted(selection)
    return any(set(view.view.by) >= wanted for view in tally.views)


def _wanted(selection: Selection) -> set[str]:
    named = {name for name in selection.by if name not in TIME_UNITS}
    return named | set(selection.where or {})


def _covering_view(tally: Tally, selection: Selection) -> ViewTally:
    wanted = _wanted(selection)
    covering = [view for view in tally.views if set(view.view.by) >= wanted]
    if not covering:
        names = [name for name in tally.plan.dimensions if name in wanted]
        declare = "[[views]]\nby = [" + ", ".join(f'"{name}"' for name in names) + "]"
        raise FailedPreconditionError(
            "NO_VIEW",
            f"no view keeps {' x '.join(names)} together; declare it in the program: "
            + declare.replace("\n", " "),
            expected=declare,
            metadata={"view": " x ".join(names)},
        )
    return min(covering, key=lambda view: view.index.count)


def _matching_cells(
    tally: Tally, view: ViewTally, selection: Selection
) -> tuple[NDArray[np.int64], tuple[dict[str, NDArray[np.int32]], NDArray[np.int64] | None]]:
    view.counts.reserve(view.index.count)
    levels, buckets = view.unpack(view.index.keys)
    everything = np.arange(view.index.count)
    kept = view.counts.rows(everything)[:, 0] != 0
    for name, wanted in (selection.where or {}).items():
        codes = [tally.level_code(name, level) for level in wanted]
        kept &= np.isin(levels[name], [code for code in codes if code is not None])
    if buckets is not None:
        if selection.since is not None:
            kept &= buckets >= selection.since
        if selection.until is not None:
            kept &= (buckets < selection.until) & (buckets != NO_BUCKET)
    return everything[kept], (levels, buckets)


def _group(
    tally: Tally,
    selection: Selection,
    cells: NDArray[np.int64],
    coordinates: tuple[dict[str, NDArray[np.int32]], NDArray[np.int64] | None],
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[tuple[Coordinate, ...]]]:
    """Return an order of the cells by group, where each group starts, and its coordinates."""
    levels, buckets = coordinates
    keys: list[NDArray[np.int64]] = []
    values: list[list[Coordinate]] = []
    for name in selection.by:
        if name in TIME_UNITS:
            assert buckets is not None and tally.plan.time_unit is not None
            mine = buckets[cells]
            rolled = roll_up(np.where(mine == NO_BUCKET, 0, mine), tally.plan.time_unit, name)
            # Responses without a time come last.
            keys.append(np.where(mine == NO_BUCKET, 2**62, rolled))
            values.append([None if one == 2**62 else int(one) for one in keys[-1]])
        else:
            names: list[str | None] = [None, *tally.levels[name]]
            order = sorted(range(len(names)), key=lambda code: _level_order(names[code]))
            rank = np.empty(len(names), dtype=np.int64)
            rank[order] = np.arange(len(names))
            codes = levels[name][cells]
            keys.append(rank[codes])
            values.append([names[code] for code in codes])
    if not keys:
        return np.arange(len(cells)), np.zeros(min(1, len(cells)), dtype=np.int64), [()]
    order_of_cells = np.lexsort(keys[::-1])
    stacked = np.stack(keys)[:, order_of_cells]
    changes = np.ones(len(cells), dtype=bool)
    changes[1:] = (stacked[:, 1:] != stacked[:, :-1]).any(axis=0)
    starts = np.flatnonzero(changes)
    groups = [tuple(value[order_of_cells[start]] for value in values) for start in starts]
    return order_of_cells, starts, groups


def _level_order(level: str | None) -> tuple[int, float, str]:
    """Numbers by value, then text, then null."""
    if level is None:
        return 2, 0.0, ""
    digits = level.lstrip("-")
    if digits.isascii() and digits.isdigit() and len(digits) < 16:
        return 0, float(level) if level.count("-") <= 1 else 0.0, level
    return 1, 0.0, level


def _pattern_sums(
    tally: Tally, block_sums: Any, cells: NDArray[np.int64], starts: NDArray[np.int64]
) -> PatternSums:
    group_of_cell = np.full(int(cells.max()) + 1, -1, dtype=np.int64)
    sizes = np.diff(np.append(starts, len(cells)))
    group_of_cell[cells] = np.repeat(np.arange(len(starts)), sizes)
    block_sums.sums.reserve(block_sums.rows.count)
    row_cells = block_sums.row_cells()
    known = np.flatnonzero(row_cells < len(group_of_cell))
    known = known[group_of_cell[row_cells[known]] >= 0]
    # A pattern that was subtracted to nothing is as if it had never been there.
    known = known[block_sums.sums.rows(known)[:, 0] != 0]
    group = group_of_cell[row_cells[known]]
    pattern = tally.patterns[block_sums.block.key].keys[block_sums.row_patterns()[known]]
    order = np.lexsort((pattern, group))
    group, pattern, known = group[order], pattern[order], known[order]
    if len(known) == 0:
        return PatternSums(group, pattern.astype(np.uint64), block_sums.sums.rows(known))
    changes = np.ones(len(known), dtype=bool)
    changes[1:] = (group[1:] != group[:-1]) | (pattern[1:] != pattern[:-1])
    runs = np.flatnonzero(changes)
    return PatternSums(
        group[runs],
        pattern[runs].astype(np.uint64),
        block_sums.sums.grouped(known, runs, slice(None)),
    )


def _empty(selection: Selection, counts: slice, block: Block | None, view: ViewTally) -> Slice:
    groups = 0 if selection.by else 1
    width = len(range(*counts.indices(view.plan.counts_width)))
    sums: NDArray[Any] | PatternSums | None = None
    if block is not None:
        products = len(block.products)
        sums = np.zeros((groups, products), dtype=object if block.wide else np.int64)
        if block.key in view.blocks and block.kind == "pattern":
            none = np.zeros(0, dtype=np.int64)
            sums = PatternSums(none, none.astype(np.uint64), np.zeros((0, products), np.int64))
    return Slice(
        groups=[()] * groups,
        rows=np.zeros(groups, dtype=np.int64),
        counts=np.zeros((groups, width), dtype=np.int64),
        sums=sums,
        view=view.view.name,
    )
