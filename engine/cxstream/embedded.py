"""The in-process entry: the client class over an engine in this very process."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import Message

from cxstream.engine import Engine
from cxstream.errors import CxError
from cxstream.service.handlers import Handlers
from cxstream.service.status import to_status
from cxstream_api.v1.append_service_pb2 import AppendRequest, AppendResponse
from cxstream_client import Client
from cxstream_client.errors import Cancelled, from_status


def open_client(engine: Engine) -> Client:
    """Return a client whose requests are handled in this process; it owns the engine."""
    return Client(InProcessTransport(engine))


class InProcessTransport:
    """Calls the handlers directly; errors are those that would come over the wire."""

    target = "in process"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._handlers = Handlers(engine)

    def unary(self, service: str, method: str, request: Message, timeout_s: float) -> Message:
        """Call one rpc; `timeout_s` is for transports that wait for somebody else."""
        del timeout_s
        try:
            return self._handlers.unary[service, method](request)
        except CxError as error:
            raise from_status(to_status(error)) from error

    def append(self, requests: Iterator[AppendRequest]) -> _AppendCall:
        """Open an append stream."""
        return _AppendCall(self._handlers.append([one] for one in requests))

    def close(self) -> None:
        """End the engine."""
        self.engine.close()


class _AppendCall:
    def __init__(self, responses: Iterator[AppendResponse]) -> None:
        self._responses = responses
        self._cancelled = False

    def __iter__(self) -> Iterator[AppendResponse]:
        return self

    def __next__(self) -> AppendResponse:
        if self._cancelled:
            raise Cancelled("the stream was cancelled")
        try:
            return next(self._responses)
        except CxError as error:
            raise from_status(to_status(error)) from error

    def cancel(self) -> None:
        """End the stream before its next response."""
        self._cancelled = True
