"""Codes of stored answers straight from the pages of a Parquet file: what `encode` makes of them, sooner.

Answers and levels are stored as dictionary indices. Only the dictionary's few entries are looked at
one by one; the indices become codes in C, and no Arrow array is made of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cxstream._native import ffi as _ffi
from cxstream._native import lib as _lib
from cxstream.columns.buckets import parse_edge
from cxstream.columns.codes import BucketCodes, ChoiceCodes, Codes, DimensionCodes
from cxstream.columns.encode import choice_codes, code_dtype, encode_answers, encode_dimension
from cxstream.columns.native import index_dtype
from cxstream.columns.stored import stored_schema
from cxstream.program import Program, Question

_held = threading.local()


def _scratch(size: int) -> NDArray[np.uint8]:
    """Return bytes that this thread uses again: fresh ones cost as much as what is done in them."""
    held: NDArray[np.uint8] | None = getattr(_held, "scratch", None)
    if held is None or len(held) < size:
        held = _held.scratch = np.empty(size, np.uint8)
    return held


_TYPES = {"INT32": pa.int32(), "BYTE_ARRAY": pa.string()}


class Pages:
    """What reads row groups of a program's files.

    Parameters
    ----------
    program : Program
        What `cxstream.columns.stored.reading` made of the program.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._kinds = {one.name: one.type for one in stored_schema(program)}
        #: The latest file's schema, and where columns stand by it: most files have the same.
        self._places: tuple[Any, dict[str, int]] = (None, {})

    def encode(
        self, data: bytes, metadata: Any, group: int, month: str | None
    ) -> tuple[Codes, Program]:
        """Encode the columns of a row group that lie in the file as `store.history` writes them.

        Parameters
        ----------
        data : bytes
            The file.
        metadata : pyarrow.parquet.FileMetaData
        group : int
            The row group.
        month : str or None
            Of all rows of the file.

        Returns
        -------
        Codes
            Of the columns that could be read.
        Program
            The others, for `cxstream.columns.encode`.

        Raises
        ------
        InvalidArgumentError
            As `cxstream.columns.encode`.
        """
        program = self._program
        chunks = metadata.row_group(group)
        rows = chunks.num_rows
        places = self._places_of(metadata.schema)

        def chunk(column: str) -> _Chunk | None:
            place = places.get(column)
            if place is None:
                return None
            return _Chunk.of(data, chunks.column(place), self._kinds[column], rows)

        codes = Codes(rows, {}, {}, {}, {}, None)
        questions, dimensions, time = (
            dict(program.questions),
            dict(program.dimensions),
            program.time,
        )
        for question in program.questions.values():
            one = chunk(question.columns[0]) if len(question.columns) == 1 else None
            if question.is_number or one is None:
                continue
            entries = encode_answers(one.entries, question)
            null = question.levels + len(question.missing)
            if question.multiple:
                many = one.lists(entries, question)
                if many is not None:
                    codes.choices[question.name] = many
                    del questions[question.name]
            else:
                found = one.codes(entries, null, code_dtype(question))
                if found is not None:
                    codes.scales[question.name] = found
                    del questions[question.name]
        for dimension in program.dimensions.values():
            one = chunk(dimension.column)
            if one is None:
                continue
            each = pa.array(np.arange(len(one.entries), dtype=np.int32))
            level = encode_dimension(pa.DictionaryArray.from_arrays(each, one.entries), dimension)
            found = one.codes(level.indices, 0, index_dtype(len(level.levels)))
            if found is not None:
                codes.dimensions[dimension.name] = DimensionCodes(level.levels, found)
                del dimensions[dimension.name]
        if time and time.unit == "month" and month is not None:
            bucket = np.array([parse_edge(f"{month}-01", unit="month", key=time.column)])
            codes = replace(codes, buckets=BucketCodes(bucket, np.ones(rows, index_dtype(1))))
            time = None
        return codes, replace(program, questions=questions, dimensions=dimensions, time=time)

    def _places_of(self, schema: Any) -> dict[str, int]:
        """Return where each column stands; a list is one column, too."""
        known, places = self._places
        if known is None or not known.equals(schema):
            places = {name: at for at, name in enumerate(schema.to_arrow_schema().names)}
            self._places = (schema, places)
        return places


