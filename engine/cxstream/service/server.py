"""The gRPC server: lifecycle, health, limits, logs. What the rpcs do is in `handlers`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import grpc
import grpc.aio
import structlog
from google.protobuf import message_factory
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from cxstream.errors import (
    CancelledError,
    CxError,
    InvalidArgumentError,
    UnavailableError,
)
from cxstream.loading import without_collector
from cxstream.service.allocator import keep_freed_memory
from cxstream.service.config import ServerConfig
from cxstream.service.logs import configure_logs
from cxstream.service.replies import Kept, Replies
from cxstream.service.status import to_status
from cxstream.threads import give_way
from cxstream_api.v1 import (
    admin_service_pb2,
    append_service_pb2,
    program_service_pb2,
    query_service_pb2,
)

if TYPE_CHECKING:
    from cxstream.service.handlers import Handlers
    from cxstream.service.scanning import Check
    from cxstream.service.streams import Streams

M = TypeVar("M", bound=Message)
T = TypeVar("T")

_FILES = (program_service_pb2, append_service_pb2, query_service_pb2, admin_service_pb2)
_REQUEST_ID = "x-request-id"
#: How large messages come in: bytes that are read from a connection at a time (at least, to begin with, at
#: most), and those of a message that arrive as one piece. Others on the connection wait for a piece; in the usual
#: ones of 16 KiB a large message takes 7 % more of the server's processor time, on its way to the disk and all.
LARGE_MESSAGES = (
    ("grpc.experimental.tcp_min_read_chunk_size", 256 * 2**10),
    ("grpc.experimental.tcp_read_chunk_size", 2**20),
    ("grpc.experimental.tcp_max_read_chunk_size", 4 * 2**20),
    ("grpc.http2.max_frame_size", 2**18),
)
#: How long a thread may keep others from running Python; answers wait for it.
SWITCH_S = 0.001
#: What the event loop answers itself when it is asked again took a thread no longer than this:
#: handing a question over and back takes a tenth of a millisecond, several while batches come in.
QUICK_S = 0.001
_LOG = structlog.get_logger("cxstream.service")


class Server:
    """One server of one engine.

    Parameters
    ----------
    config : ServerConfig
    on_failure : function
        Called, by another thread, where the server can never serve; `failure` says why.

    Notes
    -----
    It listens at once and says NOT_SERVING until every kernel is compiled, so nothing is ever
    compiled while an rpc waits.

    gRPC has one thread, with an event loop that only moves bytes. What an rpc does is done by the
    threads of three pools: two for appends, large and small, one for all others, so that none waits
    for another.
    """

    def __init__(self, config: ServerConfig, on_failure: Callable[[], object]) -> None:
        self.config = config
        self._on_failure = on_failure
        self.address = ""
        #: Why it can never serve; "" while it may.
        self.failure = ""
        self._handlers: Handlers | None = None
        self._streams: Streams | None = None
        self._draining = False
        self._names = [
            service.full_name
            for file in _FILES
            for service in file.DESCRIPTOR.services_by_name.values()
        ]
        self._calls = ThreadPoolExecutor(config.workers, thread_name_prefix="cxstream-rpc")
        self._appends = ThreadPoolExecutor(
            config.streams_max + 1, "cxstream-append", initializer=give_way
        )
        self._rounds = ThreadPoolExecutor(config.streams_max + 1, "cxstream-round")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="cxstream-grpc", daemon=True
        )
        # The event loop's own from here on.
        self._replies = Replies()
        self._server: Any = None
        self._health: Any = None

    def start(self) -> None:
        """Listen, and warm up in the background.

        Raises
        ------
        OSError
            The address cannot be bound.
        """
        self._thread.start()
        host, _, _ = self.config.listen.rpartition(":")
        port = self._in_loop(self._listen())
        if not port:
            self._end_loop()
            raise OSError(f"cannot listen on {self.config.listen}: is the port in use?")
        self.address = f"{host}:{port}"
        threading.Thread(target=self._warm, name="cxstream-warm", daemon=True).start()

    def stop(self) -> None:
        """Refuse new work, end streams with a status, wait for what is under way."""
        self._in_loop(self._drain())
        self._appends.shutdown()
        self._rounds.shutdown()
        self._calls.shutdown()
        if self._handlers is not None:
            self._handlers.engine.close()
        self._end_loop()

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> int:
        """Return the port, 0 where there is none to have."""
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", 4 * self.config.arrow_bytes_max),
                ("grpc.max_send_message_length", 64 * 2**20),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
                # gRPC's own clients ping while many small answers come in, to measure the connection;
                # a server that is silent for a moment then would end it for too many.
                ("grpc.http2.max_ping_strikes", 0),
                *LARGE_MESSAGES,
            ],
        )
        self._health = health.aio.HealthServicer()
        for file in _FILES:
            for service in file.DESCRIPTOR.services_by_name.values():
                self._server.add_generic_rpc_handlers((self._generic_handler(service),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self.config.reflection:
            shown = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(shown, self._server)
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            port: int = self._server.add_insecure_port(self.config.listen)
        except RuntimeError:
            port = 0
        if port:
            await self._server.start()
        return port

    async def _drain(self) -> None:
        self._draining = True
        await self._health.enter_graceful_shutdown()
        if self._streams is not None:
            self._streams.drain()
        await self._server.stop(self.config.grace_s)

    def _warm(self) -> None:
        started_s = time.monotonic()
        try:
            with without_collector():
                # Numba, and processes that compile what its cache lacks: they go on while the rest is loaded.
                from cxstream.kernels.registry import begin, warm

                begin()
                from cxstream.columns import warm_arrow
                from cxstream.engine import Engine
                from cxstream.service.handlers import Handlers
                from cxstream.service.streams import Streams
                from cxstream.store import CustomerKeys, DirectoryStore
                from cxstream.upkeep import KeeperSettings

                warm()
                warm_arrow()
                # What is there now stays: walking it takes a tenth of a second, of every thread.
                gc.freeze()

            file = self.config.customer_keys
            keys = None if file is None else CustomerKeys.load(file)
            keeper = KeeperSettings(self.config.seal_rows, self.config.seal_age_s)
            store = None if self.config.data is None else DirectoryStore(self.config.data)
            engine = Engine(
                threads=self.config.threads or None, store=store, customer_keys=keys, keeper=keeper
            )
            handlers = Handlers(engine, arrow_bytes_max=self.config.arrow_bytes_max)
            self._streams = Streams(
                handlers.appending,
                self._loop,
                self._appends,
                self._rounds,
                self.config.streams_max,
            )
            self._handlers = handlers
            # So do programs and their sums.
            gc.collect()
            gc.freeze()
        except CxError as error:
            self.failure = error.message
        except Exception as error:  # noqa: BLE001 - whatever it was, such a server must end
            self.failure = repr(error)
            _LOG.exception("warm-up failed")
        if self.failure:
            self._on_failure()
            return
        self._in_loop(self._set_health(health_pb2.HealthCheckResponse.SERVING))
        if self.config.port_file is not None:
            # Whoever waits for the file finds all of it.
            written = self.config.port_file.with_name(f".{self.config.port_file.name}.new")
            written.write_text(self.address + "\n", encoding="utf-8")
            written.replace(self.config.port_file)
        _LOG.info("serving", address=self.address, warm_s=round(time.monotonic() - started_s, 3))

    async def _set_health(self, status: Any) -> None:
        for name in ("", *self._names):
            await self._health.set(name, status)

    # --- rpcs -------------------------------------------------------------------------------------

    def _generic_handler(self, service: Any) -> grpc.GenericRpcHandler:
        methods = {}
        for method in service.methods:
            request = message_factory.GetMessageClass(method.input_type)
            make: Any = grpc.unary_unary_rpc_method_handler
            behaviour: Any = self._unary(service.name, method.name, request)
            if method.client_streaming:
                make, behaviour = grpc.stream_stream_rpc_method_handler, self._append
            elif method.server_streaming:
                make, behaviour = grpc.unary_stream_rpc_method_handler, self._scan
            # Bytes in and out: the event loop has no time for large messages.
            methods[method.name] = make(behaviour)
        return grpc.method_handlers_generic_handler(service.full_name, methods)

    def _ready(self) -> Handlers:
        if self._draining:
            raise UnavailableError("SHUTTING_DOWN", "the server is shutting down")
        if self._handlers is None:
            raise UnavailableError("WARMING_UP", "the server is warming up; try again shortly")
        return self._handlers

    def _unary(
        self, service: str, method: str, form: type[Message]
    ) -> Callable[[bytes, Any], Coroutine[Any, Any, bytes]]:
        is_query = service == "QueryService"

        def make(data: bytes, check: Check) -> Kept:
            request, handlers = _parsed(form, data), self._ready()
            moment = handlers.moment(request) if is_query else None
            # Of the processor: beside a stream a thread waits for its turn many times as long.
            started_s = time.thread_time()
            reply = handlers.call(service, method, request, check)
            return Kept(moment, reply, time.thread_time() - started_s <= QUICK_S)

        async def made(data: bytes, log: _Call) -> Kept:
            gone = threading.Event()
            try:
                return await self._loop.run_in_executor(
                    self._calls, make, data, partial(_check, gone)
                )
            except asyncio.CancelledError:
                gone.set()
                raise
            except Exception as error:  # noqa: BLE001 - every failure must become a status
                await log.abort(error)

        async def behaviour(data: bytes, context: Any) -> bytes:
            log = _Call(f"{service}/{method}", context)
            kept = None if self._draining else self._replies.get(method, data)
            if kept is None or not kept.holds:
                kept = _made_at_once(make, data) if kept is not None and kept.is_quick else None
                kept = await made(data, log) if kept is None else kept
                self._replies.put(method, data, kept)
            log.done()
            return kept.reply

        return behaviour

    async def _scan(self, data: bytes, context: Any) -> None:
        log = _Call("QueryService/Scan", context)
        gone = threading.Event()

        def answer() -> None:
            request = _parsed(query_service_pb2.ScanRequest, data)
            for response in self._ready().scan(request, partial(_check, gone)):
                self._in_loop(context.write(response.SerializeToString()))

        try:
            await self._loop.run_in_executor(self._calls, answer)
        except asyncio.CancelledError:
            gone.set()
            log.done(cancelled=True)
            raise
        except Exception as error:  # noqa: BLE001 - every failure must become a status
            await log.abort(error)
        log.done()

    async def _append(self, _: object, context: Any) -> None:
        log = _Call("AppendService/Append", context)
        tale = _Tale(log)
        try:
            self._ready()
            assert self._streams is not None
            await self._streams.serve(context, tale.hear)
        except asyncio.CancelledError:
            log.done(batches=tale.batches, refused=tale.refused, cancelled=True)
            raise
        except Exception as error:  # noqa: BLE001 - every failure must become a status
            await log.abort(error, batches=tale.batches, refused=tale.refused)
        log.done(batches=tale.batches, refused=tale.refused)


def _parsed(form: type[M], data: bytes) -> M:
    try:
        return form.FromString(data)
    except DecodeError as error:
        raise InvalidArgumentError(
            "MALFORMED_REQUEST", f"the request is no {form.DESCRIPTOR.name} message"
        ) from error


def _made_at_once(make: Callable[[bytes, Check], Kept], data: bytes) -> Kept | None:
    """Make a reply on the event loop; None where that would wait, or fails: a thread is to tell."""
    with contextlib.suppress(Exception):
        return make(data, _wait)
    return None


def _wait() -> None:
    """Keep a query from waiting where it is about to."""
    raise CancelledError("CANCELLED", "the event loop waits for nothing")


def _check(gone: threading.Event) -> None:
    """Raise where the client is gone, or its deadline over."""
    if gone.is_set():
        raise CancelledError("CANCELLED", "the client is gone, or its deadline over")


class _Tale:
    """What became of a stream's batches, for the log."""

    def __init__(self, log: _Call) -> None:
        self._log = log
        self.batches = self.refused = 0

    def hear(self, response: append_service_pb2.AppendResponse) -> None:
        if response.HasField("ack"):
            self.batches += 1
        elif response.HasField("refusal"):
            self.refused += 1
            self._log.refused(response.refusal)


