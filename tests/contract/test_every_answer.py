"""What holds for every answer there is: a method that is not asked here fails.

- It explains itself: formulas with links, n used and dropped, weights, effective n, the point of the
  stream, the digest of its sums.
- It comes from sums alone: the same bits however the responses were cut into batches, by how many
  producers they came and in which order, and after a customer was erased as if they had never come.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import cxstream
import cxstream_client as cx
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.store import CustomerKeys, DirectoryStore
from cxstream.store.customers import add_key
from cxstream_client._asking import Questions

RATING = {"kind": "rating", "scale": [1, 5]}
PROGRAM: dict[str, Any] = {
    "name": "p",
    "questions": {
        "recommend": {"kind": "nps"},
        "effort": {"kind": "ces", "scale": [1, 7]},
        "food": RATING,
        "staff": RATING,
        "why": {"kind": "choice", "options": {"1": "Food", "2": "Wifi", "3": "None"}},
        "picks": {"kind": "choice", "options": ["x", "y", "z"], "multiple": True},
        "churned": {"kind": "boolean"},
        "resolved": {"kind": "boolean"},
        "spend": {"kind": "number", "range": [0, 1000], "step": 0.01},
    },
    "dimensions": {
        "score": {"column": "recommend", "max_levels": 20},
        "left": {"column": "churned", "max_levels": 2},
        "region": {"max_levels": 5},
        "stage": {"max_levels": 5},
    },
    "time": {"column": "at", "buckets": ["month"]},
    "customer": {"column": "who"},
    "weight": {"column": "w", "step": 0.01},
    "indices": {
        "delight": {
            "missing": "renormalise",
            "parts": {"f": {"items": ["food"]}, "s": {"items": ["staff"]}},
        }
    },
    "models": {
        "drivers": {
            "outcome": "recommend",
            "drivers": ["food", "staff"],
            "robust": True,
            "leverage": True,
        },
        "value": {"outcome": "spend", "drivers": ["churned"]},
    },
    "insights": {"questions": ["recommend", "food", "staff"]},
    "views": [
        {"by": ["score", "region"]},
        {"by": ["stage", "region"]},
        {"by": ["left", "region"]},
    ],
}
ROWS = 900
WHO = "the customer"


def responses() -> pa.Table:
    rng = np.random.default_rng(77)
    mood = rng.normal(size=ROWS)

    def scale(low: int, high: int, by: float) -> Any:
        codes = np.clip(np.rint((low + high) / 2 + by * (mood + rng.normal(size=ROWS))), low, high)
        return pa.array(codes.astype(np.int64), mask=rng.random(ROWS) < 0.05)

    months = rng.integers(0, 6, ROWS)
    picks = [[one for one in "xyz" if rng.random() < 0.4] for _ in range(ROWS)]
    return pa.table(
        {
            "recommend": scale(0, 10, 2.0),
            "effort": scale(1, 7, 1.2),
            "food": scale(1, 5, 0.8),
            "staff": scale(1, 5, 0.8),
            "why": pa.array([str(1 + i % 3) if i % 7 else None for i in range(ROWS)]),
            "picks": pa.array(picks, pa.list_(pa.string())),
            "churned": pa.array(rng.random(ROWS) < 0.3 - 0.1 * np.tanh(mood)),
            "resolved": pa.array(rng.random(ROWS) < 0.6),
            "spend": pa.array(np.round(rng.gamma(4, 10, ROWS), 2)),
            "region": pa.array(rng.choice(["n", "s"], ROWS)),
            "stage": pa.array(rng.choice(["look", "buy", "use"], ROWS)),
            "at": pa.array([datetime(2024, 1 + int(month), 11, 10) for month in months]),
            "who": pa.array([WHO if i % 9 == 4 else f"c{i % 50}" for i in range(ROWS)]),
            "w": pa.array(np.round(rng.uniform(0, 3, ROWS), 2), mask=rng.random(ROWS) < 0.03),
        }
    )


Ask = Callable[..., "cx.results.Result[Any]"]
HALVES: dict[str, Any] = {"before": (None, "2024-04-01"), "after": ("2024-04-01", None)}


def asked(client: cx.Client) -> dict[str, Ask]:
    """Every method that answers from a program, ready but for what all take."""
    value: dict[str, Any] = {"margin": "spend", "churn": "churned", "discount": 0.1}
    two = ("region", "n", "s")
    found: dict[str, Ask] = {
        "nps": lambda p, **how: client.nps(p, "recommend", **how),
        "csat": lambda p, **how: client.csat(p, "food", **how),
        "ces": lambda p, **how: client.ces(p, "effort", **how),
        "distribution": lambda p, **how: client.distribution(p, "spend", **how),
        "index": lambda p, **how: client.index(p, "delight", **how),
        "scorecard": lambda p, **how: client.scorecard(p, "picks", **how),
        "regression": lambda p, **how: client.regression(p, "drivers", errors="HC1", **how),
        "insights": client.insights,
        "drivers": lambda p, **how: client.drivers(p, "drivers", **how),
        "reliability": lambda p, **how: client.reliability(p, ["food", "staff"], **how),
        "journey": lambda p, **how: client.journey(p, "recommend", "stage", **how),
        "compare_journeys": lambda p, **how: client.compare_journeys(
            p, "recommend", "stage", between=two, **how
        ),
        "linkage": lambda p, **how: client.linkage(p, "recommend", "churned", **how),
        "customer_value": lambda p, **how: client.customer_value(p, "recommend", **value, **how),
        "retention": lambda p, **how: client.retention(
            p, "churned", revenue="spend", periods=12, **how
        ),
        "first_contact": lambda p, **how: client.first_contact(p, "resolved", **how),
        "relative": lambda p, **how: client.relative(p, "why", **how),
        "compare": lambda p, **how: client.compare(
            p, "nps", "recommend", a={"region": "n"}, b={"region": "s"}, **how
        ),
        "sample_size": lambda p, **how: client.sample_size(
            "nps", "recommend", program=p, margin=3, **how
        ),
        "change": lambda p, **how: client.change(
            p, "nps", "recommend", by="region", **HALVES, **how
        ),
        "impact": lambda p, **how: client.impact(p, "nps", "recommend", by="region", **how),
        "monitor": lambda p, **how: client.monitor(p, "nps", "recommend", bucket="month", **how),
    }
    return found


METHODS = {name for name, _ in inspect.getmembers(Questions, inspect.isfunction) if name[0] != "_"}
#: Answers from numbers that are given, without a program.
WITHOUT_PROGRAM = {"decompose", "kaplan_meier", "survival"}


def test_no_method_is_left_out() -> None:
    with cxstream.Engine.open() as client:
        assert set(asked(client)) == METHODS - WITHOUT_PROGRAM


def answers(client: cx.Client, program: str = "p") -> dict[str, cx.results.Result[Any]]:
    return {name: ask(program) for name, ask in asked(client).items()}


def weighted(client: cx.Client, program: str = "p") -> dict[str, cx.results.Result[Any]]:
    found = asked(client)
    how: dict[str, Any] = {"weighting": "declared"}
    found["regression"] = lambda p, **more: client.regression(p, "drivers", **more)
    made = {name: ask(program, **how) for name, ask in found.items()}
    rake = {"region": {"n": 3, "s": 2}}
    for name in sorted(found):
        made[f"{name}, raked"] = found[name](program, **how, rake=rake)
    return made


def same(one: cx.results.Result[Any], other: cx.results.Result[Any]) -> bool:
    return (
        tuple(one) == tuple(other)
        and getattr(one, "whole", None) == getattr(other, "whole", None)
        and one.explanation == other.explanation
    )


def test_every_answer_explains_itself(client: cx.Client, unique: str) -> None:
    client.put_program({**PROGRAM, "name": unique})
    with client.append(unique, producer="p") as stream:
        stream.send(responses())
    plain, with_weights = answers(client, unique), weighted(client, unique)
    for name, result in [*plain.items(), *with_weights.items()]:
        made = result.explanation
        assert made.formulas, name
        assert all(
            one.id and one.text and one.source.startswith("https://") for one in made.formulas
        ), name
        assert len(made.digest) == 32, name
        assert result.as_of.responses == ROWS, name
        said = result.explain()
        assert f"exact as of {ROWS} responses in 1 batches" in said, name
        assert made.digest in said, name
        assert all(one.id in said and one.source in said for one in made.formulas), name
        assert "n " in said or "base " in said, name
        if result is with_weights.get(name):
            assert made.weighting == ("declared, raked" if "raked" in name else "declared"), name
            assert "design effect" in said and "effective n" in said, name
            assert "weight " in said, name


def test_answers_from_numbers_that_are_given_explain_themselves(client: cx.Client) -> None:
    for result in (
        client.survival([1000, 869, 743, 653]),
        client.kaplan_meier([3, 2], [0, 1]),
        client.decompose({"customers": (1000, 1200), "spend": (20.0, 19.0)}),
        client.sample_size("nps", margin=5),
        client.retention(start=100, end=90),
    ):
        assert result.explanation.formulas and result.explanation.digest == ""
        said = result.explain()
        assert said.startswith(f"{type(result).__name__} of the numbers given")
        assert "program ''" not in said
        assert all(one.id in said and one.source in said for one in result.explanation.formulas)


def test_batches_producers_and_their_order_do_not_matter() -> None:
    """The rows themselves are gone once they are counted: these engines keep none."""
    table = responses()
    with cxstream.Engine.open() as client:
        client.put_program(PROGRAM)
        with client.append("p", producer="x") as stream:
            stream.send(table)
        whole, with_weights = answers(client), weighted(client)
    rng = np.random.default_rng(5)
    for turn in range(2):
        shuffled = table.take(rng.permutation(ROWS))
        ends = [0, *sorted(rng.integers(1, ROWS, 6).tolist()), ROWS]
        with cxstream.Engine.open() as client:
            client.put_program(PROGRAM)
            for at, (first, last) in enumerate(itertools.pairwise(ends)):
                with client.append("p", producer=f"p{at % 3}") as stream:
                    stream.send(shuffled.slice(first, last - first))
            for name, result in answers(client).items():
                assert same(result, whole[name]), (turn, name)
            for name, result in weighted(client).items():
                assert same(result, with_weights[name]), (turn, name)


def test_a_customer_erased_is_one_never_had(tmp_path: Path) -> None:
    table = responses()
    others = table.filter(pa.array([one != WHO for one in table["who"].to_pylist()]))
    with cxstream.Engine.open() as client:
        client.put_program({key: one for key, one in PROGRAM.items() if key != "customer"})
        with client.append("p", producer="x") as stream:
            stream.send(others.drop_columns(["who"]))
        never, with_weights = answers(client), weighted(client)
    keys = tmp_path / "customer.keys"
    add_key(keys)
    engine = Engine(store=DirectoryStore(tmp_path / "data"), customer_keys=CustomerKeys.load(keys))
    with open_client(engine) as client:
        client.put_program(PROGRAM)
        with client.append("p", producer="x") as stream:
            for first in range(0, ROWS, 250):
                stream.send(table.slice(first, 250))
        before = answers(client)
        assert client.erase("p", WHO).responses == ROWS - len(others)
        for name, result in answers(client).items():
            assert tuple(result) == tuple(never[name]), name
            assert result.explanation == never[name].explanation, name
            assert not same(result, before[name]), name
        for name, result in weighted(client).items():
            assert same(result, with_weights[name]), name
