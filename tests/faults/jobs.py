"""What forked children do: send as clients do, and judge."""

from __future__ import annotations

import ctypes
import importlib
import os
import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cxstream.columns import warm_arrow
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.errors import CxError
from cxstream.kernels.registry import warm as warm_kernels
from cxstream.store import CustomerKeys, DirectoryStore
from cxstream.upkeep import KeeperSettings
from cxstream.upkeep import compact as compact_module
from cxstream.upkeep import keeper as keeper_module
from cxstream_api.v1.append_service_pb2 import AppendOpen, AppendRequest
from cxstream_client import Client
from cxstream_client.errors import CxstreamError
from tests.faults import batches, bulk, flips, oracle

#: With it the small store is small: batches of 1 to 5 responses.
FLIPS_SEED = 14
#: Large batches without an answer; two that wait together share a commit.
BULK_WINDOW = 2


def warm() -> None:
    """Import and load all that a child needs; no thread may be started here."""
    importlib.import_module("deltalake")
    importlib.import_module("pyarrow.parquet")
    warm_kernels()
    warm_arrow()
    batches.schema_message()
    bulk.schema_message()


def send(client: Client, logs: oracle.Logs, seed: int, producer: str, count: int) -> list[str]:
    """Append batches as a producer that keeps logs, and return why any were refused."""

    def one(sequence: int) -> AppendRequest:
        content = batches.content_of(seed, producer, sequence)
        logs.intent(producer, sequence, content)
        return batches.request(sequence, content)

    opening = AppendOpen(
        program=batches.NAME, producer=producer, arrow_schema=batches.schema_message()
    )
    return _send(client, logs, opening, one, count, window=count)


def send_bulk(client: Client, logs: oracle.Logs, seed: int, count: int) -> None:
    """Append large batches, all but the first of which the engine takes by one native call."""
    taken = bulk.note_direct()

    def one(sequence: int) -> AppendRequest:
        content = bulk.content_of(seed, sequence)
        logs.intent(bulk.PRODUCER, sequence, content)
        return bulk.request(sequence, content)

    opening = AppendOpen(
        program=bulk.NAME, producer=bulk.PRODUCER, arrow_schema=bulk.schema_message()
    )
    assert not _send(client, logs, opening, one, count, window=BULK_WINDOW)
    assert taken.count(True) >= count - 1


def _send(
    client: Client,
    logs: oracle.Logs,
    opening: AppendOpen,
    one: Callable[[int], AppendRequest],
    count: int,
    *,
    window: int,
) -> list[str]:
    """Append so many batches from the next sequence on, so many of them without an answer."""
    refused: list[str] = []
    room = threading.Semaphore(window)
    first = threading.Event()
    start = [0]

    def requests() -> Iterator[AppendRequest]:
        yield AppendRequest(open=opening)
        first.wait()
        for sequence in range(start[0], start[0] + count):
            room.acquire()
            yield one(sequence)

    call = client._transport.append(requests())
    start[0] = next(call).opened.next_sequence
    first.set()
    for reply in call:
        room.release()
        if reply.HasField("ack"):
            logs.ack(opening.producer, reply.ack.sequence)
        else:
            refused.append(reply.refusal.reason)
    return refused


def ingest(
    path: str,
    logs: str,
    seed: int,
    *,
    producers: int = 1,
    count: int = 8,
    version: int = 0,
    snapshot_every: int = 512,
    seal_age_s: float = oracle.NEVER_S,
    remove: str = "",
    bulk_count: int = 0,
    close: bool = True,
) -> list[str]:
    """Open the store, declare, append side by side, remove, close.

    `bulk_count` large batches go into a program of their own.

    `remove` is "" for nothing, "after" to remove a month and a customer after the appends, or
    "meanwhile" to remove a customer during them.
    """
    keeper_module.SNAPSHOT_BATCHES = snapshot_every
    keeper_module.SNAPSHOT_PAUSE = 0
    compact_module.FILES_MIN = 2
    log = oracle.Logs(logs)
    engine = oracle.open_engine(path, log, seal_age_s=seal_age_s)
    client = open_client(engine)
    client.put_program(batches.tables(version))
    refused: list[str] = []
    failed: list[BaseException] = []
    names = batches.PRODUCERS[:producers]

    def one(producer: str) -> None:
        try:
            refused.extend(send(client, log, seed, producer, count))
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    def other() -> None:
        try:
            erase(engine, log, seed, version, names)
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    def large() -> None:
        try:
            send_bulk(client, log.of_bulk(), seed, bulk_count)
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    if bulk_count:
        client.put_program(bulk.tables(version))
        threads.append(threading.Thread(target=large))
    if remove == "meanwhile":
        threads.append(threading.Thread(target=other))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    if remove == "after":
        drop(engine, log, version)
        erase(engine, log, seed, version)
        engine.checkpoint()
    if close:
        client.close()
    return refused


