"""Survey weights and fourth-order moments: exact in every slice, whatever happened on the way."""

import random
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxstream.pool import Pool
from cxstream.program import BlockKind, compile_plan, program_from_dict
from cxstream.tally import PatternSums, Selection, Tally, cut, restore, snapshot
from cxstream.tally import tally as tally_module
from tests.reference import tally as oracle
from tests.tally import data

PLAN, PROGRAM = data.WEIGHTED_PLAN, data.WEIGHTED
slow_enough = settings(max_examples=12, deadline=None)


@pytest.fixture(scope="module")
def pool():
    with Pool(4) as executor, mock.patch.object(tally_module, "POOL_ROWS_MIN", 1):
        yield executor


def responses(seed, count, **more):
    return data.responses(seed, count, program=PROGRAM, **more)


def tally_of(rows, sizes=None, pool=None, plan=PLAN, program=PROGRAM):
    tally = Tally(plan, pool)
    at = 0
    for size in sizes or [len(rows)]:
        batch = rows[at : at + size]
        at += size
        if batch:
            codes = data.codes(batch, program)
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
@given(st.integers(0, 2**32), st.integers(0, 80), st.sampled_from([2, 6, 9, None]))
def test_batching_order_threads_and_merges_do_not_matter(pool, seed, count, heaviest):
    rows = responses(seed, count, heaviest=heaviest)
    expected = snapshot(tally_of(rows))
    rng = random.Random(seed)
    mixed = rng.sample(rows, len(rows))
    sizes = partition(rng, count)
    assert snapshot(tally_of(mixed, sizes, pool)) == expected
    leaves, at = [Tally(PLAN)], 0
    for size in sizes:
        leaves.append(tally_of(mixed[at : at + size]))
        at += size
    while len(leaves) > 1:
        one = leaves.pop(rng.randrange(len(leaves)))
        leaves[rng.randrange(len(leaves))].merge(one)
    assert snapshot(leaves[0]) == expected
    assert snapshot(restore(PLAN, expected)) == expected


@slow_enough
@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(1, 40), st.sampled_from([2, 6, 9]))
def test_subtracting_restores_the_bytes(seed, first, second, heaviest):
    """What is taken out had weights of any size; nothing shows that they were there."""
    kept, taken = responses(seed, first, heaviest=heaviest), responses(seed + 1, second)
    expected = snapshot(tally_of(kept))
    live = tally_of(kept)
    live.update(data.codes(taken, PROGRAM))
    live.subtract(tally_of(taken))
    assert snapshot(live) == expected
    restored = restore(PLAN, snapshot(tally_of(taken + kept)))
    restored.subtract(tally_of(taken))
    restored.subtract(tally_of(kept))
    assert snapshot(restored) == snapshot(Tally(PLAN))
    restored.merge(tally_of(kept))
    assert snapshot(restored) == expected


# --- slices against the oracle --------------------------------------------------------------------


def expected_sums(block, rows, power):
    """What a group has of a block with one power of the weight; a pattern block by pattern."""
    if block.kind is BlockKind.PATTERN:
        found = oracle.weighted_patterns(block.columns, rows, power)
        return {key: row[: 1 if power == 0 else None] for key, row in found.items()}
    fourth = block.kind is BlockKind.FOURTH
    order = (0, 2, 4 if fourth else 2)[power]
    return oracle.monomials(block.columns, rows, order, power)


