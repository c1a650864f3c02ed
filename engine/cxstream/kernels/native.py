"""Rows of codes -> sums, through the C kernels of ``cxstream._native``.

What the structures and calls mean is documented in ``native/include/cxstream_native.h``. All of them run without the
interpreter lock, and give the same bits at every SIMD level (`cxstream.columns.native.set_simd_level`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cxstream._native import ffi as _ffi
from cxstream._native import lib as _lib

#: Slots of one scratch: 17 MB of lanes where a slot has two vectors of them.
SLOTS_MAX = 1 << 17
#: Wide lanes of one scratch, besides those for a block of rows; only those in use take memory.
_WIDE_MAX = 1 << 15
#: Few of them are in use at a time: rows that answer everything stand together.
_DIRECT_BYTES_MAX = 1 << 26
#: Words of a wide block that a factor's products take are so many, or a multiple.
WIDE_STEP: int = _lib.CX_WIDE_STEP
#: Rows that are counted as one, at most.
_BLOCK_ROWS = 1024
#: Arrays of a scratch that are used as a whole.
_SUMS = ("counts", "joint", "wide_low", "wide_high")
#: Scratches kept for the next batch.
_IDLE_MAX = 4


class Vector(NamedTuple):
    """64 lanes of a slot: see ``cx_tally_vector``."""

    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    level: NDArray[np.uint8]
    left_group: int
    right_group: int


class WideTable(NamedTuple):
    """A block of complete cases with 128-bit sums, as rows are counted: see ``cx_tally_table``.

    Attributes
    ----------
    columns : (columns,) int32
        Questions, by place in a batch; numbers are the last.
    numbers, factors : int
        How many of the columns are numbers; how many of 1 and the columns, the last, are multiplied
        beside the lanes.
    word : (products,) int32
        Where each product is; -1 for one that comes from lanes.
    """

    columns: NDArray[np.int32]
    numbers: int
    factors: int
    word: NDArray[np.int32]


class CountPlan:
    """What is counted how: ``cx_tally_plan``.

    Parameters
    ----------
    counts_width : int
    plain, sets, lane : sequence of int
        Questions counted one by one, sets counted whole, and questions and sets in lanes; places in
        the batch.
    columns : int
        How many of the latter, from the first on, are multiplied.
    hist_at, square_at : sequence of int
        By question in lanes, the lane of its code 0, and -1; of one that is not counted but multiplied,
        of its sum, and of its squares.
    pairs : sequence of (int, int, int)
        Products: two columns, and the lane.
    vectors : sequence of Vector
    limit, rows_max : int
        Rows that lanes, and wide lanes, can hold.
    class_columns : sequence of int
        By bit of the class, the columns that are answered, a bit each, then numbers.
    class_numbers : sequence of int
        These numbers.
    wide : sequence of WideTable
    """

    def __init__(
        self, *, counts_width: int, plain: Sequence[int], sets: Sequence[int],
        lane: Sequence[int], columns: int, hist_at: Sequence[int], square_at: Sequence[int],
        pairs: Sequence[tuple[int, int, int]], vectors: Sequence[Vector],
        limit: int, rows_max: int, class_columns: Sequence[int], class_numbers: Sequence[int],
        wide: Sequence[WideTable],
    ) -> None:  # fmt: skip
        self.counts_width = counts_width
        self.n_vectors = len(vectors)
        self.limit = limit
        self.class_bits = len(class_columns)
        self.n_moments = 1 + 2 * columns + len(pairs)
        given = _ffi.new("cx_tally_vector[]", len(vectors))
        for place, vector in enumerate(vectors):
            for name in ("left", "right", "mask", "level"):
                _ffi.memmove(getattr(given[place], name), getattr(vector, name).tobytes(), 64)
            given[place].left_group = vector.left_group
            given[place].right_group = vector.right_group
            counters = int((vector.level != 255).sum())
            given[place].counts = counters + counters % 2
            given[place].multiplies = int((vector.right != 255).any())
        left, right, at = zip(*pairs, strict=True) if pairs else ((), (), ())
        self._kept = [given, *(_ffi.new("int32_t[]", list(one)) for one in (
            plain, lane, hist_at, left, right, at, sets, square_at, class_numbers,
        )), _ffi.new("uint64_t[]", list(class_columns))]  # fmt: skip
        wide_ = _ffi.new("cx_tally_table[]", len(wide))
        for table, one in zip(wide_, wide, strict=True):
            arrays = (
                _ffi.from_buffer("int32_t[]", one.columns),
                _ffi.from_buffer("int32_t[]", one.word),
            )
            self._kept.append(arrays)
            table.columns, table.word = arrays
            table.n_columns, table.n_products = len(one.columns), len(one.word)
            table.n_numbers, table.n_factors = one.numbers, one.factors
        self._kept.append(wide_)
        self.wide_words: int = sum(
            _lib.cx_tally_wide_words(_ffi.addressof(wide_, place)) for place in range(len(wide))
        )
        (
            vectors_, plain_, lane_, hist_at_, left_, right_, at_, sets_, square_at_, numbers_, class_,
        ) = self._kept[:11]  # fmt: skip
        self.n_sets, self.n_wide = len(sets), len(wide)
        self.struct = _ffi.new(
            "cx_tally_plan *",
            {
                "counts_width": counts_width,
                "n_plain": len(plain),
                "plain": plain_,
                "n_sets": len(sets),
                "sets": sets_,
                "n_lane": len(lane),
                "n_columns": columns,
                "lane": lane_,
                "hist_at": hist_at_,
                "n_summed": sum(at >= 0 for at in square_at),
                "square_at": square_at_,
                "n_pairs": len(pairs),
                "pair_left": left_,
                "pair_right": right_,
                "pair_at": at_,
                "n_vectors": len(vectors),
                "vectors": vectors_,
                "limit": limit,
                "rows_max": rows_max,
                "n_class_bits": len(class_columns),
                "class_columns": class_,
                "n_class_numbers": len(class_numbers),
                "class_numbers": numbers_,
                "n_wide": len(wide),
                "wide": wide_,
            },
        )


class Axis(NamedTuple):
    """One digit of a row's group: see ``cx_tally_axis``."""

    digits: NDArray[Any]
    radix: int
    words: NDArray[np.int32] | None = None
    shift: int = 0


