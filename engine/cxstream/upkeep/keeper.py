"""The one thread that looks after a store: snapshots, history, compaction, erasure, retention.

All of it happens here, one thing after the other, so none of it can meet another half done. Appends
and answers go on meanwhile.
"""

from __future__ import annotations

import datetime as dt
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from cxstream.errors import CxError
from cxstream.program import program_from_dict
from cxstream.state import ProgramState
from cxstream.store import DirectoryStore, Erasure, Receipt, Snapshot, failpoint
from cxstream.tally import snapshot
from cxstream.upkeep.compact import compact
from cxstream.upkeep.erase import erase
from cxstream.upkeep.retain import drop_before
from cxstream.upkeep.rows import publish_files
from cxstream.upkeep.seal import seal

T = TypeVar("T")

#: A restart counts at most so many batches again, and those that came while it was written.
SNAPSHOT_BATCHES = 512
#: After a failure for want of room, or of anything else, it is tried again so much later.
RETRY_S = 10.0

_LOG = logging.getLogger("cxstream.store")


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """When batches go from the journal to the history.

    Attributes
    ----------
    seal_rows : int
        As soon as so many rows are in the journal only,
    seal_age_s : float
        or the first of them has been there for so long.
    """

    seal_rows: int = 2**18
    seal_age_s: float = 30.0

    @property
    def tick_s(self) -> float:
        """Return how often it is looked whether something is due."""
        return min(0.5, max(0.001, self.seal_age_s / 4))


class Keeper:
    """Looks after a store.

    Parameters
    ----------
    store : DirectoryStore
    states : function
        Returns the programs there are.
    settings : KeeperSettings
    """

    def __init__(
        self,
        store: DirectoryStore,
        states: Callable[[], list[ProgramState]],
        settings: KeeperSettings,
    ) -> None:
        self._store = store
        self._states = states
        self._settings = settings
        self._jobs: queue.Queue[tuple[Callable[[], Any], Future[Any]] | None] = queue.Queue()
        self._waiting_since: dict[str, float] = {}
        self._retry_at: dict[str, float] = {}
        self._unpublished: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="cxstream-keeper", daemon=True)

    def start(self) -> None:
        """Begin; what an earlier end left undone comes first."""
        self._unpublished = {state.program.name for state in self._states()}
        self._thread.start()
        for erasure in self._store.erasures():
            self._later(lambda one=erasure: self.erase(one), f"erasure {erasure.number}")

    def close(self) -> None:
        """Finish what was asked for, and keep the sums."""
        for state in self._states():
            self._later(lambda one=state: self.put_snapshot(one), "snapshot")
        self._jobs.put(None)
        self._thread.join()

    def run(self, job: Callable[[], T]) -> T:
        """Do something in the keeper's thread, and return its result."""
        done: Future[T] = Future()
        self._jobs.put((job, done))
        return done.result()

    def counted(self, state: ProgramState) -> None:
        """Keep the sums every so many batches, so that a restart has little to count again."""
        if state.batches - state.snapshot_batches >= SNAPSHOT_BATCHES:
            state.snapshot_batches = state.batches
            name = state.program.name
            self._later(lambda: self.put_snapshot(state), f"snapshot of {name!r}")

    # --- the keeper's thread ----------------------------------------------------------------------

    def _later(self, job: Callable[[], Any], what: str) -> None:
        def logged() -> None:
            self._try(what, job)

        self._jobs.put((logged, Future()))

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._settings.tick_s)
            except queue.Empty:
                self._tend()
                continue
            if job is None:
                return
            work, done = job
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - who waits must hear of it
                done.set_exception(error)
            else:
                done.set_result(result)

    def _try(self, what: str, job: Callable[[], Any]) -> bool:
        """Do something that can wait; say so where it failed."""
        if time.monotonic() < self._retry_at.get(what, 0.0):
            return False
        try:
            job()
        except Exception as error:  # noqa: BLE001 - nothing acknowledged depends on it
            text = error.message if isinstance(error, CxError) else repr(error)
            _LOG.warning("%s: %s; trying again in %.0f s", what, text, RETRY_S)
            self._retry_at[what] = time.monotonic() + RETRY_S
            return False
        return True

    def _tend(self) -> None:
        """Do what is due."""
        sealed = False
        for state in self._states():
            name = state.program.name
            rows, _ = self._store.unsealed(name)
            if rows == 0:
                self._waiting_since.pop(name, None)
            else:
                since_s = self._waiting_since.setdefault(name, time.monotonic())
                is_due = rows >= self._settings.seal_rows or (
                    time.monotonic() - since_s >= self._settings.seal_age_s
                )
                if is_due and self._try(f"history of {name!r}", lambda one=state: self._seal(one)):
                    self._waiting_since.pop(name, None)
                    sealed = True
            if name in self._unpublished:
                self._try(f"Delta log of {name!r}", lambda one=state: self._publish(one))
        if sealed:
            self._try("journal", self._store.trim)

    def _seal(self, state: ProgramState) -> None:
        name = state.program.name
        if seal(self._store, name):
            self._unpublished.add(name)
        program = program_from_dict(state.tables)
        if program.retention_months:
            drop_before(self._store, state, _months_ago(program.retention_months))
        if compact(self._store, program):
            self._unpublished.add(name)

    def _publish(self, state: ProgramState) -> None:
        publish_files(self._store, state.program)
        self._unpublished.discard(state.program.name)

    # --- what is asked for, in the keeper's thread ------------------------------------------------

    def put_snapshot(self, state: ProgramState) -> None:
        """Keep a program's sums, durably.

        Raises
        ------
        OSError, ResourceExhaustedError
            The disk is full: the batches are counted again at the next start, that is all.
        """
        with state.changing():
            if state.damaged or state.batches == 0:
                return
            kept = Snapshot(state.point, state.batches, snapshot(state.tally))
            state.snapshot_batches = state.batches
            plan = state.plan.digest
            name = state.program.name
        self._store.put_snapshot(name, plan, kept)

    def seal_all(self) -> None:
        """Let the history hold every batch there is, and the journal none of them.

        Raises
        ------
        StoreDamagedError
            ``STORE_DAMAGED``.
        OSError, ResourceExhaustedError
            The disk is full.
        """
        for state in self._states():
            self._seal(state)
        self._store.trim()
        for state in self._states():
            if state.program.name in self._unpublished:
                self._publish(state)

    def erase(self, erasure: Erasure) -> Receipt:
        """Erase a customer whose tombstone is durable; see `cxstream.upkeep.erase`."""
        state = next(one for one in self._states() if one.program.name == erasure.program)
        failpoint("erase.before")
        self._store.rotate()
        for one in self._states():
            seal(self._store, one.program.name)
        self._store.trim()
        receipt = erase(self._store, state, erasure)
        self._unpublished.update(one.program.name for one in self._states())
        self._try(f"snapshot of {erasure.program!r}", lambda: self.put_snapshot(state))
        return receipt

    def drop_before(self, state: ProgramState, month: str) -> int:
        """Drop months; see `cxstream.upkeep.retain`."""
        seal(self._store, state.program.name)
        self._store.trim()
        rows = drop_before(self._store, state, month)
        self._store.pins.wait()
        self._publish(state)
        self._try(f"snapshot of {state.program.name!r}", lambda: self.put_snapshot(state))
        return rows


def _months_ago(months: int) -> str:
    """Return the first month that stays of so many, the present one included."""
    today = dt.datetime.now(dt.UTC)
    month = today.year * 12 + today.month - 1 - (months - 1)
    return f"{month // 12:04}-{month % 12 + 1:02}"
