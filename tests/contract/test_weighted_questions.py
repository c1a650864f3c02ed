"""Comparisons, changes and series under survey weights, against linearisation response by response."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

import numpy as np
import pytest

import cxstream_client as cx
from tests.reference.survey import influence, kitagawa, raked, residuals, taylor

#: Both sides are float64, the oracle with a derivative by the complex step.
FLOAT = 1e-9
#: Raking stops at 1e-9 of a share.
STOPPED = 1e-6

Values = np.ndarray[Any, Any]

RATING = {"kind": "rating", "scale": [1, 5]}
PROGRAM: dict[str, Any] = {
    "questions": {
        "recommend": {"kind": "nps"},
        "food": RATING,
        "staff": RATING,
        "effort": {"kind": "ces", "scale": [1, 7]},
        "spend": {"kind": "number", "range": [-100, 1000], "step": 0.01},
        "churned": {"kind": "boolean"},
        "resolved": {"kind": "boolean"},
        "hopeless": {"kind": "boolean"},
        "rank": {"kind": "choice", "options": ["worst", "worse", "same", "better", "best"]},
    },
    "dimensions": {
        "area": {"max_levels": 6},
        "age": {"max_levels": 4},
        "stage": {"max_levels": 4},
        "score": {"column": "recommend", "max_levels": 12},
        "left": {"column": "churned", "max_levels": 3},
    },
    "time": {"column": "at", "buckets": ["month"]},
    "customer": {"column": "who"},
    "weight": {"column": "w", "step": 0.25},
    "indices": {
        "delight": {
            "missing": "renormalise",
            "parts": {
                "food": {"items": ["food"], "weight": 2},
                "staff": {"items": ["staff"], "weight": 1},
            },
        }
    },
    "models": {
        "drivers": {"outcome": "recommend", "drivers": ["food", "staff"], "robust": True},
        "value": {"outcome": "spend", "drivers": ["churned"]},
    },
    "insights": {"questions": ["recommend", "food", "staff"]},
    "views": [
        {"by": ["area", "age", "stage"]},
        {"by": ["area", "age", "score"]},
        {"by": ["area", "age", "left"]},
    ],
}
RAKE = {"area": {"A": 30, "B": 40, "C": 30}, "age": {"young": 0.65, "old": 0.35}}


@dataclasses.dataclass
class Rows:
    """Responses of six months; some without an answer or without a weight."""

    n: int = 360
    ones: bool = False

    def __post_init__(self) -> None:
        rng = np.random.default_rng(9)
        n = self.n
        self.area = rng.choice(["A", "B", "C"], n, p=[0.5, 0.3, 0.2])
        self.age = rng.choice(["young", "old"], n)
        self.stage = rng.choice(["look", "buy", "use"], n)
        self.month = rng.integers(1, 7, n)
        mood = rng.normal(size=n) + 0.5 * (self.area == "B") - 0.1 * self.month
        self.recommend = np.clip(np.rint(8 + 2 * mood), 0, 10)
        self.food = np.clip(np.rint(3.4 + mood + 0.5 * rng.normal(size=n)), 1, 5)
        self.staff = np.clip(np.rint(3.2 + mood + rng.normal(size=n)), 1, 5)
        self.effort = np.clip(np.rint(4 - mood + rng.normal(size=n)), 1, 7)
        self.spend = np.round(rng.gamma(3, 20, n) + 5 * mood, 2)
        self.churned = (rng.random(n) < 0.35 - 0.1 * np.tanh(mood)).astype(float)
        self.resolved = (rng.random(n) < 0.6).astype(float)
        self.hopeless = ((rng.random(n) < 0.3) & (self.resolved == 0)).astype(float)
        self.rank = rng.integers(0, 5, n).astype(float)
        for name in ("recommend", "food", "staff", "effort", "churned", "resolved", "rank"):
            getattr(self, name)[rng.random(n) < 0.05] = np.nan
        weights = np.ceil(4 * rng.gamma(2.0, 0.8, n) + 2.0 * (mood < 0)) / 4
        self.w = np.ones(n) if self.ones else np.where(rng.random(n) < 0.04, np.nan, weights)
        self.who = np.array([f"c{k % 40}" for k in range(n)])

    def table(self) -> dict[str, list[Any]]:
        def cells(values: Values, kind: type) -> list[Any]:
            return [None if np.isnan(x) else kind(x) for x in values]

        ranks = PROGRAM["questions"]["rank"]["options"]
        made = {name: cells(getattr(self, name), int)
                for name in ("recommend", "food", "staff", "effort")}  # fmt: skip
        made |= {name: cells(getattr(self, name), bool)
                 for name in ("churned", "resolved", "hopeless")}  # fmt: skip
        made |= {name: getattr(self, name).tolist() for name in ("area", "age", "stage", "who")}
        made["spend"], made["w"] = cells(self.spend, float), cells(self.w, float)
        made["rank"] = [None if np.isnan(x) else ranks[int(x)] for x in self.rank]
        made["at"] = [datetime(2026, int(month), 5) for month in self.month]
        return made

    def points(self, metric: str) -> Values:
        """Every respondent's points, NaN where there are none."""
        if metric == "nps":
            score = np.where(self.recommend >= 9, 100.0, np.where(self.recommend >= 7, 0.0, -100.0))
            return np.where(np.isnan(self.recommend), np.nan, score)
        if metric == "csat":
            return np.where(np.isnan(self.food), np.nan, 100.0 * (self.food >= 4))
        if metric == "mean":
            return self.spend
        parts = np.stack([25 * (self.food - 1), 25 * (self.staff - 1)])
        weights = np.array([[2.0], [1.0]]) * np.isfinite(parts)
        total = weights.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return np.where(total > 0, np.nansum(weights * np.nan_to_num(parts), axis=0) / total,
                            np.nan)  # fmt: skip

    @property
    def rated(self) -> Values:
        """Who has a weight."""
        return np.isfinite(self.w)


