"""What can go wrong, in terms a caller can act on. Knows nothing of gRPC: codes are plain words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class CxError(Exception):
    """A refusal: what, where, what was expected.

    Parameters
    ----------
    reason : str
        Stable upper-case name of the cause, such as ``OUT_OF_SCALE``.
    message : str
        One sentence for people.
    column, row, expected : optional
        Where it is (row counted from 0 within the batch), and what would have been accepted.
    metadata : mapping, optional
        Further facts, as text.
    """

    code = "INTERNAL"

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        column: str = "",
        row: int | None = None,
        expected: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.column = column
        self.row = row
        self.expected = expected
        self.metadata = dict(metadata or {})


class InvalidArgumentError(CxError):
    """The request or the data must be changed."""

    code = "INVALID_ARGUMENT"


class NotFoundError(CxError):
    """No such program, question, index or model."""

    code = "NOT_FOUND"


class FailedPreconditionError(CxError):
    """Something must be declared, or changed elsewhere, first."""

    code = "FAILED_PRECONDITION"


class AlreadyExistsError(CxError):
    """Something else is stored under that name or sequence."""

    code = "ALREADY_EXISTS"


class OutOfRangeError(CxError):
    """A gap in the sequence of batches."""

    code = "OUT_OF_RANGE"


class ResourceExhaustedError(CxError):
    """A declared limit is reached."""

    code = "RESOURCE_EXHAUSTED"


class UnavailableError(CxError):
    """Not now; the same call may succeed later."""

    code = "UNAVAILABLE"


class CancelledError(CxError):
    """Nobody waits for the answer any more."""

    code = "CANCELLED"


class DeadlineExceededError(CxError):
    """The time that the caller would wait is over."""

    code = "DEADLINE_EXCEEDED"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known name, or all of them where they are few.

    Examples
    --------
    >>> nearest("fod", ["food", "wifi"])
    "; did you mean 'food'?"
    """
    names = [str(one) for one in known]
    close = difflib.get_close_matches(name, names, n=1)
    if not close:
        close = [one for one in names if one.lower() == name.lower()][:1]
    if close:
        return f"; did you mean {close[0]!r}?"
    if not names:
        return "; there are none"
    if len(names) <= 12:
        return "; there are " + ", ".join(repr(one) for one in names)
    return ""
