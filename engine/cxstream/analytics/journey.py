"""A journey: the same metric at an ordered list of touchpoints, and where it falls.

Touchpoints are either levels of a dimension, each answered about by its own respondents, or
questions that the same respondents answer. Levels are independent groups. Questions are not: the
standard error of a step between two means takes their covariance over those who answered both, which
sums of products keep. Of shares and net scores of two questions no joint counts are kept; the
standard error of such a step is bounded by the sum of the two, which it reaches only if answers
move exactly against each other, and says so.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, ndtr, stdtr

from cxstream.analytics.checks import Counts, Floats, divide
from cxstream.analytics.comparison import (
    Comparison,
    Estimate,
    compare_estimates,
    compare_nets,
    compare_shares,
    corrected,
)
from cxstream.analytics.corrections import Correction, adjust
from cxstream.analytics.distribution import moments
from cxstream.analytics.intervals import (
    Interval,
    check_confidence,
    net,
    net_variance,
    normal_quantile,
    quasi_binomial,
    share_se,
    t_quantile,
    wilson,
)
from cxstream.analytics.means import Mean, means
from cxstream.analytics.survey import quantile

Metric = Literal["nps", "top_box", "mean"]
Basis = Literal["independent", "paired", "bound"]

METRICS: Final[tuple[Metric, ...]] = ("nps", "top_box", "mean")

#: Ends of means.
ENDS: Final = (0.0, 100.0)


#: A step: change, standard error, p, corrected p, interval.
Step = tuple[float | None, float | None, float | None, float | None, Interval | None]


@dataclass(frozen=True, slots=True)
class Stage:
    """One touchpoint, and the step that leads to it.

    Attributes
    ----------
    stage : str
        Its name.
    n : int
        Answers.
    score, se : float or None
        The metric and its standard error.
    interval : Interval or None
        Of the metric.
    change : float or None
        Score less that of the stage before; None for the first, and where either is undefined.
    change_se : float or None
        Its standard error.
    change_interval : Interval or None
        Not corrected.
    p, p_adjusted : float or None
        Two-sided; corrected for the number of steps of the journey.
    biggest_drop : bool
        Whether this step falls most of all. One journey has at most one; none if nothing falls.
    """

    stage: str
    n: int
    score: float | None
    se: float | None
    interval: Interval | None
    change: float | None = None
    change_se: float | None = None
    change_interval: Interval | None = None
    p: float | None = None
    p_adjusted: float | None = None
    biggest_drop: bool = False


@dataclass(frozen=True, slots=True)
class Journey:
    """One journey.

    Attributes
    ----------
    n : int
        Answers at all stages.
    basis : {"independent", "paired", "bound"}
        What the standard errors of the steps rest on.
    biggest_drop : str or None
        The stage whose step falls most.
    stages : tuple of Stage
        In the order given.
    """

    FORMULAS: ClassVar = ("journey",)

    n: int
    basis: Basis
    biggest_drop: str | None
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class StageComparison:
    """One touchpoint of journey a beside that of journey b.

    Attributes
    ----------
    stage : str
    n_a, n_b : int
        Answers.
    a, b : float or None
        The metric in each.
    difference, se : float or None
        a - b and its standard error.
    p, p_adjusted : float or None
        Two-sided; corrected for the number of stages.
    interval : Interval or None
        Of the difference, not corrected.
    """

    stage: str
    n_a: int
    n_b: int
    a: float | None
    b: float | None
    difference: float | None
    se: float | None
    p: float | None
    p_adjusted: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class JourneyComparison:
    """Two journeys, made by different respondents, stage by stage and as wholes.

    Attributes
    ----------
    n_a, n_b : int
        Answers at all stages.
    difference, se : float or None
        Mean over the stages of the differences, each stage alike; over those defined in both.
    interval : Interval or None
        Of that mean.
    p : float or None
        Its two-sided p-value.
    chi2 : float or None
        Wald's statistic of all differences at once: ``d' V^-1 d``. None for shares and net scores
        of questions, whose covariances are not kept.
    df : int
        Stages that it covers.
    chi2_p : float or None
        The chance of so large a chi2 if the journeys do not differ anywhere.
    stages : tuple of StageComparison
    """

    FORMULAS: ClassVar = ("journey.comparison",)

    n_a: int
    n_b: int
    difference: float | None
    se: float | None
    interval: Interval | None
    p: float | None
    chi2: float | None
    df: int
    chi2_p: float | None
    stages: tuple[StageComparison, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    """A question's answers at every stage.

    Parameters
    ----------
    counts : (s, K) int64
        Respondents at each level, lowest stored value first.
    passive_from, promoter_from : int
        Cuts of ``nps``, as level indices.
    top_from : int
        First level of the top box, counted from the good end's side as in
        `cxstream.analytics.csat.csat`.
    reverse : bool
        Low stored values are the good ones.
    """

    counts: Counts
    passive_from: int = 0
    promoter_from: int = 0
    top_from: int = 0
    reverse: bool = False

    @property
    def _good_last(self) -> Counts:
        return self.counts[:, ::-1] if self.reverse else self.counts

    @property
    def n(self) -> Counts:
        """Return the answers at every stage."""
        total: Counts = self.counts.sum(axis=1)
        return total

    @property
    def classes(self) -> Counts:
        """Return detractors, passives, promoters of every stage."""
        edges = (0, self.passive_from, self.promoter_from, self.counts.shape[1])
        parts = [self.counts[:, a:b].sum(axis=1) for a, b in itertools.pairwise(edges)]
        return np.stack(parts, axis=1)

    @property
    def top(self) -> Counts:
        """Return the answers in the top box of every stage."""
        inside: Counts = self._good_last[:, self.top_from :].sum(axis=1)
        return inside

    def means(self, confidence: float) -> list[Mean]:
        """Return the means on 0..100."""
        levels = self.counts.shape[1]
        return means(
            *moments(self._good_last, range(levels)),
            origin=Fraction(0),
            step=Fraction(100, max(levels - 1, 1)),
            ends=(Fraction(0), Fraction(100)),
            confidence=confidence,
        )

    def stages(self, names: Sequence[str], metric: Metric, confidence: float) -> list[Stage]:
        """Return every stage by itself."""
        n = self.n
        if metric == "mean":
            found = self.means(confidence)
            return [
                Stage(name, m.n, m.mean, m.se, m.interval)
                for name, m in zip(names, found, strict=True)
            ]
        if metric == "nps":
            low, middle, high = self.classes.T
            score = divide(100 * (high - low), n)
            variance = net_variance(*(v.astype(np.float64) for v in (low, middle, high)))
            se = 100.0 * np.sqrt(divide(variance, n))
            intervals = net(low, middle, high, confidence=confidence)
        else:
            score = divide(100 * self.top, n)
            se = share_se(self.top, n)
            intervals = wilson(self.top, n, confidence=confidence)
        return [
            Stage(name, size, s if size else None, e if size else None, interval)
            for name, size, s, e, interval in zip(
                names, n.tolist(), score.tolist(), se.tolist(), intervals, strict=True
            )
        ]

    def take(self, at: slice) -> "Histograms":
        """Return some of the stages."""
        return replace(self, counts=self.counts[at])


def _compared(
    a: Histograms, b: Histograms, metric: Metric, correction: Correction, confidence: float
) -> list[Comparison]:
    """Compare independent groups, stage by stage."""
    if metric == "nps":
        return compare_nets(a.classes, b.classes, correction=correction, confidence=confidence)
    if metric == "top_box":
        return compare_shares(a.top, a.n, b.top, b.n, correction=correction, confidence=confidence)
    return compare_estimates(
        *([Estimate(m.n, m.mean, m.se, max(m.n - 1, 1), ENDS) for m in one.means(confidence)]
          for one in (a, b)),
        correction=correction,
        confidence=confidence,
    )  # fmt: skip


def journey_of_levels(
    names: Sequence[str],
    answers: Histograms,
    *,
    metric: Metric,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> Journey:
    """One question along the levels of a dimension: independent groups.

    Every step is tested as in `cxstream.analytics.comparison`: joined score intervals for net
    scores, Miettinen and Nurminen for shares, joined quasi-binomial intervals for means. The p-values of all steps are
    corrected together, so looking for the biggest drop afterwards costs nothing more.

    Parameters
    ----------
    names : sequence of str, length s
        The stages, in order.
    answers : Histograms
        Of the s stages.
    metric : {"nps", "top_box", "mean"}
    correction : {"holm", "benjamini_hochberg"}
    confidence : float
        Level of all intervals, in (0, 1).

    Returns
    -------
    Journey
        A stage that nobody answered has no score, and no step leads to it or from it: a step is
        never taken across it.

    Raises
    ------
    ValueError
        Unknown metric or correction; names that do not fit.
    """
    check(metric, names, len(answers.counts))
    stages = answers.stages(names, metric, confidence)
    steps = _compared(
        answers.take(slice(1, None)), answers.take(slice(None, -1)), metric, correction, confidence
    )
    rows = [(c.difference, c.se, c.p, c.p_adjusted, c.interval) for c in steps]
    return journey_of(stages, rows, "independent")


def journey_of_questions(
    names: Sequence[str],
    answers: Sequence[Histograms],
    *,
    metric: Metric,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> Journey:
    """Shares or net scores of several questions of the same respondents: steps are bounded.

    ``SE(b - a) <= SE_a + SE_b`` whatever the covariance: p-values are too large, intervals too
    wide, never the reverse. Where answers agree, as ratings of one visit do, they are far too
    wide; ask for the mean, whose steps are exact (`journey_of_means`). Both standard errors are
    those after pseudo-respondents are added (3/4, 3/2, 3/4; one in, one out).

    Parameters
    ----------
    names : sequence of str, length s
    answers : sequence of Histograms, length s
        Of one stage each.
    metric : {"nps", "top_box"}
    correction, confidence
        As in `journey_of_levels`.

    Returns
    -------
    Journey
        `basis` is ``bound``.
    """
    check(metric, names, len(answers))
    if metric == "mean":
        raise ValueError("means of questions have exact steps: use journey_of_means")
    stages = [one.stages([name], metric, confidence)[0]
              for name, one in zip(names, answers, strict=True)]  # fmt: skip
    z = normal_quantile(confidence)
    adjusted = [_adjusted(one, metric) for one in answers]
    rows: list[Step] = []
    for (before, se_before), (after, se_after), earlier, later in zip(
        adjusted, adjusted[1:], stages, stages[1:], strict=False
    ):
        if earlier.score is None or later.score is None:
            rows.append((None, None, None, None, None))
            continue
        se = se_before + se_after
        centre = after - before
        p = 2.0 * float(ndtr(-abs(centre) / se))
        interval = Interval(centre - z * se, centre + z * se, "bound", confidence)
        rows.append((later.score - earlier.score, se, p, None, interval))
    return journey_of(stages, corrected_steps(rows, correction), "bound")


def _adjusted(one: Histograms, metric: Metric) -> tuple[float, float]:
    """Give score and standard error with pseudo-respondents."""
    if metric == "nps":
        low, middle, high = (np.array([float(v)]) for v in one.classes[0])
        low, middle, high = low + 0.75, middle + 1.5, high + 0.75
        n = low + middle + high
        score = 100.0 * (high - low) / n
        return float(score[0]), 100.0 * float(np.sqrt(net_variance(low, middle, high) / n)[0])
    n_in, n_all = float(one.top[0]) + 1.0, float(one.n[0]) + 2.0
    share = n_in / n_all
    return 100.0 * share, 100.0 * math.sqrt(share * (1.0 - share) / n_all)


@dataclass(frozen=True, slots=True, eq=False)
class PairSums:
    """Sums over pairs of questions of one group: what a pairs block keeps.

    Parameters
    ----------
    n : (s, s) int
        Respondents who answered both i and j.
    total : (s, s) int
        At [i, j]: sum of codes x_i over those who answered j too.
    cross : (s, s) int
        Sum of x_i x_j. Python integers or int64.
    ranges : (s,) int
        Largest code of each question.
    reverse : (s,) bool
        Low codes are the good ones.
    """

    n: npt.NDArray[np.int64]
    total: npt.NDArray[np.int64]
    cross: npt.NDArray[np.int64]
    ranges: Sequence[int]
    reverse: Sequence[bool]


@dataclass(frozen=True, slots=True, eq=False)
class _Means:
    """Means on 0..100 and their covariances; NaN where undefined."""

    n: list[int]
    value: Floats
    covariance: Floats


def _means_of(sums: PairSums) -> _Means:
    """Give every question's mean, and the covariance of each two, exactly centred.

    ``cov(m_i, m_j) = sum_both (x_i - m_i)(x_j - m_j) / (n_i n_j)``, times sqrt(n_i n_j /
    ((n_i - 1)(n_j - 1))): the sample variance over n on the diagonal, and for complete answers
    that of the paired differences.
    """
    size = len(sums.ranges)
    n = [int(sums.n[i, i]) for i in range(size)]
    total = [int(sums.total[i, i]) for i in range(size)]
    unit = [(-100.0 if flip else 100.0) / top
            for top, flip in zip(sums.ranges, sums.reverse, strict=True)]  # fmt: skip
    value = np.full(size, np.nan)
    covariance = np.full((size, size), np.nan)
    for i in range(size):
        if n[i]:
            value[i] = (100.0 if sums.reverse[i] else 0.0) + unit[i] * (total[i] / n[i])
        for j in range(size):
            if n[i] < 2 or n[j] < 2:
                continue
            centred = (
                n[i] * n[j] * int(sums.cross[i, j])
                - total[i] * n[j] * int(sums.total[j, i])
                - total[j] * n[i] * int(sums.total[i, j])
                + total[i] * total[j] * int(sums.n[i, j])
            )
            scale = math.sqrt((n[i] - 1) * (n[j] - 1) * n[i] * n[j])
            covariance[i, j] = unit[i] * unit[j] * (centred / (n[i] * n[j])) / scale
    return _Means(n, value, covariance)


def journey_of_means(
    names: Sequence[str],
    sums: PairSums,
    *,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> Journey:
    """Means of several questions of the same respondents, with exact paired steps.

    ``SE(m_j - m_i)^2 = var m_i + var m_j - 2 cov(m_i, m_j)``, the covariance over those who
    answered both; t with min(n_i, n_j) - 1 degrees of freedom. Where all answered both it is the
    paired t test.

    Parameters
    ----------
    names : sequence of str, length s
    sums : PairSums
    correction, confidence
        As in `journey_of_levels`.

    Returns
    -------
    Journey
        Scores on 0..100; `basis` is ``paired``.
    """
    check("mean", names, len(sums.ranges))
    check_confidence(confidence)
    found = _means_of(sums)
    value = [None if math.isnan(v) else float(v) for v in found.value]
    se = [None if math.isnan(v) else math.sqrt(v) for v in np.diag(found.covariance)]
    intervals = quasi_binomial(value, se, found.n, ends=ENDS, confidence=confidence)
    stages = [Stage(*row) for row in zip(names, found.n, value, se, intervals, strict=True)]
    contrasts = np.eye(len(names), dtype=np.float64)
    rows: list[Step] = []
    for j in range(1, len(names)):
        contrast = contrasts[j] - contrasts[j - 1]
        df = min(found.n[j], found.n[j - 1]) - 1
        if min(found.n[j], found.n[j - 1]) == 0:
            rows.append((None, None, None, None, None))
            continue
        change = float(found.value[j] - found.value[j - 1])
        if df < 1:
            rows.append((change, None, None, None, None))
            continue
        both = slice(j - 1, j + 1)
        spread = contrast[both] @ found.covariance[both, both] @ contrast[both]
        error = math.sqrt(max(float(spread), 0.0))
        if error == 0.0:
            rows.append((change, 0.0, None, None, None))
            continue
        p = 2.0 * float(stdtr(df, -abs(change) / error))
        half = float(t_quantile(df, confidence)) * error
        interval = Interval(change - half, change + half, "student_t", confidence)
        rows.append((change, error, p, None, interval))
    return journey_of(stages, corrected_steps(rows, correction), "paired")


def compare_levels(
    names: Sequence[str],
    a: Histograms,
    b: Histograms,
    *,
    metric: Metric,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> JourneyComparison:
    """Compare two journeys along the levels of a dimension.

    Parameters
    ----------
    names : sequence of str, length s
    a, b : Histograms
        Of the s stages; no respondent in both.
    metric, correction, confidence
        As in `journey_of_levels`.

    Returns
    -------
    JourneyComparison
    """
    check(metric, names, len(a.counts))
    compared = _compared(a, b, metric, correction, confidence)
    variance = np.array([_plain_variance(c, metric, a, b, i) for i, c in enumerate(compared)])
    return whole_of(names, compared, np.diag(variance), confidence)


def compare_questions(
    names: Sequence[str],
    a: Sequence[Histograms],
    b: Sequence[Histograms],
    *,
    metric: Metric,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> JourneyComparison:
    """Compare shares or net scores of several questions between two groups of respondents.

    Each stage is an exact comparison of independent groups. The mean over the stages has a bound for
    a standard error, the mean of the stages'; chi2 is None.

    Parameters
    ----------
    names : sequence of str, length s
    a, b : sequence of Histograms, length s
    metric : {"nps", "top_box"}
    correction, confidence
        As in `journey_of_levels`.

    Returns
    -------
    JourneyComparison
    """
    check(metric, names, len(a))
    compared = [
        _compared(one, other, metric, correction, confidence)[0]
        for one, other in zip(a, b, strict=True)
    ]
    compared = corrected(compared, correction)
    errors = np.sqrt(
        [_plain_variance(c, metric, x, y, 0) for c, x, y in zip(compared, a, b, strict=True)]
    )
    return whole_of(names, compared, np.outer(errors, errors), confidence, joint=False)


def compare_means(
    names: Sequence[str],
    a: PairSums,
    b: PairSums,
    *,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> JourneyComparison:
    """Compare means of several questions between two groups, all covariances counted.

    Parameters
    ----------
    names : sequence of str, length s
    a, b : PairSums
        No respondent in both.
    correction, confidence
        As in `journey_of_levels`.

    Returns
    -------
    JourneyComparison
        chi2 with as many degrees of freedom as the differences have independent directions.
    """
    check("mean", names, len(a.ranges))
    sides = [_means_of(one) for one in (a, b)]
    estimates = [
        [
            Estimate(
                n,
                None if math.isnan(v) else float(v),
                None if math.isnan(s) else math.sqrt(s),
                max(n - 1, 1),
                ENDS,
            )
            for n, v, s in zip(one.n, one.value, np.diag(one.covariance), strict=True)
        ]
        for one in sides
    ]
    compared = compare_estimates(*estimates, correction=correction, confidence=confidence)
    return whole_of(names, compared, sides[0].covariance + sides[1].covariance, confidence)


def _plain_variance(c: Comparison, metric: Metric, a: Histograms, b: Histograms, i: int) -> float:
    """Give the variance of the difference itself, with n - 1; NaN where there is none."""
    if metric == "mean":
        return math.nan if c.se is None else c.se**2
    if min(c.n_a, c.n_b) < 2:
        return math.nan
    if metric == "nps":
        parts = [net_variance(*(np.array([float(v)]) for v in one.classes[i])) for one in (a, b)]
        return sum(1e4 * float(v[0]) / (int(one.n[i]) - 1)
                   for v, one in zip(parts, (a, b), strict=True))  # fmt: skip
    shares = [int(one.top[i]) / int(one.n[i]) for one in (a, b)]
    return sum(1e4 * p * (1 - p) / (int(one.n[i]) - 1)
               for p, one in zip(shares, (a, b), strict=True))  # fmt: skip


def whole_of(
    names: Sequence[str],
    compared: Sequence[Comparison],
    covariance: Floats,
    confidence: float,
    *,
    joint: bool = True,
    df: float = math.inf,
    left: float = 1.0,
) -> JourneyComparison:
    """Put the stages together: their mean difference, and all differences at once.

    Parameters
    ----------
    names : sequence of str, length s
    compared : sequence of Comparison, length s
    covariance : (s, s) float64
        Of the differences; NaN where there is none.
    confidence : float
    joint : bool
        Whether `covariance` is that; else it is a bound, and there is no chi2.
    df : float
        Degrees of freedom of the mean difference's variance: what its interval and p take t with.
    left : float
        Share of the degrees of freedom that fitting to margins leaves: they take the error with it.

    Returns
    -------
    JourneyComparison
    """
    d = np.array([math.nan if c.difference is None else c.difference for c in compared])
    known = np.isfinite(d) & np.isfinite(np.diag(covariance))
    n_a, n_b = sum(c.n_a for c in compared), sum(c.n_b for c in compared)
    stages = tuple(
        StageComparison(name, c.n_a, c.n_b, c.a, c.b, c.difference, c.se, c.p, c.p_adjusted,
                        c.interval)
        for name, c in zip(names, compared, strict=True)
    )  # fmt: skip
    if not known.any():
        return JourneyComparison(n_a, n_b, None, None, None, None, None, 0, None, stages)
    d, v = d[known], covariance[np.ix_(known, known)]
    mean = float(d.mean())
    se = math.sqrt(max(float(v.sum()), 0.0)) / len(d)
    interval = p = None
    t = float(quantile(np.array(df), confidence))
    if se > 0.0 and math.isfinite(t):
        wide = se / math.sqrt(left)
        half = t * wide
        method = "wald" if joint else "bound"
        interval = Interval(mean - half, mean + half, method, confidence)
        p = 2.0 * float(stdtr(df, -abs(mean) / wide))
    if not joint:
        return JourneyComparison(n_a, n_b, mean, se, interval, p, None, 0, None, stages)
    rank = int(np.linalg.matrix_rank(v, hermitian=True))
    if rank == 0:
        return JourneyComparison(n_a, n_b, mean, se, interval, p, None, 0, None, stages)
    chi2 = float(d @ np.linalg.pinv(v, hermitian=True) @ d)
    return JourneyComparison(
        n_a, n_b, mean, se, interval, p, chi2, rank, float(chdtrc(rank, chi2)), stages
    )


def corrected_steps(steps: Sequence[Step], correction: Correction) -> list[Step]:
    """Correct the p-values of a journey's steps for their number.

    Parameters
    ----------
    steps : sequence of Step
    correction : {"holm", "benjamini_hochberg"}

    Returns
    -------
    list of Step
    """
    tested = np.array([p for _, _, p, _, _ in steps if p is not None], dtype=np.float64)
    fixed = iter(adjust(tested, correction).tolist())
    return [
        (change, se, p, None if p is None else next(fixed), interval)
        for change, se, p, _, interval in steps
    ]


def journey_of(
    stages: Sequence[Stage],
    steps: Sequence[tuple[float | None, float | None, float | None, float | None, Interval | None]],
    basis: Basis,
) -> Journey:
    """Put stages and the steps between them together, and find the biggest drop.

    Parameters
    ----------
    stages : sequence of Stage, length s
    steps : sequence of Step, length s - 1
    basis : {"independent", "paired", "bound"}

    Returns
    -------
    Journey
    """
    falls = [
        (change, place)
        for place, (change, *_) in enumerate(steps, start=1)
        if change is not None and change < 0.0
    ]
    lowest = min(falls)[1] if falls else 0
    made = list(stages[:1])
    for place, (stage, (change, se, p, p_adjusted, interval)) in enumerate(
        zip(stages[1:], steps, strict=True), start=1
    ):
        made.append(
            replace(
                stage,
                change=change,
                change_se=se,
                change_interval=interval,
                p=p,
                p_adjusted=p_adjusted,
                biggest_drop=place == lowest,
            )
        )
    total = sum(one.n for one in made)
    return Journey(total, basis, made[lowest].stage if lowest else None, tuple(made))


def check(metric: str, names: Sequence[str], stages: int) -> None:
    """Refuse what is no journey.

    Parameters
    ----------
    metric : str
    names : sequence of str
    stages : int

    Raises
    ------
    ValueError
        Unknown metric, names that do not fit, or fewer than two stages.
    """
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r} is not known: use one of {', '.join(METRICS)}")
    if len(names) != stages:
        raise ValueError(f"{len(names)} names for {stages} stages")
    if stages < 2:
        raise ValueError("a journey has at least two stages")
