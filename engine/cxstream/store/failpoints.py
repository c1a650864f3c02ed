"""Named places where a test can kill the process. Off unless CXSTREAM_FAILPOINT names one.

``CXSTREAM_FAILPOINT=journal.synced:3`` kills the process, as ``kill -9`` would, when it comes to
that place for the third time.
"""

from __future__ import annotations

import itertools
import os
import signal

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
    "recovery.before",
    "recovery.snapshot",
    "recovery.batch",
    "recovery.truncated",
    "recovery.after",
)

_NAME, _, _COUNT = os.environ.get("CXSTREAM_FAILPOINT", "").partition(":")
if _NAME and _NAME not in FAILPOINTS:
    raise ValueError(f"CXSTREAM_FAILPOINT: no failpoint {_NAME!r}; there are {FAILPOINTS}")
_HITS = itertools.count(1)
_AT = int(_COUNT or 1)


def failpoint(name: str) -> None:
    """Kill the process here, where a test asked for it."""
    if name == _NAME and next(_HITS) == _AT:
        os.kill(os.getpid(), signal.SIGKILL)
