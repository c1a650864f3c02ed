"""One batch as codes: what the kernels count."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

Codes8 = NDArray[np.uint8]
Codes16 = NDArray[np.uint16]


class ChoiceCodes:
    """Several answers per response.

    Parameters
    ----------
    sets : (bytes, rows) uint8
        A bit for each, what is counted: see ``cx_tally_sets``.
    rows : pair of arrays, optional
        `offsets` and `codes`, where they are known; else they are made when one asks, from `sets`: of
        a response then each option once, and where it has none its first missing code.

    Attributes
    ----------
    offsets : (rows + 1,) int64
        Response r has the codes from offsets[r] to offsets[r + 1].
    codes : (offsets[-1],) uint16
        Options 0..K-1, then declared missing codes from K, then K + M for null.
    """

    def __init__(self, sets: Codes8, rows: tuple[NDArray[np.int64], Codes16] | None = None) -> None:
        self.sets = sets
        if rows is not None:
            self._compressed = rows

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Return where each response's codes begin."""
        return self._compressed[0]

    @property
    def codes(self) -> Codes16:
        """Return the codes of all responses."""
        return self._compressed[1]

    def forget(self) -> None:
        """Say that `sets` were filled again: what was made of them is of other responses."""
        self.__dict__.pop("_compressed", None)

    @cached_property
    def _compressed(self) -> tuple[NDArray[np.int64], Codes16]:
        bits = np.unpackbits(self.sets.T, axis=1, bitorder="little")
        rows, codes = np.nonzero(bits)
        offsets = np.searchsorted(rows, np.arange(len(bits) + 1))
        return offsets.astype(np.int64), codes.astype(np.uint16)


@dataclass(frozen=True, slots=True)
class DimensionCodes:
    """Levels of one dimension.

    Attributes
    ----------
    levels : tuple of str
        The levels in this batch.
    indices : (rows,) uint8, uint16 or int32
        0 for null, i + 1 for levels[i]; a type that holds them, mostly the narrowest.
    """

    levels: tuple[str, ...]
    indices: NDArray[Any]


@dataclass(frozen=True, slots=True)
class BucketCodes:
    """Time buckets.

    Attributes
    ----------
    buckets : (k,) int64
        Buckets of the plan's unit since 1970 that this batch may have, in order.
    indices : (rows,) uint8, uint16 or int32
        0 for null, i + 1 for buckets[i]; the narrowest type that holds them.
    """

    buckets: NDArray[np.int64]
    indices: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """One validated batch.

    Attributes
    ----------
    rows : int
        Responses.
    scales : dict of str to (rows,) uint8 or uint16
        Questions with one answer: 0..K-1 a level, from K declared missing codes, K + M null.
    numbers : dict of str to (rows,) int64
        Steps above the lowest value; -1 null, -2 - i the declared missing code i.
    choices : dict of str to ChoiceCodes
        Questions with several answers.
    dimensions : dict of str to DimensionCodes
        By name.
    buckets : BucketCodes or None
        With time.
    weights : (rows,) int64 or None
        Survey weights in steps, up to `WEIGHT_STEPS_MAX`; -1 for null.
    places : WeakKeyDictionary
        What those who count made of where the arrays stand, by whom: it holds when the arrays are filled
        again, as `Direct` does.
    """

    rows: int
    scales: dict[str, Codes8 | Codes16]
    numbers: dict[str, NDArray[np.int64]]
    choices: dict[str, ChoiceCodes]
    dimensions: dict[str, DimensionCodes]
    buckets: BucketCodes | None
    weights: NDArray[np.int64] | None = None
    places: WeakKeyDictionary[Any, Any] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False
    )

    def only(self, questions: Container[str], dimensions: Container[str]) -> Codes:
        """Return the codes of some of the questions and dimensions."""
        return Codes(
            self.rows,
            {name: one for name, one in self.scales.items() if name in questions},
            {name: one for name, one in self.numbers.items() if name in questions},
            {name: one for name, one in self.choices.items() if name in questions},
            {name: one for name, one in self.dimensions.items() if name in dimensions},
            self.buckets,
            self.weights,
        )


NO_BUCKET = np.int64(-(2**62))
