"""Every bit of a small store flipped, one at a time: never a wrong answer without a word.

Of two stores: one that was closed in order, and one that was killed with its last commits in
SQLite's log. Each has everything in it that there can be (see `jobs.make_store`).
"""

from __future__ import annotations

import os
import queue
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pytest

from cxstream.threads import processors
from tests.faults.flips import Task
from tests.faults.report import say
from tests.faults.worker import Worker

#: Bits of one job, so that none takes long.
BITS_PER_JOB = {
    "file": 50_000,
    "again": 10_000,
    "store": 2000,
    "rows": 1000,
    "engine": 200,
    "delta": 200,
}


@dataclass(frozen=True)
class Sample:
    """So many bits of each file; None for every one of them.

    `bits` are those of the catalogue, its log and the note of its commits, with all that the store
    then hands out; of other files, with what reads this file, for the first time and again. `shm`
    are those of what SQLite makes anew at every start. Beside them: with every row, with an
    engine's sums, and of the Delta logs with what other programs read.
    """

    bits: int | None
    shm: int
    rows: int
    engine: int
    delta: int


@dataclass(frozen=True)
class Stores:
    """The folders of both, the file of customer keys, and the process they were made in."""

    closed: Path
    killed: Path
    keys: Path
    worker: Worker


@pytest.fixture(scope="module")
def stores(worker: Worker) -> Iterator[Stores]:
    """Both, in memory where there is a folder for it: nothing here is about the disk."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cxstream-flips-", dir=where) as folder:
        path = Path(folder)
        closed, killed, logs = path / "closed", path / "killed", path / "logs"
        logs.mkdir()
        worker.run("make_store", path=str(closed), logs=str(logs)).result()
        shutil.copytree(closed, killed)
        ended = worker.run(
            "go_on", path=str(killed), logs=str(logs), failpoint=("erase.recorded", 1)
        )
        assert ended.killed, ended
        assert (killed / "catalogue.sqlite-wal").stat().st_size
        assert not (closed / "catalogue.sqlite-wal").exists()
        assert (closed / "catalogue.sqlite").stat().st_size < 32 * 1024, "its pages are large"
        yield Stores(closed, killed, logs / "customers.toml", worker)


#: How it is read, and files with the bits to flip.
Job = tuple[str, list[Task]]


def tasks_of(folder: Path, sample: Sample, seed: int) -> Iterator[tuple[str, Task]]:
    """Yield what is to be flipped in a store, and how it is read."""
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        name = str(path.relative_to(folder))
        size = 8 * path.stat().st_size
        amounts: dict[str, int | None] = {"rows": sample.rows, "engine": sample.engine}
        if "_delta_log" in path.parts:
            amounts["delta"] = sample.delta
            # What an engine answers depends on no bit of it.
            yield "engine", (name, [None])
        elif name.endswith("-shm"):
            amounts = {"store": sample.shm}
        else:
            amounts["file" if "/" in name else "store"] = sample.bits
            if name.endswith(".parquet"):
                amounts["again"] = sample.bits
        for how, amount in amounts.items():
            draw = random.Random(f"{seed}/{name}/{how}")
            some = range(size) if amount is None else draw.sample(range(size), min(amount, size))
            for start in range(0, len(some), BITS_PER_JOB[how]):
                yield how, (name, list(some[start : start + BITS_PER_JOB[how]]))


def jobs_of(tasks: Iterable[tuple[str, Task]]) -> list[Job]:
    """Return tasks that are read alike as jobs, none of which takes long."""
    out: list[Job] = []
    for how, some in groupby(sorted(tasks, key=itemgetter(0)), itemgetter(0)):
        bits = 0
        for _, task in some:
            bits += len(task[1])
            if not out or out[-1][0] != how or bits > BITS_PER_JOB[how]:
                out.append((how, []))
                bits = len(task[1])
            out[-1][1].append(task)
    return out


def flip(
    stores: Stores, kind: str, sample: Sample, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Flip bits of every file, and say what came of it."""
    say(f"seed {seed}, {kind} store:", capsys)
    folder: Path = getattr(stores, kind)
    started_s = time.monotonic()
    idle: queue.SimpleQueue[tuple[Worker, Path]] = queue.SimpleQueue()

    def run(job: Job) -> Counter[tuple[str, str, str]]:
        how, tasks = job
        worker, work = idle.get()
        outcome = worker.run(
            "flip_bits",
            original=str(folder), tasks=tasks, how=how, keys=str(stores.keys), work=str(work),
        )  # fmt: skip
        idle.put((worker, work))
        where = ", ".join(f"{name}: {bits[0]} to {bits[-1]}" for name, bits in tasks if bits)
        is_done = outcome.status == 0 and not outcome.error
        assert is_done, f"{how}, {where}: status {outcome.status}: {outcome.error}"
        out: Counter[tuple[str, str, str]] = Counter()
        for (name, _), found in zip(tasks, outcome.result(), strict=True):
            out.update({(how, name, word): count for word, count in found.items()})
        return out

    total: Counter[tuple[str, str, str]] = Counter()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(processors()))
        for number in range(processors()):
            worker = stack.enter_context(Worker()) if number else stores.worker
            idle.put((worker, folder.with_name(f"{folder.name}-{number}")))
        for found in pool.map(run, jobs_of(tasks_of(folder, sample, seed))):
            total += found
    for place, some in groupby(sorted(total), itemgetter(0, 1)):
        words: Counter[str] = Counter()
        for *_, word in some:
            words[word.partition(" at bit ")[0]] += total[*place, word]
        listed = "; ".join(f"{word} {count}" for word, count in sorted(words.items()))
        say(f"  {', '.join(place)}: {listed}", capsys)
    say(f"{total.total()} flips in {time.monotonic() - started_s:.0f} s", capsys)
    assert not [one for one in sorted(total) if one[2].startswith(("WRONG", "RAISED"))]


@pytest.mark.parametrize("kind", ["closed", "killed"])
def test_a_sample_of_bits(
    stores: Stores, kind: str, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(stores, kind, Sample(100, 4, 1, 1, 1), seed, capsys)


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["closed", "killed"])
def test_a_larger_sample_of_bits(
    stores: Stores, kind: str, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(stores, kind, Sample(1500, 100, 20, 5, 10), seed, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["closed", "killed"])
def test_every_bit(
    stores: Stores, kind: str, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(stores, kind, Sample(None, 2000, 200, 50, 200), seed, capsys)
