"""A data directory that is only looked at: nothing in it changes, and no server holds it meanwhile."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cxstream.errors import FailedPreconditionError
from cxstream.store.directory import (
    FORMAT,
    TABLES,
    StoreDamagedError,
    commits_of,
    row_mark,
    seal_of,
)
from cxstream.store.journal import segment_name
from cxstream.store.store import Batch, StoredProgram

_PLACES = (
    "SELECT point, producer, sequence, rows, digest, schema, segment, offset, size, seal"
    " FROM batch WHERE program = ? AND point > ? ORDER BY point"
)


@dataclass(frozen=True, slots=True)
class Totals:
    """What the catalogue names."""

    programs: int
    producers: int
    batches: int
    responses: int
    bytes: int


@dataclass(frozen=True, slots=True)
class KeptSnapshot:
    """What the catalogue says of a snapshot."""

    program: str
    plan: str
    point: int
    batches: int
    path: Path
    digest: bytes
    is_marked: bool

    def read(self) -> bytes | None:
        """Return its bytes; None where they are missing or not what was kept."""
        if not self.is_marked:
            return None
        try:
            data = self.path.read_bytes()
        except OSError:
            return None
        return data if hashlib.blake2b(data, digest_size=16).digest() == self.digest else None

    @property
    def remedy(self) -> str:
        """Return what to do where it is of no use."""
        return f"remove {self.path.parent.name}/{self.path.name}: the next start counts every batch"


class _Segment:
    """An open segment; closed when the last batch to be read of it is."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.file = -1
        self.file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self.file).st_size

    def __del__(self) -> None:
        if self.file >= 0:
            os.close(self.file)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch is, and what the catalogue says of it. `read` may be called by any thread."""

    program: str
    point: int
    producer: str
    sequence: int
    rows: int
    digest: bytes
    schema: bytes
    size: int
    offset: int
    seal: bytes
    segment: _Segment | None

    def read(self) -> Batch:
        """Return the batch.

        Raises
        ------
        StoreDamagedError
            ``STORE_DAMAGED``: it is not what was stored.
        """
        batch: Batch | None = None
        # A damaged catalogue may hold a value of any type, and any size.
        with suppress(OSError, TypeError, ValueError, OverflowError):
            if self.segment is not None and 0 <= self.offset <= self.segment.size - self.size:
                body = os.pread(self.segment.file, self.size, self.offset)
                found = Batch(
                    self.program,
                    self.producer,
                    self.sequence,
                    self.rows,
                    self.digest,
                    self.schema,
                    body,
                )
                batch = found if seal_of(found) == self.seal else None
        if batch is None:
            raise StoreDamagedError(
                "STORE_DAMAGED",
                f"batch {self.sequence} of producer {self.producer!r} of program {self.program!r} "
                "is not what was stored; restore the data directory from a backup",
            )
        return batch


class StoreReader:
    """A data directory, read only; a context manager.

    Parameters
    ----------
    folder : Path
        The data directory. While a reader has it open no server can start on it.

    Raises
    ------
    FailedPreconditionError
        ``NO_STORE``, ``STORE_IN_USE`` or ``STORE_FORMAT``: what it is, and what to do.
    StoreDamagedError
        ``STORE_DAMAGED``: its catalogue cannot be read at all.

    Notes
    -----
    SQLite changes files even where it only reads a catalogue that a crash left unfinished. Such a
    catalogue is copied, and the copy opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held = ExitStack()
        try:
            self._catalogue = self._open()
            self.format = self._read_format()
            self._schemas: dict[bytes, bytes] = dict(
                self.rows("SELECT digest, message FROM schema")
            )
        except BaseException:
            self._held.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let a server have the directory."""
        self._held.close()

    # --- opening ----------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        path = self.folder / "catalogue.sqlite"
        if not path.is_file():
            raise FailedPreconditionError(
                "NO_STORE",
                f"{self.folder} is no data directory: there is no {path.name}; name the directory "
                "that was given to `cxstream serve --data`",
            )
        self._hold()
        log = path.with_name(path.name + "-wal")
        if log.is_file() and log.stat().st_size:
            copies = Path(self._held.enter_context(tempfile.TemporaryDirectory(prefix="cxstream-")))
            for one in (path, log):
                shutil.copyfile(one, copies / one.name)
            uri = (copies / path.name).as_uri()
        else:
            uri = path.resolve().as_uri() + "?immutable=1"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        self._held.callback(connection.close)
        return connection

    def _hold(self) -> None:
        """Keep servers away, where there has been one."""
        path = self.folder / "lock"
        if not path.exists():
            return
        file = self._held.enter_context(path.open(encoding="utf-8"))
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            holder = file.read().strip() or "another process"
            raise FailedPreconditionError(
                "STORE_IN_USE",
                f"{self.folder} is in use by {holder}: stop that server first, or take a "
                "`cxstream checkpoint`, copy the directory and name the copy",
            ) from error

    def _read_format(self) -> int:
        found = self.rows("SELECT format FROM store")
        if len(found) != 1 or not isinstance(found[0][0], int):
            raise self.damaged("its catalogue does not say its format")
        if found[0][0] != FORMAT:
            raise FailedPreconditionError(
                "STORE_FORMAT",
                f"{self.folder} is a store of format {found[0][0]}, this version reads {FORMAT}; "
                "use the version of cxstream that wrote it",
            )
        return int(found[0][0])

    # --- reading ----------------------------------------------------------------------------------

    def damaged(self, what: str) -> StoreDamagedError:
        """Return the error that says so."""
        return StoreDamagedError(
            "STORE_DAMAGED",
            f"the store in {self.folder} is damaged: {what}. Restore it from a backup",
        )

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query of the catalogue.

        Raises
        ------
        StoreDamagedError
            ``STORE_DAMAGED``: SQLite cannot read it.
        """
        try:
            return self._catalogue.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise self.damaged(f"its catalogue cannot be read: {error}") from error

    def totals(self) -> Totals:
        """Return what the catalogue names."""
        batches, responses, size = self.rows(
            "SELECT COUNT(*), COALESCE(SUM(rows), 0), COALESCE(SUM(size), 0) FROM batch"
        )[0]
        programs = self.rows("SELECT COUNT(*) FROM program")[0][0]
        producers = self.rows("SELECT COUNT(*) FROM (SELECT DISTINCT program, producer FROM batch)")
        return Totals(programs, producers[0][0], batches, responses, size)

    def programs(self) -> list[StoredProgram]:
        """Return all declarations, by name.

        Raises
        ------
        StoreDamagedError
            ``STORE_DAMAGED``: names the program.
        """
        out = []
        for name, tables, version in self.rows("SELECT name, tables, version FROM program"):
            try:
                out.append(StoredProgram(name, json.loads(tables), version))
            except ValueError as error:
                raise self.damaged(f"the declaration of program {name!r} is no JSON") from error
        return sorted(out, key=lambda one: one.name)

    def has_its_tables(self) -> bool:
        """Whether the catalogue's tables are those of its format."""
        query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
        with closing(sqlite3.connect(":memory:")) as made:
            made.executescript(TABLES)
            return self.rows(query) == made.execute(query).fetchall()

    def lost_commits(self) -> tuple[int, int]:
        """Return how many batches and changes of programs were committed and are no more there."""
        try:
            text = (self.folder / "committed").read_text(encoding="ascii")
            *noted, mark = (int(one) for one in text.split())
        except (OSError, ValueError):
            return 0, 0
        if mark != row_mark(noted):
            return 0, 0
        found = commits_of(self._catalogue)
        batches, changes = (max(0, one - other) for one, other in zip(noted, found, strict=True))
        return batches, changes

    def changed_programs(self) -> list[str]:
        """Return the programs whose rows are not what was stored."""
        rows = self.rows("SELECT name, tables, version, mark FROM program")
        return [str(row[0]) for *row, mark in rows if mark != row_mark(row)]

    def changed_batches(self) -> list[tuple[str, str, object]]:
        """Return program, producer and sequence of the batches whose rows are not what was stored."""
        cursor = self._catalogue.execute(
            "SELECT program, producer, sequence, rows, digest, schema, segment, offset, size, seal,"
            " mark FROM batch NOT INDEXED ORDER BY point"
        )
        return [
            (str(row[0]), str(row[1]), row[2]) for *row, mark in cursor if mark != row_mark(row)
        ]

    def schemas(self, program: str) -> list[bytes]:
        """Return the distinct Arrow schema messages of a program's batches, the first one first."""
        rows = self.rows(
            "SELECT schema FROM batch WHERE program = ? GROUP BY schema ORDER BY MIN(point)",
            (program,),
        )
        return [self._schemas.get(digest, b"") for (digest,) in rows]

    def places(self, program: str, after: int = 0) -> Iterator[Place]:
        """Yield where a program's batches are, in the order they were stored.

        Raises
        ------
        StoreDamagedError
            ``STORE_DAMAGED``: SQLite cannot read the catalogue.
        """
        number, segment = -1, None
        try:
            cursor = self._catalogue.execute(_PLACES, (program, after))
            for point, producer, sequence, rows, digest, schema, at, offset, size, seal in cursor:
                if at != number:
                    number, segment = at, self._segment(at)
                message = self._schemas.get(schema, b"")
                yield Place(
                    program, point, producer, sequence, rows, digest, message, size, offset, seal,
                    segment,
                )  # fmt: skip
        except sqlite3.DatabaseError as error:
            raise self.damaged(f"its catalogue cannot be read: {error}") from error

    def _segment(self, number: int) -> _Segment | None:
        try:
            return _Segment(self.segment_path(number))
        except (OSError, ValueError, TypeError):
            # Each of its batches is then found not to be what was stored.
            return None

    def segment_path(self, number: int) -> Path:
        """Return where a segment is."""
        return self.folder / "journal" / segment_name(number)

    def segment_files(self) -> dict[int, int]:
        """Return the size of each segment there is, by its number."""
        return {
            int(path.stem): path.stat().st_size
            for path in (self.folder / "journal").glob("*.segment")
            if path.stem.isdigit()
        }

    def snapshots(self) -> dict[str, KeptSnapshot]:
        """Return what the catalogue says of each program's snapshot."""
        out = {}
        for *row, mark in self.rows(
            "SELECT program, plan, point, batches, file, digest, mark FROM snapshot"
        ):
            program, plan, point, batches, file, digest = row
            path = self.folder / "snapshots" / Path(str(file)).name
            is_marked = mark == row_mark(row)
            out[program] = KeptSnapshot(program, plan, point, batches, path, digest, is_marked)
        return out
