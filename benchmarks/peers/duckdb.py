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


def t6(batches: list[pa.RecordBatch]) -> Answer:
    """Insert every batch, ask again after it."""
    texts = sql.queries("T6", DIALECT)
    columns = ", ".join(sql.COLUMNS)
    after = []
    with duckdb.connect() as db:
        for number, batch in enumerate(batches):
            db.register("given", pa.Table.from_batches([batch]))
            how = "insert into r" if number else "create table r as"
            db.execute(f"{how} select {columns} from given")
            after.append(ask(db, texts))
    return sql.stacked(after)


TASKS = {**{name: _task(name) for name in ("T1", "T2", "T3", "T4", "T5")}, "T6": t6}


def _scan(name: str) -> Callable[[str], Answer]:
    dialect = dataclasses.replace(DIALECT_GROUPED if name == "T5" else DIALECT, **_NULLS)

    def run(files: str) -> Answer:
        with duckdb.connect() as db:
            return ask(db, sql.queries(name, dialect, source=f"read_parquet('{files}')"))

    return run


SCANS = {name: _scan(name) for name in ("T1", "T2", "T3", "T4", "T5")}
