"""Cutting a slice out of a tally: which view covers the question, which cells, summed by group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream.columns import NO_BUCKET, roll_up
from cxstream.errors import FailedPreconditionError
from cxstream.kernels.cells import sort_patterns
from cxstream.program import TIME_UNITS, Block, BlockKind, Plan, WeightedBlock
from cxstream.tally.slice import Coordinate, PatternSums, PowerSums, Selection, Slice
from cxstream.tally.tally import Tally
from cxstream.tally.view_tally import BlockSums, ViewTally
from cxstream.tally.weighted import WeightedSums

#: Where responses without a time are sorted.
_LAST = 2**62


def cut(
    tally: Tally,
    selection: Selection,
    counts: slice,
    block: Block | None,
    *,
    weighted: bool = False,
    products: slice = slice(None),
) -> Slice:
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
    weighted : bool
        Whether the same is wanted with the survey weight: `Slice.weighted`.
    products : slice
        Which of the block's sums are wanted, without the weight.

    Returns
    -------
    Slice
        One group per combination that has responses, sorted. Without `by` there is one group, even
        where it is empty.

    Raises
    ------
    FailedPreconditionError
        ``NO_VIEW``: no view covers the dimensions; names the one to declare.
    ValueError
        `weighted`, and the plan keeps no such sums: it has no weight, or the block is one of pairs.
    """
    found = find_groups(tally, selection)
    return slice_of(found, counts, block, weighted=weighted, products=products)


@dataclass(frozen=True, slots=True)
class Found:
    """The groups of a selection, and the cells of each, as long as nothing is counted.

    Attributes
    ----------
    tally : Tally
    selection : Selection
    view : ViewTally
        Whose cells they are.
    cells : (n,) int64
        By group.
    starts : (g,) int64
        Where each group begins among them.
    groups : list of tuple
        Their coordinates.
    """

    tally: Tally
    selection: Selection
    view: ViewTally
    cells: NDArray[np.int64]
    starts: NDArray[np.int64]
    groups: list[tuple[Coordinate, ...]]


def find_groups(tally: Tally, selection: Selection) -> Found:
    """Find the cells of each group: what `cut` begins with, for those who cut several things."""
    view = _covering_view(tally, selection)
    cells, coordinates = _matching_cells(tally, view, selection)
    if selection.by:
        order, starts, groups = _group(tally, selection, cells, coordinates)
        cells = cells[order]
    else:
        starts, groups = np.zeros(min(1, len(cells)), dtype=np.int64), [()]
    return Found(tally, selection, view, cells, starts, groups)


