"""Every kernel against its slow form in `reference`, on random and edge inputs.

`cxstream doctor` runs this on the machine that serves: Numba compiles there, for that processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from cxstream.kernels import (
    cells,
    classification,
    fourth,
    importance,
    index,
    least_squares,
    messages,
    moments,
    net_score,
    reference,
    reliability,
    sandwich,
    scores,
    wide,
)
from cxstream.kernels.lanes import LANES
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
            places, touched, order = given.copy(), np.zeros_like(given), np.zeros_like(given)
            count = function(places, place, starts, touched, order)
            results.append((count, places, place, starts[: count + 1], touched[:count], order))
        for name, got, expected in zip(
            ("count", "cells", "place_of_cell", "starts", "touched", "order"), *results, strict=True
        ):
            _same(case, name, got, expected)
    return f"{len(cases)} inputs, equal"


def _groups(rng: _Generator, rows: int) -> tuple[Any, Any, Any]:
    """Return codes of four dimensions, where each one's words begin, and some of the dimensions."""
    sizes = rng.integers(1, 30, 4)
    codes = np.stack([rng.integers(0, size, rows) for size in sizes]).astype(np.int32)
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    dimensions = rng.permutation(4)[: int(rng.integers(0, 5))].astype(np.int64)
    return codes, offsets, dimensions


