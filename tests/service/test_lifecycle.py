"""Start, readiness, reflection, limits and the end of a real server process."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import cxstream_client as cx
from cxstream.engine import Engine
from cxstream.service.config import ServerConfig
from cxstream.service.server import Server
from tests.serving import serving
from tests.waiting import WAIT_S, until

PROGRAM = {"name": "p", "questions": {"q": {"kind": "nps"}}}


class Process:
    """A server process under the test's own hand."""

    def __init__(self, tmp_path: Path, **settings: object) -> None:
        self.port_file = tmp_path / "address"
        environment = {
            "PATH": "/usr/bin:/bin",
            "CXSTREAM_LISTEN": "127.0.0.1:0",
            "CXSTREAM_LOG_FORMAT": "json",
            "CXSTREAM_PORT_FILE": str(self.port_file),
            **{f"CXSTREAM_{key.upper()}": str(value) for key, value in settings.items()},
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cxstream.service"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def address(self) -> str:
        until(lambda: self.port_file.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, "the server ended early"
        return self.port_file.read_text().strip()

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, errors


def test_health_is_not_serving_until_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    is_warm = threading.Event()

    def warmed(**settings: Any) -> Engine:
        assert is_warm.wait(WAIT_S)
        return Engine(**settings)

    monkeypatch.setattr("cxstream.engine.Engine", warmed)
    server = Server(ServerConfig(listen="127.0.0.1:0"), lambda: None)
    server.start()
    try:
        with grpc.insecure_channel(server.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            def status(service: str) -> Any:
                asked = health_pb2.HealthCheckRequest(service=service)
                return stub.Check(asked, wait_for_ready=True).status

            for service in ("", "cxstream_api.v1.QueryService"):
                assert status(service) == health_pb2.HealthCheckResponse.NOT_SERVING
            is_warm.set()
            for service in ("", "cxstream_api.v1.QueryService"):
                until(lambda one=service: status(one) == health_pb2.HealthCheckResponse.SERVING)
    finally:
        is_warm.set()
        server.stop()
        gc.unfreeze()


def test_what_is_there_once_it_is_warm_is_left_to_no_collector() -> None:
    gc.unfreeze()
    with serving():
        assert gc.isenabled()
        assert gc.get_freeze_count() > 100_000


def test_reflection_lists_the_services(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (reply,) = stub.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        )
    names = {one.name for one in reply.list_services_response.service}
    assert {
        "cxstream_api.v1.AppendService",
        "cxstream_api.v1.ProgramService",
        "cxstream_api.v1.QueryService",
        "grpc.health.v1.Health",
    } <= names


def test_sigterm_ends_open_streams_with_a_status(tmp_path: Path) -> None:
    server = Process(tmp_path)
    with cx.connect(server.address()) as client:
        client.put_program(PROGRAM)
        stream = client.append("p", producer="a")
        stream.send({"q": [10, 0]}, wait=True)
        code, log = server.end()
        with pytest.raises(cx.Unavailable, match="shutting down") as caught:
            stream.send({"q": [10, 0]}, wait=True)
        assert caught.value.reason == "SHUTTING_DOWN"
    assert code == 0
    assert '"listening"' in log and '"stopped"' in log


def test_a_taken_port_is_said_so(tmp_path: Path, address: str) -> None:
    server = Process(tmp_path, listen=address)
    _, errors = server.process.communicate(timeout=WAIT_S)
    assert server.process.returncode == 1
    assert "is the port in use" in errors


def test_too_large_a_batch_is_refused_and_the_stream_goes_on() -> None:
    from cxstream_api.v1 import append_service_pb2, append_service_pb2_grpc

    with serving(arrow_bytes_max=65536) as address, cx.connect(address) as client:
        client.put_program(PROGRAM)
        opened = append_service_pb2.AppendOpen(program="p", producer="big")
        with grpc.insecure_channel(address) as channel:
            stub = append_service_pb2_grpc.AppendServiceStub(channel)
            replies = list(
                stub.Append(
                    iter(
                        [
                            append_service_pb2.AppendRequest(open=opened),
                            append_service_pb2.AppendRequest(rows=1, arrow=bytes(65537)),
                            append_service_pb2.AppendRequest(rows=1, arrow=bytes(8)),
                        ]
                    )
                )
            )
            assert replies[1].refusal.reason == "MESSAGE_TOO_LARGE"
            assert replies[2].refusal.reason == "NO_SCHEMA"
            # Beyond the transport's own limit the stream ends, with a code of its own.
            with pytest.raises(grpc.RpcError) as caught:
                list(stub.Append(iter([append_service_pb2.AppendRequest(arrow=bytes(300_000))])))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        # The SDK cuts its frames to what the server takes.
        with client.append("p", producer="many") as stream:
            stream.send({"q": np.arange(200_000) % 11})
        assert client.nps("p", "q").n == 200_000


def test_more_streams_than_allowed_are_told_so() -> None:
    with serving(streams_max=1) as address, cx.connect(address) as client:
        client.put_program(PROGRAM)
        with client.append("p", producer="first") as stream:
            stream.send({"q": [1]}, wait=True)
            with pytest.raises(cx.Overloaded, match="append streams are open"):
                client.append("p", producer="second")
            stream.send({"q": [1]}, wait=True)
        assert client.nps("p", "q").n == 2


def test_settings_come_from_file_then_environment_then_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.toml"
    file.write_text('listen = "127.0.0.1:1"\nworkers = 8\nthreads = 1\n')
    monkeypatch.setenv("CXSTREAM_WORKERS", "16")
    monkeypatch.setenv("CXSTREAM_THREADS", "2")
    config = ServerConfig.load(file, threads=3, workers=None)
    assert (config.listen, config.workers, config.threads) == ("127.0.0.1:1", 16, 3)
    with pytest.raises(ValueError, match="extra"):
        ServerConfig.load(None, lissten="x")
    file.write_text("lissten = 1\n")
    with pytest.raises(ValueError, match="lissten"):
        ServerConfig.load(file)
    with pytest.raises(FileNotFoundError):
        ServerConfig.load(tmp_path / "absent.toml")
