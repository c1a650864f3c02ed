"""Importance of drivers: correlations to Shapley shares, moments about zero to moments about means.

Pairs below are the upper triangle of a symmetric matrix, row by row: (0,0), (0,1) .. (0,m-1),
(1,1) .. (m-1,m-1).
"""

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
_Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]


#: Forms that are multiplied with a moment together.
_FORMS = 8
#: Entries beside the diagonal up to it move no eigenvalue, of entries of 1.
_ROTATED_MIN = 2.0**-60

_I8_2 = ro(types.int64, 2)
_F8_2, _F8_3 = ro(types.float64, 2), ro(types.float64, 3)


@helper
def _fold(forms: _Floats, own: int, above: int, steps: _Floats, step: int, last: int) -> None:
    """Add a subtree's form, of the columns before `last`, to that of the tree it hangs from.

    There u has one part more, of `last` itself: that of the others times `steps`, taken away.
    """
    end = above + last * (last + 1) // 2
    at = own
    corner = every(0.0)
    for k in range(last):
        turned = every(0.0)
        for m in range(k + 1):
            part = load(forms, at + m)
            turned += part * load(steps, step + m)
            store(forms, above, load(forms, above) + part)
            above += 1
        at += k + 1
        down = at + k
        for m in range(k + 1, last):
            turned += load(forms, down) * load(steps, step + m)
            down += m + 1
        store(forms, end + k, -turned)
        corner += turned * load(steps, step + k)
    store(forms, end + last, corner)


