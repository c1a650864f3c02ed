"""From batches that were read to sums: encoded, stored and counted, together where they are small."""

from __future__ import annotations

from functools import partial
from itertools import chain

import pyarrow as pa

from cxstream.columns import Codes, encode, joined, read_together
from cxstream.state import ALONE_ROWS, RUN_ROWS_MAX, Arrived, ProgramState, Run
from cxstream.store import Batch, Store, failpoint


def take(state: ProgramState, store: Store, runs: list[Run]) -> None:
    """Count runs of batches, and say in each how many, and why no more.

    Small runs that come at the same time are encoded, stored and counted as one: what each of these
    steps costs by itself is many times what a response adds to it. The sums are exact, so they are
    those of one batch after the other.

    The caller holds `state.appending`.
    """
    state.gathering.run(runs, partial(_take, state, store))


def _take(state: ProgramState, store: Store, gathered: list[list[Run]]) -> None:
    """Count several producers' runs: what is good of all of them, or nothing."""
    runs = list(chain.from_iterable(gathered))
    try:
        codes = _prepare(state, runs)
        batches = [one.batch for run in runs for one in run.batches]
        if batches:
            point = store.commit(*batches)
            failpoint("count.before")
            _count(state, codes, len(batches), point)
            failpoint("count.after")
    except Exception as error:  # noqa: BLE001 - it is the answer
        _fail(runs, error)
    except BaseException:
        _fail(runs, RuntimeError("the thread that counted it was interrupted"))
        raise
    for run in runs:
        run.counted = len(run.batches)


def _count(state: ProgramState, codes: list[Codes], batches: int, point: int) -> None:
    """Count batches; where each has codes of its own, not too many before others have the lock."""
    if len(codes) < batches:
        with state.lock:
            state.count(codes, batches, point)
        return
    begin = rows = 0
    for end, one in enumerate(codes, 1):
        rows += one.rows
        is_last = end == len(codes)
        if is_last or rows + codes[end].rows > RUN_ROWS_MAX:
            with state.lock:
                # The point is reached by the last of them.
                state.count(codes[begin:end], end - begin, point if is_last else 0)
            begin, rows = end, 0


def _prepare(state: ProgramState, runs: list[Run]) -> list[Codes]:
    """Encode what may be counted; a batch that may not ends its run."""
    try:
        return _encode(state, [one for run in runs for one in run.batches])
    except Exception:  # noqa: BLE001 - found again, with whose it is
        for run in runs:
            _cut(state, run)
    return _encode(state, [one for run in runs for one in run.batches])


def _encode(state: ProgramState, batches: list[Arrived]) -> list[Codes]:
    alike: dict[bytes, list[pa.RecordBatch]] = {}
    unread: dict[bytes, list[Batch]] = {}
    frames = []
    codes = []
    for batch in batches:
        content = batch.content
        if content is None:
            unread.setdefault(batch.schema, []).append(batch.batch)
        elif isinstance(content, Codes):
            codes.append(content)
        elif content.num_rows < ALONE_ROWS:
            alike.setdefault(batch.schema, []).append(content)
        else:
            frames.append(content)  # to copy it takes longer than to count it by itself
    for schema, stored in unread.items():
        bodies, rows = [one.body for one in stored], [one.rows for one in stored]
        alike.setdefault(schema, []).extend(read_together(bodies, schema, rows))
    for some in alike.values():
        frames += joined(some)
    codes += [encode(frame, state.declared) for frame in frames]
    with state.lock:
        for one in codes:
            state.admit(one)
    return codes


def _cut(state: ProgramState, run: Run) -> None:
    """Leave what comes before the run's first batch that may not be counted."""
    for place, one in enumerate(run.batches):
        try:
            _encode(state, [one])
        except Exception as error:  # noqa: BLE001 - it is the answer
            del run.batches[place:]
            run.error = error
            return


def _fail(runs: list[Run], error: Exception) -> None:
    """Say that nothing is counted; a run whose first batch was refused keeps that answer."""
    for run in runs:
        if run.batches:
            run.batches.clear()
            run.error = error
