"""From a question to a slice of sums, and from values per group to an answer: what every topic shares."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from cxstream.analytics.columns import Columns
from cxstream.answers import Answer, AsOf, ColumnRows, GroupKey, GroupKeys, Query, Row, Weighting
from cxstream.columns import bucket_text, parse_edge
from cxstream.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
    nearest,
)
from cxstream.pool import Pool
from cxstream.program import (
    TIME_UNITS,
    Block,
    BlockKind,
    Kind,
    Plan,
    Program,
    Question,
    rollups,
)
from cxstream.recent import LOOK_EVERY_S
from cxstream.state import ProgramState
from cxstream.tally import Selection, Slice, Tally, covers, cut, digest_of

P = ParamSpec("P")
A = TypeVar("A", bound="Asking")
Method = Callable[Concatenate[A, Query, P], Answer]


def answered(method: Method[A, P]) -> Method[A, P]:
    """Tell what is not there from what is not there yet."""

    @functools.wraps(method)
    def answered(self: A, query: Query, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
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


class Asking:
    """What an engine gives its questions: the state of a program, and stored responses counted again."""

    #: Whose threads help with answers for many groups.
    _pool: Pool | None

    @property
    def _scans(self) -> bool:
        """Whether stored batches can be counted again for what no view or block keeps."""
        return False

    def _state(self, name: str) -> ProgramState:
        raise NotImplementedError

    def _scan(
        self,
        state: ProgramState,
        query: Query,
        question: str | tuple[str, ...] | None,
        block: Block | None,
        *,
        weighted: bool = False,
    ) -> tuple[Tally, AsOf]:
        raise NotImplementedError

    def _ask(
        self, query: Query, name: str, kinds: tuple[Kind, ...], *, weighted: bool = False
    ) -> tuple[ProgramState, Question]:
        state = self._checked(query, weighted=weighted)
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

    def _checked(self, query: Query, *, weighted: bool = False) -> ProgramState:
        """Check what all questions share; `weighted` where the question has a weighted form."""
        state = self._state(query.program)
        if query.weighting is not None and not weighted:
            raise InvalidArgumentError(
                "NOT_WEIGHTED",
                "this question has no weighted form: ask it without weighting and rake",
                column="weighting",
            )
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
        self,
        state: ProgramState,
        query: Query,
        question: str | tuple[str, ...] | None,
        block: Block | None = None,
        *,
        weighted: bool = False,
    ) -> Part:
        """Cut what a query asks for; of several questions, their counts as `Part.of` finds them."""
        program = state.program

        def from_view() -> Part | None:
            nonlocal program
            state.check()
            program = state.program
            selection = _selection(query, state.plan.time_unit)
            kept = block is None or any(one.key == block.key for one in state.plan.blocks)
            if self._scans and not (kept and covers(state.tally, selection)):
                return None
            part = part_of(state.tally, lambda view: _as_of(state, view))
            return dataclasses.replace(part, known_as=(key, state.moment().seen))

        def part_of(tally: Tally, as_of: Callable[[str], AsOf]) -> Part:
            columns, places = _counts_columns(tally.plan, question)
            selection = _selection(query, tally.plan.time_unit)
            got = cut(tally, selection, columns, block, weighted=weighted)
            return Part(got, as_of(got.view), group_keys(program, query.by, got.groups), places)

        where = frozenset(query.where.items())
        key = query.by, where, query.since, query.until, question, block and block.key, weighted
        wait_s = 0.0
        while not state.lock.acquire(timeout=wait_s):
            found: Part | None = state.recent.get(key)
            if found is not None:
                return found
            query.on_rows(0, 0)
            wait_s = LOOK_EVERY_S
        try:
            if not state.tally.is_settled:
                query.on_rows(0, 0)
                # Before the cut: what that takes by itself decides whether it will be there again.
                state.tally.settle()
            part: Part | None = state.recent.cut(key, from_view)
        finally:
            state.lock.release()
        if part is not None:
            return part
        tally, as_of = self._scan(state, query, question, block, weighted=weighted)
        return part_of(tally, lambda _: as_of)

    def _answer(
        self,
        part: Part,
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
        return Answer(part.as_of, rows, outcome, digest_of(part.counted or part.slice))


def column_answer(
    part: Part,
    values: Columns,
    reasons: Mapping[str, NDArray[np.int64]],
    labels: tuple[tuple[str, str], ...] = (),
    *,
    outcome: str = "",
    digest: str = "",
) -> Answer:
    """Return an answer whose values, and answers not used by reason, are columns."""
    rows = ColumnRows(part.keys, part.rows, reasons, values, labels)
    return Answer(part.as_of, rows, outcome, digest or digest_of(part.counted or part.slice))


@dataclass(frozen=True, slots=True)
class Part:
    """A slice, the point it was cut at, and its groups as people read them."""

    slice: Slice
    as_of: AsOf
    keys: GroupKeys
    #: Where each question's counts stand.
    places: Mapping[str, Any] = field(default_factory=dict)
    #: What the slice was put together from, where it was not cut as it is.
    counted: Slice | None = None
    #: The same of no other sums of the program; None where nothing says so.
    known_as: Hashable = None

    @property
    def groups(self) -> list[Any]:
        """The coordinates of each group."""
        return self.slice.groups

    @property
    def rows(self) -> NDArray[np.int64]:
        """Responses of each group, (g,)."""
        return self.slice.rows

    @property
    def counts(self) -> NDArray[np.int64]:
        """Counts of the question asked for, (g, width); see `CountSlot`."""
        return self.slice.counts

    def of(self, question: str) -> NDArray[np.int64]:
        """Return the counts of one of several questions, (g, width); see `CountSlot`."""
        return self.counts[:, self.places[question]]

    @property
    def sums(self) -> Any:
        """Sums of the block asked for; see `Slice`."""
        return self.slice.sums


def answer_of(
    part: Part,
    rows: Iterable[Row],
    whole: Any = None,
    *,
    weighting: Weighting | None = None,
    raking: Any = None,
) -> Answer:
    """Return an answer of rows that are not the groups of a part one by one."""
    kept = [
        dataclasses.replace(
            row, dropped={why: count for why, count in row.dropped.items() if count}
        )
        for row in rows
    ]
    return Answer(
        part.as_of,
        kept,
        digest=digest_of(part.counted or part.slice),
        whole=whole,
        weighting=weighting.text if weighting else "",
        raking=raking,
    )


def _selection(query: Query, unit: str | None) -> Selection:
    def edge(text: str, key: str) -> int | None:
        return parse_edge(text, unit=unit, key=key) if text and unit else None

    return Selection(
        by=query.by,
        where=dict(query.where),
        since=edge(query.since, "since"),
        until=edge(query.until, "until"),
    )


def _counts_columns(
    plan: Plan, question: str | tuple[str, ...] | None
) -> tuple[slice, dict[str, slice]]:
    """Return the columns of counts that questions need, and where each one's are among them."""
    names = (question,) if isinstance(question, str) else question or ()
    slots = [plan.slots[name] for name in names]
    if not slots:
        return slice(0, 0), {}
    first = min(one.start for one in slots)
    columns = slice(first, max(one.start + one.width for one in slots))
    return columns, {
        one.question: slice(one.start - first, one.start - first + one.width) for one in slots
    }


