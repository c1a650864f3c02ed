"""Reading CSV, Parquet and Arrow IPC files batch by batch, never whole."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from cxstream.cli.output import CommandError

_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
_BOM = "\ufeff"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = ",;\t|"
_HEADING_BYTES = 1 << 20


class Source(Protocol):
    """A file with named columns.

    Attributes
    ----------
    names : tuple of str
        Its columns.
    """

    names: tuple[str, ...]

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some columns, in batches of any size."""

    def done(self) -> float:
        """Return the part that is read, 0..1."""


def open_source(path: Path, *, delimiter: str | None = None, encoding: str = "utf8") -> Source:
    """Open a file; what it is, its first bytes tell.

    Raises
    ------
    CommandError
        It is empty, or not what it seems.
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        raise CommandError(f"{path}: the file is empty")
    if head.startswith(b"PK\x03\x04"):
        raise CommandError(f"{path}: a zip archive or an Excel workbook; save it as CSV or Parquet")
    if head.startswith(_UTF16) and encoding == "utf8":
        encoding = "utf16"
    try:
        if head.startswith(b"PAR1"):
            return _Parquet(path)
        if head.startswith(b"ARROW1"):
            return _ArrowFile(path)
        if head.startswith(b"\xff\xff\xff\xff"):
            return _ArrowStream(path)
        return _Csv(path, head, delimiter, encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise _undecodable(path, encoding, error) from error
    except pa.ArrowInvalid as error:
        raise CommandError(f"{path}: {error}") from error


def rebatch(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Cut and join batches so that each has `rows` rows; the last may have fewer.

    The cuts depend on nothing but `rows`, so that a second reading gives the same batches.
    """
    held: list[pa.RecordBatch] = []
    held_rows = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, rows - held_rows)
            held.append(piece)
            held_rows += piece.num_rows
            start += piece.num_rows
            if held_rows == rows:
                yield _joined(held)
                held, held_rows = [], 0
    if held:
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


class _Csv:
    """Text with a heading; every cell is read as text, the empty one as null."""

    def __init__(self, path: Path, head: bytes, delimiter: str | None, encoding: str) -> None:
        from pyarrow import csv

        self._path = path
        self._compression = next(
            (name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), None
        )
        self._encoding = encoding
        self._parse = csv.ParseOptions(
            delimiter=delimiter or self._delimiter(), newlines_in_values=True
        )
        self._size = max(1, path.stat().st_size)
        self._raw: pa.NativeFile | None = None
        # The heading as it stands there; only its names are kept.
        with csv.open_csv(
            self._stream(), csv.ReadOptions(encoding=encoding), self._parse
        ) as reader:
            self._raw_names = tuple(reader.schema.names)
        self.names = tuple(name.lstrip(_BOM).strip() for name in self._raw_names)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        from pyarrow import csv

        wanted = [self._raw_names[self.names.index(name)] for name in columns]
        reader = csv.open_csv(
            self._stream(),
            csv.ReadOptions(encoding=self._encoding),
            self._parse,
            csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        with reader:
            try:
                for batch in _readable(self._path, reader):
                    yield batch.rename_columns(list(columns))
            except UnicodeDecodeError as error:
                raise _undecodable(self._path, self._encoding, error) from error

    def done(self) -> float:
        return self._raw.tell() / self._size if self._raw and not self._raw.closed else 1.0

    def _delimiter(self) -> str:
        """Return the delimiter that the heading has most of, outside of quotes."""
        if ".tsv" in self._path.suffixes:
            return "\t"
        with self._stream() as stream:
            start = codecs.getincrementaldecoder(self._encoding)().decode(
                stream.read(_HEADING_BYTES)
            )
        heading = re.sub(r'"[^"]*"', "", start).lstrip("\r\n").split("\n", 1)[0]
        return max(_DELIMITERS, key=heading.count)

    def _stream(self) -> pa.NativeFile:
        self._raw = pa.OSFile(str(self._path))
        if self._compression is None:
            return self._raw
        return pa.CompressedInputStream(self._raw, self._compression)


class _Parquet:
    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self._path = path
        self._file = parquet.ParquetFile(path)
        self.names = tuple(self._file.schema_arrow.names)
        self._read = 0

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        found = self._file.iter_batches(batch_size=65536, columns=list(columns))
        for batch in _readable(self._path, found):
            self._read += batch.num_rows
            yield batch.select(list(columns))

    def done(self) -> float:
        return float(self._read / max(1, self._file.metadata.num_rows))


class _ArrowFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
        self.names = tuple(self._reader.schema.names)
        self._read = 0

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        numbers = range(self._reader.num_record_batches)
        for batch in _readable(self._path, (self._reader.get_batch(one) for one in numbers)):
            batch.validate(full=True)
            self._read += 1
            yield batch.select(list(columns))

    def done(self) -> float:
        return float(self._read / max(1, self._reader.num_record_batches))


class _ArrowStream:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = max(1, path.stat().st_size)
        self._raw = pa.OSFile(str(path))
        self._reader = pa.ipc.open_stream(self._raw)
        self.names = tuple(self._reader.schema.names)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in _readable(self._path, self._reader):
            batch.validate(full=True)
            yield batch.select(list(columns))

    def done(self) -> float:
        return float(self._raw.tell() / self._size)


def _readable(path: Path, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pass batches on; what is wrong with the file is the user's to see, on one line."""
    try:
        yield from batches
    except pa.ArrowInvalid as error:
        hint = "; for another encoding, --encoding" if "UTF8" in str(error) else ""
        raise CommandError(f"{path}: {error}{hint}") from error


def _undecodable(path: Path, encoding: str, error: Exception) -> CommandError:
    if isinstance(error, LookupError):
        return CommandError(f"--encoding {encoding}: there is none of that name", code=2)
    return CommandError(
        f"{path}: not {encoding}; name its encoding with --encoding, such as latin1 or cp1252"
    )
