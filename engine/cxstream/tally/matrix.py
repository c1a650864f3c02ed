"""One batch laid out for the kernels, once for all views."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cxstream.columns import BUCKETS_HALF, ChoiceCodes, Codes, n_sets
from cxstream.kernels.classification import read_choices
from cxstream.kernels.moments import read_answers
from cxstream.kernels.native import Axis, Columns, Sets, number_patterns
from cxstream.program import Block, BlockKind, CountSlot, Plan
from cxstream.tally.cell_index import CellIndex
from cxstream.tally.combinations import answers_to, numbers_of
from cxstream.tally.lanes import Lanes
from cxstream.tally.weighted import BatchWeights, multiply_pairs

if TYPE_CHECKING:
    from cxstream.tally.numbering import Numbering

T = TypeVar("T")

#: Rows whose patterns are numbered at a time: there is room for a new one in each.
_NUMBERED_ROWS = 1 << 14


class Layout:
    """Where everything of a plan stands in a batch's arrays; the same for every batch.

    Attributes
    ----------
    singles, multiples : list of str
        Questions with one answer, numbers included: rows of `Batch.codes`, those that are counted
        first; and those with several.
    columns : (counted,) int64
        The counts column of each counted one's code 0.
    questions, levels : (answers,) int64
        Of each row of `Batch.answers`: which single it is, and how many levels that has.
    blocks : dict of str to (p,) int64
        Of each block that is not wide: its columns, as rows of `Batch.answers`; none of combinations.
    places : dict of str to (p,) int32
        Of each block: its columns, as rows of `singles`; none of combinations.
    lanes : Lanes
        What the native kernels count.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        counted = [name for name, slot in plan.slots.items() if not slot.multiple]
        summed = [block for block in plan.blocks if block.kind is not BlockKind.DISTINCT]
        multiplied = dict.fromkeys(name for block in summed for name in block.columns)
        self.singles = counted + [name for name in multiplied if name not in plan.slots]
        self.columns = np.array([plan.slots[name].start for name in counted], dtype=np.int64)
        self.multiples = [name for name, slot in plan.slots.items() if slot.multiple]
        self.lanes = Lanes(
            plan, self.singles,
            [one.columns for name in self.multiples for one in _sets(plan.slots[name])],
        )  # fmt: skip
        #: The questions without their codes.
        self.shape = Columns(
            [
                (np.empty(0, dtype=_code_dtype(plan, name)), *self.kind(name))
                for name in self.singles
            ],
            [one for name in self.multiples for one in _sets(plan.slots[name])],
        )
        narrow = [block for block in summed if not block.wide]
        names = list(dict.fromkeys(name for block in narrow for name in block.columns))
        self.questions = np.array([self.singles.index(name) for name in names], dtype=np.int64)
        self.levels = np.array([plan.levels(name) for name in names], dtype=np.int64)
        self.blocks = {
            block.key: np.array([names.index(name) for name in block.columns], dtype=np.int64)
            for block in narrow
        }
        self.places = {
            block.key: np.array(
                [self.singles.index(name) for name in block.columns], dtype=np.int32
            )
            for block in summed
        }

    def kind(self, single: str) -> tuple[int, int, int]:
        """Return how many codes and levels a question with one answer has; its column, -1: none."""
        slot = self.plan.slots.get(single)
        return self.plan.codes(single), self.plan.levels(single), slot.start if slot else -1


@lru_cache(maxsize=64)
def layout_of(plan: Plan) -> Layout:
    """Return a plan's layout, which nobody changes: whoever counts a plan again, as scans do, has it at once."""
    return Layout(plan)


class Places:
    """Where the codes of a batch stand, for the native kernels: the same whatever stands there.

    Parameters
    ----------
    layout : Layout
    codes : Codes
    own : list of list of int
        Per dimension, the tally's code of null and of every level of the batch.

    Attributes
    ----------
    axes : list of Axis
        Each dimension's and the time bucket's digits.
    columns : Columns
        The questions.
    own_codes : list of list of int
        As given.
    buckets : (k,) int64 or None
        With time, the buckets that a response may be of, in order.
    """

    def __init__(self, layout: Layout, codes: Codes, own: list[list[int]]) -> None:
        self.own_codes = own
        self.buckets = None if codes.buckets is None else codes.buckets.buckets
        self.axes = [
            Axis(codes.dimensions[name].indices, len(one))
            for name, one in zip(layout.plan.dimensions, own, strict=True)
        ]
        if codes.buckets is not None:
            self.axes.append(Axis(codes.buckets.indices, 1 + len(codes.buckets.buckets)))
        self.columns = layout.shape.filled(
            [
                *(
                    codes.scales[name] if name in codes.scales else codes.numbers[name]
                    for name in layout.singles
                ),
                *(one for name in layout.multiples for one in codes.choices[name].sets),
            ]
        )
        #: A numbering that holds the levels and buckets.
        self.numbering: Numbering | None = None
        self._made: dict[Any, tuple[object, Any]] = {}

    def once(self, what: object, of: object, make: Callable[[], T]) -> T:
        """Return what was made before, of the same, or make it."""
        known = self._made.get(what)
        if known is None or known[0] is not of:
            known = self._made[what] = of, make()
        made: T = known[1]
        return made


