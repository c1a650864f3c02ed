"""The metrics under survey weights: weighted NPS, CSAT, CES, distribution, scorecard and means.

Each takes a `cxstream.analytics.survey.Sample` and gives what its unweighted sister gives, with
what the weights come to. Counts in the answers are responses; scores, shares and means are
weighted; standard errors are Taylor's. Equal weights give the unweighted estimates to the last bit
and a design effect of exactly 1; the standard errors of scores and shares then differ from the
unweighted ones by sqrt(n / (n - 1)), because those divide by n.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from cxstream.analytics import ces as plain_ces
from cxstream.analytics.ces import Ces
from cxstream.analytics.checks import Counts, Floats, as_counts
from cxstream.analytics.csat import Csat
from cxstream.analytics.distribution import Distribution, Level
from cxstream.analytics.intervals import Interval, check_confidence
from cxstream.analytics.nps import Nps
from cxstream.analytics.scorecard import OptionShare, Scorecard
from cxstream.analytics.survey import (
    Estimate,
    Exact,
    Sample,
    Weights,
    degrees_of_freedom,
    effective_n,
    exact,
    mean_intervals,
    net_intervals,
    quotient,
    scale_intervals,
    share_intervals,
    weights_of,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Weighted(Generic[T]):
    """A weighted statistic of one group.

    Attributes
    ----------
    value : Nps, Csat, Ces, Distribution, Scorecard or Index
        The statistic. Its counts are responses that have a weight, its scores are weighted.
    weights : Weights
        What the weights come to.
    """

    value: T
    weights: Weights


def nps(sample: Sample, *, confidence: float = 0.95) -> list[Weighted[Nps]]:
    """Weighted Net Promoter Score, for every group.

    ``N = (W_P - W_D) / W``, ``SE^2 = n / (n - 1) sum_c Q_c (t_c - N)^2 / W^2`` with W_c and Q_c
    the sums of weights and of squared weights of class c, and t = -1, 0, 1; times 100.

    Parameters
    ----------
    sample : Sample
        K = 3: detractors, passives, promoters (`Sample.folded` puts levels together).
    confidence : float
        Level in (0, 1) of the adjusted Wald interval
        (`cxstream.analytics.survey.net_intervals`).

    Returns
    -------
    list of Weighted of Nps, length g
        Without weight (n = 0, or all weights 0): everything None. n = 1: a score and an interval,
        no standard error. `variance` is the weighted variance of one response.

    References
    ----------
    Woodruff (1971), https://doi.org/10.1080/01621459.1971.10482279
    """
    check_confidence(confidence)
    _classes(sample, 3)
    found = sample.estimate((-100, 0, 100))
    n = sample.counts.sum(axis=1)
    rows = zip(
        n.tolist(),
        sample.counts.tolist(),
        _known(found.mean, sample),
        _known(found.variance, sample),
        _errors(found.se2, n, sample),
        net_intervals(sample, confidence),
        weights_of(sample),
        strict=True,
    )
    return [
        Weighted(Nps(total, up, level, down, score, variance, se, interval), weights)
        for total, (down, level, up), score, variance, se, interval, weights in rows
    ]


def csat(
    sample: Sample, *, top_from: int, reverse: bool = False, confidence: float = 0.95
) -> list[Weighted[Csat]]:
    """Weighted top-box share and mean on 0..100, for every group.

    Parameters
    ----------
    sample : Sample
        K levels, lowest stored value first.
    top_from, reverse
        As in `cxstream.analytics.csat.csat`.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Weighted of Csat, length g
        `weights.classes`: below the top box, in it. Without weight everything is None; n = 1: no
        standard errors.

    Raises
    ------
    ValueError
        Fewer than two levels, or `top_from` outside 1..K-1.
    """
    levels = sample.counts.shape[1]
    if levels < 2:
        raise ValueError("sample must have 2 or more levels")
    if not 0 < top_from < levels:
        raise ValueError(f"top_from {top_from} is not allowed: it must be in 1..{levels - 1}")
    if reverse:
        sample = sample.take(range(levels)[::-1])
    boxes = sample.folded((0, top_from, levels))
    share = boxes.estimate((0, 100))
    points = [100 * k for k in range(levels)]
    _, mean, mean_se, mean_interval = _mean_columns(sample, points, levels - 1, confidence)
    n = boxes.counts.sum(axis=1)
    rows = zip(
        boxes.counts.tolist(),
        _known(share.mean, boxes),
        _errors(share.se2, n, boxes),
        share_intervals(boxes, confidence),
        mean,
        mean_se,
        mean_interval,
        weights_of(boxes),
        strict=True,
    )
    return [
        Weighted(Csat(low + top, top, score, se, interval, middle, middle_se, bounds), weights)
        for (low, top), score, se, interval, middle, middle_se, bounds, weights in rows
    ]


def ces(
    sample: Sample,
    *,
    variant: plain_ces.Variant,
    origin: int = 0,
    low_to: int | None = None,
    high_from: int | None = None,
    agree_from: int | None = None,
    reverse: bool = False,
    confidence: float = 0.95,
) -> list[Weighted[Ces]]:
    """Weighted customer effort score, for every group.

    Parameters
    ----------
    sample : Sample
        K levels, lowest stored value first.
    variant, origin, low_to, high_from, agree_from, reverse
        As in `cxstream.analytics.ces.ces`.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Weighted of Ces, length g
        `weights.classes`: negative, neutral, positive; for ``mean``, level by level.

    Raises
    ------
    ValueError
        Unknown variant; cuts missing or out of order.
    """
    levels = sample.counts.shape[1]
    if reverse:
        sample = sample.take(range(levels)[::-1])
    n = sample.counts.sum(axis=1)
    if variant == "mean":
        values = [origin + k for k in range(levels)]
        _, mean, mean_se, mean_interval = _mean_columns(sample, values, 1, confidence)
        columns = zip(
            n.tolist(),
            mean,
            mean_se,
            mean_interval,
            weights_of(sample),
            strict=True,
        )
        return [
            Weighted(Ces(total, "mean", middle, se, interval, None, None, None), weights)
            for total, middle, se, interval, weights in columns
        ]
    low, high = plain_ces.cuts(variant, levels, low_to, high_from, agree_from)
    three = sample.folded((0, low + 1, high, levels))
    if variant == "net":
        found = three.estimate((-100, 0, 100))
        intervals = net_intervals(three, confidence)
    else:
        found = three.estimate((0, 0, 100))
        intervals = share_intervals(three.folded((0, 2, 3)), confidence)
    rows = zip(
        n.tolist(),
        three.counts.tolist(),
        _known(found.mean, three),
        _errors(found.se2, n, three),
        intervals,
        weights_of(three),
        strict=True,
    )
    return [
        Weighted(Ces(total, variant, score, se, interval, up, level, down), weights)
        for total, (down, level, up), score, se, interval, weights in rows
    ]


def distribution(
    sample: Sample,
    values: Sequence[int | float | Fraction] | None,
    *,
    base: Sample | None = None,
    confidence: float = 0.95,
) -> list[Weighted[Distribution]]:
    """Weighted shares of all levels and, on a scale, weighted mean and deviation.

    Parameters
    ----------
    sample : Sample
        K levels.
    values : sequence of numbers, length K, or None
        Value of each level; None for a nominal question.
    base : Sample, optional
        K = 1: who answered, where one may choose several levels.
    confidence : float
        Level in (0, 1); each interval holds on its own.

    Returns
    -------
    list of Weighted of Distribution, length g
        `sd` is sqrt(n / (n - 1) sum w (x - mean)^2 / sum w).

    Raises
    ------
    ValueError
        `values` has another length than there are levels.
    """
    check_confidence(confidence)
    groups, width = sample.counts.shape
    levels = [
        Level(count, share, se, interval)
        for count, share, se, interval, _ in _options(sample, base, confidence, 1)
    ]
    whole = sample if base is None else base
    n = whole.counts.sum(axis=1)
    mean: list[float | None] = [None] * groups
    sd: list[float | None] = [None] * groups
    se: list[float | None] = [None] * groups
    interval: list[Interval | None] = [None] * groups
    if values is not None:
        if len(values) != width:
            raise ValueError(f"values must have {width} entries, not {len(values)}")
        fractions = [Fraction(v) for v in values]
        common = math.lcm(*(v.denominator for v in fractions)) if fractions else 1
        whole_values = [v.numerator * (common // v.denominator) for v in fractions]
        found, mean, se, interval = _mean_columns(sample, whole_values, common, confidence)
        spread = np.sqrt(found.variance * n / np.maximum(n - 1, 1)).tolist()
        sd = [s if e is not None else None for s, e in zip(spread, se, strict=True)]
    weights = _with_classes(weights_of(whole), sample)
    return [
        Weighted(Distribution(total, tuple(levels[i * width : (i + 1) * width]), *row), weight)
        for i, (total, row, weight) in enumerate(
            zip(n.tolist(), zip(mean, sd, se, interval, strict=True), weights, strict=True)
        )
    ]


def scorecard(
    sample: Sample, base: Sample | None = None, *, confidence: float = 0.95
) -> list[Weighted[Scorecard]]:
    """Weighted share and rank of every option, for every group.

    Parameters
    ----------
    sample : Sample
        K options.
    base : Sample, optional
        K = 1: who answered, where one may choose several options; else the sum of the options.
    confidence : float
        Joint level of the K intervals of a group, in (0, 1).

    Returns
    -------
    list of Weighted of Scorecard, length g
        Ranked by weight. `count` is responses.

    Raises
    ------
    ValueError
        An option weighs more than those who answered.
    """
    check_confidence(confidence)
    width = sample.counts.shape[1]
    whole = sample if base is None else base
    n = whole.counts.sum(axis=1).tolist()
    picked = sample.counts.sum(axis=1).tolist()
    options = [OptionShare(*row) for row in _options(sample, base, confidence, max(width, 1))]
    weights = _with_classes(weights_of(whole), sample)
    return [
        Weighted(Scorecard(total, selections, tuple(options[i * width : (i + 1) * width])), weight)
        for i, (total, selections, weight) in enumerate(zip(n, picked, weights, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class Moments:
    """Exact weighted sums of a number, per group.

    Attributes
    ----------
    n : (g,) int64
        Answers that have a weight.
    w, wx, wxx : (g,) Python integers
        Sums of w, w x and w x^2.
    q, qx, qxx : (g,) Python integers
        Sums of w^2, w^2 x and w^2 x^2. Weights in steps, x in codes.
    step : Fraction
        The step of a weight.
    """

    n: Counts
    w: Exact
    wx: Exact
    wxx: Exact
    q: Exact
    qx: Exact
    qxx: Exact
    step: Fraction = Fraction(1)

    @classmethod
    def of(
        cls,
        n: npt.ArrayLike,
        weighted: Sequence[npt.ArrayLike],
        squared: Sequence[npt.ArrayLike],
        step: Fraction = Fraction(1),
    ) -> "Moments":
        """Check and convert: `weighted` is (sum w, sum w x, sum w x^2), `squared` with w^2."""
        w, wx, wxx = (exact(v, "weighted") for v in weighted)
        q, qx, qxx = (exact(v, "squared") for v in squared)
        return cls(as_counts(n, "n", 1), w, wx, wxx, q, qx, qxx, step)


def number(
    moments: Moments, *, origin: Fraction, step: Fraction, confidence: float = 0.95
) -> list[Weighted[Distribution]]:
    """Weighted mean of a number question, for every group.

    ``SE^2 = n / (n - 1) (W^2 Q_xx - 2 W S Q_x + S^2 Q) / W^4`` with S = sum w x: centred in whole
    numbers, rounded once.

    Parameters
    ----------
    moments : Moments
    origin, step : Fraction
        Value of code 0, and of one code.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Weighted of Distribution, length g
        Without levels. Without weight: mean None. n = 1: a mean, no spread.
    """
    m = moments
    a, b = origin.numerator, origin.denominator
    c, d = step.numerator, step.denominator
    many = m.n.astype(object)
    mean = quotient(a * d * m.w + b * c * m.wx, b * d * m.w)
    away = m.w * m.w * m.qxx - 2 * m.w * m.wx * m.qx + m.wx * m.wx * m.q
    se2 = quotient(c * c * away * many, d * d * m.w**4 * (many - 1))
    spread = m.w * m.wxx - m.wx * m.wx
    sd = np.sqrt(quotient(c * c * spread * many, d * d * m.w**2 * (many - 1))).tolist()
    effect = quotient(many * m.q, m.w**2)
    effective = quotient(m.w**2, m.q)
    weighs = m.w > 0
    known = weighs & (m.n > 1)
    se = np.sqrt(se2)
    intervals = mean_intervals(mean, se, effective, known, confidence)
    total = (m.w * m.step.numerator / m.step.denominator).astype(float)
    return [
        Weighted(
            Distribution(
                count,
                (),
                middle if there else None,
                deviation if spread_known else None,
                error if spread_known else None,
                interval,
            ),
            Weights(sum_w, de if there else None, e if there else None, ()),
        )
        for count, middle, deviation, error, interval, there, spread_known, sum_w, de, e in zip(
            m.n.tolist(), mean.tolist(), sd, se.tolist(), intervals, weighs.tolist(),
            known.tolist(), total.tolist(), effect.tolist(), effective.tolist(), strict=True,
        )
    ]  # fmt: skip


def _classes(sample: Sample, wanted: int) -> None:
    if sample.counts.shape[1] != wanted:
        raise ValueError(f"sample must have {wanted} classes, not {sample.counts.shape[1]}")


def _known(values: Floats, sample: Sample) -> list[float | None]:
    """Turn the values of groups without weight into None."""
    weighs = (sample.weights.sum(axis=1) > 0.0).tolist()
    return [v if there else None for v, there in zip(values.tolist(), weighs, strict=True)]


def _errors(se2: Floats, n: Counts, sample: Sample) -> list[float | None]:
    """Take roots; None below two responses, who say nothing about spread."""
    there = ((n > 1) & (sample.weights.sum(axis=1) > 0.0)).tolist()
    return [e if known else None for e, known in zip(np.sqrt(se2).tolist(), there, strict=True)]


def _mean_columns(
    sample: Sample, values: Sequence[int], divisor: int, confidence: float
) -> tuple[Estimate, list[float | None], list[float | None], list[Interval | None]]:
    """Means of values[k] / divisor: the estimate, and mean, error and interval as lists."""
    found = sample.estimate(values, divisor)
    n = sample.counts.sum(axis=1)
    known = (n > 1) & (sample.weights.sum(axis=1) > 0.0)
    low, high = min(values), max(values)
    span = max(high - low, 1)
    intervals = scale_intervals(
        found.mean,
        np.sqrt(found.se2 / sample.freedom),
        effective_n(sample),
        known,
        confidence,
        ends=(low / divisor, (low + span) / divisor),
        df=degrees_of_freedom(sample, [(one - low) / span for one in values]),
    )
    return found, _known(found.mean, sample), _errors(found.se2, n, sample), intervals


def _options(
    sample: Sample, base: Sample | None, confidence: float, joint: int
) -> list[tuple[int, float | None, float | None, Interval | None, int | None]]:
    """Give count, share, standard error, interval and rank of every option, group by group."""
    groups, width = sample.counts.shape
    columns = []
    for option in range(width):
        pair = sample.against(option, base)
        found = pair.estimate((0, 100))
        columns.append(
            zip(
                pair.counts[:, 1].tolist(),
                _known(found.mean, pair),
                _errors(found.se2, pair.counts.sum(axis=1), pair),
                share_intervals(pair, confidence, options=joint),
                strict=True,
            )
        )
    listed = [list(column) for column in columns]
    weight = sample.weights
    ranks = (weight[:, None, :] > weight[:, :, None]).sum(axis=2) + 1
    return [
        (*listed[k][i], int(ranks[i, k]) if listed[k][i][1] is not None else None)
        for i in range(groups)
        for k in range(width)
    ]


def _with_classes(weights: list[Weights], sample: Sample) -> list[Weights]:
    """Put the options' weights in, beside what those who answered come to."""
    return [
        Weights(one.total, one.design_effect, one.effective_n, tuple(parts))
        for one, parts in zip(weights, sample.weights.tolist(), strict=True)
    ]
