"""Answers about what moves an outcome."""

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
class Driver:
    """What one driver contributes; shares are of R2, 0..1, and add up to it.

    Attributes
    ----------
    driver, label : str
        The question, and the text people read.
    lmg : float or None
        Mean increase of R2 over all orders of entry (LMG, Shapley).
    se : float or None
        Its standard error; None where the row's ``without_se`` says why.
    interval : Interval or None
        Of lmg.
    johnson, johnson_se : float or None
        Johnson's relative weight, and its standard error.
    first, last : float or None
        R2 of the driver alone, and its increase when it enters last.
    pratt : float or None
        beta times the correlation with the outcome; may be negative.
    beta, vif : float or None
        Standardised coefficient, and variance inflation factor.
    sign : int or None
        Of its coefficient: -1, 0 or 1.
    performance, performance_se : float or None
        Mean on 0..100, 100 the best answer, and its standard error.
    quadrant : str
        ``"top_priority"``, ``"keep_up"``, ``"sustain"``, ``"ignore"``, or ``"undetermined"`` where
        an interval crosses a cut; empty without standard errors.
    weight : float or None
        Weight in an index, derived from lmg.
    floored : bool
        The weight would be negative, and is 0.
    johnson_axes_se, johnson_t, johnson_p : float or None
        Standard error of johnson with its orthogonal axes taken as known and residuals of one
        variance, as flipRegression has it: of every model, but rough; johnson over it, with the
        sign of the coefficient; and its two-sided p value.
    """

    driver: str
    label: str
    lmg: float | None
    se: float | None
    interval: Interval | None
    johnson: float | None
    johnson_se: float | None
    first: float | None
    last: float | None
    pratt: float | None
    beta: float | None
    vif: float | None
    sign: int | None
    performance: float | None
    performance_se: float | None
    quadrant: str
    weight: float | None
    floored: bool
    johnson_axes_se: float | None
    johnson_t: float | None
    johnson_p: float | None


@dataclass(frozen=True, slots=True)
class DriversRow(GroupRow):
    """The drivers of one group.

    Attributes
    ----------
    n : int
        Complete rows used.
    dropped : dict
        Responses not used, by reason.
    status, message : str
        How the fit ended, as of a regression, and a sentence where it is not ok.
    r2 : float or None
        Coefficient of determination of all drivers.
    drivers : tuple of Driver
        In the order asked for.
    importance_cut, performance_cut : float or None
        Where the quadrants meet.
    without_se : str
        Why importance has no standard errors; empty where it has.
    survey_weights : Weights or None
        What the survey's weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    status: str
    message: str
    r2: float | None
    drivers: tuple[Driver, ...]
    importance_cut: float | None
    performance_cut: float | None
    without_se: str
    survey_weights: Weights | None = None

    @property
    def weights(self) -> dict[str, float]:
        """Weights for an index, by driver; empty where none can be derived."""
        return {one.driver: one.weight for one in self.drivers if one.weight is not None}


class DriversResult(Result[DriversRow]):
    """Importance of drivers; the table has one row per driver.

    Attributes
    ----------
    outcome : str
        The question explained.
    """

    _row_class = DriversRow
    _nested = "drivers"
    _fields = columns_of(
        "driver:text lmg:float johnson:float first:float last:float pratt:float beta:float sign:int "
        "se:float lower:float upper:float johnson_se:float vif:float performance:float "
        "performance_se:float quadrant:text weight:float johnson_axes_se:float johnson_t:float "
        "johnson_p:float"
    )

    outcome: str = ""

    n: int
    dropped: dict[str, int]
    status: str
    message: str
    r2: float | None
    drivers: tuple[Driver, ...]
    importance_cut: float | None
    performance_cut: float | None
    without_se: str
    survey_weights: Weights | None

    @classmethod
    def from_message(cls, message: Any, by: Sequence[str] = ()) -> Self:
        """Return the result a ``DriversResponse`` stands for."""
        result = super().from_message(message, by)
        result.outcome = message.outcome
        return result

    @property
    def weights(self) -> dict[str, float]:
        """Weights for an index, by driver, of the only row; empty where none can be derived."""
        return {one.driver: one.weight for one in self.drivers if one.weight is not None}
