"""Folding SQLite's log into the catalogue, so that the catalogue is one file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cxstream.errors import UnavailableError

#: How long to wait for a reader to end.
BUSY_S = 10.0


def fold_log(folder: Path) -> None:
    """Fold the catalogue's write-ahead log into it; nobody may write to the catalogue meanwhile.

    Parameters
    ----------
    folder : Path
        The data directory, held by this process.

    Raises
    ------
    UnavailableError
        ``CATALOGUE_BUSY``: somebody reads it all the time.
    """
    connection = sqlite3.connect(folder / "catalogue.sqlite", isolation_level=None, timeout=BUSY_S)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.close()
    if busy:
        raise UnavailableError(
            "CATALOGUE_BUSY",
            "the catalogue is being read by another process; no checkpoint was made, try again",
        )


def bytes_of(folder: Path) -> int:
    """Return how many bytes the files of a data directory have."""
    size = 0
    for path in folder.rglob("*"):
        try:
            size += path.stat().st_size if path.is_file() else 0
        except OSError:
            # A snapshot that was replaced meanwhile.
            continue
    return size
