"""The sums of a model: which block keeps them, or what to declare."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream.analytics.columns import Columns
from cxstream.analytics.moments import second_of_fourth
from cxstream.analytics.parallel import side_by_side
from cxstream.analytics.survey import ClassSums, Weights, weights_of
from cxstream.answers import Answer, Query
from cxstream.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, nearest
from cxstream.program import Block, BlockKind, Question, compile_block
from cxstream.program.read import robust_limit
from cxstream.queries.asking import Asking, Part, column_answer, group_keys
from cxstream.queries.weighted_answers import NO_WEIGHT
from cxstream.queries.weighting import checked_weighting
from cxstream.state import ProgramState
from cxstream.tally import digest_of

#: So many bytes of sums are hashed while the answer is computed: to hash them takes milliseconds.
_HASHED_APART = 1 << 20


@dataclass(frozen=True, slots=True)
class Weighing:
    """What comes with weighted sums.

    Attributes
    ----------
    responses : (g,) int64
        Complete cases that have a weight.
    without : (g,) int64
        Responses without one.
    step : Fraction
        Size of a weight's step.
    weights : list of Weights
        What the weights of the complete cases come to.
    """

    responses: NDArray[np.int64]
    without: NDArray[np.int64]
    step: Fraction
    weights: list[Weights]


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of products of some columns, by group, over those who answered all.

    Attributes
    ----------
    part : Part
        Where they come from.
    questions : tuple of Question
        The columns.
    second : (g, products) int64 or Python integers
        Up to the second order.
    fourth : (g, products) int64 or Python integers, or None
        Up to the fourth order, where they are kept.
    weighing : Weighing or None
        Where responses are weighted: `second` is with w then, and `fourth` with w^2.
    """

    part: Part
    questions: tuple[Question, ...]
    second: NDArray[Any]
    fourth: NDArray[Any] | None = None
    weighing: Weighing | None = None

    @property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return [question.name for question in self.questions]

    @property
    def responses(self) -> NDArray[np.int64] | None:
        """Return the complete cases, where the sums are weighted."""
        return None if self.weighing is None else self.weighing.responses

    def dropped(self, used: Iterable[int]) -> list[dict[str, int]]:
        """Return why responses are not used, by group, given how many are."""
        without = [0] * len(self.part.rows)
        if self.weighing is not None:
            without = self.weighing.without.tolist()
        return [
            {NO_WEIGHT: lost, "incomplete": int(rows) - lost - n}
            for rows, lost, n in zip(self.part.rows, without, used, strict=True)
        ]

    @property
    def scales(self) -> dict[str, Any]:
        """Return origins and steps of the columns, as the analytics take them."""
        return {
            "origins": [question.origin for question in self.questions],
            "steps": [question.step for question in self.questions],
        }

    @property
    def ends(self) -> dict[str, Any]:
        """Return the columns' largest codes, and whether low answers are the better ones."""
        return {
            "ranges": [question.levels - 1 for question in self.questions],
            "reverse": [question.lower_is_better for question in self.questions],
        }


