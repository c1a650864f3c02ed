"""What R prints of the same rows, through the SDK over both transports; see tests/data/r/README.md.

Where R's number is another on purpose, the test has how the two go together, and
engine/docs/elsewhere.md says so.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

import cxstream_client as cx

FOLDER = Path(__file__).parents[1] / "data" / "r"
R: dict[str, Any] = json.loads((FOLDER / "figures.json").read_text(encoding="utf-8"))

#: Fifteen digits are printed, of float64 algorithms that lose two or three.
PRINTED = 1e-12
#: A p value far out multiplies what its t is off by t squared.
TAIL = 1e-11
#: LAPACK's QR of rows that are hardly of full rank loses digits that sums do not.
QR = 1e-11
#: psych's fa ends its search where a step gains next to nothing, which a minimum is flat enough for.
MINRES = 1e-5
#: n / (n - 1) of parts that are of nearly, but not just, the same size.
UNEVEN = 1e-3
#: Weighted, Bell and McCaffrey's condition has more than one root; clubSandwich takes another.
OTHER_ROOT_DF, OTHER_ROOT = 2e-4, 0.02
#: Raking ends within 1e-9 of a share here, and R's within 1e-12.
STOPPED = 1e-8
#: R's rake by default ends within 1 of a sum of weights of 764.
R_STOPPED = 2e-5
#: survey takes the mean of the weighted residuals off, which is next to 0.
CENTRED = 1e-4
#: survey's `rake` has residuals on the margins without weights.
OTHER_RESIDUALS = 0.02


def near(wanted: Any, rel: float = PRINTED) -> Any:
    return pytest.approx(wanted, rel=rel, abs=rel)


def read(name: str) -> dict[str, list[str | None]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {key.replace(".", "_"): [row[key] or None for row in rows] for key in rows[0]}


RATING = {"kind": "rating", "scale": [1, 5]}
ITEMS = ["satisfied", "staff", "food", "room"]
BY = ["channel", "region", "age", "store", "period"]
PROGRAM: dict[str, Any] = {
    "questions": {
        "recommend": {"kind": "nps"},
        "satisfied": {"kind": "csat", "scale": [1, 5], "top": 4},
        **dict.fromkeys(ITEMS[1:], RATING),
        "effort": {"kind": "ces", "scale": [1, 7]},
        "spend": {"kind": "number", "range": [0, 1000], "step": 0.01},
        "churned": {"kind": "boolean"},
    },
    "dimensions": {
        **{name: {"max_levels": 20} for name in BY},
        "score": {"column": "recommend", "max_levels": 20},
        "left": {"column": "churned", "max_levels": 5},
    },
    "time": {"column": "day"},
    "weight": {"column": "w", "step": 0.25},
    "models": {
        "m": {"outcome": "satisfied", "drivers": ITEMS[1:], "robust": True, "leverage": True}
    },
    "insights": {"questions": ITEMS},
    "indices": {
        "visit": {
            "missing": "complete",
            "parts": {
                "staff": {"weight": 3, "items": ["staff"]},
                "food": {"weight": 1, "items": ["food"]},
            },
        }
    },
    "views": [{"by": ["age", "region", name]} for name in ("channel", "store", "period")],
}


def responses() -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {}
    for name, column in read("responses").items():
        if name in BY:
            made[name] = column
        elif name == "month":
            made["day"] = [dt.date(2026, int(one or 0), 1) for one in column]
        elif name == "churned":
            made[name] = [None if one is None else one == "1" for one in column]
        else:
            kind = float if name in ("w", "spend") else int
            made[name] = [None if one is None else kind(one) for one in column]
    return made


@pytest.fixture
def survey(client: cx.Client, unique: str) -> str:
    return load(client, unique, PROGRAM, responses())


def load(client: cx.Client, name: str, program: dict[str, Any], rows: dict[str, list[Any]]) -> str:
    client.put_program({**program, "name": name})
    with client.append(name, producer="p") as stream:
        stream.send(rows)
    return name


def bounds(interval: cx.Interval | None) -> list[float]:
    assert interval is not None
    return [interval.lower, interval.upper]


def hundredfold(pair: Iterable[float]) -> list[float]:
    return [100 * one for one in pair]


# Shares, net scores, means


def test_prop_test_of_one_share(client: cx.Client, survey: str) -> None:
    """`prop.test(x, n, correct = FALSE)`: Wilson's."""
    for confidence, key in ((0.95, "wilson"), (0.9, "wilson90")):
        for row in client.csat(survey, "satisfied", by="channel", confidence=confidence):
            wanted = R["shares"][row.group["channel"]]
            assert (row.top, row.n) == (wanted["x"], wanted["n"])
            assert bounds(row.interval) == near(hundredfold(wanted[key]))


