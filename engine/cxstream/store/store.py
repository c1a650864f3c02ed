"""What an engine needs of a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import xxhash
from isal import isal_zlib

from cxstream.store.history import HistoryFile, HistoryFolder

#: Read twice, the second time from the cache.
_PIECE_BYTES = 2**19


@dataclass(frozen=True, slots=True)
class StoredProgram:
    """A program as declared, and its version."""

    name: str
    tables: Mapping[str, Any]
    version: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch as it came.

    Attributes
    ----------
    program, producer : str
    sequence : int
    rows : int
    digest : bytes
        Of schema and body: tells other content under the same sequence.
    schema : bytes
        The Arrow IPC schema message.
    body : bytes or memoryview
        Dictionary batches and the record batch.
    seal : bytes
        Of `schema` and `body` as they are stored; made where it is not given.
    """

    program: str
    producer: str
    sequence: int
    rows: int
    digest: bytes
    schema: bytes
    body: bytes | memoryview
    seal: bytes = b""


def content_digest(schema: bytes, body: bytes | memoryview) -> bytes:
    """Return a digest of a batch's bytes.

    XXH3 of 128 bits, at the speed of memory: it tells other content under the same sequence, and
    damage; no secret rests on it.
    """
    state = xxhash.xxh3_128(xxhash.xxh3_128_digest(schema))
    state.update(body)
    return state.digest()


def checksum_and_digest(schema: bytes, body: bytes | memoryview) -> tuple[int, bytes]:
    """Return the CRC-32 of a batch's body, and `content_digest`."""
    state = xxhash.xxh3_128(xxhash.xxh3_128_digest(schema))
    crc32 = 0
    data = memoryview(body)
    for begin in range(0, len(data), _PIECE_BYTES):
        piece = data[begin : begin + _PIECE_BYTES]
        crc32 = isal_zlib.crc32(piece, crc32)
        state.update(piece)
    return crc32, state.digest()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tally's bytes, and the batches it holds: all up to `point`."""

    point: int
    batches: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    """What is stored of a program: earlier batches in files, the latest as they came.

    Attributes
    ----------
    folder : HistoryFolder
    files : sequence of HistoryFile
    batch_rows : int
        Rows of `batches`.
    batches : iterator of (point, Batch)
    """

    folder: HistoryFolder
    files: Sequence[HistoryFile]
    batch_rows: int
    batches: Iterator[tuple[int, Batch]]


class Stored(Protocol):
    """What is stored, to be counted."""

    def contents(
        self, program: str, after: int = 0, until: int = 2**63 - 1
    ) -> AbstractContextManager[Contents | None]:
        """Hold what has after < point <= until; None where nothing is kept of batches."""


class Store(Stored, Protocol):
    """Remembers programs, batches and producers.

    Calls about one producer come one after the other; calls about different ones side by side.

    Attributes
    ----------
    keeps_batches : bool
        Whether a batch's bytes stay; else only its sequence and digest do.
    """

    keeps_batches: bool

    def put_program(self, program: StoredProgram) -> None:
        """Keep a declaration, in place of the one of that name."""

    def programs(self) -> list[StoredProgram]:
        """Return all declarations."""

    def next_sequence(self, program: str, producer: str) -> int:
        """Return the sequence the producer's next batch must carry."""

    def digest(self, program: str, producer: str, sequence: int) -> bytes | None:
        """Return the digest of a stored batch, None where it is no longer known."""

    def commit(self, *batches: Batch) -> int:
        """Store batches, each producer's in line, all or none; return the last one's point.

        When this returns, they may be counted and acknowledged. It may take as long as a disk takes;
        calls of several threads share one wait.

        Raises
        ------
        ResourceExhaustedError
            ``DISK_FULL``: nothing of them is stored.
        """

    def counts(self, program: str) -> tuple[int, int]:
        """Return how many batches were ever stored, and the last one's point."""

    def put_snapshot(self, program: str, plan: str, snapshot: Snapshot) -> None:
        """Keep a tally, so that a restart need not count every batch again."""

    def snapshot(self, program: str, plan: str) -> Snapshot | None:
        """Return the newest usable snapshot of a plan's tally."""

    def close(self) -> None:
        """Let go of what the store holds. Nothing acknowledged is waiting to be written."""
