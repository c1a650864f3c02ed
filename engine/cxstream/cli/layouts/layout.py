"""What a layout is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

#: Headings beside those of the groups, and a list of cells per line, those of the group first.
Lines = tuple[tuple[str, ...], Iterator[list[str]]]

#: By class of result: a function of it and of how many lines per group to print (all where None).
Layouts = dict[type, Callable[[Any, int | None], Lines]]
