"""Reliability over both transports: published tables by their rows, and the real SFO survey."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest

import cxstream
import cxstream_client as cx
from tests.analytics.tolerances import PRINTED_3
from tests.contract.test_sfo_2017 import DEMO, EXPECTED, PROGRAM, QUESTIONS, close

RATING = {"kind": "rating", "scale": [1, 5]}


def test_sfo(client: cx.Client, unique: str) -> None:
    expected = EXPECTED["alpha_drivers"]
    items = [QUESTIONS[column] for column in expected["items"]]
    tables = PROGRAM.to_dict()
    tables["name"] = unique
    tables["indices"]["all"] = {"parts": {"all": {"items": items}}}
    client.put_program(tables)
    with client.append(unique, producer="p") as stream, (DEMO / "sfo_2017.csv").open("rb") as file:
        stream.send(pa.csv.read_csv(file), wait=True)
    answer = client.reliability(unique, index="all")
    row = answer[0]
    assert (row.status, row.n, row.k) == ("ok", expected["n"], len(items))
    assert row.dropped == {"incomplete": EXPECTED["rows"] - expected["n"]}
    assert row.alpha == close(expected["alpha"])
    assert row.alpha_standardised == close(expected["std_alpha"])
    assert row.mean_inter_item == close(expected["mean_inter_item_r"])
    for one in row.items:
        column = {name: column for column, name in QUESTIONS.items()}[one.item]
        assert one.alpha_if_dropped == close(expected["alpha_if_dropped"][column])
    assert row.interval is not None and row.interval.method == "feldt"
    assert row.interval.lower < row.alpha < row.interval.upper
    assert row.se is row.free_interval is None
    assert 0 < row.omega < 1
    assert answer.to_arrow().column_names[:5] == [
        "n", "alpha", "alpha_standardised", "lower", "upper",
    ]  # fmt: skip
    assert {"reliability", "interval.feldt"} <= {one.id for one in answer.explanation.formulas}
    # Fewer items than the index keeps together: more respondents answered all of them.
    some = client.reliability(unique, items[:4])[0]
    assert [one.item for one in some.items] == items[:4]
    assert some.n > row.n
    by = client.reliability(unique, items[:4], by="boarding_area")
    assert sum(one.n for one in by) == some.n


TWELVE: list[list[int | None]] = [
    [1, 1, 1], [2, 2, 3], [4, 4, 5], [5, 4, 5], [3, 3, 2], [2, 1, 2],
    [4, 5, 5], [3, 2, 3], [1, 2, 1], [None, 5, 5], [3, None, 3], [None, None, 1],
]  # fmt: skip


def listwise(client: cx.Client, name: str) -> Any:
    """Twelve rows, nine of them complete."""
    rows = TWELVE
    client.put_program(
        {
            "name": name,
            "questions": dict.fromkeys(["a", "b", "c"], RATING),
            "indices": {"all": {"parts": {"all": {"items": ["a", "b", "c"]}}}},
            "models": {"all": {"outcome": "a", "drivers": ["b", "c"], "robust": True}},
            "insights": {"questions": ["a", "b", "c"]},
        }
    )
    with client.append(name, producer="p") as stream:
        stream.send(
            pa.table(
                {
                    column: pa.array([row[at] for row in rows], pa.int8())
                    for at, column in enumerate("abc")
                }
            ),
            wait=True,
        )
    return np.array([row for row in rows if None not in row], dtype=float)


def test_only_those_who_answered_all_count(client: cx.Client, unique: str) -> None:
    rows = listwise(client, unique)
    row = client.reliability(unique, ["a", "b", "c"])[0]
    assert (row.n, row.dropped) == (9, {"incomplete": 3})
    alpha = 3 / 2 * (1 - rows.var(axis=0, ddof=1).sum() / rows.sum(axis=1).var(ddof=1))
    assert row.alpha == close(alpha)
    # A robust model over just these columns keeps what the second interval needs.
    assert row.se is not None and row.free_interval is not None
    assert row.free_interval.method == "log_delta"
    assert row.interval == row.free_interval
    feldt = client.reliability(unique, ["a", "b", "c"], interval="feldt").interval
    assert feldt.method == "feldt" and feldt != row.interval
    assert [one.mean for one in row.items] == pytest.approx(rows.mean(axis=0), abs=PRINTED_3)


def test_over_pairs_everybody_counts_who_answered_both(client: cx.Client, unique: str) -> None:
    listwise(client, unique)
    frame = pd.DataFrame(TWELVE, columns=["a", "b", "c"], dtype=float)
    row = client.reliability(unique, ["a", "b", "c"], missing="pairwise")[0]
    covariance = frame.cov().to_numpy()
    alpha = 3 / 2 * (1 - np.trace(covariance) / covariance.sum())
    assert (row.n, row.k, row.dropped) == (9, 3, {})
    assert row.alpha == close(alpha)
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread)
    assert row.mean_inter_item == close(correlation[np.triu_indices(3, 1)].mean())
    assert [one.mean for one in row.items] == close(frame.mean().tolist())
    assert [one.sd for one in row.items] == close(frame.std().tolist())
    without = 2 * (1 - np.trace(covariance[1:, 1:]) / covariance[1:, 1:].sum())
    assert row.items[0].alpha_if_dropped == close(without)
    assert row.interval is row.se is row.free_interval is None
    with pytest.raises(cx.InvalidInput, match="no interval"):
        client.reliability(unique, ["a", "b"], missing="pairwise", interval="feldt")
    some = {"questions": dict.fromkeys("abc", RATING), "insights": {"questions": ["a", "b"]}}
    client.put_program({"name": unique + "-3", **some})
    with pytest.raises(cx.PreconditionFailed, match="keeps no pairs"):
        client.reliability(unique + "-3", ["a", "c"], missing="pairwise")


def test_refusals(client: cx.Client, unique: str) -> None:
    listwise(client, unique)
    with pytest.raises(cx.InvalidInput, match="items or an index"):
        client.reliability(unique)
    with pytest.raises(cx.InvalidInput, match="two different items"):
        client.reliability(unique, ["a"])
    with pytest.raises(cx.NotFound, match="'all'"):
        client.reliability(unique, index="al")
    with pytest.raises(cx.NotFound, match="no question 'd'"):
        client.reliability(unique, ["a", "d"])
    tables = {
        "name": unique + "-2",
        "questions": {"a": RATING, "b": RATING, "c": {"kind": "choice", "options": {"1": "x"}}},
    }
    client.put_program(tables)
    with pytest.raises(cx.PreconditionFailed, match=r"\[indices.NAME\]"):
        client.reliability(tables["name"], ["a", "b"])
    with pytest.raises(cx.InvalidInput, match="is a choice"):
        client.reliability(tables["name"], ["a", "c"])


def test_with_a_data_directory_nothing_needs_to_be_declared(tmp_path: Any) -> None:
    with cxstream.Engine.open(tmp_path) as client:
        tables = {"name": "shop", "questions": dict.fromkeys(["a", "b", "c"], RATING)}
        client.put_program(tables)
        rng = np.random.default_rng(0)
        base = rng.integers(1, 4, 60)
        with client.append("shop", producer="p") as stream:
            stream.send({name: base + rng.integers(0, 3, 60) for name in "abc"}, wait=True)
        row = client.reliability("shop", ["a", "b", "c"])[0]
        assert row.n == 60
        assert row.se is not None and row.free_interval is not None
        # By default what needs no declaration; the other one for those who ask.
        assert row.interval is not None and row.interval.method == "feldt"
        asked = client.reliability("shop", ["a", "b", "c"], interval="log_delta")
        assert asked.interval == row.free_interval
        found = client.drivers("shop", outcome="a", drivers=["b", "c"])
        assert found.as_of.view == "scan"
        assert all(one.se is not None for one in found[0].drivers)
        assert (
            client.regression("shop", outcome="a", drivers=["b", "c"], errors="HC1").status == "ok"
        )
