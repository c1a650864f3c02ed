"""Columns -> codes, one value at a time in plain Python beside the engine's vectors."""

import importlib
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cxstream.columns import check_schema, code_dtype, encode
from cxstream.errors import InvalidArgumentError
from cxstream.program import program_from_dict
from tests.reference import columns as oracle

slow_enough = settings(max_examples=150, deadline=None)

INTEGERS = [
    pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()
]  # fmt: skip
FLOATS = [pa.float32(), pa.float64()]
DECIMALS = [pa.decimal128(10, 0), pa.decimal128(12, 2)]


def program(dimensions=None, **question):
    tables = {"name": "p", "questions": {"q": question}, "dimensions": dimensions or {}}
    return program_from_dict(tables)


def encoded(array, prog, name="q"):
    columns = {name: array} if isinstance(array, pa.Array) else array
    batch = pa.record_batch(columns)
    check_schema(batch.schema, prog)
    return encode(batch, prog)


def refused(array, prog, reason, row, column="q"):
    with pytest.raises(InvalidArgumentError) as caught:
        encoded(array, prog)
    error = caught.value
    assert (error.reason, error.column, error.row) == (reason, column, row)
    assert f"row {row}" in error.message
    assert error.expected
    return error


# --- one value at a time --------------------------------------------------------------------------


def text_of(value):
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)


def slow_code(question, value):
    """The code of one value, or None where it is not allowed."""
    if value is None:
        return question.levels + len(question.missing)
    text = text_of(value)
    if text in question.missing:
        return question.levels + question.missing.index(text)
    if text in dict(question.values):
        return dict(question.values)[text] - question.low
    if question.is_choice:
        for place, option in enumerate(question.options):
            if text == option.code:
                return place
        for place, option in enumerate(question.options):
            if text == option.label:
                return place
        return None
    for code in range(question.levels):
        if text == str(question.low + code):
            return code
    return None


def check(array, prog):
    """Compare with the oracle: codes, or the first row refused."""
    (question,) = prog.questions.values()
    values = array.to_pylist()
    expected = [slow_code(question, value) for value in values]
    if None in expected:
        with pytest.raises(InvalidArgumentError) as caught:
            encoded(array, prog)
        error = caught.value
        row = expected.index(None)
        assert (error.column, error.row) == ("q", row)
        value = values[row]
        expected_reason = "OUT_OF_SCALE"
        if isinstance(value, float) and question.is_scale and not question.values:
            if not math.isfinite(value):
                expected_reason = "NOT_FINITE"
            elif value != int(value):
                expected_reason = "FRACTION"
        assert error.reason == expected_reason
        return
    got = encoded(array, prog).scales["q"]
    assert got.dtype == code_dtype(question)
    assert got.tolist() == expected


SCALES = [
    {"kind": "nps"},
    {"kind": "nps", "missing": [99, -1]},
    {"kind": "rating", "scale": [1, 5], "missing": [0, 6]},
    {"kind": "csat", "scale": [-3, 3], "missing": ["n/a", -9, "skipped"]},
    {"kind": "rating", "scale": [0, 254]},
    {"kind": "rating", "scale": [0, 255]},
    {"kind": "rating", "scale": [0, 252], "missing": [-1, -2, -3]},
    {"kind": "boolean"},
    {"kind": "boolean", "missing": [9]},
    {"kind": "rating", "scale": [1, 3], "values": {"bad": 1, "fine": 3, "7": 2}, "missing": ["-"]},
    {"kind": "choice", "options": {"1": "Food", "2": "Wifi", "10": "2"}},
    {"kind": "choice", "options": {"-1": "no", "0": "maybe", "1": "yes"}, "missing": [-9, 99]},
    {"kind": "choice", "options": ["a", "b"], "missing": ["1", "none"]},
    {"kind": "choice", "options": ["70000", "5"], "values": {"five": "5"}},
]


