"""Every kernel again, slowly and plainly: what `selfcheck` and the tests compare with.

Same names, same arguments, same effect on the arrays given. Whole numbers are Python's, fractions
are exact, loops are over rows.
"""

from __future__ import annotations

import decimal
import functools
import itertools
import math
import struct
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from cxstream.kernels import messages
from cxstream.kernels.lanes import LANES
from cxstream.kernels.moments import PAIRS, PATTERN


def find_cells(
    keys: Any, slot_keys: Any, slot_cells: Any, cell_keys: Any, cells: Any, first: int, known: int
) -> tuple[int, int]:
    """Look up cells in a dict; the slots are read and filled by linear probing."""
    size = len(slot_keys)
    cell_of_key = {int(slot_keys[slot]): int(slot_cells[slot]) for slot in range(size)
                   if slot_cells[slot] >= 0}  # fmt: skip
    for row in range(first, len(keys)):
        key = int(keys[row])
        if key not in cell_of_key:
            if 2 * known >= size or known >= len(cell_keys):
                return row, known
            # Fibonacci hashing: the top bits of key * (2^64 / golden ratio).
            slot = (key % 2**64 * 11400714819323198485 % 2**64) * size // 2**64
            while slot_cells[slot] >= 0:
                slot = (slot + 1) % size
            slot_keys[slot], slot_cells[slot], cell_keys[known] = key, known, key
            cell_of_key[key] = known
            known += 1
        cells[row] = cell_of_key[key]
    return len(keys), known


def find_starts(group: Any, pattern: Any, start: Any) -> bool:
    """Sort, and count what is before each group."""
    pairs = list(zip(group.tolist(), pattern.tolist(), strict=True))
    if pairs != sorted(set(pairs)):
        return False
    start[:] = [sum(one < at for one, _ in pairs) for at in range(len(start))]
    return True


def sort_patterns(
    rows: Any, there: Any, cells: Any, starts: Any, patterns: Any, by_pattern: Any, places: Any,
    runs: Any, groups: Any, answered: Any,
) -> tuple[int, int]:  # fmt: skip
    """Look groups up in a dict, and sort."""
    del by_pattern
    ends = [*starts[1:], len(cells)]
    group_of = {
        cell: group
        for group, (start, end) in enumerate(zip(starts, ends, strict=True))
        for cell in cells[start:end].tolist()
    }
    kept = sorted(
        (group_of[row >> 32], int(patterns[row % 2**32]), place)
        for place, row in enumerate(rows.tolist())
        if there[place] and row >> 32 in group_of
    )
    pairs = [pair for *pair, _ in kept]
    new = [at for at, pair in enumerate(pairs) if at == 0 or pair != pairs[at - 1]]
    places[: len(kept)] = [place for *_, place in kept]
    runs[: len(new)] = new
    groups[: len(new)] = [pairs[at][0] for at in new]
    answered[: len(new)] = [pairs[at][1] for at in new]
    return len(kept), len(new)


def pack_keys(
    codes: Any, rows: Any, dimensions: Any, own: Any, offsets: Any, weights: Any, keys: Any
) -> None:
    """Add up words times weights, in Python integers."""
    for place, row in enumerate(rows):
        keys[place] = sum(
            int(own[int(offsets[dimension]) + int(codes[dimension, row])]) * int(weight)
            for dimension, weight in zip(dimensions, weights, strict=True)
        )


def number_groups(codes: Any, dimensions: Any, offsets: Any, groups: Any) -> None:
    """Read each row's codes as digits."""
    for row in range(len(groups)):
        number = 0
        for dimension in dimensions:
            number *= int(offsets[dimension + 1] - offsets[dimension])
            number += int(codes[dimension, row])
        groups[row] = number


def sort_rows(cells: Any, place_of_cell: Any, starts: Any, touched: Any, order: Any) -> int:
    """List the rows of each cell, cells in order of first appearance."""
    rows_of_cell: dict[int, list[int]] = {}
    for row, cell in enumerate(cells):
        rows_of_cell.setdefault(int(cell), []).append(row)
    place_of_cell[:] = -1
    starts[0] = at = 0
    for place, (cell, rows) in enumerate(rows_of_cell.items()):
        touched[place] = cell
        for row in rows:
            order[at] = row
            cells[row] = place
            at += 1
        starts[place + 1] = at
    return len(rows_of_cell)


