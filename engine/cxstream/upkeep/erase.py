"""One customer's responses go: from the sums, the files, and every trace of whose they were."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pyarrow.compute as pc

from cxstream.state import ProgramState
from cxstream.store import DirectoryStore, Erasure, HistoryFile, Receipt, failpoint
from cxstream.upkeep.rows import has_customer, read
from cxstream.upkeep.take_out import take_out


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
        program = state.declared
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
    receipt = take_out(
        state,
        lambda: gone,
        lambda: store.end_erasure(erasure, removed, added, responses, sorted(batches)),
    )
    failpoint("erase.replaced")
    store.remove_files(program.name, removed)
    return receipt
