"""From exact sums of products to moments about the mean: whole numbers first, floats last."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Floats, divide
from cxstream.kernels.importance import centre, recentre, spread
from cxstream.kernels.lanes import LANES

#: Whole numbers up to it are float64, and int64.
_EXACT_MAX, _WHOLE_MAX = 2**53, 2**62

Table = npt.NDArray[Any]  # int64, or object with Python integers
_Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Second:
    """Means and centred products of some columns, by group, in units of the codes.

    Attributes
    ----------
    total : ndarray of float64, shape (g,)
        Responses, or with weights their sum.
    mean : ndarray of float64, shape (g, q)
        Of the codes; 0 where total is 0.
    product : ndarray of float64, shape (g, q, q)
        Sums of (x_i - mean_i)(x_j - mean_j).
    near : ndarray of int64 or object, shape (g, q)
        Whole numbers next to the means.
    rest : ndarray of float64, shape (g, q)
        mean - near.
    """

    total: Floats
    mean: Floats
    product: Floats
    near: Table
    rest: Floats


def table_of(values: npt.ArrayLike, name: str, width: int) -> Table:
    """Return sums as an array of int64 or of Python integers, or say what is wrong with them.

    Parameters
    ----------
    values : array_like of int, shape (g, width)
    name : str
        What to call it in the message.
    width : int
        Number of sums.

    Returns
    -------
    ndarray of int64 or object, shape (g, width)

    Raises
    ------
    ValueError
        Not integers, or of another shape.
    """
    table: Table = np.asarray(values)
    if table.dtype.kind not in "iuO":
        raise ValueError(f"{name} must hold integers, not {table.dtype}")
    if table.ndim != 2 or table.shape[1] != width:
        raise ValueError(f"{name} must have shape (groups, {width}), not {table.shape}")
    return table if table.dtype.kind == "O" else table.astype(np.int64, copy=False)


def second_width(columns: int) -> int:
    """Return how many sums [1, x_1..x_columns] has up to the second order."""
    return (columns + 1) * (columns + 2) // 2


def fourth_width(columns: int) -> int:
    """Return how many sums [1, x_1..x_columns] has up to the fourth order."""
    return second_width(columns) * (columns + 3) * (columns + 4) // 12


@lru_cache(maxsize=64)
def _second_places(columns: int, chosen: tuple[int, ...]) -> tuple[_Places, _Places]:
    """Return where the sums and the products of the chosen columns stand."""
    place = {
        pair: at for at, pair in enumerate(combinations_with_replacement(range(columns + 1), 2))
    }
    first = np.array([1 + j for j in chosen], dtype=np.intp)
    cross = [[place[min(i, j) + 1, max(i, j) + 1] for j in chosen] for i in chosen]
    return first, np.array(cross, dtype=np.intp).reshape(len(chosen), len(chosen))


@dataclass(frozen=True, slots=True)
class Fours:
    """How the fourth-order sums of some columns hang together; see `fours`.

    Attributes
    ----------
    pairs : int
        P = (q+1)(q+2)/2 pairs of [1, chosen columns]: the upper triangle, row by row.
    sums : ndarray of int, shape (u,)
        Which sums of the block are needed, each once.
    powers : ndarray of int, shape (q + 1,)
        Which of the block are those of 1 and of fourth powers.
    steps : ndarray of int64, shape (s, 3)
        What moves them to another origin: the target, the source and the variable of each step.
    places : ndarray of int64, shape (P, P)
        Which of them is the product of which two pairs.
    left, right : ndarray of int, shape (q (q + 1) / 2,)
        The pairs of chosen columns: the upper triangle, row by row.
    products, design : ndarray of int64
        `places` of 1 and these pairs, and those of the pairs of [1, chosen columns but the last].
    """

    pairs: int
    sums: _Places
    powers: _Places
    steps: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    left: _Places
    right: _Places
    products: npt.NDArray[np.int64]
    design: npt.NDArray[np.int64]


@lru_cache(maxsize=64)
def fours(columns: int, chosen: tuple[int, ...]) -> Fours:
    """Return how the fourth-order sums of the chosen columns hang together.

    To move x_i by m: of a product with k times x_i, m times the one with k - 1 of them is taken
    away, k times over, those with more of them first (a binomial by repeated steps).

    Parameters
    ----------
    columns : int
        Columns of the block.
    chosen : tuple of int
        Some of them, 0..columns-1.

    Returns
    -------
    Fours
    """
    every: dict[tuple[int, ...], int] = {
        four: at for at, four in enumerate(combinations_with_replacement(range(columns + 1), 4))
    }
    mine = list(combinations_with_replacement(range(len(chosen) + 1), 4))
    column = (0, *(1 + j for j in chosen))
    sums = [every[_ordered(column[v] for v in four)] for four in mine]
    place: dict[tuple[int, ...], int] = {four: at for at, four in enumerate(mine)}
    steps = []
    for variable in range(1, len(column)):
        with_it = sorted((-four.count(variable), four) for four in mine if variable in four)
        for round_ in range(4):
            for count, four in with_it:
                if -count > round_:
                    rest = list(four)
                    rest.remove(variable)
                    steps.append((place[four], place[_ordered((0, *rest))], variable))
    pairs = list(combinations_with_replacement(range(len(column)), 2))
    places = np.array(
        [[place[_ordered((*left, *right))] for right in pairs] for left in pairs], dtype=np.int64
    )
    products = [at for at, pair in enumerate(pairs) if pair[0] > 0 or pair[1] == 0]
    design = [at for at, pair in enumerate(pairs) if len(chosen) not in pair]
    return Fours(
        len(pairs),
        np.array(sums, dtype=np.intp),
        np.array([every[(j,) * 4] for j in column], dtype=np.intp),
        np.array(steps, dtype=np.int64).reshape(-1, 3),
        places,
        *np.triu_indices(len(chosen)),
        places[np.ix_(products, products)],
        places[np.ix_(design, design)],
    )


def _ordered(four: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(four))


@lru_cache(maxsize=64)
def _second_of_fourth(columns: int) -> _Places:
    fours = combinations_with_replacement(range(columns + 1), 4)
    return np.array([at for at, four in enumerate(fours) if four[:2] == (0, 0)], dtype=np.intp)


def second_of_fourth(fourth: Table, columns: int) -> Table:
    """Return the sums up to the second order that stand among those up to the fourth.

    Parameters
    ----------
    fourth : ndarray of int, shape (g, C(columns+4, 4))
    columns : int

    Returns
    -------
    ndarray of int, shape (g, (columns+1)(columns+2)/2)
    """
    sums: Table = fourth[:, _second_of_fourth(columns)]
    return sums


def second_order(sums: Table, columns: int, chosen: Sequence[int]) -> Second:
    """Centre the sums of products of some columns.

    The sums are moved to the whole number next to the mean exactly, in 64 bits that may wrap
    around on the way, or in Python integers; what is left of the mean, at most half a code, is
    taken away in floats and costs a bit at most.

    Parameters
    ----------
    sums : ndarray of int, shape (g, (columns+1)(columns+2)/2)
        Upper triangle of the products of [1, x_1..x_columns]; see `table_of`.
    columns : int
        How many there are.
    chosen : sequence of int
        Which are wanted, in which order.

    Returns
    -------
    Second
    """
    first, cross = _second_places(columns, tuple(chosen))
    n = sums[:, :1]
    total = n[:, 0].astype(np.float64)
    s, c = sums[:, first], sums[:, cross]
    whole = np.where(n == 0, 1, n)
    near = (2 * s + n) // (2 * whole) if sums.dtype.kind == "O" else _nearest(s, whole)
    moved = s - n * near
    across = near[:, :, None] * s[:, None, :]
    exact = c - across - across.transpose(0, 2, 1) + n[:, :, None] * _outer(near)
    rest = divide(moved.astype(np.float64), total[:, None])
    product = exact.astype(np.float64) - total[:, None, None] * _outer(rest)
    return Second(total, near.astype(np.float64) + rest, product, near, rest)


def _nearest(s: npt.NDArray[np.int64], n: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.rint(s / n).astype(np.int64)


def _outer(v: Table) -> Table:
    return v[:, :, None] * v[:, None, :]


def central_order(fourth: Table, second: Second, how: Fours) -> Floats:
    """Move fourth-order sums of some columns to their means.

    Parameters
    ----------
    fourth : ndarray of int, shape (g, C(columns+4, 4))
        Sums of products of four of [1, x_1..x_columns], in the order of
        ``itertools.combinations_with_replacement(range(columns + 1), 4)``; of codes, not below 0.
    second : Second
        Of the chosen columns, for the same groups.
    how : Fours
        Of the chosen columns.

    Returns
    -------
    ndarray of float64, shape (b, u, LANES)
        Sums of products of four of [1, x - mean], each once, of `LANES` groups in each block.
    """
    near, rest = _after_constant(second.near), _after_constant(second.rest)
    largest = _largest(fourth[:, how.powers], near)
    if fourth.dtype.kind != "O" and largest < _EXACT_MAX:
        table = np.ascontiguousarray(fourth)
        central = np.empty((-(-len(table) // LANES), len(how.sums), LANES))
        centre(table, how.sums, how.steps, near.astype(np.float64), rest, central)
        return central
    raw = fourth[:, how.sums].T
    if largest < _WHOLE_MAX:
        raw = np.ascontiguousarray(raw, dtype=np.int64)
        recentre(raw, how.steps, near.astype(np.int64))
    else:
        raw, near = raw.astype(object), near.astype(object)
        for target, source, variable in how.steps.tolist():
            raw[target] = raw[target] - near[variable] * raw[source]
    central = np.ascontiguousarray(raw, dtype=np.float64)
    recentre(central, how.steps, rest)
    room = -(-len(fourth) // LANES) * LANES
    blocks = np.zeros((len(how.sums), room))
    blocks[:, : len(fourth)] = central
    return np.ascontiguousarray(blocks.reshape(len(how.sums), -1, LANES).transpose(1, 0, 2))


def laid_out(central: Floats, how: Fours, groups: int) -> Floats:
    """Lay `central_order` of so many groups out as products of two pairs.

    Returns
    -------
    ndarray of float64, shape (g, P, P)
        Sums of products of two pairs of [1, x - mean].
    """
    table = np.empty((groups, *how.places.shape), dtype=np.float64)
    spread(central, how.places, table)
    return table


def _after_constant(by: Table) -> Table:
    """Return the origins, a row each, with 0 for the constant before them."""
    result = np.zeros((1 + by.shape[1], by.shape[0]), dtype=by.dtype)
    result[1:] = by.T
    return result


def _largest(powers: Table, near: Table) -> int:
    """Bound what comes up when sums of products of four are moved to another origin, step by step.

    Each is a sum of products of four, of x, x - m and m; so it is no larger than the largest of
    their fourth powers, and ``(x - m)^4 <= 8 (x^4 + m^4)``.
    """
    largest, origin, weight = (
        int(one.max(initial=0)) if one.dtype.kind != "O" else max(map(int, one.flat), default=0)
        for one in (powers, abs(near), powers[:, 0])
    )
    return 8 * (largest + origin**4 * weight)
