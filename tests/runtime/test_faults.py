"""One faulty task, worker or router harms nobody else, and no accepted task is left without an end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.runtime.conftest import Make
from tests.support import Gate, Scripted, run, soon, until
from vera_orchestrator.errors import IdempotencyConflict, InvalidBatch, InvalidValue
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.routing import Candidate, TaskRouter
from vera_orchestrator.workers.base import BaseWorker


class Fussy(Scripted):
    """Cannot even say whether it takes a task."""

    def accepts(self, task: Task) -> bool:
        raise KeyError(task.id)


class Lost(TaskRouter):
    """Cannot decide on tasks that are called lost."""

    def rank(self, task: Task, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        if task.id == "lost":
            raise RuntimeError("no way")
        return super().rank(task, candidates)


def other(task: Task) -> Task:
    task.requirements = task.requirements.__class__(worker_capabilities=["other"])
    return task


async def test_a_worker_that_cannot_say_what_it_takes_fails_that_task_alone(make: Make) -> None:
    fussy: BaseWorker = Fussy(worker_id="fussy", capabilities=["other"])
    orchestrator = await make(Scripted(), fussy)
    result = await run(orchestrator, other(Task()))
    assert not result.success
    assert "KeyError" in (result.error or "")
    assert (await run(orchestrator, Task())).success


async def test_a_router_that_raises_fails_that_task_alone(make: Make) -> None:
    orchestrator = await make(Scripted(), router=Lost())
    result = await run(orchestrator, Task(id="lost"))
    assert "no way" in (result.error or "")
    assert (await run(orchestrator, Task())).success


async def test_an_error_text_that_no_database_takes_is_cleaned(make: Make) -> None:
    async def fail(task: Task) -> TaskResult:
        raise FileNotFoundError("no file caf\udce9\0")

    orchestrator = await make(Scripted(fail))
    result = await run(orchestrator, Task(max_retries=1, retry_delay_seconds=0.001))
    assert "no file caf" in (result.error or "")


async def test_a_task_whose_submitter_went_away_is_run_all_the_same(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    submitting = asyncio.create_task(orchestrator.submit_task(Task(id="orphan")))
    await asyncio.sleep(0)
    submitting.cancel()
    await asyncio.gather(submitting, return_exceptions=True)
    unsettled = orchestrator._parts.dispatcher.unsettled  # pyright: ignore[reportPrivateUsage]
    await until(lambda: not unsettled)
    kept = await orchestrator.get_task("orphan")
    assert kept is None or kept.status == "completed"  # none: it was cancelled before anything was written
    assert worker.ran == ([] if kept is None else ["orphan"])


async def test_a_batch_with_an_idempotency_key_that_was_used_is_refused_whole(make: Make) -> None:
    worker = Scripted()
    orchestrator = await make(worker)
    await run(orchestrator, Task(idempotency_key="once"))
    tasks = [Task(idempotency_key="once"), Task(id="with-it")]
    with pytest.raises(IdempotencyConflict):
        await soon(orchestrator.submit_batch(tasks))
    assert await orchestrator.get_task("with-it") is None
    with pytest.raises(InvalidBatch, match="idempotency_key"):
        await soon(orchestrator.submit_batch([Task(idempotency_key="a"), Task(idempotency_key="a")]))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata", None),
        ("concurrency_key", ["a"]),
        ("fairness_key", {}),
        ("retry_delay_seconds", None),
        ("retry_delay_seconds", float("nan")),
        ("tags", [1]),
        ("max_retries", "3"),
        ("scheduled_at", "tomorrow"),
    ],
)
async def test_a_field_of_the_wrong_kind_is_refused_and_named(make: Make, field: str, value: Any) -> None:
    task = Task()
    setattr(task, field, value)
    orchestrator = await make(Scripted())
    with pytest.raises(InvalidValue, match=field):
        await orchestrator.submit_task(task)


async def test_a_worker_may_change_its_payload_without_harm(make: Make) -> None:
    async def careless(task: Task) -> TaskResult:
        task.payload["list"].append(task.payload.pop("url"))
        raise RuntimeError("first") if len(worker.ran) == 1 else RuntimeError("second")

    worker = Scripted(careless)
    orchestrator = await make(worker)
    task = Task(payload={"url": "x", "list": []}, max_retries=1, retry_delay_seconds=0.001)
    result = await run(orchestrator, task)
    assert "second" in (result.error or "")
    assert task.payload == {"url": "x", "list": []}


async def test_a_task_that_ran_in_time_is_handed_back_at_a_stop_however_long_it_may_wait(make: Make) -> None:
    gate = Gate()
    orchestrator = await make(gate, drain_seconds=0)
    await orchestrator.submit_task(Task(id="long", max_wait_seconds=60))
    await gate.next()
    entry = orchestrator._parts.live.find("long")  # pyright: ignore[reportPrivateUsage]
    assert entry is not None
    entry.expired = True
    await soon(orchestrator.stop())
    kept = await orchestrator.get_task("long")
    assert kept is not None
    assert not kept.status.is_final
