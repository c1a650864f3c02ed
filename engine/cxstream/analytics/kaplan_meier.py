"""How long customers stay, whatever the shape: those still there count until they were last seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, Literal

from cxstream.analytics.intervals import Interval, normal_quantile

Method = Literal["log_log", "log", "plain"]
METHODS: Final[tuple[Method, ...]] = ("log_log", "log", "plain")
# What their intervals are called.
_INTERVALS: Final = {"log_log": "log_log", "log": "log_survival", "plain": "wald"}


@dataclass(frozen=True, slots=True)
class Step:
    """One time at which customers left or were last seen.

    Attributes
    ----------
    time : float
        Since their start.
    at_risk : int
        Customers there just before it.
    lost, censored : int
        Who left at it, and who was last seen at it without having left.
    survival, se : float
        Share that stays beyond it, 0..1, and Greenwood's standard error.
    interval : Interval or None
        Of survival; None while nobody has left, and where nobody is left.
    """

    time: float
    at_risk: int
    lost: int
    censored: int
    survival: float
    se: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class KaplanMeier:
    """Survival of customers of whom some are still there.

    Attributes
    ----------
    n, lost : int
        Customers, and how many of them left.
    median : float or None
        First time at which half or fewer are left; None where it was not reached.
    steps : tuple of Step
        By time.
    """

    FORMULAS: ClassVar = ("kaplan_meier",)

    n: int
    lost: int
    median: float | None
    steps: tuple[Step, ...]


def kaplan_meier(
    lost: Sequence[int],
    censored: Sequence[int],
    *,
    times: Sequence[float] = (),
    method: Method = "log_log",
    confidence: float = 0.95,
) -> KaplanMeier:
    """Estimate survival from counts by time, whoever is still there censored (Kaplan and Meier).

    ``S(t) = prod_{s <= t} (1 - d_s / n_s)``, with d_s who left at s of the n_s there just before;
    Greenwood's ``SE^2 = S^2 G``, ``G = sum d_s / (n_s (n_s - d_s))``. Those last seen at s are there
    just before it. Intervals: ``log_log`` (of log(-log S)), ``log`` (of log S, at most 1) and ``plain``
    (of S, within 0..1).

    Parameters
    ----------
    lost, censored : sequence of int
        By time: who left at it, and who was last seen at it without having left.
    times : sequence of float, optional
        Rising; 1, 2, .. if left out.
    method : {"log_log", "log", "plain"}
        Which interval.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    KaplanMeier

    Raises
    ------
    ValueError
        Counts below 0 or of different lengths, times that do not rise, an unknown method.

    References
    ----------
    Kaplan, E. L. and Meier, P. (1958), JASA 53, 457-481,
    https://doi.org/10.1080/01621459.1958.10501452; Kalbfleisch, J. D. and Prentice, R. L. (2002), The
    Statistical Analysis of Failure Time Data, 2nd ed., Wiley, 1.4
    """
    at = [float(one) for one in times] or [float(one) for one in range(1, len(lost) + 1)]
    if method not in METHODS:
        raise ValueError(f"interval {method!r} is not known: use one of {', '.join(METHODS)}")
    if not lost or not len(lost) == len(censored) == len(at):
        raise ValueError("lost, censored and times: expected one number of each for every time")
    if min(*lost, *censored) < 0:
        raise ValueError("customers are counted: no number is below 0")
    if not all(map(math.isfinite, at)) or any(b <= a for a, b in pairwise(at)):
        raise ValueError("times: expected numbers that rise")
    z = normal_quantile(confidence)
    there = n = sum(lost) + sum(censored)
    survival, spread = 1.0, 0.0
    steps: list[Step] = []
    median = None
    for time, gone, seen in zip(at, lost, censored, strict=True):
        if gone:
            survival *= 1.0 - gone / there
            spread += gone / (there * (there - gone)) if there > gone else 0.0
        known = 0.0 < survival < 1.0
        bounds = _bounds(survival, spread, z, method) if known else None
        interval = None
        if bounds is not None:
            interval = Interval(*bounds, _INTERVALS[method], confidence)
        se = survival * math.sqrt(spread)
        steps.append(Step(time, there, gone, seen, survival, se, interval))
        if median is None and there and survival <= 0.5:
            median = time
        there -= gone + seen
    return KaplanMeier(n, sum(lost), median, tuple(steps))


def _bounds(survival: float, spread: float, z: float, method: Method) -> tuple[float, float]:
    reach = z * math.sqrt(spread)
    if method == "log":
        return survival * math.exp(-reach), min(survival * math.exp(reach), 1.0)
    if method == "plain":
        return max(survival * (1.0 - reach), 0.0), min(survival * (1.0 + reach), 1.0)
    power = math.exp(reach / -math.log(survival))
    return survival**power, survival ** (1.0 / power)
