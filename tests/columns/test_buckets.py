"""Time buckets against Python's own calendar."""

import datetime as dt
import zoneinfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxstream.columns import (
    BUCKETS_HALF,
    NO_BUCKET,
    bucket_start,
    bucket_text,
    encode,
    native,
    number_buckets,
    parse_edge,
    roll_up,
)
from cxstream.columns.buckets import encode_buckets, number_times
from cxstream.errors import InvalidArgumentError
from cxstream.program import ROLLUPS, TIME_UNITS, program_from_dict
from tests.reference import columns as oracle
from tests.reference.tally import bucket_of, start_of

EPOCH = dt.datetime(1970, 1, 1)
instants = st.datetimes(dt.datetime(1100, 1, 2), dt.datetime(2899, 12, 30))
near_epoch = st.datetimes(dt.datetime(1969, 12, 20), dt.datetime(1970, 1, 12))
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def buckets(array, unit, zone="UTC"):
    got = encode_buckets(array, unit=unit, timezone=zone, column="t")
    assert got.dtype == np.int64
    return [None if one == NO_BUCKET else one for one in got.tolist()]


def raw(values, kind):
    """A timestamp array of these whole numbers."""
    return pa.array(values, pa.int64()).cast(kind)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.none() | instants | near_epoch, min_size=1, max_size=8),
    st.sampled_from(TIME_UNITS),
    st.sampled_from(["s", "ms", "us", "ns"]),
)
def test_timestamps_without_a_zone(values, unit, resolution):
    if resolution == "ns":
        values = [one for one in values if one is None or 1700 < one.year < 2250]
    per = PER_SECOND[resolution]
    numbers = [
        None if one is None else (one - EPOCH) // dt.timedelta(microseconds=1) * per // 10**6
        for one in values
    ]
    expected = [None if one is None else bucket_of(one, unit) for one in values]
    assert buckets(raw(numbers, pa.timestamp(resolution)), unit) == expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.none() | st.datetimes(dt.datetime(1960, 1, 1), dt.datetime(2037, 1, 1)), max_size=8
    ),
    st.sampled_from(TIME_UNITS),
    st.sampled_from(
        ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "+05:30"]
    ),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
)
def test_instants_are_moved_to_the_programs_zone(values, unit, source, zone):
    # What zone the column names does not change which instant it means.
    micros = [None if one is None else (one - EPOCH) // dt.timedelta(microseconds=1)
              for one in values]  # fmt: skip
    expected = [
        None
        if one is None
        else bucket_of(
            one.replace(tzinfo=dt.UTC).astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None),
            unit,
        )
        for one in values
    ]
    assert buckets(raw(micros, pa.timestamp("us", tz=source)), unit, zone) == expected


def test_summer_time():
    zone = "Europe/Berlin"
    # On 2021-10-31 the hour from 02:00 happens twice, on 2021-03-28 it does not happen.
    stamps = [dt.datetime(2021, 10, 31, hour) for hour in (0, 1, 2)]
    stamps += [dt.datetime(2021, 3, 28, hour) for hour in (0, 1)]
    array = pa.array(stamps, pa.timestamp("s", tz="UTC"))
    first = bucket_of(dt.datetime(2021, 10, 31, 2), "hour")
    spring = bucket_of(dt.datetime(2021, 3, 28, 1), "hour")
    assert buckets(array, "hour", zone) == [first, first, first + 1, spring, spring + 2]
    # A local date is the program's: 23:30 UTC is the next day in Berlin.
    late = pa.array([dt.datetime(2021, 6, 30, 23, 30)], pa.timestamp("ms", tz="UTC"))
    assert buckets(late, "month", zone) == [bucket_of(dt.datetime(2021, 7, 1), "month")]
    assert buckets(late.cast(pa.timestamp("ms")), "month", zone) == [
        bucket_of(dt.datetime(2021, 6, 30), "month")
    ]


def test_fractions_of_a_second_before_1970_round_down():
    for resolution, per in PER_SECOND.items():
        for kind in (pa.timestamp(resolution), pa.timestamp(resolution, tz="UTC")):
            assert buckets(raw([-1, 0, -per, -86400 * per - 1, None], kind), "day") == [
                -1, 0, -1, -2, None,
            ]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.none() | instants.map(dt.datetime.date), max_size=6), st.sampled_from(TIME_UNITS)
)
def test_dates(values, unit):
    expected = [
        None if one is None else bucket_of(dt.datetime(one.year, one.month, one.day), unit)
        for one in values
    ]
    for kind in (pa.date32(), pa.date64()):
        assert buckets(pa.array(values, kind), unit) == expected


