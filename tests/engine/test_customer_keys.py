"""Customers under a keyed hash: the file of secrets, and what is stored in place of a key."""

from __future__ import annotations

import hmac
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cxstream
from cxstream.errors import FailedPreconditionError
from cxstream.store import CustomerKeys
from cxstream.store.customers import add_key
from cxstream_client import Client, PreconditionFailed

PROGRAM = {
    "name": "p",
    "questions": {"q": {"kind": "nps"}},
    "customer": {"column": "who"},
    "dimensions": {"shop": {}},
}
FRAME = {"q": [1, 2, 9], "who": ["SECRET-1", "SECRET-2", None], "shop": ["a", None, "b"]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "customer.keys"
    assert add_key(path) == 1
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def secrets_of(file: Path) -> dict[int, bytes]:
    keys = tomllib.loads(file.read_text(encoding="utf-8"))["keys"]
    return {int(version): bytes.fromhex(text) for version, text in keys.items()}


def surrogate(secret: bytes, who: str, program: str = "p") -> int:
    """Return what stands for a customer, made without the code under test."""
    mac = hmac.new(secret, f"{program}\0{who}".encode(), "sha256").digest()
    return int.from_bytes(mac[:8], "little", signed=True)


def stored(data: Path) -> list[tuple[int, int | None, int | None]]:
    """Return answer, surrogate and version of every response in the history, in their order."""
    files = sorted(
        one for one in (data / "history" / "p").rglob("*.parquet") if "_delta_log" not in str(one)
    )
    rows = [row for one in files for row in pq.ParquetFile(one).read().to_pylist()]
    return [(row["q"], row["_customer"], row["_customer_key"]) for row in rows]


def send(client: Client, frame: Any, program: str = "p") -> None:
    with client.append(program, producer="x") as stream:
        stream.send(frame)


# --- what is stored -------------------------------------------------------------------------------


def test_no_customer_key_reaches_the_disk(data: Path, file: Path) -> None:
    with cxstream.Engine.open(data, customer_keys=file) as client:
        client.put_program(PROGRAM)
        send(client, FRAME)
        send(client, pa.table(FRAME))
        before = client.nps("p", "q", by=["shop"]).to_arrow()
        for checkpoint in (False, True):
            if checkpoint:
                client.checkpoint()
            for path in data.rglob("*"):
                assert path.is_dir() or b"SECRET" not in path.read_bytes()
    (secret,) = secrets_of(file).values()
    expected = [
        (1, surrogate(secret, "SECRET-1"), 1), (2, surrogate(secret, "SECRET-2"), 1),
        (9, None, None),
    ]  # fmt: skip
    assert stored(data) == expected * 2
    for kept in (data / "snapshots").iterdir():
        kept.unlink()
    with cxstream.Engine.open(data, customer_keys=file) as client:
        assert client.nps("p", "q", by=["shop"]).to_arrow().equals(before)
        with client.append("p", producer="x") as stream:
            assert stream.next_sequence == 2


@pytest.mark.parametrize(
    "who",
    [
        pa.array([1, -2, None, 2**63 - 1]),
        pa.array([1, 2, None, 2**64 - 1], pa.uint64()),
        pa.array(["1", "Zoë", None, ""]),
        pa.array(["1", "Zoë", None, "1"], pa.large_string()),
        pa.array(["1", "2", None, "1"]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None], pa.int8()), ["1", None, "3"]),
        pa.array([None] * 4, pa.string()),
        pa.array([None] * 4, pa.int64()),
        pa.array([None] * 4, pa.string()).dictionary_encode(),
    ],
    ids=str,
)
def test_every_type_of_key(data: Path, file: Path, who: pa.Array) -> None:
    with cxstream.Engine.open(data, customer_keys=file) as client:
        client.put_program(PROGRAM)
        send(client, pa.table({"q": [0, 1, 2, 3], "who": who, "shop": ["a"] * 4}))
        client.checkpoint()
    (secret,) = secrets_of(file).values()
    assert stored(data) == [
        (number, None, None) if key is None else (number, surrogate(secret, str(key)), 1)
        for number, key in enumerate(who.to_pylist())
    ]


