"""Every bit of a small store flipped, one at a time: never a wrong answer without a word."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.report import say
from tests.faults.worker import Worker


@pytest.fixture
def fast() -> Iterator[Path]:
    """A folder in memory, where there is one: nothing here is about the disk."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="cxstream-flips-", dir=where))
    yield path
    shutil.rmtree(path)


def flip(fast: Path, *, closed: bool, sample: int | None, seed: int) -> Counter[str]:
    """Flip bits of every file, a sample of each or all, and count what came of it."""
    path = fast / "data"
    logs = fast / "logs"
    logs.mkdir()
    with Worker() as one, Worker() as two, ThreadPoolExecutor(2) as pool:
        made = one.run("make_store", path=str(path), logs=str(logs), closed=closed)
        assert made.status == 0, made.error
        tasks = []
        for file in sorted(path.rglob("*")):
            # The lock holds a number for people; the -shm file is made anew at every start.
            if file.is_dir() or file.name == "lock" or file.name.endswith("-shm"):
                continue
            bits = list(range(8 * file.stat().st_size))
            if sample is not None:
                bits = random.Random(seed).sample(bits, min(sample, len(bits)))
            name = str(file.relative_to(path))
            half = len(bits) // 2
            tasks.append((name, bits[:half], bits[half:]))
        total: Counter[str] = Counter()
        for name, *halves in tasks:
            for outcome in pool.map(
                lambda pair, name=name: pair[0].run(  # type: ignore[misc]
                    "flip_bits",
                    original=str(path),
                    name=name,
                    bits=pair[1],
                    work=str(pair[2]),
                    counted=sample is not None,
                ),
                zip((one, two), halves, (fast / "one", fast / "two"), strict=True),
            ):
                for word, count in outcome.result().items():
                    total[f"{name}: {word}"] += count
    return total


def judge(total: Counter[str], capsys: pytest.CaptureFixture[str]) -> None:
    say(f"{total.total()} bits flipped:", capsys)
    for word, count in sorted(total.items()):
        say(f"  {word}: {count}", capsys)
    assert not [word for word in total if "WRONG" in word or "RAISED" in word]


@pytest.mark.parametrize("closed", [True, False])
def test_a_sample_of_bits(
    fast: Path, closed: bool, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(flip(fast, closed=closed, sample=30, seed=seed), capsys)


@pytest.mark.faults
@pytest.mark.parametrize("closed", [True, False])
def test_a_larger_sample_of_bits(
    fast: Path, closed: bool, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(flip(fast, closed=closed, sample=200, seed=seed), capsys)


@pytest.mark.slow
@pytest.mark.parametrize("closed", [True, False])
def test_every_bit(fast: Path, closed: bool, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    judge(flip(fast, closed=closed, sample=None, seed=seed), capsys)
