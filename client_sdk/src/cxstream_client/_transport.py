"""How requests reach a server: the protocol every transport follows, and the one over gRPC.

The rest of the client knows only :class:`Transport`. Messages go in and come out; every failure
leaves a transport as a :class:`~cxstream_client.errors.CxstreamError`.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast, runtime_checkable

from google.protobuf import message_factory
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import UInt32Value

from cxstream_api.v1 import (
    admin_service_pb2,
    append_service_pb2,
    program_service_pb2,
    query_service_pb2,
)
from cxstream_api.v1.append_service_pb2 import AppendResponse
from cxstream_client import errors
from cxstream_client._append_window import Request

PACKAGE = "cxstream_api.v1"
UNARY_SERVICES = ("QueryService", "ProgramService", "AdminService")
APPEND_METHOD = f"/{PACKAGE}.AppendService/Append"
HEALTH_METHOD = "/grpc.health.v1.Health/Check"
HEALTH_SERVING = 1
HEALTH_POLL_S = 0.1

R_co = TypeVar("R_co", bound=Message, covariant=True)

_FILES = (append_service_pb2, program_service_pb2, query_service_pb2, admin_service_pb2)


class StreamCall(Protocol[R_co]):
    """The responses of one stream, in order."""

    def __iter__(self) -> Iterator[R_co]:
        """Return itself."""

    def __next__(self) -> R_co:
        """Wait for the next response.

        Raises
        ------
        StopIteration
            Where the server ended the stream well; an append stream, after the requests ended.
        CxstreamError
            Where the stream broke off.
        """

    def cancel(self) -> None:
        """End the stream at once; a waiting ``__next__`` raises. May come from any thread."""


AppendCall = StreamCall[AppendResponse]


class Transport(Protocol):
    """Carries messages to a server and back. Safe to use from several threads."""

    @property
    def target(self) -> str:
        """Where the server is, for people to read."""

    def unary(self, service: str, method: str, request: Message, timeout_s: float) -> Message:
        """Call an rpc with one request and one response.

        Parameters
        ----------
        service, method
            Names without the package, such as ``"QueryService"`` and ``"Nps"``.
        request
            The request message of that rpc.
        timeout_s
            Seconds to wait for the response.

        Returns
        -------
        Message
            The response message of that rpc.

        Raises
        ------
        CxstreamError
            Where the call fails.
        """

    def stream(
        self, service: str, method: str, request: Message, timeout_s: float
    ) -> StreamCall[Message]:
        """Call an rpc with one request and many responses.

        Parameters
        ----------
        service, method, request
            As in :meth:`unary`.
        timeout_s
            Seconds to wait for the last response.

        Returns
        -------
        StreamCall
            The responses.
        """

    def append(self, requests: Iterator[Request]) -> AppendCall:
        """Open an append stream.

        Parameters
        ----------
        requests
            The requests. Taking the next one may wait; the iterator ends when the stream does.

        Returns
        -------
        AppendCall
            The responses.
        """

    def close(self) -> None:
        """Give up the connection. Closing twice does no harm."""


@runtime_checkable
class Readiness(Protocol):
    """What a transport has besides whose server needs time to get ready."""

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the server takes requests.

        Raises
        ------
        Unavailable
            Where it does not within the time.
        """


@functools.cache
def response_class(service: str, method: str) -> type[Message]:
    """Return the class of an rpc's response.

    Parameters
    ----------
    service, method
        Names without the package.

    Raises
    ------
    KeyError
        Where there is no such rpc.
    """
    for file in _FILES:
        found = file.DESCRIPTOR.services_by_name.get(service)
        if found is not None:
            return message_factory.GetMessageClass(found.methods_by_name[method].output_type)
    raise KeyError(service)


@dataclass(frozen=True, slots=True)
class GrpcOptions:
    """Settings of a gRPC channel.

    Attributes
    ----------
    send_bytes_max : int
        Largest message sent, in bytes.
    receive_bytes_max : int
        Largest message accepted, in bytes.
    keepalive_time_s : float
        Seconds of silence after which the server is asked whether it is still there.
    keepalive_timeout_s : float
        Seconds it has to answer that before the connection counts as broken.
    attempts_max : int
        Tries of a query or program rpc, the first included, while the server is unavailable.
        Append streams are never retried by the channel.
    """

    send_bytes_max: int = 64 << 20
    receive_bytes_max: int = 64 << 20
    keepalive_time_s: float = 30.0
    keepalive_timeout_s: float = 15.0
    attempts_max: int = 4

    def channel_options(self) -> list[tuple[str, Any]]:
        """Return the options as ``grpc.insecure_channel`` takes them."""
        service_config = {
            "methodConfig": [
                {
                    "name": [{"service": f"{PACKAGE}.{service}"} for service in UNARY_SERVICES],
                    "retryPolicy": {
                        "maxAttempts": self.attempts_max,
                        "initialBackoff": "0.1s",
                        "maxBackoff": "2s",
                        "backoffMultiplier": 2,
                        "retryableStatusCodes": ["UNAVAILABLE"],
                    },
                }
            ]
        }
        return [
            ("grpc.max_send_message_length", self.send_bytes_max),
            ("grpc.max_receive_message_length", self.receive_bytes_max),
            ("grpc.keepalive_time_ms", int(self.keepalive_time_s * 1000)),
            ("grpc.keepalive_timeout_ms", int(self.keepalive_timeout_s * 1000)),
            ("grpc.keepalive_permit_without_calls", 0),
            ("grpc.enable_retries", int(self.attempts_max > 1)),
            ("grpc.service_config", json.dumps(service_config if self.attempts_max > 1 else {})),
        ]