def count_levels(
    codes: Any, columns: Any, places: Any, starts: Any, cells: Any, counts: Any
) -> None:
    """Count one answer at a time."""
    del starts
    for row in range(codes.shape[1]):
        cell = int(cells[places[row]])
        counts[cell, 0] += 1
        for question in range(len(codes)):
            counts[cell, int(columns[question]) + int(codes[question, row])] += 1


def read_choices(
    offsets: Any, codes: Any, levels: int, missing: int, start: int, seen: Any, rows: Any,
    columns: Any,
) -> int:  # fmt: skip
    """List each response's set of options, then that it has any, or why it has none."""
    del seen
    pairs: list[tuple[int, int]] = []
    for row in range(len(offsets) - 1):
        given = [int(code) for code in codes[offsets[row] : offsets[row + 1]]]
        options = dict.fromkeys(code for code in given if code < levels)
        reasons = [code - levels for code in given if levels <= code < levels + missing]
        pairs.extend((row, start + option) for option in options)
        why = levels if options else levels + 1 + (reasons[0] if reasons else missing)
        pairs.append((row, start + why))
    for place, (row, column) in enumerate(pairs):
        rows[place], columns[place] = row, column
    return len(pairs)


def count_pairs(rows: Any, columns: Any, places: Any, cells: Any, counts: Any) -> None:
    """Count one pair at a time."""
    for row, column in zip(rows, columns, strict=True):
        counts[int(cells[places[row]]), int(column)] += 1


def read_answers(codes: Any, questions: Any, levels: Any, answers: Any) -> None:
    """Look at one code at a time."""
    for place, (question, limit) in enumerate(zip(questions, levels, strict=True)):
        for row, code in enumerate(codes[question]):
            answers[place, row] = int(code) if code < limit else -1


def dots(
    answers: Any, columns: Any, kind: int, order: Any, starts: Any, targets: Any, left: Any,
    right: Any, block_rows: int, sums: Any,
) -> None:  # fmt: skip
    """Write out the responses' columns of the matrix; multiply and add Python integers."""
    del block_rows
    for run, target in enumerate(targets):
        given = answers[columns][:, order[starts[run] : starts[run + 1]]].astype(object)
        if kind not in (PAIRS, PATTERN):
            given = given[:, (given >= 0).all(axis=0)]
        mask, values = 1 * (given >= 0), np.maximum(given, 0)
        if kind == PAIRS:
            matrix = np.concatenate([mask, values, values * values])
        else:
            matrix = np.concatenate([np.ones_like(mask[:1]), values])
        sums[target] += (matrix[left] * matrix[right]).sum(axis=1).astype(np.int64)


def dots_fourth(
    answers: Any, columns: Any, order: Any, starts: Any, targets: Any, left: Any, right: Any,
    block_rows: int, sums: Any,
) -> None:  # fmt: skip
    """Multiply four of [1, x...] at a time, as Python integers."""
    del block_rows
    for run, target in enumerate(targets):
        for row in order[starts[run] : starts[run + 1]]:
            values = [1, *(int(answers[column, row]) for column in columns)]
            if min(values) < 0:
                continue
            p = len(columns)
            firsts = [(0, j) for j in range(p + 1)]
            pairs = [*firsts, *((i, j) for i in range(1, p + 1) for j in range(i, p + 1))]
            for product, (a, b) in enumerate(zip(left, right, strict=True)):
                sums[target, product] += math.prod(values[j] for j in (*pairs[a], *pairs[b]))


