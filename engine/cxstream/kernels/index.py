"""Weighted composite indices: sums of answer patterns to means and spreads.

Input rows are cells of a sparse table, one per (group, answer pattern), sorted by group and then
by pattern, each pair once. ``sums[row]`` is the upper triangle, row-major, of the cross-product
matrix of [1, x_1..x_k]: n, S_1..S_k, S_11, S_12, .., S_kk, with x_j = 0 where item j is missing.

Centring is in whole numbers. With m_i the whole number nearest to S_i / n, the sums about m,

    S'_i  = S_i - n m_i                              (|S'_i| <= n / 2)
    S'_ij = S_ij - m_i S_j - m_j S_i + n m_i m_j     (= sum (x_i - m_i)(x_j - m_j)),

are exact in 64 bits while n max(x)^2 < 2^62: each partial product is below that bound and
wrap-around arithmetic would give the right result in any case, because the final value fits. Only
then do floats come in: n var_i = S'_ii - S'_i^2 / n, and since x is whole S'_ii >= |S'_i|, so
the subtraction takes away at most half of S'_ii and costs no more than one bit.
"""

import numpy as np
import numpy.typing as npt
from numba import types

from cxstream.kernels.registry import kernel, ro, rw

_Ints = npt.NDArray[np.int64]
#: Linear forms of 2^8 patterns take 150 kB.
_KEPT_ITEMS_MAX = 8

_Bits = npt.NDArray[np.uint64]
_Floats = npt.NDArray[np.float64]

_I8_1 = ro(types.int64)
_I8_2 = ro(types.int64, 2)
_U8_1 = ro(types.uint64)
_F8_1 = ro(types.float64)
_OUT_I = rw(types.int64, 2)
_OUT_F = rw(types.float64, 2)


@kernel(types.boolean(_I8_1, _U8_1, rw(types.int64)))
def find_starts(group: _Ints, pattern: _Bits, start: _Ints) -> bool:
    """Find where each group's rows begin, if they are sorted by group and pattern, each pair once.

    Parameters
    ----------
    group, pattern : int64 and uint64, shape (r,)
        Groups are 0..g-1.
    start : int64, shape (g + 1,), written
        Rows of group i are start[i]..start[i+1]-1.

    Returns
    -------
    bool
        Whether they are; nothing is said in `start` where they are not.
    """
    known = 0
    for row in range(group.shape[0]):
        if row > 0 and (
            group[row] < group[row - 1]
            or (group[row] == group[row - 1] and pattern[row] <= pattern[row - 1])
        ):
            return False
        while known <= group[row]:
            start[known] = row
            known += 1
    for left in range(known, start.shape[0]):
        start[left] = group.shape[0]
    return True


