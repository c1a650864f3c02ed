"""Large batches from the bytes of their message to codes by one native call, without Arrow.

Arrow looks at every part of a batch once to validate it; encoding looks again. Here both happen as the
codes are made. What is taken is less than Arrow takes: a record batch whose metadata differs in
numbers only from one that Arrow read before (`frame`), after dictionaries that Arrow reads, each
number checked as Arrow does. For anything else `read_batch` and `encode` have the word, and also for
what is wrong with a batch.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pat
from numpy.typing import NDArray

from cxstream._native import ffi, lib
from cxstream.columns.codes import BucketCodes, ChoiceCodes, Codes, DimensionCodes
from cxstream.columns.encode import (
    LEVEL_BYTES_MAX,
    Meaning,
    is_plain,
    lut_of,
    meaning_of,
    number_levels,
)
from cxstream.columns.frame import Frame, frame_of
from cxstream.columns.ipc import (
    ARROW_ERRORS,
    DICTIONARY,
    END_OF_STREAM,
    INT32,
    RECORD_BATCH,
    ROWS_MAX,
    end_of_schema,
    messages_of,
    write_batch,
)
from cxstream.columns.native import index_dtype, time_job, value_tag
from cxstream.columns.schema import is_text
from cxstream.errors import CxError
from cxstream.program import Dimension, Program, Question

#: Dictionaries and shapes of metadata that are remembered of a stream: a stream has one of each, mostly.
_KNOWN_MAX = 4
#: Dictionaries of more bytes are not: Arrow reads them with their batch.
_DICTIONARIES_BYTES_MAX = 2**17
#: Before a message's metadata.
_PREFIX_BYTES = 8
#: Codes begin at a multiple of it.
_ALIGNED = 64
#: As `index_dtype` has them.
_CODE_DTYPES = {1: np.uint8, 2: np.uint16, 4: np.int32}
#: So much room is kept for what comes next, of all streams together.
_IDLE_BYTES_MAX = 2**26


class Direct:
    """Encodes the large batches of one stream.

    Parameters
    ----------
    schema : pyarrow.Schema
        That passed `check_schema`.
    schema_bytes : bytes
        The same as an IPC message.
    program : Program

    Notes
    -----
    For one thread at a time.
    """

    def __init__(self, schema: pa.Schema, schema_bytes: bytes, program: Program) -> None:
        self._schema_bytes = schema_bytes[: end_of_schema(schema_bytes)]
        self._schema = schema
        self._program = program
        self._steps = _steps_of(schema, program)
        self._layouts = [one for kind in schema.types if (one := _layout_of(kind))]
        lists = sum(layout != lib.CX_VALUES for layout, _ in self._layouts)
        self._nodes = len(schema) + lists
        self._buffers = 2 * self._nodes
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._known: OrderedDict[bytes, _Encoder] = OrderedDict()
        self._latest: _Encoder | None = None
        self._empty = b""
        if self._steps is not None:
            self._empty = _empty_batch(schema)

    def encode(self, body: bytes | memoryview, rows: int) -> Codes | None:
        """Encode a batch of so many rows; None where that is not for this way."""
        if self._steps is None or not 0 < rows <= ROWS_MAX:
            return None
        encoder = self._encoder(body)
        if encoder is None:
            return None
        size_at = encoder.start + _PREFIX_BYTES - INT32.size
        if size_at + INT32.size > len(body):
            return None
        frame = self._frames.get(INT32.unpack_from(body, size_at)[0])
        return None if frame is None else encoder.encode(body, rows, frame)

    @staticmethod
    def take_back(codes: Codes) -> None:
        """Let the arrays of codes that nobody needs any more be filled again; of any codes."""
        room = codes.places.pop(_Room, None)
        if room is not None:
            room.codes = codes
            _ROOMS.give_back(room)

    def learn(self, body: bytes | memoryview) -> None:
        """Remember the shape of a batch that `read_batch` took."""
        if self._steps is None:
            return
        *_, last = messages_of(memoryview(body))
        size = INT32.unpack_from(body, last.start + _PREFIX_BYTES - INT32.size)[0]
        begin = last.start + _PREFIX_BYTES
        with contextlib.suppress(CxError):
            frame = frame_of(bytes(body[begin : begin + size]), self._nodes, self._buffers)
            if frame is not None:
                _remember(self._frames, size, frame)

    def _encoder(self, body: bytes | memoryview) -> _Encoder | None:
        """Return what encodes batches with a body's dictionaries."""
        latest = self._latest
        if latest is not None and bytes(body[: latest.start]) == latest.dictionaries:
            return latest
        try:
            *before, last = messages_of(memoryview(body))
            if last.kind != RECORD_BATCH or any(one.kind != DICTIONARY for one in before):
                return None
            if last.start > _DICTIONARIES_BYTES_MAX:
                return None
            dictionaries = bytes(body[: last.start])
            encoder = self._known.get(dictionaries)
            if encoder is None:
                encoder = self._read(dictionaries)
                _remember(self._known, dictionaries, encoder)
        except (*ARROW_ERRORS, CxError, struct.error, RecursionError):
            return None
        self._latest = encoder
        return encoder

    def _read(self, dictionaries: bytes) -> _Encoder:
        """Let Arrow read dictionaries, as those of a batch without rows."""
        whole = b"".join((self._schema_bytes, dictionaries, self._empty, END_OF_STREAM))
        with pa.ipc.open_stream(pa.py_buffer(whole)) as reader:
            batch = reader.read_next_batch()
        entries = {}
        for place, kind in enumerate(self._schema.types):
            if pat.is_dictionary(kind):
                dictionary = batch.column(place).dictionary
                dictionary.validate(full=True)
                entries[place] = dictionary.to_pylist()
        assert self._steps is not None
        return _Encoder(dictionaries, self._layouts, self._steps, entries)


