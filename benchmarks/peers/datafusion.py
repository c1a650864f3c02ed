"""DataFusion: record batches in memory, a partition per processor."""

from __future__ import annotations

import os
from collections.abc import Callable

import datafusion
import pyarrow as pa

from benchmarks.peers import sql
from benchmarks.tasks import Answer

VERSION = datafusion.__version__
BATCH_ROWS = 8192
DIALECT = sql.Dialect(
    count_if=lambda condition: f"count(*) filter (where {condition})",
    weight_if=lambda condition, weight: f"case when {condition} then {weight}e0 else 0e0 end",
    factor=lambda name: f"cast({name} as double)",
    two_levels=frozenset({"T1", "T4"}),
)


def prepare(table: pa.Table) -> datafusion.SessionContext:
    parts = os.cpu_count() or 1
    settings = datafusion.SessionConfig().with_target_partitions(parts).with_batch_size(BATCH_ROWS)
    context = datafusion.SessionContext(settings)
    size = -(-table.num_rows // parts)
    context.register_record_batches(
        "r",
        [
            table.slice(start, size).to_batches(max_chunksize=BATCH_ROWS)
            for start in range(0, table.num_rows, size)
        ],
    )
    return context


def _task(name: str) -> Callable[[datafusion.SessionContext], Answer]:
    texts = sql.queries(name, DIALECT)
    return lambda context: sql.answer(*(context.sql(text).to_arrow_table() for text in texts))


TASKS = {name: _task(name) for name in ("T1", "T2", "T3", "T4", "T5")}
