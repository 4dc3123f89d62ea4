"""The web: one request, and a search."""

from __future__ import annotations

import json
from typing import Annotated, Any, NoReturn
from urllib.parse import urljoin

import httpx
from pydantic import Field

from vera_orchestrator.errors import InvalidPayload, NotConfigured, ResultTooLarge, TaskFailed, ToolFailed
from vera_orchestrator.settings import OrchestratorConfig
from vera_orchestrator.tools.context import ToolContext

SEARCH_SECONDS = 20
SEARCH_REMEDY = "Set VERA_SEARCH_URL to the address of a SearXNG server that has the format json enabled."


async def http_request(
    url: Annotated[str, Field(description="An http or https URL.")],
    context: ToolContext,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: str | None = None,
) -> dict[str, Any]:
    """Make an HTTP request: status_code, headers, url (after redirects), body (JSON decoded), and its encoding.

    An answer of any status is a result. A body that is no text comes in base64, and `encoding` says so. Addresses that
    are not public are refused unless the operator allows them.
    """
    payload = {"url": url, "method": method, "headers": headers or {}, "body": body}
    try:
        result = await context.send(payload)
    except InvalidPayload as error:
        field = (error.field or "payload").replace("payload", "payload.tool_input", 1)
        raise InvalidPayload(error.message, field=field, remedy=error.remedy) from error
    if "status_code" not in result.metrics:
        raise (TaskFailed if result.retryable else ToolFailed)(result.error or "The request failed.")
    told = {name: result.metrics[name] for name in ("status_code", "headers", "url")}
    return {**told, "body": result.data, "encoding": result.metrics.get("encoding")}


async def web_search(
    query: Annotated[str, Field(min_length=1, description="What to search for.")],
    context: ToolContext,
    max_results: Annotated[int, Field(ge=1, le=100, description="How many results at most.")] = 10,
) -> list[dict[str, str]]:
    """Search the web: title, url and snippet of each result, best first.

    Asks the SearXNG server in the setting search_url. It is the operator's own, so the address rules for tasks do not
    apply to it.
    """
    url = _search_url(context.settings)
    # Neither proxies nor passwords of the environment, and no redirect to another server.
    async with httpx.AsyncClient(trust_env=False, timeout=SEARCH_SECONDS, follow_redirects=False) as client:
        try:
            status, headers, body = await _fetch(client, url, query, context.settings.http_max_bytes)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TaskFailed(
                f"The search server did not answer: {type(error).__name__} {error}.", remedy=SEARCH_REMEDY
            ) from error
    if status != 200:
        _refuse(status, headers)
    return _results(body)[:max_results]


def _search_url(settings: OrchestratorConfig) -> str:
    if settings.search_url is None:
        raise NotConfigured("No search server is set.", field="search_url", remedy=SEARCH_REMEDY)
    return urljoin(f"{settings.search_url.rstrip('/')}/", "search")


# No error names the URL: it may hold a password.
async def _fetch(client: httpx.AsyncClient, url: str, query: str, limit: int) -> tuple[int, httpx.Headers, bytes]:
    body = bytearray()
    async with client.stream("GET", url, params={"q": query, "format": "json"}) as response:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > limit:
                raise ResultTooLarge(f"The search server answered with more than {limit} bytes.")
        return response.status_code, response.headers, bytes(body)


def _refuse(status: int, headers: httpx.Headers) -> NoReturn:
    if status == 403:
        # SearXNG's answer where the format is not in its settings' `search.formats`.
        raise NotConfigured("The search server refuses (403).", field="search_url", remedy=SEARCH_REMEDY)
    wait = headers.get("retry-after", "")
    raise TaskFailed(
        f"The search server answered {status}.",
        remedy=SEARCH_REMEDY,
        retry_after=float(wait) if wait.isdecimal() else None,
    )


def _results(body: bytes) -> list[dict[str, str]]:
    try:
        found = json.loads(body)["results"]
        return [
            {"title": str(item["title"]), "url": str(item["url"]), "snippet": str(item.get("content") or "")}
            for item in found
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TaskFailed(
            f"What the search server answered is not SearXNG's JSON: {type(error).__name__} {error}.",
            remedy=SEARCH_REMEDY,
        ) from error


TOOLS = (http_request, web_search)
