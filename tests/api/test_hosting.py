"""An orchestrator in somebody else's app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException

from api import PREFIX, get_orchestrator, initialize_orchestrator, register_routes, shutdown_orchestrator
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.api.support import calling, echoing, problem, settings
from vera_orchestrator.errors import InvalidValue

Events = list[tuple[str, bool]]


def noting(orchestrator: UnifiedOrchestrator, events: Events) -> FastAPI:
    """Return an app whose own lifespan notes when it begins and ends, and whether the orchestrator runs then."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[dict[str, str]]:
        events.append(("begin", orchestrator.is_running))
        yield {"made_by": "the host"}
        events.append(("end", orchestrator.is_running))

    return FastAPI(lifespan=lifespan)


async def test_the_hosts_own_lifespan_is_kept_and_lies_within_the_orchestrators(tmp_path: Path) -> None:
    orchestrator = echoing(tmp_path)
    events: Events = []
    app = noting(orchestrator, events)
    register_routes(app, orchestrator=orchestrator)
    async with app.router.lifespan_context(app) as state:
        assert state == {"made_by": "the host"}
        assert orchestrator.is_running
    assert events == [("begin", True), ("end", True)]
    assert not orchestrator.is_running


async def test_an_orchestrator_that_runs_already_is_not_stopped_with_the_app(tmp_path: Path) -> None:
    async with echoing(tmp_path) as orchestrator:
        app = FastAPI()
        register_routes(app, orchestrator=orchestrator)
        async with app.router.lifespan_context(app):
            pass
        assert orchestrator.is_running


async def test_the_hosts_own_routes_and_errors_stay_as_they_are(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/own/{number}")
    async def own(number: int) -> int:
        return number

    register_routes(app, orchestrator=echoing(tmp_path))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=("10.0.0.1", 1)), base_url="http://example.com"
        ) as client,
    ):
        assert (await client.get("/own/7")).json() == 7
        invalid = await client.get("/own/seven")
        assert invalid.headers["content-type"] == "application/json"
        assert isinstance(invalid.json()["detail"], list)
        assert (await client.get("/absent")).json() == {"detail": "Not Found"}


def test_without_a_lifespan_the_first_request_starts_it_and_the_end_of_the_loop_stops_it(tmp_path: Path) -> None:
    orchestrator = echoing(tmp_path)
    app = FastAPI()
    register_routes(app, orchestrator=orchestrator)

    async def use(n: int) -> object:
        async with calling(app) as client:
            answers = await asyncio.gather(
                client.get("/health"), client.post("/tasks/execute", json={"type": "custom", "payload": {"n": n}})
            )
            assert orchestrator.is_running
            assert answers[0].json()["status"] == "healthy"
            return answers[1].json()["data"]

    for n in range(2):
        assert asyncio.run(use(n)) == {"n": n}
        assert not orchestrator.is_running


async def test_a_shut_down_orchestrator_says_so_and_is_not_started_by_requests(tmp_path: Path) -> None:
    app = FastAPI()
    register_routes(app, prefix=PREFIX)
    orchestrator = await initialize_orchestrator(app, settings(tmp_path))
    async with calling(app) as client:
        assert (await client.get("/health")).json()["status"] == "healthy"
        await shutdown_orchestrator(app)
        assert (await client.get("/health")).json()["status"] == "stopped"
        assert (await client.get("/status")).json()["is_running"] is False
        answer = problem(await client.post("/tasks/submit", json={"type": "custom"}), 503)
        assert answer["remedy"]
    assert not orchestrator.is_running


async def test_settings_that_come_too_late_are_refused(tmp_path: Path) -> None:
    app = FastAPI()
    register_routes(app, orchestrator=echoing(tmp_path))
    with pytest.raises(InvalidValue, match="already"):
        await initialize_orchestrator(app, settings(tmp_path))


async def test_two_apps_of_one_process_have_an_orchestrator_each(tmp_path: Path) -> None:
    apps = [FastAPI(), FastAPI()]
    for number, app in enumerate(apps):
        register_routes(app, orchestrator=echoing(tmp_path / str(number)))
    first, second = apps
    async with first.router.lifespan_context(first), second.router.lifespan_context(second):
        async with calling(first) as client:
            await client.post("/tasks/execute", json={"type": "custom"})
        async with calling(second) as client:
            assert (await client.get("/tasks/history")).json()["count"] == 0


async def test_an_apps_own_route_can_ask_for_the_orchestrator(tmp_path: Path) -> None:
    app = FastAPI()
    orchestrator = echoing(tmp_path)

    @app.get(f"{PREFIX}/own")
    async def own(given: Annotated[UnifiedOrchestrator, Depends(get_orchestrator)]) -> bool:
        return given is orchestrator and given.is_running

    register_routes(app, orchestrator=orchestrator)
    async with app.router.lifespan_context(app), calling(app) as client:
        assert (await client.get("/own")).json() is True


async def test_the_prefix_is_the_hosts_choice_and_can_be_several(tmp_path: Path) -> None:
    app = FastAPI()
    orchestrator = echoing(tmp_path)
    register_routes(app, prefix="/one", orchestrator=orchestrator)
    register_routes(app, prefix="/two")
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        for prefix in ("/one", "/two"):
            assert (await client.get(f"{prefix}/health")).json()["status"] == "healthy"


HOT = ("tasks/submit", "tasks/execute", "llm/request", "tools/execute")


@pytest.mark.parametrize("path", [*HOT, "status"])
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
async def test_what_the_host_asks_of_every_request_is_asked_here_too(
    tmp_path: Path, path: str, content_type: str
) -> None:
    def deny() -> None:
        raise HTTPException(418, "not with me")

    app = FastAPI(dependencies=[Depends(deny)], deprecated=True, responses={418: {"description": "A teapot."}})
    register_routes(app, orchestrator=echoing(tmp_path))
    async with calling(app) as client:
        method = "GET" if path == "status" else "POST"
        body = b'{"type": "custom", "payload": {}, "prompt": "p", "tool_name": "t", "tool_input": {}}'
        answer = await client.request(method, f"/{path}", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 418
    operation = app.openapi()["paths"][f"{PREFIX}/{path}"][method.lower()]
    assert (operation["deprecated"], "418" in operation["responses"]) == (True, True)


@pytest.mark.parametrize("path", HOT)
async def test_the_host_may_put_another_orchestrator_in_its_place(tmp_path: Path, path: str) -> None:
    def another() -> UnifiedOrchestrator:
        raise HTTPException(418, "the other one")

    app = FastAPI()
    register_routes(app, orchestrator=echoing(tmp_path))
    app.dependency_overrides[get_orchestrator] = another
    body: dict[str, Any] = {"llm/request": {"prompt": "p"}, "tools/execute": {"tool_name": "t", "tool_input": {}}}
    async with calling(app) as client:
        answer = await client.post(f"/{path}", json=body.get(path, {"type": "custom", "payload": {}}))
    assert answer.status_code == 418
