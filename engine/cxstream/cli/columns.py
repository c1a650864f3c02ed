"""Columns of a file -> the columns of a program: which are taken, and text as the program means it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from cxstream.cli.output import CommandError
from cxstream.columns.schema import takes_text
from cxstream.errors import nearest
from cxstream.program import Kind, Program

#: How people write "no answer" in a file; "" is one as well.
NULL_WORDS = ("NA", "#N/A", "N/A", "n/a", "<NA>", "NaN", "nan", "NULL", "null", "None")

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WHOLE_FLOAT = r"^([+-]?\d+)\.0+$"
_FLAGS = {"true": "1", "false": "0"}
_TIMES = (
    pa.timestamp("us"),
    pa.timestamp("us", "UTC"),
    # A fraction of nine digits; fewer years.
    pa.timestamp("ns"),
    pa.timestamp("ns", "UTC"),
)


class Reading(StrEnum):
    """How the text in a column is read."""

    NUMBER = "a number"
    FLAG = "true, false, 1 or 0"
    CODE = "text"
    CODES = "a list of text"
    LEVEL = "a level"
    TIME = "an ISO 8601 date or time"


class BadCell(Exception):
    """A text that is not what its column holds; refuses the batch it is in.

    Parameters
    ----------
    column, row, value : str, int, str
        Where (row counted within the batch), and what stands there.
    expected : str
        What should.
    hint : str
        What to do about it.
    """

    def __init__(self, column: str, row: int, value: str, expected: str, hint: str = "") -> None:
        super().__init__(f"column {column!r}, row {row}: {value!r} is not {expected}{hint}")
        self.column = column
        self.row = row
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Match:
    """Which file column each of the program's columns is read from; None where it is absent."""

    taken: Mapping[str, str | None]
    ignored: tuple[str, ...]


def match(
    program: Program,
    names: Sequence[str],
    mapped: Mapping[str, str],
    absent: Iterable[str] = (),
) -> Match:
    """Find the program's columns in a file.

    Parameters
    ----------
    program : Program
    names : sequence of str
        The file's columns.
    mapped : mapping of str to str
        File column by program column, where the names differ.
    absent : iterable of str
        Columns of the program the file need not have: nobody answered them.

    Raises
    ------
    CommandError
        A column is missing, there more than once, or named in vain.
    """
    uses = program.columns
    absent = set(absent)
    for column in (*mapped, *absent):
        if column not in uses:
            raise CommandError(
                f"program {program.name!r} has no column {column!r}{nearest(column, uses)}", code=2
            )
    taken: dict[str, str | None] = {}
    missing = []
    for column, use in uses.items():
        wanted = mapped.get(column, column)
        if list(names).count(wanted) > 1:
            raise CommandError(f"the file has column {wanted!r} more than once")
        if wanted in names:
            taken[column] = wanted
        elif column in absent:
            taken[column] = None
        else:
            free = [name for name in names if name and name not in uses]
            missing.append(f"{wanted!r} ({use}){nearest(wanted, free) if free else ''}")
    if missing:
        shown = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if missing[4:] else "")
        raise CommandError(
            f"the file has no column {shown} (use --map COLUMN=FILE_COLUMN for another name, "
            "--absent COLUMN for one that nobody was asked)"
        )
    used = set(taken.values())
    return Match(taken, tuple(name for name in names if name not in used))


def readings(program: Program) -> dict[str, Reading]:
    """Return how text in each of the program's columns is read."""
    found: dict[str, Reading] = {}
    for question in program.questions.values():
        if question.multiple and len(question.columns) == 1:
            reading = Reading.CODES
        elif takes_text(question):
            reading = Reading.CODE
        elif question.kind is Kind.BOOLEAN:
            reading = Reading.FLAG
        else:
            reading = Reading.NUMBER
        for column in question.columns:
            found[column] = reading
    for dimension in program.dimensions.values():
        found.setdefault(dimension.column, Reading.LEVEL)
    if program.time:
        found.setdefault(program.time.column, Reading.TIME)
    if program.customer:
        found.setdefault(program.customer, Reading.LEVEL)
    if program.weight:
        found.setdefault(program.weight.column, Reading.NUMBER)
    return found


