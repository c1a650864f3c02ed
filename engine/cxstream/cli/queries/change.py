"""What moved a score, how far each segment pulls it, and factors of a product."""

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
from cxstream.cli.queries.comparison import (
    MetricKind,
    Missing,
    SideText,
    Top,
    only_metric,
    side,
)


@app.command("change")
def change(
    program: ProgramName,
    metric: MetricKind,
    name: Question = None,
    by: By = None,
    before: SideText = None,
    after: SideText = None,
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
    """Mix (who answered) and rate (how) between two periods, by segment (--by)."""
    if before is None or after is None:
        raise CommandError("expected --before and --after", code=2)
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        chosen = name or only_metric(client, program, metric)
        result = client.change(
            program,
            metric,
            chosen,
            before=side("--before", before),
            after=side("--after", after),
            top=top,
            missing=missing,
            **shared,
        )
    print_result(f"Change: {metric} {chosen}", result, as_json, as_csv)


@app.command("impact")
def impact(
    program: ProgramName,
    metric: MetricKind,
    name: Question = None,
    by: By = None,
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
    """The score of all less the score without each segment (--by)."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        chosen = name or only_metric(client, program, metric)
        result = client.impact(program, metric, chosen, top=top, missing=missing, **shared)
    print_result(f"Impact: {metric} {chosen}", result, as_json, as_csv)


@app.command("decompose")
def decompose(
    factors: Annotated[
        list[str], typer.Argument(metavar="FACTOR=BEFORE:AFTER...", help="The factors.")
    ],
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """How the factors of a product share its change."""
    given: dict[str, tuple[float, float]] = {}
    for one in factors:
        name, equals, values = one.partition("=")
        before, colon, after = values.partition(":")
        try:
            given[name] = float(before), float(after)
        except ValueError:
            colon = ""
        if not (name and equals and colon):
            raise CommandError(f"{one}: expected FACTOR=BEFORE:AFTER", code=2)
    with connected(target) as client:
        result = client.decompose(given)
    print_result("Factors", result, as_json, as_csv)
