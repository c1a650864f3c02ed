"""A score over time: intervals, control limits, and the regimes it went through."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from fractions import Fraction
from typing import ClassVar, Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, ndtr

from cxstream.analytics.autocorrelation import lag_1
from cxstream.analytics.change_points import change_points_of_classes, change_points_of_means
from cxstream.analytics.checks import Counts, Floats, as_counts, divide
from cxstream.analytics.intervals import Interval
from cxstream.analytics.scores import Scores

#: Below this an expected count makes chi-squared a poor guide to its tail.
LEAST_EXPECTED: Final = 1.0


class Scored(Protocol):
    """What NPS, CSAT, an index and a mean have in common."""

    @property
    def n(self) -> int: ...  # noqa: D102 - named in the formulas
    @property
    def score(self) -> float | None: ...  # noqa: D102
    @property
    def se(self) -> float | None: ...  # noqa: D102
    @property
    def interval(self) -> Interval | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class MonitoredBucket:
    """One bucket of the series.

    Attributes
    ----------
    n : int
        Respondents. Without any the bucket is a gap: everything else is None.
    score, se : float or None
        The score and its standard error.
    interval : Interval or None
        Of the score.
    lower_limit, upper_limit : float or None
        Limits of the score's control chart at this n; None where the baseline has no spread.
    ewma, ewma_lower, ewma_upper : float or None
        The exponentially weighted moving average and its limits.
    chi2, chi2_p : float or None
        Distance of the classes from those of the baseline, and its p-value; None for an index, and
        where the baseline expects less than 1 in a class.
    outside : tuple of {"limits", "ewma", "chi2"}
        The charts on which the bucket is out of control.
    """

    n: int
    score: float | None
    se: float | None
    interval: Interval | None
    lower_limit: float | None
    upper_limit: float | None
    ewma: float | None
    ewma_lower: float | None
    ewma_upper: float | None
    chi2: float | None
    chi2_p: float | None
    outside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Monitoring:
    """A series, its baseline and its change points.

    Attributes
    ----------
    n : int
        Respondents of the baseline.
    centre : float or None
        Score of the baseline; None where nobody answered.
    sd : float or None
        Standard deviation of one respondent's points in the baseline.
    buckets : tuple of MonitoredBucket
        In their order.
    change_points : tuple of int
        First bucket of every regime but the first.
    autocorrelation, autocorrelation_se, autocorrelation_p : float or None
        Lag-1 autocorrelation of the baseline's buckets; see `cxstream.analytics.autocorrelation`.
    """

    FORMULAS: ClassVar = ("monitor", "autocorrelation", "change_points")

    n: int
    centre: float | None
    sd: float | None
    buckets: tuple[MonitoredBucket, ...]
    change_points: tuple[int, ...]
    autocorrelation: float | None
    autocorrelation_se: float | None
    autocorrelation_p: float | None


def monitor(
    values: Sequence[Scored],
    *,
    classes: npt.ArrayLike | None,
    scores: Scores | None = None,
    lowest: float,
    highest: float = 100.0,
    baseline: npt.ArrayLike | None = None,
    smoothing: float = 0.2,
    sigmas: float = 3.0,
    false_alarm: float = 0.05,
) -> Monitoring:
    """Chart a series of scores, and find where it changes.

    With N_0 and V_0 the score and one respondent's variance in the baseline, and n_t respondents
    in bucket t:

    limits
        ``N_0 -+ L sqrt(V_0 / n_t)``, the p-type chart of a net score or a share.
    ewma
        ``Z_t = r N_t + (1 - r) Z_{t-1}``, ``Z_0 = N_0``, ``Var Z_t = r^2 V_0 / n_t + (1 - r)^2 Var
        Z_{t-1}``: limits ``N_0 -+ L sqrt(Var Z_t)``. It sees a small shift that lasts earlier.
    chi2
        ``sum_c (O_ct - n_t p_c)^2 / (n_t p_c)``, chi-squared with one degree of freedom fewer than
        classes. It sees shares that move while the score stays. Out of control where p is below
        that of L standard deviations.

    A gap leaves Z and its variance as they are. The limits take the baseline as known: with few
    answers in it there are more false alarms. Simulated with L = 3, r = 0.2 and a known baseline
    without a change, buckets of 30: 0.3 to 0.4 % of them are outside the limits, the EWMA's and
    those of chi2 alike (0.27 % is nominal), and 0.8 % outside the limits where 90 % are promoters.

    Limits take buckets as independent: the lag-1 autocorrelation of the baseline's buckets says
    whether they are, see `cxstream.analytics.autocorrelation`.

    Change points: see `cxstream.analytics.change_points`; those of an index and of a mean are sought in
    the mean.

    Parameters
    ----------
    values : sequence of Nps, Csat, Index or Mean, length T
        The buckets in their order.
    classes : array_like of int, shape (T, 3) or (T, 2), or None
        Detractors, passives, promoters; or outside and inside of the top box; None for an index and
        a mean.
    scores : Scores, optional
        The buckets' scores, where they are known more exactly than `classes` or `values` say.
    lowest, highest : float
        Ends of the score's scale, where limits are cut.
    baseline : array_like of bool, shape (T,), optional
        Buckets that make up the baseline; all of them when left out.
    smoothing : float
        Weight r of the newest bucket, above 0 and at most 1.
    sigmas : float
        Width L of the limits in standard deviations, above 0.
    false_alarm : float
        Chance of a change point in a series without one, in (0, 1).

    Returns
    -------
    Monitoring

    Raises
    ------
    ValueError
        Shapes that do not fit, or an argument outside its range.

    References
    ----------
    Montgomery, D. C., Introduction to Statistical Quality Control, chapters 7 and 9;
    https://www.itl.nist.gov/div898/handbook/pmc/section3/pmc324.htm; chi-squared chart: Wardell, D.
    G. and Candia, M. R. (1996), Quality Management Journal 3(2), 38-51
    """
    counts = None if classes is None else as_counts(classes, "classes", 2)
    scores = scores or _scores(values, counts)
    kept = baseline_of(baseline, len(values))
    if counts is None:
        found = change_points_of_means(scores, false_alarm=false_alarm)
    else:
        found = change_points_of_classes(counts, false_alarm=false_alarm)
    n, score, variance = Scores(
        tuple(m for m, keep in zip(scores.n, kept, strict=True) if keep),
        tuple(s for s, keep in zip(scores.score, kept, strict=True) if keep),
        scores.variance[kept],
    ).whole
    chi2, chi2_p = _chi2(counts, kept, len(values))
    sizes = np.array(scores.n, dtype=np.float64)
    return charted(
        values, Watched(sizes, scores.score, sizes > 0.0), kept, n, float(score), variance, lowest,
        highest, smoothing, sigmas, chi2, chi2_p, found,
    )  # fmt: skip


def baseline_of(given: npt.ArrayLike | None, buckets: int) -> npt.NDArray[np.bool_]:
    """Return which buckets make up the baseline: all of them where none are given.

    Parameters
    ----------
    given : array_like of bool, shape (T,), or None
    buckets : int
        T.

    Returns
    -------
    ndarray of bool, shape (T,)

    Raises
    ------
    ValueError
        Another number of entries.
    """
    if given is None:
        return np.ones(buckets, dtype=bool)
    kept = np.asarray(given, dtype=bool)
    if kept.shape != (buckets,):
        raise ValueError(f"baseline must have {buckets} entries")
    return kept


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A series of scores to be charted.

    Attributes
    ----------
    n : (T,) float64
        Respondents of each bucket, or as many as say the same.
    score : sequence of Fraction, length T
    known : (T,) bool
        Which buckets have a score.
    """

    n: Floats
    score: Sequence[Fraction]
    known: npt.NDArray[np.bool_]


