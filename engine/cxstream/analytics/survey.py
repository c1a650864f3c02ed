"""A weighted sample, as sums of weights and of squared weights per class of answer.

All responses come from one stage of sampling, with replacement and without strata: the variance of
a statistic is that of its linearised form,

    SE^2 = n / (n - 1) * sum_i w_i^2 (y_i - mean)^2 / (sum_i w_i)^2,

which needs no more than, per class k of answers that share a value y_k, how many there are,
``sum w`` and ``sum w^2``. n counts the responses of the group that answered and have a weight, one
of 0 included. Those outside the group belong to the sample too; their linearised value is 0, so
keeping them would change nothing but n / (n - 1), towards 1. The group's own n is the larger
factor, and the one under which equal weights give the ordinary sample variance.

References
----------
Woodruff, R. S. (1971), JASA 66, 411-414, https://doi.org/10.1080/01621459.1971.10482279; Lumley,
T. (2004), "Analysis of complex survey samples", https://doi.org/10.18637/jss.v009.i08
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from cxstream.analytics.checks import Counts, Floats, as_counts, divide
from cxstream.analytics.intervals import (
    Interval,
    answers_like,
    build,
    check_confidence,
    quasi_bounds,
)

Exact = npt.NDArray[np.object_]

# Pseudo-respondents of the adjusted Wald interval: detractors, passives, promoters.
_NET_PSEUDO: Final = (0.75, 1.5, 0.75)
#: Pseudo-answers of a share, or a mean, at each end of the scale.
END_PSEUDO: Final = 1.0
# A quantile of t from here on bounds nothing.
_NO_BOUND: Final = 1e8


@dataclass(frozen=True, slots=True)
class Weights:
    """What the weights of one group come to.

    Attributes
    ----------
    total : float
        Sum of weights of the responses used.
    design_effect : float or None
        Kish's ``n sum w^2 / (sum w)^2``: 1 for equal weights, exactly; None without weight.
    effective_n : float or None
        ``(sum w)^2 / sum w^2``: so many equally weighted responses say as much about a mean that
        has nothing to do with the weights.
    classes : tuple of float
        Sum of weights of each class: detractors, passives, promoters; below the top box, in it;
        or level by level.

    References
    ----------
    Kish, L. (1965), Survey Sampling, Wiley, section 11.7
    """

    FORMULAS: ClassVar = ("weighted",)

    total: float
    design_effect: float | None
    effective_n: float | None
    classes: tuple[float, ...]


class Estimate(NamedTuple):
    """Means of one value per class, for every group.

    Attributes
    ----------
    mean : (g,) float64
        0 where nothing weighs.
    variance : (g,) float64
        Weighted variance of one response (divisor the sum of weights).
    se2 : (g,) float64
        Squared standard error; 0 where n is below 2.
    naive2 : (g,) float64
        The same, had the weights been given rather than fitted to margins.
    """

    mean: Floats
    variance: Floats
    se2: Floats
    naive2: Floats


class Sample(Protocol):
    """What every weighted statistic of classes is computed from: g groups, K classes.

    Attributes
    ----------
    counts : (g, K) int64
        Responses that have a weight.
    weights, squares : (g, K) float64
        Sums of weights, and of their squares.
    freedom : float
        Share of the degrees of freedom that is left: 1, or less of raked weights
        (`cxstream.analytics.raking.Calibration.freedom`).
    """

    @property
    def freedom(self) -> float: ...  # noqa: D102
    @property
    def counts(self) -> Counts: ...  # noqa: D102
    @property
    def weights(self) -> Floats: ...  # noqa: D102
    @property
    def squares(self) -> Floats: ...  # noqa: D102

    def estimate(self, values: Sequence[int], divisor: int = 1) -> Estimate:
        """Give the means of values[k] / divisor."""
        ...

    def design_effect(self) -> Floats:
        """Give Kish's design effect of every group; 0 without weight."""
        ...

    def folded(self, edges: Sequence[int]) -> "Sample":
        """Put classes edges[i]..edges[i+1]-1 together as class i."""
        ...

    def take(self, classes: Sequence[int]) -> "Sample":
        """Keep some classes, in this order."""
        ...

    def against(self, option: int, base: "Sample | None") -> "Sample":
        """Give two classes: those of the base (all classes, where None) outside it, and inside."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ClassSums:
    """Exact sums per group and class: the `Sample` under declared weights.

    Parameters
    ----------
    counts : (g, K) int64
        Responses that have a weight.
    sums, sums2 : (g, K) int64 or Python integers
        Sum of weights and of squared weights, in steps.
    step : Fraction
        The step of a weight.

    Raises
    ------
    ValueError
        Shapes differ, a sum is negative or not an integer, or counts and weights disagree: no
        response but a weight, or the reverse.
    """

    counts: Counts
    sums: Exact
    sums2: Exact
    step: Fraction = Fraction(1)

    @classmethod
    def of(
        cls,
        counts: npt.ArrayLike,
        sums: npt.ArrayLike,
        sums2: npt.ArrayLike,
        step: Fraction = Fraction(1),
    ) -> "ClassSums":
        """Check the arrays and take their integers as Python's, which know no largest one."""
        n = as_counts(counts, "counts", 2)
        w, w2 = exact(sums, "sums"), exact(sums2, "sums2")
        if not n.shape == w.shape == w2.shape:
            raise ValueError("counts, sums and sums2 must have the same shape")
        if (w < 0).any() or (w2 < 0).any():
            raise ValueError("a sum of weights is negative")
        if ((w > 0) & (n == 0)).any() or ((w > 0) != (w2 > 0)).any():
            raise ValueError("responses and their weights disagree")
        return cls(n, w, w2, step)

    @property
    def freedom(self) -> float:
        """Return 1: nothing is fitted."""
        return 1.0

    @property
    def weights(self) -> Floats:
        """Return sums of weights in the units of the weight."""
        result: Floats = (self.sums * self.step.numerator / self.step.denominator).astype(float)
        return result

    @property
    def squares(self) -> Floats:
        """Return sums of squared weights."""
        up, down = self.step.numerator**2, self.step.denominator**2
        result: Floats = (self.sums2 * up / down).astype(float)
        return result

    def estimate(self, values: Sequence[int], divisor: int = 1) -> Estimate:
        """Give means of values[k] / divisor; every result is one rounding of exact integers.

        The sum of squared residuals is ``sum_k Q_k (y_k W - S)^2 / W^4`` with Q_k the sum of
        squared weights and S the sum of w y: nothing cancels.
        """
        y = np.array([int(v) for v in values], dtype=object)
        n = self.counts.sum(axis=1)
        w = _across(self.sums)
        s = _across(self.sums * y)
        away = (y[None, :] * w[:, None] - s[:, None]) ** 2
        mean = quotient(s, w * divisor)
        variance = quotient(_across(self.sums * away), w**3 * divisor**2)
        many = n.astype(object)
        se2 = quotient(_across(self.sums2 * away) * many, w**4 * (many - 1) * divisor**2)
        return Estimate(mean, variance, se2, se2)

    def design_effect(self) -> Floats:
        """Give n sum w^2 / (sum w)^2 of every group, rounded once."""
        n = self.counts.sum(axis=1).astype(object)
        return quotient(n * _across(self.sums2), _across(self.sums) ** 2)

    def folded(self, edges: Sequence[int]) -> "ClassSums":
        """Put classes edges[i]..edges[i+1]-1 together as class i."""

        def fold(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
            parts = [_across(table[:, a:b]) for a, b in itertools.pairwise(edges)]
            return np.stack(parts, axis=1).astype(table.dtype)

        return ClassSums(fold(self.counts), fold(self.sums), fold(self.sums2), self.step)

    def take(self, classes: Sequence[int]) -> "ClassSums":
        """Keep some classes, in this order."""
        at = list(classes)
        return ClassSums(self.counts[:, at], self.sums[:, at], self.sums2[:, at], self.step)

    def against(self, option: int, base: Sample | None) -> "ClassSums":
        """Give two classes: those of the base (all classes, where None) outside it, and inside."""
        whole = self if base is None else base
        assert isinstance(whole, ClassSums)

        def pair(mine: npt.NDArray[Any], all_of: npt.NDArray[Any]) -> npt.NDArray[Any]:
            inside = mine[:, option]
            outside = _across(all_of) - inside
            if (outside < 0).any():
                raise ValueError("an option weighs more than those who answered the question")
            return np.stack([outside, inside], axis=1).astype(mine.dtype)

        return ClassSums(
            pair(self.counts, whole.counts),
            pair(self.sums, whole.sums),
            pair(self.sums2, whole.sums2),
            self.step,
        )


def exact(values: npt.ArrayLike, name: str) -> Exact:
    """Give an array of Python integers, or say what else it holds.

    Parameters
    ----------
    values : array_like of int
        int64 or object.
    name : str
        What to call it in the message.

    Returns
    -------
    ndarray of object

    Raises
    ------
    ValueError
        It holds something that is not a whole number.
    """
    array: npt.NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "iuO" and array.size:
        raise ValueError(f"{name} must hold integers, not {array.dtype}")
    return array.astype(object)


def quotient(above: Exact, below: Exact) -> Floats:
    """Divide Python integers elementwise, rounding once; 0 where `below` is not above 0.

    Parameters
    ----------
    above, below : ndarray of object, same shape

    Returns
    -------
    ndarray of float64
    """
    known = below > 0
    result = np.zeros(above.shape)
    result[known] = (above[known] / below[known]).astype(np.float64)
    return result


def _across(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sum over the classes, in whatever numbers the table holds."""
    if table.shape[1] == 0:
        return np.zeros(len(table), dtype=table.dtype)
    result: npt.NDArray[Any] = table.sum(axis=1)
    return result


def weights_of(sample: Sample) -> list[Weights]:
    """Say what the weights of every group come to.

    Parameters
    ----------
    sample : Sample

    Returns
    -------
    list of Weights, length g
    """
    n = sample.counts.sum(axis=1)
    effect = sample.design_effect()
    effective = divide(n, effect)
    return [
        Weights(math.fsum(parts), d if d > 0 else None, e if d > 0 else None, tuple(parts))
        for parts, d, e in zip(
            sample.weights.tolist(), effect.tolist(), effective.tolist(), strict=True
        )
    ]


def effective_n(sample: Sample) -> Floats:
    """Give Kish's effective n of every group; 0 without weight."""
    return divide(sample.counts.sum(axis=1), sample.design_effect())


def quantile(df: Floats, confidence: float) -> Floats:
    """Two-sided quantiles of Student's t for any degrees of freedom, infinite near 0 and below.

    Parameters
    ----------
    df : ndarray of float64
    confidence : float
        Level in (0, 1).

    Returns
    -------
    ndarray of float64
    """
    tail = (1.0 - check_confidence(confidence)) / 2.0
    known = df > 0.0
    t = -np.asarray(stdtrit(np.where(known, df, 1.0), tail), dtype=np.float64)
    result: Floats = np.where(known & (t < _NO_BOUND), t, np.inf)
    return result


def mean_intervals(
    mean: Floats, se: Floats, effective: Floats, known: npt.NDArray[np.bool_], confidence: float
) -> list[Interval | None]:
    """Student-t intervals with n_eff - 1 degrees of freedom, of a number without limits.

    Parameters
    ----------
    mean, se, effective : ndarray of float64, shape (m,)
        Statistic, standard error, Kish's effective n.
    known : ndarray of bool, shape (m,)
        Where there is a standard error.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Interval or None, length m
        None where the effective n is not above 1.
    """
    t = quantile(effective - 1.0, confidence)
    there = known & np.isfinite(t)
    half = np.where(there, t, 0.0) * se
    return build(mean - half, mean + half, there, "student_t", confidence)


def scale_intervals(
    mean: Floats,
    se: Floats,
    effective: Floats,
    known: npt.NDArray[np.bool_],
    confidence: float,
    *,
    ends: tuple[float, float],
    df: Floats | None = None,
) -> list[Interval | None]:
    """Quasi-binomial intervals of weighted means on a scale with two ends.

    As `cxstream.analytics.intervals.quasi_binomial`, with Kish's effective n for n, one
    pseudo-answer at each end, and t for the normal quantile: how heavy the answers are that make up
    the variance is known from few of them.

    Parameters
    ----------
    mean, se, effective : ndarray of float64, shape (m,)
        Statistic, standard error, Kish's effective n.
    known : ndarray of bool, shape (m,)
        Where there is a standard error.
    confidence : float
        Level in (0, 1).
    ends : (float, float)
        Lowest and highest value an answer can have.
    df : ndarray of float64, shape (m,), optional
        Degrees of freedom; n_eff - 1 if left out.

    Returns
    -------
    list of Interval or None, length m
        None where the effective n is not above 1.

    References
    ----------
    Franco, C., Little, R., Louis, T. and Slud, E. (2019), "Comparative study of confidence intervals
    for proportions in complex sample surveys", Journal of Survey Statistics and Methodology 7,
    334-364, https://doi.org/10.1093/jssam/smy019
    """
    low, high = ends
    span = high - low
    there = known & np.isfinite(quantile(effective - 1.0, confidence))
    at = np.clip((np.where(there, mean, low) - low) / span, 0.0, 1.0)
    like = answers_like(at, np.where(there, se, 0.0) / span, effective, pseudo=END_PSEUDO)
    t = quantile(effective - 1.0 if df is None else df, confidence)
    lower, upper = quasi_bounds(at, like, np.where(there, t, 0.0) ** 2)
    return build(low + span * lower, low + span * upper, there, "quasi_binomial", confidence)


def degrees_of_freedom(sample: Sample, values: Sequence[float]) -> Floats:
    """Degrees of freedom of a weighted mean's variance, 2 V^2 / sum_k V_k^2 / n_k.

    V = sum_k V_k is the sum of squared linearised values, V_k = Q_k (y_k - mean)^2 the part of
    class k, whose variance is that of a count of n_k; Satterthwaite's df makes the first two moments
    those of chi-square. One pseudo-answer of weight ``sum w^2 / sum w`` is at each end. Of raked weights
    the share that fitting to the margins leaves.

    Parameters
    ----------
    sample : Sample
    values : sequence of float, length K
        Value of each class on 0..1.

    Returns
    -------
    ndarray of float64, shape (g,)

    References
    ----------
    Satterthwaite, F. E. (1946), Biometrics Bulletin 2, 110-114, https://doi.org/10.2307/3002019
    """
    w, q, n = sample.weights, sample.squares, sample.counts
    y = np.asarray(values, dtype=np.float64)
    omega = divide(q.sum(axis=1), w.sum(axis=1))
    near = divide(w @ y + END_PSEUDO * omega, w.sum(axis=1) + 2.0 * END_PSEUDO * omega)
    part = q * (y - near[:, None]) ** 2
    ends = (omega * omega)[:, None] * np.stack([near, 1.0 - near], axis=1) ** 2
    whole = part.sum(axis=1) + END_PSEUDO * ends.sum(axis=1)
    spread = divide(part * part, n).sum(axis=1) + END_PSEUDO * (ends * ends).sum(axis=1)
    return 2.0 * sample.freedom * divide(whole * whole, spread)


def net_intervals(sample: Sample, confidence: float) -> list[Interval | None]:
    """Adjusted Wald interval of a weighted net score.

    Three pseudo-respondents (3/4, 3/2, 3/4) join the three classes, each with the weight that one
    effective response carries, ``omega = sum w^2 / sum w``; then the Taylor interval of the
    enlarged sample with t (`degrees_of_freedom`). With equal weights these are the
    pseudo-respondents of the unweighted interval. A plain Wald interval with counts scaled to
    Kish's n_eff is not offered: where weights go with the score its coverage falls to 81 % at any n.

    Parameters
    ----------
    sample : Sample
        K = 3: negative, neutral, positive.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Interval or None, length g
        Bounds cut to -100..100; None without weight.

    References
    ----------
    Rocks, B. (2016), https://arxiv.org/abs/1601.07235, for the pseudo-respondents
    """
    w, q = sample.weights, sample.squares
    total = w.sum(axis=1)
    known = total > 0.0
    omega = divide(q.sum(axis=1), total)[:, None]
    pseudo = np.array(_NET_PSEUDO)
    y = np.array([-1.0, 0.0, 1.0])
    w = w + omega * pseudo
    q = q + omega * omega * pseudo
    total = w.sum(axis=1)
    centre = divide(w @ y, total)
    spread = (q * (y[None, :] - centre[:, None]) ** 2).sum(axis=1) * _gain(sample, (-1, 0, 1))
    spread = spread / sample.freedom
    sure = np.isfinite(quantile(effective_n(sample) - 1.0, confidence))
    df = np.where(sure, degrees_of_freedom(sample, (0.0, 0.5, 1.0)), 1.0)
    half = np.where(sure, quantile(df, confidence) * divide(np.sqrt(spread), total), 2.0)
    return build(
        np.clip(100.0 * (centre - half), -100.0, 100.0),
        np.clip(100.0 * (centre + half), -100.0, 100.0),
        known,
        "adjusted_wald",
        confidence,
    )


def share_intervals(
    sample: Sample, confidence: float, *, options: int = 1
) -> list[Interval | None]:
    """Wilson interval of a weighted share; with several options, Goodman's joint ones.

    The n in Wilson's formula is the one at which a simple random sample would have the Taylor
    variance of the share. So that it exists where all are inside or all outside, the variance is
    taken with one pseudo-respondent inside and one outside, who are then taken off n again. The
    normal quantile gives way to t (`degrees_of_freedom`).

    Parameters
    ----------
    sample : Sample
        K = 2: outside, inside.
    confidence : float
        Level in (0, 1); joint over `options`.
    options : int
        How many shares are to hold at the same time.

    Returns
    -------
    list of Interval or None, length g
        Bounds in 0..100; None without weight.

    References
    ----------
    Korn, E. L. and Graubard, B. I. (1998), "Confidence intervals for proportions with small
    expected number of positive counts estimated from survey data", Survey Methodology 24, 193-201;
    Franco, C., Little, R., Louis, T. and Slud, E. (2019), Journal of Survey Statistics and
    Methodology 7, 334-364, https://doi.org/10.1093/jssam/smy019
    """
    known = sample.weights.sum(axis=1) > 0.0
    found = sample.estimate((0, 1))
    effective = effective_n(sample)
    level = 1.0 - (1.0 - check_confidence(confidence)) / options
    error = np.sqrt(found.se2 / sample.freedom)
    like = answers_like(found.mean, error, effective, pseudo=END_PSEUDO)
    sure = np.isfinite(quantile(effective - 1.0, level))
    t = quantile(np.where(sure, degrees_of_freedom(sample, (0.0, 1.0)), 1.0), level)
    lower, upper = quasi_bounds(found.mean, like, t * t)
    return build(
        np.where(sure, 100.0 * lower, 0.0),
        np.where(sure, 100.0 * upper, 100.0),
        known,
        "wilson" if options == 1 else "goodman",
        confidence,
    )


def _gain(sample: Sample, values: Sequence[int]) -> Floats:
    """Give the share of the variance that fitting to margins leaves; 1 where there is none."""
    found = sample.estimate(values)
    result: Floats = np.where(found.naive2 > 0.0, divide(found.se2, found.naive2), 1.0)
    return result
