"""`cxstream query`: the same figures as a table, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxstream.cli.load import DEFAULT_TARGET
from cxstream.demo import PROGRAM_TOML, SURVEY_CSV

EXPECTED = json.loads(
    (Path(__file__).parents[1] / "data" / "sfo" / "expected_2017.json").read_text(encoding="utf-8")
)["2017"]
NAME = "cli-query"  # the server is shared, and sfo-2017 another test's
DRIVERS = [
    *("food", "shops", "signs", "walkways", "screens"),
    *("clean_overall", "safe", "find_way", "security", "getting_there"),
]


@pytest.fixture
def query(run: Callable[..., Any], address: str, tmp_path: Path) -> Callable[..., Any]:
    """Ask about the survey; it is loaded where it is not yet."""
    program = tmp_path / "program.toml"
    text = PROGRAM_TOML.read_text(encoding="utf-8")
    program.write_text(text.replace('"sfo-2017"', f'"{NAME}"', 1), encoding="utf-8")
    loaded = run("load", SURVEY_CSV, "--program", program, "--target", address)
    assert loaded.code == 0, loaded.err
    return lambda *arguments: run("query", *arguments, "--target", address)


def test_nps_as_json(query: Callable[..., Any]) -> None:
    found = query(
        "nps", NAME, "--by", "boarding_area", "--interval", "adjusted_wald", "--json"
    ).json
    assert found["as_of"]["responses"] >= 2831
    areas = {row["group"]["boarding_area"]: row for row in found["rows"]}
    for area, figures in EXPECTED["nps_by_BAREA"].items():
        row = areas[area]
        assert row["n"] == figures["n"]
        assert row["score"] == pytest.approx(figures["nps"], rel=1e-9)
        interval = row["interval"]
        assert interval["method"] == "adjusted_wald"
        bounds = [interval["lower"], interval["upper"]]
        assert bounds == pytest.approx(figures["adjusted_wald_ci95"], rel=1e-9)
        assert set(row["dropped"]) <= {"missing:11", "null"}


def test_nps_as_table(query: Callable[..., Any]) -> None:
    ran = query("nps", NAME, "netpro")
    assert ran.code == 0
    for text in ("2,746", "1,436", "968", "342", "39.8 ± 1.3", "[37.2, 42.4]", "missing:11 84"):
        assert text in ran.out
    assert "\033" not in ran.out
    by = query("nps", NAME, "netpro", "--by", "saq", "--where", "saq=1,2", "--interval", "wald")
    assert "2 By the guest" in by.out
    assert "Wald intervals at 95 %" in by.out


def test_nps_as_csv(query: Callable[..., Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(query("nps", NAME, "--by", "peak", "--csv").out)))
    assert [int(row["n"]) for row in rows] == [759, 966, 1021]


TABLES = {
    "csat": (["csat", NAME, "overall"], ["2,688", "82.1 ± 0.7"]),
    "csat with a cut": (["csat", NAME, "overall", "--top", "5"], ["2,688", "699"]),
    "distribution": (["distribution", NAME, "overall"], ["1,507", "mean 4.064"]),
    "index": (["index", NAME, "--by", "boarding_area"], ["cleanliness (30%)", "Boarding area G"]),
    "index policy": (["index", NAME, "delight", "--missing", "complete"], ["2,031", "81.4"]),
    "scorecard": (["scorecard", NAME, "--first", "3"], ["Wider choice of restaurants", "1,423"]),
    "regression": (["regression", NAME, "satisfaction"], ["0.1718", "n 1,575, R2 0.5575"]),
    "regression of one's own": (
        ["regression", NAME, "--outcome", "overall", *(f"--driver={one}" for one in DRIVERS)],
        ["Restaurants", "R2 0.5575"],
    ),
    "insights": (["insights", NAME, "netpro", "--first", "3"], ["netpro", "<0.0001"]),
    "programs": (["programs"], [NAME, "boarding_area, peak"]),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables(query: Callable[..., Any], case: str) -> None:
    arguments, texts = TABLES[case]
    ran = query(*arguments)
    assert ran.code == 0, ran.err
    for text in texts:
        assert text in ran.out
    found = query(*arguments, "--json").json
    assert found.get("rows") or found["programs"]


def test_ces(run: Callable[..., Any], address: str, tmp_path: Path) -> None:
    program, file = tmp_path / "p.toml", tmp_path / "ces.csv"
    program.write_text(
        'name = "cli-ces"\nquestions.effort = { kind = "ces", scale = [1, 7] }', encoding="utf-8"
    )
    file.write_text("effort\n7\n6\n1\n4\n", encoding="utf-8")
    assert run("load", file, "--program", program, "--target", address).code == 0
    ran = run("query", "ces", "cli-ces", "--variant", "net", "--json", "--target", address)
    assert (ran.json["rows"][0]["n"], ran.json["rows"][0]["score"]) == (4, 25.0)
    assert (
        "CES (net)" in run("query", "ces", "cli-ces", "--variant", "net", "--target", address).out
    )


ERRORS = {
    "no such question": (["nps", NAME, "netpr"], 1, "netpro"),
    "wrong kind": (["scorecard", NAME, "food"], 1, "food"),
    "several to choose from": (["regression", NAME], 2, "satisfaction, recommend"),
    "no such program": (["nps", "cli-qery", "netpro"], 1, NAME),
    "bad where": (["nps", NAME, "--where", "peak"], 2, "DIM=LEVEL"),
    "json and csv": (["nps", NAME, "--json", "--csv"], 2, "one too many"),
    "bad confidence": (["nps", NAME, "--confidence", "2"], 1, "confidence"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(query: Callable[..., Any], case: str) -> None:
    arguments, code, text = ERRORS[case]
    ran = query(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert text in ran.err
    assert ran.err.startswith("error: ")


def test_default_target_is_the_servers() -> None:
    from cxstream.service.config import ServerConfig

    assert ServerConfig.model_fields["listen"].default == DEFAULT_TARGET


def test_explain(query: Callable[..., Any]) -> None:
    said = query("--explain", "nps", NAME).out
    assert "nps: N = 100 (P - D) / n" in said and "digest of the sums: " in said
    found = query("--explain", "nps", NAME, "--json").json
    assert [one["id"] for one in found["explanation"]["formulas"]] == [
        "nps",
        "interval.score",
    ]
