"""Published figures of data that cannot be copied here, through the SDK over both transports.

CXSTREAM_REFERENCE_DIR names a folder with `driver_reference` (swiss, attitude, mtcars of R; bfi of
psych; examples of flipRegression and pingouin; their licences are the GPL) and, in all digits,
`mix_rate`. Without it these are
skipped; tests/analytics has the same figures from sums of products, everywhere.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest

import cxstream_client as cx

FOLDER = Path(os.environ.get("CXSTREAM_REFERENCE_DIR", "")) / "driver_reference"
MIX = FOLDER.parent / "mix_rate"
#: R prints 15 digits of float64 algorithms of its own.
R_DIGITS = 2e-13
#: pingouin's documentation prints three decimals.
PRINTED_3 = 0.00051
#: psych prints two.
PRINTED_2 = 0.0051

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="CXSTREAM_REFERENCE_DIR does not name the folder"
)


def close(value: float) -> Any:
    return pytest.approx(value, rel=R_DIGITS)


def read(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def load(
    client: cx.Client,
    name: str,
    rows: list[dict[str, str]],
    kinds: dict[str, Any],
    more: dict[str, Any],
) -> None:
    """Send the columns of these names; what is empty is null. Every row is a cluster of its own."""
    client.put_program(
        {
            "name": name,
            "questions": {key.replace(".", "_"): kind for key, kind in kinds.items()},
            "dimensions": {"row": {"max_levels": 100}} if len(rows) <= 100 else {},
            **more,
        }
    )
    frame: dict[str, Any] = {
        key.replace(".", "_"): [None if row[key] in ("", "NA") else float(row[key]) for row in rows]
        for key in kinds
    }
    for column, kind in kinds.items():
        if kind["kind"] != "number":
            key = column.replace(".", "_")
            frame[key] = [None if one is None else int(one) for one in frame[key]]
    if len(rows) <= 100:
        frame["row"] = [str(at) for at in range(len(rows))]
    if "weight" in more:
        frame["w"] = [float(row["w"]) for row in rows]
    with client.append(name, producer="p") as stream:
        stream.send(frame)


def number(step: float, top: float = 1000) -> dict[str, Any]:
    return {"kind": "number", "range": [0, top], "step": step}


SCORE = {"kind": "rating", "scale": [0, 100]}
SWISS = {
    "Fertility": number(0.1), "Agriculture": number(0.1), "Examination": number(1),
    "Education": number(1), "Catholic": number(0.01), "Infant.Mortality": number(0.1),
}  # fmt: skip
ATTITUDE = dict.fromkeys(
    ["rating", "complaints", "privileges", "learning", "raises", "critical", "advance"], SCORE
)
MTCARS = {
    "mpg": number(0.1), "cyl": number(1), "disp": number(0.1), "hp": number(1), "gear": number(1)
}  # fmt: skip

# R 4.2.2: lm, relaimpo 2.2-7 (lmg, first, last, pratt, genizi), sandwich's HC1.
FIRST_LAST_PRATT = {
    "Agriculture": (0.124664909905748, 0.0428696071254940, -0.110485990962387),
    "Examination": (0.417164470500591, 0.0073874185151244, 0.106427404338934),
    "Education": (0.440615646723924, 0.1619626930773363, 0.445004567582031),
    "Catholic": (0.215003501618544, 0.0623726258274238, 0.161176814996607),
    "Infant.Mortality": (0.173518927324862, 0.0569452587324973, 0.104612205637541),
}


def expected(key: str, folder: Path = FOLDER) -> dict[str, Any]:
    text = (folder / "expected.json").read_text(encoding="utf-8")
    return dict(json.loads(text)[key])


@pytest.mark.parametrize(
    ("table", "key", "kinds"),
    [
        ("swiss", "swiss", SWISS),
        ("attitude", "attitude", ATTITUDE),
        ("mtcars", "mtcars_mpg_cyl_disp_hp_gear", MTCARS),
    ],
)
def test_regression_and_importance(
    client: cx.Client, unique: str, table: str, key: str, kinds: dict[str, Any]
) -> None:
    outcome, *drivers = (name.replace(".", "_") for name in kinds)
    model = {"outcome": outcome, "drivers": drivers, "robust": True, "leverage": True}
    load(client, unique, read(table), kinds, {"models": {"m": model}})
    figures = expected(key)["ols"]
    fit = client.regression(unique, "m", errors="classical")
    # By rows that are clusters of their own, the errors are HC1's too.
    hc1 = [
        client.regression(unique, "m", errors="HC1"),
        client.regression(unique, "m", errors="cluster", cluster="row"),
    ]
    hc0 = client.regression(unique, "m", errors="HC0")
    assert (fit.n, fit.df_resid) == (figures["n"], figures["df_resid"])
    for name, mine in (("r2", fit.r2), ("adj_r2", fit.adj_r2), ("sigma", fit.sigma),
                       ("F", fit.f), ("rss", fit.rss)):  # fmt: skip
        assert mine == close(figures[name]), name
    for term in fit.terms:
        theirs = term.term.replace("Infant_", "Infant.")
        assert term.coefficient == close(figures["coef"][theirs])
        assert term.se == close(figures["se"][theirs])
        assert term.t == close(figures["t"][theirs])
        assert term.p == pytest.approx(figures["p"][theirs], rel=1e-11)
        bounds = [term.interval.lower, term.interval.upper]
        assert bounds == pytest.approx(figures["ci95"][theirs], rel=1e-11)
        for robust_fit in hc1:
            (mine,) = (one.se for one in robust_fit.terms if one.term == term.term)
            assert mine == close(figures["se_hc1"][theirs])
        (mine,) = (one.se for one in hc0.terms if one.term == term.term)
        less = (figures["df_resid"] / figures["n"]) ** 0.5
        assert mine == close(less * figures["se_hc1"][theirs])
        assert (term.df, hc0.terms[0].df) == (figures["df_resid"], figures["df_resid"])
        if term.term != "const":
            assert term.beta == close(figures["beta_std"][theirs])
            assert term.vif == close(figures["vif"][theirs])
    for term in client.regression(unique, "m", errors="HC3").terms:
        theirs = term.term.replace("Infant_", "Infant.")
        assert term.se == pytest.approx(figures["se_hc3"][theirs], rel=1e-11)
    found = client.drivers(unique, "m")
    assert found.r2 == close(figures["r2"])
    for driver in found.drivers:
        theirs = driver.driver.replace("Infant_", "Infant.")
        assert driver.lmg == close(figures["lmg"][theirs])
        assert driver.johnson == close(figures["johnson"][theirs])
        assert driver.first == close(figures["r_with_y"][theirs] ** 2)
        if table == "swiss":
            mine = (driver.first, driver.last, driver.pratt)
            assert mine == pytest.approx(FIRST_LAST_PRATT[theirs], rel=R_DIGITS)


# flipRegression, tests/testthat/test-relativeimportance.R: se[v2], t[v3], p[v1].
FLIP = {
    False: (0.00639974583223708, 1.67709811051115, 0.601689357057393),
    True: (0.00922220001471266, 1.80434200504385, 0.63974959606131),
}


@pytest.mark.parametrize("weighted", [False, True])
def test_displayr(client: cx.Client, unique: str, weighted: bool) -> None:
    rows = read("displayr_relative_importance")
    kinds = {key: {"kind": "rating", "scale": [1, 10]} for key in ["y", "v1", "v2", "v3"]}
    model = {"outcome": "y", "drivers": ["v1", "v2", "v3"]}
    weight = {"weight": {"column": "w", "step": 1e-12}} if weighted else {}
    load(client, unique, rows, kinds, {"models": {"m": model}, **weight})
    figures = expected("displayr_weighted" if weighted else "displayr_unweighted")
    found = client.drivers(unique, "m", weighting="declared" if weighted else "none")
    # Weights count at their nearest step of 1e-12.
    near = {"rel": 1e-11} if weighted else {"rel": R_DIGITS}
    assert (found.n, found.r2) == (figures["n"], pytest.approx(figures["r2"], **near))
    for driver in found.drivers:
        assert driver.johnson == pytest.approx(figures["johnson_raw"][driver.driver], **near)
        share = 100 * driver.johnson / found.r2
        assert share == pytest.approx(figures["johnson_pct"][driver.driver], **near)
    v1, v2, v3 = found.drivers
    mine = (v2.johnson_axes_se, v3.johnson_t, v1.johnson_p)
    assert mine == pytest.approx(FLIP[weighted], **near)


@pytest.mark.parametrize("scale", ["A", "C", "E", "N", "O"])
def test_alpha_of_bfi(client: cx.Client, unique: str, scale: str) -> None:
    figures = expected("bfi")[scale]
    words = {True: "lower_is_better", False: "higher_is_better"}
    kinds = {
        name: {"kind": "rating", "scale": [1, 6], "direction": words[f"-{name}" in figures["keys"]]}
        for name in figures["items"]
    }
    items = list(kinds)
    model = {"outcome": items[0], "drivers": items[1:], "robust": True}
    load(client, unique, read("bfi"), kinds, {"models": {"m": model}})
    found = client.reliability(unique, items)
    assert found.n == figures["n"]
    assert found.alpha == close(figures["alpha"])
    assert found.alpha_standardised == close(figures["std_alpha"])
    assert found.mean_inter_item == close(figures["mean_inter_item_r"])
    for item in found.items:
        assert item.alpha_if_dropped == close(figures["alpha_if_dropped"][item.item])


# psych's own default, over pairs of complete answers, to the digits of R; O's item 2 is reversed too.
PAIRWISE = {
    "A": 0.703018446057304, "C": 0.726734972926683, "E": 0.761732820297786,
    "N": 0.813962949917476, "O": 0.600172514820215,
}  # fmt: skip


@pytest.mark.parametrize("scale", list(PAIRWISE))
def test_alpha_of_bfi_over_pairs(client: cx.Client, unique: str, scale: str) -> None:
    figures = expected("bfi")[scale]
    words = {True: "lower_is_better", False: "higher_is_better"}
    kinds = {
        name: {"kind": "rating", "scale": [1, 6], "direction": words[f"-{name}" in figures["keys"]]}
        for name in figures["items"]
    }
    load(client, unique, read("bfi"), kinds, {"insights": {"questions": list(kinds)}})
    found = client.reliability(unique, list(kinds), missing="pairwise")
    assert found.alpha == close(PAIRWISE[scale])
    assert found.n > figures["n"] and found.interval is None and found.dropped == {}


def test_alpha_of_attitude(client: cx.Client, unique: str) -> None:
    model = {"outcome": "rating", "drivers": list(ATTITUDE)[1:]}
    load(client, unique, read("attitude"), ATTITUDE, {"models": {"m": model}})
    figures = expected("attitude")["alpha"]
    found = client.reliability(unique, list(ATTITUDE))
    assert (found.n, found.alpha) == (30, close(figures["alpha"]))
    # psych: alpha(attitude) prints ase .042, Feldt .74 to .92, Duhachek .76 to .93, and r.drop.
    near = 1.96 * found.normal_se
    printed = (found.normal_se, found.interval.lower, found.interval.upper)
    assert printed == pytest.approx((0.042, 0.74, 0.92), abs=PRINTED_2)
    assert (found.alpha - near, found.alpha + near) == pytest.approx((0.76, 0.93), abs=PRINTED_2)
    drops = [one.item_total for one in found.items]
    assert drops == pytest.approx([0.67, 0.74, 0.56, 0.71, 0.79, 0.27, 0.46], abs=PRINTED_2)
    assert found.alpha_standardised == close(figures["std_alpha"])
    assert found.mean_inter_item == close(figures["mean_inter_item_r"])
    for item in found.items:
        assert item.alpha_if_dropped == close(figures["alpha_if_dropped"][item.item])


def test_alpha_of_pingouin(client: cx.Client, unique: str) -> None:
    long: dict[str, dict[str, str]] = {}
    for row in read("pingouin_cronbach_alpha_long"):
        long.setdefault(row["Subj"], {})[row["Items"]] = row["Scores"]
    items = sorted(next(iter(long.values())))
    kinds = {key: {"kind": "rating", "scale": [0, 20]} for key in items}
    model = {"outcome": items[0], "drivers": items[1:]}
    load(client, f"{unique}-long", list(long.values()), kinds, {"models": {"m": model}})
    found = client.reliability(f"{unique}-long", items)
    figures = expected("pingouin_long")
    assert (found.n, found.alpha) == (figures["n"], close(0.5917188485995826))
    assert found.alpha_standardised == close(figures["std_alpha"])
    assert found.mean_inter_item == close(figures["mean_inter_item_r"])
    for item in found.items:
        assert item.alpha_if_dropped == close(figures["alpha_if_dropped"][item.item])
    bounds = [found.interval.lower, found.interval.upper]
    assert bounds == pytest.approx([0.195, 0.840], abs=PRINTED_3)

    wide = read("pingouin_cronbach_wide_missing")
    items = list(wide[0])
    kinds = {key: {"kind": "rating", "scale": [0, 5]} for key in items}
    model = {"outcome": items[0], "drivers": items[1:]}
    more = {"models": {"m": model}, "insights": {"questions": items}}
    load(client, f"{unique}-wide", wide, kinds, more)
    pairs = client.reliability(f"{unique}-wide", items, missing="pairwise")
    assert pairs.alpha == close(0.732660835214447)
    with pytest.raises(cx.InvalidInput, match="no interval"):
        client.reliability(f"{unique}-wide", items, missing="pairwise", interval="feldt")
    found = client.reliability(f"{unique}-wide", items)
    # Of the nine complete rows; pingouin printed the interval of n = 12.
    assert (found.n, found.alpha) == (9, close(0.8016949152542373))
    bounds = [found.interval.lower, found.interval.upper]
    assert bounds == pytest.approx([0.533, 0.947], abs=PRINTED_3)


@pytest.mark.parametrize("name", ["2factor", "3factor", "4factor", "5factor", "3vector"])
def test_factors_of_das_gupta(client: cx.Client, name: str) -> None:
    figures = expected(name, MIX)
    with (MIX / f"dasgupta_{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    effects = figures["effects_1970_minus_1960" if name == "3vector" else "effects"]
    sides = sorted({row["pop"] for row in rows})
    found = client.decompose(
        {
            factor: tuple(
                [float(row[factor]) for row in rows if row["pop"] == one] for one in sides
            )
            for factor in effects
        }  # type: ignore[arg-type]
    )
    assert {one.factor: one.effect for one in found.effects} == pytest.approx(effects, rel=R_DIGITS)
    ends = ("rate_1960", "rate_1970") if name == "3vector" else ("rate0", "rate1")
    assert [found.before, found.after] == pytest.approx(
        [figures[one] for one in ends], rel=R_DIGITS
    )
    if name != "3vector":
        assert found.change == close(figures["change"])
        assert sum(one.effect for one in found.effects) == close(figures["sum_effects"])
        digits = 5.1e-4 if name == "2factor" else 5.1e-8
        printed = figures["published_values_assigned_to_the_right_factor"]
        assert {one.factor: one.effect for one in found.effects} == pytest.approx(
            printed, abs=digits
        )
    else:
        both = {one.factor: (one.before, one.after) for one in found.effects}
        printed = figures["published_standardised_rates"]
        for factor in effects:
            assert list(both[factor]) == pytest.approx(printed[factor], abs=0.051)


def test_reconviction(client: cx.Client, unique: str) -> None:
    with (MIX / "reconv.csv").open() as file:
        cells = [row for row in csv.DictReader(file) if row["year"] in ("2004", "2005", "2016")]
    client.put_program(
        {
            "name": unique,
            "questions": {"again": {"kind": "boolean"}},
            "dimensions": {"sex": {}, "age": {}},
            "time": {"column": "at", "buckets": ["year"]},
            "views": [{"by": ["sex", "age"]}],
        }
    )
    frame: dict[str, list[Any]] = {"again": [], "sex": [], "age": [], "at": []}
    for row in cells:
        n, yes = int(row["offenders"]), int(row["reconvicted"])
        frame["again"] += [True] * yes + [False] * (n - yes)
        frame["sex"] += [row["Sex"]] * n
        frame["age"] += [row["Age"]] * n
        frame["at"] += [dt.date(int(row["year"]), 6, 1)] * n
    with client.append(unique, producer="p") as stream:
        stream.send(frame)
    for years in ("2004_2005", "2004_2016"):
        figures = expected("reconviction_rate", MIX)[years]
        first, last = (int(one) for one in years.split("_"))
        found = client.change(
            unique, "csat", "again", by=["sex", "age"],
            before=(f"{first}-01-01", f"{first + 1}-01-01"),
            after=(f"{last}-01-01", f"{last + 1}-01-01"),
        )  # fmt: skip
        mine = [found.before, found.after, found.mix.value, found.rate.value]
        theirs = [100 * figures[one] for one in ("rate0", "rate1", "mix", "rate_effect")]
        # Differences of rates of some 32 %.
        assert mine == pytest.approx(theirs, rel=R_DIGITS, abs=100 * R_DIGITS)
