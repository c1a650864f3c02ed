"""Plans: what a program makes the engine count."""

import copy
import itertools

import pytest

from cxstream.program import BlockKind, View, compile_plan, program_from_dict, rollups

RATING = {"kind": "rating", "scale": [1, 5]}
TABLES = {
    "name": "p",
    "questions": {
        "nps": {"kind": "nps", "missing": [99]},
        "a": dict(RATING),
        "b": dict(RATING),
        "c": {"kind": "choice", "options": ["x", "y"], "multiple": True, "missing": [9]},
        "n": {"kind": "number", "range": [0, 10], "step": 0.5},
    },
    "dimensions": {"d": {}, "e": {"max_levels": 5, "missing": ["-"]}, "f": {}},
    "time": {"column": "t", "buckets": ["day"]},
    "indices": {"i": {"parts": {"one": {"items": ["b", "a"]}}}},
    "models": {"m": {"outcome": "nps", "drivers": ["b", "n"]}},
    "views": [{"by": ["e", "d"]}],
}
#: Snapshots carry this digest: where it changes by accident, none can be restored any more.
DIGEST = "58a16eb5390da7ec6bb7a4e719f492d2c2198edf7e9ab504c95eaaac9639a9d8"


def plan(change=None, **tables):
    given = copy.deepcopy(TABLES) | tables
    if change:
        change(given)
    return compile_plan(program_from_dict(given))


def test_columns_of_counts():
    got = plan()
    slots = got.slots
    # Column 0 counts responses.
    assert [(one.start, one.levels, one.width) for one in slots.values()] == [
        (1, 11, 13),  # eleven levels, a missing code, null
        (14, 5, 6),
        (20, 5, 6),
        (26, 2, 5),  # two options, any, a missing code, null
        (31, 1, 2),  # a number: answered, null
    ]
    assert got.counts_width == 33
    assert slots["nps"].reasons == ("missing:99", "null")
    assert slots["a"].reasons == ("null",)


def test_blocks():
    got = plan()
    assert [(one.kind, one.columns, one.wide) for one in got.blocks] == [
        (BlockKind.COMPLETE, ("n",), True),
        (BlockKind.COMPLETE, ("nps", "b", "n"), True),
        (BlockKind.PAIRS, ("nps", "a", "b"), False),
        (BlockKind.PATTERN, ("a", "b"), False),
    ]
    assert [len(one.products) for one in got.blocks] == [3, 10, 6 + 9 + 9 + 6, 6]
    assert got.block(BlockKind.PATTERN, {"b", "a"}) is got.blocks[3]
    assert got.block(BlockKind.COMPLETE, {"b", "a"}) is None
    assert got.blocks[3].products == ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


WEIGHT = {"column": "w", "step": 0.01}
ROBUST = {"m": {"outcome": "nps", "drivers": ["b", "a"], "robust": True}}


def test_a_weight_adds_to_the_counts_and_to_each_block_but_pairs():
    got = plan(weight=WEIGHT, models=ROBUST)
    assert [(one.key, one.limb_bits, one.limbs, one.width(1)) for one in got.weighted] == [
        ("weighted:counts", 45, 1, 3 * got.counts_width),
        ("weighted:complete:n", 40, 2, 1 + 3 + 3),  # up to 20 steps
        ("weighted:complete:nps,a,b", 41, 2, 1 + 10 + 10),
        ("weighted:fourth:nps,a,b", 38, 2, 1 + 10 + 35),
        ("weighted:pattern:a,b", 43, 2, 1 + 6 + 6),
    ]  # fmt: skip
    for one in got.weighted[1:]:
        assert len(one.products) == one.width(one.limbs)
        assert got.weighted_of(one.of) is one
    assert got.weighted_of(None) is got.weighted[0]
    assert got.weighted_of(got.block(BlockKind.PAIRS, {"nps", "a", "b"})) is None
    assert plan().weighted == ()


def test_a_fourth_block_has_all_products_of_up_to_four():
    got = plan(models=ROBUST).block(BlockKind.FOURTH, {"nps", "a", "b"})
    assert got.columns == ("nps", "a", "b")
    assert got.width == 35
    wanted = itertools.combinations_with_replacement(range(4), 4)
    assert got.quadruples == tuple(wanted)
    pairs = list(itertools.combinations_with_replacement(range(4), 2))
    for (left, right), four in zip(got.products, got.quadruples, strict=True):
        assert sorted((*pairs[left], *pairs[right])) == list(four)
    assert not got.wide


def test_combinations_are_kept_of_models_with_leverage_until_they_are_declared_without():
    declared = {"m": {"outcome": "nps", "drivers": ["b", "a"], "leverage": True}}
    old, without = plan(models=declared), plan(models={"m": {**declared["m"], "leverage": False}})
    block = old.block(BlockKind.DISTINCT, {"nps", "a", "b"})
    assert (block.columns, block.wide) == (("nps", "a", "b"), False)
    assert block.products == ((0, 0), (0, 1), (0, 2), (0, 3))
    assert old.covers(without)
    left = old.without_combinations(without)
    assert block not in left.blocks and set(left.blocks) == set(old.blocks) - {block}
    assert left.digest not in (old.digest, without.digest)
    assert old.without_combinations(old) is old


@pytest.mark.parametrize(
    "change, why",
    [
        (lambda t: t["weight"].update(step=0.02), "weight.step differs"),
        (lambda t: t["weight"].update(column="v"), "weight.column differs"),
        (lambda t: t.pop("weight"), "column 'w' is gone"),
        (lambda t: t["models"]["m"].pop("robust"), ""),
    ],
)
def test_a_weight_goes_on_to_mean_what_it_meant(change, why):
    old = plan(weight=dict(WEIGHT), models=ROBUST)
    new = plan(change, weight=dict(WEIGHT), models=ROBUST)
    assert why in old.reinterpreted(new)
    assert bool(old.reinterpreted(new)) == bool(why)
    assert why in old.difference(new)
    assert old.digest != new.digest