def check_slice(tally, rows, by=(), where=None, since=None, until=None, program=PROGRAM):
    plan = tally.plan
    selection = Selection(by, where, since, until)
    found = oracle.groups(rows, by, plan.time_unit, where, since, until)
    if not by:
        found.setdefault((), [])
    for question in program.questions.values():
        slot = plan.slots[question.name]
        columns = slice(slot.start, slot.start + slot.width)
        got = cut(tally, selection, columns, None, weighted=True)
        assert set(got.groups) == set(found)
        for place, group in enumerate(got.groups):
            weighing = oracle.weighing(found[group])
            assert got.rows[place] == len(found[group])
            assert got.counts[place].tolist() == oracle.counts(question, found[group])
            for power, one in enumerate(got.weighted):
                assert one.rows[place] == sum(row["weight"] ** power for row in weighing)
                wanted = oracle.weighted_counts(question, weighing, power)
                assert one.counts[place].tolist() == wanted
                assert one.sums is None
    for block in plan.blocks:
        if block.kind in (BlockKind.PAIRS, BlockKind.DISTINCT):
            with pytest.raises(ValueError, match=f"no weighted sums of {block.kind}"):
                cut(tally, selection, slice(0, 0), block, weighted=True)
            continue
        got = cut(tally, selection, slice(0, 0), block, weighted=True)
        if block.kind is BlockKind.FOURTH:
            for place, group in enumerate(got.groups):
                wanted = oracle.monomials(block.columns, found[group], 4)
                assert got.sums[place].tolist() == wanted
        for power, one in enumerate(got.weighted):
            sums = [{} for _ in got.groups]
            if isinstance(one.sums, PatternSums):
                columns = one.sums.group, one.sums.pattern, one.sums.sums
                for group, pattern, row in zip(*columns, strict=True):
                    sums[group][int(pattern)] = row.tolist()
            else:
                sums = [row.tolist() for row in one.sums]
            for place, group in enumerate(got.groups):
                weighing = oracle.weighing(found[group])
                assert sums[place] == expected_sums(block, weighing, power)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(0, 80),
    st.sampled_from([(), ("region",), ("age", "quarter"), ("shop", "region")]),
    st.sampled_from([None, {"region": frozenset({"L1", None})}, {"shop": frozenset({"never"})}]),
    st.sampled_from([(None, None), (0, None), (9, 9)]),
    st.sampled_from([2, 8, None]),
)
def test_slices_equal_the_oracle(seed, count, by, where, since_until, heaviest):
    if "age" in by:
        where = None
    rows = responses(seed, count, heaviest=heaviest)
    tally = tally_of(rows, partition(random.Random(seed), count))
    check_slice(tally, rows, by, where, *since_until)


def test_slices_of_a_tally_that_was_merged_subtracted_and_restored():
    rows, taken = responses(11, 60), responses(12, 40)
    tally = tally_of(rows[:20])
    tally.merge(tally_of(taken + rows[20:]))
    tally.subtract(tally_of(taken))
    for one in (tally, restore(PLAN, snapshot(tally))):
        check_slice(one, rows, ("region",))


def test_many_rows_of_large_weights():
    """More than one block of every kernel, at the bounds that their sums are proved for."""
    tables = {
        "name": "p",
        "questions": {name: dict(data.SLIDER) for name in "abc"},
        "weight": {"column": "w", "step": 1},
        "models": {"m": {"outcome": "a", "drivers": ["b", "c"], "robust": True}},
        "indices": {"i": {"parts": {"p": {"items": ["a", "b"]}}}},
        "insights": {"questions": []},
    }
    program = program_from_dict(tables)
    plan = compile_plan(program)
    for heaviest in (2**31 - 1, 2**45 - 1):
        answers = {"a": 107, "b": 107, "c": 107}
        row = {"levels": {}, "bucket": None, "answers": answers, "weight": heaviest}
        other = {**row, "answers": {"a": 107, "b": None, "c": 3}}
        codes = data.codes([row] * 5000 + [other] * 70_000, program)
        tally = Tally(plan)
        tally.update(codes)
        tally.update(codes)
        for block in plan.blocks:
            got = cut(tally, Selection(), slice(0, 0), block, weighted=True)
            for power, one in enumerate(got.weighted):
                first = expected_sums(block, [row], power)
                second = expected_sums(block, [other], power)
                if isinstance(one.sums, PatternSums):
                    for pattern, sums in zip(one.sums.pattern, one.sums.sums, strict=True):
                        times = 10_000 if pattern == 3 else 140_000
                        wanted = {**first, **second}[int(pattern)]
                        assert sums.tolist() == [times * value for value in wanted]
                else:
                    assert one.sums[0].tolist() == [10_000 * value for value in first]
        assert (
            cut(tally, Selection(), slice(0, 1), None, weighted=True).weighted[2].rows[0]
            == 150_000 * heaviest**2
        )


