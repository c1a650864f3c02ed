"""A disk that fills up, again and again: refused by name, nothing lost, service goes on by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import cxstream_client as cx
from cxstream.testing import serve
from tests.faults import batches, jobs, oracle, power

CYCLES = 20


@pytest.mark.skipif(os.geteuid() != 0, reason="disk full: needs root, to mount a small tmpfs")
def test_disk_full(folder: Path, seed: int) -> None:
    logs = oracle.Logs(folder)
    with power.small_tmpfs(folder, "2m") as small:
        ballast = small / "ballast"
        data = small / "data"
        with (
            serve(data, customer_keys=logs.keys, seal_age_s=0.1) as address,
            cx.connect(address) as client,
        ):
            client.put_program(batches.tables())
            assert not jobs.send(client, logs, seed, "north", 5)
            for _ in range(CYCLES):
                _fill(ballast)
                refused = jobs.send(client, logs, seed, "north", 40)
                assert "DISK_FULL" in refused
                assert set(refused) <= {"DISK_FULL", "SEQUENCE_GAP"}
                acked = len(logs.acks())
                assert client.program_info(batches.NAME).batches == acked
                ballast.unlink()
                assert not jobs.send(client, logs, seed, "north", 3)
            acked = sorted(logs.acks(), key=lambda one: one[1])
            contents = [batches.content_of(seed, *one) for one in acked]
            oracle.check_answers(client, oracle.rows_of(contents))
        assert len(oracle.check_directory(data, logs)) == len(acked)


def _fill(path: Path) -> None:
    """Take all room but a few pages."""
    try:
        with path.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
    except OSError:
        os.truncate(path, max(0, path.stat().st_size - 3 * 4096))
