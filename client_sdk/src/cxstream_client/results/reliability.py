"""Answers about sets of questions."""

from __future__ import annotations

from dataclasses import dataclass

from cxstream_client.results.result import GroupRow, Interval, Result, Weights, columns_of, nested


@nested
@dataclass(frozen=True, slots=True)
class Item:
    """One question of a set.

    Attributes
    ----------
    item, label : str
        The question, and the text people read.
    mean, sd : float
        Of its answers, reversed where low ones are the better.
    item_total : float or None
        Correlation with the sum of the others.
    alpha_if_dropped : float or None
        Alpha of the others.
    loading : float or None
        On the one factor of omega.
    dropped : bool
        It does not vary, and is none of the k.
    """

    item: str
    label: str
    mean: float
    sd: float
    item_total: float | None
    alpha_if_dropped: float | None
    loading: float | None
    dropped: bool


@dataclass(frozen=True, slots=True)
class ReliabilityRow(GroupRow):
    """The reliability of one group.

    Attributes
    ----------
    n : int
        Respondents who answered all items.
    dropped : dict
        Responses not used, by reason.
    status, message : str
        ``"ok"``, ``"too_few_rows"`` or ``"too_few_items"``, and what is wrong or was dropped.
    k : int
        Items that vary.
    alpha, alpha_standardised : float or None
        Cronbach's alpha of covariances, and of correlations.
    mean_inter_item : float or None
        Mean correlation of two different items.
    interval : Interval or None
        Of alpha, by the method asked for.
    se, free_interval : float, Interval or None
        Standard error and interval of alpha for answers of any distribution; None where
        fourth-order moments of the items are not kept.
    omega : float or None
        McDonald's omega total of one factor.
    items : tuple of Item
        In the order asked for.
    normal_se : float or None
        Standard error of alpha for normal answers (psych's ase); of second-order sums alone.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    status: str
    message: str
    k: int
    alpha: float | None
    alpha_standardised: float | None
    mean_inter_item: float | None
    interval: Interval | None
    se: float | None
    free_interval: Interval | None
    omega: float | None
    items: tuple[Item, ...]
    normal_se: float | None
    weights: Weights | None = None


class ReliabilityResult(Result[ReliabilityRow]):
    """Reliability of a set of questions; the table has one row per group."""

    _row_class = ReliabilityRow
    _fields = columns_of(
        "n:int alpha:float alpha_standardised:float lower:float upper:float se:float omega:float "
        "k:int status:text normal_se:float"
    )

    n: int
    dropped: dict[str, int]
    status: str
    message: str
    k: int
    alpha: float | None
    alpha_standardised: float | None
    mean_inter_item: float | None
    interval: Interval | None
    se: float | None
    free_interval: Interval | None
    omega: float | None
    items: tuple[Item, ...]
    normal_se: float | None
    weights: Weights | None
