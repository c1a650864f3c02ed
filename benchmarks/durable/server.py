"""The server as `cxstream serve` runs it, with its segment syncs counted where others can see."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path
from typing import Any


def count_syncs(path: str) -> None:
    """Count calls of `os.fdatasync` from now on, in a file."""
    with Path(path).open("r+b") as file:
        shared = memoryview(mmap.mmap(file.fileno(), 8)).cast("q")
    sync = os.fdatasync

    def counted(fd: Any) -> None:
        shared[0] += 1
        sync(fd)

    os.fdatasync = counted


def main() -> None:
    """Count syncs in the file named first, and serve."""
    count_syncs(sys.argv[1])

    from cxstream.service.config import ServerConfig
    from cxstream.service.server import run

    raise SystemExit(run(ServerConfig.load()))


if __name__ == "__main__":
    main()