class _Call:
    """One rpc in the log; ends it with a status where it fails."""

    def __init__(self, rpc: str, context: Any) -> None:
        given = dict(context.invocation_metadata() or ()).get(_REQUEST_ID)
        self.request_id = str(given)[:64] if given else os.urandom(8).hex()
        self._context = context
        self._rpc = rpc
        self._started_s = time.perf_counter()
        context.set_trailing_metadata(((_REQUEST_ID, self.request_id),))

    @property
    def _log(self) -> Any:
        return _LOG.bind(rpc=self._rpc, request_id=self.request_id, peer=self._context.peer())

    def _ms(self) -> float:
        return round(1000 * (time.perf_counter() - self._started_s), 3)

    def done(self, **facts: object) -> None:
        """Answers are many and cheap: what goes well is logged for streams, or when asked for."""
        if facts:
            self._log.info("rpc", code="OK", ms=self._ms(), **facts)
        elif _LOG.is_enabled_for(logging.DEBUG):
            self._log.debug("rpc", code="OK", ms=self._ms())

    def refused(self, refusal: append_service_pb2.AppendRefusal) -> None:
        self._log.warning(
            "batch refused",
            reason=refusal.reason,
            sequence=refusal.sequence,
            column=refusal.column or None,
            row=refusal.row if refusal.HasField("row") else None,
        )

    async def abort(self, error: Exception, **facts: object) -> NoReturn:
        """End the rpc with the error's status; never returns."""
        if isinstance(error, CxError):
            self._log.info("rpc", code=error.code, reason=error.reason, ms=self._ms(), **facts)
        else:
            self._log.error("rpc", code="INTERNAL", ms=self._ms(), exc_info=error, **facts)
            error = CxError(
                "INTERNAL", f"an error of the server; its log names request {self.request_id}"
            )
        status = rpc_status.to_status(to_status(error))
        metadata = (*status.trailing_metadata, (_REQUEST_ID, self.request_id))
        await self._context.abort(status.code, status.details, metadata)
        raise AssertionError("abort raises")


def run(config: ServerConfig) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns
    -------
    int
        The exit code: 0 after an orderly end, 1 where it could not serve: the address is taken, or the data
        directory is in use or damaged. 74 where the disk failed (see store.journal).
    """
    configure_logs(config)
    keep_freed_memory()
    sys.setswitchinterval(SWITCH_S)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = Server(config, stop.set)
    try:
        server.start()
    except OSError as error:
        _LOG.error("cannot start", error=str(error))
        return 1
    _LOG.info("listening", address=server.address)
    stop.wait()
    if server.failure:
        _LOG.error("cannot serve", error=server.failure)
    _LOG.info("shutting down")
    server.stop()
    _LOG.info("stopped")
    return 1 if server.failure else 0
