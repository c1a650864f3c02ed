"""An Arrow schema against a program: every column there once, none besides, each of a usable type."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.types as pat

from cxstream.errors import InvalidArgumentError, nearest
from cxstream.program import Kind, Program, Question

_TEXT = frozenset((pa.string().id, pa.large_string().id))
_WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,17})\Z", re.ASCII)


def check_schema(schema: pa.Schema, program: Program) -> None:
    """Check the columns' names and types.

    Raises
    ------
    InvalidArgumentError
        ``DUPLICATE_COLUMN``, ``UNKNOWN_COLUMN``, ``MISSING_COLUMN`` or ``WRONG_TYPE``, with the
        column.
    """
    _check_names(schema, program)
    for question in program.questions.values():
        for column in question.columns:
            kind = schema.field(column).type
            _check_type(column, kind, _fits(question, kind), _types_text(question))
    for dimension in program.dimensions.values():
        kind = schema.field(dimension.column).type
        usable = is_text(kind) or pat.is_integer(kind) or pat.is_boolean(kind)
        _check_type(dimension.column, kind, usable, "text, integers or booleans")
    if program.time:
        kind = schema.field(program.time.column).type
        _check_type(
            program.time.column, kind, pat.is_date(kind) or pat.is_timestamp(kind),
            "a date or a timestamp",
        )  # fmt: skip
    if program.customer:
        kind = schema.field(program.customer).type
        usable = is_text(kind) or pat.is_integer(kind)
        _check_type(program.customer, kind, usable, "text or integers")
    if program.weight:
        kind = schema.field(program.weight.column).type
        _check_type(program.weight.column, kind, _is_numeric(kind), "numbers")


def is_text(kind: pa.DataType) -> bool:
    """Whether values are text, plain or through a dictionary."""
    if kind.id == pa.lib.Type_DICTIONARY:
        kind = kind.value_type
    return kind.id in _TEXT


def takes_text(question: Question) -> bool:
    """Whether a text column makes sense for the question: it declares what the texts mean."""
    if question.is_number:
        return False
    return (
        question.is_choice
        or bool(question.values)
        or any(not is_whole(code) for code in question.missing)
    )


def is_whole(text: str) -> bool:
    """Whether a declared code is a whole number, in its one spelling, of at most 18 digits."""
    return _WHOLE.match(text) is not None


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pat.is_integer(kind)
        or (pat.is_floating(kind) and not pat.is_float16(kind))
        or pat.is_decimal128(kind)
    )


def _fits(question: Question, kind: pa.DataType) -> bool:
    if question.multiple and len(question.columns) == 1:
        if not (pat.is_list(kind) or pat.is_large_list(kind)):
            return False
        kind = kind.value_type
    if is_text(kind):
        return takes_text(question)
    if pat.is_boolean(kind):
        return question.kind is Kind.BOOLEAN
    return _is_numeric(kind)


def _types_text(question: Question) -> str:
    text = "integers, or floats without a fraction"
    if question.is_number:
        text = "numbers"
    elif question.kind is Kind.BOOLEAN:
        text = "booleans or integers"
    if takes_text(question):
        text += ", or text"
    if question.multiple and len(question.columns) == 1:
        text = f"a list of {text}"
    return text


def _check_names(schema: pa.Schema, program: Program) -> None:
    uses = program.columns
    seen: set[str] = set()
    for name in schema.names:
        if name in seen:
            raise InvalidArgumentError(
                "DUPLICATE_COLUMN", f"column {name!r} is there more than once", column=name
            )
        seen.add(name)
    for name in schema.names:
        if name not in uses:
            free = [one for one in uses if one not in seen]
            raise InvalidArgumentError(
                "UNKNOWN_COLUMN",
                f"column {name!r} is not in program {program.name!r}"
                f"{nearest(name, free) if free else '; leave it out'}",
                column=name,
                expected=", ".join(sorted(uses)),
            )
    for name, use in uses.items():
        if name not in seen:
            raise InvalidArgumentError(
                "MISSING_COLUMN",
                f"column {name!r} ({use}) is missing from the batch",
                column=name,
                expected=", ".join(sorted(uses)),
            )


def _check_type(column: str, kind: pa.DataType, usable: bool, expected: str) -> None:
    if not usable:
        raise InvalidArgumentError(
            "WRONG_TYPE",
            f"column {column!r} has type {'text' if is_text(kind) else kind}; expected {expected}",
            column=column,
            expected=expected,
        )
