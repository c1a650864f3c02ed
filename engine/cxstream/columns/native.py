"""Arrow arrays to integer codes through the C kernels of ``cxstream._native``.

Each function reads the array's own buffers, copies nothing but the codes it returns, and runs without the
interpreter lock. What the codes mean is documented in ``native/include/cxstream_native.h``.

The kernels come in several SIMD levels that give the same bits; the environment variable ``CXSTREAM_SIMD``
(``scalar``, ``avx2`` or ``avx512``) overrides the choice made at import.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cxstream._native import ffi as _ffi
from cxstream._native import lib as _lib

__all__ = [
    "Violation",
    "compiler",
    "encode_buckets",
    "encode_levels",
    "encode_lut",
    "encode_number",
    "encode_scales",
    "index_dtype",
    "make_sets",
    "n_sets",
    "number_times",
    "set_simd_level",
    "simd_level",
    "simd_levels",
    "time_job",
    "used_places",
    "value_tag",
]

#: What a function takes: in words, and the kernels' tag of each Arrow type by its id.
_Types = tuple[str, dict[int, int]]
_INTEGERS: _Types = (
    "an integer",
    {
        pa.int8().id: _lib.CX_INT8,
        pa.int16().id: _lib.CX_INT16,
        pa.int32().id: _lib.CX_INT32,
        pa.int64().id: _lib.CX_INT64,
        pa.uint8().id: _lib.CX_UINT8,
        pa.uint16().id: _lib.CX_UINT16,
        pa.uint32().id: _lib.CX_UINT32,
        pa.uint64().id: _lib.CX_UINT64,
    },
)
_NUMBERS: _Types = (
    "an integer or a float",
    {**_INTEGERS[1], pa.float32().id: _lib.CX_FLOAT32, pa.float64().id: _lib.CX_FLOAT64},
)
_SCALES: _Types = ("bool, an integer or a float", {**_NUMBERS[1], pa.bool_().id: _lib.CX_BOOL})
_TIMES: _Types = (
    "a date or a timestamp",
    {
        pa.date32().id: _lib.CX_INT32,
        pa.date64().id: _lib.CX_INT64,
        pa.timestamp("s").id: _lib.CX_INT64,
    },
)
_UNITS: dict[str, int] = {
    "hour": _lib.CX_HOUR,
    "day": _lib.CX_DAY,
    "week": _lib.CX_WEEK,
    "month": _lib.CX_MONTH,
    "quarter": _lib.CX_QUARTER,
    "year": _lib.CX_YEAR,
}
#: By the unit of a timestamp, or the name of a date's type.
_PER_DAY = {
    "date32[day]": 1,
    "date64[ms]": 86400 * 10**3,
    "s": 86400,
    "ms": 86400 * 10**3,
    "us": 86400 * 10**6,
    "ns": 86400 * 10**9,
}

_KINDS: dict[int, str] = {
    _lib.CX_OUT_OF_SCALE: "out_of_scale",
    _lib.CX_FRACTION: "fraction",
    _lib.CX_NOT_FINITE: "not_finite",
    _lib.CX_OFF_STEP: "off_step",
    _lib.CX_BAD_INDEX: "bad_index",
}


class Violation(Exception):
    """A value that its declaration does not allow.

    Parameters
    ----------
    row : int
        The first violating row, from 0 at the array's own start.
    kind : str
        ``"out_of_scale"``, ``"fraction"``, ``"not_finite"``, ``"off_step"`` or ``"bad_index"``.
    place : int
        Of the column, where there are several.
    """

    row: int
    kind: str
    place: int

    def __init__(self, row: int, kind: str, place: int = 0) -> None:
        super().__init__(f"row {row}: {kind}")
        self.row = row
        self.kind = kind
        self.place = place


class Scale:
    """An integer scale ``lo..hi``, as the kernels take it.

    Parameters
    ----------
    lo, hi : int
        The scale, both ends included, within ``-2**53..2**53``.
    missing : sequence of int
        Values that stand for an answer not given. One that lies on the scale is missing all the same.

    Attributes
    ----------
    code_dtype : dtype
        uint8 where all codes fit, else uint16.
    """

    def __init__(self, lo: int, hi: int, missing: Sequence[int] = ()) -> None:
        _within_int64(lo, hi)
        self._missing = _int64s(missing)  # kept, as the job points at it
        self.code_dtype = np.dtype(np.uint8 if hi - lo + 2 + len(missing) <= 256 else np.uint16)
        self.job = _ffi.new("struct cx_scale_job *")
        self.job.lo, self.job.hi = lo, hi
        self.job.missing, self.job.n_missing = self._missing, len(missing)
        self.job.code_bytes = self.code_dtype.itemsize
        self.text = f"a scale {lo}..{hi} with {len(missing)} missing codes"


def encode_scales(arrays: Sequence[pa.Array], scales: Sequence[Scale]) -> list[npt.NDArray[Any]]:
    """Encode answers on integer scales, some columns of as many rows by one call.

    Parameters
    ----------
    arrays : sequence of pyarrow.Array
        Booleans, integers or floats; floats must be whole numbers.
    scales : sequence of Scale
        Theirs.

    Returns
    -------
    list of (n,) uint8 or uint16 array
        With ``K = hi - lo + 1``: ``v - lo`` for an answer, ``K + i`` for ``missing[i]``, ``K + len(missing)`` for
        null. The arrays are fresh and writable.

    Raises
    ------
    Violation
        ``out_of_scale``, ``fraction`` or ``not_finite``, of the first column that has one; what comes after it was not
        looked at.
    ValueError
        The scale and the missing codes need more than 65536 codes, or lie outside what 64 bits hold.
    TypeError
        An array is of another type.
    """
    jobs = _ffi.new("struct cx_scale_job[]", len(arrays))
    rows = len(arrays[0]) if arrays else 0
    out, held = [], []
    for place, (array, scale) in enumerate(zip(arrays, scales, strict=True)):
        jobs[place] = scale.job[0]
        job = jobs[place]
        tag, values, validity, offset, length = _column(array, _SCALES)
        if length != rows:
            raise ValueError(f"columns of {rows} and {length} rows")
        codes = np.empty(rows, scale.code_dtype)
        job.type, job.values, job.validity, job.offset = tag, values, validity, offset
        job.codes_out = pointer = _ffi.from_buffer("uint8_t[]", codes.view(np.uint8))
        held.append((values, validity, pointer))
        out.append(codes)
    bad_job, bad_row = _ffi.new("int64_t *"), _ffi.new("int64_t *")
    status = _lib.cx_encode_scales(jobs, len(out), rows, bad_job, bad_row)
    if status:
        place = int(bad_job[0])
        raise _error(status, bad_row[0], scales[place].text, place)
    return out


def encode_lut(
    indices: pa.Array, lut: npt.NDArray[np.uint16], *, null_code: int, code_dtype: npt.DTypeLike
) -> npt.NDArray[Any]:
    """Encode dictionary indices by a table of codes.

    Parameters
    ----------
    indices : pyarrow.Array
        The indices of a dictionary array, of any integer type.
    lut : (m,) uint16 array
        The code of each dictionary entry; 65535 marks a label that is not allowed.
    null_code : int
        The code of a null.
    code_dtype : dtype
        uint8 or uint16.

    Returns
    -------
    (n,) array of code_dtype
        The array is fresh and writable.

    Raises
    ------
    Violation
        ``out_of_scale`` for a label that is not allowed, ``bad_index`` for an index outside the table.
    ValueError
        A code does not fit `code_dtype`, or `code_dtype` is neither uint8 nor uint16.
    TypeError
        The indices are not integers.
    """
    if np.dtype(code_dtype) not in (np.uint8, np.uint16):
        raise ValueError(f"code_dtype is {np.dtype(code_dtype)}; it must be uint8 or uint16")
    table = np.ascontiguousarray(lut, np.uint16)
    codes = np.empty(len(indices), code_dtype)
    bad_row = _ffi.new("int64_t *")
    _within_int64(null_code)
    status = _lib.cx_encode_lut(
        *_column(indices, _INTEGERS),
        _ffi.from_buffer("uint16_t[]", table),
        table.size,
        null_code,
        codes.itemsize,
        _ffi.from_buffer(codes),
        bad_row,
    )
    if status:
        raise _error(
            status,
            bad_row[0],
            f"a table of {table.size} codes, null code {null_code}, as {codes.dtype}",
        )
    return codes


def encode_number(
    array: pa.Array,
    *,
    step: Fraction,
    lo_steps: int,
    hi_steps: int,
    missing_steps: Sequence[int] = (),
) -> npt.NDArray[np.int64]:
    """Encode numbers with a declared step as a count of steps above the low end.

    Parameters
    ----------
    array : pyarrow.Array
        Integers or floats. An integer must be a whole number of steps; a float must be within
        ``max(1e-9, |q| * 2**-50)`` of one, where q is its number of steps (``2**-23`` for float32).
    step : fractions.Fraction
        The declared step, above 0, numerator and denominator up to ``2**53``.
    lo_steps, hi_steps : int
        The declared range in steps, both ends included.
    missing_steps : sequence of int
        Numbers of steps that stand for an answer not given.

    Returns
    -------
    (n,) int64 array
        ``k - lo_steps`` for k steps, ``-1`` for null, ``-2 - i`` for ``missing_steps[i]``. Fresh and writable.

    Raises
    ------
    Violation
        ``out_of_scale``, ``off_step`` or ``not_finite``.
    ValueError
        The step or the range lies outside what the kernels hold.
    TypeError
        The array is of another type.
    """
    codes = np.empty(len(array), np.int64)
    bad_row = _ffi.new("int64_t *")
    _within_int64(lo_steps, hi_steps, step.numerator, step.denominator)
    status = _lib.cx_encode_number(
        *_column(array, _NUMBERS),
        step.numerator,
        step.denominator,
        lo_steps,
        hi_steps,
        _int64s(missing_steps),
        len(missing_steps),
        _ffi.from_buffer("int64_t[]", codes),
        bad_row,
    )
    if status:
        raise _error(status, bad_row[0], f"a step of {step} from {lo_steps} to {hi_steps} steps")
    return codes


def used_places(indices: pa.Array, places: int) -> bytearray:
    """Mark the entries of a dictionary that some row has.

    Parameters
    ----------
    indices : pyarrow.Array
        The indices of a dictionary array, of any integer type.
    places : int
        How many entries the dictionary has.

    Returns
    -------
    bytearray of places + 1
        1 for an entry that some row has, else 0; the last one tells whether a row is null.

    Raises
    ------
    Violation
        ``bad_index`` for an index outside the dictionary.
    TypeError
        The indices are not integers.
    """
    used = bytearray(places + 1)
    bad_row = _ffi.new("int64_t *")
    status = _lib.cx_mark_places(
        *_column(indices, _INTEGERS), places, _ffi.from_buffer("uint8_t[]", used), bad_row
    )
    if status:
        raise _error(status, bad_row[0], f"a dictionary of {places} entries")
    return used


def encode_levels(
    indices: pa.Array, levels: npt.NDArray[np.int32], code_dtype: npt.DTypeLike = np.int32
) -> npt.NDArray[Any]:
    """Encode dictionary indices by a table of levels.

    Parameters
    ----------
    indices : pyarrow.Array
        The indices of a dictionary array, of any integer type.
    levels : (m + 1,) int32 array
        The code of each dictionary entry, then that of a null.
    code_dtype : dtype
        An integer of 1, 2 or 4 bytes that holds all codes.

    Returns
    -------
    (n,) array of code_dtype
        The array is fresh and writable.

    Raises
    ------
    Violation
        ``bad_index`` for an index outside the dictionary.
    TypeError
        The indices are not integers.
    """
    table = np.ascontiguousarray(levels, np.int32)
    codes = np.empty(len(indices), code_dtype)
    bad_row = _ffi.new("int64_t *")
    status = _lib.cx_encode_levels(
        *_column(indices, _INTEGERS),
        _ffi.from_buffer("int32_t[]", table),
        table.size - 1,
        codes.itemsize,
        _ffi.from_buffer(codes),
        bad_row,
    )
    if status:
        raise _error(status, bad_row[0], f"a table of {table.size} levels, as {codes.dtype}")
    return codes


def encode_buckets(array: pa.Array, *, unit: str, null_bucket: int) -> npt.NDArray[np.int64]:
    """Encode local times as the buckets of a unit since 1970; weeks begin on Monday.

    Parameters
    ----------
    array : pyarrow.Array
        Dates or timestamps. A timestamp's zone is not looked at.
    unit : str
        One of ``cxstream.program.TIME_UNITS``.
    null_bucket : int
        What a null becomes.

    Returns
    -------
    (n,) int64 array
        The array is fresh and writable.

    Raises
    ------
    Violation
        ``out_of_scale`` for a time outside the years 1100 to 2899.
    TypeError
        The array is of another type.
    """
    buckets = np.empty(len(array), np.int64)
    bad_row = _ffi.new("int64_t *")
    status = _lib.cx_encode_buckets(
        *_column(array, _TIMES),
        _per_day(array.type),
        _UNITS[unit],
        null_bucket,
        _ffi.from_buffer("int64_t[]", buckets),
        bad_row,
    )
    if status:
        raise _error(status, bad_row[0], f"{array.type} by {unit}")
    return buckets


def _per_day(kind: pa.DataType) -> int:
    return _PER_DAY[str(kind) if pa.types.is_date(kind) else kind.unit]


def time_job(kind: pa.DataType, unit: str) -> tuple[int, int]:
    """Return how many of a type's units a day has, and the kernels' number of a bucket's unit."""
    return _per_day(kind), _UNITS[unit]


