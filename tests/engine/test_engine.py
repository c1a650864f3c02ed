"""The engine in one process: programs, appending, answers, and all of it at once."""

import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from cxstream.answers import Query
from cxstream.engine import Engine
from cxstream.errors import (
    AlreadyExistsError,
    CxError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    ResourceExhaustedError,
)
from cxstream.program import RESPONSES_MAX
from cxstream.tally import tally as tally_module
from tests.columns.wire import write

TABLES = {
    "name": "p",
    "questions": {
        "nps": {"kind": "nps", "missing": [99]},
        "food": {"kind": "rating", "scale": [1, 5]},
        "staff": {"kind": "csat", "scale": [1, 5]},
        "effort": {"kind": "ces", "scale": [1, 7]},
        "fcr": {"kind": "boolean"},
        "pick": {"kind": "choice", "options": {"1": "Food", "2": "Wifi"}},
        "many": {"kind": "choice", "options": {"1": "Food", "2": "Wifi"}, "multiple": True},
        "spend": {"kind": "number", "range": [0, 1000], "step": 0.5},
    },
    "dimensions": {"region": {"max_levels": 3, "labels": {"n": "North"}}, "shop": {}},
    "time": {"column": "at", "buckets": ["day", "month"]},
    "indices": {
        "delight": {
            "parts": {
                "service": {"weight": 3, "items": ["food", "staff"]},
                "loyalty": {"weight": 1, "items": ["nps"], "label": "Loyalty"},
            }
        }
    },
    "models": {"m": {"outcome": "nps", "drivers": ["food"]}},
    "insights": {"questions": ["nps", "food", "staff"]},
}
DAYS = 86_400
BATCH = pa.record_batch(
    {
        "nps": pa.array([10, 9, 7, 0, 99, None], pa.int8()),
        "food": pa.array([5, 4, 3, 1, None, None], pa.int8()),
        "staff": pa.array([5, 5, 1, None, 2, None], pa.int8()),
        "effort": pa.array([1, 6, 7, 7, None, 4], pa.int8()),
        "fcr": pa.array([True, True, False, None, None, True]),
        "pick": pa.array([1, 1, 2, None, 1, 2], pa.int8()),
        "many": pa.array([[1, 2], [1], [], None, [2, 2], [1]], pa.list_(pa.int8())),
        "spend": pa.array([0.5, 1.5, 2, None, None, None], pa.float64()),
        "region": pa.array(["n", "n", "s", "s", None, "n"]),
        "shop": pa.array([1, 2, 1, 2, 1, 2]),
        "at": pa.array([0, 0, DAYS, 31 * DAYS, None, 0], pa.timestamp("s")),
    }
)
SCHEMA_BYTES, BODY = write(BATCH)


def only(answer):
    (row,) = answer.rows
    return row.value


def stream(engine, producer="me", name="p", schema=SCHEMA_BYTES):
    appender = engine.open_append(name, producer)
    appender.set_schema(schema)
    return appender


@pytest.fixture
def empty():
    engine = Engine(threads=1)
    engine.put_program(TABLES)
    yield engine
    engine.close()


@pytest.fixture
def engine(empty):
    stream(empty).append(0, 6, BODY)
    return empty


def changed(**tables):
    return TABLES | tables


def question(name, **keys):
    questions = TABLES["questions"]
    return changed(questions=questions | {name: questions.get(name, {}) | keys})


def batch_of(**columns):
    """BATCH's first row with other values."""
    given = BATCH.slice(0, 1).to_pydict() | {name: [value] for name, value in columns.items()}
    return write(pa.record_batch(given, schema=BATCH.schema))[1]


# --- programs -------------------------------------------------------------------------------------


def test_put_program():
    with_threads = Engine(threads=2)
    info, is_new = with_threads.put_program(TABLES)
    assert is_new
    assert (info.name, info.version, info.responses, info.batches) == ("p", 1, 0, 0)
    assert info.views == ("region", "shop")
    assert "index delight" in info.unlocked
    assert with_threads.put_program(dict(TABLES)) == (info, False)
    tables, again = with_threads.program_tables("p")
    assert tables == TABLES
    assert again == info
    with_threads.put_program(changed(name="a"))
    assert [one.name for one in with_threads.programs()] == ["a", "p"]
    with_threads.close()


