"""The one judge of all faults.

A client writes to the intent log before it sends a batch and to the ack log after its
acknowledgement, and likewise for what it has removed: customers and months. The logs lie outside of
what the fault hits. After the fault:

- acked is a subset of stored, stored a subset of sent;
- each (producer, sequence) is there at most once, a producer's sequences without a gap;
- each response that was not removed is there, the very one that was sent, once; those of a removal
  that was acknowledged are not, those of one that was only begun are there all or not at all;
- the engine's sums are those of an engine that was given exactly these responses by the clients,
  those counted from the stored rows, and what plain Python counts.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxstream.columns import stored_schema
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.program import Program, compile_plan, program_from_dict
from cxstream.recount import recount
from cxstream.store import CustomerKeys, DirectoryStore
from cxstream.store.customers import add_key
from cxstream.tally import Tally, snapshot
from cxstream.upkeep import KeeperSettings
from cxstream.upkeep.rows import batch_rows, read
from cxstream_client import Client
from tests.faults import batches, bulk

#: Longer than any test: nothing goes to the history by itself.
NEVER_S = 3600.0


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

    def removal(self, kind: str, what: str, until: dict[str, int], *, acked: bool) -> None:
        """Log that a customer or the months before one are to go, or are gone.

        `until` has the sequences that the batches before it come before, by producer.
        """
        name = "removed" if acked else "removals"
        self._write(name, json.dumps([kind, what, until]) + "\n")

    def removals(self) -> list[tuple[str, str, dict[str, int], bool]]:
        found = [
            [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
            for path in (self._folder / "removals", self._folder / "removed")
        ]
        return [(*one, one in found[1]) for one in found[0]]

    def of_bulk(self) -> Logs:
        """Return the logs of `bulk`'s producer."""
        folder = self._folder / bulk.NAME
        folder.mkdir(exist_ok=True)
        return Logs(folder)

    @property
    def secret(self) -> bytes:
        """Return the first secret of the file that customers' keys are hashed with."""
        return CustomerKeys.load(self.keys)._secrets[1]

    @property
    def keys(self) -> Path:
        """Return that file, made where there is none."""
        path = self._folder / "customers.toml"
        if not path.exists():
            add_key(path)
        return path

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
    sequences: tuple[int, ...]
    sums: bytes


Stored = dict[tuple[str, int], dict[int, tuple[Any, ...]]]


def open_engine(path: str | Path, logs: Logs, **settings: Any) -> Engine:
    """Open a directory's engine, its history kept as `settings` say."""
    return Engine(
        threads=1,
        store=DirectoryStore(Path(path)),
        customer_keys=CustomerKeys.load(logs.keys),
        keeper=KeeperSettings(**settings),
    )


def stored_rows(store: DirectoryStore, program: Program) -> Stored:
    """Return all responses that are stored: by producer and sequence, then by row."""
    out: Stored = {}
    points: dict[tuple[str, int], int] = {}
    with store.contents(program.name) as contents:
        tables = [read(store, program, one) for one in contents.files]
        tables += [pa.table(batch_rows(point, batch, program)) for point, batch in contents.batches]
    columns = stored_schema(program).names
    for table in tables:
        for row in table.to_pylist():
            key = (row["_producer"], row["_sequence"])
            assert points.setdefault(key, row["_point"]) == row["_point"]
            there = out.setdefault(key, {})
            assert row["_row"] not in there, f"stored twice: row {row['_row']} of {key}"
            there[row["_row"]] = tuple(row[name] for name in columns)
    assert len(set(points.values())) == len(points)
    return out


def check_stored(
    found: Stored, sequences: dict[str, int], logs: Logs
) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Check what is stored against the logs, and return the responses as they were sent."""
    intents, acks = logs.intents(), logs.acks()
    stored = {(producer, one) for producer, count in sequences.items() for one in range(count)}
    lost = acks - stored
    assert not lost, f"acknowledged and lost: {sorted(lost)}"
    strange = stored - intents.keys()
    assert not strange, f"stored and never sent: {sorted(strange)}"
    assert found.keys() <= stored, f"rows without a batch: {sorted(found.keys() - stored)}"
    expected = {
        (*key, number): row
        for key in stored
        for number, row in enumerate(batches.rows_of(intents[key]))
    }
    present = {(*key, number) for key, rows in found.items() for number in rows}
    assert present <= expected.keys(), f"strange: {sorted(present - expected.keys())}"
    # What is gone is all of some removals, those that were acknowledged among them: one that an end of
    # the process came before may share rows with others.
    gone = expected.keys() - present
    removed: set[tuple[str, int, int]] = set()
    for removal in logs.removals():
        kind, what, until, acked = removal
        theirs = {
            key
            for key, row in expected.items()
            if key[1] < until.get(key[0], 0)
            and (row["who"] == what if kind == "customer" else batches.month_of(row) < what)
        }
        if acked:
            assert theirs <= gone, f"removed and still there: {removal}: {sorted(theirs - gone)}"
        if theirs <= gone:
            removed |= theirs
    assert gone == removed, f"lost, or removed by halves: {sorted(gone - removed)}"
    for key in gone:
        del expected[key]
    secret = logs.secret
    out: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for key in sorted(expected):
        row = expected[key]
        assert found[key[:2]][key[2]] == batches.kept(row, secret), f"{key}: not what was sent"
        out.setdefault(key[:2], []).append(row)
    return out


def check_directory(path: str | Path, logs: Logs) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Check a directory that nobody has open, and return its responses as they were sent."""
    store = DirectoryStore(Path(path))
    try:
        (declared,) = store.programs()
        found = stored_rows(store, program_from_dict(declared.tables))
        sequences = {name: store.next_sequence(batches.NAME, name) for name in batches.PRODUCERS}
        return check_stored(found, sequences, logs)
    finally:
        store.close()


