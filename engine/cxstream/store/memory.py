"""A store in memory, for as long as the process lives."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cxstream.store.store import Batch, Contents, Snapshot, StoredProgram

#: So many recent batches of a producer can be told from other content under the same sequence.
DIGESTS_KEPT = 1024


@dataclass(slots=True)
class _Producer:
    next_sequence: int = 0
    digests: OrderedDict[int, bytes] = field(default_factory=OrderedDict)


class MemoryStore:
    """Programs and producers' sequences, in memory; batches are counted and forgotten."""

    keeps_batches = False

    def __init__(self) -> None:
        self._programs: dict[str, StoredProgram] = {}
        self._producers: dict[tuple[str, str], _Producer] = {}
        self._points = itertools.count(1)

    def put_program(self, program: StoredProgram) -> None:
        """Keep a declaration."""
        self._programs[program.name] = program

    def programs(self) -> list[StoredProgram]:
        """Return all declarations."""
        return list(self._programs.values())

    def next_sequence(self, program: str, producer: str) -> int:
        """Return the sequence the producer's next batch must carry."""
        known = self._producers.get((program, producer))
        return known.next_sequence if known else 0

    def digest(self, program: str, producer: str, sequence: int) -> bytes | None:
        """Return the digest of a recent batch."""
        known = self._producers.get((program, producer))
        return known.digests.get(sequence) if known else None

    def commit(self, *batches: Batch) -> int:
        """Remember the batches' sequences and digests."""
        point = 0
        for batch in batches:
            known = self._producers.setdefault((batch.program, batch.producer), _Producer())
            known.next_sequence = batch.sequence + 1
            known.digests[batch.sequence] = batch.digest
            if len(known.digests) > DIGESTS_KEPT:
                known.digests.popitem(last=False)
            point = next(self._points)
        return point

    def counts(self, program: str) -> tuple[int, int]:
        """Return zeros: there is no restart."""
        del program
        return 0, 0

    @contextmanager
    def contents(
        self, program: str, after: int = 0, until: int = 2**63 - 1
    ) -> Iterator[Contents | None]:
        """Hold nothing: what was counted is forgotten."""
        del program, after, until
        yield None

    def put_snapshot(self, program: str, plan: str, snapshot: Snapshot) -> None:
        """Do nothing: there is no restart."""

    def snapshot(self, program: str, plan: str) -> Snapshot | None:
        """Return nothing."""
        del program, plan
        return None

    def close(self) -> None:
        """Do nothing."""
