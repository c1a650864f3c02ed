import csv
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from cxstream.analytics.change import change
from cxstream.analytics.decomposition import decompose
from cxstream.analytics.impact import impacts
from cxstream.analytics.scores import Scores
from tests.analytics.tolerances import FLOAT_ORACLE, ROUNDING
from tests.reference.change import average_over_orders, delta_se, impact, parts

DATA = Path(__file__).parents[1] / "data" / "mix_rate"
NET = (-100.0, 0.0, 100.0)
# Central differences of step 1e-6 lose half the digits of a float64.
NUMERICAL_GRADIENT = 1e-5
# The source prints this many digits after the point.
PRINTED_8 = 5.1e-9
PRINTED_7 = 5.1e-8

TABLE = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6
)


def _effects(found):
    return [found.mix, found.rate]


def test_all_of_the_change_is_mix():
    # Autorenew renews 90 %, manual 40 %; its share falls from 70 to 60 %: 75 to 70 %, all mix
    found = change(
        Scores.of_shares([630, 120], [700, 300]), Scores.of_shares([540, 160], [600, 400])
    )
    assert (found.before, found.after) == (75.0, 70.0)
    assert (found.change.value, found.mix.value, found.rate.value) == (-5.0, -5.0, 0.0)
    assert [one.share_after for one in found.segments] == [60.0, 40.0]
    assert [one.mix.value for one in found.segments] == [-1.75, -3.25]
    assert found.reversal == "none"


@pytest.mark.parametrize(
    ("year", "mix", "rate"),
    [(2005, -0.0008043895241342739, 0.0014965962654173398), (2016, -0.02223154, -0.02975276)],
)
def test_scottish_reconviction(year, mix, rate):
    with (DATA / "reconviction.csv").open() as file:
        rows = list(csv.DictReader(file))

    def of(wanted):
        chosen = [row for row in rows if int(row["year"]) == wanted]
        return Scores.of_shares(
            *([int(row[name]) for row in chosen] for name in ("reconvicted", "offenders"))
        )

    found = change(of(2004), of(year))
    assert found.before == pytest.approx(32.374217341087314, rel=ROUNDING)
    assert found.mix.value == pytest.approx(100 * mix, abs=100 * PRINTED_8)
    assert found.rate.value == pytest.approx(100 * rate, abs=100 * PRINTED_8)


@given(TABLE, TABLE)
def test_mix_and_rate_are_the_change_exactly(first, last):
    width = min(len(first), len(last))
    before, after = Scores.of_nets(first[:width]), Scores.of_nets(last[:width])
    found = change(before, after)
    if not sum(before.n) or not sum(after.n):
        assert found.change is found.mix is found.rate is None
        assert found.segments == ()
        return
    # In fractions, from the formula as printed: nothing is left over.
    s_0, s_1 = ([Fraction(n, sum(one.n)) for n in one.n] for one in (before, after))
    centre = (before.whole[1] + after.whole[1]) / 2
    mix = rate = Fraction(0)
    for k in range(width):
        x = before.score[k] if before.n[k] else after.score[k]
        y = after.score[k] if after.n[k] else before.score[k]
        mix += (s_1[k] - s_0[k]) * ((x + y) / 2 - centre)
        rate += (s_0[k] + s_1[k]) / 2 * (y - x)
    assert mix + rate == after.whole[1] - before.whole[1]
    # And each number is that fraction, rounded once.
    assert found.change.value == float(mix + rate)
    assert found.mix.value == float(mix)
    assert found.rate.value == float(rate)
    assert found.mix.value == pytest.approx(
        sum(one.mix.value for one in found.segments), rel=ROUNDING, abs=100 * ROUNDING
    )


