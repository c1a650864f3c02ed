"""What moved a score between two periods: who answered, or how they answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np

from cxstream.analytics.checks import Floats, divide
from cxstream.analytics.intervals import Interval, check_confidence, t_quantile
from cxstream.analytics.scores import Scores

Reversal = Literal["none", "rate", "every_segment"]
Presence = Literal["both", "new", "vanished", "absent"]


@dataclass(frozen=True, slots=True)
class Effect:
    """One part of a change.

    Attributes
    ----------
    value : float
        In points.
    se : float
        Standard error by the delta method.
    interval : Interval
        value -+ t se, with variances that few respondents cannot make too small.
    """

    value: float
    se: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """What one segment has to do with the change.

    Attributes
    ----------
    presence : {"both", "new", "vanished", "absent"}
        In which of the two periods anybody of it answered.
    n : int
        Respondents of both periods.
    n_before, n_after : int
        Respondents.
    share_before, share_after : float
        Their share of all respondents, 0..100.
    score_before, score_after : float or None
        The segment's score; None where nobody answered.
    mix : Effect
        What comes of its share having grown or shrunk.
    rate : Effect
        What comes of its score having changed; 0 unless it is in both periods.
    contribution : Effect
        mix + rate.
    """

    presence: Presence
    n: int
    n_before: int
    n_after: int
    share_before: float
    share_after: float
    score_before: float | None
    score_after: float | None
    mix: Effect
    rate: Effect
    contribution: Effect


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a score, and its parts.

    Attributes
    ----------
    n_before, n_after : int
        Respondents.
    before, after : float or None
        The score; None where nobody answered, and then there is no change to take apart.
    change : Effect or None
        after - before.
    mix, rate : Effect or None
        The part that comes of the segments' shares, and of their scores; they add to the change.
    reversal : {"none", "rate", "every_segment"}
        Simpson's paradox. ``rate``: the segments' scores moved the whole one way and the whole
        went the other. ``every_segment``: none of the segments of both periods went the way of
        the whole, and one at least the other.
    segments : tuple of SegmentChange
        In the order given; their parts add to those of the whole.
    """

    FORMULAS: ClassVar[tuple[str, ...]] = ("change",)

    n_before: int
    n_after: int
    before: float | None
    after: float | None
    change: Effect | None
    mix: Effect | None
    rate: Effect | None
    reversal: Reversal
    segments: tuple[SegmentChange, ...]


