"""A segment of the journal as it is written, and its large batches read: past the page cache.

The page cache would copy every byte into fresh pages and write those back, which takes several times
the processor time of handing the disk a buffer of ours; whoever reads a segment does so once, later.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: What offsets and sizes of direct writes are multiples of: the largest block of any disk.
BLOCK_BYTES = 4096
#: Copied, and written by one call.
_BUFFER_BYTES = 4 * 2**20
#: Bodies that have no more together are put together before they are copied, by one call.
_JOINED_BYTES_MAX = 2**18


def block_end(offset: int) -> int:
    """Return the first block's start at or behind an offset."""
    return -(-offset // BLOCK_BYTES) * BLOCK_BYTES


def open_direct(path: Path, flags: int) -> int:
    """Open a file whose bytes do not go through the page cache, where the file system can do so.

    Raises
    ------
    OSError
    """
    flags |= os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_DIRECT, 0o600)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.open(path, flags, 0o600)


def read_direct(file: int, offset: int, size: int) -> memoryview:
    """Return bytes of a file, fewer at its end, wherever they are; see `open_direct`.

    Raises
    ------
    OSError
    """
    start = offset // BLOCK_BYTES * BLOCK_BYTES
    room = np.empty(block_end(offset + size) - start + BLOCK_BYTES, dtype=np.uint8)
    first = -room.ctypes.data % BLOCK_BYTES
    blocks = room.data[first : room.size - BLOCK_BYTES + first]
    found = os.preadv(file, [blocks], start)
    return blocks[offset - start : min(found, offset - start + size)]


class Segment:
    """A segment, opened for writing; made where it is not there.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError
    """

    def __init__(self, path: Path) -> None:
        self._file = open_direct(path, os.O_RDWR | os.O_CREAT)
        self._buffer = np.frombuffer(mmap.mmap(-1, _BUFFER_BYTES), dtype=np.uint8)

    def write(self, bodies: Sequence[bytes | memoryview], offset: int) -> None:
        """Write bodies one after the other, and zeros up to the end of the last block.

        Parameters
        ----------
        bodies : sequence of bytes or memoryview
        offset : int
            A multiple of `BLOCK_BYTES`.

        Raises
        ------
        OSError
        """
        if len(bodies) > 1 and sum(map(len, bodies)) <= _JOINED_BYTES_MAX:
            bodies = [b"".join(bodies)]
        for size in self._filled(bodies):
            end = block_end(size)
            self._buffer[size:end] = 0
            self._write(self._buffer.data[:end], offset)
            offset += end

    def _filled(self, bodies: Iterable[bytes | memoryview]) -> Iterator[int]:
        """Copy bodies into the buffer, and yield how much of it is filled whenever it must go."""
        size = 0
        for body in bodies:
            left: NDArray[np.uint8] = np.frombuffer(body, dtype=np.uint8)
            while left.size:
                some = left[: _BUFFER_BYTES - size]
                self._buffer[size : size + some.size] = some
                size += some.size
                left = left[some.size :]
                if size == _BUFFER_BYTES:
                    yield size
                    size = 0
        if size:
            yield size

    def _write(self, data: memoryview, offset: int) -> None:
        while data:
            written = os.pwrite(self._file, data, offset) // BLOCK_BYTES * BLOCK_BYTES
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[written:]
            offset += written

    def sync(self) -> None:
        """Make what was written durable.

        Raises
        ------
        OSError
        """
        os.fdatasync(self._file)

    def truncate(self, size: int) -> None:
        """Give back the room behind `size` bytes.

        Raises
        ------
        OSError
        """
        os.ftruncate(self._file, size)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
