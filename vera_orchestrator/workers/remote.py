"""Compute nodes of the operator's own, reached over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any, NoReturn

import httpx
from pydantic import BaseModel, Field, SecretStr, ValidationError

from vera_orchestrator.enums import WorkerCapability, WorkerStatus
from vera_orchestrator.errors import (
    InvalidPayload,
    InvalidValue,
    NotConfigured,
    TaskFailed,
    TaskTimeout,
    VeraError,
    WorkerUnavailable,
)
from vera_orchestrator.http.body import read_body
from vera_orchestrator.http.failures import CAUGHT, describe, failure_of
from vera_orchestrator.http.verdict import TRANSIENT_STATUSES, retry_after, status_error
from vera_orchestrator.models import Task, TaskResult, WorkerConfig, capability_names, utcnow
from vera_orchestrator.secrets import redact
from vera_orchestrator.workers.base import BaseWorker

CONNECT_SECONDS = 3
PROBE_SECONDS = 10
MAX_BYTES = 16_000_000
JSON = {"Content-Type": "application/json"}
# a node without this address can still compute
ABSENT_STATUSES = frozenset({404, 405, 501})


class NodeHealth(BaseModel):
    """Answer to GET /health: percent and MB."""

    cpu_usage: float = 0.0
    memory_usage_mb: float = 0.0


class NodeCapabilities(BaseModel):
    """Answer to GET /capabilities: wire values, and how many tasks the node takes at a time."""

    capabilities: list[str] = Field(default_factory=list)
    max_concurrent_tasks: int | None = Field(default=None, ge=1)


class NodeResult(BaseModel):
    """Answer to POST /execute."""

    success: bool
    data: Any = None
    error: str | None = None
    metrics: dict[str, Any] = Field(default_factory=dict)
    retryable: bool | None = None


class RemoteWorker(BaseWorker):
    """Sends tasks to one node.

    The node is the operator's choice, so the address rules for tasks do not apply to it; proxies of the environment are
    not used. Without `config` it takes as many tasks at a time as the node says. Raises InvalidValue for an address or
    a token that cannot be used.
    """

    def __init__(
        self,
        remote_url: str,
        worker_id: str | None = None,
        auth_token: str | SecretStr | None = None,
        config: WorkerConfig | None = None,
        *,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        url = _node_url(remote_url)
        port = url.port or (443 if url.scheme == "https" else 80)
        super().__init__(
            worker_id or f"remote-{url.host}-{port}", [WorkerCapability.REMOTE_COMPUTE], config or WorkerConfig()
        )
        self.remote_url = str(url)
        self._token = _token(auth_token)
        self._takes_nodes_limit = config is None
        self._max_bytes = max_bytes
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> bool:
        """Ask the node for its health and capabilities; False, with `status_reason`, if it cannot be used now.

        A node that comes later is taken up by `health_check`.
        """
        if self._client is None:
            headers = {"Authorization": f"Bearer {self._token.get_secret_value()}"} if self._token else {}
            self._client = httpx.AsyncClient(
                base_url=self.remote_url,
                headers=headers,
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                trust_env=False,
            )
        self.status = WorkerStatus.STARTING
        return await self.health_check()

    async def stop(self) -> bool:
        """Close the connections to the node."""
        client, self._client = self._client, None
        self.status = WorkerStatus.OFFLINE
        if client is not None:
            await client.aclose()
        return True

    async def health_check(self) -> bool:
        """Ask the node for its health, and for its capabilities where it was not usable before."""
        if self._client is None:
            return False
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                health = NodeHealth.model_validate_json(await self._get(self._client, "/health") or b"{}")
                if not self.is_usable:
                    await self._learn(self._client)
        except TimeoutError:
            return self._away(WorkerStatus.OFFLINE, f"The node did not answer within {PROBE_SECONDS} s.")
        except CAUGHT as error:
            return self._away(WorkerStatus.OFFLINE, f"The node cannot be reached: {describe(error)}.")
        except ValidationError:
            return self._away(WorkerStatus.ERROR, "The node's answer does not follow the protocol.")
        except VeraError as error:
            return self._away(WorkerStatus.ERROR, str(error))
        self.metrics.cpu_usage_percent = health.cpu_usage
        self.metrics.memory_usage_mb = health.memory_usage_mb
        if self.status is not WorkerStatus.MAINTENANCE:
            self.status = WorkerStatus.BUSY if self.running else WorkerStatus.IDLE
            self.status_reason = None
        return True

    async def execute_task(self, task: Task) -> TaskResult:
        """Let the node run one attempt.

        Raises WorkerUnavailable if the task did not reach the node, NotConfigured if the node refuses the token,
        TaskTimeout, ResultTooLarge, and TaskFailed if the connection broke.
        """
        if self._client is None:
            raise WorkerUnavailable("The worker is not started.", remedy="Call start() first.")
        seconds = task.timeout_seconds or self.config.timeout_seconds
        body = _body(task, seconds)
        started = time.perf_counter()
        try:
            async with (
                asyncio.timeout(seconds),
                self._client.stream("POST", "/execute", content=body, headers=JSON) as response,
            ):
                content = await read_body(response, self._max_bytes)
        except TimeoutError:
            raise TaskTimeout(f"The node {self.worker_id} gave no result within {seconds:g} s.") from None
        except CAUGHT as error:
            self._lost(error)
        result = self._result(response, content)
        result.execution_time_ms = (time.perf_counter() - started) * 1000
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form; of the token only whether there is one."""
        return {**super().to_dict(), "remote_url": self.remote_url, "has_auth": self._token is not None}

    async def _get(self, client: httpx.AsyncClient, path: str) -> bytes | None:
        async with client.stream("GET", path) as response:
            content = await read_body(response, self._max_bytes)
        if response.status_code in (401, 403):
            raise self._refused(response)
        if response.status_code in ABSENT_STATUSES:
            return None
        if not response.is_success:
            raise TaskFailed(f"GET {path} gave {self._clean(status_error(response, _text(content)))}.")
        return content

    async def _learn(self, client: httpx.AsyncClient) -> None:
        node = NodeCapabilities.model_validate_json(await self._get(client, "/capabilities") or b"{}")
        self.capabilities = capability_names([WorkerCapability.REMOTE_COMPUTE, *node.capabilities])
        if self._takes_nodes_limit and node.max_concurrent_tasks:
            self.config = replace(self.config, max_concurrent_tasks=node.max_concurrent_tasks)

    def _away(self, status: WorkerStatus, reason: str) -> bool:
        if self.status is not WorkerStatus.MAINTENANCE:
            self.status = status
        self.status_reason = reason
        return False

    def _lost(self, error: Exception) -> NoReturn:
        failure = failure_of(error)
        text = f"The node {self.worker_id} cannot be reached: {describe(error)}."
        if failure.unsent and failure.transient:
            self._away(WorkerStatus.OFFLINE, text)
            raise WorkerUnavailable(text) from error
        raise failure.error(text) from error

    def _refused(self, response: httpx.Response) -> NotConfigured:
        return NotConfigured(
            f"The node refused the token (HTTP {response.status_code}).",
            field="auth_token",
            remedy=f"Register {self.worker_id} again with the node's token.",
        )

    def _result(self, response: httpx.Response, content: bytes) -> TaskResult:
        if response.status_code in (401, 403):
            raise self._refused(response)
        try:
            node = NodeResult.model_validate_json(content)
        except ValidationError:
            node = None
        if response.is_success and node is not None:
            return TaskResult(
                success=node.success,
                data=node.data,
                error=self._clean(node.error or (None if node.success else "The node gave no reason.")),
                error_type=None if node.success else "TaskFailed",
                metrics=node.metrics,
                worker_id=self.worker_id,
                retryable=None if node.success else node.retryable,
            )
        error = status_error(response, _text(content))
        if response.is_success:
            error = f"The answer of the node {self.worker_id} is not a result. {error}"
        metrics: dict[str, Any] = {"status_code": response.status_code}
        seconds = retry_after(response.headers, utcnow())
        if seconds is not None:
            metrics["retry_after"] = seconds
        return TaskResult(
            success=False,
            error=self._clean(error),
            error_type="TaskFailed",
            metrics=metrics,
            worker_id=self.worker_id,
            retryable=response.status_code >= 500 or response.status_code in TRANSIENT_STATUSES,
        )

    def _clean(self, text: str | None) -> str | None:
        return redact(text, [self._token.get_secret_value()]) if text and self._token else text


def _node_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
        raise InvalidValue(
            "Not the address of a node.",
            field="remote_url",
            remedy="Write http://host:port or https://host/path, and give the token as auth_token.",
        )
    return url


def _body(task: Task, seconds: float) -> bytes:
    try:
        body = {"id": task.id, "type": str(task.type), "payload": task.payload, "timeout": seconds}
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidPayload(f"{error}.", field="payload", remedy="Give a JSON object.") from None


def _text(content: bytes) -> str:
    return content[:1000].decode(errors="replace")


def _token(value: str | SecretStr | None) -> SecretStr | None:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not text:
        return None
    if not (text.isascii() and text.isprintable()):
        raise InvalidValue("Holds characters that no header may.", field="auth_token", remedy="Give one line of ASCII.")
    return SecretStr(text)