def net_score_bounds(
    negative: Any, positive: Any, n: Any, z: float, halvings: int, lower: Any, upper: Any
) -> None:
    """Bisect in decimals of 60 digits; the quadratic's root is the schoolbook one."""
    with decimal.localcontext(prec=60):
        square = decimal.Decimal(float(z)) ** 2
        for group, size in enumerate(n):
            lower[group], upper[group] = -1.0, 1.0
            if size == 0.0:
                continue
            total = decimal.Decimal(float(size))
            d, p = (decimal.Decimal(float(one[group])) for one in (negative, positive))
            for end, bounds in ((-1, lower), (1, upper)):
                inside, outside = (p - d) / total, decimal.Decimal(end)
                for turn in range(1 + halvings):
                    # The end itself first.
                    delta = outside if turn == 0 else (inside + outside) / 2
                    ahead, behind = (p, d) if delta >= 0 else (d, p)
                    a = abs(delta)
                    b = (2 * total - ahead + behind) * a - ahead - behind
                    root = (b * b + 8 * total * behind * a * (1 - a)).sqrt()
                    variance = 2 * (root - b) / (4 * total) + a * (1 - a)
                    if (p - d - total * delta) ** 2 <= square * total * variance:
                        inside = delta
                    else:
                        outside = delta
                bounds[group] = float(inside)


def add_up(
    low: Any, high: Any, places: Any, starts: Any, first: int, out_low: Any, out_high: Any
) -> None:
    """Add Python integers; cut the sum in two halves of 64 bits."""
    ends = [*starts[1:], len(places)]
    for group, (start, end) in enumerate(zip(starts, ends, strict=True)):
        for column in range(out_low.shape[1]):
            total = sum(
                (int(high[row, first + column]) << 64) + int(low[row, first + column])
                for row in places[start:end]
            )
            out_low[group, column], out_high[group, column] = total & (2**64 - 1), total >> 64


def add_rows(rows: Any, places: Any, starts: Any, first: int, out: Any) -> None:
    """Add Python integers."""
    for group, (start, end) in enumerate(zip(starts, [*starts[1:], len(places)], strict=True)):
        for column in range(out.shape[1]):
            out[group, column] = sum(int(rows[row, first + column]) for row in places[start:end])


def dots_wide(
    matrix: Any, starts: Any, targets: Any, left: Any, right: Any, low: Any, high: Any
) -> None:
    """Multiply and add Python integers; cut the sum in two halves of 64 bits."""
    for run, target in enumerate(targets):
        for product, (a, b) in enumerate(zip(left, right, strict=True)):
            total = (int(high[target, product]) << 64) + int(low[target, product])
            total += _dot(matrix, a, b, starts[run], starts[run + 1])
            low[target, product] = total % 2**64
            high[target, product] = total >> 64


def _dot(matrix: Any, a: Any, b: Any, begin: Any, end: Any) -> int:
    return sum(int(matrix[a, row]) * int(matrix[b, row]) for row in range(begin, end))


def respondent_moments(
    start: Any, pattern: Any, sums: Any, scale: Any, shift: Any, part_start: Any, part_item: Any,
    weight: Any, needed: Any, count: Any, mean: Any, squares: Any,
) -> None:  # fmt: skip
    """Sum every respondent's score and its square, exactly."""
    items = len(scale)
    parts = _parts(part_start, part_item)
    for group in range(len(start) - 1):
        n = [0] * (1 + len(parts))
        total = [Fraction(0)] * (1 + len(parts))
        total_squares = [Fraction(0)] * (1 + len(parts))
        for row in range(start[group], start[group + 1]):
            answered = {j for j in range(items) if int(pattern[row]) >> j & 1}
            if any(int(needed) >> j & 1 and j not in answered for j in range(64)):
                continue
            # A score is a constant and a coefficient per item; [0] is the index.
            forms: list[list[Fraction] | None] = [
                _part_form([j for j in part if j in answered], scale, shift) for part in parts
            ]
            forms.insert(0, _weighted(forms, weight))
            for target, form in enumerate(forms):
                if form is not None:
                    once, twice = _form_sums(form, sums[row], items)
                    n[target] += int(sums[row, 0])
                    total[target] += once
                    total_squares[target] += twice
        for target, responses in enumerate(n[: count.shape[1]]):
            average = total[target] / responses if responses else Fraction(0)
            count[group, target] = responses
            mean[group, target] = float(average)
            if len(squares):
                squares[group, target] = float(total_squares[target] - responses * average**2)


