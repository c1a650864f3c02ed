"""One batch in the form it is kept in: columns and types that the program's declaration decides.

What a producer happened to send (text or numbers, labels or codes, one zone or another) no longer
shows; the codes read back are the codes of what was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat
from numpy.typing import NDArray

from cxstream.columns.codes import Codes
from cxstream.columns.encode import is_plain
from cxstream.columns.schema import is_whole
from cxstream.program import Program, Question, SurveyWeight, TimeColumn
from cxstream.program.read import RESERVED

__all__ = [
    "RESERVED", "TEXT", "coded_schema", "complete", "fixed_width", "needing_codes", "reading",
    "stored_schema", "to_coded", "to_stored",
]  # fmt: skip

#: Text on its way to a file: each once, and which it is of every row.
TEXT = pa.dictionary(pa.int32(), pa.string())
_CUSTOMER = {"_customer": pa.int64(), "_customer_key": pa.int16()}
_TIME = pa.timestamp("us")


def stored_schema(program: Program) -> pa.Schema:
    """Return the columns a program's responses are kept in: as declared, then the customer's.

    Examples
    --------
    >>> from cxstream.program import program_from_dict
    >>> tables = {"name": "p", "questions": {"q": {"kind": "nps"}}, "dimensions": {"d": {}}}
    >>> stored_schema(program_from_dict(tables)).types
    [DataType(int8), DataType(string)]
    """
    placed = _placed(program)
    fields: list[tuple[str, pa.DataType]] = []
    for question in placed.questions.values():
        kind = _number_type(question) if question.is_number else _values(question).type
        if _is_list(question):
            kind = _list_of(kind)
        fields += [(column, kind) for column in question.columns]
    fields += [(one.column, pa.string()) for one in placed.dimensions.values()]
    if placed.time:
        fields.append((placed.time.column, _TIME))
    if placed.weight:
        fields.append((placed.weight.column, pa.float64()))
    if placed.customer:
        fields += _CUSTOMER.items()
    return pa.schema(fields)


def coded_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema with `TEXT` for text; text in lists stays as it is."""
    return pa.schema([one.with_type(TEXT) if pat.is_string(one.type) else one for one in schema])


def to_stored(batch: pa.RecordBatch, codes: Codes, program: Program) -> pa.RecordBatch:
    """Return a batch in the form of `stored_schema`.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        As sent; ``_customer`` and ``_customer_key`` stand in for the customer's column.
    codes : Codes
        What `encode` made of it; of `needing_codes` at least.
    program : Program
        The program it was encoded for.

    """
    return to_coded(batch, codes, program).cast(stored_schema(program))


def to_coded(batch: pa.RecordBatch, codes: Codes, program: Program) -> pa.RecordBatch:
    """Return the same in the form of `coded_schema`."""
    schema = coded_schema(stored_schema(program))
    return pa.record_batch(list(_columns(batch, codes, program)), schema=schema)


def needing_codes(schema: pa.Schema, program: Program) -> Program:
    """Return the program without the questions that are stored as they are sent.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of batches as sent.
    program : Program
    """
    kinds = dict(zip(schema.names, schema.types, strict=True))
    questions = {
        one.name: one
        for one in program.questions.values()
        if not _is_as_sent(kinds.get(one.columns[0]), one)
    }
    return replace(program, questions=questions)


def _is_as_sent(kind: pa.DataType | None, question: Question) -> bool:
    """Whether the numbers of a column of a type are those that are stored."""
    return (
        kind is not None
        and not (question.multiple or question.is_number)
        and is_plain(kind, question)
        and pat.is_integer(_values(question).type)
    )


def reading(program: Program) -> Program:
    """Return the program by which a stored batch encodes to the codes of the batch as sent.

    Only for `encode`: it does not count the same as `program`, since levels have other columns.
    """
    placed = _placed(program)
    questions = {
        # Stored is what a value stands for: read again, "1" for 5 and "5" for 1 would turn back.
        one.name: one if one.is_number else replace(one, values=(), missing=_missing(one))
        for one in placed.questions.values()
    }
    return replace(placed, questions=questions, customer=None)


def complete(stored: pa.RecordBatch, program: Program) -> pa.RecordBatch:
    """Return a stored batch with columns that came into the program later: nobody had answered."""
    for field in stored_schema(program):
        if field.name not in stored.schema.names:
            stored = stored.append_column(field, pa.nulls(stored.num_rows, field.type))
    return stored


def _placed(program: Program) -> Program:
    """Return the program with its columns where they are stored: the first use keeps the name."""
    taken = {column for one in program.questions.values() for column in one.columns}

    def place(column: str, other: str) -> str:
        if column in taken:
            return other
        taken.add(column)
        return column

    dimensions = {
        one.name: replace(one, column=place(one.column, f"_level_{one.name}"))
        for one in program.dimensions.values()
    }
    time, weight = program.time, program.weight
    if time:
        time = replace(time, column=place(time.column, "_time"))
    if weight:
        weight = replace(weight, column=place(weight.column, "_weight"))
    return replace(program, dimensions=dimensions, time=time, weight=weight)


