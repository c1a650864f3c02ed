"""The catalogue: which programs, batches, files and sums there are. One SQLite file.

SQLite's pages bear no checksum: a bit that flips in a row is a row like any other. So each row has
a mark over its values, and points and sequences must have no gap.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxstream.errors import FailedPreconditionError
from cxstream.store.journal import BUSY_MS, fold

FORMAT = 3

_DISK_ERRORS = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
)

#: What comes of reading a damaged catalogue: where SQLite quotes it, Python may not decode the quote.
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)

#: `store` has one row: every batch up to the point `trimmed` is in the history, and `batch` names
#: those after it. `changes` counts the transactions that are neither batches nor declarations.
#: `producer` says where the sequences of a producer's rows in `batch` begin, `recent` what came
#: shortly before. `history` says up to which of its batches a program is in its files.
TABLES = """
CREATE TABLE store (
    format INTEGER NOT NULL, trimmed INTEGER NOT NULL, changes INTEGER NOT NULL,
    mark INTEGER NOT NULL);
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
CREATE TABLE producer (
    program TEXT NOT NULL, producer TEXT NOT NULL, sequence INTEGER NOT NULL, mark INTEGER NOT NULL,
    PRIMARY KEY (program, producer)) WITHOUT ROWID;
CREATE TABLE recent (
    program TEXT NOT NULL, producer TEXT NOT NULL, sequence INTEGER NOT NULL, digest BLOB NOT NULL,
    mark INTEGER NOT NULL, PRIMARY KEY (program, producer, sequence)) WITHOUT ROWID;