class ModelSums(Asking):
    """Finding a model's sums."""

    def _model_block(
        self,
        state: ProgramState,
        outcome: str,
        drivers: Sequence[str],
        kinds: Sequence[BlockKind] = (BlockKind.COMPLETE,),
    ) -> Block:
        """Return the first of these blocks that is kept, or that a scan can count.

        Raises
        ------
        FailedPreconditionError
            ``NO_MODEL``: no model keeps the columns together; ``NOT_ROBUST``: fourth-order moments
            are needed, and the model does not keep them, or they are kept of no such model.
        """
        columns = {outcome, *drivers}
        for kind in kinds:
            block = state.plan.block(kind, columns)
            if block is not None:
                return block
        asked = [state.program.questions[name] for name in (outcome, *drivers)]
        limit = robust_limit(asked, weighted=state.program.weight is not None)
        for kind in kinds:
            if self._scans and (kind is not BlockKind.FOURTH or not limit):
                return compile_block(state.program, kind, columns)
        listed = ", ".join(f'"{name}"' for name in drivers)
        declare = f'[models.NAME]\noutcome = "{outcome}"\ndrivers = [{listed}]'
        reason = "NO_MODEL", "no model keeps these columns together"
        if BlockKind.COMPLETE not in kinds:
            if limit:
                raise FailedPreconditionError(
                    "NOT_ROBUST", f"these errors need fourth-order moments: {limit}"
                )
            declare += "\nrobust = true"
            if state.plan.block(BlockKind.COMPLETE, columns) is not None:
                reason = "NOT_ROBUST", "these errors need fourth-order moments, which are not kept"
        raise FailedPreconditionError(
            reason[0],
            f"{reason[1]}; declare in the program: " + declare.replace("\n", " "),
            expected=declare,
        )

    def _sums(self, state: ProgramState, query: Query, block: Block) -> Sums:
        questions = tuple(state.program.questions[name] for name in block.columns)
        if query.weighting is not None:
            return self._weighted_sums(state, query, block, questions)
        part = self._slice(state, query, None, block)
        if block.kind is BlockKind.FOURTH:
            fourth = _narrow(part.sums)
            return Sums(part, questions, second_of_fourth(fourth, len(block.columns)), fourth)
        return Sums(part, questions, part.sums)

    def _weighted_sums(
        self, state: ProgramState, query: Query, block: Block, questions: tuple[Question, ...]
    ) -> Sums:
        weighting = checked_weighting(state.program, query)
        if weighting.rake:
            raise not_raked()
        declared = state.program.weight
        assert declared is not None
        part = self._slice(state, query, None, block, weighted=True)
        assert part.slice.weighted is not None
        counted, once, twice = part.slice.weighted
        assert isinstance(counted.sums, np.ndarray)
        assert isinstance(once.sums, np.ndarray) and isinstance(twice.sums, np.ndarray)
        sample = ClassSums.of(
            counted.sums[:, :1], once.sums[:, :1], twice.sums[:, :1], declared.step
        )
        weighing = Weighing(
            counted.sums[:, 0], part.rows - counted.rows, declared.step, weights_of(sample)
        )
        fourth = _narrow(twice.sums) if block.kind is BlockKind.FOURTH else None
        return Sums(part, questions, _narrow(once.sums), fourth, weighing)

    def _model_answer(
        self,
        query: Query,
        sums: Sums,
        values: Sequence[Any],
        dropped: list[dict[str, int]],
        outcome: str,
        drivers: Sequence[str],
    ) -> Answer:
        labels = {question.name: question.label for question in sums.questions}
        answer = self._answer(
            sums.part,
            values,
            dropped,
            tuple((name, labels[name]) for name in drivers),
            outcome=outcome,
        )
        if sums.weighing is None:
            return answer
        return answer.weighed(query.weighting, sums.weighing.weights)

    def _column_answer(
        self,
        query: Query,
        sums: Sums,
        make: Callable[[], Columns],
        outcome: str,
        drivers: Sequence[str],
    ) -> Answer:
        """Return the answer of values that are columns, one of them `n`."""
        if sums.weighing is not None:
            values = make()
            dropped = sums.dropped(values.fields["n"].tolist())
            return self._model_answer(query, sums, values.rows(), dropped, outcome, drivers)
        apart = sums.fourth is not None and sums.fourth.nbytes > _HASHED_APART
        works: list[Callable[[], Any]] = [make, lambda: digest_of(sums.part.slice)]
        values, digest = side_by_side(_done, works, self._pool if apart else None)
        labels = {question.name: question.label for question in sums.questions}
        return column_answer(
            sums.part,
            values,
            {"incomplete": sums.part.rows - values.fields["n"]},
            tuple((name, labels[name]) for name in drivers),
            outcome=outcome,
            digest=digest,
        )

    def _clusters(
        self, state: ProgramState, query: Query, cluster: str, block: Block
    ) -> tuple[Sums, NDArray[np.int64], NDArray[np.int64]]:
        """Return sums by cluster, the group of each, and each group's responses without a cluster.

        The part has the groups of the query.
        """
        dimensions = state.program.dimensions
        if query.weighting is not None:
            raise InvalidArgumentError(
                "NOT_WEIGHTED", "errors by cluster have no weighted form", column="weighting"
            )
        if not cluster:
            raise InvalidArgumentError(
                "NO_CLUSTER",
                "errors by cluster need a dimension that says who belongs together",
                expected=", ".join(dimensions),
            )
        if cluster not in dimensions:
            raise NotFoundError(
                "UNKNOWN_DIMENSION",
                f"cluster: no dimension {cluster!r}{nearest(cluster, dimensions)}",
            )
        if cluster in query.by:
            raise InvalidArgumentError(
                "INVALID_GROUPING", f"by {cluster!r} every group is one cluster of it"
            )
        found = self._sums(state, dataclasses.replace(query, by=(*query.by, cluster)), block)
        groups = [group[:-1] for group in found.part.groups]
        known = dict.fromkeys(groups)
        if not query.by:
            known.setdefault(())
        place = {group: at for at, group in enumerate(known)}
        owner = np.array([place[group] for group in groups], dtype=np.int64)
        rows = np.zeros(len(place), dtype=np.int64)
        np.add.at(rows, owner, found.part.rows)
        without = np.zeros(len(place), dtype=np.int64)
        apart = np.array([group[-1] is not None for group in found.part.groups], dtype=bool)
        np.add.at(without, owner[~apart], found.part.rows[~apart])
        coordinates = list(known)
        part = Part(
            dataclasses.replace(found.part.slice, groups=coordinates, rows=rows),
            found.part.as_of,
            group_keys(state.program, query.by, coordinates),
        )
        return Sums(part, found.questions, found.second[apart]), owner[apart], without


def _done(work: Callable[[], Any]) -> Any:
    return work()


def _narrow(sums: NDArray[Any]) -> NDArray[Any]:
    """Take 64 bits where they hold the sums: the models know what they may do with them."""
    try:
        return sums.astype(np.int64)
    except OverflowError:
        return sums


def not_raked() -> InvalidArgumentError:
    """Return the refusal of margins by what is made from products of several questions."""
    return InvalidArgumentError(
        "NOT_RAKED", "models take the declared weight only, not rake", column="rake"
    )
