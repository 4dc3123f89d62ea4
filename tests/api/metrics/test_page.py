"""What Prometheus is told."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from api.metrics.names import OTHER, Names
from BackgroundCognition.orchestrator import Task, TaskPriority, TaskType, UnifiedOrchestrator
from tests.api.metrics.scraping import Scraper
from tests.api.support import EchoWorker
from tests.runtime.metered import Metered
from tests.support import needs, run, soon
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.metering import Channel, Spent
from vera_orchestrator.models import TaskResult, utcnow
from vera_orchestrator.runtime.events import Event, TaskEvent, TaskEventKind
from vera_orchestrator.usage import Usage


def echo(*, id: str | None = None, depends_on: list[str] | None = None, **payload: Any) -> Task:
    more: dict[str, Any] = {} if id is None else {"id": id}
    return Task(type=TaskType.CUSTOM, payload=payload, depends_on=depends_on or [], max_retries=0, **more)


def asking(model: str = "m", **payload: Any) -> Task:
    payload = {"model": model, "max_tokens": 50, **payload}
    return Task(type=TaskType.CUSTOM, payload=payload, requirements=needs("metered"))


def is_start(event: Event) -> bool:
    return isinstance(event, TaskEvent) and event.kind is TaskEventKind.STARTED


async def spends(task: Task, channel: Channel) -> TaskResult:
    cost = Decimal("0.5") if task.payload.get("priced", True) else None
    channel.report(Spent(usage=Usage(input=4, cache_read=2, output=3), cost=cost))
    return TaskResult(success=True, data="done")


async def test_tasks_are_counted_by_type_worker_and_outcome(
    orchestrator: UnifiedOrchestrator, scraper: Scraper
) -> None:
    await run(orchestrator, echo())
    await run(orchestrator, echo(fail=True))

    ended = {"type": "custom", "worker": "echo"}
    assert await scraper.value("vera_tasks_total", type="custom", outcome="completed") == 1
    assert await scraper.value("vera_tasks_total", type="custom", outcome="failed") == 1
    assert await scraper.value("vera_tasks_accepted_total") == 2
    assert await scraper.value("vera_task_duration_seconds_count", **ended) == 2
    assert await scraper.value("vera_task_duration_seconds_bucket", le="+Inf", outcome="failed", **ended) == 1
    assert await scraper.value("vera_task_wait_seconds_count", priority="normal") == 2


async def test_what_runs_and_what_waits_is_shown_by_priority(
    orchestrator: UnifiedOrchestrator, scraper: Scraper
) -> None:
    echoing = orchestrator.worker_registry.require("echo")
    assert isinstance(echoing, EchoWorker)
    started = asyncio.Event()
    orchestrator.events.subscribe(lambda event: started.set() if is_start(event) else None)
    await orchestrator.submit_task(echo(id="first", wait=True))
    await soon(started.wait())
    after = asyncio.create_task(run(orchestrator, echo(depends_on=["first"])))
    high = await orchestrator.submit_task(Task(type=TaskType.CUSTOM, priority=TaskPriority.HIGH))
    assert isinstance(high, str)

    assert await scraper.value("vera_tasks_running") == 1
    assert await scraper.value("vera_worker_running_tasks", worker="echo") == 1
    assert await scraper.value("vera_worker_up", worker="echo") == 1
    assert await scraper.value("vera_queue_depth", priority="high") == 1
    assert await scraper.value("vera_queue_depth", priority="normal") == 0
    echoing.gate.set()
    await soon(after)
    await soon(orchestrator.wait_for(high))
    assert await scraper.value("vera_queue_depth") == 0
    assert await scraper.value("vera_task_wait_seconds_count", priority="normal") == 2


async def test_waiting_for_others_is_no_waiting_for_a_worker(
    orchestrator: UnifiedOrchestrator, scraper: Scraper
) -> None:
    task, tell = echo(depends_on=["first"]), orchestrator.events.task
    task.started_at = utcnow()
    tell(TaskEventKind.WAITING, task)
    tell(TaskEventKind.STARTED, task)
    assert await scraper.value("vera_task_wait_seconds_count") == 0

    task.status = TaskStatus.QUEUED
    tell(TaskEventKind.WAITING, task)
    tell(TaskEventKind.STARTED, task)
    assert await scraper.value("vera_task_wait_seconds_count") == 1


async def test_tokens_and_money_are_counted_by_model_and_what_is_left_is_shown(
    orchestrator: UnifiedOrchestrator, scraper: Scraper
) -> None:
    orchestrator.worker_registry.add(Metered(behaviour=spends))
    orchestrator.worker_registry.require("meter").status = orchestrator.worker_registry.require("echo").status
    await run(orchestrator, asking())
    await run(orchestrator, asking(priced=False, nanos=None))

    names = {"provider": "simulated", "model": "m"}
    assert await scraper.value("vera_llm_requests_total", **names) == 2
    assert await scraper.value("vera_tokens_total", kind="input", **names) == 8
    assert await scraper.value("vera_tokens_total", kind="cache_read", **names) == 4
    assert await scraper.value("vera_tokens_total", kind="output", **names) == 6
    assert await scraper.value("vera_spend_usd_total", **names) == 0.5
    assert await scraper.value("vera_unpriced_requests_total", **names) == 1
    quota = {"scope": "all", "kind": "tokens", "per": "day"}
    assert await scraper.value("vera_quota_limit", **quota) == 1_000
    assert await scraper.value("vera_quota_used", **quota) == 18
    assert await scraper.value("vera_quota_remaining", **quota) == 982


async def test_journal_and_prefect_say_how_they_are(orchestrator: UnifiedOrchestrator, scraper: Scraper) -> None:
    await run(orchestrator, echo())

    assert await scraper.value("vera_journal_up") == 1
    assert await scraper.value("vera_journal_queued_writes") == 0
    assert await scraper.value("vera_prefect_connected") == 0
    assert await scraper.value("vera_prefect_unrecorded_runs_total") == 1
    assert await scraper.value("vera_running") == 1


async def test_a_page_can_be_had_although_the_journal_is_closed(
    orchestrator: UnifiedOrchestrator, scraper: Scraper
) -> None:
    journal = orchestrator.accounts._journal  # pyright: ignore[reportPrivateUsage]
    await journal.close()

    page = await scraper.page()

    assert page["vera_journal_up"] == [({}, 0.0)]
    assert "vera_quota_remaining" not in page
    await journal.open()


async def test_openmetrics_is_given_to_who_asks_for_it(scraper: Scraper) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}

    response = await scraper.client.get("/metrics", headers=accept)

    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


async def test_what_ends_in_an_earlier_life_of_the_app_is_counted_once(
    orchestrator: UnifiedOrchestrator, scraper: Scraper
) -> None:
    await run(orchestrator, echo())
    await orchestrator.stop()
    await orchestrator.start()
    await run(orchestrator, echo())

    assert await scraper.value("vera_tasks_total", outcome="completed") == 2


@pytest.mark.parametrize("name", ["", None])
def test_no_name_is_an_empty_label(name: str | None) -> None:
    assert Names(1)(name) == ""


def test_further_names_are_other_ones() -> None:
    names = Names(2)

    assert [names(name) for name in ("a", "b\ud800", "c", "a", "d")] == ["a", "b?", OTHER, "a", OTHER]
