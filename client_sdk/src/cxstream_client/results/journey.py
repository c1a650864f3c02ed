"""Answers about journeys."""

from __future__ import annotations

from dataclasses import dataclass

from cxstream_client.results.result import (
    Field,
    GroupRow,
    Interval,
    Result,
    Weights,
    columns_of,
    nested,
)


@nested
@dataclass(frozen=True, slots=True)
class JourneyStage:
    """One touchpoint, and the step that leads to it.

    Attributes
    ----------
    stage, label : str
        The level or question, and the text people read.
    n : int
        Answers.
    score, se : float or None
        The metric and its standard error.
    interval : Interval or None
        Of the metric.
    change, change_se : float or None
        Score less that of the stage before, and its standard error; None for the first.
    change_interval : Interval or None
        Of the change, not corrected.
    p, p_adjusted : float or None
        Two-sided; corrected for the number of steps.
    biggest_drop : bool
        Whether no step of the journey falls more.
    """

    stage: str
    label: str
    n: int
    score: float | None
    se: float | None
    interval: Interval | None
    change: float | None
    change_se: float | None
    change_interval: Interval | None
    p: float | None
    p_adjusted: float | None
    biggest_drop: bool


@dataclass(frozen=True, slots=True)
class JourneyRow(GroupRow):
    """The journey of one group.

    Attributes
    ----------
    n : int
        Answers at all stages.
    dropped : dict
        Answers missing, by reason, and responses at no stage.
    basis : str
        What the standard errors of steps rest on: ``"independent"`` groups, ``"paired"`` answers of
        the same respondents, or a ``"bound"`` that holds whatever the covariance.
    biggest_drop : str or None
        The stage whose step falls most.
    stages : tuple of JourneyStage
        In order.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    basis: str
    biggest_drop: str | None
    stages: tuple[JourneyStage, ...]
    weights: Weights | None = None


@nested
@dataclass(frozen=True, slots=True)
class StageComparison:
    """One touchpoint of two journeys.

    Attributes
    ----------
    stage, label : str
        The level or question, and the text people read.
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
    label: str
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
class CompareJourneysRow(GroupRow):
    """Two journeys of one group.

    Attributes
    ----------
    n_a, n_b : int
        Answers at all stages.
    dropped : dict
        Answers missing, by reason, of both.
    difference, se : float or None
        Mean over the stages of the differences, each stage alike.
    interval : Interval or None
        Of that mean.
    p : float or None
        Its two-sided p value.
    chi2, chi2_p : float or None
        Wald statistic of all stages at once, and the chance of so large a one if the journeys do
        not differ anywhere.
    df : int
        Its degrees of freedom.
    stages : tuple of StageComparison
        In order.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n_a: int
    n_b: int
    dropped: dict[str, int]
    difference: float | None
    se: float | None
    interval: Interval | None
    p: float | None
    chi2: float | None
    df: int
    chi2_p: float | None
    stages: tuple[StageComparison, ...]
    weights: Weights | None = None


class JourneyResult(Result[JourneyRow]):
    """Journeys; the table has one row per stage."""

    _row_class = JourneyRow
    _nested = "stages"
    _fields = (
        *columns_of("stage:text label:text n:int score:float se:float lower:float upper:float"),
        *columns_of("change:float change_se:float"),
        Field("change_lower", "float", "change_interval.lower"),
        Field("change_upper", "float", "change_interval.upper"),
        *columns_of("p:float p_adjusted:float"),
    )

    n: int
    dropped: dict[str, int]
    basis: str
    biggest_drop: str | None
    stages: tuple[JourneyStage, ...]
    weights: Weights | None


class CompareJourneysResult(Result[CompareJourneysRow]):
    """Two journeys beside each other; the table has one row per stage."""

    _row_class = CompareJourneysRow
    _nested = "stages"
    _fields = columns_of(
        "stage:text label:text n_a:int n_b:int a:float b:float difference:float se:float "
        "lower:float upper:float p:float p_adjusted:float"
    )

    n_a: int
    n_b: int
    dropped: dict[str, int]
    difference: float | None
    se: float | None
    interval: Interval | None
    p: float | None
    chi2: float | None
    df: int
    chi2_p: float | None
    stages: tuple[StageComparison, ...]
    weights: Weights | None
