"""HC2 and HC3: kept of models with leverage, or counted from what is stored; where they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm

import cxstream
import cxstream_client as cx
from cxstream.program.block import DISTINCT_ROWS_MAX

RATING = {"kind": "rating", "scale": [1, 5], "missing": [0]}
SPEND = {"kind": "number", "range": [0, 100], "step": 0.01}
N = 3000
#: statsmodels inverts X'X in float64.
CLOSE = 1e-9


def program(name: str, **model: Any) -> dict[str, Any]:
    return {
        "name": name,
        "questions": {"staff": RATING, "food": RATING, "spend": SPEND, "nps": {"kind": "nps"}},
        "dimensions": {"region": {"max_levels": 4}, "shop": {}},
        "models": {"m": {"outcome": "nps", "drivers": ["staff", "food", "spend"], **model}},
    }


def responses() -> pa.Table:
    rng = np.random.default_rng(8)
    ratings = rng.integers(0, 6, (N, 2))
    noise = rng.normal(size=N) * (6 - ratings[:, 0])
    columns: dict[str, Any] = {
        "staff": ratings[:, 0],
        "food": ratings[:, 1],
        "spend": pa.array(rng.integers(0, 400, N) / 4, mask=rng.random(N) < 0.1),
        "nps": np.clip(np.rint(ratings.sum(axis=1) + noise), 0, 10).astype(int),
        "region": [f"r{one}" for one in rng.integers(0, 3, N)],
        "shop": [f"s{one}" for one in rng.integers(0, 5, N)],
    }
    return pa.table(columns)


TABLE = responses()


def send(client: cx.Client, name: str, rows: int) -> None:
    with client.append(name, producer="p") as stream:
        for start in range(0, N, rows):
            stream.send(TABLE.slice(start, rows))


def oracle(kind: str, region: str | None) -> Any:
    frame = TABLE.to_pandas()
    frame = frame[(frame.staff > 0) & (frame.food > 0) & frame.spend.notna()]
    if region:
        frame = frame[frame.region == region]
    design = sm.add_constant(frame[["staff", "food", "spend"]])
    return sm.OLS(frame.nps, design).fit(cov_type=kind, use_t=True)


@pytest.mark.parametrize("kind", ["HC2", "HC3"])
def test_against_statsmodels(client: cx.Client, unique: str, kind: str) -> None:
    client.put_program(program(unique, leverage=True))
    send(client, unique, 700)
    for by in ((), ("region",)):
        for row in client.regression(unique, "m", errors=kind, interval="student_t", by=by):
            wanted = oracle(kind, row.group.get("region"))
            assert (row.n, row.errors) == (int(wanted.nobs), kind)
            assert [one.se for one in row.terms] == pytest.approx(list(wanted.bse), rel=CLOSE)
            assert [one.p for one in row.terms] == pytest.approx(list(wanted.pvalues), abs=CLOSE)
            assert row.f == pytest.approx(wanted.fvalue, rel=CLOSE)
    (row,) = client.regression(unique, "m", errors=kind, where={"region": "r1"})
    assert row.n == int(oracle(kind, "r1").nobs)
    own = client.regression(unique, "m", errors=kind)
    assert {one.interval.method for one in own.terms} == {"bell_mccaffrey"}
    assert all(one.df < own.fit.df_resid for one in own.terms)
    assert f"errors.{kind}" in [one.id for one in own.explanation.formulas]


def test_what_is_stored_gives_the_same_as_what_is_kept(tmp_path: Path) -> None:
    """Whatever the batches, from a view, by a one-off question, and counted afresh: to the last bit."""
    asked: list[Any] = []
    ways = [{"errors": "HC3"}, {"errors": "HC2", "by": ["region", "shop"]}]

    def ask(client: cx.Client) -> None:
        found = [client.regression("p", "m", **one) for one in ways]
        asked.append([[(row.group, row.n, row.dropped, row.terms) for row in one] for one in found])

    with cxstream.Engine.open() as client:
        client.put_program(program("p", leverage=True) | {"views": [{"by": ["region", "shop"]}]})
        send(client, "p", 100)
        ask(client)
    with cxstream.Engine.open(tmp_path) as client:
        client.put_program(program("p"))
        send(client, "p", 1000)
        ask(client)
    with cxstream.Engine.open(tmp_path) as client:
        client.put_program(program("p", leverage=True), wait=True)
        ask(client)
    assert asked[0] == asked[1] == asked[2]


def test_undeclared_and_without_what_is_stored(client: cx.Client, unique: str) -> None:
    client.put_program(program(unique))
    with pytest.raises(cx.PreconditionFailed, match="leverage = true") as caught:
        client.regression(unique, "m", errors="HC2")
    assert caught.value.reason == "NO_LEVERAGE"


def test_of_weighted_responses_there_are_none(client: cx.Client, unique: str) -> None:
    client.put_program(program(unique, leverage=True) | {"weight": {"column": "w", "step": 0.5}})
    with client.append(unique, producer="p") as stream:
        stream.send(TABLE.append_column("w", pa.array(np.ones(N))))
    assert client.regression(unique, "m", errors="HC3").fit.status == "ok"
    with pytest.raises(cx.InvalidInput, match="errors design") as caught:
        client.regression(unique, "m", errors="HC3", weighting="declared")
    assert caught.value.reason == "NOT_WEIGHTED"


@pytest.mark.parametrize("errors", ["HC4", "hc4m", "HC5"])
def test_others_are_not_offered(client: cx.Client, unique: str, errors: str) -> None:
    client.put_program(program(unique, leverage=True))
    with pytest.raises(cx.InvalidInput, match="HC2") as caught:
        client.regression(unique, "m", errors=errors)
    assert caught.value.reason == "NOT_OFFERED"


def test_too_many_combinations(tmp_path: Path) -> None:
    """They are refused as levels too many are; what is stored is refused to be counted for a question."""
    step = {"kind": "number", "range": [0, 2000]}
    tables = {
        "name": "p",
        "questions": {"x": step, "y": step},
        "models": {"m": {"outcome": "y", "drivers": ["x"], "leverage": True}},
    }
    place = np.arange(DISTINCT_ROWS_MAX)
    full = pa.table({"x": place // 1500, "y": place % 1500})
    more = pa.table({"x": [5, 1999], "y": [5, 1999]})
    with cxstream.Engine.open(tmp_path) as client:
        client.put_program(tables)
        with client.append("p", producer="p") as stream:
            stream.send(full)
        with client.append("p", producer="p") as stream:
            stream.send(more.slice(0, 1))
        with (
            pytest.raises(cx.Overloaded, match="1,048,576 different"),
            client.append("p", producer="other") as stream,
        ):
            stream.send(more)
        assert client.regression("p", "m", errors="HC3").n == DISTINCT_ROWS_MAX + 1
        tables["models"]["m"].pop("leverage")
        client.put_program(tables)
        with client.append("p", producer="other") as stream:
            stream.send(more)
        with pytest.raises(cx.Overloaded, match="HC1 says the same") as caught:
            client.regression("p", "m", errors="HC3")
        assert caught.value.reason == "TOO_MANY_COMBINATIONS"