def test_a_program_without_responses_may_change_in_any_way(empty):
    info, is_new = empty.put_program(question("food", scale=[0, 9]))
    assert (is_new, info.version) == (True, 2)
    stream(empty).append(0, 1, batch_of(food=9))
    assert only(empty.distribution(Query("p"), "food")).mean == 9


def test_what_is_only_read_differently_keeps_the_responses(engine):
    before = engine.snapshot("p")
    assert only(engine.nps(Query("p"), "nps")).promoters == 2
    info, is_new = engine.put_program(question("nps", promoter=10))
    assert (is_new, info.version, info.responses, info.batches) == (True, 2, 6, 1)
    assert only(engine.nps(Query("p"), "nps")).promoters == 1
    parts = {"one": {"items": ["nps", "food", "staff"]}}
    engine.put_program(changed(indices={"delight": {"parts": parts}}))
    assert [one.name for one in only(engine.weighted_index(Query("p"), "delight")).parts] == ["one"]
    assert engine.snapshot("p") == before
    # And what asks less.
    fewer = {key: value for key, value in TABLES.items() if key not in ("models", "indices")}
    engine.put_program(fewer)
    with pytest.raises(NotFoundError):
        engine.weighted_index(Query("p"), "delight")
    assert engine.put_program(TABLES)[1]
    assert only(engine.weighted_index(Query("p"), "delight")).n == 5
    assert engine.program_tables("p")[1].version == 5


@pytest.mark.parametrize(
    "tables, words",
    [
        (question("food", scale=[1, 6]), "questions.food differs"),
        (question("new", kind="nps"), "questions.new is new"),
        (
            changed(dimensions={"region": TABLES["dimensions"]["region"]}),
            "dimensions.shop is gone",
        ),
        (changed(time={"column": "at", "buckets": ["hour"]}), "time differs"),
        (changed(time={"column": "at", "timezone": "Europe/Berlin"}), "time differs"),
        (changed(views=[{"by": ["region", "shop"]}]), "view 'region x shop' is new"),
        (changed(models={"k": {"outcome": "nps", "drivers": ["staff"]}}), "nps, staff are new"),
    ],
)
def test_a_change_that_would_count_differently_is_refused(engine, tables, words):
    before = engine.snapshot("p")
    with pytest.raises(FailedPreconditionError) as caught:
        engine.put_program(tables)
    assert caught.value.reason == "PLAN_CHANGED"
    assert "holds 6 responses" in caught.value.message
    assert words in caught.value.message
    assert engine.program_tables("p")[0] == TABLES
    assert engine.program_tables("p")[1].version == 1
    assert engine.snapshot("p") == before


def test_an_invalid_program_changes_nothing(engine):
    with pytest.raises(InvalidArgumentError):
        engine.put_program(question("food", scale=[5, 1]))
    assert engine.program_tables("p")[1].version == 1


# --- appending ------------------------------------------------------------------------------------


def test_sequences(empty):
    appender = stream(empty)
    assert (appender.next_sequence, appender.program_version) == (0, 1)
    ack = appender.append(0, 6, BODY)
    assert (ack.sequence, ack.rows, ack.next_sequence, ack.duplicate) == (0, 6, 1, False)
    before = empty.snapshot("p")
    # Again: acknowledged, not counted. Also from another stream of the same producer.
    for one in (appender, stream(empty)):
        assert one.next_sequence == 1
        ack = one.append(0, 6, BODY)
        assert (ack.next_sequence, ack.duplicate) == (1, True)
    with pytest.raises(OutOfRangeError) as gap:
        appender.append(2, 6, BODY)
    assert (gap.value.reason, gap.value.expected) == ("SEQUENCE_GAP", "sequence 1")
    with pytest.raises(AlreadyExistsError) as reused:
        appender.append(0, 1, batch_of())
    assert reused.value.reason == "SEQUENCE_REUSED"
    assert empty.snapshot("p") == before
    # Another producer counts from 0.
    assert stream(empty, "you").append(0, 6, BODY).next_sequence == 1
    assert appender.append(1, 6, BODY).next_sequence == 2
    info = empty.program_tables("p")[1]
    assert (info.responses, info.batches) == (18, 3)


