"""Answers about outcomes by NPS class, first contacts and relative performance."""

from __future__ import annotations

from dataclasses import dataclass

from cxstream_client.results.result import GroupRow, Interval, Result, Weights, columns_of, nested


@nested
@dataclass(frozen=True, slots=True)
class ClassOutcome:
    """An outcome in one NPS class.

    Attributes
    ----------
    name : str
        ``"detractor"``, ``"passive"`` or ``"promoter"``.
    n : int
        Responses with the outcome.
    value, se : float or None
        Share that says yes, 0..100, or mean of the number; its standard error.
    interval : Interval or None
        Its interval.
    """

    name: str
    n: int
    value: float | None
    se: float | None
    interval: Interval | None


@nested
@dataclass(frozen=True, slots=True)
class Move:
    """What a class differs by from another: an association, not what a mover would do.

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
class LinkageRow(GroupRow):
    """An outcome by NPS class, in one group.

    Attributes
    ----------
    n : int
        Responses with score and outcome.
    dropped : dict
        Responses without, by reason.
    classes : tuple of ClassOutcome
        Detractors, passives, promoters.
    moves : tuple of Move
        Detractor to passive, passive to promoter, detractor to promoter.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    classes: tuple[ClassOutcome, ...]
    moves: tuple[Move, ...]
    weights: Weights | None = None

    def move(self, origin: str, target: str) -> Move:
        """Return the move from one class to another.

        Raises
        ------
        KeyError
            There is none.
        """
        return _move(self.moves, origin, target)


@nested
@dataclass(frozen=True, slots=True)
class LifetimeValue:
    """Lifetime value of a customer of one class.

    Attributes
    ----------
    name : str
        The class.
    n : int
        Responses behind margin and churn, the smaller number.
    margin, retention : float or None
        Mean margin per period; retention per period, 0..1.
    value, se : float or None
        Lifetime value and its standard error.
    interval : Interval or None
        Its interval.
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
class CustomerValueRow(GroupRow):
    """Lifetime value by NPS class, in one group.

    Attributes
    ----------
    n : int
        Responses behind it.
    dropped : dict
        Responses without score, margin or churn, by reason.
    variant : str
        Which formula.
    classes : tuple of LifetimeValue
        Detractors, passives, promoters.
    moves : tuple of Move
        What moving one customer is worth.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    variant: str
    classes: tuple[LifetimeValue, ...]
    moves: tuple[Move, ...]
    weights: Weights | None = None

    def move(self, origin: str, target: str) -> Move:
        """Return what moving one customer is worth.

        Raises
        ------
        KeyError
            There is no such move.
        """
        return _move(self.moves, origin, target)


@dataclass(frozen=True, slots=True)
class RetentionRow(GroupRow):
    """Churn and retention of one group, in percent.

    Attributes
    ----------
    n, lost : int
        Customers at the start for whom it is known, and those who left.
    dropped : dict
        Customers for whom it is not known, by reason.
    churn, retention, se : float or None
        100 lost / n, 100 less it, and the standard error of both.
    interval : Interval or None
        Of churn.
    periods : int
        Periods that `churn_over` is over.
    churn_over, churn_over_se : float or None
        Churn over all of them, each losing the same share.
    churn_over_interval : Interval or None
        Its interval.
    revenue_n : int or None
        Customers whose revenue is known too; None where not asked for.
    revenue_churn, revenue_churn_se : float or None
        Revenue of those lost, as a percentage of all.
    revenue_churn_interval : Interval or None
        Its interval.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    lost: int
    churn: float | None
    retention: float | None
    se: float | None
    interval: Interval | None
    periods: int
    churn_over: float | None
    churn_over_se: float | None
    churn_over_interval: Interval | None
    revenue_n: int | None
    revenue_churn: float | None
    revenue_churn_se: float | None
    revenue_churn_interval: Interval | None
    weights: Weights | None = None


@nested
@dataclass(frozen=True, slots=True)
class Period:
    """One period of a cohort.

    Attributes
    ----------
    period : int
        1 is the first.
    survivors : int or None
        Customers left at its end; None ahead of what was observed.
    survival, survival_se : float
        Share left at its end by the model, 0..1, and its standard error.
    retention : float
        Share of those there at its start who stay.
    residual_lifetime : float or None
        Discounted expected periods to come, of a customer who has stayed through it and is about to be
        charged for the next; None without a discount.
    """

    period: int
    survivors: int | None
    survival: float
    survival_se: float
    retention: float
    residual_lifetime: float | None


@dataclass(frozen=True, slots=True)
class SurvivalRow(GroupRow):
    """The shifted beta-geometric model of a cohort.

    Attributes
    ----------
    n : int
        Customers at the start.
    message : str
        Why there is no fit; "" where there is one.
    alpha, alpha_se, beta, beta_se : float or None
        Of the beta distribution of churn over customers.
    log_likelihood : float or None
        At its largest.
    periods : tuple of Period
        Those observed, then those ahead.
    residual_lifetime : float or None
        Discounted expected periods to come, of a customer about to be charged after those observed.
    """

    n: int
    message: str
    alpha: float | None
    alpha_se: float | None
    beta: float | None
    beta_se: float | None
    log_likelihood: float | None
    periods: tuple[Period, ...]
    residual_lifetime: float | None


@nested
@dataclass(frozen=True, slots=True)
class SurvivalStep:
    """One time at which customers left or were last seen.

    Attributes
    ----------
    time : float
        Since their start.
    at_risk : int
        Customers there just before it.
    lost, censored : int
        Who left at it, and who was last seen at it without having left.
    survival, se : float
        Share that stays beyond it, 0..1, and Greenwood's standard error.
    interval : Interval or None
        Of survival; None while nobody has left, and where nobody is left.
    """

    time: float
    at_risk: int
    lost: int
    censored: int
    survival: float
    se: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class KaplanMeierRow(GroupRow):
    """Survival of customers of whom some are still there.

    Attributes
    ----------
    n, lost : int
        Customers, and how many of them left.
    median : float or None
        First time at which half or fewer are left.
    steps : tuple of SurvivalStep
        By time.
    """

    n: int
    lost: int
    median: float | None
    steps: tuple[SurvivalStep, ...]


@dataclass(frozen=True, slots=True)
class FirstContactRow(GroupRow):
    """First contact resolution of one group.

    Attributes
    ----------
    n : int
        Contacts for which it is known.
    dropped : dict
        Contacts for which it is not, by reason.
    resolved : int
        Contacts resolved at first.
    rate, se : float or None
        100 resolved / n and its standard error.
    interval : Interval or None
        Of the rate.
    not_resolvable : int or None
        Contacts that the first level could not have resolved, where asked for.
    net_rate, net_se : float or None
        100 resolved / (n - not_resolvable) and its standard error.
    net_interval : Interval or None
        Of the net rate.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    resolved: int
    rate: float | None
    se: float | None
    interval: Interval | None
    not_resolvable: int | None
    net_rate: float | None
    net_se: float | None
    net_interval: Interval | None
    weights: Weights | None = None


