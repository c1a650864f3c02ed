"""One customer's responses go: from the sums, the files, and every trace of whose they were."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from cxstream.program import Plan, Program
from cxstream.recount import encode_rows
from cxstream.state import ProgramState
from cxstream.store import DirectoryStore, Erasure, HistoryFile, Receipt, failpoint
from cxstream.tally import Tally
from cxstream.upkeep.rows import has_customer, read


def erase(store: DirectoryStore, state: ProgramState, erasure: Erasure) -> Receipt:
    """Do what is to be done of an erasure; all batches up to its point are in the history.

    The tombstone is durable. Files without the customer are written beside those with; one
    transaction puts them in their place, forgets the customer's name and the kept sums. Then the
    sums in memory are brought down by what is gone, exactly. What is left in files that count no
    more is for the keeper to clean, and for the next start.

    Raises
    ------
    StoreDamagedError
        ``STORE_DAMAGED``: a file is not what was written.
    OSError, ResourceExhaustedError
        The disk is full; it is done at the next start, or when it is asked for again.
    """
    with state.lock:
        state.check()
        plan, program = state.plan, state.declared
    folder = store.history(program.name)
    removed: list[HistoryFile] = []
    added: list[tuple[int, HistoryFile]] = []
    gone: list[pa.Table] = []
    number = store.next_file()
    for file in store.files(program.name):
        if file.first > erasure.point:
            continue
        keys = read(store, program, file, ["_customer", "_customer_key", "_point"])
        if "_customer" not in keys.schema.names:
            continue
        theirs = pc.and_(
            has_customer(keys, erasure.customer), pc.less_equal(keys["_point"], erasure.point)
        )
        if not pc.any(theirs).as_py():
            continue
        rows = read(store, program, file)
        gone.append(rows.filter(theirs))
        kept = rows.filter(pc.invert(theirs))
        if len(kept):
            one = folder.write(kept, number, file.month, by_month=program.time is not None)
            # It stands for what it replaces, though its first or last batch may be gone.
            added.append((number, dataclasses.replace(one, first=file.first, last=file.last)))
            number += 1
        removed.append(file)
    failpoint("erase.written")
    responses = sum(len(one) for one in gone)
    batches = {
        (row["_producer"], row["_sequence"])
        for one in gone
        for row in one.select(["_producer", "_sequence"]).to_pylist()
    }
    less = sums_of(gone, plan, program)
    with state.changing():
        if state.plan is not plan:
            less = sums_of(gone, state.plan, state.declared)
        receipt = store.end_erasure(erasure, removed, added, responses, sorted(batches))
        state.lessen(less)
    failpoint("erase.replaced")
    store.remove_files(program.name, removed)
    return receipt


def sums_of(tables: Iterable[pa.Table], plan: Plan, program: Program) -> Tally:
    """Return the sums of rows of the history."""
    tally = Tally(plan)
    for rows in tables:
        for codes in encode_rows(rows, program):
            # The newest declaration may ask for more than is counted.
            known = codes.only(plan.question, plan.dimensions)
            tally.admit(known)
            tally.update(known)
    return tally
