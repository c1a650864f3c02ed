"""Durable ingest, beside the disk alone and beside what one would use instead.

``python -m benchmarks.bench_durable [--rows N] [--rounds N] [--json]`` prints the table; in the test run each
store takes a few rows, and must hold the same.

Eight producers send batches of 65,536 responses, of ten columns in small Arrow types (14 bytes a
response), over gRPC to a server with a data directory; an acknowledged batch is on disk, and in
every answer. The clients' batches are encoded before the clock starts.

- *bare loop*: the same bytes in the same sizes, written to a file and synced as often as the server
  did, by a loop that does nothing else; in turns with the server.
- *gRPC and the disk alone*: the same clients and messages to `bare_server`, which looks at none, writes
  what came together and syncs it: the most that a server in gRPC's Python could reach.
- DuckDB: INSERT from the Arrow batch, enums for text, committed one by one in a file database, from
  as many threads as were fastest here (of 1, 2 and 8: 2). SQLite: WAL, synchronous = FULL, a
  transaction a batch; conversion of Arrow to Python values is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.durable.client import body_of
from benchmarks.durable.stores import (
    COUNTS,
    PRODUCERS,
    SUMS,
    Cxstream,
    Run,
    bare,
    batches_of,
    expected,
    in_duckdb,
    in_sqlite,
)
from benchmarks.workload import responses

BATCH_ROWS = 65_536
#: Single responses of a producer that wait for an answer.
WINDOWS = (1, 4, 8)
DUCKDB_THREADS = 2


# --- in every test run: the same responses everywhere ---------------------------------------------


@pytest.fixture(scope="module")
def batches(table: pa.Table) -> list[pa.RecordBatch]:
    return batches_of(table, min(BATCH_ROWS, -(-table.num_rows // PRODUCERS)))


@pytest.fixture(scope="module")
def server(batches: list[pa.RecordBatch], tmp_path_factory: Any) -> Iterator[Cxstream]:
    with Cxstream(tmp_path_factory.mktemp("durable")) as running:
        running.prepare(batches)
        yield running


@pytest.mark.benchmark(group="durable ingest")
@pytest.mark.parametrize(
    ("way", "program"), [("prepared", COUNTS), ("sdk", SUMS)], ids=["prepared", "sdk"]
)
def bench_cxstream(benchmark, table, server, way, program) -> None:  # type: ignore[no-untyped-def]
    run = benchmark.pedantic(server.run, (program,), {"way": way}, rounds=1)
    benchmark.extra_info["rows a second"] = run.rate
    assert run.rows == table.num_rows
    assert run.syncs > 0
    assert server.checksum() == expected(table)


@pytest.mark.benchmark(group="durable ingest")
def bench_grpc_alone(benchmark, table, server) -> None:  # type: ignore[no-untyped-def]
    run = benchmark.pedantic(server.grpc_alone, rounds=1)
    benchmark.extra_info["rows a second"] = run.rate
    assert run.rows == table.num_rows
    assert run.syncs > 0


@pytest.mark.benchmark(group="durable ingest")
@pytest.mark.parametrize("way", ["bare loop", "duckdb", "sqlite"])
def bench_beside(benchmark, table, batches, tmp_path, way) -> None:  # type: ignore[no-untyped-def]
    ways: dict[str, Callable[[], Any]] = {
        "bare loop": lambda: (bare(batches, len(batches), tmp_path), expected(table)),
        "duckdb": lambda: in_duckdb(batches, tmp_path, DUCKDB_THREADS),
        "sqlite": lambda: in_sqlite(batches, tmp_path),
    }
    run, held = benchmark.pedantic(ways[way], rounds=1)
    benchmark.extra_info["rows a second"] = run.rate
    assert run.rows == table.num_rows
    assert held == expected(table)


@pytest.mark.benchmark(group="durable single responses")
def bench_single(benchmark, server) -> None:  # type: ignore[no-untyped-def]
    run = benchmark.pedantic(server.run, (COUNTS,), {"way": "single", "seconds": 0.2}, rounds=1)
    assert run.rows > 0
    assert sum(rows for rows, *_ in server.checksum().values()) == run.rows


# --- the table ------------------------------------------------------------------------------------


def measure(rows: int, rounds: int, processes: int, folder: Path) -> dict[str, Any]:
    """Run everything in turns and return the figures."""
    table = responses(rows)
    truth = expected(table)
    batches = batches_of(table, BATCH_ROWS)
    arrow = sum(len(body_of(batch)) for batch in batches)
    runs: dict[str, list[Run]] = {}

    def keep(name: str, run: Run) -> Run:
        runs.setdefault(name, []).append(run)
        return run

    with Cxstream(folder) as server:
        server.prepare(batches)
        server.run(COUNTS, processes=processes)  # warm
        for number in range(rounds):
            one = keep("cxstream", server.run(COUNTS, processes=processes))
            assert server.checksum() == truth
            keep("bare loop", bare(batches, max(one.syncs, 1), folder))
            keep("gRPC and the disk alone", server.grpc_alone(processes))
            keep("cxstream, index and model", server.run(SUMS, processes=processes))
            assert server.checksum() == truth
            keep("cxstream, SDK encoding", server.run(COUNTS, way="sdk", processes=processes))
            assert server.checksum() == truth
            for window in WINDOWS:
                single = server.run(
                    COUNTS, way="single", window=window, processes=processes, seconds=1.5
                )
                keep(f"single {window}", single)
            beside = folder / f"beside-{number}"
            beside.mkdir()
            run, held = in_duckdb(batches, beside, DUCKDB_THREADS)
            assert held == truth
            keep("duckdb", run)
            if number < 2:  # at its pace
                run, held = in_sqlite(batches, beside)
                assert held == truth
                keep("sqlite", run)
            for path in beside.iterdir():
                path.unlink()

    ours = runs["cxstream"]

    def ratio(name: str, of: list[Run] = ours) -> float:
        return median(one.rate / other.rate for one, other in zip(of, runs[name], strict=False))

    singles = {window: runs.pop(f"single {window}") for window in WINDOWS}
    return {
        "rows": rows,
        "arrow_bytes": arrow,
        "rounds": rounds,
        "rows_per_s": {name: median(one.rate for one in some) for name, some in runs.items()},
        "ratios": {name: ratio(name) for name in ("bare loop", "duckdb", "sqlite")},
        "grpc_alone_of_bare_loop": ratio("bare loop", runs["gRPC and the disk alone"]),
        "bare_megabytes_per_s": median(arrow / one.took_s / 1e6 for one in runs["bare loop"]),
        "written_per_arrow_byte": median(one.written / arrow for one in ours),
        "disk_per_arrow_byte": median(one.disk / arrow for one in ours),
        "batches_per_sync": median(len(batches) / one.syncs for one in ours if one.syncs),
        "bytes_per_sync": median(arrow / one.syncs for one in ours if one.syncs),
        "cpu_ms_per_batch": {
            name: {
                who: median(1000 * one.cpu_s[who] / len(batches) for one in some)
                for who in ("server", "clients")
            }
            for name, some in runs.items()
            if name.startswith(("cxstream", "gRPC"))
        },
        "single": {window: _singles(some) for window, some in singles.items()},
        "load": os.getloadavg()[0],
    }


def _singles(runs: list[Run]) -> dict[str, float]:
    acks_ms = 1000 * np.concatenate([one.acks_s for one in runs])
    return {
        "acks_per_s": median(one.rate for one in runs),
        "p50_ms": float(np.percentile(acks_ms, 50)),
        "p99_ms": float(np.percentile(acks_ms, 99)),
        "acks_per_sync": median(one.rows / one.syncs for one in runs if one.syncs),
        "written_per_ack": median(one.written / one.rows for one in runs),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the table."""
    print(
        f"durable ingest: {PRODUCERS} producers, {figures['rows']:,} responses in batches of "
        f"{BATCH_ROWS:,}, {figures['arrow_bytes'] / 1e6:.0f} MB of Arrow; medians of "
        f"{figures['rounds']} rounds, load {figures['load']:.1f}\n"
    )
    bars = {"bare loop": 0.6, "duckdb": 5.0, "sqlite": 2.0}
    for name, rate in figures["rows_per_s"].items():
        beside = ""
        if name in bars:
            beside = f"cxstream is {figures['ratios'][name]:6.2f} of it (bar {bars[name]})"
        elif name in figures["cpu_ms_per_batch"]:
            cpu = figures["cpu_ms_per_batch"][name]
            beside = f"CPU a batch: server {cpu['server']:.1f} ms, clients {cpu['clients']:.1f} ms"
        if name.startswith("gRPC"):
            beside += f"; {figures['grpc_alone_of_bare_loop']:.2f} of the bare loop"
        print(f"  {name:28}{rate / 1e6:8.2f} M/s   {beside}")
    print(
        f"\n  the bare loop writes {figures['bare_megabytes_per_s']:,.0f} MB/s"
        f"\n  to files {figures['written_per_arrow_byte']:.3f}, to the disk "
        f"{figures['disk_per_arrow_byte']:.3f} bytes per byte of Arrow (bar 1.2)"
        f"\n  a sync for {figures['batches_per_sync']:.1f} batches, "
        f"{figures['bytes_per_sync'] / 1e6:.2f} MB"
    )
    for window, one in figures["single"].items():
        print(
            f"  single responses, {window} on their way each: {one['acks_per_s']:,.0f} acks/s, "
            f"p50 {one['p50_ms']:.1f} ms, p99 {one['p99_ms']:.1f} ms, "
            f"{one['acks_per_sync']:.1f} a sync, {one['written_per_ack']:,.0f} bytes written each"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_durable")
    parser.add_argument("--rows", type=int, default=64 * BATCH_ROWS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1, help="that the 8 producers share")
    parser.add_argument("--folder", help="on the disk to measure; the temporary one when absent")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cxstream-durable-", dir=given.folder) as folder:
        figures = measure(given.rows, given.rounds, given.processes, Path(folder))
    if given.json:
        json.dump(figures, sys.stdout, indent=1)
        print()
    else:
        show(figures)


if __name__ == "__main__":
    main()
