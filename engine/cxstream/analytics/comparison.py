"""Two independent groups, or two periods: how far apart they are, and whether that is chance."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtr

from cxstream.analytics.bisection import bisect
from cxstream.analytics.checks import Counts, Floats, as_counts, divide
from cxstream.analytics.corrections import CORRECTIONS, Correction, adjust
from cxstream.analytics.intervals import (
    NET_METHODS,
    Interval,
    NetMethod,
    answers_like,
    build,
    check_confidence,
    net_variance,
    normal_quantile,
    quasi_bounds,
    score_bounds,
    score_variance,
    t_quantile,
)
from cxstream.analytics.means import Mean

MeanMethod = Literal["welch", "pooled"]
MEAN_METHODS: Final[tuple[MeanMethod, ...]] = ("welch", "pooled")
ShareMethod = Literal["score", "adjusted_wald", "wald", "pooled", "continuity"]
SHARE_METHODS: Final[tuple[ShareMethod, ...]] = (*NET_METHODS, "pooled", "continuity")

# A z that no test reaches.
_FAR: Final = 2.0**20
# Pseudo-respondents of an adjusted Wald: detractor, passive, promoter; and of a share, in and out.
_NET_PSEUDO: Final = (0.75, 1.5, 0.75)
_SHARE_PSEUDO: Final = (1.0, 1.0)
# What their intervals are called.
_SHARE_INTERVALS: Final = {
    "score": "miettinen_nurminen",
    "adjusted_wald": "agresti_caffo",
    "wald": "wald",
    "pooled": "wald",
    "continuity": "wald_continuity",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Group a against group b.

    Attributes
    ----------
    n : int
        Respondents of both groups.
    n_a, n_b : int
        Respondents behind the statistic in each group.
    a, b : float or None
        The statistic in each group; None where it is undefined.
    difference : float or None
        a - b. All that follows is None where one of the two is undefined.
    centre : float or None
        What ``adjusted_wald`` puts its test and interval around: the difference after its
        pseudo-respondents are added. The difference itself for every other method.
    se : float or None
        Standard error of `centre`, the groups taken as independent.
    statistic : float or None
        Signed z, or t where there is `df`; None where se is 0 and the method divides by it.
    df : float or None
        Degrees of freedom of t, not always whole; None for a z.
    p : float or None
        Two-sided p-value. It is below 1 - confidence exactly where the interval leaves 0 out.
    p_adjusted : float or None
        p corrected for all comparisons made in the same call.
    interval : Interval or None
        Of the difference, not corrected. On -200..200 for net scores, -100..100 for shares.
    """

    FORMULAS: ClassVar[tuple[str, ...]] = ("comparison",)

    n: int
    n_a: int
    n_b: int
    a: float | None
    b: float | None
    difference: float | None
    centre: float | None
    se: float | None
    statistic: float | None
    df: float | None
    p: float | None
    p_adjusted: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class MeanComparison(Comparison):
    """Two means compared.

    Attributes
    ----------
    cohen_d : float or None
        (a - b) / s with the pooled standard deviation s; None where that is 0 or not known.
    hedges_g : float or None
        The same with the correction for small samples, times 1 - 3 / (4 df - 1), df = n_a + n_b - 2.
    """

    FORMULAS: ClassVar[tuple[str, ...]] = ("comparison", "effect_size")

    cohen_d: float | None
    hedges_g: float | None


class Estimate(NamedTuple):
    """A mean, an index or a coefficient of one group.

    Attributes
    ----------
    n : int
        Respondents behind it.
    value, se : float or None
        The estimate and its standard error; None where undefined.
    df : float or None
        Degrees of freedom of the standard error; None for a normal one.
    ends : (float, float) or None
        Lowest and highest value there can be, of a mean of answers on a scale (its standard error
        with divisor n - 1); None for what has no limits.
    reach : float
        How many times its standard error test and interval take: that of a coefficient with Bell and
        McCaffrey's is more than 1.
    """

    n: int
    value: float | None
    se: float | None
    df: float | None
    ends: tuple[float, float] | None = None
    reach: float = 1.0


