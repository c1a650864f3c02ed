"""A look at the catalogue while batches go from the journal to the history."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cxstream.store import Batch, DirectoryStore, HistoryFile, StoredProgram, look
from cxstream.store.reader import StoreReader


def store_of(path: Path, batches: int) -> DirectoryStore:
    store = DirectoryStore(path)
    store.put_program(StoredProgram("p", {"name": "p"}, 1))
    for number in range(batches):
        store.commit(Batch("p", "me", number, 1, b"digest", b"schema", b"body"))
    return store


def seal(store: DirectoryStore) -> None:
    """Record a file of all batches, and forget where they were in the journal."""
    number = store.next_file()
    file = HistoryFile(0, f"{number}.parquet", None, 1, 3, 3, 1, b"digest")
    store.put_sealed("p", 3, [(number, file)])
    store.trim()


@pytest.mark.parametrize("query", ["sealed_of", "files_of", "places_of"])
def test_every_batch_is_seen_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    store = store_of(tmp_path / "data", 3)
    asked = getattr(look, query)

    def slow(connection: sqlite3.Connection, *values: Any) -> Any:
        found = asked(connection, *values)
        if not store.files("p"):
            seal(store)
        return found

    # Another connection looks, as another thread's turn would fall between two queries.
    reader = sqlite3.connect(tmp_path / "data" / "catalogue.sqlite", isolation_level=None)
    monkeypatch.setattr(look, query, slow)
    kept = look.kept_of(reader, "p")
    monkeypatch.undo()
    assert sum(one.rows for one in kept.files) + sum(one.rows for one in kept.places) == 3
    after = look.kept_of(reader, "p")
    assert (len(after.files), len(after.places)) == (1, 0)
    reader.close()
    store.close()


def test_a_reader_sees_what_its_server_kept(tmp_path: Path) -> None:
    store_of(tmp_path / "data", 3).close()
    with StoreReader(tmp_path / "data") as reader, reader.contents("p", 1, 2) as contents:
        assert contents.batch_rows == 1
        assert [(point, one.sequence, one.body) for point, one in contents.batches] == [
            (2, 1, b"body")
        ]