def _as_of(state: ProgramState, view: str) -> AsOf:
    return AsOf(state.program.name, state.version, state.tally.responses, state.batches, view)


def word(word: str, known: Sequence[str], key: str) -> Any:
    """Return an option's word, refused where it is none of the known ones."""
    if word not in known:
        raise InvalidArgumentError(
            "UNKNOWN_OPTION", f"{key}: no {word!r}{nearest(word, known)}", expected=", ".join(known)
        )
    return word


def levels(part: Part, question: Question) -> NDArray[np.int64]:
    """Return how many chose each level, (g, levels)."""
    return part.counts[:, : question.levels]


def dropped(state: ProgramState, part: Part, question: Question) -> list[dict[str, int]]:
    """Return how many answers are missing, by reason, for each group."""
    reasons, counts = dropped_columns(state, part, question)
    return [dict(zip(reasons, row, strict=True)) for row in counts.tolist()]


def dropped_columns(
    state: ProgramState, part: Part, question: Question
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the reasons why answers are missing, and how many of each, (g, reasons)."""
    slot = state.plan.slots[question.name]
    return tuple(slot.reasons), part.counts[:, slot.levels + slot.multiple :]


def level_labels(question: Question) -> tuple[tuple[str, str], ...]:
    """Return code and text of every level."""
    if question.is_choice:
        return tuple((option.code, option.label) for option in question.options)
    # By what a level counts: an eleven-point nps question stored as 1..11 reads 0..10.
    texts = {value: text for text, value in reversed(question.values)}
    counted = [str(question.origin + place) for place in range(question.levels)]
    return tuple(
        (text, texts.get(question.low + place, text)) for place, text in enumerate(counted)
    )


def group_keys(program: Program, by: tuple[str, ...], groups: list[Any]) -> GroupKeys:
    """Return the coordinates of groups as people read them."""
    labels = {
        name: dict(program.dimensions[name].labels) for name in by if name in program.dimensions
    }

    def key(place: int, value: str | int | None) -> GroupKey:
        name = by[place]
        if isinstance(value, int):
            return GroupKey(name, bucket_text(value, name), "")
        return GroupKey(
            name, value, labels.get(name, {}).get(value, "") if value is not None else ""
        )

    return GroupKeys(groups, key)


def block_of(state: ProgramState, kind: BlockKind, columns: set[str]) -> Block:
    """Return a block that the plan is known to have."""
    block = state.plan.block(kind, columns)
    assert block is not None, f"the plan lacks a {kind} block of {sorted(columns)}"
    return block


def sums_columns(part: Part, which: tuple[int, ...]) -> list[list[int]]:
    """Return some columns of the sums as Python integers."""
    return [[int(value) for value in part.sums[:, column]] for column in which]
