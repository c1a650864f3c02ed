"""A program compiled to what is counted: columns of counts, blocks of cross-moments, views.

Two programs with equal plans keep the same sums; they may read them differently (weights, parts,
policies, cuts, labels).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from cxstream.program.block import (
    ROBUST_LEVELS_MAX,
    Block,
    BlockKind,
    WeightedBlock,
    limb_bits,
)
from cxstream.program.program import ROLLUPS, Program, Question, SurveyWeight


@dataclass(frozen=True, slots=True)
class CountSlot:
    """Where the counts of a question that is counted stand in a cell's row of counts.

    The columns from `start` on are: one per level, then (several answers only) one for responses
    that gave any, then one per declared missing code, then null.
    """

    question: str
    start: int
    levels: int
    missing: tuple[str, ...]
    multiple: bool

    @property
    def width(self) -> int:
        """Return how many columns it has."""
        return self.levels + self.multiple + len(self.missing) + 1

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why an answer is missing, in column order."""
        return (*(f"missing:{code}" for code in self.missing), "null")


@dataclass(frozen=True, slots=True)
class View:
    """A standing grouping: one cell per combination of levels (and time bucket)."""

    by: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the dimensions joined by " x ", or "total"."""
        return " x ".join(self.by) or "total"


@dataclass(frozen=True)
class Plan:
    """What is counted.

    Attributes
    ----------
    questions : tuple of Question
        In the program's order.
    slots : dict of str to CountSlot
        By question; one that is not counted, but multiplied by others in blocks, has none.
    counts_width : int
        Columns of a cell's row of counts; column 0 counts responses.
    dimensions : dict of str to (column, max_levels, missing)
        By name.
    time : (column, unit, timezone) or None
        The time column, and the bucket stored with every cell.
    views : tuple of View
        None is part of another.
    blocks : tuple of Block
        All sums of products.
    weight : SurveyWeight or None
        The survey weight.
    weighted : tuple of WeightedBlock
        With a weight: the counts, then every complete, pattern and fourth block, with w and w^2.
    digest : str
        Identifies everything above.
    """

    questions: tuple[Question, ...]
    slots: dict[str, CountSlot]
    counts_width: int
    dimensions: dict[str, tuple[str, int, tuple[str, ...]]]
    time: tuple[str, str, str] | None
    views: tuple[View, ...]
    blocks: tuple[Block, ...]
    weight: SurveyWeight | None
    weighted: tuple[WeightedBlock, ...]
    digest: str

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def time_unit(self) -> str | None:
        """Return the bucket stored with every cell."""
        return self.time[1] if self.time else None

    @cached_property
    def question(self) -> dict[str, Question]:
        """Return the questions by name."""
        return {one.name: one for one in self.questions}

    def levels(self, name: str) -> int:
        """Return how many codes of a question are answers."""
        return _slot(self.question[name], 0).levels

    def codes(self, name: str) -> int:
        """Return how many codes a question with one answer has, those for no answer among them."""
        return _slot(self.question[name], 0).width

    def block(self, kind: BlockKind, columns: set[str]) -> Block | None:
        """Return the block over exactly these columns, or None."""
        for one in self.blocks:
            if one.kind is kind and set(one.columns) == columns:
                return one
        return None

    def narrowest(self, kind: BlockKind, columns: set[str]) -> Block | None:
        """Return the block of fewest columns that has these among them, or None."""
        having = [one for one in self.blocks if one.kind is kind and columns <= set(one.columns)]
        return min(having, key=lambda one: len(one.columns), default=None)

    @cached_property
    def kept(self) -> tuple[Block | WeightedBlock, ...]:
        """Return all that has sums besides the counts, in the order of a snapshot."""
        return (*self.blocks, *self.weighted)

    def weighted_of(self, block: Block | None) -> WeightedBlock | None:
        """Return what is kept with the weight of a block (None: of the counts), or None."""
        for one in self.weighted:
            if one.of == block:
                return one
        return None

    def covers(self, other: Plan) -> bool:
        """Whether sums kept by this plan answer everything `other` asks."""
        return not self.difference(other)

    def difference(self, other: Plan) -> str:
        """Say what `other` counts that this plan does not, or "" where that is nothing."""
        difference = self.columns_difference(other)
        if difference:
            return difference
        for view in other.views:
            if not any(set(one.by) >= set(view.by) for one in self.views):
                return f"view {view.name!r} is new"
        known = {block.key for block in self.blocks}
        for block in other.blocks:
            if block.key not in known:
                return f"sums over {', '.join(block.columns)} are new"
        # With the same weight, the same blocks have the same weighted ones.
        return ""

    def without_combinations(self, other: Plan) -> Plan:
        """Return the plan without combinations of answers that `other` does not keep.

        They alone refuse responses when they are too many, so that to declare them no longer must help at
        once. The plan itself where there are none.
        """
        kept = tuple(
            one for one in self.blocks if one.kind is not BlockKind.DISTINCT or one in other.blocks
        )
        if kept == self.blocks:
            return self
        text = f"{self.digest} with {', '.join(one.key for one in kept)}"
        return replace(self, blocks=kept, digest=hashlib.sha256(text.encode()).hexdigest())

    def columns_difference(self, other: Plan) -> str:
        """Say in which columns, or in their meaning, the plans differ; "" where in none."""
        mine, theirs = _columns(self), _columns(other)
        for name in (*mine, *theirs):
            if name not in theirs:
                return f"{name} is gone"
            if name not in mine:
                return f"{name} is new"
            if mine[name] != theirs[name]:
                return f"{name} differs"
        if list(mine) != list(theirs):
            return "questions or dimensions are in another order"
        if self.weight != other.weight:
            return _weight_difference(self.weight, other.weight) or "weight is new"
        return "" if self.time == other.time else "time differs"

    def reinterpreted(self, other: Plan) -> str:
        """Say what `other` reads differently in answers given under this plan; "" where nothing.

        New questions and dimensions are no such thing: nobody had answered them. Nor is a weight
        where there was none: responses that came before it have none. Nor are new texts;
        a text that was known must go on to mean what it meant, since it may be stored.
        """
        mine, theirs = _columns(self, texts=False), _columns(other, texts=False)
        for name, one in mine.items():
            if name not in theirs:
                return f"{name} is gone"
            if one != theirs[name]:
                return f"{name} differs"
        for question in self.questions:
            if question.is_number:
                continue
            known = other.question[question.name].text_codes(labels=True)
            for text, code in question.text_codes(labels=True).items():
                if known.get(text) != code:
                    return (
                        f"the text {text!r} of questions.{question.name} may be stored and would "
                        "mean something else or nothing; keep it in values"
                    )
        difference = _weight_difference(self.weight, other.weight)
        if difference:
            return difference
        return "" if self.time == other.time else "time differs"


def compile_plan(program: Program, counted: Collection[str] | None = None) -> Plan:
    """Compile a program to what is counted.

    Parameters
    ----------
    program : Program
    counted : collection of str, optional
        The questions whose answers are counted, all unless given or where there is a survey weight;
        of the others there are only the sums that blocks keep.

    Examples
    --------
    >>> from cxstream.program import program_from_dict
    >>> plan = compile_plan(program_from_dict({"name": "p", "questions": {"q": {"kind": "nps"}}}))
    >>> plan.counts_width, plan.views
    (13, (View(by=()),))
    """
    if program.weight:
        counted = None
    slots: dict[str, CountSlot] = {}
    start = 1
    for question in program.questions.values():
        if counted is not None and question.name not in counted:
            continue
        slots[question.name] = slot = _slot(question, start)
        start += slot.width
    dimensions = {
        one.name: (one.column, one.max_levels, tuple(sorted(one.missing)))
        for one in program.dimensions.values()
    }
    questions = tuple(program.questions.values())
    views = _maximal(
        [(), *((name,) for name in dimensions), *program.views],
        list(dimensions),
    )
    blocks = _blocks(program)
    time = (program.time.column, program.time.unit, program.time.timezone) if program.time else None
    kept: dict[str, object] = {
        "questions": [_counted(one) for one in questions],
        "dimensions": dimensions,
        "time": time,
        "views": [one.by for one in views],
        "blocks": [one.key for one in blocks],
    }
    if program.weight:
        kept["weight"] = program.weight.column, str(program.weight.step)
    if counted is not None:
        kept["counted"] = list(slots)
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()
    weighted = weighted_blocks(program, blocks)
    return Plan(
        questions, slots, start, dimensions, time, views, blocks, program.weight, weighted, digest
    )


def rollups(plan: Plan) -> tuple[str, ...]:
    """Return the time buckets a query may use."""
    return ROLLUPS[plan.time_unit] if plan.time_unit else ()


def _slot(question: Question, start: int) -> CountSlot:
    levels = 1 if question.is_number else question.levels
    return CountSlot(question.name, start, levels, question.missing, question.multiple)


def _columns(plan: Plan, *, texts: bool = True) -> dict[str, list[object]]:
    """Return what decides how each question and dimension is counted, with or without texts."""
    out = {f"questions.{one.name}": _counted(one, texts=texts) for one in plan.questions}
    return out | {f"dimensions.{name}": list(one) for name, one in plan.dimensions.items()}


def _counted(question: Question, *, texts: bool = True) -> list[object]:
    """Return what of a question decides how it is counted; `texts` with what its texts mean."""
    kind = "number" if question.is_number else "choice" if question.is_choice else "scale"
    return [
        question.name,
        kind,
        question.columns,
        question.low,
        question.high,
        question.missing,
        question.values if texts else (),
        [option.code for option in question.options],
        question.multiple,
        str(question.step),
    ]


def _maximal(wanted: list[tuple[str, ...]], order: list[str]) -> tuple[View, ...]:
    """Drop groupings that are part of another: they are read from it."""
    sets = {frozenset(one) for one in wanted}
    kept = [one for one in sets if not any(one < other for other in sets)]
    return tuple(
        View(by)
        for by in sorted(
            (tuple(name for name in order if name in one) for one in kept),
            key=lambda by: (len(by), [order.index(name) for name in by]),
        )
    )


def _weight_difference(mine: SurveyWeight | None, theirs: SurveyWeight | None) -> str:
    """Say how the weight of answers given differs; "" where they had none."""
    if mine is None or mine == theirs:
        return ""
    if theirs is None:
        return f"weight: column {mine.column!r} is gone"
    what = "column" if mine.column != theirs.column else "step"
    return f"weight.{what} differs"


def weighted_blocks(program: Program, blocks: tuple[Block, ...]) -> tuple[WeightedBlock, ...]:
    """Return what a program's weight adds to the counts and to some blocks; () without one."""
    if program.weight is None:
        return ()
    columns = 1 + sum(_slot(question, 0).width for question in program.questions.values())
    return (
        WeightedBlock(None, columns),
        *(
            WeightedBlock(block, 0, limb_bits(largest_value(program.questions, block)))
            for block in blocks
            if block.kind not in (BlockKind.PAIRS, BlockKind.DISTINCT)
        ),
    )


