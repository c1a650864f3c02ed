"""kill -9 of the real server process, its client a process of its own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cxstream_client as cx
from cxstream.testing import _wait_for, serve
from tests.faults import batches, jobs, oracle
from tests.faults.worker import Worker
from tests.waiting import until

KILLS = 3


@contextmanager
def server(
    data: Path, keys: Path, port_file: Path, failpoint: str = ""
) -> Iterator[tuple[str, int]]:
    """Run a server that is going to be killed; yields its address and process."""
    port_file.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "CXSTREAM_LISTEN": "127.0.0.1:0",
        "CXSTREAM_LOG_LEVEL": "error",
        "CXSTREAM_DATA": str(data),
        "CXSTREAM_CUSTOMER_KEYS": str(keys),
        "CXSTREAM_SEAL_AGE_S": "0.05",
        "CXSTREAM_PORT_FILE": str(port_file),
        "CXSTREAM_FAILPOINT": failpoint,
    }
    process = subprocess.Popen([sys.executable, "-m", "cxstream.service"], env=environment)
    try:
        yield _wait_for(port_file, process), process.pid
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL


def _send_until_it_dies(address: str, logs: oracle.Logs, seed: int) -> None:
    def one(producer: str) -> None:
        try:
            jobs.send(client, logs, seed, producer, 10_000)
        except cx.CxstreamError:
            return
        raise AssertionError("the server was not killed")

    with cx.connect(address) as client:
        client.put_program(batches.tables())
        with ThreadPoolExecutor(len(batches.PRODUCERS)) as pool:
            list(pool.map(one, batches.PRODUCERS))


def test_kills_of_the_server(folder: Path, seed: int, worker: Worker) -> None:
    draw = random.Random(seed)
    logs = oracle.Logs(folder)
    data, port_file = folder / "data", folder / "address"
    for kill in range(KILLS):
        failpoint = f"journal.committed:{draw.randint(10, 40)}" if kill % 2 else ""
        with (
            server(data, logs.keys, port_file, failpoint) as (address, pid),
            ThreadPoolExecutor(1) as pool,
        ):
            acked = len(logs.acks())
            sending = pool.submit(_send_until_it_dies, address, logs, seed)
            if not failpoint:
                until(lambda acked=acked: len(logs.acks()) > acked)
                time.sleep(draw.uniform(0.0, 0.4))
                os.kill(pid, signal.SIGKILL)
            sending.result()
        worker.run("check", path=str(data), logs=str(folder)).result()
    # Over gRPC, and once more from the directory after an orderly end.
    with serve(data, customer_keys=logs.keys) as address, cx.connect(address) as client:
        stored = [
            (producer, sequence)
            for producer in batches.PRODUCERS
            for sequence in range(_next(client, producer))
        ]
        intents = logs.intents()
        assert logs.acks() <= set(stored) <= intents.keys()
        oracle.check_answers(client, oracle.rows_of(intents[one] for one in stored))
    verdict = worker.run("check", path=str(data), logs=str(folder)).result()
    assert verdict.stored == len(stored)


def _next(client: cx.Client, producer: str) -> int:
    with client.append(batches.NAME, producer=producer) as stream:
        return stream.next_sequence
