"""What is kept of a batch: its form is the program's alone, its codes are those of what was sent."""

import datetime as dt
import decimal
import io
import itertools
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from cxstream.columns import (
    NO_BUCKET,
    check_schema,
    complete,
    encode,
    reading,
    stored_schema,
    takes_text,
    to_stored,
)
from cxstream.columns.schema import is_whole
from cxstream.errors import InvalidArgumentError
from cxstream.program import program_from_dict

INTEGERS = [
    pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()
]  # fmt: skip
FLOATS = {pa.float32(): 2**24, pa.float64(): 2**53}
DECIMAL = pa.decimal128(24, 6)
EPOCH = dt.datetime(1970, 1, 1)


def program(**tables):
    return program_from_dict({"name": "p", "questions": {"q": {"kind": "nps"}}} | tables)


def question(**keys):
    return program(questions={"q": keys})


def stored_of(columns, prog):
    batch = pa.record_batch(columns)
    return to_stored(batch, encode(batch, prog), prog)


def levels_of(codes):
    """Return the text of every row."""
    return {
        name: [None if at == 0 else one.levels[at - 1] for at in one.indices.tolist()]
        for name, one in codes.dimensions.items()
    }


def buckets_of(codes):
    """Return the time bucket of every row."""
    return np.concatenate(([NO_BUCKET], codes.buckets.buckets))[codes.buckets.indices]


def arrays_of(codes):
    arrays = {**codes.scales, **codes.numbers, "time": codes.buckets and buckets_of(codes)}
    for name, one in codes.choices.items():
        arrays |= {f"{name} offsets": one.offsets, f"{name} codes": one.codes}
    return {name: one if one is None else (one.dtype, one.tolist()) for name, one in arrays.items()}


def check(batch, prog):
    """Store a batch; compare its schema, and its codes before and after, also through Parquet."""
    codes = encode(batch, prog)
    stored = to_stored(batch, codes, prog)
    stored.validate(full=True)
    assert stored.schema == stored_schema(prog)
    for name in ("_customer", "_customer_key"):
        if name in batch.schema.names and prog.customer:
            assert stored.column(name).equals(batch.column(name))
    file = io.BytesIO()
    pq.write_table(pa.table(stored), file, store_schema=False)
    written = pq.read_table(file)
    assert written.schema == stored.schema
    (read,) = written.combine_chunks().to_batches()
    # Whole columns without an answer are as good as none.
    answered = [name for name in stored.schema.names if stored.column(name).null_count < len(read)]
    for one in (stored, read, stored.select(answered)):
        again = encode(complete(one, prog), reading(prog))
        assert again.rows == codes.rows
        assert arrays_of(again) == arrays_of(codes)
        assert levels_of(again) == levels_of(codes)
        if prog.weight:
            assert again.weights.tolist() == codes.weights.tolist()
    return stored, codes


# --- any program, any batch -----------------------------------------------------------------------

WHOLE_MISSING = [99, -9, 0, 6, 128, -129, 40_000, 2**31, 10**17]
TEXT_MISSING = ["n/a", "", "-0", "007", "missing:99", str(10**18)]
scales = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["rating", "csat", "ces"]),
        "scale": st.sampled_from(
            [[1, 5], [0, 10], [-3, 3], [124, 128], [-129, -125], [0, 255], [2**31 - 3, 2**31]]
        ),
    },
    optional={"values": st.just({"bad": 1, "good": 3}) | st.just({"1": 5, "5": 1, "0": 3, "x": 3})},
)
others = st.one_of(
    st.just({"kind": "nps"}),
    st.just({"kind": "boolean"}),
    st.just({"kind": "boolean", "values": {"yes": 1, "no": 0, "2": 0}}),
)
choices = st.fixed_dictionaries(
    {
        "kind": st.just("choice"),
        "options": st.sampled_from(
            [
                {"1": "Food", "2": "Wifi", "10": "2"},
                {"-1": "no", "127": "maybe", "70000": "no"},
                {str(10**17): "a", "3": "b"},
                ["a", "b", "1"],
                {"01": "a", "": "b"},
            ]
        ),
        "multiple": st.booleans(),
    },
    optional={"values": st.just({"a": "3"}) | st.just({"a": "b", "x": "a"}) | st.just({"1": "2"})},
)
STEPS = ["1", "3", "0.01", "0.5", "1234.5", "0.000001"]
numbers = st.builds(
    lambda step, low, high, missing: {
        "kind": "number",
        "step": Decimal(step),
        "range": [Decimal(step) * low, Decimal(step) * high],
        "missing": [Decimal(step) * one for one in missing],
    },
    st.sampled_from(STEPS),
    st.integers(-(2**40), 0) | st.just(2**49 - 10),
    st.integers(1, 2**40) | st.just(2**49),
    st.lists(st.integers(2**49 - 3, 2**49) | st.integers(-(2**49), -(2**48)), max_size=2),
)


