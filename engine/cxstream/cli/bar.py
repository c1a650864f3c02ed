"""A progress bar on a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from cxstream.cli.output import console

Show = Callable[[int, int], None]


@contextmanager
def bar(unit: str, *, after_s: float = 0.0) -> Iterator[Show]:
    """Show how much of something is done.

    Parameters
    ----------
    unit : str
        ``"bytes"`` or the plural of what is counted.
    after_s : float
        Seconds without a bar: what takes no longer shows none.

    Yields
    ------
    function of (done, all)
        Before it is known how much there is, both are 0.
    """
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    begun_s = time.monotonic()
    shown: list[Show] = []
    with ExitStack() as held:

        def show(done: int, total: int) -> None:
            if not shown and time.monotonic() - begun_s >= after_s:
                shown.append(held.enter_context(_shown(unit)))
            for one in shown:
                one(done, total)

        yield show


@contextmanager
def _shown(unit: str) -> Iterator[Show]:
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
        yield lambda done, total: shown.update(task, completed=done, total=total or None)