@pytest.mark.parametrize("method", ["continuity", "pooled"])
def test_chi_squared_of_two_shares(client: cx.Client, survey: str, method: str) -> None:
    """`chisq.test` of the table of two channels, and `prop.test`'s interval."""
    found = client.compare(
        survey, "csat", "satisfied", a={"channel": "app"}, b={"channel": "web"}, method=method
    )
    wanted = R["two_shares"][method]
    assert found.statistic**2 == near(wanted["table"])
    assert found.p == near(wanted["table_p"])
    assert bounds(found.interval) == near(hundredfold(wanted["interval"]))


def test_prop_test_of_small_and_extreme_counts(client: cx.Client, unique: str) -> None:
    rows: dict[str, list[Any]] = {"yes": [], "group": []}
    for k, case in enumerate(R["prop_test"]):
        for side, x, n in zip("ab", case["counts"][::2], case["counts"][1::2], strict=True):
            rows["yes"] += [5] * x + [1] * (n - x)
            rows["group"] += [f"{side}{k}"] * n
    questions = {"yes": {"kind": "csat", "scale": [1, 5], "top": 4}}
    load(client, unique, {"questions": questions, "dimensions": {"group": {}}}, rows)
    for k, case in enumerate(R["prop_test"]):
        for method in ("continuity", "pooled"):
            found = client.compare(
                unique, "csat", "yes", a={"group": f"a{k}"}, b={"group": f"b{k}"}, method=method
            )
            wanted = case[method]
            assert found.statistic**2 == near(wanted["chisq"])
            assert found.p == near(wanted["p"], TAIL)
            assert bounds(found.interval) == near(hundredfold(wanted["interval"]))


def test_net_scores_as_numbers(client: cx.Client, survey: str) -> None:
    """`t.test` of -100, 0 and 100."""
    for row in client.nps(survey, "recommend", by="region", interval="student_t"):
        wanted = R["nps"][row.group["region"]]
        assert (row.n, row.score) == (wanted["n"], near(wanted["score"]))
        assert row.variance == near(wanted["variance"])
        assert row.se == near((wanted["variance"] / wanted["n"]) ** 0.5)
        assert bounds(row.interval) == near(wanted["student_t"])


MEANS = {
    "welch": ("spend", "period", "after", "before", "score"),
    "pooled": ("spend", "period", "after", "before", "pooled"),
    "scale": ("effort", "age", "old", "young", "score"),
}


def check_difference(found: cx.CompareResult, wanted: dict[str, Any]) -> None:
    """`t.test`'s; effectsize has Cohen's d, and J for Hedges' g by the gamma function."""
    assert found.statistic == near(wanted["t"])
    assert found.df == near(wanted["df"])
    assert found.se == near(wanted["se"])
    assert found.p == near(wanted["p"])
    assert bounds(found.interval) == near(wanted["interval"])
    assert found.cohen_d == near(wanted["d"])
    df = found.n_a + found.n_b - 2
    exact = math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2)) / math.sqrt(df / 2)
    # lgamma of some hundreds loses two digits.
    assert found.hedges_g / (1 - 3 / (4 * df - 1)) * exact == near(wanted["g"], TAIL)


@pytest.mark.parametrize("case", MEANS)
def test_t_test(client: cx.Client, survey: str, case: str) -> None:
    question, along, a, b, method = MEANS[case]
    found = client.compare(survey, "mean", question, a={along: a}, b={along: b}, method=method)
    check_difference(found, R["means"][case])


def test_t_test_of_tooth_growth(client: cx.Client, unique: str) -> None:
    table = read("ToothGrowth")
    rows = {"len": [float(one or 0) for one in table["len"]], "supp": table["supp"]}
    number = {"kind": "number", "range": [0, 100], "step": 0.1}
    load(client, unique, {"questions": {"len": number}, "dimensions": {"supp": {}}}, rows)
    for method, key in (("score", "welch"), ("pooled", "pooled")):
        found = client.compare(
            unique, "mean", "len", a={"supp": "OJ"}, b={"supp": "VC"}, method=method
        )
        check_difference(found, R["toothgrowth"][key])


def test_paired_t_test(client: cx.Client, unique: str) -> None:
    """Steps between questions that all answered, stretched from 0..100 to points of a percent."""
    rows = {name: [int(one or 0) for one in column] for name, column in read("attitude").items()}
    questions = {key: {"kind": "rating", "scale": [0, 100]} for key in rows}
    load(client, unique, {"questions": questions, "insights": {"questions": list(rows)}}, rows)
    stages = ["rating", "complaints", "privileges", "learning"]
    found = client.journey(unique, questions=stages, metric="mean")
    for stage in found[0].stages[1:]:
        wanted = R["paired"][stage.stage]
        assert stage.change == near(wanted["difference"])
        assert stage.change_se == near(wanted["se"])
        assert stage.p == near(wanted["p"], TAIL)
        assert bounds(stage.change_interval) == near(wanted["interval"])


