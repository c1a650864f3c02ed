"""Weighting at query time: sums with the survey weight, and factors that meet given margins."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.analytics.raking import Calibration
from cxstream.analytics.survey import Sample
from cxstream.answers import Answer, Margin, Query, Weighting
from cxstream.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    nearest,
)
from cxstream.program import Block, BlockKind, Program, Question
from cxstream.queries.asking import Asking, Part, group_keys
from cxstream.queries.metric_sums import added
from cxstream.queries.weighted_answers import LEFT_OUT, NO_WEIGHT, Answers
from cxstream.state import ProgramState
from cxstream.tally import PatternSums, PowerSums, Slice


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
class Powers:
    """Sums of w^0, w and w^2 as one table each; those without the declared weight are counts."""

    zero: PowerSums
    one: PowerSums
    two: PowerSums

    @classmethod
    def of(cls, one: Slice) -> Powers:
        """Return those of a slice."""
        if one.weighted is not None:
            return cls(*one.weighted)
        same = PowerSums(one.rows, one.counts, one.sums)
        return cls(same, same, same)


@dataclass(frozen=True, slots=True)
class Cells:
    """Groups of a slice by raking dimensions too: which group of the answer, and which cell.

    Attributes
    ----------
    part : Part
        The groups of the answer.
    wide : Slice
        The slice by all dimensions, of all responses of the time range.
    places : dict of str to slice
        Where each question's counts stand.
    kept : (r,) int64
        Groups of the wide slice that are part of the answer.
    group, cell : (r,) int64
        Theirs.
    everybody : (w,) int64
        The cell of every group of the wide slice.
    calibration : Calibration
    """

    part: Part
    wide: Slice
    places: Mapping[str, slice]
    kept: NDArray[np.int64]
    group: NDArray[np.int64]
    cell: NDArray[np.int64]
    everybody: NDArray[np.int64]
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class Tables:
    """Weighted counts and sums, a row per group of an answer, and per raking cell where there are any.

    Attributes
    ----------
    part : Part
        The groups of the answer.
    places : dict of str to slice
        Where each question's counts stand.
    group : (r,) int64
        Of each row.
    cell : (r,) int64 or None
    powers : Powers
        What the rows are taken from.
    kept : (r,) int64
        Which groups of it the rows are.
    without : (g,) int64
        Responses that have no weight.
    step : Fraction
        Of a weight.
    calibration : Calibration or None
    """

    part: Part
    places: Mapping[str, slice]
    group: NDArray[np.int64]
    cell: NDArray[np.int64] | None
    powers: Powers
    kept: NDArray[np.int64]
    without: NDArray[np.int64]
    step: Fraction
    calibration: Calibration | None

    def answers(self, state: ProgramState, asked: Question) -> Answers:
        """Return the answers to a question, a class per level."""
        slot = state.plan.slots[asked.name]
        made = self._answers(asked, slice(0, slot.levels))
        base = self.base(state, asked) if asked.multiple else made
        columns = self._columns(asked)[0][:, slot.levels + slot.multiple :]
        missing = added(columns, self.group, len(self.part.groups))
        answered = base.counts.sum(axis=1)
        left = np.zeros(len(self.part.groups), dtype=np.int64)
        if self.calibration is not None and self.cell is not None:
            out = self.calibration.factors[self.cell] <= 0.0
            left = added(answered, np.where(out, self.group, -1), len(left))
        lost = np.concatenate([missing, self.without[:, None], left[:, None]], axis=1)
        reasons = (*slot.reasons, NO_WEIGHT, LEFT_OUT)
        return dataclasses.replace(made, lost=lost, reasons=reasons)

    def base(self, state: ProgramState, asked: Question) -> Answers:
        """Return who answered a question that takes several answers: one class."""
        slot = state.plan.slots[asked.name]
        return self._answers(asked, slice(slot.levels, slot.levels + 1))

    def _columns(self, asked: Question) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
        place = self.places[asked.name]
        counts, sums, squares = (
            one.counts[self.kept][:, place]
            for one in (self.powers.zero, self.powers.one, self.powers.two)
        )
        return counts.astype(np.int64), sums, squares

    def _answers(self, asked: Question, levels: slice) -> Answers:
        counts, sums, squares = (one[:, levels] for one in self._columns(asked))
        nothing = np.zeros((len(self.part.groups), 0), dtype=np.int64)
        return Answers(
            self.part.rows, nothing, (), self.group, self.cell, counts, sums, squares, self.step,
            self.calibration,
        )  # fmt: skip

    def by_class(self, choice: Question, place: NDArray[np.int64]) -> tuple[Answers, Answers]:
        """Return all who have a class, and those of each option: a class per column of three.

        `place`: the class of each group of the part, -1 for none; one group, and one per option.
        """
        own = place[self.group]
        there = np.flatnonzero(own >= 0)
        column = own[there]

        def spread(values: NDArray[Any]) -> NDArray[Any]:
            """Put (r, groups) sums into (groups * r, 3), by class."""
            groups = values.shape[1]
            table = np.full((groups, len(there), 3), 0, dtype=values.dtype)
            table[:, np.arange(len(there)), column] = values[there].T
            return table.reshape(groups * len(there), 3)

        def answers(tables: Sequence[NDArray[Any]]) -> Answers:
            groups = tables[0].shape[1]
            counts, sums, squares = (spread(one) for one in tables)
            nothing = np.zeros((groups, 0), dtype=np.int64)
            cell = None if self.cell is None else np.tile(self.cell[there], groups)
            made = Answers(
                np.zeros(groups, dtype=np.int64), nothing, (),
                np.repeat(np.arange(groups), len(there)), cell, counts, sums, squares, self.step,
                self.calibration,
            )  # fmt: skip
            return made.merged(np.arange(groups), groups)

        powers = (self.powers.zero, self.powers.one, self.powers.two)
        rows = [np.asarray(one.rows)[self.kept][:, None] for one in powers]
        named = [one[:, : choice.levels] for one in self._columns(choice)]
        return answers([rows[0].astype(np.int64), *rows[1:]]), answers(named)

    def patterns(self, block: Block) -> analytics.weighted_index.PatternSums:
        """Return the sums of a block by pattern; a complete block has one."""
        group, pattern, n, sums, squares = _by_pattern(self.powers, block)
        position = np.full(len(self.powers.zero.rows), -1, dtype=np.int64)
        position[self.kept] = np.arange(len(self.kept))
        mine = position[group]
        there = mine >= 0
        mine = mine[there]
        return analytics.weighted_index.PatternSums.of(
            self.group[mine], pattern[there], n[there], sums[there], squares[there], self.step,
            None if self.cell is None else self.cell[mine], self.calibration,
        )  # fmt: skip


class Weighing(Asking):
    """Questions whose answers may be weighted."""

    def _weighed(self, state: ProgramState, query: Query, asked: Question) -> Weighed:
        """Sum up a question's answers with their weights."""
        tables = self._tables(state, query, (asked.name,))
        answers = tables.answers(state, asked)
        base = tables.base(state, asked) if asked.multiple else None
        return Weighed(
            tables.part,
            answers.sample,
            None if base is None else base.sample,
            answers.dropped(),
            tables.calibration,
        )

    def _tables(
        self,
        state: ProgramState,
        query: Query,
        questions: tuple[str, ...],
        block: Block | None = None,
    ) -> Tables:
        """Cut the weighted counts of questions, and the weighted sums of a block."""
        weighting = checked_weighting(state.program, query)
        declared = state.program.weight if weighting.declared else None
        step = Fraction(declared.step if declared else 1)
        names = questions[0] if len(questions) == 1 else questions
        if not weighting.rake:
            part = self._slice(state, query, names, block, weighted=True)
            powers = Powers.of(part.slice)
            everybody = np.arange(len(part.groups))
            return Tables(
                part, part.places, everybody, None, powers, everybody,
                (part.rows - powers.zero.rows).astype(np.int64), step, None,
            )  # fmt: skip
        cells = self._cells(state, query, weighting, names, block)
        powers = Powers.of(cells.wide)
        left = (cells.wide.rows - powers.zero.rows)[cells.kept].astype(np.int64)
        return Tables(
            cells.part, cells.places, cells.group, cells.cell, powers, cells.kept,
            added(left, cells.group, len(cells.part.groups)), step, cells.calibration,
        )  # fmt: skip

    def _weighed_block(self, state: ProgramState, query: Query, block: Block) -> WeighedSums:
        """Sum up a block's products with their weights, by pattern; a complete block has one."""
        tables = self._tables(state, query, (), block)
        return WeighedSums(tables.part, tables.patterns(block), tables.without, tables.calibration)

    def _cells(
        self,
        state: ProgramState,
        query: Query,
        weighting: Weighting,
        question: str | tuple[str, ...] | None,
        block: Block | None,
    ) -> Cells:
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
        powers = Powers.of(part.slice)
        declared = state.program.weight if weighting.declared else None
        step = float(declared.step) if declared else 1.0
        totals = [
            step**power * added(np.asarray(one.rows, dtype=np.float64), cell, len(known))
            for power, one in enumerate((powers.zero, powers.one, powers.two))
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
            rows=added(part.rows[where], group, len(shown)),
            counts=np.zeros((len(shown), 0), dtype=np.int64),
            sums=None,
            view=part.slice.view,
        )
        keys = group_keys(state.program, query.by, shown)
        answer = Part(reduced, part.as_of, keys, {}, part.slice)
        return Cells(answer, part.slice, part.places, where, group, cell[where], cell, calibration)

    def _weighted_answer(
        self,
        query: Query,
        weighed: Weighed | WeighedSums,
        values: Sequence[analytics.weighted.Weighted[Any]],
        dropped: list[dict[str, int]],
        labels: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        answer = self._answer(weighed.part, [one.value for one in values], dropped, labels)
        weights = (one.weights for one in values)
        return answer.weighed(query.weighting, weights, weighed.calibration)


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
    powers: Powers, block: Block
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
