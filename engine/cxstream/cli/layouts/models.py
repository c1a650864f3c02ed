"""Tables of how answers move together."""

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
    with_se,
)
from cxstream_client import results


def _regression(result: results.RegressionResult, first: int | None) -> Lines:
    del first

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


def _insights(result: results.InsightsResult, first: int | None) -> Lines:
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


LAYOUTS: Layouts = {
    results.RegressionResult: _regression,
    results.InsightsResult: _insights,
}
