"""Spans for OpenTelemetry: a task's, and each attempt's; those of calls of language models are in `workers/llm`.

Only the API of OpenTelemetry is used: where the program sets no tracer provider, no span is kept and nothing is added
to one. Attributes are those of the semantic conventions for generative AI, or begin with `vera.`. No span
holds a prompt, a payload or an answer.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, Status, StatusCode

from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.windows import SECOND, micros

TRACER = trace.get_tracer("vera_orchestrator")
"""Follows the tracer provider that the program sets, now or later."""
NANOSECONDS = 1_000_000_000 // SECOND


@contextmanager
def following(headers: Mapping[str, str]) -> Generator[None]:
    """Let spans of the block belong to the trace that a request's headers name, unless there is one already."""
    if "traceparent" not in headers or trace.get_current_span().get_span_context().is_valid:
        yield
        return
    token = context.attach(propagate.extract(headers))
    try:
        yield
    finally:
        context.detach(token)


def task_span(task: Task) -> Span | None:
    """Begin the span of a task, in the trace of whoever submits it; None where nobody wants it."""
    span = TRACER.start_span(f"task {task.type}", start_time=_nanoseconds(task.submitted_at))
    if not span.get_span_context().is_valid:
        return None
    if span.is_recording():
        span.set_attributes(
            {
                "vera.task.id": task.id,
                "vera.task.type": str(task.type),
                "vera.task.priority": task.priority.name.lower(),
            }
        )
        if task.batch_id is not None:
            span.set_attribute("vera.batch.id", task.batch_id)
    return span


def end_task(span: Span, task: Task) -> None:
    """End the span of a task that has ended, or that is in somebody else's hands now."""
    if span.is_recording():
        span.set_attributes({"vera.task.status": task.status.value, "vera.task.retries": task.retry_count})
        result = task.result
        if task.status is TaskStatus.FAILED:
            span.set_status(Status(StatusCode.ERROR))
            span.set_attribute("error.type", (result.error_type if result is not None else None) or "_OTHER")
    span.end()


@contextmanager
def attempt(parent: Span, task: Task, worker_id: str) -> Generator[Span]:
    """Trace one attempt of a task."""
    attributes = {"vera.task.id": task.id, "vera.worker.id": worker_id, "vera.task.attempt": task.retry_count + 1}
    span = TRACER.start_span(f"attempt {task.type}", context=trace.set_span_in_context(parent), attributes=attributes)
    with current(span):
        yield span


def judged(span: Span, result: TaskResult) -> None:
    """Note on the span of an attempt that its result is no success."""
    if not result.success and span.is_recording():
        span.set_status(Status(StatusCode.ERROR))
        span.set_attribute("error.type", result.error_type or "_OTHER")


@contextmanager
def current(span: Span) -> Generator[None]:
    """Make a span the current one, and end it with the kind of error that the block raises.

    An error's text may repeat what was asked, so it is left out.
    """
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except BaseException as error:
            if span.is_recording():
                span.set_status(Status(StatusCode.ERROR))
                span.set_attribute("error.type", type(error).__name__)
            raise


def _nanoseconds(time: datetime | None) -> int | None:
    return None if time is None else micros(time) * NANOSECONDS
