"""Answers: rows of numbers per group, and their Arrow form.

A result is a sequence of frozen rows, one per group. Where there is exactly one row (no ``by``),
its fields can be read from the result itself: ``client.nps("shop", "recommend").score``.

A value that is not defined (the score of nobody) is None, null in Arrow; never 0 and never NaN.
Scores, standard errors and bounds are on the scale people read.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, overload

from google.protobuf.message import Message

from cxstream_api.v1 import program_service_pb2, query_service_pb2
from cxstream_client import _enums
from cxstream_client.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

Level = str | date | datetime | None

DATE_BUCKETS = ("day", "week", "month", "quarter", "year")
TIME_BUCKETS = ("hour", *DATE_BUCKETS)
HTML_ROWS_MAX = 20


# --- rows ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval.

    Attributes
    ----------
    lower, upper : float
        The bounds, on the scale of the statistic.
    method : str
        How it was made, such as ``"wilson"``.
    confidence : float
        The level, such as 0.95.
    """

    lower: float
    upper: float
    method: str
    confidence: float


@dataclass(frozen=True, slots=True)
class AsOf:
    """The point of the stream up to which an answer is exact.

    Attributes
    ----------
    program : str
        The program.
    program_version : int
        The version of the declaration that was used.
    responses, batches : int
        What was counted by then, before filters and time range.
    view : str
        The view that served the answer.
    """

    program: str
    program_version: int
    responses: int
    batches: int
    view: str


@dataclass(frozen=True, slots=True)
class Rebuild:
    """How far a changed program is counted.

    Attributes
    ----------
    rows_done, rows_all : int
        Stored responses counted so far, and in all (0 where that is not known yet).
    failed : str
        Why it ended; empty while it goes on.
    """

    rows_done: int
    rows_all: int
    failed: str


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """Where a program stands.

    Attributes
    ----------
    name : str
        The program.
    version : int
        Counts up from 1 with every accepted change.
    responses, batches : int
        What is counted.
    views : tuple of str
        The groupings kept up to date.
    unlocked : tuple of str
        The statistics these columns allow, in words.
    changed : bool or None
        Answers to ``put_program`` say whether it changed anything; None elsewhere.
    rebuild : Rebuild or None
        There while this version does not answer yet, and the one before does.
    """

    name: str
    version: int
    responses: int
    batches: int
    views: tuple[str, ...]
    unlocked: tuple[str, ...]
    changed: bool | None = None
    rebuild: Rebuild | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a server's data directory holds, complete by itself.

    Attributes
    ----------
    programs, responses, batches : int
        What is stored, all programs together.
    bytes : int
        Size of all its files.
    """

    programs: int
    responses: int
    batches: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What an erasure removed; it names nobody.

    Attributes
    ----------
    number : int
        Counts the erasures of the data directory.
    program : str
        The program.
    responses, batches, files : int
        Responses that are gone, batches that they came in, and files that were written anew, or
        removed, for it.
    erased_at : str
        When it was done: ISO 8601, UTC.
    """

    number: int
    program: str
    responses: int
    batches: int
    files: int
    erased_at: str


@dataclass(frozen=True, slots=True)
class _GroupRow:
    """What every row has.

    Attributes
    ----------
    group : dict
        The level by dimension or time bucket, in the order asked for. None stands for responses
        that have none; a time bucket's level is its first day (``date``) or hour (``datetime``).
    labels : dict
        The texts people read, for levels that have one.
    """

    group: dict[str, Level]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class NpsRow(_GroupRow):
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


@dataclass(frozen=True, slots=True)
class CsatRow(_GroupRow):
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
        Student interval of the mean.
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


@dataclass(frozen=True, slots=True)
class CesRow(_GroupRow):
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
class DistributionRow(_GroupRow):
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
        Student interval of the mean.
    """

    n: int
    dropped: dict[str, int]
    levels: tuple[LevelShare, ...]
    mean: float | None
    sd: float | None
    se: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class SummaryRow(_GroupRow):
    """Moments of a question in one group; the fields are those of :class:`DistributionRow`."""

    n: int
    mean: float | None
    sd: float | None
    se: float | None
    interval: Interval | None


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
        Student interval.
    """

    name: str
    label: str
    weight: float
    n: int
    score: float | None
    se: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class IndexRow(_GroupRow):
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
        Student interval.
    parts : tuple of PartScore
        The sub-indices in declared order.
    """

    n: int
    dropped: dict[str, int]
    score: float | None
    se: float | None
    interval: Interval | None
    parts: tuple[PartScore, ...]


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
class ScorecardRow(_GroupRow):
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
    """

    base: int
    dropped: dict[str, int]
    selections: int
    options: tuple[OptionShare, ...]


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