@st.composite
def tables_of_a_question(draw):
    tables = dict(draw(st.one_of(scales, others, choices, numbers)))
    if tables["kind"] == "number":
        return tables
    missing = st.sampled_from(WHOLE_MISSING)
    if draw(st.booleans()):
        missing |= st.sampled_from(TEXT_MISSING)
    return tables | {"missing": draw(st.lists(missing, max_size=3, unique=True))}


@st.composite
def programs(draw):
    """Any program, with columns that serve two ends."""
    questions = draw(st.lists(tables_of_a_question(), min_size=1, max_size=4))
    tables = {"name": "p", "questions": {f"q{at}": one for at, one in enumerate(questions)}}
    free = ["d", "e"]
    for name, one in tables["questions"].items():
        if one.get("multiple") and draw(st.booleans()):
            one["columns"] = [f"{name}_0", f"{name}_1", f"{name}_2"]
        elif not one.get("multiple"):
            free.append(name)
    some = st.sampled_from(free)
    tables["dimensions"] = {
        f"dimension.{at}": {"column": column, "missing": draw(st.sampled_from([[], ["a", 1]]))}
        for at, column in enumerate(draw(st.lists(some, max_size=3)))
    }
    if draw(st.booleans()):
        tables["time"] = {
            "column": "t",
            "buckets": [draw(st.sampled_from(["hour", "day", "week", "month", "year"]))],
            "timezone": draw(
                st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"])
            ),
        }
    if draw(st.booleans()):
        tables["customer"] = {"column": "who"}
    if draw(st.booleans()):
        step = draw(st.sampled_from([0.000001, 0.25, 1, 3]))
        tables["weight"] = {"column": "w", "step": step}
    try:
        return program_from_dict(tables)
    except InvalidArgumentError:
        reject()


def whole_types(values):
    """The types that hold some whole numbers exactly."""
    values = [one for one in values if one is not None]
    for kind in INTEGERS:
        info = np.iinfo(kind.to_pandas_dtype())
        if all(info.min <= one <= info.max for one in values):
            yield kind
    for kind, limit in FLOATS.items():
        if all(abs(one) <= limit for one in values):
            yield kind
    if all(abs(one) <= 2**53 for one in values):
        yield DECIMAL


def array(values, kind):
    if kind == DECIMAL:
        values = [None if one is None else Decimal(one) for one in values]
    elif kind in FLOATS:
        values = [None if one is None else float(one) for one in values]
    return pa.array(values, kind)


def texts_in(draw, values):
    made = pa.array(values, draw(st.sampled_from([pa.string(), pa.large_string()])))
    return made.dictionary_encode() if draw(st.booleans()) else made


@st.composite
def answers(draw, one, rows):
    """A column of answers that a question allows, in any type that it takes."""
    if one.is_number:
        missing = [Fraction(code) / one.step for code in one.missing]
        allowed = st.integers(one.low, one.high) | st.sampled_from([one.low, one.high])
        if missing:
            allowed |= st.sampled_from([int(steps) for steps in missing])
        values = draw(st.lists(st.none() | allowed, min_size=rows, max_size=rows))
        values = [None if steps is None else steps * one.step for steps in values]
        if one.step.denominator > 1:
            return pa.array([None if value is None else float(value) for value in values])
        values = [None if value is None else int(value) for value in values]
        return array(values, draw(st.sampled_from(list(whole_types(values)))))
    text = takes_text(one) and draw(st.booleans())
    allowed = list(one.text_codes(labels=text))
    if not text:
        allowed = [int(code) for code in allowed if is_whole(code)]
    some = st.sampled_from(allowed) if allowed else st.none()
    values = draw(st.lists(st.none() | some, min_size=rows, max_size=rows))
    if text:
        return texts_in(draw, values)
    if one.kind == "boolean" and not one.missing and not one.values and draw(st.booleans()):
        return pa.array([None if value is None else bool(value) for value in values])
    return array(values, draw(st.sampled_from(list(whole_types(values)))))


