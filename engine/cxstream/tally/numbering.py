"""How groups are numbered: a digit for every dimension and, with time, one for the bucket."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cxstream.columns import BUCKETS_HALF
from cxstream.kernels.native import Axis
from cxstream.tally.matrix import Batch

#: Time buckets that are numbered one after the other, whether there are responses of them or not.
_BUCKETS_MAX = 1024


class Numbering:
    """The digits of groups, and what they stand for.

    Parameters
    ----------
    words : list of (radix,) int64
        By dimension, then (with time) of the bucket: what each digit stands for in a group's key.
    first : int
        The bucket of digit 1; other than in a batch, those after it follow one another.
    """

    def __init__(self, words: list[NDArray[np.int64]], first: int = 0) -> None:
        self.words = words
        self.first = first

    @classmethod
    def of_batch(cls, batch: Batch) -> Numbering:
        """Return the numbering that a batch has: as good as any, for as long as it is counted."""
        return cls(batch.words)

    @classmethod
    def lasting(cls, batch: Batch, known: Numbering | None) -> Numbering | None:
        """Return one that a batch fits, and others will: the known one if it does; None for none."""
        if known is not None and batch.places.numbering is known:
            return known
        batch.places.numbering = found = cls._lasting(batch, known)
        return found

    @classmethod
    def _lasting(cls, batch: Batch, known: Numbering | None) -> Numbering | None:
        radixes = [1 + max(codes) for codes in batch.own_codes]
        given = batch.buckets
        first, end = 0, 0
        if given is not None and len(given):
            first, end = int(given[0]), int(given[-1]) + 1
            if end - first > _BUCKETS_MAX:
                return None
        if known is not None:
            had = [len(words) for words in known.words]
            low, high = known.first, known.first + (had.pop() - 1 if given is not None else 0)
            fit = all(new <= old for new, old in zip(radixes, had, strict=True))
            if fit and (first == end or (low <= first and end <= high)):
                return known
            # Levels come in one by one where there are many: some more have room at once.
            radixes = [
                old if new <= old else new + new // 8 for new, old in zip(radixes, had, strict=True)
            ]
            if first == end:
                first, end = low, high
            elif low < high and max(end, high) - min(first, low) <= _BUCKETS_MAX:
                first, end = min(first, low), max(end, high)
        words = [np.arange(radix, dtype=np.int64) for radix in radixes]
        if given is not None:
            span = np.arange(first, end, dtype=np.int64) + BUCKETS_HALF
            words.append(np.concatenate([[0], span]))
        return cls(words, first)

    def axes(self, batch: Batch) -> list[Axis]:
        """Return a batch's digits as those of this numbering, which is a lasting one."""
        axes = []
        for axis, words, own in zip(batch.axes, self.words, batch.own_codes, strict=False):
            same = own == list(range(len(own)))
            axes.append(Axis(axis.digits, len(words), None if same else np.array(own, np.int32)))
        if batch.buckets is not None:
            digits, given = batch.axes[-1].digits, batch.buckets
            radix = len(self.words[-1])
            if len(given) and int(given[-1]) - int(given[0]) + 1 == len(given):
                axes.append(Axis(digits, radix, None, int(given[0]) - self.first))
            else:
                places = np.concatenate([[0], given - self.first + 1]).astype(np.int32)
                axes.append(Axis(digits, radix, places))
        return axes

    def groups(self, dimensions: Sequence[int]) -> int:
        """Return how many combinations of some digits there are."""
        return math.prod(len(self.words[dimension]) for dimension in dimensions)

    def keys(
        self, groups: NDArray[np.int32], dimensions: Sequence[int], weights: Sequence[int]
    ) -> NDArray[np.int64]:
        """Return the keys of combinations of digits, the last dimension's the lowest."""
        keys = np.zeros(len(groups), dtype=np.int64)
        rest = groups.astype(np.int64)
        for dimension, weight in zip(reversed(dimensions), reversed(weights), strict=True):
            words = self.words[dimension]
            rest, digits = np.divmod(rest, len(words))
            keys += words[digits] * weight
        return keys
