"""Fixtures of the whole suite: real servers, and clients over both transports."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

import cxstream
import cxstream_client as cx
from cxstream.testing import serve
from tests.faults.worker import Worker

# No test depends on the clock: the first example of one may load a kernel.
hypothesis.settings.register_profile("cxstream", deadline=None)
hypothesis.settings.load_profile("cxstream")


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of a real server in a process of its own."""
    with serve() as address:
        yield address


@pytest.fixture(params=["grpc", "in_process"])
def client(request: pytest.FixtureRequest) -> Iterator[cx.Client]:
    """A client of the real server, and one of an engine in this process.

    The server is shared: a test declares a program of its own (see `unique`).
    """
    if request.param == "grpc":
        with cx.connect(request.getfixturevalue("address")) as client:
            yield client
    else:
        with cxstream.Engine.open() as client:
            yield client


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    """A process that has everything imported, and forks one that may be killed for each job."""
    with Worker() as worker:
        yield worker


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A program name that no other test uses."""
    cleaned = "".join(one if one.isalnum() else "-" for one in request.node.name)
    return f"{request.module.__name__.rpartition('.')[2]}-{cleaned}"[:100]
