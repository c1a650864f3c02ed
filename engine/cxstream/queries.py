"""Asking: from a query to a slice of a tally, and from there to an answer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.answers import Answer, AsOf, GroupKey, Query, Row
from cxstream.columns import bucket_text, parse_edge
from cxstream.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
    nearest,
)
from cxstream.program import (
    TIME_UNITS,
    Block,
    BlockKind,
    Kind,
    MissingPolicy,
    Plan,
    Program,
    Question,
    compile_block,
    rollups,
)
from cxstream.state import ProgramState
from cxstream.tally import PatternSums, Selection, Slice, Tally, covers, cut

P = ParamSpec("P")
Method = Callable[Concatenate["Queries", Query, P], Answer]


def _answered(method: Method[P]) -> Method[P]:
    """Tell what is not there from what is not there yet."""

    @functools.wraps(method)
    def answered(self: Queries, query: Query, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return method(self, query, *args, **kwargs)
        except NotFoundError as error:
            if error.reason == "UNKNOWN_PROGRAM":
                raise
            rebuild = self._state(query.program).rebuild
            if rebuild is None or rebuild.failed:
                raise
            raise UnavailableError(
                "REBUILDING",
                f"{error.message}; version {rebuild.version} of program {query.program!r} may have "
                f"it, {rebuild.rows_done:,} of {rebuild.rows_all:,} stored responses are counted "
                "for it: ask again",
            ) from error

    return answered


class Queries:
    """What can be asked of an engine."""

    @property
    def _scans(self) -> bool:
        """Whether stored batches can be counted again for what no view or block keeps."""
        return False

    def _state(self, name: str) -> ProgramState:
        raise NotImplementedError

    def _scan(
        self, state: ProgramState, query: Query, question: str | None, block: Block | None
    ) -> tuple[Tally, AsOf]:
        raise NotImplementedError

    # --- answers ----------------------------------------------------------------------------------

    @_answered
    def nps(self, query: Query, question: str, *, method: str = "adjusted_wald") -> Answer:
        """Net promoter score; see `cxstream.analytics.nps.nps`."""
        state, asked = self._ask(query, question, (Kind.NPS,))
        part = self._slice(state, query, asked.name)
        classes = analytics.nps.classify(
            _levels(part, asked), asked.passive - asked.low, asked.promoter - asked.low
        )
        values = analytics.nps.nps(
            classes,
            confidence=query.confidence,
            method=_word(method, analytics.intervals.NET_METHODS, "method"),
        )
        return self._answer(part, values, _dropped(state, part, asked))

    @_answered
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
            _levels(part, asked),
            top_from=top_from,
            reverse=lower,
            confidence=query.confidence,
        )
        return self._answer(part, values, _dropped(state, part, asked))

    @_answered
    def ces(self, query: Query, question: str, *, variant: str = "mean") -> Answer:
        """Customer effort score; see `cxstream.analytics.ces.ces`."""
        state, asked = self._ask(query, question, (Kind.CES,))
        part = self._slice(state, query, asked.name)
        values = analytics.ces.ces(
            _levels(part, asked),
            variant=_word(variant, analytics.ces.VARIANTS, "variant"),
            origin=int(asked.origin),
            low_to=asked.low_to - asked.low,
            high_from=asked.high_from - asked.low,
            agree_from=asked.agree_from - asked.low,
            reverse=asked.lower_is_better,
            confidence=query.confidence,
        )
        return self._answer(part, values, _dropped(state, part, asked))

    @_answered
    def distribution(self, query: Query, question: str) -> Answer:
        """All answers of any question; see `cxstream.analytics.distribution`."""
        state, asked = self._ask(query, question, tuple(Kind))
        if asked.is_number:
            block = _block(state, BlockKind.COMPLETE, {asked.name})
            part = self._slice(state, query, asked.name, block)
            n, total, _, squares = _columns(part, (0, 1, 1, 2))
            values = analytics.distribution.number_distribution(
                n, total, squares, origin=asked.origin, step=asked.step, confidence=query.confidence
            )
            return self._answer(part, values, _dropped(state, part, asked))
        part = self._slice(state, query, asked.name)
        scale = None if asked.is_choice else [asked.origin + k for k in range(asked.levels)]
        shown = analytics.distribution.distribution(
            _levels(part, asked),
            scale,
            base=part.counts[:, asked.levels] if asked.multiple else None,
            confidence=query.confidence,
        )
        return self._answer(part, shown, _dropped(state, part, asked), _level_labels(asked))

    @_answered
    def scorecard(self, query: Query, question: str) -> Answer:
        """Share and count of every option; see `cxstream.analytics.scorecard.scorecard`."""
        state, asked = self._ask(query, question, (Kind.CHOICE,))
        part = self._slice(state, query, asked.name)
        counts = _levels(part, asked)
        base = part.counts[:, asked.levels] if asked.multiple else counts.sum(axis=1)
        values = analytics.scorecard.scorecard(
            counts, base, multiple=asked.multiple, confidence=query.confidence
        )
        return self._answer(part, values, _dropped(state, part, asked), _level_labels(asked))

    @_answered
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
            block = _block(state, BlockKind.PATTERN, set(asked.items))
        part = self._slice(state, query, None, block)
        policy = _word(missing or str(asked.missing), list(MissingPolicy), "missing")
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
        dropped = [{reason: int(rows) - one.n} for rows, one in zip(part.rows, values, strict=True)]
        labels = tuple((one.name, one.label) for one in asked.parts)
        return self._answer(part, values, dropped, labels)

    @_answered
    def regression(
        self, query: Query, *, model: str = "", outcome: str = "", drivers: Sequence[str] = ()
    ) -> Answer:
        """Least squares of a declared model, or within a declared model's columns.

        See `cxstream.analytics.regression.fit`.
        """
        state = self._checked(query)
        with state.lock:
            program = state.program
            outcome, drivers, intercept = _model(program, model, outcome, drivers)
            columns = {outcome, *drivers}
            block = state.plan.block(BlockKind.COMPLETE, columns)
            if block is None and self._scans:
                block = compile_block(program, BlockKind.COMPLETE, columns)
            if block is None:
                listed = ", ".join(f'"{name}"' for name in drivers)
                declare = f'[models.NAME]\noutcome = "{outcome}"\ndrivers = [{listed}]'
                raise FailedPreconditionError(
                    "NO_MODEL",
                    "no model keeps these columns together; declare it in the program: "
                    + declare.replace("\n", " "),
                    expected=declare,
                )
        part = self._slice(state, query, None, block)
        questions = [program.questions[name] for name in block.columns]
        values = analytics.regression.fit(
            part.sums,
            origins=[question.origin for question in questions],
            steps=[question.step for question in questions],
            names=list(block.columns),
            outcome=block.columns.index(outcome),
            drivers=[block.columns.index(name) for name in drivers],
            intercept=intercept,
            confidence=query.confidence,
        )
        dropped = [
            {"incomplete": int(rows) - one.n} for rows, one in zip(part.rows, values, strict=True)
        ]
        labels = tuple((name, program.questions[name].label) for name in drivers)
        return self._answer(part, values, dropped, labels, outcome=outcome)

    @_answered
    def insights(self, query: Query, *, outcome: str = "", correction: str = "holm") -> Answer:
        """Every ordered pair of questions; see `cxstream.analytics.insights.insights`."""
        state = self._checked(query)
        with state.lock:
            program = state.program
            names = program.insights
            if len(names) < 2:
                raise FailedPreconditionError(
                    "NO_INSIGHTS",
                    "the program keeps no pairs; declare [insights] questions with at least two",
                    expected="[insights]\nquestions = [...]",
                )
            if outcome and outcome not in names:
                raise NotFoundError(
                    "UNKNOWN_QUESTION",
                    f"no question {outcome!r} among the pairs kept{nearest(outcome, names)}",
                )
            block = _block(state, BlockKind.PAIRS, set(names))
        part = self._slice(state, query, None, block)
        values = analytics.insights.insights(
            *_pairs(part, len(block.columns)),
            names=list(block.columns),
            outcome=block.columns.index(outcome) if outcome else None,
            correction=_word(correction, analytics.insights.CORRECTIONS, "correction"),
            confidence=query.confidence,
        )
        return self._answer(part, values, [{}] * len(values))

    # --- from a query to a slice ------------------------------------------------------------------

    def _ask(
        self, query: Query, name: str, kinds: tuple[Kind, ...]
    ) -> tuple[ProgramState, Question]:
        state = self._checked(query)
        questions = state.program.questions
        question = questions.get(name)
        usable = [one for one, value in questions.items() if value.kind in kinds]
        if question is None:
            raise NotFoundError("UNKNOWN_QUESTION", f"no question {name!r}{nearest(name, usable)}")
        if question.kind not in kinds:
            raise InvalidArgumentError(
                "WRONG_KIND",
                f"question {name!r} is of kind {question.kind}; this takes "
                f"{' or '.join(kinds)}{nearest(name, usable)}",
                expected=" or ".join(kinds),
            )
        return state, question

    def _checked(self, query: Query) -> ProgramState:
        state = self._state(query.program)
        if not 0 < query.confidence < 1:
            raise InvalidArgumentError(
                "INVALID_CONFIDENCE",
                f"confidence {query.confidence} is not above 0 and below 1",
                expected="such as 0.95",
            )
        program = state.program
        known = [*program.dimensions, *rollups(state.plan)]
        for name in query.by:
            if name not in known:
                hint = nearest(name, known)
                if name in TIME_UNITS:
                    hint = f"; its time column is kept by {state.plan.time_unit or 'nothing'}"
                raise NotFoundError("UNKNOWN_DIMENSION", f"by: no dimension {name!r}{hint}")
        if len(set(query.by)) < len(query.by):
            raise InvalidArgumentError("INVALID_GROUPING", "by names something twice")
        if sum(name in TIME_UNITS for name in query.by) > 1:
            raise InvalidArgumentError("INVALID_GROUPING", "by takes one time bucket, not several")
        for name in query.where:
            if name not in program.dimensions:
                raise NotFoundError(
                    "UNKNOWN_DIMENSION",
                    f"where: no dimension {name!r}{nearest(name, program.dimensions)}",
                )
        if (query.since or query.until) and program.time is None:
            raise FailedPreconditionError(
                "NO_TIME",
                f"program {program.name!r} has no time column; declare [time]",
                expected='[time]\ncolumn = "..."',
            )
        return state

    def _slice(
        self, state: ProgramState, query: Query, question: str | None, block: Block | None = None
    ) -> _Part:
        with state.lock:
            state.check()
            program, plan, tally = state.program, state.plan, state.tally
            selection = _selection(query, plan.time_unit)
            kept = block is None or any(one.key == block.key for one in plan.blocks)
            if not self._scans or (kept and covers(tally, selection)):
                got = cut(tally, selection, _counts_columns(plan, question), block)
                as_of = _as_of(state, got.view)
                return _Part(got, as_of, _group_keys(program, query.by, got.groups))
        tally, as_of = self._scan(state, query, question, block)
        got = cut(tally, selection, _counts_columns(tally.plan, question), block)
        return _Part(got, as_of, _group_keys(program, query.by, got.groups))

    def _answer(
        self,
        part: _Part,
        values: Iterable[Any],
        dropped: Iterable[Mapping[str, int]],
        labels: tuple[tuple[str, str], ...] = (),
        *,
        outcome: str = "",
    ) -> Answer:
        rows = [
            Row(
                group,
                int(responses),
                {reason: count for reason, count in lost.items() if count},
                value,
                labels,
            )
            for group, responses, lost, value in zip(
                part.keys, part.rows, dropped, values, strict=True
            )
        ]
        return Answer(part.as_of, rows, outcome)


@dataclass(frozen=True, slots=True)
class _Part:
    """A slice, the point it was cut at, and its groups as people read them."""

    slice: Slice
    as_of: AsOf
    keys: list[tuple[GroupKey, ...]]

    @property
    def groups(self) -> list[Any]:
        return self.slice.groups

    @property
    def rows(self) -> NDArray[np.int64]:
        return self.slice.rows

    @property
    def counts(self) -> NDArray[np.int64]:
        return self.slice.counts

    @property
    def sums(self) -> Any:
        return self.slice.sums


def _selection(query: Query, unit: str | None) -> Selection:
    def edge(text: str, key: str) -> int | None:
        return parse_edge(text, unit=unit, key=key) if text and unit else None

    return Selection(
        by=query.by,
        where=dict(query.where),
        since=edge(query.since, "since"),
        until=edge(query.until, "until"),
    )


def _counts_columns(plan: Plan, question: str | None) -> slice:
    if question is None:
        return slice(0, 0)
    slot = plan.slots[question]
    return slice(slot.start, slot.start + slot.width)


def _as_of(state: ProgramState, view: str) -> AsOf:
    return AsOf(state.program.name, state.version, state.tally.responses, state.batches, view)


def _word(word: str, known: Sequence[str], key: str) -> Any:
    """Return an option's word, refused where it is none of the known ones."""
    if word not in known:
        raise InvalidArgumentError(
            "UNKNOWN_OPTION", f"{key}: no {word!r}{nearest(word, known)}", expected=", ".join(known)
        )
    return word


