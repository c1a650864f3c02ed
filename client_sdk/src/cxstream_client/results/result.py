"""Answers: rows of numbers per group, and their Arrow form.

A result is a sequence of frozen rows, one per group. Where there is exactly one row (no ``by``),
its fields can be read from the result itself: ``client.nps("shop", "recommend").score``.

A value that is not defined (the score of nobody) is None, null in Arrow; never 0 and never NaN.
Scores, standard errors and bounds are on the scale people read.
"""

from __future__ import annotations

import functools
import html
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, overload

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from cxstream_api.v1 import common_pb2
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

# --- messages -> rows -------------------------------------------------------------------------

T = TypeVar("T")

#: The class of nested messages, by message name. A row's own class comes with its result.
_NESTED: dict[str, type] = {}


def nested(kind: type[T]) -> type[T]:
    """Register the class of a message of the same name that stands within another."""
    _NESTED[kind.__name__] = kind
    return kind


def decode(row_class: type[T], message: Message) -> T:
    """Return a row with the values of the message's fields of the same names.

    Parameters
    ----------
    row_class
        A dataclass. Each field is a field of the message, besides ``labels``.
    message
        The message. An optional field that is absent gives None, an enum its word.
    """
    kinds: tuple[Any, Any] = (row_class, type(message))
    return row_class(**{name: read(message) for name, read in _readers(*kinds)})


@functools.cache
def _readers(
    row_class: type, message_class: type[Message]
) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """Return how each field of a row is read from a message of a class."""
    known = message_class.DESCRIPTOR.fields_by_name
    readers: dict[str, Callable[[Any], Any]] = {}
    for attribute in fields(row_class):
        name = attribute.name
        if name == "group":
            readers[name] = _group
        elif name == "labels":
            readers[name] = _labels
        elif name in known:
            readers[name] = _reader(known[name])
    return tuple(readers.items())


def _group(message: Any) -> dict[str, Level]:
    return {key.name: _level(key) for key in message.group}


def _group_of(row: Any) -> dict[str, Level]:
    """Return the group of a row, or of the message of one."""
    if isinstance(row, Message):
        return _group(row)
    group: dict[str, Level] = row.group
    return group


def _labels(message: Any) -> dict[str, str]:
    return {key.name: key.label for key in message.group if key.label}


def _reader(field: Any) -> Callable[[Any], Any]:
    """Return how one field of a message is read: an optional one that is absent as None."""
    plain = operator.attrgetter(field.name)
    if field.is_repeated:
        return _repeated(field, plain)
    read: Callable[[Any], Any] = plain
    if field.message_type is not None:
        kind = _NESTED[field.message_type.name]
        read = lambda message: decode(kind, plain(message))  # noqa: E731
    elif field.enum_type is not None:
        read = lambda message: _enums.word_of(field.enum_type, plain(message)) or ""  # noqa: E731
    if not field.has_presence:
        return read
    name = field.name
    return lambda message: read(message) if message.HasField(name) else None


