"""The statistics again, slowly and plainly, from raw rows: oracles for the tests.

Nothing here shares code or algebra with ``cxstream``: loops over respondents, the formula as the
literature prints it, no tricks.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import optimize, stats

Row = Sequence[int | None]


def net_promoter(scores: Iterable[float]) -> tuple[float, float, float]:
    """Score, variance per respondent and standard error on -1..1 from scores 0..10."""
    marks = [1 if s >= 9 else 0 if s >= 7 else -1 for s in scores]
    n = len(marks)
    mean = sum(marks) / n
    variance = sum((m - mean) ** 2 for m in marks) / n
    return mean, variance, math.sqrt(variance / n)


def score_interval(d: int, s: int, p: int, confidence: float) -> tuple[float, float]:
    """Score interval of a net score on -1..1: the roots of |Z(delta)| = z, by brentq.

    The likelihood under the hypothesis is maximised numerically, not by the closed form.
    """
    n = d + s + p
    z = stats.norm.ppf(0.5 + confidence / 2)
    estimate = (p - d) / n

    def constrained_share(delta: float) -> float:
        """Share of detractors q of largest likelihood given q(promoters) - q = delta."""
        low, high = max(0.0, -delta), (1.0 - delta) / 2

        def minus_log_likelihood(q: float) -> float:
            value = 0.0
            for count, share in ((d, q), (p, q + delta), (s, 1 - 2 * q - delta)):
                if count:
                    value -= count * math.log(max(share, 1e-300))
            return value

        found = optimize.minimize_scalar(
            minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
        )
        ends = [(minus_log_likelihood(q), q) for q in (low, high, float(found.x))]
        return min(ends)[1]

    def excess(delta: float) -> float:
        q = constrained_share(delta)
        variance = 2 * q + delta - delta * delta
        return n * (estimate - delta) ** 2 - z * z * variance

    # Both ends of a bracket stay off the points where the variance is 0.
    lower, upper = -1.0, 1.0
    if d < n:
        lower = optimize.brentq(excess, -1 + 1e-12, estimate - 1e-9)
    if p < n:
        upper = optimize.brentq(excess, estimate + 1e-9, 1 - 1e-12)
    return lower, upper


def mean_and_t_interval(
    values: Sequence[float], confidence: float
) -> tuple[float, float, float, float]:
    """Mean, standard error and Student-t bounds of a list of two or more numbers."""
    data = np.asarray(values, dtype=np.float64)
    mean = float(data.mean())
    se = float(data.std(ddof=1) / math.sqrt(len(data)))
    half = float(stats.t.ppf(0.5 + confidence / 2, len(data) - 1)) * se
    return mean, se, mean - half, mean + half


def mean_on_a_scale(
    values: Sequence[float], low: float, high: float, confidence: float
) -> tuple[float, float, float, float]:
    """Mean, standard error and quasi-binomial bounds of two or more answers, row by row.

    A quarter of an answer joins at each end; its variance says how many yes-or-no answers are as good,
    those two quarters not counted; then the means at which a score test turns.
    """
    mean, se, _, _ = mean_and_t_interval(values, confidence)
    n, m = len(values), (mean - low) / (high - low)
    points = [(v - low) / (high - low) for v in values]
    near = (sum(points) + 0.25) / (n + 0.5)
    own = sum((p - m) ** 2 for p in points) * n / (n - 1) + n * (m - near) ** 2
    spread = own + 0.25 * (near**2 + (1 - near) ** 2)
    like = max(near * (1 - near) * (n + 0.5) ** 2 / spread - 0.5, n)
    z = float(stats.norm.ppf(0.5 + confidence / 2))

    lower, upper = sorted(np.roots([1 + z * z / like, -2 * m - z * z / like, m * m]).real)
    return mean, se, low + (high - low) * float(lower), low + (high - low) * float(upper)


def competition_ranks(counts: Sequence[int]) -> list[int]:
    """1 + how many are larger."""
    return [1 + sum(other > mine for other in counts) for mine in counts]


def triangle(rows: Sequence[Sequence[int]], width: int) -> list[int]:
    """Upper triangle, row-major, of the cross-product matrix of [1, row], in Python integers."""
    full = [[1, *row] for row in rows]
    return [
        sum(row[i] * row[j] for row in full) for i in range(width + 1) for j in range(i, width + 1)
    ]


def by_pattern(rows: Sequence[Row], width: int) -> list[tuple[int, list[int]]]:
    """(pattern, triangle with 0 for missing) for every pattern of answered items."""
    found: dict[int, list[list[int]]] = {}
    for row in rows:
        bits = sum(1 << j for j, x in enumerate(row) if x is not None)
        found.setdefault(bits, []).append([0 if x is None else x for x in row])
    return [(bits, triangle(members, width)) for bits, members in found.items()]


def scaled(row: Row, ranges: Sequence[int], reverse: Sequence[bool]) -> list[float | None]:
    """Items on 0..100, None where missing."""
    return [
        None if x is None else 100 * (top - x if flip else x) / top
        for x, top, flip in zip(row, ranges, reverse, strict=True)
    ]


def respondent_index(
    row: Sequence[float | None], parts: Sequence[tuple[float, Sequence[int]]]
) -> float | None:
    """One respondent's index over the parts with any answer, weights renormalised."""
    total = weighted = 0.0
    for weight, items in parts:
        answers = [x for x in (row[j] for j in items) if x is not None]
        if answers:
            total += weight
            weighted += weight * sum(answers) / len(answers)
    return weighted / total if total > 0 else None


def index_of_respondents(
    rows: Sequence[Sequence[float | None]],
    parts: Sequence[tuple[float, Sequence[int]]],
    complete: bool,
) -> list[float]:
    """Indices of everyone who counts under "renormalise" or "complete"."""
    used = {j for _, items in parts for j in items}
    kept = [r for r in rows if not complete or all(r[j] is not None for j in used)]
    return [x for x in (respondent_index(r, parts) for r in kept) if x is not None]


def index_of_item_means(
    rows: Sequence[Sequence[float | None]], parts: Sequence[tuple[float, Sequence[int]]]
) -> tuple[int, float | None, float | None]:
    """N, index and linearised standard error under "item_means"."""
    used = {j for weight, items in parts if weight > 0 for j in items}
    n = sum(any(r[j] is not None for j in used) for r in rows)
    columns = {j: [r[j] for r in rows if r[j] is not None] for j in used}
    mean = {j: sum(c) / len(c) for j, c in columns.items() if c}  # type: ignore[arg-type]
    coefficient = dict.fromkeys(mean, 0.0)
    total = 0.0
    for weight, items in parts:
        known = [j for j in items if j in mean]
        if known and weight > 0:
            total += weight
            for j in known:
                coefficient[j] += weight / len(known)
    if total == 0:
        return n, None, None
    index = sum(coefficient[j] / total * mean[j] for j in mean)
    squares = 0.0
    for row in rows:
        influence = 0.0
        for j, centre in mean.items():
            x = row[j]
            if x is not None:
                influence += coefficient[j] / total / len(columns[j]) * (x - centre)
        squares += influence * influence
    return n, index, math.sqrt(n / (n - 1) * squares) if n > 1 else None
