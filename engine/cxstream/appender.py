"""Streaming in: one producer's batches, validated and counted whole or not at all."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cxstream.columns import check_schema, read_batch, read_schema, write_batch
from cxstream.errors import FailedPreconditionError, InvalidArgumentError
from cxstream.intake import take
from cxstream.program import Program
from cxstream.state import ALONE_ROWS, Arrived, ProgramState, Run
from cxstream.store import (
    Batch,
    CustomerKeys,
    Store,
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
    body : bytes
        Dictionary batches, then one record batch.
    crc32 : int or None
        Of `body`.
    """

    sequence: int
    rows: int
    body: bytes
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """A batch is counted (again none, where it is a duplicate)."""

    sequence: int
    rows: int
    next_sequence: int
    duplicate: bool


class Appender:
    """One producer's stream into one program."""

    def __init__(
        self,
        state: ProgramState,
        store: Store,
        producer: str,
        counted: Callable[[ProgramState], None],
        customer_keys: CustomerKeys | None = None,
    ) -> None:
        self._state = state
        self._store = store
        self.producer = producer
        self._counted = counted
        self._customer_keys = customer_keys
        self._schema: pa.Schema | None = None
        self._schema_bytes = b""
        self._checked_program: Program | None = None

    @property
    def next_sequence(self) -> int:
        """Return the sequence the next batch must carry."""
        return self._store.next_sequence(self._state.program.name, self.producer)

    @property
    def program_version(self) -> int:
        """Return the version of the program that batches are checked against."""
        return self._state.newest_version

    def set_schema(self, data: bytes) -> None:
        """Take the Arrow schema of the batches that follow, as an IPC schema message.

        Raises
        ------
        InvalidArgumentError
            ``MALFORMED_SCHEMA``, or as `check_schema`. The schema before, if any, stays.
        """
        schema = read_schema(data)
        program = self._state.declared
        check_schema(schema, program)
        self._schema, self._schema_bytes, self._checked_program = schema, data, program

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
        state = self._state
        with state.appending(self.producer):
            try:
                state.check()
                run = self._read_run(messages)
            except Exception as error:  # noqa: BLE001 - it is the answer
                return [error]
            if not run.batches:
                first = messages[0]
                return [Ack(first.sequence, first.rows, self.next_sequence, True)]
            take(state, self._store, run)
        self._counted(state)
        failpoint("ack.before")
        answers: list[Ack | Exception] = [
            Ack(one.sequence, one.rows, one.sequence + 1, False) for one in messages[: run.counted]
        ]
        if run.error is not None:
            answers.append(run.error)
        return answers

    # --- one message ------------------------------------------------------------------------------

    def _read_run(self, messages: Sequence[Incoming]) -> Run:
        """Read the first messages while they are in line; none where the first is a duplicate.

        What is wrong with the first one is raised; what is wrong with a later one shows when those
        before it are counted.
        """
        run = Run(self._schema_bytes)
        first = messages[0].sequence
        for place, message in enumerate(messages):
            if message.sequence != first + place:
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
            if run.rows >= ALONE_ROWS:
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
        if message.crc32 is not None and zlib.crc32(body) != message.crc32:
            raise InvalidArgumentError(
                "CHECKSUM_DIFFERS",
                f"the CRC-32 of the Arrow body is {zlib.crc32(body)}, the request says "
                f"{message.crc32}",
                expected="the CRC-32 of the bytes in arrow",
            )
        seal = content_digest(self._schema_bytes, body)
        program = self._state.declared
        name = program.name
        keys = self._customer_keys if program.customer else None
        digests = keys.digests(seal) if keys else (seal,)
        if not known_next and is_duplicate(self._store, name, self.producer, sequence, digests):
            return None
        if program is not self._checked_program:
            check_schema(self._schema, program)
            self._checked_program = program
        arrived = read_batch(body, self._schema_bytes, message.rows)
        kept = self._schema_bytes, body
        if program.customer:
            kept = write_batch(self._hashed(arrived, program))
            seal = content_digest(*kept)
        batch = Batch(name, self.producer, sequence, message.rows, digests[0], *kept, seal)
        return Arrived(arrived, batch)

    def _hashed(self, batch: pa.RecordBatch, program: Program) -> pa.RecordBatch:
        """Return a batch without its customers' keys: no answer needs them, none is kept."""
        assert program.customer is not None
        if self._customer_keys is None:
            return batch.drop_columns([program.customer])
        return self._customer_keys.hashed(program.name, batch, program.customer)
