"""`cxstream query compare`, `sample-size`, `change`, `impact`, `decompose` and `monitor`."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
name = "cli-compare"
[questions]
recommend = { kind = "nps" }
[dimensions]
area = { max_levels = 3 }
[time]
column = "at"
buckets = ["day", "week", "month"]
"""


@pytest.fixture
def query(run: Callable[..., Any], address: str, tmp_path: Path) -> Callable[..., Any]:
    """Ask about two months of answers; they are loaded where they are not yet."""
    program, survey = tmp_path / "program.toml", tmp_path / "survey.csv"
    program.write_text(PROGRAM, encoding="utf-8")
    lines = ["recommend,area,at"]
    for k in range(400):
        day = dt.date(2026, 1, 5) + dt.timedelta(days=k // 8)
        sour = day >= dt.date(2026, 2, 2) and k % 2
        lines.append(f"{(3 if k % 3 else 8) if sour else (10, 9, 7, 2)[k % 4]},{'AB'[k % 2]},{day}")
    survey.write_text("\n".join(lines), encoding="utf-8")
    loaded = run("load", survey, "--program", program, "--target", address)
    assert loaded.code == 0, loaded.err
    return lambda *arguments: run("query", *arguments, "--target", address)


NAME = "cli-compare"
PERIODS = ("--before", "..2026-02-02", "--after", "2026-02-02..")


def test_groups_and_sides_are_compared(query: Callable[..., Any]) -> None:
    table = query("compare", NAME, "nps", "--by", "area")
    assert table.code == 0
    assert "joined score intervals at 95 %" in table.out and "p adjusted" in table.out
    found = query("compare", NAME, "nps", "--a", "area=A", "--b", "area=B", "--json").json
    (row,) = found["rows"]
    assert row["difference"] == pytest.approx(row["a"] - row["b"])
    assert row["n_a"] == row["n_b"]
    periods = query(
        "compare", NAME, "nps", "recommend", "--a", "..2026-02-02", "--b", "2026-02-02..",
        "--method", "wald", "--csv",
    )  # fmt: skip
    (line,) = csv.DictReader(io.StringIO(periods.out))
    assert int(line["n_a"]) % 224 == 0
    assert query("compare", NAME, "nps", "--a", "area", "--b", "area=B").code == 2
    refused = query("compare", NAME, "nps", "--a", "area=A", "--b", "area=A,B")
    assert refused.code == 1 and "share" in refused.err


def test_sample_sizes(query: Callable[..., Any]) -> None:
    assert "385" in query("sample-size", "csat", "--margin", "5").out
    found = query("sample-size", "nps", "--difference", "10", "--program", NAME, "--json").json
    assert found["rows"][0]["answers"] == found["rows"][0]["answers_b"] > 0
    assert query("sample-size", "nps", "--margin", "5", "--assumed", "1,x,1").code == 2


def test_what_moved_it(query: Callable[..., Any]) -> None:
    table = query("change", NAME, "nps", "--by", "area", *PERIODS)
    assert table.code == 0
    assert "mix" in table.out and "all" in table.out
    found = query("change", NAME, "nps", "--by", "area", *PERIODS, "--json").json
    whole = found["whole"]
    assert whole["mix"]["value"] + whole["rate"]["value"] == pytest.approx(whole["change"]["value"])
    assert whole["reversal"] == "none"
    impact = query("impact", NAME, "nps", "--by", "area", "--json").json
    assert len(impact["rows"]) == 2 and "score" in impact["whole"]
    assert "without" in query("impact", NAME, "nps", "--by", "area").out
    assert query("change", NAME, "nps", "--by", "area").code == 2


def test_factors(query: Callable[..., Any]) -> None:
    ran = query("decompose", "earnings=10930:16591", "earners=.717892:.825974")
    assert "4369.912" in ran.out and "1487.262" in ran.out
    assert query("decompose", "earnings").code == 2


def test_a_series(query: Callable[..., Any]) -> None:
    table = query("monitor", NAME, "nps", "--by", "area", "--baseline", "..2026-02-02")
    assert table.code == 0
    for text in ("2026-01-05", "EWMA", "change", "from 2026-02-02", "most by B", "baseline: "):
        assert text in table.out
    assert "autocorrelation" not in table.out  # the baseline's weeks are all alike
    assert "lag-1 autocorrelation of its buckets: 0." in query("monitor", NAME, "nps").out
    found = query("monitor", NAME, "nps", "--bucket", "day", "--json").json
    assert len(found["rows"]) == 50
    assert found["whole"]["regimes"][1]["since"] == "2026-02-02"
    assert query("monitor", NAME, "nps", "--baseline", "2026").code == 2
