"""A weighted score over time: limits at the effective n of every bucket."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from cxstream.analytics.change_points import Means, change_points_of_series, change_points_of_shares
from cxstream.analytics.checks import Floats, divide
from cxstream.analytics.monitoring import (
    LEAST_EXPECTED,
    Monitoring,
    Scored,
    Watched,
    baseline_of,
    charted,
)
from cxstream.analytics.points import Points
from cxstream.analytics.survey import Sample


def monitor(
    values: Sequence[Scored],
    points: Points,
    *,
    classes: Sample | None,
    lowest: float,
    highest: float = 100.0,
    baseline: npt.ArrayLike | None = None,
    smoothing: float = 0.2,
    sigmas: float = 3.0,
    false_alarm: float = 0.05,
) -> Monitoring:
    """Chart a series of weighted scores, and find where it changes.

    As `cxstream.analytics.monitoring.monitor` with the variance of the baseline by squared weights,
    ``V_0 = sum w^2 (y - N_0)^2 / sum w^2``, and Kish's effective n of every bucket, m_t = (sum w)^2 / sum
    w^2, for n_t: the limits are ``N_0 -+ L sqrt(V_0 / m_t)``, what the score of bucket t strays by under
    its own weights if answers, and what weights have to do with them, are those of the baseline.

    chi2
        Rao and Scott's first-order correction: with p_c the baseline's weighted shares, ``V_c = sum w^2
        (1_c - p_c)^2 / sum w^2``, and so the mean generalised design effect ``d = sum_c V_c / p_c / (C
        - 1)``, it is ``m_t / d sum_c (p_ct - p_c)^2 / p_c``, chi-squared with C - 1 degrees of freedom.
    change points
        Of classes by their weighted shares, ``m_t / d`` respondents of each bucket; of an index or a mean
        by weighted means, with m_t for n_t. Baselines do not matter to them: d is that of the whole series.

    Raked weights count as if they had been given: the limits do without what fitting to the margins
    takes off, and so are wide rather than narrow. The buckets' own standard errors do not.

    Parameters
    ----------
    values : sequence of Nps, Csat, Index or Distribution, length T
        The weighted buckets in their order.
    points : Points
        Of the T buckets.
    classes : Sample or None
        Detractors, passives, promoters; or outside and inside of the top box; None for an index and
        a mean.
    lowest, highest, baseline, smoothing, sigmas, false_alarm
        As in `cxstream.analytics.monitoring.monitor`.

    Returns
    -------
    Monitoring

    Raises
    ------
    ValueError
        Shapes that do not fit, or an argument outside its range.

    References
    ----------
    Rao, J. N. K. and Scott, A. J. (1981), JASA 76, 221-230,
    https://doi.org/10.1080/01621459.1981.10477633; Kish, L. (1965), Survey Sampling, Wiley
    """
    kept = baseline_of(baseline, len(values))
    whole = points.take(np.flatnonzero(kept)).whole
    variance = float(divide(whole.c.sum(), whole.q.sum()))
    effective = points.effective_n
    shares = None if classes is None else _Shares.of(classes)
    if shares is None:
        every = divide(points.c.sum(axis=1), points.q.sum(axis=1))
        found = change_points_of_series(
            Means(effective, points.mean, every, effective - points.known), false_alarm=false_alarm
        )
        chi2: list[float | None] = [None] * len(values)
        chi2_p = chi2
    else:
        everything = np.ones(len(values), dtype=bool)
        counts = shares.share * divide(effective, shares.effect(everything))[:, None]
        found = change_points_of_shares(counts, false_alarm=false_alarm)
        chi2, chi2_p = shares.chi2(effective, kept)
    watched = Watched(effective, points.score, points.known)
    n = int(points.n[kept].sum())
    centre = whole.score[0] if whole.weight[0] else Fraction(0)
    plain = charted(
        values, watched, kept, n, float(centre), variance, lowest, highest, smoothing, sigmas,
        chi2, chi2_p, found,
    )  # fmt: skip
    sd = float(np.sqrt(whole.variance[0])) if whole.weight[0] else None
    return replace(plain, sd=sd)


@dataclass(frozen=True, slots=True, eq=False)
class _Shares:
    """Weighted shares of the classes by bucket, and sums of squared weights."""

    weight: Floats
    square: Floats
    share: Floats

    @classmethod
    def of(cls, classes: Sample) -> "_Shares":
        weight = classes.weights
        return cls(weight, classes.squares, divide(weight, weight.sum(axis=1, keepdims=True)))

    def expected(self, kept: npt.NDArray[np.bool_]) -> Floats:
        total = self.weight[kept].sum(axis=0)
        return divide(total, total.sum())

    def effect(self, kept: npt.NDArray[np.bool_]) -> float:
        """Mean generalised design effect over Kish's; 1 where there is nothing to tell it from."""
        p = self.expected(kept)
        q = self.square[kept].sum(axis=0)
        seen = p > 0.0
        # sum w^2 (1_c - p_c)^2 / sum w^2, with the class's own share of the squares.
        own = divide(q, q.sum())
        spread = own * (1.0 - p) ** 2 + (1.0 - own) * p**2
        found = float(divide(spread[seen], p[seen]).sum()) / max(int(seen.sum()) - 1, 1)
        return found if found > 0.0 else 1.0

    def chi2(
        self, effective: Floats, kept: npt.NDArray[np.bool_]
    ) -> tuple[list[float | None], list[float | None]]:
        p = self.expected(kept)
        seen = p > 0.0
        usable = (self.weight[:, ~seen].sum(axis=1) == 0.0) & (effective > 0.0)
        usable &= int(seen.sum()) > 1
        if not seen.any():
            nothing: list[float | None] = [None] * len(effective)
            return nothing, nothing
        size = effective / self.effect(kept)
        usable &= size * float(p[seen].min()) >= LEAST_EXPECTED
        far = divide((self.share[:, seen] - p[seen]) ** 2, p[seen]).sum(axis=1)
        statistic = size * far
        chance = chdtrc(max(int(seen.sum()) - 1, 1), statistic)
        return (
            [x if use else None for x, use in zip(statistic.tolist(), usable, strict=True)],
            [x if use else None for x, use in zip(chance.tolist(), usable, strict=True)],
        )
