"""A program's TOML file, or the same tables as a dict -> a validated Program.

Every message names the table and key, what was expected, and the nearest valid choice.
"""

from __future__ import annotations

import math
import re
import tomllib
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from cxstream.errors import InvalidArgumentError, nearest
from cxstream.program.block import (
    DISTINCT_STEPS_MAX,
    ROBUST_COLUMNS_MAX,
    ROBUST_STEPS_MAX,
    VALUE_MAX,
    WEIGHTED_ROBUST_STEPS_MAX,
)
from cxstream.program.program import (
    TIME_UNITS,
    Dimension,
    Index,
    IndexPart,
    Kind,
    MissingPolicy,
    Model,
    Option,
    Program,
    Question,
    SurveyWeight,
    TimeColumn,
)

_T = TypeVar("_T")

#: A histogram per cell is kept of every scale, so scales stay small; a quantity is a number.
LEVELS_MAX = 4096
NUMBER_STEPS_MAX = VALUE_MAX
#: With a weight: cut in limbs of 5 bits, it takes 9 of them (see block.WeightedBlock).
WEIGHTED_NUMBER_STEPS_MAX = 2**40
#: Steps to a double and back is four roundings of 2^-53 each: up to here they stay below half a step.
FLOAT_STEPS_MAX = 2**49
#: Numerator and denominator of a step are exact as 64-bit floats.
STEP_PART_MAX = 2**53
RESPONSES_MAX = 2**36
#: One bit of an answer pattern per item.
INDEX_ITEMS_MAX = 62
MODEL_COLUMNS_MAX = 64
INSIGHTS_DEFAULT_MAX = 40
#: int16 products: the square of a code must stay within 16 bits (see kernels.moments).
INSIGHTS_LEVELS_MAX = 181
MAX_LEVELS_DEFAULT = 1000
RETENTION_MONTHS_MAX = 1200
#: Columns of the history that say where a response came from; see columns.stored for the others.
RESERVED = ("_producer", "_sequence", "_row", "_point", "_month")
_STORED = (*RESERVED, "_customer", "_customer_key", "_time", "_weight")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}\Z")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})\Z")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?(e-?[0-9]{1,2})?\Z", re.ASCII)

#: Columns CEM data has no place for; matched against whole words of a column name.
_FORBIDDEN = re.compile(
    r"(?:\A|[_\W])(password|passwd|pin[_\W]?code|ssn|social[_\W]?security|kyc|"
    r"card[_\W]?number|cvv|date[_\W]?of[_\W]?birth|birth[_\W]?date|dob|first[_\W]?name|"
    r"last[_\W]?name|full[_\W]?name|surname|street[_\W]?address|home[_\W]?address|"
    r"postal[_\W]?address)(?:\Z|[_\W])",
    re.IGNORECASE,
)


def _refuse(path: str, message: str) -> InvalidArgumentError:
    return InvalidArgumentError("INVALID_PROGRAM", f"{path}: {message}", column=path)


