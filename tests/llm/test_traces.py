"""The spans of tasks, attempts and calls of models, as OpenTelemetry's SDK gets them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import ProxyTracer, SpanContext, SpanKind, StatusCode

from api import PREFIX, register_routes
from tests.llm.stage import MODEL, Make, ask, asking, connected
from tests.support import run
from vera_orchestrator import tracing
from vera_orchestrator.enums import TaskStatus, TaskType
from vera_orchestrator.models import Task
from vera_orchestrator.simulator.running import Running

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "what nobody else may read"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What is exported while tracing is switched on."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "TRACER", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def context_of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    return span.parent is not None and span.parent.span_id == context_of(parent).span_id


@pytest.mark.parametrize(
    ("kind", "name"), [("openai", "openai"), ("anthropic", "anthropic"), ("gemini", "gcp.gemini"), ("ollama", "ollama")]
)
async def test_a_call_of_a_model_is_a_client_span_within_its_attempt_and_task(
    make: Make, provider: Running, spans: InMemorySpanExporter, kind: str, name: str
) -> None:
    one, worker = await connected(make, kind, provider.url)
    result = await ask(one, payload={"max_tokens": 50, "temperature": 0.5})
    found = by_name(spans)
    task, attempt, call = found["task llm_request"], found["attempt llm_request"], found[f"chat {MODEL}"]
    assert is_child(attempt, task) and is_child(call, attempt) and task.parent is None
    assert call.kind is SpanKind.CLIENT
    assert attributes(call) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": name,
        "gen_ai.request.model": MODEL,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.model": result.metrics["model"],
        "gen_ai.response.finish_reasons": (result.metrics["finish_reason"],),
        "gen_ai.usage.input_tokens": result.metrics["input_tokens"],
        "gen_ai.usage.output_tokens": result.metrics["output_tokens"],
    }
    assert attributes(attempt)["vera.worker.id"] == worker.worker_id
    assert attributes(task)["vera.task.status"] == "completed"
    assert (task.start_time or 0) <= (attempt.start_time or 0) <= (call.end_time or 0) <= (task.end_time or 0)


async def test_what_fails_says_with_which_kind_of_error_and_nothing_of_what_was_asked(
    make: Make, provider: Running, spans: InMemorySpanExporter
) -> None:
    one, _ = await connected(make, "openai", provider.url)
    failed = await ask(one, SECRET, payload={"model": "unknown-model"}, max_retries=0)
    assert not failed.success
    found = by_name(spans)
    for span in (found["task llm_request"], found["attempt llm_request"], found["chat unknown-model"]):
        assert span.status.status_code is StatusCode.ERROR
        assert attributes(span)["error.type"] == failed.error_type
        assert SECRET not in span.to_json()


async def test_a_task_belongs_to_the_trace_that_its_request_names(
    make: Make, provider: Running, spans: InMemorySpanExporter
) -> None:
    one, _ = await connected(make, "openai", provider.url)
    app = FastAPI()
    register_routes(app, orchestrator=one)
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000" + PREFIX) as client:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        answer = await client.post("/llm/request", json={"prompt": "hi", "model": MODEL}, headers=headers)
        assert answer.json()["success"], answer.text
        assert (await client.post("/llm/request", json={"prompt": "hi", "model": MODEL})).json()["success"]
    first, second = [span for span in spans.get_finished_spans() if span.name == "task llm_request"]
    assert first.parent is not None
    assert (f"{first.parent.trace_id:032x}", f"{first.parent.span_id:016x}") == (TRACE, PARENT)
    assert second.parent is None
    in_trace = {span.name for span in spans.get_finished_spans() if context_of(span).trace_id == int(TRACE, 16)}
    assert in_trace == {"task llm_request", "attempt llm_request", f"chat {MODEL}"}


async def test_each_attempt_has_a_span_and_a_task_that_never_ran_has_none(
    make: Make, provider: Running, spans: InMemorySpanExporter
) -> None:
    one, _ = await connected(make, "openai", provider.url)
    tasks = [
        asking(payload={"model": "unknown-model"}, id="a", max_retries=0),
        Task(id="b", type=TaskType.CUSTOM, depends_on=["a"]),
    ]
    await one.submit_batch(tasks, wait=True)
    ended = [span for span in spans.get_finished_spans() if span.name == "task custom"]
    assert [attributes(span)["vera.task.status"] for span in ended] == [TaskStatus.CANCELLED.value]
    assert attributes(ended[0])["vera.batch.id"]
    assert not [span for span in spans.get_finished_spans() if span.name == "attempt custom"]


async def test_what_is_not_sampled_is_not_exported_and_nothing_is_kept_without_a_provider(
    make: Make, provider: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(tracing.TRACER, ProxyTracer)
    assert tracing.task_span(Task()) is None
    exporter, unsampled = InMemorySpanExporter(), TracerProvider(sampler=ALWAYS_OFF)
    unsampled.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "TRACER", unsampled.get_tracer("test"))
    one, _ = await connected(make, "openai", provider.url)
    assert (await run(one, asking())).success
    assert exporter.get_finished_spans() == ()