@dataclass(frozen=True, slots=True)
class RelativeRow(GroupRow):
    """Percentile score of one group.

    Attributes
    ----------
    n : int
        Answers used.
    dropped : dict
        Answers missing, by reason.
    score, sd, se : float or None
        Mean percentile, 0..100, sample standard deviation, standard error.
    interval : Interval or None
        Of the score.
    weights : Weights or None
        What the weights come to, of a weighted answer.
    """

    n: int
    dropped: dict[str, int]
    score: float | None
    sd: float | None
    se: float | None
    interval: Interval | None
    weights: Weights | None = None


class LinkageResult(Result[LinkageRow]):
    """An outcome by NPS class; the table has one row per class."""

    _row_class = LinkageRow
    _nested = "classes"
    _fields = columns_of("name:text n:int value:float se:float lower:float upper:float")

    n: int
    dropped: dict[str, int]
    classes: tuple[ClassOutcome, ...]
    moves: tuple[Move, ...]
    weights: Weights | None


class CustomerValueResult(Result[CustomerValueRow]):
    """Lifetime value by NPS class; the table has one row per class."""

    _row_class = CustomerValueRow
    _nested = "classes"
    _fields = columns_of(
        "name:text n:int margin:float retention:float value:float se:float lower:float upper:float"
    )

    n: int
    dropped: dict[str, int]
    variant: str
    classes: tuple[LifetimeValue, ...]
    moves: tuple[Move, ...]
    weights: Weights | None


class FirstContactResult(Result[FirstContactRow]):
    """First contact resolution."""

    _row_class = FirstContactRow
    _fields = columns_of(
        "n:int resolved:int rate:float se:float lower:float upper:float not_resolvable:int "
        "net_rate:float net_se:float"
    )

    n: int
    dropped: dict[str, int]
    resolved: int
    rate: float | None
    se: float | None
    interval: Interval | None
    not_resolvable: int | None
    net_rate: float | None
    net_se: float | None
    net_interval: Interval | None
    weights: Weights | None


class RetentionResult(Result[RetentionRow]):
    """Churn and retention."""

    _row_class = RetentionRow
    _fields = columns_of(
        "n:int lost:int churn:float retention:float se:float lower:float upper:float periods:int "
        "churn_over:float churn_over_se:float revenue_n:int revenue_churn:float "
        "revenue_churn_se:float"
    )

    n: int
    dropped: dict[str, int]
    lost: int
    churn: float | None
    retention: float | None
    se: float | None
    interval: Interval | None
    periods: int
    churn_over: float | None
    churn_over_se: float | None
    churn_over_interval: Interval | None
    revenue_n: int | None
    revenue_churn: float | None
    revenue_churn_se: float | None
    revenue_churn_interval: Interval | None
    weights: Weights | None


class SurvivalResult(Result[SurvivalRow]):
    """How long customers stay; the table has one row per period."""

    _row_class = SurvivalRow
    _nested = "periods"
    _fields = columns_of(
        "period:int survivors:int survival:float survival_se:float retention:float "
        "residual_lifetime:float"
    )

    n: int
    message: str
    alpha: float | None
    alpha_se: float | None
    beta: float | None
    beta_se: float | None
    log_likelihood: float | None
    periods: tuple[Period, ...]
    residual_lifetime: float | None


class KaplanMeierResult(Result[KaplanMeierRow]):
    """How long customers stay, some of whom are still there; the table has one row per time."""

    _row_class = KaplanMeierRow
    _nested = "steps"
    _fields = columns_of(
        "time:float at_risk:int lost:int censored:int survival:float se:float lower:float upper:float"
    )

    n: int
    lost: int
    median: float | None
    steps: tuple[SurvivalStep, ...]


class RelativeResult(Result[RelativeRow]):
    """Percentile scores."""

    _row_class = RelativeRow
    _fields = columns_of("n:int score:float sd:float se:float lower:float upper:float")

    n: int
    dropped: dict[str, int]
    score: float | None
    sd: float | None
    se: float | None
    interval: Interval | None
    weights: Weights | None


def _move(moves: tuple[Move, ...], origin: str, target: str) -> Move:
    for one in moves:
        if (one.origin, one.target) == (origin, target):
            return one
    raise KeyError(f"no move from {origin!r} to {target!r}")
