"""Programs: what is asked, as a file, a mapping or the proto message.

One converter, driven by the message descriptors, goes both ways between the shape of a program's
TOML file and the message. It checks the shape only (keys, types, choices); what the declaration
means is validated by the server.

A table of named things in the file is a repeated message; the name is the message's first field:

>>> program = Program.from_toml_text('''
... name = "shop"
... [questions]
... recommend = { kind = "nps" }
... improve = { kind = "choice", options = { 1 = "Food", 2 = "Wifi" } }
... ''')
>>> program.message.questions[1].options[0].label
'Food'
>>> program.to_dict()["questions"]["recommend"]
{'kind': 'nps'}
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn, Self

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from cxstream_api.v1 import program_pb2
from cxstream_client import _enums
from cxstream_client.errors import InvalidInput

# protobuf's typing stubs know descriptors as a union of the C and the Python class, which no
# signature of ours could name.
Descriptor = Any
Field = Any

_KIND = FieldDescriptor
_INTEGER_RANGES = {
    _KIND.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    _KIND.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    _KIND.CPPTYPE_UINT32: (0, 2**32 - 1),
    _KIND.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Program:
    """The declaration of one customer-experience program.

    Parameters
    ----------
    message
        The declaration. It is copied.

    Attributes
    ----------
    name : str
        Identifies the program.
    message : cxstream_api.v1.program_pb2.Program
        The declaration as the proto message.
    """

    __slots__ = ("message",)

    def __init__(self, message: program_pb2.Program) -> None:
        self.message = program_pb2.Program()
        self.message.CopyFrom(message)

    @classmethod
    def from_toml(cls, path: str | PathLike[str]) -> Self:
        """Read a program from a TOML file.

        Parameters
        ----------
        path
            The file.

        Raises
        ------
        OSError
            Where the file cannot be read.
        InvalidInput
            Where it is no TOML, or a key, type or choice is not one of a program.
        """
        data = Path(path).read_bytes()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{path}: not UTF-8: {error}", reason="BAD_TOML") from error
        return cls._from_text(text, f"{path}: ")

    @classmethod
    def from_toml_text(cls, text: str) -> Self:
        """Read a program from the text of a TOML file.

        Parameters
        ----------
        text
            TOML.

        Raises
        ------
        InvalidInput
            As in :meth:`from_toml`.
        """
        return cls._from_text(text, "")

    @classmethod
    def _from_text(cls, text: str, source: str) -> Self:
        try:
            mapping = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(f"{source}{error}", reason="BAD_TOML") from error
        return cls.from_dict(mapping)

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Read a program from nested mappings and lists in the shape of the TOML file.

        Parameters
        ----------
        mapping
            The declaration.

        Raises
        ------
        InvalidInput
            Where a key, type or choice is not one of a program. The message names the table,
            what was expected and the nearest valid choice.
        """
        program = cls.__new__(cls)
        program.message = program_pb2.Program()
        if not isinstance(mapping, Mapping):
            _refuse_type("", "a table", mapping)
        _fill(program.message, mapping, "", keyed=False)
        return program

    @property
    def name(self) -> str:
        """Identifies the program."""
        return self.message.name

    def to_dict(self) -> dict[str, Any]:
        """Return the program in the shape of its TOML file; see :func:`message_to_dict`."""
        return message_to_dict(self.message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self.message == other.message

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"Program({self.name!r}, {len(self.message.questions)} questions, "
            f"{len(self.message.dimensions)} dimensions)"
        )


def message_to_dict(message: program_pb2.Program) -> dict[str, Any]:
    """Return a program message in the shape of its TOML file, losing nothing.

    Parameters
    ----------
    message
        The declaration; it need not be a valid one.

    Returns
    -------
    dict
        Plain ``dict``, ``list``, ``str``, ``int``, ``float`` and ``bool``. Fields that are not
        set are left out; ``Program.from_dict`` of it gives an equal message.

    Raises
    ------
    InvalidInput
        Where two things of one table have the same name (a file could not say that), or an enum
        has a number this version does not know.
    """
    return _to_table(message, "", keyed=False)


# --- mapping -> message ----------------------------------------------------------------------