def largest_value(questions: Mapping[str, Question], block: Block) -> int:
    """Return the largest value in a block's matrix."""
    largest = max(1, *(questions[name].levels - 1 for name in block.columns))
    squared = block.kind in (BlockKind.FOURTH, BlockKind.PAIRS)
    return largest**2 if squared else largest


def compile_block(program: Program, kind: BlockKind, names: set[str]) -> Block:
    """Return the block over some questions of a program."""
    columns = tuple(name for name in program.questions if name in names)
    asked = [program.questions[name] for name in columns]
    long = kind is BlockKind.FOURTH and any(one.levels > ROBUST_LEVELS_MAX for one in asked)
    wide = kind is not BlockKind.DISTINCT and any(one.is_number for one in asked)
    return Block(kind, columns, long or wide)


def _blocks(program: Program) -> tuple[Block, ...]:
    blocks: dict[str, Block] = {}

    def add(kind: BlockKind, names: set[str]) -> None:
        block = compile_block(program, kind, names)
        blocks.setdefault(block.key, block)

    for question in program.questions.values():
        if question.is_number:
            add(BlockKind.COMPLETE, {question.name})
    for model in program.models.values():
        add(BlockKind.COMPLETE, {model.outcome, *model.drivers})
        if model.robust:
            add(BlockKind.FOURTH, {model.outcome, *model.drivers})
        if model.leverage:
            add(BlockKind.DISTINCT, {model.outcome, *model.drivers})
    for index in program.indices.values():
        add(BlockKind.PATTERN, set(index.items))
    if len(program.insights) > 1:
        add(BlockKind.PAIRS, set(program.insights))
    return tuple(blocks[key] for key in sorted(blocks))
