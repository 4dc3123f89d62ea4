"""Streams that change their provider, and readers that go away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.http.server import serving as serving_http
from tests.llm.conftest import tell
from tests.llm.stage import KINDS, MODEL, Make, asking, connected, in_account, kept, registered, streamed
from tests.support import soon, until
from vera_orchestrator.enums import ChunkKind, TaskStatus
from vera_orchestrator.simulator.running import Running, serving
from vera_orchestrator.simulator.simulator import Ended, Simulator

WORDS = "one two three"


async def test_a_stream_goes_to_another_provider_where_the_first_one_refuses(
    make: Make, provider: Running, other: Running
) -> None:
    one, _ = await connected(make, "openai", provider.url)
    second = await registered(one, "anthropic", other.url, cost_per_1k_tokens=2.0)
    tell(provider.simulator, errors=(401,))
    task = asking(WORDS)
    chunks, result = await streamed(one, task)
    assert (result.success, result.worker_id, task.retry_count) == (True, second.worker_id, 0)
    assert "".join(chunk.text for chunk in chunks) == result.data


BEGUN_AND_BROKEN = (
    'event: message_start\ndata: {"type": "message_start", "message": {"id": "1", "type": "message", "model": "m",'
    ' "role": "assistant", "content": [], "stop_reason": null, "stop_sequence": null,'
    ' "usage": {"input_tokens": 7, "output_tokens": 1}}}\n\n'
    'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'
)


async def test_a_stream_that_has_told_its_usage_and_no_word_goes_to_another_provider(
    make: Make, other: Running
) -> None:
    with serving_http() as server:
        server.routes["/v1/models"] = lambda handler, _: handler.answer_json({"data": [{"id": MODEL}]})
        server.routes["/v1/messages"] = lambda handler, _: handler.answer(
            200, BEGUN_AND_BROKEN.encode(), {"Content-Type": "text/event-stream"}
        )
        one, _ = await connected(make, "anthropic", server.url)
        second = await registered(one, "openai", other.url, cost_per_1k_tokens=2.0)
        task = asking(WORDS)
        chunks, result = await streamed(one, task)
    assert (result.success, result.worker_id, task.retry_count) == (True, second.worker_id, 1)
    assert "".join(chunk.text for chunk in chunks) == result.data
    broken, whole = await kept(one, task)
    assert broken.usage is not None
    # how much it has thought is not known, so the most that it may have stays reserved
    assert (str(broken.state), broken.usage.input, broken.usage.output) == ("estimated", 7, 4_096)
    # the caller is told of the answer that it got, and the account knows both
    assert [chunk.usage for chunk in chunks if chunk.kind is ChunkKind.USAGE] == [result.metrics["usage"]]
    assert str(whole.state) == "settled"


class Held:
    """The pauses of a simulator: it goes on with no more than the first words until it is let go."""

    def __init__(self, words: int) -> None:
        self._words = words
        self.go_on = threading.Event()

    async def __call__(self, seconds: float) -> None:
        self._words -= 1
        if self._words < 0 and not self.go_on.is_set():
            await asyncio.to_thread(self.go_on.wait)
        await asyncio.sleep(0)


@pytest.fixture
def held() -> Iterator[tuple[Running, Held]]:
    """A provider that stops in the middle of its answer."""
    pauses = Held(words=3)
    with serving(Simulator(sleep=pauses)) as running:
        tell(running.simulator, token_latency=1)
        yield running, pauses
        pauses.go_on.set()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_that_goes_away_ends_the_stream_at_the_provider_too(
    make: Make, held: tuple[Running, Held], kind: str
) -> None:
    running, pauses = held
    one, worker = await connected(make, kind, running.url)
    task = asking("word " * 20_000)
    chunks = one.submit_stream(task)
    async with asyncio.timeout(90):
        async for chunk in chunks:
            if chunk.kind is ChunkKind.TEXT:
                break
    assert await one.cancel_task(task.id)
    result = await soon(one.wait_for(task.id))
    pauses.go_on.set()
    assert (task.status, result.error_type) == (TaskStatus.CANCELLED, "TaskCancelled")
    await until(lambda: running.simulator.seen[-1].ended is Ended.CLIENT_LEFT)
    (attempt,) = await kept(one, task)
    assert in_account(attempt)[:2] == ("estimated", 1)
    assert attempt.amounts.tokens > 0
    assert (worker.running, worker.is_usable) == (0, True)
