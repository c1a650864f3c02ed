"""A query in a thread of its own, so that another can say meanwhile how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from cxstream.answers import OnRows
from cxstream.errors import CancelledError

PROGRESS_S = 0.1

#: Raises where nobody waits for the answer any more.
Check = Callable[[], object]


class Scanning:
    """One query under way; a context manager. Left early, the query ends soon, and is waited for.

    Parameters
    ----------
    ask : function of on_rows
        The query.
    """

    def __init__(self, ask: Callable[[OnRows], bytes]) -> None:
        self._ask = ask
        self._answer: bytes | None = None
        self._failure: BaseException | None = None
        self._latest: tuple[int, int] | None = None
        self._left = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cxstream-scan", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left.set()
        self._thread.join()

    def progress(self, check: Check) -> Iterator[tuple[int, int]]:
        """Yield how many rows are read and how many there are, now and then, until it is done.

        Nothing where the answer comes at once, or rests on no rows read.

        Parameters
        ----------
        check : function
            Called as often; what it raises comes out.
        """
        shown = None
        while not self._done.wait(PROGRESS_S):
            check()
            if self._latest is not None:
                shown = self._latest
                yield shown
        if shown not in (None, self._latest) and self._latest is not None:
            yield self._latest

    def answer(self) -> bytes:
        """Return the bytes of the answer, or raise what the query raised."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        assert self._answer is not None
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._ask(self._on_rows)
        except BaseException as failure:  # noqa: BLE001 - raised by the thread that waits
            self._failure = failure
        finally:
            self._done.set()

    def _on_rows(self, done: int, total: int) -> None:
        if self._left.is_set():
            raise CancelledError("CANCELLED", "nobody waits for the answer any more")
        self._latest = (done, total)
