"""Tables of a metric over time."""

from __future__ import annotations

from cxstream.cli.layouts.layout import Layouts, Lines
from cxstream.cli.tables import bounds, count, group_cells, number, probability, total, with_se
from cxstream_client import results


def _between(lower: float | None, upper: float | None) -> str:
    return "–" if lower is None else f"{number(lower)} .. {number(upper)}"


def _monitor(result: results.MonitorResult, first: int | None) -> Lines:
    del first
    headings = ("n", "dropped", "score", "interval", "limits", "EWMA", "its limits", "p chi2")
    starts = dict.fromkeys(result.change_points, "change")
    return (*headings, "alarms"), (
        [
            *group_cells(row.group, row.labels),
            count(row.n),
            total(row.dropped),
            with_se(row.score, row.se),
            bounds(row.interval),
            _between(row.lower_limit, row.upper_limit),
            number(row.ewma),
            _between(row.ewma_lower, row.ewma_upper),
            probability(row.chi2_p),
            " ".join(word for word in (_change_at(row, starts), row.alarms) if word),
        ]
        for row in result
    )


def _change_at(row: results.MonitorRow, starts: dict[str, str]) -> str:
    """Say that a regime begins here."""
    ((_, level),) = row.group.items()
    return next((word for start, word in starts.items() if str(level).startswith(start[:10])), "")


LAYOUTS: Layouts = {results.MonitorResult: _monitor}
