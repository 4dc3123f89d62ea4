"""Prefect blocks: configuration that builds workers. `prefect block register -m blocks` shows their types in the UI."""

from blocks.llm_provider import LLMProvider
from blocks.ollama_host import OllamaHost

__all__ = ["LLMProvider", "OllamaHost"]
