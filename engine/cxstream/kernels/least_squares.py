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
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from cxstream.kernels.registry import helper, kernel, ro, rw

_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]
#: A double-double.
_Pair = tuple[float, float]

_ERROR = 2.0**-96
#: Above it the bounds say too little; few groups would be settled.
_ERROR_MAX = 2.0**-60


@helper
def _two_sum(a: float, b: float) -> _Pair:
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _of_fused(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Say how ``a * b + c`` is found, rounded once: by the C library where the processor cannot."""
    del typing, a, b, c

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


_fused: Any = intrinsic(_of_fused)


@helper
def _two_product(a: float, b: float) -> _Pair:
    p = a * b
    return p, _fused(a, b, -p)


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
    rest = _minus(a, _times(b, (first, 0.0)))
    second = rest[0] / b[0]
    rest = _minus(rest, _times(b, (second, 0.0)))
    return _add(_quick(first, second), (rest[0] / b[0], 0.0))


@helper
def _settled(value: _Pair, error: float) -> bool:
    """Whether all numbers within a relative error round to the same float64."""
    room = error * abs(value[0])
    return (
        room < math.inf
        and value[0] + (value[1] + room) == value[0]
        and value[0] + (value[1] - room) == value[0]
    )


@helper
def _of(table: _Floats, i: int, j: int) -> _Pair:
    return table[i, j, 0], table[i, j, 1]


@helper
def _put(table: _Floats, i: int, j: int, value: _Pair) -> None:
    table[i, j, 0], table[i, j, 1] = value


@helper
def _less(
    s: _Pair, left: _Floats, i: int, right: _Floats, j: int, first: int, last: int
) -> _Pair:  # fmt: skip
    """Take products of parts of two rows from a number."""
    for p in range(first, last):
        s = _minus(s, _times(_of(left, i, p), _of(right, j, p)))
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
    # Cross-products; below the diagonal L and L D, on it 1 / D; the inverse of L, a column a row.
    c = np.empty((m, m, 2))
    low = np.empty((m, m, 2))
    scaled = np.empty((m, m, 2))
    inverse = np.empty((m, m, 2))
    for g in range(groups):
        settled[g] = False
        count = sums[g, 0]
        df = cases[g] - k - first
        if df < 1:
            continue
        n = float(count)
        at = 1 + m
        for i in range(m):
            for j in range(i, m):
                if intercept:
                    left = _two_product(n, float(sums[g, at]))
                    right = _two_product(float(sums[g, 1 + i]), float(sums[g, 1 + j]))
                    _put(c, j, i, _minus(left, right))
                else:
                    raw = (
                        sums[g, at]
                        + shift[i] * sums[g, 1 + j]
                        + shift[j] * sums[g, 1 + i]
                        + count * shift[i] * shift[j]
                    )
                    _put(c, j, i, (float(raw), 0.0))
                at += 1

        # C = L D L', row by row; the last of D is n times the residual sum of squares, in steps.
        positive = True
        rest = (0.0, 0.0)
        for i in range(m):
            for j in range(i):
                s = _less(_of(c, i, j), scaled, i, low, j, 0, j)
                _put(scaled, i, j, s)
                _put(low, i, j, _times(s, _of(low, j, j)))
            rest = _less(_of(c, i, i), scaled, i, low, i, 0, i)
            if not (rest[0] > 0.0):
                positive = False
                break
            _put(low, i, i, _over((1.0, 0.0), rest))
        if not positive:
            continue
        for j in range(m):
            _put(inverse, j, j, (1.0, 0.0))
            for i in range(j + 1, m):
                _put(inverse, j, i, _less((0.0, 0.0), low, i, inverse, j, j, i))

        total = _of(c, k, k)
        explained = (0.0, 0.0)
        for p in range(k):
            explained = _add(explained, _times(_of(scaled, k, p), _of(low, k, p)))

        # Diagonals of the inverse of the drivers' part; then the trace that bounds the errors.
        trace = total[0] / rest[0]
        for i in range(k):
            s = (0.0, 0.0)
            for p in range(i, k):
                w = _of(inverse, i, p)
                s = _add(s, _times(_times(w, w), _of(low, p, p)))
            s = _times(s, _of(c, i, i))
            vif[g, i] = s[0]
            # Kept where L D has nothing.
            _put(scaled, i, i, s)
            b = inverse[i, k, 0]
            trace += s[0] + b * b * c[i, i, 0] / rest[0]
        error = _ERROR * m * m * m * trace * trace
        if not (error < _ERROR_MAX):
            continue

        done = True
        free = float(df)
        spread = _over(rest, (free, 0.0))
        moved = (float(sums[g, 1 + k] + count * shift[k]), 0.0)  # the constant, times n
        moved_error = 0.0
        for i in range(k):
            b = (-inverse[i, k, 0], -inverse[i, k, 1])
            own = _of(c, i, i)
            square = _over(_times(_times(b, b), own), total)
            beta = math.sqrt(square[0])
            b_error = 2.0 * error * (1.0 + 1.0 / beta) if beta > 0.0 else math.inf
            up, down = (unit[i, 0], 0.0), (unit[i, 1], 0.0)
            value = _over(_times(b, up), down)
            coefficient[g, first + i] = value[0]
            done = done and _settled(value, b_error)
            beta_squared[g, i] = square[0]
            done = done and _settled(square, 2.0 * b_error)
            factor = _of(scaled, i, i)
            done = done and _settled(factor, 2.0 * error)
            value = _over(_times(spread, factor), own)
            value = _over(_times(_times(value, up), up), _times(down, down))
            variance[g, first + i] = value[0]
            done = done and _settled(value, 4.0 * error)
            if intercept:
                centre = float(sums[g, 1 + i] + count * shift[i])
                part = _times(b, (centre, 0.0))
                moved = _minus(moved, part)
                # |b centre| = beta |centre| sqrt(C_yy / C_ii), and beta is off by 2 E (1 + beta).
                size = abs(centre) * math.sqrt(total[0] / own[0])
                moved_error += 2.0 * error * (1.0 + beta) * size
                moved_error += _ERROR * (abs(part[0]) + abs(moved[0]))
        up, down = (unit[k, 0], 0.0), (unit[k, 1], 0.0)
        up_squared, down_squared = _times(up, up), _times(down, down)
        if intercept:
            value = _over(_times(moved, up), _times(down, (n, 0.0)))
            coefficient[g, 0] = value[0]
            if moved[0] == 0.0:
                continue
            done = done and _settled(value, moved_error / abs(moved[0]) + error)
            # 1 + centre' C^-1 centre, by the inverse of L.
            leverage = (1.0, 0.0)
            size = 0.0
            for p in range(k):
                s = (0.0, 0.0)
                for j in range(p + 1):
                    centre = float(sums[g, 1 + j] + count * shift[j])
                    s = _add(s, _times(_of(inverse, j, p), (centre, 0.0)))
                leverage = _add(leverage, _times(_times(s, s), _of(low, p, p)))
                centre = float(sums[g, 1 + p] + count * shift[p])
                size += abs(centre) / math.sqrt(c[p, p, 0])
            value = _over(_times(spread, leverage), _times((n, 0.0), (n, 0.0)))
            value = _over(_times(value, up_squared), down_squared)
            variance[g, 0] = value[0]
            done = done and _settled(value, 4.0 * error * (1.0 + size * size / leverage[0]))
        if not done:
            continue

        share = _over(explained, total)
        whole[g, 0] = share[0]
        share_error = 2.0 * error * (1.0 + 1.0 / share[0]) if share[0] > 0.0 else math.inf
        done = _settled(share, share_error)
        lost = _over(_times(spread, (float(cases[g] - first), 0.0)), total)
        value = _minus((1.0, 0.0), lost)
        whole[g, 1] = value[0]
        if value[0] == 0.0:
            continue
        done = done and _settled(value, 2.0 * error * (1.0 + lost[0] / abs(value[0])))
        # Squared steps of the outcome, times what a step of a weight is.
        top = _times(up_squared, (unit[m, 0], 0.0))
        bottom = _times(down_squared, (unit[m, 1], 0.0))
        if intercept:
            bottom = _times(bottom, (n, 0.0))
        value = _over(_times(spread, top), bottom)
        whole[g, 2] = value[0]
        done = done and _settled(value, 2.0 * error)
        value = _over(_times(explained, (free, 0.0)), _times(rest, (float(k), 0.0)))
        whole[g, 3] = value[0]
        done = done and _settled(value, 2.0 * (share_error + error))
        value = _over(_times(rest, top), bottom)
        whole[g, 4] = value[0]
        settled[g] = done and _settled(value, 2.0 * error)
