from pathlib import Path

import pyarrow as pa

import cxstream

PROGRAM = {
    "name": "p",
    "questions": {"q": {"kind": "nps"}},
    "customer": {"column": "who"},
    "dimensions": {"shop": {}},
}
FRAME = {"q": [1, 2, 9], "who": ["SECRET-1", "SECRET-2", None], "shop": ["a", None, "b"]}


def test_no_customer_key_reaches_the_disk(tmp_path: Path) -> None:
    with cxstream.Engine.open(tmp_path) as client:
        client.put_program(PROGRAM)
        with client.append("p", producer="x") as stream:
            stream.send(FRAME)
            stream.send(pa.table(FRAME))
        before = client.nps("p", "q", by=["shop"]).to_arrow()
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or b"SECRET" not in file.read_bytes()
    for kept in (tmp_path / "snapshots").iterdir():
        kept.unlink()
    with cxstream.Engine.open(tmp_path) as client:
        assert client.nps("p", "q", by=["shop"]).to_arrow().equals(before)
        with client.append("p", producer="x") as stream:
            assert stream.next_sequence == 2
