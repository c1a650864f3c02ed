"""What the examples of the docs run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.csv

import cxstream
import cxstream_client as cx
from cxstream.demo import PROGRAM_TOML, SURVEY_CSV

DOCS = Path(__file__).resolve().parents[2] / "engine" / "docs"


@contextmanager
def loaded() -> Iterator[cx.Client]:
    """Give a client of an engine in this process with the programs sfo-2017 and shop."""
    with cxstream.Engine.open() as client:
        for program, toml, responses in (
            ("sfo-2017", PROGRAM_TOML, SURVEY_CSV),
            ("shop", DOCS / "shop.toml", DOCS / "shop.csv"),
        ):
            client.put_program(toml)
            with client.append(program, producer="docs") as stream:
                stream.send(pyarrow.csv.read_csv(responses))
        yield client
