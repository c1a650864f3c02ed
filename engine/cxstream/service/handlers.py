"""Every rpc as a plain function of its request. Shared by the gRPC server and the in-process entry.

They raise CxError; what carries them turns that into a status.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from google.protobuf.message import Message

from cxstream.answers import OnRows
from cxstream.engine import Engine
from cxstream.errors import InvalidArgumentError
from cxstream.service.appending import Appending
from cxstream.service.messages import to_info
from cxstream.service.queries import ASKED
from cxstream.service.scanning import Check, Scanning
from cxstream.service.wire import of_message
from cxstream.state import Moment
from cxstream_api.v1 import (
    admin_service_pb2,
    append_service_pb2,
    program_service_pb2,
    query_service_pb2,
)
from cxstream_client._append_window import BatchRequest
from cxstream_client.program import Program, message_to_dict

ARROW_BYTES_MAX = 16 * 2**20


class Handlers:
    """The rpcs of one engine.

    Attributes
    ----------
    unary : dict of (service, method) to function
        Rpcs with one request and one response, but for
    queries : dict of request class to function of (request, on_rows)
        those of QueryService, which give the bytes of a response.
    """

    def __init__(self, engine: Engine, *, arrow_bytes_max: int = ARROW_BYTES_MAX) -> None:
        self.engine = engine
        self.arrow_bytes_max = arrow_bytes_max
        self.unary: dict[tuple[str, str], Callable[[Any], Message]] = {
            ("ProgramService", "PutProgram"): self.put_program,
            ("ProgramService", "GetProgram"): self.get_program,
            ("ProgramService", "ListPrograms"): self.list_programs,
            ("AdminService", "Checkpoint"): self.checkpoint,
            ("AdminService", "Erase"): self.erase,
            ("AdminService", "DropBefore"): self.drop_before,
        }
        self.queries: dict[type[Message], Callable[[Any, OnRows], bytes]] = {
            request: partial(asked, engine) for request, asked in ASKED.items()
        }

    def call(self, service: str, method: str, request: Message, check: Check) -> bytes:
        """Return the bytes of the response of an rpc with one request and one response.

        Parameters
        ----------
        service, method : str
        request : Message
        check : function
            Called while stored responses are counted: raises where nobody waits any more.
        """
        if service == "QueryService":
            return self.queries[type(request)](request, lambda *_: check())
        return self.unary[service, method](request).SerializeToString()

    def moment(self, request: Message) -> Moment | None:
        """Return for how long the reply to a request will hold; None where there is no telling."""
        asked: Any = request
        if "selection" not in request.DESCRIPTOR.fields_by_name:
            return None
        return self.engine.moment(asked.selection.program)

    # --- programs ---------------------------------------------------------------------------------

    def put_program(
        self, request: program_service_pb2.PutProgramRequest
    ) -> program_service_pb2.PutProgramResponse:
        """Declare a program."""
        info, changed = self.engine.put_program(message_to_dict(request.program))
        return program_service_pb2.PutProgramResponse(info=to_info(info), changed=changed)

    def get_program(
        self, request: program_service_pb2.GetProgramRequest
    ) -> program_service_pb2.GetProgramResponse:
        """Return a program as declared."""
        tables, info = self.engine.program_tables(request.name)
        return program_service_pb2.GetProgramResponse(
            program=Program.from_dict(tables).message, info=to_info(info)
        )

    def list_programs(
        self, _: program_service_pb2.ListProgramsRequest
    ) -> program_service_pb2.ListProgramsResponse:
        """Return all programs."""
        return program_service_pb2.ListProgramsResponse(
            programs=[to_info(info) for info in self.engine.programs()]
        )

    # --- the data directory -----------------------------------------------------------------------

    def checkpoint(
        self, _: admin_service_pb2.CheckpointRequest
    ) -> admin_service_pb2.CheckpointResponse:
        """Make the data directory ready to be copied."""
        done = self.engine.checkpoint()
        return admin_service_pb2.CheckpointResponse(
            programs=done.programs,
            responses=done.responses,
            batches=done.batches,
            bytes=done.bytes,
        )

    def erase(self, request: admin_service_pb2.EraseRequest) -> admin_service_pb2.EraseResponse:
        """Remove a customer's responses."""
        done = self.engine.erase(request.program, request.customer)
        return admin_service_pb2.EraseResponse(
            number=done.number,
            program=done.program,
            responses=done.responses,
            batches=done.batches,
            files=done.files,
            erased_at=done.erased_at,
        )

    def drop_before(
        self, request: admin_service_pb2.DropBeforeRequest
    ) -> admin_service_pb2.DropBeforeResponse:
        """Remove the months before one."""
        responses = self.engine.drop_before(request.program, request.month)
        return admin_service_pb2.DropBeforeResponse(responses=responses)

    # --- queries ------------------------------------------------------------------------------------

    def scan(
        self, request: query_service_pb2.ScanRequest, check: Check
    ) -> Generator[query_service_pb2.ScanResponse]:
        """Answer any query, after word of how far it is; ends early where `check` raises.

        Raises
        ------
        CxError
            What the query raises, or ``check``.
        """
        name = request.WhichOneof("query")
        if name is None:
            raise InvalidArgumentError("NO_QUERY", "the request asks nothing", expected="a query")
        query = getattr(request, name)
        with Scanning(partial(self.queries[type(query)], query)) as scanning:
            for done, total in scanning.progress(check):
                yield query_service_pb2.ScanResponse(
                    progress=query_service_pb2.ScanProgress(rows_done=done, rows_all=total)
                )
            last = query_service_pb2.ScanResponse()
            getattr(last, name).MergeFromString(scanning.answer())
            yield last

    # --- streaming in -----------------------------------------------------------------------------

    def appending(self) -> Appending:
        """Return what a new append stream means."""
        return Appending(self.engine, self.arrow_bytes_max)

    def append(
        self, requests: Iterable[Sequence[append_service_pb2.AppendRequest | BatchRequest]]
    ) -> Iterator[append_service_pb2.AppendResponse]:
        """Answer each request of an append stream, in order, in the caller's thread.

        Parameters
        ----------
        requests : iterable of sequences
            Those that are there, each time; small batches among them are counted together.

        Raises
        ------
        CxError
            The stream cannot go on: no valid `open`, or an unknown program.
        """
        stream = self.appending()
        for group in requests:
            left = deque(map(of_message, group))
            while left:
                first = left[0]
                if isinstance(first, append_service_pb2.AppendOpen):
                    responses = iter([stream.open(first)])
                elif run := stream.run(left):
                    responses = stream.responses(run, stream.appender.append_next(run))
                else:
                    responses = stream.responses([first], stream.too_large(first))
                for response in responses:
                    left.popleft()
                    yield response