def _levels(part: _Part, question: Question) -> NDArray[np.int64]:
    return part.counts[:, : question.levels]


def _dropped(state: ProgramState, part: _Part, question: Question) -> list[dict[str, int]]:
    slot = state.plan.slots[question.name]
    first = slot.levels + slot.multiple
    return [
        dict(zip(slot.reasons, (int(count) for count in row[first:]), strict=True))
        for row in part.counts
    ]


def _level_labels(question: Question) -> tuple[tuple[str, str], ...]:
    if question.is_choice:
        return tuple((option.code, option.label) for option in question.options)
    # By what a level counts: an eleven-point nps question stored as 1..11 reads 0..10.
    texts = {value: text for text, value in reversed(question.values)}
    counted = [str(question.origin + place) for place in range(question.levels)]
    return tuple(
        (text, texts.get(question.low + place, text)) for place, text in enumerate(counted)
    )


def _group_keys(
    program: Program, by: tuple[str, ...], groups: list[Any]
) -> list[tuple[GroupKey, ...]]:
    labels = {name: dict(one.labels) for name, one in program.dimensions.items()}

    def key(name: str, value: str | int | None) -> GroupKey:
        if isinstance(value, int):
            return GroupKey(name, bucket_text(value, name), "")
        label = labels.get(name, {}).get(value, "") if value is not None else ""
        return GroupKey(name, value, label)

    return [
        tuple(key(name, value) for name, value in zip(by, group, strict=True)) for group in groups
    ]


