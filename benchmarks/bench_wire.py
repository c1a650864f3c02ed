"""The wire: responses a second over gRPC, beside Arrow Flight, with messages of several sizes.

One client sends batches of the shared workload, in one stream, to a server in another process:

- *cxstream*: validated, counted for every answer the program can give, each message acknowledged; no
  disk. Its messages are encoded before the clock starts (*prepared*), or by the SDK meanwhile.
- *Flight*: ``DoPut`` of pyarrow with default settings, to a server that adds up row numbers.
- *gRPC alone*: the same prepared messages to `bare_server`, which acknowledges each and looks at none.

CPU times are of both processes together: what the rate would be on a machine of more cores. Every
response must arrive, and be counted where it belongs. `bench_queries` has latency and memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.flight
import pytest

import cxstream_client as cx
from benchmarks.workload import PROGRAM
from cxstream.testing import serve
from cxstream_api.v1.append_service_pb2 import AppendOpen, AppendRequest, AppendResponse

#: Messages without an answer: what the SDK has.
WINDOW = 8
MESSAGE_ROWS = (1024, 16_384, 65_536, 262_144)
ROOT = Path(__file__).parents[1]
#: Counts by three dimensions and month; the workload's program has an index and a regression too.
PROGRAMS = {
    "counts": {
        key: PROGRAM[key] for key in ("questions", "dimensions", "time", "customer", "insights")
    },
    "sums": PROGRAM,
}
#: What is counted, and who encodes.
WAYS = {
    "counts, prepared": ("counts", "prepared"),
    "counts, SDK": ("counts", "sdk"),
    "sums, prepared": ("sums", "prepared"),
    "sums, SDK": ("sums", "sdk"),
}


def batches_of(table: pa.Table, rows: int) -> list[pa.RecordBatch]:
    """Cut responses into batches, text as dictionaries with 8-bit indices."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            column = table[field.name].cast(pa.dictionary(pa.int8(), pa.string()))
            table = table.set_column(place, field.name, column)
    batches: list[pa.RecordBatch] = table.combine_chunks().to_batches(max_chunksize=rows)
    return batches


def message_of(sequence: int, batch: pa.RecordBatch) -> bytes:
    """Return a batch as a request on the wire."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    body = bytes(memoryview(sink.getvalue())[batch.schema.serialize().size : -8])
    return AppendRequest(
        sequence=sequence, rows=batch.num_rows, crc32=zlib.crc32(body), arrow=body
    ).SerializeToString()


def cpu_s(pid: int) -> float:
    """Return the CPU time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Cxstream:
    """An in-memory server, and the ways to it."""

    def __init__(self, address: str) -> None:
        self.address = address
        # The server is our newest child.
        self.pid = max(map(int, Path("/proc/self/task").joinpath(
            str(threading.get_native_id()), "children").read_text(encoding="utf-8").split()))  # fmt: skip
        self.client = cx.connect(address)
        self._programs = 0
        self.program = ""

    def begin(self, tables: dict[str, Any]) -> None:
        """Declare a program of its own for the next run."""
        self._programs += 1
        self.program = f"wire-{self._programs}"
        self.client.put_program({**tables, "name": self.program})

    def prepared(self, batches: Sequence[pa.RecordBatch]) -> Callable[[], None]:
        """Return what sends encoded batches, and waits for every answer."""
        messages = [message_of(number, batch) for number, batch in enumerate(batches)]
        opening = AppendOpen(
            program=self.program,
            producer="p",
            arrow_schema=batches[0].schema.serialize().to_pybytes(),
        )

        def send() -> None:
            stream(self.address, opening, iter(messages))

        return send

    def sdk(self, batches: Sequence[pa.RecordBatch]) -> Callable[[], None]:
        """Return what sends batches with the SDK, each as one message."""

        def send() -> None:
            with self.client.append(
                self.program, producer="p", batch_bytes=64 << 20, window=WINDOW
            ) as stream:
                for batch in batches:
                    stream.send(batch)

        return send

    def close(self) -> None:
        """Give up the connection."""
        self.client.close()


def stream(address: str, opening: AppendOpen, messages: Iterator[bytes]) -> int:
    """Send encoded messages in one stream, and return how many were acknowledged."""
    free = threading.Semaphore(WINDOW)

    def requests() -> Iterator[bytes]:
        yield AppendRequest(open=opening).SerializeToString()
        for message in messages:
            free.acquire()
            yield message

    count = 0
    with grpc.insecure_channel(address) as channel:
        call: Any = channel.stream_stream("/cxstream_api.v1.AppendService/Append")(requests())
        for response in call:
            answer = AppendResponse.FromString(response)
            assert not answer.HasField("refusal"), answer
            count += answer.HasField("ack")
            free.release()
    return count


