from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cxstream.columns import native
from cxstream.program import TIME_UNITS
from tests.reference import columns as buckets_oracle
from tests.reference import encode as oracle

INTEGERS = [
    pa.int8(),
    pa.int16(),
    pa.int32(),
    pa.int64(),
    pa.uint8(),
    pa.uint16(),
    pa.uint32(),
    pa.uint64(),
]
FLOATS = [pa.float32(), pa.float64()]
TYPES = [pa.bool_(), *INTEGERS, *FLOATS]
EVERY_LEVEL = pytest.mark.parametrize("level", native.simd_levels())
# Past one block (1024 rows) so that the block seams are met.
LENGTHS = st.integers(0, 40) | st.sampled_from([63, 64, 65, 1023, 1024, 1025, 2500])


def encode_scale(array, *, lo, hi, missing=()):
    (codes,) = native.encode_scales([array], [native.Scale(lo, hi, missing)])
    return codes


@pytest.fixture(autouse=True)
def _level_restored():
    before = native.simd_level()
    yield
    native.set_simd_level(before)


def bounds(type_):
    if pa.types.is_boolean(type_):
        return 0, 1
    if pa.types.is_floating(type_):
        return -(2**24), 2**24
    info = np.iinfo(type_.to_pandas_dtype())
    return int(info.min), int(info.max)


