"""One-off questions over a history: everyone reads the same Parquet files, those of a data directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmarks import tasks
from benchmarks.workload import PROGRAM, RATINGS, compact, responses
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.program import program_from_dict
from cxstream.store import DirectoryStore

ROWS_SMALL = 100_000
WAYS = ("cxstream", "duckdb", "polars")
TASKS = ("T1", "T2", "T3", "T4", "T5")
#: Nothing but the total is kept while the history is filled.
DECLARED: dict[str, Any] = {
    "name": "bench",
    "questions": {name: PROGRAM["questions"][name] for name in ("nps", *RATINGS, "improve")},  # type: ignore[index]
    "dimensions": {"region": {}, "age_group": {}, "touchpoint": {}},
    "time": PROGRAM["time"],
    "insights": {"questions": []},
}


@pytest.fixture(scope="module")
def table(pytestconfig: pytest.Config) -> pa.Table:
    return responses(int(pytestconfig.getoption("--bench-rows") or ROWS_SMALL))


@pytest.fixture(scope="module")
def history(table: pa.Table, tmp_path_factory: Any) -> Iterator[tuple[Any, str]]:
    """Fill a data directory and seal it; return what reads it, and the pattern of its files."""
    folder: Path = tmp_path_factory.mktemp("scans")
    store = DirectoryStore(folder)
    with open_client(Engine(store=store)) as client:
        client.put_program(DECLARED)
        columns = [*DECLARED["questions"], *DECLARED["dimensions"], "month"]
        with client.append("bench", producer="bench") as stream:
            stream.send(table.select(columns))
        client.checkpoint()
        yield (store, program_from_dict(DECLARED)), f"{folder}/history/bench/????-??/*.parquet"


@pytest.fixture(scope="module")
def expected(peer: Any, table: pa.Table) -> dict[str, tasks.Answer]:
    module = peer("numpy")
    held = module.prepare(compact(table))
    return {task: module.TASKS[task](held) for task in TASKS}


@pytest.mark.parametrize(("task", "way"), [(task, way) for task in TASKS for way in WAYS])
@pytest.mark.usefixtures("turn")
def bench_scan(benchmark, peer, history, expected, table, task, way) -> None:  # type: ignore[no-untyped-def]
    module = peer(way)
    held, files = history
    given = held if way == "cxstream" else files
    benchmark.group = f"scan {task}: {tasks.TASKS[task]}"
    benchmark.extra_info |= {"rows": table.num_rows, "version": module.VERSION}
    found = benchmark.pedantic(module.SCANS[task], (given,), rounds=1, warmup_rounds=1)
    tasks.check(found, expected[task])