def value_tag(kind: pa.DataType) -> int | None:
    """Return the kernels' tag of a type that they read, None for any other."""
    return _SCALES[1].get(kind.id, _TIMES[1].get(kind.id))


def number_times(array: pa.Array, *, unit: str) -> tuple[int, int, npt.NDArray[Any]] | None:
    """Encode local times as numbers of their buckets, from the first that occurs.

    Parameters
    ----------
    array : pyarrow.Array
        Dates or timestamps. A timestamp's zone is not looked at.
    unit : str
        One of ``cxstream.program.TIME_UNITS``.

    Returns
    -------
    (int, int, (n,) uint8, uint16 or int32 array) or None
        The first and the last bucket, as of `encode_buckets`, and 0 for null, i + 1 for ``first + i``; None where they
        are so far apart that most numbers would stand for nothing.

    Raises
    ------
    Violation
        ``out_of_scale`` for a time outside the years 1100 to 2899.
    TypeError
        The array is of another type.
    """
    column, per_day = _column(array, _TIMES), _per_day(array.type)
    ends, bad_row = _ffi.new("int64_t[2]"), _ffi.new("int64_t *")
    status = _lib.cx_time_range(*column, per_day, ends, ends + 1, bad_row)
    if status:
        raise _error(status, bad_row[0], f"{array.type} by {unit}")
    first, last = 1, 0
    if ends[0] <= ends[1]:
        buckets = _ffi.new("int64_t[2]")
        _lib.cx_encode_buckets(
            _lib.CX_INT64, ends, _ffi.NULL, 0, 2, per_day, _UNITS[unit], 0, buckets, bad_row
        )
        first, last = int(buckets[0]), int(buckets[1])
    if last - first > len(array) + 1000:
        return None
    codes = np.empty(len(array), index_dtype(last - first + 1))
    _lib.cx_number_times(
        *column, per_day, _UNITS[unit], first, codes.itemsize, _ffi.from_buffer(codes)
    )
    return first, last, codes


