"""Every way of counting a batch gives the same bytes: row by row, in lanes at every SIMD level, in order; on any threads."""

import copy
import dataclasses
import itertools
import random
from contextlib import ExitStack, contextmanager
from unittest import mock

import numpy as np
import pytest

from cxstream.columns import BucketCodes, Codes, DimensionCodes, choice_codes, code_dtype
from cxstream.columns import native as encoding
from cxstream.kernels import native
from cxstream.pool import Pool
from cxstream.program import BlockKind, compile_plan, program_from_dict
from cxstream.tally import Tally, selfcheck, snapshot, tally, view_count
from cxstream.tally.matrix import Layout
from cxstream.tally.small_batch import SmallBatches
from tests.tally import data

RATING = {"kind": "rating", "scale": [1, 5]}
_INDEX = {"parts": {"a": {"items": ["q0", "q1", "q2", "nps"]}}}


def _program(ratings, **more):
    questions = {
        "nps": {"kind": "nps", "missing": [11, 12]},
        **{f"q{place}": RATING for place in range(ratings)},
        "pick": {"kind": "choice", "options": ["a", "b", "c"]},
        "many": {"kind": "choice", "options": [str(one) for one in range(9)], "multiple": True},
        **more.pop("questions", {}),
    }
    return program_from_dict({"name": "p", "questions": questions, **more})


