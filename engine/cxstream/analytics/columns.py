"""Results of many groups as columns: an array per field instead of an object per group."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

P = ParamSpec("P")
K = TypeVar("K")

#: An array, texts, `Words`, one value for all, or `Columns`: of shape (g,), or (g, k) of what every group has k
#: of, and whatever broadcasts to it.
Column: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Words:
    """A column of texts, each one of a few: `which`, an array of int, says which of them."""

    words: tuple[str | None, ...]
    which: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """Results of one class, a column for each of its fields.

    Attributes
    ----------
    kind : type
        The dataclass that one result is.
    shape : (g,) or (g, k)
        How many there are: groups, or groups and how many each group has.
    fields : dict of str to Column
        By name of the field. What is None is NaN in an array of floats, masked in one of integers, and
        None in one of texts (of dtype object). A field that holds other results is `Columns`: of this
        shape, or with an axis more where it is a tuple of them.
    known : bool array of that shape, or None
        Where there is a result: elsewhere it is None, or missing from the tuple. None: everywhere.
    """

    kind: type
    shape: tuple[int, ...]
    fields: Mapping[str, Column]
    known: npt.NDArray[np.bool_] | None = None

    def rows(self) -> list[Any]:
        """Return a `kind`, or None, for every group; a tuple of them where each has several."""
        flat = self.each()
        if len(self.shape) == 1:
            return flat
        step = self.shape[1]
        if step == 0:
            return [()] * self.shape[0]
        return [
            tuple(one for one in flat[begin : begin + step] if one is not None)
            for begin in range(0, len(flat), step)
        ]

    def each(self) -> list[Any]:
        """Return a `kind`, or None, for every result, of whichever group."""
        given = [_listed(self.fields.get(one.name), self) for one in dataclasses.fields(self.kind)]
        made = [self.kind(*values) for values in zip(*given, strict=True)]
        if self.known is None:
            return made
        known = self.known.ravel().tolist()
        return [one if there else None for one, there in zip(made, known, strict=True)]


class Rows(Protocol):
    """Results of many groups that can be listed."""

    def rows(self) -> list[Any]:
        """Return the result of every group."""
        ...


def listed(made: Callable[P, Rows], kind: type[K]) -> Callable[P, list[K]]:
    """Return a function that gives as a list of results what another gives as columns.

    Parameters
    ----------
    made : function
    kind : type
        What one result is.
    """
    del kind  # told to who reads types

    @functools.wraps(made)
    def of(*args: P.args, **kwargs: P.kwargs) -> list[K]:
        return made(*args, **kwargs).rows()

    return of


def _listed(column: Column, owner: Columns) -> list[Any]:
    count = math.prod(owner.shape)
    if isinstance(column, Columns):
        return column.each() if column.shape == owner.shape else column.rows()
    if column is None or isinstance(column, str | float | int):
        return [column] * count
    if isinstance(column, Words):
        return [column.words[at] for at in column.which.ravel().tolist()]
    if isinstance(column, np.ma.MaskedArray):
        masked: list[Any] = column.ravel().tolist()
        return masked
    values = np.asarray(column, dtype=object if isinstance(column, list | tuple) else None)
    if values.shape != owner.shape:
        values = np.broadcast_to(values, owner.shape)
    flat: list[Any] = values.ravel().tolist()
    if values.dtype.kind == "f":
        return [None if value != value else value for value in flat]  # noqa: PLR0124
    return flat
