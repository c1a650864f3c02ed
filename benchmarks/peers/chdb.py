"""chDB: ClickHouse in process, over a table in memory."""

from __future__ import annotations

import atexit
from collections.abc import Callable

import chdb
import pyarrow as pa
from chdb import session

from benchmarks.peers import sql
from benchmarks.tasks import Answer

VERSION = chdb.__version__
DIALECT = sql.Dialect(
    count_if=lambda condition: f"sum({condition})",
    weight_if=lambda condition, weight: f"{weight}e0 * ({condition})",
    factor=lambda name: f"toInt16({name})",
    option=lambda number: f"bitTest(improve, {number - 1})",
    two_levels=frozenset({"T1", "T4"}),
)


def prepare(table: pa.Table) -> session.Session:
    held = session.Session()
    atexit.register(held.close)
    columns = ", ".join(f"{name} UInt8" for name in table.column_names)
    held.query("create database if not exists bench engine = Atomic")
    held.query("drop table if exists bench.r sync")
    held.query(f"create table bench.r ({columns}) engine = Memory")
    given = table  # noqa: F841 - by its name, in the query
    held.query("insert into bench.r select * from Python(given)")
    return held


def _task(name: str) -> Callable[[session.Session], Answer]:
    texts = sql.queries(name, DIALECT, source="bench.r")
    return lambda held: sql.answer(*(held.query(text, "ArrowTable") for text in texts))


TASKS = {name: _task(name) for name in ("T1", "T2", "T3", "T4", "T5")}
