"""Batches sent once to five times, in disorder, over streams that are cut: each is counted once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import cxstream_client as cx
from cxstream.testing import serve
from cxstream_api.v1.append_service_pb2 import AppendOpen, AppendRequest
from tests.faults import batches, oracle

WINDOW = 64
CONTENTS = 400  # different batches; each is sent under many sequences


def _deliveries(draw: random.Random, count: int) -> list[int]:
    """Return sequences to send: each once to five times, shuffled within windows."""
    times = [sequence for sequence in range(count) for _ in range(draw.randint(1, 5))]
    # A copy may come long after.
    for _ in range(count // 100):
        times.append(times[draw.randrange(len(times))])
    out = []
    for start in range(0, len(times), WINDOW):
        window = times[start : start + WINDOW]
        draw.shuffle(window)
        out += window
    return out


def _send(client: cx.Client, logs: oracle.Logs, seed: int, producer: str, count: int) -> None:
    draw = random.Random(f"{seed}/{producer}")
    waiting = _deliveries(draw, count)
    acked: set[int] = set()
    while waiting or len(acked) < count:
        if not waiting:
            waiting = sorted(set(range(count)) - acked)
        part, waiting = waiting[:500], waiting[500:]
        cut_after = draw.randrange(2 * len(part))

        def requests(part: list[int] = part) -> Iterator[AppendRequest]:
            yield AppendRequest(
                open=AppendOpen(
                    program=batches.NAME, producer=producer, arrow_schema=batches.schema_message()
                )
            )
            for sequence in part:
                content = batches.content_of(seed, producer, sequence) % CONTENTS
                logs.intent(producer, sequence, content)
                yield batches.request(sequence, content)

        call = client._transport.append(requests())
        try:
            for answered, reply in enumerate(call):
                if reply.HasField("ack") and reply.ack.sequence not in acked:
                    acked.add(reply.ack.sequence)
                    logs.ack(producer, reply.ack.sequence)
                elif reply.HasField("refusal"):
                    assert reply.refusal.reason == "SEQUENCE_GAP", reply.refusal
                if answered == cut_after:
                    call.cancel()
        except cx.CxstreamError as error:
            assert isinstance(error, cx.Cancelled), error  # noqa: PT017


def _run(folder: Path, seed: int, count: int) -> None:
    logs = oracle.Logs(folder)
    data = folder / "data"
    with (
        serve(data, customer_keys=logs.keys, seal_age_s=1) as address,
        cx.connect(address) as client,
    ):
        client.put_program(batches.tables())
        names = batches.PRODUCERS
        with ThreadPoolExecutor(len(names)) as pool:
            tasks = [
                pool.submit(_send, client, logs, seed, name, count // len(names)) for name in names
            ]
            for task in tasks:
                task.result()
        contents = list(logs.intents().values())
        assert len(contents) == len(logs.acks()) == count
        oracle.check_answers(client, oracle.rows_of(contents))
    assert len(oracle.check_directory(data, logs)) == count


@pytest.mark.slow
def test_100_000_batches_again_and_again(folder: Path, seed: int) -> None:
    _run(folder, seed, 100_000)


@pytest.mark.faults
def test_10_000_batches_again_and_again(folder: Path, seed: int) -> None:
    _run(folder, seed, 10_000)


def test_batches_again_and_again(folder: Path, seed: int) -> None:
    _run(folder, seed, 2_000)
