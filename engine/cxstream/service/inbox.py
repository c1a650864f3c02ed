"""The requests of one stream, read by a thread of their own into a bounded queue."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Any

from cxstream.errors import UnavailableError

_DEPTH = 4
_POLL_S = 0.1
_END = object()


class Inbox:
    """Iterates over a stream's requests, and ends it when the server drains.

    Parameters
    ----------
    requests : iterator
        gRPC's; taking the next one blocks until the client sends.
    draining : threading.Event
        Set when the server shuts down.

    Notes
    -----
    The queue holds a few requests, so that reading goes on while one is counted, and no more, so
    that a fast client cannot fill the memory.
    """

    def __init__(self, requests: Iterator[Any], draining: threading.Event) -> None:
        self._requests = requests
        self._draining = draining
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=_DEPTH)
        self._closed = threading.Event()
        threading.Thread(target=self._read, name="cxstream-inbox", daemon=True).start()

    def __iter__(self) -> Iterator[Any]:
        while True:
            if self._draining.is_set():
                raise UnavailableError(
                    "SHUTTING_DOWN",
                    "the server is shutting down; what was acknowledged is counted, open the "
                    "stream again later and go on at the sequence it names",
                )
            try:
                item = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if item is _END:
                return
            yield item

    def close(self) -> None:
        """Let the reading thread go."""
        self._closed.set()

    def _read(self) -> None:
        # gRPC raises a bare Exception where the client is gone.
        with contextlib.suppress(Exception):
            for request in self._requests:
                if not self._put(request):
                    return
        self._put(_END)

    def _put(self, item: Any) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False
