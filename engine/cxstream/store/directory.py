"""A store in a directory: SQLite is the catalogue and the point of commit, segments hold the bytes.

::

    DIR/lock                 held by the one server there is
    DIR/catalogue.sqlite     programs, batches (where their bytes are), snapshots
    DIR/journal/*.segment    the batches' Arrow bytes, one after the other
    DIR/snapshots/*.tally    tallies, so that a restart counts only what came after
    DIR/committed            how far the catalogue had come, to tell where it has lost something
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from cxstream.errors import FailedPreconditionError
from cxstream.store.failpoints import failpoint
from cxstream.store.journal import Journal, segment_name, sync_file, sync_folder
from cxstream.store.store import Batch, Snapshot, StoredProgram

FORMAT = 1

_DISK_ERRORS = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
)

TABLES = """
CREATE TABLE store (format INTEGER NOT NULL);
CREATE TABLE program (
    name TEXT PRIMARY KEY, tables TEXT NOT NULL, version INTEGER NOT NULL, mark INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE schema (digest BLOB PRIMARY KEY, message BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE batch (
    point INTEGER PRIMARY KEY AUTOINCREMENT,
    program TEXT NOT NULL, producer TEXT NOT NULL, sequence INTEGER NOT NULL,
    rows INTEGER NOT NULL, digest BLOB NOT NULL, schema BLOB NOT NULL,
    segment INTEGER NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL,
    seal BLOB NOT NULL, mark INTEGER NOT NULL);
CREATE UNIQUE INDEX batch_sequence ON batch (program, producer, sequence);
CREATE TABLE snapshot (
    program TEXT PRIMARY KEY, plan TEXT NOT NULL, point INTEGER NOT NULL, batches INTEGER NOT NULL,
    file TEXT NOT NULL, digest BLOB NOT NULL, mark INTEGER NOT NULL) WITHOUT ROWID;
"""

_INSERT = (
    "INSERT INTO batch (program, producer, sequence, rows, digest, schema, segment, offset, size,"
    " seal, mark) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SELECT = (
    "SELECT point, producer, sequence, rows, batch.digest, batch.schema, segment, offset, size,"
    " seal, message FROM batch NOT INDEXED LEFT JOIN schema ON schema.digest = batch.schema"
    " WHERE program = ? AND point > ? ORDER BY point"
)


class StoreDamagedError(FailedPreconditionError):
    """The directory does not hold what its catalogue says."""


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

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments = folder / "journal"
        self._snapshots = folder / "snapshots"
        for one in (folder, self._segments, self._snapshots):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(one.parent)
        self._lock_file = _lock(folder)
        self._sequences: dict[tuple[str, str], int] = {}
        #: The segment being written, and how many of its bytes are committed.
        self._end = (0, 0)
        with ExitStack() as opened:
            opened.callback(self._lock_file.close)
            self._reader = self._connect()
            opened.callback(self._reader.close)
            self._check_format()
            failpoint("recovery.before")
            try:
                self._check_rows()
            except sqlite3.DatabaseError as error:
                raise self._unreadable(error) from error
            segment, size = self._end
            self._truncate(segment, size)
            self._commits = os.open(
                folder / "committed", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            opened.callback(os.close, self._commits)
            self._note_commit(self._reader)
            self._journal = Journal(
                self._segments, self._connect(), segment, size, self._note_commit
            )
            opened.pop_all()
        #: One reader for all threads; SQLite's own writes happen in the journal's thread.
        self._reading = threading.Lock()

    @property
    def folder(self) -> Path:
        """Return where it is."""
        return self._folder

    # --- opening ----------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._folder / "catalogue.sqlite", isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from error
        return connection

    def _check_format(self) -> None:
        try:
            tables = self._reader.execute("SELECT name FROM sqlite_master").fetchall()
            if not tables:
                self._reader.executescript(
                    f"BEGIN;{TABLES}INSERT INTO store VALUES ({FORMAT});COMMIT;"  # noqa: S608
                )
                sync_folder(self._folder)
                return
            (found,) = self._reader.execute("SELECT format FROM store").fetchone()
            (checked,) = self._reader.execute("PRAGMA quick_check").fetchone()
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from error
        except TypeError as error:
            raise self._damaged("its catalogue names no format") from error
        if checked != "ok":
            raise self._damaged(f"its catalogue is damaged: {checked}")
        if found != FORMAT:
            raise FailedPreconditionError(
                "STORE_FORMAT",
                f"{self._folder} is a store of format {found}, this version reads {FORMAT}; open it "
                "with the version of cxstream that wrote it",
            )

    def _truncate(self, segment: int, size: int) -> None:
        """Cut off what was written but not committed."""
        for path in sorted(self._segments.glob("*.segment")):
            if int(path.stem) > segment:
                path.unlink()
        path = self._segments / segment_name(segment)
        if not path.exists():
            if size:
                raise self._damaged(f"{path.name} is missing")
            return
        if path.stat().st_size < size:
            raise self._damaged(f"{path.name} ends before what the catalogue names")
        os.truncate(path, size)
        failpoint("recovery.truncated")

    def _check_rows(self) -> None:
        """Check every row of the catalogue, before anything is done upon its word.

        SQLite's pages bear no checksum: a bit that flips in a row is a row like any other. So each
        row has a mark over its values, and points and sequences must have no gap.
        """
        made = sqlite3.connect(":memory:")
        made.executescript(TABLES)
        tables = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
        expected = made.execute(tables).fetchall()
        made.close()
        if self._reader.execute(tables).fetchall() != expected:
            raise self._damaged("the tables of its catalogue are not those of its format")
        programs = self._reader.execute("SELECT * FROM program").fetchall()
        if not all(mark == row_mark(values) for *values, mark in programs):
            raise self._damaged("a program in its catalogue is not what was stored")
        names = {name for name, *_ in programs}
        schemas = set()
        for digest, message in self._reader.execute("SELECT digest, message FROM schema"):
            if hashlib.blake2b(message, digest_size=16).digest() != digest:
                raise self._damaged("a schema in its catalogue is not what was stored")
            schemas.add(digest)
        last = 0
        for point, *values, mark in self._reader.execute(
            "SELECT * FROM batch NOT INDEXED ORDER BY point"
        ):
            program, producer, sequence, _, _, schema, segment, offset, size, _ = values
            known = self._sequences.get((program, producer), 0)
            if (
                point != last + 1
                or mark != row_mark(values)
                or sequence != known
                or program not in names
                or schema not in schemas
            ):
                raise self._damaged(f"row {last + 1} of its catalogue is not what was stored")
            self._sequences[program, producer] = sequence + 1
            self._end = max(self._end, (segment, offset + size))
            last = point
        (counted,) = self._reader.execute(
            "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'batch'"
        ).fetchone()
        if counted != last:
            raise self._damaged(f"its catalogue names {last} batches, {counted} were stored")
        self._check_commits()

    def _check_commits(self) -> None:
        """Check that the catalogue holds all that it ever committed.

        SQLite drops what is damaged in its log, and all after it, as if it had never been written.
        """
        path = self._folder / "committed"
        try:
            *noted, mark = (int(one) for one in path.read_text(encoding="ascii").split())
        except (OSError, ValueError):
            return
        if mark != row_mark(noted):
            return  # A note costs nothing but this check.
        found = commits_of(self._reader)
        if any(one > other for one, other in zip(noted, found, strict=True)):
            raise self._damaged(
                f"its catalogue lost what it had committed (up to {noted}, now {found}). Where "
                f"this is a copy made while a server wrote, remove {path.name} to go on with what "
                "the copy holds"
            )

    def _note_commit(self, connection: sqlite3.Connection) -> None:
        """Note how far the catalogue came.

        Not synced: after a power cut it may say less than there is, never more.
        """
        noted = commits_of(connection)
        line = f"{noted[0]:020} {noted[1]:020} {row_mark(noted):010}\n"
        with contextlib.suppress(OSError):
            os.pwrite(self._commits, line.encode(), 0)

    def _unreadable(self, error: sqlite3.DatabaseError) -> FailedPreconditionError:
        """Say of an error of SQLite's whether the disk is at fault, or what stands on it."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK_ERRORS:
            return FailedPreconditionError(
                "STORE_UNAVAILABLE",
                f"the disk does not let the store in {self._folder} be opened ({error}); nothing "
                "is lost, start again when it does",
            )
        return self._damaged(f"its catalogue cannot be read: {error}")

    def _damaged(self, what: str) -> StoreDamagedError:
        return StoreDamagedError(
            "STORE_DAMAGED",
            f"the store in {self._folder} is damaged: {what}. Nothing was changed; restore it from "
            "a backup",
        )

    # --- programs ---------------------------------------------------------------------------------

    def put_program(self, program: StoredProgram) -> None:
        """Keep a declaration, durably."""
        failpoint("program.before")
        row = [program.name, json.dumps(program.tables, default=str), program.version]
        values = (*row, row_mark(row))
        self._journal.submit(
            None,
            lambda connection, *_: (
                connection.execute(
                    "INSERT OR REPLACE INTO program VALUES (?, ?, ?, ?)", values
                ).rowcount
            ),
        )
        failpoint("program.stored")

    def programs(self) -> list[StoredProgram]:
        """Return all declarations."""
        with self._reading:
            rows = self._reader.execute("SELECT name, tables, version FROM program").fetchall()
        return [StoredProgram(name, json.loads(tables), version) for name, tables, version in rows]

    # --- batches ----------------------------------------------------------------------------------

    def next_sequence(self, program: str, producer: str) -> int:
        """Return the sequence the producer's next batch must carry."""
        return self._sequences.get((program, producer), 0)

    def digest(self, program: str, producer: str, sequence: int) -> bytes | None:
        """Return the digest of a stored batch."""
        with self._reading:
            row = self._reader.execute(
                "SELECT digest, +program, +producer, +sequence FROM batch"
                " WHERE program = ? AND producer = ? AND sequence = ?",
                (program, producer, sequence),
            ).fetchone()
        if row is None and sequence >= self.next_sequence(program, producer):
            return None
        if row is None or row[1:] != (program, producer, sequence):
            raise self._damaged("the index of its catalogue differs from its rows")
        digest: bytes = row[0]
        return digest

    def commit(self, batch: Batch) -> int:
        """Store a batch: on disk when this returns."""
        schema_digest = hashlib.blake2b(batch.schema, digest_size=16).digest()
        seal = seal_of(batch)

        def record(connection: sqlite3.Connection, segment: int, offset: int) -> int:
            connection.execute(
                "INSERT OR IGNORE INTO schema VALUES (?, ?)", (schema_digest, batch.schema)
            )
            row = [
                batch.program, batch.producer, batch.sequence, batch.rows, batch.digest,
                schema_digest, segment, offset, len(batch.body), seal,
            ]  # fmt: skip
            point = connection.execute(_INSERT, (*row, row_mark(row))).lastrowid
            assert point is not None
            return point

        point: int = self._journal.submit(batch.body, record)
        self._sequences[batch.program, batch.producer] = batch.sequence + 1
        return point

    def batches(self, program: str, after: int) -> Iterator[tuple[int, Batch]]:
        """Return a program's batches after a point, each checked against its seal.

        Raises
        ------
        StoreDamagedError
            ``STORE_DAMAGED``: names the batch.
        """
        with self._reading:
            rows = self._reader.execute(_SELECT, (program, after)).fetchall()
        files: dict[int, IO[bytes]] = {}
        try:
            for (
                point,
                producer,
                sequence,
                count,
                digest,
                _,
                segment,
                offset,
                size,
                seal,
                schema,
            ) in rows:
                if segment not in files:
                    path = self._segments / segment_name(segment)
                    try:
                        files[segment] = path.open("rb")
                    except OSError as error:
                        raise self._damaged(f"{path.name} cannot be read: {error}") from error
                body = os.pread(files[segment].fileno(), size, offset)
                batch = Batch(program, producer, sequence, count, digest, schema or b"", body)
                if seal_of(batch) != seal:
                    raise self._damaged(
                        f"batch {sequence} of producer {producer!r} of program {program!r} is not "
                        "what was stored"
                    )
                failpoint("recovery.batch")
                yield point, batch
        finally:
            for file in files.values():
                file.close()

    # --- snapshots --------------------------------------------------------------------------------

    def put_snapshot(self, program: str, plan: str, snapshot: Snapshot) -> None:
        """Keep a tally, durably; the one before is removed."""
        failpoint("snapshot.before")
        name = (
            f"{hashlib.blake2b(program.encode(), digest_size=8).hexdigest()}-{snapshot.point}.tally"
        )
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
        row = [program, plan, snapshot.point, snapshot.batches, name, digest]
        values = (*row, row_mark(row))
        self._journal.submit(
            None,
            lambda connection, *_: (
                connection.execute(
                    "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?, ?, ?, ?)", values
                ).rowcount
            ),
        )
        failpoint("snapshot.recorded")
        for other in self._snapshots.glob(name.partition("-")[0] + "-*"):
            if other != path:
                other.unlink(missing_ok=True)
        failpoint("snapshot.pruned")

    def snapshot(self, program: str, plan: str) -> Snapshot | None:
        """Return the newest snapshot of a plan's tally; None where it is missing or damaged."""
        with self._reading:
            row = self._reader.execute(
                "SELECT * FROM snapshot WHERE program = ? AND plan = ?", (program, plan)
            ).fetchone()
        if row is None or row_mark(row[:-1]) != row[-1]:
            return None
        _, _, point, batches, name, digest, _ = row
        try:
            data = (self._snapshots / name).read_bytes()
        except OSError:
            return None
        if hashlib.blake2b(data, digest_size=16).digest() != digest:
            return None
        failpoint("recovery.snapshot")
        return Snapshot(point, batches, data)

    def close(self) -> None:
        """Close files and let another process have the directory."""
        self._journal.close()
        self._reader.close()
        os.close(self._commits)
        self._lock_file.close()


def commits_of(connection: sqlite3.Connection) -> list[int]:
    """Return two numbers that only grow: of batches, and of declarations."""
    (point,) = connection.execute(
        "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'batch'"
    ).fetchone()
    (versions,) = connection.execute("SELECT COALESCE(SUM(version), 0) FROM program").fetchone()
    return [point, versions]


def row_mark(values: Sequence[object]) -> int:
    """Return a checksum over the values of a row."""
    return zlib.crc32(repr(list(values)).encode())


def seal_of(batch: Batch) -> bytes:
    """Return a digest over all of a batch, that tells damage of the catalogue from damage of bytes."""
    head = json.dumps([batch.program, batch.producer, batch.sequence, batch.rows]).encode()
    state = hashlib.blake2b(head, digest_size=16)
    for part in (batch.digest, hashlib.blake2b(batch.schema, digest_size=16).digest(), batch.body):
        state.update(part)
    return state.digest()


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
