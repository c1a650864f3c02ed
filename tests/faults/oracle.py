"""The one judge of all faults.

A client writes to the intent log before it sends a batch and to the ack log after its
acknowledgement; the logs lie outside of what the fault hits. After the fault:

- acked is a subset of stored, stored a subset of sent;
- each (producer, sequence) is there at most once, a producer's sequences without a gap;
- each batch is whole: the very bytes that were sent;
- the engine's sums are those of an engine that was given exactly these batches by the clients, those
  counted from the stored rows, and what plain Python counts.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.program import compile_plan, program_from_dict
from cxstream.recovery import recount
from cxstream.store import DirectoryStore
from cxstream.tally import Tally, snapshot
from cxstream_api.v1.append_service_pb2 import AppendOpen, AppendRequest
from cxstream_client import Client
from tests.faults import batches


class Logs:
    """Intents and acknowledgements of all producers, one line each."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._lock = threading.Lock()
        self._files: dict[str, int] = {}

    def intent(self, producer: str, sequence: int, content: int) -> None:
        self._write("intents", f"{producer} {sequence} {content}\n")

    def ack(self, producer: str, sequence: int) -> None:
        self._write("acks", f"{producer} {sequence}\n")

    def _write(self, name: str, line: str) -> None:
        with self._lock:
            if name not in self._files:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
                self._files[name] = os.open(self._folder / name, flags, 0o600)
            # One write of a short line: whole in the kernel once it returns, whoever is killed.
            os.write(self._files[name], line.encode())

    def intents(self) -> dict[tuple[str, int], int]:
        out: dict[tuple[str, int], int] = {}
        for producer, sequence, content in self._lines("intents"):
            known = out.setdefault((producer, int(sequence)), int(content))
            assert known == int(content), "a client changed what it sends under a sequence"
        return out

    def acks(self) -> set[tuple[str, int]]:
        return {(producer, int(sequence)) for producer, sequence in self._lines("acks")}

    def _lines(self, name: str) -> list[list[str]]:
        path = self._folder / name
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


@dataclass(frozen=True)
class Verdict:
    """What was found; equal verdicts mean that nothing changed."""

    acked: int
    stored: int
    sent: int
    rows: int
    points: tuple[int, ...]
    sums: bytes


def stored_batches(path: str | Path) -> list[tuple[int, str, int, bytes]]:
    """Return point, producer, sequence and body of all that is stored; nothing is counted."""
    store = DirectoryStore(Path(path))
    try:
        return [
            (point, batch.producer, batch.sequence, batch.body)
            for point, batch in store.batches(batches.NAME, 0)
        ]
    finally:
        store.close()


def check_stored(
    found: list[tuple[int, str, int, bytes]], logs: Logs
) -> list[tuple[str, int, int]]:
    """Check what is stored against the logs, and return it as (producer, sequence, content)."""
    intents, acks = logs.intents(), logs.acks()
    keys = Counter((producer, sequence) for _, producer, sequence, _ in found)
    doubled = [key for key, count in keys.items() if count > 1]
    assert not doubled, f"stored twice: {doubled}"
    lost = acks - keys.keys()
    assert not lost, f"acknowledged and lost: {sorted(lost)}"
    strange = keys.keys() - intents.keys()
    assert not strange, f"stored and never sent: {sorted(strange)}"
    points = [point for point, *_ in found]
    assert points == sorted(set(points))
    out = []
    expected: Counter[str] = Counter()
    for _, producer, sequence, body in found:
        assert sequence == expected[producer], f"{producer}: {sequence} is out of order"
        expected[producer] += 1
        content = intents[producer, sequence]
        assert body == batches.message(content)[2], f"{producer} {sequence}: not what was sent"
        out.append((producer, sequence, content))
    return out


def check_answers(client: Client, contents: list[int]) -> None:
    """Check a client's answers against what plain Python counts."""
    info = client.program_info(batches.NAME)
    expected = batches.counts(contents)
    assert info.responses == expected["nps/"].total()
    assert info.batches == len(contents)
    for key, counter in expected.items():
        question, dimension = key.split("/")
        by = [dimension] if dimension else []
        found: Counter[tuple[Any, ...]] = Counter()
        rows: Any
        if question == "pick":
            rows = client.scorecard(batches.NAME, question, by=by)
        else:
            rows = client.distribution(batches.NAME, question, by=by)
        for row in rows:
            group = row.group.get(dimension)
            if question == "pick":
                shares = {one.option: one.count for one in row.options}
            else:
                shares = {one.level: one.count for one in row.levels}
            dropped = {name.removeprefix("missing:"): n for name, n in row.dropped.items()}
            for answer, count in (shares | dropped).items():
                if count:
                    found[group, answer] += count
        assert found == counter, f"{key}: {found} is not {counter}"


def expected_sums(tables: Any, sent: list[tuple[str, int, int]]) -> bytes:
    """Return the sums of an engine that the clients gave exactly these batches."""
    engine = Engine(threads=1)
    with open_client(engine) as client:
        client.put_program(tables)
        for name in sorted({producer for producer, *_ in sent}):

            def requests(name: str = name) -> Iterator[AppendRequest]:
                yield AppendRequest(
                    open=AppendOpen(
                        program=batches.NAME, producer=name, arrow_schema=batches.schema_message()
                    )
                )
                for producer, sequence, content in sent:
                    if producer == name:
                        yield batches.request(sequence, content)

            _, *replies = client._transport.append(requests())
            assert all(one.HasField("ack") and not one.ack.duplicate for one in replies)
        return engine.snapshot(batches.NAME)


def check(path: str | Path, logs: Logs, *, thorough: bool = False) -> Verdict:
    """Open the directory in this process, and check everything there is to check.

    The stored bytes are those that the intent log stands for, so sums counted from the former are
    those counted from the latter; `thorough` sends them all to another engine once more.
    """
    store = DirectoryStore(Path(path))
    engine = Engine(threads=1, store=store)
    client = open_client(engine)
    if not engine.programs():
        assert not logs.acks()
        return Verdict(0, 0, len(logs.intents()), 0, (), b"")
    found = [
        (point, batch.producer, batch.sequence, batch.body)
        for point, batch in store.batches(batches.NAME, 0)
    ]
    sent = check_stored(found, logs)
    sums = engine.snapshot(batches.NAME)
    tables, info = engine.program_tables(batches.NAME)
    program = program_from_dict(tables)
    tally = Tally(compile_plan(program))
    recount(store, program, tally, 0, 2**63)
    assert snapshot(tally) == sums
    if thorough:
        assert expected_sums(tables, sent) == sums
    check_answers(client, [content for *_, content in sent])
    points = tuple(point for point, *_ in found)
    return Verdict(len(logs.acks()), len(found), len(logs.intents()), info.responses, points, sums)
