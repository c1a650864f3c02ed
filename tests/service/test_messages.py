"""An answer in columns becomes the very message that its rows become, field by field."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message

from cxstream.analytics.columns import Columns
from cxstream.analytics.index import POLICIES, Part, index, index_columns
from cxstream.analytics.nps import nps, nps_columns
from cxstream.analytics.regression import fit, fit_arrays
from cxstream.answers import Answer, AsOf, ColumnRows, GroupKey, GroupKeys
from cxstream.service.messages import to_reply
from cxstream_api.v1 import metrics_pb2, models_pb2

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
