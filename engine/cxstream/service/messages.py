"""Requests to plain values, and the engine's answers to messages. Translation only."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from google.protobuf import message_factory
from google.protobuf.message import Message

from cxstream.analytics.columns import Columns
from cxstream.analytics.formulas import Formula, formulas_of
from cxstream.answers import (
    Answer,
    ColumnRows,
    GroupKey,
    Margin,
    OnRows,
    Query,
    Row,
    Weighting,
    unheard,
)
from cxstream.errors import InvalidArgumentError
from cxstream.service.encoding import Chosen, encode
from cxstream.state import ProgramInfo
from cxstream_api.v1 import common_pb2, program_service_pb2
from cxstream_client import _enums

#: Words of the analytics that the messages call otherwise.
_WORDS = {"constant_y": "constant_outcome", "constant_x": "constant_driver"}


def to_query(selection: common_pb2.Selection, on_rows: OnRows = unheard) -> Query:
    """Return the plain form of a selection, and whom to tell how far the answer is.

    Raises
    ------
    InvalidArgumentError
        ``INVALID_FILTER``: a dimension is filtered twice, or a filter keeps nothing.
    """
    return Query(
        program=selection.program,
        by=tuple(selection.by),
        where=to_where(selection.where),
        since=selection.since,
        until=selection.until,
        confidence=selection.confidence if selection.HasField("confidence") else 0.95,
        weighting=_weighting(selection),
        on_rows=on_rows,
    )


def to_where(filters: Iterable[common_pb2.Filter]) -> dict[str, frozenset[str | None]]:
    """Return the levels kept by dimension.

    Raises
    ------
    InvalidArgumentError
        ``INVALID_FILTER``: a dimension is filtered twice, or a filter keeps nothing.
    """
    where: dict[str, frozenset[str | None]] = {}
    for one in filters:
        levels: set[str | None] = set(one.levels)
        if one.include_null:
            levels.add(None)
        if one.dimension in where or not levels:
            what = "is filtered twice" if one.dimension in where else "keeps no level"
            raise InvalidArgumentError(
                "INVALID_FILTER", f"where: {one.dimension!r} {what}", column=one.dimension
            )
        where[one.dimension] = frozenset(levels)
    return where


def _weighting(selection: common_pb2.Selection) -> Weighting | None:
    if not selection.HasField("weighting"):
        return None
    given = selection.weighting
    rake = tuple(
        Margin(
            tuple(margin.dimensions),
            tuple(
                (tuple(level or None for level in one.levels), one.target) for one in margin.targets
            ),
        )
        for margin in given.rake
    )
    bounds = None
    if given.HasField("lower_factor") or given.HasField("upper_factor"):
        upper = given.upper_factor if given.HasField("upper_factor") else math.inf
        bounds = (given.lower_factor, upper)
    weighting = Weighting(given.declared, rake, bounds)
    if bounds and not rake:
        raise InvalidArgumentError(
            "INVALID_MARGINS", "limits of factors are for rake, and there is none", column="rake"
        )
    # Neither: each response counts as one.
    return weighting if weighting.text else None


def to_info(info: ProgramInfo) -> program_service_pb2.ProgramInfo:
    """Return where a program stands."""
    rebuild = info.rebuild
    return program_service_pb2.ProgramInfo(
        name=info.name,
        version=info.version,
        responses=info.responses,
        batches=info.batches,
        views=info.views,
        unlocked=info.unlocked,
        rebuild=program_service_pb2.Rebuild(
            rows_done=rebuild.rows_done, rows_all=rebuild.rows_all, failed=rebuild.failed
        )
        if rebuild
        else None,
    )


def to_reply(answer: Answer, response: type[Message]) -> bytes:
    """Return a query's response: the point it holds for, how it was made, and a message per group."""
    kind: Any = response
    known = kind.DESCRIPTOR.fields_by_name
    made: dict[str, Any] = {"as_of": _values(answer.as_of, common_pb2.AsOf)}
    if answer.outcome:
        made["outcome"] = answer.outcome
    if answer.whole is not None and "whole" in known:
        made["whole"] = _values(answer.whole, _class_of(known["whole"]))
    in_columns = b""
    made_by: list[Any]
    if isinstance(answer.rows, ColumnRows):
        made_by = [answer.rows.values]
        in_columns = _encoded(answer.rows, known["rows"])
    else:
        made_by = [(row.value, row.weights) for row in answer.rows]
        row_kind = _class_of(known["rows"])
        made["rows"] = [_row(row, row_kind) for row in answer.rows]
    made["explanation"] = {
        "formulas": map(_formula, formulas_of([answer.whole, answer.raking, *made_by])),
        "digest": answer.digest,
        "weighting": answer.weighting,
        "raking": None if answer.raking is None else _values(answer.raking, common_pb2.Raking),
    }
    reply: bytes = kind(**made).SerializeToString()
    return reply + in_columns


@functools.cache
def _formula(one: Formula) -> common_pb2.Formula:
    return common_pb2.Formula(id=one.id, text=one.text, source=one.source)


