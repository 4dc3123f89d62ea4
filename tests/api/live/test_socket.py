"""The status over a WebSocket, from a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from api.live.statuses import REPEAT_SECONDS, is_news
from BackgroundCognition.orchestrator import Task
from tests.api.live.support import listening, status_where
from tests.api.support import EchoWorker, echoing


async def test_the_status_comes_at_once_then_with_each_change_and_again_without_one(tmp_path: Path) -> None:
    orchestrator = echoing(tmp_path)
    async with listening(orchestrator) as address, connect(address) as socket:
        first = json.loads(await socket.recv())
        assert set(first) == set(orchestrator.get_status())
        assert first["is_running"]
        worker = orchestrator.worker_registry.require("echo")
        assert isinstance(worker, EchoWorker)
        task_id = await orchestrator.submit_task(Task(payload={"wait": True}))
        await status_where(socket, lambda status: status["metrics"]["active_tasks"] == 1)
        worker.gate.set()
        assert isinstance(task_id, str)
        await orchestrator.wait_for(task_id, 5)
        ended = await status_where(socket, lambda status: status["metrics"]["tasks_completed"] == 1)
        again = await status_where(socket, lambda status: status["metrics"] == ended["metrics"])
        assert again["uptime_seconds"] > ended["uptime_seconds"]


async def test_what_a_client_says_is_left_aside_and_its_leaving_harms_nobody(tmp_path: Path) -> None:
    async with listening(echoing(tmp_path)) as address:
        async with connect(address) as talker, connect(address) as listener:
            await talker.send("hello")
            await talker.close()
            assert json.loads(await listener.recv())["is_running"]
        async with connect(address) as late:
            assert json.loads(await late.recv())["is_running"]


async def test_a_page_of_another_origin_gets_no_socket(tmp_path: Path) -> None:
    async with listening(echoing(tmp_path)) as address:
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, origin="https://example.com")  # pyright: ignore[reportArgumentType]
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["remedy"]


async def test_where_everybody_needs_the_key_a_socket_does_too(tmp_path: Path) -> None:
    async with listening(echoing(tmp_path, api_key="the-key", require_key="always")) as address:
        with pytest.raises(InvalidStatus):
            await connect(address)
        async with connect(address, additional_headers={"Authorization": "Bearer the-key"}) as socket:
            assert json.loads(await socket.recv())["is_running"]


def status(
    *, uptime: float = 1, timestamp: str = "now", submitted: int = 0, workers: int = 1, waiting: int = 0
) -> dict[str, Any]:
    return {
        "queues": {"high": {"waiting": waiting, "oldest_wait_seconds": uptime}},
        "uptime_seconds": uptime,
        "metrics": {"tasks_submitted": submitted},
        "workers": {"total_workers": workers, "timestamp": timestamp},
    }


def test_the_passing_of_time_alone_is_no_news() -> None:
    assert not is_news(status(), status(uptime=2, timestamp="later"), 0.1)


@pytest.mark.parametrize("change", [{"submitted": 1}, {"workers": 2}, {"waiting": 1}])
def test_a_change_is_news_at_once(change: dict[str, Any]) -> None:
    assert is_news(status(), status(**change), 0.0)


def test_without_a_change_the_status_is_told_again_in_less_than_two_seconds() -> None:
    assert REPEAT_SECONDS < 2
    assert is_news(status(), status(), REPEAT_SECONDS)
