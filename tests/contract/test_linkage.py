"""Outcomes by NPS class, lifetime value, first contacts, relative performance, over both transports."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

import cxstream_client as cx
from cxstream.analytics.survival import survival

PROGRAM: dict[str, Any] = {
    "questions": {
        "recommend": {"kind": "nps", "missing": [11]},
        "churned": {"kind": "boolean"},
        "resolved": {"kind": "boolean"},
        "hopeless": {"kind": "boolean"},
        "spend": {"kind": "number", "range": [0, 1000], "step": 0.01},
        "rank": {
            "kind": "choice",
            "options": {"1": "Worst", "2": "Worse", "3": "Same", "4": "Better", "5": "Best"},
        },
    },
    "dimensions": {
        "score": {"column": "recommend", "max_levels": 20},
        "region": {"max_levels": 5},
        "left": {"column": "churned", "max_levels": 2},
    },
    "views": [{"by": ["score", "region"]}, {"by": ["region", "left"]}],
}


def _rows(n: int = 400) -> dict[str, Any]:
    rng = np.random.default_rng(41)
    recommend = rng.integers(0, 12, n)
    left = rng.random(n) < 0.5 - 0.04 * np.minimum(recommend, 10)
    resolved = rng.random(n) < 0.6
    return {
        "recommend": [None if i % 50 == 0 else int(x) for i, x in enumerate(recommend)],
        "churned": [None if i % 40 == 1 else bool(x) for i, x in enumerate(left)],
        "resolved": [bool(x) for x in resolved],
        "hopeless": [bool(x) for x in ~resolved & (rng.random(n) < 0.2)],
        "spend": [float(x) for x in np.round(rng.gamma(4, 10 + 2 * recommend), 2)],
        "rank": [str(1 + i % 5) for i in range(n)],
        "region": [str(x) for x in rng.choice(["n", "s"], n)],
    }


@pytest.fixture
def loaded(client: cx.Client, unique: str) -> tuple[str, dict[str, Any]]:
    rows = _rows()
    client.put_program({**PROGRAM, "name": unique})
    with client.append(unique, producer="p") as stream:
        stream.send(rows)
    return unique, rows


def _class(score: int | None) -> str | None:
    if score is None or score == 11:
        return None
    return "promoter" if score >= 9 else "passive" if score >= 7 else "detractor"


def test_churn_by_class(client: cx.Client, loaded: Any) -> None:
    name, rows = loaded
    found = client.linkage(name, "recommend", "churned")
    pairs = [(_class(s), c) for s, c in zip(rows["recommend"], rows["churned"], strict=True)]
    for one in found.classes:
        mine = [c for k, c in pairs if k == one.name and c is not None]
        assert one.n == len(mine)
        assert one.value == pytest.approx(100 * np.mean(mine))
    assert found.n == sum(k is not None and c is not None for k, c in pairs)
    assert found.dropped == {
        "no score": sum(k is None for k, _ in pairs),
        "null": sum(k is not None and c is None for k, c in pairs),
    }
    assert found.n + sum(found.dropped.values()) == 400
    move = found[0].move("detractor", "promoter")
    assert move.difference == found.classes[2].value - found.classes[0].value
    assert move.p_adjusted < 0.01
    with pytest.raises(KeyError):
        found[0].move("promoter", "detractor")


def test_spend_by_class_and_region(client: cx.Client, loaded: Any) -> None:
    name, rows = loaded
    found = client.linkage(name, "recommend", "spend", by="region")
    for region in ("n", "s"):
        for one in found.row(region=region).classes:
            mine = [
                x
                for s, r, x in zip(rows["recommend"], rows["region"], rows["spend"], strict=True)
                if r == region and _class(s) == one.name
            ]
            assert one.value == pytest.approx(np.mean(mine))
            assert one.se == pytest.approx(np.std(mine, ddof=1) / np.sqrt(len(mine)))
    assert found.to_arrow().column_names[:4] == ["region", "name", "n", "value"]


def test_lifetime_value_and_moving_one_customer(client: cx.Client, loaded: Any) -> None:
    name, _ = loaded
    asked: dict[str, Any] = {"margin": "spend", "churn": "churned", "discount": 0.1}
    found = client.customer_value(name, "recommend", **asked)
    spend = {one.name: one for one in client.linkage(name, "recommend", "spend").classes}
    left = {one.name: one for one in client.linkage(name, "recommend", "churned").classes}
    for one in found.classes:
        r = 1 - left[one.name].value / 100
        assert (one.margin, one.retention) == (spend[one.name].value, pytest.approx(r))
        assert one.value == pytest.approx(one.margin * r / (1.1 - r))
        assert one.undefined == ""
    move = found[0].move("detractor", "passive")
    assert move.difference == pytest.approx(found.classes[1].value - found.classes[0].value)
    assert move.se > 0
    now = client.customer_value(name, "recommend", variant="margin_now", acquisition=5, **asked)
    assert now.variant == "margin_now"
    assert now.classes[0].value > found.classes[0].value


def test_a_model_of_both_gives_their_covariance(client: cx.Client, unique: str) -> None:
    models = {"value": {"outcome": "spend", "drivers": ["churned"]}}
    names = [f"{unique}-apart", f"{unique}-joint"]
    rows = _rows()
    rows["churned"] = [bool(x) for x in rows["churned"]]
    for name, more in zip(names, ({}, {"models": models}), strict=True):
        client.put_program({**PROGRAM, **more, "name": name})
        with client.append(name, producer="p") as stream:
            stream.send(rows)
    apart, joint = (
        client.customer_value(name, "recommend", margin="spend", churn="churned", discount=0.1)
        for name in names
    )
    for one, other in zip(apart.classes, joint.classes, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-12)
        assert one.se > other.se


@pytest.mark.parametrize("by", [(), ("region",)])
def test_churn_and_retention(client: cx.Client, loaded: Any, by: tuple[str, ...]) -> None:
    name, rows = loaded
    found = client.retention(name, "churned", revenue="spend", periods=12, by=by)
    for row in found:
        mine = [
            (bool(c), x)
            for c, r, x in zip(rows["churned"], rows["region"], rows["spend"], strict=True)
            if c is not None and (not by or r == row.group["region"])
        ]
        left, spend = np.array([c for c, _ in mine]), np.array([x for _, x in mine])
        assert (row.n, row.lost) == (len(mine), int(left.sum()))
        assert row.churn == pytest.approx(100 * left.mean())
        assert row.churn + row.retention == pytest.approx(100)
        assert row.churn_over == pytest.approx(100 * (1 - (1 - left.mean()) ** 12))
        wilson = proportion_confint(left.sum(), len(mine), method="wilson")
        assert [row.interval.lower, row.interval.upper] == pytest.approx([100 * v for v in wilson])
        over = [100 * (1 - (1 - v) ** 12) for v in wilson]
        bounds = row.churn_over_interval
        assert [bounds.lower, bounds.upper] == pytest.approx(over)
        ratio = spend[left].sum() / spend.sum()
        residual = spend * (left - ratio)
        n = row.revenue_n
        se = 100 * np.sqrt(n / (n - 1) * (residual**2).sum()) / spend.sum()
        assert n == len(mine)
        assert (row.revenue_churn, row.revenue_churn_se) == pytest.approx((100 * ratio, se))
    assert sum(row.n + sum(row.dropped.values()) for row in found) == 400


def test_published_churn(client: cx.Client, unique: str) -> None:
    """IBM's telco customers: 1,869 of 7,043 left."""
    client.put_program({"name": unique, "questions": {"churned": {"kind": "boolean"}}})
    with client.append(unique, producer="p") as stream:
        stream.send({"churned": [True] * 1869 + [False] * (7043 - 1869)})
    found = client.retention(unique, "churned")
    assert (found.n, found.lost) == (7043, 1869)
    assert found.churn == pytest.approx(26.536987, abs=5e-7)
    assert (found.revenue_n, found.revenue_churn, found.churn_over) == (None, None, found.churn)
    with pytest.raises(cx.InvalidInput, match="1 or more"):
        client.retention(unique, "churned", periods=-1)


