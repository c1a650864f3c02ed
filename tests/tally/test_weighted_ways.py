"""Every way of counting with weights gives the same bytes: one row after the other, few at once, in chunks at every SIMD
level; and these are the sums that Python integers give."""

import dataclasses
import itertools
from collections import Counter
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest

from cxstream.columns import native as encoding
from cxstream.kernels import native
from cxstream.program import BlockKind, compile_plan, program_from_dict
from cxstream.tally import Tally, snapshot, view_tally, weighted
from tests.tally import data
from tests.tally.test_ways import random_codes

_INDEX = {"parts": {"a": {"items": ["q0", "q1", "q2", "nps"]}}}
_DRIVERS = {"outcome": "nps", "drivers": ["q0", "q1", "q2"]}


def _program(**more):
    questions = {
        "nps": {"kind": "nps", "missing": [11, 12]},
        **{f"q{place}": {"kind": "rating", "scale": [1, 5]} for place in range(4)},
        "many": {"kind": "choice", "options": [str(one) for one in range(9)], "multiple": True},
        **more.pop("questions", {}),
    }
    table = {"name": "p", "questions": questions, "weight": {"column": "w", "step": 0.01}}
    return program_from_dict(table | {"insights": {"questions": []}} | more)


GROUPED = {"dimensions": {"region": {}, "shop": {}}}
PROGRAMS = {
    "all together": _program(models={"m": _DRIVERS}, indices={"i": _INDEX}),
    "by group": _program(models={"m": _DRIVERS}, indices={"i": _INDEX}, **GROUPED),
    "robust": _program(models={"m": {**_DRIVERS, "robust": True}}, **GROUPED),
    # The longest scale whose products fit 15 bits, and the shortest whose do not.
    **{
        f"codes up to {top}": _program(
            questions={"long": {"kind": "rating", "scale": [0, top]}},
            models={"m": {"outcome": "long", "drivers": ["q0", "nps"]}},
            dimensions={"region": {}},
        )
        for top in (181, 182)
    },
    # The same of products of four.
    **{
        f"robust, codes up to {top}": _program(
            questions={"long": {"kind": "rating", "scale": [0, top]}},
            models={"m": {"outcome": "long", "drivers": ["q0"], "robust": True}},
        )
        for top in (13, 14)
    },
    "numbers and codes of two bytes": _program(
        questions={
            "spend": {"kind": "number", "range": [0, 2**40], "missing": [-1]},
            "wide": {"kind": "rating", "scale": [0, 300]},
        },
        models={"m": {"outcome": "spend", "drivers": ["q0", "wide"]}},
        **GROUPED,
    ),
    "more than 64 questions": _program(
        questions={f"r{place}": {"kind": "boolean"} for place in range(66)},
        models={"m": {"outcome": "nps", "drivers": ["r0", "r63", "r64", "r65"]}},
        dimensions={"region": {}},
    ),
    "many columns": _program(
        questions={f"r{place}": {"kind": "rating", "scale": [1, 5]} for place in range(16)},
        models={"m": {"outcome": "nps", "drivers": [f"r{place}" for place in range(15)]}},
        indices={"i": {"parts": {"a": {"items": [f"r{place}" for place in range(16)]}}}},
        dimensions={"region": {}},
    ),
    "everything": data.WEIGHTED,
}
#: Of one limb, of several; the largest that chunks take, the smallest they do not; the largest of all.
BITS = [0, 1, 10, 15, 16, 20, 27, 28, 45]


def weighted_codes(program, rows, seed, bits, **more):
    codes = random_codes(program, rows, seed, **more)
    rng = np.random.default_rng(seed)
    weights = rng.integers(-1, 2**bits, rows)
    weights[rng.random(rows) < 0.3] = 2**bits - 1
    for name, values in codes.numbers.items():
        codes.numbers[name] = np.minimum(values, program.questions[name].levels - 1)
    return dataclasses.replace(codes, weights=weights)


