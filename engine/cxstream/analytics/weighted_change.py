"""What moved a weighted score between two periods, and how far each segment pulls it."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from cxstream.analytics.change import (
    Change,
    Effect,
    SegmentChange,
    mix_and_rate,
    presence,
    reversal,
    summed,
    unseen_rates,
)
from cxstream.analytics.checks import Floats, divide
from cxstream.analytics.impact import Impact
from cxstream.analytics.intervals import Interval, check_confidence
from cxstream.analytics.points import Form, Linear, Points, gain
from cxstream.analytics.raking import freedom_of
from cxstream.analytics.survey import quantile


@dataclass(frozen=True, slots=True)
class WeightedChange(Change):
    """A change of a weighted score, and its parts; shares are of the weights.

    Attributes
    ----------
    effective_n_before, effective_n_after : float or None
        Kish's effective n; None without weight.
    """

    FORMULAS: ClassVar[tuple[str, ...]] = ("change", "weighted.change")

    effective_n_before: float | None
    effective_n_after: float | None


def change(before: Points, after: Points, *, confidence: float = 0.95) -> WeightedChange:
    """Split a change of a weighted score into mix and rate by segment.

    As `cxstream.analytics.change.change`, with shares and scores of the weights: ``s_k = W_k / W``.
    Standard errors are Taylor's: a respondent of segment k and of one period adds ``A_k (1 - s_k) / W +
    B_k (y - N_k) / W_k + C (y - N) / W`` to a part of k, and ``-A_k s_k / W + C (y - N) / W`` from
    elsewhere, with A, B and C the derivatives by the segment's share, its score and the score of the
    whole; ``SE^2`` is the sum over periods of n / (n - 1) sum w^2 e^2, of raked weights the sum of
    squared residuals over all. Intervals take squares that few respondents cannot make too small
    (`Points.for_intervals`), and t with as many degrees of freedom as both effective n come to, less 2.

    Parameters
    ----------
    before, after : Points
        The two periods, by the same segments in the same order; every respondent is in one
        segment, of one period.
    confidence : float
        Level of the intervals, in (0, 1).

    Returns
    -------
    WeightedChange
        Where nothing weighs in one of the periods there is no change, and no segments. n count
        respondents.

    Raises
    ------
    ValueError
        The periods differ in their number of segments, or a level outside (0, 1).

    References
    ----------
    Kitagawa, E. M. (1955), JASA 50, 1168-1194, https://doi.org/10.1080/01621459.1955.10501299;
    Woodruff, R. S. (1971), JASA 66, 411-414, https://doi.org/10.1080/01621459.1971.10482279
    """
    check_confidence(confidence)
    if len(before) != len(after):
        raise ValueError("both periods must have the same segments")
    sides = before, after
    wholes = [one.whole for one in sides]
    (n_0, w_0, whole_0), (n_1, w_1, whole_1) = (
        (int(one.n[0]), one.weight[0], one.score[0]) for one in wholes
    )
    sizes = [float(one.effective_n[0]) if one.weight[0] else None for one in wholes]
    start, end = (float(one) if w else None for w, one in ((w_0, whole_0), (w_1, whole_1)))
    if start is None or end is None:
        nothing = (n_0, n_1, start, end, None, None, None, "none", ())
        return WeightedChange(*nothing, *sizes)  # type: ignore[arg-type]

    reference = (whole_0 + whole_1) / 2
    mix, rate, steps = mix_and_rate(
        [one / w_0 for one in before.weight],
        [one / w_1 for one in after.weight],
        before.score,
        after.score,
        reference,
    )
    whole_rate = summed(rate)
    moved = whole_1 - whole_0

    slopes = _slopes(before, after, float(whole_0), float(whole_1))
    spread = _spread(sides, slopes)
    joined = [one.for_intervals() for one in sides]
    wider = _spread(joined, slopes)
    more = [float(gain(one)) for one in (n_0, n_1)]
    unseen = unseen_rates(
        [divide(one.total, one.total.sum()) for one in sides],
        [g * divide(one.c.sum(axis=1), one.total**2) for g, one in zip(more, joined, strict=True)],
        [g * float(divide(one.c.sum(), one.q.sum())) for g, one in zip(more, wholes, strict=True)],
    )
    left = freedom_of(before.calibration)
    df = np.array([max((sum(one or 0.0 for one in sizes) - 2.0) * left, 1.0)])
    t = float(quantile(df, confidence)[0]) / left**0.5

    def effect(value: Fraction, variance: float, within: float) -> Effect:
        point, se, reach = float(value), variance**0.5, t * within**0.5
        return Effect(point, se, Interval(point - reach, point + reach, "segment_t", confidence))

    mixes, rates, contributions = wider.by_segment
    reaches = mixes, rates + unseen, contributions
    segments = []
    for k, (a, b) in enumerate(zip(before.weight, after.weight, strict=True)):
        parts = (mix[k], rate[k], mix[k] + rate[k])
        segments.append(
            SegmentChange(
                presence(bool(a), bool(b)),
                int(before.n[k] + after.n[k]),
                int(before.n[k]),
                int(after.n[k]),
                float(100 * a / w_0),
                float(100 * b / w_1),
                float(before.score[k]) if a else None,
                float(after.score[k]) if b else None,
                *(
                    effect(value, float(own[k]), float(within[k]))
                    for value, own, within in zip(parts, spread.by_segment, reaches, strict=True)
                ),
            )
        )
    return WeightedChange(
        n_0,
        n_1,
        start,
        end,
        effect(moved, spread.moved, wider.moved),
        effect(moved - whole_rate, spread.mix, wider.mix),
        effect(whole_rate, spread.rate, wider.rate),
        reversal(moved, whole_rate, steps),
        tuple(segments),
        *sizes,
    )


@dataclass(frozen=True, slots=True)
class _Slopes:
    """Derivatives, period by period, of mix and of rate by a segment's share and by its score.

    `reference`: of mix by the score of the whole, the same in both periods.
    """

    mix: tuple[tuple[Floats, Floats], tuple[Floats, Floats]]
    rate: tuple[tuple[Floats, Floats], tuple[Floats, Floats]]
    reference: Floats


def _slopes(before: Points, after: Points, whole_0: float, whole_1: float) -> _Slopes:
    s_0, s_1 = (divide(one.total, one.total.sum()) for one in (before, after))
    in_0, in_1 = before.known, after.known
    first = np.where(in_0, before.mean, after.mean)
    last = np.where(in_1, after.mean, before.mean)
    shift = s_1 - s_0
    by_share = (first + last - whole_0 - whole_1) / 2.0
    step = (last - first) / 2.0
    # Half of a score's weight in the average, all of it where it is the only one.
    mix_0 = shift * np.where(in_0, np.where(in_1, 0.5, 1.0), 0.0)
    mix_1 = shift * np.where(in_1, np.where(in_0, 0.5, 1.0), 0.0)
    weight = np.where(in_0 & in_1, (s_0 + s_1) / 2.0, 0.0)
    return _Slopes(
        ((-by_share, mix_0), (by_share, mix_1)), ((step, -weight), (step, weight)), -shift / 2.0
    )


@dataclass(frozen=True, slots=True)
class _Spread:
    """Squared standard errors: of mix, rate and their sum by segment, and of the whole's."""

    by_segment: tuple[Floats, Floats, Floats]
    moved: float
    mix: float
    rate: float