def _remember(known: OrderedDict[Any, Any], key: object, value: object) -> None:
    known[key] = value
    if len(known) > _KNOWN_MAX:
        known.popitem(last=False)


def _empty_batch(schema: pa.Schema) -> bytes:
    """Return the record batch message of a batch without rows."""
    arrays = [pa.array([], kind) for kind in schema.types]
    _, body = write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    *_, last = messages_of(memoryview(body))
    return body[last.start : last.end]


# --- what becomes of a column ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Step:
    """What is encoded from which field, and as what."""

    kind: int
    field: int
    question: Question | None = None
    dimension: Dimension | None = None
    time: tuple[int, int] = (0, 0)


def _steps_of(schema: pa.Schema, program: Program) -> list[_Step] | None:
    """Return what is to be done; None where a column is for Arrow."""
    kinds = dict(zip(schema.names, schema.types, strict=True))
    places = {name: place for place, name in enumerate(schema.names)}
    if program.weight or any(_layout_of(kind) is None for kind in schema.types):
        return None
    steps = []
    for question in program.questions.values():
        name = question.columns[0]
        step = _question_step(question, kinds[name], places[name])
        if step is None:
            return None
        steps.append(step)
    for one in program.dimensions.values():
        if not pat.is_dictionary(kinds[one.column]):
            return None
        steps.append(_Step(lib.CX_JOB_LEVELS, places[one.column], dimension=one))
    if program.time:
        kind = kinds[program.time.column]
        if getattr(kind, "tz", None) is not None and program.time.timezone != "UTC":
            return None
        steps.append(
            _Step(
                lib.CX_JOB_TIMES,
                places[program.time.column],
                time=time_job(kind, program.time.unit),
            )
        )
    # Of a dictionary every index is looked at when it is encoded, else by Arrow.
    encoded = {step.field for step in steps}
    if any(pat.is_dictionary(kinds[name]) and places[name] not in encoded for name in kinds):
        return None
    return steps


def _question_step(question: Question, kind: pa.DataType, place: int) -> _Step | None:
    if question.multiple:
        if len(question.columns) > 1 or not _has_table(question):
            return None
        return _Step(lib.CX_JOB_SETS, place, question)
    if pat.is_nested(kind):
        return None
    if question.is_number:
        return None if pat.is_boolean(kind) else _Step(lib.CX_JOB_NUMBER, place, question)
    if is_plain(kind, question):
        return _Step(lib.CX_JOB_SCALE, place, question)
    if pat.is_dictionary(kind) and is_text(kind):
        return _Step(lib.CX_JOB_LUT, place, question)
    if question.is_choice and pat.is_integer(kind) and _has_table(question):
        return _Step(lib.CX_JOB_LUT, place, question)
    return None


def _has_table(question: Question) -> bool:
    """Whether a table tells the code of every option that is a whole number."""
    return not question.values and meaning_of(question).option_codes is not None


def _layout_of(kind: pa.DataType) -> tuple[int, int] | None:
    """Return how a column of a type lies in its batch, and its values' tag; None for other types."""
    if kind.id == pa.lib.Type_DICTIONARY:
        tag = value_tag(kind.index_type)
        return None if tag is None or not is_text(kind) else (lib.CX_VALUES, tag)
    if kind.id in (pa.lib.Type_LIST, pa.lib.Type_LARGE_LIST):
        tag = value_tag(kind.value_type)
        layout = lib.CX_LIST32 if kind.id == pa.lib.Type_LIST else lib.CX_LIST64
        return None if tag is None or not pat.is_integer(kind.value_type) else (layout, tag)
    # Arrow checks that a date64 is whole days.
    tag = None if pat.is_date64(kind) else value_tag(kind)
    return None if tag is None else (lib.CX_VALUES, tag)


