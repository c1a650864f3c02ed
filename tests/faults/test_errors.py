"""Every write and every sync of one ingest fails once: no false ack, whole or absent afterwards."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxstream.store.journal import EXIT_SYNC_FAILED
from tests.faults.report import say
from tests.faults.worker import Worker

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="error injection: needs gcc")


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("shim.c")
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", out, source, "-ldl"]
    subprocess.run(command, check=True)
    return out


@pytest.fixture(scope="module")
def faulty(shim: Path) -> Iterator[Worker]:
    with Worker({"LD_PRELOAD": str(shim)}) as worker:
        yield worker


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("call", ["write", "sync"])
def test_an_error_at_some_calls(
    faulty: Worker, shim: Path, tmp_path: Path, call: str, error: str, seed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    inject(faulty, shim, tmp_path, call, error, seed, capsys, 15, remove="")


@pytest.mark.faults
@pytest.mark.parametrize("remove", ["", "after"])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("call", ["write", "sync"])
def test_an_error_at_most_calls(
    faulty: Worker, shim: Path, tmp_path: Path, call: str, error: str, remove: str, seed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    # With removals there are some 230 writes: every third of them.
    inject(faulty, shim, tmp_path, call, error, seed, capsys, 3 if remove else 1, remove=remove)


@pytest.mark.slow
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("call", ["write", "sync"])
def test_an_error_at_every_call(
    faulty: Worker, shim: Path, tmp_path: Path, call: str, error: str, seed: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    inject(faulty, shim, tmp_path, call, error, seed, capsys, 1, remove="after")


def inject(
    faulty: Worker, shim: Path, tmp_path: Path, call: str, error: str, seed: int,
    capsys: pytest.CaptureFixture[str], step: int, *, remove: str,
) -> None:  # fmt: skip
    """Let one write or sync of an ingest fail, at every step-th call of it."""
    ends: Counter[str] = Counter()
    at, reached = 1, True
    while reached:
        folder = tmp_path / str(at)
        folder.mkdir()
        path, logs = str(folder / "data"), str(folder)
        outcome = faulty.run(
            "ingest_with_error", path=path, logs=logs, seed=seed, shim=str(shim),
            syncs=call == "sync", at=at, error=getattr(errno, error),
            remove=remove,
        )  # fmt: skip
        if outcome.exit_code == 0:
            calls, refused, failure = outcome.value
            reached = calls >= at
            end = failure or " ".join(sorted(set(refused))) or "not noticed"
            assert set(refused) <= {"DISK_FULL", "SEQUENCE_GAP"}, (at, outcome)
            assert failure in ("", "DISK_FULL", "STORE_UNAVAILABLE") or "errno" in failure
        else:
            assert outcome.exit_code == EXIT_SYNC_FAILED, (at, outcome)
            end = f"exit {EXIT_SYNC_FAILED}"
        if not reached:
            break
        ends[end] += 1
        # Nothing stands in the way of going on, and nothing acknowledged was lost.
        assert not faulty.run("ingest", path=path, logs=logs, seed=seed, count=4).result()
        assert faulty.run("check", path=path, logs=logs).result().acked >= 4
        shutil.rmtree(folder)
        at += step
    say(f"{call} {error} at {ends.total()} of {at - step} calls: {dict(ends)}", capsys)
