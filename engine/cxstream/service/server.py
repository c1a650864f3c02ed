"""The gRPC server: lifecycle, health, limits, logs. What the rpcs do is in `handlers`."""

from __future__ import annotations

import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import structlog
from google.protobuf import message_factory
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from cxstream.errors import CancelledError, CxError, ResourceExhaustedError, UnavailableError
from cxstream.service.config import ServerConfig
from cxstream.service.inbox import Inbox
from cxstream.service.logs import configure_logs
from cxstream.service.status import to_status
from cxstream_api.v1 import (
    admin_service_pb2,
    append_service_pb2,
    program_service_pb2,
    query_service_pb2,
)

if TYPE_CHECKING:
    from cxstream.service.handlers import Handlers

_FILES = (program_service_pb2, append_service_pb2, query_service_pb2, admin_service_pb2)
_REQUEST_ID = "x-request-id"
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
    """

    def __init__(self, config: ServerConfig, on_failure: Callable[[], object]) -> None:
        self.config = config
        self._on_failure = on_failure
        self.address = ""
        #: Why it can never serve; "" while it may.
        self.failure = ""
        self._handlers: Handlers | None = None
        self._draining = threading.Event()
        self._streams = threading.BoundedSemaphore(config.streams_max)
        self._health = health.HealthServicer()
        self._names = [
            service.full_name
            for file in _FILES
            for service in file.DESCRIPTOR.services_by_name.values()
        ]
        self._server = grpc.server(
            futures.ThreadPoolExecutor(config.workers, thread_name_prefix="cxstream-rpc"),
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", 4 * config.arrow_bytes_max),
                ("grpc.max_send_message_length", 64 * 2**20),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
            ],
        )
        for file in _FILES:
            for service in file.DESCRIPTOR.services_by_name.values():
                self._server.add_generic_rpc_handlers((self._generic_handler(service),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if config.reflection:
            shown = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(shown, self._server)

    def start(self) -> None:
        """Listen, and warm up in the background.

        Raises
        ------
        OSError
            The address cannot be bound.
        """
        host, _, _ = self.config.listen.rpartition(":")
        try:
            port = self._server.add_insecure_port(self.config.listen)
        except RuntimeError:
            port = 0
        if not port:
            raise OSError(f"cannot listen on {self.config.listen}: is the port in use?")
        self.address = f"{host}:{port}"
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._server.start()
        threading.Thread(target=self._warm, name="cxstream-warm", daemon=True).start()

    def stop(self) -> None:
        """Refuse new work, end streams with a status, wait for what is under way."""
        self._health.enter_graceful_shutdown()
        self._draining.set()
        self._server.stop(self.config.grace_s).wait()
        if self._handlers is not None:
            self._handlers.engine.close()

    def _warm(self) -> None:
        started_s = time.monotonic()
        try:
            # Loads Numba and compiles every kernel: seconds on the very first start.
            from cxstream.engine import Engine
            from cxstream.service.handlers import Handlers
            from cxstream.store import CustomerKeys, DirectoryStore
            from cxstream.upkeep import KeeperSettings

            file = self.config.customer_keys
            keys = None if file is None else CustomerKeys.load(file)
            keeper = KeeperSettings(self.config.seal_rows, self.config.seal_age_s)
            store = None if self.config.data is None else DirectoryStore(self.config.data)
            engine = Engine(
                threads=self.config.threads or None, store=store, customer_keys=keys, keeper=keeper
            )
            self._handlers = Handlers(engine, arrow_bytes_max=self.config.arrow_bytes_max)
        except CxError as error:
            self.failure = error.message
        except Exception as error:  # noqa: BLE001 - whatever it was, such a server must end
            self.failure = repr(error)
            _LOG.exception("warm-up failed")
        if self.failure:
            self._on_failure()
            return
        self._set_health(health_pb2.HealthCheckResponse.SERVING)
        if self.config.port_file is not None:
            self.config.port_file.write_text(self.address + "\n", encoding="utf-8")
        _LOG.info("serving", address=self.address, warm_s=round(time.monotonic() - started_s, 3))

    def _set_health(self, status: Any) -> None:
        for name in ("", *self._names):
            self._health.set(name, status)

    # --- rpcs -------------------------------------------------------------------------------------

    def _generic_handler(self, service: Any) -> grpc.GenericRpcHandler:
        methods = {}
        for method in service.methods:
            make: Any = grpc.unary_unary_rpc_method_handler
            behaviour: Any = self._unary(service.name, method.name)
            if method.client_streaming:
                make, behaviour = grpc.stream_stream_rpc_method_handler, self._append
            elif method.server_streaming:
                make, behaviour = grpc.unary_stream_rpc_method_handler, self._scan
            methods[method.name] = make(
                behaviour,
                request_deserializer=message_factory.GetMessageClass(method.input_type).FromString,
                response_serializer=message_factory.GetMessageClass(
                    method.output_type
                ).SerializeToString,
            )
        return grpc.method_handlers_generic_handler(service.full_name, methods)

    def _ready(self) -> Handlers:
        if self._draining.is_set():
            raise UnavailableError("SHUTTING_DOWN", "the server is shutting down")
        if self._handlers is None:
            raise UnavailableError("WARMING_UP", "the server is warming up; try again shortly")
        return self._handlers

    def _unary(self, service: str, method: str) -> Callable[[Any, grpc.ServicerContext], Any]:
        def behaviour(request: Any, context: grpc.ServicerContext) -> Any:
            log = _Call(f"{service}/{method}", context)
            try:
                reply = self._ready().call(service, method, request, lambda: _check(context))
            except Exception as error:  # noqa: BLE001 - every failure must become a status
                log.abort(error)
            log.done()
            return reply

        return behaviour

    def _scan(
        self, request: query_service_pb2.ScanRequest, context: grpc.ServicerContext
    ) -> Iterator[query_service_pb2.ScanResponse]:
        log = _Call("QueryService/Scan", context)
        try:
            yield from self._ready().scan(request, lambda: _check(context))
        except GeneratorExit:
            log.done(cancelled=True)
            raise
        except Exception as error:  # noqa: BLE001 - every failure must become a status
            log.abort(error)
        log.done()

    def _append(
        self,
        requests: Iterator[append_service_pb2.AppendRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[append_service_pb2.AppendResponse]:
        log = _Call("AppendService/Append", context)
        if not self._streams.acquire(blocking=False):
            log.abort(
                ResourceExhaustedError(
                    "TOO_MANY_STREAMS",
                    f"{self.config.streams_max} append streams are open, and no more are taken",
                )
            )
        inbox = Inbox(requests, self._draining)
        batches = refused = 0
        try:
            for response in self._ready().append(inbox):
                batches += response.HasField("ack")
                if response.HasField("refusal"):
                    refused += 1
                    log.refused(response.refusal)
                yield response
        except CxError as error:
            log.abort(error, batches=batches, refused=refused)
        except GeneratorExit:
            log.done(batches=batches, refused=refused, cancelled=True)
            raise
        except Exception as error:  # noqa: BLE001 - every failure must become a status
            log.abort(error, batches=batches, refused=refused)
        finally:
            inbox.close()
            self._streams.release()
        log.done(batches=batches, refused=refused)


def _check(context: grpc.ServicerContext) -> None:
    """Raise where the client is gone, or its deadline over."""
    if not context.is_active():
        raise CancelledError("CANCELLED", "the client is gone, or its deadline over")


class _Call:
    """One rpc in the log; ends it with a status where it fails."""

    def __init__(self, rpc: str, context: grpc.ServicerContext) -> None:
        given = dict(context.invocation_metadata()).get(_REQUEST_ID)
        self.request_id = str(given)[:64] if given else uuid.uuid4().hex[:16]
        self._context = context
        self._log = _LOG.bind(rpc=rpc, request_id=self.request_id, peer=context.peer())
        self._started_s = time.perf_counter()
        context.set_trailing_metadata(((_REQUEST_ID, self.request_id),))

    def _ms(self) -> float:
        return round(1000 * (time.perf_counter() - self._started_s), 3)

    def done(self, **facts: object) -> None:
        # Answers are many and cheap: what goes well is logged for streams, or when asked for.
        write = self._log.info if facts else self._log.debug
        write("rpc", code="OK", ms=self._ms(), **facts)

    def refused(self, refusal: append_service_pb2.AppendRefusal) -> None:
        self._log.warning(
            "batch refused",
            reason=refusal.reason,
            sequence=refusal.sequence,
            column=refusal.column or None,
            row=refusal.row if refusal.HasField("row") else None,
        )

    def abort(self, error: Exception, **facts: object) -> NoReturn:
        """End the rpc with the error's status; never returns."""
        if isinstance(error, CxError):
            self._log.info("rpc", code=error.code, reason=error.reason, ms=self._ms(), **facts)
        else:
            self._log.error("rpc", code="INTERNAL", ms=self._ms(), exc_info=error, **facts)
            error = CxError(
                "INTERNAL", f"an error of the server; its log names request {self.request_id}"
            )
        status = rpc_status.to_status(to_status(error))
        self._context.abort_with_status(
            status._replace(
                trailing_metadata=(*status.trailing_metadata, (_REQUEST_ID, self.request_id))
            )
        )
        raise AssertionError("abort_with_status raises")


def run(config: ServerConfig) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns
    -------
    int
        The exit code: 0 after an orderly end, 1 where it could not serve: the address is taken, or the data
        directory is in use or damaged. 74 where the disk failed (see store.journal).
    """
    configure_logs(config)
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
