"""The protocol alone: whatever is refused, lost or delayed, the rest is stored once, in order."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from cxstream_api.v1.append_service_pb2 import (
    AppendAck,
    AppendOpened,
    AppendRefusal,
    AppendRequest,
    AppendResponse,
)
from cxstream_client import Conflict, Internal
from cxstream_client._append_window import Batch, BatchRequest, Counted, Refused, Window
from cxstream_client._frames import Body


class Server:
    """The server's side of the protocol; a batch is bad where its content says so."""

    def __init__(self) -> None:
        self.expected = 0
        self.stored: list[bytes] = []
        self.schema = b""

    def answer(self, request: AppendRequest) -> AppendResponse:
        if request.HasField("open"):
            self.schema = request.open.arrow_schema
            return AppendResponse(opened=AppendOpened(next_sequence=self.expected))
        if request.sequence < self.expected:
            assert self.stored[request.sequence] == request.arrow
            return self._ack(request, duplicate=True)
        if request.sequence > self.expected:
            return self._refusal(request, 11)
        if b"bad" in request.arrow:
            return self._refusal(request, 3)
        assert request.arrow.startswith(self.schema), "sent under the wrong schema"
        self.stored.append(request.arrow)
        self.expected += 1
        return self._ack(request, duplicate=False)

    def _ack(self, request: AppendRequest, duplicate: bool) -> AppendResponse:
        return AppendResponse(
            ack=AppendAck(
                next_sequence=self.expected, sequence=request.sequence, duplicate=duplicate
            )
        )

    def _refusal(self, request: AppendRequest, code: int) -> AppendResponse:
        refusal = AppendRefusal(code=code, sequence=request.sequence, next_sequence=self.expected)
        return AppendResponse(refusal=refusal)


def batch(number: int, schema: bytes, bad: bool = False) -> Batch:
    content = schema + str(number).encode() + (b"bad" if bad else b"")
    return Batch(Body(schema, 1, 0, content, 0), frame=number)


@pytest.mark.parametrize("seed", range(300))
def test_everything_good_is_stored_once_in_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    bad_share, loss_share = random.choice([0.0, 0.1, 0.5]), random.choice([0.0, 0.02, 0.1])
    schemas = [b"s", b"t"]
    batches = [
        batch(i, schemas[int(random.random() < 0.1)], bool(random.random() < bad_share))
        for i in range(60)
    ]
    todo = deque(batches)
    server, window = Server(), Window("p", "a")
    to_server: deque[AppendRequest] = deque()
    to_client: deque[AppendResponse] = deque()
    counted: list[Batch] = []
    refused: list[Batch] = []
    window.connect()
    for _ in range(100_000):
        if not todo and not window.unanswered:
            break
        step = random.random()
        if step < loss_share / 4:
            # The connection breaks; some of what is on its way still gets there, no answer does.
            for _ in range(int(random.integers(0, len(to_server) + 1))):
                server.answer(to_server.popleft())
            to_server.clear()
            to_client.clear()
            window.connect()
        elif step < 0.25 and todo and window.unanswered < 8:
            window.add(todo.popleft())
        elif step < 0.5:
            request = window.next_request()
            if request is not None:
                to_server.append(request)
        elif step < 0.75 and to_server:
            to_client.append(server.answer(to_server.popleft()))
        elif to_client:
            for event in window.answer(to_client.popleft()):
                (counted if isinstance(event, Counted) else refused).append(event.batch)
    good = [b for b in batches if b"bad" not in b.body.arrow]
    assert server.stored == [b.body.arrow for b in good]
    assert counted == good
    assert refused == [b for b in batches if b"bad" in b.body.arrow]
    assert window.next_sequence in (server.expected, -1)


def test_at_most_one_opening_and_nothing_behind_it() -> None:
    window = Window("p", "a")
    window.connect()
    window.add(batch(0, b"s"))
    first = window.next_request()
    assert first is not None
    assert first.open.arrow_schema == b""
    assert window.next_request() is None
    window.answer(AppendResponse(opened=AppendOpened(next_sequence=4)))
    second = window.next_request()
    assert second is not None
    assert second.open.arrow_schema == b"s"
    window.answer(AppendResponse(opened=AppendOpened(next_sequence=4)))
    third = window.next_request()
    assert third is not None
    assert third.sequence == 4


def test_nothing_goes_out_without_a_connection() -> None:
    window = Window("p", "a")
    window.add(batch(0, b"s"))
    assert window.next_request() is None
    window.connect()
    window.disconnect()
    assert window.next_request() is None


def test_an_answer_to_nothing_is_a_fault() -> None:
    window = Window("p", "a")
    window.connect()
    with pytest.raises(Internal, match="not asked"):
        window.answer(AppendResponse(ack=AppendAck(next_sequence=1)))


def test_an_acknowledgement_of_another_sequence_is_a_fault() -> None:
    window = opened_window()
    window.add(batch(0, b""))
    window.next_request()
    with pytest.raises(Internal, match="acknowledged sequence 3"):
        window.answer(AppendResponse(ack=AppendAck(next_sequence=4, sequence=3)))


def test_a_gap_out_of_the_blue_is_a_conflict() -> None:
    window = opened_window()
    window.add(batch(0, b""))
    window.next_request()
    with pytest.raises(Conflict):
        window.answer(AppendResponse(refusal=AppendRefusal(code=11, next_sequence=9)))


def test_a_server_that_forgot_is_a_conflict() -> None:
    window = opened_window()
    window.connect()
    window.next_request()
    window.next_sequence = 3
    with pytest.raises(Conflict, match="expects sequence 0"):
        window.answer(AppendResponse(opened=AppendOpened(next_sequence=0)))


def test_rows_are_counted_in_the_frame() -> None:
    window = opened_window()
    window.add(Batch(Body(b"", 10, 500, b"x", 0), frame=2))
    window.next_request()
    (event,) = window.answer(
        AppendResponse(refusal=AppendRefusal(code=3, column="food", row=7, expected="1..5"))
    )
    assert isinstance(event, Refused)
    assert event.error.details["row"] == 507
    assert event.error.details["batch_row"] == 7
    assert event.error.details["frame"] == 2


def opened_window() -> Window:
    window = Window("p", "a")
    window.connect()
    window.next_request()
    window.answer(AppendResponse(opened=AppendOpened(next_sequence=0)))
    return window


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 70_000])
def test_a_batch_is_the_message_that_protobuf_makes(size: int) -> None:
    body = bytes(range(256)) * 274
    for sequence, rows, crc32 in ((0, 1, 0), (2**40, 70_000, 2**32 - 1)):
        ours = BatchRequest(sequence, rows, crc32, memoryview(body)[:size]).SerializeToString()
        theirs = AppendRequest(sequence=sequence, rows=rows, crc32=crc32, arrow=body[:size])
        assert AppendRequest.FromString(ours) == theirs
        assert len(ours) == theirs.ByteSize() + 2 * (size == 0)
