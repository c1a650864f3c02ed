"""What a campaign has to say goes to the terminal, past pytest's capture."""

from __future__ import annotations

import sys

import pytest


def say(line: str, capsys: pytest.CaptureFixture[str] | None = None) -> None:
    """Print a line, in a test as well."""
    if capsys is None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        return
    with capsys.disabled():
        sys.stdout.write(f"\n{line}")
        sys.stdout.flush()
