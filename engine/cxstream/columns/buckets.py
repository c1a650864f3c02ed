"""Instants -> time buckets, and buckets -> the dates people read."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cxstream.columns import native
from cxstream.columns.codes import NO_BUCKET, BucketCodes
from cxstream.errors import InvalidArgumentError

#: Buckets are cut by the local calendar: instants are local and have no zone.
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - local by definition
_EPOCH_MONDAY = 3  # 1970-01-01 was a Thursday: the Monday before is three days earlier.
#: Buckets of every unit stay within 24 bits of a group key (hours from 1014 to 2927).
BUCKETS_HALF = 2**23
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def encode_buckets(array: pa.Array, *, unit: str, timezone: str, column: str) -> NDArray[np.int64]:
    """Cut a date or timestamp column into buckets since 1970.

    A timestamp with a zone is moved to `timezone`; one without is taken as local to it. Null gives
    `NO_BUCKET`.

    Raises
    ------
    InvalidArgumentError
        ``OUT_OF_RANGE_TIME`` with the first row outside the years 1100..2900.
    """
    return _cut(_local(array, unit, timezone, column), unit, column)


def number_times(array: pa.Array, *, unit: str, timezone: str, column: str) -> BucketCodes:
    """Cut a date or timestamp column into buckets, as `encode_buckets`, and number them.

    Raises
    ------
    InvalidArgumentError
        As `encode_buckets`.
    """
    array = _local(array, unit, timezone, column)
    try:
        found = native.number_times(array, unit=unit)
    except native.Violation as violation:
        raise _out_of_range(array, column, violation.row) from None
    if found is None:  # far apart
        return number_buckets(_cut(array, unit, column))
    first, last, indices = found
    return BucketCodes(np.arange(first, last + 1), indices)


def number_buckets(buckets: NDArray[np.int64]) -> BucketCodes:
    """Number the buckets there are, `NO_BUCKET` for null among them."""
    known, places = np.unique(buckets, return_inverse=True)
    nulls = int(known.size > 0 and known[0] == NO_BUCKET)
    dtype = native.index_dtype(len(known) - nulls)
    return BucketCodes(known[nulls:], (places + (1 - nulls)).astype(dtype))


def _local(array: pa.Array, unit: str, timezone: str, column: str) -> pa.Array:
    zone = array.type.tz if pa.types.is_timestamp(array.type) else None
    if zone is not None and timezone != "UTC":
        # That the instants are of those years too is checked first: what is local may overflow.
        _cut(array, unit, column)
        null = array.is_null().to_numpy(zero_copy_only=False)
        instants = pa.array(_seconds(array), pa.timestamp("s", tz=timezone), mask=null)
        array = pc.local_timestamp(instants)
    return array


def _cut(array: pa.Array, unit: str, column: str) -> NDArray[np.int64]:
    try:
        return native.encode_buckets(array, unit=unit, null_bucket=int(NO_BUCKET))
    except native.Violation as violation:
        raise _out_of_range(array, column, violation.row) from None


def _out_of_range(array: pa.Array, column: str, row: int) -> InvalidArgumentError:
    second = int(_seconds(array.slice(row, 1))[0])
    return InvalidArgumentError(
        "OUT_OF_RANGE_TIME",
        f"column {column!r}, row {row}: {second} seconds since 1970 are not between the years 1100 "
        "and 2900",
        column=column,
        row=row,
        expected="a time between the years 1100 and 2900",
    )


def _seconds(array: pa.Array) -> NDArray[np.int64]:
    """Return whole seconds since 1970, rounded down; 0 for null."""
    kind = array.type
    if pa.types.is_date32(kind):
        values, per_second = array.cast(pa.int32()).cast(pa.int64()), 1
    else:
        per_second = 1000 if pa.types.is_date64(kind) else _PER_SECOND[kind.unit]
        values = array.cast(pa.int64())
    numbers: NDArray[np.int64] = values.fill_null(0).to_numpy(zero_copy_only=False)
    return numbers * 86400 if pa.types.is_date32(kind) else numbers // per_second


def to_bucket(stamps: NDArray[np.datetime64], unit: str) -> NDArray[np.int64]:
    """Return the buckets since 1970 of local instants."""
    if unit == "hour":
        return stamps.astype("datetime64[h]").astype(np.int64)
    days = stamps.astype("datetime64[D]").astype(np.int64)
    return roll_up(days, "day", unit)


def roll_up(buckets: NDArray[np.int64], unit: str, coarser: str) -> NDArray[np.int64]:
    """Return the coarser buckets that hold the given ones (see ROLLUPS for what divides)."""
    if unit == coarser:
        return buckets.copy()
    if unit == "hour":
        return roll_up(buckets // 24, "day", coarser)
    if unit == "day":
        if coarser == "week":
            return (buckets + _EPOCH_MONDAY) // 7
        months = buckets.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        return roll_up(months, "month", coarser)
    per = {"month": 1, "quarter": 3, "year": 12}
    return buckets // (per[coarser] // per[unit])


def bucket_start(bucket: int, unit: str) -> dt.datetime:
    """Return the first instant of a bucket."""
    if unit == "hour":
        return _EPOCH + dt.timedelta(hours=bucket)
    if unit == "day":
        return _EPOCH + dt.timedelta(days=bucket)
    if unit == "week":
        return _EPOCH + dt.timedelta(days=7 * bucket - _EPOCH_MONDAY)
    months = bucket * {"month": 1, "quarter": 3, "year": 12}[unit]
    return _EPOCH.replace(year=1970 + months // 12, month=months % 12 + 1)


def bucket_text(bucket: int, unit: str) -> str:
    """Return a bucket's first day (or hour) in ISO 8601."""
    start = bucket_start(bucket, unit)
    return start.isoformat(timespec="minutes") if unit == "hour" else start.date().isoformat()


def parse_edge(text: str, *, unit: str, key: str) -> int:
    """Return the bucket that starts at an ISO 8601 date or local time.

    Raises
    ------
    InvalidArgumentError
        ``INVALID_TIME``: not ISO 8601, or not on an edge of a bucket; names the nearest edges.
    """
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidArgumentError(
            "INVALID_TIME",
            f"{key}: {text!r} is not an ISO 8601 date or time",
            expected="such as 2017-05-01 or 2017-05-01T13:00",
        ) from error
    if instant.tzinfo is not None:
        raise InvalidArgumentError(
            "INVALID_TIME",
            f"{key}: {text!r} has a zone; give local time of the program's time zone",
            expected="such as 2017-05-01",
        )
    bucket = int(to_bucket(np.array([np.datetime64(instant, "s")]), unit)[0])
    if bucket_start(bucket, unit) != instant:
        edges = bucket_text(bucket, unit)
        if instant.year < dt.MAXYEAR:
            edges += f" or {bucket_text(bucket + 1, unit)}"
        raise InvalidArgumentError(
            "INVALID_TIME",
            f"{key}: {text!r} is not on an edge of the stored {unit}s; the nearest are {edges}",
            expected=edges,
        )
    return bucket
