"""The same responses give the same bytes, whatever happened on the way; and every slice is exact."""

import random
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxstream.errors import FailedPreconditionError, ResourceExhaustedError
from cxstream.pool import Pool
from cxstream.program import BlockKind, compile_plan, program_from_dict
from cxstream.tally import (
    PatternSums,
    Selection,
    Tally,
    combinations,
    copied,
    cut,
    restore,
    snapshot,
)
from cxstream.tally import tally as tally_module
from tests.reference import tally as oracle
from tests.tally import data

PLAN, PROGRAM = data.PLAN, data.PROGRAM
slow_enough = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def pool():
    # Batches here are small: hand over every one, so that threads are really used.
    with Pool(4) as executor, mock.patch.object(tally_module, "POOL_ROWS_MIN", 1):
        yield executor


def tally_of(rows, *, sizes=None, pool=None, shuffle=None, plan=PLAN, program=PROGRAM):
    tally = Tally(plan, pool)
    at = 0
    for size in sizes or [len(rows)]:
        batch = rows[at : at + size]
        at += size
        if batch:
            codes = data.codes(batch, program, shuffle)
            tally.admit(codes)
            tally.update(codes)
    return tally


def partition(rng, total):
    sizes = []
    while sum(sizes) < total:
        sizes.append(rng.choice([1, 2, 7, 40]))
    return sizes


# --- equal responses, equal bytes -----------------------------------------------------------------


@slow_enough
@given(st.integers(0, 2**32), st.integers(0, 120))
def test_batching_order_and_threads_do_not_matter(pool, seed, count):
    rows = data.responses(seed, count)
    expected = snapshot(tally_of(rows))
    rng = random.Random(seed)
    mixed = rng.sample(rows, len(rows))
    for workers in (None, pool):
        tally = tally_of(mixed, sizes=partition(rng, count), pool=workers, shuffle=rng)
        assert tally.responses == count
        assert snapshot(tally) == expected


def test_a_copy_stays_as_it_was():
    rows = data.responses(5, 120)
    tally = tally_of(rows[:70])
    expected, copy = snapshot(tally), copied(tally)
    tally.merge(tally_of(rows[70:]))
    assert copy.to_bytes() == expected != snapshot(tally)


@slow_enough
@given(st.integers(0, 2**32), st.integers(1, 100))
def test_any_merge_tree_gives_the_same(seed, count):
    rng = random.Random(seed)
    rows = data.responses(seed, count)
    expected = snapshot(tally_of(rows))
    mixed = rng.sample(rows, len(rows))
    leaves, at = [Tally(PLAN)], 0
    for size in partition(rng, count):
        leaves.append(tally_of(mixed[at : at + size]))
        at += size
    while len(leaves) > 1:
        a = leaves.pop(rng.randrange(len(leaves)))
        leaves[rng.randrange(len(leaves))].merge(a)
    assert snapshot(leaves[0]) == expected
    assert leaves[0].responses == count


@slow_enough
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(0, 60))
def test_subtracting_restores_the_bytes(seed, first, second):
    kept, taken = data.responses(seed, first), data.responses(seed + 1, second)
    expected = snapshot(tally_of(kept))
    live = tally_of(kept)
    if taken:
        live.update(data.codes(taken))
    live.subtract(tally_of(taken))
    assert snapshot(live) == expected
    # Also through merges, and back to nothing.
    merged = tally_of(taken)
    merged.merge(tally_of(kept))
    merged.subtract(tally_of(taken))
    assert snapshot(merged) == expected
    merged.subtract(tally_of(kept))
    assert snapshot(merged) == snapshot(Tally(PLAN))
    # What was emptied counts on as before.
    merged.merge(tally_of(kept))
    assert snapshot(merged) == expected


def test_one_row_at_a_time_equals_one_batch():
    rows = data.responses(5, 300)
    assert snapshot(tally_of(rows, sizes=[1] * 300)) == snapshot(tally_of(rows))


@slow_enough
@given(st.integers(0, 2**32), st.integers(0, 80))
def test_restore_gives_the_same_tally(seed, count):
    rows = data.responses(seed, count)
    tally = tally_of(rows)
    data_bytes = snapshot(tally)
    again = restore(PLAN, data_bytes)
    assert again.responses == count
    assert snapshot(again) == data_bytes
    more = data.responses(seed + 7, 20)
    for one in (tally, again):
        one.update(data.codes(more))
    assert snapshot(tally) == snapshot(again)


