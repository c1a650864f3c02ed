"""A metric over time."""

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
    Question,
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
from cxstream.cli.queries.comparison import MetricKind, Missing, Top, only_metric


@app.command("monitor")
def monitor(
    program: ProgramName,
    metric: MetricKind,
    name: Question = None,
    bucket: Annotated[str, typer.Option(help="Time bucket.")] = "week",
    by: By = None,
    baseline: Annotated[
        str, typer.Option(metavar="SINCE..UNTIL", help="What the limits are found from.")
    ] = "..",
    smoothing: Annotated[float, typer.Option(help="Weight of the newest in the average.")] = 0.2,
    sigmas: Annotated[float, typer.Option(help="Width of the limits.")] = 3.0,
    false_alarm: Annotated[
        float, typer.Option(help="Chance of a change point where nothing changes.")
    ] = 0.05,
    top: Top = None,
    missing: Missing = None,
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
    """Control limits and change points over time, and which segments (--by) moved it."""
    begin, dots, end = baseline.partition("..")
    if not dots:
        raise CommandError(f"--baseline {baseline}: expected SINCE..UNTIL", code=2)
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        chosen = name or only_metric(client, program, metric)
        result = client.monitor(
            program,
            metric,
            chosen,
            bucket=bucket,
            baseline=(begin or None, end or None),
            smoothing=smoothing,
            sigmas=sigmas,
            false_alarm=false_alarm,
            top=top,
            missing=missing,
            **shared,
        )
    print_result(f"{metric} {chosen} by {bucket}", result, as_json, as_csv)
