"""Combinations of answers: what each response answers to all columns of a block, and one number for it.

Of each combination there are kept how many gave it, and the sums of their codes: n times the codes. So the
codes need not be read from the number, which has 63 bits whatever the scales are, and two combinations
that have the same one are found out: their codes are no whole n-th parts, or have another number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxstream.columns import Codes
from cxstream.errors import FailedPreconditionError
from cxstream.program import Block, Plan
from cxstream.tally.slice import PatternSums

#: Of SplitMix64 (Steele, Lea and Flood 2014, https://doi.org/10.1145/2714064.2660195).
_GAMMA, _FIRST, _SECOND = (
    np.uint64(one) for one in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def answers_to(
    plan: Plan, block: Block, codes: Codes
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the codes of a block's columns, (p, rows), and which responses answer all of them."""
    answers = np.empty((len(block.columns), codes.rows), dtype=np.int64)
    there = np.ones(codes.rows, dtype=bool)
    for place, name in enumerate(block.columns):
        if name in codes.numbers:
            answers[place] = codes.numbers[name]
            there &= answers[place] >= 0
        else:
            answers[place] = codes.scales[name]
            there &= answers[place] < plan.levels(name)
    return answers, there


def numbers_of(answers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each combination, (rows,), of (p, rows) codes; 0 or more."""
    mixed = np.zeros(answers.shape[1], dtype=np.uint64)
    for column in answers:
        mixed = (mixed ^ column.astype(np.uint64)) + _GAMMA
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(1)).astype(np.int64)


def combinations(
    sums: PatternSums,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the codes, how many gave them, and the group of each: (r, p), (r,) and (r,).

    Raises
    ------
    FailedPreconditionError
        ``NO_LEVERAGE``: two combinations have the same number, which happens to one in ten million
        programs that have as many as are kept.
    """
    counts = sums.sums[:, 0]
    codes, rest = np.divmod(sums.sums[:, 1:], counts[:, None])
    if rest.any() or (numbers_of(codes.T) != sums.pattern.astype(np.int64)).any():
        raise FailedPreconditionError(
            "NO_LEVERAGE",
            "two combinations of answers cannot be told apart, which HC2 and HC3 need: ask for HC1",
            expected="HC1",
        )
    return codes, counts, sums.group
