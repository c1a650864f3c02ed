"""Answers about one question, or one index."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from cxstream_client.results.result import (
    Column,
    Field,
    GroupRow,
    Interval,
    Result,
    Weights,
    columns_of,
    nested,
    read_all,
)


@dataclass(frozen=True, slots=True)
class NpsRow(GroupRow):
    """Net promoter score of one group.

    Attributes
    ----------
    n : int
        Answers used.
    dropped : dict
        Answers missing, by reason.
    promoters, passives, detractors : int
        Answers in each class.
    score : float or None
        100 (promoters - detractors) / n, -100..100.
    variance : float or None
        Variance of one respondent, in squared points.
    se : float or None
        Standard error of the score, in points.
    interval : Interval or None
        Interval of the score.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    promoters: int
    passives: int
    detractors: int
    score: float | None
    variance: float | None
    se: float | None
    interval: Interval | None
    weights: Weights | None = None


@dataclass(frozen=True, slots=True)
class CsatRow(GroupRow):
    """Top-box share and mean of one group.

    Attributes
    ----------
    n : int
        Answers used.
    dropped : dict
        Answers missing, by reason.
    top : int
        Answers in the top box.
    score, se : float or None
        100 top / n and its standard error.
    interval : Interval or None
        Wilson interval of the score.
    mean, mean_se : float or None
        Mean answer rescaled to 0..100 and its standard error.
    mean_interval : Interval or None
        Interval of the mean.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    top: int
    score: float | None
    se: float | None
    interval: Interval | None
    mean: float | None
    mean_se: float | None
    mean_interval: Interval | None
    weights: Weights | None = None


@dataclass(frozen=True, slots=True)
class CesRow(GroupRow):
    """Customer effort of one group.

    Attributes
    ----------
    n : int
        Answers used.
    dropped : dict
        Answers missing, by reason.
    variant : str
        ``"mean"``, ``"net"`` or ``"agree"``.
    score, se : float or None
        On the question's scale for mean, in points for net, 0..100 for agree.
    interval : Interval or None
        Interval of the score.
    positive, neutral, negative : int or None
        Answers of each kind, where the variant has them.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    variant: str
    score: float | None
    se: float | None
    interval: Interval | None
    positive: int | None
    neutral: int | None
    negative: int | None
    weights: Weights | None = None


@nested
@dataclass(frozen=True, slots=True)
class LevelShare:
    """One level of a question.

    Attributes
    ----------
    level, label : str
        The value or code, and the text people read.
    count : int
        Answers.
    share, se : float or None
        100 count / n and its standard error.
    interval : Interval or None
        Wilson interval of the share.
    """

    level: str
    label: str
    count: int
    share: float | None
    se: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class DistributionRow(GroupRow):
    """All answers of one group.

    Attributes
    ----------
    n : int
        Answers used.
    dropped : dict
        Answers missing, by reason.
    levels : tuple of LevelShare
        Every level of the scale; none for a number.
    mean, sd, se : float or None
        Mean on the question's scale, standard deviation (n - 1), standard error of the mean.
    interval : Interval or None
        Interval of the mean.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    levels: tuple[LevelShare, ...]
    mean: float | None
    sd: float | None
    se: float | None
    interval: Interval | None
    weights: Weights | None = None


@dataclass(frozen=True, slots=True)
class SummaryRow(GroupRow):
    """Moments of a question in one group; the fields are those of :class:`DistributionRow`."""

    n: int
    mean: float | None
    sd: float | None
    se: float | None
    interval: Interval | None
    weights: Weights | None = None


@nested
@dataclass(frozen=True, slots=True)
class PartScore:
    """One sub-index.

    Attributes
    ----------
    name, label : str
        Its name, and the text people read.
    weight : float
        Its share of the index's weights, 0..1.
    n : int
        Respondents used.
    score, se : float or None
        The sub-index, 0..100, and its standard error.
    interval : Interval or None
        Its interval.
    """

    name: str
    label: str
    weight: float
    n: int
    score: float | None
    se: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class IndexRow(GroupRow):
    """A weighted composite index of one group.

    Attributes
    ----------
    n : int
        Respondents used.
    dropped : dict
        Respondents not used, by reason.
    score, se : float or None
        The index, 0..100, and its standard error.
    interval : Interval or None
        Its interval.
    parts : tuple of PartScore
        The sub-indices in declared order.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    score: float | None
    se: float | None
    interval: Interval | None
    parts: tuple[PartScore, ...]
    weights: Weights | None = None


