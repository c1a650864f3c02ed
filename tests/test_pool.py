"""The threads that count: each task is run once, by a free thread, woken on another processor."""

import os
import sys
import threading

import pytest

from cxstream import pool as pool_module
from cxstream.pool import Pool

WAIT_S = 30


@pytest.fixture
def placed(monkeypatch):
    """Note what threads are let onto which processors."""
    calls = []
    original = os.sched_setaffinity

    def note(thread, processors):
        calls.append((thread or threading.get_native_id(), set(processors)))
        original(thread, processors)

    monkeypatch.setattr(os, "sched_setaffinity", note)
    return calls


def test_tasks_run_and_errors_come_back():
    def fail():
        raise ValueError("no")

    with Pool(2, "work") as pool:
        assert list(pool.map(pow, [2, 3, 4], [5, 2, 1])) == [32, 9, 4]
        assert pool.submit(lambda *, one: one, one=7).result() == 7
        assert pool.submit(threading.current_thread).result().name.startswith("work-")
        failing = pool.submit(fail)
        with pytest.raises(ValueError, match="no"):
            failing.result()
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(pow, 1, 1)


def test_every_thread_is_prepared_once():
    begun = []
    with Pool(3, initializer=lambda: begun.append(threading.get_native_id())) as pool:
        together = threading.Barrier(3)
        for one in [pool.submit(together.wait, WAIT_S) for _ in range(3)]:
            one.result(WAIT_S)
        for one in [pool.submit(together.wait, WAIT_S) for _ in range(3)]:
            one.result(WAIT_S)
    assert len(begun) == len(set(begun)) == 3


def test_busy_threads_are_passed_over():
    free = threading.Event()
    with Pool(3) as pool:
        held = [pool.submit(free.wait, WAIT_S) for _ in range(2)]
        assert [pool.submit(pow, 2, one).result(WAIT_S) for one in range(4)] == [1, 2, 4, 8]
        free.set()
        assert all(one.result(WAIT_S) for one in held)


def test_what_is_cancelled_counts_no_more():
    free = threading.Event()
    with Pool(2) as pool:
        held = [pool.submit(free.wait, WAIT_S) for _ in range(2)]
        waiting = [pool.submit(pow, 1, 1) for _ in range(6)]
        assert all(one.cancel() for one in waiting[::2])  # all of one thread's
        free.set()
        assert all(one.result(WAIT_S) for one in (*held, *waiting[1::2]))
        # Neither thread has more to do than the other: two tasks that wait for each other end.
        together = threading.Barrier(2)
        for one in [pool.submit(together.wait, WAIT_S) for _ in range(2)]:
            one.result(WAIT_S)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has processors by thread")
class TestPlaces:
    @pytest.fixture
    def two(self):
        """Two processors for this thread."""
        allowed = os.sched_getaffinity(0)
        if len(allowed) < 2:
            pytest.skip("one processor")
        os.sched_setaffinity(0, sorted(allowed)[:2])
        yield set(sorted(allowed)[:2])
        os.sched_setaffinity(0, allowed)

    def test_a_sleeping_thread_is_woken_elsewhere(self, two, placed, monkeypatch):
        here = min(two)
        monkeypatch.setattr(pool_module, "_processor", lambda: here)
        with Pool(1) as pool:
            thread = pool.submit(threading.get_native_id).result()
            assert placed == []  # it did not sleep, but was made
            allowed = pool.submit(os.sched_getaffinity, 0).result()
        assert placed == [(thread, two - {here}), (thread, two)]
        assert allowed == two

    def test_where_all_others_are_taken_the_kernel_decides(self, two, placed):
        free = threading.Event()
        with Pool(2) as pool:
            together = threading.Barrier(2)
            for one in [pool.submit(together.wait, WAIT_S) for _ in range(2)]:
                one.result(WAIT_S)
            begun = threading.Event()
            held = pool.submit(lambda: begun.set() or free.wait(WAIT_S))
            begun.wait(WAIT_S)
            del placed[:]
            assert pool.submit(os.sched_getaffinity, 0).result() == two
            assert placed == []
            free.set()
            held.result(WAIT_S)

    def test_a_cancelled_task_leaves_no_thread_narrowed(self, two):
        with Pool(1) as pool:
            pool.submit(pow, 1, 1).result()
            for _ in range(50):
                pool.submit(pow, 1, 1).cancel()
                assert pool.submit(os.sched_getaffinity, 0).result() == two

    def test_on_one_processor_nothing_is_placed(self, two, placed):
        os.sched_setaffinity(0, {min(two)})
        del placed[:]
        with Pool(1) as pool:
            pool.submit(pow, 1, 1).result()
            pool.submit(pow, 1, 1).result()
        assert placed == []
