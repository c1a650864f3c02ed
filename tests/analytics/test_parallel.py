"""Work on parts, side by side."""

import threading
from fractions import Fraction

import numpy as np
import pytest

from cxstream import analytics
from cxstream.analytics.moments import second_of_fourth
from cxstream.analytics.parallel import side_by_side
from cxstream.pool import Pool
from tests.analytics.sums_of_rows import products

GROUPS, DRIVERS = 400, 7


@pytest.fixture
def pool() -> Pool:
    with Pool(2) as threads:
        yield threads


def test_results_come_in_order_and_from_several_threads(pool: Pool) -> None:
    both = threading.Barrier(2, timeout=30)

    def work(part: int) -> tuple[int, int]:
        if part < 2:
            both.wait()
        return part, threading.get_ident()

    found = side_by_side(work, range(50), pool)
    assert [part for part, _ in found] == list(range(50))
    assert found[0][1] != found[1][1]


def test_busy_pool_is_not_waited_for(pool: Pool) -> None:
    free = threading.Event()
    busy = [pool.submit(free.wait, 30) for _ in range(2)]
    assert side_by_side(abs, [-1, -2, -3], pool) == [1, 2, 3]
    assert not any(one.done() for one in busy)
    free.set()


def test_error_of_any_part_is_raised(pool: Pool) -> None:
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda part: 1 // (part - 30), range(60), pool)


def test_threads_change_no_bit(pool: Pool) -> None:
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 5, size=(GROUPS, 60, DRIVERS + 1))
    fourth = np.array([products(group, 4) for group in codes])
    second = second_of_fourth(fourth, DRIVERS + 1)
    width = DRIVERS + 1
    model = {
        "names": [f"x{j}" for j in range(DRIVERS)] + ["y"],
        "outcome": DRIVERS,
        "drivers": range(DRIVERS),
    }
    ends = {"ranges": [4] * width, "reverse": [False] * width}
    scales = {"origins": [0] * width, "steps": [Fraction(1)] * width}
    for threads in (None, pool):
        found = (
            analytics.drivers.drivers(second, fourth=fourth, **model, **ends, pool=threads),
            analytics.robust.heteroscedastic(
                second, fourth, kind="HC1", **model, **scales, pool=threads
            ),
        )
        if threads is None:
            alone = found
    assert found == alone
