"""The in-process entry: the client class over an engine in this very process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

from google.protobuf.message import Message

from cxstream.engine import Engine
from cxstream.errors import CxError, DeadlineExceededError
from cxstream.service.handlers import Handlers
from cxstream.service.scanning import Check
from cxstream.service.status import to_status
from cxstream_api.v1.append_service_pb2 import AppendResponse
from cxstream_api.v1.query_service_pb2 import ScanRequest, ScanResponse
from cxstream_client import Client
from cxstream_client._append_window import Request
from cxstream_client._transport import response_class
from cxstream_client.client import DEFAULT_TIMEOUT_S
from cxstream_client.errors import Cancelled, Internal, from_status

M = TypeVar("M", bound=Message)


def open_client(engine: Engine, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Client:
    """Return a client whose requests are handled in this process; it owns the engine."""
    return Client(InProcessTransport(engine), timeout_s=timeout_s)


class InProcessTransport:
    """Calls the handlers directly; errors are those that would come over the wire."""

    target = "in process"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._handlers = Handlers(engine)

    def unary(self, service: str, method: str, request: Message, timeout_s: float) -> Message:
        """Call one rpc; `timeout_s` is for those that count stored responses."""
        try:
            reply = self._handlers.call(service, method, request, _until(timeout_s))
        except CxError as error:
            raise from_status(to_status(error)) from error
        return response_class(service, method).FromString(reply)

    def stream(self, service: str, method: str, request: Message, timeout_s: float) -> _ScanCall:
        """Call the rpc with one request and many responses."""
        if not isinstance(request, ScanRequest):
            raise Internal(f"{service}.{method} takes no {type(request).__name__}")
        return _ScanCall(self._handlers.scan(request, _until(timeout_s)))

    def append(self, requests: Iterator[Request]) -> _Call[AppendResponse]:
        """Open an append stream."""
        return _Call(self._handlers.append([one] for one in requests))

    def close(self) -> None:
        """End the engine."""
        self.engine.close()


def _until(timeout_s: float) -> Check:
    """Return a check that raises once the time is over."""
    end_s = time.monotonic() + timeout_s

    def check() -> None:
        if time.monotonic() > end_s:
            raise DeadlineExceededError(
                "DEADLINE_EXCEEDED", f"there was no answer within {timeout_s:g} s"
            )

    return check


class _Call(Generic[M]):
    def __init__(self, responses: Iterator[M]) -> None:
        self._responses = responses
        self._cancelled = False

    def __iter__(self) -> Iterator[M]:
        return self

    def __next__(self) -> M:
        if self._cancelled:
            raise Cancelled("the stream was cancelled")
        try:
            return next(self._responses)
        except CxError as error:
            raise from_status(to_status(error)) from error

    def cancel(self) -> None:
        """End the stream before its next response."""
        self._cancelled = True


class _ScanCall(_Call[ScanResponse]):
    def __init__(self, responses: Generator[ScanResponse]) -> None:
        super().__init__(responses)
        self._scan = responses

    def cancel(self) -> None:
        """End the count as well, unless another thread waits for the next response."""
        super().cancel()
        with contextlib.suppress(ValueError):
            self._scan.close()
