"""A metric over time: control limits, change points, and which segments moved it there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from cxstream.analytics.change import Change
from cxstream.analytics.change_points import MOST_BUCKETS
from cxstream.analytics.intervals import Interval
from cxstream.answers import Answer, GroupKey, Query, Row
from cxstream.columns import bucket_text, parse_edge
from cxstream.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, nearest
from cxstream.program import TIME_UNITS, rollups
from cxstream.queries.asking import Part, answer_of, answered
from cxstream.queries.change import sorted_segments
from cxstream.queries.metric_sums import IndexSums, Sums
from cxstream.queries.scored import Metric, Scored


@dataclass(frozen=True, slots=True)
class Regime:
    """A run of buckets between two change points.

    Attributes
    ----------
    since, until : str
        Start of its first bucket, and of the bucket after its last.
    n : int
    score, se : float or None
    interval : Interval or None
    change : Change or None
        From the regime before, split into mix and rate where segments are asked for; None for the
        first.
    movers : tuple of Row
        The segments' parts of that change, the largest contribution first.
    """

    since: str
    until: str
    n: int
    score: float | None
    se: float | None
    interval: Interval | None
    change: Change | None
    movers: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """What the buckets of a series are parts of.

    Attributes
    ----------
    n : int
        Respondents of the baseline.
    centre, sd : float or None
        Score of the baseline, and the standard deviation of one respondent's points.
    dropped : dict of str to int
        Responses that have no time.
    regimes : tuple of Regime
    autocorrelation, autocorrelation_se, autocorrelation_p : float or None
        Lag-1 autocorrelation of the baseline's buckets.
    """

    FORMULAS: ClassVar[tuple[str, ...]] = ("monitor", "autocorrelation", "change_points")

    n: int
    centre: float | None
    sd: float | None
    regimes: tuple[Regime, ...]
    autocorrelation: float | None
    autocorrelation_se: float | None
    autocorrelation_p: float | None
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WeightedSeries(Series):
    """What the buckets of a weighted series are parts of; see `Series`."""

    FORMULAS: ClassVar[tuple[str, ...]] = (*Series.FORMULAS, "weighted.monitor")


class Monitorings(Scored):
    """Monitoring."""

    @answered
    def monitor(
        self,
        query: Query,
        metric: Metric,
        *,
        bucket: str = "week",
        baseline: tuple[str, str] = ("", ""),
        smoothing: float = 0.2,
        sigmas: float = 3.0,
        false_alarm: float = 0.05,
    ) -> Answer:
        """Chart a metric over time; see `cxstream.analytics.monitoring.monitor`.

        A row per bucket between the first and the last with responses; those without are gaps.

        Parameters
        ----------
        query : Query
            `by` names the segments whose part in every change is wanted; none of them is a bucket.
        baseline : (since, until)
            Edges of the buckets that make up the baseline, "" for none.
        """
        state = self._checked(query, weighted=True)
        known = rollups(state.plan)
        if not known:
            raise FailedPreconditionError(
                "NO_TIME",
                f"program {query.program!r} has no time column; declare [time]",
                expected='[time]\ncolumn = "..."',
            )
        if bucket not in known:
            raise NotFoundError(
                "UNKNOWN_BUCKET",
                f"bucket: no {bucket!r}{nearest(bucket, known)}; its times are kept by "
                f"{state.plan.time_unit}",
                expected=", ".join(known),
            )
        if any(name in TIME_UNITS for name in query.by):
            raise InvalidArgumentError(
                "INVALID_GROUPING", "by names segments; the bucket has an argument of its own"
            )
        asked = dataclasses.replace(query, by=(*query.by, bucket))
        state, part, sums = self._metric_sums(asked, metric)
        if metric.kind == "regression":
            sums.spread()  # says why not
        times = [group[-1] for group in part.groups]
        known_times = [one for one in times if one is not None]
        first = min(known_times, default=0)
        length = max(known_times) - first + 1 if known_times else 0
        if length > MOST_BUCKETS:
            raise InvalidArgumentError(
                "TOO_MANY_BUCKETS",
                f"{length:,} {bucket}s lie between the first and the last response, at most "
                f"{MOST_BUCKETS:,} are charted: take a coarser bucket, or since and until",
                column="bucket",
            )
        place = np.array([-1 if one is None else one - first for one in times], dtype=np.int64)
        by_time = sums.merged(place, length)
        values = by_time.values(query.confidence)
        inside = _edges(baseline, bucket, first, length)
        lowest, highest = -100.0 if metric.kind == "nps" else 0.0, 100.0
        if metric.kind == "mean":
            lowest, highest = map(float, state.program.questions[metric.name].ends)
        try:
            found = by_time.watched(
                values,
                lowest=lowest,
                highest=highest,
                baseline=inside,
                smoothing=smoothing,
                sigmas=sigmas,
                false_alarm=false_alarm,
            )
        except ValueError as error:
            raise InvalidArgumentError("INVALID_CHART", str(error)) from error
        starts = [0, *found.change_points, length] if length else []
        regimes = [
            sums.merged(np.where((place >= a) & (place < b), 0, -1), 1) for a, b in pairwise(starts)
        ]
        movers = _Movers(part, sums, len(query.by), query.confidence)
        told = []
        for k, ((a, b), one) in enumerate(zip(pairwise(starts), regimes, strict=True)):
            (value,) = one.values(query.confidence)
            change: Change | None = None
            parts: tuple[Row, ...] = ()
            if k:
                before = (place >= starts[k - 1]) & (place < a)
                change, parts = movers.between(before, (place >= a) & (place < b))
            edges = (bucket_text(first + a, bucket), bucket_text(first + b, bucket))
            told.append(
                Regime(*edges, value.n, value.score, value.se, value.interval, change, parts)
            )
        timeless = int(part.rows[place < 0].sum())
        series = (WeightedSeries if query.weighting else Series)(
            found.n,
            found.centre,
            found.sd,
            tuple(told),
            found.autocorrelation,
            found.autocorrelation_se,
            found.autocorrelation_p,
            {"no_time": timeless} if timeless else {},
        )
        lost = by_time.dropped()
        weights = by_time.weights
        rows = [
            Row(
                (GroupKey(bucket, bucket_text(first + t, bucket), ""),),
                int(by_time.rows[t]),
                lost[t],
                one,
                weights=weights[t],
            )
            for t, one in enumerate(found.buckets)
        ]
        return answer_of(part, rows, series, weighting=query.weighting, raking=sums.calibration)


def _edges(
    baseline: tuple[str, str], bucket: str, first: int, length: int
) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Return which buckets make up the baseline, or None for all of them."""
    if not any(baseline):
        return None
    times = np.arange(first, first + length)
    kept = np.ones(length, dtype=bool)
    if baseline[0]:
        kept &= times >= parse_edge(baseline[0], unit=bucket, key="baseline since")
    if baseline[1]:
        kept &= times < parse_edge(baseline[1], unit=bucket, key="baseline until")
    return kept