NAMES = {"nps": "recommend", "csat": "food", "index": "delight", "mean": "spend"}


def loaded_with(client: cx.Client, name: str, rows: Rows) -> str:
    client.put_program({**PROGRAM, "name": name})
    with client.append(name, producer="p") as stream:
        stream.send(rows.table())
    return name


@pytest.fixture(scope="module")
def rows() -> Rows:
    return Rows()


@pytest.fixture
def name(client: cx.Client, unique: str, rows: Rows) -> str:
    return loaded_with(client, unique, rows)


def mean_of(w: Values, y: Values, there: Values) -> Any:
    return (w * np.where(there, y, 0.0))[there].sum() / w[there].sum()


def weighing(rows: Rows, how: str) -> tuple[dict[str, Any], Values]:
    """Arguments of a question, and the weights of all responses they stand for; 0 for none."""
    own = np.where(rows.rated, rows.w, 0.0)
    if how == "declared":
        return {"weighting": "declared"}, own
    levels = [[list(RAKE[name]).index(x) for x in getattr(rows, name)] for name in RAKE]
    targets = [list(one.values()) for one in RAKE.values()]
    asked: dict[str, Any] = {"rake": RAKE}
    if how == "both":
        asked["weighting"] = "declared"
    base = own if how == "both" else np.ones(rows.n)
    return asked, np.array(raked(base.tolist(), levels, targets))


def errors(rows: Rows, how: str, linearised: Values, w: Values) -> Values:
    """Taylor's standard errors of linearised values, those of residuals where raked."""
    if how != "declared":
        levels = [[list(RAKE[name]).index(x) for x in getattr(rows, name)] for name in RAKE]
        there = w > 0
        base = rows.w if how == "both" else np.ones(rows.n)
        left = residuals(
            linearised[:, there], base[there], [np.array(one)[there] for one in levels]
        )
        linearised = np.zeros_like(linearised)
        linearised[:, there] = left
    root = np.sqrt(((w * linearised) ** 2).sum(axis=1))
    assert isinstance(root, np.ndarray)
    return root


def difference(y: Values, w: Values, a: Values, b: Values) -> Values:
    """Linearised values of mean a - mean b, each with n / (n - 1)."""
    e = np.zeros(len(y))
    for there, sign in ((a, 1.0), (b, -1.0)):
        n = int(there.sum())
        own = influence(lambda v, there=there: mean_of(v, y, there), w)[0]
        e += sign * np.sqrt(n / (n - 1)) * own
    return e[None]


