"""Append streams over gRPC: read ahead a little, append what is there, answer in order."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from typing import Any, Protocol

from cxstream.appender import Ack, Incoming
from cxstream.errors import CxError, ResourceExhaustedError, UnavailableError
from cxstream.service.appending import Appending
from cxstream.service.courier import Courier, Errand
from cxstream.service.wire import read_request
from cxstream_api.v1.append_service_pb2 import AppendOpen, AppendResponse

#: Requests, and bytes of them, that a stream holds until they are answered,
HELD_MAX = 128
HELD_BYTES_MAX = 8 * 2**20
#: and bytes of those that go at a time: the others come meanwhile.
RUN_BYTES_MAX = HELD_BYTES_MAX // 2


class Call(Protocol):
    """A call of grpc.aio, as far as it is needed."""

    async def read(self) -> Any:
        """Return the next request, or something that is no bytes after the last."""

    async def write(self, response: bytes) -> None:
        """Send a response."""


class Inbox:
    """The requests of one stream that came and are not answered yet; for one event loop.

    Reading goes on while some are counted, and no further than there is room, so that a fast client
    cannot fill the memory.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._held: deque[tuple[AppendOpen | Incoming | CxError, int]] = deque()
        self._bytes = 0
        self._ended = False
        self._draining = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def first(self) -> AppendOpen | Incoming | CxError | None:
        """Wait for the first request that is not answered; None at the end of the stream.

        Raises
        ------
        UnavailableError
            ``SHUTTING_DOWN``.
        """
        while not (self._held or self._ended or self._draining):
            self._changed.clear()
            await self._changed.wait()
        if self._draining:
            raise UnavailableError(
                "SHUTTING_DOWN",
                "the server is shutting down; what was acknowledged is counted, open the "
                "stream again later and go on at the sequence it names",
            )
        return self._held[0][0] if self._held else None

    def since(self, place: int) -> Iterator[AppendOpen | Incoming | CxError]:
        """Yield the requests from a place on that go at a time, the first one's being 0; in any thread.

        Whoever does that answers none meanwhile; those that come are yielded too, while nothing drains.
        """
        size = sum(self._held[before][1] for before in range(place))
        while place < len(self._held) and size < RUN_BYTES_MAX and not self._draining:
            request, more = self._held[place]
            size += more
            place += 1
            yield request

    def answered(self) -> None:
        """Let go of the first request."""
        _, size = self._held.popleft()
        self._bytes -= size
        self._room.set()

    def drain(self) -> None:
        """Give nothing any more."""
        self._draining = True
        self._changed.set()

    def close(self) -> None:
        """Read no more."""
        self._task.cancel()

    async def _read(self) -> None:
        # gRPC raises where the client is gone; the call ends by itself then.
        try:
            while isinstance(data := await self._call.read(), bytes):
                while len(self._held) >= HELD_MAX or self._bytes >= HELD_BYTES_MAX:
                    self._room.clear()
                    await self._room.wait()
                self._bytes += len(data)
                try:
                    self._held.append((read_request(data), len(data)))
                except CxError as error:
                    self._held.append((error, len(data)))
                    return
                finally:
                    self._changed.set()
        except Exception:  # noqa: BLE001 - of several types
            return
        finally:
            self._ended = True
            self._changed.set()


class Post:
    """Hands results to an event loop from other threads; it is woken once for many."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._results: list[tuple[asyncio.Future[Any], Any]] = []

    def put(self, future: asyncio.Future[Any], result: Any) -> None:
        """Set a future's result, in its loop."""
        with self._lock:
            self._results.append((future, result))
            first = len(self._results) == 1
        if first:
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            results, self._results = self._results, []
        for future, result in results:
            if not future.done():  # a stream that ended does not wait any more
                future.set_result(result)


class Streams:
    """All append streams of a server.

    Parameters
    ----------
    appending : function
        Returns what a new stream means.
    loop : asyncio.AbstractEventLoop
        Whose thread moves the bytes, and does nothing that may wait or take long.
    pool, rounds : Executor
        For everything else, as many threads each as there may be streams, or more; see `Courier`.
    streams_max : int
    """

    def __init__(
        self,
        appending: Callable[[], Appending],
        loop: asyncio.AbstractEventLoop,
        pool: Executor,
        rounds: Executor,
        streams_max: int,
    ) -> None:
        self._appending = appending
        self._loop = loop
        self._pool = pool
        self._streams_max = streams_max
        self._courier = Courier(pool, rounds)
        self._post = Post(loop)
        self._inboxes: set[Inbox] = set()

    def drain(self) -> None:
        """End all streams, once what they took is answered."""
        for inbox in self._inboxes:
            inbox.drain()

    async def serve(self, call: Call, told: Callable[[AppendResponse], object]) -> None:
        """Answer every request of a stream.

        Parameters
        ----------
        call : Call
        told : function of AppendResponse
            Sees every response before it is sent.

        Raises
        ------
        CxError
            The stream cannot go on.
        """
        if len(self._inboxes) >= self._streams_max:
            raise ResourceExhaustedError(
                "TOO_MANY_STREAMS",
                f"{self._streams_max} append streams are open, and no more are taken",
            )
        appending = self._appending()
        inbox = Inbox(call)
        self._inboxes.add(inbox)
        try:
            while (first := await inbox.first()) is not None:
                for response in await self._answer(appending, inbox, first):
                    inbox.answered()
                    told(response)
                    await call.write(response.SerializeToString())
        finally:
            self._inboxes.discard(inbox)
            inbox.close()

    async def _answer(
        self, appending: Appending, inbox: Inbox, first: AppendOpen | Incoming | CxError
    ) -> Iterator[AppendResponse]:
        """Return the responses to the first requests, at least one."""
        if isinstance(first, CxError):
            raise first
        if isinstance(first, AppendOpen):
            return iter([await self._loop.run_in_executor(self._pool, appending.open, first)])
        appender = appending.appender
        run = appending.run(inbox.since(0))
        if not run:
            return appending.responses([first], appending.too_large(first))

        def more() -> None:
            run.extend(appending.run(inbox.since(len(run))))

        future: asyncio.Future[list[Ack | Exception]] = self._loop.create_future()
        self._courier.send(Errand(appender, run, partial(self._post.put, future), more))
        return appending.responses(run, await future)
