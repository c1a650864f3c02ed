"""The engine: programs, their tallies and their answers, in one process.

Used by the service, by notebooks (`Engine.open`) and by workers alike. Plain Python types only.
"""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.answers import Answer, AsOf, GroupKey, Query, Row
from cxstream.columns import bucket_text, check_schema, encode, parse_edge, read_batch, read_schema, warm_arrow
from cxstream.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    nearest,
)
from cxstream.kernels.registry import warm
from cxstream.program import (
    TIME_UNITS,
    Block,
    BlockKind,
    Kind,
    MissingPolicy,
    Plan,
    Program,
    Question,
    compile_plan,
    program_from_dict,
    rollups,
)
from cxstream.program.unlocked import unlocked
from cxstream.store import MemoryStore
from cxstream.tally import PatternSums, Selection, Slice, Tally, cut, snapshot

if TYPE_CHECKING:
    from cxstream_client import Client


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """Where a program stands."""

    name: str
    version: int
    responses: int
    batches: int
    views: tuple[str, ...]
    unlocked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ack:
    """A batch is counted (again none, where it is a duplicate)."""

    sequence: int
    rows: int
    next_sequence: int
    duplicate: bool


class _State:
    """One program: its declaration, what is counted, and the lock around both."""

    def __init__(self, program: Program, plan: Plan, tally: Tally) -> None:
        self.program = program
        self.plan = plan
        self.tally = tally
        self.version = 1
        self.batches = 0
        self.lock = threading.RLock()