def n_sets(levels: int, missing: int) -> int:
    """Return how many bytes `make_sets` makes of a response."""
    return int(_lib.cx_tally_n_sets(levels, missing))


def make_sets(
    offsets: npt.NDArray[np.int64], codes: npt.NDArray[np.uint16], levels: int, missing: int
) -> npt.NDArray[np.uint8]:
    """Turn several answers in compressed rows into sets: see ``cx_tally_sets``.

    Parameters
    ----------
    offsets : (rows + 1,) int64
    codes : (offsets[-1],) uint16
    levels, missing : int

    Returns
    -------
    (bytes, rows) uint8
    """
    offsets, codes = np.ascontiguousarray(offsets), np.ascontiguousarray(codes)
    sets = np.empty((n_sets(levels, missing), len(offsets) - 1), dtype=np.uint8)
    _lib.cx_tally_sets(
        _ffi.from_buffer("int64_t[]", offsets),
        _ffi.from_buffer("uint16_t[]", codes) if len(codes) else _ffi.NULL,
        len(offsets) - 1, levels, missing,
        _ffi.from_buffer("uint8_t[]", sets) if sets.size else _ffi.NULL,
    )  # fmt: skip
    return sets


def index_dtype(entries: int) -> np.dtype[Any]:
    """Return the narrowest type that holds 0 for null and i + 1 for so many entries."""
    return np.dtype(np.uint8 if entries < 256 else np.uint16 if entries < 65536 else np.int32)


