"""A change of a product, shared out among its factors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

Number = int | float | Fraction


@dataclass(frozen=True, slots=True)
class Decomposition:
    """A change of a product and what each factor has to do with it.

    Attributes
    ----------
    before, after : float
        The product, summed over groups where there are several.
    change : float
        after - before.
    effects : tuple of float
        One per factor; before they are rounded they add to the change exactly.
    standardised : tuple of (float, float)
        One per factor: the product before and after, were all other factors the same in both; their
        difference is the effect.
    """

    FORMULAS: ClassVar = ("decomposition",)

    before: float
    after: float
    change: float
    effects: tuple[float, ...]
    standardised: tuple[tuple[float, float], ...]


def decompose(
    before: Sequence[Number | Sequence[Number]], after: Sequence[Number | Sequence[Number]]
) -> Decomposition:
    """Share the change of a product of factors out among them, symmetrically.

    The effect of factor i is its own step times the other factors, averaged over all orders in
    which the factors could have changed: ``(a_i - b_i) sum_T |T|! (m - 1 - |T|)! / m!
    prod_{j in T} a_j prod_{j not in T} b_j`` over the subsets T of the other m - 1 factors. The
    weights depend on the size of T only, so the sums over subsets are the coefficients of
    ``prod_j (b_j + a_j x)``: the cost grows with m^3, not with 2^m. With two factors it is
    Kitagawa's symmetric rule.

    Parameters
    ----------
    before, after : sequence of numbers, or of sequences of numbers
        The m factors. A factor with a value for each of g groups is a sequence of g numbers; the
        product is then summed over the groups. A single number is the same in all of them. Floats
        count at their exact binary values.

    Returns
    -------
    Decomposition

    Raises
    ------
    ValueError
        No factors, not as many after as before, factors of different lengths, or a number that is
        not finite.

    References
    ----------
    Das Gupta, P. (1993), Standardization and Decomposition of Rates: A User's Manual, U.S. Bureau
    of the Census P23-186, https://www2.census.gov/library/publications/1993/demographics/p23-186.pdf
    """
    m = len(before)
    if m == 0 or len(after) != m:
        raise ValueError("expected one or more factors, as many after as before")
    lengths = {len(one) for one in (*before, *after) if isinstance(one, Sequence)}
    if len(lengths) > 1:
        raise ValueError("factors by group must all have the same number of groups")
    groups = lengths.pop() if lengths else 1
    start, end = ([_values(one, groups) for one in side] for side in (before, after))
    weights = [
        Fraction(math.factorial(size) * math.factorial(m - 1 - size), math.factorial(m))
        for size in range(m)
    ]
    starts, ends = [Fraction(0)] * m, [Fraction(0)] * m
    for g in range(groups):
        b, a = [one[g] for one in start], [one[g] for one in end]
        for i in range(m):
            others = [Fraction(1)]
            for j in range(m):
                if j != i:
                    kept = [b[j] * one for one in others] + [Fraction(0)]
                    taken = [Fraction(0)] + [a[j] * one for one in others]
                    others = [x + y for x, y in zip(kept, taken, strict=True)]
            average = sum(w * one for w, one in zip(weights, others, strict=True))
            starts[i] += b[i] * average
            ends[i] += a[i] * average
    first, last = (
        sum((math.prod(one[g] for one in side) for g in range(groups)), Fraction(0))
        for side in (start, end)
    )
    each = list(zip(starts, ends, strict=True))
    return Decomposition(
        float(first),
        float(last),
        float(last - first),
        tuple(float(late - early) for early, late in each),
        tuple((float(early), float(late)) for early, late in each),
    )


def _values(factor: Number | Sequence[Number], groups: int) -> list[Fraction]:
    values = list(factor) if isinstance(factor, Sequence) else [factor] * groups
    if not all(math.isfinite(one) for one in values):
        raise ValueError("a factor holds a number that is not finite")
    return [Fraction(one) for one in values]
