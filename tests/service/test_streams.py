"""What carries an append stream: reading ahead, rounds, and the bytes of a request."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxstream.appender import Incoming
from cxstream.engine import Engine
from cxstream.errors import CxError, InvalidArgumentError, UnavailableError
from cxstream.service import wire
from cxstream.service.appending import Appending
from cxstream.service.courier import LARGE_THREADS, Courier, Errand
from cxstream.service.streams import (
    HELD_BYTES_MAX,
    HELD_MAX,
    RUN_BYTES_MAX,
    Inbox,
    Post,
    Streams,
)
from cxstream.service.wire import of_message, read_request
from cxstream.store import Batch
from cxstream_api.v1.append_service_pb2 import AppendOpen, AppendRequest, AppendResponse
from tests.columns.wire import write
from tests.waiting import WAIT_S, until

INT64_MAX = 2**63 - 1


# --- requests -------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read requests of any size by hand, as far as they are in order."""
    monkeypatch.setattr(wire, "_LARGE_BYTES", 0)


def protobuf(data: bytes) -> Any:
    """Return what protobuf makes of the bytes; None where it is nothing."""
    try:
        return of_message(AppendRequest.FromString(data))
    except Exception:  # noqa: BLE001 - DecodeError, of several modules
        return None


def ours(data: bytes) -> Any:
    try:
        found = read_request(data)
    except InvalidArgumentError as error:
        return None if error.reason == "MALFORMED_REQUEST" else error
    if isinstance(found, Incoming):
        return Incoming(found.sequence, found.rows, bytes(found.body), found.crc32)
    return found


requests = st.builds(
    AppendRequest,
    sequence=st.integers(-5, 300) | st.integers(-(2**63), INT64_MAX),
    rows=st.integers(-1, 70_000) | st.integers(-(2**63), INT64_MAX),
    crc32=st.none() | st.integers(0, 2**32 - 1),
    arrow=st.binary(max_size=300),
    open=st.none() | st.builds(AppendOpen, program=st.text(max_size=3)),
)


@given(requests)
def test_a_request_reads_as_protobuf_reads_it(request: AppendRequest) -> None:
    data = request.SerializeToString()
    assert ours(data) == protobuf(data)


