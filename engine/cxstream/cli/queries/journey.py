"""Journeys, and two compared."""

from __future__ import annotations

from typing import Annotated

import typer

from cxstream.cli.load import DEFAULT_TARGET, AsJson, Target
from cxstream.cli.output import CommandError
from cxstream.cli.queries.asking import (
    AsCsv,
    By,
    Confidence,
    ProgramName,
    Rake,
    Since,
    Until,
    Weighted,
    Where,
    app,
    connected,
    print_result,
    shared_options,
)

Name = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="A question asked at every stage.")
]
Along = Annotated[str | None, typer.Option("--along", help="The dimension of the touchpoints.")]
Stages = Annotated[str, typer.Option("--stages", help="Its levels in order, LEVEL,LEVEL ...")]
Questions = Annotated[
    str, typer.Option("--questions", help="Instead: a question per stage, NAME,NAME ...")
]
Metric = Annotated[str | None, typer.Option("--metric", help="nps, top_box or mean.")]
Correction = Annotated[str, typer.Option(help="holm or benjamini_hochberg.")]


@app.command("journey")
def journey(
    program: ProgramName,
    name: Name = None,
    along: Along = None,
    stages: Stages = "",
    questions: Questions = "",
    metric: Metric = None,
    correction: Correction = "holm",
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
    """A metric at an ordered list of touchpoints, and where it falls."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        result = client.journey(
            program,
            name,
            along,
            stages=_listed(stages),
            questions=_listed(questions),
            metric=metric,
            correction=correction,
            **shared,
        )
    print_result("Journey", result, as_json, as_csv)


@app.command("compare-journeys")
def compare_journeys(
    program: ProgramName,
    between: Annotated[str, typer.Argument(metavar="DIM=A,B", help="Which two.")],
    name: Name = None,
    along: Along = None,
    stages: Stages = "",
    questions: Questions = "",
    metric: Metric = None,
    correction: Correction = "holm",
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
    """Two journeys beside each other, such as those of two flights."""
    dimension, equals, levels = between.partition("=")
    a, comma, b = levels.partition(",")
    if not (dimension and equals and a and comma and b):
        raise CommandError(f"{between}: expected DIM=A,B", code=2)
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        result = client.compare_journeys(
            program,
            name,
            along,
            between=(dimension, a, b),
            stages=_listed(stages),
            questions=_listed(questions),
            metric=metric,
            correction=correction,
            **shared,
        )
    print_result(f"Journeys: {a} less {b}", result, as_json, as_csv)


def _listed(text: str) -> list[str]:
    return text.split(",") if text else []
