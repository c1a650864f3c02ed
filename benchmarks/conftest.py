"""Sizes: small in every test run, so that benchmarks cannot rot; `make bench` asks for the real ones.

A benchmark with the fixture `turn` is measured `--bench-rounds` times, in turns with all
others of its group: what a busy minute costs is shared by all. `benchmarks.report` takes medians.
Before each turn the process rests, and runs the same once without the clock, but for starts and what is
long: after a rest processors sleep, and what other ways used a host may have taken from this one's memory.
No test asserts a time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest

from benchmarks import peers
from benchmarks.workload import responses
from cxstream.testing import serve

ROWS_SMALL = 20_000
#: Of what goes through disks and wires.
ROWS_MOST = 2**20
#: How long, and how often, other threads are waited for; how much of that they may work.
REST_S_MOST = 2.0
REST_S = 0.02
REST_CPU_S = 0.001
_LOAD_BEFORE = os.getloadavg()[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench-rows", type=int, help="responses per benchmark")
    parser.addoption("--bench-rounds", type=int, default=1, help="turns of what is compared")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "turn" in metafunc.fixturenames:
        rounds = metafunc.config.getoption("--bench-rounds")
        metafunc.parametrize("turn", range(rounds), ids=lambda one: f"turn{one}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take turns: within a function and its task, rounds come before ways."""
    first: dict[tuple[Any, ...], int] = {}

    def order(place: int, item: pytest.Item) -> tuple[int, int, int]:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if "turn" not in params:
            return place, 0, 0
        group = (item.path, getattr(item, "originalname", ""), params.get("task"))
        return first.setdefault(group, place), params["turn"], place

    places = {id(item): order(place, item) for place, item in enumerate(items)}
    items.sort(key=lambda item: places[id(item)])


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Say how busy the machine was."""
    output_json["load"] = [_LOAD_BEFORE, os.getloadavg()[0]]


@pytest.fixture(autouse=True)
def rested() -> None:
    """Wait for what ran before: threads of OpenBLAS look out for more work, on a processor each."""
    until_s = time.monotonic() + REST_S_MOST
    while time.monotonic() < until_s:
        before_s = time.process_time()
        time.sleep(REST_S)
        if time.process_time() - before_s < REST_CPU_S:
            return


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> pa.Table:
    return responses(min(pytestconfig.getoption("--bench-rows") or ROWS_SMALL, ROWS_MOST))


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Run a server in a process of its own."""
    with serve(log_level="error") as found:
        yield found


@pytest.fixture(scope="session")
def peer() -> Callable[[str], ModuleType]:
    """Import a peer, or skip where its library is not installed."""

    @cache
    def load(name: str) -> ModuleType | str:
        try:
            return peers.load(name)
        except ImportError as error:
            return f"{name} is not installed: pip install 'cxstream[bench]' ({error})"

    def found(name: str) -> ModuleType:
        module = load(name)
        if isinstance(module, str):
            pytest.skip(module)
        return module

    return found
