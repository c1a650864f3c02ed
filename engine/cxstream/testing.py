"""A real server for tests and demos: yours and ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_READY_TIMEOUT_S = 300.0  # the first start on a machine compiles every kernel
_STOP_TIMEOUT_S = 30.0


class ServerFailedError(RuntimeError):
    """The server did not start, or did not end well."""


@contextmanager
def serve(data: str | os.PathLike[str] | None = None, **settings: Any) -> Iterator[str]:
    """Run a server in a process of its own, on a free port of the loopback interface.

    Parameters
    ----------
    data : path, optional
        The data directory; in memory when absent.
    **settings
        Of `cxstream.service.config.ServerConfig`, such as ``arrow_bytes_max=2**20``.

    Yields
    ------
    str
        Its address, once it serves.

    Raises
    ------
    ServerFailedError
        It did not come up within five minutes, or did not exit with 0 when it was told to end.

    Examples
    --------
    >>> import cxstream_client as cx
    >>> with serve(log_level="error") as address, cx.connect(address) as client:
    ...     client.list_programs()
    []
    """
    with tempfile.TemporaryDirectory(prefix="cxstream-") as folder:
        port_file = Path(folder) / "address"
        environment = {
            **os.environ,
            "CXSTREAM_LISTEN": "127.0.0.1:0",
            "CXSTREAM_LOG_LEVEL": "warning",
            **{f"CXSTREAM_{name.upper()}": str(value) for name, value in settings.items()},
            "CXSTREAM_PORT_FILE": str(port_file),
            **({"CXSTREAM_DATA": os.fspath(data)} if data is not None else {}),
        }
        process = subprocess.Popen([sys.executable, "-m", "cxstream.service"], env=environment)
        try:
            yield _wait_for(port_file, process)
        finally:
            process.send_signal(signal.SIGTERM)
            code: int | None = None
            try:
                code = process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if code != 0:
            raise ServerFailedError(f"the server ended with code {code}")


def _wait_for(port_file: Path, process: subprocess.Popen[bytes]) -> str:
    deadline_s = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise ServerFailedError(f"the server ended with code {process.returncode}")
        if port_file.exists() and (address := port_file.read_text(encoding="utf-8").strip()):
            return address
        time.sleep(0.02)
    raise ServerFailedError(f"the server did not serve within {_READY_TIMEOUT_S:.0f} s")
