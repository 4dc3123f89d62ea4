"""What a fault of a provider means for the task, its worker, the account, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.llm.conftest import tell
from tests.llm.stage import KINDS, PATHS, REFUSED, Fleet, in_account, kept
from tests.support import run, soon, until
from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.simulator.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
every_kind = pytest.mark.parametrize("kind", KINDS)
with_key = pytest.mark.parametrize("kind", list(PATHS))
UNKNOWN = None
MORE_THAN_THE_ANSWER = 4_000


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault, with what follows: the error of the task, what the account says, how the worker stands."""

    outcome: int | str
    error_type: str
    account: tuple[str, int, int, int] | None
    seconds: float = 20
    worker: WorkerStatus = WorkerStatus.IDLE

    def __str__(self) -> str:
        return str(self.outcome)


PASSING = [
    Fault(outcome=408, error_type="TaskFailed", account=UNKNOWN),
    Fault(outcome=429, error_type="TaskFailed", account=REFUSED),
    Fault(outcome=500, error_type="TaskFailed", account=UNKNOWN),
    Fault(outcome=503, error_type="TaskFailed", account=REFUSED),
    Fault(outcome=529, error_type="TaskFailed", account=REFUSED),
    Fault(outcome="reset", error_type="TaskFailed", account=UNKNOWN),
    Fault(outcome="cut", error_type="TaskFailed", account=UNKNOWN),
    Fault(outcome="malformed", error_type="TaskFailed", account=UNKNOWN),
    Fault(outcome="hang", error_type="TaskTimeout", account=UNKNOWN, seconds=0.4),
]
FINAL = [
    Fault(outcome=400, error_type="InvalidPayload", account=REFUSED),
    Fault(outcome=401, error_type="NotConfigured", account=REFUSED, worker=WorkerStatus.ERROR),
    Fault(outcome=402, error_type="NotConfigured", account=REFUSED, worker=WorkerStatus.ERROR),
    Fault(outcome=403, error_type="NotConfigured", account=REFUSED),
    Fault(outcome=404, error_type="NotFound", account=REFUSED),
]


@every_kind
@pytest.mark.parametrize("fault", PASSING, ids=str)
async def test_what_may_pass_is_tried_again(fleet: Fleet, provider: Running, kind: str, fault: Fault) -> None:
    worker = await fleet.ready(kind)
    tell(provider.simulator, errors=(fault.outcome,), retry_after=None)
    task = fleet.asking(kind, timeout_seconds=fault.seconds, max_retries=2)
    result = await run(fleet.one, task)
    assert (task.status, result.success, task.retry_count) == (TaskStatus.COMPLETED, True, 1)
    failed, succeeded = await kept(fleet.one, task)
    assert (failed.usage is None) is (fault.account is UNKNOWN)
    if fault.account is not UNKNOWN:
        assert in_account(failed) == fault.account
    else:  # what was reserved counts
        assert in_account(failed)[:2] == ("estimated", 1)
        assert failed.amounts.tokens > MORE_THAN_THE_ANSWER
        assert (failed.amounts.cost == 0) is (kind == "ollama")
    assert (str(succeeded.state), succeeded.amounts.tokens) == ("settled", result.metrics["tokens_used"])
    assert (worker.status, worker.status_reason) == (fault.worker, None)


@every_kind
@pytest.mark.parametrize("fault", PASSING, ids=str)
async def test_what_does_not_pass_fails_when_the_retries_are_used_up(
    fleet: Fleet, provider: Running, kind: str, fault: Fault
) -> None:
    worker = await fleet.ready(kind)
    tell(provider.simulator, errors=(fault.outcome, fault.outcome), retry_after=None)
    before = provider.simulator.count
    task = fleet.asking(kind, timeout_seconds=fault.seconds, max_retries=1)
    result = await run(fleet.one, task)
    assert (task.status, result.error_type, task.retry_count) == (TaskStatus.FAILED, fault.error_type, 1)
    assert provider.simulator.count == before + 2
    assert len(await kept(fleet.one, task)) == 2
    assert worker.status is fault.worker


@every_kind
@pytest.mark.parametrize("fault", FINAL, ids=str)
async def test_what_will_not_pass_ends_the_task_at_once(
    fleet: Fleet, provider: Running, kind: str, fault: Fault
) -> None:
    worker = await fleet.ready(kind)
    tell(provider.simulator, errors=(fault.outcome,))
    before = provider.simulator.count
    task = fleet.asking(kind, max_retries=3)
    result = await run(fleet.one, task)
    assert (task.status, result.error_type, task.retry_count) == (TaskStatus.FAILED, fault.error_type, 0)
    assert provider.simulator.count == before + 1
    assert [in_account(attempt) for attempt in await kept(fleet.one, task)] == [fault.account]
    assert worker.status is fault.worker
    assert (str(fault.outcome) in (worker.status_reason or "")) is (worker.status is WorkerStatus.ERROR)