def test_merging_with_itself_doubles():
    rows = data.responses(3, 50)
    tally = tally_of(rows)
    tally.merge(tally)
    assert snapshot(tally) == snapshot(tally_of(rows + rows))
    tally.subtract(tally)
    assert snapshot(tally) == snapshot(Tally(PLAN))


@pytest.mark.parametrize("first", [-3, 0, 17_000])
@pytest.mark.parametrize("nulls", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("far", [False, True])
def test_few_groups_or_many_are_counted_alike(first, nulls, far):
    # 900 rows of few groups are numbered outright; one by one, or far apart, they are looked up.
    rng = random.Random(first)
    rows = data.responses(first, 900, levels=1)
    for row in rows:
        row["bucket"] = None if rng.random() < nulls else first + rng.randrange(4)
        row["levels"]["shop"] = rng.choice([None, "a"])
    if far:
        rows[0]["bucket"], rows[1]["bucket"] = -300_000, 300_000
    whole = tally_of(rows)
    assert snapshot(whole) == snapshot(tally_of(rows, sizes=[450, 40, *[1] * 410]))
    for by in (("region", "shop"), ("month", "age")):
        check_slice(whole, rows, by, None, None, None)


def test_a_batch_without_rows_changes_nothing():
    tally = tally_of(data.responses(1, 10))
    before = snapshot(tally)
    tally.update(data.codes([]))
    assert snapshot(tally) == before


# --- slices against the oracle --------------------------------------------------------------------

_BYS = [
    (),
    ("region",),
    ("shop",),
    ("age",),
    ("region", "shop"),
    ("shop", "region"),
    ("day",),
    ("week",),
    ("month", "region"),
    ("age", "quarter"),
    ("year",),
    ("shop", "week", "region"),
]
_WHERES = [
    None,
    {"region": frozenset({"L1", None})},
    {"shop": frozenset({"7", "", "never seen"})},
    {"region": frozenset({"L0", "L2"}), "shop": frozenset({None, "L1", "-3"})},
    {"region": frozenset({"never seen"})},
    {"age": frozenset()},
]
_RANGES = [(None, None), (0, None), (None, 0), (17_050, 17_200), (-3, 17_100), (9, 9)]


def check_slice(tally, rows, by, where, since, until):
    wanted = {*by, *(where or {})} & set(PROGRAM.dimensions)
    selection = Selection(by, where, since, until)
    if "age" in wanted and len(wanted) > 1:
        with pytest.raises(FailedPreconditionError) as caught:
            cut(tally, selection, slice(0, 0), None)
        assert caught.value.reason == "NO_VIEW"
        assert caught.value.metadata["view"] == " x ".join(
            name for name in PROGRAM.dimensions if name in wanted
        )
        return
    found = oracle.groups(rows, by, PLAN.time_unit, where, since, until)
    if not by:
        found.setdefault((), [])
    for question in PROGRAM.questions.values():
        slot = PLAN.slots[question.name]
        got = cut(tally, selection, slice(slot.start, slot.start + slot.width), None)
        assert set(got.groups) == set(found)
        assert len(set(got.groups)) == len(got.groups)
        for place, group in enumerate(got.groups):
            assert got.rows[place] == len(found[group])
            assert got.counts[place].tolist() == oracle.counts(question, found[group])
    for block in PLAN.blocks:
        got = cut(tally, selection, slice(0, 0), block)
        some = cut(tally, selection, slice(0, 0), block, products=slice(1, 3)).sums
        if block.kind is BlockKind.DISTINCT:
            check_combinations(block, got, found)
            continue
        if block.kind is BlockKind.PATTERN:
            assert some.pattern.tolist() == got.sums.pattern.tolist()
            assert some.sums.tolist() == got.sums.sums[:, 1:3].tolist()
            assert isinstance(got.sums, PatternSums)
            sums = {group: {} for group in got.groups}
            for group, pattern, row in zip(
                got.sums.group, got.sums.pattern, got.sums.sums, strict=True
            ):
                assert int(pattern) not in sums[got.groups[group]]
                sums[got.groups[group]][int(pattern)] = row.tolist()
            expected = {key: oracle.patterns(block.columns, one) for key, one in found.items()}
            assert sums == expected
            continue
        assert some.tolist() == got.sums[:, 1:3].tolist()
        slow = oracle.complete if block.kind is BlockKind.COMPLETE else oracle.pairs
        for place, group in enumerate(got.groups):
            assert [int(one) for one in got.sums[place]] == slow(block.columns, found[group])


def check_combinations(block, got, found):
    counted = {group: {} for group in got.groups}
    for row, count, group in zip(*combinations(got.sums), strict=True):
        assert tuple(row.tolist()) not in counted[got.groups[group]]
        counted[got.groups[group]][tuple(row.tolist())] = count
    assert counted == {
        group: oracle.combinations(block.columns, rows) for group, rows in found.items()
    }


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(0, 150),
    st.sampled_from(_BYS),
    st.sampled_from(_WHERES),
    st.sampled_from(_RANGES),
)
def test_slices_equal_the_oracle(seed, count, by, where, since_until):
    rows = data.responses(seed, count)
    rng = random.Random(seed)
    tally = tally_of(rows, sizes=partition(rng, count))
    check_slice(tally, rows, by, where, *since_until)