@contextmanager
def cxstream_server() -> Iterator[Cxstream]:
    """Run an in-memory server."""
    with serve() as address:
        server = Cxstream(address)
        try:
            yield server
        finally:
            server.close()


class Flight:
    """A Flight server process that counts rows."""

    def __init__(self, pid: int, address: str) -> None:
        self.pid = pid
        self._location = f"grpc://{address}"

    def put(self, batches: Sequence[pa.RecordBatch]) -> Callable[[], None]:
        """Return what sends batches, and waits until the server has read the last."""
        rows = sum(batch.num_rows for batch in batches)

        def send() -> None:
            with pa.flight.connect(self._location) as client:
                descriptor = pa.flight.FlightDescriptor.for_path("p")
                writer, reader = client.do_put(descriptor, batches[0].schema)
                with writer:
                    for batch in batches:
                        writer.write_batch(batch)
                    writer.done_writing()
                    assert int(reader.read().to_pybytes()) == rows

        return send


@contextmanager
def child(module: str) -> Iterator[tuple[int, str]]:
    """Run a server that prints its port; its process id and address."""
    command = [sys.executable, "-m", module]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


class Bare:
    """A server that looks at nothing."""

    def __init__(self, pid: int, address: str) -> None:
        self.pid = pid
        self._address = address

    def prepared(self, batches: Sequence[pa.RecordBatch]) -> Callable[[], None]:
        """Return what sends encoded batches, and waits for every answer."""
        messages = [message_of(number, batch) for number, batch in enumerate(batches)]

        def send() -> None:
            assert stream(self._address, AppendOpen(), iter(messages)) == len(messages)

        return send


def serve_flight() -> None:
    """Count rows of DoPut, for ever."""

    class Server(pa.flight.FlightServerBase):  # type: ignore[misc]
        def do_put(self, _context: Any, _descriptor: Any, reader: Any, writer: Any) -> None:
            rows = 0
            for chunk in reader:
                rows += chunk.data.num_rows
            writer.write(str(rows).encode())

    server = Server("grpc://127.0.0.1:0")
    print(server.port, flush=True)
    server.serve()


def check(server: Cxstream, table: pa.Table) -> None:
    """Check that all responses are counted, each where it belongs."""
    expected = {
        row["region"]: row["nps_count"]
        for row in table.select(["region", "nps"])
        .set_column(0, "region", table["region"].cast(pa.string()))
        .group_by("region").aggregate([("nps", "count")]).to_pylist()
    }  # fmt: skip
    rows = server.client.nps(server.program, "nps", by=["region"])
    assert {row.group["region"]: row.n for row in rows} == expected
    # What is asked for is in its cells, and the next program has the memory.
    for by in ([], ["month"], *([name] for name in PROGRAM["dimensions"] if name != "region")):
        server.client.nps(server.program, "nps", by=by)


@pytest.fixture(scope="module")
def server() -> Iterator[Cxstream]:
    with cxstream_server() as running:
        yield running


@pytest.fixture(scope="module")
def flight() -> Iterator[Flight]:
    with child("benchmarks.bench_wire") as running:
        yield Flight(*running)


@pytest.fixture(scope="module")
def bare() -> Iterator[Bare]:
    with child("benchmarks.bare_server") as running:
        yield Bare(*running)


@pytest.mark.parametrize(
    ("task", "way"),
    [(size, way) for size in MESSAGE_ROWS for way in ("Flight", "gRPC alone", *WAYS)],
)
@pytest.mark.usefixtures("turn")
def bench_wire(benchmark, table, server, flight, bare, task, way) -> None:  # type: ignore[no-untyped-def]
    batches = batches_of(table, min(task, table.num_rows))
    pid = {"Flight": flight.pid, "gRPC alone": bare.pid}.get(way, server.pid)

    def begin() -> Callable[[], None]:
        if way == "Flight":
            return flight.put(batches)
        if way == "gRPC alone":
            return bare.prepared(batches)
        program, how = WAYS[way]
        server.begin(PROGRAMS[program])
        return getattr(server, how)(batches)  # type: ignore[no-any-return]

    begin()()  # warm up
    send = begin()
    before_s = cpu_s(pid) + time.process_time()
    benchmark.group = f"wire, {task:,} rows a message"
    benchmark.pedantic(send, rounds=1)
    took_s = cpu_s(pid) + time.process_time() - before_s
    benchmark.extra_info |= {
        "rows": table.num_rows,
        "message_mb": len(message_of(0, batches[0])) / 1e6,
        "cpu_ns_a_row": 1e9 * took_s / table.num_rows,
    }
    if way in WAYS:
        check(server, table)


if __name__ == "__main__":
    serve_flight()
