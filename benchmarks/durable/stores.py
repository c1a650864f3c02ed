"""Where batches go: cxstream with a data directory, and what one would use instead.

Every store takes the same batches, eight producers' worth, each durable before the next one of its
producer; and says afterwards what it holds.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from mmap import mmap
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

import cxstream_client as cx
from benchmarks.durable.client import WINDOW, Job, body_of
from benchmarks.workload import PROGRAM, RATINGS

PRODUCERS = 8
START_S = 120.0  # the first start on a machine compiles every kernel
SCALES = ("nps", *RATINGS)
COLUMNS = (*SCALES, "region", "age_group", "month")
ROOT = Path(__file__).parents[2]

#: Responses, then the sum of every scale's answers, by region.
Checksum = dict[str, tuple[int, ...]]

#: Counts by region, age group and both together, each by month.
COUNTS = {
    "questions": {name: PROGRAM["questions"][name] for name in SCALES},  # type: ignore[index]
    "dimensions": {"region": {}, "age_group": {}},
    "time": PROGRAM["time"],
    "insights": {"questions": []},
}
#: The same, with what an index under every missing policy and a driver regression take.
SUMS = {**COUNTS, "indices": PROGRAM["indices"], "models": PROGRAM["models"]}


@dataclass
class Run:
    """One store's run.

    Attributes
    ----------
    rows : int
    took_s : float
        From the first byte handed over to the last acknowledgement.
    acks_s : list of float
    syncs : int
        How often the bytes were synced, which is how often batches were committed.
    written, disk : int
        Bytes that the store's process wrote to files, and that it caused to be sent to the disk.
    cpu_s : dict of str to float
        By process.
    """

    rows: int
    took_s: float
    acks_s: list[float] = field(default_factory=list)
    syncs: int = 0
    written: int = 0
    disk: int = 0
    cpu_s: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Return acknowledged responses per second."""
        return self.rows / self.took_s


def batches_of(table: pa.Table, rows: int) -> list[pa.RecordBatch]:
    """Cut responses into batches, text as dictionaries with 8-bit indices."""
    table = table.select(list(COLUMNS))
    for name in ("region", "age_group"):
        column = table[name].cast(pa.dictionary(pa.int8(), pa.string()))
        table = table.set_column(table.column_names.index(name), name, column)
    batches: list[pa.RecordBatch] = table.combine_chunks().to_batches(max_chunksize=rows)
    return batches


def expected(table: pa.Table) -> Checksum:
    """Return the checksum of responses, by pyarrow."""
    narrow = table.select(list(COLUMNS))
    plain = narrow.set_column(
        narrow.column_names.index("region"), "region", narrow["region"].cast(pa.string())
    )
    sums = plain.group_by("region").aggregate(
        [([], "count_all"), *[(name, "sum") for name in SCALES]]
    )
    return {
        row["region"]: (row["count_all"], *(row[f"{name}_sum"] for name in SCALES))
        for row in sums.sort_by("region").to_pylist()
    }


def shares(batches: Sequence[pa.RecordBatch]) -> list[Sequence[pa.RecordBatch]]:
    """Return each producer's batches."""
    return [batches[number::PRODUCERS] for number in range(PRODUCERS)]


