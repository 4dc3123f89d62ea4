"""Language models on a machine of one's own, served by Ollama."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from vera_orchestrator.enums import TaskType, WorkerCapability, WorkerStatus
from vera_orchestrator.errors import InvalidValue, NotFound, VeraError, WorkerUnavailable
from vera_orchestrator.models import Task, WorkerConfig
from vera_orchestrator.pricing import FREE
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.workers.llm.base import Adapter
from vera_orchestrator.workers.llm.connected import PROBE_SECONDS
from vera_orchestrator.workers.llm.ollama_models import LoadedModel, same_model
from vera_orchestrator.workers.llm.options import DEFAULTS, LLMOptions
from vera_orchestrator.workers.llm.usage import UsageCounter
from vera_orchestrator.workers.llm.worker import LLMWorker

if TYPE_CHECKING:
    from vera_orchestrator.workers.llm.ollama import OllamaAdapter

MAX_CONCURRENT_TASKS = 4
SUGGESTED_MODEL = "llama3.2"
Watcher = Callable[[float, str], object]
"""A user's function, sync or async, that is told the share that is done and what is done now."""

logger = logging.getLogger(__name__)


class OllamaWorker(LLMWorker):
    """Asks one Ollama server; its calls cost nothing.

    The model is the one that the task names, if it is installed, else `default_model` if that is, else the first that
    can chat. With `may_pull` a model that a task names is downloaded first where it is not installed; the task's
    `on_progress` is told how far that is, and then how far the answer is. `loaded` are the models in the server's
    memory, as of the last health check, which also takes up again a server that was away. Raises InvalidValue for an
    address with an account.
    """

    own_types = frozenset({TaskType.LLM_REQUEST, TaskType.OLLAMA_REQUEST})
    needs_list = True

    def __init__(
        self,
        ollama_url: str,
        *,
        worker_id: str | None = None,
        default_model: str | None = None,
        config: WorkerConfig | None = None,
        options: LLMOptions = DEFAULTS,
        usage: UsageCounter | None = None,
        may_pull: bool = False,
    ) -> None:
        if "@" in ollama_url:
            raise InvalidValue("It has an account, which is not sent.", field="ollama_url", remedy="Leave it out.")
        self.ollama_url = ollama_url.rstrip("/")
        self.may_pull = may_pull
        self.loaded: Sequence[LoadedModel] = ()
        self._was_listed = False
        super().__init__(
            worker_id or f"ollama-{self.ollama_url.rpartition('://')[2].replace('/', '-')}",
            [WorkerCapability.LLM_INFERENCE, WorkerCapability.OLLAMA],
            config or WorkerConfig(max_concurrent_tasks=MAX_CONCURRENT_TASKS),
            api_type="ollama",
            default_model=default_model,
            price=FREE,
            options=options,
            usage=usage,
        )

    async def health_check(self) -> bool:
        """List the models that are installed, and those that are in memory; look-alikes need not know the latter."""
        is_well = await super().health_check()
        self._was_listed = self._was_listed or is_well
        self.loaded = await self._in_memory() if is_well else ()
        return is_well

    async def pull(self, model: str, on_progress: Watcher | None = None, *, seconds: float | None = None) -> None:
        """Download a model within a time, or its newest version; several downloads of one model are one at the server.

        `on_progress` is told the share that is done, 0 to 1, and in words what is done now. Raises NotFound
        for a model that there is not, WorkerUnavailable, TaskTimeout, else TaskFailed; a download that was broken off
        goes on at the next pull.
        """
        host = self._host()

        async def told(share: float, words: str) -> None:
            if on_progress is not None:
                await _tell(on_progress, share, words)

        try:
            await host.pull(model, told, seconds=seconds)
            self.models = await host.models(seconds=PROBE_SECONDS)
        except WorkerUnavailable as error:
            self._away(WorkerStatus.OFFLINE, error)
            raise

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form, with the models that are installed and those that are in memory."""
        return {
            **super().to_dict(),
            "ollama_url": self.ollama_url,
            "default_model": self.default_model,
            "available_models": [model.name for model in self.models],
            "loaded_models": [model.to_dict() for model in self.loaded],
        }

    def _connect(self) -> Adapter:
        from vera_orchestrator.workers.llm.ollama import OllamaAdapter  # imports the client

        return OllamaAdapter(self.ollama_url)

    def _host(self) -> OllamaAdapter:
        if self._adapter is None:
            raise WorkerUnavailable("The worker is not started.", remedy="Call start() first.")
        return cast("OllamaAdapter", self._adapter)

    async def _in_memory(self) -> Sequence[LoadedModel]:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return await self._host().loaded(seconds=PROBE_SECONDS)
        except (TimeoutError, VeraError):
            return ()

    async def _choose_model(self, adapter: Adapter, named: str | None) -> str:
        if named:
            return named
        if not self.models:  # one may have been installed since the last health check
            self.models = await adapter.models(seconds=self.config.timeout_seconds)
        chosen = self._default_model()
        if chosen is None:
            raise NotFound(
                "Ollama has no model that can chat.",
                field="payload.model",
                remedy=f"Run: ollama pull {self.default_model or SUGGESTED_MODEL}.",
            )
        return chosen

    def _default_model(self) -> str | None:
        default = self.default_model
        chosen = [model.name for model in self.models if default and same_model(model.name, default)]
        chosen += [model.name for model in self.models if model.chats]
        return chosen[0] if chosen else None

    def _serves(self, model: str) -> bool | None:
        if self._has(model):
            return True
        return None if self.may_pull or not self._was_listed else False

    def _has(self, model: str) -> bool:
        return any(same_model(model, one.name) for one in self.models)

    async def _make_ready(self, adapter: Adapter, model: str, task: Task) -> None:
        del adapter
        if not self.may_pull or self._has(model):
            return
        hook: Callable[[float], object] | None = task.on_progress
        watcher: Watcher | None = None if hook is None else lambda share, _: hook(share)
        seconds = task.timeout_seconds or self.config.timeout_seconds
        try:
            await self.pull(model, watcher, seconds=seconds)
        except VeraError as error:
            error.elsewhere = True
            raise


async def _tell(hook: Watcher, share: float, words: str) -> None:
    try:
        told = hook(share, words)
        if inspect.isawaitable(told):
            await told
    except Exception:  # a user's function may raise anything, and harms nobody
        logger.exception("on_progress failed")


def ollama_workers(config: OrchestratorConfig) -> list[OllamaWorker]:
    """Return a worker for each Ollama server that the settings name, `ollama_url` first; none twice."""
    workers: dict[str, OllamaWorker] = {}
    for address in (config.ollama_url, *config.ollama_hosts):
        worker = OllamaWorker(
            address,
            default_model=config.default_ollama_model,
            options=LLMOptions.of(config),
            may_pull=config.ollama_pull,
        )
        workers.setdefault(worker.worker_id, worker)
    return list(workers.values())
