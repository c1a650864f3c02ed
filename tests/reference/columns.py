"""Time buckets and levels with numpy alone: slower than the engine's kernels, and plainly right."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FIRST_SECOND = int(np.datetime64("1100-01-01", "s").astype(np.int64))
LAST_SECOND = int(np.datetime64("2900-01-01", "s").astype(np.int64))
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def encode_buckets(array, unit, zone):
    """Return ``(buckets, None)`` with None for null, or ``(None, row)`` for the first row refused."""
    null = array.is_null().to_numpy(zero_copy_only=False)
    stamps = seconds(array)
    bad = wrong_years(stamps, null)
    if bad is None and pa.types.is_timestamp(array.type) and array.type.tz is not None:
        instants = pa.array(stamps, pa.timestamp("s", tz=zone))
        stamps = seconds(pc.local_timestamp(instants))
        bad = wrong_years(stamps, null)
    if bad is not None:
        return None, bad
    got = cut(stamps.astype("datetime64[s]"), unit).tolist()
    return [None if gone else one for gone, one in zip(null, got, strict=True)], None


def wrong_years(stamps, null):
    bad = ~null & ((stamps < FIRST_SECOND) | (stamps >= LAST_SECOND))
    return int(np.argmax(bad)) if bad.any() else None


def seconds(array):
    """Return whole seconds since 1970, rounded down; 0 for null."""
    if pa.types.is_date32(array.type):
        array, per = array.cast(pa.int32()), None
    else:
        per = 1000 if pa.types.is_date64(array.type) else PER_SECOND[array.type.unit]
    numbers = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return numbers * 86400 if per is None else numbers // per


def cut(stamps, unit):
    if unit == "hour":
        return stamps.astype("datetime64[h]").astype(np.int64)
    days = stamps.astype("datetime64[D]")
    if unit == "week":
        return (days.astype(np.int64) + 3) // 7
    if unit == "day":
        return days.astype(np.int64)
    months = days.astype("datetime64[M]").astype(np.int64)
    return months // {"month": 1, "quarter": 3, "year": 12}[unit]


def encode_levels(array, missing):
    """Return the levels of a dictionary array that a row has, and each row's, 0 for none."""
    values = [None if one in missing else one for one in array.dictionary.to_pylist()]
    places = array.indices.to_pylist()
    used = sorted({place for place in places if place is not None})
    levels = [one for one in dict.fromkeys(values[place] for place in used) if one is not None]
    rows = [None if place is None else values[place] for place in places]
    return levels, [0 if one is None else 1 + levels.index(one) for one in rows]