@settings(max_examples=25, deadline=None)
@given(TABLE, TABLE)
def test_standard_errors_are_those_of_the_multinomial_covariance(first, last):
    width = min(len(first), len(last))
    tables = [np.array(one[:width], dtype=np.float64) for one in (first, last)]
    assume(all(table.sum() for table in tables))
    found = change(*(Scores.of_nets(one[:width]) for one in (first, last)))

    def mixes(a, b):
        return parts(a / a.sum(), b / b.sum(), NET)[0]

    def rates(a, b):
        return parts(a / a.sum(), b / b.sum(), NET)[1]

    expected = [
        (found.mix, lambda a, b: sum(mixes(a, b))),
        (found.rate, lambda a, b: sum(rates(a, b))),
        (found.change, lambda a, b: sum(mixes(a, b)) + sum(rates(a, b))),
    ]
    for k, segment in enumerate(found.segments):
        expected += [
            (segment.mix, lambda a, b, k=k: mixes(a, b)[k]),
            (segment.rate, lambda a, b, k=k: rates(a, b)[k]),
            (segment.contribution, lambda a, b, k=k: mixes(a, b)[k] + rates(a, b)[k]),
        ]
    for effect, statistic in expected:
        se = delta_se(statistic, tables)
        assert effect.se == pytest.approx(se, rel=NUMERICAL_GRADIENT, abs=100 * NUMERICAL_GRADIENT)
        assert effect.interval.lower <= effect.value <= effect.interval.upper


def test_new_and_vanished_segments_go_to_mix():
    found = change(
        Scores.of_nets([[1, 2, 3], [0, 0, 4], [0, 0, 0]]),
        Scores.of_nets([[3, 2, 1], [0, 0, 0], [2, 0, 0]]),
    )
    kept, vanished, new = found.segments
    assert [one.presence for one in found.segments] == ["both", "vanished", "new"]
    assert vanished.rate.value == new.rate.value == vanished.rate.se == new.rate.se == 0.0
    assert vanished.score_after is new.score_before is None
    assert vanished.mix.value == vanished.contribution.value
    # Four of one mind of ten, joined by one of all; the period without them would have one of all.
    _, _, whole = Scores.of_nets([[1, 2, 3], [0, 0, 4], [0, 0, 0]]).whole
    _, _, after = Scores.of_nets([[3, 2, 1], [0, 0, 0], [2, 0, 0]]).whole
    square = 0.2**2 * (whole / 5 * (10 / 9) / 4 + after * (8 / 7))
    half = stats.t.ppf(0.975, 16) * math.sqrt(square)
    assert vanished.rate.interval.upper == pytest.approx(half, rel=FLOAT_ORACLE)
    assert vanished.rate.interval.lower == -vanished.rate.interval.upper
    assert kept.rate.value == found.rate.value
    (gone,) = change(
        Scores.of_nets([[0, 0, 0], [1, 1, 1]]), Scores.of_nets([[0, 0, 0], [1, 1, 2]])
    ).segments[:1]
    assert gone.presence == "absent"
    assert gone.mix.value == gone.rate.value == gone.mix.se == 0.0


def test_simpson_reversal():
    # Every segment falls by 10 points, the whole rises: customers move to the happier segment
    before = Scores.of_shares([180, 20], [200, 100])
    after = Scores.of_shares([320, 1], [400, 10])
    found = change(before, after)
    assert found.change.value > 0 > found.rate.value
    assert found.reversal == "every_segment"
    # One segment rises a little: the rate still is against the whole, but not everyone
    assert change(before, Scores.of_shares([320, 3], [400, 10])).reversal == "rate"
    # Segments that come or go do not count as having moved
    assert (
        change(Scores.of_shares([5, 0], [10, 0]), Scores.of_shares([5, 9], [10, 9])).reversal
        == "none"
    )
    assert change(before, before).reversal == "none"


