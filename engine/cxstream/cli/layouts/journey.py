"""Tables of journeys."""

from __future__ import annotations

from collections.abc import Iterator

from cxstream.cli.layouts.layout import Layouts, Lines
from cxstream.cli.tables import bounds, count, group_cells, probability, with_se
from cxstream_client import results


def _journey(result: results.JourneyResult, first: int | None) -> Lines:
    del first

    def rows() -> Iterator[list[str]]:
        for row in result:
            for one in row.stages:
                yield [
                    *group_cells(row.group, row.labels),
                    one.label or one.stage,
                    count(one.n),
                    with_se(one.score, one.se),
                    bounds(one.interval),
                    with_se(one.change, one.change_se),
                    probability(one.p_adjusted),
                    "biggest drop" if one.biggest_drop else "",
                ]

    return ("answer", "n", "score", "interval", "change", "p adjusted", ""), rows()


def _compared(result: results.CompareJourneysResult, first: int | None) -> Lines:
    del first

    def rows() -> Iterator[list[str]]:
        for row in result:
            group = group_cells(row.group, row.labels)
            for one in row.stages:
                yield [
                    *group,
                    one.label or one.stage,
                    count(one.n_a),
                    count(one.n_b),
                    with_se(one.a, None),
                    with_se(one.b, None),
                    with_se(one.difference, one.se),
                    bounds(one.interval),
                    probability(one.p_adjusted),
                ]
            whole = with_se(row.difference, row.se)
            sizes = count(row.n_a), count(row.n_b)
            yield [*group, "all", *sizes, "", "", whole, bounds(row.interval), probability(row.p)]

    headings = ("answer", "n a", "n b", "a", "b", "difference", "interval", "p adjusted")
    return headings, rows()


LAYOUTS: Layouts = {
    results.JourneyResult: _journey,
    results.CompareJourneysResult: _compared,
}
