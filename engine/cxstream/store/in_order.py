"""Work done by several threads, its results taken in the order of the items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from cxstream.threads import give_way

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yield the result for each item; at most two items a thread are under way or wait.

    Parameters
    ----------
    work : function
        Called by several threads; what it raises is raised here.
    items : iterable
        Taken by the caller's thread.
    threads : int
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, "cxstream-read", initializer=give_way) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
