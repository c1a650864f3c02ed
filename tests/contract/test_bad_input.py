"""Bad input: a named status with column and row, nothing stored, the stream alive. Both transports."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

import cxstream_client as cx
from cxstream_api.v1.append_service_pb2 import AppendOpen, AppendRequest, AppendResponse

PROGRAM: dict[str, Any] = {
    "questions": {
        "netpro": {"kind": "nps"},
        "food": {"kind": "rating", "scale": [1, 5], "missing": [0]},
        "spend": {"kind": "number", "range": [0, 1000], "step": 0.01},
        "improve": {"kind": "choice", "options": {"1": "Food", "2": "Wifi"}, "multiple": True},
    },
    "dimensions": {"terminal": {"max_levels": 3}},
    "time": {"column": "at"},
}


def table(**changed: Any) -> pa.Table:
    """Return four good responses, some columns replaced (None: left out)."""
    columns: dict[str, Any] = {
        "netpro": pa.array([10, 9, 3, None], pa.int8()),
        "food": pa.array([5, 4, 0, 2], pa.int64()),
        "spend": pa.array([1.25, 0.0, None, 1000.0]),
        "improve": pa.array([[1], [1, 2], [], None], pa.list_(pa.int8())),
        "terminal": pa.array(["A", "B", None, "A"]),
        "at": pa.array([0, 1, 2, 3], pa.date32()),
    }
    columns.update(changed)
    kept = {name: values for name, values in columns.items() if values is not None}
    return pa.table(list(kept.values()), names=list(kept))


@pytest.fixture
def program(client: cx.Client, unique: str) -> str:
    client.put_program({"name": unique, **PROGRAM})
    return unique


BAD_VALUES = {
    "out of scale": (
        {"netpro": pa.array([10, 9, 11, 3], pa.int8())}, "OUT_OF_SCALE", "netpro", 2,
    ),
    "below scale": ({"food": pa.array([1, -1, 2, 3])}, "OUT_OF_SCALE", "food", 1),
    "fraction": ({"food": pa.array([1.0, 2.0, 2.5, 3.0])}, "FRACTION", "food", 2),
    "nan": ({"food": pa.array([1.0, float("nan"), 2, 3])}, "NOT_FINITE", "food", 1),
    "infinity": ({"spend": pa.array([1.0, 2, 3, float("inf")])}, "NOT_FINITE", "spend", 3),
    "off the step": ({"spend": pa.array([1.0, 2.005, 3, 4])}, "OFF_STEP", "spend", 1),
    "beyond the range": ({"spend": pa.array([1.0, 2, 1000.01, 4])}, "OUT_OF_SCALE", "spend", 2),
    "option of a list": (
        {"improve": pa.array([[1], [], [2, 3], [1]], pa.list_(pa.int8()))},
        "OUT_OF_SCALE", "improve", 2,
    ),
    "too many levels": (
        {"terminal": pa.array(["A", "B", "C", "D"])}, "TOO_MANY_LEVELS", "terminal", 3,
    ),
    "a level too long": ({"terminal": pa.array(["A", "x" * 201, "B", "B"])}, "LEVEL_TOO_LONG", "terminal", 1),
    "a time out of range": (
        {"at": pa.array([0, 0, -1_000_000, 0], pa.date32())}, "OUT_OF_RANGE_TIME", "at", 2,
    ),
}  # fmt: skip

BAD_SCHEMAS = {
    "unknown column": ({"fod": pa.array([1, 2, 3, 4])}, "UNKNOWN_COLUMN", "fod"),
    "missing column": ({"food": None}, "MISSING_COLUMN", "food"),
    "text for a rating": ({"food": pa.array(["1", "2", "3", "4"])}, "WRONG_TYPE", "food"),
    "a list for a rating": ({"food": pa.array([[1], [2], [3], [4]])}, "WRONG_TYPE", "food"),
    "a rating for a list": ({"improve": pa.array([1, 2, 1, 2])}, "WRONG_TYPE", "improve"),
    "bytes for a dimension": ({"terminal": pa.array([b"A"] * 4)}, "WRONG_TYPE", "terminal"),
    "floats for a dimension": ({"terminal": pa.array([1.0] * 4)}, "WRONG_TYPE", "terminal"),
    "a number for a time": ({"at": pa.array([1, 2, 3, 4])}, "WRONG_TYPE", "at"),
    "a boolean for a rating": ({"food": pa.array([True] * 4)}, "WRONG_TYPE", "food"),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_bad_value(client: cx.Client, program: str, case: str) -> None:
    changed, reason, column, row = BAD_VALUES[case]
    with client.append(program, producer="p") as stream:
        stream.send(table(), wait=True)
        with pytest.raises((cx.InvalidInput, cx.Overloaded)) as caught:
            stream.send(table(**changed), wait=True)
        assert caught.value.reason == reason
        assert caught.value.details["column"] == column
        assert caught.value.details["row"] == row
        assert f"row {row}" in caught.value.message and repr(column) in caught.value.message
        assert caught.value.details["expected"]
        assert client.program_info(program).responses == 4
        stream.send(table(), wait=True)
    assert stream.receipt.rows == 8
    assert client.nps(program, "netpro").n == 6


@pytest.mark.parametrize("case", BAD_SCHEMAS)
def test_bad_schema(client: cx.Client, program: str, case: str) -> None:
    changed, reason, column = BAD_SCHEMAS[case]
    with client.append(program, producer="p") as stream:
        stream.send(table(), wait=True)
        with pytest.raises(cx.InvalidInput) as caught:
            stream.send(table(**changed), wait=True)
        assert caught.value.reason == reason
        assert caught.value.details["column"] == column
        assert client.program_info(program).responses == 4
        stream.send(table(), wait=True)
    assert client.program_info(program).responses == 8


def test_nearest_column_is_named(client: cx.Client, program: str) -> None:
    frame = table(food=None, foood=pa.array([1, 2, 3, 4]))
    with (
        pytest.raises(cx.InvalidInput, match="did you mean 'food'"),
        client.append(program, producer="p") as stream,
    ):
        stream.send(frame, wait=True)


def test_empty_frame(client: cx.Client, program: str) -> None:
    with client.append(program, producer="p") as stream:
        with pytest.raises(cx.InvalidInput):
            stream.send(table().slice(0, 0), wait=True)
        stream.send(table(), wait=True)
    assert client.program_info(program).responses == 4


def test_unknown_program(client: cx.Client, program: str) -> None:
    with pytest.raises(cx.NotFound, match="did you mean"):
        client.append(program[:-1], producer="p")


# --- raw requests: what no SDK would send ---------------------------------------------------------


def ipc(frame: pa.Table, **options: Any) -> tuple[bytes, bytes]:
    """Return the schema message of a table, and its batches."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, frame.schema, **options) as writer:
        writer.write_table(frame)
    data = bytes(sink.getvalue())
    (size,) = struct.unpack_from("<i", data, 4)
    return data[: 8 + size], data[8 + size :]