def _check_pack_keys(rng: _Generator) -> str:
    tried = 0
    for rows in (0, 1, 2, 300):
        for _ in range(_ROUNDS):
            codes, offsets, dimensions = _groups(rng, rows)
            own = rng.integers(0, 2**24, int(offsets[-1]))
            weights = rng.integers(0, 2**36, len(dimensions))
            some = rng.permutation(rows)[: rows - rows // 3].astype(np.int32)
            got, expected = np.full((2, len(some)), 7, dtype=np.int64)
            cells.pack_keys(codes, some, dimensions, own, offsets, weights, got)
            reference.pack_keys(codes, some, dimensions, own, offsets, weights, expected)
            _same(f"{rows} rows", "keys", got, expected)
            tried += 1
    return f"{tried} inputs, equal"


def _check_number_groups(rng: _Generator) -> str:
    tried = 0
    for rows in (0, 1, 2, 300):
        for _ in range(_ROUNDS):
            codes, offsets, dimensions = _groups(rng, rows)
            got, expected = np.full((2, rows), 7, dtype=np.int32)
            cells.number_groups(codes, dimensions, offsets, got)
            reference.number_groups(codes, dimensions, offsets, expected)
            _same(f"{rows} rows", "groups", got, expected)
            tried += 1
    return f"{tried} inputs, equal"


def _check_sort_patterns(rng: _Generator) -> str:
    tried = 0
    for groups in (1, 2, 7):
        for patterns in (1, 5, 64):
            numbers = rng.permutation(20 * patterns)[:100]  # each cell and pattern once
            rows = numbers // patterns << 32 | numbers % patterns
            there = rng.random(len(rows)) < 0.8
            some = rng.permutation(15)[: groups + 3]
            starts = np.sort(rng.permutation(len(some) - 1)[:groups] + 1)
            starts[0] = 0
            known = rng.permutation(1000)[:patterns]
            results = []
            for function in (cells.sort_patterns, reference.sort_patterns):
                places, runs, of = np.full((3, len(rows)), 7)
                answered = np.full(len(rows), 7, dtype=np.uint64)
                kept, count = function(
                    rows, there, some, starts, known, np.argsort(known),
                    places, runs, of, answered,
                )  # fmt: skip
                results.append(
                    (places[:kept], runs[:count], of[:count], answered[:count].astype(np.int64))
                )
            names = ("places", "runs", "groups", "patterns")
            for name, got, expected in zip(names, *results, strict=True):
                _same(f"{groups} groups, {patterns} patterns", name, got, expected)
            tried += 1
    return f"{tried} inputs, equal"


# --- counts ---------------------------------------------------------------------------------------


def _sorted_rows(rng: _Generator, rows: int, targets: int) -> tuple[Any, Any, Any]:
    """Return places, starts and cells of rows, as `sort_rows` leaves them."""
    starts, targets_of = _runs(rng, rows, targets)
    places = np.repeat(np.arange(targets, dtype=np.int32), np.diff(starts))
    return rng.permutation(places), starts, targets_of


def _check_count_levels(rng: _Generator) -> str:
    tried = 0
    for dtype, top in ((np.uint8, 256), (np.uint16, 4096)):
        # 4096 rows make a block: below, at, one above, and several; questions go two by two.
        for rows in (0, 1, 7, 4095, 4096, 4097, 9000):
            questions = (0, 1, 2, 5)[tried % 4] if rows < 10 else 1 + tried % 2
            codes = rng.integers(0, top, (questions, rows)).astype(dtype)
            codes[:, :1] = top - 1
            columns = np.arange(questions, dtype=np.int64) * top + 1
            given = _sorted_rows(rng, rows, 5)
            before = rng.integers(0, 2**40, (5, 1 + questions * top))
            got, expected = before.copy(), before.copy()
            classification.count_levels(codes, columns, *given, got)
            reference.count_levels(codes, columns, *given, expected)
            _same(f"{rows} rows of {np.dtype(dtype)}", "counts", got, expected)
            tried += 1
    return f"{tried} inputs, equal"


def _check_read_choices(rng: _Generator) -> str:
    tried = 0
    for rows in (0, 1, 5, 200):
        for levels, missing in ((1, 0), (4, 2), (4095, 1)):
            for widest in (0, 1, 6):
                sizes = rng.integers(0, widest + 1, rows)
                offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
                few = rng.integers(0, levels + missing + 1, int(offsets[-1]))
                codes = np.where(rng.random(len(few)) < 0.3, levels + missing, few)
                codes = codes.astype(np.uint16)
                results = []
                for function in (classification.read_choices, reference.read_choices):
                    seen = np.full(levels, 17, dtype=np.int64)
                    found, columns = np.full((2, len(codes) + rows), 7, dtype=np.int32)
                    count = function(offsets, codes, levels, missing, 2, seen, found, columns)
                    results.append((count, found[:count], columns[:count]))
                for name, got, expected in zip(("count", "rows", "columns"), *results, strict=True):
                    _same(f"{rows} rows, {levels} options", name, got, expected)
                tried += 1
    return f"{tried} inputs, equal"


def _check_count_pairs(rng: _Generator) -> str:
    tried = 0
    for rows in (1, 5, 200):
        for pairs in (0, 1, 500):
            places, _, given = _sorted_rows(rng, rows, 3)
            found = rng.integers(0, rows, pairs).astype(np.int32)
            columns = rng.integers(0, 9, pairs).astype(np.int32)
            before = rng.integers(0, 2**40, (3, 9))
            got, expected = before.copy(), before.copy()
            classification.count_pairs(found, columns, places, given, got)
            reference.count_pairs(found, columns, places, given, expected)
            _same(f"{rows} rows, {pairs} pairs", "counts", got, expected)
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


def _check_read_answers(rng: _Generator) -> str:
    tried = 0
    for dtype, top in ((np.uint8, 256), (np.uint16, 4099)):
        for rows in (0, 1, 33, 300):
            codes = rng.integers(0, top, (4, rows)).astype(dtype)
            codes[:, :1] = top - 1
            questions = rng.permutation(4)[:3].astype(np.int64)
            levels = np.array([1, top // 2, min(top - 1, 4096)], dtype=np.int64)
            got, expected = np.full((2, 3, rows), 7, dtype=np.int16)
            moments.read_answers(codes, questions, levels, got)
            reference.read_answers(codes, questions, levels, expected)
            _same(f"{rows} rows of {np.dtype(dtype)}", "answers", got, expected)
            tried += 1
    return f"{tried} inputs, equal"


def _check_dots(rng: _Generator) -> str:
    tried = 0
    for kind in (moments.COMPLETE, moments.PATTERN, moments.PAIRS):
        for largest in (1, 10, 180, 4095):
            if kind == moments.PAIRS and largest > 180:
                continue
            block = moments.block_rows_for(largest + 1)
            # Runs shorter than a vector, of one, and of several blocks.
            for rows in sorted({0, 1, 7, 33, 200, block, 2 * block + 1}):
                answers = rng.integers(0, largest + 1, (4, rows)).astype(np.int16)
                answers[0] = largest  # the sums' bound itself
                answers[rng.random((4, rows)) < (0.0, 0.2)[tried % 2]] = -1
                columns = rng.permutation(4)[:3].astype(np.int64)
                order = rng.permutation(rows).astype(np.int32)
                starts, targets = _runs(rng, rows, 4)
                if rows >= block:
                    starts[1:-1] = 0  # all rows in the last run
                left, right = _pairs(rng, 9 if kind == moments.PAIRS else 4)
                if kind == moments.PAIRS:  # what plans ask for: no product of squares
                    kept = (np.minimum(left, right) < 3) | (np.maximum(left, right) < 6)
                    left, right = left[kept], right[kept]
                before = rng.integers(-(2**40), 2**40, (5, len(left)))
                results = [before.copy(), before.copy()]
                for function, sums in zip((moments.dots, reference.dots), results, strict=True):
                    function(
                        answers, columns, kind, order, starts, targets, left, right, block, sums
                    )
                _same(f"kind {kind}, {rows} rows up to {largest}", "sums", *results)
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


def _check_dots_fourth(rng: _Generator) -> str:
    tried = 0
    for largest in (1, 10, 107, 180):
        block = moments.block_rows_for(largest**2)
        # Runs of one, shorter than a vector, and of several blocks.
        for rows in sorted({0, 1, 33, 200, min(block, 300) + 1}):
            answers = rng.integers(0, largest + 1, (4, rows)).astype(np.int16)
            answers[0] = largest
            answers[rng.random((4, rows)) < (0.0, 0.1)[tried % 2]] = -1
            columns = rng.permutation(4)[:3].astype(np.int64)
            order = rng.permutation(rows).astype(np.int32)
            starts, targets = _runs(rng, rows, 4)
            if rows >= block:
                starts[1:-1] = 0  # all rows in the last run
            left, right = _pairs(rng, 10)
            before = rng.integers(-(2**40), 2**40, (5, len(left)))
            results = [before.copy(), before.copy()]
            both = (fourth.dots_fourth, reference.dots_fourth)
            for function, sums in zip(both, results, strict=True):
                function(answers, columns, order, starts, targets, left, right, block, sums)
            _same(f"{rows} rows up to {largest}", "sums", *results)
            tried += 1
    return f"{tried} inputs, equal"


def _check_net_score_bounds(rng: _Generator) -> str:
    edges = [(0, 0, 0), (1, 0, 0), (0, 5, 0), (0, 0, 9), (3, 0, 3), (1, 10**9, 10**9)]
    given = np.array([*edges, *rng.integers(0, 60, (20, 3))], dtype=np.float64)
    negative, _, positive = given.T.copy()
    for z in (0.5, 1.96, 4.0):
        results = []
        for function in (net_score.net_score_bounds, reference.net_score_bounds):
            lower, upper = np.full((2, len(given)), np.nan)
            function(negative, positive, given.sum(axis=1), z, 64, lower, upper)
            results.append((lower, upper))
        for name, got, expected in zip(("lower", "upper"), *results, strict=True):
            _close(f"z = {z}", name, got, expected)
    return f"{3 * len(given)} inputs, within {_TOLERANCE:g}"


def _halves(rng: _Generator, rows: int, width: int) -> Any:
    low = rng.integers(0, 2**64 - 1, (rows, width), dtype=np.uint64, endpoint=True)
    low[:, ::2] = 2**64 - 1  # the next one carries
    return low, rng.integers(-(2**40), 2**40, (rows, width))


def _check_add_up(rng: _Generator) -> str:
    tried = 0
    for groups in (1, 3, 40):
        for first, columns in ((0, 5), (2, 3), (4, 0)):
            low, high = _halves(rng, 50, 5)
            places = rng.permutation(50)[: groups + 7]
            starts = np.sort(np.append(rng.permutation(len(places) - 1)[: groups - 1] + 1, 0))
            results = []
            for function in (wide.add_up, reference.add_up):
                out_low = np.full((groups, columns), 7, dtype=np.uint64)
                out_high = np.full((groups, columns), 7, dtype=np.int64)
                function(low, high, places, starts, first, out_low, out_high)
                results.append((out_low, out_high))
            for name, got, expected in zip(("low", "high"), *results, strict=True):
                _same(f"{groups} groups, {columns} columns", name, got, expected)
            tried += 1
    return f"{tried} inputs, equal"


def _check_add_rows(rng: _Generator) -> str:
    tried = 0
    for groups in (1, 3, 40):
        for first, columns in ((0, 5), (2, 3), (4, 0)):
            rows = rng.integers(-(2**55), 2**55, (50, 5))
            places = rng.permutation(50)[: groups + 7]
            starts = np.sort(rng.permutation(len(places) - 1)[:groups] + 1)
            starts[:1] = 0
            got, expected = np.full((2, groups, columns), 7, dtype=np.int64)
            wide.add_rows(rows, places, starts, first, got)
            reference.add_rows(rows, places, starts, first, expected)
            _same(f"{groups} groups, {columns} columns", "sums", got, expected)
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
    kernel: Any = index.respondent_moments
    said = _check_index(
        rng,
        kernel,
        reference.respondent_moments,
        lambda turn, items: (np.uint64((0, 1, 2**items - 1)[turn % 3]),),
    )
    for turn in range(_ROUNDS):
        given: list[Any] = list(_index_input(rng, turn))
        groups, parts = len(given[0]) - 1, len(given[-1])
        count, mean = np.zeros((groups, 1 + parts), np.int64), np.zeros((groups, 1 + parts))
        kernel(*given, np.uint64(0), count, mean, np.zeros_like(mean))
        given[2] = np.ascontiguousarray(given[2][:, : 1 + len(given[3])])
        alone, of_it = np.zeros((groups, 1), np.int64), np.zeros((groups, 1))
        kernel(*given, np.uint64(0), alone, of_it, np.zeros((0, 0)))
        _same(f"random {turn}", "count of the index alone", alone, count[:, :1])
        _same(f"random {turn}", "mean of the index alone", of_it, mean[:, :1])
    return said


def _check_item_mean_moments(rng: _Generator) -> str:
    return _check_index(
        rng, index.item_mean_moments, reference.item_mean_moments, lambda _turn, _items: ()
    )


def _check_find_starts(rng: _Generator) -> str:
    tried = 0
    for groups in (1, 3, 9):
        for size in (0, 1, 2, 40):
            pairs = {(int(g), int(p)) for g, p in rng.integers((0, 0), (groups, 9), (size, 2))}
            for rows in (sorted(pairs), sorted(pairs)[::-1], sorted([*pairs, *list(pairs)[:1]])):
                group = np.array([g for g, _ in rows], dtype=np.int64)
                pattern = np.array([p for _, p in rows], dtype=np.uint64) << np.uint64(60)
                got, expected = np.full((2, groups + 1), 7)
                done = index.find_starts(group, pattern, got)
                _same(f"{rows}", "sorted", done, reference.find_starts(group, pattern, expected))
                _same(f"{rows}", "start", got * done, expected * done)
                tried += 1
    return f"{tried} inputs, equal"


# --- importance and reliability -------------------------------------------------------------------


def _correlations(rng: _Generator, groups: int, width: int) -> Any:
    """Return correlations of random rows of five-point answers that share a factor."""
    shared = rng.normal(size=(groups, 60, 1))
    rows = np.rint(shared + rng.normal(size=(groups, 60, width)))
    rows[:, :2] = np.arange(2)[:, None]  # every column varies
    return np.stack([np.corrcoef(one, rowvar=False).reshape(width, width) for one in rows])


def _check_shapley(rng: _Generator) -> str:
    tried = 0
    for groups, drivers in ((0, 2), (1, 1), (3, 2), (2, 3), (2, 6), (19, 2)):
        correlation = _correlations(rng, groups, drivers + 1) if groups else np.zeros((0, 3, 3))
        pairs = (drivers + 1) * (drivers + 2) // 2
        for wanted in (True, False):
            results = []
            for function in (importance.shapley, reference.shapley):
                share = np.full((groups, drivers), 9.0)
                gradient = np.full((groups, drivers, pairs) if wanted else (groups, 0, 0), 9.0)
                function(correlation, 1e-12, share, gradient)
                results.append((share, gradient))
            _close(f"{drivers} drivers", "share", results[0][0], results[1][0])
            _close(f"{drivers} drivers", "gradient", results[0][1], results[1][1])
            tried += 1
    # A driver that is there twice shares what it had.
    twice = _correlations(rng, 1, 3)[:, [0, 0, 1, 2]][:, :, [0, 0, 1, 2]]
    share, nothing = np.zeros((1, 3)), np.zeros((1, 0, 0))
    importance.shapley(np.ascontiguousarray(twice), 1e-12, share, nothing)
    expected = np.zeros((1, 3))
    reference.shapley(twice, 1e-12, expected, nothing)
    _close("a driver twice", "share", share, expected)
    return f"{tried + 1} inputs, within {_TOLERANCE:g}"


def _check_eigenvectors(rng: _Generator) -> str:
    sizes = (0, 2), (1, 1), (3, 2), (9, 5), (17, 3)
    for groups, p in sizes:
        matrix = _correlations(rng, groups, p) if groups else np.zeros((0, p, p))
        if groups > 2:
            matrix[0], matrix[1] = np.eye(p), 1.0
        results = []
        for function in (importance.eigenvectors, reference.eigenvectors):
            values, vectors = np.empty((groups, p)), np.empty((groups, p, p))
            function(matrix, values, vectors)
            turned = vectors.transpose(0, 2, 1)
            results.append(
                (np.sort(values), (vectors * values[:, None]) @ turned, turned @ vectors)
            )
        for name, got, expected in zip(("values", "matrix", "1"), *results, strict=True):
            _close(f"{groups} groups of {p}", name, got, expected)
    return f"{len(sizes)} inputs, within {_TOLERANCE:g}"


def _check_relative_weights(rng: _Generator) -> str:
    tried = 0
    for groups, p in ((0, 2), (1, 1), (3, 2), (2, 5), (9, 2)):
        correlation = _correlations(rng, groups, p + 1) if groups else np.zeros((0, p + 1, p + 1))
        values, vectors = np.linalg.eigh(correlation[:, :p, :p])
        pairs = (p + 1) * (p + 2) // 2
        for wanted in (True, False):
            results = []
            for function in (importance.relative_weights, reference.relative_weights):
                made, axes = np.full((3, groups, p), 9.0), np.full((groups, 2, p), 9.0)
                slopes = np.full((groups, p, pairs) if wanted else (groups, 0, 0), 9.0)
                share, beta, vif = made
                function(correlation, values, vectors, share, beta, vif, axes, slopes)
                results.append((made, axes, slopes))
            for name, got, expected in zip(("made", "axes", "slopes"), *results, strict=True):
                _close(f"{p} drivers", name, got, expected)
            tried += 1
    return f"{tried} inputs, within {_TOLERANCE:g}"


def _check_recentre(rng: _Generator) -> str:
    tried = 0
    for width, top in ((1, 1), (2, 10), (4, 4095)):
        rows = np.concatenate(
            [np.ones((3, 50, 1), dtype=np.int64), rng.integers(0, top + 1, (3, 50, width))], axis=2
        )
        fours = list(combinations_with_replacement(range(1 + width), 4))
        moments_ = np.array([rows[:, :, four].prod(axis=2).sum(axis=1) for four in fours])
        steps = _binomial_steps(fours)
        by = np.concatenate([np.zeros((1, 3), np.int64), rng.integers(0, top + 1, (width, 3))])
        for table, origin in ((moments_, by), (moments_.astype(np.float64) / 2**20, by / 2**4)):
            got, expected = table.copy(), table.copy()
            importance.recentre(got, steps, origin)
            reference.recentre(expected, steps, origin)
            _close(f"{width} columns", "moments", got, expected)
            tried += 1
    return f"{tried} inputs, within {_TOLERANCE:g}"


def _check_centre(rng: _Generator) -> str:
    for groups, width, top in ((0, 1, 1), (1, 2, 10), (40, 3, 10)):
        rows = rng.integers(0, top + 1, (groups, 50, width))
        wide = np.concatenate([np.ones((groups, 50, 1), dtype=np.int64), rows], axis=2)
        fours = list(combinations_with_replacement(range(1 + width), 4))
        # Behind another column, which is not wanted.
        sums = np.zeros((groups, 1 + len(fours)), dtype=np.int64)
        for at, four in enumerate(fours):
            sums[:, 1 + at] = wide[:, :, four].prod(axis=2).sum(axis=1)
        near, rest = np.zeros((2, 1 + width, groups))
        near[1:] = np.rint(rows.mean(axis=1)).T
        rest[1:] = rows.mean(axis=1).T - near[1:]
        places = np.arange(1, 1 + len(fours))
        got, expected = np.zeros((2, -(-groups // LANES), len(fours), LANES))
        importance.centre(sums, places, _binomial_steps(fours), near, rest, got)
        reference.centre(sums, places, _binomial_steps(fours), near, rest, expected)
        # Lanes without a group hold anything.
        kept = np.arange(len(got) * LANES).reshape(-1, 1, LANES) < groups
        _close(f"{groups} groups", "moments", got * kept, expected * kept)
    return f"3 inputs, within {_TOLERANCE:g}"


def _binomial_steps(fours: Sequence[tuple[int, ...]]) -> Any:
    """Of every variable: k times over, from products with most of it to those with least."""
    steps = []
    for variable in range(1, fours[-1][0] + 1):
        for done in range(4):
            for count in range(4, done, -1):
                for at, four in enumerate(fours):
                    if four.count(variable) == count:
                        rest = list(four)
                        rest.remove(variable)
                        steps.append((at, fours.index((0, *rest)), variable))
    return np.array(steps, dtype=np.int64)


def _in_lanes(moments_: Any) -> Any:
    """Lay moments, groups side by side, out in blocks of lanes, the last of which are filled with zeros."""
    known, groups = moments_.shape
    blocks = np.zeros((known, -(-groups // LANES) * LANES))
    blocks[:, :groups] = moments_
    return np.ascontiguousarray(blocks.reshape(known, -1, LANES).transpose(1, 0, 2))


def _symmetric_places(rng: _Generator, known: int, pairs: int) -> Any:
    places = np.triu(rng.integers(0, known, (pairs, pairs)))
    return np.ascontiguousarray(places + np.triu(places, 1).T)


def _check_spread(rng: _Generator) -> str:
    for groups, known, pairs in ((0, 1, 1), (1, 5, 3), (7, 70, 15), (9, 20, 4)):
        moments_ = _in_lanes(rng.normal(size=(known, groups)))
        places = _symmetric_places(rng, known, pairs)
        got, expected = np.empty((groups, pairs, pairs)), np.empty((groups, pairs, pairs))
        importance.spread(moments_, places, got)
        reference.spread(moments_, places, expected)
        _same(f"{groups} groups", "table", got, expected)
    return "4 inputs, exactly"


def _check_covariances(rng: _Generator) -> str:
    sizes = (
        (0, 1, 1, 1, 1),
        (1, 5, 3, 2, 1),
        (7, 70, 15, 8, 8),
        (9, 20, 4, 9, 3),
        (17, 20, 6, 20, 10),
    )
    for groups, known, pairs, count, joint in sizes:
        moments_ = _in_lanes(rng.normal(size=(known, groups)))
        places = _symmetric_places(rng, known, 1 + pairs)
        slopes = rng.normal(size=(2, groups, count, pairs))
        scale, level = rng.normal(size=(2, groups, pairs))
        results = []
        for function in (importance.covariances, reference.covariances):
            out, variance = np.empty((groups, joint, joint)), np.empty((groups, 2 * count))
            function(moments_, places, slopes, scale, level, out, variance)
            results.append((out, variance))
        for at, name in enumerate(("out", "variance")):
            _close(f"{groups} groups", name, results[0][at], results[1][at])
    return f"{len(sizes)} inputs, within {_TOLERANCE:g}"


def _moments_of_rows(rng: _Generator, groups: int, drivers: int) -> tuple[Any, ...]:
    """Return fourth-order moments of rows in lanes, their places, pairs, and second-order ones.

    Of three groups or more, the first has a driver without variation, the second one twice.
    """
    rows = rng.integers(0, 5, (groups, 40, drivers + 1)).astype(np.float64)
    if groups > 2:
        rows[0, :, 0] = 1.0
        rows[1, :, 1] = rows[1, :, 0]
    mean = rows.mean(axis=1, keepdims=True)
    wide = np.concatenate([np.ones((groups, 40, 1)), rows - mean], axis=2)
    fours = list(combinations_with_replacement(range(drivers + 2), 4))
    place: dict[tuple[int, ...], int] = {four: at for at, four in enumerate(fours)}
    pairs = list(combinations_with_replacement(range(drivers + 2), 2))
    places = np.array([[place[tuple(sorted(one + two))] for two in pairs] for one in pairs])
    central = np.stack([wide[:, :, four].prod(axis=2).sum(axis=1) for four in fours])
    product = np.einsum("gra,grb->gab", wide[:, :, 1:], wide[:, :, 1:])
    return _in_lanes(central), places, pairs, product


def _check_sandwich(rng: _Generator) -> str:
    tried = 0
    for groups, drivers in ((1, 1), (3, 2), (20, 3)):
        central, places, _, product = _moments_of_rows(rng, groups, drivers)
        slope, level = rng.normal(size=(2, groups, drivers))
        for rounding_max in (1e-9, 0.0):
            results = []
            for function in (sandwich.sandwich, reference.sandwich):
                variance, wald = np.zeros((groups, drivers + 1)), np.zeros(groups)
                sure = np.zeros(groups, dtype=np.bool_)
                function(
                    central, places, product, np.full(groups, 40.0), level, slope,
                    rounding_max, 1e-9, variance, wald, sure,
                )  # fmt: skip
                for one in (variance, wald):
                    one[~sure] = 0.0
                results.append((sure, variance, wald))
            _same(f"{drivers} drivers", "sure", results[0][0], results[1][0])
            _close(f"{drivers} drivers", "variance", results[0][1], results[1][1])
            _close(f"{drivers} drivers", "wald", results[0][2], results[1][2])
            tried += 1
    return f"{tried} inputs, within {_TOLERANCE:g}"


def _check_degrees_of_freedom(rng: _Generator) -> str:
    sizes = (1, 1), (2, 3), (3, 4), (20, 2)
    for groups, drivers in sizes:
        central, places, pairs, product = _moments_of_rows(rng, groups, drivers)
        kept = np.array([at for at, pair in enumerate(pairs) if drivers + 1 not in pair])
        mean = rng.normal(size=(groups, drivers))
        results = []
        for function in (sandwich.degrees_of_freedom, reference.degrees_of_freedom):
            df, lever = np.full((2, groups, drivers + 1), 9.0)
            n = np.full(groups, 40.0)
            function(central, places[np.ix_(kept, kept)], product, n, mean, 1.0, df, lever)
            results.append((df, lever))
        for at, name in enumerate(("df", "lever")):
            _close(f"{drivers} drivers", name, results[0][at], results[1][at])
    return f"{len(sizes)} inputs, within {_TOLERANCE:g}"


def _check_one_factor(rng: _Generator) -> str:
    tried = 0
    for groups, items in ((0, 3), (2, 3), (2, 5), (1, 8)):
        correlation = _correlations(rng, groups, items) if groups else np.zeros((0, 3, 3))
        if groups:
            correlation[0, 0, 1:] = correlation[0, 1:, 0] = 0.0  # an item of its own
        results = []
        for function in (reliability.one_factor, reference.one_factor):
            loading = np.full((groups, items), 0.5)
            done = np.full(groups, 99, dtype=np.int64)
            function(correlation, 1e-13, 20_000, loading, done)
            results.append((loading, done > 0))
        _close(f"{items} items", "loading", results[0][0], results[1][0])
        _same(f"{items} items", "done", results[0][1], results[1][1])
        tried += 1
    return f"{tried} inputs, within {_TOLERANCE:g}"


# --- least squares --------------------------------------------------------------------------------


def _check_least_squares(rng: _Generator) -> str:
    settled_in_all = groups_in_all = 0
    for turn in range(_ROUNDS):
        k, groups = 1 + turn % 4, 8
        intercept = turn % 3 > 0
        rows, cases = [], []
        for group in range(groups):
            n = 0 if group == 0 else int(rng.integers(k, 60))
            codes = rng.integers(0, 11, (n, k + 1))
            if group == 1 and k > 1:
                codes[:, 1] = codes[:, 0]
            if group == 2:
                codes[:, k] = 3 * codes[:, 0]
            moments_of = np.column_stack([np.ones(n, dtype=np.int64), codes])
            weight = rng.integers(0, 4, n) if turn % 2 else np.ones(n, dtype=np.int64)
            table = (moments_of.T * weight) @ moments_of
            inner = table[1:, 1:][np.triu_indices(k + 1)]
            cases.append(n)
            rows.append(np.concatenate([table[0], inner]))
        shift = rng.integers(-3, 4, k + 1)
        unit = rng.integers(1, 5, (k + 2, 2)).astype(np.float64)
        results = []
        for function in (least_squares.least_squares, reference.least_squares):
            settled = np.empty(groups, dtype=np.bool_)
            shapes = [k + intercept, k + intercept, k, k, 5]
            found = [np.full((groups, width), 7.0) for width in shapes]
            function(np.array(rows), np.array(cases), shift, unit, intercept, settled, *found)
            results.append((settled, found))
        (settled, found), (solvable, expected) = results
        _same(f"random {turn}", "settled and not solvable", settled & ~solvable, False & settled)
        for name, got, want in zip(
            ("coefficient", "variance", "beta_squared", "vif", "whole"),
            found,
            expected,
            strict=True,
        ):
            _same(f"random {turn}", name, got[settled], want[settled])
        settled_in_all += int(settled.sum())
        groups_in_all += int(solvable.sum())
    if 2 * settled_in_all < groups_in_all:
        raise AssertionError(f"{settled_in_all} of {groups_in_all} groups are settled")
    return f"{groups_in_all} inputs, {settled_in_all} settled, equal"


# --- scores ---------------------------------------------------------------------------------------


def _check_net_scores(rng: _Generator) -> str:
    edges = [(0, 0, 0), (0, 0, 1), (7, 0, 0), (0, 9, 0), (1, 2**40, 2**41)]
    classes = np.array([*edges, *rng.integers(0, 60, (50, 3))])
    got, expected = np.empty((2, 3, len(classes)))
    scores.net_scores(classes, *got)
    reference.net_scores(classes, *expected)
    _same("random", "NaN", np.isnan(got), np.isnan(expected))
    _close("random", "score, variance, se", np.nan_to_num(got), np.nan_to_num(expected))
    return f"{len(classes)} inputs, within {_TOLERANCE:g}"


def _check_mean_scores(rng: _Generator) -> str:
    count = np.array([0, 1, 2, 2**40, *rng.integers(0, 50, 30)])
    mean, squares = rng.uniform(0, 100, len(count)), rng.uniform(0, 1e4, len(count)) * (count > 1)
    got, expected = np.empty((2, 2, len(count)))
    scores.mean_scores(count, mean, squares, *got)
    reference.mean_scores(count, mean, squares, *expected)
    _same("random", "NaN", np.isnan(got), np.isnan(expected))
    _close("random", "score, se", np.nan_to_num(got), np.nan_to_num(expected))
    return f"{len(count)} inputs, within {_TOLERANCE:g}"


def _check_quasi_binomial_bounds(rng: _Generator) -> str:
    ends = [(0.0, 0.0, 5.0), (100.0, 0.0, 5.0), (50.0, 0.0, 2.0), (50.0, 50.0, 2.0)]
    none = [(np.nan, 1.0, 9.0), (50.0, np.nan, 9.0), (50.0, 1.0, 1.0), (np.nan, np.nan, 0.0)]
    given = np.array([*ends, *none, *rng.uniform((0, 0, 2), (100, 40, 500), (40, 3))])
    mean, se, size = (np.ascontiguousarray(one) for one in given.T)
    for low, high, c in ((0.0, 100.0, 3.84), (-20.0, 130.0, 0.2)):
        results = []
        for function in (scores.quasi_binomial_bounds, reference.quasi_binomial_bounds):
            lower, upper = np.empty((2, len(given)))
            known = np.empty(len(given), dtype=bool)
            function(mean, se, size, low, high, c, 0.25, lower, upper, known)
            results.append((lower, upper, known))
        (lower, upper, known), (*expected, want) = results
        _same(f"c = {c}", "known", known, want)
        _close(f"c = {c}", "lower", lower[known], expected[0][want])
        _close(f"c = {c}", "upper", upper[known], expected[1][want])
    return f"{2 * len(given)} inputs, within {_TOLERANCE:g}"


# --- messages -------------------------------------------------------------------------------------


def _check_encode_messages(rng: _Generator) -> str:
    m = messages
    # Two fields, a message once, one of three of them with a message in it, two more fields.
    steps = [
        [m.VARINT, 8, 0, 0, -1, m.UNLESS_ZERO], [m.FIXED_64, 17, 1, 0, -1, m.UNLESS_NAN],
        [m.BEGIN, 26, 4, 0, 2, m.ONCE], [m.TEXT, 10, 3, 0, -1, m.UNLESS_ZERO],
        [m.END, 26, 2, 0, 2, m.ONCE],
        [m.BEGIN, 34, 11, 4, 7, 3], [m.VARINT, 2**20, 4, 4, -1, m.ALWAYS],
        [m.BEGIN, 18, 10, 4, 5, m.ONCE], [m.FIXED_64, 9, 6, 4, -1, m.UNLESS_ZERO],
        [m.TEXT, 18, 16, 0, -1, m.ALWAYS], [m.END, 18, 7, 4, 5, m.ONCE], [m.END, 34, 5, 4, 7, 3],
        [m.VARINT, 40, 17, 0, 18, m.ALWAYS], [m.FIXED_64, 49, 19, 0, -1, m.ALWAYS],
    ]  # fmt: skip
    texts = [b"", b"a", "Zürich".encode(), b"x" * 300]
    starts = np.cumsum([0, *map(len, texts)])
    edges = [0, 1, -1, 127, 128, 2**32, 2**63 - 1, -(2**63), 0x7FF0000000000000, 0x7FF8000000000000]
    for rows in (0, 1, 5, 200):
        words = rng.integers(-(2**63), 2**63 - 1, (rows, 20)) >> rng.integers(0, 63, (rows, 20))
        words[rng.random(words.shape) < 0.5] = rng.choice(edges)
        words[:, [2, 5, 7, 9, 11, 13, 15, 18]] = rng.integers(0, 2, (rows, 8))
        words[:, [3, 16]] = rng.integers(0, len(texts), (rows, 2))
        results = []
        for function in (m.encode_messages, reference.encode_messages):
            out = np.zeros(4000 * rows + 7, dtype=np.uint8)
            whole = np.frombuffer(b"".join(texts), dtype=np.uint8)
            begin = function(np.array(steps), words, whole, starts, out)
            results.append((begin, out))
        for name, got, expected in zip(("begin", "bytes"), *results, strict=True):
            _same(f"{rows} rows", name, got, expected)
    return "4 inputs, equal"


_CHECKS: dict[str, _Check] = {
    "add_rows": _check_add_rows,
    "add_up": _check_add_up,
    "centre": _check_centre,
    "covariances": _check_covariances,
    "count_levels": _check_count_levels,
    "count_pairs": _check_count_pairs,
    "degrees_of_freedom": _check_degrees_of_freedom,
    "dots": _check_dots,
    "dots_fourth": _check_dots_fourth,
    "dots_wide": _check_dots_wide,
    "eigenvectors": _check_eigenvectors,
    "encode_messages": _check_encode_messages,
    "find_cells": _check_find_cells,
    "find_starts": _check_find_starts,
    "sort_patterns": _check_sort_patterns,
    "item_mean_moments": _check_item_mean_moments,
    "least_squares": _check_least_squares,
    "mean_scores": _check_mean_scores,
    "net_score_bounds": _check_net_score_bounds,
    "net_scores": _check_net_scores,
    "number_groups": _check_number_groups,
    "one_factor": _check_one_factor,
    "pack_keys": _check_pack_keys,
    "quasi_binomial_bounds": _check_quasi_binomial_bounds,
    "read_answers": _check_read_answers,
    "read_choices": _check_read_choices,
    "recentre": _check_recentre,
    "spread": _check_spread,
    "relative_weights": _check_relative_weights,
    "respondent_moments": _check_respondent_moments,
    "sandwich": _check_sandwich,
    "shapley": _check_shapley,
    "sort_rows": _check_sort_rows,
}
