"""Variances of least squares whose residuals vary unequally: A^-1 M A^-1 of many groups.

Pairs are those of [1, z_1..z_q], the last the outcome, row by row: (0,0), (0,1) .. (q,q).
See `cxstream.analytics.satterthwaite` for how many degrees of freedom these variances have.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from cxstream.kernels.registry import helper, kernel, ro, rw

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]

#: Groups whose sums are gone through together, one in each lane of a vector.
_LANES = 16
_EPS = float(np.finfo(np.float64).eps)

_F8_1, _F8_2, _F8_3 = ro(types.float64), ro(types.float64, 2), ro(types.float64, 3)


@helper
def _root_inverse(matrix: _Floats, root: _Floats, inverse: _Floats) -> float:
    """Invert the Cholesky root of a matrix of ones on the diagonal; return the trace of its inverse.

    Infinite where there is no root.
    """
    size = len(matrix)
    for i in range(size):
        for j in range(i + 1):
            s = matrix[i, j]
            for c in range(j):
                s -= root[i, c] * root[j, c]
            if i > j:
                root[i, j] = s / root[j, j]
            elif s > 0.0:
                root[i, i] = math.sqrt(s)
            else:
                return math.inf
    trace = 0.0
    for j in range(size):
        inverse[j, j] = 1.0 / root[j, j]
        trace += inverse[j, j] * inverse[j, j]
        for i in range(j + 1, size):
            s = 0.0
            for c in range(j, i):
                s -= root[i, c] * inverse[c, j]
            inverse[i, j] = s / root[i, i]
            trace += inverse[i, j] * inverse[i, j]
    return trace


@kernel(
    types.void(
        _F8_2,  # central
        ro(types.int64, 2),  # places
        _F8_3,  # product
        _F8_1,  # total
        _F8_2,  # mean
        _F8_2,  # slope
        types.float64,  # rounding_max
        types.float64,  # singular
        rw(types.float64, 2),  # variance
        rw(types.float64),  # wald
        rw(types.boolean),  # sure
    )
)
def sandwich(
    central: _Floats,
    places: _Integers,
    product: _Floats,
    total: _Floats,
    mean: _Floats,
    slope: _Floats,
    rounding_max: float,
    singular: float,
    variance: _Floats,
    wald: _Floats,
    sure: _Bools,
) -> None:
    """Find variances of the coefficients with a constant, and bound what rounding did to them.

    About the means and in standard deviations A is the sum of weights beside the correlations R of
    the drivers. Every product after R is made once more of absolute values: what that comes to,
    against the result, is how much cancels. A rounding of R is enlarged by no more than the trace of
    its inverse.

    Parameters
    ----------
    central : float64, shape (u, g)
        Sums of products of four of [1, x - mean], each once; groups side by side.
    places : int64, shape (P, P)
        Which of them is the product of which two pairs.
    product : float64, shape (g, q, q)
        Centred products of the q - 1 drivers and the outcome.
    total : float64, shape (g,)
        Sum of weights.
    mean : float64, shape (g, q - 1)
        Of the drivers, where the constant is the outcome at 0.
    slope : float64, shape (g, q - 1)
        Coefficients of the drivers.
    rounding_max : float
        Largest share of a variance that rounding may make up.
    singular : float
        A Wald test is not made here where the coefficients' correlations may have an eigenvalue below
        this.
    variance : float64, shape (g, q), written
        The constant's first.
    wald : float64, shape (g,), written
        b' V^-1 b of the slopes.
    sure : bool, shape (g,), written
        Whether both are to be relied on; what is written elsewhere means nothing.
    """
    groups, q = product.shape[0], product.shape[1]
    k = q - 1
    # Those with the constant come first, and are no part of the squared residuals' form.
    with_constant, pairs = q + 1, (q + 1) * (q + 2) // 2
    form = np.empty((q + 1, _LANES))
    square, flat = np.empty((pairs, _LANES)), np.empty((pairs, _LANES))
    reach = np.empty((pairs, _LANES))
    matrix, root, turned = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    spread, largest = np.empty(q), np.empty(q)
    meat, most, bread = np.empty((q, q)), np.empty((q, q)), np.empty((q, q))
    once, covariance = np.empty((q, q)), np.empty((q, q))
    spread[0] = 1.0
    for begin in range(0, groups, _LANES):
        lanes = min(_LANES, groups - begin)
        # Residuals as a form of [1, z].
        for c in range(1, q + 1):
            for z in range(lanes):
                form[c, z] = -slope[begin + z, c - 1] if c < q else 1.0
        pair = with_constant
        for c in range(1, q + 1):
            for d in range(c, q + 1):
                twice = 1.0 if c == d else 2.0
                for z in range(lanes):
                    square[pair, z] = twice * form[c, z] * form[d, z]
                pair += 1
        # Sums of e^2 times pairs of [1, z], without the outcome.
        kept = 0
        for a in range(q):
            for _ in range(a, q):
                own, most_of = flat[kept], reach[kept]
                for z in range(_LANES):
                    own[z] = most_of[z] = 0.0
                for by in range(with_constant, pairs):
                    both = square[by]
                    moment = central[places[kept, by], begin : begin + lanes]
                    for z in range(lanes):
                        term = moment[z] * both[z]
                        own[z] += term
                        most_of[z] += abs(term)
                kept += 1
            kept += 1
        for z in range(lanes):
            g = begin + z
            sure[g] = False
            wald[g] = 0.0
            n = total[g]
            positive = n > 0.0
            variance[g, 0] = 0.0
            for i in range(1, q):
                variance[g, i] = bread[0, i] = bread[i, 0] = 0.0
                positive = positive and product[g, i - 1, i - 1] > 0.0
                if positive:
                    spread[i] = math.sqrt(product[g, i - 1, i - 1] / n)
            if not positive:
                continue
            for i in range(k):
                for j in range(i + 1):
                    matrix[i, j] = product[g, i, j] / (n * spread[1 + i] * spread[1 + j])
            trace = 1.0 + _root_inverse(matrix, root, turned)
            if not (trace < math.inf):
                continue
            # Rows: the coefficients by [1, z] in standard deviations; the constant's at all codes 0.
            bread[0, 0] = 1.0 / n
            for i in range(k):
                for j in range(k):
                    s = 0.0
                    for c in range(max(i, j), k):
                        s += turned[c, i] * turned[c, j]
                    s /= spread[1 + i] * n
                    bread[1 + i, 1 + j] = s
                    bread[0, 1 + j] -= mean[g, i] * s
            kept = 0
            for a in range(q):
                for b in range(a, q):
                    unit = spread[a] * spread[b]
                    meat[a, b] = meat[b, a] = flat[kept, z] / unit
                    most[a, b] = most[b, a] = reach[kept, z] / unit
                    kept += 1
                kept += 1
            reliable = True
            for i in range(q):
                for b in range(q):
                    once[i, b] = largest[b] = 0.0
                for a in range(q):
                    by = bread[i, a]
                    for b in range(q):
                        once[i, b] += by * meat[a, b]
                        largest[b] += abs(by) * most[a, b]
                bound = 0.0
                for b in range(q):
                    bound += largest[b] * abs(bread[i, b])
                for j in range(i + 1):
                    s = 0.0
                    for b in range(q):
                        s += once[i, b] * bread[j, b]
                    covariance[i, j] = s
                own_variance = covariance[i, i]
                variance[g, i] = own_variance
                reliable = reliable and own_variance > 0.0
                reliable = reliable and _EPS * trace * bound < rounding_max * own_variance
            if not reliable:
                continue
            for i in range(k):
                for j in range(i + 1):
                    matrix[i, j] = covariance[1 + i, 1 + j] / math.sqrt(
                        variance[g, 1 + i] * variance[g, 1 + j]
                    )
            # No eigenvalue is below 1 over the trace of the inverse.
            if not (singular * _root_inverse(matrix, root, turned) <= 1.0):
                continue
            for i in range(k):
                s = 0.0
                for j in range(i + 1):
                    s += turned[i, j] * slope[g, j] / math.sqrt(variance[g, 1 + j])
                wald[g] += s * s
            sure[g] = True


@kernel(
    types.void(
        _F8_3,  # product
        _F8_1,  # total
        _F8_2,  # mean
        rw(types.float64, 3),  # inverse
        rw(types.float64, 3),  # squares
        rw(types.float64, 2),  # own
    )
)
def coefficient_forms(
    product: _Floats,
    total: _Floats,
    mean: _Floats,
    inverse: _Floats,
    squares: _Floats,
    own: _Floats,
) -> None:
    """Say what each row does to each coefficient: a, a form of x = [1, z], and its square.

    Parameters
    ----------
    product, total, mean
        As in `sandwich`.
    inverse : float64, shape (g, q, q), written
        A^-1, of x; 0 where there is none.
    squares : float64, shape (g, q, q(q+1)/2), written
        a^2 as a form of the pairs of x, of each coefficient, the constant's first.
    own : float64, shape (g, q), written
        a A a'.
    """
    groups, q = product.shape[0], product.shape[1]
    k = q - 1
    matrix, root, turned = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    spread, bread = np.empty(k), np.empty(q)
    for g in range(groups):
        # By element: of arrays Numba compiles the text of an error, for seconds.
        for i in range(q):
            own[g, i] = 0.0
            for j in range(q):
                inverse[g, i, j] = 0.0
            for at in range(squares.shape[2]):
                squares[g, i, at] = 0.0
        positive = total[g] > 0.0
        for i in range(k):
            positive = positive and product[g, i, i] > 0.0
            if positive:
                spread[i] = math.sqrt(product[g, i, i])
        if not positive:
            continue
        for i in range(k):
            for j in range(i + 1):
                matrix[i, j] = product[g, i, j] / (spread[i] * spread[j])
        if not (_root_inverse(matrix, root, turned) < math.inf):
            continue
        inverse[g, 0, 0] = 1.0 / total[g]
        for i in range(k):
            for j in range(i + 1):
                s = 0.0
                for c in range(i, k):
                    s += turned[c, i] * turned[c, j]
                s /= spread[i] * spread[j]
                inverse[g, 1 + i, 1 + j] = inverse[g, 1 + j, 1 + i] = s
        for row in range(q):
            # The constant is the outcome where all codes are 0.
            for b in range(q):
                bread[b] = inverse[g, row, b]
            if row == 0:
                own[g, 0] = bread[0]
                for j in range(k):
                    for i in range(k):
                        bread[1 + j] -= mean[g, i] * inverse[g, 1 + i, 1 + j]
                    own[g, 0] -= mean[g, j] * bread[1 + j]
            else:
                own[g, row] = bread[row]
            at = 0
            for a in range(q):
                squares[g, row, at] = bread[a] * bread[a]
                twice = 2.0 * bread[a]
                for b in range(a + 1, q):
                    squares[g, row, at + b - a] = twice * bread[b]
                at += q - a


@kernel(
    types.void(
        _F8_3, _F8_3, _F8_3, _F8_2, types.float64, rw(types.float64, 2), rw(types.float64, 2)
    )
)
def degrees_of_freedom(
    inverse: _Floats, squares: _Floats, flat: _Floats, own: _Floats, least: float, df: _Floats,
    levers: _Floats,
) -> None:  # fmt: skip
    """Find the degrees of freedom of every coefficient's variance, and its leverage.

    Parameters
    ----------
    inverse, squares, own
        As of `coefficient_forms`.
    flat : float64, shape (g, q, q(q+1)/2)
        T: sums of w^2 a^2 and each pair of x.
    least : float
        Where there is no variance of the variance, and at least.
    df, levers : float64, shape (g, q), written
    """
    groups, q = own.shape
    # Of all coefficients side by side: [a, row * q + b].
    width = q * q
    table, moved = np.empty((q, width)), np.empty((q, width))
    four = np.empty(q)
    for g in range(groups):
        for row in range(q):
            s = 0.0
            at = 0
            for a in range(q):
                for b in range(a, q):
                    value = flat[g, row, at]
                    table[a, row * q + b] = table[b, row * q + a] = value
                    s += squares[g, row, at] * value
                    at += 1
            four[row] = s
        for a in range(q):
            for b in range(width):
                moved[a, b] = 0.0
            for c in range(q):
                by = inverse[g, a, c]
                for b in range(width):
                    moved[a, b] += by * table[c, b]
        for row in range(q):
            start = row * q
            lever = 0.0
            bottom = four[row]
            for a in range(q):
                lever += moved[a, start + a]
                bottom += moved[a, start + a] * moved[a, start + a]
                for b in range(a):
                    bottom += 2.0 * moved[a, start + b] * moved[b, start + a]
            levers[g, row] = lever
            mine = own[g, row]
            share = four[row] / mine if mine > 0.0 else 0.0
            bottom -= 2.0 * share * share
            free = (mine - lever) * (mine - lever) / bottom if bottom != 0.0 else 0.0
            df[g, row] = max(free, least)
