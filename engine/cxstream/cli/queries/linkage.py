"""Outcomes by NPS class, first contacts, relative performance."""

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
    only,
    print_result,
    shared_options,
)

Score = Annotated[
    str | None, typer.Option("--score", help="The nps question, where there are several.")
]


@app.command("linkage")
def linkage(
    program: ProgramName,
    outcome: Annotated[str, typer.Argument(help="A boolean or number question.")],
    score: Score = None,
    correction: Annotated[str, typer.Option(help="holm or benjamini_hochberg.")] = "holm",
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
    """An outcome (first contact resolved, churned, spend) by NPS class."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        asked = score or only(client, program, "questions", ("nps",))
        result = client.linkage(program, asked, outcome, correction=correction, **shared)
    print_result(f"{outcome} by NPS class", result, as_json, as_csv)


@app.command("customer-value")
def customer_value(
    program: ProgramName,
    margin: Annotated[str, typer.Option(help="A number question: margin of a period.")],
    churn: Annotated[str, typer.Option(help="A boolean question: left within the period.")],
    score: Score = None,
    variant: Annotated[
        str, typer.Option(help="margin_next, margin_now, naive, finite.")
    ] = "margin_next",
    discount: Annotated[float, typer.Option(help="Rate per period.")] = 0.0,
    acquisition: Annotated[float, typer.Option(help="Cost of winning a customer.")] = 0.0,
    horizon: Annotated[int, typer.Option(help="Periods ahead, of the finite variant.")] = 0,
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
    """Lifetime value by NPS class, and what moving one customer is worth."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        result = client.customer_value(
            program,
            score or only(client, program, "questions", ("nps",)),
            margin=margin,
            churn=churn,
            variant=variant,
            discount=discount,
            acquisition=acquisition,
            horizon=horizon,
            **shared,
        )
    print_result("Lifetime value by NPS class", result, as_json, as_csv)


@app.command("retention")
def retention(
    program: Annotated[str | None, typer.Argument(metavar="PROGRAM", help="The program.")] = None,
    churned: Annotated[
        str | None, typer.Argument(help="A boolean question: left within the period.")
    ] = None,
    revenue: Annotated[str | None, typer.Option(help="A number question: their revenue.")] = None,
    start: Annotated[
        int | None, typer.Option(help="Instead of a program: customers at the start.")
    ] = None,
    end: Annotated[int | None, typer.Option(help="And at the end.")] = None,
    new: Annotated[int, typer.Option(help="Those of them who were won in between.")] = 0,
    periods: Annotated[int, typer.Option(help="To a longer period: 12 months a year.")] = 1,
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
    """Churn and retention, of customers and of their revenue."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        result = client.retention(
            program,
            churned,
            revenue=revenue,
            start=start,
            end=end,
            new=new,
            periods=periods,
            **shared,
        )
    print_result("Churn and retention", result, as_json, as_csv)


@app.command("survival")
def survival(
    survivors: Annotated[
        list[int], typer.Argument(help="Customers at the start, and left after each period.")
    ],
    ahead: Annotated[int, typer.Option(help="Periods to look ahead.")] = 0,
    discount: Annotated[float, typer.Option(help="Rate per period.")] = 0.0,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """How long customers stay, from how many of a cohort are left."""
    with connected(target) as client:
        result = client.survival(survivors, ahead=ahead, discount=discount)
    print_result("Survival", result, as_json, as_csv)


@app.command("kaplan-meier")
def kaplan_meier(
    counts: Annotated[
        list[str], typer.Argument(help="By time LEFT:THERE, who left and who was last seen there.")
    ],
    times: Annotated[
        list[float] | None, typer.Option("--time", help="One for each, rising; else 1, 2, ..")
    ] = None,
    interval: Annotated[str, typer.Option(help="log_log, log or plain.")] = "log_log",
    confidence: Confidence = 0.95,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """How long customers stay, some of whom are still there."""
    try:
        pairs = [tuple(int(one) for one in given.split(":")) for given in counts]
        lost, censored = zip(*pairs, strict=True)
    except ValueError:
        raise CommandError(f"expected counts such as 12:3, not {' '.join(counts)}") from None
    with connected(target) as client:
        result = client.kaplan_meier(
            lost, censored, times=times or (), interval=interval, confidence=confidence
        )
    print_result("Kaplan-Meier", result, as_json, as_csv)


@app.command("first-contact")
def first_contact(
    program: ProgramName,
    resolved: Annotated[str, typer.Argument(help="A boolean question: resolved at first.")],
    not_resolvable: Annotated[
        str | None, typer.Option(help="A boolean question: could not be resolved at first.")
    ] = None,
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
    """First contact resolution, gross and net."""
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        result = client.first_contact(program, resolved, not_resolvable=not_resolvable, **shared)
    print_result("First contact resolution", result, as_json, as_csv)


@app.command("relative")
def relative(
    program: ProgramName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The question that compares.")],
    percentiles: Annotated[
        str, typer.Option(help="Of the options from worst to best, 0,25,50 ...")
    ] = "",
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
    """Where customers put a company among its competitors."""
    try:
        values = [float(one) for one in percentiles.split(",")] if percentiles else []
    except ValueError:
        raise CommandError(f"--percentiles {percentiles}: expected numbers", code=2) from None
    shared = shared_options(by, where, since, until, confidence, weighted, rake)
    with connected(target, shared) as client:
        result = client.relative(program, name, percentiles=values, **shared)
    print_result(f"Relative performance: {name}", result, as_json, as_csv)
