"""`cxstream checkpoint`, and backups: copies of a data directory while the server goes on."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import cxstream
import cxstream_client as cx
from cxstream_client.errors import PreconditionFailed
from tests.serving import serving

Run = Callable[..., Any]

PROGRAM = {
    "name": "p",
    "questions": {"nps": {"kind": "nps"}},
    "dimensions": {"number": {"max_levels": 100_000}},
}
COPIES = 5


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def client(data: Path) -> Iterator[cx.Client]:
    with serving(data) as address, cx.connect(address) as client:
        client.put_program(PROGRAM)
        yield client


def send(client: cx.Client, numbers: range, producer: str = "a") -> None:
    with client.append("p", producer=producer) as stream:
        for number in numbers:
            stream.send({"nps": [number % 11], "number": [str(number)]})


def copy(data: Path, to: Path) -> Path:
    # By another process, as a backup would: SQLite's locks end where their own process closes the file.
    subprocess.run(["cp", "-r", str(data), str(to)], check=True)
    return to


def copy_in_order(data: Path, to: Path) -> Path:
    """Copy as `cxstream checkpoint` says."""
    to.mkdir()
    subprocess.run(["cp", str(data / "catalogue.sqlite"), str(to)], check=True)
    parts = [str(data / name) for name in ("history", "journal", "snapshots")]
    subprocess.run(["cp", "-r", *parts, str(to)], check=True)
    return to


def answers(client: cx.Client) -> object:
    return client.nps("p", "nps", by="number").to_arrow()


def test_a_copy_is_a_backup(client: cx.Client, data: Path, tmp_path: Path, run: Run) -> None:
    send(client, range(50))
    ran = run("checkpoint", "--target", client.target, "--json")
    assert ran.code == 0, ran.err
    size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    assert ran.json == {"programs": 1, "responses": 50, "batches": 50, "bytes": size}
    assert (data / "catalogue.sqlite-wal").stat().st_size == 0
    assert len(list((data / "snapshots").iterdir())) == 1
    expected = answers(client)
    backup = copy(data, tmp_path / "backup")
    send(client, range(50, 80))
    assert client.program_info("p").responses == 80
    ran = run("verify", backup)
    assert ran.code == 0, ran.out
    assert "1 of 1 compared" in ran.out
    with cxstream.Engine.open(backup) as restored:
        assert answers(restored) == expected
        # The producer goes on where the backup ends.
        send(restored, range(50, 80))
        assert answers(restored) == answers(client)


def test_catalogue_journal_and_snapshots_are_all(
    client: cx.Client, data: Path, tmp_path: Path, run: Run
) -> None:
    send(client, range(20))
    assert client.checkpoint() == cx.Checkpoint(1, 20, 20, client.checkpoint().bytes)
    backup = copy_in_order(data, tmp_path / "backup")
    assert run("verify", backup).code == 0
    with cxstream.Engine.open(backup) as restored:
        assert answers(restored) == answers(client)


def test_while_responses_come_in(client: cx.Client) -> None:
    """Appends go on around checkpoints, and nothing of them is lost or doubled."""
    done = threading.Event()

    def checkpoints() -> None:
        while not done.is_set():
            client.checkpoint()

    thread = threading.Thread(target=checkpoints)
    thread.start()
    try:
        send(client, range(300))
    finally:
        done.set()
        thread.join()
    assert client.checkpoint().responses == 300
    assert len(client.nps("p", "nps", by="number")) == 300


def test_in_memory_there_is_none(address: str, run: Run) -> None:
    ran = run("checkpoint", "--target", address)
    assert ran.code == 1
    assert "--data DIR" in ran.err
    with cx.connect(address) as client, pytest.raises(PreconditionFailed) as refused:
        client.checkpoint()
    assert refused.value.reason == "NO_DATA_DIRECTORY"
    with cxstream.Engine.open() as client, pytest.raises(PreconditionFailed):
        client.checkpoint()


def test_in_process(data: Path) -> None:
    with cxstream.Engine.open(data) as client:
        assert client.checkpoint().programs == 0
        client.put_program(PROGRAM)
        send(client, range(3))
        assert client.checkpoint().responses == 3


@contextmanager
def appends(client: cx.Client) -> Iterator[threading.Thread]:
    """Send one batch after the other meanwhile."""
    done = threading.Event()

    def run() -> None:
        with client.append("p", producer="a") as stream:
            for number in itertools.count():
                if done.is_set():
                    return
                stream.send({"nps": [number % 11], "number": [str(number)]})

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        done.set()
        thread.join()


def wait_for(client: cx.Client, responses: int, sender: threading.Thread) -> None:
    while client.program_info("p").responses < responses:
        assert sender.is_alive()
        time.sleep(0.01)


def test_copies_while_responses_come_in(client: cx.Client, data: Path, tmp_path: Path) -> None:
    """They open to a prefix of each producer's batches, or are refused by name; nothing else."""
    with appends(client) as sender:
        for number in range(COPIES):
            wait_for(client, 100 * (number + 1), sender)
            has_checkpoint = number % 2 == 1
            least = client.checkpoint().responses if has_checkpoint else 0
            copied = copy_in_order if has_checkpoint else copy
            backup = copied(data, tmp_path / f"backup-{number}")
            check_prefix(backup, least)
            shutil.rmtree(backup)


def check_prefix(backup: Path, least: int) -> None:
    try:
        restored = cxstream.Engine.open(backup)
    except cxstream.errors.FailedPreconditionError as refused:
        assert refused.reason == "STORE_DAMAGED"  # noqa: PT017
        return
    with restored:
        count = restored.program_info("p").responses
        assert count >= least
        levels = {row.group["number"] for row in restored.nps("p", "nps", by="number")}
        assert levels == {str(one) for one in range(count)}
        with restored.append("p", producer="a") as stream:
            assert stream.next_sequence == count