def charted(
    values: Sequence[Scored],
    watched: Watched,
    kept: npt.NDArray[np.bool_],
    n: int,
    centre: float,
    variance: float,
    lowest: float,
    highest: float,
    smoothing: float,
    sigmas: float,
    chi2: Sequence[float | None],
    chi2_p: Sequence[float | None],
    change_points: Sequence[int],
) -> Monitoring:
    """Put a series on its charts.

    Parameters
    ----------
    values : sequence of Nps, Csat, Index or Mean, length T
    watched : Watched
    kept : ndarray of bool, shape (T,)
        The baseline's buckets.
    n : int
        Respondents of the baseline.
    centre, variance : float
        Score of the baseline, and the variance of one respondent's points.
    lowest, highest, smoothing, sigmas
        As in `monitor`.
    chi2, chi2_p : sequence of float or None, length T
    change_points : sequence of int

    Returns
    -------
    Monitoring

    Raises
    ------
    ValueError
        An argument outside its range.
    """
    if not 0.0 < smoothing <= 1.0:
        raise ValueError(f"smoothing {smoothing} is not above 0 and at most 1")
    if not (np.isfinite(sigmas) and sigmas > 0.0):
        raise ValueError(f"sigmas {sigmas} is not above 0")
    charts = _Charts.of(watched, centre, variance, lowest, highest, smoothing, sigmas)
    spread = n > 0 and variance > 0.0
    alarm = 2.0 * float(ndtr(-sigmas))
    buckets = tuple(
        _bucket(one, charts, k, spread, chi2[k], chi2_p[k], alarm) for k, one in enumerate(values)
    )
    neighbours = lag_1(watched.score, watched.known & kept)
    return Monitoring(
        n,
        centre if n else None,
        float(np.sqrt(variance)) if n else None,
        buckets,
        tuple(change_points),
        *((None, None, None) if neighbours is None else astuple(neighbours)),
    )


