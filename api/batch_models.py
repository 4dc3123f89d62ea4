"""Bodies of requests and answers about batches."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.models import Name, Strict, TaskRequest, WebhookRequest, examples
from api.task_models import Message


class BatchRequest(Strict):
    """Tasks to run together; each may depend on others of the batch by their `id`.

    Without `execute_parallel` one runs at a time; with `fail_fast` the first failure cancels the rest. `name` is what
    Prefect's UI shows. `idempotency_key` is that of the whole batch, as the header.
    """

    model_config = examples(
        {
            "tasks": [
                {"type": "custom", "id": "story", "payload": {"text": "Once upon a time"}},
                {"type": "custom", "id": "summary", "payload": {"of": "{story}"}, "depends_on": ["story"]},
            ],
            "name": "a story and its summary",
        }
    )

    tasks: list[TaskRequest] = Field(min_length=1)
    execute_parallel: bool = True
    fail_fast: bool = False
    batch_id: Name | None = None
    name: Name | None = None
    idempotency_key: Name | None = None
    webhook: WebhookRequest | None = None


class SubmittedBatch(BaseModel):
    """A batch that was accepted; `task_ids` in the order of its tasks."""

    batch_id: str
    task_ids: list[str]
    status: Literal["submitted"]
    message: str


class Edge(BaseModel):
    """That one task waits for another: for its success, or with `any` only for its end."""

    from_: str = Field(alias="from")
    to: str
    any: bool


class BatchAnswer(BaseModel):
    """A batch with its graph and its tasks.

    `counts` says how many tasks have each status, `webhook` how far its messages are, null where it has no webhook.
    """

    batch_id: str
    name: str | None
    status: str
    execute_parallel: bool
    fail_fast: bool
    submitted_at: str | None
    completed_at: str | None
    flow_run_id: str | None
    prefect_url: str | None
    counts: dict[str, int]
    edges: list[Edge]
    webhook: list[Message] | None
    tasks: list[dict[str, Any]]


class BatchInList(BaseModel):
    """A batch without its tasks."""

    batch_id: str
    name: str | None
    status: str
    submitted_at: str | None
    completed_at: str | None
    counts: dict[str, int]


class BatchList(BaseModel):
    """A page of batches, newest first; the next page begins at `next_cursor`."""

    batches: list[BatchInList]
    next_cursor: str | None


class CancelledBatch(BaseModel):
    """How many tasks of a batch were cancelled."""

    batch_id: str
    cancelled: int
    message: str


class RetriedBatch(BaseModel):
    """Which tasks of a batch are in the queue again."""

    batch_id: str
    task_ids: list[str]
    message: str
