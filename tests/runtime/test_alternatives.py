"""A worker that fails is passed over for the next."""

from __future__ import annotations

import math

from tests.runtime.conftest import Make
from tests.runtime.metered import Metered, kept, metered, use_it_all
from tests.support import run, soon, until
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.errors import InvalidPayload, NotConfigured, NotFound, TaskFailed, VeraError
from vera_orchestrator.metering import Channel
from vera_orchestrator.models import Task, TaskResult
from vera_orchestrator.quota import Limits
from vera_orchestrator.routing import Offer


class Raising:
    """A behaviour that fails the first `times` attempts with an error; with `elsewhere` others may succeed."""

    def __init__(
        self, error: type[VeraError], times: float = math.inf, *, elsewhere: bool = False, **more: object
    ) -> None:
        self._error, self._times, self._elsewhere, self._more = error, times, elsewhere, more
        self.count = 0

    async def __call__(self, task: Task, channel: Channel) -> TaskResult:
        self.count += 1
        if self.count > self._times:
            return await use_it_all(task, channel)
        error = self._error("not here.", **self._more)  # pyright: ignore[reportArgumentType]
        error.elsewhere = self._elsewhere
        raise error


async def test_the_fault_of_a_worker_sends_the_task_to_the_next_and_uses_up_no_retry(make: Make) -> None:
    broken = Metered("a-broken", Raising(NotConfigured, elsewhere=True))
    one = await make(broken, Metered("b-sound"))
    task = metered("t", max_retries=0)
    result = await run(one, task)
    assert (result.worker_id, task.retry_count, broken.ran) == ("b-sound", 0, ["t"])


async def test_the_fault_of_the_last_worker_is_the_tasks_end(make: Make) -> None:
    one = await make(*(Metered(name, Raising(NotConfigured, elsewhere=True)) for name in "ab"))
    result = await run(one, metered("t"))
    assert result.error_type == "NotConfigured"
    assert len(await kept(one, "t")) == 2


async def test_the_fault_of_the_task_is_tried_nowhere_else(make: Make) -> None:
    other = Metered("b")
    one = await make(Metered("a", Raising(InvalidPayload)), other)
    assert (await run(one, metered("t"))).error_type == "InvalidPayload"
    assert other.ran == []


async def test_after_a_failure_a_worker_that_has_not_been_tried_is_next_at_once(make: Make) -> None:
    one = await make(Metered("a", Raising(TaskFailed)), Metered("b"))
    task = metered("t")
    task.retry_delay_seconds = 3_600
    assert (await run(one, task)).worker_id == "b"
    assert task.retry_count == 1


async def test_models_are_tried_in_the_callers_order(make: Make) -> None:
    offers = [Offer(model="second", position=1), Offer(model="first", position=0)]
    worker = Metered("a", Raising(NotFound, 1, elsewhere=True), offers=offers)
    one = await make(worker)
    assert (await run(one, metered("t"))).success
    assert worker.models == ["first", "second"]


async def test_a_chain_of_models_goes_on_at_another_worker(make: Make) -> None:
    first = Metered("z", Raising(TaskFailed), offers=[Offer(model="first", position=0)])
    second = Metered("a", offers=[Offer(model="second", position=1)])
    one = await make(first, second)
    result = await run(one, metered("t"))
    assert (result.worker_id, first.ran, second.models) == ("a", ["t"], ["second"])


async def test_a_worker_that_is_asked_to_wait_gets_nothing_until_then(make: Make) -> None:
    asked = Metered("a", Raising(TaskFailed, retry_after=3_600.0))
    one = await make(asked, Metered("b"))
    results = await soon(one.submit_batch([metered("one")], wait=True))
    assert not isinstance(results, str) and results[0].worker_id == "b"
    later = await run(one, metered("two"))
    assert (later.worker_id, asked.ran) == ("b", ["one"])
    assert "its provider asks to wait: not here." in later.metrics["routing"]["considered"]["a"]


async def test_a_worker_that_has_no_room_now_is_waited_for_when_another_has_failed(make: Make) -> None:
    limited = Metered("b", limits=Limits(tokens_per_day=100))
    one = await make(Metered("a", Raising(NotConfigured, elsewhere=True), offers=[Offer(position=1)]), limited)
    assert (await run(one, metered("first", tokens=60))).worker_id == "b"
    task = metered("second", tokens=60)
    await one.submit_task(task)
    await until(lambda: task.status is TaskStatus.RATE_LIMITED)
    assert "b: credential:b: 60 of 100 tokens per day" in str(task.status_reason)


async def test_a_refusal_for_good_ends_when_the_workers_are_others(make: Make) -> None:
    limited = Metered("b", limits=Limits(tokens_per_day=100))
    raising = Raising(NotConfigured, 1, elsewhere=True)
    one = await make(Metered("a", raising, offers=[Offer(position=1)]), limited)
    await run(one, metered("first", tokens=60))
    task = metered("second", tokens=60)
    await one.submit_task(task)
    await until(lambda: task.status is TaskStatus.RATE_LIMITED)
    await one.worker_registry.unregister("b")
    assert (await soon(one.wait_for("second"))).worker_id == "a"


async def test_secrets_are_in_no_chunk(make: Make) -> None:
    async def tell(task: Task, channel: Channel) -> TaskResult:
        assert not channel.wants_chunks
        result = await use_it_all(task, channel)
        result.data = f"you said {task.payload['password']}"
        return result

    one = await make(Metered(behaviour=tell))
    task = metered("t")
    task.payload["password"] = "hunter2-very-secret"
    chunks = [chunk async for chunk in one.submit_stream(task)]
    assert [chunk.text for chunk in chunks] == ["you said ***", ""]


async def test_a_model_that_no_worker_has_is_named_in_the_error(make: Make) -> None:
    one = await make(Choosy("a"))
    result = await run(one, metered("t", model="gpt-99"))
    assert result.error_type == "NoWorker"
    assert "it needs metered with the model gpt-99. Check the model's name." in str(result.error)


class Choosy(Metered):
    """A metered worker that has no model at all."""

    def accepts(self, task: Task) -> bool:
        return False