class Raw:
    """A stream of hand-made requests over the client's own transport."""

    def __init__(self, client: cx.Client, program: str, schema: bytes) -> None:
        self.client = client
        self.open = AppendRequest(
            open=AppendOpen(program=program, producer="raw", arrow_schema=schema)
        )

    def send(self, *requests: AppendRequest) -> list[AppendResponse]:
        def all_of_them() -> Iterator[AppendRequest]:
            yield self.open
            yield from requests

        opened, *replies = self.client._transport.append(all_of_them())
        return [opened, *replies] if opened.HasField("refusal") else replies


def request(body: bytes, rows: int = 4, sequence: int = 0) -> AppendRequest:
    return AppendRequest(sequence=sequence, rows=rows, arrow=body, crc32=zlib.crc32(body))


def test_raw_batches_that_are_refused(client: cx.Client, program: str) -> None:
    schema, body = ipc(table())
    _, compressed = ipc(table(), options=pa.ipc.IpcWriteOptions(compression="lz4"))
    _, empty = ipc(pa.Table.from_batches([table().to_batches()[0].slice(0, 0)]))
    cases = {
        "MALFORMED_ARROW": [b"", b"\0" * 64, body[:100], body[:-100], schema + body, body + body],
        "COMPRESSED_BODY": [compressed],
        "ROWS_DIFFER": [ipc(table().slice(0, 3))[1]],
    }
    requests, expected = [], []
    for reason, bodies in cases.items():
        for one in bodies:
            requests.append(request(one))
            expected.append(reason)
    requests += [request(empty, rows=0), request(body, sequence=-1), request(body, sequence=9)]
    expected += ["EMPTY_BATCH", "INVALID_SEQUENCE", "SEQUENCE_GAP"]
    replies = Raw(client, program, schema).send(*requests, request(body))
    assert [one.refusal.reason for one in replies[:-1]] == expected
    assert replies[-1].HasField("ack")
    assert client.program_info(program).responses == 4


def test_reused_sequence(client: cx.Client, program: str) -> None:
    schema, body = ipc(table())
    _, other = ipc(table(food=pa.array([1, 1, 1, 1])))
    replies = Raw(client, program, schema).send(
        request(body), request(body), request(other), request(other, sequence=1)
    )
    assert [one.WhichOneof("result") for one in replies] == ["ack", "ack", "refusal", "ack"]
    assert replies[1].ack.duplicate
    assert replies[2].refusal.reason == "SEQUENCE_REUSED"
    assert client.program_info(program).responses == 8


def test_duplicate_column(client: cx.Client, program: str) -> None:
    frame = table()
    doubled = frame.append_column("food", frame.column("food"))
    schema, _ = ipc(doubled)
    refused, batch = Raw(client, program, schema).send(request(ipc(doubled)[1]))
    assert (refused.refusal.reason, refused.refusal.column) == ("DUPLICATE_COLUMN", "food")
    assert batch.refusal.reason == "NO_SCHEMA"


def test_schema_that_is_none(client: cx.Client, program: str) -> None:
    for data in (b"x", b"\xff\xff\xff\xff\x08\0\0\0" + bytes(8), ipc(table())[1]):
        (refused,) = Raw(client, program, data).send()
        assert refused.refusal.reason == "MALFORMED_SCHEMA"


def test_schema_given_on_opening(client: cx.Client, program: str) -> None:
    with pytest.raises(cx.InvalidInput, match="food"):
        client.append(program, producer="p", schema=table(food=None).schema)
    with client.append(program, producer="p", schema=table().schema) as stream:
        stream.send(table())
    assert client.program_info(program).responses == 4


def test_mutated_messages_over_the_wire(client: cx.Client, program: str) -> None:
    """2,000 damaged bodies: each refused or, where the damage means nothing, counted once."""
    import random

    schema, body = ipc(table(terminal=pa.array(["A", "B", None, "A"]).dictionary_encode()))
    rng = random.Random(1)
    requests = []
    for _ in range(2000):
        damaged = bytearray(body)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if rng.random() < 0.2:
            damaged = damaged[: rng.randrange(len(damaged))]
        requests.append(request(bytes(damaged)))
    replies = Raw(client, program, schema).send(*requests)
    assert len(replies) == 2000
    counted = [one for one in replies if one.HasField("ack") and not one.ack.duplicate]
    assert client.program_info(program).responses == 4 * len(counted)
    assert sum(one.HasField("refusal") for one in replies) > 1000
