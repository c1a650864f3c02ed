"""`cxstream verify`: what it finds, names and leaves as it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import cxstream
import cxstream_client as cx
from cxstream.store.directory import row_mark

Run = Callable[..., Any]

PROGRAM = {
    "name": "p",
    "questions": {"nps": {"kind": "nps"}, "food": {"kind": "rating", "scale": [1, 5]}},
    "dimensions": {"region": {}},
    "models": {"m": {"outcome": "nps", "drivers": ["food"]}},
}
CHECKS = ["format", "catalogue", "sequences", "segments", "snapshots", "batches", "tallies"]


def send(client: cx.Client, producer: str, count: int) -> None:
    with client.append("p", producer=producer) as stream:
        for number in range(count):
            stream.send(
                {"nps": [10, number % 11, None], "food": [1, 5, 3], "region": ["n", "s", None]}
            )


def fill(folder: Path) -> None:
    """Two producers, and a snapshot that does not hold the last batches."""
    with cxstream.Engine.open(folder) as client:
        client.put_program(PROGRAM)
        send(client, "a", 5)
        send(client, "b", 3)
    kept = {path: path.read_bytes() for path in (folder / "snapshots").iterdir()}
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue:
        row = catalogue.execute("SELECT * FROM snapshot").fetchone()
        with cxstream.Engine.open(folder) as client:
            send(client, "c", 2)
        for path in (folder / "snapshots").iterdir():
            path.unlink()
        for path, data in kept.items():
            path.write_bytes(data)
        with catalogue:
            marks = ", ".join("?" * len(row))
            catalogue.execute(f"REPLACE INTO snapshot VALUES ({marks})", row)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "data"
    fill(folder)
    return folder


@pytest.fixture
def data(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "data"))


def content(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue, catalogue:
        assert catalogue.execute(statement).rowcount > 0


def test_an_intact_directory(run: Run, data: Path) -> None:
    before = content(data)
    ran = run("verify", data)
    assert ran.code == 0, ran.out + ran.err
    assert [line.split()[1] for line in ran.out.splitlines()[:-1]] == CHECKS
    assert "programs 1, batches 10, responses 30" in ran.out
    assert "1 of 1 compared bit for bit" in ran.out
    assert ran.out.splitlines()[-1].startswith("all 7 checks passed")
    found = run("verify", data, "--json").json
    assert found["ok"] is True
    assert [one["check"] for one in found["checks"]] == CHECKS
    assert found["checks"][-1]["responses"] == 30
    assert content(data) == before


def test_it_is_empty(run: Run, tmp_path: Path) -> None:
    cxstream.Engine.open(tmp_path / "data").close()
    assert run("verify", tmp_path / "data").code == 0


@pytest.fixture
def crashed(data: Path) -> Path:
    """A directory as a killed process leaves it: an unfinished catalogue, an unfinished batch."""
    code = (
        "import os, signal, sys, cxstream\n"
        "client = cxstream.Engine.open(sys.argv[1])\n"
        "with client.append('p', producer='d') as stream:\n"
        "    stream.send({'nps': [1], 'food': [2], 'region': ['n']})\n"
        "    stream.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(data)], check=False)
    assert ran.returncode == -signal.SIGKILL
    assert (data / "catalogue.sqlite-wal").stat().st_size > 0
    with next((data / "journal").iterdir()).open("ab") as file:
        file.write(b"unfinished")
    return data


def test_after_a_crash(run: Run, crashed: Path) -> None:
    before = content(crashed)
    found = run("verify", crashed, "--json").json
    assert found["ok"] is True
    assert found["checks"][-1]["responses"] == 31
    assert found["checks"][3]["remark"] == "10 bytes of batches that were never acknowledged"
    assert content(crashed) == before


def flip(path: Path, place: int = -1) -> None:
    body = bytearray(path.read_bytes())
    body[place] ^= 0x10
    path.write_bytes(body)


def one(folder: Path) -> Path:
    return next(folder.iterdir())


def snapshot_of_other_sums(folder: Path) -> None:
    """Keep, with a digest that fits, the sums of other batches."""
    with cxstream.Engine.open(folder.parent / "other") as client:
        client.put_program(PROGRAM)
        send(client, "a", 8)
    data = one(folder.parent / "other" / "snapshots").read_bytes()
    one(folder / "snapshots").write_bytes(data)
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue, catalogue:
        *row, _, _ = catalogue.execute("SELECT * FROM snapshot").fetchone()
        row.append(hashlib.blake2b(data, digest_size=16).digest())
        catalogue.execute("UPDATE snapshot SET digest = ?, mark = ?", (row[-1], row_mark(row)))


def cut_segment(folder: Path) -> None:
    path = one(folder / "journal")
    os.truncate(path, path.stat().st_size - 1)


def flip_segment(folder: Path) -> None:
    flip(one(folder / "journal"))


def without_segment(folder: Path) -> None:
    one(folder / "journal").unlink()


def flip_snapshot(folder: Path) -> None:
    flip(one(folder / "snapshots"))


def without_snapshot(folder: Path) -> None:
    one(folder / "snapshots").unlink()


def sql(statement: str) -> Callable[[Path], None]:
    return lambda folder: change(folder, statement)


def lose_commits(folder: Path) -> None:
    (folder / "committed").write_text(f"12 1 {row_mark([12, 1])}\n", encoding="ascii")


def drop_index(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue, catalogue:
        catalogue.execute("DROP INDEX batch_sequence")


def without_catalogue_page(folder: Path) -> None:
    path = folder / "catalogue.sqlite"
    body = bytearray(path.read_bytes())
    body[4096 * 3 : 4096 * 4] = bytes(4096)
    path.write_bytes(body)


DAMAGE: dict[str, tuple[Callable[[Path], None], str, tuple[str, ...]]] = {
    "a bit of a batch": (
        flip_segment, "batches",
        ("program p, producer c, sequence 1: it is not what was stored", "from a backup"),
    ),
    "the end of a segment": (cut_segment, "segments", ("should have at least",)),
    "a segment": (without_segment, "segments", ("00000000.segment is missing",)),
    "a bit of a snapshot": (
        flip_snapshot, "snapshots", ("program p: its snapshot", "remove snapshots/"),
    ),
    "a snapshot": (without_snapshot, "snapshots", ("missing or damaged",)),
    "sums of other batches": (
        snapshot_of_other_sums, "tallies",
        ("program p: its snapshot does not hold", "view region", "remove snapshots/"),
    ),
    "a batch in the middle": (
        sql("DELETE FROM batch WHERE producer = 'a' AND sequence = 3"), "sequences",
        ("program p, producer a, sequence 3: its batches from here on are missing, 1 in all",),
    ),
    "the log's last batches": (
        lose_commits, "sequences", ("lost the last 2 batches", "remove committed"),
    ),
    "a table": (
        drop_index, "catalogue", ("the tables of the catalogue are not those of its format",)
    ),
    "the last batch": (
        sql("DELETE FROM batch WHERE point = 10"), "sequences",
        ("10 batches were stored and the catalogue names 9",),
    ),
    "a program": (sql("DELETE FROM program"), "catalogue", ("it is not declared and has 10",)),
    "a declaration": (
        sql("UPDATE program SET tables = '{'"), "catalogue", ("program 'p' is no JSON",)
    ),
    "a declaration's content": (
        sql("UPDATE program SET tables = replace(tables, 'scale', 'skale')"), "catalogue",
        ("program p: its declaration cannot be read", "program p: its row"),
    ),
    "a number of rows": (
        sql("UPDATE batch SET rows = 4 WHERE point = 2"), "catalogue",
        ("producer a, sequence 1: its row in the catalogue is not what was stored",),
    ),
    "a size": (
        sql("UPDATE batch SET size = 'x' WHERE point = 2"), "catalogue", ("its row in the catalogue",)
    ),
    "a schema": (
        sql("UPDATE schema SET message = x'00'"), "batches", ("it is not what was stored",)
    ),
    "the point of a snapshot": (
        sql("UPDATE snapshot SET point = point + 1"), "snapshots", ("missing or damaged",)
    ),
    "a page of the catalogue": (without_catalogue_page, "catalogue", ()),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named(run: Run, data: Path, case: str) -> None:
    damage, failing, texts = DAMAGE[case]
    damage(data)
    before = content(data)
    ran = run("verify", data)
    assert content(data) == before
    if case == "a page of the catalogue" and ran.err:
        # Whatever was on it: either a check fails, or nothing can be read at all.
        assert (ran.code, "is damaged" in ran.err) == (1, True)
        return
    assert ran.code == 1, ran.out
    assert any(line.split()[:2] == ["FAILED", failing] for line in ran.out.splitlines()), ran.out
    for text in texts:
        assert text in ran.out
    assert "Traceback" not in ran.err
    found = json.loads(run("verify", data, "--json").out)
    assert found["ok"] is False


def test_what_it_says_to_do_helps(run: Run, data: Path) -> None:
    snapshot_of_other_sums(data)
    assert run("verify", data).code == 1
    one(data / "snapshots").unlink()
    cxstream.Engine.open(data).close()
    assert run("verify", data).code == 0


def test_another_format(run: Run, data: Path) -> None:
    change(data, "UPDATE store SET format = 99")
    ran = run("verify", data)
    assert ran.code == 1
    assert "format 99, this version reads 1; use the version of cxstream that wrote it" in ran.err


def test_no_data_directory(run: Run, tmp_path: Path) -> None:
    ran = run("verify", tmp_path)
    assert ran.code == 1
    assert "is no data directory" in ran.err
    assert list(tmp_path.iterdir()) == []
    assert run("verify", tmp_path / "none").code == 2


@pytest.fixture
def served(data: Path) -> Iterator[Path]:
    from cxstream.testing import serve

    with serve(data):
        yield data


def test_a_server_runs_on_it(run: Run, served: Path) -> None:
    ran = run("verify", served)
    assert ran.code == 1
    assert "is in use by process" in ran.err
    assert "cxstream checkpoint" in ran.err
