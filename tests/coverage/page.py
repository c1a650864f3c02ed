"""The page of the documentation: what every interval covers, and where the defaults fail."""

from collections.abc import Sequence
from pathlib import Path

from tests.coverage.reasons import reason_of
from tests.coverage.scenario import Row

PAGE = Path(__file__).resolve().parents[2] / "engine" / "docs" / "coverage.md"

#: What a default is to cover, in percent, from so many answers on.
LEAST, MOST, FROM = 93.0, 97.0, 30

_PREFACE = f"""# How often intervals cover

<!-- Made by simulation: `python -m tests.coverage --write`. -->

Samples are drawn from a known distribution, and each interval is asked whether it holds the true
value. Of 95 % intervals 95 % should. All figures are of the analytics functions that answer
questions, with a fixed seed: 2,000 to 4,000 replications, so the standard error of a coverage of 95 %
is 0.3 to 0.5 points.

The aim: the default of every statistic covers {LEAST:g} to {MOST:g} % wherever n is {FROM} or more. Where
it does not is listed first, with the reason. Answers are few and whole: an interval
holds the true value for some counts and not for others, so where nearly all answers are alike coverage
jumps with n, for any method. An interval that covers too often is a failure too: it is wider than
it would have to be.

In the tables a row is a population, a column a size (of both groups, where there are two). A cell is the
coverage in percent and the mean width; coverage outside {LEAST:g} to {MOST:g} % at n >= {FROM} is **bold**.
Some replications may have no interval (a group of one answer, a level that nobody has): coverage is of
the others, and the share without follows as "none".
"""


def failures(rows: Sequence[Row]) -> list[Row]:
    """Defaults that cover too rarely or too often."""
    return [row for row in rows if row.default and row.n >= FROM and not _covers(row)]


def _covers(row: Row) -> bool:
    return LEAST <= round(row.coverage, 1) <= MOST


def _name(row: Row) -> str:
    return ", ".join(part for part in (row.method, row.variant) if part)


def page(rows: Sequence[Row]) -> str:
    """Write the page.

    Raises
    ------
    ValueError
        A default fails for no stated reason.
    """
    parts = [_PREFACE, _summary(rows), _failures(failures(rows))]
    for statistic in dict.fromkeys(row.statistic for row in rows):
        parts.append(f"## {statistic}\n")
        own = [row for row in rows if row.statistic == statistic]
        parts += [
            _table([r for r in own if (r.field, r.method, r.variant) == key])
            for key in dict.fromkeys((row.field, row.method, row.variant) for row in own)
        ]
    return "\n".join(parts)


def _kinds(rows: Sequence[Row]) -> dict[tuple[str, str, str, str], list[Row]]:
    kinds: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        if row.default:
            kinds.setdefault((row.statistic, row.field, row.method, row.variant), []).append(row)
    return kinds


def _summary(rows: Sequence[Row]) -> str:
    """Range of every default from 30 answers on."""
    lines = [
        f"## Defaults from n = {FROM} on\n",
        f"| statistic | default | least | most | within {LEAST:g}..{MOST:g} % |",
        "|---|---|---|---|---|",
    ]
    for (statistic, field, _, _), of in _kinds(rows).items():
        own = [row for row in of if row.n >= FROM]
        if own:
            coverage = [row.coverage for row in own]
            good = sum(_covers(row) for row in own)
            lines.append(
                f"| {statistic} | `{field}`, {_name(own[0])} | {min(coverage):.1f} | {max(coverage):.1f} "
                f"| {good} of {len(own)} |"
            )
    return "\n".join(lines) + "\n"


def _failures(rows: Sequence[Row]) -> str:
    lines = [f"## Where defaults fail, n >= {FROM}\n"]
    for (statistic, field, _, _), own in _kinds(rows).items():
        lines.append(f"### {statistic}: `{field}`, {_name(own[0])}\n")
        lines.append(reason_of(own[0]) + "\n")
        lines.append("| population | n | coverage | interval below the truth | above |")
        lines.append("|---|---|---|---|---|")
        lines += [
            f"| {row.truth} | {row.size} | {row.coverage:.1f} | {row.below:.1f} | {row.above:.1f} |"
            for row in own
        ]
        lines.append("")
    return "\n".join(lines)


def _table(rows: Sequence[Row]) -> str:
    sizes = list(dict.fromkeys(row.size for row in rows))
    marked = " (default)" if rows[0].default else ""
    lines = [
        f"`{rows[0].field}`, {_name(rows[0])}{marked}\n",
        "| population | " + " | ".join(sizes) + " |",
        "|---" * (1 + len(sizes)) + "|",
    ]
    for truth in dict.fromkeys(row.truth for row in rows):
        cells = {row.size: _cell(row) for row in rows if row.truth == truth}
        lines.append(f"| {truth} | " + " | ".join(cells.get(size, "") for size in sizes) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: Row) -> str:
    covers = f"{row.coverage:.1f}"
    if row.n >= FROM and not _covers(row):
        covers = f"**{covers}**"
    none = f"; none {row.undefined:.1f} %" if row.undefined else ""
    return f"{covers}; {row.width:.3g}{none}"
