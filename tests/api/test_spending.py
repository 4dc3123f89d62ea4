"""What was spent, and how the limits stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api import register_routes
from BackgroundCognition.orchestrator import APIQuota, Task, TaskType, UnifiedOrchestrator
from tests.api.support import LOCAL, PREFIX, problem, settings
from tests.runtime.metered import Metered
from tests.support import needs, run
from vera_orchestrator.callers import Scope
from vera_orchestrator.metering import Channel, Spent
from vera_orchestrator.models import TaskResult
from vera_orchestrator.usage import Usage

NUMBERS = {
    "requests",
    "tokens",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_usd",
    "estimated_requests",
    "unpriced_requests",
}
NOBODY_ANSWERS = "http://127.0.0.1:9"


async def answering(task: Task, channel: Channel) -> TaskResult:
    """Use ten tokens, or what nobody reports."""
    cost = Decimal(str(task.payload["cost"])) if "cost" in task.payload else None
    if not task.payload.get("silent"):
        channel.report(Spent(usage=Usage(input=4, cache_read=2, output=3, reasoning=1), cost=cost))
    return TaskResult(success=True, data="done")


@pytest.fixture
async def orchestrator(tmp_path: Path) -> AsyncIterator[UnifiedOrchestrator]:
    """An orchestrator that has spent something for three callers."""
    one = UnifiedOrchestrator(
        settings(
            tmp_path,
            docker_pool_size=0,
            database_url="memory://",
            llm_limits={"tokens_per_day": 1_000},
            llm_provider_limits={"openai": {"requests_per_minute": 7}},
            llm_budgets={"team": {"cost_limit_per_day": 2}},
        )
    )
    one.worker_registry.add(Metered(behaviour=answering))
    async with one:
        await run(one, asking("big", cost=0.5, tags=["x", "y"], caller="me", budget="team"))
        await run(one, asking("small", cost=0.25, tags=["y"], caller="you"))
        await run(one, asking("small", silent=True))
        yield one


def asking(model: str, *, tags: list[str] | None = None, caller: str | None = None, **payload: Any) -> Task:
    budget = payload.pop("budget", None)
    payload = {"model": model, "max_tokens": 50, **payload}
    task = Task(type=TaskType.CUSTOM, payload=payload, tags=tags or [], requirements=needs("metered"), budget=budget)
    task.caller = caller
    return task


def calling(one: UnifiedOrchestrator, **headers: str) -> httpx.AsyncClient:
    app = FastAPI()
    register_routes(app, orchestrator=one)
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
    return httpx.AsyncClient(transport=transport, base_url=LOCAL + PREFIX, headers=headers)


@pytest.fixture
async def client(orchestrator: UnifiedOrchestrator) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(orchestrator) as client:
        yield client


async def spend(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    response = await client.get("/spend", params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def test_spending_is_shown_by_day_with_all_of_its_numbers(client: httpx.AsyncClient) -> None:
    body = await spend(client)

    assert set(body) == {"by", "since", "until", "time_zone", "rows", "totals", "truncated"}
    assert (body["by"], body["time_zone"], body["truncated"]) == (["day"], "UTC", False)
    (row,) = body["rows"]
    assert set(row) == {"day", *NUMBERS}
    assert row["day"] in (body["until"][:10], body["since"][:10])
    assert {name: row[name] for name in NUMBERS} == body["totals"]
    assert body["totals"] == {
        "requests": 3,
        "tokens": 70,
        "input_tokens": 12,
        "output_tokens": 8,
        "cached_tokens": 4,
        "cost_usd": 0.75,
        "estimated_requests": 1,
        "unpriced_requests": 0,
    }


async def test_spending_is_told_apart_by_what_is_asked_for(client: httpx.AsyncClient) -> None:
    body = await spend(client, by="model, caller")

    assert body["by"] == ["model", "caller"]
    assert [(row["model"], row["caller"], row["cost_usd"]) for row in body["rows"]] == [
        ("big", "me", 0.5),
        ("small", "you", 0.25),
        ("small", None, 0.0),
    ]
    everything = await spend(client, by="day,worker,model,caller,tag,provider")
    assert {"day", "worker_id", "model", "caller", "tag", "provider"} < set(everything["rows"][0])


async def test_what_has_two_tags_is_counted_once_in_the_totals(client: httpx.AsyncClient) -> None:
    body = await spend(client, by="tag")

    assert [(row["tag"], row["cost_usd"]) for row in body["rows"]] == [("y", 0.75), ("x", 0.5), (None, 0.0)]
    assert body["totals"]["requests"] == 3


async def test_the_rest_of_many_rows_is_in_the_totals_only(client: httpx.AsyncClient) -> None:
    body = await spend(client, by="model", limit=1)

    assert [row["model"] for row in body["rows"]] == ["big"]
    assert body["truncated"]
    assert body["totals"]["requests"] == 3


async def test_other_times_have_other_spending(client: httpx.AsyncClient) -> None:
    now = datetime.now(UTC)

    assert (await spend(client, until=(now - timedelta(days=1)).isoformat()))["rows"] == []
    assert (await spend(client, since="2026-01-01", until="2026-02-01"))["since"] == "2026-01-01T00:00:00+00:00"
    encoded_badly = f"/spend?since={(now - timedelta(hours=1)).isoformat()}"
    assert (await client.get(encoded_badly)).json()["totals"]["requests"] == 3


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({"by": "moon"}, 400, "by"),
        ({"since": "0001-01-01T00:00:00+14:00"}, 400, "since"),
        ({"until": "9999-12-31T23:59:59-14:00"}, 400, "until"),
        ({"since": "1999-01-01"}, 400, "since"),
        ({"since": "soon"}, 422, "since"),
        ({"limit": 0}, 422, "limit"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused(
    client: httpx.AsyncClient, query: dict[str, Any], status: int, field: str
) -> None:
    assert problem(await client.get("/spend", params=query), status)["field"] == field


async def test_who_may_not_manage_sees_what_it_has_spent_itself(orchestrator: UnifiedOrchestrator) -> None:
    key = await orchestrator.keys.create("me", scopes=[Scope.READ], quota=APIQuota(tokens_per_day=100))
    await run(orchestrator, asking("big", caller=key.row.id))
    async with calling(orchestrator, Authorization=f"Bearer {key.key}") as client:
        body = await spend(client, by="caller,tag")
        limits = (await client.get("/limits")).json()["limits"]

    assert {row["caller"] for row in body["rows"]} == {key.row.id}
    assert body["totals"]["requests"] == 1
    assert ("key", key.row.id) in {(limit["scope"], limit["name"]) for limit in limits}


async def test_a_manager_sees_the_limits_of_all_keys(
    orchestrator: UnifiedOrchestrator, client: httpx.AsyncClient
) -> None:
    quota = APIQuota(requests_per_minute=None, requests_per_hour=None, requests_per_day=None, cost_limit_per_day=3)
    made = await orchestrator.keys.create("team", quota=quota)
    await orchestrator.keys.revoke((await orchestrator.keys.create("gone", quota=quota)).row.id)

    limits = (await client.get("/limits")).json()["limits"]

    assert [(one["name"], one["remaining"]) for one in limits if one["scope"] == "key"] == [(made.row.id, 3)]


async def test_every_limit_that_is_set_says_what_is_left(
    orchestrator: UnifiedOrchestrator, client: httpx.AsyncClient
) -> None:
    quota = APIQuota(requests_per_minute=None, requests_per_hour=None, requests_per_day=9)
    await orchestrator.register_llm_api("openai", "k", quota=quota, base_url=NOBODY_ANSWERS, worker_id="mine")

    limits = (await client.get("/limits")).json()["limits"]

    assert {(one["scope"], one["name"], one["measure"], one["per"]): one["remaining"] for one in limits} == {
        ("all", None, "tokens", "day"): 930,
        ("provider", "openai", "requests", "minute"): 7,
        ("budget", "team", "cost", "day"): 1.5,
        ("worker", "mine", "requests", "day"): 9,
    }
    by_scope = {one["scope"]: one for one in limits}
    assert by_scope["all"]["used"] == 70
    assert by_scope["all"]["window_seconds"] == 86_400
    assert datetime.fromisoformat(by_scope["all"]["resets_at"]) > datetime.now(UTC)
    assert by_scope["worker"]["resets_at"] is None
