"""The responses all benchmarks share: one seed, one shape.

nps 0-10 (3 % null); six ratings 1-5 (5 % null each), correlated with nps; region 12, age_group 6,
touchpoint 6, month 24; improve 8 options (10 % null).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

RATINGS = ("service", "staff", "value", "speed", "range", "quality")
WEIGHTS = (0.3, 0.2, 0.2, 0.1, 0.1, 0.1)
SEED = 20261121

PROGRAM = {
    "name": "bench",
    "questions": {
        "nps": {"kind": "nps"},
        **{name: {"kind": "rating", "scale": [1, 5]} for name in RATINGS},
        "improve": {
            "kind": "choice",
            "options": {str(code): f"Option {code}" for code in range(1, 9)},
        },
    },
    "dimensions": {"region": {}, "age_group": {}, "touchpoint": {}},
    "time": {"column": "month", "buckets": ["month"]},
    "indices": {
        "delight": {
            "parts": {
                name: {"weight": weight, "items": [name]}
                for name, weight in zip(RATINGS, WEIGHTS, strict=True)
            }
        }
    },
    "models": {"drivers": {"outcome": "nps", "drivers": list(RATINGS)}},
    "insights": {"questions": []},
}


def responses(rows: int) -> pa.Table:
    """Return so many responses, always the same."""
    rng = np.random.default_rng(SEED)
    mood = rng.normal(size=rows)

    def scale(low: int, high: int, pull: float, null: float) -> pa.Array:
        spread = (high - low) / 4
        raw = (low + high) / 2 + spread * (
            pull * mood + np.sqrt(1 - pull**2) * rng.normal(size=rows)
        )
        values = np.clip(np.rint(raw), low, high).astype(np.int8)
        return pa.array(values, mask=rng.random(rows) < null)

    def levels(count: int, letter: str) -> pa.Array:
        names = pa.array([f"{letter}{number:02}" for number in range(count)])
        indices = rng.integers(0, count, rows).astype(np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(indices), names)

    months = np.datetime64("2024-01", "M") + rng.integers(0, 24, rows)
    return pa.table(
        {
            "nps": scale(0, 10, 0.8, 0.03),
            **{name: scale(1, 5, 0.7, 0.05) for name in RATINGS},
            "improve": pa.array(
                rng.integers(1, 9, rows).astype(np.int8), mask=rng.random(rows) < 0.1
            ),
            "region": levels(12, "R"),
            "age_group": levels(6, "A"),
            "touchpoint": levels(6, "T"),
            "month": pa.array(months.astype("datetime64[D]")),
        }
    )
