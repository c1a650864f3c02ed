"""The server from the point of view of another language: generated messages and IPC bytes, no SDK."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import grpc
import pyarrow as pa
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from cxstream_api.v1 import (
    append_service_pb2,
    append_service_pb2_grpc,
    common_pb2,
    metrics_pb2,
    program_pb2,
    program_service_pb2,
    program_service_pb2_grpc,
    query_service_pb2_grpc,
)


def split_stream(table: pa.Table) -> tuple[bytes, bytes]:
    """Write an ordinary IPC stream; return its schema message and what follows."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data = bytes(sink.getvalue())
    (metadata_size,) = struct.unpack_from("<i", data, 4)
    return data[: 8 + metadata_size], data[8 + metadata_size :]


@pytest.fixture(scope="module")
def channel(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address) as channel:
        yield channel


def put(channel: grpc.Channel, name: str) -> program_service_pb2.PutProgramResponse:
    program = program_pb2.Program(
        name=name,
        questions=[
            program_pb2.Question(name="netpro", kind=program_pb2.QUESTION_KIND_NPS),
            program_pb2.Question(
                name="food", kind=program_pb2.QUESTION_KIND_RATING, scale=[1, 5], missing=["0"]
            ),
        ],
        dimensions=[program_pb2.Dimension(name="terminal")],
    )
    stub = program_service_pb2_grpc.ProgramServiceStub(channel)
    return stub.PutProgram(program_service_pb2.PutProgramRequest(program=program))


def test_declare_append_ask(channel: grpc.Channel, unique: str) -> None:
    assert put(channel, unique).info.version == 1
    schema, body = split_stream(
        pa.table(
            {
                "netpro": pa.array([10, 9, 8, 3, None], pa.int8()),
                "food": pa.array([5, 4, 0, 2, 1], pa.uint8()),
                "terminal": pa.array(["A", "B", "A", "A", None]).dictionary_encode(),
            }
        )
    )
    requests = [
        append_service_pb2.AppendRequest(
            open=append_service_pb2.AppendOpen(
                program=unique, producer="elsewhere", arrow_schema=schema
            )
        ),
        append_service_pb2.AppendRequest(sequence=0, rows=5, arrow=body),
        append_service_pb2.AppendRequest(sequence=0, rows=5, arrow=body),
        append_service_pb2.AppendRequest(sequence=7, rows=5, arrow=body),
        append_service_pb2.AppendRequest(sequence=1, rows=4, arrow=body),
        append_service_pb2.AppendRequest(sequence=1, rows=5, arrow=body, crc32=1),
        append_service_pb2.AppendRequest(sequence=1, rows=5, arrow=body),
    ]
    stub = append_service_pb2_grpc.AppendServiceStub(channel)
    replies = list(stub.Append(iter(requests)))
    assert [one.WhichOneof("result") for one in replies] == [
        "opened", "ack", "ack", "refusal", "refusal", "refusal", "ack",
    ]  # fmt: skip
    assert replies[0].opened.next_sequence == 0
    assert not replies[1].ack.duplicate and replies[1].ack.next_sequence == 1
    assert replies[2].ack.duplicate and replies[2].ack.next_sequence == 1
    assert replies[3].refusal.reason == "SEQUENCE_GAP"
    assert replies[3].refusal.code == code_pb2.OUT_OF_RANGE
    assert replies[3].refusal.next_sequence == 1
    assert replies[4].refusal.reason == "ROWS_DIFFER"
    assert replies[5].refusal.reason == "CHECKSUM_DIFFERS"
    assert replies[6].ack.next_sequence == 2

    stub = query_service_pb2_grpc.QueryServiceStub(channel)
    reply = stub.Nps(
        metrics_pb2.NpsRequest(
            selection=common_pb2.Selection(program=unique, by=["terminal"]),
            question="netpro",
        )
    )
    assert reply.as_of.responses == 10 and reply.as_of.batches == 2
    a, b, none = reply.rows
    assert (a.group[0].level, a.n, a.promoters, a.passives, a.detractors) == ("A", 6, 2, 2, 2)
    assert (b.group[0].level, b.n, b.score) == ("B", 2, 100.0)
    assert not none.group[0].HasField("level")
    assert none.n == 0 and dict(none.dropped) == {"null": 2}
    assert not none.HasField("score") and not none.HasField("interval")


def test_refusal_reads_as_google_rpc_status(channel: grpc.Channel, unique: str) -> None:
    put(channel, unique)
    schema, body = split_stream(
        pa.table({"netpro": [10, 11], "food": [5, 4], "terminal": ["A", "B"]})
    )
    opened = append_service_pb2.AppendOpen(program=unique, producer="p", arrow_schema=schema)
    replies = list(
        append_service_pb2_grpc.AppendServiceStub(channel).Append(
            iter(
                [
                    append_service_pb2.AppendRequest(open=opened),
                    append_service_pb2.AppendRequest(sequence=0, rows=2, arrow=body),
                ]
            )
        )
    )
    refusal = replies[1].refusal
    assert (refusal.reason, refusal.column, refusal.row) == ("OUT_OF_SCALE", "netpro", 1)
    status = status_pb2.Status.FromString(refusal.SerializeToString())
    assert status.code == code_pb2.INVALID_ARGUMENT
    assert "row 1" in status.message and "0 to 10" in status.message
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("OUT_OF_SCALE", "cxstream")
    assert dict(info.metadata)["column"] == "netpro" and info.metadata["row"] == "1"


def test_errors_carry_details(channel: grpc.Channel, unique: str) -> None:
    put(channel, unique)
    stub = query_service_pb2_grpc.QueryServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Nps(
            metrics_pb2.NpsRequest(
                selection=common_pb2.Selection(program=unique), question="netpr"
            ),
            metadata=(("x-request-id", "my-request"),),
        )
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "did you mean 'netpro'" in caught.value.details()
    status = rpc_status.from_call(caught.value)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info) and info.reason == "UNKNOWN_QUESTION"
    assert dict(caught.value.trailing_metadata())["x-request-id"] == "my-request"


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (append_service_pb2.AppendRequest(sequence=0, rows=1), "INVALID_ARGUMENT", "NOT_OPEN"),
        (
            append_service_pb2.AppendRequest(
                open=append_service_pb2.AppendOpen(program="no-such", producer="p")
            ),
            "NOT_FOUND",
            "UNKNOWN_PROGRAM",
        ),
        (
            append_service_pb2.AppendRequest(
                open=append_service_pb2.AppendOpen(program="no-such", producer="a b")
            ),
            "INVALID_ARGUMENT",
            "INVALID_PRODUCER",
        ),
    ],
)
def test_streams_that_cannot_open(
    channel: grpc.Channel,
    request_: append_service_pb2.AppendRequest,
    code: str,
    reason: str,
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(append_service_pb2_grpc.AppendServiceStub(channel).Append(iter([request_])))
    assert caught.value.code().name == code
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(caught.value).details[0].Unpack(info) and info.reason == reason


def test_unknown_enum_value_is_refused(channel: grpc.Channel, unique: str) -> None:
    put(channel, unique)
    request = metrics_pb2.NpsRequest(
        selection=common_pb2.Selection(program=unique), question="netpro"
    )
    request.interval_method = 99  # type: ignore[assignment]
    with pytest.raises(grpc.RpcError, match="value 99 is not known"):
        query_service_pb2_grpc.QueryServiceStub(channel).Nps(request)
