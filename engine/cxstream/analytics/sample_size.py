"""How many answers a wanted margin, or a wanted detectable difference, takes."""

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
from scipy.special import nctdtr, ndtri, stdtrit

from cxstream.analytics.intervals import check_confidence, net_variance, normal_quantile

#: Variance of one respondent where it is largest: half promoters and half detractors, and a share
#: of one half; on squared points.
LARGEST_NET_VARIANCE: Final = 1e4
LARGEST_SHARE_VARIANCE: Final = 2500.0

# A quotient that should be whole may come out some roundings above it.
_SLACK: Final = 1e-9


@dataclass(frozen=True, slots=True)
class SampleSize:
    """Answers needed.

    Attributes
    ----------
    answers : int
        Answers; of the first group where two are compared.
    answers_b : int or None
        Answers of the second group; None where there is one group only.
    variance : float
        Variance of one respondent's answer it was found from, in squared points.
    variance_b : float or None
        That of the second group.
    """

    FORMULAS: ClassVar = ("sample_size",)

    answers: int
    answers_b: int | None
    variance: float
    variance_b: float | None


def net_respondent_variance(classes: npt.ArrayLike) -> float:
    """Variance of one respondent's -100, 0 or 100 in a distribution over three classes.

    Parameters
    ----------
    classes : array_like of float, shape (3,)
        Detractors, passives, promoters: counts or shares, on any common scale.

    Returns
    -------
    float
        ``1e4 (p + d - (p - d)^2)``, in squared points.

    Raises
    ------
    ValueError
        A class below 0 or not finite, or all of them 0.
    """
    shares = _shares(classes, 3)
    return 1e4 * float(net_variance(*(np.array([one]) for one in shares))[0])


def share_respondent_variance(share: float) -> float:
    """Variance of one respondent's 0 or 100 where `share` percent are in.

    Parameters
    ----------
    share : float
        On 0..100.

    Returns
    -------
    float
        ``share (100 - share)``, in squared points.

    Raises
    ------
    ValueError
        A share outside 0..100.
    """
    if not 0.0 <= share <= 100.0:
        raise ValueError(f"share {share} is not on 0..100")
    return share * (100.0 - share)


def for_margin(
    variance: float,
    margin: float,
    *,
    design_effect: float = 1.0,
    estimated_spread: bool = False,
    population: int | None = None,
    confidence: float = 0.95,
) -> SampleSize:
    """Answers until the interval reaches `margin` points to either side.

    ``n_0 = V z^2 / e^2``; of a population of N, ``n = n_0 / (1 + (n_0 - 1) / N)``, at most N. With
    `estimated_spread` (a mean or an index, whose interval is a Student-t one) the smallest n with
    ``t_{n-1} sqrt(V / n) <= e`` takes the place of n_0. Weighted answers take Kish's design effect times
    as many, before the population is looked at.

    Parameters
    ----------
    variance : float
        Variance V of one respondent's answer, in squared points, above 0.
    margin : float
        Half the length e of the interval, in points, above 0.
    design_effect : float
        Kish's ``n sum w^2 / (sum w)^2`` of the weights that the answers will have; 1 without.
    estimated_spread : bool
        The spread will be estimated from the sample.
    population : int, optional
        Number of customers there are, 1 or more; left out, they are taken as many.
    confidence : float
        Level of the interval, in (0, 1).

    Returns
    -------
    SampleSize
        answers is 1 or more, and 2 or more with `estimated_spread`. It counts answers: divide by the
        share of customers who answer to know how many to ask.

    Raises
    ------
    ValueError
        An argument outside its range, or a margin so small that the answers needed are past 2^53.

    References
    ----------
    Cochran, W. G. (1977), Sampling Techniques, 3rd ed., Wiley, chapter 4;
    https://www.itl.nist.gov/div898/handbook/prc/section2/prc222.htm; design effect: Kish, L. (1965),
    Survey Sampling, Wiley, section 8.2
    """
    _positive(variance=variance, margin=margin, design_effect=design_effect)
    if population is not None and population < 1:
        raise ValueError(f"population {population} is not 1 or more")
    z = normal_quantile(confidence)
    exact = variance * (z / margin) ** 2
    if estimated_spread:
        exact = float(_with_t(max(_whole(exact), 2), variance, margin, confidence))
    exact *= design_effect
    needed = _whole(exact)
    if population is not None:
        needed = min(_whole(exact / (1.0 + max(exact - 1.0, 0.0) / population)), population)
    return SampleSize(needed, None, variance, None)