def test_a_step_counts_those_who_answered_one_question(client: cx.Client, survey: str) -> None:
    """`t.test(paired = TRUE)` leaves them out: the step is another then, and hardly."""
    found = client.journey(survey, questions=["staff", "food"], metric="mean")[0].stages[1]
    wanted = R["paired_with_gaps"]
    means = [client.csat(survey, name).mean for name in ("food", "staff")]
    assert found.change == near(means[0] - means[1])
    assert found.change / 25 == pytest.approx(wanted["difference"], abs=0.3 * wanted["se"])
    assert found.change_se / 25 == pytest.approx(wanted["se"], rel=0.02)


@pytest.mark.parametrize(("correction", "key"), [("holm", "holm"), ("benjamini_hochberg", "bh")])
def test_p_adjust(client: cx.Client, survey: str, correction: Any, key: str) -> None:
    for row in client.compare(survey, "mean", "spend", by="region", correction=correction):
        assert row.p == near(R["many"]["p"][row.group["region"]])
        assert row.p_adjusted == near(R["many"][key][row.group["region"]])


def test_air_quality(client: cx.Client, unique: str) -> None:
    """Mean, `sd` and one-sample `t.test` of New York's ozone by month, gaps left out."""
    table = read("airquality")
    rows = {
        "ozone": [None if one is None else int(one) for one in table["Ozone"]],
        "calendar": table["Month"],
    }
    number = {"kind": "number", "range": [0, 500], "step": 1}
    load(client, unique, {"questions": {"ozone": number}, "dimensions": {"calendar": {}}}, rows)
    for row in client.distribution(unique, "ozone", by="calendar"):
        wanted = R["air"][row.group["calendar"]]
        assert (row.n, row.mean, row.sd) == (wanted["n"], near(wanted["mean"]), near(wanted["sd"]))
        assert bounds(row.interval) == near(wanted["t"])


@pytest.mark.parametrize("missing", ["complete", "renormalise"])
def test_index_is_the_mean_of_rows(client: cx.Client, survey: str, missing: Any) -> None:
    found, wanted = client.index(survey, "visit", missing=missing), R["index"][missing]
    assert (found.n, found.score) == (wanted["n"], near(wanted["mean"]))
    assert found.se == near(wanted["se"])


def test_power(client: cx.Client) -> None:
    """`power.prop.test` and `power.t.test`, rounded up."""
    for case in R["power_prop"]:
        found = client.sample_size(
            "csat",
            difference=abs(case["p1"] - case["p2"]),
            assumed=(case["p1"], case["p2"]),
            power=case["power"],
        )
        assert found.answers == math.ceil(case["n"])
    for case in R["power_t"]:
        found = client.sample_size(
            "mean",
            difference=case["delta"],
            assumed=case["sd"],
            power=case["power"],
            confidence=1 - case["level"],
        )
        # R's counts are of both tails or of a t with less than one degree of freedom below 2.
        assert found.answers == max(2, math.ceil(case["n"]))


# Regression, importance


def of_r(term: str) -> str:
    return "(Intercept)" if term == "const" else term


def check_terms(
    found: cx.RegressionResult, wanted: dict[str, Any], se: str = "se", rel: float = PRINTED
) -> None:
    for term in found.terms:
        key = of_r(term.term)
        assert term.coefficient == near(wanted["coef"][key], rel)
        assert term.se == near(wanted[se][key], rel)


def check_lm(found: cx.RegressionResult, wanted: dict[str, Any], rel: float = PRINTED) -> None:
    """`summary(lm)`, `confint` and `car::vif`."""
    check_terms(found, wanted, rel=rel)
    for term in found.terms:
        key = of_r(term.term)
        assert term.t == near(wanted["t"][key], rel)
        assert term.p == pytest.approx(wanted["p"][key], rel=max(rel, TAIL))
        assert bounds(term.interval) == near([wanted["lower"][key], wanted["upper"][key]], rel)
        if term.term != "const":
            assert term.vif == near(wanted["vif"][key], rel)
    fit = found.fit
    for name, value in (
        ("r2", fit.r2), ("adj_r2", fit.adj_r2), ("sigma", fit.sigma), ("f", fit.f),
        ("rss", fit.rss), ("df", fit.df_resid),
    ):  # fmt: skip
        assert value == near(wanted[name], rel), name
    assert fit.f_p == pytest.approx(wanted["f_p"], rel=max(rel, TAIL))


