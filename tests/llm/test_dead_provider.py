"""A cheap provider that is of no use, beside a dear one that is."""

from __future__ import annotations

from typing import Any

import pytest

from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.llm.conftest import tell
from tests.llm.stage import Make, ask, asking, connected, kept, registered
from tests.support import run_batch, soon, until
from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.models import Task
from vera_orchestrator.simulator.running import Running, serving
from vera_orchestrator.workers.base import BaseWorker

TASKS = 20
DEAR = 10.0
FAR = 3_600.0


async def both(make: Make, cheap: str, dear: str, **more: Any) -> tuple[UnifiedOrchestrator, BaseWorker, BaseWorker]:
    """Return an orchestrator with a worker for either provider."""
    one, first = await connected(make, "openai", cheap, **more)
    return one, first, await registered(one, "anthropic", dear, cost_per_1k_tokens=DEAR)


async def states(one: UnifiedOrchestrator, tasks: list[Task]) -> set[tuple[str, str]]:
    """Return on which workers attempts were made, and how they are settled."""
    return {(attempt.worker_id, str(attempt.state)) for task in tasks for attempt in await kept(one, task)}


@pytest.mark.parametrize("is_known", [False, True])
async def test_all_tasks_succeed_where_the_cheap_one_is_gone(make: Make, provider: Running, is_known: bool) -> None:
    with serving() as gone:
        tell(gone.simulator)
        one, cheap, dear = await both(make, gone.url, provider.url)
    if is_known:
        assert not await cheap.health_check()
    tasks = [asking() for _ in range(TASKS)]
    results = await run_batch(one, tasks)
    assert {(result.success, result.worker_id) for result in results} == {(True, dear.worker_id)}
    assert {task.retry_count for task in tasks} == {0}
    assert cheap.status is WorkerStatus.OFFLINE
    spent = one.spent_today(["provider:openai"])
    assert {total.amounts.requests for total in spent.values()} == (set() if is_known else {0})


@pytest.mark.parametrize(
    ("outcome", "stands", "settled", "retries"),
    [
        (401, WorkerStatus.ERROR, "settled", 0),
        (500, WorkerStatus.IDLE, "estimated", 1),
        ("hang", WorkerStatus.IDLE, "estimated", 1),
    ],
)
async def test_all_tasks_succeed_where_the_cheap_one_fails(
    make: Make,
    provider: Running,
    other: Running,
    outcome: int | str,
    stands: WorkerStatus,
    settled: str,
    retries: int,
) -> None:
    one, cheap, dear = await both(make, provider.url, other.url, breaker_failures=5, breaker_seconds=FAR)
    tell(provider.simulator, error_rates={outcome: 1.0})
    seconds = 1.0 if outcome == "hang" else 20
    tasks = [asking(timeout_seconds=seconds) for _ in range(TASKS)]
    results = await run_batch(one, tasks)
    assert {(result.success, result.worker_id) for result in results} == {(True, dear.worker_id)}
    assert {task.retry_count for task in tasks} <= {0, retries}
    assert cheap.status is stands
    assert await states(one, tasks) == {(cheap.worker_id, settled), (dear.worker_id, "settled")}
    asked = provider.simulator.count
    assert (await ask(one)).worker_id == dear.worker_id
    assert provider.simulator.count == asked  # it is set aside


async def test_a_provider_that_keeps_failing_is_set_aside_and_tried_again_with_one_request(
    make: Make, provider: Running
) -> None:
    one, worker = await connected(make, "openai", provider.url, breaker_failures=2, breaker_seconds=0.1)
    tell(provider.simulator, errors=(500, 500, "hang"))
    before = provider.simulator.count
    for _ in range(2):
        assert not (await ask(one, max_retries=0)).success
    tasks = [asking() for _ in range(4)]
    for task in tasks:
        await one.submit_task(task)
    await until(lambda: tasks[0].status is TaskStatus.WAITING_RESOURCES)
    assert "set aside after repeated failures" in str(tasks[0].status_reason)
    await until(lambda: "on probation with one task" in str(tasks[1].status_reason))
    await until(lambda: provider.simulator.count == before + 3)
    assert worker.running == 1
    tell(provider.simulator)
    assert await one.cancel_task(tasks[0].id)  # the one that hangs, which says nothing of the provider
    for task in tasks[1:]:
        assert (await soon(one.wait_for(task.id))).success
    assert provider.simulator.count == before + 6
