"""Two groups, or two periods, of a weighted sample compared.

Groups of different respondents of one sample are domains of it: the linearised value of one's score
is 0 for the other's respondents, so their covariance is 0 and the variance of the difference is the
sum of the two, for a group and its complement as for two groups. Raking ties them: what fitting to the
margins takes off one goes with what it takes off the other, and the residuals' covariance is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtrit

from cxstream.analytics.bisection import bisect
from cxstream.analytics.checks import Counts, Floats, divide
from cxstream.analytics.comparison import (
    Comparison,
    MeanComparison,
    Tested,
    assemble,
    effect_sizes,
    pooled_variance,
)
from cxstream.analytics.corrections import CORRECTIONS, Correction
from cxstream.analytics.intervals import (
    answers_like,
    check_confidence,
    normal_quantile,
    quasi_bounds,
)
from cxstream.analytics.points import Linear, Points, gain, scores_of
from cxstream.analytics.survey import END_PSEUDO, Weights, quantile

WeightedMethod = Literal["score", "wald"]
WEIGHTED_METHODS: Final[tuple[WeightedMethod, ...]] = ("score", "wald")

# A z beyond which no p-value is told from 0.
_FAR: Final = 37.0
# A quantile of t that bounds nothing.
_NO_BOUND: Final = 1e8


@dataclass(frozen=True, slots=True)
class WeightedComparison(Comparison):
    """Two weighted scores compared.

    Attributes
    ----------
    effective_n_a, effective_n_b : float or None
        Kish's effective n of each side; None without weight.
    """

    FORMULAS: ClassVar[tuple[str, ...]] = ("comparison", "weighted.comparison")

    effective_n_a: float | None
    effective_n_b: float | None


@dataclass(frozen=True, slots=True)
class WeightedMeanComparison(MeanComparison):
    """Two weighted means compared.

    Attributes
    ----------
    effective_n_a, effective_n_b : float or None
        Kish's effective n of each side; None without weight.
    """

    FORMULAS: ClassVar[tuple[str, ...]] = ("comparison", "weighted.comparison", "effect_size")

    effective_n_a: float | None
    effective_n_b: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """A weighted statistic of every group, and what its error is made of.

    Attributes
    ----------
    n : (g,) int64
        Respondents behind it that have a weight.
    value : (g,) float64
    known : (g,) bool
        Where there is one.
    linear : Linear
        Of its linearised values, with n / (n - 1).
    effective_n, total : (g,) float64
        Kish's effective n, and the sum of weights.
    df : (g,) float64
        Degrees of freedom of the variance.
    ends : (float, float) or None
        Lowest and highest value there can be; None for what has no limits.
    sd : (g,) float64, optional
        Weighted standard deviation of one answer, of means.
    reach : (g,) float64, optional
        How many times its error a test and an interval take, of what has no ends.
    """

    n: Counts
    value: Floats
    known: npt.NDArray[np.bool_]
    linear: Linear
    effective_n: Floats
    total: Floats
    df: Floats
    ends: tuple[float, float] | None
    sd: Floats | None = None
    reach: Floats | None = None

    @classmethod
    def of(
        cls,
        points: Points,
        ends: tuple[float, float] | None,
        *,
        df: Floats | None = None,
        spread: bool = False,
    ) -> "Estimates":
        """Take the scores of groups; degrees of freedom are n_eff - 1 if left out."""
        effective = points.effective_n
        return cls(
            points.n,
            points.mean,
            points.known,
            scores_of(points),
            effective,
            points.unit * points.total,
            effective - 1.0 if df is None else df,
            ends,
            np.sqrt(points.variance * gain(points.n)) if spread else None,
        )

    def take(self, at: npt.NDArray[np.int64]) -> "Estimates":
        """Return those of some groups, in this order."""
        return Estimates(
            self.n[at],
            self.value[at],
            self.known[at],
            self.linear.take(at),
            self.effective_n[at],
            self.total[at],
            self.df[at],
            self.ends,
            None if self.sd is None else self.sd[at],
            None if self.reach is None else self.reach[at],
        )

    def together(self, other: "Estimates") -> list[Weights]:
        """Say what the weights of each pair of groups come to."""
        n, total = self.n + other.n, self.total + other.total
        squares = sum(divide(one.total**2, one.effective_n) for one in (self, other))
        return weights_from(n, total, np.asarray(squares))

    def pooled(self, group: npt.NDArray[np.int64], groups: int) -> list[Weights]:
        """Say what the weights of several of them come to, put together by group."""
        return weights_of_all([self], group, groups)


def weights_of_all(
    estimates: Sequence[Estimates], group: npt.NDArray[np.int64], groups: int
) -> list[Weights]:
    """Say what the weights of several statistics come to, put together by group.

    Parameters
    ----------
    estimates : sequence of Estimates, of as many groups each
    group : (g,) int64
        The group that each of theirs goes to.
    groups : int

    Returns
    -------
    list of Weights, length groups
    """
    tables = np.zeros((3, groups))
    for one in estimates:
        squares = divide(one.total**2, one.effective_n)
        for table, values in zip(tables, (one.n, one.total, squares), strict=True):
            np.add.at(table, group, values)
    return weights_from(*tables)


def weights_from(n: npt.ArrayLike, total: npt.ArrayLike, squares: npt.ArrayLike) -> list[Weights]:
    """Say what weights come to, given respondents, sums of weights and of squared weights.

    Parameters
    ----------
    n, total, squares : array_like, shape (g,)

    Returns
    -------
    list of Weights
    """
    size, whole = np.asarray(n, dtype=np.float64), np.asarray(total, dtype=np.float64)
    effect = divide(size * np.asarray(squares, dtype=np.float64), whole**2)
    effective = divide(size, effect)
    return [
        Weights(w, e if w > 0.0 else None, m if w > 0.0 else None, ())
        for w, e, m in zip(whole.tolist(), effect.tolist(), effective.tolist(), strict=True)
    ]


def compare(
    a: Estimates,
    b: Estimates,
    *,
    method: WeightedMethod = "score",
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> list[Comparison]:
    """Compare weighted net scores, shares, indices, means or coefficients of independent groups.

    ``SE^2 = SE_a^2 + SE_b^2 - 2 cov``, each Taylor's; cov is 0 but for raked weights. ``score``: what
    has two ends joins the quasi-binomial intervals (l, u) of the groups
    (`cxstream.analytics.survey.scale_intervals`), ``d - sqrt((a - l_a)^2 + (u_b - b)^2 - 2 r (a -
    l_a)(u_b - b))`` and likewise above, r the correlation; z is the normal quantile at which it first
    takes in 0, every group's t taken at the same tail. ``wald``, and what has no ends: ``t = d / SE``
    with Welch and Satterthwaite's degrees of freedom from those of each group; p and the interval take
    errors as many times as large as the estimates' `reach`.

    Parameters
    ----------
    a, b : Estimates
        The pairs of groups. No respondent may be in both groups of a pair.
    method : {"score", "wald"}
    correction : {"holm", "benjamini_hochberg"}
        How the p-values of the g comparisons are corrected.
    confidence : float
        Level of the intervals, in (0, 1).

    Returns
    -------
    list of WeightedComparison, length g
        `WeightedMeanComparison` where the estimates have standard deviations: their d is the
        difference over the pooled weighted one. Without a standard error on either side (fewer than
        two respondents, an effective n of 1) there is neither test nor interval.

    Raises
    ------
    ValueError
        Numbers of groups or ends that differ, an unknown method or correction, or a level outside
        (0, 1).

    References
    ----------
    Domains: Lumley, T. (2004), https://doi.org/10.18637/jss.v009.i08; joined intervals: Zou, G. Y. and
    Donner, A. (2008), Statistics in Medicine 27, 1693-1702, https://doi.org/10.1002/sim.3095; on
    their bounds: Franco, C. et al. (2019), https://doi.org/10.1093/jssam/smy019
    """
    check_confidence(confidence)
    if method not in WEIGHTED_METHODS:
        raise ValueError(f"method {method!r} is not one of {', '.join(WEIGHTED_METHODS)}")
    if correction not in CORRECTIONS:
        raise ValueError(f"correction {correction!r} is not one of {', '.join(CORRECTIONS)}")
    if len(a.n) != len(b.n) or a.ends != b.ends:
        raise ValueError("both sides must have the same number of groups, and ends")
    square_a, square_b = a.linear.variance, b.linear.variance
    shared = a.linear.covariance(b.linear)
    variance = np.maximum(square_a + square_b - 2.0 * shared, 0.0)
    spread = (a.n > 1) & (b.n > 1) & a.known & b.known
    se = np.sqrt(np.where(spread, variance, 0.0))
    value_a, value_b = (np.where(one.known, one.value, np.nan) for one in (a, b))
    difference = value_a - value_b
    # Where t has no quantile, nothing is known of the spread.
    sure = spread & (a.df > 0.0) & (b.df > 0.0)
    for one in (a, b):
        sure &= np.isfinite(quantile(np.where(sure, one.df, 1.0), confidence))
    df, share = np.full(len(a.n), np.inf), np.ones(len(a.n))
    if method == "score" and a.ends is not None:
        root = np.sqrt(square_a * square_b)
        tie = np.clip(divide(shared, root), -1.0, 1.0)
        statistic, lower, upper = _joined(a, b, tie, sure, confidence)
        name = "hybrid_quasi_binomial"
    else:
        sure &= se > 0.0
        more_a, more_b = (np.ones(len(a.n)) if one.reach is None else one.reach for one in (a, b))
        square_a, square_b = square_a * more_a**2, square_b * more_b**2
        wide = np.sqrt(
            np.maximum(
                square_a + square_b - 2.0 * shared * more_a * more_b, np.where(sure, se**2, 0.0)
            )
        )
        share = divide(se, wide)
        part = divide(square_a, square_a + square_b)
        free = [np.where(sure, one.df, 1.0) for one in (a, b)]
        df = np.where(sure, 1.0 / (part**2 / free[0] + (1.0 - part) ** 2 / free[1]), 1.0)
        half = np.where(sure, quantile(df, confidence) * wide, 0.0)
        lower, upper = difference - half, difference + half
        statistic = divide(np.where(sure, difference, 0.0), se)
        name = "welch"
    found = assemble(
        a.n,
        b.n,
        value_a,
        value_b,
        difference,
        np.where(spread, se, np.nan),
        Tested(statistic, sure, df, share),
        (lower, upper),
        name,
        correction,
        confidence,
    )
    return _with_sizes(found, a, b)


def _joined(
    a: Estimates,
    b: Estimates,
    tie: Floats,
    sure: npt.NDArray[np.bool_],
    confidence: float,
) -> tuple[Floats, Floats, Floats]:
    """Join the quasi-binomial intervals of the two groups: z, lower and upper bound."""
    assert a.ends is not None
    low, high = a.ends
    span = high - low
    at, like, df = [], [], []
    for one in (a, b):
        mean = np.clip((np.where(sure, one.value, low) - low) / span, 0.0, 1.0)
        error = np.sqrt(np.where(sure, one.linear.variance, 0.0)) / span
        size = np.where(sure, one.effective_n, 1.0)
        at.append(mean)
        like.append(answers_like(mean, error, size, pseudo=END_PSEUDO))
        df.append(np.where(sure, one.df, 1.0))
    gap = at[0] - at[1]

    def reach(z: Floats) -> tuple[Floats, Floats]:
        """How far below and above the difference the joined interval goes."""
        tail = ndtr(-z)
        (low_a, high_a), (low_b, high_b) = (
            quasi_bounds(m, n, np.clip(np.asarray(stdtrit(f, tail)), -_NO_BOUND, 0.0) ** 2)
            for m, n, f in zip(at, like, df, strict=True)
        )
        return (
            _apart(at[0] - low_a, high_b - at[1], tie),
            _apart(high_a - at[0], at[1] - low_b, tie),
        )

    below, above = reach(np.full_like(gap, normal_quantile(confidence)))

    def short(z: Floats) -> npt.NDArray[np.bool_]:
        left, right = reach(z)
        return np.where(gap >= 0.0, left, right) < np.abs(gap)

    z = bisect(np.zeros_like(gap), np.full_like(gap, _FAR), short)
    difference = a.value - b.value
    return (
        np.sign(gap) * z,
        np.maximum(difference - span * below, -span),
        np.minimum(difference + span * above, span),
    )


def _apart(one: Floats, other: Floats, tie: Floats) -> Floats:
    return np.sqrt(np.maximum(one * one + other * other - 2.0 * tie * one * other, 0.0))


def _with_sizes(found: Sequence[Comparison], a: Estimates, b: Estimates) -> list[Comparison]:
    sizes = [
        [n if there else None for n, there in zip(one.effective_n.tolist(), one.known, strict=True)]
        for one in (a, b)
    ]
    held = [{field.name: getattr(one, field.name) for field in fields(Comparison)} for one in found]
    if a.sd is None or b.sd is None:
        return [
            WeightedComparison(**one, effective_n_a=n_a, effective_n_b=n_b)
            for one, n_a, n_b in zip(held, *sizes, strict=True)
        ]
    pooled, free = pooled_variance(a.n, b.n, a.sd**2, b.sd**2)
    there = (pooled > 0.0) & a.known & b.known
    return [
        WeightedMeanComparison(**one, cohen_d=d, hedges_g=g, effective_n_a=n_a, effective_n_b=n_b)
        for one, (d, g), n_a, n_b in zip(
            held, effect_sizes(a.value - b.value, pooled, free, there), *sizes, strict=True
        )
    ]
