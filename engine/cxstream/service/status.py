"""Our errors as google.rpc statuses, with details a program can read."""

from __future__ import annotations

from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from cxstream.errors import CxError
from cxstream_api.v1.append_service_pb2 import AppendRefusal

DOMAIN = "cxstream"


def to_status(error: CxError) -> status_pb2.Status:
    """Return the status of an error: ErrorInfo always, BadRequest where a field is at fault."""
    return status_pb2.Status(
        code=code_pb2.Code.Value(error.code), message=error.message, details=_details(error)
    )


def to_refusal(error: CxError, *, sequence: int, next_sequence: int) -> AppendRefusal:
    """Return the in-stream answer to a batch that was refused."""
    refusal = AppendRefusal(
        code=code_pb2.Code.Value(error.code),
        message=error.message,
        details=_details(error),
        sequence=sequence,
        reason=error.reason,
        column=error.column,
        expected=error.expected,
        next_sequence=next_sequence,
    )
    if error.row is not None:
        refusal.row = error.row
    return refusal


def _details(error: CxError) -> list[any_pb2.Any]:
    metadata = dict(error.metadata)
    if error.column:
        metadata["column"] = error.column
    if error.row is not None:
        metadata["row"] = str(error.row)
    if error.expected:
        metadata["expected"] = error.expected
    packed = [any_pb2.Any()]
    packed[0].Pack(
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    )
    if error.code == "INVALID_ARGUMENT" and error.column:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.column, description=error.message
        )
        packed.append(any_pb2.Any())
        packed[-1].Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return packed
