"""An Ollama server, kept in Prefect."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, field_validator

from blocks.pages import DOCUMENTATION, LOGO
from vera_orchestrator.models import WorkerConfig
from vera_orchestrator.settings import OrchestratorConfig

if TYPE_CHECKING:
    from vera_orchestrator.workers.llm import OllamaWorker


class OllamaHost(Block):
    """An Ollama server: language models on a machine of one's own.

    Each orchestrator that uses this Prefect server makes a worker of it when it starts.

    Example:
        Keep an address:
        ```python
        from blocks import OllamaHost

        OllamaHost(url="http://gpu-1:11434").save("BLOCK_NAME")
        host = OllamaHost.load("BLOCK_NAME")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # an address that is refused may hold a password

    _block_type_name: ClassVar[str | None] = "Ollama Host"
    _block_type_slug: ClassVar[str | None] = "ollama-host"
    _logo_url: ClassVar[HttpUrl | None] = LOGO
    _documentation_url: ClassVar[HttpUrl | None] = DOCUMENTATION

    url: str = Field(description="Address of the server, such as http://gpu-1:11434.")
    default_model: str | None = Field(
        default=None, description="Model where a task names none; None: that of the settings."
    )
    max_concurrent_tasks: int = Field(default=4, ge=1, description="Requests that it is sent at a time.")

    @field_validator("url")
    @classmethod
    def _without_account(cls, url: str) -> str:
        if "@" in url:
            raise ValueError("an account in the address of Ollama is not sent: leave it out")
        return url

    def worker(self, config: OrchestratorConfig) -> OllamaWorker:
        """Return the worker of this server, not started."""
        from vera_orchestrator.workers.llm import OllamaWorker
        from vera_orchestrator.workers.llm.options import LLMOptions

        return OllamaWorker(
            self.url,
            default_model=self.default_model or config.default_ollama_model,
            config=WorkerConfig(max_concurrent_tasks=self.max_concurrent_tasks),
            options=LLMOptions.of(config),
            may_pull=config.ollama_pull,
        )
