"""The append stream against scripted answers: refusals in mid-pipeline, gaps, broken streams."""

from __future__ import annotations

import threading
import time
import zlib
from typing import Any

import grpc
import pyarrow as pa
import pytest

import cxstream_client as cx
from cxstream_api.v1.append_service_pb2 import AppendRequest, AppendResponse
from tests.waiting import WAIT_S, until

from .conftest import Abort, Hook, Running, ScriptedServer, ack, refusal

INVALID_ARGUMENT = 3
ALREADY_EXISTS = 6
RESOURCE_EXHAUSTED = 8
OUT_OF_RANGE = 11


def frame(*values: int) -> pa.Table:
    """One column, one row a value."""
    return pa.table({"q": pa.array(values, pa.int8())})


def rows_of(request: AppendRequest, schema: bytes) -> list[int]:
    """The values in a batch."""
    values: list[int] = pa.ipc.open_stream(schema + request.arrow).read_all()["q"].to_pylist()
    return values


def stored_values(server: ScriptedServer) -> list[int]:
    """All values stored, in order."""
    pairs = zip(server.stored, server.schemas, strict=True)
    return [value for request, schema in pairs for value in rows_of(request, schema)]


def refuse_value(bad: int) -> Any:
    """Refuse every batch that holds a value."""

    def hook(server: ScriptedServer, request: AppendRequest) -> AppendResponse | None:
        opens = [r.open.arrow_schema for r in server.requests if r.HasField("open")]
        values = rows_of(request, opens[-1])
        if bad not in values:
            return None
        row = values.index(bad)
        message = f"column 'q', row {row}: {bad} is out of scale"
        return refusal(
            server,
            request,
            INVALID_ARGUMENT,
            "OUT_OF_SCALE",
            message,
            column="q",
            row=row,
            expected="1..5",
        )

    return hook


def test_opens_without_a_schema_and_knows_the_next_sequence(
    client: cx.Client, server: ScriptedServer
) -> None:
    server.expected = 7
    with client.append("p", producer="a") as stream:
        assert stream.next_sequence == 7
        assert server.requests[0].open.arrow_schema == b""
        stream.send(frame(1, 2), wait=True)
        assert stream.next_sequence == 8
    assert server.requests[1].open.arrow_schema != b""
    assert server.stored[0].sequence == 7
    assert server.stored[0].rows == 2
    assert server.stored[0].crc32 == zlib.crc32(server.stored[0].arrow)
    assert stream.receipt == cx.Receipt(2, 1, 8, 0, ())


def test_opens_with_the_schema_given(client: cx.Client, server: ScriptedServer) -> None:
    with client.append("p", producer="a", schema=frame(1).schema) as stream:
        stream.send(frame(1))
    assert server.openings == 1
    assert stored_values(server) == [1]


def test_the_body_is_last_on_the_wire() -> None:
    request = AppendRequest(arrow=b"body", crc32=1, rows=2, sequence=3)
    assert request.SerializeToString().endswith(b"\x7a\x04body")


def test_a_long_frame_goes_out_in_order_through_a_small_window(
    client: cx.Client, server: ScriptedServer
) -> None:
    values = [i % 100 for i in range(5000)]
    with client.append("p", producer="a", batch_bytes=500, window=2) as stream:
        stream.send(frame(*values))
    assert len(server.stored) > 10
    assert stored_values(server) == values
    assert stream.receipt.rows == 5000
    assert [r.sequence for r in server.stored] == list(range(len(server.stored)))


