"""Answers that are current after every batch, beside what one would use instead.

Each library gets the same batches and must know, after each of them, the NPS by region. Results are
asserted equal to the last count. Rows per second are `rows / median`.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import cxstream
from cxstream.testing import serve

BATCH_ROWS = 65_536

PROGRAM = {"questions": {"nps": {"kind": "nps"}}, "dimensions": {"region": {}}}

Counts = dict[str, tuple[int, int, int]]


def batches(table: pa.Table) -> list[pa.RecordBatch]:
    return table.select(["nps", "region"]).combine_chunks().to_batches(max_chunksize=BATCH_ROWS)


def expected(table: pa.Table) -> Counts:
    """Count with pyarrow and plain Python, slowly."""
    out: dict[str, list[int]] = {}
    regions = table.column("region").to_pylist()
    for region, score in zip(regions, table.column("nps").to_pylist(), strict=True):
        if score is not None:
            row = out.setdefault(region, [0, 0, 0])
            row[0 if score <= 6 else 1 if score <= 8 else 2] += 1
    return {region: tuple(row) for region, row in sorted(out.items())}  # type: ignore[misc]


def with_cxstream(client: object) -> Callable[[pa.Table], Counts]:
    def run(table: pa.Table) -> Counts:
        run.number += 1  # type: ignore[attr-defined]
        name = f"bench-{run.number}"  # type: ignore[attr-defined]
        client.put_program({**PROGRAM, "name": name})  # type: ignore[attr-defined]
        answer = None
        with client.append(name, producer="bench", batch_bytes=4 << 20) as stream:  # type: ignore[attr-defined]
            for batch in batches(table):
                stream.send(batch, wait=True)
                answer = client.nps(name, "nps", by=["region"])  # type: ignore[attr-defined]
        return {
            row.group["region"]: (row.detractors, row.passives, row.promoters) for row in answer
        }

    run.number = 0  # type: ignore[attr-defined]
    return run


def with_polars(table: pa.Table) -> Counts:
    """Keep everything, ask again after every batch."""
    frames: list[pl.DataFrame] = []
    out = None
    score = pl.col("nps")
    for batch in batches(table):
        frames.append(pl.from_arrow(pa.Table.from_batches([batch])))
        out = (
            pl.concat(frames)
            .lazy()
            .group_by("region")
            .agg(
                (score <= 6).sum().alias("d"),
                score.is_between(7, 8).sum().alias("s"),
                (score >= 9).sum().alias("p"),
            )
            .sort(pl.col("region").cast(pl.String))
            .collect()
        )
    return {str(region): (d, s, p) for region, d, s, p in out.iter_rows()}


def with_duckdb(table: pa.Table) -> Counts:
    """Insert every batch, ask again after it."""
    with duckdb.connect() as db:
        db.execute("create table r (nps tinyint, region varchar)")
        rows = []
        for batch in batches(table):
            part = pa.Table.from_batches([batch])
            db.register("part", part)
            db.execute("insert into r select * from part")
            db.unregister("part")
            rows = db.execute(
                "select region, count(*) filter (nps <= 6), count(*) filter (nps in (7, 8)),"
                " count(*) filter (nps >= 9) from r group by region order by region"
            ).fetchall()
    return {region: (d, s, p) for region, d, s, p in rows}


def with_numpy(table: pa.Table) -> Counts:
    """Partial counts by hand, merged after every batch."""
    total = np.zeros((12, 3), dtype=np.int64)
    classes = np.digitize(np.arange(11), [7, 9])
    for batch in batches(table):
        scores, region = batch.column("nps"), batch.column("region").indices.to_numpy()
        valid = scores.is_valid().to_numpy(zero_copy_only=False)
        kind = classes[scores.fill_null(0).to_numpy()]
        key = (region * 3 + kind)[valid]
        total += np.bincount(key, minlength=36).reshape(12, 3)
    names = [f"R{number:02}" for number in range(12)]
    return {name: tuple(map(int, row)) for name, row in zip(names, total, strict=True)}  # type: ignore[misc]


@pytest.mark.benchmark(group="NPS by region, current after every batch")
@pytest.mark.parametrize(
    "way", ["cxstream in process", "cxstream over grpc", "polars", "duckdb", "numpy by hand"]
)
def bench_nps_by_region(benchmark, table, way, request) -> None:  # type: ignore[no-untyped-def]
    if way == "cxstream in process":
        client = cxstream.Engine.open()
        request.addfinalizer(client.close)
        run: Callable[[pa.Table], Counts] = with_cxstream(client)
    elif way == "cxstream over grpc":
        import cxstream_client

        context = serve()
        client = cxstream_client.connect(context.__enter__())
        request.addfinalizer(lambda: context.__exit__(None, None, None))
        request.addfinalizer(client.close)
        run = with_cxstream(client)
    else:
        run = {"polars": with_polars, "duckdb": with_duckdb, "numpy by hand": with_numpy}[way]
    benchmark.extra_info["rows"] = table.num_rows
    assert benchmark.pedantic(run, (table,), rounds=5, warmup_rounds=1) == expected(table)
