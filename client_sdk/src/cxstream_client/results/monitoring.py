"""Answers about a metric over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from cxstream_client.results.change import SegmentChange, WholeChange
from cxstream_client.results.result import (
    Field,
    GroupRow,
    Interval,
    Result,
    Weights,
    columns_of,
    decode,
    nested,
)


@nested
@dataclass(frozen=True, slots=True)
class Regime:
    """A run of buckets in which nothing changed but by chance.

    Attributes
    ----------
    since, until : str
        Start of its first bucket, and of the bucket after its last.
    n : int
        Answers used.
    score, se : float or None
        The score and its standard error.
    interval : Interval or None
        Of the score. That the regimes were sought makes their difference look surer than it is.
    change : WholeChange or None
        From the regime before; None for the first.
    movers : tuple of SegmentChange
        The segments' parts of that change, the largest contribution first.
    """

    since: str
    until: str
    n: int
    score: float | None
    se: float | None
    interval: Interval | None
    change: WholeChange | None
    movers: tuple[SegmentChange, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """What the buckets are parts of.

    Attributes
    ----------
    n : int
        Answers of the baseline.
    dropped : dict
        Responses without a time.
    centre, sd : float or None
        Score of the baseline, and the standard deviation of one respondent's points in it.
    regimes : tuple of Regime
        In their order.
    autocorrelation, autocorrelation_se, autocorrelation_p : float or None
        Lag-1 autocorrelation of the baseline's buckets, its standard error if they are independent, and the
        p value of that.
    """

    n: int
    dropped: dict[str, int]
    centre: float | None
    sd: float | None
    regimes: tuple[Regime, ...]
    autocorrelation: float | None
    autocorrelation_se: float | None
    autocorrelation_p: float | None


@dataclass(frozen=True, slots=True)
class MonitorRow(GroupRow):
    """One bucket; one without answers is a gap, and everything but `n` is None.

    Attributes
    ----------
    n : int
        Answers used.
    dropped : dict
        Answers missing, by reason.
    score, se : float or None
        The score and its standard error.
    interval : Interval or None
        Of the score.
    lower_limit, upper_limit : float or None
        Control limits at this n.
    ewma, ewma_lower, ewma_upper : float or None
        Exponentially weighted moving average and its limits.
    chi2, chi2_p : float or None
        Chi-squared of the classes against the baseline's, and its p value.
    outside : tuple of str
        Charts on which it is out of control: ``"limits"``, ``"ewma"``, ``"chi2"``.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
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
    weights: Weights | None = None

    @property
    def alarms(self) -> str:
        """The charts on which it is out of control, in one text."""
        return " ".join(self.outside)


class MonitorResult(Result[MonitorRow]):
    """A series: one row per bucket.

    Attributes
    ----------
    whole : Series
        Baseline and regimes.
    """

    _row_class = MonitorRow
    _fields = (
        *columns_of(
            "n:int score:float se:float lower:float upper:float lower_limit:float "
            "upper_limit:float ewma:float ewma_lower:float ewma_upper:float chi2:float chi2_p:float"
        ),
        Field("outside", "text", "alarms"),
    )

    whole: Series

    @classmethod
    def from_message(cls, message: Any, by: Sequence[str] = ()) -> Self:
        """Return the result a ``MonitorResponse`` stands for."""
        result = super().from_message(message, by)
        result.whole = decode(Series, message.whole)
        return result

    @property
    def regimes(self) -> tuple[Regime, ...]:
        """The runs of buckets between change points."""
        return self.whole.regimes

    @property
    def change_points(self) -> tuple[str, ...]:
        """The start of every regime but the first."""
        return tuple(regime.since for regime in self.whole.regimes[1:])

    @property
    def centre(self) -> float | None:
        """The score of the baseline."""
        return self.whole.centre

    @property
    def sd(self) -> float | None:
        """The standard deviation of one respondent's points in the baseline."""
        return self.whole.sd
