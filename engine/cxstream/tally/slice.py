"""A slice of a tally: sums per group, all an answer is made from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: One coordinate of a group: a level, a time bucket, or None for responses that have none.
Coordinate = str | int | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which responses, and how they are grouped.

    Attributes
    ----------
    by : tuple of str
        Dimensions and at most one time bucket.
    where : dict of str to set of (str or None)
        Levels kept, by dimension; None keeps responses without a level.
    since, until : int or None
        Buckets of the stored unit: since <= bucket < until.
    """

    by: tuple[str, ...] = ()
    where: dict[str, frozenset[str | None]] | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class PatternSums:
    """Sums by group and answer pattern.

    Attributes
    ----------
    group : (r,) int64
    pattern : (r,) uint64
        Bit j: column j of the block is answered.
    sums : (r, products) int64
    """

    group: NDArray[np.int64]
    pattern: NDArray[np.uint64]
    sums: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Slice:
    """Sums per group, copied out of a tally.

    Attributes
    ----------
    groups : list of tuple
        The coordinates of each group, in the order of `Selection.by`; sorted.
    rows : (g,) int64
        Responses.
    counts : (g, width) int64
        The counts asked for: a question's slot.
    sums : (g, products) int64 or Python integers, or PatternSums, or None
        The block asked for.
    view : str
        The view that served it.
    """

    groups: list[tuple[Coordinate, ...]]
    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    sums: NDArray[Any] | PatternSums | None
    view: str


def digest_of(*slices: Slice) -> str:
    """Return a text that is the same for the same sums, whatever order they were counted in.

    BLAKE2b, 128 bits, over groups, responses, counts and sums.
    """
    hashed = hashlib.blake2b(digest_size=16)
    for one in slices:
        hashed.update(repr((one.groups, one.counts.shape)).encode())
        hashed.update(one.rows.tobytes())
        hashed.update(one.counts.tobytes())
        if isinstance(one.sums, PatternSums):
            for part in (one.sums.group, one.sums.pattern, one.sums.sums):
                hashed.update(part.tobytes())
        elif one.sums is not None:
            numbers = one.sums
            wide = numbers.dtype == object
            hashed.update(repr(numbers.tolist()).encode() if wide else numbers.tobytes())
    return hashed.hexdigest()
