"""What a verification finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

RESTORE = "restore the data directory from a backup"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, and what to do.

    Attributes
    ----------
    what, remedy : str
    program, producer : str
        "" where it is about none.
    sequence : int or None
    """

    what: str
    remedy: str = RESTORE
    program: str = ""
    producer: str = ""
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One check and its result.

    Attributes
    ----------
    name : str
    figures : mapping of str to int
        How much was checked.
    problems : tuple of Problem
    remark : str
        What else there is to know.
    """

    name: str
    figures: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    remark: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
