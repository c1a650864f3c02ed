"""What a program declares, validated: plain frozen data, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction


class Kind(StrEnum):
    """The kind of a question decides which statistics it has."""

    NPS = "nps"
    RATING = "rating"
    CSAT = "csat"
    CES = "ces"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    NUMBER = "number"


class MissingPolicy(StrEnum):
    """What an index does with a respondent who did not answer every item."""

    RENORMALISE = "renormalise"
    ITEM_MEANS = "item_means"
    COMPLETE = "complete"


#: Bucket units from the finest to the coarsest. A week does not divide into months, and so on:
#: what a stored unit can be rolled up to is in `ROLLUPS`.
TIME_UNITS = ("hour", "day", "week", "month", "quarter", "year")
ROLLUPS = {
    "hour": ("hour", "day", "week", "month", "quarter", "year"),
    "day": ("day", "week", "month", "quarter", "year"),
    "week": ("week",),
    "month": ("month", "quarter", "year"),
    "quarter": ("quarter", "year"),
    "year": ("year",),
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a choice question."""

    code: str
    label: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes
    ----------
    low, high : int
        The stored scale, both inclusive; for a choice 0..options-1, for a boolean 0..1, for a
        number the range in whole steps.
    missing : tuple of str
        Values that stand for a missing answer, as text, whole numbers first.
    values : tuple of (str, int)
        Text found in the column and the scale value it stands for.
    top, promoter, passive, low_to, high_from, agree_from : int
        Cuts, as values of the stored scale; 0 where the kind has none.
    step : Fraction
        The step of a number; 1 for all others.
    """

    name: str
    kind: Kind
    label: str
    columns: tuple[str, ...]
    low: int
    high: int
    missing: tuple[str, ...] = ()
    values: tuple[tuple[str, int], ...] = ()
    lower_is_better: bool = False
    top: int = 0
    promoter: int = 0
    passive: int = 0
    low_to: int = 0
    high_from: int = 0
    agree_from: int = 0
    options: tuple[Option, ...] = ()
    multiple: bool = False
    step: Fraction = Fraction(1)

    @property
    def levels(self) -> int:
        """Return how many values the scale has."""
        return self.high - self.low + 1

    @property
    def is_number(self) -> bool:
        """Whether it is a quantity rather than a choice among levels."""
        return self.kind is Kind.NUMBER

    @property
    def is_choice(self) -> bool:
        """Whether its levels are options without an order."""
        return self.kind is Kind.CHOICE

    @property
    def is_scale(self) -> bool:
        """Whether its levels are ordered whole numbers."""
        return not self.is_number and not self.is_choice

    @property
    def origin(self) -> Fraction:
        """Return the value of the lowest level: an eleven-point nps question counts 0..10."""
        if self.kind is Kind.NPS and self.levels == 11:
            return Fraction(0)
        return self.low * self.step

    @property
    def ends(self) -> tuple[Fraction, Fraction]:
        """Return the values of the lowest and the highest level."""
        return self.origin, self.origin + (self.levels - 1) * self.step

    def text_codes(self, *, labels: bool) -> dict[str, int]:
        """Return the code of every text the question knows.

        Parameters
        ----------
        labels : bool
            Whether options go by their labels too, as they do in a column of text.
        """
        codes: dict[str, int] = {}
        if self.is_choice:
            texts = [option.label for option in self.options]
            if labels:
                # A label that two options share says nothing.
                codes = {text: place for place, text in enumerate(texts) if texts.count(text) == 1}
            codes.update({option.code: place for place, option in enumerate(self.options)})
        else:
            codes.update({str(self.low + place): place for place in range(self.levels)})
        codes.update({text: value - self.low for text, value in self.values})
        codes.update({text: self.levels + place for place, text in enumerate(self.missing)})
        return codes

    @property
    def scale_text(self) -> str:
        """Return the values allowed, in words."""
        if self.is_choice:
            codes = [option.code for option in self.options]
            shown = ", ".join(codes[:12]) + (", ..." if len(codes) > 12 else "")
            text = f"one of {shown}"
        elif self.is_number:
            text = (
                f"a multiple of {plain(self.step)} from {plain(self.low * self.step)} "
                f"to {plain(self.high * self.step)}"
            )
        else:
            text = f"a whole number from {self.low} to {self.high}"
        if self.values:
            text += " or " + ", ".join(repr(one) for one, _ in self.values[:6])
        if self.missing:
            text += f" (missing: {', '.join(self.missing)})"
        return text


@dataclass(frozen=True, slots=True)
class Dimension:
    """A column that answers are grouped and filtered by."""

    name: str
    label: str
    column: str
    max_levels: int
    missing: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """When a response was given; `buckets` are ordered from the finest to the coarsest."""

    column: str
    buckets: tuple[str, ...]
    timezone: str

    @property
    def unit(self) -> str:
        """Return the bucket that is stored, the finest."""
        return self.buckets[0]


@dataclass(frozen=True, slots=True)
class SurveyWeight:
    """The column of the survey weight; it counts in whole steps, the nearest."""

    column: str
    step: Fraction


@dataclass(frozen=True, slots=True)
class IndexPart:
    """One sub-index: the plain mean of its items."""

    name: str
    label: str
    weight: float
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """A weighted composite index."""

    name: str
    label: str
    missing: MissingPolicy
    parts: tuple[IndexPart, ...]

    @property
    def items(self) -> tuple[str, ...]:
        """Return all items, in declared order."""
        return tuple(item for part in self.parts for item in part.items)


@dataclass(frozen=True, slots=True)
class Model:
    """A linear regression.

    A robust one keeps fourth-order moments, one with leverage how many gave each combination of answers.
    """

    name: str
    label: str
    outcome: str
    drivers: tuple[str, ...]
    intercept: bool
    robust: bool = False
    leverage: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """One customer-experience program, validated. Build it with `cxstream.program.read`."""

    name: str
    label: str
    questions: dict[str, Question]
    dimensions: dict[str, Dimension]
    time: TimeColumn | None
    customer: str | None
    weight: SurveyWeight | None
    indices: dict[str, Index]
    models: dict[str, Model]
    views: tuple[tuple[str, ...], ...]
    insights: tuple[str, ...]
    retention_months: int | None = None

    @property
    def uses(self) -> dict[str, tuple[str, ...]]:
        """Return all that each Arrow column is for, by column name."""
        uses: dict[str, tuple[str, ...]] = {}

        def use(column: str, what: str) -> None:
            uses[column] = (*uses.get(column, ()), what)

        for question in self.questions.values():
            for column in question.columns:
                use(column, f"question {question.name!r}")
        for dimension in self.dimensions.values():
            use(dimension.column, f"dimension {dimension.name!r}")
        if self.time:
            use(self.time.column, "time")
        if self.customer:
            use(self.customer, "customer")
        if self.weight:
            use(self.weight.column, "weight")
        return uses

    @property
    def columns(self) -> dict[str, str]:
        """Return what each Arrow column is for in the first place, by column name."""
        return {column: uses[0] for column, uses in self.uses.items()}


def plain(value: Fraction) -> str:
    """Write an exact decimal without an exponent.

    Examples
    --------
    >>> plain(Fraction(1, 100)), plain(Fraction(5))
    ('0.01', '5')
    """
    if value.denominator == 1:
        return str(value.numerator)
    text = f"{float(value):.12f}".rstrip("0")
    return text if Fraction(text) == value else repr(float(value))