@kernel(
    types.void(
        _F8_3,  # correlation
        types.float64,  # tolerance
        rw(types.float64, 2),  # share
        rw(types.float64, 3),  # gradient
    )
)
def shapley(correlation: _Floats, tolerance: float, share: _Floats, gradient: _Floats) -> None:
    """Give every driver its mean increase of R2 over all orders of entry (LMG, Shapley).

    With v(S) the variance of the outcome left by the drivers S, and s the size of S,
    share_j = -sum_S c_j(S) v(S), where c_j(S) = -w_s + [j in S] (w_(s-1) + w_s) and
    w_s = s! (p-1-s)! / p!. If u is the residual's linear form, 1 for the outcome and -b_S for the
    drivers, then v = u'Ru, and dv = u' dR u because u minimises it. So the slopes of share_j are
    the sums of u u' with the same weights: exact.

    Columns have numbers from the end: 0 the outcome, 1 the last driver. The subsets are walked depth
    first, adding one driver at a time to those with a higher number; that is a step of elimination,
    which leaves covariances of the columns with a lower number. The last driver is added beside each set
    without it, a walk less. A subtree's sums of u u', of all its sets and of those with each driver still
    to come, are kept for these columns only. They become those of the tree it hangs from by the step
    taken back, which they have in common: half of all subtrees have two such columns, a quarter three.

    Parameters
    ----------
    correlation : float64, shape (g, p+1, p+1)
        Of the drivers, and last the outcome.
    tolerance : float
        A driver of which the others in a set leave less variance than this adds nothing.
    share : float64, shape (g, p), written
    gradient : float64, shape (g, p, (p+1)(p+2)/2) or (g, 0, 0), written
        Slopes of each share in the variances and (once for both sides) covariances of the
        standardised drivers and outcome, pairs as in the module docstring. Not found where the
        width is 0.
    """
    groups, width = correlation.shape[0], correlation.shape[1]
    p = width - 1
    wanted = gradient.shape[1] > 0
    # weight[s]: of sets of s drivers on those outside; weight[p] and weight[-1] are 0.
    weight = np.empty(p + 2)
    weight[0] = 1.0 / p
    for s in range(1, p):
        weight[s] = weight[s - 1] * s / (p - s)
    weight[p] = weight[p + 1] = 0.0
    # Symmetric matrices are lower triangles, row by row: those of the first columns begin them.
    pairs = width * (width + 1) // 2
    left, steps = room(p * pairs), room(p * width)
    # By depth: the form of all sets, then those of the sets with column 1, 2 ..
    start, size = np.empty(p + 1, np.int64), np.empty(p, np.int64)
    start[0] = 0
    for depth in range(p):
        size[depth] = (width - depth) * (width - depth + 1) // 2 if wanted else 0
        start[depth + 1] = start[depth] + (width - depth) * size[depth]
    forms, value, found = room(start[p]), room(p), room(width)
    whole, out = room(width), room(p * pairs if wanted else 0)
    member, child = np.empty(p, np.int64), np.empty(p, np.int64)
    nothing, least = every(0.0), every(tolerance)
    for begin in range(0, groups, LANES):
        lanes = min(LANES, groups - begin)
        for z in range(LANES):
            g = begin + min(z, lanes - 1)
            at = 0
            for a in range(width):
                for b in range(a + 1):
                    left[at, z] = correlation[g, p - a, p - b]
                    at += 1
        for j in range(width):
            store(found, j, nothing)
        depth = 0
        # Nobody, before whom all come.
        member[0] = width
        arrived = True
        while depth >= 0:
            here = depth * pairs
            if arrived:
                # The set, and beside it the same with the last driver: half of all sets have it.
                arrived = False
                child[depth] = 2
                alone, both = weight[depth - 1] + weight[depth], weight[depth] + weight[depth + 1]
                cross, pivot = load(left, here + 1), load(left, here + 2)
                factor = where_above(pivot, least, cross / pivot, nothing)
                rest = both * (load(left, here) - factor * cross)
                store(value, depth, alone * load(left, here) + rest)
                store(found, 1, load(found, 1) + rest)
                if wanted:
                    at = start[depth]
                    by = at + size[depth]
                    store(forms, at, every(alone + both))
                    store(forms, by, every(both))
                    slope = both * factor
                    store(forms, at + 1, -slope)
                    store(forms, by + 1, -slope)
                    store(forms, at + 2, slope * factor)
                    store(forms, by + 2, slope * factor)
            j = child[depth]
            last = member[depth]
            if j >= last:
                # All sets that begin like this one are done.
                depth -= 1
                if depth >= 0:
                    own = load(value, depth + 1)
                    store(found, last, load(found, last) + own)
                    store(value, depth, load(value, depth) + own)
                for s in range(last if wanted and depth >= 0 else 0):
                    at = start[depth + 1] + s * size[depth + 1]
                    above = start[depth] + s * size[depth]
                    _fold(forms, at, above, steps, (depth + 1) * width, last)
                    if s == 0:
                        # Those with the driver are all sets of the subtree.
                        by = above + last * size[depth]
                        kept = last * (last + 1) // 2
                        for t in range(kept):
                            store(forms, by + t, load(forms, at + t))
                        for t in range(kept, kept + last + 1):
                            store(forms, by + t, load(forms, above + t))
                continue
            child[depth] += 1
            depth += 1
            member[depth] = j
            arrived = True
            row = here + j * (j + 1) // 2
            pivot = load(left, row + j)
            scale = where_above(pivot, least, 1.0 / pivot, nothing)
            at = here
            for k in range(j):
                step = load(left, row + k) * scale
                store(steps, depth * width + k, step)
                for m in range(k + 1):
                    store(left, at + pairs, load(left, at) - step * load(left, row + m))
                    at += 1
        # The last set that was met has all drivers: its steps taken back give u.
        at = (p - 1) * pairs
        cross, pivot = load(left, at + 1), load(left, at + 2)
        factor = where_above(pivot, least, cross / pivot, nothing)
        full = load(left, at) - factor * cross
        store(whole, 0, every(1.0))
        store(whole, 1, -factor)
        for j in range(2, width):
            s = nothing
            for k in range(j):
                s -= load(steps, (width - j) * width + k) * load(whole, k)
            store(whole, j, s)
        # found[j] now is the sum of (w_(s-1) + w_s) v over the sets with j. Since
        # s (w_(s-1) + w_s) = p w_s below s = p, and 1 there, those sums make up the sum of
        # w_s v over all sets.
        total = -full
        for j in range(1, width):
            total += load(found, j)
        total = total / float(p) + weight[0] * load(left, 0)
        for j in range(1, width):
            store(found, j, total - load(found, j))
        for z in range(lanes):
            for j in range(p):
                share[begin + z, j] = found[p - j, z]
        if not wanted:
            continue
        at = 0
        for a in range(width):
            for b in range(a, width):
                place = (p - a) * (p - a + 1) // 2 + p - b
                total = -load(whole, p - a) * load(whole, p - b)
                for j in range(1, width):
                    total += load(forms, j * pairs + place)
                total = total / float(p)
                if a == p:
                    total += weight[0]
                for j in range(p):
                    slope = total - load(forms, (p - j) * pairs + place)
                    if a != b:
                        slope = 2.0 * slope
                    elif a == p:  # A share is of the outcome's variance.
                        slope -= load(found, p - j)
                    store(out, j * pairs + at, slope)
                at += 1
        for z in range(lanes):
            for j in range(p):
                for t in range(pairs):
                    gradient[begin + z, j, t] = out[j * pairs + t, z]