def test_refused_in_mid_pipeline_the_rest_is_renumbered(
    client: cx.Client, server: ScriptedServer
) -> None:
    refuse: Hook = refuse_value(9)

    def hook(server: ScriptedServer, request: AppendRequest) -> AppendResponse | None:
        server.hold.wait(WAIT_S)
        return refuse(server, request)

    server.on_batch = hook
    with client.append("p", producer="a", schema=frame(1).schema) as stream:
        for value in (1, 9, 2, 9, 3):
            stream.send(frame(value))
        until(lambda: len(stream._window._in_flight) == 5)  # All are on the wire, none answered.
        server.hold.set()
        with pytest.raises(cx.InvalidInput, match="out of scale") as caught:
            stream.flush()
        assert caught.value.__notes__ == ["1 more batches were refused; see `receipt.refused`"]
        stream.send(frame(4), wait=True)
    assert stored_values(server) == [1, 2, 3, 4]
    assert stream.receipt.rows == 4
    assert stream.receipt.next_sequence == 4
    assert [r.frame for r in stream.receipt.refused] == [1, 3]
    assert [r.sequence for r in server.stored] == [0, 1, 2, 3]
    # All five were sent; what was behind the first refusal began again under its sequence.
    assert [r.sequence for r in server.requests[1:7]] == [0, 1, 2, 3, 4, 1]


def test_wait_raises_the_refusal_of_that_frame_with_its_row(
    client: cx.Client, server: ScriptedServer
) -> None:
    server.on_batch = refuse_value(9)
    values = [1] * 3000 + [9] + [2] * 3000
    with client.append("p", producer="a", batch_bytes=1000) as stream:
        with pytest.raises(cx.InvalidInput) as caught:
            stream.send(frame(*values), wait=True)
        details = caught.value.details
        assert details["column"] == "q"
        assert details["row"] == 3000
        assert details["expected"] == "1..5"
        assert caught.value.reason == "OUT_OF_SCALE"
        stream.send(frame(3), wait=True)
    (refused,) = stream.receipt.refused
    assert refused.row_offset <= 3000 < refused.row_offset + refused.rows
    kept = values[: refused.row_offset] + values[refused.row_offset + refused.rows :]
    assert stored_values(server) == [*kept, 3]


def test_on_refused_is_called_and_nothing_raised(client: cx.Client, server: ScriptedServer) -> None:
    server.on_batch = refuse_value(9)
    seen: list[cx.CxstreamError] = []
    with client.append("p", producer="a", on_refused=seen.append) as stream:
        for value in (1, 9, 2, 9):
            stream.send(frame(value), wait=value == 9)
    assert [error.details["frame"] for error in seen] == [1, 3]
    assert stored_values(server) == [1, 2]


def test_what_on_refused_raises_comes_back(client: cx.Client, server: ScriptedServer) -> None:
    server.on_batch = refuse_value(9)

    def fail(error: cx.CxstreamError) -> None:
        raise KeyError("mine")

    stream = client.append("p", producer="a", on_refused=fail)
    stream.send(frame(9))
    with pytest.raises(KeyError, match="mine"):
        stream.close()


def test_refusal_is_raised_by_the_next_send_which_sends_nothing(
    client: cx.Client, server: ScriptedServer
) -> None:
    server.on_batch = refuse_value(9)
    with client.append("p", producer="a") as stream:
        stream.send(frame(9))
        until(lambda: len(stream.receipt.refused) == 1)
        with pytest.raises(cx.InvalidInput):
            stream.send(frame(1))
        stream.send(frame(2))
    assert stored_values(server) == [2]


def test_refusal_is_raised_on_leaving_but_hides_no_other_error(
    client: cx.Client, server: ScriptedServer
) -> None:
    server.on_batch = refuse_value(9)
    with pytest.raises(cx.InvalidInput), client.append("p", producer="a") as stream:
        stream.send(frame(9))
    with pytest.raises(ZeroDivisionError), client.append("p", producer="a") as stream:  # noqa: PT012
        stream.send(frame(9))
        raise ZeroDivisionError
    assert repr(stream).startswith("AppendStream('p', producer='a', closed")


