"""Batches that come together are answered and counted as one after the other would be."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxstream.appender import Ack, Incoming, append_together
from cxstream.engine import Engine
from cxstream.errors import CxError, ResourceExhaustedError
from cxstream.gathering import Gathering
from cxstream.service.handlers import Handlers
from cxstream.store import DirectoryStore
from cxstream_api.v1.append_service_pb2 import AppendOpen, AppendRequest
from tests.columns.wire import write
from tests.waiting import WAIT_S, until

TABLES = {
    "name": "p",
    "questions": {
        "nps": {"kind": "nps", "missing": [99]},
        "food": {"kind": "rating", "scale": [1, 5]},
        "many": {"kind": "choice", "options": {"1": "A", "2": "B"}, "multiple": True},
        "spend": {"kind": "number", "range": [0, 1000], "step": 0.5},
    },
    "dimensions": {"region": {"max_levels": 4}, "shop": {}},
    "time": {"column": "at", "buckets": ["day"]},
    "models": {"m": {"outcome": "nps", "drivers": ["food"]}},
}
SCHEMA = pa.schema(
    [
        ("nps", pa.int8()),
        ("food", pa.int8()),
        ("many", pa.list_(pa.int8())),
        ("spend", pa.float64()),
        ("region", pa.dictionary(pa.int8(), pa.string())),
        ("shop", pa.string()),
        ("at", pa.date32()),
    ]
)


def frame_of(draw, rows=1, **changed):
    return [
        {
            "nps": draw.choice((None, 99, *range(11))),
            "food": draw.choice((None, 1, 2, 3, 4, 5)),
            "many": draw.choice((None, [], [1], [1, 2], [2, 2])),
            "spend": draw.choice((None, 0.5, 7.0)),
            "region": draw.choice((None, "n", "s", "e")),
            "shop": draw.choice((None, "a", "b")),
            "at": draw.randrange(400),
            **changed,
        }
        for _ in range(rows)
    ]


def body_of(rows):
    return write(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))


SCHEMA_BYTES = body_of(frame_of(random.Random(0)))[0]


def opened(engine, producer="me"):
    if not engine.programs():
        engine.put_program(TABLES)
    appender = engine.open_append("p", producer)
    appender.set_schema(SCHEMA_BYTES)
    return appender


def incoming(sequence, draw, rows=1, **changed):
    return Incoming(sequence, rows, body_of(frame_of(draw, rows, **changed))[1])


def answers_of(appender, messages):
    """Answer all, as a handler does."""
    out = []
    while len(out) < len(messages):
        got = appender.append_next(messages[len(out) :])
        assert got
        out += got
    return out


def told(answers):
    return [
        (one.sequence, one.rows, one.duplicate) if isinstance(one, Ack) else one.reason
        for one in answers
    ]


def batches_of(engine):
    (info,) = engine.programs()
    return info.batches


# --- one stream, several batches at once ----------------------------------------------------------


def test_what_is_in_line_is_stored_with_one_commit():
    draw = random.Random(1)
    engine = Engine()
    appender = opened(engine)
    messages = [incoming(number, draw) for number in range(20)]
    with mock.patch.object(engine._store, "commit", wraps=engine._store.commit) as commit:
        answers = appender.append_next(messages)
    assert told(answers) == [(number, 1, False) for number in range(20)]
    assert commit.call_count == 1
    assert batches_of(engine) == 20 and appender.next_sequence == 20


def test_a_refusal_in_the_middle_leaves_what_came_before():
    draw = random.Random(2)
    engine = Engine()
    appender = opened(engine)
    messages = [incoming(number, draw) for number in range(5)]
    messages[2] = incoming(2, draw, food=9)
    assert told(appender.append_next(messages)) == [(0, 1, False), (1, 1, False), "OUT_OF_SCALE"]
    assert told(appender.append_next(messages[3:])) == ["SEQUENCE_GAP"]
    assert batches_of(engine) == appender.next_sequence == 2
    again = [incoming(number, draw) for number in range(2, 5)]
    assert told(appender.append_next(again)) == [(number, 1, False) for number in range(2, 5)]


def test_a_level_too_many_refuses_the_batch_that_brings_it():
    draw = random.Random(3)
    engine = Engine()
    appender = opened(engine)
    regions = ["a", "b", "c", "a", "d", "e", "a"]
    messages = [incoming(number, draw, region=one) for number, one in enumerate(regions)]
    answers = answers_of(appender, messages)
    assert told(answers) == [*[(n, 1, False) for n in range(5)], "TOO_MANY_LEVELS", "SEQUENCE_GAP"]
    assert answers[5].column == "region" and answers[5].row == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_answers_and_sums_are_those_of_one_at_a_time(seed):
    draw = random.Random(seed)
    sent, messages = [], []
    for _ in range(draw.randrange(1, 25)):
        kind = draw.choice("ooooooodgbmcr")
        sequence = len(sent)
        message = incoming(sequence, draw, draw.choice((1, 1, 2, 7)))
        if kind == "o":
            sent.append(message)
        elif kind == "d" and sent:
            message = draw.choice(sent)
        elif kind == "g":
            message = incoming(sequence + draw.randrange(1, 3), draw)
        elif kind == "b":
            message = incoming(sequence, draw, nps=55)
        elif kind == "m":
            message = Incoming(sequence, 1, message.body[:-30])
        elif kind == "c":
            message = Incoming(sequence, message.rows, message.body, 1)
        elif kind == "r" and sent:
            message = incoming(draw.randrange(sequence), draw, 3)
        else:
            sent.append(message)
        messages.append(message)
    serial, together = Engine(), Engine()
    one = opened(serial)
    expected = [answer for message in messages for answer in one.append_next([message])]
    assert told(answers_of(opened(together), messages)) == told(expected)
    assert together.snapshot("p") == serial.snapshot("p")
    assert batches_of(together) == batches_of(serial)


def test_large_batches_go_together_and_small_ones_do_not_wait_for_them():
    draw = random.Random(4)
    engine = Engine()
    appender = opened(engine)
    body = body_of(frame_of(draw, 1) * 5000)[1]
    large = [Incoming(number, 5000, body) for number in range(2)]
    small = [incoming(2, draw), incoming(3, draw)]
    messages = [*large, *small, Incoming(4, 5000, body)]
    assert told(appender.append_next(messages)) == [(0, 5000, False), (1, 5000, False)]
    assert told(appender.append_next(messages[2:])) == [(2, 1, False), (3, 1, False)]
    assert told(appender.append_next(messages[4:])) == [(4, 5000, False)]


def test_a_run_of_large_batches_ends():
    draw = random.Random(12)
    appender = opened(Engine())
    body = body_of(frame_of(draw, 1) * 5000)[1]
    messages = [Incoming(number, 5000, body) for number in range(60)]
    assert len(appender.append_next(messages)) == -(-(2**18) // 5000)


# --- several producers ----------------------------------------------------------------------------


class Held:
    """A store's commit that waits until it is let go; notes how many batches came at once."""

    def __init__(self, store):
        self.commit = store.commit
        self.entered = threading.Event()
        self.go = threading.Event()
        self.sizes = []
        self.full = 0

    def __call__(self, *batches):
        self.entered.set()
        assert self.go.wait(WAIT_S)
        self.sizes.append(len(batches))
        if self.full:
            self.full -= 1
            raise ResourceExhaustedError("DISK_FULL", "the disk is full")
        return self.commit(*batches)


