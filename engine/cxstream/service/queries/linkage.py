"""Outcomes by NPS class, lifetime value, first contact resolution, relative performance."""

from __future__ import annotations

from cxstream.answers import OnRows
from cxstream.engine import Engine
from cxstream.service.messages import to_query, to_reply, word
from cxstream.service.queries.asked import Asked
from cxstream_api.v1 import linkage_pb2

_CORRECTIONS = ("holm", "holm", "benjamini_hochberg")
_VARIANTS = ("margin_next", "margin_next", "margin_now", "naive", "finite")
_SURVIVAL_INTERVALS = ("log_log", "log_log", "log", "plain")


def linkage(engine: Engine, request: linkage_pb2.LinkageRequest, on_rows: OnRows) -> bytes:
    """Return an outcome by NPS class."""
    answer = engine.linkage(
        to_query(request.selection, on_rows),
        request.score,
        request.outcome,
        correction=word(_CORRECTIONS, request.correction, "correction"),
    )
    return to_reply(answer, linkage_pb2.LinkageResponse)


def customer_value(
    engine: Engine, request: linkage_pb2.CustomerValueRequest, on_rows: OnRows
) -> bytes:
    """Return lifetime value by NPS class."""
    answer = engine.customer_value(
        to_query(request.selection, on_rows),
        request.score,
        margin=request.margin,
        churn=request.churn,
        variant=word(_VARIANTS, request.variant, "variant"),
        discount=request.discount,
        acquisition=request.acquisition,
        horizon=request.horizon,
    )
    return to_reply(answer, linkage_pb2.CustomerValueResponse)


def retention(engine: Engine, request: linkage_pb2.RetentionRequest, on_rows: OnRows) -> bytes:
    """Return churn and retention."""
    cohort = None
    if request.HasField("cohort"):
        cohort = (request.cohort.start, request.cohort.end, request.cohort.won)
    answer = engine.retention(
        to_query(request.selection, on_rows),
        request.churned,
        revenue=request.revenue,
        periods=request.periods or 1,
        cohort=cohort,
    )
    return to_reply(answer, linkage_pb2.RetentionResponse)


def survival(engine: Engine, request: linkage_pb2.SurvivalRequest, on_rows: OnRows) -> bytes:
    """Return how long customers stay."""
    del on_rows
    answer = engine.survival(
        tuple(request.survivors), ahead=request.ahead, discount=request.discount
    )
    return to_reply(answer, linkage_pb2.SurvivalResponse)


def kaplan_meier(engine: Engine, request: linkage_pb2.KaplanMeierRequest, on_rows: OnRows) -> bytes:
    """Return how long customers stay, some of whom are still there."""
    del on_rows
    answer = engine.kaplan_meier(
        list(request.lost),
        list(request.censored),
        times=list(request.times),
        interval=word(_SURVIVAL_INTERVALS, request.interval_method, "interval_method"),
        confidence=request.confidence or 0.95,
    )
    return to_reply(answer, linkage_pb2.KaplanMeierResponse)


def first_contact(
    engine: Engine, request: linkage_pb2.FirstContactRequest, on_rows: OnRows
) -> bytes:
    """Return first contact resolution."""
    answer = engine.first_contact(
        to_query(request.selection, on_rows),
        request.resolved,
        not_resolvable=request.not_resolvable,
    )
    return to_reply(answer, linkage_pb2.FirstContactResponse)


def relative(engine: Engine, request: linkage_pb2.RelativeRequest, on_rows: OnRows) -> bytes:
    """Return the percentile score."""
    answer = engine.relative(
        to_query(request.selection, on_rows),
        request.question,
        percentiles=tuple(request.percentiles),
    )
    return to_reply(answer, linkage_pb2.RelativeResponse)


#: By class of request.
ASKED: Asked = {
    linkage_pb2.LinkageRequest: linkage,
    linkage_pb2.CustomerValueRequest: customer_value,
    linkage_pb2.RetentionRequest: retention,
    linkage_pb2.SurvivalRequest: survival,
    linkage_pb2.KaplanMeierRequest: kaplan_meier,
    linkage_pb2.FirstContactRequest: first_contact,
    linkage_pb2.RelativeRequest: relative,
}