class Engine:
    """Everything cxstream does, in one process.

    Parameters
    ----------
    threads : int, optional
        Threads that count the views of a batch side by side; the processors there are when absent.
        Answers do not depend on it.
    store : MemoryStore, optional
        What remembers programs and producers.

    Notes
    -----
    Safe to call from many threads.
    """

    def __init__(self, *, threads: int | None = None, store: MemoryStore | None = None) -> None:
        warm()
        warm_arrow()
        count = threads if threads is not None else _processors()
        self._pool = (
            ThreadPoolExecutor(count, thread_name_prefix="cxstream-tally") if count > 1 else None
        )
        self._store = store if store is not None else MemoryStore()
        self._states: dict[str, _State] = {}
        self._lock = threading.Lock()

    @staticmethod
    def open(*, threads: int | None = None) -> Client:
        """Open an engine in this process, behind the very client class that talks to a server.

        Returns
        -------
        cxstream_client.Client
            Close it, or use it as a context manager.

        Examples
        --------
        >>> import cxstream
        >>> with cxstream.Engine.open() as client:
        ...     info = client.put_program({"name": "p", "questions": {"nps": {"kind": "nps"}}})
        ...     with client.append("p", producer="me") as stream:
        ...         stream.send({"nps": [10, 9, 3]})
        ...     round(client.nps("p", "nps").score, 1)
        33.3
        """
        # The one import upwards: the in-process entry knows the client and the messages.
        from cxstream.embedded import open_client

        return open_client(Engine(threads=threads))

    def close(self) -> None:
        """End the engine's threads. Nothing can be asked afterwards."""
        if self._pool is not None:
            self._pool.shutdown()

    # --- programs ---------------------------------------------------------------------------------

    def put_program(self, tables: Mapping[str, Any]) -> tuple[ProgramInfo, bool]:
        """Declare a program, given as the tables of its TOML file.

        Returns
        -------
        (info, changed)
            Where it stands, and whether the declaration differs from the one before.

        Raises
        ------
        InvalidArgumentError
            ``INVALID_PROGRAM``: names the table and key.
        FailedPreconditionError
            ``PLAN_CHANGED``: responses are stored, and the change would count them differently.
        """
        program = program_from_dict(tables)
        plan = compile_plan(program)
        with self._lock:
            state = self._states.get(program.name)
            if state is None:
                state = _State(program, plan, Tally(plan, self._pool))
                self._store.put_program(program.name, dict(tables), 1)
                self._states[program.name] = state
                return self._info(state), True
        with state.lock:
            if program == state.program:
                return self._info(state), False
            if state.tally.responses == 0:
                state.plan, state.tally = plan, Tally(plan, self._pool)
            elif difference := state.plan.difference(plan):
                raise FailedPreconditionError(
                    "PLAN_CHANGED",
                    f"program {program.name!r} holds {state.tally.responses} responses and this "
                    f"change would count them differently ({difference}); "
                    "declare it under another name",
                )
            state.program = program
            state.version += 1
            self._store.put_program(program.name, dict(tables), state.version)
            return self._info(state), True

    def program_tables(self, name: str) -> tuple[Mapping[str, Any], ProgramInfo]:
        """Return a program as declared, and where it stands.

        Raises
        ------
        NotFoundError
            ``UNKNOWN_PROGRAM``.
        """
        state = self._state(name)
        with state.lock:
            return self._store.program(name).tables, self._info(state)

    def programs(self) -> list[ProgramInfo]:
        """Return where every program stands, by name."""
        with self._lock:
            states = sorted(self._states.items())
        return [self._info(state) for _, state in states]

    def snapshot(self, name: str) -> bytes:
        """Return a program's sums as bytes: equal for equal responses, whatever their batching."""
        state = self._state(name)
        with state.lock:
            return snapshot(state.tally)

    def _info(self, state: _State) -> ProgramInfo:
        with state.lock:
            return ProgramInfo(
                name=state.program.name,
                version=state.version,
                responses=state.tally.responses,
                batches=state.batches,
                views=tuple(view.name for view in state.plan.views),
                unlocked=unlocked(state.program),
            )

    def _state(self, name: str) -> _State:
        with self._lock:
            state = self._states.get(name)
            if state is None:
                raise NotFoundError(
                    "UNKNOWN_PROGRAM", f"no program {name!r}{nearest(name, self._states)}"
                )
            return state

    # --- streaming in -----------------------------------------------------------------------------

    def open_append(self, program: str, producer: str) -> Appender:
        """Start to append to a program.

        Raises
        ------
        NotFoundError
            ``UNKNOWN_PROGRAM``.
        """
        return Appender(self._state(program), self._store, producer)

    # --- answers ----------------------------------------------------------------------------------

    def nps(self, query: Query, question: str, *, method: str = "adjusted_wald") -> Answer:
        """Net promoter score; see `cxstream.analytics.nps.nps`."""
        state, asked = self._ask(query, question, (Kind.NPS,))
        part = self._slice(state, query, asked.name)
        classes = analytics.nps.classify(
            _levels(state, part, asked), asked.passive - asked.low, asked.promoter - asked.low
        )
        values = analytics.nps.nps(
            classes,
            confidence=query.confidence,
            method=_word(method, analytics.intervals.NET_METHODS, "method"),
        )
        return self._answer(part, values, _dropped(state, part, asked))

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
            _levels(state, part, asked),
            top_from=top_from,
            reverse=lower,
            confidence=query.confidence,
        )
        return self._answer(part, values, _dropped(state, part, asked))

    def ces(self, query: Query, question: str, *, variant: str = "mean") -> Answer:
        """Customer effort score; see `cxstream.analytics.ces.ces`."""
        state, asked = self._ask(query, question, (Kind.CES,))
        part = self._slice(state, query, asked.name)
        values = analytics.ces.ces(
            _levels(state, part, asked),
            variant=_word(variant, analytics.ces.VARIANTS, "variant"),
            origin=int(asked.origin),
            low_to=asked.low_to - asked.low,
            high_from=asked.high_from - asked.low,
            agree_from=asked.agree_from - asked.low,
            reverse=asked.lower_is_better,
            confidence=query.confidence,
        )
        return self._answer(part, values, _dropped(state, part, asked))

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
            _levels(state, part, asked),
            scale,
            base=part.counts[:, asked.levels] if asked.multiple else None,
            confidence=query.confidence,
        )
        return self._answer(part, shown, _dropped(state, part, asked), _level_labels(asked))

    def scorecard(self, query: Query, question: str) -> Answer:
        """Share and count of every option; see `cxstream.analytics.scorecard.scorecard`."""
        state, asked = self._ask(query, question, (Kind.CHOICE,))
        part = self._slice(state, query, asked.name)
        counts = _levels(state, part, asked)
        base = part.counts[:, asked.levels] if asked.multiple else counts.sum(axis=1)
        values = analytics.scorecard.scorecard(
            counts, base, multiple=asked.multiple, confidence=query.confidence
        )
        return self._answer(part, values, _dropped(state, part, asked), _level_labels(asked))

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

    def _ask(self, query: Query, name: str, kinds: tuple[Kind, ...]) -> tuple[_State, Question]:
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

    def _checked(self, query: Query) -> _State:
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
        self, state: _State, query: Query, question: str | None, block: Block | None = None
    ) -> _Part:
        with state.lock:
            unit = state.plan.time_unit
            selection = Selection(
                by=query.by,
                where=dict(query.where),
                since=parse_edge(query.since, unit=unit, key="since")
                if query.since and unit
                else None,
                until=parse_edge(query.until, unit=unit, key="until")
                if query.until and unit
                else None,
            )
            slot = state.plan.slots[question] if question else None
            columns = slice(slot.start, slot.start + slot.width) if slot else slice(0, 0)
            got = cut(state.tally, selection, columns, block)
            program = state.program
            as_of = AsOf(
                program.name, state.version, state.tally.responses, state.batches, got.view
            )
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