@st.composite
def lists(draw, one, rows):
    lengths = draw(st.lists(st.none() | st.integers(0, 3), min_size=rows, max_size=rows))
    ends = np.cumsum([0, *(length or 0 for length in lengths)])
    values = draw(answers(one, int(ends[-1])))
    mask = pa.array([length is None for length in lengths])
    if draw(st.booleans()):
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values, mask=mask)
    return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), values, mask=mask)


instants = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2250, 1, 1)) | st.sampled_from(
    [
        dt.datetime(2021, 10, 31, 0, 59, 59, 999_999),
        dt.datetime(2021, 10, 31, 1),
        dt.datetime(2021, 3, 28, 1),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999_999),
    ]
)


@st.composite
def times(draw, rows):
    values = draw(st.lists(st.none() | instants, min_size=rows, max_size=rows))
    if draw(st.integers(0, 3)) == 0:
        dates = [None if one is None else one.date() for one in values]
        return pa.array(dates, draw(st.sampled_from([pa.date32(), pa.date64()])))
    unit = draw(st.sampled_from(["s", "ms", "us", "ns"]))
    zone = draw(st.sampled_from([None, "UTC", "Asia/Kolkata", "+05:30"]))
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    extra = draw(st.integers(0, 999)) if unit == "ns" else 0
    micros = [None if one is None else (one - EPOCH) // dt.timedelta(microseconds=1)
              for one in values]  # fmt: skip
    whole = [None if one is None else one * per // 10**6 + extra for one in micros]
    return pa.array(whole, pa.int64()).cast(pa.timestamp(unit, zone))


@st.composite
def batches(draw, prog):
    """A batch that the program takes, from the middle of a longer one."""
    rows = draw(st.integers(1, 6))
    skip = draw(st.integers(0, 2))
    long = rows + skip
    columns = {}
    for one in prog.questions.values():
        for column in one.columns:
            several = one.multiple and len(one.columns) == 1
            columns[column] = draw((lists if several else answers)(one, long))
    for one in prog.dimensions.values():
        if one.column not in columns:
            kind = draw(st.sampled_from(["text", pa.int8(), pa.uint64(), pa.bool_()]))
            some = st.integers(0, 1) if kind == pa.bool_() else st.integers(0, 120)
            if kind == "text":
                some = st.sampled_from(["a", "b", "", "süd", "1", "x" * 200])
            values = draw(st.lists(st.none() | some, min_size=long, max_size=long))
            columns[one.column] = (
                texts_in(draw, values)
                if kind == "text"
                else pa.array(values).cast(kind)
            )  # fmt: skip
    if prog.time:
        columns["t"] = draw(times(long))
    if prog.customer and draw(st.booleans()):
        columns["_customer"] = pa.array([*[7] * (long - 1), None], pa.int64())
        columns["_customer_key"] = pa.array([*[1] * (long - 1), None], pa.int16())
    if prog.weight:
        some = st.floats(0, 1000) | st.sampled_from([0.0, -0.0, 0.1, 1.25])
        values = draw(st.lists(st.none() | some, min_size=long, max_size=long))
        kind = draw(st.sampled_from([pa.float32(), pa.float64(), pa.decimal128(12, 6)]))
        if kind == pa.decimal128(12, 6):
            values = [None if one is None else Decimal(f"{one:.6f}") for one in values]
        columns["w"] = pa.array(values, kind)
    return pa.record_batch(columns).slice(skip)


def value_of(one, code):
    """The stored value of a code, in plain Python."""
    texts = [option.code for option in one.options] or list(map(str, range(one.low, one.high + 1)))
    if set(texts) & set(one.missing):
        texts += [f"missing:{text}" for text in one.missing]
    else:
        texts += one.missing
    values = [int(text) for text in texts] if all(map(is_whole, texts)) else texts
    return [*values, None][code]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_the_codes_stay_the_same(data):
    prog = data.draw(programs())
    batch = data.draw(batches(prog))
    sent = [name for name in batch.schema.names if not name.startswith("_")]
    try:
        check_schema(batch.select(sent).schema, replace(prog, customer=None))
    except InvalidArgumentError:
        reject()  # A question's floats or decimals are no levels.
    stored, codes = check(batch, prog)
    # Whoever has the program for reading may complete by it.
    uncounted = replace(prog, customer=None)
    assert stored_schema(reading(prog)) == stored_schema(uncounted)
    for name, some in codes.scales.items():
        one = prog.questions[name]
        expected = [value_of(one, code) for code in some.tolist()]
        assert stored.column(one.columns[0]).to_pylist() == expected
    for name, many in codes.choices.items():
        one = prog.questions[name]
        values = [value_of(one, code) for code in many.codes.tolist()]
        ends = many.offsets.tolist()
        rows = [values[a:b] for a, b in itertools.pairwise(ends)]
        if len(one.columns) > 1:
            kept = [list(row) for row in zip(*(stored.column(c).to_pylist() for c in one.columns),
                                             strict=True)]  # fmt: skip
            assert kept == rows
        else:
            null = batch.column(one.columns[0]).is_null().to_pylist()
            kept = stored.column(one.columns[0]).to_pylist()
            assert kept == [None if off else row for off, row in zip(null, rows, strict=True)]
    for name, some in codes.numbers.items():
        one = prog.questions[name]
        for code, value in zip(some.tolist(), stored.column(one.columns[0]).to_pylist(),
                               strict=True):  # fmt: skip
            if code >= 0:
                exact = (code + one.low) * one.step
                assert value == (int(exact) if exact.denominator == 1 and one.step.denominator == 1
                                 else pytest.approx(float(exact), rel=2**-51))  # fmt: skip


# --- the form is the program's --------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys, kind",
    [
        ({"kind": "nps"}, pa.int8()),
        ({"kind": "boolean"}, pa.int8()),
        ({"kind": "rating", "scale": [1, 5], "missing": [127]}, pa.int8()),
        ({"kind": "rating", "scale": [1, 5], "missing": [128]}, pa.int16()),
        ({"kind": "rating", "scale": [-129, 5]}, pa.int16()),
        ({"kind": "rating", "scale": [1, 5], "missing": [-(2**31)]}, pa.int32()),
        ({"kind": "rating", "scale": [2**31 - 1, 2**31]}, pa.int64()),
        ({"kind": "rating", "scale": [1, 5], "missing": [99, "n/a"]}, pa.string()),
        ({"kind": "rating", "scale": [1, 5], "missing": ["10000000000000000000"]}, pa.string()),
        ({"kind": "rating", "scale": [1, 5], "values": {"good": 5}}, pa.int8()),
        ({"kind": "rating", "scale": [1, 5], "values": {"4": 5}, "missing": [5]}, pa.string()),
        ({"kind": "choice", "options": {"1": "a", "200": "b"}}, pa.int16()),
        ({"kind": "choice", "options": ["a", "b"]}, pa.string()),
        ({"kind": "choice", "options": ["01"]}, pa.string()),
        ({"kind": "choice", "options": ["1"], "missing": ["-"]}, pa.string()),
        ({"kind": "choice", "options": ["1"], "multiple": True}, pa.list_(pa.int8())),
        ({"kind": "choice", "options": ["x"], "multiple": True}, pa.list_(pa.string())),
        ({"kind": "number", "range": [0, 5]}, pa.int64()),
        ({"kind": "number", "range": [0, 2**40], "step": 2}, pa.int64()),
        ({"kind": "number", "range": [0, 5], "step": 0.5}, pa.float64()),
        ({"kind": "number", "range": [-(2**62), 3 - 2**62]}, pa.int64()),
        ({"kind": "number", "range": [0, 10**6], "step": 1000, "missing": [10**17]}, pa.int64()),
        ({"kind": "number", "range": [0, 10**8], "step": 10**6, "missing": ["1e20"]},
         pa.float64()),
    ],
)  # fmt: skip
def test_types(keys, kind):
    schema = stored_schema(question(**keys))
    assert schema.names == ["q"]
    assert schema.field("q").type == kind
    assert schema.field("q").nullable


