"""How a whole answer of OpenAI's API is fetched: straight, compressed, and by a proxy."""

from __future__ import annotations

import gzip
import json

import pytest
from pydantic import SecretStr

from tests.http.server import serving
from tests.workers.llm.conftest import KEY
from vera_orchestrator.payloads import LLMPayload
from vera_orchestrator.workers.llm.base import Access
from vera_orchestrator.workers.llm.calls import build_call
from vera_orchestrator.workers.llm.openai import OpenAIAdapter

ANSWER = {
    "model": "m",
    "choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}
CALL = build_call(LLMPayload(prompt="hi"), "m")


async def ask(url: str) -> str:
    adapter = OpenAIAdapter(Access(api_type="openai", api_key=SecretStr(KEY), base_url=url))
    try:
        return (await adapter.answer(CALL, seconds=5)).text
    finally:
        await adapter.close()


async def test_a_compressed_answer_is_read() -> None:
    with serving() as server:
        body = gzip.compress(json.dumps(ANSWER).encode())
        server.routes["/v1/chat/completions"] = lambda handler, _: handler.answer(
            200, body, {"Content-Encoding": "gzip"}
        )

        assert await ask(f"{server.url}/v1") == "hello"
        assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_a_proxy_that_is_set_is_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with serving() as server:
        monkeypatch.setenv(name, server.url)
        address = "http://nowhere.invalid/v1"
        server.routes[f"{address}/chat/completions"] = lambda handler, _: handler.answer_json(ANSWER)

        assert await ask(address) == "hello"
        assert server.seen[0].json()["messages"] == [{"role": "user", "content": "hi"}]
