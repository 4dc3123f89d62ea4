"""The span of one call of a language model, by the semantic conventions for generative AI."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind

from vera_orchestrator import tracing
from vera_orchestrator.workers.llm.forms import EmbeddingAnswer, EmbeddingCall, LLMAnswer, LLMCall

PROVIDERS: Mapping[str, str] = {"gemini": "gcp.gemini"}
"""Names of the conventions that are not ours."""


@contextmanager
def model_call(provider: str, call: LLMCall | EmbeddingCall) -> Generator[Span]:
    """Trace one call of a language model."""
    operation = "chat" if isinstance(call, LLMCall) else "embeddings"
    span = tracing.TRACER.start_span(f"{operation} {call.model}", kind=SpanKind.CLIENT)
    if not span.get_span_context().is_valid:
        yield span
        return
    if span.is_recording():
        span.set_attributes(
            {
                "gen_ai.operation.name": operation,
                "gen_ai.provider.name": PROVIDERS.get(provider, provider),
                "gen_ai.request.model": call.model,
            }
        )
        if isinstance(call, LLMCall):
            _add_request(span, call)
    with tracing.current(span):
        yield span


def _add_request(span: Span, call: LLMCall) -> None:
    if call.max_tokens is not None:
        span.set_attribute("gen_ai.request.max_tokens", call.max_tokens)
    if call.temperature is not None:
        span.set_attribute("gen_ai.request.temperature", call.temperature)
    if call.stop:
        span.set_attribute("gen_ai.request.stop_sequences", call.stop)


def answered(span: Span, answer: LLMAnswer | EmbeddingAnswer) -> None:
    """Note the answer on the span of a call."""
    if not span.is_recording():
        return
    span.set_attribute("gen_ai.response.model", answer.model)
    if isinstance(answer, LLMAnswer):
        span.set_attribute("gen_ai.response.finish_reasons", (answer.finish_reason.value,))
    usage = answer.usage
    if usage is not None:
        span.set_attribute("gen_ai.usage.input_tokens", usage.whole_input)
        span.set_attribute("gen_ai.usage.output_tokens", usage.whole_output)
        if usage.cache_read:
            span.set_attribute("gen_ai.usage.cache_read.input_tokens", usage.cache_read)
