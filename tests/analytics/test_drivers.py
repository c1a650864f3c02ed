import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats.outliers_influence import variance_inflation_factor

from cxstream.analytics.drivers import MAX_DRIVERS, drivers
from cxstream.kernels.registry import warm
from tests.analytics.bootstrap import BOOTSTRAP, answers, johnson_errors, lmg_errors, lmg_of
from tests.analytics.sums_of_rows import products, published
from tests.analytics.tolerances import FLOAT_ORACLE, PRINTED_12, ROUNDING
from tests.reference.importance import johnson, lmg, r_squared


@pytest.fixture(autouse=True, scope="module")
def compiled():
    warm()


def run(rows, *, robust=True, weights=None, **more):
    rows = np.asarray(rows)
    width = rows.shape[1]
    arguments = {
        "names": [f"x{j}" for j in range(1, width)] + ["y"],
        "outcome": width - 1,
        "drivers": range(width - 1),
        "ranges": [10] * width,
        "reverse": [False] * width,
    }
    if robust:
        arguments["fourth"] = [products(rows, 4, weights)]
    if weights is not None:
        arguments["responses"] = [len(rows)]
    (found,) = drivers([products(rows, 2, weights)], **(arguments | more))
    return found


def column(found, name):
    return [getattr(one, name) for one in found.drivers]


# --- published ------------------------------------------------------------------------------------


def of_table(name, **more):
    sums, fourth, table = published(name)
    p = len(table["columns"])
    if "responses" in table:
        more["responses"] = [table["responses"]]
    (found,) = drivers(
        sums, names=table["columns"], outcome=p - 1, drivers=range(p - 1), ranges=[10**4] * p,
        reverse=[False] * p, fourth=fourth, **more,
    )  # fmt: skip
    return found


def test_swiss():
    found = of_table("swiss")
    assert found.n == 47
    assert found.r2 == pytest.approx(0.706735001592726, rel=1e-14)
    printed = {
        "lmg": [0.0570912207680913, 0.1711730289002341, 0.2601346786243849, 0.1055701503734937,
                0.1127659229265219],
        "first": [0.124664909905748, 0.417164470500591, 0.440615646723924, 0.215003501618544,
                  0.173518927324862],
        "last": [0.0428696071254940, 0.0073874185151244, 0.1619626930773363, 0.0623726258274238,
                 0.0569452587324973],
        "pratt": [-0.110485990962387, 0.106427404338934, 0.445004567582031, 0.161176814996607,
                  0.104612205637541],
        "johnson": [0.0484168958119008, 0.1547082498061602, 0.2719641046459995, 0.1146800299475615,
                    0.1169657213811045],
        "beta": [-0.3129212824999209, -0.16477822253934823, -0.6704007801060743, 0.3476000281442188,
                 0.25113597629871043],
        "vif": [2.284129377597294, 3.675419575544336, 2.7749427811269505, 1.9371603802631252,
                1.1075422255569538],
    }  # fmt: skip
    for name, values in printed.items():
        assert column(found, name) == pytest.approx(values, rel=PRINTED_12, abs=1e-15), name
    assert column(found, "sign") == [-1, -1, -1, 1, 1]
    # What goes against the outcome has no weight in an index, and that is said.
    assert column(found, "floored") == [True, True, True, False, False]
    assert sum(column(found, "weight")) == pytest.approx(1.0, rel=ROUNDING)


def test_attitude():
    found = of_table("attitude")
    assert column(found, "lmg") == pytest.approx(
        [0.370816194319328, 0.0509037929715443, 0.155765990169141, 0.120345079403627,
         0.00658872254586087, 0.0281822131216471], rel=PRINTED_12,
    )  # fmt: skip
    assert column(found, "johnson") == pytest.approx(
        [0.36276019965813044, 0.056002278778853685, 0.16361091075053344, 0.12178039968821726,
         0.008255466496437932, 0.020192737158975835], rel=PRINTED_12,
    )  # fmt: skip


def test_mtcars_where_the_two_methods_rank_differently():
    found = of_table("mtcars")
    names = column(found, "driver")
    assert column(found, "lmg") == pytest.approx(
        [0.247052033, 0.243499595, 0.210912900, 0.077725111], abs=5e-10
    )
    assert column(found, "johnson") == pytest.approx(
        [0.228479726, 0.222146871, 0.232174439, 0.096388603], abs=5e-10
    )
    assert names[int(np.argmax(column(found, "lmg")))] == "cyl"
    assert names[int(np.argmax(column(found, "johnson")))] == "hp"


def test_displayr():
    found = of_table("displayr")
    assert found.r2 == pytest.approx(0.0409055316886271, rel=PRINTED_12)
    weights = column(found, "johnson")
    assert weights[0] == pytest.approx(0.00427583141764991, rel=PRINTED_12)
    assert 100 * weights[2] / found.r2 == pytest.approx(84.254254422183, rel=PRINTED_12)