def bounds(kind):
    if not pa.types.is_integer(kind):
        return -1000, 1000
    info = np.iinfo(kind.to_pandas_dtype())
    return int(info.min), int(info.max)


@st.composite
def columns(draw, question):
    """A column for a question, mostly of values that it allows."""
    usual = [-9, -3, -2, -1, 0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 99, 252, 254, 255, 256, 70_000]
    texts = ["n/a", "skipped", "bad", "fine", "-", "a", "b", "none", "Food", "Wifi", "five", "yes",
             "no", "", "1", "2", "3", "10", "-1", "0", "01", "٣", "1.0"]  # fmt: skip
    kinds = [*INTEGERS, *FLOATS, *DECIMALS]
    if question.is_choice or question.values or any(not c[-1].isdigit() for c in question.missing):
        kinds += ["text", "text", "dictionary"]
    if question.kind == "boolean":
        kinds += [pa.bool_()]
    kind = draw(st.sampled_from(kinds))
    allowed = st.integers(question.low, question.high) if question.is_scale else st.nothing()
    if kind in ("text", "dictionary"):
        values = st.none() | st.sampled_from(texts) | allowed.map(str)
        given_ = draw(st.lists(values, max_size=30))
        if kind == "text":
            return pa.array(given_, draw(st.sampled_from([pa.string(), pa.large_string()])))
        index = draw(st.sampled_from(INTEGERS))
        # A dictionary may hold what no row has, a null, and an entry twice.
        others = sorted({one for one in given_ if one is not None and one not in texts})
        entries = [*texts, None, "unused", "1", *others]
        entries = entries[:120]
        place = [entries.index(one) if one in entries else 0 for one in given_]
        indices = pa.array(
            [None if one is None and draw(st.booleans()) else at
             for one, at in zip(given_, place, strict=True)], index,
        )  # fmt: skip
        array = pa.DictionaryArray.from_arrays(indices, pa.array(entries, pa.string()))
    elif pa.types.is_boolean(kind):
        array = pa.array(draw(st.lists(st.none() | st.booleans(), max_size=30)), kind)
    else:
        low, high = bounds(kind)
        some = st.sampled_from([one for one in usual if low <= one <= high]) | st.integers(
            max(low, -10), min(high, 300)
        )
        if draw(st.integers(0, 3)):
            some = st.sampled_from(
                [
                    int(one)
                    for one in [
                        *(o.code for o in question.options),
                        *question.missing,
                        *(range(question.low, question.high + 1) if question.is_scale else ()),
                    ]
                    if str(one).lstrip("-").isdigit() and low <= int(one) <= high
                ]
                or [0]
            )
        given_ = draw(st.lists(st.none() | some, max_size=30))
        if kind in FLOATS:
            given_ = [None if one is None else float(one) for one in given_]
            if given_ and draw(st.integers(0, 4)) == 0:
                at = draw(st.integers(0, len(given_) - 1))
                given_[at] = draw(
                    st.sampled_from([0.5, math.nan, math.inf, -math.inf, 1e300, -2.5])
                )
                if kind == pa.float32() and given_[at] == 1e300:
                    given_[at] = 1.5
        array = pa.array(
            [None if one is None else Decimal(one) for one in given_]
            if kind in DECIMALS
            else given_,
            kind,
        )
    skip = draw(st.integers(0, 3))
    return array.slice(skip)


@pytest.mark.parametrize("place", range(len(SCALES)))
@slow_enough
@given(st.data())
def test_one_answer_of_every_kind(place, data):
    prog = program(**SCALES[place])
    check(data.draw(columns(prog.questions["q"])), prog)