class _Table:
    """One table being read: typed getters that name the key, and a check for unknown keys."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise _refuse(path or "program", f"expected a table, got {value!r}")
        self.values = dict(value)
        self.path = path
        self.known: list[str] = []

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def refuse(self, key: str, message: str) -> InvalidArgumentError:
        return _refuse(self.at(key), message)

    def get(self, key: str) -> Any:
        self.known.append(key)
        return self.values.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.get(key)
        if value is None or (value == "" and default is not None):
            if default is None:
                raise self.refuse(key, "missing; expected text")
            return default
        if not isinstance(value, str) or not value:
            raise self.refuse(key, f"expected text, got {value!r}")
        return value

    def whole(self, key: str) -> int | None:
        value = self.get(key)
        if value is None:
            return None
        if not _is_whole(value):
            raise self.refuse(key, f"expected a whole number, got {value!r}")
        return int(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.refuse(key, f"expected true or false, got {value!r}")
        return value

    def exact(self, key: str) -> Fraction | None:
        value = self.get(key)
        return None if value is None else self._exact(key, value)

    def _exact(self, key: str, value: Any) -> Fraction:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise self.refuse(key, f"expected a number, got {value!r}")
        if not _is_finite(value):
            raise self.refuse(key, f"expected a finite number, got {value!r}")
        # The shortest decimal that gives this float is what was written in the file.
        return Fraction(repr(value) if isinstance(value, float) else value)

    def exact_pair(self, key: str) -> tuple[Fraction, Fraction] | None:
        value = self.get(key)
        if value is None or value == []:
            return None
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise self.refuse(key, f"expected [lowest, highest], got {value!r}")
        low, high = (self._exact(key, one) for one in value)
        if low >= high:
            raise self.refuse(key, f"expected lowest < highest, got {list(value)!r}")
        return low, high

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            raise self.refuse(key, f"expected a list, got {value!r}")
        out = []
        for one in value:
            if isinstance(one, bool) or not isinstance(one, str | int | float | Decimal):
                raise self.refuse(key, f"expected text or numbers, got {one!r}")
            out.append(str(int(one)) if _is_whole(one) else str(one))
        repeated = {one for one in out if out.count(one) > 1}
        if repeated:
            raise self.refuse(key, f"{min(repeated)!r} stands there more than once")
        return tuple(out)

    def table(self, key: str) -> dict[str, Any]:
        value = self.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise self.refuse(key, f"expected a table, got {value!r}")
        return dict(value)

    def done(self) -> None:
        for key in self.values:
            if key not in self.known:
                raise self.refuse(key, f"unknown key{nearest(key, self.known)}")


def read_program(path: str | Path) -> Program:
    """Read and validate a program's TOML file.

    Raises
    ------
    InvalidArgumentError
        The file is not TOML, or the program is not valid; the message names table and key.
    OSError
        The file cannot be read.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgumentError("INVALID_PROGRAM", f"{path}: not TOML: {error}") from error
    return program_from_dict(tables)


def program_from_dict(tables: Mapping[str, Any]) -> Program:
    """Validate a program given as the tables of its TOML file.

    Raises
    ------
    InvalidArgumentError
        With reason ``INVALID_PROGRAM``; the message names table and key.
    """
    top = _Table(tables, "")
    name = top.text("name")
    _check_name(name, "name")
    label = top.text("label", name)
    questions = _named(top, "questions", _question)
    if not questions:
        raise _refuse("questions", "a program asks at least one question")
    dimensions = _named(top, "dimensions", _dimension)
    time = _time(top)
    customer = _customer(top)
    weight = _weight(top)
    _check_columns(questions, dimensions)
    _check_not_personal(
        {
            **({time.column: "time"} if time else {}),
            **({customer: "customer"} if customer else {}),
            **({weight.column: "weight"} if weight else {}),
        }
    )
    for one in dimensions:
        if one in TIME_UNITS:
            raise _refuse(f"dimensions.{one}", "this is the name of a time bucket; use another")
    indices = _named(top, "indices", lambda table, key: _index(table, key, questions))
    models = _named(top, "models", lambda table, key: _model(table, key, questions))
    views = _views(top, dimensions)
    insights = _insights(top, questions)
    retention_months = _retention(top, time)
    top.done()
    program = Program(
        name=name,
        label=label,
        questions=questions,
        dimensions=dimensions,
        time=time,
        customer=customer,
        weight=weight,
        indices=indices,
        models=models,
        views=views,
        insights=insights,
        retention_months=retention_months,
    )
    _check_stored(program)
    _check_keys(program)
    _check_weighted(program)
    return program


