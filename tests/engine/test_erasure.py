"""What an erasure leaves where something went wrong before it, or in the midst of it: nothing."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import cxstream_client as cx
from cxstream.errors import ResourceExhaustedError
from cxstream.store import DirectoryStore, HistoryFolder
from tests.contract.test_bad_input import Raw, ipc, request
from tests.contract.test_erasure import (
    PROGRAM,
    WHO,
    Place,
    found,
    frame,
    names_of,
    never_had,
    responses,
    send,
    stored_sums,
    theirs,
    without,
)
from tests.faults.worker import Worker

MAY, DECEMBER = 1_495_000_000_000, 1_480_000_000_000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, "in_process")


def test_a_full_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again, it is done, and the first tombstone goes too."""

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with place.client() as client:
        client.put_program(PROGRAM)
        send(client, [responses(0)])
        client.checkpoint()
        with monkeypatch.context() as patched:
            patched.setattr(HistoryFolder, "write", full)
            with pytest.raises(cx.Overloaded) as refused:
                client.erase("p", WHO)
            assert refused.value.reason == "DISK_FULL"
        assert client.erase("p", WHO).responses == theirs()[0]
        assert not found(place.data, names_of(place.keys, WHO))
    assert stored_sums(place.data, place.keys) == never_had([without(responses(0))])


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        (errno.ENOSPC, cx.Overloaded, "DISK_FULL"),
        (errno.EDQUOT, cx.Overloaded, "DISK_FULL"),
        (errno.EACCES, cx.Unavailable, "STORE_UNAVAILABLE"),
    ],
)
def test_what_the_disk_says(
    place: Place, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception], reason: str
) -> None:
    """Checkpoint, erasure and dropping months say the same of the same disk."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(code, "no")

    with place.client() as client:
        client.put_program(PROGRAM)
        send(client, [[row | {"at": MAY} for row in responses(0)]])
        asked: list[Callable[[], object]] = [
            client.checkpoint,
            lambda: client.erase("p", WHO),
            lambda: client.drop_before("p", "2999-01"),
        ]
        with monkeypatch.context() as patched:
            patched.setattr(HistoryFolder, "write", refuse)
            for ask in asked:
                with pytest.raises(error, match="files cannot be written") as refused:
                    ask()
                assert getattr(refused.value, "reason", "") == reason
        # The keeper goes on with what was cut short, and may be done before it is asked again.
        assert client.erase("p", WHO).responses in (0, theirs()[0])
        assert client.drop_before("p", "2999-01") == len(responses(0)) - theirs()[0]


def test_files_that_were_never_recorded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise ResourceExhaustedError("DISK_FULL", "the disk is full")

    with place.client() as client:
        client.put_program(PROGRAM)
        send(client, [[row | {"at": MAY} for row in responses(0)]])
        with monkeypatch.context() as patched:
            patched.setattr(DirectoryStore, "put_sealed", full)
            with pytest.raises(cx.Overloaded):
                client.checkpoint()
        # The same numbers are given again, to files of other months.
        send(client, [[row | {"at": DECEMBER} for row in responses(0)]])
        assert client.erase("p", WHO).responses == 2 * theirs()[0]
        assert not found(place.data, names_of(place.keys, WHO))


@pytest.mark.parametrize(
    "where", ["erase.recorded", "erase.before", "erase.written", "erase.replaced", "erase.removed"]
)
def test_killed(place: Place, worker: Worker, where: str) -> None:
    """After the next start, while it serves, nothing is left."""
    ended = worker.run(
        "append", failpoint=(where, 1), path=str(place.data), keys=str(place.keys), program="p",
        tables=PROGRAM, rows=frame(responses(0)), erase=WHO,
    )  # fmt: skip
    assert ended.killed
    with place.client() as client:
        # Behind what is left of the erasure, in the same queue.
        client._transport.engine._keeper.run(lambda: None)
        assert client.program_info("p").responses == len(without(responses(0)))
        assert not found(place.data, names_of(place.keys, WHO))
    assert stored_sums(place.data, place.keys) == never_had([without(responses(0))])


def test_what_a_schema_says_besides(place: Place) -> None:
    """Metadata is the sender's own, and could say anything."""
    frame = pa.table({"q": pa.array([7], pa.int8()), "who": [WHO]})
    fields = [frame.schema.field(0).with_metadata({"of": WHO}), frame.schema.field(1)]
    schema = pa.schema(fields, metadata={"note": WHO})
    with place.client() as client:
        questions = {"q": {"kind": "nps"}}
        client.put_program({"name": "p", "questions": questions, "customer": {"column": "who"}})
        message, body = ipc(frame.cast(schema))
        Raw(client, "p", message).send(request(body, 1))
        assert "key" not in {what for _, what in found(place.data, names_of(place.keys, WHO))}
        assert client.erase("p", WHO).responses == 1
        assert not found(place.data, names_of(place.keys, WHO))