class GrpcTransport:
    """A server reached over an insecure gRPC channel; connects on first use.

    Parameters
    ----------
    target
        ``"host:port"``, or whatever else gRPC resolves.
    options
        Settings of the channel.
    """

    def __init__(self, target: str, options: GrpcOptions | None = None) -> None:
        import grpc

        self._target = target
        self._channel = grpc.insecure_channel(
            target, options=(options or GrpcOptions()).channel_options()
        )
        #: By path; grpc resolves serialisers once per object.
        self._methods: dict[str, Any] = {}

    @property
    def target(self) -> str:
        """Where the server is."""
        return self._target

    def unary(self, service: str, method: str, request: Message, timeout_s: float) -> Message:
        """Call an rpc with one request and one response; see :meth:`Transport.unary`."""
        return self._call(
            f"/{PACKAGE}.{service}/{method}",
            request.SerializeToString(),
            response_class(service, method),
            timeout_s,
        )

    def append(self, requests: Iterator[Request]) -> AppendCall:
        """Open an append stream; see :meth:`Transport.append`."""
        try:
            call = self._channel.stream_stream(
                APPEND_METHOD,
                request_serializer=_serialized,
                response_deserializer=AppendResponse.FromString,
            )(requests)
        except ValueError as error:
            raise _closed_channel(error) from error
        return _GrpcCall[AppendResponse](call)

    def stream(
        self, service: str, method: str, request: Message, timeout_s: float
    ) -> StreamCall[Message]:
        """Call an rpc with one request and many responses; see :meth:`Transport.stream`."""
        reply = response_class(service, method)
        try:
            call = self._channel.unary_stream(
                f"/{PACKAGE}.{service}/{method}",
                request_serializer=None,
                response_deserializer=reply.FromString,
            )(request.SerializeToString(), timeout=timeout_s)
        except ValueError as error:
            raise _closed_channel(error) from error
        return _GrpcCall[Message](call)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the server's health service says that it serves.

        Parameters
        ----------
        timeout_s
            Seconds.

        Raises
        ------
        Unavailable
            Where it does not within the time.
        """
        deadline_s = time.monotonic() + timeout_s
        last = "it was not asked"
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                # HealthCheckResponse has one enum at number 1, which reads as a UInt32Value; the
                # request for the whole server is empty. So no health stubs are needed.
                answer = cast(UInt32Value, self._call(HEALTH_METHOD, b"", UInt32Value, left_s))
            except (errors.Unavailable, errors.DeadlineExceeded) as error:
                last = error.message
            else:
                if answer.value == HEALTH_SERVING:
                    return
                last = "it is starting or stopping"
            time.sleep(min(HEALTH_POLL_S, max(0.0, deadline_s - time.monotonic())))
        raise errors.Unavailable(
            f"{self._target} was not ready within {timeout_s:g} s: {last}", reason="NOT_READY"
        )

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _call(self, path: str, request: bytes, reply: type[Message], timeout_s: float) -> Message:
        import grpc

        try:
            method = self._methods.get(path)
            if method is None:
                method = self._methods[path] = self._channel.unary_unary(
                    path, request_serializer=None, response_deserializer=reply.FromString
                )
            response: Message = method(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise errors.from_rpc_error(error) from error
        except ValueError as error:
            raise _closed_channel(error) from error
        return response


class _GrpcCall(Generic[R_co]):
    """The response iterator of a gRPC stream, with our errors."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Iterator[R_co]:
        return self

    def __next__(self) -> R_co:
        import grpc

        try:
            response: R_co = next(self._call)
        except grpc.RpcError as error:
            raise errors.from_rpc_error(error) from error
        return response

    def cancel(self) -> None:
        self._call.cancel()


def _serialized(request: Request) -> bytes:
    return request.SerializeToString()


def _closed_channel(error: ValueError) -> errors.CxstreamError:
    """Say what grpc's ValueError about a closed channel means."""
    return errors.PreconditionFailed(f"the client is closed ({error})", reason="CLIENT_CLOSED")