def _columns(batch: pa.RecordBatch, codes: Codes, program: Program) -> Iterator[pa.Array]:
    kinds = dict(zip(batch.schema.names, batch.schema.types, strict=True))

    def sent(column: str, kind: pa.DataType) -> pa.Array:
        if column in batch.schema.names:
            return batch.column(column)
        return pa.nulls(batch.num_rows, kind)

    for question in program.questions.values():
        if _is_as_sent(kinds.get(question.columns[0]), question):
            # Unsafe: what stands behind a null may not fit.
            array = batch.column(question.columns[0])
            yield array.cast(_values(question).type, safe=False)
        elif question.is_number:
            yield _numbers(codes.numbers[question.name], question)
        elif _is_list(question):
            many = codes.choices[question.name]
            values = _values(question).take(pa.array(many.codes))
            yield pa.ListArray.from_arrays(
                pa.array(many.offsets, pa.int32()),
                values,
                type=_list_of(values.type),
                mask=sent(question.columns[0], pa.null()).is_null(),
            )
        else:
            width = len(question.columns)
            one = codes.choices[question.name].codes if width > 1 else codes.scales[question.name]
            for place in range(width):
                yield _by_code(_values(question), one[place::width])
    for level in codes.dimensions.values():
        places = level.indices.astype(np.int32) - 1
        yield _coded(places, level.indices == 0, pa.array(level.levels, pa.string()))
    if program.time:
        yield _local(sent(program.time.column, _TIME), program.time)
    if program.weight:
        yield _weights(codes.weights, program.weight, batch.num_rows)
    if program.customer:
        yield from (sent(column, kind) for column, kind in _CUSTOMER.items())


# --- answers --------------------------------------------------------------------------------------


def _is_list(question: Question) -> bool:
    return question.multiple and len(question.columns) == 1


def _list_of(kind: pa.DataType) -> pa.DataType:
    # The name Parquet gives: what is read back has the type of what was written.
    return pa.list_(pa.field("element", kind))


def _levels(question: Question) -> list[str]:
    if question.is_choice:
        return [option.code for option in question.options]
    return [str(value) for value in range(question.low, question.high + 1)]


def _missing(question: Question) -> tuple[str, ...]:
    """Return what missing codes are stored as.

    Where texts are mapped to a scale (0..4 to 1..5), a missing code may be on it; stored, the two
    are told apart.
    """
    if set(question.missing).isdisjoint(_levels(question)):
        return question.missing
    return tuple(f"missing:{code}" for code in question.missing)


@lru_cache(maxsize=1024)
def _values(question: Question) -> pa.Array:
    """Return the stored value of every code, in the type that the declaration gives them."""
    texts = [*_levels(question), *_missing(question)]
    if not all(map(is_whole, texts)):
        return pa.array([*texts, None], pa.string())
    whole = [int(text) for text in texts]
    # Delta has no unsigned integers.
    for kind, half in ((pa.int8(), 2**7), (pa.int16(), 2**15), (pa.int32(), 2**31)):
        if -half <= min(whole) and max(whole) < half:
            return pa.array([*whole, None], kind)
    return pa.array([*whole, None], pa.int64())


def _by_code(values: pa.Array, codes: NDArray[Any]) -> pa.Array:
    """Return the value of every code; the last one is null."""
    null = codes == len(values) - 1
    if pat.is_string(values.type):
        return _coded(codes.astype(np.int32), null, values[:-1])
    return fixed_width(values.fill_null(0).to_numpy().take(codes), null, values.type)


def _coded(places: NDArray[np.int32], null: NDArray[np.bool_], texts: pa.Array) -> pa.Array:
    """Return texts by their places, of `TEXT`."""
    places[null] = 0
    return pa.DictionaryArray.from_arrays(fixed_width(places, null, TEXT.index_type), texts)


def _missing_steps(question: Question) -> list[int]:
    return [int(Fraction(code) / question.step) for code in question.missing]


def _number_type(question: Question) -> pa.DataType:
    largest = max(map(abs, (question.low, question.high, *_missing_steps(question))))
    whole = question.step.denominator == 1 and largest * question.step < 2**63
    return pa.int64() if whole else pa.float64()


def _numbers(codes: NDArray[np.int64], question: Question) -> pa.Array:
    steps = codes + question.low
    for place, missing in enumerate(_missing_steps(question)):
        steps[codes == -2 - place] = missing
    null = codes == -1
    if pat.is_integer(_number_type(question)):
        return pa.array(steps * question.step.numerator, mask=null)
    return pa.array(_times(steps.astype(np.float64), question.step), mask=null)


def _times(steps: NDArray[np.float64], step: Fraction) -> NDArray[np.float64]:
    """Return the floats nearest to so many steps, as long as steps * numerator is below 2^53."""
    return steps * float(step.numerator) / float(step.denominator)


# --- everything else ------------------------------------------------------------------------------


def _local(array: pa.Array, time: TimeColumn) -> pa.Array:
    """Return local times; see `encode_buckets` for what is local."""
    kind = array.type
    zone = kind.tz if pat.is_timestamp(kind) else None
    if pat.is_timestamp(kind) and kind.unit == "ns":
        # A cast would round to 1970.
        floored = array.cast(pa.int64()).fill_null(0).to_numpy() // 1000
        null = array.is_null().to_numpy(zero_copy_only=False)
        array = pa.array(floored, mask=null).cast(pa.timestamp("us", zone))
    # Unsafe: what stands behind a null may not fit.
    array = array.cast(pa.timestamp("us", zone), safe=False)
    if zone is not None:
        instants = array.cast(pa.int64()).cast(pa.timestamp("us", time.timezone))
        array = pc.local_timestamp(instants)
    return array


def _weights(steps: NDArray[np.int64] | None, weight: SurveyWeight, rows: int) -> pa.Array:
    """Return weights as the floats nearest to their steps, which read back as the same steps."""
    if steps is None:
        return pa.nulls(rows, pa.float64())
    return pa.array(_times(steps.astype(np.float64), weight.step), mask=steps < 0)


def fixed_width(values: NDArray[Any], null: NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """Return an array of a type of so many bytes a value; `pyarrow.array` takes longer for nulls."""
    valid = pa.py_buffer(np.packbits(~null, bitorder="little")) if null.any() else None
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(values)])
