"""What moved a score between two periods, how far each segment pulls it, and factors of a product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cxstream import analytics
from cxstream.answers import Answer, AsOf, Query, Row
from cxstream.errors import InvalidArgumentError
from cxstream.queries.asking import answer_of, answered
from cxstream.queries.metric_sums import IndexSums, Sums
from cxstream.queries.options import NamedOptions
from cxstream.queries.scored import Metric, Side, members
from cxstream.queries.weighted_sums import WeightedPatterns


@dataclass(frozen=True, slots=True)
class FactorEffect:
    """What one factor has to do with the change of a product."""

    factor: str
    effect: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Factors:
    """A change of a product; see `cxstream.analytics.decomposition.Decomposition`."""

    FORMULAS: ClassVar = ("decomposition",)

    before: float
    after: float
    change: float
    effects: tuple[FactorEffect, ...]


class Changes(NamedOptions):
    """Change, impact, decomposition."""

    @answered
    def change(self, query: Query, metric: Metric, *, before: Side, after: Side) -> Answer:
        """Split a change between two sides, such as periods, into mix and rate by segment.

        See `cxstream.analytics.change.change`. A row per segment; the whole is the change itself.

        Parameters
        ----------
        query : Query
            `by` names the segments: dimensions.
        """
        _need_segments(query)
        asked, unit = self._divided(query, (before, after), query.by)
        _, part, sums = self._metric_sums(asked, metric)
        first, last = (members(part, asked.by, side, unit) for side in (before, after))
        shared = int(part.rows[first & last].sum())
        if shared or len(asked.by) == len(query.by):
            raise InvalidArgumentError(
                "OVERLAPPING_SIDES",
                f"before and after share {shared:,} responses: give two that have none in common",
                column="after",
            )
        width = len(query.by)
        segments = sorted_segments([group[:width] for group in part.groups])
        of = np.array([segments[group[:width]] for group in part.groups], dtype=np.int64)
        keys = {
            segments[g[:width]]: key[:width] for g, key in zip(part.groups, part.keys, strict=True)
        }
        sides = [sums.merged(np.where(kept, of, -1), len(segments)) for kept in (first, last)]
        _need_means(sums)
        found = sides[0].changed(sides[1], query.confidence)
        weights = sides[0].together(sides[1])
        lost = [side.dropped() for side in sides]
        rows = [
            Row(
                keys[k],
                int(sides[0].rows[k] + sides[1].rows[k]),
                _together(lost[0][k], lost[1][k]),
                segment,
                weights=weights[k],
            )
            for k, segment in enumerate(found.segments)
            if sides[0].rows[k] + sides[1].rows[k]
        ]
        return answer_of(part, rows, found, weighting=query.weighting, raking=sums.calibration)

    @answered
    def impact(self, query: Query, metric: Metric) -> Answer:
        """Score of all less the score without each segment; see `cxstream.analytics.impact`.

        Parameters
        ----------
        query : Query
            `by` names the segments, or a choice question: of those who named each option, who may have
            named others too.
        """
        _need_segments(query)
        choice = self._choice(query)
        if choice is not None:
            found = self._named(query, metric, choice)
            (whole,) = found.everybody.values(query.confidence)
            own = found.some.weights if found.weighted else ()
            return found.answer(query, found.impacts(query.confidence), own, whole)
        _, part, sums = self._metric_sums(query, metric)
        _need_means(sums)
        everybody = sums.merged(np.zeros(len(part.groups), dtype=np.int64), 1)
        values = sums.impacts(everybody, query.confidence)
        (whole,) = everybody.values(query.confidence)
        weights = sums.weights
        rows = [
            Row(key, int(responses), lost, value, weights=weight)
            for key, responses, lost, value, weight in zip(
                part.keys, part.rows, sums.dropped(), values, weights, strict=True
            )
        ]
        return answer_of(part, rows, whole, weighting=query.weighting, raking=sums.calibration)

    def decompose(self, factors: Sequence[tuple[str, Sequence[float], Sequence[float]]]) -> Answer:
        """Share the change of a product out among its factors; of numbers given, not of a program.

        See `cxstream.analytics.decomposition.decompose`.

        Parameters
        ----------
        factors : sequence of (name, before, after)
            One value, or one for each group over which the product is summed.
        """
        before, after = (
            [values if len(values) != 1 else values[0] for values in side]
            for side in ([one[1] for one in factors], [one[2] for one in factors])
        )
        try:
            found = analytics.decomposition.decompose(before, after)
        except ValueError as error:
            raise InvalidArgumentError("INVALID_FACTORS", str(error), column="factors") from error
        effects = tuple(
            FactorEffect(name, effect, *both)
            for (name, _, _), effect, both in zip(
                factors, found.effects, found.standardised, strict=True
            )
        )
        value = Factors(found.before, found.after, found.change, effects)
        return Answer(AsOf("", 0, 0, 0, ""), [Row((), 0, {}, value)])


def sorted_segments(groups: Sequence[tuple[object, ...]]) -> dict[tuple[object, ...], int]:
    """Number the segments in the order in which they come first."""
    return {segment: k for k, segment in enumerate(dict.fromkeys(groups))}


def _together(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    return {reason: first.get(reason, 0) + second.get(reason, 0) for reason in {**first, **second}}


def _need_segments(query: Query) -> None:
    if not query.by:
        raise InvalidArgumentError(
            "INVALID_GROUPING", "by: expected the dimensions that make up the segments", column="by"
        )


def _need_means(sums: Sums) -> None:
    """Refuse a score that is no mean of respondents' points: its segments do not make up the whole."""
    if (
        isinstance(sums, WeightedPatterns | IndexSums)
        and sums.options.get("policy") == "item_means"
    ):
        raise InvalidArgumentError(
            "WRONG_POLICY",
            "an index of item means is no mean over respondents, so its segments do not add up to "
            "the whole; ask with missing = renormalise or complete",
            column="missing",
            expected="renormalise or complete",
        )
