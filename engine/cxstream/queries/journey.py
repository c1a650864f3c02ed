"""Journeys: a metric at an ordered list of touchpoints, and two journeys beside each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.analytics.journey import Histograms, Metric, PairSums
from cxstream.answers import Answer, Query
from cxstream.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    nearest,
)
from cxstream.program import Block, BlockKind, Kind, Question, compile_block
from cxstream.queries.asking import Part, answered, group_keys, word
from cxstream.queries.models import pair_tables
from cxstream.queries.weighted_journey import OTHER, WeightedStages
from cxstream.queries.weighting import Weighing
from cxstream.state import ProgramState
from cxstream.tally import Slice

_KINDS = (Kind.NPS, Kind.CSAT, Kind.CES, Kind.RATING, Kind.BOOLEAN)


@dataclass(frozen=True, slots=True)
class Along:
    """What a journey goes along.

    Attributes
    ----------
    question : str
        Asked at every stage, where the stages are levels of a dimension.
    dimension : str
        Of the touchpoints.
    stages : tuple of str
        Levels, in order; all there are, as they sort, where left out.
    questions : tuple of str
        Instead of all that: a question per stage, in order.
    metric : str
        ``nps``, ``top_box`` or ``mean``; "" for ``nps`` of nps questions, ``mean`` of others.
    correction : str
        Of the p-values of the steps, or of the stages compared.
    """

    question: str = ""
    dimension: str = ""
    stages: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    metric: str = ""
    correction: str = "holm"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A journey that was checked."""

    along: Along
    metric: Metric
    questions: tuple[Question, ...]
    names: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    block: Block | None