def change(before: Scores, after: Scores, *, confidence: float = 0.95) -> Change:
    """Split a change of a score into mix and rate by segment.

    With shares s_k, scores N_k, and their averages over the two periods: ``mix_k = (s_k1 - s_k0)
    (Nbar_k - Nref)`` and ``rate_k = sbar_k (N_k1 - N_k0)``, where Nref is the average of the two
    scores of the whole. Their sums are the change, with nothing left over; everything is computed
    in fractions and rounded once. A segment that is new or has vanished has one score, which
    stands for both periods: all of its part is mix.

    Standard errors are of the delta method: both shares and scores of a period are functions of
    the same multinomial counts, and the two periods are independent. For the parts of the whole
    that is, in each period, ``[sum_k s_k (A_k - sum_j s_j A_j)^2 + sum_k B_k^2 V_k / s_k] / n``
    with A_k and B_k the derivatives by s_k and N_k, and V_k the variance within the segment. Intervals
    take variances that few respondents cannot make too small (`Scores.for_intervals`), and t with n_0 +
    n_1 - 2 degrees of freedom; of the rate of a segment that only one period has see `unseen_rates`.

    Parameters
    ----------
    before, after : Scores
        The two periods, by the same segments in the same order; every respondent is in one
        segment, of one period.
    confidence : float
        Level of the intervals, in (0, 1).

    Returns
    -------
    Change
        Where one of the periods has no answers there is no change, and no segments.

    Raises
    ------
    ValueError
        The periods differ in their number of segments, or a level outside (0, 1).

    References
    ----------
    Kitagawa, E. M. (1955), JASA 50, 1168-1194, https://doi.org/10.1080/01621459.1955.10501299
    """
    check_confidence(confidence)
    if len(before) != len(after):
        raise ValueError("both periods must have the same segments")
    n_0, whole_0, variance_0 = before.whole
    n_1, whole_1, variance_1 = after.whole
    start, end = (float(one) if n else None for n, one in ((n_0, whole_0), (n_1, whole_1)))
    if start is None or end is None:
        return Change(n_0, n_1, start, end, None, None, None, "none", ())

    reference = (whole_0 + whole_1) / 2
    mix, rate, steps = mix_and_rate(
        [Fraction(n, n_0) for n in before.n],
        [Fraction(n, n_1) for n in after.n],
        before.score,
        after.score,
        reference,
    )
    whole_rate = summed(rate)

    scores = float(whole_0), float(whole_1)
    spread = _spread(before, after, *scores, variance_0, variance_1)
    wider_0, wider_1 = (v * (n / max(n - 1, 1)) for v, n in ((variance_0, n_0), (variance_1, n_1)))
    joined = before.for_intervals(), after.for_intervals()
    wider = _spread(*joined, *scores, wider_0, wider_1)
    sizes = [np.array(one.n, dtype=np.float64) for one in joined]
    unseen = unseen_rates(
        [n / n.sum() for n in sizes],
        [divide(one.variance, n) for one, n in zip(joined, sizes, strict=True)],
        (wider_0, wider_1),
    )
    t = float(t_quantile(max(n_0 + n_1 - 2, 1), confidence))

    def effect(value: Fraction, variance: float, within: float) -> Effect:
        point, se, reach = float(value), _root(variance), t * _root(within)
        return Effect(point, se, Interval(point - reach, point + reach, "segment_t", confidence))

    segments = []
    for k, (a, b) in enumerate(zip(before.n, after.n, strict=True)):
        segments.append(
            SegmentChange(
                presence(bool(a), bool(b)),
                a + b,
                a,
                b,
                100 * a / n_0,
                100 * b / n_1,
                float(before.score[k]) if a else None,
                float(after.score[k]) if b else None,
                effect(mix[k], spread.mix[k], wider.mix[k]),
                effect(rate[k], spread.rate[k], wider.rate[k] + unseen[k]),
                effect(mix[k] + rate[k], spread.contribution[k], wider.contribution[k]),
            )
        )
    moved = whole_1 - whole_0
    return Change(
        n_0,
        n_1,
        start,
        end,
        effect(moved, variance_0 / n_0 + variance_1 / n_1, wider_0 / n_0 + wider_1 / n_1),
        effect(moved - whole_rate, spread.whole_mix, wider.whole_mix),
        effect(whole_rate, spread.whole_rate, wider.whole_rate),
        reversal(moved, whole_rate, steps),
        tuple(segments),
    )


def mix_and_rate(
    share_0: Sequence[Fraction],
    share_1: Sequence[Fraction],
    score_0: Sequence[Fraction],
    score_1: Sequence[Fraction],
    reference: Fraction,
) -> tuple[list[Fraction], list[Fraction], list[Fraction]]:
    """Split the contribution of every segment; see `change`.

    Parameters
    ----------
    share_0, share_1, score_0, score_1 : sequence of Fraction, length k
        Of the segments in the two periods; a score is not looked at where the share is 0.
    reference : Fraction
        The average of the two scores of the whole.

    Returns
    -------
    tuple of three lists of Fraction
        Mix and rate of every segment, and by how much the scores changed of those of both periods.
    """
    mix: list[Fraction] = []
    rate: list[Fraction] = []
    steps: list[Fraction] = []
    for a, b, x, y in zip(share_0, share_1, score_0, score_1, strict=True):
        first, last = (x if a else y), (y if b else x)
        mix.append((b - a) * ((first + last) / 2 - reference))
        rate.append((a + b) / 2 * (last - first))
        if a and b:
            steps.append(y - x)
    return mix, rate, steps


def unseen_rates(
    share: Sequence[Floats], square: Sequence[Floats], variance: Sequence[float]
) -> Floats:
    """Give what is not known of the rate of segments that only one period has.

    Their rate is 0: one score stands for both periods. What the other would have been is taken as known from
    one respondent of the whole, as that of every segment is joined by one: ``(s / 2)^2 (SE^2 + V)``.

    Parameters
    ----------
    share, square : sequence of (k,) float64
        Of each period: the segments' shares, and squared standard errors of their scores, 0 where they
        are not.
    variance : sequence of float
        Of one respondent of each period.

    Returns
    -------
    (k,) float64
        Squared errors; 0 of a segment of both periods or of none.
    """
    there = [one > 0.0 for one in share]
    other = np.where(there[0], variance[1], variance[0])
    within = ((share[0] + share[1]) / 2.0) ** 2 * (square[0] + square[1] + other)
    return np.where(there[0] != there[1], within, 0.0)


