"""The least that a server in gRPC's Python does: it takes messages and acknowledges each.

``python -m benchmarks.bare_server [FILE SYNCS]`` prints its port. With a file, what has come together is on
disk before it is acknowledged, and how often it was synced stands in the other file. It knows nothing of
what messages say: no check, no sequence, no answer. What it reaches is what a server that does its work
could reach at most.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import queue
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Thread
from typing import Any

from cxstream.service.allocator import keep_freed_memory

#: As `cxstream serve` has them.
OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.experimental.tcp_min_read_chunk_size", 2**18),
    ("grpc.experimental.tcp_read_chunk_size", 2**20),
    ("grpc.experimental.tcp_max_read_chunk_size", 2**22),
]
_BUFFER_BYTES = 2**26
_BLOCK_BYTES = 4096


class _Disk:
    """Bytes of several messages, past the page cache, and one sync."""

    def __init__(self, path: str, syncs: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_DIRECT, 0o600)
        self._buffer = memoryview(mmap.mmap(-1, _BUFFER_BYTES))
        with Path(syncs).open("r+b") as file:
            self._syncs = memoryview(mmap.mmap(file.fileno(), 8)).cast("q")
        self._waiting: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        Thread(target=self._write, daemon=True).start()

    def append(self, message: bytes) -> asyncio.Future[None]:
        """Return what is done when the message is on disk."""
        done = self._loop.create_future()
        self._waiting.put((message, done))
        return done

    def _write(self) -> None:
        offset = 0
        while True:
            group = [self._waiting.get()]
            while not self._waiting.empty():
                group.append(self._waiting.get())
            size = 0
            for message, _ in group:
                self._buffer[size : size + len(message)] = message
                size += len(message)
            size = -(-size // _BLOCK_BYTES) * _BLOCK_BYTES
            offset += os.pwrite(self._file, self._buffer[:size], offset)
            os.fdatasync(self._file)
            self._syncs[0] += 1
            self._loop.call_soon_threadsafe(_tell, group)


def _tell(group: list[tuple[bytes, asyncio.Future[None]]]) -> None:
    for _, done in group:
        if not done.cancelled():
            done.set_result(None)


def _stored(_message: bytes) -> Awaitable[None]:
    done = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


async def _serve(files: list[str]) -> None:
    import grpc.aio

    from cxstream_api.v1.append_service_pb2 import AppendAck, AppendOpened, AppendResponse

    opened = AppendResponse(opened=AppendOpened(next_sequence=0)).SerializeToString()
    ack = AppendResponse(ack=AppendAck()).SerializeToString()
    store: Callable[[bytes], Awaitable[None]] = _stored
    if files:
        store = _Disk(*files, asyncio.get_running_loop()).append

    async def append(requests: Any, context: Any) -> None:
        waiting: asyncio.Queue[Awaitable[None] | None] = asyncio.Queue()

        async def answer() -> None:
            while (stored := await waiting.get()) is not None:
                await stored
                await context.write(ack)

        await anext(requests)
        await context.write(opened)
        answering = asyncio.create_task(answer())
        async for message in requests:
            waiting.put_nowait(store(message))
        waiting.put_nowait(None)
        await answering

    handler = grpc.stream_stream_rpc_method_handler(append)
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("cxstream_api.v1.AppendService", {"Append": handler})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    keep_freed_memory()
    asyncio.run(_serve(sys.argv[1:]))