def for_difference(
    variance_a: float,
    variance_b: float,
    difference: float,
    *,
    design_effect: float = 1.0,
    estimated_spread: bool = False,
    power: float = 0.8,
    ratio: float = 1.0,
    confidence: float = 0.95,
) -> SampleSize:
    """Answers of two groups so that a true difference is found with a wanted probability.

    ``n_a = (z_{1-a/2} + z_{power})^2 (V_a + V_b / r) / d^2`` and ``n_b = r n_a``; weighted answers take
    the design effect times as many. With `estimated_spread` (a mean or an index) the smallest n whose t
    test with ``n_a + n_b - 2`` degrees of freedom has the power, by non-central t: R's power.t.test.

    Parameters
    ----------
    variance_a, variance_b : float
        Variances of one respondent's answer in the two groups, in squared points; above 0.
    difference : float
        Difference d to be found, in points; not 0.
    design_effect : float
        As in `for_margin`, of both groups.
    estimated_spread : bool
        As in `for_margin`.
    power : float
        Probability that a two-sided test finds it, in (0, 1).
    ratio : float
        Answers r of group b for one of group a, above 0.
    confidence : float
        One minus the level of the test, in (0, 1).

    Returns
    -------
    SampleSize
        answers and answers_b, each rounded up.

    Raises
    ------
    ValueError
        An argument outside its range, or answers past 2^53.

    References
    ----------
    Fleiss, J. L., Levin, B., Paik, M. C. (2003), Statistical Methods for Rates and Proportions,
    3rd ed., Wiley, chapter 4, https://doi.org/10.1002/0471445428
    """
    _positive(
        variance_a=variance_a, variance_b=variance_b, difference=abs(difference), ratio=ratio,
        design_effect=design_effect,
    )  # fmt: skip
    if not 0.0 < power < 1.0:
        raise ValueError(f"power {power} is not strictly between 0 and 1")
    reach = normal_quantile(confidence) + float(ndtri(power))
    if reach <= 0.0:
        raise ValueError(f"power {power} is below what no answers give at this confidence")
    exact = (reach / difference) ** 2 * (variance_a + variance_b / ratio)
    if estimated_spread:
        exact = float(
            _with_power(
                max(_whole(exact), 2), variance_a, variance_b, difference, power, ratio, confidence
            )
        )
    exact *= design_effect
    return SampleSize(_whole(exact), _whole(exact * ratio), variance_a, variance_b)


def for_shares(
    share_a: float,
    share_b: float,
    *,
    power: float = 0.8,
    ratio: float = 1.0,
    confidence: float = 0.95,
) -> SampleSize:
    """Answers of two groups whose shares are known, so that the pooled test finds them different.

    ``n_a = (z_{1-a/2} sqrt(p (1 - p) (1 + 1/r)) + z_{power} sqrt(p_a (1 - p_a) + p_b (1 - p_b) / r))^2 /
    (p_a - p_b)^2`` with ``p = (p_a + r p_b) / (1 + r)``; with as many in both R's power.prop.test.

    Parameters
    ----------
    share_a, share_b : float
        On 0..100, not the same.
    power, ratio, confidence
        As in `for_difference`.

    Returns
    -------
    SampleSize

    Raises
    ------
    ValueError
        As `for_difference`.

    References
    ----------
    Fleiss, J. L., Levin, B., Paik, M. C. (2003), Statistical Methods for Rates and Proportions,
    3rd ed., Wiley, section 4.2, https://doi.org/10.1002/0471445428
    """
    variance_a, variance_b = share_respondent_variance(share_a), share_respondent_variance(share_b)
    difference = share_a - share_b
    _positive(difference=abs(difference), ratio=ratio)
    if not 0.0 < power < 1.0:
        raise ValueError(f"power {power} is not strictly between 0 and 1")
    pooled = share_respondent_variance((share_a + ratio * share_b) / (1.0 + ratio))
    reach = normal_quantile(confidence) * math.sqrt(pooled * (1.0 + 1.0 / ratio))
    reach += float(ndtri(power)) * math.sqrt(variance_a + variance_b / ratio)
    if reach <= 0.0:
        raise ValueError(f"power {power} is below what no answers give at this confidence")
    exact = (reach / difference) ** 2
    return SampleSize(_whole(exact), _whole(exact * ratio), variance_a, variance_b)


def _shares(classes: npt.ArrayLike, width: int) -> npt.NDArray[np.float64]:
    values = np.asarray(classes, dtype=np.float64)
    if values.shape != (width,) or not np.isfinite(values).all() or values.min() < 0.0:
        raise ValueError(f"a distribution takes {width} numbers that are 0 or more")
    if values.sum() == 0.0:
        raise ValueError("a distribution of nothing has no variance")
    shares: npt.NDArray[np.float64] = values / values.sum()
    return shares


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{name} {value} is not above 0")


def _whole(exact: float) -> int:
    """Round up; 1 or more."""
    if not exact < 2.0**53:
        raise ValueError("that takes more answers than can be counted: ask for a larger margin")
    return max(math.ceil(exact * (1.0 - _SLACK)), 1)


def _with_t(least: int, variance: float, margin: float, confidence: float) -> int:
    """Smallest n from `least` on with t_{n-1} sqrt(variance / n) <= margin."""
    tail = 0.5 + check_confidence(confidence) / 2.0
    n = least
    # Few steps: n exceeds the normal answer by about (z^2 + 1) / 2.
    while float(stdtrit(n - 1.0, tail)) * math.sqrt(variance / n) > margin * (1.0 + _SLACK):
        n += 1
    return n


def _with_power(
    least: int,
    variance_a: float,
    variance_b: float,
    difference: float,
    power: float,
    ratio: float,
    confidence: float,
) -> int:
    """Smallest n from `least` on with which a two-sided t test has the power."""
    tail = 0.5 + check_confidence(confidence) / 2.0
    n = least
    # Few steps: n exceeds the normal answer by about z^2 / 4.
    while True:
        other = max(math.ceil(n * ratio * (1.0 - _SLACK)), 2)
        df = float(n + other - 2)
        apart = abs(difference) / math.sqrt(variance_a / n + variance_b / other)
        if 1.0 - float(nctdtr(df, apart, stdtrit(df, tail))) >= power:
            return n
        n += 1
