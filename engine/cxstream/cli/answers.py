"""How each kind of answer is laid out as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cxstream.cli.output import console
from cxstream.cli.tables import (
    Grid,
    bounds,
    count,
    group_cells,
    number,
    probability,
    significant,
    total,
    with_se,
)
from cxstream_client import results

_METHODS = {
    "adjusted_wald": "adjusted Wald",
    "wald": "Wald",
    "wilson": "Wilson",
    "goodman": "Goodman",
    "student_t": "t",
}

_Rows = tuple[tuple[str, ...], Iterator[list[str]]]


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
    headings, rows = _layout(result, first)
    left = (*groups, "answer", "option", "term", "x", "y", "status")
    grid = Grid((*groups, *headings), left=left, title=title)
    for cells in rows:
        grid.add(*cells)
    grid.print()
    for line in _footer(result):
        console().print(line, style="dim")


def _layout(result: results.Result[Any], first: int | None) -> _Rows:
    layouts: dict[type, Callable[[Any], _Rows]] = {
        results.NpsResult: _nps,
        results.CsatResult: _csat,
        results.CesResult: _ces,
        results.DistributionResult: _distribution,
        results.IndexResult: _index,
        results.ScorecardResult: lambda one: _scorecard(one, first),
        results.RegressionResult: _regression,
        results.InsightsResult: lambda one: _insights(one, first),
    }
    return layouts[type(result)](result)


def _nps(result: results.NpsResult) -> _Rows:
    headings = ("n", "dropped", "promoters", "passives", "detractors", "NPS", "interval")
    return headings, (
        [
            *group_cells(row.group, row.labels),
            count(row.n),
            total(row.dropped),
            count(row.promoters),
            count(row.passives),
            count(row.detractors),
            with_se(row.score, row.se),
            bounds(row.interval),
        ]
        for row in result
    )


def _csat(result: results.CsatResult) -> _Rows:
    headings = ("n", "dropped", "top box", "CSAT %", "interval", "mean 0-100", "interval of it")
    return headings, (
        [
            *group_cells(row.group, row.labels),
            count(row.n),
            total(row.dropped),
            count(row.top),
            with_se(row.score, row.se),
            bounds(row.interval),
            with_se(row.mean, row.mean_se),
            bounds(row.mean_interval),
        ]
        for row in result
    )


def _ces(result: results.CesResult) -> _Rows:
    headings = ("n", "dropped", "positive", "neutral", "negative", "CES", "interval")
    return headings, (
        [
            *group_cells(row.group, row.labels),
            count(row.n),
            total(row.dropped),
            count(row.positive),
            count(row.neutral),
            count(row.negative),
            with_se(row.score, row.se, 2),
            bounds(row.interval, 2),
        ]
        for row in result
    )


def _distribution(result: results.DistributionResult) -> _Rows:
    def rows() -> Iterator[list[str]]:
        for row in result:
            group = group_cells(row.group, row.labels)
            for level in row.levels:
                label = f"{level.level} {level.label}" if level.label else level.level
                answer = level.level if level.label == level.level else label
                share, interval = with_se(level.share, level.se), bounds(level.interval)
                yield [*group, answer, count(level.count), share, interval]
            mean = f"mean {significant(row.mean)}, sd {significant(row.sd)}"
            yield [*group, mean if row.mean is not None else "all", count(row.n), "", ""]

    return ("answer", "count", "share %", "interval"), rows()


def _index(result: results.IndexResult) -> _Rows:
    parts = result[0].parts if len(result) else ()
    names = tuple(f"{part.label or part.name} ({part.weight:.0%})" for part in parts)
    return ("n", "dropped", "index", "interval", *names), (
        [
            *group_cells(row.group, row.labels),
            count(row.n),
            total(row.dropped),
            with_se(row.score, row.se),
            bounds(row.interval),
            *(number(part.score) for part in row.parts),
        ]
        for row in result
    )


def _scorecard(result: results.ScorecardResult, first: int | None) -> _Rows:
    def rows() -> Iterator[list[str]]:
        for row in result:
            ranked = sorted(row.options, key=lambda option: option.rank)
            for option in ranked[:first]:
                yield [
                    *group_cells(row.group, row.labels),
                    count(option.rank),
                    option.label or option.option,
                    count(option.count),
                    with_se(option.share, option.se),
                    bounds(option.interval),
                    count(row.base),
                ]

    return ("rank", "option", "count", "share %", "interval", "base"), rows()


def _regression(result: results.RegressionResult) -> _Rows:
    def rows() -> Iterator[list[str]]:
        for row in result:
            group = group_cells(row.group, row.labels)
            if not row.terms:
                yield [*group, f"{row.status}: {row.message}", *[""] * 7]
            for term in row.terms:
                yield [
                    *group,
                    term.label or term.term,
                    significant(term.coefficient),
                    significant(term.se),
                    number(term.t, 2),
                    probability(term.p),
                    bounds(term.interval, 3),
                    number(term.beta, 3),
                    number(term.vif, 2),
                ]

    return ("term", "coefficient", "SE", "t", "p", "interval", "beta", "VIF"), rows()


def _insights(result: results.InsightsResult, first: int | None) -> _Rows:
    def rows() -> Iterator[list[str]]:
        for row in result:
            for pair in row.pairs[:first]:
                yield [
                    *group_cells(row.group, row.labels),
                    pair.x,
                    pair.y,
                    count(pair.n),
                    with_se(pair.slope, pair.se, 3),
                    bounds(pair.interval, 3),
                    number(pair.r, 3),
                    probability(pair.p_adjusted),
                ]

    return ("x", "y", "n", "slope of y on x", "interval", "r", "p adjusted"), rows()


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
    if isinstance(result, results.RegressionResult):
        for row in result:
            if row.status == "ok":
                group = " ".join(group_cells(row.group, row.labels))
                yield (
                    f"{group + ': ' if group else ''}n {row.n:,}, R2 {significant(row.r2)}, "
                    f"adjusted {significant(row.adj_r2)}, sigma {significant(row.sigma)}, "
                    f"F({row.df_model}, {row.df_resid}) {significant(row.f)}"
                )


def _interval(result: results.Result[Any]) -> Any:
    """Return any interval of a result: all are made the same way."""
    for row in result:
        for holder in (row, *_nested(row)):
            interval = getattr(holder, "interval", None)
            if interval is not None:
                return interval
    return None


def _nested(row: Any) -> tuple[Any, ...]:
    for name in ("options", "terms", "pairs", "levels"):
        if hasattr(row, name):
            return tuple(getattr(row, name))
    return ()
