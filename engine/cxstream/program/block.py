"""Which sums of products are kept per cell, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

#: 2 * 45 bits of a product + 36 bits of rows stay within a signed 128-bit sum.
VALUE_MAX = 2**45
WEIGHT_BITS = 45
#: A survey weight has at most so many steps: 3518 at a step of 1e-10.
WEIGHT_STEPS_MAX = 2**WEIGHT_BITS - 1
#: Fourth-order moments: 12 columns make 1,820 sums per cell.
ROBUST_COLUMNS_MAX = 12
#: Combinations of answers, group by group, that a view keeps of a model with leverage.
DISTINCT_ROWS_MAX = 2**20
#: Codes of such columns: n of them, of 2^36 responses, stay within 63 bits.
DISTINCT_STEPS_MAX = 2**26
#: 107^4 times 2^36 responses stay within 63 bits; moments of a column with more values take 128.
ROBUST_LEVELS_MAX = 108
#: A product of two columns stays within `VALUE_MAX`.
ROBUST_STEPS_MAX = 2**22
#: With a weight: cut in limbs of 13 bits, it takes 4 of them (see WeightedBlock).
WEIGHTED_ROBUST_STEPS_MAX = 2**16


class BlockKind(StrEnum):
    """How a block treats responses that lack an answer, and up to which order it goes."""

    COMPLETE = "complete"  # only responses that answer every column: regression models, numbers
    PATTERN = "pattern"  # one row of sums per pattern of answered columns: weighted indices
    PAIRS = "pairs"  # every pair of columns over the responses that answer both: insights
    FOURTH = "fourth"  # as complete, products of up to four columns: robust models
    DISTINCT = "distinct"  # by combination of answers to all columns: models with leverage


@dataclass(frozen=True)
class Block:
    """Sums of products over some columns, kept per cell.

    Attributes
    ----------
    kind : BlockKind
        How missing answers are treated.
    columns : tuple of str
        Questions, in the program's order.
    wide : bool
        Whether a sum may pass 63 bits (a number is among the columns, or fourth-order moments are of a
        long scale), and takes 128.
    """

    kind: BlockKind
    columns: tuple[str, ...]
    wide: bool

    @cached_property
    def key(self) -> str:
        """Return a text that identifies the block."""
        return f"{self.kind}:{','.join(self.columns)}"

    @property
    def width(self) -> int:
        """Return how many sums there are."""
        return len(self.products)

    @cached_property
    def products(self) -> tuple[tuple[int, int], ...]:
        """Return pairs of rows of the block's matrix whose dot product is summed.

        complete, pattern: rows are [1, x_1 .. x_p]; the upper triangle, row by row.
        pairs: rows are [answered_1..p, x_1..p, x_1^2..p]; first answered_i * answered_j (i <= j),
        then x_i * answered_j (all i, j), x_i^2 * answered_j (all i, j), x_i * x_j (i <= j).
        distinct: as complete, of the row of ones: n and the sums of the columns.
        fourth: rows are all products of two of [1, x_1 .. x_p], in the order of complete's sums;
        what is summed is in the order of `quadruples`.
        """
        p = len(self.columns)
        if self.kind is BlockKind.FOURTH:
            place = {pair: at for at, pair in enumerate(_multisets(p, 2))}
            return tuple((place[a, b], place[c, d]) for a, b, c, d in self.quadruples)
        if self.kind is BlockKind.DISTINCT:
            return tuple((0, j) for j in range(p + 1))
        if self.kind is not BlockKind.PAIRS:
            return tuple((i, j) for i in range(p + 1) for j in range(i, p + 1))
        upper = [(i, j) for i in range(p) for j in range(i, p)]
        full = [(i, j) for i in range(p) for j in range(p)]
        return (
            *((i, j) for i, j in upper),
            *((p + i, j) for i, j in full),
            *((2 * p + i, j) for i, j in full),
            *((p + i, p + j) for i, j in upper),
        )

    @property
    def by_pattern(self) -> bool:
        """Whether sums are kept by cell and pattern: of answered columns, or of their answers."""
        return self.kind in (BlockKind.PATTERN, BlockKind.DISTINCT)

    @property
    def quadruples(self) -> tuple[tuple[int, ...], ...]:
        """Return which four of [1, x_1 .. x_p] each sum of a fourth block multiplies.

        Lower orders are those with 1 among them: n is (0, 0, 0, 0), the sum of x_i (0, 0, 0, i),
        of x_i * x_j (0, 0, i, j).

        Examples
        --------
        >>> Block(BlockKind.FOURTH, ("x",), wide=False).quadruples
        ((0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 1), (0, 1, 1, 1), (1, 1, 1, 1))
        """
        return _multisets(len(self.columns), 4)


@dataclass(frozen=True)
class WeightedBlock:
    """What a survey weight adds to a block, or to the counts: sums with w and with w^2.

    Over the responses that have a weight (0 is one, null is none), kept per cell:

    - n, how many they are: one sum (of the counts: one per column);
    - w times each product: the block's own products, of a fourth block only those of up to two
      columns, in the order of its complete block;
    - w^2 times each product, in the order of the block.

    All take 128 bits. So that they do, a weight may be cut in limbs, w = sum of w_k * 2^(bits * k):
    sums of each limb, and of each pair of limbs, are kept apart, and `powers` puts them together.
    Those of a higher limb come after all of the lower ones, and are there only once a weight has it.

    Attributes
    ----------
    of : Block or None
        The block; None for the counts.
    counters : int
        Of the counts: how many columns they have.
    limb_bits : int
        Bits of a limb of the weight.
    """

    of: Block | None
    counters: int = 0
    limb_bits: int = WEIGHT_BITS

    @property
    def key(self) -> str:
        """Return a text that identifies it."""
        return f"weighted:{self.of.key if self.of else 'counts'}"

    @property
    def limbs(self) -> int:
        """Return how many limbs a weight may have."""
        return -(-WEIGHT_BITS // self.limb_bits)

    def limbs_of(self, largest: int) -> int:
        """Return how many limbs weights up to `largest` have, at least one."""
        return max(1, -(-largest.bit_length() // self.limb_bits))

    def width(self, limbs: int) -> int:
        """Return how many sums there are with so many limbs."""
        if self.of is None:
            return 3 * self.counters
        return 1 + limbs * len(self.firsts) + limbs * (limbs + 1) // 2 * self.of.width

    @property
    def height(self) -> int:
        """Return how many rows the block's own matrix has."""
        assert self.of is not None
        p = len(self.of.columns)
        return (p + 1) * (p + 2) // 2 if self.of.kind is BlockKind.FOURTH else p + 1

    @cached_property
    def products(self) -> tuple[tuple[int, int], ...]:
        """Return pairs of rows of the matrix whose dot product is summed; none for the counts.

        The rows are the block's own (0 for a response without a weight), then, per limb of the
        weight, that limb times each of them.
        """
        if self.of is None:
            return ()
        out = [(0, 0)]
        for limb in range(1, self.limbs + 1):
            above = self.height * limb
            out += ((i, above + j) for i, j in self.firsts)
            for other in range(self.height, above + 1, self.height):
                out += ((other + i, above + j) for i, j in self.of.products)
        return tuple(out)

    def powers(
        self, sums: NDArray[np.object_]
    ) -> tuple[NDArray[np.int64], NDArray[np.object_], NDArray[np.object_]]:
        """Return n, the sums with w and the sums with w^2 of (rows, width) sums as kept."""
        if self.of is None:
            n, first, second = (sums[:, power::3] for power in range(3))
            return n.astype(np.int64), first, second
        firsts, seconds, at = len(self.firsts), self.of.width, 1
        first = sums[:, at : (at := at + firsts)]
        second = sums[:, at : (at := at + seconds)]
        limb = 1
        while at < sums.shape[1]:
            first = first + (sums[:, at : (at := at + firsts)] << (self.limb_bits * limb))
            for other in range(limb + 1):
                # w^2 has both orders of two limbs.
                shift = self.limb_bits * (other + limb) + (other < limb)
                second = second + (sums[:, at : (at := at + seconds)] << shift)
            limb += 1
        return sums[:, :1].astype(np.int64), first, second

    @property
    def firsts(self) -> tuple[tuple[int, int], ...]:
        """Return which of the block's rows are multiplied with one w."""
        if self.of is None:
            return ()
        if self.of.kind is BlockKind.FOURTH:
            return tuple((0, pair) for pair in range(self.height))
        return self.of.products


def limb_bits(largest: int) -> int:
    """Return how many bits of a weight times values up to `largest` stay within a wide sum.

    Examples
    --------
    >>> limb_bits(10), limb_bits(2**24)
    (41, 21)
    """
    return min((VALUE_MAX // largest).bit_length() - 1, WEIGHT_BITS)


def _multisets(columns: int, order: int) -> tuple[tuple[int, ...], ...]:
    return tuple(combinations_with_replacement(range(columns + 1), order))