def item_mean_moments(
    start: Any, pattern: Any, sums: Any, scale: Any, shift: Any, part_start: Any, part_item: Any,
    weight: Any, count: Any, mean: Any, squares: Any,
) -> None:  # fmt: skip
    """Average the items, and square every respondent's share in the error, exactly."""
    items = len(scale)
    parts = _parts(part_start, part_item)
    for group in range(len(start) - 1):
        rows = range(start[group], start[group + 1])
        answered = {row: {j for j in range(items) if int(pattern[row]) >> j & 1} for row in rows}
        n = [sum(int(sums[row, 0]) for row in rows if j in answered[row]) for j in range(items)]
        average = [
            Fraction(sum(int(sums[row, 1 + j]) for row in rows if j in answered[row]), n[j] or 1)
            for j in range(items)
        ]
        forms: list[list[Fraction] | None] = [
            _part_form([j for j in part if n[j]], scale, shift) for part in parts
        ]
        forms.insert(0, _weighted(forms, weight))
        targets = [
            {j for part, one in zip(parts, weight, strict=True) if one > 0 for j in part},
            *(set(part) for part in parts),
        ]
        for target, form in enumerate(forms):
            asked = sum(int(sums[row, 0]) for row in rows if answered[row] & targets[target])
            count[group, target] = asked
            mean[group, target] = squares[group, target] = 0.0
            if form is None:
                continue
            mean[group, target] = float(
                form[0] + sum(form[1 + j] * average[j] for j in range(items))
            )
            spread = Fraction(0)
            for row in rows:
                # u = sum of form_j / n_j * (x_j - average_j) over what was answered.
                share = [Fraction(0)] * (1 + items)
                for j in answered[row]:
                    if n[j]:
                        share[1 + j] = form[1 + j] * asked / n[j]
                        share[0] -= share[1 + j] * average[j]
                spread += _form_sums(share, sums[row], items)[1]
            squares[group, target] = float(spread)


def _parts(part_start: Any, part_item: Any) -> list[list[int]]:
    return [
        [int(item) for item in part_item[part_start[p] : part_start[p + 1]]]
        for p in range(len(part_start) - 1)
    ]


def _part_form(answered: list[int], scale: Any, shift: Any) -> list[Fraction] | None:
    """Return the plain mean of these items as [constant, coefficient of each item]."""
    if not answered:
        return None
    form = [Fraction(0)] * (1 + len(scale))
    for j in answered:
        form[0] += Fraction(float(shift[j])) / len(answered)
        form[1 + j] += Fraction(float(scale[j])) / len(answered)
    return form


def _weighted(forms: list[list[Fraction] | None], weight: Any) -> list[Fraction] | None:
    known = [
        (Fraction(float(one)), form)
        for one, form in zip(weight, forms, strict=True)
        if form is not None
    ]
    total = sum((one for one, _ in known), Fraction(0))
    if not total:
        return None
    return [
        sum((one * form[place] for one, form in known), Fraction(0)) / total
        for place in range(len(known[0][1]))
    ]


def _form_sums(form: list[Fraction], row: Any, items: int) -> tuple[Fraction, Fraction]:
    """Return the sum of a linear form over the respondents of a row, and that of its square."""
    moments = [[Fraction(0)] * (1 + items) for _ in range(1 + items)]
    at = 0
    for i in range(1 + items):
        for j in range(i, 1 + items):
            moments[i][j] = moments[j][i] = Fraction(int(row[at]))
            at += 1
    once = sum((form[i] * moments[0][i] for i in range(1 + items)), Fraction(0))
    twice = sum(
        (form[i] * form[j] * moments[i][j] for i in range(1 + items) for j in range(1 + items)),
        Fraction(0),
    )
    return once, twice


def shapley(correlation: Any, tolerance: float, share: Any, gradient: Any) -> None:
    """Look at every subset of the others, as the formula is printed; slopes by complex steps."""
    pairs = list(itertools.combinations_with_replacement(range(correlation.shape[1]), 2))
    for group, one in enumerate(correlation):
        share[group] = _shapley(one, tolerance)
        for place, (a, b) in enumerate(pairs if gradient.shape[1] else []):
            moved = one.astype(complex)
            # Derivatives without a difference: the imaginary part, for a step that rounds to 0.
            moved[a, b] += 1e-100j
            if a != b:
                moved[b, a] += 1e-100j
            gradient[group, :, place] = _shapley(moved, tolerance).imag / 1e-100


