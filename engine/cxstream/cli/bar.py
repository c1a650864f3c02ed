"""A progress bar on a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cxstream.cli.output import console


@contextmanager
def bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how much of something is done.

    Parameters
    ----------
    unit : str
        ``"bytes"`` or the plural of what is counted.

    Yields
    ------
    function of (done, all)
    """
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich import progress

    columns: tuple[progress.ProgressColumn, ...] = (
        (progress.DownloadColumn(), progress.TransferSpeedColumn())
        if unit == "bytes"
        else (progress.MofNCompleteColumn(), progress.TextColumn(unit))
    )
    with progress.Progress(
        progress.BarColumn(),
        *columns,
        progress.TimeRemainingColumn(),
        console=console(stderr=True),
        transient=True,
    ) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
