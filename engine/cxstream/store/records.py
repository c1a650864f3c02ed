"""Transactions of the catalogue that are no batches: run in the journal's thread, whole or not at all."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cxstream.store.catalogue import changed, marked
from cxstream.store.history import HistoryFile

#: So many recent batches of a producer can be told from other content under the same sequence.
DIGESTS_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Erasure:
    """A customer whose responses are to go.

    Attributes
    ----------
    number : int
    program : str
    customer : tuple of (int, int)
        Key version and surrogate: the customer's name under every key there is.
    point : int
        Batches up to this one are searched.
    """

    number: int
    program: str
    customer: tuple[tuple[int, int], ...]
    point: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erasure removed; it names nobody.

    Attributes
    ----------
    number : int
    program : str
    responses, batches, files : int
        Responses that are gone, batches they came in, and files that were written anew for it.
    erased_at : str
        ISO 8601, UTC.
    """

    number: int
    program: str
    responses: int
    batches: int
    files: int
    erased_at: str


def put_files(
    connection: sqlite3.Connection,
    program: str,
    removed: Iterable[int],
    added: Sequence[tuple[int, HistoryFile]],
    point: int | None = None,
) -> None:
    """Name files, in place of others; those of a seal hold all batches up to its point."""
    for number in removed:
        connection.execute("DELETE FROM file WHERE number = ?", (number,))
    for number, one in added:
        row = [number, program, one.path, one.month, one.first, one.last, one.rows, one.size, one.digest]  # fmt: skip
        connection.execute("INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", marked(row))
    _count_files(connection, program, point)
    changed(connection)


def _count_files(connection: sqlite3.Connection, program: str, point: int | None) -> None:
    """Keep how many files and rows there are: a row of `file` that is lost is missed."""
    if point is None:
        query = "SELECT point FROM history WHERE program = ?"
        found = connection.execute(query, (program,)).fetchone()
        point = found[0] if found else 0
    files, rows = connection.execute(
        "SELECT COUNT(*), COALESCE(SUM(rows), 0) FROM file WHERE program = ?", (program,)
    ).fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?)",
        marked([program, point, files, rows]),
    )


def trim(connection: sqlite3.Connection, batches_max: int) -> int:
    """Forget where the oldest batches were in the journal, as far as all are in the history.

    Returns
    -------
    int
        How many were forgotten.
    """
    (trimmed,) = connection.execute("SELECT trimmed FROM store").fetchone()
    (last,) = connection.execute("SELECT COALESCE(MAX(point), 0) FROM batch").fetchone()
    until = min(last, trimmed + batches_max)
    (unsealed,) = connection.execute(
        "SELECT MIN(point) FROM batch NOT INDEXED WHERE point <= ? AND point >"
        " COALESCE((SELECT point FROM history WHERE history.program = batch.program), 0)",
        (until,),
    ).fetchone()
    if unsealed is not None:
        until = unsealed - 1
    rows = connection.execute(
        "SELECT program, producer, sequence, digest FROM batch NOT INDEXED"
        " WHERE point <= ? ORDER BY point",
        (until,),
    ).fetchall()
    if not rows:
        return 0
    next_of = {(program, producer): sequence + 1 for program, producer, sequence, _ in rows}
    connection.executemany(
        "INSERT OR REPLACE INTO recent VALUES (?, ?, ?, ?, ?)",
        (marked(row) for row in rows if row[2] >= next_of[row[0], row[1]] - DIGESTS_KEPT),
    )
    for (program, producer), sequence in next_of.items():
        connection.execute(
            "INSERT OR REPLACE INTO producer VALUES (?, ?, ?, ?)",
            marked([program, producer, sequence]),
        )
        connection.execute(
            "DELETE FROM recent WHERE program = ? AND producer = ? AND sequence < ?",
            (program, producer, sequence - DIGESTS_KEPT),
        )
    connection.execute("DELETE FROM batch WHERE point <= ?", (until,))
    changed(connection, until)
    return len(rows)


def put_erasure(
    connection: sqlite3.Connection, program: str, customer: Sequence[tuple[int, int]], point: int
) -> int:
    """Keep what is to be erased, and return its number."""
    text = " ".join(f"{key}:{surrogate}" for key, surrogate in customer)
    row = [program, text, point, 0, 0, 0, ""]
    number = connection.execute(
        "INSERT INTO erasure (program, customer, point, rows, batches, files, at, mark)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        row,
    ).lastrowid
    assert number is not None
    connection.execute(
        "UPDATE erasure SET mark = ? WHERE number = ?", (marked([number, *row])[-1], number)
    )
    changed(connection)
    return number


def end_erasure(
    connection: sqlite3.Connection, erasure: Erasure, responses: int, files: int,
    batches: Iterable[tuple[str, int]],
) -> Receipt:  # fmt: skip
    """Keep that it is done, and no more whom it was about."""
    touched = list(batches)
    for other in erasures(connection):
        # Asked for before, and not come to an end: it is done with this one.
        if (
            other.program == erasure.program
            and other.point <= erasure.point
            and set(other.customer) <= set(erasure.customer)
            and other.number != erasure.number
        ):
            connection.execute("DELETE FROM erasure WHERE number = ?", (other.number,))
    connection.executemany(
        # A digest is made of the batch's content: of a batch of one, it would tell whose it was.
        "DELETE FROM recent WHERE program = ? AND producer = ? AND sequence = ?",
        ((erasure.program, producer, sequence) for producer, sequence in touched),
    )
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    row = [erasure.number, erasure.program, "", erasure.point, responses, len(touched), files, at]
    connection.execute(
        "INSERT OR REPLACE INTO erasure VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", marked(row)
    )
    drop_snapshot(connection, erasure.program)
    return Receipt(erasure.number, erasure.program, responses, len(touched), files, at)


def drop_snapshot(connection: sqlite3.Connection, program: str) -> None:
    """Forget the kept sums of a program: they hold what is there no more."""
    connection.execute("DELETE FROM snapshot WHERE program = ?", (program,))
    changed(connection)


def erasures(connection: sqlite3.Connection) -> list[Erasure]:
    """Return the erasures that are not done."""
    out = []
    for number, program, customer, point in connection.execute(
        "SELECT number, program, customer, point FROM erasure WHERE customer <> '' ORDER BY number"
    ):
        names = tuple(
            (int(key), int(surrogate))
            for key, _, surrogate in (one.partition(":") for one in customer.split())
        )
        out.append(Erasure(number, program, names, point))
    return out


def check_keys(connection: sqlite3.Connection, fingerprints: Mapping[int, bytes]) -> list[int]:
    """Keep the fingerprints of new secrets; return the versions of those that are missing or differ."""
    known = dict(connection.execute("SELECT version, fingerprint FROM customer_key"))
    new = {version: made for version, made in fingerprints.items() if version not in known}
    wrong = [version for version, made in known.items() if fingerprints.get(version) != made]
    if new and not wrong:
        for version, made in new.items():
            connection.execute("INSERT INTO customer_key VALUES (?, ?, ?)", marked([version, made]))
        changed(connection)
    return wrong
