"""How each kind of answer is laid out as a table; a module per topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cxstream.cli.layouts import (
    change,
    comparison,
    drivers,
    journey,
    linkage,
    metrics,
    models,
    monitoring,
    reliability,
)
from cxstream.cli.layouts.layout import Layouts
from cxstream.cli.output import console
from cxstream.cli.tables import Grid, group_cells, significant
from cxstream_client import results

_METHODS = {
    "adjusted_wald": "adjusted Wald",
    "wald": "Wald",
    "wilson": "Wilson",
    "goodman": "Goodman",
    "goodman_contrast": "Goodman, contrasts",
    "quasi_binomial": "quasi-binomial",
    "student_t": "t",
    "segment_t": "t",
    "hybrid_score": "joined score",
    "hybrid_quasi_binomial": "joined quasi-binomial",
    "miettinen_nurminen": "Miettinen-Nurminen",
    "agresti_caffo": "Agresti-Caffo",
    "wald_continuity": "Wald with continuity",
    "log_log": "log-log",
    "log_survival": "log",
    "welch": "Welch",
}

_LAYOUTS: Layouts = {
    **metrics.LAYOUTS,
    **models.LAYOUTS,
    **drivers.LAYOUTS,
    **reliability.LAYOUTS,
    **journey.LAYOUTS,
    **linkage.LAYOUTS,
    **comparison.LAYOUTS,
    **change.LAYOUTS,
    **monitoring.LAYOUTS,
}


def print_answer(title: str, result: results.Result[Any], first: int | None = None) -> None:
    """Print a result as a table, and below it what it rests on.

    Parameters
    ----------
    title : str
    result : Result
    first : int, optional
        Lines printed per group, where a group has many; all when absent.
    """
    groups = list(result[0].group) if len(result) else []
    headings, rows = _LAYOUTS[type(result)](result, first)
    left = (
        *groups,
        "answer",
        "option",
        "term",
        "driver",
        "items",
        "quadrant",
        "x",
        "y",
        "status",
        "factor",
        "alarms",
    )
    grid = Grid((*groups, *headings), left=left, title=title)
    for cells in rows:
        grid.add(*cells)
    grid.print()
    for line in _footer(result):
        console().print(line, style="dim")


def _footer(result: results.Result[Any]) -> Iterator[str]:
    as_of = result.as_of
    plural = "" if as_of.batches == 1 else "es"
    line = f"as of {as_of.responses:,} responses in {as_of.batches:,} batch{plural}"
    interval = _interval(result)
    if interval is not None:
        method = _METHODS.get(interval.method, interval.method.replace("_", " "))
        line += f"; {method} intervals at {100 * interval.confidence:g} %"
    yield line
    if len(result) == 1 and getattr(result[0], "dropped", None):
        reasons = (f"{reason} {n:,}" for reason, n in result[0].dropped.items() if n)
        if text := ", ".join(reasons):
            yield f"dropped: {text}"
    if isinstance(result, results.ChangeResult) and result.warning:
        yield result.warning
    if isinstance(result, results.MonitorResult):
        yield from _regimes(result)
    yield from _weights(result)
    for why in {getattr(row, "without_se", "") for row in result} - {""}:
        yield f"no standard errors of importance: {why}"
    if isinstance(result, results.RegressionResult):
        for row in result:
            if row.status == "ok":
                group = " ".join(group_cells(row.group, row.labels))
                yield (
                    f"{group + ': ' if group else ''}n {row.n:,}, R2 {significant(row.r2)}, "
                    f"adjusted {significant(row.adj_r2)}, sigma {significant(row.sigma)}, "
                    f"F({row.df_model}, {row.df_resid}) {significant(row.f)}; {row.errors} errors"
                )


def _weights(result: results.Result[Any]) -> Iterator[str]:
    made = result.explanation
    if not made.weighting:
        return
    line = f"weights: {made.weighting}"
    row = result[0] if len(result) == 1 else None
    # Of drivers, weights are what an index would take.
    weights = getattr(row, "survey_weights", getattr(row, "weights", None))
    if weights is not None and weights.design_effect is not None:
        line += (
            f"; design effect {weights.design_effect:.3f}, effective n {weights.effective_n:,.1f}"
        )
    yield line
    if made.raking is not None and not made.raking.converged:
        worst = made.raking.worst
        yield (
            f"raking did not converge in {made.raking.iterations} rounds: {worst.margin} "
            f"{worst.level} is {worst.reached:.2f} %, not {worst.target:.2f} %"
        )


def _regimes(result: results.MonitorResult) -> Iterator[str]:
    if result.centre is not None:
        yield f"baseline: {significant(result.centre)} of {result.whole.n:,} answers"
    if result.whole.autocorrelation is not None:
        yield (
            f"lag-1 autocorrelation of its buckets: {significant(result.whole.autocorrelation)} "
            f"± {significant(result.whole.autocorrelation_se)}"
        )
    for regime in result.regimes:
        said = f"from {regime.since}: {significant(regime.score)} of {regime.n:,} answers"
        if regime.change is not None and regime.change.change is not None:
            said += f", changed by {change.effect(regime.change.change)}"
            said += f" (mix {change.effect(regime.change.mix)}"
            said += f", rate {change.effect(regime.change.rate)})" if regime.movers else ")"
        if regime.movers:
            first = regime.movers[0]
            name = " ".join(group_cells(first.group, first.labels))
            said += f"; most by {name}: {change.effect(first.contribution)}"
        yield said


def _interval(result: results.Result[Any]) -> Any:
    """Return any interval of a result: all are made the same way."""
    for row in result:
        for holder in (row, *_nested(row)):
            interval = getattr(holder, "interval", None)
            if interval is not None:
                return interval
    return None


def _nested(row: Any) -> tuple[Any, ...]:
    for name in ("options", "terms", "drivers", "pairs", "levels", "stages", "classes"):
        if hasattr(row, name):
            return tuple(getattr(row, name))
    return ()
