"""Making items in another thread, a few ahead of their use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_WAKE_S = 0.1


@dataclass(frozen=True, slots=True)
class _Made(Generic[T]):
    item: T


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


def ahead(items: Iterator[T], count: int = 2) -> Iterator[T]:
    """Yield items that another thread takes from an iterator.

    Parameters
    ----------
    items : iterator
        What it raises is raised here.
    count : int
        Most items that wait.
    """
    made: queue.Queue[_Made[T] | _Failed | None] = queue.Queue(count)
    stop = threading.Event()

    def put(item: _Made[T] | _Failed | None) -> None:
        while not stop.is_set():
            try:
                made.put(item, timeout=_WAKE_S)
            except queue.Full:
                continue
            return

    def run() -> None:
        try:
            for item in items:
                put(_Made(item))
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are used
            put(_Failed(error))

    thread = threading.Thread(target=run, name="cxstream-ahead", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, _Failed):
                raise item.error
            yield item.item
    finally:
        stop.set()
        thread.join()