def test_resource_exhausted_drops_the_batch_only(client: cx.Client, server: ScriptedServer) -> None:
    server.on_batch = lambda s, r: (
        refusal(s, r, RESOURCE_EXHAUSTED, "MAX_LEVELS", "too many levels", column="q")
        if len(s.requests) == 3
        else None
    )
    with client.append("p", producer="a") as stream:
        with pytest.raises(cx.Overloaded, match="too many levels"):
            stream.send(frame(1), wait=True)
        stream.send(frame(2), wait=True)
    assert stored_values(server) == [2]


def test_a_value_out_of_range_is_no_gap(client: cx.Client, server: ScriptedServer) -> None:
    server.on_batch = lambda s, r: refusal(
        s, r, OUT_OF_RANGE, "OUT_OF_SCALE", "too large", column="q", row=0
    )
    with client.append("p", producer="a") as stream:
        with pytest.raises(cx.Conflict, match="too large"):
            stream.send(frame(1), wait=True)
        assert len(stream.receipt.refused) == 1


def test_duplicates_are_counted_apart(client: cx.Client, server: ScriptedServer) -> None:
    def hook(server: ScriptedServer, request: AppendRequest) -> AppendResponse | None:
        if request.sequence:
            return None
        server.expected += 1
        return ack(server, request, duplicate=True)

    server.on_batch = hook
    with client.append("p", producer="a") as stream:
        stream.send(frame(1))
        stream.send(frame(2))
    assert stream.receipt == cx.Receipt(1, 1, 2, 1, ())


@pytest.mark.parametrize("code", [ALREADY_EXISTS, OUT_OF_RANGE])
def test_sequence_conflicts_end_the_stream(
    client: cx.Client, server: ScriptedServer, code: int
) -> None:
    server.on_batch = lambda s, r: refusal(s, r, code, "SEQUENCE", "another sender")
    stream = client.append("p", producer="a")
    with pytest.raises(cx.Conflict, match="another sender"):
        stream.send(frame(1), wait=True)
    with pytest.raises(cx.Conflict):
        stream.send(frame(2))
    with pytest.raises(cx.Conflict):
        stream.close()
    with pytest.raises(cx.PreconditionFailed, match="closed"):
        stream.send(frame(2))
    stream.close()


def test_opening_that_fails(client: cx.Client, server: ScriptedServer) -> None:
    def hook(server: ScriptedServer, request: AppendRequest) -> AppendResponse | None:
        raise Abort(grpc.StatusCode.NOT_FOUND, "no program 'p'")

    server.on_open = hook
    with pytest.raises(cx.NotFound, match="no program 'p'"):
        client.append("p", producer="a")


def test_a_refused_later_opening_refuses_the_frame_only(
    client: cx.Client, server: ScriptedServer
) -> None:
    good = frame(1)
    bad = pa.table({"other": pa.array([1], pa.int8())})

    def hook(server: ScriptedServer, request: AppendRequest) -> AppendResponse | None:
        if b"other" not in request.open.arrow_schema:
            return None
        message = "there is no column 'other'"
        return refusal(server, request, INVALID_ARGUMENT, "UNKNOWN_COLUMN", message, column="other")

    server.on_open = hook
    with client.append("p", producer="a") as stream:
        stream.send(good)
        with pytest.raises(cx.InvalidInput, match="no column 'other'"):
            stream.send(bad, wait=True)
        stream.send(good)
    assert stored_values(server) == [1, 1]


def test_another_schema_opens_again(client: cx.Client, server: ScriptedServer) -> None:
    with client.append("p", producer="a") as stream:
        stream.send(frame(1))
        stream.send(frame(2))
        stream.send(pa.table({"q": pa.array([3], pa.int64())}))
        stream.send(frame(4))
    assert server.openings == 1 + 3
    assert stored_values(server) == [1, 2, 3, 4]


