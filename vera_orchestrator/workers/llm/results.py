"""From an answer to a task's result: pure."""

from __future__ import annotations

from typing import Any

from vera_orchestrator.errors import InvalidPayload
from vera_orchestrator.workers.llm.forms import EmbeddingAnswer, FinishReason, LLMAnswer


def data_of(answer: LLMAnswer | EmbeddingAnswer) -> str | list[list[float]]:
    """Return the data of a result: the text, or one list of numbers per text."""
    return answer.text if isinstance(answer, LLMAnswer) else [list(vector) for vector in answer.vectors]


def answer_metrics(answer: LLMAnswer | EmbeddingAnswer) -> dict[str, Any]:
    """Return the metrics that an answer gives.

    Counts are None where the provider reports none, and then `usage_estimated` says that what was reserved for the call
    counts; `usage` has them by kind. `tool_calls` stands there only where
    there are some, and may go into a message of the assistant as it is.
    """
    usage = answer.usage
    metrics: dict[str, Any] = {
        **answer.metrics,
        "model": answer.model,
        "tokens_used": usage.tokens if usage else None,
        "input_tokens": usage.whole_input if usage else None,
        "output_tokens": usage.whole_output if usage else None,
        "usage": usage.to_json() if usage else None,
        "usage_estimated": usage is None or usage.estimated,
        "request_id": answer.request_id,
    }
    if isinstance(answer, LLMAnswer):
        metrics["finish_reason"] = answer.finish_reason.value
        metrics["native_finish_reason"] = answer.native_finish_reason
        if answer.tool_calls:
            metrics["tool_calls"] = [call.to_json() for call in answer.tool_calls]
    return metrics


def check_filter(api_type: str, answer: LLMAnswer | EmbeddingAnswer) -> None:
    """Raise InvalidPayload where the provider's filter left nothing of an answer."""
    if not isinstance(answer, LLMAnswer) or answer.finish_reason is not FinishReason.CONTENT_FILTER:
        return
    if not answer.text and not answer.tool_calls:
        raise InvalidPayload(
            f"The content filter of {api_type} left nothing of the answer ({answer.native_finish_reason}).",
            field="payload",
            remedy="Ask in another way.",
        )
