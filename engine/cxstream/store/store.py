"""What an engine needs of a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


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
    body : bytes
        Dictionary batches and the record batch.
    """

    program: str
    producer: str
    sequence: int
    rows: int
    digest: bytes
    schema: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tally's bytes, and the batches it holds: all up to `point`."""

    point: int
    batches: int
    data: bytes


class Store(Protocol):
    """Remembers programs, batches and producers.

    Calls about one producer come one after the other; calls about different ones side by side.
    """

    def put_program(self, program: StoredProgram) -> None:
        """Keep a declaration, in place of the one of that name."""

    def programs(self) -> list[StoredProgram]:
        """Return all declarations."""

    def next_sequence(self, program: str, producer: str) -> int:
        """Return the sequence the producer's next batch must carry."""

    def digest(self, program: str, producer: str, sequence: int) -> bytes | None:
        """Return the digest of a stored batch, None where it is no longer known."""

    def commit(self, batch: Batch) -> int:
        """Store a batch whole, and return its point in the program's stream.

        When this returns, the batch may be counted and acknowledged. It may take as long as a disk
        takes; calls of several threads share one wait.

        Raises
        ------
        ResourceExhaustedError
            ``DISK_FULL``: nothing of it is stored.
        """

    def batches(self, program: str, after: int) -> Iterator[tuple[int, Batch]]:
        """Return a program's batches after a point, each with its own, in order."""

    def put_snapshot(self, program: str, plan: str, snapshot: Snapshot) -> None:
        """Keep a tally, so that a restart need not count every batch again."""

    def snapshot(self, program: str, plan: str) -> Snapshot | None:
        """Return the newest usable snapshot of a plan's tally."""

    def close(self) -> None:
        """Let go of what the store holds. Nothing acknowledged is waiting to be written."""
