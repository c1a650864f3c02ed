import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxstream.analytics.index import POLICIES, Part, index
from tests.analytics.tolerances import FLOAT_ORACLE
from tests.reference.statistics import (
    by_pattern,
    index_of_item_means,
    index_of_respondents,
    mean_on_a_scale,
    scaled,
)

RANGES = (4, 4, 10, 1, 100)
REVERSE = (False, True, False, False, True)
PARTS = (
    Part("service", 0.3, (0, 1)),
    Part("value", 1.2, (2,)),
    Part("staff", 0.7, (3, 4)),
)
# On 0..100, differences of nearly equal respondents leave the oracle about this much noise.
ABSOLUTE = 1e-7


def table(groups, width):
    """Sparse rows of all groups, as a tally keeps them."""
    where, bits, sums = [], [], []
    for g, rows in enumerate(groups):
        for pattern, triangle in by_pattern(rows, width):
            where.append(g)
            bits.append(pattern)
            sums.append(triangle)
    width = (width + 1) * (width + 2) // 2
    return (
        np.array(where, dtype=np.int64),
        np.array(bits, dtype=np.uint64),
        np.array(sums, dtype=np.int64).reshape(len(where), width),
    )


def run(groups, policy, parts=PARTS, ranges=RANGES, reverse=REVERSE):
    return index(
        *table(groups, len(ranges)),
        groups=len(groups),
        ranges=ranges,
        reverse=reverse,
        parts=parts,
        policy=policy,
    )


def check(found, n, mean, se):
    assert found.n == n
    if n == 0:
        assert found.score is found.se is found.interval is None
        return
    assert found.score == pytest.approx(mean, rel=FLOAT_ORACLE, abs=FLOAT_ORACLE)
    if n == 1:
        assert found.se is found.interval is None
        return
    assert found.se == pytest.approx(se, rel=FLOAT_ORACLE, abs=ABSOLUTE)
    assert found.interval.method == "quasi_binomial"
    assert 0.0 <= found.interval.lower <= found.score <= found.interval.upper <= 100.0


def check_respondents(found, scores):
    if len(scores) > 1:
        mean, se, lower, upper = mean_on_a_scale(scores, 0.0, 100.0, 0.95)
        check(found, len(scores), mean, se)
        assert found.interval.lower == pytest.approx(lower, rel=FLOAT_ORACLE, abs=100 * ABSOLUTE)
        assert found.interval.upper == pytest.approx(upper, rel=FLOAT_ORACLE, abs=100 * ABSOLUTE)
    else:
        check(found, len(scores), scores[0] if scores else None, None)


def compare(rows, found, policy, parts=PARTS, ranges=RANGES, reverse=REVERSE):
    points = [scaled(row, ranges, reverse) for row in rows]
    plain = [(part.weight, part.items) for part in parts]
    if policy == "item_means":
        check(found, *index_of_item_means(points, plain))
        for part, score in zip(parts, found.parts, strict=True):
            check(score, *index_of_item_means(points, [(1.0, part.items)]))
        return
    complete = policy == "complete"
    check_respondents(found, index_of_respondents(points, plain, complete))
    used = {j for part in parts for j in part.items}
    kept = [p for p in points if not complete or all(p[j] is not None for j in used)]
    for part, score in zip(parts, found.parts, strict=True):
        assert (score.name, score.weight) == (part.name, part.weight)
        check_respondents(score, index_of_respondents(kept, [(1.0, part.items)], False))


ROW = st.tuples(*(st.none() | st.integers(0, top) for top in RANGES))
GROUPS = st.lists(st.lists(ROW, max_size=25), min_size=1, max_size=4)


@settings(deadline=None)
@given(GROUPS, st.sampled_from(POLICIES))
def test_against_every_respondent(groups, policy):
    for rows, found in zip(groups, run(groups, policy), strict=True):
        compare(rows, found, policy)


@settings(deadline=None)
@given(GROUPS, st.sampled_from(POLICIES), st.randoms(use_true_random=False))
def test_row_order_does_not_change_a_bit(groups, policy, random):
    where, bits, sums = table(groups, len(RANGES))
    rest = {
        "groups": len(groups),
        "ranges": RANGES,
        "reverse": REVERSE,
        "parts": PARTS,
        "policy": policy,
    }
    order = list(range(len(where)))
    random.shuffle(order)
    plain = index(where, bits, sums, **rest)
    assert index(where[order], bits[order], sums[order], **rest) == plain
    # Nor does a row that comes in two pieces.
    halves = sums // 2
    pieces = (
        np.concatenate([where, where]),
        np.concatenate([bits, bits]),
        np.concatenate([halves, sums - halves]),
    )
    assert index(*pieces, **rest) == plain


@settings(deadline=None)
@given(st.lists(st.tuples(*(st.integers(0, top) for top in RANGES)), min_size=1, max_size=25))
def test_policies_agree_where_nothing_is_missing(rows):
    first, *others = (run([rows], policy)[0] for policy in POLICIES)
    for other in others:
        assert other.n == first.n
        assert other.score == pytest.approx(first.score, rel=FLOAT_ORACLE, abs=FLOAT_ORACLE)
        if first.n > 1:
            assert other.se == pytest.approx(first.se, rel=FLOAT_ORACLE, abs=ABSOLUTE)