def together(first: Codes, second: Codes, program: Program) -> Codes:
    """Return the codes of two sets of columns of the same rows, in the order of the program."""

    def ordered(a: dict[str, Any], b: dict[str, Any], names: Any) -> dict[str, Any]:
        return {name: a[name] if name in a else b[name] for name in names if name in a or name in b}

    return Codes(
        first.rows,
        ordered(first.scales, second.scales, program.questions),
        ordered(first.numbers, second.numbers, program.questions),
        ordered(first.choices, second.choices, program.questions),
        ordered(first.dimensions, second.dimensions, program.dimensions),
        first.buckets or second.buckets,
        second.weights,
    )


class _Chunk:
    """A column's values in a row group."""

    def __init__(
        self, chunk: Any, pages_at: int, entries: pa.Array, rows: int, values: int
    ) -> None:
        self._chunk = chunk
        self._pages_at = pages_at
        self._rows = rows
        self._values = values
        self.entries = entries

    @classmethod
    def of(cls, data: bytes, column: Any, kind: pa.DataType, rows: int) -> _Chunk | None:
        """Return a chunk, None where it is not laid out as expected."""
        start = column.dictionary_page_offset
        physical = _TYPES.get(column.physical_type)
        if column.compression != "UNCOMPRESSED" or start is None or physical is None:
            return None
        size = column.total_compressed_size
        if start < 0 or size < 0 or start + size > len(data):
            return None
        chunk = _ffi.from_buffer("uint8_t[]", data) + start
        place = _ffi.new("int64_t[4]")
        if _lib.cx_chunk_dictionary(chunk, size, place):
            return None
        at, length, count, pages_at = place
        held = memoryview(data)[start + at : start + at + length]
        if physical == pa.int32():
            if length != 4 * count:
                return None
            entries = pa.array(np.frombuffer(held, "<i4"))
        else:
            texts = list(_texts(held))
            if len(texts) != count:
                return None
            entries = pa.array(texts, pa.string())
        value = kind.value_type if pa.types.is_list(kind) else kind
        if pa.types.is_string(value) != (physical == pa.string()):
            return None
        return cls((chunk, size, data), pages_at, entries, rows, column.num_values)

    def codes(self, of_entries: NDArray[Any], null: int, dtype: Any) -> NDArray[Any] | None:
        """Return the code of every row; None where the pages are not laid out as expected."""
        out = np.empty(self._values, dtype)
        return out if self._decode(of_entries, null, out, None) == self._rows else None

    def lists(self, of_entries: NDArray[Any], question: Question) -> ChoiceCodes | None:
        """The same of a column of lists."""
        null = question.levels + len(question.missing)
        out = np.empty(self._values, np.uint16)
        offsets = np.empty(self._rows + 1, np.int64)
        count = self._decode(of_entries, null, out, offsets)
        return None if count is None else choice_codes(question, offsets, out[:count])

    def _decode(
        self,
        of_entries: NDArray[Any],
        null: int,
        out: NDArray[Any],
        offsets: NDArray[np.int64] | None,
    ) -> int | None:
        chunk, size, _ = self._chunk
        table = np.ascontiguousarray(of_entries, np.int32)
        scratch = _scratch(4 * (self._values + _lib.CX_PAGE_SPARE))
        count = _ffi.new("int64_t *")
        status = _lib.cx_chunk_codes(
            chunk,
            size,
            self._pages_at,
            self._values,
            _ffi.from_buffer("int32_t[]", table),
            len(table),
            null,
            out.itemsize,
            _ffi.from_buffer(out),
            self._rows,
            _ffi.NULL if offsets is None else _ffi.from_buffer("int64_t[]", offsets),
            _ffi.from_buffer("uint8_t[]", scratch),
            count,
        )
        return None if status else int(count[0])


def _texts(held: memoryview) -> Iterator[str]:
    """Yield the texts of a dictionary: each behind its length in four bytes."""
    at = 0
    while at + 4 <= len(held):
        end = at + 4 + int.from_bytes(held[at : at + 4], "little")
        yield bytes(held[at + 4 : end]).decode()
        at = end