def test_a_customer_of_one_program_is_not_found_in_another(data: Path, file: Path) -> None:
    with cxstream.Engine.open(data, customer_keys=file) as client:
        for name in ("p", "q"):
            client.put_program(PROGRAM | {"name": name})
            send(client, FRAME, name)
        assert client.erase("q", "SECRET-1").responses == 1
        client.checkpoint()
        assert client.program_info("p").responses == 3
    (secret,) = secrets_of(file).values()
    assert surrogate(secret, "SECRET-1") in [one for _, one, _ in stored(data)]


def test_without_keys(data: Path, file: Path) -> None:
    with cxstream.Engine.open(data, customer_keys=file) as client:
        client.put_program(PROGRAM)
        send(client, FRAME)
    with cxstream.Engine.open(data) as client:
        # Answers need no key.
        assert client.nps("p", "q").n == 3
        for refuse in (
            lambda: client.append("p", producer="x"),
            lambda: client.put_program(PROGRAM),
            lambda: client.erase("p", "SECRET-1"),
        ):
            with pytest.raises(PreconditionFailed) as refused:
                refuse()
            assert refused.value.reason == "NO_CUSTOMER_KEYS"
            assert "SECRET" not in str(refused.value)
    with cxstream.Engine.open() as client:
        client.put_program(PROGRAM)
        send(client, FRAME)
        assert client.nps("p", "q").n == 3


def test_rotation(data: Path, file: Path) -> None:
    with cxstream.Engine.open(data, customer_keys=file) as client:
        client.put_program(PROGRAM)
        send(client, FRAME)
    first = secrets_of(file)
    assert add_key(file) == 2
    both = secrets_of(file)
    assert set(both) == {1, 2}
    assert both[1] == first[1] != both[2]
    with cxstream.Engine.open(data, customer_keys=file) as client:
        send(client, FRAME)
        client.checkpoint()
        assert stored(data)[0][1:] == (surrogate(both[1], "SECRET-1"), 1)
        assert stored(data)[3][1:] == (surrogate(both[2], "SECRET-1"), 2)
        assert client.erase("p", "SECRET-1").responses == 2
        assert client.program_info("p").responses == 4


# --- the file -------------------------------------------------------------------------------------


def test_the_file(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [len(one) for one in secrets_of(file).values()] == [32]
    assert [one.name for one in file.parent.iterdir()] == [file.name]
    keys = CustomerKeys.load(file)
    assert keys.version == 1
    (secret,) = secrets_of(file).values()
    assert keys.names("p", "me") == ((1, surrogate(secret, "me")),)
    assert add_key(file) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert CustomerKeys.load(file).version == 2


def test_umask_does_not_matter(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        add_key(tmp_path / "keys")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o666])
def test_others_may_not_read_it(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(FailedPreconditionError, match=f"chmod 600 {file}") as refused:
        CustomerKeys.load(file)
    assert refused.value.reason == "CUSTOMER_KEYS"
    with pytest.raises(FailedPreconditionError):
        add_key(file)


KEY = "ab" * 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[keys]",
        "keys = 5",
        f'key = "{KEY}"',
        f'[keys]\n1 = "{KEY[:-2]}"',
        f'[keys]\n1 = "{KEY[:-1]}"',
        f'[keys]\n1 = "{KEY}" 2',
        "[keys]\n1 = 5",
        f'[keys]\n0 = "{KEY}"',
        f'[keys]\n32768 = "{KEY}"',
        f'[keys]\none = "{KEY}"',
    ],
)
def test_a_file_that_is_none(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FailedPreconditionError) as refused:
        CustomerKeys.load(file)
    assert refused.value.reason == "CUSTOMER_KEYS"
    assert "restore it" in refused.value.message or "versions are" in refused.value.message
    assert KEY[:8] not in refused.value.message
    with pytest.raises(FailedPreconditionError):
        add_key(file)
    assert file.read_text(encoding="utf-8") == text


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FailedPreconditionError, match="cxstream customer-key"):
        CustomerKeys.load(tmp_path / "keys")
    with pytest.raises(FailedPreconditionError):
        CustomerKeys.load(tmp_path)


def test_the_highest_version_is_used(file: Path) -> None:
    file.write_text(f'[keys]\n10 = "{KEY}"\n9 = "{"cd" * 32}"\n', encoding="utf-8")
    assert CustomerKeys.load(file).version == 10
    assert add_key(file) == 11