@kernel(types.void(_F8_3, rw(types.float64, 2), rw(types.float64, 3)))
def eigenvectors(matrix: _Floats, values: _Floats, vectors: _Floats) -> None:
    """Find eigenvalues and eigenvectors of symmetric matrices, in any order, by Jacobi's rotations.

    Parameters
    ----------
    matrix : float64, shape (g, p, p)
        Of entries up to 1, like correlations.
    values, vectors : float64, shape (g, p) and (g, p, p), written
        A vector a column.
    """
    groups, p = matrix.shape[0], matrix.shape[1]
    left, turned, most = room(p * p), room(p * p), room(1)
    ones, zeros, least = every(1.0), every(0.0), every(_ROTATED_MIN)
    for begin in range(0, groups, LANES):
        lanes = min(LANES, groups - begin)
        for z in range(LANES):
            g = begin + min(z, lanes - 1)
            for i in range(p):
                for j in range(p):
                    left[i * p + j, z] = matrix[g, i, j]
                    turned[i * p + j, z] = 1.0 if i == j else 0.0
        moving = True
        while moving:
            store(most, 0, zeros)
            for i in range(p):
                for j in range(i + 1, p):
                    off, upper, lower = (
                        load(left, i * p + j),
                        load(left, i * p + i),
                        load(left, j * p + j),
                    )
                    size = size_of(off)
                    store(most, 0, where_above(size, load(most, 0), size, load(most, 0)))
                    # A group that is done is left as it is while others are turned on.
                    half = (lower - upper) / (2.0 * off)
                    by = ones / (size_of(half) + root_of(half * half + 1.0))
                    by = where_above(zeros, half, -by, by)
                    by = where_above(size, least, by, zeros)
                    c = ones / root_of(by * by + 1.0)
                    s = by * c
                    store(left, i * p + i, upper - by * off)
                    store(left, j * p + j, lower + by * off)
                    off = where_above(size, least, zeros, off)
                    store(left, i * p + j, off)
                    store(left, j * p + i, off)
                    for k in range(p):
                        if k not in (i, j):
                            x, y = load(left, k * p + i), load(left, k * p + j)
                            upper, lower = c * x - s * y, s * x + c * y
                            store(left, k * p + i, upper)
                            store(left, i * p + k, upper)
                            store(left, k * p + j, lower)
                            store(left, j * p + k, lower)
                        x, y = load(turned, i * p + k), load(turned, j * p + k)
                        store(turned, i * p + k, c * x - s * y)
                        store(turned, j * p + k, s * x + c * y)
            moving = False
            for z in range(LANES):
                moving = moving or most[0, z] > _ROTATED_MIN
        for z in range(lanes):
            for i in range(p):
                values[begin + z, i] = left[i * p + i, z]
                for k in range(p):
                    vectors[begin + z, k, i] = turned[i * p + k, z]


