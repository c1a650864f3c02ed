"""The requests of one stream, read by a thread of their own into a bounded queue."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from cxstream.errors import UnavailableError

_DEPTH = 64
_BYTES = 4 * 2**20
_POLL_S = 0.1


class Inbox:
    """Iterates over a stream's requests, and ends it when the server drains.

    Each step takes all requests that are there, at least one.

    Parameters
    ----------
    requests : iterator
        gRPC's; taking the next one blocks until the client sends.
    draining : threading.Event
        Set when the server shuts down.

    Notes
    -----
    The queue holds a few requests, so that reading goes on while others are counted, and no more, so
    that a fast client cannot fill the memory.
    """

    def __init__(self, requests: Iterator[Any], draining: threading.Event) -> None:
        self._requests = requests
        self._draining = draining
        # Everything below is read and written under the lock of this condition.
        self._changed = threading.Condition()
        self._held: deque[Any] = deque()
        self._bytes = 0
        self._ended = False
        self._closed = False
        threading.Thread(target=self._read, name="cxstream-inbox", daemon=True).start()

    def __iter__(self) -> Iterator[list[Any]]:
        while True:
            with self._changed:
                while not (self._held or self._ended or self._draining.is_set()):
                    self._changed.wait(_POLL_S)
                if self._draining.is_set():
                    raise UnavailableError(
                        "SHUTTING_DOWN",
                        "the server is shutting down; what was acknowledged is counted, open the "
                        "stream again later and go on at the sequence it names",
                    )
                if not self._held:
                    return
                taken = list(self._held)
                self._held.clear()
                self._bytes = 0
                self._changed.notify_all()
            yield taken

    def close(self) -> None:
        """Let the reading thread go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _read(self) -> None:
        # gRPC raises a bare Exception where the client is gone.
        with contextlib.suppress(Exception):
            for request in self._requests:
                if not self._put(request):
                    return
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, request: Any) -> bool:
        with self._changed:
            while len(self._held) >= _DEPTH or self._bytes >= _BYTES:
                if self._closed:
                    return False
                self._changed.wait()
            self._held.append(request)
            self._bytes += len(request.arrow)
            self._changed.notify_all()
            return not self._closed
