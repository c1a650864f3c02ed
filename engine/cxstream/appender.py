"""Streaming in: one producer's batches, validated and counted whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cxstream.columns import Codes, Direct, check_schema, read_batch, read_schema, write_batch
from cxstream.errors import FailedPreconditionError, InvalidArgumentError
from cxstream.intake import take
from cxstream.program import Program
from cxstream.state import ALONE_ROWS, RUN_ROWS_MAX, Arrived, ProgramState, Run
from cxstream.store import (
    Batch,
    CustomerKeys,
    Store,
    checksum_and_digest,
    content_digest,
    failpoint,
    is_duplicate,
)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A batch as a client sends it.

    Attributes
    ----------
    sequence : int
    rows : int
        What the client says there are.
    body : bytes or memoryview
        Dictionary batches, then one record batch.
    crc32 : int or None
        Of `body`.
    """

    sequence: int
    rows: int
    body: bytes | memoryview
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """A batch is counted (again none, where it is a duplicate)."""

    sequence: int
    rows: int
    next_sequence: int
    duplicate: bool


class Appender:
    """One producer's stream into one program.

    Attributes
    ----------
    state : ProgramState
    store : Store
    producer : str
    counted : function of ProgramState
        Called after batches were counted.
    """

    def __init__(
        self,
        state: ProgramState,
        store: Store,
        producer: str,
        counted: Callable[[ProgramState], None],
        customer_keys: CustomerKeys | None = None,
    ) -> None:
        self.state = state
        self.store = store
        self.producer = producer
        self.counted = counted
        self._customer_keys = customer_keys
        self._schema: pa.Schema | None = None
        self._schema_bytes = b""
        self._checked_program: Program | None = None
        self._direct: Direct | None = None

    @property
    def next_sequence(self) -> int:
        """Return the sequence the next batch must carry."""
        return self.store.next_sequence(self.state.program.name, self.producer)

    @property
    def program_version(self) -> int:
        """Return the version of the program that batches are checked against."""
        return self.state.newest_version

    def set_schema(self, data: bytes) -> None:
        """Take the Arrow schema of the batches that follow, as an IPC schema message.

        Raises
        ------
        InvalidArgumentError
            ``MALFORMED_SCHEMA``, or as `check_schema`. The schema before, if any, stays.
        """
        schema = read_schema(data)
        program = self.state.declared
        check_schema(schema, program)
        self._schema, self._schema_bytes, self._checked_program = schema, data, program
        self._direct = None

    def append(self, sequence: int, rows: int, body: bytes, crc32: int | None = None) -> Ack:
        """Validate and count one batch, whole or not at all.

        Raises
        ------
        CxError
            Why nothing of it is stored.
        """
        (answer,) = self.append_next([Incoming(sequence, rows, body, crc32)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def append_next(self, messages: Sequence[Incoming]) -> list[Ack | Exception]:
        """Validate and count the first of the messages, each whole or not at all.

        Those that are in line are stored and counted together, with what other producers bring
        meanwhile. The answers are those that one message at a time would get.

        Parameters
        ----------
        messages : sequence of Incoming
            At least one.

        Returns
        -------
        list of Ack or Exception
            The answers to the first messages, at least one: an exception says why nothing of its
            message is stored. What follows is for the next call.
        """
        (answers,) = append_together([(self, messages)])
        return answers

    def answers(self, messages: Sequence[Incoming], run: Run) -> list[Ack | Exception]:
        """Return the answers to messages of which a run was read and counted."""
        answers: list[Ack | Exception] = [
            Ack(one.sequence, one.rows, one.sequence + 1, False) for one in messages[: run.counted]
        ]
        for arrived in run.batches:
            if isinstance(arrived.content, Codes):
                Direct.take_back(arrived.content)
        if run.error is not None:
            answers.append(run.error)
        return answers

    # --- one message ------------------------------------------------------------------------------

    def read_run(self, messages: Sequence[Incoming]) -> Run:
        """Read the first messages while they are in line; none where the first is a duplicate.

        What is wrong with the first one is raised; what is wrong with a later one shows when those
        before it are counted.
        """
        run = Run()
        first = messages[0].sequence
        is_large = messages[0].rows >= ALONE_ROWS
        rows_max = RUN_ROWS_MAX if is_large else ALONE_ROWS
        for place, message in enumerate(messages):
            if message.sequence != first + place or is_large != (message.rows >= ALONE_ROWS):
                break
            try:
                arrived = self._read(message, known_next=place > 0)
            except Exception:
                if place == 0:
                    raise
                break
            if arrived is None:
                break
            run.batches.append(arrived)
            run.rows += message.rows
            if run.rows >= rows_max:
                break
        return run

    def _read(self, message: Incoming, *, known_next: bool) -> Arrived | None:
        """Check all of a message but its values; None where it is a duplicate."""
        sequence, body = message.sequence, message.body
        if self._schema is None:
            raise FailedPreconditionError(
                "NO_SCHEMA", "no schema was given; send open with arrow_schema first"
            )
        if sequence < 0:
            raise InvalidArgumentError(
                "INVALID_SEQUENCE", f"sequence {sequence} is below 0", expected="0 or more"
            )
        if message.crc32 is None:
            seal = content_digest(self._schema_bytes, body)
        else:
            found, seal = checksum_and_digest(self._schema_bytes, body)
            if found != message.crc32:
                raise InvalidArgumentError(
                    "CHECKSUM_DIFFERS",
                    f"the CRC-32 of the Arrow body is {found}, the request says {message.crc32}",
                    expected="the CRC-32 of the bytes in arrow",
                )
        program = self.state.declared
        name = program.name
        keys = self._customer_keys if program.customer else None
        digests = keys.digests(seal) if keys else (seal,)
        if not known_next and is_duplicate(self.store, name, self.producer, sequence, digests):
            return None
        if program is not self._checked_program:
            check_schema(self._schema, program)
            self._checked_program, self._direct = program, None
        content = self._content(message, program)
        kept = self._schema_bytes, body
        if program.customer and self.store.keeps_batches:
            assert isinstance(content, pa.RecordBatch)
            kept = write_batch(self._hashed(content, program))
            seal = content_digest(*kept)
        batch = Batch(name, self.producer, sequence, message.rows, digests[0], *kept, seal)
        return Arrived(self._schema_bytes, content, batch)

    def _content(self, message: Incoming, program: Program) -> Codes | pa.RecordBatch | None:
        """Read a batch: a large one as codes; not a small one, unless it is to be changed before it is kept."""
        body, rows = message.body, message.rows
        if program.customer and self.store.keeps_batches:
            return read_batch(body, self._schema_bytes, rows)
        if rows < ALONE_ROWS:
            return None
        if self._direct is None:
            self._direct = Direct(self._schema, self._schema_bytes, program)
        codes = self._direct.encode(body, rows)
        if codes is not None:
            return codes
        batch = read_batch(body, self._schema_bytes, rows)
        self._direct.learn(body)
        return batch

    def _hashed(self, batch: pa.RecordBatch, program: Program) -> pa.RecordBatch:
        """Return a batch without its customers' keys: no answer needs them, none is kept."""
        assert program.customer is not None
        if self._customer_keys is None:
            return batch.drop_columns([program.customer])
        return self._customer_keys.hashed(program.name, batch, program.customer)


def append_together(
    asked: Sequence[tuple[Appender, Sequence[Incoming]]],
) -> list[list[Ack | Exception]]:
    """Validate and count several producers' messages, as `Appender.append_next` those of one.

    Parameters
    ----------
    asked : sequence of (Appender, sequence of Incoming)
        Of one program, each of another producer.

    Returns
    -------
    list of list of Ack or Exception
        The answers to each.
    """
    state = asked[0][0].state
    out: list[list[Ack | Exception]] = [[] for _ in asked]
    runs: dict[int, Run] = {}
    with state.appending(*(appender.producer for appender, _ in asked)):
        for place, (appender, messages) in enumerate(asked):
            try:
                state.check()
                run = appender.read_run(messages)
            except Exception as error:  # noqa: BLE001 - it is the answer
                out[place] = [error]
                continue
            if run.batches:
                runs[place] = run
            else:
                first = messages[0]
                out[place] = [Ack(first.sequence, first.rows, appender.next_sequence, True)]
        if not runs:
            return out
        take(state, asked[0][0].store, list(runs.values()))
    asked[0][0].counted(state)
    failpoint("ack.before")
    for place, run in runs.items():
        appender, messages = asked[place]
        out[place] = appender.answers(messages, run)
    return out
