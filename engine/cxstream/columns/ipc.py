"""Arrow IPC bytes from the wire -> a validated record batch.

What a client sends is not trusted: sizes are checked against the message before Arrow sees them,
compressed bodies are refused, and the batch is validated in full (see `read_batch`).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from cxstream.columns.native import Violation, used_places
from cxstream.errors import InvalidArgumentError

_UINT8, UINT16, UINT32, INT32, _INT64 = map(struct.Struct, ("<B", "<H", "<I", "<i", "<q"))
_PREFIX = struct.Struct("<Ii")
_CONTINUATION = 0xFFFFFFFF
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_SCHEMA, DICTIONARY, RECORD_BATCH = 1, 2, 3
#: Bits of a boolean column are the densest rows there are; this bounds what they unpack to.
ROWS_MAX = 4_194_304
#: All that pyarrow raises of malformed bytes; StopIteration where it finds an end of stream.
ARROW_ERRORS = (
    pa.ArrowException, ValueError, OSError, LookupError, OverflowError, TypeError, StopIteration,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class IpcMessage:
    """One encapsulated IPC message: its kind, rows and where it stands in the bytes.

    `dictionary` is the id of a dictionary that stands for itself, None for one that adds to another.
    """

    kind: int
    rows: int
    start: int
    end: int
    dictionary: int | None = None


def _malformed(message: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        "MALFORMED_ARROW",
        f"the Arrow body is malformed: {message}",
        expected="IPC dictionary batches, then one record batch",
    )


class Flat:
    """The few reads of a flatbuffer that are needed, each checked against the bytes' end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._size = len(data)

    def read(self, form: struct.Struct, at: int) -> int:
        """Return a number."""
        if at < 0 or at + form.size > self._size:
            raise _malformed("a message's metadata points outside of it")
        value: int = form.unpack_from(self.data, at)[0]
        return value

    def fields(self, table: int, *numbers: int) -> list[int]:
        """Return where a table's fields stand, 0 where one is absent."""
        vtable = table - self.read(INT32, table)
        size = self.read(UINT16, vtable)
        return [
            table + offset
            if 6 + 2 * number <= size and (offset := self.read(UINT16, vtable + 4 + 2 * number))
            else 0
            for number in numbers
        ]

    def table(self, at: int) -> int:
        """Return where what an offset points at begins."""
        return at + self.read(UINT32, at)


@dataclass(frozen=True, slots=True)
class _Header:
    """What a message's metadata says: its kind, the length of its body, its rows, which dictionary."""

    kind: int
    length: int
    rows: int
    dictionary: int | None = None


def _header(metadata: bytes) -> _Header:
    """Read a message's metadata.

    Field numbers are those of Arrow's Message.fbs.
    """
    flat = Flat(metadata)
    root = flat.table(0)
    kind_at, header_at, length_at = flat.fields(root, 1, 2, 3)
    kind = flat.read(_UINT8, kind_at) if kind_at else 0
    length = flat.read(_INT64, length_at) if length_at else 0
    if kind not in (DICTIONARY, RECORD_BATCH):
        return _Header(kind, length, 0)
    if not header_at:
        raise _malformed("a message without a header")
    header = flat.table(header_at)
    dictionary = None
    if kind == DICTIONARY:
        id_at, data_at, delta_at = flat.fields(header, 0, 1, 2)
        if not data_at:
            raise _malformed("a dictionary without values")
        if not (delta_at and flat.read(_UINT8, delta_at)):
            dictionary = flat.read(_INT64, id_at) if id_at else 0
        header = flat.table(data_at)
    rows_at, compression_at = flat.fields(header, 0, 3)
    rows = flat.read(_INT64, rows_at) if rows_at else 0
    if rows < 0 or rows > ROWS_MAX:
        raise InvalidArgumentError(
            "TOO_MANY_ROWS",
            f"a batch of {rows} rows; at most {ROWS_MAX} are accepted",
            expected=f"at most {ROWS_MAX} rows",
        )
    if compression_at:
        raise InvalidArgumentError(
            "COMPRESSED_BODY",
            "the Arrow body is compressed; send it uncompressed (the transport may compress)",
            expected="an uncompressed record batch",
        )
    return _Header(kind, length, rows, dictionary)


