"""Comparisons, and how many answers it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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
    levels_of,
    only,
    print_result,
    shared_options,
)

if TYPE_CHECKING:
    from cxstream_client import Client

MetricKind = Annotated[
    str, typer.Argument(metavar="METRIC", help="nps, csat, index, mean or regression.")
]
SideText = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIM=LEVEL[,LEVEL]|SINCE..UNTIL", help="Levels (repeat for dimensions) or a period."
    ),
]
Top = Annotated[int | None, typer.Option(help="Lowest value in the top box, of a csat.")]
Missing = Annotated[
    str | None, typer.Option(help="renormalise, item_means or complete, of an index.")
]


@app.command("compare")
def compare(
    program: ProgramName,
    metric: MetricKind,
    name: Question = None,
    by: By = None,
    against: Annotated[str, typer.Option(help="A level; else everybody else.")] = "complement",
    a: SideText = None,
    b: SideText = None,
    method: Annotated[str, typer.Option(help="score, adjusted_wald or wald.")] = "score",
    correction: Annotated[str, typer.Option(help="holm or benjamini_hochberg.")] = "holm",
    top: Top = None,
    missing: Missing = None,
    driver: Annotated[str | None, typer.Option(help="Of a regression: whose coefficient.")] = None,
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
    """Two groups or periods (--a, --b), or each group with all others (--by)."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        chosen = name or only_metric(client, program, metric)
        result = client.compare(
            program,
            metric,
            chosen,
            a=side("--a", a),
            b=side("--b", b),
            against=against,
            method=method,
            correction=correction,
            top=top,
            missing=missing,
            driver=driver,
            **shared,
        )
    print_result(f"Comparison: {metric} {chosen}", result, as_json, as_csv)


@app.command("sample-size")
def sample_size(
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="nps, csat or index.")] = "nps",
    margin: Annotated[float | None, typer.Option(help="Half the interval, in points.")] = None,
    difference: Annotated[float | None, typer.Option(help="A difference to be found.")] = None,
    assumed: Annotated[
        str, typer.Option(help="nps: D,S,P; csat: the share; index: the standard deviation.")
    ] = "",
    program: Annotated[str, typer.Option(help="Look at its answers so far.")] = "",
    name: Annotated[str, typer.Option(help="Of which question or index.")] = "",
    power: Annotated[float, typer.Option(help="Probability to find the difference.")] = 0.8,
    ratio: Annotated[float, typer.Option(help="Answers of the second group for one.")] = 1.0,
    population: Annotated[int | None, typer.Option(help="Customers there are.")] = None,
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
    """How many answers a margin, or a difference to be found, takes."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    try:
        values = [float(one) for one in assumed.split(",") if one]
    except ValueError:
        raise CommandError(f"--assumed {assumed}: expected numbers", code=2) from None
    with connected(target, shared) as client:
        result = client.sample_size(
            metric,
            name or (only_metric(client, program, metric) if program else ""),
            program=program,
            margin=margin,
            difference=difference,
            assumed=values,
            power=power,
            ratio=ratio,
            population=population,
            **shared,
        )
    print_result(f"Sample size: {metric}", result, as_json, as_csv)


def only_metric(client: Client, program: str, metric: str) -> str:
    """Return the one question, index or model there is."""
    table = {"index": "indices", "regression": "models"}.get(metric, "questions")
    return only(client, program, table, (metric,) if table == "questions" else ())


def side(option: str, given: list[str] | None) -> Any:
    """Return a side: levels by dimension, or a period."""
    if given is None:
        return None
    if len(given) == 1 and "=" not in given[0] and ".." in given[0]:
        since, _, until = given[0].partition("..")
        return since or None, until or None
    return levels_of(option, given)
