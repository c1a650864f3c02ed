"""What every question shares: the request part, and the way to the server and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypedDict, TypeVar

from google.protobuf.message import Message

from cxstream_api.v1 import common_pb2, query_service_pb2
from cxstream_client._enums import hint
from cxstream_client._transport import Transport
from cxstream_client.errors import Internal, InvalidInput

Level = str | int | bool | None
Where = Mapping[str, Level | Sequence[Level]]
Instant = str | date | datetime
#: By dimension, or by a tuple of several: the target of every level, or tuple of levels.
Rake = Mapping[str | tuple[str, ...], Mapping[Level | tuple[Level, ...], float]]
OnProgress = Callable[[int, int], object]

M = TypeVar("M", bound=Message)


class Asked(TypedDict, total=False):
    """Arguments that all questions share; see :class:`cxstream_client.Client`."""

    by: str | Iterable[str]
    where: Where | None
    since: Instant | None
    until: Instant | None
    confidence: float
    weighting: str
    rake: Rake | None
    rake_bounds: tuple[float | None, float | None] | None
    on_progress: OnProgress | None


class Asking:
    """The way to the server and back."""

    _transport: Transport
    _timeout_s: float

    def _ask(self, method: str, request: Message, reply: type[M], asked: Asked) -> M:
        on_progress = asked.get("on_progress")
        if on_progress is None:
            return self._call("QueryService", method, request, reply)
        scan = query_service_pb2.ScanRequest()
        name = next(
            one.name for one in scan.DESCRIPTOR.fields if one.message_type == request.DESCRIPTOR
        )
        getattr(scan, name).CopyFrom(request)
        call = self._transport.stream("QueryService", "Scan", scan, self._timeout_s)
        answer = None
        try:
            for message in call:
                assert isinstance(message, query_service_pb2.ScanResponse)
                if message.HasField("progress"):
                    on_progress(message.progress.rows_done, message.progress.rows_all)
                else:
                    answer = getattr(message, name)
        except BaseException:
            call.cancel()
            raise
        return _checked(answer, reply, "QueryService.Scan")

    def _call(
        self,
        service: str,
        method: str,
        request: Message,
        reply: type[M],
        timeout_s: float | None = None,
    ) -> M:
        wait_s = self._timeout_s if timeout_s is None else timeout_s
        response = self._transport.unary(service, method, request, wait_s)
        return _checked(response, reply, f"{service}.{method}")


def _checked(response: object, reply: type[M], rpc: str) -> M:
    if not isinstance(response, reply):
        raise Internal(f"{rpc} was answered with {type(response).__name__}")
    return response


def selection_of(program: str, asked: Asked) -> common_pb2.Selection:
    """Return the request part that all questions share.

    Raises
    ------
    TypeError
        Where there is an argument that no question takes.
    InvalidInput
        ``WRONG_TYPE``: an argument is not of its type.
    """
    for name in asked:
        if name not in Asked.__annotations__:
            raise TypeError(f"unexpected argument {name!r}{hint(name, Asked.__annotations__)}")
    confidence = asked.get("confidence", 0.95)
    if isinstance(confidence, bool) or not isinstance(confidence, (int, float)):
        raise InvalidInput(
            f"confidence: expected a number above 0 and below 1, not {confidence!r}",
            reason="WRONG_TYPE",
            details={"field": "confidence", "expected": "a number above 0 and below 1"},
        )
    return common_pb2.Selection(
        program=program,
        by=names_of(asked.get("by", ()), "by"),
        where=filters_of(asked.get("where") or {}),
        since=instant_of(asked.get("since"), "since"),
        until=instant_of(asked.get("until"), "until"),
        confidence=confidence,
        weighting=_weighting(asked),
    )


def _weighting(asked: Asked) -> common_pb2.Weighting | None:
    word = asked.get("weighting", "none")
    if word not in ("none", "declared"):
        raise InvalidInput(
            f"weighting: expected 'none' or 'declared', not {word!r}",
            reason="BAD_OPTION",
            details={"field": "weighting", "expected": "none, declared"},
        )
    margins = [_margin(names, targets) for names, targets in (asked.get("rake") or {}).items()]
    lower, upper = asked.get("rake_bounds") or (None, None)
    if word == "none" and not margins and lower is None and upper is None:
        return None
    return common_pb2.Weighting(
        declared=word == "declared", rake=margins, lower_factor=lower, upper_factor=upper
    )


def _margin(names: object, targets: Mapping[Any, float]) -> common_pb2.Margin:
    dimensions = names_of([names] if isinstance(names, str) else _listed(names), "rake")
    margin = common_pb2.Margin(dimensions=dimensions)
    for levels, target in targets.items():
        if isinstance(target, bool) or not isinstance(target, (int, float)):
            raise InvalidInput(
                f"rake: the target of {levels!r} is {target!r}; expected a number",
                reason="WRONG_TYPE",
                details={"field": "rake", "expected": "a number"},
            )
        named = [_level_text(one) for one in (levels if isinstance(levels, tuple) else (levels,))]
        margin.targets.add(levels=named, target=target)
    return margin


def _listed(names: object) -> list[Any]:
    if isinstance(names, tuple):
        return list(names)
    raise InvalidInput(
        f"rake: expected a dimension or a tuple of dimensions, not {names!r}",
        reason="WRONG_TYPE",
        details={"field": "rake"},
    )


def _level_text(level: Level) -> str:
    if level is None:
        return ""
    return ("true" if level else "false") if isinstance(level, bool) else str(level)


def names_of(names: str | Iterable[str], where: str) -> list[str]:
    listed = [names] if isinstance(names, str) else list(names)
    for name in listed:
        if not isinstance(name, str):
            raise InvalidInput(
                f"{where}: expected names, not {name!r}",
                reason="WRONG_TYPE",
                details={"field": where, "expected": "names"},
            )
    return listed


def filters_of(where: Where) -> list[common_pb2.Filter]:
    """Return the request part of levels by dimension."""
    return [_filter(name, levels) for name, levels in where.items()]


def _filter(dimension: str, levels: object) -> common_pb2.Filter:
    listed: Iterable[object]
    if isinstance(levels, (str, int)) or levels is None:
        listed = [levels]
    elif isinstance(levels, Iterable) and not isinstance(levels, (bytes, Mapping)):
        listed = levels
    else:
        listed = [levels]
    kept = common_pb2.Filter(dimension=dimension)
    for level in listed:
        if level is None:
            kept.include_null = True
        elif isinstance(level, bool):
            kept.levels.append("true" if level else "false")
        elif isinstance(level, (str, int)):
            kept.levels.append(str(level))
        else:
            raise InvalidInput(
                f"where: {dimension} is {level!r}; expected text, a whole number, a boolean, None, "
                "or a list of those",
                reason="WRONG_TYPE",
                details={"field": f"where.{dimension}"},
            )
    return kept


def instant_of(value: Instant | None, where: str) -> str:
    """Return an instant in ISO 8601, "" for none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime) and value.tzinfo is not None:
        raise InvalidInput(
            f"{where}: {value} has a time zone; expected a date and time local to the program",
            reason="WRONG_TYPE",
            details={"field": where, "expected": "a local date and time"},
        )
    if isinstance(value, date):
        return value.isoformat()
    raise InvalidInput(
        f"{where}: expected a date, a datetime or ISO 8601 text, not {value!r}",
        reason="WRONG_TYPE",
        details={"field": where, "expected": "a date, a datetime or ISO 8601 text"},
    )