def _block(state: ProgramState, kind: BlockKind, columns: set[str]) -> Block:
    block = state.plan.block(kind, columns)
    assert block is not None, f"the plan lacks a {kind} block of {sorted(columns)}"
    return block


def _columns(part: _Part, which: tuple[int, ...]) -> list[list[int]]:
    return [[int(value) for value in part.sums[:, column]] for column in which]


def _pairs(part: _Part, width: int) -> tuple[NDArray[np.int64], ...]:
    """Unpack a pairs block (see Block.products) to four (g, p, p) tables."""
    groups = len(part.groups)
    upper = np.triu_indices(width)
    half, full = len(upper[0]), width * width
    cuts = np.split(part.sums, [half, half + full, half + 2 * full], axis=1)

    def square(values: NDArray[np.int64]) -> NDArray[np.int64]:
        table = np.zeros((groups, width, width), dtype=np.int64)
        table[:, upper[0], upper[1]] = values
        table[:, upper[1], upper[0]] = values
        return table

    return (
        square(cuts[0]),
        cuts[1].reshape(groups, width, width),
        cuts[2].reshape(groups, width, width),
        square(cuts[3]),
    )


def _model(
    program: Program, model: str, outcome: str, drivers: Sequence[str]
) -> tuple[str, tuple[str, ...], bool]:
    if model:
        if outcome or drivers:
            raise InvalidArgumentError(
                "INVALID_MODEL", "either a model, or outcome and drivers, not both"
            )
        declared = program.models.get(model)
        if declared is None:
            raise NotFoundError(
                "UNKNOWN_MODEL", f"no model {model!r}{nearest(model, program.models)}"
            )
        return declared.outcome, declared.drivers, declared.intercept
    if not outcome or not drivers:
        raise InvalidArgumentError(
            "INVALID_MODEL", "expected a model, or an outcome and at least one driver"
        )
    for name in (outcome, *drivers):
        if name not in program.questions:
            raise NotFoundError(
                "UNKNOWN_QUESTION", f"no question {name!r}{nearest(name, program.questions)}"
            )
    if outcome in drivers or len(set(drivers)) < len(drivers):
        raise InvalidArgumentError("INVALID_MODEL", "a question stands there more than once")
    return outcome, tuple(drivers), True
