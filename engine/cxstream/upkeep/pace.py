"""Rests in long work, for appends: small ones wait for the interpreter, which it holds by moments, large ones for a core."""

from __future__ import annotations

import time
from collections.abc import Callable

from cxstream.store import DirectoryStore

#: So many times as long as a part took is rested after it, but no longer than this: for small appends, whose
#: parts are short, and for large ones.
RESTS = 3.0
REST_MAX_S = 0.1
REST_MAX_BUSY_S = 0.5
#: Small appends come in where so many commits a second are of no more bytes each.
SMALL_PER_S = 20.0
SMALL_BYTES = 2**17
#: Large ones, where so much does: writing files costs more than taking responses in.
BUSY_BYTES_PER_S = 2**24


def rest_s(took_s: float, commits: int, taken: int, hurries: Callable[[], bool]) -> float:
    """Return how long to rest after a part.

    Parameters
    ----------
    took_s : float
        How long it took.
    commits, taken : int
        How often batches were committed meanwhile, and their bytes.
    hurries : function
        Whether only small appends are rested for; asked where large ones come in.
    """
    if commits >= max(1.0, SMALL_PER_S * took_s) and taken <= SMALL_BYTES * commits:
        return min(REST_MAX_S, RESTS * took_s)
    is_busy = commits > 0 and taken >= BUSY_BYTES_PER_S * took_s
    return min(REST_MAX_BUSY_S, RESTS * took_s) if is_busy and not hurries() else 0.0


class Pace:
    """Work that goes by parts, beside appends to a store.

    Parameters
    ----------
    store : DirectoryStore
    hurries : function
        Whether so much is left to do that large appends are not rested for.
    """

    def __init__(self, store: DirectoryStore, hurries: Callable[[], bool]) -> None:
        self._store = store
        self._hurries = hurries
        self._begin()

    def _begin(self) -> None:
        self._since_s = time.monotonic()
        self._commits, self._taken = self._store.commits, self._store.bytes_taken

    def rest(self) -> None:
        """Rest between two parts, if it is needed."""
        took_s = time.monotonic() - self._since_s
        commits, taken = self._store.commits - self._commits, self._store.bytes_taken - self._taken
        time.sleep(rest_s(took_s, commits, taken, self._hurries))
        self._begin()
