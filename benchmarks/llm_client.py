"""Asks a server over HTTP and measures: the same plain client for all ways.

The variables BENCH_LLM_URL, BENCH_LLM_KEY and BENCH_LLM_FORM say which, with what key (empty: none),
and in which form of requests.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from benchmarks.llm_load import MAX_TOKENS, MODEL, Load
from benchmarks.serving import serve

# servers close what is idle for five seconds: whoever keeps it as long now and then sends into a closed connection
ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=2)


@dataclass(frozen=True)
class Form:
    """The body of a request with a text, and whether an answer is the whole one."""

    body: Callable[[str], dict[str, Any]]
    is_whole: Callable[[Any], bool]


FORMS = {
    "openai": Form(
        lambda text: {
            "model": MODEL,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": MAX_TOKENS,
            "temperature": 0,
        },
        lambda answer: answer["usage"]["completion_tokens"] == MAX_TOKENS,
    ),
    "llm-request": Form(
        lambda text: {"prompt": text, "max_tokens": MAX_TOKENS, "temperature": 0},
        lambda answer: answer["metrics"]["output_tokens"] == MAX_TOKENS,
    ),
    "submit": Form(
        lambda text: {"type": "custom", "payload": {"text": text}},
        lambda answer: answer["status"] == "submitted",
    ),
}
"""Chat completions as OpenAI has them, this project's /llm/request, and its /tasks/submit."""


async def main() -> None:
    """Answer commands."""
    form = FORMS[os.environ["BENCH_LLM_FORM"]]
    url = os.environ["BENCH_LLM_URL"]
    key = os.environ["BENCH_LLM_KEY"]
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    context = ssl.create_default_context()
    idle: list[httpx.AsyncClient] = []

    async def once(prompt: str) -> None:
        # each caller has a connection of its own: the time that a pool takes to find one grows with their number
        client = (
            idle.pop()
            if idle
            else httpx.AsyncClient(headers=headers, limits=ONE, timeout=60, verify=context, trust_env=False)
        )
        answer = await client.post(url, content=orjson.dumps(form.body(prompt)))
        idle.append(client)
        if not answer.is_success or not form.is_whole(orjson.loads(answer.content)):
            raise RuntimeError(f"not the answer that was asked for: {answer.status_code} {answer.text}")

    await serve({"offer": Load(once).offer})
    for client in idle:
        await client.aclose()


if __name__ == "__main__":
    asyncio.run(main())
