"""The official client through /v1 to a real llama.cpp server, beside the same client asking that server directly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio

from tests.api.openai.model import write_calling_model
from tests.api.openai.stage import Stage, openai_client, served
from tests.llm.stage import maker
from tests.workers.llm.model import llama_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "sk-real-0123456789"
CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["a", "b"]}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "f", "description": "Tells.", "parameters": CITY}}
HI = {"role": "user", "content": "hi"}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"city": "b"}'}}],
}
ASKED: dict[str, Any] = {
    "max_tokens": 100,
    "temperature": 0,
    "seed": 1,
    "extra_body": {"cache_prompt": False},  # a field of this server's own, which also keeps the counts equal
}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"messages": [{"role": "system", "content": "Be brief."}, HI]},
    "developer": {"messages": [{"role": "system", "content": "Be brief."}, {**HI, "name": "ann"}], "top_p": 0.5},
    "limited": {"messages": [HI], "max_tokens": None, "max_completion_tokens": 3},
    "stopped": {"messages": [HI], "stop": ["s"]},
    "tool": {"messages": [HI], "tools": [TOOL], "tool_choice": "required"},
    "named tool": {"messages": [HI], "tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
    "answered tool": {
        "messages": [HI, CALLED, {"role": "tool", "tool_call_id": "c1", "content": "sunny"}],
        "tools": [TOOL],
    },
    "schema": {
        "messages": [HI],
        "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": CITY, "strict": True}},
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stage, openai.AsyncOpenAI]]:
    """The app with one worker for a real server, and a client of that server."""
    path: Path = tmp_path_factory.mktemp("calling") / "calling.gguf"
    write_calling_model(path)
    with llama_server(path, key=KEY) as url:
        async with maker(path.parent / "state") as make, openai_client(f"{url}/v1", KEY) as direct:
            one = await make()
            await one.register_llm_api(
                "openai", KEY, base_url=f"{url}/v1", worker_id="real", rate_limit_per_minute=60_000
            )
            async with served(one) as stage:
                yield stage, direct


@pytest.mark.parametrize("kind", KINDS)
async def test_it_answers_and_counts_as_the_server_itself(real: tuple[Stage, openai.AsyncOpenAI], kind: str) -> None:
    stage, direct = real
    asked = {"model": "calling.gguf", **ASKED, **KINDS[kind]}
    create: Any = direct.chat.completions.create
    expected = await create(**asked)
    for model in ("calling.gguf", "auto", "real/calling.gguf"):
        answer = await stage.chat(**{**asked, "model": model})
        assert said(answer.choices[0].message) == said(expected.choices[0].message)
        assert answer.choices[0].finish_reason == expected.choices[0].finish_reason
        assert counts(answer) == counts(expected)
        assert answer.model == "calling.gguf"


@pytest.mark.parametrize("kind", KINDS)
async def test_it_streams_and_counts_as_the_server_itself(real: tuple[Stage, openai.AsyncOpenAI], kind: str) -> None:
    stage, direct = real
    asked = {"model": "calling.gguf", **ASKED, **KINDS[kind], "stream_options": {"include_usage": True}}
    begin: Any = direct.chat.completions.create
    expected = [piece async for piece in await begin(**asked, stream=True)]
    pieces = await stage.pieces(**asked)
    assert counts(pieces[-1]) == counts(expected[-1])
    assert pieces[-1].choices == []
    assert gathered(pieces) == gathered(expected)


async def test_the_client_parses_what_fits_a_schema(real: tuple[Stage, openai.AsyncOpenAI]) -> None:
    stage, _ = real
    message = await stage.message(stream=False, model="auto", **ASKED, **KINDS["schema"])
    assert json.loads(message.content or "")["city"] in {"a", "b"}


def said(message: Any) -> tuple[str, list[tuple[str, Any]]]:
    """Return the text and the calls of a message."""
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()]
    return message.content or "", calls


def gathered(pieces: list[Any]) -> tuple[str, list[tuple[str, Any]], list[str]]:
    """Return the text, the calls and the reasons to end that pieces hold."""
    text, calls, ends = "", dict[int, list[str]](), list[str]()
    for choice in (choice for piece in pieces for choice in piece.choices):
        text += choice.delta.content or ""
        for call in choice.delta.tool_calls or ():
            begun = calls.setdefault(call.index, [call.function.name or "", ""])
            begun[1] += call.function.arguments or ""
        ends += [choice.finish_reason] if choice.finish_reason else []
    return text, [(name, json.loads(arguments)) for name, arguments in calls.values()], ends


def counts(answer: Any) -> tuple[int, int, int, int]:
    """Return the tokens that an answer reports."""
    usage = answer.usage
    details = usage.prompt_tokens_details
    return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, details.cached_tokens
