"""The store of an engine: programs, and what every producer has had acknowledged.

This one holds them in memory, for as long as the process lives.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cxstream.errors import AlreadyExistsError, OutOfRangeError

#: So many recent batches of a producer can be told from other content under the same sequence.
DIGESTS_KEPT = 1024


@dataclass(slots=True)
class StoredProgram:
    """A program as declared, and its version."""

    tables: Mapping[str, Any]
    version: int


@dataclass(slots=True)
class _Producer:
    next_sequence: int = 0
    digests: OrderedDict[int, bytes] = field(default_factory=OrderedDict)


class MemoryStore:
    """Programs and producers' sequences, in memory.

    Notes
    -----
    Calls about one program are made under that program's lock.
    """

    def __init__(self) -> None:
        self._programs: dict[str, StoredProgram] = {}
        self._producers: dict[tuple[str, str], _Producer] = {}

    def put_program(self, name: str, tables: Mapping[str, Any], version: int) -> None:
        """Keep a declaration."""
        self._programs[name] = StoredProgram(tables, version)

    def program(self, name: str) -> StoredProgram:
        """Return a declaration that is kept."""
        return self._programs[name]

    def next_sequence(self, program: str, producer: str) -> int:
        """Return the sequence the producer's next batch must carry."""
        known = self._producers.get((program, producer))
        return known.next_sequence if known else 0

    def is_duplicate(self, program: str, producer: str, sequence: int, digest: bytes) -> bool:
        """Check a batch's sequence.

        Returns
        -------
        bool
            True where the batch is stored already, False where it is the one expected.

        Raises
        ------
        OutOfRangeError
            ``SEQUENCE_GAP``: batches before it are missing.
        AlreadyExistsError
            ``SEQUENCE_REUSED``: something else is stored under this sequence.
        """
        expected = self.next_sequence(program, producer)
        if sequence == expected:
            return False
        if sequence > expected:
            raise OutOfRangeError(
                "SEQUENCE_GAP",
                f"sequence {sequence} came while {expected} is expected from producer {producer!r}",
                expected=f"sequence {expected}",
            )
        stored = self._producers[program, producer].digests.get(sequence)
        if stored is not None and stored != digest:
            raise AlreadyExistsError(
                "SEQUENCE_REUSED",
                f"sequence {sequence} of producer {producer!r} is stored with other content; "
                f"{expected} is expected next",
                expected=f"sequence {expected}",
            )
        return True

    def commit(self, program: str, producer: str, sequence: int, digest: bytes) -> None:
        """Store a batch; afterwards it may be counted and acknowledged."""
        known = self._producers.setdefault((program, producer), _Producer())
        known.next_sequence = sequence + 1
        known.digests[sequence] = digest
        if len(known.digests) > DIGESTS_KEPT:
            known.digests.popitem(last=False)
