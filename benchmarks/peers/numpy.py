"""NumPy by hand: keys fused in 16 bits, blocks that fit the cache, a pool of threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.tasks import (
    AGE_GROUPS,
    GROUPS,
    REGIONS,
    TERMS,
    TOUCHPOINTS,
    Answer,
    least_squares,
    nps_of,
)
from benchmarks.workload import MONTHS, NO_NPS, RATINGS, WEIGHTS

VERSION = np.__version__
BLOCK_ROWS = 65_536
_POOL = ThreadPoolExecutor(os.cpu_count())

Block = dict[str, NDArray[Any]]

_CLASSES = np.zeros((NO_NPS + 1, 3), dtype=np.int64)
_CLASSES[:7, 0] = _CLASSES[7:9, 1] = _CLASSES[9:11, 2] = 1
#: Of every byte of improve: the options ticked; and whether any is.
_TICKED = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(
    np.int64
)
_UPPER = np.triu_indices(TERMS + 1)


def _index_table() -> NDArray[np.float64]:
    """Return the index of every combination of six answers, 0 where there is none."""
    given = np.indices((6,) * 6).reshape(6, -1)
    answered = given > 0
    weight = np.array(WEIGHTS)[:, None] * answered
    total = weight.sum(axis=0)
    value: NDArray[np.float64] = 25.0 * (weight * (given - 1)).sum(axis=0) / np.maximum(total, 1e-9)
    return value


_INDEX = _index_table()
#: Every combination of six ratings and a score, as [1, ratings, score]; 0 for incomplete ones.
_JOINT = 6**6 * (NO_NPS + 1)


def _joint_table() -> NDArray[np.float32]:
    given = np.indices((*(6,) * 6, NO_NPS + 1)).reshape(7, -1)
    complete = (given[:6] > 0).all(axis=0) & (given[6] < NO_NPS)
    return (np.vstack([np.ones(_JOINT), given]) * complete).T.astype(np.float32, order="C")


_ANSWERS = _joint_table()


@dataclass(frozen=True)
class Data:
    """The columns of `workload.compact`."""

    columns: Block

    def blocks(self, size: int = BLOCK_ROWS) -> Iterator[Block]:
        for start in range(0, len(self.columns["nps"]), size):
            yield {name: column[start : start + size] for name, column in self.columns.items()}


def prepare(table: pa.Table | pa.RecordBatch) -> Data:
    return Data({name: table[name].to_numpy() for name in table.schema.names})


def _fused(*parts: tuple[NDArray[np.uint8], int]) -> NDArray[np.uint16]:
    """Return one key of columns, each with its number of codes."""
    key = parts[0][0].astype(np.uint16)
    for column, count in parts[1:]:
        key *= np.uint16(count)
        key += column
    return key


def _added(work: Callable[[Block], Any], blocks: Iterable[Block]) -> Any:
    """Add up what `work` gives for every block."""
    first, *rest = _POOL.map(work, blocks)
    for one in rest:
        for total, part in zip(first, one, strict=True):
            np.add(total, part, out=total)
    return first


def t1(data: Data) -> Answer:
    groups = REGIONS * AGE_GROUPS

    def work(block: Block) -> tuple[NDArray[np.int64]]:
        key = _fused((block["region"], 0), (block["age_group"], AGE_GROUPS), (block["nps"], 12))
        return (np.bincount(key, minlength=groups * 12),)

    (counts,) = _added(work, data.blocks())
    classes = counts.reshape(groups, 12) @ _CLASSES
    return {"classes": classes, "nps": nps_of(classes)}


def _index(block: Block, group: NDArray[np.uint16], groups: int) -> list[NDArray[Any]]:
    """Return the sum of indices, and how many, of every group."""
    key = _fused(*((block[name], 6) for name in RATINGS))
    # Whoever answered nothing counts 0 in the sum, and is rare.
    total = np.bincount(group, weights=_INDEX[key], minlength=groups)
    count = np.bincount(group, minlength=groups)
    count -= np.bincount(group[key == 0], minlength=groups)
    return [total, count]


def t2(data: Data) -> Answer:
    groups = TOUCHPOINTS * MONTHS

    def work(block: Block) -> list[NDArray[Any]]:
        return _index(block, _fused((block["touchpoint"], 0), (block["month"], MONTHS)), groups)

    total, count = _added(work, data.blocks())
    return {"index_n": count, "index": total / count}


def index_of(batch: pa.RecordBatch) -> tuple[float, int]:
    """Return the sum of the indices of all responses, and how many have one."""
    key = _fused(*((batch[name].to_numpy(), 6) for name in RATINGS))
    return float(_INDEX[key].sum()), int(np.count_nonzero(key))


def _products(answers: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return sums of products over complete rows of (columns, rows) codes, ratings first.

    In float32, exact: a block's sums stay below 2^24.
    """
    complete = answers[-1] < NO_NPS
    for row in answers[:-1]:
        complete &= row > 0
    matrix = np.empty((TERMS + 1, answers.shape[1]), dtype=np.float32)
    matrix[0] = complete
    np.multiply(answers, complete, out=matrix[1:], casting="unsafe")
    return (matrix @ matrix.T).astype(np.float64)