SHARED = program(
    questions={
        "q": {"kind": "nps", "column": "x"},
        "n": {"kind": "number", "range": [0, 9], "step": 0.5, "column": "y"},
    },
    dimensions={"a": {"column": "x"}, "b": {"column": "z"}, "c": {"column": "z"}, "d": {}},
    time={"column": "t"},
    weight={"column": "y", "step": 0.25},
    customer={"column": "who"},
)


def test_columns_that_serve_two_ends_are_kept_twice():
    assert stored_schema(SHARED) == pa.schema(
        {
            "x": pa.int8(), "y": pa.float64(), "_level_a": pa.string(), "z": pa.string(),
            "_level_c": pa.string(), "d": pa.string(), "t": pa.timestamp("us"),
            "_weight": pa.float64(), "_customer": pa.int64(), "_customer_key": pa.int16(),
        }
    )  # fmt: skip
    # No type is both, so no batch fits; the names are apart all the same.
    both = program(time={"column": "q"}, weight={"column": "w", "step": 1})
    assert stored_schema(both).names == ["q", "_time", "w"]
    read = reading(SHARED)
    assert (read.customer, read.weight.column) == (None, "_weight")
    assert [one.column for one in read.dimensions.values()] == ["_level_a", "z", "_level_c", "d"]
    batch = pa.record_batch(
        {
            "x": pa.array([10, None, 0], pa.uint8()), "y": pa.array([1.5, 9, None]),
            "z": pa.array(["u", None, "v"]), "d": pa.array([True, False, None]),
            "t": pa.array([EPOCH] * 3, pa.timestamp("s")),
        }
    )  # fmt: skip
    stored, _ = check(batch, SHARED)
    assert stored.to_pydict() == {
        "x": [10, None, 0], "y": [1.5, 9.0, None], "_level_a": ["10", None, "0"],
        "z": ["u", None, "v"], "_level_c": ["u", None, "v"], "d": ["true", "false", None],
        "t": [EPOCH] * 3, "_weight": [1.5, 9.0, None], "_customer": [None] * 3,
        "_customer_key": [None] * 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    "keys, sent, kept",
    [
        (
            {"kind": "csat", "scale": [1, 3], "values": {"bad": 1, "good": 3}, "missing": [9]},
            [
                pa.array(["bad", "2", None, "good", "9"]),
                pa.array(["1", "2", None, "3", "9"]).dictionary_encode(),
                pa.array([1, 2, None, 3, 9], pa.uint64()),
                pa.array([1.0, 2.0, None, 3.0, 9.0]),
                pa.array([1, 2, None, 3, 9]).cast(pa.decimal128(21, 2)),
            ],
            [1, 2, None, 3, 9],
        ),
        (
            {"kind": "choice", "options": {"1": "Food", "2": "Wifi"}, "missing": ["none"]},
            [
                pa.array(["Food", "Wifi", None]),
                pa.array(["1", "2", None], pa.large_string()),
                pa.array([1, 2, None]),
            ],
            ["1", "2", None],
        ),
        (
            {"kind": "boolean"},
            [pa.array([True, False, None]), pa.array([1, 0, None], pa.int8())],
            [1, 0, None],
        ),
        (
            {"kind": "number", "range": [0, 100], "step": 0.01, "missing": [-1]},
            [
                pa.array([12.34, None, -1.0]),
                pa.array([12.339999999999, None, -1.0]),
                pa.array([12.34, None, -1.0], pa.float32()),
                pa.array([Decimal("12.34"), None, Decimal(-1)], pa.decimal128(5, 2)),
            ],
            [12.34, None, -1.0],
        ),
        (
            {"kind": "choice", "options": ["1", "2"], "multiple": True},
            [
                pa.array([[1, None], [], None, [2]], pa.list_(pa.int64())),
                pa.array([["1", None], [], None, ["2"]], pa.large_list(pa.string())),
            ],
            [[1, None], [], None, [2]],
        ),
    ],
)
def test_how_it_was_sent_does_not_show(keys, sent, kept):
    prog = question(**keys)
    for column in sent:
        stored, _ = check(pa.record_batch({"q": column}), prog)
        assert stored.column("q").to_pylist() == kept


