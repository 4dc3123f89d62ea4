"""Bodies of requests and answers. A request with another field is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr


def utf8(text: str) -> str:
    """Return a text that has a form in UTF-8; JSON can also hold half a character of UTF-16, which has none.

    Raises ValueError.
    """
    text.encode()
    return text


Text = Annotated[str, AfterValidator(utf8)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
WaitSeconds = Annotated[float, Field(ge=0, le=86_400)]
Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000_000)]
PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Priority = Annotated[Text | int, Field(description="critical, high, normal, low, background, or 0 to 4.")]

Cursor = Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description="`next_cursor` of the page before.")]

WAIT_SECONDS = 60


class Strict(BaseModel):
    """A request; a field that it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


class Waits(Strict):
    """A request that is answered with a result.

    After `wait_seconds` it is answered with the task's address, and the task goes on; so it does if the client goes
    away, unless `cancel_on_disconnect` is set.
    """

    wait_seconds: WaitSeconds = WAIT_SECONDS
    cancel_on_disconnect: bool = False


class WebhookRequest(Strict):
    """Where to send a message at the end; `secret` is base64 with which it is signed (https://standardwebhooks.com)."""

    url: Text = Field(min_length=1, max_length=2_000)
    secret: Text | None = Field(default=None, max_length=1_000)


class TaskRequest(Strict):
    """A task to run."""

    type: Text
    payload: dict[Text, Any] = Field(default_factory=dict)
    priority: Priority = "normal"
    max_retries: int = Field(default=3, ge=0, le=1_000_000)
    metadata: dict[Text, Any] = Field(default_factory=dict)
    id: Name | None = None
    tags: list[Text] | None = None
    depends_on: list[Text] | None = None
    depends_on_any: list[Text] | None = None
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    max_wait_seconds: Seconds | None = None
    timeout_seconds: Seconds | None = None
    retry_delay_seconds: float = Field(default=1.0, ge=0, le=86_400)
    can_parallelize: bool = True
    idempotency_key: Name | None = None
    fairness_key: Name | None = None
    concurrency_key: Name | None = None
    budget: Name | None = None
    store: bool = True
    webhook: WebhookRequest | None = None
    requirements: dict[Text, Any] | None = None


class ExecuteRequest(TaskRequest, Waits):
    """A task to run and wait for, `wait_seconds` at most."""


class LLMRequest(Waits):
    """A prompt for a language model."""

    prompt: Text
    model: Text | None = None
    system: Text | None = None
    temperature: float | None = Field(default=0.7, ge=0, le=10)
    max_tokens: int | None = Field(default=None, gt=0)
    cache: bool = False
    budget: Name | None = None
    prefer_ollama: bool = True
    priority: Priority = "normal"


class ToolRequest(Waits):
    """A call of a registered tool."""

    tool_name: Text
    tool_input: dict[Text, Any] = Field(default_factory=dict)
    priority: Priority = "normal"


class LLMApiRegistration(Strict):
    """A cloud LLM API; money in USD. What is None has no limit."""

    api_type: Text
    api_key: SecretStr = Field(min_length=1)
    rate_limit_per_minute: PerMinute = 60
    cost_per_1k_tokens: Money = 0.0
    quota_requests_per_day: Count | None = None
    quota_tokens_per_day: Count | None = None
    quota_cost_limit_per_day: Money | None = None
    base_url: Text | None = None
    default_model: Text | None = None


class RemoteRegistration(Strict):
    """A remote compute node."""

    remote_url: Text
    worker_id: Name | None = None
    auth_token: SecretStr | None = None


class Health(BaseModel):
    """Whether the orchestrator runs."""

    status: Literal["healthy", "stopped"]
    version: str


class Submitted(BaseModel):
    """A task that was accepted."""

    task_id: str
    status: Literal["submitted"]
    message: str


class Executed(BaseModel):
    """What became of a task."""

    task_id: str
    success: bool
    data: Any = None
    error: str | None = None
    metrics: dict[str, Any]
    execution_time_ms: float
    worker_id: str | None = None


class LLMAnswer(BaseModel):
    """The text of a language model."""

    task_id: str
    success: bool
    response: str | None = None
    error: str | None = None
    metrics: dict[str, Any]


class ToolAnswer(BaseModel):
    """What a tool returned."""

    task_id: str
    success: bool
    result: Any = None
    error: str | None = None
    metrics: dict[str, Any]


class Waiting(BaseModel):
    """A task that goes on; it had not ended within `wait_seconds`."""

    task_id: str
    status: str
    message: str


class History(BaseModel):
    """A page of tasks, newest first; the next page begins at `next_cursor`."""

    tasks: list[dict[str, Any]]
    count: int
    next_cursor: str | None


class Registered(BaseModel):
    """A worker that was added."""

    worker_id: str
    status: Literal["registered"]
    message: str


class Workers(BaseModel):
    """All workers."""

    workers: list[dict[str, Any]]
    statistics: dict[str, Any]


class ProblemBody(BaseModel):
    """An error: the field at fault where there is one, and what to do."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None
    remedy: str | None


MISSING: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemBody, "description": "There is none with this id, or it is somebody else's."}
}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemBody, "description": "It does not fit what is there already."}
}


class WorkerChanged(BaseModel):
    """A worker that was drained, resumed or removed, and its status since."""

    worker_id: str
    status: str
    message: str