def simd_level() -> str:
    """Name the SIMD level in use.

    Returns
    -------
    str
        ``"scalar"``, ``"avx2"`` or ``"avx512"``.
    """
    return _level_name(_lib.cx_simd_level())


def simd_levels() -> tuple[str, ...]:
    """Name the SIMD levels that this build and this processor support, lowest first.

    Returns
    -------
    tuple of str
        Always begins with ``"scalar"``.
    """
    return tuple(
        _level_name(level) for level in range(_lib.CX_SIMD_COUNT) if _lib.cx_simd_supported(level)
    )


def set_simd_level(name: str) -> None:
    """Use a SIMD level from the next call on; for tests and benchmarks.

    Parameters
    ----------
    name : str
        One of `simd_levels`.

    Raises
    ------
    ValueError
        This machine does not support that level.
    """
    for level in range(_lib.CX_SIMD_COUNT):
        if _level_name(level) == name and _lib.cx_simd_set(level) == _lib.CX_OK:
            return
    raise ValueError(
        f"no SIMD level {name!r} on this machine; it supports {', '.join(simd_levels())}"
    )


def compiler() -> str:
    """Name the compiler that built the kernels.

    Returns
    -------
    str
        For example ``"gcc 12.2.0"``.
    """
    return str(_ffi.string(_lib.cx_compiler()).decode())


