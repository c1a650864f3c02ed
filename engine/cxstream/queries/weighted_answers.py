"""Answers to one question with their survey weights, by group and raking cell."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.analytics.points import Points, merged
from cxstream.analytics.raking import Calibration, RakedSample
from cxstream.analytics.survey import ClassSums, Sample
from cxstream.queries.metric_sums import added

#: Why a response that answered is in no weighted answer.
NO_WEIGHT = "weight"
LEFT_OUT = "target 0"


@dataclass(frozen=True)
class Answers:
    """Answers to a question with their weights: a row per group, or per group and raking cell.

    Attributes
    ----------
    rows : (g,) int64
        Responses of each group.
    lost : (g, reasons) int64
        Answers not used.
    reasons : tuple of str
    group, cell : (r,) int64; cell None where nothing is raked
    counts, sums, squares : (r, levels) int64, and Python integers
        Responses that have a weight, sums of weights and of squared weights, in steps.
    step : Fraction
        Of a weight.
    calibration : Calibration or None
    """

    rows: NDArray[np.int64]
    lost: NDArray[np.int64]
    reasons: tuple[str, ...]
    group: NDArray[np.int64]
    cell: NDArray[np.int64] | None
    counts: NDArray[np.int64]
    sums: NDArray[Any]
    squares: NDArray[Any]
    step: Fraction
    calibration: Calibration | None

    @property
    def tables(self) -> tuple[NDArray[Any], ...]:
        """Return counts, sums and squares."""
        return self.counts, self.sums, self.squares

    def merged(self, of: NDArray[np.int64], groups: int) -> Self:
        """Add groups up; group k goes to of[k], or nowhere where that is -1."""
        group, cell, tables = merged(of, self.group, self.cell, self.tables)
        return self._with(added(self.rows, of, groups), added(self.lost, of, groups), group, cell,
                          tables)  # fmt: skip

    def rest(self) -> Self:
        """Return everybody but each group, by exact subtraction."""
        groups = len(self.rows)
        everybody = np.zeros(groups, dtype=np.int64)
        _, cell, total = merged(everybody, self.group, self.cell, self.tables)
        cells = len(total[0])
        known = np.zeros(1, dtype=np.int64) if cell is None else cell
        place = np.zeros(len(self.group), dtype=np.int64)
        if self.cell is not None:
            place = np.searchsorted(known, self.cell)
        tables = []
        for one, own in zip(total, self.tables, strict=True):
            left = np.repeat(one[None], groups, axis=0)
            np.subtract.at(left, (self.group, place), own)
            tables.append(left.reshape(groups * cells, *one.shape[1:]))
        rest = analytics.comparison.complement
        return self._with(
            rest(self.rows.sum(), self.rows),
            rest(self.lost.sum(axis=0), self.lost),
            np.repeat(np.arange(groups), cells),
            None if cell is None else np.tile(cell, groups),
            tables,
        )

    def repeated(self, groups: int) -> Self:
        """Return the one group there is as often as wanted."""
        return self._with(
            np.repeat(self.rows, groups),
            np.repeat(self.lost, groups, axis=0),
            np.repeat(np.arange(groups), len(self.group)),
            None if self.cell is None else np.tile(self.cell, groups),
            [np.tile(one, (groups, 1)) for one in self.tables],
        )

    def less(self, other: Self) -> Self:
        """Take those who are part of these off, group by group, by exact subtraction."""
        at = {key: row for row, key in enumerate(self._keys())}
        where = np.array([at[key] for key in other._keys()], dtype=np.int64)
        tables = []
        for mine, theirs in zip(self.tables, other.tables, strict=True):
            left = mine.copy()
            left[where] -= theirs
            tables.append(left)
        return self._with(self.rows, self.lost, self.group, self.cell, tables)

    def beside(self, other: Self) -> Self:
        """Return the groups of both, those of the other last."""
        cell = None
        if self.cell is not None and other.cell is not None:
            cell = np.concatenate([self.cell, other.cell])
        return self._with(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.lost, other.lost]),
            np.concatenate([self.group, len(self.rows) + other.group]),
            cell,
            [np.concatenate(both) for both in zip(self.tables, other.tables, strict=True)],
        )

    def _keys(self) -> list[tuple[int, int]]:
        cells = [0] * len(self.group) if self.cell is None else self.cell.tolist()
        return list(zip(self.group.tolist(), cells, strict=True))

    @property
    def counts_by_group(self) -> NDArray[np.int64]:
        """Return the responses of each group and level that raking did not leave out."""
        total = np.zeros((len(self.rows), self.counts.shape[1]), dtype=np.int64)
        used = self.counts
        if self.calibration is not None and self.cell is not None:
            used = np.where(self.calibration.factors[self.cell][:, None] > 0.0, used, 0)
        np.add.at(total, self.group, used)
        return total

    def _with(
        self,
        rows: NDArray[np.int64],
        lost: NDArray[np.int64],
        group: NDArray[np.int64],
        cell: NDArray[np.int64] | None,
        tables: list[NDArray[Any]],
    ) -> Self:
        counts, sums, squares = tables
        return dataclasses.replace(
            self, rows=rows, lost=lost, group=group, cell=cell, counts=counts, sums=sums,
            squares=squares,
        )  # fmt: skip

    @property
    def sample(self) -> Sample:
        """Return them as a sample with a class per level."""
        if self.calibration is None or self.cell is None:
            counts, sums, squares = self._dense()
            return ClassSums.of(counts, sums, squares, self.step)
        size = float(self.step)
        return RakedSample(
            len(self.rows),
            self.group,
            self.cell,
            self.counts,
            self.sums.astype(np.float64) * size,
            self.squares.astype(np.float64) * size**2,
            self.calibration,
        )

    def points(self, values: list[int], *, step: Fraction = Fraction(1), origin: Fraction = Fraction(0)) -> Points:  # fmt: skip
        """Return respondents' points: ``origin + step values[k]`` at level k."""
        y = np.array(values, dtype=object)
        powers = np.stack([np.ones_like(y), y, y * y], axis=1)
        if self.calibration is None:
            counts, sums, squares = self._dense()
            return Points.of_sums(
                counts.sum(axis=1), sums.astype(object) @ powers, squares.astype(object) @ powers,
                origin=origin, step=step, unit=self.step,
            )  # fmt: skip
        size = float(self.step)
        return Points.of_rows(
            len(self.rows),
            self.group,
            self.counts.sum(axis=1),
            (self.sums.astype(object) @ powers).astype(np.float64) * size,
            (self.squares.astype(object) @ powers).astype(np.float64) * size**2,
            cell=self.cell,
            calibration=self.calibration,
            origin=float(origin),
            step=float(step),
        )

    def _dense(self) -> tuple[NDArray[Any], ...]:
        """Return the tables with a row for every group, also without answers."""
        made = []
        for one in self.tables:
            table = np.zeros((len(self.rows), one.shape[1]), dtype=one.dtype)
            table[self.group] = one
            made.append(table)
        return tuple(made)

    def dropped(self) -> list[dict[str, int]]:
        """Return how many answers are missing, by reason, for each group."""
        return [dict(zip(self.reasons, row, strict=True)) for row in self.lost.tolist()]
