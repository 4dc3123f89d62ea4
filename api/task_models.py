"""Bodies of answers about one task."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class Attempt(BaseModel):
    """One attempt of a task: those on metered workers as the ledger has them, else the last one.

    `state` is reserved while it runs, then settled, or estimated where its use is not known for sure.
    """

    worker_id: str | None
    at: str
    state: Literal["reserved", "settled", "estimated", "running", "ended"]
    provider: str | None = None
    model: str | None = None
    tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


class Routing(BaseModel):
    """Why a worker was taken: what was found of each one that fits, at the last look."""

    worker: str | None
    considered: dict[str, str]


class Message(BaseModel):
    """A message to a webhook: `due_at` is when it is sent next, null once it has arrived or is given up."""

    id: str
    type: str
    attempts: int
    due_at: str | None
    delivered_at: str | None
    error: str | None


class TaskAnswer(BaseModel):
    """A task as it stands."""

    id: str
    type: str
    priority: int
    status: str
    status_reason: str | None
    payload: dict[str, Any]
    submitted_at: str | None
    started_at: str | None
    completed_at: str | None
    retry_count: int
    tags: list[str]
    metadata: dict[str, Any]
    batch_id: str | None
    caller: str | None
    worker_id: str | None
    depends_on: list[str]
    depends_on_any: list[str]
    result: dict[str, Any] | None
    error: str | None
    metrics: dict[str, Any]
    attempts: list[Attempt]
    routing: Routing | None
    prefect_url: str | None
    webhook: list[Message] | None


class CancelledTask(BaseModel):
    """Whether a task was cancelled; one that had ended was not."""

    task_id: str
    cancelled: bool
    status: str
    message: str


class RetriedTask(BaseModel):
    """A task that is in the queue again."""

    task_id: str
    status: str
    message: str