# --- where codes go -------------------------------------------------------------------------------


class _Room:
    """Memory for the codes of so many rows; it is filled again and again.

    Fresh memory costs more than filling it, and so does telling everybody once more where codes stand.

    Attributes
    ----------
    encoder : _Encoder
    rows : int
    sizes : list of int
        Bytes of each step.
    out : (bytes,) uint8
    native : cdata
        Its address.
    codes : Codes or None
        What was in it, and will be again if the same is `found`; none while somebody has them.
    found : bytes
        What levels and buckets the codes are of.
    """

    __slots__ = ("codes", "encoder", "found", "native", "out", "rows", "sizes")

    def __init__(self, encoder: _Encoder, rows: int, sizes: list[int]) -> None:
        self.encoder = encoder
        self.rows = rows
        self.sizes = sizes
        self.out = np.empty(sum(sizes), dtype=np.uint8)
        self.native = ffi.from_buffer("uint8_t[]", self.out)
        self.codes: Codes | None = None
        self.found = b""


class _Rooms:
    """The rooms that wait to be filled again: the latest of all streams."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Room] = []
        self._bytes = 0

    def take(self, encoder: _Encoder, rows: int) -> _Room | None:
        """Return one of an encoder for so many rows."""
        with self._lock:
            for place in range(len(self._idle) - 1, -1, -1):
                room = self._idle[place]
                if room.encoder is encoder and room.rows == rows:
                    del self._idle[place]
                    self._bytes -= room.out.nbytes
                    return room
        return None

    def give_back(self, room: _Room) -> None:
        """Keep a room, in place of those that have waited longest."""
        with self._lock:
            self._idle.append(room)
            self._bytes += room.out.nbytes
            while self._bytes > _IDLE_BYTES_MAX:
                self._bytes -= self._idle.pop(0).out.nbytes


_ROOMS = _Rooms()


# --- one call -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Levels:
    """The levels of a dictionary, and what the native call fills in of a batch."""

    names: tuple[str, ...]
    numbers: NDArray[np.int32]


class _Encoder:
    """Encodes batches that have the same dictionaries.

    Parameters
    ----------
    dictionaries : bytes
        What comes before the record batch.
    layouts : list of (int, int)
    steps : list of _Step
    entries : dict of int to list
        By field, what its dictionary holds.

    Raises
    ------
    ValueError
        The dictionaries hold what is for Arrow.
    """

    def __init__(
        self,
        dictionaries: bytes,
        layouts: list[Any],
        steps: list[_Step],
        entries: dict[int, list[str | None]],
    ) -> None:
        self.dictionaries = dictionaries
        self.start = len(dictionaries)
        self._steps = steps
        self._fields = ffi.new("struct cx_field[]", len(layouts))
        for place, (layout, tag) in enumerate(layouts):
            self._fields[place].layout, self._fields[place].type = layout, tag
        self._jobs = ffi.new("struct cx_job[]", len(steps))
        self._kept: list[Any] = []  # what the jobs point at
        self._levels: dict[int, _Levels] = {}
        for place, step in enumerate(steps):
            job = self._jobs[place]
            job.kind, job.field = step.kind, step.field
            if step.dimension is not None:
                self._set_levels(place, entries[step.field], step.dimension)
            elif step.question is not None:
                self._set_answers(job, step, meaning_of(step.question), entries.get(step.field))
            else:
                job.per_day, job.unit = step.time
                job.code_bytes = 4
        self._row_bytes = [
            lib.cx_job_bytes(self._jobs + place, _ALIGNED) // _ALIGNED
            for place in range(len(steps))
        ]
        #: Of a batch, all that tells which levels and buckets it has; the rest of the jobs is always the same.
        self._found = [ffi.buffer(self._jobs), *(one.numbers for one in self._levels.values())]

    def _set_answers(
        self, job: Any, step: _Step, meaning: Meaning, entries: list[str | None] | None
    ) -> None:
        question = meaning.question
        job.code_bytes = meaning.code_dtype.itemsize
        job.lo, job.hi = question.low, question.high
        missing = meaning.missing_steps if question.is_number else meaning.missing
        job.n_missing = len(missing)
        if step.kind in (lib.CX_JOB_SCALE, lib.CX_JOB_NUMBER) and missing:
            job.missing = self._keep("int64_t[]", missing)
        if step.kind == lib.CX_JOB_NUMBER:
            job.step_num, job.step_den = question.step.numerator, question.step.denominator
        job.null_code, job.options = meaning.null_code, question.levels
        if step.kind in (lib.CX_JOB_LUT, lib.CX_JOB_SETS):
            lut = meaning.option_codes
            if entries is not None:
                lut = lut_of(entries, meaning.labels, meaning.null_code)
            if lut is not None and len(lut):
                job.lut, job.lut_length = self._keep("uint16_t[]", lut.tolist()), len(lut)

    def _set_levels(self, place: int, entries: list[str | None], dimension: Dimension) -> None:
        if not entries:
            raise ValueError("a dictionary without entries")
        numbers, level_of = number_levels(entries, dimension)
        if any(len(text.encode()) > LEVEL_BYTES_MAX for text in numbers):
            raise ValueError("a level that is too long")
        job = self._jobs[place]
        job.n_places = len(entries)
        job.code_bytes = index_dtype(len(entries)).itemsize
        job.level_of = self._keep("int32_t[]", level_of)
        room = len(entries) + 1
        found = np.zeros(room, dtype=np.int32)
        job.number_of = self._keep_pointer(ffi.from_buffer("int32_t[]", found))
        job.table = self._keep("int32_t[]", room)
        job.used = self._keep("uint8_t[]", room)
        self._levels[place] = _Levels(tuple(numbers), found)

    def _keep(self, kind: str, content: Any) -> Any:
        return self._keep_pointer(ffi.new(kind, content))

    def _keep_pointer(self, pointer: Any) -> Any:
        self._kept.append(pointer)
        return pointer

    def encode(self, body: bytes | memoryview, rows: int, frame: Frame) -> Codes | None:
        """Encode a batch; None where anything is not as expected."""
        room = _ROOMS.take(self, rows)
        if room is None:
            sizes = [-(-rows * each // _ALIGNED) * _ALIGNED for each in self._row_bytes]
            room = _Room(self, rows, sizes)
        message = ffi.from_buffer("uint8_t[]", body)
        status = lib.cx_encode_batch(
            message + self.start, len(body) - self.start, rows, frame.native,
            self._fields, len(self._fields), self._jobs, len(self._steps), room.native,
        )  # fmt: skip
        if status != lib.CX_OK:
            _ROOMS.give_back(room)
            return None
        codes, room.codes = room.codes, None
        found = b"".join(self._found)
        if codes is None or found != room.found:
            room.found = found
            codes = self._codes(rows, room.out, room.sizes)
        else:
            for choice in codes.choices.values():
                choice.forget()
        codes.places[_Room] = room
        return codes

    def _codes(self, rows: int, out: NDArray[np.uint8], sizes: list[int]) -> Codes:
        scales: dict[str, NDArray[Any]] = {}
        numbers: dict[str, NDArray[np.int64]] = {}
        choices: dict[str, ChoiceCodes] = {}
        dimensions: dict[str, DimensionCodes] = {}
        buckets = None
        at = 0
        for place, (step, size) in enumerate(zip(self._steps, sizes, strict=True)):
            job = self._jobs[place]
            room = out[at : at + size]
            at += size
            if step.dimension is not None:
                levels = self._names(place, job.n_found)
                indices = _as_codes(room, rows, job.code_bytes)
                dimensions[step.dimension.name] = DimensionCodes(levels, indices)
            elif step.question is None:
                known = np.arange(job.first, job.last + 1)
                buckets = BucketCodes(known, _as_codes(room, rows, job.n_found))
            elif step.kind == lib.CX_JOB_SETS:
                sets = room[: rows * self._row_bytes[place]].reshape(-1, rows)
                choices[step.question.name] = ChoiceCodes(sets)
            elif step.kind == lib.CX_JOB_NUMBER:
                numbers[step.question.name] = room[: rows * 8].view(np.int64)
            else:
                scales[step.question.name] = room[: rows * job.code_bytes].view(
                    np.uint8 if job.code_bytes == 1 else np.uint16
                )
        return Codes(rows, scales, numbers, choices, dimensions, buckets)

    def _names(self, place: int, found: int) -> tuple[str, ...]:
        levels = self._levels[place]
        if found == len(levels.names):
            return levels.names
        there = levels.numbers[1 : len(levels.names) + 1].tolist()
        return tuple(name for name, number in zip(levels.names, there, strict=True) if number)


def _as_codes(room: NDArray[np.uint8], rows: int, code_bytes: int) -> NDArray[Any]:
    return room[: rows * code_bytes].view(_CODE_DTYPES[code_bytes])
