"""Workers that ask language models.

A worker decides (which model, what it costs, what its status is), an adapter translates one call for one provider's
client. A client library is imported when the first worker of its kind starts.
"""

from vera_orchestrator.workers.llm.api import LLMAPIWorker
from vera_orchestrator.workers.llm.ollama_worker import OllamaWorker

__all__ = ["LLMAPIWorker", "OllamaWorker"]
