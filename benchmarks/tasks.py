"""The tasks, what an answer to each is, and when two answers are the same.

T1  NPS by region x age group.
T2  Delight index (weights .3 .2 .2 .1 .1 .1, renormalised over what was answered) by touchpoint x
    month.
T3  Regression of nps on the six ratings, complete cases, with standard errors and R2.
T4  Scorecard of improve by region.
T5  All of it in one pass by touchpoint x month x region: 1,728 groups, one regression each.
T6  The data arrives in batches; after every batch NPS, index and coefficients are available.

An answer is a dict of arrays, the groups along the first axis, by the numbers of their levels:

========================  =======================================================================
classes (g, 3), nps (g,)  detractors, passives, promoters; the score
index_n, index (g,)       who answered any rating; the mean of their indices, 0 to 100
base (g,), ticked (g, 8)  who answered improve; how many ticked each option
n, r2 (g,)                complete cases; R2
coefficients, se (g, 7)   the constant's first
========================  =======================================================================

Of T6, the first axis are the batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.workload import LEVELS, MONTHS, RATINGS

Answer = dict[str, NDArray[np.int64] | NDArray[np.float64]]

TASKS = {
    "T1": "NPS by region x age group",
    "T2": "index by touchpoint x month",
    "T3": "regression on six ratings",
    "T4": "scorecard by region",
    "T5": "all of it, 1,728 groups",
    "T6": "all current after every batch",
}
BATCH_ROWS = 65_536
#: Of asking everything again after every batch: after how many it is measured.
ASKED_MOST = 12
REGIONS, AGE_GROUPS, TOUCHPOINTS = LEVELS["region"], LEVELS["age_group"], LEVELS["touchpoint"]
GROUPS = TOUCHPOINTS * MONTHS * REGIONS
TERMS = 1 + len(RATINGS)
#: Columns of a row of sums: the upper triangle of the cross-products of [1, ratings, nps].
PRODUCTS = [(i, j) for i in range(TERMS + 1) for j in range(i, TERMS + 1)]

#: Means of up to 10 million floats, added in another order.
MEAN_TOLERANCE = 1e-9
#: Normal equations in float64: conditioning takes some digits.
SOLVED_TOLERANCE = 1e-7
#: Stochastic gradient descent after one pass, the constant included: units of nps.
APPROXIMATE_TOLERANCE = 1.0
_SOLVED = {"coefficients", "se", "r2"}
#: What T6 asks for.
T6_NAMES = ("nps", "index", "coefficients", "se", "r2")


def check(found: Answer, expected: Answer, *, approximate: bool = False) -> None:
    """Assert that answers are the same: whole numbers exactly, floats to their tolerance.

    Parameters
    ----------
    found : dict
        May lack what its library does not give, such as standard errors.
    approximate : bool
        The coefficients are not least squares: only those after the last batch count.
    """
    assert found
    for name, value in found.items():
        want = expected[name]
        assert value.shape == want.shape, (name, value.shape, want.shape)
        if want.dtype.kind == "i":
            assert (value == want).all(), name
        elif approximate and name in _SOLVED:
            assert np.abs(value[-1] - want[-1]).max() < APPROXIMATE_TOLERANCE, name
        else:
            tolerance = SOLVED_TOLERANCE if name in _SOLVED else MEAN_TOLERANCE
            scale = np.abs(want).max(initial=1.0)
            assert np.abs(value - want).max() <= tolerance * scale, name


class Again(Protocol):
    """A library that holds everything that came, and is asked anew about all of it."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Take another batch."""

    def ask(self) -> Answer:
        """Answer T6 over all there is; the first axis has length 1."""


def asked_after(batches: int) -> list[int]:
    """Return the batches after which it is measured: the middle of each of so many equal parts.

    What asking takes grows evenly with what there is, so that the mean over these is that over all.
    """
    parts = min(batches, ASKED_MOST)
    return [int((part + 0.5) * batches / parts) for part in range(parts)]


def ask_again(store: Again, batches: Sequence[pa.RecordBatch]) -> tuple[Answer, float]:
    """Return the answers after some of the batches, and the mean seconds to take one and to answer."""
    after, took_s = [], 0.0
    measured = set(asked_after(len(batches)))
    for number, batch in enumerate(batches):
        started_s = perf_counter()
        store.add(batch)
        if number in measured:
            after.append(store.ask())
            took_s += perf_counter() - started_s
    return stacked(after), took_s / len(measured)


def stacked(after: Sequence[Answer]) -> Answer:
    """Return answers after one batch each as one, of what T6 asks for."""
    return {name: np.concatenate([one[name] for one in after]) for name in T6_NAMES}


def nps_of(classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the score of counts of detractors, passives and promoters."""
    score: NDArray[np.float64] = 100.0 * (classes[..., 2] - classes[..., 0]) / classes.sum(axis=-1)
    return score


def least_squares(sums: NDArray[np.int64] | NDArray[np.float64]) -> Answer:
    """Solve the normal equations of every group, as one does it by hand.

    Parameters
    ----------
    sums : (g, 36) array
        Sums of `PRODUCTS` over complete cases.
    """
    table = np.empty((len(sums), TERMS + 1, TERMS + 1))
    for column, (i, j) in enumerate(PRODUCTS):
        table[:, i, j] = table[:, j, i] = sums[:, column]
    n = table[:, 0, 0]
    means = table[:, 0, 1:] / n[:, None]
    spread = table[:, 1:, 1:] - n[:, None, None] * means[:, :, None] * means[:, None, :]
    inverse = np.linalg.inv(spread[:, :-1, :-1])
    slopes = (inverse @ spread[:, :-1, -1:])[:, :, 0]
    total = spread[:, -1, -1]
    rss = total - (slopes * spread[:, :-1, -1]).sum(axis=1)
    variance = rss / (n - TERMS)
    x = means[:, :-1]
    constant = means[:, -1] - (slopes * x).sum(axis=1)
    leverage = 1 / n + np.einsum("gi,gij,gj->g", x, inverse, x)
    diagonal = np.einsum("gii->gi", inverse)
    return {
        "n": n.astype(np.int64),
        "coefficients": np.column_stack([constant, slopes]),
        "se": np.sqrt(variance[:, None] * np.column_stack([leverage, diagonal])),
        "r2": 1 - rss / total,
    }