class Sets(NamedTuple):
    """Byte by byte, which answers responses have to a question with several: see ``cx_tally_sets``.

    Attributes
    ----------
    codes : (rows,) uint8
    columns : (bits + 1,) int32
        Of counts, of each bit and of no bit; -1 for nowhere.
    answered : int
        The column of responses with any answer.
    first : bool
        Whether it is the question's first byte.
    """

    codes: NDArray[np.uint8]
    columns: NDArray[np.int32]
    answered: int
    first: bool


class Columns:
    """The questions of a batch, shared by its views.

    Parameters
    ----------
    questions : sequence of (codes, n_codes, levels, column)
        Codes of 1 or 2 bytes, or numbers of 8.
    sets : sequence of Sets
        They stand behind the questions.
    """

    def __init__(
        self,
        questions: Sequence[tuple[NDArray[Any], int, int, int]],
        sets: Sequence[Sets],
    ) -> None:
        self._kept: list[Any] = []
        self.n_questions = len(questions) + len(sets)
        self.questions = _ffi.new("cx_tally_question[]", self.n_questions)
        for place, (codes, n_codes, levels, column) in enumerate(questions):
            self.questions[place] = (
                self._address(codes), codes.itemsize, n_codes, levels, column, 0, _ffi.NULL,
            )  # fmt: skip
        for place, one in enumerate(sets, len(questions)):
            bits = len(one.columns) - 1
            columns = _ffi.from_buffer("int32_t[]", one.columns)
            self._kept.append(columns)
            self.questions[place] = (
                self._address(one.codes), 1, len(set_lanes(one.columns)) + 1, one.first,
                one.answered, bits, columns,
            )  # fmt: skip

    def filled(self, codes: Sequence[NDArray[Any]]) -> Columns:
        """Return the same questions and sets with these codes."""
        filled = Columns([], [])
        filled.n_questions = self.n_questions
        filled.questions = _ffi.new("cx_tally_question[]", self.n_questions)
        _ffi.memmove(filled.questions, self.questions, _ffi.sizeof(filled.questions))
        filled._kept.append(self)
        for place, array in enumerate(codes):
            question = filled.questions[place]
            question.codes, question.bytes = filled._address(array), array.itemsize
        return filled

    def _address(self, array: NDArray[Any]) -> Any:
        if not array.size:
            return _ffi.NULL
        self._kept.append(_ffi.from_buffer("uint8_t[]", np.ascontiguousarray(array)))
        return self._kept[-1]