#: Batches of a stream look alike: the same few metadata come again and again.
_known_header = lru_cache(1024)(_header)
_KNOWN_BYTES_MAX = 4096
#: Fewer rows are validated by Arrow alone.
_SMALL_ROWS = 1024


def messages_of(body: memoryview) -> Iterator[IpcMessage]:
    """Walk over encapsulated messages.

    The layout is that of https://arrow.apache.org/docs/format/Columnar.html, section
    "Encapsulated message format".
    """
    at, end = 0, len(body)
    while at < end:
        if end - at < 8:
            raise _malformed(f"{end - at} stray bytes at its end")
        continuation, size = _PREFIX.unpack_from(body, at)
        if continuation != _CONTINUATION:
            raise _malformed(f"no message starts at byte {at}")
        if size == 0:
            if at + 8 != end:
                raise _malformed("there are bytes behind the end of the stream")
            return
        if size < 0 or size > end - at - 8:
            raise _malformed("truncated within a message's metadata")
        metadata = bytes(body[at + 8 : at + 8 + size])
        header = _known_header(metadata) if size <= _KNOWN_BYTES_MAX else _header(metadata)
        stop = at + 8 + size + header.length
        if header.length < 0 or stop > end:
            raise _malformed("truncated within a message's body")
        yield IpcMessage(header.kind, header.rows, at, stop, header.dictionary)
        at = stop


def read_schema(data: bytes) -> pa.Schema:
    """Read an IPC schema message (an end-of-stream marker may follow).

    Raises
    ------
    InvalidArgumentError
        ``MALFORMED_SCHEMA``.
    """
    try:
        messages = list(messages_of(memoryview(data)))
        if [one.kind for one in messages] != [_SCHEMA]:
            raise _malformed("it is not one schema message")
        schema = pa.ipc.read_schema(pa.py_buffer(data))
        # Names and zones may be no UTF-8: that shows where they are first looked at.
        for field in schema:
            _ = field.name, getattr(field.type, "tz", None)
    except (*ARROW_ERRORS, InvalidArgumentError, struct.error) as error:
        raise InvalidArgumentError(
            "MALFORMED_SCHEMA",
            f"arrow_schema is not an Arrow IPC schema message: {error}",
            expected="one IPC schema message",
        ) from error
    return schema


def end_of_schema(data: bytes) -> int:
    """Return where a schema message that `read_schema` took ends; Arrow would stop behind it."""
    return 8 + int(struct.unpack_from("<i", data, 4)[0])


def read_batch(body: bytes | memoryview, schema_bytes: bytes, rows: int) -> pa.RecordBatch:
    """Read and fully validate one record batch.

    Parameters
    ----------
    body : bytes or memoryview
        Dictionary batches, then one record batch.
    schema_bytes : bytes
        The IPC schema message that the stream was opened with.
    rows : int
        The rows the client says there are.

    Returns
    -------
    pa.RecordBatch
        Zero-copy over `body` where it has no dictionaries.

    Raises
    ------
    InvalidArgumentError
        ``MALFORMED_ARROW``, ``COMPRESSED_BODY``, ``TOO_MANY_ROWS``, ``ROWS_DIFFER`` or
        ``EMPTY_BATCH``.
    """
    messages = _batch_messages(body, rows)
    try:
        # Bytes begin at a multiple of 16, messages at one of 8: Arrow reads values in place.
        schema_bytes = schema_bytes[: end_of_schema(schema_bytes)]
        whole = b"".join((schema_bytes, memoryview(body)[: messages[-1].end], END_OF_STREAM))
        with pa.ipc.open_stream(pa.py_buffer(whole)) as reader:
            batch = reader.read_next_batch()
        _validate(batch)
    except (*ARROW_ERRORS, Violation) as error:
        raise _malformed(str(error).splitlines()[0] if str(error) else repr(error)) from error
    if batch.num_rows != rows:
        raise _malformed("its row counts differ")
    return batch