GROUPED = {"dimensions": {"region": {}, "shop": {}}, "time": {"column": "at", "buckets": ["month"]}}
DRIVERS = {"models": {"drivers": {"outcome": "nps", "drivers": ["q0", "q1", "q2"]}}}
PROGRAMS = {
    "everything": data.PROGRAM,
    "patterns, pairs, a model, by group": _program(
        6, indices={"i": _INDEX}, **DRIVERS, **GROUPED, views=[{"by": ["region", "shop"]}]
    ),
    "patterns, pairs, a model, all together": _program(4, indices={"i": _INDEX}, **DRIVERS),
    "patterns in one vector": _program(3, indices={"i": _INDEX}, insights={"questions": []}),
    "two models, more than 8 questions": _program(
        20,
        insights={"questions": []},
        models={
            "a": {"outcome": "nps", "drivers": [f"q{place}" for place in range(18)]},
            "b": {"outcome": "q19", "drivers": ["q0", "q17"]},
        },
        **GROUPED,
    ),
    "two models, all together": _program(
        12,
        insights={"questions": []},
        models={
            "a": {"outcome": "nps", "drivers": [f"q{place}" for place in range(9)]},
            "b": {"outcome": "q10", "drivers": ["q0", "q11"]},
        },
    ),
    "large codes": _program(
        2,
        questions={"wide": {"kind": "rating", "scale": [0, 44]}},
        insights={"questions": []},
        models={"a": {"outcome": "wide", "drivers": ["q0", "q1"]}},
        dimensions={"region": {}},
    ),
    "many counts": _program(20, insights={"questions": []}, dimensions={"region": {}}),
    "sets of 8 bits": _program(
        6,
        questions={
            "eight": {
                "kind": "choice",
                "options": [str(one) for one in range(8)],
                "multiple": True,
            },
            "seven": {
                "kind": "choice",
                "options": [str(one) for one in range(7)],
                "multiple": True,
                "missing": ["none"],
            },
        },
        **DRIVERS,
        **GROUPED,
    ),
    "counts only": _program(2, insights={"questions": []}, dimensions={"region": {}}),
    "several answers only": program_from_dict(
        {
            "name": "p",
            "questions": {"many": {"kind": "choice", "options": ["a", "b"], "multiple": True}},
            "dimensions": {"region": {}},
        }
    ),
    # Counted straight from the digits, as "several answers only" is.
    **{
        f"one question by {' and '.join(by)}": program_from_dict(
            {
                "name": "p",
                "questions": {"nps": {"kind": "nps", "missing": [11]}},
                "dimensions": {name: {} for name in by},
                "views": [{"by": list(by)}],
                "insights": {"questions": []},
            }
        )
        for by in (("region",), ("region", "shop"), ("region", "shop", "floor"))
    },
    # The largest whose squares are added in 64 bits, block by block, and the smallest whose are not.
    **{
        f"a number up to {top} in a model": _program(
            3,
            questions={"spend": {"kind": "number", "range": [0, top], "missing": [-1]}},
            insights={"questions": []},
            models={
                "a": {"outcome": "nps", "drivers": ["q0", "spend", "q2"]},
                "b": {"outcome": "spend", "drivers": ["q1"]},
            },
        )
        for top in (2**27 - 1, 2**27)
    },
    # The same row by row, and the largest of 32 bits, and the smallest that has more.
    **{
        f"a number up to {top} in models, by group": _program(
            9,
            questions={"spend": {"kind": "number", "range": [0, top], "missing": [-1]}},
            insights={"questions": []},
            models={
                "a": {"outcome": "nps", "drivers": ["q0", "spend", "q2"]},
                "b": {"outcome": "spend", "drivers": ["q1"]},
                "c": {"outcome": "spend", "drivers": [f"q{place}" for place in range(9)]},
            },
            **GROUPED,
        )
        for top in (2**27 - 1, 2**27, 2**32 - 1, 2**32)
    },
    "numbers multiplied by each other, by group": _program(
        5,
        questions={name: {"kind": "number", "range": [0, 99_999]} for name in ("a", "b", "c")},
        insights={"questions": []},
        models={
            "scales": {"outcome": "a", "drivers": ["q0", "b", "q1", "q2"]},
            "alone": {"outcome": "c", "drivers": ["b", "a"]},
            "all": {"outcome": "nps", "drivers": ["a", "b", "c", *(f"q{at}" for at in range(5))]},
        },
        **GROUPED,
    ),
    "a number by scales of any length, by group": _program(
        20,
        questions={
            "spend": {"kind": "number", "range": [0, 99_999]},
            "long": {"kind": "rating", "scale": [0, 200]},
            "longer": {"kind": "rating", "scale": [0, 4000]},
        },
        insights={"questions": []},
        models={
            "a": {"outcome": "spend", "drivers": ["q0", "long"]},
            "b": {"outcome": "longer", "drivers": ["q1", "spend"]},
            "c": {"outcome": "spend", "drivers": [f"q{place}" for place in range(20)]},
        },
        **GROUPED,
    ),
    "numbers in more models than classes with numbers tell apart": _program(
        14,
        questions={f"n{at}": {"kind": "number", "range": [0, 99_999]} for at in range(10)},
        insights={"questions": []},
        models={
            f"m{at}": {"outcome": f"n{at % 10}", "drivers": ["nps", f"q{at}"]} for at in range(14)
        },
        dimensions={"region": {}},
    ),
    "a number beside as many patterns as classes tell apart": _program(
        12,
        questions={"spend": {"kind": "number", "range": [0, 99_999]}},
        indices={"i": {"parts": {"a": {"items": [f"q{place}" for place in range(12)]}}}},
        insights={"questions": []},
        models={"a": {"outcome": "spend", "drivers": ["q0", "q1"]}},
        dimensions={"region": {}},
    ),
    "numbers": program_from_dict(
        {
            "name": "p",
            "questions": {
                "spend": {"kind": "number", "range": [0, 2**45], "missing": [-1, -2]},
                "visits": {"kind": "number", "range": [0, 9]},
                "nps": {"kind": "nps"},
            },
            "models": {"m": {"outcome": "spend", "drivers": ["visits", "nps"]}},
            "insights": {"questions": []},
        }
    ),
}


