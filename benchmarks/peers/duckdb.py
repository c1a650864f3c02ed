"""DuckDB: a table in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.peers import sql
from benchmarks.tasks import Answer

VERSION = duckdb.__version__
DIALECT = sql.Dialect(
    count_if=lambda condition: f"count_if({condition})",
    weight_if=lambda condition, weight: f"{weight}e0 * ({condition})::double",
    factor=lambda name: f"{name}::smallint",
    two_levels=frozenset({"T1"}),
)
#: Many groups: sums of doubles are faster there than sums of whole numbers, which take 128 bits.
DIALECT_GROUPED = dataclasses.replace(
    DIALECT, factor=lambda name: f"{name}::double", two_levels=frozenset()
)
#: A history has nulls, lists and names.
_NULLS: Any = {
    "value": lambda name: f"coalesce({name}, 0)",
    "has_rating": lambda name: f"{name} is not null",
    "has_nps": "nps is not null",
    "has_improve": "improve is not null",
    "option": lambda number: f"list_contains(improve, {number})",
    "two_levels": frozenset(),
}


def prepare(table: pa.Table) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect()
    db.register("given", table)
    db.execute("create table r as select * from given")
    db.unregister("given")
    return db


def ask(db: duckdb.DuckDBPyConnection, texts: list[str]) -> Answer:
    return sql.answer(*(db.sql(text).to_arrow_table() for text in texts))


def _task(name: str) -> Callable[[duckdb.DuckDBPyConnection], Answer]:
    texts = sql.queries(name, DIALECT_GROUPED if name == "T5" else DIALECT)
    return lambda db: ask(db, texts)


class Again:
    """Insert every batch, ask again."""

    def __init__(self) -> None:
        self._db = duckdb.connect()
        self._texts = sql.queries("T6", DIALECT)
        self._how = "create table r as"

    def add(self, batch: pa.RecordBatch) -> None:
        self._db.register("given", pa.Table.from_batches([batch]))
        self._db.execute(f"{self._how} select {', '.join(sql.COLUMNS)} from given")
        self._how = "insert into r"

    def ask(self) -> Answer:
        return ask(self._db, self._texts)


TASKS = {name: _task(name) for name in ("T1", "T2", "T3", "T4", "T5")}


def _scan(name: str) -> Callable[[str], Answer]:
    dialect = dataclasses.replace(DIALECT_GROUPED if name == "T5" else DIALECT, **_NULLS)

    def run(files: str) -> Answer:
        with duckdb.connect() as db:
            return ask(db, sql.queries(name, dialect, source=f"read_parquet('{files}')"))

    return run


SCANS = {name: _scan(name) for name in ("T1", "T2", "T3", "T4", "T5")}