def _shapley(correlation: Any, tolerance: float) -> Any:
    p = len(correlation) - 1

    @functools.cache
    def explained(chosen: tuple[int, ...]) -> Any:
        among = correlation[np.ix_(chosen, chosen)]
        r = correlation[chosen, p]
        if np.iscomplexobj(correlation):
            found = r @ np.linalg.solve(among, r)
        else:
            found = r @ np.linalg.pinv(among, rcond=tolerance) @ r
        return found / correlation[p, p]

    result = np.zeros(p, dtype=correlation.dtype)
    for j in range(p):
        others = [k for k in range(p) if k != j]
        for size in range(p):
            weight = math.factorial(size) * math.factorial(p - 1 - size) / math.factorial(p)
            for chosen in itertools.combinations(others, size):
                with_j = tuple(sorted((*chosen, j)))
                result[j] += weight * (explained(with_j) - explained(chosen))
    return result


def eigenvectors(matrix: Any, values: Any, vectors: Any) -> None:
    """Leave it to LAPACK."""
    values[:], vectors[:] = np.linalg.eigh(matrix)


def relative_weights(
    correlation: Any,
    values: Any,
    vectors: Any,
    share: Any,
    beta: Any,
    vif: Any,
    axes: Any,
    slopes: Any,
) -> None:
    """Take the root of whole matrices; slopes by moving each covariance there and back."""
    del values, vectors  # found again

    def root_of(matrix: Any) -> Any:
        values, vectors = np.linalg.eigh(matrix)
        return vectors @ np.diag(np.sqrt(values)) @ vectors.T

    def weights(covariance: Any) -> Any:
        sd = np.sqrt(np.diag(covariance))
        matrix = covariance / np.outer(sd, sd)
        root = root_of(matrix[:-1, :-1])
        return root**2 @ np.linalg.solve(root, matrix[:-1, -1]) ** 2

    def slope(matrix: Any, i: int, j: int) -> Any:
        step = np.zeros_like(matrix)
        step[i, j] = step[j, i] = 1e-4
        # Of two distances, so that the error is of the fourth order.
        near, far = (
            (weights(matrix + k * step) - weights(matrix - k * step)) / (2e-4 * k) for k in (1, 2)
        )
        return (4.0 * near - far) / 3.0

    for group, matrix in enumerate(correlation):
        inverse, root = np.linalg.inv(matrix[:-1, :-1]), root_of(matrix[:-1, :-1])
        share[group] = weights(matrix)
        beta[group] = inverse @ matrix[:-1, -1]
        vif[group] = np.diag(inverse)
        axes[group, 0] = (root**4).sum(axis=1)
        axes[group, 1] = root**4 @ np.linalg.solve(root, matrix[:-1, -1]) ** 2
        pairs = combinations_with_replacement(range(len(matrix) if slopes.shape[1] else 0), 2)
        for at, (a, b) in enumerate(pairs):
            slopes[group, :, at] = slope(matrix, a, b)


def recentre(moments: Any, steps: Any, by: Any) -> None:
    """Multiply out (x_a - m_a)(x_b - m_b)(x_c - m_c)(x_d - m_d), in fractions."""
    del steps  # what they come to is known
    width, groups = by.shape
    fours = list(itertools.combinations_with_replacement(range(width), 4))
    before = [[Fraction(value) for value in row] for row in moments.tolist()]
    known: dict[tuple[int, ...], Any] = dict(zip(fours, before, strict=True))
    for group in range(groups):
        origin = [Fraction(value) for value in by[:, group].tolist()]
        for at, four in enumerate(fours):
            total = Fraction(0)
            for away in itertools.product((0, 1), repeat=4):
                kept = [0 if gone else variable for variable, gone in zip(four, away, strict=True)]
                term = known[tuple(sorted(kept))][group]
                for variable, gone in zip(four, away, strict=True):
                    if gone:
                        term *= -origin[variable]
                total += term
            moments[at, group] = float(total) if moments.dtype.kind == "f" else int(total)


def centre(sums: Any, places: Any, steps: Any, near: Any, rest: Any, out: Any) -> None:
    """Take both origins away at once, in fractions."""
    moved = sums[:, places].T.astype(np.float64)
    recentre(moved, steps, near)
    recentre(moved, steps, rest)
    for group, one in enumerate(moved.T):
        block, lane = divmod(group, LANES)
        out[block, :, lane] = one


