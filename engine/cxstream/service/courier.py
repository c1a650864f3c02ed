"""Batches of many streams on their way into the engine, by threads of a pool."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from cxstream.appender import Ack, Appender, Incoming, append_together
from cxstream.state import ALONE_ROWS, GROUP_ROWS_MAX, ProgramState

#: A body of so many bytes is carried by itself, however few rows it has.
ALONE_BYTES = 2**18

Told = Callable[[list[Ack | Exception]], object]


@dataclass(frozen=True, slots=True)
class Errand:
    """The batches of a stream that are there, and whom to tell the answers, in any thread.

    Attributes
    ----------
    appender : Appender
    run : list of Incoming
    told : function of list of Ack or Exception
    more : function
        Adds what has come since to `run`; called when a round begins, which may be much later.
    """

    appender: Appender
    run: list[Incoming]
    told: Told
    more: Callable[[], object] = lambda: None

    @property
    def rows(self) -> int:
        """Return how much it counts: no less than what is read of it."""
        return sum(one.rows for one in self.run)

    @property
    def goes_alone(self) -> bool:
        """Whether it is too large to wait for others, or to let others wait for it."""
        first = self.run[0]
        return first.rows >= ALONE_ROWS or len(first.body) >= ALONE_BYTES


class Courier:
    """Appends for streams, which do not wait for it; a stream has one errand under way at most.

    Small batches of all streams of a program go in rounds, by one thread at a time: a round is what
    came during the last one. What reading, encoding, a commit, an update and a change of threads
    cost by themselves is many times what a response adds. Large batches go side by side.

    Parameters
    ----------
    pool : Executor
        For large batches; as many threads as there may be streams, or more: an append may wait for a
        disk.
    rounds : Executor
        For small ones, as many threads. A round takes a millisecond, and producers wait for it: its
        threads need not give way to those that answer.
    """

    def __init__(self, pool: Executor, rounds: Executor) -> None:
        self._pool = pool
        self._rounds = rounds
        self._lock = threading.Lock()
        #: What waits for each program's next round; an entry is there while a thread goes rounds.
        self._waiting: dict[ProgramState, list[Errand]] = {}

    def send(self, errand: Errand) -> None:
        """Append the first batches of a run, at least one, and tell the answers."""
        if errand.goes_alone:
            self._pool.submit(_carry, [errand])
            return
        program = errand.appender.state
        with self._lock:
            waiting = self._waiting.get(program)
            if waiting is not None:
                waiting.append(errand)
                return
            self._waiting[program] = [errand]
        self._rounds.submit(self._go_rounds, program)

    def _go_rounds(self, program: ProgramState) -> None:
        while True:
            with self._lock:
                waiting = self._waiting[program]
                if not waiting:
                    del self._waiting[program]
                    return
                now, self._waiting[program] = _round(waiting)
            for errand in now:
                errand.more()
            _carry(now)


def _round(waiting: list[Errand]) -> tuple[list[Errand], list[Errand]]:
    """Take the first, and what goes with it: one errand a producer, and not too many rows."""
    now: list[Errand] = []
    later: list[Errand] = []
    producers: set[str] = set()
    room = GROUP_ROWS_MAX
    for errand in waiting:
        producer = errand.appender.producer
        if producer in producers or (now and errand.rows > room):
            later.append(errand)
        else:
            now.append(errand)
            room -= errand.rows
        # Also of one that is left: the order of a producer's errands stays.
        producers.add(producer)
    return now, later


def _carry(errands: list[Errand]) -> None:
    answers: list[list[Ack | Exception]]
    try:
        answers = append_together([(one.appender, one.run) for one in errands])
    except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
        answers = [[error]] * len(errands)
    for errand, told in zip(errands, answers, strict=True):
        errand.told(told)
