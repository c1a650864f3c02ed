"""Weighted answers over both transports: the real survey, raking, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

import cxstream_client as cx
from tests.reference.survey import raked, weighted_mean

#: The weights of the file have up to 16 digits and count in steps of 1e-9.
ROUNDED_WEIGHTS = 1e-8
#: Raking stops at 1e-9 of a share.
STOPPED = 1e-7

EXPECTED = json.loads(
    (Path(__file__).parents[1] / "data" / "sfo" / "expected_2017.json").read_text()
)["2017"]
DEMO = resources.files("cxstream.demo")


def _text(name: str) -> str:
    return (DEMO / name).read_text(encoding="utf-8")


@pytest.fixture
def survey(client: cx.Client, unique: str) -> str:
    toml = _text("sfo_2017.toml").replace('name = "sfo-2017"', f'name = "{unique}"', 1)
    if "[weight]" not in toml:
        toml += '\n[weight]\ncolumn = "WEIGHT"\nstep = 0.000000001\n'
    client.put_program(cx.Program.from_toml_text(toml))
    table = pa.csv.read_csv(pa.BufferReader(_text("sfo_2017.csv").encode()))
    with client.append(unique, producer="p") as stream:
        wanted = stream_columns(client, unique)
        stream.send(table.select([name for name in table.column_names if name in wanted]))
    return unique


def stream_columns(client: cx.Client, program: str) -> set[str]:
    columns = client.get_program(program).to_dict()
    used = {"WEIGHT"}
    for kind in ("questions", "dimensions"):
        for name, one in columns.get(kind, {}).items():
            used.update(one.get("columns", [one.get("column", name)]))
    return used


def test_airport_survey_2017_weighted_satisfaction(client: cx.Client, survey: str) -> None:
    names = {
        one.get("column", name): name
        for name, one in client.get_program(survey).to_dict()["questions"].items()
    }
    for column, figures in EXPECTED["csat"].items():
        row = client.csat(survey, names[column], weighting="declared")[0]
        assert row.n == figures["n"]
        assert row.score == pytest.approx(figures["weighted_top_4plus_pct"], rel=ROUNDED_WEIGHTS)
        mean = (figures["weighted_mean"] - 1) / 4 * 100
        assert row.mean == pytest.approx(mean, rel=ROUNDED_WEIGHTS)


SEGMENTS = [key.removeprefix("nps_by_") for key in EXPECTED if key.startswith("nps_by_")]


@pytest.mark.parametrize("by", ["", *SEGMENTS])
def test_airport_survey_2017_weighted(client: cx.Client, survey: str, by: str) -> None:
    named = {
        one.get("column", name): name
        for name, one in client.get_program(survey).to_dict()["dimensions"].items()
    }
    result = client.nps(survey, "netpro", weighting="declared", by=[named[by]] if by else [])
    wanted = EXPECTED[f"nps_by_{by}"] if by else {None: EXPECTED["nps"]}
    for level, one in wanted.items():
        row = result.row(**{named[by]: level}) if by else result[0]
        assert (row.n, row.promoters, row.detractors) == (
            one["n"], one["promoters"], one["detractors"],
        )  # fmt: skip
        assert row.score == pytest.approx(one["weighted_nps"], rel=ROUNDED_WEIGHTS)
        assert row.se == pytest.approx(one["weighted_nps_se"], rel=ROUNDED_WEIGHTS)
        assert row.weights.effective_n == pytest.approx(one["kish_n_eff"], rel=ROUNDED_WEIGHTS)
        down, _, up = (100 * part / row.weights.total for part in row.weights.classes)
        assert up == pytest.approx(one["weighted_promoter_pct"], rel=ROUNDED_WEIGHTS)
        assert down == pytest.approx(one["weighted_detractor_pct"], rel=ROUNDED_WEIGHTS)
        assert row.interval.lower < row.score < row.interval.upper
    assert result.explanation.weighting == "declared"
    assert "weighted" in {one.id for one in result.explanation.formulas}
    assert "effective n" in result.explain()
    assert result.to_arrow().column_names[-3:] == ["weight", "design_effect", "effective_n"]


def test_airport_survey_2017_weighted_differences(client: cx.Client, survey: str) -> None:
    """Of peaks, whose weighted scores and errors R gives: domains of one sample."""
    named = {
        one.get("column", name): name
        for name, one in client.get_program(survey).to_dict()["dimensions"].items()
    }
    wanted = EXPECTED["nps_by_PEAK"]
    found = client.compare(
        survey, "nps", "netpro", by=named["PEAK"], against="1", weighting="declared"
    )
    assert {row.group[named["PEAK"]] for row in found} == set(wanted) - {"1"}
    for row in found:
        a, b = wanted[row.group[named["PEAK"]]], wanted["1"]
        difference = a["weighted_nps"] - b["weighted_nps"]
        assert row.difference == pytest.approx(difference, rel=1e2 * ROUNDED_WEIGHTS)
        se = np.hypot(a["weighted_nps_se"], b["weighted_nps_se"])
        assert row.se == pytest.approx(se, rel=ROUNDED_WEIGHTS)
        assert (row.n_a, row.n_b) == (a["n"], b["n"])
        assert row.effective_n_a == pytest.approx(a["kish_n_eff"], rel=ROUNDED_WEIGHTS)
        assert row.effective_n_b == pytest.approx(b["kish_n_eff"], rel=ROUNDED_WEIGHTS)
        assert row.interval.lower < row.difference < row.interval.upper
        # Few degrees of freedom are lost: nearly a normal interval.
        assert row.interval.upper - row.interval.lower == pytest.approx(2 * 1.96 * se, rel=0.01)


PROGRAM: dict[str, Any] = {
    "questions": {
        "recommend": {"kind": "nps"},
        "effort": {"kind": "ces", "scale": [1, 7]},
        "food": {"kind": "rating", "scale": [1, 5]},
        "staff": {"kind": "rating", "scale": [1, 5]},
        "why": {"kind": "choice", "options": {"1": "Food", "2": "Wifi"}, "multiple": True},
        "spend": {"kind": "number", "range": [0, 100], "step": 0.01},
    },
    "dimensions": {"area": {"max_levels": 5}, "age": {"max_levels": 5}, "shift": {"max_levels": 5}},
    "weight": {"column": "w", "step": 0.5},
    "indices": {"delight": {"parts": {"a": {"items": ["food"]}, "b": {"items": ["staff"]}}}},
    "models": {"drivers": {"outcome": "recommend", "drivers": ["food", "staff"]}},
    "insights": {"questions": ["recommend", "food"]},
    "views": [{"by": ["area", "age", "shift"]}],
}
RAKE = {"area": {"A": 30, "B": 70}, "age": {"young": 0.6, "old": 0.4}}


@dataclasses.dataclass
class Rows:
    """400 responses; a few without an answer, a weight or an age."""

    n: int = 400

    def __post_init__(self) -> None:
        rng = np.random.default_rng(21)
        self.area = rng.choice(["A", "B"], self.n, p=[0.6, 0.4])
        self.age = rng.choice(["young", "old"], self.n)
        self.shift = rng.choice(["mo", "tu"], self.n)
        lift = (self.area == "A") * 2 + (self.age == "old")
        self.recommend = np.clip(rng.integers(3, 10, self.n) + lift, 0, 10)
        self.food = rng.integers(1, 6, self.n)
        self.spend = rng.integers(0, 10000, self.n) / 100
        self.w = rng.integers(1, 9, self.n) / 2

    def table(self, **changes: Any) -> dict[str, list[Any]]:
        columns = {name: list(value) for name, value in vars(self).items() if name != "n"}
        plain = {
            name: [x.item() if hasattr(x, "item") else str(x) for x in value]
            for name, value in columns.items()
        }
        plain["staff"] = [6 - x for x in plain["food"]]
        plain["effort"] = [x + 1 for x in plain["food"]]
        plain["why"] = [["1", "2"][: 1 + x % 2] for x in plain["food"]]
        return plain | changes


@pytest.fixture
def loaded(client: cx.Client, unique: str) -> tuple[str, Rows]:
    rows = Rows()
    client.put_program({**PROGRAM, "name": unique})
    with client.append(unique, producer="p") as stream:
        stream.send(rows.table())
    return unique, rows


def _asked(client: cx.Client, name: str, **asked: Any) -> dict[str, cx.results.Result[Any]]:
    return {
        "nps": client.nps(name, "recommend", **asked),
        "csat": client.csat(name, "food", **asked),
        "ces": client.ces(name, "effort", **asked),
        "distribution": client.distribution(name, "spend", **asked),
        "levels": client.distribution(name, "food", **asked),
        "index": client.index(name, "delight", **asked),
        "scorecard": client.scorecard(name, "why", **asked),
    }


def test_every_metric_is_weighted(client: cx.Client, loaded: tuple[str, Rows]) -> None:
    name, rows = loaded
    found = _asked(client, name, weighting="declared")
    net = np.where(rows.recommend >= 9, 100, np.where(rows.recommend >= 7, 0, -100))
    rescaled = 25.0 * (rows.food - 1)
    for result, values in (
        (found["nps"].score, net),
        (found["csat"].mean, rescaled),
        (found["ces"].score, rows.food + 1.0),
        (found["distribution"].mean, rows.spend),
        (found["levels"].mean, rows.food),
        (found["index"][0].parts[0].score, rescaled),
        (found["scorecard"][0].options[1].share, 100.0 * (rows.food % 2)),
    ):
        mean, _ = weighted_mean(values.tolist(), rows.w.tolist())
        assert result == pytest.approx(mean, abs=1e-9)
    for one in found.values():
        assert one[0].weights.total == pytest.approx(rows.w.sum())
        assert one[0].weights.design_effect > 1.0
    _, se = weighted_mean(rows.spend.tolist(), rows.w.tolist())
    assert found["distribution"].se == pytest.approx(se, rel=1e-9)


@pytest.mark.parametrize("weighting", ["none", "declared"])
def test_raked_answers_are_those_of_raked_rows(
    client: cx.Client, loaded: tuple[str, Rows], weighting: str
) -> None:
    name, rows = loaded
    base = rows.w if weighting == "declared" else np.ones(rows.n)
    levels = [
        [["A", "B"].index(x) for x in rows.area],
        [["young", "old"].index(x) for x in rows.age],
    ]
    w = np.array(raked(base.tolist(), levels, [[30, 70], [0.6, 0.4]], rounds=60))
    asked = {"weighting": weighting, "rake": RAKE, "by": "shift", "where": {"area": ["A"]}}
    found = _asked(client, name, **asked)
    net = np.where(rows.recommend >= 9, 100, np.where(rows.recommend >= 7, 0, -100))
    for day in ("mo", "tu"):
        inside = (rows.shift == day) & (rows.area == "A")
        for key, take, values in (
            ("nps", lambda row: row.score, net),
            ("csat", lambda row: row.mean, 25.0 * (rows.food - 1)),
            ("distribution", lambda row: row.mean, rows.spend),
            ("levels", lambda row: row.mean, rows.food),
            ("index", lambda row: row.parts[0].score, 25.0 * (rows.food - 1)),
            ("scorecard", lambda row: row.options[1].share, 100.0 * (rows.food % 2)),
        ):
            row = found[key].row(shift=day)
            mean = float((w * values)[inside].sum() / w[inside].sum())
            assert take(row) == pytest.approx(mean, rel=STOPPED), key
            assert getattr(row, "n", getattr(row, "base", 0)) == inside.sum(), key
            assert row.weights.total == pytest.approx(w[inside].sum(), rel=STOPPED)
    raking = found["nps"].explanation.raking
    assert raking.converged
    assert raking.iterations > 1
    assert found["nps"].explanation.weighting.endswith("raked")
    assert "raking" in {one.id for one in found["nps"].explanation.formulas}


def test_post_stratification_over_two_dimensions(
    client: cx.Client, loaded: tuple[str, Rows]
) -> None:
    name, rows = loaded
    targets = {("A", "young"): 1, ("A", "old"): 2, ("B", "young"): 3, ("B", "old"): 4}
    found = client.csat(name, "food", rake={("area", "age"): targets}, by=["area", "age"])
    assert found.explanation.raking.iterations == 1
    for row in found:
        share = targets[row.group["area"], row.group["age"]] / 10
        assert row.weights.total == pytest.approx(rows.n * share)


def test_limits_of_factors_are_kept_and_reported(
    client: cx.Client, loaded: tuple[str, Rows]
) -> None:
    name, _ = loaded
    found = client.nps(name, "recommend", rake={"area": {"A": 5, "B": 95}}, rake_bounds=(0.5, 1.5))
    raking = found.explanation.raking
    assert not raking.converged
    assert raking.trimmed == 2
    assert raking.worst.margin == "area"
    assert "not converged" in found.explain()


def test_responses_without_a_weight_are_dropped_and_counted(client: cx.Client, unique: str) -> None:
    rows = Rows()
    client.put_program({**PROGRAM, "name": unique})
    weights: list[Any] = [None, None, *rows.w[2:].tolist()]
    answers: list[Any] = [None, 5, None, *rows.recommend[3:].tolist()]
    with client.append(unique, producer="p") as stream:
        stream.send(rows.table(w=weights, recommend=answers))
    found = client.nps(unique, "recommend", weighting="declared")
    assert found.n == 397
    assert found.dropped == {"null": 1, "weight": 2}
    for one in _asked(client, unique, weighting="declared").values():
        used = getattr(one[0], "n", getattr(one[0], "base", 0))
        assert used + sum(one[0].dropped.values()) == rows.n
        assert one[0].dropped["weight"] == 2
    by_area = client.nps(unique, "recommend", weighting="declared", rake=RAKE, by="area")
    assert sum(row.n + sum(row.dropped.values()) for row in by_area) == rows.n
    assert sum(row.dropped.get("weight", 0) for row in by_area) == 2


def test_responses_without_a_level_keep_their_share(client: cx.Client, unique: str) -> None:
    rows = Rows()
    client.put_program({**PROGRAM, "name": unique})
    ages: list[Any] = [None] * 40 + rows.age[40:].tolist()
    with client.append(unique, producer="p") as stream:
        stream.send(rows.table(age=ages))
    found = client.nps(unique, "recommend", rake={"age": {"young": 3, "old": 1}}, by="age")
    totals = {row.group["age"]: row.weights.total for row in found}
    assert totals[None] == pytest.approx(40)
    assert totals["young"] == pytest.approx(270)
    named = client.nps(unique, "recommend", rake={"age": {"young": 3, "old": 1, None: 0}}, by="age")
    assert named.row(age=None).score is None
    assert named.row(age=None).dropped == {"target 0": 40}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"rake": {"aera": {"A": 1}}}, "area"),
        ({"rake": {"area": {"A": 1}}}, "responses of B and no target"),
        ({"rake": {"area": {"A": 1, "B": 1, "C": 1}}}, "no response with a weight has level 'C'"),
        ({"rake": {"area": {"A": -1, "B": 2}}}, "0 or more"),
        ({"rake": {("area", "age"): {"A": 1}}}, "2 dimensions, and a target of 1"),
        ({"rake": RAKE, "rake_bounds": (2, 3)}, "bounds"),
        ({"rake_bounds": (0.5, 3)}, "limits of factors are for rake"),
        ({"weighting": "yes"}, "'none' or 'declared'"),
        ({"rake": {"area": {"A": "x", "B": 1}}}, "expected a number"),
        ({"interval": "wald", "weighting": "declared"}, "weighted score"),
    ],
)
def test_what_cannot_be_weighted_is_refused(
    client: cx.Client, loaded: tuple[str, Rows], asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(cx.CxstreamError, match=message):
        client.nps(loaded[0], "recommend", **asked)


def test_questions_without_a_weighted_form_say_so(
    client: cx.Client, loaded: tuple[str, Rows]
) -> None:
    with pytest.raises(cx.CxstreamError, match="pairs are kept without weights"):
        client.reliability(
            loaded[0], ["recommend", "food"], missing="pairwise", weighting="declared"
        )
    # Errors of weighted slopes are made from fourth-order sums.
    with pytest.raises(cx.CxstreamError, match="robust = true"):
        client.insights(loaded[0], weighting="declared")


def test_a_program_without_weight_names_what_to_declare(client: cx.Client, unique: str) -> None:
    client.put_program({"name": unique, "questions": {"q": {"kind": "nps"}}})
    with pytest.raises(cx.CxstreamError, match=r"declare \[weight\]"):
        client.nps(unique, "q", weighting="declared")
    assert client.nps(unique, "q").weights is None


def test_nobody_answered_yet(client: cx.Client, unique: str) -> None:
    client.put_program({**PROGRAM, "name": unique})
    for one in _asked(client, unique, weighting="declared").values():
        assert one[0].weights.design_effect is None
    with pytest.raises(cx.CxstreamError, match="no response"):
        client.nps(unique, "recommend", rake=RAKE)