@pytest.mark.parametrize(
    "keys, sent, kept",
    [
        # A scale turned round, and one moved onto its own missing code.
        ({"values": {"1": 3, "3": 1}}, ["1", "2", "3"], [3, 2, 1]),
        (
            {"values": {"0": 1, "1": 2, "2": 3}, "missing": [3]},
            ["0", "2", "3", None],
            ["1", "3", "missing:3", None],
        ),
        ({"values": {"c": 3}, "missing": [3, "x"]}, ["c", "3", "x"], ["3", "missing:3", "missing:x"]),
        ({"missing": ["-0", "n/a"]}, ["-0", "1", "n/a"], ["-0", "1", "n/a"]),
    ],
)  # fmt: skip
def test_values_that_mean_something_else_when_read_again(keys, sent, kept):
    stored, _ = check(
        pa.record_batch({"q": pa.array(sent)}), question(kind="rating", scale=[1, 3], **keys)
    )
    assert stored.column("q").to_pylist() == kept


def test_null_lists_that_span_values():
    prog = question(kind="choice", options=["1", "2"], multiple=True)
    values, offsets = pa.array([1, 77, 77, 2]), pa.array([0, 1, 3, 4], pa.int32())
    lists_ = pa.ListArray.from_arrays(offsets, values, mask=pa.array([False, True, False]))
    for begin in range(3):
        stored, _ = check(pa.record_batch({"q": lists_.slice(begin)}), prog)
        assert stored.column("q").to_pylist() == [[1], None, [2]][begin:]