def set_lanes(columns: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Return what is counted of a byte of sets: bits of it, and what they are."""
    bits = [(1 << bit, 1 << bit) for bit in range(len(columns) - 1)]
    return bits if columns[-1] < 0 else [*bits, (255, 0)]


class Rows:
    """A batch as one view groups it: ``cx_tally_batch``."""

    def __init__(self, columns: Columns, axes: Sequence[Axis], groups: int = 0) -> None:
        self.groups = groups or math.prod(axis.radix for axis in axes)
        self._kept: list[Any] = [columns]
        given = _ffi.new("cx_tally_axis[]", len(axes))
        for place, (digits, radix, words, shift) in enumerate(axes):
            array = np.ascontiguousarray(digits)
            buffer = (
                _ffi.from_buffer("uint8_t[]", array.view(np.uint8)) if array.size else _ffi.NULL
            )
            table = _ffi.NULL if words is None else _ffi.from_buffer("int32_t[]", words)
            self._kept += [array, buffer, table]
            given[place] = (buffer, array.itemsize, radix, table, shift)
        self._kept.append(given)
        self.struct = _ffi.new(
            "cx_tally_batch *",
            (
                given, columns.questions, len(axes), columns.n_questions, self.groups,
            ),
        )  # fmt: skip


class Scratch:
    """What one thread counts into: ``cx_tally_scratch``. All zero between uses.

    Its arrays grow as they are needed and are kept: fresh memory costs more than counting into it.
    """

    def __init__(self) -> None:
        self.struct = _ffi.new("cx_tally_scratch *")
        self._arrays: dict[str, NDArray[Any]] = {}
        self._sums_bytes = 0

    def fit(self, plan: CountPlan, groups: int, rows: int | None = None) -> None:
        """Make room for so many groups, and, as far as that is reasonable, for rows (any: None)."""
        places = groups << plan.class_bits
        lanes = 64 * plan.n_vectors
        most = places if rows is None else min(places, rows)
        # Few places: each is its own slot, and none has to be looked up.
        direct = 0 < places * lanes <= _DIRECT_BYTES_MAX and places <= most
        slots = (places if direct else min(most, SLOTS_MAX) + _BLOCK_ROWS) if lanes else 0
        wide = min(most, _WIDE_MAX) + _BLOCK_ROWS if lanes else 0
        self._room("counts", np.uint32, groups * plan.counts_width)
        self._room("joint", np.uint32, 256 * groups * plan.n_sets)
        wide_words = groups * plan.wide_words + WIDE_STEP * plan.n_wide
        self._room("wide_low", np.uint64, wide_words)
        self._room("wide_high", np.uint64, wide_words)
        if lanes:
            self._room("slot_of", np.uint32, 0 if direct else places)
            self._room("place_of", np.uint32, slots)
            self._room("lanes", np.uint8, slots * lanes)
            self._room("wide_of", np.uint32, slots)
            self._room("wide", np.uint32, wide * lanes)
            self._room("moments", np.int64, plan.n_moments)
            self._room("products", np.uint16, 32 * plan.n_moments)
        self.struct.direct = direct
        self.struct.slots_max = slots
        self.struct.wide_max = wide

    def _room(self, name: str, dtype: Any, size: int) -> None:
        known = self._arrays.get(name)
        if known is None or len(known) < size:
            if known is not None and name in _SUMS:
                self._sums_bytes -= known.nbytes
            # No vector of 64 bytes shall lie across two cache lines.
            room = np.zeros(size * np.dtype(dtype).itemsize + 64, dtype=np.uint8)
            start = -room.ctypes.data % 64
            known = room[start : start + size * np.dtype(dtype).itemsize].view(dtype)
            self._arrays[name] = known
            if name in _SUMS:
                self._sums_bytes += known.nbytes
            setattr(self.struct, name, _ffi.from_buffer(f"{known.dtype.name}_t[]", known))

    def size(self, plan: CountPlan) -> int:
        """Return the bytes that what it holds takes, about."""
        lanes = 64 * plan.n_vectors
        return self._sums_bytes + int(self.struct.n_slots + 4 * self.struct.n_wide) * lanes

    def cleared(self) -> None:
        """Say that all of it is expanded."""
        self.struct.rows = self.struct.n_slots = self.struct.n_wide = self.struct.dense = 0


class Block(NamedTuple):
    """What a block keeps of a slot: see ``cx_tally_block``. Narrow sums are one array, wide ones two."""

    sums: tuple[NDArray[Any], ...]
    targets: NDArray[np.int32] | None
    new_from: int
    moment: NDArray[np.int32]
    needs: NDArray[np.uint32]
    need: int


class Index:
    """A hash table from keys to 0, 1, 2 ...: ``cx_tally_index``."""

    def __init__(self) -> None:
        self.struct = _ffi.new("cx_tally_index *")
        self._kept: list[Any] = []

    def bind(
        self, slot_keys: NDArray[np.int64], slot_cells: NDArray[np.int32], keys: NDArray[np.int64]
    ) -> None:
        """Use these arrays from now on."""
        self._kept = [
            _ffi.from_buffer("int64_t[]", slot_keys),
            _ffi.from_buffer("int32_t[]", slot_cells),
            _ffi.from_buffer("int64_t[]", keys),
        ]
        self.struct.slot_keys, self.struct.slot_cells, self.struct.keys = self._kept
        self.struct.bits = len(slot_cells).bit_length() - 1


#: How blocks treat responses that lack an answer.
COMPLETE, PATTERN, PAIRS = _lib.CX_COMPLETE, _lib.CX_PATTERN, _lib.CX_PAIRS
#: Products of up to four columns; with weights only.
FOURTH = _lib.CX_FOURTH


class Table(NamedTuple):
    """One block of one view: ``cx_tally_table``. Narrow sums are one array, wide ones two."""

    kind: int
    columns: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    sums: tuple[NDArray[Any], ...]
    patterns: Index | None
    rows: Index | None


class Views:
    """All views of a tally and their sums, as small batches are added to them.

    What it is bound to must stay as it is until it is bound again.
    """

    def __init__(self, count: int) -> None:
        self._structs = _ffi.new("cx_tally_view[]", count)
        self._kept: list[Any] = [None] * count

    def bind(
        self, view: int, *, axes: NDArray[np.int32], weights: NDArray[np.int64], index: Index,
        counts: NDArray[np.int64], tables: Sequence[Table],
    ) -> None:  # fmt: skip
        """Use these arrays for one view from now on."""
        given = _ffi.new("cx_tally_table[]", len(tables))
        kept: list[Any] = [given]

        def address(ctype: str, array: NDArray[Any]) -> Any:
            kept.append(_ffi.from_buffer(ctype, array))
            return kept[-1]

        for place, table in enumerate(tables):
            one = given[place]
            one.kind = table.kind
            one.n_columns, one.columns = len(table.columns), address("int32_t[]", table.columns)
            one.n_products = len(table.left)
            one.left, one.right = (
                address("int32_t[]", table.left),
                address("int32_t[]", table.right),
            )
            if len(table.sums) == 1:
                one.sums = address("int64_t[]", table.sums[0])
            else:
                one.low = address("uint64_t[]", table.sums[0])
                one.high = address("int64_t[]", table.sums[1])
            if table.patterns is not None and table.rows is not None:
                one.patterns, one.rows = table.patterns.struct, table.rows.struct
        struct = self._structs[view]
        struct.n_axes, struct.axes = len(axes), address("int32_t[]", axes)
        struct.weights = address("int64_t[]", weights)
        struct.index = index.struct
        struct.counts, struct.counts_width = address("int64_t[]", counts), counts.shape[1]
        struct.n_tables, struct.tables = len(tables), given
        self._kept[view] = kept

    def add(
        self, rows: int, batch: Rows, words: NDArray[np.int64], offsets: NDArray[np.int64]
    ) -> None:
        """Add a small batch; indices and sums have room for as many more rows."""
        _check(
            _lib.cx_tally_add(
                batch.struct, rows, _ffi.from_buffer("int64_t[]", words),
                _ffi.from_buffer("int64_t[]", offsets), self._structs, len(self._kept),
            )
        )  # fmt: skip


_IDLE: list[Scratch] = []


def take_scratch() -> Scratch:
    """Return a scratch that nobody uses."""
    try:
        return _IDLE.pop()
    except IndexError:
        return Scratch()


def give_back(scratch: Scratch) -> None:
    """Keep a scratch, all of it expanded, for whoever needs one next."""
    if len(_IDLE) < _IDLE_MAX:
        _IDLE.append(scratch)


class Taken:
    """Which rows of a batch threads have taken: some at a time each, so that a slower one counts fewer."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._end = 0
        #: The first row that nobody has taken, then by thread what it has taken and not counted.
        self.next = _ffi.new("int64_t[]", 1 + 2 * threads)
        self.rows = [self.next + 1 + 2 * one for one in range(threads)]
        self._zeros = bytes(_ffi.sizeof(self.next))

    def begin(self, rows: int) -> None:
        """Take a batch of so many."""
        _ffi.memmove(self.next, self._zeros, len(self._zeros))
        self._end = rows

    def left(self) -> list[int]:
        """Return the threads that have rows to count."""
        if self.next[0] < self._end:
            return list(range(self.threads))
        return [one for one, rows in enumerate(self.rows) if rows[0] < rows[1]]


class Share(NamedTuple):
    """What one thread counts of one view: ``cx_tally_share``."""

    rows: Rows
    taken: Taken
    thread: int
    scratch: Scratch


class Shares:
    """Shares that are counted one after the other, by as many threads as there are.

    Parameters
    ----------
    plan : CountPlan
    rows : int
        Of the batch.
    shares : sequence of Share
    """

    def __init__(self, plan: CountPlan, rows: int, shares: Sequence[Share]) -> None:
        self.shares = shares
        self._plan = plan
        self._end = rows
        self._structs = _ffi.new(
            "cx_tally_share[]",
            [
                (one.rows.struct, one.taken.next, one.taken.rows[one.thread], one.scratch.struct)
                for one in shares
            ],
        )
        self._begun = _ffi.new("int32_t *")

    def begin(self) -> None:
        """Take another batch, in the same place."""
        self._begun[0] = 0
        for one in self.shares:
            one.taken.begin(self._end)

    @property
    def done(self) -> bool:
        """Whether all rows are counted."""
        return not any(one.taken.left() for one in self.shares)

    def count(self) -> None:
        """Count shares, each until no row is left or its scratch is to be expanded, until all are begun."""
        _check(
            _lib.cx_tally_count_shares(
                self._plan.struct, self._structs, len(self.shares), self._end, self._begun
            )
        )


class Used:
    """What scratches of one view hold, on its way to the cells: ``cx_tally_used``.

    Parameters
    ----------
    plan : CountPlan
    rows : Rows
        The view's groups; without rows.
    scratches : sequence of Scratch
    cell_of : (groups,) int32
        By group, its cell; -1 where it has none.

    Attributes
    ----------
    new_groups : (n,) int32
        Those with rows that have no cell; they get one before anything else is asked.
    count : int
        How many groups and classes are used.
    """

    def __init__(
        self,
        plan: CountPlan,
        rows: Rows,
        scratches: Sequence[Scratch],
        cell_of: NDArray[np.int32],
    ) -> None:
        self._plan = plan
        self._rows = rows
        words = (rows.groups + 63) // 64
        bits = np.zeros((len(scratches) << plan.class_bits) * words, dtype=np.uint64)
        classes = np.zeros(words * max(1, (1 << plan.class_bits) // 64), dtype=np.uint64)
        self._cell_of = _ffi.from_buffer("int32_t[]", cell_of)
        self._next = _ffi.new("int32_t *")
        self._kept: list[Any] = [
            _ffi.new("cx_tally_scratch *[]", [one.struct for one in scratches]),
            _ffi.from_buffer("uint64_t[]", bits),
            _ffi.from_buffer("uint64_t[]", classes),
        ]
        self.struct = _ffi.new(
            "cx_tally_used *",
            (
                self._kept[0], len(scratches), rows.groups, plan.class_bits, *self._kept[1:], 0,
            ),
        )  # fmt: skip
        new_groups = np.empty(rows.groups, dtype=np.int32)
        found = _ffi.new("int32_t *")
        _check(
            _lib.cx_tally_find_used(
                plan.struct, rows.struct, self.struct, self._cell_of,
                _ffi.from_buffer("int32_t[]", new_groups), found,
            )
        )  # fmt: skip
        self.new_groups = new_groups[: found[0]]
        self.count = int(self.struct.count)

    def find_rows(
        self,
        pattern_of: NDArray[np.int64],
        number_of: NDArray[np.int32],
        patterns: Index,
        rows: Index,
    ) -> NDArray[np.int32]:
        """Return the row of sums of every group and class that is used: see ``cx_tally_find_rows``."""
        targets = np.empty(self.count, dtype=np.int32)
        _lib.cx_tally_find_rows(
            self.struct, self._cell_of, _ffi.from_buffer("int64_t[]", pattern_of),
            _ffi.from_buffer("int32_t[]", number_of), patterns.struct, rows.struct,
            _ffi.from_buffer("int32_t[]", targets),
        )  # fmt: skip
        return targets

    def keep(
        self,
        counts: NDArray[np.int64],
        blocks: Sequence[Block],
        wide: Sequence[tuple[NDArray[np.uint64], NDArray[np.int64]]],
    ) -> None:
        """Say where it goes; nothing of it may move until it is expanded."""
        given = _ffi.new("cx_tally_block[]", len(blocks))
        for place, block in enumerate(blocks):
            narrow = len(block.sums) == 1
            one = (
                _ffi.from_buffer("int64_t[]", block.sums[0]) if narrow else _ffi.NULL,
                _ffi.NULL if narrow else _ffi.from_buffer("uint64_t[]", block.sums[0]),
                _ffi.NULL if narrow else _ffi.from_buffer("int64_t[]", block.sums[1]),
                _ffi.NULL
                if block.targets is None
                else _ffi.from_buffer("int32_t[]", block.targets),
                block.new_from,
                _ffi.from_buffer("int32_t[]", block.moment),
                _ffi.from_buffer("uint32_t[]", block.needs),
                block.need,
                len(block.moment),
            )
            self._kept.append(one)
            given[place] = one
        tables = _ffi.new("cx_tally_table[]", len(wide))
        for place, (low, high) in enumerate(wide):
            self._kept.append(
                (_ffi.from_buffer("uint64_t[]", low), _ffi.from_buffer("int64_t[]", high))
            )
            tables[place].low, tables[place].high = self._kept[-1]
        self._sums = _ffi.from_buffer("int64_t[]", counts), given, len(blocks), tables

    def expand(self) -> None:
        """Add to the sums until nothing is left; several threads may."""
        _check(
            _lib.cx_tally_expand(
                self._plan.struct, self._rows.struct, self.struct, self._next, self._cell_of,
                *self._sums,
            )
        )  # fmt: skip


class Runs(NamedTuple):
    """Rows in the order of their targets.

    Attributes
    ----------
    order : (n,) int32 or None
        Rows order[starts[i]:starts[i + 1]] belong to targets[i]; None where they stand as they are numbered.
    starts : (k + 1,) int64
    targets : (k,) int32
    """

    order: NDArray[np.int32] | None
    starts: NDArray[np.int64]
    targets: NDArray[np.int32]


def _address(ctype: str, array: NDArray[Any] | None) -> Any:
    return _ffi.NULL if array is None else _ffi.from_buffer(ctype, array)


#: What a thread has put in order last: fresh memory costs more than filling it.
_ROOM = threading.local()


def _room(name: str, dtype: Any, size: int) -> NDArray[Any]:
    """Return an array that is this thread's until it asks for one of that name again."""
    known: NDArray[Any] | None = getattr(_ROOM, name, None)
    if known is None or len(known) < size:
        known = np.empty(size, dtype=dtype)
        setattr(_ROOM, name, known)
    return known[:size]


def number_patterns(
    columns: Columns, places: NDArray[np.int32], rows: range, patterns: Index,
    numbers: NDArray[np.int32],
) -> None:  # fmt: skip
    """Number the answer patterns of some rows: see ``cx_number_patterns``.

    Parameters
    ----------
    columns : Columns
    places : (p,) int32
        Which of the questions.
    rows : range
    patterns : Index
        Has room for one more for every row, or for every pattern there is.
    numbers : (rows,) int32
        The answer, of these rows; -1 where nothing is answered.
    """
    _check(
        _lib.cx_number_patterns(
            columns.questions, _address("int32_t[]", places), len(places), rows.start, rows.stop,
            patterns.struct, _address("int32_t[]", numbers),
        )
    )  # fmt: skip


def split_runs(
    numbers: NDArray[np.int32], patterns: int, runs: Runs
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Sort the rows of every cell by their pattern: see ``cx_split_runs``.

    Parameters
    ----------
    numbers : (rows,) int32
    patterns : int
        They are below.
    runs : Runs

    Returns
    -------
    order, starts, keys : (n,) int32, (k + 1,) int64, (k,) int64
        Rows order[starts[i]:starts[i + 1]] are of the cell and pattern keys[i], cell << 32 | pattern;
        this thread's until it splits others.
    """
    order = _room("split_order", np.int32, len(numbers))
    starts = _room("split_starts", np.int64, len(numbers) + 1)
    keys = _room("split_keys", np.int64, len(numbers))
    scratch = np.zeros(2 * (patterns + 1), dtype=np.int64)
    count = _lib.cx_split_runs(
        _address("int32_t[]", numbers), patterns, _address("int32_t[]", runs.order),
        _address("int64_t[]", runs.starts), _address("int32_t[]", runs.targets), len(runs.targets),
        *(_address(f"{one.dtype.name}_t[]", one) for one in (scratch, order, starts, keys)),
    )  # fmt: skip
    return order[: starts[count]], starts[: count + 1], keys[:count]


class WeightedTable(NamedTuple):
    """One weighted block of one view: ``cx_weighted_block``."""

    kind: int
    columns: NDArray[np.int32]
    limbs: int
    limb_bits: int
    n_first: int
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    low: NDArray[np.uint64]
    high: NDArray[np.int64]


def sort_rows(groups: NDArray[np.int32], n_groups: int) -> Runs:
    """Put rows in the order of their groups: see ``cx_sort_rows``.

    Parameters
    ----------
    groups : (rows,) int32
    n_groups : int
        They are below.

    Returns
    -------
    Runs
        Its order is this thread's until it sorts others.
    """
    order = _room("order", np.int32, len(groups))
    starts, found = np.empty(n_groups + 1, dtype=np.int64), np.empty(n_groups, dtype=np.int32)
    count = _lib.cx_sort_rows(
        _address("int32_t[]", groups), len(groups), n_groups,
        _address("int64_t[]", np.zeros(n_groups, dtype=np.int64)), _address("int32_t[]", order),
        _address("int64_t[]", starts), _address("int32_t[]", found),
    )  # fmt: skip
    return Runs(order, starts[: count + 1], found[:count])


class WeightedRows:
    """Some rows of a batch, with weights: ``cx_weighted_rows``. This thread's until it makes others.

    Parameters
    ----------
    columns : Columns
    weights : (rows,) int64
        -1 for none.
    largest : int
        The largest of them.
    rows : range
        Which rows; they are numbered from 0 on.
    in_order : bool
        Whether they are taken in any other order.
    """

    def __init__(
        self, columns: Columns, weights: NDArray[np.int64], largest: int, rows: range, *,
        in_order: bool,
    ) -> None:  # fmt: skip
        n_questions = columns.n_questions
        words = _ffi.NULL
        if in_order:
            size = len(rows) * _lib.cx_weigh_words(n_questions)
            words = _address("uint64_t[]", _room("words", np.uint64, size))
        self._kept = columns, words, _address("int64_t[]", weights)
        self._struct = _ffi.new(
            "cx_weighted_rows *",
            (
                columns.questions, n_questions, rows.start, len(rows), self._kept[2], largest, 0,
                words,
            ),
        )  # fmt: skip
        if in_order:
            _lib.cx_weigh_put_together(self._struct, words)

    def add(
        self, runs: Runs, few: int, counts: tuple[NDArray[np.uint64], NDArray[np.int64]] | None,
        tables: Sequence[WeightedTable],
    ) -> None:  # fmt: skip
        """Count rows and multiply their answers, with their weights: ``cx_weigh``.

        Parameters
        ----------
        runs : Runs
        few : int
            Runs of fewer rows are taken row by row.
        counts : pair of (cells, 3 * columns) uint64, int64, optional
            Sums of n, w and w^2; added to.
        tables : sequence of WeightedTable
        """
        kept: list[Any] = []

        def address(ctype: str, array: NDArray[Any] | None) -> Any:
            kept.append(_address(ctype, array))
            return kept[-1]

        self._struct.few = few
        given = _ffi.new(
            "cx_weighted_runs *",
            (
                address("int32_t[]", runs.order), address("int64_t[]", runs.starts),
                address("int32_t[]", runs.targets), len(runs.targets),
            ),
        )  # fmt: skip
        counted = _ffi.NULL
        if counts is not None:
            low, high = counts
            counted = _ffi.new(
                "cx_weighted_counts *",
                (low.shape[1] // 3, address("uint64_t[]", low), address("int64_t[]", high)),
            )
        blocks = _ffi.new("cx_weighted_block[]", len(tables))
        for place, one in enumerate(tables):
            blocks[place] = (
                one.kind, len(one.columns), address("int32_t[]", one.columns), one.limbs,
                one.limb_bits, len(one.left), one.n_first, address("int32_t[]", one.left),
                address("int32_t[]", one.right), one.low.shape[1],
                address("uint64_t[]", one.low), address("int64_t[]", one.high),
            )  # fmt: skip
        _check(_lib.cx_weigh(self._struct, given, counted, blocks, len(tables)))


def _check(status: int) -> None:
    if status != _lib.CX_OK:
        raise ValueError("the native kernels cannot count this; see cxstream_native.h")