@st.composite
def columns(draw, type_, ordinary, odd):
    """A sliced column of ordinary values with nulls, and now and then an odd one."""
    length = draw(LENGTHS)
    before, after = draw(st.integers(0, 70)), draw(st.integers(0, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    palette = draw(st.lists(ordinary, min_size=1, max_size=8))
    total = before + length + after
    values = [palette[i] for i in rng.integers(0, len(palette), total)]
    for _ in range(draw(st.integers(0, 2)) if total else 0):
        values[draw(st.integers(0, total - 1))] = draw(odd)
    mask = rng.random(total) < draw(st.sampled_from([0.0, 0.0, 0.1, 0.9]))
    values = [None if null else value for value, null in zip(values, mask, strict=True)]
    return pa.array(values, type_).slice(before, length)


def check(encode, expected, violation):
    if violation is not None:
        with pytest.raises(native.Violation) as caught:
            encode()
        assert (caught.value.row, caught.value.kind) == violation
        return
    codes = encode()
    assert codes.tolist() == expected
    assert codes.flags.writeable
    assert codes.flags.owndata


@EVERY_LEVEL
@pytest.mark.parametrize("type_", TYPES, ids=str)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_scale_agrees_with_the_oracle(level, type_, data):
    lowest, highest = bounds(type_)
    lo = data.draw(st.integers(-300, 300) | st.sampled_from([0, 1]))
    hi = lo + data.draw(st.sampled_from([0, 1, 4, 10, 253, 254, 255, 400]))
    missing = data.draw(
        st.lists(st.integers(-500, 500) | st.integers(-(2**63), 2**63 - 1), max_size=4)
    )
    held = [v for v in (lo, hi, (lo + hi) // 2, *missing) if lowest <= v <= highest]
    ordinary = st.sampled_from(held or [lowest])
    odd = st.integers(lowest, highest)
    if type_ in FLOATS:
        odd |= st.sampled_from([float("nan"), float("inf"), -1e30, lo + 0.5, 1e-20, -0.0])
        ordinary = ordinary.map(float)
    if type_ == pa.bool_():
        ordinary, odd = ordinary.map(bool), odd.map(bool)
    array = data.draw(columns(type_, ordinary, odd))
    native.set_simd_level(level)
    expected, violation = oracle.encode_scale(array.to_pylist(), lo=lo, hi=hi, missing=missing)
    check(lambda: encode_scale(array, lo=lo, hi=hi, missing=missing), expected, violation)


@EVERY_LEVEL
@pytest.mark.parametrize("type_", INTEGERS, ids=str)
@pytest.mark.parametrize("code_dtype", [np.uint8, np.uint16])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_lut_agrees_with_the_oracle(level, type_, code_dtype, data):
    lowest, highest = bounds(type_)
    highest_code = np.iinfo(code_dtype).max
    entry = st.integers(0, min(highest_code, 0xFFFE)) | st.just(oracle.FORBIDDEN)
    lut = np.array(data.draw(st.lists(entry, max_size=300)), np.uint16)
    null_code = data.draw(st.integers(0, highest_code))
    allowed = [i for i in np.flatnonzero(lut != oracle.FORBIDDEN).tolist() if i <= highest]
    ordinary = st.sampled_from(allowed or [0])
    array = data.draw(columns(type_, ordinary, st.integers(lowest, highest) | ordinary))
    native.set_simd_level(level)
    expected, violation = oracle.encode_lut(array.to_pylist(), lut, null_code=null_code)
    check(
        lambda: native.encode_lut(array, lut, null_code=null_code, code_dtype=code_dtype),
        expected,
        violation,
    )


@EVERY_LEVEL
@pytest.mark.parametrize("type_", [*INTEGERS, *FLOATS], ids=str)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_number_agrees_with_the_oracle(level, type_, data):
    lowest, highest = bounds(type_)
    step = data.draw(
        st.sampled_from(
            [Fraction(1), Fraction(1, 100), Fraction(5, 2), Fraction(7), Fraction(1, 10**6)]
        )
    )
    lo = data.draw(st.integers(-200, 200) | st.integers(-(2**62), 2**61))
    hi = lo + data.draw(st.integers(0, 1000) | st.integers(0, 2**62))
    missing = data.draw(st.lists(st.integers(-300, 300), max_size=3))
    in_steps = st.sampled_from([lo, hi, (lo + hi) // 2, *missing])
    if type_ in FLOATS:
        ordinary = in_steps.map(lambda k: float(k * step))
        odd = (
            ordinary
            | st.floats(width=32)
            | in_steps.map(lambda k: float((k + Fraction(1, 3)) * step))
        )
    else:
        held = [int(k * step) for k in (lo, hi, (lo + hi) // 2, *missing)]
        ordinary = st.sampled_from([v for v in held if lowest <= v <= highest] or [lowest])
        odd = st.integers(lowest, highest) | st.sampled_from([lowest, highest])
    array = data.draw(columns(type_, ordinary, odd))
    declared = {"step": step, "lo_steps": lo, "hi_steps": hi, "missing_steps": missing}
    native.set_simd_level(level)
    expected, violation = oracle.encode_number(
        array.to_pylist(), single=type_ == pa.float32(), **declared
    )
    check(lambda: native.encode_number(array, **declared), expected, violation)


@EVERY_LEVEL
@given(cents=st.integers(-(10**12), 10**12))
@example(cents=-1)
def test_every_decimal_of_two_places_is_a_whole_number_of_cents(level, cents):
    native.set_simd_level(level)
    sign = "-" if cents < 0 else ""
    written = f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
    array = pa.array([float(written)])
    codes = native.encode_number(array, step=Fraction(1, 100), lo_steps=-(10**12), hi_steps=10**12)
    assert codes.tolist() == [cents + 10**12]


@EVERY_LEVEL
@pytest.mark.parametrize("type_", INTEGERS, ids=str)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_levels_agree_with_the_oracle(level, type_, data):
    lowest, highest = bounds(type_)
    places = data.draw(st.integers(0, 300))
    ordinary = st.integers(0, min(places - 1, highest)) if places else st.just(0)
    odd = st.integers(lowest, highest) | ordinary
    array = data.draw(columns(type_, ordinary, odd))
    table = np.arange(7, 8 + places, dtype=np.int32)
    native.set_simd_level(level)
    rows = array.to_pylist()
    wrong = [at for at, one in enumerate(rows) if one is not None and not 0 <= one < places]
    violation = (wrong[0], "bad_index") if wrong else None
    expected = [int(table[places if one is None else one]) for one in rows] if not wrong else None
    check(lambda: native.encode_levels(array, table), expected, violation)
    check(lambda: native.encode_levels(array, table, np.uint16), expected, violation)
    if wrong:
        with pytest.raises(native.Violation, match=f"row {wrong[0]}: bad_index"):
            native.used_places(array, places)
    else:
        held = set(rows)
        used = [at in held for at in (*range(places), None)]
        assert list(native.used_places(array, places)) == used


@pytest.mark.parametrize("unit", TIME_UNITS)
@pytest.mark.parametrize("resolution", ["s", "ms", "us", "ns"])
def test_buckets_at_every_tick(unit, resolution):
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[resolution]
    first, last = (-317_761, 339_675) if resolution != "ns" else (-106_751, 106_750)
    hours = np.arange(first * 24, (last + 1) * 24, 7 if unit == "hour" else 24, dtype=np.int64)
    hours = np.append(hours, last * 24)
    ticks = hours * 3600 * per
    for shift in (0, 1, -1):
        array = pa.array(ticks[1:] + shift).cast(pa.timestamp(resolution))
        seconds = hours[1:] * 3600 + (-1 if shift < 0 else 0)
        expected = buckets_oracle.cut(seconds.astype("datetime64[s]"), unit)
        for level in native.simd_levels():
            native.set_simd_level(level)
            got = native.encode_buckets(array, unit=unit, null_bucket=-1)
            assert np.array_equal(got, expected), level


def test_codes_widen_to_two_bytes_when_one_does_not_hold_them():
    array = pa.array([0, None], pa.int16())
    assert encode_scale(array, lo=0, hi=254).dtype == np.uint8
    assert encode_scale(array, lo=0, hi=255).dtype == np.uint16
    assert encode_scale(array, lo=0, hi=254, missing=[-1]).dtype == np.uint16


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_an_array_without_rows_has_no_codes(type_):
    no_buffers = pa.Array.from_buffers(type_, 0, [None, None])
    for array in (no_buffers, pa.array([], type_), pa.array([None], type_).slice(1)):
        assert encode_scale(array, lo=0, hi=1).tolist() == []


def test_a_null_hides_whatever_lies_under_it():
    validity = pa.py_buffer(bytes([0b101]))
    values = pa.py_buffer(np.array([1.0, np.nan, 3.0]).tobytes())
    array = pa.Array.from_buffers(pa.float64(), 3, [validity, values])
    assert encode_scale(array, lo=1, hi=3).tolist() == [0, 3, 2]
    codes = native.encode_number(array, step=Fraction(1), lo_steps=0, hi_steps=9)
    assert codes.tolist() == [1, -1, 3]


def test_values_may_lie_at_any_address():
    buffer = pa.py_buffer(b"\0" + np.arange(100, dtype=np.int64).tobytes()).slice(1)
    array = pa.Array.from_buffers(pa.int64(), 100, [None, buffer])
    assert encode_scale(array, lo=0, hi=99).tolist() == list(range(100))


def test_missing_wins_on_the_scale_and_the_first_of_two_equal_codes():
    array = pa.array([3, 9], pa.int8())
    assert encode_scale(array, lo=1, hi=5, missing=[9, 3, 9]).tolist() == [6, 5]


def test_other_types_are_refused_by_name():
    with pytest.raises(TypeError, match="string"):
        encode_scale(pa.array(["a"]), lo=0, hi=1)
    with pytest.raises(TypeError, match="double"):
        native.encode_lut(pa.array([1.0]), np.zeros(1, np.uint16), null_code=0, code_dtype=np.uint8)
    with pytest.raises(TypeError, match="bool"):
        native.encode_number(pa.array([True]), step=Fraction(1), lo_steps=0, hi_steps=1)
    with pytest.raises(TypeError, match="int64"):
        native.encode_buckets(pa.array([1]), unit="day", null_bucket=0)
    for encode in (
        lambda array: native.encode_levels(array, np.zeros(1, np.int32)),
        lambda array: native.used_places(array, 1),
    ):
        with pytest.raises(TypeError, match="double"):
            encode(pa.array([1.0]))


def test_declarations_beyond_the_kernels_are_refused():
    array = pa.array([1], pa.int8())
    table = np.array([300], np.uint16)
    with pytest.raises(ValueError, match=r"scale 0\.\.65536"):
        encode_scale(array, lo=0, hi=65536)
    with pytest.raises(ValueError, match="64 bits"):
        encode_scale(array, lo=0, hi=1, missing=[2**63])
    with pytest.raises(ValueError, match="table of 1 codes"):
        native.encode_lut(array, table, null_code=0, code_dtype=np.uint8)
    with pytest.raises(ValueError, match="uint8 or uint16"):
        native.encode_lut(array, table, null_code=0, code_dtype=np.int64)
    with pytest.raises(ValueError, match="a step of 0"):
        native.encode_number(array, step=Fraction(0), lo_steps=0, hi_steps=1)


def test_levels_are_named_and_set():
    levels = native.simd_levels()
    assert levels[0] == "scalar"
    assert native.simd_level() in levels
    for level in levels:
        native.set_simd_level(level)
        assert native.simd_level() == level
    with pytest.raises(ValueError, match="it supports scalar"):
        native.set_simd_level("mmx")


def test_the_compiler_is_named():
    assert native.compiler().split()[0] in {"gcc", "clang"}


def test_a_violation_says_where_and_what():
    with pytest.raises(native.Violation, match="row 2: out_of_scale"):
        encode_scale(pa.array([1, 2, 7]), lo=1, hi=5)


@pytest.mark.parametrize("answers", [5, 12, 5000])
@pytest.mark.parametrize(
    ("levels", "missing"), [(1, 0), (3, 0), (3, 2), (8, 0), (7, 1), (8, 1), (40, 3)]
)
def test_sets_have_a_bit_for_every_answer(levels, missing, answers):
    rng = np.random.default_rng(levels)
    # Past the 512 rows, 4096 answers and 8 answers a row that are looked at together.
    sizes = rng.integers(0, answers, 1200 if answers < 100 else 5)
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    codes = rng.integers(0, levels + missing + 1, offsets[-1]).astype(np.uint16)
    sets = native.make_sets(offsets, codes, levels, missing)
    bits = np.unpackbits(sets, axis=0, bitorder="little")
    null = levels + missing
    for row in range(len(sizes)):
        given = codes[offsets[row] : offsets[row + 1]].tolist()
        expected = {code for code in given if code < levels}
        if not expected:
            expected = {next((code for code in given if code < null), null)}
        if null <= 8:
            expected -= {null}  # no bit at all
        assert set(np.flatnonzero(bits[:, row])) == expected, given


def test_several_columns_are_encoded_as_each_by_itself():
    draw = np.random.default_rng(5)
    rows = 1000
    arrays, scales = [], []
    for number, kind in enumerate((pa.int8(), pa.int64(), pa.float32(), pa.uint16())):
        values = draw.integers(1, 6, rows)
        arrays.append(pa.array(values, mask=draw.random(rows) < 0.1 * number).cast(kind))
        scales.append(native.Scale(1, 5 if number < 3 else 400, [2] * (number % 2)))
    found = native.encode_scales(arrays, scales)
    for array, scale, codes in zip(arrays, scales, found, strict=True):
        (alone,) = native.encode_scales([array], [scale])
        assert codes.dtype == alone.dtype == scale.code_dtype
        assert (codes == alone).all()
    arrays[2] = pa.array([1.0] * (rows - 1) + [7.0], pa.float32())
    with pytest.raises(native.Violation) as caught:
        native.encode_scales(arrays, scales)
    assert (caught.value.place, caught.value.row, caught.value.kind) == (
        2,
        rows - 1,
        "out_of_scale",
    )
    with pytest.raises(ValueError, match="1000 and 3 rows"):
        native.encode_scales([arrays[0], pa.array([1, 2, 3])], scales[:2])
    assert native.encode_scales([], []) == []
