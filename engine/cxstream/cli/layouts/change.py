"""Tables of what moved a score."""

from __future__ import annotations

from collections.abc import Iterator

from cxstream.cli.layouts.layout import Layouts, Lines
from cxstream.cli.tables import bounds, count, group_cells, number, significant, total, with_se
from cxstream_client import results


def effect(one: results.Effect | None) -> str:
    """Return a part of a change and its standard error."""
    return "–" if one is None else with_se(one.value, one.se, 2)


def _change(result: results.ChangeResult, first: int | None) -> Lines:
    del first
    headings = ("n", "n after", "dropped", "share %", "score", "mix", "rate", "both")

    def rows() -> Iterator[list[str]]:
        for row in result:
            yield [
                *group_cells(row.group, row.labels),
                count(row.n_before),
                count(row.n_after),
                total(row.dropped),
                f"{number(row.share_before)} > {number(row.share_after)}",
                f"{number(row.score_before)} > {number(row.score_after)}",
                effect(row.mix),
                effect(row.rate),
                effect(row.contribution),
            ]
        if len(result):
            whole = result.whole
            yield [
                *(["all"] + [""] * (len(result[0].group) - 1)),
                count(whole.n_before),
                count(whole.n_after),
                "",
                "",
                f"{number(whole.before)} > {number(whole.after)}",
                effect(whole.mix),
                effect(whole.rate),
                effect(whole.change),
            ]

    return headings, rows()


def _impact(result: results.ImpactResult, first: int | None) -> Lines:
    del first
    return ("n", "dropped", "share %", "score", "without", "impact", "interval"), (
        [
            *group_cells(row.group, row.labels),
            count(row.n),
            total(row.dropped),
            number(row.share),
            number(row.score),
            number(row.without),
            with_se(row.impact, row.se, 2),
            bounds(row.interval, 2),
        ]
        for row in result
    )


def _decompose(result: results.DecomposeResult, first: int | None) -> Lines:
    del first

    def rows() -> Iterator[list[str]]:
        for row in result:
            for one in row.effects:
                yield [
                    one.factor,
                    *(significant(x, 8) for x in (one.before, one.after, one.effect)),
                ]
            yield ["all", *(significant(x, 8) for x in (row.before, row.after, row.change))]

    return ("factor", "before", "after", "effect"), rows()


LAYOUTS: Layouts = {
    results.ChangeResult: _change,
    results.ImpactResult: _impact,
    results.DecomposeResult: _decompose,
}
