"""One batch's codes laid out for the kernels, once for all views."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream.columns import Codes
from cxstream.program import Block, BlockKind, Plan
from cxstream.tally.cell_index import CellIndex


class BlockMatrix:
    """The rows that a block multiplies.

    Attributes
    ----------
    matrix : (m, n) int16 or int64
        One row per column of the block (see Block.products), in the batch's order.
    rows : (n,) bool or None
        Which responses count; None for all.
    patterns : (n,) int64 or None
        The number of each response's answer pattern.
    """

    def __init__(
        self,
        matrix: NDArray[Any],
        rows: NDArray[np.bool_] | None,
        patterns: NDArray[np.int64] | None,
    ) -> None:
        self.matrix = matrix
        self.rows = rows
        self.patterns = patterns

    def take(self, order: NDArray[Any]) -> NDArray[Any]:
        """Return the matrix with its columns in this order."""
        return self.matrix.take(order, axis=1)


class BatchMatrices:
    """All matrices of one batch.

    Attributes
    ----------
    banks : list of ((questions, n) codes, (questions,) int64)
        Questions with one answer, by code width, and the counts column of each one's code 0.
    blocks : dict of str to BlockMatrix
        By block key.
    """

    def __init__(self, plan: Plan, codes: Codes, patterns: dict[str, CellIndex]) -> None:
        self.banks: list[tuple[NDArray[Any], NDArray[np.int64]]] = []
        for dtype in (np.uint8, np.uint16):
            names = [name for name, one in codes.scales.items() if one.dtype == dtype]
            if names:
                bank = np.stack([codes.scales[name] for name in names])
                starts = np.array([plan.slots[name].start for name in names], dtype=np.int64)
                self.banks.append((bank, starts))
        answers = {
            name: _answers(plan, codes, name)
            for name in {name: None for block in plan.blocks for name in block.columns}
        }
        self.blocks = {
            block.key: _matrix(
                block, codes.rows, [answers[name] for name in block.columns], patterns
            )
            for block in plan.blocks
        }


def largest_value(plan: Plan, block: Block) -> int:
    """Return a bound of the values in a block's matrix (of one that is not wide)."""
    return max(2 if block.wide else plan.slots[name].levels for name in block.columns)


def _answers(plan: Plan, codes: Codes, name: str) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return who answered a question, and their codes, with 0 where there is no answer."""
    values: NDArray[Any]
    if name in codes.numbers:
        values = codes.numbers[name]
        answered = values >= 0
    else:
        values = codes.scales[name]
        answered = values < plan.slots[name].levels
    return answered, values * answered


def _matrix(
    block: Block,
    count: int,
    answers: list[tuple[NDArray[np.bool_], NDArray[Any]]],
    patterns: dict[str, CellIndex],
) -> BlockMatrix:
    dtype = np.int64 if block.wide else np.int16
    width = len(block.columns)
    masks = np.stack([mask for mask, _ in answers])
    values = [one for _, one in answers]
    if block.kind is BlockKind.PAIRS:
        matrix = np.empty((3 * width, count), dtype=dtype)
        matrix[:width] = masks
        for place, one in enumerate(values, start=width):
            matrix[place] = one
        np.multiply(matrix[width : 2 * width], matrix[width : 2 * width], out=matrix[2 * width :])
        return BlockMatrix(matrix, None, None)
    matrix = np.empty((width + 1, count), dtype=dtype)
    matrix[0] = 1
    for place, one in enumerate(values, start=1):
        matrix[place] = one
    if block.kind is BlockKind.COMPLETE:
        return BlockMatrix(matrix, np.logical_and.reduce(masks), None)
    bits = np.zeros(count, dtype=np.int64)
    for place, mask in enumerate(masks):
        bits |= mask.astype(np.int64) << place
    return BlockMatrix(
        matrix, np.logical_or.reduce(masks), patterns[block.key].find(bits).astype(np.int64)
    )
