"""What is simulated, and what is found."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cxstream.analytics.intervals import Interval

#: Replications where a call of thousands of groups is cheap, and where each costs some work. The
#: standard error of a coverage of 95 % is 0.34 and 0.49 points.
MANY = 4_000
FEW = 2_000

#: Group sizes of statistics that are cheap to simulate.
SIZES = (5, 10, 20, 30, 50, 100, 300, 1_000, 5_000)


@dataclass(frozen=True)
class Case:
    """One kind of interval in all replications of a scenario.

    `field` is where the interval stands, such as ``Nps.interval``. With several true values the
    intervals of a replication follow each other, and hold if all of them do. `default` is false for
    what only those get who ask for it. `variant` tells cases of the same field and method apart.
    """

    field: str
    intervals: Sequence[Interval | None]
    truth: float | Sequence[float]
    default: bool = True
    variant: str = ""


Simulate = Callable[[np.random.Generator, int], Iterable[Case]]


@dataclass(frozen=True)
class Scenario:
    """A true distribution and a size; `n` is that of the smallest group."""

    statistic: str
    truth: str
    n: int
    simulate: Simulate
    sizes: str = ""
    replications: int = MANY

    @property
    def size(self) -> str:
        return self.sizes or f"{self.n:,}"

    @property
    def seed(self) -> int:
        """Of this scenario alone: others may come and go."""
        return zlib.crc32(f"{self.statistic}/{self.truth}/{self.size}".encode())


@dataclass(frozen=True)
class Row:
    """What a case came to; shares of replications in percent.

    `below`: the whole interval lies below the true value. `undefined`: there is no interval; all
    other figures are over the rest.
    """

    statistic: str
    field: str
    method: str
    variant: str
    default: bool
    truth: str
    size: str
    n: int
    replications: int
    coverage: float
    below: float
    above: float
    width: float
    undefined: float


def run(scenario: Scenario, replications: int | None = None) -> list[Row]:
    """Simulate a scenario."""
    count = scenario.replications if replications is None else replications
    rng = np.random.default_rng(scenario.seed)
    return [_row(scenario, case, count) for case in scenario.simulate(rng, count)]


def _row(scenario: Scenario, case: Case, replications: int) -> Row:
    truth = np.atleast_1d(np.asarray(case.truth, dtype=np.float64))
    found = next((one for one in case.intervals if one is not None), None)
    assert found is not None, f"{scenario}: no interval at all"
    bounds = np.array(
        [(np.nan, np.nan) if one is None else (one.lower, one.upper) for one in case.intervals]
    ).reshape(replications, len(truth), 2)
    known = np.isfinite(bounds).all(axis=(1, 2))
    lower, upper = bounds[known, :, 0], bounds[known, :, 1]
    # Bounds and true values of the same lattice may differ by a rounding.
    slack = 1e-9 * (1.0 + np.abs(truth))
    below, above = (upper < truth - slack).any(axis=1), (lower > truth + slack).any(axis=1)
    return Row(
        scenario.statistic,
        case.field,
        found.method,
        case.variant,
        case.default,
        scenario.truth,
        scenario.size,
        scenario.n,
        replications,
        *(100.0 * float(one.mean()) for one in (~(below | above), below, above)),
        float((upper - lower).mean()),
        100.0 * float((~known).mean()),
    )