CREATE TABLE history (
    program TEXT PRIMARY KEY, point INTEGER NOT NULL, files INTEGER NOT NULL, rows INTEGER NOT NULL,
    mark INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE file (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    program TEXT NOT NULL, path TEXT NOT NULL, month TEXT,
    first INTEGER NOT NULL, last INTEGER NOT NULL, rows INTEGER NOT NULL, size INTEGER NOT NULL,
    digest BLOB NOT NULL, mark INTEGER NOT NULL);
CREATE TABLE snapshot (
    program TEXT PRIMARY KEY, plan TEXT NOT NULL, point INTEGER NOT NULL, batches INTEGER NOT NULL,
    file TEXT NOT NULL, digest BLOB NOT NULL, mark INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE erasure (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    program TEXT NOT NULL, customer TEXT NOT NULL, point INTEGER NOT NULL, rows INTEGER NOT NULL,
    batches INTEGER NOT NULL, files INTEGER NOT NULL, at TEXT NOT NULL, mark INTEGER NOT NULL);
CREATE TABLE customer_key (
    version INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL, mark INTEGER NOT NULL);
"""


class StoreDamagedError(FailedPreconditionError):
    """The directory does not hold what its catalogue says."""


@dataclass(slots=True)
class Found:
    """What the rows of a catalogue say.

    Attributes
    ----------
    sequences : dict of (program, producer) to int
        What each producer's next batch must carry.
    first_segment, segment, size : int
        The segments in use, and how many bytes of the last one are committed.
    """

    sequences: dict[tuple[str, str], int] = field(default_factory=dict)
    first_segment: int = 0
    segment: int = 0
    size: int = 0


def row_mark(values: Sequence[object]) -> int:
    """Return a checksum over the values of a row."""
    return zlib.crc32(repr(list(values)).encode())


def marked(values: Sequence[object]) -> tuple[object, ...]:
    """Return the values of a row and its mark."""
    return (*values, row_mark(values))


def schema_digest(message: object) -> bytes:
    """Return the digest that a schema is named by; damage may have made anything of it."""
    data = message if isinstance(message, bytes) else repr(message).encode()
    return hashlib.blake2b(data, digest_size=16).digest()


def any_text(data: bytes) -> str:
    """Return a text of the catalogue; damaged, it is another one than was stored, and no error."""
    return data.decode(errors="backslashreplace")


def changed(connection: sqlite3.Connection, trimmed: int | None = None) -> None:
    """Count a transaction that is neither a batch nor a declaration; part of each such one."""
    row = connection.execute("SELECT format, trimmed, changes FROM store").fetchone()
    values = [row[0], row[1] if trimmed is None else trimmed, row[2] + 1]
    connection.execute(
        "UPDATE store SET format = ?, trimmed = ?, changes = ?, mark = ?", marked(values)
    )


def commits_of(connection: sqlite3.Connection) -> list[int]:
    """Return numbers that only grow: of batches, of declarations, of other changes."""
    row = connection.execute(
        "SELECT (SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'batch'),"
        " (SELECT COALESCE(SUM(version), 0) FROM program),"
        " (SELECT COALESCE(SUM(changes), 0) FROM store)"
    ).fetchone()
    return list(row)


def tables_of(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Return the tables of a catalogue as SQLite keeps them."""
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    return connection.execute(query).fetchall()


def expected_tables() -> list[tuple[Any, ...]]:
    """Return the tables that a catalogue of this format has."""
    with contextlib.closing(sqlite3.connect(":memory:")) as made:
        made.executescript(TABLES)
        return tables_of(made)


class OpenCatalogue:
    """An open catalogue, to be checked and read.

    Parameters
    ----------
    folder : Path
        The data directory.
    reader : sqlite3.Connection
    """

    def __init__(self, folder: Path, reader: sqlite3.Connection) -> None:
        self._folder = folder
        self.reader = reader

    def check_format(self) -> None:
        """Check that it is of this format.

        Raises
        ------
        FailedPreconditionError
            ``STORE_FORMAT``, ``STORE_UNAVAILABLE`` or ``STORE_DAMAGED``.
        """
        try:
            (found,) = self.reader.execute("SELECT format FROM store").fetchone()
        except UNREADABLE as error:
            raise self.unreadable(error) from error
        except TypeError as error:
            raise self.damaged("its catalogue names no format") from error
        if found != FORMAT:
            raise FailedPreconditionError(
                "STORE_FORMAT",
                f"{self._folder} is a store of format {found}, this version reads {FORMAT}; open it "
                "with the version of cxstream that wrote it",
            )

    def check(self) -> Found:
        """Check every row, before anything is done upon its word.

        Raises
        ------
        StoreDamagedError
            ``STORE_DAMAGED``: names the row.
        """
        try:
            return self._check()
        except UNREADABLE as error:
            raise self.unreadable(error) from error

    def _check(self) -> Found:
        if tables_of(self.reader) != expected_tables():
            raise self.damaged("the tables of its catalogue are not those of its format")
        rows = {name: self._marked_rows(name) for name in MARKED}
        names = {row[0] for row in rows["program"]}
        schemas = set()
        for digest, message in self.reader.execute("SELECT digest, message FROM schema"):
            if schema_digest(message) != digest:
                raise self.damaged("a schema in its catalogue is not what was stored")
            schemas.add(digest)
        if len(rows["store"]) != 1:
            raise self.damaged("its catalogue does not say how far its history goes")
        trimmed = rows["store"][0][1]
        found = Found({(row[0], row[1]): row[2] for row in rows["producer"]})
        sealed = {row[0]: row[1] for row in rows["history"]}
        last = self._check_batches(found, names, schemas, trimmed)
        given = dict(self.reader.execute("SELECT name, seq FROM sqlite_sequence"))
        counted = given.get("batch", 0)
        if counted != last:
            raise self.damaged(f"its catalogue names {last} batches, {counted} were stored")
        for table in ("file", "erasure"):
            # A number that is given twice would write over what it names.
            number = given.get(table, 0)
            if not isinstance(number, int) or any(row[0] > number for row in rows[table]):
                raise self.damaged(f"its catalogue does not know the last number of {table}")
        counts = {name: [0, 0] for name in sealed}
        for number, program, _, _, _, until, count, *_ in rows["file"]:
            if program not in names or until > sealed.get(program, 0):
                raise self.damaged(f"file {number} of its history is not what was stored")
            counts[program][0] += 1
            counts[program][1] += count
        for program, _, *stated in rows["history"]:
            if counts[program] != stated:
                raise self.damaged(
                    f"its catalogue names other files of program {program!r} than were stored"
                )
        self._check_commits()
        return found

    def fold(self) -> bool:
        """Fold the log that an earlier process left; False where another one reads it.

        What was erased is in no file after this.
        """
        try:
            return fold(self.reader)
        except UNREADABLE as error:
            raise self.unreadable(error) from error

    def _marked_rows(self, table: str) -> list[tuple[Any, ...]]:
        out = []
        for *values, mark in self.reader.execute(f"SELECT * FROM {table}"):  # noqa: S608 - ours
            if mark != row_mark(values):
                raise self.damaged(f"a row of {table} in its catalogue is not what was stored")
            out.append(tuple(values))
        return out

    def _check_batches(
        self, found: Found, names: set[str], schemas: set[bytes], trimmed: int
    ) -> int:
        last = trimmed
        first_segment = None
        for point, *values, mark in self.reader.execute(
            "SELECT * FROM batch NOT INDEXED ORDER BY point"
        ):
            program, producer, sequence, _, _, schema, segment, offset, size, _ = values
            if (
                point != last + 1
                or mark != row_mark(values)
                or sequence != found.sequences.get((program, producer), 0)
                or program not in names
                or schema not in schemas
            ):
                raise self.damaged(f"row {last + 1} of its catalogue is not what was stored")
            found.sequences[program, producer] = sequence + 1
            if first_segment is None:
                first_segment = segment
            found.segment, found.size = max((found.segment, found.size), (segment, offset + size))
            last = point
        found.first_segment = first_segment if first_segment is not None else found.segment
        return last

    def _check_commits(self) -> None:
        """Check that the catalogue holds all that it ever committed.

        SQLite drops what is damaged in its log, and all after it, as if it had never been written.
        """
        path = self._folder / "committed"
        noted = read_note(path)
        found = commits_of(self.reader)
        if noted is None or all(one <= other for one, other in zip(noted, found, strict=True)):
            return
        raise self.damaged(
            f"its catalogue lost what it had committed (up to {noted}, now {found}). Where this is "
            f"a copy made while a server wrote, remove {path.name} to go on with what the copy holds"
        )

    # --- errors -----------------------------------------------------------------------------------

    def unreadable(self, error: Exception) -> FailedPreconditionError:
        """Say of an error of SQLite's whether the disk is at fault, or what stands on it."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK_ERRORS:
            return FailedPreconditionError(
                "STORE_UNAVAILABLE",
                f"the disk does not let the store in {self._folder} be opened ({error}); nothing "
                "is lost, start again when it does",
            )
        return self.damaged(f"its catalogue cannot be read: {error}")

    def damaged(self, what: str) -> StoreDamagedError:
        """Return the error that says so."""
        return StoreDamagedError(
            "STORE_DAMAGED",
            f"the store in {self._folder} is damaged: {what}. Nothing was changed; restore it from "
            "a backup",
        )


class Catalogue(OpenCatalogue):
    """An open catalogue, for its server.

    Parameters
    ----------
    folder : Path
        The data directory.

    Raises
    ------
    FailedPreconditionError
        ``STORE_FORMAT``, ``STORE_UNAVAILABLE`` or ``STORE_DAMAGED``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._committed = -1
        self._noted: list[int] = []
        super().__init__(folder, self.connect())
        try:
            self._make()
            self.check_format()
            self._check_pages()
        except BaseException:
            self.reader.close()
            raise

    def connect(self) -> sqlite3.Connection:
        """Return one more connection."""
        try:
            connection = sqlite3.connect(
                self._folder / "catalogue.sqlite", isolation_level=None, check_same_thread=False
            )
            connection.text_factory = any_text
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            # What is erased is overwritten.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            # The catalogue's file stays as it is until it is folded: a copy of it is never torn.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        except UNREADABLE as error:
            raise self.unreadable(error) from error
        return connection

    def close(self) -> None:
        """Close the reading connection and the note."""
        self.reader.close()
        if self._committed >= 0:
            os.close(self._committed)

    def _make(self) -> None:
        """Make the tables where there are none."""
        try:
            if not self.reader.execute("SELECT name FROM sqlite_master").fetchall():
                self.reader.executescript(
                    f"BEGIN;{TABLES}INSERT INTO store VALUES "  # noqa: S608 - numbers
                    f"({FORMAT}, 0, 0, {row_mark([FORMAT, 0, 0])});COMMIT;"
                )
        except UNREADABLE as error:
            raise self.unreadable(error) from error

    def _check_pages(self) -> None:
        # The quick one leaves out whether an index agrees with its table: a sealing or an erasure
        # would find that later, and stand still.
        try:
            (checked,) = self.reader.execute("PRAGMA integrity_check").fetchone()
        except UNREADABLE as error:
            raise self.unreadable(error) from error
        if checked != "ok":
            raise self.damaged(f"its catalogue is damaged: {checked}")

    def note_commit(self, connection: sqlite3.Connection, point: int | None = None) -> None:
        """Note how far the catalogue came: all of it, or that only batches came, up to a point.

        Not synced: after a power cut it may say less than there is, never more.
        """
        if self._committed < 0:
            self._committed = os.open(
                self._folder / "committed", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        if point is None:
            self._noted = commits_of(connection)
        else:
            self._noted[0] = point
        line = " ".join(f"{one:020}" for one in self._noted) + f" {row_mark(self._noted):010}\n"
        with contextlib.suppress(OSError):
            os.pwrite(self._committed, line.encode(), 0)


#: Tables all of whose rows are checked at the start. `batch` has a check of its own, and a snapshot
#: that is not what was stored is none.
MARKED = ("store", "program", "producer", "recent", "history", "file", "erasure", "customer_key")


def read_note(path: Path) -> list[int] | None:
    """Return what was noted of the commits; None where there is no note, or it is damaged."""
    try:
        *noted, mark = (int(one) for one in path.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return None
    # A note costs nothing but this check.
    return noted if mark == row_mark(noted) and len(noted) == 3 else None
