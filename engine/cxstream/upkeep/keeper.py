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
import zoneinfo
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from cxstream.errors import (
    CxError,
    FailedPreconditionError,
    ResourceExhaustedError,
    UnavailableError,
)
from cxstream.state import ProgramState
from cxstream.store import DirectoryStore, Erasure, Receipt, Snapshot, failpoint
from cxstream.store.journal import FULL
from cxstream.tally import copied
from cxstream.threads import NICEST_BY, give_way
from cxstream.upkeep.compact import compact
from cxstream.upkeep.erase import erase
from cxstream.upkeep.pace import BUSY_BYTES_PER_S, Pace
from cxstream.upkeep.retain import drop_before
from cxstream.upkeep.rows import publish_files
from cxstream.upkeep.seal import seal

P = ParamSpec("P")
T = TypeVar("T")

#: A restart counts at most so many batches or responses again, and those that came meanwhile.
SNAPSHOT_BATCHES = 512
SNAPSHOT_ROWS = 2**22
#: Appends wait for a snapshot: the next one comes after so many times as long as the last one took.
SNAPSHOT_PAUSE = 20
#: While much comes in, the history waits for a lull. It does not wait for longer, or for more responses,
#: than so many times the usual.
SEAL_PATIENCE = 8
#: After a failure for want of room, or of anything else, it is tried again so much later.
RETRY_S = 10.0
RETAIN_EVERY_S = 3600.0
#: SQLite's log is folded into the catalogue when it has grown to so much.
LOG_BYTES_MAX = 64 * 2**20
#: How long an erasure waits for other processes to let go of the catalogue.
CLEAN_S = 10.0
#: Who waits for long work wakes so often. Before 2.41 glibc can lose a wake-up
#: (https://sourceware.org/bugzilla/show_bug.cgi?id=25847): where all threads wait for one that has lost
#: that of the interpreter's lock, whoever next takes the lock wakes it.
WAKE_S = 1.0
#: How long nothing is removed or rewritten after a checkpoint.
HOLD_S = 600.0

