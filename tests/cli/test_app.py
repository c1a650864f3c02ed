"""The console script: version, help, exit codes, `serve` and `config`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import cxstream_client as cx
from tests.waiting import WAIT_S, until

CXSTREAM = [sys.executable, "-m", "cxstream.cli"]


def test_version(run: Callable[..., Any]) -> None:
    assert run("--version").out.strip() == f"cxstream {version('cxstream')}"


@pytest.mark.parametrize(
    "command",
    ["", "serve", "load", "query", "verify", "export", "checkpoint", "demo", "doctor", "config"],
)
def test_help(run: Callable[..., Any], command: str) -> None:
    ran = run(*command.split(), "--help")
    assert ran.code == 0
    assert "Usage: cxstream" in ran.out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, cxstream.cli.app\n"
        "heavy = {'numba', 'numpy', 'pyarrow', 'grpc', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_serve_until_told_to_end(tmp_path: Path) -> None:
    port_file = tmp_path / "address"
    arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--port-file",
        str(port_file),
        "--threads",
        "1",
    ]
    with subprocess.Popen([*CXSTREAM, *arguments], stderr=subprocess.DEVNULL) as process:
        until(port_file.exists)
        with cx.connect(port_file.read_text(encoding="utf-8").strip()) as client:
            assert client.list_programs() == ()
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0


def test_config_show(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.toml"
    file.write_text("threads = 3\nworkers = 9\n", encoding="utf-8")
    monkeypatch.setenv("CXSTREAM_WORKERS", "12")
    found = run("config", "show", "--config", file, "--json").json
    assert found["threads"] == {"value": 3, "from": str(file)}
    assert found["workers"] == {"value": 12, "from": "CXSTREAM_WORKERS"}
    assert found["listen"]["from"] == "default"
    assert "CXSTREAM_WORKERS" in run("config", "show", "--config", file).out


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        ("", ["serve", "--threads", "-1"], "threads"),
        ("threds = 1", ["serve", "--config", "FILE"], "threds"),
        ("threads =", ["serve", "--config", "FILE"], "not TOML"),
    ],
)
def test_bad_settings(
    run: Callable[..., Any], tmp_path: Path, text: str, arguments: list[str], expected: str
) -> None:
    file = tmp_path / "server.toml"
    file.write_text(text, encoding="utf-8")
    ran = run(*(file if one == "FILE" else one for one in arguments))
    assert ran.code == 2
    assert expected in ran.err
    assert ran.err.count("\n") == 1
