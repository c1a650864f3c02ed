"""Threads that come at the same time have their work done as one piece, by one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Place(Generic[T]):
    """A thread's place among those that wait; it sleeps on `woken`."""

    item: T
    taken: bool = False
    woken: threading.Lock = field(default_factory=threading.Lock)


class Gathering(Generic[T]):
    """Does the work of many callers in groups: a group is what came while the last was worked on.

    Parameters
    ----------
    size : function
        How much an item counts.
    alone : int
        An item of that size or more is worked on by itself, beside the groups.
    size_max : int
        How much a group counts at most.

    Notes
    -----
    Nobody waits for others to come: an item that finds nothing under way is a group of one.
    """

    def __init__(
        self,
        size: Callable[[T], int],
        *,
        alone: int,
        size_max: int,
    ) -> None:
        self._size = size
        self._alone = alone
        self._size_max = size_max
        self._lock = threading.Lock()
        self._waiting: list[_Place[T]] = []
        self._led = False

    def run(self, item: T, work: Callable[[list[T]], object]) -> None:
        """Return when the item was worked on, by this thread or another.

        What `work` raises is raised in one of the group's threads: for the others it must leave word
        in the items.
        """
        if self._size(item) >= self._alone:
            work([item])
            return
        place = _Place(item)
        place.woken.acquire()
        with self._lock:
            self._waiting.append(place)
            leads, self._led = not self._led, True
        if not leads:
            place.woken.acquire()
            if place.taken:
                return
        group = self._gather()
        try:
            work([one.item for one in group])
        finally:
            self._hand_over()
            for one in group:
                if one is not place:
                    one.woken.release()

    def _gather(self) -> list[_Place[T]]:
        """Take the first that waits and what goes with it."""
        with self._lock:
            group: list[_Place[T]] = []
            left: list[_Place[T]] = []
            room = self._size_max
            for place in self._waiting:
                size = self._size(place.item)
                if not group or size <= room:
                    place.taken = True
                    group.append(place)
                    room -= size
                else:
                    left.append(place)
            self._waiting = left
        return group

    def _hand_over(self) -> None:
        """Let the first that waits go on, as a group's leading thread."""
        with self._lock:
            if self._waiting:
                self._waiting[0].woken.release()
            else:
                self._led = False