def _level_name(level: int) -> str:
    return str(_ffi.string(_lib.cx_simd_name(level)).decode())


def _column(array: pa.Array, types: _Types) -> tuple[int, Any, Any, int, int]:
    """Return what every kernel takes first: type, values, validity, offset and length.

    The buffers stay alive as long as what points at them.
    """
    wanted, tags = types
    tag = tags.get(array.type.id)
    if tag is None:
        raise TypeError(f"cannot encode an array of {array.type}; the type must be {wanted}")
    validity, values = array.buffers()
    return tag, _bytes(values), _bytes(validity), array.offset, len(array)


def _bytes(buffer: pa.Buffer | None) -> Any:
    return _ffi.NULL if buffer is None else _ffi.from_buffer("uint8_t[]", buffer)


def _int64s(values: Sequence[int]) -> Any:
    if not values:
        return _ffi.NULL
    _within_int64(*values)
    return _ffi.new("int64_t[]", values)


def _within_int64(*values: int) -> None:
    for value in values:
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"{value} does not fit 64 bits")


def _error(status: int, bad_row: int, what: str, place: int = 0) -> Exception:
    if status == _lib.CX_BAD_ARGUMENT:
        return ValueError(
            f"the native kernels cannot encode {what}; see cxstream_native.h for the limits"
        )
    return Violation(int(bad_row), _KINDS[status], place)


# The library falls back in silence where a name is wrong; whoever set the variable wants to know.
_wanted = os.environ.get("CXSTREAM_SIMD")
if _wanted:
    set_simd_level(_wanted)
