"""`cxstream customer-key`, `cxstream erase` and `cxstream drop`."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cxstream_client as cx
from cxstream.testing import serve
from tests.serving import serving

Run = Callable[..., Any]

PROGRAM = {
    "name": "p",
    "questions": {"nps": {"kind": "nps"}},
    "customer": {"column": "who"},
    "time": {"column": "at"},
}
FRAME = {
    "nps": [10, 9, 3, 0],
    "who": ["SECRET-1", "SECRET-2", "SECRET-1", None],
    "at": ["2017-04-30", "2017-05-01", "2017-05-02", None],
}


@pytest.fixture
def keys(tmp_path: Path, run: Run) -> Path:
    path = tmp_path / "customer.keys"
    assert run("customer-key", path).code == 0
    return path


@pytest.fixture
def client(tmp_path: Path, keys: Path) -> Iterator[cx.Client]:
    import pyarrow as pa

    with (
        serving(tmp_path / "data", customer_keys=keys) as address,
        cx.connect(address) as client,
    ):
        client.put_program(PROGRAM)
        frame = pa.table(FRAME)
        place = frame.column_names.index("at")
        with client.append("p", producer="x") as stream:
            stream.send(frame.set_column(place, "at", frame["at"].cast(pa.date32())))
        yield client


class Typed(io.TextIOWrapper):
    """Standard input of a person."""

    def __init__(self, text: str) -> None:
        super().__init__(io.BytesIO(text.encode()), encoding="utf-8")

    def isatty(self) -> bool:
        return True


class Piped(Typed):
    """Standard input of a program."""

    def isatty(self) -> bool:
        return False


def test_a_key(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "customer.keys"
    ran = run("customer-key", path)
    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"Made {path}; only its owner may read it.")
    assert "Keep a copy elsewhere" in ran.out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = tomllib.loads(path.read_text(encoding="utf-8"))["keys"]
    ran = run("customer-key", path)
    assert ran.code == 0
    assert ran.out.startswith(f"Added version 2 to {path}")
    both = tomllib.loads(path.read_text(encoding="utf-8"))["keys"]
    assert both["1"] == first["1"]
    assert not any(secret in ran.out for secret in both.values())
    assert run("customer-key", path, "--json").json == {"file": str(path), "version": 3}


def test_no_key(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "customer.keys"
    path.write_text("mine", encoding="utf-8")
    path.chmod(0o644)
    ran = run("customer-key", path)
    assert ran.code == 1
    assert f"chmod 600 {path}" in ran.err
    assert path.read_text(encoding="utf-8") == "mine"
    assert run("customer-key", tmp_path / "no" / "folder").code == 1
    assert run("customer-key", tmp_path).code == 2


def test_serving_needs_it(tmp_path: Path) -> None:
    """A server that was told of keys it cannot use does not start without them."""
    ran = subprocess.run(
        [sys.executable, "-m", "cxstream.cli", "serve", "--listen", "127.0.0.1:0",
         "--data", tmp_path / "data", "--customer-keys", tmp_path / "none"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "cxstream customer-key" in ran.stderr


def test_erase(client: cx.Client, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run("erase", "p", "SECRET-3", "--target", client.target)
    assert ran.code == 0, ran.err
    assert "responses 0" in ran.out
    assert "no responses of that customer" in ran.err
    assert "SECRET" not in ran.out + ran.err
    monkeypatch.setattr(sys, "stdin", Piped("SECRET-1\r\nnot read\n"))
    ran = run("erase", "p", "-", "--target", client.target, "--json")
    assert ran.code == 0, ran.err
    receipt = ran.json
    assert {name: receipt[name] for name in ("number", "program", "responses", "batches")} == {
        "number": 2, "program": "p", "responses": 2, "batches": 1,
    }  # fmt: skip
    assert set(receipt) == {"number", "program", "responses", "batches", "files", "erased_at"}
    assert client.program_info("p").responses == 2
    monkeypatch.setattr(sys, "stdin", Typed(""))
    monkeypatch.setattr("getpass.getpass", lambda _: "SECRET-2")
    ran = run("erase", "p", "-", "--target", client.target)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("Erasure 3: responses 1, batches 1, files ")
    assert client.program_info("p").responses == 1


def test_erase_nobody(address: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("", "\n"):
        monkeypatch.setattr(sys, "stdin", Piped(text))
        ran = run("erase", "p", "-", "--target", address)
        assert (ran.code, ran.out) == (2, "")
        assert "no customer's key" in ran.err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), encoding="utf-8"))
    ran = run("erase", "p", "-", "--target", address)
    assert ran.code == 2
    assert "not UTF-8" in ran.err
    ran = run("erase", "no such program", "SECRET-1", "--target", address)
    assert ran.code == 1
    assert "no program" in ran.err
    assert "SECRET" not in ran.err


def test_the_log_names_nobody(
    tmp_path: Path, keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither what goes well nor what fails; at the level that says most."""
    with (
        serve(tmp_path / "data", customer_keys=keys, log_level="debug") as address,
        cx.connect(address) as client,
    ):
        client.put_program(PROGRAM)
        client.erase("p", "SECRET-1")
        for program in ("none", "p" * 200):
            with pytest.raises(cx.NotFound) as refused:
                client.erase(program, "SECRET-1")
            assert "SECRET" not in str(refused.value)
    logged = capfd.readouterr()
    assert "AdminService/Erase" in logged.err
    assert "SECRET" not in logged.err + logged.out


def test_drop(client: cx.Client, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    drop = ("drop", "p", "--target", client.target, "--before", "2017-05")
    monkeypatch.setattr(sys, "stdin", Piped(""))
    ran = run(*drop)
    assert ran.code == 2
    assert "--yes" in ran.err
    monkeypatch.setattr(sys, "stdin", Typed("n\n"))
    ran = run(*drop)
    assert ran.code == 1
    assert "nothing was dropped" in ran.err
    assert client.program_info("p").responses == 4
    monkeypatch.setattr(sys, "stdin", Typed("y\n"))
    ran = run(*drop)
    assert ran.code == 0, ran.err
    assert ran.out == "Dropped responses 1 of program 'p' before 2017-05.\n"
    ran = run("drop", "p", "--target", client.target, "--before", "2017-06", "--yes", "--json")
    assert ran.json == {"program": "p", "before": "2017-06", "responses": 2}
    assert client.program_info("p").responses == 1


@pytest.mark.parametrize("month", ["2017", "2017-13", "2017-5", "2017-05-01", "May", ""])
def test_drop_before_no_month(address: str, run: Run, month: str) -> None:
    ran = run("drop", "p", "--target", address, "--before", month, "--yes")
    assert ran.code == 2
    assert "such as 2017-05" in ran.err
