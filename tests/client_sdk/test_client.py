"""Requests the client makes, and options it refuses before it makes one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

import cxstream_client as cx
from cxstream_api.v1 import (
    admin_service_pb2,
    common_pb2,
    drivers_pb2,
    metrics_pb2,
    models_pb2,
    program_pb2,
    program_service_pb2,
    program_service_pb2_grpc,
    reliability_pb2,
)
from cxstream_client._transport import response_class
from tests.waiting import WAIT_S, until

from .conftest import Running


class Recorder:
    """A transport that keeps requests and answers with empty messages."""

    target = "recorder"

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any, float]] = []
        self.closed = False

    def unary(self, service: str, method: str, request: Message, timeout_s: float) -> Message:
        self.calls.append((service, method, request, timeout_s))
        return response_class(service, method)()

    def append(self, requests: Iterator[Any]) -> Any:
        raise cx.Unavailable("no streams here")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(recorder: Recorder) -> cx.Client:
    return cx.Client(recorder, timeout_s=7.0)


def test_shared_part_of_questions(recorder: Recorder, client: cx.Client) -> None:
    result = client.nps(
        "p",
        "q",
        by=["region", "month"],
        where={"peak": 2, "new": True, "area": ["a", None], "gone": None, "none": []},
        since=dt.date(2017, 5, 1),
        until=dt.datetime(2017, 6, 1, 12),
        confidence=0.9,
        interval="score",
    )
    ((service, method, request, timeout_s),) = recorder.calls
    assert (service, method, timeout_s) == ("QueryService", "Nps", 7.0)
    assert request == metrics_pb2.NpsRequest(
        selection=common_pb2.Selection(
            program="p",
            by=["region", "month"],
            where=[
                common_pb2.Filter(dimension="peak", levels=["2"]),
                common_pb2.Filter(dimension="new", levels=["true"]),
                common_pb2.Filter(dimension="area", levels=["a"], include_null=True),
                common_pb2.Filter(dimension="gone", include_null=True),
                common_pb2.Filter(dimension="none"),
            ],
            since="2017-05-01",
            until="2017-06-01T12:00:00",
            confidence=0.9,
        ),
        question="q",
        interval_method=metrics_pb2.NPS_INTERVAL_METHOD_SCORE,
    )
    assert result.to_arrow().column_names[:2] == ["region", "month"]


def test_every_question(recorder: Recorder, client: cx.Client) -> None:
    selection = common_pb2.Selection(program="p", by=["r"], confidence=0.95)
    asked: list[tuple[Callable[[], Any], str, Any]] = [
        (
            lambda: client.nps("p", "q", by="r"),
            "Nps",
            metrics_pb2.NpsRequest(
                selection=selection,
                question="q",
                interval_method=metrics_pb2.NPS_INTERVAL_METHOD_UNSPECIFIED,
            ),
        ),
        (
            lambda: client.csat("p", "q", by="r", top=0),
            "Csat",
            metrics_pb2.CsatRequest(selection=selection, question="q", top=0),
        ),
        (
            lambda: client.csat("p", "q", by="r"),
            "Csat",
            metrics_pb2.CsatRequest(selection=selection, question="q"),
        ),
        (
            lambda: client.ces("p", "q", by="r", variant="net"),
            "Ces",
            metrics_pb2.CesRequest(
                selection=selection, question="q", variant=metrics_pb2.CES_VARIANT_NET
            ),
        ),
        (
            lambda: client.distribution("p", "q", by="r"),
            "Distribution",
            metrics_pb2.DistributionRequest(selection=selection, question="q"),
        ),
        (
            lambda: client.index("p", "i", by="r", missing="item_means"),
            "WeightedIndex",
            metrics_pb2.WeightedIndexRequest(selection=selection, index="i", missing="item_means"),
        ),
        (
            lambda: client.scorecard("p", "q", by="r"),
            "Scorecard",
            metrics_pb2.ScorecardRequest(selection=selection, question="q"),
        ),
        (
            lambda: client.regression("p", "m", by="r"),
            "Regression",
            models_pb2.RegressionRequest(selection=selection, model="m"),
        ),
        (
            lambda: client.regression("p", outcome="y", drivers=["x"], by="r"),
            "Regression",
            models_pb2.RegressionRequest(selection=selection, outcome="y", drivers=["x"]),
        ),
        (
            lambda: client.regression("p", "m", by="r", errors="cluster", cluster="shop"),
            "Regression",
            models_pb2.RegressionRequest(
                selection=selection,
                model="m",
                errors=models_pb2.STANDARD_ERRORS_CLUSTER,
                cluster="shop",
            ),
        ),
        (
            lambda: client.drivers("p", "m", by="r", cut="median"),
            "Drivers",
            drivers_pb2.DriversRequest(
                selection=selection, model="m", cut=drivers_pb2.QUADRANT_CUT_MEDIAN
            ),
        ),
        (
            lambda: client.reliability("p", ["x", "y"], by="r"),
            "Reliability",
            reliability_pb2.ReliabilityRequest(selection=selection, items=["x", "y"]),
        ),
        (
            lambda: client.reliability("p", index="i", by="r"),
            "Reliability",
            reliability_pb2.ReliabilityRequest(selection=selection, index="i"),
        ),
        (
            lambda: client.insights("p", outcome="y", correction="benjamini_hochberg", by="r"),
            "Insights",
            models_pb2.InsightsRequest(
                selection=selection,
                outcome="y",
                correction=common_pb2.CORRECTION_BENJAMINI_HOCHBERG,
            ),
        ),
    ]
    for ask, method, want in asked:
        ask()
        service, called, request, _ = recorder.calls.pop()
        assert (service, called, request) == ("QueryService", method, want)


@pytest.mark.parametrize(
    "ask, message",
    [
        (
            lambda c: c.nps("p", "q", interval="wilson"),
            'interval: .* "adjusted_wald", "score", "wald"',
        ),
        (lambda c: c.ces("p", "q", variant="nett"), 'did you mean "net"'),
        (lambda c: c.insights("p", correction=None), '"holm", "benjamini_hochberg"'),
        (lambda c: c.index("p", "i", missing="drop"), '"renormalise", "item_means", "complete"'),
        (lambda c: c.regression("p"), "either a model, or outcome"),
        (lambda c: c.regression("p", "m", outcome="y"), "either a model, or outcome"),
        (lambda c: c.nps("p", "q", where={"a": 1.5}), "where: a is 1.5"),
        (lambda c: c.nps("p", "q", where={"a": [b"x"]}), "where: a is b'x'"),
        (lambda c: c.nps("p", "q", by=[1]), "by: expected names"),
        (lambda c: c.nps("p", "q", since=5), "since: expected a date"),
        (
            lambda c: c.nps("p", "q", until=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
            "until: .* has a time zone",
        ),
        (lambda c: c.nps("p", "q", confidence="95%"), "confidence: expected a number"),
        (lambda c: c.append("p", producer="a", window=0), "expected at least 1"),
        (lambda c: c.put_program({"nme": 1}), 'did you mean "name"'),
    ],
)
def test_bad_options_are_refused_here(
    recorder: Recorder, client: cx.Client, ask: Any, message: str
) -> None:
    with pytest.raises(cx.InvalidInput, match=message):
        ask(client)
    assert not recorder.calls


def test_programs(recorder: Recorder, client: cx.Client, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('name = "p"', "utf-8")
    want = program_service_pb2.PutProgramRequest(program=program_pb2.Program(name="p"))
    forms: list[Any] = [path, str(path), {"name": "p"}, want.program, cx.Program(want.program)]
    for form in forms:
        info = client.put_program(form)
        assert recorder.calls.pop()[:3] == ("ProgramService", "PutProgram", want)
        assert info.changed is False
    assert client.get_program("p").name == ""
    assert client.program_info("p").changed is None
    assert client.list_programs() == ()


def test_a_client_closes_its_transport(recorder: Recorder) -> None:
    with cx.Client(recorder) as client:
        client.wait_ready(0.0)  # This transport has nothing to wait for.
        with pytest.raises(cx.Unavailable, match="no streams here"):
            client.append("p", producer="a")
    assert recorder.closed
    assert repr(client) == "Client('recorder')"


class Programs(program_service_pb2_grpc.ProgramServiceServicer):
    """Unavailable for a while."""

    def __init__(self) -> None:
        self.calls = 0

    def PutProgram(self, request: Any, context: Any) -> Any:  # noqa: N802
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "not here")

    GetProgram = PutProgram

    def ListPrograms(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.calls += 1
        if self.calls < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        info = program_service_pb2.ProgramInfo(name="p", version=1, views=["total"])
        return program_service_pb2.ListProgramsResponse(programs=[info])


def test_queries_are_tried_again_while_the_server_starts() -> None:
    servicer = Programs()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    program_service_pb2_grpc.add_ProgramServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with cx.connect(f"127.0.0.1:{port}", timeout_s=WAIT_S) as client:
            (info,) = client.list_programs()
            assert info == cx.ProgramInfo("p", 1, 0, 0, ("total",), ())
            assert servicer.calls == 3
            with pytest.raises(cx.Internal) as caught:
                client.get_program("p")
            assert caught.value.code == "UNIMPLEMENTED"
        options = cx.GrpcOptions(attempts_max=1)
        servicer.calls = 0
        with (
            cx.connect(f"127.0.0.1:{port}", options=options) as client,
            pytest.raises(cx.Unavailable, match="starting"),
        ):
            client.list_programs()
    finally:
        server.stop(0).wait(WAIT_S)


def not_ready(client: cx.Client) -> str:
    with pytest.raises(cx.Unavailable) as caught:
        client.wait_ready(0.3)
    return str(caught.value)


def test_readiness(running: Running) -> None:
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    server = grpc.server(futures.ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with cx.connect(f"127.0.0.1:{port}") as client:
            until(lambda: "starting or stopping" in not_ready(client))
            servicer.set("", health_pb2.HealthCheckResponse.SERVING)
            client.wait_ready(WAIT_S)
        with (
            cx.connect("127.0.0.1:1") as client,
            pytest.raises(cx.Unavailable, match="was not ready within"),
        ):
            client.wait_ready(0.3)
    finally:
        server.stop(0).wait(WAIT_S)


@pytest.mark.parametrize(("given", "sent"), [("c-7", "c-7"), (7, "7"), (-7, "-7"), ("", "")])
def test_erase(recorder: Recorder, client: cx.Client, given: str | int, sent: str) -> None:
    receipt = client.erase("p", given)
    assert receipt == cx.ErasureReceipt(0, "", 0, 0, 0, "")
    ((service, method, request, timeout_s),) = recorder.calls
    assert (service, method, timeout_s) == ("AdminService", "Erase", 600.0)
    assert request == admin_service_pb2.EraseRequest(program="p", customer=sent)


@pytest.mark.parametrize("given", [True, None, 1.0, b"c", "\udc00"])
def test_erase_what_is_no_key(recorder: Recorder, client: cx.Client, given: Any) -> None:
    with pytest.raises(cx.InvalidInput, match="customer: expected text"):
        client.erase("p", given)
    assert not recorder.calls


def test_drop_before(recorder: Recorder, client: cx.Client) -> None:
    assert client.drop_before("p", "2017-05", timeout_s=9.0) == 0
    ((service, method, request, timeout_s),) = recorder.calls
    assert (service, method, timeout_s) == ("AdminService", "DropBefore", 9.0)
    assert request == admin_service_pb2.DropBeforeRequest(program="p", month="2017-05")
