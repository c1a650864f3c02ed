"""Oddjob Airways: a survey loaded with a program file alone, against independently made figures.

The data's licence is not stated, so it is not here: CXSTREAM_ODDJOB_CSV names the file, and
``expected.json`` lies beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cxstream_client as cx

PROGRAM = Path(__file__).parents[1] / "data" / "oddjob" / "oddjob.toml"
CSV = os.environ.get("CXSTREAM_ODDJOB_CSV", "")

pytestmark = pytest.mark.skipif(not CSV, reason="CXSTREAM_ODDJOB_CSV does not name the file")


def close(value: float | None) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-12)


@pytest.fixture
def expected(run: Callable[..., Any], address: str) -> Any:
    ran = run("load", CSV, "--program", PROGRAM, "--target", address, "--batch-rows", 100)
    assert ran.code == 0, ran.err
    return json.loads((Path(CSV).parent / "expected.json").read_text(encoding="utf-8"))


def check_nps(row: cx.NpsRow, wald: cx.NpsRow, figures: dict[str, Any]) -> None:
    counts = [figures[key] for key in ("n", "promoters", "passives", "detractors")]
    assert [row.n, row.promoters, row.passives, row.detractors] == counts
    assert row.score == close(figures["nps"])
    assert row.se == close(figures["nps_se"])
    assert row.interval is not None and wald.interval is not None
    assert [row.interval.lower, row.interval.upper] == close(figures["adjusted_wald_ci95"])
    assert [wald.interval.lower, wald.interval.upper] == close(figures["ci95"])


def test_nps(expected: Any, address: str) -> None:
    with cx.connect(address) as client:
        row = client.nps("oddjob-airways", "nps", interval="adjusted_wald")[0]
        check_nps(row, client.nps("oddjob-airways", "nps", interval="wald")[0], expected["nps"])
        mean = client.distribution("oddjob-airways", "nps")[0].mean
        # Read as 0..10, which is what 1..11 stands for.
        assert mean == close(expected["nps"]["mean_score"])
        for key, groups in expected.items():
            if not key.startswith("nps_by_"):
                continue
            name = key.removeprefix("nps_by_")
            rows = client.nps("oddjob-airways", "nps", by=name, interval="adjusted_wald")
            walds = client.nps("oddjob-airways", "nps", by=name, interval="wald")
            assert {row.group[name] for row in rows} == set(groups)
            for level, figures in groups.items():
                check_nps(rows.row(**{name: level}), walds.row(**{name: level}), figures)


def test_ratings_of_100_levels(expected: Any, address: str) -> None:
    with cx.connect(address) as client:
        for name, figures in expected["importance_performance"].items():
            found = client.distribution("oddjob-airways", name)[0].mean
            assert found == close(figures["performance_mean"])


@pytest.mark.parametrize(
    ("model", "key"), [("satisfaction", "ols_overall_sat"), ("recommend", "ols_ltr")]
)
def test_regression(expected: Any, address: str, model: str, key: str) -> None:
    figures = expected[key]
    with cx.connect(address) as client:
        row = client.regression("oddjob-airways", model)[0]
    assert (row.status, row.n, row.df_resid) == ("ok", figures["n"], figures["df_resid"])
    fit = (row.r2, row.adj_r2, row.sigma, row.rss, row.f)
    assert list(fit) == close([figures[one] for one in ("r2", "adj_r2", "sigma", "rss", "F")])
    for term in row.terms:
        assert term.coefficient == close(figures["coef"][term.term])
        assert term.se == close(figures["se"][term.term])
        assert term.t == close(figures["t"][term.term])
        assert term.p == close(figures["p"][term.term])
        assert term.interval is not None
        assert [term.interval.lower, term.interval.upper] == close(figures["ci95"][term.term])
        if term.term != "const":
            assert term.beta == close(figures["beta_std"][term.term])
            assert term.vif == close(figures["vif"][term.term])
