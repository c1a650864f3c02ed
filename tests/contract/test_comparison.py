"""Comparisons and sample sizes, over both transports, against the metrics themselves."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from scipy import stats

import cxstream_client as cx

RATING = {"kind": "rating", "scale": [1, 5]}
PROGRAM: dict[str, Any] = {
    "questions": {
        "recommend": {"kind": "nps"},
        "solved": {"kind": "boolean"},
        "food": RATING,
        "staff": RATING,
    },
    "dimensions": {"area": {"max_levels": 5}, "class": {"max_levels": 3}},
    "indices": {"delight": {"parts": {"food": {"items": ["food"]}, "staff": {"items": ["staff"]}}}},
    "models": {"drivers": {"outcome": "recommend", "drivers": ["food", "staff"]}},
    "time": {"column": "at", "buckets": ["day", "month"]},
    "views": [{"by": ["area", "class"]}],
}
N = 600
FLOAT = 1e-9
#: R prints 15 digits.
PRINTED = 1e-13


def _rows() -> dict[str, list[Any]]:
    random = np.random.default_rng(20)
    area = random.choice(["A", "B", "C"], N, p=[0.5, 0.3, 0.2])
    food, staff = random.integers(1, 6, N), random.integers(1, 6, N)
    noise = random.integers(0, 4, N)
    recommend = np.clip(food + staff + noise - (area == "C"), 0, 10)
    days = random.integers(0, 60, N)
    return {
        "recommend": [None if k % 37 == 0 else int(v) for k, v in enumerate(recommend)],
        "solved": [bool(v) for v in random.random(N) < np.where(area == "A", 0.8, 0.6)],
        "food": food.tolist(),
        "staff": [None if k % 41 == 0 else int(v) for k, v in enumerate(staff)],
        "area": area.tolist(),
        "class": random.choice(["1", "2"], N).tolist(),
        "at": [f"2026-{1 + d // 30:02d}-{1 + d % 28:02d}" for d in days],
    }


ROWS = _rows()


@pytest.fixture
def name(client: cx.Client, unique: str) -> str:
    client.put_program({**PROGRAM, "name": unique})
    at = [dt.date.fromisoformat(day) for day in ROWS["at"]]
    with client.append(unique, producer="p") as stream:
        stream.send({**ROWS, "at": at})
    return unique


def test_a_group_against_its_complement_is_a_against_b(client: cx.Client, name: str) -> None:
    every = client.compare(name, "nps", "recommend", by="area")
    assert [row.group["area"] for row in every] == ["A", "B", "C"]
    for row in every:
        (level,) = row.group.values()
        others = [one for one in "ABC" if one != level]
        pair = client.compare(name, "nps", "recommend", a={"area": level}, b={"area": others})
        assert pair.difference == row.difference and pair.p == row.p
        assert pair.interval == row.interval
        assert (pair.n_a, pair.n_b) == (row.n_a, row.n_b)
        mine = client.nps(name, "recommend", where={"area": level})
        rest = client.nps(name, "recommend", where={"area": others})
        assert (row.a, row.b, row.n_a, row.n_b) == (mine.score, rest.score, mine.n, rest.n)
        assert row.n == mine.n + rest.n
        assert row.dropped == {"null": mine.dropped["null"] + rest.dropped["null"]}
        assert row.se == pytest.approx(np.hypot(mine.se, rest.se), rel=FLOAT)
    assert every.to_arrow().column_names == [
        *("area", "n_a", "n_b", "a", "b", "difference", "se", "lower", "upper"),
        *("statistic", "df", "p", "p_adjusted"),
    ]
    adjusted = sorted(row.p for row in every)
    assert min(row.p_adjusted for row in every) == pytest.approx(min(1.0, 3 * adjusted[0]))
    assert {one.id for one in every.explanation.formulas} == {"comparison", "interval.hybrid_score"}


def test_all_metrics_against_a_level(client: cx.Client, name: str) -> None:
    shares = client.compare(name, "csat", "solved", by="area", against="A")
    assert [row.group["area"] for row in shares] == ["B", "C"]
    reference = client.csat(name, "solved", where={"area": "A"})
    assert all((row.b, row.n_b) == (reference.score, reference.n) for row in shares)
    assert shares[0].interval is not None
    assert shares[0].interval.method == "miettinen_nurminen"

    joined = client.compare(name, "index", "delight", by="area", against="A").row(area="B")
    indices = client.compare(name, "index", "delight", by="area", against="A", method="wald")
    one, two = (client.index(name, "delight", where={"area": level}) for level in "BA")
    row = indices.row(area="B")
    assert row.difference == pytest.approx(one.score - two.score, rel=FLOAT)
    assert row.se == pytest.approx(np.hypot(one.se, two.se), rel=FLOAT)
    assert row.df == pytest.approx(
        (one.se**2 + two.se**2) ** 2 / (one.se**4 / (one.n - 1) + two.se**4 / (two.n - 1)),
        rel=FLOAT,
    )
    assert (joined.difference, joined.se, joined.df) == (row.difference, row.se, None)
    assert joined.interval.lower == pytest.approx(
        joined.difference
        - np.hypot(one.score - one.interval.lower, two.interval.upper - two.score),
        rel=FLOAT,
    )

    slopes = client.compare(name, "regression", "drivers", driver="food", by="area", against="A")
    terms = {
        level: client.regression(name, "drivers", where={"area": level})[0].terms[1]
        for level in "AC"
    }
    row = slopes.row(area="C")
    assert row.difference == pytest.approx(
        terms["C"].coefficient - terms["A"].coefficient, rel=FLOAT
    )
    assert row.dropped["incomplete"] > 0


def test_indices_and_coefficients_against_the_complement(client: cx.Client, name: str) -> None:
    for row in client.compare(name, "index", "delight", by="area", missing="complete"):
        others = [one for one in "ABC" if one != row.group["area"]]
        rest = client.index(name, "delight", missing="complete", where={"area": others})
        assert row.b == pytest.approx(rest.score, rel=FLOAT)
        assert row.n_b == rest.n
    for row in client.compare(name, "regression", "drivers", driver="staff", by="area"):
        others = [one for one in "ABC" if one != row.group["area"]]
        rest = client.regression(name, "drivers", where={"area": others})
        assert row.b == rest.terms[2].coefficient
    # Exactly the others' numbers, with the golden test of Student's data in between: Welch
    row = client.compare(name, "index", "delight", by="area", method="wald")[0]
    assert row.p == pytest.approx(2 * stats.t.sf(abs(row.statistic), row.df), rel=1e-9)


def test_two_periods(client: cx.Client, name: str) -> None:
    found = client.compare(
        name, "nps", "recommend",
        a=("2026-02-01", None), b=("2026-01-01", "2026-02-01"), method="adjusted_wald",
    )  # fmt: skip
    late = client.nps(name, "recommend", since="2026-02-01")
    early = client.nps(name, "recommend", until="2026-02-01")
    assert (found.a, found.b) == (late.score, early.score)
    assert (found.n_a, found.n_b) == (late.n, early.n)
    assert found.centre != found.difference
    assert found.interval is not None and found.interval.method == "adjusted_wald"


def test_what_cannot_be_compared_is_refused(client: cx.Client, name: str) -> None:
    def refused(reason: str, **options: Any) -> cx.CxstreamError:
        with pytest.raises(cx.CxstreamError) as caught:
            client.compare(name, options.pop("metric", "nps"), "recommend", **options)
        assert caught.value.reason == reason
        return caught.value

    assert "share" in str(refused("OVERLAPPING_SIDES", a={"area": "A"}, b={"area": ["A", "B"]}))
    refused("OVERLAPPING_SIDES", a={}, b={})
    refused("OVERLAPPING_SIDES", a={"area": "A"}, b={"class": "1"})
    refused("OVERLAPPING_SIDES", a={"area": "A"}, b={})
    refused("INVALID_COMPARISON")
    refused("INVALID_COMPARISON", by="area", a={"area": "A"}, b={"area": "B"})
    refused("INVALID_COMPARISON", by=["area", "class"], against="A")
    assert "'A'" in str(refused("UNKNOWN_LEVEL", by="area", against="a"))
    assert "did you mean" in str(refused("UNKNOWN_DIMENSION", a={"are": "A"}, b={"area": "B"}))
    refused("WRONG_TYPE", a="A", b={"area": "B"})
    refused("BAD_CHOICE", metric="npss", by="area")
    refused("NO_WEIGHT", by="area", weighting="declared")
    with pytest.raises(cx.CxstreamError, match="has no driver"):
        client.compare(name, "regression", "drivers", driver="foood", by="area")


def test_nobody_on_one_side(client: cx.Client, name: str) -> None:
    found = client.compare(name, "nps", "recommend", a={"area": "A"}, b={"area": "Z"})
    assert found.n_b == 0 and found.b is None and found.a is not None
    assert found.difference is found.se is found.p is found.interval is None


def test_sample_sizes(client: cx.Client, name: str) -> None:
    assert client.sample_size("csat", margin=5).answers == 385
    assert client.sample_size("csat", margin=5, population=1000).answers == 278
    assert client.sample_size("nps", margin=5, assumed=(54, 108, 162)).answers == 854
    assert client.sample_size("nps", margin=5).variance == 10_000.0
    two = client.sample_size("csat", difference=10, assumed=50, ratio=2.0)
    assert two.answers_b == pytest.approx(2 * two.answers, abs=1)
    # R: power.prop.test(p1 = .5, p2 = .6, power = .8), 387.3; (p1 = .5, p2 = .75, power = .9), 76.7;
    # power.t.test(delta = .5, sd = 1, power = .8), 63.8; (delta = 1, sd = 1, power = .9), 22.02.
    assert client.sample_size("csat", difference=10, assumed=(50, 60)).answers == 388
    assert client.sample_size("csat", difference=25, assumed=(50, 75), power=0.9).answers == 77
    assert client.sample_size("mean", difference=0.5, assumed=1.0).answers == 64
    assert client.sample_size("mean", difference=1, assumed=1.0, power=0.9).answers == 23
    index = client.sample_size("index", margin=2, assumed=20.0)
    assert index.answers == 387  # 385 with a known spread

    seen = client.sample_size("nps", "recommend", program=name, margin=5, by="area")
    for row in seen:
        nps = client.nps(name, "recommend", where={"area": row.group["area"]})
        assert row.n == nps.n and row.dropped == nps.dropped
        assert row.variance == pytest.approx(nps.variance, rel=FLOAT)
        assert row.answers is not None and row.answers_b is None
    alike = client.sample_size("csat", "solved", program=name, margin=5, where={"area": "Z"})
    assert (alike.n, alike.answers, alike.variance) == (0, None, None)
    for options in (
        {"margin": 0.0}, {"margin": 5.0, "assumed": (1.0,)}, {"difference": 1.0, "power": 2.0},
        {"margin": 5.0, "assumed": (0, 0, 9)}, {"metric": "regression", "margin": 1.0},
        {"metric": "index", "margin": 1.0}, {"margin": 1.0, "difference": 1.0}, {},
        {"difference": 10.0, "assumed": (50, 70)}, {"margin": 5.0, "assumed": (50, 60)},
        {"margin": 5.0, "program": name, "name": "recommend", "assumed": (1, 1, 1)},
    ):  # fmt: skip
        with pytest.raises(cx.InvalidInput):
            client.sample_size(**options)  # type: ignore[arg-type]


def test_progress_and_the_digest(client: cx.Client, name: str) -> None:
    told: list[tuple[int, int]] = []
    quiet = client.compare(name, "nps", "recommend", by="area")
    asked = client.compare(
        name, "nps", "recommend", by="area", on_progress=lambda *done: told.append(done)
    )
    assert asked == quiet
    assert asked.explanation.digest == quiet.explanation.digest != ""
    assert asked.as_of.responses == N


# Hours of extra sleep, ten patients under each of two drugs: Student (1908), Biometrika 6, 20.
SLEEP = {
    "1": [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    "2": [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
}


def test_means_and_how_large_their_difference_is(client: cx.Client, unique: str) -> None:
    client.put_program(
        {
            "name": unique,
            "questions": {"extra": {"kind": "number", "range": [-10, 10], "step": 0.1}},
            "dimensions": {"drug": {}},
        }
    )
    with client.append(unique, producer="p") as stream:
        hours = [*SLEEP["1"], *SLEEP["2"], None]
        stream.send({"extra": hours, "drug": ["1"] * 10 + ["2"] * 11})
    asked: dict[str, Any] = {"a": {"drug": "2"}, "b": {"drug": "1"}}
    found = client.compare(unique, "mean", "extra", method="pooled", **asked)
    # R 4.2.2: t.test(var.equal = TRUE), and effect sizes by their formulas.
    assert found.statistic == pytest.approx(1.86081346748685, rel=PRINTED)
    assert (found.df, found.n_a, found.n_b, found.dropped) == (18, 10, 10, {"null": 1})
    assert found.p == pytest.approx(0.0791867142159382, rel=PRINTED)
    assert found.cohen_d == pytest.approx(0.83218108134954, rel=PRINTED)
    assert found.hedges_g == pytest.approx(0.797018500447446, rel=PRINTED)
    theirs = stats.ttest_ind(SLEEP["2"], SLEEP["1"]).confidence_interval()
    assert found.interval.method == "pooled_t"
    assert (found.interval.lower, found.interval.upper) == pytest.approx(tuple(theirs), rel=PRINTED)
    welch = client.compare(unique, "mean", "extra", **asked)
    oracle = stats.ttest_ind(SLEEP["2"], SLEEP["1"], equal_var=False)
    assert (welch.statistic, welch.df, welch.p) == pytest.approx(
        (oracle.statistic, oracle.df, oracle.pvalue), rel=PRINTED
    )
    assert (welch.cohen_d, welch.hedges_g) == (found.cohen_d, found.hedges_g)
    formulas = {one.id for one in found.explanation.formulas}
    assert {"comparison", "effect_size", "interval.pooled_t"} <= formulas
    # Against the rest, and of what a mean's change is made up.
    by = client.compare(unique, "mean", "extra", by="drug", method="pooled")
    assert by.row(drug="2").cohen_d == found.cohen_d
    for method in ("pooled", "continuity"):
        with pytest.raises(cx.InvalidInput, match=r"is for (means and )?shares"):
            client.compare(unique, "nps", "extra", method=method, **asked)


def test_shares_as_r_compares_them(client: cx.Client, unique: str) -> None:
    """prop.test: 15 of 25 against 5 of 25, without and with Yates' correction."""
    client.put_program(
        {"name": unique, "questions": {"in": {"kind": "boolean"}}, "dimensions": {"side": {}}}
    )
    with client.append(unique, producer="p") as stream:
        said = [True] * 15 + [False] * 10 + [True] * 5 + [False] * 20
        stream.send({"in": said, "side": ["a"] * 25 + ["b"] * 25})
    for method, corrected in (("pooled", False), ("continuity", True)):
        found = client.compare(
            unique, "csat", "in", a={"side": "a"}, b={"side": "b"}, method=method
        )
        oracle = stats.chi2_contingency([[15, 10], [5, 20]], correction=corrected)
        assert found.statistic**2 == pytest.approx(oracle.statistic, rel=PRINTED)
        assert found.p == pytest.approx(oracle.pvalue, rel=FLOAT)
        reach = stats.norm.ppf(0.975) * np.sqrt(0.6 * 0.4 / 25 + 0.2 * 0.8 / 25) + 0.04 * corrected
        bounds = [100 * (0.4 - reach), 100 * (0.4 + reach)]
        assert [found.interval.lower, found.interval.upper] == pytest.approx(bounds, rel=FLOAT)
    with pytest.raises(cx.InvalidInput, match="is for shares"):
        client.compare(unique, "mean", "in", a={"side": "a"}, b={"side": "b"}, method="continuity")


def test_means_of_ratings(client: cx.Client, name: str) -> None:
    """Of a scale the mean comes from its levels; a difference has the same units."""
    found = client.compare(name, "mean", "food", by="area")
    levels = client.distribution(name, "food", by="area")
    for row in found:
        assert row.a == pytest.approx(levels.row(**row.group).mean)
    assert client.compare(name, "nps", "recommend", by="area")[0].cohen_d is None