@nested
@dataclass(frozen=True, slots=True)
class OptionShare:
    """One option of a choice question.

    Attributes
    ----------
    option, label : str
        The code, and the text people read.
    count : int
        Respondents who chose it.
    share, se : float or None
        100 count / base and its standard error.
    interval : Interval or None
        Goodman interval, simultaneous over the options of the group.
    rank : int
        1 for the most chosen.
    """

    option: str
    label: str
    count: int
    share: float | None
    se: float | None
    interval: Interval | None
    rank: int


@dataclass(frozen=True, slots=True)
class ScorecardRow(GroupRow):
    """The options of one group.

    Attributes
    ----------
    base : int
        Respondents who gave at least one answer: the base of all shares.
    dropped : dict
        Respondents who gave none, by reason.
    selections : int
        Options chosen in all.
    options : tuple of OptionShare
        All options in declared order.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    base: int
    dropped: dict[str, int]
    selections: int
    options: tuple[OptionShare, ...]
    weights: Weights | None = None


class NpsResult(Result[NpsRow]):
    """Net promoter scores."""

    _row_class = NpsRow
    _fields = columns_of(
        "n:int promoters:int passives:int detractors:int score:float se:float "
        "lower:float upper:float"
    )

    n: int
    dropped: dict[str, int]
    promoters: int
    passives: int
    detractors: int
    score: float | None
    variance: float | None
    se: float | None
    interval: Interval | None
    weights: Weights | None


class CsatResult(Result[CsatRow]):
    """Top-box shares and means."""

    _row_class = CsatRow
    _fields = columns_of(
        "n:int top:int score:float se:float lower:float upper:float mean:float mean_se:float"
    )

    n: int
    dropped: dict[str, int]
    top: int
    score: float | None
    se: float | None
    interval: Interval | None
    mean: float | None
    mean_se: float | None
    mean_interval: Interval | None
    weights: Weights | None


class CesResult(Result[CesRow]):
    """Customer effort scores."""

    _row_class = CesRow
    _fields = columns_of("n:int score:float se:float lower:float upper:float")

    n: int
    dropped: dict[str, int]
    variant: str
    score: float | None
    se: float | None
    interval: Interval | None
    positive: int | None
    neutral: int | None
    negative: int | None
    weights: Weights | None


class SummaryResult(Result[SummaryRow]):
    """Moments of a question."""

    _row_class = SummaryRow
    _fields = columns_of("n:int mean:float sd:float se:float lower:float upper:float")

    n: int
    mean: float | None
    sd: float | None
    se: float | None
    interval: Interval | None
    weights: Weights | None


class DistributionResult(Result[DistributionRow]):
    """All answers of a question; the table has one row per level."""

    _row_class = DistributionRow
    _nested = "levels"
    _fields = columns_of(
        "level:text label:text count:int share:float lower:float upper:float se:float"
    )

    n: int
    dropped: dict[str, int]
    levels: tuple[LevelShare, ...]
    mean: float | None
    sd: float | None
    se: float | None
    interval: Interval | None
    weights: Weights | None

    @property
    def summary(self) -> SummaryResult:
        """Mean and standard deviation of each group."""
        return self._derived(SummaryResult, SummaryRow)


class IndexResult(Result[IndexRow]):
    """Weighted composite indices; the table has one more column per part."""

    _row_class = IndexRow
    _fields = columns_of("n:int score:float se:float lower:float upper:float")

    n: int
    dropped: dict[str, int]
    score: float | None
    se: float | None
    interval: Interval | None
    parts: tuple[PartScore, ...]
    weights: Weights | None

    def _made_columns(self) -> list[Column]:
        columns = super()._made_columns()
        taken = {column.name for column in columns}
        by_row = [
            dict(zip(read_all(row.parts, "name"), read_all(row.parts, "score"), strict=True))
            for row in self._raw
        ]
        for name in dict.fromkeys(itertools.chain.from_iterable(by_row)):
            scores = [by_name.get(name) for by_name in by_row]
            columns.append(Column(f"part_{name}" if name in taken else name, "float", scores))
        return columns


class ScorecardResult(Result[ScorecardRow]):
    """Options of a choice question; the table has one row per option."""

    _row_class = ScorecardRow
    _nested = "options"
    _fields = (
        *columns_of("option:text label:text count:int share:float lower:float upper:float"),
        Field("base", "int", "row.base"),
        *columns_of("rank:int se:float"),
    )

    base: int
    dropped: dict[str, int]
    selections: int
    options: tuple[OptionShare, ...]
    weights: Weights | None