def test_checksums(empty):
    appender = stream(empty)
    with pytest.raises(InvalidArgumentError) as caught:
        appender.append(0, 6, BODY, zlib.crc32(BODY) ^ 1)
    assert caught.value.reason == "CHECKSUM_DIFFERS"
    assert appender.append(0, 6, BODY, zlib.crc32(BODY)).rows == 6


def test_schemas(empty):
    appender = empty.open_append("p", "me")
    with pytest.raises(FailedPreconditionError) as caught:
        appender.append(0, 6, BODY)
    assert caught.value.reason == "NO_SCHEMA"
    with pytest.raises(InvalidArgumentError) as caught:
        appender.set_schema(b"no schema")
    assert caught.value.reason == "MALFORMED_SCHEMA"
    less = BATCH.drop_columns(["nps"])
    with pytest.raises(InvalidArgumentError) as caught:
        appender.set_schema(write(less)[0])
    assert (caught.value.reason, caught.value.column) == ("MISSING_COLUMN", "nps")
    appender.set_schema(SCHEMA_BYTES)
    appender.append(0, 6, BODY)
    # Another order and other types, from here on.
    other = BATCH.select(BATCH.schema.names[::-1])
    other = other.set_column(0, "at", other.column("at").cast(pa.timestamp("ns")))
    schema, body = write(other)
    appender.set_schema(schema)
    appender.append(1, 6, body)
    twice = Engine(threads=1)
    twice.put_program(TABLES)
    stream(twice).append(0, 6, BODY)
    stream(twice).append(1, 6, BODY)
    assert empty.snapshot("p") == twice.snapshot("p")


def test_a_refused_batch_leaves_everything_as_it_was(engine):
    appender = stream(engine)
    before = engine.snapshot("p")
    for body, rows, reason in (
        (batch_of(food=6), 1, "OUT_OF_SCALE"),
        (batch_of(spend=0.7), 1, "OFF_STEP"),
        (batch_of(many=[3]), 1, "OUT_OF_SCALE"),
        (batch_of(), 2, "ROWS_DIFFER"),
        (batch_of()[:-8], 1, "MALFORMED_ARROW"),
        (b"", 1, "MALFORMED_ARROW"),
    ):
        with pytest.raises(CxError) as caught:
            appender.append(1, rows, body)
        assert caught.value.reason == reason
        assert appender.next_sequence == 1
    assert engine.snapshot("p") == before
    assert appender.append(1, 1, batch_of()).next_sequence == 2


def test_a_level_cap_leaves_the_sequence(engine):
    appender = stream(engine)
    appender.append(1, 1, batch_of(region="w"))
    before = engine.snapshot("p")
    with pytest.raises(ResourceExhaustedError) as caught:
        appender.append(2, 1, batch_of(region="e"))
    assert (caught.value.reason, caught.value.column, caught.value.row) == (
        "TOO_MANY_LEVELS", "region", 0,
    )  # fmt: skip
    assert appender.next_sequence == 2
    assert engine.snapshot("p") == before
    assert appender.append(2, 1, batch_of(region="s")).next_sequence == 3


def test_more_responses_than_exact_sums_hold_are_refused(engine):
    engine._state("p").tally.responses = RESPONSES_MAX
    appender = stream(engine, "other")
    with pytest.raises(ResourceExhaustedError) as caught:
        appender.append(0, 1, batch_of())
    assert caught.value.reason == "TOO_MANY_RESPONSES"
    assert appender.next_sequence == 0


def test_after_an_error_in_mid_count_nothing_is_answered(engine, monkeypatch):
    appender = stream(engine, "other")

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(engine._state("p").tally._small, "add", fail)
    with pytest.raises(MemoryError):
        appender.append(0, 1, batch_of())
    for ask in (
        lambda: engine.nps(Query("p"), "nps"),
        lambda: appender.append(1, 1, batch_of()),
    ):
        with pytest.raises(CxError) as caught:
            ask()
        assert (caught.value.reason, caught.value.code) == ("DAMAGED", "INTERNAL")


def test_a_stream_goes_on_when_the_program_changes(engine):
    appender = stream(engine)
    engine.put_program(question("nps", promoter=10))
    appender.append(1, 1, batch_of())
    assert appender.program_version == 2
    assert only(engine.nps(Query("p"), "nps")).promoters == 2


# --- answers --------------------------------------------------------------------------------------


