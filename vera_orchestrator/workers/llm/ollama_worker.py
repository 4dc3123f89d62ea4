"""Language models on a machine of one's own, served by Ollama."""

from __future__ import annotations

from typing import Any

from vera_orchestrator.enums import TaskType, WorkerCapability
from vera_orchestrator.errors import NotFound
from vera_orchestrator.models import WorkerConfig
from vera_orchestrator.workers.llm.base import Adapter
from vera_orchestrator.workers.llm.usage import UsageCounter
from vera_orchestrator.workers.llm.worker import LLMWorker

MAX_CONCURRENT_TASKS = 4
SUGGESTED_MODEL = "llama3.2"


class OllamaWorker(LLMWorker):
    """Asks one Ollama server; its calls cost nothing.

    The model is the one that the task names, else `default_model` if it is installed, else the first that can chat.
    A server that is away is taken up again by `health_check`.
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
        usage: UsageCounter | None = None,
    ) -> None:
        self.ollama_url = ollama_url.rstrip("/")
        super().__init__(
            worker_id or f"ollama-{self.ollama_url.rpartition('://')[2].rpartition('@')[2].replace('/', '-')}",
            [WorkerCapability.LLM_INFERENCE, WorkerCapability.OLLAMA],
            config or WorkerConfig(max_concurrent_tasks=MAX_CONCURRENT_TASKS),
            api_type="ollama",
            default_model=default_model,
            price=0.0,
            usage=usage,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form, with the models that are installed."""
        return {
            **super().to_dict(),
            "ollama_url": self.ollama_url,
            "default_model": self.default_model,
            "available_models": [model.name for model in self.models],
        }

    def _connect(self) -> Adapter:
        from vera_orchestrator.workers.llm.ollama import OllamaAdapter  # imports the client

        return OllamaAdapter(self.ollama_url)

    async def _choose_model(self, adapter: Adapter, named: str | None) -> str:
        if named:
            return named
        if not self.models:  # one may have been installed since the last health check
            self.models = await adapter.models(seconds=self.config.timeout_seconds)
        wanted = (self.default_model, f"{self.default_model}:latest")
        chosen = [model.name for model in self.models if model.name in wanted]
        chosen += [model.name for model in self.models if model.chats]
        if chosen:
            return chosen[0]
        raise NotFound(
            "Ollama has no model that can chat.",
            field="payload.model",
            remedy=f"Run: ollama pull {self.default_model or SUGGESTED_MODEL}.",
        )
