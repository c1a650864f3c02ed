"""The catalogue: its rows are those that were stored, and none is missing."""

from __future__ import annotations

from cxstream.errors import CxError
from cxstream.program import Program, program_from_dict
from cxstream.store.catalogue import (
    MARKED,
    StoreDamagedError,
    commits_of,
    expected_tables,
    read_note,
    row_mark,
    schema_digest,
    tables_of,
)
from cxstream.store.reader import StoreReader
from cxstream.verification.check import RESTORE, Check, Problem

#: Tables that name a program, which must be declared.
_OF_PROGRAMS = ("batch", "producer", "history", "file", "snapshot", "erasure")


def check_catalogue(reader: StoreReader) -> tuple[Check, list[Program]]:
    """Check the rows one by one, and return the programs they declare."""
    problems: list[Problem] = []
    programs: list[Program] = []
    figures: dict[str, int] = {}
    try:
        for (found,) in reader.rows("PRAGMA integrity_check"):
            if found != "ok":
                problems.append(Problem(f"SQLite says of the catalogue: {found}"))
        if tables_of(reader.catalogue.reader) != expected_tables():
            problems.append(Problem("the tables of the catalogue are not those of its format"))
            return Check("catalogue", {}, tuple(problems)), []
        problems += _changed(reader)
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
        problems += _undeclared(reader)
        figures = _figures(reader)
    except StoreDamagedError as error:
        problems.append(Problem(error.message))
    return Check("catalogue", figures, tuple(problems)), programs


def _changed(reader: StoreReader) -> list[Problem]:
    """Return the rows that do not bear their mark."""
    found = []
    for table in (*MARKED, "batch"):
        cursor = reader.catalogue.reader.execute(f"SELECT * FROM {table}")  # noqa: S608 - ours
        names = [one[0] for one in cursor.description]
        for *values, mark in cursor:
            # SQLite gives a batch its point as it is stored, so the mark is over the rest.
            if mark == row_mark(values[1:] if table == "batch" else values):
                continue
            row = dict(zip(names, values, strict=False))
            which = f"row {row['number']}" if "number" in row else "its row"
            sequence = row.get("sequence")
            found.append(
                Problem(
                    f"{which} of {table} in the catalogue is not what was stored",
                    RESTORE,
                    str(row["name"] if table == "program" else row.get("program", "")),
                    str(row.get("producer", "")),
                    sequence if isinstance(sequence, int) else None,
                )
            )
    for digest, message in reader.rows("SELECT digest, message FROM schema"):
        if schema_digest(message) != digest:
            found.append(Problem("a schema in the catalogue is not what was stored"))
    return found


def _undeclared(reader: StoreReader) -> list[Problem]:
    problems = []
    for table in _OF_PROGRAMS:
        for name, count in reader.rows(
            f"SELECT program, COUNT(*) FROM {table} WHERE program NOT IN"  # noqa: S608 - ours
            " (SELECT name FROM program) GROUP BY program"
        ):
            what = f"it is not declared and has {count} rows of {table}"
            problems.append(Problem(what, program=str(name)))
    (unknown,) = reader.rows(
        "SELECT COUNT(*) FROM batch WHERE schema NOT IN (SELECT digest FROM schema)"
    )[0]
    if unknown:
        problems.append(Problem(f"{unknown} batches have a schema that is not in the catalogue"))
    return problems


def _figures(reader: StoreReader) -> dict[str, int]:
    (programs,) = reader.rows("SELECT COUNT(*) FROM program")[0]
    (batches,) = reader.rows(
        "SELECT (SELECT SUM(trimmed) FROM store) + (SELECT COUNT(*) FROM batch)"
    )[0]
    in_files, file_bytes = reader.rows(
        "SELECT COALESCE(SUM(rows), 0), COALESCE(SUM(size), 0) FROM file"
    )[0]
    in_journal, journal_bytes = reader.rows(
        "SELECT COALESCE(SUM(rows), 0), COALESCE(SUM(size), 0) FROM batch NOT INDEXED WHERE point >"
        " COALESCE((SELECT point FROM history WHERE history.program = batch.program), 0)"
    )[0]
    return {
        "programs": programs,
        "batches": batches,
        "responses": in_files + in_journal,
        "bytes": file_bytes + journal_bytes,
    }


# --- what is missing ------------------------------------------------------------------------------


def check_sequences(reader: StoreReader) -> Check:
    """Check that no batch is missing: points and sequences have no gap, and go as far as they did."""
    problems = [*_lost(reader), *_points(reader)]
    bases = {
        (program, producer): sequence
        for program, producer, sequence in reader.rows(
            "SELECT program, producer, sequence FROM producer"
        )
    }
    producers = set(bases)
    for program, producer, first, last, count in reader.rows(
        "SELECT program, producer, MIN(sequence), MAX(sequence), COUNT(*) FROM batch"
        " GROUP BY program, producer"
    ):
        producers.add((program, producer))
        base = bases.get((program, producer), 0)
        if first == base and last == base + count - 1:
            continue
        found = reader.rows(
            "SELECT sequence FROM batch WHERE program = ? AND producer = ? ORDER BY sequence",
            (program, producer),
        )
        gap = next((at for at, (one,) in enumerate(found, base) if one != at), base + count)
        what = f"its batches from here on are missing, {last + 1 - base - count} in all"
        problems.append(Problem(what, program=program, producer=producer, sequence=gap))
    for program, producer, sequence in reader.rows(
        "SELECT recent.program, recent.producer, recent.sequence FROM recent"
        " LEFT JOIN producer ON producer.program = recent.program"
        " AND producer.producer = recent.producer"
        " WHERE recent.sequence >= COALESCE(producer.sequence, 0)"
    ):
        what = "it is kept as an earlier batch and was never one"
        problems.append(Problem(what, RESTORE, program, producer, sequence))
    if not problems:
        # What a start would refuse is a problem, whatever else was looked at.
        try:
            reader.catalogue.check()
        except StoreDamagedError as error:
            problems.append(Problem(error.message))
    return Check("sequences", {"producers": len(producers)}, tuple(problems))


def _points(reader: StoreReader) -> list[Problem]:
    problems = []
    (trimmed,) = reader.rows("SELECT trimmed FROM store")[0]
    (count, first, last), *_ = reader.rows("SELECT COUNT(*), MIN(point), MAX(point) FROM batch")
    numbered = reader.rows("SELECT seq FROM sqlite_sequence WHERE name = 'batch'")
    # SQLite numbers batches without a gap, and remembers the last number.
    stored = max([trimmed, last or 0, *(one for (one,) in numbered)])
    if stored != trimmed + count or (count and first <= trimmed):
        what = f"{stored} batches were stored and the catalogue names {trimmed + count}"
        problems.append(Problem(what))
    for program, point in reader.rows(
        "SELECT program, point FROM history WHERE point > ?", (stored,)
    ):
        what = f"its history ends with batch {point}, and {stored} were stored"
        problems.append(Problem(what, program=program))
    return problems


def _lost(reader: StoreReader) -> list[Problem]:
    """Return what was in the catalogue and is no more."""
    noted = read_note(reader.folder / "committed")
    if noted is None:
        return []
    found = commits_of(reader.catalogue.reader)
    batches, programs, others = (max(0, one - two) for one, two in zip(noted, found, strict=True))
    if not (batches or programs or others):
        return []
    what = (
        f"the catalogue lost the last {batches} batches, {programs} changes of programs and "
        f"{others} of its history that were committed"
    )
    remedy = f"where this is a copy made while a server wrote, remove committed; else {RESTORE}"
    return [Problem(what, remedy)]