@kernel(
    types.void(
        _F8_3,  # correlation
        _F8_2,  # values
        _F8_3,  # vectors
        rw(types.float64, 2),  # share
        rw(types.float64, 2),  # beta
        rw(types.float64, 2),  # vif
        rw(types.float64, 3),  # axes
        rw(types.float64, 3),  # slopes
    )
)
def relative_weights(
    correlation: _Floats,
    values: _Floats,
    vectors: _Floats,
    share: _Floats,
    beta: _Floats,
    vif: _Floats,
    axes: _Floats,
    slopes: _Floats,
) -> None:
    """Find Johnson's relative weights, coefficients and inflation factors by way of eigenvectors.

    With L the symmetric root of the drivers' correlations R, and L g = r the outcome's, weight j is
    the sum over k of L_jk^2 g_k^2. It moves by sum_k 2 L_jk g_k^2 dL_jk + a'(dr - dL g), where
    a = L^-1 (2 L_j^2 g). In the eigenvectors of R a root's slope is that of R over the sum of two
    roots. A covariance moves a correlation by itself, less half the correlation for each of the two
    variances.

    Parameters
    ----------
    correlation : float64, shape (g, p+1, p+1)
        Of the drivers, and last the outcome.
    values, vectors : float64, shape (g, p) and (g, p, p)
        Eigenvalues, above 0, and eigenvectors (columns) of the drivers' correlations.
    share, beta, vif : float64, shape (g, p), written
    axes : float64, shape (g, 2, p), written
        Sums over k of L_jk^4, and of L_jk^4 g_k^2.
    slopes : float64, shape (g, p, (p+1)(p+2)/2) or (g, 0, 0), written
        Of each weight, in the variances and (once for both sides) covariances of the standardised
        drivers and outcome, pairs as in the module docstring. Not found where the width is 0.
    """
    groups, p = values.shape
    width, wanted = p + 1, slopes.shape[1] > 0
    pairs = width * (width + 1) // 2
    between, own = room(width * width), room(p * p)
    roots, turned, score, both = room(p), room(p), room(p), room(p * p)
    root, first, second = room(p * p), room(p), room(p)
    along, half, variance = room(p * p), room(p * p), room(width)
    made, out = room(5 * p), room(p * pairs if wanted else 0)
    zeros = every(0.0)
    for begin in range(0, groups, LANES):
        lanes = min(LANES, groups - begin)
        for z in range(LANES):
            g = begin + min(z, lanes - 1)
            for i in range(p):
                roots[i, z] = values[g, i]
                for k in range(p):
                    own[i * p + k, z] = vectors[g, i, k]
            for a in range(width):
                for b in range(width):
                    between[a * width + b, z] = correlation[g, a, b]
        for k in range(p):
            store(roots, k, root_of(load(roots, k)))
            s = zeros
            for i in range(p):
                s += load(own, i * p + k) * load(between, i * width + p)
            store(turned, k, s / load(roots, k))
            for m in range(k + 1):
                s = 1.0 / (load(roots, k) + load(roots, m))
                store(both, k * p + m, s)
                store(both, m * p + k, s)
        for i in range(p):
            level, slope, factor = zeros, zeros, zeros
            for k in range(p):
                part = load(own, i * p + k)
                level += part * load(turned, k)
                part = part / load(roots, k)
                slope += part * load(turned, k)
                factor += part * part
            store(score, i, level)
            store(made, p + i, slope)
            store(made, 2 * p + i, factor)
            for j in range(i + 1):
                s = zeros
                for k in range(p):
                    s += load(own, i * p + k) * load(roots, k) * load(own, j * p + k)
                store(root, i * p + j, s)
                store(root, j * p + i, s)
        for j in range(p):
            s, alone, together = zeros, zeros, zeros
            for k in range(p):
                square = load(root, j * p + k) * load(root, j * p + k)
                level = load(score, k) * load(score, k)
                s += square * level
                alone += square * square
                together += square * square * level
            store(made, j, s)
            store(made, 3 * p + j, alone)
            store(made, 4 * p + j, together)
        for z in range(lanes):
            g = begin + z
            for j in range(p):
                share[g, j], beta[g, j], vif[g, j] = made[j, z], made[p + j, z], made[2 * p + j, z]
                axes[g, 0, j], axes[g, 1, j] = made[3 * p + j, z], made[4 * p + j, z]
        for j in range(p if wanted else 0):
            # 2 L_j g^2 and a, both in the eigenvectors.
            for k in range(p):
                up, down = zeros, zeros
                for m in range(p):
                    part = 2.0 * load(root, j * p + m) * load(score, m) * load(own, m * p + k)
                    up += part * load(score, m)
                    down += part * load(root, j * p + m)
                store(first, k, up)
                store(second, k, down / load(roots, k))
            for k in range(p):
                for m in range(k + 1):
                    s = load(own, j * p + k) * load(first, m) + load(own, j * p + m) * load(
                        first, k
                    )
                    s -= load(second, k) * load(turned, m) + load(second, m) * load(turned, k)
                    s = s * load(both, k * p + m)
                    store(along, k * p + m, s)
                    store(along, m * p + k, s)
            # Out of the eigenvectors, by rows, then by columns.
            for a in range(p):
                for m in range(p):
                    s = zeros
                    for k in range(p):
                        s = fused(load(own, a * p + k), load(along, k * p + m), s)
                    store(half, a * p + m, s)
            for a in range(width):
                store(variance, a, zeros)
            at = j * pairs
            for a in range(p):
                start = at
                at += 1
                for b in range(a + 1, width):
                    s = zeros
                    for m in range(p):
                        if b < p:
                            s = fused(load(half, a * p + m), load(own, b * p + m), s)
                        else:
                            s = fused(load(second, m), load(own, a * p + m), s)
                    store(out, at, s)
                    part = 0.5 * s * load(between, a * width + b)
                    store(variance, a, load(variance, a) - part)
                    store(variance, b, load(variance, b) - part)
                    at += 1
                store(out, start, load(variance, a))
            store(out, at, load(variance, p))
        for z in range(lanes):
            for j in range(p if wanted else 0):
                for t in range(pairs):
                    slopes[begin + z, j, t] = out[j * pairs + t, z]


