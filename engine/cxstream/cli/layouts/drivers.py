"""The table of drivers."""

from __future__ import annotations

from collections.abc import Iterator

from cxstream.cli.layouts.layout import Layouts, Lines
from cxstream.cli.tables import bounds, group_cells, number, with_se
from cxstream_client import results

_SIGNS = {-1: "-", 0: "0", 1: "+"}


def _drivers(result: results.DriversResult, first: int | None) -> Lines:
    del first

    def rows() -> Iterator[list[str]]:
        for row in result:
            group = group_cells(row.group, row.labels)
            if not row.drivers:
                yield [*group, f"{row.status}: {row.message}", *[""] * 8]
            for one in row.drivers:
                yield [
                    *group,
                    one.label or one.driver,
                    with_se(one.lmg, one.se, 3),
                    bounds(one.interval, 3),
                    number(one.johnson, 3),
                    "" if one.sign is None else _SIGNS[one.sign],
                    number(one.beta, 3),
                    with_se(one.performance, one.performance_se),
                    one.quadrant.replace("_", " "),
                    number(one.weight, 3),
                ]

    headings = (
        "driver",
        "LMG",
        "interval",
        "Johnson",
        "sign",
        "beta",
        "performance",
        "quadrant",
        "weight",
    )
    return headings, rows()


LAYOUTS: Layouts = {results.DriversResult: _drivers}
