"""Importance of drivers: correlations to Shapley shares, moments about zero to moments about means.

Pairs below are the upper triangle of a symmetric matrix, row by row: (0,0), (0,1) .. (0,m-1),
(1,1) .. (m-1,m-1).
"""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from cxstream.kernels.registry import kernel, ro, rw

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]
_Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]

#: Groups that walk through the subsets together, one in each lane of a vector.
_LANES = 32
#: The same, where few operations stand between loads and stores.
_MANY_LANES = 32

_I8_2 = ro(types.int64, 2)
_F8_2, _F8_3 = ro(types.float64, 2), ro(types.float64, 3)


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
    the sums of u u' with the same weights: exact, for about the price of the shares.

    The subsets are walked depth first, adding one driver at a time to those with a lower number.
    A level holds what the drivers in the set leave of the covariances of those still to come, and
    their coefficients; adding one is a step of elimination. The last driver is added beside each set
    without it, a walk less. What a subtree adds up to belongs to all the drivers on the way to it, so
    that each set is given to all of its drivers by one addition a level. Groups go together, `_LANES`
    at a time, for they all walk the same way.

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
    pairs = width * (width + 1) // 2 if wanted else 0
    # weight[s]: of sets of s drivers on those outside; weight[p] and weight[-1] are 0.
    weight = np.empty(p + 2)
    weight[0] = 1.0 / p
    for s in range(1, p):
        weight[s] = weight[s - 1] * s / (p - s)
    weight[p] = weight[p + 1] = 0.0
    # By level, row and column; of coefficients by level, driver in the set, column explained. Views of
    # them within the walk would be counted, one by one.
    square = width * width
    left, coef = np.empty((p * square, _LANES)), np.empty((p * square, _LANES))
    member = np.empty(width + 1, np.int64)
    child = np.empty(width, np.int64)
    # Of so many groups as there are, close together.
    line = pairs * _LANES
    subtree, own = np.empty(p * line), np.empty(p * line)
    value, found = np.empty((p, _LANES)), np.empty((p, _LANES))
    scale, factor, full = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
    # The residual's form of a set, and of that set and the last driver.
    u, v, whole = np.empty((width, _LANES)), np.empty((width, _LANES)), np.empty((width, _LANES))
    row_start = np.empty(width + 1, np.int64)
    row_start[0] = 0
    for a in range(width):
        row_start[a + 1] = row_start[a] + width - a
    for begin in range(0, groups, _LANES):
        lanes = min(_LANES, groups - begin)
        for z in range(lanes):
            for a in range(width):
                for b in range(width):
                    left[a * width + b, z] = correlation[begin + z, a, b]
        for j in range(p):
            for z in range(lanes):
                found[j, z] = 0.0
            mine = own[j * line : (j + 1) * line]
            for t in range(pairs * lanes):
                mine[t] = 0.0
        depth = 0
        # Nobody; then come all.
        member[0] = -1
        arrived = True
        while depth >= 0:
            upper, here = depth * square, depth * line
            if arrived:
                # The set, and beside it the same with the last driver: half of all sets have it.
                arrived = False
                child[depth] = member[depth] + 1
                alone, both = weight[depth - 1] + weight[depth], weight[depth] + weight[depth + 1]
                outcome = upper + square - 1
                last = outcome - width
                for z in range(lanes):
                    pivot = left[last - 1, z]
                    factor[z] = left[last, z] / pivot if pivot > tolerance else 0.0
                for z in range(lanes):
                    rest = left[outcome, z] - factor[z] * left[last, z]
                    value[depth, z] = alone * left[outcome, z] + both * rest
                    found[p - 1, z] += both * rest
                if wanted:
                    mine = subtree[here : here + line]
                    for t in range(pairs * lanes):
                        mine[t] = 0.0
                    # Columns in ascending order, the outcome last.
                    member[depth + 1], member[depth + 2] = p - 1, p
                    for i in range(depth):
                        at = upper + member[i + 1] * width + p
                        for z in range(lanes):
                            u[i, z] = -coef[at, z]
                            v[i, z] = factor[z] * coef[at - 1, z] - coef[at, z]
                    for z in range(lanes):
                        u[depth, z], v[depth, z] = 0.0, -factor[z]
                        u[depth + 1, z] = v[depth + 1, z] = 1.0
                    for i in range(depth + 2):
                        start = row_start[member[i + 1]] - member[i + 1]
                        for h in range(i, depth + 2):
                            at = (start + member[h + 1]) * lanes
                            mine = own[(p - 1) * line + at : (p - 1) * line + at + lanes]
                            both_sets = subtree[here + at : here + at + lanes]
                            for z in range(lanes):
                                more = both * v[i, z] * v[h, z]
                                mine[z] += more
                                both_sets[z] = alone * u[i, z] * u[h, z] + more
                if depth == p - 1:
                    # The set of all drivers, met once.
                    for z in range(lanes):
                        full[z] = left[outcome, z] - factor[z] * left[last, z]
                        for i in range(width if wanted else 0):
                            whole[i, z] = v[i, z]
            j = child[depth]
            if j >= p - 1:
                # All sets that begin like this one are done.
                if depth > 0:
                    last = member[depth]
                    for z in range(lanes):
                        found[last, z] += value[depth, z]
                        value[depth - 1, z] += value[depth, z]
                    # Rows of the set, then those of all that may have come after; others are 0.
                    member[depth + 1] = last + 1
                    for i in range(1, depth + 2 if wanted else 0):
                        first = row_start[member[i]] * lanes
                        size = row_start[width if i > depth else member[i] + 1] * lanes - first
                        both_sets = subtree[here + first : here + first + size]
                        mine = own[last * line + first : last * line + first + size]
                        above = subtree[here - line + first : here - line + first + size]
                        for t in range(size):
                            mine[t] += both_sets[t]
                            above[t] += both_sets[t]
                depth -= 1
                continue
            child[depth] += 1
            depth += 1
            member[depth] = j
            arrived = True
            row = upper + j * width
            for z in range(lanes):
                pivot = left[row + j, z]
                scale[z] = 1.0 / pivot if pivot > tolerance else 0.0
            for k in range(j + 1, width):
                by = row + square + k
                for z in range(lanes):
                    coef[by, z] = left[row + k, z] * scale[z]
                for m in range(k, width):
                    at = upper + k * width + m
                    for z in range(lanes):
                        left[at + square, z] = left[at, z] - coef[by, z] * left[row + m, z]
                for i in range(1, depth if wanted else 0):
                    at = upper + member[i] * width
                    for z in range(lanes):
                        coef[at + square + k, z] = coef[at + k, z] - coef[by, z] * coef[at + j, z]
        for z in range(lanes):
            g = begin + z
            # found[j] now is the sum of (w_(s-1) + w_s) v over the sets with j. Since
            # s (w_(s-1) + w_s) = p w_s below s = p, and 1 there, those sums make up the sum of
            # w_s v over all sets.
            total = 0.0
            for j in range(p):
                total += found[j, z]
            total = (total - full[z]) / p + weight[0] * left[square - 1, z]
            for j in range(p):
                share[g, j] = total - found[j, z]
            at = 0
            for a in range(width if wanted else 0):
                for b in range(a, width):
                    total = -whole[a, z] * whole[b, z]
                    for j in range(p):
                        total += own[j * line + at * lanes + z]
                    total /= p
                    if at == pairs - 1:
                        total += weight[0]
                    for j in range(p):
                        slope = total - own[j * line + at * lanes + z]
                        gradient[g, j, at] = slope if a == b else 2.0 * slope
                        if at == pairs - 1:  # A share is of the outcome's variance.
                            gradient[g, j, at] -= share[g, j]
                    at += 1


