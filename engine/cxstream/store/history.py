"""The history of a program: Parquet files, each with a hash of all its bytes.

A file is part of the history once the catalogue names it, which it does after the file was synced.
It is read only as the very bytes that were written.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from cxstream.store.journal import sync_file, sync_folder

GROUP_ROWS = 2**18
#: A file is read as a whole, so it has no more rows than this when it is made.
FILE_ROWS = 2**20
#: Values that pyarrow encodes at a time: a file takes a quarter less processor time than by its own 1,024.
_VALUES_AT_ONCE = 2**16
NO_MONTH = "none"
#: Files of a program whose bytes stay in memory for a while.
FILES_HELD = 3
#: Files whose bytes were found right once, and are known by a faster hash.
FILES_KNOWN = 100_000
MONTH = "_month"
#: Where a row came from: its producer, the batch's sequence, the row within the batch, and the
#: batch's place in the stream of all batches.
TRACE = (
    pa.field("_producer", pa.string()),
    pa.field("_sequence", pa.int64()),
    pa.field("_row", pa.int64()),
    pa.field("_point", pa.int64()),
)
#: Types of columns with few distinct values.
_CODED = (pa.int8(), pa.int16(), pa.string())


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """A file as the catalogue names it.

    Attributes
    ----------
    number : int
        0 before the catalogue gave it one.
    path : str
        Below the program's folder.
    month : str or None
        Of all its rows; None where they have no time.
    first, last : int
        The points of the first and the last of its batches.
    rows, size : int
    digest : bytes
        BLAKE2b of the whole file.
    """

    number: int
    path: str
    month: str | None
    first: int
    last: int
    rows: int
    size: int
    digest: bytes


class FileDamagedError(Exception):
    """A file is not what was written."""


class HistoryFolder:
    """The files of one program.

    Parameters
    ----------
    folder : Path
        Made with the first file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Files whose row groups are being read: each is read and hashed once.
        self._held: OrderedDict[bytes, tuple[bytes, Any]] = OrderedDict()
        #: A fast hash of the bytes of files that were found right.
        self._right: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    # --- writing ----------------------------------------------------------------------------------

    def write(
        self, rows: pa.Table, number: int, month: str | None, *, by_month: bool
    ) -> HistoryFile:
        """Write rows, in order of their points, as one synced file.

        Parameters
        ----------
        rows : pyarrow.Table
            With the columns of `TRACE`. Text as dictionaries is written without being looked up.
        number : int
            Makes the name; given to one file only.
        month : str or None
        by_month : bool
            Whether the program's files are kept by month.

        Raises
        ------
        OSError
            The disk is full.
        """
        import pyarrow.parquet as pq

        name = f"{number:010}.parquet"
        # No `_month=`: Arrow's and pandas' readers of folders pass over names that begin so.
        path = f"{month or NO_MONTH}/{name}" if by_month else name
        target = self.folder / path
        _make_folder(target.parent)
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, rows.schema, **_layout(rows.schema)) as writer:
            for start in range(0, len(rows), GROUP_ROWS):
                writer.write_table(_group(rows.slice(start, GROUP_ROWS)), GROUP_ROWS)
        data = sink.getvalue()
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            sync_file(file)
        finally:
            os.close(file)
        sync_folder(target.parent)
        points = pc.min_max(rows["_point"])
        digest = hashlib.blake2b(data, digest_size=32).digest()
        return HistoryFile(
            0, path, month, points["min"].as_py(), points["max"].as_py(), rows.num_rows, data.size,
            digest,
        )  # fmt: skip

    # --- reading ----------------------------------------------------------------------------------

    def read(
        self,
        file: HistoryFile,
        columns: Sequence[str] | None = None,
        group: int | None = None,
        *,
        dictionaries: bool = True,
    ) -> pa.Table:
        """Return a file's rows.

        Parameters
        ----------
        file : HistoryFile
        columns : sequence of str, optional
            Those of them that the file has; all when absent.
        group : int, optional
            The row group, of `groups_of`; all when absent.
        dictionaries : bool
            Whether text comes as dictionaries.

        Raises
        ------
        FileDamagedError
            It is not what was written.
        """
        import pyarrow.parquet as pq

        try:
            data, metadata = self._hold(file)
            schema = metadata.schema.to_arrow_schema()
            texts = [one.name for one in schema if dictionaries and pa.types.is_string(one.type)]
            names = [one for one in schema.names if columns is None or one in columns]
            with pq.ParquetFile(
                pa.BufferReader(data),
                metadata=metadata,
                read_dictionary=texts,
            ) as opened:
                if group is None:
                    return opened.read(names, use_threads=False)
                return opened.read_row_group(group, names, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise FileDamagedError(str(error)) from error

    @contextmanager
    def opened(self, file: HistoryFile) -> Iterator[tuple[bytes, Any]]:
        """Give a file's bytes and its metadata (pyarrow.parquet.FileMetaData).

        Raises
        ------
        FileDamagedError
            It is not what was written; also where Arrow or what the caller does says so.
        """
        try:
            yield self._hold(file)
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise FileDamagedError(str(error)) from error

    def check(self, file: HistoryFile) -> bytes:
        """Return a file's bytes.

        Raises
        ------
        FileDamagedError
            They are not those that were written.
        """
        try:
            data = (self.folder / file.path).read_bytes()
        except OSError as error:
            raise FileDamagedError(str(error)) from error
        # BLAKE2b takes ten times as long: bytes that it once found right are known by another hash.
        known = xxhash.xxh3_128_digest(data)
        if self._right.get(file.digest) != known:
            digest = hashlib.blake2b(data, digest_size=32).digest()
            if len(data) != file.size or digest != file.digest:
                raise FileDamagedError("its bytes are not those that were written")
            with self._lock:
                self._right[file.digest] = known
                while len(self._right) > FILES_KNOWN:
                    self._right.popitem(last=False)
        return data

    @staticmethod
    def groups_of(file: HistoryFile) -> range:
        """Return the row groups of a file."""
        return range(-(-file.rows // GROUP_ROWS))

    def _hold(self, file: HistoryFile) -> tuple[bytes, Any]:
        """Return the very bytes that were hashed, for a disk may give others the next time; and their metadata."""
        import pyarrow.parquet as pq

        with self._lock:
            held = self._held.get(file.digest)
        if held is None:
            data = self.check(file)
            held = data, pq.read_metadata(pa.BufferReader(data))
            with self._lock:
                self._held[file.digest] = held
                while len(self._held) > FILES_HELD:
                    self._held.popitem(last=False)
        return held

    # --- removing ---------------------------------------------------------------------------------

    def remove(self, paths: Sequence[str]) -> None:
        """Remove files."""
        for path in paths:
            target = self.folder / path
            target.unlink(missing_ok=True)
            if target.parent.exists():
                sync_folder(target.parent)

    def remove_empty_months(self) -> None:
        """Remove folders of months that have no file left; nothing is being written meanwhile."""
        for folder in self.folder.iterdir() if self.folder.exists() else ():
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def strangers(self, known: set[str]) -> list[str]:
        """Return the Parquet files there are that are not known: written, and never recorded."""
        found = (
            path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.parquet")
        )
        return sorted(
            path for path in found if path not in known and not path.startswith("_delta_log")
        )


def _layout(schema: pa.Schema) -> dict[str, Any]:
    """Return how a file is laid out: small, readable by every engine, and by `columns.pages` sooner.

    Answers and levels are indices of a few bits, points and times differences of few bytes:
    compression would make them little smaller.
    """
    coded, steady, rest = [], [], []
    for one in schema:
        kind = one.type
        if pa.types.is_list(kind) or pa.types.is_dictionary(kind):
            kind = kind.value_type
        path = f"{one.name}.list.element" if pa.types.is_list(one.type) else one.name
        is_customer = one.name.startswith("_customer")
        if kind in _CODED and not is_customer:
            coded.append(path)
        elif (pa.types.is_int64(kind) or pa.types.is_timestamp(kind)) and not is_customer:
            steady.append(path)
        else:
            rest.append(path)
    return {
        "compression": dict.fromkeys((*coded, *steady), "none") | dict.fromkeys(rest, "zstd"),
        "compression_level": dict.fromkeys(rest, 1),
        "write_batch_size": _VALUES_AT_ONCE,
        "use_dictionary": coded,
        "column_encoding": dict.fromkeys(steady, "DELTA_BINARY_PACKED") or None,
        "store_schema": False,
        # Bounds of the customers' column would name two of them in every footer; of answers and
        # levels, nearly every row group has the same.
        "write_statistics": [
            one.name
            for one in schema
            if not pa.types.is_nested(one.type)
            and not one.name.startswith("_customer")
            and one.name not in coded
        ],
    }


def _group(rows: pa.Table) -> pa.Table:
    """Return the rows of a row group, of texts only those that a row has: readers see all of them."""
    rows = rows.combine_chunks()
    for place, one in enumerate(rows.schema):
        if pa.types.is_dictionary(one.type):
            rows = rows.set_column(place, one, _used(rows[place].chunk(0)))
    return rows


def _used(texts: pa.DictionaryArray) -> pa.DictionaryArray:
    indices, dictionary = texts.indices, texts.dictionary
    used = np.zeros(len(dictionary) + 1, np.bool_)  # the last one is for null
    used[indices.fill_null(len(dictionary)).to_numpy()] = True
    used = used[:-1]
    if used.all():
        return texts
    place = pa.array(np.cumsum(used, dtype=np.int32) - 1)
    return pa.DictionaryArray.from_arrays(place.take(indices), dictionary.filter(pa.array(used)))


def _make_folder(folder: Path) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700)
        sync_folder(one.parent)