def spread(moments: Any, places: Any, table: Any) -> None:
    """Look every place up."""
    for group in range(len(table)):
        table[group] = _in_lane(moments, group)[places]


def _in_lane(moments: Any, group: int) -> Any:
    """Return the moments of one group."""
    block, lane = divmod(group, LANES)
    return moments[block, :, lane]


def covariances(
    moments: Any, places: Any, slopes: Any, scale: Any, level: Any, out: Any, variance: Any
) -> None:
    """Multiply whole matrices."""
    for group in range(len(out)):
        own = np.concatenate(slopes[:, group])
        form = np.concatenate([-own @ level[group][:, None], own * scale[group]], axis=1)
        found = form @ _in_lane(moments, group)[places] @ form.T
        out[group], variance[group] = found[: out.shape[1], : out.shape[1]], np.diag(found)


def sandwich(
    central: Any, places: Any, product: Any, total: Any, mean: Any, slope: Any,
    rounding_max: float, singular: float, variance: Any, wald: Any, sure: Any,
) -> None:  # fmt: skip
    """Multiply whole matrices, in the units of the columns; eigenvalues say what is singular."""
    q = product.shape[1]
    places_of = {pair: at for at, pair in enumerate(combinations_with_replacement(range(q + 1), 2))}
    pair = [[places_of[min(a, b), max(a, b)] for b in range(q + 1)] for a in range(q + 1)]
    for group, n in enumerate(total):
        inner = product[group, :-1, :-1]
        sd = np.sqrt(np.diag(inner))
        if not (sd > 0.0).all() or np.linalg.eigvalsh(inner / np.outer(sd, sd))[0] < singular:
            sure[group] = False
            continue
        form = np.array([0.0, *-slope[group], 1.0])
        table = _in_lane(central, group)[places][pair][:, :, pair]
        meat = np.einsum("abcd,c,d->ab", table, form, form)[:q, :q]
        inverse = np.linalg.inv(inner)
        bread = np.zeros((q, q))
        bread[0, 0] = 1.0 / n
        bread[0, 1:] = -mean[group] @ inverse
        bread[1:, 1:] = inverse
        covariance = bread @ meat @ bread.T
        variance[group] = np.diag(covariance)
        wald[group] = slope[group] @ np.linalg.solve(covariance[1:, 1:], slope[group])
        sure[group] = rounding_max > 0.0


def degrees_of_freedom(
    central: Any, places: Any, product: Any, total: Any, mean: Any, least: float, df: Any,
    lever: Any,
) -> None:  # fmt: skip
    """Multiply whole matrices, as the formula is printed."""
    q = product.shape[1]
    pairs = list(combinations_with_replacement(range(q), 2))
    for group, n in enumerate(total):
        df[group], lever[group] = least, 0.0
        inner = product[group, :-1, :-1]
        if not (np.diag(inner) > 0.0).all() or np.linalg.matrix_rank(inner) < q - 1:
            continue
        gram = np.zeros((q, q))
        gram[0, 0], gram[1:, 1:] = n, inner
        inverse = np.linalg.inv(gram)
        to_origin = np.eye(q)
        to_origin[0, 1:] = -mean[group]
        moments = _in_lane(central, group)[places]
        for row, a in enumerate(to_origin @ inverse):
            square = np.array([a[i] * a[j] * (1 if i == j else 2) for i, j in pairs])
            table = np.zeros((q, q))
            for (i, j), value in zip(pairs, moments @ square, strict=True):
                table[i, j] = table[j, i] = value
            own, moved = a @ gram @ a, inverse @ table
            bottom = square @ moments @ square
            bottom += np.trace(moved @ moved) - 2.0 * (bottom / own) ** 2
            level = np.trace(moved)
            df[group, row] = max((own - level) ** 2 / bottom if bottom != 0.0 else 0.0, least)
            lever[group, row] = level / own


