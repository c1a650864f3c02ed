"""What every question of the command line shares: options, connection, how an answer is printed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxstream.cli.bar import bar
from cxstream.cli.output import CommandError, print_json

if TYPE_CHECKING:
    from cxstream_client import Client
    from cxstream_client.results import Result

app = typer.Typer(no_args_is_help=True)

#: Whether the question that is asked shall explain its answer.
_EXPLAIN = ContextVar("explain", default=False)


ProgramName = Annotated[str, typer.Argument(metavar="PROGRAM", help="The program.")]
Question = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Which one, where there are several.")
]
By = Annotated[
    list[str] | None, typer.Option("--by", help="A dimension or time bucket; may be repeated.")
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="DIM=LEVEL[,LEVEL]", help="Only these; 'DIM=' for no level."),
]
Since = Annotated[str | None, typer.Option("--since", help="From this date or time on.")]
Until = Annotated[str | None, typer.Option("--until", help="Before this date or time.")]
Confidence = Annotated[float, typer.Option("--confidence", help="Level of the intervals.")]
Weighted = Annotated[
    bool, typer.Option("--weighted", help="Count each response with its survey weight.")
]
Rake = Annotated[
    list[str] | None,
    typer.Option(
        "--rake",
        metavar="DIM=LEVEL:TARGET,...",
        help="Fit the weights to these shares or totals; may be repeated. ':TARGET' for no level.",
    ),
]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV on stdout.")]

#: Counting stored responses takes as long as there are many; whoever waits can interrupt it.
_TIMEOUT_S = 600.0
_BAR_AFTER_S = 0.3


@app.callback()
def ask(
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Say what the answer rests on and how it was computed."),
    ] = False,
) -> None:
    """Ask a server for answers."""
    _EXPLAIN.set(explain)


@contextmanager
def connected(target: str, shared: dict[str, Any] | None = None) -> Iterator[Client]:
    """Connect; what a question is asked with then also shows how far the answer is."""
    import cxstream_client as cx

    with (
        cx.connect(target, timeout_s=_TIMEOUT_S) as client,
        bar("responses", after_s=_BAR_AFTER_S) as on_progress,
    ):
        if shared is not None:
            shared["on_progress"] = on_progress
        yield client


def shared_options(
    by: list[str] | None,
    where: list[str] | None,
    since: str | None,
    until: str | None,
    confidence: float,
    weighted: bool = False,
    rake: list[str] | None = None,
) -> dict[str, Any]:
    """Return the options that all questions share, as arguments of the client's methods."""
    return {
        "by": by or [],
        "where": levels_of("--where", where or []),
        "since": since,
        "until": until,
        "confidence": confidence,
        "weighting": "declared" if weighted else "none",
        "rake": _margins(rake or []),
    }


def levels_of(option: str, given: list[str]) -> dict[str, list[str | None]]:
    """Return levels by dimension; None for no level."""
    levels: dict[str, list[str | None]] = {}
    for one in given:
        name, equals, listed = one.partition("=")
        if not (name and equals):
            raise CommandError(f"{option} {one}: expected DIM=LEVEL[,LEVEL]", code=2)
        levels.setdefault(name, []).extend(level or None for level in listed.split(","))
    return levels


def _margins(given: list[str]) -> dict[str, dict[str | None, float]]:
    margins: dict[str, dict[str | None, float]] = {}
    for one in given:
        name, equals, targets = one.partition("=")
        for part in targets.split(","):
            level, colon, target = part.rpartition(":")
            try:
                margins.setdefault(name, {})[level or None] = float(target)
            except ValueError:
                colon = ""
            if not (name and equals and colon):
                raise CommandError(f"--rake {one}: expected DIM=LEVEL:TARGET,...", code=2)
    return margins


def only(client: Client, program: str, table: str, kinds: tuple[str, ...] = ()) -> str:
    """Return the one name there is to ask for."""
    named = client.get_program(program).to_dict().get(table, {})
    names = [name for name, one in named.items() if not kinds or one.get("kind") in kinds]
    what = " or ".join(kinds) + " question" if kinds else table
    if not names:
        raise CommandError(f"program {program!r} has no {what}")
    if len(names) > 1:
        shown = ", ".join(names[:12]) + (", ..." if names[12:] else "")
        raise CommandError(f"program {program!r} has several: name one of {shown}", code=2)
    return str(names[0])


def print_result(
    title: str, result: Result[Any], as_json: bool, as_csv: bool, first: int | None = None
) -> None:
    """Print a result as a table, or as JSON or CSV on stdout."""
    explain = _EXPLAIN.get()
    if as_json and as_csv:
        raise CommandError("--json and --csv are one too many", code=2)
    if as_json:
        value: dict[str, Any] = {"as_of": result.as_of, "rows": list(result)}
        if hasattr(result, "whole"):
            value["whole"] = result.whole
        if explain:
            value["explanation"] = result.explanation
        if hasattr(result, "outcome"):
            value = {"outcome": result.outcome, **value}
        print_json(value)
    elif as_csv:
        from pyarrow import csv

        sys.stdout.flush()
        write: Callable[[Any, Any], None] = csv.write_csv
        write(result.to_arrow(), sys.stdout.buffer)
    else:
        from cxstream.cli.layouts import print_answer

        print_answer(title, result, first)
        if explain:
            typer.echo(result.explain())
