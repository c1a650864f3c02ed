"""A data directory: what it refuses, what it cuts off, what it keeps."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

import cxstream_client as cx
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.errors import FailedPreconditionError
from cxstream.program import compile_plan, program_from_dict
from cxstream.recount import recount
from cxstream.store import Batch, DirectoryStore, StoredProgram, journal
from cxstream.store.places import DIRECT_BYTES
from cxstream.store.segment import BLOCK_BYTES, Segment
from cxstream.tally import Tally, snapshot
from tests.faults import batches, jobs, oracle
from tests.waiting import WAIT_S, until


def opened(path: Path) -> DirectoryStore:
    store = DirectoryStore(path)
    store.put_program(StoredProgram("p", {"name": "p"}, 1))
    return store


def filled(path: Path, count: int = 1) -> Path:
    """Make a store with batches of 4 bytes, close it, and return its segment."""
    store = opened(path)
    for number in range(count):
        store.commit(batch(number))
    store.close()
    return path / "journal" / journal.segment_name(0)


def batch(sequence: int, body: bytes = b"body", producer: str = "me") -> Batch:
    return Batch("p", producer, sequence, 1, b"digest", b"schema", body)


def batches_of(store: DirectoryStore, after: int = 0) -> list[tuple[int, Batch]]:
    with store.contents("p", after) as contents:
        return list(contents.batches)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


def refused(path: Path, reason: str, match: str) -> None:
    with pytest.raises(FailedPreconditionError, match=match) as caught:
        DirectoryStore(path)
    assert caught.value.reason == reason


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path / "catalogue.sqlite", isolation_level=None)
    connection.execute(statement)
    connection.close()


def test_one_process_at_a_time(path: Path) -> None:
    store = opened(path)
    refused(path, "STORE_IN_USE", f"in use by process {os.getpid()}; one server holds")
    store.close()
    DirectoryStore(path).close()


def test_another_format(path: Path) -> None:
    filled(path)
    change(path, "UPDATE store SET format = 7")
    refused(path, "STORE_FORMAT", "format 7, this version reads 3; open it with the version")


def test_what_is_stored_is_there_again(path: Path) -> None:
    for number in range(3):
        store = opened(path)
        assert store.next_sequence("p", "me") == number
        assert store.commit(batch(number, b"%d" % number)) == number + 1
        store.close()
    assert not (path / "catalogue.sqlite-wal").exists(), "an orderly end leaves one file"
    store = DirectoryStore(path)
    found = [(point, one.sequence, one.body) for point, one in batches_of(store)]
    assert found == [(1, 0, b"0"), (2, 1, b"1"), (3, 2, b"2")]
    assert [point for point, _ in batches_of(store, 2)] == [3]
    assert store.digest("p", "me", 1) == b"digest"
    assert store.digest("p", "me", 3) is None
    store.close()


def test_uncommitted_bytes_are_cut_off(path: Path) -> None:
    segment = filled(path)
    with segment.open("ab") as file:
        file.write(b"never committed")
    (path / "journal" / journal.segment_name(1)).write_bytes(b"nor this")
    store = DirectoryStore(path)
    assert segment.read_bytes() == b"body"
    assert [one.name for one in (path / "journal").iterdir()] == [segment.name]
    assert store.commit(batch(1)) == 2
    store.close()


@pytest.mark.parametrize("size", [None, 3])
def test_a_segment_that_is_missing_or_short(path: Path, size: int | None) -> None:
    segment = filled(path)
    kept = segment.read_bytes()
    segment.unlink()
    if size is not None:
        segment.write_bytes(kept[:size])
    refused(path, "STORE_DAMAGED", "is missing|ends before")
    segment.write_bytes(kept)
    DirectoryStore(path).close()


DAMAGE = {
    "a row": "UPDATE batch SET rows = 2",
    "a producer": "UPDATE batch SET producer = 'mf'",
    "a place": "UPDATE batch SET offset = offset + 1",
    "the last row": "DELETE FROM batch WHERE point = 2",
    "a program": "UPDATE program SET tables = '{}'",
    "a program's row": "DELETE FROM program",
    "a schema": "UPDATE schema SET message = x'00'",
    "a schema's row": "DELETE FROM schema",
    "an index": "DROP INDEX batch_sequence",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_catalogue_is_refused(path: Path, what: str) -> None:
    segment = filled(path, 2)
    before = segment.read_bytes()
    change(path, DAMAGE[what])
    refused(path, "STORE_DAMAGED", "Nothing was changed; restore it from a backup")
    assert segment.read_bytes() == before


def test_a_disk_that_does_not_read_is_told_from_bytes_that_are_wrong(path: Path) -> None:
    segment = filled(path)
    store = DirectoryStore(path)
    segment.unlink()
    segment.mkdir()  # which reads nowhere
    with pytest.raises(FailedPreconditionError, match=r"cannot be read: \[Errno 21\]"):
        batches_of(store)
    segment.rmdir()
    segment.write_bytes(bytes(BLOCK_BYTES))
    with pytest.raises(FailedPreconditionError, match="is not what was stored"):
        batches_of(store)
    store.close()


def test_a_catalogue_that_lost_its_log_is_refused(tmp_path: Path, path: Path) -> None:
    store = opened(path)
    store.commit(batch(0))
    killed = tmp_path / "killed"
    shutil.copytree(path, killed)
    store.close()
    log = killed / "catalogue.sqlite-wal"
    log.write_bytes(log.read_bytes()[:-1])
    refused(killed, "STORE_DAMAGED", "lost what it had committed")
    (killed / "committed").unlink()
    DirectoryStore(killed).close()


def test_segments_rotate(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES_MAX", 2 * BLOCK_BYTES + 100)
    for start in (0, 10):
        store = opened(path)
        for number in range(start, start + 10):
            store.commit(batch(number, bytes([number]) * (BLOCK_BYTES - 100)))
        store.close()
    assert len(list((path / "journal").iterdir())) == 7
    store = DirectoryStore(path)
    assert [one.body[0] for _, one in batches_of(store)] == list(range(20))
    store.close()


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_the_journal_goes_as_far_as_everything_is_sealed(
    path: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cxstream.store.directory.TRIM_BATCHES_MAX", at_once)
    store = opened(path)
    store.put_program(StoredProgram("q", {"name": "q"}, 1))
    points: dict[str, list[int]] = {"p": [], "q": []}
    sealed = {"p": 0, "q": 0}

    def more(*names: str) -> None:
        for name in names:
            one = Batch(name, "me", len(points[name]), 3, b"digest", b"schema", b"body")
            points[name].append(store.commit(one))

    def check() -> None:
        for name, some in points.items():
            left = [point for point in some if point > sealed[name]]
            assert store.unsealed(name) == (3 * len(left), max(left, default=0))

    check()
    more("p", "q", "q", "p", "p", "q")
    check()
    for name, place in (("q", 1), ("p", 2), ("q", 2), ("p", 4)):
        more("p", "q")
        check()
        sealed[name] = points[name][place]
        store.put_sealed(name, sealed[name], [])
        check()
        store.trim()
        check()
        first = min(point for one, some in points.items() for point in some if point > sealed[one])
        ((there,),) = store._rows("SELECT MIN(point) FROM batch NOT INDEXED")
        assert there == first
    store.close()
    store = DirectoryStore(path)
    check()
    store.close()


def test_large_batches_are_read_as_they_were_stored(path: Path) -> None:
    store = opened(path)
    sizes = [10, DIRECT_BYTES, 3 * DIRECT_BYTES + 7, 5000, DIRECT_BYTES - 1]
    bodies = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    store.commit(*[batch(number, body) for number, body in enumerate(bodies)])
    assert [one.body for _, one in batches_of(store)] == bodies
    store.close()
    segment = next((path / "journal").iterdir())
    with segment.open("r+b") as file:
        file.seek(sizes[0] + sizes[1])
        file.write(b"x")
    store = DirectoryStore(path)
    with pytest.raises(FailedPreconditionError, match="batch 2 of producer"):
        batches_of(store)
    store.close()


def test_commits_share_syncs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(path)
    syncs = []
    entered, go = threading.Event(), threading.Event()
    real = Segment.sync

    def slow(file: Segment) -> None:
        syncs.append(file)
        entered.set()
        assert go.wait(WAIT_S)
        real(file)

    monkeypatch.setattr(Segment, "sync", slow)
    threads = [
        threading.Thread(target=store.commit, args=(batch(0, producer=f"p{number}"),))
        for number in range(20)
    ]
    threads[0].start()
    assert entered.wait(WAIT_S)
    for thread in threads[1:]:
        thread.start()
    until(lambda: store._journal._queue.qsize() == 19)
    go.set()
    for thread in threads:
        thread.join()
    assert store._journal.batches == 20
    assert len(syncs) == store._journal.groups - 1 == 2  # one more group held the program
    store.close()


def test_concurrent_commits_are_each_there(path: Path) -> None:
    store = opened(path)

    def many(producer: str) -> None:
        for number in range(50):
            store.commit(batch(number, producer.encode() * (number + 1), producer))

    threads = [threading.Thread(target=many, args=(f"p{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = list(batches_of(store))
    assert [point for point, _ in found] == list(range(1, 301))
    assert all(one.body == one.producer.encode() * (one.sequence + 1) for _, one in found)
    store.close()


# --- with an engine -------------------------------------------------------------------------------


def engine_on(path: Path) -> Engine:
    """Open the engine of the fault tests, whose programs have customers."""
    return oracle.open_engine(path, oracle.Logs(path.parent), seal_age_s=oracle.NEVER_S)


@pytest.mark.parametrize("damage", ["none", "missing", "flipped", "short"])
def test_a_snapshot_costs_nothing_but_time(tmp_path: Path, path: Path, damage: str) -> None:
    jobs.ingest(str(path), str(tmp_path), 3, producers=2, count=10)
    (kept,) = (path / "snapshots").iterdir()
    data = kept.read_bytes()
    if damage == "missing":
        kept.unlink()
    elif damage == "flipped":
        kept.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    elif damage == "short":
        kept.write_bytes(data[:-1])
    engine = engine_on(path)
    sums = engine.snapshot(batches.NAME)
    assert engine.programs()[0].batches == 20
    engine.close()
    sent = oracle.check_directory(path, oracle.Logs(tmp_path))
    assert sums == oracle.expected_sums(batches.tables(), sent)


def changed(number: int) -> dict[str, object]:
    """Return the program with one more model, and another view."""
    tables = batches.tables(number)
    return tables | {
        "models": tables["models"] | {f"n{number}": {"outcome": "food", "drivers": ["nps"]}},
        "views": [{"by": ["region", "shop"]}],
    }


def test_changes_persist_and_are_counted_afresh(tmp_path: Path, path: Path) -> None:
    jobs.ingest(str(path), str(tmp_path), 3, producers=2, count=10)
    engine = engine_on(path)
    open_client(engine).put_program(changed(2))
    sums = engine.snapshot(batches.NAME)
    engine.close()
    engine = engine_on(path)
    tables, info = engine.program_tables(batches.NAME)
    assert (info.version, tables["label"]) == (2, "version 2")
    assert engine.snapshot(batches.NAME) == sums
    fresh = Tally(compile_plan(program_from_dict(changed(2))))
    recount(engine._store, program_from_dict(changed(2)), fresh)
    assert snapshot(fresh) == sums
    engine.close()


def test_put_program_while_appends_are_under_way(tmp_path: Path, path: Path) -> None:
    client = open_client(engine_on(path))
    client.put_program(batches.tables())
    logs = oracle.Logs(tmp_path)
    why: list[str] = []

    def send(name: str) -> None:
        why.extend(jobs.send(client, logs, 3, name, 60))

    threads = [threading.Thread(target=send, args=(name,)) for name in batches.PRODUCERS]
    for thread in threads:
        thread.start()
    for number in range(2, 12, 2):
        client.put_program(changed(number))
    for thread in threads:
        thread.join()
    assert not why
    client.close()
    assert len(logs.acks()) == 240
    sent = oracle.check_directory(path, logs)
    engine = engine_on(path)
    assert engine.snapshot(batches.NAME) == oracle.expected_sums(changed(10), sent)
    engine.close()


def test_texts_keep_the_meaning_they_came_with(tmp_path: Path, path: Path) -> None:
    """Stored texts are read again at a restart: a label may change only if the old text stays."""

    def tables(options: dict[str, str], **more: object) -> dict[str, object]:
        question = {"kind": "choice", "options": options, **more}
        return {"name": "t", "questions": {"pick": question}}

    client = open_client(engine_on(path))
    client.put_program(tables({"1": "Food", "2": "Wifi"}))
    with client.append("t", producer="me") as stream:
        stream.send({"pick": ["Food", "Food", "Wifi"]})
    for options in ({"1": "Wifi", "2": "Food"}, {"1": "Restaurants", "2": "Wifi"}):
        with pytest.raises(cx.PreconditionFailed, match=r"text 'Food' .* keep it in values"):
            client.put_program(tables(options))
    client.put_program(tables({"1": "Restaurants", "2": "Wifi"}, values={"Food": "1"}))
    with client.append("t", producer="me") as stream:
        stream.send({"pick": ["Restaurants", "Food"]})
    killed = tmp_path / "killed"
    shutil.copytree(path, killed)
    before = client.scorecard("t", "pick")[0].options
    client.close()
    again = open_client(engine_on(killed))
    assert again.scorecard("t", "pick")[0].options == before
    assert [(one.label, one.count) for one in before] == [("Restaurants", 4), ("Wifi", 1)]
    again.close()