def random_codes(program, rows, seed, levels=5, months=7):
    rng = np.random.default_rng(seed)

    def scale(question):
        codes = question.levels + len(question.missing) + 1
        drawn = rng.integers(0, question.levels, rows)
        lacking = rng.integers(question.levels, codes, rows)
        return np.where(rng.random(rows) < 0.06, lacking, drawn).astype(code_dtype(question))

    scales, numbers, choices = {}, {}, {}
    for question in program.questions.values():
        if question.is_number:
            top = min(question.levels, 2**45) - 1
            values = np.where(rng.random(rows) < 0.5, top, rng.integers(0, top + 1, rows))
            lacking = -1 - rng.integers(0, len(question.missing) + 1, rows)
            numbers[question.name] = np.where(rng.random(rows) < 0.1, lacking, values)
        elif question.multiple:
            sizes = np.where(rng.random(rows) < 0.01, 40, rng.integers(0, 4, rows))
            offsets = np.concatenate(([0], np.cumsum(sizes)))
            codes = rng.integers(0, question.levels + len(question.missing) + 1, offsets[-1])
            choices[question.name] = choice_codes(question, offsets, codes.astype(np.uint16))
        else:
            scales[question.name] = scale(question)
    names = tuple(f"L{place}" for place in range(levels))
    dimensions = {
        name: DimensionCodes(names, rng.integers(0, levels + 1, rows).astype(dtype))
        for name, dtype in zip(program.dimensions, (np.uint8, np.uint16, np.int32), strict=False)
    }
    buckets = None
    if program.time:
        indices = rng.integers(0, months + 1, rows).astype(np.uint8)
        buckets = BucketCodes(np.arange(600, 600 + months), indices)
    return Codes(rows, scales, numbers, choices, dimensions, buckets)


@contextmanager
def way(name, **limits):
    """Count in this way only: "rows", "order", or the lanes of a SIMD level."""
    before = encoding.simd_level()
    with ExitStack() as stack:
        for module, constant, value in (
            (tally.small_batch, "ROWS_MAX", 2**40 if name == "rows" else 0),
            (view_count, "_ENTRIES_MAX", 0 if name == "order" else 1 << 23),
            (view_count, "_GROUPS_PER_ROW_MAX", 2**40),
            *((native, constant, value) for constant, value in limits.items()),
        ):
            stack.enter_context(mock.patch.object(module, constant, value))
        if limits:
            stack.enter_context(mock.patch.object(native, "_IDLE", []))
        if name in encoding.simd_levels():
            encoding.set_simd_level(name)
        try:
            yield
        finally:
            encoding.set_simd_level(before)


def counted(program, batches, pool=None, questions=None):
    one = Tally(compile_plan(program, questions), pool)
    for codes in batches:
        one.admit(codes)
        one.update(codes)
    return snapshot(one)


WAYS = ["order", *encoding.simd_levels()]


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("rows", [1, 63, 64, 65, 3000])
def test_every_way_gives_the_same_bytes(program, rows):
    # Two batches: the second meets what the first has left in the scratches.
    batches = [random_codes(program, rows, rows), random_codes(program, rows, rows + 1)]
    with way("rows"):
        expected = counted(program, batches)
    for name in WAYS:
        with way(name):
            assert counted(program, batches) == expected, name


