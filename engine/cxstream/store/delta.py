"""The Delta log of a folder of Parquet files: a view of them that other programs can read.

What counts is the catalogue's list of files. This module makes the folder's ``_delta_log`` say the
same, so that Spark, DuckDB, Polars and others can read the files as one table; nothing here is ever
read back as truth. So a log that is damaged, or that another writer changed, is not mended but
replaced. The Parquet files are neither read nor touched.

No statistics of columns are written: the least and the greatest value of a column are answers.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from cxstream.store.failpoints import failpoint
from cxstream.store.journal import sync_file, sync_folder

if TYPE_CHECKING:
    import deltalake
    from deltalake.transaction import AddAction, CommitProperties, PostCommitHookProperties

#: The partition column, where there is one.
PARTITION = "_month"
#: A reader that opens the table reads the last checkpoint and at most so many commits.
COMMITS_PER_CHECKPOINT = 50

_LOG = logging.getLogger("cxstream.store")

#: Written into every commit; one without it is another writer's.
_MARK = "cxstream"
_CONFIGURATION = {
    # Commits older than this go when there is a checkpoint after them, names of erased files too.
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
    # For other writers, of which there should be none: no statistics of any column.
    "delta.dataSkippingNumIndexedCols": "0",
}
#: Columns of what deltalake says of a table's files; more of them are statistics.
_MONTH_COLUMN = f"partition.{PARTITION}"
_ACTION_COLUMNS = {"path", "size_bytes", "modification_time", "num_records", _MONTH_COLUMN}
#: Versions and features of the format that deltalake asks for: without and with a time without zone.
_PROTOCOL_PLAIN = (1, 2, None, None)
_PROTOCOL_TIME = (3, 7, ["timestampNtz"], ["timestampNtz"])
_COMMIT = re.compile(r"(\d{20})\.json")
_PATH = re.compile(r"[A-Za-z0-9_=./-]+")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")
_LAST_CHECKPOINT = "_last_checkpoint"
_LOG_FOLDER = "_delta_log"
_DRAFT_FOLDER = "_delta_log.new"
#: In the text of an error of Rust's standard library, plain or as a panic shows it.
_ERRNO = re.compile(r"\(os error (\d+)\)|Os \{ code: (\d+)")
#: Deltalake writes for a terminal.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
#: With these the log is as good as before, and another would have no better luck.
_DISK_REFUSES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file that counts.

    Attributes
    ----------
    path : str
        Relative to the folder, with ``/``: ``_month=2017-05/0000000012.parquet``.
    size : int
        In bytes.
    rows : int
    month : str or None
        Value of the partition column; None for null, and where the table has no partitions.
    """

    path: str
    size: int
    rows: int
    month: str | None


class DeltaFailedError(OSError):
    """Deltalake failed; `errno` is what the system said, where it said anything."""


class _UnusableError(Exception):
    """The log is damaged, or not of our making."""


@dataclass(frozen=True, slots=True)
class _Table:
    """What the table is to be."""

    folder: Path
    schema: deltalake.Schema
    files: dict[str, DataFile]
    partitions: list[str]
    name: str

    @property
    def log(self) -> Path:
        return self.folder / _LOG_FOLDER

    def add(self, file: DataFile, now_ms: int) -> AddAction:
        from deltalake.transaction import AddAction

        values = {PARTITION: file.month} if self.partitions else {}
        stats = json.dumps({"numRecords": file.rows})
        return AddAction(file.path, file.size, values, now_ms, True, stats)


def publish(
    folder: Path, schema: pa.Schema, files: Sequence[DataFile], *, partitioned: bool, name: str
) -> int:
    """Make the Delta table in a folder hold exactly these files.

    Does nothing where it already does. One caller at a time.

    Parameters
    ----------
    folder : Path
        Where the files are; it must exist. Deltalake cannot work where its path has what looks like
        an escape in a URL (``%20``).
    schema : pyarrow.Schema
        Nullable columns, the partition column among them. Columns may be added from one call to the
        next: they are null in the files before. With any other change the log starts anew.
    files : sequence of DataFile
        Their paths need no escaping in a URL.
    partitioned : bool
        By `PARTITION`, the values of which stand in the names of folders, not in the files.
    name : str
        The table's, for readers to see.

    Returns
    -------
    int
        The table's version. It starts at 0 again with a log that starts anew.

    Raises
    ------
    OSError
        The disk is full or fails, or deltalake does. The table is as before, or as it should be, or
        broken; the next call that finds a disk that works makes it what it should be.
    """
    from deltalake import Schema

    failpoint("publish.before")
    folder = folder.resolve(strict=True)
    with _deltalake():
        delta_schema = Schema.from_arrow(_without_metadata(schema))
    table = _Table(
        folder,
        delta_schema,
        {file.path: file if partitioned else replace(file, month=None) for file in files},
        [PARTITION] if partitioned else [],
        name,
    )
    _remove(folder / _DRAFT_FOLDER)
    if not os.path.lexists(table.log):
        return _replace(table)
    try:
        return _update(table)
    except (OSError, _UnusableError) as error:
        if isinstance(error, OSError) and error.errno in _DISK_REFUSES:
            raise
        _LOG.warning("%s starts anew: %s", table.log, error)
        return _replace(table)


