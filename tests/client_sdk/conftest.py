"""A scripted server: real gRPC, answers written by the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from cxstream_api.v1 import append_service_pb2_grpc
from cxstream_api.v1.append_service_pb2 import (
    AppendAck,
    AppendOpened,
    AppendRefusal,
    AppendRequest,
    AppendResponse,
)
from cxstream_client import Client, GrpcTransport
from tests.waiting import WAIT_S

Hook = Callable[["ScriptedServer", AppendRequest], AppendResponse | None]


@dataclass
class ScriptedServer(append_service_pb2_grpc.AppendServiceServicer):
    """Keeps the sequence rule of the protocol; `on_batch` decides about batches in sequence.

    `on_batch` returns None to store the batch, or another response; it may also raise `Abort`.
    """

    expected: int = 0
    arrow_bytes_max: int = 4 << 20
    on_batch: Hook | None = None
    on_open: Hook | None = None
    requests: list[AppendRequest] = field(default_factory=list)
    stored: list[AppendRequest] = field(default_factory=list)
    schemas: list[bytes] = field(default_factory=list)  # the one each stored batch came under
    openings: int = 0
    lose_answers: bool = False  # store, but say nothing
    target: str = ""
    hold: threading.Event = field(default_factory=threading.Event)

    def Append(self, request_iterator: Any, context: Any) -> Iterator[AppendResponse]:  # noqa: N802
        schema = b""
        for request in request_iterator:
            self.requests.append(request)
            try:
                if request.HasField("open"):
                    self.openings += 1
                    answer = self.on_open(self, request) if self.on_open else None
                    if answer is None:
                        schema = request.open.arrow_schema
                    yield answer or self.opened()
                else:
                    answer = self._batch(request, schema)
                    if answer is not None:
                        yield answer
            except Abort as abort:
                context.abort(abort.code, abort.message)

    def _batch(self, request: AppendRequest, schema: bytes) -> AppendResponse | None:
        if request.sequence > self.expected:
            return refusal(self, request, 11, "SEQUENCE_GAP", "a gap")
        if request.sequence < self.expected:
            return ack(self, request, duplicate=True)
        answer = self.on_batch(self, request) if self.on_batch else None
        if answer is not None:
            return answer
        self.stored.append(request)
        self.schemas.append(schema)
        self.expected += 1
        return None if self.lose_answers else ack(self, request)

    def opened(self) -> AppendResponse:
        return AppendResponse(
            opened=AppendOpened(
                next_sequence=self.expected,
                arrow_bytes_max=self.arrow_bytes_max,
                program_version=1,
            )
        )


class Abort(Exception):
    """Ends the stream with a status."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def ack(server: ScriptedServer, request: AppendRequest, duplicate: bool = False) -> AppendResponse:
    """Acknowledge a batch."""
    return AppendResponse(
        ack=AppendAck(
            next_sequence=server.expected,
            sequence=request.sequence,
            rows=request.rows,
            duplicate=duplicate,
        )
    )


def refusal(
    server: ScriptedServer,
    request: AppendRequest,
    code: int,
    reason: str,
    message: str,
    **more: Any,
) -> AppendResponse:
    """Refuse a batch."""
    return AppendResponse(
        refusal=AppendRefusal(
            code=code,
            reason=reason,
            message=message,
            sequence=request.sequence,
            next_sequence=server.expected,
            **more,
        )
    )


@dataclass
class Running:
    """A server that listens, and how to stop and start it again."""

    servicer: ScriptedServer
    target: str
    servers: list[grpc.Server]

    def start(self) -> None:
        """Listen (again) on the same port."""
        server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        append_service_pb2_grpc.add_AppendServiceServicer_to_server(self.servicer, server)
        port = server.add_insecure_port(self.target or "127.0.0.1:0")
        self.target = self.target or f"127.0.0.1:{port}"
        server.start()
        self.servers.append(server)

    def stop(self) -> None:
        """Break all streams off."""
        while self.servers:
            self.servers.pop().stop(0).wait(WAIT_S)


@pytest.fixture
def running() -> Iterator[Running]:
    """A scripted server on a free port."""
    made = Running(ScriptedServer(), "", [])
    made.start()
    yield made
    made.servicer.hold.set()
    made.stop()


@pytest.fixture
def server(running: Running) -> ScriptedServer:
    """The servicer of the running server."""
    return running.servicer


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    """A client of the running server."""
    with Client(GrpcTransport(running.target), timeout_s=WAIT_S) as made:
        yield made
