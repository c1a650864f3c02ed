"""The files that the catalogue names: there, whole, and the very ones that were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow.compute as pc

from cxstream.program import Program
from cxstream.store.delta import DataFile, published
from cxstream.store.history import FileDamagedError, HistoryFile, HistoryFolder
from cxstream.store.in_order import in_order
from cxstream.store.reader import KeptSnapshot, StoreReader
from cxstream.store.records import erasures
from cxstream.store.segment import BLOCK_BYTES, block_end
from cxstream.verification.check import Check, Problem

_AT_START = "the next start makes it anew"


def check_segments(reader: StoreReader) -> Check:
    """Check that every segment is there, whole, and that its batches lie one after the other.

    A batch begins where the one before it ends, or with the next block.
    """
    problems = []
    files = reader.segment_files()
    (trimmed,) = reader.rows("SELECT trimmed FROM store")[0]
    stated = reader.rows(
        "SELECT segment, MAX(stop), MIN(offset),"
        " SUM(offset <> before AND offset <> (before + ? - 1) / ? * ?) FROM ("
        "SELECT segment, offset, offset + size AS stop,"
        " LAG(offset + size) OVER (PARTITION BY segment ORDER BY offset) AS before FROM batch"
        ") GROUP BY segment ORDER BY segment",
        (BLOCK_BYTES,) * 3,
    )
    surplus = 0 if stated else sum(files.values())
    for place, (segment, end, first, astray) in enumerate(stated):
        name = reader.segment_path(segment).name
        there = files.get(segment)
        if there is None:
            problems.append(Problem(f"{name} is missing"))
        elif there < end:
            problems.append(Problem(f"{name} has {there} bytes and should have at least {end}"))
        else:
            surplus += max(0, there - block_end(end))
        # Batches in front of the first one may have gone to the history.
        if astray or (first and not (trimmed and place == 0)):
            what = f"{name}: some of its bytes are not named by the catalogue exactly once"
            problems.append(Problem(what))
    if stated:
        surplus += sum(size for number, size in files.items() if number > stated[-1][0])
    remark = ""
    if surplus and (stated or not trimmed):
        remark = f"{surplus:,} bytes of batches that were never acknowledged"
    elif surplus:
        remark = f"{surplus:,} bytes of batches that are in the history or were never acknowledged"
    return Check("segments", {"files": len(files)}, tuple(problems), remark)


def check_history(reader: StoreReader, programs: Sequence[Program], threads: int) -> Check:
    """Check that every file of the history is the very one that was written."""
    problems: list[Problem] = []
    size = rows = 0
    sealed = dict(reader.rows("SELECT program, point FROM history"))
    known = [(one.name, file) for one in programs for file in reader.files(one.name)]

    def check(found: tuple[str, HistoryFile]) -> str:
        name, file = found
        if file.last > sealed.get(name, 0):
            return "it holds batches that its history does not"
        return _difference(reader.history(name), file)

    for (name, file), what in zip(known, in_order(check, known, threads), strict=True):
        size += file.size
        rows += file.rows
        if what:
            problems.append(Problem(f"file {file.path}: {what}", program=name))
    strangers = _strangers(reader, known)
    remark = f"{strangers} files that count nowhere: the next start removes them"
    figures = {"files": len(known), "rows": rows, "bytes": size}
    return Check("history", figures, tuple(problems), remark if strangers else "")


def _difference(folder: HistoryFolder, file: HistoryFile) -> str:
    """Say what is wrong with a file; "" where nothing is."""
    try:
        there = (folder.folder / file.path).stat().st_size
    except OSError as error:
        return f"it is missing ({error.strerror})"
    if there != file.size:
        return f"it has {there} bytes and should have {file.size}"
    try:
        points = folder.read(file, ["_point"])["_point"]
    except FileDamagedError as error:
        return str(error)
    if len(points) != file.rows:
        return f"it has {len(points)} rows and should have {file.rows}"
    bounds = pc.min_max(points).as_py()
    if len(points) and not file.first <= bounds["min"] <= bounds["max"] <= file.last:
        return (
            f"it holds batches {bounds['min']} to {bounds['max']} and should hold {file.first} to "
            f"{file.last}"
        )
    return ""


def _strangers(reader: StoreReader, known: Sequence[tuple[str, HistoryFile]]) -> int:
    root = reader.folder / "history"
    if not root.is_dir():
        return 0
    return sum(
        len(
            reader.history(folder.name).strangers(
                {file.path for name, file in known if name == folder.name}
            )
        )
        for folder in root.iterdir()
    )


def check_delta(reader: StoreReader, programs: Sequence[Program]) -> Check:
    """Look whether other engines see what there is; no answer depends on it."""
    remarks = []
    tables = 0
    for name in (one.name for one in programs):
        folder = reader.history(name).folder
        if not folder.is_dir():
            continue
        tables += 1
        wanted = {
            one.path: DataFile(one.path, one.size, one.rows, one.month)
            for one in reader.files(name)
        }
        try:
            found = published(folder)
        except OSError as error:
            remarks.append(f"program {name}: its Delta log cannot be read ({error}), {_AT_START}")
            continue
        if found != wanted:
            other = len(found.items() ^ wanted.items())
            remarks.append(f"program {name}: its Delta log is out of date ({other}), {_AT_START}")
    return Check("delta", {"tables": tables}, (), "; ".join(remarks))


def check_snapshots(reader: StoreReader, kept: Mapping[str, KeptSnapshot]) -> Check:
    """Check that the kept sums are those that were kept, of batches that are there."""
    problems = []
    size = 0
    (trimmed,) = reader.rows("SELECT trimmed FROM store")[0]
    for one in kept.values():
        found = one.read()
        size += len(found or b"")
        if found is None:
            what = f"its snapshot {one.path.name} is missing or damaged"
            problems.append(Problem(what, one.remedy, program=one.program))
            continue
        if one.point < trimmed:
            # How many of its batches came by then is no more known.
            continue
        (named,) = reader.rows(
            "SELECT (SELECT COALESCE(SUM(sequence), 0) FROM producer WHERE program = ?1)"
            " + (SELECT COUNT(*) FROM batch NOT INDEXED WHERE program = ?1 AND point <= ?2)",
            (one.program, one.point),
        )[0]
        if named != one.batches:
            what = f"its snapshot holds {one.batches} batches, and {named} of them are stored"
            problems.append(Problem(what, program=one.program))
    return Check("snapshots", {"snapshots": len(kept), "bytes": size}, tuple(problems))


def check_erasures(reader: StoreReader) -> Check:
    """Look whether an erasure is under way."""
    (count,) = reader.rows("SELECT COUNT(*) FROM erasure")[0]
    left = len(erasures(reader.catalogue.reader))
    remark = f"{left} are not finished: the next start finishes them" if left else ""
    return Check("erasures", {"erasures": count}, (), remark)
