"""What may be used is reserved before an attempt, and replaced by what was used."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.runtime.conftest import Make
from tests.runtime.metered import Held, Metered, kept, metered, use_it_all
from tests.support import run, soon, until
from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.errors import InvalidValue, JournalUnavailable, TaskFailed
from vera_orchestrator.journal.ledger import Booking
from vera_orchestrator.metering import NOT_SENT, Channel, Spent
from vera_orchestrator.models import Task, TaskResult, utcnow
from vera_orchestrator.quota import Fits, Limits, Never, Rate, WaitUntil
from vera_orchestrator.runtime.orchestrator import Orchestrator
from vera_orchestrator.usage import Usage

A_DAY = Limits(tokens_per_day=100)


def used(one: Orchestrator, scope: str) -> int:
    total = one.spent_today([scope]).get(scope)
    return 0 if total is None else total.amounts.tokens


async def use_less(task: Task, channel: Channel) -> TaskResult:
    channel.report(Spent(usage=Usage(input=7, output=3), cost=Decimal("0.5")))
    return await asyncio.sleep(0, TaskResult(success=True))


async def test_what_was_reserved_is_replaced_by_what_was_used(make: Make) -> None:
    one = await make(Metered(behaviour=use_less))
    assert (await run(one, metered("t", tokens=50))).success
    (attempt,) = await kept(one, "t")
    assert (attempt.state, attempt.amounts.tokens, attempt.amounts.cost) == ("settled", 10, 500_000_000)
    assert attempt.usage == Usage(input=7, output=3)
    assert [used(one, scope) for scope in ("credential:meter", "provider:simulated", "all models")] == [10, 10, 10]


async def test_what_nobody_reports_stays_as_an_estimate(make: Make) -> None:
    async def silent(task: Task, channel: Channel) -> TaskResult:
        raise TaskFailed("the connection broke")

    one = await make(Metered(behaviour=silent))
    assert not (await run(one, metered("t", tokens=50, max_retries=0))).success
    (attempt,) = await kept(one, "t")
    assert (attempt.state, attempt.amounts.tokens) == ("estimated", 50)


async def test_what_never_reached_the_provider_is_given_back(make: Make) -> None:
    async def not_sent(task: Task, channel: Channel) -> TaskResult:
        channel.report(NOT_SENT)
        raise TaskFailed("nothing answers")

    one = await make(Metered(behaviour=not_sent))
    await run(one, metered("t", tokens=50, max_retries=0))
    total = one.spent_today(["all models"])["all models"]
    assert (total.amounts.requests, total.amounts.tokens) == (0, 0)


async def test_a_task_that_is_cancelled_while_it_runs_is_settled(make: Make) -> None:
    held = Held()
    one = await make(Metered(behaviour=held))
    await one.submit_task(metered("t", tokens=50))
    await soon(held.begun.wait())
    await one.cancel_task("t")
    await soon(one.wait_for("t"))
    assert [attempt.state for attempt in await kept(one, "t")] == ["estimated"]


async def test_what_does_not_fit_waits_with_the_reason_and_the_time(make: Make) -> None:
    one = await make(Metered(limits=A_DAY))
    assert (await run(one, metered("first", tokens=60))).success
    waiting = metered("waiting", tokens=60)
    await one.submit_task(waiting)
    await until(lambda: waiting.status is TaskStatus.RATE_LIMITED)
    assert "60 of 100 tokens per day used or reserved; there is room at" in str(waiting.status_reason)


async def test_a_small_call_does_not_wait_behind_a_large_one(make: Make) -> None:
    one = await make(Metered(limits=A_DAY))
    await run(one, metered("first", tokens=60))
    large = metered("large", tokens=60)
    await one.submit_task(large)
    await until(lambda: large.status is TaskStatus.RATE_LIMITED)
    assert (await run(one, metered("small", tokens=4))).success


async def test_what_does_not_fit_on_one_worker_goes_to_another(make: Make) -> None:
    small, large = Metered("a-small", limits=A_DAY), Metered("b-large")
    one = await make(small, large)
    await run(one, metered("first", tokens=60))
    assert (await run(one, metered("second", tokens=60))).worker_id == "b-large"


async def test_what_can_never_fit_fails_at_once_and_says_so(make: Make) -> None:
    one = await make(Metered(limits=A_DAY))
    result = await run(one, metered("t", tokens=101))
    assert result.error_type == "OverLimit"
    assert "meter: credential:meter: up to 101 needed, and the limit is 100 tokens per day" in str(result.error)


async def test_what_one_worker_never_takes_goes_to_one_that_does(make: Make) -> None:
    one = await make(Metered("a-small", limits=A_DAY), Metered("b-large"))
    assert (await run(one, metered("t", tokens=101))).worker_id == "b-large"


async def test_many_tasks_that_cannot_go_ask_seldom(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await make(Metered(limits=A_DAY))
    await run(one, metered("first", tokens=100))
    ledger = one._given.journal.ledger  # pyright: ignore[reportPrivateUsage]
    reserve, asked = ledger.reserve, list[str]()

    async def counted(booking: Booking, *, slack: int = 0) -> Fits | WaitUntil | Never:
        asked.append(booking.key)
        return await reserve(booking, slack=slack)

    monkeypatch.setattr(ledger, "reserve", counted)
    tasks = [metered(f"t{number}", tokens=60) for number in range(1_500)]
    for task in tasks:
        await one.submit_task(task)
    await until(lambda: len(one.get_task_history(limit=2_000, status_filter="rate_limited")) == 1_500)
    assert len(asked) < 100


async def test_what_never_fits_fails_although_another_worker_is_away(make: Make) -> None:
    away = Metered("b-away")
    one = await make(Metered("a", limits=A_DAY), away, unavailable_wait_seconds=0)
    away.status = WorkerStatus.OFFLINE
    assert (await run(one, metered("t", tokens=101))).error_type == "OverLimit"


async def test_a_budget_that_a_process_does_not_know_is_not_taken_for_unlimited(make_on_disk: Make) -> None:
    one = await make_on_disk(Metered(), llm_budgets={"team": {"requests_per_day": 1}})
    held = metered("t", budget="team", max_retries=0, scheduled_at=utcnow() + timedelta(hours=1))
    await one.submit_task(held)
    await soon(one.stop())
    worker = Metered()
    other = await make_on_disk(worker, recovery_grace_seconds=0)
    await until(lambda: other._parts.live.find("t"))  # pyright: ignore[reportPrivateUsage]
    entry = other._parts.live.find("t")  # pyright: ignore[reportPrivateUsage]
    assert entry is not None
    entry.forget_timers()
    other._parts.dispatcher.enqueue(entry)  # pyright: ignore[reportPrivateUsage]
    result = await soon(other.wait_for("t"))
    assert "budget: this orchestrator knows no budget 'team'" in str(result.error)
    assert worker.ran == []


async def test_room_that_becomes_free_is_used(make: Make) -> None:
    held = Held()

    async def held_then_less(task: Task, channel: Channel) -> TaskResult:
        await held(task, channel)
        return await use_less(task, channel)

    one = await make(Metered(limits=A_DAY, behaviour=held_then_less))
    await one.submit_task(metered("first", tokens=60))
    await soon(held.begun.wait())
    second = metered("second", tokens=60)
    await one.submit_task(second)
    await until(lambda: second.status is TaskStatus.RATE_LIMITED)
    held.go_on.set()
    assert (await soon(one.wait_for("second"))).success


async def test_requests_above_a_limit_wait_and_hold_nothing_up(make: Make) -> None:
    one = await make(Metered("few", limits=Limits(requests_per_hour=2)))
    for number in range(2):
        await run(one, metered(f"t{number}"))
    late = metered("late")
    await one.submit_task(late)
    await until(lambda: late.status is TaskStatus.RATE_LIMITED)
    await one.cancel_task("late")
    assert not (await soon(one.wait_for("late"))).success
    assert await kept(one, "late") == []


async def test_a_rate_lets_a_burst_go_and_delays_the_rest(make: Make) -> None:
    worker = Metered(rate=Rate(per_second=20, burst=3))
    one = await make(worker)
    results = await soon(one.submit_batch([metered(f"t{number}") for number in range(6)], wait=True))
    assert [result.success for result in results if not isinstance(result, str)] == [True] * 6


async def test_the_limits_of_a_provider_hold_over_its_workers(make: Make) -> None:
    limits = {"openai": {"tokens_per_day": 100}}
    one = await make(*(Metered(name, provider="openai") for name in "ab"), Metered("c"), llm_provider_limits=limits)
    await run(one, metered("first", tokens=60))
    assert (await run(one, metered("second", tokens=60))).worker_id == "c"


async def test_the_limits_of_all_models_together_hold(make: Make) -> None:
    one = await make(Metered("a"), Metered("b", provider="another"), llm_limits={"tokens_per_day": 100})
    await run(one, metered("first", tokens=60))
    second = metered("second", tokens=60)
    await one.submit_task(second)
    await until(lambda: second.status is TaskStatus.RATE_LIMITED)
    assert str(second.status_reason).startswith("a, b: all models: 60 of 100 tokens per day")


async def test_a_budget_holds_for_the_tasks_that_name_it(make: Make) -> None:
    one = await make(Metered(), llm_budgets={"team": {"tokens_per_day": 100}})
    await run(one, metered("first", tokens=60, budget="team"))
    second = metered("second", tokens=60, budget="team")
    await one.submit_task(second)
    await until(lambda: second.status is TaskStatus.RATE_LIMITED)
    assert (await run(one, metered("third", tokens=60))).success


async def test_an_unknown_budget_is_refused(make: Make) -> None:
    one = await make(Metered(), llm_budgets={"team": {}})
    with pytest.raises(InvalidValue, match=r"budget: there is no budget 'other'\. Use one of team"):
        await one.submit_task(metered("t", budget="other"))


async def test_a_limit_holds_for_two_orchestrators_on_one_journal(make_shared: Make) -> None:
    limits = Limits(requests_per_day=5)
    one, two = await make_shared(Metered(limits=limits)), await make_shared(Metered(limits=limits))
    tasks = [metered(f"t{number}") for number in range(12)]
    for number, task in enumerate(tasks):
        await (one, two)[number % 2].submit_task(task)

    def is_done() -> bool:
        waiting = sum(len(each.get_task_history(status_filter="rate_limited")) for each in (one, two))
        return waiting == 7 and sum(task.status is TaskStatus.COMPLETED for task in tasks) == 5

    await until(is_done)
    total = one.spent_today(["all models"])["all models"]
    assert total.amounts.requests == 5


async def test_an_answer_is_given_again_to_who_asks_for_a_cached_one(make: Make) -> None:
    worker = Metered()
    one = await make(worker)
    await run(one, metered("first", cached_as="k", data="the answer"))
    again = await run(one, metered("second", cached_as="k", data="another"))
    assert (again.data, again.metrics["cached"], again.metrics["cost_usd"]) == ("the answer", True, 0.0)
    assert worker.ran == ["first"]
    assert await kept(one, "second") == []


async def test_a_task_that_is_not_to_be_stored_leaves_no_answer_behind(make: Make) -> None:
    worker = Metered()
    one = await make(worker)
    for name in ("first", "second"):
        await run(one, metered(name, cached_as="k", store=False))
    assert worker.ran == ["first", "second"]


async def test_what_was_used_is_written_although_the_journal_was_away(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await make(Metered(behaviour=use_less))
    ledger = one._given.journal.ledger  # pyright: ignore[reportPrivateUsage]
    settle, tries = ledger.settle, list[str]()

    async def away_at_first(key: str, spent: Spent | None) -> bool:
        tries.append(key)
        if len(tries) == 1:
            raise JournalUnavailable("away")
        return await settle(key, spent)

    monkeypatch.setattr(ledger, "settle", away_at_first)
    assert (await run(one, metered("t", tokens=50))).success
    await until(lambda: len(tries) == 2)
    await until(lambda: used(one, "all models") == 10)


async def test_stopping_settles_what_it_breaks_off(make_on_disk: Make) -> None:
    held = Held()
    one = await make_on_disk(Metered(behaviour=held))
    await one.submit_task(metered("t", tokens=50))
    await soon(held.begun.wait())
    await soon(one.stop())
    other = await make_on_disk(Metered(behaviour=use_it_all))
    assert (await soon(other.wait_for("t"))).success
    assert [attempt.state for attempt in await kept(other, "t")] == ["estimated", "settled"]
