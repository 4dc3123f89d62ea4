"""What a page, a proxy or a stranger can reach: nothing without a key, over HTTP and over WebSockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api import PREFIX
from api.app import create_app
from api.cors import SHOWN
from BackgroundCognition.orchestrator import UnifiedOrchestrator
from tests.api.support import LOCAL, echoing, opened, problem

KEY = "the-key"
PAGE = "https://pages.example.com"
SOCKET = f"{PREFIX}/ws/status"
FOREIGN = {
    "another name in Host": [("Host", "rebound.example.com:8000")],
    "no Host of this machine": [("Host", "0.0.0.0:8000")],
    "a page of another site": [("Host", "127.0.0.1:8000"), ("Origin", PAGE)],
    "a page of another port": [("Host", "127.0.0.1:8000"), ("Origin", "http://127.0.0.1:3000")],
    "a page without an origin": [("Host", "127.0.0.1:8000"), ("Origin", "null")],
    "an image in a page of another site": [("Host", "127.0.0.1:8000"), ("Sec-Fetch-Site", "cross-site")],
    "a page of another port, by its site": [("Host", "127.0.0.1:8000"), ("Sec-Fetch-Site", "same-site")],
    "a proxy in front": [("Host", "127.0.0.1:8000"), ("X-Forwarded-For", "127.0.0.1")],
    "a proxy that says so by the standard": [("Host", "127.0.0.1:8000"), ("Forwarded", "for=127.0.0.1")],
    "a proxy that names itself": [("Host", "127.0.0.1:8000"), ("Via", "1.1 proxy")],
}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    app = create_app(echoing(tmp_path, api_key=KEY))
    async with app.router.lifespan_context(app):
        yield app


def caller(app: FastAPI, peer: str = "127.0.0.1") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(peer, 50_000)), base_url=LOCAL)


async def test_a_request_from_elsewhere_needs_the_key(app: FastAPI) -> None:
    let_in: list[str] = []
    async with caller(app) as client:
        for what, headers in FOREIGN.items():
            for method, path in [("GET", f"{PREFIX}/status"), ("POST", f"{PREFIX}/keys"), ("GET", "/v1/models")]:
                if (await client.request(method, path, headers=headers)).status_code != 401:
                    let_in.append(f"{what}: {path}")
            keyed = [*headers, ("Authorization", f"Bearer {KEY}")]
            assert (await client.get(f"{PREFIX}/status", headers=keyed)).status_code == 200
    assert let_in == []


async def test_a_websocket_from_elsewhere_needs_the_key(app: FastAPI) -> None:
    found = {what: await opened(app, SOCKET, peer="127.0.0.1", headers=headers) for what, headers in FOREIGN.items()}
    assert found == dict.fromkeys(FOREIGN, 401)
    for headers in FOREIGN.values():
        assert await opened(app, SOCKET, KEY, peer="127.0.0.1", headers=headers) == 101


async def test_what_speaks_for_nobody_else_on_this_machine_needs_none(app: FastAPI) -> None:
    own = [("Host", "127.0.0.1:8000")]
    async with caller(app) as client:
        assert (await client.get(f"{PREFIX}/status")).status_code == 200
        assert (await client.get("/v1/models", headers={"Authorization": "Bearer sk-any"})).status_code == 200
    page = [*own, ("Origin", "http://127.0.0.1:8000"), ("Sec-Fetch-Site", "same-origin")]
    for headers in (own, page, [*own, ("Sec-Fetch-Site", "none")]):
        assert await opened(app, SOCKET, peer="127.0.0.1", headers=headers) == 101
        assert await opened(app, SOCKET, peer="10.0.0.1", headers=headers) == 401


async def test_a_caller_is_refused_before_its_body_is_read(app: FastAPI) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with caller(app, "10.0.0.1") as client:
        for path in (f"{PREFIX}/tasks/submit", f"{PREFIX}/keys", "/v1/chat/completions"):
            assert (await client.post(path, content=body())).status_code == 401


async def test_headers_have_a_limit(tmp_path: Path) -> None:
    app = create_app(echoing(tmp_path, max_header_bytes=2_000))
    async with app.router.lifespan_context(app), caller(app) as client:
        assert (await client.get(f"{PREFIX}/status", headers={"X-Long": "x" * 1_000})).status_code == 200
        refused = await client.get(f"{PREFIX}/status", headers={"X-Long": "x" * 2_000})
        assert "VERA_MAX_HEADER_BYTES" in problem(refused, 431)["remedy"]
        problem(await client.get(f"{PREFIX}/tasks/history", params={"status": "x" * 2_000}), 431)
    local = [("Host", "127.0.0.1:8000"), ("X-Long", "x" * 2_000)]
    assert await opened(app, SOCKET, peer="127.0.0.1", headers=local) == 431


PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


async def test_no_page_may_read_an_answer_unless_its_origin_is_named(app: FastAPI) -> None:
    async with caller(app) as client:
        asked = await client.options(f"{PREFIX}/tasks/submit", headers=PREFLIGHT)
        read = await client.get(f"{PREFIX}/status", headers={"Origin": PAGE, "Authorization": f"Bearer {KEY}"})
    assert (asked.status_code, read.status_code) == (405, 200)
    for answer in (asked, read):
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_page_of_a_named_origin_may_call_with_a_key(tmp_path: Path) -> None:
    app = create_app(echoing(tmp_path, api_key=KEY, cors_origins=PAGE))
    origin = {"Origin": PAGE}
    async with app.router.lifespan_context(app), caller(app) as client:
        asked = await client.options(f"{PREFIX}/tasks/submit", headers=PREFLIGHT)
        without = await client.get(f"{PREFIX}/status", headers=origin)
        read = await client.get(f"{PREFIX}/status", headers={**origin, "Authorization": f"Bearer {KEY}"})
        other = await client.get(f"{PREFIX}/status", headers={"Origin": "https://example.org"})
    assert asked.status_code == 200
    assert (without.status_code, read.status_code, other.status_code) == (401, 200, 401)
    for answer in (asked, without, read):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "access-control-allow-credentials" not in answer.headers
    assert set(SHOWN) <= set(read.headers["access-control-expose-headers"].split(", "))
    assert "access-control-allow-origin" not in other.headers


async def test_settings_that_do_not_fit_are_told_by_the_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERA_MAX_HEADER_BYTES", "few")
    async with caller(create_app()) as client:
        assert problem(await client.get(f"{PREFIX}/health"), 400)["field"] == "max_header_bytes"


async def test_an_orchestrator_without_keys_lets_no_stranger_in(orchestrator: UnifiedOrchestrator) -> None:
    app = create_app(orchestrator)
    async with app.router.lifespan_context(app), caller(app, "10.0.0.1") as client:
        answers = [
            await client.get(f"{PREFIX}/status", headers={"Authorization": f"Bearer {token}"} if token else {})
            for token in (None, "x", "vera_0_x", "None", "0" * 64)
        ]
    assert {answer.status_code for answer in answers} == {401}