class Journeys(Weighing):
    """A journey, and two compared."""

    @answered
    def journey(self, query: Query, along: Along) -> Answer:
        """Metrics of the stages and steps between them; see `cxstream.analytics.journey`."""
        state, asked = self._journey(query, along)
        if query.weighting:
            found = self._weighted_stages(state, query, asked, None)
            return self._weighted_journeys(query, found, [found.journey(g) for g in found.groups])
        part = self._stages(state, query, asked)
        answer = _Journeys(query, asked, part)
        values = [answer.journey(group) for group in answer.groups]
        return self._answer(
            answer.part(state, part), values, answer.dropped(state, part), asked.labels
        )

    @answered
    def compare_journeys(
        self, query: Query, along: Along, *, dimension: str, a: str, b: str
    ) -> Answer:
        """Two levels of a dimension, stage by stage; see `cxstream.analytics.journey`."""
        state, asked = self._journey(query, along)
        known = state.program.dimensions
        if dimension not in known:
            raise NotFoundError(
                "UNKNOWN_DIMENSION",
                f"between: no dimension {dimension!r}{nearest(dimension, known)}",
            )
        if dimension in (*query.by, along.dimension) or dimension in query.where:
            raise InvalidArgumentError(
                "INVALID_GROUPING", f"between: {dimension!r} is grouped or filtered by already"
            )
        if a == b:
            raise InvalidArgumentError("INVALID_GROUPING", f"between: {a!r} twice")
        wide = dataclasses.replace(
            query,
            by=(*query.by, dimension),
            where={**query.where, dimension: frozenset((a, b))},
        )
        if query.weighting:
            found = self._weighted_stages(state, wide, asked, (dimension, a, b))
            values = [found.comparison(group) for group in found.groups]
            return self._weighted_journeys(query, found, values)
        part = self._stages(state, wide, asked)
        answer = _Journeys(query, asked, part)
        values = [answer.comparison((*group, a), (*group, b)) for group in answer.groups]
        return self._answer(
            answer.part(state, part), values, answer.dropped(state, part), asked.labels
        )

    def _journey(self, query: Query, along: Along) -> tuple[ProgramState, _Asked]:
        if bool(along.questions) == bool(along.question or along.dimension):
            raise InvalidArgumentError(
                "INVALID_JOURNEY",
                "expected either questions, or a question and the dimension of its touchpoints",
            )
        names = along.questions or (along.question,)
        if len(set(names)) < len(names) or len(set(along.stages)) < len(along.stages):
            raise InvalidArgumentError("INVALID_JOURNEY", "a stage stands there more than once")
        found = [self._ask(query, name, _KINDS, weighted=True) for name in names]
        state, questions = found[0][0], tuple(question for _, question in found)
        every = all(one.kind is Kind.NPS for one in questions)
        metric = word(
            along.metric or ("nps" if every else "mean"), analytics.journey.METRICS, "metric"
        )
        word(along.correction, analytics.corrections.CORRECTIONS, "correction")
        for one in questions:
            if metric == "nps" and one.kind is not Kind.NPS:
                raise InvalidArgumentError(
                    "WRONG_KIND", f"question {one.name!r} is of kind {one.kind}: it has no nps"
                )
            if metric == "top_box" and not 0 < _top_from(one) < one.levels:
                raise InvalidArgumentError("INVALID_CUT", f"question {one.name!r} has no top box")
        if along.questions:
            if len(along.questions) < 2:
                raise InvalidArgumentError("INVALID_JOURNEY", "a journey has at least two stages")
            labels = tuple((one.name, one.label) for one in questions)
            block = None
            if metric == "mean":
                block = (self._patterns if query.weighting else self._pairs)(state, along.questions)
            return state, _Asked(along, metric, questions, along.questions, labels, block)
        if along.dimension not in state.program.dimensions:
            known = state.program.dimensions
            raise NotFoundError(
                "UNKNOWN_DIMENSION",
                f"along: no dimension {along.dimension!r}{nearest(along.dimension, known)}",
            )
        if along.dimension in query.by:
            raise InvalidArgumentError(
                "INVALID_GROUPING", f"by: {along.dimension!r} is what the journey goes along"
            )
        labels = state.program.dimensions[along.dimension].labels
        return state, _Asked(along, metric, questions, along.stages, labels, None)

    def _pairs(self, state: ProgramState, names: Sequence[str]) -> Block:
        with state.declaring:
            for one in state.plan.blocks:
                if one.kind is BlockKind.PAIRS and set(names) <= set(one.columns):
                    return one
            if self._scans:
                return compile_block(state.program, BlockKind.PAIRS, set(names))
        listed = ", ".join(f'"{name}"' for name in names)
        raise FailedPreconditionError(
            "NO_PAIRS",
            "the steps between means of questions take the sums of their pairs, which the program "
            f"does not keep: declare [insights] questions = [{listed}]",
            expected=f"[insights]\nquestions = [{listed}]",
        )

    def _patterns(self, state: ProgramState, names: Sequence[str]) -> Block:
        """Return a block that keeps weighted sums of every two of some questions."""
        with state.declaring:
            block = state.plan.narrowest(BlockKind.PATTERN, set(names))
            if block is not None:
                return block
            if self._scans:
                return compile_block(state.program, BlockKind.PATTERN, set(names))
        listed = ", ".join(f'"{name}"' for name in names)
        declare = f"[indices.NAME]\nparts = {{ all = {{ items = [{listed}] }} }}"
        raise FailedPreconditionError(
            "NO_INDEX",
            "the steps between weighted means of questions take the weighted sums of an index that has "
            "them all; declare one in the program: " + declare.replace("\n", " "),
            expected=declare,
        )

    def _weighted_stages(
        self,
        state: ProgramState,
        query: Query,
        asked: _Asked,
        between: tuple[str, str, str] | None,
    ) -> WeightedStages:
        """Cut the weighted sums of stages, by the groups asked for and, last but the stage, the sides."""
        along = asked.along
        names = tuple(one.name for one in asked.questions)
        wide = query
        if along.dimension:
            wide = dataclasses.replace(query, by=(*query.by, along.dimension))
        tables = self._tables(state, wide, names, asked.block)
        return WeightedStages.of(
            state, query, along, asked.metric, asked.questions, asked.names, asked.block, tables,
            between,
        )  # fmt: skip

    def _weighted_journeys(
        self, query: Query, found: WeightedStages, values: Sequence[Any]
    ) -> Answer:
        answer = self._answer(found.part, values, found.dropped, found.labels)
        return answer.weighed(query.weighting, found.weights, found.calibration)

    def _stages(self, state: ProgramState, query: Query, asked: _Asked) -> Part:
        names = tuple(one.name for one in asked.questions)
        if asked.along.questions:
            return self._slice(state, query, names, asked.block)
        wide = dataclasses.replace(query, by=(*query.by, asked.along.dimension))
        return self._slice(state, wide, names)