def test_a_finite_horizon(client: cx.Client, loaded: Any) -> None:
    name, _ = loaded
    asked: dict[str, Any] = {"margin": "spend", "churn": "churned", "discount": 0.1}
    found = client.customer_value(name, "recommend", variant="finite", horizon=3, **asked)
    for one in found.classes:
        step = one.retention / 1.1
        assert one.value == pytest.approx(one.margin * (step + step**2 + step**3))
        assert one.se > 0
    far = client.customer_value(name, "recommend", variant="finite", horizon=1200, **asked)
    ever = client.customer_value(name, "recommend", **asked)
    for one, other in zip(far.classes, ever.classes, strict=True):
        assert (one.value, one.se) == pytest.approx((other.value, other.se))
    for wrong in ({"variant": "finite"}, {"horizon": 3}, {"variant": "finite", "horizon": 1201}):
        with pytest.raises(cx.InvalidInput, match="horizon"):
            client.customer_value(name, "recommend", **wrong, **asked)


def test_first_contact(client: cx.Client, loaded: Any) -> None:
    name, rows = loaded
    found = client.first_contact(name, "resolved", not_resolvable="hopeless")
    resolved, hopeless = sum(rows["resolved"]), sum(rows["hopeless"])
    assert (found.n, found.resolved, found.not_resolvable) == (400, resolved, hopeless)
    assert found.rate == pytest.approx(resolved / 4)
    assert found.net_rate == pytest.approx(100 * resolved / (400 - hopeless))
    assert client.first_contact(name, "resolved").net_rate is None
    with pytest.raises(cx.CxstreamError, match="question of what was resolved"):
        client.first_contact(name, "resolved", not_resolvable="resolved")


