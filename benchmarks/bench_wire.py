"""The wire: responses a second over gRPC, beside Arrow Flight; latency of a query meanwhile; memory.

``python -m benchmarks.bench_wire [--rows N] [--rounds N] [--memory N]`` prints the tables; in the
test run a few rows go every way, and must arrive.

One client sends batches of the shared workload, in one stream, to a server in another process:

- *cxstream*: validated, counted for every answer the program can give, each message acknowledged; no
  disk. Its messages are encoded before the clock starts (*prepared*), or by the SDK meanwhile.
- *Flight*: ``DoPut`` of pyarrow with default settings, to a server that adds up row numbers.

CPU times are of both processes together: what the rate would be on a machine of more cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.flight
import pytest

import cxstream_client as cx
from benchmarks.workload import PROGRAM, responses
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


@dataclass(frozen=True)
class Run:
    """One way, once: responses, seconds, and CPU seconds of client and server."""

    rows: int
    took_s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Return responses per second."""
        return self.rows / self.took_s

    @property
    def cpu_ns(self) -> float:
        """Return CPU time per response, in ns."""
        return 1e9 * self.cpu_s / self.rows


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


def memory_mib(pid: int, name: str = "VmHWM") -> float:
    """Return the largest resident size a process has had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


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

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.pid = process.pid
        self._location = f"grpc://127.0.0.1:{int(process.stdout.readline())}"

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
def flight_server() -> Iterator[Flight]:
    """Run a Flight server."""
    command = [sys.executable, "-m", "benchmarks.bench_wire", "--flight-server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Flight(process)
        finally:
            process.terminate()


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


def timed(send: Callable[[], None], rows: int, pid: int) -> Run:
    """Run once."""
    before_s, mine_s = cpu_s(pid), time.process_time()
    started_s = time.perf_counter()
    send()
    took_s = time.perf_counter() - started_s
    return Run(rows, took_s, cpu_s(pid) - before_s + time.process_time() - mine_s)


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


# --- in every test run ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Cxstream]:
    with cxstream_server() as running:
        yield running


@pytest.mark.benchmark(group="wire")
@pytest.mark.parametrize("way", ["prepared", "sdk"])
@pytest.mark.parametrize("program", PROGRAMS)
def bench_cxstream(benchmark, table, server, program, way) -> None:  # type: ignore[no-untyped-def]
    batches = batches_of(table, 65_536)

    def setup() -> tuple[tuple[Callable[[], None]], dict[str, Any]]:
        server.begin(PROGRAMS[program])
        return (getattr(server, way)(batches),), {}

    benchmark.pedantic(lambda send: send(), setup=setup, rounds=2)
    check(server, table)


@pytest.mark.benchmark(group="wire")
def bench_flight(benchmark, table) -> None:  # type: ignore[no-untyped-def]
    with flight_server() as flight:
        benchmark.pedantic(flight.put(batches_of(table, 65_536)), rounds=2)


@pytest.mark.benchmark(group="query over gRPC")
def bench_nps(benchmark, table, server) -> None:  # type: ignore[no-untyped-def]
    server.begin(PROGRAM)
    server.sdk(batches_of(table, 65_536))()
    answer = benchmark(server.client.nps, server.program, "nps")
    assert answer.as_of.responses == table.num_rows


# --- the tables -----------------------------------------------------------------------------------


def throughput(rows: int, rounds: int, sizes: Sequence[int]) -> None:
    """Send every way in turns, and print the table."""
    table = responses(rows)
    print(f"{rows:,} responses in one stream, no disk; medians of {rounds} rounds in turns\n")
    print(f"{'rows a message':>14}{'MB':>7}  {'way':22}{'M rows/s':>9}{'GB/s':>7}{'of Flight':>10}"
          f"{'CPU ns/row':>11}")  # fmt: skip
    with cxstream_server() as ours, flight_server() as flight:
        for size in sizes:
            batches = batches_of(table, size)
            wire_bytes = sum(len(message_of(0, batch)) for batch in batches)
            runs: dict[str, list[Run]] = {}
            for number in range(rounds + 1):
                done = {"Flight, rows counted": timed(flight.put(batches), rows, flight.pid)}
                for program, tables in PROGRAMS.items():
                    for way in ("prepared", "sdk"):
                        ours.begin(tables)
                        send = getattr(ours, way)(batches)
                        done[f"cxstream {program}, {way}"] = timed(send, rows, ours.pid)
                        check(ours, table)
                for name, run in done.items() if number else ():  # the first one warms up
                    runs.setdefault(name, []).append(run)
            for name, some in runs.items():
                beside = median(
                    run.rate / other.rate
                    for run, other in zip(some, runs["Flight, rows counted"], strict=True)
                )
                rate = median(run.rate for run in some)
                print(f"{size:14,}{wire_bytes / len(batches) / 1e6:7.2f}  {name:22}{rate / 1e6:9.1f}"
                      f"{rate * wire_bytes / rows / 1e9:7.2f}{beside:10.2f}"
                      f"{median(run.cpu_ns for run in some):11.1f}")  # fmt: skip
    print(f"\nload {os.getloadavg()[0]:.1f}")


def latency(rows: int, seconds: float = 3.0) -> None:
    """Ask for one NPS again and again, alone, and while a client streams as fast as it can."""
    batches = batches_of(responses(rows), 65_536)
    with cxstream_server() as ours:
        ours.begin(PROGRAM)
        ours.sdk(batches)()

        def asked() -> str:
            times_ms = []
            until_s = time.perf_counter() + seconds
            while (now_s := time.perf_counter()) < until_s:
                ours.client.nps(ours.program, "nps")
                times_ms.append(1000 * (time.perf_counter() - now_s))
            p50, p99 = np.percentile(times_ms, [50, 99])
            return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms ({len(times_ms):,} queries)"

        print(f"\none NPS over gRPC, idle:                {asked()}")
        command = [sys.executable, "-m", "benchmarks.bench_wire", "--stream-to", ours.address]
        command += ["--program", ours.program, "--rows", str(rows)]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as client:
            assert client.stdout is not None and client.stdin is not None
            assert client.stdout.readline() == "ready\n"
            before = ours.client.program_info(ours.program).responses
            print(f"one NPS over gRPC, while one streams:   {asked()}")
            after = ours.client.program_info(ours.program).responses
            client.communicate("stop\n")
        print(f"  streamed meanwhile: {(after - before) / seconds / 1e6:.1f} M rows/s")


def endless(address: str, program: str, rows: int) -> None:
    """Send the same batches over and over until somebody says so."""
    batches = batches_of(responses(rows), 65_536)
    stop = threading.Event()

    def messages() -> Iterator[bytes]:
        sequence = 0
        print("ready", flush=True)
        while not stop.is_set():
            yield message_of(sequence, batches[sequence % len(batches)])
            sequence += 1

    opening = AppendOpen(
        program=program, producer="endless", arrow_schema=batches[0].schema.serialize().to_pybytes()
    )
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    stream(address, opening, messages())


def memory(rows: int) -> None:
    """Stream so many responses, and print how the server's largest size grows."""
    batches = batches_of(responses(1 << 20), 65_536)
    with cxstream_server() as ours:
        ours.begin(PROGRAM)
        sent, first = 0, 0.0
        print("\nmemory of the server, largest so far")
        with ours.client.append(ours.program, producer="p", batch_bytes=64 << 20) as opened:
            step = max(rows // 10, 1)
            while sent < rows:
                for batch in batches:
                    opened.send(batch)
                    sent += batch.num_rows
                opened.flush()
                first = first or memory_mib(ours.pid)
                if sent % step < 1 << 20:
                    print(f"  {sent / 1e6:6.1f} M responses: {memory_mib(ours.pid):7.1f} MiB")
        growth = memory_mib(ours.pid) - first
        print(f"  growth after the first million: {growth:.1f} MiB in {sent / 1e6:.0f} M responses")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_wire")
    parser.add_argument("--rows", type=int, default=2_097_152)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="*", default=MESSAGE_ROWS, help="rows a message")
    parser.add_argument("--memory", type=int, default=0, help="responses to watch the memory over")
    parser.add_argument("--flight-server", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--stream-to", default="", help=argparse.SUPPRESS)
    parser.add_argument("--program", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.flight_server:
        serve_flight()
    elif given.stream_to:
        endless(given.stream_to, given.program, given.rows)
    else:
        if given.sizes:
            throughput(given.rows, given.rounds, given.sizes)
        latency(min(given.rows, 1 << 20))
        if given.memory:
            memory(given.memory)


if __name__ == "__main__":
    main()