def compare_nets(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    method: NetMethod = "score",
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> list[Comparison]:
    """Compare net scores: NPS, or the net form of customer effort.

    ``score``: the interval joins the two one-sample score intervals (l, u) of the groups,
    ``d - sqrt((N_a - l_a)^2 + (u_b - N_b)^2)`` and ``d + sqrt((u_a - N_a)^2 + (N_b - l_b)^2)``;
    z is the quantile at which it first takes in 0. ``adjusted_wald``: ``z = (N_a' - N_b') /
    sqrt(V_a' / n_a' + V_b' / n_b')`` after 3/4, 3/2 and 3/4 pseudo-respondents are added to each
    group. ``wald``: the same without them.

    With 30 and 30 respondents, at 95 %, over 66 pairs of distributions with up to 95 % in one
    class, the interval of ``score`` covers in 94.0 to 99.9 % of samples (above 97 % only where
    nearly all of both groups are of one class), that of ``adjusted_wald`` in 83.9 to 99.9 %
    (too rarely where the groups lie near opposite ends, because both are drawn to 0), that of
    ``wald`` in 88.4 to 97.5 %; with 30 and 2,000, ``wald`` falls to 78 %.

    Parameters
    ----------
    a, b : array_like of int, shape (g, 3)
        Detractors, passives, promoters of the pairs of groups. No respondent may be in both
        groups of a pair.
    method : {"score", "adjusted_wald", "wald"}
        Which test and interval.
    correction : {"holm", "benjamini_hochberg"}
        How the p-values of the g comparisons are corrected.
    confidence : float
        Level of the intervals, in (0, 1).

    Returns
    -------
    list of Comparison, length g
        In points of the score. Where n_a or n_b is 0, nothing is compared.

    Raises
    ------
    ValueError
        Shapes that do not fit, an unknown method or correction, or a level outside (0, 1).

    References
    ----------
    Joining intervals: Zou, G. Y. and Donner, A. (2008), Statistics in Medicine 27, 1693-1702,
    https://doi.org/10.1002/sim.3095. Adjusted Wald: https://measuringu.com/nps-significance-test/
    """
    _check(method, correction)
    first, second = _pair(a, b, 3)
    z = normal_quantile(confidence)
    n_a, n_b = first.sum(axis=1), second.sum(axis=1)
    points_a = divide(100 * (first[:, 2] - first[:, 0]), n_a)
    points_b = divide(100 * (second[:, 2] - second[:, 0]), n_b)
    net_a, net_b = points_a / 100.0, points_b / 100.0
    around = points_a - points_b
    if method == "score":
        classes_a, classes_b = first.astype(np.float64), second.astype(np.float64)
        centre = net_a - net_b
        variance = _error_variance(classes_a) + _error_variance(classes_b)
        negative, neutral, positive = np.concatenate([classes_a, classes_b]).T
        low, high = score_bounds(negative, neutral, positive, z)
        (low_a, low_b), (high_a, high_b) = np.split(low, 2), np.split(high, 2)
        lower = centre - np.hypot(net_a - low_a, high_b - net_b)
        upper = centre + np.hypot(high_a - net_a, net_b - low_b)
        statistic, tested = _joined_z(classes_a, classes_b), (n_a > 0) & (n_b > 0)
    else:
        pseudo = np.array(_NET_PSEUDO if method == "adjusted_wald" else (0.0, 0.0, 0.0))
        classes_a, classes_b = first + pseudo, second + pseudo
        centre = _net(classes_a) - _net(classes_b)
        variance = _error_variance(classes_a) + _error_variance(classes_b)
        lower, upper, statistic, tested = _wald(centre, variance, z)
        if method == "adjusted_wald":
            around = 100.0 * centre
    return assemble(
        n_a,
        n_b,
        points_a,
        points_b,
        around,
        100.0 * np.sqrt(variance),
        Tested(statistic, tested, np.full(len(n_a), np.inf)),
        (np.clip(100.0 * lower, -200.0, 200.0), np.clip(100.0 * upper, -200.0, 200.0)),
        "hybrid_score" if method == "score" else method,
        correction,
        confidence,
    )


def compare_shares(
    count_a: npt.ArrayLike,
    n_a: npt.ArrayLike,
    count_b: npt.ArrayLike,
    n_b: npt.ArrayLike,
    *,
    method: ShareMethod = "score",
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> list[Comparison]:
    """Compare shares: top boxes, or anything else that is counted.

    ``score``: Miettinen and Nurminen's, all differences delta with ``(p_a - p_b - delta)^2 <= z^2
    N / (N - 1) [~p_a (1 - ~p_a) / n_a + ~p_b (1 - ~p_b) / n_b]``, where ~p_a and ~p_b are the
    shares of largest likelihood that are delta apart; the test is that of delta = 0.
    ``adjusted_wald``: Agresti and Caffo's, the normal one after one respondent in and one out are
    added to each group. ``wald``: the same without them. ``pooled``: the interval of ``wald``, and the
    test with one share for both, ``z = (p_a - p_b) / sqrt(p (1 - p) (1/n_a + 1/n_b))``, whose square is
    Pearson's chi-squared of the two by two table. ``continuity``: the same after Yates, with the
    difference and both ends of the interval moved by ``c = min((1/n_a + 1/n_b) / 2, |p_a - p_b|)``:
    what R's prop.test gives unless told otherwise.

    Exact coverage at 95 % with 30 and 30 respondents, over shares of 1 to 99 %: ``score`` 93.5 to
    100 %, within 93 to 97 % for 83 % of the pairs (above only where both shares are near one
    end); ``adjusted_wald`` 93.6 to 100 %, 78 % of the pairs; Newcombe's hybrid of two Wilson
    intervals, not offered, 90.2 to 100 %. With 30 and 300: 92.6 to 97.2 %, and 93.5 to 99.9 %.

    Parameters
    ----------
    count_a, n_a, count_b, n_b : array_like of int, shape (g,)
        Respondents counted, and all who answered, in the pairs of groups. No respondent may be in
        both groups of a pair.
    method : {"score", "adjusted_wald", "wald", "pooled", "continuity"}
        Which test and interval.
    correction : {"holm", "benjamini_hochberg"}
        How the p-values of the g comparisons are corrected.
    confidence : float
        Level of the intervals, in (0, 1).

    Returns
    -------
    list of Comparison, length g
        In points of 0..100. Where n_a or n_b is 0, nothing is compared.

    Raises
    ------
    ValueError
        Shapes that do not fit, more counted than answered, an unknown method or correction, or a
        level outside (0, 1).

    References
    ----------
    Miettinen, O. and Nurminen, M. (1985), Statistics in Medicine 4, 213-226,
    https://doi.org/10.1002/sim.4780040211; Agresti, A. and Caffo, B. (2000), The American
    Statistician 54, 280-288, https://doi.org/10.1080/00031305.2000.10474560; Yates, F. (1934),
    Supplement to the Journal of the Royal Statistical Society 1, 217-235,
    https://doi.org/10.2307/2983604
    """
    _check(method, correction, SHARE_METHODS)
    first = _in_and_out(count_a, n_a)
    second = _in_and_out(count_b, n_b)
    if first.shape != second.shape:
        raise ValueError("both sides must have the same number of groups")
    z = normal_quantile(confidence)
    size_a, size_b = first.sum(axis=1), second.sum(axis=1)
    points_a = divide(100 * first[:, 1], size_a)
    points_b = divide(100 * second[:, 1], size_b)
    around = points_a - points_b
    if method == "score":
        centre = around / 100.0
        variance = _share_error(first) + _share_error(second)
        a, b = first.astype(np.float64), second.astype(np.float64)
        lower, upper = _miettinen_nurminen(a, b, z)
        at_zero = _restricted_variance(np.zeros(len(a)), a, b)
        # No variance at 0 is where all answers of both groups are the same: no sign of a
        # difference, so z = 0.
        statistic = divide(centre, np.sqrt(at_zero))
        tested = (size_a > 0) & (size_b > 0)
    else:
        pseudo = np.array(_SHARE_PSEUDO if method == "adjusted_wald" else (0.0, 0.0))
        a, b = first + pseudo, second + pseudo
        centre = divide(a[:, 1], a.sum(axis=1)) - divide(b[:, 1], b.sum(axis=1))
        variance = _share_error(a) + _share_error(b)
        lower, upper, statistic, tested = _wald(centre, variance, z)
        if method == "adjusted_wald":
            around = 100.0 * centre
        if method in ("pooled", "continuity"):
            moved = np.zeros(len(a))
            if method == "continuity":
                moved = np.minimum(
                    (divide(1.0, size_a) + divide(1.0, size_b)) / 2.0, np.abs(centre)
                )
                lower, upper = lower - moved, upper + moved
            statistic, tested = _of_one_share(first + second, size_a, size_b, centre, moved)
    return assemble(
        size_a,
        size_b,
        points_a,
        points_b,
        around,
        100.0 * np.sqrt(variance),
        Tested(statistic, tested, np.full(len(a), np.inf)),
        (np.clip(100.0 * lower, -100.0, 100.0), np.clip(100.0 * upper, -100.0, 100.0)),
        _SHARE_INTERVALS[method],
        correction,
        confidence,
    )


def compare_estimates(
    a: Sequence[Estimate],
    b: Sequence[Estimate],
    *,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> list[Comparison]:
    """Compare means, indices or regression coefficients, without assuming equal variances.

    Means with ends: the interval joins the quasi-binomial intervals of the two groups
    (`cxstream.analytics.intervals.quasi_binomial`) as `compare_nets` joins score intervals; z is the
    quantile at which it first takes in 0. All others by Welch's test: ``t = (a - b) / sqrt(SE_a^2 + SE_b^2)`` with Welch and Satterthwaite's ``df = (SE_a^2 +
    SE_b^2)^2 / (SE_a^4 / df_a + SE_b^4 / df_b)``; for two means with sample variances that is
    Welch's test. Without degrees of freedom on either side it is a z. Where estimates have a `reach`, p
    and the interval take errors that are as many times as large.

    Parameters
    ----------
    a, b : sequence of Estimate, length g
        The pairs of groups. No respondent may be in both groups of a pair.
    correction : {"holm", "benjamini_hochberg"}
        How the p-values of the g comparisons are corrected.
    confidence : float
        Level of the intervals, in (0, 1).

    Returns
    -------
    list of Comparison, length g
        On the scale of the estimates. Without ends two standard errors of 0 give a difference, and
        neither a test nor an interval: nothing is known of the spread. With ends a group of one
        answer does.

    Raises
    ------
    ValueError
        Lengths that differ, an unknown correction, or a level outside (0, 1).

    References
    ----------
    Welch, B. L. (1947), Biometrika 34, 28-35, https://doi.org/10.1093/biomet/34.1-2.28;
    Satterthwaite, F. E. (1946), Biometrics Bulletin 2, 110-114, https://doi.org/10.2307/3002019;
    joining intervals: Zou and Donner (2008), https://doi.org/10.1002/sim.3095
    """
    _check("score", correction)
    check_confidence(confidence)
    if len(a) != len(b):
        raise ValueError("both sides must have the same number of groups")
    ends = {one.ends for side in (a, b) for one in side}
    if len(ends) > 1:
        raise ValueError("all estimates must have the same ends")
    both_ends = ends.pop() if ends else None
    if both_ends is not None:
        return _compare_on_scale(a, b, both_ends, correction, confidence)
    value_a, value_b = _column(a, "value"), _column(b, "value")
    error_a, error_b = _column(a, "se"), _column(b, "se")
    square_a, square_b = (error_a * _column(a, "reach")) ** 2, (error_b * _column(b, "reach")) ** 2
    df_a, df_b = (
        np.array([np.inf if one.df is None else one.df for one in side], dtype=np.float64)
        for side in (a, b)
    )
    variance = square_a + square_b
    tested = variance > 0.0
    difference, reach = value_a - value_b, np.sqrt(np.where(tested, variance, 0.0))
    se = np.sqrt(error_a**2 + error_b**2)
    share = divide(square_a * tested, np.where(tested, variance, 1.0))
    with np.errstate(divide="ignore"):
        df = 1.0 / (share**2 / df_a + (1.0 - share) ** 2 / df_b)
    half = t_quantile(np.where(tested, df, 1.0), confidence) * reach
    # Nothing is divided where nothing is tested.
    known = np.where(tested, se, 0.0)
    return assemble(
        np.array([one.n for one in a], dtype=np.int64),
        np.array([one.n for one in b], dtype=np.int64),
        value_a,
        value_b,
        difference,
        se,
        Tested(divide(np.where(tested, difference, 0.0), known), tested, df, divide(known, reach)),
        (difference - half, difference + half),
        "welch",
        correction,
        confidence,
    )


def _compare_on_scale(
    a: Sequence[Estimate],
    b: Sequence[Estimate],
    ends: tuple[float, float],
    correction: Correction,
    confidence: float,
) -> list[Comparison]:
    """Join the quasi-binomial intervals of the two groups."""
    span = ends[1] - ends[0]
    sizes = [np.array([one.n for one in side], dtype=np.int64) for side in (a, b)]
    values = [_column(side, "value") for side in (a, b)]
    errors = [_column(side, "se") for side in (a, b)]
    tested = np.all([np.isfinite(e) & (n > 1) for e, n in zip(errors, sizes, strict=True)], axis=0)
    at, like = [], []
    for value, error, n in zip(values, errors, sizes, strict=True):
        mean = np.clip((np.where(tested, value, ends[0]) - ends[0]) / span, 0.0, 1.0)
        size = n.astype(np.float64)
        found = answers_like(mean, np.where(tested, error, 0.0) / span, size)
        at.append(mean)
        like.append(np.maximum(found, size))
    # Where nothing is tested there may be nobody.
    like = [np.where(tested, one, 1.0) for one in like]
    gap = at[0] - at[1]

    def reach(c: Floats | float) -> tuple[Floats, Floats]:
        """How far below and above the difference the joined interval goes at z^2 = c."""
        (low_a, high_a), (low_b, high_b) = (
            quasi_bounds(m, n, c) for m, n in zip(at, like, strict=True)
        )
        return np.hypot(at[0] - low_a, high_b - at[1]), np.hypot(high_a - at[0], at[1] - low_b)

    below, above = reach(normal_quantile(confidence) ** 2)

    def short(z: Floats) -> npt.NDArray[np.bool_]:
        left, right = reach(z * z)
        return np.where(gap >= 0.0, left, right) < np.abs(gap)

    z = bisect(np.zeros_like(gap), np.full_like(gap, _FAR), short)
    difference = values[0] - values[1]
    return assemble(
        sizes[0],
        sizes[1],
        values[0],
        values[1],
        difference,
        np.hypot(errors[0], errors[1]),
        Tested(np.sign(gap) * z, tested, np.full(len(gap), np.inf)),
        (
            np.maximum(difference - span * below, -span),
            np.minimum(difference + span * above, span),
        ),
        "hybrid_quasi_binomial",
        correction,
        confidence,
    )


def compare_means(
    a: Sequence[Mean],
    b: Sequence[Mean],
    *,
    method: MeanMethod = "welch",
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> list[Comparison]:
    """Compare the means of two groups of respondents, and say how large the difference is.

    ``welch``: see `compare_estimates`. ``pooled``: Student's t, ``(a - b) / (s sqrt(1/n_a +
    1/n_b))`` with ``s^2 = ((n_a - 1) s_a^2 + (n_b - 1) s_b^2) / df``, ``df = n_a + n_b - 2``; too
    sure where the smaller group varies more. The size of the difference is Cohen's ``d = (a - b) /
    s`` and Hedges' ``g = d (1 - 3 / (4 df - 1))``, whichever the test.

    Parameters
    ----------
    a, b : sequence of Mean, length g
        The pairs of groups. No respondent may be in both groups of a pair.
    method : {"welch", "pooled"}
    correction : {"holm", "benjamini_hochberg"}
        How the p-values of the g comparisons are corrected.
    confidence : float
        Level of the intervals, in (0, 1).

    Returns
    -------
    list of MeanComparison, length g
        In units of the answers. Without variation on either side there is a difference, and
        neither a test nor a size of it.

    Raises
    ------
    ValueError
        Lengths that differ, an unknown method or correction, or a level outside (0, 1).

    References
    ----------
    Hedges, L. V. (1981), Journal of Educational Statistics 6, 107-128,
    https://doi.org/10.3102/10769986006002107
    """
    if method not in MEAN_METHODS:
        raise ValueError(f"method {method!r} is not known: use one of {', '.join(MEAN_METHODS)}")
    sides = [
        [Estimate(one.n, one.mean, one.se, max(one.n - 1, 1)) for one in side] for side in (a, b)
    ]
    compared = compare_estimates(*sides, correction=correction, confidence=confidence)
    size_a, size_b = (np.array([one.n for one in side], dtype=np.int64) for side in (a, b))
    square_a, square_b = (
        np.array([one.sd or 0.0 for one in side], dtype=np.float64) ** 2 for side in (a, b)
    )
    variance, free = pooled_variance(size_a, size_b, square_a, square_b)
    value_a, value_b = _column(sides[0], "value"), _column(sides[1], "value")
    difference = value_a - value_b
    tested = (variance > 0.0) & (size_a > 0) & (size_b > 0)
    if method == "pooled":
        known = np.maximum(size_a * size_b, 1)
        se = np.sqrt(variance * (size_a + size_b) / known)
        half = t_quantile(np.maximum(free, 1), confidence) * se
        compared = assemble(
            size_a,
            size_b,
            value_a,
            value_b,
            difference,
            se,
            Tested(divide(np.where(tested, difference, 0.0), se), tested, free.astype(np.float64)),
            (difference - half, difference + half),
            "pooled_t",
            correction,
            confidence,
        )
    return [
        MeanComparison(
            **{field.name: getattr(one, field.name) for field in fields(Comparison)},
            cohen_d=d,
            hedges_g=g,
        )
        for one, (d, g) in zip(
            compared, effect_sizes(difference, variance, free, tested), strict=True
        )
    ]


def pooled_variance(
    n_a: Counts, n_b: Counts, square_a: Floats, square_b: Floats
) -> tuple[Floats, Counts]:
    """Return ``((n_a - 1) s_a^2 + (n_b - 1) s_b^2) / (n_a + n_b - 2)``, and what it is divided by.

    Parameters
    ----------
    n_a, n_b : ndarray of int64, shape (g,)
    square_a, square_b : ndarray of float64, shape (g,)
        Variances of one answer.

    Returns
    -------
    tuple of ndarray, shape (g,)
    """
    free = np.maximum(n_a + n_b - 2, 0)
    both = np.maximum(n_a - 1, 0) * square_a + np.maximum(n_b - 1, 0) * square_b
    return divide(both, free), free


def effect_sizes(
    difference: Floats, variance: Floats, free: Counts, known: npt.NDArray[np.bool_]
) -> list[tuple[float | None, float | None]]:
    """Return Cohen's d and Hedges' g of every pair; see `MeanComparison`.

    Parameters
    ----------
    difference : ndarray of float64, shape (g,)
    variance, free : ndarray, shape (g,)
        See `pooled_variance`.
    known : ndarray of bool, shape (g,)
        Where there are any; None elsewhere.

    Returns
    -------
    list of tuple, length g
    """
    d = divide(np.where(known, difference, 0.0), np.sqrt(variance))
    g = d * (1.0 - divide(3.0, 4.0 * free - 1.0))
    return [
        (one_d, one_g) if there else (None, None)
        for one_d, one_g, there in zip(d.tolist(), g.tolist(), known.tolist(), strict=True)
    ]


def corrected(found: Sequence[Comparison], correction: Correction) -> list[Comparison]:
    """Correct p-values for the comparisons given, and no others.

    Parameters
    ----------
    found : sequence of Comparison
    correction : {"holm", "benjamini_hochberg"}

    Returns
    -------
    list of Comparison
    """
    tested = np.array([one.p for one in found if one.p is not None], dtype=np.float64)
    fixed = iter(adjust(tested, correction).tolist())
    return [one if one.p is None else replace(one, p_adjusted=next(fixed)) for one in found]


def complement(total: npt.ArrayLike, groups: npt.ArrayLike) -> npt.NDArray[Any]:
    """Take every group out of the total it is part of: the sums of everybody else.

    A group is compared with its complement. Against the total it would be compared with itself in
    part, and the two would not be independent.

    Parameters
    ----------
    total : array_like of int, shape (...)
        Sums over everybody.
    groups : array_like of int, shape (g, ...)
        The same sums over each group.

    Returns
    -------
    ndarray of int, shape (g, ...)
        total - groups, exactly.

    Raises
    ------
    ValueError
        Not integers.
    """
    everybody, parts = np.asarray(total), np.asarray(groups)
    if everybody.dtype.kind not in "iuO" or parts.dtype.kind not in "iuO":
        raise ValueError("sums must hold integers")
    rest: npt.NDArray[Any] = everybody[None] - parts
    return rest


def complement_patterns(
    group: npt.NDArray[np.int64],
    pattern: npt.NDArray[np.uint64],
    sums: npt.NDArray[np.int64],
    *,
    groups: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Give the sums by answer pattern of everybody but each group (see `complement`).

    Parameters
    ----------
    group, pattern, sums : ndarrays of shape (r,), (r,), (r, w)
        Sums by group and pattern, each pair once, as `cxstream.analytics.index.index` takes them;
        the groups make up the total.
    groups : int
        Number of groups.

    Returns
    -------
    group, pattern, sums : ndarrays
        The same of the complements, without patterns that nobody is left in.
    """
    kinds, place = np.unique(pattern, return_inverse=True)
    total = np.zeros((len(kinds), sums.shape[1]), dtype=np.int64)
    np.add.at(total, place, sums)
    rest = np.repeat(total[None], groups, axis=0)
    np.subtract.at(rest, (group, place), sums)
    of, which = np.nonzero(rest[:, :, 0])
    return of, kinds[which], rest[of, which]


class Tested(NamedTuple):
    """Test statistics, where there is one, and degrees of freedom; infinite for a z.

    `share`: of the statistic, what p takes.
    """

    statistic: Floats
    known: npt.NDArray[np.bool_]
    df: Floats
    share: Floats | float = 1.0


def _of_one_share(
    both: Counts, size_a: Counts, size_b: Counts, difference: Floats, moved: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Z of a difference, moved towards 0, were there one share; where there is one."""
    share = divide(both[:, 1], both.sum(axis=1))
    variance = share * (1.0 - share) * (divide(1.0, size_a) + divide(1.0, size_b))
    known = (size_a > 0) & (size_b > 0) & (variance > 0.0)
    nearer = np.sign(difference) * (np.abs(difference) - moved)
    return divide(nearer, np.sqrt(variance)), known


def _check(method: str, correction: str, methods: Sequence[str] = NET_METHODS) -> None:
    if method not in methods:
        raise ValueError(f"method {method!r} is not known: use one of {', '.join(methods)}")
    if correction not in CORRECTIONS:
        raise ValueError(
            f"correction {correction!r} is not known: use one of {', '.join(CORRECTIONS)}"
        )


def _pair(a: npt.ArrayLike, b: npt.ArrayLike, width: int) -> tuple[Counts, Counts]:
    first, second = as_counts(a, "a", 2, width), as_counts(b, "b", 2, width)
    if first.shape != second.shape:
        raise ValueError("both sides must have the same number of groups")
    return first, second


def _in_and_out(count: npt.ArrayLike, n: npt.ArrayLike) -> Counts:
    inside = as_counts(count, "count", 1)
    size = as_counts(n, "n", 1, len(inside))
    return as_counts(np.stack([size - inside, inside], axis=1), "n - count", 2)


def _column(side: Sequence[Estimate], name: str) -> Floats:
    """Values with NaN for None, which `assemble` turns back."""
    return np.array([getattr(one, name) for one in side], dtype=np.float64)


def _net(classes: Floats) -> Floats:
    return divide(classes[:, 2] - classes[:, 0], classes.sum(axis=1))


def _error_variance(classes: Floats) -> Floats:
    """Squared standard error of a net score on -1..1."""
    return divide(net_variance(classes[:, 0], classes[:, 1], classes[:, 2]), classes.sum(axis=1))


def _share_error(counts: npt.NDArray[Any]) -> Floats:
    """Squared standard error of a share on 0..1 from the counts out and in."""
    out, inside = counts.astype(np.float64).T
    n = out + inside
    return divide(divide(divide(out * inside, n), n), n)


def _wald(
    centre: Floats, variance: Floats, z: float
) -> tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]:
    se = np.sqrt(variance)
    return centre - z * se, centre + z * se, divide(centre, se), se > 0.0


def _joined_z(a: Floats, b: Floats) -> Floats:
    """Signed z at which the joined score interval of N_a - N_b first takes in 0.

    With N_a above N_b (else the two change places): at that z the lower bound x of a and the
    upper bound y of b satisfy ``(N_a - x)^2 + (y - N_b)^2 = (N_a - N_b)^2`` and ``|Z_a(x)| =
    |Z_b(y)| = z``. Z_a grows and Z_b falls as x goes from N_a to N_b, so x is found by bisection.
    """
    net_a, net_b = _net(a), _net(b)
    swapped = (net_a < net_b)[:, None]
    upper, lower = np.where(swapped, b, a), np.where(swapped, a, b)
    n_up, n_low = upper.sum(axis=1), lower.sum(axis=1)
    net_up, net_low = np.maximum(net_a, net_b), np.minimum(net_a, net_b)
    gap = net_up - net_low

    def at(step: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Squared distances and variances, of a and of b."""
        x = net_up - step
        y = net_low + np.sqrt(np.maximum((gap - step) * (gap + step), 0.0))
        return (
            n_up * (net_up - x) ** 2,
            score_variance(x, upper[:, 0], upper[:, 2], n_up),
            n_low * (y - net_low) ** 2,
            score_variance(y, lower[:, 0], lower[:, 2], n_low),
        )

    def nearer(step: Floats) -> npt.NDArray[np.bool_]:
        """Z_a^2 <= Z_b^2, multiplied out: a variance may be 0."""
        far_a, variance_a, far_b, variance_b = at(step)
        return far_a * variance_b <= far_b * variance_a

    squares = at(bisect(np.zeros_like(gap), gap, nearer))
    z = np.sqrt(
        np.where(
            squares[1] > squares[3],
            divide(squares[0], squares[1]),
            divide(squares[2], squares[3]),
        )
    )
    result: Floats = np.where(net_a < net_b, -z, z)
    return result


def _restricted_variance(delta: Floats, a: Floats, b: Floats) -> Floats:
    """Squared standard error of p_a - p_b from the likeliest shares that are delta apart.

    The share q of b solves the cubic ``N q^3 + l_2 q^2 + l_1 q + l_0 = 0``, here by its
    trigonometric root; the counts are divided by N first.
    """
    n_a, n_b = a.sum(axis=1), b.sum(axis=1)
    both = n_a + n_b
    x, y = divide(a[:, 1], both), divide(b[:, 1], both)
    f, g = divide(n_a, both), divide(n_b, both)
    c = x + y
    l_2 = ((f + 2.0 * g) * delta - 1.0 - c) / 3.0
    l_1 = (g * delta - 1.0 - 2.0 * y) * delta + c
    l_0 = y * delta * (1.0 - delta)
    v = l_2 * l_2 * l_2 - l_1 * l_2 / 2.0 + l_0 / 2.0
    u = np.where(v < 0.0, -1.0, 1.0) * np.sqrt(np.maximum(l_2 * l_2 - l_1 / 3.0, 0.0))
    # Rounding may carry the cosine, and the shares, past their ends.
    w = (np.pi + np.arccos(np.clip(divide(v, u * u * u), -1.0, 1.0))) / 3.0
    q = np.clip(2.0 * u * np.cos(w) - l_2, np.maximum(0.0, -delta), np.minimum(1.0, 1.0 - delta))
    p = q + delta
    variance = divide(p * (1.0 - p), n_a) + divide(q * (1.0 - q), n_b)
    result: Floats = np.maximum(variance, 0.0) * divide(both, both - 1.0)
    return result


def _miettinen_nurminen(a: Floats, b: Floats, z: float) -> tuple[Floats, Floats]:
    """Bisect for the two ends of the differences that the score test does not reject."""
    centre = divide(a[:, 1], a.sum(axis=1)) - divide(b[:, 1], b.sum(axis=1))

    def kept(delta: Floats) -> npt.NDArray[np.bool_]:
        return (centre - delta) ** 2 <= z * z * _restricted_variance(delta, a, b)

    lower, upper = (bisect(centre, np.full_like(centre, end), kept) for end in (-1.0, 1.0))
    return lower, upper


def assemble(
    n_a: Counts,
    n_b: Counts,
    a: Floats,
    b: Floats,
    centre: Floats,
    se: Floats,
    test: Tested,
    bounds: tuple[Floats, Floats],
    method: str,
    correction: Correction,
    confidence: float,
) -> list[Comparison]:
    """Turn columns into dataclasses; the p-values are one family.

    Parameters
    ----------
    n_a, n_b : (g,) int64
    a, b, centre, se : (g,) float64
        NaN where undefined.
    test : Tested
    bounds : (lower, upper)
    method, correction, confidence
        Of the intervals, and of the p-values.

    Returns
    -------
    list of Comparison
    """
    there_a, there_b = (n_a > 0) & np.isfinite(a), (n_b > 0) & np.isfinite(b)
    both = there_a & there_b
    spread = both & np.isfinite(se)
    known = spread & test.known
    tail = -np.abs(test.statistic * test.share)
    p = 2.0 * np.where(
        np.isinf(test.df), ndtr(tail), stdtr(np.where(np.isinf(test.df), 1.0, test.df), tail)
    )
    adjusted = np.ones_like(p)
    adjusted[known] = adjust(p[known], correction)

    def shown(values: npt.NDArray[Any], where: npt.NDArray[np.bool_]) -> list[Any]:
        return [one if there else None for one, there in zip(values.tolist(), where, strict=True)]

    return [
        Comparison(*row)
        for row in zip(
            (n_a + n_b).tolist(),
            n_a.tolist(),
            n_b.tolist(),
            shown(a, there_a),
            shown(b, there_b),
            shown(a - b, both),
            shown(centre, both),
            shown(se, spread),
            shown(test.statistic, known),
            shown(test.df, known & np.isfinite(test.df)),
            shown(p, known),
            shown(adjusted, known),
            build(*bounds, known, method, confidence),
            strict=True,
        )
    ]
