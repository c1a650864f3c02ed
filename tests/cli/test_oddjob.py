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

import pyarrow as pa
import pyarrow.csv
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
    if figures["n"] > 1:
        assert row.variance is not None
        assert (row.variance / (row.n - 1)) ** 0.5 == close(figures["nps_se_n1"])
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
            means = client.distribution("oddjob-airways", "nps", by=name)
            for level, figures in groups.items():
                check_nps(rows.row(**{name: level}), walds.row(**{name: level}), figures)
                assert means.row(**{name: level}).mean == close(figures["mean_score"])


def test_performance_and_importance(expected: Any, address: str) -> None:
    with cx.connect(address) as client:
        (pairs,) = client.insights("oddjob-airways", outcome="overall_sat")
        importance = {pair.x: pair.r for pair in pairs.pairs}
        for name, figures in expected["importance_performance"].items():
            performance = client.distribution("oddjob-airways", name)[0]
            assert performance.mean == close(figures["performance_mean"])
            expectation = client.distribution("oddjob-airways", f"e{name[1:]}")[0]
            assert expectation.mean == close(figures["expectation_mean"])
            # Whoever answered one of the two answered the other: the gap is that of the means.
            assert performance.n == expectation.n == figures["n_pairs"]
            gap = performance.mean - expectation.mean
            assert gap == close(figures["gap_mean_s_minus_e"])
            assert importance[name] == close(figures["derived_importance_r_with_overall_sat"])


def test_alpha(expected: Any, address: str) -> None:
    with cx.connect(address) as client:
        for figures in expected["alpha"].values():
            row = client.reliability("oddjob-airways", figures["items"])[0]
            assert (row.n, row.k) == (figures["n"], len(figures["items"]))
            assert row.alpha == close(figures["alpha"])
            assert row.alpha_standardised == close(figures["std_alpha"])
            assert row.mean_inter_item == close(figures["mean_inter_item_r"])
            for one in row.items:
                assert one.alpha_if_dropped == close(figures["alpha_if_dropped"][one.item])


def test_differences(expected: Any, address: str) -> None:
    with cx.connect(address) as client:
        figures = expected["nps_diff_gold_minus_blue"]
        gold, blue = {"status": "Gold"}, {"status": "Blue"}
        found = client.compare("oddjob-airways", "nps", "nps", a=gold, b=blue, method="wald")
        assert [found.a, found.b, found.difference, found.se] == close(
            [figures[key] for key in ("a", "b", "diff", "se")]
        )
        assert [found.statistic, found.p] == close([figures["z"], figures["p_two_sided"]])
        assert [found.interval.lower, found.interval.upper] == close(figures["ci95"])
        figures = expected["cohen_d_ltr_business_vs_leisure_purpose"]
        business, leisure = {"flight_purpose": "Business"}, {"flight_purpose": "Leisure"}
        found = client.compare("oddjob-airways", "mean", "nps", a=business, b=leisure)
        assert (found.n_a, found.n_b) == (figures["n_a"], figures["n_b"])
        assert [found.a, found.b] == close([figures["mean_a"], figures["mean_b"]])
        assert [found.cohen_d, found.hedges_g] == close(
            [figures["cohen_d_pooled"], figures["hedges_g"]]
        )
        assert [found.statistic, found.p] == close([figures["welch_t"], figures["welch_p"]])


def test_read_as_0_to_10(address: str, unique: str) -> None:
    """What the declaration of 1..11 avoids: the score of the column taken at its word."""
    path = Path(CSV).parent / "expected.json"
    figures = json.loads(path.read_text(encoding="utf-8"))[
        "nps_if_naively_read_as_0_10_after_dropping_11"
    ]
    question = {"kind": "nps", "missing": [11]}
    with cx.connect(address) as client:
        client.put_program({"name": unique, "questions": {"nps": question}})
        with client.append(unique, producer="p") as stream:
            stream.send(pa.csv.read_csv(CSV).select(["nps"]))
        row = client.nps(unique, "nps", interval="adjusted_wald")[0]
        check_nps(row, client.nps(unique, "nps", interval="wald")[0], figures)
        assert client.distribution(unique, "nps").summary.mean == close(figures["mean_score"])


@pytest.mark.parametrize(
    ("model", "key"), [("satisfaction", "ols_overall_sat"), ("recommend", "ols_ltr")]
)
def test_regression(expected: Any, address: str, model: str, key: str) -> None:
    figures = expected[key]
    with cx.connect(address) as client:
        row = client.regression("oddjob-airways", model, errors="classical")[0]
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
    with cx.connect(address) as client:
        assert client.regression("oddjob-airways", model)[0].errors == "classical"
        robust = client.regression("oddjob-airways", model, errors="HC1")[0]
        by_leverage = client.regression("oddjob-airways", model, errors="HC3")[0]
        importance = client.drivers("oddjob-airways", model)
    for term in robust.terms:
        assert term.se == close(figures["se_hc1"][term.term])
    for term in by_leverage.terms:
        assert term.se == close(figures["se_hc3"][term.term])
    for one in importance.drivers:
        assert [one.lmg, one.johnson] == close(
            [figures["lmg"][one.driver], figures["johnson"][one.driver]]
        )
        assert one.first == close(figures["r_with_y"][one.driver] ** 2)
