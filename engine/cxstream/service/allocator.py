"""Memory that is freed is kept for what comes next."""

from __future__ import annotations

import ctypes
import os

#: Names of glibc's <malloc.h>, and bytes.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_SETTINGS = (
    (_M_TRIM_THRESHOLD, 2**30),
    (_M_MMAP_THRESHOLD, 32 * 2**20),
    (_M_TOP_PAD, 64 * 2**20),
    (_M_ARENA_MAX, 1),
)


def keep_freed_memory() -> None:
    """Let malloc give back to the system only what is large; nothing where it is not glibc's.

    Every message of about 1 MiB would otherwise be mapped, zeroed page by page, and unmapped: the
    largest cost of a server that takes in many. There is one heap for all threads: each of its own would
    keep what the largest message took (91 MiB more while 61 M responses came in). Arrow takes part in it, if it
    is not loaded yet: its own allocator gives back what a sealing held, and the next one has it zeroed again
    (5 % of a durable ingest's processor time; and 100 MiB more in two heaps).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for name, size in _SETTINGS:
        mallopt(name, size)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
