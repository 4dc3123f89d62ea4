"""Bodies of requests and answers. A request with another field is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from api.choices import Priority, ProviderKind, Strategy, TaskTypeName, Text, payload_by_type
from api.moments import written_out
from BackgroundCognition.orchestrator import APIQuota

Time = Annotated[datetime, Field(strict=False), BeforeValidator(written_out)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
WaitSeconds = Annotated[float, Field(ge=0, le=86_400)]
Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000_000)]
PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Cursor = Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description="`next_cursor` of the page before.")]

WAIT_SECONDS = 60


def examples(*given: dict[str, Any]) -> ConfigDict:
    """Return the settings of a request that shows examples."""
    return ConfigDict(json_schema_extra={"examples": [*given]})


def describe_task(schema: dict[str, Any]) -> None:
    """Add to the schema of a task what its payload is, and examples."""
    payload_by_type(schema)
    schema["examples"] = [
        {"type": "custom", "payload": {"n": 1}, "tags": ["example"]},
        {"type": "llm_request", "payload": {"prompt": "Say hello"}, "priority": "high"},
        {"type": "code_execution", "payload": {"code": "print(6 * 7)", "language": "python"}, "timeout_seconds": 20},
    ]


class Strict(BaseModel):
    """A request: a field that it does not know is refused, and so is a text where a number is meant."""

    model_config = ConfigDict(extra="forbid", strict=True)


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


class Requirements(Strict):
    """What a worker must offer."""

    cpu_cores: float | None = Field(default=None, ge=0, le=1e6)
    memory_mb: int | None = Field(default=None, ge=0, le=1_000_000_000)
    gpu: bool = False
    network: bool = True
    worker_capabilities: list[Text] = Field(default=[], description="Capabilities that a worker must have.")
    max_runtime_seconds: Seconds | None = None
    worker_id: Name | None = Field(default=None, description="The one worker that may run it.")
    routing: Strategy | None = None


class TaskRequest(Strict):
    """A task to run."""

    model_config = ConfigDict(json_schema_extra=describe_task)

    type: TaskTypeName
    payload: dict[Text, Any] = Field(default={}, description="What the type asks for.")
    priority: Priority = "normal"
    max_retries: int = Field(default=3, ge=0, le=1_000_000)
    metadata: dict[Text, Any] = Field(default={}, description="Anything; `name` is what Prefect's UI shows.")
    id: Name | None = Field(default=None, description="An id of one's own; no other unfinished task may have it.")
    tags: list[Text] | None = None
    depends_on: list[Text] | None = Field(default=None, description="Ids of tasks that must succeed before.")
    depends_on_any: list[Text] | None = Field(default=None, description="Ids of tasks that must have ended before.")
    scheduled_at: Time | None = Field(default=None, description="It does not start before.")
    expires_at: Time | None = Field(default=None, description="It fails if it has not started by then.")
    max_wait_seconds: Seconds | None = Field(default=None, description="It fails if it waits for longer.")
    timeout_seconds: Seconds | None = Field(default=None, description="The longest time that one attempt may take.")
    retry_delay_seconds: float = Field(default=1.0, ge=0, le=86_400)
    can_parallelize: bool = Field(default=True, description="In a batch: whether others may run meanwhile.")
    idempotency_key: Name | None = Field(default=None, description="As the header Idempotency-Key.")
    fairness_key: Name | None = Field(default=None, description="Whose turn it takes. Of a keyed caller: its own.")
    concurrency_key: Name | None = Field(default=None, description="Of the tasks with one key, one runs at a time.")
    budget: Name | None = Field(default=None, description="One of the settings' llm_budgets.")
    store: bool = Field(default=True, description="Keep payload and result after its end.")
    webhook: WebhookRequest | None = Field(default=None, description="Who is told of its end.")
    requirements: Requirements | None = None


class ExecuteRequest(TaskRequest, Waits):
    """A task to run and wait for, `wait_seconds` at most."""


class LLMRequest(Waits):
    """A prompt for a language model."""

    model_config = examples(
        {"prompt": "Explain quantum computing", "prefer_ollama": True, "temperature": 0.7, "wait_seconds": 0}
    )

    prompt: Text
    model: Text | None = Field(default=None, description="A model, kind/model, worker-id/model, or a class of models.")
    system: Text | None = None
    temperature: float | None = Field(default=0.7, ge=0, le=10)
    max_tokens: int | None = Field(default=None, gt=0, le=1_000_000_000)
    cache: bool = Field(default=False, description="An answer that was given to the same request will do.")
    budget: Name | None = None
    prefer_ollama: bool = True
    priority: Priority = "normal"


class ToolRequest(Waits):
    """A call of a registered tool; `/tools` lists them with what they take."""

    model_config = examples({"tool_name": "text_stats", "tool_input": {"text": "two words"}})

    tool_name: Text
    tool_input: dict[Text, Any] = Field(default={})
    priority: Priority = "normal"


class DailyQuota(BaseModel):
    """What language models may be used for in a day; money in USD. What is None has no limit."""

    quota_requests_per_day: Count | None = None
    quota_tokens_per_day: Count | None = None
    quota_cost_limit_per_day: Money | None = None

    @property
    def quota(self) -> APIQuota | None:
        """The limits, None where there are none; a rate per minute is a limit of its own."""
        limits = (self.quota_requests_per_day, self.quota_tokens_per_day, self.quota_cost_limit_per_day)
        if all(limit is None for limit in limits):
            return None
        return APIQuota(
            requests_per_minute=None,
            requests_per_hour=None,
            requests_per_day=self.quota_requests_per_day,
            tokens_per_day=self.quota_tokens_per_day,
            cost_limit_per_day=self.quota_cost_limit_per_day,
        )


class LLMApiRegistration(DailyQuota, Strict):
    """A cloud LLM API; money in USD. What is None has no limit."""

    model_config = examples(
        {
            "api_type": "openai",
            "api_key": "sk-...",
            "rate_limit_per_minute": 60,
            "cost_per_1k_tokens": 0.002,
            "quota_cost_limit_per_day": 10.0,
        }
    )

    api_type: ProviderKind
    api_key: SecretStr = Field(min_length=1)
    rate_limit_per_minute: PerMinute = 60
    cost_per_1k_tokens: Money = 0.0
    base_url: Text | None = Field(default=None, description="The address of a server of one's own.")
    default_model: Text | None = None


class RemoteRegistration(Strict):
    """A remote compute node."""

    model_config = examples({"remote_url": "http://192.168.1.100:8000", "auth_token": "bearer-token-here"})

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


class WorkerChanged(BaseModel):
    """A worker that was drained, resumed or removed, and its status since."""

    worker_id: str
    status: str
    message: str