@every_kind
async def test_a_refused_key_stops_the_traffic_until_a_look_at_the_models_succeeds(
    fleet: Fleet, provider: Running, kind: str
) -> None:
    worker = await fleet.ready(kind)
    tell(provider.simulator, errors=(401,))
    await run(fleet.one, fleet.asking(kind))
    before = provider.simulator.count
    stopped = fleet.asking(kind)
    result = await run(fleet.one, stopped)
    assert result.error_type == "WorkerUnavailable"
    assert f"{worker.worker_id} is error" in str(result.error)
    assert (provider.simulator.count, await kept(fleet.one, stopped)) == (before, [])
    assert await worker.health_check()
    assert (await run(fleet.one, fleet.asking(kind))).success


@pytest.mark.parametrize("kind", ["openai", "gemini"])
async def test_no_answer_at_all_is_tried_again_and_counts_as_an_estimate(
    fleet: Fleet, provider: Running, kind: str
) -> None:
    await fleet.ready(kind)
    tell(provider.simulator, errors=("empty",))
    task = fleet.asking(kind)
    result = await run(fleet.one, task)
    assert (result.success, task.retry_count) == (True, 1)
    assert [str(attempt.state) for attempt in await kept(fleet.one, task)] == ["estimated", "settled"]


@pytest.mark.parametrize("kind", ["anthropic", "ollama"])
async def test_an_answer_without_words_is_one_where_the_protocol_allows_it(
    fleet: Fleet, provider: Running, kind: str
) -> None:
    await fleet.ready(kind)
    tell(provider.simulator, errors=("empty",))
    task = fleet.asking(kind)
    result = await run(fleet.one, task)
    assert (result.success, result.data, task.retry_count) == (True, "", 0)
    assert [str(attempt.state) for attempt in await kept(fleet.one, task)] == ["settled"]


@pytest.mark.parametrize("kind", ["openai", "anthropic"])  # Gemini's filter leaves nothing
async def test_an_answer_that_the_filter_cut_short_says_so(fleet: Fleet, provider: Running, kind: str) -> None:
    await fleet.ready(kind)
    tell(provider.simulator, errors=("filtered",))
    task = fleet.asking(kind)
    result = await run(fleet.one, task)
    assert (result.success, result.metrics["finish_reason"]) == (True, "content_filter")
    (attempt,) = await kept(fleet.one, task)
    assert (str(attempt.state), attempt.amounts.tokens) == ("settled", result.metrics["tokens_used"])


@with_key
async def test_an_answer_that_the_filter_left_nothing_of_is_final_and_paid_for(
    fleet: Fleet, provider: Running, kind: str
) -> None:
    worker = await fleet.ready(kind)
    tell(provider.simulator, errors=("filtered",))
    # the answer is cut before its first letter, which leaves the filter's reason alone
    task = fleet.asking(kind, payload={"stop": "[simulated]"}, max_retries=3)
    result = await run(fleet.one, task)
    assert (task.status, result.error_type, task.retry_count) == (TaskStatus.FAILED, "InvalidPayload", 0)
    assert "content filter" in str(result.error)
    (attempt,) = await kept(fleet.one, task)
    assert (str(attempt.state), attempt.amounts.requests) == ("settled", 1)
    assert attempt.usage is not None
    assert attempt.amounts.tokens == attempt.usage.tokens > 0
    assert worker.status is WorkerStatus.IDLE


@every_kind
async def test_a_task_that_is_cancelled_while_its_provider_thinks_is_settled_as_an_estimate(
    fleet: Fleet, provider: Running, kind: str
) -> None:
    worker = await fleet.ready(kind)
    tell(provider.simulator, errors=("hang",))
    task = fleet.asking(kind)
    await fleet.one.submit_task(task)
    await until(lambda: provider.simulator.seen[-1].usage)
    assert await fleet.one.cancel_task(task.id)
    result = await soon(fleet.one.wait_for(task.id))
    assert (task.status, result.error_type, task.retry_count) == (TaskStatus.CANCELLED, "TaskCancelled", 0)
    (attempt,) = await kept(fleet.one, task)
    assert (in_account(attempt)[:2], attempt.usage) == (("estimated", 1), None)
    assert (worker.status, worker.running) == (WorkerStatus.IDLE, 0)