def _spread(sides: Sequence[Points], slopes: _Slopes) -> _Spread:
    groups = np.arange(len(sides[0]))
    nothing = np.zeros(len(groups))
    by_part: list[Linear | None] = [None] * 3
    whole: list[Linear | None] = [None] * 3
    for period, one in enumerate(sides):
        total = float(one.total.sum())
        s = divide(one.total, total)
        factor = float(np.sqrt(gain(int(one.n.sum()))))
        mix, rate = slopes.mix[period], slopes.rate[period]
        both = (mix[0] + rate[0], mix[1] + rate[1])
        for at, ((a, b), c) in enumerate(
            ((mix, slopes.reference), (rate, nothing), (both, slopes.reference))
        ):
            form = Form(groups, a / total, divide(b, one.total), -a * s / total, c / total)
            by_part[at] = _added(by_part[at], Linear.of(one, form).scaled(factor))
        sign = 1.0 if period else -1.0
        apart = (one.mean - float(one.whole.score[0])) * one.known
        for at, (a, b) in enumerate(
            (mix, rate, (sign * apart, np.full_like(apart, sign) * s * one.known))
        ):
            level = (a - float(s @ a)) / total
            made = Linear.over(one, level, divide(b, one.total)).scaled(factor)
            whole[at] = _added(whole[at], made)
    mixes, rates, contributions = (_variance(one) for one in by_part)
    whole_mix, whole_rate, moved = (float(_variance(one)[0]) for one in whole)
    return _Spread((mixes, rates, contributions), moved, whole_mix, whole_rate)


def _added(one: Linear | None, other: Linear) -> Linear:
    return other if one is None else one + other


def _variance(one: Linear | None) -> Floats:
    assert one is not None
    return one.variance


def impacts(points: Points, *, confidence: float = 0.95) -> list[Impact]:
    """Give the leave-one-out impact of every group under weights.

    ``N - N_without_k = W_k (N_k - N) / (W - W_k)``, in fractions, rounded once; with R the score
    without, a respondent adds ``(y - N) / W`` and, outside the group, less ``(y - R) / (W - W_k)``:
    ``SE^2 = n / (n - 1) sum w^2 e^2``.

    Parameters
    ----------
    points : Points
        Groups that make up the whole: every respondent is in one.
    confidence : float
        Level of the intervals, in (0, 1).

    Returns
    -------
    list of Impact, one per group
        `share` is of the weights.

    References
    ----------
    Woodruff, R. S. (1971), https://doi.org/10.1080/01621459.1971.10482279
    """
    check_confidence(confidence)
    whole = points.whole
    weight, score = whole.weight[0], whole.score[0]
    rest = [
        (weight * score - w * one) / (weight - w) if w < weight else None
        for w, one in zip(points.weight, points.score, strict=True)
    ]
    total = float(weight)
    left = np.array([0.0 if one is None else float(one) for one in rest])
    others = divide(1.0, np.array([float(weight - w) for w in points.weight]))
    # On all respondents that of the whole less that of the rest, which on the group's own is taken back.
    form = Form(
        np.arange(len(points)),
        (points.mean - left) * others,
        others,
        -(float(score) - left) * others,
        divide(1.0, total) - others,
    )
    errors = np.sqrt(gain(int(whole.n[0])) * Linear.of(points, form).variance).tolist()
    freedom = freedom_of(points.calibration)
    df = (whole.effective_n - 1.0) * freedom
    t = float(quantile(df, confidence)[0]) / freedom**0.5
    result = []
    for n, w, own, without, error in zip(
        points.n.tolist(), points.weight, points.score, rest, errors, strict=True
    ):
        value = None if without is None else float(score - without)
        known = value is not None and w > 0
        reach = t * error
        result.append(
            Impact(
                n,
                float(100 * w / weight) if weight else None,
                float(own) if w else None,
                None if without is None else float(without),
                value,
                error if known else None,
                Interval(value - reach, value + reach, "student_t", confidence)
                if value is not None and known and np.isfinite(t)
                else None,
            )
        )
    return result
