"""Tables of outcomes by NPS class, first contacts and relative performance."""

from __future__ import annotations

from collections.abc import Iterator

from cxstream.cli.layouts.layout import Layouts, Lines
from cxstream.cli.tables import (
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


def _linkage(result: results.LinkageResult, first: int | None) -> Lines:
    del first

    def rows() -> Iterator[list[str]]:
        for row in result:
            group = group_cells(row.group, row.labels)
            for one in row.classes:
                shown = with_se(one.value, one.se, 2)
                yield [*group, one.name, count(one.n), shown, bounds(one.interval, 2), ""]
            yield from _moves(group, row.moves)

    return ("answer", "n", "outcome", "interval", "p adjusted"), rows()


def _value(result: results.CustomerValueResult, first: int | None) -> Lines:
    del first

    def rows() -> Iterator[list[str]]:
        for row in result:
            group = group_cells(row.group, row.labels)
            for one in row.classes:
                shown = one.undefined or with_se(one.value, one.se, 2)
                sizes = count(one.n), significant(one.margin), number(one.retention, 3)
                yield [*group, one.name, *sizes, shown, bounds(one.interval, 2)]
            for cells in _moves(group, row.moves):
                at = len(group)
                yield [*cells[: at + 2], "", "", *cells[at + 2 : at + 4]]

    return ("answer", "n", "margin", "retention", "value", "interval"), rows()


def _moves(group: list[str], moves: tuple[results.Move, ...]) -> Iterator[list[str]]:
    for one in moves:
        shown = with_se(one.difference, one.se, 2)
        name = f"{one.origin} to {one.target}"
        yield [*group, name, "", shown, bounds(one.interval, 2), probability(one.p_adjusted)]


def _first_contact(result: results.FirstContactResult, first: int | None) -> Lines:
    del first
    headings = ("n", "dropped", "resolved", "FCR %", "interval", "net FCR %", "interval of it")
    return headings, (
        [
            *group_cells(row.group, row.labels),
            count(row.n),
            total(row.dropped),
            count(row.resolved),
            with_se(row.rate, row.se),
            bounds(row.interval),
            with_se(row.net_rate, row.net_se),
            bounds(row.net_interval),
        ]
        for row in result
    )


def _retention(result: results.RetentionResult, first: int | None) -> Lines:
    del first
    headings = (
        "n", "dropped", "lost", "churn %", "interval", "retention %", "over", "churn % over it",
        "revenue churn %",
    )  # fmt: skip
    return headings, (
        [
            *group_cells(row.group, row.labels),
            count(row.n),
            total(row.dropped),
            count(row.lost),
            with_se(row.churn, row.se),
            bounds(row.interval),
            number(row.retention, 1),
            count(row.periods),
            with_se(row.churn_over, row.churn_over_se),
            with_se(row.revenue_churn, row.revenue_churn_se),
        ]
        for row in result
    )


def _survival(result: results.SurvivalResult, first: int | None) -> Lines:
    del first
    return ("period", "survivors", "survival", "retention"), (
        [
            count(one.period),
            "" if one.survivors is None else count(one.survivors),
            with_se(one.survival, one.survival_se, 4),
            number(one.retention, 4),
        ]
        for one in result.periods
    )


def _kaplan_meier(result: results.KaplanMeierResult, first: int | None) -> Lines:
    del first
    return ("time", "at risk", "left", "last seen", "survival", "interval"), (
        [
            significant(one.time),
            count(one.at_risk),
            count(one.lost),
            count(one.censored),
            with_se(one.survival, one.se, 4),
            bounds(one.interval, 4),
        ]
        for one in result.steps
    )


def _relative(result: results.RelativeResult, first: int | None) -> Lines:
    del first
    return ("n", "dropped", "percentile", "interval", "sd"), (
        [
            *group_cells(row.group, row.labels),
            count(row.n),
            total(row.dropped),
            with_se(row.score, row.se, 2),
            bounds(row.interval, 2),
            significant(row.sd),
        ]
        for row in result
    )


LAYOUTS: Layouts = {
    results.LinkageResult: _linkage,
    results.CustomerValueResult: _value,
    results.FirstContactResult: _first_contact,
    results.RetentionResult: _retention,
    results.SurvivalResult: _survival,
    results.KaplanMeierResult: _kaplan_meier,
    results.RelativeResult: _relative,
}
