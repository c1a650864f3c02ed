"""One table from status codes to classes; what the server said is kept."""

from __future__ import annotations

import pickle
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

import cxstream_client as cx
from cxstream_api.v1.append_service_pb2 import AppendRefusal
from cxstream_client import errors

NATURAL = {
    cx.InvalidInput: ValueError,
    cx.NotFound: LookupError,
    cx.Unavailable: ConnectionError,
    cx.DeadlineExceeded: TimeoutError,
}


def status(code: int, *details: Any) -> status_pb2.Status:
    made = status_pb2.Status(code=code, message="a sentence")
    for detail in details:
        made.details.add().Pack(detail)
    return made


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.name != "OK"])
def test_every_code_has_a_class(code: grpc.StatusCode) -> None:
    error = errors.from_status(status(code.value[0]))
    assert type(error) is errors.CLASS_BY_CODE[code.name]
    assert isinstance(error, cx.CxstreamError)
    assert isinstance(error, NATURAL.get(type(error), Exception))
    assert error.code == code.name
    assert str(error) == error.message == "a sentence"
    assert error.args == ("a sentence",)


def test_details_are_read() -> None:
    info = error_details_pb2.ErrorInfo(
        reason="OUT_OF_SCALE",
        domain="cxstream",
        metadata={"column": "7", "row": "12", "next_sequence": "x", "expected": "1..5"},
    )
    violation = error_details_pb2.BadRequest.FieldViolation(field="by", description="unknown")
    error = errors.from_status(
        status(
            code_pb2.RESOURCE_EXHAUSTED,
            info,
            error_details_pb2.BadRequest(field_violations=[violation]),
            error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)),
            error_details_pb2.RequestInfo(request_id="r-1"),
            Duration(),
        )
    )
    assert isinstance(error, cx.Overloaded)
    assert error.reason == "OUT_OF_SCALE"
    assert error.retry_after_s == 1.5
    assert error.request_id == "r-1"
    assert error.details == {
        "column": "7",
        "row": 12,
        "next_sequence": "x",
        "expected": "1..5",
        "field": "by",
        "description": "unknown",
    }


def test_refusals() -> None:
    refusal = AppendRefusal(
        code=code_pb2.INVALID_ARGUMENT,
        message="row 3",
        reason="OUT_OF_SCALE",
        column="food",
        row=0,
        expected="1..5",
        sequence=4,
        next_sequence=4,
    )
    error = errors.from_refusal(refusal)
    assert isinstance(error, cx.InvalidInput)
    assert error.details == {
        "column": "food",
        "row": 0,
        "expected": "1..5",
        "sequence": 4,
        "next_sequence": 4,
    }
    assert "row" not in errors.from_refusal(AppendRefusal(code=3)).details


class RpcError(grpc.RpcError):  # type: ignore[misc, unused-ignore]
    """What grpc raises, as far as it is read."""

    def __init__(self, code: Any, details: str | None, metadata: Any) -> None:
        super().__init__()
        self._said = (code, details, metadata)

    def code(self) -> Any:
        return self._said[0]

    def details(self) -> Any:
        return self._said[1]

    def trailing_metadata(self) -> Any:
        return self._said[2]


def test_rpc_errors() -> None:
    rich = status(code_pb2.NOT_FOUND, error_details_pb2.ErrorInfo(reason="NO_PROGRAM"))
    metadata = (("x-request-id", "r-2"), ("grpc-status-details-bin", rich.SerializeToString()))
    error = errors.from_rpc_error(RpcError(grpc.StatusCode.NOT_FOUND, "short", metadata))
    assert (type(error), error.reason, error.request_id) == (cx.NotFound, "NO_PROGRAM", "r-2")
    assert str(error) == "a sentence"

    garbled = (("grpc-status-details-bin", b"\xff\xff"),)
    error = errors.from_rpc_error(RpcError(grpc.StatusCode.INTERNAL, "short", garbled))
    assert (type(error), str(error)) == (cx.Internal, "short")
    error = errors.from_rpc_error(RpcError(grpc.StatusCode.CANCELLED, None, None))
    assert (type(error), str(error)) == (cx.Cancelled, "the call failed without a message")
    assert type(errors.from_rpc_error(RpcError(None, "x", None))) is cx.Internal
    assert type(errors.from_rpc_error(grpc.RpcError("odd"))) is cx.Internal


@pytest.mark.parametrize("error_class", sorted({*errors.CLASS_BY_CODE.values()}, key=str))
def test_errors_travel_between_processes(error_class: type[cx.CxstreamError]) -> None:
    error = error_class("m", reason="R", details={"row": 1}, request_id="r")
    for other in (pickle.loads(pickle.dumps(error)), error.copy()):
        assert type(other) is error_class
        assert (other.message, other.code, other.reason, other.details, other.request_id) == (
            "m",
            error_class.default_code,
            "R",
            {"row": 1},
            "r",
        )
