"""Confidence intervals: one share, several shares at once, a mean, a net score.

Bounds are on the scale people read: shares 0..100, net scores -100..100, means on the scale of
the mean. Where there is no answer to speak about, the interval is ``None``.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri, ndtri, stdtrit

from cxstream.analytics.checks import Counts, Floats, divide
from cxstream.analytics.columns import Columns
from cxstream.kernels.net_score import net_score_bounds
from cxstream.kernels.scores import quasi_binomial_bounds

NetMethod = Literal["score", "adjusted_wald", "wald"]

NET_METHODS: Final[tuple[NetMethod, ...]] = ("score", "adjusted_wald", "wald")
#: Of one net score, also those that other tools have.
OneNetMethod = Literal["score", "adjusted_wald", "wald", "student_t", "goodman"]
ONE_NET_METHODS: Final[tuple[OneNetMethod, ...]] = (*NET_METHODS, "student_t", "goodman")

#: Pseudo-answers at each end of a scale, from which a quasi-binomial interval takes the variance.
END_PSEUDO: Final = 0.25

#: Halvings of an interval no longer than 2: 2 * 2**-64 is below the spacing of float64 near 1.
HALVINGS: Final = 64


# Made by the ten thousand; frozen, to make one takes six times as long.
@dataclass(slots=True)
class Interval:
    """A confidence interval.

    Attributes
    ----------
    lower, upper : float
        Bounds, on the scale of the statistic they belong to.
    method : str
        How it was found: ``wilson``, ``goodman``, ``quasi_binomial``, ``student_t``,
        ``adjusted_wald``, ``score``, ``wald``; of a difference also ``hybrid_score``,
        ``hybrid_quasi_binomial``, ``miettinen_nurminen``, ``agresti_caffo``, ``welch``.
    confidence : float
        Confidence level, such as 0.95.
    """

    lower: float
    upper: float
    method: str
    confidence: float


def check_confidence(confidence: float) -> float:
    """Return the confidence level if it is one.

    Parameters
    ----------
    confidence : float
        A number strictly between 0 and 1.

    Returns
    -------
    float
        The same level.

    Raises
    ------
    ValueError
        It is outside (0, 1), or not a number.
    """
    level = float(confidence)
    if not 0.0 < level < 1.0:
        raise ValueError(
            f"confidence {confidence!r} is not allowed: give a number strictly between 0 and 1, "
            "such as 0.90, 0.95 or 0.99"
        )
    return level


@functools.lru_cache(maxsize=64)
def normal_quantile(confidence: float) -> float:
    """Two-sided quantile of the normal distribution: 1.959963984540054 for 0.95.

    Parameters
    ----------
    confidence : float
        Confidence level in (0, 1).

    Returns
    -------
    float
        ``z`` with P(-z <= Z <= z) = confidence.
    """
    return float(-ndtri((1.0 - check_confidence(confidence)) / 2.0))


def t_quantile(df: npt.ArrayLike, confidence: float) -> Floats:
    """Two-sided quantiles of Student's t distribution.

    Parameters
    ----------
    df : array_like
        Degrees of freedom, 1 or more.
    confidence : float
        Confidence level in (0, 1).

    Returns
    -------
    ndarray of float64
        One quantile for each number of degrees of freedom.
    """
    tail = (1.0 - check_confidence(confidence)) / 2.0
    result: Floats = -np.asarray(stdtrit(np.asarray(df, dtype=np.float64), tail), dtype=np.float64)
    return result


def build(
    lower: Floats,
    upper: Floats,
    known: npt.NDArray[np.bool_],
    method: str,
    confidence: float,
) -> list[Interval | None]:
    """Pair bounds up as intervals, ``None`` where there is nothing known.

    Parameters
    ----------
    lower, upper : ndarray of float64, shape (m,)
        Bounds.
    known : ndarray of bool, shape (m,)
        Where an interval exists.
    method : str
        Name of the method, carried in every interval.
    confidence : float
        Level, carried in every interval.

    Returns
    -------
    list of Interval or None, length m
    """
    return [
        Interval(low, high, method, confidence) if there else None
        for low, high, there in zip(lower.tolist(), upper.tolist(), known.tolist(), strict=True)
    ]


def as_columns(
    lower: Floats,
    upper: Floats,
    known: npt.NDArray[np.bool_] | None,
    method: str,
    confidence: float,
) -> Columns:
    """Pair bounds up as a column of intervals; as `build`, of bounds of any shape."""
    fields = {"lower": lower, "upper": upper, "method": method, "confidence": confidence}
    return Columns(Interval, lower.shape, fields, known)


def _share_bounds(count: Counts, n: Counts, c: float) -> tuple[Floats, Floats]:
    """Solve (p - share)^2 = c p (1 - p) / n for p; both bounds in 0..100.

    ``[2 x + c -+ sqrt(c^2 + 4 c x (n - x) / n)] / (2 (n + c))`` with x = count. The root never
    takes a difference of close numbers, so the bounds are good to the last digits.
    """
    x = count.astype(np.float64)
    total = n.astype(np.float64)
    rest = (n - count).astype(np.float64)
    root = np.sqrt(c * c + 4.0 * c * divide(x * rest, total))
    scale = 100.0 / (2.0 * (total + c))
    lower = np.clip((2.0 * x + c - root) * scale, 0.0, 100.0)
    upper = np.clip((2.0 * x + c + root) * scale, 0.0, 100.0)
    # At the ends the formula gives exactly 0 and 100; say so in spite of rounding.
    lower = np.where(count == 0, 0.0, lower)
    upper = np.where(count == n, 100.0, upper)
    return lower, upper


def wilson(count: Counts, n: Counts, *, confidence: float = 0.95) -> list[Interval | None]:
    """Wilson score interval of a share.

    Parameters
    ----------
    count : ndarray of int64, shape (m,)
        Respondents counted in the share.
    n : ndarray of int64, shape (m,)
        Respondents who answered.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Interval or None, length m
        Bounds in 0..100; ``None`` where n is 0. With n = 1 the interval is wide but defined.

    References
    ----------
    Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference",
    JASA 22, 209-212, https://doi.org/10.1080/01621459.1927.10502953
    """
    return wilson_columns(count, n, confidence=confidence).rows()


def wilson_columns(count: Counts, n: Counts, *, confidence: float = 0.95) -> Columns:
    """As `wilson`, of arrays of any shape."""
    z = normal_quantile(confidence)
    lower, upper = _share_bounds(count, n, z * z)
    return as_columns(lower, upper, n > 0, "wilson", confidence)


def goodman(
    count: Counts, n: Counts, *, options: int, confidence: float = 0.95
) -> list[Interval | None]:
    """Goodman simultaneous intervals: all shares of one question hold together.

    With c = chi2_{1, 1 - a/k} for k options: ``[2 x + c -+ sqrt(c^2 + 4 c x (n - x) / n)] /
    (2 (n + c))``. The Bonferroni step makes no use of the shares adding to 100, so the same
    intervals serve a question that takes several answers.

    Parameters
    ----------
    count : ndarray of int64, shape (m,)
        Respondents who chose the option.
    n : ndarray of int64, shape (m,)
        Respondents who answered the question.
    options : int
        Number of options k whose intervals are to hold at the same time.
    confidence : float
        Joint level in (0, 1).

    Returns
    -------
    list of Interval or None, length m
        Bounds in 0..100; ``None`` where n is 0.

    References
    ----------
    Goodman, L. A. (1965), "On simultaneous confidence intervals for multinomial proportions",
    Technometrics 7, 247-254, https://doi.org/10.1080/00401706.1965.10490252
    """
    return goodman_columns(count, n, options=options, confidence=confidence).rows()


def goodman_columns(count: Counts, n: Counts, *, options: int, confidence: float = 0.95) -> Columns:
    """As `goodman`, of arrays of any shape."""
    if options < 1:
        raise ValueError(f"options must be 1 or more, not {options}")
    c = float(chdtri(1.0, (1.0 - check_confidence(confidence)) / options))
    lower, upper = _share_bounds(count, n, c)
    return as_columns(lower, upper, n > 0, "goodman", confidence)


def share_se(count: Counts, n: Counts) -> Floats:
    """Give the standard error of a share, 100 sqrt(p (1 - p) / n).

    Parameters
    ----------
    count, n : ndarray of int64, same shape
        Respondents counted, respondents who answered.

    Returns
    -------
    ndarray of float64
        Standard errors on 0..100; 0 where n is 0 (the caller turns that into None).
    """
    x = count.astype(np.float64)
    total = n.astype(np.float64)
    rest = (n - count).astype(np.float64)
    result: Floats = 100.0 * divide(np.sqrt(divide(x * rest, total)), total)
    return result


def student_t(
    centre: Sequence[float | None],
    se: Sequence[float | None],
    df: Sequence[int],
    *,
    confidence: float = 0.95,
) -> list[Interval | None]:
    """Student-t interval, centre -+ t_{df} se.

    Parameters
    ----------
    centre, se : sequence of float or None, length m
        Statistic and its standard error; ``None`` where undefined.
    df : sequence of int, length m
        Degrees of freedom; below 1 there is no interval.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Interval or None, length m
        Bounds on the scale of the statistic. They are not cut at the ends of its scale, so an
        interval from two answers may say plainly that it knows next to nothing.
    """
    middle, error = (
        np.array([np.nan if v is None else v for v in side], dtype=np.float64)
        for side in (centre, se)
    )
    freedom = np.asarray(df, dtype=np.float64)
    return student_t_columns(middle, error, freedom, confidence=confidence).rows()


def student_t_columns(
    centre: Floats, se: Floats, df: Floats, *, confidence: float = 0.95
) -> Columns:
    """As `student_t`, of arrays with NaN where undefined."""
    half = t_quantile(np.maximum(df, 1.0), confidence) * se
    known = ~(np.isnan(centre) | np.isnan(se)) & (df >= 1.0)
    return as_columns(centre - half, centre + half, known, "student_t", confidence)


def answers_like(mean: Floats, se: Floats, n: Floats, *, pseudo: float = END_PSEUDO) -> Floats:
    """How many yes-or-no answers say as much about a mean on 0..1 as n answers of a scale do.

    Answers on a scale spread less than yes and no with the same mean: their variance is d m (1 - m)
    with d of 1 or less, and N = n / d. So that d is there where all answers are alike, it is taken
    with `pseudo` answers added at each end of the scale, who are taken off N again.

    Parameters
    ----------
    mean, se, n : ndarray of float64, same shape
        Mean on 0..1, its standard error, answers (weighted: as many as say the same).
    pseudo : float
        Answers added at each end.

    Returns
    -------
    ndarray of float64
        N, at least 1/2.
    """
    a = pseudo
    total = n + 2.0 * a
    near = divide(n * mean + a, total)
    spread = n * (n * se * se + (mean - near) ** 2) + a * (near * near + (1.0 - near) ** 2)
    found = divide(near * (1.0 - near) * total * total, spread) - 2.0 * a
    result: Floats = np.maximum(found, 0.5)
    return result


def quasi_bounds(mean: Floats, like: Floats, c: Floats | float) -> tuple[Floats, Floats]:
    """Wilson's bounds of a mean on 0..1 that says as much as `like` yes-or-no answers.

    Parameters
    ----------
    mean, like : ndarray of float64, same shape
        See `answers_like`.
    c : float or ndarray of float64
        Squared quantile.

    Returns
    -------
    tuple of two ndarrays of float64
        Bounds in 0..1.
    """
    x = mean * like
    root = np.sqrt(c * c + 4.0 * c * x * (1.0 - mean))
    below = 2.0 * (like + c)
    lower, upper = (2.0 * x + c - root) / below, (2.0 * x + c + root) / below
    # At the ends the formula gives exactly 0 and 1; say so in spite of rounding.
    lower = np.where(mean <= 0.0, 0.0, np.clip(lower, 0.0, 1.0))
    upper = np.where(mean >= 1.0, 1.0, np.clip(upper, 0.0, 1.0))
    return lower, upper


def quasi_binomial(
    mean: Sequence[float | None],
    se: Sequence[float | None],
    n: Sequence[int],
    *,
    ends: tuple[float, float],
    confidence: float = 0.95,
) -> list[Interval | None]:
    """Interval of a mean on a scale with two ends: Wilson's, for answers between yes and no.

    With m the mean on 0..1: all means p with ``(p - m)^2 <= z^2 p (1 - p) / N``, where N is how many
    yes-or-no answers say as much (`answers_like`), at least n. The variance follows the supposed mean as a
    share's does, so bounds stay on the scale, and the rare answers that a sample has not met yet are
    allowed for. On a scale of two levels it is Wilson's interval.

    Parameters
    ----------
    mean, se : sequence of float or None, length m
        Mean and its standard error (divisor n - 1); None where undefined.
    n : sequence of int, length m
        Answers.
    ends : (float, float)
        Lowest and highest value an answer can have.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Interval or None, length m
        None where n is below 2: one answer says nothing about spread.

    References
    ----------
    Wilson, E. B. (1927), JASA 22, 209-212, https://doi.org/10.1080/01621459.1927.10502953; variance
    d m (1 - m): Wedderburn, R. W. M. (1974), Biometrika 61, 439-447,
    https://doi.org/10.1093/biomet/61.3.439; effective n in Wilson's formula: Franco, C., Little, R.,
    Louis, T. and Slud, E. (2019), https://doi.org/10.1093/jssam/smy019
    """
    middle, error = (
        np.array([np.nan if v is None else v for v in side], dtype=np.float64)
        for side in (mean, se)
    )
    size = np.asarray(n, dtype=np.float64)
    return quasi_binomial_columns(middle, error, size, ends=ends, confidence=confidence).rows()


def quasi_binomial_columns(
    middle: Floats,
    error: Floats,
    size: Floats,
    *,
    ends: tuple[float, float],
    confidence: float = 0.95,
) -> Columns:
    """As `quasi_binomial`, of arrays of any shape with NaN where undefined."""
    z = normal_quantile(confidence)
    low, high = ends
    shape = middle.shape
    lower, upper = np.empty((2, middle.size))
    known = np.empty(middle.size, dtype=np.bool_)
    mean, se, n = (np.ascontiguousarray(one).ravel() for one in (middle, error, size))
    quasi_binomial_bounds(mean, se, n, low, high, z * z, END_PSEUDO, lower, upper, known)
    bounds = lower.reshape(shape), upper.reshape(shape)
    return as_columns(*bounds, known.reshape(shape), "quasi_binomial", confidence)


def net_variance(negative: Floats, neutral: Floats, positive: Floats) -> Floats:
    """Variance of one respondent's -1, 0 or +1: V = p + d - (p - d)^2.

    Written as ``(s (p + d) + 4 p d) / n^2`` in the counts, which adds only numbers that are not
    negative: nothing cancels, and one class alone gives exactly 0.

    Parameters
    ----------
    negative, neutral, positive : ndarray of float64, same shape
        Counts (or counts with pseudo-counts added).

    Returns
    -------
    ndarray of float64
        Variances in 0..1; 0 where all counts are 0.

    References
    ----------
    https://stats.stackexchange.com/questions/18603
    """
    n = negative + neutral + positive
    return divide(
        divide(neutral * (positive + negative) + 4.0 * positive * negative, n),
        n,
    )


def _wald_bounds(
    negative: Floats, neutral: Floats, positive: Floats, z: float | Floats
) -> tuple[Floats, Floats]:
    n = negative + neutral + positive
    centre = divide(positive - negative, n)
    half = z * np.sqrt(divide(net_variance(negative, neutral, positive), n))
    return centre - half, centre + half


def score_variance(delta: Floats, negative: Floats, positive: Floats, n: Floats) -> Floats:
    """Variance of one respondent's -1, 0 or +1 if the net score were delta.

    Of all distributions with that score, the one of largest likelihood counts. Its shares solve a
    quadratic; they are found on the side of the sign of delta (the problem is its own mirror
    image), where the root needs no difference of close numbers.

    Parameters
    ----------
    delta : ndarray of float64, shape (g,)
        Supposed scores on -1..1.
    negative, positive, n : ndarray of float64, shape (g,)
        Counts of the two outer classes, and of all three.

    Returns
    -------
    ndarray of float64, shape (g,)
        Variances in 0..1.
    """
    size = np.abs(delta)
    ahead = np.where(delta >= 0.0, positive, negative)
    behind = np.where(delta >= 0.0, negative, positive)
    b = (2.0 * n - ahead + behind) * size - ahead - behind
    minus_c = behind * size * (1.0 - size)
    root = np.sqrt(b * b + 8.0 * n * minus_c)
    q = np.where(b <= 0.0, divide(root - b, 4.0 * n), divide(2.0 * minus_c, b + root))
    result: Floats = 2.0 * q + size * (1.0 - size)
    return result


def score_bounds(
    negative: Floats, neutral: Floats, positive: Floats, z: float
) -> tuple[Floats, Floats]:
    """Bisect for the two ends of {delta: |Z(delta)| <= z}, all groups at once.

    Parameters
    ----------
    negative, neutral, positive : ndarray of float64, shape (g,)
        Counts of the three classes.
    z : float
        Two-sided normal quantile.

    Returns
    -------
    tuple of two ndarrays of float64, shape (g,)
        Bounds on -1..1.
    """
    n = negative + neutral + positive
    lower, upper = np.empty_like(n), np.empty_like(n)
    contiguous = np.ascontiguousarray
    net_score_bounds(contiguous(negative), contiguous(positive), n, z, HALVINGS, lower, upper)
    return lower, upper


def net(
    negative: Counts,
    neutral: Counts,
    positive: Counts,
    *,
    method: OneNetMethod = "score",
    confidence: float = 0.95,
) -> list[Interval | None]:
    """Interval of a net score, share of positive less share of negative answers.

    ``wald``: N -+ z sqrt(V / n); far too narrow for small n. ``adjusted_wald``: the same after
    adding 3/4, 3/2 and 3/4 pseudo-respondents to the three classes. ``score``: all scores that
    a score test does not reject; it always holds the observed score. ``student_t``: N -+ t sqrt(V /
    (n - 1)) with n - 1 degrees of freedom, of -1, 0 and 1 taken as numbers. ``goodman``: N -+
    sqrt(chi^2(2, 1 - a) V / n), which holds for all contrasts of the classes together. Both have
    no width where all answers are alike, as ``wald``.

    Parameters
    ----------
    negative, neutral, positive : ndarray of int64, shape (g,)
        Counts of the three classes.
    method : {"score", "adjusted_wald", "wald", "student_t", "goodman"}
        Which interval.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Interval or None, length g
        Bounds cut to -100..100; ``None`` where n is 0, of ``student_t`` also where it is 1. At n = 1
        ``wald`` and ``goodman`` have no width.

    Raises
    ------
    ValueError
        Unknown method, or a level outside (0, 1).

    References
    ----------
    Rocks, B. (2016), "Interval estimation for the Net Promoter Score", The American Statistician
    70, 365-372, https://arxiv.org/abs/1601.07235;
    https://measuringu.com/nps-three-confidence-intervals/; Goodman, L. (1964), Annals of Mathematical
    Statistics 35, 716-725, https://doi.org/10.1214/aoms/1177703569
    """
    return net_columns(negative, neutral, positive, method=method, confidence=confidence).rows()


def net_columns(
    negative: Counts,
    neutral: Counts,
    positive: Counts,
    *,
    method: OneNetMethod = "score",
    confidence: float = 0.95,
) -> Columns:
    """As `net`, as a column."""
    if method not in ONE_NET_METHODS:
        known = ", ".join(ONE_NET_METHODS)
        raise ValueError(f"method {method!r} is not known: use one of {known}")
    z = normal_quantile(confidence)
    low = negative.astype(np.float64)
    middle = neutral.astype(np.float64)
    high = positive.astype(np.float64)
    if method == "score":
        # They are in -1..1 as they come.
        bounds = score_bounds(low, middle, high, z)
        return as_columns(
            100.0 * bounds[0], 100.0 * bounds[1], low + middle + high > 0.0, method, confidence
        )
    n = negative + neutral + positive
    known_at = n > 0
    if method == "wald":
        lower, upper = _wald_bounds(low, middle, high, z)
    elif method == "goodman":
        lower, upper = _wald_bounds(low, middle, high, math.sqrt(chdtri(2.0, 1.0 - confidence)))
    elif method == "student_t":
        known_at = n > 1
        t = t_quantile(np.maximum(n - 1, 1), confidence)
        lower, upper = _wald_bounds(low, middle, high, t * np.sqrt(divide(n, n - 1)))
    else:
        lower, upper = _wald_bounds(low + 0.75, middle + 1.5, high + 0.75, z)
    return as_columns(
        np.clip(100.0 * lower, -100.0, 100.0),
        np.clip(100.0 * upper, -100.0, 100.0),
        known_at,
        "goodman_contrast" if method == "goodman" else method,
        confidence,
    )
