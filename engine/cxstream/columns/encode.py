"""A record batch -> codes. One bad value refuses the batch, with its column and row."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat
from numpy.typing import NDArray

from cxstream.columns.buckets import number_times
from cxstream.columns.codes import ChoiceCodes, Codes, Codes8, Codes16, DimensionCodes
from cxstream.columns.native import (
    Scale,
    Violation,
    encode_levels,
    encode_lut,
    encode_number,
    encode_scales,
    index_dtype,
    make_sets,
    used_places,
)
from cxstream.columns.schema import is_text, is_whole
from cxstream.errors import InvalidArgumentError
from cxstream.program import WEIGHT_STEPS_MAX, Dimension, Program, Question, SurveyWeight

#: An entry of a lookup table that stands for "not allowed".
_REFUSED = 0xFFFF
_NO_CODE = -(2**63)
LEVEL_BYTES_MAX = 200
#: Fewer entries are taken one by one in less time than a call of Arrow's compute functions takes.
_FEW = 16

_REASONS = {
    "out_of_scale": "OUT_OF_SCALE",
    "fraction": "FRACTION",
    "not_finite": "NOT_FINITE",
    "off_step": "OFF_STEP",
    "bad_index": "OUT_OF_SCALE",
}


def encode(batch: pa.RecordBatch, program: Program) -> Codes:
    """Encode a validated batch whose schema passed `check_schema`.

    Raises
    ------
    InvalidArgumentError
        ``OUT_OF_SCALE``, ``FRACTION``, ``NOT_FINITE``, ``OFF_STEP``, ``OUT_OF_RANGE_TIME`` or
        ``LEVEL_TOO_LONG`` with column and row.
    """
    places = {name: place for place, name in enumerate(batch.schema.names)}

    def column(name: str) -> pa.Array:
        return batch.column(places[name])  # by its place: a look-up by name costs as much again

    scales: dict[str, Codes8 | Codes16] = {}
    numbers: dict[str, NDArray[np.int64]] = {}
    choices: dict[str, ChoiceCodes] = {}
    plain: list[tuple[Meaning, pa.Array]] = []
    for question in program.questions.values():
        meaning = meaning_of(question)
        first = question.columns[0]
        if question.multiple:
            arrays = [column(name) for name in question.columns]
            choices[question.name] = _encode_many(arrays, meaning)
        elif question.is_number:
            numbers[question.name] = _encode_number(column(first), meaning)
        elif is_plain((array := column(first)).type, question):
            plain.append((meaning, array))
        else:
            scales[question.name] = _encode_one(array, meaning, first)
    _encode_plain(plain, scales)
    buckets = None
    if program.time:
        buckets = number_times(
            column(program.time.column),
            unit=program.time.unit,
            timezone=program.time.timezone,
            column=program.time.column,
        )
    weights = None
    if program.weight:
        weights = _encode_weights(column(program.weight.column), program.weight)
    return Codes(
        rows=batch.num_rows,
        scales=scales,
        numbers=numbers,
        choices=choices,
        dimensions={
            one.name: encode_dimension(column(one.column), one)
            for one in program.dimensions.values()
        },
        buckets=buckets,
        weights=weights,
    )


def encode_answers(array: pa.Array, question: Question) -> Codes8 | Codes16:
    """Encode values of a question, one each, such as the distinct ones of a column."""
    return _encode_one(array, meaning_of(question), question.columns[0])


def code_dtype(question: Question) -> np.dtype[Any]:
    """Return the type of a question's codes: the narrowest that holds levels, missing and null."""
    return np.dtype(np.uint8 if question.levels + len(question.missing) < 256 else np.uint16)


def _refusal(
    column: str, row: int, value: object, kind: str, expected: str
) -> InvalidArgumentError:
    what = {
        "fraction": "has a fraction",
        "not_finite": "is not a finite number",
        "off_step": "is not a whole number of steps",
    }.get(kind, "is not allowed")
    return InvalidArgumentError(
        _REASONS[kind],
        f"column {column!r}, row {row}: {value!r} {what}; expected {expected}",
        column=column,
        row=row,
        expected=expected,
    )