class Cxstream:
    """A server process and its clients.

    Parameters
    ----------
    folder : Path
        For its data directory, and for what the clients read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened = ExitStack()
        self._programs = 0
        self._program = ""

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self.pid, self._syncs, address = opened.enter_context(_serving(self._folder))
            self._address = address
            self._client = opened.enter_context(cx.connect(address))
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def prepare(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Lay out what the producers send."""
        self._rows = sum(batch.num_rows for batch in batches)
        self._files = {}
        for number, share in enumerate(shares(batches)):
            if share:
                path = self._folder / f"producer-{number}.arrows"
                with pa.ipc.new_stream(path, share[0].schema) as writer:
                    for batch in share:
                        writer.write_batch(batch)
                self._files[f"p{number}"] = str(path)

    def run(
        self,
        program: dict[str, Any],
        *,
        way: str = "prepared",
        window: int = WINDOW,
        processes: int = 1,
        seconds: float = 0.0,
    ) -> Run:
        """Send from `processes` processes, into a program of its own."""
        self._programs += 1
        self._program = f"bench-{self._programs}"
        self._client.put_program({**program, "name": self._program})
        job = Job(self._address, self._program, way, self._files, window, seconds)
        return _sent(job, self._rows, processes, self.pid, self._syncs)

    def grpc_alone(self, processes: int = 1) -> Run:
        """Send the same to `bare_server`, on the same disk: gRPC, a file and its syncs, nothing else."""
        path, syncs = self._folder / "bare", self._folder / "bare-syncs"
        syncs.write_bytes(bytes(8))
        command = [sys.executable, "-m", "benchmarks.bare_server", str(path), str(syncs)]
        with (
            syncs.open("r+b") as file,
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process,
        ):
            try:
                assert process.stdout is not None
                address = f"127.0.0.1:{int(process.stdout.readline())}"
                job = Job(address, "", "prepared", self._files)
                counted = memoryview(mmap(file.fileno(), 8)).cast("q")
                _sent(job, self._rows, processes, process.pid, counted)  # warm
                run = _sent(job, self._rows, processes, process.pid, counted)
            finally:
                process.terminate()
        path.unlink()
        return run

    def checksum(self) -> Checksum:
        """Return what the last run's program answers."""
        out: dict[str, list[int]] = {}
        for name in SCALES:
            for row in self._client.distribution(self._program, name, by=["region"]):
                region = out.setdefault(
                    str(row.group["region"]), [row.n + sum(row.dropped.values())]
                )
                region.append(sum(int(level.level) * level.count for level in row.levels))
        return {region: tuple(sums) for region, sums in sorted(out.items())}


def _sent(whole: Job, rows: int, processes: int, pid: int, synced: memoryview) -> Run:
    """Send a job's files from so many processes to the server that this is the id of."""
    names = list(whole.files)
    with ExitStack() as opened:
        clients = []
        for number in range(processes):
            own = {name: whole.files[name] for name in names[number::processes]}
            job = replace(whole, files=own)
            client = opened.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.durable.client"],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            clients.append(client)
            assert client.stdin is not None and client.stdout is not None
            client.stdin.write(json.dumps(asdict(job)) + "\n")
            client.stdin.flush()
        for client in clients:
            assert client.stdout is not None
            assert client.stdout.readline() == "ready\n"
        before, cpu_s, syncs = _written(pid), _cpu_s(pid), synced[0]
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("go\n")
            client.stdin.flush()
        ends = []
        for client in clients:
            assert client.stdout is not None
            ends.append(json.loads(client.stdout.readline()))
        after = _written(pid)
    acks_s = [ack for end in ends for ack in end["acks_s"]]
    return Run(
        rows=len(acks_s) if whole.way == "single" else rows,
        took_s=max(end["ended_s"] for end in ends) - min(end["started_s"] for end in ends),
        acks_s=acks_s,
        syncs=synced[0] - syncs,
        written=after["wchar"] - before["wchar"],
        disk=after["write_bytes"] - before["write_bytes"],
        cpu_s={
            "server": _cpu_s(pid) - cpu_s,
            "clients": sum(end["cpu_s"] for end in ends),
        },
    )


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[int, memoryview, str]]:
    """Run a server; its process id, its count of syncs, its address."""
    port_file, syncs_file = folder / "address", folder / "syncs"
    syncs_file.write_bytes(bytes(8))
    environment = {
        **os.environ,
        "CXSTREAM_LISTEN": "127.0.0.1:0",
        "CXSTREAM_LOG_LEVEL": "warning",
        "CXSTREAM_PORT_FILE": str(port_file),
        "CXSTREAM_DATA": str(folder / "data"),
    }
    with (
        syncs_file.open("r+b") as file,
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.durable.server", str(syncs_file)],
            env=environment,
            cwd=ROOT,
        ) as process,
    ):
        try:
            until_s = time.monotonic() + START_S
            while not (port_file.exists() and port_file.read_text(encoding="utf-8").strip()):
                assert process.poll() is None and time.monotonic() < until_s, "it did not start"
                time.sleep(0.02)
            address = port_file.read_text(encoding="utf-8").strip()
            yield process.pid, memoryview(mmap(file.fileno(), 8)).cast("q"), address
        finally:
            process.terminate()
    assert process.returncode == 0, f"the server ended with code {process.returncode}"


