"""One batch's codes laid out for the kernels, once for all views."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream.columns import Codes
from cxstream.kernels.moments import block_rows_for
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
    products : pair of (products,) int32
        Rows multiplied.
    block_rows : int
        Rows whose products fit 31 bits.
    """

    def __init__(
        self,
        block: Block,
        matrix: NDArray[Any],
        rows: NDArray[np.bool_] | None,
        patterns: NDArray[np.int64] | None,
        largest: int,
    ) -> None:
        self.matrix = matrix
        self.rows = rows
        self.patterns = patterns
        left, right = zip(*block.products, strict=True)
        self.products = np.array(left, dtype=np.int32), np.array(right, dtype=np.int32)
        self.block_rows = block_rows_for(largest)

    def take(self, order: NDArray[Any]) -> NDArray[Any]:
        """Return the matrix with its columns in this order."""
        return np.take(self.matrix, order, axis=1)


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
        self.blocks = {
            block.key: _matrix(plan, codes, block, patterns.get(block.key)) for block in plan.blocks
        }


def _answered(plan: Plan, codes: Codes, name: str) -> NDArray[np.bool_]:
    if name in codes.numbers:
        return codes.numbers[name] >= 0
    return codes.scales[name] < plan.slots[name].levels


def _values(codes: Codes, name: str, answered: NDArray[np.bool_]) -> NDArray[Any]:
    """Return codes with 0 where there is no answer."""
    values: NDArray[Any] = codes.numbers[name] if name in codes.numbers else codes.scales[name]
    return values * answered


def _matrix(plan: Plan, codes: Codes, block: Block, patterns: CellIndex | None) -> BlockMatrix:
    dtype = np.int64 if block.wide else np.int16
    width = len(block.columns)
    masks = [_answered(plan, codes, name) for name in block.columns]
    largest = max(2 if block.wide else plan.slots[name].levels for name in block.columns)
    if block.kind is BlockKind.PAIRS:
        matrix = np.empty((3 * width, codes.rows), dtype=dtype)
        for place, (name, mask) in enumerate(zip(block.columns, masks, strict=True)):
            matrix[place] = mask
            matrix[width + place] = _values(codes, name, mask)
            np.multiply(matrix[width + place], matrix[width + place], out=matrix[2 * width + place])
        return BlockMatrix(block, matrix, None, None, largest)
    matrix = np.empty((width + 1, codes.rows), dtype=dtype)
    matrix[0] = 1
    for place, (name, mask) in enumerate(zip(block.columns, masks, strict=True)):
        matrix[place + 1] = _values(codes, name, mask)
    if block.kind is BlockKind.COMPLETE:
        return BlockMatrix(block, matrix, np.logical_and.reduce(masks), None, largest)
    assert patterns is not None
    bits = np.zeros(codes.rows, dtype=np.int64)
    for place, mask in enumerate(masks):
        bits |= mask.astype(np.int64) << place
    return BlockMatrix(block, matrix, bits != 0, patterns.find(bits).astype(np.int64), largest)
