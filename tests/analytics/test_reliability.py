import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from cxstream.analytics.reliability import reliability
from cxstream.kernels.registry import warm
from tests.analytics.sums_of_rows import products, published
from tests.analytics.tolerances import (
    FLOAT_ORACLE,
    NUMERICAL_ORACLE,
    PRINTED_3,
    PRINTED_6,
    PRINTED_12,
    ROUNDING,
)
from tests.reference.importance import alpha, bootstrap_se, omega


@pytest.fixture(autouse=True, scope="module")
def compiled():
    warm()


def run(rows, *, robust=True, **more):
    rows = np.asarray(rows)
    k = rows.shape[1]
    arguments = {
        "names": [f"q{j}" for j in range(1, k + 1)],
        "items": range(k),
        "ranges": [4] * k,
        "reverse": [False] * k,
    }
    if robust:
        arguments["fourth"] = [products(rows, 4)]
    (found,) = reliability([products(rows, 2)], **(arguments | more))
    return found


def of_table(name, reverse=()):
    sums, fourth, table = published(name)
    k = len(table["columns"])
    (found,) = reliability(
        sums, names=table["columns"], items=range(k), ranges=[5] * k,
        reverse=[column in reverse for column in table["columns"]], fourth=fourth,
    )  # fmt: skip
    return found


def answers(seed, n, k):
    rng = np.random.default_rng(seed)
    load = np.linspace(0.9, 0.5, k)
    rows = rng.normal(size=(n, 1)) * load + rng.normal(size=(n, k)) * np.sqrt(1 - load**2)
    return np.clip(np.rint(2 + rows), 0, 4).astype(np.int64)


# --- published ------------------------------------------------------------------------------------


def test_attitude():
    found = of_table("attitude")
    assert found.n == 30
    assert found.alpha == pytest.approx(0.84314276956476, rel=PRINTED_12)
    assert found.alpha_standardised == pytest.approx(0.839083803029511, rel=PRINTED_12)
    assert found.mean_inter_item == pytest.approx(0.426906642649717, rel=PRINTED_12)
    dropped = {item.item: item.alpha_if_dropped for item in found.items}
    assert dropped == pytest.approx(
        {"rating": 0.809760, "complaints": 0.796917, "privileges": 0.827848, "learning": 0.803031,
         "raises": 0.795387, "critical": 0.863872, "advance": 0.840465}, abs=PRINTED_6,
    )  # fmt: skip


@pytest.mark.parametrize(
    "scale, reverse, n, raw, standardised",
    [
        ("A", ["A1"], 2709, 0.703755894374836, 0.713501552634643),
        ("C", ["C4", "C5"], 2707, 0.729277203170442, 0.732724333326772),
        ("E", ["E1", "E2"], 2713, 0.760932639469552, 0.760964103429539),
        ("N", [], 2694, 0.813303143161439, 0.814072065651048),
        ("O", ["O2", "O5"], 2726, 0.602546428577184, 0.608951166836782),
    ],
)
def test_bfi_with_reversed_items(scale, reverse, n, raw, standardised):
    found = of_table(f"bfi_{scale}", reverse)
    assert found.n == n
    assert found.alpha == pytest.approx(raw, rel=PRINTED_12)
    assert found.alpha_standardised == pytest.approx(standardised, rel=PRINTED_12)


def test_pingouin_example():
    found = of_table("long")
    assert found.alpha == pytest.approx(0.5917188485995826, rel=PRINTED_12)
    assert found.interval.lower == pytest.approx(0.195, abs=PRINTED_3)
    assert found.interval.upper == pytest.approx(0.840, abs=PRINTED_3)


def test_interval_is_of_those_who_answered_all():
    # 12 rows, 9 of them complete; with n = 12 the interval would be [.581, .933].
    found = of_table("wide_missing")
    assert found.n == 9
    assert found.alpha == pytest.approx(0.8016949152542373, rel=PRINTED_12)
    assert found.interval.lower == pytest.approx(0.533, abs=PRINTED_3)
    assert found.interval.upper == pytest.approx(0.947, abs=PRINTED_3)
    assert found.interval.method == "feldt"


def test_which_interval_is_the_one_to_read():
    rows = answers(7, 50, 4)
    feldt, free = run(rows, interval="feldt"), run(rows)
    assert (feldt.interval.method, free.interval.method) == ("feldt", "log_delta")
    assert free.interval == free.free_interval == feldt.free_interval
    assert run(rows, robust=False).interval == feldt.interval
    with pytest.raises(ValueError, match="fourth-order"):
        run(rows, robust=False, interval="log_delta")