def check_shares(found: cx.DriversResult, wanted: dict[str, Any], rel: float = PRINTED) -> None:
    """LMG over all subsets of `lm`'s R2, Johnson's weights by `eigen`, and the others."""
    for driver in found.drivers:
        for name in ("lmg", "johnson", "first", "last", "pratt", "beta"):
            assert getattr(driver, name) == near(wanted[name][of_r(driver.driver)], rel), name


BUILT_IN = {
    "mtcars": ("mpg", ["wt", "hp", "qsec", "drat"], 0.001),
    "swiss": (
        "Fertility", ["Agriculture", "Examination", "Education", "Catholic", "Infant_Mortality"], 0.01,
    ),
    "attitude": (
        "rating", ["complaints", "privileges", "learning", "raises", "critical", "advance"], 1,
    ),
    "airquality": ("Ozone", ["Solar_R", "Wind", "Temp"], 0.1),
    "stackloss": ("stack_loss", ["Air_Flow", "Water_Temp", "Acid_Conc_"], 1),
}  # fmt: skip


def underscored(figures: Any) -> Any:
    """Names as questions can have them."""
    if not isinstance(figures, dict):
        return figures
    return {key.replace(".", "_"): underscored(value) for key, value in figures.items()}


def check_alone(found: Any, figures: Any, rel: float = PRINTED) -> None:
    """clubSandwich's CR2 of clusters of one response each: HC2, with Bell and McCaffrey's freedom."""
    for term in found.terms:
        key = of_r(term.term)
        mine = [term.se, term.df, term.p, *bounds(term.interval)]
        wanted = [figures[name][key] for name in ("se", "df", "p", "lower", "upper")]
        assert mine == near(wanted, rel)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_data(client: cx.Client, unique: str, name: str) -> None:
    outcome, drivers, step = BUILT_IN[name]
    table = read(name)
    wanted = [outcome, *drivers]
    rows: dict[str, list[Any]] = {
        key: [None if one is None else float(one) for one in table[key]] for key in wanted
    }
    questions = {key: {"kind": "number", "range": [0, 1000], "step": step} for key in wanted}
    model = {"outcome": outcome, "drivers": drivers, "robust": True, "leverage": True}
    load(client, unique, {"questions": questions, "models": {"m": model}}, rows)
    figures = underscored(R["lm"][name])
    check_lm(client.regression(unique, "m", errors="classical"), figures, QR)
    for errors in ("HC0", "HC1", "HC2", "HC3"):
        found = client.regression(unique, "m", errors=errors, interval="student_t")
        check_terms(found, figures, errors.lower(), QR)
    if name in R["alone"]:
        check_alone(client.regression(unique, "m", errors="HC2"), underscored(R["alone"][name]), QR)
    if name in R["shares_of_r2"]:
        check_shares(client.drivers(unique, "m"), underscored(R["shares_of_r2"][name]), QR)


@pytest.mark.parametrize(("weighting", "key"), [("none", "responses"), ("declared", "weighted")])
def test_lm_of_responses(client: cx.Client, survey: str, weighting: Any, key: str) -> None:
    """`lm`, `lm(weights = w)` and sandwich's `vcovHC` of both."""
    check_lm(client.regression(survey, "m", errors="classical", weighting=weighting), R["lm"][key])
    for errors in ("HC0", "HC1"):
        found = client.regression(
            survey, "m", errors=errors, interval="student_t", weighting=weighting
        )
        check_terms(found, R["lm"][key], errors.lower())
    if weighting == "none":
        for errors in ("HC2", "HC3"):
            found = client.regression(survey, "m", errors=errors, interval="student_t")
            check_terms(found, R["lm"][key], errors.lower())
        check_alone(client.regression(survey, "m", errors="HC2"), R["alone"][key])
    check_shares(client.drivers(survey, "m", weighting=weighting), R["shares_of_r2"][key])


@pytest.mark.parametrize(("weighting", "key"), [("none", "plain"), ("declared", "weighted")])
def test_errors_by_cluster(client: cx.Client, survey: str, weighting: Any, key: str) -> None:
    """sandwich's `vcovCL`, and clubSandwich's CR2 (weighted: of `target = 1 / w`)."""
    wanted = R["clusters"][key]
    how: dict[str, Any] = {"errors": "cluster", "cluster": "store", "weighting": weighting}
    found = client.regression(survey, "m", interval="student_t", **how)
    n, k, clusters = found.fit.n, len(found.terms), found.fit.clusters
    # Under survey weights they are the survey's, with G / (G - 1) alone.
    rows = (n - 1) / (n - k) if weighting == "declared" else 1
    for term in found.terms:
        key_of = of_r(term.term)
        assert term.df == clusters - 1
        assert term.se * rows**0.5 == near(wanted["vcovCL"][key_of])
        factor = clusters / (clusters - 1) * (n - 1) / (n - k) / rows
        assert term.se / factor**0.5 == near(wanted["vcovCL0"][key_of])
    weighted = weighting == "declared"
    for term in client.regression(survey, "m", **how).terms:
        key_of = of_r(term.term)
        assert term.df == near(wanted["df"][key_of], OTHER_ROOT_DF if weighted else PRINTED)
        # Here the larger of both errors is CR2's.
        assert wanted["cr2"][key_of] > term.se
        theirs, root = (
            wanted["upper"][key_of] - wanted["lower"][key_of],
            OTHER_ROOT if weighted else PRINTED,
        )
        lower, upper = bounds(term.interval)
        assert upper - lower == near(theirs, root)
        if not weighted:
            assert (lower, term.p) == (
                near(wanted["lower"][key_of]),
                near(wanted["p"][key_of], TAIL),
            )


