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
from cxstream.tally import Tally

ROWS = 10_000
WAIT_S = 30.0


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
