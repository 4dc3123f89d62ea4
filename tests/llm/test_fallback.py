"""The next model, or the next provider, where the first one will not do."""

from __future__ import annotations

import pytest

from tests.llm.conftest import tell
from tests.llm.stage import KINDS, MODEL, REFUSED, Make, ask, asking, connected, in_account, kept, registered
from tests.support import run, soon, until
from vera_orchestrator.enums import TaskStatus, WorkerStatus
from vera_orchestrator.simulator.running import Running, serving
from vera_orchestrator.workers.llm.ollama_worker import MAX_CONCURRENT_TASKS

CHAIN = {"clever": ["openai/best", "anthropic/good", "ollama/small"]}
LONG = "word " * 400


@pytest.mark.parametrize(("outcome", "retries"), [(401, 0), (404, 0), (500, 1), ("reset", 1), ("hang", 1)])
async def test_the_next_model_of_a_class_answers_where_the_first_one_fails(
    make: Make, provider: Running, other: Running, outcome: int | str, retries: int
) -> None:
    tell(other.simulator, models=("small", "good"))
    one, first = await connected(make, "openai", provider.url, llm_model_classes=CHAIN, ollama_url=other.url)
    second = await registered(one, "anthropic", other.url)
    tell(provider.simulator, models=(), errors=(outcome,))
    task = asking(payload={"model": "clever"}, timeout_seconds=0.8 if outcome == "hang" else 20)
    result = await run(one, task)
    assert (result.success, result.worker_id, task.retry_count) == (True, second.worker_id, retries)
    attempts = [(attempt.worker_id, attempt.model) for attempt in await kept(one, task)]
    assert attempts == [(first.worker_id, "best"), (second.worker_id, "good")]


async def test_the_last_model_of_a_class_answers_where_all_others_fail(
    make: Make, provider: Running, other: Running
) -> None:
    tell(other.simulator, models=("small",))
    one, _ = await connected(make, "openai", provider.url, llm_model_classes=CHAIN, ollama_url=other.url)
    await registered(one, "anthropic", provider.url)
    tell(provider.simulator, models=(), errors=(404, 403))
    task = asking(payload={"model": "clever"}, max_retries=0)
    result = await run(one, task)
    assert (result.success, result.metrics["api_type"], task.retry_count) == (True, "ollama", 0)
    attempts = await kept(one, task)
    assert [attempt.model for attempt in attempts] == ["best", "good", "small"]
    assert [in_account(attempt) for attempt in attempts[:2]] == [REFUSED] * 2


async def test_one_worker_goes_through_all_models_of_a_class_that_it_may_have(make: Make, provider: Running) -> None:
    one, worker = await connected(make, "openai", provider.url, llm_model_classes={"any": ["gone", "away", MODEL]})
    task = asking(payload={"model": "any"}, max_retries=0)
    result = await run(one, task)
    assert (result.success, result.worker_id, result.metrics["model"]) == (True, worker.worker_id, MODEL)
    # it lists the last one, which it surely has, but the caller's order goes first
    assert [attempt.model for attempt in await kept(one, task)] == ["gone", "away", MODEL]


async def test_a_class_of_which_no_model_is_there_fails_with_the_last_reason(make: Make, provider: Running) -> None:
    one, _ = await connected(make, "openai", provider.url, llm_model_classes={"any": ["gone", "away"]})
    task = asking(payload={"model": "any"}, max_retries=3)
    result = await run(one, task)
    assert (task.status, result.error_type, task.retry_count) == (TaskStatus.FAILED, "NotFound", 0)
    assert len(await kept(one, task)) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_too_long_for_one_model_goes_to_a_worker_whose_model_takes_it(
    make: Make, provider: Running, other: Running, kind: str
) -> None:
    one, small = await connected(make, kind, provider.url)
    large = await registered(one, "openai", other.url, cost_per_1k_tokens=2.0)
    tell(provider.simulator, context_length=100)
    task = asking(LONG, max_retries=0)
    result = await run(one, task)
    assert (result.success, result.worker_id, task.retry_count) == (True, large.worker_id, 0)
    assert in_account((await kept(one, task))[0]) == REFUSED
    assert (await ask(one)).worker_id == small.worker_id  # it is as good as ever for what is shorter


