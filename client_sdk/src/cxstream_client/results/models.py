"""Answers about how questions move together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from cxstream_client.results.result import (
    GroupRow,
    Interval,
    Result,
    Weights,
    columns_of,
    nested,
)


@nested
@dataclass(frozen=True, slots=True)
class Term:
    """One coefficient of a regression.

    Attributes
    ----------
    term, label : str
        ``"const"`` or the driver's name, and the text people read.
    coefficient : float
        In units of the outcome per unit of the driver.
    se, t, p : float or None
        Standard error, coefficient / se, two-sided p value.
    interval : Interval or None
        Student interval.
    beta, vif : float or None
        The coefficient in standard deviations, and the variance inflation factor; None for the
        intercept.
    df : float or None
        Degrees of freedom of t: of p and of the interval.
    """

    term: str
    label: str
    coefficient: float
    se: float | None
    t: float | None
    p: float | None
    interval: Interval | None
    beta: float | None
    vif: float | None
    df: float | None


@dataclass(frozen=True, slots=True)
class FitRow(GroupRow):
    """How a regression fits one group.

    Attributes
    ----------
    n : int
        Complete rows used.
    dropped : dict
        Responses not used, by reason.
    status : str
        ``"ok"``, ``"too_few_rows"``, ``"collinear"``, ``"constant_outcome"`` or another word of
        the wire's ``FitStatus``.
    message : str
        A sentence where it is not ok.
    r2, adj_r2 : float or None
        Coefficient of determination, plain and adjusted.
    sigma : float or None
        Residual standard deviation.
    f, f_p : float or None
        F statistic of all drivers together, and its p value.
    df_model, df_resid : int
        Degrees of freedom.
    rss : float or None
        Residual sum of squares.
    errors : str
        Which standard errors: ``"classical"``, ``"HC0"``, ``"HC1"``, ``"HC2"``, ``"HC3"``, ``"cluster"`` or
        ``"design"``.
    clusters : int or None
        How many, with errors by cluster.
    """

    n: int
    dropped: dict[str, int]
    status: str
    message: str
    r2: float | None
    adj_r2: float | None
    sigma: float | None
    f: float | None
    f_p: float | None
    df_model: int
    df_resid: int
    rss: float | None
    errors: str
    clusters: int | None


@dataclass(frozen=True, slots=True)
class RegressionRow(FitRow):
    """The regression of one group: the fields of :class:`FitRow`, and the coefficients.

    Attributes
    ----------
    terms : tuple of Term
        The intercept first, then the drivers in order; none where the fit did not end well.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    terms: tuple[Term, ...]
    weights: Weights | None = None


@nested
@dataclass(frozen=True, slots=True)
class PairInsight:
    """The regression of `y` on `x` alone.

    Attributes
    ----------
    x, y : str
        What changes, and what moves.
    n, dropped : int
        Responses that answer both, and that do not.
    status : str
        How the fit ended; see :class:`FitRow`.
    slope, se, r, t, p, p_adjusted : float or None
        Change of y for one unit of x, its standard error, the correlation, slope / se, the
        two-sided p value, plain and corrected.
    interval : Interval or None
        Student interval of the slope.
    """

    x: str
    y: str
    n: int
    dropped: int
    status: str
    slope: float | None
    se: float | None
    r: float | None
    t: float | None
    p: float | None
    p_adjusted: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class InsightsRow(GroupRow):
    """The pairs of one group.

    Attributes
    ----------
    pairs : tuple of PairInsight
        Ordered pairs, the strongest first.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    pairs: tuple[PairInsight, ...]
    weights: Weights | None = None


class FitResult(Result[FitRow]):
    """How a regression fits each group; ``dropped`` is a total in the table."""

    _row_class = FitRow
    _fields = columns_of(
        "n:int dropped:int r2:float adj_r2:float sigma:float f:float df_resid:int "
        "status:text message:text f_p:float df_model:int rss:float errors:text clusters:int"
    )

    n: int
    dropped: dict[str, int]
    status: str
    message: str
    r2: float | None
    adj_r2: float | None
    sigma: float | None
    f: float | None
    f_p: float | None
    df_model: int
    df_resid: int
    rss: float | None
    errors: str
    clusters: int | None


class RegressionResult(Result[RegressionRow]):
    """Linear regressions; the table has one row per term.

    Attributes
    ----------
    outcome : str
        The question explained.
    """

    _row_class = RegressionRow
    _nested = "terms"
    _fields = columns_of(
        "term:text coefficient:float se:float t:float p:float lower:float upper:float "
        "beta:float vif:float"
    )

    outcome: str = ""

    n: int
    dropped: dict[str, int]
    status: str
    message: str
    r2: float | None
    adj_r2: float | None
    sigma: float | None
    f: float | None
    f_p: float | None
    df_model: int
    df_resid: int
    rss: float | None
    errors: str
    clusters: int | None
    terms: tuple[Term, ...]
    weights: Weights | None

    @classmethod
    def from_message(cls, message: Any, by: Sequence[str] = ()) -> Self:
        """Return the result a ``RegressionResponse`` stands for."""
        result = super().from_message(message, by)
        result.outcome = message.outcome
        return result

    @property
    def fit(self) -> FitResult:
        """How the regression fits, one row per group."""
        return self._derived(FitResult, FitRow)


class InsightsResult(Result[InsightsRow]):
    """Pairs of questions; the table has one row per pair."""

    _row_class = InsightsRow
    _nested = "pairs"
    _fields = columns_of(
        "x:text y:text n:int slope:float se:float r:float p:float p_adjusted:float"
    )

    pairs: tuple[PairInsight, ...]
    weights: Weights | None
