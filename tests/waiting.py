"""Waiting for what another thread or process does: for the condition, never for a time."""

import time
from collections.abc import Callable

#: Nothing takes so long, on any machine, unless it hangs.
WAIT_S = 60.0


def until(reached: Callable[[], object], every_s: float = 0.005) -> None:
    """Wait for something, but not for ever."""
    hung_s = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < hung_s, "it did not happen"
        time.sleep(every_s)
