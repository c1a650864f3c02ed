"""Variances of least squares whose residuals vary unequally: A^-1 M A^-1 of many groups.

Pairs are those of [1, z_1..z_q], the last the outcome, row by row: (0,0), (0,1) .. (q,q).
See `cxstream.analytics.satterthwaite` for how many degrees of freedom these variances have.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from cxstream.kernels.lanes import (
    LANES,
    every,
    fused,
    load,
    room,
    root_of,
    size_of,
    store,
    where_above,
)
from cxstream.kernels.registry import helper, kernel, ro, rw

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]

_EPS = float(np.finfo(np.float64).eps)

_F8_1, _F8_2, _F8_3 = ro(types.float64), ro(types.float64, 2), ro(types.float64, 3)


@helper
def _root_inverse(matrix: _Floats, size: int, root: _Floats, inverse: _Floats) -> float:
    """Invert the Cholesky root of a matrix of ones on the diagonal; return the trace of its inverse.

    Not below infinity where there is no root.
    """
    for i in range(size):
        for j in range(i + 1):
            s = load(matrix, i * size + j)
            for c in range(j):
                s -= load(root, i * size + c) * load(root, j * size + c)
            if i > j:
                store(root, i * size + j, s / load(root, j * size + j))
            else:
                store(root, i * size + i, where_above(s, every(0.0), root_of(s), every(0.0)))
    trace = every(0.0)
    for j in range(size):
        s = 1.0 / load(root, j * size + j)
        store(inverse, j * size + j, s)
        trace += s * s
        for i in range(j + 1, size):
            s = every(0.0)
            for c in range(j, i):
                s -= load(root, i * size + c) * load(inverse, c * size + j)
            s = s / load(root, i * size + i)
            store(inverse, i * size + j, s)
            trace += s * s
    return trace  # type: ignore[no-any-return]


@helper
def _inverse_entry(turned: _Floats, size: int, i: int, j: int) -> float:
    """Return an entry of a matrix's inverse, by the inverse of its root; i not below j."""
    s = every(0.0)
    for c in range(i, size):
        s += load(turned, c * size + i) * load(turned, c * size + j)
    return s  # type: ignore[no-any-return]