@kernel(
    types.void(
        _I8_1,  # start
        _U8_1,  # pattern
        _I8_2,  # sums
        _F8_1,  # scale
        _F8_1,  # shift
        _I8_1,  # part_start
        _I8_1,  # part_item
        _F8_1,  # weight
        types.uint64,  # needed
        _OUT_I,  # count
        _OUT_F,  # mean
        _OUT_F,  # squares
    )
)
def respondent_moments(
    start: _Ints,
    pattern: _Bits,
    sums: _Ints,
    scale: _Floats,
    shift: _Floats,
    part_start: _Ints,
    part_item: _Ints,
    weight: _Floats,
    needed: np.uint64,
    count: _Ints,
    mean: _Floats,
    squares: _Floats,
) -> None:
    """Moments of a score that every respondent has: a weighted mean of what was answered.

    For all respondents of one row the same items are answered, so the score is one linear form
    a + sum b_j x_j. Its sum of squared deviations is b' S' b - (b' s')^2 / n of the row's centred
    sums, plus n (row mean - group mean)^2 between rows.

    Parameters
    ----------
    start : int64, shape (g + 1,)
        Rows of group i are start[i]..start[i+1]-1.
    pattern : uint64, shape (r,)
        Bit j set: item j answered.
    sums : int64, shape (r, (k+1)(k+2)/2)
        See the module docstring.
    scale, shift : float64, shape (k,)
        Item j on 0..100 is shift[j] + scale[j] x_j.
    part_start, part_item : int64, shape (p + 1,), (items of all parts,)
        Items of part i are part_item[part_start[i]..part_start[i+1]-1].
    weight : float64, shape (p,)
        Weights of the parts, 0 or more.
    needed : uint64
        Only rows that hold all these bits count (0: all rows).
    count, mean, squares : int64, float64, float64, shape (g, 1 + p), written
        Respondents, mean and sum of squared deviations; column 0 the index, then the parts.
        Zero where nobody counts. With one column the parts are left out; without rows in `squares`
        there are none, and `sums` needs no products.
    """
    groups = start.shape[0] - 1
    k = scale.shape[0]
    parts = weight.shape[0]
    turns = 2 if squares.shape[0] > 0 else 1
    targets = count.shape[1]
    # The linear forms of a pattern; those of few items are kept, as groups share patterns.
    kept = k <= _KEPT_ITEMS_MAX
    slots = 1 << k if kept else 1
    # No views, slices or arrays of other types: each takes long to compile.
    known = np.empty(slots, np.int64)
    a = np.empty(slots * (1 + parts))
    b = np.empty((slots * (1 + parts), k))
    used = np.empty(slots * (1 + parts), np.int64)
    m = np.empty(k, np.int64)
    s = np.empty(k, np.int64)
    c = np.empty((k, k))
    answers = np.empty(k, np.int64)
    one = np.uint64(1)
    for at in range(slots):
        known[at] = 0
    for g in range(groups):
        for t in range(targets):
            count[g, t] = 0
            mean[g, t] = 0.0
            if turns > 1:
                squares[g, t] = 0.0
        for turn in range(turns):
            for row in range(start[g], start[g + 1]):
                bits = pattern[row]
                n = sums[row, 0]
                if n == 0 or (bits & needed) != needed:
                    continue
                slot = np.int64(bits) & (slots - 1)
                base = slot * (1 + parts)
                if known[slot] == 0:
                    known[slot] = np.int64(kept)
                    for t in range(1 + parts):
                        a[base + t] = 0.0
                        for j in range(k):
                            b[base + t, j] = 0.0
                    total = 0.0
                    for p in range(parts):
                        answered = 0
                        for at in range(part_start[p], part_start[p + 1]):
                            if (bits >> np.uint64(part_item[at])) & one:
                                answered += 1
                        used[base + 1 + p] = np.int64(answered > 0)
                        if answered > 0:
                            for at in range(part_start[p], part_start[p + 1]):
                                j = part_item[at]
                                if (bits >> np.uint64(j)) & one:
                                    b[base + 1 + p, j] += scale[j] / answered
                                    a[base + 1 + p] += shift[j] / answered
                            total += weight[p]
                    used[base] = np.int64(total > 0.0)
                    if total > 0.0:
                        for p in range(parts):
                            if used[base + 1 + p] != 0:
                                w = weight[p] / total
                                a[base] += w * a[base + 1 + p]
                                for at in range(part_start[p], part_start[p + 1]):
                                    j = part_item[at]
                                    b[base, j] += w * b[base + 1 + p, j]
                size = 0
                for j in range(k):
                    if (bits >> np.uint64(j)) & one:
                        answers[size] = j
                        size += 1
                if turn > 0:
                    # Centred sums of this row, item by item pair.
                    for x in range(size):
                        j = answers[x]
                        m[j] = np.int64(np.rint(sums[row, 1 + j] / n))
                        s[j] = sums[row, 1 + j] - n * m[j]
                    for x in range(size):
                        i = answers[x]
                        at = 1 + k + i * k - i * (i - 1) // 2 - i
                        for y in range(x, size):
                            j = answers[y]
                            c[i, j] = np.float64(
                                sums[row, at + j]
                                - m[i] * sums[row, 1 + j]
                                - m[j] * sums[row, 1 + i]
                                + n * m[i] * m[j]
                            )
                for t in range(targets):
                    if used[base + t] == 0:
                        continue
                    form = a[base + t] * n
                    first, last = 0, size
                    if t > 0 and part_start[t] - part_start[t - 1] == 1:  # all others are 0
                        while answers[first] != part_item[part_start[t - 1]]:
                            first += 1
                        last = first + 1
                    for x in range(first, last):
                        form += b[base + t, answers[x]] * sums[row, 1 + answers[x]]
                    if turn == 0:
                        count[g, t] += n
                        mean[g, t] += form
                        continue
                    within = 0.0
                    moved = 0.0
                    for x in range(first, last):
                        i = answers[x]
                        if b[base + t, i] != 0.0:
                            moved += b[base + t, i] * s[i]
                            cross = 0.0
                            for y in range(x + 1, last):
                                cross += b[base + t, answers[y]] * c[i, answers[y]]
                            within += b[base + t, i] * (b[base + t, i] * c[i, i] + 2.0 * cross)
                    within -= moved * moved / n
                    away = form / n - mean[g, t]
                    squares[g, t] += max(within, 0.0) + n * away * away
            if turn == 0:
                for t in range(targets):
                    if count[g, t] > 0:
                        mean[g, t] /= count[g, t]


