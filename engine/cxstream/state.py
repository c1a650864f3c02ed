"""One program in an engine: its declaration, what is counted, and the lock around both."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from cxstream.columns import Codes
from cxstream.errors import CxError
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
        self._damage = ""

    def count(self, codes: Codes) -> None:
        """Count a batch that is stored.

        An error in mid-count leaves sums that nothing can be said about: from then on every call
        about the program fails, rather than one of them answering wrongly.
        """
        try:
            self.tally.update(codes)
        except BaseException as error:
            self._damage = repr(error)
            raise
        self.batches += 1

    def check(self) -> None:
        """Check that the sums are whole.

        Raises
        ------
        CxError
            ``DAMAGED``, with code INTERNAL.
        """
        if self._damage:
            raise CxError(
                "DAMAGED",
                f"the sums of program {self.program.name!r} are damaged since a batch could not be "
                f"counted ({self._damage}); restart the server",
            )

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