# --- numbers and weights --------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["0.01", "0.07", "1234.5", "0.000001", "4503599627370495.5"])
@pytest.mark.parametrize("end", [2**49, -(2**49) + 999])
def test_floats_hold_the_largest_numbers(step, end):
    step = Decimal(step)
    with decimal.localcontext(prec=40):
        prog = question(kind="number", range=[step * (end - 999), step * end], step=step)
    one = prog.questions["q"]
    steps = np.arange(1000, dtype=np.int64)
    codes = replace(
        encode(pa.record_batch({"q": pa.nulls(1000, pa.float64())}), prog), numbers={"q": steps}
    )
    stored = to_stored(pa.record_batch({"q": pa.nulls(1000)}), codes, prog)
    assert encode(stored, reading(prog)).numbers["q"].tolist() == steps.tolist()
    assert one.high - one.low == 999


def test_whole_numbers_at_the_ends_of_64_bits():
    prog = question(kind="number", range=[2**62 - 3, 2**62], missing=[1 - 10**18])
    sent = [2**62 - 3, 2**62, None, 1 - 10**18]
    stored, _ = check(pa.record_batch({"q": pa.array(sent, pa.int64())}), prog)
    assert stored.column("q").to_pylist() == sent


def test_weights_are_kept_to_their_step():
    prog = program(weight={"column": "w", "step": 0.01})
    some = [0.284717714, 0.005, None, -0.0, 3.0]
    stored, codes = check(pa.record_batch({"q": pa.array([1] * 5), "w": pa.array(some)}), prog)
    assert codes.weights.tolist() == [28, 0, -1, 0, 300]
    kept = stored.column("w").to_pylist()
    assert kept == [0.28, 0.0, None, 0.0, 3.0]
    assert str(kept[3]) == "0.0"
    for kind in (pa.uint8(), pa.decimal128(4, 1), pa.float32()):
        column = pa.array([3, None]).cast(pa.float64()).cast(kind)
        stored, _ = check(pa.record_batch({"q": pa.array([1, 2]), "w": column}), prog)
        assert stored.column("w").to_pylist() == [3.0, None]


# --- times ----------------------------------------------------------------------------------------


def local(values, kind, zone="Europe/Berlin", unit="hour"):
    prog = program(time={"column": "t", "buckets": [unit], "timezone": zone})
    column = pa.array(values, pa.int64()).cast(kind)
    stored, _ = check(
        pa.record_batch({"q": pa.array([1] * len(values), pa.int8()), "t": column}), prog
    )
    return stored.column("t").cast(pa.int64()).to_pylist()


