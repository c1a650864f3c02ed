"""One program in an engine: its declaration, what is counted, and the lock around both."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from cxstream.columns import Codes
from cxstream.errors import CxError
from cxstream.gathering import Gathering
from cxstream.program import Plan, Program
from cxstream.program.unlocked import unlocked
from cxstream.recent import Digests, Recent
from cxstream.store import Batch
from cxstream.tally import Tally

#: So many responses are counted by themselves, fewer with what came at the same time.
ALONE_ROWS = 4096
#: So many of several producers are counted at once,
GROUP_ROWS_MAX = 65_536
#: and of one, where it sends large batches; queries wait for it.
RUN_ROWS_MAX = 2**18
#: What takes longer to count than a question may wait.
LONG_ROWS = 4096


@dataclass(frozen=True, slots=True)
class RebuildInfo:
    """How far a changed program is counted; `failed` says why it cannot be."""

    rows_done: int
    rows_all: int
    failed: str


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """Where a program stands."""

    name: str
    version: int
    responses: int
    batches: int
    views: tuple[str, ...]
    unlocked: tuple[str, ...]
    rebuild: RebuildInfo | None = None


@dataclass(slots=True)
class Rebuild:
    """A declaration that is accepted, and does not answer before all that is stored is counted.

    Attributes
    ----------
    program, plan, version
        Of the declaration.
    tally : Tally
        What came after `until`.
    until : int
        The point up to which what is stored is being counted.
    removals : int
        The program's, when that began.
    rows_done, rows_all : int
    failed : str
        Why it ended; "" while it goes on.
    """

    program: Program
    plan: Plan
    version: int
    tally: Tally
    until: int
    removals: int
    rows_done: int = 0
    rows_all: int = 0
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A batch as it was read, with the schema message it came under, and as it is stored.

    Attributes
    ----------
    schema : bytes
    content : Codes or pa.RecordBatch or None
        Codes of a large batch, where they were made as it was read; else the batch, to be encoded;
        None of a small one that is still to be read, with others, from what is stored.
    batch : Batch
    """

    schema: bytes
    content: Codes | pa.RecordBatch | None
    batch: Batch


