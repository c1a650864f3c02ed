"""Threads that count give way to those that answer."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

#: Ten times less of a processor that both want.
NICER_BY = 10


def give_way() -> None:
    """Let this thread run where others of the process need not; Linux has priorities by thread."""
    if sys.platform == "linux":
        nice = min(19, os.getpriority(os.PRIO_PROCESS, os.getpid()) + NICER_BY)
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
