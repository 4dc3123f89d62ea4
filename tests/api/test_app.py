"""The app of its own, and its description."""

from __future__ import annotations

from pathlib import Path

from api import PREFIX, create_app
from tests.api.support import LOCAL, calling, echoing, problem
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


async def test_below_v1_they_are_errors_as_openais_clients_read_them(tmp_path: Path) -> None:
    app = create_app(echoing(tmp_path))
    async with app.router.lifespan_context(app), calling(app) as client:
        for path in ("/v1", "/v1/", "/v1/audio/speech"):
            answer = await client.post(f"{LOCAL}{path}", json={})
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
            assert answer.json() == {
                "error": {
                    "message": "Not Found. See /docs for what there is.",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": "not_found",
                }
            }
        wrong = await client.get(f"{LOCAL}/v1/chat/completions")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
        assert wrong.json()["error"]["code"] == "method_not_allowed"
        problem(await client.get(f"{LOCAL}/v10"), 404)


def test_every_error_of_the_library_maps_to_a_status_of_an_error() -> None:
    def tree(kind: type[VeraError]) -> list[type[VeraError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in tree(child))]

    assert all(400 <= kind.http_status < 600 for kind in tree(VeraError))