@kernel(
    types.void(rw(types.int64, 2), _I8_2, _I8_2),
    types.void(rw(types.float64, 2), _I8_2, _F8_2),
)
def recentre(moments: _Numbers, steps: _Integers, by: _Numbers) -> None:
    """Move fourth-order moments to another origin, x - by, in the arithmetic of the input.

    Whole numbers may wrap around on the way: the result is right where it fits itself.

    Parameters
    ----------
    moments : int64 or float64, shape (u, g), changed in place
        Sums of products of four of [1, x_1..x_q], each once; groups side by side.
    steps : int64, shape (s, 3)
        To take away from which moment which other one times the origin of which variable, in this
        order; see `cxstream.analytics.moments`.
    by : like moments, shape (1 + q, g)
        New origin of each variable; 0 for the constant.
    """
    for at in range(len(steps)):
        target, source, variable = steps[at, 0], steps[at, 1], steps[at, 2]
        for g in range(moments.shape[1]):
            moments[target, g] -= by[variable, g] * moments[source, g]


@kernel(types.void(_I8_2, ro(types.int64), _I8_2, _F8_2, _F8_2, rw(types.float64, 3)))
def centre(
    sums: _Integers, places: _Integers, steps: _Integers, near: _Floats, rest: _Floats, out: _Floats
) -> None:
    """Move fourth-order sums of whole numbers to the means, near them first: exactly, to there.

    Parameters
    ----------
    sums : int64, shape (g, s)
        Like those on the way, so small that floats hold them.
    places : int64, shape (u,)
        Which of them are wanted.
    steps
        As in `recentre`.
    near, rest : float64, shape (1 + q, g)
        Whole numbers next to the means, and what is left of them; 0 for the constant.
    out : float64, shape (u, g), written
    """
    groups, width = len(sums), len(places)
    origin = np.empty((2 * len(near), LANES))
    for block in range(len(out)):
        begin = block * LANES
        last = groups - 1 - begin
        start = block * width
        moments = out[block]
        for at in range(width):
            place = np.uint64(places[at])
            for z in range(LANES):
                moments[at, z] = sums[np.uint64(begin + min(z, last)), place]
        for variable in range(len(near)):
            for z in range(LANES):
                origin[variable, z] = near[variable, begin + min(z, last)]
                origin[len(near) + variable, z] = rest[variable, begin + min(z, last)]
        for turn in range(2):
            for at in range(len(steps)):
                target, source, variable = steps[at, 0], steps[at, 1], steps[at, 2]
                moved = load(origin, turn * len(near) + variable) * load(out, start + source)
                store(out, start + target, load(out, start + target) - moved)


