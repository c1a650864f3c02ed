"""Streaming in: one producer's batches, validated and counted whole or not at all."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from cxstream.columns import check_schema, encode, read_batch, read_schema, write_batch
from cxstream.errors import FailedPreconditionError, InvalidArgumentError
from cxstream.program import Program
from cxstream.state import ProgramState
from cxstream.store import Batch, CustomerKeys, Store, failpoint, is_duplicate


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
        state = self._state
        with state.appending(self.producer):
            with state.lock:
                state.check()
                program = state.program
            name = program.name
            if is_duplicate(self._store, name, self.producer, sequence, digest):
                return Ack(sequence, rows, self.next_sequence, True)
            if program is not self._checked_program:
                check_schema(self._schema, program)
                self._checked_program = program
            arrived = read_batch(body, self._schema_bytes, rows)
            codes = encode(arrived, program)
            with state.lock:
                state.tally.admit(codes)
            kept = self._schema_bytes, body
            if program.customer:
                kept = write_batch(self._hashed(arrived, program))
            batch = Batch(name, self.producer, sequence, rows, digest, *kept)
            point = self._store.commit(batch)
            failpoint("count.before")
            with state.lock:
                state.count(codes, point)
            failpoint("count.after")
        self._counted(state)
        failpoint("ack.before")
        return Ack(sequence, rows, sequence + 1, False)

    def _hashed(self, batch: pa.RecordBatch, program: Program) -> pa.RecordBatch:
        """Return a batch without its customers' keys: no answer needs them, none is kept."""
        assert program.customer is not None
        if self._customer_keys is None:
            return batch.drop_columns([program.customer])
        return self._customer_keys.hashed(program.name, batch, program.customer)