def test_nps(engine):
    answer = engine.nps(Query("p"), "nps")
    value = only(answer)
    assert (value.n, value.promoters, value.passives, value.detractors) == (4, 2, 1, 1)
    assert value.score == 25
    assert value.interval.lower < 25 < value.interval.upper
    assert answer.rows[0].dropped == {"missing:99": 1, "null": 1}
    as_of = answer.as_of
    assert (as_of.program, as_of.program_version, as_of.responses, as_of.batches) == ("p", 1, 6, 1)


def test_groups_and_filters(engine):
    answer = engine.nps(Query("p", by=("region",)), "nps")
    assert [
        (row.group[0].name, row.group[0].level, row.group[0].label, row.value.n, row.value.score)
        for row in answer.rows
    ] == [
        ("region", "n", "North", 2, 100),
        ("region", "s", "", 2, -50),
        ("region", None, "", 0, None),
    ]
    answer = engine.nps(Query("p", by=("month", "region")), "nps")
    assert [tuple(key.level for key in row.group) for row in answer.rows] == [
        ("1970-01-01", "n"), ("1970-01-01", "s"), ("1970-02-01", "s"), (None, None),
    ]  # fmt: skip
    where = {"shop": frozenset({"1"})}
    assert only(engine.nps(Query("p", where=where), "nps")).n == 2
    assert only(engine.nps(Query("p", where={"region": frozenset({None})}), "nps")).n == 0
    assert only(engine.nps(Query("p", since="1970-01-02"), "nps")).n == 2
    assert only(engine.nps(Query("p", since="1970-01-02", until="1970-02-01"), "nps")).n == 1
    assert engine.nps(Query("p", by=("shop",), where={"shop": frozenset({"9"})}), "nps").rows == []
    empty = only(engine.nps(Query("p", since="2000-01-01"), "nps"))
    assert (empty.n, empty.score, empty.se, empty.interval) == (0, None, None, None)


def test_csat(engine):
    value = only(engine.csat(Query("p"), "staff"))
    assert (value.n, value.top, value.score) == (4, 2, 50)
    assert value.mean is not None
    assert only(engine.csat(Query("p"), "staff", top=2)).top == 3
    assert only(engine.csat(Query("p"), "fcr")).score == 75
    with pytest.raises(InvalidArgumentError) as caught:
        engine.csat(Query("p"), "staff", top=1)
    assert caught.value.reason == "INVALID_CUT"


def test_ces(engine):
    assert only(engine.ces(Query("p"), "effort")).score == 5
    net = only(engine.ces(Query("p"), "effort", variant="net"))
    assert (net.positive, net.neutral, net.negative, net.score) == (3, 1, 1, 40)


def test_distribution(engine):
    answer = engine.distribution(Query("p"), "food")
    value = only(answer)
    assert [one.count for one in value.levels] == [1, 0, 1, 1, 1]
    assert value.mean == 3.25
    assert answer.rows[0].labels[0] == ("1", "1")
    value = only(engine.distribution(Query("p"), "spend"))
    assert (value.n, round(value.mean, 12)) == (3, round(4 / 3, 12))
    assert only(engine.distribution(Query("p"), "many")).n == 4
    assert [one.count for one in only(engine.distribution(Query("p"), "fcr")).levels] == [1, 3]


def test_scorecard(engine):
    answer = engine.scorecard(Query("p"), "pick")
    assert answer.rows[0].labels == (("1", "Food"), ("2", "Wifi"))
    options = only(answer).options
    assert [(one.count, one.share) for one in options] == [(3, 60), (2, 40)]
    several = only(engine.scorecard(Query("p"), "many"))
    # Of four who answered: three Food, two Wifi.
    assert [(one.count, one.share) for one in several.options] == [(3, 75), (2, 50)]
    assert engine.scorecard(Query("p"), "many").rows[0].dropped == {"null": 2}