def test_the_server_s_limit_holds(client: cx.Client, server: ScriptedServer) -> None:
    server.arrow_bytes_max = 1000
    with client.append("p", producer="a") as stream:
        stream.send(frame(*([1] * 5000)))
        with pytest.raises(cx.InvalidInput, match="more than the 1000"):
            stream.send({"q": ["x" * 2000]})
    assert len(server.stored) > 4
    assert max(len(r.arrow) for r in server.stored) <= 1000


@pytest.mark.parametrize("bad", [5, frame(), {"q": object()}, None])
def test_no_frame(client: cx.Client, server: ScriptedServer, bad: object) -> None:
    with client.append("p", producer="a") as stream, pytest.raises(cx.InvalidInput):
        stream.send(bad)
    assert not server.stored


def test_a_stream_that_breaks_raises_everywhere(running: Running, client: cx.Client) -> None:
    running.servicer.lose_answers = True
    stream = client.append("p", producer="a")
    stream.send(frame(1))
    until(lambda: len(running.servicer.stored) == 1)
    running.stop()
    with pytest.raises(cx.Unavailable):
        stream.flush()
    with pytest.raises(cx.Unavailable):
        stream.send(frame(1))
    with pytest.raises(cx.Unavailable):
        stream.close()


def test_an_abort_while_waiting_for_the_window(client: cx.Client, server: ScriptedServer) -> None:
    def hook(server: ScriptedServer, request: AppendRequest) -> AppendResponse | None:
        time.sleep(0.2)
        raise Abort(grpc.StatusCode.UNAVAILABLE, "shutting down")

    server.on_batch = hook
    with (  # noqa: PT012
        pytest.raises(cx.Unavailable, match="shutting down"),
        client.append("p", producer="a", window=1) as stream,
    ):
        for value in range(10):
            stream.send(frame(value))


def test_no_answer_is_not_waited_for_for_ever(running: Running) -> None:
    running.servicer.lose_answers = True
    with cx.Client(cx.GrpcTransport(running.target), timeout_s=WAIT_S) as client:
        stream = client.append("p", producer="a")
        stream._timeout_s = 0.3  # from now on: opening it has an answer
        with pytest.raises(cx.DeadlineExceeded, match="no answer within"):
            stream.send(frame(1), wait=True)
        with pytest.raises(cx.DeadlineExceeded):
            stream.close()


def test_no_server() -> None:
    with cx.connect("127.0.0.1:1", timeout_s=WAIT_S) as client, pytest.raises(cx.Unavailable):
        client.append("p", producer="a")


def test_a_closed_client(running: Running) -> None:
    client = cx.connect(running.target)
    client.close()
    with pytest.raises(cx.PreconditionFailed, match="closed"):
        client.append("p", producer="a")
    with pytest.raises(cx.PreconditionFailed, match="closed"):
        client.list_programs()


def test_reconnecting_sends_again_what_is_not_counted(running: Running, client: cx.Client) -> None:
    server = running.servicer
    server.lose_answers = True
    with client.append("p", producer="a", reconnect_s=WAIT_S) as stream:
        stream.send(frame(1))
        stream.send(frame(2))
        until(lambda: len(server.stored) == 2)
        running.stop()
        stream.send(frame(3))
        server.lose_answers = False
        running.start()
        stream.send(frame(4), wait=True)
    assert stored_values(server) == [1, 2, 3, 4]
    assert stream.receipt == cx.Receipt(4, 4, 4, 0, ())


def test_reconnecting_after_a_refusal_whose_answer_was_lost(
    running: Running, client: cx.Client
) -> None:
    server = running.servicer
    refuse: Hook = refuse_value(9)
    broken: list[bool] = []

    def hook(server: ScriptedServer, request: AppendRequest) -> AppendResponse | None:
        answer = refuse(server, request)
        if answer is not None and not broken:
            broken.append(True)
            raise Abort(grpc.StatusCode.UNAVAILABLE, "lost")
        return answer

    server.on_batch = hook
    seen: list[cx.CxstreamError] = []
    with client.append("p", producer="a", reconnect_s=WAIT_S, on_refused=seen.append) as stream:
        for value in (1, 9, 2, 3):
            stream.send(frame(value))
    assert stored_values(server) == [1, 2, 3]
    assert len(seen) == 1


