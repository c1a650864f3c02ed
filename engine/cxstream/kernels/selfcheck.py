"""Every kernel against its slow form in `reference`, on random and edge inputs.

`cxstream doctor` runs this on the machine that serves: Numba compiles there, for that processor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cxstream.kernels import cells, classification, index, moments, reference
from cxstream.kernels.registry import kernel_names, warm

#: Of results that go through floats.
_TOLERANCE = 1e-9
_ROUNDS = 12

_Generator = np.random.Generator
_Check = Callable[[_Generator], str]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the check of one kernel found.

    Attributes
    ----------
    name : str
        The kernel.
    ok : bool
        Whether it agrees with its reference everywhere.
    detail : str
        What was compared, or the first difference.
    """

    name: str
    ok: bool
    detail: str


def run(seed: int = 0) -> list[CheckResult]:
    """Check every registered kernel; one without a check fails.

    Examples
    --------
    >>> all(result.ok for result in run())
    True
    """
    warm()
    return [_result(name, seed) for name in sorted(kernel_names())]


def _result(name: str, seed: int) -> CheckResult:
    check = _CHECKS.get(name)
    if check is None:
        return CheckResult(name, ok=False, detail="there is no check of this kernel")
    rng = np.random.default_rng([seed, *name.encode()])
    try:
        return CheckResult(name, ok=True, detail=check(rng))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is the finding
        return CheckResult(name, ok=False, detail=f"{type(error).__name__}: {error}")


def _same(case: str, name: str, got: Any, expected: Any) -> None:
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        raise AssertionError(f"{case}: {name} has shape {got.shape}, expected {expected.shape}")
    different = np.argwhere(got != expected)
    if len(different):
        place = tuple(int(one) for one in different[0])
        raise AssertionError(
            f"{case}: {name}{list(place)} is {got[place]}, expected {expected[place]}"
        )


def _close(case: str, name: str, got: Any, expected: Any) -> None:
    # NaN compares false, and so counts as far.
    close = np.abs(got - expected) <= _TOLERANCE * np.maximum(1.0, np.abs(expected))
    if not close.all():
        place = tuple(int(one) for one in np.argwhere(~close)[0])
        raise AssertionError(
            f"{case}: {name}{list(place)} is {got[place]!r}, expected {expected[place]!r}"
        )


# --- cells ----------------------------------------------------------------------------------------