@kernel(
    types.void(
        _F8_3,  # correlation
        _F8_2,  # values
        _F8_3,  # vectors
        rw(types.float64, 2),  # share
        rw(types.float64, 2),  # beta
        rw(types.float64, 2),  # vif
        rw(types.float64, 3),  # outcome
        rw(types.float64, 4),  # along
    )
)
def relative_weights(
    correlation: _Floats,
    values: _Floats,
    vectors: _Floats,
    share: _Floats,
    beta: _Floats,
    vif: _Floats,
    outcome: _Floats,
    along: _Floats,
) -> None:
    """Find Johnson's relative weights, coefficients and inflation factors by way of eigenvectors.

    With L the symmetric root of the drivers' correlations R, and L g = r the outcome's, weight j is
    the sum over k of L_jk^2 g_k^2. It moves by sum_k 2 L_jk g_k^2 dL_jk + a'(dr - dL g), where
    a = L^-1 (2 L_j^2 g). In the eigenvectors of R a root's slope is that of R over the sum of two
    roots.

    Parameters
    ----------
    correlation : float64, shape (g, p+1, p+1)
        Of the drivers, and last the outcome.
    values, vectors : float64, shape (g, p) and (g, p, p)
        Eigenvalues, above 0, and eigenvectors (columns) of the drivers' correlations.
    share, beta, vif : float64, shape (g, p), written
    outcome : float64, shape (g, p, p) or (g, 0, 0), written
        Slopes of each weight in the drivers' correlations with the outcome. Not found where the
        width is 0.
    along : float64, shape (g, p, p, p) or (g, 0, 0, 0), written
        Slopes of weight j in the drivers' correlations, at [k, j, l] in their eigenvectors k and l;
        what both sides add up to.
    """
    groups, p = values.shape
    wanted = outcome.shape[1] > 0
    across = np.empty((p, p))
    root, form, level = np.empty((p, p)), np.empty((p, p)), np.empty((p, p))
    roots, turned, score = np.empty(p), np.empty(p), np.empty(p)
    for g in range(groups):
        own = vectors[g]
        for k in range(p):
            roots[k] = math.sqrt(values[g, k])
            score[k] = 0.0
            s = 0.0
            for i in range(p):
                across[k, i] = own[i, k]
                root[k, i] = form[k, i] = level[k, i] = 0.0
                s += own[i, k] * correlation[g, i, p]
            turned[k] = s / roots[k]
        for i in range(p):
            slope, factor = 0.0, 0.0
            line = root[i]
            for k in range(p):
                by = own[i, k] * roots[k]
                column = across[k]
                for j in range(p):
                    line[j] += by * column[j]
                score[i] += own[i, k] * turned[k]
                slope += own[i, k] * turned[k] / roots[k]
                factor += own[i, k] * own[i, k] / values[g, k]
            beta[g, i], vif[g, i] = slope, factor
        for j in range(p):
            s = 0.0
            for k in range(p):
                s += root[j, k] * root[j, k] * score[k] * score[k]
            share[g, j] = s
        if not wanted:
            continue
        for j in range(p):
            # 2 L_j g^2 and a, both in the eigenvectors.
            first, second = form[j], level[j]
            for m in range(p):
                up = 2.0 * root[j, m] * score[m] * score[m]
                down = 2.0 * root[j, m] * root[j, m] * score[m]
                line = own[m]
                for k in range(p):
                    first[k] += up * line[k]
                    second[k] += down * line[k]
            for k in range(p):
                second[k] /= roots[k]
            moved = outcome[g, j]
            moved[:] = 0.0
            for k in range(p):
                by = second[k]
                column = across[k]
                for i in range(p):
                    moved[i] += by * column[i]
            for k in range(p):
                line = along[g, k, j]
                for m in range(p):
                    both = own[j, k] * first[m] + own[j, m] * first[k]
                    both -= second[k] * turned[m] + second[m] * turned[k]
                    line[m] = both / (roots[k] + roots[m])


