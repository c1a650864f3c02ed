"""Columns to the wire bytes of messages, all of a kind at once.

A message field by field costs a microsecond a field, and a view of thousands of regressions has
hundreds of thousands. Here every message is a row of a table of bytes, as wide as the longest, beside
which stands which of the bytes are there; a field is some columns of it.
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from numpy.typing import NDArray

from cxstream.analytics.columns import Column, Columns

_VARINT, _FIXED_64, _LENGTH = 0, 1, 2

#: Returns the number of an enum's word.
NumberOf = Callable[[Any, str], int]


@dataclass(frozen=True, slots=True)
class Cells:
    """Bytes of m things, each in a row: those of `table` where `kept` is true.

    Attributes
    ----------
    table : uint8 array, shape (m, width)
    kept : bool array, shape (m, width)
    """

    table: NDArray[np.uint8]
    kept: NDArray[np.bool_]

    def to_bytes(self) -> bytes:
        """Return the bytes of all, one after the other."""
        return self.table[self.kept].tobytes()

    def where(self, known: NDArray[np.bool_] | None) -> Cells:
        """Return these where there is something, nothing elsewhere."""
        return self if known is None else Cells(self.table, self.kept & known[:, None])

    def side_by_side(self, count: int) -> Cells:
        """Return every `count` rows as one."""
        rows, width = len(self.table) // count, self.table.shape[1] * count
        return Cells(self.table.reshape(rows, width), self.kept.reshape(rows, width))


def joined(cells: Sequence[Cells]) -> Cells:
    """Return things that consist of others, in that order; at least one."""
    return Cells(
        np.concatenate([one.table for one in cells], axis=1),
        np.concatenate([one.kept for one in cells], axis=1),
    )


def nested(field: FieldDescriptor, inner: Cells) -> Cells:
    """Return messages as a field of others."""
    length = _varint(np.count_nonzero(inner.kept, axis=1).astype(np.uint64))
    return joined([_tag(field, _LENGTH, len(inner.table)), length, inner])


def chosen(field: FieldDescriptor, texts: Sequence[bytes], which: NDArray[np.intp]) -> Cells:
    """Return a field of bytes: for each row, one of some."""
    width = max(map(len, texts), default=0)
    table = np.zeros((len(texts), width), dtype=np.uint8)
    for row, text in zip(table, texts, strict=True):
        row[: len(text)] = np.frombuffer(text, dtype=np.uint8)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    whole = nested(field, Cells(table, np.arange(width) < lengths[:, None]))
    return Cells(whole.table[which], whole.kept[which])


def encode(descriptor: Any, columns: Columns, number_of: NumberOf) -> Cells:
    """Return the bytes of messages whose fields have the names of the columns; others are left out.

    Parameters
    ----------
    descriptor : Descriptor
        Of the message.
    columns : Columns
        m results, whatever their shape.
    number_of : function of (EnumDescriptor, word)
        What a word of an enum counts as.
    """
    known = descriptor.fields_by_name
    cells = [
        encode_field(known[name], column, columns.shape, number_of)
        for name, column in columns.fields.items()
        if name in known and column is not None
    ]
    return joined(cells)


def encode_field(
    field: FieldDescriptor, column: Column, shape: tuple[int, ...], number_of: NumberOf
) -> Cells:
    """Return the bytes of one field of messages; see `encode`."""
    count = math.prod(shape)
    if isinstance(column, Columns):
        inner = nested(field, encode(field.message_type, column, number_of))
        inner = inner.where(None if column.known is None else column.known.ravel())
        return inner if column.shape == shape else inner.side_by_side(column.shape[-1])
    texts = np.asarray(column, dtype=object if isinstance(column, str | list | tuple) else None)
    if texts.dtype == object:
        places: dict[str | None, int] = {}
        words = texts.ravel().tolist()
        codes = np.array([places.setdefault(word, len(places)) for word in words], dtype=np.intp)
        which = np.broadcast_to(codes.reshape(texts.shape), shape).ravel()
        if field.enum_type is None:
            return chosen(field, [(word or "").encode() for word in places], which)
        # What has no word is the number that is never sent.
        numbers = [0 if one is None else number_of(field.enum_type, one) for one in places]
        return _integers(field, np.array(numbers, dtype=np.int64)[which])
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        values = np.broadcast_to(np.asarray(column, dtype="<f8"), shape).ravel()
        table = values.view(np.uint8).reshape(count, 8)
        whole = joined([_tag(field, _FIXED_64, count), Cells(table, np.ones_like(table, np.bool_))])
        return whole.where(~np.isnan(values) if field.has_presence else None)
    masked = np.ma.getmaskarray(column) if isinstance(column, np.ma.MaskedArray) else None
    whole = _integers(field, np.broadcast_to(np.ma.getdata(column), shape).ravel())
    return whole.where(None if masked is None else ~masked.ravel())


def _integers(field: FieldDescriptor, values: NDArray[Any]) -> Cells:
    varint = _varint(values.astype(np.int64).view(np.uint64))
    return joined([_tag(field, _VARINT, len(values)), varint])


def _tag(field: FieldDescriptor, kind: int, count: int) -> Cells:
    one = _varint(np.array([field.number << 3 | kind], dtype=np.uint64))
    shape = count, one.table.shape[1]
    return Cells(np.broadcast_to(one.table, shape), np.broadcast_to(one.kept, shape))


def _varint(values: NDArray[np.uint64]) -> Cells:
    """Return whole numbers by sevens of bits, the lowest first; all but the last have the top bit."""
    width = max(1, -(-int(values.max(initial=0)).bit_length() // 7))
    shifts = np.arange(width, dtype=np.uint64) * np.uint64(7)
    rest = values[:, None] >> shifts
    kept = rest != 0
    kept[:, 0] = True
    table = (rest & np.uint64(0x7F)).astype(np.uint8)
    table[:, :-1] |= kept[:, 1:].astype(np.uint8) << 7
    return Cells(table, kept)
