"""Batches straight from their message: the codes that Arrow and `encode` give, or none at all."""

import random
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from cxstream.columns import Direct, check_schema, encode, native, read_batch, read_schema
from cxstream.errors import CxError
from cxstream.program import program_from_dict
from tests.columns.test_ipc import dictionary, mutate
from tests.columns.wire import encapsulated, write

PROGRAM = program_from_dict(
    {
        "name": "p",
        "questions": {
            "nps": {"kind": "nps", "missing": [99]},
            "food": {"kind": "rating", "scale": [1, 5]},
            "clean": {"kind": "rating", "scale": [-3, 300]},
            "fcr": {"kind": "boolean"},
            "pick": {"kind": "choice", "options": ["a", "b"], "missing": ["n/a"]},
            "code": {"kind": "choice", "options": {"1": "one", "7": "seven"}},
            "few": {"kind": "choice", "options": ["1", "2", "3"], "multiple": True},
            "some": {
                "kind": "choice",
                "options": ["1", "2", "3"],
                "missing": [8, 9],
                "multiple": True,
            },
            "lots": {
                "kind": "choice",
                "options": [str(code) for code in range(12)],
                "multiple": True,
            },
            "spend": {"kind": "number", "range": [0, 1000], "step": 0.01, "missing": [-1]},
        },
        "dimensions": {"region": {"missing": ["-"]}, "shop": {}},
        "time": {"column": "at", "buckets": ["day"]},
        "customer": {"column": "who"},
    }
)


@cache
def batch(seed, rows, *, nulls=0.1, integer="int8", wide=False, entries=None):
    """A batch of every column that goes directly, of one type of integer or another."""
    rng = np.random.default_rng(seed)
    integer = pa.type_for_alias(integer)

    def some(values, kind):
        places = rng.integers(0, len(values), rows)
        values = [None if rng.random() < nulls else values[place] for place in places]
        return pa.array(values, kind)

    def lists(values):
        of = [
            None
            if rng.random() < nulls
            else [values[place] for place in rng.integers(0, len(values), rng.integers(0, 12))]
            for _ in range(rows)
        ]
        return pa.array(of, (pa.large_list if wide else pa.list_)(integer))

    def level(values):
        found = some(values, pa.string())
        if entries is None:
            return found.dictionary_encode().cast(pa.dictionary(integer, pa.string()))
        index = [None if text is None else entries.index(text) for text in found.to_pylist()]
        return pa.DictionaryArray.from_arrays(pa.array(index, integer), pa.array(entries))

    regions = entries or ["north", "süd", "-", "east"]
    return pa.record_batch(
        {
            "nps": some([0, 5, 10, 99], integer),
            "food": some([1, 2, 5], pa.float64() if wide else integer),
            "clean": some([1, 100, 7], integer),
            "fcr": some([True, False], pa.bool_()),
            "pick": dictionary(some(["a", "b", "n/a"], pa.string())),
            "code": some([1, 7], integer),
            "few": lists([1, 2, 3]),
            "some": lists([8, 9] if seed % 3 else [1, 3, 8, 9]),
            "lots": lists([0, 3, 8, 11, None]),
            "spend": some([0.01, 999.99, 3, -1], pa.float32() if wide else pa.float64()),
            "region": level(regions),
            "shop": level(regions[:3]),
            "at": some([19_000, 19_400, 19_005], pa.int32()).cast(pa.date32())
            if not wide
            else some([0, -1, 10**9, 10**13], pa.timestamp("us")),
            "who": pa.array(rng.integers(0, 9, rows), pa.int64()),
        }
    )


def by_arrow(schema_bytes, body, rows):
    """The codes of a batch, None where it is refused."""
    try:
        return encode(read_batch(body, schema_bytes, rows), PROGRAM)
    except CxError:
        return None


def direct_of(schema_bytes):
    schema = read_schema(schema_bytes)
    check_schema(schema, PROGRAM)
    return Direct(schema, schema_bytes, PROGRAM)


def same_levels(some, other):
    """Whether two codings of a dimension say the same of every row; their numbers may differ."""
    texts = [np.array([None, *one.levels], dtype=object)[one.indices] for one in (some, other)]
    return (texts[0] == texts[1]).all() and set(some.levels) == set(other.levels)


