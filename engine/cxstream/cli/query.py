"""`cxstream query`: answers as tables, JSON or CSV."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxstream.cli.bar import bar
from cxstream.cli.load import DEFAULT_TARGET, AsJson, Target
from cxstream.cli.output import CommandError, print_json

if TYPE_CHECKING:
    from cxstream_client import Client
    from cxstream_client.results import Result

app = typer.Typer(help="Ask a server for answers.", no_args_is_help=True)

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
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV on stdout.")]

#: Counting stored responses takes as long as there are many; whoever waits can interrupt it.
_TIMEOUT_S = 600.0
_BAR_AFTER_S = 0.3
_RATED = ("rating", "csat", "ces", "boolean", "nps")


@app.command("programs")
def programs(target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """List the server's programs."""
    with _client(target) as client:
        infos = client.list_programs()
    if as_json:
        print_json({"programs": infos})
        return
    from cxstream.cli.tables import Grid, count

    grid = Grid(
        ("program", "version", "responses", "batches", "grouped by"), left=("program", "grouped by")
    )
    for info in infos:
        views = ", ".join(info.views)
        grid.add(info.name, count(info.version), count(info.responses), count(info.batches), views)
    grid.print()


@app.command("nps")
def nps(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    interval: Annotated[str, typer.Option(help="adjusted_wald, score or wald.")] = "adjusted_wald",
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Net promoter score."""
    shared = _shared(by, where, since, until, confidence)
    with _client(target, shared) as client:
        question = name or _only(client, program, "questions", ("nps",))
        result = client.nps(program, question, interval=interval, **shared)
    _print(f"NPS: {question}", result, as_json, as_csv)


@app.command("csat")
def csat(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    top: Annotated[int | None, typer.Option(help="Lowest value in the top box.")] = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Top-box share and mean of a question with a scale."""
    shared = _shared(by, where, since, until, confidence)
    with _client(target, shared) as client:
        question = name or _only(client, program, "questions", ("csat",))
        result = client.csat(program, question, top=top, **shared)
    _print(f"CSAT: {question}", result, as_json, as_csv)


@app.command("ces")
def ces(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    variant: Annotated[str, typer.Option(help="mean, net or agree.")] = "mean",
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Customer effort score."""
    shared = _shared(by, where, since, until, confidence)
    with _client(target, shared) as client:
        question = name or _only(client, program, "questions", ("ces",))
        result = client.ces(program, question, variant=variant, **shared)
    _print(f"CES ({variant}): {question}", result, as_json, as_csv)


@app.command("distribution")
def distribution(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """All answers of a question, level by level."""
    shared = _shared(by, where, since, until, confidence)
    with _client(target, shared) as client:
        question = name or _only(client, program, "questions", (*_RATED, "choice", "number"))
        result = client.distribution(program, question, **shared)
    _print(f"Distribution: {question}", result, as_json, as_csv)


@app.command("index")
def index(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    missing: Annotated[
        str | None, typer.Option(help="renormalise, item_means or complete. [as declared]")
    ] = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Weighted composite index with its parts."""
    shared = _shared(by, where, since, until, confidence)
    with _client(target, shared) as client:
        chosen = name or _only(client, program, "indices")
        result = client.index(program, chosen, missing=missing, **shared)
    _print(f"Index: {chosen}", result, as_json, as_csv)


@app.command("scorecard")
def scorecard(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    first: Annotated[int, typer.Option("--first", min=1, help="Options to print.")] = 20,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Share and count of every option of a choice."""
    shared = _shared(by, where, since, until, confidence)
    with _client(target, shared) as client:
        question = name or _only(client, program, "questions", ("choice",))
        result = client.scorecard(program, question, **shared)
    _print(f"ScoreCard: {question}", result, as_json, as_csv, first)


@app.command("regression")
def regression(
    program: ProgramName,
    name: Question = None,
    outcome: Annotated[str | None, typer.Option(help="Instead of a model: what moves.")] = None,
    driver: Annotated[
        list[str] | None, typer.Option(help="Instead of a model: what moves it; repeat it.")
    ] = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Linear regression: a declared model, or --outcome and --driver."""
    shared = _shared(by, where, since, until, confidence)
    with _client(target, shared) as client:
        model = name
        if model is None and outcome is None and not driver:
            model = _only(client, program, "models")
        result = client.regression(program, model, outcome=outcome, drivers=driver or (), **shared)
    _print(f"Regression of {result.outcome}", result, as_json, as_csv)


@app.command("insights")
def insights(
    program: ProgramName,
    outcome: Annotated[
        str | None, typer.Argument(metavar="[OUTCOME]", help="Only pairs that explain this.")
    ] = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    correction: Annotated[str, typer.Option(help="holm or benjamini_hochberg.")] = "holm",
    first: Annotated[int, typer.Option("--first", min=1, help="Pairs to print.")] = 20,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """How much one rating moves with another, for every pair."""
    shared = _shared(by, where, since, until, confidence)
    with _client(target, shared) as client:
        result = client.insights(program, outcome=outcome, correction=correction, **shared)
    _print("Insights", result, as_json, as_csv, first)


# --- shared ----------------------------------------------------------------------------------


@contextmanager
def _client(target: str, shared: dict[str, Any] | None = None) -> Iterator[Client]:
    """Connect; what a question is asked with then also shows how far the answer is."""
    import cxstream_client as cx

    with (
        cx.connect(target, timeout_s=_TIMEOUT_S) as client,
        bar("responses", after_s=_BAR_AFTER_S) as on_progress,
    ):
        if shared is not None:
            shared["on_progress"] = on_progress
        yield client


def _shared(
    by: list[str] | None,
    where: list[str] | None,
    since: str | None,
    until: str | None,
    confidence: float,
) -> dict[str, Any]:
    levels: dict[str, list[str | None]] = {}
    for one in where or []:
        name, equals, given = one.partition("=")
        if not (name and equals):
            raise CommandError(f"--where {one}: expected DIM=LEVEL[,LEVEL]", code=2)
        levels.setdefault(name, []).extend(level or None for level in given.split(","))
    return {
        "by": by or [],
        "where": levels,
        "since": since,
        "until": until,
        "confidence": confidence,
    }


def _only(client: Client, program: str, table: str, kinds: tuple[str, ...] = ()) -> str:
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


def _print(
    title: str, result: Result[Any], as_json: bool, as_csv: bool, first: int | None = None
) -> None:
    if as_json and as_csv:
        raise CommandError("--json and --csv are one too many", code=2)
    if as_json:
        value: dict[str, Any] = {"as_of": result.as_of, "rows": list(result)}
        if hasattr(result, "outcome"):
            value = {"outcome": result.outcome, **value}
        print_json(value)
    elif as_csv:
        from pyarrow import csv

        sys.stdout.flush()
        write: Callable[[Any, Any], None] = csv.write_csv
        write(result.to_arrow(), sys.stdout.buffer)
    else:
        from cxstream.cli.answers import print_answer

        print_answer(title, result, first)
