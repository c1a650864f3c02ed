"""The metrics of one question, or of one index."""

from __future__ import annotations

from typing import Annotated

import typer

from cxstream.cli.load import DEFAULT_TARGET, AsJson, Target
from cxstream.cli.queries.asking import (
    AsCsv,
    By,
    Confidence,
    ProgramName,
    Question,
    Rake,
    Since,
    Until,
    Weighted,
    Where,
    app,
    connected,
    only,
    print_result,
    shared_options,
)

_RATED = ("rating", "csat", "ces", "boolean", "nps")


@app.command("nps")
def nps(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    weighted: Weighted = False,
    rake: Rake = None,
    interval: Annotated[
        str | None,
        typer.Option(
            help="score, adjusted_wald, wald, student_t or goodman.",
            show_default="score; weighted: adjusted_wald",
        ),
    ] = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Net promoter score."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        question = name or only(client, program, "questions", ("nps",))
        result = client.nps(program, question, interval=interval, **shared)
    print_result(f"NPS: {question}", result, as_json, as_csv)


@app.command("csat")
def csat(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    weighted: Weighted = False,
    rake: Rake = None,
    top: Annotated[int | None, typer.Option(help="Lowest value in the top box.")] = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Top-box share and mean of a question with a scale."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        question = name or only(client, program, "questions", ("csat",))
        result = client.csat(program, question, top=top, **shared)
    print_result(f"CSAT: {question}", result, as_json, as_csv)


@app.command("ces")
def ces(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    weighted: Weighted = False,
    rake: Rake = None,
    variant: Annotated[str, typer.Option(help="mean, net or agree.")] = "mean",
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Customer effort score."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        question = name or only(client, program, "questions", ("ces",))
        result = client.ces(program, question, variant=variant, **shared)
    print_result(f"CES ({variant}): {question}", result, as_json, as_csv)


@app.command("distribution")
def distribution(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    weighted: Weighted = False,
    rake: Rake = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """All answers of a question, level by level."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        question = name or only(client, program, "questions", (*_RATED, "choice", "number"))
        result = client.distribution(program, question, **shared)
    print_result(f"Distribution: {question}", result, as_json, as_csv)


@app.command("index")
def index(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    weighted: Weighted = False,
    rake: Rake = None,
    missing: Annotated[
        str | None, typer.Option(help="renormalise, item_means or complete. [as declared]")
    ] = None,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Weighted composite index with its parts."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        chosen = name or only(client, program, "indices")
        result = client.index(program, chosen, missing=missing, **shared)
    print_result(f"Index: {chosen}", result, as_json, as_csv)


@app.command("scorecard")
def scorecard(
    program: ProgramName,
    name: Question = None,
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    weighted: Weighted = False,
    rake: Rake = None,
    first: Annotated[int, typer.Option("--first", min=1, help="Options to print.")] = 20,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Share and count of every option of a choice."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        question = name or only(client, program, "questions", ("choice",))
        result = client.scorecard(program, question, **shared)
    print_result(f"ScoreCard: {question}", result, as_json, as_csv, first)
