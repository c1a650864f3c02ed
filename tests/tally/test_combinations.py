"""Combinations of answers: told apart by a number, and found out where they are not."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxstream.errors import FailedPreconditionError, ResourceExhaustedError
from cxstream.program import BlockKind
from cxstream.tally import PatternSums, Tally, combinations, snapshot
from cxstream.tally import tally as tally_module
from cxstream.tally.combinations import numbers_of
from tests.tally import data


def sums_of(codes, counts, numbers=None):
    counts = np.array(counts)[:, None]
    numbers = numbers_of(codes.T) if numbers is None else numbers
    return PatternSums(
        np.zeros(len(codes), dtype=np.int64),
        numbers.astype(np.uint64),
        np.hstack([counts, codes * counts]),
    )


def test_every_combination_of_small_scales_has_its_own_number():
    codes = np.stack(np.meshgrid(*[np.arange(7)] * 6), axis=-1).reshape(-1, 6)
    numbers = numbers_of(codes.T)
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


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_room_is_for_what_is_known_and_for_no_more_than_the_bound(seed, most):
    rows = data.responses(seed, 120)
    tally, counted = Tally(data.PLAN), []
    with mock.patch.object(tally_module, "DISTINCT_ROWS_MAX", most):
        for start in range(0, len(rows), 10):
            codes = data.codes(rows[start : start + 10], data.PROGRAM)
            before = snapshot(tally)
            try:
                tally.check_room(codes)
            except ResourceExhaustedError:
                assert snapshot(tally) == before
                continue
            tally.admit(codes)
            tally.update(codes)
            counted += rows[start : start + 10]
        tally.check_room()
        for view in tally.views:
            for block in data.PLAN.blocks:
                if block.kind is BlockKind.DISTINCT:
                    assert view.blocks[block.key].rows.count <= most
        # What is known is always taken.
        if counted:
            tally.check_room(data.codes(counted * 2, data.PROGRAM))
