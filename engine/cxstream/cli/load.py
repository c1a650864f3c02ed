"""`cxstream load`: a file of responses into a program."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxstream.cli.output import CommandError, console, note, print_json

if TYPE_CHECKING:
    from cxstream.cli.files import Source
    from cxstream.cli.sending import Refused, Sent
    from cxstream.program import Program
    from cxstream_client import Client

DEFAULT_TARGET = "127.0.0.1:50051"


def _checked_target(target: str) -> str:
    """Refuse what gRPC would take for another port: it reads none as 443, 99999 as 34463."""
    port = target.rpartition(":")[2]
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if not is_port and "/" not in target and not target.startswith("unix:"):
        raise typer.BadParameter(f"{target!r}: expected HOST:PORT, such as {DEFAULT_TARGET}")
    return target


Target = Annotated[
    str, typer.Option("--target", help="HOST:PORT of the server.", callback=_checked_target)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]

_IGNORED_SHOWN = 5


def load(
    file: Annotated[Path, typer.Argument(help="CSV (also .gz), Parquet or Arrow IPC.")],
    program: Annotated[
        str, typer.Option("--program", help="The program's TOML file, or its name on the server.")
    ],
    target: Target = DEFAULT_TARGET,
    producer: Annotated[
        str | None,
        typer.Option(help="Who sends: a file sent again under one name counts once. [file name]"),
    ] = None,
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FILE_COLUMN", help="A column's name in the file."),
    ] = None,
    absent: Annotated[
        list[str] | None,
        typer.Option("--absent", metavar="COLUMN", help="A column that nobody was asked."),
    ] = None,
    batch_rows: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Rows of a batch; keep it to resume.")
    ] = 8192,
    delimiter: Annotated[
        str | None, typer.Option(help="Of a CSV file. [of , ; tab and | what its heading has]")
    ] = None,
    separator: Annotated[
        str, typer.Option(help="Between several answers in one cell of a CSV file.")
    ] = ";",
    encoding: Annotated[str, typer.Option(help="Of a CSV file.")] = "utf8",
    decimal: Annotated[str, typer.Option(help="Decimal point of numbers in text: . or ,")] = ".",
    time_format: Annotated[
        str | None,
        typer.Option(help="Of times in text, such as '%m/%d/%Y %I:%M:%S %p'. [ISO 8601]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Load a file; loading it again counts nothing twice, and goes on where it was interrupted.

    Rows are counted from 0, the first below the heading. Exit code 1 where a batch was refused.
    """
    from cxstream.cli import columns, files
    from cxstream.cli.sending import send_file
    from cxstream_client import Client, GrpcTransport

    if decimal not in (".", ","):
        raise CommandError(f"--decimal {decimal}: expected . or ,", code=2)
    if delimiter is not None and len(delimiter) != 1:
        raise CommandError(f"--delimiter {delimiter}: expected one character", code=2)
    source = files.open_source(file, delimiter=delimiter, encoding=encoding)
    transport = GrpcTransport(target)
    with Client(transport) as client:
        declared, is_fresh = _declare(client, program)
        match = columns.match(declared, source.names, _mapping(mapped or []), absent or [])
        if match.ignored:
            note(_ignored_text(match.ignored))
        name = producer or re.sub(r"[^A-Za-z0-9_.:/-]", "_", file.name)
        wanted = [column for column in match.taken.values() if column is not None]
        started_s = time.monotonic()
        try:
            with _progress(source, started_s) as on_batch:
                sent = send_file(
                    transport,
                    declared.name,
                    name,
                    files.rebatch(source.batches(list(dict.fromkeys(wanted))), batch_rows),
                    columns.Reader(declared, match, separator, decimal, time_format),
                    fresh=is_fresh,
                    on_refused=lambda refused: note(_refused_text(refused)),
                    on_batch=on_batch,
                )
        except KeyboardInterrupt:
            raise CommandError("interrupted; load the file again to go on", code=130) from None
    seconds = time.monotonic() - started_s
    if not sent.rows_read:
        raise CommandError(f"{file}: there are no rows")
    summary = {
        "program": declared.name,
        "file": str(file),
        "producer": name,
        "rows_read": sent.rows_read,
        "rows_loaded": sent.rows,
        "batches_loaded": sent.batches,
        "rows_already_loaded": sent.rows_before,
        "batches_already_loaded": sent.batches_before,
        "rows_refused": sum(one.rows for one in sent.refused),
        "refused": sent.refused,
        "ignored_columns": match.ignored,
        "seconds": round(seconds, 3),
        "rows_per_s": round(sent.rows / seconds) if seconds else None,
    }
    if as_json:
        print_json(summary)
    else:
        print(_summary_text(declared.name, sent, seconds))
    raise typer.Exit(1 if sent.refused else 0)


