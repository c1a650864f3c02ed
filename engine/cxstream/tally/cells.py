"""A view's sums in canonical form: what is merged, subtracted, written to a snapshot.

Levels stand by name, cells are sorted, empty cells are left out: equal responses give equal cells,
whatever came first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class BlockCells:
    """The sums of one block.

    Attributes
    ----------
    cell : (r,) int64
        Which cell of the view each row belongs to.
    pattern : (r,) int64
        The answer pattern (bit j: column j answered), or the number of a combination of answers; 0 where
        the block keeps none.
    sums : (r, w) int64
        As `Sums.rows` gives them.
    """

    cell: NDArray[np.int64]
    pattern: NDArray[np.int64]
    sums: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ViewCells:
    """All sums of one view.

    Attributes
    ----------
    levels : dict of str to (names, (n,) int32)
        Per dimension of the view, its level names, sorted, and each cell's level: 0 for null, i + 1
        for names[i].
    buckets : (n,) int64 or None
        Each cell's time bucket.
    counts : (n, width) int64
    blocks : dict of str to BlockCells
        By the key of a block or weighted block.
    """

    levels: dict[str, tuple[list[str], NDArray[np.int32]]]
    buckets: NDArray[np.int64] | None
    counts: NDArray[np.int64]
    blocks: dict[str, BlockCells]
