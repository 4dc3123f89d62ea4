"""Clients that go away, and clients that would wait for too long."""

from __future__ import annotations

import asyncio

import httpx
import openai
import pytest

from tests.api.openai.stage import HI, Stage, openai_client, served
from tests.llm.conftest import tell
from tests.llm.stage import Make, registered
from tests.support import soon, until
from vera_orchestrator.enums import TaskStatus
from vera_orchestrator.models import APIQuota
from vera_orchestrator.simulator.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_away_cancels_its_task(stage: Stage, provider: Running, stream: bool) -> None:
    tell(provider.simulator, errors=("hang",))
    asking = asyncio.create_task(stage.message(stream=stream))
    await until(lambda: stage.one.running_tasks())
    (task,) = stage.one.running_tasks()
    asking.cancel()
    result = await soon(stage.one.wait_for(task.id))
    assert (result.success, result.error_type) == (False, "TaskCancelled")


async def test_a_client_that_goes_away_in_a_stream_cancels_its_task(stage: Stage, provider: Running) -> None:
    tell(provider.simulator, token_latency=0.05, answers=(" ".join("word" for _ in range(1_000)),))
    body = {"model": "openai/m", "messages": HI, "stream": True}
    async with (
        httpx.AsyncClient() as client,
        client.stream("POST", f"{stage.address}/v1/chat/completions", json=body) as answer,
    ):
        await anext(answer.aiter_lines())
        task_id = answer.headers["x-vera-task-id"]
    await soon(stage.one.wait_for(task_id))
    task = await stage.one.get_task(task_id)
    assert task is not None
    assert task.status is TaskStatus.CANCELLED


@pytest.mark.parametrize("stream", [False, True])
async def test_a_limit_that_is_reached_is_told_after_a_while(make: Make, provider: Running, stream: bool) -> None:
    one = await make(openai_wait_seconds=0.01)
    await registered(one, "openai", provider.url, quota=APIQuota(requests_per_day=1))
    async with served(one) as stage:
        await stage.message(stream=stream, model="m")
        with pytest.raises(openai.RateLimitError) as caught:
            await stage.message(stream=stream, model="m")
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"]
    assert one.running_tasks() == []


async def test_a_key_is_asked_of_whoever_is_not_local(make: Make, provider: Running) -> None:
    one = await make(require_key="always", api_key="the-key")
    await registered(one, "openai", provider.url)
    async with served(one) as stage:
        with pytest.raises(openai.AuthenticationError) as caught:
            await stage.chat(model="m")
        assert caught.value.code == "invalid_api_key"
        async with openai_client(f"{stage.address}/v1", "the-key") as client:
            answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            assert answer.choices[0].message.content
