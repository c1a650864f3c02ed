"""Figures of the store: ``python -m tests.faults.measure [--rows 10000000] [--seconds 5]``."""

from __future__ import annotations

import argparse
import collections
import itertools
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import cxstream_client as cx
from cxstream.testing import serve
from cxstream_api.v1.append_service_pb2 import AppendOpen, AppendRequest
from tests.columns.wire import write
from tests.faults import batches
from tests.faults.report import say
from tests.faults.worker import ROOT

BATCH_ROWS = 65_536
PRODUCERS = 8


def fill(folder: Path, rows: int, *, sealing: bool) -> None:
    """Append so many responses, and say how fast; without sealing, end as `kill -9` does."""
    from cxstream.engine import Engine
    from cxstream.store import DirectoryStore
    from cxstream.upkeep import KeeperSettings

    draw = np.random.default_rng(1)
    regions = pa.array(["north", "south", "east"])
    indices = draw.integers(0, 3, (3, BATCH_ROWS), dtype=np.int32)
    picks = pa.array(["1", "2", "3"])
    frame = pa.record_batch(
        [
            pa.array(draw.integers(0, 11, BATCH_ROWS, dtype=np.int8)),
            pa.array(draw.integers(1, 6, BATCH_ROWS, dtype=np.int8)),
            pa.DictionaryArray.from_arrays(pa.array(indices[0]), picks),
            pa.array(draw.integers(0, 200, BATCH_ROWS) / 2),
            *[pa.DictionaryArray.from_arrays(pa.array(one), regions) for one in indices[1:]],
            pa.array(draw.integers(0, 30, BATCH_ROWS, dtype=np.int32)).cast(pa.date32()),
        ],
        schema=batches.SCHEMA.remove(batches.SCHEMA.get_field_index("who")),
    )
    schema, body = write(frame)
    program = batches.tables()
    del program["customer"]
    keeper = KeeperSettings() if sealing else KeeperSettings(seal_rows=2**40, seal_age_s=3600.0)
    engine = Engine(store=DirectoryStore(folder), keeper=keeper)
    engine.put_program(program)
    appender = engine.open_append(batches.NAME, "me")
    appender.set_schema(schema)
    started_s = time.perf_counter()
    count = -(-rows // BATCH_ROWS)
    for sequence in range(count):
        appender.append(sequence, BATCH_ROWS, body)
    took_s = time.perf_counter() - started_s
    say(
        f"{count * BATCH_ROWS:,} responses, {count * len(body) / 2**20:.0f} MiB: written in "
        f"{took_s:.1f} s ({count * BATCH_ROWS / took_s / 1e6:.2f} M/s)"
    )
    if not sealing:
        sys.stdout.flush()
        os._exit(0)
    engine.close()


def restart(rows: int, *, sealing: bool = True) -> None:
    """Restart a server of so many responses, with and without a snapshot."""
    folder = Path(tempfile.mkdtemp(prefix="cxstream-measure-"))
    try:
        process = multiprocessing.get_context("spawn").Process(
            target=fill, args=(folder, rows), kwargs={"sealing": sealing}
        )
        process.start()
        process.join()
        assert process.exitcode == 0
        for title in ("with", "without") if sealing else ("without",):
            if title == "without":
                shutil.rmtree(folder / "snapshots")
            started_s = time.perf_counter()
            with serve(folder) as address:
                took_s = time.perf_counter() - started_s
                with cx.connect(address) as connected:
                    assert connected.program_info(batches.NAME).responses >= rows
            where = "" if sealing else ", all in the journal"
            say(f"  restart {title} a snapshot{where}: serving after {took_s:.2f} s")
    finally:
        shutil.rmtree(folder)


def realistic() -> tuple[dict[str, Any], list[tuple[bytes, bytes]]]:
    """Return a program with seven questions and four dimensions, and single responses to it."""
    ratings = [f"r{number}" for number in range(6)]
    dimensions = ("region", "channel", "product")
    tables = {
        "name": "realistic",
        "questions": {
            "nps": {"kind": "nps", "missing": [99]},
            **{name: {"kind": "rating", "scale": [1, 5]} for name in ratings},
        },
        "dimensions": {name: {} for name in dimensions},
        "time": {"column": "at", "buckets": ["month"]},
        "views": [{"by": list(two)} for two in itertools.combinations(dimensions, 2)],
        "models": {"m": {"outcome": "nps", "drivers": ratings}},
        "indices": {"cx": {"parts": {"a": {"weight": 1, "items": ratings[:3]}}}},
    }
    schema = pa.schema(
        [
            *[(name, pa.int8()) for name in ("nps", *ratings)],
            *[(name, pa.dictionary(pa.int32(), pa.string())) for name in dimensions],
            ("at", pa.date32()),
        ]
    )
    draw = random.Random(1)
    bodies = []
    for _ in range(500):
        row = {
            "nps": draw.choice((None, 99, *range(11))),
            **{name: draw.choice((None, *range(1, 6))) for name in ratings},
            "region": draw.choice("abcdef"),
            "channel": draw.choice(("web", "shop", None)),
            "product": f"p{draw.randrange(20)}",
            "at": draw.randrange(19_000, 19_700),
        }
        bodies.append(write(pa.RecordBatch.from_pylist([row], schema=schema)))
    return tables, bodies


def small() -> tuple[dict[str, Any], list[tuple[bytes, bytes]]]:
    """Return the smallest program there is, and single responses to it."""
    tables = {"name": "small", "questions": {"nps": {"kind": "nps"}}}
    return tables, [
        write(pa.record_batch({"nps": pa.array([nps], pa.int8())})) for nps in range(11)
    ]


PROGRAMS = {"realistic": realistic, "small": small}


def client(address: str, program: str, producer: str, window: int, seconds: float) -> None:
    """Append one response a batch, `window` of them without an answer; print times in ms."""
    tables, bodies = PROGRAMS[program]()
    sent: collections.deque[float] = collections.deque()
    times: list[float] = []
    room = threading.Semaphore(window)

    def requests() -> Iterator[AppendRequest]:
        yield AppendRequest(
            open=AppendOpen(program=tables["name"], producer=producer, arrow_schema=bodies[0][0])
        )
        for sequence in itertools.count():
            # gRPC asks for the next request when this one is sent; it waits here for an answer.
            room.acquire()
            if time.perf_counter() > until_s:
                return
            sent.append(time.perf_counter())
            yield AppendRequest(sequence=sequence, rows=1, arrow=bodies[sequence % len(bodies)][1])

    with cx.connect(address) as connected:
        connected.list_programs()
        # All clients begin together, when the last of them is loaded.
        say("ready")
        sys.stdin.readline()
        until_s = time.perf_counter() + seconds
        call: Any = connected._transport.append(requests())
        next(call)
        for response in call:
            assert response.HasField("ack"), response
            times.append(1000 * (time.perf_counter() - sent.popleft()))
            room.release()
    say(" ".join(f"{one:.3f}" for one in times))


def singles(program: str, window: int, seconds: float) -> None:
    """Append single responses from processes side by side."""
    folder = Path(tempfile.mkdtemp(prefix="cxstream-measure-"))
    tables, _ = PROGRAMS[program]()
    try:
        with serve(folder / "data") as address, cx.connect(address) as connected:
            connected.put_program(tables)
            command = [sys.executable, "-m", "tests.faults.measure", "--client", address]
            command += ["--program", program, "--window", str(window), "--seconds", str(seconds)]
            running = [
                subprocess.Popen(
                    [*command, "--producer", f"p{number}"],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for number in range(PRODUCERS)
            ]
            for process in running:
                assert process.stdout is not None and process.stdin is not None
                assert process.stdout.readline() == "ready\n"
            for process in running:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            times = np.array(
                [float(one) for process in running for one in process.communicate()[0].split()]
            )
            info = connected.program_info(tables["name"])
            assert info.batches == len(times)
            say(
                f"single responses, {program} program, {PRODUCERS} producers, {window} on their "
                f"way each: {len(times) / seconds:.0f} a second; ack p50 "
                f"{np.percentile(times, 50):.1f} ms, p99 {np.percentile(times, 99):.1f} ms "
                f"(load {os.getloadavg()[0]:.1f})"
            )
    finally:
        shutil.rmtree(folder)


def groups(count: int = 2000) -> None:
    """Commit from threads of this process, without any counting: what the store itself does."""
    from cxstream.store import Batch, DirectoryStore, StoredProgram

    folder = Path(tempfile.mkdtemp(prefix="cxstream-measure-"))
    try:
        store = DirectoryStore(folder)
        store.put_program(StoredProgram("p", {"name": "p"}, 1))
        schema, rows, body = batches.message(1)

        def many(producer: str) -> None:
            for sequence in range(count // PRODUCERS):
                store.commit(Batch("p", producer, sequence, rows, b"d" * 16, schema, body))

        threads = [threading.Thread(target=many, args=(f"p{n}",)) for n in range(PRODUCERS)]
        started_s = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took_s = time.perf_counter() - started_s
        journal = store._journal
        say(
            f"the store alone, {PRODUCERS} threads: {journal.batches / took_s:.0f} commits a "
            f"second; {journal.batches / journal.groups:.1f} batches and "
            f"{journal.bytes / journal.groups:.0f} bytes a group"
        )
        store.close()
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--journal-rows", type=int, default=42_000_000, help="1 GiB")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--program", choices=PROGRAMS, nargs="*", default=list(PROGRAMS))
    parser.add_argument("--window", type=int, nargs="*", default=[1, 4, 8])
    parser.add_argument("--client", default="", help=argparse.SUPPRESS)
    parser.add_argument("--producer", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        client(given.client, given.program[0], given.producer, given.window[0], given.seconds)
        return
    groups()
    for program, window in itertools.product(given.program, given.window):
        singles(program, window, given.seconds)
    for rows in given.rows:
        restart(rows)
    restart(given.journal_rows, sealing=False)


if __name__ == "__main__":
    main()
