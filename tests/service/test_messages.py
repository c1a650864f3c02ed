"""An answer in columns becomes the very message that its rows become, field by field."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message

from cxstream.analytics.ces import VARIANTS, ces_columns
from cxstream.analytics.columns import Columns
from cxstream.analytics.csat import csat_columns
from cxstream.analytics.distribution import distribution_columns, number_columns
from cxstream.analytics.drivers import drivers, drivers_columns
from cxstream.analytics.index import POLICIES, Part, index, index_columns
from cxstream.analytics.nps import nps, nps_columns
from cxstream.analytics.regression import fit, fit_arrays
from cxstream.analytics.robust import heteroscedastic, heteroscedastic_arrays
from cxstream.analytics.scorecard import scorecard_columns
from cxstream.answers import Answer, AsOf, ColumnRows, GroupKey, GroupKeys
from cxstream.service.messages import to_reply
from cxstream_api.v1 import drivers_pb2, metrics_pb2, models_pb2
from tests.analytics.sums_of_rows import products

GROUPS = 64
AS_OF = AsOf("p", 3, 1000, 7, "total")
LEVELS = ("", "b", "b" * 200, "Zürich", None)


def both(
    values: Columns, response: type[Message], labels: tuple[tuple[str, str], ...] = ()
) -> tuple[Any, Any]:
    """Return the message made from columns, and the one made from rows."""
    named = "shop", "month"
    keys = GroupKeys(
        [(at % 5, at) for at in range(GROUPS)],
        lambda place, at: GroupKey(
            named[place],
            f"2024-{at}" if place else LEVELS[at],
            "Shop" * (at % 2) * (1 - place),
        ),
    )
    responses = np.arange(GROUPS, dtype=np.int64) << 30
    reasons = {"null": np.arange(GROUPS) % 3, "missing:99": np.arange(GROUPS) << 33}
    rows = ColumnRows(keys, responses, reasons, values, labels)
    answer = Answer(AS_OF, rows, digest="d")
    by_row = dataclasses.replace(answer, rows=list(rows))
    assert all(all(row.dropped.values()) for row in by_row.rows)
    return tuple(response.FromString(to_reply(one, response)) for one in (answer, by_row))


@pytest.mark.parametrize("method", ["score", "adjusted_wald", "wald"])
def test_nps(method):
    classes = np.random.default_rng(1).integers(0, 300, (GROUPS, 3))
    classes[0] = 0
    classes[1] = 0, 0, 1
    classes[2] = 2**40, 3, 2**41
    values = nps_columns(classes, method=method)
    assert values.rows() == nps(classes, method=method)
    columns, rows = both(values, metrics_pb2.NpsResponse)
    assert columns == rows and len(columns.rows) == GROUPS
    assert not columns.rows[0].HasField("score") and columns.rows[2].n == 2**40 + 3 + 2**41
    assert [key.HasField("level") for key in columns.rows[4].group] == [False, True]


@pytest.mark.parametrize("policy", POLICIES)
def test_index(policy):
    rng = np.random.default_rng(2)
    answers = rng.integers(0, 5, (20 * GROUPS, 2))
    answered = rng.random(answers.shape) < 0.7
    group = rng.integers(0, GROUPS, len(answers))
    answered[group == 0] = False  # nobody, and in the next nobody in one part
    answered[group == 1, 0] = False
    one_each = np.column_stack([np.ones(len(answers), dtype=np.int64), answers * answered])
    upper = np.triu_indices(3)
    sums = (one_each[:, :, None] * one_each[:, None, :])[:, upper[0], upper[1]]
    pattern = (answered @ [1, 2]).astype(np.uint64)
    given: dict[str, Any] = {
        "groups": GROUPS,
        "ranges": [4, 4],
        "reverse": [False, True],
        "parts": [Part("food", 0.3, (0,)), Part("staff", 0.7, (1,))],
        "policy": policy,
    }
    values = index_columns(group, pattern, sums, **given)
    assert values.rows() == index(group, pattern, sums, **given)
    labels = (("food", "What you ate"), ("staff", ""))
    columns, rows = both(values, metrics_pb2.WeightedIndexResponse, labels)
    assert columns == rows
    assert columns.rows[2].parts[0].label == "What you ate"
    assert not columns.rows[0].HasField("score") and columns.rows[3].HasField("interval")


@pytest.mark.parametrize("intercept", [True, False])
def test_regression(intercept):
    rng = np.random.default_rng(3)
    table = []
    for group in range(GROUPS):
        n = group if group < 4 else 30
        codes = rng.integers(0, 5, (n, 3))
        if group == 5:
            codes[:, 2] = 0 if intercept else 3  # constant_outcome; a fit without an intercept
        if group == 6:
            codes[:, 1] = codes[:, 0]  # collinear
        if group == 7:
            codes[:, 2] = codes[:, 0]  # exact
        with_one = np.column_stack([np.ones(n, dtype=np.int64), codes])
        table.append((with_one.T @ with_one)[np.triu_indices(4)])
    given: dict[str, Any] = {
        "origins": [0, 1, 0],
        "steps": [1, Fraction(1, 2), 1],
        "names": ["a", "b", "y"],
        "outcome": 2,
        "drivers": [0, 1],
        "intercept": intercept,
    }
    fits = fit_arrays(np.array(table), **given)
    assert fits.columns().rows() == fit(np.array(table), **given)
    columns, rows = both(fits.columns(), models_pb2.RegressionResponse, (("a", "A"), ("b", "")))
    assert columns == rows
    assert len({row.status for row in columns.rows}) == (4 if intercept else 2)
    assert [term.label for term in columns.rows[-1].terms][-2:] == ["A", ""]
    assert not columns.rows[7].terms[-1].HasField("t") and columns.rows[7].terms[-1].HasField("se")


def four_columns(rng: np.random.Generator) -> tuple[list[list[int]], list[list[int]]]:
    """Return second- and fourth-order sums, the first groups without a fit, or without an inverse."""
    second, fourth = [], []
    for group in range(GROUPS):
        codes = rng.integers(0, 5, (group if group < 6 else 30, 3))
        if group == 6:
            codes[:, 2] = 2  # constant_outcome
        if group == 7:
            codes[:, 1] = codes[:, 0]  # collinear
        second.append(products(codes, 2))
        fourth.append(products(codes, 4))
    return second, fourth


@pytest.mark.parametrize("robust", [True, False])
def test_drivers(robust):
    second, fourth = four_columns(np.random.default_rng(4))
    given: dict[str, Any] = {
        "names": ["a", "b", "y"],
        "outcome": 2,
        "drivers": [0, 1],
        "ranges": [4] * 3,
        "reverse": [False, True, False],
        "fourth": fourth if robust else None,
    }
    values = drivers_columns(second, **given)
    assert values.rows() == drivers(second, **given)
    columns, rows = both(values, drivers_pb2.DriversResponse, (("a", "A"), ("b", "")))
    assert columns == rows
    assert len({row.status for row in columns.rows}) == 4
    assert [one.label for one in columns.rows[-1].drivers] == ["A", ""]
    assert len({one.sign for row in columns.rows for one in row.drivers}) == 3
    for row in columns.rows[7:9]:
        has_errors = robust and row is columns.rows[8]
        assert [one.HasField("interval") for one in row.drivers] == [has_errors] * 2
        assert [bool(one.quadrant) for one in row.drivers] == [has_errors] * 2


def test_robust_errors():
    second, fourth = four_columns(np.random.default_rng(5))
    given: dict[str, Any] = {
        "kind": "HC1",
        "origins": [0] * 3,
        "steps": [1] * 3,
        "names": ["a", "b", "y"],
        "outcome": 2,
        "drivers": [0, 1],
    }
    fits = heteroscedastic_arrays(second, fourth, **given)
    assert fits.columns().rows() == heteroscedastic(second, fourth, **given)
    columns, rows = both(fits.columns(), models_pb2.RegressionResponse, (("a", "A"), ("b", "")))
    assert columns == rows
    assert len({row.status for row in columns.rows}) == 4


HISTOGRAM = np.random.default_rng(4).integers(0, 40, (GROUPS, 5))
HISTOGRAM[0] = 0
HISTOGRAM[1] = 0, 0, 0, 0, 1
HISTOGRAM[2] = 2**40, 1, 2**39, 0, 0  # too many for sums in float64
CODED = tuple((str(code), "x" * code) for code in range(1, 6))


@pytest.mark.parametrize("reverse", [False, True])
def test_csat(reverse):
    values = csat_columns(HISTOGRAM, top_from=3, reverse=reverse)
    columns, rows = both(values, metrics_pb2.CsatResponse)
    assert columns == rows and not columns.rows[1].HasField("mean_se")


@pytest.mark.parametrize("variant", VARIANTS)
def test_ces(variant):
    values = ces_columns(HISTOGRAM, variant=variant, low_to=1, high_from=4, agree_from=3)
    columns, rows = both(values, metrics_pb2.CesResponse)
    assert columns == rows and columns.rows[5].HasField("positive") == (variant != "mean")


@pytest.mark.parametrize("values", [None, [Fraction(k, 3) for k in range(5)]])
def test_distribution(values):
    found = distribution_columns(HISTOGRAM, values)
    columns, rows = both(found, metrics_pb2.DistributionResponse, CODED)
    labels = [one.label for one in columns.rows[0].levels]
    assert columns == rows and labels == [label for _, label in CODED]


def test_distribution_of_a_number():
    n = np.array([*range(GROUPS - 1), 2**70], dtype=object)
    found = number_columns(n, 3 * n, 11 * n, origin=Fraction(1, 2), step=Fraction(1, 100))
    small = dataclasses.replace(found, fields={**found.fields, "n": np.minimum(n, 2**40)})
    columns, rows = both(small, metrics_pb2.DistributionResponse)
    assert columns == rows and not columns.rows[3].levels


@pytest.mark.parametrize("multiple", [False, True])
def test_scorecard(multiple):
    base = HISTOGRAM.max(axis=1) if multiple else HISTOGRAM.sum(axis=1)
    values = scorecard_columns(HISTOGRAM, base, multiple=multiple)
    columns, rows = both(values, metrics_pb2.ScorecardResponse, CODED)
    assert columns == rows and columns.rows[0].options[0].rank == 0
