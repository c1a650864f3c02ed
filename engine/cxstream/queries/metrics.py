"""The metrics of one question, or of one index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.analytics.weighted import Weighted
from cxstream.answers import Answer, Query
from cxstream.errors import InvalidArgumentError, NotFoundError, nearest
from cxstream.program import Block, BlockKind, Kind, MissingPolicy, Question
from cxstream.queries.asking import (
    Part,
    answered,
    block_of,
    column_answer,
    dropped_columns,
    level_labels,
    levels,
    word,
)
from cxstream.queries.weighted_answers import NO_WEIGHT
from cxstream.queries.weighting import WeighedSums, Weighing, moments_of
from cxstream.state import ProgramState
from cxstream.tally import PatternSums

#: Kinds of questions that have a net promoter score, and a top box.
NPS_KINDS = (Kind.NPS,)
CSAT_KINDS = (Kind.RATING, Kind.CSAT, Kind.CES, Kind.NPS, Kind.BOOLEAN)


class Metrics(Weighing):
    """NPS, CSAT, CES, distribution, scorecard, weighted index."""

    @answered
    def nps(self, query: Query, question: str, *, method: str = "") -> Answer:
        """Net promoter score; see `cxstream.analytics.nps.nps`.

        `method`: of the interval; by default ``score``, of a weighted score ``adjusted_wald``.
        """
        state, asked = self._ask(query, question, NPS_KINDS, weighted=True)
        passive, promoter = asked.passive - asked.low, asked.promoter - asked.low
        if query.weighting:
            word(method or "adjusted_wald", ("adjusted_wald",), "method of a weighted score")
            weighed = self._weighed(state, query, asked)
            classes_of = weighed.sample.folded((0, passive, promoter, asked.levels))
            found = analytics.weighted.nps(classes_of, confidence=query.confidence)
            return self._weighted_answer(query, weighed, found, weighed.dropped)
        part = self._slice(state, query, asked.name)
        classes = analytics.nps.classify(levels(part, asked), passive, promoter)
        values = analytics.nps.nps_columns(
            classes,
            confidence=query.confidence,
            method=word(method or "score", analytics.intervals.ONE_NET_METHODS, "method"),
        )
        return column_answer(part, values, _lost(state, part, asked))

    @answered
    def csat(self, query: Query, question: str, *, top: int | None = None) -> Answer:
        """Top-box share and mean; see `cxstream.analytics.csat.csat`."""
        state, asked = self._ask(query, question, CSAT_KINDS, weighted=True)
        options: dict[str, Any] = {
            "top_from": top_box(asked, top),
            "reverse": asked.lower_is_better,
            "confidence": query.confidence,
        }
        if query.weighting:
            weighed = self._weighed(state, query, asked)
            found = analytics.weighted.csat(weighed.sample, **options)
            return self._weighted_answer(query, weighed, found, weighed.dropped)
        part = self._slice(state, query, asked.name)
        values = analytics.csat.csat_columns(levels(part, asked), **options)
        return column_answer(part, values, _lost(state, part, asked))

    @answered
    def ces(self, query: Query, question: str, *, variant: str = "mean") -> Answer:
        """Customer effort score; see `cxstream.analytics.ces.ces`."""
        state, asked = self._ask(query, question, (Kind.CES,), weighted=True)
        options: dict[str, Any] = {
            "variant": word(variant, analytics.ces.VARIANTS, "variant"),
            "origin": int(asked.origin),
            "low_to": asked.low_to - asked.low,
            "high_from": asked.high_from - asked.low,
            "agree_from": asked.agree_from - asked.low,
            "reverse": asked.lower_is_better,
            "confidence": query.confidence,
        }
        if query.weighting:
            weighed = self._weighed(state, query, asked)
            found = analytics.weighted.ces(weighed.sample, **options)
            return self._weighted_answer(query, weighed, found, weighed.dropped)
        part = self._slice(state, query, asked.name)
        values = analytics.ces.ces_columns(levels(part, asked), **options)
        return column_answer(part, values, _lost(state, part, asked))

    @answered
    def distribution(self, query: Query, question: str) -> Answer:
        """All answers of any question; see `cxstream.analytics.distribution`."""
        state, asked = self._ask(query, question, tuple(Kind), weighted=True)
        if asked.is_number:
            block = block_of(state, BlockKind.COMPLETE, {asked.name})
            if query.weighting:
                return self._weighted_number(state, query, asked, block)
            part = self._slice(state, query, asked.name, block)
            values = analytics.distribution.number_columns(
                *part.sums.T[:3], origin=asked.origin, step=asked.step, confidence=query.confidence
            )
            return column_answer(part, values, _lost(state, part, asked))
        scale = None if asked.is_choice else [asked.origin + k for k in range(asked.levels)]
        if query.weighting:
            weighed = self._weighed(state, query, asked)
            found = analytics.weighted.distribution(
                weighed.sample, scale, base=weighed.base, confidence=query.confidence
            )
            labels = level_labels(asked)
            return self._weighted_answer(query, weighed, found, weighed.dropped, labels)
        part = self._slice(state, query, asked.name)
        shown = analytics.distribution.distribution_columns(
            levels(part, asked),
            scale,
            base=part.counts[:, asked.levels] if asked.multiple else None,
            confidence=query.confidence,
        )
        lost = _lost(state, part, asked)
        return column_answer(part, shown, lost, level_labels(asked))

    @answered
    def scorecard(self, query: Query, question: str) -> Answer:
        """Share and count of every option; see `cxstream.analytics.scorecard.scorecard`."""
        state, asked = self._ask(query, question, (Kind.CHOICE,), weighted=True)
        if query.weighting:
            weighed = self._weighed(state, query, asked)
            found = analytics.weighted.scorecard(
                weighed.sample, weighed.base, confidence=query.confidence
            )
            labels = level_labels(asked)
            return self._weighted_answer(query, weighed, found, weighed.dropped, labels)
        part = self._slice(state, query, asked.name)
        counts = levels(part, asked)
        base = part.counts[:, asked.levels] if asked.multiple else counts.sum(axis=1)
        values = analytics.scorecard.scorecard_columns(
            counts, base, multiple=asked.multiple, confidence=query.confidence
        )
        lost = _lost(state, part, asked)
        return column_answer(part, values, lost, level_labels(asked))

    @answered
    def weighted_index(self, query: Query, index: str, *, missing: str = "") -> Answer:
        """Composite index with its parts; see `cxstream.analytics.index.index`."""
        state = self._checked(query, weighted=True)
        block, options = index_sums(state, index, missing)
        options["confidence"] = query.confidence
        reason = "incomplete" if options["policy"] == "complete" else "no_answer"
        labels = tuple((one.name, one.label) for one in state.program.indices[index].parts)
        if query.weighting:
            weighed = self._weighed_block(state, query, block)
            found = analytics.weighted_index.index(
                weighed.sums, groups=len(weighed.part.groups), **options
            )
            return self._weighted_answer(
                query, weighed, found, _dropped(weighed, found, reason), labels
            )
        part = self._slice(state, query, None, block)
        assert isinstance(part.sums, PatternSums)
        values = analytics.index.index_columns(
            part.sums.group,
            part.sums.pattern,
            part.sums.sums,
            groups=len(part.groups),
            **options,
        )
        return column_answer(part, values, {reason: part.rows - values.fields["n"]}, labels)

    def _weighted_number(
        self, state: ProgramState, query: Query, asked: Question, block: Block
    ) -> Answer:
        weighed = self._weighed_block(state, query, block)
        given = weighed.sums
        groups = len(weighed.part.groups)
        if weighed.calibration is None:
            found = analytics.weighted.number(
                moments_of(given, groups),
                origin=asked.origin,
                step=asked.step,
                confidence=query.confidence,
            )
        else:
            found = analytics.weighted_index.number(
                given,
                groups=groups,
                origin=asked.origin,
                step=asked.step,
                confidence=query.confidence,
            )
        return self._weighted_answer(query, weighed, found, _dropped(weighed, found, "no_answer"))


def _lost(state: ProgramState, part: Part, question: Question) -> dict[str, NDArray[np.int64]]:
    """Return how many answers are missing of each group, by reason."""
    reasons, counts = dropped_columns(state, part, question)
    return dict(zip(reasons, counts.T, strict=True))


def top_box(question: Question, top: int | None) -> int:
    """Return the first level of the top box, counted from the bad end of the scale.

    Raises
    ------
    InvalidArgumentError
        ``INVALID_CUT``: no level, or every level, is in it.
    """
    cut_at = question.top if top is None else top
    top_from = question.high - cut_at if question.lower_is_better else cut_at - question.low
    if not 1 <= top_from < question.levels:
        raise InvalidArgumentError(
            "INVALID_CUT",
            f"top = {cut_at} leaves no top box on the scale {question.low}..{question.high}",
        )
    return top_from


def index_sums(state: ProgramState, index: str, missing: str) -> tuple[Block, dict[str, Any]]:
    """Return the sums an index is made from, and how: arguments of `cxstream.analytics.index.index`.

    Raises
    ------
    NotFoundError
        ``UNKNOWN_INDEX``.
    InvalidArgumentError
        ``UNKNOWN_OPTION``: no such policy.
    """
    with state.declaring:
        program = state.program
        asked = program.indices.get(index)
        if asked is None:
            raise NotFoundError(
                "UNKNOWN_INDEX", f"no index {index!r}{nearest(index, program.indices)}"
            )
        block = block_of(state, BlockKind.PATTERN, set(asked.items))
    questions = [program.questions[name] for name in block.columns]
    return block, {
        "ranges": [question.levels - 1 for question in questions],
        "reverse": [question.lower_is_better for question in questions],
        "parts": [
            analytics.index.Part(
                one.name, one.weight, tuple(block.columns.index(item) for item in one.items)
            )
            for one in asked.parts
        ],
        "policy": word(missing or str(asked.missing), list(MissingPolicy), "missing"),
    }


def _dropped(
    weighed: WeighedSums, found: Sequence[Weighted[Any]], reason: str
) -> list[dict[str, int]]:
    """Say how many responses have no weight, and how many no answer."""
    return [
        {NO_WEIGHT: int(without), reason: int(rows) - int(without) - one.value.n}
        for rows, without, one in zip(weighed.part.rows, weighed.without_weight, found, strict=True)
    ]
