"""Polars: lazy queries over a frame in memory."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.peers.sql import COLUMNS, KEYS, answer
from benchmarks.tasks import AGE_GROUPS, Answer, least_squares, nps_of, stacked
from benchmarks.workload import NO_NPS, OPTIONS, RATINGS, WEIGHTS

VERSION = pl.__version__


def _count(condition: pl.Expr, times: pl.Expr | None) -> pl.Expr:
    """Return how often a condition holds, where a row stands for so many."""
    return condition.sum() if times is None else times.filter(condition).sum()


def _scores(times: pl.Expr | None = None) -> list[pl.Expr]:
    nps = pl.col("nps")
    return [
        _count(nps <= 6, times).alias("d"),
        _count(nps.is_between(7, 8), times).alias("s"),
        _count(nps.is_between(9, 10), times).alias("p"),
    ]


def _index() -> pl.Expr:
    """Return the index, NaN where nothing is answered."""
    total = weights = pl.lit(0, pl.UInt8)  # tenths: whole numbers of a byte
    for name, weight in zip(RATINGS, WEIGHTS, strict=True):
        tenths = round(10 * weight)
        total += pl.col(name) * tenths
        weights += (pl.col(name) > 0).cast(pl.UInt8) * tenths
    return (25.0 * (total - weights).cast(pl.Float64) / weights).alias("ix")


def _indices() -> list[pl.Expr]:
    some = pl.col("ix").is_not_nan()
    return [some.sum().alias("ixn"), pl.col("ix").fill_nan(0.0).sum().alias("ixs")]


def _ticks(times: pl.Expr | None = None) -> list[pl.Expr]:
    improve = pl.col("improve")
    return [
        _count(improve > 0, times).alias("base"),
        *(
            _count(improve & (1 << (one - 1)) > 0, times).alias(f"o{one}")
            for one in range(1, OPTIONS + 1)
        ),
    ]


def _sums() -> list[pl.Expr]:
    columns = [pl.col(name) for name in COLUMNS]
    out = [pl.len().alias("m0_0")]
    out += [one.sum().alias(f"m0_{j}") for j, one in enumerate(columns, start=1)]
    for i, left in enumerate(columns, start=1):
        for j in range(i, len(columns) + 1):
            out.append((left * columns[j - 1]).sum().alias(f"m{i}_{j}"))
    return out


def _complete(
    frame: pl.LazyFrame, keys: list[str], kind: type[pl.DataType] = pl.UInt8
) -> pl.LazyFrame:
    """Return complete cases. Products fit a byte, and are added up in 64 bits; among many groups
    float32 is faster, and exact for groups of up to 160,000 rows.
    """
    whole = pl.all_horizontal(*(pl.col(name) > 0 for name in RATINGS), pl.col("nps") < NO_NPS)
    return frame.filter(whole).select(*keys, *(pl.col(name).cast(kind) for name in COLUMNS))


def prepare(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.rechunk()


def _asked(frame: pl.LazyFrame, task: str, what: list[pl.Expr]) -> pl.LazyFrame:
    keys = list(KEYS[task])
    return frame.group_by(keys).agg(what).sort(keys) if keys else frame.select(what)


def _answered(*frames: pl.LazyFrame) -> Answer:
    return answer(*(one.to_arrow() for one in pl.collect_all(frames)))


def _fused(*parts: tuple[str, int]) -> pl.Expr:
    """Return one 16-bit key of columns, each with its number of values."""
    key = pl.col(parts[0][0]).cast(pl.UInt16)
    for name, count in parts[1:]:
        key = key * count + pl.col(name)
    return key.alias("key")


def t1(frame: pl.DataFrame) -> Answer:
    """Count every score of every group by one key, then add up."""
    key = _fused(("region", 0), ("age_group", AGE_GROUPS), ("nps", NO_NPS + 1))
    counts = frame.lazy().group_by(key).len()
    group = pl.col("key") // (NO_NPS + 1)
    counts = counts.with_columns(
        nps=pl.col("key") % (NO_NPS + 1), region=group // AGE_GROUPS, age_group=group % AGE_GROUPS
    )
    return _answered(_asked(counts, "T1", _scores(pl.col("len"))))


def t2(frame: pl.DataFrame) -> Answer:
    return _answered(_asked(frame.lazy().with_columns(_index()), "T2", _indices()))


def t3(frame: pl.DataFrame) -> Answer:
    return _answered(_asked(_complete(frame.lazy(), []), "T3", _sums()))


def t4(frame: pl.DataFrame) -> Answer:
    """Count every combination of options by one key, then add up."""
    counts = frame.lazy().group_by(_fused(("region", 0), ("improve", 256))).len()
    counts = counts.with_columns(region=pl.col("key") // 256, improve=pl.col("key") % 256)
    return _answered(_asked(counts, "T4", _ticks(pl.col("len"))))


def t5(frame: pl.DataFrame) -> Answer:
    counted = frame.lazy().with_columns(_index())
    complete = _complete(frame.lazy(), list(KEYS["T5"]), pl.Float32)
    return _answered(
        _asked(counted, "T5", [*_scores(), *_indices(), *_ticks()]),
        _asked(complete, "T5", _sums()),
    )


def _t6(frame: pl.LazyFrame) -> list[pl.LazyFrame]:
    counted = frame.select("nps", _index())
    complete = _complete(frame, [])
    return [_asked(counted, "T6", [*_scores(), *_indices()]), _asked(complete, "T6", _sums())]


class Again:
    """Keep everything, ask again."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []

    def add(self, batch: pa.RecordBatch) -> None:
        self._frames.append(pl.DataFrame(pl.from_arrow(batch)))

    def ask(self) -> Answer:
        return _answered(*_t6(pl.concat(self._frames, rechunk=False).lazy()))


