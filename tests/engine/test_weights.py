"""Weighted sums and fourth-order moments of an engine: kept, counted again, scanned, taken out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest

import cxstream_client as cx
from cxstream.answers import Query
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.program import BlockKind
from cxstream.store import CustomerKeys, DirectoryStore
from cxstream.store.customers import add_key
from cxstream.store.reader import StoreReader
from cxstream.tally import PatternSums
from cxstream.upkeep import KeeperSettings
from cxstream.verification import verify
from tests.waiting import until

RATING = {"kind": "rating", "scale": [1, 5]}
PLAIN: dict[str, Any] = {
    "name": "p",
    "questions": {"nps": {"kind": "nps"}, "food": RATING, "staff": RATING},
    "dimensions": {"region": {}, "shop": {}},
    "time": {"column": "at", "buckets": ["month"]},
    "customer": {"column": "who"},
    "indices": {"delight": {"parts": {"f": {"items": ["food", "staff"]}}}},
    "models": {"m": {"outcome": "nps", "drivers": ["food", "staff"]}},
}
WEIGHTED = {**PLAIN, "weight": {"column": "w", "step": 1e-6}}
ROBUST = {**WEIGHTED, "models": {"m": {**PLAIN["models"]["m"], "robust": True}}}
JANUARY, FEBRUARY = 1_483_228_800_000, 1_485_907_200_000


def frame(seed: int, rows: int = 60, *, weighted: bool = True) -> pa.Table:
    draw = random.Random(seed)
    columns: dict[str, pa.Array] = {
        "nps": pa.array([draw.choice([None, *range(11)]) for _ in range(rows)], pa.int8()),
        "food": pa.array([draw.choice([None, 1, 3, 5]) for _ in range(rows)], pa.int8()),
        "staff": pa.array([draw.choice([None, 2, 4]) for _ in range(rows)], pa.int8()),
        "region": pa.array([draw.choice([None, "n", "s"]) for _ in range(rows)], pa.string()),
        "shop": pa.array([draw.choice([None, "a", "b"]) for _ in range(rows)], pa.string()),
        "at": pa.array(
            [JANUARY + draw.randrange(90) * 86_400_000 for _ in range(rows)], pa.timestamp("ms")
        ),
        "who": pa.array([draw.choice(["ann", "bob", None]) for _ in range(rows)], pa.string()),
    }
    if weighted:
        weights = [draw.choice([None, 0.0, 1.0, draw.random(), 3e7]) for _ in range(rows)]
        columns["w"] = pa.array(weights, pa.float64())
    return pa.table(columns)


@contextmanager
def opened(folder: Path | None) -> Iterator[tuple[Engine, cx.Client]]:
    """An engine over a data directory, or in memory."""
    if folder is None:
        engine = Engine()
    else:
        keys = folder / "customer.keys"
        if not keys.exists():
            add_key(keys)
        engine = Engine(
            store=DirectoryStore(folder / "data"),
            customer_keys=CustomerKeys.load(keys),
            keeper=KeeperSettings(seal_age_s=3600.0),
        )
    with open_client(engine) as client:
        yield engine, client


def send(client: cx.Client, *frames: pa.Table) -> None:
    with client.append("p", producer="x") as stream:
        for one in frames:
            stream.send(one)


def sums_of(program: dict[str, Any], *frames: pa.Table) -> bytes:
    """Return the sums of an engine in memory that was sent these."""
    with opened(None) as (engine, client):
        client.put_program(program)
        send(client, *frames)
        return engine.snapshot("p")


def rebuilt(client: cx.Client) -> None:
    until(lambda: client.program_info("p").rebuild is None)


@pytest.mark.parametrize("keep", [True, False], ids=["snapshot", "recount"])
@pytest.mark.parametrize("sealed", [True, False], ids=["history", "journal"])
def test_a_restart_has_the_same_sums(tmp_path: Path, *, keep: bool, sealed: bool) -> None:
    with opened(tmp_path) as (_, client):
        client.put_program(ROBUST)
        send(client, frame(1), frame(2))
        if sealed:
            client.checkpoint()
    if not keep:
        for kept in (tmp_path / "data" / "snapshots").iterdir():
            kept.unlink()
    else:
        with StoreReader(tmp_path / "data") as reader:
            assert all(check.problems == () for check in verify(reader))
    with opened(tmp_path) as (engine, _):
        assert engine.snapshot("p") == sums_of(ROBUST, frame(1), frame(2))


def test_an_erasure_is_as_if_they_had_never_come(tmp_path: Path) -> None:
    def without(one: pa.Table) -> pa.Table:
        return one.filter(pa.array([who != "ann" for who in one["who"].to_pylist()]))

    with opened(tmp_path) as (engine, client):
        client.put_program(ROBUST)
        send(client, frame(1), frame(2))
        client.erase("p", "ann")
        assert engine.snapshot("p") == sums_of(ROBUST, without(frame(1)), without(frame(2)))


def test_months_that_go_take_their_weights_with_them(tmp_path: Path) -> None:
    with opened(tmp_path) as (engine, client):
        client.put_program(ROBUST)
        send(client, frame(1))
        client.checkpoint()
        kept = pa.compute.greater_equal(frame(1)["at"], pa.scalar(FEBRUARY, pa.timestamp("ms")))
        client.drop_before("p", "2017-02")
        assert engine.snapshot("p") == sums_of(ROBUST, frame(1).filter(kept))


def test_a_weight_that_comes_later(tmp_path: Path) -> None:
    """Responses that came before it have none: they are in no weighted answer."""
    with opened(tmp_path) as (engine, client):
        client.put_program(PLAIN)
        send(client, frame(1, weighted=False))
        client.checkpoint()
        send(client, frame(2, weighted=False))
        client.put_program(ROBUST)
        rebuilt(client)
        send(client, frame(3))
        state = engine._state("p")
        part = engine._slice(state, Query("p"), "nps", weighted=True).slice
        weights = [one for one in frame(3)["w"].to_pylist() if one is not None]
        assert part.rows.tolist() == [180]
        assert part.weighted[0].rows.tolist() == [len(weights)]
        steps = sum(round(one * 1_000_000) for one in weights)
        assert part.weighted[1].rows.tolist() == [steps]
        before = engine.snapshot("p")
        client.checkpoint()
    for kept in (tmp_path / "data" / "snapshots").iterdir():
        kept.unlink()
    with opened(tmp_path) as (engine, _):
        assert engine.snapshot("p") == before


@pytest.mark.parametrize(
    "weight, why",
    [
        ({"column": "w", "step": 1e-5}, "weight.step differs"),
        ({"column": "v", "step": 1e-6}, "weight.column differs"),
        (None, "column 'w' is gone"),
    ],
)
@pytest.mark.parametrize("stored", [True, False], ids=["stored", "in_memory"])
def test_a_weight_cannot_be_changed(
    tmp_path: Path, weight: dict[str, Any] | None, why: str, *, stored: bool
) -> None:
    with opened(tmp_path if stored else None) as (_, client):
        client.put_program(WEIGHTED)
        send(client, frame(1))
        changed = {key: value for key, value in WEIGHTED.items() if key != "weight"}
        with pytest.raises(cx.PreconditionFailed, match=why):
            client.put_program(changed | ({"weight": weight} if weight else {}))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, PatternSums):
        parts = ("group", "pattern", "sums")
        return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in parts)
    return np.array_equal(one, other)


def test_what_no_view_keeps_is_scanned_with_its_weights(tmp_path: Path) -> None:
    both = {**ROBUST, "views": [{"by": ["region", "shop"]}]}
    query = Query("p", by=("shop", "region"), where={"shop": frozenset({"a", None})})
    with opened(tmp_path) as (engine, client), opened(None) as (kept, view):
        client.put_program(ROBUST)
        send(client, frame(1))
        client.checkpoint()
        send(client, frame(2))
        view.put_program(both)
        send(view, frame(1), frame(2))
        for kind in (None, BlockKind.COMPLETE, BlockKind.PATTERN, BlockKind.FOURTH):
            parts = []
            for one in (engine, kept):
                state = one._state("p")
                blocks = [some for some in state.plan.blocks if some.kind is kind]
                block = blocks[0] if blocks else None
                parts.append(one._slice(state, query, "nps", block, weighted=True))
            assert [part.as_of.view for part in parts] == ["scan", "region x shop"]
            scanned, cut = (part.slice for part in parts)
            assert scanned.groups == cut.groups
            assert np.array_equal(scanned.counts, cut.counts)
            assert same(scanned.sums, cut.sums)
            for mine, their in zip(scanned.weighted, cut.weighted, strict=True):
                assert np.array_equal(mine.rows, their.rows)
                assert np.array_equal(mine.counts, their.counts)
                assert same(mine.sums, their.sums)
