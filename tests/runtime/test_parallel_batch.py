"""Tasks that are batches of further tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tests.runtime.conftest import Make
from tests.runtime.test_owners import abandon, until_noted_as_running
from tests.support import Gate, Scripted, orchestrator, run, run_batch, soon, until
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.payloads import register_task_type
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.workers.parallel_batch import ParallelBatchWorker


class Mail(BaseModel):
    password: str


def inner(task_id: str, **fields: Any) -> dict[str, Any]:
    return {"id": task_id, "type": "custom", "payload": {"data": task_id}, "max_retries": 0, **fields}


def outer(*tasks: dict[str, Any], **fields: Any) -> Task:
    return Task(type="parallel_batch", payload={"tasks": list(tasks)}, **fields)


@pytest.fixture
def with_batches(make: Make) -> Make:
    async def start(*workers: Any, **more: Any) -> Orchestrator:
        one = await make(*workers, **more)
        await one.worker_registry.register(ParallelBatchWorker(one))
        return one

    return start


async def test_it_gives_the_results_of_its_tasks_in_order(with_batches: Make) -> None:
    one = await with_batches(Scripted())
    result = await run(one, outer(inner("b", depends_on=["a"], payload={"data": "{a}!"}), inner("a")))
    assert result.success
    assert [(each["success"], each["data"]) for each in result.data] == [(True, "a!"), (True, "a")]


async def test_it_fails_if_one_of_its_tasks_does_and_is_not_repeated(with_batches: Make) -> None:
    async def fail_named(task: Task) -> TaskResult:
        return TaskResult(success=task.id != "bad", error="no luck")

    worker = Scripted(fail_named)
    one = await with_batches(worker)
    result = await run(one, outer(inner("bad"), inner("fine")))
    assert not result.success
    assert result.error == "1 of 2 tasks did not succeed: no luck"
    assert [each["success"] for each in result.data] == [False, True]
    assert sorted(worker.ran) == ["bad", "fine"]


async def test_an_inner_task_that_makes_no_sense_is_named(with_batches: Make) -> None:
    one = await with_batches(Scripted())
    result = await run(one, outer(inner("a"), inner("b", priority="whenever")))
    assert result.error is not None and "payload.tasks.1" in result.error
    assert result.error_type == "InvalidPayload"


async def test_many_more_than_the_orchestrator_runs_at_a_time_do_not_wait_for_each_other_for_ever(
    with_batches: Make,
) -> None:
    one = await with_batches(Scripted(), max_concurrent_tasks=2)
    results = await run_batch(one, [outer(inner(f"{number}a"), inner(f"{number}b")) for number in range(20)])
    assert all(result.success for result in results)


async def test_they_may_be_nested_deeper_than_the_orchestrator_has_slots(with_batches: Make) -> None:
    one = await with_batches(Scripted(), max_concurrent_tasks=1)
    task = inner("leaf")
    for depth in range(8):
        task = inner(f"level {depth}", type="parallel_batch", payload={"tasks": [task]})
    result = await run(one, outer(task))
    data = result.data
    for _ in range(8):
        data = data[0]["data"]
    assert data[0]["data"] == "leaf"


async def test_cancelling_it_cancels_its_tasks(with_batches: Make) -> None:
    gate = Gate()
    one = await with_batches(gate)
    task = outer(inner("a"), inner("b", depends_on=["a"]))
    await one.submit_task(task)
    await gate.next()
    assert await one.cancel_task(task.id)
    assert (await soon(one.wait_for(task.id))).error_type == "TaskCancelled"
    for name in ("a", "b"):
        assert not (await soon(one.wait_for(name))).success
        seen = await one.get_task(name)
        assert seen is not None and seen.status is TaskStatus.CANCELLED
    assert gate.at_once == 0


async def test_if_it_is_interrupted_its_tasks_do_not_run_twice(tmp_path: Path) -> None:
    gate = Gate(slots=1)
    gate.open()
    holding = Gate("holding", ["holding"])
    dead = orchestrator(tmp_path / "state", gate, holding)
    dead.worker_registry.add(ParallelBatchWorker(dead))
    await soon(dead.start())
    held = inner("held", depends_on=["a", "b"], requirements={"worker_capabilities": ["holding"]})
    await dead.submit_task(outer(inner("a"), inner("b"), held, id="outer"))
    assert await holding.next() == "held"
    await until_noted_as_running(dead, "held")
    await abandon(dead)
    again, heir = Scripted(), Scripted(worker_id="holding", capabilities=["holding"])
    living = orchestrator(tmp_path / "state", again, heir)
    living.worker_registry.add(ParallelBatchWorker(living))
    await soon(living.start())
    result = await soon(living.wait_for("outer"))
    assert [each["data"] for each in result.data] == ["a", "b", None]
    assert (again.ran, heir.ran) == ([], [])  # "held" may not run twice
    assert result.data[2]["error_type"] == "TaskInterrupted"
    await soon(living.stop())


async def test_it_holds_no_slot_of_the_orchestrator_while_its_tasks_run(with_batches: Make) -> None:
    gate = Gate()
    one = await with_batches(gate, max_concurrent_tasks=1)
    await one.submit_task(outer(inner("a")))
    assert await gate.next() == "a"
    await until(lambda: one.metrics["active_tasks"] == 2)
    gate.open()


async def test_what_is_sealed_in_an_inner_task_is_a_text_again_when_that_is_checked(with_batches: Make) -> None:
    register_task_type("send_mail", Mail, capabilities=["custom"])
    seen: list[Any] = []

    async def look(task: Task) -> TaskResult:
        seen.append(task.payload["password"])
        return TaskResult(success=True, data="sent")

    one = await with_batches(Scripted(look))
    result = await run(one, outer(inner("a", type="send_mail", payload={"password": "open sesame"})))
    assert result.success, result.error
    assert seen == ["open sesame"]
