"""The least that a server in gRPC's Python does: it takes messages and acknowledges each.

``python -m benchmarks.bare_server [FILE SYNCS]`` prints its port. With a file, what has come together is on
disk before it is acknowledged, and how often it was synced stands in the other file. It knows nothing of
what messages say: no check, no sequence, no answer. What it reaches is what a server that does its work
could reach at most.
"""

from __future__ import annotations

import asyncio
import queue
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Thread
from typing import Any

import grpc.aio

from benchmarks.durable.server import count_syncs
from cxstream.service.allocator import keep_freed_memory
from cxstream.service.server import LARGE_MESSAGES
from cxstream.store.segment import Segment, block_end
from cxstream_api.v1.append_service_pb2 import AppendAck, AppendOpened, AppendResponse

OPTIONS = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1), *LARGE_MESSAGES]


class _Disk:
    """Writes what has come together, and syncs it."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._segment = Segment(Path(path))
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
            messages = [message for message, _ in group]
            self._segment.write(messages, offset)
            self._segment.sync()
            offset = block_end(offset + sum(map(len, messages)))
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
    opened = AppendResponse(opened=AppendOpened(next_sequence=0)).SerializeToString()
    ack = AppendResponse(ack=AppendAck()).SerializeToString()
    store: Callable[[bytes], Awaitable[None]] = _stored
    if files:
        path, syncs = files
        count_syncs(syncs)
        store = _Disk(path, asyncio.get_running_loop()).append

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
