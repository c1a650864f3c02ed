"""What makes an acknowledgement true: group commit of batches to disk.

A batch's bytes are appended to a segment file and synced; then one SQLite transaction records where
they are, with the producer's sequence and the digest. That transaction is the commit: what it does
not name never was. Batches that come together share both syncs.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxstream.errors import ResourceExhaustedError
from cxstream.store.failpoints import failpoint
from cxstream.store.segment import Segment, block_end

#: Exit code of a process that could not sync: what the disk holds is unknown, so nothing may go on.
EXIT_SYNC_FAILED = 74
SEGMENT_BYTES_MAX = 256 * 2**20
#: How long a commit waits for as many as shared the last one's syncs.
LINGER_S = 0.0005
GROUP_BATCHES_MAX = 256
#: How long other processes that have the catalogue open may hold up a commit, and a fold.
BUSY_MS = 60_000
FOLD_BUSY_MS = 200
GROUP_BYTES_MAX = 64 * 2**20

#: What a disk says that has no room.
FULL = (errno.ENOSPC, errno.EDQUOT)
_LOG = logging.getLogger("cxstream.store")


Bodies = Sequence[bytes | memoryview]
#: (what was submitted, segment, offset) of bodies that are on disk.
Placed = tuple[Any, int, int]


@dataclass(slots=True)
class Entry:
    """Bytes to append, or a mere transaction.

    Attributes
    ----------
    done : Future
    bodies : sequence of bytes or memoryview
    batches : object
        What the journal's `record` is given of them, with their place.
    transact : function of connection, optional
        Runs inside the transaction; its result is the entry's.
    rotate : bool
        Whether a new segment begins with it.
    action : function of connection, optional
        Runs after the transaction, outside of any; its result is the entry's instead.
    """

    done: Future[Any]
    bodies: Bodies = ()
    batches: Any = None
    transact: Callable[[sqlite3.Connection], Any] | None = None
    rotate: bool = False
    action: Callable[[sqlite3.Connection], Any] | None = None

    @property
    def size(self) -> int:
        """Return how many bytes there are."""
        return sum(map(len, self.bodies))


class Journal:
    """The one writer of a store.

    Parameters
    ----------
    folder : Path
        Where the segments are.
    connection : sqlite3.Connection
        Used by this journal's thread only, from now on.
    segment, size : int
        The segment to go on with and how many of its bytes are committed.
    record : function of (connection, sequence of Placed)
        Records what of a group was appended, inside the transaction; returns a result of each.
    committed : function of (connection, object or None), optional
        Called in the journal's thread after every commit, before anybody hears of it: with the last
        of the results of `record` where nothing else was in the transaction.
    """

    def __init__(
        self,
        folder: Path,
        connection: sqlite3.Connection,
        segment: int,
        size: int,
        record: Callable[[sqlite3.Connection, Sequence[Placed]], Sequence[Any]],
        committed: Callable[[sqlite3.Connection, Any], object] = lambda *_: None,
    ) -> None:
        self._folder = folder
        self._connection = connection
        self._record_placed = record
        self._committed = committed
        self._segment = segment
        self._size = size
        self._file = self._open(segment)
        # Not a SimpleQueue: its `get` waits for ever where the time is up when it finds a stale wake-up.
        self._queue: queue.Queue[Entry | None] = queue.Queue()
        self._usual = 1
        self.groups = 0
        self.batches = 0
        self.bytes = 0
        self._thread = threading.Thread(target=self._run, name="cxstream-journal", daemon=True)
        self._thread.start()

    def append(self, bodies: Bodies, batches: Any) -> Any:
        """Append and record, and return the record's result once both are on disk.

        Raises
        ------
        ResourceExhaustedError
            ``DISK_FULL``: nothing of it is stored.
        """
        return self._submit(Entry(Future(), bodies, batches))

    def transact(self, transact: Callable[[sqlite3.Connection], Any]) -> Any:
        """Run a transaction, and return its result once it is on disk.

        Raises
        ------
        ResourceExhaustedError
            ``DISK_FULL``: nothing of it is stored.
        """
        return self._submit(Entry(Future(), transact=transact))

    def _submit(self, entry: Entry) -> Any:
        self._queue.put(entry)
        return entry.done.result()

    @property
    def segment(self) -> int:
        """Return the segment that is written to."""
        return self._segment

    def rotate(self) -> None:
        """Begin a new segment, unless nothing is in this one."""
        self._submit(Entry(Future(), rotate=True))

    def fold(self) -> bool:
        """Fold SQLite's log into the catalogue, and return whether nobody stood in the way."""
        return bool(self._submit(Entry(Future(), action=fold)))

    def close(self) -> None:
        """Finish what was submitted."""
        self._queue.put(None)
        self._thread.join()
        self._file.close()
        self._connection.close()

    # --- the journal's thread ---------------------------------------------------------------------

    def _open(self, segment: int) -> Segment:
        file = Segment(self._folder / segment_name(segment))
        sync_folder(self._folder)
        return file

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            group, ended = self._gather(first)
            try:
                results = self._commit(group)
            except Exception as error:  # noqa: BLE001 - who waits must hear of it
                for entry in group:
                    entry.done.set_exception(error)
            else:
                for entry, result in zip(group, results, strict=True):
                    if entry.action is None:
                        entry.done.set_result(result)
                    else:
                        self._act(entry.action, entry.done)
            if ended:
                return

    def _act(self, action: Callable[[sqlite3.Connection], Any], done: Future[Any]) -> None:
        try:
            result = action(self._connection)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                _stop(error)
            done.set_exception(_disk_full(error))
        except Exception as error:  # noqa: BLE001 - who waits must hear of it
            done.set_exception(error)
        else:
            done.set_result(result)

    def _gather(self, first: Entry) -> tuple[list[Entry], bool]:
        """Take what is there; wait a little only where more came together the last time."""
        group = [first]
        size = first.size
        until_s = time.monotonic() + LINGER_S
        ended = False
        while not ended and len(group) < GROUP_BATCHES_MAX and size < GROUP_BYTES_MAX:
            wait_s = until_s - time.monotonic() if len(group) < self._usual else 0.0
            try:
                entry = self._queue.get(wait_s > 0, max(0.0, wait_s))
            except queue.Empty:
                break
            if entry is None:
                ended = True
            else:
                group.append(entry)
                size += entry.size
        self._usual = len(group)
        return group, ended

    def _commit(self, group: list[Entry]) -> list[Any]:
        failpoint("journal.before")
        if self._size >= SEGMENT_BYTES_MAX or any(entry.rotate for entry in group):
            self._rotate()
        start = offset = block_end(self._size)
        places = []
        try:
            for entry in group:
                places.append(offset)
                offset += entry.size
            self._file.write([body for entry in group for body in entry.bodies], start)
            failpoint("journal.written")
            if offset > start:
                self._file.sync()
            failpoint("journal.synced")
            results = self._record(group, places)
        except OSError as error:
            if error.errno not in FULL:
                _stop(error)
            self._undo()
            raise _disk_full(error) from error
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                # The commit may be in the log all the same: the bytes that it names must stay.
                _stop(error)
            self._undo()
            raise _disk_full(error) from error
        mere = all(entry.bodies for entry in group)
        self._committed(self._connection, results[-1] if mere else None)
        failpoint("journal.committed")
        self._size = offset
        self.groups += 1
        self.batches += sum(len(entry.bodies) for entry in group)
        self.bytes += offset - start
        return results

    def _record(self, group: list[Entry], places: list[int]) -> list[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            placed = [
                (entry.batches, self._segment, place)
                for entry, place in zip(group, places, strict=True)
                if entry.bodies
            ]
            recorded = iter(self._record_placed(self._connection, placed) if placed else ())
            results = [
                next(recorded)
                if entry.bodies
                else entry.transact(self._connection)
                if entry.transact
                else None
                for entry in group
            ]
            failpoint("journal.inserted")
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return results

    def _undo(self) -> None:
        """Give back the room of what was not committed."""
        try:
            self._file.truncate(self._size)
        except OSError as error:
            _LOG.warning("cannot truncate %s: %s", segment_name(self._segment), error)

    def _rotate(self) -> None:
        if self._size == 0:
            return
        try:
            file = self._open(self._segment + 1)
        except OSError as error:
            if error.errno not in FULL:
                _stop(error)
            raise _disk_full(error) from error
        self._file.close()
        self._file = file
        self._segment += 1
        self._size = 0


def segment_name(segment: int) -> str:
    """Return a segment's file name."""
    return f"{segment:08}.segment"


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    except OSError as error:
        _stop(error)
    finally:
        os.close(file)


def sync_file(file: int) -> None:
    """Make a file's content durable; an error that is no full disk ends the process."""
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in FULL:
            _stop(error)
        raise


def fold(connection: sqlite3.Connection) -> bool:
    """Fold SQLite's log into the catalogue; False where another process reads it."""
    # Appends wait meanwhile, so it does not wait long for readers of other processes.
    connection.execute(f"PRAGMA busy_timeout = {FOLD_BUSY_MS}")
    try:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return not busy


def _stop(error: Exception) -> None:
    """End the process: after a failed sync a second one may lie, so nothing can be promised."""
    _LOG.critical("the disk failed (%s); stopping, nothing unacknowledged is promised", error)
    os._exit(EXIT_SYNC_FAILED)


def _disk_full(error: Exception) -> ResourceExhaustedError:
    return ResourceExhaustedError(
        "DISK_FULL",
        f"the disk of the data directory is full ({error}); nothing of the batch is stored, send it "
        "again when there is room",
        expected="free space in the data directory",
    )
