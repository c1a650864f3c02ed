"""A process that streams the workload into a program as fast as it can, until its input closes.

Of a process of its own, so that what is measured beside it does not wait for its interpreter.
"""

from __future__ import annotations

import itertools
import sys
import threading

import cxstream_client as cx
from benchmarks.workload import responses

BATCH_ROWS = 65_536


def main() -> None:
    """Take address, program, producer, rows of the table and its columns; say when it streams."""
    address, program, producer, rows, *columns = sys.argv[1:]
    batches = responses(int(rows)).select(columns).to_batches(max_chunksize=BATCH_ROWS)
    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    with cx.connect(address) as client, client.append(program, producer=producer) as stream:
        stream.send(batches[0], wait=True)
        print("streams", flush=True)
        for batch in itertools.cycle(batches):
            stream.send(batch)
            if done.is_set():
                break
    print(stream.receipt.rows, flush=True)


if __name__ == "__main__":
    main()