def sequences(engine: Engine) -> dict[str, int]:
    """Return what each producer's next batch must carry."""
    return {name: engine._store.next_sequence(batches.NAME, name) for name in batches.PRODUCERS}


def erase(
    engine: Engine, log: oracle.Logs, seed: int, version: int, sending: tuple[str, ...] = ()
) -> None:
    """Erase a customer whom no batch under way has."""
    until = sequences(engine)
    complete = min((until[name] for name in sending), default=batches.BLOCK) // batches.BLOCK
    if not complete:
        return
    draw = random.Random(f"{seed}/{version}")
    who = batches.customer(draw.randrange(complete), draw.randrange(3))
    log.removal("customer", who, until, acked=False)
    engine.erase(batches.NAME, who)
    log.removal("customer", who, until, acked=True)


def drop(engine: Engine, log: oracle.Logs, version: int) -> None:
    """Drop the first months."""
    month = ("1970-02", "1970-03")[version % 2]
    until = sequences(engine)
    log.removal("month", month, until, acked=False)
    engine.drop_before(batches.NAME, month)
    log.removal("month", month, until, acked=True)


def check(path: str, logs: str, *, thorough: bool = False) -> oracle.Verdict:
    """Judge, and end without closing anything, which is one more kill."""
    return oracle.check(path, oracle.Logs(logs), thorough=thorough)


def open_only(path: str, logs: str) -> None:
    """Recover, and close in order."""
    oracle.open_engine(path, oracle.Logs(logs), seal_age_s=oracle.NEVER_S).close()


def append(
    path: str,
    program: str,
    rows: Any,
    *,
    producer: str = "x",
    tables: dict[str, Any] | None = None,
    keys: str = "",
    erase: str = "",
) -> None:
    """Append rows, to a program that may be new, and erase a customer of theirs; close nothing."""
    engine = Engine(
        store=DirectoryStore(Path(path)),
        customer_keys=CustomerKeys.load(Path(keys)) if keys else None,
        keeper=KeeperSettings(seal_age_s=oracle.NEVER_S),
    )
    client = open_client(engine)
    if tables is not None:
        client.put_program(tables)
    with client.append(program, producer=producer) as stream:
        stream.send(rows)
    if erase:
        client.checkpoint()
        client.erase(program, erase)


def exit_code(code: int) -> None:
    """End with a code."""
    os._exit(code)


def ingest_with_error(
    path: str, logs: str, seed: int, shim: str, *, syncs: bool, at: int, error: int, remove: str
) -> tuple[int, list[str], str]:
    """Ingest while one write or sync fails; return how many there were, refusals, the failure."""
    library = ctypes.CDLL(shim)
    library.cx_fault(path.encode(), int(syncs), at, error)
    refused: list[str] = []
    failure = ""
    try:
        refused = ingest(path, logs, seed, producers=1, count=4, snapshot_every=2, remove=remove)
    except CxstreamError as failed:
        failure = failed.reason
    except CxError as failed:
        failure = failed.reason
    except OSError as failed:
        failure = f"errno {failed.errno}"
    return library.cx_fault_calls(), refused, failure


def make_store(path: str, logs: str) -> None:
    """Make a small store with everything in it that there can be, and close it in order.

    Rows of several months in files, some in files that were joined, and of two programs in the
    journal; a month and a customer that are gone, and a customer who is still to go; digests of
    batches that are in files only; sums of all of it.
    """
    flips.prepare(Path(path))
    ingest(path, logs, FLIPS_SEED, producers=2, count=3, remove="after")
    engine = oracle.open_engine(path, oracle.Logs(logs), seal_age_s=oracle.NEVER_S)
    with open_client(engine) as client:
        client.put_program({"name": "pulse", "questions": {"mood": {"kind": "nps"}}})
        with client.append("pulse", producer="app") as stream:
            stream.send({"mood": [10, 9, 3]})
    ingest(path, logs, FLIPS_SEED, producers=2, count=1)
    store = DirectoryStore(Path(path))
    who = CustomerKeys.load(oracle.Logs(logs).keys).names(batches.NAME, batches.customer(0, 1))
    store.put_erasure(batches.NAME, who, store.counts(batches.NAME)[1])
    store.close()


def go_on(path: str, logs: str) -> None:
    """Go on with that store, append to it, and begin to erase a customer: to be killed then."""
    log = oracle.Logs(logs)
    engine = oracle.open_engine(path, log, seal_age_s=oracle.NEVER_S)
    client = open_client(engine)
    # What was left to be done is done, and sealed, before anything is in SQLite's log.
    engine.checkpoint()
    for producer in batches.PRODUCERS[:2]:
        assert not send(client, log, FLIPS_SEED, producer, 1)
    engine.erase(batches.NAME, batches.customer(0, 2))


def flip_bits(
    original: str, tasks: list[flips.Task], how: str, keys: str, work: str
) -> list[Counter[str]]:
    """Flip bits in a copy of a store, one at a time, and count what came of it."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(original, work)
    return flips.outcomes(Path(work), tasks, how, Path(keys))