@pytest.mark.parametrize(
    "values, kind, reason, row",
    [
        ([1, 2, 6], pa.int8(), "OUT_OF_SCALE", 2),
        ([None, 0], pa.uint64(), "OUT_OF_SCALE", 1),
        ([2**64 - 1], pa.uint64(), "OUT_OF_SCALE", 0),
        ([1.0, 2.5], pa.float64(), "FRACTION", 1),
        ([1.0, math.nan], pa.float64(), "NOT_FINITE", 1),
        ([1.0, math.inf], pa.float32(), "NOT_FINITE", 1),
        ([1.0, None, 7.0], pa.float32(), "OUT_OF_SCALE", 2),
        ([Decimal("1.00"), Decimal("1.50")], pa.decimal128(5, 2), "FRACTION", 1),
        ([Decimal(9)], pa.decimal128(5, 0), "OUT_OF_SCALE", 0),
    ],
)
def test_refusals_name_row_and_column(values, kind, reason, row):
    prog = program(kind="rating", scale=[1, 5], missing=[99])
    error = refused(pa.array(values, kind), prog, reason, row)
    assert "a whole number from 1 to 5 (missing: 99)" in error.message
    # In a slice, rows count from where it starts.
    refused(pa.array([1, *values], kind).slice(1), prog, reason, row)


@pytest.mark.parametrize(
    "missing", [["²"], ["--5"], ["٣"], ["-"], [str(10**30)], ["1e5"], [10**17]]
)
def test_odd_missing_codes_do_no_harm(missing):
    prog = program(kind="rating", scale=[1, 5], missing=missing)
    code = 5
    assert encoded(pa.array([1, 5, None]), prog).scales["q"].tolist() == [0, 4, 6]
    if "int" in type(missing[0]).__name__:
        assert encoded(pa.array(missing), prog).scales["q"].tolist() == [code]
    else:
        assert encoded(pa.array([missing[0], "2"]), prog).scales["q"].tolist() == [code, 1]
    for tables in ({"options": ["a", "³", "--1"]}, {"options": {"٤": "x", "3": "y"}}):
        prog = program(kind="choice", missing=[str(one) for one in missing], **tables)
        refused(pa.array([77, 5]), prog, "OUT_OF_SCALE", 0)


# --- numbers --------------------------------------------------------------------------------------


@slow_enough
@given(
    st.sampled_from(["0.01", "0.5", "1", "3", "0.000001"]),
    st.lists(st.none() | st.integers(-1200, 1200), max_size=20),
    st.sampled_from([*INTEGERS, *FLOATS, pa.decimal128(20, 6)]),
    st.booleans(),
)
def test_numbers(step_text, steps, kind, may_miss):
    step = Fraction(step_text)
    missing = [-1000 * step] if may_miss else []
    prog = program(
        kind="number",
        range=[float(-500 * step), float(900 * step)],
        step=float(step),
        missing=[float(one) for one in missing],
    )
    question = prog.questions["q"]
    assert (question.low, question.high) == (-500, 900)
    low, high = bounds(kind)
    given_, expected = [], []
    for one in steps:
        value = None if one is None else one * step
        if value is not None and pa.types.is_integer(kind):
            if value.denominator != 1 or not low <= value <= high:
                continue
            value = int(value)
        elif value is not None:
            value = float(value) if kind in FLOATS else Decimal(value.numerator) / value.denominator
        given_.append(value)
        if one is None:
            expected.append(-1)
        elif may_miss and one == -1000:
            expected.append(-2)
        else:
            expected.append(one + 500 if -500 <= one <= 900 else None)
    array = pa.array(given_, kind)
    if None in expected:
        refused(array, prog, "OUT_OF_SCALE", expected.index(None))
    else:
        got = encoded(array, prog).numbers["q"]
        assert got.dtype == np.int64
        assert got.tolist() == expected


@pytest.mark.parametrize(
    "values, kind, reason, row",
    [
        ([0.01, 0.015], pa.float64(), "OFF_STEP", 1),
        ([Decimal("0.010"), Decimal("0.011")], pa.decimal128(6, 3), "OFF_STEP", 1),
        ([0.0, math.nan], pa.float64(), "NOT_FINITE", 1),
        ([0.0, math.inf], pa.float32(), "NOT_FINITE", 1),
        ([100, 101], pa.int8(), "OUT_OF_SCALE", 1),
        ([None, -0.01], pa.float64(), "OUT_OF_SCALE", 1),
        ([1e300], pa.float64(), "OUT_OF_SCALE", 0),
    ],
)
def test_numbers_refused(values, kind, reason, row):
    prog = program(kind="number", range=[0, 100], step=0.01)
    error = refused(pa.array(values, kind), prog, reason, row)
    assert "a multiple of 0.01 from 0 to 100" in error.message