def _root(variance: float) -> float:
    return float(np.sqrt(max(variance, 0.0)))


def summed(values: list[Fraction]) -> Fraction:
    """Add in pairs: denominators grow with every addition, so few of them should be long.

    Parameters
    ----------
    values : list of Fraction

    Returns
    -------
    Fraction
    """
    while len(values) > 1:
        values = [sum(values[i : i + 2], Fraction(0)) for i in range(0, len(values), 2)]
    return values[0] if values else Fraction(0)


def presence(before: bool, after: bool) -> Presence:
    """Say in which of two periods a segment is there, given whether anybody answered in each.

    Parameters
    ----------
    before, after : bool

    Returns
    -------
    Presence
    """
    if before and after:
        return "both"
    if after:
        return "new"
    return "vanished" if before else "absent"


def reversal(moved: Fraction, rate: Fraction, steps: list[Fraction]) -> Reversal:
    """Look for Simpson's paradox; see `Change.reversal`.

    Parameters
    ----------
    moved, rate : Fraction
        The change of the whole, and the part of it that comes of the segments' scores.
    steps : list of Fraction
        By how much the score of every segment of both periods changed.

    Returns
    -------
    Reversal
    """
    direction = (moved > 0) - (moved < 0)
    along = [direction * one for one in steps]
    if direction and along and max(along) <= 0 and min(along) < 0:
        return "every_segment"
    return "rate" if direction * rate < 0 else "none"


@dataclass(frozen=True, slots=True)
class _Spread:
    """Squared standard errors."""

    mix: Floats
    rate: Floats
    contribution: Floats
    whole_mix: float
    whole_rate: float


def _spread(
    before: Scores, after: Scores, whole_0: float, whole_1: float, v_0: float, v_1: float
) -> _Spread:
    n_0, n_1 = (np.array(one.n, dtype=np.float64) for one in (before, after))
    score_0, score_1 = (np.array([float(x) for x in one.score]) for one in (before, after))
    s_0, s_1 = n_0 / n_0.sum(), n_1 / n_1.sum()
    in_0, in_1 = n_0 > 0, n_1 > 0
    first, last = np.where(in_0, score_0, score_1), np.where(in_1, score_1, score_0)
    shift = s_1 - s_0
    by_share = (first + last - whole_0 - whole_1) / 2.0
    step = (last - first) / 2.0
    # Half of a score's weight in the average, all of it where it is the only one.
    mix_0 = shift * np.where(in_0, np.where(in_1, 0.5, 1.0), 0.0)
    mix_1 = shift * np.where(in_1, np.where(in_0, 0.5, 1.0), 0.0)
    weight = np.where(in_0 & in_1, (s_0 + s_1) / 2.0, 0.0)
    total = np.zeros((3, len(n_0)))
    whole = np.zeros(2)
    for n, s, score, within, centre, variance, mix, rate in (
        (
            n_0.sum(),
            s_0,
            score_0,
            before.variance,
            whole_0,
            v_0,
            (-by_share, mix_0),
            (step, -weight),
        ),
        (n_1.sum(), s_1, score_1, after.variance, whole_1, v_1, (by_share, mix_1), (step, weight)),
    ):
        # The derivatives by share and by score, of mix, of rate and of their sum; and by the score
        # of the whole, which is in the reference, of mix.
        both = (mix[0] + rate[0], mix[1] + rate[1])
        for row, ((a, b), c) in enumerate(
            ((mix, -shift / 2.0), (rate, np.zeros_like(shift)), (both, -shift / 2.0))
        ):
            total[row] += (
                a * a * s * (1.0 - s)
                + divide(b * b * within, s)
                + c * c * variance
                + 2.0 * a * c * s * (score - centre)
                + 2.0 * b * c * within
            ) / n
        for row, (a, b) in enumerate((mix, rate)):
            apart = a - np.dot(s, a)
            whole[row] += (np.dot(s, apart * apart) + divide(b * b * within, s).sum()) / n
    return _Spread(total[0], total[1], total[2], float(whole[0]), float(whole[1]))