@pytest.mark.parametrize("how", ["declared", "raked", "both"])
@pytest.mark.parametrize("metric", list(NAMES))
def test_a_group_and_its_complement(
    client: cx.Client, name: str, rows: Rows, metric: str, how: str
) -> None:
    asked, w = weighing(rows, how)
    y = rows.points(metric)
    near = FLOAT if how == "declared" else STOPPED
    used = np.isfinite(y) & ((w > 0) if how != "declared" else rows.rated)
    found = client.compare(name, metric, NAMES[metric], by="area", **asked)
    assert found.explanation.weighting
    for row in found:
        a = used & (rows.area == row.group["area"])
        b = used & (rows.area != row.group["area"])
        assert (row.n_a, row.n_b) == (a.sum(), b.sum())
        want = mean_of(w, y, a) - mean_of(w, y, b)
        assert row.difference == pytest.approx(want, rel=near)
        assert row.a == pytest.approx(mean_of(w, y, a), rel=near)
        e = difference(y, w, a, b)
        assert row.se == pytest.approx(errors(rows, how, e, w)[0], rel=near)
        for there, size in ((a, row.effective_n_a), (b, row.effective_n_b)):
            assert size == pytest.approx(w[there].sum() ** 2 / (w[there] ** 2).sum(), rel=near)
        assert row.weights is not None
        both = a | b
        assert row.weights.total == pytest.approx(w[both].sum(), rel=near)
        assert row.weights.effective_n == pytest.approx(
            w[both].sum() ** 2 / (w[both] ** 2).sum(), rel=near
        )
        assert row.interval is not None and row.p is not None
        outside = not row.interval.lower <= 0.0 <= row.interval.upper
        assert (row.p < 0.05) == outside
    p = [row.p for row in found]
    order = np.argsort(p)
    holm = np.maximum.accumulate(np.array(p)[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    assert [found[k].p_adjusted for k in order] == pytest.approx(holm.tolist())


@pytest.mark.parametrize("metric", list(NAMES))
def test_p_is_where_the_interval_first_takes_in_0(
    client: cx.Client, name: str, metric: str
) -> None:
    sides: dict[str, Any] = {"a": {"area": "A"}, "b": {"area": "B"}, "weighting": "declared"}
    p = client.compare(name, metric, NAMES[metric], **sides).p
    for more, inside in ((1e-6, True), (-1e-6, False)):
        confidence = 1.0 - p * (1.0 - more)
        row = client.compare(name, metric, NAMES[metric], confidence=confidence, **sides)
        assert (row.interval.lower <= 0.0 <= row.interval.upper) == inside


@pytest.mark.parametrize("how", ["raked", "both"])
def test_raked_scores(client: cx.Client, name: str, rows: Rows, how: str) -> None:
    """Whatever the step of the weights that are raked."""
    asked, w = weighing(rows, how)
    for metric, ask in (("nps", client.nps), ("csat", client.csat), ("index", client.index)):
        y = rows.points(metric)
        for row in ask(name, NAMES[metric], by="area", **asked):
            there = np.isfinite(y) & (w > 0) & (rows.area == row.group["area"])
            n = int(there.sum())
            e = influence(lambda v, y=y, there=there: mean_of(v, y, there), w)
            se = errors(rows, how, np.sqrt(n / (n - 1)) * e, w)[0]
            assert row.score == pytest.approx(mean_of(w, y, there), rel=STOPPED)
            assert row.se == pytest.approx(se, rel=STOPPED)


def test_two_periods_and_one_level_against_others(client: cx.Client, name: str, rows: Rows) -> None:
    how: dict[str, Any] = {"weighting": "declared"}
    found = client.compare(
        name, "nps", "recommend", a=("2026-04-01", None), b=(None, "2026-04-01"), **how
    )
    late = client.nps(name, "recommend", since="2026-04-01", **how)
    early = client.nps(name, "recommend", until="2026-04-01", **how)
    assert (found.a, found.b, found.n_a, found.n_b) == (late.score, early.score, late.n, early.n)
    assert found.se == pytest.approx(np.hypot(late.se, early.se), rel=FLOAT)
    assert found.dropped == {
        why: late.dropped[why] + early.dropped[why] for why in ("null", "weight")
    }
    by_level = client.compare(name, "index", "delight", by="area", against="B", **how)
    each = client.index(name, "delight", by="area", **how)
    for row in by_level:
        own, other = each.row(area=row.group["area"]), each.row(area="B")
        assert row.difference == pytest.approx(own.score - other.score, rel=FLOAT)
        assert row.se == pytest.approx(np.hypot(own.se, other.se), rel=FLOAT)
    item_means = client.compare(name, "index", "delight", by="area", missing="item_means", **how)
    means = client.index(name, "delight", by="area", missing="item_means", **how)
    for row in item_means:
        assert row.a == pytest.approx(means.row(area=row.group["area"]).score, rel=FLOAT)
    wald = client.compare(name, "nps", "recommend", by="area", method="wald", **how)
    assert {row.interval.method for row in wald} == {"welch"}


def test_coefficients(client: cx.Client, name: str) -> None:
    how: dict[str, Any] = {"weighting": "declared"}
    found = client.compare(name, "regression", "drivers", driver="food", by="area", **how)
    fits = client.regression(name, "drivers", by="area", **how)
    for row in found:
        area = row.group["area"]
        own = next(one for one in fits.row(area=area).terms if one.term == "food")
        (other,) = (
            next(one for one in fit.terms if one.term == "food")
            for fit in client.regression(
                name, "drivers", where={"area": [x for x in "ABC" if x != area]}, **how
            )
        )
        assert row.difference == pytest.approx(own.coefficient - other.coefficient, rel=FLOAT)
        assert row.se == pytest.approx(np.hypot(own.se, other.se), rel=FLOAT)


HALVES: dict[str, Any] = {"before": (None, "2026-04-01"), "after": ("2026-04-01", None)}


@pytest.mark.parametrize("how", ["declared", "raked", "both"])
@pytest.mark.parametrize("metric", ["nps", "csat", "index"])
def test_mix_and_rate(client: cx.Client, name: str, rows: Rows, metric: str, how: str) -> None:
    asked, w = weighing(rows, how)
    y = rows.points(metric)
    near = FLOAT if how == "declared" else STOPPED
    found = client.change(name, metric, NAMES[metric], by="area", **HALVES, **asked)
    used = np.isfinite(y) & (rows.rated if how == "declared" else w > 0)
    segment = np.array(["ABC".index(x) for x in rows.area])
    period = (rows.month >= 4).astype(int)

    def parts(v: Values) -> Values:
        return kitagawa(v[used], y[used], period[used], segment[used], 3)

    e = influence(parts, w)
    for one in range(2):
        n = int((used & (period == one)).sum())
        e[:, (period == one)] *= np.sqrt(n / (n - 1))
    want, spread = parts(w.astype(complex)).real, errors(rows, how, e, w)
    whole = found.whole
    effects = [whole.change, whole.mix, whole.rate]
    effects += [getattr(row, part) for part in ("mix", "rate", "contribution") for row in found]
    assert [row.group["area"] for row in found] == ["A", "B", "C"]
    scale = abs(whole.change.value)
    for effect, value, se in zip(effects, want, spread, strict=True):
        assert effect.value == pytest.approx(value, rel=near, abs=near * scale)
        assert effect.se == pytest.approx(se, rel=near)
        assert effect.interval.lower < effect.value < effect.interval.upper
        # Never narrower than what the standard error alone gives.
        assert effect.interval.upper - effect.value > 1.95 * effect.se
    assert whole.mix.value + whole.rate.value == pytest.approx(whole.change.value, rel=FLOAT)
    shares = [w[used & (period == 1) & (segment == k)].sum() for k in range(3)]
    assert [row.share_after for row in found] == pytest.approx(
        [100 * one / sum(shares) for one in shares], rel=near
    )
    assert whole.n_before + whole.n_after == used.sum()
    late = w[used & (period == 1)]
    assert whole.effective_n_after == pytest.approx(late.sum() ** 2 / (late**2).sum(), rel=near)


def test_new_and_vanished_segments(client: cx.Client, name: str, rows: Rows) -> None:
    """A in the first period only, B in the second only: all of it is mix."""
    found = client.change(
        name, "nps", "recommend", by="area", weighting="declared",
        before={"area": ["A", "C"], "stage": "look"}, after={"area": ["B", "C"], "stage": "buy"},
    )  # fmt: skip
    assert [row.presence for row in found] == ["vanished", "new", "both"]
    y, w = rows.points("nps"), np.where(rows.rated, rows.w, 0.0)
    first = (rows.stage == "look") & (rows.area != "B")
    last = (rows.stage == "buy") & (rows.area != "A")
    used = np.isfinite(y) & rows.rated & (first | last)
    segment = np.array(["ABC".index(x) for x in rows.area])

    def parts(v: Values) -> Values:
        return kitagawa(v[used], y[used], last[used].astype(int), segment[used], 3)

    spread = taylor(influence(parts, w)[:, used], w[used], last[used].astype(int))
    effects = [found.whole.change, found.whole.mix, found.whole.rate]
    effects += [getattr(row, part) for part in ("mix", "rate", "contribution") for row in found]
    assert [one.se for one in effects] == pytest.approx(spread.tolist(), rel=FLOAT)


@pytest.mark.parametrize("how", ["declared", "raked"])
def test_impact(client: cx.Client, name: str, rows: Rows, how: str) -> None:
    asked, w = weighing(rows, how)
    near = FLOAT if how == "declared" else STOPPED
    y = rows.points("nps")
    used = np.isfinite(y) & (rows.rated if how == "declared" else w > 0)
    found = client.impact(name, "nps", "recommend", by="area", **asked)
    n = int(used.sum())
    for row in found:
        rest = used & (rows.area != row.group["area"])

        def pulled(v: Values, rest: Values = rest) -> Any:
            return mean_of(v, y, used) - mean_of(v, y, rest)

        e = np.sqrt(n / (n - 1)) * influence(pulled, w)
        assert row.impact == pytest.approx(pulled(w), rel=near)
        assert row.se == pytest.approx(errors(rows, how, e, w)[0], rel=near)
        assert row.share == pytest.approx(100 * (1 - w[rest].sum() / w[used].sum()), rel=near)
    assert found.whole.score == pytest.approx(mean_of(w, y, used), rel=near)


@pytest.mark.parametrize("metric", ["nps", "csat", "index", "mean"])
def test_a_series(client: cx.Client, name: str, rows: Rows, metric: str) -> None:
    """Limits from the baseline's variance by squared weights, at the effective n of each month."""
    found = client.monitor(
        name, metric, NAMES[metric], bucket="month", weighting="declared",
        baseline=(None, "2026-04-01"), sigmas=2.0, by="area",
    )  # fmt: skip
    y, w = rows.points(metric), np.where(rows.rated, rows.w, 0.0)
    used = np.isfinite(y) & rows.rated
    base = used & (rows.month <= 3)
    centre = mean_of(w, y, base)
    spread = ((w * (y - centre)) ** 2)[base].sum() / (w[base] ** 2).sum()
    assert found.whole.centre == pytest.approx(centre, rel=FLOAT)
    assert found.whole.n == base.sum()
    ends = {"nps": (-100.0, 100.0), "mean": (-100.0, 1000.0)}.get(metric, (0.0, 100.0))
    moving, variance = centre, 0.0
    for month, row in enumerate(found, start=1):
        there = used & (rows.month == month)
        size = w[there].sum() ** 2 / (w[there] ** 2).sum()
        assert row.n == there.sum()
        assert row.weights is not None
        assert row.weights.effective_n == pytest.approx(size, rel=FLOAT)
        score = mean_of(w, y, there)
        assert row.score == pytest.approx(score, rel=FLOAT)
        e = influence(lambda v, there=there: mean_of(v, y, there), w)
        assert row.se == pytest.approx(taylor(e[:, there], w[there])[0], rel=FLOAT)
        half = 2.0 * np.sqrt(spread / size)
        limits = np.clip([centre - half, centre + half], *ends)
        assert (row.lower_limit, row.upper_limit) == pytest.approx(tuple(limits), rel=FLOAT)
        moving = 0.2 * score + 0.8 * moving
        variance = 0.04 * spread / size + 0.64 * variance
        assert row.ewma == pytest.approx(moving, rel=FLOAT)
        assert row.ewma_upper == pytest.approx(
            min(centre + 2.0 * np.sqrt(variance), ends[1]), rel=FLOAT
        )
        if metric in ("index", "mean"):
            assert row.chi2 is None
            continue
        classes = np.unique(y[used])
        p = np.array([w[base & (y == c)].sum() for c in classes]) / w[base].sum()
        own = np.array([w[there & (y == c)].sum() for c in classes]) / w[there].sum()
        # Rao and Scott: the mean generalised design effect of the shares.
        effects = [
            ((w[base] * ((y[base] == c) - one)) ** 2).sum() / (w[base] ** 2).sum() / one
            for c, one in zip(classes, p, strict=True)
        ]
        mean_effect = sum(effects) / (len(classes) - 1)
        assert row.chi2 == pytest.approx(size / mean_effect * ((own - p) ** 2 / p).sum(), rel=FLOAT)
    assert {"weighted.monitor", "weighted"} <= {one.id for one in found.explanation.formulas}


def test_answers_needed(client: cx.Client, name: str) -> None:
    """As many as without weights, times Kish's design effect."""
    found = client.sample_size("nps", "recommend", program=name, margin=3, weighting="declared")
    seen = client.nps(name, "recommend", weighting="declared")
    assert found.design_effect == seen.weights.design_effect
    assert found.variance == pytest.approx(seen.variance, rel=FLOAT)
    plain = seen.variance * (1.959963984540054 / 3) ** 2
    assert found.answers == int(np.ceil(plain * seen.weights.design_effect))
    two = client.sample_size("nps", "recommend", program=name, difference=9, weighting="declared")
    assert two.answers == two.answers_b
    with pytest.raises(cx.InvalidInput, match="those of a program"):
        client.sample_size("nps", margin=3, weighting="declared")


def without_errors(row: Any) -> dict[str, Any]:
    """Numbers of a row that weights of 1 leave as they are."""
    names = [field.name for field in dataclasses.fields(row)]
    kept = {}
    for one in names:
        value = getattr(row, one)
        if one in ("a", "b", "difference", "score", "impact", "without", "share", "ewma",
                   "share_before", "score_after", "change", "chi2"):  # fmt: skip
            kept[one] = 0.0 if value is None else value
        elif one in ("mix", "rate", "contribution"):
            kept[one] = value.value
    return kept


def test_weights_of_one_leave_the_estimates_as_they_are(client: cx.Client, unique: str) -> None:
    name = loaded_with(client, unique, Rows(ones=True))
    for metric, of in NAMES.items():
        plain, same = (client.compare(name, metric, of, by="area", weighting=how)
                       for how in ("none", "declared"))  # fmt: skip
        near = FLOAT if metric == "index" else 0.0
        for one, other in zip(plain, same, strict=True):
            assert other.weights.design_effect == 1.0
            assert without_errors(other) == pytest.approx(without_errors(one), rel=near, abs=0)
    for metric in ("nps", "csat", "index"):
        near = FLOAT
        for ask in (
            lambda how, m=metric: client.change(
                name, m, NAMES[m], by="area", weighting=how, **HALVES
            ),
            lambda how, m=metric: client.impact(name, m, NAMES[m], by="area", weighting=how),
            lambda how, m=metric: client.monitor(name, m, NAMES[m], bucket="month", weighting=how),
        ):
            plain, same = ask("none"), ask("declared")
            for one, other in zip(plain, same, strict=True):
                assert without_errors(other) == pytest.approx(
                    without_errors(one), rel=near, abs=near
                )
            if hasattr(plain.whole, "regimes"):
                ends = [[one.since for one in of.whole.regimes] for of in (plain, same)]
                assert ends[0] == ends[1]


def test_what_has_no_weighted_form_says_why(client: cx.Client, name: str) -> None:
    def refused(reason: str, ask: Any, *args: Any, **options: Any) -> str:
        with pytest.raises(cx.CxstreamError) as caught:
            ask(name, *args, weighting="declared", **options)
        assert caught.value.reason == reason
        return str(caught.value)

    refused("INVALID_COMPARISON", client.compare, "mean", "spend", by="area", method="pooled")
    refused("UNKNOWN_OPTION", client.compare, "nps", "recommend", by="area",
            method="adjusted_wald")  # fmt: skip
    refused("WRONG_POLICY", client.change, "index", "delight", by="area", missing="item_means",
            **HALVES)  # fmt: skip
    refused("WRONG_POLICY", client.monitor, "index", "delight", bucket="month",
            missing="item_means")  # fmt: skip


def row_points(rows: Rows, name: str) -> Values:
    """Points of a question of two levels or more, on 0..100."""
    if name in ("churned", "resolved"):
        return 100.0 * getattr(rows, name)
    if name == "effort":
        return 100.0 * (7 - rows.effort) / 6
    return 25.0 * (getattr(rows, name) - 1)


@pytest.mark.parametrize("how", ["declared", "both"])
def test_a_journey_along_levels(client: cx.Client, name: str, rows: Rows, how: str) -> None:
    asked, w = weighing(rows, how)
    near = FLOAT if how == "declared" else STOPPED
    stages = ["look", "buy", "use"]
    for metric, question, y in (
        ("nps", "recommend", rows.points("nps")),
        ("top_box", "food", rows.points("csat")),
        ("mean", "food", row_points(rows, "food")),
    ):
        used = np.isfinite(y) & (rows.rated if how == "declared" else w > 0)
        found = client.journey(name, question, "stage", stages=stages, metric=metric, **asked)
        places = [used & (rows.stage == one) for one in stages]
        assert found.basis == "independent"
        for stage, there in zip(found.stages, places, strict=True):
            assert stage.n == there.sum()
            assert stage.score == pytest.approx(mean_of(w, y, there), rel=near)
        for before, after, stage in zip(places, places[1:], found.stages[1:], strict=False):
            e = difference(y, w, after, before)
            assert stage.change_se == pytest.approx(errors(rows, how, e, w)[0], rel=near)
        everybody = np.any(places, axis=0)
        assert found.weights.effective_n == pytest.approx(
            w[everybody].sum() ** 2 / (w[everybody] ** 2).sum(), rel=near
        )
        two = client.compare_journeys(
            name, question, "stage", stages=stages, metric=metric, between=("area", "A", "B"),
            **asked,
        )  # fmt: skip
        apart = []
        for stage, there in zip(two.stages, places, strict=True):
            e = difference(y, w, there & (rows.area == "A"), there & (rows.area == "B"))
            apart.append(e[0])
            assert stage.se == pytest.approx(errors(rows, how, e, w)[0], rel=near)
        mean = np.mean(apart, axis=0)[None]
        assert two.se == pytest.approx(errors(rows, how, mean, w)[0], rel=near)
        d = np.array([stage.difference for stage in two.stages])
        sums = [errors(rows, how, np.array([a + b]), w)[0] for a in apart for b in apart]
        alone = [errors(rows, how, np.array([a]), w)[0] ** 2 for a in apart]
        v = (np.array(sums).reshape(3, 3) ** 2 - np.add.outer(alone, alone)) / 2
        assert two.chi2 == pytest.approx(d @ np.linalg.inv(v) @ d, rel=100 * near)


@pytest.mark.parametrize("how", ["declared", "both"])
def test_a_journey_along_questions(client: cx.Client, name: str, rows: Rows, how: str) -> None:
    """Paired steps, although not all answer both."""
    asked, w = weighing(rows, how)
    near = FLOAT if how == "declared" else STOPPED
    names = ["food", "staff"]
    found = client.journey(name, questions=names, **asked)
    assert found.basis == "paired"
    y = [row_points(rows, one) for one in names]
    used = [np.isfinite(one) & (rows.rated if how == "declared" else w > 0) for one in y]
    e = np.zeros(rows.n)
    for points, there, sign in zip(y, used, (-1.0, 1.0), strict=True):
        n = there.sum()
        own = influence(lambda v, y=points, there=there: mean_of(v, y, there), w)[0]
        e += sign * np.sqrt(n / (n - 1)) * own
    assert [one.score for one in found.stages] == pytest.approx(
        [mean_of(w, a, b) for a, b in zip(y, used, strict=True)], rel=near
    )
    assert found.stages[1].change_se == pytest.approx(errors(rows, how, e[None], w)[0], rel=near)
    bound = client.journey(name, questions=names, metric="top_box", **asked)
    assert bound.basis == "bound"
    assert bound.stages[1].change_se == pytest.approx(
        bound.stages[0].se + bound.stages[1].se, rel=FLOAT
    )
    two = client.compare_journeys(name, questions=names, between=("age", "young", "old"), **asked)
    apart = []
    for points, there, stage in zip(y, used, two.stages, strict=True):
        e = difference(points, w, there & (rows.age == "young"), there & (rows.age == "old"))
        apart.append(e[0])
        assert stage.se == pytest.approx(errors(rows, how, e, w)[0], rel=near)
    mean = np.mean(apart, axis=0)[None]
    assert two.se == pytest.approx(errors(rows, how, mean, w)[0], rel=near)
    shares = client.compare_journeys(
        name, questions=names, metric="top_box", between=("age", "young", "old"), **asked
    )
    assert shares.chi2 is None


def classes_of(rows: Rows) -> list[Values]:
    score = rows.recommend
    return [score <= 6, (score >= 7) & (score <= 8), score >= 9]


@pytest.mark.parametrize("how", ["declared", "both"])
def test_outcomes_by_class(client: cx.Client, name: str, rows: Rows, how: str) -> None:
    asked, w = weighing(rows, how)
    near = FLOAT if how == "declared" else STOPPED
    for outcome, y in (("churned", 100 * rows.churned), ("spend", rows.spend)):
        found = client.linkage(name, "recommend", outcome, **asked)
        used = np.isfinite(y) & (rows.rated if how == "declared" else w > 0)
        places = [used & one for one in classes_of(rows)]
        for one, there in zip(found.classes, places, strict=True):
            assert one.n == there.sum()
            assert one.value == pytest.approx(mean_of(w, y, there), rel=near)
            n = there.sum()
            e = influence(lambda v, y=y, there=there: mean_of(v, y, there), w)
            assert one.se == pytest.approx(
                np.sqrt(n / (n - 1)) * errors(rows, how, e, w)[0], rel=near
            )
        for move, (a, b) in zip(found.moves, ((0, 1), (1, 2), (0, 2)), strict=True):
            e = difference(y, w, places[b], places[a])
            assert move.se == pytest.approx(errors(rows, how, e, w)[0], rel=near)
    assert found.dropped["no score"] == np.isnan(rows.recommend).sum()


def test_lifetime_values(client: cx.Client, name: str, rows: Rows) -> None:
    """Margin and churn of the respondents who have both, with their covariance."""
    found = client.customer_value(
        name, "recommend", margin="spend", churn="churned", discount=0.1, weighting="declared"
    )
    w = np.where(rows.rated, rows.w, 0.0)
    for one, inside in zip(found.classes, classes_of(rows), strict=True):
        there = inside & np.isfinite(rows.churned) & rows.rated
        n = int(there.sum())

        def value(v: Values, there: Values = there) -> Any:
            kept = 1.0 - mean_of(v, rows.churned, there)
            return mean_of(v, rows.spend, there) * kept / (1.1 - kept)

        e = influence(value, w)
        assert one.n == n
        assert one.value == pytest.approx(value(w), rel=FLOAT)
        assert one.se == pytest.approx(taylor(e[:, there], w[there])[0], rel=FLOAT)
        assert one.interval.lower < one.value < one.interval.upper


@pytest.mark.parametrize("how", ["declared", "both"])
def test_retention(client: cx.Client, name: str, rows: Rows, how: str) -> None:
    # Revenue may not be below 0, so a number is that may not.
    program = client.get_program(name).to_dict()
    asked, w = weighing(rows, how)
    near = FLOAT if how == "declared" else STOPPED
    found = client.retention(name, "churned", periods=12, **asked)
    there = np.isfinite(rows.churned) & (rows.rated if how == "declared" else w > 0)
    n = int(there.sum())
    e = influence(lambda v: 100 * mean_of(v, rows.churned, there), w)
    assert program["questions"]["spend"]["range"] == [-100, 1000]
    assert found.churn == pytest.approx(100 * mean_of(w, rows.churned, there), rel=near)
    assert found.se == pytest.approx(np.sqrt(n / (n - 1)) * errors(rows, how, e, w)[0], rel=near)
    over = influence(lambda v: 100 * (1 - (1 - mean_of(v, rows.churned, there)) ** 12), w)
    assert found.churn_over_se == pytest.approx(
        np.sqrt(n / (n - 1)) * errors(rows, how, over, w)[0], rel=near
    )
    assert found.dropped["weight"] == (~rows.rated).sum() or how == "both"


@pytest.mark.parametrize("how", ["declared", "both"])
def test_revenue_churn(client: cx.Client, unique: str, rows: Rows, how: str) -> None:
    questions = PROGRAM["questions"] | {
        "spend": {"kind": "number", "range": [0, 2000], "step": 0.01}
    }
    paid = dataclasses.replace(rows)
    paid.spend = np.abs(paid.spend)
    client.put_program({**PROGRAM, "questions": questions, "name": unique})
    with client.append(unique, producer="p") as stream:
        stream.send(paid.table())
    asked, w = weighing(paid, how)
    near = FLOAT if how == "declared" else STOPPED
    found = client.retention(unique, "churned", revenue="spend", **asked)
    there = np.isfinite(paid.churned) & (paid.rated if how == "declared" else w > 0)
    n = int(there.sum())

    def lost(v: Values) -> Any:
        kept = (v * paid.spend)[there]
        return 100 * (kept * paid.churned[there]).sum() / kept.sum()

    assert found.revenue_n == n
    assert found.revenue_churn == pytest.approx(lost(w), rel=near)
    assert found.revenue_churn_se == pytest.approx(
        np.sqrt(n / (n - 1)) * errors(paid, how, influence(lost, w), w)[0], rel=near
    )


@pytest.mark.parametrize("how", ["declared", "both"])
def test_first_contacts(client: cx.Client, unique: str, rows: Rows, how: str) -> None:
    kept = dataclasses.replace(rows)
    # Known for all: who is not resolvable is among those who are not resolved.
    kept.resolved = np.where(np.isnan(kept.resolved), 1.0, kept.resolved)
    kept.hopeless = np.where(kept.resolved == 1, 0.0, kept.hopeless)
    name = loaded_with(client, unique, kept)
    asked, w = weighing(kept, how)
    near = FLOAT if how == "declared" else STOPPED
    found = client.first_contact(name, "resolved", not_resolvable="hopeless", **asked)
    used = kept.rated if how == "declared" else w > 0
    for there, rate, se in (
        (used, found.rate, found.se),
        (used & (kept.hopeless == 0), found.net_rate, found.net_se),
    ):
        n = int(there.sum())
        e = influence(lambda v, there=there: 100 * mean_of(v, kept.resolved, there), w)
        assert rate == pytest.approx(100 * mean_of(w, kept.resolved, there), rel=near)
        assert se == pytest.approx(np.sqrt(n / (n - 1)) * errors(kept, how, e, w)[0], rel=near)
    assert found.not_resolvable == (used & (kept.hopeless == 1)).sum()


@pytest.mark.parametrize("how", ["declared", "both"])
def test_relative_performance(client: cx.Client, name: str, rows: Rows, how: str) -> None:
    asked, w = weighing(rows, how)
    near = FLOAT if how == "declared" else STOPPED
    found = client.relative(name, "rank", percentiles=[0, 10, 50, 75, 100], **asked)
    places = np.array([0.0, 10.0, 50.0, 75.0, 100.0])
    y = np.where(np.isnan(rows.rank), np.nan, places[np.nan_to_num(rows.rank).astype(int)])
    there = np.isfinite(y) & (rows.rated if how == "declared" else w > 0)
    n = int(there.sum())
    e = influence(lambda v: mean_of(v, y, there), w)
    assert found.score == pytest.approx(mean_of(w, y, there), rel=near)
    assert found.se == pytest.approx(np.sqrt(n / (n - 1)) * errors(rows, how, e, w)[0], rel=near)


def test_pairs_of_questions(client: cx.Client, name: str, rows: Rows) -> None:
    """Slopes of responses that answer all, with Taylor's errors."""
    found = client.insights(name, weighting="declared")
    columns = {one: getattr(rows, one) for one in ("recommend", "food", "staff")}
    there = rows.rated & np.all([np.isfinite(one) for one in columns.values()], axis=0)
    w = np.where(rows.rated, rows.w, 0.0)
    assert len(found.pairs) == 6
    for pair in found.pairs:
        x, y = columns[pair.x], columns[pair.y]

        def slope(v: Values, x: Values = x, y: Values = y) -> Any:
            far = (x - mean_of(v, x, there))[there]
            return (v[there] * far * y[there]).sum() / (v[there] * far * far).sum()

        e = influence(slope, w)
        assert pair.n == there.sum()
        assert pair.dropped == rows.n - there.sum()
        assert pair.slope == pytest.approx(slope(w), rel=FLOAT)
        assert pair.se == pytest.approx(taylor(e[:, there], w[there])[0], rel=FLOAT)
        deviations = [one[there] - mean_of(w, one, there) for one in (x, y)]
        own = w[there]
        r = (own * deviations[0] * deviations[1]).sum() / np.sqrt(
            (own * deviations[0] ** 2).sum() * (own * deviations[1] ** 2).sum()
        )
        assert pair.r == pytest.approx(r, rel=FLOAT)
    assert found.weights.effective_n == pytest.approx(
        w[there].sum() ** 2 / (w[there] ** 2).sum(), rel=FLOAT
    )


def test_alpha(client: cx.Client, name: str, rows: Rows) -> None:
    """Of weighted covariances; its error is of the linearised alpha."""
    names = ["recommend", "food", "staff"]
    found = client.reliability(name, names, weighting="declared")
    x = np.stack([getattr(rows, one) for one in names])
    there = rows.rated & np.isfinite(x).all(axis=0)
    w = np.where(rows.rated, rows.w, 0.0)

    def alpha(v: Values) -> Any:
        own = v[there]
        kept = x[:, there]
        far = kept - ((own * kept).sum(axis=1) / own.sum())[:, None]
        c = (own * far) @ far.T
        return 1.5 * (1 - np.trace(c) / c.sum())

    assert found.n == there.sum()
    assert found.alpha == pytest.approx(alpha(w.astype(complex)).real, rel=FLOAT)
    # Its covariances have n / (n - 1), as those without weights have.
    e = influence(alpha, w) * (found.n - 1) / found.n
    assert found.se == pytest.approx(taylor(e[:, there], w[there])[0], rel=FLOAT)
    assert found.interval == found.free_interval
    with pytest.raises(cx.InvalidInput, match="Feldt"):
        client.reliability(name, names, interval="feldt", weighting="declared")
    assert found.free_interval.lower < found.alpha < found.free_interval.upper
    items = client.reliability(name, ["food", "staff"], weighting="declared")
    assert items.se is None and items.interval is None and items.free_interval is None
    assert items.weights.effective_n is not None


def test_weights_of_one_leave_the_other_estimates_as_they_are(
    client: cx.Client, unique: str
) -> None:
    name = loaded_with(client, unique, Rows(ones=True))
    names = ["recommend", "food", "staff"]
    for ask in (
        lambda **how: client.journey(name, "recommend", "stage", **how),
        lambda **how: client.journey(name, questions=["food", "staff"], **how),
        lambda **how: client.compare_journeys(
            name, "food", "stage", metric="mean", between=("area", "A", "B"), **how
        ),
        lambda **how: client.linkage(name, "recommend", "churned", **how),
        lambda **how: client.linkage(name, "recommend", "spend", **how),
        lambda **how: client.customer_value(
            name, "recommend", margin="spend", churn="churned", discount=0.1, **how
        ),
        lambda **how: client.retention(name, "churned", **how),
        lambda **how: client.first_contact(name, "resolved", **how),
        lambda **how: client.relative(name, "rank", **how),
        lambda **how: client.reliability(name, names, **how),
    ):
        plain, same = ask()[0], ask(weighting="declared")[0]
        assert same.weights.design_effect == pytest.approx(1.0)
        for one, other in zip(_numbers(plain), _numbers(same), strict=True):
            assert other == pytest.approx(one, rel=FLOAT, abs=FLOAT)


def _numbers(row: Any) -> list[float]:
    """Estimates of a row and of its parts, without errors, intervals and p values."""
    wanted = {"score", "change", "a", "b", "difference", "value", "margin", "retention", "churn",
              "rate", "alpha", "alpha_standardised", "omega", "item_total", "mean", "n"}  # fmt: skip
    found: list[float] = []
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        if isinstance(value, tuple):
            found += [x for one in value if dataclasses.is_dataclass(one) for x in _numbers(one)]
        elif field.name in wanted and value is not None:
            found.append(value)
    return found


@pytest.mark.parametrize("how", ["declared", "raked", "both"])
def test_who_named_an_option(client: cx.Client, name: str, rows: Rows, how: str) -> None:
    """Against everybody else with a score, whatever they named."""
    asked, w = weighing(rows, how)
    near = FLOAT if how == "declared" else STOPPED
    y = rows.points("nps")
    used = np.isfinite(y) & (rows.rated if how == "declared" else w > 0)
    found = client.compare(name, "nps", "recommend", by="rank", **asked)
    options = PROGRAM["questions"]["rank"]["options"]
    assert [row.group["rank"] for row in found] == options
    for at, row in enumerate(found):
        named = used & (rows.rank == at)
        others = used & ~named
        assert (row.n_a, row.n_b) == (named.sum(), others.sum())
        assert row.a == pytest.approx(mean_of(w, y, named), rel=near)
        e = difference(y, w, named, others)
        assert row.se == pytest.approx(errors(rows, how, e, w)[0], rel=near)
        lost = rows.n - used.sum()
        assert sum(row.dropped.values()) == lost
    pulls = client.impact(name, "nps", "recommend", by="rank", **asked)
    assert [row.group["rank"] for row in pulls] == options
    assert pulls.whole.score == pytest.approx(mean_of(w, y, used), rel=near)
    n = int(used.sum())
    for at, row in enumerate(pulls):
        rest = used & (rows.rank != at)

        def pulled(v: Values, rest: Values = rest) -> Any:
            return mean_of(v, y, used) - mean_of(v, y, rest)

        e = np.sqrt(n / (n - 1)) * influence(pulled, w)
        assert row.n == (used & (rows.rank == at)).sum()
        assert row.impact == pytest.approx(pulled(w), rel=near)
        assert row.se == pytest.approx(errors(rows, how, e, w)[0], rel=near)
        assert row.share == pytest.approx(100 * (1 - w[rest].sum() / w[used].sum()), rel=near)
