"""What workers for language models share."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar

from vera_orchestrator.enums import TaskType, WorkerCapability, WorkerStatus
from vera_orchestrator.errors import InvalidPayload, NotConfigured, VeraError, WorkerUnavailable
from vera_orchestrator.models import Task, TaskResult, WorkerConfig
from vera_orchestrator.payloads import LLMPayload
from vera_orchestrator.routing import needed_capabilities
from vera_orchestrator.workers.base import BaseWorker
from vera_orchestrator.workers.llm.base import Adapter, ListedModel
from vera_orchestrator.workers.llm.calls import build_call, build_embedding, read_payload
from vera_orchestrator.workers.llm.forms import EmbeddingAnswer, FinishReason, LLMAnswer
from vera_orchestrator.workers.llm.results import answer_metrics, data_of
from vera_orchestrator.workers.llm.usage import UsageCounter

PROBE_SECONDS = 3


class LLMWorker(BaseWorker):
    """Asks one provider.

    A subclass connects, chooses the model and names the types it takes; custom types are taken where the worker has
    their capabilities and their payload is an llm_request's. `price` is in USD per 1,000 tokens, None if unknown.
    Usage counts in memory only; pass an earlier worker's `usage` to go on with it.
    """

    own_types: ClassVar[frozenset[TaskType]]
    needs_list: ClassVar[bool]

    def __init__(
        self,
        worker_id: str,
        capabilities: Iterable[WorkerCapability | str],
        config: WorkerConfig,
        *,
        api_type: str,
        default_model: str | None,
        price: float | None,
        usage: UsageCounter | None = None,
    ) -> None:
        super().__init__(worker_id, capabilities, config)
        self.api_type = api_type
        self.default_model = default_model
        self.models: Sequence[ListedModel] = ()
        self.usage = usage or UsageCounter()
        self._price = price
        self._adapter: Adapter | None = None

    @abstractmethod
    def _connect(self) -> Adapter:
        """Make the adapter; runs in a thread, sends nothing. Raises NotConfigured."""

    @abstractmethod
    async def _choose_model(self, adapter: Adapter, named: str | None) -> str:
        """Return the model for a call that names one, or None."""

    async def start(self) -> bool:
        """Make the client and see whether the provider answers; if not, `status_reason` says why."""
        self.status = WorkerStatus.STARTING
        if self._adapter is None:
            try:
                self._adapter = await asyncio.to_thread(self._connect)  # the first import of a client takes a second
            except NotConfigured as error:
                return self._away(WorkerStatus.ERROR, error)
        return await self.health_check()

    async def stop(self) -> bool:
        """Close the connections."""
        adapter, self._adapter = self._adapter, None
        self.status = WorkerStatus.OFFLINE
        if adapter is not None:
            await adapter.close()
        return True

    async def health_check(self) -> bool:
        """List the provider's models: free, and enough to see whether it answers and takes the key."""
        adapter = self._adapter
        if adapter is None:
            return False
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                self.models = await adapter.models(seconds=PROBE_SECONDS)
        except (TimeoutError, WorkerUnavailable):
            return self._away(WorkerStatus.OFFLINE, adapter.unreachable())
        except NotConfigured as error:
            return self._away(WorkerStatus.ERROR, error)
        except VeraError as error:  # servers without a list, or with an odd one, can still answer calls
            if self.needs_list:
                return self._away(WorkerStatus.ERROR, error)
        if self._adapter is not adapter:
            return False  # stopped meanwhile
        if self.status is not WorkerStatus.MAINTENANCE:
            self.status = WorkerStatus.BUSY if self.running else WorkerStatus.IDLE
            self.status_reason = None
        return True

    async def execute_task(self, task: Task) -> TaskResult:
        """Make one call; the result's data is the text, or one list of numbers per text. See Adapter for errors.

        Raises InvalidPayload where the provider's filter left nothing of the answer.
        """
        adapter = self._adapter
        if adapter is None:
            raise WorkerUnavailable("The worker is not started.", remedy="Call start() first.")
        payload = read_payload(task)
        if payload.kind == "embedding" and payload.model is None:  # defaults are models that chat
            raise InvalidPayload("No model is named.", field="payload.model", remedy="Name one that makes embeddings.")
        model = await self._choose_model(adapter, payload.model)
        started, reached = time.perf_counter(), True
        try:
            answer = await _asked(adapter, payload, model, task.timeout_seconds or self.config.timeout_seconds)
        except WorkerUnavailable as error:
            reached = False
            self._away(WorkerStatus.OFFLINE, error)
            raise
        except NotConfigured as error:
            self._away(WorkerStatus.ERROR, error)
            raise
        finally:
            if reached:
                self.usage.add_request()
        result = self._result(answer, (time.perf_counter() - started) * 1000)
        _check_filter(self.api_type, answer)
        return result

    def accepts(self, task: Task) -> bool:
        """Return whether the task is of a type of its own, or of a custom type that it has the capabilities for."""
        if task.type in self.own_types:
            return True
        is_custom = task.type is TaskType.CUSTOM or not isinstance(task.type, TaskType)
        return is_custom and needed_capabilities(task) <= self.capabilities

    @property
    def requests_today(self) -> int:
        """Requests since midnight UTC, in memory."""
        return self.usage.requests_today

    @property
    def tokens_today(self) -> int:
        """Tokens since midnight UTC, in memory."""
        return self.usage.tokens_today

    @property
    def cost_today(self) -> float:
        """USD since midnight UTC, in memory."""
        return self.usage.cost_today

    @property
    def last_request(self) -> datetime | None:
        """When the last request was made."""
        return self.usage.last_request

    def _result(self, answer: LLMAnswer | EmbeddingAnswer, elapsed_ms: float) -> TaskResult:
        tokens = answer.usage.tokens if answer.usage else None
        cost = None if self._price is None or tokens is None else tokens / 1000 * self._price
        self.usage.add_spending(tokens, cost)
        metrics: dict[str, Any] = {
            **answer_metrics(answer),
            "cost_known": cost is not None,
            "api_type": self.api_type,
            "execution_time_ms": elapsed_ms,
        }
        if cost is not None:
            metrics["cost_usd"] = cost
        return TaskResult(
            success=True,
            data=data_of(answer),
            metrics=metrics,
            execution_time_ms=elapsed_ms,
            worker_id=self.worker_id,
        )

    def _away(self, status: WorkerStatus, error: VeraError) -> bool:
        if self.status is not WorkerStatus.MAINTENANCE:
            self.status, self.status_reason = status, str(error)
        return False


async def _asked(adapter: Adapter, payload: LLMPayload, model: str, seconds: float) -> LLMAnswer | EmbeddingAnswer:
    if payload.kind == "embedding":
        return await adapter.embed(build_embedding(payload, model), seconds=seconds)
    return await adapter.answer(build_call(payload, model), seconds=seconds)


def _check_filter(api_type: str, answer: LLMAnswer | EmbeddingAnswer) -> None:
    if not isinstance(answer, LLMAnswer) or answer.finish_reason is not FinishReason.CONTENT_FILTER:
        return
    if not answer.text and not answer.tool_calls:
        raise InvalidPayload(
            f"The content filter of {api_type} left nothing of the answer ({answer.native_finish_reason}).",
            field="payload",
            remedy="Ask in another way.",
        )