def test_index(engine):
    answer = engine.weighted_index(Query("p"), "delight")
    value = only(answer)
    # On 0..100, items (food, staff) and nps, weights 3 and 1, over what was answered.
    each = [
        (3 * 100 + 100) / 4,
        (3 * 87.5 + 90) / 4,
        (3 * 25 + 70) / 4,
        (3 * 0 + 0) / 4,
        25,
    ]
    assert value.n == 5
    assert value.score == pytest.approx(sum(each) / 5)
    assert [(one.name, one.n) for one in value.parts] == [("service", 5), ("loyalty", 4)]
    assert answer.rows[0].labels == (("service", "service"), ("loyalty", "Loyalty"))
    assert answer.rows[0].dropped == {"no_answer": 1}
    complete = engine.weighted_index(Query("p"), "delight", missing="complete")
    assert only(complete).n == 3
    assert complete.rows[0].dropped == {"incomplete": 3}
    means = only(engine.weighted_index(Query("p"), "delight", missing="item_means"))
    assert means.score == pytest.approx(
        (3 * (56.25 + 56.25) / 2 + 65) / 4
    )  # food 3.25 and staff 3.25 on 1..5; nps 6.5


def test_regression(engine):
    value = only(engine.regression(Query("p"), model="m"))
    # nps on food over (5, 10), (4, 9), (3, 7), (1, 0): Sxy / Sxx = 22.5 / 8.75.
    assert value.n == 4
    slope = next(one for one in value.terms if one.term == "food")
    assert slope.coefficient == pytest.approx(22.5 / 8.75)
    same = engine.regression(Query("p"), outcome="nps", drivers=("food",))
    assert only(same) == value
    assert same.rows[0].dropped == {"incomplete": 2}
    # The block holds the model turned round as well.
    turned = only(engine.regression(Query("p"), outcome="food", drivers=("nps",)))
    assert turned.n == 4


def test_insights(engine):
    found = {(one.x, one.y): one for one in only(engine.insights(Query("p")))}
    assert len(found) == 6
    assert found["food", "nps"].n == 4
    assert found["food", "nps"].slope == pytest.approx(22.5 / 8.75)


@pytest.mark.parametrize(
    "ask, reason, hint",
    [
        (lambda e: e.nps(Query("q"), "nps"), "UNKNOWN_PROGRAM", "there are 'p'"),
        (lambda e: e.nps(Query("p"), "mps"), "UNKNOWN_QUESTION", "did you mean 'nps'?"),
        (lambda e: e.nps(Query("p"), "food"), "WRONG_KIND", "is of kind rating; this takes nps"),
        (lambda e: e.ces(Query("p"), "food"), "WRONG_KIND", "there are 'effort'"),
        (lambda e: e.scorecard(Query("p"), "food"), "WRONG_KIND", "takes choice"),
        (lambda e: e.csat(Query("p"), "pick"), "WRONG_KIND", "is of kind choice"),
        (lambda e: e.weighted_index(Query("p"), "deligth"), "UNKNOWN_INDEX", "'delight'"),
        (lambda e: e.regression(Query("p"), model="x"), "UNKNOWN_MODEL", "there are 'm'"),
        (
            lambda e: e.regression(Query("p"), outcome="nps", drivers=("foood",)),
            "UNKNOWN_QUESTION",
            "did you mean 'food'?",
        ),
        (
            lambda e: e.regression(Query("p"), outcome="nps", drivers=("staff",)),
            "NO_MODEL",
            'drivers = ["staff"]',
        ),
        (lambda e: e.regression(Query("p")), "INVALID_MODEL", "expected a model"),
        (
            lambda e: e.regression(Query("p"), model="m", outcome="nps"),
            "INVALID_MODEL",
            "not both",
        ),
        (
            lambda e: e.regression(Query("p"), outcome="nps", drivers=("food", "food")),
            "INVALID_MODEL",
            "more than once",
        ),
        (lambda e: e.insights(Query("p"), outcome="fod"), "UNKNOWN_QUESTION", "'food'"),
        (lambda e: e.nps(Query("p", by=("regoin",)), "nps"), "UNKNOWN_DIMENSION", "'region'?"),
        (lambda e: e.nps(Query("p", by=("hour",)), "nps"), "UNKNOWN_DIMENSION", "kept by day"),
        (lambda e: e.nps(Query("p", by=("shop", "shop")), "nps"), "INVALID_GROUPING", "twice"),
        (lambda e: e.nps(Query("p", by=("day", "year")), "nps"), "INVALID_GROUPING", "one time"),
        (
            lambda e: e.nps(Query("p", where={"shp": frozenset("1")}), "nps"),
            "UNKNOWN_DIMENSION",
            "where: no dimension 'shp'; did you mean 'shop'?",
        ),
        (
            lambda e: e.nps(Query("p", by=("region", "shop")), "nps"),
            "NO_VIEW",
            '[[views]] by = ["region", "shop"]',
        ),
        (lambda e: e.nps(Query("p", confidence=1.0), "nps"), "INVALID_CONFIDENCE", "1.0"),
        (lambda e: e.nps(Query("p", confidence=float("nan")), "nps"), "INVALID_CONFIDENCE", "nan"),
        (lambda e: e.nps(Query("p", since="May"), "nps"), "INVALID_TIME", "since: 'May'"),
        (
            lambda e: e.nps(Query("p", until="1970-01-01T12:00"), "nps"),
            "INVALID_TIME",
            "1970-01-01 or 1970-01-02",
        ),
        (lambda e: e.open_append("pp", "me"), "UNKNOWN_PROGRAM", "'p'"),
        (lambda e: e.snapshot("pp"), "UNKNOWN_PROGRAM", "'p'"),
        (lambda e: e.program_tables("pp"), "UNKNOWN_PROGRAM", "'p'"),
    ],
)
def test_questions_that_cannot_be_answered(engine, ask, reason, hint):
    with pytest.raises(CxError) as caught:
        ask(engine)
    assert caught.value.reason == reason
    assert hint in caught.value.message