def _fill(message: Message, table: Mapping[str, Any], path: str, *, keyed: bool) -> None:
    """Set the fields of a message from a table; `keyed` where its first field is set already."""
    fields = {field.name: field for field in message.DESCRIPTOR.fields}
    if keyed:
        del fields[_field(message.DESCRIPTOR, 1).name]
    for key, value in table.items():
        where = _join(path, key)
        field = fields.get(key)
        if field is None:
            expected = ", ".join(fields)
            raise InvalidInput(
                f"{where}: there is no such key; expected one of {expected}"
                f"{_enums.hint(key, fields)}",
                reason="UNKNOWN_KEY",
                details={"field": where, "expected": expected},
            )
        if field.message_type is None:
            _set_scalars(message, field, value, where)
        elif field.is_repeated:
            _add_messages(message, field, value, where)
        elif isinstance(value, Mapping):
            getattr(message, field.name).SetInParent()
            _fill(getattr(message, field.name), value, where, keyed=False)
        else:
            _refuse_type(where, "a table", value)


def _set_scalars(message: Message, field: Field, value: Any, where: str) -> None:
    if not field.is_repeated:
        _assign(message, field, value, where, as_text=False)
        return
    if not isinstance(value, (list, tuple)):
        _refuse_type(where, f"a list of {_expected(field)}", value)
    target = getattr(message, field.name)
    for position, item in enumerate(value):
        target.append(_scalar(field, item, f"{where}[{position}]", as_text=True))


def _add_messages(message: Message, field: Field, value: Any, where: str) -> None:
    """Append one message per named thing, table or scalar."""
    target = getattr(message, field.name)
    descriptor = _message_type(field)
    first = _field(descriptor, 1)
    if isinstance(value, Mapping) and _is_named(descriptor):
        for key, item in value.items():
            entry = target.add()
            _assign(entry, first, key, _join(where, key), as_text=True)
            if isinstance(item, Mapping):
                _fill(entry, item, _join(where, key), keyed=True)
            else:
                _fill_short(entry, item, _join(where, key))
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            entry = target.add()
            if isinstance(item, Mapping):
                _fill(entry, item, f"{where}[{position}]", keyed=False)
            elif _is_named(descriptor):
                _assign(entry, first, item, f"{where}[{position}]", as_text=True)
            else:
                _refuse_type(f"{where}[{position}]", "a table", item)
    else:
        names = "a table of named things" if _is_named(descriptor) else "a list of tables"
        _refuse_type(where, names, value)


def _fill_short(entry: Message, value: Any, where: str) -> None:
    """Set the second field of a named thing written as ``name = value``."""
    second = _field(entry.DESCRIPTOR, 2)
    # Only where name and value are all there is may the table be left out: `food = "nps"` would
    # otherwise be a second way to write `food = { kind = "nps" }`.
    if len(entry.DESCRIPTOR.fields) > 2:
        _refuse_type(where, "a table", value)
    _assign(entry, second, value, where, as_text=True)


def _assign(message: Message, field: Field, value: Any, where: str, *, as_text: bool) -> None:
    setattr(message, field.name, _scalar(field, value, where, as_text=as_text))


def _scalar(field: Field, value: Any, where: str, *, as_text: bool) -> Any:
    """Return a scalar as the field takes it; `as_text` where numbers may stand for text."""
    if field.enum_type is not None:
        return _enums.number_of(field.enum_type, value, where)
    is_bool = isinstance(value, bool)
    kind = field.cpp_type
    if field.type == _KIND.TYPE_STRING:
        if isinstance(value, str):
            return _checked_text(value, where)
        if as_text and isinstance(value, (bool, int, float)):
            return _text_of(value)
    elif kind == _KIND.CPPTYPE_BOOL:
        if is_bool:
            return value
    elif kind in (_KIND.CPPTYPE_DOUBLE, _KIND.CPPTYPE_FLOAT):
        if isinstance(value, (int, float)) and not is_bool:
            try:
                return float(value)
            except OverflowError:
                pass
    elif kind in _INTEGER_RANGES and isinstance(value, int) and not is_bool:
        lowest, highest = _INTEGER_RANGES[kind]
        if lowest <= value <= highest:
            return value
    return _refuse_type(where, _expected(field), value)