class _Movers:
    """What the segments have to do with the change between two sets of cells."""

    def __init__(self, part: Part, sums: Sums, width: int, confidence: float) -> None:
        segments = sorted_segments([group[:width] for group in part.groups])
        self._of = np.array([segments[group[:width]] for group in part.groups], dtype=np.int64)
        self._keys = {}
        for group, key in zip(part.groups, part.keys, strict=True):
            self._keys[segments[group[:width]]] = key[:width]
        self._sums = sums
        self._width = width
        self._confidence = confidence

    def between(self, before: Any, after: Any) -> tuple[Change | None, tuple[Row, ...]]:
        if isinstance(self._sums, IndexSums) and self._sums.options["policy"] == "item_means":
            # No mean over respondents: the segments do not add up to the whole.
            return None, ()
        sides = [
            self._sums.merged(np.where(kept, self._of, -1), len(self._keys))
            for kept in (before, after)
        ]
        found = sides[0].changed(sides[1], self._confidence)
        if not self._width:
            return found, ()
        lost = [side.dropped() for side in sides]
        rows = [
            Row(
                self._keys[k],
                segment.n,
                {why: lost[0][k].get(why, 0) + lost[1][k].get(why, 0) for why in lost[0][k]},
                segment,
            )
            for k, segment in enumerate(found.segments)
            if segment.presence != "absent"
        ]
        rows.sort(key=lambda row: -abs(row.value.contribution.value))
        return found, tuple(rows)
