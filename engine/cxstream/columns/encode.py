"""A record batch -> codes. One bad value refuses the batch, with its column and row."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat
from numpy.typing import NDArray

from cxstream.columns.buckets import encode_buckets
from cxstream.columns.codes import ChoiceCodes, Codes, Codes8, Codes16, DimensionCodes
from cxstream.columns.native import Violation, encode_lut, encode_number, encode_scale
from cxstream.columns.schema import is_text, is_whole
from cxstream.errors import InvalidArgumentError
from cxstream.program import Dimension, Program, Question

#: An entry of a lookup table that stands for "not allowed".
_REFUSED = 0xFFFF
_NO_CODE = -(2**63)
_LEVEL_BYTES_MAX = 200
_WEIGHT_STEPS_MAX = 2**45

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
    scales: dict[str, Codes8 | Codes16] = {}
    numbers: dict[str, NDArray[np.int64]] = {}
    choices: dict[str, ChoiceCodes] = {}
    for question in program.questions.values():
        if question.is_number:
            numbers[question.name] = _encode_number(batch, question)
        elif question.multiple:
            choices[question.name] = _encode_many(batch, question)
        else:
            column = question.columns[0]
            scales[question.name] = _encode_one(batch.column(column), question, column)
    buckets = None
    if program.time:
        buckets = encode_buckets(
            batch.column(program.time.column),
            unit=program.time.unit,
            timezone=program.time.timezone,
            column=program.time.column,
        )
    if program.weight:
        _check_weight(batch, program)
    return Codes(
        rows=batch.num_rows,
        scales=scales,
        numbers=numbers,
        choices=choices,
        dimensions={
            one.name: _encode_dimension(batch.column(one.column), one)
            for one in program.dimensions.values()
        },
        buckets=buckets,
    )


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


def _encode_one(
    array: pa.Array,
    question: Question,
    column: str,
    row_of: Callable[[int], int] = lambda position: position,
) -> Codes8 | Codes16:
    """Encode one column of one answer each."""
    try:
        if is_text(array.type) or question.values:
            return _through_dictionary(array, question)
        if pat.is_decimal(array.type):
            array = array.cast(pa.float64())
        if question.is_choice:
            return _through_options(array, question)
        return encode_scale(
            array,
            lo=question.low,
            hi=question.high,
            # Codes keep the positions of `missing`; what is no number matches nothing here.
            missing=[_whole_or_none(code) for code in question.missing],
        )
    except Violation as violation:
        value = array[violation.row].as_py()
        raise _refusal(
            column, row_of(violation.row), value, violation.kind, question.scale_text
        ) from None


def _whole_or_none(text: str) -> int:
    return int(text) if is_whole(text) else _NO_CODE


def _through_dictionary(array: pa.Array, question: Question) -> Codes8 | Codes16:
    """Encode by what each distinct value means, looked up once per value."""
    if not pat.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    known = question.text_codes(labels=is_text(array.type))
    lut = np.full(len(array.dictionary), _REFUSED, dtype=np.uint16)
    nulls = []
    for place, value in enumerate(array.dictionary.to_pylist()):
        if value is None:
            nulls.append(place)
            continue
        code = known.get(_as_text(value))
        if code is not None:
            lut[place] = code
    null_code = question.levels + len(question.missing)
    lut[nulls] = null_code
    return encode_lut(array.indices, lut, null_code=null_code, code_dtype=code_dtype(question))


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def _through_options(array: pa.Array, question: Question) -> Codes8 | Codes16:
    """Encode numeric option codes; floats and large codes go by their distinct values."""
    codes = {
        int(text): code
        for text, code in question.text_codes(labels=False).items()
        if is_whole(text)
    }
    if pat.is_integer(array.type) and codes and min(codes) >= 0 and max(codes) < _REFUSED:
        lut = np.full(max(codes) + 1, _REFUSED, dtype=np.uint16)
        for value, code in codes.items():
            lut[value] = code
        return encode_lut(
            array,
            lut,
            null_code=question.levels + len(question.missing),
            code_dtype=code_dtype(question),
        )
    return _through_dictionary(array, question)


def _encode_number(batch: pa.RecordBatch, question: Question) -> NDArray[np.int64]:
    column = question.columns[0]
    array = batch.column(column)
    if pat.is_decimal(array.type):
        array = array.cast(pa.float64())
    try:
        return encode_number(
            array,
            step=question.step,
            lo_steps=question.low,
            hi_steps=question.high,
            missing_steps=[int(Fraction(code) / question.step) for code in question.missing],
        )
    except Violation as violation:
        value = array[violation.row].as_py()
        raise _refusal(column, violation.row, value, violation.kind, question.scale_text) from None


def _encode_many(batch: pa.RecordBatch, question: Question) -> ChoiceCodes:
    """Encode several answers: a list column, or one column per answer."""
    rows = batch.num_rows
    if len(question.columns) > 1:
        width = len(question.columns)
        codes = np.empty((rows, width), dtype=np.uint16)
        for place, column in enumerate(question.columns):
            codes[:, place] = _encode_one(batch.column(column), question, column)
        return ChoiceCodes(np.arange(0, rows * width + 1, width, dtype=np.int64), codes.ravel())
    column = question.columns[0]
    array = batch.column(column)
    if array.null_count:
        # A null list may still span values: what it spans does not count.
        array = pc.if_else(array.is_null(), pa.scalar([], array.type), array)
    offsets = array.offsets.to_numpy().astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    values = array.values.slice(first, last - first)
    offsets = offsets - first

    def row_of(position: int) -> int:
        return int(np.searchsorted(offsets, position, side="right")) - 1

    return ChoiceCodes(
        offsets, _encode_one(values, question, column, row_of).astype(np.uint16, copy=False)
    )


def _encode_dimension(array: pa.Array, dimension: Dimension) -> DimensionCodes:
    if not pat.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    values = array.dictionary.to_pylist()
    levels: list[str] = []
    places: dict[str, int] = {}
    lut = np.zeros(len(values), dtype=np.int32)
    for place, value in enumerate(values):
        text = None if value is None else _level_text(value)
        if text is None or text in dimension.missing:
            continue
        if text not in places:
            levels.append(text)
            places[text] = len(levels)
        lut[place] = places[text]
    places_used = array.indices
    if places_used.null_count:
        # In 64 bits: one more than the last place may not fit the indices' own type.
        places_used = places_used.cast(pa.int64()).fill_null(len(values))
    positions = places_used.to_numpy(zero_copy_only=False)
    indices = np.append(lut, np.int32(0))[positions]
    # Only levels that a row has: a dictionary may carry more than its batch uses.
    used = np.zeros(len(levels) + 1, dtype=bool)
    used[indices] = True
    used[0] = True
    if not used.all():
        renumbered = (np.cumsum(used) - 1).astype(np.int32)
        indices = renumbered[indices]
        levels = [level for place, level in enumerate(levels, start=1) if used[place]]
    for place, level in enumerate(levels, start=1):
        if len(level.encode()) > _LEVEL_BYTES_MAX:
            row = int(np.argmax(indices == place))
            raise InvalidArgumentError(
                "LEVEL_TOO_LONG",
                f"column {dimension.column!r}, row {row}: a level of {len(level.encode())} bytes; "
                f"at most {_LEVEL_BYTES_MAX} are accepted",
                column=dimension.column,
                row=row,
                expected=f"at most {_LEVEL_BYTES_MAX} bytes",
            )
    return DimensionCodes(tuple(levels), indices)


def _level_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _check_weight(batch: pa.RecordBatch, program: Program) -> None:
    """Check that weights are finite, not negative and not too large for their step.

    A weight is taken to its nearest step: raking gives every digit a float has, none of them meant.
    """
    assert program.weight is not None
    column = program.weight.column
    array = batch.column(column)
    values = array.cast(pa.float64()).fill_null(0.0).to_numpy()
    largest = float(_WEIGHT_STEPS_MAX * program.weight.step)
    bad = ~((values >= 0) & (values <= largest))  # NaN is neither
    if bad.any():
        row = int(np.argmax(bad))
        kind = "out_of_scale" if np.isfinite(values[row]) else "not_finite"
        expected = f"a weight from 0 to {largest:.6g}"
        raise _refusal(column, row, float(values[row]), kind, expected)
