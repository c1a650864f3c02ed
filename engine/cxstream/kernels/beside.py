"""Other processes that compile kernels beside this one: Numba compiles one function at a time.

Which kernel is whose tells a folder: it is that process's which makes the file of its name. Kernels
come back by way of Numba's cache. One that a process takes and does not bring is compiled by whoever lacks it, so all
may fail, or be ended, at any time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

#: What one takes for its last kernel while the first process waits; more only where it hangs.
_LAST_TIMEOUT_S = 60.0
_CODE = "import sys, cxstream.kernels.registry as own; own.compile_beside(sys.argv[1])"


class Beside:
    """Processes that compile, and the folder they share with this one.

    Parameters
    ----------
    processes : int
        How many; fewer where the system has no more.

    Notes
    -----
    They end with this process, however it ends: their standard input then does.
    """

    def __init__(self, processes: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cxstream-kernels-"))
        self._running: list[subprocess.Popen[bytes]] = []
        for _ in range(processes if sys.executable else 0):
            with contextlib.suppress(OSError):
                self._running.append(
                    subprocess.Popen(
                        [sys.executable, "-c", _CODE, str(self.folder)],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                    )
                )

    def wait(self, timeout_s: float = _LAST_TIMEOUT_S) -> None:
        """Wait until they have made what they took, and end those that never do."""
        for process in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout_s)
        self.end()

    def end(self) -> None:
        """End those that still run."""
        for process in self._running:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
        self._running = []
        shutil.rmtree(self.folder, ignore_errors=True)


def takes(folder: Path, kernel: str) -> bool:
    """Take a kernel, unless another process has; to take one twice only costs time."""
    try:
        (folder / kernel).touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:
        return True
    return True


def end_with_parent(folder: Path) -> None:
    """End this process as soon as the one that began it does."""

    def watch() -> None:
        # The descriptor, not the file: an end of the interpreter waits for a thread that holds that one's lock.
        os.read(0, 1)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, name="cxstream-parent", daemon=True).start()
