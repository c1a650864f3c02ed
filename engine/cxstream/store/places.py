"""Where the batches of the journal are: rows of the catalogue -> bytes that bear their seal."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cxstream.store.journal import segment_name
from cxstream.store.segment import open_direct, read_direct
from cxstream.store.store import Batch, content_digest

#: Of small batches a read brings many into the page cache; a large one goes past it.
DIRECT_BYTES = 2**18

_SELECT = (
    "SELECT point, producer, sequence, rows, digest, schema, segment, offset, size, seal"
    " FROM batch NOT INDEXED WHERE program = ? AND point > ? AND point <= ? ORDER BY point"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch is, and what the catalogue says of it."""

    program: str
    point: int
    producer: str
    sequence: int
    rows: int
    digest: bytes
    schema: bytes
    segment: int
    offset: int
    size: int
    seal: bytes


def places_of(
    connection: sqlite3.Connection, program: str, after: int, until: int = 2**63 - 1
) -> list[Place]:
    """Return where a program's batches with after < point <= until are, in their order."""
    rows = connection.execute(_SELECT, (program, after, until)).fetchall()
    # Read once each: many batches have the same, and it may be longer than they are.
    messages: dict[bytes, bytes] = {}
    for row in rows:
        if row[5] not in messages:
            found = connection.execute("SELECT message FROM schema WHERE digest = ?", (row[5],))
            (messages[row[5]],) = found.fetchone() or (b"",)
    return [
        Place(program, point, producer, sequence, count, digest, messages[schema], *where)
        for point, producer, sequence, count, digest, schema, *where in rows
    ]


class Segments:
    """The segments of a journal, opened as they are needed; a context manager, for any threads.

    Parameters
    ----------
    folder : Path
    damaged : function of str
        Returns the error to raise of what is not as it should be.
    """

    def __init__(self, folder: Path, damaged: Callable[[str], Exception]) -> None:
        self._folder = folder
        self._damaged = damaged
        self._files: dict[tuple[int, bool], int] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def read(self, place: Place) -> Batch:
        """Return a batch, checked against its seal.

        Raises
        ------
        Exception
            What `damaged` returned; names the segment or the batch.
        """
        name = f"batch {place.sequence} of producer {place.producer!r} of program {place.program!r}"
        # A damaged catalogue may hold a value of any type, and any size.
        with suppress(TypeError, ValueError, OverflowError):
            try:
                body = self._body(place)
            except OSError as error:
                raise self._damaged(f"{name} cannot be read: {error}") from error
            batch = Batch(
                place.program,
                place.producer,
                place.sequence,
                place.rows,
                place.digest,
                place.schema,
                body,
            )
            if seal_of(batch) == place.seal:
                return batch
        raise self._damaged(f"{name} is not what was stored")

    def _body(self, place: Place) -> bytes | memoryview:
        """Return the bytes at a place, none where there is no such one."""
        is_direct = place.size >= DIRECT_BYTES
        file = self._file(place.segment, is_direct=is_direct)
        if not 0 <= place.offset <= os.fstat(file).st_size - place.size:
            return b""
        if is_direct:
            return read_direct(file, place.offset, place.size)
        return os.pread(file, place.size, place.offset)

    def _file(self, segment: int, *, is_direct: bool) -> int:
        key = segment, is_direct
        with self._lock:
            if key not in self._files:
                path = self._folder / segment_name(segment)
                try:
                    if is_direct:
                        self._files[key] = open_direct(path, os.O_RDONLY)
                    else:
                        self._files[key] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                except OSError as error:
                    raise self._damaged(f"{path.name} cannot be read: {error}") from error
            return self._files[key]


def seal_of(batch: Batch) -> bytes:
    """Return the digest that the stored bytes of a batch must have."""
    return content_digest(batch.schema, batch.body)