# --- against oracles from the rows ----------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 6), st.integers(8, 80), st.integers(0, 10**6))
def test_against_the_rows(k, n, seed):
    rows = answers(seed, n, k)
    assume((np.ptp(rows, axis=0) > 0).all())
    found = run(rows, interval="feldt")
    assert (found.status, found.message, found.n, found.k) == ("ok", "", n, k)
    assert found.alpha == pytest.approx(alpha(rows), rel=FLOAT_ORACLE, abs=FLOAT_ORACLE)
    inter_item = np.corrcoef(rows.T)[np.triu_indices(k, 1)].mean()
    assert found.mean_inter_item == pytest.approx(inter_item, rel=FLOAT_ORACLE, abs=FLOAT_ORACLE)
    z = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    assert found.alpha_standardised == pytest.approx(alpha(z), rel=1e-7, abs=1e-9)
    df = n - 1, (n - 1) * (k - 1)
    assert found.interval.lower == pytest.approx(1 - (1 - found.alpha) * stats.f.ppf(0.975, *df))
    assert found.interval.upper == pytest.approx(1 - (1 - found.alpha) * stats.f.ppf(0.025, *df))
    for j, item in enumerate(found.items):
        rest = np.delete(rows, j, axis=1)
        assert item.mean == pytest.approx(rows[:, j].mean(), rel=FLOAT_ORACLE)
        assert item.sd == pytest.approx(rows[:, j].std(ddof=1), rel=FLOAT_ORACLE)
        assert item.item_total == pytest.approx(
            np.corrcoef(rows[:, j], rest.sum(axis=1))[0, 1], abs=FLOAT_ORACLE
        )
        if k > 2:
            assert item.alpha_if_dropped == pytest.approx(alpha(rest), rel=1e-7, abs=1e-9)
        else:
            assert item.alpha_if_dropped is None


@pytest.mark.parametrize("seed, n, k", [(1, 400, 3), (2, 300, 5), (3, 200, 8), (4, 60, 4)])
def test_omega_is_that_of_a_general_optimiser(seed, n, k):
    rows = answers(seed, n, k)
    found = run(rows, robust=False)
    assert found.omega == pytest.approx(omega(rows), abs=NUMERICAL_ORACLE)
    assert all(-1 <= item.loading <= 1 for item in found.items)


def test_three_items_have_the_loadings_that_fit_exactly():
    rows = answers(5, 2000, 3)
    r = np.corrcoef(rows, rowvar=False)
    first = run(rows, robust=False).items[0]
    assert first.loading == pytest.approx((r[0, 1] * r[0, 2] / r[1, 2]) ** 0.5, abs=1e-9)


@pytest.mark.parametrize("n", [500, 5000])
def test_errors_are_those_of_a_bootstrap(n):
    rows = answers(n, n, 5)

    def alphas(covariance):
        trace = np.einsum("gii->g", covariance)
        return (5 / 4 * (1 - trace / covariance.sum(axis=(1, 2))))[:, None]

    (wanted,) = bootstrap_se(rows, alphas, 1000, seed=3)
    assert run(rows).se == pytest.approx(wanted, rel=0.10)


def test_reversing_an_item_and_its_scale_changes_nothing():
    rows = answers(6, 120, 4)
    plain = run(rows)
    rows[:, 1] = 4 - rows[:, 1]
    turned = run(rows, reverse=[False, True, False, False])
    for name in ("alpha", "alpha_standardised", "se", "omega"):
        assert getattr(turned, name) == pytest.approx(getattr(plain, name), rel=FLOAT_ORACLE), name
    for mine, other in zip(turned.items, plain.items, strict=True):
        assert mine.mean == pytest.approx(other.mean, rel=FLOAT_ORACLE)
        assert mine.item_total == pytest.approx(other.item_total, rel=FLOAT_ORACLE)
    assert run(rows).alpha < plain.alpha


# --- edges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows(n):
    sums = [[0] * 10] if n == 0 else [products([[1, 2, 3]], 2)]
    (found,) = reliability(
        sums, names=list("abc"), items=range(3), ranges=[4] * 3, reverse=[False] * 3
    )
    assert (found.status, found.n, found.alpha, found.interval) == ("too_few_rows", n, None, None)
    assert found.items == ()


