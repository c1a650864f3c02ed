"""Weighted answers, journeys and linkage on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import cxstream_client as cx
from tests.serving import serving

Query = Callable[..., str]

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
    with serving() as address, cx.connect(address) as client:
        client.put_program(PROGRAM)
        with client.append("shop", producer="p") as stream:
            stream.send(ROWS)
        yield address


@pytest.fixture
def query(run: Callable[..., Any], target: str) -> Query:
    def query(*words: str) -> str:
        done = run("query", *words, "--target", target)
        assert done.code == 0, done.err
        return str(done.out)

    return query


def test_weighted_and_raked(query: Query) -> None:
    shown = query("nps", "shop", "--weighted", "--rake", "place=desk:0.3,gate:0.7")
    assert "declared, raked" in shown
    assert "effective n" in shown
    against = query(
        "compare",
        "shop",
        "nps",
        "--by",
        "place",
        "--weighted",
        "--rake",
        "place=desk:0.3,gate:0.7",
    )
    assert "declared, raked" in against
    along = query("linkage", "shop", "spend", "--weighted")
    assert "weights: declared; design effect" in along
    value = json.loads(query("nps", "shop", "--weighted", "--json"))
    assert value["rows"][0]["weights"]["total"] == pytest.approx(36.0)


def test_journeys(query: Query) -> None:
    shown = query("journey", "shop", "recommend", "--along", "place", "--stages", "desk,gate")
    assert "biggest drop" in shown
    paired = json.loads(query("journey", "shop", "--questions", "food,staff", "--json"))
    assert paired["rows"][0]["basis"] == "paired"
    both = query("compare-journeys", "shop", "flight=342,344", "recommend", "--along", "place")
    assert "all" in both


def test_outcomes_by_class(query: Query) -> None:
    shown = query("linkage", "shop", "churned")
    assert "detractor to promoter" in shown
    value = query(
        "customer-value", "shop", "--margin", "spend", "--churn", "churned", "--discount", "0.1"
    )
    assert "promoter" in value
    assert "FCR" in query("first-contact", "shop", "churned")
    assert "percentile" in query("relative", "shop", "rank")


def test_churn_survival_and_means(query: Query) -> None:
    said = query("retention", "shop", "churned", "--periods", "12")
    assert "50.0 ±" in said and "retention %" in said
    (row,) = json.loads(query("retention", "shop", "churned", "--json"))["rows"]
    assert (row["n"], row["lost"], row["churn"]) == (24, 12, 50.0)
    said = query("kaplan-meier", "3:0", "2:1", "4:5")
    assert "0.8000" in said and "[0.1381, 0.6076]" in said
    said = query("survival", "1000", "869", "743", "653", "--ahead", "1")
    assert "653   0.6529 ± 0.0151" in said
    said = query(
        "customer-value",
        "shop",
        "--margin",
        "spend",
        "--churn",
        "churned",
        "--variant",
        "finite",
        "--horizon",
        "3",
    )
    assert "promoter" in said
    how = ("--by", "place", "--method", "pooled", "--json")
    rows = json.loads(query("compare", "shop", "mean", "food", *how))["rows"]
    assert rows[0]["difference"] > 0
