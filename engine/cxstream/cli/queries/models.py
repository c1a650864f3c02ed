"""Regressions, and every pair of questions."""

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


@app.command("regression")
def regression(
    program: ProgramName,
    name: Question = None,
    outcome: Annotated[str | None, typer.Option(help="Instead of a model: what moves.")] = None,
    driver: Annotated[
        list[str] | None, typer.Option(help="Instead of a model: what moves it; repeat it.")
    ] = None,
    errors: Annotated[
        str | None,
        typer.Option(help="Standard errors: classical, HC0, HC1, HC2, HC3, cluster or design."),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="With errors by cluster: the dimension of the clusters.")
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(help="Degrees of freedom: student_t, satterthwaite or bell_mccaffrey."),
    ] = None,
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
    """Linear regression: a declared model, or --outcome and --driver."""
    shared = shared_options(by, where, since, until, confidence, weighted)
    with connected(target, shared) as client:
        model = name
        if model is None and outcome is None and not driver:
            model = only(client, program, "models")
        result = client.regression(
            program,
            model,
            outcome=outcome,
            drivers=driver or (),
            errors=errors,
            cluster=cluster,
            interval=interval,
            **shared,
        )
    print_result(f"Regression of {result.outcome}", result, as_json, as_csv)


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
    weighted: Weighted = False,
    correction: Annotated[str, typer.Option(help="holm or benjamini_hochberg.")] = "holm",
    first: Annotated[int, typer.Option("--first", min=1, help="Pairs to print.")] = 20,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """How much one rating moves with another, for every pair."""
    shared = shared_options(by, where, since, until, confidence, weighted)
    with connected(target, shared) as client:
        result = client.insights(program, outcome=outcome, correction=correction, **shared)
    print_result("Insights", result, as_json, as_csv, first)