@kernel(types.void(ro(types.float64, 4), _F8_3, _F8_3, rw(types.float64, 3)))
def by_covariance(square: _Floats, outcome: _Floats, correlation: _Floats, slopes: _Floats) -> None:
    """Turn slopes in correlations into slopes in the standardised covariances they are made of.

    A covariance moves a correlation by itself, less half the correlation for each of the two
    variances.

    Parameters
    ----------
    square : float64, shape (g, p, p, p)
        Of each of p quantities (the second of the axes), in the correlation of two drivers.
    outcome : float64, shape (g, p, p)
        Of each, in the drivers' correlations with the outcome.
    correlation : float64, shape (g, p+1, p+1)
    slopes : float64, shape (g, p, (p+1)(p+2)/2), written
        Pairs as in the module docstring.
    """
    groups, p = outcome.shape[0], outcome.shape[1]
    variance = np.empty(p + 1)
    for g in range(groups):
        for j in range(p):
            for b in range(p + 1):
                variance[b] = 0.0
            at = 0
            for a in range(p):
                start = at
                at += 1
                for b in range(a + 1, p + 1):
                    if b < p:
                        slope = square[g, a, j, b]
                    else:
                        slope = outcome[g, j, a]
                    slopes[g, j, at] = slope
                    half = 0.5 * slope * correlation[g, a, b]
                    variance[a] -= half
                    variance[b] -= half
                    at += 1
                slopes[g, j, start] = variance[a]
            slopes[g, j, at] = variance[p]


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


@kernel(types.void(_I8_2, ro(types.int64), _I8_2, _F8_2, _F8_2, rw(types.float64, 2)))
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
    moments = np.empty((width, _MANY_LANES))
    origin = np.empty((2, len(near), _MANY_LANES))
    for begin in range(0, groups, _MANY_LANES):
        lanes = min(_MANY_LANES, groups - begin)
        for at in range(width):
            place = np.uint64(places[at])
            for z in range(lanes):
                moments[at, z] = sums[begin + z, place]
        for variable in range(len(near)):
            for z in range(lanes):
                origin[0, variable, z] = near[variable, begin + z]
                origin[1, variable, z] = rest[variable, begin + z]
        for turn in range(2):
            for at in range(len(steps)):
                target = moments[np.uint64(steps[at, 0])]
                source = moments[np.uint64(steps[at, 1])]
                by = origin[turn, np.uint64(steps[at, 2])]
                # Not a number that the compiler knows: it would unroll this, and use no vectors.
                for z in range(lanes):
                    target[z] -= by[z] * source[z]
        for at in range(width):
            for z in range(lanes):
                out[at, begin + z] = moments[at, z]


@kernel(types.void(_F8_2, _I8_2, rw(types.float64, 3)))
def spread(moments: _Floats, places: _Integers, table: _Floats) -> None:
    """Lay out moments that are kept once as products of two pairs.

    Parameters
    ----------
    moments : float64, shape (u, g)
    places : int64, shape (P, P)
        Which moment belongs where; symmetric.
    table : float64, shape (g, P, P), written
    """
    where = places.reshape(-1)
    # Of one group, close together.
    own = np.empty(len(moments))
    for g in range(moments.shape[1]):
        for at in range(len(moments)):
            own[at] = moments[at, g]
        out = table[g].reshape(-1)
        for at in range(len(where)):
            # Unsigned: an index that may be negative costs as much again.
            out[at] = own[np.uint64(where[at])]
