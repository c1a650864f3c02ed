"""Combinations of answers: told apart by a number, and found out where they are not."""

import numpy as np
import pytest

from cxstream.errors import FailedPreconditionError
from cxstream.tally import PatternSums, combinations
from cxstream.tally.combinations import numbers_of


def sums_of(codes, counts, numbers=None):
    counts = np.array(counts)[:, None]
    numbers = numbers_of(codes) if numbers is None else numbers
    return PatternSums(
        np.zeros(len(codes), dtype=np.int64),
        numbers.astype(np.uint64),
        np.hstack([counts, codes * counts]),
    )


def test_every_combination_of_small_scales_has_its_own_number():
    codes = np.stack(np.meshgrid(*[np.arange(7)] * 6), axis=-1).reshape(-1, 6)
    numbers = numbers_of(codes)
    assert len(np.unique(numbers)) == 7**6
    assert numbers.min() >= 0


def test_codes_come_back():
    codes = np.array([[0, 0, 5], [1, 0, 2**26], [4, 3, 0]])
    found, counts, group = combinations(sums_of(codes, [3, 1, 2**36]))
    assert found.tolist() == codes.tolist()
    assert (counts.tolist(), group.tolist()) == ([3, 1, 2**36], [0, 0, 0])


@pytest.mark.parametrize("other", [[1, 2, 6], [1, 2, 7]])
def test_two_of_the_same_number_are_found_out(other):
    """Of [1, 2, 5] and [1, 2, 6] no code is left, of [1, 2, 5] and [1, 2, 7] that of a third."""
    codes = np.array([[1, 2, 5], other])
    one = sums_of(codes[:1], [1])
    both = PatternSums(one.group, one.pattern, one.sums + sums_of(codes[1:], [1]).sums)
    with pytest.raises(FailedPreconditionError, match="cannot be told apart"):
        combinations(both)
