"""Whatever is sent, the answer says what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.api.openai.stage import HI, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHATS: list[dict[str, Any]] = [
    {},
    {"messages": "x"},
    {"messages": [{}]},
    {"messages": [{"role": 7}]},
    {"messages": [{"role": "user", "content": {"a": 1}}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]},
    {"messages": [{"role": "tool", "content": "x", "tool_call_id": 7}]},
    {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]},
    {"messages": HI, "max_tokens": 0},
    {"messages": HI, "stop": [1]},
    {"messages": HI, "tools": [{"type": "function", "function": {"name": "f", "parameters": 3}}]},
    {"messages": HI, "tool_choice": {"type": "function"}},
    {"messages": HI, "response_format": {"type": "json_schema"}},
    {"messages": HI, "model": "\x00"},
    {"messages": HI, "model": "m" * 2_000},
]
RESPONSES: list[dict[str, Any]] = [
    {},
    {"input": [{}]},
    {"input": [{"type": {}}]},
    {"input": [{"type": "function_call"}]},
    {"input": [{"type": "function_call_output"}]},
    {"input": [{"role": "user", "content": [3]}]},
    {"input": "x", "text": {"format": {"type": "grammar"}}},
    {"input": "x", "tools": [{"type": "function"}]},
]
EMBEDDINGS: list[dict[str, Any]] = [{}, {"input": {}}, {"input": "x", "dimensions": 0}, {"input": "x", "model": "\x00"}]
ALL = [
    *(("chat/completions", body) for body in CHATS),
    *(("responses", body) for body in RESPONSES),
    *(("embeddings", body) for body in EMBEDDINGS),
]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_body_that_does_not_fit_is_refused_in_openais_words(stage: Stage, stream: bool) -> None:
    async with httpx.AsyncClient(base_url=f"{stage.address}/v1") as client:
        for path, body in ALL:
            more = {"stream": True} if stream and path != "embeddings" else {}
            answer = await client.post(f"/{path}", json={"model": "openai/m", **more, **body})
            assert answer.status_code == 400, (path, body, answer.text)
            error = answer.json()["error"]
            assert error["type"] == "invalid_request_error"
            assert error["message"], (path, body)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", json.dumps("x").encode()])
async def test_a_body_that_is_no_object_is_refused_too(stage: Stage, body: bytes) -> None:
    async with httpx.AsyncClient(base_url=f"{stage.address}/v1") as client:
        answer = await client.post("/chat/completions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in {"body", None}