def test_a_number_is_never_text():
    prog = program(kind="number", range=[0, 10], step=0.5, missing=[-0.5])
    with pytest.raises(InvalidArgumentError) as caught:
        encoded(pa.array(["-0.5", "1"]), prog)
    assert (caught.value.reason, caught.value.expected) == ("WRONG_TYPE", "numbers")
    assert encoded(pa.array([-0.5, 1.5, None]), prog).numbers["q"].tolist() == [-2, 3, -1]


@pytest.mark.parametrize("kind", FLOATS)
def test_steps_as_fine_as_can_be_declared(kind):
    prog = program(kind="number", range=[0, 1e-13], step=1e-15)
    assert encoded(pa.array([0, 1e-15, 1e-13], kind), prog).numbers["q"].tolist() == [0, 1, 100]


def test_weights_are_checked():
    prog = program_from_dict(
        {
            "name": "p",
            "questions": {"q": {"kind": "nps"}},
            "weight": {"column": "w", "step": 0.25},
        }
    )
    for values, reason in (
        ([1, -0.25], "OUT_OF_SCALE"),
        ([1, 1e13], "OUT_OF_SCALE"),
        ([1, math.nan], "NOT_FINITE"),
    ):
        columns_ = {"q": pa.array([1, 2]), "w": pa.array(values, pa.float64())}
        error = refused(columns_, prog, reason, 1, "w")
        assert "a weight from 0 to 8.79609e+12" in error.message
    for kind in (pa.int64(), pa.uint64()):
        large = {"q": pa.array([1, 2]), "w": pa.array([1, 2**53 + 1], kind)}
        refused(large, prog, "OUT_OF_SCALE", 1, "w")
    # A weight counts as its nearest step, so every digit of a raked one is welcome.
    for good, steps in (
        (pa.array([0.284717714, None]), [1, -1]),  # null is none, and not 0
        (pa.array([1, 2]), [4, 8]),
        (pa.array([Decimal("0.5")] * 2), [2, 2]),
        (pa.array([0.0, -0.0]), [0, 0]),
        (pa.array([float(2**43) - 0.25, 0.124]), [2**45 - 1, 0]),
    ):
        got = encoded({"q": pa.array([1, 2]), "w": good}, prog)
        assert got.weights.tolist() == steps


# --- several answers ------------------------------------------------------------------------------

MANY = program(kind="choice", options=["1", "2", "3"], multiple=True, missing=["9"])


def many(array, prog=MANY):
    got = encoded(array, prog).choices["q"]
    assert got.offsets.dtype == np.int64
    assert got.codes.dtype == np.uint16
    return [
        got.codes[got.offsets[row] : got.offsets[row + 1]].tolist()
        for row in range(len(got.offsets) - 1)
    ]


