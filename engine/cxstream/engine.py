"""The engine: programs, their tallies and their answers, in one process.

Used by the service, by notebooks (`Engine.open`) and by workers alike. Plain Python types only.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxstream.answers import AsOf, OnRows, Query
from cxstream.appender import Appender
from cxstream.columns import warm_arrow
from cxstream.errors import (
    CancelledError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
    nearest,
)
from cxstream.kernels.registry import warm
from cxstream.pool import Pool
from cxstream.program import Block, Plan, Program, compile_plan, program_from_dict
from cxstream.queries import Queries
from cxstream.rebuilding import rebuild
from cxstream.recovery import recover
from cxstream.scan import scan
from cxstream.state import Moment, ProgramInfo, ProgramState, Rebuild
from cxstream.store import (
    CustomerKeys,
    DirectoryStore,
    MemoryStore,
    Receipt,
    Store,
    StoredProgram,
    failpoint,
)
from cxstream.tally import Tally, snapshot
from cxstream.threads import give_way, processors
from cxstream.upkeep import HOLD_S, Keeper, KeeperSettings

if TYPE_CHECKING:
    from cxstream_client import Client

_TURN_POLL_S = 0.05
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])\Z")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a data directory holds."""

    programs: int
    responses: int
    batches: int
    bytes: int


