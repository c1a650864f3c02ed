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
class Kept:
    """A reply.

    Attributes
    ----------
    moment : Moment or None
        Where the program stood before it was made; None where there is no telling how long it holds.
    reply : bytes
    is_quick : bool
        Whether making it took so little that the event loop may make it again.
    """

    moment: Moment | None
    reply: bytes
    is_quick: bool

    @property
    def holds(self) -> bool:
        """Whether it is what asking again would give."""
        return self.moment is not None and self.moment.is_current


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
        self._kept: OrderedDict[tuple[str, bytes], Kept] = OrderedDict()
        self._bytes = 0

    def get(self, method: str, request: bytes) -> Kept | None:
        """Return the latest reply to a request, None where none is kept; it may no longer hold."""
        key = method, request
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, method: str, request: bytes, kept: Kept) -> None:
        """Keep a reply, in place of an earlier one to the same request, where it holds for a while."""
        key = method, request
        self._drop(key)
        if kept.moment is None:
            return
        self._kept[key] = kept
        self._bytes += len(request) + len(kept.reply)
        while self._bytes > self._bytes_max:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, bytes]) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._bytes -= len(key[1]) + len(gone.reply)
