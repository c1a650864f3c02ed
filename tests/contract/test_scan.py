"""Questions that no view covers: how far they are, how they end early, what goes on meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import cxstream
import cxstream.recount
import cxstream.scan
import cxstream_client as cx
from cxstream.service.scanning import PROGRESS_S
from cxstream.store import history
from tests.serving import serving
from tests.waiting import WAIT_S, until

RUN = "from cxstream.cli import main; main()"
ROWS = 2**18
GROUP_ROWS = 2**12
GROUPS = ROWS // GROUP_ROWS
#: What is counted of them before a scan is held up.
HELD = 8 * GROUP_ROWS
HOW: dict[str, Any] = {"by": ["region", "age"]}
PROGRAM = {
    "name": "p",
    "questions": {"nps": {"kind": "nps"}, "food": {"kind": "rating", "scale": [1, 5]}},
    "dimensions": {"region": {}, "age": {}},
}


def frame(rows: int) -> pa.Table:
    rng = np.random.default_rng(5)

    def level(letter: str) -> pa.Array:
        return pa.array([letter + one for one in "abcd"]).take(pa.array(rng.integers(0, 4, rows)))

    return pa.table(
        {
            "nps": rng.integers(0, 11, rows).astype(np.int8),
            "food": rng.integers(1, 6, rows).astype(np.int8),
            "region": level("r"),
            "age": level("a"),
        }
    )


def filled(path: Path, rows: int) -> None:
    with cxstream.Engine.open(path) as client:
        client.put_program(PROGRAM)
        with client.append("p", producer="x") as stream:
            stream.send(frame(rows))
        client.checkpoint()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory whose files have small row groups."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "GROUP_ROWS", GROUP_ROWS)
        path = tmp_path_factory.mktemp("scan") / "data"
        filled(path, ROWS)
        yield path


@pytest.fixture
def store(kept: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(kept, tmp_path / "data"))


class Pace:
    """Holds up counting what is stored once so many rows are counted; notes what is read for it."""

    def __init__(self) -> None:
        self.rows = HELD
        self.under_way = 0
        self.groups: list[Any] = []

    def recount(self, *given: Any, on_rows: Callable[[int, int], None], **how: Any) -> None:
        def held(done: int, total: int) -> None:
            on_rows(done, total)
            while done >= self.rows:
                time.sleep(0.005)
                on_rows(done, total)

        self.under_way += 1
        try:
            RECOUNT(*given, on_rows=held, **how)
        finally:
            self.under_way -= 1

    def group_codes(self, *given: Any) -> Any:
        self.groups.append(given[2])
        return GROUP_CODES(*given)

    def go_on(self) -> None:
        self.rows = 2**63


RECOUNT, GROUP_CODES = cxstream.scan.recount, cxstream.recount._group_codes


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pace]:
    """The pace of questions that no view covers: held until a test lets them go on."""
    made = Pace()
    monkeypatch.setattr(cxstream.scan, "recount", made.recount)
    monkeypatch.setattr(cxstream.recount, "_group_codes", made.group_codes)
    # So many read ahead, whatever the machine has.
    monkeypatch.setattr(cxstream.recount, "processors", lambda: 2)
    yield made
    made.go_on()


@pytest.fixture(params=["grpc", "in_process"])
def opened(
    request: pytest.FixtureRequest, store: Path, pace: Pace
) -> Iterator[Callable[..., cx.Client]]:
    """Return clients of one engine, with a time limit of their own."""
    if request.param == "grpc":
        with serving(store) as address:
            yield lambda timeout_s=WAIT_S: cx.connect(address, timeout_s=timeout_s)
    else:
        with cxstream.Engine.open(store) as client:
            yield lambda timeout_s=WAIT_S: cx.Client(client._transport, timeout_s=timeout_s)


class Stop(Exception):
    """Raised by those who have seen enough."""


class Watch:
    """Keeps what it is told; raises where it is asked to."""

    def __init__(self, enough: type[BaseException] | None = None, after: int = 0) -> None:
        self.seen: list[tuple[int, int]] = []
        self.enough = enough
        self.after = after

    def __call__(self, done: int, total: int) -> None:
        self.seen.append((done, total))
        if self.enough is not None and done >= self.after:
            raise self.enough


def assert_it_stopped(pace: Pace, client: cx.Client | None = None) -> None:
    """Assert that it ended long before its end, and that another scan starts."""
    until(lambda: pace.under_way == 0)
    assert len(pace.groups) < GROUPS
    if client is not None:
        with pytest.raises(Stop):
            client.nps("p", "nps", **HOW, on_progress=Watch(Stop, after=1))


def test_progress_then_the_answer(opened: Callable[..., cx.Client], pace: Pace) -> None:
    client = opened()
    watch = Watch()

    def further(done: int, total: int) -> None:
        watch(done, total)
        pace.rows = done + HELD

    since_s = time.monotonic()
    answer = client.nps("p", "nps", **HOW, on_progress=further)
    took_s = time.monotonic() - since_s
    assert answer.as_of.view == "scan"
    assert watch.seen == sorted(watch.seen)
    assert len({done for done, _ in watch.seen}) > 5
    assert {total for _, total in watch.seen} <= {0, ROWS}
    assert watch.seen[-1] == (ROWS, ROWS)
    # With a pause between any two but the last.
    assert (len(watch.seen) - 2) * PROGRESS_S < took_s
    assert len(pace.groups) == GROUPS
    plain = client.nps("p", "nps", **HOW)
    assert plain.to_arrow().equals(answer.to_arrow())
    assert plain.as_of == answer.as_of


def test_rows_that_are_filtered_away_are_read_all_the_same(
    opened: Callable[..., cx.Client], pace: Pace
) -> None:
    watch = Watch()

    def go_on(done: int, total: int) -> None:
        watch(done, total)
        pace.go_on()

    answer = opened().nps("p", "nps", by="region", where={"age": "aa"}, on_progress=go_on)
    assert answer.as_of.view == "scan"
    assert watch.seen[-1] == (ROWS, ROWS)
    assert sum(row.n for row in answer) < ROWS / 3


@pytest.mark.parametrize("enough", [Stop, KeyboardInterrupt])
def test_what_on_progress_raises_ends_it(
    opened: Callable[..., cx.Client], pace: Pace, enough: type[BaseException]
) -> None:
    client = opened()
    with pytest.raises(enough):
        client.nps("p", "nps", **HOW, on_progress=Watch(enough, after=1))
    assert_it_stopped(pace, client)


@pytest.mark.parametrize("watch", [None, Watch()], ids=["plain", "watched"])
def test_its_time_is_over(
    opened: Callable[..., cx.Client], pace: Pace, watch: Watch | None
) -> None:
    with pytest.raises(cx.DeadlineExceeded):
        opened(0.4).nps("p", "nps", **HOW, on_progress=watch)
    assert_it_stopped(pace, opened())


@pytest.mark.parametrize("watch", [None, Watch()], ids=["plain", "watched"])
def test_the_client_is_closed(
    opened: Callable[..., cx.Client], pace: Pace, watch: Watch | None
) -> None:
    client = opened()

    def close() -> None:
        until(lambda: pace.under_way)
        client.close()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(cx.Cancelled):
        client.nps("p", "nps", **HOW, on_progress=watch)
    closing.join()
    assert_it_stopped(pace)


def test_others_are_served_meanwhile(opened: Callable[..., cx.Client], pace: Pace) -> None:
    client = opened()
    before = client.nps("p", "nps")
    served = 0

    def others(done: int, total: int) -> None:
        nonlocal served
        if not 0 < done < total:
            return
        assert client.nps("p", "nps", by="region").as_of.view == "region"
        with client.append("p", producer=f"other-{served}") as stream:
            stream.send(frame(1))
        served += 1
        if served == 3:
            pace.go_on()

    answer = client.nps("p", "nps", **HOW, on_progress=others)
    # Counted is what was there when it began.
    assert sum(row.n for row in answer) == answer.as_of.responses == before.n
    assert client.nps("p", "nps").n == before.n + served
    assert served >= 3


def test_one_that_waits_for_another_can_be_ended(
    opened: Callable[..., cx.Client], pace: Pace
) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(opened().nps, "p", "nps", **HOW)
        until(lambda: pace.under_way)
        watch = Watch(Stop)
        with pytest.raises(Stop):
            opened().csat("p", "food", **HOW, on_progress=watch)
        with pytest.raises(cx.DeadlineExceeded):
            opened(0.2).nps("p", "nps", **HOW)
        assert watch.seen == [(0, 0)]
        assert not first.done()
        pace.go_on()
        answer = first.result()
    assert sum(row.n for row in answer) == answer.as_of.responses


def test_an_interrupted_command_ends_it(store: Path, pace: Pace) -> None:
    ours, theirs = os.openpty()
    with serving(store) as address, os.fdopen(ours, "rb", buffering=0) as terminal:
        command = [sys.executable, "-c", RUN, "query", "nps", "p", "--target", address]
        process = subprocess.Popen(
            [*command, "--by", "region", "--by", "age"],
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        )
        os.close(theirs)
        shown = b""
        while f"/{ROWS}".encode() not in shown:
            shown += terminal.read(1000)
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == 130
        assert b"responses" in shown
        assert_it_stopped(pace)


def test_a_question_without_a_query_is_refused(address: str) -> None:
    import grpc

    from cxstream_api.v1 import query_service_pb2, query_service_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        stub = query_service_pb2_grpc.QueryServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.Scan(query_service_pb2.ScanRequest()))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


RATING = {"kind": "rating", "scale": [1, 5]}
EVERYTHING = {
    "questions": {
        "nps": {"kind": "nps"},
        "food": RATING,
        "staff": RATING,
        "ease": {"kind": "ces", "scale": [1, 7]},
        "pick": {"kind": "choice", "options": ["x", "y"]},
    },
    "dimensions": {"region": {}},
    "indices": {"delight": {"parts": {"f": {"items": ["food"]}, "s": {"items": ["staff"]}}}},
    "models": {"m": {"outcome": "nps", "drivers": ["food", "staff"]}},
    "insights": {"questions": ["nps", "food"]},
}


def test_every_question_can_be_watched(client: cx.Client, unique: str) -> None:
    client.put_program({**EVERYTHING, "name": unique})
    columns: dict[str, list[Any]] = {
        "nps": [10, 9, 3, 0, 8, 7],
        "food": [5, 4, 1, 2, 3, 3],
        "staff": [5, 3, 1, 1, 4, 2],
        "ease": [1, 7, 3, 4, 5, 6],
        "pick": ["x", "y", "x", "x", None, "y"],
        "region": ["r", "s", "r", "s", "r", "s"],
    }
    with client.append(unique, producer="x") as stream:
        stream.send(columns)
    watch = Watch()
    asked: list[Callable[..., Any]] = [
        lambda **how: client.nps(unique, "nps", **how),
        lambda **how: client.csat(unique, "food", **how),
        lambda **how: client.ces(unique, "ease", **how),
        lambda **how: client.distribution(unique, "staff", **how),
        lambda **how: client.index(unique, "delight", **how),
        lambda **how: client.scorecard(unique, "pick", **how),
        lambda **how: client.regression(unique, "m", **how),
        lambda **how: client.insights(unique, **how),
    ]
    for ask in asked:
        watched, plain = ask(by="region", on_progress=watch), ask(by="region")
        assert len(plain) == 2
        assert watched.to_arrow().equals(plain.to_arrow())
    # A view has the answers: they come at once.
    assert watch.seen == []
    with pytest.raises(cx.NotFound, match="did you mean 'nps'"):
        client.nps(unique, "npss", on_progress=watch)


def resident() -> int:
    """Return how many bytes this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measured on Linux only")
def test_memory_does_not_grow_with_the_history(tmp_path: Path) -> None:
    filled(tmp_path, 2_000_000)
    with cxstream.Engine.open(tmp_path) as client:
        client.nps("p", "nps")
        before = most = resident()
        ended = threading.Event()

        def look() -> None:
            nonlocal most
            while not ended.wait(0.001):
                most = max(most, resident())

        looking = threading.Thread(target=look)
        looking.start()
        answer = client.nps("p", "nps", **HOW)
        ended.set()
        looking.join()
    assert sum(row.n for row in answer) == 2_000_000
    assert most - before < 200 * 2**20
