"""The web tools against real servers on loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.http.server import Handler, Seen, Server, free_port, serving
from tests.tools.conftest import MakeContext
from vera_orchestrator.errors import InvalidPayload, NotAllowed, NotConfigured, ResultTooLarge, TaskFailed
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.tools import ToolContext, ToolRegistry


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def allowed(tmp_path: Path, server: Server, make_context: MakeContext) -> ToolContext:
    settings = OrchestratorConfig(
        home=tmp_path / "state", http_allow=[server.endpoint], search_url=f"{server.url}/sub/", http_max_bytes=10_000
    )
    return make_context(settings)


# http_request


async def test_a_request_gives_status_headers_and_body(
    builtins: ToolRegistry, allowed: ToolContext, server: Server
) -> None:
    server.routes["/items"] = lambda handler, seen: handler.answer_json({"got": seen.body.decode()}, 201)
    arguments = {"url": f"{server.url}/items?a=1", "method": "post", "headers": {"X-Mine": "yes"}, "body": "é"}
    told = await builtins.call("http_request", arguments, allowed)
    assert told["status_code"] == 201
    assert told["body"] == {"got": "é"}
    assert told["encoding"] is None
    assert told["headers"]["content-type"] == "application/json"
    assert told["url"] == f"{server.url}/items?a=1"
    (seen,) = server.seen
    assert (seen.method, seen.headers["x-mine"]) == ("POST", "yes")


async def test_an_answer_of_any_status_is_a_result(
    builtins: ToolRegistry, allowed: ToolContext, server: Server
) -> None:
    server.routes["/busy"] = lambda handler, seen: handler.answer(503, b"\xff\xfe\x00")
    told = await builtins.call("http_request", {"url": f"{server.url}/busy"}, allowed)
    assert (told["status_code"], told["body"], told["encoding"]) == (503, "//4A", "base64")


async def test_an_address_that_is_not_public_is_refused_also_after_a_redirect(
    builtins: ToolRegistry, context: ToolContext, allowed: ToolContext, server: Server
) -> None:
    with serving() as other:
        other.routes["/"] = lambda handler, seen: handler.answer(200, b"secret")
        server.routes["/away"] = lambda handler, seen: handler.answer(302, headers={"Location": f"{other.url}/"})
        with pytest.raises(NotAllowed, match="http_allow"):
            await builtins.call("http_request", {"url": f"{server.url}/away"}, context)
        with pytest.raises(NotAllowed, match=other.endpoint):
            await builtins.call("http_request", {"url": f"{server.url}/away"}, allowed)
        assert other.seen == []


async def test_a_wrong_argument_of_a_request_is_named(builtins: ToolRegistry, allowed: ToolContext) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "url": {"url": "file:///etc/passwd"},
        "method": {"url": "http://example.org", "method": "GET /"},
        "headers.X-A": {"url": "http://example.org", "headers": {"X-A": "b\r\nX-B: c"}},
    }
    for field, arguments in wrong.items():
        with pytest.raises(InvalidPayload) as raised:
            await builtins.call("http_request", arguments, allowed)
        assert raised.value.field == f"payload.tool_input.{field}"


async def test_a_server_that_cannot_be_reached_is_worth_another_attempt(
    builtins: ToolRegistry, tmp_path: Path, make_context: MakeContext
) -> None:
    port = free_port()
    context = make_context(OrchestratorConfig(home=tmp_path / "state", http_allow=[f"127.0.0.1:{port}"]))
    with pytest.raises(TaskFailed, match=r"127\.0\.0\.1") as raised:
        await builtins.call("http_request", {"url": f"http://127.0.0.1:{port}/"}, context)
    assert raised.value.retryable is True


async def test_a_tool_of_ones_own_gets_a_client_with_the_same_rules(
    allowed: ToolContext, context: ToolContext, server: Server
) -> None:
    registry = ToolRegistry()

    @registry.tool
    async def status(url: str, context: ToolContext) -> int:
        async with context.http_client() as client:
            return (await client.get(url)).status_code

    server.routes["/"] = lambda handler, seen: handler.answer(204)
    assert await registry.call("status", {"url": f"{server.url}/"}, allowed) == 204
    with pytest.raises(NotAllowed):
        await registry.call("status", {"url": f"{server.url}/"}, context)


# web_search


def searxng(handler: Handler, seen: Seen) -> None:
    query = parse_qs(urlsplit(seen.path).query)
    assert query["format"] == ["json"]
    results = [
        {"title": f"{query['q'][0]} {n}", "url": f"https://example.org/{n}", "content": f"about {n}", "engine": "x"}
        for n in range(20)
    ]
    handler.answer_json({"query": query["q"][0], "results": [{**results[0], "content": None}, *results[1:]]})


async def test_a_search_gives_title_url_and_snippet(
    builtins: ToolRegistry, allowed: ToolContext, server: Server
) -> None:
    server.routes["/sub/search"] = searxng
    found = await builtins.call("web_search", {"query": "a&b é", "max_results": 2}, allowed)
    assert found == [
        {"title": "a&b é 0", "url": "https://example.org/0", "snippet": ""},
        {"title": "a&b é 1", "url": "https://example.org/1", "snippet": "about 1"},
    ]
    assert len(await builtins.call("web_search", {"query": "x"}, allowed)) == 10


async def test_the_operators_search_server_may_be_private(
    builtins: ToolRegistry, tmp_path: Path, server: Server, make_context: MakeContext
) -> None:
    server.routes["/search"] = searxng
    context = make_context(OrchestratorConfig(home=tmp_path / "state", search_url=server.url))
    assert await builtins.call("web_search", {"query": "x"}, context)
    with pytest.raises(NotAllowed):
        await builtins.call("http_request", {"url": f"{server.url}/search"}, context)


async def test_without_a_search_server_the_setting_is_named(builtins: ToolRegistry, context: ToolContext) -> None:
    with pytest.raises(NotConfigured, match="Set VERA_SEARCH_URL to the address of a SearXNG server"):
        await builtins.call("web_search", {"query": "x"}, context)


@pytest.mark.parametrize("max_results", [0, 101, "many"])
async def test_a_wrong_number_of_results_is_refused(
    builtins: ToolRegistry, context: ToolContext, max_results: Any
) -> None:
    with pytest.raises(InvalidPayload, match="max_results"):
        await builtins.call("web_search", {"query": "x", "max_results": max_results}, context)


async def test_a_search_server_that_fails_is_told_apart(
    builtins: ToolRegistry, allowed: ToolContext, server: Server
) -> None:
    async def error_of(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> Exception:
        server.routes["/sub/search"] = lambda handler, seen: handler.answer(status, body, headers)
        with pytest.raises((TaskFailed, NotConfigured)) as raised:
            await builtins.call("web_search", {"query": "x"}, allowed)
        return raised.value

    busy = await error_of(429, headers={"Retry-After": "7"})
    assert isinstance(busy, TaskFailed)
    assert (busy.retryable, busy.retry_after) == (True, 7.0)
    assert isinstance(await error_of(403), NotConfigured)  # the format json is not enabled there
    assert isinstance(await error_of(302, headers={"Location": "/elsewhere"}), TaskFailed)
    assert isinstance(await error_of(200, b" " * 10_001), ResultTooLarge)
    for body in (b"<html>", b"[]", b'{"results": [1]}', b'{"results": [{"title": "x"}]}'):
        assert "not SearXNG's JSON" in str(await error_of(200, body))


async def test_no_error_shows_a_password_in_the_address_of_the_search_server(
    builtins: ToolRegistry, tmp_path: Path, make_context: MakeContext
) -> None:
    url = f"http://me:the-password@127.0.0.1:{free_port()}"
    context = make_context(OrchestratorConfig(home=tmp_path / "state", search_url=url))
    with pytest.raises(TaskFailed) as raised:
        await builtins.call("web_search", {"query": "x"}, context)
    assert "the-password" not in str(raised.value)
