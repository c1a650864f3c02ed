"""Batches of many streams on their way into the engine, by threads of a pool."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from cxstream.appender import Ack, Appender, Incoming, append_together
from cxstream.state import ALONE_ROWS, GROUP_ROWS_MAX, ProgramState
from cxstream.threads import processors

#: A body of so many bytes is large, however few rows it has.
LARGE_BYTES = 2**18
#: Threads that carry large batches of a program: as many as can work, and one that waits for the disk.
LARGE_THREADS = processors() + 1
#: So many rows are carried together at most, or those of one stream.
LARGE_ROWS_MAX = 2**20

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
    def is_large(self) -> bool:
        """Whether small batches shall not wait for it."""
        first = self.run[0]
        return first.rows >= ALONE_ROWS or len(first.body) >= LARGE_BYTES


@dataclass(slots=True)
class _Line:
    """What waits for a program's next rounds, and how many threads go rounds."""

    waiting: list[Errand] = field(default_factory=list)
    threads: int = 0


class Courier:
    """Appends for streams, which do not wait for it; a stream has one errand under way at most.

    The batches of all streams of a program go in rounds: a round is what came during the last one, or
    while all threads that go rounds had one. What reading, encoding, a commit, an update and a change of
    threads cost by themselves is many times what a response adds, and of large batches a change of
    threads is still a tenth. Large batches go rounds of their own.

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
        #: By program, and whether batches are large; there while a thread goes rounds.
        self._lines: dict[tuple[ProgramState, bool], _Line] = {}

    def send(self, errand: Errand) -> None:
        """Append the first batches of a run, at least one, and tell the answers."""
        is_large = errand.is_large
        key = errand.appender.state, is_large
        with self._lock:
            line = self._lines.setdefault(key, _Line())
            line.waiting.append(errand)
            if line.threads == (LARGE_THREADS if is_large else 1):
                return
            line.threads += 1
        (self._pool if is_large else self._rounds).submit(self._go_rounds, key)

    def _go_rounds(self, key: tuple[ProgramState, bool]) -> None:
        line, (_, is_large) = self._lines[key], key
        while True:
            with self._lock:
                if not line.waiting:
                    line.threads -= 1
                    if not line.threads:
                        del self._lines[key]
                    return
                room = LARGE_ROWS_MAX if is_large else GROUP_ROWS_MAX
                now, line.waiting = _round(line.waiting, room)
            for errand in now:
                errand.more()
            _carry(now)


def _round(waiting: list[Errand], room: int) -> tuple[list[Errand], list[Errand]]:
    """Take the first, and what goes with it: one errand a producer, and not too many rows."""
    now: list[Errand] = []
    later: list[Errand] = []
    producers: set[str] = set()
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