def test_a_weight_where_there_was_none_is_counted_anew_but_reads_nothing_otherwise():
    old, new = plan(), plan(weight=WEIGHT)
    assert old.reinterpreted(new) == ""
    assert old.difference(new) == "weight is new"
    assert not old.covers(new)


@pytest.mark.parametrize(
    "views, kept",
    [
        ([], [("d",), ("e",), ("f",)]),
        ([("e", "d")], [("f",), ("d", "e")]),
        ([("d", "e"), ("e", "d"), ("d",), ()], [("f",), ("d", "e")]),
        ([("d", "e"), ("f", "e")], [("d", "e"), ("e", "f")]),
        ([("d", "e"), ("f", "e", "d")], [("d", "e", "f")]),
    ],
)
def test_only_maximal_views_are_kept_in_the_order_of_dimensions(views, kept):
    assert plan(views=[{"by": list(by)} for by in views]).views == tuple(View(by) for by in kept)


def test_without_dimensions_there_is_the_total():
    got = plan(dimensions={}, views=[])
    assert got.views == (View(()),)
    assert got.views[0].name == "total"
    assert View(("d", "e")).name == "d x e"


def test_the_digest_is_pinned():
    assert plan().digest == DIGEST


SAME = {
    "label": lambda t: t.update(label="other"),
    "question label": lambda t: t["questions"]["a"].update(label="A"),
    "cuts": lambda t: t["questions"]["nps"].update(promoter=8),
    "direction": lambda t: t["questions"]["a"].update(direction="lower_is_better"),
    "labels of levels": lambda t: t["dimensions"]["d"].update(labels={"x": "X"}),
    "weights and policy": lambda t: t["indices"]["i"].update(
        missing="complete",
        parts={"p": {"items": ["a"], "weight": 2}, "r": {"items": ["b"], "weight": 1}},
    ),
    "outcome and driver swapped": lambda t: t["models"]["m"].update(
        outcome="b", drivers=["n", "nps"]
    ),
    "kind": lambda t: t["questions"]["a"].update(kind="csat"),
    "coarser buckets": lambda t: t["time"].update(buckets=["day", "month"]),
    "a view within a view": lambda t: t["views"].append({"by": ["d"]}),
}


@pytest.mark.parametrize("name", SAME)
def test_what_is_read_differently_is_counted_alike(name):
    old, new = plan(), plan(SAME[name])
    assert new.digest == old.digest
    assert old.covers(new)
    assert new.covers(old)


LESS = {
    "no model": lambda t: t.pop("models"),
    "no index": lambda t: t.pop("indices"),
    "no view": lambda t: t.pop("views"),
}


@pytest.mark.parametrize("name", LESS)
def test_a_plan_covers_one_that_asks_less(name):
    old, new = plan(), plan(LESS[name])
    assert old.covers(new)
    assert not new.covers(old)
    assert new.digest != old.digest


OTHER = {
    "scale": lambda t: t["questions"]["a"].update(scale=[1, 6]),
    "missing": lambda t: t["questions"]["a"].update(missing=[9]),
    "column": lambda t: t["questions"]["a"].update(column="A"),
    "values": lambda t: t["questions"]["a"].update(values={"bad": 1}),
    "options": lambda t: t["questions"]["c"].update(options=["x", "z"]),
    "step": lambda t: t["questions"]["n"].update(step=0.25),
    "one more question": lambda t: t["questions"].update(z=RATING),
    "one question fewer": lambda t: t["questions"].pop("c"),
    "one more dimension": lambda t: t["dimensions"].update(g={}),
    "level cap": lambda t: t["dimensions"]["d"].update(max_levels=7),
    "missing level": lambda t: t["dimensions"]["d"].update(missing=["x"]),
    "time unit": lambda t: t["time"].update(buckets=["hour"]),
    "no time": lambda t: t.pop("time"),
    "another view": lambda t: t["views"].append({"by": ["d", "f"]}),
    "another model": lambda t: t["models"].update(k={"outcome": "a", "drivers": ["b"]}),
    "a robust model": lambda t: t["models"].update(
        k={"outcome": "a", "drivers": ["b"], "robust": True}
    ),
    "a model with leverage": lambda t: t["models"].update(
        k={"outcome": "a", "drivers": ["b"], "leverage": True}
    ),
    "a weight": lambda t: t.update(weight={"column": "w", "step": 1}),
    "another index": lambda t: t["indices"].update(k={"parts": {"p": {"items": ["a"]}}}),
}


@pytest.mark.parametrize("name", OTHER)
def test_a_plan_does_not_cover_one_that_counts_otherwise(name):
    old, new = plan(), plan(OTHER[name])
    assert not old.covers(new)
    assert new.digest != old.digest


@pytest.mark.parametrize(
    "buckets, expected",
    [
        (["hour"], ("hour", "day", "week", "month", "quarter", "year")),
        (["day"], ("day", "week", "month", "quarter", "year")),
        (["week"], ("week",)),
        (["month"], ("month", "quarter", "year")),
        (["quarter"], ("quarter", "year")),
        (["year"], ("year",)),
    ],
)
def test_rollups(buckets, expected):
    assert rollups(plan(time={"column": "t", "buckets": buckets})) == expected
    assert rollups(plan(lambda t: t.pop("time"))) == ()
