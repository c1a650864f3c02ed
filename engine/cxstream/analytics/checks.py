"""Checks on the integer sums handed to the analytics functions."""

from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def as_counts(values: npt.ArrayLike, name: str, ndim: int, width: int | None = None) -> Counts:
    """Give `values` as an int64 array of counts, or say what is wrong with them.

    Parameters
    ----------
    values : array_like of int
        Any integer array; a float array is refused, because a count that went through a float
        may no longer be exact.
    name : str
        What to call the array in the message.
    ndim : int
        Number of axes it must have.
    width : int, optional
        Length the last axis must have.

    Returns
    -------
    ndarray of int64
        The same numbers (not copied when they already are int64).

    Raises
    ------
    ValueError
        Wrong number of axes, wrong width, not integers, or a negative count.
    """
    array: npt.NDArray[Any] = np.asarray(values)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise ValueError(f"{name} must hold integers, not {array.dtype}")
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, not {array.ndim}")
    if width is not None and array.shape[-1] != width:
        raise ValueError(f"{name} must have {width} columns, not {array.shape[-1]}")
    counts = array.astype(np.int64, copy=False)
    if counts.size and int(counts.min()) < 0:
        raise ValueError(f"{name} holds a negative count")
    return counts


def where_any(n: Counts, values: Floats) -> Floats:
    """Give `values` where there are answers, NaN elsewhere.

    Parameters
    ----------
    n : ndarray of int64
        How many answers.
    values : ndarray of float64, same shape
    """
    return np.where(n > 0, values, np.nan)


def divide(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    """Divide elementwise; a zero denominator gives 0, which the caller must turn into None.

    Parameters
    ----------
    numerator, denominator : array_like
        Arrays that broadcast together.

    Returns
    -------
    ndarray of float64
        The quotients, with 0 where the denominator is 0.
    """
    top = np.asarray(numerator, dtype=np.float64)
    bottom = np.asarray(denominator, dtype=np.float64)
    result: Floats = np.zeros(np.broadcast(top, bottom).shape, dtype=np.float64)
    np.divide(top, bottom, out=result, where=bottom != 0)
    return result
