"""Answers about two groups or periods side by side, and about how many answers it takes."""

from __future__ import annotations

from dataclasses import dataclass

from cxstream_client.results.result import GroupRow, Interval, Result, Weights, columns_of


@dataclass(frozen=True, slots=True)
class CompareRow(GroupRow):
    """One comparison; what is not defined is None.

    Attributes
    ----------
    n : int
        Answers used, of both sides.
    dropped : dict
        Answers missing on both sides, by reason.
    n_a, n_b : int
        Answers used of each side.
    a, b : float or None
        The metric of each side.
    difference : float or None
        a - b.
    centre : float or None
        What an adjusted Wald puts its test and interval around; else the difference.
    se : float or None
        Standard error of `centre`.
    statistic, df : float or None
        Signed z, or t where there are degrees of freedom.
    p, p_adjusted : float or None
        Two-sided p value, plain and corrected for all rows.
    interval : Interval or None
        Of the difference, not corrected.
    cohen_d, hedges_g : float or None
        Of means: the difference over the pooled standard deviation, plain and corrected for small
        samples.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    effective_n_a, effective_n_b : float or None
        Kish's effective n of each side, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    n_a: int
    n_b: int
    a: float | None
    b: float | None
    difference: float | None
    centre: float | None
    se: float | None
    statistic: float | None
    df: float | None
    p: float | None
    p_adjusted: float | None
    interval: Interval | None
    cohen_d: float | None
    hedges_g: float | None
    weights: Weights | None = None
    effective_n_a: float | None = None
    effective_n_b: float | None = None


class CompareResult(Result[CompareRow]):
    """Comparisons: one of `a` with `b`, or one per group."""

    _row_class = CompareRow
    _fields = columns_of(
        "n_a:int n_b:int a:float b:float difference:float se:float lower:float upper:float "
        "statistic:float df:float p:float p_adjusted:float"
    )

    n: int
    dropped: dict[str, int]
    n_a: int
    n_b: int
    a: float | None
    b: float | None
    difference: float | None
    centre: float | None
    se: float | None
    statistic: float | None
    df: float | None
    p: float | None
    p_adjusted: float | None
    interval: Interval | None
    cohen_d: float | None
    hedges_g: float | None
    weights: Weights | None
    effective_n_a: float | None
    effective_n_b: float | None

    def _headline(self, row: CompareRow) -> str:
        words = [f"n={row.n_a}, {row.n_b}"]
        if row.difference is not None:
            words.append(f"difference={row.difference:.6g}")
        if row.interval is not None:
            words.append(f"interval=[{row.interval.lower:.6g}, {row.interval.upper:.6g}]")
        return ", ".join([*words, *([] if row.p is None else [f"p={row.p:.3g}"])])


@dataclass(frozen=True, slots=True)
class SampleSizeRow(GroupRow):
    """The answers needed for one group.

    Attributes
    ----------
    n : int
        Answers that the variance was seen in; 0 where it was assumed.
    dropped : dict
        Answers missing among them, by reason.
    variance : float or None
        Variance of one respondent's answer, in squared points.
    answers, answers_b : int or None
        Answers needed; of the first group and of the second where a difference is wanted. None
        where the answers seen are all alike.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    design_effect : float or None
        Of the weights seen, which the answers needed are multiplied with; None without weights.
    """

    n: int
    dropped: dict[str, int]
    variance: float | None
    answers: int | None
    answers_b: int | None
    weights: Weights | None = None
    design_effect: float | None = None


class SampleSizeResult(Result[SampleSizeRow]):
    """How many answers a margin, or a difference to be found, takes."""

    _row_class = SampleSizeRow
    _fields = columns_of("n:int variance:float answers:int answers_b:int")

    n: int
    dropped: dict[str, int]
    variance: float | None
    answers: int | None
    answers_b: int | None
    weights: Weights | None
    design_effect: float | None

    def _headline(self, row: SampleSizeRow) -> str:
        second = "" if row.answers_b is None else f", answers_b={row.answers_b}"
        return f"answers={row.answers}{second}"
