"""Grids for the terminal, and how answers are laid out in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from cxstream.cli.output import console


class Grid:
    """A table of text: the named columns to the left, the others to the right.

    Parameters
    ----------
    columns : iterable of str
        Headings.
    left : iterable of str, optional
        Those aligned left; all of them when absent.
    title : str
        Printed above.
    """

    def __init__(
        self, columns: Iterable[str], *, left: Iterable[str] | None = None, title: str = ""
    ) -> None:
        names = list(columns)
        lefts = set(names if left is None else left)
        self._table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        self._title = title
        for name in names:
            is_left = name in lefts
            self._table.add_column(
                name, justify="left" if is_left else "right", no_wrap=not is_left, overflow="fold"
            )

    def add(self, *cells: str) -> None:
        """Add a row."""
        self._table.add_row(*(Text(cell) for cell in cells))

    def print(self) -> None:
        """Print it on stdout."""
        out = console()
        if self._title:
            out.print(Text(self._title, style="bold"))
        out.print(self._table)


def number(value: float | None, digits: int = 1) -> str:
    """Return a number with so many digits after the point; a dash where there is none.

    Examples
    --------
    >>> number(-12.345), number(None)
    ('-12.3', '–')
    """
    # z: what rounds to zero has no sign.
    return "–" if value is None else f"{value:z,.{digits}f}"


def with_se(value: float | None, se: float | None, digits: int = 1) -> str:
    """Return a number and its standard error."""
    return number(value, digits) if se is None else f"{number(value, digits)} ± {se:,.{digits}f}"


def bounds(interval: Any, digits: int = 1) -> str:
    """Return an interval in brackets."""
    if interval is None:
        return "–"
    return f"[{number(interval.lower, digits)}, {number(interval.upper, digits)}]"


def significant(value: float | None, digits: int = 4) -> str:
    """Return a number with so many significant digits."""
    return "–" if value is None else f"{value:.{digits}g}"


def probability(value: float | None) -> str:
    """Return a p value; very small ones as a bound."""
    if value is None:
        return "–"
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def count(value: int | None) -> str:
    """Return a whole number with its thousands apart."""
    return "–" if value is None else f"{value:,}"


def group_cells(group: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """Return a group's levels, with the texts people read."""
    cells = []
    for name, level in group.items():
        text = "(none)" if level is None else str(level)
        label = labels.get(name, "")
        # "A Boarding area A" says it twice.
        cells.append(label if label and text in label.split() else f"{text} {label}".rstrip())
    return cells


def total(dropped: Mapping[str, int]) -> str:
    """Return how many were dropped, all reasons together."""
    return count(sum(dropped.values()))
