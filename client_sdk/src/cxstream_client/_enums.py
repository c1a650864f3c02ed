"""Words people write for the values of proto enums: ``"adjusted_wald"``, ``"nps"``."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping
from typing import Any

from cxstream_client.errors import InvalidInput

# protobuf's typing stubs know descriptors as a union of the C and the Python class.
EnumDescriptor = Any

UNSPECIFIED = "UNSPECIFIED"


@functools.cache
def words(enum: EnumDescriptor) -> Mapping[str, int]:
    """Return the numbers of an enum by word, in the order of the .proto file.

    The zero value, which only says that nothing was said, has no word.
    """
    prefix = enum.values_by_number[0].name.removesuffix(UNSPECIFIED)
    return {
        value.name.removeprefix(prefix).lower(): value.number
        for value in enum.values
        if value.number != 0
    }


def number_of(enum: EnumDescriptor, word: object, where: str) -> int:
    """Return the number of a word.

    Parameters
    ----------
    enum
        The enum.
    word
        What the caller wrote.
    where
        The option or key it was written for; the error names it.

    Raises
    ------
    InvalidInput
        Where it is no word of this enum; the message lists the words.
    """
    allowed = words(enum)
    if isinstance(word, str) and word in allowed:
        return allowed[word]
    expected = ", ".join(f'"{choice}"' for choice in allowed)
    raise InvalidInput(
        f"{where}: {word!r} is not a choice; expected one of {expected}{hint(word, allowed)}",
        reason="BAD_CHOICE",
        details={"field": where, "expected": expected},
    )


def word_of(enum: EnumDescriptor, number: int) -> str | None:
    """Return the word of a number: None for 0, the number's text for one not known here."""
    if number == 0:
        return None
    for word, value in words(enum).items():
        if value == number:
            return word
    return str(number)


def hint(word: object, choices: Iterable[str]) -> str:
    """Return ``; did you mean "x"?`` for the nearest choice, or nothing."""
    nearest = difflib.get_close_matches(str(word).lower(), list(choices), n=1)
    return f'; did you mean "{nearest[0]}"?' if nearest else ""