# --- edge cases -----------------------------------------------------------------------------------


def rows_of(weights, seed=1, region="x"):
    rows = responses(seed, len(weights))
    for row, weight in zip(rows, weights, strict=True):
        row["weight"] = weight
        row["levels"]["region"] = region
    return rows


def test_a_weight_of_zero_counts_and_adds_nothing():
    rows = rows_of([0, 5])
    got = cut(tally_of(rows), Selection(), slice(0, 1), None, weighted=True)
    assert [one.rows.tolist() for one in got.weighted] == [[2], [5], [25]]
    assert snapshot(tally_of(rows)) != snapshot(tally_of(rows[1:]))


def test_a_cell_whose_weights_are_all_zero_is_there():
    rows = rows_of([0, 0, 0]) + rows_of([3], region="y")
    tally = tally_of(rows)
    for one in (tally, restore(PLAN, snapshot(tally))):
        check_slice(one, rows, ("region",))
        got = cut(one, Selection(("region",)), slice(0, 1), None, weighted=True)
        assert got.groups == [("x",), ("y",)]
        assert [some.rows.tolist() for some in got.weighted] == [[3, 1], [0, 3], [0, 9]]


def test_a_weight_that_is_null_leaves_the_response_out_of_weighted_sums_only():
    rows = rows_of([None, None, 4])
    tally = tally_of(rows)
    check_slice(tally, rows, ("region",))
    got = cut(tally, Selection(), slice(0, 1), None, weighted=True)
    assert got.rows.tolist() == [3]
    assert [one.rows.tolist() for one in got.weighted] == [[1], [4], [16]]


def test_a_batch_without_weights_counts_as_one_of_nulls():
    rows = rows_of([None] * 9)
    codes = data.codes(rows, PROGRAM)
    object.__setattr__(codes, "weights", None)
    tally = Tally(PLAN)
    tally.admit(codes)
    tally.update(codes)
    assert snapshot(tally) == snapshot(tally_of(rows))


@pytest.mark.parametrize("by", [(), ("region",)])
def test_an_empty_tally_has_empty_weighted_slices(by):
    for block in (None, *PLAN.blocks):
        if block is not None and block.kind in (BlockKind.PAIRS, BlockKind.DISTINCT):
            continue
        got = cut(Tally(PLAN), Selection(by), slice(0, 3), block, weighted=True)
        full = cut(tally_of(responses(1, 5)), Selection(), slice(0, 3), block, weighted=True)
        for one, other in zip(got.weighted, full.weighted, strict=True):
            assert one.rows.tolist() == ([] if by else [0])
            assert one.counts.shape == (len(got.groups), 3)
            assert (one.rows.dtype, one.counts.dtype) == (other.rows.dtype, other.counts.dtype)
            if isinstance(one.sums, PatternSums):
                assert one.sums.sums.shape == (0, other.sums.sums.shape[1])
            elif block is not None:
                assert one.sums.shape == (len(got.groups), other.sums.shape[1])
                assert not one.sums.any()


def test_without_a_weight_nothing_is_weighted():
    assert data.PLAN.weighted == ()
    with pytest.raises(ValueError, match="no weighted sums of counts"):
        cut(Tally(data.PLAN), Selection(), slice(0, 1), None, weighted=True)


def test_large_weights_take_room_only_once_they_come():
    small, large = rows_of([1, 2, 3]), rows_of([2**45 - 1])
    large[0]["answers"].update(nps=10, slider=107, food=4)
    (block,) = (
        one
        for one in PLAN.weighted
        if one.of and one.of.kind is BlockKind.FOURTH and not one.of.wide
    )
    tally = tally_of(small)
    widths = [tally.cells()[0].blocks[block.key].sums.shape[1]]
    tally.update(data.codes(large, PROGRAM))
    widths.append(tally.cells()[0].blocks[block.key].sums.shape[1])
    assert widths == [2 * block.width(1), 2 * block.width(block.limbs)]
    assert (block.limb_bits, block.limbs) == (31, 2)
