"""Weighting at query time: sums with the survey weight, and factors that meet given margins."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.analytics.raking import Calibration, RakedSample
from cxstream.analytics.survey import ClassSums, Sample
from cxstream.answers import Answer, Margin, Query, Weighting
from cxstream.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    nearest,
)
from cxstream.program import Block, BlockKind, Program, Question
from cxstream.queries.asking import Asking, Part, group_keys
from cxstream.state import ProgramState
from cxstream.tally import PatternSums, PowerSums, Slice

#: Why a response that answered is in no weighted answer.
NO_WEIGHT = "weight"
LEFT_OUT = "target 0"


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a weighted answer about one question is made from.

    Attributes
    ----------
    part : Part
        Its groups.
    sample : Sample
        A class per level.
    base : Sample or None
        Who answered, of a question that takes several answers.
    dropped : list of dict
        By group.
    calibration : Calibration or None
        Of raked weights.
    """

    part: Part
    sample: Sample
    base: Sample | None
    dropped: list[dict[str, int]]
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class WeighedSums:
    """What a weighted answer about a block is made from; `sums` may lack the cells of raking."""

    part: Part
    sums: analytics.weighted_index.PatternSums
    without_weight: NDArray[np.int64]
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class _Powers:
    """Sums of w^0, w and w^2 as one table each; those without the declared weight are counts."""

    zero: PowerSums
    one: PowerSums
    two: PowerSums

    @classmethod
    def of(cls, one: Slice) -> _Powers:
        if one.weighted is not None:
            return cls(*one.weighted)
        same = PowerSums(one.rows, one.counts, one.sums)
        return cls(same, same, same)


@dataclass(frozen=True, slots=True)
class _Cells:
    """Groups of a slice by raking dimensions too: which group of the answer, and which cell.

    Attributes
    ----------
    part : Part
        The groups of the answer.
    wide : Slice
        The slice by all dimensions, of all responses of the time range.
    kept : (r,) int64
        Groups of the wide slice that are part of the answer.
    group, cell : (r,) int64
        Theirs.
    calibration : Calibration
    """

    part: Part
    wide: Slice
    kept: NDArray[np.int64]
    group: NDArray[np.int64]
    cell: NDArray[np.int64]
    calibration: Calibration


