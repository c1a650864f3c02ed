"""A question asked before is answered while a count holds the program's lock: as of the batch before."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from cxstream.answers import Query
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.queries import model_sums
from cxstream.recent import DIGESTS_MAX, Digests
from cxstream.tally import Tally, digest_of
from tests.waiting import WAIT_S

ROWS = 10_000


def ask(engine: Engine):
    return engine.nps(Query("p"), "q")


def test_a_question_that_waits_is_answered_once_a_count_begins():
    engine = Engine()
    rows = pa.table({"q": pa.array(np.arange(ROWS) % 11, pa.int8())})
    with open_client(engine) as client, ThreadPoolExecutor(1) as pool:
        client.put_program({"name": "p", "questions": {"q": {"kind": "nps"}}})
        with client.append("p", producer="a") as stream:
            stream.send(rows, wait=True)
        before = ask(engine)
        state = engine._state("p")
        with state.lock:  # as an append has it, that is not counting yet
            asked = pool.submit(ask, engine)
            with pytest.raises(TimeoutError):
                asked.result(0.05)
            state.recent.prepare()
            assert asked.result(WAIT_S) == before
            state.recent.clear()


def test_what_is_asked_lately_finds_the_cells_settled(monkeypatch):
    engine = Engine()
    # Of each time cells are settled, whether the cuts from before are there.
    during: list[bool] = []
    settle = Tally.settle

    def seen(self: Tally, *views) -> None:
        during.append(bool(engine._state("p").recent._ready))
        settle(self, *views)

    monkeypatch.setattr(Tally, "settle", seen)
    rows = pa.table({"q": pa.array(np.arange(ROWS) % 11, pa.int8())})
    with open_client(engine) as client:
        client.put_program({"name": "p", "questions": {"q": {"kind": "nps"}}})
        with client.append("p", producer="a") as stream:
            stream.send(rows, wait=True)
            assert not any(during)  # nobody asks: they wait until there is more of them
            ask(engine)
            stream.send(rows, wait=True)
            assert any(during)
        assert ask(engine).as_of.responses == 2 * ROWS


@pytest.mark.parametrize(
    "asked",
    [
        lambda engine: engine.nps(Query("p"), "q"),
        lambda engine: engine.weighted_index(Query("p"), "i"),
        lambda engine: engine.regression(Query("p"), model="m"),
    ],
    ids=["nps", "index", "regression"],
)
def test_a_question_asked_before_does_not_wait_for_a_count(monkeypatch, asked):
    engine = Engine()
    began, go_on = threading.Event(), threading.Event()
    update = Tally.update

    def slow(self: Tally, codes) -> None:
        update(self, codes)
        if began_may_be_told.is_set():
            began.set()
            assert go_on.wait(WAIT_S)

    began_may_be_told = threading.Event()
    monkeypatch.setattr(Tally, "update", slow)
    some = np.arange(ROWS, dtype=np.int8)
    rows = pa.table({"q": some % 11, "a": some % 5 + 1})
    with open_client(engine) as client:
        client.put_program(
            {
                "name": "p",
                "questions": {"q": {"kind": "nps"}, "a": {"kind": "rating", "scale": [1, 5]}},
                "indices": {"i": {"parts": {"one": {"items": ["a"]}}}},
                "models": {"m": {"outcome": "q", "drivers": ["a"]}},
            }
        )
        with client.append("p", producer="a") as stream:
            stream.send(rows, wait=True)
            before = asked(engine)
            began_may_be_told.set()
            stream.send(rows)
            assert began.wait(WAIT_S)
            # Its rows are in the sums, and not acknowledged: the answer is that of before.
            during = asked(engine)
            assert during == before and during.as_of.responses == ROWS
            began_may_be_told.clear()
            go_on.set()
        after = asked(engine)
        assert after.as_of.responses == 2 * ROWS == after.rows[0].responses
        assert after.digest != before.digest


def test_large_sums_are_hashed_once_until_something_is_counted(monkeypatch):
    engine = Engine()
    hashed = []
    monkeypatch.setattr(model_sums, "_HASHED_APART", 0)
    monkeypatch.setattr(model_sums, "digest_of", lambda one: hashed.append(one) or digest_of(one))
    rng = np.random.default_rng(0)
    names = ["a", "b", "y"]
    rows = pa.table({name: pa.array(rng.integers(1, 6, 300), pa.int8()) for name in names})
    program = {
        "name": "p",
        "questions": {name: {"kind": "rating", "scale": [1, 5]} for name in names},
        "models": {"m": {"outcome": "y", "drivers": ["a", "b"], "robust": True}},
    }
    with open_client(engine) as client:
        client.put_program(program)
        digests = []
        with client.append("p", producer="a") as stream:
            for part in (rows, rows.slice(0, 1)):
                stream.send(part, wait=True)
                mine = {
                    engine.drivers(Query("p"), model="m").digest,
                    engine.regression(Query("p"), model="m", errors="HC1").digest,
                    digest_of(hashed[-1]),
                }
                digests.append(mine)
        assert [len(one) for one in digests] == [1, 1]
        assert digests[0] != digests[1]
        assert len(hashed) == 2
        # Another answer's sums are others.
        engine.regression(Query("p", confidence=0.9), model="m", errors="HC1")
        assert len(hashed) == 2
        engine.regression(Query("p"), model="m", errors="classical")
        assert len(hashed) == 3


def test_as_many_digests_are_kept_as_are_asked_again():
    known = Digests()
    assert [known.of(at, lambda at=at: str(at)) for at in range(DIGESTS_MAX + 1)][-1] == "64"
    assert known.of(1, lambda: "again") == "1"
    assert known.of(0, lambda: "again") == "again"
