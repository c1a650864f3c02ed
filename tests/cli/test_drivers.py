"""`cxstream query drivers` and `reliability`, as tables and JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxstream.demo import PROGRAM_TOML, SURVEY_CSV
from tests.cli.test_query import EXPECTED

NAME = "cli-drivers"


@pytest.fixture
def query(run: Callable[..., Any], address: str, tmp_path: Path) -> Callable[..., Any]:
    """Ask about the survey; it is loaded where it is not yet."""
    program = tmp_path / "program.toml"
    text = PROGRAM_TOML.read_text(encoding="utf-8").replace('"sfo-2017"', f'"{NAME}"', 1)
    text = text.replace("[models.recommend]", "[models.recommend]\nrobust = true")
    program.write_text(text, encoding="utf-8")
    loaded = run("load", SURVEY_CSV, "--program", program, "--target", address)
    assert loaded.code == 0, loaded.err
    return lambda *arguments: run("query", *arguments, "--target", address)


def test_drivers(query: Callable[..., Any]) -> None:
    found = query("drivers", NAME, "recommend", "--json").json
    food = found["rows"][0]["drivers"][0]
    assert food["lmg"] == pytest.approx(EXPECTED["ols_NETPRO"]["lmg"]["Q7FOOD"], rel=1e-9)
    assert food["interval"]["method"] == "fisher_z"
    ran = query("drivers", NAME, "recommend", "--cut", "median")
    assert ran.code == 0
    for text in ("Drivers of netpro", "LMG", "quadrant", "fisher z intervals at 95 %"):
        assert text in ran.out
    assert "declare robust = true" in query("drivers", NAME, "satisfaction").out


def test_regression_errors(query: Callable[..., Any]) -> None:
    ran = query("regression", NAME, "recommend", "--errors", "HC1")
    assert "HC1 errors" in ran.out
    ran = query(
        "regression", NAME, "recommend", "--errors", "cluster", "--cluster", "boarding_area"
    )
    assert "cluster errors" in ran.out


def test_reliability(query: Callable[..., Any]) -> None:
    found = query("reliability", NAME, "delight", "--json").json
    assert found["rows"][0]["k"] == 5
    ran = query("reliability", NAME, "--item", "food", "--item", "safe")
    assert ran.code == 0
    assert "all items" in ran.out and "item-total r" in ran.out