@slow_enough
@given(
    st.lists(
        st.none() | st.lists(st.none() | st.sampled_from([1, 2, 3, 9]), max_size=4), max_size=9
    ),
    st.sampled_from([pa.int8(), pa.uint64(), pa.float64(), pa.string(), pa.decimal128(3, 0), "d"]),
    st.sampled_from([pa.list_, pa.large_list]),
    st.integers(0, 3),
    st.integers(0, 9),
)
def test_lists(rows, kind, wrap, begin, length):
    known = {1: 0, 2: 1, 3: 2, 9: 3, None: 4}
    text = kind in ("d", pa.string())
    to = str if text else Decimal if kind == pa.decimal128(3, 0) else (lambda one: one)
    values = [
        None if row is None else [None if one is None else to(one) for one in row] for row in rows
    ]
    value_type = pa.dictionary(pa.int8(), pa.string()) if kind == "d" else kind
    array = pa.array(values, wrap(value_type)).slice(begin, length)
    expected = [[known[one] for one in row or []] for row in rows][begin : begin + length]
    assert many(array) == expected


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
@pytest.mark.parametrize("text", [False, True, "dictionary"])
def test_null_lists_that_span_values(kind, text):
    values = pa.array([1, 77, 77, 2, 3])  # 77 is not allowed, but a null list hides it
    if text:
        values = values.cast(pa.string())
    if text == "dictionary":
        values = values.dictionary_encode()
    cls = pa.ListArray if kind is pa.list_ else pa.LargeListArray
    offsets = pa.array([0, 1, 3, 3, 5], pa.int32() if kind is pa.list_ else pa.int64())
    array = cls.from_arrays(offsets, values, mask=pa.array([False, True, False, False]))
    assert many(array) == [[0], [], [], [1, 2]]
    assert many(array.slice(1)) == [[], [], [1, 2]]
    assert many(array.slice(1, 1)) == [[]]


def test_lists_name_the_row():
    for begin in (0, 1, 2):
        array = pa.array([[1], [], None, [2, 3, 5], [7]])
        refused(array.slice(begin), MANY, "OUT_OF_SCALE", 3 - begin)
    # Offsets that do not start at 0, and values behind the last.
    values = pa.array([8, 8, 1, 2, 8])
    array = pa.ListArray.from_arrays(pa.array([2, 3, 4], pa.int32()), values)
    assert many(array) == [[0], [1]]


def test_one_column_per_answer():
    prog = program(
        kind="choice", options=["a", "b"], multiple=True, missing=["-"], columns=["x", "y", "z"]
    )
    given_ = {
        "x": pa.array(["a", None, "-"]),
        "z": pa.array(["b", "b", None]),
        "y": pa.array([None, "a", None], pa.string()).dictionary_encode(),
    }
    assert many(given_, prog) == [[0, 3, 1], [3, 0, 1], [2, 3, 3]]
    given_["y"] = pa.array(["a", "b", "c"])
    refused(given_, prog, "OUT_OF_SCALE", 2, "y")


# --- dimensions -----------------------------------------------------------------------------------

GROUPED = program({"d": {"missing": ["-", "0"]}}, kind="nps")


def narrowest(levels):
    """Return the type of indices from 0 to the number of levels."""
    return np.uint8 if levels <= 255 else np.uint16 if levels <= 65535 else np.int32


def levels(array, prog=GROUPED):
    answers = pa.array([1] * len(array), pa.int8())
    got = encoded({"q": answers, "d": array}, prog).dimensions["d"]
    assert got.indices.dtype == narrowest(len(got.levels))
    assert len(set(got.levels)) == len(got.levels)
    assert set(got.indices.tolist()) | {0} == set(range(len(got.levels) + 1))
    return [None if one == 0 else got.levels[one - 1] for one in got.indices.tolist()]


@slow_enough
@given(
    st.lists(st.none() | st.sampled_from(["a", "b", "", "-", "0", "süd", "1"]), min_size=1),
    st.sampled_from([pa.string(), pa.large_string(), *INTEGERS]),
    st.integers(0, 3),
)
def test_text_levels(values, kind, skip):
    expected = [None if one in ("-", "0") else one for one in values]
    if pa.types.is_integer(kind):
        entries = ["x", "a", "b", "a", None, "", "-", "0", "süd", "1"]  # unused, twice, null
        place = [4 if one is None else entries.index(one) for one in values]
        array = pa.DictionaryArray.from_arrays(pa.array(place, kind), pa.array(entries))
    else:
        array = pa.array(values, kind)
    assert levels(array.slice(skip)) == expected[skip:]