def test_displayr_weighted():
    found = of_table("displayr_weighted")
    assert found.n == 327
    assert found.r2 == pytest.approx(0.0488985219292419, rel=PRINTED_12)
    weights = column(found, "johnson")
    assert weights[0] == pytest.approx(0.00356269285452153, rel=PRINTED_12)
    assert 100 * weights[2] / found.r2 == pytest.approx(80.657438103125, rel=PRINTED_12)
    assert all(one > 0 for one in column(found, "se"))


# --- against oracles from the rows ----------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4), st.integers(12, 60), st.integers(0, 10**6))
def test_against_the_rows(p, n, seed):
    rows = answers(seed, n, p)
    x, y = rows[:, :p].astype(float), rows[:, p].astype(float)
    assume(np.ptp(y) > 0 and (np.ptp(x, axis=0) > 0).all())
    assume(np.linalg.cond(np.corrcoef(x, rowvar=False).reshape(p, p)) < 1e4)
    found = run(rows)
    close = {"rel": FLOAT_ORACLE, "abs": FLOAT_ORACLE}
    assert (found.status, found.message, found.n) == ("ok", "", n)
    assert column(found, "lmg") == pytest.approx(lmg(x, y), **close)
    assert column(found, "johnson") == pytest.approx(johnson(x, y), **close)
    design = np.column_stack([np.ones(n), x])
    for j, one in enumerate(found.drivers):
        others = [k for k in range(p) if k != j]
        assert one.first == pytest.approx(r_squared(x[:, [j]], y), **close)
        assert one.last == pytest.approx(r_squared(x, y) - r_squared(x[:, others], y), **close)
        assert one.vif == pytest.approx(variance_inflation_factor(design, j + 1), rel=1e-7)
        assert one.performance == pytest.approx(10 * x[:, j].mean(), rel=FLOAT_ORACLE)
        assert one.performance_se == pytest.approx(
            10 * x[:, j].std(ddof=1) / n**0.5, rel=FLOAT_ORACLE
        )
        assert np.sign(one.beta) == one.sign
    for name in ("lmg", "johnson", "pratt"):
        assert sum(column(found, name)) == pytest.approx(found.r2, **close)


def test_weighted_shares_and_errors():
    rows = answers(3, 80, 3)
    rng = np.random.default_rng(4)
    weights = rng.integers(1, 6, 80)
    found = run(rows, weights=weights)
    x, y = rows[:, :3].astype(float), rows[:, 3].astype(float)
    assert column(found, "lmg") == pytest.approx(lmg(x, y, weights), rel=FLOAT_ORACLE)
    # Linearisation: how the shares move with one response's weight.
    moved = []
    for row in range(80):
        shares = []
        for change in (-1, 1):
            near = weights * 10_000
            near[row] += change * 10
            own = drivers(
                [products(rows, 2, near)], names=list("abcy"), outcome=3, drivers=range(3),
                ranges=[10] * 4, reverse=[False] * 4, responses=[80],
            )  # fmt: skip
            shares.append(column(own[0], "lmg"))
        moved.append((np.subtract(*shares[::-1])) / 0.002 * weights[row])
    linearised = np.sqrt((np.array(moved) ** 2).sum(axis=0) * 80 / (80 - 4))
    assert column(found, "se") == pytest.approx(linearised, rel=1e-4)
    # Weights of one are no weights, and their scale says nothing.
    plain, ones = run(rows), run(rows, weights=np.full(80, 7))
    for name in ("lmg", "se", "johnson_se", "performance_se"):
        assert column(ones, name) == pytest.approx(column(plain, name), rel=FLOAT_ORACLE)


@pytest.mark.parametrize("n", [500, 5000])
@pytest.mark.parametrize("p", [3, 8])
def test_errors_are_those_of_a_bootstrap(n, p):
    rows = answers(n + p, n, p)
    found = run(rows)
    assert column(found, "se") == pytest.approx(lmg_errors(rows), rel=BOOTSTRAP)
    assert column(found, "johnson_se") == pytest.approx(johnson_errors(rows), rel=BOOTSTRAP)


