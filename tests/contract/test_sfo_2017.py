"""The real SFO survey of 2017 through the whole of cxstream, against independently made figures.

Both transports: the server over gRPC, and the engine in this process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest

import cxstream
import cxstream_client as cx

#: The bar set for this survey: counts exactly, floats to this relative difference.
RELATIVE = 1e-9
#: t, p and intervals of coefficients near 0 are differences: their absolute scale is that of 1.
ABSOLUTE = 1e-12
#: Weights are rounded to steps of 1e-9.
ROUNDED_WEIGHTS = 1e-7

EXPECTED = json.loads(
    (Path(__file__).parents[1] / "data" / "sfo" / "expected_2017.json").read_text()
)["2017"]
DEMO = resources.files("cxstream.demo")
PROGRAM = cx.Program.from_toml_text((DEMO / "sfo_2017.toml").read_text(encoding="utf-8"))

QUESTIONS = {
    question.column or question.name: question.name for question in PROGRAM.message.questions
}
DIMENSIONS = {one.column or one.name: one.name for one in PROGRAM.message.dimensions}


@pytest.fixture(scope="module", params=["grpc", "in_process"])
def client(request: pytest.FixtureRequest) -> Iterator[cx.Client]:
    """A client with the survey loaded."""
    if request.param == "grpc":
        client = cx.connect(request.getfixturevalue("address"))
    else:
        client = cxstream.Engine.open()
    with client, (DEMO / "sfo_2017.csv").open("rb") as file:
        client.put_program(PROGRAM)
        table = pa.csv.read_csv(file)
        with client.append(PROGRAM.name, producer="test") as stream:
            stream.send(table)
        assert stream.receipt.rows == EXPECTED["rows"]
        yield client


def close(value: float | None) -> Any:
    return pytest.approx(value, rel=RELATIVE, abs=ABSOLUTE)


def check_nps(row: cx.NpsRow, expected: dict[str, Any], wald: cx.NpsRow) -> None:
    assert (row.n, row.promoters, row.passives, row.detractors) == tuple(
        expected[key] for key in ("n", "promoters", "passives", "detractors")
    )
    assert row.score == close(expected["nps"])
    assert row.se == close(expected["nps_se"])
    assert row.interval is not None and wald.interval is not None
    bounds = [max(-100.0, min(100.0, bound)) for bound in expected["adjusted_wald_ci95"]]
    assert [row.interval.lower, row.interval.upper] == close(bounds)
    bounds = [max(-100.0, min(100.0, bound)) for bound in expected["ci95"]]
    assert [wald.interval.lower, wald.interval.upper] == close(bounds)


def test_nps_overall(client: cx.Client) -> None:
    answer = client.nps(PROGRAM.name, "netpro", interval="adjusted_wald")
    wald = client.nps(PROGRAM.name, "netpro", interval="wald")
    check_nps(answer[0], EXPECTED["nps"], wald[0])
    assert answer[0].n + sum(answer[0].dropped.values()) == EXPECTED["rows"]
    assert answer.as_of.responses == EXPECTED["rows"]
    mean = client.distribution(PROGRAM.name, "netpro")[0].mean
    assert mean == close(EXPECTED["nps"]["mean_score"])
    assert (answer.variance / (answer.n - 1)) ** 0.5 == close(EXPECTED["nps"]["nps_se_n1"])


@pytest.mark.parametrize("column", [key[7:] for key in EXPECTED if key.startswith("nps_by_")])
def test_nps_by_segment(client: cx.Client, column: str) -> None:
    name = DIMENSIONS[column]
    expected = EXPECTED[f"nps_by_{column}"]
    answer = client.nps(PROGRAM.name, "netpro", by=[name], interval="adjusted_wald")
    wald = client.nps(PROGRAM.name, "netpro", by=[name], interval="wald")
    rows = {row.group[name]: (row, other) for row, other in zip(answer, wald, strict=True)}
    assert {level for level, (row, _) in rows.items() if level is not None and row.n} >= set(
        expected
    )
    for level, figures in expected.items():
        row, other = rows[level]
        check_nps(row, figures, other)
    assert sum(row.n for row in answer) == EXPECTED["nps"]["n"]
    means = client.distribution(PROGRAM.name, "netpro", by=[name])
    for level, figures in expected.items():
        assert means.row(**{name: level}).mean == close(figures["mean_score"])
        # Of a sample: n - 1.
        variance = rows[level][0].variance
        assert (variance / (figures["n"] - 1)) ** 0.5 == close(figures["nps_se_n1"])


def test_nps_by_problem(client: cx.Client) -> None:
    name = DIMENSIONS["Q15PROBLEM"]
    for level, key in (("1", "yes"), ("2", "no")):
        where = {name: level}
        row = client.nps(PROGRAM.name, "netpro", where=where, interval="adjusted_wald")[0]
        wald = client.nps(PROGRAM.name, "netpro", where=where, interval="wald")[0]
        figures = EXPECTED["problem_encountered_nps"][key]
        check_nps(row, figures, wald)
        assert (row.variance / (row.n - 1)) ** 0.5 == close(figures["nps_se_n1"])
        mean = client.distribution(PROGRAM.name, "netpro", where=where).summary.mean
        assert mean == close(figures["mean_score"])


def test_business_against_vacation(client: cx.Client) -> None:
    expected = EXPECTED["cohen_d_NETPRO_business_vs_leisure"]
    name = DIMENSIONS["Q2PURP1"]
    found = client.compare(PROGRAM.name, "mean", "netpro", a={name: "1"}, b={name: "2"})
    assert (found.n_a, found.n_b) == (expected["n_a"], expected["n_b"])
    for mine, theirs in (
        (found.a, "mean_a"), (found.b, "mean_b"), (found.cohen_d, "cohen_d_pooled"),
        (found.hedges_g, "hedges_g"), (found.statistic, "welch_t"), (found.p, "welch_p"),
    ):  # fmt: skip
        assert mine == close(expected[theirs])


@pytest.mark.parametrize("column", EXPECTED["csat"])
def test_csat(client: cx.Client, column: str) -> None:
    figures = EXPECTED["csat"][column]
    row = client.csat(PROGRAM.name, QUESTIONS[column])[0]
    assert row.n == figures["n"]
    assert row.score == close(figures["top_4plus_pct"])
    assert row.mean == close((figures["mean"] - 1) / 4 * 100)
    full = client.distribution(PROGRAM.name, QUESTIONS[column])[0]
    assert full.mean == close(figures["mean"])
    assert full.sd == close(figures["sd"])
    assert sum(level.count for level in full.levels) == figures["n"]


def test_composite_index(client: cx.Client) -> None:
    expected = EXPECTED["composite_index"]
    complete = client.index(PROGRAM.name, "delight", missing="complete")[0]
    assert complete.n == expected["complete_case"]["n"]
    assert complete.score == close(expected["complete_case"]["mean"])
    own = client.index(PROGRAM.name, "delight")[0]
    assert own.n == expected["renormalised_over_answered"]["n"]
    assert own.score == close(expected["renormalised_over_answered"]["mean"])
    means = client.index(PROGRAM.name, "delight", missing="item_means")[0]
    assert means.score == close(expected["weighted_mean_of_dimension_means"])
    (index,) = PROGRAM.message.indices
    columns = {name: column for column, name in QUESTIONS.items()}
    for part, declared in zip(means.parts, index.parts, strict=True):
        column = columns[declared.items[0]]
        assert part.score == close(expected["dimension_means"][column])
        assert part.weight == close(expected["weights"][column])


def test_scorecard(client: cx.Client) -> None:
    expected = EXPECTED["scorecard_Q8"]
    card = client.scorecard(PROGRAM.name, "improve")[0]
    assert card.base == expected["commenters"]
    # A respondent counts once per option: repeated mentions of one code are not two respondents.
    assert expected["mentions"] - 20 <= card.selections <= expected["mentions"]
    options = {one.option: one for one in card.options}
    for figures in expected["top20"]:
        one = options[str(figures["code"])]
        assert one.count == figures["respondents"]
        assert one.share == close(figures["pct_of_commenters"])
        assert 100 * one.count / EXPECTED["rows"] == close(figures["pct_of_all"])
    ranked = sorted(card.options, key=lambda one: one.rank or 0)
    counts = [one.count for one in ranked]
    assert counts == sorted(counts, reverse=True)


def test_nps_of_those_who_name_an_option(client: cx.Client, unique: str) -> None:
    """The score by its own column says who named what, class by class: no row is read again."""
    tables = {**PROGRAM.to_dict(), "name": unique}
    tables["dimensions"]["netpro_level"] = {"column": "NETPRO", "max_levels": 12}
    client.put_program(tables)
    with (DEMO / "sfo_2017.csv").open("rb") as file, client.append(unique, producer="t") as stream:
        stream.send(pa.csv.read_csv(file))
    found = client.compare(unique, "nps", "netpro", by="improve")
    for figures in EXPECTED["scorecard_Q8"]["top20"]:
        row = found.row(improve=str(figures["code"]))
        assert row.n_a == figures["n_nps_mentioners"]
        assert row.n_a + row.n_b == EXPECTED["nps"]["n"]
        assert [row.a, row.b] == close([figures["nps_mentioners"], figures["nps_others"]])
        assert row.difference == close(figures["gap"])
        assert row.interval is not None and row.interval.lower < row.difference < row.interval.upper
        assert row.dropped == {"no score": EXPECTED["rows"] - EXPECTED["nps"]["n"]}
    pulls = client.impact(unique, "nps", "netpro", by="improve")
    assert pulls.whole.score == close(EXPECTED["nps"]["nps"])
    for figures in EXPECTED["scorecard_Q8"]["top20"]:
        pull = pulls.row(improve=str(figures["code"]))
        assert pull.n == figures["n_nps_mentioners"]
        assert [pull.score, pull.without] == close(
            [figures["nps_mentioners"], figures["nps_others"]]
        )
        assert pull.impact == close(EXPECTED["nps"]["nps"] - figures["nps_others"])
        assert pull.interval is not None and pull.interval.lower < pull.impact < pull.interval.upper
    (first,) = (row for row in found if row.group["improve"] == "1")
    assert first.labels == {"improve": "Nothing to improve, keep it up"}
    for wrong in ({"against": "1"}, {"by": ["improve", "peak"]}):
        with pytest.raises(cx.InvalidInput):
            client.compare(unique, "nps", "netpro", **{"by": "improve", **wrong})
    for ask in (client.compare, client.impact):
        with pytest.raises(cx.InvalidInput, match="takes the metric nps"):
            ask(unique, "csat", "food", by="improve")


@pytest.mark.parametrize(("model", "key"), [("satisfaction", "Q7ALL"), ("recommend", "NETPRO")])
def test_regression(client: cx.Client, unique: str, model: str, key: str) -> None:
    expected = EXPECTED[f"ols_{key}"]
    row = client.regression(PROGRAM.name, model)[0]
    assert row.status == "ok"
    assert row.n == expected["n"]
    assert row.dropped == {"incomplete": EXPECTED["rows"] - expected["n"]}
    for ours, theirs in (
        ("r2", "r2"), ("adj_r2", "adj_r2"), ("sigma", "sigma"), ("rss", "rss"), ("f", "F"),
        ("df_resid", "df_resid"),
    ):  # fmt: skip
        assert getattr(row, ours) == close(expected[theirs])
    columns = {name: column for column, name in QUESTIONS.items()} | {"const": "const"}
    assert [columns[term.term] for term in row.terms] == list(expected["coef"])
    for term in row.terms:
        column = columns[term.term]
        assert term.coefficient == close(expected["coef"][column])
        assert term.se == close(expected["se"][column])
        assert term.t == close(expected["t"][column])
        assert term.p == close(expected["p"][column])
        assert term.interval is not None
        assert [term.interval.lower, term.interval.upper] == close(expected["ci95"][column])
        if column != "const":
            assert term.beta == close(expected["beta_std"][column])
            assert term.vif == close(expected["vif"][column])
    # It needs to be declared: each combination of answers is counted then.
    with pytest.raises(cx.PreconditionFailed, match="leverage = true") as caught:
        client.regression(PROGRAM.name, model, errors="hc3")
    assert caught.value.reason == "NO_LEVERAGE"
    tables = {**PROGRAM.to_dict(), "name": unique}
    tables["models"][model]["leverage"] = True
    client.put_program(tables)
    with (DEMO / "sfo_2017.csv").open("rb") as file, client.append(unique, producer="t") as stream:
        stream.send(pa.csv.read_csv(file))
    for term in client.regression(unique, model, errors="HC3").terms:
        assert term.se == close(expected["se_hc3"][columns[term.term]])


def test_weights_change_without_resending(client: cx.Client) -> None:
    """New weights give a new index at once; putting the old ones back gives the old one back."""
    before = client.index(PROGRAM.name, "delight")[0]
    tables = PROGRAM.to_dict()
    for part in tables["indices"]["delight"]["parts"].values():
        part["weight"] = 1.0
    info = client.put_program(tables)
    try:
        assert info.responses == EXPECTED["rows"]
        equal = client.index(PROGRAM.name, "delight", missing="item_means")[0]
        means = EXPECTED["composite_index"]["dimension_means"].values()
        assert equal.score == close(sum(means) / len(means))
    finally:
        client.put_program(PROGRAM)
    assert client.index(PROGRAM.name, "delight")[0] == before


def test_robust_errors(client: cx.Client, unique: str) -> None:
    """HC1 of both models, and those of weighted regressions."""
    tables = {**PROGRAM.to_dict(), "name": unique}
    for model in tables["models"].values():
        model["robust"] = True
    client.put_program(tables)
    with (DEMO / "sfo_2017.csv").open("rb") as file, client.append(unique, producer="t") as stream:
        stream.send(pa.csv.read_csv(file))
    columns = {name: column for column, name in QUESTIONS.items()} | {"const": "const"}
    for model, key in (("satisfaction", "Q7ALL"), ("recommend", "NETPRO")):
        row = client.regression(unique, model, errors="HC1")[0]
        assert (row.errors, row.terms[0].interval.method) == ("HC1", "bell_mccaffrey")
        errors = {columns[term.term]: term.se for term in row.terms}
        assert errors == close(EXPECTED[f"ols_{key}"]["se_hc1"])
        plain = client.regression(unique, model)[0]
        assert plain.errors == "classical"
        assert {columns[one.term]: one.se for one in plain.terms} == close(
            EXPECTED[f"ols_{key}"]["se"]
        )
        figures = EXPECTED[f"ols_{key}"]["wls"]
        for errors, name in (("classical", "se_classical"), ("design", "se_survey_svyglm")):
            weighted = client.regression(unique, model, errors=errors, weighting="declared")[0]
            for term in weighted.terms:
                # Weights count in steps of 1e-9.
                assert term.coefficient == pytest.approx(
                    figures["coef"][columns[term.term]], rel=ROUNDED_WEIGHTS
                )
                assert term.se == pytest.approx(
                    figures[name][columns[term.term]], rel=ROUNDED_WEIGHTS
                )
