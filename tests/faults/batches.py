"""What the clients of the fault tests send: batches made from a number, and what they must add up to.

Counting here is plain Python and shares nothing with the engine.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import random
import struct
import zlib
from collections import Counter
from functools import cache
from typing import Any

import pyarrow as pa

from cxstream_api.v1.append_service_pb2 import AppendRequest
from tests.columns.wire import write

NAME = "survey"
PRODUCERS = ("north", "south", "web/1", "kiosk:2")
_REGIONS = ("north", "south", "east", None)
_SHOPS = ("a", "b", "ü", None)
#: Two names of the first option, that mean the same in every version.
_NAMES = ("Food", "Restaurants")

SCHEMA = pa.schema(
    [
        ("nps", pa.int8()),
        ("food", pa.int8()),
        ("pick", pa.dictionary(pa.int32(), pa.string())),
        ("spend", pa.float64()),
        ("region", pa.dictionary(pa.int32(), pa.string())),
        ("shop", pa.dictionary(pa.int32(), pa.string())),
        ("at", pa.date32()),
        ("who", pa.string()),
    ]
)


def tables(version: int = 0) -> dict[str, Any]:
    """Return the program; each version differs in what is asked of the same columns."""
    options = {"1": _NAMES[version % 2], "2": "Wifi", "3": "Staff"}
    values = dict.fromkeys(_NAMES, "1")
    return {
        "name": NAME,
        "label": f"version {version}",
        "questions": {
            "nps": {"kind": "nps", "missing": [99]},
            "food": {"kind": "rating", "scale": [1, 5]},
            "pick": {"kind": "choice", "options": options, "values": values},
            "spend": {"kind": "number", "range": [0, 100], "step": 0.5},
        },
        "dimensions": {"region": {"max_levels": 8}, "shop": {}},
        "time": {"column": "at", "buckets": ["day"]},
        "customer": {"column": "who"},
        "indices": {
            "delight": {"parts": {"a": {"weight": 1 + version, "items": ["food", "nps"]}}},
        },
        "models": {"m": {"outcome": "nps", "drivers": ["food"]}},
    }


#: A producer's batches of the same block have customers that no other block has.
BLOCK = 8
#: The responses are of so many days from 1970-01-01 on.
DAYS = 120


def customer(block: int, number: int) -> str:
    """Return one of the three customers of a block."""
    return f"customer {block}/{number}"


def rows_of(content: int) -> list[dict[str, Any]]:
    """Return the responses of one batch."""
    draw = random.Random(content)
    block = content & 0xFF
    return [
        {
            "nps": draw.choice((None, 99, *range(11))),
            "food": draw.choice((None, 1, 2, 3, 4, 5)),
            "pick": draw.choice((None, "1", "2", "3")),
            "spend": draw.choice((None, draw.randrange(201) / 2)),
            "region": draw.choice(_REGIONS),
            "shop": draw.choice(_SHOPS),
            "at": draw.randrange(DAYS),
            "who": draw.choice((None, *(customer(block, number) for number in range(3)))),
        }
        for _ in range(draw.choice((1, 1, 2, 5, 30)))
    ]


@cache
def message(content: int) -> tuple[bytes, int, bytes]:
    """Return a batch as it goes over the wire: schema message, rows, body."""
    rows = rows_of(content)
    schema, body = write(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
    return schema, len(rows), body


def schema_message() -> bytes:
    """Return the schema message that all batches share."""
    return message(0)[0]


def request(sequence: int, content: int) -> AppendRequest:
    """Return a batch as a request."""
    _, rows, body = message(content)
    return AppendRequest(sequence=sequence, rows=rows, arrow=body, crc32=zlib.crc32(body))


def content_of(seed: int, producer: str, sequence: int) -> int:
    """Return the number a batch is made from."""
    return zlib.crc32(f"{seed}/{producer}/{sequence}".encode()) << 8 | (sequence // BLOCK & 0xFF)


def month_of(row: dict[str, Any]) -> str:
    """Return the month of a response."""
    return f"{dt.date(1970, 1, 1) + dt.timedelta(days=row['at']):%Y-%m}"


def surrogate(secret: bytes, who: str | None) -> int | None:
    """Return what is stored in place of a customer's key."""
    if who is None:
        return None
    made = hmac.new(secret, f"{NAME}\0{who}".encode(), hashlib.sha256).digest()
    return int(struct.unpack("<q", made[:8])[0])


def kept(row: dict[str, Any], secret: bytes) -> tuple[Any, ...]:
    """Return the values of a response as the history keeps them."""
    return (
        row["nps"],
        row["food"],
        None if row["pick"] is None else int(row["pick"]),
        row["spend"],
        row["region"],
        row["shop"],
        dt.datetime(1970, 1, 1) + dt.timedelta(days=row["at"]),
        surrogate(secret, row["who"]),
        None if row["who"] is None else 1,
    )


def counts(rows: list[dict[str, Any]]) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return how many gave each answer: by question and dimension, {(group, answer): count}."""
    out: dict[str, Counter[tuple[Any, ...]]] = {}
    for question in ("nps", "food", "pick"):
        for dimension in ("", "region", "shop"):
            counter: Counter[tuple[Any, ...]] = Counter()
            for row in rows:
                group = row[dimension] if dimension else None
                answer = row[question]
                counter[group, "null" if answer is None else str(answer)] += 1
            out[f"{question}/{dimension}"] = counter
    return out