def _scores(values: Sequence[Scored], counts: Counts | None) -> Scores:
    if counts is None:
        return Scores.of_means(
            [one.n for one in values], [one.score for one in values], [one.se for one in values]
        )
    if counts.shape[1] == 3:
        scores = Scores.of_nets(counts)
    elif counts.shape[1] == 2:
        scores = Scores.of_shares(counts[:, 1], counts.sum(axis=1))
    else:
        raise ValueError("classes must have 2 or 3 columns")
    if scores.n != tuple(one.n for one in values):
        raise ValueError("classes do not add to n")
    return scores


@dataclass(frozen=True, slots=True)
class _Charts:
    lower: Floats
    upper: Floats
    ewma: Floats
    ewma_lower: Floats
    ewma_upper: Floats

    @classmethod
    def of(
        cls,
        watched: Watched,
        centre: float,
        variance: float,
        lowest: float,
        highest: float,
        smoothing: float,
        sigmas: float,
    ) -> "_Charts":
        n = watched.n
        per_bucket = divide(np.full_like(n, variance), n)
        averages, spreads = np.empty_like(n), np.empty_like(n)
        average, spread = centre, 0.0
        for t, (known, score, own) in enumerate(
            zip(watched.known.tolist(), watched.score, per_bucket.tolist(), strict=True)
        ):
            if known:
                average += smoothing * (float(score) - average)
                spread = smoothing * smoothing * own + (1.0 - smoothing) ** 2 * spread
            averages[t], spreads[t] = average, spread
        half, half_ewma = sigmas * np.sqrt(per_bucket), sigmas * np.sqrt(spreads)
        return cls(
            np.clip(centre - half, lowest, highest),
            np.clip(centre + half, lowest, highest),
            averages,
            np.clip(centre - half_ewma, lowest, highest),
            np.clip(centre + half_ewma, lowest, highest),
        )


def _chi2(
    counts: Counts | None, kept: npt.NDArray[np.bool_], buckets: int
) -> tuple[list[float | None], list[float | None]]:
    """Chi-squared of every bucket and its p-value; None where it does not apply."""
    nothing: list[float | None] = [None] * buckets
    if counts is None:
        return nothing, nothing
    expected_share = counts[kept].sum(axis=0).astype(np.float64)
    if not expected_share.sum():
        return nothing, nothing
    expected_share /= expected_share.sum()
    seen = expected_share > 0.0
    n = counts.sum(axis=1)
    # A class that the baseline never had is beyond chi-squared.
    usable = (counts[:, ~seen].sum(axis=1) == 0) & (n > 0) & (int(seen.sum()) > 1)
    expected = n[:, None] * expected_share[seen]
    usable &= expected.min(axis=1) >= LEAST_EXPECTED
    statistic = divide((counts[:, seen] - expected) ** 2, expected).sum(axis=1)
    p = chdtrc(max(int(seen.sum()) - 1, 1), statistic)
    return (
        [x if use else None for x, use in zip(statistic.tolist(), usable, strict=True)],
        [x if use else None for x, use in zip(p.tolist(), usable, strict=True)],
    )


def _bucket(
    one: Scored,
    charts: _Charts,
    k: int,
    spread: bool,
    chi2: float | None,
    chi2_p: float | None,
    alarm: float,
) -> MonitoredBucket:
    if one.score is None:
        return MonitoredBucket(one.n, *(None,) * 10, ())
    if not spread:
        return MonitoredBucket(
            one.n, one.score, one.se, one.interval, *(None,) * 5, chi2, chi2_p, ()
        )
    lower, upper = float(charts.lower[k]), float(charts.upper[k])
    ewma = float(charts.ewma[k])
    ewma_lower, ewma_upper = float(charts.ewma_lower[k]), float(charts.ewma_upper[k])
    outside = (
        ("limits", not lower <= one.score <= upper),
        ("ewma", not ewma_lower <= ewma <= ewma_upper),
        ("chi2", chi2_p is not None and chi2_p < alarm),
    )
    return MonitoredBucket(
        one.n,
        one.score,
        one.se,
        one.interval,
        lower,
        upper,
        ewma,
        ewma_lower,
        ewma_upper,
        chi2,
        chi2_p,
        tuple(name for name, out in outside if out),
    )
