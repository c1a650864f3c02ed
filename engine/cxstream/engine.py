"""The engine: programs, their tallies and their answers, in one process.

Used by the service, by notebooks (`Engine.open`) and by workers alike. Plain Python types only.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from cxstream.appender import Appender
from cxstream.columns import warm_arrow
from cxstream.errors import FailedPreconditionError, NotFoundError, nearest
from cxstream.kernels.registry import warm
from cxstream.program import compile_plan, program_from_dict
from cxstream.queries import Queries
from cxstream.state import ProgramInfo, ProgramState
from cxstream.store import MemoryStore
from cxstream.tally import Tally, snapshot

if TYPE_CHECKING:
    from cxstream_client import Client


class Engine(Queries):
    """Everything cxstream does, in one process.

    Parameters
    ----------
    threads : int, optional
        Threads that count the views of a batch side by side; the processors there are when absent.
        Answers do not depend on it.
    store : MemoryStore, optional
        What remembers programs and producers.

    Notes
    -----
    Safe to call from many threads.
    """

    def __init__(self, *, threads: int | None = None, store: MemoryStore | None = None) -> None:
        warm()
        warm_arrow()
        count = threads if threads is not None else _processors()
        self._pool = (
            ThreadPoolExecutor(count, thread_name_prefix="cxstream-tally") if count > 1 else None
        )
        self._store = store if store is not None else MemoryStore()
        self._states: dict[str, ProgramState] = {}
        self._lock = threading.Lock()

    @staticmethod
    def open(*, threads: int | None = None) -> Client:
        """Open an engine in this process, behind the very client class that talks to a server.

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

        return open_client(Engine(threads=threads))

    def close(self) -> None:
        """End the engine's threads. Nothing can be asked afterwards."""
        if self._pool is not None:
            self._pool.shutdown()

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
        with self._lock:
            state = self._states.get(program.name)
            if state is None:
                state = ProgramState(program, plan, Tally(plan, self._pool))
                self._store.put_program(program.name, dict(tables), 1)
                self._states[program.name] = state
                return state.info(), True
        with state.lock:
            if program == state.program:
                return state.info(), False
            if state.tally.responses == 0:
                state.plan, state.tally = plan, Tally(plan, self._pool)
            elif difference := state.plan.difference(plan):
                raise FailedPreconditionError(
                    "PLAN_CHANGED",
                    f"program {program.name!r} holds {state.tally.responses} responses and this "
                    f"change would count them differently ({difference}); "
                    "declare it under another name",
                )
            state.program = program
            state.version += 1
            self._store.put_program(program.name, dict(tables), state.version)
            return state.info(), True

    def program_tables(self, name: str) -> tuple[Mapping[str, Any], ProgramInfo]:
        """Return a program as declared, and where it stands.

        Raises
        ------
        NotFoundError
            ``UNKNOWN_PROGRAM``.
        """
        state = self._state(name)
        with state.lock:
            return self._store.program(name).tables, state.info()

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

    # --- streaming in -----------------------------------------------------------------------------

    def open_append(self, program: str, producer: str) -> Appender:
        """Start to append to a program.

        Raises
        ------
        NotFoundError
            ``UNKNOWN_PROGRAM``.
        """
        return Appender(self._state(program), self._store, producer)


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
