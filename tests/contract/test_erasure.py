"""A customer erased: every answer and every file as if their responses had never come."""

from __future__ import annotations

import hmac
import io
import random
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cxstream
import cxstream_client as cx
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.store import CustomerKeys, DirectoryStore
from cxstream.store.customers import add_key
from cxstream.upkeep import KeeperSettings
from tests.contract.test_bad_input import Raw, ipc, request
from tests.serving import serving
from tests.waiting import until

RATING = {"kind": "rating", "scale": [1, 5], "missing": [0]}
PROGRAM: dict[str, Any] = {
    "name": "p",
    "questions": {
        "nps": {"kind": "nps"},
        "food": RATING,
        "staff": RATING,
        "spend": {"kind": "number", "range": [0, 100], "step": 0.01},
        "pick": {"kind": "choice", "options": ["x", "y", "z"], "multiple": True},
    },
    "dimensions": {"region": {}, "shop": {}},
    "time": {"column": "at", "buckets": ["day", "month"]},
    "customer": {"column": "who"},
    "weight": {"column": "weight", "step": 0.25},
    "indices": {"delight": {"parts": {"f": {"items": ["food"]}, "s": {"items": ["staff"]}}}},
    "models": {
        "both": {"outcome": "nps", "drivers": ["food", "staff", "spend"]},
        "robust": {
            "outcome": "nps",
            "drivers": ["food", "staff"],
            "robust": True,
            "leverage": True,
        },
    },
    "views": [{"by": ["region", "shop"]}],
}
WHO = "customer-7f3a/Zoë"
OTHERS = [f"somebody {number}" for number in range(9)]
BATCHES, ROWS = 6, 50
NEVER_S, AT_ONCE_S = 3600.0, 0.01
TYPES = {
    "nps": pa.int8(), "food": pa.int64(), "staff": pa.int64(), "spend": pa.float64(),
    "pick": pa.list_(pa.string()), "region": pa.string(), "shop": pa.string(),
    "at": pa.timestamp("ms"), "who": pa.string(), "weight": pa.float64(),
}  # fmt: skip


def responses(number: int, who: str = WHO) -> list[dict[str, Any]]:
    """Return a batch's responses; about every tenth is the customer's, in a shop of their own."""
    draw = random.Random(number)
    out: list[dict[str, Any]] = []
    for _ in range(ROWS):
        customer = draw.choice([who, None, *OTHERS])
        out.append(
            {
                "nps": draw.choice([None, *range(11)]),
                "food": draw.choice([None, *range(6)]),
                "staff": draw.choice([None, *range(6)]),
                "spend": draw.choice([None, draw.randrange(10_001) / 100]),
                "pick": draw.choice([None, [one for one in "xyz" if draw.random() < 0.5]]),
                "region": draw.choice([None, "north", "south"]),
                "shop": "only theirs" if customer == who else draw.choice([None, "a", "b"]),
                "at": draw.choice([None, draw.randrange(1_480_000_000_000, 1_500_000_000_000)]),
                "who": customer,
                # The largest are of several limbs, see block.WeightedBlock.
                "weight": draw.choice([None, 0.0, 0.5, 1.0, 1.0, 1.25, 2.0**40]),
            }
        )
    return out


