"""A small ext4 on a loop device whose power can be cut. Needs root."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
_NO_LOG_FLUSH = 2  # as a power cut: what was not synced is gone, the log's buffers included


def why_not() -> str:
    """Say what is lacking, or "" where power can be cut."""
    if os.geteuid() != 0:
        return "needs root, for loop devices and mounts"
    for tool in ("mkfs.ext4", "losetup", "mount"):
        if shutil.which(tool) is None:
            return f"needs {tool}"
    return ""


def cut(mount: str) -> None:
    """Cut the power of a mounted filesystem: nothing more reaches the disk."""
    folder = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(folder)


class Disk:
    """An ext4 in a file, mounted."""

    def __init__(self, folder: Path, mebibytes: int = 64) -> None:
        self.image = folder / "disk.img"
        self.mount = folder / "disk"
        self.mount.mkdir()
        with self.image.open("wb") as file:
            file.truncate(mebibytes * 2**20)
        _call("mkfs.ext4", "-q", "-F", self.image)

    def up(self) -> None:
        _call("mount", "-o", "loop", self.image, self.mount)

    def down(self) -> None:
        _call("umount", self.mount)


@contextlib.contextmanager
def disk(folder: Path, mebibytes: int = 64) -> Iterator[Disk]:
    """Make and mount a disk; whatever happens it is unmounted, and its loop device freed."""
    one = Disk(folder, mebibytes)
    one.up()
    try:
        yield one
    finally:
        if os.path.ismount(one.mount):
            one.down()
        one.image.unlink()


@contextlib.contextmanager
def small_tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs that is soon full."""
    mount = folder / "small"
    mount.mkdir()
    _call("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", mount)
    try:
        yield mount
    finally:
        _call("umount", mount)


def _call(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