@pytest.mark.parametrize("missing", [[], ["none"]], ids=["null is no bit", "a reason"])
@pytest.mark.parametrize("levels", [1, 7, 8, 15, 16, 23, 24])
def test_several_answers_only_by_as_many_groups(levels, missing):
    """Of few groups rows are counted as bits, eight groups at a time, of more one by one."""
    options = [str(one) for one in range(8 - len(missing))]
    many = {"kind": "choice", "options": options, "multiple": True, "missing": missing}
    program = program_from_dict(
        {"name": "p", "questions": {"many": many}, "dimensions": {"region": {}}}
    )
    batches = [random_codes(program, rows, rows, levels=levels) for rows in (959, 2000)]
    with way("rows"):
        expected = counted(program, batches)
    for name in WAYS:
        with way(name):
            assert counted(program, batches) == expected, name


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_threads_do_not_matter(program):
    batches = [random_codes(program, 5000, 1)]
    expected = counted(program, batches)
    for threads in (2, 3):
        with (
            Pool(threads) as pool,
            mock.patch.object(tally, "PART_ROWS_MIN", 1),
            mock.patch.object(tally, "POOL_ROWS_MIN", 1),
        ):
            assert counted(program, batches, pool) == expected


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("name", encoding.simd_levels())
def test_what_several_threads_have_counted_is_added_together(program, name):
    """Also where the numbers of a slot do not hold the rows of all of them."""
    batches = [random_codes(program, 100_000, 2), random_codes(program, 100_000, 3)]
    with way(name):
        expected = counted(program, batches)
        for held in (None, 1):
            with (
                Pool(2) as pool,
                mock.patch.object(tally, "PART_ROWS_MIN", 1),
                mock.patch.object(tally, "POOL_ROWS_MIN", 1),
            ):
                one = Tally(compile_plan(program), pool)
                for codes in batches:
                    one.admit(codes)
                    one.update(codes)
                    plan = one._layout.lanes.count_plan.struct
                    plan.rows_max, before = held or plan.rows_max, plan.rows_max
                    one.settle()
                    plan.rows_max = before
                assert snapshot(one) == expected


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize(
    "limits",
    [
        {"_DIRECT_BYTES_MAX": 0},
        {"_DIRECT_BYTES_MAX": 0, "SLOTS_MAX": 1},
        {"_WIDE_MAX": 60},
    ],
    ids=["slots are looked up", "slots run out", "wide lanes run out"],
)
def test_scratches_that_are_full_are_expanded_on_the_way(program, limits):
    # The same again: counted by the call that is kept with it.
    batches = [random_codes(program, 9000, 3, levels=2, months=2)] * 3
    with way("rows"):
        expected = counted(program, batches)
    for name in encoding.simd_levels():
        with way(name, **limits):
            assert counted(program, batches) == expected, name


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_lanes_that_never_lack_an_answer_fill_and_spill(program):
    codes = random_codes(program, 4000, 5, levels=1, months=1)
    for question in program.questions.values():
        if question.name in codes.scales:
            codes.scales[question.name][:] = question.levels - 1
    with way("rows"):
        expected = counted(program, [codes])
    for name in WAYS:
        with way(name):
            assert counted(program, [codes]) == expected, name


