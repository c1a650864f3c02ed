"""A process that imports the engine once and forks a child per job, so that a kill costs little.

The test side is `Worker`; `python -m tests.faults.worker` is the process. Jobs are functions of
`tests.faults.jobs`; requests and replies are pickles over pipes.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

HUNG_AFTER_S = 120.0
#: Until then every thread that ran has stopped; one in a call of the kernel never comes back from it.
_STOPS_WITHIN_S = 0.0001
#: How soon a process that stopped itself is found.
_LOOK_EVERY_S = 0.001
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its wait status, and what it returned or raised."""

    status: int
    value: Any = None
    error: str = ""

    @property
    def killed(self) -> bool:
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    @property
    def exit_code(self) -> int | None:
        return os.WEXITSTATUS(self.status) if os.WIFEXITED(self.status) else None

    def result(self) -> Any:
        """Return what the job returned; its failure is the caller's."""
        assert self.status == 0 and not self.error, f"status {self.status}: {self.error}"
        return self.value


class Worker:
    """Runs jobs in forked children of one process that has everything imported."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )

    def run(
        self,
        job: str,
        *,
        failpoint: tuple[str, int] | None = None,
        kill_after_s: float | None = None,
        cut: str | None = None,
        **arguments: Any,
    ) -> Outcome:
        """Run one job to its end.

        Parameters
        ----------
        job : str
            A function of `tests.faults.jobs`.
        failpoint : (name, count), optional
            Where the child dies.
        kill_after_s : float, optional
            When it is killed, counted from its start.
        cut : str, optional
            A mounted filesystem that loses its power first, in both cases.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        _send(self._process.stdin, (job, failpoint, kill_after_s, cut, arguments))
        return Outcome(*_receive(self._process.stdout))

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(30) == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _send(file: IO[bytes], value: Any) -> None:
    data = pickle.dumps(value)
    file.write(struct.pack("<q", len(data)) + data)
    file.flush()


def _receive(file: IO[bytes]) -> Any:
    head = file.read(8)
    if len(head) < 8:
        raise EOFError
    return pickle.loads(file.read(struct.unpack("<q", head)[0]))


def _child(results: int, request: tuple[Any, ...]) -> None:
    from cxstream.store import failpoints
    from tests.faults import jobs

    job, failpoint, _, cut, arguments = request
    value, error = None, ""
    if failpoint is not None:

        def action() -> None:
            if cut is None:
                os.kill(os.getpid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(HUNG_AFTER_S)

        failpoints.arm(*failpoint, action)
    try:
        value = getattr(jobs, job)(**arguments)
    except BaseException:  # noqa: BLE001 - the test must hear of it
        error = traceback.format_exc()
    with os.fdopen(results, "wb") as file:
        pickle.dump((value, error), file)
    # Like a kill: no thread, file or lock is ended in order, unless the job did it.
    os._exit(1 if error else 0)


def _run(request: tuple[Any, ...]) -> tuple[int, Any, str]:
    _, failpoint, kill_after_s, cut, _ = request
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(writing, request)
    os.close(writing)
    hung_s = time.monotonic() + HUNG_AFTER_S
    deadline_s = hung_s if kill_after_s is None else time.monotonic() + kill_after_s
    stops = cut is not None and failpoint is not None
    data = b""
    with os.fdopen(reading, "rb", buffering=0) as file:
        while True:
            left_s = max(0.0, deadline_s - time.monotonic())
            if select.select([file], [], [], min(left_s, _LOOK_EVERY_S) if stops else left_s)[0]:
                part = file.read(1 << 20)
                if not part:
                    break
                data += part
            elif stops and _has_stopped(pid):
                _kill(pid, cut)
                break
            elif time.monotonic() >= deadline_s:
                _kill(pid, None if kill_after_s is None else cut)
                break
    _, status = os.waitpid(pid, 0)
    value, error = pickle.loads(data) if data and os.WIFEXITED(status) else (None, "")
    if kill_after_s is None and time.monotonic() > hung_s:
        return 0, None, f"hung for {HUNG_AFTER_S:.0f} s"
    return status, value, error


def _has_stopped(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG) is not None


def _kill(pid: int, cut: str | None) -> None:
    """Kill a process, whose disk loses its power first.

    The process is stopped before that: nobody hears anything from a machine without power, while
    ext4's shutdown lets a sync that is under way say now and then that it succeeded.
    """
    from tests.faults import power

    with contextlib.suppress(ProcessLookupError):
        if cut is not None:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(_STOPS_WITHIN_S)
            power.cut(cut)
        os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Serve jobs until the pipe is closed."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from tests.faults import jobs

    jobs.warm()
    # Else each child's collector walks all of it, and copies its pages.
    gc.collect()
    gc.freeze()
    with contextlib.suppress(EOFError):
        while True:
            _send(replies, _run(_receive(requests)))


if __name__ == "__main__":
    main()