def _refused(
    array: pa.Array,
    violation: Violation,
    question: Question,
    column: str = "",
    row: int | None = None,
) -> InvalidArgumentError:
    """Say which value of a question's column is not allowed; where it is, if that is elsewhere."""
    return _refusal(
        column or question.columns[0],
        violation.row if row is None else row,
        array[violation.row].as_py(),
        violation.kind,
        question.scale_text,
    )


@dataclass(frozen=True)
class Meaning:
    """What follows from a question for every batch alike."""

    question: Question

    @cached_property
    def code_dtype(self) -> np.dtype[Any]:
        """The type of its codes."""
        return code_dtype(self.question)

    @cached_property
    def null_code(self) -> int:
        """The code of no answer."""
        return self.question.levels + len(self.question.missing)

    @cached_property
    def missing(self) -> list[int]:
        """The missing codes in their places; one that is no whole number stands for no number."""
        return [int(one) if is_whole(one) else _NO_CODE for one in self.question.missing]

    @cached_property
    def scale(self) -> Scale:
        """What the kernels take of a scale."""
        return Scale(self.question.low, self.question.high, self.missing)

    @cached_property
    def missing_steps(self) -> list[int]:
        """The missing codes of numbers, in steps."""
        return [int(Fraction(code) / self.question.step) for code in self.question.missing]

    @cached_property
    def labels(self) -> dict[str, int]:
        """The code of every text in a column of text."""
        return self.question.text_codes(labels=True)

    @cached_property
    def values(self) -> dict[str, int]:
        """The code of every value, as text, in any other column."""
        return self.question.text_codes(labels=False)

    @cached_property
    def option_codes(self) -> NDArray[np.uint16] | None:
        """The code of every whole number from 0 on, where that is a table of sensible size."""
        codes = {int(text): code for text, code in self.values.items() if is_whole(text)}
        if not codes or min(codes) < 0 or max(codes) >= _REFUSED:
            return None
        lut = np.full(max(codes) + 1, _REFUSED, dtype=np.uint16)
        for value, code in codes.items():
            lut[value] = code
        return lut


_MEANINGS_MAX = 1000
_meanings: dict[int, Meaning] = {}


def meaning_of(question: Question) -> Meaning:
    """Return the one meaning of a question, found by identity: hashing a question takes longer.

    An entry keeps its question, so no other can have the number while the entry is there.
    """
    found = _meanings.get(id(question))
    if found is None:
        if len(_meanings) >= _MEANINGS_MAX:
            _meanings.clear()
        found = _meanings[id(question)] = Meaning(question)
    return found


def is_plain(kind: pa.DataType, question: Question) -> bool:
    """Whether a column of a type holds the numbers of a scale themselves."""
    is_number = pat.is_integer(kind) or pat.is_floating(kind) or pat.is_boolean(kind)
    return is_number and not (question.values or question.is_choice)


def _encode_plain(
    columns: list[tuple[Meaning, pa.Array]], scales: dict[str, Codes8 | Codes16]
) -> None:
    """Encode columns of a scale's numbers by one call: each gives the interpreter's lock away."""
    try:
        found = encode_scales(
            [array for _, array in columns], [meaning.scale for meaning, _ in columns]
        )
    except Violation as violation:
        meaning, array = columns[violation.place]
        raise _refused(array, violation, meaning.question) from None
    for (meaning, _), codes in zip(columns, found, strict=True):
        scales[meaning.question.name] = codes


