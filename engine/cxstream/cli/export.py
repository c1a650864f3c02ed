"""`cxstream export`: all stored responses of a program in one file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from cxstream.cli.bar import bar
from cxstream.cli.load import AsJson
from cxstream.cli.output import print_json
from cxstream.cli.verify import Directory


def export(
    directory: Directory,
    program: Annotated[str, typer.Argument(help="The program.")],
    to: Annotated[
        Path,
        typer.Option("--to", dir_okay=False, help="FILE.parquet or FILE.arrow; replaced if there."),
    ],
    threads: Annotated[int, typer.Option(min=0, help="That read; 0 for all processors.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write a program's responses, decoded and in one form; the server must not be running.

    Columns _producer, _sequence and _row (from 0 within the batch) say where each came from, _point in
    which order the batches came.
    """
    from cxstream.export import export as write
    from cxstream.store.reader import StoreReader

    started_s = time.monotonic()
    with StoreReader(directory) as reader, bar("rows") as on_rows:
        done = write(reader, program, to, threads=threads, on_rows=on_rows)
    seconds = time.monotonic() - started_s
    rate = round(done.rows / max(seconds, 1e-9))
    if as_json:
        from dataclasses import asdict

        print_json({**asdict(done), "seconds": round(seconds, 3), "rows_per_s": rate})
        return
    print(
        f"{done.file}: {done.rows:,} rows of {done.batches:,} batches, {len(done.columns)} columns, "
        f"{done.bytes:,} bytes ({seconds:.1f} s, {rate:,} rows/s)"
    )
