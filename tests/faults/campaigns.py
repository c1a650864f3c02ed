"""Many faults, one after the other and in parallel, each followed by the oracle.

A directory lives through several faults; then recovery itself is killed everywhere, and it is left.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cxstream.store.failpoints import FAILPOINTS
from tests.faults import power
from tests.faults.oracle import NEVER_S, Verdict
from tests.faults.worker import Outcome, Worker

LIVES = 10  # faults a directory lives through
#: In so many of the lives large batches are sent, too, so many of them.
BULK_SHARE = 1 / 3
BULK_BATCHES = 5
#: At most two of them wait together, so so many groups of them are committed at the least,
BULK_GROUPS = 3
#: in the journal after two programs.
_BULK_JOURNAL = (4, 5)
RECOVERY = tuple(name for name in FAILPOINTS if name.startswith("recovery."))
#: How often a life comes by a failpoint at the least; where more, any of the first so many is hit.
_REACHED = {
    "program": 1,
    "journal": 5,
    "count": 12,
    "ack": 12,
    "snapshot": 2,
    "recovery": 1,
    "seal": 1,
    "publish": 1,
    "trim": 1,
    "compact": 1,
    "erase": 1,
    "retain": 1,
}
#: Where the keeper's failpoints are: whoever kills there has something removed.
_UPKEEP = ("seal", "publish", "trim", "compact", "erase", "retain")


@dataclass
class Summary:
    """What a campaign did; a fault that loses or doubles anything raises instead."""

    faults: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    stored: int = 0
    acked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, faults: Counter[str], verdict: Verdict) -> None:
        with self.lock:
            self.faults += faults
            self.sent += verdict.sent
            self.stored += verdict.stored
            self.acked += verdict.acked

    def __str__(self) -> str:
        return (
            f"{self.faults.total()} faults: {self.sent} batches sent, {self.stored} stored, "
            f"{self.acked} acknowledged; 0 lost, 0 doubled"
        )


class Place:
    """One data directory with its logs, on a disk whose power can be cut or on any."""

    def __init__(self, worker: Worker, folder: Path, seed: int, disk: power.Disk | None) -> None:
        self.worker = worker
        self.disk = disk
        self.seed = seed
        self.path = str((disk.mount if disk else folder) / "data")
        self.logs = str(folder)
        self.cut = str(disk.mount) if disk else None

    def ingest(
        self, version: int, failpoint: tuple[str, int] | None = None, after_s: float | None = None,
        producers: int = 2,
        count: int = 8,
        remove: str = "",
        bulk_count: int = 0,
        seal_age_s: float = NEVER_S,
    ) -> Outcome:  # fmt: skip
        outcome = self.worker.run(
            "ingest", failpoint=failpoint, kill_after_s=after_s, cut=self.cut,
            path=self.path, logs=self.logs, seed=self.seed, producers=producers,
            count=count,
            version=version, snapshot_every=3, remove=remove, bulk_count=bulk_count,
            seal_age_s=seal_age_s,
        )  # fmt: skip
        self._restore()
        return outcome

    def recover(self, failpoint: tuple[str, int]) -> Outcome:
        outcome = self.worker.run(
            "open_only", failpoint=failpoint, cut=self.cut, path=self.path, logs=self.logs
        )
        self._restore()
        return outcome

    def check(self, *, thorough: bool = False) -> Verdict:
        verdict = self.worker.run(
            "check", path=self.path, logs=self.logs, thorough=thorough
        ).result()
        assert isinstance(verdict, Verdict)
        return verdict

    def _restore(self) -> None:
        if self.disk is not None:
            self.disk.down()
            self.disk.up()

    def kill_recovery_everywhere(self, faults: Counter[str]) -> Verdict:
        """Kill recovery at each of its failpoints: nothing may change."""
        self.ingest(0, count=2)  # an orderly end, which writes a snapshot
        self.ingest(0, ("count.before", 2))  # and batches after it
        verdict = self.check(thorough=True)
        for name in RECOVERY:
            outcome = self.recover((name, 1))
            assert outcome.killed, f"{name} was not hit: {outcome}"
            faults[name] += 1
            assert self.check() == verdict, f"killing recovery at {name} changed something"
        return verdict


def at_failpoint(place: Place, name: str, faults: Counter[str], lives: int) -> Verdict:
    """Kill at one failpoint, again and again."""
    draw = random.Random(f"{place.seed}/{name}")
    removes = "after" if name.startswith(_UPKEEP) else ""
    # Whoever compacts needs files of an earlier life.
    place.ingest(0, None if removes else ("count.before", 8), remove=removes)
    place.check()
    for life in range(1, lives + 1):
        at = draw.randint(1, _REACHED[name.partition(".")[0]])
        if name in RECOVERY:
            place.ingest(life, ("count.before", draw.randint(5, 8)))
            outcome = place.recover((name, at))
        else:
            is_large = draw.random() < BULK_SHARE
            large = BULK_BATCHES if is_large else 0
            if is_large and not removes:
                # Nothing else is sent, so that it is large batches that are hit.
                at = draw.randint(*_BULK_JOURNAL) if "journal" in name else min(at, BULK_GROUPS)
                outcome = place.ingest(life, (name, at), producers=0, bulk_count=large)
            else:
                outcome = place.ingest(life, (name, at), remove=removes, bulk_count=large)
        assert outcome.killed, f"{name}:{at} was not hit: {outcome}"
        faults[name] += 1
        place.check()
    return place.kill_recovery_everywhere(faults)


def at_random(place: Place, faults: Counter[str], lives: int) -> Verdict:
    """Kill at random times under load, now and then in recovery."""
    draw = random.Random(f"{place.seed}/random")
    for life in range(lives):
        outcome = place.ingest(
            life, after_s=draw.uniform(0.0, 0.4), producers=draw.randint(2, 4), count=40,
            remove=draw.choice(("after", "meanwhile")), seal_age_s=draw.choice((0.0, 0.03)),
            bulk_count=BULK_BATCHES if draw.random() < BULK_SHARE else 0,
        )  # fmt: skip
        assert outcome.killed or outcome.status == 0 or place.cut, outcome.error
        faults["in time" if outcome.killed else "too late"] += 1
        if place.check(thorough=life == lives - 1).acked and draw.random() < 0.1:
            name = draw.choice(RECOVERY)
            faults[name] += place.recover((name, 1)).killed
    return place.kill_recovery_everywhere(faults)


Task = Callable[[Place, Counter[str]], Verdict]


def _lives(faults: int) -> list[int]:
    """Return how many faults each directory lives through."""
    return [min(LIVES, faults - start) for start in range(0, faults, LIVES)]


def _random(lives: int) -> Task:
    return lambda place, done: at_random(place, done, lives)


def _failpoint(name: str, lives: int) -> Task:
    return lambda place, done: at_failpoint(place, name, done, lives)


def run(
    campaign: str, seed: int, faults: int, *, cuts: bool = False, processes: int = 2
) -> Summary:
    """Run a campaign: `random` with so many faults, or `failpoints` with so many at each."""
    if campaign == "random":
        tasks = [_random(lives) for lives in _lives(faults)]
    else:
        tasks = [_failpoint(name, lives) for name in FAILPOINTS for lives in _lives(faults)]
    summary = Summary()
    local = threading.local()
    workers: list[Worker] = []

    def one(number: int) -> None:
        if not hasattr(local, "worker"):
            local.worker = Worker()
            workers.append(local.worker)
        folder = Path(tempfile.mkdtemp(prefix="cxstream-fault-"))
        place_seed = seed * 1_000_003 + number
        try:
            with power.disk(folder) if cuts else contextlib.nullcontext() as disk:
                place = Place(local.worker, folder, place_seed, disk)
                done: Counter[str] = Counter()
                try:
                    verdict = tasks[number](place, done)
                except BaseException as error:
                    kept = Path(tempfile.mkdtemp(prefix="cxstream-failed-"))
                    shutil.copytree(folder, kept, dirs_exist_ok=True)
                    error.add_note(f"seed {seed}, directory {number}, after {done}; kept in {kept}")
                    raise
                summary.add(done, verdict)
        finally:
            shutil.rmtree(folder)

    try:
        with ThreadPoolExecutor(processes) as pool:
            for task in [pool.submit(one, number) for number in range(len(tasks))]:
                task.result()
    finally:
        for worker in workers:
            worker.close()
    return summary