def _checked_text(value: str, where: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        _refuse_type(where, "text that can be written as UTF-8", value)
    return value


def _text_of(value: bool | float) -> str:
    """Return the text a level or code has: ``0``, ``true``, ``2.5``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).removesuffix(".0")


# --- message -> mapping ----------------------------------------------------------------------


def _to_table(message: Message, path: str, *, keyed: bool) -> dict[str, Any]:
    table: dict[str, Any] = {}
    fields = message.DESCRIPTOR.fields
    for field in fields:
        if keyed and field.number == 1:
            continue
        value = getattr(message, field.name)
        where = _join(path, field.name)
        if field.is_repeated:
            # A message that is nothing but a list shows the list even where it is empty, so that
            # "declared as empty" does not look like a forgotten key.
            if len(value) or len(fields) == 1:
                table[field.name] = _to_list(field, value, where)
        elif field.has_presence:
            if message.HasField(field.name):
                table[field.name] = _to_value(field, value, where)
        elif value != field.default_value:
            table[field.name] = _to_value(field, value, where)
    return table


def _to_value(field: Field, value: Any, where: str) -> Any:
    if field.message_type is not None:
        return _to_table(value, where, keyed=False)
    if field.enum_type is not None:
        word = _enums.word_of(field.enum_type, value)
        if word is None or word.isdigit():
            raise InvalidInput(
                f"{where}: {value} is not a choice known to this version",
                reason="BAD_CHOICE",
                details={"field": where},
            )
        return word
    return value


def _to_list(field: Field, values: Any, where: str) -> Any:
    descriptor = field.message_type
    if descriptor is None:
        return [_to_value(field, value, where) for value in values]
    if not _is_named(descriptor):
        return [
            _to_table(value, f"{where}[{position}]", keyed=False)
            for position, value in enumerate(values)
        ]
    return _to_named(descriptor, values, where)


def _to_named(descriptor: Descriptor, values: Any, where: str) -> Any:
    key_name = _field(descriptor, 1).name
    short = _field(descriptor, 2).name if len(descriptor.fields) == 2 else None
    named: dict[str, Any] = {}
    for value in values:
        key = getattr(value, key_name)
        if key in named:
            raise InvalidInput(
                f"{_join(where, key)}: declared twice; names are unique",
                reason="DECLARED_TWICE",
                details={"field": _join(where, key)},
            )
        if short is not None:
            named[key] = getattr(value, short)
        else:
            named[key] = _to_table(value, _join(where, key), keyed=True)
    # Options without any text people read are written as the list of their codes.
    if short is not None and all(value == "" for value in named.values()):
        return list(named)
    return named


# --- both ------------------------------------------------------------------------------------


def _field(descriptor: Descriptor, number: int) -> Field:
    return descriptor.fields_by_number[number]


def _message_type(field: Field) -> Descriptor:
    return field.message_type


def _is_named(descriptor: Descriptor) -> bool:
    """Whether the messages stand in a table under their first field, rather than in a list."""
    first = _field(descriptor, 1)
    return not first.is_repeated and first.type == _KIND.TYPE_STRING


def _join(path: str, key: object) -> str:
    text = str(key)
    if not _BARE_KEY.fullmatch(text):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{path}.{text}" if path else text


def _expected(field: Field) -> str:
    if field.enum_type is not None:
        return "one of " + ", ".join(f'"{word}"' for word in _enums.words(field.enum_type))
    if field.cpp_type in _INTEGER_RANGES:
        lowest, highest = _INTEGER_RANGES[field.cpp_type]
        return f"a whole number from {lowest} to {highest}"
    if field.cpp_type in (_KIND.CPPTYPE_DOUBLE, _KIND.CPPTYPE_FLOAT):
        return "a number"
    return "true or false" if field.cpp_type == _KIND.CPPTYPE_BOOL else "text"


def _refuse_type(where: str, expected: str, value: object) -> NoReturn:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    raise InvalidInput(
        f"{where or 'program'}: expected {expected}, not {shown} ({_type_name(value)})",
        reason="WRONG_TYPE",
        details={"field": where, "expected": expected},
    )


def _type_name(value: object) -> str:
    if isinstance(value, Mapping):
        return "a table"
    names = {str: "text", bool: "a boolean", int: "a whole number", float: "a number"}
    names |= {list: "a list", tuple: "a list"}
    return names.get(type(value), type(value).__name__)
