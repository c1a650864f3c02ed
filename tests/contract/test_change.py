"""Mix and rate, impact and factors, over both transports, against published figures."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

import cxstream_client as cx

DATA = Path(__file__).parents[1] / "data" / "mix_rate"
# The source prints eight digits of a share.
PRINTED_8 = 100 * 5.1e-9
ROUNDING = 1e-12


@pytest.fixture
def reconviction(client: cx.Client, unique: str) -> str:
    """The Scottish figures as single responses: one per offender."""
    client.put_program(
        {
            "name": unique,
            "questions": {"reconvicted": {"kind": "boolean"}},
            "dimensions": {"sex": {"max_levels": 2}, "age": {"max_levels": 9}},
            "time": {"column": "at", "buckets": ["year"]},
            "views": [{"by": ["sex", "age"]}],
        }
    )
    rows: dict[str, list[Any]] = {"reconvicted": [], "sex": [], "age": [], "at": []}
    with (DATA / "reconviction.csv").open() as file:
        for line in csv.DictReader(file):
            n, yes = int(line["offenders"]), int(line["reconvicted"])
            rows["reconvicted"] += [True] * yes + [False] * (n - yes)
            rows["sex"] += [line["sex"]] * n
            rows["age"] += [line["age"]] * n
            rows["at"] += [dt.date(int(line["year"]), 6, 1)] * n
    with client.append(unique, producer="p") as stream:
        stream.send(rows)
    return unique


def test_scottish_reconviction(client: cx.Client, reconviction: str) -> None:
    found = client.change(
        reconviction, "csat", "reconvicted", by=["sex", "age"],
        before=("2004-01-01", "2005-01-01"), after=("2016-01-01", "2017-01-01"),
    )  # fmt: skip
    assert found.before == pytest.approx(32.374217341087314, rel=ROUNDING)
    assert found.after == pytest.approx(27.17578682953258, rel=ROUNDING)
    assert found.mix is not None and found.rate is not None and found.change is not None
    assert found.mix.value == pytest.approx(-2.223154, abs=PRINTED_8)
    assert found.rate.value == pytest.approx(-2.975276, abs=PRINTED_8)
    assert found.mix.value + found.rate.value == pytest.approx(found.change.value, rel=ROUNDING)
    assert found.mix.interval.lower < found.mix.value < found.mix.interval.upper < 0
    assert (found.reversal, found.warning) == ("none", "")
    assert len(found) == 10
    for name, whole in (("mix", found.mix), ("rate", found.rate)):
        parts = sum(getattr(row, name).value for row in found)
        assert parts == pytest.approx(whole.value, rel=1e-10)
    young = found.row(sex="Male", age="under 21")
    assert (young.presence, young.n_before) == ("both", 10151)
    assert young.n == young.n_before + young.n_after
    assert found.to_arrow().column_names[:3] == ["sex", "age", "presence"]
    assert found.to_arrow().column_names[-6:] == [
        "mix", "mix_se", "rate", "rate_se", "contribution", "contribution_se"
    ]  # fmt: skip
    assert {one.id for one in found.explanation.formulas} >= {"change", "interval.segment_t"}
    # The same question of other parts of the responses than periods
    sexes = client.change(
        reconviction, "csat", "reconvicted", by="age",
        before={"sex": "Female"}, after={"sex": "Male"}, until="2005-01-01",
    )  # fmt: skip
    assert (sexes.whole.n_before, sexes.whole.n_after) == (7842, 41509)
    assert sexes.before == pytest.approx(100 * 2190 / 7842)


@pytest.fixture
def survey(client: cx.Client, unique: str) -> str:
    """Two months: every area falls, the whole rises, one area is new, one has nobody who answers."""
    client.put_program(
        {
            "name": unique,
            "questions": {
                "recommend": {"kind": "nps"},
                "food": {"kind": "rating", "scale": [1, 5]},
                "staff": {"kind": "rating", "scale": [1, 5]},
            },
            "dimensions": {"area": {"max_levels": 5}},
            "indices": {"delight": {"parts": {"all": {"items": ["food", "staff"]}}}},
            "time": {"column": "at", "buckets": ["day", "month"]},
        }
    )
    rows: dict[str, list[Any]] = {"recommend": [], "area": [], "at": [], "food": [], "staff": []}

    def add(month: int, area: str | None, promoters: int, detractors: int, null: int = 0) -> None:
        scores: list[int | None] = [10] * promoters + [3] * detractors + [None] * null
        rows["recommend"] += scores
        rows["area"] += [area] * len(scores)
        rows["at"] += [dt.date(2026, month, 1 + k % 25) for k in range(len(scores))]
        rows["food"] += [1 + k % 5 for k in range(len(scores))]
        rows["staff"] += [None if k % 7 == 0 else 1 + k % (3 + month) for k in range(len(scores))]

    add(1, "A", 90, 10)
    add(1, "B", 40, 160, null=3)
    add(2, "A", 170, 30, null=2)
    add(2, "B", 8, 42)
    add(2, None, 0, 0, null=4)
    with client.append(unique, producer="p") as stream:
        stream.send(rows)
    return unique


MONTHS: dict[str, Any] = {
    "before": ("2026-01-01", "2026-02-01"),
    "after": ("2026-02-01", "2026-03-01"),
}


def test_renewals_that_change_by_their_mix_alone(client: cx.Client, unique: str) -> None:
    """90 % renew by themselves, 40 % when asked; the former are 70 % of customers, then 60 %."""
    client.put_program(
        {
            "name": unique,
            "questions": {"renewed": {"kind": "boolean"}},
            "dimensions": {"how": {}},
            "time": {"column": "at", "buckets": ["year"]},
        }
    )
    cells = {
        (2024, "automatic"): (630, 700), (2024, "by hand"): (120, 300),
        (2025, "automatic"): (540, 600), (2025, "by hand"): (160, 400),
    }  # fmt: skip
    rows: dict[str, list[Any]] = {"renewed": [], "how": [], "at": []}
    for (year, how), (yes, n) in cells.items():
        rows["renewed"] += [True] * yes + [False] * (n - yes)
        rows["how"] += [how] * n
        rows["at"] += [dt.date(year, 6, 1)] * n
    with client.append(unique, producer="p") as stream:
        stream.send(rows)
    found = client.change(
        unique, "csat", "renewed", by="how",
        before=("2024-01-01", "2025-01-01"), after=("2025-01-01", "2026-01-01"),
    )  # fmt: skip
    assert (found.before, found.after) == pytest.approx((75, 70), rel=ROUNDING)
    assert found.mix.value == pytest.approx(-5, rel=ROUNDING)
    assert found.rate.value == pytest.approx(0, abs=100 * ROUNDING)


def test_simpson_warning_and_dropped_answers(client: cx.Client, survey: str) -> None:
    found = client.change(survey, "nps", "recommend", by="area", **MONTHS)
    assert found.change is not None and found.rate is not None
    assert found.change.value > 0 > found.rate.value
    assert found.reversal == "every_segment"
    assert "rose" in found.warning
    assert found.row(area="B").dropped == {"null": 3}
    nobody = found.row(area=None)
    assert (nobody.presence, nobody.n, nobody.dropped) == ("absent", 0, {"null": 4})
    assert nobody.score_before is nobody.score_after is None
    assert nobody.mix.value == 0.0 and nobody.mix.se == 0.0


def test_indices(client: cx.Client, survey: str) -> None:
    found = client.change(survey, "index", "delight", by="area", **MONTHS)
    early = client.index(survey, "delight", until="2026-02-01")
    late = client.index(survey, "delight", since="2026-02-01")
    assert found.change is not None and found.mix is not None and found.rate is not None
    assert found.change.value == pytest.approx(late.score - early.score, rel=1e-10)
    assert found.mix.value + found.rate.value == pytest.approx(found.change.value, rel=1e-9)
    with pytest.raises(cx.InvalidInput, match="renormalise or complete"):
        client.change(survey, "index", "delight", missing="item_means", by="area", **MONTHS)


def test_impact_is_the_score_with_less_the_score_without(client: cx.Client, survey: str) -> None:
    found = client.impact(survey, "nps", "recommend", by="area")
    whole = client.nps(survey, "recommend")
    assert (found.whole.n, found.whole.score, found.whole.se) == (whole.n, whole.score, whole.se)
    assert found.whole.interval == whole.interval
    for row in found:
        rest = client.nps(
            survey,
            "recommend",
            where={"area": [x for x in ("A", "B", None) if x != row.group["area"]]},
        )
        assert row.without == pytest.approx(rest.score, rel=ROUNDING)
        assert row.impact == pytest.approx(whole.score - rest.score, rel=1e-9, abs=1e-12)
    nobody = found.row(area=None)
    assert (nobody.n, nobody.score, nobody.impact, nobody.se) == (0, None, 0.0, None)
    index = client.impact(survey, "index", "delight", by="area")
    assert index.whole.score == pytest.approx(client.index(survey, "delight").score)


def test_what_cannot_be_taken_apart_is_refused(client: cx.Client, survey: str) -> None:
    def refused(reason: str, **options: Any) -> None:
        with pytest.raises(cx.CxstreamError) as caught:
            client.change(survey, "nps", "recommend", **{"by": "area", **MONTHS, **options})
        assert caught.value.reason == reason

    refused("OVERLAPPING_SIDES", after=("2026-01-15", "2026-03-01"))
    refused("OVERLAPPING_SIDES", before=(None, None), after=(None, None))
    refused("INVALID_GROUPING", by=())
    refused("INVALID_TIME", before=("January", None))
    refused("UNKNOWN_DIMENSION", by="aera")
    refused("WRONG_TYPE", before="2026-01-01")
    with pytest.raises(cx.InvalidInput, match="make up the segments"):
        client.impact(survey, "nps", "recommend")
    empty = client.change(
        survey,
        "nps",
        "recommend",
        by="area",
        before=(None, "2020-01-01"),
        after=("2026-01-01", None),
    )
    assert empty.before is None and empty.change is None and empty.after is not None


@pytest.mark.parametrize(
    ("name", "effects"),
    [
        ("2factor", {"avg_earnings": 4369.913, "earner_prop": 1487.262}),
        ("3factor", {"birthsw1549": 10.4340333, "propw1549": 10.5608476, "propw": -0.6670084}),
        (
            "4factor",
            {
                "birth_preg": 0.6889411,
                "preg_actw": 0.8125381,
                "actw_prop": 1.3829055,
                "w_prop": 0.1047547,
            },
        ),
        (
            "5factor",
            {
                "prop_m": 1.0909785,
                "noncontr": 1.2298438,
                "abort": 0.7278399,
                "lact": -0.8398707,
                "fecund": -0.1290187,
            },
        ),
        ("3vector", {"bm": -7.2946885, "mw": -2.70238, "wp": -1.6544095}),
    ],
)
def test_das_gupta(client: cx.Client, name: str, effects: dict[str, float]) -> None:
    with (DATA / f"dasgupta_{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    populations = sorted({row["pop"] for row in rows})
    found = client.decompose(
        {
            factor: tuple(
                [float(row[factor]) for row in rows if row["pop"] == one] for one in populations
            )
            for factor in effects
        }  # type: ignore[arg-type]
    )
    digits = 5.1e-4 if name == "2factor" else 5.1e-8
    assert {one.factor: one.effect for one in found.effects} == pytest.approx(effects, abs=digits)
    assert found.change == pytest.approx(sum(effects.values()), abs=len(effects) * digits)
    assert [one.id for one in found.explanation.formulas] == ["decomposition"]
    for one in found.effects:
        assert one.after - one.before == pytest.approx(one.effect, rel=ROUNDING)
    if name == "3vector":
        # The source prints 36.7 to 29.4, 34.4 to 31.7 and 33.8 to 32.2.
        both = {one.factor: (one.before, one.after) for one in found.effects}
        for factor, printed in (("bm", (36.7, 29.4)), ("mw", (34.4, 31.7)), ("wp", (33.8, 32.2))):
            assert both[factor] == pytest.approx(printed, abs=0.051)
    assert found.to_arrow().column_names == ["factor", "effect", "before", "after"]


def test_factors_that_do_not_fit_are_refused(client: cx.Client) -> None:
    for factors in ({}, {"a": ([1, 2], [1, 2, 3])}, {"a": (1, float("nan"))}):
        with pytest.raises(cx.InvalidInput):
            client.decompose(factors)  # type: ignore[arg-type]