@dataclass(frozen=True, slots=True)
class FitRow(_GroupRow):
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


@dataclass(frozen=True, slots=True)
class RegressionRow(FitRow):
    """The regression of one group: the fields of :class:`FitRow`, and the coefficients.

    Attributes
    ----------
    terms : tuple of Term
        The intercept first, then the drivers in order; none where the fit did not end well.
    """

    terms: tuple[Term, ...]


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
class InsightsRow(_GroupRow):
    """The pairs of one group.

    Attributes
    ----------
    pairs : tuple of PairInsight
        Ordered pairs, the strongest first.
    """

    pairs: tuple[PairInsight, ...]


# --- proto -> rows ---------------------------------------------------------------------------

# The class of nested messages, by message name. A row's own class comes with its result.
_NESTED: dict[str, type] = {
    nested.__name__: nested
    for nested in (Interval, LevelShare, PartScore, OptionShare, Term, PairInsight)
}

T = TypeVar("T")


def decode(row_class: type[T], message: Message) -> T:
    """Return a row with the values of the message's fields of the same names.

    Parameters
    ----------
    row_class
        A dataclass. Each field is a field of the message, besides ``labels``.
    message
        The message. An optional field that is absent gives None, an enum its word.
    """
    values: dict[str, Any] = {}
    for attribute in fields(row_class):  # type: ignore[arg-type]
        name = attribute.name
        if name == "group":
            values[name] = {key.name: _level(key) for key in message.group}  # type: ignore[attr-defined]
        elif name == "labels":
            keys = message.group  # type: ignore[attr-defined]
            values[name] = {key.name: key.label for key in keys if key.label}
        elif name in message.DESCRIPTOR.fields_by_name:
            values[name] = _value(message, name)
    return row_class(**values)


def _value(message: Message, name: str) -> Any:
    field = message.DESCRIPTOR.fields_by_name[name]
    value = getattr(message, name)
    if field.is_repeated:
        if field.message_type is None:
            return tuple(value)
        if field.message_type.GetOptions().map_entry:
            return dict(sorted(value.items()))
        return tuple(decode(_NESTED[field.message_type.name], item) for item in value)
    if field.has_presence and not message.HasField(name):
        return None
    if field.message_type is not None:
        return decode(_NESTED[field.message_type.name], value)
    if field.enum_type is not None:
        return _enums.word_of(field.enum_type, value) or ""
    return value


def _level(key: query_service_pb2.GroupKey) -> Level:
    if not key.HasField("level"):
        return None
    # A dimension may be called "day" too; what is no date then stays the text it is.
    try:
        if key.name == "hour":
            return datetime.fromisoformat(key.level)
        if key.name in DATE_BUCKETS:
            return date.fromisoformat(key.level[:10])
    except ValueError:
        pass
    return key.level


def program_info(
    message: program_service_pb2.ProgramInfo, changed: bool | None = None
) -> ProgramInfo:
    """Return where a program stands, from its message."""
    return ProgramInfo(
        message.name,
        message.version,
        message.responses,
        message.batches,
        tuple(message.views),
        tuple(message.unlocked),
        changed,
        Rebuild(message.rebuild.rows_done, message.rebuild.rows_all, message.rebuild.failed)
        if message.HasField("rebuild")
        else None,
    )


# --- tables ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Column:
    """A column to be: `kind` is ``"text"``, ``"int"``, ``"float"``, ``"date"`` or ``"time"``."""

    name: str
    kind: str
    cells: list[Any]


@dataclass(frozen=True, slots=True)
class _Field:
    """A column of a contract and where its values come from; `source` is a path of attributes."""

    name: str
    kind: str
    source: str


_BOUNDS = ("lower", "upper")


