"""The queries of the tasks, for engines that speak SQL.

A task is a query or two, whichever way is fastest: counts, and sums over complete cases. Small
tables of counts go before conditions (`two_levels`). What else differs is in the dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.tasks import TERMS, Answer, least_squares, nps_of
from benchmarks.workload import NO_NPS, OPTIONS, RATINGS, WEIGHTS

KEYS: dict[str, tuple[str, ...]] = {
    "T1": ("region", "age_group"),
    "T2": ("touchpoint", "month"),
    "T3": (),
    "T4": ("region",),
    "T5": ("touchpoint", "month", "region"),
    "T6": (),
}
COLUMNS = (*RATINGS, "nps")


@dataclass(frozen=True)
class Dialect:
    """How an engine says it, and what is fastest there.

    Attributes
    ----------
    count_if : function of a condition
        Counts rows.
    weight_if : function of (condition, weight)
        The weight where it holds, else 0.
    factor : function of a column
        Makes it wide enough for products.
    option : function of an option's number
        Whether it is among the answers of improve.
    two_levels : set of str
        Tasks that first count by every answer.
    """

    count_if: Callable[[str], str]
    weight_if: Callable[[str, float], str]
    factor: Callable[[str], str]
    option: Callable[[int], str] = lambda number: f"(improve & {1 << (number - 1)}) > 0"
    two_levels: frozenset[str] = frozenset()

    # What stands for an answer: bytes without nulls, or columns with nulls, such as a history's.
    value: Callable[[str], str] = lambda name: name
    has_rating: Callable[[str], str] = lambda name: f"{name} > 0"
    has_nps: str = f"nps < {NO_NPS}"
    has_improve: str = "improve > 0"


def queries(
    task: str, dialect: Dialect, source: str = "r", keys: dict[str, str] | None = None
) -> list[str]:
    """Return the queries of a task.

    Parameters
    ----------
    source : str
        What stands after `from`.
    keys : dict of str to str, optional
        What to group by instead of a column of its name.
    """
    by = [f"{(keys or {}).get(name, name)} as k_{name}" for name in KEYS[task]]
    out = []
    if task != "T3":
        out.append(_counts(task, dialect, source, by))
    if task in ("T3", "T5", "T6"):
        out.append(_sums(task, dialect, source, by))
    return out


def _grouped(task: str, more: Sequence[str] = ()) -> str:
    named = [*(f"k_{name}" for name in KEYS[task]), *more]
    if not named:
        return ""
    order = "" if more else f" order by {', '.join(named)}"
    return f" group by {', '.join(named)}{order}"


def _counts(task: str, dialect: Dialect, source: str, by: list[str]) -> str:
    named = [f"k_{name}" for name in KEYS[task]]
    two = task in dialect.two_levels
    inner: list[str] = []
    outer: list[str] = []

    def count(condition: str, name: str) -> str:
        if two:
            return f"sum(case when {condition} then c else 0 end) as {name}"
        return f"{dialect.count_if(condition)} as {name}"

    if task in ("T1", "T5", "T6"):
        inner.append("nps")
        outer += [
            count("nps <= 6", "d"),
            count("nps between 7 and 8", "s"),
            count("nps between 9 and 10", "p"),
        ]
    if task in ("T2", "T5", "T6"):
        inner += [f"{_weighted(dialect)} as a", f"{_weights(dialect)} as b"]
        outer += [
            f"{dialect.count_if('b > 0')} as ixn",
            "sum(case when b > 0 then 25e0 * (a - b) / b else 0e0 end) as ixs",
        ]
    if task in ("T4", "T5"):
        inner.append("improve")
        outer.append(count(dialect.has_improve, "base"))
        outer += [count(dialect.option(one), f"o{one}") for one in range(1, OPTIONS + 1)]
    rows = f"select {', '.join([*by, *inner])} from {source}"
    if two:
        rows = (
            f"select {', '.join([*named, *inner, 'count(*) as c'])} from ({rows}) as w"
            f"{_grouped(task, inner)}"
        )
    return f"select {', '.join([*named, *outer])} from ({rows}) as q{_grouped(task)}"


def _weighted(dialect: Dialect) -> str:
    pairs = zip(RATINGS, WEIGHTS, strict=True)
    return " + ".join(f"{weight}e0 * {dialect.value(name)}" for name, weight in pairs)


def _weights(dialect: Dialect) -> str:
    pairs = zip(RATINGS, WEIGHTS, strict=True)
    return " + ".join(dialect.weight_if(dialect.has_rating(name), weight) for name, weight in pairs)


def _sums(task: str, dialect: Dialect, source: str, by: list[str]) -> str:
    named = [f"k_{name}" for name in KEYS[task]]
    complete = " and ".join([*(dialect.has_rating(name) for name in RATINGS), dialect.has_nps])
    wide = [f"{dialect.factor(name)} as w_{name}" for name in COLUMNS]
    factors = [f"w_{name}" for name in COLUMNS]
    sums = ["count(*) as m0_0"]
    sums += [f"sum({one}) as m0_{j}" for j, one in enumerate(factors, start=1)]
    for i, left in enumerate(factors, start=1):
        for j in range(i, len(factors) + 1):
            sums.append(f"sum({left} * {factors[j - 1]}) as m{i}_{j}")
    rows = f"select {', '.join([*by, *wide])} from {source} where {complete}"
    return f"select {', '.join([*named, *sums])} from ({rows}) as q{_grouped(task)}"


def answer(*tables: pa.Table) -> Answer:
    """Make the answer of the results of a task's queries."""
    out: Answer = {}
    for table in tables:
        names = set(table.column_names)
        if "d" in names:
            out["classes"] = _array(table, ["d", "s", "p"])
            out["nps"] = nps_of(out["classes"])  # type: ignore[arg-type]
        if "ixn" in names:
            out["index_n"] = _array(table, ["ixn"])[:, 0]
            out["index"] = _array(table, ["ixs"], np.float64)[:, 0] / out["index_n"]
        if "base" in names:
            out["base"] = _array(table, ["base"])[:, 0]
            out["ticked"] = _array(table, [f"o{one}" for one in range(1, OPTIONS + 1)])
        if "m0_0" in names:
            products = [f"m{i}_{j}" for i in range(TERMS + 1) for j in range(i, TERMS + 1)]
            out |= least_squares(_array(table, products, np.float64))
    return out


def _array(table: pa.Table, names: list[str], kind: Any = np.int64) -> Any:
    found = [table[name].to_numpy(zero_copy_only=False) for name in names]
    return np.stack([one.astype(kind) for one in found], axis=1)