@pytest.mark.parametrize(
    "kind", [pa.timestamp("s"), pa.timestamp("ms", tz="UTC"), pa.timestamp("us", tz="Asia/Tokyo")]
)
def test_times_out_of_range(kind):
    per = PER_SECOND[kind.unit]
    first = (dt.datetime(1100, 1, 1) - EPOCH) // dt.timedelta(seconds=1) * per
    last = (dt.datetime(2900, 1, 1) - EPOCH) // dt.timedelta(seconds=1) * per
    # An instant of the last day of 2899 may be local to 2900.
    day = 86400 * per if kind.tz else 0
    for unit in TIME_UNITS:
        edges = buckets(raw([first + day, last - 1 - day], kind), unit, "Pacific/Kiritimati")
        assert all(abs(one) < BUCKETS_HALF for one in edges)
    for wrong in (first - 1, last, 2**63 - 1, -(2**63), -(2**63) + 1, 2**62):
        with pytest.raises(InvalidArgumentError) as caught:
            buckets(raw([0, None, wrong], kind), "day", "Europe/Berlin")
        assert (caught.value.reason, caught.value.column, caught.value.row) == (
            "OUT_OF_RANGE_TIME", "t", 2,
        )  # fmt: skip


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_dates_out_of_range(kind):
    integer = pa.int32() if kind == pa.date32() else pa.int64()
    info = np.iinfo(integer.to_pandas_dtype())
    for wrong in (info.min, info.max):
        with pytest.raises(InvalidArgumentError) as caught:
            buckets(pa.array([0, wrong], integer).cast(kind), "day")
        assert caught.value.row == 1


def test_nanoseconds_and_unknown_zones_in_the_column():
    array = raw([-(2**63), 2**63 - 1, 1], pa.timestamp("ns", tz="UTC"))
    assert buckets(array, "year") == [1677 - 1970, 2262 - 1970, 0]
    odd = raw([0, -(2**63)], pa.timestamp("s", tz="Mars/Base"))
    assert buckets(odd.slice(0, 1), "day") == [0]
    with pytest.raises(InvalidArgumentError):
        buckets(odd, "day")


KINDS = [pa.date32(), pa.date64()] + [
    pa.timestamp(resolution, tz) for resolution in PER_SECOND for tz in (None, "UTC", "Asia/Tokyo")
]


def resolution_of(kind):
    return "ms" if kind == pa.date64() else kind.unit


