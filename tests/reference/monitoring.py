"""Control charts and change points again, slowly and plainly: oracles for the tests."""

import math
from collections.abc import Callable, Sequence


def ewma(
    scores: Sequence[float | None], sizes: Sequence[int], centre: float, variance: float, r: float
) -> list[tuple[float, float]]:
    """Moving average and its standard deviation after every bucket, each summed from the start."""
    result = []
    for t in range(len(scores)):
        seen = [j for j in range(t + 1) if sizes[j]]
        average, spread = centre * (1 - r) ** len(seen), 0.0
        for age, j in enumerate(reversed(seen)):
            average += r * (1 - r) ** age * scores[j]
            spread += r**2 * (1 - r) ** (2 * age) * variance / sizes[j]
        result.append((average, math.sqrt(spread)))
    return result


def best_split(
    length: int, cost: Callable[[int, int], float], penalty: float
) -> tuple[float, list[int]]:
    """Cheapest split of 0..length-1 into runs, by dynamic programming over all first buckets."""
    best: list[tuple[float, list[int]]] = [(-penalty, [])]
    for end in range(1, length + 1):
        options = []
        for start in range(end):
            before, places = best[start]
            options.append(
                (before + cost(start, end) + penalty, [*places, start] if start else places)
            )
        best.append(min(options))
    return best[length]


def multinomial_cost(counts: Sequence[Sequence[int]], start: int, end: int) -> float:
    """Minus the largest log-likelihood of the counts of buckets start..end-1 as one regime."""
    totals = [sum(row[c] for row in counts[start:end]) for c in range(len(counts[0]))]
    n = sum(totals)
    return -sum(count * math.log(count / n) for count in totals if count)


def normal_cost(
    means: Sequence[float], sizes: Sequence[int], variance: float, start: int, end: int
) -> float:
    """Half the weighted squared distances of the means from their own mean, over the variance."""
    n = sum(sizes[start:end])
    centre = sum(m * s for m, s in zip(means[start:end], sizes[start:end], strict=True)) / n
    return sum(
        s * (m - centre) ** 2 for m, s in zip(means[start:end], sizes[start:end], strict=True)
    ) / (2 * variance)
