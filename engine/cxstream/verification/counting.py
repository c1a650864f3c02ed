"""Every stored batch read, its seal checked; every response counted; the sums compared with those kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from cxstream.errors import CxError
from cxstream.pool import Pool
from cxstream.program import Plan, Program, compile_plan
from cxstream.recount import recount
from cxstream.store import StoreDamagedError
from cxstream.store.in_order import in_order
from cxstream.store.places import Place
from cxstream.store.reader import KeptSnapshot, StoreReader
from cxstream.tally import Tally, restore, snapshot
from cxstream.tally.cells import ViewCells
from cxstream.verification.check import RESTORE, Check, Problem

OnRows = Callable[[int, int], object]


def check_batches(reader: StoreReader, programs: list[Program], threads: int) -> Check:
    """Check that the bytes of all batches in the journal are those that were stored."""
    problems = []
    batches = size = 0
    with reader.segments() as segments:

        def is_stored(place: Place) -> bool:
            try:
                segments.read(place)
            except StoreDamagedError:
                return False
            return True

        for program in programs:
            places = reader.places(program.name)
            found = in_order(is_stored, places, threads)
            for place, is_whole in zip(places, found, strict=True):
                batches += 1
                size += place.size
                if not is_whole:
                    what = "it is not what was stored"
                    problems.append(
                        Problem(what, RESTORE, place.program, place.producer, place.sequence)
                    )
    return Check("batches", {"batches": batches, "bytes": size}, tuple(problems))


@dataclass(slots=True)
class Counting:
    """Counts programs, one after the other.

    Attributes
    ----------
    reader : StoreReader
    kept : mapping of str to KeptSnapshot
    threads : int
        That read.
    pool : Pool
        Counts views side by side.
    on_rows : function of (done, all)
    rows : int
        Of all programs together.
    is_complete : bool
        Whether all that is stored is as it was: then sums that differ can be made from it again.
    """

    reader: StoreReader
    kept: Mapping[str, KeptSnapshot]
    threads: int
    pool: Pool
    on_rows: OnRows
    rows: int
    is_complete: bool

    def check(self, programs: list[Program]) -> Check:
        """Check that all kept sums are those of the stored responses."""
        problems: list[Problem] = []
        responses = compared = 0
        for program in programs:
            plan = compile_plan(program)
            kept = self.kept.get(program.name)
            data = kept.read() if kept is not None and kept.plan == plan.digest else None
            remedy = kept.remedy if kept is not None and self.is_complete else RESTORE
            try:
                if kept is None or data is None:
                    # The next start counts everything, as this does.
                    tally = self._count(program, Tally(plan, self.pool), responses)
                    difference = ""
                else:
                    tally, difference = self._compare(program, plan, kept.point, data, responses)
                    compared += 1
            except StoreDamagedError:
                what = "its sums cannot be recomputed: not all of its batches can be read"
                problems.append(Problem(what, RESTORE, program.name))
                continue
            except (CxError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
                what = f"its responses cannot be counted: {error}"
                problems.append(Problem(what, RESTORE, program.name))
                continue
            responses += tally.responses
            if difference:
                problems.append(Problem(difference, remedy, program.name))
        remark = f"{compared} of {len(programs)} compared bit for bit with what was kept"
        figures = {"programs": len(programs), "responses": responses}
        return Check("tallies", figures, tuple(problems), remark)

    def _compare(
        self, program: Program, plan: Plan, point: int, data: bytes, before: int
    ) -> tuple[Tally, str]:
        """Return all sums, and how those that a restart would answer from differ from them."""
        fresh = self._count(program, Tally(plan, self.pool), before, until=point)
        try:
            forward = restore(plan, data, self.pool)
        except (ValueError, LookupError) as error:
            return fresh, f"its snapshot cannot be read: {error}"
        difference = ""
        if snapshot(fresh) != data:
            where = ", ".join(_differing(plan, forward.cells(), fresh.cells())) or "its bytes"
            difference = f"its snapshot does not hold the sums of its batches: {where}"
        for tally in (forward, fresh):
            self._count(program, tally, before + fresh.responses, after=point)
        if not difference and snapshot(forward) != snapshot(fresh):
            where = ", ".join(_differing(plan, forward.cells(), fresh.cells())) or "its bytes"
            difference = f"its sums are not those of its batches: {where}"
        return fresh, difference

    def _count(
        self, program: Program, tally: Tally, before: int, after: int = 0, until: int = 2**63 - 1
    ) -> Tally:
        recount(
            self.reader,
            program,
            tally,
            after,
            until,
            threads=self.threads,
            on_rows=lambda done, _: self.on_rows(min(before + done, self.rows), self.rows),
        )
        return tally


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