def test_a_number_and_an_index_are_taken_apart_by_their_means():
    random = np.random.default_rng(4)
    rows = [
        [random.normal(50 + 10 * k, 5 + k, n) for k, n in enumerate(sizes)]
        for sizes in ((30, 40, 1), (50, 20, 3))
    ]
    periods = [
        Scores.of_means(
            [len(v) for v in one],
            [float(v.mean()) for v in one],
            [float(v.std(ddof=1) / np.sqrt(len(v))) if len(v) > 1 else None for v in one],
        )
        for one in rows
    ]
    found = change(*periods)
    everybody = [np.concatenate(one) for one in rows]
    assert found.change.value == pytest.approx(everybody[1].mean() - everybody[0].mean(), rel=1e-10)
    assert found.change.se == pytest.approx(
        np.sqrt(sum(v.var() / len(v) for v in everybody)), rel=1e-10
    )
    assert found.mix.value + found.rate.value == pytest.approx(found.change.value, rel=1e-10)


def test_nobody_answered_in_a_period():
    found = change(Scores.of_nets([[0, 0, 0]]), Scores.of_nets([[1, 2, 3]]))
    assert found.before is None
    assert found.after == pytest.approx(100 / 3)
    assert found.change is found.mix is found.rate is None
    with pytest.raises(ValueError, match="same segments"):
        change(Scores.of_nets([[1, 1, 1]]), Scores.of_nets([[1, 1, 1], [1, 1, 1]]))


@settings(max_examples=25, deadline=None)
@given(TABLE)
def test_impact_is_the_score_with_less_the_score_without(table):
    counts = np.array(table)
    assume(counts.sum())
    found = impacts(Scores.of_nets(table), Scores.of_nets([counts.sum(axis=0)]))
    n = int(counts.sum())
    for k, one in enumerate(found):
        mine = int(counts[k].sum())
        assert one.n == mine
        if mine == n:
            assert one.without is one.impact is one.se is one.interval is None
            continue
        rest = np.delete(counts, k, axis=0).sum(axis=0)
        exact = Fraction(100 * int(counts[:, 2].sum() - counts[:, 0].sum()), n) - Fraction(
            100 * int(rest[2] - rest[0]), n - mine
        )
        assert one.impact == float(exact)
        if not mine:
            assert one.impact == 0.0 and one.score is one.se is None
            continue
        # The formula of topic analysis: n_t (N_t - N) / (n - n_t)
        score = Fraction(100 * int(counts[k, 2] - counts[k, 0]), mine)
        whole = Fraction(100 * int(counts[:, 2].sum() - counts[:, 0].sum()), n)
        assert exact == mine * (score - whole) / (n - mine)
        se = delta_se(lambda shares, k=k: impact(shares, NET, k), [counts.astype(np.float64)])
        assert one.se == pytest.approx(se, rel=NUMERICAL_GRADIENT, abs=100 * NUMERICAL_GRADIENT)


def test_impact_of_answers_that_overlap():
    # 100 respondents, some chose both options: each is left out on its own
    whole = Scores.of_nets([[20, 30, 50]])
    first, second = impacts(Scores.of_nets([[15, 10, 5], [10, 20, 40]]), whole)
    assert first.without == pytest.approx(100 * (45 - 5) / 70)
    assert second.impact == pytest.approx(30 - 100 * (10 - 10) / 30)
    with pytest.raises(ValueError, match="more respondents"):
        impacts(Scores.of_nets([[100, 1, 0]]), whole)
    with pytest.raises(ValueError, match="one group"):
        impacts(whole, Scores.of_nets([[1, 1, 1], [1, 1, 1]]))
    (nothing,) = impacts(Scores.of_nets([[0, 0, 0]]), Scores.of_nets([[0, 0, 0]]))
    assert nothing.share is nothing.impact is nothing.se is None


def test_thousand_segments():
    random = np.random.default_rng(1)
    before, after = (Scores.of_nets(random.integers(0, 50, (1000, 3))) for _ in range(2))
    assert len(change(before, after).segments) == 1000