@pytest.mark.parametrize("by", [["region"], []], ids=["by group", "all together"])
@pytest.mark.parametrize("ratings", [2, 6, 9])
def test_rows_of_a_slot_that_only_multiplies_fill_two_lanes(ratings, by):
    """As a one-off index has it: no question is counted, and a slot's rows are a sum of 16 bits like others."""
    names = [f"q{place}" for place in range(ratings)]
    program = program_from_dict(
        {
            "name": "p",
            "questions": dict.fromkeys(names, RATING),
            "indices": {"i": {"parts": {"a": {"items": names}}}},
            "dimensions": {name: {} for name in by},
            "insights": {"questions": []},
        }
    )
    codes = random_codes(program, 9000, 5, levels=1)
    for name in names:
        codes.scales[name][:] = 4
        codes.scales[name][::7] = 5  # no answer
    lanes = Layout(compile_plan(program, ())).lanes
    # Of more than seven no byte of a row's first word is left for a 1.
    assert lanes.count_plan.limit == (65535 // 5**2 if ratings < 8 else 255)
    with way("rows"):
        expected = counted(program, [codes, codes], questions=())
    for name in WAYS:
        with way(name):
            assert counted(program, [codes, codes], questions=()) == expected, name


#: By program, blocks with a number whose other products come from lanes.
SHARED = {
    "everything": ["complete:food,spend,visits", "complete:nps,food,visits"],
    **{
        f"a number up to {top} in a model": ["complete:nps,q0,q2,spend", "complete:q1,spend"]
        for top in (2**27 - 1, 2**27)
    },
    **{
        f"a number up to {top} in models, by group": [
            "complete:nps,q0,q2,spend",
            "complete:q1,spend",
            "complete:q0,q1,q2,q3,q4,q5,q6,q7,q8,spend",
        ]
        for top in (2**27 - 1, 2**27, 2**32 - 1, 2**32)
    },
    "numbers multiplied by each other, by group": [
        "complete:q0,q1,q2,a,b",
        "complete:nps,q0,q1,q2,q3,q4,a,b,c",
    ],
    "a number by scales of any length, by group": [
        f"complete:{','.join(f'q{place}' for place in range(20))},spend"
    ],
    "numbers in more models than classes with numbers tell apart": [
        f"complete:nps,q{at},n{at % 10}" for at in (0, 1, 10, 11, 12, 13, 2, 3)
    ],
    "numbers": ["complete:spend,visits,nps"],
}


def test_what_lanes_are_used_for():
    """The blocks that everything usual needs are counted in lanes; what they cannot hold is not."""
    for name, program in PROGRAMS.items():
        plan = compile_plan(program)
        layout = Layout(plan)
        lanes = layout.lanes
        for block in plan.blocks:
            codes = max(plan.slots[one].width for one in block.columns)
            fits = not block.wide and codes <= 46 and block.kind is not BlockKind.DISTINCT
            assert (block.key in lanes.blocks) == fits, (name, block.key)
            assert (block.key in lanes.wide) == block.wide
            assert (block.key in lanes.shared) == (block.key in SHARED.get(name, ())), (
                name, block.key,
            )  # fmt: skip
        small = SmallBatches(plan, layout.singles, [], {})
        assert small.blocks == {
            block.key for block in plan.blocks if block.kind is not BlockKind.DISTINCT
        }


def test_the_check_that_doctor_runs_finds_a_wrong_kernel():
    assert all(ok for ok, _ in selfcheck.run())
    right = native.Used.keep

    def wrong(used, counts, *more):
        right(used, counts, *more)
        counts[0, -1] += 1

    with mock.patch.object(native.Used, "keep", wrong):
        found = [one for one in selfcheck.run() if "weights" not in one[1]]
    assert not any(ok for ok, _ in found)
    assert all("lanes differ" in detail for _, detail in found)


def test_the_check_that_doctor_runs_finds_wrong_weights():
    right = native.WeightedRows.add

    def wrong(self, runs, few, counts, tables):
        right(self, runs, few, counts, tables)
        if counts is not None:
            counts[0][0, -1] += 1
            counts[0][:, 5] += 1
        for table in tables:
            table.low[0, -1] += 1

    with mock.patch.object(native.WeightedRows, "add", wrong):
        found = [one for one in selfcheck.run() if "weights" in one[1]]
    assert len(found) == 2
    assert not any(ok for ok, _ in found)
    assert all("weighted:counts and weighted:complete" in detail for _, detail in found)


def test_patterns_of_too_many_columns_are_counted_in_order():
    items = [f"q{place}" for place in range(13)]
    program = _program(
        13, indices={"i": {"parts": {"a": {"items": items}}}}, insights={"questions": []}
    )
    assert not Layout(compile_plan(program)).lanes.blocks
    batches = [random_codes(program, 2000, 9)]
    with way("rows"):
        expected = counted(program, batches)
    assert counted(program, batches) == expected


def test_codes_in_batches_of_any_size_give_the_same_bytes():
    program = PROGRAMS["patterns, pairs, a model, by group"]
    rng = random.Random(4)
    whole = random_codes(program, 4000, 4)

    def part(begin, end):
        offsets = whole.choices["many"].offsets
        first, last = offsets[begin], offsets[end]
        return Codes(
            end - begin,
            {name: one[begin:end] for name, one in whole.scales.items()},
            {},
            {"many": choice_codes(program.questions["many"], offsets[begin : end + 1] - first, whole.choices["many"].codes[first:last])},
            {
                name: DimensionCodes(one.levels, one.indices[begin:end])
                for name, one in whole.dimensions.items()
            },
            BucketCodes(whole.buckets.buckets, whole.buckets.indices[begin:end]),
        )  # fmt: skip

    edges = [0, *sorted(rng.sample(range(1, 4000), 12)), 4000]
    parts = [part(begin, end) for begin, end in itertools.pairwise(edges)]
    assert counted(program, parts) == counted(program, [whole])


@pytest.mark.parametrize("apart", [0, 3, 5000], ids=["same months", "some months on", "years on"])
def test_groups_keep_their_numbers_while_levels_and_months_come_and_go(apart):
    """Levels in another order, new ones, months before and after: counted in one go or asked between."""
    program = PROGRAMS["patterns, pairs, a model, by group"]
    rng = np.random.default_rng(12)
    batches = []
    for number, (levels, months) in enumerate([(3, 2), (3, 2), (9, 4), (2, 1), (40, 7), (5, 3)]):
        codes = random_codes(program, 1500, number, levels=levels, months=months)
        for name, one in codes.dimensions.items():
            names = tuple(f"L{place}" for place in rng.permutation(levels))
            codes.dimensions[name] = DimensionCodes(names, one.indices)
        first = 600 + apart * int(rng.integers(-3, 4))
        buckets = BucketCodes(np.arange(first, first + months), codes.buckets.indices)
        batches.append(dataclasses.replace(codes, buckets=buckets))
    far = np.array([100, 100_000], dtype=np.int64)  # in one batch
    batches.insert(
        3, dataclasses.replace(random_codes(program, 900, 9, months=2), buckets=BucketCodes(far, rng.integers(0, 3, 900).astype(np.uint8)))
    )  # fmt: skip
    with way("rows"):
        expected = counted(program, batches)
    assert counted(program, batches) == expected
    asked = Tally(compile_plan(program))
    for codes in batches:
        asked.admit(codes)
        asked.update(codes)
        asked.settle()
    assert snapshot(asked) == expected


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_batches_in_the_same_arrays_give_the_same_bytes(program):
    """Arrays that are filled again, of two sizes, counted by two tallies that are asked now and then."""
    contents = [random_codes(program, 700 + 100 * (seed % 2), seed) for seed in range(8)]
    with way("rows"):
        expected = counted(program, contents)
    places = [copy.deepcopy(one) for one in contents[:2]]
    tallies = [Tally(compile_plan(program)) for _ in range(2)]
    for number, content in enumerate(contents):
        codes = places[number % 2]
        for there, given in (
            (codes.scales, content.scales),
            (codes.numbers, content.numbers),
            ({name: one.indices for name, one in codes.dimensions.items()},
             {name: one.indices for name, one in content.dimensions.items()}),
            ({name: one.sets for name, one in codes.choices.items()},
             {name: one.sets for name, one in content.choices.items()}),
        ):  # fmt: skip
            for name, array in there.items():
                array[:] = given[name]
        for choice in codes.choices.values():
            choice.forget()
        if codes.buckets is not None:
            codes.buckets.indices[:] = content.buckets.indices
        for place, one in enumerate(tallies):
            one.admit(codes)
            one.update(codes)
            if place and number % 3 == 2:
                one.settle()
    assert [snapshot(one) for one in tallies] == [expected] * 2


def test_what_waits_is_settled_before_it_takes_too_much():
    program = PROGRAMS["patterns, pairs, a model, by group"]
    batches = [random_codes(program, 1500, seed) for seed in range(3)]
    expected = counted(program, batches)
    one = Tally(compile_plan(program))
    with mock.patch.object(tally, "WAITING_BYTES_MAX", 0):
        for codes in batches:
            one.admit(codes)
            one.update(codes)
            assert sum(view.counts.table[:, 0].sum() for view in one.views) > 0
    assert snapshot(one) == expected


def test_tallies_of_one_plan_number_levels_by_themselves():
    program = PROGRAMS["counts only"]
    plan = compile_plan(program)
    codes = random_codes(program, 600, 1)
    turned = dataclasses.replace(
        codes,
        dimensions={
            name: DimensionCodes(tuple(reversed(one.levels)), one.indices)
            for name, one in codes.dimensions.items()
        },
    )
    alone = Tally(plan)
    alone.update(codes)
    after = Tally(plan)
    for one in (turned, codes):  # whose levels have other numbers here
        after.admit(one)
        after.update(one)
    twice = Tally(plan)
    for one in (dataclasses.replace(codes), dataclasses.replace(turned)):
        twice.update(one)
    assert snapshot(after) == snapshot(twice) != snapshot(alone)
