"""The threads that count, and where they are woken."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

#: On which processor the caller runs; without giving up the interpreter's lock.
_processor: Callable[[], int] | None = (
    getattr(ctypes.PyDLL(None), "sched_getcpu", None) if sys.platform == "linux" else None
)


class _Hand:
    """One thread, and what it has to do."""

    def __init__(self, name: str, initializer: Callable[[], None] | None) -> None:
        self.tasks = 0
        self._initializer = initializer
        self._thread: int | None = None
        self._allowed: set[int] | None = None
        self.executor = ThreadPoolExecutor(1, name, self._begin)

    def _begin(self) -> None:
        self._thread = threading.get_native_id()
        if self._initializer is not None:
            self._initializer()

    def place(self, busy: int) -> None:
        """Let the thread, which sleeps, onto other processors than this one alone, until it runs.

        Not where the other threads that are busy may have all of those.
        """
        if _processor is None or self._thread is None:
            return
        # It may have ended; and a sandbox may forbid this.
        with contextlib.suppress(OSError):
            allowed = os.sched_getaffinity(0)
            others = allowed - {_processor()}
            if busy < len(others) < len(allowed):
                os.sched_setaffinity(self._thread, others)
                self._allowed = allowed

    def free(self) -> None:
        """Let this thread, which runs now, onto every processor again."""
        allowed, self._allowed = self._allowed, None
        if allowed is not None:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, allowed)


class Pool(Executor):
    """Threads that work beside the one that asks, each woken on another processor than it runs on.

    Linux looks for an idle processor when it wakes a thread, but on a virtual machine takes one that
    sleeps for one that the host has taken away (`available_idle_cpu` in its `kernel/sched`). Then
    the thread is put where the one that asks works, and the other processor does nothing until the
    load is balanced, milliseconds later: most updates would be over by then.

    Parameters
    ----------
    threads : int
        How many; as many processors as there are, since who asks works, too.
    name : str
        What the threads' names begin with.
    initializer : function, optional
        Each thread calls it when it begins.

    Notes
    -----
    A task goes to the thread that has the fewest to do. Safe to use from many threads.
    """

    def __init__(
        self, threads: int, name: str = "", initializer: Callable[[], None] | None = None
    ) -> None:
        self.threads = threads
        self._lock = threading.Lock()
        self._hands = [_Hand(f"{name}-{number}", initializer) for number in range(threads)]

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Give a task to a thread; see `concurrent.futures.Executor.submit`."""
        with self._lock:
            hand = min(self._hands, key=lambda one: one.tasks)
            hand.tasks += 1
            if hand.tasks == 1:
                hand.place(sum(one.tasks > 0 for one in self._hands) - 1)

        def run() -> R:
            # Before, not after: threads that the task makes have the same processors.
            hand.free()
            try:
                return fn(*args, **kwargs)
            finally:
                # Not when the future is done: who waited for it may have asked again by then.
                self._end(hand)

        try:
            future = hand.executor.submit(run)
        except RuntimeError:
            self._end(hand)
            raise
        future.add_done_callback(partial(self._cancelled, hand))
        return future

    def _end(self, hand: _Hand) -> None:
        with self._lock:
            hand.tasks -= 1

    def _cancelled(self, hand: _Hand, future: Future[R]) -> None:
        if future.cancelled():
            self._end(hand)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads; see `concurrent.futures.Executor.shutdown`."""
        for hand in self._hands:
            hand.executor.shutdown(wait=False, cancel_futures=cancel_futures)
        if wait:
            for hand in self._hands:
                hand.executor.shutdown(wait=True)