def test_times_are_local():
    hour = 3600 * 10**6
    autumn = int(dt.datetime(2021, 10, 31, tzinfo=dt.UTC).timestamp())
    # The hour from 02:00 happens twice.
    got = local([autumn, autumn + 3600, autumn + 7200], pa.timestamp("s", tz="UTC"))
    assert got == [autumn * 10**6 + 2 * hour, autumn * 10**6 + 2 * hour, autumn * 10**6 + 3 * hour]
    assert local([5, None], pa.timestamp("ms")) == [5000, None]
    assert local([5, None], pa.timestamp("ms", tz="Asia/Tokyo")) == [5000 + hour, None]
    assert local([5], pa.timestamp("us", tz="Mars/Base")) == [5 + hour]


def test_dates_are_midnights():
    prog = program(time={"column": "t", "timezone": "America/New_York"})
    for kind in (pa.date32(), pa.date64()):
        column = pa.array([dt.date(1969, 12, 31), None, dt.date(2899, 12, 31)], kind)
        stored, _ = check(pa.record_batch({"q": pa.array([1, 2, 3]), "t": column}), prog)
        assert stored.column("t").to_pylist() == [
            dt.datetime(1969, 12, 31), None, dt.datetime(2899, 12, 31),
        ]  # fmt: skip


def test_nanoseconds_are_rounded_down():
    for zone in (None, "UTC"):
        kind = pa.timestamp("ns", tz=zone)
        got = local([-1, 999, None, -1001, -(2**63), 2**63 - 1], kind, "UTC")
        assert got == [-1, 0, None, -2, -(2**63) // 1000, (2**63 - 1) // 1000]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_what_stands_behind_a_null_time_does_not_matter(unit, zone):
    values = np.array([2**63 - 1, 1, -(2**63)])
    behind = pa.array(values).buffers()[1]
    valid = pa.array([False, True, False]).buffers()[1]
    column = pa.Array.from_buffers(pa.timestamp(unit, tz=zone), 3, [valid, behind])
    prog = program(time={"column": "t"})
    stored, _ = check(pa.record_batch({"q": pa.array([1, 2, 3]), "t": column}), prog)
    micros = {"s": 10**6, "ms": 1000, "us": 1, "ns": 0}[unit]
    assert stored.column("t").cast(pa.int64()).to_pylist() == [None, micros, None]


def test_an_instant_whose_local_time_is_out_of_range():
    instant = dt.datetime(2899, 12, 31, 23, 30)
    column = pa.array([None, instant], pa.timestamp("us", tz="UTC"))
    batch = pa.record_batch({"q": pa.array([1, 2]), "t": column})
    check(batch, program(time={"column": "t"}))
    prog = program(time={"column": "t", "timezone": "Europe/Berlin"})
    with pytest.raises(InvalidArgumentError) as caught:
        to_stored(batch, encode(batch, prog), prog)
    error = caught.value
    assert (error.reason, error.column, error.row) == ("OUT_OF_RANGE_TIME", "t", 1)


# --- a program that grows -------------------------------------------------------------------------


def test_columns_that_came_later_have_no_answers():
    stored = stored_of({"q": pa.array([1, 2], pa.int8())}, program())
    later = program(
        questions={
            "q": {"kind": "nps"},
            "many": {"kind": "choice", "options": ["a"], "multiple": True},
            "three": {"kind": "choice", "options": ["a"], "multiple": True, "columns": ["x", "y"]},
            "n": {"kind": "number", "range": [0, 1], "step": 0.5},
        },
        dimensions={"d": {}, "e": {"column": "q"}},
    )
    whole = complete(stored, later)
    assert whole.schema.names == ["q", "many", "x", "y", "n", "d", "_level_e"]
    assert complete(whole, later) is whole
    codes = encode(whole, reading(later))
    assert codes.scales["q"].tolist() == [1, 2]
    assert codes.choices["many"].offsets.tolist() == [0, 0, 0]
    assert codes.choices["three"].codes.tolist() == [1, 1, 1, 1]
    assert codes.numbers["n"].tolist() == [-1, -1]
    assert levels_of(codes) == {"d": [None, None], "e": [None, None]}
