"""Answers over gRPC: the same time however many responses there are, and while others stream in.

1,728 groups (touchpoint x month x region) with their NPS, or with a regression each, and one NPS, which
was asked before or was not;
p50 and p99 of each, at as many responses as there are and at many times as many, which a client
streams in over gRPC. Sending them all shows how the server's memory grows, too.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Any

import pyarrow as pa
import pytest

import cxstream_client as cx
from benchmarks.sender import BATCH_ROWS
from benchmarks.workload import PROGRAM, RATINGS, responses

ROWS_SMALL = 20_000
BY = ("touchpoint", "region", "month")
DECLARED: dict[str, Any] = {
    "name": "bench",
    "questions": {name: PROGRAM["questions"][name] for name in ("nps", *RATINGS, "improve")},  # type: ignore[index]
    "dimensions": {"region": {}, "touchpoint": {}},
    "time": PROGRAM["time"],
    "indices": PROGRAM["indices"],
    "models": PROGRAM["models"],
    "views": [{"by": ["touchpoint", "region"]}],
    "insights": {"questions": []},
}
#: Levels of confidence that were not asked for before, so that no reply is there to be sent again.
_LEVELS = (0.9 + one * 1e-7 for one in itertools.count())


def _anew(by: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"by": by, "confidence": next(_LEVELS)}


#: What is asked, given what to group by, and how often.
ASKED: dict[str, tuple[Callable[[cx.Client, tuple[str, ...]], Any], int]] = {
    "one NPS": (lambda client, _: client.nps("bench", "nps"), 1000),
    "one NPS asked for the first time": (
        lambda client, _: client.nps("bench", "nps", **_anew()),
        1000,
    ),
    "NPS of 1,728 groups": (lambda client, by: client.nps("bench", "nps", **_anew(by)), 100),
    "index of 1,728 groups": (
        lambda client, by: client.index("bench", "delight", **_anew(by)),
        100,
    ),
    "1,728 regressions": (
        lambda client, by: client.regression("bench", "drivers", **_anew(by)),
        100,
    ),
}


def latencies(ask: Callable[[], Any], times: int) -> list[float]:
    """Return seconds per question."""
    took = []
    for _ in range(times):
        started = perf_counter()
        ask()
        took.append(perf_counter() - started)
    return took


def percentiles(took: list[float]) -> dict[str, float]:
    cuts = quantiles(took, n=100, method="inclusive")
    return {"p50_ms": 1e3 * cuts[49], "p99_ms": 1e3 * cuts[98]}


class Served:
    """A server, and what streams into it."""

    def __init__(self, address: str, process: int, table: pa.Table) -> None:
        self.address = address
        self.client = cx.connect(address)
        self.process = process
        self.columns = [*DECLARED["questions"], *DECLARED["dimensions"], "month"]
        self.batches = table.select(self.columns).to_batches(max_chunksize=BATCH_ROWS)
        self.rows = 0
        self.client.put_program(DECLARED)

    def fill(self, rows: int, producer: str) -> None:
        """Send the batches again and again until there are so many responses."""
        with self.client.append("bench", producer=producer) as stream:
            while self.rows < rows:
                for batch in self.batches:
                    stream.send(batch)
                    self.rows += batch.num_rows

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.process}/status").read_text(encoding="ascii")
        (line,) = (one for one in status.splitlines() if one.startswith("VmHWM"))
        return 1024 * int(line.split()[1])


def _listener(address: str) -> int:
    """Return the process that listens at an address of the loopback interface."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    lines += Path("/proc/net/tcp6").read_text(encoding="ascii").splitlines()[1:]
    (inode,) = {
        one.split()[9] for one in lines if one.split()[1].endswith(port) and one.split()[3] == "0A"
    }
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(one.readlink()) == f"socket:[{inode}]" for one in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:  # ended meanwhile, or somebody else's
            continue
    raise AssertionError(f"nothing listens at {address}")


@pytest.fixture(scope="module")
def rows(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--bench-rows") or ROWS_SMALL)


@pytest.fixture(scope="module")
def served(address: str, rows: int) -> Iterator[Served]:
    table = responses(max(rows // 10, ROWS_SMALL))
    one = Served(address, _listener(address), table)
    with one.client:
        one.fill(len(table), "first")
        yield one


def measured(benchmark: Any, served: Served, what: str, name: str, *, few: bool) -> None:
    ask, times = ASKED[what]
    by = BY[:2] if few else BY
    answer = ask(served.client, by)
    groups = 1 if what.startswith("one NPS") else 72 if few else 1728
    assert len(answer) == groups and sum(row.n for row in answer) > 0
    took = latencies(lambda: ask(served.client, by), 2 if few else times)
    benchmark.group = "queries over gRPC"
    benchmark.name = f"{what}, {name}"
    benchmark.extra_info |= {"responses": served.rows, **percentiles(took)}
    benchmark.pedantic(ask, (served.client, by), rounds=1)


@pytest.mark.parametrize("what", ASKED)
def bench_at_first(benchmark, served, rows, what) -> None:  # type: ignore[no-untyped-def]
    measured(benchmark, served, what, "few responses", few=rows == ROWS_SMALL)


def bench_fill(benchmark, served, rows) -> None:  # type: ignore[no-untyped-def]
    """Ten times the rows asked for: 100 million where that is ten."""
    before, sent = served.resident_bytes(), served.rows
    benchmark.group = "memory of the server while responses stream in"
    benchmark.pedantic(served.fill, (10 * rows, "second"), rounds=1)
    after = served.resident_bytes()
    benchmark.extra_info |= {
        "rows": served.rows - sent,
        "peak_before_mb": before / 1e6,
        "growth_mb": (after - before) / 1e6,
    }
    assert served.client.nps("bench", "nps").as_of.responses == served.rows


@pytest.mark.parametrize("what", ASKED)
def bench_when_full(benchmark, served, rows, what) -> None:  # type: ignore[no-untyped-def]
    measured(benchmark, served, what, "a hundred times as many", few=rows == ROWS_SMALL)


@pytest.mark.parametrize("what", [one for one in ASKED if one.startswith("one NPS")])
def bench_under_load(benchmark, served, rows, what) -> None:  # type: ignore[no-untyped-def]
    """One NPS while a client streams as fast as it can, from a process of its own."""
    size, producer = str(max(rows // 10, ROWS_SMALL)), what.replace(" ", "-")
    command = [sys.executable, "-m", "benchmarks.sender", served.address, "bench", producer, size]
    with subprocess.Popen(
        [*command, *served.columns], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sender:
        assert sender.stdin is not None and sender.stdout is not None
        assert sender.stdout.readline() == "streams\n"
        before, started = served.client.nps("bench", "nps").as_of.responses, perf_counter()
        measured(benchmark, served, what, "while a client streams", few=rows == ROWS_SMALL)
        streamed = served.client.nps("bench", "nps").as_of.responses - before
        took_s = perf_counter() - started
        sender.stdin.close()
        assert int(sender.stdout.readline()) >= streamed
    assert sender.returncode == 0
    benchmark.extra_info["streamed_rows_per_s"] = streamed / took_s