def test_relative_performance(client: cx.Client, unique: str) -> None:
    client.put_program({**PROGRAM, "name": unique})
    answers = [str(k + 1) for k, n in enumerate((1, 7, 19, 34, 39)) for _ in range(n)]
    with client.append(unique, producer="p") as stream:
        stream.send({**{k: [None] * 100 for k in _rows(1)}, "rank": answers, "region": ["n"] * 100})
    # the published example: (0 + 175 + 950 + 2550 + 3900) / 100
    assert client.relative(unique, "rank").score == 75.75
    uneven = client.relative(unique, "rank", percentiles=[0, 10, 50, 90, 100])
    assert uneven.score == pytest.approx((70 + 950 + 34 * 90 + 3900) / 100)
    with pytest.raises(cx.CxstreamError, match="2 percentiles for 5"):
        client.relative(unique, "rank", percentiles=[0, 100])


def test_no_dimension_of_the_score_names_what_to_declare(client: cx.Client, unique: str) -> None:
    client.put_program({**PROGRAM, "dimensions": {}, "views": [], "name": unique})
    with pytest.raises(cx.CxstreamError, match=r'recommend_level = \{ column = "recommend" \}'):
        client.linkage(unique, "recommend", "churned")


def test_nobody_answered(client: cx.Client, unique: str) -> None:
    client.put_program({**PROGRAM, "name": unique})
    found = client.linkage(unique, "recommend", "churned")
    assert [one.value for one in found.classes] == [None, None, None]
    value = client.customer_value(unique, "recommend", margin="spend", churn="churned")
    assert [one.undefined for one in value.classes] == ["nobody answered"] * 3
    assert client.first_contact(unique, "resolved").rate is None
    assert client.relative(unique, "rank").score is None


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"margin": "spend", "churn": "spend"}, "boolean"),
        ({"margin": "spend", "churn": "churned", "discount": -1.0}, "rate of 0 or more"),
        ({"margin": "spend", "churn": "churned", "variant": "best"}, "variant"),
        ({"margin": "spend", "churn": "churned", "by": "score"}, "has the classes already"),
    ],
)
def test_values_that_cannot_be(
    client: cx.Client, loaded: Any, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(cx.CxstreamError, match=message):
        client.customer_value(loaded[0], "recommend", **asked)


# Fader and Hardie (2007), table 1, customers left of 1,000: alpha, beta and LL to the digits of a
# maximum found otherwise; S(8..12) and the residual lifetime as printed in their papers.
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]