def _check_find_cells(rng: _Generator) -> str:
    extremes = np.array([0, -1, 1, 2**62, -(2**62), 2**63 - 1, -(2**63)], dtype=np.int64)
    cases: dict[str, tuple[Any, int]] = {
        "no rows": (np.zeros(0, dtype=np.int64), 16),
        "one row": (np.array([-7], dtype=np.int64), 16),
        "one key": (np.full(100, 5, dtype=np.int64), 16),
        "extreme keys": (np.concatenate([extremes, extremes[::-1]]), 32),
        "table gets half full": (np.arange(40, dtype=np.int64) << 24, 16),
        "two slots": (np.arange(3, dtype=np.int64), 2),
    }
    for turn in range(_ROUNDS):
        top = int(rng.choice([3, 50, 2**40]))
        keys = rng.integers(-top, top, int(rng.integers(1, 300)))
        cases[f"random {turn}"] = keys, 2 ** int(rng.integers(4, 11))
    for case, (keys, size) in cases.items():
        results = []
        for function in (cells.find_cells, reference.find_cells):
            slot_keys = np.zeros(size, dtype=np.int64)
            slot_cells = np.full(size, -1, dtype=np.int32)
            cell_keys = np.zeros(size // 2, dtype=np.int64)
            out = np.full(len(keys), -9, dtype=np.int32)
            # In two calls: the second goes on in a table that holds keys already.
            half = len(keys) // 2
            _, known = function(keys[:half], slot_keys, slot_cells, cell_keys, out[:half], 0, 0)
            end = function(keys, slot_keys, slot_cells, cell_keys, out, 0, known)
            results.append((end, slot_keys, slot_cells, cell_keys, out))
        for name, got, expected in zip(
            ("result", "slot_keys", "slot_cells", "cell_keys", "cells"), *results, strict=True
        ):
            _same(case, name, got, expected)
    return f"{len(cases)} inputs, equal"


def _check_sort_rows(rng: _Generator) -> str:
    cases: dict[str, Any] = {
        "no rows": np.zeros(0, dtype=np.int32),
        "one row": np.array([3], dtype=np.int32),
        "one cell": np.full(100, 7, dtype=np.int32),
        "every row its cell": np.arange(100, dtype=np.int32)[::-1].copy(),
    }
    for turn in range(_ROUNDS):
        top = int(rng.integers(1, 100))
        cases[f"random {turn}"] = rng.integers(0, top, 250).astype(np.int32)
    for case, given in cases.items():
        results = []
        for function in (cells.sort_rows, reference.sort_rows):
            place = np.full(100, -1, dtype=np.int32)
            starts = np.zeros(len(given) + 2, dtype=np.int64)
            touched, order = np.zeros_like(given), np.zeros_like(given)
            count = function(given, place, starts, touched, order)
            results.append((count, place, starts[: count + 1], touched[:count], order))
        for name, got, expected in zip(
            ("count", "place_of_cell", "starts", "touched", "order"), *results, strict=True
        ):
            _same(case, name, got, expected)
    return f"{len(cases)} inputs, equal"


# --- counts ---------------------------------------------------------------------------------------


def _check_count_levels(rng: _Generator) -> str:
    tried = 0
    for dtype, top in ((np.uint8, 256), (np.uint16, 4096)):
        # 4096 rows make a block: below, at, one above, and several.
        for rows in (0, 1, 7, 4095, 4096, 4097, 9000):
            questions = 3 if rows < 10 else 1
            codes = rng.integers(0, top, (questions, rows)).astype(dtype)
            codes[:, :1] = top - 1
            starts = np.arange(questions, dtype=np.int64) * top + 1
            given = rng.integers(0, 5, rows).astype(np.int32)
            before = rng.integers(0, 2**40, (5, 1 + questions * top))
            got, expected = before.copy(), before.copy()
            classification.count_levels(codes, starts, given, got)
            reference.count_levels(codes, starts, given, expected)
            _same(f"{rows} rows of {np.dtype(dtype)}", "counts", got, expected)
            tried += 1
    return f"{tried} inputs, equal"


def _check_count_choices(rng: _Generator) -> str:
    tried = 0
    for rows in (0, 1, 5, 200):
        for levels, missing in ((1, 0), (4, 2), (4095, 1)):
            for widest in (0, 1, 6):
                sizes = rng.integers(0, widest + 1, rows)
                offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
                few = rng.integers(0, levels + missing + 1, int(offsets[-1]))
                codes = np.where(rng.random(len(few)) < 0.3, levels + missing, few)
                codes = codes.astype(np.uint16)
                given = rng.integers(0, 3, rows).astype(np.int32)
                before = rng.integers(0, 2**40, (3, 2 + levels + missing + 2))
                got, expected = before.copy(), before.copy()
                seen = np.full(levels, 17, dtype=np.int64)
                rest = offsets, codes, levels, missing, 2, given, seen
                classification.count_choices(*rest, got)
                reference.count_choices(*rest, expected)
                _same(f"{rows} rows, {levels} options", "counts", got, expected)
                tried += 1
    return f"{tried} inputs, equal"


# --- sums of products -----------------------------------------------------------------------------


def _runs(rng: _Generator, rows: int, targets: int) -> tuple[Any, Any]:
    """Cut rows into runs, some of them empty, each with a target of its own."""
    cuts = np.sort(rng.integers(0, rows + 1, targets - 1))
    starts = np.concatenate(([0], cuts, [rows])).astype(np.int64)
    return starts, rng.permutation(targets).astype(np.int32)


def _pairs(rng: _Generator, height: int) -> tuple[Any, Any]:
    left, right = np.triu_indices(height)
    extra = rng.integers(0, height, (2, 3))
    left, right = np.append(left, extra[0]), np.append(right, extra[1])
    return left.astype(np.int32), right.astype(np.int32)


def _check_dots(rng: _Generator) -> str:
    tried = 0
    for largest in (1, 10, 181, 4095, 32767):
        block = moments.block_rows_for(largest)
        for rows in sorted({0, 1, 33, max(block - 1, 0), block, 2 * block + 1, 5000}):
            matrix = rng.integers(0, largest + 1, (3, rows)).astype(np.int16)
            matrix[0] = largest  # the sums' bound itself
            starts, targets = _runs(rng, rows, 4)
            if rows > block:
                starts[1:-1] = 0  # all rows in the last run
            left, right = _pairs(rng, 3)
            before = rng.integers(-(2**40), 2**40, (5, len(left)))
            got, expected = before.copy(), before.copy()
            moments.dots(matrix, starts, targets, left, right, block, got)
            reference.dots(matrix, starts, targets, left, right, block, expected)
            _same(f"{rows} rows up to {largest}", "sums", got, expected)
            tried += 1
    return f"{tried} inputs, equal"


def _check_dots_wide(rng: _Generator) -> str:
    tried = 0
    for largest in (1, 1000, 2**23 - 1, 2**23, 2**45, 2**46 - 1):
        # 65,536 rows make a block.
        for rows in (0, 1, 100, 65537 if largest == 2**46 - 1 else 101):
            matrix = rng.integers(0, largest + 1, (2, rows))
            matrix[0] = largest
            starts, targets = _runs(rng, rows, 3)
            if rows > 101:
                starts[1:-1] = 0
            left, right = _pairs(rng, 2)
            low_before = rng.integers(0, 2**64 - 1, (4, len(left)), dtype=np.uint64, endpoint=True)
            low_before[:, 0] = 2**64 - 1  # the next one carries
            high_before = rng.integers(-(2**40), 2**40, (4, len(left)))
            results = []
            for function in (moments.dots_wide, reference.dots_wide):
                low, high = low_before.copy(), high_before.copy()
                function(matrix, starts, targets, left, right, low, high)
                results.append((low, high))
            for name, got, expected in zip(("low", "high"), *results, strict=True):
                _same(f"{rows} rows up to {largest}", name, got, expected)
            tried += 1
    return f"{tried} inputs, equal"


# --- weighted indices -----------------------------------------------------------------------------


def _index_input(rng: _Generator, turn: int) -> tuple[Any, ...]:
    """Return sums of random respondents by group and answer pattern, and parts over the items."""
    items = int(rng.integers(1, 6))
    groups = int(rng.integers(1, 5))
    responses = int(rng.choice([0, 1, 2, 40, 200])) if turn else 0
    top = int(rng.choice([1, 4, 10, 4095]))
    values = rng.integers(0, top + 1, (responses, items))
    if turn % 4 == 3:
        values[:] = top  # nobody differs
    answered = rng.random((responses, items)) < rng.choice([0.3, 0.8, 1.0])
    group = rng.integers(0, groups, responses)
    pattern = (answered << np.arange(items)).sum(axis=1)
    found: dict[tuple[int, int], Any] = {}
    for row in range(responses):
        if pattern[row]:
            x = np.concatenate(([1], values[row] * answered[row]))
            products = np.outer(x, x)[np.triu_indices(items + 1)]
            key = int(group[row]), int(pattern[row])
            found[key] = found.get(key, 0) + products
    keys = sorted(found)
    width = (items + 1) * (items + 2) // 2
    sums = np.array([found[key] for key in keys], dtype=np.int64).reshape(len(keys), width)
    start = np.searchsorted([key[0] for key in keys], np.arange(groups + 1)).astype(np.int64)
    patterns = np.array([key[1] for key in keys], dtype=np.uint64)
    scale = 100.0 / top * rng.choice([-1.0, 1.0], items)
    shift = np.where(scale < 0, 100.0, 0.0)
    # Every item in one part, the parts of unequal size.
    of_item = np.sort(rng.integers(0, rng.integers(1, items + 1), items))
    _, first = np.unique(of_item, return_index=True)
    part_start = np.append(first, items).astype(np.int64)
    part_item = rng.permutation(items).astype(np.int64)
    weight = rng.random(len(first)) + 0.1
    if turn % 3 == 2:
        weight[0] = 0.0
    return start, patterns, sums, scale, shift, part_start, part_item, weight


def _check_index(
    rng: _Generator, kernel: Any, slow: Any, extra: Callable[[int, int], tuple[Any, ...]]
) -> str:
    turns = 4 * _ROUNDS
    for turn in range(turns):
        given = _index_input(rng, turn)
        shape = len(given[0]) - 1, 1 + len(given[-1])
        results = []
        for function in (kernel, slow):
            # What stood there before must not matter.
            count = np.full(shape, 99, dtype=np.int64)
            mean, squares = np.full(shape, 9.0), np.full(shape, 9.0)
            function(*given, *extra(turn, len(given[3])), count, mean, squares)
            results.append((count, mean, squares))
        case = f"random {turn}"
        _same(case, "count", results[0][0], results[1][0])
        _close(case, "mean", results[0][1], results[1][1])
        _close(case, "squares", results[0][2], results[1][2])
    return f"{turns} inputs, counts equal, floats within {_TOLERANCE:g}"


def _check_respondent_moments(rng: _Generator) -> str:
    return _check_index(
        rng,
        index.respondent_moments,
        reference.respondent_moments,
        lambda turn, items: (np.uint64((0, 1, 2**items - 1)[turn % 3]),),
    )


def _check_item_mean_moments(rng: _Generator) -> str:
    return _check_index(
        rng, index.item_mean_moments, reference.item_mean_moments, lambda _turn, _items: ()
    )


_CHECKS: dict[str, _Check] = {
    "count_choices": _check_count_choices,
    "count_levels": _check_count_levels,
    "dots": _check_dots,
    "dots_wide": _check_dots_wide,
    "find_cells": _check_find_cells,
    "item_mean_moments": _check_item_mean_moments,
    "respondent_moments": _check_respondent_moments,
    "sort_rows": _check_sort_rows,
}
