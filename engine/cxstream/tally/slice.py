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
        Bit j: column j of the block is answered. Of combinations of answers, their number.
    sums : (r, products) int64, or Python integers where weighted
    """

    group: NDArray[np.int64]
    pattern: NDArray[np.uint64]
    sums: NDArray[Any]


@dataclass(frozen=True, slots=True)
class PowerSums:
    """Sums per group with one power of the survey weight, over the responses that have one.

    With the power 0 they count responses; a response whose weight is 0 is one, one whose weight is
    null is not. Weights are in steps: times `Plan.weight.step` to the power.

    Attributes
    ----------
    rows : (g,) int64 (power 0) or Python integers
        Sum of w^power over all responses.
    counts : (g, width) int64 (power 0) or Python integers
        The same by the counts asked for.
    sums : (g, products) int64 (power 0) or Python integers, or PatternSums, or None
        w^power times the products of the block asked for. With the power 0 only n (products = 1);
        with the power 1 of a fourth block only products of up to two columns, in the order of its
        complete block.
    """

    rows: NDArray[Any]
    counts: NDArray[Any]
    sums: NDArray[Any] | PatternSums | None


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
    weighted : tuple of three PowerSums, or None
        Where asked for: n, sums of w, sums of w^2, so that ``weighted[1].counts`` are weighted
        counts. Responses without a weight are ``rows - weighted[0].rows``.
    """

    groups: list[tuple[Coordinate, ...]]
    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    sums: NDArray[Any] | PatternSums | None
    view: str
    weighted: tuple[PowerSums, PowerSums, PowerSums] | None = None


def digest_of(*slices: Slice) -> str:
    """Return a text that is the same for the same sums, whatever order they were counted in.

    BLAKE2b, 128 bits, over groups, responses, counts and sums, and those with a weight.
    """
    hashed = hashlib.blake2b(digest_size=16)
    for one in slices:
        hashed.update(repr((one.groups, one.counts.shape)).encode())
        for held in (one, *(one.weighted or ())):
            for part in (held.rows, held.counts, *_parts(held.sums)):
                wide = part.dtype == object
                hashed.update(
                    repr(part.tolist()).encode() if wide else np.ascontiguousarray(part).data
                )
    return hashed.hexdigest()


def _parts(sums: NDArray[Any] | PatternSums | None) -> tuple[NDArray[Any], ...]:
    if isinstance(sums, PatternSums):
        return sums.group, sums.pattern, sums.sums
    return () if sums is None else (sums,)
