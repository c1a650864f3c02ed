"""Rests in long work, for small appends: each waits for the interpreter that the work holds by moments."""

from __future__ import annotations

import time

from cxstream.store import DirectoryStore

#: So many times as long as a part took is rested after it, but no longer than `REST_MAX_S`.
RESTS = 3.0
REST_MAX_S = 0.1
#: Small appends come in where so many commits a second are of no more bytes each.
SMALL_PER_S = 20.0
SMALL_BYTES = 2**17


def rest_s(took_s: float, commits: int, taken: int) -> float:
    """Return how long to rest after a part.

    Parameters
    ----------
    took_s : float
        How long it took.
    commits, taken : int
        How often batches were committed meanwhile, and their bytes.
    """
    if commits < max(1.0, SMALL_PER_S * took_s) or taken > SMALL_BYTES * commits:
        return 0.0
    return min(REST_MAX_S, RESTS * took_s)


class Pace:
    """Work that goes by parts, beside appends to a store.

    Parameters
    ----------
    store : DirectoryStore
    """

    def __init__(self, store: DirectoryStore) -> None:
        self._store = store
        self._begin()

    def _begin(self) -> None:
        self._since_s = time.monotonic()
        self._commits, self._taken = self._store.commits, self._store.bytes_taken

    def rest(self) -> None:
        """Rest between two parts, if it is needed."""
        took_s = time.monotonic() - self._since_s
        commits, taken = self._store.commits - self._commits, self._store.bytes_taken - self._taken
        time.sleep(rest_s(took_s, commits, taken))
        self._begin()