def _repeated(field: Any, plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    if field.message_type is None:
        return lambda message: tuple(plain(message))
    if field.message_type.GetOptions().map_entry:
        return lambda message: dict(sorted(plain(message).items()))
    kind = _NESTED[field.message_type.name]
    return lambda message: tuple(decode(kind, one) for one in plain(message))


class _Messages(Sequence[T]):
    """The rows of a response that is kept as it came: each is decoded when it is looked at."""

    def __init__(self, row_class: type[T], response: Any) -> None:
        self.row_class = row_class
        self.response = response

    @property
    def messages(self) -> Sequence[Any]:
        rows: Sequence[Any] = self.response.rows
        return rows

    def __len__(self) -> int:
        return len(self.messages)

    @overload
    def __getitem__(self, position: int) -> T: ...
    @overload
    def __getitem__(self, position: slice) -> tuple[T, ...]: ...
    def __getitem__(self, position: int | slice) -> T | tuple[T, ...]:
        found: Any = self.messages[position]
        if isinstance(position, slice):
            return tuple(decode(self.row_class, one) for one in found)
        return decode(self.row_class, found)


def _level(key: common_pb2.GroupKey) -> Level:
    if not key.HasField("level"):
        return None
    return _bucket(key.name, key.level) if key.name in TIME_BUCKETS else key.level


@functools.lru_cache(maxsize=1 << 14)
def _bucket(name: str, level: str) -> Level:
    # A dimension may be called "day" too; what is no date then stays the text it is.
    try:
        return datetime.fromisoformat(level) if name == "hour" else date.fromisoformat(level[:10])
    except ValueError:
        return level


# --- what rows share -------------------------------------------------------------------------


@nested
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


@nested
@dataclass(frozen=True, slots=True)
class Formula:
    """One formula.

    Attributes
    ----------
    id : str
        Its name, such as ``"nps"`` or ``"interval.wilson"``.
    text : str
        The formula, in plain text.
    source : str
        Where it comes from: a link.
    """

    id: str
    text: str
    source: str


@nested
@dataclass(frozen=True, slots=True)
class MarginError:
    """How far a level stayed from its target.

    Attributes
    ----------
    margin, level : str
        The dimension (several joined by " x "), and its level.
    target, reached : float
        Shares, 0..100.
    """

    margin: str
    level: str
    target: float
    reached: float


@nested
@dataclass(frozen=True, slots=True)
class Raking:
    """How weights were fitted to margins.

    Attributes
    ----------
    iterations : int
        Rounds over all margins; 1 where there is one.
    converged : bool
        Whether every level reached its target.
    worst : MarginError
        The level that stayed farthest from its target.
    trimmed : int
        Cells whose factor stands at a limit.
    design_effect_before, design_effect : float
        Of all responses, before and after.
    """

    iterations: int
    converged: bool
    worst: MarginError
    trimmed: int
    design_effect_before: float
    design_effect: float


@nested
@dataclass(frozen=True, slots=True)
class Weights:
    """What the weights of a group's responses come to.

    Attributes
    ----------
    total : float
        Sum of weights.
    design_effect : float or None
        Kish's ``n sum w^2 / (sum w)^2``; exactly 1 for equal weights.
    effective_n : float or None
        ``(sum w)^2 / sum w^2``.
    classes : tuple of float
        Sum of weights of each class: detractors, passives, promoters; below the top box, in it; or
        level by level.

    Notes
    -----
    Declared weights
        ``weighting="declared"`` takes the program's ``[weight]`` column. A weight counts as its nearest
        whole number of declared steps; one of 0 counts in n and weighs nothing; a response without one
        is dropped with the reason ``weight``. Counts in an answer stay responses, scores are weighted.
    Raking
        ``rake`` gives every combination of the margins' levels a factor, from its sums alone: no row is
        read again. One margin is met in one step (post-stratification), several in turn until every
        share is within 1e-9 of its target, or 1,000 rounds are over; ``explanation.raking`` says how
        that went, and which level stayed farthest off. The sum of weights stays
        what it was, unless factors stand at a limit. A level
        with a target that no response has is refused, by name; responses of a level with a target of 0
        are dropped as ``target 0``; those of no level keep their share unless a target says otherwise.
        The program must keep the margins' dimensions and those asked for in one view, or its responses
        in a data directory.
    Domains
        The margins are those of all responses of the time range, and ``where`` picks a domain
        afterwards. What is outside of it adds nothing to the standard error, but for raked weights the
        residuals there.
    Standard errors
        Taylor's, of one stage of sampling with replacement and without strata: ``SE^2 = n / (n - 1) sum
        w^2 (y - mean)^2 / (sum w)^2``. After raking the residuals on the margins' indicators, fitted with
        the weights before, take the place of ``y - mean``, so a margin that goes with the answer makes it
        smaller: survey's ``calibrate(calfun = "raking")``. They do not know
        of strata of the design, and of clusters only a regression's ``errors="cluster"`` do. Equal weights give the unweighted score to the last bit and
        a design effect of exactly 1; the standard error of a share or a net score is then larger by
        sqrt(n / (n - 1)), because the unweighted one divides by n.
    Intervals
        As without weights, with t for the normal quantile. Where the effective n is small,
        or a few weights carry the sum, they cover less often than they say. Raked, the residuals have
        as many degrees of freedom less as the margins have levels that do not follow from others:
        intervals of scores, means and steps between them, indices, changes, impacts and coefficients
        take errors and t with what is left, ``se`` does not. With 30 answers raked to two margins they cover 91 to 99 %,
        with 100 92 to 97, and the importance of a driver less where ratings crowd at one end.

    References
    ----------
    ``weighted``, ``raking``

    Examples
    --------
    >>> found = client.nps("sfo-2017", "netpro", weighting="declared")
    >>> print(f"{found.score:.2f} ± {found.se:.2f}")
    40.40 ± 1.45
    >>> weights = found.weights
    >>> print(f"design effect {weights.design_effect:.3f}, effective n {weights.effective_n:.0f}")
    design effect 1.212, effective n 2267
    >>> raked = client.nps("sfo-2017", "netpro", rake={"gender": {"1": 49, "2": 49, "3": 1, "4": 1}})
    >>> print(f"{raked.score:.2f} ± {raked.se:.2f}")
    39.87 ± 1.34
    >>> raked.explanation.raking.converged, raked.explanation.raking.iterations
    (True, 1)
    """

    total: float
    design_effect: float | None
    effective_n: float | None
    classes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """How an answer was made.

    Attributes
    ----------
    formulas : tuple of Formula
        What it was computed by.
    digest : str
        Of the sums it was computed from: the same sums have the same digest on any server.
    weighting : str
        How responses counted: ``"declared"``, ``"raked"`` or both; ``""`` each as one.
    raking : Raking or None
        How the weights were fitted to margins, where they were.

    Notes
    -----
    What it says
        ``explain()`` puts it in words: the formulas with their sources, n used and n dropped by reason
        of every group, weights, effective n, and the point of the stream up to which the answer is
        exact.
    The digest
        That of the very sums the answer was computed from. The same responses give the same digest and
        the same answer to the last bit, whatever their order, their batches or the machine.

    Examples
    --------
    >>> print(client.nps("shop", "recommend", where={"touchpoint": "order"}).explain())
    NpsResult of program 'shop', version 1
    exact as of 480 responses in 1 batches
    counted by view: touchpoint x region; digest of the sums: 6d0105eeb01afd29058c5bf8dfa38cf5
    all: n 120; dropped: null 5
    nps: N = 100 (P - D) / n; SE = 100 sqrt(V / n), V = p + d - (p - d)^2
        https://stats.stackexchange.com/questions/18603
    interval.score: all values that a score test does not reject
        https://arxiv.org/abs/1601.07235
    """

    formulas: tuple[Formula, ...]
    digest: str
    weighting: str = ""
    raking: Raking | None = None


@dataclass(frozen=True, slots=True)
class GroupRow:
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


# --- tables ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Column:
    """A column to be: `kind` is ``"text"``, ``"int"``, ``"float"``, ``"date"`` or ``"time"``."""

    name: str
    kind: str
    cells: list[Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a contract and where its values come from; `source` is a path of attributes."""

    name: str
    kind: str
    source: str


_BOUNDS = ("lower", "upper")


def columns_of(text: str) -> tuple[Field, ...]:
    """Read ``"name:kind name:kind"``; ``lower`` and ``upper`` come from the interval."""
    made = []
    for word in text.split():
        name, kind = word.split(":")
        made.append(Field(name, kind, f"interval.{name}" if name in _BOUNDS else name))
    return tuple(made)


@functools.cache
def _getter(record_class: type, source: str) -> Callable[[Any], Any]:
    """Return how a path of attributes is read from a row, or from the message of one."""
    head, _, rest = source.partition(".")
    if issubclass(record_class, Message):
        field: Any = record_class.DESCRIPTOR.fields_by_name[head]
        if not rest:
            read = _reader(field)
            is_map = field.is_repeated and field.message_type is not None
            return (lambda message: sum(read(message).values())) if is_map else read
        kind: Any = GetMessageClass(field.message_type)
        inner = _getter(kind, rest)
        return lambda message: inner(getattr(message, head)) if message.HasField(head) else None
    return lambda record: _get(record, source)


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

    def _made_columns(self) -> list[Column]:
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


def _html_cell(column: Column, position: int) -> str:
    value = column.cells[position]
    if value is None:
        return "<td></td>"
    if column.kind in ("int", "float"):
        text = f"{value:.6g}" if column.kind == "float" else str(value)
        return f'<td style="text-align: right">{text}</td>'
    return f"<td>{html.escape(str(value))}</td>"


R = TypeVar("R", bound=GroupRow)
S = TypeVar("S", bound=GroupRow)


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
    explanation : Explanation
        How it was made; :meth:`explain` says it in words.
    """

    _fields: ClassVar[tuple[Field, ...]]
    _row_class: ClassVar[type]
    _nested: ClassVar[str] = ""  # the row's attribute whose items are the rows of the table

    def __init__(
        self,
        rows: Iterable[R],
        as_of: AsOf,
        by: Sequence[str] = (),
        explanation: Explanation | None = None,
    ) -> None:
        self._source = rows if isinstance(rows, _Messages) else tuple(rows)
        self._by = tuple(by) or (tuple(_group_of(self._raw[0])) if self._source else ())
        self.as_of = as_of
        self.explanation = explanation or Explanation((), "")

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
        explanation = decode(Explanation, message.explanation)
        rows = _Messages[Any](cls._row_class, message)
        return cls(rows, decode(AsOf, message.as_of), by, explanation)

    @functools.cached_property
    def _rows(self) -> tuple[R, ...]:
        # Thousands of rows of many parts are dear to make, and a table does without.
        return tuple(self._source)

    @property
    def _raw(self) -> Sequence[Any]:
        """The rows, as messages where they still are."""
        return self._source.messages if isinstance(self._source, _Messages) else self._source

    def __len__(self) -> int:
        return len(self._source)

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

    def explain(self) -> str:
        """Return in words what the answer rests on and how it was computed."""
        as_of = self.as_of
        lines = [f"{type(self).__name__} of the numbers given, and of no program"]
        if as_of.program:
            lines = [
                f"{type(self).__name__} of program {as_of.program!r}, version {as_of.program_version}",
                f"exact as of {as_of.responses:,} responses in {as_of.batches:,} batches",
                f"counted by view: {as_of.view}; digest of the sums: {self.explanation.digest}",
            ]
        for row in self._rows:
            group = ", ".join(f"{name} = {level}" for name, level in row.group.items()) or "all"
            used = getattr(row, "n", getattr(row, "base", None))
            lost = getattr(row, "dropped", None) or {}
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in lost.items())
            said = [] if used is None else [f"n {used:,}"]
            said += [f"dropped: {reasons or 'none'}"] if hasattr(row, "dropped") else []
            said += _said_of(_weights_of(row))
            lines.append(f"{group}: {'; '.join(said)}" if said else group)
        made = self.explanation
        if made.weighting:
            lines.append(f"weights: {made.weighting}")
        if made.raking is not None:
            worst = made.raking.worst
            lines.append(
                f"raked in {made.raking.iterations} rounds, "
                f"{'converged' if made.raking.converged else 'not converged'}; farthest off: "
                f"{worst.margin} {worst.level}, {worst.reached:.6g} % for {worst.target:.6g} %; "
                f"{made.raking.trimmed} cells at a limit"
            )
        for formula in made.formulas:
            lines += [f"{formula.id}: {formula.text}", f"    {formula.source}"]
        return "\n".join(lines)

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

    def _made_columns(self) -> list[Column]:
        rows = self._raw
        groups = [_group_of(row) for row in rows]
        nested = [getattr(row, self._nested) for row in rows] if self._nested else None
        records = rows if nested is None else list(itertools.chain.from_iterable(nested))
        lengths = None if nested is None else [len(own) for own in nested]

        def of_rows(values: list[Any]) -> list[Any]:
            if lengths is None:
                return values
            repeated = map(itertools.repeat, values, lengths)
            return list(itertools.chain.from_iterable(repeated))

        made = [
            _group_column(name, of_rows([group.get(name) for group in groups])) for name in self._by
        ]
        for field in self._fields:
            from_row = field.source.startswith("row.")
            of_what = rows if from_row else records
            if of_what is rows and isinstance(vars(self._row_class).get(field.source), property):
                of_what = self._rows  # messages do not have it
            values = read_all(of_what, field.source.removeprefix("row."))
            made.append(Column(field.name, field.kind, of_rows(values) if from_row else values))
        if self.explanation.weighting:
            weights = [_weights_of(row) for row in self._rows]
            for name in ("total", "design_effect", "effective_n"):
                values = of_rows([getattr(one, name, None) for one in weights])
                made.append(Column("weight" if name == "total" else name, "float", values))
        return _with_unique_names(made, len(self._by))

    def _derived(self, result_class: type[ResultT], row_class: type[S]) -> ResultT:
        """Return another result whose rows take over the fields of these of the same names."""
        kept = self._source
        if isinstance(kept, _Messages):
            rows: Iterable[Any] = _Messages[Any](row_class, kept.response)
        else:
            names = [field.name for field in fields(row_class)]
            rows = [row_class(**{name: getattr(row, name) for name in names}) for row in kept]
        return result_class(rows, self.as_of, self._by, self.explanation)


def read_all(records: Sequence[Any], source: str) -> list[Any]:
    """Return what a path of attributes gives for rows, or for their messages."""
    if not records:
        return []
    kind: Any = type(records[0])
    read = _getter(kind, source)
    return [read(record) for record in records]


def _weights_of(row: object) -> Weights | None:
    """Return the survey weights of a row; of drivers, `weights` are what an index would take."""
    found: Weights | None = getattr(row, "survey_weights", getattr(row, "weights", None))
    return found if isinstance(found, Weights) else None


def _said_of(weights: Weights | None) -> list[str]:
    if weights is None:
        return []
    if weights.design_effect is None or weights.effective_n is None:
        return ["no weight"]
    effect, effective = weights.design_effect, weights.effective_n
    return [
        f"weight {weights.total:,.6g}, design effect {effect:.4g}, effective n {effective:,.1f}"
    ]


def _fits(group: Mapping[str, Level], wanted: Mapping[str, object]) -> bool:
    for name, level in wanted.items():
        found = group.get(name)
        if found != level:
            if not isinstance(found, date) or not isinstance(level, str):
                return False
            if not found.isoformat().startswith(level) and str(found) != level:
                return False
    return True


def _group_column(name: str, values: list[Level]) -> Column:
    """Return a group's column: text, or a date or time where all its levels are."""
    known = [value for value in values if value is not None]
    if name not in TIME_BUCKETS or any(isinstance(value, str) for value in known):
        return Column(name, "text", [None if value is None else str(value) for value in values])
    if name != "hour":
        return Column(name, "date", list(values))
    if any(isinstance(value, datetime) and value.tzinfo is not None for value in known):
        in_utc = [
            value.astimezone(UTC) if isinstance(value, datetime) else None for value in values
        ]
        return Column(name, "instant", in_utc)
    return Column(name, "time", list(values))


def _with_unique_names(columns: list[Column], groups: int) -> list[Column]:
    """Rename what would come twice; the statistics of the contract keep their names."""
    seen = [column.name for column in columns]
    for position, column in enumerate(columns):
        if seen.count(column.name) > 1 and position < groups:
            column.name = f"group_{column.name}"
    return columns
