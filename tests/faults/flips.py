"""One bit of a small store flipped at a time: all that is then read, beside what was read before.

Nothing is copied for a bit. The files' bytes are kept in memory, the bit is flipped where the file
is, and what has changed is put back.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import polars as pl

from cxstream.engine import Engine
from cxstream.errors import CxError
from cxstream.program import Program, compile_plan, program_from_dict
from cxstream.store import CustomerKeys, DirectoryStore, catalogue, journal
from cxstream.store.delta import DataFile, published
from cxstream.store.history import HistoryFolder
from cxstream.upkeep import KeeperSettings
from cxstream.upkeep.keeper import Keeper
from cxstream.upkeep.rows import publish_files, read
from tests.faults import oracle

#: The least that SQLite has: the fewer unused bytes, the fewer bits that say nothing.
PAGE_BYTES = 512

#: What was read, by what it is.
Facts = dict[str, Any]
#: Makes what was read of a folder whose bit is flipped.
Reading = Callable[[], Facts]
#: A file, and the bits of it to flip, one at a time; None stands for all of them at once.
Task = tuple[str, list[int | None]]


def prepare(folder: Path) -> None:
    """Make a folder whose catalogue is going to have small pages."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("VACUUM")


class Pristine:
    """The files of a folder as they were, to be put back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        self.folders = {str(path) for path in folder.rglob("*") if path.is_dir()}

    def restore(self) -> None:
        """Put every file back that is not what it was, and remove what was not there."""
        self._let_go()
        missing = self.files.keys() - self._kept()
        for name in missing:
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.files[name])

    def _let_go(self) -> None:
        """Close what an opening that failed left open: SQLite would go on with what it knows."""
        gc.collect()
        # Of Linux; the one that lists them is gone by then.
        for file in Path("/proc/self/fd").glob("*"):
            with suppress(FileNotFoundError):
                assert not file.readlink().is_relative_to(self.folder)

    def _kept(self) -> set[str]:
        """Return the files that are what they were, after removing all others."""
        kept = set()
        for folder, folders, names in os.walk(self.folder):
            for name in [one for one in folders if f"{folder}/{one}" not in self.folders]:
                shutil.rmtree(f"{folder}/{name}")
                folders.remove(name)
            for name in names:
                path = f"{folder}/{name}"
                if path not in self.files:
                    Path(path).unlink()
                elif _bytes_of(path) == self.files[path]:
                    kept.add(path)
        return kept


def _bytes_of(path: str) -> bytes:
    # Half of the time that pathlib takes; it is done for every file and every bit.
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 1 << 24)
    finally:
        os.close(file)


@contextmanager
def flipped(path: Path, bit: int | None) -> Iterator[None]:
    """Flip a bit of a file where it is, or all of them, and back."""
    start, size = (0, path.stat().st_size) if bit is None else (bit >> 3, 1)
    mask = 0xFF if bit is None else 1 << (bit & 7)
    file = os.open(path, os.O_RDWR)
    try:
        good = os.pread(file, size, start)
        os.pwrite(file, bytes(one ^ mask for one in good), start)
        yield
        os.pwrite(file, good, start)
    finally:
        os.close(file)


class StoppedError(Exception):
    """The process would have ended: the disk failed."""


def _stop(error: Exception) -> NoReturn:
    raise StoppedError(str(error)) from error


def _quicken() -> None:
    """Take away what only costs time here, and the end of the process where a disk fails."""
    journal._stop = _stop
    journal.LINGER_S = 0.0
    catalogue.expected_tables = _TABLES
    Keeper._tend = _tend_held  # type: ignore[method-assign]


#: The keeper does nothing before this is set: what is there until then is looked at first.
_held = threading.Event()
_tend = Keeper._tend


def _tend_held(self: Keeper) -> None:
    _held.wait()
    _tend(self)


_TABLES = cache(catalogue.expected_tables)


def outcomes(folder: Path, tasks: list[Task], how: str, keys: Path) -> list[Counter[str]]:
    """Flip bits, one at a time, and count what came of it.

    Parameters
    ----------
    folder : Path
        A store that nobody has open; it is as it was afterwards.
    tasks : list of (str, list of int)
        Files, and which of their bits; None stands for all of them at once.
    how : str
        What is read then: ``file`` for what reads this very file, ``again`` where it was read
        before, ``store`` for all that the store hands to an engine, ``rows`` for every stored row
        as well, ``engine`` for what an engine makes of it, ``delta`` for what other programs read.
    keys : Path
        The file of customer keys.

    Returns
    -------
    list of Counter of str
        Of each task: `equal` (everything stored is read, and it is the same), refusals by their
        reason, and with the bit what was different, `WRONG`, and what was refused without a name,
        `RAISED`.
    """
    _quicken()
    gc.freeze()
    pristine = Pristine(folder)
    loaded = CustomerKeys.load(keys)
    if how in {"file", "again"}:
        out = []
        for task in tasks:
            with reading_file(folder, task[0], again=how == "again") as reading:
                out += _flip_all(folder, [task], reading, lambda: None)
            pristine.restore()
        return out
    return _flip_all(folder, tasks, lambda: WHOLE[how](folder, loaded), pristine.restore)


def _flip_all(
    folder: Path, tasks: list[Task], reading: Reading, restore: Callable[[], object]
) -> list[Counter[str]]:
    expected = reading()
    restore()
    out = []
    for name, bits in tasks:
        found: Counter[str] = Counter()
        for bit in bits:
            with flipped(folder / name, bit):
                found[_outcome(reading, expected, bit)] += 1
            restore()
        out.append(found)
    assert reading() == expected, "what was flipped is not what it was"
    restore()
    return out


def _outcome(reading: Reading, expected: Facts, bit: int | None) -> str:
    try:
        found = reading()
    except CxError as error:
        return error.reason
    except BaseException as error:  # noqa: BLE001 - refused, but not by name
        return f"RAISED {type(error).__name__} at bit {bit}: {error!r}"
    if wrong := [one for one in expected if found[one] != expected[one] and one != "snapshots"]:
        return f"WRONG {', '.join(wrong)} at bit {bit}"
    pairs = list(zip(found["snapshots"], expected["snapshots"], strict=True))
    if any(one is not None and one != other for one, other in pairs):
        return f"WRONG snapshots at bit {bit}"
    return "equal" if found == expected else "equal, a snapshot is not used"


# --- what is read ---------------------------------------------------------------------------------


@cache
def _program(tables: str) -> tuple[Program, str]:
    program = program_from_dict(json.loads(tables))
    return program, compile_plan(program).digest


def program_of(tables: Any) -> tuple[Program, str]:
    """Return a stored declaration, and the digest of its plan."""
    return _program(json.dumps(tables))


def handed_out(store: DirectoryStore, keys: CustomerKeys) -> Facts:
    """Return all that a store hands out; files of the history by what the catalogue says of them."""
    programs = store.programs()
    out: Facts = {"programs": programs, "sequences": dict(store._sequences)}
    out["digests"] = {
        key: [store.digest(*key, at) for at in range(count + 1)]
        for key, count in store._sequences.items()
    }
    out["erasures"] = store.erasures()
    numbers = [file.number for one in programs for file in store.files(one.name)]
    out["is the next file new"] = store.next_file() > max(numbers, default=0)
    out["counts"] = [
        (store.counts(one.name), store.sealed(one.name), store.unsealed(one.name))
        for one in programs
    ]
    out["contents"] = []
    for one in programs:
        with store.contents(one.name) as contents:
            found = (contents.files, contents.batch_rows, list(contents.batches))
        out["contents"].append(found)
    out["snapshots"] = [store.snapshot(one.name, program_of(one.tables)[1]) for one in programs]
    out["keys"] = _are_refused(store, keys)
    store.check_keys(keys)
    return out


def _are_refused(store: DirectoryStore, keys: CustomerKeys) -> bool:
    """Whether other secrets than those in use are refused."""
    others = {
        version: bytes(one ^ 1 for one in secret) for version, secret in keys._secrets.items()
    }
    try:
        store.check_keys(CustomerKeys(others))
    except CxError as error:
        return error.reason == "CUSTOMER_KEYS"
    return False


def from_store(folder: Path, keys: CustomerKeys) -> Facts:
    """Open a store, and return all that it hands out."""
    with closing(DirectoryStore(folder)) as store:
        return handed_out(store, keys)


def from_rows(folder: Path, keys: CustomerKeys) -> Facts:
    """Open a store, and return all that it hands out, the rows of its files as well."""
    with closing(DirectoryStore(folder)) as store:
        return handed_out(store, keys) | {"rows": _rows(store)}


def _rows(store: DirectoryStore) -> list[oracle.Stored]:
    programs = [program_of(one.tables)[0] for one in store.programs()]
    return [oracle.stored_rows(store, one) for one in programs]


def from_engine(folder: Path, keys: CustomerKeys) -> Facts:
    """Open an engine, let it do what was left to be done, and return all that answers depend on."""
    with closing(DirectoryStore(folder)) as store:
        settings = KeeperSettings(seal_age_s=oracle.NEVER_S)
        _held.clear()
        engine = Engine(threads=1, store=store, customer_keys=keys, keeper=settings)
        assert engine._keeper is not None
        try:
            names = [info.name for info in engine.programs()]
            before = [engine.snapshot(name) for name in names]
            _held.set()
            engine._keeper.run(lambda: None)
            return {
                "before": before,
                "programs": [engine.program_tables(name) for name in names],
                "sums": [engine.snapshot(name) for name in names],
                "rows": _rows(store),
                "sequences": dict(store._sequences),
                "erasures": store.erasures(),
                "snapshots": [],
            }
        finally:
            _held.set()
            # Nothing is kept at the end: it costs time, and nothing here reads it.
            engine._keeper._states = list
            engine._keeper.close()


def from_delta(folder: Path, keys: CustomerKeys) -> Facts:
    """Open a store, publish its files, and return what other programs read of them as well."""
    with closing(DirectoryStore(folder)) as store:
        out = handed_out(store, keys) | {"rows": _rows(store), "published": [], "others": []}
        for one in store.programs():
            publish_files(store, program_of(one.tables)[0])
            there = store.history(one.name).folder
            if not there.exists():
                continue
            files = {
                file.path: DataFile(file.path, file.size, file.rows, file.month)
                for file in store.files(one.name)
            }
            out["published"].append(published(there) == files)
            if out["published"][-1]:
                table = pl.read_delta(str(there)).sort("_producer", "_sequence", "_row")
                out["others"].append(table.select(sorted(table.columns)).rows())
        return out


@contextmanager
def reading_file(folder: Path, name: str, *, again: bool) -> Iterator[Reading]:
    """Yield what reads one file, as the store does, of a store that is open."""
    kind, *rest = Path(name).parts
    with closing(DirectoryStore(folder)) as store:
        programs = store.programs()
        if kind == "snapshots":
            plans = [(one.name, program_of(one.tables)[1]) for one in programs]
            yield lambda: {"snapshots": [store.snapshot(*one) for one in plans]}
        elif kind == "journal":
            names = [one.name for one in programs]
            yield lambda: {"batches": [_batches(store, one) for one in names], "snapshots": []}
        else:
            assert kind == "history", name
            path = "/".join(rest[1:])
            (program,) = [program_of(one.tables)[0] for one in programs if one.name == rest[0]]
            (file,) = [one for one in store.files(program.name) if one.path == path]
            there = HistoryFolder(folder / "history" / program.name)
            # A folder checks what it has not read yet in another way.
            source = SimpleNamespace(
                history=lambda _: there if again else HistoryFolder(there.folder)
            )
            yield lambda: {"rows": read(source, program, file), "snapshots": []}


def _batches(store: DirectoryStore, program: str) -> Any:
    with store.contents(program) as contents:
        return list(contents.batches)


#: What reads all that there is.
WHOLE = {"store": from_store, "rows": from_rows, "engine": from_engine, "delta": from_delta}