@kernel(
    types.void(
        _F8_3,  # central
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
    central : float64, shape (b, u, LANES)
        Sums of products of four of [1, x - mean], each once, of `LANES` groups in each block.
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
    ones, zeros = every(1.0), every(0.0)
    products, means, form, n = room(q * q), room(k), room(q + 1), room(1)
    square, spread = room(pairs), room(q)
    matrix, root, turned = room(k * k), room(k * k), room(k * k)
    meat, most, bread = room(q * q), room(q * q), room(q * q)
    once, largest, covariance = room(q), room(q), room(q * q)
    found, tested, reliable = room(q), room(1), room(1)
    for block in range(len(central)):
        begin, start = block * LANES, block * central.shape[1]
        lanes = min(LANES, groups - begin)
        for z in range(LANES):
            g = begin + min(z, lanes - 1)
            n[0, z] = total[g]
            for i in range(q):
                for j in range(q):
                    products[i * q + j, z] = product[g, i, j]
            # Residuals as a form of [1, z].
            for i in range(k):
                means[i, z] = mean[g, i]
                form[1 + i, z] = -slope[g, i]
        store(form, q, ones)
        pair = with_constant
        for c in range(1, q + 1):
            for d in range(c, q + 1):
                twice = 1.0 if c == d else 2.0
                store(square, pair, twice * load(form, c) * load(form, d))
                pair += 1
        weight = load(n, 0)
        sound = where_above(weight, zeros, ones, zeros)
        store(spread, 0, ones)
        for i in range(k):
            own = load(products, i * q + i)
            sound = where_above(own, zeros, sound, zeros)
            store(spread, 1 + i, root_of(own / weight))
        # Sums of e^2 times pairs of [1, z], without the outcome, in standard deviations.
        pair = 0
        for a in range(q):
            for b in range(a, q):
                own, reach = zeros, zeros
                for by in range(with_constant, pairs):
                    term = load(central, start + places[pair, by]) * load(square, by)
                    own += term
                    reach += size_of(term)
                unit = load(spread, a) * load(spread, b)
                store(meat, a * q + b, own / unit)
                store(meat, b * q + a, own / unit)
                store(most, a * q + b, reach / unit)
                store(most, b * q + a, reach / unit)
                pair += 1
            pair += 1
        for i in range(k):
            for j in range(i + 1):
                unit = weight * load(spread, 1 + i) * load(spread, 1 + j)
                store(matrix, i * k + j, load(products, i * q + j) / unit)
        trace = 1.0 + _root_inverse(matrix, k, root, turned)
        sound = where_above(every(math.inf), trace, sound, zeros)
        # Rows: the coefficients by [1, z] in standard deviations; the constant's at all codes 0.
        store(bread, 0, 1.0 / weight)
        for j in range(k):
            store(bread, 1 + j, zeros)
        for i in range(k):
            store(bread, (1 + i) * q, zeros)
            for j in range(k):
                s = _inverse_entry(turned, k, max(i, j), min(i, j)) / (load(spread, 1 + i) * weight)
                store(bread, (1 + i) * q + 1 + j, s)
                store(bread, 1 + j, load(bread, 1 + j) - load(means, i) * s)
        for i in range(q):
            for b in range(q):
                s, t = zeros, zeros
                for a in range(q):
                    by_row = load(bread, i * q + a)
                    s += by_row * load(meat, a * q + b)
                    t += size_of(by_row) * load(most, a * q + b)
                store(once, b, s)
                store(largest, b, t)
            bound = zeros
            for b in range(q):
                bound += load(largest, b) * size_of(load(bread, i * q + b))
            for j in range(i + 1):
                s = zeros
                for b in range(q):
                    s += load(once, b) * load(bread, j * q + b)
                store(covariance, i * q + j, s)
            own = load(covariance, i * q + i)
            store(found, i, own)
            sound = where_above(own, zeros, sound, zeros)
            sound = where_above(rounding_max * own, _EPS * trace * bound, sound, zeros)
        for i in range(k):
            for j in range(i + 1):
                unit = root_of(load(found, 1 + i) * load(found, 1 + j))
                store(matrix, i * k + j, load(covariance, (1 + i) * q + 1 + j) / unit)
        # No eigenvalue is below 1 over the trace of the inverse.
        trace = singular * _root_inverse(matrix, k, root, turned)
        sound = where_above(trace, ones, zeros, where_above(every(math.inf), trace, sound, zeros))
        test = zeros
        for i in range(k):
            s = zeros
            for j in range(i + 1):
                s -= load(turned, i * k + j) * load(form, 1 + j) / root_of(load(found, 1 + j))
            test += s * s
        store(tested, 0, test)
        store(reliable, 0, sound)
        for z in range(lanes):
            sure[begin + z] = reliable[0, z] > 0.0
            wald[begin + z] = tested[0, z]
            for i in range(q):
                variance[begin + z, i] = found[i, z]


@kernel(
    types.void(
        _F8_3,  # central
        ro(types.int64, 2),  # places
        _F8_3,  # product
        _F8_1,  # total
        _F8_2,  # mean
        types.float64,  # least
        rw(types.float64, 2),  # df
        rw(types.float64, 2),  # lever
    )
)
def degrees_of_freedom(
    central: _Floats,
    places: _Integers,
    product: _Floats,
    total: _Floats,
    mean: _Floats,
    least: float,
    df: _Floats,
    lever: _Floats,
) -> None:
    """Find the degrees of freedom of every coefficient's variance, and its leverage.

    A response moves a coefficient by a, a form of x = [1, z]; a^2 is one of the pairs of x.

    Parameters
    ----------
    central, product, total, mean
        As in `sandwich`.
    places : int64, shape (q (q + 1) / 2, q (q + 1) / 2)
        As there, of the pairs without the outcome.
    least : float
        Where there is no variance of the variance, and at least.
    df : float64, shape (g, q), written
    lever : float64, shape (g, q), written
        l / q, as `cxstream.analytics.satterthwaite` calls them; 0 where there is no variance.
    """
    groups, q = product.shape[0], product.shape[1]
    k, pairs = q - 1, len(places)
    zeros = every(0.0)
    products, means, n, spread = room(k * k), room(k), room(1), room(k)
    matrix, root, turned = room(k * k), room(k * k), room(k * k)
    inverse, bread, own = room(q * q), room(q), room(q)
    # By pair, the forms side by side; a place for each of whole steps of four.
    line = (q + 3) // 4 * 4
    squares, flat = room(pairs * line), room((pairs + 1) * line)
    for at in range(pairs * line):
        store(squares, at, zeros)
    table, moved = room(q * q), room(q * q)
    free, share = room(q), room(q)
    for block in range(len(central)):
        begin, start = block * LANES, block * central.shape[1]
        lanes = min(LANES, groups - begin)
        for z in range(LANES):
            g = begin + min(z, lanes - 1)
            n[0, z] = total[g]
            for i in range(k):
                means[i, z] = mean[g, i]
                for j in range(k):
                    products[i * k + j, z] = product[g, i, j]
        for i in range(k):
            store(spread, i, root_of(load(products, i * k + i)))
        for i in range(k):
            for j in range(i + 1):
                unit = load(spread, i) * load(spread, j)
                store(matrix, i * k + j, load(products, i * k + j) / unit)
        trace = _root_inverse(matrix, k, root, turned) + 1.0 / load(n, 0)
        there = where_above(every(math.inf), trace, every(1.0), zeros)
        store(inverse, 0, 1.0 / load(n, 0))
        for i in range(k):
            store(inverse, 1 + i, zeros)
            store(inverse, (1 + i) * q, zeros)
            for j in range(i + 1):
                s = _inverse_entry(turned, k, i, j) / (load(spread, i) * load(spread, j))
                store(inverse, (1 + i) * q + 1 + j, s)
                store(inverse, (1 + j) * q + 1 + i, s)
        for row in range(q):
            # The constant is the outcome where all codes are 0.
            mine = load(inverse, row * q + row)
            for b in range(q):
                s = load(inverse, row * q + b)
                for i in range(k if row == 0 else 0):
                    s -= load(means, i) * load(inverse, (1 + i) * q + b)
                store(bread, b, s)
                if row == 0 and b > 0:
                    mine -= load(means, b - 1) * s
            store(own, row, mine)
            at = row
            for a in range(q):
                for b in range(a, q):
                    twice = 1.0 if a == b else 2.0
                    store(squares, at, twice * load(bread, a) * load(bread, b))
                    at += line
        # T: sums of w^2 a^2 and each pair of x; of two pairs at a time, the last perhaps twice.
        for first in range(0, line, 4):
            for pair in range(0, pairs, 2):
                upper, lower = places[pair], places[min(pair + 1, pairs - 1)]
                s0, s1, s2, s3 = zeros, zeros, zeros, zeros
                t0, t1, t2, t3 = zeros, zeros, zeros, zeros
                for by in range(pairs):
                    up, down = load(central, start + upper[by]), load(central, start + lower[by])
                    at = by * line + first
                    form = load(squares, at)
                    s0, t0 = fused(up, form, s0), fused(down, form, t0)
                    form = load(squares, at + 1)
                    s1, t1 = fused(up, form, s1), fused(down, form, t1)
                    form = load(squares, at + 2)
                    s2, t2 = fused(up, form, s2), fused(down, form, t2)
                    form = load(squares, at + 3)
                    s3, t3 = fused(up, form, s3), fused(down, form, t3)
                at = pair * line + first
                store(flat, at, s0)
                store(flat, at + 1, s1)
                store(flat, at + 2, s2)
                store(flat, at + 3, s3)
                store(flat, at + line, t0)
                store(flat, at + line + 1, t1)
                store(flat, at + line + 2, t2)
                store(flat, at + line + 3, t3)
        for row in range(q):
            bottom = zeros
            at = row
            for a in range(q):
                for b in range(a, q):
                    s = load(flat, at)
                    bottom = fused(load(squares, at), s, bottom)
                    store(table, a * q + b, s)
                    store(table, b * q + a, s)
                    at += line
            mine = load(own, row)
            part = where_above(mine, zeros, bottom / mine, zeros)
            for a in range(q):
                for b in range(q):
                    s = zeros
                    for c in range(q):
                        s = fused(load(inverse, a * q + c), load(table, c * q + b), s)
                    store(moved, a * q + b, s)
            level = zeros
            for a in range(q):
                level += load(moved, a * q + a)
                for b in range(q):
                    bottom = fused(load(moved, a * q + b), load(moved, b * q + a), bottom)
            bottom -= 2.0 * part * part
            found = (mine - level) * (mine - level) / bottom
            found = where_above(size_of(bottom), zeros, found, zeros)
            found = where_above(there, zeros, found, zeros)
            store(free, row, where_above(found, every(least), found, every(least)))
            store(share, row, where_above(there, zeros, level / mine, zeros))
        for z in range(lanes):
            for row in range(q):
                df[begin + z, row] = free[row, z]
                lever[begin + z, row] = share[row, z]
