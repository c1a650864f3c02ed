"""NIST StRD through the whole of cxstream: number questions with declared steps.

Correct digits are -log10 of the relative error against the certified value, whose own 15 digits
are the limit. Those of statsmodels on the same columns are printed beside (`pytest -s`).
Provenance: tests/data/nist_strd/PROVENANCE.md.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

import cxstream_client as cx

DATA = Path(__file__).parents[1] / "data" / "nist_strd"
CERTIFIED = json.loads((DATA / "certified.json").read_text())

#: What is asked of every coefficient and standard error, and of the well-conditioned sets.
DIGITS_MIN = 12.0
DIGITS_WELL_CONDITIONED = 14.0
WELL_CONDITIONED = {"Norris", "Pontius", "NoInt1", "NoInt2"}


def digits(got: float | None, certified: str) -> float:
    """Return how many digits are right, 15 at the most."""
    assert got is not None
    want = float(certified)
    if got == want:
        return 15.0
    scale = abs(want) if want else 1.0
    return min(15.0, -math.log10(abs(got - want) / scale))


def columns_of(name: str, params: int) -> dict[str, list[Decimal]]:
    """Read a data set; polynomials get their powers as columns of their own, exactly."""
    with (DATA / f"{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = {key: [Decimal(row[key]) for row in rows] for key in rows[0]}
    if list(columns) == ["y", "x"] and not name.startswith("NoInt"):
        x = columns.pop("x")
        for power in range(1, params):
            columns[f"x{power}"] = [value**power for value in x]
    return columns


def question(values: list[Decimal]) -> dict[str, Any]:
    """Declare a column as a number: the step is its last decimal place."""
    places = max(0, *(-int(value.normalize().as_tuple().exponent) for value in values))
    low, high = min(values), max(values)
    return {
        "kind": "number",
        "range": [float(low), float(high if high > low else low + 1)],
        "step": float(Decimal(1).scaleb(-places)),
    }


@pytest.mark.parametrize("name", CERTIFIED["linear"])
def test_linear(client: cx.Client, unique: str, name: str) -> None:
    certified = CERTIFIED["linear"][name]
    columns = columns_of(name, certified["params"])
    drivers = [key for key in columns if key != "y"]
    intercept = not name.startswith("NoInt")
    client.put_program(
        {
            "name": unique,
            "questions": {key: question(values) for key, values in columns.items()},
            "models": {"fit": {"outcome": "y", "drivers": drivers, "intercept": intercept}},
        }
    )
    frame = {key: [float(value) for value in values] for key, values in columns.items()}
    with client.append(unique, producer="nist") as stream:
        stream.send(frame)
    row = client.regression(unique, "fit")[0]
    assert row.n == certified["n"]

    x = np.column_stack([frame[key] for key in drivers])
    theirs = sm.OLS(np.array(frame["y"]), sm.add_constant(x) if intercept else x).fit()
    needed = DIGITS_WELL_CONDITIONED if name in WELL_CONDITIONED else DIGITS_MIN
    coefficients = list(certified["coef"].values())
    errors = list(certified["se"].values())
    got = [
        (digits(term.coefficient, coefficient), digits(term.se, error))
        for term, coefficient, error in zip(row.terms, coefficients, errors, strict=True)
    ]
    ours = min(min(pair) for pair in got)
    other = min(
        min(digits(float(b), c), digits(float(s), e))
        for b, s, c, e in zip(theirs.params, theirs.bse, coefficients, errors, strict=True)
    )
    print(f"{name:10} cxstream {ours:4.1f} digits, statsmodels {other:4.1f}")  # noqa: T201
    assert ours >= needed
    assert digits(row.r2, certified["r_squared"]) >= needed
    assert digits(row.sigma, certified["residual_sd"]) >= needed
    table = {key: float(certified[key]) for key in ("regression_df", "residual_df")}
    assert (row.df_model, row.df_resid) == (table["regression_df"], table["residual_df"])
    assert digits(row.rss, certified["residual_ss"]) >= needed
    assert digits(row.sigma**2, certified["residual_ms"]) >= needed
    if certified["F"] == "Infinity":
        # No residuals: neither an F nor anything to divide by.
        assert row.f is None
    else:
        assert digits(row.f, certified["F"]) >= needed
        explained = row.f * row.df_model * row.sigma**2
        assert digits(explained, certified["regression_ss"]) >= needed
        assert digits(explained / row.df_model, certified["regression_ms"]) >= needed


@pytest.mark.parametrize("name", CERTIFIED["univariate"])
def test_univariate(client: cx.Client, unique: str, name: str) -> None:
    certified = CERTIFIED["univariate"][name]
    values = columns_of(name, 1)["y"]
    client.put_program(
        {
            "name": unique,
            "questions": {"y": question(values)},
            "time": {"column": "at", "buckets": ["day"]},
        }
    )
    # In the order of the file, which is the order in which they were measured: one a day.
    days = [dt.date(2001, 1, 1) + dt.timedelta(days=day) for day in range(len(values))]
    with client.append(unique, producer="nist") as stream:
        stream.send({"y": [float(value) for value in values], "at": days})
    row = client.distribution(unique, "y")[0]
    assert row.n == certified["n"]
    assert digits(row.mean, certified["mean"]) >= DIGITS_WELL_CONDITIONED
    assert digits(row.sd, certified["sd"]) >= DIGITS_WELL_CONDITIONED
    series = client.monitor(unique, "mean", "y", bucket="day")
    assert len(series) == certified["n"]
    assert digits(series.centre, certified["mean"]) >= DIGITS_WELL_CONDITIONED
    lag_1 = series.whole.autocorrelation
    assert digits(lag_1, certified["lag1_autocorrelation"]) >= DIGITS_WELL_CONDITIONED
