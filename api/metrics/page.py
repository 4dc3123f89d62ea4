"""The page that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from fastapi import APIRouter, Request
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from starlette.responses import Response

from api.callers import Reader
from api.endpoints.common import AnyOrchestrator
from api.guard import GuardedRoute
from api.metrics.counted import Counted
from api.metrics.standing import Standing

STATE_NAME = "vera_metrics"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(route_class=GuardedRoute, tags=["metrics"])


class Page:
    """What has been counted and how things stand, as one registry."""

    def __init__(self, counted: Counted, standing: Standing) -> None:
        self._counted = counted
        self._standing = standing

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of both."""
        return chain(self._standing.collect(), self._counted.registry.collect())


@router.get(
    "/metrics",
    response_class=Response,
    summary="Metrics for Prometheus",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus's text."}},
)
async def metrics(request: Request, orchestrator: AnyOrchestrator, caller: Reader) -> Response:
    """Return queues, tasks, workers, tokens, money, limits, journal and Prefect, as Prometheus or OpenMetrics text."""
    counted: Counted = getattr(request.app.state, STATE_NAME)
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(Page(counted, await Standing.of(orchestrator))), media_type=content_type)
