"""Kernels that several processes compile: all are there whatever becomes of the others, and nobody outlives the first."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from cxstream.kernels import registry
from cxstream.kernels.beside import Beside, takes
from cxstream.threads import processors
from tests.waiting import WAIT_S, until


def test_a_kernel_is_taken_once(tmp_path):
    assert [takes(tmp_path, name) for name in ("a", "b", "a")] == [True, True, False]


def test_without_its_folder_everybody_takes_everything(tmp_path):
    assert takes(tmp_path / "gone", "a")


def stands_in(tmp_path, monkeypatch, script):
    """A Python that does what a script of the shell says."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))


def no_cache(monkeypatch):
    """A registry of one kernel, which nobody has compiled."""

    def twice(number):
        return 2 * number

    monkeypatch.setattr(registry, "_KERNELS", [])
    monkeypatch.setattr(registry, "_WARM", threading.Event())
    monkeypatch.setattr(registry, "_load", lambda: None)
    monkeypatch.setattr(registry, "_is_cached", lambda _: False)
    monkeypatch.setattr(registry, "processors", lambda: 2)
    kernel = registry.kernel("int64(int64)")
    return kernel(twice), kernel(lambda number: number)


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        'touch "$3/twice"; exit 1',
        'touch "$3/twice"; kill -9 $$',
        'touch "$3/twice"; exec sleep 600',
    ],
    ids=["fails", "takes and fails", "takes and is killed", "takes and hangs"],
)
def test_whatever_becomes_of_another_every_kernel_is_compiled(tmp_path, monkeypatch, script):
    waited = Beside.wait
    monkeypatch.setattr(Beside, "wait", lambda self: waited(self, 0.2))
    twice, _ = no_cache(monkeypatch)
    stands_in(tmp_path, monkeypatch, script)
    registry.begin()
    others = registry._BESIDE
    if "touch" in script:
        until((others.folder / "twice").exists)
    (running,) = others._running
    registry.warm()
    assert [twice(4), len(twice.signatures), twice._can_compile] == [8, 1, False]
    assert running.returncode is not None
    assert not others.folder.exists()


@pytest.mark.parametrize("executable", ["", "/nowhere/python"])
def test_where_no_process_begins_every_kernel_is_compiled(monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", executable)
    twice, _ = no_cache(monkeypatch)
    registry.warm()
    assert twice(4) == 8


@pytest.mark.skipif(processors() < 2, reason="one processor compiles alone")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_ends_while_it_compiles_leaves_nobody(tmp_path, number):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    server = subprocess.Popen(
        [sys.executable, "-m", "cxstream.service"],
        env={
            **os.environ,
            "CXSTREAM_LISTEN": "127.0.0.1:0",
            "CXSTREAM_LOG_LEVEL": "error",
            "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
            "TMPDIR": str(temporary),
        },
        start_new_session=True,
    )
    try:
        # Somebody has taken kernels: whoever compiles beside has begun, or is about to.
        until(lambda: server.poll() or any(temporary.glob("cxstream-kernels-*/*")))
        os.killpg(server.pid, 0)
        server.send_signal(number)
        server.wait(WAIT_S)
        until(lambda: not is_there(server.pid))
        until(lambda: not any(temporary.glob("cxstream-kernels-*")))
        # Who had gone on would have made all of them.
        assert len(list((tmp_path / "cache").rglob("*.nbi"))) < 10
    finally:
        if is_there(server.pid):
            os.killpg(server.pid, signal.SIGKILL)


def is_there(group):
    """Whether anybody is left of a session."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
