"""A data directory that is only looked at: nothing in it changes, and no server holds it meanwhile."""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cxstream.errors import FailedPreconditionError
from cxstream.store.catalogue import (
    FORMAT,
    UNREADABLE,
    OpenCatalogue,
    StoreDamagedError,
    any_text,
)
from cxstream.store.history import HistoryFile, HistoryFolder
from cxstream.store.journal import segment_name
from cxstream.store.look import KeptSnapshot, files_of, kept_of, programs_of, snapshots_of
from cxstream.store.places import Place, Segments, places_of
from cxstream.store.store import Batch, Contents, StoredProgram


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

    format = FORMAT

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held = ExitStack()
        self._histories: dict[str, HistoryFolder] = {}
        try:
            self.catalogue = OpenCatalogue(folder, self._open())
            self.catalogue.check_format()
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
        connection.text_factory = any_text
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

    # --- the catalogue ----------------------------------------------------------------------------

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query of the catalogue.

        Raises
        ------
        StoreDamagedError
            ``STORE_DAMAGED``: SQLite cannot read it.
        """
        try:
            return self.catalogue.reader.execute(query, values).fetchall()
        except UNREADABLE as error:
            raise self.catalogue.unreadable(error) from error

    def programs(self) -> list[StoredProgram]:
        """Return all declarations, by name.

        Raises
        ------
        StoreDamagedError
            ``STORE_DAMAGED``: one of them is no JSON.
        """
        try:
            found = programs_of(self.catalogue.reader)
        except UNREADABLE as error:
            raise self.catalogue.unreadable(error) from error
        except (ValueError, TypeError) as error:
            raise self.catalogue.damaged(f"a declaration is no JSON: {error}") from error
        return sorted(found, key=lambda one: one.name)

    def snapshots(self) -> dict[str, KeptSnapshot]:
        """Return what the catalogue says of each program's snapshot."""
        try:
            return snapshots_of(self.catalogue.reader, self.folder / "snapshots")
        except UNREADABLE as error:
            raise self.catalogue.unreadable(error) from error

    # --- what is stored ---------------------------------------------------------------------------

    def history(self, program: str) -> HistoryFolder:
        """Return the folder of a program's files."""
        return self._histories.setdefault(program, HistoryFolder(self.folder / "history" / program))

    def files(self, program: str) -> list[HistoryFile]:
        """Return a program's files, the oldest first."""
        return files_of(self.catalogue.reader, program)

    def places(self, program: str) -> list[Place]:
        """Return where a program's batches of the journal are, those in the history too."""
        return places_of(self.catalogue.reader, program, 0)

    def segments(self) -> Segments:
        """Return the journal's segments, to be read from."""
        return Segments(self.folder / "journal", self.catalogue.damaged)

    @contextmanager
    def contents(self, program: str, after: int = 0, until: int = 2**63 - 1) -> Iterator[Contents]:
        """Hold a program's files and batches with after < point <= until.

        Raises
        ------
        StoreDamagedError
            ``STORE_DAMAGED``: SQLite cannot read the catalogue, or a batch is not what was stored.
        """
        try:
            kept = kept_of(self.catalogue.reader, program, after, until)
        except UNREADABLE as error:
            raise self.catalogue.unreadable(error) from error
        with self.segments() as segments:
            batches = ((one.point, segments.read(one)) for one in kept.places)
            rows = sum(one.rows for one in kept.places)
            yield Contents(self.history(program), kept.files, rows, batches)

    def segment_files(self) -> dict[int, int]:
        """Return the size of each segment there is, by its number."""
        return {
            int(path.stem): path.stat().st_size
            for path in (self.folder / "journal").glob("*.segment")
            if path.stem.isdigit()
        }

    def segment_path(self, number: int) -> Path:
        """Return where a segment is."""
        return self.folder / "journal" / segment_name(number)


__all__ = ["Batch", "KeptSnapshot", "StoreDamagedError", "StoreReader"]