@contextmanager
def way(name, few=weighted.VECTOR_ROWS_MIN, slab=1 << 16):
    """Count weights at this SIMD level; or "rows", one after the other, as the largest weights are."""
    before = encoding.simd_level()
    made = native.WeightedRows.__init__

    def heavy(self, columns, weights, largest, *more, **others):
        made(self, columns, weights, 2**45 - 1, *more, **others)

    if name in encoding.simd_levels():
        encoding.set_simd_level(name)
    try:
        with (
            mock.patch.object(weighted, "VECTOR_ROWS_MIN", few),
            mock.patch.object(view_tally, "_SORTED_ROWS", slab),
            mock.patch.object(native.WeightedRows, "__init__", heavy if name == "rows" else made),
        ):
            yield
    finally:
        encoding.set_simd_level(before)


def counted(program, batches):
    one = Tally(compile_plan(program))
    for codes in batches:
        one.admit(codes)
        one.update(codes)
    return one


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("bits", BITS)
def test_every_way_gives_the_same_bytes(program, bits):
    batches = [weighted_codes(program, rows, rows, bits) for rows in (1, 31, 600, 2100)]
    with way("rows"):
        expected = snapshot(counted(program, batches))
    for level, few in itertools.product(encoding.simd_levels(), (0, 16, 2**40)):
        with way(level, few):
            assert snapshot(counted(program, batches)) == expected, (level, few)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("bits", [10, 27])
def test_sums_of_the_largest_answers_and_weights_do_not_overflow(program, bits):
    codes = weighted_codes(program, 2000, 1, bits, levels=1)
    codes.weights[:] = 2**bits - 1
    for name, one in codes.scales.items():
        one[:] = program.questions[name].levels - 1
    with way("rows"):
        expected = snapshot(counted(program, [codes]))
    for level, few in itertools.product(encoding.simd_levels(), (0, 2**40)):
        with way(level, few):
            assert snapshot(counted(program, [codes])) == expected, (level, few)


@pytest.mark.parametrize("name", ["by group", "everything"])
@pytest.mark.parametrize("slab", [1, 100, 1000])
def test_rows_that_are_put_in_order_part_by_part(name, slab):
    program = PROGRAMS[name]
    batches = [weighted_codes(program, 2500, 3, 12), weighted_codes(program, 700, 4, 12, levels=30)]
    expected = snapshot(counted(program, batches))
    with way("", slab=slab):
        assert snapshot(counted(program, batches)) == expected


@pytest.mark.parametrize("level", encoding.simd_levels())
@pytest.mark.parametrize("bits", [1, 12, 27, 28, 45])
def test_sums_are_those_of_python_integers(level, bits):
    program = PROGRAMS["all together"]
    codes = weighted_codes(program, 3000, 8, bits)
    with way(level):
        tally = counted(program, [codes])
    total = tally.cells()[0]
    weights = [int(one) for one in codes.weights]
    kept = [row for row, one in enumerate(weights) if one >= 0]

    def sums_of(key, width):
        low, high = total.blocks[key].sums.reshape(2, width).tolist()
        return [(b << 64) + a % 2**64 for a, b in zip(low, high, strict=True)]

    slot = tally.plan.slots["q1"]
    counts = sums_of("weighted:counts", 3 * tally.plan.counts_width)
    for power in range(3):
        expected = Counter()
        for row in kept:
            expected[int(codes.scales["q1"][row])] += weights[row] ** power
        got = counts[3 * slot.start + power :: 3][: slot.width]
        assert got == [expected[code] for code in range(slot.width)]
    (block,) = (one for one in tally.plan.weighted if one.of and one.of.kind is BlockKind.COMPLETE)
    got = sums_of(block.key, block.width(block.limbs_of(max(weights))))
    names = block.of.columns
    complete = [
        row
        for row in kept
        if all(codes.scales[name][row] < tally.plan.levels(name) for name in names)
    ]
    expected = [len(complete)]
    for power in (1, 2):
        for a, b in block.of.products:
            expected.append(0)
            for row in complete:
                x = [1, *(int(codes.scales[name][row]) for name in names)]
                expected[-1] += weights[row] ** power * x[a] * x[b]
    if len(got) == len(expected):  # of one limb
        assert got == expected
    _, first, second = block.powers(np.array([got], dtype=object))
    assert [len(complete), *first[0], *second[0]] == expected
