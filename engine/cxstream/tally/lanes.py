"""How a plan is counted by the native kernels: which questions stand in which lanes, and what blocks take from them.

See ``native/include/cxstream_native.h`` for what slots, classes, lanes and moments are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cxstream.kernels.native import WIDE_STEP, CountPlan, Vector, WideTable, set_lanes
from cxstream.program import Block, BlockKind, Plan

#: A row of the batch is a group and a class; a class has so many bits at most.
CLASS_BITS_MAX = 12
#: Products of two codes stay below 2^11: lanes hold 32 rows at least, and a block's dot products 16 bits.
_CODE_MAX = 45
#: Of questions that are multiplied; a row's vectors are all gone through.
_COLUMNS_MAX = 32
#: Of questions in a block with 128-bit sums.
_WIDE_COLUMNS_MAX = 64
#: Of numbers that a class depends on; and of bits, where blocks with a number would have more: each doubles the slots,
#: and what these save can be multiplied elsewhere.
_CLASS_NUMBERS_MAX = 8
_CLASS_BITS_WITH_NUMBERS_MAX = 8
_BYTES = 64
#: Questions that nothing multiplies are counted in lanes if they are that many: fewer take less one by one.
_COUNTED_MIN = 3
#: Of such questions: each vector holds three of them or more.
_VECTORS_MAX = 8
_NOTHING = 255
_KINDS = (BlockKind.COMPLETE, BlockKind.PATTERN, BlockKind.PAIRS)


class BlockLanes:
    """What one block takes from a slot.

    Attributes
    ----------
    moment, needs : (products,) int32, uint32
    need : int
        See ``cx_tally_block``.
    pattern_of_class : (classes,) int64 or None
        Patterns only: which of the block's columns a class answers, a bit each.
    """

    def __init__(self, block: Block, moment: list[int], needs: list[int], need: int) -> None:
        self.block = block
        self.moment = np.array(moment, dtype=np.int32)
        self.needs = np.array(needs, dtype=np.uint32)
        self.need = need
        self.pattern_of_class: NDArray[np.int64] | None = None


class Lanes:
    """The native kernels' share of a plan.

    Parameters
    ----------
    plan : Plan
    singles : list of str
        Questions with one answer, by their place in a batch.
    sets : list of (bits + 1,) int32
        Of those with several, which stand behind them, each byte's columns: see `native.Sets`.

    Attributes
    ----------
    count_plan : CountPlan
    blocks : dict of str to BlockLanes
        The blocks that are counted in lanes, by key.
    wide : list of str
        The keys of the blocks with a number, which is multiplied row by row, in 128 bits.
    shared : dict of str to BlockLanes
        Of those, whose products without a number come from lanes.
    rest : list of str
        The keys of all blocks that are neither counted here nor there.
    """

    def __init__(
        self, plan: Plan, singles: list[str], sets: Sequence[NDArray[np.int32]] = ()
    ) -> None:
        self._plan = plan
        self._codes = {name: plan.codes(name) for name in singles}
        #: By place in a batch: what is counted in lanes of a byte, as bits of it and what they are;
        #: nothing of questions that are only multiplied.
        counted = [
            *(
                [(255, code) for code in range(self._codes[name] - 1)] if name in plan.slots else []
                for name in singles
            ),
            *(set_lanes(columns) for columns in sets),
        ]
        chosen = self._choose(plan)
        columns = list(dict.fromkeys(name for block in chosen for name in self._scales(block)))
        numbers = list(dict.fromkeys(name for block in chosen for name in self._numbers(block)))
        place = {name: at for at, name in enumerate((*columns, *numbers))}
        pairs = sorted(
            {
                (min(place[a], place[b]), max(place[a], place[b]))
                for block in chosen
                for a, b in itertools.combinations(self._scales(block), 2)
            }
        )
        lane = [singles.index(name) for name in columns]
        vectors, hist_at, square_at, pair_at = _lay_out([counted[one] for one in lane], pairs)
        for one in range(len(counted)):
            name = singles[one] if one < len(singles) else None
            if one in lane or len(counted[one]) + 1 > _BYTES:
                continue
            if name is not None and (plan.question[name].is_number or name not in plan.slots):
                continue
            more = _lay_out([counted[which] for which in (*lane, one)], pairs)
            most = 0 if columns else 1 + len(lane) // _COUNTED_MIN
            if (
                len(more[0]) <= max(len(vectors), min(most, _VECTORS_MAX))
                and len(lane) < _BYTES - 1
            ):
                lane.append(one)
                vectors, hist_at, square_at, pair_at = more
        if not columns and len(lane) < _COUNTED_MIN:
            lane, vectors, hist_at, square_at = [], [], [], []
        bits, needs = _class_bits(chosen, place)
        wide = [
            block
            for block in plan.blocks
            if block.wide
            and block.kind is BlockKind.COMPLETE
            and len(block.columns) <= _WIDE_COLUMNS_MAX
        ]
        #: Counted with their sums.
        alone = {block.columns[0] for block in wide if len(block.columns) == 1}
        top = max((self._codes[name] - 1 for name in columns), default=1)
        self.count_plan = CountPlan(
            counts_width=plan.counts_width,
            plain=[
                at
                for at, name in enumerate(singles)
                if at not in lane and name in plan.slots and name not in alone
            ],
            sets=[at for at in range(len(singles), len(counted)) if at not in lane],
            lane=lane,
            columns=len(columns),
            hist_at=hist_at,
            square_at=square_at,
            pairs=[(left, right, at) for (left, right), at in zip(pairs, pair_at, strict=True)],
            vectors=vectors,
            limit=min(_rows_max(vectors), 65535 // (top * top)),
            rows_max=(2**32 - 1) // (top * top),
            class_columns=bits,
            class_numbers=[singles.index(name) for name in numbers],
            wide=[self._wide_table(block, singles, shared=block in chosen) for block in wide],
        )
        self.wide = [block.key for block in wide]
        lanes = {
            block.key: _block_lanes(block, place, len(columns), pairs, needs[block.key], len(bits))
            for block in chosen
        }
        self.blocks = {key: one for key, one in lanes.items() if key not in self.wide}
        self.shared = {key: one for key, one in lanes.items() if key in self.wide}
        counted_here = {*self.wide, *self.blocks}
        self.rest = [block.key for block in plan.blocks if block.key not in counted_here]

    def _choose(self, plan: Plan) -> list[Block]:
        """Return the blocks that lanes and classes suffice for."""
        chosen: list[Block] = []
        # Those with a number last: they need no lanes.
        for kind, wide in (*((kind, False) for kind in _KINDS), (BlockKind.COMPLETE, True)):
            most_bits = _CLASS_BITS_WITH_NUMBERS_MAX if wide else CLASS_BITS_MAX
            for block in plan.blocks:
                scales = self._scales(block)
                if block.kind is not kind or block.wide is not wide or not scales:
                    continue
                if any(self._codes[name] - 1 > _CODE_MAX for name in scales):
                    continue
                with_it = [*chosen, block]
                columns = {name for one in with_it for name in self._scales(one)}
                numbers = {name for one in with_it for name in self._numbers(one)}
                place = {name: at for at, name in enumerate((*sorted(columns), *sorted(numbers)))}
                if (
                    len(columns) <= _COLUMNS_MAX
                    and len(numbers) <= _CLASS_NUMBERS_MAX
                    and len(_class_bits(with_it, place)[0]) <= most_bits
                ):
                    chosen = with_it
        return chosen

    def _scales(self, block: Block) -> list[str]:
        """Return a block's columns that have codes."""
        return [name for name in block.columns if not self._plan.question[name].is_number]

    def _numbers(self, block: Block) -> list[str]:
        return [name for name in block.columns if self._plan.question[name].is_number]

    def _wide_table(self, block: Block, singles: list[str], *, shared: bool) -> WideTable:
        """Return where the products of a block with a number are: of every factor, those with all values."""
        numbers = self._numbers(block)
        columns = [*self._scales(block), *numbers]
        values = 1 + len(columns)
        factors = len(numbers) if shared else values
        step = -(-values // WIDE_STEP) * WIDE_STEP
        value_of = {0: 0} | {
            1 + block.columns.index(name): 1 + at for at, name in enumerate(columns)
        }

        def word(left: int, right: int) -> int:
            value, factor = sorted((value_of[left], value_of[right]))
            factor -= values - factors
            return factor * step + value if factor >= 0 else -1

        words = [word(*rows) for rows in block.products] if len(columns) > 1 else [0, 1, 2]
        return WideTable(
            np.array([singles.index(name) for name in columns], dtype=np.int32),
            len(numbers),
            factors,
            np.array(words, dtype=np.int32),
        )


def _class_bits(
    blocks: list[Block], place: dict[str, int]
) -> tuple[list[int], dict[str, dict[str, int]]]:
    """Return the columns of every bit of a class, and by block key the bits of its columns.

    A column of patterns or pairs has a bit; a block of complete cases with other columns has one for all.
    """
    apart = list(
        dict.fromkeys(
            name
            for block in blocks
            if block.kind is not BlockKind.COMPLETE
            for name in block.columns
        )
    )
    bits = [1 << place[name] for name in apart]
    bit_of = {name: 1 << at for at, name in enumerate(apart)}
    needs: dict[str, dict[str, int]] = {}
    for block in blocks:
        if all(name in bit_of for name in block.columns):
            needs[block.key] = {name: bit_of[name] for name in block.columns}
            continue
        together = sum(1 << place[name] for name in block.columns)
        if together not in bits:
            bits.append(together)
        needs[block.key] = dict.fromkeys(block.columns, 1 << bits.index(together))
    return bits, needs


def _lay_out(
    counted: list[list[tuple[int, int]]], pairs: list[tuple[int, int]]
) -> tuple[list[Vector], list[int], list[int], list[int]]:
    """Give every question and pair its lanes.

    Parameters
    ----------
    counted : list of list of (int, int)
        What is counted of each question's byte: bits of it, and what they are; nothing of one that
        is summed.
    pairs : list of (int, int)
        Which questions are multiplied.

    Returns
    -------
    vectors, hist_at, square_at, pair_at
        As in `CountPlan`.
    """
    vectors: list[Vector] = []
    hist_at: list[int] = []
    used = 0
    one = len(counted)  # where a 1 stands, if anything is summed
    summed = [question for question, kinds in enumerate(counted) if not kinds]
    if summed:
        vectors.append(_vector(0, 0))
        used = 2
        if one < 8:  # rows are a sum, too
            vectors[0].left[0] = vectors[0].right[0] = one
        else:
            vectors[0].mask[0] = vectors[0].level[0] = 0
    for question, kinds in enumerate(counted):
        if not kinds:
            hist_at.append(-1)
            continue
        group, lanes = question // 8, len(kinds)
        if not vectors or vectors[-1].left_group != group or used + lanes > _BYTES:
            vectors.append(_vector(group, group))
            used = 0
            if len(vectors) == 1 and not summed:  # a lane that counts rows
                vectors[0].mask[0] = vectors[0].level[0] = 0
                used = 1
        vector = vectors[-1]
        vector.left[used : used + lanes] = question % 8
        vector.mask[used : used + lanes] = [mask for mask, _ in kinds]
        vector.level[used : used + lanes] = [level for _, level in kinds]
        hist_at.append((len(vectors) - 1) * _BYTES + used)
        used += lanes
    used += used % 2
    products = [*pairs, *((q, one) for q in summed), *((q, q) for q in summed)]
    # Few products share the counters' vector: one load and one store a row. Where there are no
    # counters, rows are the first of the products.
    few = used + 2 * len(products) <= _BYTES or len(summed) == len(counted)
    shared = len(vectors) == 1 and few and all(right < 8 for _, right in products)
    pair_at: dict[tuple[int, int], int] = {}
    by_groups = sorted(products, key=lambda pair: (pair[0] // 8, pair[1] // 8))
    for left, right in by_groups:
        groups = left // 8, right // 8
        known = vectors[-1].left_group, vectors[-1].right_group
        begun = shared or pair_at
        if not begun or known != groups or used + 2 > _BYTES:
            vectors.append(_vector(*groups))
            used = 0
        vector = vectors[-1]
        vector.left[used] = left % 8
        vector.right[used] = right % 8
        pair_at[left, right] = (len(vectors) - 1) * _BYTES + used
        used += 2
    for q in summed:
        hist_at[q] = pair_at[q, one]
    square_at = [pair_at.get((q, q), -1) for q in range(len(counted))]
    return vectors, hist_at, square_at, [pair_at[pair] for pair in pairs]


def _rows_max(vectors: list[Vector]) -> int:
    """Return what the lanes that count rows can hold: two of them where they are a sum and nothing else is counted."""
    counted = any((one.level != _NOTHING).any() for one in vectors)
    return 255 if counted or not vectors else 65535


def _vector(left_group: int, right_group: int) -> Vector:
    left, right, mask, level = (np.full(_BYTES, _NOTHING, dtype=np.uint8) for _ in range(4))
    return Vector(left, right, mask, level, left_group, right_group)


def _block_lanes(
    block: Block,
    place: dict[str, int],
    total: int,
    pairs: list[tuple[int, int]],
    bits: dict[str, int],
    n_class_bits: int,
) -> BlockLanes:
    """Find every product of a block among a slot's moments: n, sums, squares, products of pairs.

    Of `total` columns; places from there on are those of numbers, whose products are none of them.
    """
    columns = [place[name] for name in block.columns]
    p = len(columns)

    def moment(*factors: int) -> int:
        if not factors:
            return 0
        if max(factors) >= total:
            return -1
        if len(factors) == 1:
            return 1 + factors[0]
        low, high = sorted(factors)
        return 1 + total + low if low == high else 1 + 2 * total + pairs.index((low, high))

    def factors(row: int) -> tuple[int, ...]:
        """Return the columns that a row of the block's matrix is the product of."""
        if block.kind is not BlockKind.PAIRS:
            return (columns[row - 1],) if row else ()
        return (columns[row % p],) * (row // p)

    def involved(row: int) -> int:
        """Return the bits that a class must have for a row to be other than zero."""
        if block.kind is not BlockKind.PAIRS:
            return bits[block.columns[row - 1]] if row else 0
        return bits[block.columns[row % p]]

    every = 0
    for bit in bits.values():
        every |= bit
    out = BlockLanes(
        block,
        [moment(*factors(left), *factors(right)) for left, right in block.products],
        [involved(left) | involved(right) for left, right in block.products],
        every if block.kind is BlockKind.COMPLETE else 0,
    )
    if block.kind is BlockKind.PATTERN:
        classes = np.arange(1 << n_class_bits, dtype=np.int64)
        out.pattern_of_class = np.zeros_like(classes)
        for j, name in enumerate(block.columns):
            out.pattern_of_class |= ((classes & bits[name]) != 0).astype(np.int64) << j
    return out
