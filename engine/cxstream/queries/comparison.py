"""Two groups or periods compared, each group with all others, and how many answers it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cxstream import analytics
from cxstream.analytics.comparison import Comparison
from cxstream.answers import Answer, AsOf, GroupKey, Query, Row
from cxstream.errors import InvalidArgumentError, NotFoundError, nearest
from cxstream.queries.asking import Part, answer_of, answered, word
from cxstream.queries.metric_sums import Sums
from cxstream.queries.options import NamedOptions
from cxstream.queries.scored import Metric, Side, members

#: Of a test; ``pooled`` of means and shares, ``continuity`` of shares only.
METHODS = analytics.comparison.SHARE_METHODS


@dataclass(frozen=True, slots=True)
class Needed:
    """Answers needed, and those that the variance was seen in.

    Attributes
    ----------
    n : int
        Answers that the variance was seen in; 0 where it was assumed.
    variance : float or None
        Variance of one respondent's answer, in squared points.
    answers, answers_b : int or None
        Answers needed; of the first group and of the second where two are compared. None where
        all answers seen are alike, or there are none: they say nothing of how many it takes.
    design_effect : float or None
        Of the weights seen: so many times the answers that equally weighted ones would take. None
        without weights.
    """

    FORMULAS: ClassVar = ("sample_size",)

    n: int
    variance: float | None
    answers: int | None
    answers_b: int | None
    design_effect: float | None = None


class Comparisons(NamedOptions):
    """Comparison, sample size."""

    @answered
    def compare(
        self,
        query: Query,
        metric: Metric,
        *,
        a: Side | None = None,
        b: Side | None = None,
        against: str = "",
        method: str = "score",
        correction: str = "holm",
    ) -> Answer:
        """Compare two sides, or each group with all others, or with one of them.

        Everything comes from one slice; see `cxstream.analytics.comparison`.

        Parameters
        ----------
        query : Query
            With `by`: each group against the rest of the responses asked for, or against the group
            of level `against`; by a choice question, those who named an option against all others
            with a score. Without: `a` against `b`.
        """
        options: dict[str, Any] = {
            "method": word(method, METHODS, "method"),
            "correction": word(correction, analytics.corrections.CORRECTIONS, "correction"),
            "confidence": query.confidence,
        }
        if method == "pooled" and metric.kind not in ("mean", "csat"):
            raise InvalidArgumentError(
                "INVALID_COMPARISON",
                f"one variance for both groups is for means and shares, not for {metric.kind}",
                column="method",
            )
        if method == "continuity" and metric.kind != "csat":
            raise InvalidArgumentError(
                "INVALID_COMPARISON",
                f"a correction for continuity is for shares, not for {metric.kind}",
                column="method",
            )
        if method in ("pooled", "continuity") and query.weighting:
            raise InvalidArgumentError(
                "INVALID_COMPARISON",
                "one variance for both groups is for answers without weights",
                column="method",
            )
        if query.by:
            if a is not None or b is not None:
                raise InvalidArgumentError(
                    "INVALID_COMPARISON", "either by, or a and b, not both", column="by"
                )
            choice = self._choice(query)
            if choice is not None:
                found = self._named(query, metric, choice, against)
                values = found.some.compared(found.rest, **options)
                weights = found.some.together(found.rest) if found.weighted else ()
                return found.answer(query, values, weights)
            return self._by_group(query, metric, against, options)
        if a is None or b is None or against:
            raise InvalidArgumentError(
                "INVALID_COMPARISON",
                "expected by (each group against the others), or a and b (two sides)",
                column="a",
            )
        asked, unit = self._divided(query, (a, b), ())
        _, part, sums = self._metric_sums(asked, metric)
        first, second = (members(part, asked.by, side, unit) for side in (a, b))
        shared = int(part.rows[first & second].sum())
        if shared or not asked.by:
            raise InvalidArgumentError(
                "OVERLAPPING_SIDES",
                f"a and b share {shared:,} responses: give two that have none in common, or by to "
                "compare each group with all others",
                column="b",
            )
        sides = [sums.merged(np.where(kept, 0, -1), 1) for kept in (first, second)]
        values = sides[0].compared(sides[1], **options)
        return _answered(query, part, [()], values, *sides)

    def _by_group(
        self, query: Query, metric: Metric, against: str, options: dict[str, Any]
    ) -> Answer:
        _, part, sums = self._metric_sums(query, metric)
        if not against:
            rest = sums.rest()
            values = sums.compared(rest, **options)
            return _answered(query, part, part.keys, values, sums, rest)
        if len(query.by) > 1:
            raise InvalidArgumentError(
                "INVALID_COMPARISON",
                "against a level takes one dimension in by, not several",
                column="against",
            )
        found = [key[0].level for key in part.keys]
        if against not in found:
            known = [level for level in found if level is not None]
            raise NotFoundError(
                "UNKNOWN_LEVEL",
                f"against: no responses of {query.by[0]} {against!r}{nearest(against, known)}",
            )
        chosen = found.index(against)
        others = [k for k in range(len(found)) if k != chosen]
        place = np.full(len(found), -1)
        place[others] = np.arange(len(others))
        each = sums.merged(place, len(others))
        one = sums.merged(np.where(np.arange(len(found)) == chosen, 0, -1), 1)
        reference = one.repeated(len(others))
        values = each.compared(reference, **options)
        keys = [part.keys[k] for k in others]
        return _answered(query, part, keys, values, each, reference)

    @answered
    def sample_size(
        self,
        query: Query,
        metric: Metric,
        *,
        assumed: Sequence[float] = (),
        margin: float | None = None,
        difference: float | None = None,
        power: float = 0.8,
        ratio: float = 1.0,
        population: int | None = None,
    ) -> Answer:
        """Answers that a margin, or a detectable difference, takes.

        See `cxstream.analytics.sample_size`. The variance is that of an assumed distribution, or
        that seen in each group of a query; without either, the largest there can be.

        Parameters
        ----------
        query : Query
            Of no program where the distribution is assumed.
        assumed : sequence of float
            Detractors, passives, promoters for nps; the share for csat; the standard deviation for
            an index or a mean.
        """
        if (margin is None) == (difference is None):
            raise InvalidArgumentError(
                "INVALID_SAMPLE_SIZE", "expected either a margin or a difference", column="margin"
            )

        def needed(n: int, variance: float, effect: float = 1.0) -> Needed:
            told = (effect or None) if query.weighting else None
            if variance <= 0.0:
                return Needed(n, variance if n else None, None, None, told)
            try:
                if margin is not None:
                    found = analytics.sample_size.for_margin(
                        variance,
                        margin,
                        design_effect=effect,
                        estimated_spread=metric.kind in ("index", "mean"),
                        population=population,
                        confidence=query.confidence,
                    )
                else:
                    assert difference is not None
                    found = analytics.sample_size.for_difference(
                        variance,
                        variance,
                        difference,
                        design_effect=effect,
                        estimated_spread=metric.kind in ("index", "mean"),
                        power=power,
                        ratio=ratio,
                        confidence=query.confidence,
                    )
            except ValueError as error:
                raise InvalidArgumentError("INVALID_SAMPLE_SIZE", str(error)) from error
            return Needed(n, variance, found.answers, found.answers_b, told)

        if query.program:
            if assumed:
                raise InvalidArgumentError(
                    "INVALID_SAMPLE_SIZE",
                    "either assumed, or a program to look at",
                    column="assumed",
                )
            _, part, sums = self._metric_sums(query, metric)
            seen, lost = sums.spread(), sums.dropped()
            weights = sums.weights
            rows = [
                Row(key, int(part.rows[k]), lost[k], needed(*seen[k]), weights=weights[k])
                for k, key in enumerate(part.keys)
            ]
            return answer_of(part, rows, weighting=query.weighting, raking=sums.calibration)
        if query.weighting:
            raise InvalidArgumentError(
                "NOT_WEIGHTED",
                "weights are those of a program; without one, multiply by the design effect",
                column="weighting",
            )
        if metric.kind == "csat" and len(assumed) == 2 and difference is not None:
            value = _two_shares(assumed, difference, power, ratio, query.confidence)
        else:
            value = needed(0, _assumed_variance(metric.kind, assumed))
        return Answer(AsOf("", 0, 0, 0, ""), [Row((), 0, {}, value)])


def _two_shares(
    shares: Sequence[float], difference: float, power: float, ratio: float, confidence: float
) -> Needed:
    if not math.isclose(abs(shares[0] - shares[1]), abs(difference)):
        raise InvalidArgumentError(
            "INVALID_SAMPLE_SIZE",
            f"assumed: {shares[0]} and {shares[1]} are not {difference} apart",
            column="assumed",
        )
    try:
        found = analytics.sample_size.for_shares(
            *shares, power=power, ratio=ratio, confidence=confidence
        )
    except ValueError as error:
        raise InvalidArgumentError(
            "INVALID_SAMPLE_SIZE", f"assumed: {error}", column="assumed"
        ) from error
    return Needed(0, found.variance, found.answers, found.answers_b, None)


def _assumed_variance(kind: str, assumed: Sequence[float]) -> float:
    sizes = analytics.sample_size
    wanted = {"nps": 3, "csat": 1, "index": 1, "mean": 1}.get(kind)
    if wanted is None:
        raise InvalidArgumentError(
            "WRONG_METRIC",
            f"sample_size takes nps, csat, index or mean, not {kind!r}",
            column="metric",
        )
    if not assumed and kind in ("nps", "csat"):
        return sizes.LARGEST_NET_VARIANCE if kind == "nps" else sizes.LARGEST_SHARE_VARIANCE
    if len(assumed) != wanted:
        what = {
            "nps": "detractors, passives, promoters",
            "csat": "a share on 0..100, or two with a difference",
            "index": "a standard deviation in points",
            "mean": "a standard deviation",
        }[kind]
        raise InvalidArgumentError(
            "INVALID_SAMPLE_SIZE", f"assumed: expected {what}", column="assumed", expected=what
        )
    try:
        if kind == "nps":
            variance = sizes.net_respondent_variance(assumed)
        elif kind == "csat":
            variance = sizes.share_respondent_variance(assumed[0])
        else:
            variance = assumed[0] * assumed[0]
    except ValueError as error:
        raise InvalidArgumentError("INVALID_SAMPLE_SIZE", f"assumed: {error}") from error
    if not 0.0 < variance < float("inf"):
        raise InvalidArgumentError(
            "INVALID_SAMPLE_SIZE",
            "assumed: all answers are alike, which takes one to know; assume some variation",
            column="assumed",
        )
    return variance


def _answered(
    query: Query,
    part: Part,
    keys: Sequence[tuple[GroupKey, ...]],
    values: Sequence[Comparison],
    a: Sums,
    b: Sums,
) -> Answer:
    """Put what is missing on both sides together, and what they weigh."""
    weights = a.together(b)
    rows = [
        Row(
            key,
            int(rows_a + rows_b),
            {
                reason: lost_a.get(reason, 0) + lost_b.get(reason, 0)
                for reason in {**lost_a, **lost_b}
            },
            value,
            weights=weight,
        )
        for key, value, rows_a, rows_b, lost_a, lost_b, weight in zip(
            keys, values, a.rows, b.rows, a.dropped(), b.dropped(), weights, strict=True
        )
    ]
    return answer_of(part, rows, weighting=query.weighting, raking=a.calibration)