def test_cor_test(client: cx.Client, survey: str) -> None:
    for pair in client.insights(survey, outcome="satisfied")[0].pairs:
        wanted = R["pairs"][pair.x]
        for name in ("slope", "se", "t", "r"):
            assert getattr(pair, name) == near(wanted[name]), name
        assert pair.p == near(wanted["p"], TAIL)
        # Not offered; by Fisher's z of what is.
        reach = stats.norm.ppf(0.975) / math.sqrt(pair.n - 3)
        ends = [math.tanh(math.atanh(pair.r) + side * reach) for side in (-1, 1)]
        assert ends == near(wanted["cor_interval"])


# Survey weights


def of_the_sample(se: float, n: int) -> float:
    """As survey has it, whose factor is that of all rows also for a domain, and for gaps."""
    rows = R["rows"]
    return float(se * math.sqrt((n - 1) / n * rows / (rows - 1)))


def check_mean(row: Any, wanted: dict[str, Any], scale: float = 100, rel: float = PRINTED) -> None:
    score = row.mean if isinstance(row, cx.DistributionRow) else row.score
    assert score == near(scale * wanted["mean"], rel)
    assert of_the_sample(row.se, row.n) == near(scale * wanted["se"], max(rel, PRINTED))


def test_svymean_and_svyby(client: cx.Client, survey: str) -> None:
    wanted = R["survey"]
    how: dict[str, Any] = {"weighting": "declared"}
    check_mean(client.csat(survey, "satisfied", **how)[0], wanted["satisfied"])
    check_mean(client.nps(survey, "recommend", **how)[0], wanted["net"], 1)
    check_mean(client.ces(survey, "effort", **how)[0], wanted["effort"], 1)
    spend = client.distribution(survey, "spend", **how)[0]
    check_mean(spend, wanted["spend"], 1)
    assert of_the_sample(spend.sd, spend.n) == near(wanted["spend_sd"])
    for row in client.csat(survey, "satisfied", by="channel", **how):
        check_mean(row, wanted["satisfied_by"][row.group["channel"]])
    for row in client.nps(survey, "recommend", by="region", **how):
        check_mean(row, wanted["net_by"][row.group["region"]], 1)
    for age in ("old", "young"):
        row = client.distribution(survey, "spend", where={"age": age}, **how)[0]
        check_mean(row, wanted["spend_by"][age], 1)
    weights = client.csat(survey, "satisfied", **how).weights
    assert weights.design_effect == near(wanted["kish"]["deff"])
    assert weights.effective_n == near(wanted["kish"]["n"])


def test_svyratio(client: cx.Client, survey: str) -> None:
    row = client.retention(survey, "churned", revenue="spend", weighting="declared")[0]
    wanted = R["survey"]["revenue"]
    assert row.revenue_churn == near(100 * wanted["ratio"])
    assert of_the_sample(row.revenue_churn_se, row.revenue_n) == near(100 * wanted["se"])


def test_svyglm(client: cx.Client, survey: str) -> None:
    """Of weights, and of clusters, whose p R takes from t with G - k degrees of freedom."""
    how: dict[str, Any] = {"weighting": "declared", "interval": "student_t"}
    found, wanted = client.regression(survey, "m", **how), R["survey"]["glm"]
    assert found.terms[0].df == wanted["df"]
    for term in found.terms:
        key = of_r(term.term)
        assert term.coefficient == near(wanted["coef"][key])
        assert of_the_sample(term.se, found.fit.n) == near(wanted["se"][key])
    found, wanted = (
        client.regression(survey, "m", errors="cluster", cluster="store", **how),
        R["survey"]["clglm"],
    )
    check_terms(found, wanted)
    assert found.terms[0].df == wanted["df"] + len(found.terms) - 1