def published(folder: Path) -> dict[str, DataFile]:
    """Return the files that the Delta table in a folder has, by path; nothing is changed.

    Raises
    ------
    OSError
        There is no log, it cannot be read, or it is not one that `publish` makes.
    """
    from deltalake import DeltaTable

    try:
        _check_log(folder / _LOG_FOLDER)
        with _deltalake():
            return _files(DeltaTable(folder.resolve(strict=True).as_uri()))
    except _UnusableError as error:
        raise DeltaFailedError(str(error)) from error


# --- an existing log ------------------------------------------------------------------------------


def _update(table: _Table) -> int:
    from deltalake import DeltaTable

    checkpoint, version = _check_log(table.log)
    with _deltalake():
        delta = DeltaTable(table.folder.as_uri())
        if delta.version() != version:
            raise _UnusableError(f"deltalake reads version {delta.version()} of {version}")
        columns = _new_columns(delta, table)
        found = _files(delta)
        start = version
        if columns:
            delta.alter.add_columns(
                columns,
                commit_properties=_commit_properties(),
                post_commithook_properties=_no_hooks(),
            )
            version += 1
            delta = DeltaTable(table.folder.as_uri())
        if found != table.files:
            _commit_files(delta, table, found)
            version += 1
    if version > start:
        failpoint("publish.committed")
        for commit in range(start + 1, version + 1):
            _sync(table.log / f"{commit:020}.json")
        sync_folder(table.log)
        failpoint("publish.synced")
    if version - checkpoint >= COMMITS_PER_CHECKPOINT:
        _checkpoint(table.folder)
    return version


def _check_log(log: Path) -> tuple[int, int]:
    """Return the versions of the last checkpoint and of the table.

    Deltalake takes an empty commit for one that says nothing: it is found here. One that ends early
    between two lines is not; it says less, and the next commit says the rest.

    Raises
    ------
    _UnusableError
        There is anything in the folder but what this module makes of it.
    """
    commits, checkpoints = set(), set()
    for path in log.iterdir():
        if match := _COMMIT.fullmatch(path.name):
            commits.add(int(match[1]))
        elif match := _CHECKPOINT.fullmatch(path.name):
            checkpoints.add(int(match[1]))
        elif path.name != _LAST_CHECKPOINT:
            raise _UnusableError(f"there is {path.name} in it")
    if not checkpoints:
        raise _UnusableError("it has no checkpoint")
    checkpoint = max(checkpoints)
    version = max(commits | checkpoints)
    if not commits.issuperset(range(checkpoint + 1, version + 1)):
        raise _UnusableError("a commit is missing")
    try:
        pointer = json.loads((log / _LAST_CHECKPOINT).read_bytes())
        if pointer["version"] != checkpoint:
            raise _UnusableError("its last checkpoint is another")
        for commit in range(checkpoint + 1, version + 1):
            lines = (log / f"{commit:020}.json").read_bytes().splitlines()
            actions = [json.loads(line) for line in lines]
            infos = [action["commitInfo"] for action in actions if "commitInfo" in action]
            if [info.get("userMetadata") for info in infos] != [_MARK]:
                raise _UnusableError(f"commit {commit} is empty or another writer's")
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise _UnusableError(f"it cannot be read: {error}") from error
    return checkpoint, version


def _new_columns(delta: deltalake.DeltaTable, table: _Table) -> list[deltalake.Field]:
    """Return what the table's schema lacks, having checked all else of the table but its files."""
    metadata, fields = delta.metadata(), delta.schema().fields
    has_time = any("timestamp_ntz" in field.type.to_json() for field in fields)
    if (
        tuple(delta.protocol()) != (_PROTOCOL_TIME if has_time else _PROTOCOL_PLAIN)
        or metadata.configuration != _CONFIGURATION
        or metadata.partition_columns != table.partitions
        or metadata.name != table.name
    ):
        raise _UnusableError("the table has other properties")
    wanted = {field.name: field for field in table.schema.fields}
    for field in fields:
        if wanted.pop(field.name, None) != field:
            raise _UnusableError(f"column {field.name} is gone or changed")
    return list(wanted.values())


