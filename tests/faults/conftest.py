"""Fixtures of the fault tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def seed() -> int:
    """Of all that is drawn; CXSTREAM_FAULT_SEED replays another run."""
    return int(os.environ.get("CXSTREAM_FAULT_SEED", "1"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for logs and mounts, removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="cxstream-fault-"))
    yield path
    shutil.rmtree(path)
