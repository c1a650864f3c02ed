"""Whether several questions measure one thing."""

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


@app.command("reliability")
def reliability(
    program: ProgramName,
    name: Question = None,
    item: Annotated[
        list[str] | None, typer.Option(help="Instead of an index: a question; repeat it.")
    ] = None,
    interval: Annotated[str | None, typer.Option(help="Of alpha: feldt or log_delta.")] = None,
    missing: Annotated[str | None, typer.Option(help="Who counts: listwise or pairwise.")] = None,
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
    """Cronbach's alpha and omega of an index's items, or of --item."""
    shared = shared_options(by, where, since, until, confidence, weighted)
    with connected(target, shared) as client:
        index = name
        if index is None and not item:
            index = only(client, program, "indices")
        result = client.reliability(
            program, item or (), index=index, missing=missing, interval=interval, **shared
        )
    print_result(f"Reliability of {index or ', '.join(item or ())}", result, as_json, as_csv)
