"""Whole answers of OpenAI's API without the way through its client, which costs more than everything else of a request.

What it raises is what the client would raise.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from typing import Any

import httpx2
import openai
import orjson

from vera_orchestrator.http.poster import Poster
from vera_orchestrator.http.reply import Reply
from vera_orchestrator.workers.llm.base import CONNECT_SECONDS
from vera_orchestrator.workers.llm.messages import mapping

PROXIED = frozenset({"http", "https", "all"})
GOOD = range(200, 300)


class OpenAIPost:
    """Posts JSON with a client's key to its address; by the client itself where a proxy is set."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client
        self._poster: Poster | None = None
        self._is_direct = client.base_url.scheme in ("http", "https") and PROXIED.isdisjoint(
            urllib.request.getproxies()
        )
        self._path = client.base_url.raw_path.decode("ascii").rstrip("/")

    async def __call__(self, path: str, body: Mapping[str, Any], *, seconds: float) -> tuple[bytes, Mapping[str, str]]:
        """Return the content and the headers of the answer; raises OpenAI's errors and httpx2's."""
        connect_seconds = min(seconds, CONNECT_SECONDS)
        if not self._is_direct:
            limits = openai.Timeout(seconds, connect=connect_seconds)
            answer = await self._client.post(
                path, cast_to=httpx2.Response, body=dict(body), options={"timeout": limits}
            )
            return answer.content, answer.headers
        poster = self._poster = self._poster or self._made()
        reply = await poster.post(self._path + path, to_json(body), seconds=seconds, connect_seconds=connect_seconds)
        if reply.status in GOOD and "content-encoding" not in reply.headers:
            return bytes(reply.body), reply.headers
        answer = _response(reply, str(self._client.base_url).rstrip("/") + path)
        if not answer.is_success:
            raise status_error(answer)
        return answer.content, answer.headers

    async def close(self) -> None:
        """Close the connections."""
        if self._poster is not None:
            await self._poster.close()

    def _made(self) -> Poster:
        client = self._client
        headers = {
            "Authorization": f"Bearer {client.api_key}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Content-Type": "application/json",
            "User-Agent": client.user_agent,
            **({"OpenAI-Organization": client.organization} if client.organization else {}),
            **({"OpenAI-Project": client.project} if client.project else {}),
        }
        is_tls = client.base_url.scheme == "https"
        return Poster(client.base_url, headers, httpx2.create_ssl_context() if is_tls else None)


def to_json(body: Mapping[str, Any]) -> bytes:
    """Return a body in JSON; raises ValueError for what has none."""
    try:
        return orjson.dumps(body)
    except TypeError as error:
        raise ValueError(str(error)) from error


def status_error(response: httpx2.Response) -> openai.APIStatusError:
    """Return the error that OpenAI's client makes of an answer."""
    text = response.text.strip()
    try:
        body: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        body = text
    whole = mapping(body)
    said: Any = body if whole is None else whole.get("error", body)
    told = (mapping(said) or {}).get("message")
    message = f"Error code: {response.status_code}" + (f" - {told}" if isinstance(told, str) and told else "")
    return openai.APIStatusError(message, response=response, body=said)


def _response(reply: Reply, url: str) -> httpx2.Response:
    return httpx2.Response(
        reply.status, headers=reply.headers, content=bytes(reply.body), request=httpx2.Request("POST", url)
    )
