"""Asks a server over HTTP and measures: the same plain client for all ways, as light as one in Python can be.

The variables BENCH_LLM_URL, BENCH_LLM_KEY and BENCH_LLM_FORM say which, with what key (empty: none),
and in which form of requests.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson
import uvloop

from benchmarks.llm_load import MAX_TOKENS, MODEL, Load
from benchmarks.serving import serve
from vera_orchestrator.http.poster import Poster


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
    url = httpx2.URL(os.environ["BENCH_LLM_URL"])
    key = os.environ["BENCH_LLM_KEY"]
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    poster = Poster(url, headers, None)
    path = url.raw_path.decode()

    async def once(prompt: str) -> None:
        reply = await poster.post(path, orjson.dumps(form.body(prompt)), seconds=60, connect_seconds=10)
        if reply.status not in range(200, 300) or not form.is_whole(orjson.loads(reply.body)):
            raise RuntimeError(f"not the answer that was asked for: {reply.status} {reply.body.decode()}")

    await serve({"offer": Load(once).offer})
    await poster.close()


if __name__ == "__main__":
    uvloop.run(main())
