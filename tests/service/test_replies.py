"""A reply is sent again only while it is what asking again would give."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

import cxstream_client as cx
from cxstream.answers import Query
from cxstream.columns import Codes
from cxstream.engine import Engine
from cxstream.service.replies import Kept, Replies
from cxstream.state import Moment
from cxstream.tally import Tally
from cxstream_api.v1 import common_pb2, metrics_pb2
from cxstream_client._transport import GrpcTransport
from cxstream_client.errors import NotFound
from tests.waiting import WAIT_S

#: Batches that are acknowledged while somebody asks.
STREAMED = 300
QUESTIONS = {
    "q": {"kind": "nps"},
    "a": {"kind": "rating", "scale": [1, 5]},
    "b": {"kind": "rating", "scale": [1, 5]},
}
DECLARED = {
    "name": "p",
    "questions": QUESTIONS,
    "dimensions": {"d": {"labels": {"x": "first"}}},
    "indices": {"i": {"parts": {"one": {"items": ["a", "b"]}}}},
}
BATCH = pa.table({"q": [10, 0, 9], "a": [1, 5, None], "b": [2, 2, 3], "d": ["x", "y", "x"]})


@pytest.fixture
def moment() -> Iterator[Moment]:
    engine = Engine()
    engine.put_program(DECLARED)
    found = engine.moment("p")
    assert found is not None and engine.moment("other") is None
    yield found
    engine.close()


def kept(moment: Moment | None, reply: bytes = b"reply") -> Kept:
    return Kept(moment, reply, is_quick=True)


def test_what_is_kept_is_found_by_method_and_request(moment: Moment) -> None:
    replies = Replies()
    replies.put("Nps", b"a", kept(moment))
    assert replies.get("Csat", b"a") is replies.get("Nps", b"b") is None
    found = replies.get("Nps", b"a")
    assert found is not None and found.reply == b"reply" and found.holds


def test_what_may_change_without_notice_is_not_kept() -> None:
    replies = Replies()
    replies.put("Nps", b"a", kept(None))
    assert replies.get("Nps", b"a") is None


def test_those_asked_for_longest_ago_go_first(moment: Moment) -> None:
    replies = Replies(bytes_max=30)
    for request in (b"a", b"b", b"c"):
        replies.put("Nps", request, kept(moment, bytes(9)))
    assert replies.get("Nps", b"a")
    replies.put("Nps", b"b", kept(moment, bytes(9)))  # in place of the one before
    assert all(replies.get("Nps", request) for request in (b"a", b"b", b"c"))
    replies.put("Nps", b"d", kept(moment, bytes(9)))
    assert replies.get("Nps", b"a") is None
    replies.put("Nps", b"e", kept(moment, bytes(99)))
    assert not any(replies.get("Nps", request) for request in (b"b", b"c", b"d", b"e"))


def test_a_moment_is_over_with_every_change_of_what_answers(moment: Moment) -> None:
    state = moment.state

    def ended() -> bool:
        nonlocal moment
        was_current, moment = moment.is_current, state.moment()
        return not was_current

    assert not ended()
    state.count([], 1, 1)
    assert ended()
    state.answer_by(state.program, state.plan, state.tally, 2)
    assert ended()
    state.lessen(Tally(state.plan))
    assert ended()


def test_sums_that_are_damaged_answer_no_more(
    moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Tally, codes: Codes) -> None:
        raise MemoryError

    monkeypatch.setattr(Tally, "update", fail)
    codes = Codes(rows=1, scales={}, numbers={}, choices={}, dimensions={}, buckets=None)
    with pytest.raises(MemoryError):
        moment.state.count([codes], 1, 1)
    assert not moment.is_current


def bytes_of(transport: GrpcTransport, request: metrics_pb2.NpsRequest) -> bytes:
    reply = transport.unary("QueryService", "Nps", request, WAIT_S)
    return reply.SerializeToString(deterministic=True)


def test_asking_again_gives_the_same_and_never_what_was_before_a_change(
    address: str, unique: str
) -> None:
    declared = DECLARED | {"name": unique}
    selection = common_pb2.Selection(program=unique, by=["d"])
    request = metrics_pb2.NpsRequest(selection=selection, question="q")
    transport = GrpcTransport(address)
    with cx.connect(address) as client:
        with pytest.raises(NotFound):
            bytes_of(transport, request)
        client.put_program(declared)
        with client.append(unique, producer="a") as stream:
            seen = []
            for batches in range(1, 4):
                stream.send(BATCH, wait=True)
                first, again = bytes_of(transport, request), bytes_of(transport, request)
                assert first == again and first not in seen
                seen.append(first)
                answer = metrics_pb2.NpsResponse.FromString(first)
                assert answer.as_of.batches == batches
                assert [row.n for row in answer.rows] == [2 * batches, batches]
        client.put_program(declared | {"dimensions": {"d": {"labels": {"x": "another"}}}})
        changed = metrics_pb2.NpsResponse.FromString(bytes_of(transport, request))
        assert changed.rows[0].group[0].label == "another"
        assert changed.as_of.program_version == 2
    transport.close()


def test_every_answer_beside_a_stream_has_all_that_was_acknowledged(
    address: str, unique: str
) -> None:
    """And is whole: of each batch, all or nothing; asked in a loop, most replies are sent again."""
    with cx.connect(address) as client:
        client.put_program(DECLARED | {"name": unique})
        done, failures = threading.Event(), []
        acknowledged = 0

        def ask() -> None:
            latest = 0
            while not done.is_set():
                least = acknowledged
                for answer in (client.nps(unique, "q"), client.index(unique, "i")):
                    of = answer.as_of
                    if of.responses != 3 * of.batches or answer.n != of.responses:
                        failures.append(answer)
                    if of.batches < max(latest, least):
                        failures.append((of, latest, least))
                    latest = of.batches

        asking = [threading.Thread(target=ask) for _ in range(2)]
        for one in asking:
            one.start()
        with client.append(unique, producer="a") as stream:
            for _ in range(STREAMED):
                stream.send(BATCH, wait=True)
                acknowledged += 1
        done.set()
        for one in asking:
            one.join(WAIT_S)
        assert not failures and not any(one.is_alive() for one in asking)
        assert client.nps(unique, "q").as_of.batches == STREAMED


class WaitsError(Exception):
    """What waits was told to end."""


@pytest.mark.parametrize(("method", "name"), [("nps", "q"), ("weighted_index", "i")])
def test_what_waits_for_a_count_ends_when_it_is_told_to(method: str, name: str) -> None:
    """So the event loop never waits, and no thread does for a client that is gone."""
    engine, over, told = Engine(), threading.Event(), threading.Event()
    engine.put_program(DECLARED)

    def on_rows(done: int, total: int) -> None:
        assert (done, total) == (0, 0)
        told.set()
        if over.is_set():
            raise WaitsError

    def ask() -> int:
        return getattr(engine, method)(Query("p", on_rows=on_rows), name).rows[0].responses

    with ThreadPoolExecutor(1) as pool:
        with engine._state("p").lock:  # as a count has it
            asked = pool.submit(ask)
            assert told.wait(WAIT_S) and not asked.done()
            over.set()
            with pytest.raises(WaitsError):
                asked.result(WAIT_S)
        assert ask() == 0  # nothing to wait for: it is not called
    engine.close()