def test_reconnecting_gives_up(running: Running, client: cx.Client) -> None:
    stream = client.append("p", producer="a", reconnect_s=0.5)
    running.stop()
    with pytest.raises(cx.Unavailable):
        stream.send(frame(1), wait=True)
    with pytest.raises(cx.Unavailable):
        stream.close()


def test_reconnecting_to_a_server_that_went_on(running: Running, client: cx.Client) -> None:
    stream = client.append("p", producer="a", reconnect_s=WAIT_S)
    stream.send(frame(1), wait=True)
    running.stop()
    running.servicer.expected = 5
    running.start()
    with pytest.raises(cx.Conflict, match="another sender"):
        stream.send(frame(2), wait=True)
    stream._abort()


def test_an_interrupted_body_ends_the_stream_at_once(
    client: cx.Client, server: ScriptedServer
) -> None:
    server.lose_answers = True
    since = time.monotonic()
    with pytest.raises(KeyboardInterrupt), client.append("p", producer="a") as stream:  # noqa: PT012
        stream.send(frame(1))
        raise KeyboardInterrupt
    assert time.monotonic() - since < WAIT_S / 2  # that is, it was not waited for


def test_a_reader_is_read_as_a_stream(client: cx.Client, server: ScriptedServer) -> None:
    made = []

    def batches() -> Any:
        for i in range(50):
            made.append(i)
            yield pa.record_batch({"q": pa.array([i] * 100, pa.int8())})

    schema = pa.schema([("q", pa.int8())])
    server.on_batch = lambda s, r: (s.hold.wait(WAIT_S), None)[1]
    reader = pa.RecordBatchReader.from_batches(schema, batches())
    with client.append("p", producer="a", batch_bytes=400, window=2) as stream:
        sender = threading.Thread(target=stream.send, args=(reader,))
        sender.start()
        until(lambda: len(server.requests) >= 2)
        time.sleep(0.2)
        assert len(made) < 40
        server.hold.set()
        sender.join(WAIT_S)
    assert stored_values(server) == [i for i in range(50) for _ in range(100)]


class Direct:
    """A transport in this process: the servicer runs in the thread that takes its answers."""

    target = "in process"

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server

    def unary(self, service: str, method: str, request: Any, timeout_s: float) -> Any:
        raise NotImplementedError

    def append(self, requests: Any) -> Any:
        return DirectCall(self._server.Append(requests, None))

    def close(self) -> None:
        pass


class DirectCall:
    def __init__(self, answers: Any) -> None:
        self._answers = answers

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> AppendResponse:
        response: AppendResponse = next(self._answers)
        return response

    def cancel(self) -> None:
        pass  # The requests end, and with them the servicer.


def test_a_transport_without_threads_of_its_own() -> None:
    server = ScriptedServer(on_batch=refuse_value(9))
    client = cx.Client(Direct(server), timeout_s=WAIT_S)
    seen: list[cx.CxstreamError] = []
    with client.append("p", producer="a", on_refused=seen.append, window=3) as stream:
        for value in (1, 9, 2, 9, 3, 4, 5):
            stream.send(frame(value))
        stream.flush()
        assert stream.receipt.rows == 5
    assert stored_values(server) == [1, 2, 3, 4, 5]
    assert len(seen) == 2
    with pytest.raises(KeyboardInterrupt), client.append("p", producer="a"):
        raise KeyboardInterrupt


def test_no_threads_are_left(running: Running) -> None:
    before = threading.active_count()
    with cx.connect(running.target) as client:
        for _ in range(5):
            with client.append("p", producer="a") as stream:
                stream.send(frame(1))
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("cxstream-append")])
    assert threading.active_count() <= before + 8
