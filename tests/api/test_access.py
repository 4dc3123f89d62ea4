"""Who may call without a key, and who with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from api import register_routes
from api.access import NOT_VALID, Refusal, host_name, identify, is_local, is_loopback, spoken
from tests.api.support import calling, echoing, problem
from vera_orchestrator.callers import ENVIRONMENT, LOCAL, Caller
from vera_orchestrator.journal.memory import MemoryJournal
from vera_orchestrator.keys import Keys
from vera_orchestrator.settings import OrchestratorConfig

KEY = "a key with ümlaut"
Headers = list[tuple[str, str]]


def connection(
    headers: Headers | None = None, *, peer: str | None = "127.0.0.1", host: str = "localhost:8000", kind: str = "http"
) -> HTTPConnection:
    """Return a request or WebSocket with these headers."""
    every = [("host", host), *(headers or [])]
    return HTTPConnection(
        {
            "type": "http" if kind == "http" else "websocket",
            "scheme": kind,
            "client": (peer, 50_000) if peer else None,
            "headers": [(name.lower().encode(), value.encode()) for name, value in every],
        }
    )


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8000"])
def test_a_local_name_in_host_is_local(host: str) -> None:
    assert is_local(connection(host=host))


@pytest.mark.parametrize(
    "host", ["example.com", "localhost.example.com", "127.0.0.1.nip.io", "[::2]", "::1", "", "localhost:x", "0.0.0.0"]
)
def test_any_other_name_in_host_is_not(host: str) -> None:
    assert not is_local(connection(host=host))


def test_a_request_without_host_or_with_two_is_not_local() -> None:
    bare = HTTPConnection({"type": "http", "scheme": "http", "client": ("127.0.0.1", 1), "headers": []})
    assert not is_local(bare)
    assert not is_local(connection([("host", "localhost")]))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_a_loopback_peer_is_local(peer: str) -> None:
    assert is_local(connection(peer=peer))


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "testclient", "", None, "0.0.0.0"])
def test_any_other_peer_is_not(peer: str | None) -> None:
    assert not is_local(connection(peer=peer))


@pytest.mark.parametrize(
    ("origin", "kind", "local"),
    [
        ("http://localhost:8000", "http", True),
        ("http://localhost:8000", "ws", True),
        ("https://localhost:8000", "wss", True),
        ("https://localhost:8000", "http", False),
        ("http://localhost:9000", "http", False),
        ("http://127.0.0.1:8000", "http", False),
        ("https://example.com", "ws", False),
        ("null", "http", False),
        ("", "http", False),
    ],
)
def test_a_page_is_local_only_if_this_server_has_served_it(origin: str, kind: str, local: bool) -> None:
    assert is_local(connection([("origin", origin)], kind=kind)) is local


@given(
    name=st.sampled_from(
        ["Forwarded", "X-Real-IP", "Via", "True-Client-IP", "CF-Connecting-IP", "X-Envoy-External-Address"]
    )
    | st.from_regex(r"X-Forwarded(-[A-Za-z]{1,8})?", fullmatch=True)
)
def test_what_a_proxy_has_passed_on_is_never_local(name: str) -> None:
    assert not is_local(connection([(name, "127.0.0.1")]))


@given(st.text())
def test_no_text_but_a_loopback_address_counts_as_a_loopback_peer(peer: str) -> None:
    assert not is_loopback(peer) or peer.startswith(("127.", "::"))


@given(st.integers(min_value=0, max_value=65_535))
def test_the_port_of_a_host_does_not_matter(port: int) -> None:
    assert host_name(f"[::1]:{port}") == "[::1]"
    assert host_name(f"Localhost:{port}") == "localhost"


async def caller(sent: HTTPConnection, home: Path, **more: Any) -> Caller | Refusal:
    """Return who sends this, where the settings are these and the journal has no keys."""
    config = OrchestratorConfig(home=home, **more)
    return await identify(sent, config, Keys(MemoryJournal(), config.api_key))


@pytest.mark.parametrize(
    ("authorization", "valid"),
    [
        (f"Bearer {KEY}", True),
        (f"bearer  {KEY} ", True),
        (f"Basic {KEY}", False),
        (f"Bearer {KEY}x", False),
        ("Bearer ", False),
        (KEY, False),
        (None, False),
    ],
)
async def test_a_remote_caller_needs_the_key(tmp_path: Path, authorization: str | None, valid: bool) -> None:
    headers = [("authorization", authorization)] if authorization is not None else []
    found = await caller(connection(headers, peer="10.0.0.1"), tmp_path, api_key=KEY)
    assert (found == ENVIRONMENT) is valid
    assert isinstance(found, Refusal) is not valid


@pytest.mark.parametrize("key", [None, ""])
async def test_where_no_key_is_set_no_key_is_right(tmp_path: Path, key: str | None) -> None:
    found = await caller(connection([("authorization", "Bearer ")], peer="10.0.0.1"), tmp_path, api_key=key)
    assert isinstance(found, Refusal)
    assert "VERA_API_KEY" in found.remedy


async def test_a_key_can_be_asked_of_everybody(tmp_path: Path) -> None:
    always: dict[str, Any] = {"api_key": KEY, "require_key": "always"}
    assert isinstance(await caller(connection(), tmp_path, **always), Refusal)
    assert await caller(connection([("authorization", f"Bearer {KEY}")]), tmp_path, **always) == ENVIRONMENT


async def test_a_local_client_that_cannot_do_without_a_key_may_send_any_that_is_not_ours(tmp_path: Path) -> None:
    assert await caller(connection([("authorization", "Bearer sk-none")]), tmp_path) == LOCAL
    assert await caller(connection([("authorization", "Bearer vera_0_x")]), tmp_path) == NOT_VALID


async def test_a_page_sends_the_key_of_its_websocket_as_a_subprotocol(tmp_path: Path) -> None:
    sent = connection(peer="10.0.0.1", kind="ws")
    sent.scope["subprotocols"] = ["vera.v1", "vera.key.some-key"]
    assert await caller(sent, tmp_path, api_key="some-key") == ENVIRONMENT
    assert await caller(sent, tmp_path, api_key="another") == NOT_VALID
    assert spoken(sent) == "vera.v1"


async def test_a_refused_caller_reaches_nothing_and_learns_how_to_get_in(tmp_path: Path) -> None:
    app = FastAPI()
    orchestrator = echoing(tmp_path, api_key="the-key")
    register_routes(app, orchestrator=orchestrator)
    async with app.router.lifespan_context(app), calling(app, peer="10.0.0.1") as client:
        for method, path in [
            ("GET", "/health"),
            ("GET", "/status"),
            ("GET", "/resources/stats"),
            ("GET", "/tasks/history"),
            ("GET", "/workers/list"),
            ("POST", "/tasks/submit"),
            ("POST", "/tasks/execute"),
            ("POST", "/llm/request"),
            ("POST", "/tools/execute"),
            ("POST", "/workers/llm-api/register"),
            ("POST", "/workers/remote/register"),
        ]:
            response = await client.request(method, path, content=b"{")
            answer = problem(response, 401)
            assert answer["remedy"]
            assert response.headers["www-authenticate"].startswith("Bearer")
            assert "the-key" not in response.text
        response = await client.get("/status", headers={"Authorization": "Bearer the-key"})
        assert response.status_code == 200
    assert orchestrator.metrics["tasks_submitted"] == 0


async def test_no_answer_lets_pages_of_other_origins_read_it(tmp_path: Path) -> None:
    app = FastAPI()
    register_routes(app, orchestrator=echoing(tmp_path))
    async with app.router.lifespan_context(app), calling(app) as client:
        response = await client.get("/status", headers={"Origin": "https://example.com"})
        problem(response, 401)
        assert "access-control-allow-origin" not in response.headers