def _written(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").split("\n")
    return {name: int(value) for name, value in (one.split(": ") for one in lines if one)}


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def bare(batches: Sequence[pa.RecordBatch], syncs: int, folder: Path) -> Run:
    """Write the batches' Arrow bytes to a file and sync it so many times, evenly spread."""
    bodies = [body_of(batch) for batch in batches]
    path = folder / "bare"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    offset = done = 0
    started_s = time.perf_counter()
    for number, body in enumerate(bodies, start=1):
        offset += os.pwrite(file, body, offset)
        if number * syncs // len(bodies) > done:
            os.fdatasync(file)
            done += 1
    took_s = time.perf_counter() - started_s
    os.close(file)
    assert path.read_bytes() == b"".join(bodies)
    path.unlink()
    return Run(sum(batch.num_rows for batch in batches), took_s, syncs=done, written=offset)


def in_duckdb(
    batches: Sequence[pa.RecordBatch], folder: Path, threads: int
) -> tuple[Run, Checksum]:
    """Insert each batch from Arrow in a transaction of its own, from so many threads."""
    names = ", ".join(f'"{name}" tinyint' for name in SCALES)
    with duckdb.connect(folder / "other.duckdb") as db:
        for kind in ("region", "age_group"):
            levels = ", ".join(f"'{level}'" for level in _levels(batches, kind))
            db.execute(f"create type {kind}_t as enum ({levels})")
        db.execute(f"create table r ({names}, region region_t, age_group age_group_t, month date)")

        def insert(own: Sequence[pa.RecordBatch]) -> None:
            with db.cursor() as cursor:
                for batch in own:
                    cursor.register("part", pa.Table.from_batches([batch]))
                    cursor.execute("insert into r select * from part")
                    cursor.unregister("part")

        workers = [
            threading.Thread(target=insert, args=(batches[number::threads],))
            for number in range(threads)
        ]
        started_s = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        took_s = time.perf_counter() - started_s
        held = db.execute(_CHECKSUM).fetchall()
    run = Run(sum(batch.num_rows for batch in batches), took_s, syncs=len(batches))
    return run, {region: tuple(map(int, sums)) for region, *sums in held}


def in_sqlite(batches: Sequence[pa.RecordBatch], folder: Path) -> tuple[Run, Checksum]:
    """Insert each batch in a transaction; its rows are Python tuples before the clock starts."""
    rows = [list(zip(*_values(batch), strict=True)) for batch in batches]
    marks = ", ".join("?" * len(COLUMNS))
    db = sqlite3.connect(folder / "other.sqlite", isolation_level=None)
    try:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute(f"create table r ({', '.join(_quoted(COLUMNS))})")
        started_s = time.perf_counter()
        for part in rows:
            db.execute("begin")
            db.executemany(f"insert into r values ({marks})", part)
            db.execute("commit")
        took_s = time.perf_counter() - started_s
        held = db.execute(_CHECKSUM).fetchall()
    finally:
        db.close()
    run = Run(sum(map(len, rows)), took_s, syncs=len(rows))
    return run, {region: tuple(sums) for region, *sums in held}


def _quoted(names: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in names]


def _values(batch: pa.RecordBatch) -> list[list[Any]]:
    return [
        (pc.cast(one, pa.int32()) if pa.types.is_date32(one.type) else one).to_pylist()
        for one in batch.columns
    ]


def _levels(batches: Sequence[pa.RecordBatch], name: str) -> list[str]:
    return sorted(
        {level for batch in batches for level in batch.column(name).dictionary.to_pylist()}
    )


_CHECKSUM = (
    f"select region, count(*), {', '.join(f'sum({name})' for name in _quoted(SCALES))}"
    " from r group by region order by region"
)
