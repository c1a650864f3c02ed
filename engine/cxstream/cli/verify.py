"""`cxstream verify`: whether a data directory holds what was acknowledged."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxstream.cli.bar import bar
from cxstream.cli.load import AsJson
from cxstream.cli.output import console, print_json

if TYPE_CHECKING:
    from cxstream.verification import Check, Problem

Directory = Annotated[
    Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="The data directory.")
]

_PROBLEMS_SHOWN = 20


def verify(
    directory: Directory,
    threads: Annotated[
        int, typer.Option(min=0, help="That read and count; 0 for all processors.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Check a data directory and change nothing; the server must not be running on it.

    All responses are read and counted again, and the sums compared bit for bit with those kept. Exit
    code 1 where something is wrong.
    """
    from cxstream.store.reader import StoreReader
    from cxstream.verification import verify as run

    started_s = time.monotonic()
    checks = []
    with StoreReader(directory) as reader, bar("rows") as on_rows:
        for check in run(reader, threads=threads, on_rows=on_rows):
            checks.append(check)
            if not as_json:
                _print(check)
    seconds = time.monotonic() - started_s
    failed = sum(not check.ok for check in checks)
    if as_json:
        print_json(
            {
                "directory": str(directory),
                "ok": not failed,
                "checks": [_plain(check) for check in checks],
                "seconds": round(seconds, 3),
            }
        )
    elif failed:
        console().print(f"{failed} of {len(checks)} checks failed", style="bold red")
    else:
        console().print(f"all {len(checks)} checks passed ({seconds:.1f} s)", style="bold green")
    raise typer.Exit(1 if failed else 0)


def _print(check: Check) -> None:
    figures = [f"{name} {count:,}" for name, count in check.figures.items()]
    if check.remark:
        figures.append(check.remark)
    print(f"{'ok' if check.ok else 'FAILED':6}  {check.name:9}  {', '.join(figures)}".rstrip())
    for problem in check.problems[:_PROBLEMS_SHOWN]:
        print(f"        {_where(problem)}{problem.what}; {problem.remedy}")
    more = len(check.problems) - _PROBLEMS_SHOWN
    if more > 0:
        print(f"        and {more:,} more; --json lists all")


def _where(problem: Problem) -> str:
    parts = []
    if problem.program:
        parts.append(f"program {problem.program}")
    if problem.producer:
        parts.append(f"producer {problem.producer}")
    if problem.sequence is not None:
        parts.append(f"sequence {problem.sequence}")
    return f"{', '.join(parts)}: " if parts else ""


def _plain(check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "ok": check.ok,
        **check.figures,
        "remark": check.remark,
        "problems": check.problems,
    }
