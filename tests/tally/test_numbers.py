"""Sums of numbers against Python's integers, where values and sums are as large as words of the kernels hold."""

import numpy as np
import pytest

from cxstream.columns import Codes, DimensionCodes, code_dtype
from cxstream.columns import native as encoding
from cxstream.program import compile_plan, program_from_dict
from cxstream.program.block import VALUE_MAX
from cxstream.tally import Tally
from tests.tally.test_ways import way

#: Numbers below are multiplied in 32 bits, and added to words of 63.
SMALL = 2**27
#: So many squares of SMALL / 2 fill such a word, and one less does not.
FILLING = 2**11
#: Rows that lack an answer, among the others.
LACKING = 300

NUMBER = {"kind": "number", "range": [0, VALUE_MAX], "missing": [-1]}
RATING = {"kind": "rating", "scale": [1, 5]}
#: By case, the questions of a model; the first is its outcome.
MODELS = {
    "alone": {"a": NUMBER},
    "with a scale": {"a": NUMBER, "q": RATING},
    "with seven scales": {"q0": RATING, "a": NUMBER, **{f"q{at}": RATING for at in range(1, 7)}},
    "two, with scales": {"b": NUMBER, **{f"q{at}": RATING for at in range(5)}, "a": NUMBER},
    "three alone": {"a": NUMBER, "b": NUMBER, "c": NUMBER},
    "with a scale too long for lanes": {"a": NUMBER, "q": {"kind": "rating", "scale": [0, 200]}},
    "with a scale of two bytes": {
        "a": NUMBER,
        "b": NUMBER,
        "q": {"kind": "rating", "scale": [0, 4000]},
    },
}
#: What rows that answer have by turns.
VALUES = {
    "half of a small one": [SMALL // 2],
    "small": [SMALL - 1],
    "not small": [SMALL],
    "twice as large": [2 * SMALL - 1],
    "of 33 bits": [2**33 - 1],
    "both": [SMALL - 1] * 100 + [SMALL] * 100,
    "the largest": [VALUE_MAX],
    "any": [0, 1, SMALL // 2, SMALL - 1, SMALL, 2**32 - 1, 2**32, VALUE_MAX],
}


def _program(questions, *, grouped):
    names = list(questions)
    return program_from_dict(
        {
            "name": "p",
            "questions": questions,
            **({"dimensions": {"region": {}}} if grouped else {}),
            **({"models": {"m": {"outcome": names[0], "drivers": names[1:]}}} if names[1:] else {}),
            "insights": {"questions": []},
        }
    )


def _codes(program, values, complete):
    """Return so many complete rows of one group, and others of two among them."""
    rng = np.random.default_rng(complete)
    rows = complete + LACKING
    lacks = rng.permutation(rows) < LACKING
    scales, numbers = {}, {}
    which = rng.integers(0, len(program.questions), rows)
    for at, question in enumerate(program.questions.values()):
        lacking = lacks & (which == at)
        if question.is_number:
            given = np.resize(np.array(values, dtype=np.int64), rows)
            numbers[question.name] = np.where(lacking, -1 - rng.integers(0, 2, rows), given)
        else:
            given = np.where(lacks, 0, question.levels - 1)
            codes = np.where(lacking, question.levels, given)
            scales[question.name] = codes.astype(code_dtype(question))
    groups = np.where(lacks, rng.integers(1, 3, rows), 1).astype(np.uint8)
    dimensions = {"region": DimensionCodes(("n", "s"), groups)} if program.dimensions else {}
    return Codes(rows, scales, numbers, {}, dimensions, None)


def _expected(plan, block, codes, rows):
    """Return a block's sums over some rows."""
    columns = [codes.numbers.get(name, codes.scales.get(name)) for name in block.columns]
    complete = rows.copy()
    for name, column in zip(block.columns, columns, strict=True):
        complete &= column >= 0 if name in codes.numbers else column < plan.levels(name)
    x = [np.ones(complete.sum(), dtype=object), *(one[complete].astype(object) for one in columns)]
    return [(x[left] * x[right]).sum() for left, right in block.products]


def _check(tally, codes, times):
    """Check the sums of all blocks, and the counts of numbers, of codes that came so often."""
    plan = tally.plan
    (cells,) = tally.cells()
    groups = [np.ones(codes.rows, dtype=bool)]
    if codes.dimensions:
        assert cells.levels["region"][0] == ["n", "s"]
        groups = [codes.dimensions["region"].indices == group for group in (1, 2)]
    assert cells.counts[:, 0].tolist() == [times * rows.sum() for rows in groups]
    for name, slot in plan.slots.items():
        if name in codes.numbers:
            given = codes.numbers[name]
            kinds = [given >= 0, given == -2, given == -1]
            assert cells.counts[:, slot.start : slot.start + slot.width].tolist() == [
                [times * (rows & kind).sum() for kind in kinds] for rows in groups
            ]
    for block in plan.blocks:
        kept = cells.blocks[block.key]
        expected = [_expected(plan, block, codes, rows) for rows in groups]
        low, high = np.split(kept.sums.astype(object), 2, axis=1)
        found = {
            int(cell): list(one)
            for cell, one in zip(kept.cell, (high << 64) + low % 2**64, strict=True)
        }
        assert found == {
            cell: [times * one for one in sums] for cell, sums in enumerate(expected) if sums[0]
        }, block.key


def _each_way(program, counted=None):
    for name in ["rows", "order", *encoding.simd_levels()]:
        with way(name):
            yield Tally(compile_plan(program, counted))


@pytest.mark.parametrize("grouped", [True, False], ids=["by group", "all together"])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_sums_are_those_of_integers(model, values, grouped):
    program = _program(model, grouped=grouped)
    for complete in (FILLING - 1, FILLING, FILLING + 1):
        codes = _codes(program, values, complete)
        for tally in _each_way(program):
            tally.update(codes)
            _check(tally, codes, 1)
            # What was settled is added to, and what waits is, too.
            for _ in range(2):
                tally.update(codes)
            _check(tally, codes, 3)


@pytest.mark.parametrize("grouped", [True, False], ids=["by group", "all together"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_numbers_that_are_not_counted_are_multiplied(model, grouped):
    program = _program(model, grouped=grouped)
    codes = _codes(program, VALUES["any"], 100)
    for tally in _each_way(program, ()):
        tally.update(codes)
        _check(tally, codes, 1)


@pytest.mark.parametrize("grouped", [True, False], ids=["by group", "all together"])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_numbers_that_nobody_answers(model, grouped):
    program = _program(model, grouped=grouped)
    codes = _codes(program, [-1], 600)
    for tally in _each_way(program):
        tally.update(codes)
        _check(tally, codes, 1)
