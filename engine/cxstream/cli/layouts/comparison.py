"""Tables of comparisons."""

from __future__ import annotations

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


def _compare(result: results.CompareResult, first: int | None) -> Lines:
    del first
    headings = (
        "n",
        "n of b",
        "dropped",
        "a",
        "b",
        "a - b",
        "interval",
        "z or t",
        "p",
        "p adjusted",
    )
    return headings, (
        [
            *group_cells(row.group, row.labels),
            count(row.n_a),
            count(row.n_b),
            total(row.dropped),
            significant(row.a),
            significant(row.b),
            with_se(row.difference, row.se, 2),
            bounds(row.interval, 2),
            number(row.statistic, 2),
            probability(row.p),
            probability(row.p_adjusted),
        ]
        for row in result
    )


def _sample_size(result: results.SampleSizeResult, first: int | None) -> Lines:
    del first
    return ("n", "dropped", "variance", "answers needed", "of the second group"), (
        [
            *group_cells(row.group, row.labels),
            count(row.n),
            total(row.dropped),
            number(row.variance),
            count(row.answers),
            count(row.answers_b),
        ]
        for row in result
    )


LAYOUTS: Layouts = {
    results.CompareResult: _compare,
    results.SampleSizeResult: _sample_size,
}
