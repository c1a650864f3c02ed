"""Tables of the metrics."""

from __future__ import annotations

from collections.abc import Iterator

from cxstream.cli.layouts.layout import Layouts, Lines
from cxstream.cli.tables import (
    bounds,
    count,
    group_cells,
    number,
    significant,
    total,
    with_se,
)
from cxstream_client import results


def _nps(result: results.NpsResult, first: int | None) -> Lines:
    del first
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


def _csat(result: results.CsatResult, first: int | None) -> Lines:
    del first
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


def _ces(result: results.CesResult, first: int | None) -> Lines:
    del first
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


def _distribution(result: results.DistributionResult, first: int | None) -> Lines:
    del first

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


def _index(result: results.IndexResult, first: int | None) -> Lines:
    del first
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


def _scorecard(result: results.ScorecardResult, first: int | None) -> Lines:
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


LAYOUTS: Layouts = {
    results.NpsResult: _nps,
    results.CsatResult: _csat,
    results.CesResult: _ces,
    results.DistributionResult: _distribution,
    results.IndexResult: _index,
    results.ScorecardResult: _scorecard,
}