class _Journeys:
    """The stages of every group of a slice that may be grouped by touchpoint too."""

    def __init__(self, query: Query, asked: _Asked, part: Part) -> None:
        self.asked = asked
        self._part = part
        self._options: dict[str, Any] = {
            "correction": asked.along.correction,
            "confidence": query.confidence,
        }
        self._place = {group: place for place, group in enumerate(part.groups)}
        width = len(query.by)
        #: The groups asked for, in order.
        self.groups: list[tuple[Any, ...]] = (
            list(dict.fromkeys(one[:width] for one in part.groups)) if width else [()]
        )
        self.names = asked.names
        if asked.along.dimension and not self.names:
            levels = dict.fromkeys(one[-1] for one in part.groups if one[-1] is not None)
            self.names = tuple(levels)
        if len(self.names) < 2:
            raise InvalidArgumentError(
                "INVALID_JOURNEY",
                f"a journey has at least two stages, and {asked.along.dimension!r} has "
                f"{len(self.names)} level: name them in stages",
            )
        self._tables: tuple[NDArray[np.int64], ...] = ()
        if asked.block is not None:
            self._tables = pair_tables(part, len(asked.block.columns))

    def journey(self, group: tuple[Any, ...]) -> analytics.journey.Journey:
        """Return the journey of a group."""
        if self.asked.along.dimension:
            return analytics.journey.journey_of_levels(
                self.names, self._levels(group), metric=self.asked.metric, **self._options
            )
        if self.asked.block is not None:
            return analytics.journey.journey_of_means(
                self.names, self._sums(group), **self._options
            )
        return analytics.journey.journey_of_questions(
            self.names, self._questions(group), metric=self.asked.metric, **self._options
        )

    def comparison(
        self, a: tuple[Any, ...], b: tuple[Any, ...]
    ) -> analytics.journey.JourneyComparison:
        """Compare the journeys of two groups."""
        metric = self.asked.metric
        if self.asked.along.dimension:
            return analytics.journey.compare_levels(
                self.names, self._levels(a), self._levels(b), metric=metric, **self._options
            )
        if self.asked.block is not None:
            return analytics.journey.compare_means(
                self.names, self._sums(a), self._sums(b), **self._options
            )
        return analytics.journey.compare_questions(
            self.names, self._questions(a), self._questions(b), metric=metric, **self._options
        )

    def _levels(self, group: tuple[Any, ...]) -> Histograms:
        question = self.asked.questions[0]
        rows = [self._row(question, (*group, stage)) for stage in self.names]
        return _histograms(question, np.stack(rows))

    def _questions(self, group: tuple[Any, ...]) -> list[Histograms]:
        return [_histograms(one, self._row(one, group)[None, :]) for one in self.asked.questions]

    def _row(self, question: Question, group: tuple[Any, ...]) -> NDArray[np.int64]:
        place = self._place.get(group)
        if place is None:
            return np.zeros(question.levels, dtype=np.int64)
        row: NDArray[np.int64] = self._part.of(question.name)[place, : question.levels]
        return row

    def _sums(self, group: tuple[Any, ...]) -> PairSums:
        block = self.asked.block
        assert block is not None
        at = [block.columns.index(name) for name in self.asked.names]
        place = self._place.get(group)

        def cut(table: NDArray[np.int64]) -> NDArray[np.int64]:
            if place is None:
                return np.zeros((len(at), len(at)), dtype=np.int64)
            mine: NDArray[np.int64] = table[place][np.ix_(at, at)]
            return mine

        n, total, _, cross = self._tables
        return PairSums(
            cut(n),
            cut(total),
            cut(cross),
            [one.levels - 1 for one in self.asked.questions],
            [one.lower_is_better for one in self.asked.questions],
        )

    def part(self, state: ProgramState, part: Part) -> Part:
        """Return the groups asked for as a part of their own."""
        width = len(self.groups[0]) if self.groups else 0
        rows = self._by_group(lambda place: int(part.rows[place]))
        made = Slice(
            groups=self.groups,
            rows=np.array([rows[one] for one in self.groups], dtype=np.int64),
            counts=np.zeros((len(self.groups), 0), dtype=np.int64),
            sums=None,
            view=part.slice.view,
        )
        by = tuple(key.name for key in part.keys[0][:width]) if part.keys else ()
        return Part(made, part.as_of, group_keys(state.program, by, self.groups), {}, part.slice)

    def dropped(self, state: ProgramState, part: Part) -> list[Mapping[str, int]]:
        """Return the answers missing, by reason, added up over the stages."""
        result: list[Mapping[str, int]] = []
        along = self.asked.along.dimension
        for group in self.groups:
            lost: dict[str, int] = {}
            for place, one in enumerate(part.groups):
                if one[: len(group)] != group:
                    continue
                if along and one[-1] not in self.names:
                    lost[OTHER] = lost.get(OTHER, 0) + int(part.rows[place])
                    continue
                for question in self.asked.questions:
                    slot = state.plan.slots[question.name]
                    counts = part.of(question.name)[place][slot.levels :]
                    for reason, count in zip(slot.reasons, counts, strict=True):
                        lost[reason] = lost.get(reason, 0) + int(count)
            result.append(lost)
        return result

    def _by_group(self, value: Callable[[int], int]) -> dict[tuple[Any, ...], int]:
        total = dict.fromkeys(self.groups, 0)
        for place, one in enumerate(self._part.groups):
            group = one[: len(self.groups[0])]
            total[group] += value(place)
        return total


def _histograms(question: Question, counts: NDArray[np.int64]) -> Histograms:
    return Histograms(
        counts,
        question.passive - question.low,
        question.promoter - question.low,
        _top_from(question),
        question.lower_is_better,
    )


def _top_from(question: Question) -> int:
    if question.lower_is_better:
        return question.high - question.top
    return question.top - question.low
