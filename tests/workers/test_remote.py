"""A remote node, played by a real server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from tests.http.server import Server, free_port, serving
from vera_orchestrator.enums import TaskType, WorkerStatus
from vera_orchestrator.errors import (
    InvalidPayload,
    InvalidValue,
    NotConfigured,
    ResultTooLarge,
    TaskFailed,
    TaskTimeout,
    WorkerUnavailable,
)
from vera_orchestrator.models import Task, TaskResult, WorkerConfig
from vera_orchestrator.workers.remote import RemoteWorker

TOKEN = "node-token-1"


@pytest.fixture
def node() -> Iterator[Server]:
    with serving() as running:
        be_healthy(running)
        running.routes["/capabilities"] = lambda handler, _: handler.answer_json(
            {"capabilities": ["gpu", "python"], "max_concurrent_tasks": 4}
        )
        running.routes["/execute"] = lambda handler, seen: handler.answer_json(
            {"success": True, "data": seen.json()["payload"], "metrics": {"gpu_seconds": 1.5}}
        )
        yield running


@pytest.fixture
async def worker(node: Server) -> AsyncIterator[RemoteWorker]:
    worker = RemoteWorker(node.url, auth_token=TOKEN)
    assert await worker.start()
    yield worker
    await worker.stop()


def be_healthy(node: Server) -> None:
    node.routes["/health"] = lambda handler, _: handler.answer_json({"cpu_usage": 12.5, "memory_usage_mb": 2048})


async def run(worker: RemoteWorker, payload: dict[str, Any] | None = None) -> TaskResult:
    return await worker.execute_task(
        Task(id="task-1", type=TaskType.REMOTE_COMPUTE, payload=payload or {"n": 1}, timeout_seconds=5)
    )


async def test_a_node_says_what_it_can_do_and_how_much(node: Server, worker: RemoteWorker) -> None:
    assert worker.capabilities == {"remote_compute", "gpu", "python"}
    assert worker.config.max_concurrent_tasks == 4
    assert (worker.metrics.cpu_usage_percent, worker.metrics.memory_usage_mb) == (12.5, 2048)
    assert worker.status is WorkerStatus.IDLE
    assert [seen.path for seen in node.seen] == ["/health", "/capabilities"]


async def test_a_configured_number_of_tasks_wins_over_the_nodes(node: Server) -> None:
    worker = RemoteWorker(node.url, config=WorkerConfig(max_concurrent_tasks=2))
    assert await worker.start()
    await worker.stop()
    assert worker.config.max_concurrent_tasks == 2


async def test_the_node_gets_the_task_and_the_token(node: Server, worker: RemoteWorker) -> None:
    result = await run(worker, {"n": [1, None]})
    seen = node.seen[-1]
    assert seen.headers["authorization"] == f"Bearer {TOKEN}"
    assert seen.json() == {"id": "task-1", "type": "remote_compute", "payload": {"n": [1, None]}, "timeout": 5}
    assert (result.success, result.data, result.worker_id) == (True, {"n": [1, None]}, worker.worker_id)
    assert result.metrics["gpu_seconds"] == 1.5
    assert result.execution_time_ms > 0


async def test_without_a_token_none_is_sent(node: Server) -> None:
    worker = RemoteWorker(node.url + "/")
    await worker.start()
    await run(worker)
    await worker.stop()
    assert all("authorization" not in seen.headers for seen in node.seen)
    assert worker.to_dict()["has_auth"] is False


async def test_the_wire_form_has_the_address_and_never_the_token(node: Server, worker: RemoteWorker) -> None:
    wire = worker.to_dict()
    assert (wire["remote_url"], wire["has_auth"]) == (node.url, True)
    assert wire["id"] == f"remote-127.0.0.1-{node.port}"
    assert TOKEN not in repr(wire) + repr(worker) + repr(vars(worker))


def test_a_token_may_come_as_a_secret_and_an_id_may_be_given() -> None:
    worker = RemoteWorker("https://node.test", "mine", SecretStr(TOKEN))
    assert (worker.worker_id, worker.to_dict()["has_auth"]) == ("mine", True)
    assert RemoteWorker("https://node.test").worker_id == "remote-node.test-443"


@pytest.mark.parametrize("url", ["", "node:8000", "ftp://node", "http://", "http://me:pw@node", "http://node?x=1"])
def test_an_address_that_is_no_nodes_is_refused_by_name(url: str) -> None:
    with pytest.raises(InvalidValue, match="remote_url"):
        RemoteWorker(url)


def test_a_token_that_no_header_may_hold_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidValue, match="auth_token") as caught:
        RemoteWorker("http://node", auth_token="hunter2\r\nX: y")
    assert "hunter2" not in str(caught.value)


async def test_a_node_that_is_away_makes_an_offline_worker_that_recovers() -> None:
    port = free_port()
    worker = RemoteWorker(f"http://127.0.0.1:{port}")
    assert not await worker.start()
    assert worker.status is WorkerStatus.OFFLINE
    assert "cannot be reached" in (worker.status_reason or "")
    with serving(port=port) as node:
        be_healthy(node)
        node.routes["/capabilities"] = lambda handler, _: handler.answer_json({"capabilities": ["gpu"]})
        assert await worker.health_check()
        assert (worker.status, worker.status_reason) == (WorkerStatus.IDLE, None)
        assert "gpu" in worker.capabilities
        await worker.stop()


async def test_a_task_that_cannot_reach_the_node_uses_up_no_attempt_and_takes_it_offline() -> None:
    worker = RemoteWorker(f"http://127.0.0.1:{free_port()}")
    await worker.start()
    worker.status = WorkerStatus.IDLE
    with pytest.raises(WorkerUnavailable):
        await run(worker)
    assert worker.status is WorkerStatus.OFFLINE
    await worker.stop()


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_node_without_lists_can_still_compute(node: Server, status: int) -> None:
    node.routes["/health"] = node.routes["/capabilities"] = lambda handler, _: handler.answer(status)
    worker = RemoteWorker(node.url)
    assert await worker.start()
    await worker.stop()
    assert worker.capabilities == {"remote_compute"}


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_named(node: Server, worker: RemoteWorker, status: int) -> None:
    node.routes["/execute"] = node.routes["/health"] = lambda handler, _: handler.answer(status)
    with pytest.raises(NotConfigured, match="auth_token") as caught:
        await run(worker)
    assert not caught.value.retryable
    assert not await worker.health_check()
    assert worker.status is WorkerStatus.ERROR
    assert "auth_token" in (worker.status_reason or "")


@pytest.mark.parametrize(
    "answer", [b"<html>", b"[]", b'{"cpu_usage": "much"}', b'{"capabilities": 5}', b'{"max_concurrent_tasks": 0}']
)
async def test_a_node_that_speaks_otherwise_is_in_error(node: Server, answer: bytes) -> None:
    node.routes["/health"] = node.routes["/capabilities"] = lambda handler, _: handler.answer(body=answer)
    worker = RemoteWorker(node.url)
    assert not await worker.start()
    await worker.stop()
    assert "does not follow the protocol" in (worker.status_reason or "")


async def test_a_sick_node_is_in_error_until_it_is_well(node: Server, worker: RemoteWorker) -> None:
    node.routes["/health"] = lambda handler, _: handler.answer(503, b"out of memory")
    assert not await worker.health_check()
    assert worker.status is WorkerStatus.ERROR
    assert "HTTP 503 Service Unavailable: out of memory" in (worker.status_reason or "")
    be_healthy(node)
    assert await worker.health_check()
    assert worker.status is WorkerStatus.IDLE


async def test_maintenance_ends_only_when_the_operator_says_so(worker: RemoteWorker) -> None:
    worker.status = WorkerStatus.MAINTENANCE
    assert await worker.health_check()
    assert worker.status is WorkerStatus.MAINTENANCE


async def test_a_failure_on_the_node_is_the_tasks(node: Server, worker: RemoteWorker) -> None:
    node.routes["/execute"] = lambda handler, _: handler.answer_json(
        {"success": False, "error": f"refused {TOKEN}", "metrics": {"exit_code": 1}, "retryable": False}
    )
    result = await run(worker)
    assert (result.success, result.error, result.retryable) == (False, "refused ***", False)
    assert result.metrics["exit_code"] == 1


@pytest.mark.parametrize(("status", "retryable"), [(500, True), (503, True), (429, True), (400, False), (404, False)])
async def test_an_error_status_says_whether_it_may_pass(
    node: Server, worker: RemoteWorker, status: int, retryable: bool
) -> None:
    node.routes["/execute"] = lambda handler, _: handler.answer(status, b"why", headers={"Retry-After": "3"})
    result = await run(worker)
    assert (result.success, result.retryable, result.metrics["retry_after"]) == (False, retryable, 3.0)
    assert (result.error or "").startswith(f"HTTP {status}")


@pytest.mark.parametrize("answer", [b"", b"null", b"{}", b'{"success": "perhaps"}', b"<html>"])
async def test_an_answer_that_is_no_result_is_a_failure(node: Server, worker: RemoteWorker, answer: bytes) -> None:
    node.routes["/execute"] = lambda handler, _: handler.answer(body=answer)
    result = await run(worker)
    assert not result.success
    assert "is not a result" in (result.error or "")


async def test_a_connection_that_breaks_is_retryable(node: Server, worker: RemoteWorker) -> None:
    node.routes["/execute"] = lambda handler, _: handler.reset()
    with pytest.raises(TaskFailed) as caught:
        await run(worker)
    assert caught.value.retryable


async def test_a_node_that_takes_too_long_is_a_timeout(node: Server, worker: RemoteWorker) -> None:
    node.routes["/execute"] = node.hang
    with pytest.raises(TaskTimeout, match=r"within 0\.05 s"):
        await worker.execute_task(Task(timeout_seconds=0.05))


async def test_a_result_above_the_limit_is_refused(node: Server) -> None:
    worker = RemoteWorker(node.url, max_bytes=100)
    await worker.start()
    with pytest.raises(ResultTooLarge):
        await run(worker, {"text": "x" * 200})
    await worker.stop()


async def test_a_payload_without_a_json_form_is_refused(worker: RemoteWorker) -> None:
    with pytest.raises(InvalidPayload, match="payload"):
        await run(worker, {"n": float("nan")})


async def test_a_redirect_of_a_node_is_not_followed(node: Server, worker: RemoteWorker) -> None:
    with serving() as elsewhere:
        location = {"Location": f"{elsewhere.url}/execute"}
        node.routes["/execute"] = lambda handler, _: handler.answer(307, headers=location)
        result = await run(worker)
        assert (result.success, elsewhere.seen) == (False, [])