def test_published_survival(client: cx.Client) -> None:
    found = client.survival(HIGH_END, ahead=5, discount=0.1)
    assert (found.n, found.message) == (1000, "")
    fitted = (found.alpha, found.beta, found.log_likelihood)
    assert fitted == pytest.approx((0.668088, 3.806095, -1611.158147), rel=1e-6)
    ahead = [one.survival for one in found.periods[7:]]
    assert ahead == pytest.approx([0.460440, 0.435780, 0.414172, 0.395055, 0.377999], abs=6e-7)
    assert [one.survivors for one in found.periods] == [*HIGH_END[1:], *[None] * 5]
    assert found.residual_lifetime == pytest.approx(7.5296280, rel=1e-6)
    # Before the seventh renewal, by the model of all seven.
    assert found.periods[5].residual_lifetime == pytest.approx(7.3447212, rel=1e-6)
    assert found.periods[6].residual_lifetime == found.residual_lifetime
    regular = client.survival(REGULAR)
    assert (regular.alpha, regular.beta) == pytest.approx((0.704077, 1.182043), rel=1e-6)
    assert regular.residual_lifetime is regular.periods[0].residual_lifetime is None
    # Retention rises, and its product is survival.
    kept = [one.retention for one in found.periods]
    assert kept == sorted(kept)
    assert np.cumprod(kept) == pytest.approx([one.survival for one in found.periods])
    assert found.explanation.formulas[0].id == "survival"


def test_standard_errors_of_survival_are_those_of_many_cohorts() -> None:
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(200):
        churn = rng.beta(0.7, 3.8, 10_000)
        lifetimes = rng.geometric(churn)
        shares.append(survival([int((lifetimes > t).sum()) for t in range(8)], ahead=3))
    for name, at in (("alpha", None), ("survival", 9)):
        values = [getattr(one if at is None else one.periods[at], name) for one in shares]
        errors = [getattr(one if at is None else one.periods[at], f"{name}_se") for one in shares]
        # A standard deviation of 200 cohorts is good to 5 %, three times that is allowed.
        assert np.median(errors) == pytest.approx(np.std(values), rel=0.15)


@pytest.mark.parametrize(
    ("survivors", "said"),
    [([100, 50], "one period"), ([100, 100, 100], "nobody left"), ([100, 5, 0], "nobody is left"),
     ([1000, 900, 800, 600, 300], "does not fall")],
)  # fmt: skip
def test_cohorts_without_a_model(client: cx.Client, survivors: list[int], said: str) -> None:
    found = client.survival(survivors)
    assert said in found.message
    assert (found.alpha, found.periods) == (None, ())


def test_cohorts_that_cannot_be(client: cx.Client) -> None:
    for wrong in ([1], [10, 20], [10, -1]):
        with pytest.raises(cx.InvalidInput, match="survivors"):
            client.survival(wrong)
    with pytest.raises(cx.InvalidInput, match="ahead"):
        client.survival([10, 5, 3], ahead=-1)


# Miller (1997): weeks to relapse of leukaemia, maintained; what R prints of survfit(Surv(time, status) ~ x,
# aml): time, survival, standard error, lower and upper bound of the default interval.
RELAPSED = {9: (1, 0), 13: (1, 1), 18: (1, 0), 23: (1, 0), 28: (0, 1), 31: (1, 0), 34: (1, 0),
            45: (0, 1), 48: (1, 0), 161: (0, 1)}  # fmt: skip
PRINTED = (
    (9, 0.909, 0.0867, 0.7541, 1.0), (13, 0.818, 0.1163, 0.6192, 1.0),
    (18, 0.716, 0.1397, 0.4884, 1.0), (23, 0.614, 0.1526, 0.3769, 0.999),
    (31, 0.491, 0.1642, 0.2549, 0.946), (34, 0.368, 0.1627, 0.1549, 0.875),
    (48, 0.184, 0.1535, 0.0359, 0.944),
)  # fmt: skip
#: Three digits.
PRINTED_3 = 0.00051