async def test_what_is_too_long_for_all_models_ends_and_says_so(make: Make, provider: Running, other: Running) -> None:
    one, _ = await connected(make, "openai", provider.url)
    await registered(one, "anthropic", other.url)
    for running in (provider, other):
        tell(running.simulator, context_length=100)
    task = asking(LONG, max_retries=3)
    result = await run(one, task)
    assert (task.status, result.error_type, task.retry_count) == (TaskStatus.FAILED, "ContextTooLong", 0)
    assert [in_account(attempt) for attempt in await kept(one, task)] == [REFUSED, REFUSED]


async def test_a_preferred_ollama_that_is_well_answers(make: Make, provider: Running, other: Running) -> None:
    one, _ = await connected(make, "openai", other.url, ollama_url=provider.url)
    assert (await ask(one, prefer_ollama=True)).metrics["api_type"] == "ollama"
    assert (await ask(one, prefer_ollama=False)).metrics["api_type"] == "openai"


@pytest.mark.parametrize("is_known", [False, True])
async def test_a_preferred_ollama_that_is_away_is_left_out(make: Make, other: Running, is_known: bool) -> None:
    with serving() as gone:
        tell(gone.simulator)
        one, ollama = await connected(make, "ollama", gone.url)
        cloud = await registered(one, "openai", other.url)
    if is_known:
        assert not await ollama.health_check()
    task = asking(prefer_ollama=True, max_retries=0)
    result = await run(one, task)
    assert (result.success, result.worker_id, task.retry_count) == (True, cloud.worker_id, 0)
    assert ollama.status is WorkerStatus.OFFLINE


@pytest.mark.parametrize("is_known", [False, True])
async def test_a_preferred_ollama_that_lacks_the_model_is_left_out(
    make: Make, provider: Running, other: Running, is_known: bool
) -> None:
    one, ollama = await connected(make, "ollama", provider.url)
    cloud = await registered(one, "openai", other.url)
    tell(provider.simulator, models=("another",))  # somebody has removed the model
    if is_known:
        assert await ollama.health_check()
    task = asking(prefer_ollama=True, max_retries=0)
    result = await run(one, task)
    assert (result.success, result.worker_id, task.retry_count) == (True, cloud.worker_id, 0)
    assert [attempt.worker_id == ollama.worker_id for attempt in await kept(one, task)] == [True, False][is_known:]
    assert ollama.status is WorkerStatus.IDLE


async def test_a_preferred_ollama_that_says_it_is_full_is_left_out(
    make: Make, provider: Running, other: Running
) -> None:
    one, _ = await connected(make, "ollama", provider.url)
    cloud = await registered(one, "openai", other.url)
    tell(provider.simulator, errors=(503,))
    task = asking(prefer_ollama=True)
    result = await run(one, task)
    assert (result.success, result.worker_id, task.retry_count) == (True, cloud.worker_id, 0)
    assert in_account((await kept(one, task))[0]) == REFUSED


async def test_a_preferred_ollama_that_is_full_is_left_out(make: Make, provider: Running, other: Running) -> None:
    one, ollama = await connected(make, "ollama", provider.url)
    cloud = await registered(one, "openai", other.url)
    tell(provider.simulator, error_rates={"hang": 1.0})
    held = [asking(prefer_ollama=True) for _ in range(MAX_CONCURRENT_TASKS)]
    for task in held:
        await one.submit_task(task)
    await until(lambda: ollama.status is WorkerStatus.BUSY)
    assert (await ask(one, prefer_ollama=True)).worker_id == cloud.worker_id
    for task in held:
        await soon(one.cancel_task(task.id))
    await until(lambda: ollama.running == 0)
    tell(provider.simulator)
    assert (await ask(one, prefer_ollama=True)).worker_id == ollama.worker_id