def _joint(block: Block, key: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Append all seven answers to keys, a block that fits the cache at a time."""
    for start in range(0, len(key), BLOCK_ROWS):
        part = key[start : start + BLOCK_ROWS]
        for name in (*RATINGS, "nps"):
            part *= np.uint32(6 if name != "nps" else NO_NPS + 1)
            part += block[name][start : start + BLOCK_ROWS]
    return key


def t3(data: Data) -> Answer:
    """Count every combination of answers: one increment a row, then a small matrix product."""

    def work(block: Block) -> tuple[NDArray[np.int64]]:
        key = _joint(block, np.zeros(len(block["nps"]), dtype=np.uint32))
        return (np.bincount(key, minlength=_JOINT),)

    (counts,) = _added(work, data.blocks(2**21))
    seen = np.flatnonzero(counts)
    rows = _ANSWERS[seen].astype(np.float64)
    return least_squares((rows.T @ (counts[seen, None] * rows))[None][:, *_UPPER])


def _scorecard(counts: NDArray[np.int64]) -> Answer:
    return {"base": counts[:, 1:].sum(axis=1), "ticked": counts @ _TICKED}


def t4(data: Data) -> Answer:
    def work(block: Block) -> tuple[NDArray[np.int64]]:
        key = _fused((block["region"], 0), (block["improve"], 256))
        return (np.bincount(key, minlength=REGIONS * 256),)

    (counts,) = _added(work, data.blocks())
    return _scorecard(counts.reshape(REGIONS, 256))


def t5(data: Data) -> Answer:
    """Sort rows by group and answers in one key, then a matrix product per group."""

    def counted(block: Block) -> list[NDArray[Any]]:
        group = _fused((block["touchpoint"], 0), (block["month"], MONTHS), (block["region"], 12))
        wide = group.astype(np.intp)
        return [
            np.bincount(wide * 12 + block["nps"], minlength=GROUPS * 12),
            *_index(block, group, GROUPS),
            np.bincount(wide * 256 + block["improve"], minlength=GROUPS * 256),
        ]

    def multiplied(block: Block) -> tuple[NDArray[np.float64]]:
        group = _fused(
            (block["touchpoint"], 0), (block["month"], MONTHS), (block["region"], REGIONS)
        )
        key = _joint(block, group.astype(np.uint32))
        key.sort()
        bounds = np.searchsorted(key, np.arange(GROUPS + 1, dtype=np.uint32) * np.uint32(_JOINT))
        sums = np.zeros((GROUPS, TERMS + 1, TERMS + 1))
        for number in range(GROUPS):
            mine = key[bounds[number] : bounds[number + 1]] - np.uint32(number * _JOINT)
            rows = _ANSWERS[mine]
            sums[number] = rows.T @ rows  # in float32, exact: below 2^24
        return (sums,)

    scores, total, count, ticked = _added(counted, data.blocks())
    (sums,) = _added(multiplied, data.blocks(2**21))
    classes = scores.reshape(GROUPS, 12) @ _CLASSES
    return {
        "classes": classes,
        "nps": nps_of(classes),
        "index_n": count,
        "index": total / count,
        **_scorecard(ticked.reshape(GROUPS, 256)),
        **least_squares(sums[:, *_UPPER]),
    }


def t6(batches: list[pa.RecordBatch]) -> Answer:
    """Keep sums, add each batch's."""
    return current([prepare(batch) for batch in batches])


def current(batches: Iterable[Data]) -> Answer:
    scores = np.zeros(12, dtype=np.int64)
    total, count = np.zeros(1), np.zeros(1, dtype=np.int64)
    sums = np.zeros((TERMS + 1, TERMS + 1))
    after: list[Answer] = []

    def half(block: Block) -> list[NDArray[Any]]:
        key = _fused(*((block[name], 6) for name in RATINGS))
        return [
            np.bincount(block["nps"], minlength=12),
            _INDEX[key].sum(),
            np.count_nonzero(key),
            _products(np.stack([*(block[name] for name in RATINGS), block["nps"]])),
        ]

    for data in batches:
        rows = len(data.columns["nps"])
        middle = rows // 2
        halves = [
            {name: one[where] for name, one in data.columns.items()}
            for where in (slice(0, middle), slice(middle, rows))
        ]
        for part in _POOL.map(half, halves):
            scores += part[0]
            total += part[1]
            count += part[2]
            sums += part[3]
        classes = (scores @ _CLASSES)[None]
        after.append(
            {
                "nps": nps_of(classes),
                "index": total / count,
                **least_squares(sums[None][:, *_UPPER]),
            }
        )
    return {name: np.concatenate([one[name] for one in after]) for name in after[0]}


TASKS = {"T1": t1, "T2": t2, "T3": t3, "T4": t4, "T5": t5, "T6": t6}
