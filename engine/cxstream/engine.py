"""The engine: programs, their tallies and their answers, in one process.

Used by the service, by notebooks (`Engine.open`) and by workers alike. Plain Python types only.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxstream.answers import AsOf, Query
from cxstream.appender import Appender
from cxstream.columns import warm_arrow
from cxstream.errors import (
    FailedPreconditionError,
    NotFoundError,
    ResourceExhaustedError,
    nearest,
)
from cxstream.kernels.registry import warm
from cxstream.program import Block, Plan, Program, compile_plan, program_from_dict
from cxstream.queries import Queries
from cxstream.recovery import recount, recover
from cxstream.scan import scan
from cxstream.state import ProgramInfo, ProgramState
from cxstream.store import DirectoryStore, MemoryStore, Snapshot, Store, StoredProgram
from cxstream.store.fold import bytes_of, fold_log
from cxstream.tally import Tally, snapshot

if TYPE_CHECKING:
    from cxstream_client import Client

#: A restart counts at most so many batches again, and those that came while it was written.
SNAPSHOT_BATCHES = 512


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

    Raises
    ------
    FailedPreconditionError
        ``STORE_DAMAGED``: the store does not hold what it should.

    Notes
    -----
    Safe to call from many threads.
    """

    def __init__(self, *, threads: int | None = None, store: Store | None = None) -> None:
        warm()
        warm_arrow()
        count = threads if threads is not None else _processors()
        self._pool = (
            ThreadPoolExecutor(count, thread_name_prefix="cxstream-tally") if count > 1 else None
        )
        self._store = store if store is not None else MemoryStore()
        self._states: dict[str, ProgramState] = {
            stored.name: recover(self._store, stored, self._pool)
            for stored in self._store.programs()
        }
        self._lock = threading.Lock()
        self._scanning = threading.Lock()
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="cxstream-snapshot")
        for state in self._states.values():
            self._keep_if_due(state)

    @staticmethod
    def open(path: str | Path | None = None, *, threads: int | None = None) -> Client:
        """Open an engine in this process, behind the very client class that talks to a server.

        Parameters
        ----------
        path : str or Path, optional
            The data directory; made where there is none. In memory when absent.
        threads : int, optional
            As above.

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

        store = None if path is None else DirectoryStore(Path(path))
        return open_client(Engine(threads=threads, store=store))

    def close(self) -> None:
        """Keep the sums, end the engine's threads, let go of the store."""
        if isinstance(self._store, DirectoryStore):
            for state in self._states.values():
                self._keep(state)
        self._keeper.shutdown()
        if self._pool is not None:
            self._pool.shutdown()
        self._store.close()

    # --- snapshots --------------------------------------------------------------------------------

    def _keep_if_due(self, state: ProgramState) -> None:
        """Keep the sums every so many batches, so that a restart has little to count again."""
        if not isinstance(self._store, DirectoryStore):
            return
        if state.batches - state.snapshot_batches >= SNAPSHOT_BATCHES:
            state.snapshot_batches = state.batches
            self._keeper.submit(self._keep, state)

    def _keep(self, state: ProgramState) -> None:
        # Without room for it the batches are counted again at the next start, that is all.
        with contextlib.suppress(OSError, ResourceExhaustedError):
            self._put_snapshot(state)

    def _put_snapshot(self, state: ProgramState) -> None:
        with state.changing():
            if state.damaged or state.batches == 0:
                return
            kept = Snapshot(state.point, state.batches, snapshot(state.tally))
            state.snapshot_batches = state.batches
            plan = state.plan.digest
            name = state.program.name
        self._store.put_snapshot(name, plan, kept)

    def checkpoint(self) -> Checkpoint:
        """Make the data directory complete by itself, so that a copy of it is a backup.

        Raises
        ------
        FailedPreconditionError
            ``NO_DATA_DIRECTORY``: everything is in memory.
        ResourceExhaustedError
            ``DISK_FULL``.
        """
        if not isinstance(self._store, DirectoryStore):
            raise FailedPreconditionError(
                "NO_DATA_DIRECTORY",
                "everything is in memory; start the server with --data DIR to keep it on disk",
            )
        # In the thread that writes snapshots: none is written meanwhile.
        return self._keeper.submit(self._checkpoint, self._store).result()

    def _checkpoint(self, store: DirectoryStore) -> Checkpoint:
        with self._lock:
            states = [state for _, state in sorted(self._states.items())]
        for state in states:
            with state.lock:
                state.check()
            try:
                self._put_snapshot(state)
            except OSError as error:
                raise ResourceExhaustedError(
                    "DISK_FULL",
                    f"the sums of program {state.program.name!r} cannot be written ({error}); what "
                    "was acknowledged is stored, but no checkpoint was made",
                    expected="free space in the data directory",
                ) from error
        with ExitStack() as held:
            for state in states:
                held.enter_context(state.changing())
            # New programs wait as well: nothing is written while the log is folded.
            held.enter_context(self._lock)
            fold_log(store.folder)
            infos = [state.info() for state in self._states.values()]
        return Checkpoint(
            programs=len(infos),
            responses=sum(info.responses for info in infos),
            batches=sum(info.batches for info in infos),
            bytes=bytes_of(store.folder),
        )

    # --- programs ---------------------------------------------------------------------------------

    def put_program(self, tables: Mapping[str, Any]) -> tuple[ProgramInfo, bool]:
        """Declare a program, given as the tables of its TOML file.

        Returns
        -------
        (info, changed)
            Where it stands, and whether the declaration differs from the one before.

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
        with self._lock:
            state = self._states.get(program.name)
            if state is None:
                self._store.put_program(StoredProgram(program.name, tables, 1))
                state = ProgramState(tables, program, plan, Tally(plan, self._pool), 1)
                self._states[program.name] = state
                return state.info(), True
        recounted, upto = self._recounted(state, program, plan)
        with state.changing():
            if program == state.program:
                return state.info(), False
            tally = self._tally_for(state, program, plan)
            if tally is not None:
                tally = recounted or tally
                recount(self._store, program, tally, upto, state.point)
            self._store.put_program(StoredProgram(program.name, tables, state.version + 1))
            if tally is not None:
                state.plan, state.tally = plan, tally
            state.tables, state.program = tables, program
            state.version += 1
            return state.info(), True

    def _recounted(
        self, state: ProgramState, program: Program, plan: Plan
    ) -> tuple[Tally | None, int]:
        """Return new sums of what is stored so far, where the change needs them.

        Appends and answers go on meanwhile; what comes in between is counted by the caller.
        """
        with state.changing():
            tally = None if program == state.program else self._tally_for(state, program, plan)
            point = state.point
        if tally is None or point == 0 or not self._scans:
            return None, 0
        recount(self._store, program, tally, 0, point)
        return tally, point

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
        difference = compile_plan(state.program).reinterpreted(plan) if self._scans else ""
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
        with self._lock:
            states = sorted(self._states.items())
        return [state.info() for _, state in states]

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
        self, state: ProgramState, query: Query, question: str | None, block: Block | None
    ) -> tuple[Tally, AsOf]:
        with state.changing():
            program, point = state.program, state.point
            as_of = AsOf(program.name, state.version, state.tally.responses, state.batches, "scan")
        # One at a time: a scan takes a processor and reads the whole journal.
        with self._scanning:
            return scan(self._store, program, query, block, question, point), as_of

    # --- streaming in -----------------------------------------------------------------------------

    def open_append(self, program: str, producer: str) -> Appender:
        """Start to append to a program.

        Raises
        ------
        NotFoundError
            ``UNKNOWN_PROGRAM``.
        """
        return Appender(self._state(program), self._store, producer, self._keep_if_due)


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