class Engine(Queries):
    """Everything cxstream does, in one process.

    Parameters
    ----------
    threads : int, optional
        Threads that count the views of a batch side by side; the processors there are when absent.
        Answers do not depend on it.
    store : Store, optional
        What remembers programs and batches; in memory when absent.
    customer_keys : CustomerKeys, optional
        What customers' keys are hashed with before they are stored.
    keeper : KeeperSettings, optional
        When batches go from the journal to the history.

    Raises
    ------
    FailedPreconditionError
        ``STORE_DAMAGED``: the store does not hold what it should.

    Notes
    -----
    Safe to call from many threads.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        store: Store | None = None,
        customer_keys: CustomerKeys | None = None,
        keeper: KeeperSettings | None = None,
    ) -> None:
        warm()
        warm_arrow()
        count = threads if threads is not None else processors()
        self._pool = Pool(count, "cxstream-tally", give_way) if count > 1 else None
        self._store = store if store is not None else MemoryStore()
        self._customer_keys = customer_keys
        if customer_keys is not None and isinstance(self._store, DirectoryStore):
            _check_place(customer_keys, self._store.folder)
            self._store.check_keys(customer_keys)
        self._states: dict[str, ProgramState] = {
            stored.name: recover(self._store, stored, self._pool)
            for stored in self._store.programs()
        }
        self._lock = threading.Lock()
        self._scanning = threading.Lock()
        self._closing = threading.Event()
        self._rebuilds = ThreadPoolExecutor(1, thread_name_prefix="cxstream-rebuild")
        self._keeper: Keeper | None = None
        if isinstance(self._store, DirectoryStore):
            self._keeper = Keeper(self._store, self._all_states, keeper or KeeperSettings())
            for state in self._states.values():
                self._keeper.counted(state)
            self._keeper.start()

    @staticmethod
    def open(
        path: str | Path | None = None,
        *,
        threads: int | None = None,
        customer_keys: str | Path | None = None,
        timeout_s: float = 30.0,
    ) -> Client:
        """Open an engine in this process, behind the very client class that talks to a server.

        Parameters
        ----------
        path : str or Path, optional
            The data directory; made where there is none. In memory when absent.
        threads : int, optional
            As above.
        customer_keys : str or Path, optional
            The file of `cxstream customer-key`.
        timeout_s : float
            Seconds that a question may take for which stored responses are counted.

        Returns
        -------
        cxstream_client.Client
            Close it, or use it as a context manager.

        Examples
        --------
        >>> import cxstream
        >>> with cxstream.Engine.open() as client:
        ...     info = client.put_program({"name": "p", "questions": {"nps": {"kind": "nps"}}})
        ...     with client.append("p", producer="me") as stream:
        ...         stream.send({"nps": [10, 9, 3]})
        ...     round(client.nps("p", "nps").score, 1)
        33.3
        """
        # The one import upwards: the in-process entry knows the client and the messages.
        from cxstream.embedded import open_client

        keys = None if customer_keys is None else CustomerKeys.load(Path(customer_keys))
        store = None if path is None else DirectoryStore(Path(path))
        engine = Engine(threads=threads, store=store, customer_keys=keys)
        return open_client(engine, timeout_s=timeout_s)

    def close(self) -> None:
        """Keep the sums, end the engine's threads, let go of the store; scans under way end soon.

        Closing twice does no harm.
        """
        with self._lock:
            if self._closing.is_set():
                return
            self._closing.set()
        self._rebuilds.shutdown(cancel_futures=True)
        with self._scanning:
            pass
        if self._keeper is not None:
            self._keeper.close()
        if self._pool is not None:
            self._pool.shutdown()
        self._store.close()

    # --- looking after the data directory ---------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """Make the data directory complete by itself, so that a copy of it is a backup.

        The history then holds every batch there is, and other engines can read them. For ten
        minutes nothing that the catalogue names is removed or rewritten, unless a customer is
        erased or months are dropped.

        Raises
        ------
        FailedPreconditionError
            ``NO_DATA_DIRECTORY``: everything is in memory.
        ResourceExhaustedError
            ``DISK_FULL``.
        """
        store, keeper = self._kept()
        return keeper.run(
            lambda: self._checkpoint(store, keeper),
            "what was acknowledged is stored, but no checkpoint was made",
        )

    def _checkpoint(self, store: DirectoryStore, keeper: Keeper) -> Checkpoint:
        states = self._all_states()
        for state in states:
            with state.lock:
                state.check()
        keeper.seal_all()
        for state in states:
            keeper.put_snapshot(state)
        with ExitStack() as held:
            for state in states:
                held.enter_context(state.changing())
            # New programs wait as well: nothing is written while the log is folded.
            held.enter_context(self._lock)
            if not store.fold():
                raise UnavailableError(
                    "CATALOGUE_BUSY",
                    "the catalogue is being read by another process; no checkpoint was made, try "
                    "again",
                )
            keeper.hold(HOLD_S)
            infos = [state.info() for state in self._states.values()]
        return Checkpoint(
            programs=len(infos),
            responses=sum(info.responses for info in infos),
            batches=sum(info.batches for info in infos),
            bytes=_bytes_of(store.folder),
        )

    def erase(self, program: str, customer: str) -> Receipt:
        """Remove all responses of a customer that are acknowledged by now.

        When this returns they are in no answer, and neither the customer's key nor what stands for
        it is in any file of the data directory. A producer that sends one of their batches again
        is told that it is stored; it is not counted again.

        Parameters
        ----------
        program : str
        customer : str
            The key, as in the declared customer column; a whole number as its decimal text.

        Returns
        -------
        Receipt
            A customer who is not known leaves one with no responses.

        Raises
        ------
        NotFoundError
            ``UNKNOWN_PROGRAM``.
        FailedPreconditionError
            ``NO_DATA_DIRECTORY``, ``NO_CUSTOMER`` or ``NO_CUSTOMER_KEYS``.
        ResourceExhaustedError
            ``DISK_FULL``: it is done when there is room, at the latest with the next start.
        """
        state = self._state(program)
        store, keeper = self._kept()
        if not state.declared.customer:
            raise FailedPreconditionError(
                "NO_CUSTOMER",
                f"program {program!r} does not say whose a response is",
                expected='[customer]\ncolumn = "..."',
            )
        names = self._keys_for(state.declared).names(program, customer)
        with state.changing():
            erasure = store.put_erasure(program, names, state.point)
            failpoint("erase.recorded")
        return keeper.run(
            lambda: keeper.erase(erasure), "the customer is marked to be erased: ask again"
        )

    def drop_before(self, program: str, month: str) -> int:
        """Remove all responses of the months before one, and return how many there were.

        Parameters
        ----------
        program : str
        month : str
            ``2017-05``, the first month that stays.

        Raises
        ------
        NotFoundError
            ``UNKNOWN_PROGRAM``.
        InvalidArgumentError
            ``INVALID_TIME``: no month.
        FailedPreconditionError
            ``NO_DATA_DIRECTORY`` or ``NO_TIME``.
        ResourceExhaustedError
            ``DISK_FULL``.
        """
        state = self._state(program)
        _, keeper = self._kept()
        if state.declared.time is None:
            raise FailedPreconditionError(
                "NO_TIME",
                f"program {program!r} has no time column, so no month",
                expected='[time]\ncolumn = "..."',
            )
        if not _MONTH.match(month):
            raise InvalidArgumentError(
                "INVALID_TIME", f"{month!r} is not a month", expected="such as 2017-05"
            )
        return keeper.run(
            lambda: keeper.drop_before(state, month), "it may be done in part: ask again"
        )

    def _kept(self) -> tuple[DirectoryStore, Keeper]:
        if isinstance(self._store, DirectoryStore) and self._keeper is not None:
            return self._store, self._keeper
        raise FailedPreconditionError(
            "NO_DATA_DIRECTORY",
            "everything is in memory; start the server with --data DIR to keep it on disk",
        )

    def _keys_for(self, program: Program) -> CustomerKeys:
        if self._customer_keys is None:
            raise FailedPreconditionError(
                "NO_CUSTOMER_KEYS",
                f"program {program.name!r} has a customer column, and customers are stored only "
                "under a keyed hash: make a file of keys with `cxstream customer-key FILE` and "
                "start with --customer-keys FILE",
            )
        return self._customer_keys

    def _all_states(self) -> list[ProgramState]:
        with self._lock:
            return [state for _, state in sorted(self._states.items())]

    # --- programs ---------------------------------------------------------------------------------

    def put_program(self, tables: Mapping[str, Any]) -> tuple[ProgramInfo, bool]:
        """Declare a program, given as the tables of its TOML file.

        Returns
        -------
        (info, changed)
            Where it stands, and whether the declaration differs from the one before. Where what is
            stored must be counted afresh, that begins now (`info.rebuild`); until it is done the
            declaration before answers, and everything that comes in counts for both.

        Raises
        ------
        InvalidArgumentError
            ``INVALID_PROGRAM``: names the table and key.
        FailedPreconditionError
            ``PLAN_CHANGED``: responses are stored, and the change would count them differently.
        """
        program = program_from_dict(tables)
        plan = compile_plan(program)
        tables = dict(tables)
        if program.customer and self._scans:
            self._keys_for(program)
        with self._lock:
            state = self._states.get(program.name)
            if state is None:
                self._store.put_program(StoredProgram(program.name, tables, 1))
                state = ProgramState(tables, program, plan, Tally(plan, self._pool), 1)
                self._states[program.name] = state
                return state.info(), True
        with state.changing():
            stuck = state.rebuild is not None and state.rebuild.failed
            if program == state.declared and not stuck:
                return state.info(), False
            tally = self._tally_for(state, program, plan)
            version = state.newest_version + 1
            self._store.put_program(StoredProgram(program.name, tables, version))
            state.tables = tables
            if tally is None or state.tally.responses == 0:
                state.rebuild = None
                if tally is None:
                    plan, tally = state.plan.without_combinations(plan), state.tally
                    if plan is not state.plan:
                        tally = tally.narrowed(plan)
                state.answer_by(program, plan, tally, version)
            else:
                mine = Rebuild(program, plan, version, tally, state.point, state.removals)
                state.rebuild = mine
                self._rebuilds.submit(
                    rebuild, self._store, state, mine, self._pool, self._closing.is_set
                )
            return state.info(), True

    def _tally_for(self, state: ProgramState, program: Program, plan: Plan) -> Tally | None:
        """Return empty sums for a changed program, None where those there are do.

        Raises
        ------
        FailedPreconditionError
            ``PLAN_CHANGED``: the change would read stored answers differently, or what is stored
            cannot be counted again.
        """
        if state.tally.responses == 0:
            return Tally(plan, self._pool)
        # What is stored is read again, by the newest declaration: it must mean what it meant.
        difference = ""
        if self._scans:
            before = state.declared
            difference = compile_plan(before).reinterpreted(plan) or _reused(before, program)
        if not difference:
            difference = state.plan.difference(plan)
            if not difference:
                return None
            if self._scans:
                return Tally(plan, self._pool)
        raise FailedPreconditionError(
            "PLAN_CHANGED",
            f"program {program.name!r} holds {state.tally.responses} responses and this change "
            f"would count them differently ({difference}); declare it under another name",
        )

    def program_tables(self, name: str) -> tuple[Mapping[str, Any], ProgramInfo]:
        """Return a program as declared, and where it stands.

        Raises
        ------
        NotFoundError
            ``UNKNOWN_PROGRAM``.
        """
        state = self._state(name)
        with state.lock:
            return state.tables, state.info()

    def programs(self) -> list[ProgramInfo]:
        """Return where every program stands, by name."""
        return [state.info() for state in self._all_states()]

    def moment(self, name: str) -> Moment | None:
        """Return where a program stands: answers made from here on hold while that is current.

        None where there is no such program.
        """
        with self._lock:
            state = self._states.get(name)
        return None if state is None else state.moment()

    def snapshot(self, name: str) -> bytes:
        """Return a program's sums as bytes: equal for equal responses, whatever their batching."""
        state = self._state(name)
        with state.lock:
            return snapshot(state.tally)

    def _state(self, name: str) -> ProgramState:
        with self._lock:
            state = self._states.get(name)
            if state is None:
                raise NotFoundError(
                    "UNKNOWN_PROGRAM", f"no program {name!r}{nearest(name, self._states)}"
                )
            return state

    # --- one-off questions ------------------------------------------------------------------------

    @property
    def _scans(self) -> bool:
        return isinstance(self._store, DirectoryStore)

    def _scan(
        self,
        state: ProgramState,
        query: Query,
        question: str | tuple[str, ...] | None,
        block: Block | None,
        *,
        weighted: bool = False,
    ) -> tuple[Tally, AsOf]:
        def on_rows(done: int, total: int) -> None:
            if self._closing.is_set():
                raise CancelledError("CLOSED", "the engine is closed")
            query.on_rows(done, total)

        with state.declaring:
            program, version = state.program, state.version
        with self._turn(on_rows):
            while True:
                with state.changing():
                    point, removals = state.point, state.removals
                    counted = state.tally.responses, state.batches
                tally = scan(
                    self._store, program, query, block, question, point,
                    weighted=weighted, on_rows=on_rows,
                )  # fmt: skip
                with state.lock:
                    if removals == state.removals:
                        return tally, AsOf(program.name, version, *counted, "scan")
                # Responses were removed: they may be counted above, and may not be in an answer.

    @contextlib.contextmanager
    def _turn(self, on_rows: OnRows) -> Iterator[None]:
        """Hold the right to scan. One at a time: a scan takes all processors there are."""
        on_rows(0, 0)
        while not self._scanning.acquire(timeout=_TURN_POLL_S):
            on_rows(0, 0)
        try:
            on_rows(0, 0)
            yield
        finally:
            self._scanning.release()

    # --- streaming in -----------------------------------------------------------------------------

    def open_append(self, program: str, producer: str) -> Appender:
        """Start to append to a program.

        Raises
        ------
        NotFoundError
            ``UNKNOWN_PROGRAM``.
        """
        state = self._state(program)
        if state.declared.customer and self._scans:
            self._keys_for(state.declared)
        return Appender(state, self._store, producer, self._counted, self._customer_keys)

    def _counted(self, state: ProgramState) -> None:
        if self._keeper is not None:
            self._keeper.counted(state)


def _check_place(keys: CustomerKeys, folder: Path) -> None:
    if keys.path is not None and keys.path.resolve().is_relative_to(folder.resolve()):
        raise FailedPreconditionError(
            "CUSTOMER_KEYS",
            f"the file of customer keys {keys.path} is in the data directory, where every backup "
            "would hold it beside what it protects; move it elsewhere",
        )


def _bytes_of(folder: Path) -> int:
    """Return how many bytes the files of a data directory have."""
    size = 0
    for path in folder.rglob("*"):
        # A snapshot may be replaced meanwhile.
        with contextlib.suppress(OSError):
            size += path.stat().st_size if path.is_file() else 0
    return size


def _reused(before: Program, after: Program) -> str:
    """Say which column stored answers came in is used for something else; "" where none is."""
    if before.customer and not after.customer:
        return "the customer column is gone, and nobody could be erased"
    uses = after.uses
    for column, mine in before.uses.items():
        if column not in uses and mine != ("customer",):
            return f"column {column!r} is gone"
        if column in uses and set(uses[column]) != set(mine):
            # Of earlier answers the history has only what the column was for.
            return f"column {column!r} is used for something else; give what is new its own column"
    return ""
