"""Sizes: small in every test run, so that benchmarks cannot rot; `--bench-rows` for real ones."""

from __future__ import annotations

import pyarrow as pa
import pytest

from benchmarks.workload import responses

ROWS_SMALL = 20_000


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench-rows", type=int, default=ROWS_SMALL, help="responses per benchmark")


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> pa.Table:
    return responses(pytestconfig.getoption("--bench-rows"))
