"""Providers that are gone, or that ask to wait."""

from __future__ import annotations

import pytest

from tests.llm.conftest import tell
from tests.llm.stage import KINDS, NOT_SENT, REFUSED, Make, asking, connected, in_account, kept, registered
from tests.support import run, until
from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.simulator.running import Running, serving

every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
async def test_a_provider_that_is_gone_costs_nothing_and_makes_an_offline_worker(make: Make, kind: str) -> None:
    with serving() as running:
        tell(running.simulator)
        one, worker = await connected(make, kind, running.url)
    task = asking()
    result = await run(one, task)
    assert (task.status, result.error_type, task.retry_count) == (TaskStatus.FAILED, "WorkerUnavailable", 0)
    assert worker.status is WorkerStatus.OFFLINE
    # whoever is known to be away is not tried again
    assert [in_account(attempt) for attempt in await kept(one, task)] == [NOT_SENT]


@every_kind
async def test_retry_after_is_heeded_by_the_task_and_by_all_that_follow(
    make: Make, provider: Running, kind: str
) -> None:
    one, worker = await connected(make, kind, provider.url)
    tell(provider.simulator, errors=(429,), retry_after=300)
    before = provider.simulator.count
    refused, later = asking(), asking()
    await one.submit_task(refused)
    await until(lambda: refused.retry_count == 1)
    assert refused.status is TaskStatus.QUEUED
    assert str(refused.status_reason).startswith("again in 300 s")
    await one.submit_task(later)
    await until(lambda: later.status is TaskStatus.RATE_LIMITED)
    assert "its provider asks to wait" in str(later.status_reason)
    assert (provider.simulator.count, worker.status) == (before + 1, WorkerStatus.IDLE)
    assert [in_account(attempt) for attempt in await kept(one, refused)] == [REFUSED]
    assert await kept(one, later) == []


async def test_a_task_does_not_wait_for_one_provider_where_another_can_answer(
    make: Make, provider: Running, other: Running
) -> None:
    one, busy = await connected(make, "openai", provider.url)
    free = await registered(one, "anthropic", other.url, cost_per_1k_tokens=2.0)
    tell(provider.simulator, errors=(429,), retry_after=300)
    task = asking()
    result = await run(one, task)
    assert (result.success, result.worker_id, task.retry_count) == (True, free.worker_id, 0)
    assert [attempt.worker_id for attempt in await kept(one, task)] == [busy.worker_id, free.worker_id]
