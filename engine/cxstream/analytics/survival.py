"""How long customers stay, from how many of a cohort are left: the shifted beta-geometric model."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from scipy.special import gammaln, hyp2f1, polygamma, psi

from cxstream.analytics.checks import Floats

#: Periods looked ahead.
AHEAD_MAX: Final = 1200
# Newton's steps; some ten suffice.
_STEPS: Final = 200
# Above it customers are all alike as far as the data tell, and the likelihood has no maximum.
_LARGEST: Final = 1e6
# Length of a step, relative, at which it has arrived.
_CLOSE: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Period:
    """One period of a cohort.

    Attributes
    ----------
    period : int
        1 is the first after the start.
    survivors : int or None
        Customers left at its end; None ahead of what was observed.
    survival, survival_se : float
        Share of the cohort left at its end, 0..1, by the model, and its standard error.
    retention : float
        Share of those there at its start who are left at its end.
    residual_lifetime : float or None
        Discounted expected periods still to come, of a customer who has stayed through it and is
        about to be charged for the next; None without a discount.
    """

    period: int
    survivors: int | None
    survival: float
    survival_se: float
    retention: float
    residual_lifetime: float | None


@dataclass(frozen=True, slots=True)
class Survival:
    """A cohort's model.

    Attributes
    ----------
    n : int
        Customers at the start.
    message : str
        Why there is no fit; "" where there is one.
    alpha, alpha_se, beta, beta_se : float or None
        Of the beta distribution of churn per period over customers; standard errors from the
        observed information.
    log_likelihood : float or None
        At its largest.
    periods : tuple of Period
        Those observed, and those ahead.
    residual_lifetime : float or None
        Discounted expected periods still to come, of a customer who has stayed through all that
        were observed and is about to be charged for the next: None without a discount.
    """

    FORMULAS: ClassVar = ("survival",)

    n: int
    message: str
    alpha: float | None
    alpha_se: float | None
    beta: float | None
    beta_se: float | None
    log_likelihood: float | None
    periods: tuple[Period, ...]
    residual_lifetime: float | None


def survival(survivors: Sequence[int], *, ahead: int = 0, discount: float = 0.0) -> Survival:
    """Fit the shifted beta-geometric model to a cohort by maximum likelihood.

    Each customer leaves with a probability of their own, the same in every period; over customers it
    is Beta(alpha, beta). So ``P(leave in t) = B(alpha + 1, beta + t - 1) / B(alpha, beta)``,
    ``S(t) = B(alpha, beta + t) / B(alpha, beta)``, and retention rises with time, as those who leave
    easily are gone. Discounted residual lifetime after m periods, n = m + 1: ``(beta + n - 1) /
    (alpha + beta + n - 1) 2F1(1, beta + n; alpha + beta + n; 1 / (1 + d))``.

    Parameters
    ----------
    survivors : sequence of int
        Customers at the start, and left at the end of each period; not rising.
    ahead : int
        Periods to look ahead, 0..`AHEAD_MAX`.
    discount : float
        Rate d per period, 0 or more.

    Returns
    -------
    Survival
        Without a fit where there are fewer than two periods, where nobody left or nobody is left,
        or where churn does not fall (customers are then all alike, as far as the data tell).

    Raises
    ------
    ValueError
        Survivors that rise or are below 0, fewer than two numbers, `ahead` or `discount` out of
        range.

    References
    ----------
    Fader, P. S. and Hardie, B. G. S. (2007), Journal of Interactive Marketing 21(1), 76-90,
    https://doi.org/10.1002/dir.20074; (2010), Marketing Science 29(1), 85-93,
    https://doi.org/10.1287/mksc.1080.0482
    """
    counts = [int(one) for one in survivors]
    if len(counts) < 2 or counts[-1] < 0 or any(b > a for a, b in itertools.pairwise(counts)):
        raise ValueError("survivors: expected two numbers or more, none below 0, and not rising")
    if not 0 <= ahead <= AHEAD_MAX:
        raise ValueError(f"ahead {ahead} is not within 0..{AHEAD_MAX}")
    if not (math.isfinite(discount) and discount >= 0.0):
        raise ValueError(f"discount {discount} is not a rate of 0 or more")
    lost = np.array([a - b for a, b in itertools.pairwise(counts)], dtype=np.float64)
    message = ""
    if len(lost) < 2:
        message = "one period does not tell customers who leave easily from others"
    elif counts[-1] == 0 or lost.sum() == 0:
        message = "nobody is left" if counts[-1] == 0 else "nobody left"
    found = None if message else _fit(lost, counts[-1])
    if found is None:
        why = message or "churn does not fall from period to period: customers are all alike"
        return Survival(counts[0], why, None, None, None, None, None, (), None)
    a, b, covariance = found
    periods = []
    before = 1.0
    for t in range(1, len(counts) + ahead):
        share = math.exp(_log_survival(a, b, t))
        gone = psi(a + b) - psi(a + b + t)
        slope = share * np.array([gone, gone + psi(b + t) - psi(b)])
        seen = counts[t] if t < len(counts) else None
        se = math.sqrt(max(float(slope @ covariance @ slope), 0.0))
        ahead_of_it = _residual(a, b, t + 1, discount)
        periods.append(Period(t, seen, share, se, share / before, ahead_of_it))
        before = share
    errors = np.sqrt(np.diag(covariance))
    return Survival(
        counts[0],
        "",
        a,
        float(errors[0]),
        b,
        float(errors[1]),
        _log_likelihood(a, b, lost, counts[-1]),
        tuple(periods),
        periods[len(lost) - 1].residual_lifetime,
    )


def _residual(a: float, b: float, n: int, discount: float) -> float | None:
    if discount <= 0.0:
        return None
    first = (b + n - 1) / (a + b + n - 1)
    return first * float(hyp2f1(1.0, b + n, a + b + n, 1.0 / (1.0 + discount)))


def _log_survival(a: float, b: float, t: float) -> float:
    return float(gammaln(b + t) - gammaln(b) + gammaln(a + b) - gammaln(a + b + t))


def _log_likelihood(a: float, b: float, lost: Floats, left: int) -> float:
    t = np.arange(1, len(lost) + 1)
    one = np.log(a) + gammaln(b + t - 1) - gammaln(b) + gammaln(a + b) - gammaln(a + b + t)
    return float(lost @ one) + left * _log_survival(a, b, len(lost))


def _fit(lost: Floats, left: int) -> tuple[float, float, Floats] | None:
    """Newton's method in the logarithms of both; covariance from the observed information."""
    t = np.arange(1, len(lost) + 1)
    total, end = lost.sum() + left, len(lost)
    a = b = 1.0
    value = _log_likelihood(a, b, lost, left)
    for _ in range(_STEPS):
        both = total * psi(a + b) - lost @ psi(a + b + t) - left * psi(a + b + end)
        by_b = lost @ psi(b + t - 1) + left * psi(b + end) - total * psi(b)
        gradient = np.array([both + lost.sum() / a, both + by_b])
        cross = (
            total * polygamma(1, a + b)
            - lost @ polygamma(1, a + b + t)
            - left * polygamma(1, a + b + end)
        )
        own = (
            lost @ polygamma(1, b + t - 1) + left * polygamma(1, b + end) - total * polygamma(1, b)
        )
        hessian = np.array([[cross - lost.sum() / a**2, cross], [cross, cross + own]])
        scale = np.array([a, b])
        slope = gradient * scale
        curve = hessian * np.outer(scale, scale) + np.diag(slope)
        bent = np.linalg.eigvalsh(curve)[-1]
        # Not a hill here: lean the curve over until it is one.
        step = -np.linalg.solve(curve - max(bent + 1e-9, 0.0) * 2.0 * np.eye(2), slope)
        step *= 2.0 / max(2.0, float(np.abs(step).max()))
        while True:
            near = a * math.exp(step[0]), b * math.exp(step[1])
            moved = _log_likelihood(*near, lost, left)
            if moved >= value or float(np.abs(step).max()) < _CLOSE:
                break
            step /= 2.0
        a, b, value = *near, max(moved, value)
        if max(a, b) > _LARGEST:
            return None
        if float(np.abs(step).max()) < _CLOSE:
            return a, b, np.linalg.inv(-hessian)
    return None