def test_weights_of_zero(client: cx.Client, unique: str) -> None:
    """They are in n here and with `svyglm`, and not in that of `lm(weights = w)`."""
    rows = responses()
    rows["w"] = [
        0.0 if age == "young" else w for w, age in zip(rows["w"], rows["age"], strict=True)
    ]
    load(client, unique, PROGRAM, rows)
    how: dict[str, Any] = {"weighting": "declared", "interval": "student_t"}
    wanted = R["zero_weights"]
    classical = client.regression(unique, "m", errors="classical", **how).fit
    assert classical.df_resid > wanted["df"]
    assert classical.sigma * math.sqrt(classical.df_resid / wanted["df"]) == near(wanted["sigma"])
    check_terms(client.regression(unique, "m", **how), wanted)


# By kind of error: the arguments, and the degrees of freedom that R takes for the F of clusters.
WALD: dict[str, tuple[dict[str, Any], str]] = {
    "HC0": ({"errors": "HC0"}, "as here"),
    "HC1": ({"errors": "HC1"}, "as here"),
    "cluster": ({"errors": "cluster", "cluster": "store"}, "n - k"),
    "design": ({"weighting": "declared"}, "as here"),
    "design_cluster": (
        {"weighting": "declared", "errors": "cluster", "cluster": "store"}, "G - k",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WALD)
def test_f_of_all_drivers(client: cx.Client, survey: str, kind: str) -> None:
    """lmtest's `waldtest` and survey's `regTermTest`; here the F of clusters has G - 1."""
    how, theirs = WALD[kind]
    found, wanted = client.regression(survey, "m", interval="student_t", **how), R["wald"][kind]
    fit, k = found.fit, len(found.terms)
    assert fit.f == near(wanted["f"])
    df = {"as here": fit.df_resid, "n - k": fit.n - k, "G - k": (fit.clusters or 0) - k}[theirs]
    assert stats.f.sf(fit.f, k - 1, df) == near(wanted["p"], TAIL)
    mine = fit.df_resid if fit.clusters is None else fit.clusters - 1
    assert fit.f_p == near(stats.f.sf(fit.f, k - 1, mine), TAIL)


@pytest.mark.parametrize("weighting", ["none", "declared"])
def test_svycontrast(client: cx.Client, unique: str, weighting: Any) -> None:
    """Functions of totals by the delta method. Unweighted, nets and shares divide by n here."""
    more = {"models": {**PROGRAM["models"], "v": {"outcome": "spend", "drivers": ["churned"]}}}
    load(client, unique, {**PROGRAM, **more}, responses())
    figures = R["combined"][weighting]

    def check(value: float, se: float, n: int, wanted: dict[str, float], rel: float) -> None:
        assert value == near(wanted["value"])
        by_n = math.sqrt(n / (n - 1)) if weighting == "none" else 1
        assert se * by_n == near(wanted["se"], rel)

    how: dict[str, Any] = {"weighting": weighting}
    found = client.impact(unique, "nps", "recommend", by="channel", **how)
    row = found.row(channel="app")
    check(row.impact, row.se, found.whole.n, figures["impact"], PRINTED)
    periods: dict[str, Any] = {"before": {"period": "before"}, "after": {"period": "after"}}
    change = client.change(unique, "nps", "recommend", by="region", **periods, **how)
    east = change.row(region="east")
    # Either period has its own n: as if both were of half the size.
    rel = PRINTED if weighting == "declared" else UNEVEN
    for name, part in (
        ("change", change.change), ("mix", change.mix), ("rate", change.rate),
        ("mix_east", east.mix), ("rate_east", east.rate),
    ):  # fmt: skip
        check(part.value, part.se, change.whole.n_before, figures["change"][name], rel)
    index = client.index(unique, "visit", missing="item_means", **how)
    assert (index.score, index.se) == near((figures["index"]["value"], figures["index"]["se"]))
    step = client.journey(unique, questions=["staff", "food"], metric="mean", **how)[0].stages[1]
    assert step.change == near(figures["step"]["value"])
    # Of those who answered the one, and the other; R's factor is that of all.
    assert step.change_se == near(figures["step"]["se"], UNEVEN)
    value = client.customer_value(
        unique, "recommend", margin="spend", churn="churned", discount=0.1, **how
    )[0]
    (promoters,) = (one for one in value.classes if one.name == "promoter")
    wanted = figures["lifetime"]
    assert (promoters.value, promoters.se) == near((wanted["value"], wanted["se"]))
    churn = client.retention(unique, "churned", periods=12, **how)
    check(churn.churn_over, churn.churn_over_se, churn.n, figures["churn"], PRINTED)


def test_svyttest(client: cx.Client, survey: str) -> None:
    """Its difference; its error has the sample's factor for both domains."""
    for metric, question, key in (("nps", "recommend", "net"), ("mean", "spend", "spend")):
        found = client.compare(
            survey, metric, question, a={"age": "young"}, b={"age": "old"},
            weighting="declared", method="wald" if metric == "nps" else "score",
        )  # fmt: skip
        wanted = R["survey"][f"ttest_{key}"]
        assert found.difference == near(wanted["difference"])
        ask = client.nps if metric == "nps" else client.distribution
        parts = [ask(survey, question, where={"age": age}, weighting="declared")[0] for age in AGES]
        assert found.se == near(math.hypot(*(part.se for part in parts)))
        se = math.hypot(*(of_the_sample(part.se, part.n) for part in parts))
        assert found.difference / se == near(wanted["t"])


AGES = {"old": 0.45, "young": 0.55}
REGIONS = {"east": 0.25, "north": 0.35, "south": 0.25, "west": 0.15}
RAKES: dict[str, dict[Any, Any]] = {
    "post": {"age": AGES},
    "cells": {
        ("age", "region"): {
            (age, region): a * b for age, a in AGES.items() for region, b in REGIONS.items()
        }
    },
    "rake": {"age": AGES, "region": REGIONS},
}


@pytest.mark.parametrize(("weighting", "key"), [("none", "plain"), ("declared", "declared")])
@pytest.mark.parametrize("kind", RAKES)
def test_calibration(client: cx.Client, survey: str, kind: str, weighting: Any, key: str) -> None:
    """`postStratify` and `rake`, with domains and a regression.

    Raked, the errors are those of `calibrate(calfun = "raking")`, and without weights of `rake` too.
    """
    how: dict[str, Any] = {"weighting": weighting, "rake": RAKES[kind]}
    figures = R["calibrated"][key]
    wanted, raked = figures[kind], kind == "rake"
    met, same = (STOPPED, CENTRED) if raked else (PRINTED, PRINTED)
    errors = figures["calibrate"] if raked else wanted
    rows = {
        "yes": (client.csat(survey, "satisfied", **how)[0], 100),
        "net": (client.nps(survey, "recommend", **how)[0], 1),
        "spend": (client.distribution(survey, "spend", **how)[0], 1),
    }
    for name, (row, scale) in rows.items():
        score = row.mean if name == "spend" else row.score
        assert score == near(scale * wanted[name]["mean"], met)
        error = of_the_sample(row.se, row.n)
        assert error == near(scale * errors[name]["se"], same)
        if raked:
            assert score == near(scale * figures["rake_default"][name]["mean"], R_STOPPED)
            assert row.se == near(scale * wanted["hand"][name], met)
            other = CENTRED if weighting == "none" else OTHER_RESIDUALS
            assert error == near(scale * wanted[name]["se"], other)
    for row in client.csat(survey, "satisfied", by="channel", **how):
        channel = row.group["channel"]
        assert row.score == near(100 * wanted["yes_by"][channel]["mean"], met)
        assert of_the_sample(row.se, row.n) == near(100 * errors["yes_by"][channel]["se"], same)
        if raked:
            assert row.se == near(100 * wanted["hand"][channel], met)
    for row in client.nps(survey, "recommend", by="region", **how):
        region = row.group["region"]
        assert row.score == near(wanted["net_by"][region]["mean"], met)
        assert of_the_sample(row.se, row.n) == near(errors["net_by"][region]["se"], same)
    found = client.regression(survey, "m", interval="student_t", **how)
    for term in found.terms:
        key = of_r(term.term)
        assert term.coefficient == near(wanted["glm"]["coef"][key], met)
        assert of_the_sample(term.se, found.fit.n) == near(errors["glm"]["se"][key], same)
    assert found.explanation.raking.design_effect == near(wanted["deff"], met)


# Reliability


@pytest.mark.parametrize("missing", ["listwise", "pairwise"])
def test_psych_alpha(client: cx.Client, survey: str, missing: Any) -> None:
    found, wanted = client.reliability(survey, ITEMS, missing=missing), R["alpha"][missing]
    assert found.alpha == near(wanted["raw"])
    assert found.alpha_standardised == near(wanted["std"])
    assert found.mean_inter_item == near(wanted["r"])
    for item in found.items:
        assert item.item_total == near(wanted["r_drop"][item.item])
        assert item.alpha_if_dropped == near(wanted["drop"][item.item])
        assert item.mean == near(wanted["mean"][item.item])
        assert item.sd == near(wanted["sd"][item.item])
    if missing == "listwise":
        assert found.normal_se == near(wanted["ase"])
        feldt = client.reliability(survey, ITEMS, interval="feldt")
        assert bounds(feldt.interval) == near(wanted["feldt"])
        check_omega(found, R["omega"]["listwise"])
    else:
        # psych takes rows with gaps for its n: no n is that of all pairs.
        assert found.normal_se is None


def check_omega(found: cx.ReliabilityResult, wanted: dict[str, Any]) -> None:
    """psych's `fa(fm = "minres")` of one factor."""
    assert found.omega == near(wanted["omega"], MINRES)
    # `omega(nfactors = 1)` divides by the correlations as they are, not as the factor has them.
    k = len(found.items)
    unique = sum(1 - item.loading**2 for item in found.items)
    total = 1 - unique / (k + k * (k - 1) * found.mean_inter_item)
    assert total == near(wanted["total"], MINRES)
    for item in found.items:
        assert item.loading == near(wanted["loadings"][item.item], MINRES)


def test_reliability_of_attitude(client: cx.Client, unique: str) -> None:
    rows = {name: [int(one or 0) for one in column] for name, column in read("attitude").items()}
    questions = {key: {"kind": "rating", "scale": [0, 100]} for key in rows}
    models = {"m": {"outcome": "rating", "drivers": list(rows)[1:]}}
    load(client, unique, {"questions": questions, "models": models}, rows)
    found, wanted = client.reliability(unique, list(rows), interval="feldt"), R["alpha"]["attitude"]
    assert (found.alpha, found.alpha_standardised) == near((wanted["raw"], wanted["std"]))
    assert (found.normal_se, bounds(found.interval)) == (
        near(wanted["ase"]), near(wanted["feldt"]),
    )  # fmt: skip
    check_omega(found, R["omega"]["attitude"])


# Survival, charts, changes


@pytest.mark.parametrize("interval", ["log", "log_log", "plain"])
def test_survfit(client: cx.Client, interval: Any) -> None:
    figures = R["km"]
    aml = figures["aml"]
    last = int(max(aml["time"]))
    by_time = [[0] * last, [0] * last]
    for time, status in zip(aml["time"], aml["status"], strict=True):
        by_time[1 - int(status)][int(time) - 1] += 1
    cases = [(figures["lost"], figures["censored"], figures[interval])]
    if interval in aml:
        cases.append((*by_time, aml[interval]))
    for lost, censored, wanted in cases:
        found = client.kaplan_meier(lost, censored, interval=interval)
        assert found.median == wanted["median"]
        steps = {one.time: one for one in found.steps}
        for k, time in enumerate(wanted["time"]):
            step = steps[time]
            assert (step.at_risk, step.lost) == (wanted["n"][k], wanted["event"][k])
            assert step.survival == near(wanted["survival"][k])
            if wanted["se"][k] is None or wanted["se"][k] == "NaN":
                assert step.interval is None
                continue
            assert step.se == near(wanted["se"][k])
            if step.lost and step.interval is not None:
                assert bounds(step.interval) == near([wanted["lower"][k], wanted["upper"][k]])


def test_a_median_where_exactly_half_are_left(client: cx.Client) -> None:
    """R takes the middle of the times at which that is so."""
    found = client.kaplan_meier([5, 0, 5], [0, 0, 0])
    assert (found.median, R["km"]["flat"]["median"]) == (1, 2)


def test_charts(client: cx.Client, survey: str) -> None:
    """`chisq.test(p =)` of classes, and the limits by their formulas."""
    found, wanted = client.monitor(survey, "nps", "recommend", bucket="month"), R["chart"]
    assert (found.centre, found.sd) == near((wanted["centre"], wanted["sd"]))
    for k, (row, month) in enumerate(zip(found, wanted["months"].values(), strict=True)):
        assert (row.n, row.score) == (month["n"], near(month["score"]))
        assert (row.chi2, row.chi2_p) == near((month["chi2"], month["p"]))
        assert row.ewma == near(wanted["ewma"][k])
        assert row.ewma_upper - found.centre == near(wanted["reach"][k])
        assert row.upper_limit - found.centre == near(wanted["limit"][k])


def test_kitagawa(client: cx.Client, survey: str) -> None:
    found = client.change(
        survey,
        "nps",
        "recommend",
        by="region",
        before={"period": "before"},
        after={"period": "after"},
    )
    wanted = R["kitagawa"]
    assert found.change.value == near(wanted["change"])
    for row in found:
        assert row.mix.value == near(wanted["mix"][row.group["region"]])
        assert row.rate.value == near(wanted["rate"][row.group["region"]])


def test_outcome_by_class(client: cx.Client, survey: str) -> None:
    row = client.linkage(survey, "recommend", "spend")[0]
    for one in row.classes:
        wanted = R["linkage"]["spend"][one.name]
        assert one.value == near(wanted["mean"])
        assert bounds(one.interval) == near(wanted["interval"])
    move, wanted = row.move("detractor", "promoter"), R["linkage"]["move"]
    assert (move.se, move.p) == (near(wanted["se"]), near(wanted["p"], TAIL))
    assert bounds(move.interval) == near(wanted["interval"])