@pytest.mark.slow
@pytest.mark.parametrize("n", [500, 5000])
def test_standard_errors_are_those_of_a_bootstrap(n):
    random = np.random.default_rng(6)
    tables = [
        random.multinomial(
            n, np.outer(s, [0.2, 0.3, 0.5]).ravel() * w / (np.outer(s, [0.2, 0.3, 0.5]).ravel() @ w)
        ).reshape(4, 3)
        for s, w in (
            ([0.4, 0.3, 0.2, 0.1], np.linspace(0.5, 2, 12)),
            ([0.3, 0.3, 0.3, 0.1], np.linspace(1, 1.5, 12)),
        )
    ]
    found = change(*(Scores.of_nets(table) for table in tables))
    again = []
    for _ in range(1000):
        drawn = [random.multinomial(n, (table / n).ravel()).reshape(4, 3) for table in tables]
        one = change(*(Scores.of_nets(table) for table in drawn))
        again.append([one.change.value, one.mix.value, one.rate.value])
    for effect, spread in zip(
        (found.change, found.mix, found.rate), np.std(again, axis=0), strict=True
    ):
        # 1,000 replicates know a standard deviation to 2.2 %
        assert effect.se == pytest.approx(spread, rel=0.1)


def _coverage(random, sizes, shares, classes, replications):
    """How often the intervals of change, mix and rate hold the truth."""
    joint = [np.array(s)[:, None] * np.array(p) for s, p in zip(shares, classes, strict=True)]
    truth = change(*(Scores.of_nets(np.rint(1e9 * one).astype(np.int64)) for one in joint))
    held = np.zeros(3)
    for _ in range(replications):
        drawn = [
            Scores.of_nets(random.multinomial(n, one.ravel()).reshape(one.shape))
            for n, one in zip(sizes, joint, strict=True)
        ]
        found = change(*drawn)
        for i, name in enumerate(("change", "mix", "rate")):
            interval = getattr(found, name).interval
            held[i] += interval.lower <= getattr(truth, name).value <= interval.upper
    return held / replications


DIFFERENT = ([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.2, 0.3, 0.5]],) * 2
SHARES = [0.5, 0.3, 0.2], [0.3, 0.4, 0.3]


def test_coverage_small():
    held = _coverage(np.random.default_rng(8), (100, 100), SHARES, DIFFERENT, 400)
    # Four standard errors of a coverage of 0.95 from 400 replications are 0.044
    assert (held > 0.90).all()


@pytest.mark.slow
@pytest.mark.parametrize("n", [30, 100, 500])
def test_coverage_of_change_mix_and_rate(n):
    random = np.random.default_rng(9)
    # 2,000 replications: three standard errors are 0.015
    held = _coverage(random, (n, n), SHARES, DIFFERENT, 2000)
    assert (held > 0.92).all() and (held < 0.975).all()
    extreme = ([[0.02, 0.08, 0.9], [0.1, 0.1, 0.8], [0.05, 0.05, 0.9]],) * 2
    held = _coverage(random, (n, n), SHARES, extreme, 2000)
    assert (held > (0.90 if n == 30 else 0.92)).all()
    # Where the segments neither differ nor move, the mix is a product of two errors: its interval
    # is far too long.
    same = ([[0.2, 0.3, 0.5]] * 3,) * 2
    held = _coverage(random, (n, n), (SHARES[0],) * 2, same, 2000)
    assert held[1] > 0.99


def _factors(name, order):
    with (DATA / f"dasgupta_{name}.csv").open() as file:
        rows = {row.pop("pop"): [float(v) for v in row.values()] for row in csv.DictReader(file)}
    return [rows[one] for one in order]