def _encoded(rows: ColumnRows, field: Any) -> bytes:
    """Return the bytes of a message per group, written from columns."""
    labels = dict(rows.labels)
    columns = dict(rows.values.fields)
    for name, named in _CODED:
        held = columns.get(name)
        if isinstance(held, Columns):
            coded = {
                named: [code for code, _ in rows.labels],
                "label": [text for _, text in rows.labels],
            }
            columns[name] = dataclasses.replace(held, fields={**held.fields, **coded})
    for name, named in _LABELLED:
        held = columns.get(name)
        if isinstance(held, Columns):
            texts = [labels.get(one, "") for one in held.fields[named]]
            columns[name] = dataclasses.replace(held, fields={**held.fields, "label": texts})
    more: list[tuple[str, Any]] = []
    for keys, which in rows.keys.columns:
        more.append(("group", Chosen([_group_key(key) for key in keys], which)))
    for reason, counts in rows.reasons.items():
        entry = {"key": reason, "value": counts}
        more.append(("dropped", Columns(dict, counts.shape, entry, counts != 0)))
    values = dataclasses.replace(rows.values, fields=columns)
    return encode(field, values, more, _number)


def _group_key(key: GroupKey) -> bytes:
    return common_pb2.GroupKey(name=key.name, level=key.level, label=key.label).SerializeToString()


def _number(enum: Any, word: str) -> int:
    return _enums.number_of(enum, _WORDS.get(word, word), enum.name)


#: Parts of a value that stand in the order of the labels, and which of their fields the codes are.
_CODED = (("levels", "level"), ("options", "option"))
#: Parts of a value that have labels, and which of their fields these belong to.
_LABELLED = (
    ("parts", "name"),
    ("terms", "term"),
    ("drivers", "driver"),
    ("items", "item"),
    ("stages", "stage"),
)


def _row(row: Row, kind: type[Message]) -> dict[str, Any]:
    """Return what a group's message is made of: its value's fields, its coordinates and labels."""
    known = kind.DESCRIPTOR.fields_by_name
    if isinstance(row.value, tuple):
        pair = _class_of(known["pairs"])
        made: dict[str, Any] = {
            "pairs": [_values(one, pair) | {"dropped": row.responses - one.n} for one in row.value]
        }
    else:
        made = _values(row.value, kind)
    made["group"] = [
        {"name": key.name, "label": key.label, "level": key.level} for key in row.group
    ]
    if "dropped" in known:
        made["dropped"] = dict(row.dropped)
    if row.weights is not None:
        # Of drivers, weights are what an index would take.
        name = "weights" if "weights" in known else "survey_weights"
        made[name] = _values(row.weights, _class_of(known[name]))
    labels = dict(row.labels)
    for name, named in _CODED:
        for one, (code, label) in zip(made.get(name) or (), row.labels, strict=False):
            one[named] = code
            one["label"] = label
    for name, named in _LABELLED:
        for one in made.get(name) or ():
            one["label"] = labels.get(one[named], "")
    return made


def _values(value: Any, kind: type[Message]) -> dict[str, Any]:
    """Return what a message is made of: the fields of a dataclass that it has too; None is unset.

    To make one of them all at once costs a third of setting field by field.
    """
    kinds: tuple[Any, Any] = (type(value), kind)
    names, held_of, others = _shared(*kinds)
    made = dict(zip(names, held_of(value), strict=True))
    for name, enum, inner in others:
        held = made[name]
        if held is None:
            continue
        if enum is not None:
            made[name] = _enums.number_of(enum, _WORDS.get(held, held), name)
        elif isinstance(held, tuple | list):
            made[name] = [
                _row(one, inner) if isinstance(one, Row) else _values(one, inner) for one in held
            ]
        elif isinstance(held, Mapping):
            made[name] = dict(held)
        else:
            made[name] = _values(held, inner)
    return made


def _class_of(field: Any) -> Any:
    return message_factory.GetMessageClass(field.message_type)


@functools.cache
def _shared(
    kind: type, message: type[Message]
) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]], tuple[tuple[str, Any, Any], ...]]:
    """Return the fields that a dataclass and a message both have, and how to read them.

    Last those that are not copied as they are: with the enum, or the class of the message within.
    """
    known = message.DESCRIPTOR.fields_by_name
    names = tuple(field.name for field in dataclasses.fields(kind) if field.name in known)
    if len(names) > 1:
        held_of: Any = operator.attrgetter(*names)
    else:
        held_of = lambda value: tuple(getattr(value, name) for name in names)  # noqa: E731
    others = []
    for name in names:
        field: Any = known[name]
        if field.enum_type is not None:
            others.append((name, field.enum_type, None))
        elif field.message_type is not None:
            others.append((name, None, _class_of(field)))
    return names, held_of, tuple(others)


def word(words: Sequence[str], number: int, field: str) -> Any:
    """Return the engine's word for an enum value; a newer client's unknown value is refused.

    Raises
    ------
    InvalidArgumentError
        ``UNKNOWN_ENUM_VALUE``.
    """
    if not 0 <= number < len(words):
        raise InvalidArgumentError(
            "UNKNOWN_ENUM_VALUE", f"{field}: value {number} is not known here", column=field
        )
    return words[number]