@pytest.mark.parametrize("by", _BYS)
def test_slices_of_a_tally_that_was_merged_subtracted_and_restored(by):
    rows, taken = data.responses(11, 200), data.responses(12, 100)
    tally = tally_of(rows[:80])
    tally.merge(tally_of(taken + rows[80:]))
    tally.subtract(tally_of(taken))
    for one in (tally, restore(PLAN, snapshot(tally))):
        for where in _WHERES[:2]:
            check_slice(one, rows, by, where, None, None)


def test_groups_come_sorted_numbers_first_null_last():
    levels = ["10", "9", "b", "-3", None, "a", ""]
    rows = data.responses(1, len(levels))
    for row, level, bucket in zip(rows, levels, [5, None, 3, -1, 0, 3, 2], strict=True):
        row["levels"]["age"], row["bucket"] = level, bucket
    tally = tally_of(rows)
    got = cut(tally, Selection(("age",)), slice(0, 0), None)
    assert [group[0] for group in got.groups] == ["-3", "9", "10", "", "a", "b", None]
    got = cut(tally, Selection(("day",)), slice(0, 0), None)
    assert [group[0] for group in got.groups] == [-1, 0, 2, 3, 5, None]


@pytest.mark.parametrize("by", [(), ("region",), ("month",)])
def test_an_empty_tally_has_empty_slices(by):
    for block in (None, *PLAN.blocks):
        got = cut(Tally(PLAN), Selection(by), slice(0, 3), block)
        assert got.groups == ([] if by else [()])
        assert got.rows.tolist() == ([] if by else [0])
        assert got.counts.shape == (len(got.groups), 3)
        assert not got.counts.any()
        if isinstance(got.sums, PatternSums):
            assert len(got.sums.group) == 0
        elif block is not None:
            assert got.sums.shape == (len(got.groups), len(block.products))
            assert not got.sums.any()


def test_a_slice_is_a_copy():
    tally = tally_of(data.responses(2, 20))
    before = snapshot(tally)
    for block in PLAN.blocks:
        got = cut(tally, Selection(), slice(0, 5), block)
        got.counts[:] = -1
        sums = got.sums.sums if isinstance(got.sums, PatternSums) else got.sums
        sums[:] = -1
    assert snapshot(tally) == before


# --- wide sums ------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", [2**45, 2**45 - 1, 2**23, 1])
def test_sums_beyond_64_bits(top):
    plan = compile_plan(
        program := program_from_dict(
            {"name": "p", "questions": {"x": {"kind": "number", "range": [0, 2**45]}}}
        )
    )
    count = 70_000  # more than one block of 65,536 rows
    codes = data.codes([{"levels": {}, "bucket": None, "answers": {"x": top}}], program)
    codes.numbers["x"] = np.full(count, top)
    object.__setattr__(codes, "rows", count)
    tally = Tally(plan)
    tally.update(codes)
    tally.update(codes)
    (block,) = plan.blocks
    expected = [2 * count, 2 * count * top, 2 * count * top * top]
    assert cut(tally, Selection(), slice(0, 0), block).sums.tolist() == [expected]
    half = Tally(plan)
    half.update(codes)
    tally.merge(half)
    tally.subtract(half)
    assert cut(tally, Selection(), slice(0, 0), block).sums.tolist() == [expected]
    again = restore(plan, snapshot(tally))
    assert cut(again, Selection(), slice(0, 0), block).sums.tolist() == [expected]


# --- limits and refusals --------------------------------------------------------------------------


def with_level(row, name, level):
    return {**row, "levels": {**row["levels"], name: level}}