def _encode_one(
    array: pa.Array,
    meaning: Meaning,
    column: str,
    row_of: Callable[[int], int] = lambda position: position,
) -> Codes8 | Codes16:
    """Encode one column of one answer each."""
    question = meaning.question
    try:
        if question.values or is_text(array.type):
            return _through_dictionary(array, meaning)
        if pat.is_decimal(array.type):
            array = array.cast(pa.float64())
        if question.is_choice:
            return _through_options(array, meaning)
        return encode_scales([array], [meaning.scale])[0]
    except Violation as violation:
        raise _refused(array, violation, question, column, row_of(violation.row)) from None


def _through_dictionary(array: pa.Array, meaning: Meaning) -> Codes8 | Codes16:
    """Encode by what each distinct value means, looked up once per value."""
    known = meaning.labels if is_text(array.type) else meaning.values
    if not pat.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    return encode_lut(
        array.indices,
        lut_of(array.dictionary.to_pylist(), known, meaning.null_code),
        null_code=meaning.null_code,
        code_dtype=meaning.code_dtype,
    )


def lut_of(values: list[Any], known: dict[str, int], null_code: int) -> NDArray[np.uint16]:
    """Return the code of each value, by what is known of texts."""
    codes = [null_code if one is None else known.get(_as_text(one), _REFUSED) for one in values]
    return np.array(codes, dtype=np.uint16)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def _through_options(array: pa.Array, meaning: Meaning) -> Codes8 | Codes16:
    """Encode numeric option codes; floats and large codes go by their distinct values."""
    lut = meaning.option_codes
    if lut is None or not pat.is_integer(array.type):
        return _through_dictionary(array, meaning)
    return encode_lut(array, lut, null_code=meaning.null_code, code_dtype=meaning.code_dtype)


def _encode_number(array: pa.Array, meaning: Meaning) -> NDArray[np.int64]:
    question = meaning.question
    if pat.is_decimal(array.type):
        array = array.cast(pa.float64())
    try:
        return encode_number(
            array,
            step=question.step,
            lo_steps=question.low,
            hi_steps=question.high,
            missing_steps=meaning.missing_steps,
        )
    except Violation as violation:
        raise _refused(array, violation, question) from None


def _encode_many(arrays: list[pa.Array], meaning: Meaning) -> ChoiceCodes:
    """Encode several answers: a list column, or one column per answer."""
    columns = meaning.question.columns
    if len(columns) > 1:
        rows, width = len(arrays[0]), len(columns)
        codes = np.empty((rows, width), dtype=np.uint16)
        for place, column in enumerate(columns):
            codes[:, place] = _encode_one(arrays[place], meaning, column)
        offsets = np.arange(0, rows * width + 1, width, dtype=np.int64)
        return choice_codes(meaning.question, offsets, codes.ravel())
    (array,) = arrays
    if array.null_count and _spans_nulls(array):
        # What a null list spans does not count.
        array = pc.if_else(array.is_null(), pa.scalar([], array.type), array)
    offsets = array.offsets.to_numpy().astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    values = array.values.slice(first, last - first)
    offsets = offsets - first

    def row_of(position: int) -> int:
        return int(np.searchsorted(offsets, position, side="right")) - 1

    codes = _encode_one(values, meaning, columns[0], row_of).astype(np.uint16, copy=False)
    return choice_codes(meaning.question, offsets, codes)


def choice_codes(
    question: Question, offsets: NDArray[np.int64], codes: NDArray[np.uint16]
) -> ChoiceCodes:
    """Return codes in compressed rows, and the same as sets."""
    sets = make_sets(offsets, codes, question.levels, len(question.missing))
    return ChoiceCodes(sets, (offsets, codes))


def _spans_nulls(array: pa.Array) -> bool:
    """Whether a list that is null has values all the same."""
    offsets = array.offsets
    # No length is negative: where all that is spanned is that of other lists, these span nothing.
    spanned = offsets[len(array)].as_py() - offsets[0].as_py()
    return bool((pc.sum(pc.list_value_length(array)).as_py() or 0) != spanned)