def one_factor(correlation: Any, tolerance: float, sweeps: int, loading: Any, done: Any) -> None:
    """Sweep by sweep, each loading the slope of a regression through zero."""
    for group, one in enumerate(correlation):
        done[group] = -1
        for sweep in range(sweeps):
            before = loading[group].copy()
            for item in range(len(one)):
                others = np.arange(len(one)) != item
                x, y = loading[group][others], one[item][others]
                slope = float(x @ y / (x @ x)) if (x @ x) > 0 else 0.0
                loading[group, item] = max(-1.0, min(1.0, slope))
            if np.abs(loading[group] - before).max() <= tolerance:
                done[group] = sweep + 1
                break


def least_squares(
    sums: Any, cases: Any, shift: Any, unit: Any, intercept: bool, settled: Any,
    coefficient: Any, variance: Any, beta_squared: Any, vif: Any, whole: Any,
) -> None:  # fmt: skip
    """Solve the normal equations in fractions, and round each statistic once."""
    m = len(shift)
    k = m - 1
    step = [Fraction(int(top), int(bottom)) for top, bottom in unit]
    for g, row in enumerate(sums.tolist()):
        n, at = row[0], 1 + m
        first = [row[1 + j] + n * int(shift[j]) for j in range(m)]
        c = [[Fraction(0)] * m for _ in range(m)]
        for i in range(m):
            for j in range(i, m):
                one = row[at] + int(shift[i]) * row[1 + j] + int(shift[j]) * row[1 + i]
                one += n * int(shift[i]) * int(shift[j])
                c[i][j] = c[j][i] = Fraction(n * one - first[i] * first[j] if intercept else one)
                at += 1
        df = int(cases[g]) - k - intercept
        inverse = _inverse([line[:k] for line in c[:k]])
        settled[g] = df > 0 and c[k][k] != 0 and inverse is not None
        if not settled[g]:
            continue
        assert inverse is not None
        b = [sum(v * line[k] for v, line in zip(of, c, strict=False)) for of in inverse]
        explained = sum(v * c[i][k] for i, v in enumerate(b))
        rest = c[k][k] - explained
        scale = n if intercept else 1
        for i in range(k):
            coefficient[g, intercept + i] = float(b[i] * step[i])
            variance[g, intercept + i] = float(rest / df * inverse[i][i] * step[i] ** 2)
            beta_squared[g, i] = float(b[i] ** 2 * c[i][i] / c[k][k])
            vif[g, i] = float(inverse[i][i] * c[i][i])
        if intercept:
            level = first[k] - sum(v * x for v, x in zip(b, first, strict=False))
            coefficient[g, 0] = float(level * step[k] / n)
            leverage = 1 + sum(
                first[i] * inverse[i][j] * first[j] for i in range(k) for j in range(k)
            )
            variance[g, 0] = float(rest / df * leverage * step[k] ** 2 / n**2)
        whole[g, 0] = float(explained / c[k][k])
        whole[g, 1] = float(1 - rest * (df + k) / (df * c[k][k]))
        whole[g, 2] = float(rest / (scale * df) * step[k] ** 2 * step[m])
        whole[g, 3] = float(explained * df / (rest * k)) if rest else 0.0
        whole[g, 4] = float(rest / scale * step[k] ** 2 * step[m])


def _inverse(matrix: list[list[Fraction]]) -> list[list[Fraction]] | None:
    """Invert by Gauss and Jordan; None where there is no inverse."""
    k = len(matrix)
    wide = [[*line, *(Fraction(i == j) for j in range(k))] for i, line in enumerate(matrix)]
    for i in range(k):
        pivot = next((row for row in range(i, k) if wide[row][i]), None)
        if pivot is None:
            return None
        wide[i], wide[pivot] = wide[pivot], wide[i]
        wide[i] = [one / wide[i][i] for one in wide[i]]
        for row in range(k):
            if row != i:
                wide[row] = [
                    one - wide[row][i] * own for one, own in zip(wide[row], wide[i], strict=True)
                ]
    return [line[k:] for line in wide]


def net_scores(classes: Any, score: Any, variance: Any, se: Any) -> None:
    """Take p + d - (p - d)^2 in fractions."""
    for group, row in enumerate(classes.tolist()):
        score[group] = variance[group] = se[group] = math.nan
        if total := sum(row):
            p, d = Fraction(row[2], total), Fraction(row[0], total)
            of_one = p + d - (p - d) ** 2
            score[group], variance[group] = float(100 * (p - d)), float(10_000 * of_one)
            se[group] = 100 * math.sqrt(of_one / total)