@pytest.fixture
def held(monkeypatch, tmp_path):
    engine = Engine(store=DirectoryStore(tmp_path))
    engine.put_program(TABLES)
    one = Held(engine._store)
    one.engine = engine
    monkeypatch.setattr(engine._store, "commit", one)
    yield one
    one.go.set()
    engine.close()


def waiting(engine):
    return len(engine._state("p").gathering._waiting)


def test_producers_that_come_meanwhile_share_a_commit(held):
    draw = random.Random(5)
    producers = [opened(held.engine, f"p{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        tasks = [pool.submit(producers[0].append_next, [incoming(0, draw)])]
        assert held.entered.wait(WAIT_S)
        tasks += [
            pool.submit(one.append_next, [incoming(n, draw) for n in range(2)])
            for one in producers[1:]
        ]
        until(lambda: waiting(held.engine) == 5)
        assert not any(task.done() for task in tasks)
        held.go.set()
        answers = [told(task.result(WAIT_S)) for task in tasks]
    assert answers == [[(0, 1, False)], *[[(0, 1, False), (1, 1, False)]] * 5]
    assert held.sizes == [1, 10]


def test_a_full_disk_refuses_all_that_shared_it_and_counts_nothing(held):
    draw = random.Random(6)
    producers = [opened(held.engine, f"p{number}") for number in range(3)]
    messages = [incoming(n, draw) for n in range(2)]
    held.full = 2
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(producers[0].append_next, messages)
        assert held.entered.wait(WAIT_S)
        others = [pool.submit(one.append_next, messages) for one in producers[1:]]
        until(lambda: waiting(held.engine) == 2)
        held.go.set()
        for task in (first, *others):
            assert told(task.result(WAIT_S)) == ["DISK_FULL"]
    assert batches_of(held.engine) == 0
    for one in producers:
        assert one.next_sequence == 0
        assert told(one.append_next(messages[1:])) == ["SEQUENCE_GAP"]
        assert told(one.append_next(messages)) == [(0, 1, False), (1, 1, False)]
    assert batches_of(held.engine) == 6


def test_a_bad_batch_is_its_producers_alone(held):
    draw = random.Random(7)
    producers = [opened(held.engine, f"p{number}") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(producers[0].append_next, [incoming(0, draw)])
        assert held.entered.wait(WAIT_S)
        bad = [incoming(0, draw), incoming(1, draw, 3, nps=44), incoming(2, draw)]
        good = [incoming(0, draw), incoming(1, draw)]
        tasks = [pool.submit(one.append_next, good) for one in producers[1:3]]
        tasks.append(pool.submit(producers[3].append_next, bad))
        until(lambda: waiting(held.engine) == 3)
        held.go.set()
        assert told(first.result(WAIT_S)) == [(0, 1, False)]
        for task in tasks[:2]:
            assert told(task.result(WAIT_S)) == [(0, 1, False), (1, 1, False)]
        answers = tasks[2].result(WAIT_S)
    assert told(answers) == [(0, 1, False), "OUT_OF_SCALE"]
    assert answers[1].row == 0 and answers[1].column == "nps"
    assert held.sizes == [1, 5]


def test_a_change_of_the_program_waits_for_what_is_under_way(held):
    draw = random.Random(8)
    producers = [opened(held.engine, f"p{number}") for number in range(2)]
    changed = {**TABLES, "views": [{"by": ["region", "shop"]}]}
    with ThreadPoolExecutor(3) as pool:
        appends = [pool.submit(producers[0].append_next, [incoming(0, draw)])]
        assert held.entered.wait(WAIT_S)
        appends.append(pool.submit(producers[1].append_next, [incoming(n, draw) for n in range(3)]))
        until(lambda: waiting(held.engine) == 1)
        change = pool.submit(held.engine.put_program, changed)
        time.sleep(0.05)
        assert not change.done()
        held.go.set()
        info, _ = change.result(WAIT_S)
        assert [len(task.result(WAIT_S)) for task in appends] == [1, 3]
    assert info.responses == 4 and info.version == 2
    assert told(producers[0].append_next([incoming(1, draw)])) == [(1, 1, False)]


def test_an_error_in_mid_count_is_everybodys(held):
    draw = random.Random(9)
    producers = [opened(held.engine, f"p{number}") for number in range(3)]
    state = held.engine._state("p")
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(producers[0].append_next, [incoming(0, draw)])
        assert held.entered.wait(WAIT_S)
        others = [pool.submit(one.append_next, [incoming(0, draw)]) for one in producers[1:]]
        until(lambda: waiting(held.engine) == 2)
        with mock.patch.object(state.tally, "update", side_effect=MemoryError):
            held.go.set()
            for task in (first, *others):
                (answer,) = task.result(WAIT_S)
                assert isinstance(answer, MemoryError)
    with pytest.raises(CxError, match="damaged"):
        producers[0].append(1, 1, incoming(1, draw).body)


def test_many_streams_at_once_count_what_one_would(tmp_path):
    draw = random.Random(10)
    sent = {f"p{k}": [incoming(n, draw, draw.choice((1, 2))) for n in range(40)] for k in range(8)}
    engine = Engine(store=DirectoryStore(tmp_path))
    engine.put_program(TABLES)
    serial = Engine()

    def send(producer, messages):
        appender = opened(engine, producer)
        pieces = random.Random(producer)
        at = 0
        while at < len(messages):
            got = appender.append_next(messages[at : at + pieces.randrange(1, 6)])
            assert all(isinstance(one, Ack) for one in got)
            at += len(got)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, *zip(*sent.items(), strict=True)))
    for producer, messages in sent.items():
        one = opened(serial, producer)
        for message in messages:
            one.append(message.sequence, message.rows, message.body)
    expected = serial.snapshot("p")
    assert engine.snapshot("p") == expected
    engine.close()
    again = Engine(store=DirectoryStore(tmp_path))
    assert again.snapshot("p") == expected
    assert batches_of(again) == 320
    again.close()


def test_dictionaries_that_arrow_does_not_join():
    engine = Engine()
    appender = opened(engine)

    def message(sequence, values):
        rows = frame_of(random.Random(sequence), 1)
        batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
        region = pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array(values))
        columns = [region if f.name == "region" else batch.column(f.name) for f in SCHEMA]
        _, body = write(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
        return Incoming(sequence, 1, body)

    messages = [message(0, ["n", None]), message(1, [None, "s"]), message(2, ["e"])]
    assert told(appender.append_next(messages)) == [(number, 1, False) for number in range(3)]
    serial = Engine()
    one = opened(serial)
    for each in messages:
        one.append_next([each])
    assert engine.snapshot("p") == serial.snapshot("p")


# --- the parts ------------------------------------------------------------------------------------


def test_a_gathering_keeps_groups_bounded():
    gathering = Gathering(lambda item: item[1], alone=10, size_max=6)
    go, entered, groups = threading.Event(), threading.Event(), []

    def work(items):
        entered.set()
        assert go.wait(WAIT_S)
        groups.append(items)
        if items[0][0] == "bad":
            raise ValueError("bad")

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(gathering.run, ("a", 1), work)
        assert entered.wait(WAIT_S)
        tasks = []
        for number, item in enumerate([("a", 3), ("b", 1), ("c", 2), ("bad", 4), ("a", 4)], 1):
            tasks.append(pool.submit(gathering.run, item, work))
            until(lambda number=number: len(gathering._waiting) == number)
        go.set()
        failed = [task.exception(WAIT_S) for task in (first, *tasks)]
        gathering.run(("a", 99), work)
    assert groups == [
        [("a", 1)], [("a", 3), ("b", 1), ("c", 2)], [("bad", 4)], [("a", 4)], [("a", 99)],
    ]  # fmt: skip
    assert [type(one) for one in failed] == [type(None)] * 4 + [ValueError] + [type(None)]


def test_schemas_that_come_together_are_counted_each_by_its_own():
    """Producers whose columns have other types, or come in another order, share a commit."""
    draw = random.Random(13)
    engine, serial = Engine(), Engine()
    others = pa.schema([SCHEMA.field(name).with_type(kind) for name, kind in (
        ("shop", pa.dictionary(pa.int8(), pa.string())), ("spend", pa.float32()),
        ("nps", pa.int64()), ("food", pa.float64()), ("many", pa.list_(pa.int16())),
        ("region", pa.string()), ("at", pa.timestamp("s")),
    )])  # fmt: skip
    asked = []
    for number in range(4):
        schema, body = write(
            pa.RecordBatch.from_pylist(frame_of(draw, 2), schema=others if number % 2 else SCHEMA)
        )
        appender = opened(engine, f"p{number}")
        appender.set_schema(schema)
        asked.append((appender, [Incoming(0, 2, body)]))
        alone = opened(serial, f"p{number}")
        alone.set_schema(schema)
        assert told(alone.append_next([Incoming(0, 2, body)])) == [(0, 2, False)]
    assert [told(one) for one in append_together(asked)] == [[(0, 2, False)]] * 4
    assert engine.snapshot("p") == serial.snapshot("p")


def test_a_stream_answers_every_request_in_order():
    draw = random.Random(11)
    engine = Engine()
    engine.put_program(TABLES)
    first = AppendRequest(open=AppendOpen(program="p", producer="me", arrow_schema=SCHEMA_BYTES))
    bodies = [incoming(number, draw) for number in range(6)]
    requests = [AppendRequest(sequence=o.sequence, rows=1, arrow=o.body) for o in bodies]
    large = AppendRequest(sequence=3, rows=1, arrow=b"x" * 9000)
    handlers = Handlers(engine, arrow_bytes_max=8000)
    groups = [[first, *requests[:3], large, *requests[3:5], first, requests[5]], [requests[0]]]
    got = list(handlers.append(groups))
    assert [one.WhichOneof("result") for one in got] == [
        "opened", "ack", "ack", "ack", "refusal", "ack", "ack", "opened", "ack", "ack",
    ]  # fmt: skip
    assert got[4].refusal.reason == "MESSAGE_TOO_LARGE" and got[4].refusal.next_sequence == 3
    assert got[7].opened.next_sequence == 5 and got[9].ack.duplicate
