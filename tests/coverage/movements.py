"""What moved a score: mix and rate between two periods, and leave-one-out impacts."""

from functools import partial

import numpy as np

from cxstream.analytics.change import change
from cxstream.analytics.impact import impacts
from cxstream.analytics.scores import Scores
from tests.coverage.scenario import FEW, Case, Scenario

#: Segments' shares before and after, and their classes before and after; percent.
PERIODS = {
    "three segments that move": (
        ((50, 30, 20), ((15, 25, 60), (20, 30, 50), (10, 20, 70))),
        ((40, 30, 30), ((20, 25, 55), (15, 25, 60), (10, 15, 75))),
    ),
    "three skewed segments": (
        ((50, 30, 20), ((2, 8, 90), (5, 15, 80), (2, 8, 90))),
        ((40, 30, 30), ((4, 8, 88), (2, 8, 90), (2, 8, 90))),
    ),
    "one segment of 5 %": (
        ((65, 30, 5), ((15, 25, 60), (20, 30, 50), (10, 20, 70))),
        ((65, 30, 5), ((15, 25, 60), (20, 30, 50), (40, 20, 40))),
    ),
}


def points_of(period):
    shares, classes = (np.array(one, dtype=float) / 100.0 for one in period)
    return shares, 100.0 * (classes[:, 2] - classes[:, 0]), shares[:, None] * classes


def _change(name, sizes, rng, replications):
    sides = [points_of(one) for one in PERIODS[name]]
    (s_0, n_0, cells_0), (s_1, n_1, cells_1) = sides
    reference = (s_0 @ n_0 + s_1 @ n_1) / 2.0
    mix = (s_1 - s_0) * ((n_0 + n_1) / 2.0 - reference)
    rate = (s_0 + s_1) / 2.0 * (n_1 - n_0)
    before, after = (
        rng.multinomial(n, cells.ravel(), size=replications).reshape(replications, -1, 3)
        for n, cells in zip(sizes, (cells_0, cells_1), strict=True)
    )
    found = [change(Scores.of_nets(a), Scores.of_nets(b))
             for a, b in zip(before, after, strict=True)]  # fmt: skip
    for variant, true in (
        ("change", (mix + rate).sum()),
        ("mix", mix.sum()),
        ("rate", rate.sum()),
    ):
        every = [getattr(one, variant).interval for one in found]
        yield Case("Effect.interval", every, float(true), variant=variant)
    for variant, true in (("mix", mix[-1]), ("rate", rate[-1]), ("contribution", (mix + rate)[-1])):
        # A segment that nobody of either period is in has no row in an answer.
        last = [one.segments[-1] for one in found]
        every = [
            None if one.presence == "absent" else getattr(one, variant).interval for one in last
        ]
        yield Case("Effect.interval", every, float(true), variant=f"{variant}, last segment")


def _impact(name, n, rng, replications):
    shares, points, cells = points_of(PERIODS[name][0])
    whole = float(shares @ points)
    counts = rng.multinomial(n, cells.ravel(), size=replications).reshape(replications, -1, 3)
    found = [impacts(Scores.of_nets(one), Scores.of_nets(one.sum(axis=0)[None])) for one in counts]
    for at in (0, -1):
        without = (whole - shares[at] * points[at]) / (1.0 - shares[at])
        variant = f"segment of {100 * shares[at]:.0f} %"
        yield Case("Impact.interval", [one[at].interval for one in found], whole - without,
                   variant=variant)  # fmt: skip


def scenarios():
    for name in PERIODS:
        for n in (30, 100, 1_000):
            yield Scenario("Change of NPS, mix and rate", name, n, partial(_change, name, (n, n)),
                           f"{n:,} and {n:,}", FEW)  # fmt: skip
            yield Scenario("Impact of a segment on NPS", name, n, partial(_impact, name, n),
                           replications=FEW)  # fmt: skip
