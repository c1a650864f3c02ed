"""Every interval that an answer of the SDK holds: class, field and method."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import cxstream
import cxstream_client as cx
from cxstream_client import results
from tests.contract.test_every_answer import HALVES, PROGRAM, responses

#: What the simulations call what the SDK calls otherwise.
NAMES = {
    "CompareRow": "Comparison",
    "JourneyStage": "Stage",
    "CompareJourneysRow": "JourneyComparison",
    "LevelShare": "Level",
    "PairInsight": "Insight",
    "RelativeRow": "RelativePerformance",
    "SummaryRow": "Distribution",
}
#: Rows whose interval is that of the metric asked for, of one more group.
OF_THE_METRIC = ("MonitorRow", "Regime", "WholeScore")
CLASSES = {"nps": "Nps", "csat": "Csat", "index": "Index", "mean": "Distribution"}

METRICS = (("nps", "recommend"), ("csat", "food"), ("index", "delight"), ("mean", "spend"))
#: Scores in points: what change, impact and monitor take.
SPLIT = METRICS[:3]


#: Class and field as the SDK names them, and the method.
Offer = tuple[str, str, str]


def intervals_of(held: Any) -> Iterator[Offer]:
    """Return all intervals within an answer."""
    if isinstance(held, results.Result):
        yield from intervals_of([*held, getattr(held, "whole", None)])
    elif isinstance(held, tuple | list):
        for one in held:
            yield from intervals_of(one)
    elif dataclasses.is_dataclass(held):
        for field in dataclasses.fields(held):
            value = getattr(held, field.name)
            if isinstance(value, results.Interval):
                yield type(held).__name__, field.name, value.method
            else:
                yield from intervals_of(value)


def fields_with_intervals() -> set[tuple[str, str]]:
    """Return every field of the SDK's rows that may hold an interval."""
    return {
        (one.__name__, field.name)
        for one in vars(results).values()
        if isinstance(one, type) and dataclasses.is_dataclass(one)
        for field in dataclasses.fields(one)
        if "Interval" in str(field.type)
    }


def offered() -> dict[Offer, set[str]]:
    """Return all intervals there are, and what the table has to have a row of for each."""
    program = {**PROGRAM, "models": {**PROGRAM["models"], "plain": PLAIN}}
    found: dict[Offer, set[str]] = {}
    with cxstream.Engine.open() as client:
        client.put_program(program)
        with client.append("p", producer="x") as stream:
            stream.send(responses())
        for metric, answer in asked(client):
            for name, field, method in intervals_of(answer):
                of = NAMES.get(name, name.removesuffix("Row"))
                if name in OF_THE_METRIC:
                    of = CLASSES[metric]
                found.setdefault((name, field, method), set()).add(f"`{of}.{field}`, {method}")
    return found


#: Not robust.
PLAIN = {"outcome": "staff", "drivers": ["food", "effort"]}


def asked(client: cx.Client) -> Iterator[tuple[str, Any]]:
    """Ask everything, every way there is; with the metric where there is a choice of it."""
    weights: dict[str, Any] = {"weighting": "declared"}
    sides: dict[str, Any] = {"a": {"region": "n"}, "b": {"region": "s"}}
    for how in ({}, weights):
        for method in (
            ("score", "adjusted_wald", "wald", "student_t", "goodman") if not how else (None,)
        ):
            yield "", client.nps("p", "recommend", interval=method, **how)
        yield "", client.csat("p", "food", **how)
        for variant in ("mean", "net", "agree"):
            yield "", client.ces("p", "effort", variant=variant, **how)
        for question in ("food", "spend"):
            found = client.distribution("p", question, **how)
            yield "", found
            yield "", found.summary
        yield "", client.index("p", "delight", **how)
        yield "", client.scorecard("p", "picks", **how)
        yield "", client.drivers("p", "drivers", **how)
        every = ("classical", "HC0", "HC1", "HC2", "HC3", "design")
        for errors in every if not how else ("design",):
            own = () if errors == "classical" else ("satterthwaite",)
            for interval in (None, "student_t", *own):
                yield "", client.regression("p", "drivers", errors=errors, interval=interval, **how)
    yield "", client.regression("p", "drivers", errors="cluster", cluster="stage")
    yield "", client.insights("p")
    for interval in ("feldt", "log_delta"):
        yield "", client.reliability("p", ["food", "recommend", "staff"], interval=interval)
    for question, metric in (("recommend", "nps"), ("food", "top_box"), ("food", "mean")):
        yield "", client.journey("p", question, "stage", metric=metric)
        yield (
            "",
            client.compare_journeys(
                "p", question, "stage", metric=metric, between=("region", "n", "s")
            ),
        )
    for metric in ("mean", "top_box"):
        yield "", client.journey("p", questions=["food", "staff"], metric=metric)
        yield (
            "",
            client.compare_journeys(
                "p", questions=["food", "staff"], metric=metric, between=("region", "n", "s")
            ),
        )
    for outcome in ("churned", "spend"):
        yield "", client.linkage("p", "recommend", outcome)
    for variant in ("margin_next", "margin_now", "naive", "finite"):
        yield "", client.customer_value(
            "p", "recommend", margin="spend", churn="churned", discount=0.1, variant=variant,
            horizon=12 if variant == "finite" else 0,
        )  # fmt: skip
    for interval in ("log_log", "log", "plain"):
        yield "", client.kaplan_meier([3, 2, 1], [0, 1, 5], interval=interval)
    yield "", client.retention("p", "churned", revenue="spend", periods=12)
    yield "", client.first_contact("p", "resolved", not_resolvable="churned")
    yield "", client.relative("p", "why", percentiles=[10, 50, 90])
    for metric, name in METRICS:
        methods = {
            "mean": ("score", "pooled"),
            "index": ("score",),
            "csat": ("score", "adjusted_wald", "wald", "pooled", "continuity"),
        }
        for method in methods.get(metric, ("score", "adjusted_wald", "wald")):
            yield metric, client.compare("p", metric, name, method=method, **sides)
    yield "", client.compare("p", "mean", "food", **sides)
    yield "", client.compare("p", "regression", "drivers", driver="food", **sides)
    for metric, name in SPLIT:
        yield metric, client.change("p", metric, name, by="region", **HALVES)
        yield metric, client.impact("p", metric, name, by="region")
        yield metric, client.monitor("p", metric, name, bucket="month")
