"""Numba asks those first who know numbers and arrays; what they say is what it says."""

import operator

import numba
import numpy as np
import pytest
from numba import types
from numba.core.registry import cpu_target
from numba.core.types import functions

from cxstream.kernels.operators import known
from cxstream.kernels.registry import helper, ro, rw

ARRAY = rw(types.float64)


@pytest.fixture
def refused(monkeypatch):
    """The operators of which somebody was asked who did not know."""
    found = []
    add_error = functions._ResolutionFailures.add_error

    def noted(self, *arguments):
        found.append(self._function_type.typing_key)
        add_error(self, *arguments)

    monkeypatch.setattr(functions._ResolutionFailures, "add_error", noted)
    return found


def test_nobody_is_asked_in_vain(refused):
    def function(values, table, at):
        values[at] += values[at + 1] * 2.0 - table[at, 0]
        if values[at] < at:
            values[at - 1] = table[0, at * 2]

    helper(function).compile((ARRAY, ro(types.float64, 2), types.int64))
    assert not set(refused) & {operator.add, operator.mul, operator.getitem, operator.setitem}


@pytest.mark.parametrize("function", [one for one, _ in known()])
def test_their_word_is_that_of_numba(function):
    context = cpu_target.typing_context
    context.refresh()
    ours, theirs = [], []
    for one in context.resolve_value_type(function).templates:
        (ours if getattr(one, "metadata", {}).get("target") == "cpu" else theirs).append(one)
    assert ours
    their_own = functions.Function(theirs)
    for given in given_to(function):
        try:
            expected = their_own.get_call_type(context, given, {})
        except numba.TypingError:
            continue
        assert context.resolve_function_type(function, given, {}) == expected


def given_to(function):
    """Types of what kernels work with, and of what they do not."""
    numbers = [types.int64, types.uint64, types.int16, types.float64, types.boolean]
    numbers += [types.literal(1)]
    arrays = [ARRAY, ro(types.int64, 2), rw(types.float64, 3)]
    places = [*numbers, types.slice2_type, types.UniTuple(types.int64, 2)]
    if function is operator.getitem:
        return [(array, at) for array in [*arrays, types.unicode_type] for at in places]
    if function is operator.setitem:
        return [(one, at, put) for one in arrays[::2] for at in places for put in numbers]
    others = [(ARRAY, ARRAY), (ARRAY, types.float64), (types.unicode_type, types.unicode_type)]
    return [*((a, b) for a in numbers for b in numbers), *others]


def test_it_compiles_what_numba_does():
    def function(values):
        return values[0] + values[1] * 2 < 3

    given = np.array([1, 1], np.int64)
    compiled = numba.njit(function)
    assert compiled(given) == function(given)
