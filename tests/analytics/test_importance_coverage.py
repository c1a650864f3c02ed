"""How often intervals hold the truth, by simulation: what the docstrings say."""

from itertools import combinations_with_replacement

import numpy as np
import pytest

from cxstream.analytics.drivers import drivers
from cxstream.analytics.reliability import reliability
from cxstream.kernels.registry import warm

pytestmark = pytest.mark.slow

REPLICATIONS = 2000
# 93 to 97 % wanted; two standard errors of a share of 2,000 replications.
NOISE = 2 * (0.95 * 0.05 / REPLICATIONS) ** 0.5
# Shares that can hardly be told from none are covered too often.
AT_LEAST, AT_MOST = 0.93 - NOISE, 0.985 + NOISE
#: Rows that stand for the population.
POPULATION = 400_000


@pytest.fixture(autouse=True, scope="module")
def compiled():
    warm()


def products(rows, order):
    """Sums of products over the rows of each sample, (samples, sums)."""
    full = np.concatenate([np.ones((*rows.shape[:2], 1), dtype=np.int64), rows], axis=2)
    return np.stack(
        [
            np.prod(full[:, :, list(chosen)], axis=2).sum(axis=1)
            for chosen in combinations_with_replacement(range(full.shape[2]), order)
        ],
        axis=1,
    )


def outcomes(rng, samples, n, p, effects, shared):
    x = np.sqrt(shared) * rng.normal(size=(samples, n, 1))
    x = x + np.sqrt(1 - shared) * rng.normal(size=(samples, n, p))
    y = x @ np.array(effects) + rng.normal(size=(samples, n))
    # The outcome crowds at the top of its scale, as recommendations do.
    both = np.concatenate([x + 3, 2 * y[:, :, None] / y.std() + 7], axis=2)
    return np.clip(np.rint(both), 0, [6] * p + [10]).astype(np.int64)


def ask(rows):
    width = rows.shape[2]
    return drivers(
        products(rows, 2), names=[f"q{j}" for j in range(width)], outcome=width - 1,
        drivers=range(width - 1), ranges=[10] * width, reverse=[False] * width,
        fourth=products(rows, 4),
    )  # fmt: skip


@pytest.mark.parametrize("n", [30, 100, 500])
@pytest.mark.parametrize(
    "effects, shared",
    [
        ([0.5], 0.0),
        ([0.5, 0.3, 0.1], 0.5),
        ([0.6, 0.2, 0.0], 0.0),
        ([0.4, 0.3, 0.2, 0.1, 0.0], 0.4),
    ],
)
def test_importance(n, effects, shared):
    rng = np.random.default_rng(n + len(effects))
    p = len(effects)
    (whole,) = ask(outcomes(rng, 1, POPULATION, p, effects, shared))
    truth = [one.lmg for one in whole.drivers]
    held = np.zeros(p)
    for _ in range(10):
        found = ask(outcomes(rng, REPLICATIONS // 10, n, p, effects, shared))
        held += [
            sum(
                one.drivers[j].interval.lower <= t <= one.drivers[j].interval.upper for one in found
            )
            for j, t in enumerate(truth)
        ]
    coverage = held / REPLICATIONS
    assert (coverage >= AT_LEAST).all() and (coverage <= AT_MOST).all(), coverage


def items(rng, samples, n, loads, crowded):
    load = np.array(loads)
    z = rng.normal(size=(samples, n, 1)) * load
    z = z + rng.normal(size=(samples, n, len(load))) * np.sqrt(1 - load**2)
    return np.clip(np.rint(z * 1.2 + 3.6 if crowded else z + 2), 0, 4).astype(np.int64)


@pytest.mark.parametrize("n", [30, 100, 500])
@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.parametrize("loads", [[0.7] * 5, [0.9, 0.8, 0.6, 0.4, 0.3]])
def test_alpha(n, crowded, loads):
    rng = np.random.default_rng(n)
    k = len(loads)

    def ask_items(rows):
        return reliability(
            products(rows, 2), names=[f"q{j}" for j in range(k)], items=range(k), ranges=[4] * k,
            reverse=[False] * k, fourth=products(rows, 4),
        )  # fmt: skip

    truth = ask_items(items(rng, 1, POPULATION, loads, crowded))[0].alpha
    found = ask_items(items(rng, REPLICATIONS, n, loads, crowded))
    free = np.mean([one.free_interval.lower <= truth <= one.free_interval.upper for one in found])
    assert AT_LEAST <= free <= AT_MOST, free
    if not crowded:
        feldt = np.mean([one.interval.lower <= truth <= one.interval.upper for one in found])
        assert AT_LEAST <= feldt <= AT_MOST, feldt