class Reader:
    """Turns batches of a file into batches of a program.

    Parameters
    ----------
    program : Program
    match : Match
        Where its columns are.
    separator : str
        Stands between the answers of one cell, where a question has several.
    decimal : str
        Stands before the fraction of a number in a text.
    time_format : str, optional
        How times are written, in the letters of `strptime`; ISO 8601 when absent.
    """

    def __init__(
        self,
        program: Program,
        match: Match,
        separator: str = ";",
        decimal: str = ".",
        time_format: str | None = None,
    ) -> None:
        self._taken = dict(match.taken)
        self._readings = readings(program)
        self._separator = separator
        self._decimal = decimal
        self._time_format = time_format
        self._mapped = {
            column
            for question in program.questions.values()
            if not question.is_number
            for column in question.columns
        }
        # Numbers that are levels as well must stay whole: "1", not "1.0".
        self._levels: set[str | None] = {one.column for one in program.dimensions.values()}
        self._levels.add(program.customer)
        self._words = {
            column: {text for text, _ in question.values}
            | set(question.missing)
            | {option.code for option in question.options}
            | {option.label for option in question.options}
            for question in program.questions.values()
            for column in question.columns
        }

    def read(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the program's columns of a batch.

        Raises
        ------
        BadCell
            A text is not what its column holds.
        """
        arrays = []
        for column, name in self._taken.items():
            if name is None:
                arrays.append(pa.nulls(batch.num_rows, self._absent_type(column)))
            else:
                arrays.append(self._column(column, batch.column(name)))
        return pa.RecordBatch.from_arrays(arrays, names=list(self._taken))

    def _absent_type(self, column: str) -> pa.DataType:
        return {
            Reading.NUMBER: pa.int8(),
            Reading.FLAG: pa.int8(),
            Reading.CODES: pa.list_(pa.string()),
            Reading.TIME: pa.timestamp("us"),
        }.get(self._readings[column], pa.string())

    def _column(self, column: str, array: pa.Array) -> pa.Array:
        reading = self._readings[column]
        if not _is_text(array.type):
            is_level = column in self._levels or reading in (Reading.CODE, Reading.LEVEL)
            if is_level and pat.is_floating(array.type):
                # What was whole numbers and blanks comes as floats from many a tool.
                return _whole_or_same(array)
            return array
        text = _without_empty(pc.utf8_trim_whitespace(_plain_text(array)))
        if reading is Reading.LEVEL:
            return text
        known = self._words.get(column, set())
        nulls = pa.array([word for word in NULL_WORDS if word not in known], pa.string())
        text = pc.if_else(pc.is_in(text, nulls), pa.scalar(None, pa.string()), text)
        if reading is Reading.CODE:
            return pc.replace_substring_regex(text, _WHOLE_FLOAT, r"\1")
        if reading is Reading.CODES:
            return _split(text, self._separator)
        if reading is Reading.TIME:
            if self._time_format is not None:
                return _formatted_times(text, column, self._time_format)
            return _times(text, column)
        if reading is Reading.FLAG:
            lower = pc.utf8_lower(text)
            for word, digit in _FLAGS.items():
                text = pc.if_else(pc.equal(lower, word), digit, text)
        shown = text
        if self._decimal == ",":
            # What has a point in it has it between thousands, and is refused as "1,000" is.
            text = pc.if_else(
                pc.match_substring(text, "."), "", pc.replace_substring(text, ",", ".")
            )
        row = pc.index(pc.invert(pc.match_substring_regex(text, _NUMBER)), True).as_py()
        if row >= 0:
            value = shown[row].as_py()
            raise BadCell(column, row, value, reading, self._hint(column, value))
        numbers = pc.cast(text, pa.float64())
        return _whole_or_same(numbers) if column in self._levels else numbers

    def _hint(self, column: str, value: str) -> str:
        if column in self._mapped:
            text = json.dumps(value, ensure_ascii=False)
            return f"; say what it stands for: values = {{ {text} = ... }} or missing = [{text}]"
        other = "." if self._decimal == "," else ","
        is_other = other in value and self._decimal not in value
        return f"; for another decimal point, --decimal {other}" if is_other else ""


def _is_text(kind: pa.DataType) -> bool:
    if pat.is_dictionary(kind):
        kind = kind.value_type
    return bool(pat.is_string(kind) or pat.is_large_string(kind) or pat.is_string_view(kind))


def _plain_text(array: pa.Array) -> pa.Array:
    return array if pat.is_string(array.type) else array.cast(pa.string())


def _without_empty(text: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _whole_or_same(array: pa.Array) -> pa.Array:
    try:
        finite = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
        return finite.cast(pa.int64())
    except pa.ArrowInvalid:
        return array


def _split(text: pa.Array, separator: str) -> pa.Array:
    """Return lists of what stands between separators; nothing between two is no answer."""
    parts = pc.split_pattern(text, separator)
    trimmed = pc.utf8_trim_whitespace(parts.values)
    kept = pc.not_equal(trimmed, "").to_numpy(zero_copy_only=False).astype(bool)
    before = np.concatenate(([0], np.cumsum(kept, dtype=np.int32))).astype(np.int32)
    offsets = pa.array(before[parts.offsets.to_numpy()])
    return pa.ListArray.from_arrays(offsets, trimmed.filter(pa.array(kept)), mask=text.is_null())


def _times(text: pa.Array, column: str) -> pa.Array:
    for kind in _TIMES:
        try:
            return text.cast(kind)
        except pa.ArrowInvalid:
            continue
    # Rare, so slow is fine: find the first that is at fault.
    first: bool | None = None
    for row, value in enumerate(text.to_pylist()):
        if value is None:
            continue
        has_zone = next((kind.tz is not None for kind in _TIMES if _casts(value, kind)), None)
        if has_zone is None:
            raise BadCell(column, row, value, Reading.TIME, "; for another form, --time-format")
        if first is None:
            first = has_zone
        if has_zone != first:
            expected = "a time with a zone" if first else "a time without a zone"
            raise BadCell(column, row, value, expected, ", as the rows before it are")
    raise AssertionError("a column of times was refused, but none of its cells")


def _casts(text: str, kind: pa.DataType) -> bool:
    try:
        pa.scalar(text).cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _formatted_times(text: pa.Array, column: str, form: str) -> pa.Array:
    """Return times by a format; each distinct text is read once."""
    encoded = text.dictionary_encode()
    times: list[dt.datetime] = []
    for place, value in enumerate(encoded.dictionary.to_pylist()):
        try:
            times.append(dt.datetime.strptime(value, form))  # noqa: DTZ007 - the format says
        except ValueError:
            row = pc.index(encoded.indices, pa.scalar(place, encoded.indices.type)).as_py()
            raise BadCell(column, row, value, f"a time of the form {form!r}") from None
    kind = pa.timestamp("us", "UTC" if times and times[0].tzinfo else None)
    return pa.array(times, kind).take(encoded.indices)
