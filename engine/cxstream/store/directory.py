"""A store in a directory: SQLite is the catalogue and the point of commit.

::

    DIR/lock                 held by the one server there is
    DIR/catalogue.sqlite     programs, batches and files: what there is, and where its bytes are
    DIR/journal/*.segment    the latest batches' Arrow bytes, what was committed together in whole blocks
    DIR/history/PROGRAM/     earlier batches' rows: Parquet files, and a Delta log over them
    DIR/snapshots/*.tally    tallies, so that a restart counts only what came after
    DIR/committed            how far the catalogue had come, to tell where it has lost something
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path
from typing import IO, Any, TypeVar

from cxstream.errors import FailedPreconditionError
from cxstream.store import records
from cxstream.store.catalogue import (
    UNREADABLE,
    Catalogue,
    Found,
    changed,
    marked,
    schema_digest,
)
from cxstream.store.customers import CustomerKeys
from cxstream.store.failpoints import failpoint
from cxstream.store.history import HistoryFile, HistoryFolder
from cxstream.store.journal import Journal, Placed, segment_name, sync_file, sync_folder
from cxstream.store.look import files_of, kept_of, programs_of, sealed_of, snapshots_of
from cxstream.store.pins import Pins
from cxstream.store.places import Place, Segments, seal_of
from cxstream.store.records import Erasure, Receipt
from cxstream.store.store import Batch, Contents, Snapshot, StoredProgram

T = TypeVar("T")

#: Batches that one transaction moves from the journal to the past: appends wait for it.
TRIM_BATCHES_MAX = 256
SCHEMAS_KNOWN_MAX = 1000

_COLUMNS = (
    "program", "producer", "sequence", "rows", "digest", "schema", "segment", "offset", "size",
    "seal", "mark",
)  # fmt: skip
#: Rows that one statement inserts at most; SQLite takes 32,766 values.
_INSERTED_MAX = 256
_POINT_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class _Appended:
    """Batches whose bytes are appended together, and what the catalogue says of them.

    Attributes
    ----------
    batches : sequence of Batch
    seals : sequence of bytes
        Theirs.
    digests, new : dict of bytes to bytes
        The digests of their schemas, and those of them that may not be stored yet.
    """

    batches: Sequence[Batch]
    seals: Sequence[bytes]
    digests: dict[bytes, bytes]
    new: dict[bytes, bytes]


@dataclass(slots=True)
class _Unsealed:
    """What of a program is in the journal only, as far as it was counted.

    Attributes
    ----------
    sealed : int
        The point that its files go up to.
    looked : int
        The point up to which batches, of whatever program, were looked at.
    rows, last : int
        Its rows between the two, and its last batch's point.
    """

    sealed: int
    looked: int
    rows: int = 0
    last: int = 0


def _record(connection: sqlite3.Connection, placed: Sequence[Placed]) -> list[int]:
    """Record batches whose bytes are on disk, and return the point of each entry's last one."""
    rows = []
    counts = []
    for appended, segment, start in placed:
        offset = start
        for message, digest in appended.new.items():
            connection.execute("INSERT OR IGNORE INTO schema VALUES (?, ?)", (digest, message))
        for batch, seal in zip(appended.batches, appended.seals, strict=True):
            row = [
                batch.program, batch.producer, batch.sequence, batch.rows, batch.digest,
                appended.digests[batch.schema], segment, offset, len(batch.body), seal,
            ]  # fmt: skip
            rows.append(marked(row))
            offset += len(batch.body)
        counts.append(len(appended.batches))
    before = _insert(connection, rows) - len(rows)
    return [before + last for last in accumulate(counts)]


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> int:
    """Insert batches, numbered one after the other, and return the last one's point.

    A statement takes the interpreter's lock several times, so there are few of them; by sizes of a
    power of two, so that those few are prepared once.
    """
    row = f"({', '.join('?' * len(_COLUMNS))})"
    point = 0
    at = 0
    while at < len(rows):
        size = min(_INSERTED_MAX, 1 << (len(rows) - at).bit_length() - 1)
        done = connection.execute(
            f"INSERT INTO batch ({', '.join(_COLUMNS)}) VALUES {', '.join([row] * size)}",  # noqa: S608 - ours
            list(chain.from_iterable(rows[at : at + size])),
        )
        assert done.lastrowid is not None
        point = done.lastrowid
        at += size
    return point


