"""Columns to the wire bytes of messages, all of a kind at once.

A message field by field costs a microsecond a field, and a view of thousands of regressions has
hundreds of thousands. Here every message is a row of words, and one kernel writes the bytes of all.
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from numpy.typing import NDArray

from cxstream.analytics.columns import Column, Columns, Words
from cxstream.kernels import messages as kernel

_LENGTH = 2  # the wire type of texts and messages

#: Returns the number of an enum's word.
NumberOf = Callable[[Any, str], int]
#: Bytes that are written at a time, at most, unless one message is longer.
_BYTES_MAX = 1 << 24


@dataclass(frozen=True, slots=True)
class Chosen:
    """A column of bytes: for each row, one of some."""

    texts: Sequence[bytes]
    which: Any


@dataclass(frozen=True, slots=True)
class _Field:
    """What of a field's description its bytes depend on."""

    tag: int
    kind: int
    rule: int
    enum: Any
    message: Any


@functools.cache
def _fields_of(descriptor: Any) -> Mapping[str, _Field]:
    return {one.name: _field_of(one) for one in descriptor.fields}


@functools.cache
def _field_of(one: FieldDescriptor) -> _Field:
    kind, wire, rule = kernel.VARINT, kernel.VARINT, kernel.UNLESS_ZERO
    if one.type == FieldDescriptor.TYPE_DOUBLE:
        kind, wire = kernel.FIXED_64, kernel.FIXED_64
    elif one.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE):
        kind, wire = kernel.TEXT, _LENGTH
    if one.has_presence or one.is_repeated:
        rule = kernel.UNLESS_NAN if kind == kernel.FIXED_64 else kernel.ALWAYS
    return _Field(one.number << 3 | wire, kind, rule, one.enum_type, one.message_type)


def encode(
    rows: FieldDescriptor,
    columns: Columns,
    more: Iterable[tuple[str, Column]],
    number_of: NumberOf,
) -> bytes:
    """Return the bytes of a repeated field of messages, one for each row of columns.

    Parameters
    ----------
    rows : FieldDescriptor
        The field that the messages are.
    columns : Columns
        Of shape (g,). Fields of the messages have the columns' names; others are left out.
    more : iterable of (name, column)
        Further fields of theirs, repeated ones again and again.
    number_of : function of (EnumDescriptor, word)
        What a word of an enum counts as.
    """
    (count,) = columns.shape
    made = _Table(count, number_of)
    made.message(_field_of(rows), columns, [*columns.fields.items(), *more])
    return made.to_bytes()