@kernel(
    types.void(
        _I8_1,  # start
        _U8_1,  # pattern
        _I8_2,  # sums
        _F8_1,  # scale
        _F8_1,  # shift
        _I8_1,  # part_start
        _I8_1,  # part_item
        _F8_1,  # weight
        _OUT_I,  # count
        _OUT_F,  # mean
        _OUT_F,  # squares
    )
)
def item_mean_moments(
    start: _Ints,
    pattern: _Bits,
    sums: _Ints,
    scale: _Floats,
    shift: _Floats,
    part_start: _Ints,
    part_item: _Ints,
    weight: _Floats,
    count: _Ints,
    mean: _Floats,
    squares: _Floats,
) -> None:
    """Moments of an index of item means, each item with its own number of answers.

    The index is sum_j c_j mean_j; a respondent's share in its error is
    u = sum_j (c_j / n_j) r_j (x_j - mean_j) with r_j = 1 where item j was answered. The sum of
    u^2 needs only, for every pair of items, the sums over those who answered both.

    Parameters
    ----------
    start, pattern, sums, scale, shift, part_start, part_item, weight
        As in `respondent_moments`.
    count, mean, squares : int64, float64, float64, shape (g, 1 + p), written
        Respondents with any answer in the target, the index of item means, and n^2 times the sum
        of u^2 (so that squares / (n - 1) / n is the squared standard error, as for a plain mean).
    """
    groups = start.shape[0] - 1
    k = scale.shape[0]
    parts = weight.shape[0]
    one = np.uint64(1)
    masks = np.empty(1 + parts, np.uint64)
    masks[0] = 0
    for p in range(parts):
        masks[1 + p] = 0
        for at in range(part_start[p], part_start[p + 1]):
            masks[1 + p] |= one << np.uint64(part_item[at])
        if weight[p] > 0.0:
            masks[0] |= masks[1 + p]
    n_item = np.empty(k, np.int64)
    s_item = np.empty(k, np.int64)
    m = np.empty(k, np.int64)
    f = np.empty(k)
    own = np.empty(k)
    coef = np.empty((1 + parts, k))
    n_both = np.empty((k, k), np.int64)
    s_both = np.empty((k, k), np.int64)
    q_both = np.empty((k, k), np.int64)
    for g in range(groups):
        for t in range(1 + parts):
            count[g, t] = 0
            mean[g, t] = 0.0
            for j in range(k):
                coef[t, j] = 0.0
        for j in range(k):
            n_item[j] = 0
            s_item[j] = 0
        for row in range(start[g], start[g + 1]):
            bits = pattern[row]
            n = sums[row, 0]
            for t in range(1 + parts):
                if bits & masks[t]:
                    count[g, t] += n
            for j in range(k):
                if (bits >> np.uint64(j)) & one:
                    n_item[j] += n
                    s_item[j] += sums[row, 1 + j]
        for j in range(k):
            m[j] = 0
            f[j] = 0.0
            own[j] = 0.0
            if n_item[j] > 0:
                m[j] = np.int64(np.rint(s_item[j] / n_item[j]))
                f[j] = (s_item[j] - n_item[j] * m[j]) / n_item[j]
                own[j] = shift[j] + scale[j] * (s_item[j] / n_item[j])
        total = 0.0
        for p in range(parts):
            known = 0
            for at in range(part_start[p], part_start[p + 1]):
                if n_item[part_item[at]] > 0:
                    known += 1
            if known > 0:
                total += weight[p]
                for at in range(part_start[p], part_start[p + 1]):
                    j = part_item[at]
                    if n_item[j] > 0:
                        coef[1 + p, j] += 1.0 / known
                        mean[g, 1 + p] += own[j] / known
        if total > 0.0:
            for p in range(parts):
                w = weight[p] / total
                if count[g, 1 + p] > 0:
                    mean[g, 0] += w * mean[g, 1 + p]
                for j in range(k):
                    coef[0, j] += w * coef[1 + p, j]
        for i in range(k):
            for j in range(k):
                n_both[i, j] = 0
                s_both[i, j] = 0
                q_both[i, j] = 0
        for row in range(start[g], start[g + 1]):
            bits = pattern[row]
            n = sums[row, 0]
            at = 1 + k
            for i in range(k):
                for j in range(i, k):
                    if ((bits >> np.uint64(i)) & one) and ((bits >> np.uint64(j)) & one):
                        s_i = sums[row, 1 + i] - n * m[i]
                        s_j = sums[row, 1 + j] - n * m[j]
                        n_both[i, j] += n
                        # s_both[i, j]: sum of (x_i - m_i) over those who answered both.
                        s_both[i, j] += s_i
                        if i != j:
                            s_both[j, i] += s_j
                        q_both[i, j] += (
                            sums[row, at]
                            - m[i] * sums[row, 1 + j]
                            - m[j] * sums[row, 1 + i]
                            + n * m[i] * m[j]
                        )
                    at += 1
        for t in range(1 + parts):
            spread = 0.0
            n_all = np.float64(count[g, t])
            for i in range(k):
                if coef[t, i] == 0.0:
                    continue
                c_i = coef[t, i] * scale[i] * (n_all / n_item[i])
                for j in range(i, k):
                    if coef[t, j] == 0.0:
                        continue
                    c_j = coef[t, j] * scale[j] * (n_all / n_item[j])
                    cross = (
                        q_both[i, j]
                        - f[i] * s_both[j, i]
                        - f[j] * s_both[i, j]
                        + n_both[i, j] * (f[i] * f[j])
                    )
                    spread += (1.0 if i == j else 2.0) * c_i * c_j * cross
            squares[g, t] = max(spread, 0.0)