@pytest.mark.parametrize("kind", KINDS, ids=str)
@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(TIME_UNITS),
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Kiritimati"]),
    st.data(),
)
def test_buckets_agree_with_numpy(kind, unit, zone, data):
    per_day = 1 if kind == pa.date32() else 86400 * PER_SECOND[resolution_of(kind)]
    top = 2**31 - 1 if kind == pa.date32() else 2**63 - 1
    days = data.draw(
        st.lists(st.integers(-317_763, 339_678) | st.integers(-800, 30_000), max_size=20)
    )
    shift = st.sampled_from([0, 1, -1]) | st.integers(-per_day, per_day)
    values = [max(-top - 1, min(top, day * per_day + data.draw(shift))) for day in days]
    values += data.draw(st.lists(st.integers(-top - 1, top), max_size=1))
    # Long enough to pass a block's seam; what is null may be any number.
    values = values * data.draw(st.sampled_from([1, 1, 90]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    null = rng.random(len(values)) < data.draw(st.sampled_from([0.0, 0.1, 0.9]))
    validity = pa.array(~null).buffers()[1] if null.any() else None
    width = np.int32 if kind == pa.date32() else np.int64
    array = pa.Array.from_buffers(
        kind, len(values), [validity, pa.py_buffer(np.array(values, width).tobytes())]
    ).slice(data.draw(st.integers(0, 9)))
    expected, row = oracle.encode_buckets(array, unit, zone)
    if row is None:
        assert buckets(array, unit, zone) == expected
        return
    with pytest.raises(InvalidArgumentError) as caught:
        buckets(array, unit, zone)
    assert (caught.value.reason, caught.value.row) == ("OUT_OF_RANGE_TIME", row)


@pytest.mark.parametrize("unit", TIME_UNITS)
def test_every_day_there_is(unit):
    days = pa.array(np.arange(-317_761, 339_676, dtype=np.int32)).cast(pa.date32())
    assert (str(days[0]), str(days[-1])) == ("1100-01-01", "2899-12-31")
    assert buckets(days, unit) == oracle.encode_buckets(days, unit, "UTC")[0]


def test_null_times_in_a_batch():
    program = program_from_dict(
        {
            "name": "p",
            "questions": {"q": {"kind": "nps"}},
            "time": {"column": "t", "buckets": ["week"]},
        }
    )
    batch = pa.record_batch({"q": pa.array([1, 2]), "t": pa.array([None, EPOCH])})
    got = encode(batch, program).buckets
    assert (got.buckets.tolist(), got.indices.tolist()) == ([0], [0, 1])


@pytest.mark.parametrize("level", native.simd_levels())
@pytest.mark.parametrize("unit", TIME_UNITS)
@pytest.mark.parametrize(
    "span, hour_dtype",
    [
        (1, np.uint8), (254, np.uint8), (255, np.uint8), (256, np.uint16), (65_535, np.uint16),
        (65_536, np.int32), (2**22, np.uint16),
    ],
)  # fmt: skip
def test_buckets_are_numbered(level, unit, span, hour_dtype):
    """From the first there is; where they are far apart (2^22 hours), only those that occur."""
    rng = np.random.default_rng(span)
    count = 70_001
    hours = rng.integers(-3, span - 3, count)
    if span == 2**22:
        hours = rng.choice(hours[:1000], count)
    hours[:2] = -3, span - 4
    null = rng.random(count) < 0.2
    null[:2] = False
    array = pa.array(hours * 3600, pa.timestamp("s"), mask=null)
    before = native.simd_level()
    native.set_simd_level(level)
    try:
        got = number_times(array, unit=unit, timezone="UTC", column="t")
        values = encode_buckets(array, unit=unit, timezone="UTC", column="t")
    finally:
        native.set_simd_level(before)
    assert got.indices.dtype == hour_dtype or unit != "hour"
    assert (np.diff(got.buckets) > 0).all()
    assert (values == NO_BUCKET).tolist() == null.tolist()
    assert (np.concatenate(([NO_BUCKET], got.buckets))[got.indices] == values).all()


def test_no_buckets_are_numbered():
    for count in (0, 1, 70):
        array = pa.nulls(count, pa.timestamp("s"))
        for got in (
            number_times(array, unit="day", timezone="UTC", column="t"),
            number_buckets(np.full(count, NO_BUCKET)),
        ):
            assert got.buckets.tolist() == []
            assert got.indices.tolist() == [0] * count


# --- edges and coarser buckets --------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(instants, st.data())
def test_rolling_up(instant, data):
    unit = data.draw(st.sampled_from(TIME_UNITS))
    coarser = data.draw(st.sampled_from(ROLLUPS[unit]))
    fine = np.array([bucket_of(instant, unit)], dtype=np.int64)
    got = roll_up(fine, unit, coarser)
    assert got.dtype == np.int64
    expected = bucket_of(instant, coarser)
    if unit == "week":
        assert got.tolist() == fine.tolist()
    else:
        assert got.tolist() == [expected]
    assert bucket_start(int(got[0]), coarser) == start_of(expected, coarser)


@settings(max_examples=200, deadline=None)
@given(instants, st.sampled_from(TIME_UNITS))
def test_edges(instant, unit):
    bucket = bucket_of(instant, unit)
    start = start_of(bucket, unit)
    assert bucket_start(bucket, unit) == start
    assert parse_edge(bucket_text(bucket, unit), unit=unit, key="since") == bucket
    assert parse_edge(start.isoformat(), unit=unit, key="since") == bucket
    if instant != start:
        with pytest.raises(InvalidArgumentError) as caught:
            parse_edge(instant.isoformat(), unit=unit, key="until")
        error = caught.value
        assert error.reason == "INVALID_TIME"
        assert error.message.startswith("until: ")
        following = bucket_text(bucket + 1, unit)
        assert error.expected == f"{bucket_text(bucket, unit)} or {following}"


def test_texts():
    assert bucket_text(0, "hour") == "1970-01-01T00:00"
    assert bucket_text(-1, "day") == "1969-12-31"
    assert bucket_text(0, "week") == "1969-12-29"
    assert bucket_text(-1, "month") == "1969-12-01"
    assert bucket_text(189, "quarter") == "2017-04-01"
    assert parse_edge("2017-05-01T13", unit="hour", key="since") == 17_287 * 24 + 13


@pytest.mark.parametrize("unit", TIME_UNITS)
@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "2017", "2017-13-01", "2017-05-01T00:00Z", "2017-05-01T00:00+02:00",
        "9999-12-31T23:59:59", "0001-01-02T00:00:01", "2017-05-01T00:00:00.000001",
    ],
)  # fmt: skip
def test_what_is_no_edge(unit, text):
    with pytest.raises(InvalidArgumentError) as caught:
        parse_edge(text, unit=unit, key="since")
    assert caught.value.reason == "INVALID_TIME"
    assert caught.value.expected
