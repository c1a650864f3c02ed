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
from cxstream.analytics.raking import FACTOR_STEP, Calibration, RakedClusters, RakedProducts
from cxstream.analytics.survey import ClassSums, Weights, weights_of
from cxstream.answers import Answer, Query
from cxstream.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, nearest
from cxstream.program import Block, BlockKind, Question, compile_block
from cxstream.program.read import leverage_limit, robust_limit
from cxstream.queries.asking import Part, column_answer, group_keys
from cxstream.queries.metric_sums import added, narrow
from cxstream.queries.weighted_answers import LEFT_OUT, NO_WEIGHT
from cxstream.queries.weighting import Cells, Powers, Weighing, checked_weighting
from cxstream.state import ProgramState
from cxstream.tally import PatternSums, digest_of

#: So many bytes of sums are hashed while the answer is computed: to hash them takes milliseconds.
_HASHED_APART = 1 << 20
#: What some errors need that a model keeps only where it says so: the error, what it is, and the word.
_NEEDED = {
    BlockKind.FOURTH: ("NOT_ROBUST", "fourth-order moments", "robust"),
    BlockKind.DISTINCT: ("NO_LEVERAGE", "how many gave each combination of answers", "leverage"),
}


@dataclass(frozen=True, slots=True)
class ModelWeights:
    """What comes with weighted sums.

    Attributes
    ----------
    responses : (g,) int64
        Complete cases that have a weight, and that raking does not leave out.
    without, left_out : (g,) int64
        Responses without one; complete cases that raking leaves out.
    total, squares : (g,) Python integers
        Sums of weights and of squared weights of the complete cases, in steps.
    step : Fraction
        Size of a weight's step.
    raked : RakedProducts or None
        The sums by cell, of raked weights.
    cells : Cells or None
        What these are cut from.
    """

    responses: NDArray[np.int64]
    without: NDArray[np.int64]
    left_out: NDArray[np.int64]
    total: NDArray[np.object_]
    squares: NDArray[np.object_]
    step: Fraction
    raked: RakedProducts | None = None
    cells: Cells | None = None

    @property
    def weights(self) -> list[Weights]:
        """Return what the weights of the complete cases come to."""
        parts = (self.responses[:, None], self.total[:, None], self.squares[:, None])
        return weights_of(ClassSums.of(*parts, self.step))

    @property
    def calibration(self) -> Calibration | None:
        """Return how well raked weights meet the margins."""
        return None if self.raked is None else self.raked.calibration

    def merged(self, of: NDArray[np.int64], used: NDArray[np.bool_], groups: int) -> ModelWeights:
        """Add up rows by the group each is of; only of the used ones the complete cases."""
        inside = np.where(used, 1, 0)
        return dataclasses.replace(
            self,
            responses=added(self.responses * inside, of, groups),
            without=added(self.without, of, groups),
            left_out=added(self.left_out, of, groups),
            total=added(self.total * inside, of, groups),
            squares=added(self.squares * inside, of, groups),
        )


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
    weighing : ModelWeights or None
        Where responses are weighted: `second` is with w then, and `fourth` with w^2.
    """

    part: Part
    questions: tuple[Question, ...]
    second: NDArray[Any]
    fourth: NDArray[Any] | None = None
    weighing: ModelWeights | None = None

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
        without = left_out = np.zeros(len(self.part.rows), dtype=np.int64)
        if self.weighing is not None:
            without, left_out = self.weighing.without, self.weighing.left_out
        return [
            {NO_WEIGHT: lost, LEFT_OUT: left, "incomplete": int(rows) - lost - left - n}
            for rows, lost, left, n in zip(
                self.part.rows, without.tolist(), left_out.tolist(), used, strict=True
            )
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


class ModelSums(Weighing):
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
            ``NO_MODEL``: no model keeps the columns together; ``NOT_ROBUST``, ``NO_LEVERAGE``:
            fourth-order moments or combinations of answers are needed, and the model does not keep
            them, or they are kept of no such model.
        """
        columns = {outcome, *drivers}
        for kind in kinds:
            block = state.plan.block(kind, columns)
            if block is not None:
                return block
        asked = [state.program.questions[name] for name in (outcome, *drivers)]
        limits = {
            BlockKind.FOURTH: robust_limit(asked, weighted=state.program.weight is not None),
            BlockKind.DISTINCT: leverage_limit(asked),
        }
        for kind in kinds:
            if self._scans and not limits.get(kind):
                return compile_block(state.program, kind, columns)
        listed = ", ".join(f'"{name}"' for name in drivers)
        declare = f'[models.NAME]\noutcome = "{outcome}"\ndrivers = [{listed}]'
        reason = "NO_MODEL", "no model keeps these columns together"
        needed = _NEEDED.get(kinds[0])
        if needed is not None and BlockKind.COMPLETE not in kinds:
            word, what, flag = needed
            if limits[kinds[0]]:
                raise FailedPreconditionError(word, f"these errors need {what}: {limits[kinds[0]]}")
            declare += f"\n{flag} = true"
            if state.plan.block(BlockKind.COMPLETE, columns) is not None:
                reason = word, f"these errors need {what}, which are not kept"
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
            fourth = narrow(part.sums)
            return Sums(part, questions, second_of_fourth(fourth, len(block.columns)), fourth)
        return Sums(part, questions, part.sums)

    def _weighted_sums(
        self,
        state: ProgramState,
        query: Query,
        block: Block,
        questions: tuple[Question, ...],
        items: Sequence[str] = (),
    ) -> Sums:
        """Cut sums with weights; of patterns, those in which all items are answered.

        Raked weights are weights in steps finer by `FACTOR_STEP`.
        """
        weighting = checked_weighting(state.program, query)
        declared = state.program.weight if weighting.declared else None
        step = Fraction(declared.step if declared else 1)
        cells = None
        if weighting.rake:
            cells = self._cells(state, query, weighting, None, block)
            part, wide, kept = cells.part, cells.wide, cells.kept
        else:
            part = self._slice(state, query, None, block, weighted=True)
            wide, kept = part.slice, np.arange(len(part.groups))
        powers = Powers.of(wide)
        without = (wide.rows - powers.zero.rows).astype(np.int64)[kept]
        counted, first, second = (
            complete(one.sums, block, items, len(wide.rows))[kept]
            for one in (powers.zero, powers.one, powers.two)
        )
        responses, left_out = counted[:, 0].astype(np.int64), np.zeros_like(without)
        raked = None
        if block.kind is BlockKind.FOURTH and first.shape == second.shape:
            # Of responses that count as one there are no sums of lower order apart.
            first = second_of_fourth(first, len(block.columns))
        if cells is not None:
            groups, of = len(part.groups), cells.group
            factor = cells.calibration.whole_factors[cells.cell]
            step *= FACTOR_STEP
            first = factor[:, None] * first.astype(object)
            second = factor[:, None] ** 2 * second.astype(object)
            pairs = second
            if block.kind is BlockKind.FOURTH:
                pairs = second_of_fourth(second, len(block.columns))
            count = len(cells.calibration.factors)
            once, twice = (
                added(one, of * count + cells.cell, groups * count).reshape(groups, count, -1)
                for one in (first, pairs)
            )
            raked = RakedProducts(once, twice, step, cells.calibration)
            left_out = added(np.where(factor > 0, 0, responses), of, groups)
            responses = added(np.where(factor > 0, responses, 0), of, groups)
            without, first, second = (added(one, of, groups) for one in (without, first, second))
        total, squares = first[:, 0].astype(object), second[:, 0].astype(object)
        weighing = ModelWeights(responses, without, left_out, total, squares, step, raked, cells)
        fourth = narrow(second) if block.kind is BlockKind.FOURTH else None
        return Sums(part, questions, narrow(first), fourth, weighing)

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
        return answer.weighed(query.weighting, sums.weighing.weights, sums.weighing.calibration)

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

        def digest() -> str:
            part = sums.part
            if not apart or part.known_as is None:
                return digest_of(part.slice)
            return self._state(query.program).digests.of(
                part.known_as, lambda: digest_of(part.slice)
            )

        works: list[Callable[[], Any]] = [make, digest]
        values, digested = side_by_side(_done, works, self._pool if apart else None)
        labels = {question.name: question.label for question in sums.questions}
        return column_answer(
            sums.part,
            values,
            {"incomplete": sums.part.rows - values.fields["n"]},
            tuple((name, labels[name]) for name in drivers),
            outcome=outcome,
            digest=digested,
        )

    def _clusters(
        self, state: ProgramState, query: Query, cluster: str, block: Block
    ) -> tuple[Sums, NDArray[np.int64], NDArray[np.int64], dict[str, Any]]:
        """Return sums by cluster, the group of each, and each group's responses without a cluster.

        Last what comes with weights, as `cxstream.analytics.robust.clustered` takes it. The part is of
        the groups of the query.
        """
        dimensions = state.program.dimensions
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
        rows = added(found.part.rows, owner, len(place))
        apart = np.array([group[-1] is not None for group in found.part.groups], dtype=bool)
        lost, weighing, weighted = found.part.rows, found.weighing, {}
        if weighing is not None:
            lost = lost - weighing.without - weighing.left_out
            weighted = {"responses": weighing.responses[apart], "weight_step": weighing.step}
            if weighing.cells is not None and weighing.raked is not None:
                names = [group[-1] for group in found.part.groups if group[-1] is not None]
                weighted["raked"] = _raked_clusters(
                    weighing.cells,
                    weighing.raked.each(lambda one: one[apart]),
                    names,
                    len(query.by),
                )
            weighing = weighing.merged(owner, apart, len(place))
        without = added(np.where(apart, 0, lost), owner, len(place))
        coordinates = list(known)
        part = Part(
            dataclasses.replace(found.part.slice, groups=coordinates, rows=rows),
            found.part.as_of,
            group_keys(state.program, query.by, coordinates),
        )
        sums = Sums(part, found.questions, found.second[apart], None, weighing)
        return sums, owner[apart], without, weighted