def _columns(text: str) -> tuple[_Field, ...]:
    """Read ``"name:kind name:kind"``; ``lower`` and ``upper`` come from the interval."""
    made = []
    for word in text.split():
        name, kind = word.split(":")
        made.append(_Field(name, kind, f"interval.{name}" if name in _BOUNDS else name))
    return tuple(made)


def _get(record: object, source: str) -> Any:
    for name in source.split("."):
        if record is None:
            return None
        record = getattr(record, name)
    if isinstance(record, dict):
        return sum(record.values())  # dropped, by reason
    return record


class Table:
    """Something with named columns that any Arrow library can take over."""

    def _made_columns(self) -> list[_Column]:
        raise NotImplementedError

    def to_arrow(self) -> pa.Table:
        """Return a ``pyarrow.Table``; undefined values are null."""
        import pyarrow as pa

        types = {
            "text": pa.string(),
            "int": pa.int64(),
            "float": pa.float64(),
            "date": pa.date32(),
            "time": pa.timestamp("us"),
            "instant": pa.timestamp("us", "UTC"),
        }
        columns = self._made_columns()
        return pa.table(
            [pa.array(column.cells, types[column.kind]) for column in columns],
            schema=pa.schema([(column.name, types[column.kind]) for column in columns]),
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return a ``pandas.DataFrame``; undefined values are NaN, dates ``datetime64``."""
        return self.to_arrow().to_pandas(date_as_object=False)

    def to_polars(self) -> pl.DataFrame:
        """Return a ``polars.DataFrame``; undefined values are null."""
        import polars as pl

        # Not of the result itself: to polars a sequence of dataclasses is a table of their fields.
        return pl.DataFrame(self.to_arrow())

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the table by the Arrow C stream interface."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        columns = self._made_columns()
        rows = max((len(column.cells) for column in columns), default=0)
        head = "".join(f"<th>{html.escape(column.name)}</th>" for column in columns)
        body = "".join(
            "<tr>" + "".join(_html_cell(column, i) for column in columns) + "</tr>"
            for i in range(min(rows, HTML_ROWS_MAX))
        )
        more = f"<p>{rows - HTML_ROWS_MAX} more rows</p>" if rows > HTML_ROWS_MAX else ""
        caption = html.escape(repr(self))
        return (
            f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{more}"
        )


def _html_cell(column: _Column, position: int) -> str:
    value = column.cells[position]
    if value is None:
        return "<td></td>"
    if column.kind in ("int", "float"):
        text = f"{value:.6g}" if column.kind == "float" else str(value)
        return f'<td style="text-align: right">{text}</td>'
    return f"<td>{html.escape(str(value))}</td>"


R = TypeVar("R", bound=_GroupRow)
S = TypeVar("S", bound=_GroupRow)


ResultT = TypeVar("ResultT", bound="Result[Any]")


class Result(Table, Sequence[R], Generic[R]):
    """An answer: a sequence of rows, one per group.

    Parameters
    ----------
    rows
        The rows, in the order of the groups.
    as_of
        The point of the stream up to which they are exact.
    by
        The dimensions and the time bucket asked for; the group columns also of an empty answer.

    Attributes
    ----------
    as_of : AsOf
        The point of the stream up to which the answer is exact.
    """

    _fields: ClassVar[tuple[_Field, ...]]
    _row_class: ClassVar[type]
    _nested: ClassVar[str] = ""  # the row's attribute whose items are the rows of the table

    def __init__(self, rows: Iterable[R], as_of: AsOf, by: Sequence[str] = ()) -> None:
        self._rows = tuple(rows)
        self._by = tuple(by) or (tuple(self._rows[0].group) if self._rows else ())
        self.as_of = as_of

    @classmethod
    def from_message(cls, message: Any, by: Sequence[str] = ()) -> Self:
        """Return the result a response message stands for.

        Parameters
        ----------
        message
            A response of QueryService that has ``as_of`` and ``rows``.
        by
            The dimensions and the time bucket asked for.
        """
        rows: list[Any] = [decode(cls._row_class, row) for row in message.rows]
        return cls(rows, decode(AsOf, message.as_of), by)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows)

    @overload
    def __getitem__(self, position: int) -> R: ...
    @overload
    def __getitem__(self, position: slice) -> tuple[R, ...]: ...
    def __getitem__(self, position: int | slice) -> R | tuple[R, ...]:
        return self._rows[position]

    def row(self, **group: object) -> R:
        """Return the row of a group.

        Parameters
        ----------
        **group
            Level by dimension or time bucket; those left out do not matter. None stands for the
            responses that have no level; a time bucket may be a ``date`` or ISO 8601 text.

        Raises
        ------
        InvalidInput
            Where a name is none of the grouping, or several rows fit.
        NotFound
            Where no row fits.
        """
        for name in group:
            if name not in self._by:
                raise InvalidInput(
                    f"{name!r} is not grouped by; expected one of {', '.join(self._by) or 'none'}"
                    f"{_enums.hint(name, self._by)}",
                    reason="UNKNOWN_GROUP",
                )
        found = [row for row in self._rows if _fits(row.group, group)]
        asked = ", ".join(f"{name}={level!r}" for name, level in group.items()) or "no group"
        if not found:
            raise NotFound(f"no row has {asked} among {len(self)}", reason="NO_SUCH_GROUP")
        if len(found) > 1:
            raise InvalidInput(f"{len(found)} rows have {asked}", reason="AMBIGUOUS_GROUP")
        return found[0]

    def __getattr__(self, name: str) -> Any:
        # Only what is not found otherwise comes here: the fields of the row, where there is one.
        row_class = self._row_class
        if name.startswith("_") or name not in {field.name for field in fields(row_class)}:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        if len(self._rows) != 1:
            raise AttributeError(
                f"{type(self).__name__} has {len(self._rows)} rows, so it has no {name!r} of its "
                f"own; take that of a row: result[0].{name}"
            )
        return getattr(self._rows[0], name)

    def __dir__(self) -> list[str]:
        own = list(super().__dir__())
        return own + [field.name for field in fields(self._row_class)]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Result)
            and type(self) is type(other)
            and self._rows == other._rows
            and self.as_of == other.as_of
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        by = f" by {', '.join(self._by)}" if self._by else ""
        only = self._headline(self._rows[0]) if len(self._rows) == 1 else ""
        name = f"{type(self).__name__}({self.as_of.program!r}{by}"
        return f"{name}, {only or f'{len(self)} rows'})"

    def _headline(self, row: R) -> str:
        """Return the few numbers that say what a single row is about."""
        words = []
        for name in ("n", "base", "score", "r2", "mean"):
            value = getattr(row, name, None)
            if value is not None:
                words.append(
                    f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}"
                )
        interval = getattr(row, "interval", None)
        if interval is not None:
            words.append(f"interval=[{interval.lower:.6g}, {interval.upper:.6g}]")
        return ", ".join(words)

    def _records(self) -> Iterator[tuple[R, Any]]:
        """Yield the row of the answer behind every row of the table, and its own record."""
        for row in self._rows:
            if self._nested:
                for record in getattr(row, self._nested):
                    yield row, record
            else:
                yield row, row

    def _made_columns(self) -> list[_Column]:
        records = list(self._records())
        made = [
            _group_column(name, [row.group.get(name) for row, _ in records]) for name in self._by
        ]
        for field in self._fields:
            from_row = field.source.startswith("row.")
            source = field.source.removeprefix("row.")
            values = [_get(row if from_row else record, source) for row, record in records]
            made.append(_Column(field.name, field.kind, values))
        return _with_unique_names(made, len(self._by))

    def _derived(self, result_class: type[ResultT], row_class: type[S]) -> ResultT:
        """Return another result whose rows take over the fields of these of the same names."""
        names = [field.name for field in fields(row_class)]
        rows: list[Any] = [
            row_class(**{name: getattr(row, name) for name in names}) for row in self._rows
        ]
        return result_class(rows, self.as_of, self._by)


def _fits(group: Mapping[str, Level], wanted: Mapping[str, object]) -> bool:
    for name, level in wanted.items():
        found = group.get(name)
        if found != level:
            if not isinstance(found, date) or not isinstance(level, str):
                return False
            if not found.isoformat().startswith(level) and str(found) != level:
                return False
    return True


def _group_column(name: str, values: list[Level]) -> _Column:
    """Return a group's column: text, or a date or time where all its levels are."""
    known = [value for value in values if value is not None]
    if name not in TIME_BUCKETS or any(isinstance(value, str) for value in known):
        return _Column(name, "text", [None if value is None else str(value) for value in values])
    if name != "hour":
        return _Column(name, "date", list(values))
    if any(isinstance(value, datetime) and value.tzinfo is not None for value in known):
        in_utc = [
            value.astimezone(UTC) if isinstance(value, datetime) else None for value in values
        ]
        return _Column(name, "instant", in_utc)
    return _Column(name, "time", list(values))


def _with_unique_names(columns: list[_Column], groups: int) -> list[_Column]:
    """Rename what would come twice; the statistics of the contract keep their names."""
    seen = [column.name for column in columns]
    for position, column in enumerate(columns):
        if seen.count(column.name) > 1 and position < groups:
            column.name = f"group_{column.name}"
    return columns


# --- results ---------------------------------------------------------------------------------


class NpsResult(Result[NpsRow]):
    """Net promoter scores."""

    _row_class = NpsRow
    _fields = _columns(
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


class CsatResult(Result[CsatRow]):
    """Top-box shares and means."""

    _row_class = CsatRow
    _fields = _columns(
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


class CesResult(Result[CesRow]):
    """Customer effort scores."""

    _row_class = CesRow
    _fields = _columns("n:int score:float se:float lower:float upper:float")

    n: int
    dropped: dict[str, int]
    variant: str
    score: float | None
    se: float | None
    interval: Interval | None
    positive: int | None
    neutral: int | None
    negative: int | None


class SummaryResult(Result[SummaryRow]):
    """Moments of a question."""

    _row_class = SummaryRow
    _fields = _columns("n:int mean:float sd:float se:float lower:float upper:float")

    n: int
    mean: float | None
    sd: float | None
    se: float | None
    interval: Interval | None


class DistributionResult(Result[DistributionRow]):
    """All answers of a question; the table has one row per level."""

    _row_class = DistributionRow
    _nested = "levels"
    _fields = _columns(
        "level:text label:text count:int share:float lower:float upper:float se:float"
    )

    n: int
    dropped: dict[str, int]
    levels: tuple[LevelShare, ...]
    mean: float | None
    sd: float | None
    se: float | None
    interval: Interval | None

    @property
    def summary(self) -> SummaryResult:
        """Mean and standard deviation of each group."""
        return self._derived(SummaryResult, SummaryRow)


class IndexResult(Result[IndexRow]):
    """Weighted composite indices; the table has one more column per part."""

    _row_class = IndexRow
    _fields = _columns("n:int score:float se:float lower:float upper:float")

    n: int
    dropped: dict[str, int]
    score: float | None
    se: float | None
    interval: Interval | None
    parts: tuple[PartScore, ...]

    def _made_columns(self) -> list[_Column]:
        columns = super()._made_columns()
        taken = {column.name for column in columns}
        names = dict.fromkeys(part.name for row in self for part in row.parts)
        for name in names:
            scores = [{part.name: part.score for part in row.parts}.get(name) for row in self]
            columns.append(_Column(f"part_{name}" if name in taken else name, "float", scores))
        return columns


class ScorecardResult(Result[ScorecardRow]):
    """Options of a choice question; the table has one row per option."""

    _row_class = ScorecardRow
    _nested = "options"
    _fields = (
        *_columns("option:text label:text count:int share:float lower:float upper:float"),
        _Field("base", "int", "row.base"),
        *_columns("rank:int se:float"),
    )

    base: int
    dropped: dict[str, int]
    selections: int
    options: tuple[OptionShare, ...]


class FitResult(Result[FitRow]):
    """How a regression fits each group; ``dropped`` is a total in the table."""

    _row_class = FitRow
    _fields = _columns(
        "n:int dropped:int r2:float adj_r2:float sigma:float f:float df_resid:int "
        "status:text message:text f_p:float df_model:int rss:float"
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


class RegressionResult(Result[RegressionRow]):
    """Linear regressions; the table has one row per term.

    Attributes
    ----------
    outcome : str
        The question explained.
    """

    _row_class = RegressionRow
    _nested = "terms"
    _fields = _columns(
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
    terms: tuple[Term, ...]

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
    _fields = _columns("x:text y:text n:int slope:float se:float r:float p:float p_adjusted:float")

    pairs: tuple[PairInsight, ...]