class Batch:
    """The arrays of one batch.

    Parameters
    ----------
    layout : Layout
    codes : Codes
    places : Places
        Theirs.
    patterns : dict of str to CellIndex
        The answer patterns known, by block key; new ones are added.

    Attributes
    ----------
    rows : int
    dimensions : (d, rows) int32
        The batch's own level of every dimension, then (with time) of the time bucket; 0 for null.
    own, offsets : (words,), (d + 1,) int64
        What each of these stands for in a group key: the words of dimension i begin at offsets[i].
    own_codes : list of list of int
        Per dimension, as given.
    buckets : (k,) int64 or None
        With time, the buckets that a response may be of, in order.
    codes : (singles, rows) uint8 or uint16
        What is counted.
    answers : (answers, rows) int16
        What is multiplied, -1 for no answer.
    patterns : dict of str to (rows,) int32
        By block key, the number of every response's answer pattern, -1 where nothing is answered.
    combinations : dict of str to ((p, rows) int64, (rows,) int32)
        By key of a block of distinct rows, every response's codes, and the number of their combination, -1
        where any is lacking.
    wide : dict of str to (p + 1, rows) int64
        By key of a wide block, 1 and the values; 0 for responses that lack any.
    choices : list of ((k,) int32, (k,) int32)
        By question that takes several answers: rows, and the columns they count in.
    weights : BatchWeights or None
        None where the plan has no weight, or no response has one.
    """

    def __init__(
        self, layout: Layout, codes: Codes, places: Places, patterns: dict[str, CellIndex]
    ) -> None:
        self.rows = codes.rows
        self.layout = layout
        self._given = codes
        self._known_patterns = patterns
        plan = layout.plan
        self.weights = None
        if plan.weighted and codes.weights is not None:
            self.weights = BatchWeights(codes.weights)
        self.places = places
        self.own_codes, self.buckets = places.own_codes, places.buckets
        self.axes, self.columns = places.axes, places.columns

    # What follows is laid out when one first asks.

    @cached_property
    def words(self) -> list[NDArray[np.int64]]:
        """Return, for every axis, what its digits stand for in a group key."""
        words = [np.array(one, dtype=np.int64) for one in self.own_codes]
        if self.buckets is not None:
            words.append(np.concatenate([[0], self.buckets + BUCKETS_HALF]))
        return words

    @cached_property
    def own(self) -> NDArray[np.int64]:
        """Return the words of all axes, one after the other."""
        return np.concatenate(self.words) if self.axes else np.empty(0, dtype=np.int64)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Return where each axis's words begin, and where the last one's end."""
        return np.cumsum([0, *map(len, self.words)])

    def lay_out(self, *, weights_only: bool = False) -> None:
        """Lay out what kernels that take rows in an order need, before threads ask for it."""
        names = ["own", "offsets", "dimensions", "patterns", "combinations"]
        if not weights_only:
            names += ["codes", "answers", "wide", "choices"]
        for name in names:
            getattr(self, name)

    @cached_property
    def dimensions(self) -> NDArray[np.int32]:
        """Return the digits of every axis."""
        digits = np.empty((len(self.axes), self.rows), dtype=np.int32)
        for place, axis in enumerate(self.axes):
            digits[place] = axis.digits
        return digits

    @cached_property
    def codes(self) -> NDArray[Any]:
        """Return what is counted, a question a row."""
        layout, given = self.layout, self._given
        singles = [
            given.scales[name] if name in given.scales else _number_codes(layout.plan, given, name)
            for name in layout.singles
        ]
        if not singles:
            return np.empty((0, self.rows), dtype=np.uint8)
        return np.concatenate(singles).reshape(len(singles), self.rows)

    @cached_property
    def choices(self) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """Return what questions with several answers count."""
        slots = self.layout.plan.slots
        return [
            _pairs(slots[name], one) for name, one in self._given.choices.items() if name in slots
        ]

    @cached_property
    def answers(self) -> NDArray[np.int16]:
        """Return what is multiplied."""
        layout = self.layout
        answers = np.empty((len(layout.questions), self.rows), dtype=np.int16)
        if len(layout.questions):
            read_answers(self.codes, layout.questions, layout.levels, answers)
        return answers

    @cached_property
    def patterns(self) -> dict[str, NDArray[np.int32]]:
        """Return the answer patterns of blocks that keep them."""
        return {
            block.key: self._numbers(block)
            for block in self.layout.plan.blocks
            if block.kind is BlockKind.PATTERN and not block.wide
        }

    def _numbers(self, block: Block) -> NDArray[np.int32]:
        numbers = np.empty(self.rows, dtype=np.int32)
        known = self._known_patterns[block.key]
        for begin in range(0, self.rows, _NUMBERED_ROWS):
            some = range(begin, min(begin + _NUMBERED_ROWS, self.rows))
            known.reserve(min(len(some), 1 << len(block.columns)))
            number_patterns(
                self.columns, self.layout.places[block.key], some, known.native, numbers
            )
        return numbers

    @cached_property
    def combinations(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int32]]]:
        """Return every response's codes, (p, rows), and the number of their combination."""
        out = {}
        for block in self.layout.plan.blocks:
            if block.kind is BlockKind.DISTINCT:
                answers, there = answers_to(self.layout.plan, block, self._given)
                numbers = np.full(self.rows, -1, dtype=np.int32)
                numbers[there] = self._known_patterns[block.key].find(numbers_of(answers[:, there]))
                out[block.key] = answers, numbers
        return out

    @cached_property
    def wide(self) -> dict[str, NDArray[np.int64]]:
        """Return the matrices of wide blocks."""
        plan = self.layout.plan
        return {
            block.key: _wide_matrix(plan, block, self._given) for block in plan.blocks if block.wide
        }


