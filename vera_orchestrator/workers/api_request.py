"""HTTP requests that tasks describe."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from vera_orchestrator.enums import WorkerCapability, WorkerStatus
from vera_orchestrator.errors import TaskTimeout, VeraError, WorkerUnavailable
from vera_orchestrator.http.body import ACCEPT_ENCODING, decode, read_body
from vera_orchestrator.http.client import MAX_REDIRECTS, Resolver, guarded_client, resolve
from vera_orchestrator.http.failures import CAUGHT, describe, failure_of
from vera_orchestrator.http.request import build_request, may_repeat, read_payload, same_origin, shown, without_secrets
from vera_orchestrator.http.verdict import TRANSIENT_STATUSES, retry_after, shown_headers, status_error
from vera_orchestrator.models import Task, TaskResult, WorkerConfig, utcnow
from vera_orchestrator.payloads import ApiRequestPayload
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.base import BaseWorker

MAX_CONCURRENT_TASKS = 32
CONNECT_SECONDS = 10
LARGE_BODY = 256_000  # bytes from which decoding leaves the event loop


@dataclass
class Exchange:
    """How far a request has come; `sent` once anything of it may have reached a server."""

    sent: bool = False

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of the events of the connection."""
        del info
        if event.endswith("send_request_headers.started"):
            self.sent = True


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A final answer and its body."""

    response: httpx.Response
    body: bytes


class ApiRequestWorker(BaseWorker):
    """Runs api_request tasks with one shared client that keeps the address rules.

    `data` is the decoded body; `metrics` holds `status_code`, `headers`, `url` (after redirects), `elapsed` (seconds),
    `encoding` for a body in base64, and `retry_after` (seconds) where the server asked for it. A status of 400 or more
    is a failure. A failed request is worth another attempt where the cause may pass and the method is idempotent,
    nothing was sent, or the payload says `"retry": true`.
    """

    def __init__(
        self,
        settings: OrchestratorConfig,
        worker_id: str = "http",
        config: WorkerConfig | None = None,
        *,
        resolver: Resolver = resolve,
    ) -> None:
        config = config or WorkerConfig(max_concurrent_tasks=MAX_CONCURRENT_TASKS)
        super().__init__(worker_id, [WorkerCapability.API_REQUESTS], config)
        self._settings = settings
        self._resolver = resolver
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> bool:
        """Open the shared client; raises InvalidValue for a bad entry in `http_allow`."""
        if self._client is None:
            slots = self.config.max_concurrent_tasks
            self._client = guarded_client(
                self._settings,
                resolver=self._resolver,
                limits=httpx.Limits(max_connections=slots, max_keepalive_connections=slots, keepalive_expiry=5),
                headers={"Accept-Encoding": ACCEPT_ENCODING},
                follow_redirects=False,
            )
        self.status = WorkerStatus.IDLE
        return True

    async def stop(self) -> bool:
        """Close the shared client and its connections."""
        client, self._client = self._client, None
        self.status = WorkerStatus.OFFLINE
        if client is not None:
            await client.aclose()
        return True

    async def health_check(self) -> bool:
        """Return whether it was started; there is nothing else to ask."""
        return self._client is not None

    async def execute_task(self, task: Task) -> TaskResult:
        """Send one request, and follow its redirects.

        Raises InvalidPayload, NotAllowed for an address that the rules forbid, and ResultTooLarge.
        """
        if self._client is None:
            raise WorkerUnavailable("The worker is not started.", remedy="Call start() first.")
        payload = read_payload(task.payload)
        request = build_request(self._client, payload)
        seconds = payload.timeout or task.timeout_seconds or self.config.timeout_seconds
        exchange = Exchange()
        request.extensions = {
            "timeout": httpx.Timeout(None, connect=min(seconds, CONNECT_SECONDS)).as_dict(),
            "trace": exchange.trace,
        }
        started = time.perf_counter()
        try:
            async with asyncio.timeout(seconds):
                answer = await self._fetch(self._client, request)
        except TimeoutError:
            error = TaskTimeout(f"No whole answer from {request.url.host} within {seconds:g} s.")
            repeat = not exchange.sent or may_repeat(request.method, payload)
            return self._failed(error, started, retryable=repeat)
        except CAUGHT as cause:
            failure = failure_of(cause)
            error = failure.error(f"The request to {request.url.host} failed: {describe(cause)}")
            repeat = failure.transient and (not exchange.sent or may_repeat(request.method, payload))
            return self._failed(error, started, retryable=repeat)
        return await self._result(answer, payload, request.method, started)

    async def _fetch(self, client: httpx.AsyncClient, request: httpx.Request) -> Answer:
        first = request.url
        for _ in range(MAX_REDIRECTS + 1):
            response = await client.send(request, stream=True)
            try:
                if response.next_request is None:
                    return Answer(response=response, body=await read_body(response, self._settings.http_max_bytes))
            finally:
                await response.aclose()
            request = response.next_request
            if not same_origin(first, request.url):
                without_secrets(request)
        raise httpx.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects", request=request)

    async def _result(self, answer: Answer, payload: ApiRequestPayload, method: str, started: float) -> TaskResult:
        response = answer.response
        content_type = response.headers.get("content-type", "")
        if len(answer.body) > LARGE_BODY:
            decoded = await asyncio.to_thread(decode, answer.body, content_type)
        else:
            decoded = decode(answer.body, content_type)
        elapsed = time.perf_counter() - started
        metrics: dict[str, Any] = {
            "status_code": response.status_code,
            "headers": shown_headers(response.headers),
            "url": shown(response.url),
            "elapsed": elapsed,
        }
        if decoded.encoding:
            metrics["encoding"] = decoded.encoding
        result = TaskResult(
            success=response.status_code < 400,
            data=decoded.data,
            metrics=metrics,
            execution_time_ms=elapsed * 1000,
            worker_id=self.worker_id,
        )
        if result.success:
            return result
        result.error = status_error(response, "" if decoded.encoding else answer.body[:1000].decode(errors="replace"))
        result.error_type = "TaskFailed"
        result.retryable = response.status_code in TRANSIENT_STATUSES and may_repeat(method, payload)
        seconds = retry_after(response.headers, utcnow()) if response.status_code in TRANSIENT_STATUSES else None
        if seconds is not None:
            metrics["retry_after"] = seconds
        return result

    def _failed(self, error: VeraError, started: float, *, retryable: bool) -> TaskResult:
        elapsed = time.perf_counter() - started
        return TaskResult(
            success=False,
            error=str(error),
            error_type=type(error).__name__,
            metrics={"elapsed": elapsed},
            execution_time_ms=elapsed * 1000,
            worker_id=self.worker_id,
            retryable=retryable,
        )