def read_together(
    bodies: Sequence[bytes | memoryview], schema_bytes: bytes, rows: Sequence[int]
) -> list[pa.RecordBatch]:
    """Read and fully validate several batches of one schema, as `read_batch` does each.

    Of a small batch, to open it takes Arrow three times as long as all else: here it opens all as one
    stream, where each brings all of its dictionaries.

    Raises
    ------
    InvalidArgumentError
        As `read_batch` of the first that is wrong.
    """
    if len(bodies) > 1:
        with contextlib.suppress(*ARROW_ERRORS, Violation, InvalidArgumentError):
            return _read_as_stream(bodies, schema_bytes, rows)
    return [read_batch(body, schema_bytes, count) for body, count in zip(bodies, rows, strict=True)]


def _read_as_stream(
    bodies: Sequence[bytes | memoryview], schema_bytes: bytes, rows: Sequence[int]
) -> list[pa.RecordBatch]:
    parts: list[bytes | memoryview] = [schema_bytes[: end_of_schema(schema_bytes)]]
    first: list[int | None] | None = None
    for body, count in zip(bodies, rows, strict=True):
        *before, last = _batch_messages(body, count)
        dictionaries = [one.dictionary for one in before]
        # What a batch leaves out, Arrow would take from the one before.
        if first is None:
            first = dictionaries
        if dictionaries != first or None in first or len(set(first)) < len(first) or last.end % 8:
            raise ValueError("batches that do not stand for themselves")
        parts.append(memoryview(body)[: last.end])
    parts.append(END_OF_STREAM)
    out = []
    with pa.ipc.open_stream(pa.py_buffer(b"".join(parts))) as reader:
        for count in rows:
            batch = reader.read_next_batch()
            _validate(batch)
            if batch.num_rows != count:
                raise ValueError("row counts differ")
            out.append(batch)
    return out


def _batch_messages(body: bytes | memoryview, rows: int) -> list[IpcMessage]:
    """Return the messages of a body: those of dictionaries, then one of so many rows."""
    if rows < 1:
        raise InvalidArgumentError(
            "EMPTY_BATCH", f"the request says {rows} rows", expected="at least one row"
        )
    try:
        messages = list(messages_of(memoryview(body)))
    except (struct.error, RecursionError) as error:
        raise _malformed(str(error)) from error
    kinds = [one.kind for one in messages]
    if not kinds or kinds[-1] != RECORD_BATCH or set(kinds[:-1]) - {DICTIONARY}:
        raise _malformed("it is not dictionary batches followed by one record batch")
    batch_message = messages[-1]
    if batch_message.rows != rows:
        raise InvalidArgumentError(
            "ROWS_DIFFER",
            f"the request says {rows} rows, the Arrow body has {batch_message.rows}",
            expected=f"rows = {batch_message.rows}",
        )
    return messages


def _validate(batch: pa.RecordBatch) -> None:
    """Check a batch as `RecordBatch.validate(full=True)` does; indices of dictionaries by our own kernel.

    Arrow looks at those one by one, which takes as long as all encoding of a large batch; a call for
    each column takes longer than all of a small one.
    """
    if batch.num_rows < _SMALL_ROWS:
        batch.validate(full=True)
        return
    batch.validate()
    coded = [place for place, kind in enumerate(batch.schema.types) if pa.types.is_dictionary(kind)]
    for place in coded:
        column = batch.column(place)
        column.dictionary.validate(full=True)
        used_places(column.indices, len(column.dictionary))
    # All others by one call.
    others = [place for place in range(batch.num_columns) if place not in coded]
    batch.select(others).validate(full=True)


def joined(batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Return validated batches of one schema as one batch, or as they are where they cannot be.

    Arrow joins no dictionaries that hold a null, or more values together than their indices reach.
    """
    if len(batches) > 1:
        with contextlib.suppress(*ARROW_ERRORS):
            return pa.Table.from_batches(batches).combine_chunks().to_batches()  # type: ignore[no-any-return]
    return list(batches)


def write_batch(batch: pa.RecordBatch) -> tuple[bytes, bytes]:
    """Return a batch's IPC schema message, and its dictionary batches and record batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data = bytes(sink.getvalue())
    end = end_of_schema(data)
    return data[:end], data[end:]


def warm_arrow() -> None:
    """Make pyarrow load what it loads on first use (pandas, where it is there: up to seconds)."""
    pc.dictionary_encode(pa.array(["", None]))