def mean_scores(count: Any, mean: Any, squares: Any, score: Any, se: Any) -> None:
    """Divide in fractions."""
    for at, n in enumerate(count.tolist()):
        score[at] = mean[at] if n else math.nan
        se[at] = math.sqrt(Fraction(float(squares[at])) / (n * (n - 1))) if n > 1 else math.nan


def quasi_binomial_bounds(
    middle: Any, error: Any, size: Any, low: float, high: float, c: float, pseudo: float,
    lower: Any, upper: Any, known: Any,
) -> None:  # fmt: skip
    """Solve (1 + c / N) p^2 - (2 m + c / N) p + m^2 = 0 in decimals of 60 digits."""
    for at, n in enumerate(size.tolist()):
        known[at] = bool(np.isfinite(middle[at]) and np.isfinite(error[at]) and n > 1)
        lower[at] = upper[at] = math.nan
        if not known[at]:
            continue
        span = Fraction(high) - Fraction(low)
        m = min(max((Fraction(float(middle[at])) - Fraction(low)) / span, Fraction(0)), Fraction(1))
        se, a = Fraction(float(error[at])) / span, Fraction(pseudo)
        total = Fraction(n) + 2 * a
        near = (Fraction(n) * m + a) / total
        # Variance of one answer, the pseudo-answers among them.
        spread = Fraction(n) * (Fraction(n) * se**2 + (m - near) ** 2)
        spread += a * (near**2 + (1 - near) ** 2)
        like = near * (1 - near) * total**2 / spread - 2 * a if spread else -2 * a
        step = Fraction(c) / max(like, Fraction(n), Fraction(1, 2))
        with decimal.localcontext(prec=60):
            square = (2 * m + step) ** 2 - 4 * (1 + step) * m**2
            root = (decimal.Decimal(square.numerator) / square.denominator).sqrt()
            for sign, bounds in ((-1, lower), (1, upper)):
                b, a2 = 2 * m + step, 2 * (1 + step)
                top = decimal.Decimal(b.numerator) / b.denominator + sign * root
                p = float(top / (decimal.Decimal(a2.numerator) / a2.denominator))
                bounds[at] = low + (high - low) * min(max(p, 0.0), 1.0)


def encode_messages(steps: Any, words: Any, texts: Any, starts: Any, out: Any) -> int:
    """Write forwards, message in message."""
    table = steps.tolist()
    text_of = [bytes(texts[one:end]) for one, end in itertools.pairwise(starts.tolist())]
    whole = b"".join(_fields(table, 0, len(table), row, 0, text_of) for row in words.tolist())
    out[len(out) - len(whole) :] = np.frombuffer(whole, dtype=np.uint8)
    return len(out) - len(whole)


def _fields(
    steps: list[list[int]], first: int, end: int, row: list[int], turn: int, texts: list[bytes]
) -> bytes:
    made = b""
    at = first
    while at < end:
        kind, tag, slot, stride, when, rule = steps[at]
        if kind == messages.BEGIN:
            several = rule != messages.ONCE
            for one in range(rule) if several else [turn]:
                if when < 0 or row[when + one * stride]:
                    inner = _fields(steps, at + 1, slot, row, one, texts)
                    made += _varint(tag) + _varint(len(inner)) + inner
            at = slot + 1
            continue
        at += 1
        word = row[slot + turn * stride]
        if when >= 0 and not row[when + turn * stride]:
            continue
        value, empty = _varint(word % 2**64), word == 0
        if kind == messages.FIXED_64:
            value = struct.pack("<q", word)
            if rule == messages.UNLESS_NAN and math.isnan(struct.unpack("<d", value)[0]):
                continue
        elif kind == messages.TEXT:
            value, empty = _varint(len(texts[word])) + texts[word], not texts[word]
        if not (empty and rule == messages.UNLESS_ZERO):
            made += _varint(tag) + value
    return made


def _varint(value: int) -> bytes:
    made = []
    while value >= 128:
        made.append(value % 128 + 128)
        value //= 128
    return bytes([*made, value])