class _Table:
    """Rows of words, and the steps from them to bytes; see `kernels.messages`."""

    def __init__(self, count: int, number_of: NumberOf) -> None:
        self._count = count
        self._number_of = number_of
        self._steps: list[list[int]] = []
        #: Words that a row has once: where, and the column.
        self._single: list[tuple[int, Column]] = []
        #: Words of messages that a row has several of: where, how many, and the columns of one.
        self._several: list[tuple[int, int, list[Column]]] = []
        self._width = 0
        #: The columns of such messages, while their steps are made.
        self._inner: list[Column] | None = None
        self._texts: list[bytes] = []

    # --- steps ------------------------------------------------------------------------------------

    def message(self, of: _Field, held: Columns, fields: Iterable[tuple[str, Column]]) -> None:
        """Add a field of messages: one, or as many as `held` has, where it knows of them."""
        several = self._inner is None and len(held.shape) > 1
        if several:
            self._inner = []
        begin = len(self._steps)
        when = -1 if held.known is None else self._slot(held.known)
        self._steps.append([kernel.BEGIN, of.tag, 0, 0, when, kernel.ONCE])
        known = _fields_of(of.message)
        for name, column in fields:
            one = known.get(name)
            if one is None or column is None:
                continue
            if isinstance(column, Columns):
                self.message(one, column, column.fields.items())
            else:
                self._field(one, column)
        self._steps[begin][kernel.SLOT] = len(self._steps)
        self._steps.append([kernel.END, of.tag, begin, 0, when, kernel.ONCE])
        if several:
            self._place(held.shape[1], self._steps[begin:])

    def _place(self, count: int, steps: list[list[int]]) -> None:
        """Say where the words are of messages that a row has several of."""
        columns = self._inner or []
        self._inner = None
        for step in steps:
            step[kernel.STRIDE] = len(columns)
            if step[kernel.KIND] < kernel.BEGIN:
                step[kernel.SLOT] += self._width
            if step[kernel.WHEN] >= 0:
                step[kernel.WHEN] += self._width
        steps[0][kernel.RULE] = steps[-1][kernel.RULE] = count
        self._several.append((self._width, count, columns))
        self._width += count * len(columns)

    def _field(self, of: _Field, column: Column) -> None:
        kind, when = of.kind, -1
        if isinstance(column, Chosen):
            column = self._numbers(column.texts, column.which)
        elif isinstance(column, str):
            column = self._word(of, column)
        elif isinstance(column, Words):
            words = [self._word(of, word) for word in column.words]
            column = np.array(words, dtype=np.int64)[column.which]
        elif kind == kernel.TEXT or of.enum is not None:
            texts = np.asarray(column, dtype=object)
            places: dict[str | None, int] = {}
            which = [places.setdefault(word, len(places)) for word in texts.ravel().tolist()]
            words = [self._word(of, word) for word in places]
            column = np.array(words, dtype=np.int64)[which].reshape(texts.shape)
        elif isinstance(column, np.ma.MaskedArray):
            when = self._slot(~np.ma.getmaskarray(column))
            column = np.ma.getdata(column)
        if kind == kernel.FIXED_64:
            column = np.asarray(column, dtype=np.float64)
        self._steps.append([kind, of.tag, self._slot(column), 0, when, of.rule])

    def _word(self, of: _Field, word: str | None) -> int:
        """Return what stands for a word: the number of a text, or of an enum's value."""
        if of.enum is not None:
            # What has no word is the number that is never sent.
            return 0 if word is None else self._number_of(of.enum, word)
        self._texts.append((word or "").encode())
        return len(self._texts) - 1

    def _numbers(self, texts: Sequence[bytes], which: Any) -> Any:
        first = len(self._texts)
        self._texts.extend(texts)
        return which + first

    def _slot(self, column: Column) -> int:
        """Return where the words of a column are, of messages of which there are several among theirs."""
        if self._inner is not None:
            self._inner.append(column)
            return len(self._inner) - 1
        self._single.append((self._width, column))
        self._width += 1
        return self._width - 1

    # --- bytes ------------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return the bytes of all rows, one after the other."""
        steps, words = np.array(self._steps, dtype=np.int64), self._words()
        texts = np.frombuffer(b"".join(self._texts), dtype=np.uint8)
        starts = np.array([0, *itertools.accumulate(map(len, self._texts))], dtype=np.int64)
        size = self._row_bytes_max()
        rows = max(1, min(self._count, _BYTES_MAX // size))
        out = np.empty(rows * size, dtype=np.uint8)
        parts = []
        for first in range(0, self._count, rows):
            some = words[first : first + rows]
            begin = kernel.encode_messages(steps, some, texts, starts, out)
            parts.append(out[begin:].tobytes())
        return b"".join(parts)

    def _words(self) -> NDArray[np.int64]:
        words = np.empty((self._count, self._width), dtype=np.int64)
        for place, column in self._single:
            _fill(words[:, place], column)
        for place, count, columns in self._several:
            stride = len(columns)
            block = words[:, place : place + count * stride].reshape(self._count, count, stride)
            for at, column in enumerate(columns):
                _fill(block[:, :, at], column)
        return words

    def _row_bytes_max(self) -> int:
        """Return how long a row's message is at most."""
        longest = max(map(len, self._texts), default=0)
        times, size = 1, 0
        for step in self._steps:
            kind, several = step[kernel.KIND], step[kernel.RULE]
            if kind >= kernel.BEGIN and several != kernel.ONCE:
                times = several if kind == kernel.BEGIN else 1
            size += times * (2 * kernel.VARINT_BYTES_MAX + (longest if kind == kernel.TEXT else 0))
        return size


def _fill(words: NDArray[np.int64], column: Column) -> None:
    """Write a column, or one value for all, as words: floats by their bits."""
    given = np.asarray(column)
    if given.dtype.kind == "f":
        words.view(np.float64)[...] = given
    else:
        words[...] = given
