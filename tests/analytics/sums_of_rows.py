"""Sums of products of rows, as a tally keeps them, and of published tables."""

import json
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np

PUBLISHED = Path(__file__).parents[1] / "data" / "driver_reference" / "sums.json"


def model(width, **more):
    """What the analytics take of a model of codes, the last column the outcome."""
    return {
        "origins": [0] * width,
        "steps": [1] * width,
        "names": [f"x{j}" for j in range(1, width)] + ["y"],
        "outcome": width - 1,
        "drivers": list(range(width - 1)),
    } | more


def products(rows, order, weights=None):
    """Sums of all products of `order` of [1, codes], weighted by weights^(order / 2)."""
    rows = np.asarray(rows, dtype=np.int64)
    w = np.ones(len(rows), dtype=np.int64) if weights is None else np.asarray(weights)
    full = np.column_stack([np.ones(len(rows), dtype=np.int64), rows])
    own = w if order == 2 else w * w
    return [
        int((own * np.prod(full[:, list(chosen)], axis=1)).sum())
        for chosen in combinations_with_replacement(range(full.shape[1]), order)
    ]


@cache
def _tables():
    return json.loads(PUBLISHED.read_text())


def published(name):
    """Sums, fourth-order sums (or None) and the rest of one published table."""
    table = _tables()[name]
    table["steps"] = [Fraction(step) for step in table["steps"]]

    def whole(key):
        return np.array([table[key]], dtype=object) if key in table else None

    return whole("sums"), whole("fourth"), table
