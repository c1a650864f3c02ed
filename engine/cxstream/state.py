"""One program in an engine: its declaration, what is counted, and the lock around both."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from cxstream.program import Plan, Program
from cxstream.program.unlocked import unlocked
from cxstream.tally import Tally


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """Where a program stands."""

    name: str
    version: int
    responses: int
    batches: int
    views: tuple[str, ...]
    unlocked: tuple[str, ...]


class ProgramState:
    """One program: its declaration, what is counted, and the lock around both."""

    def __init__(self, program: Program, plan: Plan, tally: Tally) -> None:
        self.program = program
        self.plan = plan
        self.tally = tally
        self.version = 1
        self.batches = 0
        self.lock = threading.RLock()

    def info(self) -> ProgramInfo:
        """Return where the program stands."""
        with self.lock:
            return ProgramInfo(
                name=self.program.name,
                version=self.version,
                responses=self.tally.responses,
                batches=self.batches,
                views=tuple(view.name for view in self.plan.views),
                unlocked=unlocked(self.program),
            )
