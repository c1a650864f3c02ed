"""The table of reliability."""

from __future__ import annotations

from collections.abc import Iterator

from cxstream.cli.layouts.layout import Layouts, Lines
from cxstream.cli.tables import bounds, count, group_cells, number, with_se
from cxstream_client import results


def _reliability(result: results.ReliabilityResult, first: int | None) -> Lines:
    del first

    def rows() -> Iterator[list[str]]:
        for row in result:
            group = group_cells(row.group, row.labels)
            text = "all items" if row.status == "ok" else f"{row.status}: {row.message}"
            yield [
                *group,
                text,
                count(row.n),
                with_se(row.alpha, row.se, 3),
                bounds(row.interval, 3),
                number(row.alpha_standardised, 3),
                number(row.omega, 3),
                "",
            ]
            for one in row.items:
                yield [
                    *group,
                    f"without {one.label or one.item}",
                    "",
                    number(one.alpha_if_dropped, 3),
                    "",
                    "",
                    "",
                    number(one.item_total, 3),
                ]

    headings = ("items", "n", "alpha", "interval", "standardised", "omega", "item-total r")
    return headings, rows()


LAYOUTS: Layouts = {results.ReliabilityResult: _reliability}
