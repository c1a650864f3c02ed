"""Lag-1 autocorrelation: certified and published values, gaps, and how often it cries wolf."""

import csv
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa.stattools import acf

from cxstream.analytics.autocorrelation import lag_1
from cxstream.analytics.monitoring import monitor
from cxstream.analytics.nps import nps
from tests.analytics.test_nist import digits
from tests.analytics.tolerances import CERTIFIED_DIGITS, FLOAT_ORACLE, PRINTED_12

DATA = Path(__file__).parents[1] / "data" / "nist_strd"
CERTIFIED = json.loads((DATA / "certified.json").read_text())["univariate"]


def of(values):
    """Autocorrelation of a series in which None is a gap."""
    known = np.array([one is not None for one in values], dtype=bool)
    return lag_1([Fraction(one or 0) for one in values], known)


@pytest.mark.parametrize("name", sorted(CERTIFIED))
def test_nist(name):
    with (DATA / f"{name}.csv").open() as file:
        values = [row["y"] for row in csv.DictReader(file)]
    found = of(values)
    assert digits(found.value, CERTIFIED[name]["lag1_autocorrelation"]) >= CERTIFIED_DIGITS
    assert found.se == pytest.approx(len(values) ** -0.5, rel=FLOAT_ORACLE)


def test_gaps_are_taken_as_r_takes_missing_values():
    # acf(c(3, 5, NA, 8, 2, 7, 7, NA, NA, 1, 4, 6), na.action = na.pass)$acf[2] of R 4
    found = of([3, 5, None, 8, 2, 7, 7, None, None, 1, 4, 6])
    assert found.value == pytest.approx(-0.2323097463284379, rel=PRINTED_12)
    # Six pairs follow each other.
    assert found.se == pytest.approx(7**-0.5, rel=FLOAT_ORACLE)


@given(st.lists(st.integers(-100, 100), min_size=3, max_size=30), st.integers(1, 9), st.integers())
def test_without_gaps_it_is_that_of_statsmodels_in_any_unit(values, scale, shift):
    found = of(values)
    if len(set(values)) == 1:
        assert found is None
        return
    assert found.value == pytest.approx(acf(values, nlags=1)[1], rel=FLOAT_ORACLE, abs=FLOAT_ORACLE)
    assert of([scale * one + shift for one in values]).value == pytest.approx(
        found.value, rel=FLOAT_ORACLE, abs=FLOAT_ORACLE
    )
    assert of([None, *values, None, None]) == found


@pytest.mark.parametrize(
    "values", [[], [1], [1, 2], [1, None, 2, None, 3], [4, 4, 4, 4], [None] * 5]
)
def test_where_there_is_none(values):
    assert of(values) is None


def test_independent_buckets_are_seldom_taken_for_dependent_ones():
    random = np.random.default_rng(5)
    below = []
    for _ in range(400):
        counts = random.multinomial(30, (0.15, 0.25, 0.6), 50)
        below.append(monitor(nps(counts), classes=counts, lowest=-100.0).autocorrelation_p < 0.05)
    # Three standard errors of 400 series, above 0.05 and below 0.03
    assert 0.005 < np.mean(below) < 0.085


def test_only_the_buckets_of_the_baseline_count():
    random = np.random.default_rng(6)
    counts = np.vstack([random.multinomial(50, p, 20) for p in ((0.1, 0.2, 0.7), (0.6, 0.2, 0.2))])
    first = np.arange(40) < 20
    whole, known = (
        monitor(nps(counts), classes=counts, lowest=-100.0, baseline=base) for base in (None, first)
    )
    # A shift makes neighbours alike; within either half they are not.
    assert whole.autocorrelation > 0.8 and whole.autocorrelation_p < 1e-6
    scores = [one.score for one in known.buckets[:20]]
    assert known.autocorrelation == pytest.approx(acf(scores, nlags=1)[1], rel=FLOAT_ORACLE)
