"""The client: declare programs, stream responses in, ask for answers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from os import PathLike
from types import TracebackType
from typing import Any, Self

from cxstream_api.v1 import admin_service_pb2, program_pb2, program_service_pb2
from cxstream_client import results
from cxstream_client._asking import Questions
from cxstream_client._asking.asking import OnProgress
from cxstream_client._transport import GrpcOptions, GrpcTransport, Readiness, Transport
from cxstream_client.append import BATCH_BYTES, WINDOW, AppendStream, OnRefused
from cxstream_client.errors import InvalidInput, PreconditionFailed
from cxstream_client.program import Program

DEFAULT_TARGET = "127.0.0.1:50051"
DEFAULT_TIMEOUT_S = 30.0
#: For what reads or writes much of a data directory.
UPKEEP_TIMEOUT_S = 600.0
#: How often it is asked whether a changed program is counted: at first, and later.
REBUILD_POLL_S = (0.005, 0.5)


def connect(
    target: str = DEFAULT_TARGET,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    options: GrpcOptions | None = None,
) -> Client:
    """Return a client of the server at an address; the connection is made on first use.

    Parameters
    ----------
    target
        ``"host:port"``.
    timeout_s
        Seconds to wait for an answer, unless a method is told otherwise.
    options
        Settings of the gRPC channel; the defaults suit most uses.

    Examples
    --------
    >>> with connect("127.0.0.1:50051") as client:
    ...     print(client)
    Client('127.0.0.1:50051')
    """
    return Client(GrpcTransport(target, options), timeout_s=timeout_s)


class Client(Questions):
    """Programs, responses and answers of one server. Safe to use from several threads.

    All methods raise :class:`~cxstream_client.errors.CxstreamError` and nothing else where a
    request fails; options are checked before anything is sent.

    Parameters
    ----------
    transport
        Carries the messages.
    timeout_s
        Seconds to wait for an answer.

    Notes
    -----
    Arguments that all questions take, by name (``**asked``):

    ``by``
        Dimensions and at most one time bucket (hour, day, week, month, quarter, year): one row
        per combination that has responses. A single name may be given as text.
    ``where``
        Level, or list of levels, by dimension; only responses that have one of them count. None
        stands for responses without a level.
    ``since``, ``until``
        Only responses from the one instant on and before the other; local to the program's time
        zone, on an edge of the finest bucket kept.
    ``confidence``
        Level of all intervals, above 0 and below 1.
    ``weighting``
        ``"none"`` (the default): each response counts as one, whether the program declares a weight
        or not. ``"declared"``: with its survey weight. Answers of no program have no weighted form and
        refuse it.
    ``rake``
        Targets by dimension, or by a tuple of dimensions, and level: ``{"region": {"north": 0.4,
        "south": 0.6}}``. The weights are fitted to them, by post-stratification for one and raking
        for several; shares, percentages and totals are as good. The margins are those of all
        responses of the time range; ``where`` picks from them afterwards.
    ``rake_bounds``
        Smallest and largest factor that this may give a response, such as ``(0.2, 5)``; None for no
        limit.
    ``on_progress``
        Function of (responses read, responses to be read), called about ten times a second while
        the server counts stored responses because no declared view keeps them grouped so; both
        are 0 while that waits for another such question. Never called where the answer comes at
        once. What it raises ends the count on the server, and is raised.

    Examples
    --------
    >>> for row in client.nps("sfo-2017", "netpro", by="peak", where={"peak": ["1", "2"]}):
    ...     print(row.group, row.labels["peak"], row.n, round(row.score, 1))
    {'peak': '1'} Domestic peak 759 41.8
    {'peak': '2'} Domestic off-peak 966 44.8
    >>> by_month = client.nps("shop", "recommend", by="month", since="2026-04-01", confidence=0.9)
    >>> for row in by_month:
    ...     print(row.group["month"], row.n, f"{row.score:.1f}")
    2026-04-01 78 10.3
    2026-05-01 72 16.7
    2026-06-01 78 2.6
    >>> print(by_month.row(month="2026-05-01").interval)
    Interval(lower=-0.12179629407168299, upper=32.44656148775214, method='score', confidence=0.9)
    >>> by_month.to_pandas().columns.to_list()
    ['month', 'n', 'promoters', 'passives', 'detractors', 'score', 'se', 'lower', 'upper']
    """

    def __init__(self, transport: Transport, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._transport = transport
        self._timeout_s = timeout_s

    @property
    def target(self) -> str:
        """Where the server is, for people to read."""
        return self._transport.target

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.target!r})"

    def close(self) -> None:
        """Give up the connection. Closing twice does no harm."""
        self._transport.close()

    def wait_ready(self, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        """Wait until the server takes requests.

        Parameters
        ----------
        timeout_s
            Seconds. A server in this process is ready at once.

        Raises
        ------
        Unavailable
            Where it is not ready by then.
        """
        if isinstance(self._transport, Readiness):
            self._transport.wait_ready(timeout_s)

    # --- programs ----------------------------------------------------------------------------

    def put_program(
        self,
        program: Program | program_pb2.Program | str | PathLike[str] | Mapping[str, Any],
        *,
        wait: bool = True,
        on_progress: OnProgress | None = None,
    ) -> results.ProgramInfo:
        """Declare a program, or change the one of that name.

        Parameters
        ----------
        program
            A :class:`Program`, the path of a TOML file, or a mapping of that shape. Nothing is
            taken over from an earlier declaration.
        wait
            Whether to return only once it answers, where responses are stored that must be counted
            for it. Without, ``rebuild`` of what is returned says that they are being counted.
        on_progress
            Called with the responses counted and those there are, while it waits.

        Returns
        -------
        ProgramInfo
            Where it stands now; ``changed`` is False where it was declared equally before.

        Raises
        ------
        InvalidInput
            Where the declaration means nothing; names table and key.
        PreconditionFailed
            Where it would change what is counted while responses are stored, or what is stored
            cannot be counted.
        """
        if isinstance(program, Program):
            message = program.message
        elif isinstance(program, program_pb2.Program):
            message = program
        elif isinstance(program, Mapping):
            message = Program.from_dict(program).message
        else:
            message = Program.from_toml(program).message
        request = program_service_pb2.PutProgramRequest(program=message)
        response = self._call(
            "ProgramService", "PutProgram", request, program_service_pb2.PutProgramResponse
        )
        info = results.program_info(response.info, response.changed)
        return self._rebuilt(info, on_progress) if wait else info

    def _rebuilt(
        self, info: results.ProgramInfo, on_progress: OnProgress | None
    ) -> results.ProgramInfo:
        """Wait until a program answers by its newest declaration."""
        changed, pause_s = info.changed, REBUILD_POLL_S[0]
        while info.rebuild is not None:
            if info.rebuild.failed:
                raise PreconditionFailed(
                    f"program {info.name!r} cannot be counted afresh: {info.rebuild.failed}"
                )
            if on_progress is not None:
                on_progress(info.rebuild.rows_done, info.rebuild.rows_all)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, REBUILD_POLL_S[1])
            info = self.program_info(info.name)
        return dataclasses.replace(info, changed=changed)

    def get_program(self, name: str) -> Program:
        """Return a program as it was declared.

        Parameters
        ----------
        name
            The program.

        Raises
        ------
        NotFound
            Where there is none of that name.
        """
        return Program(self._get_program(name).program)

    def program_info(self, name: str) -> results.ProgramInfo:
        """Return where a program stands: version, responses counted, views.

        Parameters
        ----------
        name
            The program.

        Raises
        ------
        NotFound
            Where there is none of that name.
        """
        return results.program_info(self._get_program(name).info)

    def list_programs(self) -> tuple[results.ProgramInfo, ...]:
        """Return where every program stands, by name."""
        response = self._call(
            "ProgramService",
            "ListPrograms",
            program_service_pb2.ListProgramsRequest(),
            program_service_pb2.ListProgramsResponse,
        )
        return tuple(results.program_info(info) for info in response.programs)

    # --- responses ---------------------------------------------------------------------------

    def append(
        self,
        program: str,
        *,
        producer: str,
        schema: object | None = None,
        batch_bytes: int = BATCH_BYTES,
        window: int = WINDOW,
        on_refused: OnRefused | None = None,
        reconnect_s: float = 0.0,
    ) -> AppendStream:
        """Open a stream of responses; ``next_sequence`` is known once this returns.

        Parameters
        ----------
        program
            The program.
        producer
            Names the sender for ever: what it sent is counted once, whatever is sent again.
        schema
            The schema of the frames, to have it checked on opening; that of the first frame when
            absent.
        batch_bytes
            Arrow bytes a message should have.
        window
            Most messages without an answer; they are held in memory.
        on_refused
            Called with the error of every refused batch instead of raising it.
        reconnect_s
            Seconds to go on trying to connect again while the server is unavailable.

        Raises
        ------
        NotFound
            Where there is no such program.
        InvalidInput
            Where the schema does not fit it; names the column.
        Unavailable
            Where the server cannot be reached.
        """
        return AppendStream(
            self._transport,
            program,
            producer,
            schema=schema,
            batch_bytes=batch_bytes,
            window=window,
            on_refused=on_refused,
            reconnect_s=reconnect_s,
            timeout_s=self._timeout_s,
        )

    def checkpoint(self, *, timeout_s: float = UPKEEP_TIMEOUT_S) -> results.Checkpoint:
        """Make the server's data directory ready to be copied: the copy is a backup.

        What was acknowledged is on disk with or without it.

        Parameters
        ----------
        timeout_s
            Seconds to wait; it takes as long as writing the sums of every program.

        Raises
        ------
        PreconditionFailed
            ``NO_DATA_DIRECTORY``: the server holds everything in memory.
        """
        response = self._call(
            "AdminService",
            "Checkpoint",
            admin_service_pb2.CheckpointRequest(),
            admin_service_pb2.CheckpointResponse,
            timeout_s,
        )
        return results.Checkpoint(
            response.programs, response.responses, response.batches, response.bytes
        )

    def erase(
        self, program: str, customer: str | int, *, timeout_s: float = UPKEEP_TIMEOUT_S
    ) -> results.ErasureReceipt:
        """Remove all responses of a customer that are acknowledged by now.

        Once this returns they are in no answer, and neither the customer's key nor what stood for
        it is in any file of the data directory. Where it fails, or the time is up, ask again. A
        producer that sends one of their batches again is told that it is stored; it is not counted.

        Parameters
        ----------
        program
            The program; it declares a customer column.
        customer
            The key, as in that column.
        timeout_s
            Seconds to wait; it takes as long as reading the program's history.

        Returns
        -------
        ErasureReceipt
            What was removed. It names nobody; a customer who is not known leaves one with no
            responses.

        Raises
        ------
        NotFound
            Where there is no such program.
        PreconditionFailed
            ``NO_DATA_DIRECTORY``, ``NO_CUSTOMER`` or ``NO_CUSTOMER_KEYS``.
        Overloaded
            ``DISK_FULL``: ask again when there is room.
        """
        request = admin_service_pb2.EraseRequest(program=program, customer=_customer(customer))
        response = self._call(
            "AdminService", "Erase", request, admin_service_pb2.EraseResponse, timeout_s
        )
        return results.ErasureReceipt(
            response.number,
            response.program,
            response.responses,
            response.batches,
            response.files,
            response.erased_at,
        )

    def drop_before(self, program: str, month: str, *, timeout_s: float = UPKEEP_TIMEOUT_S) -> int:
        """Remove all responses of the months before one, and return how many there were.

        Parameters
        ----------
        program
            The program; it declares a time column.
        month
            The first month that stays, such as ``"2017-05"``; responses without a time stay too.
        timeout_s
            Seconds to wait; it takes as long as reading what is removed.

        Raises
        ------
        NotFound
            Where there is no such program.
        InvalidInput
            ``INVALID_TIME``: that is no month.
        PreconditionFailed
            ``NO_DATA_DIRECTORY`` or ``NO_TIME``.
        """
        request = admin_service_pb2.DropBeforeRequest(program=program, month=month)
        response = self._call(
            "AdminService", "DropBefore", request, admin_service_pb2.DropBeforeResponse, timeout_s
        )
        return response.responses

    def _get_program(self, name: str) -> program_service_pb2.GetProgramResponse:
        request = program_service_pb2.GetProgramRequest(name=name)
        return self._call(
            "ProgramService", "GetProgram", request, program_service_pb2.GetProgramResponse
        )


def _customer(value: object) -> str:
    """Return the text of a customer's key; no error shows it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and not any("\ud800" <= one <= "\udfff" for one in value):
        return value
    raise InvalidInput(
        "customer: expected text that can be written as UTF-8, or a whole number",
        reason="WRONG_TYPE",
        details={"field": "customer", "expected": "text or a whole number"},
    )
