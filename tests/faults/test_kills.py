"""kill -9 and power cuts: nothing acknowledged is lost, nothing is counted twice."""

from __future__ import annotations

import pytest

from cxstream.store.failpoints import FAILPOINTS
from tests.faults import campaigns, power
from tests.faults.report import say

needs_power = pytest.mark.skipif(bool(power.why_not()), reason=f"power cuts: {power.why_not()}")


def report(capsys: pytest.CaptureFixture[str], title: str, summary: campaigns.Summary) -> None:
    say(f"{title}: {summary}", capsys)


def test_kill_at_random(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    report(capsys, "kill -9 at random times", campaigns.run("random", seed, 20))


@needs_power
def test_power_cuts(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    report(capsys, "power cuts at random times", campaigns.run("random", seed, 8, cuts=True))


# --- as many as CI runs ---------------------------------------------------------------------------


@pytest.mark.faults
def test_ten_kills_at_every_failpoint(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    summary = campaigns.run("failpoints", seed, 10)
    report(capsys, "kill -9 at failpoints", summary)
    assert all(summary.faults[name] >= 10 for name in FAILPOINTS)


@pytest.mark.faults
def test_two_hundred_kills_at_random_times(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    summary = campaigns.run("random", seed, 200)
    report(capsys, "kill -9 at random times", summary)
    assert summary.faults.total() >= 200


@pytest.mark.faults
@needs_power
def test_power_cuts_at_random_times_and_every_failpoint(
    seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    at_random = campaigns.run("random", seed, 20, cuts=True)
    report(capsys, "power cuts at random times", at_random)
    summary = campaigns.run("failpoints", seed, 1, cuts=True)
    report(capsys, "power cuts at failpoints", summary)
    assert all(summary.faults[name] for name in FAILPOINTS)
    assert at_random.faults.total() + summary.faults.total() >= 40


# --- many more ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_kill_at_every_failpoint_often(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    report(capsys, "kill -9 at failpoints", campaigns.run("failpoints", seed, 50))


@pytest.mark.slow
def test_kill_at_random_times_often(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    report(capsys, "kill -9 at random times", campaigns.run("random", seed, 1000))


@pytest.mark.slow
@needs_power
def test_power_cuts_often(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    report(capsys, "power cuts at random times", campaigns.run("random", seed, 200, cuts=True))
    report(capsys, "power cuts at failpoints", campaigns.run("failpoints", seed, 5, cuts=True))
