"""What a comparison, a change or a series is of: a metric, and some of the responses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.answers import Query
from cxstream.columns import parse_edge
from cxstream.errors import InvalidArgumentError, nearest
from cxstream.program import Block, BlockKind, Kind, Question
from cxstream.queries.asking import Part, block_of, dropped_columns, levels
from cxstream.queries.metric_sums import ClassSums, CoefficientSums, IndexSums, MeanSums, Sums
from cxstream.queries.metrics import CSAT_KINDS, NPS_KINDS, index_sums, top_box
from cxstream.queries.model_sums import ModelSums
from cxstream.queries.models import model_of
from cxstream.queries.weighted_sums import (
    WeightedClasses,
    WeightedCoefficients,
    WeightedPatterns,
    WeightedScale,
    WeightedSums,
)
from cxstream.queries.weighting import Weighing
from cxstream.state import ProgramState
from cxstream.tally import PatternSums


@dataclass(frozen=True, slots=True)
class Metric:
    """What is compared, taken apart or watched.

    Attributes
    ----------
    kind : {"nps", "csat", "index", "regression", "mean"}
    name : str
        The question, the index, or the model.
    top : int or None
        Lowest value of the top box of a csat; as declared where None.
    missing : str
        Policy of an index; as declared where empty.
    driver : str
        The coefficient's driver, or "const".
    """

    kind: str
    name: str
    top: int | None = None
    missing: str = ""
    driver: str = ""


#: What has a mean.
MEAN_KINDS = (Kind.NPS, Kind.RATING, Kind.CSAT, Kind.CES, Kind.BOOLEAN, Kind.NUMBER)
KINDS = ("nps", "csat", "index", "regression", "mean")


@dataclass(frozen=True, slots=True)
class Side:
    """Some of the responses of a query.

    Attributes
    ----------
    where : dict of str to set of (str or None)
        Levels kept, by dimension.
    since, until : str
        ISO 8601 edges of the stored time bucket, "" for none.
    """

    where: dict[str, frozenset[str | None]] = dataclasses.field(default_factory=dict)
    since: str = ""
    until: str = ""


class Scored(ModelSums, Weighing):
    """How the sums of a metric are found."""

    def _metric_sums(self, query: Query, metric: Metric) -> tuple[ProgramState, Part, Sums]:
        """Cut the sums of a metric, by the groups of a query.

        Raises
        ------
        CxstreamError
            As the question about the metric itself does.
        """
        if query.weighting:
            return self._weighted_metric(query, metric)
        if metric.kind == "nps":
            state, asked = self._ask(query, metric.name, NPS_KINDS)
            part = self._slice(state, query, asked.name)
            histogram = levels(part, asked)
            counts = analytics.nps.classify(
                histogram, asked.passive - asked.low, asked.promoter - asked.low
            )
            return state, part, _class_sums(state, part, asked, counts, None)
        if metric.kind == "csat":
            state, asked = self._ask(query, metric.name, CSAT_KINDS)
            top_from = top_box(asked, metric.top)
            part = self._slice(state, query, asked.name)
            histogram = levels(part, asked)
            good = histogram[:, ::-1] if asked.lower_is_better else histogram
            counts = np.stack(
                [good[:, :top_from].sum(axis=1), good[:, top_from:].sum(axis=1)], axis=1
            )
            return state, part, _class_sums(state, part, asked, counts, top_from)
        block: Block
        if metric.kind == "mean":
            return self._mean_sums(query, metric.name)
        state = self._checked(query)
        if metric.kind == "index":
            block, options = index_sums(state, metric.name, metric.missing)
            part = self._slice(state, query, None, block)
            assert isinstance(part.sums, PatternSums)
            return state, part, IndexSums(part.rows, part.sums, options)
        block, options = self._coefficient(state, metric, (BlockKind.COMPLETE,))
        robust = state.plan.block(BlockKind.FOURTH, set(block.columns))
        part = self._slice(state, query, None, robust or block)
        sums = CoefficientSums(part.rows, part.sums, options, metric.driver, robust is not None)
        return state, part, sums

    def _coefficient(
        self, state: ProgramState, metric: Metric, kinds: tuple[BlockKind, ...]
    ) -> tuple[Block, dict[str, Any]]:
        """Return the block of a model, and how its coefficients are made."""
        if metric.kind != "regression":
            raise InvalidArgumentError(
                "UNKNOWN_OPTION",
                f"metric: no {metric.kind!r}{nearest(metric.kind, KINDS)}",
                expected=", ".join(KINDS),
            )
        with state.declaring:
            outcome, drivers, intercept = model_of(state.program, metric.name, "", ())
            block = self._model_block(state, outcome, drivers, kinds)
        questions = [state.program.questions[name] for name in block.columns]
        options = {
            "origins": [question.origin for question in questions],
            "steps": [question.step for question in questions],
            "names": list(block.columns),
            "outcome": block.columns.index(outcome),
            "drivers": [block.columns.index(name) for name in drivers],
            "intercept": intercept,
        }
        names = (*(("const",) if intercept else ()), *drivers)
        if metric.driver not in names:
            raise InvalidArgumentError(
                "UNKNOWN_DRIVER",
                f"model {metric.name!r} has no driver {metric.driver!r}"
                f"{nearest(metric.driver, names)}",
                expected=", ".join(names),
            )
        return block, options

    def _weighted_metric(
        self, query: Query, metric: Metric
    ) -> tuple[ProgramState, Part, WeightedSums]:
        """Cut the weighted sums of a metric."""
        kinds = {"nps": NPS_KINDS, "csat": CSAT_KINDS, "mean": MEAN_KINDS}.get(metric.kind)
        if kinds is not None:
            state, asked = self._ask(query, metric.name, kinds, weighted=True)
            if asked.is_number:
                block = block_of(state, BlockKind.COMPLETE, {asked.name})
                return state, *self._weighted_patterns(state, query, block, {}, asked)
            top = top_box(asked, metric.top) if metric.kind == "csat" else None
            tables = self._tables(state, query, (asked.name,))
            answers = tables.answers(state, asked)
            if metric.kind == "mean":
                return state, tables.part, WeightedScale(answers, asked)
            return state, tables.part, WeightedClasses(answers, asked, top)
        state = self._checked(query, weighted=True)
        if metric.kind == "index":
            block, options = index_sums(state, metric.name, metric.missing)
            return state, *self._weighted_patterns(state, query, block, options, None)
        block, options = self._coefficient(state, metric, (BlockKind.FOURTH,))
        found = self._sums(state, query, block)
        assert found.weighing is not None
        sums = WeightedCoefficients(
            found.part.rows,
            found.weighing.without,
            found.weighing.left_out,
            found.weighing.responses,
            # Groups that 64 bits hold may add up to more.
            found.second.astype(object),
            np.asarray(found.fourth, dtype=object),
            found.weighing.step,
            options,
            metric.driver,
            found.weighing.raked,
        )
        return state, found.part, sums

    def _weighted_patterns(
        self,
        state: ProgramState,
        query: Query,
        block: Block,
        options: dict[str, Any],
        question: Question | None,
    ) -> tuple[Part, WeightedPatterns]:
        found = self._weighed_block(state, query, block)
        rows = found.part.rows
        without = found.without_weight
        return found.part, WeightedPatterns(rows, without, found.sums, options, question)

    def _mean_sums(self, query: Query, name: str) -> tuple[ProgramState, Part, Sums]:
        state, asked = self._ask(query, name, MEAN_KINDS)
        block = block_of(state, BlockKind.COMPLETE, {name}) if asked.is_number else None
        part = self._slice(state, query, asked.name, block)
        if block is None:
            counts, codes = levels(part, asked), np.arange(asked.levels)
            moments = np.stack(
                [counts.sum(axis=1), counts @ codes, counts @ codes**2], axis=1
            ).astype(object)
        else:
            moments = part.sums.astype(object)
        reasons, lost = dropped_columns(state, part, asked)
        return state, part, MeanSums(part.rows, moments, lost, reasons, asked)

    def _divided(
        self, query: Query, sides: Sequence[Side], by: tuple[str, ...]
    ) -> tuple[Query, str | None]:
        """Return the query whose groups tell the sides apart, and the time unit among them.

        One slice serves all sides: they hold for the same point of the stream.
        """
        where = dict(query.where)
        for side in sides:
            where.update(side.where)
        timed = any(side.since or side.until for side in sides)
        # Checked as filters, so that a name that is none is refused as one.
        state = self._checked(
            dataclasses.replace(
                query,
                by=by,
                where=where,
                since=query.since or ("x" if timed else ""),
            ),
            weighted=True,
        )
        unit = state.plan.time_unit if timed else None
        named = dict.fromkeys([*by, *(name for side in sides for name in side.where)])
        return dataclasses.replace(query, by=(*named, *((unit,) if unit else ()))), unit


def members(part: Part, by: tuple[str, ...], side: Side, unit: str | None) -> NDArray[np.bool_]:
    """Return which groups of a part lie within a side."""
    kept = np.ones(len(part.groups), dtype=bool)
    for name, wanted in side.where.items():
        at = by.index(name)
        kept &= np.array([group[at] in wanted for group in part.groups], dtype=bool)
    for edge, key, later in ((side.since, "since", True), (side.until, "until", False)):
        if edge:
            assert unit is not None
            bucket, at = parse_edge(edge, unit=unit, key=key), by.index(unit)
            kept &= np.array(
                [
                    group[at] is not None and (group[at] >= bucket if later else group[at] < bucket)
                    for group in part.groups
                ],
                dtype=bool,
            )
    return kept


def _class_sums(
    state: ProgramState,
    part: Part,
    question: Question,
    counts: NDArray[np.int64],
    top_from: int | None,
) -> ClassSums:
    reasons, lost = dropped_columns(state, part, question)
    return ClassSums(part.rows, counts, lost, reasons, levels(part, question), question, top_from)
