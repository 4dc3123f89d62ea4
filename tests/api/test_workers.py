"""Listing and registering workers. Providers and nodes are servers on loopback, or closed ports there."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from BackgroundCognition.orchestrator import LLMAPIWorker, UnifiedOrchestrator
from tests.api.support import EchoWorker, problem
from tests.http.server import Server, free_port, serving

TOKEN = "node-token"
WORKER = {"id", "status", "capabilities", "current_tasks", "max_concurrent_tasks", "load", "metrics", "config"}
STATISTICS = {
    "total_workers",
    "workers_by_status",
    "workers_by_capability",
    "total_tasks_running",
    "total_tasks_completed",
    "total_tasks_failed",
    "timestamp",
}
RESOURCES = {
    "active_allocations",
    "total_cpu_allocated",
    "total_memory_mb_allocated",
    "gpus_allocated",
    "llm_api_usage",
    "ollama_workers",
}


@pytest.fixture
def node() -> Iterator[Server]:
    with serving() as running:
        running.routes["/health"] = lambda handler, _: handler.answer_json({"cpu_usage": 1, "memory_usage_mb": 2})
        running.routes["/capabilities"] = lambda handler, _: handler.answer_json({"capabilities": ["gpu"]})
        running.routes["/execute"] = lambda handler, seen: handler.answer_json(
            {"success": True, "data": seen.json()["payload"]}
        )
        yield running


async def test_the_list_shows_every_worker_with_all_of_its_fields(client: httpx.AsyncClient) -> None:
    body = (await client.get("/workers/list")).json()
    assert set(body) == {"workers", "statistics"}
    assert set(body["statistics"]) == STATISTICS
    assert "echo" in {worker["id"] for worker in body["workers"]}
    assert all(set(worker) >= WORKER for worker in body["workers"])
    assert body["statistics"]["total_workers"] == len(body["workers"])


async def test_resources_are_shown_alone_and_in_the_status(client: httpx.AsyncClient) -> None:
    stats = (await client.get("/resources/stats")).json()
    assert set(stats) == RESOURCES
    assert stats["ollama_workers"] == 1
    status = (await client.get("/status")).json()
    assert status["resources"] == stats
    assert {"is_running", "uptime_seconds", "metrics", "workers", "resources"} <= set(status)


async def test_a_provider_that_cannot_be_reached_is_registered_and_shown_with_the_reason(
    client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator
) -> None:
    request = {
        "api_type": "openai",
        "api_key": "sk-secret",
        "rate_limit_per_minute": 30,
        "cost_per_1k_tokens": 0.002,
        "quota_cost_limit_per_day": 10.0,
        "base_url": f"http://127.0.0.1:{free_port()}/v1",
        "default_model": "tiny",
    }
    response = await client.post("/workers/llm-api/register", json=request)
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {"worker_id", "status", "message"}
    assert body["status"] == "registered"
    worker = orchestrator.worker_registry.require(body["worker_id"])
    assert isinstance(worker, LLMAPIWorker)
    assert worker.config.rate_limit_per_minute == 30
    assert worker.default_model == "tiny"
    assert worker.quota is not None
    assert (worker.quota.cost_limit_per_day, worker.quota.requests_per_day) == (10.0, None)
    listed = await client.get("/workers/list")
    shown = next(one for one in listed.json()["workers"] if one["id"] == body["worker_id"])
    assert shown["status"] == "offline"
    assert shown["status_reason"]
    usage = (await client.get("/resources/stats")).json()["llm_api_usage"]
    assert usage["workers"][body["worker_id"]]["quota"]["cost_limit_per_day"] == 10.0
    assert "sk-secret" not in response.text + listed.text


async def test_the_same_credential_again_keeps_its_worker(client: httpx.AsyncClient) -> None:
    request = {"api_type": "openai", "api_key": "sk-1", "base_url": f"http://127.0.0.1:{free_port()}/v1"}
    ids = [(await client.post("/workers/llm-api/register", json=request)).json()["worker_id"] for _ in range(2)]
    assert ids[0] == ids[1]


async def test_an_unknown_kind_of_provider_is_refused(client: httpx.AsyncClient) -> None:
    request = {"api_type": "oracle", "api_key": "k", "base_url": f"http://127.0.0.1:{free_port()}"}
    answer = problem(await client.post("/workers/llm-api/register", json=request), 400)
    assert answer["field"] == "api_type"


async def test_a_node_that_answers_is_registered_and_runs_tasks(client: httpx.AsyncClient, node: Server) -> None:
    request = {"remote_url": node.url, "worker_id": "gpu-1", "auth_token": TOKEN}
    response = await client.post("/workers/remote/register", json=request)
    assert response.status_code == 200
    assert response.json()["worker_id"] == "gpu-1"
    assert node.seen[0].headers["authorization"] == f"Bearer {TOKEN}"
    task = {"type": "remote_compute", "payload": {"n": 1}}
    result = (await client.post("/tasks/execute", json=task)).json()
    assert (result["data"], result["worker_id"]) == ({"n": 1}, "gpu-1")


async def test_a_node_that_cannot_be_reached_is_refused_and_not_kept(
    client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator
) -> None:
    before = orchestrator.worker_registry.get_all_workers()
    request = {"remote_url": f"http://127.0.0.1:{free_port()}", "worker_id": "gpu-1"}
    answer = problem(await client.post("/workers/remote/register", json=request), 502)
    assert answer["field"] == "remote_url"
    assert answer["remedy"]
    assert orchestrator.worker_registry.get_all_workers() == before


async def test_a_failed_registration_leaves_the_earlier_node_with_that_id_as_it_was(
    client: httpx.AsyncClient, node: Server
) -> None:
    await client.post("/workers/remote/register", json={"remote_url": node.url, "worker_id": "gpu-1"})
    moved = {"remote_url": f"http://127.0.0.1:{free_port()}", "worker_id": "gpu-1"}
    problem(await client.post("/workers/remote/register", json=moved), 502)
    task = {"type": "remote_compute", "payload": {"n": 2}}
    assert (await client.post("/tasks/execute", json=task)).json()["data"] == {"n": 2}


async def test_a_node_cannot_take_the_place_of_a_worker_of_another_kind(
    client: httpx.AsyncClient, node: Server
) -> None:
    request = {"remote_url": node.url, "worker_id": "echo"}
    assert problem(await client.post("/workers/remote/register", json=request), 400)["field"] == "worker_id"
    assert (await client.post("/tasks/execute", json={"type": "custom"})).json()["worker_id"] == "echo"


async def test_what_is_no_address_of_a_node_is_refused(client: httpx.AsyncClient) -> None:
    answer = problem(await client.post("/workers/remote/register", json={"remote_url": "ftp://127.0.0.1"}), 400)
    assert answer["field"] == "remote_url"


async def test_a_drained_worker_ends_what_runs_and_gets_nothing_new_until_it_is_resumed(
    client: httpx.AsyncClient, orchestrator: UnifiedOrchestrator, echo: EchoWorker
) -> None:
    running = (await client.post("/tasks/submit", json={"type": "custom", "payload": {"wait": True}})).json()["task_id"]
    await client.get("/workers/list")

    drained = (await client.post("/workers/echo/drain")).json()
    waiting = (await client.post("/tasks/submit", json={"type": "custom"})).json()["task_id"]
    echo.gate.set()
    assert (await orchestrator.wait_for(running, 5)).success

    assert (drained["worker_id"], drained["status"]) == ("echo", "maintenance")
    task = (await client.get(f"/tasks/{waiting}")).json()
    assert task["status"] != "completed"
    assert "maintenance" in task["status_reason"]
    await orchestrator.worker_registry.start_worker(echo)  # as a health check may
    assert (await client.post("/workers/echo/drain")).json()["status"] == "maintenance"
    assert (await client.post("/workers/echo/resume")).json()["status"] == "idle"
    assert (await orchestrator.wait_for(waiting, 5)).success


async def test_a_removed_worker_is_gone(client: httpx.AsyncClient) -> None:
    removed = await client.delete("/workers/echo")
    assert (removed.status_code, removed.json()["status"]) == (200, "removed")
    assert "echo" not in [worker["id"] for worker in (await client.get("/workers/list")).json()["workers"]]
    for response in (
        await client.delete("/workers/echo"),
        await client.post("/workers/echo/drain"),
        await client.post("/workers/echo/resume"),
    ):
        assert problem(response, 404)["field"] == "worker_id"


async def test_a_removed_provider_is_gone(client: httpx.AsyncClient) -> None:
    body = {"api_type": "openai", "api_key": "sk-x", "base_url": f"http://127.0.0.1:{free_port()}/v1"}
    worker_id = (await client.post("/workers/llm-api/register", json=body)).json()["worker_id"]
    assert (await client.delete(f"/workers/{worker_id}")).json()["status"] == "removed"
    problem(await client.delete(f"/workers/{worker_id}"), 404)
