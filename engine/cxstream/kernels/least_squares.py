"""Least squares of many groups: sums of products to correctly rounded statistics, where provable.

Arithmetic is in double-doubles: unevaluated sums of two float64, some 31 digits (Dekker 1971; the
error bounds used here are those of Joldes, Muller and Popescu 2017, below 2^-103 for each
operation). The centred sums ``n S_ij - S_i S_j`` of whole numbers below 2^53 are exact in it.

With C the centred cross-products of the m columns [drivers, outcome] and R the same as
correlations, ``C = L D L'`` by Cholesky gives ``R + dR`` factored exactly, with ``|dR_ij|`` below
``4 (m + 1) 2^-103`` (Higham 2002, theorem 10.3). Let T be the trace of the inverse of R, a bound
of its norm. While T is moderate, no entry of an inverse of R, or of that of the drivers alone, is
off by more than

    E = 2^-96 m^3 T^2,

which leaves a margin of 8 for the inversion of L and the products after it. Every statistic's bound
follows from E. A statistic is taken only if its float64 is the same at both ends of its bound: then
it is the exact quotient of whole numbers, rounded once (Ziv's test). A group one of whose statistics
is not settled is left to whole numbers.

References
----------
Dekker, T. J. (1971), https://doi.org/10.1007/BF01397083
Joldes, M., Muller, J.-M., Popescu, V. (2017), https://doi.org/10.1145/3121432
Higham, N. J. (2002), Accuracy and Stability of Numerical Algorithms, 2nd ed., chapter 10
"""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from cxstream.kernels.lanes import (
    LANES,
    every,
    load,
    room,
    root_of,
    rounded_once,
    size_of,
    store,
    where_above,
)
from cxstream.kernels.registry import helper, kernel, ro, rw

_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]
#: A double-double, of eight groups.
_Pair = tuple[float, float]

_ERROR = 2.0**-96
#: Above it the bounds say too little; few groups would be settled.
_ERROR_MAX = 2.0**-60


@helper
def _two_sum(a: float, b: float) -> _Pair:
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@helper
def _two_product(a: float, b: float) -> _Pair:
    p = a * b
    return p, rounded_once(a, b, -p)


@helper
def _quick(a: float, b: float) -> _Pair:
    """Sum of two floats, the first of them the larger."""
    s = a + b
    return s, b - (s - a)


@helper
def _add(a: _Pair, b: _Pair) -> _Pair:
    s, e = _two_sum(a[0], b[0])
    t, f = _two_sum(a[1], b[1])
    s, e = _quick(s, e + t)
    return _quick(s, e + f)


@helper
def _minus(a: _Pair, b: _Pair) -> _Pair:
    return _add(a, (-b[0], -b[1]))


@helper
def _times(a: _Pair, b: _Pair) -> _Pair:
    p, e = _two_product(a[0], b[0])
    return _quick(p, e + (a[0] * b[1] + a[1] * b[0]))


@helper
def _over(a: _Pair, b: _Pair) -> _Pair:
    first = a[0] / b[0]
    rest = _minus(a, _times(b, (first, every(0.0))))
    second = rest[0] / b[0]
    rest = _minus(rest, _times(b, (second, every(0.0))))
    return _add(_quick(first, second), (rest[0] / b[0], every(0.0)))


@helper
def _whole(value: float) -> _Pair:
    """Return a whole number that is the same in all groups."""
    return every(value), every(0.0)


@helper
def _settled(done: float, value: _Pair, error: float) -> float:
    """Leave what is 1 at that where all numbers within a relative error round to the same float64."""
    nothing = every(0.0)
    reach = error * size_of(value[0])
    moved = size_of((value[0] + (value[1] + reach)) - value[0])
    moved += size_of((value[0] + (value[1] - reach)) - value[0])
    done = where_above(every(math.inf), reach, done, nothing)
    # Neither above 0 nor NaN.
    done = where_above(moved, every(-1.0), done, nothing)
    return where_above(moved, nothing, nothing, done)  # type: ignore[no-any-return]


@helper
def _of(table: _Floats, at: int) -> _Pair:
    return load(table, 2 * at), load(table, 2 * at + 1)


@helper
def _put(table: _Floats, at: int, value: _Pair) -> None:
    store(table, 2 * at, value[0])
    store(table, 2 * at + 1, value[1])


@helper
def _less(s: _Pair, left: _Floats, i: int, right: _Floats, j: int, first: int, last: int) -> _Pair:
    """Take products of parts of two rows, which begin at i and j, from a number."""
    for p in range(first, last):
        s = _minus(s, _times(_of(left, i + p), _of(right, j + p)))
    return s


