"""The native ways of counting against the kernels that take rows in order; `cxstream doctor` runs it.

Those with weights are held against Python integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cxstream.columns import BucketCodes, Codes, DimensionCodes, choice_codes
from cxstream.program import BlockKind, Program, compile_plan, program_from_dict
from cxstream.tally.matrix import Batch
from cxstream.tally.small_batch import SmallBatches
from cxstream.tally.snapshot import snapshot
from cxstream.tally.tally import Tally

_RATINGS = [f"q{place}" for place in range(6)]
_QUESTIONS = {
    "nps": {"kind": "nps"},
    **{name: {"kind": "rating", "scale": [1, 5]} for name in _RATINGS},
    "many": {"kind": "choice", "options": ["a", "b", "c"], "multiple": True},
    "spend": {"kind": "number", "range": [0, 2**40]},
}
_MORE = {
    "indices": {"i": {"parts": {"a": {"items": _RATINGS[:4]}}}},
    "models": {"m": {"outcome": "nps", "drivers": _RATINGS}},
}
_TABLES = {
    "all together": {"name": "p", "questions": _QUESTIONS, **_MORE},
    "by group": {
        "name": "p",
        "questions": _QUESTIONS,
        "dimensions": {"region": {}},
        "time": {"column": "at", "buckets": ["month"]},
        **_MORE,
    },
}
_TABLES |= {
    "a block alone": _TABLES["all together"],
    "a block by group": _TABLES["by group"],
    "a question beside a block": _TABLES["by group"],
    "a wide block by group": {**_TABLES["by group"], "indices": {}},
}
#: The questions that are counted, where not all are.
_COUNTED = {
    "a block alone": (),
    "a block by group": (),
    "a question beside a block": ("many", "q5"),
    "a wide block by group": ("nps",),
}
_ROWS = 10_007  # no multiple of any vector length
#: Counted in chunks, and row by row.
_WEIGHT_BITS = (10, 40)


def run(seed: int = 20170501) -> Iterator[tuple[bool, str]]:
    """Count random codes in every way, at the SIMD level in use.

    Yields
    ------
    (bool, str)
        Whether lanes and rows give the bytes that the kernels in order give, and weighted sums are right; and of what.

    Examples
    --------
    >>> all(ok for ok, _ in run())
    True
    """
    for case, table in _TABLES.items():
        program = program_from_dict(table)
        plan = compile_plan(program, _COUNTED.get(case))
        codes = _codes(np.random.default_rng(seed), program, grouped="time" in table)
        tallies = [Tally(plan) for _ in range(3)]
        for way, tally in zip((_in_lanes, _row_by_row, _in_order), tallies, strict=True):
            way(tally, codes)
            tally.responses = _ROWS
        lanes, rows, order = (snapshot(tally) for tally in tallies)
        differing = [name for name, one in (("lanes", lanes), ("row by row", rows)) if one != order]
        if differing:
            yield False, f"{case}: {' and '.join(differing)} differ from the kernels in order"
        else:
            yield True, f"{case}: {_ROWS:,} rows, equal sums in lanes, row by row and in order"
    for bits in _WEIGHT_BITS:
        differing = _weighted(np.random.default_rng(seed), bits)
        case = f"weights of {bits} bits: {_ROWS:,} rows"
        if differing:
            yield False, f"{case}, {' and '.join(differing)} differ from Python integers"
        else:
            yield True, f"{case}, sums equal to Python integers"


def _in_lanes(tally: Tally, codes: Codes) -> None:
    tally.count_in_lanes(tally.laid_out(codes))


def _row_by_row(tally: Tally, codes: Codes) -> None:
    batch = tally.laid_out(codes)
    singles = batch.layout.singles
    SmallBatches(tally.plan, singles, tally.views, tally.patterns).add(batch)


def _in_order(tally: Tally, codes: Codes) -> None:
    batch: Batch = tally.laid_out(codes)
    for view in tally.views:
        view.update(batch, view.blocks)


def _codes(rng: np.random.Generator, program: Program, *, grouped: bool) -> Codes:
    def scale(levels: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        codes = rng.integers(0, levels, _ROWS)
        codes[rng.random(_ROWS) < 0.1] = levels
        return codes.astype(np.uint8)

    offsets = np.concatenate(([0], np.cumsum(rng.integers(0, 4, _ROWS))))
    many = rng.integers(0, 4, offsets[-1]).astype(np.uint16)
    spend = rng.integers(-1, 2**40, _ROWS)
    spend[rng.random(_ROWS) < 0.1] = -1
    levels = tuple(f"r{place}" for place in range(5))
    return Codes(
        rows=_ROWS,
        scales={"nps": scale(11), **{name: scale(5) for name in _RATINGS}},
        numbers={"spend": spend},
        choices={"many": choice_codes(program.questions["many"], offsets, many)},
        dimensions={"region": DimensionCodes(levels, rng.integers(0, 6, _ROWS).astype(np.uint8))}
        if grouped
        else {},
        buckets=BucketCodes(np.arange(600, 607), rng.integers(0, 8, _ROWS).astype(np.uint8))
        if grouped
        else None,
    )


def _weighted(rng: np.random.Generator, bits: int) -> list[str]:
    """Return which weighted sums of all rows are not those of Python integers."""
    table = {**_TABLES["by group"], "weight": {"column": "w", "step": 1}}
    program = program_from_dict(table)
    tally = Tally(compile_plan(program))
    weights = rng.integers(-1, 2**bits, _ROWS)
    weights[0] = 2**bits - 1
    codes = replace(_codes(rng, program, grouped=True), weights=weights)
    tally.update(codes)
    (view,) = tally.cells()  # all cells together
    kept = weights >= 0
    powers = [weights.astype(object) ** power for power in range(3)]
    slot, nps = tally.plan.slots["nps"], codes.scales["nps"]
    differing = []
    for one in tally.plan.weighted:
        low, high = np.split(view.blocks[one.key].sums.astype(object), 2, axis=1)
        n, first, second = one.powers((high << 64) + low % 2**64)
        if one.of is None:
            got = [
                part[:, slot.start : slot.start + slot.width].sum(axis=0)
                for part in (n, first, second)
            ]
            expected = [
                [power[kept & (nps == code)].sum() for code in range(slot.width)]
                for power in powers
            ]
        elif one.of.kind is BlockKind.COMPLETE and not one.of.wide:
            columns = [codes.scales[name] for name in one.of.columns]
            complete = kept.copy()
            for name, column in zip(one.of.columns, columns, strict=True):
                complete &= column < tally.plan.levels(name)
            x = [np.ones(_ROWS, dtype=np.int64), *columns]
            products = [
                x[a][complete].astype(np.int64) * x[b][complete] for a, b in one.of.products
            ]
            got = [n.sum(axis=0), first.sum(axis=0), second.sum(axis=0)]
            expected = [
                [complete.sum()],
                *([(power[complete] * one).sum() for one in products] for power in powers[1:]),
            ]
        else:
            continue
        if any(list(a) != list(b) for a, b in zip(got, expected, strict=True)):
            differing.append(one.key)
    return differing
