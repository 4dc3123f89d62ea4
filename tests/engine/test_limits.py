"""Global concurrency limits of Prefect, as admission keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectNotFound

from tests.engine.conftest import Make, RunningServer
from tests.engine.recording import Records, eventually
from tests.engine.server_users import stopped
from tests.support import Gate, Scripted, echo, soon
from vera_orchestrator.engine import connection
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.runtime.orchestrator import Orchestrator

LIMIT = "vera-custom"


class Limits:
    """The limit on custom tasks, changed as Prefect's UI changes it."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def create(self, limit: int) -> None:
        async with self._records.client() as client:
            await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=LIMIT, limit=limit))

    async def change(self, **changes: int | bool) -> None:
        async with self._records.client() as client:
            update = GlobalConcurrencyLimitUpdate.model_validate(changes)
            await client.update_global_concurrency_limit(LIMIT, update)

    async def delete(self) -> None:
        async with self._records.client() as client:
            await client.delete_global_concurrency_limit_by_name(LIMIT)


@pytest.fixture
async def limits(records: Records) -> AsyncIterator[Limits]:
    limits = Limits(records)
    yield limits
    with suppress(ObjectNotFound):
        await limits.delete()


async def known(orchestrator: Orchestrator, expected: dict[str, int]) -> None:
    """Wait until an orchestrator knows of these limits."""

    async def read() -> dict[str, int]:
        return dict(orchestrator.engine.limits)

    await eventually(read, lambda limits: limits == expected)


async def results(orchestrator: Orchestrator, ids: list[str]) -> list[bool]:
    return [(await soon(orchestrator.wait_for(one))).success for one in ids]


async def submitted(orchestrator: Orchestrator, count: int) -> list[str]:
    return [str(await orchestrator.submit_task(Task())) for _ in range(count)]


async def test_a_limit_of_one_runs_one_at_a_time(make: Make, limits: Limits) -> None:
    gate = Gate()
    orchestrator = await make(gate)
    await limits.create(1)
    await known(orchestrator, {"custom": 1})
    ids = await submitted(orchestrator, 5)
    first = await gate.next()
    gate.open()
    assert await results(orchestrator, ids) == [True] * 5
    assert first == ids[0]
    assert gate.most_at_once == 1


async def test_a_limit_that_exists_at_the_start_holds_from_the_first_task_on(make: Make, limits: Limits) -> None:
    await limits.create(1)
    gate = Gate()
    orchestrator = await make(gate)
    ids = await submitted(orchestrator, 3)
    await gate.next()
    gate.open()
    assert await results(orchestrator, ids) == [True] * 3
    assert gate.most_at_once == 1


async def test_a_waiting_task_says_which_limit_it_waits_for(make: Make, limits: Limits) -> None:
    await limits.create(1)
    gate = Gate()
    orchestrator = await make(gate)
    _, second = await submitted(orchestrator, 2)
    await gate.next()
    waiting = await orchestrator.get_task(second)
    assert waiting is not None
    assert waiting.status is TaskStatus.WAITING_RESOURCES
    assert waiting.status_reason == "the limit type:custom of 1 is reached"
    gate.open()


async def test_a_raised_limit_lets_more_run_at_once(make: Make, limits: Limits) -> None:
    await limits.create(1)
    gate = Gate()
    orchestrator = await make(gate)
    ids = await submitted(orchestrator, 5)
    await gate.next()
    await limits.change(limit=3)
    assert {await gate.next(), await gate.next()} == set(ids[1:3])
    assert gate.at_once == 3
    gate.open()
    assert await results(orchestrator, ids) == [True] * 5
    assert gate.most_at_once == 3


@pytest.mark.parametrize("how", ["deleted", "inactive"])
async def test_without_its_limit_a_type_is_unlimited(how: str, make: Make, limits: Limits) -> None:
    await limits.create(1)
    gate = Gate()
    orchestrator = await make(gate)
    ids = await submitted(orchestrator, 5)
    await gate.next()
    await (limits.delete() if how == "deleted" else limits.change(active=False))
    assert {await gate.next() for _ in range(4)} == set(ids[1:])
    gate.open()
    assert await results(orchestrator, ids) == [True] * 5


async def test_a_limit_of_nought_holds_the_type_up_until_it_is_raised(make: Make, limits: Limits) -> None:
    await limits.create(0)
    gate = Gate()
    orchestrator = await make(gate)
    (held,) = await submitted(orchestrator, 1)
    waiting = await orchestrator.get_task(held)
    assert waiting is not None
    assert (waiting.status, gate.ran) == (TaskStatus.WAITING_RESOURCES, [])
    await limits.change(limit=1)
    assert await gate.next() == held
    gate.open()
    assert await results(orchestrator, [held]) == [True]


async def test_a_limit_on_the_types_tag_counts_too_and_the_smaller_one_wins(
    make: Make, limits: Limits, records: Records
) -> None:
    await limits.create(4)
    async with records.client() as client:
        await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name="tag:type:custom", limit=2))
    try:
        orchestrator = await make()
        assert orchestrator.engine.limits == {"custom": 2}
    finally:
        async with records.client() as client:
            await client.delete_global_concurrency_limit_by_name("tag:type:custom")
    await known(orchestrator, {"custom": 4})


async def test_two_orchestrators_on_one_journal_share_the_limit(make: Make, limits: Limits) -> None:
    await limits.create(1)
    at_once: set[str] = set()
    most = 0

    async def note(task: Task) -> TaskResult:
        nonlocal most
        at_once.add(task.id)
        most = max(most, len(at_once))
        await asyncio.to_thread(len, at_once)  # let the others go on
        at_once.discard(task.id)
        return await echo(task)

    both = [await make(Scripted(note)) for _ in range(2)]
    tasks = [(orchestrator, await orchestrator.submit_task(Task())) for _ in range(4) for orchestrator in both]
    for orchestrator, task_id in tasks:
        assert (await soon(orchestrator.wait_for(str(task_id)))).success
    assert most == 1


async def test_while_prefect_is_away_the_last_limits_stay(
    make: Make, limits: Limits, running_server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CALL_SECONDS", 1.0)
    await limits.create(1)
    gate = Gate()
    orchestrator = await make(gate)
    with stopped(running_server.home):
        await eventually(lambda: _connected(orchestrator), lambda connected: not connected)
        ids = await submitted(orchestrator, 3)
        await gate.next()
        gate.open()
        assert await results(orchestrator, ids) == [True] * 3
        assert gate.most_at_once == 1
    await eventually(lambda: _connected(orchestrator), bool)


async def _connected(orchestrator: Orchestrator) -> bool:
    return orchestrator.engine.status.connected
