"""The simulation runs, defaults cover as they should, and the page is what it gives."""

import re
from dataclasses import replace

import pytest

from tests.coverage import __main__ as runner
from tests.coverage.families import FAMILIES, scenarios
from tests.coverage.offered import fields_with_intervals, offered
from tests.coverage.page import PAGE, failures, page
from tests.coverage.reasons import reason_of
from tests.coverage.scenario import Row, run

# Of 200 replications a coverage of 95 % has a standard error of 1.5 points: these are about 5 of them.
QUICK, LEAST, MOST = 200, 87.5, 100.0

#: One scenario of every kind, by statistic, population and size; all of them cover.
FEW = (
    ("NPS", "2 : 8 : 90", "30"),
    ("CSAT, top box", "60 %", "100"),
    ("CSAT, mean", "1 : 1 : 1 : 2 : 95", "30"),
    ("ScoreCard, all options at once", "40 : 30 : 20 : 10", "100"),
    ("Index", "five points, very skewed, r = 0.5", "30"),
    ("Difference of net scores", "10 : 20 : 70 less 20 : 25 : 55", "30 and 300"),
    ("Difference of shares", "80 % less 90 %", "100 and 100"),
    ("Difference of means", "1 : 1 : 1 : 2 : 95 less 2 : 3 : 5 : 20 : 70", "30 and 300"),
    ("Outcome by NPS class", "spend, gamma", "30 / 30 / 60"),
    ("Customer lifetime value", "low churn, margin_next", "30 / 30 / 60"),
    ("Churn and retention", "low churn", "100"),
    ("Difference of means of numbers", "normal less normal", "30 and 30"),
    (
        "Difference of coefficients",
        "even ratings, normal errors less even ratings, normal errors",
        "30 and 300",
    ),
    ("Regression coefficient", "even ratings, normal errors", "30"),
    ("Insight, slope of a pair", "even ratings", "30"),
    ("Importance (LMG)", "normal, 3 drivers, R2 = 0.5 before rounding", "100"),
    ("Regression coefficient, weighted", "even ratings, normal errors", "30"),
    ("Cronbach's alpha", "normal, 3 items", "30"),
    ("NPS, weighted", "15 : 25 : 60, weights 1, 2, 5", "100"),
    ("Index, weighted", "five points, spread", "100"),
    ("Impact of a segment on NPS, weighted", "three segments that move", "100"),
    ("Outcome by NPS class, weighted", "high churn", "100 / 100 / 300"),
    ("Customer lifetime value, weighted", "low churn", "100 / 100 / 300"),
    ("Churn and retention, weighted", "high churn", "100"),
    (
        "Difference of coefficients, weighted",
        "even ratings, normal errors less even ratings, normal errors",
        "30 and 300",
    ),
    ("Insight, slope of a pair, weighted", "even ratings, normal errors", "100"),
    (
        "Regression coefficient, weighted, errors by cluster",
        "clusters of 20, even ratings, alike errors",
        "10 clusters",
    ),
    ("Importance (LMG), weighted", "five points, 3 drivers, R2 = 0.5 before rounding", "100"),
    ("Regression coefficient, raked", "even ratings, normal errors", "100"),
    ("Mean of a number, raked", "normal", "100"),
    ("Change and impact of NPS, raked", "spread", "100 and 100"),
    ("Journey, a dimension's levels, raked", "spread", "some 100 a stage"),
    ("Journey of questions, raked", "normal", "some 100 a journey"),
    ("Outcome by NPS class, raked", "high churn", "some 100 detractors"),
    ("Churn and retention, raked", "low churn", "100"),
    ("Monitored series, NPS, raked", "spread", "some 100 a bucket"),
)


def _row(**changed):
    of = {
        "statistic": "NPS", "field": "Nps.interval", "method": "score", "variant": "",
        "default": True, "truth": "1 : 1 : 98", "size": "30", "n": 30, "replications": 2000,
        "coverage": 95.0, "below": 2.5, "above": 2.5, "width": 10.0, "undefined": 0.0,
    }  # fmt: skip
    return Row(**{**of, **changed})


@pytest.mark.parametrize("wanted", FEW, ids=lambda wanted: wanted[0])
def test_defaults_cover(wanted):
    (scenario,) = (one for one in scenarios() if (one.statistic, one.truth, one.size) == wanted)
    found = run(scenario, QUICK)
    assert any(row.default for row in found)
    for row in found:
        if row.default:
            assert LEAST <= row.coverage <= MOST, row
            assert row.width > 0.0


def test_a_scenario_gives_the_same_again():
    scenario = next(iter(scenarios()))
    assert run(scenario, QUICK) == run(scenario, QUICK)


def test_scenarios_are_told_apart():
    every = [(one.statistic, one.truth, one.size) for one in scenarios()]
    assert len(every) == len(set(every))
    assert len({one.seed for one in scenarios()}) == len(every)
    assert all(list(family.scenarios()) for family in FAMILIES)


def test_a_run_in_parts_is_the_run(tmp_path, monkeypatch):
    scenario = next(one for one in scenarios() if one.statistic == "Monitored series, NPS")
    short = replace(scenario, replications=50)
    first = runner.kept(short, tmp_path)
    assert first == run(short)
    monkeypatch.setattr(runner, "run", None)
    assert runner.kept(short, tmp_path) == first
    with pytest.raises(SystemExit):
        runner.main(["--keep", str(tmp_path), "--replications", "50"])


def test_the_runner_prints_and_finds_what_fails(capsys):
    assert runner.main(["--only", "monitored", "--replications", "50"]) == 0
    out = capsys.readouterr().out
    assert "MonitoredBucket.interval score" in out and "9 intervals in" in out
    with pytest.raises(SystemExit):
        runner.main(["--write", "--only", "NPS"])


def test_a_failure_without_a_reason_is_not_published():
    good, low, high = _row(), _row(coverage=92.9), _row(coverage=97.1)
    small, other = _row(coverage=60.0, n=10), _row(coverage=60.0, default=False)
    assert failures([good, low, small, other, high]) == [low, high]
    with pytest.raises(ValueError, match="no reason"):
        page([_row(statistic="Guess", coverage=50.0)])
    text = page([_row(statistic="CSAT, top box", method="wilson", coverage=92.0, below=5.5)])
    assert "**92.0**; 10" in text and "| 92.0 | 5.5 | 2.5 |" in text
    assert reason_of(_row(statistic="CSAT, top box")) in text


def test_the_page_says_how_it_is_made():
    text = PAGE.read_text("utf-8")
    assert "python -m tests.coverage --write" in text
    for family in FAMILIES:
        assert f"## {next(iter(family.scenarios())).statistic}\n" in text


@pytest.mark.slow
def test_the_page_is_what_the_simulation_gives():
    rows = [row for scenario in scenarios() for row in run(scenario)]
    assert page(rows) == PAGE.read_text("utf-8")


def test_every_interval_that_is_offered_has_rows():
    """A new interval of an answer, or a new method of an old one, is simulated before it is offered."""
    table = set(
        re.findall(r"^(`[A-Za-z]+\.[a-z_]+`, [a-z_]+)", PAGE.read_text("utf-8"), re.MULTILINE)
    )
    found = offered()
    assert {(name, field) for name, field, _ in found} == fields_with_intervals()
    missing = {row for rows in found.values() for row in rows} - table
    assert not missing, f"no rows in {PAGE.name}: {', '.join(sorted(missing))}"
