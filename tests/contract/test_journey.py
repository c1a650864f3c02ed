"""Journeys over both transports: along a dimension, over questions, and two compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import cxstream_client as cx
from cxstream.analytics.comparison import Estimate, compare_estimates

RATING = {"kind": "rating", "scale": [1, 5], "missing": [0]}
PROGRAM: dict[str, Any] = {
    "questions": {
        "recommend": {"kind": "nps"},
        "check_in": RATING,
        "security": {"kind": "csat", "scale": [1, 5], "top": 4, "label": "Security"},
        "gate": {**RATING, "direction": "lower_is_better"},
        "spare": RATING,
    },
    "dimensions": {"touchpoint": {"max_levels": 5}, "flight": {"max_levels": 5}},
    "insights": {"questions": ["check_in", "security", "gate"]},
    "views": [{"by": ["touchpoint", "flight"]}],
}
STAGES = ["desk", "belt", "door"]


def _rows(n: int = 300) -> dict[str, list[Any]]:
    rng = np.random.default_rng(31)
    touchpoint = rng.choice([*STAGES, "lounge"], n)
    flight = rng.choice(["342", "344"], n)
    lift = (touchpoint == "belt") * -2 + (flight == "342")
    base = rng.integers(1, 5, n)
    return {
        "recommend": [int(x) for x in np.clip(rng.integers(5, 11, n) + lift, 0, 10)],
        "check_in": [int(x) for x in np.clip(base + rng.integers(0, 2, n), 1, 5)],
        "security": [None if i % 10 == 0 else int(x) for i, x in enumerate(base)],
        "gate": [int(6 - x) for x in np.clip(base + rng.integers(-1, 2, n), 1, 5)],
        "spare": [3] * n,
        "touchpoint": [str(x) for x in touchpoint],
        "flight": [str(x) for x in flight],
    }


@pytest.fixture
def loaded(client: cx.Client, unique: str) -> tuple[str, dict[str, np.ndarray[Any, Any]]]:
    rows = _rows()
    client.put_program({**PROGRAM, "name": unique})
    with client.append(unique, producer="p") as stream:
        stream.send(rows)
    return unique, {
        name: np.array([np.nan if x is None else x for x in values])
        for name, values in rows.items()
    }


def test_a_journey_along_a_dimension(client: cx.Client, loaded: Any) -> None:
    name, rows = loaded
    found = client.journey(name, "recommend", "touchpoint", stages=STAGES)
    assert (found.basis, found.biggest_drop) == ("independent", "belt")
    plain = client.nps(name, "recommend", by="touchpoint")
    for stage, level in zip(found.stages, STAGES, strict=True):
        wanted = plain.row(touchpoint=level)
        assert (stage.stage, stage.n, stage.score) == (level, wanted.n, wanted.score)
        assert (stage.se, stage.interval) == (wanted.se, wanted.interval)
    drop = found.stages[1]
    assert drop.biggest_drop
    assert drop.change == pytest.approx(drop.score - found.stages[0].score)
    assert drop.p < drop.p_adjusted < 0.01
    assert found.dropped == {"other stage": int((rows["touchpoint"] == "lounge").sum())}
    assert found.n + sum(found.dropped.values()) == 300
    every = client.journey(name, "recommend", "touchpoint", by="flight")
    assert [one.stage for one in every[0].stages] == sorted([*STAGES, "lounge"])
    assert [row.group["flight"] for row in every] == ["342", "344"]
    assert found.to_arrow().column_names[:4] == ["stage", "label", "n", "score"]
    assert "journey" in {one.id for one in found.explanation.formulas}


def test_a_journey_over_questions_is_paired(client: cx.Client, loaded: Any) -> None:
    name, rows = loaded
    found = client.journey(name, questions=["check_in", "gate", "security"])
    assert found.basis == "paired"
    gate, check_in = 25 * (5 - rows["gate"]), 25 * (rows["check_in"] - 1)
    stage = found.stages[1]
    assert stage.change == pytest.approx((gate - check_in).mean())
    assert stage.p == pytest.approx(stats.ttest_rel(gate, check_in).pvalue, rel=1e-9)
    assert found.stages[2].label == "Security"
    assert found.dropped == {"null": 30}
    top = client.journey(name, questions=["check_in", "security"], metric="top_box")
    assert top.basis == "bound"
    assert top.stages[1].change_interval.method == "bound"
    assert top.stages[1].score == client.csat(name, "security").score


def test_two_journeys(client: cx.Client, loaded: Any) -> None:
    name, rows = loaded
    found = client.compare_journeys(
        name, "recommend", "touchpoint", between=("flight", "342", "344"), stages=STAGES
    )
    both = client.nps(name, "recommend", by=["touchpoint", "flight"])
    for stage, level in zip(found.stages, STAGES, strict=True):
        a, b = (both.row(touchpoint=level, flight=one) for one in ("342", "344"))
        assert (stage.n_a, stage.n_b) == (a.n, b.n)
        assert (stage.a, stage.b) == (pytest.approx(a.score), pytest.approx(b.score))
        assert stage.difference == pytest.approx(a.score - b.score)
    assert found.df == 3
    assert found.chi2_p < 0.05
    assert found.difference > 0
    means = client.compare_journeys(
        name, between=("flight", "342", "344"), questions=["check_in", "security"]
    )
    points = (25 * (rows["check_in"][rows["flight"] == one] - 1) for one in ("342", "344"))
    sides = [
        [Estimate(len(one), one.mean(), one.std(ddof=1) / len(one) ** 0.5, None, (0.0, 100.0))]
        for one in points
    ]
    assert means.stages[0].p == pytest.approx(compare_estimates(*sides)[0].p, rel=1e-9)
    assert means.df == 2


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "expected either questions"),
        ({"question": "recommend"}, "no dimension ''"),
        ({"question": "recommend", "along": "touchpont"}, "touchpoint"),
        ({"questions": ["check_in"]}, "at least two"),
        ({"questions": ["check_in", "check_in"]}, "more than once"),
        ({"questions": ["check_in", "spare"]}, r"declare \[insights\]"),
        ({"questions": ["check_in", "gate"], "metric": "nps"}, "has no nps"),
        ({"question": "recommend", "along": "touchpoint", "stages": ["desk"]}, "at least two"),
        ({"question": "recommend", "along": "touchpoint", "by": "touchpoint"}, "goes along"),
        (
            {"question": "recommend", "along": "touchpoint", "weighting": "declared"},
            "has no weight",
        ),
    ],
)
def test_journeys_that_cannot_be(
    client: cx.Client, loaded: Any, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(cx.CxstreamError, match=message):
        client.journey(loaded[0], **asked)


def test_a_stage_without_responses_and_a_flight_that_is_not(client: cx.Client, loaded: Any) -> None:
    name, _ = loaded
    found = client.journey(name, "recommend", "touchpoint", stages=["desk", "roof", "belt"])
    assert (found.stages[1].n, found.stages[1].score, found.stages[2].change) == (0, None, None)
    none = client.compare_journeys(
        name, "recommend", "touchpoint", between=("flight", "342", "999"), stages=STAGES
    )
    assert (none.difference, none.n_b) == (None, 0)
