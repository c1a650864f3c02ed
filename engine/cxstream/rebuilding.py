"""A changed program is counted afresh from what is stored, while the one before goes on to answer."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cxstream.pool import Pool
from cxstream.recount import recount
from cxstream.state import ProgramState, Rebuild
from cxstream.store import Store
from cxstream.tally import Tally

_LOG = logging.getLogger("cxstream.engine")


class _StoppedError(Exception):
    """Another change came, or the engine is closing."""


def rebuild(
    store: Store,
    state: ProgramState,
    mine: Rebuild,
    pool: Pool | None,
    is_closing: Callable[[], bool],
) -> None:
    """Count what is stored for a changed program, add what came meanwhile, and let it answer.

    Where it fails, the program before goes on to answer, and `mine` says why.
    """

    def on_rows(done: int, total: int) -> None:
        if is_closing() or state.rebuild is not mine:
            raise _StoppedError
        mine.rows_done, mine.rows_all = done, total

    try:
        while True:
            tally = Tally(mine.plan, pool)
            recount(store, mine.program, tally, 0, mine.until, on_rows=on_rows)
            tally.check_room()
            with state.changing():
                on_rows(mine.rows_all, mine.rows_all)
                if mine.removals == state.removals:
                    tally.merge(mine.tally)
                    state.answer_by(mine.program, mine.plan, tally, mine.version)
                    state.rebuild = None
                    return
                # Responses were removed, which may be counted above: from the beginning.
                mine.tally = Tally(mine.plan, pool)
                mine.until, mine.removals = state.point, state.removals
    except _StoppedError:
        return
    except Exception as error:  # noqa: BLE001 - it is kept for who asks
        _LOG.exception("program %r cannot be counted afresh", mine.program.name)
        mine.failed = str(error)