_LOG = logging.getLogger("cxstream.store")


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """When batches go from the journal to the history.

    Attributes
    ----------
    seal_rows : int
        As soon as so many rows are in the journal only,
    seal_age_s : float
        or the first of them has been there for so long; later while very much comes in.
    """

    seal_rows: int = 2**22
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
        #: When it was looked how much had come in, and how much that was.
        self._seen = time.monotonic(), 0
        self._retry_at: dict[str, float] = {}
        self._retain_at: dict[str, float] = {}
        self._unpublished: set[str] = set()
        #: Programs that a snapshot is asked for of.
        self._waiting: set[str] = set()
        self._rested_at: dict[str, float] = {}
        self._hold_until = 0.0
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="cxstream-keeper", daemon=True)

    def start(self) -> None:
        """Begin; what an earlier end left undone comes first."""
        self._unpublished = {state.program.name for state in self._states()}
        self._thread.start()
        self._jobs.put((self._erase_pending, Future()))

    def close(self) -> None:
        """Finish what was asked for, and keep the sums."""
        for state in self._states():
            self._later(f"snapshot of {state.program.name!r}", self.put_snapshot, state)
        self._is_closed = True
        self._jobs.put(None)
        self._thread.join()
        while not self._jobs.empty():
            if job := self._jobs.get():
                job[1].set_exception(UnavailableError("CLOSED", "the engine is closed"))

    def run(self, job: Callable[[], T], otherwise: str = "") -> T:
        """Do something in the keeper's thread, and return its result.

        Parameters
        ----------
        job : function
        otherwise : str
            How things stand where files cannot be written; for the error.

        Raises
        ------
        ResourceExhaustedError
            ``DISK_FULL``.
        UnavailableError
            ``CLOSED``; or ``STORE_UNAVAILABLE``: the disk refuses for another reason.
        """
        done: Future[T] = Future()
        if self._is_closed:
            raise UnavailableError("CLOSED", "the engine is closed")
        self._jobs.put((job, done))
        try:
            return done.result()
        except OSError as error:
            message = f"files cannot be written ({error})"
            if otherwise:
                message += f"; {otherwise}"
            if error.errno not in FULL:
                raise UnavailableError("STORE_UNAVAILABLE", message) from error
            raise ResourceExhaustedError(
                "DISK_FULL", message, expected="free space in the data directory"
            ) from error

    def counted(self, state: ProgramState) -> None:
        """Keep the sums every so many batches, so that a restart has little to count again."""
        name = state.program.name
        is_due = (
            state.batches - state.snapshot_batches >= SNAPSHOT_BATCHES
            or state.tally.responses - state.snapshot_rows >= SNAPSHOT_ROWS
        )
        if (
            is_due
            and name not in self._waiting
            and time.monotonic() >= self._rested_at.get(name, 0)
        ):
            self._waiting.add(name)
            self._later(f"snapshot of {name!r}", self.put_snapshot, state)

    # --- the keeper's thread ----------------------------------------------------------------------

    def _later(self, what: str, job: Callable[..., Any], *args: Any) -> None:
        self._jobs.put((lambda: self._try(what, job, *args), Future()))

    def _run(self) -> None:
        tend_at_s = time.monotonic()
        while True:
            # By the clock: however many jobs wait, what is due comes between them.
            if time.monotonic() >= tend_at_s:
                self._try("upkeep", self._tend)
                tend_at_s = time.monotonic() + self._settings.tick_s
            try:
                job = self._jobs.get(timeout=max(0.0, tend_at_s - time.monotonic()))
            except queue.Empty:
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

    def _try(self, what: str, job: Callable[..., Any], *args: Any) -> bool:
        """Do something that can wait; say so where it failed."""
        if time.monotonic() < self._retry_at.get(what, 0.0):
            return False
        try:
            job(*args)
        except Exception as error:  # noqa: BLE001 - nothing acknowledged depends on it
            text = error.message if isinstance(error, CxError) else repr(error)
            _LOG.warning("%s: %s; trying again in %.0f s", what, text, RETRY_S)
            self._retry_at[what] = time.monotonic() + RETRY_S
            return False
        return True

    def _tend(self) -> None:
        """Do what is due."""
        if time.monotonic() < self._hold_until:
            return
        self._erase_pending()
        patience = SEAL_PATIENCE if self._is_busy() else 1
        is_sealed = False
        for state in self._states():
            name = state.program.name
            if self._is_closed:  # what is left can wait for the next start
                return
            if self._is_due(name, patience) and self._try(
                f"history of {name!r}", self._seal, state, self._rests(name)
            ):
                self._waiting_since.pop(name, None)
                is_sealed = True
            if state.declared.retention_months and time.monotonic() >= self._retain_at.get(name, 0):
                self._retain_at[name] = time.monotonic() + RETAIN_EVERY_S
                self._try(f"retention of {name!r}", self._retain, state)
            if name in self._unpublished:
                self._try(f"Delta log of {name!r}", self._publish, state)
        if is_sealed:
            self._try("journal", self._store.trim)
        if not self._store.is_folded or self._store.log_bytes > LOG_BYTES_MAX:
            self._try("catalogue's log", self._fold)

    def _is_busy(self) -> bool:
        (then_s, before), now_s, taken = self._seen, time.monotonic(), self._store.bytes_taken
        self._seen = now_s, taken
        return taken - before >= BUSY_BYTES_PER_S * max(now_s - then_s, self._settings.tick_s)

    def _is_due(self, name: str, patience: int) -> bool:
        rows, _ = self._store.unsealed(name)
        if rows == 0:
            self._waiting_since.pop(name, None)
            return False
        since_s = self._waiting_since.setdefault(name, time.monotonic())
        age_s = time.monotonic() - since_s
        return (
            rows >= patience * self._settings.seal_rows
            or age_s >= patience * self._settings.seal_age_s
        )

    def _rests(self, name: str) -> Callable[[], bool]:
        """Return what rests between the parts of a seal, and says whether it is over."""
        rows_max = SEAL_PATIENCE * self._settings.seal_rows
        pace = Pace(self._store, lambda: self._store.unsealed(name)[0] >= rows_max)

        def rest() -> bool:
            if not self._is_closed:
                pace.rest()
            return self._is_closed

        return rest

    def _erase_pending(self) -> None:
        """Go on with erasures that an end of the process or a full disk cut short."""
        for erasure in self._store.erasures():
            self._try(f"erasure {erasure.number}", self.erase, erasure)

    def _seal(self, state: ProgramState, is_over: Callable[[], bool] = lambda: False) -> None:
        self._seal_only(state, is_over)
        if not is_over() and _last(compact, self._store, state.declared):
            self._unpublished.add(state.program.name)

    def _seal_only(self, state: ProgramState, is_over: Callable[[], bool] = lambda: False) -> None:
        if _last(seal, self._store, state.program.name, is_over):
            self._unpublished.add(state.program.name)

    def _retain(self, state: ProgramState) -> None:
        months, time_column = state.declared.retention_months, state.declared.time
        if months and time_column:
            self.drop_before(state, _months_ago(months, time_column.timezone))

    def _publish(self, state: ProgramState) -> None:
        publish_files(self._store, state.declared)
        self._unpublished.discard(state.program.name)

    def _fold(self) -> None:
        if not self._store.fold():
            raise UnavailableError(
                "CATALOGUE_BUSY", "another process reads the catalogue, whose log cannot be folded"
            )

    # --- what is asked for, in the keeper's thread ------------------------------------------------

    def put_snapshot(self, state: ProgramState) -> None:
        """Keep a program's sums, durably.

        Raises
        ------
        OSError, ResourceExhaustedError
            The disk is full: the batches are counted again at the next start, that is all.
        """
        started_s = time.monotonic()
        with state.changing():
            self._waiting.discard(state.program.name)
            if state.damaged or state.batches == 0:
                return
            point, batches = state.point, state.batches
            # Appends wait for this, and not for its bytes.
            sums = copied(state.tally)
            state.snapshot_batches, state.snapshot_rows = state.batches, state.tally.responses
            plan = state.plan.digest
            name = state.program.name
        self._store.put_snapshot(name, plan, Snapshot(point, batches, sums.to_bytes()))
        ended_s = time.monotonic()
        self._rested_at[name] = ended_s + SNAPSHOT_PAUSE * (ended_s - started_s)

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
            self._retain(state)
        self._store.trim()
        for state in self._states():
            if state.program.name in self._unpublished:
                self._publish(state)

    def hold(self, seconds: float) -> None:
        """Let the directory be copied: nothing in it is removed or rewritten for a while."""
        self._hold_until = time.monotonic() + seconds

    def erase(self, erasure: Erasure) -> Receipt:
        """Erase a customer whose tombstone is durable; see `cxstream.upkeep.erase`.

        Raises
        ------
        FailedPreconditionError
            ``CATALOGUE_BUSY``: they are in no answer, but another process kept the catalogue's log
            from being folded, where their surrogate still is.
        """
        state = next(one for one in self._states() if one.program.name == erasure.program)
        failpoint("erase.before")
        # Their rows lie in segments before this one, and those go once all in them is sealed.
        self._store.rotate()
        for one in self._states():
            self._seal_only(one)
        self._store.trim()
        receipt = erase(self._store, state, erasure)
        self._unpublished.add(erasure.program)
        self._clean(state)
        failpoint("erase.removed")
        return receipt

    def drop_before(self, state: ProgramState, month: str) -> int:
        """Drop months; see `cxstream.upkeep.retain`."""
        self._seal_only(state)
        self._store.trim()
        rows = drop_before(self._store, state, month)
        if rows:
            self._unpublished.add(state.program.name)
            self._clean(state)
        return rows

    def _clean(self, state: ProgramState) -> None:
        """Leave no trace of what was removed."""
        name = state.program.name
        # Who reads the old files holds them; nobody new does.
        self._store.pins.wait()
        self._store.remove_strangers(name)
        self._store.prune_snapshots(name)
        self._try(f"snapshot of {name!r}", self.put_snapshot, state)
        self._try(f"Delta log of {name!r}", self._publish, state)
        until_s = time.monotonic() + CLEAN_S
        while not self._store.fold():
            if time.monotonic() > until_s:
                raise FailedPreconditionError(
                    "CATALOGUE_BUSY",
                    "the responses are in no answer any more, but another process reads the "
                    "catalogue, and its log cannot be folded: end that process; it is folded then",
                )
            time.sleep(0.1)


def _last(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Do what takes long, while this thread waits, in one that lets all others go first.

    The keeper itself must not be such a thread: appends wait for its snapshots.
    """
    with ThreadPoolExecutor(1, "cxstream-seal", give_way, (NICEST_BY,)) as pool:
        done = pool.submit(work, *args, **kwargs)
        while not wait([done], WAKE_S).done:
            pass
        return done.result()


def _months_ago(months: int, timezone: str) -> str:
    """Return the first month that stays of so many, the present one included."""
    today = dt.datetime.now(zoneinfo.ZoneInfo(timezone))
    month = today.year * 12 + today.month - 1 - (months - 1)
    return f"{month // 12:04}-{month % 12 + 1:02}"
