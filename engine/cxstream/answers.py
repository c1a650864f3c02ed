"""What the engine answers: plain rows with their groups, and the point of the stream they hold for."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from cxstream.analytics.columns import Columns

#: Told how many rows are read, and how many there are in all.
OnRows = Callable[[int, int], object]


def unheard(done: int, total: int) -> None:
    """Tell nobody."""
    del done, total


@dataclass(frozen=True, slots=True)
class GroupKey:
    """One coordinate of a group; `level` is None for responses that have none."""

    name: str
    level: str | None
    label: str


@dataclass(frozen=True, slots=True)
class AsOf:
    """The point of the stream up to which an answer is exact."""

    program: str
    program_version: int
    responses: int
    batches: int
    view: str


@dataclass(frozen=True, slots=True)
class Row:
    """The answer for one group.

    Attributes
    ----------
    group : tuple of GroupKey
    responses : int
        Responses of the group, whatever they answered.
    dropped : dict of str to int
        Answers not used, by reason.
    value : dataclass of cxstream.analytics
        The statistic.
    labels : sequence of (str, str)
        Codes and texts of the value's parts (levels, options, terms), where it has any.
    weights : cxstream.analytics.survey.Weights or None
        What the weights come to, of a weighted answer.
    """

    group: tuple[GroupKey, ...]
    responses: int
    dropped: Mapping[str, int]
    value: Any
    labels: tuple[tuple[str, str], ...] = ()
    weights: Any = None


class GroupKeys(Sequence[tuple[GroupKey, ...]]):
    """The coordinates of groups; those of each are made when they are looked at.

    Parameters
    ----------
    groups : sequence of tuple
        Coordinates as a slice has them.
    key_of : function of (place, coordinate)
        What people read for a coordinate that stands at that place.
    """

    def __init__(
        self, groups: Sequence[tuple[Any, ...]], key_of: Callable[[int, Any], GroupKey]
    ) -> None:
        self._groups = groups
        self._key_of = key_of

    @functools.cached_property
    def columns(self) -> list[tuple[list[GroupKey], NDArray[np.int64]]]:
        """By place: the keys there are, and which of them each group has."""
        made = []
        for place, coordinates in enumerate(zip(*self._groups, strict=True)):
            number: dict[Any, int] = {}
            which = [number.setdefault(one, len(number)) for one in coordinates]
            made.append(([self._key_of(place, one) for one in number], np.array(which)))
        return made

    @functools.cached_property
    def _keys(self) -> list[tuple[GroupKey, ...]]:
        if not self.columns:
            return [()] * len(self._groups)
        named = ([keys[one] for one in which.tolist()] for keys, which in self.columns)
        return list(zip(*named, strict=True))

    def __len__(self) -> int:
        return len(self._groups)

    @overload
    def __getitem__(self, position: int) -> tuple[GroupKey, ...]: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[tuple[GroupKey, ...]]: ...
    def __getitem__(
        self, position: int | slice
    ) -> tuple[GroupKey, ...] | Sequence[tuple[GroupKey, ...]]:
        return self._keys[position]


class ColumnRows(Sequence[Row]):
    """Rows whose values are columns; each is made when it is looked at.

    Attributes
    ----------
    keys : GroupKeys
    responses : int array, shape (g,)
    reasons : dict of str to int array, shape (g,)
        Answers not used, by reason.
    values : cxstream.analytics.columns.Columns
        Of shape (g,).
    labels : sequence of (str, str)
        As in `Row`.
    """

    def __init__(
        self,
        keys: GroupKeys,
        responses: NDArray[np.int64],
        reasons: Mapping[str, NDArray[np.int64]],
        values: Columns,
        labels: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.keys = keys
        self.responses = responses
        self.reasons = reasons
        self.values = values
        self.labels = labels

    @functools.cached_property
    def _rows(self) -> list[Row]:
        lost = zip(*(one.tolist() for one in self.reasons.values()), strict=True)
        counts = lost if self.reasons else [()] * len(self)
        return [
            Row(
                group,
                responses,
                {reason: lost for reason, lost in zip(self.reasons, own, strict=True) if lost},
                value,
                self.labels,
            )
            for group, responses, own, value in zip(
                self.keys, self.responses.tolist(), counts, self.values.rows(), strict=True
            )
        ]

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, position: int) -> Row: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Row]: ...
    def __getitem__(self, position: int | slice) -> Row | Sequence[Row]:
        return self._rows[position]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._rows == list(other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Margin:
    """Targets for the levels of a dimension, or of a combination of dimensions.

    Attributes
    ----------
    dimensions : tuple of str
    targets : tuple of (levels, target)
        A level per dimension, None for responses that have none. Only the targets' proportions
        count.
    """

    dimensions: tuple[str, ...]
    targets: tuple[tuple[tuple[str | None, ...], float], ...]

    @property
    def name(self) -> str:
        """Return the dimensions joined by " x "."""
        return " x ".join(self.dimensions)


@dataclass(frozen=True, slots=True)
class Weighting:
    """How responses count.

    Attributes
    ----------
    declared : bool
        With the program's survey weight; else each as one.
    rake : tuple of Margin
        Margins that the weights are then fitted to.
    bounds : (lower, upper) or None
        Of the factors that do it.
    """

    declared: bool = False
    rake: tuple[Margin, ...] = ()
    bounds: tuple[float, float] | None = None

    @property
    def text(self) -> str:
        """Return ``declared``, ``raked`` or ``declared, raked``."""
        return ", ".join(["declared"] * self.declared + ["raked"] * bool(self.rake))


@dataclass(frozen=True, slots=True)
class Answer:
    """All groups of one question to the engine.

    Attributes
    ----------
    as_of : AsOf
    rows : sequence of Row
    outcome : str
        The question explained, where there is one.
    digest : str
        Of the sums it was made from (`cxstream.tally.digest_of`).
    whole : dataclass of cxstream.analytics, or None
        What the rows are parts of, where they are.
    """

    as_of: AsOf
    rows: Sequence[Row]
    outcome: str = ""
    digest: str = ""
    weighting: str = ""
    raking: Any = None
    whole: Any = None

    def weighed(
        self, weighting: Weighting | None, weights: Iterable[Any], raking: Any = None
    ) -> Answer:
        """Return it with what the weights of every row come to; as it is without a weighting."""
        if weighting is None:
            return self
        rows = [
            dataclasses.replace(row, weights=one)
            for row, one in zip(self.rows, weights, strict=True)
        ]
        return dataclasses.replace(self, rows=rows, weighting=weighting.text, raking=raking)


@dataclass(frozen=True, slots=True)
class Query:
    """Which responses of which program, and how they are grouped.

    Attributes
    ----------
    program : str
    by : tuple of str
        Dimensions and at most one time bucket.
    where : dict of str to set of (str or None)
        Levels kept, by dimension; None keeps responses without a level.
    since, until : str
        ISO 8601 edges of the stored time bucket, "" for none: since <= response < until.
    confidence : float
        Level of all intervals.
    weighting : Weighting or None
        How responses count; each as one where None.
    on_rows : function of (done, all)
        Called while stored responses are counted for it, and with (0, 0) before and while it waits
        for something else; what it raises ends the query.
    """

    program: str
    by: tuple[str, ...] = ()
    where: Mapping[str, frozenset[str | None]] = field(default_factory=dict)
    since: str = ""
    until: str = ""
    confidence: float = 0.95
    weighting: Weighting | None = None
    on_rows: OnRows = field(default=unheard, compare=False, repr=False)
