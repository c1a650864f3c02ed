"""How many threads, and which of them give way."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

#: Ten times less of a processor that both want; and less than those who get that.
NICER_BY = 10
NICEST_BY = 19


def give_way(by: int = NICER_BY) -> None:
    """Let threads that answer go before this one, which counts; Linux has priorities by thread."""
    if sys.platform == "linux":
        nice = min(19, os.getpriority(os.PRIO_PROCESS, os.getpid()) + by)
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
