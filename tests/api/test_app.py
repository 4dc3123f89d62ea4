"""The app of its own, and its description."""

from __future__ import annotations

from pathlib import Path

from api import PREFIX, create_app
from tests.api.support import calling, echoing, problem
from vera_orchestrator.errors import VeraError

ROUTES = {
    ("get", "/health"),
    ("get", "/status"),
    ("post", "/tasks/submit"),
    ("post", "/tasks/execute"),
    ("post", "/llm/request"),
    ("post", "/tools/execute"),
    ("get", "/tasks/history"),
    ("post", "/workers/llm-api/register"),
    ("post", "/workers/remote/register"),
    ("get", "/workers/list"),
    ("get", "/resources/stats"),
}


async def test_the_description_names_every_route_of_the_contract(tmp_path: Path) -> None:
    app = create_app(echoing(tmp_path))
    paths = app.openapi()["paths"]
    described = {(method, path.removeprefix(PREFIX)) for path, methods in paths.items() for method in methods}
    assert described >= ROUTES


async def test_an_unknown_path_and_a_wrong_method_are_problems_too(tmp_path: Path) -> None:
    app = create_app(echoing(tmp_path))
    async with app.router.lifespan_context(app), calling(app) as client:
        problem(await client.get("/absent"), 404)
        wrong = await client.get("/tasks/submit")
        problem(wrong, 405)
        assert wrong.headers["allow"] == "POST"


def test_every_error_of_the_library_maps_to_a_status_of_an_error() -> None:
    def tree(kind: type[VeraError]) -> list[type[VeraError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in tree(child))]

    assert all(400 <= kind.http_status < 600 for kind in tree(VeraError))