def _raked_clusters(
    cells: Cells, products: RakedProducts, names: Sequence[Any], at: int
) -> RakedClusters:
    """Return the rows' clusters by name, and the raked weights of all responses by cluster and cell.

    `at`: where in a group of the wide slice the cluster stands.
    """
    clusters = [group[at] for group in cells.wide.groups]
    known: dict[Any, int] = {}
    for name in clusters:
        known.setdefault(name, -1 if name is None else len(known) - (None in known))
    owner = np.array([known[name] for name in clusters], dtype=np.int64)
    powers, fit = Powers.of(cells.wide), cells.calibration
    unit = float(products.step / FACTOR_STEP) * fit.factors[cells.everybody]
    once, twice = (
        np.asarray(one.rows, dtype=np.float64) * unit**power
        for power, one in ((1, powers.one), (2, powers.two))
    )
    count = len(fit.factors)
    place = np.where(owner < 0, -1, owner * count + cells.everybody)
    weights = added(once, place, len(known) * count).reshape(len(known), count)
    alone = added(twice, np.where(owner < 0, cells.everybody, -1), count)
    mine = np.array([known[name] for name in names], dtype=np.int64)
    return RakedClusters(products, mine, weights, alone)


def complete(
    sums: NDArray[Any] | PatternSums | None, block: Block, items: Sequence[str], groups: int
) -> NDArray[Any]:
    """Return sums by group; of patterns, those that have all items."""
    if not isinstance(sums, PatternSums):
        assert sums is not None
        return sums
    needed = np.uint64(sum(1 << block.columns.index(name) for name in items))
    there = (sums.pattern & needed) == needed
    return added(sums.sums, np.where(there, sums.group, -1), groups)


def _done(work: Callable[[], Any]) -> Any:
    return work()
