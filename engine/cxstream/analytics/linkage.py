"""What happens to customers of each NPS class: resolved, churned, spent; and what moving one is worth.

Outcomes come from operations and are answers of the same response: a boolean (first contact
resolved, churned) or a number (spend). Classes are different respondents, so they are compared as
independent groups. A difference between classes is an association: what a mover would do is not
known from it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Counts, as_counts, divide
from cxstream.analytics.comparison import (
    Comparison,
    Estimate,
    compare_estimates,
    compare_shares,
    corrected,
)
from cxstream.analytics.corrections import Correction
from cxstream.analytics.intervals import (
    Interval,
    check_confidence,
    normal_quantile,
    quasi_bounds,
    share_se,
    wilson,
)
from cxstream.analytics.means import means

#: The classes, in the order of all sums here.
CLASSES: Final = ("detractor", "passive", "promoter")

#: Moves of one customer: from class, to class.
MOVES: Final = ((0, 1), (1, 2), (0, 2))

ClvVariant = Literal["margin_next", "margin_now", "naive", "finite"]

CLV_VARIANTS: Final[tuple[ClvVariant, ...]] = ("margin_next", "margin_now", "naive", "finite")

#: Periods of a finite horizon.
HORIZON_MAX: Final = 1200


@dataclass(frozen=True, slots=True)
class ClassOutcome:
    """An outcome in one class.

    Attributes
    ----------
    name : str
        ``detractor``, ``passive`` or ``promoter``.
    n : int
        Responses of the class with the outcome known.
    value, se : float or None
        Share that says yes, 0..100, or mean of the number; its standard error.
    interval : Interval or None
        Wilson for a share, Student-t for a mean.
    """

    name: str
    n: int
    value: float | None
    se: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Move:
    """What the outcome differs by between two classes: moving one customer, if all else went along.

    Attributes
    ----------
    origin, target : str
        Classes.
    difference, se : float or None
        Target less origin, and its standard error.
    p, p_adjusted : float or None
        Two-sided; corrected for the moves of the group.
    interval : Interval or None
        Of the difference.
    """

    origin: str
    target: str
    difference: float | None
    se: float | None
    p: float | None
    p_adjusted: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Linkage:
    """An outcome by NPS class, in one group.

    Attributes
    ----------
    n : int
        Responses with score and outcome.
    classes : tuple of ClassOutcome
        Detractors, passives, promoters.
    moves : tuple of Move
        Detractor to passive, passive to promoter, detractor to promoter.
    """

    FORMULAS: ClassVar = ("linkage",)

    n: int
    classes: tuple[ClassOutcome, ...]
    moves: tuple[Move, ...]


def share_by_class(
    yes: npt.ArrayLike,
    n: npt.ArrayLike,
    *,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> list[Linkage]:
    """Share of a boolean outcome by NPS class, for every group.

    Parameters
    ----------
    yes, n : array_like of int, shape (g, 3)
        Responses that say yes, and that say anything, of detractors, passives, promoters.
    correction : {"holm", "benjamini_hochberg"}
        For the three moves of a group.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Linkage, length g
        Moves by Miettinen and Nurminen's intervals (`cxstream.analytics.comparison`).

    Raises
    ------
    ValueError
        More yes than answers.
    """
    count, total = as_counts(yes, "yes", 2, 3), as_counts(n, "n", 2, 3)
    if bool((count > total).any()):
        raise ValueError("more responses say yes than say anything")
    groups = len(count)
    flat, base = count.ravel(), total.ravel()
    rows = [
        ClassOutcome(name, size, s if size else None, e if size else None, interval)
        for name, size, s, e, interval in zip(
            CLASSES * groups,
            base.tolist(),
            divide(100 * flat, base).tolist(),
            share_se(flat, base).tolist(),
            wilson(flat, base, confidence=confidence),
            strict=True,
        )
    ]
    origin, target = [a for a, _ in MOVES], [b for _, b in MOVES]
    moves = compare_shares(
        count[:, target].ravel(),
        total[:, target].ravel(),
        count[:, origin].ravel(),
        total[:, origin].ravel(),
        correction=correction,
        confidence=confidence,
    )
    return [
        linkage_of(rows[3 * g : 3 * g + 3], corrected(moves[3 * g : 3 * g + 3], correction))
        for g in range(groups)
    ]


def mean_by_class(
    n: Sequence[Sequence[int]],
    total: Sequence[Sequence[int]],
    squares: Sequence[Sequence[int]],
    *,
    origin: Fraction,
    step: Fraction,
    correction: Correction = "holm",
    confidence: float = 0.95,
) -> list[Linkage]:
    """Mean of a number outcome by NPS class, for every group.

    Parameters
    ----------
    n, total, squares : (g, 3) int
        Answers, sum of codes, sum of squared codes of each class: Python integers of any size.
    origin, step : Fraction
        Value of code 0, and of one code.
    correction : {"holm", "benjamini_hochberg"}
        For the three moves of a group.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of Linkage, length g
        Moves by Welch's test.
    """
    result = []
    for sizes, sums, squared in zip(n, total, squares, strict=True):
        found = means(
            [int(v) for v in sizes],
            [int(v) for v in sums],
            [int(v) for v in squared],
            origin=origin,
            step=step,
            confidence=confidence,
        )
        rows = [ClassOutcome(name, m.n, m.mean, m.se, m.interval)
                for name, m in zip(CLASSES, found, strict=True)]  # fmt: skip
        sides = [Estimate(m.n, m.mean, m.se, max(m.n - 1, 1)) for m in found]
        compared = compare_estimates(
            [sides[b] for _, b in MOVES],
            [sides[a] for a, _ in MOVES],
            correction=correction,
            confidence=confidence,
        )
        result.append(linkage_of(rows, compared))
    return result


def linkage_of(rows: Sequence[ClassOutcome], compared: Sequence[Comparison]) -> Linkage:
    """Put the classes of a group and the moves between them together.

    Parameters
    ----------
    rows : sequence of ClassOutcome, length 3
    compared : sequence of Comparison, length 3
        As `MOVES`: target against origin.

    Returns
    -------
    Linkage
    """
    moves = tuple(
        Move(CLASSES[a], CLASSES[b], c.difference, c.se, c.p, c.p_adjusted, c.interval)
        for (a, b), c in zip(MOVES, compared, strict=True)
    )
    return Linkage(sum(one.n for one in rows), tuple(rows), moves)


# --- first contact resolution ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FirstContact:
    """First contact resolution of one group.

    Attributes
    ----------
    n : int
        Contacts for which it is known whether the first one resolved the matter.
    resolved : int
        Those that it did.
    rate, se : float or None
        100 resolved / n and its standard error.
    interval : Interval or None
        Wilson interval of the rate.
    not_resolvable : int or None
        Contacts that the first level could not have resolved; None where not given.
    net_rate, net_se : float or None
        100 resolved / (n - not_resolvable) and its standard error; None where not given.
    net_interval : Interval or None
        Wilson interval of the net rate.
    """

    FORMULAS: ClassVar = ("first_contact",)

    n: int
    resolved: int
    rate: float | None
    se: float | None
    interval: Interval | None
    not_resolvable: int | None
    net_rate: float | None
    net_se: float | None
    net_interval: Interval | None


def first_contact(
    resolved: npt.ArrayLike,
    n: npt.ArrayLike,
    not_resolvable: npt.ArrayLike | None = None,
    *,
    confidence: float = 0.95,
) -> list[FirstContact]:
    """First contact resolution, gross and net, for every group.

    Parameters
    ----------
    resolved, n : array_like of int, shape (g,)
        Contacts resolved at first, and all.
    not_resolvable : array_like of int, shape (g,), optional
        Contacts that the first level could not resolve; they are among the n, and none of them
        among the resolved.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    list of FirstContact, length g
        A rate of nothing is None.

    Raises
    ------
    ValueError
        resolved > n, or resolved + not_resolvable > n.

    References
    ----------
    https://docs.medallia.com/agent-connect/faqs/how-is-first-contact-resolution-fcr-calculated
    """
    count, total = as_counts(resolved, "resolved", 1), as_counts(n, "n", 1)
    hopeless = (
        np.zeros_like(total) if not_resolvable is None else as_counts(not_resolvable, "not_resolvable", 1)
    )  # fmt: skip
    if bool((count + hopeless > total).any()):
        raise ValueError(
            "resolved and not resolvable come to more than all contacts: a contact that was "
            "resolved counts as not resolvable"
        )
    gross, net = _rates(count, total, confidence), _rates(count, total - hopeless, confidence)
    return [
        FirstContact(size, up, *whole, left, *part)
        if not_resolvable is not None
        else FirstContact(size, up, *whole, None, None, None, None)
        for size, up, left, whole, part in zip(
            total.tolist(), count.tolist(), hopeless.tolist(), gross, net, strict=True
        )
    ]


def _rates(
    count: Counts, n: Counts, confidence: float
) -> list[tuple[float | None, float | None, Interval | None]]:
    return [
        (rate, se, interval) if size else (None, None, None)
        for size, rate, se, interval in zip(
            n.tolist(),
            divide(100 * count, n).tolist(),
            share_se(count, n).tolist(),
            wilson(count, n, confidence=confidence),
            strict=True,
        )
    ]


# --- churn, retention, lifetime value -------------------------------------------------------------


def over_periods(churn: float, periods: int) -> float:
    """Give the churn over several periods, ``1 - (1 - c)^k``, the rate taken as the same in each.

    Parameters
    ----------
    churn : float
        Per period, 0..1.
    periods : int
        1 or more: 12 for a year of months.

    Returns
    -------
    float
        In 0..1.

    Raises
    ------
    ValueError
        A churn outside 0..1, or no period.
    """
    if not 0.0 <= churn <= 1.0 or periods < 1:
        raise ValueError("churn is in 0..1, and there is at least one period")
    return -math.expm1(periods * math.log1p(-churn)) if churn < 1.0 else 1.0


@dataclass(frozen=True, slots=True)
class LifetimeValue:
    """Lifetime value of a customer of one class.

    Attributes
    ----------
    name : str
        The class.
    n : int
        The smaller number of responses behind margin and churn.
    margin, retention : float or None
        Mean margin per period; retention per period, 0..1.
    value, se : float or None
        Lifetime value and its standard error; None where undefined.
    interval : Interval or None
        Joined from those of margin and retention.
    undefined : str
        Why there is no value; "" where there is one.
    """

    name: str
    n: int
    margin: float | None
    retention: float | None
    value: float | None
    se: float | None
    interval: Interval | None
    undefined: str


@dataclass(frozen=True, slots=True)
class CustomerValue:
    """Lifetime value by class, and what moving one customer is worth, in one group.

    Attributes
    ----------
    n : int
        Responses behind it.
    variant : str
        Which formula.
    classes : tuple of LifetimeValue
    moves : tuple of Move
    """

    FORMULAS: ClassVar = ("lifetime_value",)

    n: int
    variant: str
    classes: tuple[LifetimeValue, ...]
    moves: tuple[Move, ...]


def lifetime_value(
    margin: float,
    retained: float,
    *,
    variant: ClvVariant = "margin_next",
    discount: float = 0.0,
    acquisition: float = 0.0,
    horizon: int = 0,
) -> tuple[float, float, float]:
    """Lifetime value of a customer, and its derivatives.

    ``margin_next``: m r / (1 + i - r) - AC, the first margin a period ahead. ``margin_now``:
    m (1 + i) / (1 + i - r) - AC, the first margin at once. ``naive``: m / (1 - r) - AC, no
    discount. ``finite``: sum over t = 1..horizon of m (r / (1 + i))^t, less AC, which tends to
    ``margin_next`` and is defined for any retention.

    Parameters
    ----------
    margin : float
        Margin of a period.
    retained : float
        Retention per period, 0..1.
    variant : {"margin_next", "margin_now", "naive", "finite"}
    discount : float
        Rate i per period, 0 or more.
    acquisition : float
        Cost of winning the customer.
    horizon : int
        Periods looked ahead, 1..`HORIZON_MAX`; of ``finite`` only, else 0.

    Returns
    -------
    tuple of three floats
        Value, derivative by margin, derivative by retention.

    Raises
    ------
    ValueError
        Undefined: r >= 1 + i (nobody ever leaves and nothing is discounted); retention outside
        0..1; a negative discount; an unknown variant; a horizon that is none, or where none belongs.

    References
    ----------
    Gupta, S. and Lehmann, D. R. (2003), "Customers as assets", Journal of Interactive Marketing
    17(1), 9-24, https://doi.org/10.1002/dir.10045
    """
    if variant not in CLV_VARIANTS:
        raise ValueError(f"variant {variant!r} is not known: use one of {', '.join(CLV_VARIANTS)}")
    if not 0.0 <= retained <= 1.0:
        raise ValueError(f"retention {retained} is not in 0..1")
    if not discount >= 0.0:
        raise ValueError(f"discount {discount} is negative")
    if variant == "finite":
        if not 1 <= horizon <= HORIZON_MAX:
            raise ValueError(f"horizon {horizon} is not within 1..{HORIZON_MAX} periods")
        step = 1.0 + discount
        powers = [(retained / step) ** t for t in range(horizon + 1)]
        factor = math.fsum(powers[1:])
        slope = math.fsum(t * powers[t - 1] for t in range(1, horizon + 1)) / step
        return margin * factor - acquisition, factor, margin * slope
    if horizon:
        raise ValueError(f"a horizon is for the finite variant, not for {variant}")
    i = 0.0 if variant == "naive" else discount
    rest = 1.0 + i - retained
    if rest <= 0.0:
        raise ValueError(f"retention {retained:g} is not below 1 + {i:g}: the value has no limit")
    if variant == "margin_next":
        factor, slope = retained / rest, (1.0 + i) / rest**2
    else:
        factor, slope = (1.0 + i) / rest, (1.0 + i) / rest**2
    return margin * factor - acquisition, factor, margin * slope


@dataclass(frozen=True, slots=True)
class Margin:
    """Margin and churn of one class, with their uncertainty.

    Attributes
    ----------
    n : int
        The smaller number of responses behind the two.
    margin, margin_se : float or None
        Mean margin per period.
    churn, churn_se : float or None
        Share that left within a period, 0..1.
    covariance : float or None
        Of the two estimates; None where responses with both are not summed together: then the
        standard error is the bound that holds for any covariance.
    kept : (float, float) or None
        Bounds of the retention, 0..1; None: Wilson's, of as many answers as have `churn_se`.
    """

    n: int
    margin: float | None
    margin_se: float | None
    churn: float | None
    churn_se: float | None
    covariance: float | None = None
    kept: tuple[float, float] | None = None


def value_by_class(
    classes: Sequence[Margin],
    *,
    variant: ClvVariant = "margin_next",
    discount: float = 0.0,
    acquisition: float = 0.0,
    horizon: int = 0,
    confidence: float = 0.95,
) -> CustomerValue:
    """Lifetime value of detractors, passives and promoters, and of moving one from class to class.

    ``SE^2 = g' S g`` with the derivatives g of the value by margin and retention (delta method).
    Of two classes the variances add. The interval joins what the margin (z SE) and the retention
    (Wilson's interval of its share) reach by themselves: the value is far from linear in a
    retention near 1, and retention has an end, so it is not symmetric. Intervals of moves join those of their classes likewise.

    Parameters
    ----------
    classes : sequence of Margin, length 3
    variant, discount, acquisition, horizon
        As in `lifetime_value`.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    CustomerValue
        A class whose value is undefined says why, and the moves from and to it have no value.

    Raises
    ------
    ValueError
        Unknown variant, negative discount, not three classes.
    """
    z = normal_quantile(check_confidence(confidence))
    lifetime_value(0.0, 0.0, variant=variant, discount=discount, horizon=horizon)
    if len(classes) != len(CLASSES):
        raise ValueError(f"expected {len(CLASSES)} classes, not {len(classes)}")

    terms: dict[str, Any] = {
        "variant": variant,
        "discount": discount,
        "acquisition": acquisition,
        "horizon": horizon,
    }
    rows, reaches = [], []
    for name, one in zip(CLASSES, classes, strict=True):
        retained = None if one.churn is None else 1.0 - one.churn
        value = se = reach = None
        undefined = "nobody answered" if one.margin is None or retained is None else ""
        if one.margin is not None and retained is not None:
            try:
                value, by_margin, by_retention = lifetime_value(one.margin, retained, **terms)
            except ValueError as reason:
                undefined = str(reason)
            else:
                se = _delta(one, by_margin, by_retention)
                reach = _reach(one, value, by_margin * by_retention, by_margin, z, terms)
        reaches.append(reach)
        interval = _around(value, reach, confidence)
        rows.append(
            LifetimeValue(name, one.n, one.margin, retained, value, se, interval, undefined)
        )
    moves = []
    for a, b in MOVES:
        difference = error = apart = None
        low, high, reach_low, reach_high = rows[a], rows[b], reaches[a], reaches[b]
        if low.value is not None and high.value is not None:
            difference = high.value - low.value
            if low.se is not None and high.se is not None:
                error = math.hypot(low.se, high.se)
            if reach_low is not None and reach_high is not None:
                apart = (
                    math.hypot(reach_high[0], reach_low[1]),
                    math.hypot(reach_high[1], reach_low[0]),
                )
        moves.append(
            Move(CLASSES[a], CLASSES[b], difference, error, None, None,
                 _around(difference, apart, confidence))
        )  # fmt: skip
    return CustomerValue(sum(one.n for one in rows), variant, tuple(rows), tuple(moves))


def _around(
    value: float | None, reach: tuple[float, float] | None, confidence: float
) -> Interval | None:
    if value is None or reach is None:
        return None
    return Interval(value - reach[0], value + reach[1], "hybrid_delta", confidence)


def _reach(
    one: Margin, value: float, together: float, by_margin: float, z: float, terms: dict[str, Any]
) -> tuple[float, float] | None:
    """How far below and above the value its interval goes.

    `together`: the product of the derivatives, whose sign says whether the two pull the same way.
    """
    if one.margin is None or one.margin_se is None or one.churn is None or one.churn_se is None:
        return None
    retained = np.array([1.0 - one.churn])
    bounds = one.kept
    if bounds is None:
        # So many answers as have the churn's standard error.
        size = one.churn * (1.0 - one.churn) / one.churn_se**2 if one.churn_se > 0.0 else one.n
        lower, upper = quasi_bounds(retained, np.array([float(size)]), z * z)
        bounds = float(lower[0]), float(upper[0])
    ends = [lifetime_value(one.margin, bound, **terms)[0] for bound in bounds]
    margin = abs(by_margin) * z * one.margin_se
    below, above = value - min(*ends, value), max(*ends, value) - value
    if one.covariance is None:
        return margin + below, margin + above
    both = one.margin_se * one.churn_se
    # Retention is 1 - churn: its covariance with the margin has the other sign.
    alike = -math.copysign(1.0, together) * one.covariance / both if both > 0.0 else 0.0
    return (
        math.sqrt(max(margin**2 + below**2 + 2.0 * alike * margin * below, 0.0)),
        math.sqrt(max(margin**2 + above**2 + 2.0 * alike * margin * above, 0.0)),
    )


def _delta(one: Margin, by_margin: float, by_retention: float) -> float | None:
    if one.margin_se is None or one.churn_se is None:
        return None
    a, b = by_margin * one.margin_se, by_retention * one.churn_se
    if one.covariance is None:
        return abs(a) + abs(b)
    # Retention is 1 - churn: its covariance with the margin has the other sign.
    return math.sqrt(max(a * a + b * b - 2.0 * by_margin * by_retention * one.covariance, 0.0))
