"""Batches of thousands of responses, which go from their message to codes without Arrow."""

import random
from unittest import mock

import pyarrow as pa
import pytest

from cxstream.appender import Ack, Incoming
from cxstream.columns import Direct
from cxstream.engine import Engine
from cxstream.state import ALONE_ROWS
from cxstream.store import DirectoryStore
from cxstream.tally import snapshot
from tests.columns.wire import write
from tests.engine.test_together import SCHEMA, TABLES, frame_of, told

#: Text that is no dictionary is for Arrow.
DIRECT_SCHEMA = SCHEMA.set(5, pa.field("shop", pa.dictionary(pa.int16(), pa.string())))
ROWS = ALONE_ROWS + 77


def message(sequence, draw, **changed):
    rows = frame_of(draw, ROWS, **changed)
    schema, body = write(pa.RecordBatch.from_pylist(rows, schema=DIRECT_SCHEMA))
    return schema, Incoming(sequence, ROWS, body)


def sent(engine, messages):
    """Send batches as one producer, and return the answers."""
    if not engine.programs():
        engine.put_program(TABLES)
    appender = engine.open_append("p", "me")
    appender.set_schema(messages[0][0])
    out = []
    while len(out) < len(messages):
        out += appender.append_next([one for _, one in messages[len(out) :]])
    return out


def sums(engine):
    """All that is counted, as bytes."""
    (state,) = engine._all_states()
    return snapshot(state.tally)


def messages(count=6):
    draw = random.Random(5)
    return [message(sequence, draw) for sequence in range(count)]


def test_sums_are_those_of_the_long_way():
    direct, long_way = Engine(), Engine()
    given = messages()
    with mock.patch.object(Direct, "encode", autospec=True, side_effect=Direct.encode) as encode:
        answers = sent(direct, given)
    assert all(isinstance(one, Ack) for one in answers)
    assert encode.call_count == len(given)
    with mock.patch.object(Direct, "encode", return_value=None):
        assert told(sent(long_way, given)) == told(answers)
    assert sums(direct) == sums(long_way)


def test_all_but_a_stream_s_first_go_directly():
    given = messages()
    found = []
    encode = Direct.encode
    with mock.patch.object(
        Direct, "encode", autospec=True, side_effect=lambda *asked: found.append(encode(*asked))
    ):
        sent(Engine(), given)
    assert [one is not None for one in found] == [False, *[True] * (len(given) - 1)]


def test_codes_are_counted_from_arrays_that_come_again():
    rows = pa.RecordBatch.from_pylist(frame_of(random.Random(3), 8 * ROWS), schema=DIRECT_SCHEMA)
    given = []
    for sequence in range(8):
        schema, body = write(rows.slice(sequence * ROWS, ROWS))
        given.append((schema, Incoming(sequence, ROWS, body)))
    found = []
    encode = Direct.encode
    engine, long_way = Engine(), Engine()
    engine.put_program(TABLES)
    appender = engine.open_append("p", "me")
    appender.set_schema(given[0][0])
    with mock.patch.object(
        Direct,
        "encode",
        autospec=True,
        side_effect=lambda *asked: found.append(encode(*asked)) or found[-1],
    ):
        for _, one in given:  # those that wait together are in arrays of their own
            assert isinstance(appender.append_next([one])[0], Ack)
    assert len({id(codes) for codes in found[1:]}) == 1
    with mock.patch.object(Direct, "encode", return_value=None):
        sent(long_way, given)
    assert sums(engine) == sums(long_way)


@pytest.mark.parametrize(
    ("changed", "reason", "column"),
    [
        ({"nps": 12}, "OUT_OF_SCALE", "nps"),
        ({"many": [1, 3]}, "OUT_OF_SCALE", "many"),
        ({"spend": 0.25}, "OFF_STEP", "spend"),
    ],
)
def test_what_is_wrong_is_named(changed, reason, column):
    draw = random.Random(2)
    good = [message(sequence, draw) for sequence in range(3)]
    wrong = message(2, draw, **changed)
    engine = Engine()
    *acks, refusal = sent(engine, [*good[:2], wrong])
    assert all(isinstance(one, Ack) for one in acks)
    assert (refusal.reason, refusal.column, refusal.row) == (reason, column, 0)
    assert told(sent(engine, [good[2]])) == [(2, ROWS, False)]


def test_a_restart_counts_what_went_directly(tmp_path):
    given = messages()
    engine = Engine(store=DirectoryStore(tmp_path))
    sent(engine, given)
    before = sums(engine)
    engine.close()
    with mock.patch.object(DirectoryStore, "snapshot", return_value=None):
        engine = Engine(store=DirectoryStore(tmp_path))
    assert sums(engine) == before
    assert told(sent(engine, given)) == [(place, ROWS, True) for place in range(len(given))]
    engine.close()