def _declare(client: Client, given: str) -> tuple[Program, bool]:
    """Return the program, declared on the server, and whether it has no responses yet."""
    from cxstream.program import program_from_dict, read_program

    path = Path(given)
    if path.suffix != ".toml" and not path.exists():
        tables = client.get_program(given).to_dict()
        return program_from_dict(tables), client.program_info(given).batches == 0
    declared = read_program(path)
    return declared, client.put_program(path).batches == 0


def _mapping(given: list[str]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for one in given:
        column, equals, name = one.partition("=")
        if not (column and equals and name):
            raise CommandError(f"--map {one}: expected COLUMN=FILE_COLUMN", code=2)
        if column in mapping:
            raise CommandError(f"--map {one}: {column!r} is mapped already", code=2)
        mapping[column.strip()] = name.strip()
    return mapping


@contextmanager
def _progress(source: Source, started_s: float) -> Iterator[Callable[[Sent], None]]:
    """Show a bar on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield _show_nothing
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.fields[rows]:>12,} rows"),
        BarColumn(),
        TextColumn("{task.fields[rate]:>10,.0f} rows/s"),
        TimeElapsedColumn(),
        console=console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=1.0, rows=0, rate=0.0)

        def on_batch(sent: Sent) -> None:
            rate = sent.rows_read / max(1e-9, time.monotonic() - started_s)
            bar.update(task, completed=source.done(), rows=sent.rows_read, rate=rate)

        yield on_batch


def _show_nothing(sent: Sent) -> None:
    del sent


def _ignored_text(ignored: tuple[str, ...]) -> str:
    shown = ", ".join(name or "(one without a name)" for name in ignored[:_IGNORED_SHOWN])
    more = ", ..." if ignored[_IGNORED_SHOWN:] else ""
    if len(ignored) == 1:
        return f"1 column is not in the program and is ignored: {shown}"
    return f"{len(ignored)} columns are not in the program and are ignored: {shown}{more}"


def _refused_text(refused: Refused) -> str:
    last = refused.first_row + refused.rows - 1
    return f"refused: file rows {refused.first_row}..{last}: {refused.reason}: {refused.message}"


def _counted(rows: int, batches: int) -> str:
    return f"{rows:,} row{'s'[: rows != 1]} in {batches:,} batch{'es'[: 2 * (batches != 1)]}"


def _summary_text(program: str, sent: Sent, seconds: float) -> str:
    parts: list[Any] = []
    if sent.rows or not sent.rows_before:
        rate = f"{seconds:.1f} s, {sent.rows / max(seconds, 1e-9):,.0f} rows/s"
        parts.append(f"loaded {_counted(sent.rows, sent.batches)} into {program} ({rate})")
    if sent.rows_before:
        parts.append(f"already loaded: {_counted(sent.rows_before, sent.batches_before)}")
    if sent.refused:
        rows = sum(one.rows for one in sent.refused)
        parts.append(f"refused: {_counted(rows, len(sent.refused))}; nothing of them is counted")
    return "\n".join(parts)
