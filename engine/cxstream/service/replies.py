"""Replies that were sent, to be sent again for as long as they hold."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxstream.state import Moment

#: Bytes of requests and replies that are kept; those asked for longest ago go first.
BYTES_MAX = 2**25


@dataclass(frozen=True, slots=True)
class _Kept:
    moment: Moment
    reply: bytes


class Replies:
    """Replies of QueryService by method and bytes of the request.

    An answer is a function of the request, the declaration and the sums. While these are as they
    were, the same bytes are what asking again would give.

    Notes
    -----
    Of one thread: the event loop, which sends a reply again without handing the request to another.
    """

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._kept: OrderedDict[tuple[str, bytes], _Kept] = OrderedDict()
        self._bytes = 0

    def get(self, method: str, request: bytes) -> bytes | None:
        """Return the reply to a request, None where none is kept that holds."""
        key = method, request
        found = self._kept.get(key)
        if found is None:
            return None
        if not found.moment.is_current:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return found.reply

    def put(self, method: str, request: bytes, moment: Moment, reply: bytes) -> None:
        """Keep a reply.

        Parameters
        ----------
        method, request
            What was asked.
        moment : Moment
            Taken before the reply was made.
        reply : bytes
        """
        key = method, request
        self._drop(key)
        if not moment.is_current:
            return
        self._kept[key] = _Kept(moment, reply)
        self._bytes += len(request) + len(reply)
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, bytes]) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._bytes -= len(key[1]) + len(gone.reply)
