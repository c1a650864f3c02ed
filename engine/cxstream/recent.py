"""What was asked lately: cut once more before a long count, so that asking again does not wait."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cxstream.errors import CxError

T = TypeVar("T")

#: How many questions are kept, how long after they were last asked, and how much processor time they
#: may take.
ASKED_MAX = 8
AGE_MAX_S = 2.0
COST_MAX_S = 0.002
#: How often who waits for the lock looks here again: a count may have begun since.
LOOK_EVERY_S = 0.001


#: How many digests are kept.
DIGESTS_MAX = 64


class Digests:
    """Digests of large sums, which take milliseconds, by what the sums are: that says all of them."""

    def __init__(self) -> None:
        self._known: dict[Hashable, str] = {}
        self._lock = threading.Lock()

    def of(self, sums: Hashable, make: Callable[[], str]) -> str:
        """Return a digest that is known, or make it."""
        found = self._known.get(sums)
        if found is None:
            found = make()
            with self._lock:
                self._known[sums] = found
                if len(self._known) > DIGESTS_MAX:
                    del self._known[next(iter(self._known))]
        return found


@dataclass(slots=True)
class _Asked(Generic[T]):
    cut: Callable[[], T]
    asked_s: float


class Recent(Generic[T]):
    """Cuts of the latest questions, as they are while a count is under way.

    A count of many rows holds the program's lock for milliseconds. What it counts is acknowledged
    only once it is over, so that until then an answer from before it is current.
    """

    def __init__(self) -> None:
        self._asked: dict[Hashable, _Asked[T]] = {}
        self._ready: dict[Hashable, T] = {}

    @property
    def is_asked(self) -> bool:
        """Whether anything was asked lately."""
        return bool(self._asked)

    def get(self, key: Hashable) -> T | None:
        """Return what a question's cut is while a count is under way; without the lock."""
        found = self._ready.get(key)
        if found is not None and (asked := self._asked.get(key)) is not None:
            asked.asked_s = time.monotonic()
        return found

    def cut(self, key: Hashable, cut: Callable[[], T]) -> T:
        """Cut, and do so again before each long count for a while; with the lock."""
        # Of the processor: beside a stream a thread waits for its turn many times as long.
        started_s = time.thread_time()
        made = cut()
        cost_s = time.thread_time() - started_s
        self._asked.pop(key, None)
        if cost_s <= COST_MAX_S:
            self._asked[key] = _Asked(cut, time.monotonic())
            if len(self._asked) > ASKED_MAX:
                del self._asked[next(iter(self._asked))]
        return made

    def prepare(self) -> None:
        """Cut everything that was asked lately; with the lock."""
        oldest_s = time.monotonic() - AGE_MAX_S
        ready = {}
        self._asked = {key: one for key, one in self._asked.items() if one.asked_s >= oldest_s}
        for key, one in self._asked.items():
            # What a change of the program has done away with is not there to be cut.
            with contextlib.suppress(CxError, LookupError):
                ready[key] = one.cut()
        self._ready = ready

    def clear(self) -> None:
        """Forget the cuts: the count is over; with the lock."""
        self._ready = {}