def _code_dtype(plan: Plan, name: str) -> Any:
    if plan.question[name].is_number:
        return np.int64
    return np.uint8 if plan.codes(name) <= 256 else np.uint16


def _sets(slot: CountSlot) -> list[Sets]:
    """Return a question with several answers byte by byte, without rows."""
    answered = slot.start + slot.levels
    lacking = np.arange(answered + 1, answered + 2 + len(slot.missing))
    columns = np.concatenate([np.arange(slot.start, answered), lacking]).astype(np.int32)
    count, none = n_sets(slot.levels, len(slot.missing)), np.empty(0, dtype=np.uint8)
    if count == 1 and len(columns) <= 9:  # a null is no bit
        return [Sets(none, columns, answered, True)]
    nowhere = np.array([-1], dtype=np.int32)
    return [
        Sets(none, np.append(columns[8 * place : 8 * place + 8], nowhere), answered, place == 0)
        for place in range(count)
    ]


def largest_value(plan: Plan, block: Block) -> int:
    """Return a bound of the values in a block's matrix (of one that is not wide)."""
    largest = max(2 if block.wide else plan.levels(name) for name in block.columns)
    return (largest - 1) ** 2 if block.kind is BlockKind.FOURTH else largest


def _pairs(slot: CountSlot, choice: ChoiceCodes) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the rows and columns that a question with several answers counts."""
    room = len(choice.codes) + len(choice.offsets) - 1
    rows, columns = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
    seen = np.empty(slot.levels, dtype=np.int64)
    count = read_choices(
        choice.offsets,
        choice.codes,
        slot.levels,
        len(slot.missing),
        slot.start,
        seen,
        rows,
        columns,
    )
    return rows[:count], columns[:count]


def _number_codes(plan: Plan, codes: Codes, name: str) -> NDArray[Any]:
    """Return a number question's codes: 0 valid, then its missing codes, then null."""
    values = codes.numbers[name]
    null = plan.codes(name) - 1
    kinds = np.where(values >= 0, 0, np.where(values == -1, null, -1 - values))
    return kinds.astype(np.uint8 if null < 256 else np.uint16)


def _wide_matrix(plan: Plan, block: Block, codes: Codes) -> NDArray[np.int64]:
    columns = len(block.columns)
    matrix = np.empty((1 + max(right for _, right in block.products), codes.rows), dtype=np.int64)
    answers, there = answers_to(plan, block, codes)
    matrix[0] = there
    np.multiply(answers, there, out=matrix[1 : columns + 1])
    if block.kind is BlockKind.FOURTH:
        multiply_pairs(matrix, columns)
    return matrix
