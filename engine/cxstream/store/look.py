"""What a catalogue says is stored, for a server's store and for who only looks alike."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cxstream.store.catalogue import row_mark
from cxstream.store.history import HistoryFile
from cxstream.store.places import Place, places_of
from cxstream.store.store import StoredProgram


@dataclass(frozen=True, slots=True)
class Kept:
    """Some of a program's responses: files of its history, and places in the journal."""

    files: list[HistoryFile]
    places: list[Place]


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


@contextmanager
def at_once(connection: sqlite3.Connection) -> Iterator[None]:
    """Let several queries see the same: what is committed meanwhile is seen by none of them."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def kept_of(
    connection: sqlite3.Connection, program: str, after: int = 0, until: int = 2**63 - 1
) -> Kept:
    """Return where a program's batches with after < point <= until are: each once.

    A batch that goes from the journal to the history meanwhile is in one of them, not in both, nor
    in neither.
    """
    with at_once(connection):
        sealed = sealed_of(connection, program)
        files = files_of(connection, program)
        places = places_of(connection, program, max(after, sealed), until)
    return Kept([one for one in files if one.last > after and one.first <= until], places)


def sealed_of(connection: sqlite3.Connection, program: str) -> int:
    """Return the point of the last batch that is in a program's files."""
    query = "SELECT COALESCE(MAX(point), 0) FROM history WHERE program = ?"
    (point,) = connection.execute(query, (program,)).fetchone()
    return int(point)


def files_of(connection: sqlite3.Connection, program: str) -> list[HistoryFile]:
    """Return a program's files, the oldest first."""
    rows = connection.execute(
        "SELECT number, path, month, first, last, rows, size, digest FROM file"
        " WHERE program = ? ORDER BY number",
        (program,),
    )
    return [HistoryFile(*row) for row in rows]


def programs_of(connection: sqlite3.Connection) -> list[StoredProgram]:
    """Return all declarations."""
    rows = connection.execute("SELECT name, tables, version FROM program")
    return [StoredProgram(name, json.loads(tables), version) for name, tables, version in rows]


def snapshots_of(connection: sqlite3.Connection, folder: Path) -> dict[str, KeptSnapshot]:
    """Return what is said of each program's snapshot; their files are in `folder`."""
    out = {}
    for *row, mark in connection.execute("SELECT * FROM snapshot"):
        program, plan, point, batches, file, digest = row
        path = folder / Path(str(file)).name
        out[program] = KeptSnapshot(
            program, plan, point, batches, path, digest, is_marked=mark == row_mark(row)
        )
    return out