def test_two_rows():
    found = run([[0, 1, 1], [3, 2, 4]])
    assert found.status == "ok"
    assert found.alpha == pytest.approx(alpha([[0, 1, 1], [3, 2, 4]]), rel=ROUNDING)
    assert found.interval is not None
    assert found.free_interval is None


def test_items_without_variation_are_dropped_and_named():
    rows = answers(7, 80, 4)
    flat = np.column_stack([rows[:, :2], np.full(80, 3), rows[:, 2:]])
    plain, found = run(rows), run(flat)
    assert (found.status, found.message, found.k) == ("ok", "no variation in q3", 4)
    for name in ("alpha", "alpha_standardised", "se", "omega"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), rel=FLOAT_ORACLE), name
    assert found.interval.lower == pytest.approx(plain.interval.lower, rel=FLOAT_ORACLE)
    gone = found.items[2]
    assert (gone.dropped, gone.mean, gone.sd) == (True, 3.0, 0.0)
    assert gone.item_total is gone.loading is None
    kept = [item.alpha_if_dropped for item in found.items if not item.dropped]
    assert kept == pytest.approx([item.alpha_if_dropped for item in plain.items], rel=FLOAT_ORACLE)
    # Without an item that is not among them nothing changes.
    assert gone.alpha_if_dropped == pytest.approx(found.alpha, rel=ROUNDING)


def test_one_item_that_varies_is_too_few():
    rows = np.column_stack([answers(7, 30, 1), np.full(30, 2)])
    found = run(rows)
    assert (found.status, found.k, found.message) == ("too_few_items", 1, "no variation in q2")


def test_same_item_three_times_is_perfectly_reliable():
    one = answers(8, 50, 1)
    found = run(np.column_stack([one, one, one]))
    assert found.alpha == pytest.approx(1.0, rel=ROUNDING)
    assert found.omega == pytest.approx(1.0, abs=FLOAT_ORACLE)
    if found.alpha == 1.0:
        assert found.interval is None


def test_items_that_go_against_each_other_have_an_alpha_below_zero():
    rows = answers(9, 60, 2)
    rows[:, 1] = 4 - rows[:, 1]
    found = run(rows)
    assert found.alpha == pytest.approx(alpha(rows), rel=FLOAT_ORACLE)
    assert found.alpha < 0
    # Opposite item by item: the sum does not vary, and nothing is defined.
    opposite = np.column_stack([rows[:, 0], 4 - rows[:, 0]])
    assert run(opposite).alpha is None


def test_the_free_interval_reaches_further_up():
    rows = answers(3, 81, 4)
    found = run(rows)
    gap = 1 - found.alpha
    spread = max(found.se / gap, (2 * 4 / (3 * 79)) ** 0.5)
    reach = stats.t.ppf(0.975, 80) * spread
    z = (rows - rows.mean(axis=0)) / rows.std(axis=0, ddof=1)
    skewness = abs((z**3).mean(axis=0)).mean()
    # 81^(-1/2) is a ninth.
    assert found.free_interval.lower == pytest.approx(
        1 - gap * np.exp(reach * (1 - 0.3 / 9)), rel=FLOAT_ORACLE
    )
    assert found.free_interval.upper == pytest.approx(
        1 - gap * np.exp(-reach * (1 + 1.4 * skewness / 9)), rel=FLOAT_ORACLE
    )


def test_without_fourth_moments():
    found = run(answers(1, 40, 3), robust=False)
    assert found.se is found.free_interval is None
    assert found.interval is not None


def test_some_items_of_a_block():
    rows = answers(3, 90, 5)
    some = run(rows, items=[4, 0, 2])
    alone = run(rows[:, [4, 0, 2]])
    assert [item.item for item in some.items] == ["q5", "q1", "q3"]
    for name in ("alpha", "se", "omega"):
        assert getattr(some, name) == pytest.approx(getattr(alone, name), rel=ROUNDING), name


@pytest.mark.parametrize(
    "change, message",
    [
        ({"items": [0]}, "at least two"),
        ({"items": [0, 0]}, "more than once"),
        ({"items": [0, 7]}, r"columns 0\.\.2"),
        ({"ranges": [1]}, "same length"),
        ({"confidence": 0}, "strictly between"),
        ({"fourth": np.zeros((2, 35), dtype=np.int64)}, "same groups"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(ValueError, match=message):
        run(answers(1, 20, 3), **change)