@pytest.mark.parametrize(
    ("name", "populations", "rates", "effects"),
    [
        ("2factor", ("black", "white"), (7846.55956, 13703.734634), (4369.912713, 1487.262361)),
        (
            "3factor",
            ("austria", "chile"),
            (12.517466, 32.845338),
            (10.4340333, 10.5608476, -0.6670084),
        ),
        (
            "4factor",
            ("1971", "1979"),
            (1.4335231, 4.4226626),
            (0.6889411, 0.8125381, 1.3829055, 0.1047547),
        ),
        (
            "5factor",
            ("1970", "1980"),
            (4.0501018, 6.1298747),
            (1.0909785, 1.2298438, 0.7278399, -0.8398707, -0.1290187),
        ),
    ],
)
def test_das_gupta(name, populations, rates, effects):
    # Das Gupta (1993), U.S. Census P23-186, as recomputed for each named factor: the R package
    # DasGuptR prints the values of three factors and more against other names
    before, after = _factors(name, populations)
    found = decompose(before, after)
    digits = 5.1e-7
    assert (found.before, found.after) == pytest.approx(rates, abs=digits)
    assert found.effects == pytest.approx(effects, abs=PRINTED_7)
    assert sum(found.effects) == pytest.approx(found.change, rel=ROUNDING)


def test_das_gupta_by_age_group():
    with (DATA / "dasgupta_3vector.csv").open() as file:
        rows = list(csv.DictReader(file))
    before, after = (
        [[float(r[name]) for r in rows if r["pop"] == year] for name in ("bm", "mw", "wp")]
        for year in ("1960", "1970")
    )
    found = decompose(before, after)
    assert found.before == pytest.approx(38.774628, rel=ROUNDING)
    assert found.after == pytest.approx(27.12315, rel=ROUNDING)
    assert found.effects == pytest.approx((-7.2946885, -2.70238, -1.6544095), rel=1e-9)


NUMBER = st.floats(-100, 100, allow_nan=False, width=32)


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=5))
def test_decomposition_is_the_average_over_all_orders(pairs):
    before, after = [b for b, _ in pairs], [a for _, a in pairs]
    found = decompose(before, after)
    largest = max(1.0, *(abs(v) for v in before + after)) ** len(pairs)
    assert found.effects == pytest.approx(
        average_over_orders(before, after), rel=1e-9, abs=1e-12 * largest
    )
    exact = decompose([Fraction(b) for b in before], [Fraction(a) for a in after])
    assert exact == found


def test_two_factors_by_group_are_mix_and_rate():
    before, after = (
        Scores.of_shares([630, 120], [700, 300]),
        Scores.of_shares([500, 170], [600, 400]),
    )
    found = change(before, after)
    shares = [[Fraction(n, sum(one.n)) for n in one.n] for one in (before, after)]
    same = decompose([shares[0], before.score], [shares[1], after.score])
    assert same.effects == pytest.approx((found.mix.value, found.rate.value), rel=ROUNDING)


def test_factors_that_do_not_fit_are_refused():
    for before, after in (
        ([], []),
        ([1], [1, 2]),
        ([[1, 2], [1, 2, 3]], [[1, 2], [1, 2, 3]]),
        ([float("nan")], [1]),
    ):
        with pytest.raises(ValueError):
            decompose(before, after)
    assert decompose([2, [1, 2]], [3, [1, 3]]).effects == (3.5, 2.5)


def test_intervals_of_few_answers_have_a_width():
    # One segment, so the rate is the change: t with n_0 + n_1 - 2, variances with n - 1.
    first, last = [3, 4, 8], [2, 3, 15]
    found = change(Scores.of_nets([first]), Scores.of_nets([last]))
    points = [np.repeat([-100.0, 0.0, 100.0], one) for one in (first, last)]
    error = np.sqrt(sum(one.var(ddof=1) / len(one) for one in points))
    reach = stats.t.ppf(0.975, 33) * error
    for one in (found.change, found.rate):
        assert one.interval.upper - one.value == pytest.approx(reach, rel=ROUNDING)
        assert one.se == pytest.approx(np.sqrt(sum(p.var() / len(p) for p in points)), rel=ROUNDING)
    # A segment whose answers agree: no error is seen, but that is not to say that there is none.
    before, after = [[5, 5, 5], [0, 0, 4]], [[5, 5, 5], [0, 0, 4]]
    agreed = change(Scores.of_nets(before), Scores.of_nets(after)).segments[1].rate
    assert agreed.se == 0.0
    assert agreed.interval.lower < 0.0 < agreed.interval.upper
