"""The metrics of one question, or of one index."""

from __future__ import annotations

from cxstream import analytics
from cxstream.answers import Answer, Query
from cxstream.errors import InvalidArgumentError, NotFoundError, nearest
from cxstream.program import BlockKind, Kind, MissingPolicy
from cxstream.queries.asking import (
    Asking,
    answered,
    block_of,
    dropped,
    level_labels,
    levels,
    sums_columns,
    word,
)
from cxstream.tally import PatternSums


class Metrics(Asking):
    """NPS, CSAT, CES, distribution, scorecard, weighted index."""

    @answered
    def nps(self, query: Query, question: str, *, method: str = "adjusted_wald") -> Answer:
        """Net promoter score; see `cxstream.analytics.nps.nps`."""
        state, asked = self._ask(query, question, (Kind.NPS,))
        part = self._slice(state, query, asked.name)
        classes = analytics.nps.classify(
            levels(part, asked), asked.passive - asked.low, asked.promoter - asked.low
        )
        values = analytics.nps.nps(
            classes,
            confidence=query.confidence,
            method=word(method, analytics.intervals.NET_METHODS, "method"),
        )
        return self._answer(part, values, dropped(state, part, asked))

    @answered
    def csat(self, query: Query, question: str, *, top: int | None = None) -> Answer:
        """Top-box share and mean; see `cxstream.analytics.csat.csat`."""
        state, asked = self._ask(
            query, question, (Kind.RATING, Kind.CSAT, Kind.CES, Kind.NPS, Kind.BOOLEAN)
        )
        cut_at = asked.top if top is None else top
        lower = asked.lower_is_better
        top_from = asked.high - cut_at if lower else cut_at - asked.low
        if not 1 <= top_from < asked.levels:
            raise InvalidArgumentError(
                "INVALID_CUT",
                f"top = {cut_at} leaves no top box on the scale {asked.low}..{asked.high}",
            )
        part = self._slice(state, query, asked.name)
        values = analytics.csat.csat(
            levels(part, asked),
            top_from=top_from,
            reverse=lower,
            confidence=query.confidence,
        )
        return self._answer(part, values, dropped(state, part, asked))

    @answered
    def ces(self, query: Query, question: str, *, variant: str = "mean") -> Answer:
        """Customer effort score; see `cxstream.analytics.ces.ces`."""
        state, asked = self._ask(query, question, (Kind.CES,))
        part = self._slice(state, query, asked.name)
        values = analytics.ces.ces(
            levels(part, asked),
            variant=word(variant, analytics.ces.VARIANTS, "variant"),
            origin=int(asked.origin),
            low_to=asked.low_to - asked.low,
            high_from=asked.high_from - asked.low,
            agree_from=asked.agree_from - asked.low,
            reverse=asked.lower_is_better,
            confidence=query.confidence,
        )
        return self._answer(part, values, dropped(state, part, asked))

    @answered
    def distribution(self, query: Query, question: str) -> Answer:
        """All answers of any question; see `cxstream.analytics.distribution`."""
        state, asked = self._ask(query, question, tuple(Kind))
        if asked.is_number:
            block = block_of(state, BlockKind.COMPLETE, {asked.name})
            part = self._slice(state, query, asked.name, block)
            n, total, _, squares = sums_columns(part, (0, 1, 1, 2))
            values = analytics.distribution.number_distribution(
                n, total, squares, origin=asked.origin, step=asked.step, confidence=query.confidence
            )
            return self._answer(part, values, dropped(state, part, asked))
        part = self._slice(state, query, asked.name)
        scale = None if asked.is_choice else [asked.origin + k for k in range(asked.levels)]
        shown = analytics.distribution.distribution(
            levels(part, asked),
            scale,
            base=part.counts[:, asked.levels] if asked.multiple else None,
            confidence=query.confidence,
        )
        return self._answer(part, shown, dropped(state, part, asked), level_labels(asked))

    @answered
    def scorecard(self, query: Query, question: str) -> Answer:
        """Share and count of every option; see `cxstream.analytics.scorecard.scorecard`."""
        state, asked = self._ask(query, question, (Kind.CHOICE,))
        part = self._slice(state, query, asked.name)
        counts = levels(part, asked)
        base = part.counts[:, asked.levels] if asked.multiple else counts.sum(axis=1)
        values = analytics.scorecard.scorecard(
            counts, base, multiple=asked.multiple, confidence=query.confidence
        )
        return self._answer(part, values, dropped(state, part, asked), level_labels(asked))

    @answered
    def weighted_index(self, query: Query, index: str, *, missing: str = "") -> Answer:
        """Composite index with its parts; see `cxstream.analytics.index.index`."""
        state = self._checked(query)
        with state.lock:
            program = state.program
            asked = program.indices.get(index)
            if asked is None:
                raise NotFoundError(
                    "UNKNOWN_INDEX", f"no index {index!r}{nearest(index, program.indices)}"
                )
            block = block_of(state, BlockKind.PATTERN, set(asked.items))
        part = self._slice(state, query, None, block)
        policy = word(missing or str(asked.missing), list(MissingPolicy), "missing")
        assert isinstance(part.sums, PatternSums)
        questions = [program.questions[name] for name in block.columns]
        parts = [
            analytics.index.Part(
                one.name, one.weight, tuple(block.columns.index(item) for item in one.items)
            )
            for one in asked.parts
        ]
        values = analytics.index.index(
            part.sums.group,
            part.sums.pattern,
            part.sums.sums,
            groups=len(part.groups),
            ranges=[question.levels - 1 for question in questions],
            reverse=[question.lower_is_better for question in questions],
            parts=parts,
            policy=policy,
            confidence=query.confidence,
        )
        reason = "incomplete" if policy == "complete" else "no_answer"
        lost = [{reason: int(rows) - one.n} for rows, one in zip(part.rows, values, strict=True)]
        labels = tuple((one.name, one.label) for one in asked.parts)
        return self._answer(part, values, lost, labels)
