"""A process of producers: the cheapest honest client there is.

What it sends was encoded before the clock starts, down to the bytes of each gRPC message, so that
the figures are the server's; `sdk` sends the same batches through `cxstream_client` instead, which
encodes them while the clock runs. One job on standard input, one JSON line back.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pyarrow as pa

import cxstream_client as cx
from cxstream_api.v1.append_service_pb2 import AppendOpen, AppendRequest, AppendResponse

#: Messages of a producer without an answer: what the SDK has.
WINDOW = 8
#: Single responses to choose from.
SINGLES = 200


@dataclass(frozen=True)
class Job:
    """What the producers of one process send.

    Attributes
    ----------
    way : {"prepared", "sdk", "single"}
        `single`: the first responses of the first batch, one a message.
    files : dict of str to str
        By producer: an Arrow stream of its batches.
    window : int
        Messages of a producer that wait for an answer.
    seconds : float
        How long `single` sends.
    """

    address: str
    program: str
    way: str
    files: dict[str, str]
    window: int = WINDOW
    seconds: float = 0.0


def body_of(batch: pa.RecordBatch) -> bytes:
    """Return a batch's dictionary and record batch messages."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(memoryview(sink.getvalue())[batch.schema.serialize().size : -8])


class Producer(threading.Thread):
    """One stream; `acks_s` are the times from handing a message over to its answer."""

    def __init__(self, job: Job, name: str, start: threading.Event) -> None:
        super().__init__()
        self.started_s = self.ended_s = 0.0
        self.acks_s: list[float] = []
        self._job, self._producer, self._start_now = job, name, start
        with pa.ipc.open_stream(job.files[name]) as reader:
            self._batches = list(reader)
        self._schema = self._batches[0].schema
        if job.way == "single":
            one_each = [self._batches[0].slice(row, 1) for row in range(SINGLES)]
            self._bodies = [body_of(one) for one in one_each if one.num_rows]
        if job.way == "prepared":
            self._messages = [
                self._message(sequence, batch.num_rows, body_of(batch))
                for sequence, batch in enumerate(self._batches)
            ]

    def run(self) -> None:
        if self._job.way == "sdk":
            self._through_sdk()
            return
        self._stream(self._singles() if self._job.way == "single" else iter(self._messages))

    @staticmethod
    def _message(sequence: int, rows: int, body: bytes) -> bytes:
        crc32 = zlib.crc32(body)
        return AppendRequest(
            sequence=sequence, rows=rows, crc32=crc32, arrow=body
        ).SerializeToString()

    def _singles(self) -> Iterator[bytes]:
        until_s = self.started_s + self._job.seconds
        for sequence in itertools.count():
            yield self._message(sequence, 1, self._bodies[sequence % len(self._bodies)])
            if time.monotonic() > until_s:  # after one at the least
                return

    def _stream(self, messages: Iterator[bytes]) -> None:
        free = threading.Semaphore(self._job.window)
        sent_s: list[float] = []
        opening = AppendOpen(
            program=self._job.program,
            producer=self._producer,
            arrow_schema=self._schema.serialize().to_pybytes(),
        )

        def requests() -> Iterator[bytes]:
            yield AppendRequest(open=opening).SerializeToString()
            self._start_now.wait()
            self.started_s = time.monotonic()
            for message in messages:
                free.acquire()
                sent_s.append(time.monotonic())
                yield message

        with grpc.insecure_channel(self._job.address) as channel:
            call: Any = channel.stream_stream(
                "/cxstream_api.v1.AppendService/Append",
                response_deserializer=AppendResponse.FromString,
            )(requests())
            assert next(call).opened.next_sequence == 0
            for response in call:
                assert response.HasField("ack"), response
                self.ended_s = time.monotonic()
                self.acks_s.append(self.ended_s - sent_s[len(self.acks_s)])
                free.release()

    def _through_sdk(self) -> None:
        with (
            cx.connect(self._job.address) as client,
            client.append(
                self._job.program,
                producer=self._producer,
                schema=self._schema,
                batch_bytes=4 << 20,  # each of ours is one message
                window=self._job.window,
            ) as stream,
        ):
            self._start_now.wait()
            self.started_s = time.monotonic()
            for batch in self._batches:
                stream.send(batch)
            stream.flush()
            self.ended_s = time.monotonic()


def main() -> None:
    """Send when told to."""
    job = Job(**json.loads(sys.stdin.readline()))
    start = threading.Event()
    producers = [Producer(job, name, start) for name in job.files]
    for producer in producers:
        producer.start()
    print("ready", flush=True)
    sys.stdin.readline()
    cpu_s = time.process_time()
    start.set()
    for producer in producers:
        producer.join()
    print(
        json.dumps(
            {
                "started_s": min(one.started_s for one in producers),
                "ended_s": max(one.ended_s for one in producers),
                "cpu_s": time.process_time() - cpu_s,
                "acks_s": [ack for one in producers for ack in one.acks_s],
            }
        )
    )


if __name__ == "__main__":
    main()