def test_no_time_and_no_pairs():
    engine = Engine(threads=1)
    engine.put_program({"name": "p", "questions": {"q": {"kind": "nps"}}})
    with pytest.raises(FailedPreconditionError) as caught:
        engine.nps(Query("p", since="2020-01-01"), "q")
    assert caught.value.reason == "NO_TIME"
    with pytest.raises(FailedPreconditionError) as caught:
        engine.insights(Query("p"))
    assert caught.value.reason == "NO_INSIGHTS"


def test_nothing_appended_yet(empty):
    assert only(empty.nps(Query("p"), "nps")).n == 0
    assert only(empty.csat(Query("p"), "staff")).score is None
    assert only(empty.ces(Query("p"), "effort")).score is None
    assert only(empty.distribution(Query("p"), "food")).mean is None
    assert only(empty.distribution(Query("p"), "spend")).mean is None
    assert only(empty.weighted_index(Query("p"), "delight")).score is None
    assert only(empty.regression(Query("p"), model="m")).n == 0
    assert empty.nps(Query("p", by=("region",)), "nps").rows == []
    only(empty.insights(Query("p")))
    only(empty.scorecard(Query("p"), "many"))


# --- all at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 4])
def test_producers_at_once_give_what_one_after_the_other_gives(threads, monkeypatch):
    monkeypatch.setattr(tally_module, "POOL_ROWS_MIN", 1)
    slices = [write(BATCH.slice(at % 5, 2))[1] for at in range(40)]
    one, many = Engine(threads=1), Engine(threads=threads)
    for engine in (one, many):
        engine.put_program(TABLES)
    for producer in range(4):
        appender = stream(one, f"producer {producer}")
        for sequence, body in enumerate(slices):
            appender.append(sequence, 2, body)
    stop = threading.Event()
    seen = []

    def produce(producer):
        appender = stream(many, f"producer {producer}")
        for sequence, body in enumerate(slices):
            appender.append(sequence, 2, body)
            # Another stream of the same producer may send it again at any time.
            if sequence % 7 == 0:
                again = stream(many, f"producer {producer}")
                assert again.append(sequence, 2, body).duplicate

    def ask():
        while not stop.is_set():
            answer = many.distribution(Query("p", by=("region",)), "nps")
            counted = sum(row.value.n + sum(row.dropped.values()) for row in answer.rows)
            seen.append((answer.as_of.responses, answer.as_of.batches, counted))
            many.put_program(question("food", label="Food" * (len(seen) % 3 + 1)))

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for task in [pool.submit(produce, producer) for producer in range(4)]:
                task.result()
        finally:
            stop.set()
        for task in asking:
            task.result()
    assert many.snapshot("p") == one.snapshot("p")
    info = many.program_tables("p")[1]
    assert (info.responses, info.batches) == (320, 160)
    assert len(seen) > 2
    # Every answer holds for a point between two batches.
    assert all(counted == responses == 2 * batches for responses, batches, counted in seen)
    one.close()
    many.close()