def number_levels(
    texts: Sequence[str | None], dimension: Dimension
) -> tuple[dict[str, int], list[int]]:
    """Return the number of every level, from 1 on, and that of every entry: 0 for none."""
    missing = {None, *dimension.missing}
    numbers: dict[str, int] = {}  # an entry may stand there twice
    found = [
        0 if text is None or text in missing else numbers.setdefault(text, len(numbers) + 1)
        for text in texts
    ]
    return numbers, found


def encode_dimension(array: pa.Array, dimension: Dimension) -> DimensionCodes:
    """Encode the levels of a dimension, such as the distinct ones of a column.

    Raises
    ------
    InvalidArgumentError
        ``LEVEL_TOO_LONG``.
    """
    if not pat.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    indices, dictionary = array.indices, array.dictionary
    entries = len(dictionary)
    # Only levels that a row has: a dictionary may carry more than its batch uses.
    used = used_places(indices, entries)
    places: Any = slice(entries)
    if used.count(1, 0, entries) < entries:
        places = np.flatnonzero(np.frombuffer(used, np.uint8)[:entries])
    texts = _entries(dictionary, places)
    if not is_text(dictionary.type):
        texts = [None if value is None else _level_text(value) for value in texts]
    numbers, found = number_levels(texts, dimension)
    lut = np.zeros(entries + 1, dtype=np.int32)  # the last one is for null
    lut[places] = found
    codes = encode_levels(indices, lut, index_dtype(len(numbers)))
    if numbers and max(map(len, numbers)) > LEVEL_BYTES_MAX // 4:  # UTF-8 takes up to 4 bytes
        _check_lengths(numbers, codes, dimension)
    return DimensionCodes(tuple(numbers), codes)


def _entries(dictionary: pa.Array, places: Any) -> list[Any]:
    """Return some entries of a dictionary."""
    if isinstance(places, slice):
        return dictionary.to_pylist()  # type: ignore[no-any-return]
    if len(places) < _FEW:
        return [dictionary[place].as_py() for place in places.tolist()]
    return dictionary.take(pa.array(places)).to_pylist()  # type: ignore[no-any-return]


def _check_lengths(numbers: dict[str, int], codes: NDArray[Any], dimension: Dimension) -> None:
    for level, number in numbers.items():
        if len(level.encode()) > LEVEL_BYTES_MAX:
            row = int(np.argmax(codes == number))
            raise InvalidArgumentError(
                "LEVEL_TOO_LONG",
                f"column {dimension.column!r}, row {row}: a level of {len(level.encode())} bytes; "
                f"at most {LEVEL_BYTES_MAX} are accepted",
                column=dimension.column,
                row=row,
                expected=f"at most {LEVEL_BYTES_MAX} bytes",
            )


def _level_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _encode_weights(array: pa.Array, weight: SurveyWeight) -> NDArray[np.int64]:
    """Return weights in steps, -1 for null: a response without one is in no weighted answer.

    A weight is taken to its nearest step: raking gives every digit a float has, none of them meant.
    """
    null = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    # Unsafe: whole numbers beyond 2^53 become the float next to them.
    values = array.cast(pa.float64(), safe=False).fill_null(0.0).to_numpy()
    steps = weight_steps(values, weight)
    bad = ~((values >= 0) & (steps <= WEIGHT_STEPS_MAX))  # NaN is neither
    if bad.any():
        row = int(np.argmax(bad))
        kind = "out_of_scale" if np.isfinite(values[row]) else "not_finite"
        expected = f"a weight from 0 to {float(WEIGHT_STEPS_MAX * weight.step):.6g}"
        raise _refusal(weight.column, row, float(values[row]), kind, expected)
    out: NDArray[np.int64] = steps.astype(np.int64)
    if null is not None:
        out[null] = -1
    return out


def weight_steps(values: NDArray[np.float64], weight: SurveyWeight) -> NDArray[np.float64]:
    """Return how many steps each weight has, the nearest whole number."""
    step = weight.step
    with np.errstate(over="ignore"):
        return np.rint(values * float(step.denominator) / float(step.numerator))