def rows_of(contents: Iterable[int]) -> list[dict[str, Any]]:
    """Return the responses of batches."""
    return [row for content in contents for row in batches.rows_of(content)]


def check_answers(client: Client, rows: list[dict[str, Any]]) -> None:
    """Check a client's answers against what plain Python counts."""
    info = client.program_info(batches.NAME)
    expected = batches.counts(rows)
    assert info.responses == expected["nps/"].total()
    for key, counter in expected.items():
        question, dimension = key.split("/")
        by = [dimension] if dimension else []
        found: Counter[tuple[Any, ...]] = Counter()
        answer: Any
        if question == "pick":
            answer = client.scorecard(batches.NAME, question, by=by)
        else:
            answer = client.distribution(batches.NAME, question, by=by)
        for row in answer:
            group = row.group.get(dimension)
            if question == "pick":
                shares = {one.option: one.count for one in row.options}
            else:
                shares = {one.level: one.count for one in row.levels}
            dropped = {name.removeprefix("missing:"): n for name, n in row.dropped.items()}
            for level, count in (shares | dropped).items():
                if count:
                    found[group, level] += count
        assert found == counter, f"{key}: {found} is not {counter}"


def expected_sums(tables: Any, sent: dict[tuple[str, int], list[dict[str, Any]]]) -> bytes:
    """Return the sums of an engine that the clients gave exactly these responses."""
    engine = Engine(threads=1)
    with open_client(engine) as client:
        client.put_program(tables)
        for name in sorted({producer for producer, _ in sent}):
            with client.append(batches.NAME, producer=name) as stream:
                for (producer, _), rows in sent.items():
                    if producer == name:
                        stream.send(pa.RecordBatch.from_pylist(rows, schema=batches.SCHEMA))
        return engine.snapshot(batches.NAME)


def check_bulk(engine: Engine, client: Client, logs: Logs, *, thorough: bool) -> bytes:
    """Check the large batches' program, and return its sums."""
    store = engine._store
    assert isinstance(store, DirectoryStore)
    intents, acks = logs.intents(), logs.acks()
    if bulk.NAME not in [one.name for one in store.programs()]:
        assert not acks
        return b""
    sequences = range(store.next_sequence(bulk.NAME, bulk.PRODUCER))
    stored = {(bulk.PRODUCER, one) for one in sequences}
    assert acks <= stored, f"acknowledged and lost: {sorted(acks - stored)}"
    assert stored <= intents.keys(), f"never sent: {sorted(stored - intents.keys())}"
    declared, _ = engine.program_tables(bulk.NAME)
    program = program_from_dict(declared)
    sums = engine.snapshot(bulk.NAME)
    tally = Tally(compile_plan(program))
    recount(store, program, tally)
    assert snapshot(tally) == sums
    if not sequences:
        return sums
    with store.contents(bulk.NAME) as contents:
        tables = [read(store, program, one) for one in contents.files]
        tables += [pa.table(batch_rows(point, batch, program)) for point, batch in contents.batches]
    contents_sent = [intents[bulk.PRODUCER, one] for one in sequences]
    expected = bulk.kept(contents_sent)
    found = pa.concat_tables(tables).sort_by([("_sequence", "ascending"), ("_row", "ascending")])
    for name in expected.schema.names:
        assert found[name].equals(expected[name]), f"{name}: not what was sent"
    assert found["_producer"].unique().to_pylist() == [bulk.PRODUCER]
    assert len(pc.unique(found["_point"])) == len(sequences)
    (answer,) = client.distribution(bulk.NAME, "nps")
    levels = {int(one.level): one.count for one in answer.levels if one.count}
    values = expected["nps"].to_numpy(zero_copy_only=False)
    known = values[~np.isnan(values) & (values != 99)]
    assert levels == Counter(known.astype(int).tolist())
    if thorough:
        other = Engine(threads=1)
        with open_client(other) as again:
            again.put_program(declared)
            with again.append(bulk.NAME, producer=bulk.PRODUCER) as stream:
                for content in contents_sent:
                    stream.send(bulk.frame(content))
            assert other.snapshot(bulk.NAME) == sums
    return sums


def check(path: str | Path, logs: Logs, *, thorough: bool = False) -> Verdict:
    """Open the directory in this process, and check everything there is to check.

    `thorough` sends what is stored to another engine once more.
    """
    engine = open_engine(path, logs, seal_age_s=NEVER_S)
    client = open_client(engine)
    if not engine.programs():
        assert not logs.acks()
        return Verdict(0, 0, len(logs.intents()), 0, (), b"")
    assert engine._keeper is not None and isinstance(engine._store, DirectoryStore)
    # What an earlier life left undone is done once this is.
    engine._keeper.run(lambda: None)
    assert not engine._store.erasures()
    tables, info = engine.program_tables(batches.NAME)
    program = program_from_dict(tables)
    found = stored_rows(engine._store, program)
    sequences = {
        name: engine._store.next_sequence(batches.NAME, name) for name in batches.PRODUCERS
    }
    rows = check_stored(found, sequences, logs)
    sums = engine.snapshot(batches.NAME)
    tally = Tally(compile_plan(program))
    recount(engine._store, program, tally)
    assert snapshot(tally) == sums
    if thorough:
        assert expected_sums(tables, rows) == sums
    check_answers(client, [row for some in rows.values() for row in some])
    sums += check_bulk(engine, client, logs.of_bulk(), thorough=thorough)
    assert info.batches == sum(sequences.values())
    return Verdict(
        len(logs.acks()), info.batches, len(logs.intents()), info.responses,
        tuple(sequences.values()), sums,
    )  # fmt: skip
