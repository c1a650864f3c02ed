"""What moves an outcome."""

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


@app.command("drivers")
def drivers(
    program: ProgramName,
    name: Question = None,
    outcome: Annotated[str | None, typer.Option(help="Instead of a model: what moves.")] = None,
    driver: Annotated[
        list[str] | None, typer.Option(help="Instead of a model: what moves it; repeat it.")
    ] = None,
    cut: Annotated[str, typer.Option(help="Where quadrants meet: mean or median.")] = "mean",
    by: By = None,
    where: Where = None,
    since: Since = None,
    until: Until = None,
    confidence: Confidence = 0.95,
    weighted: Weighted = False,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """How much each driver of a model matters, and where to act."""
    shared = shared_options(by, where, since, until, confidence, weighted)
    with connected(target, shared) as client:
        model = name
        if model is None and outcome is None and not driver:
            model = only(client, program, "models")
        result = client.drivers(
            program, model, outcome=outcome, drivers=driver or (), cut=cut, **shared
        )
    print_result(f"Drivers of {result.outcome}", result, as_json, as_csv)