@kernel(
    types.void(
        ro(types.int64, 2),  # sums
        ro(types.int64),  # cases
        ro(types.int64),  # shift
        ro(types.float64, 2),  # unit
        types.boolean,  # intercept
        rw(types.boolean),  # settled
        rw(types.float64, 2),  # coefficient
        rw(types.float64, 2),  # variance
        rw(types.float64, 2),  # beta_squared
        rw(types.float64, 2),  # vif
        rw(types.float64, 2),  # whole
    )
)
def least_squares(
    sums: _Ints,
    cases: _Ints,
    shift: _Ints,
    unit: _Floats,
    intercept: bool,
    settled: _Bools,
    coefficient: _Floats,
    variance: _Floats,
    beta_squared: _Floats,
    vif: _Floats,
    whole: _Floats,
) -> None:
    """Fit every group whose statistics can be proved correct to the last bit.

    Parameters
    ----------
    sums : int64, shape (g, 1 + m + m (m + 1) / 2)
        n, S_1..S_m, then S_11, S_12, .., S_mm, of codes: m - 1 drivers, then the outcome; weighted
        where responses are. With `shift` added nothing may pass 2^53.
    cases : int64, shape (g,)
        Responses: n, where they are not weighted.
    shift : int64, shape (m,)
        A value is ``step (shift + code)``.
    unit : float64, shape (m + 1, 2)
        Numerator and denominator, whole and below 2^26: of the outcome's step over each driver's,
        of the outcome's step itself, and of a weight's.
    intercept : bool
        Fit a constant; else sums are about zero.
    settled : bool, shape (g,), written
        Whether the group's statistics are there; where not, its rows mean nothing.
    coefficient, variance : float64, shape (g, m) or (g, m - 1), written
        The constant's first where there is one; squares of the standard errors.
    beta_squared, vif : float64, shape (g, m - 1), written
        Squares of the standardised coefficients, and variance inflation factors.
    whole : float64, shape (g, 5), written
        R2, adjusted R2, sigma squared, F, residual sum of squares.
    """
    groups = sums.shape[0]
    m = len(shift)
    k = m - 1
    first = 1 if intercept else 0
    numbers = 1 + m + m * (m + 1) // 2
    given, centres, free = room(numbers), room(m), room(1)
    # Cross-products; below the diagonal L and L D, on it 1 / D; the inverse of L, a column a row.
    c, low, scaled, inverse = room(2 * m * m), room(2 * m * m), room(2 * m * m), room(2 * m * m)
    made, flag = room(2 * (k + first) + 2 * k + 5), room(1)
    of_beta = 2 * (k + first)
    of_whole = of_beta + 2 * k
    zeros, ones = every(0.0), every(1.0)
    for begin in range(0, groups, LANES):
        lanes = min(LANES, groups - begin)
        for z in range(LANES):
            g = begin + min(z, lanes - 1)
            free[0, z] = float(cases[g] - k - first)
            for at in range(numbers):
                given[at, z] = float(sums[g, at])
            at = 1 + m
            for i in range(m):
                centres[i, z] = float(sums[g, 1 + i] + sums[g, 0] * shift[i])
                for j in range(i, m if not intercept else i):
                    given[at, z] = float(
                        sums[g, at]
                        + shift[i] * sums[g, 1 + j]
                        + shift[j] * sums[g, 1 + i]
                        + sums[g, 0] * shift[i] * shift[j]
                    )
                    at += 1
        df, n = load(free, 0), load(given, 0)
        done = where_above(df, zeros, ones, zeros)
        at = 1 + m
        for i in range(m):
            for j in range(i, m):
                if intercept:
                    left = _two_product(n, load(given, at))
                    right = _two_product(load(given, 1 + i), load(given, 1 + j))
                    _put(c, j * m + i, _minus(left, right))
                else:
                    _put(c, j * m + i, (load(given, at), zeros))
                at += 1

        # C = L D L', row by row; the last of D is n times the residual sum of squares, in steps.
        rest = _whole(0.0)
        for i in range(m):
            row = i * m
            for j in range(i):
                s = _less(_of(c, row + j), scaled, row, low, j * m, 0, j)
                _put(scaled, row + j, s)
                _put(low, row + j, _times(s, _of(low, j * m + j)))
            rest = _less(_of(c, row + i), scaled, row, low, row, 0, i)
            done = where_above(rest[0], zeros, done, zeros)
            _put(low, row + i, _over(_whole(1.0), rest))
        for j in range(m):
            _put(inverse, j * m + j, _whole(1.0))
            for i in range(j + 1, m):
                _put(inverse, j * m + i, _less(_whole(0.0), low, i * m, inverse, j * m, j, i))

        total = _of(c, k * m + k)
        explained = _whole(0.0)
        for p in range(k):
            explained = _add(explained, _times(_of(scaled, k * m + p), _of(low, k * m + p)))

        # Diagonals of the inverse of the drivers' part; then the trace that bounds the errors.
        trace = total[0] / rest[0]
        for i in range(k):
            s = _whole(0.0)
            for p in range(i, k):
                w = _of(inverse, i * m + p)
                s = _add(s, _times(_times(w, w), _of(low, p * m + p)))
            own = _of(c, i * m + i)
            s = _times(s, own)
            store(made, of_beta + k + i, s[0])
            # Kept where L D has nothing.
            _put(scaled, i * m + i, s)
            b = load(inverse, 2 * (i * m + k))
            trace += s[0] + b * b * own[0] / rest[0]
        error = (_ERROR * m * m * m) * trace * trace
        done = where_above(every(_ERROR_MAX), error, done, zeros)

        spread = _over(rest, (df, zeros))
        moved = (load(centres, k), zeros)  # the constant, times n
        moved_error = zeros
        for i in range(k):
            b = _of(inverse, i * m + k)
            b = (-b[0], -b[1])
            own = _of(c, i * m + i)
            square = _over(_times(_times(b, b), own), total)
            beta = root_of(square[0])
            b_error = 2.0 * error * (1.0 + 1.0 / beta)
            up, down = _whole(unit[i, 0]), _whole(unit[i, 1])
            value = _over(_times(b, up), down)
            store(made, first + i, value[0])
            done = _settled(done, value, b_error)
            store(made, of_beta + i, square[0])
            done = _settled(done, square, 2.0 * b_error)
            factor = _of(scaled, i * m + i)
            done = _settled(done, factor, 2.0 * error)
            value = _over(_times(spread, factor), own)
            value = _over(_times(_times(value, up), up), _times(down, down))
            store(made, first + k + first + i, value[0])
            done = _settled(done, value, 4.0 * error)
            if intercept:
                centre = load(centres, i)
                part = _times(b, (centre, zeros))
                moved = _minus(moved, part)
                # |b centre| = beta |centre| sqrt(C_yy / C_ii), and beta is off by 2 E (1 + beta).
                size = size_of(centre) * root_of(total[0] / own[0])
                moved_error += 2.0 * error * (1.0 + beta) * size
                moved_error += _ERROR * (size_of(part[0]) + size_of(moved[0]))
        up, down = _whole(unit[k, 0]), _whole(unit[k, 1])
        up_squared, down_squared = _times(up, up), _times(down, down)
        if intercept:
            value = _over(_times(moved, up), _times(down, (n, zeros)))
            store(made, 0, value[0])
            # Of nothing at all there is no relative error.
            done = _settled(done, value, moved_error / size_of(moved[0]) + error)
            # 1 + centre' C^-1 centre, by the inverse of L.
            leverage = _whole(1.0)
            size = zeros
            for p in range(k):
                s = _whole(0.0)
                for j in range(p + 1):
                    s = _add(s, _times(_of(inverse, j * m + p), (load(centres, j), zeros)))
                leverage = _add(leverage, _times(_times(s, s), _of(low, p * m + p)))
                size += size_of(load(centres, p)) / root_of(load(c, 2 * (p * m + p)))
            value = _over(_times(spread, leverage), _times((n, zeros), (n, zeros)))
            value = _over(_times(value, up_squared), down_squared)
            store(made, k + 1, value[0])
            done = _settled(done, value, 4.0 * error * (1.0 + size * size / leverage[0]))

        share = _over(explained, total)
        store(made, of_whole, share[0])
        share_error = 2.0 * error * (1.0 + 1.0 / share[0])
        share_error = where_above(share[0], zeros, share_error, every(math.inf))
        done = _settled(done, share, share_error)
        lost = _over(_times(spread, (df + float(k), zeros)), total)
        value = _minus(_whole(1.0), lost)
        store(made, of_whole + 1, value[0])
        done = _settled(done, value, 2.0 * error * (1.0 + lost[0] / size_of(value[0])))
        # Squared steps of the outcome, times what a step of a weight is.
        top = _times(up_squared, _whole(unit[m, 0]))
        bottom = _times(down_squared, _whole(unit[m, 1]))
        if intercept:
            bottom = _times(bottom, (n, zeros))
        value = _over(_times(spread, top), bottom)
        store(made, of_whole + 2, value[0])
        done = _settled(done, value, 2.0 * error)
        value = _over(_times(explained, (df, zeros)), _times(rest, _whole(float(k))))
        store(made, of_whole + 3, value[0])
        done = _settled(done, value, 2.0 * (share_error + error))
        value = _over(_times(rest, top), bottom)
        store(made, of_whole + 4, value[0])
        store(flag, 0, _settled(done, value, 2.0 * error))

        for z in range(lanes):
            g = begin + z
            settled[g] = flag[0, z] > 0.0
            for i in range(k + first):
                coefficient[g, i], variance[g, i] = made[i, z], made[k + first + i, z]
            for i in range(k):
                beta_squared[g, i], vif[g, i] = made[of_beta + i, z], made[of_beta + k + i, z]
            for at in range(5):
                whole[g, at] = made[of_whole + at, z]