@kernel(types.void(_F8_3, _I8_2, rw(types.float64, 3)))
def spread(moments: _Floats, places: _Integers, table: _Floats) -> None:
    """Lay out moments that are kept once as products of two pairs.

    Parameters
    ----------
    moments : float64, shape (b, u, LANES)
        Of `LANES` groups in each block.
    places : int64, shape (P, P)
        Which moment belongs where; symmetric.
    table : float64, shape (g, P, P), written
    """
    where = places.reshape(-1)
    # Of one group, close together.
    own = np.empty(moments.shape[1])
    for g in range(len(table)):
        block = moments[g // LANES]
        for at in range(len(own)):
            own[at] = block[at, g % LANES]
        out = table[g].reshape(-1)
        for at in range(len(where)):
            # Unsigned: an index that may be negative costs as much again.
            out[at] = own[np.uint64(where[at])]


@kernel(
    types.void(
        _F8_3,  # moments
        _I8_2,  # places
        ro(types.float64, 4),  # slopes
        _F8_2,  # scale
        _F8_2,  # level
        rw(types.float64, 3),  # out
        rw(types.float64, 2),  # variance
    )
)
def covariances(
    moments: _Floats,
    places: _Integers,
    slopes: _Floats,
    scale: _Floats,
    level: _Floats,
    out: _Floats,
    variance: _Floats,
) -> None:
    """Find covariances of what moves with second-order moments: sums of h_j h_k over the responses.

    h = sum G (z - level) over the products z of two columns, in their scale: a form of [1, pairs]. Of the
    moments, which are symmetric, one half is gone through, with half the diagonal: F U F' and the same
    turned over add up to F M F'.

    Parameters
    ----------
    moments : float64, shape (b, u, LANES)
        Of `LANES` groups in each block.
    places : int64, shape (1 + P, 1 + P)
        Which of them is the product of which two: of 1, then P pairs; symmetric.
    slopes : float64, shape (s, g, f, P)
        G of s times f quantities.
    scale, level : float64, shape (g, P)
        A pair is taken times its scale.
    out : float64, shape (g, c, c), written
        Of the first c quantities, each with each.
    variance : float64, shape (g, s f), written
        Of every one with itself.
    """
    groups, own_count, pairs = slopes.shape[1], slopes.shape[2], slopes.shape[3]
    count, width, joint = len(slopes) * own_count, 1 + pairs, out.shape[1]
    # A place for each of whole steps of `_FORMS` forms.
    line = (count + _FORMS - 1) // _FORMS * _FORMS
    own, half, table = room(width * line), room(width * line), room(count * count)
    scales, levels = room(pairs), room(pairs)
    for at in range(width * line):
        store(own, at, every(0.0))
    for block in range(len(moments)):
        begin, start = block * LANES, block * moments.shape[1]
        last = groups - 1 - begin
        for a in range(pairs):
            for z in range(LANES):
                g = np.uint64(begin + min(z, last))
                scales[a, z], levels[a, z] = scale[g, a], level[g, a]
        for f in range(count):
            s = every(0.0)
            for a in range(pairs):
                at = (1 + a) * line + f
                mine = own[at]
                for z in range(LANES):
                    mine[z] = slopes[
                        f // own_count, np.uint64(begin + min(z, last)), f % own_count, a
                    ]
                s -= load(own, at) * load(levels, a)
                store(own, at, load(own, at) * load(scales, a))
            store(own, f, s)
        for first in range(0, line, _FORMS):
            for a in range(width):
                moment = 0.5 * load(moments, start + places[a, a])
                at = a * line + first
                s0, s1 = moment * load(own, at), moment * load(own, at + 1)
                s2, s3 = moment * load(own, at + 2), moment * load(own, at + 3)
                s4, s5 = moment * load(own, at + 4), moment * load(own, at + 5)
                s6, s7 = moment * load(own, at + 6), moment * load(own, at + 7)
                for b in range(a + 1, width):
                    moment = load(moments, start + places[a, b])
                    by = b * line + first
                    s0 = fused(moment, load(own, by), s0)
                    s1 = fused(moment, load(own, by + 1), s1)
                    s2 = fused(moment, load(own, by + 2), s2)
                    s3 = fused(moment, load(own, by + 3), s3)
                    s4 = fused(moment, load(own, by + 4), s4)
                    s5 = fused(moment, load(own, by + 5), s5)
                    s6 = fused(moment, load(own, by + 6), s6)
                    s7 = fused(moment, load(own, by + 7), s7)
                store(half, at, s0)
                store(half, at + 1, s1)
                store(half, at + 2, s2)
                store(half, at + 3, s3)
                store(half, at + 4, s4)
                store(half, at + 5, s5)
                store(half, at + 6, s6)
                store(half, at + 7, s7)
        for f in range(count):
            for h in range(0 if f < joint else f, f + 1):
                s, t = every(0.0), every(0.0)
                for at in range(0, width * line, line):
                    s = fused(load(half, at + f), load(own, at + h), s)
                    t = fused(load(half, at + h), load(own, at + f), t)
                store(table, f * count + h, s + t)
        for z in range(min(LANES, groups - begin)):
            for f in range(count):
                variance[begin + z, f] = table[f * count + f, z]
            for f in range(joint):
                for h in range(f + 1):
                    out[begin + z, f, h] = out[begin + z, h, f] = table[f * count + h, z]
