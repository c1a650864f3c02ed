"""Frames of any library -> the Arrow bytes of append messages.

A frame is whatever offers the Arrow C stream or C array interface, or a mapping of columns. It is
read as a stream: only the rows of the message being made are held. Types are brought to the few
the wire knows:

==========================================  ========================
in the frame                                on the wire
==========================================  ========================
text, large text, text view                 dictionary<int32, utf8>
their dictionaries                          the same, with indices of 8 or 16 bits where
                                            the frame's have no more
dictionary of something else                its values
large list, list view, fixed size list      list (text inside: utf8)
null                                        int8, all null
16-bit float                                float32
decimal of 32, 64 or 256 bits               decimal128
extension type                              its storage
run-end encoded                             its values
anything else                               as it is
==========================================  ========================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from isal import isal_zlib

from cxstream_client.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_MAX = 1 << 20
#: So few rows of text are encoded anew: it takes less time than to look at their dictionary.
SMALL_ROWS = 64
GLANCE_ROWS = 4096
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"

# pandas sends an index without a name under such a column; it is no answer of anybody.
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


@dataclass(frozen=True, slots=True)
class Body:
    """The Arrow part of one append message.

    Attributes
    ----------
    schema : bytes
        The IPC schema message the body goes with.
    rows : int
        Responses in it, at least 1.
    row_offset : int
        Where its first row stands in the frame it was cut from.
    arrow : bytes or memoryview
        Dictionary batches and one record batch, without compression and end-of-stream marker.
    crc32 : int
        CRC-32 of `arrow`.
    """

    schema: bytes
    rows: int
    row_offset: int
    arrow: bytes | memoryview
    crc32: int


def bodies(frame: object, *, bytes_target: int, bytes_max: int) -> Iterator[Body]:
    """Cut a frame into the bodies of append messages.

    Parameters
    ----------
    frame
        Anything with ``__arrow_c_stream__`` or ``__arrow_c_array__``, or a mapping of columns.
    bytes_target
        The size a body should have, in bytes.
    bytes_max
        The size no body may go beyond, in bytes.

    Yields
    ------
    Body
        In row order; none where the frame has no rows.

    Raises
    ------
    InvalidInput
        Where the object is no frame, a column name comes twice, or a single row is larger than
        `bytes_max`.

    Notes
    -----
    Missing values stay null. Batches smaller than the target are joined, larger ones cut.
    """
    reader = _reader(frame)
    cutter = _Cutter(_wire(reader.schema), bytes_target, bytes_max)
    for batch in reader:
        yield from cutter.take(batch)
    yield from cutter.rest()


def schema_message(schema: object) -> bytes:
    """Return the IPC schema message frames of this schema are sent under.

    Parameters
    ----------
    schema
        A ``pyarrow.Schema``, or anything with ``__arrow_c_schema__``.

    Raises
    ------
    InvalidInput
        Where it is no schema, or a column name comes twice.
    """
    import pyarrow as pa

    if not isinstance(schema, pa.Schema):
        if not hasattr(schema, "__arrow_c_schema__"):
            raise InvalidInput(
                f"schema: expected a pyarrow.Schema or an object with __arrow_c_schema__, "
                f"not {type(schema).__name__}",
                reason="WRONG_TYPE",
            )
        schema = pa.schema(schema)
    return _wire(schema).message


@dataclass(frozen=True, slots=True)
class _Wire:
    """How frames of a schema go over the wire.

    Attributes
    ----------
    columns : tuple of int
        The columns that are answers.
    as_is : tuple of bool
        Which of these have a type of the wire.
    schema : pa.Schema
        Theirs on the wire.
    text : tuple of bool
        Which of them are dictionaries of text there.
    message : bytes
        `schema` as an IPC message.
    width : float
        A guess of the bytes a row takes.
    """

    columns: tuple[int, ...]
    as_is: tuple[bool, ...]
    schema: pa.Schema
    text: tuple[bool, ...]
    message: bytes
    width: float


@lru_cache(64)
def _wire(schema: pa.Schema) -> _Wire:
    """Return how frames of a schema go over the wire; small frames of a schema are many."""
    from pyarrow import types

    columns = _kept_columns(schema)
    wire = _wire_schema(schema, columns)
    return _Wire(
        columns=tuple(columns),
        as_is=tuple(schema.types[i] == kind for i, kind in zip(columns, wire.types, strict=True)),
        schema=wire,
        text=tuple(map(types.is_dictionary, wire.types)),
        message=wire.serialize().to_pybytes(),
        width=sum(map(_width, wire.types)),
    )


class _Cutter:
    """Collects rows until they make a message of the wanted size."""

    def __init__(self, wire: _Wire, bytes_target: int, bytes_max: int) -> None:
        self._wire = wire
        self._bytes_target = min(bytes_target, bytes_max)
        self._bytes_max = bytes_max
        self._held: list[pa.RecordBatch] = []
        self._held_rows = 0
        self._row_offset = 0
        self._rows_wanted = _rows_for(self._bytes_target, wire.width)

    def take(self, batch: pa.RecordBatch) -> Iterator[Body]:
        position = 0
        while position < batch.num_rows:
            # Cut before anything is converted: a batch may be larger than memory allows twice.
            piece = batch.slice(position, self._rows_wanted - self._held_rows)
            normalised = _normalised(piece, self._wire)
            if self._held and not _can_join(self._held[-1], normalised, self._wire):
                yield from self.rest()
            self._held.append(normalised)
            self._held_rows += piece.num_rows
            position += piece.num_rows
            if self._held_rows >= self._rows_wanted:
                yield from self.rest()

    def rest(self) -> Iterator[Body]:
        if not self._held_rows:
            return
        joined = _joined(self._held)
        self._held, self._held_rows = [], 0
        yield from self._encoded(joined)

    def _encoded(self, batch: pa.RecordBatch) -> Iterator[Body]:
        arrow = _ipc_body(_encoded_text(batch, self._wire), self._wire.message)
        if len(arrow) > self._bytes_max:
            if batch.num_rows == 1:
                raise InvalidInput(
                    f"row {self._row_offset}: {len(arrow)} bytes in Arrow form, more than the "
                    f"{self._bytes_max} one message may have",
                    reason="ROW_TOO_LARGE",
                    details={"row": self._row_offset, "expected": f"<= {self._bytes_max} bytes"},
                )
            half = batch.num_rows // 2
            yield from self._encoded(batch.slice(0, half))
            yield from self._encoded(batch.slice(half))
            return
        # What this message took says how many rows the next one should have.
        self._rows_wanted = _rows_for(self._bytes_target, len(arrow) / batch.num_rows)
        body = Body(
            self._wire.message, batch.num_rows, self._row_offset, arrow, isal_zlib.crc32(arrow)
        )
        self._row_offset += batch.num_rows
        yield body


def _rows_for(bytes_target: int, bytes_per_row: float) -> int:
    return max(1, min(ROWS_MAX, int(bytes_target / max(bytes_per_row, 1e-3))))


def _reader(frame: object) -> pa.RecordBatchReader:
    import pyarrow as pa

    try:
        if hasattr(frame, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(frame)
        if hasattr(frame, "__arrow_c_array__"):
            batch = pa.record_batch(frame)
            return pa.RecordBatchReader.from_batches(batch.schema, [batch])
        if isinstance(frame, Mapping):
            return pa.table(dict(frame)).to_reader()
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InvalidInput(f"frame: {error}", reason="BAD_FRAME") from error
    raise InvalidInput(
        "frame: expected an object with __arrow_c_stream__ or __arrow_c_array__ (pyarrow, pandas, "
        f"polars, duckdb ...) or a mapping of columns, not {type(frame).__name__}",
        reason="BAD_FRAME",
    )


def _kept_columns(schema: pa.Schema) -> list[int]:
    """Return the positions of the columns that are answers."""
    kept = [
        position for position, name in enumerate(schema.names) if not _PANDAS_INDEX.fullmatch(name)
    ]
    seen: set[str] = set()
    for position in kept:
        name = schema.names[position]
        if name in seen:
            raise InvalidInput(
                f"frame: column {name!r} comes twice",
                reason="DUPLICATE_COLUMN",
                details={"column": name},
            )
        seen.add(name)
    if not kept:
        raise InvalidInput("frame: there are no columns", reason="BAD_FRAME")
    return kept


def _wire_schema(schema: pa.Schema, columns: Sequence[int]) -> pa.Schema:
    """Return the schema on the wire: known types, every column nullable, no metadata."""
    import pyarrow as pa

    return pa.schema([pa.field(schema.names[i], _wire_type(schema.types[i])) for i in columns])


def _wire_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    plain = _plain_type(kind)
    return pa.dictionary(_index_type(kind), pa.string()) if _is_text(plain) else plain


def _index_type(kind: pa.DataType) -> pa.DataType:
    """Return the indices that text of a type goes by: those it has where they are narrow."""
    import pyarrow as pa
    from pyarrow import types

    if isinstance(kind, pa.BaseExtensionType):
        return _index_type(kind.storage_type)
    narrow = types.is_dictionary(kind) and kind.index_type.bit_width < 32
    return kind.index_type if narrow else pa.int32()


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type a column is cast to before text is dictionary-encoded."""
    import pyarrow as pa
    from pyarrow import types

    if isinstance(kind, pa.BaseExtensionType):
        return _plain_type(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _plain_type(kind.value_type)
    if _is_text(kind):
        return pa.string()
    if _is_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if types.is_float16(kind):
        return pa.float32()
    if types.is_decimal(kind) and kind.bit_width != 128:
        return pa.decimal128(min(kind.precision, 38), kind.scale)
    return pa.int8() if types.is_null(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    from pyarrow import types

    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
        or types.is_fixed_size_list(kind)
    )


def _normalised(batch: pa.RecordBatch, wire: _Wire) -> pa.RecordBatch:
    """Return the batch with the types of the wire, text not yet encoded where it is not."""
    import pyarrow as pa

    arrays = [
        batch.column(place) if as_is else _normalised_array(batch.column(place))
        for place, as_is in zip(wire.columns, wire.as_is, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=wire.schema.names)


def _normalised_array(array: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    while isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if types.is_run_end_encoded(array.type):
        return _normalised_array(pc.run_end_decode(array))
    plain = _plain_type(array.type)
    if types.is_dictionary(array.type) and _is_text(plain):
        # Kept as a dictionary: the indices are most of the bytes and need no look-up.
        return _dictionary(
            array.indices.cast(_index_type(array.type)), array.dictionary.cast(plain)
        )
    if types.is_list_view(array.type) or types.is_large_list_view(array.type):
        array = _list_of_view(array)
    return array if array.type == plain else array.cast(plain)


def _list_of_view(array: pa.Array) -> pa.Array:
    """Return a list view as a list; pyarrow's own cast makes wrong offsets of a sliced one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.list_value_length(array).fill_null(0).cast(pa.int32())
    ends = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    return pa.ListArray.from_arrays(offsets, pc.list_flatten(array), mask=array.is_null())


def _dictionary(indices: pa.Array, values: pa.Array) -> pa.DictionaryArray:
    """Return a dictionary of indices that come from one: they are within it, and need no check."""
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(indices, values, safe=False)


def _can_join(held: pa.RecordBatch, batch: pa.RecordBatch, wire: _Wire) -> bool:
    """Whether narrow indices suffice for the values of both: those of one dictionary."""
    return all(
        kind.index_type.bit_width == 32 or mine.dictionary.equals(its.dictionary)
        for mine, its, kind, is_text in zip(
            held.columns, batch.columns, wire.schema.types, wire.text, strict=True
        )
        if is_text
    )


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa

    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def _encoded_text(batch: pa.RecordBatch, wire: _Wire) -> pa.RecordBatch:
    """Return the batch with all text as dictionaries that hold just the values in it."""
    import pyarrow as pa

    arrays = [
        _narrowed(_compacted(array), kind) if is_text else array
        for array, is_text, kind in zip(batch.columns, wire.text, wire.schema.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=wire.schema)


def _narrowed(array: pa.DictionaryArray, kind: pa.DictionaryType) -> pa.DictionaryArray:
    """Return a dictionary with the indices of the wire."""
    if array.type == kind:
        return array
    return _dictionary(array.indices.cast(kind.index_type), array.dictionary)


def _compacted(array: pa.Array) -> pa.DictionaryArray:
    """Return text as a dictionary that has each value in use once, and no null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not isinstance(array, pa.DictionaryArray):
        return array.dictionary_encode()
    values = array.dictionary
    if (
        len(array) <= SMALL_ROWS
        or values.null_count
        or pc.count_distinct(values).as_py() != len(values)
    ):
        return array.cast(pa.string()).dictionary_encode()
    # Mostly a glance tells that all are in use.
    used = pc.unique(array.indices[:GLANCE_ROWS]).drop_null()
    if len(used) < len(values):
        used = pc.unique(array.indices).drop_null()
    if len(used) == len(values):
        return array
    return _dictionary(pc.index_in(array.indices, used, skip_nulls=True), values.take(used))


def _ipc_body(batch: pa.RecordBatch, schema_bytes: bytes) -> memoryview:
    """Return the IPC messages of a batch without the schema message."""
    import pyarrow as pa

    def write(sink: pa.NativeFile) -> None:
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)

    # Measured first: a sink that grows copies everything twice.
    measured = pa.MockOutputStream()
    write(measured)
    buffer = pa.allocate_buffer(measured.size())
    write(pa.FixedSizeBufferWriter(buffer))
    stream = memoryview(buffer).cast("B")
    start = len(schema_bytes)
    if stream[:start] != schema_bytes:
        raise AssertionError("an IPC stream did not begin with its own schema message")
    end = len(stream) - len(END_OF_STREAM)
    return stream[start:] if stream[end:] != END_OF_STREAM else stream[start:end]


def _width(kind: Any) -> float:
    """Return a guess of the bytes one value takes, for the size of the first message."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return 4.0
    if _is_list(kind):
        return 4.0 + 2.0 * _width(kind.value_type)
    try:
        return float(kind.bit_width) / 8 + 0.125
    except ValueError:
        return 16.0
