"""What every command prints: errors on one line, JSON, consoles that are plain when piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


class CommandError(Exception):
    """Something the user can put right; printed as one line.

    Parameters
    ----------
    message : str
        What is wrong, and what to do.
    code : int
        The exit code: 1, or 2 where the command line itself is wrong.
    """

    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def console(*, stderr: bool = False) -> Console:
    """Return a console; piped, it has no colour and a width that cuts nothing."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, highlight=False, width=None if stream.isatty() else 200)


def note(message: str) -> None:
    """Print a line for people on stderr; stdout is left to results."""
    print(message, file=sys.stderr, flush=True)


def error(message: str) -> None:
    """Print one line on stderr, red on a terminal."""
    line = " ".join(message.split())
    prefix = "\033[1;31merror:\033[0m" if sys.stderr.isatty() else "error:"
    note(f"{prefix} {line}")


def plain(value: Any) -> Any:
    """Return a value as JSON has it: dataclasses become objects, dates ISO 8601 text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))