def slice_of(
    found: Found,
    counts: slice,
    block: Block | None,
    *,
    weighted: bool = False,
    products: slice = slice(None),
) -> Slice:
    """Sum the cells of each group; see `cut`."""
    tally, view, cells, starts = found.tally, found.view, found.cells, found.starts
    blocks = _weighted_blocks(tally.plan, block) if weighted else ()
    if len(cells) == 0:
        return _empty(found.selection, counts, block, view, blocks, products)
    sums: NDArray[Any] | PatternSums | None = None
    if block is not None:
        block_sums = view.blocks[block.key]
        if block.key in tally.patterns:
            sums = PatternSums(*_pattern_sums(tally, block_sums, cells, starts, products))
        else:
            block_sums.sums.reserve(view.index.count)
            sums = block_sums.sums.grouped(cells, starts, products)
    return Slice(
        groups=found.groups,
        rows=view.counts.grouped(cells, starts, slice(0, 1))[:, 0],
        counts=view.counts.grouped(cells, starts, counts),
        sums=sums,
        view=view.view.name,
        weighted=_weighted(tally, view, blocks, cells, starts, counts),
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
    tally.settle(covering)
    return min(covering, key=lambda view: view.index.count)


def _matching_cells(
    tally: Tally, view: ViewTally, selection: Selection
) -> tuple[NDArray[np.int64], tuple[dict[str, NDArray[np.int32]], NDArray[np.int64] | None]]:
    view.counts.reserve(view.index.count)
    kept = view.counts.first(slice(0, view.index.count)) != 0
    if not (selection.by or selection.where) and selection.since is selection.until is None:
        return np.flatnonzero(kept), ({}, None)
    levels, buckets = view.unpack(view.index.keys)
    for name, wanted in (selection.where or {}).items():
        codes = [tally.level_code(name, level) for level in wanted]
        kept &= np.isin(levels[name], [code for code in codes if code is not None])
    if buckets is not None:
        if selection.since is not None:
            kept &= buckets >= selection.since
        if selection.until is not None:
            kept &= (buckets < selection.until) & (buckets != NO_BUCKET)
    return np.flatnonzero(kept), (levels, buckets)


def _group(
    tally: Tally,
    selection: Selection,
    cells: NDArray[np.int64],
    coordinates: tuple[dict[str, NDArray[np.int32]], NDArray[np.int64] | None],
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[tuple[Coordinate, ...]]]:
    """Return an order of the cells by group, where each group starts, and its coordinates."""
    levels, buckets = coordinates
    keys: list[NDArray[np.int64]] = []
    names_of: list[Callable[[NDArray[np.int64]], list[Coordinate]]] = []
    for name in selection.by:
        if name in TIME_UNITS:
            assert buckets is not None and tally.plan.time_unit is not None
            mine = buckets[cells]
            rolled = roll_up(np.where(mine == NO_BUCKET, 0, mine), tally.plan.time_unit, name)
            # Responses without a time come last.
            keys.append(np.where(mine == NO_BUCKET, _LAST, rolled))
            names_of.append(_bucket_names)
        else:
            names: list[str | None] = [None, *tally.levels[name]]
            order = sorted(range(len(names)), key=lambda code: _level_order(names[code]))
            rank = np.empty(len(names), dtype=np.int64)
            rank[order] = np.arange(len(names))
            keys.append(rank[levels[name][cells]])
            names_of.append(partial(_level_names, [names[code] for code in order]))
    order_of_cells = np.lexsort(keys[::-1])
    ordered = [key[order_of_cells] for key in keys]
    changes = np.ones(len(cells), dtype=bool)
    changes[1:] = ordered[0][1:] != ordered[0][:-1]
    for key in ordered[1:]:
        changes[1:] |= key[1:] != key[:-1]
    starts = changes.nonzero()[0]
    values = [of(key[starts]) for of, key in zip(names_of, ordered, strict=True)]
    return order_of_cells, starts, list(zip(*values, strict=True))


def _level_names(ranked: list[str | None], keys: NDArray[np.int64]) -> list[Coordinate]:
    return [ranked[key] for key in keys.tolist()]


def _bucket_names(keys: NDArray[np.int64]) -> list[Coordinate]:
    return [None if key == _LAST else key for key in keys.tolist()]


@lru_cache(maxsize=65_536)
def _level_order(level: str | None) -> tuple[int, float, str]:
    """Numbers by value, then text, then null."""
    if level is None:
        return 2, 0.0, ""
    digits = level.lstrip("-")
    if digits.isascii() and digits.isdigit() and len(digits) < 16:
        return 0, float(level) if level.count("-") <= 1 else 0.0, level
    return 1, 0.0, level


def _pattern_sums(
    tally: Tally,
    block_sums: BlockSums | WeightedSums,
    cells: NDArray[np.int64],
    starts: NDArray[np.int64],
    products: slice = slice(None),
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[Any]]:
    """Return groups, patterns and their sums."""
    count = block_sums.rows.count
    block_sums.sums.reserve(count)
    known = tally.patterns[block_sums.block.key]
    # A pattern that was subtracted to nothing is as if it had never been there.
    there = block_sums.sums.first(slice(0, count)) != 0
    places, runs, group = np.empty((3, count), dtype=np.int64)
    pattern = np.empty(count, dtype=np.uint64)
    kept, found = sort_patterns(
        block_sums.rows.keys, there, cells, starts, known.keys, known.order,
        places, runs, group, pattern,
    )  # fmt: skip
    sums = block_sums.sums.grouped(places[:kept], runs[:found], products)
    return group[:found], pattern[:found], sums


def _weighted_blocks(plan: Plan, block: Block | None) -> tuple[WeightedBlock, ...]:
    wanted = (None,) if block is None else (None, block)
    found = [plan.weighted_of(one) for one in wanted]
    if None in found:
        raise ValueError(f"the plan keeps no weighted sums of {block.key if block else 'counts'}")
    return tuple(one for one in found if one is not None)


def _weighted(
    tally: Tally,
    view: ViewTally,
    blocks: tuple[WeightedBlock, ...],
    cells: NDArray[np.int64],
    starts: NDArray[np.int64],
    counts: slice,
) -> tuple[PowerSums, PowerSums, PowerSums] | None:
    """Return the weighted sums of every group; None where none were asked for."""
    if not blocks:
        return None
    of_counts, *of_block = blocks
    counted = view.weighted[of_counts.key].sums
    counted.reserve(view.index.count)
    rows = of_counts.powers(counted.grouped(cells, starts, slice(0, 3)))
    first, stop, _ = counts.indices(of_counts.counters)
    columns = of_counts.powers(counted.grouped(cells, starts, slice(3 * first, 3 * stop)))
    sums: list[NDArray[Any] | PatternSums | None] = [None, None, None]
    for block in of_block:
        block_sums = view.weighted[block.key]
        if block.key in tally.patterns:
            group, pattern, kept = _pattern_sums(tally, block_sums, cells, starts)
            sums = [PatternSums(group, pattern, one) for one in block.powers(kept)]
        else:
            block_sums.sums.reserve(view.index.count)
            sums = list(block.powers(block_sums.sums.grouped(cells, starts, slice(None))))
    zero, one, two = (
        PowerSums(total[:, 0], counted, of)
        for total, counted, of in zip(rows, columns, sums, strict=True)
    )
    return zero, one, two


def _empty(
    selection: Selection,
    counts: slice,
    block: Block | None,
    view: ViewTally,
    weighted: tuple[WeightedBlock, ...],
    products: slice,
) -> Slice:
    groups = 0 if selection.by else 1
    width = len(range(*counts.indices(view.plan.counts_width)))
    sums: NDArray[Any] | PatternSums | None = None
    if block is not None:
        columns = len(range(*products.indices(block.width)))
        sums = np.zeros((groups, columns), dtype=object if block.wide else np.int64)
        if block.by_pattern:
            sums = _no_patterns(sums)
    return Slice(
        groups=[()] * groups,
        rows=np.zeros(groups, dtype=np.int64),
        counts=np.zeros((groups, width), dtype=np.int64),
        sums=sums,
        view=view.view.name,
        weighted=_empty_weighted(groups, width, weighted),
    )


def _empty_weighted(
    groups: int, width: int, blocks: tuple[WeightedBlock, ...]
) -> tuple[PowerSums, PowerSums, PowerSums] | None:
    if not blocks:
        return None
    sums: list[NDArray[Any] | PatternSums | None] = [None, None, None]
    for block in blocks:
        if block.of is not None:
            sums = list(block.powers(np.zeros((groups, block.width(1)), dtype=object)))
            if block.of.kind is BlockKind.PATTERN:
                sums = [_no_patterns(one) for one in sums if isinstance(one, np.ndarray)]
    kinds = (np.int64, object, object)
    zero, one, two = (
        PowerSums(np.zeros(groups, kind), np.zeros((groups, width), kind), of)
        for kind, of in zip(kinds, sums, strict=True)
    )
    return zero, one, two


def _no_patterns(sums: NDArray[Any]) -> PatternSums:
    none = np.zeros(0, dtype=np.int64)
    return PatternSums(none, none.astype(np.uint64), sums[:0])