def assert_same(got, expected):
    assert got.rows == expected.rows
    for name, codes in expected.scales.items():
        assert got.scales[name].dtype == codes.dtype
        assert (got.scales[name] == codes).all(), name
    for name, codes in expected.numbers.items():
        assert (got.numbers[name] == codes).all(), name
    for name, choice in expected.choices.items():
        assert (got.choices[name].sets == choice.sets).all(), name
        for row in range(min(got.rows, 64)):
            assert listed(got.choices[name], row, name) == listed(choice, row, name), row
    for name, codes in expected.dimensions.items():
        assert same_levels(got.dimensions[name], codes), name
    assert (got.buckets.buckets == expected.buckets.buckets).all()
    assert (got.buckets.indices == expected.buckets.indices).all()


def listed(choice, row, name):
    """What counts of a response: its options, else its first missing code, else nothing."""
    codes = choice.codes[choice.offsets[row] : choice.offsets[row + 1]].tolist()
    question = PROGRAM.questions[name]
    options = {code for code in codes if code < question.levels}
    missing = [code for code in codes if code < question.levels + len(question.missing)]
    return options or set(missing[:1])


def learned(direct, schema_bytes, body, rows):
    """Let a stream's first batch be read by Arrow."""
    assert direct.encode(body, rows) is None
    assert by_arrow(schema_bytes, body, rows) is not None
    direct.learn(body)


@pytest.fixture(params=native.simd_levels())
def _simd(request):
    before = native.simd_level()
    native.set_simd_level(request.param)
    yield
    native.set_simd_level(before)


@pytest.mark.usefixtures("_simd")
@pytest.mark.parametrize("nulls", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(("integer", "wide"), [("int8", False), ("int64", True), ("uint16", False)])
def test_codes_are_those_of_arrow_and_encode(nulls, integer, wide):
    # Below 0 no unsigned integer goes; -1 is a missing code of the number only.
    entries = ("north", "süd", "-", "east", "north", "none has it") if nulls else None
    given = [
        batch(seed, rows, nulls=nulls, integer=integer, wide=wide, entries=entries)
        for seed, rows in enumerate([1000, 1, 63, 64, 2500, 1025])
    ]
    schema_bytes, first = write(given[0])
    direct = direct_of(schema_bytes)
    learned(direct, schema_bytes, first, given[0].num_rows)
    for eos in (False, True):
        for one in given:
            _, body = write(one, eos=eos)
            for moved in (body, memoryview(b"\0" * 5 + body)[5:]):
                got = direct.encode(moved, one.num_rows)
                if got is None:  # an empty dictionary, or a value buffer that is not there
                    assert nulls == 1.0
                    continue
                assert_same(got, by_arrow(schema_bytes, body, one.num_rows))


def test_what_a_null_list_spans_does_not_count():
    given = batch(1, 6, nulls=0.0)
    items = pa.array([1, 2, 3, 3, 2, 1], pa.int8())
    spans = pa.array([0, 2, 3, 3, 5, 6, 6], pa.int32())
    mask = pa.array([False, True, False, True, False, False])
    lists = pa.ListArray.from_arrays(spans, items, mask=mask)
    for name in ("few", "some", "lots"):
        given = given.set_column(given.schema.get_field_index(name), name, lists)
    schema_bytes, body = write(given)
    direct = direct_of(schema_bytes)
    learned(direct, schema_bytes, body, 6)
    got = direct.encode(body, 6)
    assert got is not None
    assert_same(got, by_arrow(schema_bytes, body, 6))
    few = [listed(got.choices["few"], row, "few") for row in range(6)]
    assert few == [{0, 1}, set(), set(), set(), {0}, set()]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("nps", [0, 11]),
        ("food", [6, 1]),
        ("code", [1, 2]),
        ("few", [[1], [4]]),
        ("some", [[1], [0]]),
        ("lots", [[12], []]),
        ("spend", [0.001, 1]),
        ("at", [1, 900_000]),
        ("region", ["x" * 201, "y"]),
        ("pick", ["a", "c"]),
    ],
)
def test_what_is_wrong_is_for_arrow_and_encode(name, values):
    given = batch(1, 2, nulls=0.0)
    schema_bytes, body = write(given)
    direct = direct_of(schema_bytes)
    learned(direct, schema_bytes, body, 2)
    place = given.schema.get_field_index(name)
    kind = given.schema.types[place]
    if pa.types.is_dictionary(kind):
        column = pa.array(values).dictionary_encode().cast(kind)
    elif pa.types.is_date(kind):
        column = pa.array(values, pa.int32()).cast(kind)
    else:
        column = pa.array(values, kind)
    _, wrong = write(given.set_column(place, name, column))
    assert direct.encode(wrong, 2) is None
    assert by_arrow(schema_bytes, wrong, 2) is None
    assert direct.encode(body, 3) is None
    assert direct.encode(body, 0) is None
    assert direct.encode(body, 2) is not None


