"""Errors of the client, by what the caller can do about them.

===========================================  ====================  ===============================
gRPC code                                    class                 what helps
===========================================  ====================  ===============================
INVALID_ARGUMENT                             InvalidInput          change the input
NOT_FOUND                                    NotFound              another name
ALREADY_EXISTS, ABORTED, OUT_OF_RANGE        Conflict              look at what is there, go on
FAILED_PRECONDITION                          PreconditionFailed    declare something first
RESOURCE_EXHAUSTED                           Overloaded            less, or later
UNAVAILABLE                                  Unavailable           try again
DEADLINE_EXCEEDED                            DeadlineExceeded      more time, or try again
CANCELLED                                    Cancelled             nothing
PERMISSION_DENIED                            PermissionDenied      another permission
UNAUTHENTICATED                              Unauthenticated       another credential
INTERNAL, UNKNOWN, UNIMPLEMENTED, DATA_LOSS  Internal              report it
===========================================  ====================  ===============================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    import grpc
    from google.rpc import status_pb2

    from cxstream_api.v1.append_service_pb2 import AppendRefusal

STATUS_METADATA_KEY = "grpc-status-details-bin"
REQUEST_ID_METADATA_KEY = "x-request-id"

# Values of ErrorInfo.metadata are text; these keys hold whole numbers.
INTEGER_DETAILS = frozenset({"row", "rows", "sequence", "next_sequence"})


class CxstreamError(Exception):
    """Root of all errors the client raises on purpose.

    Parameters
    ----------
    message
        A sentence: what, where, what was expected.
    code
        Name of the gRPC status code; that of the class when absent.
    reason
        A stable name of the cause, such as ``"OUT_OF_SCALE"``; empty when the server gave none.
    details
        Where it happened: ``column``, ``row`` (counted from 0), ``sequence``, ``expected``,
        ``field`` and whatever else the server named.
    request_id
        The request, as the server's log names it; None when it gave none.
    """

    default_code: ClassVar[str] = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        reason: str = "",
        details: Mapping[str, str | int] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.reason = reason
        self.details: dict[str, str | int] = dict(details or {})
        self.request_id = request_id

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self._options()))

    def _options(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "reason": self.reason,
            "details": self.details,
            "request_id": self.request_id,
        }

    def copy(self) -> Self:
        """Return an equal error without traceback and notes, so that it can be raised again."""
        return type(self)(self.message, **self._options())


class InvalidInput(CxstreamError, ValueError):
    """The input cannot mean anything; ``details`` says where, the message what was expected."""

    default_code = "INVALID_ARGUMENT"


class NotFound(CxstreamError, LookupError):
    """There is nothing of that name; the message gives the nearest one."""

    default_code = "NOT_FOUND"


class Conflict(CxstreamError):
    """What is there is not what the request took for granted, such as a sequence."""

    default_code = "ABORTED"


class PreconditionFailed(CxstreamError):
    """Something has to be declared or done first; the message says what."""

    default_code = "FAILED_PRECONDITION"


class Overloaded(CxstreamError):
    """A limit is reached.

    Parameters
    ----------
    message, code, reason, details, request_id
        As in :class:`CxstreamError`.
    retry_after_s
        Seconds after which the same request may pass; None where time does not help.
    """

    default_code = "RESOURCE_EXHAUSTED"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        reason: str = "",
        details: Mapping[str, str | int] | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, code=code, reason=reason, details=details, request_id=request_id)
        self.retry_after_s = retry_after_s

    def _options(self) -> dict[str, Any]:
        return super()._options() | {"retry_after_s": self.retry_after_s}


class Unavailable(CxstreamError, ConnectionError):
    """The server cannot be reached, or is starting or stopping."""

    default_code = "UNAVAILABLE"


class DeadlineExceeded(CxstreamError, TimeoutError):
    """No answer came in time; whether the request took effect is not known."""

    default_code = "DEADLINE_EXCEEDED"


class Cancelled(CxstreamError):
    """The call was cancelled on this side."""

    default_code = "CANCELLED"


class PermissionDenied(CxstreamError):
    """The caller may not do this."""

    default_code = "PERMISSION_DENIED"


class Unauthenticated(CxstreamError):
    """The server does not know who is calling."""

    default_code = "UNAUTHENTICATED"


class Internal(CxstreamError):
    """A fault of the server or of the client."""

    default_code = "INTERNAL"


CLASS_BY_CODE: dict[str, type[CxstreamError]] = {
    "INVALID_ARGUMENT": InvalidInput,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": Conflict,
    "ABORTED": Conflict,
    "OUT_OF_RANGE": Conflict,
    "FAILED_PRECONDITION": PreconditionFailed,
    "RESOURCE_EXHAUSTED": Overloaded,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "CANCELLED": Cancelled,
    "PERMISSION_DENIED": PermissionDenied,
    "UNAUTHENTICATED": Unauthenticated,
    "INTERNAL": Internal,
    "UNKNOWN": Internal,
    "UNIMPLEMENTED": Internal,
    "DATA_LOSS": Internal,
}


def error_for_code(
    code: str,
    message: str,
    *,
    reason: str = "",
    details: Mapping[str, str | int] | None = None,
    request_id: str | None = None,
    retry_after_s: float | None = None,
) -> CxstreamError:
    """Return the error that stands for a gRPC status code.

    Parameters
    ----------
    code
        The code's name, such as ``"NOT_FOUND"``; an unknown one gives :class:`Internal`.
    message, reason, details, request_id
        As in :class:`CxstreamError`.
    retry_after_s
        Seconds; kept by :class:`Overloaded` only.

    Returns
    -------
    CxstreamError
        An instance of the class the table at the top of this module names.
    """
    error_class = CLASS_BY_CODE.get(code, Internal)
    if issubclass(error_class, Overloaded):
        return error_class(
            message,
            code=code,
            reason=reason,
            details=details,
            request_id=request_id,
            retry_after_s=retry_after_s,
        )
    return error_class(message, code=code, reason=reason, details=details, request_id=request_id)


def from_status(status: status_pb2.Status, request_id: str | None = None) -> CxstreamError:
    """Return the error a ``google.rpc.Status`` stands for.

    Parameters
    ----------
    status
        The status; its details ``ErrorInfo``, ``BadRequest``, ``RetryInfo`` and ``RequestInfo``
        are read, others passed over.
    request_id
        Taken where the status has no ``RequestInfo``.

    Returns
    -------
    CxstreamError
        The error, with the server's sentence as its message.
    """
    from google.rpc import error_details_pb2

    reason = ""
    details: dict[str, str | int] = {}
    retry_after_s: float | None = None
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            reason = info.reason
            for key, value in info.metadata.items():
                details[key] = _detail_value(key, value)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad_request = error_details_pb2.BadRequest.FromString(detail.value)
            if bad_request.field_violations:
                details.setdefault("field", bad_request.field_violations[0].field)
                details.setdefault("description", bad_request.field_violations[0].description)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
            retry_after_s = delay.seconds + delay.nanos / 1e9
        elif detail.Is(error_details_pb2.RequestInfo.DESCRIPTOR):
            request_id = error_details_pb2.RequestInfo.FromString(detail.value).request_id
    return error_for_code(
        _code_name(status.code),
        status.message,
        reason=reason,
        details=details,
        request_id=request_id,
        retry_after_s=retry_after_s,
    )


def from_rpc_error(error: grpc.RpcError) -> CxstreamError:
    """Return the error a failed gRPC call stands for.

    Parameters
    ----------
    error
        What grpc raised. The rich status is taken from the trailing metadata where the server
        sent one.

    Returns
    -------
    CxstreamError
        The error; ``raise from_rpc_error(error) from error`` keeps the cause.
    """
    if not hasattr(error, "code"):
        return Internal(str(error) or type(error).__name__)
    metadata = dict(error.trailing_metadata() or ())
    request_id = metadata.get(REQUEST_ID_METADATA_KEY)
    serialized = metadata.get(STATUS_METADATA_KEY)
    if serialized is not None:
        from google.protobuf.message import DecodeError
        from google.rpc import status_pb2

        try:
            return from_status(status_pb2.Status.FromString(serialized), request_id)
        except DecodeError:
            pass  # A proxy may have put something else there; the plain status still holds.
    code = error.code()
    return error_for_code(
        code.name if code is not None else "UNKNOWN",
        error.details() or "the call failed without a message",
        request_id=request_id,
    )


def from_refusal(refusal: AppendRefusal) -> CxstreamError:
    """Return the error a refused batch stands for.

    Parameters
    ----------
    refusal
        The server's answer. Its own fields go before those of its details.

    Returns
    -------
    CxstreamError
        The error, with ``sequence``, ``next_sequence`` and, where the server named them,
        ``column``, ``row`` and ``expected`` in its details.
    """
    from google.rpc import status_pb2

    status = status_pb2.Status(code=refusal.code, message=refusal.message)
    for detail in refusal.details:
        status.details.add().CopyFrom(detail)
    error = from_status(status)
    error.reason = refusal.reason or error.reason
    error.details |= {"sequence": refusal.sequence, "next_sequence": refusal.next_sequence}
    if refusal.column:
        error.details["column"] = refusal.column
    if refusal.HasField("row"):
        error.details["row"] = refusal.row
    if refusal.expected:
        error.details["expected"] = refusal.expected
    return error


def _rebuild(
    error_class: type[CxstreamError], message: str, options: dict[str, Any]
) -> CxstreamError:
    return error_class(message, **options)


def _detail_value(key: str, value: str) -> str | int:
    if key in INTEGER_DETAILS:
        try:
            return int(value)
        except ValueError:
            return value
    return value


def _code_name(code: int) -> str:
    from google.rpc import code_pb2

    try:
        return str(code_pb2.Code.Name(code))  # type: ignore[arg-type, unused-ignore]
    except ValueError:
        return "UNKNOWN"
