"""The Delta log beside the files: other programs must read from it what the list of files says."""

from __future__ import annotations

import copy
import errno
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake

from cxstream.store import delta, failpoints
from cxstream.store.delta import COMMITS_PER_CHECKPOINT, PARTITION, DataFile, publish

ANSWERS = pa.schema(
    [
        ("id", pa.string()),
        ("time", pa.timestamp("us")),
        ("nps", pa.int8()),
        ("weight", pa.float64()),
        ("reasons", pa.list_(pa.string())),
    ]
)
MONTHS = ["2017-05", "2017-06", None]
#: In every answer; nothing of it may come into the log.
SECRET = "ada@example.org"


class History:
    """A folder of Parquet files, and the list of those that count."""

    def __init__(self, folder: Path, *, partitioned: bool = True) -> None:
        folder.mkdir()
        self.folder = folder
        self.partitioned = partitioned
        self.columns = ANSWERS
        self.files: list[DataFile] = []
        self._number = 0

    @property
    def log(self) -> Path:
        return self.folder / "_delta_log"

    @property
    def schema(self) -> pa.Schema:
        return (
            self.columns.append(pa.field(PARTITION, pa.string()))
            if self.partitioned
            else self.columns
        )

    def add(self, rows: int = 3) -> DataFile:
        month = MONTHS[self._number % len(MONTHS)] if self.partitioned else None
        path = f"{self._number:010}.parquet"
        if self.partitioned:
            path = f"{PARTITION}={month or '__HIVE_DEFAULT_PARTITION__'}/{path}"
        values: dict[str, list[object]] = {
            "id": [f"{SECRET} {self._number} {row}" for row in range(rows)],
            "time": [datetime(2017, 5, 1) + timedelta(seconds=row) for row in range(rows)],
            "nps": [None, *range(1, rows)],
            "weight": [row / 7 for row in range(rows)],
            "reasons": [None, *([SECRET] for _ in range(1, rows))],
        }
        table = pa.table(
            [values.get(one.name, [SECRET] * rows) for one in self.columns], schema=self.columns
        )
        (self.folder / path).parent.mkdir(exist_ok=True)
        pq.write_table(table, self.folder / path, store_schema=False, compression="zstd")
        self._number += 1
        self.files.append(DataFile(path, (self.folder / path).stat().st_size, rows, month))
        return self.files[-1]

    def publish(self) -> int:
        return publish(
            self.folder, self.schema, self.files, partitioned=self.partitioned, name="survey"
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return what the files hold, read one by one without the log."""
        rows = []
        for file in self.files:
            nothing = dict.fromkeys(self.schema.names)
            month = {PARTITION: file.month} if self.partitioned else {}
            read = pq.ParquetFile(self.folder / file.path).read().to_pylist()
            rows += [nothing | row | month for row in read]
        return sorted(rows, key=lambda row: row["id"])

    def check(self) -> None:
        """Read the table as others do, and the log for what it must not say."""
        self.check_readers()
        for path in self.log.iterdir():
            assert SECRET.encode() not in path.read_bytes()
            if path.suffix == ".json":
                for line in path.read_text().splitlines():
                    stats = json.loads(line).get("add", {}).get("stats", "{}")
                    assert json.loads(stats).keys() <= {"numRecords"}
        assert not (self.folder / "_delta_log.new").exists()

    def check_readers(self) -> None:
        table = DeltaTable(self.folder)
        expected = sorted(str(self.folder / file.path) for file in self.files)
        assert sorted(table.file_uris()) == expected
        assert table.protocol().reader_features in (None, ["timestampNtz"])
        for frame in (pl.read_delta(str(self.folder)), pl.scan_delta(str(self.folder)).collect()):
            assert set(frame.columns) == set(self.schema.names)
            assert sorted(frame.to_dicts(), key=lambda row: row["id"]) == self.rows()


@pytest.fixture(params=[True, False], ids=["partitioned", "flat"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> History:
    return History(tmp_path / "survey", partitioned=request.param)


@pytest.fixture(scope="module", params=[True, False], ids=["partitioned", "flat"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> History:
    """A table of three files and as many commits after its checkpoint."""
    folder = tmp_path_factory.mktemp("original") / "survey"
    history = History(folder, partitioned=request.param)
    history.publish()
    for _ in range(3):
        history.add()
        history.publish()
    assert history.publish() == 3
    return history


@pytest.fixture
def published(original: History, tmp_path: Path) -> History:
    """A copy of it."""
    history = copy.deepcopy(original)
    history.folder = Path(shutil.copytree(original.folder, tmp_path / "survey"))
    return history


def commit(history: History, version: int) -> Path:
    return history.log / f"{version:020}.json"


def actions(history: History, version: int) -> list[str]:
    lines = commit(history, version).read_text().splitlines()
    return sorted(key for line in lines for key in json.loads(line) if key != "commitInfo")


def parquet_files(history: History) -> dict[str, tuple[int, bytes]]:
    found = history.folder.rglob("[0-9]*.parquet")
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in found
        if history.log not in path.parents
    }


# --- what the list says ---------------------------------------------------------------------------


def test_the_table_holds_the_files(history: History) -> None:
    for _ in range(4):
        history.add()
    assert history.publish() == 0
    history.check()
    assert DeltaTable(history.folder).metadata().name == "survey"


def test_an_empty_table_can_be_read(history: History) -> None:
    assert history.publish() == 0
    history.check()


def test_nothing_changes_where_nothing_is_new(history: History) -> None:
    history.add()
    history.publish()
    before = {path: path.stat().st_mtime_ns for path in [history.log, *history.log.iterdir()]}
    history.files.reverse()
    assert history.publish() == 0
    assert before == {
        path: path.stat().st_mtime_ns for path in [history.log, *history.log.iterdir()]
    }


def test_a_month_says_nothing_where_there_are_no_partitions(tmp_path: Path) -> None:
    files = [DataFile("1.parquet", 1, 1, "2017-05")]
    for _ in range(2):
        assert publish(tmp_path, ANSWERS, files, partitioned=False, name="x") == 0


def test_files_come_and_go_in_one_commit(history: History) -> None:
    for _ in range(5):
        history.add()
    history.publish()
    del history.files[1:3]
    history.add(rows=7)
    assert history.publish() == 1
    assert actions(history, 1) == ["add", "remove", "remove"]
    history.check()
    history.files.clear()
    assert history.publish() == 2
    history.check()


def test_a_file_that_was_rewritten_replaces_itself(history: History) -> None:
    old = history.add(rows=3)
    history.publish()
    (history.folder / old.path).unlink()
    history.files.clear()
    history._number = 0
    assert history.add(rows=9).path == old.path
    assert history.publish() == 1
    assert actions(history, 1) == ["add"]
    history.check()
    assert DeltaTable(history.folder).count() == 9


@pytest.mark.parametrize("files_too", [True, False])
def test_columns_are_added(published: History, files_too: bool) -> None:
    identity = DeltaTable(published.folder).metadata().id
    published.columns = published.columns.append(pa.field("region", pa.string())).append(
        pa.field("tags", pa.list_(pa.string()))
    )
    if files_too:
        published.add()
    assert published.publish() == (5 if files_too else 4)
    assert published.publish() == (5 if files_too else 4)
    assert DeltaTable(published.folder).metadata().id == identity
    published.check()


def test_a_first_time_without_zone_changes_the_protocol(history: History) -> None:
    history.columns = history.columns.remove(1)
    history.add()
    history.publish()
    assert DeltaTable(history.folder).protocol()[:2] == (1, 2)
    history.columns = ANSWERS
    history.add()
    assert history.publish() == 2
    assert tuple(DeltaTable(history.folder).protocol()) == (
        3,
        7,
        ["timestampNtz"],
        ["timestampNtz"],
    )
    history.check()
    assert history.publish() == 2


def test_another_kind_of_table_starts_anew(published: History) -> None:
    identity = DeltaTable(published.folder).metadata().id
    schema = published.schema.set(2, pa.field("nps", pa.float64()))
    files = published.files
    assert (
        publish(published.folder, schema, files, partitioned=published.partitioned, name="a") == 0
    )
    assert (
        publish(published.folder, schema, files, partitioned=published.partitioned, name="b") == 0
    )
    table = DeltaTable(published.folder)
    assert (table.metadata().name, len(table.file_uris())) == ("b", 3)
    assert table.metadata().id != identity


def test_metadata_of_arrow_stays_out(history: History) -> None:
    history.columns = pa.schema(
        [field.with_metadata({"note": SECRET}) for field in history.columns], {"note": SECRET}
    )
    history.publish()
    history.check()


def test_a_folder_with_an_odd_name(tmp_path: Path) -> None:
    history = History(tmp_path / "a b#c%d?é")
    history.add()
    history.publish()
    history.add()
    assert history.publish() == 1
    assert {path.name for path in tmp_path.iterdir()} == {"a b#c%d?é"}
    assert len(DeltaTable(history.folder.as_uri()).file_uris()) == 2


def test_duckdb_reads_the_files(published: History) -> None:
    """By the log's list of files: DuckDB's own Delta extension comes from the net."""
    uris = DeltaTable(published.folder).file_uris()
    found = duckdb.sql(
        "SELECT count(*), count(nps), sum(weight), max(time) FROM read_parquet($uris)",
        params={"uris": uris},
    ).fetchall()
    rows = published.rows()
    ((count, answered, weight, latest),) = found
    assert (count, latest) == (len(rows), max(row["time"] for row in rows))
    assert answered == sum(row["nps"] is not None for row in rows)
    assert weight == pytest.approx(sum(row["weight"] for row in rows))


def test_duckdb_reads_the_table_through_polars(tmp_path: Path) -> None:
    history = History(tmp_path / "survey")
    for _ in range(3):
        history.add()
    history.publish()
    answers = pl.scan_delta(str(history.folder)).collect().to_arrow()
    with duckdb.connect() as connection:
        connection.register("answers", answers)
        found = connection.sql(
            f"SELECT {PARTITION}, count(*) FROM answers GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert found == [("2017-05", 3), ("2017-06", 3), (None, 3)]


# --- logs that are not what they were -------------------------------------------------------------


def empty(path: Path) -> None:
    path.write_bytes(b"")


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def torn_between_lines(path: Path) -> None:
    path.write_bytes(path.read_bytes().splitlines()[0])


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(2000))


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for place in range(40, len(data), 97):
        data[place] ^= 0x10
    path.write_bytes(data)


def other_json(path: Path) -> None:
    path.write_text('[1, {"version": "none"}]')


@pytest.mark.parametrize(
    "damage", [empty, torn, torn_between_lines, garbage, flipped, other_json, Path.unlink]
)
@pytest.mark.parametrize(
    "name",
    [
        "00000000000000000000.json",
        "00000000000000000002.json",
        "00000000000000000003.json",
        "00000000000000000000.checkpoint.parquet",
        "_last_checkpoint",
    ],
)
def test_a_damaged_log_is_made_good(
    published: History, damage: Callable[[Path], None], name: str
) -> None:
    before = parquet_files(published)
    damage(published.log / name)
    published.publish()
    published.check_readers()
    published.add()
    published.publish()
    published.check_readers()
    if commit(published, 0).name != name:  # It may stay as it is, for the checkpoint says the same.
        published.check()
    assert before.items() <= parquet_files(published).items()


def unlisted(history: History) -> None:
    shutil.rmtree(history.log)


def a_file_in_its_place(history: History) -> None:
    shutil.rmtree(history.log)
    history.log.write_text("here")


def emptied(history: History) -> None:
    for path in history.log.iterdir():
        path.unlink()


def left_behind(history: History) -> None:
    (history.log / f"{4:020}.json#1").write_text('{"commitInfo"')


def unknown_protocol(history: History) -> None:
    protocol = {"minReaderVersion": 9, "minWriterVersion": 9, "readerFeatures": ["x"]}
    lines = ({"commitInfo": {"userMetadata": "cxstream"}}, {"protocol": protocol})
    commit(history, 4).write_text("\n".join(json.dumps(line) for line in lines))


def foreign_add(history: History) -> None:
    table = pq.ParquetFile(history.folder / history.files[0].path).read()
    if history.partitioned:
        table = table.append_column(PARTITION, [["2017-05"] * table.num_rows])
    write_deltalake(history.folder, table, mode="append")


def foreign_remove(history: History) -> None:
    DeltaTable(history.folder).delete()


def foreign_feature(history: History) -> None:
    DeltaTable(history.folder).alter.add_feature(
        TableFeatures.DeletionVectors, allow_protocol_versions_increase=True
    )


def foreign_property(history: History) -> None:
    DeltaTable(history.folder).alter.set_table_properties({"delta.appendOnly": "true"})


def foreign_checkpoint(history: History) -> None:
    foreign_add(history)
    foreign_property(history)
    DeltaTable(history.folder).create_checkpoint()


def foreign_statistics(history: History) -> None:
    """A checkpoint that hides who wrote what, over a file of ours with statistics."""
    DeltaTable(history.folder).alter.set_table_properties(
        {"delta.dataSkippingNumIndexedCols": "32"}
    )
    foreign_add(history)
    DeltaTable(history.folder).alter.set_table_properties({"delta.dataSkippingNumIndexedCols": "0"})
    DeltaTable(history.folder).create_checkpoint()
    for path in history.log.glob("*.json"):
        path.unlink()


@pytest.mark.parametrize(
    "change",
    [
        unlisted,
        a_file_in_its_place,
        emptied,
        left_behind,
        unknown_protocol,
        foreign_add,
        foreign_remove,
        foreign_feature,
        foreign_property,
        foreign_checkpoint,
        foreign_statistics,
    ],
)
def test_a_changed_log_starts_anew(
    published: History,
    change: Callable[[History], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    change(published)
    before = parquet_files(published)
    with caplog.at_level(logging.WARNING, "cxstream.store"):
        assert published.publish() == 0
    assert ("starts anew" in caplog.text) == (change is not unlisted)
    published.check()
    assert parquet_files(published) == before
    published.add()
    assert published.publish() == 1
    published.check()


@pytest.mark.parametrize("new_table", [True, False])
@pytest.mark.parametrize("place", ["publish.before", "publish.committed", "publish.synced"])
def test_a_publish_that_stops_is_made_up_for(
    history: History, place: str, new_table: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    history.add()
    if not new_table:
        history.publish()
        history.add()
    monkeypatch.setattr(failpoints._Armed, "name", place)
    monkeypatch.setattr(failpoints._Armed, "hits", iter([1]))
    monkeypatch.setattr(failpoints._Armed, "at", 1)
    monkeypatch.setattr(failpoints._Armed, "action", staticmethod(stop))
    with pytest.raises(Stopped):
        history.publish()
    monkeypatch.undo()
    assert history.publish() == (0 if new_table else 1)
    history.check()


def test_the_draft_of_a_process_that_was_killed_goes(published: History) -> None:
    draft = published.folder / "_delta_log.new"
    (draft / "_delta_log").mkdir(parents=True)
    (draft / "_delta_log" / "00000000000000000000.json").write_text("{")
    assert published.publish() == 3
    published.check()


# --- many commits ---------------------------------------------------------------------------------


def test_120_publishes(tmp_path: Path) -> None:
    history = History(tmp_path / "survey")
    history.publish()
    for number in range(120):
        history.add()
        if number % 3 == 2:
            history.files.pop(0)
        assert history.publish() == number + 1
    checkpoints = sorted(path.name for path in history.log.glob("*.checkpoint.parquet"))
    assert checkpoints == [f"{version:020}.checkpoint.parquet" for version in (0, 50, 100)]
    assert json.loads((history.log / "_last_checkpoint").read_text())["version"] == 100
    # Of the log are opened the last checkpoint and the commits after it, so the others may go.
    for path in history.log.glob("*.*"):
        if int(path.name[:20]) <= 100 and path.name != checkpoints[-1]:
            path.unlink()
    assert history.publish() == 120
    assert len(list(history.log.iterdir())) == 20 + 2
    history.check()


def test_what_is_older_than_the_retention_goes(tmp_path: Path) -> None:
    history = History(tmp_path / "survey")
    history.add()
    history.publish()
    day_s = 24 * 60 * 60
    counts = []
    for version in range(1, 4 * COMMITS_PER_CHECKPOINT + 1):
        history.files = [history.add()]
        assert history.publish() == version
        old = time.time() - 2 * day_s
        for path in history.log.iterdir():
            os.utime(path, (old, old))
        counts.append(len(list(history.log.iterdir())))
    assert max(counts) <= 2 * COMMITS_PER_CHECKPOINT + 6
    text = b"".join(path.read_bytes() for path in history.log.glob("*.json"))
    assert b"0000000001.parquet" not in text
    history.check()
    # The pages of a Parquet file are compressed: read the last checkpoint's removed files.
    last = pq.read_table(history.log / f"{4 * COMMITS_PER_CHECKPOINT:020}.checkpoint.parquet")
    assert [one["path"] for one in last["add"].to_pylist() if one] == [history.files[0].path]


# --- disks that refuse ----------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    where = tmp_path / "disk"
    where.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(where)],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode != 0:
        pytest.skip(f"no small disk can be mounted: {made.stderr.strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


def fill(disk: Path, left: int = 0) -> Path:
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    os.truncate(path, path.stat().st_size - left)
    return path


@pytest.mark.parametrize("new_table", [True, False])
@pytest.mark.parametrize("pages", [0, 1, 2, 3, 4])
def test_a_full_disk(disk: Path, new_table: bool, pages: int) -> None:
    history = History(disk / "survey")
    if not new_table:
        for _ in range(4):
            history.add()
            history.publish()
    for _ in range(40):
        history.add()
    filler = fill(disk, pages * 4096)
    refusal = None
    try:
        history.publish()
    except OSError as error:
        refusal = error
    assert refusal or pages > 0
    if refusal:
        assert refusal.errno == errno.ENOSPC
        assert "\x1b" not in str(refusal)
        if not new_table:
            assert len(DeltaTable(history.folder).file_uris()) == 4
    filler.unlink()
    history.publish()
    history.check()


def test_a_disk_too_full_for_a_checkpoint(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "COMMITS_PER_CHECKPOINT", 1)
    history = History(disk / "survey")
    file = history.add()
    # Many names and one file: what the log says is not checked against the disk.
    others = [DataFile(f"{number}.parquet", 1, 1, None) for number in range(2000)]
    publish(history.folder, history.schema, others, partitioned=True, name="survey")
    others.append(file)
    filler = fill(disk, 4 * 4096)
    for _ in range(2):
        with pytest.raises(OSError) as caught:
            publish(history.folder, history.schema, others, partitioned=True, name="survey")
        assert caught.value.errno == errno.ENOSPC
        assert DeltaTable(history.folder).version() == 1
    filler.unlink()
    assert publish(history.folder, history.schema, others, partitioned=True, name="survey") == 1
    assert (history.log / f"{1:020}.checkpoint.parquet").exists()


def test_a_disk_that_can_only_be_read(disk: Path) -> None:
    history = History(disk / "survey")
    history.add()
    history.publish()
    removed = history.files.pop()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(OSError) as caught:
        history.publish()
    assert caught.value.errno == errno.EROFS
    history.files.append(removed)
    assert history.publish() == 0
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    history.files.pop()
    assert history.publish() == 1
    history.check()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        publish(tmp_path / "none", ANSWERS, [], partitioned=False, name="x")
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_delta_does_not_know(tmp_path: Path) -> None:
    schema = pa.schema([("x", pa.month_day_nano_interval())])
    with pytest.raises(OSError, match="deltalake"):
        publish(tmp_path, schema, [], partitioned=False, name="x")


def test_a_panic_is_an_oserror(tmp_path: Path) -> None:
    """Deltalake panics in a process that was forked from one that used it."""
    script = """
import os, sys
from pathlib import Path
import pyarrow as pa
from cxstream.store.delta import DataFile, publish

folder, schema = Path(sys.argv[1]), pa.schema([("x", pa.int8())])
publish(folder, schema, [], partitioned=False, name="x")
child = os.fork()
if child == 0:
    try:
        publish(folder, schema, [DataFile("1.parquet", 1, 1, None)], partitioned=False, name="x")
    except OSError as error:
        print(error, flush=True)
        os._exit(7)
    os._exit(8)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert publish(folder, schema, [], partitioned=False, name="x") == 0
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "PanicException" in done.stdout