def test_published_kaplan_meier(client: cx.Client) -> None:
    lost, censored = zip(*RELAPSED.values(), strict=True)
    found = client.kaplan_meier(lost, censored, times=RELAPSED, interval="log")
    assert (found.n, found.lost, found.median) == (11, 7, 31)
    steps = [one for one in found.steps if one.lost]
    for one, printed in zip(steps, PRINTED, strict=True):
        assert one.interval is not None and one.interval.method == "log_survival"
        mine = (one.time, one.survival, one.se, one.interval.lower, one.interval.upper)
        assert mine == pytest.approx(printed, abs=PRINTED_3)
    assert found.explanation.formulas[0].id == "kaplan_meier"
    for method, lower, upper in (("log_log", 0.1673, 0.7534), ("plain", 0.1691, 0.8127)):
        bounds = client.kaplan_meier(lost, censored, times=RELAPSED, interval=method).steps[5]
        assert bounds.interval is not None
        mine = (bounds.interval.lower, bounds.interval.upper)
        assert mine == pytest.approx((lower, upper), abs=PRINTED_3)
    # Without anybody censored it is the share that is left, with its own standard error.
    whole = client.kaplan_meier([131, 126, 90], [0, 0, 653])
    assert whole.steps[1].survival == pytest.approx(0.743)
    assert whole.steps[1].se == pytest.approx((0.743 * 0.257 / 1000) ** 0.5)
    assert whole.median is None


def test_kaplan_meier_from_a_program(client: cx.Client, unique: str) -> None:
    """Churn by tenure gives the counts; nobody has left before anybody did, nor is left after all did."""
    client.put_program(
        {
            "name": unique,
            "questions": {"churned": {"kind": "boolean"}},
            "dimensions": {"tenure": {"max_levels": 100}},
        }
    )
    tenure = [1, 1, 2, 3, 3, 3, 5]
    with client.append(unique, producer="p") as stream:
        left = [False, False, True, True, False, True, True]
        stream.send({"churned": left, "tenure": [str(one) for one in tenure]})
    rows = sorted(
        client.retention(unique, "churned", by="tenure"), key=lambda row: int(row.group["tenure"])
    )
    found = client.kaplan_meier(
        [row.lost for row in rows],
        [row.n - row.lost for row in rows],
        times=[int(row.group["tenure"]) for row in rows],
    )
    assert [one.at_risk for one in found.steps] == [7, 5, 4, 1]
    assert [one.survival for one in found.steps] == pytest.approx([1, 0.8, 0.4, 0])
    first, *_, last = found.steps
    assert (first.interval, last.interval, last.se, found.median) == (None, None, 0.0, 3)


def test_counts_that_cannot_be(client: cx.Client) -> None:
    for lost, censored, times in (
        ([], [], ()), ([1], [1, 2], ()), ([1, -1], [0, 3], ()), ([1, 1], [0, 1], (2, 1)),
        ([1, 1], [0, 1], (1,)), ([1], [1], (float("nan"),)),
    ):  # fmt: skip
        with pytest.raises(cx.InvalidInput):
            client.kaplan_meier(lost, censored, times=times)
    with pytest.raises(cx.InvalidInput):
        client.kaplan_meier([1], [1], interval="exact")
    with pytest.raises(cx.InvalidInput):
        client.kaplan_meier([1], [1], confidence=1.5)


def test_retention_of_a_cohort_that_is_counted(client: cx.Client) -> None:
    """(E - New) / S, and not (S - E) / S lost: 30 of the 110 at the end were not there at the start."""
    found = client.retention(start=100, end=110, new=30, periods=12, confidence=0.9)
    assert (found.n, found.lost, found.churn, found.retention) == (100, 20, 20.0, 80.0)
    assert found.churn_over == pytest.approx(100 * (1 - 0.8**12))
    assert found.interval is not None and found.interval.confidence == 0.9
    assert found.se == pytest.approx(4.0)
    assert found.as_of.program == "" and found.explanation.formulas[0].id == "retention"
    nobody = client.retention(start=0, end=5, new=5)
    assert (nobody.n, nobody.retention) == (0, None)
    for wrong in ((100, 120, 10), (10, 5, 6), (-1, 0, 0)):
        with pytest.raises(cx.InvalidInput):
            client.retention(start=wrong[0], end=wrong[1], new=wrong[2])
    for both in ({"start": 5}, {"start": 5, "end": 5, "program": "p", "churned": "x"}, {}):
        with pytest.raises(cx.InvalidInput):
            client.retention(**both)
