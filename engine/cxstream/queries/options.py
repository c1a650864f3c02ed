"""Who named each option of a choice, by the class of a score: what options have to do with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cxstream import analytics
from cxstream.analytics.impact import Impact
from cxstream.analytics.raking import Calibration
from cxstream.analytics.survey import Weights
from cxstream.answers import Answer, GroupKey, Query, Row
from cxstream.errors import InvalidArgumentError
from cxstream.program import Kind, Program, Question
from cxstream.queries.asking import Part, answer_of, level_labels
from cxstream.queries.linkage import NO_SCORE, Linkages
from cxstream.queries.metric_sums import ClassSums, Sums
from cxstream.queries.scored import Metric, Scored
from cxstream.queries.weighted_answers import LEFT_OUT, NO_WEIGHT
from cxstream.queries.weighted_sums import WeightedNets


@dataclass(frozen=True, slots=True)
class Named:
    """Those who named an option, the others with a score, and both together.

    Attributes
    ----------
    part : Part
        Where they come from.
    keys : list of tuple of GroupKey
        The options that anybody named.
    some, rest : ClassSums or WeightedNets
        A group per option.
    everybody : ClassSums or WeightedNets
        One group.
    scored : int
        Responses with a score.
    lost : dict
        Responses not used.
    calibration : Calibration or None
    """

    part: Part
    keys: list[tuple[GroupKey, ...]]
    some: Any
    rest: Any
    everybody: Sums
    scored: int
    lost: Mapping[str, int]
    calibration: Calibration | None = None

    @property
    def weighted(self) -> bool:
        """Whether responses are weighted."""
        return isinstance(self.some, WeightedNets)

    def impacts(self, confidence: float) -> list[Impact]:
        """Return what the score of everybody would lose without those who named each option."""
        if not isinstance(self.some, WeightedNets):
            found: list[Impact] = self.some.impacts(self.everybody, confidence)
            return found
        count = len(self.keys)
        both = WeightedNets(self.some.answers.beside(self.rest.answers)).points
        pairs = [both.take(np.array([at, count + at])) for at in range(count)]
        return [analytics.weighted_change.impacts(one, confidence=confidence)[0] for one in pairs]

    def answer(
        self,
        query: Query,
        values: Sequence[Any],
        weights: Sequence[Weights],
        whole: object = None,
    ) -> Answer:
        """Return an answer of a value per option."""
        rows = [
            Row(key, self.scored, dict(self.lost), value)
            for key, value in zip(self.keys, values, strict=True)
        ]
        if not self.weighted:
            return answer_of(self.part, rows, whole)
        weighed = [
            dataclasses.replace(row, weights=own) for row, own in zip(rows, weights, strict=True)
        ]
        return answer_of(
            self.part, weighed, whole, weighting=query.weighting, raking=self.calibration
        )


class NamedOptions(Scored, Linkages):
    """Questions by the options of a choice: counted by NPS class, as outcomes are."""

    def _choice(self, query: Query) -> Question | None:
        """Return the choice question that a query's first grouping is, if it is one."""
        program: Program = self._state(query.program).program
        choice = program.questions.get(query.by[0])
        return (
            choice
            if choice and choice.is_choice and choice.name not in program.dimensions
            else None
        )

    def _named(self, query: Query, metric: Metric, choice: Question, against: str = "") -> Named:
        if metric.kind != "nps" or len(query.by) > 1 or against:
            raise InvalidArgumentError(
                "INVALID_COMPARISON",
                f"by {choice.name!r}, a choice, takes the metric nps, and nothing else in by or against: "
                "those who named an option are set against all others",
                column="by",
            )
        plain = dataclasses.replace(query, by=())
        state, asked = self._ask(plain, choice.name, (Kind.CHOICE,), weighted=True)
        labels = level_labels(asked)
        if query.weighting:
            rated, wide = self._wide(state, plain, metric.name)
            tables = self._tables(state, wide, (asked.name,))
            classes = self._sorted(state, plain, rated, tables.part)
            everybody, named = tables.by_class(asked, classes.place)
            kept = np.flatnonzero(named.counts_by_group.sum(axis=1))
            of = np.full(asked.levels, -1)
            of[kept] = np.arange(len(kept))
            some = WeightedNets(named.merged(of, len(kept)))
            rest = WeightedNets(everybody.repeated(len(kept)).less(some.answers))
            place = classes.place >= 0
            scored = int(tables.part.rows[place].sum())
            used = int(everybody.counts_by_group.sum())
            lost = {
                NO_SCORE: int(classes.without_class().sum()),
                NO_WEIGHT: int(tables.without[place].sum()),
            }
            lost[LEFT_OUT] = scored - used - lost[NO_WEIGHT]
            return Named(
                classes.part, _keys(choice, labels, kept), some, rest, WeightedNets(everybody),
                scored, lost, tables.calibration,
            )  # fmt: skip
        found = self._by_class(state, plain, metric.name, (asked.name,), None)
        counts = found.add(found.wide.of(asked.name)[:, : asked.levels])[0].T
        whole = found.add(found.wide.rows[:, None])[0].T
        kept = np.flatnonzero(counts.sum(axis=1))
        rated = state.program.questions[metric.name]

        def nets(classes: np.ndarray[Any, np.dtype[np.int64]]) -> ClassSums:
            nothing = np.zeros((len(classes), 0), dtype=np.int64)
            return ClassSums(classes.sum(axis=1), classes, nothing, (), classes, rated, None)

        return Named(
            found.part, _keys(choice, labels, kept), nets(counts[kept]), nets(whole - counts[kept]),
            nets(whole), int(whole.sum()), {NO_SCORE: int(found.without_class().sum())},
        )  # fmt: skip


def _keys(
    choice: Question,
    labels: Sequence[tuple[str, str]],
    kept: np.ndarray[Any, np.dtype[np.intp]],
) -> list[tuple[GroupKey, ...]]:
    return [(GroupKey(choice.name, *labels[at]),) for at in kept.tolist()]
