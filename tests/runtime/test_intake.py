"""From a caller's task to a row."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from cryptography.fernet import Fernet

from vera_orchestrator.errors import (
    CyclicDependency,
    DuplicateTaskId,
    InvalidPayload,
    InvalidValue,
    UnknownDependency,
    VeraError,
)
from vera_orchestrator.graph import topological_order
from vera_orchestrator.models import Task, utcnow
from vera_orchestrator.runtime.codec import to_seconds
from vera_orchestrator.runtime.intake import Draft, Intake, batch_edges, check_task
from vera_orchestrator.secrets import Sealer


@pytest.fixture
def intake() -> Intake:
    return Intake(Sealer(Fernet.generate_key()))


def draft(intake: Intake, task: Task, now: float = 100.0) -> Draft:
    return intake.draft(task, key=1, owner=2, now=now, after=())


@pytest.mark.parametrize(
    ("task", "error", "says"),
    [
        ("not a task", InvalidPayload, "str is not a Task"),
        (Task(id=""), InvalidValue, "id"),
        (Task(id=3), InvalidValue, "id"),  # pyright: ignore[reportArgumentType]
        (Task(max_retries=-1), InvalidValue, "max_retries"),
        (Task(timeout_seconds=0), InvalidValue, "timeout_seconds"),
        (Task(max_wait_seconds=-1.0), InvalidValue, "max_wait_seconds"),
        (Task(timeout_seconds=float("nan")), InvalidValue, "timeout_seconds"),
        (Task(type="tool_call"), InvalidPayload, "tool_name"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused_with_the_field(task: Any, error: type[VeraError], says: str) -> None:
    with pytest.raises(error, match=says):
        check_task(task)


def test_a_draft_leaves_the_task_as_it_is(intake: Intake) -> None:
    task = Task(retry_count=2, status_reason="as it was")
    draft(intake, task)
    assert (task.retry_count, task.status_reason, task.submitted_at) == (2, "as it was", None)


def test_secrets_are_sealed_in_the_row_and_clear_in_the_entry(intake: Intake) -> None:
    made = draft(intake, Task(payload={"password": "correct horse", "plain": "seen"}))
    assert "correct horse" not in made.row.spec
    assert "seen" in made.row.spec
    assert made.entry.payload["password"] == "correct horse"


def test_the_hash_of_a_body_tells_bodies_apart_and_takes_secrets_in(intake: Intake) -> None:
    def body(**fields: Any) -> str | None:
        whole: dict[str, Any] = {"idempotency_key": "k", "payload": {"password": "a"}, **fields}
        return draft(intake, Task(**whole)).row.body_hash

    assert body() == body() is not None
    others = [
        body(payload={"password": "b"}),
        body(payload={"password": "a", "x": 1}),
        body(priority="high"),
        body(tags=["x"]),
    ]
    assert len({body(), *others}) == 5
    assert draft(intake, Task()).row.body_hash is None


def test_a_scheduled_task_begins_to_wait_when_it_is_due(intake: Intake) -> None:
    moment = utcnow()
    made = draft(intake, Task(scheduled_at=moment), now=to_seconds(moment) - 10)
    assert made.row.due_at == made.entry.entered == to_seconds(moment)
    assert (
        draft(intake, Task(scheduled_at=moment), now=to_seconds(moment) + 10).entry.entered == to_seconds(moment) + 10
    )


def tasks(**after: str) -> list[Task]:
    return [Task(id=name, depends_on=list(names)) for name, names in after.items()]


def test_edges_say_what_must_succeed_and_what_must_only_have_ended() -> None:
    batch = [Task(id="a"), Task(id="b"), Task(id="c", depends_on=["a"], depends_on_any=["a", "b"])]
    assert batch_edges(batch, in_order=False) == {"a": {}, "b": {}, "c": {"a": True, "b": False}}


def test_in_order_each_waits_for_the_end_of_the_one_before_it() -> None:
    edges = batch_edges(tasks(d="b", c="", b="a", a=""), in_order=True)
    order = topological_order(edges)
    assert order == ["c", "a", "b", "d"]
    assert all(before in edges[after] for before, after in pairwise(order))
    assert edges["b"]["a"] is True
    assert edges["a"]["c"] is False


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (tasks(a="b", b="a"), CyclicDependency),
        (tasks(a="x"), UnknownDependency),
        ([Task(id="a"), Task(id="a")], DuplicateTaskId),
        ([Task(id="a", depends_on_any=["a"])], CyclicDependency),
    ],
)
def test_what_is_no_graph_of_the_batchs_own_tasks_is_refused(batch: list[Task], error: type[VeraError]) -> None:
    for in_order in (True, False):
        with pytest.raises(error):
            batch_edges(batch, in_order=in_order)
