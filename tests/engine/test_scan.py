"""One-off questions over a data directory: the very answers a declared view would give."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import cxstream
import cxstream_client as cx
from cxstream.answers import Query
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.store import DirectoryStore
from cxstream.store.customers import add_key
from tests.waiting import until

RATING = {"kind": "rating", "scale": [1, 5], "missing": [0]}
PROGRAM: dict[str, Any] = {
    "questions": {
        "nps": {"kind": "nps"},
        "food": RATING,
        "staff": RATING,
        "spend": {"kind": "number", "range": [0, 100], "step": 0.01},
        "pick": {"kind": "choice", "options": ["x", "y", "z"], "multiple": True},
    },
    "dimensions": {"region": {}, "age": {}, "shop": {}},
    "time": {"column": "at", "buckets": ["day", "month"]},
    "customer": {"column": "who"},
    "indices": {"delight": {"parts": {"f": {"items": ["food"]}, "s": {"items": ["staff"]}}}},
    "models": {"both": {"outcome": "nps", "drivers": ["food", "staff", "spend"]}},
}
VIEWS = [{"by": ["region", "age", "shop"]}]


def frame(rows: int = 4000) -> pa.Table:
    rng = np.random.default_rng(7)

    def some(values: Any) -> pa.Array:
        return pa.array(values, mask=rng.random(rows) < 0.1)

    def level(letter: str, count: int) -> pa.Array:
        return some(np.array([f"{letter}{n}" for n in rng.integers(0, count, rows)], dtype=object))

    picks = [[p for p in "xyz" if rng.random() < 0.4] for _ in range(rows)]
    return pa.table(
        {
            "nps": some(rng.integers(0, 11, rows)),
            "food": some(rng.integers(0, 6, rows)),
            "staff": some(rng.integers(0, 6, rows)),
            "spend": some(rng.integers(0, 10_001, rows) / 100),
            "pick": pa.array(picks, pa.list_(pa.string())),
            "region": level("r", 4),
            "age": level("a", 3),
            "shop": level("s", 5),
            "at": some(np.datetime64("2025-01-01") + rng.integers(0, 90, rows)),
            "who": some(np.array([f"c{n}" for n in range(rows)], dtype=object)),
        }
    )


def opened(path: Path) -> cx.Client:
    """Open a data directory beside a file of customer keys."""
    keys = path / "keys.toml"
    if not keys.exists():
        add_key(keys)
    return cxstream.Engine.open(path / "data", customer_keys=keys)


@pytest.fixture(scope="module", params=["journal", "history", "both"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[cx.Client]:
    with opened(tmp_path_factory.mktemp("data")) as client:
        for name, views in (("kept", VIEWS), ("scanned", [])):
            client.put_program({**PROGRAM, "name": name, "views": views})
            with client.append(name, producer="p", batch_bytes=20_000) as stream:
                rows = frame()
                stream.send(rows.slice(0, 2500))
                if request.param == "both":
                    stream.flush()
                    client.checkpoint()
                stream.send(rows.slice(2500))
        if request.param == "history":
            client.checkpoint()
        yield client


@pytest.mark.parametrize("by", [["region", "age"], ["shop", "month"], ["age", "shop", "day"]])
@pytest.mark.parametrize(
    "ask",
    [
        lambda client, name, **how: client.nps(name, "nps", **how),
        lambda client, name, **how: client.csat(name, "food", **how),
        lambda client, name, **how: client.distribution(name, "staff", **how),
        lambda client, name, **how: client.distribution(name, "spend", **how).summary,
        lambda client, name, **how: client.index(name, "delight", **how),
        lambda client, name, **how: client.scorecard(name, "pick", **how),
        lambda client, name, **how: client.regression(name, "both", **how),
        lambda client, name, **how: client.insights(name, **how),
    ],
    ids=["nps", "csat", "levels", "number", "index", "scorecard", "regression", "insights"],
)
def test_equal_to_what_a_view_says(
    client: cx.Client, ask: Callable[..., Any], by: list[str]
) -> None:
    how = {
        "by": by,
        "where": {"region": ["r0", "r2", None]},
        "since": "2025-01-10",
        "until": "2025-03-20",
    }
    kept, scanned = (ask(client, name, **how) for name in ("kept", "scanned"))
    assert len(kept) > 3
    assert list(scanned) == list(kept)
    assert scanned.to_arrow().equals(kept.to_arrow())


def test_the_answer_says_that_it_was_scanned(client: cx.Client) -> None:
    answer = client.nps("scanned", "nps", by=["region", "age"])
    assert answer.as_of.view == "scan"
    assert answer.as_of.responses == 4000
    assert client.nps("scanned", "nps", by=["region"]).as_of.view == "region"


def test_a_model_that_is_not_declared(client: cx.Client) -> None:
    how: dict[str, Any] = {"outcome": "food", "drivers": ["staff"], "by": ["region"]}
    ad_hoc = client.regression("scanned", **how)
    assert ad_hoc.as_of.view == "scan"
    client.put_program(
        {**PROGRAM, "name": "declared", "models": {"m": {"outcome": "food", "drivers": ["staff"]}}}
    )
    with client.append("declared", producer="p") as stream:
        stream.send(frame())
    declared = client.regression("declared", "m", by=["region"])
    assert declared.as_of.view == "region"
    assert ad_hoc.to_arrow().equals(declared.to_arrow())


def test_views_and_models_that_come_later_are_counted_from_what_is_stored(tmp_path: Path) -> None:
    with opened(tmp_path) as client:
        client.put_program({**PROGRAM, "name": "p"})
        with client.append("p", producer="p", batch_bytes=20_000) as stream:
            stream.send(frame())
        scanned = client.nps("p", "nps", by=["region", "age"])
        client.put_program({**PROGRAM, "name": "p", "views": VIEWS})
        kept = client.nps("p", "nps", by=["region", "age"])
        assert (scanned.as_of.view, kept.as_of.view) == ("scan", "region x age x shop")
        assert kept.to_arrow().equals(scanned.to_arrow())
    with opened(tmp_path) as client:
        again = client.nps("p", "nps", by=["region", "age"])
        assert again.as_of.view == "region x age x shop"
        assert again.to_arrow().equals(kept.to_arrow())


def test_new_questions_and_dimensions_have_no_answers_before_they_came(tmp_path: Path) -> None:
    old = {"name": "p", "questions": {"a": {"kind": "nps"}}, "dimensions": {"x": {}}}
    new = {
        **old,
        "questions": {
            "b": RATING,
            "many": {"kind": "choice", "options": ["u", "v"], "multiple": True},
            **old["questions"],
            "n": {"kind": "number", "range": [0, 9]},
        },
        "dimensions": {"x": {}, "y": {}},
        "weight": {"column": "w", "step": 0.5},
    }
    late = {"a": [1], "b": [5], "many": [["u"]], "n": [3], "x": ["k"], "y": ["l"], "w": [1.5]}

    def check(client: cx.Client) -> None:
        assert client.nps("p", "a").n == 4
        assert client.csat("p", "b")[0].dropped == {"null": 3}
        assert client.scorecard("p", "many")[0].dropped == {"null": 3}
        assert client.distribution("p", "n")[0].n == 1
        levels = {row.group["y"]: row.n for row in client.nps("p", "a", by=["y"])}
        assert levels == {"l": 1, None: 3}

    with opened(tmp_path) as client:
        client.put_program(old)
        with client.append("p", producer="p") as stream:
            stream.send({"a": [10, 9, 0], "x": ["k", None, "k"]})
        client.put_program(new)
        with client.append("p", producer="p") as stream:
            stream.send(late)
        check(client)
    for kept in (tmp_path / "data" / "snapshots").iterdir():
        kept.unlink()
    with opened(tmp_path) as client:
        check(client)
        for changed in (
            {**new, "questions": {**new["questions"], "a": {"kind": "nps", "scale": [1, 11]}}},
            {**new, "dimensions": {"x": {}}},
        ):
            with pytest.raises(cx.PreconditionFailed, match=r"differs|is gone"):
                client.put_program(changed)


def test_a_column_that_is_a_question_and_a_dimension(tmp_path: Path) -> None:
    scale = {"kind": "rating", "scale": [1, 3], "values": {"low": 1, "mid": 2, "high": 3}}
    program = {
        "name": "p",
        "questions": {"nps": {"kind": "nps"}, "peak": scale},
        "dimensions": {"peak": {}, "shop": {}},
    }
    answers = []
    with opened(tmp_path) as client:
        client.put_program(program)
        with client.append("p", producer="p") as stream:
            columns = {"nps": [1, 9, 10], "peak": ["low", "high", None], "shop": ["a", "b", "a"]}
            stream.send(columns)
        for _ in ("journal", "history"):
            by_both = client.nps("p", "nps", by=["peak", "shop"])
            assert by_both.as_of.view == "scan"
            assert {row.group["peak"] for row in by_both} == {"low", "high", None}
            some = client.nps("p", "nps", by="shop", where={"peak": ["low", None]})
            assert [(row.group["shop"], row.n) for row in some] == [("a", 2)]
            answers.append(by_both.to_arrow())
            client.checkpoint()
    assert answers[0].equals(answers[1])


@pytest.mark.parametrize("unit", ["hour", "day", "week", "month", "quarter", "year"])
def test_files_of_other_months_are_passed_over_and_no_others(tmp_path: Path, unit: str) -> None:
    edges = {"week": ["2024-12-30", "2025-03-31"], "year": ["2025-01-01", "2026-01-01"]}.get(
        unit, ["2025-01-01", "2025-04-01"]
    )
    instants = [np.datetime64(edge, "s") + off for edge in edges for off in (-1, 0)]
    times = pa.array([*instants, None], pa.timestamp("s"))
    with opened(tmp_path) as client:
        for name, views in (("kept", [{"by": ["a", "b"]}]), ("scanned", [])):
            client.put_program(
                {
                    "name": name,
                    "questions": {"q": {"kind": "nps"}},
                    "dimensions": {"a": {}, "b": {}},
                    "time": {"column": "at", "buckets": [unit]},
                    "views": views,
                }
            )
            with client.append(name, producer="p") as stream:
                stream.send({"q": [1, 2, 3, 4, 5], "a": ["x"] * 5, "b": ["y"] * 5, "at": times})
        client.checkpoint()
        first, last = edges
        for since, until, n in (
            (first, last, 2),
            (first, None, 3),
            (None, last, 3),
            (last, None, 1),
            (None, first, 1),
            *((("0300-01-01", None, 4), (None, "0001-01-01", 0)) if unit != "week" else ()),
        ):
            how: dict[str, Any] = {"by": ["a", "b", unit], "since": since, "until": until}
            kept, scanned = (client.nps(name, "q", **how) for name in ("kept", "scanned"))
            assert scanned.as_of.view == "scan"
            assert sum(row.n for row in scanned) == n
            assert scanned.to_arrow().equals(kept.to_arrow())


def test_what_is_removed_meanwhile_is_in_no_answer(tmp_path: Path) -> None:
    engine = Engine(store=DirectoryStore(tmp_path / "data"), threads=1)
    with open_client(engine) as client:
        tables = {name: one for name, one in PROGRAM.items() if name != "customer"}
        client.put_program({**tables, "name": "p", "indices": {}, "models": {}})
        with client.append("p", producer="p") as stream:
            stream.send(frame().drop_columns(["who"]))
        client.checkpoint()
        dropped: list[int] = []

        def drop(done: int, total: int) -> None:
            if done == total > 0 and not dropped:
                dropping = threading.Thread(
                    target=lambda: dropped.append(engine.drop_before("p", "2025-02"))
                )
                dropping.start()
                until(lambda: engine._state("p").removals)
                dropped.append(0)

        answer = engine.nps(Query("p", by=("region", "age"), on_rows=drop), "nps")
        expected = client.nps("p", "nps", by=["region", "age"])
    assert max(dropped) > 0
    assert sum(row.responses for row in answer.rows) == answer.as_of.responses < 4000
    assert answer.as_of.responses == expected.as_of.responses
