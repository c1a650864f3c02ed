"""Whether a data directory holds what was acknowledged, and whether its sums are those of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from cxstream.errors import CxError
from cxstream.program import Program, program_from_dict
from cxstream.store.directory import StoreDamagedError
from cxstream.store.in_order import processors
from cxstream.store.reader import KeptSnapshot, StoreReader
from cxstream.verification.check import RESTORE, Check, Problem
from cxstream.verification.counting import Counting, OnBytes


def verify(
    reader: StoreReader, *, threads: int = 0, on_bytes: OnBytes = lambda *_: None
) -> Iterator[Check]:
    """Check a data directory and change nothing in it.

    Parameters
    ----------
    reader : StoreReader
        The directory.
    threads : int
        That read and count; 0 for the processors there are.
    on_bytes : function of (done, all)
        Called as batches are read.

    Yields
    ------
    Check
        Each as it is done. Where the catalogue cannot be relied on, it is the last one.
    """
    yield Check("format", {"version": reader.format})
    catalogue, programs = _catalogue(reader)
    yield catalogue
    if not catalogue.ok:
        return
    sequences = _sequences(reader)
    yield sequences
    yield _segments(reader)
    kept = reader.snapshots()
    yield _snapshots(reader, kept)
    count = threads or processors()
    with ThreadPoolExecutor(count, thread_name_prefix="cxstream-tally") as pool:
        counting = Counting(reader, kept, count, pool, on_bytes, is_complete=sequences.ok)
        for program in programs:
            counting.program(program)
    yield counting.seals()
    yield counting.tallies()


# --- the catalogue --------------------------------------------------------------------------------


def _catalogue(reader: StoreReader) -> tuple[Check, list[Program]]:
    problems: list[Problem] = []
    programs = []
    figures = {}
    try:
        for (found,) in reader.rows("PRAGMA integrity_check"):
            if found != "ok":
                problems.append(Problem(f"SQLite says of the catalogue: {found}"))
        for stored in reader.programs():
            try:
                programs.append(program_from_dict(stored.tables))
            except CxError as error:
                what = f"its declaration cannot be read: {error.message}"
                problems.append(Problem(what, program=stored.name))
                continue
            if programs[-1].name != stored.name:
                problems.append(
                    Problem("another program is kept under its name", program=stored.name)
                )
        for name, count in reader.rows(
            "SELECT program, COUNT(*) FROM batch WHERE program NOT IN (SELECT name FROM program)"
            " GROUP BY program"
        ):
            problems.append(Problem(f"it is not declared and has {count} batches", program=name))
        problems += _changed(reader)
        totals = reader.totals()
        figures = {
            "programs": totals.programs,
            "batches": totals.batches,
            "responses": totals.responses,
            "bytes": totals.bytes,
        }
    except StoreDamagedError as error:
        problems.append(Problem(error.message))
    return Check("catalogue", figures, tuple(problems)), programs


def _changed(reader: StoreReader) -> list[Problem]:
    """Return the rows of the catalogue that do not bear their mark."""
    what = "its row in the catalogue is not what was stored"
    found = [Problem(what, program=name) for name in reader.changed_programs()]
    if not reader.has_its_tables():
        found.append(Problem("the tables of the catalogue are not those of its format"))
    for program, producer, sequence in reader.changed_batches():
        number = sequence if isinstance(sequence, int) else None
        found.append(Problem(what, RESTORE, program, producer, number))
    return found


def _lost(reader: StoreReader) -> list[Problem]:
    """Return what was in the catalogue and is no more."""
    problems = []
    (count, last), *_ = reader.rows("SELECT COUNT(*), COALESCE(MAX(point), 0) FROM batch")
    numbered = reader.rows("SELECT seq FROM sqlite_sequence WHERE name = 'batch'")
    # SQLite numbers batches without a gap, and remembers the last number.
    stored = max([last, *(one for (one,) in numbered)])
    if stored != count:
        problems.append(Problem(f"{stored} batches were stored and the catalogue names {count}"))
    batches, changes = reader.lost_commits()
    if batches or changes:
        what = (
            f"the catalogue lost the last {batches} batches and {changes} changes of programs that "
            "were committed"
        )
        remedy = f"where this is a copy made while a server wrote, remove committed; else {RESTORE}"
        problems.append(Problem(what, remedy))
    return problems


def _sequences(reader: StoreReader) -> Check:
    problems = _lost(reader)
    rows = reader.rows(
        "SELECT program, producer, MIN(sequence), MAX(sequence), COUNT(*) FROM batch"
        " GROUP BY program, producer"
    )
    for program, producer, first, last, count in rows:
        if first == 0 and last == count - 1:
            continue
        found = reader.rows(
            "SELECT sequence FROM batch WHERE program = ? AND producer = ? ORDER BY sequence",
            (program, producer),
        )
        gap = next((at for at, (one,) in enumerate(found) if one != at), count)
        what = f"its batches from here on are missing, {last + 1 - count} in all"
        problems.append(Problem(what, program=program, producer=producer, sequence=gap))
    return Check("sequences", {"producers": len(rows)}, tuple(problems))


# --- files ----------------------------------------------------------------------------------------


def _segments(reader: StoreReader) -> Check:
    """Check that every segment is there, whole, and that its batches lie one after the other."""
    problems = []
    files = reader.segment_files()
    stated = reader.rows(
        "SELECT segment, MAX(offset + size), SUM(size), MIN(offset) FROM batch GROUP BY segment"
    )
    surplus = sum(files.values())
    for segment, end, size, first in stated:
        name = reader.segment_path(segment).name
        there = files.get(segment)
        surplus -= min(there or 0, end)
        if there is None:
            problems.append(Problem(f"{name} is missing"))
        elif there < end:
            problems.append(Problem(f"{name} has {there} bytes and should have at least {end}"))
        if first != 0 or size != end:
            what = f"{name}: {abs(end - size)} bytes are not named by the catalogue exactly once"
            problems.append(Problem(what))
    remark = ""
    if surplus:
        remark = f"{surplus:,} bytes of batches that were never acknowledged"
    return Check("segments", {"files": len(files)}, tuple(problems), remark)


def _snapshots(reader: StoreReader, kept: Mapping[str, KeptSnapshot]) -> Check:
    problems = []
    size = 0
    for one in kept.values():
        found = one.read()
        size += len(found or b"")
        if found is None:
            what = f"its snapshot {one.path.name} is missing or damaged"
            problems.append(Problem(what, one.remedy, program=one.program))
        (named,) = reader.rows(
            "SELECT COUNT(*) FROM batch WHERE program = ? AND point <= ?", (one.program, one.point)
        )[0]
        if named != one.batches:
            what = f"its snapshot holds {one.batches} batches, and {named} of them are stored"
            problems.append(Problem(what, program=one.program))
    return Check("snapshots", {"snapshots": len(kept), "bytes": size}, tuple(problems))