def test_a_level_too_many_is_refused_with_its_row():
    rows = data.responses(9, 1)
    first = [with_level(rows[0], "region", f"r{place}") for place in range(39)]
    tally = tally_of(first)
    before = snapshot(tally)
    batch = [with_level(rows[0], "region", one) for one in ("r1", "last", "r2", "over", "more")]
    with pytest.raises(ResourceExhaustedError) as caught:
        tally.admit(data.codes(batch))
    assert caught.value.reason == "TOO_MANY_LEVELS"
    assert (caught.value.column, caught.value.row) == ("region", 3)
    assert "'over'" in caught.value.message
    assert snapshot(tally) == before
    # What fits still fits, and the cap holds for merges as well.
    tally.admit(data.codes(batch[:3]))
    tally.update(data.codes(batch[:3]))
    before = snapshot(tally)
    with pytest.raises(ResourceExhaustedError) as caught:
        tally.merge(tally_of(batch[3:]))
    assert caught.value.column == "region"
    assert snapshot(tally) == before
    assert tally.responses == 42


@pytest.mark.parametrize(
    "change",
    [
        lambda row: with_level(row, "region", "unheard of"),
        lambda row: {**row, "bucket": 99_999},
        lambda row: {**row, "answers": {**row["answers"], "nps": 3}},
        lambda row: {**row, "answers": {**row["answers"], "spend": None}},
    ],
)
def test_subtracting_what_is_not_there_is_refused(change):
    rows = data.responses(21, 40)
    rows[0]["answers"].update(nps=10, spend=5, food=2)
    rows = [one for one in rows if one is rows[0] or one["levels"] != rows[0]["levels"]]
    tally = tally_of(rows)
    before = snapshot(tally)
    with pytest.raises(ValueError, match="holds responses that this one does not"):
        tally.subtract(tally_of([change(rows[0])]))
    assert snapshot(tally) == before
    assert tally.responses == len(rows)


def test_subtracting_a_mixture_of_two_responses_is_refused():
    # Every single count is there; no response answered just this.
    base = data.responses(4, 1)[0]

    def row(nps, food):
        return {**base, "answers": {**base["answers"], "nps": nps, "food": food, "staff": None}}

    tally = tally_of([row(9, None), row(None, 3)])
    before = snapshot(tally)
    with pytest.raises(ValueError, match="does not"):
        tally.subtract(tally_of([row(9, 3)]))
    assert snapshot(tally) == before


def test_tallies_of_other_plans_do_not_mix():
    other = compile_plan(program_from_dict({"name": "p", "questions": {"q": {"kind": "nps"}}}))
    tally = Tally(PLAN)
    for call in (tally.merge, tally.subtract):
        with pytest.raises(ValueError, match="different plans"):
            call(Tally(other))
    with pytest.raises(ValueError, match="another plan"):
        restore(PLAN, snapshot(Tally(other)))


def test_damaged_snapshots_raise_value_error():
    good = snapshot(tally_of(data.responses(31, 12)))
    rng = random.Random(0)
    for size in [*range(40), *rng.sample(range(len(good)), 100), len(good) - 1]:
        with pytest.raises(ValueError, match="snapshot"):
            restore(PLAN, good[:size])
    for _ in range(300):
        damaged = bytearray(good)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        with pytest.raises(ValueError, match="snapshot"):
            restore(PLAN, bytes(damaged))


# --- many cells -----------------------------------------------------------------------------------


def test_many_cells_grow_the_index_several_times():
    program = program_from_dict(
        {
            "name": "p",
            "questions": {"q": {"kind": "rating", "scale": [1, 3]}, "r": {"kind": "nps"}},
            "dimensions": {"a": {"max_levels": 1000}, "b": {"max_levels": 1000}},
            "indices": {"i": {"parts": {"p": {"items": ["q", "r"]}}}},
            "views": [{"by": ["a", "b"]}],
        }
    )
    plan = compile_plan(program)
    rng = random.Random(8)
    rows = [
        {
            "levels": {"a": str(rng.randrange(150)), "b": str(rng.randrange(150))},
            "bucket": None,
            "answers": {"q": rng.choice([0, 1, 2, None]), "r": rng.choice([0, 5, 10, None])},
        }
        for _ in range(20_000)
    ]
    one = tally_of(rows, plan=plan, program=program)
    many = tally_of(rows, sizes=[1, 100, 5000, 7, 14_892], plan=plan, program=program)
    assert len(one.views) == 1
    one.settle()
    assert one.views[0].index.count > 10_000
    assert snapshot(one) == snapshot(many)
    again = restore(plan, snapshot(one))
    found = oracle.groups(rows, ("a", "b"))
    for tally in (one, many, again):
        slot = plan.slots["q"]
        got = cut(tally, Selection(("a", "b")), slice(slot.start, slot.start + 4), plan.blocks[0])
        assert len(got.groups) == len(found)
        for place, group in enumerate(got.groups):
            assert got.counts[place].tolist() == oracle.counts(program.questions["q"], found[group])