class Weighing(Asking):
    """Questions whose answers may be weighted."""

    def _weighed(self, state: ProgramState, query: Query, asked: Question) -> Weighed:
        """Sum up a question's answers with their weights."""
        weighting = checked_weighting(state.program, query)
        step = state.program.weight.step if weighting.declared and state.program.weight else 1
        if weighting.rake:
            cells = self._cells(state, query, weighting, asked.name, None)
            powers = _Powers.of(cells.wide)
            tables = [one.counts[cells.kept] for one in (powers.zero, powers.one, powers.two)]

            def raked(columns: slice) -> Sample:
                counts, weights, squares = (one[:, columns] for one in tables)
                return RakedSample(
                    len(cells.part.groups),
                    cells.group,
                    cells.cell,
                    counts.astype(np.int64),
                    weights.astype(np.float64) * float(step),
                    squares.astype(np.float64) * float(step) ** 2,
                    cells.calibration,
                )

            return self._put_together(state, asked, cells.part, raked, cells)
        part = self._slice(state, query, asked.name, weighted=True)
        powers = _Powers.of(part.slice)

        def exact(columns: slice) -> Sample:
            counts, sums, squares = (
                one.counts[:, columns] for one in (powers.zero, powers.one, powers.two)
            )
            return ClassSums.of(counts, sums, squares, Fraction(step))

        return self._put_together(state, asked, part, exact, None)

    def _put_together(
        self,
        state: ProgramState,
        asked: Question,
        part: Part,
        sample_of: Callable[[slice], Sample],
        cells: _Cells | None,
    ) -> Weighed:
        slot = state.plan.slots[asked.name]
        powers = _Powers.of(part.slice if cells is None else cells.wide)
        counts, rows = powers.zero.counts, powers.zero.rows
        unweighted = part.rows - rows if cells is None else np.zeros(len(part.groups), np.int64)
        if cells is not None:
            groups = len(part.groups)
            left = cells.wide.rows - powers.zero.rows
            unweighted = _grouped(left[cells.kept].astype(np.int64), cells.group, groups)
            counts = _grouped(counts[cells.kept].astype(np.int64), cells.group, groups)
        answered = slice(0, slot.levels)
        sample = sample_of(answered)
        base = sample_of(slice(slot.levels, slot.levels + 1)) if asked.multiple else None
        n = (sample if base is None else base).counts.sum(axis=1)
        dropped = []
        for row, lost, used, responses in zip(counts, unweighted, n, part.rows, strict=True):
            reasons = dict(
                zip(slot.reasons, (int(c) for c in row[slot.levels + slot.multiple :]), strict=True)
            )
            reasons[NO_WEIGHT] = int(lost)
            reasons[LEFT_OUT] = int(responses) - int(used) - sum(reasons.values())
            dropped.append(reasons)
        return Weighed(part, sample, base, dropped, None if cells is None else cells.calibration)

    def _weighed_block(self, state: ProgramState, query: Query, block: Block) -> WeighedSums:
        """Sum up a block's products with their weights, by pattern; a complete block has one."""
        weighting = checked_weighting(state.program, query)
        declared = state.program.weight if weighting.declared else None
        cells = self._cells(state, query, weighting, None, block) if weighting.rake else None
        part = (
            self._slice(state, query, None, block, weighted=True) if cells is None else cells.part
        )
        whole = part.slice if cells is None else cells.wide
        powers = _Powers.of(whole)
        group, pattern, n, sums, squares = _by_pattern(powers, block)
        place = None
        without = part.rows - powers.zero.rows if cells is None else np.zeros(0, np.int64)
        if cells is not None:
            position = np.full(len(whole.groups), -1, dtype=np.int64)
            position[cells.kept] = np.arange(len(cells.kept))
            mine = position[group]
            there = mine >= 0
            n, sums, squares, pattern = (x[there] for x in (n, sums, squares, pattern))
            group, place = cells.group[mine[there]], cells.cell[mine[there]]
            left = (whole.rows - powers.zero.rows)[cells.kept].astype(np.int64)
            without = _grouped(left, cells.group, len(part.groups))
        made = analytics.weighted_index.PatternSums.of(
            group, pattern, n, sums, squares,
            Fraction(declared.step if declared else 1),
            place, None if cells is None else cells.calibration,
        )  # fmt: skip
        return WeighedSums(part, made, without, None if cells is None else cells.calibration)

    def _cells(
        self,
        state: ProgramState,
        query: Query,
        weighting: Weighting,
        question: str | None,
        block: Block | None,
    ) -> _Cells:
        """Cut by the raking dimensions too, and find the factors.

        The margins are those of all responses of the time range: `where` picks out a domain after
        raking, it does not change who stands for whom.
        """
        raking = dict.fromkeys(name for one in weighting.rake for name in one.dimensions)
        by = tuple(dict.fromkeys((*query.by, *raking, *query.where)))
        wide = dataclasses.replace(query, by=by, where={})
        part = self._slice(state, wide, question, block, weighted=weighting.declared)
        groups = part.groups
        own = [tuple(one[by.index(name)] for name in raking) for one in groups]
        known = list(dict.fromkeys(own))
        number = {one: place for place, one in enumerate(known)}
        cell = np.array([number[one] for one in own], dtype=np.int64)
        powers = _Powers.of(part.slice)
        totals = [
            _grouped(np.asarray(one.rows, dtype=np.float64), cell, len(known))
            for one in (powers.zero, powers.one, powers.two)
        ]
        margins = [_margin(one, list(raking), known, totals[1]) for one in weighting.rake]
        try:
            calibration = analytics.raking.rake(
                totals[0].astype(np.int64), totals[1], totals[2], margins, bounds=weighting.bounds
            )
        except ValueError as error:
            raise InvalidArgumentError("INVALID_MARGINS", f"rake: {error}") from None
        kept = [
            place
            for place, one in enumerate(groups)
            if all(one[by.index(name)] in levels for name, levels in query.where.items())
        ]
        picked = [groups[place][: len(query.by)] for place in kept]
        shown = list(dict.fromkeys(picked)) if query.by else [()]
        at = {one: place for place, one in enumerate(shown)}
        group = np.array([at[one] for one in picked], dtype=np.int64)
        where = np.array(kept, dtype=np.int64)
        reduced = Slice(
            groups=shown,
            rows=_grouped(part.rows[where], group, len(shown)),
            counts=np.zeros((len(shown), 0), dtype=np.int64),
            sums=None,
            view=part.slice.view,
        )
        keys = group_keys(state.program, query.by, shown)
        answer = Part(reduced, part.as_of, keys, {}, part.slice)
        return _Cells(answer, part.slice, where, group, cell[where], calibration)

    def _weighted_answer(
        self,
        query: Query,
        weighed: Weighed | WeighedSums,
        values: Sequence[analytics.weighted.Weighted[Any]],
        dropped: list[dict[str, int]],
        labels: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        answer = self._answer(weighed.part, [one.value for one in values], dropped, labels)
        rows = [
            dataclasses.replace(row, weights=one.weights)
            for row, one in zip(answer.rows, values, strict=True)
        ]
        assert query.weighting is not None
        return dataclasses.replace(
            answer, rows=rows, weighting=query.weighting.text, raking=weighed.calibration
        )


def checked_weighting(program: Program, query: Query) -> Weighting:
    """Return a query's weighting, refused where the program cannot serve it."""
    weighting = query.weighting
    assert weighting is not None
    if weighting.declared and program.weight is None:
        raise FailedPreconditionError(
            "NO_WEIGHT",
            f"program {program.name!r} has no weight; declare [weight] with a column and a step",
            expected='[weight]\ncolumn = "..."\nstep = 0.000001',
        )
    for one in weighting.rake:
        for name in one.dimensions:
            if name not in program.dimensions:
                raise NotFoundError(
                    "UNKNOWN_DIMENSION",
                    f"rake: no dimension {name!r}{nearest(name, program.dimensions)}",
                )
        if not one.dimensions or len(set(one.dimensions)) < len(one.dimensions):
            raise InvalidArgumentError(
                "INVALID_MARGINS", "rake: a margin names its dimensions, each once"
            )
        for levels, _ in one.targets:
            if len(levels) != len(one.dimensions):
                raise InvalidArgumentError(
                    "INVALID_MARGINS",
                    f"rake: {one.name} has {len(one.dimensions)} dimensions, and a target of "
                    f"{len(levels)} levels",
                )
    return weighting


def _margin(
    asked: Margin,
    raking: list[str],
    cells: list[tuple[Any, ...]],
    weights: NDArray[np.float64],
) -> analytics.raking.Margin:
    """Match the targets of a margin with the levels there are.

    Responses without a level keep the share they have, unless a target says otherwise; the
    other targets share the rest.
    """
    places = [raking.index(name) for name in asked.dimensions]
    own = [tuple(cell[place] for place in places) for cell in cells]
    targets = dict(asked.targets)
    if len(targets) < len(asked.targets):
        raise InvalidArgumentError("INVALID_MARGINS", f"rake: {asked.name} has a target twice")
    missing = [one for one in dict.fromkeys(own) if one not in targets]
    unknown = [one for one in missing if None not in one]
    if unknown:
        names = ", ".join(map(_level_text, unknown[:5]))
        raise InvalidArgumentError(
            "INVALID_MARGINS",
            f"rake: {asked.name} has responses of {names} and no target for them; "
            "a target of 0 leaves them out",
        )
    total = float(weights.sum())
    kept = {
        level: sum(float(w) for one, w in zip(own, weights, strict=True) if one == level) / total
        for level in missing
        if total > 0.0
    }
    given = sum(targets.values())
    rest = 1.0 - sum(kept.values())
    shares = {
        level: (target / given * rest if given > 0.0 else target)
        for level, target in targets.items()
    } | kept
    levels = list(shares)
    number = {one: place for place, one in enumerate(levels)}
    return analytics.raking.Margin(
        asked.name,
        [_level_text(one) for one in levels],
        np.array([number[one] for one in own], dtype=np.int64),
        np.array([shares[one] for one in levels], dtype=np.float64),
    )


def _level_text(level: tuple[str | None, ...]) -> str:
    return " x ".join("(none)" if one is None else one for one in level)


def _by_pattern(
    powers: _Powers, block: Block
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return group, pattern, n and both sums of every row."""
    zero, one, two = powers.zero.sums, powers.one.sums, powers.two.sums
    if block.kind is BlockKind.PATTERN:
        assert isinstance(zero, PatternSums)
        assert isinstance(one, PatternSums)
        assert isinstance(two, PatternSums)
        return zero.group, zero.pattern, zero.sums[:, 0], one.sums, two.sums
    assert isinstance(zero, np.ndarray)
    assert isinstance(one, np.ndarray)
    assert isinstance(two, np.ndarray)
    rows = len(zero)
    everything = np.full(rows, (1 << len(block.columns)) - 1, dtype=np.uint64)
    return np.arange(rows), everything, zero[:, 0].astype(np.int64), one, two


def moments_of(
    given: analytics.weighted_index.PatternSums, groups: int
) -> analytics.weighted.Moments:
    """Return the sums of a number, a row per group: those without weight are left in as 0."""
    sums, squares = (
        np.full((groups, 3), 0, dtype=object),
        np.full((groups, 3), 0, dtype=object),
    )
    n = np.zeros(groups, dtype=np.int64)
    sums[given.group], squares[given.group], n[given.group] = given.sums, given.sums2, given.n
    return analytics.weighted.Moments.of(n, list(sums.T), list(squares.T), given.step)


def _grouped(rows: NDArray[Any], group: NDArray[np.int64], groups: int) -> NDArray[Any]:
    table = np.zeros((groups, *rows.shape[1:]), dtype=rows.dtype)
    np.add.at(table, group, rows)
    return table