def t6_partials(batches: list[pa.RecordBatch]) -> Answer:
    """Keep sums, add each batch's."""
    after = []
    counts: np.ndarray | None = None
    for batch in batches:
        found = pl.collect_all(_t6(pl.DataFrame(pl.from_arrow(batch)).lazy()))
        row = np.array([*found[0].row(0), *found[1].row(0)], dtype=np.float64)
        counts = row if counts is None else counts + row
        classes = counts[:3].astype(np.int64)[None]
        after.append(
            {
                "nps": nps_of(classes),
                "index": counts[4:5] / counts[3],
                **least_squares(counts[None, 5:]),
            }
        )
    return stacked(after)


TASKS = {"T1": t1, "T2": t2, "T3": t3, "T4": t4, "T5": t5, "T6": t6_partials}


def _scan(files: str, task: str) -> pl.LazyFrame:
    """Return the columns of a history as the tasks have them; groups go by their names."""
    counted = [pl.col("nps").fill_null(NO_NPS).cast(pl.UInt8)]
    counted += [pl.col(name).fill_null(0).cast(pl.UInt8) for name in RATINGS]
    return pl.scan_parquet(files).select(*KEYS[task], "improve", *counted)


def _options(frame: pl.LazyFrame, task: str) -> list[pl.LazyFrame]:
    """Count who answered improve, and every option once the lists are taken apart."""
    keys = list(KEYS[task])
    answered = frame.group_by(keys).agg(base=pl.col("improve").count()).sort(keys)
    ticks = (
        frame.select(*keys, "improve")
        .explode("improve")
        .group_by(*keys, "improve")
        .len()
        .group_by(keys)
        .agg(
            pl.col("len").filter(pl.col("improve") == one).sum().alias(f"o{one}")
            for one in range(1, OPTIONS + 1)
        )
        .sort(keys)
    )
    return [answered, ticks]


def _scanned(*frames: pl.LazyFrame) -> Answer:
    """Put the columns of one set of groups side by side."""
    tables = [one.to_arrow() for one in pl.collect_all(frames)]
    wide = tables[0]
    for table in tables[1:]:
        for name in table.column_names:
            if name not in wide.column_names:
                wide = wide.append_column(name, table[name])
    return answer(wide)


def scan_t1(files: str) -> Answer:
    return _scanned(_asked(_scan(files, "T1"), "T1", _scores()))


def scan_t2(files: str) -> Answer:
    return _scanned(_asked(_scan(files, "T2").with_columns(_index()), "T2", _indices()))


def scan_t3(files: str) -> Answer:
    return _scanned(_asked(_complete(_scan(files, "T3"), []), "T3", _sums()))


def scan_t4(files: str) -> Answer:
    return _scanned(*_options(_scan(files, "T4"), "T4"))


def scan_t5(files: str) -> Answer:
    frame = _scan(files, "T5")
    return _scanned(
        _asked(frame.with_columns(_index()), "T5", [*_scores(), *_indices()]),
        *_options(frame, "T5"),
        _asked(_complete(frame, list(KEYS["T5"]), pl.Float32), "T5", _sums()),
    )


SCANS = {"T1": scan_t1, "T2": scan_t2, "T3": scan_t3, "T4": scan_t4, "T5": scan_t5}