def test_a_batch_without_one_of_its_dictionaries():
    given = batch(1, 50)
    schema_bytes, body = write(given)
    direct = direct_of(schema_bytes)
    learned(direct, schema_bytes, body, 50)
    *before, last = encapsulated(body)
    for wrong in (last, before[0] + last, last + last, b"", body[:-8], body + b"\0" * 8):
        assert direct.encode(wrong, 50) is None
    # A dictionary of its own for each batch: Arrow reads it, and what comes after goes directly.
    _, other = write(batch(2, 50, entries=("west", "north")))
    assert_same(direct.encode(other, 50), by_arrow(schema_bytes, other, 50))


def test_columns_that_only_arrow_reads():
    given = batch(1, 2, nulls=0.0)
    place = given.schema.get_field_index("who")
    given = given.set_column(place, "who", pa.array(["x", "y"]))
    schema_bytes, body = write(given)
    direct = direct_of(schema_bytes)
    direct.learn(body)
    assert direct.encode(body, 2) is None


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages_are_read_as_arrow_reads_them_or_not_at_all(seed):
    rng = random.Random(seed)
    written = []
    for place, rows in enumerate((3, 40, 700)):
        for wide in (False, True):
            given = batch(place, rows, integer="int32" if wide else "int8", wide=wide)
            schema_bytes, body = write(given)
            direct = direct_of(schema_bytes)
            learned(direct, schema_bytes, body, rows)
            assert direct.encode(body, rows) is not None
            written.append((direct, schema_bytes, body, rows))
    others = [body for _, _, body, _ in written]
    taken = 0
    for _ in range(2_000):
        direct, schema_bytes, body, rows = rng.choice(written)
        record_batch = encapsulated(body)[-1]
        if rng.random() < 0.5:  # where the numbers are that may differ
            begin = len(body) - len(record_batch)
            wrong = body[:begin] + mutate(rng, record_batch[:1500], others) + record_batch[1500:]
        else:
            wrong = mutate(rng, body, others)
        got = direct.encode(wrong, rows)
        if got is not None:
            taken += 1
            expected = by_arrow(schema_bytes, wrong, rows)
            assert expected is not None, "Arrow refuses what was taken"
            assert_same(got, expected)
    assert taken > 100


def test_arrays_that_are_given_back_are_filled_again():
    rows = batch(1, 3600)
    given = [rows.slice(start, 900) for start in range(0, 3600, 900)]
    schema_bytes, first = write(given[0])
    direct = direct_of(schema_bytes)
    learned(direct, schema_bytes, first, 900)
    kept = direct.encode(first, 900)
    Direct.take_back(direct.encode(first, 900))
    before = set()
    for one in given:
        _, body = write(one)
        expected = by_arrow(schema_bytes, body, 900)
        got = direct.encode(body, 900)
        assert_same(got, expected)
        before.add(got.scales["nps"].ctypes.data)
        other = direct.encode(first, 900)  # at the same time
        assert not np.shares_memory(other.scales["nps"], got.scales["nps"])
        assert_same(got, expected)
        Direct.take_back(got)
        assert direct.encode(body, 901) is None
    assert len(before) == 1
    # What was never given back is as it was.
    assert_same(kept, by_arrow(schema_bytes, first, 900))
    for wrong in (kept, by_arrow(schema_bytes, first, 900)):
        Direct.take_back(wrong)
        Direct.take_back(wrong)


def test_codes_come_again_as_long_as_levels_and_buckets_are_the_same():
    class Somebody:
        """Who counts."""

    somebody = Somebody()
    given = batch(1, 900)
    schema_bytes, body = write(given)
    direct = direct_of(schema_bytes)
    learned(direct, schema_bytes, body, 900)
    first = direct.encode(body, 900)
    Direct.take_back(first)
    again = direct.encode(body, 900)
    assert again is first
    again.places[somebody] = 1
    Direct.take_back(again)
    place = given.schema.get_field_index("region")
    column = given.column(place)
    some = pa.array(column.indices.fill_null(0).to_numpy() % 2)
    fewer = pa.DictionaryArray.from_arrays(some, column.dictionary)
    _, other = write(given.set_column(place, "region", fewer))
    got = direct.encode(other, 900)
    assert got is not first
    assert somebody not in got.places
    assert_same(got, by_arrow(schema_bytes, other, 900))