@given(requests, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4))
def test_damaged_requests_read_as_protobuf_reads_them(
    request: AppendRequest, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(request.SerializeToString())
    for place, byte in changes:
        if data:
            data[place % len(data)] = byte
    for end in {len(data), len(data) // 2}:
        assert ours(bytes(data[:end])) == protobuf(bytes(data[:end]))


@given(st.binary(max_size=40))
def test_any_bytes_read_as_protobuf_reads_them(data: bytes) -> None:
    assert ours(data) == protobuf(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x10\x05\x10\x06\x18\x01\x7a\x01x",  # a field twice: the last one counts
        b"\x7a\x01x\x18\x01",  # the body first
        b"\x10\x85\x80\x00\x7a\x01x",  # a number of more bytes than it needs
        b"\x10" + b"\xff" * 9 + b"\x01\x7a\x01x",  # -1
        b"\x10" + b"\xff" * 10 + b"\x01\x7a\x01x",  # a number without an end
        b"\x72\x03abc\x7a\x01x",  # a field of a later version
        b"\x7a\x02x",  # more than there is
        b"\x7a\x01xy",  # bytes behind it
        b"\x7a\x01x\x7a\x01y",
        b"\x25\x01\x02\x03",
        b"",
    ],
)
def test_odd_requests(data: bytes) -> None:
    assert ours(data) == protobuf(data)


def test_a_body_is_not_copied() -> None:
    data = AppendRequest(sequence=1, rows=2, crc32=3, arrow=b"x" * 10).SerializeToString()
    found = read_request(data)
    assert isinstance(found, Incoming) and isinstance(found.body, memoryview)
    assert found.body.obj is data


# --- reading ahead --------------------------------------------------------------------------------


class Call:
    """A client that sends as fast as it is read."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.requests = requests
        self.read_count = 0

    async def read(self) -> Any:
        await asyncio.sleep(0)
        self.read_count += 1
        return next(self.requests, None)

    async def write(self, response: bytes) -> None:
        raise NotImplementedError


async def turns(count: int) -> None:
    """Let the event loop turn so often; a turn reads a request, if there is room."""
    for _ in range(count):
        await asyncio.sleep(0)


def request(number: int, size: int = 1) -> bytes:
    return AppendRequest(sequence=number, arrow=b"x" * size).SerializeToString()


def sequences_of(requests: Iterable[Any]) -> list[int]:
    return [one.sequence for one in requests if isinstance(one, Incoming)]


def test_an_inbox_gives_all_that_came_and_holds_only_so_much() -> None:
    async def run() -> None:
        call = Call(request(number) for number in range(400))
        inbox = Inbox(call)
        await turns(2 * HELD_MAX)
        assert call.read_count == HELD_MAX + 1
        sequences, groups = [], 0
        while await inbox.first() is not None:
            group = sequences_of(inbox.since(0))
            assert 0 < len(group) <= HELD_MAX
            groups += 1
            sequences += group
            for _ in group:
                inbox.answered()
        assert sequences == list(range(400)) and groups < 400
        inbox.close()

    asyncio.run(run())


def test_an_inbox_holds_only_so_many_bytes() -> None:
    async def run() -> None:
        call = Call(request(number, 2**20) for number in range(99))
        inbox = Inbox(call)
        await turns(200)
        assert call.read_count == HELD_BYTES_MAX // 2**20 + 1
        for _ in range(3):
            inbox.answered()
        await turns(200)
        assert call.read_count == HELD_BYTES_MAX // 2**20 + 4
        inbox.close()

    asyncio.run(run())


def test_half_of_the_bytes_go_at_a_time() -> None:
    async def run() -> None:
        inbox = Inbox(Call(request(number, 2**20) for number in range(99)))
        await turns(200)
        fit = RUN_BYTES_MAX // 2**20
        assert sequences_of(inbox.since(0)) == list(range(fit))
        assert sequences_of(inbox.since(1)) == list(range(1, fit))
        assert not list(inbox.since(fit))
        inbox.answered()
        assert sequences_of(inbox.since(0)) == list(range(1, fit + 1))
        inbox.close()

    asyncio.run(run())


def test_what_comes_later_is_seen_behind_what_came_before() -> None:
    async def run() -> None:
        inbox = Inbox(Call(request(number) for number in range(9)))
        await inbox.first()
        seen = sequences_of(inbox.since(0))
        before = len(seen)
        await turns(4)
        seen += sequences_of(inbox.since(len(seen)))
        assert 0 < before < len(seen) < 9
        await turns(20)
        seen += sequences_of(inbox.since(len(seen)))
        assert seen == list(range(9))
        for _ in seen:
            inbox.answered()
        assert await inbox.first() is None
        inbox.close()

    asyncio.run(run())


def test_what_comes_while_others_look_is_seen_once() -> None:
    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        inbox = Inbox(Call(request(number) for number in range(HELD_MAX)))
        seen: list[int] = []

        def look() -> None:
            while len(seen) < HELD_MAX:
                seen.extend(sequences_of(inbox.since(len(seen))))

        await asyncio.wait_for(loop.run_in_executor(None, look), WAIT_S)
        inbox.close()
        return seen

    assert asyncio.run(run()) == list(range(HELD_MAX))


@pytest.mark.parametrize(("size", "fit"), [(1, HELD_MAX), (2**20, HELD_BYTES_MAX // 2**20)])
@pytest.mark.parametrize("left", [0, 1])
def test_reading_goes_on_after_all_there_was_room_for_came(size: int, fit: int, left: int) -> None:
    async def run() -> None:
        count = 3 * fit
        call = Call(request(number, size) for number in range(count))
        inbox = Inbox(call)
        sequences: list[int] = []
        while await asyncio.wait_for(inbox.first(), WAIT_S) is not None:
            await turns(4 * fit)  # as much as there is room for
            group = sequences_of(inbox.since(0))
            # Not all are answered at a time.
            for sequence in group[: max(1, len(group) - left)]:
                sequences.append(sequence)
                inbox.answered()
        assert sequences == list(range(count))
        inbox.close()

    asyncio.run(run())


def test_a_draining_inbox_says_so() -> None:
    async def run() -> None:
        inbox = Inbox(Call(request(number) for number in range(9)))
        await inbox.first()
        seen = len(sequences_of(inbox.since(0)))
        await turns(4)
        inbox.drain()
        assert not list(inbox.since(seen))
        with pytest.raises(UnavailableError, match="shutting down"):
            await inbox.first()
        inbox.close()

    asyncio.run(run())


def test_a_malformed_request_comes_in_its_place_and_ends_the_reading() -> None:
    async def run() -> None:
        call = Call(iter([request(0), b"\xff", request(1)]))
        inbox = Inbox(call)
        await turns(10)
        await inbox.first()
        first, second = inbox.since(0)
        assert isinstance(first, Incoming) and isinstance(second, CxError)
        assert second.reason == "MALFORMED_REQUEST"
        inbox.answered()
        assert await inbox.first() is second
        inbox.answered()
        assert await inbox.first() is None
        inbox.close()

    asyncio.run(run())


def test_post_delivers_from_many_threads() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        post = Post(loop)
        futures: list[asyncio.Future[int]] = [loop.create_future() for _ in range(400)]
        futures[7].cancel()

        def put(start: int) -> None:
            for number in range(start, 400, 4):
                post.put(futures[number], number)

        threads = [threading.Thread(target=put, args=(start,)) for start in range(4)]
        for thread in threads:
            thread.start()
        for number, future in enumerate(futures):
            with suppress(asyncio.CancelledError):
                assert await asyncio.wait_for(future, WAIT_S) == number
        for thread in threads:
            thread.join()

    asyncio.run(run())


# --- rounds ---------------------------------------------------------------------------------------

SCHEMA, BODY = write(pa.record_batch({"q": pa.array([9], pa.int8())}))
_, LARGE = write(pa.record_batch({"q": pa.array([9] * 5000, pa.int8())}))


@pytest.fixture
def engine() -> Engine:
    engine = Engine()
    for name in ("p", "other"):
        engine.put_program({"name": name, "questions": {"q": {"kind": "nps"}}})
    return engine


def appender(engine: Engine, producer: str, program: str = "p") -> Any:
    made = engine.open_append(program, producer)
    made.set_schema(SCHEMA)
    return made


def sent(courier: Courier, appender: Any, *messages: Incoming) -> Future[Any]:
    done: Future[Any] = Future()
    courier.send(Errand(appender, list(messages), done.set_result))
    return done


class Commits:
    """Commits of an engine, which wait until they may go."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.entered = threading.Event(), threading.Event()
        self.groups: list[tuple[Batch, ...]] = []
        self._commit = engine._store.commit
        monkeypatch.setattr(engine._store, "commit", self._held)

    def _held(self, *batches: Batch) -> int:
        self.groups.append(batches)
        self.entered.set()
        assert self.go.wait(WAIT_S)
        return self._commit(*batches)


@pytest.fixture
def commits(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(engine, monkeypatch)


def test_small_batches_of_a_program_go_in_rounds(engine: Engine, commits: Commits) -> None:
    with ThreadPoolExecutor(8) as pool:
        courier = Courier(pool, pool)
        producers = [appender(engine, f"p{number}") for number in range(4)]
        first = sent(courier, producers[0], Incoming(0, 1, BODY))
        assert commits.entered.wait(WAIT_S)
        rest = [
            sent(courier, one, Incoming(0, 1, BODY), Incoming(1, 1, BODY)) for one in producers[1:]
        ]
        # Neither another program nor a large batch waits for the round; a producer's order stays.
        rest.append(sent(courier, appender(engine, "x", "other"), Incoming(0, 1, BODY)))
        rest.append(sent(courier, appender(engine, "large"), Incoming(0, 5000, LARGE)))
        until(lambda: len(commits.groups) == 3)
        bad = sent(courier, appender(engine, "p1"), Incoming(2, 9, BODY))
        commits.go.set()
        answers = [done.result(WAIT_S) for done in (first, *rest)]
        assert [error.reason for error in bad.result(WAIT_S)] == ["ROWS_DIFFER"]
    assert [[one.sequence for one in answer] for answer in answers] == [
        [0],
        *[[0, 1]] * 3,
        [0],
        [0],
    ]
    programs = [[one.program for one in group] for group in commits.groups]
    assert sorted(programs) == [["other"], ["p"], ["p"], ["p"] * 6]
    assert engine.programs()[0].responses + engine.programs()[1].responses == 5008


def test_large_batches_go_together_while_as_many_threads_as_may_are_busy(
    engine: Engine, commits: Commits
) -> None:
    count = 3 * LARGE_THREADS
    with ThreadPoolExecutor(count) as pool:
        courier = Courier(pool, pool)
        done = []
        for number in range(count):
            large = Incoming(0, 5000, LARGE)
            done.append(sent(courier, appender(engine, f"p{number}"), large))
            if number < LARGE_THREADS:
                until(lambda held=number + 1: len(commits.groups) == held)
        commits.go.set()
        assert [one.sequence for two in done for one in two.result(WAIT_S)] == [0] * count
    groups = [[one.producer for one in group] for group in commits.groups]
    assert groups == [
        *([f"p{number}"] for number in range(LARGE_THREADS)),
        [f"p{number}" for number in range(LARGE_THREADS, count)],
    ]
    assert engine.programs()[1].responses == 5000 * count


def test_one_that_is_refused_leaves_the_others_of_its_round(
    engine: Engine, commits: Commits
) -> None:
    _, bad = write(pa.record_batch({"q": pa.array([9] * 4999 + [11], pa.int8())}))
    with ThreadPoolExecutor(9) as pool:
        courier = Courier(pool, pool)
        done = []
        for number in range(LARGE_THREADS):
            done.append(sent(courier, appender(engine, f"p{number}"), Incoming(0, 5000, LARGE)))
            until(lambda held=number + 1: len(commits.groups) == held)
        for name, messages in (
            ("good", [Incoming(0, 5000, LARGE), Incoming(1, 5000, LARGE)]),
            ("bad", [Incoming(0, 5000, LARGE), Incoming(1, 5000, bad), Incoming(2, 5000, LARGE)]),
            ("gap", [Incoming(7, 5000, LARGE)]),
            ("worse", [Incoming(0, 5000, bad)]),
        ):
            done.append(sent(courier, appender(engine, name), *messages))
        commits.go.set()
        *first, good, refused, gap, worse = [one.result(WAIT_S) for one in done]
    assert [[one.sequence for one in two] for two in (*first, good)] == [
        *[[0]] * LARGE_THREADS,
        [0, 1],
    ]
    assert refused[0].sequence == 0 and refused[1].reason == "OUT_OF_SCALE"
    assert [one.reason for one in gap + worse] == ["SEQUENCE_GAP", "OUT_OF_SCALE"]
    assert engine.programs()[1].responses == 5000 * (LARGE_THREADS + 3)


def test_streams_of_the_same_producers_do_not_wait_for_each_other_for_ever(engine: Engine) -> None:
    names, count = [f"p{number}" for number in range(5)], 8
    draw = random.Random(5)

    def stream(courier: Courier, name: str) -> None:
        mine = appender(engine, name)
        while (sequence := mine.next_sequence) < count:
            run = [Incoming(sequence + k, 5000, LARGE) for k in range(draw.randrange(1, 4))]
            sent(courier, mine, *run).result(WAIT_S)

    with ThreadPoolExecutor(16) as pool, ThreadPoolExecutor(15) as clients:
        courier = Courier(pool, pool)
        list(clients.map(partial(stream, courier), names * 3))
    expected = sum(appender(engine, name).next_sequence for name in names)
    assert engine.programs()[1].responses == 5000 * expected


class Stream:
    """A client that sends when it is told to, and keeps what it is answered."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.sequences: list[int] = []

    async def read(self) -> Any:
        return await self.requests.get()

    async def write(self, response: bytes) -> None:
        self.sequences.append(AppendResponse.FromString(response).ack.sequence)

    def send(self, sequence: int, rows: int = 1, body: bytes = BODY) -> None:
        message = AppendRequest(sequence=sequence, rows=rows, arrow=body)
        self.requests.put_nowait(message.SerializeToString())


def test_a_round_takes_what_came_while_it_was_waited_for(engine: Engine, commits: Commits) -> None:
    async def run(pool: ThreadPoolExecutor) -> list[list[int]]:
        loop = asyncio.get_running_loop()
        streams = Streams(lambda: Appending(engine, 2**20), loop, pool, pool, 9)
        clients = [Stream(), Stream()]
        served = []
        for number, client in enumerate(clients):
            opening = AppendOpen(program="p", producer=f"p{number}", arrow_schema=SCHEMA)
            client.requests.put_nowait(AppendRequest(open=opening).SerializeToString())
            served.append(asyncio.create_task(streams.serve(client, lambda _: None)))
        clients[0].send(0)
        assert await loop.run_in_executor(None, commits.entered.wait, WAIT_S)
        # One that waits for its round, those that come after it, and what no round takes.
        for sequence in range(4):
            clients[1].send(sequence)
            await turns(20)
        clients[1].send(4, 5000, LARGE)
        clients[1].send(5)
        await turns(20)
        commits.go.set()
        for client in clients:
            client.requests.put_nowait(None)
        for task in served:
            await asyncio.wait_for(task, WAIT_S)
        return [client.sequences for client in clients]

    with ThreadPoolExecutor(8) as pool:
        answered = asyncio.run(run(pool))
    # The answer to an opening has no acknowledgement: it reads as one of 0.
    assert answered == [[0, 0], [0, *range(6)]]
    assert [[(one.producer, one.sequence) for one in group] for group in commits.groups] == [
        [("p0", 0)],
        [("p1", 0), ("p1", 1), ("p1", 2), ("p1", 3)],
        [("p1", 4)],
        [("p1", 5)],
    ]
    assert engine.programs()[1].responses == 5006


def test_whatever_goes_wrong_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxstream.service.courier.append_together", lambda _: 1 / 0)
    with ThreadPoolExecutor(2) as pool:
        (answer,) = sent(Courier(pool, pool), appender(engine, "p"), Incoming(0, 1, BODY)).result(
            WAIT_S
        )
    assert isinstance(answer, ZeroDivisionError)


def test_many_streams_count_what_they_sent(engine: Engine) -> None:
    draw = random.Random(3)
    with ThreadPoolExecutor(8) as pool:
        courier = Courier(pool, pool)

        def stream(number: int) -> int:
            mine, sequence = appender(engine, f"p{number}"), 0
            while sequence < 60:
                count = draw.randrange(1, 4)
                run = [Incoming(sequence + k, 1, BODY) for k in range(count)]
                answers = sent(courier, mine, *run).result(WAIT_S)
                sequence += len(answers)
            return sequence

        with ThreadPoolExecutor(6) as clients:
            total = sum(clients.map(stream, range(6)))
    assert {one.name: one.responses for one in engine.programs()} == {"p": total, "other": 0}
