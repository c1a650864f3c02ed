"""Every stored batch read once, its seal checked, and counted; the sums compared with those kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

import numpy as np

from cxstream.columns import Codes
from cxstream.errors import CxError
from cxstream.program import Plan, Program, compile_plan
from cxstream.recovery import encode_stored
from cxstream.store.directory import StoreDamagedError
from cxstream.store.in_order import in_order
from cxstream.store.reader import KeptSnapshot, Place, StoreReader
from cxstream.tally import Tally, restore, snapshot
from cxstream.tally.cells import ViewCells
from cxstream.verification.check import RESTORE, Check, Problem

OnBytes = Callable[[int, int], None]


class Counting:
    """Reads every batch once: checks its seal, and counts it.

    Parameters
    ----------
    reader, kept
        What is stored.
    threads : int
        That read.
    pool : Executor
        Counts views side by side.
    on_bytes : function of (done, all)
    is_complete : bool
        Whether no batch is missing: then sums that differ can be made from the batches again.
    """

    def __init__(
        self,
        reader: StoreReader,
        kept: Mapping[str, KeptSnapshot],
        threads: int,
        pool: Executor,
        on_bytes: OnBytes,
        *,
        is_complete: bool,
    ) -> None:
        self._reader = reader
        self._kept = kept
        self._threads = threads
        self._pool = pool
        self._on_bytes = on_bytes
        self._is_complete = is_complete
        self._all = reader.totals().bytes
        self._done = 0
        self._batches = 0
        self._responses = 0
        self._programs = 0
        self._compared = 0
        self._damaged: list[Problem] = []
        self._differing: list[Problem] = []

    def seals(self) -> Check:
        """Return whether the bytes of all batches are those that were stored."""
        figures = {"batches": self._batches, "bytes": self._done}
        return Check("batches", figures, tuple(self._damaged))

    def tallies(self) -> Check:
        """Return whether all sums are those of the stored responses."""
        figures = {"programs": self._programs, "responses": self._responses}
        remark = f"{self._compared} of {self._programs} compared bit for bit with what was kept"
        return Check("tallies", figures, tuple(self._differing), remark)

    def program(self, program: Program) -> None:
        """Read and count a program's batches."""
        name = program.name
        sums = _Sums(compile_plan(program), self._pool, self._kept.get(name))

        def read(place: Place) -> tuple[Place, Codes | CxError]:
            try:
                batch = place.read()
            except CxError as error:
                return place, error
            try:
                return place, encode_stored(batch, program)
            except (CxError, LookupError, TypeError, ValueError) as error:
                return place, _UncountableError("UNCOUNTABLE", str(error))

        is_whole = True
        for place, found in in_order(read, self._reader.places(name), self._threads):
            self._done += place.size
            self._batches += 1
            self._on_bytes(self._done, self._all)
            if isinstance(found, StoreDamagedError):
                what = "it is not what was stored"
                self._damaged.append(Problem(what, RESTORE, name, place.producer, place.sequence))
                is_whole = False
            elif isinstance(found, CxError):
                what = f"it cannot be counted: {found.message}"
                self._differing.append(Problem(what, RESTORE, name, place.producer, place.sequence))
                is_whole = False
            elif is_whole:
                try:
                    sums.count(place.point, found)
                except CxError as error:
                    self._differ(name, f"its batches pass a limit: {error.message}")
                    is_whole = False
        self._programs += 1
        if not is_whole:
            self._differ(name, "its sums cannot be recomputed: not all of its batches can be read")
            return
        sums.end()
        self._responses += sums.fresh.responses
        self._compared += sums.compared
        if sums.difference and sums.kept is not None:
            remedy = sums.kept.remedy if self._is_complete else RESTORE
            self._differ(name, sums.difference, remedy)

    def _differ(self, program: str, what: str, remedy: str = RESTORE) -> None:
        self._differing.append(Problem(what, remedy, program))


class _UncountableError(CxError):
    """A batch is what was stored, and the program cannot count it."""


class _Sums:
    """One program counted from its rows, and its snapshot brought forward."""

    def __init__(self, plan: Plan, pool: Executor, kept: KeptSnapshot | None) -> None:
        self._plan = plan
        self._pool = pool
        self.fresh = Tally(plan, pool)
        self.compared = False
        self.difference = ""
        #: None where there is none of this plan: the next start counts every batch.
        self.kept = kept if kept is not None and kept.plan == plan.digest else None
        self._data = self.kept.read() if self.kept is not None else None
        self._forward: Tally | None = None

    def count(self, point: int, codes: Codes) -> None:
        """Count a batch."""
        if self.kept is not None and point > self.kept.point:
            self._reach()
        self.fresh.admit(codes)
        self.fresh.update(codes)
        if self._forward is not None:
            self._forward.admit(codes)
            self._forward.update(codes)

    def end(self) -> None:
        """Compare what a restart would answer from with what the rows say."""
        self._reach()
        if self._forward is None:
            return
        self.compared = True
        if snapshot(self._forward) != snapshot(self.fresh):
            views = ", ".join(_differing(self._plan, self._forward.cells(), self.fresh.cells()))
            self.difference = self.difference or f"its sums are not those of its batches: {views}"

    def _reach(self) -> None:
        """Come to the snapshot's point: it must be, byte for byte, what the rows before it give."""
        if self._data is None:
            return
        data, self._data = self._data, None
        try:
            self._forward = restore(self._plan, data, self._pool)
        except (ValueError, LookupError) as error:
            self.difference = f"its snapshot cannot be read: {error}"
            return
        if snapshot(self.fresh) != data:
            views = _differing(self._plan, self._forward.cells(), self.fresh.cells())
            where = ", ".join(views) or "its bytes"
            self.difference = f"its snapshot does not hold the sums of its batches: {where}"


def _differing(plan: Plan, left: list[ViewCells], right: list[ViewCells]) -> list[str]:
    """Return the names of the views whose sums differ."""
    names = [view.name for view in plan.views]
    same = [_same(one, other) for one, other in zip(left, right, strict=True)]
    return [f"view {name}" for name, equal in zip(names, same, strict=True) if not equal]


def _same(one: ViewCells, other: ViewCells) -> bool:
    pairs: list[tuple[Any, Any]] = [(one.counts, other.counts), (one.buckets, other.buckets)]
    for name, (levels, codes) in one.levels.items():
        if levels != other.levels[name][0]:
            return False
        pairs.append((codes, other.levels[name][1]))
    for key, block in one.blocks.items():
        theirs = other.blocks[key]
        pairs += [
            (block.cell, theirs.cell),
            (block.pattern, theirs.pattern),
            (block.sums, theirs.sums),
        ]
    return all(np.array_equal(mine, their) for mine, their in pairs)
