"""When long work rests: while small appends come in, and no longer than it worked, a few times."""

import pytest

from cxstream.upkeep.pace import REST_MAX_S, RESTS, SMALL_BYTES, rest_s


@pytest.mark.parametrize("bytes_each", [1, SMALL_BYTES])
def test_it_rests_for_small_appends(bytes_each: int) -> None:
    assert rest_s(0.01, 5, 5 * bytes_each) == RESTS * 0.01
    assert rest_s(1.0, 500, 500 * bytes_each) == REST_MAX_S


@pytest.mark.parametrize(
    ("commits", "taken"),
    [(0, 0), (5, 5 * SMALL_BYTES + 1), (1, 2**30)],
    ids=["none", "large ones", "one of many"],
)
def test_it_goes_on_for_none_and_for_large_ones(commits: int, taken: int) -> None:
    assert rest_s(0.01, commits, taken) == 0.0


def test_it_goes_on_for_few() -> None:
    assert rest_s(1.0, 10, 1000) == 0.0