class DirectoryStore:
    """A durable store; one process at a time.

    Parameters
    ----------
    folder : Path
        Made where there is none.

    Raises
    ------
    FailedPreconditionError
        ``STORE_IN_USE``, ``STORE_FORMAT`` or ``STORE_DAMAGED``: what it is, and what to do.
    """

    keeps_batches = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments = folder / "journal"
        self._snapshots = folder / "snapshots"
        for one in (folder, self._segments, self._snapshots, folder / "history"):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(one.parent)
        self._lock_file = _lock(folder)
        self._histories: dict[str, HistoryFolder] = {}
        self.pins = Pins()
        #: Schemas that are stored, and their digests.
        self._schemas: dict[bytes, bytes] = {}
        #: By program.
        self._unsealed: dict[str, _Unsealed] = {}
        #: One reader for all threads; SQLite's own writes happen in the journal's thread.
        self._reading = threading.Lock()
        with ExitStack() as opened:
            opened.callback(self._lock_file.close)
            self._catalogue = Catalogue(folder)
            opened.callback(self._catalogue.close)
            sync_folder(folder)
            self._reader = self._catalogue.reader
            failpoint("recovery.before")
            found = self._catalogue.check()
            self._sequences = found.sequences
            #: Whether the log holds nothing of what an earlier process erased.
            self.is_folded = self._catalogue.fold()
            self._tidy(found)
            self._catalogue.note_commit(self._reader)
            self._journal = Journal(
                self._segments,
                self._catalogue.connect(),
                found.segment,
                found.size,
                _record,
                self._catalogue.note_commit,
            )
            opened.pop_all()

    @property
    def folder(self) -> Path:
        """Return where it is."""
        return self._folder

    def close(self) -> None:
        """Close files and let another process have the directory."""
        self._journal.close()
        self._catalogue.close()
        self._lock_file.close()

    def _tidy(self, found: Found) -> None:
        """Remove what was written and never recorded, and what was to be removed."""
        for path in sorted(self._segments.glob("*.segment")):
            if not found.first_segment <= int(path.stem) <= found.segment:
                path.unlink()
        path = self._segments / segment_name(found.segment)
        if not path.exists():
            if found.size:
                raise self._catalogue.damaged(f"{path.name} is missing")
        elif path.stat().st_size < found.size:
            raise self._catalogue.damaged(f"{path.name} ends before what the catalogue names")
        else:
            os.truncate(path, found.size)
        for program in self._programs_with_files():
            self.remove_strangers(program)
        kept = {name for (name,) in self._rows("SELECT file FROM snapshot")}
        for path in self._snapshots.iterdir():
            if path.name not in kept:
                path.unlink()
        failpoint("recovery.truncated")

    # --- programs ---------------------------------------------------------------------------------

    def put_program(self, program: StoredProgram) -> None:
        """Keep a declaration, durably."""
        failpoint("program.before")
        values = marked([program.name, json.dumps(program.tables, default=str), program.version])
        self._transact(
            lambda connection: (
                connection.execute(
                    "INSERT OR REPLACE INTO program VALUES (?, ?, ?, ?)", values
                ).rowcount
            )
        )
        failpoint("program.stored")

    def programs(self) -> list[StoredProgram]:
        """Return all declarations."""
        with self._looking():
            return programs_of(self._reader)

    # --- batches ----------------------------------------------------------------------------------

    def next_sequence(self, program: str, producer: str) -> int:
        """Return the sequence the producer's next batch must carry."""
        return self._sequences.get((program, producer), 0)

    def counts(self, program: str) -> tuple[int, int]:
        """Return how many batches were ever stored, and the last one's point."""
        batches = sum(
            count for (name, _), count in self._sequences.copy().items() if name == program
        )
        ((last,),) = self._rows(
            "SELECT COALESCE(MAX(point), 0) FROM (SELECT point FROM history WHERE program = ?"
            " UNION ALL SELECT point FROM batch NOT INDEXED WHERE program = ?)",
            (program, program),
        )
        return batches, last

    def digest(self, program: str, producer: str, sequence: int) -> bytes | None:
        """Return the digest of a stored batch; None where it is long ago."""
        key = (program, producer, sequence)
        where = "program = ? AND producer = ? AND sequence = ?"
        with self._looking():
            query = f"SELECT point FROM batch WHERE {where}"  # noqa: S608 - ours
            rows = self._reader.execute(query, key).fetchall()
            if rows:
                # The row itself, not what the index says of it.
                rows = self._reader.execute(
                    "SELECT digest, program, producer, sequence FROM batch NOT INDEXED"
                    " WHERE point = ?",
                    rows[0],
                ).fetchall()
            else:
                query = "SELECT digest, program, producer, sequence FROM recent WHERE "
                rows = self._reader.execute(query + where, key).fetchall()
            (base,) = self._reader.execute(
                "SELECT COALESCE(MAX(sequence), 0) FROM producer WHERE program = ? AND producer = ?",
                key[:2],
            ).fetchone()
        if not rows and (sequence < base or sequence >= self.next_sequence(program, producer)):
            return None
        if not rows or rows[0][1:] != key:
            raise self._catalogue.damaged("the index of its catalogue differs from its rows")
        digest: bytes = rows[0][0]
        return digest

    def commit(self, *batches: Batch) -> int:
        """Store batches, all or none: on disk when this returns."""
        # Streams send many batches of a schema: it is hashed and stored once.
        known = self._schemas
        new = {one.schema: schema_digest(one.schema) for one in batches if one.schema not in known}
        digests = known | new
        seals = [one.seal or seal_of(one) for one in batches]

        point: int = self._journal.append(
            [one.body for one in batches], _Appended(batches, seals, digests, new)
        )
        if new:
            self._schemas = digests if len(digests) < SCHEMAS_KNOWN_MAX else new
        for batch in batches:
            self._sequences[batch.program, batch.producer] = batch.sequence + 1
        return point

    def _read(self, places: Sequence[Place]) -> Iterator[tuple[int, Batch]]:
        with Segments(self._segments, self._catalogue.damaged) as opened:
            for place in places:
                batch = opened.read(place)
                failpoint("recovery.batch")
                yield place.point, batch

    @contextmanager
    def contents(self, program: str, after: int = 0, until: int = _POINT_MAX) -> Iterator[Contents]:
        """Hold a program's files and batches with after < point <= until; none goes meanwhile."""
        with self.pins.reading():
            with self._looking():
                kept = kept_of(self._reader, program, after, until)
            yield Contents(
                self.history(program),
                kept.files,
                sum(one.rows for one in kept.places),
                self._read(kept.places),
            )

    # --- history ----------------------------------------------------------------------------------

    def history(self, program: str) -> HistoryFolder:
        """Return the folder of a program's files."""
        return self._histories.setdefault(
            program, HistoryFolder(self._folder / "history" / program)
        )

    def files(self, program: str) -> list[HistoryFile]:
        """Return a program's files, the oldest first."""
        with self._looking():
            return files_of(self._reader, program)

    def _programs_with_files(self) -> list[str]:
        """Return the programs that have a folder; files are made before they are recorded."""
        names = {name for (name,) in self._rows("SELECT name FROM program")}
        return sorted(names & {path.name for path in (self._folder / "history").iterdir()})

    def sealed(self, program: str) -> int:
        """Return the point of the last batch that is in the program's files."""
        with self._looking():
            return sealed_of(self._reader, program)

    @property
    def bytes_taken(self) -> int:
        """Return how many bytes of batches were stored since it was opened."""
        return self._journal.bytes

    @property
    def commits(self) -> int:
        """Return how often something was committed since it was opened."""
        return self._journal.groups

    def unsealed(self, program: str) -> tuple[int, int]:
        """Return how many rows are in the journal only, and the last one's point."""
        with self._looking():
            sealed = sealed_of(self._reader, program)
            counted = self._unsealed.get(program)
            if counted is None or counted.sealed != sealed:
                counted = self._unsealed[program] = _Unsealed(sealed, sealed)
            # Asked all the time: what was counted before is not looked at again.
            rows, last, looked = self._reader.execute(
                "SELECT COALESCE(SUM(CASE WHEN program = ?1 THEN rows END), 0),"
                " MAX(CASE WHEN program = ?1 THEN point END), MAX(point)"
                " FROM batch NOT INDEXED WHERE point > ?2",
                (program, counted.looked),
            ).fetchone()
            counted.rows += rows
            counted.last = counted.last if last is None else last
            counted.looked = counted.looked if looked is None else looked
            return counted.rows, counted.last

    def next_file(self) -> int:
        """Return the number of the next file to be recorded."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'file'")
        return int(rows[0][0]) + 1 if rows else 1

    def put_sealed(
        self, program: str, point: int, added: Sequence[tuple[int, HistoryFile]]
    ) -> None:
        """Record the files that hold a program's batches up to a point."""
        self._transact(lambda connection: records.put_files(connection, program, (), added, point))

    def replace(
        self, program: str, removed: Sequence[HistoryFile], added: Sequence[tuple[int, HistoryFile]]
    ) -> None:
        """Record files that hold the very rows of others."""
        numbers = [one.number for one in removed]
        self._transact(lambda connection: records.put_files(connection, program, numbers, added))

    def drop(self, program: str, removed: Sequence[HistoryFile]) -> None:
        """Record that files, and their rows, are no more; the kept sums go too."""
        numbers = [one.number for one in removed]

        def record(connection: sqlite3.Connection) -> None:
            records.put_files(connection, program, numbers, ())
            records.drop_snapshot(connection, program)

        self._transact(record)

    def rotate(self) -> None:
        """Let later batches come into a segment of their own."""
        self._journal.rotate()

    def trim(self) -> None:
        """Let the journal go as far as it is in the history."""
        failpoint("trim.before")
        while self._transact(lambda connection: records.trim(connection, TRIM_BATCHES_MAX)):
            failpoint("trim.recorded")
        if not self._rows("SELECT 1 FROM batch LIMIT 1"):
            self._journal.rotate()
        # In this order: a batch that comes in between lies in this segment or a later one.
        keep = self._journal.segment
        ((first,),) = self._rows("SELECT MIN(segment) FROM batch NOT INDEXED")
        keep = keep if first is None else min(keep, first)
        old = [path for path in self._segments.glob("*.segment") if int(path.stem) < keep]
        if old:
            self.pins.after_readers(lambda: self._remove_segments(old))
        failpoint("trim.removed")

    def _remove_segments(self, paths: list[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        sync_folder(self._segments)

    def remove_files(self, program: str, files: Sequence[HistoryFile]) -> None:
        """Remove files that are no more recorded, once nobody reads them."""
        paths = [one.path for one in files]
        self.pins.after_readers(lambda: self.history(program).remove(paths))

    def remove_strangers(self, program: str) -> None:
        """Remove files that were written and never recorded; nothing is being written meanwhile."""
        folder = self.history(program)
        folder.remove(folder.strangers({one.path for one in self.files(program)}))
        folder.remove_empty_months()

    # --- erasure ----------------------------------------------------------------------------------

    def check_keys(self, keys: CustomerKeys) -> None:
        """Check that these are the secrets that customers were stored under.

        Raises
        ------
        FailedPreconditionError
            ``CUSTOMER_KEYS``: with others nobody who is stored could be found, to be erased.
        """
        wrong = self._transact(
            lambda connection: records.check_keys(connection, keys.fingerprints())
        )
        if wrong:
            raise FailedPreconditionError(
                "CUSTOMER_KEYS",
                f"customers in {self._folder} were stored under key {wrong[0]}, and the file of "
                "customer keys has none or another one of that version; restore it",
            )

    def put_erasure(self, program: str, customer: Sequence[tuple[int, int]], point: int) -> Erasure:
        """Keep what is to be erased, durably."""
        number = self._transact(
            lambda connection: records.put_erasure(connection, program, customer, point)
        )
        return Erasure(number, program, tuple(customer), point)

    def erasures(self) -> list[Erasure]:
        """Return the erasures that are not done."""
        with self._looking():
            return records.erasures(self._reader)

    def end_erasure(
        self,
        erasure: Erasure,
        removed: Sequence[HistoryFile],
        added: Sequence[tuple[int, HistoryFile]],
        responses: int,
        batches: Sequence[tuple[str, int]],
    ) -> Receipt:
        """Record files without the customer in place of those with, and forget who it was."""
        numbers = [one.number for one in removed]

        def record(connection: sqlite3.Connection) -> Receipt:
            records.put_files(connection, erasure.program, numbers, added)
            return records.end_erasure(connection, erasure, responses, len(numbers), batches)

        return self._transact(record)

    # --- snapshots --------------------------------------------------------------------------------

    def put_snapshot(self, program: str, plan: str, snapshot: Snapshot) -> None:
        """Keep a tally, durably; the one before is removed."""
        failpoint("snapshot.before")
        prefix = _file_prefix(program)
        name = f"{prefix}-{snapshot.point}.tally"
        path, draft = self._snapshots / name, self._snapshots / f"{name}.new"
        with draft.open("wb") as file:
            file.write(snapshot.data)
            file.flush()
            sync_file(file.fileno())
        failpoint("snapshot.written")
        draft.rename(path)
        sync_folder(self._snapshots)
        failpoint("snapshot.renamed")
        digest = hashlib.blake2b(snapshot.data, digest_size=16).digest()
        values = marked([program, plan, snapshot.point, snapshot.batches, name, digest])

        def record(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?, ?, ?, ?)", values
            )
            changed(connection)

        self._transact(record)
        failpoint("snapshot.recorded")
        self.prune_snapshots(program, name)
        failpoint("snapshot.pruned")

    def prune_snapshots(self, program: str, kept: str = "") -> None:
        """Remove the files of snapshots that count no more."""
        for other in self._snapshots.glob(f"{_file_prefix(program)}-*"):
            if other.name != kept:
                other.unlink(missing_ok=True)

    def snapshot(self, program: str, plan: str) -> Snapshot | None:
        """Return the newest snapshot of a plan's tally; None where it is missing or damaged."""
        with self._looking():
            kept = snapshots_of(self._reader, self._snapshots).get(program)
        data = kept.read() if kept is not None and kept.plan == plan else None
        if kept is None or data is None:
            return None
        failpoint("recovery.snapshot")
        return Snapshot(kept.point, kept.batches, data)

    # --- the catalogue's log ---------------------------------------------------------------------

    @property
    def log_bytes(self) -> int:
        """Return the size of SQLite's log."""
        try:
            return (self._folder / "catalogue.sqlite-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def fold(self) -> bool:
        """Fold SQLite's log into the catalogue; False where another process reads it."""
        self.is_folded = self._journal.fold()
        return self.is_folded

    # --- reading and writing the catalogue --------------------------------------------------------

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """Hold the one connection that reads; say it where the catalogue cannot be read."""
        try:
            with self._reading:
                yield
        except UNREADABLE as error:
            raise self._catalogue.unreadable(error) from error

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._looking():
            return self._reader.execute(query, values).fetchall()

    def _transact(self, record: Callable[[sqlite3.Connection], T]) -> T:
        """Run a transaction in the journal's thread; durable when this returns."""
        result: T = self._journal.transact(record)
        return result


def _file_prefix(program: str) -> str:
    return hashlib.blake2b(program.encode(), digest_size=8).hexdigest()


def _lock(folder: Path) -> IO[str]:
    file = (folder / "lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise FailedPreconditionError(
            "STORE_IN_USE",
            f"{folder} is in use by {holder}; one server holds a data directory at a time",
        ) from error
    file.truncate(0)
    file.write(f"process {os.getpid()}")
    file.flush()
    return file