def _files(delta: deltalake.DeltaTable) -> dict[str, DataFile]:
    actions = pa.table(delta.get_add_actions(flatten=True))
    names = actions.column_names
    if not _ACTION_COLUMNS.issuperset(names):
        raise _UnusableError("the table has statistics of columns")
    nulls = pa.nulls(actions.num_rows)
    columns = [
        (actions[one] if one in names else nulls).to_pylist()
        for one in ("path", "size_bytes", "num_records", _MONTH_COLUMN)
    ]
    # Ours need no escaping in a URL; of others deltalake could not remove the very path that is there.
    if not all(_PATH.fullmatch(path) for path in columns[0]):
        raise _UnusableError("it names a file that is none of ours")
    return {values[0]: DataFile(*values) for values in zip(*columns, strict=True)}


def _commit_files(delta: deltalake.DeltaTable, table: _Table, found: dict[str, DataFile]) -> None:
    """Commit the difference: a file added again with another size replaces itself."""
    from deltalake.transaction import RemoveAction

    now_ms = time.time_ns() // 1_000_000
    added = [
        table.add(file, now_ms) for path, file in table.files.items() if found.get(path) != file
    ]
    removed = [
        RemoveAction(
            path,
            data_change=True,
            deletion_timestamp=now_ms,
            size=file.size,
            partition_values={PARTITION: file.month} if table.partitions else {},
        )
        for path, file in found.items()
        if path not in table.files
    ]
    delta.create_write_transaction(
        [*added, *removed],
        mode="append",
        schema=delta.schema(),
        partition_by=table.partitions,
        commit_properties=_commit_properties(),
        post_commithook_properties=_no_hooks(),
    )


def _checkpoint(folder: Path) -> None:
    """Write a checkpoint, and remove what is older than the retention and before one."""
    from deltalake import DeltaTable

    log = folder / _LOG_FOLDER
    with _deltalake():
        delta = DeltaTable(folder.as_uri())
        delta.create_checkpoint()
    _sync(log / f"{delta.version():020}.checkpoint.parquet")
    _sync(log / _LAST_CHECKPOINT)
    sync_folder(log)
    with _deltalake():
        delta.cleanup_metadata()


# --- a new log ------------------------------------------------------------------------------------


def _replace(table: _Table) -> int:
    """Make a log from nothing, beside the one there is, which goes once the new one is on disk."""
    from deltalake import DeltaTable
    from deltalake.transaction import create_table_with_add_actions

    draft = table.folder / _DRAFT_FOLDER
    now_ms = time.time_ns() // 1_000_000
    draft.mkdir()
    try:
        with _deltalake():
            create_table_with_add_actions(
                draft.as_uri(),
                table.schema,
                [table.add(file, now_ms) for file in table.files.values()],
                partition_by=table.partitions,
                name=table.name,
                configuration=_CONFIGURATION,
                commit_properties=_commit_properties(),
                post_commithook_properties=_no_hooks(),
            )
            DeltaTable(draft.as_uri()).create_checkpoint()
        failpoint("publish.committed")
        for file in (draft / _LOG_FOLDER).iterdir():
            _sync(file)
        sync_folder(draft / _LOG_FOLDER)
        _remove(table.log)
        (draft / _LOG_FOLDER).rename(table.log)
    finally:
        _remove(draft)
    sync_folder(table.folder)
    failpoint("publish.synced")
    return 0


# --- what both need -------------------------------------------------------------------------------


@contextlib.contextmanager
def _deltalake() -> Iterator[None]:
    """Turn what deltalake raises into an OSError, panics too, which are no Exception."""
    try:
        yield
    except _UnusableError:
        raise
    except Exception as error:
        raise _failure(error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise _failure(error) from error


def _failure(error: BaseException) -> DeltaFailedError:
    text = f"deltalake: {type(error).__name__}: {' '.join(_COLOUR.sub('', str(error)).split())}"
    if isinstance(error, OSError) and error.errno is not None:
        return DeltaFailedError(error.errno, text)
    if match := _ERRNO.search(str(error)):
        return DeltaFailedError(int(match[1] or match[2]), text)
    return DeltaFailedError(text)


def _commit_properties() -> CommitProperties:
    from deltalake.transaction import CommitProperties

    return CommitProperties(max_commit_retries=0, custom_metadata={"userMetadata": _MARK})


def _no_hooks() -> PostCommitHookProperties:
    from deltalake.transaction import PostCommitHookProperties

    return PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


def _without_metadata(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.remove_metadata() for field in schema])


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync_file(file)
    finally:
        os.close(file)


def _remove(path: Path) -> None:
    """Remove a folder and all in it, or a file, or what is not there."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        path.unlink()
