"""Answers about what moved a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

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
class Effect:
    """A part of a change.

    Attributes
    ----------
    value, se : float
        In points, and its standard error.
    interval : Interval
        value -+ z se.
    """

    value: float
    se: float
    interval: Interval


@nested
@dataclass(frozen=True, slots=True)
class WholeChange:
    """The change of the whole: mix and rate add to it.

    Attributes
    ----------
    n_before, n_after : int
        Answers used.
    before, after : float or None
        The score; None where nobody answered, and then there is no change.
    change, mix, rate : Effect or None
        after - before; what comes of the segments' shares, and of their scores, having changed.
    reversal : str
        Simpson's paradox: ``"none"``, ``"rate"`` (the segments' scores moved the whole one way and
        it went the other) or ``"every_segment"`` (none of them went its way).
    effective_n_before, effective_n_after : float or None
        Kish's effective n, of a weighted answer.
    """

    n_before: int
    n_after: int
    before: float | None
    after: float | None
    change: Effect | None
    mix: Effect | None
    rate: Effect | None
    reversal: str
    effective_n_before: float | None = None
    effective_n_after: float | None = None

    @property
    def warning(self) -> str:
        """A sentence where the parts disagree with the whole; else empty."""
        if self.change is None or self.reversal not in {"rate", "every_segment"}:
            return ""
        went, others = ("rose", "fell") if self.change.value > 0 else ("fell", "rose")
        if self.reversal == "every_segment":
            return (
                f"Simpson's paradox: the whole {went}, and no segment {went}: who answered changed, "
                "more than how they answered"
            )
        return f"Simpson's paradox: the whole {went}, and on average the segments {others}"


@nested
@dataclass(frozen=True, slots=True)
class SegmentChange(GroupRow):
    """What one segment has to do with a change.

    Attributes
    ----------
    n : int
        Answers used, of both periods.
    dropped : dict
        Answers missing in both, by reason.
    presence : str
        Where anybody of it answered: ``"both"``, ``"new"``, ``"vanished"`` or ``"absent"``.
    n_before, n_after : int
        Answers used.
    share_before, share_after : float
        Their share of all, 0..100.
    score_before, score_after : float or None
        The segment's score.
    mix, rate, contribution : Effect
        What comes of its share having changed, of its score having changed, and of both.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    presence: str
    n_before: int
    n_after: int
    share_before: float
    share_after: float
    score_before: float | None
    score_after: float | None
    mix: Effect
    rate: Effect
    contribution: Effect
    weights: Weights | None = None


class ChangeResult(Result[SegmentChange]):
    """A change, taken apart: one row per segment.

    Attributes
    ----------
    whole : WholeChange
        The change itself.
    """

    _row_class = SegmentChange
    _fields = (
        *columns_of(
            "presence:text n_before:int n_after:int share_before:float share_after:float "
            "score_before:float score_after:float"
        ),
        *(
            Field(name + suffix, "float", f"{name}.{source}")
            for name in ("mix", "rate", "contribution")
            for suffix, source in (("", "value"), ("_se", "se"))
        ),
    )

    whole: WholeChange

    @classmethod
    def from_message(cls, message: Any, by: Sequence[str] = ()) -> Self:
        """Return the result a ``ChangeResponse`` stands for."""
        result = super().from_message(message, by)
        result.whole = decode(WholeChange, message.whole)
        return result

    @property
    def before(self) -> float | None:
        """The score before."""
        return self.whole.before

    @property
    def after(self) -> float | None:
        """The score after."""
        return self.whole.after

    @property
    def change(self) -> Effect | None:
        """The score after less that before."""
        return self.whole.change

    @property
    def mix(self) -> Effect | None:
        """What comes of the segments' shares having changed."""
        return self.whole.mix

    @property
    def rate(self) -> Effect | None:
        """What comes of the segments' scores having changed."""
        return self.whole.rate

    @property
    def reversal(self) -> str:
        """Whether the parts disagree with the whole; see :class:`WholeChange`."""
        return self.whole.reversal

    @property
    def warning(self) -> str:
        """A sentence where the parts disagree with the whole; else empty."""
        return self.whole.warning


@dataclass(frozen=True, slots=True)
class WholeScore:
    """The score of everybody.

    Attributes
    ----------
    n : int
        Answers used.
    score, se : float or None
        The score and its standard error.
    interval : Interval or None
        Of the score.
    """

    n: int
    score: float | None
    se: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class ImpactRow(GroupRow):
    """How far one segment pulls the score.

    Attributes
    ----------
    n : int
        Answers used.
    dropped : dict
        Answers missing, by reason.
    share : float or None
        Their share of all, 0..100.
    score, without : float or None
        Score of the segment, and of everybody else.
    impact, se : float or None
        Score of all less `without`, and its standard error.
    interval : Interval or None
        Of the impact.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    share: float | None
    score: float | None
    without: float | None
    impact: float | None
    se: float | None
    interval: Interval | None
    weights: Weights | None = None


class ImpactResult(Result[ImpactRow]):
    """Leave-one-out impacts: one row per segment.

    Attributes
    ----------
    whole : WholeScore
        The score of everybody.
    """

    _row_class = ImpactRow
    _fields = columns_of(
        "n:int share:float score:float without:float impact:float se:float lower:float upper:float"
    )

    whole: WholeScore

    @classmethod
    def from_message(cls, message: Any, by: Sequence[str] = ()) -> Self:
        """Return the result an ``ImpactResponse`` stands for."""
        result = super().from_message(message, by)
        result.whole = decode(WholeScore, message.whole)
        return result


@nested
@dataclass(frozen=True, slots=True)
class FactorEffect:
    """What one factor has to do with the change of a product.

    Attributes
    ----------
    factor : str
        Its name.
    effect : float
        Its part of the change.
    before, after : float
        The product standardised: with this factor's values before and after, and all others the
        same in both. Their difference is the effect.
    """

    factor: str
    effect: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class DecomposeRow(GroupRow):
    """A change of a product.

    Attributes
    ----------
    before, after, change : float
        The product, and its change.
    effects : tuple of FactorEffect
        In the order of the factors; they add to the change.
    """

    before: float
    after: float
    change: float
    effects: tuple[FactorEffect, ...]


class DecomposeResult(Result[DecomposeRow]):
    """How factors share the change of their product; the table has one row per factor."""

    _row_class = DecomposeRow
    _nested = "effects"
    _fields = columns_of("factor:text effect:float before:float after:float")

    before: float
    after: float
    change: float
    effects: tuple[FactorEffect, ...]
