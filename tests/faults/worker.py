"""A process that imports the engine once and forks a child per job, so that a kill costs little.

The test side is `Worker`; `python -m tests.faults.worker` is the process. Jobs are functions of
`tests.faults.jobs`; requests and replies are pickles over pipes.
"""

from __future__ import annotations

import contextlib
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
    from tests.faults import jobs, power

    job, failpoint, _, cut, arguments = request
    value, error = None, ""
    if failpoint is not None:

        def action() -> None:
            if cut is not None:
                power.cut(cut)
            os.kill(os.getpid(), signal.SIGKILL)

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
    from tests.faults import power

    _, _, kill_after_s, cut, _ = request
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(writing, request)
    os.close(writing)
    hung_s = time.monotonic() + HUNG_AFTER_S
    deadline_s = hung_s if kill_after_s is None else time.monotonic() + kill_after_s
    data = b""
    with os.fdopen(reading, "rb", buffering=0) as file:
        while True:
            left_s = max(0.0, deadline_s - time.monotonic())
            if not select.select([file], [], [], left_s)[0]:
                if cut is not None and kill_after_s is not None:
                    power.cut(cut)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                break
            part = file.read(1 << 20)
            if not part:
                break
            data += part
    _, status = os.waitpid(pid, 0)
    value, error = pickle.loads(data) if data and os.WIFEXITED(status) else (None, "")
    if kill_after_s is None and time.monotonic() > hung_s:
        return 0, None, f"hung for {HUNG_AFTER_S:.0f} s"
    return status, value, error


def main() -> None:
    """Serve jobs until the pipe is closed."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from tests.faults import jobs

    jobs.warm()
    with contextlib.suppress(EOFError):
        while True:
            _send(replies, _run(_receive(requests)))


if __name__ == "__main__":
    main()
