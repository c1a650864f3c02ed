"""Files that are read while they are to be removed: they go when the last reader lets go."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOG = logging.getLogger("cxstream.store")


class Pins:
    """Readers, and what waits for those that came before it."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._names = itertools.count()
        self._readers: set[int] = set()
        self._acting = 0
        self._waiting: list[tuple[set[int], Callable[[], object]]] = []

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep every file that is there now until this is left."""
        with self._lock:
            name = next(self._names)
            self._readers.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._readers.discard(name)
                for readers, _ in self._waiting:
                    readers.discard(name)
                self._lock.notify_all()
            self._act()

    def after_readers(self, action: Callable[[], object]) -> None:
        """Act once all who read now are done: at once, or in the thread of the last of them."""
        with self._lock:
            self._waiting.append((set(self._readers), action))
        self._act()

    def wait(self) -> None:
        """Wait until nothing waits, and nothing is under way."""
        with self._lock:
            while self._waiting or self._acting:
                self._lock.wait()

    def _act(self) -> None:
        while True:
            with self._lock:
                due = next((one for one in self._waiting if not one[0]), None)
                if due is None:
                    return
                self._waiting.remove(due)
                self._acting += 1
            try:
                due[1]()
            except OSError as error:
                # What is left over is removed at the next start.
                _LOG.warning("cannot remove files: %s", error)
            finally:
                with self._lock:
                    self._acting -= 1
                    self._lock.notify_all()
