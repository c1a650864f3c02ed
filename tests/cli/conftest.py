"""The command line run in this process, and the demo's survey as a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cxstream.cli import main
from cxstream.demo import SURVEY_CSV


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run `cxstream` with arguments; anything but SystemExit is a fault."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(one) for one in arguments])
        captured = capfd.readouterr()
        code = left.value.code
        return Ran(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def survey_lines() -> list[str]:
    """The lines of the survey, the heading first."""
    return SURVEY_CSV.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def program_file(tmp_path: Path, unique: str) -> Path:
    """The survey's program under a name of its own."""
    from cxstream.demo import PROGRAM_TOML

    text = PROGRAM_TOML.read_text(encoding="utf-8")
    path = tmp_path / "program.toml"
    path.write_text(text.replace('name = "sfo-2017"', f'name = "{unique}"', 1), encoding="utf-8")
    return path
