"""Whether a data directory holds what was acknowledged, and whether its sums are those of its rows."""

from __future__ import annotations

from collections.abc import Iterator

from cxstream.pool import Pool
from cxstream.store.reader import StoreReader
from cxstream.threads import processors
from cxstream.verification.catalogue import check_catalogue, check_sequences
from cxstream.verification.check import Check
from cxstream.verification.counting import Counting, OnRows, check_batches
from cxstream.verification.files import (
    check_delta,
    check_erasures,
    check_history,
    check_segments,
    check_snapshots,
)


def verify(
    reader: StoreReader, *, threads: int = 0, on_rows: OnRows = lambda *_: None
) -> Iterator[Check]:
    """Check a data directory and change nothing in it.

    Parameters
    ----------
    reader : StoreReader
        The directory.
    threads : int
        That read and count; 0 for the processors there are.
    on_rows : function of (done, all)
        Called as responses are counted.

    Yields
    ------
    Check
        Each as it is done. Where the catalogue cannot be relied on, it is the last one.
    """
    yield Check("format", {"version": reader.format})
    catalogue, programs = check_catalogue(reader)
    yield catalogue
    if not catalogue.ok:
        return
    count = threads or processors()
    kept = reader.snapshots()
    sequences = check_sequences(reader)
    yield sequences
    segments = check_segments(reader)
    yield segments
    history = check_history(reader, programs, count)
    yield history
    yield check_delta(reader, programs)
    yield check_snapshots(reader, kept)
    yield check_erasures(reader)
    batches = check_batches(reader, programs, count)
    yield batches
    is_complete = all(one.ok for one in (sequences, segments, history, batches))
    rows = catalogue.figures["responses"]
    with Pool(count, "cxstream-tally") as pool:
        yield Counting(reader, kept, count, pool, on_rows, rows, is_complete).check(programs)