@slow_enough
@given(
    st.lists(
        st.none() | st.sampled_from(["-", "0", "a", "b", "c", "süd", "", "x" * 200]),
        min_size=1, max_size=20,
    ),
    st.sampled_from(INTEGERS),
    st.integers(0, 2**32),
    st.sampled_from([0, 1, 2, 30, 1024, 1500]),
    st.sampled_from([pa.string(), pa.large_string()]),
)  # fmt: skip
@example(
    entries=[None, "b", *[None] * 8, "a", "b", None],
    kind=pa.int8(),
    seed=0,
    rows=30,
    text=pa.string(),
)
def test_levels_agree_with_the_oracle(entries, kind, seed, rows, text):
    rng = np.random.default_rng(seed)
    place = rng.integers(0, rng.integers(1, len(entries) + 1), rows)
    null = rng.random(rows) < rng.choice([0.0, 0.1, 1.0])
    indices = pa.array(place, kind, mask=null)
    array = pa.DictionaryArray.from_arrays(indices, pa.array(entries, text))
    array = array.slice(int(rng.integers(0, 5)))
    answers = pa.array([1] * len(array), pa.int8())
    got = encoded({"q": answers, "d": array}, GROUPED).dimensions["d"]
    assert got.indices.dtype == narrowest(len(got.levels))
    expected, codes = oracle.encode_levels(array, ("-", "0"))
    assert list(got.levels) == expected
    assert got.indices.tolist() == codes


def test_what_stands_behind_a_null_is_no_place():
    indices = pa.Array.from_buffers(
        pa.int8(), 3, [pa.py_buffer(b"\x05"), pa.py_buffer(bytes([1, 120, 0]))]
    )
    array = pa.DictionaryArray.from_arrays(indices, pa.array(["a", "b"]), safe=False)
    assert levels(array) == ["b", None, "a"]


def test_other_levels():
    assert levels(pa.array([1, None, -7, 0, 1], pa.int64())) == ["1", None, "-7", None, "1"]
    assert levels(pa.array([2**64 - 1], pa.uint64())) == [str(2**64 - 1)]
    assert levels(pa.array([True, None, False])) == ["true", None, "false"]


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("nulls", [False, True])
def test_as_many_dictionary_entries_as_the_index_type_can_tell(kind, nulls):
    entries = [str(place + 1) for place in range(min(bounds(kind)[1] + 1, 300))]
    place = [*range(len(entries)), *([None] * nulls)]
    array = pa.DictionaryArray.from_arrays(pa.array(place, kind), pa.array(entries))
    assert levels(array) == [*entries, *([None] * nulls)]


def test_a_level_that_is_too_long():
    assert levels(pa.array(["ü" * 100])) == ["ü" * 100]
    array = pa.array(["a", "x" * 201, "b"])
    given_ = {"q": pa.array([1, 2, 3]), "d": array}
    assert "201 bytes" in refused(given_, GROUPED, "LEVEL_TOO_LONG", 1, "d").message
    # One that no row has is no matter.
    unused = pa.DictionaryArray.from_arrays(pa.array([0, 2, None]), array)
    assert levels(unused) == ["a", "b", None]


def test_questions_that_look_alike_keep_their_own_meaning():
    # What follows from a question is kept by the question's identity.
    for low in range(50):
        prog = program(kind="rating", scale=[low, low + 3], missing=[99])
        got = encoded(pa.array([low, low + 3, 99, None]), prog)
        assert got.scales["q"].tolist() == [0, 3, 4, 5]
        del prog


def test_more_questions_than_meanings_are_kept(monkeypatch):
    module = importlib.import_module("cxstream.columns.encode")
    monkeypatch.setattr(module, "_MEANINGS_MAX", 2)
    tables = {f"q{place}": {"kind": "rating", "scale": [place, 9]} for place in range(7)}
    prog = program_from_dict({"name": "p", "questions": tables})
    for _ in range(2):
        got = encoded({name: pa.array([9, 8]) for name in tables}, prog)
        assert [one.tolist() for one in got.scales.values()] == [[9 - k, 8 - k] for k in range(7)]