def frame(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table(
        {name: pa.array([row[name] for row in rows], kind) for name, kind in TYPES.items()}
    )


def without(rows: list[dict[str, Any]], who: str = WHO) -> list[dict[str, Any]]:
    return [row for row in rows if row["who"] != who]


def theirs(who: str = WHO) -> list[int]:
    """Return how many of the customer's responses each batch has."""
    return [ROWS - len(without(responses(number, who), who)) for number in range(BATCHES)]


def send(client: cx.Client, batches: list[list[dict[str, Any]]], producer: str = "x") -> None:
    with client.append("p", producer=producer) as stream:
        for rows in batches:
            stream.send(frame(rows))


def never_had(batches: list[list[dict[str, Any]]]) -> bytes:
    """Return the sums of an engine that was sent these responses only."""
    engine = Engine()
    with open_client(engine) as client:
        client.put_program(PROGRAM)
        send(client, batches)
        return engine.snapshot("p")


def stored_sums(data: Path, keys: Path) -> bytes:
    """Return the sums of a data directory opened again, recounted where its snapshot is gone."""
    for kept in (data / "snapshots").iterdir():
        kept.unlink()
    engine = Engine(store=DirectoryStore(data), customer_keys=CustomerKeys.load(keys))
    try:
        return engine.snapshot("p")
    finally:
        engine.close()


class Place:
    """A data directory with its keys, and clients of it over one transport."""

    def __init__(self, folder: Path, transport: str) -> None:
        self.data = folder / "data"
        self.keys = folder / "customer.keys"
        self.transport = transport
        add_key(self.keys)

    @contextmanager
    def client(self, seal_age_s: float = NEVER_S) -> Iterator[cx.Client]:
        if self.transport == "grpc":
            settings = {"customer_keys": self.keys, "seal_age_s": seal_age_s}
            with serving(self.data, **settings) as address, cx.connect(address) as client:
                yield client
        else:
            keys, keeper = CustomerKeys.load(self.keys), KeeperSettings(seal_age_s=seal_age_s)
            store = DirectoryStore(self.data)
            with open_client(Engine(store=store, customer_keys=keys, keeper=keeper)) as client:
                yield client


@pytest.fixture(params=["grpc", "in_process"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, request.param)


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """A place of an engine in this process: for what no transport has a part in."""
    return Place(tmp_path, "in_process")


# --- what stands in the files ---------------------------------------------------------------------


def names_of(keys: Path, who: str) -> dict[str, bytes | int]:
    """Return all that would tell the customer, by what it is, made without the code under test."""
    out: dict[str, bytes | int] = {"key": who.encode()}
    for version, secret in tomllib.loads(keys.read_text(encoding="utf-8"))["keys"].items():
        full = hmac.digest(bytes.fromhex(secret), b"p\0" + who.encode(), "sha256")
        signed = int.from_bytes(full[:8], "little", signed=True)
        forms = {
            "mac": full,
            "mac in hex": full.hex().encode(),
            "surrogate": signed,
            "surrogate, little end first": full[:8],
            "surrogate, big end first": full[7::-1],
            "surrogate in hex": full[:8].hex().encode(),
            "surrogate in decimal": str(signed).encode(),
            "surrogate in decimal, unsigned": str(signed % 2**64).encode(),
        }
        out |= {f"{what} of version {version}": form for what, form in forms.items()}
    return out


def found(data: Path, names: dict[str, bytes | int]) -> set[tuple[str, str]]:
    """Return where something that tells a customer stands: kind of file, and what it is."""
    out = set()
    for path in (one for one in data.rglob("*") if one.is_file()):
        raw = path.read_bytes()
        values: set[object] = set()
        if raw[:4] == b"PAR1":
            for column in pq.read_table(io.BytesIO(raw)).columns:
                values |= {str(value) for value in column.to_pylist()}
        kind = path.suffix or path.name
        for what, name in names.items():
            plain = str(name) if isinstance(name, int) else name.decode("latin-1")
            texts = {plain} if isinstance(name, int) else {plain, name.decode("utf-8", "replace")}
            if isinstance(name, bytes) and name in raw:
                out.add((kind, what))
            if any(text in str(value) for text in texts for value in values):
                out.add((kind, what))
    return out


# --- erasure --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seal_age_s", [NEVER_S, AT_ONCE_S], ids=["journal", "history"])
def test_as_if_they_had_never_come(place: Place, seal_age_s: float) -> None:
    batches = [responses(number) for number in range(BATCHES)]
    names = names_of(place.keys, WHO)
    with place.client(seal_age_s) as client:
        client.put_program(PROGRAM)
        send(client, batches)
        client.checkpoint()
        # Without these the search below would prove nothing.
        assert (".parquet", "surrogate of version 1") in found(place.data, names)
        bodies = [ipc(frame(rows)) for rows in batches]
        raw = Raw(client, "p", bodies[0][0])
        again = [request(body, ROWS, number) for number, (_, body) in enumerate(bodies)]
        assert not any(answer.ack.duplicate for answer in raw.send(*again))
        receipt = client.erase("p", WHO)
        assert not found(place.data, names)
        assert receipt == cx.ErasureReceipt(
            1, "p", 2 * sum(theirs()), 2 * sum(1 for one in theirs() if one), receipt.files,
            receipt.erased_at,
        )  # fmt: skip
        assert receipt.files >= 1
        assert receipt.erased_at.endswith("+00:00")
        kept = 2 * (BATCHES * ROWS - sum(theirs()))
        assert client.program_info("p").responses == kept
        assert "only theirs" not in {row.group["shop"] for row in client.nps("p", "nps", by="shop")}
        # Sent again, they are duplicates, and not counted.
        assert all(answer.ack.duplicate for answer in raw.send(*again))
        assert client.program_info("p").responses == kept
        assert client.erase("p", WHO).responses == 0
    assert not found(place.data, names)
    both = [without(rows) for rows in batches] * 2
    assert stored_sums(place.data, place.keys) == never_had(both)


def test_an_unknown_customer(place: Place) -> None:
    with place.client() as client:
        client.put_program(PROGRAM)
        assert client.erase("p", "nobody").responses == 0
        send(client, [responses(0)])
        receipt = client.erase("p", "nobody")
        assert (receipt.number, receipt.responses, receipt.batches, receipt.files) == (2, 0, 0, 0)
        assert client.program_info("p").responses == ROWS
    assert stored_sums(place.data, place.keys) == never_had([responses(0)])


def test_what_comes_later_is_counted(here: Place) -> None:
    """An erasure is about what was acknowledged; a batch that comes later is another matter."""
    with here.client() as client:
        client.put_program(PROGRAM)
        send(client, [responses(0)])
        client.erase("p", WHO)
        send(client, [responses(1)])
        assert client.program_info("p").responses == 2 * ROWS - theirs()[0]
        assert client.erase("p", WHO).responses == theirs()[1]


def test_stored_under_an_earlier_key(here: Place) -> None:
    with here.client() as client:
        client.put_program(PROGRAM)
        send(client, [responses(0)])
    assert add_key(here.keys) == 2
    names = names_of(here.keys, WHO)
    with here.client() as client:
        send(client, [responses(0), responses(1)])
        client.checkpoint()
        stored = {what for _, what in found(here.data, names)}
        assert {"surrogate of version 1", "surrogate of version 2"} <= stored
        assert client.erase("p", WHO).responses == 2 * theirs()[0] + theirs()[1]
        assert not found(here.data, names)
    expected = [without(responses(0))] * 2 + [without(responses(1))]
    assert stored_sums(here.data, here.keys) == never_had(expected)


def test_a_whole_number_is_its_text(place: Place) -> None:
    with place.client() as client:
        client.put_program(
            {"name": "p", "questions": {"q": {"kind": "nps"}}, "customer": {"column": "id"}}
        )
        with client.append("p", producer="x") as stream:
            stream.send({"q": [1, 2, 3], "id": [7, -8, None]})
            stream.send({"q": [4, 5], "id": ["7", "07"]})
        assert client.erase("p", -8).responses == 1
        assert client.erase("p", 7).responses == 2
        assert client.program_info("p").responses == 2


def test_everybody(here: Place) -> None:
    """Files of which nothing is left go too."""
    with here.client() as client:
        client.put_program(PROGRAM)
        send(client, [[row for row in responses(0) if row["who"] == WHO]])
        client.checkpoint()
        assert list((here.data / "history" / "p").rglob("*.parquet"))
        assert client.erase("p", WHO).responses == theirs()[0]
        assert client.program_info("p").responses == 0
        folder = here.data / "history" / "p"
        assert [one for one in folder.rglob("*.parquet") if "_delta_log" not in str(one)] == []
    assert stored_sums(here.data, here.keys) == never_had([])


@pytest.mark.parametrize("customer", [True, 1.5, None, b"c", "\ud800 secret"])
def test_no_customer(here: Place, customer: Any) -> None:
    with here.client() as client, pytest.raises(cx.InvalidInput) as refused:
        client.erase("p", customer)
    assert refused.value.reason == "WRONG_TYPE"
    assert "secret" not in refused.value.message


def test_refused(place: Place) -> None:
    with place.client() as client:
        with pytest.raises(cx.NotFound) as unknown:
            client.erase("p", WHO)
        assert unknown.value.reason == "UNKNOWN_PROGRAM"
        assert WHO not in str(unknown.value)
        client.put_program({"name": "p", "questions": {"q": {"kind": "nps"}}})
        with pytest.raises(cx.PreconditionFailed) as no_column:
            client.erase("p", WHO)
        assert no_column.value.reason == "NO_CUSTOMER"
        with pytest.raises(cx.PreconditionFailed) as no_time:
            client.drop_before("p", "2017-05")
        assert no_time.value.reason == "NO_TIME"


def test_in_memory_nothing_is_kept(client: cx.Client, unique: str) -> None:
    client.put_program(PROGRAM | {"name": unique})
    for ask in (lambda: client.erase(unique, WHO), lambda: client.drop_before(unique, "2017-05")):
        with pytest.raises(cx.PreconditionFailed) as refused:
            ask()
        assert refused.value.reason == "NO_DATA_DIRECTORY"


# --- months ---------------------------------------------------------------------------------------


def month_of(row: dict[str, Any]) -> str | None:
    return None if row["at"] is None else str(pa.scalar(row["at"], pa.timestamp("ms")).as_py())[:7]


def test_months_before_one(place: Place) -> None:
    batches = [responses(number) for number in range(BATCHES)]
    month = "2017-03"
    kept = [
        [row for row in rows if month_of(row) is None or str(month_of(row)) >= month]
        for rows in batches
    ]
    gone = BATCHES * ROWS - sum(map(len, kept))
    assert gone
    with place.client() as client:
        client.put_program(PROGRAM)
        send(client, batches)
        assert client.drop_before("p", month) == gone
        assert client.drop_before("p", month) == 0
        assert client.program_info("p").responses == BATCHES * ROWS - gone
        months = [row.group["month"] for row in client.nps("p", "nps", by="month")]
        assert all(one is None or f"{one:%Y-%m}" >= month for one in months)
        for bad in ("2017", "2017-13", "2017-5", "2017-05-01", ""):
            with pytest.raises(cx.InvalidInput) as refused:
                client.drop_before("p", bad)
            assert refused.value.reason == "INVALID_TIME"
    assert stored_sums(place.data, place.keys) == never_had(kept)


def test_retention(place: Place) -> None:
    """Declared later, it takes what is stored already; the sums of what stays do not change."""
    batches = [responses(number) for number in range(BATCHES)]
    timeless = [[row for row in rows if row["at"] is None] for rows in batches]
    with place.client() as client:
        client.put_program(PROGRAM)
        send(client, batches)
        info = client.put_program(PROGRAM | {"retention": {"months": 1}})
        assert (info.changed, info.version) == (True, 2)
        assert client.get_program("p").to_dict()["retention"] == {"months": 1}
        assert client.checkpoint().responses == sum(map(len, timeless))
        assert client.put_program(PROGRAM).version == 3
    assert stored_sums(place.data, place.keys) == never_had(timeless)


def test_retention_of_a_quiet_program(here: Place) -> None:
    """Months end without a response coming in."""
    with here.client(AT_ONCE_S) as client:
        client.put_program(PROGRAM)
        send(client, [responses(0)])
        client.put_program(PROGRAM | {"retention": {"months": 1}})
        stay = sum(row["at"] is None for row in responses(0))
        until(lambda: client.program_info("p").responses == stay)


def test_the_delta_table_names_what_is_there(here: Place) -> None:
    deltalake = pytest.importorskip("deltalake")
    folder = here.data / "history" / "p"

    def rows() -> int:
        return int(deltalake.DeltaTable(str(folder)).to_pyarrow_dataset().count_rows())

    with here.client() as client:
        client.put_program(PROGRAM)
        send(client, [responses(number) for number in range(BATCHES)])
        client.checkpoint()
        assert rows() == BATCHES * ROWS
        client.erase("p", WHO)
        assert rows() == client.program_info("p").responses
        client.drop_before("p", "2017-01")
        assert rows() == client.program_info("p").responses
        client.put_program(PROGRAM | {"retention": {"months": 1}})
        client.checkpoint()
        assert rows() == client.program_info("p").responses


def test_keys_are_asked_for(tmp_path: Path) -> None:
    with cxstream.Engine.open(tmp_path / "data") as client:
        with pytest.raises(cx.PreconditionFailed) as refused:
            client.put_program(PROGRAM)
        assert refused.value.reason == "NO_CUSTOMER_KEYS"
        assert "cxstream customer-key" in refused.value.message
