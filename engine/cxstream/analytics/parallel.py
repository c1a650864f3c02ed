"""Work on parts of the groups, side by side."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from cxstream.kernels.lanes import LANES
from cxstream.pool import Pool

P = TypeVar("P")
R = TypeVar("R")


def parts_of(groups: int, most: int) -> list[slice]:
    """Cut groups in parts of `most`, or a few fewer: lanes that are empty cost what full ones do.

    Parameters
    ----------
    groups : int
        How many; none are one part without any.
    most : int
        As many as the cache has room for.
    """
    size = max(LANES, most // LANES * LANES)
    return [slice(at, at + size) for at in range(0, max(1, groups), size)]


def side_by_side(work: Callable[[P], R], parts: Sequence[P], pool: Pool | None) -> list[R]:
    """Return ``work(part)`` for each part, in order.

    The caller's thread works, too, and waits for no thread that has not begun: a busy pool costs
    the help it does not give.

    Parameters
    ----------
    work : function
        Mostly without the GIL, or it does not pay.
    parts : sequence
    pool : Pool or None
        Whose threads help; None: nobody does.
    """
    if pool is None or len(parts) < 2:
        return [work(part) for part in parts]
    # One iterator for all: each takes the next part.
    left = iter(range(len(parts)))
    found: dict[int, R] = {}

    def drain() -> None:
        for at in left:
            found[at] = work(parts[at])

    threads = min(pool.threads, len(parts))
    helpers = [pool.submit(drain) for _ in range(threads - 1)]
    try:
        drain()
    finally:
        begun = [one for one in helpers if not one.cancel()]
    for one in begun:
        one.result()
    return [found[at] for at in range(len(parts))]
