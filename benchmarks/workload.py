"""The responses all benchmarks share: one seed, one shape, any number of them.

nps 0-10 (3 % null); six ratings 1-5 (5 % null each), correlated with nps; region 12, age_group 6,
purchase_range 8, touchpoint 6, channel 5, month 24; improve, any of 8 options (10 % null); spend
(step 0.01); customer (2 million distinct).

Responses are made in blocks, each from a seed of its own: the first million of ten are the same as
of one million, and blocks are made side by side.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

RATINGS = ("service", "staff", "value", "speed", "range", "quality")
WEIGHTS = (0.3, 0.2, 0.2, 0.1, 0.1, 0.1)
LEVELS = {
    "region": 12,
    "age_group": 6,
    "purchase_range": 8,
    "touchpoint": 6,
    "channel": 5,
}
MONTHS = 24
FIRST_MONTH = np.datetime64("2024-01", "M")
OPTIONS = 8
NO_NPS, NO_RATING = 11, 0
CUSTOMERS = 2_000_000
SEED = 20261121
BLOCK_ROWS = 65_536

PROGRAM = {
    "name": "bench",
    "questions": {
        "nps": {"kind": "nps"},
        **{name: {"kind": "rating", "scale": [1, 5]} for name in RATINGS},
        "improve": {
            "kind": "choice",
            "options": {str(code): f"Option {code}" for code in range(1, OPTIONS + 1)},
            "multiple": True,
        },
        "spend": {"kind": "number", "range": [0, 100_000], "step": 0.01},
    },
    "dimensions": {name: {} for name in LEVELS},
    "time": {"column": "month", "buckets": ["month"]},
    "customer": {"column": "customer"},
    "indices": {
        "delight": {
            "missing": "renormalise",
            "parts": {
                name: {"weight": weight, "items": [name]}
                for name, weight in zip(RATINGS, WEIGHTS, strict=True)
            },
        }
    },
    "models": {"drivers": {"outcome": "nps", "drivers": list(RATINGS)}},
    "insights": {"questions": []},
}


def responses(rows: int) -> pa.Table:
    """Return so many responses, always the same."""
    blocks = -(-rows // BLOCK_ROWS)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(_block, range(blocks)))
    return pa.Table.from_batches(made, _SCHEMA).slice(0, rows).combine_chunks()


_SCHEMA = pa.schema(
    [
        ("nps", pa.int8()),
        *((name, pa.int8()) for name in RATINGS),
        ("improve", pa.list_(pa.int8())),
        *((name, pa.dictionary(pa.int8(), pa.string())) for name in LEVELS),
        ("month", pa.date32()),
        ("spend", pa.float64()),
        ("customer", pa.int32()),
    ]
)
_NAMES = {
    name: pa.array([f"{name[0].upper()}{number:02}" for number in range(count)])
    for name, count in LEVELS.items()
}
#: Of a byte with a bit per option: the options, one after the other, and how many.
_TICKED = [np.flatnonzero(np.unpackbits(np.uint8(byte), bitorder="little")) for byte in range(256)]
_TICKS = np.array([len(one) for one in _TICKED], dtype=np.int32)


def _block(number: int) -> pa.RecordBatch:
    rng = np.random.default_rng([SEED, number])
    mood = rng.standard_normal(BLOCK_ROWS, dtype=np.float32)

    def null(share: float) -> NDArray[np.bool_]:
        words = rng.integers(0, 2**16, BLOCK_ROWS, dtype=np.uint16)
        return words < np.uint16(share * 2**16)

    def scale(low: int, high: int, pull: float, missing: float) -> pa.Array:
        """Return answers that lie about two thirds up the scale."""
        noise = rng.standard_normal(BLOCK_ROWS, dtype=np.float32)
        raw = mood * np.float32(pull) + noise * np.float32((1 - pull**2) ** 0.5)
        raw *= np.float32((high - low) / 4)
        raw += np.float32(low + 0.65 * (high - low))
        values = np.clip(np.rint(raw), low, high).astype(np.int8)
        return pa.array(values, mask=null(missing))

    def level(count: int) -> NDArray[np.int8]:
        return rng.integers(0, count, BLOCK_ROWS, dtype=np.int8)

    def improve() -> pa.Array:
        # Two options on average, at least one.
        first, second = rng.integers(0, 256, (2, BLOCK_ROWS), dtype=np.uint8)
        ticked = first & second
        one = np.uint8(1) << level(OPTIONS).astype(np.uint8)
        ticked = np.where(ticked == 0, one, ticked)
        ticked[null(0.1)] = 0
        sizes = _TICKS[ticked]
        offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        bits = np.unpackbits(ticked[:, None], axis=1, bitorder="little")
        options = (np.nonzero(bits)[1] + 1).astype(np.int8)
        mask = pa.array(ticked == 0)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(options), mask=mask)

    columns = [
        scale(0, 10, 0.8, 0.03),
        *(scale(1, 5, 0.8 - 0.06 * place, 0.05) for place in range(len(RATINGS))),
        improve(),
        *(
            pa.DictionaryArray.from_arrays(pa.array(level(count)), _NAMES[name])
            for name, count in LEVELS.items()
        ),
        pa.array((FIRST_MONTH + level(MONTHS)).astype("datetime64[D]")),
        pa.array(np.rint(rng.lognormal(4.0, 1.0, BLOCK_ROWS).clip(0, 99_999) * 100) / 100),
        pa.array(rng.integers(0, CUSTOMERS, BLOCK_ROWS, dtype=np.int32)),
    ]
    return pa.record_batch(columns, schema=_SCHEMA)


def compact(table: pa.Table) -> pa.Table:
    """Return the columns of the tasks as query engines like them best: bytes, and no nulls.

    nps is 11 and a rating 0 where there is no answer; improve is a bit per option, 0 where nothing
    is answered; levels and months are their numbers, from 0 on.
    """
    columns: dict[str, pa.ChunkedArray | pa.Array] = {
        name: table[name].fill_null(NO_NPS if name == "nps" else NO_RATING).cast(pa.uint8())
        for name in ("nps", *RATINGS)
    }
    for name in ("region", "age_group", "touchpoint"):
        chunks = [chunk.indices.cast(pa.uint8()) for chunk in table[name].chunks]
        columns[name] = pa.chunked_array(chunks)
    months = table["month"].to_numpy().astype("datetime64[M]") - FIRST_MONTH
    columns["month"] = pa.array(months.astype(np.uint8))
    columns["improve"] = pa.chunked_array([_bits(chunk) for chunk in table["improve"].chunks])
    return pa.table(columns).combine_chunks()


def _bits(ticked: pa.ListArray) -> pa.Array:
    offsets = ticked.offsets.to_numpy()
    flat = ticked.values.to_numpy()[offsets[0] : offsets[-1]]
    some = np.diff(offsets) > 0
    out = np.zeros(len(ticked), dtype=np.uint8)
    if some.any():
        bits = np.uint8(1) << (flat - 1).astype(np.uint8)
        out[some] = np.bitwise_or.reduceat(bits, (offsets[:-1] - offsets[0])[some])
    return pa.array(out)
