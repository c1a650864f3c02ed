"""A program that changes while responses are stored: the one before answers until it is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cxstream_client as cx
from cxstream import rebuilding
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.store import CustomerKeys, DirectoryStore
from cxstream.upkeep import KeeperSettings
from tests.waiting import WAIT_S, until

OLD: dict[str, Any] = {
    "name": "p",
    "questions": {"a": {"kind": "nps"}},
    "dimensions": {"shop": {}},
    "customer": {"column": "who"},
}
NEW: dict[str, Any] = {
    **OLD,
    "questions": {**OLD["questions"], "b": {"kind": "rating", "scale": [1, 5]}},
    "models": {"m": {"outcome": "a", "drivers": ["b"]}},
}


class Gate:
    """Holds up counting what is stored, until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        self.counts = 0

    def recount(self, *args: Any, on_rows: Callable[[int, int], None], **options: Any) -> None:
        self.counts += 1
        self.reached.set()
        while not self.open.wait(0.01):
            on_rows(1, 3)
        RECOUNT(*args, on_rows=on_rows, **options)


RECOUNT = rebuilding.recount


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(rebuilding, "recount", gate.recount)
    return gate


def opened(path: Path) -> tuple[Engine, cx.Client]:
    engine = Engine(
        threads=1,
        store=DirectoryStore(path),
        customer_keys=CustomerKeys({1: b"secret" * 8}),
        keeper=KeeperSettings(seal_age_s=3600),
    )
    return engine, open_client(engine)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine, client = opened(tmp_path)
    client.put_program(OLD)
    send(client, {"a": [10, 9, 0], "shop": ["k", None, "k"], "who": ["x", "y", "x"]})
    yield engine
    client.close()


def send(client: cx.Client, rows: dict[str, list[Any]]) -> None:
    with client.append("p", producer="me") as stream:
        stream.send(rows)


LATE = {"a": [1, 2], "b": [5, 1], "shop": ["k", "l"], "who": ["x", "z"]}


def fresh(tmp_path: Path, *frames: dict[str, list[Any]]) -> bytes:
    """Return the sums of an engine that had the new program from the start."""
    engine = Engine(threads=1, store=None)
    with open_client(engine) as client:
        client.put_program(NEW)
        for one in frames:
            rows = len(one["a"])
            send(client, {name: one.get(name, [None] * rows) for name in (*LATE,)})
        return engine.snapshot("p")


def rebuilt(client: cx.Client) -> cx.ProgramInfo:
    def ended() -> bool:
        nonlocal info
        info = client.program_info("p")
        return info.rebuild is None or bool(info.rebuild.failed)

    info = client.program_info("p")
    until(ended)
    return info


def test_the_program_before_answers_meanwhile(engine: Engine, gate: Gate, tmp_path: Path) -> None:
    client = open_client(engine)
    info = client.put_program(NEW, wait=False)
    assert (info.version, info.changed) == (2, True)
    assert gate.reached.wait(WAIT_S)
    while (now := client.program_info("p").rebuild) is None or now.rows_all == 0:
        pass
    assert now == cx.Rebuild(1, 3, "")
    assert client.nps("p", "a").n == 3
    assert client.nps("p", "a").as_of.program_version == 1
    for ask in (lambda: client.csat("p", "b"), lambda: client.regression("p", "m")):
        with pytest.raises(cx.CxstreamError, match=r"version 2 .* 1 of 3 stored") as refused:
            ask()
        assert refused.value.reason == "REBUILDING"
    # By the new declaration, and in the answers at once.
    send(client, LATE)
    assert client.nps("p", "a").n == 5
    assert client.put_program(NEW, wait=False).changed is False
    gate.open.set()
    assert rebuilt(client).version == 2
    assert client.csat("p", "b")[0].n == 2
    assert client.nps("p", "a").as_of.program_version == 2
    first = {"a": [10, 9, 0], "shop": ["k", None, "k"]}
    assert engine.snapshot("p") == fresh(tmp_path, first, LATE)


def test_an_erasure_meanwhile(engine: Engine, gate: Gate, tmp_path: Path) -> None:
    client = open_client(engine)
    client.put_program(NEW, wait=False)
    assert gate.reached.wait(WAIT_S)
    send(client, LATE)
    assert client.erase("p", "x").responses == 3
    assert client.nps("p", "a").n == 2
    gate.open.set()
    rebuilt(client)
    assert gate.counts == 2
    assert engine.snapshot("p") == fresh(tmp_path, {"a": [9]}, {"a": [2], "b": [1], "shop": ["l"]})


def test_another_change_meanwhile(engine: Engine, gate: Gate) -> None:
    client = open_client(engine)
    client.put_program(NEW, wait=False)
    assert gate.reached.wait(WAIT_S)
    newer = {**NEW, "dimensions": {"shop": {}, "till": {}}}
    client.put_program(newer, wait=False)
    send(client, {**LATE, "till": ["1", None]})
    gate.open.set()
    assert rebuilt(client).version == 3
    assert {row.group["till"]: row.n for row in client.nps("p", "a", by=["till"])} == {
        "1": 1,
        None: 4,
    }


def test_closed_meanwhile(tmp_path: Path, gate: Gate) -> None:
    _, client = opened(tmp_path)
    client.put_program(OLD)
    send(client, {"a": [10, 9, 0], "shop": ["k", None, "k"], "who": ["x", "y", "x"]})
    client.put_program(NEW, wait=False)
    assert gate.reached.wait(WAIT_S)
    client.close()
    _, client = opened(tmp_path)
    info = client.program_info("p")
    assert (info.version, info.rebuild) == (2, None)
    assert client.csat("p", "b")[0].dropped == {"null": 3}
    client.close()


def test_what_cannot_be_counted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no such luck")

    client = open_client(engine)
    with monkeypatch.context() as patched:
        patched.setattr(rebuilding, "recount", broken)
        with pytest.raises(cx.PreconditionFailed, match="no such luck"):
            client.put_program(NEW)
        assert client.nps("p", "a").n == 3
        assert client.program_info("p").rebuild.failed == "no such luck"  # type: ignore[union-attr]
    assert "cannot be counted afresh" in caplog.text
    # Asked for again, it is tried again.
    assert client.put_program(NEW).rebuild is None
    assert client.csat("p", "b")[0].dropped == {"null": 3}
