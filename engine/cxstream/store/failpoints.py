"""Named places where a test can kill the process. Off unless CXSTREAM_FAILPOINT names one.

``CXSTREAM_FAILPOINT=journal.synced:3`` kills the process, as ``kill -9`` would, when it comes to
that place for the third time.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from typing import NoReturn

#: Every failpoint there is, in the order a batch and a restart come by them.
FAILPOINTS = (
    "program.before",
    "program.stored",
    "journal.before",
    "journal.written",
    "journal.synced",
    "journal.inserted",
    "journal.committed",
    "count.before",
    "count.after",
    "ack.before",
    "snapshot.before",
    "snapshot.written",
    "snapshot.renamed",
    "snapshot.recorded",
    "snapshot.pruned",
    "seal.before",
    "seal.written",
    "seal.recorded",
    "publish.before",
    "publish.committed",
    "publish.synced",
    "trim.before",
    "trim.recorded",
    "trim.removed",
    "compact.written",
    "compact.recorded",
    "erase.before",
    "erase.recorded",
    "erase.written",
    "erase.replaced",
    "erase.removed",
    "retain.recorded",
    "recovery.before",
    "recovery.snapshot",
    "recovery.batch",
    "recovery.truncated",
    "recovery.after",
)


def _kill() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("the process is dead")


class _Armed:
    name = ""
    at = 0
    hits = itertools.count(1)
    action: Callable[[], object] = staticmethod(_kill)


def arm(name: str, at: int = 1, action: Callable[[], object] = _kill) -> None:
    """Act, or die, when this process comes to a failpoint for the `at`-th time from now.

    Raises
    ------
    ValueError
        There is no such failpoint.
    """
    if name not in FAILPOINTS:
        raise ValueError(f"CXSTREAM_FAILPOINT: no failpoint {name!r}; there are {FAILPOINTS}")
    _Armed.name, _Armed.at, _Armed.action = name, at, staticmethod(action)
    _Armed.hits = itertools.count(1)


def failpoint(name: str) -> None:
    """Kill the process here, where a test asked for it."""
    if name == _Armed.name and next(_Armed.hits) == _Armed.at:
        _Armed.action()


if _given := os.environ.get("CXSTREAM_FAILPOINT"):
    _name, _, _count = _given.partition(":")
    arm(_name, int(_count or 1))