# --- properties -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.permutations(range(3)))
def test_order_and_scale_of_the_drivers_do_not_matter(seed, order):
    rows = answers(seed, 50, 3)
    assume((np.ptp(rows, axis=0) > 0).all())
    found = run(rows)
    assume(found.status == "ok")
    turned = run(rows[:, [*order, 3]])
    scaled = run(np.column_stack([40 - 3 * rows[:, 0], rows[:, 1:]]))
    for name in ("lmg", "johnson", "se", "johnson_se"):
        mine = column(found, name)
        assert column(turned, name) == pytest.approx([mine[j] for j in order], rel=1e-7, abs=1e-9)
        assert column(scaled, name) == pytest.approx(mine, rel=1e-7, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_of_two_drivers_relative_weights_are_lmg(seed):
    found = run(answers(seed, 40, 2))
    assume(found.status == "ok")
    assert column(found, "johnson") == pytest.approx(column(found, "lmg"), abs=FLOAT_ORACLE)
    assert column(found, "johnson_se") == pytest.approx(column(found, "se"), abs=1e-7)


def test_one_driver_has_all_of_r2():
    (only,) = run(answers(1, 40, 1)).drivers
    assert only.lmg == only.first == pytest.approx(only.last, rel=ROUNDING)
    assert only.johnson == pytest.approx(only.lmg, rel=ROUNDING)
    assert (only.vif, only.weight, only.quadrant) == (1.0, 1.0, "undetermined")


def test_duplicated_driver_splits_its_share():
    rows = answers(5, 60, 2)
    once, twice = run(rows), run(rows[:, [0, 0, 1, 2]])
    assert (twice.status, twice.message) == (
        "collinear", "exact linear dependency among x1, x2",
    )  # fmt: skip
    shares = column(twice, "lmg")
    assert shares[0] == pytest.approx(shares[1], rel=ROUNDING)
    assert sum(shares) == pytest.approx(once.r2, rel=FLOAT_ORACLE)
    assert column(twice, "last") == pytest.approx([0, 0, once.drivers[1].last], abs=FLOAT_ORACLE)
    for name in ("se", "interval", "johnson", "beta", "vif", "pratt", "sign", "quadrant", "weight"):
        assert column(twice, name) == [None] * 3, name


def test_driver_without_variation_has_no_part():
    rows = answers(5, 60, 2)
    rows[:, 1] = 4
    found = run(rows)
    assert (found.status, found.message) == ("collinear", "no variation in x2")
    assert found.drivers[1].lmg == pytest.approx(0.0, abs=ROUNDING)
    assert found.drivers[1].performance == 40.0


def test_nearly_collinear_is_told_from_collinear():
    rng = np.random.default_rng(6)
    x = rng.integers(0, 1000, 40) * 1000
    rows = np.column_stack([x, x + (np.arange(40) == 3), x + rng.integers(0, 99, 40)])
    found = run(rows, robust=False)
    assert found.status == "ok"
    assert sum(column(found, "lmg")) == pytest.approx(found.r2, rel=FLOAT_ORACLE)


# --- edges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_rows(n):
    rows = answers(1, 30, 2)[:n]
    sums = products(rows, 2) if n else [0] * 10
    fourth = products(rows, 4) if n else [0] * 35
    (found,) = drivers(
        [sums], names=list("aby"), outcome=2, drivers=[0, 1], ranges=[10] * 3,
        reverse=[False] * 3, fourth=[fourth],
    )  # fmt: skip
    assert (found.status, found.n, found.drivers, found.r2) == ("too_few_rows", n, (), None)
    assert "3 coefficients" in found.message


def test_constant_outcome():
    rows = answers(1, 30, 2)
    rows[:, 2] = 3
    found = run(rows)
    assert (found.status, found.n, found.drivers) == ("constant_outcome", 30, ())
    assert "y" in found.message


def test_without_fourth_moments_there_are_no_errors():
    found = run(answers(1, 30, 2), robust=False)
    for name in ("se", "interval", "johnson_se", "quadrant"):
        assert column(found, name) == [None] * 2
    assert None not in column(found, "lmg")


def test_perfect_fit_has_shares():
    rows = answers(1, 30, 2)
    rows[:, 2] = rows[:, 0] + rows[:, 1]
    found = run(rows)
    assert found.r2 == pytest.approx(1.0, rel=ROUNDING)
    assert found.r2 <= 1.0


def test_intervals_stay_within_bounds():
    for seed in range(20):
        found = run(answers(seed, 8, 3, effects=[1, 0, 0]))
        for one in found.drivers:
            assert 0.0 <= one.interval.lower <= one.lmg <= one.interval.upper <= 1.0


def test_a_driver_without_any_effect_has_an_interval_from_zero():
    rows = [(a, b, y) for a in (0, 1) for b in range(4) for y in (2 * b, 2 * b + 1)] * 5
    none = run(rows).drivers[0]
    assert none.lmg == pytest.approx(0.0, abs=ROUNDING)
    assert none.interval.lower == 0.0
    # Not wider than that of one that chance would give.
    assert 0.0 < none.interval.upper < 0.05


def test_reversed_scales():
    rows = answers(2, 200, 2)
    plain = run(rows)
    rows[:, 0] = 10 - rows[:, 0]
    turned = run(rows, reverse=[True, False, False])
    assert turned.drivers[0].sign == -plain.drivers[0].sign
    for name in ("lmg", "performance", "performance_se", "weight", "floored", "quadrant"):
        assert column(turned, name) == pytest.approx(column(plain, name)), name


def test_quadrants():
    rng = np.random.default_rng(12)
    n = 3000
    x = rng.integers(0, 5, (n, 4))
    # High and low importance by high and low performance.
    x[:, [0, 2]] += 5
    y = 4 * x[:, 0] + 4 * x[:, 1] + rng.integers(0, 20, n)
    found = run(np.column_stack([x, y]))
    assert column(found, "quadrant") == ["keep_up", "top_priority", "sustain", "ignore"]
    assert found.importance_cut == pytest.approx(found.r2 / 4)
    assert found.performance_cut == pytest.approx(np.mean(column(found, "performance")))
    # Drivers that are alike lie on the cut.
    alike = run(answers(7, 40, 3, effects=[1, 1, 1]))
    assert "undetermined" in column(alike, "quadrant")
    middle = run(np.column_stack([x[:, :3], y]), cut="median")
    lowest = sorted(column(middle, "performance"))
    assert middle.performance_cut == pytest.approx(lowest[1])
    assert "undetermined" in column(middle, "quadrant")


def test_groups_of_every_kind_at_once():
    rows = answers(3, 60, 3)
    flat = rows.copy()
    flat[:, 3] = 1
    kinds = [rows, flat, rows[:, [0, 0, 1, 3]], rows[:2], rows[:30]]
    found = drivers(
        [products(one, 2) for one in kinds], names=list("abcy"), outcome=3, drivers=range(3),
        ranges=[10] * 4, reverse=[False] * 4, fourth=[products(one, 4) for one in kinds],
    )  # fmt: skip
    assert [one.status for one in found] == [
        "ok", "constant_outcome", "collinear", "too_few_rows", "ok",
    ]  # fmt: skip
    assert found[0] == run(rows, names=list("abcy"))
    none = np.zeros((0, 15), dtype=np.int64)
    assert (
        drivers(
            none, names=list("abcy"), outcome=3, drivers=range(3), ranges=[10] * 4,
            reverse=[False] * 4, fourth=np.zeros((0, 70), dtype=np.int64),
        ) == []
    )  # fmt: skip


def test_integers_of_any_size():
    rows = answers(3, 60, 2)
    big = (rows.astype(object) * 10**6).tolist()
    from itertools import combinations_with_replacement

    full = [[1, *row] for row in big]

    def sums(order):
        chosen = list(combinations_with_replacement(range(4), order))
        return np.array(
            [
                [
                    sum(int(np.prod([row[j] for j in c], dtype=object)) for row in full)
                    for c in chosen
                ]
            ],
            dtype=object,
        )

    (found,) = drivers(
        sums(2), names=["x1", "x2", "y"], outcome=2, drivers=[0, 1], ranges=[10**7] * 3,
        reverse=[False] * 3, fourth=sums(4),
    )  # fmt: skip
    plain = run(rows)
    for name in ("lmg", "se", "johnson_se", "performance", "performance_se"):
        assert column(found, name) == pytest.approx(column(plain, name), rel=FLOAT_ORACLE)


def test_twenty_drivers():
    rng = np.random.default_rng(0)
    correlation = np.corrcoef(rng.normal(size=(21, 400)) + rng.normal(size=400))[None]
    (share,) = lmg_of(correlation)
    r = correlation[0, :20, 20]
    whole = r @ np.linalg.solve(correlation[0, :20, :20], r)
    assert share.sum() == pytest.approx(whole, rel=FLOAT_ORACLE)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"drivers": []}, "at least one driver"),
        ({"drivers": [0, 0]}, "different columns"),
        ({"drivers": [0, 9]}, r"columns 0\.\.2"),
        ({"ranges": [1]}, "same length"),
        ({"cut": "mode"}, "mean, median"),
        ({"confidence": 95}, "strictly between"),
        ({"responses": [1, 2]}, "responses"),
        ({"fourth": np.zeros((2, 35), dtype=np.int64)}, "same groups"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(ValueError, match=message):
        run(answers(1, 20, 2), **change)


def test_too_many_drivers_are_refused_with_the_reason():
    width = MAX_DRIVERS + 2
    table = np.zeros((1, (width + 1) * (width + 2) // 2), dtype=np.int64)
    arguments = {"ranges": [1] * width, "reverse": [False] * width, "names": ["q"] * width}
    with pytest.raises(ValueError, match=r"2\^23 subsets.*at most 22"):
        drivers(table, outcome=0, drivers=range(1, width), **arguments)
    with pytest.raises(ValueError, match="groups at a time"):
        drivers(np.repeat(table, 20, axis=0), outcome=0, drivers=range(1, width - 1), **arguments)
