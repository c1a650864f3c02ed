"""`cxstream checkpoint`: a running server's data directory made ready to be copied."""

from __future__ import annotations

from cxstream.cli.load import DEFAULT_TARGET, AsJson, Target
from cxstream.cli.output import print_json


def checkpoint(target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """Make a running server's data directory complete by itself: a copy of it is a backup."""
    from cxstream_client import connect

    with connect(target) as client:
        done = client.checkpoint()
    if as_json:
        print_json(done)
        return
    print(
        f"programs {done.programs:,}, responses {done.responses:,}, batches {done.batches:,}, "
        f"bytes {done.bytes:,}\n"
        "Copy catalogue.sqlite and the folders history, journal and snapshots within ten minutes: "
        "nothing in\nthem is removed or rewritten until then, unless somebody is erased or months "
        "are dropped.\nThen run `cxstream verify` on the copy."
    )
