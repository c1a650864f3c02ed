"""Journeys under survey weights: steps between weighted scores, and two journeys compared."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, stdtr

from cxstream.analytics.checks import Floats
from cxstream.analytics.comparison import Comparison, corrected
from cxstream.analytics.corrections import Correction
from cxstream.analytics.intervals import Interval, check_confidence, normal_quantile
from cxstream.analytics.journey import (
    ENDS,
    Journey,
    JourneyComparison,
    Stage,
    Step,
    corrected_steps,
    journey_of,
    whole_of,
)
from cxstream.analytics.points import Linear
from cxstream.analytics.raking import freedom_of
from cxstream.analytics.survey import quantile, scale_intervals
from cxstream.analytics.weighted_comparison import Estimates, compare
from cxstream.analytics.weighted_index import ColumnMeans


def journey_of_levels(
    stages: Sequence[Stage],
    estimates: Estimates,
    *,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> Journey:
    """One question along the levels of a dimension: domains of one weighted sample.

    Every step is tested as in `cxstream.analytics.weighted_comparison.compare`; p-values are corrected
    for all steps.

    Parameters
    ----------
    stages : sequence of Stage, length s
        Each by itself.
    estimates : Estimates
        Of the s stages.
    correction : {"holm", "benjamini_hochberg"}
    confidence : float
        Level in (0, 1).

    Returns
    -------
    Journey
        `basis` is ``independent``; of raked weights the residuals' covariance is counted.

    References
    ----------
    Lumley, T. (2004), https://doi.org/10.18637/jss.v009.i08
    """
    places = np.arange(len(stages))
    steps = compare(
        estimates.take(places[1:]),
        estimates.take(places[:-1]),
        correction=correction,
        confidence=confidence,
    )
    rows = [(c.difference, c.se, c.p, c.p_adjusted, c.interval) for c in steps]
    return journey_of(stages, rows, "independent")


def journey_of_questions(
    stages: Sequence[Stage],
    *,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> Journey:
    """Shares or net scores of several questions of the same respondents: steps are bounded.

    ``SE(b - a) <= SE_a + SE_b``, Taylor's, whatever the covariance; see
    `cxstream.analytics.journey.journey_of_questions`. Where both are 0 there is neither test nor
    interval.

    Parameters
    ----------
    stages : sequence of Stage, length s
        Each by itself.
    correction, confidence
        As in `journey_of_levels`.

    Returns
    -------
    Journey
        `basis` is ``bound``.
    """
    z = normal_quantile(check_confidence(confidence))
    rows: list[Step] = []
    for before, after in itertools.pairwise(stages):
        if before.score is None or after.score is None:
            rows.append((None, None, None, None, None))
            continue
        change = after.score - before.score
        if before.se is None or after.se is None or before.se + after.se == 0.0:
            rows.append((change, None, None, None, None))
            continue
        se = before.se + after.se
        p = 2.0 * float(ndtr(-abs(change) / se))
        interval = Interval(change - z * se, change + z * se, "bound", confidence)
        rows.append((change, se, p, None, interval))
    return journey_of(stages, corrected_steps(rows, correction), "bound")


def journey_of_means(
    names: Sequence[str],
    means: ColumnMeans,
    group: int,
    *,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> Journey:
    """Means of several questions of the same respondents, with exact paired steps.

    ``SE(m_j - m_i)^2 = var m_i + var m_j - 2 cov(m_i, m_j)``, Taylor's
    (`cxstream.analytics.weighted_index.column_means`); t with the smaller effective n less 1 degrees of
    freedom. Of raked weights interval and p take the share of these that fitting to the margins leaves, and
    the error with it (`cxstream.analytics.raking.Calibration.freedom`).

    Parameters
    ----------
    names : sequence of str, length s
    means : ColumnMeans
        Of the s questions, on 0..100.
    group : int
        Which of its groups.
    correction, confidence
        As in `journey_of_levels`.

    Returns
    -------
    Journey
        `basis` is ``paired``.

    References
    ----------
    Woodruff, R. S. (1971), https://doi.org/10.1080/01621459.1971.10482279
    """
    stages = stages_of_means(names, means, group, confidence)
    covariance, effective = means.covariance[group], means.effective_n[group]
    left = freedom_of(means.linear[0].calibration)
    rows: list[Step] = []
    for j in range(1, len(names)):
        i = j - 1
        before, after = stages[i], stages[j]
        if before.score is None or after.score is None:
            rows.append((None, None, None, None, None))
            continue
        change = after.score - before.score
        if before.se is None or after.se is None:
            rows.append((change, None, None, None, None))
            continue
        spread = float(covariance[i, i] + covariance[j, j] - 2.0 * covariance[i, j])
        error = math.sqrt(max(spread, 0.0))
        df = np.array([left * (min(effective[i], effective[j]) - 1.0)])
        t = float(quantile(df, confidence)[0])
        if error == 0.0 or not math.isfinite(t):
            rows.append((change, error, None, None, None))
            continue
        wide = error / math.sqrt(left)
        p = 2.0 * float(stdtr(df[0], -abs(change) / wide))
        interval = Interval(change - t * wide, change + t * wide, "student_t", confidence)
        rows.append((change, error, p, None, interval))
    return journey_of(stages, corrected_steps(rows, correction), "paired")


def stages_of_means(
    names: Sequence[str], means: ColumnMeans, group: int, confidence: float
) -> list[Stage]:
    """Give the questions of a journey of means, each by itself.

    Parameters
    ----------
    names, means, group, confidence
        As in `journey_of_means`.

    Returns
    -------
    list of Stage
    """
    n, value = means.n[group], means.value[group]
    error = np.sqrt(np.maximum(np.diag(means.covariance[group]), 0.0))
    there = means.total[group] > 0.0
    known = (n > 1) & there
    intervals = scale_intervals(
        value, error, means.effective_n[group], known, confidence, ends=ENDS
    )
    return [
        Stage(name, int(size), float(v) if here else None, float(e) if sure else None, interval)
        for name, size, v, e, here, sure, interval in zip(
            names, n, value, error, there, known, intervals, strict=True
        )
    ]


def compare_levels(
    names: Sequence[str],
    a: Estimates,
    b: Estimates,
    *,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> JourneyComparison:
    """Compare two weighted journeys along the levels of a dimension.

    Parameters
    ----------
    names : sequence of str, length s
    a, b : Estimates
        Of the s stages; no respondent in both.
    correction, confidence
        As in `journey_of_levels`.

    Returns
    -------
    JourneyComparison
        chi2 is Wald's, of Taylor's covariances; all of them are 0 between stages but for raked weights. The
        mean difference takes t, with Satterthwaite's degrees of freedom from those of every stage.
    """
    compared = compare(a, b, correction=correction, confidence=confidence)
    apart = a.linear + b.linear.scaled(-1.0)
    covariance = np.diag(apart.variance)
    if apart.calibration is not None:
        stages = len(names)
        for i in range(stages):
            for j in range(i):
                one, other = (apart.take(np.array([at])) for at in (i, j))
                covariance[i, j] = covariance[j, i] = float(one.covariance(other)[0])
    covariance = _known(covariance, compared)
    there = np.isfinite(np.diag(covariance))
    df = _satterthwaite(
        np.concatenate([one.linear.variance[there] for one in (a, b)]),
        np.concatenate([one.df[there] for one in (a, b)]),
    )
    left = freedom_of(apart.calibration)
    return whole_of(names, compared, covariance, confidence, df=left * df, left=left)


def compare_questions(
    names: Sequence[str],
    a: Sequence[Estimates],
    b: Sequence[Estimates],
    *,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> JourneyComparison:
    """Compare weighted shares or net scores of several questions between two groups.

    Each stage is an exact comparison; the mean over the stages has a bound for a standard error, and
    there is no chi2: see `cxstream.analytics.journey.compare_questions`.

    Parameters
    ----------
    names : sequence of str, length s
    a, b : sequence of Estimates, length s
        Of one group each.
    correction, confidence
        As in `journey_of_levels`.

    Returns
    -------
    JourneyComparison
    """
    compared = [
        compare(one, other, correction=correction, confidence=confidence)[0]
        for one, other in zip(a, b, strict=True)
    ]
    compared = corrected(compared, correction)
    errors = np.array([math.nan if c.se is None else c.se for c in compared])
    return whole_of(names, compared, np.outer(errors, errors), confidence, joint=False)


def compare_means(
    names: Sequence[str],
    means: ColumnMeans,
    a: int,
    b: int,
    *,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> JourneyComparison:
    """Compare weighted means of several questions between two groups, all covariances counted.

    Parameters
    ----------
    names : sequence of str, length s
    means : ColumnMeans
        Of the s questions, on 0..100.
    a, b : int
        Which of its groups.
    correction, confidence
        As in `journey_of_levels`.

    Returns
    -------
    JourneyComparison
        The mean difference takes t, with Welch and Satterthwaite's degrees of freedom from the smallest
        effective n of each journey.
    """
    first, second = (estimates_of_means(means, group) for group in (a, b))
    compared = compare(first, second, correction=correction, confidence=confidence)
    covariance = means.covariance[a] + means.covariance[b]
    for i in range(len(names)):
        one = first.linear.take(np.full(len(names), i))
        shared = one.covariance(second.linear)
        covariance[i] -= shared
        covariance[:, i] -= shared
    df = _satterthwaite(
        np.array([means.covariance[one].sum() for one in (a, b)]),
        np.array([means.effective_n[one].min(initial=math.inf, where=means.effective_n[one] > 0) - 1.0
                  for one in (a, b)]),
    )  # fmt: skip
    left = freedom_of(first.linear.calibration)
    known = _known(covariance, compared)
    return whole_of(names, compared, known, confidence, df=left * df, left=left)


def _satterthwaite(variance: Floats, df: Floats) -> float:
    """Degrees of freedom of a sum of independent variances; 0 where one of them has none."""
    used = variance > 0.0
    if not used.any() or df[used].min() <= 0.0:
        return 0.0
    return float(variance[used].sum() ** 2 / (variance[used] ** 2 / df[used]).sum())


def estimates_of_means(means: ColumnMeans, group: int) -> Estimates:
    """Give the means of several questions of one group, ready to be compared.

    Parameters
    ----------
    means : ColumnMeans
        On 0..100.
    group : int

    Returns
    -------
    Estimates
    """
    own = [one.take(np.array([group])) for one in means.linear]
    effective = means.effective_n[group]
    return Estimates(
        means.n[group],
        means.value[group],
        means.total[group] > 0.0,
        Linear(
            np.concatenate([one.squares for one in own]),
            np.concatenate([one.first for one in own]),
            np.concatenate([one.second for one in own]),
            own[0].calibration,
        ),
        effective,
        means.total[group],
        effective - 1.0,
        ENDS,
    )


def _known(covariance: Floats, compared: Sequence[Comparison]) -> Floats:
    """Leave out the variance of what has no standard error."""
    made = covariance.copy()
    for at, one in enumerate(compared):
        if one.se is None:
            made[at, at] = math.nan
    return made