@dataclass(slots=True)
class Run:
    """A producer's batches in line, to be counted up to the first that is refused.

    Attributes
    ----------
    batches : list of Arrived
    rows : int
        Of all of them.
    counted : int
        How many are stored and counted.
    error : Exception or None
        What befell the one after those.
    """

    batches: list[Arrived] = field(default_factory=list)
    rows: int = 0
    counted: int = 0
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a program stood: its answers are the same for as long as that is current.

    Attributes
    ----------
    state : ProgramState
    seen : tuple
        Its version that answers, and how often the sums were added to and taken from.
    """

    state: ProgramState
    seen: tuple[int, int, int, bool]

    @property
    def is_current(self) -> bool:
        """Whether nothing has changed; what is being counted is not acknowledged yet, and has not."""
        return self.state.moment().seen == self.seen


class ProgramState:
    """One program: its declaration, what is counted, and the locks around both.

    Attributes
    ----------
    tables : mapping
        The newest declaration as it was put.
    program, plan, tally
        The declaration that answers, what is counted, and the sums. The plan may count more than
        the declaration asks.
    version, batches : int
    rebuild : Rebuild or None
        The newest declaration, while it does not answer yet.
    point : int
        All batches up to this point of the store are counted, while no append is under way.
    removals : int
        How often responses were taken out of the sums.
    lock : threading.RLock
        Around the tally and everything above.
    declaring : threading.RLock
        Around program, plan, tally and version being other ones, within `lock`. Who reads some of
        them together holds this: a count, which has the other one, takes long.
    recent : Recent
        What questions find while a count holds the lock.
    digests : Digests
        Of large sums that were asked for.
    gathering : Gathering of lists of Run
        Appends that came at the same time.
    """

    def __init__(
        self, tables: Mapping[str, Any], program: Program, plan: Plan, tally: Tally, version: int
    ) -> None:
        self.tables = tables
        self.program = program
        self.plan = plan
        self.tally = tally
        self.version = version
        self.batches = 0
        self.point = 0
        self.snapshot_batches = self.snapshot_rows = 0
        self.removals = 0
        self.rebuild: Rebuild | None = None
        self.lock = threading.RLock()
        self.declaring = threading.RLock()
        self.recent: Recent[Any] = Recent()
        self.digests = Digests()
        self.gathering: Gathering[list[Run]] = Gathering(
            lambda runs: sum(run.rows for run in runs), alone=ALONE_ROWS, size_max=GROUP_ROWS_MAX
        )
        self._idle = threading.Condition()
        self._appending = 0
        self._changing = 0
        self._producers: dict[str, threading.Lock] = {}
        self._damage = ""

    @property
    def declared(self) -> Program:
        """Return the newest declaration: what comes in, and what is kept, is by it."""
        rebuild = self.rebuild
        return rebuild.program if rebuild else self.program

    @property
    def newest_version(self) -> int:
        """Return the version of the newest declaration."""
        rebuild = self.rebuild
        return rebuild.version if rebuild else self.version

    def answer_by(self, program: Program, plan: Plan, tally: Tally, version: int) -> None:
        """Let another declaration answer; with the lock."""
        with self.declaring:
            self.program, self.plan, self.tally = program, plan, tally
            self.version = version

    def admit(self, codes: Codes) -> None:
        """Check that the sums have room for what a batch brings; see `Tally.admit`, `check_room`."""
        for tally, one in self._shares(codes):
            tally.check_room(one)
            tally.admit(one)

    def _shares(self, codes: Codes) -> list[tuple[Tally, Codes]]:
        """Return all sums that what comes in goes into, and what of it."""
        if self.rebuild is None:
            return [(self.tally, codes)]
        known = codes.only(self.plan.question, self.plan.dimensions)
        return [(self.tally, known), (self.rebuild.tally, codes)]

    @contextmanager
    def appending(self, *producers: str) -> Iterator[None]:
        """Hold off changes of the program, and other appends of these producers.

        A thread that holds producers' turns waits for those of later names only, so that no two wait
        for each other.
        """
        with self._idle:
            while self._changing:
                self._idle.wait()
            self._appending += 1
            turns = [self._producers.setdefault(one, threading.Lock()) for one in sorted(producers)]
        taken = 0
        try:
            for turn in turns:
                turn.acquire()
                taken += 1
            yield
        finally:
            for turn in turns[:taken]:
                turn.release()
            with self._idle:
                self._appending -= 1
                if self._changing:
                    self._idle.notify_all()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock while no append is under way: what is stored is what is counted."""
        with self._idle:
            self._changing += 1
        try:
            with self._idle:
                while self._appending:
                    self._idle.wait()
            with self.lock:
                yield
        finally:
            with self._idle:
                self._changing -= 1
                self._idle.notify_all()

    def count(self, codes: Sequence[Codes], batches: int, point: int) -> None:
        """Count so many batches, the last of them stored at a point.

        An error in mid-count leaves sums that nothing can be said about: from then on every call
        about the program fails, rather than one of them answering wrongly.
        """
        if sum(one.rows for one in codes) > LONG_ROWS:
            self.recent.prepare()
        try:
            for one in codes:
                for tally, share in self._shares(one):
                    tally.update(share)
            if self.recent.is_asked:
                # Here questions find the cuts from before; afterwards one would wait for this.
                self.tally.settle()
        except BaseException as error:
            self._damage = repr(error)
            raise
        finally:
            self.recent.clear()
        self.batches += batches
        self.point = max(self.point, point)

    def lessen(self, gone: Tally) -> None:
        """Take responses out of the sums that are stored no more; nothing else changes meanwhile."""
        try:
            self.tally.subtract(gone)
        except BaseException as error:
            self._damage = repr(error)
            raise
        self.removals += 1

    def moment(self) -> Moment:
        """Return where the program stands, for answers that are made from here on; without the lock."""
        return Moment(self, (self.version, self.batches, self.removals, self.damaged))

    @property
    def damaged(self) -> bool:
        """Whether a batch could not be counted whole."""
        return bool(self._damage)

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
            rebuild = self.rebuild
            return ProgramInfo(
                name=self.program.name,
                version=self.newest_version,
                responses=self.tally.responses,
                batches=self.batches,
                views=tuple(view.name for view in self.plan.views),
                unlocked=unlocked(self.program),
                rebuild=RebuildInfo(rebuild.rows_done, rebuild.rows_all, rebuild.failed)
                if rebuild
                else None,
            )