@pytest.mark.parametrize("policy", POLICIES)
def test_overlapping_parts_and_a_weight_of_zero(policy):
    rng = np.random.default_rng(5)
    rows = [
        tuple(None if rng.random() < 0.3 else int(rng.integers(0, top + 1)) for top in RANGES)
        for _ in range(200)
    ]
    parts = (Part("a", 0.5, (0, 1, 2)), Part("b", 2.0, (2, 3)), Part("c", 0.0, (4,)))
    (found,) = run([rows], policy, parts)
    compare(rows, found, policy, parts)


@pytest.mark.parametrize("policy", POLICIES)
def test_ends_of_the_scale(policy):
    # ACSI: three items 1..10 with weights .3885, .3190, .2925: all 10 is 100, all 1 is 0
    parts = [
        Part(name, w, (j,))
        for j, (name, w) in enumerate(zip("abc", (0.3885, 0.319, 0.2925), strict=True))
    ]
    for code, score in ((9, 100.0), (0, 0.0)):
        (found,) = run([[(code,) * 3] * 5], policy, parts, (9, 9, 9), (False,) * 3)
        assert found.score == pytest.approx(score, rel=1e-14, abs=0)
        assert found.se == 0.0


@pytest.mark.parametrize("policy", POLICIES)
def test_few_respondents(policy):
    nobody, silent, one = run([[], [(None,) * 5], [(1, 2, 3, 1, 50)]], policy)
    for found in (nobody, silent):
        assert found.n == 0
        assert found.score is found.se is found.interval is None
        assert [p.score for p in found.parts] == [None] * 3
    assert one.n == 1
    assert one.score is not None
    assert one.se is one.interval is None
    assert type(one.score) is float
    assert type(one.n) is int


def test_no_rows_at_all():
    assert [f.n for f in run([[], []], "renormalise")] == [0, 0]


@pytest.mark.parametrize("policy", POLICIES)
def test_billions_of_respondents(policy):
    """Sums near the bound: centring in float64 would lose the spread altogether."""
    n, top = 2**36, 2**12 - 1
    # half the respondents at top, half at top - 1, in both items
    s, q = n // 2 * (2 * top - 1), n // 2 * (top**2 + (top - 1) ** 2)
    (found,) = index(
        [0],
        np.array([3], dtype=np.uint64),
        np.array([[n, s, s, q, q, q]]),
        groups=1,
        ranges=[top, top],
        reverse=[False, True],
        parts=[Part("a", 1.0, (0,)), Part("b", 3.0, (1,))],
        policy=policy,
    )
    sd = 100 / top * 0.5 * (n / (n - 1)) ** 0.5
    # the two items move against each other: |1/4 - 3/4| of the spread is left
    assert found.se == pytest.approx(0.5 * sd / n**0.5, rel=1e-12)
    assert found.parts[0].se == pytest.approx(sd / n**0.5, rel=1e-12)
    assert found.parts[0].score == pytest.approx(100 * (top - 0.5) / top, rel=1e-15)


def test_many_items():
    rng = np.random.default_rng(8)
    k = 64
    rows = [
        tuple(None if rng.random() < 0.1 else int(rng.integers(0, 5)) for _ in range(k))
        for _ in range(40)
    ]
    rows.append((1,) * k)
    parts = (Part("left", 1.0, tuple(range(32))), Part("right", 2.0, tuple(range(32, 64))))
    for policy in POLICIES:
        (found,) = run([rows], policy, parts, (4,) * k, (False,) * k)
        compare(rows, found, policy, parts, (4,) * k, (False,) * k)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"policy": "guess"}, "renormalise, complete, item_means"),
        ({"ranges": [4, 0]}, "range 0"),
        ({"ranges": []}, "1..64 items"),
        ({"reverse": [True]}, "reverse"),
        ({"parts": [Part("a", 1.0, ())]}, "no items"),
        ({"parts": [Part("a", 1.0, (0, 0))]}, "twice"),
        ({"parts": [Part("a", 1.0, (2,))]}, "outside 0..1"),
        ({"parts": [Part("a", -1.0, (0,))]}, "0 or more"),
        ({"parts": [Part("a", float("nan"), (0,))]}, "0 or more"),
        ({"parts": [Part("a", 0.0, (0,))]}, "above 0"),
        ({"groups": 0}, "not below 0"),
        ({"group": [0, 0]}, "same number of rows"),
        ({"pattern": np.array([4], dtype=np.uint64)}, "beyond the 2 items"),
        ({"sums": [[2**59, 1, 1, 1, 1, 1]]}, "too many respondents"),
        ({"sums": [[1, 1, 1]]}, "6 columns"),
        ({"confidence": 1.0}, "strictly between"),
    ],
)
def test_refusals(change, message):
    arguments = {
        "group": [0],
        "pattern": np.array([3], dtype=np.uint64),
        "sums": [[1, 2, 3, 4, 6, 9]],
        "groups": 1,
        "ranges": [4, 4],
        "reverse": [False, False],
        "parts": [Part("a", 1.0, (0, 1))],
    }
    with pytest.raises(ValueError, match=message):
        index(**(arguments | change))


@pytest.mark.parametrize("policy", POLICIES)
def test_read_only_and_strided_inputs(policy):
    rows = [(1, 2, 3, 1, 50), (4, None, 3, 0, 20), (4, 4, None, 0, 20)]
    plain = run([rows], policy)
    where, bits, sums = table([rows], len(RANGES))
    spread = np.repeat(sums, 2, axis=1)[:, ::2]
    for array in (where, bits, spread):
        array.flags.writeable = False
    rest = {"groups": 1, "ranges": RANGES, "reverse": REVERSE, "parts": PARTS, "policy": policy}
    assert index(where, bits, spread, **rest) == plain
