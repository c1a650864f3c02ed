"""The stages of journeys under survey weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.analytics.journey import ENDS, Journey, JourneyComparison, Metric, Stage
from cxstream.analytics.raking import Calibration
from cxstream.analytics.survey import Weights, degrees_of_freedom
from cxstream.analytics.weighted_comparison import Estimates
from cxstream.analytics.weighted_index import ColumnMeans
from cxstream.answers import Query
from cxstream.errors import InvalidArgumentError
from cxstream.program import Block, Question
from cxstream.queries.asking import Part, group_keys
from cxstream.queries.metric_sums import added
from cxstream.queries.weighted_answers import Answers
from cxstream.queries.weighted_sums import WeightedClasses
from cxstream.queries.weighting import Tables
from cxstream.state import ProgramState
from cxstream.tally import Slice

#: Why a response is at no stage of a journey.
OTHER = "other stage"


@dataclass(frozen=True, slots=True)
class WeightedStages:
    """The stages of every group: one question by level, or several questions.

    Attributes
    ----------
    part : Part
        The groups asked for.
    groups : sequence of int
        Their numbers.
    names : tuple of str
        The stages.
    labels : tuple of (str, str)
    sides : int
        Journeys of a group: 1, or 2 that are compared.
    stages : list of list of Stage, or empty
        Of every group and side.
    estimates : list of Estimates
        Of all groups, sides and stages in that order; or a question's, of all groups and sides.
    means : ColumnMeans or None
        Of questions whose mean is asked for.
    by_level : bool
    dropped : list of dict
    options : dict
        Correction and confidence.
    calibration : Calibration or None
    """

    part: Part
    names: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    sides: int
    stages: list[list[Stage]]
    estimates: list[Estimates]
    means: ColumnMeans | None
    by_level: bool
    dropped: list[dict[str, int]]
    options: dict[str, Any]
    calibration: Calibration | None

    @classmethod
    def of(
        cls,
        state: ProgramState,
        query: Query,
        along: Any,
        metric: Metric,
        questions: Sequence[Question],
        names: tuple[str, ...],
        block: Block | None,
        tables: Tables,
        between: tuple[str, str, str] | None,
    ) -> WeightedStages:
        """Sort the groups of a cut into those asked for, sides and stages.

        `between`: dimension, and the levels a and b; last in the query's `by`, and in it.
        """
        coordinates = tables.part.groups
        by_level = bool(along.dimension)
        if by_level and not names:
            known = dict.fromkeys(one[-1] for one in coordinates if one[-1] is not None)
            names = tuple(known)
        if len(names) < 2:
            raise InvalidArgumentError(
                "INVALID_JOURNEY",
                f"a journey has at least two stages, and {along.dimension!r} has {len(names)} level: "
                "name them in stages",
            )
        width = len(query.by) - (between is not None)
        heads = [one[:width] for one in coordinates]
        shown: list[Any] = list(dict.fromkeys(heads)) if width else [()]
        number = {one: at for at, one in enumerate(shown)}
        sides = 1 if between is None else 2
        at_side = [0 if between is None else between[1:].index(one[width]) for one in coordinates]
        group = np.array([number[one] for one in heads], dtype=np.int64)
        place = group * sides + np.array(at_side, dtype=np.int64)
        stage = np.zeros(len(coordinates), dtype=np.int64)
        steps = 1
        if by_level:
            steps = len(names)
            where = {name: at for at, name in enumerate(names)}
            stage = np.array([where.get(one[-1], -1) for one in coordinates], dtype=np.int64)
        of = np.where(stage >= 0, place * steps + stage, -1)
        everything = len(shown) * sides * steps
        found = [tables.answers(state, one) for one in questions]
        put = [one.merged(of, everything) for one in found]
        means = None
        if block is not None:
            means = _means(tables, block, questions, of, everything)
        made = [_estimated(one, answers, metric, query.confidence)
                for one, answers in zip(questions, put, strict=True)]  # fmt: skip
        stages: list[list[Stage]] = []
        for at in range(len(shown) * sides):
            if by_level:
                own = made[0][0][at * steps : (at + 1) * steps]
            else:
                own = [values[at] for values, _ in made]
            stages.append([Stage(name, *one) for name, one in zip(names, own, strict=True)])
        labels = tuple((one.name, one.label) for one in questions)
        if by_level:
            labels = state.program.dimensions[along.dimension].labels
        rows = added(tables.part.rows, group, len(shown))
        part = tables.part
        cut = Slice(shown, rows, np.zeros((len(shown), 0), dtype=np.int64), None, part.slice.view)
        keys = group_keys(state.program, query.by[:width], shown)
        lost = _lost(found, of, group, len(shown), tables.part.rows)
        return cls(
            Part(cut, part.as_of, keys, {}, part.counted or part.slice),
            names,
            labels,
            sides,
            stages,
            [estimates for _, estimates in made],
            means,
            by_level,
            lost,
            {"correction": along.correction, "confidence": query.confidence},
            tables.calibration,
        )

    @property
    def groups(self) -> range:
        """Return the numbers of the groups."""
        return range(len(self.part.groups))

    @property
    def weights(self) -> list[Weights]:
        """Return what the weights of all answers of every group come to."""
        groups = len(self.part.groups)
        owner = np.repeat(np.arange(groups), len(self.estimates[0].n) // groups)
        return analytics.weighted_comparison.weights_of_all(self.estimates, owner, groups)

    def journey(self, group: int) -> Journey:
        """Return the journey of a group."""
        if self.by_level:
            return analytics.weighted_journey.journey_of_levels(
                self.stages[group], self._levels(group), **self.options
            )
        if self.means is not None:
            return analytics.weighted_journey.journey_of_means(
                self.names, self.means, group, **self.options
            )
        return analytics.weighted_journey.journey_of_questions(self.stages[group], **self.options)

    def comparison(self, group: int) -> JourneyComparison:
        """Compare the two journeys of a group."""
        a, b = 2 * group, 2 * group + 1
        if self.by_level:
            return analytics.weighted_journey.compare_levels(
                self.names, self._levels(a), self._levels(b), **self.options
            )
        if self.means is not None:
            return analytics.weighted_journey.compare_means(
                self.names, self.means, a, b, **self.options
            )
        sides = [[one.take(np.array([at])) for one in self.estimates] for at in (a, b)]
        return analytics.weighted_journey.compare_questions(self.names, *sides, **self.options)

    def _levels(self, at: int) -> Estimates:
        steps = len(self.names)
        return self.estimates[0].take(np.arange(at * steps, (at + 1) * steps))


def _estimated(
    question: Question, answers: Answers, metric: Metric, confidence: float
) -> tuple[list[tuple[Any, ...]], Estimates]:
    """Return n, score, error and interval of every group, and what their errors are made of."""
    top = question.top - question.low
    if question.lower_is_better:
        top = question.high - question.top
    if metric != "mean":
        classes = WeightedClasses(answers, question, None if metric == "nps" else top)
        values = classes.values(confidence)
        return [(one.n, one.score, one.se, one.interval) for one in values], classes.estimates
    levels = question.levels
    found = analytics.weighted.csat(
        answers.sample, top_from=1, reverse=question.lower_is_better, confidence=confidence
    )
    codes = list(range(levels))
    if question.lower_is_better:
        codes.reverse()
    points = answers.points(codes, step=Fraction(100, max(levels - 1, 1)))
    df = degrees_of_freedom(answers.sample, [one / max(levels - 1, 1) for one in codes])
    return (
        [(one.value.n, one.value.mean, one.value.mean_se, one.value.mean_interval)
         for one in found],
        Estimates.of(points, ENDS, df=df),
    )  # fmt: skip


def _means(
    tables: Tables,
    block: Block,
    questions: Sequence[Question],
    of: NDArray[np.int64],
    groups: int,
) -> ColumnMeans:
    """Return the means of questions on 0..100, with their covariances."""
    given = tables.patterns(block)
    there = np.flatnonzero(of[given.group] >= 0)
    wide = len(block.columns)
    sums = analytics.weighted_index.PatternSums.of(
        of[given.group[there]], given.pattern[there], given.n[there], given.sums[there],
        given.sums2[there], given.step, None if given.cell is None else given.cell[there],
        given.calibration,
    )  # fmt: skip
    by_name = {one.name: one for one in questions}
    origins, steps = np.zeros(wide), np.ones(wide)
    for at, name in enumerate(block.columns):
        if name in by_name:
            one = by_name[name]
            steps[at] = (-100.0 if one.lower_is_better else 100.0) / (one.levels - 1)
            origins[at] = 100.0 if one.lower_is_better else 0.0
    found = analytics.weighted_index.column_means(sums, groups=groups, origins=origins, steps=steps)
    places = [block.columns.index(one.name) for one in questions]
    return dataclasses.replace(
        found,
        n=found.n[:, places],
        value=found.value[:, places],
        effective_n=found.effective_n[:, places],
        total=found.total[:, places],
        covariance=found.covariance[:, places][:, :, places],
        linear=tuple(found.linear[j] for j in places),
    )


def _lost(
    found: Sequence[Answers],
    of: NDArray[np.int64],
    group: NDArray[np.int64],
    groups: int,
    rows: NDArray[np.int64],
) -> list[dict[str, int]]:
    """Return the answers missing, by reason, added up over the stages of every group."""
    made: list[dict[str, int]] = [{} for _ in range(groups)]
    for place, at in enumerate(group.tolist()):
        if of[place] < 0:
            made[at][OTHER] = made[at].get(OTHER, 0) + int(rows[place])
            continue
        for one in found:
            for reason, count in zip(one.reasons, one.lost[place].tolist(), strict=True):
                made[at][reason] = made[at].get(reason, 0) + count
    return made
