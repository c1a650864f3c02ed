"""What a segment holds after writes: the bytes, whole blocks, nothing of what was written before."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxstream.store import segment
from cxstream.store.segment import BLOCK_BYTES, Segment, block_end, open_direct, read_direct

sizes = st.lists(st.integers(0, 3 * BLOCK_BYTES), max_size=6)


@given(groups=st.lists(sizes, min_size=1, max_size=4))
@settings(max_examples=50)
def test_groups_lie_where_they_were_put(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[int]]
) -> None:
    path = tmp_path_factory.mktemp("segment") / "0"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment, "_BUFFER_BYTES", 2 * BLOCK_BYTES)  # several writes a group
        file = Segment(path)
        expected, filler = b"", 0
        for group in groups:
            bodies = []
            for size in group:
                filler = filler % 255 + 1
                bodies.append(bytes([filler]) * size)
            start = block_end(len(expected))
            file.write([memoryview(body) for body in bodies], start)
            expected = expected.ljust(start, b"\0") + b"".join(bodies)
        file.sync()
        file.close()
    found = path.read_bytes()
    assert len(found) == block_end(len(expected))
    assert found == expected.ljust(len(found), b"\0")


def test_a_segment_goes_on_behind_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "0"
    file = Segment(path)
    file.write([b"a" * 100], 0)
    file.write([b"b" * 100], BLOCK_BYTES)
    file.truncate(100)
    file.close()
    file = Segment(path)
    file.write([b"c" * 5000], block_end(100))
    file.close()
    expected = (b"a" * 100).ljust(BLOCK_BYTES, b"\0") + b"c" * 5000
    assert path.read_bytes() == expected.ljust(3 * BLOCK_BYTES, b"\0")


@pytest.mark.parametrize("offset", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 5000])
@pytest.mark.parametrize("size", [0, 1, 10, BLOCK_BYTES, 9000])
def test_what_is_read_past_the_page_cache(tmp_path: Path, offset: int, size: int) -> None:
    content = bytes(range(256)) * 40 + b"end"  # no whole blocks
    (tmp_path / "0").write_bytes(content)
    file = open_direct(tmp_path / "0", os.O_RDONLY)
    assert read_direct(file, offset, size) == content[offset : offset + size]
    os.close(file)


def test_writes_that_end_early_are_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: real(file, data[:BLOCK_BYTES], at))
    path = tmp_path / "0"
    file = Segment(path)
    file.write([b"a" * 9000, b"b" * 9000], 0)
    file.close()
    assert path.read_bytes().rstrip(b"\0") == b"a" * 9000 + b"b" * 9000


def test_a_disk_that_takes_less_than_a_block_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: BLOCK_BYTES - 1)
    file = Segment(tmp_path / "0")
    with pytest.raises(OSError, match="No space") as caught:
        file.write([b"a" * 9000], 0)
    assert caught.value.errno == errno.ENOSPC
    file.close()


def test_a_file_system_without_direct_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no direct writes here")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    file = Segment(tmp_path / "0")
    file.write([b"a" * 10], 0)
    file.close()
    assert (tmp_path / "0").read_bytes() == (b"a" * 10).ljust(BLOCK_BYTES, b"\0")
