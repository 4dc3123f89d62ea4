"""What somebody's own Prefect server lacks in safety, found out by asking it without any credentials."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from prefect.settings import get_current_settings

logger = logging.getLogger(__name__)

ASK_SECONDS = 5.0
ANYBODY = "*"


async def advice_for(api_url: str) -> str | None:
    """Return what a server lacks and how to set it; None if it asks for authentication, or cannot be asked.

    To be called with the client settings for the server. It takes `ASK_SECONDS` at most.
    """
    try:
        async with asyncio.timeout(ASK_SECONDS):
            found = await _settings_for_anybody(api_url)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # TimeoutError is an OSError
        logger.debug("whether %s asks for authentication could not be found out: %r", _place(api_url), error)
        return None
    return advice(api_url, found) if found is not None else None


def advice(api_url: str, settings: Mapping[str, Any]) -> str:
    """Return the advice for a server that tells anybody its settings, which are Prefect's as JSON.

    Whether it has an encryption key of its own cannot be asked for; one that has no authentication hardly has one.
    """
    parts = [
        f"The Prefect server at {_place(api_url)} asks for no authentication: whoever reaches it can read the secrets"
        " in its blocks and start runs. Start it with PREFECT_SERVER_API_AUTH_STRING=user:password, and set"
        " PREFECT_API_AUTH_STRING to the same for its clients, this program among them.",
        "Start it with PREFECT_SERVER_ENCRYPTION_KEY, too (a Fernet key, the same for all servers on its database):"
        " else the key of its blocks lies beside them in the database.",
    ]
    server = _group(settings, "server")
    api = _group(server, "api")
    if ANYBODY in str(api.get("cors_allowed_origins", ANYBODY)).split(",") or not api.get("csrf_protection_enabled"):
        parts.append(
            "Until then any web page in a browser that reaches it may call it: set"
            " PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS to its own address and"
            " PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED=true."
        )
    return " ".join(parts)


async def _settings_for_anybody(api_url: str) -> Mapping[str, Any] | None:
    # A client of our own: Prefect's would add the credentials and headers of its settings.
    api = get_current_settings().api
    verify: ssl.SSLContext | bool = False
    if api_url.startswith("https:") and not api.tls_insecure_skip_verify:
        verify = await asyncio.to_thread(ssl.create_default_context, cafile=api.ssl_cert_file)
    async with httpx.AsyncClient(verify=verify, timeout=None) as client:
        answer = await client.get(f"{_without_account(api_url).rstrip('/')}/admin/settings")
    if answer.status_code != 200:
        return None
    try:
        found = answer.json()
    except ValueError:  # a page to log in, perhaps
        return None
    return cast(Mapping[str, Any], found) if isinstance(found, dict) and "server" in found else None


def _group(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = settings.get(name)
    return cast(Mapping[str, Any], found) if isinstance(found, dict) else {}


def _without_account(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _place(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
