"""When long work rests: while appends come in, and no longer than it worked, a few times."""

import pytest

from cxstream.upkeep.pace import (
    BUSY_BYTES_PER_S,
    REST_MAX_BUSY_S,
    REST_MAX_S,
    RESTS,
    SMALL_BYTES,
    rest_s,
)


@pytest.mark.parametrize("bytes_each", [1, SMALL_BYTES])
@pytest.mark.parametrize("hurries", [False, True])
def test_it_rests_for_small_appends(bytes_each: int, hurries: bool) -> None:
    assert rest_s(0.01, 5, 5 * bytes_each, lambda: hurries) == RESTS * 0.01
    assert rest_s(1.0, 500, 500 * bytes_each, lambda: hurries) == REST_MAX_S


def test_it_rests_for_large_appends_unless_it_is_behind() -> None:
    taken = -(-BUSY_BYTES_PER_S // 100)
    assert rest_s(0.01, 1, taken, lambda: False) == RESTS * 0.01
    assert rest_s(1.0, 1, 2**30, lambda: False) == REST_MAX_BUSY_S
    assert rest_s(0.01, 1, taken, lambda: True) == 0.0


@pytest.mark.parametrize(
    ("commits", "taken"),
    [(0, 0), (1, BUSY_BYTES_PER_S // 100 - 1), (10, 1000)],
    ids=["none", "a large one", "few"],
)
def test_it_goes_on(commits: int, taken: int) -> None:
    took_s = 0.01 if commits == 1 else 1.0
    assert rest_s(took_s, commits, taken, lambda: False) == 0.0


def test_it_goes_on_where_nothing_took_time() -> None:
    assert rest_s(0.0, 0, 0, lambda: False) == 0.0