def _is_whole(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    return _is_finite(value) and int(value) == value


def _is_finite(value: float | Decimal) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def _check_name(name: Any, path: str) -> None:
    if not isinstance(name, str) or not _NAME.match(name):
        raise _refuse(
            path,
            f"{name!r} is not a name: letters, digits, '_', '-', '.', starting with a letter or "
            "digit, at most 100 characters",
        )


def _named(top: _Table, key: str, read: Callable[[_Table, str], _T]) -> dict[str, _T]:
    out: dict[str, _T] = {}
    for name, value in top.table(key).items():
        _check_name(name, top.at(key))
        table = _Table(value, f"{top.at(key)}.{name}")
        out[name] = read(table, name)
        table.done()
    return out


# --- questions ------------------------------------------------------------------------------------


def _question(table: _Table, name: str) -> Question:
    word = table.text("kind")
    if word not in list(Kind):
        raise table.refuse("kind", f"no kind {word!r}{nearest(word, list(Kind))}")
    kind = Kind(word)
    label = table.text("label", name)
    multiple = table.flag("multiple", False)
    columns = _question_columns(table, name, kind, multiple)
    if kind is Kind.NUMBER:
        return _number(table, name, label, columns)
    if kind is Kind.CHOICE:
        return _choice(table, name, label, columns, multiple)
    if multiple:
        raise table.refuse("multiple", f"a {kind} question has one answer; only a choice has many")
    low, high = _scale(table, kind)
    values = _values(table, low, high)
    missing = _missing(table, low, high, dict(values))
    return Question(
        name=name,
        kind=kind,
        label=label,
        columns=columns,
        low=low,
        high=high,
        missing=missing,
        values=values,
        lower_is_better=_lower_is_better(table),
        **_cuts(table, kind, low, high),
    )


def _question_columns(table: _Table, name: str, kind: Kind, multiple: bool) -> tuple[str, ...]:
    column = table.text("column", "")
    columns = table.texts("columns")
    if columns and column:
        raise table.refuse("columns", "either column or columns, not both")
    if columns and not (kind is Kind.CHOICE and multiple):
        raise table.refuse("columns", "only a choice with multiple = true is spread over columns")
    return columns or (column or name,)


def _scale(table: _Table, kind: Kind) -> tuple[int, int]:
    pair = table.exact_pair("scale")
    if kind is Kind.BOOLEAN:
        if pair is not None:
            raise table.refuse("scale", "a boolean has no scale; map its values with values")
        return 0, 1
    if pair is None:
        if kind is Kind.NPS:
            return 0, 10
        raise table.refuse("scale", "missing; expected [lowest, highest], such as [1, 5]")
    low, high = pair
    if low.denominator != 1 or high.denominator != 1:
        raise table.refuse("scale", "expected whole numbers; a quantity is kind = 'number'")
    if high - low + 1 > LEVELS_MAX:
        raise table.refuse("scale", f"more than {LEVELS_MAX} values; a quantity is kind = 'number'")
    if abs(low) > 2**31 or abs(high) > 2**31:
        raise table.refuse("scale", "values must stay within 32 bits")
    cuts = ("promoter", "passive")
    if kind is Kind.NPS and high - low + 1 not in (10, 11) and not set(cuts) <= set(table.values):
        raise table.refuse(
            "scale",
            f"an nps scale has 10 or 11 values, such as [0, 10], or names promoter and passive; got "
            f"{low}..{high}",
        )
    return int(low), int(high)


def _lower_is_better(table: _Table) -> bool:
    word = table.text("direction", "higher_is_better")
    known = ("higher_is_better", "lower_is_better")
    if word not in known:
        raise table.refuse("direction", f"no direction {word!r}{nearest(word, known)}")
    return word == "lower_is_better"


def _values(table: _Table, low: int, high: int) -> tuple[tuple[str, int], ...]:
    out = []
    for text, value in table.table("values").items():
        whole = _is_whole(value) or (isinstance(value, str) and _INTEGER.match(value))
        if not whole:
            raise table.refuse(f"values.{text}", f"expected a whole number, got {value!r}")
        if not low <= int(value) <= high:
            raise table.refuse(f"values.{text}", f"{value} is not on the scale {low}..{high}")
        out.append((text, int(value)))
    return tuple(out)


def _missing(table: _Table, low: int, high: int, taken: Mapping[str, object]) -> tuple[str, ...]:
    codes = table.texts("missing")
    for code in codes:
        if code in taken:
            raise table.refuse("missing", f"{code!r} is also declared as a value")
        if not taken and _INTEGER.match(code) and low <= int(code) <= high:
            raise table.refuse("missing", f"{code} is on the scale {low}..{high}")
    # Whole numbers first: native encoding numbers them in this order.
    whole = tuple(code for code in codes if _INTEGER.match(code))
    return whole + tuple(code for code in codes if code not in whole)


def _cuts(table: _Table, kind: Kind, low: int, high: int) -> dict[str, Any]:
    """Read the cuts the kind has; the others are left unread, so that they are refused."""
    levels = high - low + 1

    def cut(key: str, default: int) -> int:
        value = table.whole(key)
        if value is None:
            return default
        if not low <= value <= high:
            raise table.refuse(key, f"{value} is not on the scale {low}..{high}")
        return value

    if kind is Kind.NPS:
        shift = low if levels == 11 else 0
        promoter, passive = cut("promoter", shift + 9), cut("passive", shift + 7)
        if not low <= passive <= promoter <= high:
            raise table.refuse(
                "promoter", f"the scale {low}..{high} needs cuts with passive <= promoter on it"
            )
        return {"promoter": promoter, "passive": passive, "top": promoter}
    lower = table.values.get("direction") == "lower_is_better"
    box = (2 if levels > 2 else 1) if levels <= 7 else max(1, levels // 5)
    top_default = low + box - 1 if lower else high - box + 1
    if kind is Kind.CES:
        middle = (low + high) // 2 if levels % 2 else (low + high - 1) // 2
        seven = levels == 7
        cuts = {
            "low_to": cut("low", low + 2 if seven else middle - (levels % 2)),
            "high_from": cut("high", high - 1 if levels > 3 else high),
            "agree_from": cut("agree", low + 4 if seven else middle + 1),
            "top": top_default,
        }
        if cuts["low_to"] >= cuts["high_from"]:
            raise table.refuse("low", "expected low < high")
        return cuts
    if kind is Kind.BOOLEAN:
        return {"top": 0 if lower else 1}
    top = cut("top", top_default)
    if top == (high if lower else low):
        raise table.refuse("top", f"{top} would put every answer into the top box")
    return {"top": top}


def _choice(
    table: _Table, name: str, label: str, columns: tuple[str, ...], multiple: bool
) -> Question:
    given = table.get("options")
    if isinstance(given, list | tuple):
        given = {str(one): str(one) for one in given}
    if not isinstance(given, Mapping) or not given:
        raise table.refuse("options", "expected at least one option, such as { 1 = 'Food' }")
    options = tuple(Option(str(code), str(text) or str(code)) for code, text in given.items())
    if len(options) > LEVELS_MAX:
        raise table.refuse("options", f"more than {LEVELS_MAX} options")
    codes = {option.code: 0 for option in options}
    if len(codes) < len(options):
        every = [option.code for option in options]
        twice = next(code for code in every if every.count(code) > 1)
        raise table.refuse("options", f"code {twice!r} stands there more than once")
    values = []
    for text, code in table.table("values").items():
        if str(code) not in codes:
            raise table.refuse(f"values.{text}", f"no option {code!r}{nearest(str(code), codes)}")
        values.append((text, list(codes).index(str(code))))
    missing = table.texts("missing")
    for one in missing:
        if one in codes:
            raise table.refuse("missing", f"{one!r} is also an option")
    return Question(
        name=name,
        kind=Kind.CHOICE,
        label=label,
        columns=columns,
        low=0,
        high=len(options) - 1,
        missing=missing,
        values=tuple(values),
        options=options,
        multiple=multiple,
    )


def _number(table: _Table, name: str, label: str, columns: tuple[str, ...]) -> Question:
    step = table.exact("step")
    if step is None:
        step = Fraction(1)
    if step <= 0:
        raise table.refuse("step", "expected a step above 0")
    if max(step.numerator, step.denominator) > STEP_PART_MAX:
        raise table.refuse(
            "step", "too fine or too large to count in exactly; expected a step such as 0.01, "
            "numerator and denominator at most 2^53",
        )  # fmt: skip
    pair = table.exact_pair("range")
    if pair is None:
        raise table.refuse("range", "missing; expected [lowest, highest], such as [0, 100000]")
    low, high = pair[0] / step, pair[1] / step
    if low.denominator != 1 or high.denominator != 1:
        raise table.refuse("range", f"both ends must be multiples of the step {float(step)}")
    if high - low > NUMBER_STEPS_MAX or max(abs(low), abs(high)) > 2**62:
        raise table.refuse(
            "range", f"more than 2^45 steps of {float(step)}; use a larger step or a smaller range"
        )
    missing = table.texts("missing")
    for code in missing:
        if not _DECIMAL.match(code):
            raise table.refuse("missing", f"{code!r} is not a number")
        steps = Fraction(code) / step
        if abs(steps) > 2**62:
            raise table.refuse("missing", f"{code} is more than 2^62 steps")
        if steps.denominator != 1:
            raise table.refuse("missing", f"{code} is not a multiple of the step")
        if low <= steps <= high:
            raise table.refuse("missing", f"{code} is within the range")
    furthest = {
        "range": max(abs(low), abs(high)),
        "missing": max((abs(Fraction(code) / step) for code in missing), default=Fraction(0)),
    }
    if step.denominator > 1 or max(furthest.values()) * step >= 2**63:
        for key, steps in furthest.items():
            if steps > FLOAT_STEPS_MAX:
                raise table.refuse(
                    key,
                    f"beyond 2^49 steps of {float(step)}, which a 64-bit float cannot tell apart; "
                    "use a larger step",
                )
    return Question(
        name=name,
        kind=Kind.NUMBER,
        label=label,
        columns=columns,
        low=int(low),
        high=int(high),
        missing=missing,
        lower_is_better=_lower_is_better(table),
        step=step,
    )


# --- everything else ------------------------------------------------------------------------------


def _dimension(table: _Table, name: str) -> Dimension:
    max_levels = table.whole("max_levels")
    if max_levels is None:
        max_levels = MAX_LEVELS_DEFAULT
    if not 1 <= max_levels <= 1_000_000:
        raise table.refuse("max_levels", f"expected 1..1000000, got {max_levels}")
    labels = []
    for level, label in table.table("labels").items():
        if not isinstance(label, str):
            raise table.refuse(f"labels.{level}", f"expected text, got {label!r}")
        labels.append((level, label))
    return Dimension(
        name=name,
        label=table.text("label", name),
        column=table.text("column", name),
        max_levels=max_levels,
        missing=table.texts("missing"),
        labels=tuple(labels),
    )


def _time(top: _Table) -> TimeColumn | None:
    if top.get("time") is None:
        return None
    table = _Table(top.values["time"], "time")
    buckets = table.texts("buckets") or ("day",)
    for one in buckets:
        if one not in TIME_UNITS:
            raise table.refuse("buckets", f"no bucket {one!r}{nearest(one, TIME_UNITS)}")
    zone = table.text("timezone", "UTC")
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        known = zoneinfo.available_timezones()
        raise table.refuse("timezone", f"no time zone {zone!r}{nearest(zone, known)}") from error
    ordered = tuple(unit for unit in TIME_UNITS if unit in buckets)
    if set(ordered) > {"week"} and "week" in ordered and ordered[0] == "week":
        # Weeks straddle months: keep days, from which both can be made.
        ordered = ("day", *ordered)
    time = TimeColumn(table.text("column"), ordered, zone)
    table.done()
    return time


def _customer(top: _Table) -> str | None:
    if top.get("customer") is None:
        return None
    table = _Table(top.values["customer"], "customer")
    column = table.text("column")
    table.done()
    return column


def _weight(top: _Table) -> SurveyWeight | None:
    if top.get("weight") is None:
        return None
    table = _Table(top.values["weight"], "weight")
    step = table.exact("step")
    if step is None or step <= 0:
        raise table.refuse("step", "expected a step above 0, such as 0.000001")
    if max(step.numerator, step.denominator) > STEP_PART_MAX:
        raise table.refuse("step", "too fine or too large to count in exactly")
    weight = SurveyWeight(table.text("column"), step)
    table.done()
    return weight


def _index(table: _Table, name: str, questions: Mapping[str, Question]) -> Index:
    word = table.text("missing", MissingPolicy.RENORMALISE)
    if word not in list(MissingPolicy):
        raise table.refuse("missing", f"no policy {word!r}{nearest(word, list(MissingPolicy))}")
    given = table.table("parts")
    if not given:
        raise table.refuse("parts", "an index has at least one part")
    parts = []
    weighted = {("weight" in value) for value in given.values() if isinstance(value, Mapping)}
    if len(weighted) > 1:
        raise table.refuse("parts", "give every part a weight, or none")
    for part_name, value in given.items():
        part = _Table(value, f"{table.at('parts')}.{part_name}")
        weight = part.exact("weight")
        if weight is not None and weight <= 0:
            raise part.refuse("weight", "expected a weight above 0")
        items = part.texts("items")
        if not items:
            raise part.refuse("items", "a part has at least one item")
        for item in items:
            _check_scale_question(part, "items", item, questions)
        parts.append(
            IndexPart(
                name=part_name,
                label=part.text("label", part_name),
                weight=float(weight) if weight is not None else 1.0,
                items=items,
            )
        )
        part.done()
    everything = [item for one in parts for item in one.items]
    for item in everything:
        if everything.count(item) > 1:
            raise table.refuse("parts", f"{item!r} stands in more than one part")
    if len(everything) > INDEX_ITEMS_MAX:
        raise table.refuse("parts", f"more than {INDEX_ITEMS_MAX} items")
    return Index(name, table.text("label", name), MissingPolicy(word), tuple(parts))


def _check_scale_question(
    table: _Table, key: str, name: str, questions: Mapping[str, Question]
) -> None:
    known = [one for one, question in questions.items() if question.is_scale]
    if name not in questions:
        raise table.refuse(key, f"no question {name!r}{nearest(name, known)}")
    if name not in known:
        raise table.refuse(key, f"{name!r} is a {questions[name].kind}; expected a scale")


def _model(table: _Table, name: str, questions: Mapping[str, Question]) -> Model:
    outcome = table.text("outcome")
    drivers = table.texts("drivers")
    known = [one for one, question in questions.items() if not question.is_choice]
    for key, one in [("outcome", outcome), *(("drivers", driver) for driver in drivers)]:
        if one not in questions:
            raise table.refuse(key, f"no question {one!r}{nearest(one, known)}")
        if one not in known:
            raise table.refuse(key, f"{one!r} is a choice; expected a scale or a number")
    if not drivers:
        raise table.refuse("drivers", "a model has at least one driver")
    if outcome in drivers:
        raise table.refuse("drivers", f"{outcome!r} is the outcome")
    if len(drivers) >= MODEL_COLUMNS_MAX:
        raise table.refuse("drivers", f"more than {MODEL_COLUMNS_MAX - 1} drivers")
    robust = table.flag("robust", False)
    if robust:
        limit = robust_limit([questions[one] for one in (outcome, *drivers)], weighted=False)
        if limit:
            raise table.refuse("robust", limit)
    leverage = table.flag("leverage", False)
    if leverage and (limit := leverage_limit([questions[one] for one in (outcome, *drivers)])):
        raise table.refuse("leverage", limit)
    intercept = table.flag("intercept", True)
    return Model(name, table.text("label", name), outcome, drivers, intercept, robust, leverage)


def robust_limit(questions: Sequence[Question], *, weighted: bool) -> str:
    """Say why fourth-order moments of these columns are not kept at all; "" where they can be.

    They stay exact in 128 bits, and are not too many.
    """
    if len(questions) > ROBUST_COLUMNS_MAX:
        return (
            f"{len(questions)} columns; fourth-order moments are kept of at most "
            f"{ROBUST_COLUMNS_MAX}, the outcome included"
        )
    most = WEIGHTED_ROBUST_STEPS_MAX if weighted else ROBUST_STEPS_MAX
    for one in questions:
        if one.levels - 1 > most:
            return (
                f"{one.name!r} has {one.levels - 1:,} steps; fourth-order moments are exact up to "
                f"{most:,}{' with a weight' if weighted else ''}: use a larger step or a smaller range"
            )
    return ""


def leverage_limit(questions: Sequence[Question]) -> str:
    """Say why combinations of answers to these columns are not kept at all; "" where they can be."""
    for one in questions:
        if one.levels - 1 > DISTINCT_STEPS_MAX:
            return (
                f"{one.name!r} has {one.levels - 1:,} steps; combinations of answers are kept up to "
                f"{DISTINCT_STEPS_MAX:,}: use a larger step or a smaller range"
            )
    return ""


def _views(top: _Table, dimensions: Mapping[str, Dimension]) -> tuple[tuple[str, ...], ...]:
    given = top.get("views")
    if given is None:
        return ()
    if not isinstance(given, list | tuple):
        raise top.refuse("views", "expected [[views]] tables")
    out = []
    for number, value in enumerate(given):
        table = _Table(value, f"views[{number}]")
        by = table.texts("by")
        for one in by:
            if one not in dimensions:
                raise table.refuse("by", f"no dimension {one!r}{nearest(one, dimensions)}")
        out.append(by)
        table.done()
    return tuple(out)


def _insights(top: _Table, questions: Mapping[str, Question]) -> tuple[str, ...]:
    usable = tuple(
        name
        for name, question in questions.items()
        if question.is_scale and question.levels <= INSIGHTS_LEVELS_MAX
    )
    if top.get("insights") is None:
        return usable if len(usable) <= INSIGHTS_DEFAULT_MAX else ()
    table = _Table(top.values["insights"], "insights")
    names = table.texts("questions")
    for name in names:
        _check_scale_question(table, "questions", name, questions)
        if name not in usable:
            raise table.refuse("questions", f"{name!r} has more than {INSIGHTS_LEVELS_MAX} values")
    table.done()
    return names


def _retention(top: _Table, time: TimeColumn | None) -> int | None:
    if top.get("retention") is None:
        return None
    table = _Table(top.values["retention"], "retention")
    months = table.whole("months")
    table.done()
    if months is None:
        raise table.refuse("months", "missing; expected a whole number of months")
    if not 1 <= months <= RETENTION_MONTHS_MAX:
        raise table.refuse("months", f"expected 1..{RETENTION_MONTHS_MAX}, got {months}")
    if time is None:
        raise _refuse("retention", "needs [time]: without it no response has a month")
    return months


def _check_columns(questions: Mapping[str, Question], dimensions: Mapping[str, Dimension]) -> None:
    owners: dict[str, str] = {}
    for question in questions.values():
        for column in question.columns:
            if column in owners:
                raise _refuse(
                    f"questions.{question.name}.column",
                    f"column {column!r} is already question {owners[column]!r}",
                )
            owners[column] = question.name
    _check_not_personal(
        {
            **{one.column: f"dimensions.{one.name}" for one in dimensions.values()},
            **{column: f"questions.{name}" for column, name in owners.items()},
        }
    )


def _check_not_personal(paths: Mapping[str, str]) -> None:
    for column, path in paths.items():
        if _FORBIDDEN.search(column):
            raise _refuse(
                path,
                f"column {column!r} looks like personal data (name, address, birth date, "
                "password, identity or card number), which has no place in a program",
            )


def _check_stored(program: Program) -> None:
    """Check that the history can have the columns: names it uses itself, keys in no other place."""
    uses = [
        *((f"questions.{one.name}", column)
          for one in program.questions.values() for column in one.columns),
        *((f"dimensions.{one.name}", one.column) for one in program.dimensions.values()),
        *([("time", program.time.column)] if program.time else []),
        *([("weight", program.weight.column)] if program.weight else []),
    ]  # fmt: skip
    for path, column in uses:
        if column == program.customer:
            raise _refuse(
                "customer",
                f"column {column!r} is also in {path}, where the customers' keys would be readable",
            )
    for path, column in [*uses, *([("customer", program.customer)] if program.customer else [])]:
        if column in _STORED or column.startswith("_level_"):
            raise _refuse(
                path, f"column {column!r} has a name that the history uses itself; rename it"
            )


def _check_weighted(program: Program) -> None:
    """Check that sums of weighted numbers stay exact in 128 bits."""
    for one in program.questions.values():
        if program.weight and one.is_number and one.high - one.low > WEIGHTED_NUMBER_STEPS_MAX:
            raise _refuse(
                f"questions.{one.name}.range",
                f"more than 2^40 steps of {float(one.step)} in a program with a weight; use a "
                "larger step or a smaller range",
            )
    for model in program.models.values():
        columns = [program.questions[name] for name in (model.outcome, *model.drivers)]
        if program.weight and model.robust and (limit := robust_limit(columns, weighted=True)):
            raise _refuse(f"models.{model.name}.robust", limit)


def _check_keys(program: Program) -> None:
    """Check that a view's group key fits 63 bits (see tally.keys)."""
    for by in [*program.views, *((name,) for name in program.dimensions)]:
        cells = 1
        for name in by:
            cells *= program.dimensions[name].max_levels + 1
        if cells > 2**38:
            raise _refuse(
                "views",
                f"{' x '.join(by)} could have {cells} groups; lower max_levels of its dimensions",
            )
