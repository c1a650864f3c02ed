"""Weighted answers, journeys and linkage on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

import cxstream_client as cx
from cxstream import testing

PROGRAM = {
    "name": "shop",
    "questions": {
        "recommend": {"kind": "nps"},
        "food": {"kind": "rating", "scale": [1, 5]},
        "staff": {"kind": "rating", "scale": [1, 5]},
        "churned": {"kind": "boolean"},
        "spend": {"kind": "number", "range": [0, 100], "step": 0.01},
        "rank": {"kind": "rating", "scale": [1, 5]},
    },
    "dimensions": {
        "level": {"column": "recommend"},
        "place": {"max_levels": 5},
        "flight": {"max_levels": 5},
    },
    "weight": {"column": "w", "step": 0.01},
    "insights": {"questions": ["food", "staff"]},
    "views": [{"by": ["place", "flight"]}],
}
ROWS = {
    "recommend": [10, 9, 8, 7, 3, 2] * 4,
    "food": [5, 4, 4, 3, 2, 1] * 4,
    "staff": [4, 4, 3, 3, 1, 1] * 4,
    "churned": [False, False, True, False, True, True] * 4,
    "spend": [9.5, 8.0, 7.0, 6.0, 2.0, 1.0] * 4,
    "rank": [5, 5, 4, 4, 2, 1] * 4,
    "place": (["desk"] * 3 + ["gate"] * 3) * 4,
    "flight": (["342"] * 2 + ["344"] * 2) * 6,
    "w": [1.0, 2.0, 1.5] * 8,
}


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with testing.serve() as address, cx.connect(address) as client:
        client.put_program(PROGRAM)
        with client.append("shop", producer="p") as stream:
            stream.send(ROWS)
        yield address


def _run(target: str, *words: str) -> str:
    command = [sys.executable, "-m", "cxstream.cli", "query", *words, "--target", target]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_weighted_and_raked(target: str) -> None:
    shown = _run(target, "nps", "shop", "--weighted", "--rake", "place=desk:0.3,gate:0.7")
    assert "declared, raked" in shown
    assert "effective n" in shown
    against = _run(
        target, "compare", "shop", "nps", "--by", "place", "--weighted",
        "--rake", "place=desk:0.3,gate:0.7",
    )  # fmt: skip
    assert "declared, raked" in against
    along = _run(target, "linkage", "shop", "spend", "--weighted")
    assert "weights: declared; design effect" in along
    value = json.loads(_run(target, "nps", "shop", "--weighted", "--json"))
    assert value["rows"][0]["weights"]["total"] == pytest.approx(36.0)


def test_journeys(target: str) -> None:
    shown = _run(
        target, "journey", "shop", "recommend", "--along", "place", "--stages", "desk,gate"
    )
    assert "biggest drop" in shown
    paired = json.loads(_run(target, "journey", "shop", "--questions", "food,staff", "--json"))
    assert paired["rows"][0]["basis"] == "paired"
    both = _run(
        target, "compare-journeys", "shop", "flight=342,344", "recommend", "--along", "place"
    )
    assert "all" in both


def test_outcomes_by_class(target: str) -> None:
    shown = _run(target, "linkage", "shop", "churned")
    assert "detractor to promoter" in shown
    value = _run(target, "customer-value", "shop", "--margin", "spend", "--churn", "churned",
                 "--discount", "0.1")  # fmt: skip
    assert "promoter" in value
    assert "FCR" in _run(target, "first-contact", "shop", "churned")
    assert "percentile" in _run(target, "relative", "shop", "rank")


def test_churn_survival_and_means(target: str) -> None:
    said = _run(target, "retention", "shop", "churned", "--periods", "12")
    assert "50.0 ±" in said and "retention %" in said
    (row,) = json.loads(_run(target, "retention", "shop", "churned", "--json"))["rows"]
    assert (row["n"], row["lost"], row["churn"]) == (24, 12, 50.0)
    said = _run(target, "kaplan-meier", "3:0", "2:1", "4:5")
    assert "0.8000" in said and "[0.1381, 0.6076]" in said
    said = _run(target, "survival", "1000", "869", "743", "653", "--ahead", "1")
    assert "653   0.6529 ± 0.0151" in said
    said = _run(target, "customer-value", "shop", "--margin", "spend", "--churn", "churned",
                "--variant", "finite", "--horizon", "3")  # fmt: skip
    assert "promoter" in said
    how = ("--by", "place", "--method", "pooled", "--json")
    rows = json.loads(_run(target, "compare", "shop", "mean", "food", *how))["rows"]
    assert rows[0]["difference"] > 0