class Appender:
    """One producer's stream into one program."""

    def __init__(self, state: _State, store: MemoryStore, producer: str) -> None:
        self._state = state
        self._store = store
        self.producer = producer
        self._schema: pa.Schema | None = None
        self._schema_bytes = b""
        self._schema_digest = b""
        self._checked_program: Program | None = None

    @property
    def next_sequence(self) -> int:
        """Return the sequence the next batch must carry."""
        return self._store.next_sequence(self._state.program.name, self.producer)

    @property
    def program_version(self) -> int:
        """Return the version of the program that batches are checked against."""
        return self._state.version

    def set_schema(self, data: bytes) -> None:
        """Take the Arrow schema of the batches that follow, as an IPC schema message.

        Raises
        ------
        InvalidArgumentError
            ``MALFORMED_SCHEMA``, or as `check_schema`. The schema before, if any, stays.
        """
        schema = read_schema(data)
        program = self._state.program
        check_schema(schema, program)
        self._schema, self._schema_bytes, self._checked_program = schema, data, program
        self._schema_digest = hashlib.blake2b(data, digest_size=32).digest()

    def append(self, sequence: int, rows: int, body: bytes, crc32: int | None = None) -> Ack:
        """Validate and count one batch, whole or not at all.

        Parameters
        ----------
        sequence : int
        rows : int
            What the client says there are.
        body : bytes
            Dictionary batches, then one record batch.
        crc32 : int, optional
            Of `body`.

        Raises
        ------
        CxError
            Why nothing of it is stored.
        """
        if self._schema is None:
            raise FailedPreconditionError(
                "NO_SCHEMA", "no schema was given; send open with arrow_schema first"
            )
        if sequence < 0:
            raise InvalidArgumentError(
                "INVALID_SEQUENCE", f"sequence {sequence} is below 0", expected="0 or more"
            )
        if crc32 is not None and zlib.crc32(body) != crc32:
            raise InvalidArgumentError(
                "CHECKSUM_DIFFERS",
                f"the CRC-32 of the Arrow body is {zlib.crc32(body)}, the request says {crc32}",
                expected="the CRC-32 of the bytes in arrow",
            )
        digest = hashlib.blake2b(body, digest_size=16, key=self._schema_digest).digest()
        state, name = self._state, self._state.program.name
        with state.lock:
            program = state.program
            if self._store.is_duplicate(name, self.producer, sequence, digest):
                return Ack(sequence, rows, self.next_sequence, True)
        if program is not self._checked_program:
            check_schema(self._schema, program)
            self._checked_program = program
        batch = read_batch(body, self._schema, self._schema_bytes, rows)
        codes = encode(batch, program)
        with state.lock:
            if state.program is not program:
                # Rare: the declaration changed meanwhile. Encode again against the new one.
                check_schema(self._schema, state.program)
                codes = encode(batch, state.program)
            # Another stream of the same producer may have been faster.
            if self._store.is_duplicate(name, self.producer, sequence, digest):
                return Ack(sequence, rows, self.next_sequence, True)
            state.tally.admit(codes)
            self._store.commit(name, self.producer, sequence, digest)
            state.tally.update(codes)
            state.batches += 1
            return Ack(sequence, rows, self.next_sequence, False)


# --- small steps ----------------------------------------------------------------------------------


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def _word(word: str, known: Sequence[str], key: str) -> Any:
    """Return an option's word, refused where it is none of the known ones."""
    if word not in known:
        raise InvalidArgumentError(
            "UNKNOWN_OPTION", f"{key}: no {word!r}{nearest(word, known)}", expected=", ".join(known)
        )
    return word


def _levels(state: _State, part: _Part, question: Question) -> NDArray[np.int64]:
    return part.counts[:, : question.levels]


def _dropped(state: _State, part: _Part, question: Question) -> list[dict[str, int]]:
    slot = state.plan.slots[question.name]
    first = slot.levels + slot.multiple
    return [
        dict(zip(slot.reasons, (int(count) for count in row[first:]), strict=True))
        for row in part.counts
    ]


def _level_labels(question: Question) -> tuple[tuple[str, str], ...]:
    if question.is_choice:
        return tuple((option.code, option.label) for option in question.options)
    texts = {value: text for text, value in reversed(question.values)}
    return tuple(
        (str(value), texts.get(value, str(value)))
        for value in range(question.low, question.high + 1)
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


def _block(state: _State, kind: BlockKind, columns: set[str]) -> Block:
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
