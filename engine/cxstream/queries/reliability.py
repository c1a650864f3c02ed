"""Whether several questions measure one thing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from cxstream import analytics
from cxstream.answers import Answer, Query
from cxstream.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, nearest
from cxstream.program import Block, BlockKind, Program, compile_block
from cxstream.program.read import robust_limit
from cxstream.queries.asking import answered, word
from cxstream.queries.model_sums import ModelSums, Sums, complete
from cxstream.queries.models import pair_tables
from cxstream.state import ProgramState

MISSING: Final = ("listwise", "pairwise")


class ReliabilityQuestions(ModelSums):
    """Reliability of sets of questions."""

    @answered
    def reliability(
        self,
        query: Query,
        *,
        index: str = "",
        items: Sequence[str] = (),
        missing: str = "listwise",
        interval: str = "",
    ) -> Answer:
        """Alpha, omega and item statistics; see `cxstream.analytics.reliability.reliability`.

        Where no interval is named it is the one for any distribution if the program declares a robust
        model of the items, or of weighted ones where there are fourth-order sums, and else Feldt's: it
        does not depend on what happens to be counted again.
        """
        state = self._checked(query, weighted=True)
        wanted = word(interval, analytics.reliability.INTERVALS, "interval") if interval else None
        pairwise = word(missing, MISSING, "missing") == "pairwise"
        if query.weighting and (pairwise or wanted == "feldt"):
            raise InvalidArgumentError(
                "NOT_WEIGHTED",
                "pairs are kept without weights: ask with missing = listwise"
                if pairwise
                else "Feldt's interval is of answers that weigh the same",
                column="missing" if pairwise else "interval",
            )
        if pairwise:
            return self._pairwise(state, query, index, items, interval)
        with state.declaring:
            program = state.program
            items = items_of(program, index, items)
            block = self._items_block(state, items)
            declared = state.plan.block(BlockKind.FOURTH, set(items)) is not None
        sums = self._item_sums(state, query, block, items)
        if interval == "log_delta" and sums.fourth is None:
            raise FailedPreconditionError(
                "NOT_ROBUST",
                "an interval for answers of any distribution takes fourth-order moments: declare a "
                "model of these questions with robust = true",
                expected="robust = true",
            )
        names = sums.names
        weighted: dict[str, Any] = {}
        if sums.weighing is not None:
            weighted = {
                "responses": sums.weighing.responses,
                "raked": sums.weighing.raked,
                "effective_n": [one.effective_n or 0.0 for one in sums.weighing.weights],
            }
        default: Any = "log_delta" if declared else "feldt"
        if sums.weighing is not None:
            default = None
        values = analytics.reliability.reliability(
            sums.second,
            names=names,
            items=[names.index(name) for name in items],
            fourth=sums.fourth,
            interval=wanted or default,
            confidence=query.confidence,
            **weighted,
            **sums.scales,
            **sums.ends,
        )
        dropped = sums.dropped(one.n for one in values)
        labels = tuple((name, program.questions[name].label) for name in items)
        answer = self._answer(sums.part, values, dropped, labels)
        if sums.weighing is None:
            return answer
        return answer.weighed(query.weighting, sums.weighing.weights, sums.weighing.calibration)

    def _pairwise(
        self, state: ProgramState, query: Query, index: str, items: Sequence[str], interval: str
    ) -> Answer:
        """Alpha of covariances that are each of who answered both."""
        with state.declaring:
            program = state.program
            items = items_of(program, index, items)
            block = state.plan.block(BlockKind.PAIRS, set(items))
        if interval:
            raise InvalidArgumentError(
                "INVALID_INTERVAL",
                "alpha pair by pair has no interval: no one number of respondents is behind it",
                column="interval",
            )
        if block is None:
            listed = ", ".join(f'"{name}"' for name in items)
            declare = f"[insights]\nquestions = [{listed}]"
            raise FailedPreconditionError(
                "NO_INSIGHTS",
                "the program keeps no pairs of these questions; declare "
                + declare.replace("\n", " "),
                expected=declare,
            )
        part = self._slice(state, query, None, block)
        count, total, _, product = pair_tables(part, len(block.columns))
        chosen = [block.columns.index(name) for name in items]
        grid = np.ix_(range(len(part.groups)), chosen, chosen)
        questions = [program.questions[name] for name in items]
        values = analytics.reliability.pairwise(
            count[grid],
            total[grid],
            product[grid],
            names=items,
            ranges=[one.levels - 1 for one in questions],
            reverse=[one.lower_is_better for one in questions],
            origins=[one.origin for one in questions],
            steps=[one.step for one in questions],
        )
        labels = tuple((one.name, one.label) for one in questions)
        return self._answer(part, values, [{}] * len(values), labels)

    def _items_block(self, state: ProgramState, items: Sequence[str]) -> Block:
        """Return a block that keeps the responses that answer all items apart."""
        plan, columns = state.plan, set(items)
        block = plan.block(BlockKind.FOURTH, columns)
        if block is None:
            block = plan.narrowest(BlockKind.PATTERN, columns)
        if block is None:
            block = plan.block(BlockKind.COMPLETE, columns)
        if block is None and self._scans:
            asked = [state.program.questions[name] for name in items]
            robust = not robust_limit(asked, weighted=state.program.weight is not None)
            kind = BlockKind.FOURTH if robust else BlockKind.COMPLETE
            block = compile_block(state.program, kind, columns)
        if block is None:
            listed = ", ".join(f'"{name}"' for name in items)
            declare = f"[indices.NAME]\nparts = {{ all = {{ items = [{listed}] }} }}"
            raise FailedPreconditionError(
                "NO_INDEX",
                "no index keeps these questions together; declare one in the program: "
                + declare.replace("\n", " "),
                expected=declare,
            )
        return block

    def _item_sums(
        self, state: ProgramState, query: Query, block: Block, items: Sequence[str]
    ) -> Sums:
        if block.kind is not BlockKind.PATTERN:
            return self._sums(state, query, block)
        questions = tuple(state.program.questions[name] for name in block.columns)
        if query.weighting:
            return self._weighted_sums(state, query, block, questions, items)
        part = self._slice(state, query, None, block)
        return Sums(part, questions, complete(part.sums, block, items, len(part.groups)))


def items_of(program: Program, index: str, items: Sequence[str]) -> tuple[str, ...]:
    """Return the items of a declared index, or those named."""
    if index:
        if items:
            raise InvalidArgumentError("INVALID_ITEMS", "either an index or items, not both")
        declared = program.indices.get(index)
        if declared is None:
            raise NotFoundError(
                "UNKNOWN_INDEX", f"no index {index!r}{nearest(index, program.indices)}"
            )
        items = declared.items
    usable = [name for name, one in program.questions.items() if not one.is_choice]
    for name in items:
        if name not in program.questions:
            raise NotFoundError("UNKNOWN_QUESTION", f"no question {name!r}{nearest(name, usable)}")
        if name not in usable:
            raise InvalidArgumentError(
                "WRONG_KIND", f"question {name!r} is a choice; items are answered on scales"
            )
    if len(items) < 2 or len(set(items)) < len(items):
        raise InvalidArgumentError(
            "INVALID_ITEMS", "expected an index, or at least two different items"
        )
    return tuple(items)
