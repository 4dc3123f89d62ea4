"""What workers for language models share."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, NamedTuple

from vera_orchestrator.enums import TaskType, WorkerCapability, WorkerStatus
from vera_orchestrator.errors import InvalidPayload, NotConfigured, NotFound, VeraError, WorkerUnavailable
from vera_orchestrator.metering import NOT_SENT, Channel, Demand, Spent, credential_scope
from vera_orchestrator.models import APIQuota, Task, TaskResult, WorkerConfig
from vera_orchestrator.pricing import ModelPrice, PriceOverrides
from vera_orchestrator.quota import Limits, Rate
from vera_orchestrator.routing import Offer, needed_capabilities
from vera_orchestrator.workers.llm import spans
from vera_orchestrator.workers.llm.asked import Asked
from vera_orchestrator.workers.llm.base import Adapter
from vera_orchestrator.workers.llm.cache import cache_key
from vera_orchestrator.workers.llm.calls import read_payload, with_optional
from vera_orchestrator.workers.llm.connected import ConnectedWorker
from vera_orchestrator.workers.llm.failures import malformed, spent_of
from vera_orchestrator.workers.llm.forms import EmbeddingAnswer, EmbeddingCall, LLMAnswer
from vera_orchestrator.workers.llm.names import own_name, plain
from vera_orchestrator.workers.llm.offering import expected_tokens, named_models
from vera_orchestrator.workers.llm.options import DEFAULTS, LLMOptions
from vera_orchestrator.workers.llm.relay import Relay
from vera_orchestrator.workers.llm.results import answer_metrics, check_filter, data_of
from vera_orchestrator.workers.llm.usage import UsageCounter


class Prepared(NamedTuple):
    """What a task asks of a model, and the connection that it was made for."""

    adapter: Adapter
    asked: Asked


class LLMWorker(ConnectedWorker):
    """Asks one provider.

    A subclass connects, names the types it takes, and decides on models: `_default_model` and `_serves` say what is
    known without asking, `_choose_model` decides for a call, `_make_ready` may fetch what is missing. Custom types are
    taken where the worker has their capabilities and their payload is an llm_request's. `price` holds for the models
    that `options.prices` leave out, `quota` None is no limit. Usage is also counted in memory; pass an earlier worker's
    `usage` to go on with it.
    """

    own_types: ClassVar[frozenset[TaskType]]

    def __init__(
        self,
        worker_id: str,
        capabilities: Iterable[WorkerCapability | str],
        config: WorkerConfig,
        *,
        api_type: str,
        default_model: str | None,
        credential: str | None = None,
        price: ModelPrice | None = None,
        quota: APIQuota | None = None,
        rate: Rate | None = None,
        options: LLMOptions = DEFAULTS,
        usage: UsageCounter | None = None,
    ) -> None:
        prices = PriceOverrides(worker=price, models=options.prices)
        super().__init__(worker_id, capabilities, config, prices=prices)
        self.api_type = api_type
        self.default_model = default_model
        self.credential = credential or worker_id
        self.quota = quota
        self.options = options
        self.usage = usage or UsageCounter()
        self._rate = rate
        self._limits: tuple[APIQuota | None, Limits] | None = None

    @property
    def scope(self) -> str:
        """The scope of the worker's own limits in the ledger: its credential's, whoever registered it."""
        return credential_scope(self.credential)

    @property
    def chosen_model(self) -> str | None:
        """The model for a task that names none, as far as it is known."""
        return self._default_model()

    @abstractmethod
    async def _choose_model(self, adapter: Adapter, named: str | None) -> str:
        """Return the model for a call that names one, or None; may list models. Raises where there is none."""

    def _default_model(self) -> str | None:
        """Return the model for a task that names none, as far as it is known; pure and fast."""
        return self.default_model

    def _serves(self, model: str) -> bool | None:
        """Return whether the worker has a model: surely, surely not, or perhaps (None); pure and fast."""
        return True if plain(model) in self._names else None

    async def _make_ready(self, adapter: Adapter, model: str, task: Task) -> None:
        """Do what a model needs before it is asked; nothing has been sent for the task yet."""

    def accepts(self, task: Task) -> bool:
        """Return whether the worker takes tasks of this type and may have a model that this one names."""
        return any(True for _ in self._candidates(task))

    def offers(self, task: Task) -> Sequence[Offer]:
        """Return one offer for each model that the task may mean and that the worker may have; see LLMOptions."""
        tokens = expected_tokens(task.payload)
        return tuple(
            Offer(model=model, position=position, expected_cost=self._costs.expected(model, *tokens), certain=certain)
            for model, position, certain in self._candidates(task)
        )

    def expected_cost(self, task: Task) -> float:
        """Return a rough estimate in USD for the first of its offers, to order workers by; infinite if unknown."""
        return next((offer.expected_cost for offer in self.offers(task)), float("inf"))

    async def demand(self, task: Task) -> Demand:
        """Return the most that the task's call may use; see Adapter for errors."""
        adapter, asked = await self._prepared(task)
        return Demand(
            credential=self.credential,
            provider=self.api_type,
            model=asked.call.model,
            amounts=asked.amounts(self._costs, adapter.tokens_per_image),
            limits={self.scope: self.limits()},
            rates={} if self._rate is None else {self.scope: self._rate},
            prepared=Prepared(adapter, asked),
        )

    async def attempt(self, task: Task, channel: Channel) -> TaskResult:
        """Make one call; the result's data is the text, or one list of numbers per text. See Adapter for errors.

        The answer comes as a stream where somebody listens to it, or the payload asks for one. Raises InvalidPayload
        where the provider's filter left nothing of the answer.
        """
        try:
            prepared = channel.prepared
            if not isinstance(prepared, Prepared) or prepared.adapter is not self._adapter:
                prepared = await self._prepared(task)
            adapter, asked = prepared
            await self._make_ready(adapter, asked.call.model, task)
        except BaseException:
            channel.report(NOT_SENT)
            raise
        started = time.perf_counter()
        try:
            with spans.model_call(self.api_type, asked.call) as span:
                answer = await self._answer(adapter, asked, task, channel)
                spans.answered(span, answer)
        except VeraError as error:
            self._note(error, channel)
            raise
        finally:
            if channel.spent is not NOT_SENT:
                self.usage.add_request()
        result = self._result(asked, answer, channel, (time.perf_counter() - started) * 1000)
        check_filter(self.api_type, answer)
        return result

    def cache_key(self, task: Task) -> str | None:
        """Return what names the answer; None for a task that does not ask for a kept one. Raises InvalidPayload."""
        return cache_key(read_payload(task), task) if "cache" in task.payload else None

    async def _prepared(self, task: Task) -> Prepared:
        adapter = self._adapter
        try:
            if adapter is None:
                raise WorkerUnavailable("The worker is not started.", remedy="Call start() first.")
            payload = read_payload(task)
            if payload.kind == "embedding" and payload.model is None:  # defaults are models that chat
                raise InvalidPayload("No model is named.", field="payload.model", remedy="Name one for embeddings.")
            model = await self._choose_model(
                adapter, payload.model and (self._own_name(payload.model) or payload.model)
            )
        except (NotConfigured, NotFound, WorkerUnavailable) as error:
            error.elsewhere = True
            raise
        asked = Asked.of(
            with_optional(payload, adapter.optional_fields),
            model,
            output_tokens=self.options.output_tokens,
            cap=self.caps_output or self._has_limits,
            fetches_files=adapter.fetches_files,
        )
        return Prepared(adapter, asked)

    async def _answer(
        self, adapter: Adapter, asked: Asked, task: Task, channel: Channel
    ) -> LLMAnswer | EmbeddingAnswer:
        call, seconds = asked.call, task.timeout_seconds or self.config.timeout_seconds
        if isinstance(call, EmbeddingCall):
            return await adapter.embed(call, seconds=seconds)
        wants_progress = task.on_progress is not None and channel.streams_for_progress
        if not (asked.stream or channel.wants_chunks or wants_progress):
            return await adapter.answer(call, seconds=seconds)
        relay = Relay(
            channel,
            largest=asked.output,
            cost=lambda usage: self._costs.of(usage, asked=call.model),
            on_progress=task.on_progress,
        )
        try:
            async with aclosing(adapter.stream(call, seconds=seconds)) as chunks:
                async for chunk in chunks:
                    whole = await relay.add(chunk)
                    if whole is not None:
                        return whole
        except BaseException:
            relay.report()
            raise
        raise malformed(self.api_type)

    def _note(self, error: VeraError, channel: Channel) -> None:
        """Keep what an error says of the account, of other workers, and of this one."""
        spent = spent_of(error)
        if spent is not None:
            channel.report(spent)
        if isinstance(error, NotConfigured | NotFound | WorkerUnavailable):
            error.elsewhere = True
        if isinstance(error, WorkerUnavailable):
            self._away(WorkerStatus.OFFLINE, error)
        elif isinstance(error, NotConfigured) and not error.of_one_call:
            self._away(WorkerStatus.ERROR, error)

    def _result(
        self, asked: Asked, answer: LLMAnswer | EmbeddingAnswer, channel: Channel, elapsed_ms: float
    ) -> TaskResult:
        usage = answer.usage
        cost = None if usage is None else self._costs.of(usage, asked=asked.call.model, answered=answer.model)
        if usage is not None:
            channel.report(Spent(usage=usage, cost=cost))
            self.usage.add_spending(usage.tokens, cost)
        metrics: dict[str, Any] = {
            **answer_metrics(answer),
            "cost_usd": None if cost is None else float(cost),
            "cost_known": cost is not None,
            "api_type": self.api_type,
            "execution_time_ms": elapsed_ms,
        }
        return TaskResult(
            success=True,
            data=data_of(answer),
            metrics=metrics,
            execution_time_ms=elapsed_ms,
            worker_id=self.worker_id,
        )

    def _takes(self, task: Task) -> bool:
        if task.type in self.own_types:
            return True
        is_custom = task.type is TaskType.CUSTOM or not isinstance(task.type, TaskType)
        return is_custom and needed_capabilities(task) <= self.capabilities

    def _own_name(self, reference: str) -> str | None:
        return own_name(reference, kind=self.api_type, worker_id=self.worker_id, known=self._names)

    def _candidates(self, task: Task) -> Iterator[tuple[str | None, int, bool]]:
        """Yield the models that a task may mean: the name, if it is known, its position, and whether it is there."""
        if not self._takes(task):
            return
        for position, reference in enumerate(named_models(task.payload, self.options.model_classes)):
            if reference is None:
                # defaults are models that chat; the attempt says that there is none for the rest
                model = None if task.payload.get("kind") == "embedding" else self._default_model()
                yield model, 0, model is not None and self._serves(model) is True
                continue
            model = self._own_name(reference)
            served = False if model is None else self._serves(model)
            if served is not False:
                yield model, position, served is True

    def limits(self) -> Limits:
        """Return the limits of its credential, those that hold for nobody else."""
        if self._limits is None or self._limits[0] is not self.quota:
            zone = self.options.time_zone
            self._limits = self.quota, Limits(zone=zone) if self.quota is None else Limits.of_quota(self.quota, zone)
        return self._limits[1]

    @property
    def _has_limits(self) -> bool:
        quota = self.quota
        limits = () if quota is None else (quota.tokens_per_minute, quota.tokens_per_day, quota.cost_limit_per_day)
        return any(limit is not None for limit in limits)
